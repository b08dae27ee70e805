/* bind_check.c: the statements of a checks file: which table or view each is about, what it expects, what a violation does. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/check.h"

enum { NAME_BYTES_MAX = 63, MEDIAN_DAYS_MAX = 366 };

static const char measures_hint[] = "it is ROW_COUNT, SUM(x), NULL_SHARE(x), FRESHNESS, UNIQUE (x, y) or x IN (...)";

/* --- names ---------------------------------------------------------------------------------------------------------------- */

static enum tl_code name_check(struct tl_bind *bind, const struct tl_ast_statement *statement)
{
    const struct tl_ast_name *name = &statement->check->name;

    for (const struct tl_ast_statement *s = bind->script->statements; s != statement; s = s->next)
        if (tl_sv_eq(s->check->name.text, name->text))
            return tl_mistake(bind->err, bind->text, name->at, "choose another name: reports tell checks apart by it",
                              "'%.*s' is already the check of line %u", TL_SHOWN(name->text), s->check->name.at.place.line);
    if (name->text.size > NAME_BYTES_MAX)
        return tl_mistake(bind->err, bind->text, name->at, "give it a shorter one", "the name of a check has at most %d bytes",
                          NAME_BYTES_MAX);
    for (size_t i = 0; i < name->text.size; i++)
        if ((unsigned char)name->text.data[i] < 0x20 || name->text.data[i] == 0x7F)
            return tl_mistake(bind->err, bind->text, name->at, "give it another name",
                              "the name of a check has no control characters");
    return TL_OK;
}

static enum tl_code relation_unknown(struct tl_bind *bind, const struct tl_ast_name *name, bool view)
{
    struct tl_nearest nearest = tl_nearest_to(name->text);
    char hint[200], all[200];
    size_t size = 0;

    for (const struct tl_relation *r = bind->relations; r != NULL; r = r->next) {
        if (r->is_view != view || r->temporary)
            continue;
        tl_nearest_offer(&nearest, r->name);
        if (size < sizeof all)
            size += (size_t)snprintf(all + size, sizeof all - size, "%s%.*s", size == 0 ? "it has " : ", ", TL_SHOWN(r->name));
    }
    return tl_mistake(bind->err, bind->text, name->at, tl_nearest_hint(&nearest, hint, sizeof hint, size > 0 ? all : NULL),
                      "%s has no %s '%.*s'", bind->notes->file, view ? "view" : "table", TL_SHOWN(name->text));
}

static enum tl_code relation_find(struct tl_bind *bind, const struct tl_ast_statement *statement, const struct tl_relation **out)
{
    const struct tl_relation *relation = tl_bind_relation(bind, statement->name.text);
    bool view = statement->kind == TL_AST_ALTER_VIEW;

    if (relation == NULL)
        return relation_unknown(bind, &statement->name, view);
    if (relation->is_view != view)
        return tl_mistake(bind->err, bind->text, statement->name.at,
                          view ? "write ALTER TABLE: its checks look at single events"
                               : "write ALTER VIEW: its checks look at its rows as a whole",
                          "'%.*s' is a %s", TL_SHOWN(relation->name), view ? "table" : "view");
    if (relation->temporary)
        return tl_mistake(bind->err, bind->text, statement->name.at,
                          "check the table that it reads, or a stored view that reads it",
                          "'%.*s' is a temporary view: it has no rows of its own", TL_SHOWN(relation->name));
    if (!view && !relation->query.table->used)
        return tl_mistake(bind->err, bind->text, statement->name.at, "a check looks at events that batch reads for a stored view",
                          "no stored view of %s reads '%.*s'", bind->notes->file, TL_SHOWN(relation->name));
    *out = relation;
    return TL_OK;
}

/* --- row checks ----------------------------------------------------------------------------------------------------------- */

/* Columns that no view wants are added behind the others: the shared slot gets the number there. */
static bool columns_add(struct tl_bind *bind, struct tl_bind_table *table, const struct tl_expr *expr)
{
    struct tl_schema *schema = &bind->plan->sources[table->number].schema;

    for (uint32_t i = 0; expr->op == TL_EXPR_SLOT && i < table->fields_count; i++) {
        struct tl_field *fields;

        if (table->slots[i] != expr || table->wanted[i])
            continue;
        fields = tl_arena_zalloc(&bind->plan->arena, sizeof *fields * (schema->fields_count + 1u));
        if (fields == NULL)
            return false;
        memcpy(fields, schema->fields, sizeof *fields * schema->fields_count);
        fields[schema->fields_count] = table->fields[i];
        table->slots[i]->slot = schema->fields_count++;
        schema->fields = fields;
        table->wanted[i] = true;
    }
    for (uint32_t i = 0; i < expr->args_count; i++)
        if (!columns_add(bind, table, expr->args[i]))
            return false;
    return true;
}

