/* bind_aggregate.c: aggregate calls: their arguments, DISTINCT and FILTER, and what they give.
 *
 * Source of the result types: Flink 2.3, LogicalTypeMerging (AVG keeps the type of its argument, and STDDEV and VAR go by it), and
 * semantics.md 7. APPROX_PERCENTILE and WINDOW_FUNNEL are ours. */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"

enum takes { TAKES_ANY, TAKES_NUMBER, TAKES_TEXT };

enum { FUNNEL_STEPS_MAX = 32 };

/* Kind 0: that of the argument. */
static const struct aggregate {
    const char *name;
    enum tl_agg_kind agg;
    enum takes takes;
    enum tl_kind kind;
    uint32_t args_min, args_max;
    bool distinct;    /* may stand in front of the argument */
    const char *form; /* as it is written */
} aggregates[] = {
    {"COUNT",                 TL_AGG_COUNT,                 TAKES_ANY,    TL_BIGINT, 1, 1,                    true,  "COUNT(*) or COUNT(x)"          },
    {"SUM",                   TL_AGG_SUM,                   TAKES_NUMBER, 0,         1, 1,                    true,  "SUM(x)"                        },
    {"MIN",                   TL_AGG_MIN,                   TAKES_ANY,    0,         1, 1,                    true,  "MIN(x)"                        },
    {"MAX",                   TL_AGG_MAX,                   TAKES_ANY,    0,         1, 1,                    true,  "MAX(x)"                        },
    {"AVG",                   TL_AGG_AVG,                   TAKES_NUMBER, 0,         1, 1,                    true,  "AVG(x)"                        },
    {"STDDEV_POP",            TL_AGG_STDDEV_POP,            TAKES_NUMBER, 0,         1, 1,                    true,  "STDDEV_POP(x)"                 },
    {"STDDEV_SAMP",           TL_AGG_STDDEV_SAMP,           TAKES_NUMBER, 0,         1, 1,                    true,  "STDDEV_SAMP(x)"                },
    {"STDDEV",                TL_AGG_STDDEV_SAMP,           TAKES_NUMBER, 0,         1, 1,                    true,  "STDDEV(x)"                     },
    {"VAR_POP",               TL_AGG_VAR_POP,               TAKES_NUMBER, 0,         1, 1,                    true,  "VAR_POP(x)"                    },
    {"VAR_SAMP",              TL_AGG_VAR_SAMP,              TAKES_NUMBER, 0,         1, 1,                    true,  "VAR_SAMP(x)"                   },
    {"VARIANCE",              TL_AGG_VAR_SAMP,              TAKES_NUMBER, 0,         1, 1,                    true,  "VARIANCE(x)"                   },
    {"FIRST_VALUE",           TL_AGG_FIRST_VALUE,           TAKES_ANY,    0,         1, 1,                    false, "FIRST_VALUE(x)"                },
    {"LAST_VALUE",            TL_AGG_LAST_VALUE,            TAKES_ANY,    0,         1, 1,                    false, "LAST_VALUE(x)"                 },
    {"LISTAGG",               TL_AGG_LISTAGG,               TAKES_TEXT,   TL_STRING, 1, 2,                    true,  "LISTAGG(x) or LISTAGG(x, '; ')"},
    {"APPROX_COUNT_DISTINCT", TL_AGG_APPROX_COUNT_DISTINCT, TAKES_ANY,    TL_BIGINT, 1, 1,                    false, "APPROX_COUNT_DISTINCT(x)"      },
    {"PERCENTILE",            TL_AGG_PERCENTILE,            TAKES_NUMBER, TL_DOUBLE, 2, 3,                    true,  "PERCENTILE(x, 0.95)"           },
    {"APPROX_PERCENTILE",     TL_AGG_APPROX_PERCENTILE,     TAKES_NUMBER, TL_DOUBLE, 2, 2,                    false, "APPROX_PERCENTILE(x, 0.95)"    },
    {"WINDOW_FUNNEL",         TL_AGG_WINDOW_FUNNEL,         TAKES_ANY,    TL_INT,    3, 2 + FUNNEL_STEPS_MAX, false,
     "WINDOW_FUNNEL(INTERVAL '1' HOUR, time, step, step, ...)"                                                                                       },
};

static const struct aggregate *aggregate_find(struct tl_sv name)
{
    for (size_t i = 0; i < TL_COUNT(aggregates); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(aggregates[i].name)))
            return &aggregates[i];
    return NULL;
}

/* The first of that name in a library, or NULL. */
static const struct tl_function *user_find(const struct tl_bind *bind, struct tl_sv name)
{
    for (const struct tl_catalog *c = bind->catalog; c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++)
            if (c->functions[i].aggregate != NULL && tl_sv_eq_nocase(name, tl_sv_from(c->functions[i].name)))
                return &c->functions[i];
    return NULL;
}

