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

Test(bind, having)
{
    struct tl_plan *plan = sql_plan(
        EVENTS "CREATE VIEW v AS SELECT window_start, host, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
               "'1' DAY)) GROUP BY window_start, window_end, host HAVING COUNT(*) > 1 AND host <> 'x' AND MAX(n) = 2 AND "
               "window_end > TIMESTAMP '2024-01-01 00:00:00'");
    const struct tl_view *view = &plan->views[0];

    cr_assert(view->having->op == TL_EXPR_AND && view->having->args_count == 4);
    cr_assert(is_slot(view->having->args[0]->args[0], TL_SLOT_KEYS + 1), "the aggregate of the outputs");
    cr_assert(is_slot(view->having->args[1]->args[0], TL_SLOT_KEYS));
    cr_assert(is_slot(view->having->args[2]->args[0], TL_SLOT_KEYS + 2) && view->aggs_count == 2);
    cr_assert(is_slot(view->having->args[3]->args[0], TL_SLOT_WINDOW_END));
    tl_plan_close(plan);
}

/* The stored view with windows that the cases below read. */
#define HITS                                                                                                                     \
    EVENTS                                                                                                                       \
    "CREATE VIEW hits AS SELECT window_start AS a, window_end AS b, window_time AS rowtime, LOWER(host) AS h, COUNT(*) AS c "    \
    "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, window_time, "          \
    "LOWER(host);\n"

Test(bind, a_window_over_a_windowed_view)
{
    struct tl_plan *plan = sql_plan(
        HITS "SET 'tally.allowed-lateness' = '1 min'; CREATE VIEW v AS SELECT window_start, h, SUM(c) AS c, MAX(a) AS last, "
             "MAX(rowtime) AS r FROM TABLE(HOP(TABLE hits, DESCRIPTOR(rowtime), INTERVAL '1' HOUR, INTERVAL '1' DAY)) "
             "WHERE c > 1 GROUP BY window_start, window_end, h");
    const struct tl_view *view = tl_plan_view(plan, TL_SV("v"));

    cr_assert(view->inner == 0 && view->source == plan->views[0].source && !view->inner_rows && plan->views[0].inner == -1);
    cr_assert(view->window.window == TL_WINDOW_HOP && view->window.slide_ms == 3600000);
    cr_assert(view->lateness_ms == 60000 && plan->views[0].lateness_ms == 0, "each has its own");
    cr_assert(view->keys_count == 1 && is_slot(view->keys[0], 3), "outputs by number");
    cr_assert(is_slot(view->filter->args[0], 4));
    cr_assert(is_slot(view->aggs[0].args[0], 4) && view->aggs[0].kind == TL_BIGINT);
    cr_assert(is_slot(view->aggs[1].args[0], 0) && is_slot(view->aggs[2].args[0], 2));
    cr_assert_eq(plan->sources[0].schema.fields_count, 2, "ts and host: the outer view reads no column of the table");
    tl_plan_close(plan);
}

Test(bind, rows_of_a_windowed_view)
{
    struct tl_plan *plan = sql_plan(HITS "CREATE TEMPORARY VIEW p AS SELECT *, c * 2 AS twice FROM hits WHERE c > 1;"
                                         "CREATE VIEW v AS SELECT b, h, twice + 1 AS x, rowtime FROM p WHERE h <> 'x'");
    const struct tl_view *view = tl_plan_view(plan, TL_SV("v"));

    cr_assert(view->inner == 0 && view->inner_rows && view->window.window == TL_WINDOW_INNER);
    cr_assert(view->keys_count == 0 && view->aggs_count == 0 && view->having == NULL);
    cr_assert(view->filter->op == TL_EXPR_AND && is_slot(view->filter->args[0]->args[0], 4) &&
              is_slot(view->filter->args[1]->args[0], 3));
    cr_assert(is_slot(view->outputs[0].expr, 1) && is_slot(view->outputs[1].expr, 3) && is_slot(view->outputs[3].expr, 2));
    cr_assert(is_slot(view->outputs[2].expr->args[0]->args[0], 4), "the view between is its own");
    tl_plan_close(plan);
}

