/* plan_flink.c: the views file as a script for Flink: statements as written, a sink for each view, one INSERT each.
 *
 * Flink keeps a view's text only to unfold it where it is read, and loses the brackets of PARTITION BY (a, b) on the way (semantics.md
 * 9.2), so the SELECT itself stands in INSERT INTO. A stored view that others read stays a view under its name, and its sink gets
 * another one; where its text has such brackets, or that of a view that it reads, it stands in a WITH of each INSERT that reads it. */
#include <stdlib.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/plan_text.h"

/* The name that a query reads, past its subqueries. */
static struct tl_sv select_source(const struct tl_ast_select *select)
{
    while (select->from->select != NULL)
        select = select->from->select;
    for (const struct tl_ast_arg *arg = select->from->args; arg != NULL; arg = arg->next)
        if (arg->kind == TL_AST_ARG_TABLE)
            return arg->names.first->text;
    return select->from->name.text;
}

/* A view of the file, and how it stands to the others. */
struct node {
    const struct tl_ast_statement *view;
    const struct node *within; /* the view that it reads; NULL: it reads a table */
    bool is_read;
    bool loses_brackets; /* its text, or that of a view within, has PARTITION BY (a, b) */
};

struct script {
    const struct tl_plan *plan;
    struct node *nodes; /* in the order of the file */
    size_t nodes_count;
};

static struct node *node_find(const struct script *script, struct tl_sv name)
{
    for (size_t i = 0; i < script->nodes_count; i++)
        if (tl_sv_eq(script->nodes[i].view->name.text, name))
            return &script->nodes[i];
    return NULL;
}

static bool has_brackets(const struct tl_ast_select *select)
{
    while (select->from->select != NULL)
        select = select->from->select;
    for (const struct tl_ast_arg *arg = select->from->args; arg != NULL; arg = arg->next)
        if (arg->partition.count > 1)
            return true;
    return false;
}

static bool name_is_taken(const struct tl_ast_statement *first, const struct tl_ast_statement *statement)
{
    for (const struct tl_ast_statement *s = first; s != statement; s = s->next)
        if ((s->kind == TL_AST_CREATE_TABLE || s->kind == TL_AST_CREATE_VIEW) && tl_sv_eq(s->name.text, statement->name.text))
            return true;
    return false;
}

/* A view stands behind those that it reads, so one pass is enough. What stands behind a taken name's IF NOT EXISTS is none. */
static bool script_open(const struct tl_plan *plan, struct script *out)
{
    size_t count = 0;

    for (const struct tl_ast_statement *s = plan->notes->script->statements; s != NULL; s = s->next)
        count++;
    *out = (struct script){.plan = plan, .nodes = calloc(count + 1, sizeof *out->nodes)};
    if (out->nodes == NULL)
        return false;
    for (const struct tl_ast_statement *s = plan->notes->script->statements; s != NULL; s = s->next) {
        struct node *within;

        if (s->kind != TL_AST_CREATE_VIEW || name_is_taken(plan->notes->script->statements, s))
            continue;
        within = node_find(out, select_source(s->select));
        if (within != NULL)
            within->is_read = true;
        out->nodes[out->nodes_count++] = (struct node){
            .view = s, .within = within, .loses_brackets = has_brackets(s->select) || (within != NULL && within->loses_brackets)};
    }
    return true;
}

static struct tl_sv span_text(const struct tl_plan *plan, struct tl_span at)
{
    return (struct tl_sv){plan->notes->script->text.text.data + at.offset, at.bytes};
}

static bool is_named(const struct script *script, const struct tl_view *view, const char *ending, size_t repeated)
{
    size_t bytes = strlen(ending);

    for (const struct tl_ast_statement *s = script->plan->notes->script->statements; s != NULL; s = s->next) {
        struct tl_sv name = s->name.text;
        bool same = (s->kind == TL_AST_CREATE_TABLE || s->kind == TL_AST_CREATE_VIEW) &&
                    name.size == view->name.size + repeated * bytes && memcmp(name.data, view->name.data, view->name.size) == 0;

        for (size_t i = 0; same && i < repeated; i++)
            same = memcmp(name.data + view->name.size + i * bytes, ending, bytes) == 0;
        if (same)
            return true;
    }
    return false;
}

/* Another name than all that the file has. */
static void sink_name_print(const struct script *script, const struct tl_view *view, struct tl_buf *out)
{
    static const char ending[] = "_sink";
    size_t repeated = 0;

    if (node_find(script, view->name)->is_read)
        for (repeated = 1; is_named(script, view, ending, repeated);)
            repeated++;
    tl_buf_printf(out, "`%.*s", TL_SV_ARG(view->name)); /* no backtick can be in a stored view's name */
    while (repeated-- > 0)
        tl_buf_put_str(out, ending);
    tl_buf_put_u8(out, '`');
}

