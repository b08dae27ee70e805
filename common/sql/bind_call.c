/* bind_call.c: function calls: which row of the catalog is meant, and the calls that are none: COALESCE, IF, NULLIF. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/lex.h"

/* --- calls that are expressions of their own ------------------------------------------------------------------------------- */

/* IFNULL too. */
static enum tl_code coalesce_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **args,
                                  struct tl_expr **out)
{
    const struct tl_ast_expr **asts = tl_arena_zalloc(bind->arena, sizeof(struct tl_ast_expr *) * (ast->args_count + 1u)),
                             *at = ast->args;
    struct tl_expr *expr;
    enum tl_kind kind;
    enum tl_code rc;

    if (asts == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < ast->args_count; i++, at = at->next)
        asts[i] = at;
    rc = tl_bind_unify(bind, args, asts, ast->args_count, ast->at, "COALESCE", &kind);
    if (rc != TL_OK)
        return rc;
    expr = tl_bind_node(bind, TL_EXPR_COALESCE, kind, ast->at.place, ast->args_count);
    if (expr == NULL)
        return tl_bind_no_memory(bind);
    memcpy(expr->args, args, sizeof(struct tl_expr *) * ast->args_count);
    *out = expr;
    return tl_bind_node_close(bind, expr, ast->key_at);
}

/* NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
static enum tl_code nullif_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **args, struct tl_expr **out)
{
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_CASE, args[0]->kind, ast->at.place, 3);
    enum tl_code rc;

    if (expr == NULL)
        return tl_bind_no_memory(bind);
    TL_TRY(tl_bind_compare(bind, ast, "=", ast->args, ast->args->next, args[0], args[1], &expr->args[0]));
    TL_TRY(tl_bind_constant(bind, (struct tl_value){.kind = args[0]->kind, .is_null = true}, ast->at, &expr->args[1]));
    expr->args[2] = args[0];
    TL_TRY(tl_bind_node_close(bind, expr, ast->key_at));
    *out = expr;
out:
    return rc;
}

/* IF(condition, a, b) is CASE WHEN condition THEN a ELSE b END. */
static enum tl_code if_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                            struct tl_expr **out)
{
    struct tl_ast_expr as_case = *ast;

    as_case.op = TL_AST_CASE;
    as_case.has_else = true;
    return tl_bind_expr(bind, scope, &as_case, out);
}

static const struct form {
    const char *name;
    uint32_t args_count; /* 0: one or more */
    const char *signature;
} forms[] = {
    {"COALESCE", 0, "COALESCE(x, y, ...)"},
    {"IFNULL",   2, "IFNULL(x, y)"       },
    {"NULLIF",   2, "NULLIF(x, y)"       },
    {"IF",       3, "IF(condition, x, y)"},
};

static const struct form *form_find(struct tl_sv name)
{
    for (size_t i = 0; i < TL_COUNT(forms); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(forms[i].name)))
            return &forms[i];
    return NULL;
}

static enum tl_code form_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              const struct form *form, struct tl_expr **out)
{
    struct tl_expr **args;
    enum tl_code rc;

    if (form->args_count > 0 ? ast->args_count != form->args_count : ast->args_count == 0)
        return tl_mistake(bind->err, bind->text, ast->at, form->signature, "%s does not take %u argument%s", form->name,
                          ast->args_count, ast->args_count == 1 ? "" : "s");
    if (form->args_count == 3)
        return if_bind(bind, scope, ast, out);
    rc = tl_bind_args(bind, scope, ast, &args);
    if (rc != TL_OK)
        return rc;
    return strcmp(form->name, "NULLIF") == 0 ? nullif_bind(bind, ast, args, out) : coalesce_bind(bind, ast, args, out);
}

/* Words that are functions or values elsewhere: said once, with what to do instead. */
enum tl_code tl_bind_name_elsewhere(struct tl_bind *bind, struct tl_sv name, struct tl_span at)
{
    static const char *const clocks[] = {
        "CURRENT_TIMESTAMP", "LOCALTIMESTAMP",        "CURRENT_DATE",   "CURRENT_TIME", "LOCALTIME",    "NOW",
        "PROCTIME",          "CURRENT_ROW_TIMESTAMP", "UNIX_TIMESTAMP", "RAND",         "RAND_INTEGER", "UUID"};
    static const char *const windows[] = {
        "TUMBLE",      "TUMBLE_START",    "TUMBLE_END",       "TUMBLE_ROWTIME",  "HOP",
        "HOP_START",   "HOP_END",         "HOP_ROWTIME",      "SESSION",         "SESSION_START",
        "SESSION_END", "SESSION_ROWTIME", "SESSION_PROCTIME", "TUMBLE_PROCTIME", "HOP_PROCTIME"};
    static const char *const aggregates[] = {"COLLECT", "ARRAY_AGG",  "JSON_OBJECTAGG", "JSON_ARRAYAGG", "BIT_AND", "ROW_NUMBER",
                                             "RANK",    "DENSE_RANK", "NTILE",          "LAG",           "LEAD"};