Test(bind, groups_of_a_windowed_view)
{
    struct tl_plan *plan = sql_plan(
        HITS "CREATE VIEW v AS SELECT b AS e, a, SUM(c) AS c, rowtime FROM hits GROUP BY a, b, rowtime HAVING COUNT(*) > 1");
    const struct tl_view *view = tl_plan_view(plan, TL_SV("v"));

    cr_assert(view->inner == 0 && !view->inner_rows && view->window.window == TL_WINDOW_INNER && view->keys_count == 0);
    cr_assert(is_slot(view->outputs[0].expr, TL_SLOT_WINDOW_END) && is_slot(view->outputs[1].expr, TL_SLOT_WINDOW_START));
    cr_assert(is_slot(view->outputs[3].expr, TL_SLOT_WINDOW_TIME) && view->outputs[3].kind == TL_TIMESTAMP_LTZ);
    cr_assert(is_slot(view->aggs[0].args[0], 4) && view->having != NULL);
    tl_plan_close(plan);
}

Test(bind, views_on_views_at_any_depth)
{
    struct tl_plan *plan = sql_plan(
        HITS "CREATE VIEW l1 AS SELECT * FROM hits WHERE c > 1;"
             "CREATE VIEW l2 AS SELECT a, b, rowtime, h, MAX(c) AS m FROM l1 GROUP BY a, b, rowtime, h;"
             "CREATE VIEW l3 AS SELECT window_time AS rt, SUM(m) AS s FROM TABLE(TUMBLE(TABLE l2, "
             "DESCRIPTOR(rowtime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;"
             "CREATE VIEW l4 AS SELECT window_start, MAX(s) AS s FROM TABLE(CUMULATE(TABLE l3, DESCRIPTOR(rt), INTERVAL '1' "
             "HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end");

    cr_assert_eq(plan->views_count, 5);
    for (uint32_t i = 1; i < plan->views_count; i++)
        cr_assert_eq(plan->views[i].inner, (int32_t)i - 1, "each reads the one before");
    tl_plan_close(plan);
}

