/* bind_select.c: a SELECT: what FROM gives, the window, GROUP BY, aggregates, outputs. */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"

static const char window_hint[] =
    "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)) ... GROUP BY window_start, window_end";

/* --- FROM ------------------------------------------------------------------------------------------------------------------ */

struct tl_relation *tl_bind_relation(struct tl_bind *bind, struct tl_sv name)
{
    for (struct tl_relation *r = bind->relations; r != NULL; r = r->next)
        if (tl_sv_eq(r->name, name))
            return r;
    return NULL;
}

static enum tl_code relation_find(struct tl_bind *bind, const struct tl_ast_name *name, const struct tl_relation **out)
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
        return tl_mistake(bind->err, bind->text, name->at, "read the table itself, or a view without GROUP BY",
                          "'%.*s' has windows: a view reads a table, or views without GROUP BY", TL_SHOWN(name->text));
    *out = relation;
    return TL_OK;
}

/* --- windows ---------------------------------------------------------------------------------------------------------------- */

enum { PART_DATA, PART_TIMECOL, PART_SIZE, PART_OFFSET, PARTS };

static const char *const parts[PARTS] = {"DATA", "TIMECOL", "SIZE", "OFFSET"};
static const char tumble_form[] = "write TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)";

static enum tl_code window_name_check(struct tl_bind *bind, const struct tl_ast_name *name)
{
    static const struct {
        const char *name, *hint;
    } known[] = {
        {"HOP",          "windows are TUMBLE: take one of the slide's size, and add windows up where the view is read"},
        {"CUMULATE",     "windows are TUMBLE: take one of the step's size, and add windows up where the view is read" },
        {"SESSION",      "windows are TUMBLE: each has the same length"                                               },
        {"COUNT_WINDOW", "windows are TUMBLE: each has the same length in time"                                       },
    };
    struct tl_nearest nearest = tl_nearest_to(name->text);
    char hint[80];

    if (tl_sv_eq_nocase(name->text, TL_SV("TUMBLE")))
        return TL_OK;
    for (size_t i = 0; i < TL_COUNT(known); i++)
        if (tl_sv_eq_nocase(name->text, tl_sv_from(known[i].name)))
            return tl_mistake(bind->err, bind->text, name->at, known[i].hint, "%s has no place behind FROM", known[i].name);
    tl_nearest_offer(&nearest, TL_SV("TUMBLE"));
    return tl_mistake(bind->err, bind->text, name->at, tl_nearest_hint(&nearest, hint, sizeof hint, tumble_form),
                      "there is no window function '%.*s'", TL_SHOWN(name->text));
}

/* Puts the arguments in their places: by position, or by NAME =>. */
static enum tl_code window_parts(struct tl_bind *bind, const struct tl_ast_from *from, const struct tl_ast_arg *out[PARTS])
{
    uint32_t at = 0;
    char hint[120];

    for (const struct tl_ast_arg *arg = from->args; arg != NULL; arg = arg->next, at++) {
        uint32_t part = at;

        if ((arg->label.text.data != NULL) != (from->args->label.text.data != NULL))
            return tl_mistake(bind->err, bind->text, arg->at, "give all arguments by name, or none",
                              "arguments by name and by position are mixed");
        if (arg->label.text.data != NULL) {
            struct tl_nearest nearest = tl_nearest_to(arg->label.text);

            for (part = 0; part < PARTS && !tl_sv_eq_nocase(arg->label.text, tl_sv_from(parts[part])); part++)
                tl_nearest_offer(&nearest, tl_sv_from(parts[part]));
            if (part == PARTS)
                return tl_mistake(bind->err, bind->text, arg->label.at,
                                  tl_nearest_hint(&nearest, hint, sizeof hint, "TUMBLE has DATA, TIMECOL, SIZE and `OFFSET`"),
                                  "TUMBLE has no argument '%.*s'", TL_SHOWN(arg->label.text));
            if (at == 0 && part != PART_DATA)
                return tl_mistake(bind->err, bind->text, arg->label.at, "begin with DATA => TABLE t", "DATA comes first");
        }
        if (part >= PARTS)
            return tl_mistake(bind->err, bind->text, arg->at, tumble_form,
                              "TUMBLE takes a table, a time column, a size and perhaps an offset");
        if (out[part] != NULL)
            return tl_mistake(bind->err, bind->text, arg->at, "keep one of the two", "%s was already given", parts[part]);
        out[part] = arg;
    }
    for (uint32_t part = 0; part < PART_OFFSET; part++)
        if (out[part] == NULL)
            return tl_mistake(bind->err, bind->text, from->name.at, tumble_form, "TUMBLE lacks its %s",
                              part == PART_DATA      ? "table"
                              : part == PART_TIMECOL ? "time column"
                                                     : "size");
    return TL_OK;
}