/* In backticks always: Flink reserves more words than are known here. */
static void quoted_print(struct tl_sv name, struct tl_buf *out)
{
    tl_buf_put_u8(out, '`');
    for (size_t i = 0; i < name.size; i++) {
        tl_buf_put(out, name.data + i, 1);
        if (name.data[i] == '`')
            tl_buf_put_u8(out, '`');
    }
    tl_buf_put_u8(out, '`');
}

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

/* What the file holds that Flink does not have. Overloads of a name stand side by side. */
static void own_print(const struct tl_plan *plan, struct tl_buf *out)
{
    static const struct {
        const char *name, *what;
    } own[] = {
        {"COUNT_WINDOW",          "is a window of tally's own: register a table function of that name in Flink first."},
        {"WINDOW_FUNNEL",         "is an aggregate of tally's own: register one of that name in Flink first."         },
        {"APPROX_PERCENTILE",     "is an aggregate of tally's own: register one of that name in Flink first."         },
        {"APPROX_COUNT_DISTINCT", "is known to Flink in batch mode alone."                                            },
    };
    const struct tl_text *text = &plan->notes->script->text;
    const char *last = "";

    for (size_t i = 0; i < TL_COUNT(own); i++)
        if (text_calls(text, tl_sv_from(own[i].name)))
            tl_buf_printf(out, "-- %s %s\n", own[i].name, own[i].what);
    for (const struct tl_catalog *c = plan->notes->catalog; c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++) {
            const struct tl_function *f = &c->functions[i];

            if ((f->ours || f->own != NULL) && strcmp(f->name, last) != 0 && text_calls(text, tl_sv_from(f->name)))
                tl_buf_printf(out, "-- %s %s: register one of that name in Flink first.\n",
                              f->own != NULL ? f->signature : f->name,
                              f->own != NULL ? "comes from a library for tally" : "is a function of tally's own");
            last = f->name;
        }
}

static void sink_print(const struct script *script, const struct tl_view *view, struct tl_buf *out)
{
    tl_buf_put_str(out, "CREATE TABLE ");
    sink_name_print(script, view, out);
    tl_buf_put_str(out, " (");
    for (uint32_t i = 0; i < view->outputs_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        quoted_print(view->outputs[i].name, out);
        tl_buf_printf(out, " %s", tl_kind_name(view->outputs[i].kind));
    }
    tl_buf_put_str(out, ") WITH ('connector' = 'print');\n");
}

/* WITH: the views within, each behind what it reads. */
static void within_print(const struct tl_plan *plan, const struct node *within, struct tl_buf *out)
{
    const struct node *last = NULL;

    while (last != within) {
        const struct node *next = within;

        while (next->within != last)
            next = next->within;
        tl_buf_put_str(out, last == NULL ? "WITH " : ",\n");
        quoted_print(next->view->name.text, out);
        for (const struct tl_ast_name *name = next->view->names.first; name != NULL; name = name->next) {
            tl_buf_put_str(out, name == next->view->names.first ? " (" : ", ");
            quoted_print(name->text, out);
        }
        tl_buf_put_str(out, next->view->names.count > 0 ? ") AS (\n" : " AS (\n");
        tl_buf_put_sv(out, span_text(plan, next->view->select_at));
        tl_buf_put_str(out, "\n)");
        last = next;
    }
    tl_buf_put_u8(out, '\n');
}

static void statements_print(const struct script *script, struct tl_buf *out)
{
    const struct tl_plan *plan = script->plan;

    for (const struct tl_ast_statement *s = plan->notes->script->statements; s != NULL; s = s->next) {
        const struct node *node = s->kind == TL_AST_CREATE_VIEW ? node_find(script, s->name.text) : NULL;

        if (node != NULL && ((!node->view->temporary && !node->is_read) || node->loses_brackets))
            continue;
        tl_buf_put_str(out, "\n");
        tl_buf_put_sv(out, span_text(plan, s->at));
        tl_buf_put_str(out, ";\n");
    }
}

void tl_plan_print_flink(const struct tl_plan *plan, struct tl_buf *out)
{
    struct script script;

    if (!script_open(plan, &script)) {
        out->failed = true;
        return;
    }
    tl_buf_printf(out, "-- %s as a script for Apache Flink: put the sinks of your choice in place of 'print'.\n",
                  plan->notes->file);
    own_print(plan, out);
    statements_print(&script, out);
    tl_buf_put_str(out, "\n");
    for (uint32_t i = 0; i < plan->views_count; i++)
        sink_print(&script, &plan->views[i], out);
    tl_buf_put_str(out, "\nEXECUTE STATEMENT SET BEGIN\n");
    for (uint32_t i = 0; i < plan->views_count; i++) {
        const struct node *node = node_find(&script, plan->views[i].name);

        tl_buf_put_str(out, "\nINSERT INTO ");
        sink_name_print(&script, &plan->views[i], out);
        tl_buf_put_u8(out, '\n');
        if (node->within != NULL && node->within->loses_brackets)
            within_print(plan, node->within, out);
        tl_buf_put_sv(out, span_text(plan, node->view->select_at));
        tl_buf_put_str(out, ";\n");
    }
    tl_buf_put_str(out, "\nEND;\n");
    free(script.nodes);
}
