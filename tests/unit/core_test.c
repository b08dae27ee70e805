/* core_test.c: the transformation that both layers share: cases of time, and the properties that must hold on any input. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "simulate.h"

#define TABLE(delay)                                                                                                             \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, x DOUBLE, event_time TIMESTAMP_LTZ(3),"                           \
    " WATERMARK FOR event_time AS event_time - INTERVAL '" delay "' SECOND)"                                                     \
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
#define HITS(size)                                                                                                               \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits"                                                \
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '" size                                                   \
    "' SECOND)) GROUP BY window_start, window_end, host;"

static void add(struct sim_history *history, uint32_t partition, int64_t log_ms, int64_t time_ms, const char *host,
                const char *id)
{
    char text[512], when[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(time_ms, when);
    snprintf(text, sizeof text, "{\"event_time\": \"%s\", \"host\": \"%s\", \"event_id\": %s%s%s}", when, host, id ? "\"" : "",
             id ? id : "null", id ? "\"" : "");
    sim_add(history, partition, log_ms, text);
}

static void run_in_order(const char *sql, struct sim_history *history, struct sim_result *out)
{
    struct tl_plan *plan = sim_plan(sql);
    struct sim_stream how = {.workers_count = 1, .seed = 1, .tick_percent = 100, .read_max = 1};

    sim_stream(plan, history, &how, out);
    tl_plan_close(plan);
}

/* ---- cases of semantics.md 11 that TUMBLE has ---- */

Test(core, case_1_and_2_windows_start_on_multiples_also_below_zero)
{
    struct sim_history h = {0};
    struct sim_result r;
    int64_t times[] = {-1, -5000, -5001, 4999, 5000};

    for (size_t i = 0; i < TL_COUNT(times); i++)
        add(&h, 0, 1000000, times[i], "a", NULL);
    run_in_order(TABLE("30") HITS("5"), &h, &r);
    cr_expect_str_eq(r.rows.data, "hits -10000 -5000 -10000 -5000 \"a\" 1\n"
                                  "hits -5000 0 -5000 0 \"a\" 2\n"
                                  "hits 0 5000 0 5000 \"a\" 1\n"
                                  "hits 5000 10000 5000 10000 \"a\" 1\n");
    sim_result_done(&r);
    sim_history_done(&h);
}

Test(core, case_6_the_watermark_of_sql_has_no_minus_one)
{
    struct sim_history h = {0}, milder = {0};
    struct sim_result r;
    int64_t times[] = {1000, 14999, 9999}, times_milder[] = {1000, 14998, 9999};

    for (size_t i = 0; i < 3; i++) {
        add(&h, 0, 0, times[i], "a", NULL);
        add(&milder, 0, 0, times_milder[i], "a", NULL);
    }
    run_in_order(TABLE("5") HITS("10"), &h, &r);
    cr_expect_str_eq(r.rows.data, "hits 0 10000 0 10000 \"a\" 1\nhits 10000 20000 10000 20000 \"a\" 1\n");
    cr_expect_str_eq(r.ledger.data, "hits 0 2 0 late_drop\n");
    cr_expect_eq(r.outcomes[0][TL_OUT_LATE], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_COUNTED], 2);
    sim_result_done(&r);
    run_in_order(TABLE("5") HITS("10"), &milder, &r);
    cr_expect_str_eq(r.rows.data, "hits 0 10000 0 10000 \"a\" 2\nhits 10000 20000 10000 20000 \"a\" 1\n");
    cr_expect_str_eq(r.ledger.data, "");
    sim_result_done(&r);
    sim_history_done(&h);
    sim_history_done(&milder);
}

Test(core, case_7_behind_the_watermark_is_not_late)
{
    struct sim_history h = {0};
    struct sim_result r;
    int64_t times[] = {17000, 12000, 10500};

    for (size_t i = 0; i < 3; i++)
        add(&h, 0, 0, times[i], "a", NULL);
    run_in_order(TABLE("5") HITS("10"), &h, &r);
    cr_expect_str_eq(r.rows.data, "hits 10000 20000 10000 20000 \"a\" 3\n");
    sim_result_done(&r);
    sim_history_done(&h);
}

Test(core, case_19_allowed_lateness_ends_inclusively)
{
    struct sim_history h = {0};
    struct sim_result r;
    int64_t times[] = {1000, 11000, 2000, 14000, 3000, 15999, 4000};

    for (size_t i = 0; i < TL_COUNT(times); i++)
        add(&h, 0, 0, times[i], "a", NULL);
    run_in_order("SET 'tally.allowed-lateness' = '5 s';" TABLE("0") HITS("10"), &h, &r);
    cr_expect_str_eq(r.rows.data, "hits 0 10000 0 10000 \"a\" 3\nhits 10000 20000 10000 20000 \"a\" 3\n");
    cr_expect_str_eq(r.ledger.data, "hits 0 6 0 late_drop\n");
    cr_expect_eq(r.final_ms[0], 11000, "15999 - 5000 + 1");
    sim_result_done(&r);
    sim_history_done(&h);
}

/* ---- outcomes ---- */