bool tl_bind_is_aggregate(const struct tl_bind *bind, struct tl_sv name)
{
    return aggregate_find(name) != NULL || user_find(bind, name) != NULL;
}

bool tl_bind_is_own_aggregate(struct tl_sv name)
{
    return aggregate_find(name) != NULL;
}

void tl_bind_aggregates_offer(struct tl_nearest *nearest)
{
    for (size_t i = 0; i < TL_COUNT(aggregates); i++)
        tl_nearest_offer(nearest, tl_sv_from(aggregates[i].name));
}

/* --- the calls of a view ------------------------------------------------------------------------------------------------------ */

/* What the view evaluates already is evaluated once: the same expression, told by its address (plan.h). */
static struct tl_expr *expr_shared(const struct tl_query *out, const struct tl_agg_call *call, struct tl_expr *expr)
{
    for (uint32_t i = 0; i <= out->aggs_count; i++) {
        const struct tl_agg_call *other = i < out->aggs_count ? &out->aggs[i] : call; /* at the end: what the call has so far */

        for (uint32_t a = 0; a < other->args_count; a++)
            if (tl_expr_same(other->args[a], expr))
                return other->args[a];
        if (other->where != NULL && tl_expr_same(other->where, expr))
            return other->where;
    }
    return expr;
}

static bool call_same(const struct tl_agg_call *a, const struct tl_agg_call *b)
{
    bool same = a->agg == b->agg && a->args_count == b->args_count && a->where == b->where && a->distinct == b->distinct &&
                a->kind == b->kind && a->point == b->point && tl_sv_eq(a->separator, b->separator) &&
                a->within_ms == b->within_ms && a->user == b->user;

    for (uint32_t i = 0; same && i < a->args_count; i++)
        same = a->args[i] == b->args[i];
    return same;
}

/* Adds the call unless the view has the same already; gives its slot. */
static enum tl_code call_add(struct tl_bind *bind, struct tl_query *out, const struct tl_agg_call *call, struct tl_place place,
                             struct tl_expr **expr)
{
    uint32_t at = 0;

    while (at < out->aggs_count && !call_same(&out->aggs[at], call))
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

/* --- arguments ------------------------------------------------------------------------------------------------------------------ */

static void arg_take(const struct tl_query *out, struct tl_agg_call *call, struct tl_expr *expr)
{
    struct tl_expr *shared = expr_shared(out, call, expr);

    call->args[call->args_count++] = shared;
}

static enum tl_code value_arg(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              const struct aggregate *row, struct tl_expr **out)
{
    enum tl_code rc = tl_bind_expr(bind, scope, ast, out);
    enum tl_kind kind;

    if (rc != TL_OK)
        return rc;
    kind = (*out)->kind;
    if (kind == TL_NULL || kind == TL_INTERVAL)
        return tl_mistake(bind->err, bind->text, ast->at, "name a column: an aggregate is over the rows of a group",
                          "%s of %s has no meaning", row->name, kind == TL_NULL ? "NULL" : "an interval");
    if (row->takes == TAKES_NUMBER && !tl_kind_is_numeric(kind))
        return tl_mistake(bind->err, bind->text, ast->at,
                          kind == TL_STRING ? "write CAST(x AS BIGINT)" : "COUNT, MIN and MAX take any type",
                          "%s wants a number, and this is %s", row->name, tl_kind_name(kind));
    if (row->takes == TAKES_TEXT && kind != TL_STRING)
        return tl_mistake(bind->err, bind->text, ast->at, "write CAST(x AS STRING)", "%s wants a text, and this is %s", row->name,
                          tl_kind_name(kind));
    return TL_OK;
}

/* The point of a PERCENTILE. */
static enum tl_code point_arg(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              const struct aggregate *row, double *out)
{
    struct tl_expr *expr;
    enum tl_code rc = tl_bind_expr(bind, scope, ast, &expr);
    double point;

    if (rc != TL_OK)
        return rc;
    if (expr->op != TL_EXPR_CONSTANT || expr->constant.is_null || !tl_kind_is_numeric(expr->kind))
        return tl_mistake(bind->err, bind->text, ast->at, "write 0.95 for the value that 95% do not exceed",
                          "the point of %s is a constant number", row->name);
    point = tl_kind_is_integer(expr->kind) ? (double)expr->constant.i64 : expr->constant.f64;
    if (!(point >= 0 && point <= 1))
        return tl_mistake(bind->err, bind->text, ast->at, "write 0.95 for the value that 95% do not exceed",
                          "the point of %s is between 0 and 1", row->name);
    *out = point;
    return TL_OK;
}

static enum tl_code percentile_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                    const struct aggregate *row, struct tl_agg_call *call)
{
    const struct tl_query *out = scope->group->out;
    const struct tl_ast_expr *point = ast->args->next, *frequency = ast->args_count > 2 ? point->next : NULL;
    struct tl_expr *expr;
    enum tl_code rc;

