/* bind_test.c: tables and views become sources, windows, keys, aggregates and outputs; and those that cannot. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/function.h"
#include "support/sql_case.h"

static const char design_sql[] =
    "SET 'table.local-time-zone' = 'UTC';\n"
    "CREATE TABLE events (\n"
    "    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,\n"
    "    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'requests', 'properties.bootstrap.servers' = 'localhost:9092',\n"
    "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',\n"
    "        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');\n"
    "CREATE TEMPORARY VIEW pages AS SELECT * FROM events WHERE NOT IS_FILE_REQUEST(url);\n"
    "CREATE VIEW hits_5m AS\n"
    "    SELECT window_start, window_end, host, COUNT(*) AS num_hits\n"
    "    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n";

static bool has_field(const struct tl_source *source, const char *name, enum tl_kind kind)
{
    for (uint32_t i = 0; i < source->schema.fields_count; i++)
        if (tl_sv_eq(source->schema.fields[i].name, tl_sv_from(name)))
            return source->schema.fields[i].kind == kind;
    return false;
}

static bool is_slot(const struct tl_expr *expr, uint32_t slot)
{
    return expr->op == TL_EXPR_SLOT && expr->slot == slot;
}

/* The slot of a column in the schema. */
static uint32_t slot_of(const struct tl_source *source, const char *name)
{
    for (uint32_t i = 0; i < source->schema.fields_count; i++)
        if (tl_sv_eq(source->schema.fields[i].name, tl_sv_from(name)))
            return i;
    cr_assert_fail("no column %s", name);
    return 0;
}

Test(bind, the_file_of_the_design)
{
    struct tl_plan *plan = sql_plan(design_sql);
    const struct tl_source *source = &plan->sources[0];
    const struct tl_view *view = &plan->views[0];

    cr_assert(plan->sources_count == 1 && plan->views_count == 1);
    cr_assert(tl_sv_eq(source->name, TL_SV("events")) && tl_sv_eq(source->topic, TL_SV("requests")));
    cr_assert_eq(source->options_count, 7);
    cr_assert(tl_sv_eq(source->options[2].key, TL_SV("properties.bootstrap.servers")) &&
              tl_sv_eq(source->options[2].value, TL_SV("localhost:9092")));
    cr_assert_eq(source->schema.fields_count, 4, "only what is needed is read");
    cr_assert(has_field(source, "event_id", TL_STRING) && has_field(source, "url", TL_STRING) &&
              has_field(source, "host", TL_STRING));
    cr_assert(has_field(source, "event_time", TL_TIMESTAMP_LTZ));
    cr_assert(source->schema.time_format == TL_TIME_ISO_8601 && source->schema.event_bytes_max == 8u << 20 &&
              source->schema.depth_max == 1024);
    cr_assert(tl_sv_eq(source->time_name, TL_SV("event_time")) && source->time_kind == TL_TIMESTAMP_LTZ);
    cr_assert(is_slot(source->time, slot_of(source, "event_time")));
    cr_assert(source->watermark_delay_ms == 15000 && source->idle_timeout_ms == 30000);
    cr_assert(source->watermark->op == TL_EXPR_CALL && is_slot(source->watermark->args[0], TL_SLOT_EVENT_TIME));
    cr_assert_eq(source->dedup_slot, (int32_t)slot_of(source, "event_id"));
    cr_assert(tl_sv_eq(view->name, TL_SV("hits_5m")) && view->source == 0 && view->lateness_ms == 0);
    cr_assert(tl_sv_starts(view->sql, TL_SV("CREATE VIEW hits_5m")) && tl_sv_ends(view->sql, TL_SV("window_end, host")));
    cr_assert_str_eq(view->filter->function->name, "NOT");
    cr_assert(is_slot(view->filter->args[0]->args[0], slot_of(source, "url")));
    cr_assert(view->window.window == TL_WINDOW_TUMBLE && view->window.size_ms == 300000 && view->window.slide_ms == 300000 &&
              view->window.offset_ms == 0);
    cr_assert(view->keys_count == 1 && is_slot(view->keys[0], slot_of(source, "host")) &&
              tl_sv_eq(view->keys_name[0], TL_SV("host")));
    cr_assert(view->aggs_count == 1 && view->aggs[0].agg == TL_AGG_COUNT_STAR && view->aggs[0].args_count == 0 &&
              view->aggs[0].kind == TL_BIGINT);
    cr_assert_eq(view->outputs_count, 4);
    cr_assert(is_slot(view->outputs[0].expr, TL_SLOT_WINDOW_START) && view->outputs[0].kind == TL_TIMESTAMP);
    cr_assert(is_slot(view->outputs[1].expr, TL_SLOT_WINDOW_END) && view->outputs[1].kind == TL_TIMESTAMP);
    cr_assert(is_slot(view->outputs[2].expr, TL_SLOT_KEYS) && view->outputs[2].kind == TL_STRING);
    cr_assert(is_slot(view->outputs[3].expr, TL_SLOT_KEYS + 1) && view->outputs[3].kind == TL_BIGINT);
    cr_assert_eq(strlen(view->hash), 32);
    cr_assert_eq(tl_plan_view(plan, TL_SV("hits_5m")), view);
    cr_assert_null(tl_plan_view(plan, TL_SV("pages")), "a temporary view is not kept");
    tl_plan_close(plan);
}