Test(core, each_event_has_the_first_outcome_that_applies)
{
    struct sim_history h = {0};
    struct sim_result r;

    add(&h, 0, 0, 1000, "a", "one");
    add(&h, 0, 0, 1000, "a", "one");                                                                /* duplicate */
    add(&h, 0, 0, 2000, "a", "one");                                                                /* id_conflict: counted */
    add(&h, 0, 0, INT64_C(253000000000000), "a", "x");                                              /* the year 9987: future */
    add(&h, 0, 0, 3000, "hidden", "two");                                                           /* filtered */
    sim_add(&h, 0, 0, "{\"event_time\": \"1970-01-01T00:00:04.000Z\", \"host\": \"a\", \"n\": 0}"); /* 10 / 0: rejected */
    add(&h, 0, 0, 60000, "a", "three");
    add(&h, 0, 0, 5000, "a", "four"); /* late */
    sim_add(&h, 0, 0, "no json");
    sim_add(&h, 0, 0, "{\"host\": \"a\"}");
    sim_add(&h, 0, 0, "[{\"event_time\": \"1970-01-01T00:01:01.000Z\", \"host\": \"b\"}, 7]");
    run_in_order(TABLE("5") "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(10 / n) AS q"
                            " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))"
                            " WHERE host <> 'hidden' GROUP BY window_start, window_end, host;",
                 &h, &r);
    cr_expect_eq(r.events_count, 12, "%" PRIu64, r.events_count);
    cr_expect_eq(r.outcomes[0][TL_OUT_DEAD_LETTER], 3);
    cr_expect_eq(r.outcomes[0][TL_OUT_FUTURE], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_DUPLICATE], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_FILTERED], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_REJECTED], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_LATE], 1);
    cr_expect_eq(r.outcomes[0][TL_OUT_COUNTED], 4);
    cr_expect_str_eq(r.ledger.data,
                     "hits 0 1 0 duplicate\nhits 0 3 0 future_event\nhits 0 5 0 eval_error\nhits 0 7 0 late_drop\n");
    cr_expect_str_eq(r.rows.data, "hits 0 10000 0 10000 \"a\" 2 NULL\n"
                                  "hits 60000 70000 60000 70000 \"a\" 1 NULL\n"
                                  "hits 60000 70000 60000 70000 \"b\" 1 NULL\n");
    sim_result_done(&r);
    sim_history_done(&h);
}

Test(core, an_event_far_ahead_does_not_drag_the_watermark_along)
{
    struct sim_history h = {0};
    struct sim_result r;

    add(&h, 0, 10000, 10000, "a", NULL);
    add(&h, 0, 10000, 10000 + 300001, "a", NULL); /* 1 ms beyond five minutes */
    add(&h, 0, 10000, 10001, "a", NULL);
    add(&h, 0, 10000, 10000 + 300000, "a", NULL); /* exactly five minutes: counts, and moves the watermark */
    add(&h, 0, 10000, 10002, "a", NULL);
    run_in_order(TABLE("5") HITS("10"), &h, &r);
    cr_expect_str_eq(r.ledger.data, "hits 0 1 0 future_event\nhits 0 4 0 late_drop\n");
    sim_result_done(&r);
    sim_history_done(&h);
}

/* ---- properties ---- */

/* clang-format off */
#define OVER(window) " FROM TABLE(" window ") GROUP BY window_start, window_end"
#define BY_HOST(window) OVER(window) ", host"
#define SESSION(table, time, gap) "SESSION(TABLE " table " PARTITION BY host, DESCRIPTOR(" time "), INTERVAL '" gap "' SECOND)"
#define COUNT_WINDOW(table, time, rows, timeout) \
    "COUNT_WINDOW(TABLE " table " PARTITION BY host, DESCRIPTOR(" time "), " rows ", INTERVAL '" timeout "' SECOND)"
#define TUMBLE(table, time, size) "TUMBLE(TABLE " table ", DESCRIPTOR(" time "), INTERVAL '" size "' SECOND)"
#define HOP(table, time, slide, size) \
    "HOP(TABLE " table ", DESCRIPTOR(" time "), INTERVAL '" slide "' SECOND, INTERVAL '" size "' SECOND(3))"
#define CUMULATE(table, time, step, size) \
    "CUMULATE(TABLE " table ", DESCRIPTOR(" time "), INTERVAL '" step "' SECOND, INTERVAL '" size "' SECOND(3))"
#define VIEW(name, what) "CREATE VIEW " name " AS SELECT window_start, window_end, " what

#define IN_ANY_ORDER \
    "COUNT(n) AS c, SUM(n) AS s, MIN(n) AS lo, MAX(x) AS hi, AVG(x) AS mean, SUM(x) AS total, MIN(host) AS h0, MAX(host) AS h1," \
    " COUNT(DISTINCT n) AS cd, SUM(DISTINCT n) AS sd, VAR_SAMP(x) AS v, STDDEV_POP(n) AS d, PERCENTILE(n, 0.3) AS p," \
    " APPROX_PERCENTILE(x, 0.9) AS ap, APPROX_COUNT_DISTINCT(n) AS ac, COUNT(*) FILTER (WHERE n > 0) AS f"