/* A column of a measure's name is a column. */
static bool is_measure(const struct tl_query *query, const struct tl_ast_expr *ast)
{
    if (ast->op == TL_AST_CALL)
        return tl_sv_eq_nocase(ast->text, TL_SV("NULL_SHARE"));
    return ast->op == TL_AST_COLUMN && tl_query_column(query, ast->text) == NULL &&
           (tl_sv_eq_nocase(ast->text, TL_SV("ROW_COUNT")) || tl_sv_eq_nocase(ast->text, TL_SV("FRESHNESS")));
}

static enum tl_code measure_elsewhere(struct tl_bind *bind, const struct tl_query *query, const struct tl_ast_check *ast)
{
    static const char hint[] = "write ALTER VIEW name ADD CONSTRAINT ...: it measures the rows of a view";
    const struct tl_ast_expr *first = ast->expr != NULL && ast->expr->args_count > 0 ? ast->expr->args : ast->expr;

    if (first == NULL)
        return tl_mistake(bind->err, bind->text, ast->unique_at, hint, "UNIQUE has no place in a check of a table");
    if (ast->days.text.data != NULL)
        return tl_mistake(bind->err, bind->text, ast->median_at, hint, "a median has no place in a check of a table");
    if (is_measure(query, ast->expr))
        first = ast->expr;
    if (is_measure(query, first))
        return tl_mistake(bind->err, bind->text, first->at, hint, "%.*s has no place in a check of a table",
                          TL_SHOWN(first->text));
    return TL_OK;
}

static enum tl_violation violation_of(enum tl_ast_violation violation)
{
    switch (violation) {
    case TL_AST_VIOLATION_DROP_ROW: return TL_VIOLATION_DROP_ROW;
    case TL_AST_VIOLATION_FAIL_UPDATE: return TL_VIOLATION_FAIL_UPDATE;
    case TL_AST_VIOLATION_WARN: break;
    }
    return TL_VIOLATION_WARN;
}

static enum tl_code row_check_bind(struct tl_bind *bind, const struct tl_ast_check *ast, const struct tl_relation *relation,
                                   struct tl_row_check *out)
{
    struct tl_scope scope = {
        .from = &relation->query, .from_name = relation->name, .clause = "a check of a table", .of_check = true};
    enum tl_code rc = TL_OK;

    TL_TRY(measure_elsewhere(bind, &relation->query, ast));
    TL_TRY(tl_bind_condition(bind, &scope, ast->expr, &out->expected));
    out->source = relation->query.table->number;
    out->violation = violation_of(ast->violation);
    if (!columns_add(bind, relation->query.table, out->expected))
        return tl_bind_no_memory(bind);
out:
    return rc;
}

/* --- table checks --------------------------------------------------------------------------------------------------------- */

static enum tl_code output_find(struct tl_bind *bind, const struct tl_view *view, struct tl_sv name, struct tl_span at,
                                uint32_t *out)
{
    struct tl_nearest nearest = tl_nearest_to(name);
    char hint[200], all[200];
    size_t size = 0;

    for (uint32_t i = 0; i < view->outputs_count; i++) {
        if (tl_sv_eq(view->outputs[i].name, name)) {
            *out = i;
            return TL_OK;
        }
        tl_nearest_offer(&nearest, view->outputs[i].name);
        if (size < sizeof all)
            size += (size_t)snprintf(all + size, sizeof all - size, "%s%.*s", size == 0 ? "it has " : ", ",
                                     TL_SHOWN(view->outputs[i].name));
    }
    return tl_mistake(bind->err, bind->text, at, tl_nearest_hint(&nearest, hint, sizeof hint, all),
                      "there is no column '%.*s' in %.*s", TL_SHOWN(name), TL_SHOWN(view->name));
}

static enum tl_code column_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_table_check *out)
{
    const struct tl_view *view = &bind->plan->views[out->view];

    if (ast->op != TL_AST_COLUMN || (ast->qualifier.size > 0 && !tl_sv_eq(ast->qualifier, view->name)))
        return tl_mistake(bind->err, bind->text, ast->at, "name a column: what is computed belongs into the view",
                          "a check of a view is about its columns");
    out->columns = tl_arena_zalloc(bind->arena, sizeof *out->columns);
    if (out->columns == NULL)
        return tl_bind_no_memory(bind);
    out->columns_count = 1;
    return output_find(bind, view, ast->text, ast->key_at, out->columns);
}