static enum tl_code interval_arg(struct tl_bind *bind, const struct tl_ast_arg *arg, const char *what, int64_t *ms)
{
    struct tl_scope scope = {.clause = "a window"};
    struct tl_expr *expr = NULL;
    enum tl_code rc;

    if (arg->kind != TL_AST_ARG_EXPR)
        return tl_mistake(bind->err, bind->text, arg->at, tumble_form, "the %s of a window is an interval", what);
    rc = tl_bind_expr(bind, &scope, arg->expr, &expr);
    if (rc == TL_OK && (expr->op != TL_EXPR_CONSTANT || expr->kind != TL_INTERVAL || expr->constant.is_null))
        return tl_mistake(bind->err, bind->text, arg->at, "write INTERVAL '5' MINUTE", "the %s of a window is an interval", what);
    if (rc == TL_OK)
        *ms = expr->constant.i64;
    return rc;
}

/* The column must be the event time of the table, as the table or the views between hand it on. */
static enum tl_code descriptor_check(struct tl_bind *bind, const struct tl_ast_arg *arg, const struct tl_query *data,
                                     struct tl_sv data_name)
{
    const struct tl_source *source = &data->table->source;
    const struct tl_bind_column *column;
    struct tl_sv time_name = {NULL, 0};
    struct tl_nearest nearest;
    char hint[160], nearest_hint[100];

    if (arg->kind != TL_AST_ARG_DESCRIPTOR || arg->names.count != 1)
        return tl_mistake(bind->err, bind->text, arg->at, "write DESCRIPTOR(column)",
                          "the time column of a window stands in DESCRIPTOR");
    for (uint32_t i = 0; i < data->columns_count; i++)
        if (data->columns[i].is_time)
            time_name = data->columns[i].name;
    if (data->table->event_time == NULL) {
        snprintf(hint, sizeof hint, "add to CREATE TABLE %.*s: WATERMARK FOR column AS column - INTERVAL '15' SECOND",
                 TL_SHOWN(source->name));
        return tl_mistake(bind->err, bind->text, arg->names.first->at, hint,
                          "%.*s has no watermark, so no column is its event time", TL_SHOWN(source->name));
    }
    column = tl_query_column(data, arg->names.first->text);
    if (column != NULL && column->is_time)
        return TL_OK;
    if (time_name.data == NULL)
        snprintf(hint, sizeof hint, "add %.*s to the columns of %.*s", TL_SHOWN(source->time_name), TL_SHOWN(data_name));
    else
        snprintf(hint, sizeof hint, "write DESCRIPTOR(%.*s)", TL_SHOWN(time_name));
    if (column != NULL)
        return tl_mistake(bind->err, bind->text, arg->names.first->at, hint,
                          "'%.*s' is not the event time: the watermark of %.*s is for %.*s", TL_SHOWN(column->name),
                          TL_SHOWN(source->name), TL_SHOWN(source->time_name));
    nearest = tl_nearest_to(arg->names.first->text);
    for (uint32_t i = 0; i < data->columns_count; i++)
        tl_nearest_offer(&nearest, data->columns[i].name);
    return tl_mistake(bind->err, bind->text, arg->names.first->at,
                      time_name.data != NULL ? hint : tl_nearest_hint(&nearest, nearest_hint, sizeof nearest_hint, hint),
                      "there is no column '%.*s' in %.*s", TL_SHOWN(arg->names.first->text), TL_SHOWN(data_name));
}

/* Adds window_start, window_end and window_time. */
static enum tl_code window_columns(struct tl_bind *bind, struct tl_query *query, struct tl_span at)
{
    static const char *const names[] = {"window_start", "window_end", "window_time"};
    struct tl_bind_column *columns = tl_arena_zalloc(bind->arena, sizeof *columns * (query->columns_count + 3u));