#define IN_ORDER \
    "FIRST_VALUE(n) AS first_n, LAST_VALUE(n) FILTER (WHERE n > 0) AS last_n, LISTAGG(host) AS l, LISTAGG(DISTINCT host) AS ld," \
    " WINDOW_FUNNEL(INTERVAL '20' SECOND, event_time, host = 'h1', host = 'h2', n > 10) AS reached"
#define EACH_WINDOW(what) \
    VIEW("tumbles", what) OVER("TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '70' SECOND, INTERVAL '7' SECOND)") ";" \
    VIEW("hops", "host, " what) BY_HOST(HOP("events", "event_time", "20", "80")) ";" \
    VIEW("steps", "host, " what) BY_HOST(CUMULATE("events", "event_time", "20", "60")) ";" \
    VIEW("visits", "host, " what) BY_HOST(SESSION("events", "event_time", "9")) ";" \
    VIEW("fives", "host, closed_by, " what) BY_HOST(COUNT_WINDOW("events", "event_time", "5", "40")) ", closed_by;"
/* To be read by other views. */
#define INNER_VIEW(name, window) \
    "CREATE VIEW " name " AS SELECT window_start AS ws, window_end AS we, window_time AS wt, host, COUNT(*) AS c, SUM(n) AS n" \
    " FROM TABLE(" window ") GROUP BY window_start, window_end, window_time, host;"

#define HAVING_VIEWS \
    VIEW("tumbles", "host, SUM(n) AS s") BY_HOST(TUMBLE("events", "event_time", "30")) " HAVING SUM(n) > 0;" \
    VIEW("hops", "host, SUM(n) AS s") BY_HOST(HOP("events", "event_time", "20", "80")) " HAVING SUM(n) > 0;" \
    VIEW("visits", "host, COUNT(*) AS c") BY_HOST(SESSION("events", "event_time", "9")) " HAVING COUNT(*) < 3;" \
    VIEW("fives", "host, SUM(n) AS s") BY_HOST(COUNT_WINDOW("events", "event_time", "5", "40")) " HAVING SUM(n) > 0;"
#define VIEWS_ON_VIEWS \
    INNER_VIEW("tens", TUMBLE("events", "event_time", "10")) \
    INNER_VIEW("sessions", SESSION("events", "event_time", "9")) \
    INNER_VIEW("forties", HOP("events", "event_time", "20", "40")) \
    "CREATE VIEW busy AS SELECT * FROM tens WHERE c > 1;" \
    "CREATE VIEW best AS SELECT ws, we, wt, MAX(c) AS best, COUNT(*) AS hosts FROM busy GROUP BY ws, we, wt;" \
    VIEW("minutes", "SUM(best) AS s") OVER(TUMBLE("best", "wt", "60")) ";" \
    VIEW("of_sessions", "SUM(c) AS s, COUNT(*) AS v") OVER(HOP("sessions", "wt", "20", "40")) ";" \
    "CREATE VIEW long_ones AS SELECT * FROM sessions WHERE c > 2;" \
    VIEW("of_hops", "host, SUM(c) AS s") BY_HOST(CUMULATE("forties", "wt", "60", "180")) ";" \
    VIEW("runs", "host, SUM(c) AS s") BY_HOST(SESSION("tens", "wt", "15")) ";" \
    VIEW("pairs", "host, closed_by, SUM(c) AS s") BY_HOST(COUNT_WINDOW("tens", "wt", "2", "60")) ", closed_by;"
#define IN_A_ZONE \
    "SET 'table.local-time-zone' = 'America/Los_Angeles';" TABLE("15") HITS("90") \
    VIEW("days", "COUNT(*) AS c") OVER("TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY)") ";" \
    VIEW("hops", "host, COUNT(*) AS c") \
    BY_HOST("HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' MINUTE, INTERVAL '90' MINUTE)") ";" \
    VIEW("steps", "host, COUNT(*) AS c") \
    BY_HOST("CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' MINUTE, INTERVAL '3' HOUR)") ";" \
    VIEW("visits", "host, COUNT(*) AS c") BY_HOST("SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '3' MINUTE)") ";" \
    VIEW("fives", "host, closed_by, COUNT(*) AS c") \
    BY_HOST("COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 5, INTERVAL '4' MINUTE)") ", closed_by;"
/* Views of every kind over late events. */
#define LATE_VIEWS \
    HITS("10") \
    VIEW("hops", "host, COUNT(*) AS c") BY_HOST(HOP("events", "event_time", "5", "20")) ";" \
    VIEW("steps", "host, COUNT(*) AS c") BY_HOST(CUMULATE("events", "event_time", "5", "20")) ";" \
    VIEW("visits", "host, COUNT(*) AS c") BY_HOST(SESSION("events", "event_time", "4")) ";" \
    VIEW("threes", "host, closed_by, COUNT(*) AS c") BY_HOST(COUNT_WINDOW("events", "event_time", "3", "9")) ", closed_by;" \
    INNER_VIEW("inner_visits", SESSION("events", "event_time", "4")) \
    INNER_VIEW("inner_hops", HOP("events", "event_time", "5", "10")) \
    "CREATE VIEW many AS SELECT * FROM inner_visits WHERE c > 1;" \
    VIEW("halves", "SUM(c) AS s") OVER(TUMBLE("inner_hops", "wt", "30")) ";"