static enum tl_code unique_bind(struct tl_bind *bind, const struct tl_ast_check *ast, struct tl_table_check *out)
{
    const struct tl_view *view = &bind->plan->views[out->view];
    enum tl_code rc = TL_OK;

    out->columns = tl_arena_zalloc(bind->arena, sizeof *out->columns * (ast->unique.count + 1u));
    if (out->columns == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_name *n = ast->unique.first; n != NULL && rc == TL_OK; n = n->next) {
        rc = output_find(bind, view, n->text, n->at, &out->columns[out->columns_count]);
        for (uint32_t i = 0; rc == TL_OK && i < out->columns_count; i++)
            if (out->columns[i] == out->columns[out->columns_count])
                rc = tl_mistake(bind->err, bind->text, n->at, "leave one of the two out", "'%.*s' is named twice",
                                TL_SHOWN(n->text));
        out->columns_count++;
    }
    return rc;
}

static enum tl_code measure_unknown(struct tl_bind *bind, const struct tl_ast_expr *ast)
{
    static const char *const names[] = {"ROW_COUNT", "SUM", "NULL_SHARE", "FRESHNESS"};
    struct tl_nearest nearest = tl_nearest_to(ast->text);
    char hint[80];

    if (ast->op == TL_AST_CALL && tl_sv_eq_nocase(ast->text, TL_SV("COUNT")))
        return tl_mistake(bind->err, bind->text, ast->at, "write ROW_COUNT for the number of new rows, or SUM(x)",
                          "COUNT has no place in a check of a view");
    for (size_t i = 0; i < TL_COUNT(names) && (ast->op == TL_AST_CALL || ast->op == TL_AST_COLUMN); i++)
        tl_nearest_offer(&nearest, tl_sv_from(names[i]));
    return tl_mistake(bind->err, bind->text, ast->at, tl_nearest_hint(&nearest, hint, sizeof hint, measures_hint),
                      "a check of a view measures its new rows as a whole, and this is no measure");
}

static enum tl_code measure_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_table_check *out)
{
    bool plain = ast->op == TL_AST_COLUMN && ast->qualifier.size == 0;
    bool call = ast->op == TL_AST_CALL && ast->args_count == 1 && !ast->distinct && ast->where == NULL;
    enum tl_kind kind;
    enum tl_code rc = TL_OK;

    if (plain && tl_sv_eq_nocase(ast->text, TL_SV("ROW_COUNT")))
        out->measure = TL_MEASURE_ROW_COUNT;
    else if (plain && tl_sv_eq_nocase(ast->text, TL_SV("FRESHNESS")))
        out->measure = TL_MEASURE_FRESHNESS;
    else if (call && tl_sv_eq_nocase(ast->text, TL_SV("SUM")))
        out->measure = TL_MEASURE_SUM;
    else if (call && tl_sv_eq_nocase(ast->text, TL_SV("NULL_SHARE")))
        out->measure = TL_MEASURE_NULL_SHARE;
    else
        return measure_unknown(bind, ast);
    if (!call)
        return TL_OK;
    TL_TRY(column_bind(bind, ast->args, out));
    kind = bind->plan->views[out->view].outputs[out->columns[0]].kind;
    if (out->measure == TL_MEASURE_SUM && !tl_kind_is_numeric(kind))
        TL_TRY(tl_mistake(bind->err, bind->text, ast->args->at, "NULL_SHARE, UNIQUE and IN take any column",
                          "SUM wants a number, and this is %s", tl_kind_name(kind)));
out:
    return rc;
}

