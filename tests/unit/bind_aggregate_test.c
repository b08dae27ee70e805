/* bind_aggregate_test.c: aggregate calls: their types and arguments, what is shared, and calls without a meaning. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "support/sql_case.h"

static bool is_slot(const struct tl_expr *expr, uint32_t slot)
{
    return expr->op == TL_EXPR_SLOT && expr->slot == slot;
}

struct agg_case {
    char name[48], written[160];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    uint32_t args_count;
    bool distinct, where;
};

/* Flink's result types: semantics.md 7, LogicalTypeMerging. */
ParameterizedTestParameters(bind_aggregate, calls)
{
    /* clang-format off */
    static struct agg_case cases[] = {
        {"rows", "COUNT(*)", TL_AGG_COUNT_STAR, TL_BIGINT, 0, false, false},
        {"values", "count(host)", TL_AGG_COUNT, TL_BIGINT, 1, false, false},
        {"ALL says nothing", "COUNT(ALL host)", TL_AGG_COUNT, TL_BIGINT, 1, false, false},
        {"different values", "COUNT(DISTINCT host)", TL_AGG_COUNT, TL_BIGINT, 1, true, false},
        {"SUM of INT is INT", "SUM(n)", TL_AGG_SUM, TL_INT, 1, false, false},
        {"SUM of BIGINT", "SUM(big)", TL_AGG_SUM, TL_BIGINT, 1, false, false},
        {"SUM of FLOAT is FLOAT", "SUM(f)", TL_AGG_SUM, TL_FLOAT, 1, false, false},
        {"SUM of a wider expression", "SUM(n + big)", TL_AGG_SUM, TL_BIGINT, 1, false, false},
        {"SUM of different values", "SUM(DISTINCT n)", TL_AGG_SUM, TL_INT, 1, true, false},
        {"AVG of INT is INT", "AVG(n)", TL_AGG_AVG, TL_INT, 1, false, false},
        {"AVG of DOUBLE", "AVG(DISTINCT d)", TL_AGG_AVG, TL_DOUBLE, 1, true, false},
        {"MIN of a text", "MIN(host)", TL_AGG_MIN, TL_STRING, 1, false, false},
        {"MIN of different values is MIN", "MIN(DISTINCT host)", TL_AGG_MIN, TL_STRING, 1, false, false},
        {"MAX of the event time", "MAX(ts)", TL_AGG_MAX, TL_TIMESTAMP_LTZ, 1, false, false},
        {"MAX of a truth", "MAX(ok)", TL_AGG_MAX, TL_BOOLEAN, 1, false, false},
        {"rows with a condition", "COUNT(*) FILTER (WHERE ok)", TL_AGG_COUNT_STAR, TL_BIGINT, 0, false, true},
        {"different values with a condition", "COUNT(DISTINCT host) FILTER (WHERE n > 1 AND ok)", TL_AGG_COUNT, TL_BIGINT, 1, true, true},
        {"STDDEV_POP of INT is INT", "STDDEV_POP(n)", TL_AGG_STDDEV_POP, TL_INT, 1, false, false},
        {"STDDEV_SAMP", "STDDEV_SAMP(f)", TL_AGG_STDDEV_SAMP, TL_FLOAT, 1, false, false},
        {"STDDEV is STDDEV_SAMP", "STDDEV(d)", TL_AGG_STDDEV_SAMP, TL_DOUBLE, 1, false, false},
        {"VAR_POP", "VAR_POP(big)", TL_AGG_VAR_POP, TL_BIGINT, 1, false, false},
        {"VAR_SAMP", "VAR_SAMP(d)", TL_AGG_VAR_SAMP, TL_DOUBLE, 1, false, false},
        {"VAR_SAMP of DISTINCT", "VAR_SAMP(DISTINCT d)", TL_AGG_VAR_SAMP, TL_DOUBLE, 1, true, false},
        {"VARIANCE is VAR_SAMP", "VARIANCE(d)", TL_AGG_VAR_SAMP, TL_DOUBLE, 1, false, false},
        {"FIRST_VALUE", "FIRST_VALUE(host)", TL_AGG_FIRST_VALUE, TL_STRING, 1, false, false},
        {"LAST_VALUE of a time", "LAST_VALUE(at)", TL_AGG_LAST_VALUE, TL_TIMESTAMP, 1, false, false},
        {"LISTAGG", "LISTAGG(host)", TL_AGG_LISTAGG, TL_STRING, 1, false, false},
        {"LISTAGG of different values", "LISTAGG(DISTINCT host, '; ') FILTER (WHERE ok)", TL_AGG_LISTAGG, TL_STRING, 1, true, true},
        {"APPROX_COUNT_DISTINCT", "APPROX_COUNT_DISTINCT(d)", TL_AGG_APPROX_COUNT_DISTINCT, TL_BIGINT, 1, false, false},
        {"PERCENTILE is DOUBLE", "PERCENTILE(n, 0.25)", TL_AGG_PERCENTILE, TL_DOUBLE, 1, false, false},
        {"PERCENTILE with a frequency", "PERCENTILE(d, 0.25, n)", TL_AGG_PERCENTILE, TL_DOUBLE, 2, false, false},
        {"APPROX_PERCENTILE", "APPROX_PERCENTILE(f, 0.25)", TL_AGG_APPROX_PERCENTILE, TL_DOUBLE, 1, false, false},
        {"WINDOW_FUNNEL", "WINDOW_FUNNEL(INTERVAL '1' HOUR, ts, host = 'a', host = 'b')", TL_AGG_WINDOW_FUNNEL, TL_INT, 3, false, false},
    };
    /* clang-format on */
    return cr_make_param_array(struct agg_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct agg_case *c, bind_aggregate, calls)
{
    char sql[700];
    const struct tl_agg_call *call;
    struct tl_plan *plan;

    snprintf(sql, sizeof sql,
             EVENTS "CREATE VIEW v AS SELECT %s AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
                    "window_start, window_end",
             c->written);
    plan = sql_plan(sql);
    call = &plan->views[0].aggs[0];
    cr_assert(plan->views[0].aggs_count == 1 && call->agg == c->agg, "%s", c->name);
    cr_assert_eq(call->kind, c->kind, "%s: %s", c->name, tl_kind_name(call->kind));
    cr_assert_eq(call->args_count, c->args_count, "%s", c->name);
    cr_assert(call->distinct == c->distinct && (call->where != NULL) == c->where, "%s", c->name);
    cr_assert_eq(plan->views[0].outputs[0].kind, c->kind, "%s", c->name);
    tl_plan_close(plan);
}

Test(bind_aggregate, constants_of_calls)
{
    struct tl_plan *plan =
        sql_plan(EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, 0.25) AS a, APPROX_PERCENTILE(n, 1) AS b, LISTAGG(host) AS c, "
                        "LISTAGG(host, ' | ') AS d, LISTAGG(host, '') AS e, WINDOW_FUNNEL(INTERVAL '90' SECOND, at, ok) AS g"
                        " FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end");
    const struct tl_agg_call *aggs = plan->views[0].aggs;

    cr_assert(aggs[0].point == 0.25 && aggs[1].point == 1.0);
    cr_assert(tl_sv_eq(aggs[2].separator, TL_SV(",")), "Flink's default");
    cr_assert(tl_sv_eq(aggs[3].separator, TL_SV(" | ")) && aggs[4].separator.size == 0);
    cr_assert(aggs[5].within_ms == 90000 && aggs[5].args[0]->kind == TL_TIMESTAMP && aggs[5].args[1]->kind == TL_BOOLEAN);
    tl_plan_close(plan);
}