Test(bind, a_view_without_a_window)
{
    struct tl_plan *plan = sql_plan(EVENTS "CREATE VIEW v AS SELECT ts, host AS h, n + 1 AS m FROM t WHERE ok");
    const struct tl_view *view = &plan->views[0];
    const struct tl_source *source = &plan->sources[0];

    cr_assert(view->window.window == TL_WINDOW_NONE && view->keys_count == 0 && view->aggs_count == 0 &&
              view->outputs_count == 3);
    cr_assert(is_slot(view->outputs[0].expr, TL_SLOT_EVENT_TIME) && view->outputs[0].kind == TL_TIMESTAMP_LTZ);
    cr_assert(is_slot(view->outputs[1].expr, slot_of(source, "host")));
    cr_assert(view->outputs[2].expr->op == TL_EXPR_CALL && is_slot(view->outputs[2].expr->args[0], slot_of(source, "n")));
    cr_assert_eq(source->schema.fields_count, 4, "ts, host, n, ok");
    cr_assert_eq(source->dedup_slot, -1, "no column event_id, no deduplication");
    tl_plan_close(plan);
}

/* The expressions of the views between are the view's own. */
Test(bind, views_over_views)
{
    struct tl_plan *plan =
        sql_plan(EVENTS "CREATE TEMPORARY VIEW a AS SELECT LOWER(host) AS h, ts AS at_time, n FROM t WHERE n > 1;"
                        "CREATE VIEW b AS SELECT h AS hh, at_time FROM a WHERE h <> 'x';"
                        "CREATE VIEW c AS SELECT window_start, hh, COUNT(*) AS num FROM TABLE(TUMBLE(TABLE b, "
                        "DESCRIPTOR(at_time), INTERVAL '1' HOUR)) "
                        "WHERE hh LIKE 'a%' GROUP BY window_start, window_end, hh");
    const struct tl_view *c = tl_plan_view(plan, TL_SV("c"));
    const struct tl_source *source = &plan->sources[0];

    cr_assert(plan->views_count == 2 && plan->sources_count == 1);
    cr_assert(c->keys[0]->op == TL_EXPR_CALL && is_slot(c->keys[0]->args[0], slot_of(source, "host")));
    cr_assert(c->filter->op == TL_EXPR_AND && c->filter->args_count == 3);
    cr_assert_eq(c->window.size_ms, 3600000);
    cr_assert_eq(source->schema.fields_count, 3, "ts, host, n");
    tl_plan_close(plan);
}

Test(bind, a_computed_event_time)
{
    struct tl_plan *plan = sql_plan("CREATE TABLE u (a STRING, `when` STRING, ts AS CAST(`when` AS TIMESTAMP(3)), b AS LOWER(a),"
                                    " WATERMARK FOR ts AS ts - INTERVAL '0.5' SECOND);"
                                    "CREATE VIEW v AS SELECT b, ts FROM u WHERE ts > TIMESTAMP '2024-01-01 00:00:00'");
    const struct tl_source *source = &plan->sources[0];

    cr_assert_eq(source->schema.fields_count, 2);
    cr_assert(source->time->op == TL_EXPR_CALL && source->time->kind == TL_TIMESTAMP &&
              is_slot(source->time->args[0], slot_of(source, "when")));
    cr_assert(source->watermark_delay_ms == 500 && source->time_kind == TL_TIMESTAMP &&
              source->schema.time_format == TL_TIME_SQL);
    cr_assert(is_slot(plan->views[0].outputs[1].expr, TL_SLOT_EVENT_TIME), "evaluated once a batch");
    cr_assert(is_slot(plan->views[0].filter->args[0], TL_SLOT_EVENT_TIME));
    cr_assert(tl_sv_eq(source->topic, TL_SV("u")), "the table's name unless WITH says another");
    tl_plan_close(plan);
}