    static const char *const dates[] = {"TO_DATE", "DATE_ADD", "DATE_SUB", "DATEDIFF", "DATE_DIFF", "TO_TIME"};

    for (size_t i = 0; i < TL_COUNT(dates); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(dates[i])))
            return tl_mistake(bind->err, bind->text, at,
                              "a day is TO_TIMESTAMP(s, 'yyyy-MM-dd'), FLOOR(t TO DAY) or DATE_FORMAT(t, 'yyyy-MM-dd')",
                              "%s wants the types DATE and TIME, and these are not there", dates[i]);
    for (size_t i = 0; i < TL_COUNT(clocks); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(clocks[i])))
            return tl_mistake(bind->err, bind->text, at, "use the table's event time: both layers then compute the same",
                              "%s would differ between the layers", clocks[i]);
    for (size_t i = 0; i < TL_COUNT(windows); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(windows[i])))
            return tl_mistake(bind->err, bind->text, at,
                              "use window_start, window_end and window_time of FROM TABLE(TUMBLE(...))",
                              "%s belongs to Flink's older group windows", windows[i]);
    for (size_t i = 0; i < TL_COUNT(aggregates); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(aggregates[i])))
            return tl_mistake(
                bind->err, bind->text, at,
                "aggregates are COUNT, SUM, MIN, MAX, AVG, STDDEV, VARIANCE, FIRST_VALUE, LAST_VALUE, LISTAGG, PERCENTILE "
                "and more: see the docs",
                "%s has no place here", aggregates[i]);
    return TL_OK;
}

/* --- calls of the catalog -------------------------------------------------------------------------------------------------- */

/* The name as it is written: of "FLOOR TO" FLOOR. */
static struct tl_sv name_word(struct tl_sv name)
{
    return tl_sv_cut(&name, ' ');
}

static bool is_named(const struct tl_function *function, struct tl_sv name)
{
    return tl_sv_eq_nocase(name_word(tl_sv_from(function->name)), name_word(name));
}

/* A function that is written as a call: no operator, and no IS NULL. */
static bool is_callable(const struct tl_function *function)
{
    return isupper((unsigned char)function->name[0]) && strchr(function->signature, '(') != NULL;
}

static enum tl_code name_unknown(struct tl_bind *bind, const struct tl_ast_expr *ast)
{
    struct tl_sv name = name_word(ast->text);
    struct tl_nearest nearest = tl_nearest_to(name);
    char hint[120];
    enum tl_code rc = tl_bind_name_elsewhere(bind, name, ast->key_at);

    if (rc != TL_OK)
        return rc;
    for (const struct tl_catalog *c = bind->catalog; c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++)
            if (is_callable(&c->functions[i]))
                tl_nearest_offer(&nearest, name_word(tl_sv_from(c->functions[i].name)));
    for (size_t i = 0; i < TL_COUNT(forms); i++)
        tl_nearest_offer(&nearest, tl_sv_from(forms[i].name));
    tl_bind_aggregates_offer(&nearest);
    return tl_mistake(
        bind->err, bind->text, ast->key_at,
        tl_nearest_hint(&nearest, hint, sizeof hint, "FUNCTIONS.md lists all; your own come with --functions LIB.so"),
        "there is no function %.*s", TL_SHOWN(name));
}

/* A known name: its signatures, those with the right number of arguments first. */
static enum tl_code call_unknown(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr *const *args)
{
    char hint[400] = "", given[160] = "";
    size_t size = 0;
    bool more = false;
    struct tl_sv name = name_word(ast->text);

