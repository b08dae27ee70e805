/* bind_window_test.c: window functions: their arguments in every form, what GROUP BY has to hold, and what is no window. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "support/sql_case.h"

static bool is_slot(const struct tl_expr *expr, uint32_t slot)
{
    return expr->op == TL_EXPR_SLOT && expr->slot == slot;
}

struct window_case {
    char name[48], written[200];
    enum tl_window_kind window;
    int64_t size_ms, slide_ms, offset_ms;
    uint32_t rows_max;
};

ParameterizedTestParameters(bind_window, windows)
{
    /* clang-format off */
    static struct window_case cases[] = {
        {"by position", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES)", TL_WINDOW_TUMBLE, 600000, 600000, 0, 0},
        {"an offset", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES, INTERVAL '4' MINUTE)", TL_WINDOW_TUMBLE, 600000, 600000, 240000, 0},
        {"an offset below zero", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES, -INTERVAL '6' MINUTE)", TL_WINDOW_TUMBLE, 600000, 600000,
         -360000, 0},
        {"by name", "TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' DAY)", TL_WINDOW_TUMBLE, 86400000, 86400000, 0, 0},
        {"by name in another order",
         "TUMBLE(DATA => TABLE t, SIZE => INTERVAL '1' DAY, `OFFSET` => INTERVAL '8' HOUR, TIMECOL => DESCRIPTOR(ts))", TL_WINDOW_TUMBLE, 86400000,
         86400000, 28800000, 0},
        {"lower case", "tumble(table t, descriptor(ts), interval '1' second)", TL_WINDOW_TUMBLE, 1000, 1000, 0, 0},
        {"a size put together", "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY - INTERVAL '1' SECOND)", TL_WINDOW_TUMBLE, 86399000, 86399000, 0, 0},
        {"HOP: the slide comes first", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR)", TL_WINDOW_HOP, 3600000, 60000, 0, 0},
        {"HOP by name", "HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND, SLIDE => INTERVAL '5' SECOND)", TL_WINDOW_HOP, 10000,
         5000, 0, 0},
        {"HOP of one slide", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '5' SECOND)", TL_WINDOW_HOP, 5000, 5000, 0, 0},
        {"HOP with an offset", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '2' SECOND)", TL_WINDOW_HOP, 10000, 5000,
         2000, 0},
        {"HOP repeats with its slide", "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '-12' SECOND)", TL_WINDOW_HOP,
         10000, 5000, -2000, 0},
        {"CUMULATE: the step comes first", "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)", TL_WINDOW_CUMULATE, 86400000, 3600000,
         0, 0},
        {"CUMULATE by name, with an offset",
         "CUMULATE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '1' HOUR, SIZE => INTERVAL '1' DAY, `OFFSET` => INTERVAL '6' HOUR)",
         TL_WINDOW_CUMULATE, 86400000, 3600000, 21600000, 0},
        {"CUMULATE repeats with its size", "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY, INTERVAL '30' HOUR)", TL_WINDOW_CUMULATE,
         86400000, 3600000, 21600000, 0},
        {"SESSION of all rows", "SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '30' MINUTE)", TL_WINDOW_SESSION, 1800000, 1800000, 0, 0},
        {"SESSION by name", "SESSION(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '5' MINUTE)", TL_WINDOW_SESSION, 300000, 300000, 0, 0},
        {"COUNT_WINDOW", "COUNT_WINDOW(TABLE t, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE)", TL_WINDOW_COUNT, 60000, 60000, 0, 3},
        {"COUNT_WINDOW by name", "COUNT_WINDOW(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), TIMEOUT => INTERVAL '1' MINUTE, ROWS => 2147483647)",
         TL_WINDOW_COUNT, 60000, 60000, 0, 2147483647},
    };
    /* clang-format on */
    return cr_make_param_array(struct window_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct window_case *c, bind_window, windows)
{
    char sql[900], function[400];

    for (size_t i = 0; i < 2; i++) { /* both forms are Flink's */
        const struct tl_window_spec *window;
        struct tl_plan *plan;

        snprintf(function, sizeof function, i == 0 ? "TABLE(%s)" : "%s", c->written);
        snprintf(sql, sizeof sql,
                 EVENTS "CREATE VIEW v AS SELECT window_end, COUNT(*) AS c FROM %s GROUP BY window_start, window_end", function);
        plan = sql_plan(sql);
        window = &plan->views[0].window;
        cr_assert_eq(window->window, c->window, "%s", c->name);
        cr_assert(window->size_ms == c->size_ms && window->slide_ms == c->slide_ms, "%s: %lld by %lld", c->name,
                  (long long)window->size_ms, (long long)window->slide_ms);
        cr_assert_eq(window->offset_ms, c->offset_ms, "%s: %lld", c->name, (long long)window->offset_ms);
        cr_assert_eq(window->rows_max, c->rows_max, "%s", c->name);
        cr_assert_null(window->zone, "UTC");
        tl_plan_close(plan);
    }
}