Test(bind_aggregate, keys_and_aggregates_are_shared)
{
    struct tl_plan *plan = sql_plan(EVENTS "CREATE VIEW v AS SELECT window_time, LOWER(host) AS h, lower(w.host) AS i, COUNT(*) "
                                           "AS a, COUNT(*) + 1 AS b, SUM(n) / COUNT(*) AS c,"
                                           " SUM(w.n) AS d, CASE WHEN LOWER(host) = 'x' THEN MAX(n) END AS e, 7 AS f"
                                           " FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) w GROUP BY "
                                           "window_start, LOWER(host), window_end, window_time, lower(host)");
    const struct tl_view *view = &plan->views[0];

    cr_assert_eq(view->keys_count, 1, "one key, however often it is written");
    cr_assert_eq(view->aggs_count, 3, "COUNT(*), SUM(n), MAX(n)");
    cr_assert(is_slot(view->outputs[0].expr, TL_SLOT_WINDOW_TIME) && view->outputs[0].kind == TL_TIMESTAMP_LTZ,
              "window_time keeps the time's type");
    cr_assert(is_slot(view->outputs[1].expr, TL_SLOT_KEYS) && is_slot(view->outputs[2].expr, TL_SLOT_KEYS));
    cr_assert(is_slot(view->outputs[3].expr, TL_SLOT_KEYS + 1) && is_slot(view->outputs[6].expr, TL_SLOT_KEYS + 2));
    cr_assert(view->outputs[5].kind == TL_BIGINT && view->outputs[8].expr->op == TL_EXPR_CONSTANT);
    tl_plan_close(plan);
}