    if (columns == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < query->columns_count; i++) {
        columns[i] = query->columns[i];
        columns[i].is_time = false; /* behind a window it is an ordinary column: semantics.md 1.5 */
    }
    for (uint32_t i = 0; i < TL_COUNT(names); i++) {
        if (tl_query_column(query, tl_sv_from(names[i])) != NULL)
            return tl_mistake(bind->err, bind->text, at,
                              "rename it in a temporary view: SELECT ..., window_start AS other FROM ...",
                              "the table has a column %s of its own", names[i]);
        columns[query->columns_count + i] = (struct tl_bind_column){tl_sv_from(names[i]), NULL, TL_SLOT_WINDOW_START + i, false};
    }
    query->columns = columns;
    query->columns_count += 3;
    return TL_OK;
}

static enum tl_code window_bind(struct tl_bind *bind, const struct tl_ast_from *from, struct tl_query *out)
{
    const struct tl_ast_arg *args[PARTS] = {NULL};
    const struct tl_relation *relation;
    int64_t size_ms, offset_ms = 0;
    enum tl_code rc;

    TL_TRY(window_name_check(bind, &from->name));
    TL_TRY(window_parts(bind, from, args));
    if (args[PART_DATA]->kind != TL_AST_ARG_TABLE)
        return tl_mistake(bind->err, bind->text, args[PART_DATA]->at, tumble_form,
                          "the first argument of TUMBLE is TABLE and a name");
    if (args[PART_DATA]->partition.count > 0)
        return tl_mistake(bind->err, bind->text, args[PART_DATA]->partition.first->at, "write the column into GROUP BY",
                          "TUMBLE takes no PARTITION BY");
    TL_TRY(relation_find(bind, args[PART_DATA]->names.first, &relation));
    *out = relation->query;
    if (out->window.window != TL_WINDOW_NONE)
        return tl_mistake(bind->err, bind->text, args[PART_DATA]->names.first->at, "read the table itself",
                          "'%.*s' has windows already", TL_SHOWN(relation->name));
    TL_TRY(descriptor_check(bind, args[PART_TIMECOL], out, relation->name));
    TL_TRY(interval_arg(bind, args[PART_SIZE], "size", &size_ms));
    if (size_ms <= 0)
        return tl_mistake(bind->err, bind->text, args[PART_SIZE]->at, "write INTERVAL '5' MINUTE",
                          "the size of a window is more than nothing");
    if (args[PART_OFFSET] != NULL) {
        TL_TRY(interval_arg(bind, args[PART_OFFSET], "offset", &offset_ms));
        if (offset_ms >= size_ms || offset_ms <= -size_ms)
            return tl_mistake(bind->err, bind->text, args[PART_OFFSET]->at, "windows repeat with their size: take the remainder",
                              "the offset of a window is smaller than its size");
    }
    out->window = (struct tl_window_spec){.window = TL_WINDOW_TUMBLE, .size_ms = size_ms, .slide_ms = size_ms, .offset_ms = offset_ms};
    TL_TRY(window_columns(bind, out, from->name.at));
out:
    return rc;
}

static enum tl_code from_bind(struct tl_bind *bind, const struct tl_ast_from *from, struct tl_query *out, struct tl_sv *name)
{
    const struct tl_relation *relation;
    enum tl_code rc;

    *name = from->alias.text;
    if (from->args != NULL)
        return window_bind(bind, from, out);
    if (from->select != NULL) {
        rc = tl_bind_select(bind, from->select, out);
        if (rc == TL_OK && out->grouped)
            return tl_mistake(bind->err, bind->text, from->at,
                              "make one view of it: the windows, and what is computed of their aggregates",
                              "a query over windows has no place here");
        return rc;
    }
    rc = relation_find(bind, &from->name, &relation);
    if (rc != TL_OK)
        return rc;
    *out = relation->query;
    if (name->data == NULL)
        *name = relation->name;
    return TL_OK;
}