/* What a history is computed into, and of what kind it is. */
struct property_case {
    char name[32];
    int64_t from_ms;
    int step_ms; /* from an event to the next, at most */
    bool ties;   /* events may have one time: what goes by order is compared without them (design.md, property 1) */
    char sql[5000];
};

/* An afternoon; half past midnight of the days that have 25 and 23 hours in Los Angeles. */
#define QUIET  INT64_C(1431857100000)
#define AUTUMN INT64_C(1636270200000)
#define SPRING INT64_C(1615710600000)

static struct property_case property_cases[] = {
    {"ties", QUIET, 4000, true,
     TABLE("15") HITS("60") VIEW("sums", IN_ANY_ORDER) OVER(TUMBLE("events", "event_time", "70")) ";"
     "CREATE VIEW raw AS SELECT host, n, event_time FROM events WHERE n > 45;"
     VIEW("visits", "host, " IN_ANY_ORDER) BY_HOST(SESSION("events", "event_time", "3")) ";"},
    {"every kind of window", QUIET, 4000, false, TABLE("15") HITS("60") EACH_WINDOW(IN_ANY_ORDER)},
    {"what goes by order", QUIET, 4000, false, TABLE("15") HITS("60") EACH_WINDOW(IN_ORDER)},
    {"HAVING", QUIET, 4000, false, TABLE("15") HITS("60") HAVING_VIEWS},
    {"views on views", QUIET, 4000, false, TABLE("15") HITS("60") VIEWS_ON_VIEWS},
    {"the hour that comes twice", AUTUMN, 80000, false, IN_A_ZONE},
    {"the hour that never comes", SPRING, 80000, false, IN_A_ZONE},
};
/* clang-format on */

struct made {
    int64_t time_ms, arrival_ms, partition;
    char text[300];
};

static int by_arrival(const void *a, const void *b)
{
    const struct made *x = a, *y = b;

    return (x->arrival_ms > y->arrival_ms) - (x->arrival_ms < y->arrival_ms);
}

static unsigned property_seed(void)
{
    const char *given = getenv("TALLY_SEED");

    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20261123u;
}

/* One set of events; each call gives another order of arrival within the bound, and another partitioning by the event's number, so that copies (none
 * here) and rows keep their identity out of the comparison. */
static void make_history(const struct property_case *c, struct made *made, size_t count, unsigned seed, unsigned order,
                         uint32_t partitions, struct sim_history *out)
{
    struct made *sorted = calloc(count, sizeof *sorted);
    unsigned state = order;
    int64_t time_ms = c->from_ms;
    unsigned content = seed;

    cr_assert_not_null(sorted);
    for (size_t i = 0; i < count; i++) {
        char when[TL_TIME_TEXT_BYTES];

        time_ms += c->ties && rand_r(&content) % 20 == 0 ? 0 : 1 + rand_r(&content) % c->step_ms;
        made[i].time_ms = time_ms;
        tl_time_to_iso_z(time_ms, when);
        snprintf(made[i].text, sizeof made[i].text,
                 "{\"event_id\": \"e%zu\", \"host\": \"h%d\", \"n\": %d, \"x\": %d.%de%d, \"event_time\": \"%s\"}", i,
                 rand_r(&content) % 5, rand_r(&content) % 100 - 50, rand_r(&content) % 1000, rand_r(&content) % 1000,
                 rand_r(&content) % 30 - 15, when);
        made[i].arrival_ms = time_ms + (order == 0 ? 0 : rand_r(&state) % 15000);
        made[i].partition = rand_r(&state) % (int)partitions;
    }
    memcpy(sorted, made, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_arrival);
    for (size_t i = 0; i < count; i++)
        sim_add(out, (uint32_t)sorted[i].partition, sorted[i].arrival_ms, sorted[i].text);
    if (out->partitions_count < partitions)
        out->partitions_count = partitions;
    free(sorted);
}

/* Five ranges; bounds fall anywhere, on the edges of windows too. */
static void choose_bounds(const struct made *made, size_t count, unsigned *state, int64_t bounds[6])
{
    bounds[0] = INT64_MIN;
    for (size_t b = 1; b < 5; b++) {
        bounds[b] = made[count * b / 5].time_ms + rand_r(state) % 3 - 1;
        if (rand_r(state) % 3 == 0)
            bounds[b] = bounds[b] / 10000 * 10000;
        if (bounds[b] <= bounds[b - 1])
            bounds[b] = bounds[b - 1] + 1;
    }
    bounds[5] = INT64_C(1) << 58;
}

ParameterizedTestParameters(core_property, any_order_partitioning_workers_and_restarts_give_the_same_rows_as_batch)
{
    return cr_make_param_array(struct property_case, property_cases, TL_COUNT(property_cases));
}