    TL_TRY(value_arg(bind, scope, ast->args, row, &expr));
    arg_take(out, call, expr);
    TL_TRY(point_arg(bind, scope, point, row, &call->point));
    if (frequency == NULL)
        return TL_OK;
    TL_TRY(tl_bind_expr(bind, scope, frequency, &expr));
    if (!tl_kind_is_integer(expr->kind))
        return tl_mistake(bind->err, bind->text, frequency->at, "it says how often the row's value counts: an INT or BIGINT",
                          "the frequency of %s is a whole number, and this is %s", row->name, tl_kind_name(expr->kind));
    arg_take(out, call, expr);
out:
    return rc;
}

static enum tl_code listagg_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                 const struct aggregate *row, struct tl_agg_call *call)
{
    const struct tl_ast_expr *separator = ast->args_count > 1 ? ast->args->next : NULL;
    struct tl_expr *expr;
    enum tl_code rc;

    TL_TRY(value_arg(bind, scope, ast->args, row, &expr));
    arg_take(scope->group->out, call, expr);
    call->separator = TL_SV(",");
    if (separator == NULL)
        return TL_OK;
    if (separator->op != TL_AST_STRING) /* Flink wants the literal itself */
        return tl_mistake(bind->err, bind->text, separator->at, "write LISTAGG(x, '; ')",
                          "the separator of %s is a text in quotes", row->name);
    call->separator = separator->text;
out:
    return rc;
}

static enum tl_code funnel_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                const struct aggregate *row, struct tl_agg_call *call)
{
    const struct tl_query *out = scope->group->out;
    const struct tl_ast_expr *within = ast->args, *time = within->next, *step = time->next;
    struct tl_expr *expr;
    enum tl_code rc;

    TL_TRY(tl_bind_expr(bind, scope, within, &expr));
    if (expr->op != TL_EXPR_CONSTANT || expr->kind != TL_INTERVAL || expr->constant.i64 <= 0)
        return tl_mistake(bind->err, bind->text, within->at, "write INTERVAL '1' HOUR: the time from the first step to the last",
                          "%s begins with an interval of more than nothing", row->name);
    call->within_ms = expr->constant.i64;
    TL_TRY(tl_bind_expr(bind, scope, time, &expr));
    if (expr->kind != TL_TIMESTAMP && expr->kind != TL_TIMESTAMP_LTZ)
        return tl_mistake(bind->err, bind->text, time->at, "name the event time", "the time of %s is a timestamp, and this is %s",
                          row->name, tl_kind_name(expr->kind));
    arg_take(out, call, expr);
    for (uint32_t i = 2; i < ast->args_count; i++, step = step->next) {
        TL_TRY(tl_bind_condition(bind, scope, step, &expr));
        arg_take(out, call, expr);
    }
out:
    return rc;
}

/* Which of the rows of that name, the arguments say. */
static enum tl_code user_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              struct tl_agg_call *call)
{
    const struct tl_ast_expr *arg = ast->args;
    struct tl_expr **args;
    enum tl_code rc;

    TL_TRY(tl_bind_args(bind, scope, ast, &args));
    call->user = tl_bind_call_row(bind, ast, args, 0);
    if (call->user == NULL)
        return TL_ERR_DEFINITION;
    for (uint32_t i = 0; i < ast->args_count; i++, arg = arg->next) {
        TL_TRY(tl_bind_cast(bind, args[i], tl_bind_parameter(call->user, i), arg->at, &args[i]));
        arg_take(scope->group->out, call, args[i]);
    }
    call->kind = call->user->result;
out:
    return rc;
}

static enum tl_code args_count_mistake(struct tl_bind *bind, const struct tl_ast_expr *ast, const struct aggregate *row)
{
    static const char *const numbers[] = {"no", "one", "two", "three"};
    char hint[120];

    snprintf(hint, sizeof hint, "write %s", row->form);
    if (row->agg == TL_AGG_COUNT && ast->distinct && ast->args_count > 1)
        return tl_mistake(bind->err, bind->text, ast->at, "join them into one text: COUNT(DISTINCT a || ' ' || b)",
                          "COUNT(DISTINCT ...) takes one argument");
    if (row->agg == TL_AGG_WINDOW_FUNNEL)
        return tl_mistake(bind->err, bind->text, ast->at, hint, "%s takes an interval, a time and 1 to %d steps", row->name,
                          FUNNEL_STEPS_MAX);
    if (row->args_min == row->args_max)
        return tl_mistake(bind->err, bind->text, ast->at, hint, "%s takes %s argument%s", row->name, numbers[row->args_min],
                          row->args_min == 1 ? "" : "s");
    return tl_mistake(bind->err, bind->text, ast->at, hint, "%s takes %s or %s arguments", row->name, numbers[row->args_min],
                      numbers[row->args_max]);
}