/* --- aggregates --------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum tl_agg_kind agg;
} aggregates[] = {
    {"COUNT", TL_AGG_COUNT},
    {"SUM",   TL_AGG_SUM  },
    {"MIN",   TL_AGG_MIN  },
    {"MAX",   TL_AGG_MAX  },
    {"AVG",   TL_AGG_AVG  }
};

static int aggregate_find(struct tl_sv name)
{
    for (size_t i = 0; i < TL_COUNT(aggregates); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(aggregates[i].name)))
            return (int)i;
    return -1;
}

bool tl_bind_is_aggregate(struct tl_sv name)
{
    return aggregate_find(name) >= 0;
}

/* Adds the call unless the view has the same already; gives its slot. */
static enum tl_code aggregate_add(struct tl_bind *bind, struct tl_query *out, const struct tl_agg_call *call,
                                  struct tl_place place, struct tl_expr **expr)
{
    uint32_t at = 0;

    while (at < out->aggs_count &&
           !(out->aggs[at].agg == call->agg && (call->args_count == 0 || tl_expr_same(out->aggs[at].args[0], call->args[0]))))
        at++;
    if (at == out->aggs_count) {
        if (out->aggs_count == out->aggs_capacity) {
            uint32_t capacity = out->aggs_capacity == 0 ? 8 : out->aggs_capacity * 2;
            struct tl_agg_call *aggs = tl_arena_zalloc(bind->arena, sizeof *aggs * capacity);

            if (aggs == NULL)
                return tl_bind_no_memory(bind);
            if (out->aggs_count > 0)
                memcpy(aggs, out->aggs, sizeof *aggs * out->aggs_count);
            out->aggs = aggs;
            out->aggs_capacity = capacity;
        }
        out->aggs[out->aggs_count++] = *call;
    }
    *expr = tl_bind_slot(bind, call->kind, TL_SLOT_KEYS + out->keys_count + at, place);
    return *expr != NULL ? TL_OK : tl_bind_no_memory(bind);
}

enum tl_code tl_bind_aggregate(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                               struct tl_expr **out)
{
    const char *name = aggregates[aggregate_find(ast->text)].name;
    struct tl_agg_call call = {.agg = aggregates[aggregate_find(ast->text)].agg, .kind = TL_BIGINT};
    struct tl_scope inner = *scope;
    enum tl_code rc;

    if (scope->in_aggregate)
        return tl_mistake(bind->err, bind->text, ast->key_at, "aggregate once, and combine the results: SUM(x) / COUNT(*)",
                          "an aggregate inside an aggregate has no meaning");
    if (scope->group == NULL && strcmp(scope->clause, "SELECT") == 0)
        return tl_mistake(bind->err, bind->text, ast->key_at, window_hint, "%s counts over a window, and there is no GROUP BY",
                          name);
    if (scope->group == NULL)
        return tl_mistake(bind->err, bind->text, ast->key_at, "aggregates stand in SELECT, over the rows that WHERE keeps",
                          "%s has no place in %s", name, scope->clause);
    if (ast->star && call.agg == TL_AGG_COUNT) {
        call.agg = TL_AGG_COUNT_STAR;
        return aggregate_add(bind, scope->group->out, &call, ast->at.place, out);
    }
    if (ast->star)
        return tl_mistake(bind->err, bind->text, ast->at, "name the column: SUM(bytes)", "only COUNT takes a star");
    if (ast->args_count != 1)
        return tl_mistake(bind->err, bind->text, ast->at, call.agg == TL_AGG_COUNT ? "write COUNT(*) or COUNT(x)" : NULL,
                          "%s takes one argument", name);
    inner.in_aggregate = true;
    call.args = tl_arena_alloc(bind->arena, sizeof(struct tl_expr *));
    if (call.args == NULL)
        return tl_bind_no_memory(bind);
    call.args_count = 1;
    rc = tl_bind_expr(bind, &inner, ast->args, &call.args[0]);
    if (rc != TL_OK)
        return rc;
    if (call.args[0]->kind == TL_NULL || call.args[0]->kind == TL_INTERVAL)
        return tl_mistake(bind->err, bind->text, ast->args->at, "name a column: an aggregate is over the rows of a group",
                          "%s of %s has no meaning", name, call.args[0]->kind == TL_NULL ? "NULL" : "an interval");
    if ((call.agg == TL_AGG_SUM || call.agg == TL_AGG_AVG) && !tl_kind_is_numeric(call.args[0]->kind))
        return tl_mistake(bind->err, bind->text, ast->args->at,
                          call.args[0]->kind == TL_STRING ? "CAST it: SUM(CAST(x AS BIGINT))" : "COUNT, MIN and MAX take any type",
                          "%s wants a number, and this is %s", name, tl_kind_name(call.args[0]->kind));
    if (call.agg != TL_AGG_COUNT)
        call.kind = call.args[0]->kind; /* Flink: SUM, AVG, MIN and MAX keep the type (semantics.md 7) */
    return aggregate_add(bind, scope->group->out, &call, ast->at.place, out);
}

