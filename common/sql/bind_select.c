/* bind_select.c: a SELECT: what FROM gives, WHERE, GROUP BY, HAVING, outputs. */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"

const char tl_window_hint[] =
    "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)) ... GROUP BY window_start, window_end";

/* --- FROM ------------------------------------------------------------------------------------------------------------------ */

struct tl_relation *tl_bind_relation(struct tl_bind *bind, struct tl_sv name)
{
    for (struct tl_relation *r = bind->relations; r != NULL; r = r->next)
        if (tl_sv_eq(r->name, name))
            return r;
    return NULL;
}

enum tl_code tl_bind_relation_find(struct tl_bind *bind, const struct tl_ast_name *name, const struct tl_relation **out)
{
    const struct tl_relation *relation = tl_bind_relation(bind, name->text);
    struct tl_nearest nearest = tl_nearest_to(name->text);
    char hint[120];

    if (relation == NULL) {
        for (const struct tl_relation *r = bind->relations; r != NULL; r = r->next)
            tl_nearest_offer(&nearest, r->name);
        return tl_mistake(
            bind->err, bind->text, name->at,
            tl_nearest_hint(&nearest, hint, sizeof hint,
                            bind->relations != NULL ? "a table or view is created before it is read" : "begin with CREATE TABLE"),
            "there is no table or view '%.*s'", TL_SHOWN(name->text));
    }
    if (relation->query.grouped)
        return tl_mistake(bind->err, bind->text, name->at,
                          "make it CREATE VIEW, without TEMPORARY: the final rows of a stored view can be read",
                          "'%.*s' has windows and is not stored", TL_SHOWN(name->text));
    *out = relation;
    return TL_OK;
}

static enum tl_code from_bind(struct tl_bind *bind, const struct tl_ast_from *from, struct tl_query *out, struct tl_sv *name)
{
    const struct tl_relation *relation;
    enum tl_code rc;

    *name = from->alias.text;
    if (from->args != NULL)
        return tl_bind_window(bind, from, out);
    if (from->select != NULL) {
        rc = tl_bind_select(bind, from->select, out);
        if (rc == TL_OK && out->grouped)
            return tl_mistake(bind->err, bind->text, from->at,
                              "make it a view of its own, CREATE VIEW name AS SELECT ..., and read that",
                              "a query over windows has no place here");
        return rc;
    }
    rc = tl_bind_relation_find(bind, &from->name, &relation);
    if (rc != TL_OK)
        return rc;
    *out = relation->query;
    if (name->data == NULL)
        *name = relation->name;
    return TL_OK;
}

/* --- GROUP BY ------------------------------------------------------------------------------------------------------------------ */

static const struct tl_bind_column *window_column(const struct tl_scope *scope, const struct tl_ast_expr *ast)
{
    const struct tl_bind_column *column;

    if (ast->op != TL_AST_COLUMN || (ast->qualifier.size > 0 && !tl_sv_eq(ast->qualifier, scope->from_name)))
        return NULL;
    column = tl_query_column(scope->from, ast->text);
    return column != NULL && column->is_window ? column : NULL;
}

/* A name that is no column but an output: Flink groups by expressions, and so do we. */
static enum tl_code group_alias_check(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_select *select,
                                      const struct tl_ast_expr *ast)
{
    char hint[200];

    if (ast->op != TL_AST_COLUMN || ast->qualifier.size > 0 || tl_query_column(scope->from, ast->text) != NULL)
        return TL_OK;
    for (const struct tl_ast_item *item = select->items; item != NULL; item = item->next)
        if (item->expr != NULL && item->alias.text.data != NULL && tl_sv_eq(item->alias.text, ast->text)) {
            struct tl_sv written = {bind->text->text.data + item->expr->at.offset, item->expr->at.bytes};

            snprintf(hint, sizeof hint, "write GROUP BY %.*s", (int)(written.size < 120 ? written.size : 120), written.data);
            return tl_mistake(bind->err, bind->text, ast->at, hint, "GROUP BY takes the expression itself, not its name '%.*s'",
                              TL_SHOWN(ast->text));
        }
    return TL_OK;
}

static enum tl_code key_add(struct tl_bind *bind, const struct tl_ast_select *select, const struct tl_scope *scope,
                            const struct tl_ast_expr *ast, const struct tl_ast_expr **keys_ast, struct tl_query *out)
{
    struct tl_expr *key = NULL;
    enum tl_code rc;

    TL_TRY(group_alias_check(bind, scope, select, ast));
    TL_TRY(tl_bind_expr(bind, scope, ast, &key));
    if (key->op == TL_EXPR_CONSTANT)
        return tl_mistake(bind->err, bind->text, ast->at, "write the column or expression itself",
                          "GROUP BY a constant has no meaning");
    for (uint32_t i = 0; i < out->keys_count; i++)
        if (tl_expr_same(out->keys[i], key))
            return TL_OK;
    keys_ast[out->keys_count] = ast;
    out->keys[out->keys_count] = key;
    out->keys_name[out->keys_count++] =
        ast->op == TL_AST_COLUMN ? ast->text : (struct tl_sv){bind->text->text.data + ast->at.offset, ast->at.bytes};
out:
    return rc;
}