ParameterizedTest(struct property_case *c, core_property, any_order_partitioning_workers_and_restarts_give_the_same_rows_as_batch,
                  .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 12 };
    struct made *made = calloc(EVENTS, sizeof *made);
    struct tl_plan *plan = sim_plan(c->sql);
    unsigned seed = property_seed(), state = seed;

    cr_assert_not_null(made);
    printf("%s: seed %u (TALLY_SEED sets it)\n", c->name, seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history plain = {0};
        struct sim_result want, got;
        struct sim_stream one = {.workers_count = 1, .seed = seed + h, .tick_percent = 10, .read_max = 20};
        int64_t bounds[6];

        make_history(c, made, EVENTS, seed + h, 0, 1, &plain);
        sim_stream(plan, &plain, &one, &want);
        cr_assert_gt(want.ended.size, 1000);
        cr_assert_eq(want.outcomes[0][TL_OUT_COUNTED], EVENTS);
        for (unsigned order = 1; order <= 3; order++) {
            struct sim_history shuffled = {0};
            struct sim_stream many = {.workers_count = order,
                                      .seed = seed * 31 + h * 7 + order,
                                      .tick_percent = 30,
                                      .restart_percent = 20,
                                      .read_max = 12};

            make_history(c, made, EVENTS, seed + h, order + h * 10, order + 1, &shuffled);
            sim_stream(plan, &shuffled, &many, &got);
            cr_assert_str_eq(got.ended.data, want.ended.data, "%s, seed %u, history %u, order %u: stream", c->name, seed, h,
                             order);
            cr_assert_str_eq(got.ledger.data, "", "%s, seed %u, history %u, order %u: %s", c->name, seed, h, order,
                             got.ledger.data);
            for (int o = 0; o < TL_OUTCOMES; o++)
                cr_assert_eq(got.outcomes[1][o], want.outcomes[1][o]);
            sim_result_done(&got);
            for (int pass = 0; pass < 2; pass++) {
                struct sim_batch batch = {.workers_count = order,
                                          .seed = seed + order,
                                          .bounds = bounds,
                                          .ranges_count = 5,
                                          .one_pass = pass == 0,
                                          .chunk_max = 30};

                choose_bounds(made, EVENTS, &state, bounds);
                sim_batch(plan, &shuffled, &batch, &got);
                cr_assert_str_eq(got.rows.data, want.ended.data, "%s, seed %u, history %u, order %u: batch %s", c->name, seed, h,
                                 order, pass == 0 ? "in one pass" : "range by range");
                cr_assert_eq(got.outcomes[0][TL_OUT_COUNTED], EVENTS);
                sim_result_done(&got);
            }
            sim_history_done(&shuffled);
        }
        sim_result_done(&want);
        sim_history_done(&plain);
    }
    tl_plan_close(plan);
    free(made);
}

ParameterizedTestParameters(core_property, restarts_change_nothing_on_one_partition_even_with_late_events)
{
    static struct property_case cases[] = {
        {"strict",  0, 0, true, "SET 'tally.dedup.horizon' = '60 s';" TABLE("5") LATE_VIEWS               },
        {"patient", 0, 0, true,
         "SET 'tally.dedup.horizon' = '60 s'; SET 'tally.allowed-lateness' = '7 s';" TABLE("5") LATE_VIEWS},
    };

    return cr_make_param_array(struct property_case, cases, TL_COUNT(cases));
}

/* With late events and copies: one partition and restarts anywhere give the rows and the ledger of a run without restarts, and rows plus
 * ledger equal the log. */
ParameterizedTest(struct property_case *c, core_property, restarts_change_nothing_on_one_partition_even_with_late_events,
                  .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 30 };
    struct tl_plan *plan = sim_plan(c->sql);
    unsigned seed = property_seed();

    printf("%s: seed %u\n", c->name, seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_result want, got;
        struct sim_stream calm = {.workers_count = 1, .seed = seed + h, .tick_percent = 20, .read_max = 9};
        struct sim_stream rough = {
            .workers_count = 1, .seed = seed - h, .tick_percent = 35, .restart_percent = 40, .read_max = 5};
        unsigned state = seed + h;
        int64_t log_ms = 1431857100000;

        for (int i = 0; i < EVENTS; i++) {
            char id[16], host[8];

            log_ms += rand_r(&state) % 2000;
            snprintf(id, sizeof id, "e%d", i - rand_r(&state) % 3); /* copies carry another time now and then: conflicts */
            snprintf(host, sizeof host, "h%d", rand_r(&state) % 3);
            add(&history, 0, log_ms, log_ms - (rand_r(&state) % 4 == 0 ? rand_r(&state) % 40000 : 0), host, id);
            if (rand_r(&state) % 10 == 0)
                sim_add(&history, 0, log_ms, history.events[history.count - 1].text);
        }
        sim_stream(plan, &history, &calm, &want);
        sim_stream(plan, &history, &rough, &got);
        cr_assert_str_eq(got.rows.data, want.rows.data, "%s, seed %u, history %u: rows", c->name, seed, h);
        cr_assert_str_eq(got.ended.data, want.ended.data, "%s, seed %u, history %u: rows, input ended", c->name, seed, h);
        cr_assert_str_eq(got.ledger.data, want.ledger.data, "%s, seed %u, history %u: ledger", c->name, seed, h);
        for (uint32_t v = 0; v < plan->views_count; v++) {
            uint64_t sum = 0;

            if (plan->views[v].inner >= 0)
                continue;
            cr_assert_gt(got.outcomes[v][TL_OUT_LATE], 0);
            cr_assert_gt(got.outcomes[v][TL_OUT_DUPLICATE], 0);
            for (int o = 0; o < TL_OUTCOMES; o++) {
                cr_assert_eq(got.outcomes[v][o], want.outcomes[v][o]);
                sum += got.outcomes[v][o];
            }
            cr_assert_eq(sum, got.events_count);
            cr_assert_eq(sum, history.count);
        }
        sim_result_done(&want);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
}