/* plan.h: among the arguments and filters of a view, equal expressions are one object. */
Test(bind_aggregate, equal_expressions_are_one)
{
    struct tl_plan *plan =
        sql_plan(EVENTS "CREATE VIEW v AS SELECT SUM(n + 1) AS a, MAX(n + 1) AS b, COUNT(DISTINCT t.n + 1) AS c, "
                        "COUNT(*) FILTER (WHERE n > 1) AS d, SUM(d) FILTER (WHERE n > 1) AS e, MAX(n > 1) AS f, "
                        "WINDOW_FUNNEL(INTERVAL '1' HOUR, ts, n > 1, ok, n > 1) AS g, COUNT(n + 2) AS h "
                        "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) t "
                        "GROUP BY window_start, window_end HAVING MIN(n + 1) > 0");
    const struct tl_view *view = &plan->views[0];
    const struct tl_agg_call *aggs = view->aggs;

    cr_assert_eq(view->aggs_count, 9);
    cr_assert(aggs[1].args[0] == aggs[0].args[0] && aggs[2].args[0] == aggs[0].args[0] && aggs[8].args[0] == aggs[0].args[0]);
    cr_assert(aggs[4].where == aggs[3].where && aggs[5].args[0] == aggs[3].where);
    cr_assert(aggs[6].args[1] == aggs[3].where && aggs[6].args[3] == aggs[3].where && aggs[6].args[2] != aggs[3].where);
    cr_assert(aggs[7].args[0] != aggs[0].args[0]);
    tl_plan_close(plan);
}

/* A call is another as soon as one of its fields is. */
Test(bind_aggregate, equal_calls_share_a_slot)
{
    struct tl_plan *plan = sql_plan(
        EVENTS "CREATE VIEW v AS SELECT COUNT(n) AS a, COUNT(DISTINCT n) AS b, COUNT(n) FILTER (WHERE ok) AS c, COUNT(n) FILTER "
               "(WHERE NOT ok) AS d, "
               "PERCENTILE(n, 0.5) AS e, PERCENTILE(n, 0.6) AS f, PERCENTILE(n, 0.5, n) AS g, LISTAGG(host) AS h, LISTAGG(host, "
               "';') AS i, "
               "COUNT(n) FILTER (WHERE ok) AS c2, LISTAGG(host, ',') AS h2, PERCENTILE(n, 0.50) AS e2, COUNT(DISTINCT n) AS b2 "
               "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end");
    const struct tl_output *outputs = plan->views[0].outputs;

    cr_assert_eq(plan->views[0].aggs_count, 9);
    cr_assert(outputs[9].expr->slot == outputs[2].expr->slot && outputs[10].expr->slot == outputs[7].expr->slot);
    cr_assert(outputs[11].expr->slot == outputs[4].expr->slot && outputs[12].expr->slot == outputs[1].expr->slot);
    tl_plan_close(plan);
}