    for (int fitting = 1; fitting >= 0; fitting--)
        for (const struct tl_catalog *c = bind->catalog; c != NULL; c = c->next)
            for (size_t i = 0; i < c->functions_count; i++) {
                const struct tl_function *f = &c->functions[i];
                bool fits = ast->args_count >= f->args_min && ast->args_count <= f->args_max;

                if (!is_named(f, name) || !is_callable(f) || fits != (fitting == 1))
                    continue;
                if (size + strlen(f->signature) + 20 > sizeof hint)
                    more = true;
                else
                    size +=
                        (size_t)snprintf(hint + size, sizeof hint - size, "%s%s", size == 0 ? "there is " : ", ", f->signature);
            }
    if (more)
        snprintf(hint + size, sizeof hint - size, " and others");
    if (args == NULL) /* too many even to look at */
        return tl_mistake(bind->err, bind->text, ast->key_at, hint, "%.*s does not take %u arguments", TL_SHOWN(name),
                          ast->args_count);
    for (uint32_t i = 0, n = 0; i < ast->args_count && n < sizeof given; i++)
        n += (uint32_t)snprintf(given + n, sizeof given - n, "%s%s", i == 0 ? "" : ", ", tl_kind_name(args[i]->kind));
    return tl_mistake(bind->err, bind->text, ast->key_at, hint, "%.*s does not take (%s)", TL_SHOWN(name), given);
}

static bool kind_widens(enum tl_kind from, enum tl_kind to)
{
    return from == to || from == TL_NULL || (tl_kind_is_numeric(from) && tl_kind_is_numeric(to) && from < to);
}

static bool name_known(const struct tl_catalog *catalog, struct tl_sv name)
{
    for (; catalog != NULL; catalog = catalog->next)
        for (size_t i = 0; i < catalog->functions_count; i++)
            if (is_named(&catalog->functions[i], name) && is_callable(&catalog->functions[i]))
                return true;
    return false;
}

/* Which argument, from 1, is a word: 0 for none. */
static uint32_t unit_of(const struct tl_catalog *catalog, const struct tl_ast_expr *ast)
{
    for (; catalog != NULL; catalog = catalog->next)
        for (size_t i = 0; i < catalog->functions_count; i++) {
            const struct tl_function *f = &catalog->functions[i];

            if (f->unit_arg > 0 && ast->args_count >= f->args_min && ast->args_count <= f->args_max &&
                tl_sv_eq_nocase(ast->text, tl_sv_from(f->name)))
                return f->unit_arg;
        }
    return 0;
}

/* DAY becomes the text 'DAY'. Which words there are, prepare() says. */
static enum tl_code unit_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **out)
{
    struct tl_sv copy;

    if (ast->op != TL_AST_COLUMN || ast->qualifier.size > 0)
        return tl_mistake(bind->err, bind->text, ast->at, "write DAY, HOUR, MINUTE, ...", "a unit of time is wanted here");
    if (!tl_arena_copy(bind->arena, ast->text, &copy))
        return tl_bind_no_memory(bind);
    for (size_t i = 0; i < copy.size; i++)
        ((char *)(uintptr_t)copy.data)[i] = (char)toupper((unsigned char)copy.data[i]);
    return tl_bind_constant(bind, (struct tl_value){.kind = TL_STRING, .sv = copy}, ast->at, out);
}

static enum tl_code call_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              struct tl_expr ***out)
{
    struct tl_expr **args = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (ast->args_count + 2u));
    const struct tl_ast_expr *arg = ast->args;
    uint32_t unit = unit_of(bind->catalog, ast);

    if (args == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < ast->args_count; i++, arg = arg->next) {
        enum tl_code rc = i + 1 == unit ? unit_bind(bind, arg, &args[i]) : tl_bind_expr(bind, scope, arg, &args[i]);

        if (rc != TL_OK)
            return rc;
    }
    *out = args;
    return TL_OK;
}

/* The row that takes these kinds as they are, else the first that they widen to. `result` 0: any. */
static const struct tl_function *row_find(const struct tl_catalog *catalog, const struct tl_ast_expr *ast,
                                          struct tl_expr *const *args, enum tl_kind result)
{
    enum tl_kind kinds[TL_ARGS_MAX] = {0};
    const struct tl_function *found;

    for (uint32_t i = 0; i < ast->args_count; i++)
        kinds[i] = args[i]->kind;
    found = tl_bind_function(catalog, ast->text, kinds, ast->args_count, result);
    for (const struct tl_catalog *c = catalog; c != NULL && found == NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count && found == NULL; i++) {
            const struct tl_function *f = &c->functions[i];
            bool fits = tl_sv_eq_nocase(ast->text, tl_sv_from(f->name)) && ast->args_count >= f->args_min &&
                        ast->args_count <= f->args_max && (result == 0 || f->result == result);

            for (uint32_t k = 0; fits && k < ast->args_count; k++)
                fits = kind_widens(kinds[k], tl_bind_parameter(f, k));
            found = fits ? f : NULL;
        }
    return found;
}