/* --- GROUP BY ------------------------------------------------------------------------------------------------------------------ */

static const struct tl_bind_column *window_column(const struct tl_scope *scope, const struct tl_ast_expr *ast)
{
    const struct tl_bind_column *column;

    if (ast->op != TL_AST_COLUMN || (ast->qualifier.size > 0 && !tl_sv_eq(ast->qualifier, scope->from_name)))
        return NULL;
    column = tl_query_column(scope->from, ast->text);
    return column != NULL && column->expr == NULL ? column : NULL;
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

static enum tl_code group_bind(struct tl_bind *bind, const struct tl_ast_select *select, struct tl_scope *scope,
                               struct tl_group *group)
{
    struct tl_query *out = group->out;
    const struct tl_ast_expr **keys_ast = tl_arena_zalloc(bind->arena, sizeof(struct tl_ast_expr *) * (select->group_count + 1u));
    bool has_start = false, has_end = false;

    out->keys = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (select->group_count + 1u));
    out->keys_name = tl_arena_zalloc(bind->arena, sizeof *out->keys_name * (select->group_count + 1u));
    if (keys_ast == NULL || out->keys == NULL || out->keys_name == NULL)
        return tl_bind_no_memory(bind);
    group->keys_ast = keys_ast;
    for (const struct tl_ast_expr *ast = select->group; ast != NULL; ast = ast->next) {
        const struct tl_bind_column *column = window_column(scope, ast);
        struct tl_expr *key = NULL;
        bool known = false;
        enum tl_code rc;

        if (column != NULL) {
            has_start = has_start || column->window_slot == TL_SLOT_WINDOW_START;
            has_end = has_end || column->window_slot == TL_SLOT_WINDOW_END;
            group->window_time = group->window_time || column->window_slot == TL_SLOT_WINDOW_TIME;
            continue;
        }
        rc = group_alias_check(bind, scope, select, ast);
        if (rc == TL_OK)
            rc = tl_bind_expr(bind, scope, ast, &key);
        if (rc != TL_OK)
            return rc;
        if (key->op == TL_EXPR_CONSTANT)
            return tl_mistake(bind->err, bind->text, ast->at, "write the column or expression itself",
                              "GROUP BY a constant has no meaning");
        for (uint32_t i = 0; i < out->keys_count; i++)
            known = known || tl_expr_same(out->keys[i], key);
        if (known)
            continue;
        keys_ast[out->keys_count] = ast;
        out->keys[out->keys_count] = key;
        out->keys_name[out->keys_count++] =
            ast->op == TL_AST_COLUMN ? ast->text : (struct tl_sv){bind->text->text.data + ast->at.offset, ast->at.bytes};
    }
    if (out->window.window == TL_WINDOW_NONE)
        return tl_mistake(bind->err, bind->text, select->group_at, window_hint,
                          "a view with GROUP BY has windows, and FROM has none");
    if (!has_start || !has_end)
        return tl_mistake(bind->err, bind->text, select->group_at, "write GROUP BY window_start, window_end and then the keys",
                          "GROUP BY lacks %s",
                          !has_start && !has_end ? "window_start and window_end"
                          : has_start            ? "window_end"
                                                 : "window_start");
    return TL_OK;
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
                          tl_bind_is_aggregate(item->expr->text) && item->expr->op == TL_AST_CALL
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
    if (through != NULL) { /* handed on as it is: it stays the event time, or a column of the window */
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
    *out = (struct tl_query){.table = in.table, .filter = in.filter, .window = in.window};
    if (select->group_count > 0) {
        scope.clause = "GROUP BY";
        out->grouped = true;
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