/* ---- row checks ---- */

/* They drop little or much, fail now and then, and see columns that most views do not. */
static const char *const conditions[] = {"n > -40",
                                         "host <> 'h3'",
                                         "10 / n < 4",
                                         "x < 900 OR n IS NULL",
                                         "event_id LIKE '%1%'",
                                         "CAST(SUBSTRING(host FROM 2) AS INT) < 4 AND n <> 7",
                                         "n BETWEEN -45 AND 45"};

/* The same views over what the checks accept: the duplicates are judged before either. */
static void sql_of_accepted(const char *sql, char (*checks)[80], unsigned count, char *out, size_t size)
{
    const char *table = strstr(sql, "CREATE TABLE events "), *end;
    size_t used;

    cr_assert_not_null(table);
    end = strchr(table, ';') + 1;
    used = (size_t)snprintf(out, size,
                            "%.*sCREATE TABLE all_events %.*s CREATE TEMPORARY VIEW events AS SELECT * FROM all_events WHERE",
                            (int)(table - sql), sql, (int)(end - table - (ptrdiff_t)strlen("CREATE TABLE events ")),
                            table + strlen("CREATE TABLE events "));
    for (unsigned c = 0; c < count; c++)
        used += (size_t)snprintf(out + used, size - used, "%s (%s) IS NOT FALSE", c > 0 ? " AND" : "", checks[c]);
    snprintf(out + used, size - used, ";%s", end);
}

static uint64_t refused(const struct sim_result *result, uint32_t view)
{
    return result->outcomes[view][TL_OUT_FILTERED] + result->outcomes[view][TL_OUT_REJECTED];
}

ParameterizedTestParameters(core_property, batch_with_row_checks_is_batch_over_what_they_accept)
{
    return cr_make_param_array(struct property_case, property_cases, TL_COUNT(property_cases));
}

ParameterizedTest(struct property_case *c, core_property, batch_with_row_checks_is_batch_over_what_they_accept, .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 12 };
    struct made *made = calloc(EVENTS, sizeof *made);
    unsigned seed = property_seed(), state = seed;
    uint64_t dropped = 0;

    cr_assert_not_null(made);
    printf("%s: seed %u (TALLY_SEED sets it)\n", c->name, seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        unsigned count = 1 + h % 3;
        char texts[3][80], checks_sql[600] = "", accepted_sql[6000];
        struct sim_history history = {0};
        struct sim_result with, want;
        struct tl_plan *plan = sim_plan(c->sql), *accepted;
        struct tl_checks *checks;
        int64_t bounds[6];
        struct sim_batch batch = {.workers_count = 1 + h % 3,
                                  .seed = seed + h,
                                  .bounds = bounds,
                                  .ranges_count = 5,
                                  .one_pass = h % 2 == 0,
                                  .chunk_max = 30};

        for (unsigned i = 0; i < count; i++) {
            snprintf(texts[i], sizeof texts[i], "%s",
                     conditions[(h + i * 2 + (unsigned)rand_r(&state) % 2) % TL_COUNT(conditions)]);
            snprintf(checks_sql + strlen(checks_sql), sizeof checks_sql - strlen(checks_sql),
                     "ALTER TABLE events ADD CONSTRAINT c%u EXPECT (%s) ON VIOLATION DROP ROW;", i, texts[i]);
        }
        sql_of_accepted(c->sql, texts, count, accepted_sql, sizeof accepted_sql);
        accepted = sim_plan(accepted_sql);
        checks = sim_checks(plan, checks_sql);
        make_history(c, made, EVENTS, seed + h, h + 1, 2, &history);
        for (size_t i = 0; i < EVENTS; i += 7) /* copies, of what is dropped too */
            sim_add(&history, (uint32_t)rand_r(&state) % 2, history.events[history.count - 1].log_ms + 1, made[i].text);
        choose_bounds(made, EVENTS, &state, bounds);
        sim_batch(accepted, &history, &batch, &want);
        batch.checks = checks;
        sim_batch(plan, &history, &batch, &with);
        cr_assert_str_eq(with.rows.data, want.rows.data, "%s, seed %u, history %u: %s", c->name, seed, h, checks_sql);
        for (uint32_t v = 0; v < plan->views_count; v++) {
            cr_assert_eq(with.outcomes[v][TL_OUT_COUNTED], want.outcomes[v][TL_OUT_COUNTED]);
            cr_assert_eq(with.outcomes[v][TL_OUT_DUPLICATE], want.outcomes[v][TL_OUT_DUPLICATE]);
            cr_assert_eq(refused(&with, v), refused(&want, v));
        }
        for (const char *at = with.dropped.data; *at != 0; at = strchr(at, '\n') + 1)
            dropped++;
        sim_result_done(&with);
        sim_result_done(&want);
        sim_history_done(&history);
        tl_checks_close(checks);
        tl_plan_close(accepted);
        tl_plan_close(plan);
    }
    cr_assert_gt(dropped, HISTORIES * 10);
    free(made);
}