ParameterizedTestParameters(bind_aggregate, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"an aggregate in WHERE",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE COUNT(*) > 1",
         2, 41, "COUNT has no place in WHERE",
         "COUNT", "conditions over aggregates stand in HAVING, behind GROUP BY"},
        {"an aggregate in GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end, SUM(n)",
         2, 139, "SUM has no place in GROUP BY",
         "SUM", "aggregates stand in SELECT, over the rows that WHERE keeps"},
        {"an aggregate in a computed column",
         EVENTS "CREATE TABLE u (a INT, b AS SUM(a))",
         2, 29, "SUM has no place in a computed column",
         "SUM", "aggregates stand in SELECT, over the rows that WHERE keeps"},
        {"an aggregate in an aggregate",
         EVENTS "CREATE VIEW v AS SELECT SUM(COUNT(*)) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 29, "an aggregate inside an aggregate has no meaning",
         "COUNT", "aggregate once, and combine the results: SUM(x) / COUNT(*)"},
        {"an aggregate in FILTER",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) FILTER (WHERE SUM(n) > 1) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 48, "an aggregate inside an aggregate has no meaning",
         "SUM", "aggregate once, and combine the results: SUM(x) / COUNT(*)"},
        {"an aggregate without GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT LISTAGG(host) AS x FROM t",
         2, 25, "LISTAGG counts over a window, and there is no GROUP BY",
         "LISTAGG", "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)) ... GROUP BY window_start, window_end"},
        {"window_start in an aggregate",
         EVENTS "CREATE VIEW v AS SELECT MAX(window_start) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 29, "window_start has no place in an aggregate",
         "window_start", "it is the same for the whole group: write it beside the aggregate"},
        {"window_start in FILTER",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) FILTER (WHERE window_start > at) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 48, "window_start has no place in an aggregate",
         "window_start", "it is the same for the whole group: write it beside the aggregate"},
        {"SUM of a text",
         EVENTS "CREATE VIEW v AS SELECT SUM(host) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 29, "SUM wants a number, and this is STRING",
         "host", "write CAST(x AS BIGINT)"},
        {"AVG of a time",
         EVENTS "CREATE VIEW v AS SELECT AVG(ts) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 29, "AVG wants a number, and this is TIMESTAMP_LTZ(3)",
         "ts", "COUNT, MIN and MAX take any type"},
        {"STDDEV of a truth",
         EVENTS "CREATE VIEW v AS SELECT STDDEV_POP(ok) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 36, "STDDEV_POP wants a number, and this is BOOLEAN",
         "ok", "COUNT, MIN and MAX take any type"},
        {"SUM of a star",
         EVENTS "CREATE VIEW v AS SELECT SUM(*) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 25, "only COUNT takes a star",
         "SUM(*)", "name the column: SUM(bytes)"},
        {"COUNT of two",
         EVENTS "CREATE VIEW v AS SELECT COUNT(host, id) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "COUNT takes one argument",
         "COUNT(host, id)", "write COUNT(*) or COUNT(x)"},
        {"COUNT of nothing",
         EVENTS "CREATE VIEW v AS SELECT COUNT() AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 25, "COUNT takes one argument",
         "COUNT()", "write COUNT(*) or COUNT(x)"},
        {"COUNT of NULL",
         EVENTS "CREATE VIEW v AS SELECT COUNT(NULL) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 31, "COUNT of NULL has no meaning",
         "NULL", "name a column: an aggregate is over the rows of a group"},
        {"COUNT of an interval",
         EVENTS "CREATE VIEW v AS SELECT COUNT(INTERVAL '1' DAY) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 31, "COUNT of an interval has no meaning",
         "INTERVAL '1' DAY", "name a column: an aggregate is over the rows of a group"},
        {"DISTINCT of a star",
         EVENTS "CREATE VIEW v AS SELECT COUNT(DISTINCT *) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "each row is one of its own: DISTINCT * has no meaning",
         "COUNT(DISTINCT *)", "name what is to be different: COUNT(DISTINCT ip)"},
        {"DISTINCT of two",
         EVENTS "CREATE VIEW v AS SELECT COUNT(DISTINCT host, id) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "COUNT(DISTINCT ...) takes one argument",
         "COUNT(DISTINCT host, id)", "join them into one text: COUNT(DISTINCT a || ' ' || b)"},
        {"DISTINCT of FIRST_VALUE",
         EVENTS "CREATE VIEW v AS SELECT FIRST_VALUE(DISTINCT host) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "FIRST_VALUE takes no DISTINCT",
         "FIRST_VALUE(DISTINCT host)", "COUNT, SUM, AVG, MIN, MAX, LISTAGG, PERCENTILE, deviations and variances do"},
        {"DISTINCT twice",
         EVENTS "CREATE VIEW v AS SELECT APPROX_COUNT_DISTINCT(DISTINCT host) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "APPROX_COUNT_DISTINCT takes no DISTINCT",
         "APPROX_COUNT_DISTINCT(DISTINCT host)", "leave DISTINCT out: the name says it"},
        {"DISTINCT behind a comma",
         EVENTS "CREATE VIEW v AS SELECT COUNT(host, DISTINCT id) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 37, "DISTINCT stands in front of an aggregate's argument",
         "DISTINCT", "write COUNT(DISTINCT x)"},
        {"DISTINCT of no aggregate",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) + ABS(DISTINCT n) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 36, "ABS is no aggregate: DISTINCT has no meaning for it",
         "ABS(DISTINCT n)", "write COUNT(DISTINCT x)"},
        {"FILTER of no aggregate",
         EVENTS "CREATE VIEW v AS SELECT LOWER(host) FILTER (WHERE ok) AS x FROM t",
         2, 37, "LOWER is no aggregate: FILTER has no meaning for it",
         "FILTER", "write COUNT(*) FILTER (WHERE condition)"},
        {"FILTER of a column",
         EVENTS "CREATE VIEW v AS SELECT n FILTER (WHERE ok) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 27, "FILTER stands behind an aggregate",
         "FILTER", "write COUNT(*) FILTER (WHERE condition)"},
        {"FILTER that is no condition",
         EVENTS "CREATE VIEW v AS SELECT SUM(n) FILTER (WHERE n + 1) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 46, "a condition is wanted here, and this is INT",
         "n + 1", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"FILTER without WHERE",
         EVENTS "CREATE VIEW v AS SELECT SUM(n) FILTER (ok) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 40, "'ok' cannot stand here",
         "ok", "expected WHERE"},
        {"LISTAGG of a number",
         EVENTS "CREATE VIEW v AS SELECT LISTAGG(n) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 33, "LISTAGG wants a text, and this is INT",
         "n", "write CAST(x AS STRING)"},
        {"LISTAGG with a column between",
         EVENTS "CREATE VIEW v AS SELECT LISTAGG(host, id) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the separator of LISTAGG is a text in quotes",
         "id", "write LISTAGG(x, '; ')"},
        {"LISTAGG with NULL between",
         EVENTS "CREATE VIEW v AS SELECT LISTAGG(host, NULL) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the separator of LISTAGG is a text in quotes",
         "NULL", "write LISTAGG(x, '; ')"},
        {"LISTAGG of three",
         EVENTS "CREATE VIEW v AS SELECT LISTAGG(host, ',', ',') AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "LISTAGG takes one or two arguments",
         "LISTAGG(host, ',', ',')", "write LISTAGG(x) or LISTAGG(x, '; ')"},
        {"PERCENTILE without a point",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 25, "PERCENTILE takes two or three arguments",
         "PERCENTILE(n)", "write PERCENTILE(x, 0.95)"},
        {"PERCENTILE beyond 1",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, 95) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the point of PERCENTILE is between 0 and 1",
         "95", "write 0.95 for the value that 95% do not exceed"},
        {"PERCENTILE below 0",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, -0.1) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the point of PERCENTILE is between 0 and 1",
         "-0.1", "write 0.95 for the value that 95% do not exceed"},
        {"PERCENTILE at a column",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, d) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the point of PERCENTILE is a constant number",
         "d", "write 0.95 for the value that 95% do not exceed"},
        {"PERCENTILE at a text",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, '0.5') AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the point of PERCENTILE is a constant number",
         "'0.5'", "write 0.95 for the value that 95% do not exceed"},
        {"PERCENTILE at NULL",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, NULL) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "the point of PERCENTILE is a constant number",
         "NULL", "write 0.95 for the value that 95% do not exceed"},
        {"PERCENTILE of a text",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(host, 0.5) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 36, "PERCENTILE wants a number, and this is STRING",
         "host", "write CAST(x AS BIGINT)"},
        {"PERCENTILE with a frequency of DOUBLE",
         EVENTS "CREATE VIEW v AS SELECT PERCENTILE(n, 0.5, d) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 44, "the frequency of PERCENTILE is a whole number, and this is DOUBLE",
         "d", "it says how often the row's value counts: an INT or BIGINT"},
        {"APPROX_PERCENTILE with a frequency",
         EVENTS "CREATE VIEW v AS SELECT APPROX_PERCENTILE(n, 0.5, n) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "APPROX_PERCENTILE takes two arguments",
         "APPROX_PERCENTILE(n, 0.5, n)", "write APPROX_PERCENTILE(x, 0.95)"},
        {"WINDOW_FUNNEL without steps",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(INTERVAL '1' HOUR, ts) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "WINDOW_FUNNEL takes an interval, a time and 1 to 32 steps",
         "WINDOW_FUNNEL(INTERVAL '1' HOUR, ts)", "write WINDOW_FUNNEL(INTERVAL '1' HOUR, time, step, step, ...)"},
        {"WINDOW_FUNNEL without an interval",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(3600, ts, ok) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "WINDOW_FUNNEL begins with an interval of more than nothing",
         "3600", "write INTERVAL '1' HOUR: the time from the first step to the last"},
        {"WINDOW_FUNNEL within nothing",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(INTERVAL '0' HOUR, ts, ok) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "WINDOW_FUNNEL begins with an interval of more than nothing",
         "INTERVAL '0' HOUR", "write INTERVAL '1' HOUR: the time from the first step to the last"},
        {"WINDOW_FUNNEL without a time",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(INTERVAL '1' HOUR, host, ok) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 58, "the time of WINDOW_FUNNEL is a timestamp, and this is STRING",
         "host", "name the event time"},
        {"WINDOW_FUNNEL with a step that is none",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(INTERVAL '1' HOUR, ts, ok, n) AS x FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 66, "a condition is wanted here, and this is INT",
         "n", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"WINDOW_FUNNEL of 33 steps",
         EVENTS "CREATE VIEW v AS SELECT WINDOW_FUNNEL(INTERVAL '1' HOUR, ts, ok, ok, ok, ok, ok, ok, ok, ok, ok, "
                "ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok) AS "
                "x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "WINDOW_FUNNEL takes an interval, a time and 1 to 32 steps",
         "WINDOW_FUNNEL(INTERVAL '1' HOUR, ts, ok, ok, ok, ok, ok", "write WINDOW_FUNNEL(INTERVAL '1' HOUR, time, step, step, ...)"},
        {"an aggregate of Flink's",
         EVENTS "CREATE VIEW v AS SELECT COLLECT(host) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end",
         2, 25, "COLLECT has no place here",
         "COLLECT", "aggregates are COUNT, SUM, MIN, MAX, AVG, STDDEV, VARIANCE, FIRST_VALUE, LAST_VALUE, LISTAGG, PERCENTILE and more: see the docs"},
        {"a misspelled aggregate",
         EVENTS "CREATE VIEW v AS SELECT PERCENTIL(n, 0.5) AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 25, "there is no function PERCENTIL",
         "PERCENTIL", "did you mean 'PERCENTILE'?"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind_aggregate, mistakes)
{
    sql_mistake_check(c);
}