struct watermark_case {
    char name[40], written[100];
    int64_t delay_ms;
};

ParameterizedTestParameters(bind, watermarks)
{
    static struct watermark_case cases[] = {
        {"the time itself",          "a",                                                0        },
        {"an interval",              "a - INTERVAL '2' HOUR",                            7200000  },
        {"a millisecond",            "a - INTERVAL '0.001' SECOND",                      1        },
        {"an interval put together", "a - (INTERVAL '1' MINUTE + INTERVAL '1' SECOND)",  61000    },
        {"what cannot be told",      "CASE WHEN n > 1 THEN a - INTERVAL '1' SECOND END", INT64_MIN},
        {"another column",           "b",                                                INT64_MIN},
    };
    return cr_make_param_array(struct watermark_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct watermark_case *c, bind, watermarks)
{
    char sql[400];
    struct tl_plan *plan;

    snprintf(
        sql, sizeof sql,
        "CREATE TABLE u (a TIMESTAMP(3), b TIMESTAMP(3), n INT, WATERMARK FOR a AS %s); CREATE VIEW v AS SELECT n AS m FROM u",
        c->written);
    plan = sql_plan(sql);
    cr_assert_eq(plan->sources[0].watermark_delay_ms, c->delay_ms, "%s: %lld", c->name,
                 (long long)plan->sources[0].watermark_delay_ms);
    tl_plan_close(plan);
}

struct window_case {
    char name[40], written[200];
    int64_t size_ms, offset_ms;
};

ParameterizedTestParameters(bind, windows)
{
    static struct window_case cases[] = {
        {"by position",              "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES)",                          600000,   0      },
        {"an offset",                "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES, INTERVAL '4' MINUTE)",     600000,   240000 },
        {"an offset below zero",     "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES, -INTERVAL '6' MINUTE)",    600000,   -360000},
        {"by name",                  "TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' DAY)",    86400000, 0      },
        {"by name in another order",
         "TUMBLE(DATA => TABLE t, SIZE => INTERVAL '1' DAY, `OFFSET` => INTERVAL '8' HOUR, TIMECOL => DESCRIPTOR(ts))", 86400000,
         28800000                                                                                                                        },
        {"lower case",               "tumble(table t, descriptor(ts), interval '1' second)",                            1000,     0      },
        {"a size put together",      "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY - INTERVAL '1' SECOND)",         86399000, 0      },
    };
    return cr_make_param_array(struct window_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct window_case *c, bind, windows)
{
    char sql[700];
    struct tl_plan *plan;

    snprintf(sql, sizeof sql,
             EVENTS "CREATE VIEW v AS SELECT window_end, COUNT(*) AS c FROM TABLE(%s) GROUP BY window_start, window_end",
             c->written);
    plan = sql_plan(sql);
    cr_assert_eq(plan->views[0].window.window, TL_WINDOW_TUMBLE);
    cr_assert_eq(plan->views[0].window.size_ms, c->size_ms, "%s", c->name);
    cr_assert_eq(plan->views[0].window.offset_ms, c->offset_ms, "%s", c->name);
    tl_plan_close(plan);
}

struct agg_case {
    char name[40], written[80];
    enum tl_agg_kind agg;
    enum tl_kind kind;
};

/* Flink's result types: semantics.md 7. */
ParameterizedTestParameters(bind, aggregates)
{
    static struct agg_case cases[] = {
        {"rows",                      "COUNT(*)",     TL_AGG_COUNT_STAR, TL_BIGINT       },
        {"values",                    "count(host)",  TL_AGG_COUNT,      TL_BIGINT       },
        {"SUM of INT is INT",         "SUM(n)",       TL_AGG_SUM,        TL_INT          },
        {"SUM of BIGINT",             "SUM(big)",     TL_AGG_SUM,        TL_BIGINT       },
        {"SUM of FLOAT is FLOAT",     "SUM(f)",       TL_AGG_SUM,        TL_FLOAT        },
        {"SUM of a wider expression", "SUM(n + big)", TL_AGG_SUM,        TL_BIGINT       },
        {"AVG of INT is INT",         "AVG(n)",       TL_AGG_AVG,        TL_INT          },
        {"AVG of DOUBLE",             "AVG(d)",       TL_AGG_AVG,        TL_DOUBLE       },
        {"MIN of a text",             "MIN(host)",    TL_AGG_MIN,        TL_STRING       },
        {"MAX of the event time",     "MAX(ts)",      TL_AGG_MAX,        TL_TIMESTAMP_LTZ},
        {"MAX of a truth",            "MAX(ok)",      TL_AGG_MAX,        TL_BOOLEAN      },
    };
    return cr_make_param_array(struct agg_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct agg_case *c, bind, aggregates)
{
    char sql[700];
    struct tl_plan *plan;

    snprintf(sql, sizeof sql,
             EVENTS "CREATE VIEW v AS SELECT %s AS x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
                    "window_start, window_end",
             c->written);
    plan = sql_plan(sql);
    cr_assert(plan->views[0].aggs_count == 1 && plan->views[0].aggs[0].agg == c->agg, "%s", c->name);
    cr_assert_eq(plan->views[0].aggs[0].kind, c->kind, "%s: %s", c->name, tl_kind_name(plan->views[0].aggs[0].kind));
    cr_assert_eq(plan->views[0].outputs[0].kind, c->kind, "%s", c->name);
    tl_plan_close(plan);
}

Test(bind, keys_and_aggregates_are_shared)
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

Test(bind, sources_that_nobody_keeps_cost_nothing)
{
    struct tl_plan *plan = sql_plan(
        EVENTS "CREATE TABLE u (a TIMESTAMP(3), b STRING, WATERMARK FOR a AS a); CREATE TEMPORARY VIEW x AS SELECT * FROM t;"
               "CREATE VIEW v AS SELECT b FROM u; CREATE VIEW w AS SELECT a FROM u");

    cr_assert(plan->sources_count == 1 && tl_sv_eq(plan->sources[0].name, TL_SV("u")));
    cr_assert(plan->views[0].source == 0 && plan->views[1].source == 0);
    cr_assert_eq(plan->sources[0].schema.fields_count, 2);
    tl_plan_close(plan);
}

Test(bind, two_sources)
{
    struct tl_plan *plan =
        sql_plan(EVENTS "CREATE TABLE u (a TIMESTAMP(3), b STRING, event_id STRING, WATERMARK FOR a AS a) WITH ('topic' = 'x');"
                        "CREATE VIEW v AS SELECT b FROM u; CREATE VIEW w AS SELECT host FROM t");

    cr_assert_eq(plan->sources_count, 2);
    cr_assert(tl_sv_eq(plan->sources[plan->views[0].source].topic, TL_SV("x")) &&
              tl_sv_eq(plan->sources[plan->views[1].source].topic, TL_SV("t")));
    cr_assert(plan->sources[plan->views[0].source].dedup_slot >= 0 && plan->sources[plan->views[1].source].dedup_slot == -1);
    tl_plan_close(plan);
}

Test(bind, a_missing_file_is_a_definition_error)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_plan_load("/nowhere/views.sql", tl_function_catalog(), &plan, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "/nowhere/views.sql"));
}

ParameterizedTestParameters(bind, tables)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"unknown type",
         EVENTS "CREATE TABLE u (a STRNG)",
         2, 19, "there is no type 'STRNG'",
         "STRNG", "did you mean 'STRING'?"},
        {"DECIMAL",
         EVENTS "CREATE TABLE u (a DECIMAL(10, 2))",
         2, 19, "there is no type DECIMAL",
         "DECIMAL(10, 2", "take DOUBLE, or BIGINT of the smallest unit (cents)"},
        {"DATE",
         EVENTS "CREATE TABLE u (a DATE)",
         2, 19, "there is no type DATE",
         "DATE", "take TIMESTAMP(3), or STRING"},
        {"timestamp without precision",
         EVENTS "CREATE TABLE u (a TIMESTAMP)",
         2, 19, "times are kept in milliseconds, and without a number Flink means (6)",
         "TIMESTAMP", "write TIMESTAMP(3)"},
        {"timestamp too fine",
         EVENTS "CREATE TABLE u (a TIMESTAMP_LTZ(6))",
         2, 19, "times are kept in milliseconds",
         "TIMESTAMP_LTZ(6", "write TIMESTAMP_LTZ(3)"},
        {"WITH TIME ZONE",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3) WITH TIME ZONE)",
         2, 19, "there is no type 'TIMESTAMP WITH TIME ZONE'",
         "TIMESTAMP(3) WITH TIME ZONE", "an instant is TIMESTAMP_LTZ(3), a wall clock is TIMESTAMP(3)"},
        {"numbers of INT",
         EVENTS "CREATE TABLE u (a INT(5))",
         2, 19, "INT takes no number",
         "INT(5", ""},
        {"misspelled COMMENT",
         EVENTS "CREATE TABLE u (a INT COMENT 'x')",
         2, 30, "'x' cannot stand here",
         "'x'", "did you mean 'COMMENT'?"},
        {"column twice",
         EVENTS "CREATE TABLE u (a INT, b INT, a STRING)",
         2, 31, "the column 'a' is already in line 2",
         "a", "keep one of the two"},
        {"watermark for no column",
         EVENTS "CREATE TABLE u (at TIMESTAMP(3), WATERMARK FOR ta AS at)",
         2, 48, "there is no column 'ta' in u",
         "ta", "did you mean 'at'?"},
        {"watermark for a text",
         EVENTS "CREATE TABLE u (a STRING, WATERMARK FOR a AS a)",
         2, 41, "the event time is a timestamp, and 'a' is STRING",
         "a", "declare it TIMESTAMP(3) or TIMESTAMP_LTZ(3), or add a computed column: ts AS TO_TIMESTAMP(...)"},
        {"watermark precision",
         EVENTS "CREATE TABLE u (a TIMESTAMP(0), WATERMARK FOR a AS a)",
         2, 19, "the event time has milliseconds",
         "TIMESTAMP(0", "write TIMESTAMP(3)"},
        {"watermark twice",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3), WATERMARK FOR a AS a, WATERMARK FOR a AS a)",
         2, 55, "the table's watermark is already in line 2",
         "WATERMARK", "keep one of them"},
        {"watermark of another type",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3), b TIMESTAMP_LTZ(3), WATERMARK FOR a AS b)",
         2, 72, "the watermark is TIMESTAMP_LTZ(3), the event time TIMESTAMP(3)",
         "b", "write column - INTERVAL '15' SECOND"},
        {"watermark ahead",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3), WATERMARK FOR a AS a - INTERVAL -'5' SECOND)",
         2, 65, "'-' cannot stand here",
         "-", "expected a text in quotes"},
        {"watermark negative",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3), WATERMARK FOR a AS a - INTERVAL '-5' SECOND)",
         2, 52, "a watermark ahead of the events makes every event late",
         "a - INTERVAL '-5' SECOND", "write column - INTERVAL '15' SECOND"},
        {"computed over computed",
         EVENTS "CREATE TABLE u (a INT, b AS a + 1, c AS b + 1)",
         2, 41, "there is no column 'b' in u",
         "b", "a computed column is made of the columns that are read, not of other computed ones"},
        {"aggregate in a column",
         EVENTS "CREATE TABLE u (a INT, b AS SUM(a))",
         2, 29, "SUM has no place in a computed column",
         "SUM", "aggregates stand in SELECT, over the rows that WHERE keeps"},
        {"table twice",
         EVENTS "CREATE TABLE t (a INT)",
         2, 14, "'t' is already the table of line 1",
         "t", "choose another name"},
        {"format",
         EVENTS "CREATE TABLE u (a INT) WITH ('format' = 'csv')",
         2, 41, "'format' cannot be 'csv'",
         "'csv'", "events are JSON objects: write 'format' = 'json'"},
        {"time format",
         EVENTS "CREATE TABLE u (a INT) WITH ('json.timestamp-format.standard' = 'ISO')",
         2, 65, "'json.timestamp-format.standard' cannot be 'ISO'",
         "'ISO'", "write 'SQL' (2024-03-01 10:00:00.123) or 'ISO-8601' (2024-03-01T10:00:00.123Z)"},
        {"idle timeout",
         EVENTS "CREATE TABLE u (a INT) WITH ('scan.watermark.idle-timeout' = '30 sek')",
         2, 62, "'scan.watermark.idle-timeout' cannot be '30 sek'",
         "'30 sek'", "write a whole number and a unit: '200 ms', '30 s', '5 min', '1 h', '7 d'"},
        {"emit strategy",
         EVENTS "CREATE TABLE u (a INT) WITH ('scan.watermark.emit.strategy' = 'always')",
         2, 63, "'scan.watermark.emit.strategy' cannot be 'always'",
         "'always'", "watermarks follow every event: write 'on-event'"},
        {"two topics",
         EVENTS "CREATE TABLE u (a INT) WITH ('topic' = 'a;b')",
         2, 40, "'topic' cannot be 'a;b'",
         "'a;b'", "a table reads one topic: letters, digits, '.', '_' and '-', at most 249"},
        {"topic pattern",
         EVENTS "CREATE TABLE u (a INT) WITH ('topic-pattern' = 'a.*')",
         2, 30, "a table reads one topic: a pattern has no place here",
         "'topic-pattern'", "write 'topic' = 'name'"},
        {"option twice",
         EVENTS "CREATE TABLE u (a INT) WITH ('x' = '1', 'x' = '2')",
         2, 41, "'x' was already given in line 2",
         "'x'", "keep one of the two"},
        {"name that is no topic",
         EVENTS "CREATE TABLE `u v` (a INT)",
         2, 14, "'u v' cannot be the name of a topic",
         "`u v`", "add to WITH: 'topic' = 'name' (letters, digits, '.', '_', '-')"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind, tables)
{
    sql_mistake_check(c);
}

