/* plan_flink.c: the views file as a script for Flink: statements as written, a sink for each view, one INSERT each.
 *
 * Flink keeps a view's text only to unfold it where it is read, and loses brackets on the way (semantics.md 9.2), so the SELECT
 * itself stands in INSERT INTO. A stored view that others read stays a view under its name, and its sink gets another one. */
#include <string.h>

#include "sql/bind.h"
#include "sql/plan_text.h"

static bool select_reads(const struct tl_ast_select *select, struct tl_sv name)
{
    const struct tl_ast_from *from = select->from;

    if (from->select != NULL)
        return select_reads(from->select, name);
    if (from->args == NULL)
        return tl_sv_eq(from->name.text, name);
    for (const struct tl_ast_arg *arg = from->args; arg != NULL; arg = arg->next)
        if (arg->kind == TL_AST_ARG_TABLE && tl_sv_eq(arg->names.first->text, name))
            return true;
    return false;
}

static bool view_is_read(const struct tl_script *script, struct tl_sv name)
{
    for (const struct tl_ast_statement *s = script->statements; s != NULL; s = s->next)
        if (s->kind == TL_AST_CREATE_VIEW && select_reads(s->select, name))
            return true;
    return false;
}

static const struct tl_ast_statement *view_statement(const struct tl_plan *plan, const struct tl_view *view)
{
    const struct tl_ast_statement *s = plan->notes->script->statements;

    while (s != NULL && plan->notes->script->text.text.data + s->at.offset != view->sql.data)
        s = s->next;
    return s;
}

static struct tl_sv span_text(const struct tl_plan *plan, struct tl_span at)
{
    return (struct tl_sv){plan->notes->script->text.text.data + at.offset, at.bytes};
}

static void sink_name_print(const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out)
{
    if (!view_is_read(plan->notes->script, view->name))
        tl_name_print(view->name, out);
    else
        tl_buf_printf(out, "%.*s_sink", TL_SV_ARG(view->name)); /* a stored view's name needs no quotes */
}

/* Functions that Flink does not have. */
static bool text_calls(const struct tl_text *text, struct tl_sv function)
{
    struct tl_lex lex;
    struct tl_token token;

    tl_lex_init(&lex, text->text.data);
    for (int kind = tl_lex_next(&lex, &token); kind != 0; kind = tl_lex_next(&lex, &token))
        if (tl_sv_eq_nocase(token.text, function))
            return true;
    return false;
}

static void sink_print(const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out)
{
    tl_buf_put_str(out, "CREATE TABLE ");
    sink_name_print(plan, view, out);
    tl_buf_put_str(out, " (");
    for (uint32_t i = 0; i < view->outputs_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        tl_name_print(view->outputs[i].name, out);
        tl_buf_printf(out, " %s", tl_kind_name(view->outputs[i].kind));
    }
    tl_buf_put_str(out, ") WITH ('connector' = 'print');\n");
}

void tl_plan_print_flink(const struct tl_plan *plan, struct tl_buf *out)
{
    const struct tl_script *script = plan->notes->script;

    tl_buf_printf(out, "-- %s as a script for Apache Flink: put the sinks of your choice in place of 'print'.\n",
                  plan->notes->file);
    if (text_calls(&script->text, TL_SV("IS_FILE_REQUEST")))
        tl_buf_put_str(out, "-- IS_FILE_REQUEST is a function of tally's own: register one of that name in Flink first.\n");
    for (const struct tl_ast_statement *s = script->statements; s != NULL; s = s->next) {
        if (s->kind == TL_AST_CREATE_VIEW && !s->temporary && !view_is_read(script, s->name.text))
            continue;
        tl_buf_put_str(out, "\n");
        tl_buf_put_sv(out, span_text(plan, s->at));
        tl_buf_put_str(out, ";\n");
    }
    tl_buf_put_str(out, "\n");
    for (uint32_t i = 0; i < plan->views_count; i++)
        sink_print(plan, &plan->views[i], out);
    tl_buf_put_str(out, "\nEXECUTE STATEMENT SET BEGIN\n");
    for (uint32_t i = 0; i < plan->views_count; i++) {
        const struct tl_ast_statement *s = view_statement(plan, &plan->views[i]);

        tl_buf_put_str(out, "\nINSERT INTO ");
        sink_name_print(plan, &plan->views[i], out);
        tl_buf_put_u8(out, '\n');
        tl_buf_put_sv(out, span_text(plan, s->select_at));
        tl_buf_put_str(out, ";\n");
    }
    tl_buf_put_str(out, "\nEND;\n");
}