const struct tl_function *tl_bind_call_row(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr *const *args,
                                           enum tl_kind result)
{
    const struct tl_function *found = ast->args_count < TL_ARGS_MAX ? row_find(bind->catalog, ast, args, result) : NULL;

    if (found == NULL)
        (void)call_unknown(bind, ast, args);
    return found;
}

bool tl_bind_name_is_taken(struct tl_sv name)
{
    return tl_lex_keyword(name) != 0 || form_find(name) != NULL || tl_bind_is_own_aggregate(name);
}

/* Its event's time stands behind the arguments of such a function. */
static enum tl_code event_time_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                    const struct tl_function *function, struct tl_expr **out)
{
    if (scope->group != NULL && !scope->in_aggregate)
        return tl_mistake(bind->err, bind->text, ast->at, "add it to GROUP BY, or put it inside an aggregate",
                          "%s is made of each event", function->name);
    if (scope->from == NULL || scope->from->table == NULL || scope->from->table->event_time == NULL)
        return tl_mistake(bind->err, bind->text, ast->at, "call it in a view on a table that has a WATERMARK",
                          "%s takes the day of the event time, and there is none here", function->name);
    if (scope->in_watermark) /* archive and import read it too, and have no store */
        return tl_mistake(bind->err, bind->text, ast->at, "call it in a view on a table that has a WATERMARK",
                          "%s cannot be part of a WATERMARK", function->name);
    *out = tl_bind_slot(bind, scope->from->table->event_time->kind, TL_SLOT_EVENT_TIME, ast->at.place);
    return *out != NULL ? TL_OK : tl_bind_no_memory(bind);
}

enum tl_code tl_bind_call(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast, struct tl_expr **out)
{
    const struct form *form = form_find(ast->text);
    const struct tl_function *found;
    const struct tl_ast_expr *at = ast->args;
    struct tl_expr **args;
    uint32_t args_count = ast->args_count;
    enum tl_kind result = 0;
    unsigned precision;
    enum tl_code rc = TL_OK;

    if (tl_bind_is_aggregate(bind, ast->text))
        return tl_bind_aggregate(bind, scope, ast, out);
    if (ast->where != NULL || ast->distinct)
        return tl_mistake(bind->err, bind->text, ast->where != NULL ? ast->where_at : ast->at,
                          ast->where != NULL ? "write COUNT(*) FILTER (WHERE condition)" : "write COUNT(DISTINCT x)",
                          "%.*s is no aggregate: %s has no meaning for it", TL_SHOWN(ast->text),
                          ast->where != NULL ? "FILTER" : "DISTINCT");
    if (ast->star)
        return tl_mistake(bind->err, bind->text, ast->at, "only COUNT takes a star: COUNT(*)", "%.*s(*) has no meaning",
                          TL_SHOWN(ast->text));
    if (form != NULL)
        return form_bind(bind, scope, ast, form, out);
    if (!name_known(bind->catalog, ast->text))
        return name_unknown(bind, ast);
    if (args_count >= TL_ARGS_MAX)
        return call_unknown(bind, ast, NULL);
    if (ast->type.name.size > 0) /* RETURNING */
        TL_TRY(tl_bind_type(bind, &ast->type, &result, &precision));
    TL_TRY(call_args(bind, scope, ast, &args));
    if (args_count == 0) /* UNIX_TIMESTAMP() is a clock */
        TL_TRY(tl_bind_name_elsewhere(bind, name_word(ast->text), ast->key_at));
    found = tl_bind_call_row(bind, ast, args, result);
    if (found == NULL)
        return TL_ERR_DEFINITION;
    for (uint32_t i = 0; i < args_count; i++, at = at->next)
        TL_TRY(tl_bind_cast(bind, args[i], tl_bind_parameter(found, i), at->at, &args[i]));
    if (found->of_event)
        TL_TRY(event_time_bind(bind, scope, ast, found, &args[args_count++]));
    TL_TRY(tl_bind_function_call(bind, found, args, args_count, ast->key_at, out));
out:
    return rc;
}