/* Where and how the call is written, before its arguments are looked at. */
static enum tl_code call_check(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                               const struct aggregate *row)
{
    if (scope->in_aggregate)
        return tl_mistake(bind->err, bind->text, ast->key_at, "aggregate once, and combine the results: SUM(x) / COUNT(*)",
                          "an aggregate inside an aggregate has no meaning");
    if (scope->group == NULL && strcmp(scope->clause, "SELECT") == 0)
        return tl_mistake(bind->err, bind->text, ast->key_at, tl_window_hint, "%s counts over a window, and there is no GROUP BY",
                          row->name);
    if (scope->group == NULL)
        return tl_mistake(bind->err, bind->text, ast->key_at,
                          strcmp(scope->clause, "WHERE") == 0 ? "conditions over aggregates stand in HAVING, behind GROUP BY"
                          : scope->of_check ? "it looks at one event; ALTER VIEW measures rows: ROW_COUNT, SUM(x), NULL_SHARE(x)"
                                            : "aggregates stand in SELECT, over the rows that WHERE keeps",
                          "%s has no place in %s", row->name, scope->clause);
    if (ast->star && row->agg != TL_AGG_COUNT)
        return tl_mistake(bind->err, bind->text, ast->at, "name the column: SUM(bytes)", "only COUNT takes a star");
    if (ast->star && ast->distinct)
        return tl_mistake(bind->err, bind->text, ast->at, "name what is to be different: COUNT(DISTINCT ip)",
                          "each row is one of its own: DISTINCT * has no meaning");
    if (ast->distinct && !row->distinct)
        return tl_mistake(bind->err, bind->text, ast->at,
                          row->agg == TL_AGG_APPROX_COUNT_DISTINCT
                              ? "leave DISTINCT out: the name says it"
                              : "COUNT, SUM, AVG, MIN, MAX, LISTAGG, PERCENTILE, deviations and variances do",
                          "%s takes no DISTINCT", row->name);
    if (ast->distinct && row->agg == TL_AGG_PERCENTILE && ast->args_count > 2)
        return tl_mistake(bind->err, bind->text, ast->at, "leave one of the two out",
                          "DISTINCT counts each value once, and a frequency says how often");
    if (!ast->star && (ast->args_count < row->args_min || ast->args_count > row->args_max))
        return args_count_mistake(bind, ast, row);
    return TL_OK;
}

enum tl_code tl_bind_aggregate(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                               struct tl_expr **out)
{
    const struct tl_function *user = user_find(bind, ast->text);
    const struct aggregate of_user = {.name = user != NULL ? user->name : "", .agg = TL_AGG_USER, .args_max = UINT32_MAX};
    const struct aggregate *row = user != NULL ? &of_user : aggregate_find(ast->text);
    struct tl_agg_call call = {.agg = ast->star ? TL_AGG_COUNT_STAR : row->agg, .kind = row->kind};
    struct tl_scope inside = *scope;
    struct tl_expr *expr;
    enum tl_code rc;

    TL_TRY(call_check(bind, scope, ast, row));
    inside.in_aggregate = true;
    call.args = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (ast->args_count + 1u));
    if (call.args == NULL)
        return tl_bind_no_memory(bind);
    switch (call.agg) {
    case TL_AGG_COUNT_STAR: break;
    case TL_AGG_PERCENTILE:
    case TL_AGG_APPROX_PERCENTILE: TL_TRY(percentile_args(bind, &inside, ast, row, &call)); break;
    case TL_AGG_LISTAGG: TL_TRY(listagg_args(bind, &inside, ast, row, &call)); break;
    case TL_AGG_WINDOW_FUNNEL: TL_TRY(funnel_args(bind, &inside, ast, row, &call)); break;
    case TL_AGG_USER: TL_TRY(user_args(bind, &inside, ast, &call)); break;
    default:
        TL_TRY(value_arg(bind, &inside, ast->args, row, &expr));
        arg_take(scope->group->out, &call, expr);
        break;
    }
    if (call.kind == 0)
        call.kind = call.args[0]->kind;
    call.distinct = ast->distinct && call.agg != TL_AGG_MIN && call.agg != TL_AGG_MAX; /* to these it is all the same */
    if (ast->where != NULL) {
        inside.clause = "FILTER";
        TL_TRY(tl_bind_condition(bind, &inside, ast->where, &expr));
        call.where = expr_shared(scope->group->out, &call, expr);
    }
    TL_TRY(call_add(bind, scope->group->out, &call, ast->at.place, out));
out:
    return rc;
}
