/* plan_test.c: what a definition depends on and what not; the plan as people read it; the script for Flink. */
#include "sql/plan.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sql/plan_text.h"
#include "support/sql_case.h"

#define TABLE                                                                                                                    \
    "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH " \
    "('topic' = 'x');\n"
#define VIEW                                                                                                                     \
    "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "                                                     \
    "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"

struct same_case {
    char name[48], sql[900];
};

static void hash_of(const char *sql, char out[33])
{
    struct tl_plan *plan = sql_plan(sql);
    const struct tl_view *view = tl_plan_view(plan, TL_SV("v"));

    cr_assert_not_null(view);
    memcpy(out, view->hash, 33);
    tl_plan_close(plan);
}

ParameterizedTestParameters(plan, same_definition)
{
    /* clang-format off */
    static struct same_case cases[] = {
        {"white space and comments",
         TABLE "CREATE VIEW v AS -- a comment\n SELECT window_start,window_end,host,COUNT( * )AS c /* another */\n\n"
               "FROM TABLE(TUMBLE(TABLE e,DESCRIPTOR(at),INTERVAL '5' MINUTE))WHERE n>1 GROUP BY window_start,window_end,host"},
        {"case of keywords and functions",
         TABLE "create view v as select window_start, window_end, host, count(*) c "
               "from table(tumble(table e, descriptor(at), interval '5' minutes)) where n > 1 group by window_start, window_end, host"},
        {"names of temporary views",
         TABLE "CREATE TEMPORARY VIEW some AS SELECT host, at AS t, n AS m FROM e WHERE n > 1;"
               "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE some, DESCRIPTOR(t), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, host"},
        {"order of columns",
         "CREATE TABLE e (n INT, host STRING, WATERMARK FOR at AS at - INTERVAL '15' SECOND, at TIMESTAMP(3), event_id STRING) WITH ('topic' = 'x');\n" VIEW},
        {"columns that the view does not need",
         "CREATE TABLE e (event_id STRING, host STRING, more DOUBLE, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'x');\n" VIEW},
        {"another view", TABLE "CREATE VIEW a AS SELECT * FROM e;" VIEW},
        {"name of the table", "CREATE TABLE f (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'x');\n"
                              "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
                              "FROM TABLE(TUMBLE(TABLE f, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
        {"options of the connector",
         "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) "
         "WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'y', 'scan.watermark.idle-timeout' = '1 s');\n" VIEW},
        {"settings that change no row", TABLE "SET 'tally.batch-grace' = '1 h'; SET 'tally.batch-range' = 'month'; SET 'tally.speed-retention' = '1 d'; SET 'any' = 'thing';" VIEW},
        {"defaults written out", TABLE "SET 'tally.allowed-lateness' = '0'; SET 'tally.max-future-skew' = '300 s'; SET 'tally.dedup.key' = 'event_id';" VIEW},
        {"the window by name",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TUMBLE(DATA => TABLE e, TIMECOL => DESCRIPTOR(at), SIZE => INTERVAL '300' SECOND(3), `OFFSET` => INTERVAL '0' DAY) AS w "
               "WHERE w.n > 1 GROUP BY window_end, w.host, window_start"},
        {"a comment of the view",
         TABLE "CREATE VIEW v COMMENT 'x' AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
    };
    /* clang-format on */
    return cr_make_param_array(struct same_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct same_case *c, plan, same_definition)
{
    char want[33], got[33];

    hash_of(TABLE VIEW, want);
    hash_of(c->sql, got);
    cr_assert_str_eq(got, want, "%s", c->name);
}

ParameterizedTestParameters(plan, other_definition)
{
    /* clang-format off */
    static struct same_case cases[] = {
        {"topic", "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'y');\n" VIEW},
        {"time format",
         "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) "
         "WITH ('topic' = 'x', 'json.timestamp-format.standard' = 'ISO-8601');\n" VIEW},
        {"type of the time", "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'x');\n" VIEW},
        {"watermark", "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '16' SECOND) WITH ('topic' = 'x');\n" VIEW},
        {"type of a column", "CREATE TABLE e (event_id STRING, host STRING, n BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '15' SECOND) WITH ('topic' = 'x');\n" VIEW},
        {"lateness", TABLE "SET 'tally.allowed-lateness' = '1 ms';" VIEW},
        {"skew", TABLE "SET 'tally.max-future-skew' = '1 s';" VIEW},
        {"the largest event", TABLE "SET 'tally.max-event-bytes' = '1 kb';" VIEW},
        {"deduplication off", TABLE "SET 'tally.dedup.key' = '';" VIEW},
        {"deduplication by another column", TABLE "SET 'tally.dedup.key' = 'host';" VIEW},
        {"filter",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 2 GROUP BY window_start, window_end, host;"},
        {"a text in the case it has",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 AND host <> 'A' GROUP BY window_start, window_end, host;"},
        {"size",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '6' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
        {"offset",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE, INTERVAL '1' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
        {"key",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, LOWER(host) AS host, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, LOWER(host);"},
        {"aggregate",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(n) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
        {"name of an output",
         TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS d "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
        {"order of outputs",
         TABLE "CREATE VIEW v AS SELECT window_start, host, window_end, COUNT(*) AS c "
               "FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)) WHERE n > 1 GROUP BY window_start, window_end, host;"},
    };
    /* clang-format on */
    return cr_make_param_array(struct same_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct same_case *c, plan, other_definition)
{
    char base[33], got[33];

    hash_of(TABLE VIEW, base);
    hash_of(c->sql, got);
    cr_assert_str_neq(got, base, "%s", c->name);
}

/* Two views named v that differ in one thing each: every field of a window, an aggregate, HAVING and the view within. */
struct pair_case {
    char name[48], a[420], b[420];
};

#define OVER(window) "SELECT window_end, COUNT(*) AS c FROM TABLE(" window ") GROUP BY window_start, window_end"
#define DAILY(output)                                                                                                            \
    "SELECT " output " AS c FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY window_start, window_end"
#define HOURS(size, name)                                                                                                        \
    "SELECT window_time AS rt, host AS h, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '" size "' HOUR)) "  \
    "GROUP BY window_start, window_end, window_time, host; CREATE VIEW v AS SELECT " name " FROM i"

ParameterizedTestParameters(plan, differences)
{
    /* clang-format off */
    static struct pair_case cases[] = {
        {"kind of window", OVER("TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)"), OVER("SESSION(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)")},
        {"HOP or CUMULATE", OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)"),
         OVER("CUMULATE(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)")},
        {"slide", OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '6' MINUTE)"),
         OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '2' MINUTE, INTERVAL '6' MINUTE)")},
        {"size of HOP", OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '6' MINUTE)"),
         OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)")},
        {"offset of HOP", OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '6' MINUTE)"),
         OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '6' MINUTE, INTERVAL '1' SECOND)")},
        {"step", OVER("CUMULATE(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '6' MINUTE)"),
         OVER("CUMULATE(TABLE e, DESCRIPTOR(at), INTERVAL '3' MINUTE, INTERVAL '6' MINUTE)")},
        {"gap", OVER("SESSION(TABLE e, DESCRIPTOR(at), INTERVAL '5' MINUTE)"), OVER("SESSION(TABLE e, DESCRIPTOR(at), INTERVAL '6' MINUTE)")},
        {"number of rows", OVER("COUNT_WINDOW(TABLE e, DESCRIPTOR(at), 3, INTERVAL '6' MINUTE)"), OVER("COUNT_WINDOW(TABLE e, DESCRIPTOR(at), 4, INTERVAL '6' MINUTE)")},
        {"time-out", OVER("COUNT_WINDOW(TABLE e, DESCRIPTOR(at), 3, INTERVAL '6' MINUTE)"), OVER("COUNT_WINDOW(TABLE e, DESCRIPTOR(at), 3, INTERVAL '7' MINUTE)")},
        {"DISTINCT", DAILY("COUNT(n)"), DAILY("COUNT(DISTINCT n)")},
        {"FILTER", DAILY("COUNT(n)"), DAILY("COUNT(n) FILTER (WHERE n > 1)")},
        {"condition of FILTER", DAILY("COUNT(n) FILTER (WHERE n > 2)"), DAILY("COUNT(n) FILTER (WHERE n > 1)")},
        {"point", DAILY("PERCENTILE(n, 0.5)"), DAILY("PERCENTILE(n, 0.6)")},
        {"exact or not", DAILY("PERCENTILE(n, 0.5)"), DAILY("APPROX_PERCENTILE(n, 0.5)")},
        {"frequency", DAILY("PERCENTILE(n, 0.5)"), DAILY("PERCENTILE(n, 0.5, n)")},
        {"separator", DAILY("LISTAGG(host)"), DAILY("LISTAGG(host, ';')")},
        {"time of a funnel", DAILY("WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1)"), DAILY("WINDOW_FUNNEL(INTERVAL '2' HOUR, at, n = 1)")},
        {"step of a funnel", DAILY("WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1)"), DAILY("WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 2)")},
        {"POP or SAMP", DAILY("STDDEV_POP(n)"), DAILY("STDDEV_SAMP(n)")},
        {"HAVING", DAILY("COUNT(*)"), DAILY("COUNT(*)") " HAVING COUNT(*) > 1"},
        {"condition of HAVING", DAILY("COUNT(*)") " HAVING COUNT(*) > 2", DAILY("COUNT(*)") " HAVING COUNT(*) > 1"},
    };
    /* clang-format on */
    return cr_make_param_array(struct pair_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct pair_case *c, plan, differences)
{
    char sql[900], a[33], b[33];

    snprintf(sql, sizeof sql, TABLE "CREATE VIEW v AS %s", c->a);
    hash_of(sql, a);
    snprintf(sql, sizeof sql, TABLE "CREATE VIEW v AS %s", c->b);
    hash_of(sql, b);
    cr_assert_str_neq(a, b, "%s", c->name);
}

/* A changed view within changes the view that reads it, whatever it takes of it; its name does not. */
Test(plan, the_view_within_is_a_part)
{
    char base[33], got[33];

    hash_of(TABLE "CREATE VIEW i AS " HOURS("1", "c"), base);
    hash_of(TABLE "CREATE VIEW i AS " HOURS("2", "c"), got);
    cr_assert_str_neq(got, base, "the view within");
    hash_of(TABLE "CREATE VIEW i AS " HOURS("1", "h"), got);
    cr_assert_str_neq(got, base, "what is taken");
    hash_of(TABLE "CREATE VIEW j AS SELECT window_time AS rt, host AS h, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE e, "
                  "DESCRIPTOR(at), INTERVAL '1' HOUR)) "
                  "GROUP BY window_start, window_end, window_time, host; CREATE VIEW v AS SELECT c FROM j",
            got);
    cr_assert_str_eq(got, base, "its name");
}

Test(plan, explained_windows)
{
    static const struct {
        const char *sql, *lines;
    } cases[] = {
        {"CREATE VIEW v AS " OVER("HOP(TABLE e, DESCRIPTOR(at), INTERVAL '1' MINUTE, INTERVAL '1' HOUR, INTERVAL '5' SECOND)"),
         "  window       HOP 1 h, slide 1 min, offset 5 s\n"                                                                           },
        {"CREATE VIEW v AS " OVER("CUMULATE(TABLE e, DESCRIPTOR(at), INTERVAL '1' HOUR, INTERVAL '1' DAY)"),
         "  window       CUMULATE 1 d, step 1 h\n"                                                                                     },
        {"CREATE VIEW v AS " OVER("SESSION(TABLE e, DESCRIPTOR(at), INTERVAL '30' MINUTE)"),
         "  window       SESSION gap 30 min\n"                                                                                         },
        {"CREATE VIEW v AS " OVER("COUNT_WINDOW(TABLE e, DESCRIPTOR(at), 3, INTERVAL '1' MINUTE)"),
         "  window       COUNT_WINDOW 3 rows, or 1 min from the first\n"                                                               },
        {"CREATE VIEW i AS " HOURS("1",                                                                                         "c, h"), "  from         i (its final rows)\n"
                                                 "  columns      c BIGINT, h STRING\n"
                                                 "  filter       none\n"
                                                 "  window       those of i: one row per row\n"
                                                 "  lateness     0 ms  (default)\n"
                                                 "  outputs      c BIGINT = c\n"
                                                 "               h STRING = h\n"},
        {"CREATE VIEW v AS " DAILY(
             "PERCENTILE(n, 0.5) + WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1)") " HAVING COUNT(DISTINCT host) > 1",
         "  accumulators PERCENTILE(n, 0.5) DOUBLE, WINDOW_FUNNEL(INTERVAL '1' HOUR, at, (n = 1)) INT, COUNT(DISTINCT host) "
         "BIGINT\n"
         "  having       (COUNT(DISTINCT host) > CAST(1 AS BIGINT))\n"         },
        {"CREATE VIEW v AS " DAILY("LISTAGG(DISTINCT host) FILTER (WHERE n > 1)"),
         "  accumulators LISTAGG(DISTINCT host, ',') FILTER (WHERE (n > 1)) STRING\n"                                           },
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        char sql[900];
        struct tl_plan *plan;
        struct tl_buf buf;

        snprintf(sql, sizeof sql, TABLE "%s", cases[i].sql);
        plan = sql_plan(sql);
        tl_buf_init(&buf, 0);
        tl_plan_print(plan, &buf);
        tl_buf_put_u8(&buf, 0);
        cr_assert_not_null(strstr((const char *)buf.data, cases[i].lines), "%s", buf.data);
        tl_buf_done(&buf);
        tl_plan_close(plan);
    }
}

/* The text and its hash are on disk in every store: a change here makes every stored view new. */
Test(plan, the_normalised_text_is_stable)
{
    struct tl_plan *plan = sql_plan(TABLE VIEW);

    cr_assert(tl_sv_eq(plan->views[0].normalised, TL_SV("normaliser 2\n"
                                                        "zone UTC\n"
                                                        "topic x json SQL\n"
                                                        "columns at TIMESTAMP(3), event_id STRING, host STRING, n INT\n"
                                                        "time TIMESTAMP(3) at\n"
                                                        "watermark (at - INTERVAL '15' SECOND)\n"
                                                        "lateness 0 ms\n"
                                                        "skew 300000 ms\n"
                                                        "event 8388608 bytes\n"
                                                        "dedup event_id\n"
                                                        "filter (n > 1)\n"
                                                        "window TUMBLE size 300000 ms offset 0 ms\n"
                                                        "key STRING host\n"
                                                        "aggregate BIGINT COUNT(*)\n"
                                                        "output window_start TIMESTAMP(3) window_start\n"
                                                        "output window_end TIMESTAMP(3) window_end\n"
                                                        "output host STRING host\n"
                                                        "output c BIGINT COUNT(*)\n")),
              "%.*s", TL_SV_ARG(plan->views[0].normalised));
    cr_assert_str_eq(plan->views[0].hash, "291b330b7d2eb39abda1914ee16a1dac");
    tl_plan_close(plan);
}

/* Of two views files: what each needs of the same messages. */
Test(plan, the_normalised_text_tells_which_events_there_are)
{
#define ISO "'json.timestamp-format.standard' = 'ISO-8601'"
#define READS(zone, columns, time, watermark, options)                                                                           \
    "SET 'table.local-time-zone' = '" zone "';\nCREATE TABLE e (event_id STRING, " columns ", WATERMARK FOR " time               \
    " AS " watermark ") WITH ('connector' = 'kafka', " options ", 'format' = 'json');\n"                                         \
    "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(" time          \
    "), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, host;\n"                                                        \
    "CREATE VIEW on_v AS SELECT window_end, c FROM v;\n"
    static const struct {
        const char *sql;
        bool same;
    } cases[] = {
        {READS("Europe/Berlin",                                  "host STRING, n INT, at TIMESTAMP_LTZ(3)", "at",    "at - INTERVAL '9' SECOND", "'topic' = 'x'"),
         true                                                                                                                                                                   },
        {READS("UTC",                                            "host STRING, at TIMESTAMP_LTZ(3)",        "at",    "at",                       "'topic' = 'y'"),         false},
        {READS("UTC",                                            "host STRING, at TIMESTAMP_LTZ(3)",        "at",    "at",                       "'topic-pattern' = 'x'"), false},
        {READS("UTC",                                            "host STRING, began TIMESTAMP_LTZ(3)",     "began", "began",                    "'topic' = 'x'"),         false},
        {READS("UTC",                                            "host STRING, at TIMESTAMP(3)",            "at",    "at",                       "'topic' = 'x'"),         false},
        {READS("UTC",                                            "host STRING, at TIMESTAMP_LTZ(3)",        "at",    "at",                       "'topic' = 'x', " ISO),   false},
        {"SET 'tally.max-future-skew' = '1 min';\n" READS("UTC", "host STRING, at TIMESTAMP_LTZ(3)",        "at",    "at",                       "'topic' = 'x'"),
         false                                                                                                                                                                  },
    };
    struct tl_plan *plan = sql_plan(READS("UTC", "host STRING, at TIMESTAMP_LTZ(3)", "at", "at", "'topic' = 'x'"));
    struct tl_sv one = plan->views[0].normalised, hash = {NULL, 0};

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_plan *other = sql_plan(cases[i].sql);

        cr_assert_eq(tl_normalised_same_events(one, other->views[0].normalised), cases[i].same, "%s", cases[i].sql);
        cr_assert_eq(tl_normalised_same_events(other->views[0].normalised, one), cases[i].same, "%s", cases[i].sql);
        tl_plan_close(other);
    }
    cr_assert_not(tl_normalised_same_events(one, plan->views[1].normalised));
    cr_assert_not(tl_normalised_inner(one, &hash));
    cr_assert(tl_normalised_inner(plan->views[1].normalised, &hash));
    cr_assert(tl_sv_eq(hash, tl_sv_from(plan->views[0].hash)));
    tl_plan_close(plan);
}

/* A time that is computed may be so by the zone. */
Test(plan, a_time_that_is_computed_may_depend_on_the_zone)
{
    struct tl_plan *one =
        sql_plan(READS("UTC", "host STRING, s STRING, at AS CAST(s AS TIMESTAMP_LTZ(3))", "at", "at", "'topic' = 'x'"));
    struct tl_plan *other =
        sql_plan(READS("Asia/Tokyo", "host STRING, s STRING, at AS CAST(s AS TIMESTAMP_LTZ(3))", "at", "at", "'topic' = 'x'"));

    cr_assert(tl_normalised_same_events(one->views[0].normalised, one->views[0].normalised));
    cr_assert_not(tl_normalised_same_events(one->views[0].normalised, other->views[0].normalised));
    tl_plan_close(one);
    tl_plan_close(other);
}

Test(plan, explained)
{
    struct tl_plan *plan = sql_plan("SET 'tally.allowed-lateness' = '1 min';\n" TABLE VIEW
                                    "CREATE VIEW w COMMENT 'all of it' AS SELECT at, host FROM e;");
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_plan_print(plan, &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert_str_eq(buf.data,
                     "views.sql: 1 source, 2 views\n"
                     "\n"
                     "settings\n"
                     "  table.local-time-zone   UTC  (default)\n"
                     "  tally.allowed-lateness  1 min  (SET in line 1)\n"
                     "  tally.max-future-skew   5 min  (default)\n"
                     "  tally.dedup.key         'event_id'  (default)\n"
                     "  tally.dedup.horizon     1 h  (default)\n"
                     "  tally.batch-grace       15 min  (default)\n"
                     "  tally.batch-range       day  (default)\n"
                     "  tally.speed-retention   7 d  (default)\n"
                     "  tally.max-event-bytes   8 MiB  (default)\n"
                     "  tally.dead-letter.topic none  (default)\n"
                     "\n"
                     "source e\n"
                     "  topic        x, JSON, times as SQL\n"
                     "  reads        event_id STRING, host STRING, n INT, at TIMESTAMP(3)\n"
                     "  event time   at TIMESTAMP(3)\n"
                     "  watermark    (at - INTERVAL '15' SECOND): 15 s behind the latest event; follows every event\n"
                     "  idle         never\n"
                     "  duplicates   same event_id in a partition within 1 h\n"
                     "\n"
                     "view v\n"
                     "  definition   01aa36f21e7d1c710b30178cf807d8b6\n"
                     "  from         e (topic x)\n"
                     "  columns      at TIMESTAMP(3), event_id STRING, host STRING, n INT\n"
                     "  filter       (n > 1)\n"
                     "  window       TUMBLE 5 min\n"
                     "  lateness     1 min  (SET in line 1)\n"
                     "  key          host STRING\n"
                     "  accumulators COUNT(*) BIGINT\n"
                     "  outputs      window_start TIMESTAMP(3) = window_start\n"
                     "               window_end TIMESTAMP(3) = window_end\n"
                     "               host STRING = host\n"
                     "               c BIGINT = COUNT(*)\n"
                     "  tables       v_speed, v_batch; v merges them\n"
                     "\n"
                     "view w\n"
                     "  comment      all of it\n"
                     "  definition   2fd443474ff3f77cd31e87419335a52e\n"
                     "  from         e (topic x)\n"
                     "  columns      at TIMESTAMP(3), event_id STRING, host STRING\n"
                     "  filter       none\n"
                     "  window       none: one row per event\n"
                     "  outputs      at TIMESTAMP(3) = at\n"
                     "               host STRING = host\n"
                     "  tables       w_speed, w_batch; w merges them\n",
                     "%s", buf.data);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

/* The sink of a view that others read has a name that nothing else in the file has. */
Test(plan, sinks_for_flink_have_names_of_their_own)
{
    struct tl_plan *plan = sql_plan(TABLE "CREATE VIEW a AS SELECT window_start, window_end, host, COUNT(*) AS c FROM "
                                          "TABLE(TUMBLE(TABLE e, DESCRIPTOR(at), INTERVAL '1' HOUR))"
                                          " GROUP BY window_start, window_end, host; CREATE VIEW b AS SELECT host, c FROM a;"
                                          "CREATE VIEW a_sink AS SELECT at, host FROM e;");
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_plan_print_flink(plan, &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert(strstr(buf.data, "CREATE TABLE `a_sink_sink`") != NULL && strstr(buf.data, "INSERT INTO `a_sink_sink`") != NULL,
              "%s", buf.data);
    cr_assert(strstr(strstr(buf.data, "CREATE TABLE `a_sink`") + 1, "CREATE TABLE `a_sink`") == NULL, "%s", buf.data);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

Test(plan, script_for_flink)
{
    struct tl_plan *plan = sql_plan(
        "SET 'tally.allowed-lateness' = '1 min';\n" TABLE
        "CREATE TEMPORARY VIEW p AS\n  SELECT * FROM e WHERE IS_FILE_REQUEST(host);\n"
        "CREATE VIEW w (`when`, host) AS SELECT at, host -- all of it\n FROM p;\n"
        "CREATE VIEW v AS SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(`when`), INTERVAL '1' DAY))\n"
        "GROUP BY window_start, window_end");
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_plan_print_flink(plan, &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert_str_eq(buf.data,
                     "-- views.sql as a script for Apache Flink: put the sinks of your choice in place of 'print'.\n"
                     "-- IS_FILE_REQUEST is a function of tally's own: register one of that name in Flink first.\n"
                     "\n"
                     "SET 'tally.allowed-lateness' = '1 min';\n"
                     "\n"
                     "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL "
                     "'15' SECOND) WITH ('topic' = 'x');\n"
                     "\n"
                     "CREATE TEMPORARY VIEW p AS\n"
                     "  SELECT * FROM e WHERE IS_FILE_REQUEST(host);\n"
                     "\n"
                     "CREATE VIEW w (`when`, host) AS SELECT at, host -- all of it\n"
                     " FROM p;\n"
                     "\n"
                     "CREATE TABLE `w_sink` (`when` TIMESTAMP(3), `host` STRING) WITH ('connector' = 'print');\n"
                     "CREATE TABLE `v` (`window_start` TIMESTAMP(3), `c` BIGINT) WITH ('connector' = 'print');\n"
                     "\n"
                     "EXECUTE STATEMENT SET BEGIN\n"
                     "\n"
                     "INSERT INTO `w_sink`\n"
                     "SELECT at, host -- all of it\n"
                     " FROM p;\n"
                     "\n"
                     "INSERT INTO `v`\n"
                     "SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(`when`), INTERVAL '1' DAY))\n"
                     "GROUP BY window_start, window_end;\n"
                     "\n"
                     "END;\n",
                     "%s", buf.data);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

/* What Flink does not have is named; what it would lose of a view's text stands in WITH. */
Test(plan, script_for_flink_of_sessions)
{
    struct tl_plan *plan = sql_plan(
        TABLE "CREATE VIEW s AS SELECT window_start, window_end, host, n, WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1) AS f FROM\n"
              "TABLE(SESSION(TABLE e PARTITION BY (host, n), DESCRIPTOR(at), INTERVAL '5' MINUTE)) GROUP BY window_start, "
              "window_end, host, n;\n"
              "CREATE TEMPORARY VIEW p (a, b) AS SELECT window_start, f FROM s WHERE n > 1;\n"
              "CREATE VIEW v AS SELECT a, b FROM (SELECT * FROM p WHERE b > 1)");
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_plan_print_flink(plan, &buf);
    tl_buf_put_u8(&buf, 0);
    cr_assert_str_eq(
        buf.data,
        "-- views.sql as a script for Apache Flink: put the sinks of your choice in place of 'print'.\n"
        "-- WINDOW_FUNNEL is an aggregate of tally's own: register one of that name in Flink first.\n"
        "\n"
        "CREATE TABLE e (event_id STRING, host STRING, n INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL "
        "'15' SECOND) WITH ('topic' = 'x');\n"
        "\n"
        "CREATE TABLE `s_sink` (`window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `host` STRING, `n` INT, `f` INT) WITH "
        "('connector' = 'print');\n"
        "CREATE TABLE `v` (`a` TIMESTAMP(3), `b` INT) WITH ('connector' = 'print');\n"
        "\n"
        "EXECUTE STATEMENT SET BEGIN\n"
        "\n"
        "INSERT INTO `s_sink`\n"
        "SELECT window_start, window_end, host, n, WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1) AS f FROM\n"
        "TABLE(SESSION(TABLE e PARTITION BY (host, n), DESCRIPTOR(at), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, "
        "host, n;\n"
        "\n"
        "INSERT INTO `v`\n"
        "WITH `s` AS (\n"
        "SELECT window_start, window_end, host, n, WINDOW_FUNNEL(INTERVAL '1' HOUR, at, n = 1) AS f FROM\n"
        "TABLE(SESSION(TABLE e PARTITION BY (host, n), DESCRIPTOR(at), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, "
        "host, n\n"
        "),\n"
        "`p` (`a`, `b`) AS (\n"
        "SELECT window_start, f FROM s WHERE n > 1\n"
        ")\n"
        "SELECT a, b FROM (SELECT * FROM p WHERE b > 1);\n"
        "\n"
        "END;\n",
        "%s", buf.data);
    tl_buf_done(&buf);
    tl_plan_close(plan);
}

struct start_case {
    char name[48];
    int64_t time_ms, offset_ms, size_ms, start_ms;
};

/* semantics.md 1.1 and 11: values of Flink's own class. */
ParameterizedTestParameters(plan, window_start)
{
    /* clang-format off */
    static struct start_case cases[] = {
        {"on the edge opens the next window", 60000, 0, 60000, 60000},
        {"one ms before the edge stays", 59999, 0, 60000, 0},
        {"before 1970 rounds down", -1, 0, 5000, -5000},
        {"on an edge before 1970", -5000, 0, 5000, -5000},
        {"behind an edge before 1970", -5001, 0, 5000, -10000},
        {"an offset", 1000, 2000, 5000, -3000},
        {"an offset below zero", 1000, -1000, 5000, -1000},
        {"10 min, offset 4 min", 4000, 240000, 600000, -360000},
        {"10 min, offset -6 min", 4000, -360000, 600000, -360000},
        {"the end of the axis", INT64_MAX, -1, 10, INT64_MAX - 8},
        {"the begin of the axis", INT64_MIN, 0, 7, INT64_MIN},
    };
    /* clang-format on */
    return cr_make_param_array(struct start_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct start_case *c, plan, window_start)
{
    int64_t got = tl_window_start_ms(c->time_ms, c->offset_ms, c->size_ms);

    cr_assert_eq(got, c->start_ms, "%s: got %lld, want %lld", c->name, (long long)got, (long long)c->start_ms);
}