static enum tl_code group_bind(struct tl_bind *bind, const struct tl_ast_select *select, struct tl_scope *scope,
                               struct tl_group *group)
{
    struct tl_query *out = group->out;
    const struct tl_ast_expr **keys_ast = tl_arena_zalloc(bind->arena, sizeof(struct tl_ast_expr *) * (select->group_count + 1u));
    bool has_start, has_end;
    enum tl_code rc = TL_OK;

    out->keys = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (select->group_count + 1u));
    out->keys_name = tl_arena_zalloc(bind->arena, sizeof *out->keys_name * (select->group_count + 1u));
    if (keys_ast == NULL || out->keys == NULL || out->keys_name == NULL)
        return tl_bind_no_memory(bind);
    group->keys_ast = keys_ast;
    for (const struct tl_ast_expr *ast = select->group; ast != NULL; ast = ast->next) {
        const struct tl_bind_column *column = window_column(scope, ast);

        if (column != NULL)
            group->window[column->window_slot] = true;
        else
            TL_TRY(key_add(bind, select, scope, ast, keys_ast, out));
    }
    has_start = group->window[TL_SLOT_WINDOW_START];
    has_end = group->window[TL_SLOT_WINDOW_END];
    if (out->window.window == TL_WINDOW_NONE)
        return tl_mistake(bind->err, bind->text, select->group_at, tl_window_hint,
                          "a view with GROUP BY has windows, and FROM has none");
    if (!has_start || !has_end)
        return tl_mistake(bind->err, bind->text, select->group_at,
                          out->inner != NULL && out->window.window == TL_WINDOW_INNER
                              ? "GROUP BY the window_start and the window_end of the view that is read, and then the keys"
                              : "write GROUP BY window_start, window_end and then the keys",
                          "GROUP BY lacks %s",
                          !has_start && !has_end ? "window_start and window_end"
                          : has_start            ? "window_end"
                                                 : "window_start");
    TL_TRY(tl_bind_window_keys(bind, select, group));
out:
    return rc;
}

/* Over the groups. A name that is an output alone is none here: Flink knows no such names in HAVING. */
static enum tl_code having_bind(struct tl_bind *bind, const struct tl_ast_select *select, struct tl_scope *scope,
                                struct tl_query *out)
{
    if (select->having == NULL)
        return TL_OK;
    if (scope->group == NULL)
        return tl_mistake(bind->err, bind->text, select->having_at, "conditions over rows stand in WHERE",
                          "HAVING chooses among groups, and there is no GROUP BY");
    scope->clause = "HAVING";
    return tl_bind_condition(bind, scope, select->having, &out->having);
}

/* --- outputs -------------------------------------------------------------------------------------------------------------------- */

static enum tl_code output_add(struct tl_bind *bind, struct tl_query *out, struct tl_bind_column column, struct tl_expr *expr,
                               struct tl_span at)
{
    uint32_t i = out->columns_count;

    for (uint32_t k = 0; k < i; k++)
        if (tl_sv_eq(out->columns[k].name, column.name))
            return tl_mistake(bind->err, bind->text, at, "give one of them another name with AS",
                              "two outputs have the name '%.*s'", TL_SHOWN(column.name));
    if (expr != NULL && expr->kind == TL_NULL)
        return tl_mistake(bind->err, bind->text, at, "write CAST(NULL AS STRING)", "an output has a type, and NULL has none");
    if (expr != NULL && expr->kind == TL_INTERVAL)
        return tl_mistake(bind->err, bind->text, at, "add it to a time, or write a number", "an interval is no output");
    out->columns[i] = column;
    out->outputs[i] = (struct tl_output){column.name, expr != NULL ? expr->kind : TL_TIMESTAMP, expr};
    out->outputs_at[i] = at;
    out->columns_count++;
    out->outputs_count++;
    return TL_OK;
}

/* The name of an output: what AS says, or the column's own. */
static enum tl_code item_name(struct tl_bind *bind, const struct tl_ast_item *item, bool named_elsewhere, uint32_t number,
                              struct tl_sv *out)
{
    char *made;

    if (item->alias.text.data != NULL) {
        *out = item->alias.text;
        return TL_OK;
    }
    if (item->expr->op == TL_AST_COLUMN) {
        *out = item->expr->text;
        return TL_OK;
    }
    if (!named_elsewhere)
        return tl_mistake(bind->err, bind->text, item->at,
                          tl_bind_is_aggregate(bind, item->expr->text) && item->expr->op == TL_AST_CALL
                              ? "write AS and a name: COUNT(*) AS num_hits"
                              : "write AS and a name behind it",
                          "this output has no name");
    made = tl_arena_printf(bind->arena, "EXPR$%u", number);
    if (made == NULL)
        return tl_bind_no_memory(bind);
    *out = tl_sv_from(made);
    return TL_OK;
}