/* Sessions belong to a key: so do the groups over them. */
Test(bind, groups_of_sessions)
{
    struct tl_plan *plan = sql_plan(
        EVENTS
        "CREATE VIEW s AS SELECT window_start, window_end, host AS h, id, COUNT(*) AS c FROM TABLE(SESSION(TABLE t PARTITION BY "
        "(host, id), DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, id, host;"
        "CREATE VIEW x AS SELECT *, h AS again FROM s WHERE c > 1;"
        "CREATE VIEW v AS SELECT window_start, window_end, id, SUM(c) AS c FROM x GROUP BY window_start, window_end, again, id");

    cr_assert(plan->views[2].inner == 1 && plan->views[2].keys_count == 2);
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

/* A view of the stores has so many columns, when each is a time and stands there twice. */
Test(bind, eight_hundred_outputs_are_the_most)
{
    enum { MOST = 800 };
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    struct tl_buf sql;
    char place[40];

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, EVENTS "CREATE VIEW v AS SELECT n AS c0");
    for (int i = 1; i < MOST; i++)
        tl_buf_printf(&sql, ", n AS c%d", i);
    for (int more = 0; more <= 1; more++) {
        enum tl_code rc;

        snprintf(place, sizeof place, "2:%zu: ", sql.size - strlen(EVENTS) + 3); /* behind ", " */
        tl_buf_put_str(&sql, more ? ", n AS last FROM t" : " FROM t");
        rc = tl_plan_parse(tl_buf_sv(&sql), "views.sql", tl_function_catalog(), &plan, &err);
        cr_assert_eq(rc, more ? TL_ERR_DEFINITION : TL_OK, "%s", err.message);
        cr_assert(
            !more || (strstr(err.message, "a stored view has at most 800 outputs") != NULL && strstr(err.message, place) != NULL),
            "%s: %.200s", place, err.message);
        sql.size -= strlen(" FROM t");
        if (!more)
            tl_plan_close(plan);
    }
    tl_buf_done(&sql);
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
         "a", "declare it TIMESTAMP(3) or TIMESTAMP_LTZ(3), or add a computed column: ts AS CAST(... AS TIMESTAMP(3))"},
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
         "v_speed", "choose another name: a view v has the tables v_speed, v_batch and v_state, and case does not tell them apart"},
        {"shared state",
         EVENTS "CREATE VIEW v_state AS SELECT ts FROM t;\nCREATE VIEW v AS SELECT ts FROM t",
         3, 13, "'v' and the view 'v_state' would share a table",
         "v", "choose another name: a view v has the tables v_speed, v_batch and v_state, and case does not tell them apart"},
        {"as one that is being built",
         EVENTS "CREATE VIEW v_speed__00c0FFee AS SELECT ts FROM t",
         2, 13, "names that end with __ and eight hexadecimal digits are reserved",
         "v_speed__00c0FFee", "choose another name"},
        {"names differ in case",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t;\nCREATE VIEW V AS SELECT ts FROM t",
         3, 13, "'V' and the view 'v' would share a table",
         "V", "choose another name: a view v has the tables v_speed, v_batch and v_state, and case does not tell them apart"},
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
        {"window_start in WHERE",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE window_start > at GROUP BY window_start, window_end",
         2, 136, "window_start has no place in WHERE",
         "window_start", "it belongs to the group: use it in SELECT"},
        {"window_start without a window",
         EVENTS "CREATE VIEW v AS SELECT window_start FROM t",
         2, 25, "window_start belongs to a window, and FROM has none",
         "window_start", "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE))"},
        {"HAVING without GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT ts FROM t HAVING n > 1",
         2, 35, "HAVING chooses among groups, and there is no GROUP BY",
         "HAVING", "conditions over rows stand in WHERE"},
        {"HAVING before GROUP BY",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) HAVING COUNT(*) > 1 GROUP BY window_start, window_end",
         2, 124, "HAVING stands behind GROUP BY",
         "GROUP", "write GROUP BY ... HAVING condition"},
        {"HAVING that is no condition",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end HAVING COUNT(*)",
         2, 145, "a condition is wanted here, and this is BIGINT",
         "COUNT(*)", "write a condition: x = 1, x IS NULL, x LIKE 'a%'"},
        {"HAVING by the output's name",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end HAVING c > 1",
         2, 145, "HAVING takes the expression, not its name 'c'",
         "c", "write the expression itself: HAVING COUNT(*) > 10"},
        {"HAVING over a column that is no key",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end HAVING n > 1",
         2, 145, "'n' is neither in GROUP BY nor inside an aggregate",
         "n", "add it to GROUP BY, or say which of the values is meant: MIN(x), MAX(x)"},
        {"misspelled HAVING",
         EVENTS "CREATE VIEW v AS SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' "
                "MINUTE)) GROUP BY window_start, window_end, host HAVIN COUNT(*) > 1",
         2, 144, "'HAVIN' cannot stand here",
         "HAVIN", "did you mean 'HAVING'?"},
        {"over a temporary view with windows",
         EVENTS "CREATE TEMPORARY VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE "
                "t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\nCREATE VIEW x AS SELECT "
                "* FROM v",
         3, 32, "'v' has windows and is not stored",
         "v", "make it CREATE VIEW, without TEMPORARY: the final rows of a stored view can be read"},
        {"a window over such a view",
         EVENTS "CREATE TEMPORARY VIEW v AS SELECT window_time AS rowtime, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;\nCREATE VIEW x "
                "AS SELECT SUM(c) AS c FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(rowtime), INTERVAL '1' DAY)) GROUP BY "
                "window_start, window_end",
         3, 61, "'v' has windows and is not stored",
         "v", "make it CREATE VIEW, without TEMPORARY: the final rows of a stored view can be read"},
        {"over a windowed query",
         EVENTS "CREATE VIEW v AS SELECT c FROM (SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
                "INTERVAL '1' DAY)) GROUP BY window_start, window_end)",
         2, 32, "a query over windows has no place here",
         "(SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRI", "make it a view of its own, CREATE VIEW name AS SELECT ..., and read that"},
        {"GROUP BY keys alone of the view that is read",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host;\nCREATE VIEW x AS "
                "SELECT host, SUM(c) AS c FROM v GROUP BY host",
         3, 50, "GROUP BY lacks window_start and window_end",
         "GROUP", "GROUP BY the window_start and the window_end of the view that is read, and then the keys"},
        {"an unknown column of the view that is read",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\nCREATE VIEW x AS SELECT "
                "window_tim FROM v WHERE c > 1",
         3, 25, "there is no column 'window_tim' in v",
         "window_tim", "did you mean 'window_end'?"},
        {"a column that the view does not hand on",
         EVENTS "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, "
                "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host;\nCREATE VIEW x AS "
                "SELECT host FROM v",
         3, 25, "there is no column 'host' in v",
         "host", "it has window_start, window_end, c"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, bind, views)
{
    sql_mistake_check(c);
}