static enum tl_code bound_bind(struct tl_bind *bind, const struct tl_ast_check *check, const struct tl_ast_expr *ast,
                               const struct tl_table_check *of, double *out)
{
    struct tl_scope scope = {.clause = "a bound"};
    bool fresh = of->measure == TL_MEASURE_FRESHNESS, percent = check->days.text.data != NULL;
    struct tl_expr *expr;
    enum tl_code rc;

    if (ast->op == TL_AST_COLUMN)
        return tl_mistake(bind->err, bind->text, ast->at, "the measure stands first, then the bound: ROW_COUNT >= 1",
                          "a bound is a constant");
    TL_TRY(tl_bind_expr(bind, &scope, ast, &expr));
    if (expr->op != TL_EXPR_CONSTANT || expr->constant.is_null ||
        (fresh ? expr->kind != TL_INTERVAL : !tl_kind_is_numeric(expr->kind)))
        return tl_mistake(bind->err, bind->text, ast->at,
                          fresh ? "write FRESHNESS <= INTERVAL '2' HOUR" : "write a number: 1000, 0.01",
                          fresh ? "the bound of FRESHNESS is an interval" : "the bound is a constant number");
    *out = tl_kind_form(expr->kind) == TL_FORM_F64 ? expr->constant.f64 : (double)expr->constant.i64;
    if (*out < 0 && (percent || of->measure != TL_MEASURE_SUM))
        return tl_mistake(bind->err, bind->text, ast->at,
                          percent ? "write BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS" : NULL,
                          percent ? "a share of the median is not below 0" : "what is measured is never below 0");
    if (of->measure == TL_MEASURE_NULL_SHARE && !percent && *out > 1)
        return tl_mistake(bind->err, bind->text, ast->at, "write 0.01 for one row in a hundred", "a share is between 0 and 1");
out:
    return rc;
}

static enum tl_code days_bind(struct tl_bind *bind, const struct tl_ast_check *ast, struct tl_table_check *out)
{
    int64_t days = 0;

    if (ast->days.text.data == NULL)
        return TL_OK;
    if (out->measure != TL_MEASURE_ROW_COUNT && out->measure != TL_MEASURE_SUM && out->measure != TL_MEASURE_NULL_SHARE)
        return tl_mistake(bind->err, bind->text, ast->median_at, "ROW_COUNT, SUM(x) and NULL_SHARE(x) have one",
                          "there is no median of this measure");
    if (!tl_sv_to_i64(ast->days.text, &days) || days < 1 || days > MEDIAN_DAYS_MAX)
        return tl_mistake(bind->err, bind->text, ast->days.at, "write OVER 14 DAYS", "a median is taken over 1 to %d days",
                          MEDIAN_DAYS_MAX);
    out->median_days = (uint32_t)days;
    return TL_OK;
}

/* What is measured is a whole number. */
static bool is_whole(const struct tl_bind *bind, const struct tl_table_check *check)
{
    const struct tl_view *view = &bind->plan->views[check->view];

    return check->median_days == 0 &&
           (check->measure == TL_MEASURE_ROW_COUNT || check->measure == TL_MEASURE_FRESHNESS ||
            (check->measure == TL_MEASURE_SUM && tl_kind_is_integer(view->outputs[check->columns[0]].kind)));
}

/* The last value before the bound on the way to -INFINITY or INFINITY. */
static double beside(double bound, bool whole, double towards)
{
    if (!whole || fabs(bound) >= 1e15)
        return nextafter(bound, towards);
    return towards < 0 ? ceil(bound) - 1 : floor(bound) + 1;
}

static enum tl_code compare_bind(struct tl_bind *bind, const struct tl_ast_check *check, struct tl_table_check *out)
{
    const struct tl_ast_expr *ast = check->expr;
    double bound = 0;
    bool whole;
    enum tl_code rc;

    TL_TRY(measure_bind(bind, ast->args, out));
    TL_TRY(bound_bind(bind, check, ast->args->next, out, &bound));
    TL_TRY(days_bind(bind, check, out));
    whole = is_whole(bind, out);
    out->low = -INFINITY;
    out->high = INFINITY;
    if (tl_sv_eq(ast->text, TL_SV("="))) {
        out->low = out->high = bound;
    } else if (tl_sv_eq(ast->text, TL_SV("<="))) {
        out->high = bound;
    } else if (tl_sv_eq(ast->text, TL_SV(">="))) {
        out->low = bound;
    } else if (tl_sv_eq(ast->text, TL_SV("<"))) {
        out->high = beside(bound, whole, -INFINITY);
        out->high_open = !whole;
    } else {
        out->low = beside(bound, whole, INFINITY);
        out->low_open = !whole;
    }
out:
    return rc;
}

static enum tl_code between_bind(struct tl_bind *bind, const struct tl_ast_check *check, struct tl_table_check *out)
{
    const struct tl_ast_expr *ast = check->expr, *low = ast->args->next;
    enum tl_code rc;