/* An array of many events that are dropped: the message's bytes are kept once. */
Test(core, a_message_of_many_dropped_events_is_kept_once)
{
    struct tl_plan *plan = sim_plan(TABLE("5") HITS("10"));
    struct tl_checks *checks = sim_checks(plan, "ALTER TABLE events ADD CONSTRAINT c EXPECT (n > 0) ON VIOLATION DROP ROW");
    static const char event[] = "{\"event_time\":\"1970-01-01T00:00:01.000Z\",\"n\":0}";
    int64_t bounds[] = {INT64_MIN, INT64_MAX};
    struct sim_batch how = {.workers_count = 1, .bounds = bounds, .ranges_count = 1, .chunk_max = 1, .checks = checks};
    struct sim_history h = {0};
    struct sim_result r;
    char text[300], want[500];

    snprintf(text, sizeof text, "[%s,{\"event_time\":\"1970-01-01T00:00:01.000Z\",\"n\":1},%s]", event, event);
    sim_add(&h, 0, 0, text);
    sim_batch(plan, &h, &how, &r);
    snprintf(want, sizeof want, "0 0 0 c %s\n0 0 2 c \n", text);
    cr_assert_str_eq(r.dropped.data, want);
    cr_assert_str_eq(r.found.data, "c 2 0\n");
    sim_result_done(&r);
    sim_history_done(&h);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

/* The last number of each of the view's lines, summed. */
static uint64_t sum_of_last(const char *rows, const char *view)
{
    uint64_t sum = 0;

    for (const char *at = rows; *at != 0; at = strchr(at, '\n') + 1) {
        const char *end = strchr(at, '\n');

        if (strncmp(at, view, strlen(view)) != 0 || at[strlen(view)] != ' ')
            continue;
        while (end[-1] != ' ')
            end--;
        sum += strtoull(end, NULL, 10);
    }
    return sum;
}

/* semantics.md 11, invariant (e): what is counted is the rows that were taken, each as often as it has windows less those that it missed. */
Test(core_property, sums_over_windows_are_rows_less_what_was_missed, .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 40 };
    struct tl_plan *plan =
        sim_plan(TABLE("5") HITS("5") VIEW("hops", "COUNT(*) AS c") OVER(HOP("events", "event_time", "5", "20")) ";");
    unsigned seed = property_seed();

    printf("seed %u\n", seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_result got;
        struct sim_stream rough = {
            .workers_count = 1, .seed = seed + h, .tick_percent = 35, .restart_percent = 30, .read_max = 7};
        unsigned state = seed * 5 + h;
        int64_t log_ms = 1431857100000, watermark_ms = INT64_MIN;
        uint64_t taken = 0, missed = 0;

        for (int i = 0; i < EVENTS; i++) {
            int64_t time_ms, gone;

            log_ms += rand_r(&state) % 2000;
            time_ms = log_ms - (rand_r(&state) % 3 == 0 ? rand_r(&state) % 30000 : 0);
            add(&history, 0, log_ms, time_ms, "a", NULL);
            /* Its four windows end behind it, five seconds apart. Of them those that fired: end - 1 <= watermark. */
            gone = watermark_ms == INT64_MIN ? 0 : (watermark_ms + 1) / 5000 - time_ms / 5000;
            gone = tl_max_i64(0, tl_min_i64(gone, 4));
            taken += gone < 4;
            missed += gone < 4 ? (uint64_t)gone : 0;
            watermark_ms = tl_max_i64(watermark_ms, time_ms - 5000);
        }
        sim_stream(plan, &history, &rough, &got);
        cr_assert_gt(missed, 0);
        cr_assert_eq(got.outcomes[1][TL_OUT_COUNTED] + got.outcomes[1][TL_OUT_PARTLY_COUNTED], taken, "seed %u, history %u", seed,
                     h);
        cr_assert_eq(sum_of_last(got.ended.data, "hops"), taken * 4 - missed, "seed %u, history %u", seed, h);
        cr_assert_eq(sum_of_last(got.ended.data, "hits"), got.outcomes[0][TL_OUT_COUNTED], "seed %u, history %u", seed, h);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
}

/* Invariant (f): in batch sessions of a key neither touch nor overlap, however the ranges fall; and no event is lost. */
Test(core_property, sessions_of_a_key_never_touch_in_batch, .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 40, GAP_MS = 3000 };
    struct tl_plan *plan =
        sim_plan(TABLE("5") VIEW("visits", "host, COUNT(*) AS c") BY_HOST(SESSION("events", "event_time", "3")) ";");
    struct made *made = calloc(EVENTS, sizeof *made);
    struct property_case of = {.from_ms = QUIET, .step_ms = 2500, .ties = true};
    unsigned seed = property_seed(), state = seed;

    cr_assert_not_null(made);
    printf("seed %u\n", seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_result got;
        int64_t bounds[6], ended_ms[5] = {0};
        struct sim_batch how = {.workers_count = 1 + h % 3,
                                .seed = seed + h,
                                .bounds = bounds,
                                .ranges_count = 5,
                                .one_pass = h % 2 == 0,
                                .chunk_max = 30};

        make_history(&of, made, EVENTS, seed + h, h + 1, 2, &history);
        choose_bounds(made, EVENTS, &state, bounds);
        sim_batch(plan, &history, &how, &got);
        for (const char *at = got.rows.data; *at != 0; at = strchr(at, '\n') + 1) { /* in order of their start */
            int64_t start_ms, end_ms;
            unsigned host;

            cr_assert_eq(sscanf(at, "visits %" SCNd64 " %" SCNd64 " %*d %*d \"h%u\"", &start_ms, &end_ms, &host), 3);
            cr_assert_gt(start_ms, ended_ms[host], "seed %u, history %u", seed, h);
            cr_assert_geq(end_ms, start_ms + GAP_MS);
            ended_ms[host] = end_ms;
        }
        cr_assert_eq(sum_of_last(got.rows.data, "visits"), EVENTS, "seed %u, history %u", seed, h);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
    free(made);
}

/* With several partitions which event is late may differ; but each has one outcome, and counted + refused is the log. */
Test(core_property, rows_and_ledger_equal_the_log_on_several_partitions, .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 60 };
    struct tl_plan *plan = sim_plan(TABLE("5") "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS hits"
                                               " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))"
                                               " GROUP BY window_start, window_end;");
    unsigned seed = property_seed();

    printf("seed %u\n", seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_result got;
        struct sim_stream rough = {
            .workers_count = 1 + h % 3, .seed = seed + h, .tick_percent = 35, .restart_percent = 30, .read_max = 7};
        unsigned state = seed * 3 + h;
        int64_t log_ms = 1431857100000;
        uint64_t sum = 0, rows, lines = 0;

        for (int i = 0; i < EVENTS; i++) {
            log_ms += rand_r(&state) % 2000;
            add(&history, (uint32_t)rand_r(&state) % 4, log_ms, log_ms - rand_r(&state) % 20000, "a", NULL);
        }
        sim_stream(plan, &history, &rough, &got);
        for (int o = 0; o < TL_OUTCOMES; o++)
            sum += got.outcomes[0][o];
        cr_assert_eq(sum, EVENTS, "seed %u, history %u", seed, h);
        rows = sum_of_last(got.rows.data, "hits");
        for (const char *at = got.ledger.data; *at != 0; at = strchr(at, '\n') + 1)
            lines++;
        cr_assert_eq(rows, got.outcomes[0][TL_OUT_COUNTED], "seed %u, history %u", seed, h);
        cr_assert_eq(lines, got.outcomes[0][TL_OUT_LATE]);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
}

/* An array of many bad rows: each is a dead letter, but the message's bytes are kept once. */
Test(core, a_message_of_many_dead_rows_is_kept_once)
{
    struct tl_plan *plan = sim_plan(TABLE("5") HITS("10"));
    struct tl_core_config config = {.plan = plan};
    struct tl_core_input input = {.count = 1, .next_offset = 1};
    struct tl_partial *partial = NULL;
    struct tl_message message;
    struct tl_core *core = NULL;
    struct tl_err err;
    size_t size = 0;
    char *text = calloc(1, 300000 + TL_MESSAGE_PADDING);

    cr_assert_not_null(text);
    text[size++] = '[';
    for (int i = 0; i < 100000; i++)
        size += (size_t)sprintf(text + size, "7%c", i == 99999 ? ']' : ',');
    message = (struct tl_message){
        0, 0, {text, size}
    };
    input.messages = &message;
    cr_assert_eq(tl_core_open(&config, &core, &err), TL_OK);
    cr_assert_eq(tl_partial_open(plan, NULL, &partial, &err), TL_OK);
    cr_assert_eq(tl_core_push(core, &input, partial, &err), TL_OK);
    cr_assert_eq(partial->partitions[0].dead_count, 100000);
    cr_expect_eq(partial->partitions[0].dead[0].raw.size, TL_DEAD_BYTES_MAX);
    cr_expect_null(partial->partitions[0].dead[1].raw.data);
    cr_expect_lt(partial->text.held_bytes, 1000000);
    tl_partial_close(partial);
    tl_core_close(core);
    tl_plan_close(plan);
    free(text);
}