static enum tl_code star_bind(struct tl_bind *bind, const struct tl_ast_item *item, const struct tl_scope *scope,
                              struct tl_query *out)
{
    if (item->qualifier.size > 0 && !tl_sv_eq(item->qualifier, scope->from_name))
        return tl_mistake(bind->err, bind->text, item->at, "write * alone", "there is no '%.*s' in FROM",
                          TL_SHOWN(item->qualifier));
    if (scope->group != NULL)
        return tl_mistake(bind->err, bind->text, item->at,
                          "name the outputs: window_start, window_end, the keys, COUNT(*) AS num_hits",
                          "a star has no place where GROUP BY is");
    for (uint32_t i = 0; i < scope->from->columns_count; i++) {
        enum tl_code rc = output_add(bind, out, scope->from->columns[i], scope->from->columns[i].expr, item->at);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

static enum tl_code item_bind(struct tl_bind *bind, const struct tl_ast_item *item, const struct tl_scope *scope,
                              bool named_elsewhere, struct tl_query *out)
{
    struct tl_bind_column column = {.is_time = false};
    const struct tl_bind_column *through = NULL;
    enum tl_code rc = item_name(bind, item, named_elsewhere, out->columns_count, &column.name);

    if (rc != TL_OK)
        return rc;
    if (scope->group == NULL && item->expr->op == TL_AST_COLUMN &&
        (item->expr->qualifier.size == 0 || tl_sv_eq(item->expr->qualifier, scope->from_name)))
        through = tl_query_column(scope->from, item->expr->text);
    if (through != NULL && !through->is_twice) { /* handed on as it is: it stays the event time, or a column of the window */
        struct tl_sv name = column.name;

        column = *through;
        column.name = name;
        return output_add(bind, out, column, column.expr, item->at);
    }
    rc = tl_bind_expr(bind, scope, item->expr, &column.expr);
    return rc == TL_OK ? output_add(bind, out, column, column.expr, item->at) : rc;
}

static enum tl_code select_bind(struct tl_bind *bind, const struct tl_ast_select *select, bool named_elsewhere,
                                struct tl_query *out)
{
    struct tl_query in;
    struct tl_scope scope = {.from = &in, .clause = "WHERE"};
    struct tl_group group = {.out = out};
    struct tl_expr *condition = NULL;
    uint32_t room = 0;
    enum tl_code rc;

    TL_TRY(from_bind(bind, select->from, &in, &scope.from_name));
    if (select->where != NULL) {
        TL_TRY(tl_bind_condition(bind, &scope, select->where, &condition));
        TL_TRY(tl_bind_and(bind, in.filter, condition, select->where->at, &in.filter));
    }
    *out = (struct tl_query){.table = in.table,
                             .inner = in.inner,
                             .filter = in.filter,
                             .window = in.window,
                             .partition = in.partition,
                             .partition_names = in.partition_names};
    if (select->group_count > 0) {
        scope.clause = "GROUP BY";
        out->grouped = true;
        if (out->inner != NULL && out->window.window == TL_WINDOW_NONE)
            out->window.window = TL_WINDOW_INNER;
        TL_TRY(group_bind(bind, select, &scope, &group));
        scope.group = &group;
    }
    scope.clause = "SELECT";
    for (const struct tl_ast_item *item = select->items; item != NULL; item = item->next)
        room += item->expr == NULL ? in.columns_count : 1;
    out->columns = tl_arena_zalloc(bind->arena, sizeof *out->columns * (room + 1u));
    out->outputs = tl_arena_zalloc(bind->arena, sizeof *out->outputs * (room + 1u));
    out->outputs_at = tl_arena_zalloc(bind->arena, sizeof *out->outputs_at * (room + 1u));
    if (out->columns == NULL || out->outputs == NULL || out->outputs_at == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_item *item = select->items; item != NULL; item = item->next) {
        if (item->expr == NULL)
            TL_TRY(star_bind(bind, item, &scope, out));
        else
            TL_TRY(item_bind(bind, item, &scope, named_elsewhere, out));
    }
    TL_TRY(having_bind(bind, select, &scope, out));
out:
    return rc;
}

enum tl_code tl_bind_select(struct tl_bind *bind, const struct tl_ast_select *select, struct tl_query *out)
{
    return select_bind(bind, select, false, out);
}

enum tl_code tl_bind_view_select(struct tl_bind *bind, const struct tl_ast_statement *statement, struct tl_query *out)
{
    enum tl_code rc = select_bind(bind, statement->select, statement->names.count > 0, out);
    uint32_t i = 0;

    if (rc != TL_OK || statement->names.count == 0)
        return rc;
    if (statement->names.count != out->columns_count)
        return tl_mistake(bind->err, bind->text, statement->names.first->at, "name each output, or leave the list out",
                          "the list has %u names, the query %u outputs", statement->names.count, out->columns_count);
    for (const struct tl_ast_name *name = statement->names.first; name != NULL; name = name->next, i++) {
        for (const struct tl_ast_name *other = statement->names.first; other != name; other = other->next)
            if (tl_sv_eq(other->text, name->text))
                return tl_mistake(bind->err, bind->text, name->at, "give one of them another name",
                                  "two outputs have the name '%.*s'", TL_SHOWN(name->text));
        out->columns[i].name = out->outputs[i].name = name->text;
        out->outputs_at[i] = name->at;
    }
    return TL_OK;
}