struct partition_case {
    char name[48], partition[60], group[80];
    uint32_t keys_count;
};

/* GROUP BY holds the columns of PARTITION BY, in any order. */
ParameterizedTestParameters(bind_window, partitions)
{
    static struct partition_case cases[] = {
        {"one column",          "PARTITION BY host",       "window_start, window_end, host",              1},
        {"one in brackets",     "PARTITION BY (host)",     "host, window_end, window_start",              1},
        {"two",                 "PARTITION BY (host, id)", "window_start, window_end, host, id",          2},
        {"in another order",    "PARTITION BY (host, id)", "window_start, id, window_end, t.host",        2},
        {"written twice",       "PARTITION BY host",       "window_start, window_end, host, t.host",      1},
        {"none",                "",                        "window_start, window_end",                    0},
        {"and the window_time", "PARTITION BY host",       "window_start, window_end, window_time, host", 1},
    };
    return cr_make_param_array(struct partition_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct partition_case *c, bind_window, partitions)
{
    char sql[900], function[300];

    for (size_t i = 0; i < 2; i++) {
        struct tl_plan *plan;

        snprintf(function, sizeof function,
                 i == 0 ? "SESSION(TABLE t %s, DESCRIPTOR(ts), INTERVAL '5' MINUTE)"
                        : "COUNT_WINDOW(TABLE t %s, DESCRIPTOR(ts), 3, INTERVAL '5' MINUTE)",
                 c->partition);
        snprintf(sql, sizeof sql, EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(%s) t GROUP BY %s",
                 function, c->group);
        plan = sql_plan(sql);
        cr_assert_eq(plan->views[0].keys_count, c->keys_count, "%s", c->name);
        tl_plan_close(plan);
    }
}

Test(bind_window, closed_by)
{
    struct tl_plan *plan =
        sql_plan(EVENTS "CREATE VIEW v AS SELECT window_start, closed_by AS why, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t "
                        "PARTITION BY host, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, "
                        "host, closed_by HAVING closed_by = 'count'");
    const struct tl_view *view = &plan->views[0];

    cr_assert(is_slot(view->outputs[1].expr, TL_SLOT_CLOSED_BY) && view->outputs[1].kind == TL_STRING);
    cr_assert(is_slot(view->outputs[2].expr, TL_SLOT_KEYS + 1), "behind the key");
    cr_assert_eq(view->keys_count, 1);
    tl_plan_close(plan);
}

/* As on Flink: the window's own is hidden as long as nobody names it. */
Test(bind_window, a_window_time_that_is_read)
{
    struct tl_plan *plan = sql_plan(
        EVENTS
        "CREATE VIEW i AS SELECT COUNT(*) AS c, window_time FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "
        "GROUP BY window_start, window_end, window_time;"
        "CREATE VIEW v AS SELECT window_start, SUM(c) AS c FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(window_time), INTERVAL '1' "
        "HOUR)) GROUP BY window_start, window_end");

    cr_assert(plan->views[1].inner == 0 && plan->views[1].window.size_ms == 3600000);
    cr_assert(is_slot(plan->views[1].aggs[0].args[0], 0));
    tl_plan_close(plan);
}

/* Flink moves it below the window, SESSION's too. */
Test(bind_window, where_behind_a_session_holds_before_it)
{
    struct tl_plan *plan = sql_plan(
        EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
               "MINUTE)) WHERE ok GROUP BY window_start, window_end");

    cr_assert_not_null(plan->views[0].filter);
    tl_plan_close(plan);
}

ParameterizedTestParameters(bind_window, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"misspelled TUMBLE",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBEL(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 76, "there is no window function 'TUMBEL'",
         "TUMBEL", "did you mean 'TUMBLE'?"},
        {"no TABLE",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 83, "the first argument of TUMBLE is TABLE and a name",
         "t", "write TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)"},
        {"no DESCRIPTOR",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, ts, "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 92, "the time column of a window stands in DESCRIPTOR",
         "ts", "write DESCRIPTOR(column)"},
        {"wrong column",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 103, "'at' is not the event time: the watermark of t is for ts",
         "at", "write DESCRIPTOR(ts)"},
        {"unknown column",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(tss), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 103, "there is no column 'tss' in t",
         "tss", "write DESCRIPTOR(ts)"},
        {"size of nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '0' MINUTE)) GROUP BY window_start, window_end",
         2, 108, "the size of a window is more than nothing",
         "INTERVAL '0' MINUTE", "write INTERVAL '5' MINUTE"},
        {"size is a number",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), 5)) GROUP BY window_start, window_end",
         2, 108, "the size of a window is an interval",
         "5", "write INTERVAL '5' MINUTE"},
        {"size is a column",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), n)) GROUP BY window_start, window_end",
         2, 108, "a column has no place here",
         "n", "write a constant: INTERVAL '5' MINUTE"},
        {"offset too large",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '-16' MINUTE)) GROUP BY window_start, window_end",
         2, 130, "the offset of a window is smaller than its size",
         "INTERVAL '-16' MINUTE", "windows repeat with their size: take the remainder"},
        {"offset of the size",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '10' MINUTE)) GROUP BY window_start, window_end",
         2, 130, "the offset of a window is smaller than its size",
         "INTERVAL '10' MINUTE", "windows repeat with their size: take the remainder"},
        {"offset of the size below zero",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '-10' MINUTE)) GROUP BY window_start, window_end",
         2, 130, "the offset of a window is smaller than its size",
         "INTERVAL '-10' MINUTE", "windows repeat with their size: take the remainder"},
        {"too many digits",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '180' MINUTE)) GROUP BY window_start, window_end",
         2, 108, "180 exceeds the precision of MINUTE(2)",
         "INTERVAL '180' MINUTE", "write the number of digits: INTERVAL '180' MINUTE(3)"},
        {"months",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MONTH)) GROUP BY window_start, window_end",
         2, 121, "an interval has the unit SECOND, MINUTE, HOUR or DAY",
         "MONTH", "months and years differ in length: take days, and roll them up in the query"},
        {"unknown unit",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUT)) GROUP BY window_start, window_end",
         2, 121, "an interval has the unit SECOND, MINUTE, HOUR or DAY",
         "MINUT", "write INTERVAL '5' MINUTE"},
        {"no interval",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL 'five' MINUTE)) GROUP BY window_start, window_end",
         2, 108, "'five' is no interval",
         "INTERVAL 'five' MINUTE", "write a whole number: INTERVAL '5' MINUTE"},
        {"fraction of a minute",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1.5' MINUTE)) GROUP BY window_start, window_end",
         2, 108, "only seconds have a fraction",
         "INTERVAL '1.5' MINUTE", "write it in a smaller unit: INTERVAL '90' SECOND"},
        {"microseconds",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1.0005' SECOND)) GROUP BY window_start, window_end",
         2, 108, "times are kept in milliseconds",
         "INTERVAL '1.0005' SECOND", "write at most three digits behind the point"},
        {"size missing",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts))) GROUP BY window_start, window_end",
         2, 76, "TUMBLE lacks its size",
         "TUMBLE", "write TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)"},
        {"too many",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' DAY, INTERVAL '1' HOUR, 5)) GROUP BY window_start, window_end",
         2, 145, "TUMBLE takes a table, a time column, a size and perhaps an offset",
         "5", "write TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)"},
        {"named and not",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(DATA => TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         2, 100, "arguments by name and by position are mixed",
         "DESCRIPTOR(ts)", "give all arguments by name, or none"},
        {"unknown name",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(DATA => TABLE t, "
                "TIMECOLUMN => DESCRIPTOR(ts), SIZE => INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         2, 100, "TUMBLE has no argument 'TIMECOLUMN'",
         "TIMECOLUMN", "did you mean 'TIMECOL'?"},
        {"DATA not first",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TIMECOL => "
                "DESCRIPTOR(ts), DATA => TABLE t, SIZE => INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         2, 83, "DATA comes first",
         "TIMECOL", "begin with DATA => TABLE t"},
        {"PARTITION BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t PARTITION "
                "BY host, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         2, 104, "TUMBLE takes no PARTITION BY",
         "host", "write the column into GROUP BY"},
        {"view without the time",
         EVENTS "CREATE TEMPORARY VIEW x AS SELECT host FROM t;\nCREATE VIEW v AS SELECT window_start FROM "
                "TABLE(TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         3, 76, "there is no column 'ts' in x",
         "ts", "add ts to the columns of x"},
        {"HOP with slide and size swapped",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '5' MINUTE, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 93, "the size of a window is an integral multiple of its slide, and 1 min is none of 5 min",
         "INTERVAL '5' MINUTE", "the slide comes first, then the size: change the two places"},
        {"a slide that does not divide",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '90' SECOND, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end",
         2, 93, "the size of a window is an integral multiple of its slide, and 5 min is none of 90 s",
         "INTERVAL '90' SECOND", "a slide of 30 s would do"},
        {"a slide by name that does not divide",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(DATA => TABLE t, TIMECOL => "
                "DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND, SLIDE => INTERVAL '4' SECOND)) GROUP BY window_start, "
                "window_end",
         2, 151, "the size of a window is an integral multiple of its slide, and 10 s is none of 4 s",
         "INTERVAL '4' SECOND", "a slide of 2 s would do"},
        {"a step longer than the size",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' DAY, INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
         2, 98, "the size of a window is an integral multiple of its step, and 1 h is none of 1 d",
         "INTERVAL '1' DAY", "the step comes first, then the size: change the two places"},
        {"a step that does not divide",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '7' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         2, 98, "the size of a window is an integral multiple of its step, and 1 d is none of 7 h",
         "INTERVAL '7' HOUR", "a step of 1 h would do"},
        {"a slide of nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '0' MINUTE, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 93, "the slide of a window is more than nothing",
         "INTERVAL '0' MINUTE", "write INTERVAL '5' MINUTE"},
        {"a slide below nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '-1' MINUTE, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 93, "the slide of a window is more than nothing",
         "INTERVAL '-1' MINUTE", "write INTERVAL '5' MINUTE"},
        {"HOP of a size below nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE, -INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 114, "the size of a window is more than nothing",
         "-INTERVAL '1' MINUTE", "write INTERVAL '5' MINUTE"},
        {"a step of nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '0' MINUTE, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 98, "the step of a window is more than nothing",
         "INTERVAL '0' MINUTE", "write INTERVAL '5' MINUTE"},
        {"HOP without a size",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 64, "HOP lacks its size",
         "HOP", "the slide comes first: HOP(TABLE t, DESCRIPTOR(time), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)"},
        {"CUMULATE without a size",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 64, "CUMULATE lacks its size",
         "CUMULATE", "the step comes first: CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL '1' HOUR, INTERVAL '1' DAY)"},
        {"HOP has no STEP",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(DATA => TABLE t, TIMECOL => "
                "DESCRIPTOR(ts), STEP => INTERVAL '1' MINUTE, SIZE => INTERVAL '5' MINUTE)) GROUP BY window_start, "
                "window_end",
         2, 112, "HOP has no argument 'STEP'",
         "STEP", "HOP has DATA, TIMECOL, SLIDE, SIZE and `OFFSET`"},
        {"TUMBLE has no GAP",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => "
                "DESCRIPTOR(ts), GAP => INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 115, "TUMBLE has no argument 'GAP'",
         "GAP", "TUMBLE has DATA, TIMECOL, SIZE and `OFFSET`"},
        {"a name given twice",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(DATA => TABLE t, TIMECOL => "
                "DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE, SIZE => INTERVAL '5' MINUTE)) GROUP BY window_start, "
                "window_end",
         2, 149, "SIZE was already given",
         "INTERVAL '5' MINUTE", "keep one of the two"},
        {"a sixth argument of HOP",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE, INTERVAL '5' MINUTE, INTERVAL '1' MINUTE, 1)) GROUP BY window_start, window_end",
         2, 156, "HOP takes a table, a time column, a slide, a size and perhaps an offset",
         "1", "the slide comes first: HOP(TABLE t, DESCRIPTOR(time), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)"},
        {"PARTITION BY of HOP",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(HOP(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end",
         2, 89, "HOP takes no PARTITION BY",
         "host", "write the column into GROUP BY"},
        {"a gap of nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '0' SECOND)) GROUP BY window_start, window_end, host",
         2, 115, "the gap of a window is more than nothing",
         "INTERVAL '0' SECOND", "write INTERVAL '5' MINUTE"},
        {"a gap below nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '-5' SECOND)) GROUP BY window_start, window_end, host",
         2, 115, "the gap of a window is more than nothing",
         "INTERVAL '-5' SECOND", "write INTERVAL '5' MINUTE"},
        {"a gap in months",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MONTH)) GROUP BY window_start, window_end",
         2, 110, "an interval has the unit SECOND, MINUTE, HOUR or DAY",
         "MONTH", "months and years differ in length: take days, and roll them up in the query"},
        {"SESSION without a gap",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts))) GROUP BY window_start, window_end, host",
         2, 64, "SESSION lacks its gap",
         "SESSION", "write SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), INTERVAL '30' MINUTE)"},
        {"SESSION with an offset",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '5' SECOND, INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
         2, 118, "SESSION takes a table with PARTITION BY, a time column and a gap",
         "INTERVAL '1' SECOND", "write SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), INTERVAL '30' MINUTE)"},
        {"a session grouped by more",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, host, id",
         2, 178, "SESSION groups by the columns of its PARTITION BY, and 'id' is none",
         "id", "write SESSION(TABLE t PARTITION BY (host, id), ..."},
        {"a session of all grouped by a key",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '5' SECOND)) GROUP BY window_start, window_end, host",
         2, 154, "SESSION groups by the columns of its PARTITION BY, and 'host' is none",
         "host", "write SESSION(TABLE t PARTITION BY (host), ..."},
        {"a session grouped by less",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY (host, "
                "id), DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, host",
         2, 143, "GROUP BY lacks 'id', and windows of different keys would fall together",
         "GROUP", "add id to GROUP BY, or leave it out of PARTITION BY"},
        {"a session grouped by an expression",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, LOWER(host)",
         2, 172, "SESSION groups by the columns of its PARTITION BY, and by no others",
         "LOWER(host)", "make it a column of a temporary view, and PARTITION BY that"},
        {"an unknown column of PARTITION BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY hots, "
                "DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, host",
         2, 93, "there is no column 'hots' in t",
         "hots", "did you mean 'host'?"},
        {"a column twice in PARTITION BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY (host, "
                "host), DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, host",
         2, 100, "'host' stands twice in PARTITION BY",
         "host", "keep one of the two"},
        {"several columns without brackets",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "id, DESCRIPTOR(ts))) GROUP BY window_start, window_end, host",
         2, 99, "several columns of PARTITION BY stand in brackets",
         "id", "write PARTITION BY (a, b)"},
        {"a count of none",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), 0, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host",
         2, 120, "the number of rows of a window is 1 to 2147483647",
         "0", "a window of 3 rows: write 3"},
        {"a count below none",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), -3, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host",
         2, 120, "the number of rows of a window is 1 to 2147483647",
         "-3", "a window of 3 rows: write 3"},
        {"a count that is none",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), 2.5, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host",
         2, 120, "the number of rows of a window is a whole number",
         "2.5", "write 3"},
        {"a count and a time-out changed",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), INTERVAL '1' MINUTE, 3)) GROUP BY window_start, window_end, host",
         2, 120, "the number of rows of a window is a whole number",
         "INTERVAL '1' MINUTE", "write 3"},
        {"a time-out of nothing",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), 3, INTERVAL '0' MINUTE)) GROUP BY window_start, window_end, host",
         2, 123, "the time-out of a window is more than nothing",
         "INTERVAL '0' MINUTE", "write INTERVAL '5' MINUTE"},
        {"a count window without a time-out",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), 3)) GROUP BY window_start, window_end, host",
         2, 64, "COUNT_WINDOW lacks its time-out",
         "COUNT_WINDOW", "write COUNT_WINDOW(TABLE t PARTITION BY key, DESCRIPTOR(time), 3, INTERVAL '30' MINUTE)"},
        {"a count window grouped by less",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t PARTITION BY "
                "host, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 145, "GROUP BY lacks 'host', and windows of different keys would fall together",
         "GROUP", "add host to GROUP BY, or leave it out of PARTITION BY"},
        {"closed_by of another window",
         EVENTS "CREATE VIEW v AS SELECT window_start, closed_by FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
                "'1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "closed_by belongs to COUNT_WINDOW",
         "closed_by", "it says whether the count or the time-out closed a window of COUNT_WINDOW"},
        {"closed_by is not in GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, closed_by FROM TABLE(COUNT_WINDOW(TABLE t, DESCRIPTOR(ts), 3, "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 39, "closed_by is not in GROUP BY",
         "closed_by", "write GROUP BY window_start, window_end, closed_by"},
        {"no window function",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(SLIDE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 64, "there is no window function 'SLIDE'",
         "SLIDE", "windows are TUMBLE, HOP, CUMULATE, SESSION and COUNT_WINDOW"},
        {"a group window of old",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM t GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' "
                "MINUTE)",
         2, 55, "HOP belongs to Flink's older group windows",
         "HOP", "use window_start, window_end and window_time of FROM TABLE(TUMBLE(...))"},
        {"no time attribute in the view that is read",
         EVENTS "CREATE VIEW i AS SELECT window_start AS a, window_end AS b, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE "
                "t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\nCREATE VIEW v AS SELECT "
                "window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(b), INTERVAL '1' HOUR)) GROUP BY "
                "window_start, window_end",
         3, 91, "'b' is not the event time: i has windows, whose time is window_time",
         "b", "its time is window_time: add it to GROUP BY and, AS rowtime, to the outputs of i"},
        {"no such time in the view that is read",
         EVENTS "CREATE VIEW i AS SELECT window_start AS a, window_end AS b, window_time AS rowtime, host, COUNT(*) "
                "AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, "
                "window_end, window_time, host;\nCREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM "
                "TABLE(TUMBLE(TABLE i, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
         3, 91, "there is no column 'ts' in i",
         "ts", "write DESCRIPTOR(rowtime)"},
        {"a window column of the view that is read",
         EVENTS "CREATE VIEW i AS SELECT window_start, window_time AS rowtime, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE "
                "t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;\nCREATE "
                "VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(rowtime), "
                "INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
         3, 64, "the view has a column window_start of its own",
         "TUMBLE", "give it another name in i: window_start AS inner_window_start"},
        {"half of the window that is read",
         EVENTS "CREATE VIEW i AS SELECT window_start AS a, window_end AS b, window_time AS rowtime, host, COUNT(*) "
                "AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, "
                "window_end, window_time, host;\nCREATE VIEW v AS SELECT a, SUM(c) AS c FROM i GROUP BY a, host",
         3, 47, "GROUP BY lacks window_end",
         "GROUP", "GROUP BY the window_start and the window_end of the view that is read, and then the keys"},
        {"window_time that is read is not in GROUP BY",
         EVENTS "CREATE VIEW i AS SELECT window_start AS a, window_end AS b, window_time AS rowtime, host, COUNT(*) "
                "AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, "
                "window_end, window_time, host;\nCREATE VIEW v AS SELECT rowtime, SUM(c) AS c FROM i GROUP BY a, b",
         3, 25, "rowtime is not in GROUP BY",
         "rowtime", "add it to GROUP BY"},
        {"sessions that are read fall together",
         EVENTS "CREATE VIEW s AS SELECT window_start, window_end, host, id, COUNT(*) AS c FROM TABLE(SESSION(TABLE "
                "t PARTITION BY (host, id), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, "
                "host, id;\nCREATE VIEW v AS SELECT window_start, window_end, host, SUM(c) AS c FROM s GROUP BY "
                "window_start, window_end, host",
         3, 76, "each window of s belongs to one of its keys, and GROUP BY lacks a part of them",
         "GROUP", "GROUP BY window_start, window_end and exactly the keys of s"},
        {"sessions that are read by another key",
         EVENTS "CREATE VIEW s AS SELECT window_start, window_end, host, id, COUNT(*) AS c FROM TABLE(SESSION(TABLE "
                "t PARTITION BY (host, id), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, "
                "host, id;\nCREATE VIEW x AS SELECT *, c + 1 AS d FROM s;\nCREATE VIEW v AS SELECT window_start, "
                "window_end, SUM(c) AS c FROM x GROUP BY window_start, window_end, host, id, d",
         4, 115, "each window of s belongs to one of its keys",
         "d", "GROUP BY window_start, window_end and exactly the keys of s"},
        {"sessions of sessions",
         EVENTS "CREATE VIEW s AS SELECT window_time AS wt, host, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY host, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time, host;\nCREATE VIEW v AS "
                "SELECT window_start, COUNT(*) AS c FROM TABLE(SESSION(TABLE s PARTITION BY host, DESCRIPTOR(wt), INTERVAL '1' "
                "HOUR)) GROUP BY window_start, window_end, host",
         3, 78, "'s' has sessions or count windows, and sessions of those are not kept",
         "s", "read the table itself, with a longer gap"},
        {"window_time of two in GROUP BY",
         EVENTS "CREATE VIEW i AS SELECT window_time, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;\nCREATE VIEW v AS SELECT "
                "window_start, SUM(c) AS c FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(window_time), INTERVAL '1' HOUR)) "
                "GROUP BY window_start, window_end, window_time",
         3, 158, "'window_time' is a column of what is read and of the window",
         "window_time", "give the one that is read another name: window_time AS rowtime"},
        {"window_time of two in an aggregate",
         EVENTS "CREATE VIEW i AS SELECT window_time, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;\nCREATE VIEW v AS SELECT "
                "window_start, MAX(window_time) AS c FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(window_time), INTERVAL "
                "'1' HOUR)) GROUP BY window_start, window_end",
         3, 43, "'window_time' is a column of what is read and of the window",
         "window_time", "give the one that is read another name: window_time AS rowtime"},
        {"window_time of two handed on",
         EVENTS "CREATE VIEW i AS SELECT window_time, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;\nCREATE TEMPORARY VIEW p AS "
                "SELECT window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(window_time), "
                "INTERVAL '1' HOUR));\nCREATE VIEW v AS SELECT window_start FROM p GROUP BY window_start, window_end",
         3, 61, "'window_time' is a column of what is read and of the window",
         "window_time", "give the one that is read another name: window_time AS rowtime"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind_window, mistakes)
{
    sql_mistake_check(c);
}