ParameterizedTestParameters(bind, views)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"nothing to keep",
         EVENTS "CREATE TEMPORARY VIEW v AS SELECT ts FROM t;\n",
         2, 23, "there is nothing to keep: the file has no CREATE VIEW",
         "v", "add CREATE VIEW name AS SELECT ... (a temporary view is not kept)"},
        {"unknown table",
         EVENTS "CREATE VIEW v AS SELECT ts FROM tt",
         2, 33, "there is no table or view 'tt'",
         "tt", "did you mean 't'?"},
        {"unknown table, nothing near",
         EVENTS "CREATE VIEW v AS SELECT ts FROM customers",
         2, 33, "there is no table or view 'customers'",
         "customers", "a table or view is created before it is read"},
        {"a view reads itself",
         EVENTS "CREATE VIEW v AS SELECT ts FROM v",
         2, 33, "there is no table or view 'v'",
         "v", "a table or view is created before it is read"},
        {"unknown column",
         EVENTS "CREATE VIEW v AS SELECT ts, hots FROM t",
         2, 29, "there is no column 'hots' in t",
         "hots", "did you mean 'host'?"},
        {"unknown column, nothing near",
         EVENTS "CREATE VIEW v AS SELECT ts, customer FROM t",
         2, 29, "there is no column 'customer' in t",
         "customer", "it has id, host, n, big, f, d, ok, at, ts"},
        {"unknown column of windows without a name",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, hots, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, hots",
         2, 171, "there is no column 'hots' in FROM",
         "hots", "did you mean 'host'?"},
        {"wrong case",
         EVENTS "CREATE VIEW v AS SELECT ts, Host FROM t",
         2, 29, "there is no column 'Host' in t",
         "Host", "did you mean 'host'?"},
        {"unknown qualifier",
         EVENTS "CREATE VIEW v AS SELECT x.ts FROM t",
         2, 25, "there is no 'x' in FROM",
         "x.ts", "FROM has t"},
        {"unknown qualifier of a star",
         EVENTS "CREATE VIEW v AS SELECT x.* FROM t",
         2, 25, "there is no 'x' in FROM",
         "x.*", "write * alone"},
        {"view twice",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t;\nCREATE VIEW v AS SELECT ts FROM t",
         3, 13, "'v' is already the view of line 2",
         "v", "choose another name"},
        {"shared table",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t;\nCREATE VIEW v_speed AS SELECT ts FROM t",
         3, 13, "'v_speed' and the view 'v' would share a table",
         "v_speed", "choose another name: a view v has the tables v_speed and v_batch, and case does not tell them apart"},
        {"names differ in case",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t;\nCREATE VIEW V AS SELECT ts FROM t",
         3, 13, "'V' and the view 'v' would share a table",
         "V", "choose another name: a view v has the tables v_speed and v_batch, and case does not tell them apart"},
        {"reserved beginning",
         EVENTS "CREATE VIEW tally_v AS SELECT ts FROM t",
         2, 13, "names that begin with tally_ are reserved",
         "tally_v", "choose another name"},
        {"unfit name",
         EVENTS "CREATE VIEW `v-1` AS SELECT ts FROM t",
         2, 13, "'v-1' cannot be the name of a stored view",
         "`v-1`", "letters A to Z, digits and _, at most 48, the first no digit"},
        {"output twice",
         EVENTS "CREATE VIEW v AS SELECT ts, host, id AS host FROM t",
         2, 35, "two outputs have the name 'host'",
         "id", "give one of them another name with AS"},
        {"outputs differ in case",
         EVENTS "CREATE VIEW v AS SELECT ts, host, id AS Host FROM t",
         2, 35, "'host' and 'Host' would share a column: case does not tell them apart",
         "id", "give one of them another name with AS"},
        {"output begins with _",
         EVENTS "CREATE VIEW v AS SELECT ts AS _final FROM t",
         2, 25, "'_final': names that begin with _ are reserved (_layer, _final)",
         "ts", "give it another name with AS"},
        {"output without a name",
         EVENTS "CREATE VIEW v AS SELECT ts, n + 1 FROM t",
         2, 29, "this output has no name",
         "n + 1", "write AS and a name behind it"},
        {"count without a name",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "this output has no name",
         "COUNT(*)", "write AS and a name: COUNT(*) AS num_hits"},
        {"list too short",
         EVENTS "CREATE VIEW v (a) AS SELECT ts, host FROM t",
         2, 16, "the list has 1 names, the query 2 outputs",
         "a", "name each output, or leave the list out"},
        {"list with a name twice",
         EVENTS "CREATE VIEW v (a, a) AS SELECT ts, host FROM t",
         2, 19, "two outputs have the name 'a'",
         "a", "give one of them another name"},
        {"no watermark",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3));\nCREATE VIEW v AS SELECT a FROM u",
         3, 32, "u has no watermark, so no column is its event time",
         "u", "add to CREATE TABLE u: WATERMARK FOR column AS column - INTERVAL '15' SECOND"},
        {"no watermark, window",
         EVENTS "CREATE TABLE u (a TIMESTAMP(3));\nCREATE VIEW v AS SELECT window_start FROM TABLE(TUMBLE(TABLE u, "
                "DESCRIPTOR(a), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
         3, 76, "u has no watermark, so no column is its event time",
         "a", "add to CREATE TABLE u: WATERMARK FOR column AS column - INTERVAL '15' SECOND"},
        {"NULL as an output",
         EVENTS "CREATE VIEW v AS SELECT ts, NULL AS x FROM t",
         2, 29, "an output has a type, and NULL has none",
         "NULL", "write CAST(NULL AS STRING)"},
        {"interval as an output",
         EVENTS "CREATE VIEW v AS SELECT ts, INTERVAL '1' DAY AS x FROM t",
         2, 29, "an interval is no output",
         "INTERVAL '1' DAY", "add it to a time, or write a number"},
        {"no window",
         EVENTS "CREATE VIEW v AS SELECT host, COUNT(*) AS c FROM t GROUP BY host",
         2, 52, "a view with GROUP BY has windows, and FROM has none",
         "GROUP", "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)) ... GROUP BY window_start, window_end"},
        {"aggregate without GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM t",
         2, 25, "COUNT counts over a window, and there is no GROUP BY",
         "COUNT", "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)) ... GROUP BY window_start, window_end"},
        {"window without GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, host FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "DAY))",
         2, 18, "a view over windows has a GROUP BY",
         "SELECT", "write GROUP BY window_start, window_end and the keys"},
        {"GROUP BY without window_end",
         EVENTS "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' DAY)) GROUP BY window_start, host",
         2, 115, "GROUP BY lacks window_end",
         "GROUP", "write GROUP BY window_start, window_end and then the keys"},
        {"GROUP BY without both",
         EVENTS "CREATE VIEW v AS SELECT host, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "DAY)) GROUP BY host",
         2, 107, "GROUP BY lacks window_start and window_end",
         "GROUP", "write GROUP BY window_start, window_end and then the keys"},
        {"GROUP BY a number",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, 3",
         2, 165, "GROUP BY a constant has no meaning",
         "3", "write the column or expression itself"},
        {"GROUP BY an alias",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, LOWER(host) AS h, COUNT(*) AS c FROM "
                "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, h",
         2, 183, "GROUP BY takes the expression itself, not its name 'h'",
         "h", "write GROUP BY LOWER(host)"},
        {"column not grouped",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "'host' is neither in GROUP BY nor inside an aggregate",
         "host", "add it to GROUP BY, or say which of the values is meant: MIN(x), MAX(x)"},
        {"window_time not grouped",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, window_time, COUNT(*) AS c FROM "
                "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "window_time is not in GROUP BY",
         "window_time", "write GROUP BY window_start, window_end, window_time"},
        {"star with GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
                "window_start, window_end",
         2, 25, "a star has no place where GROUP BY is",
         "*", "name the outputs: window_start, window_end, the keys, COUNT(*) AS num_hits"},
        {"aggregate in WHERE",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t WHERE COUNT(*) > 1",
         2, 41, "COUNT has no place in WHERE",
         "COUNT", "aggregates stand in SELECT, over the rows that WHERE keeps"},
        {"aggregate in GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, SUM(n)",
         2, 165, "SUM has no place in GROUP BY",
         "SUM", "aggregates stand in SELECT, over the rows that WHERE keeps"},
        {"aggregate in an aggregate",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, SUM(COUNT(*)) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 55, "an aggregate inside an aggregate has no meaning",
         "COUNT", "aggregate once, and combine the results: SUM(x) / COUNT(*)"},
        {"window_start in WHERE",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE window_start > at GROUP BY window_start, window_end",
         2, 136, "window_start has no place in WHERE",
         "window_start", "it belongs to the group: use it in SELECT"},
        {"window_start in an aggregate",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, MAX(window_start) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 55, "window_start has no place in an aggregate",
         "window_start", "it is the same for the whole group: write it beside the aggregate"},
        {"window_start without a window",
         EVENTS "CREATE VIEW v AS SELECT window_start FROM t",
         2, 25, "window_start belongs to a window, and FROM has none",
         "window_start", "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE))"},
        {"SUM of a text",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, SUM(host) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 55, "SUM wants a number, and this is STRING",
         "host", "CAST it: SUM(CAST(x AS BIGINT))"},
        {"SUM of a star",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, SUM(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "only COUNT takes a star",
         "SUM(*)", "name the column: SUM(bytes)"},
        {"COUNT of two",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(host, id) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "COUNT takes one argument",
         "COUNT(host, id)", "write COUNT(*) or COUNT(x)"},
        {"COUNT of NULL",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(NULL) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 57, "COUNT of NULL has no meaning",
         "NULL", "name a column: an aggregate is over the rows of a group"},
        {"an aggregate of Flink's",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, LISTAGG(host) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 51, "LISTAGG has no place here",
         "LISTAGG", "aggregates are COUNT, SUM, MIN, MAX and AVG"},
        {"over a windowed view",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\nCREATE VIEW x AS SELECT * "
                "FROM v",
         3, 32, "'v' has windows: a view reads a table, or views without GROUP BY",
         "v", "read the table itself, or a view without GROUP BY"},
        {"over a windowed query",
         EVENTS "CREATE VIEW v AS SELECT c FROM (SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' DAY)) GROUP BY window_start, window_end)",
         2, 32, "a query over windows has no place here",
         "(SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRI", "make one view of it: the windows, and what is computed of their aggregates"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind, views)
{
    sql_mistake_check(c);
}

ParameterizedTestParameters(bind, window_mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"HOP",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(HOP(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end",
         2, 76, "HOP has no place behind FROM",
         "HOP", "windows are TUMBLE: take one of the slide's size, and add windows up where the view is read"},
        {"CUMULATE",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(CUMULATE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end",
         2, 76, "CUMULATE has no place behind FROM",
         "CUMULATE", "windows are TUMBLE: take one of the step's size, and add windows up where the view is read"},
        {"SESSION",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(SESSION(TABLE t "
                "PARTITION BY (id, host), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 76, "SESSION has no place behind FROM",
         "SESSION", "windows are TUMBLE: each has the same length"},
        {"COUNT_WINDOW",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t "
                "PARTITION BY id, DESCRIPTOR(ts), 3, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
         2, 76, "COUNT_WINDOW has no place behind FROM",
         "COUNT_WINDOW", "windows are TUMBLE: each has the same length in time"},
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
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind, window_mistakes)
{
    sql_mistake_check(c);
}