    TL_TRY(measure_bind(bind, ast->args, out));
    TL_TRY(bound_bind(bind, check, low, out, &out->low));
    TL_TRY(bound_bind(bind, check, low->next, out, &out->high));
    if (out->low > out->high)
        TL_TRY(tl_mistake(bind->err, bind->text, tl_span_join(low->at, low->next->at), "the smaller one stands first",
                          "nothing lies between these bounds"));
    TL_TRY(days_bind(bind, check, out));
out:
    return rc;
}

static enum tl_code list_bind(struct tl_bind *bind, const struct tl_ast_check *check, struct tl_table_check *out)
{
    enum tl_kind kind;
    enum tl_code rc;

    out->measure = TL_MEASURE_ALLOWED;
    if (check->days.text.data != NULL)
        return tl_mistake(bind->err, bind->text, check->median_at, "write x IN (...) alone", "a list has no median");
    TL_TRY(column_bind(bind, check->expr->args, out));
    kind = bind->plan->views[out->view].outputs[out->columns[0]].kind;
    TL_TRY(tl_bind_list(bind, kind, check->expr, &out->allowed, &out->allowed_count));
out:
    return rc;
}

static bool is_comparison(const struct tl_ast_expr *ast)
{
    return ast->op == TL_AST_OPERATOR && ast->args_count == 2 &&
           (tl_sv_eq(ast->text, TL_SV("=")) || tl_sv_eq(ast->text, TL_SV("<")) || tl_sv_eq(ast->text, TL_SV("<=")) ||
            tl_sv_eq(ast->text, TL_SV(">")) || tl_sv_eq(ast->text, TL_SV(">=")));
}

static enum tl_code table_check_bind(struct tl_bind *bind, const struct tl_ast_check *ast, const struct tl_relation *relation,
                                     struct tl_table_check *out)
{
    out->view = relation->view;
    out->violation = violation_of(ast->violation);
    if (ast->violation == TL_AST_VIOLATION_DROP_ROW)
        return tl_mistake(bind->err, bind->text, ast->violation_at,
                          "ON VIOLATION FAIL UPDATE keeps the range from being published, WARN lets it pass",
                          "rows of a view are not dropped: it is checked as a whole");
    if (ast->expr == NULL) {
        out->measure = TL_MEASURE_UNIQUE;
        return unique_bind(bind, ast, out);
    }
    if (ast->expr->op == TL_AST_IN)
        return list_bind(bind, ast, out);
    if (ast->expr->op == TL_AST_BETWEEN)
        return between_bind(bind, ast, out);
    if (is_comparison(ast->expr))
        return compare_bind(bind, ast, out);
    if (ast->expr->op == TL_AST_AND)
        return tl_mistake(bind->err, bind->text, ast->expr->key_at, "write BETWEEN low AND high, or two constraints",
                          "a check of a view has one measure");
    return measure_unknown(bind, ast->expr);
}

/* --- the file --------------------------------------------------------------------------------------------------------------- */

enum tl_code tl_bind_checks(struct tl_bind *bind, struct tl_checks *checks)
{
    uint32_t count = bind->script->statements_count;
    enum tl_code rc = TL_OK;

    checks->rows = tl_arena_zalloc(bind->arena, sizeof *checks->rows * (count + 1u));
    checks->tables = tl_arena_zalloc(bind->arena, sizeof *checks->tables * (count + 1u));
    if (checks->rows == NULL || checks->tables == NULL)
        return tl_bind_no_memory(bind);
    if (count == 0)
        return tl_mistake(bind->err, bind->text, bind->script->end,
                          "add ALTER TABLE name ADD CONSTRAINT name EXPECT (condition) ON VIOLATION DROP ROW",
                          "there is nothing to check: the file has no ALTER TABLE and no ALTER VIEW");
    for (const struct tl_ast_statement *s = bind->script->statements; s != NULL; s = s->next) {
        struct tl_row_check *row = &checks->rows[checks->rows_count];
        struct tl_table_check *table = &checks->tables[checks->tables_count];
        const struct tl_relation *relation = NULL;

        TL_TRY(name_check(bind, s));
        TL_TRY(relation_find(bind, s, &relation));
        if (s->kind == TL_AST_ALTER_TABLE) {
            TL_TRY(row_check_bind(bind, s->check, relation, row));
            row->place = s->at.place;
            checks->rows_count++;
        } else {
            TL_TRY(table_check_bind(bind, s->check, relation, table));
            table->place = s->at.place;
            checks->tables_count++;
        }
        if (!tl_arena_copy(bind->arena, s->check->name.text, s->kind == TL_AST_ALTER_TABLE ? &row->name : &table->name))
            return tl_bind_no_memory(bind);
    }
out:
    return rc;
}
