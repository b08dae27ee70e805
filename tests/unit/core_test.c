/* core_test.c: the transformation that both layers share: cases of time, and the properties that must hold on any input. */
#include <criterion/criterion.h>
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

#define PROPERTY_VIEWS                                                                                                           \
    TABLE("15")                                                                                                                  \
    HITS("60")                                                                                                                   \
    "CREATE VIEW sums AS SELECT window_start, window_end, COUNT(n) AS c, SUM(n) AS s, MIN(n) AS lo, MAX(x) AS hi, AVG(x) AS "    \
    "mean,"                                                                                                                      \
    " SUM(x) AS total, MIN(host) AS h0, MAX(host) AS h1"                                                                         \
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '70' SECOND)) WHERE n > -40 OR n IS NULL"                 \
    " GROUP BY window_start, window_end;"                                                                                        \
    "CREATE VIEW raw AS SELECT host, n, event_time FROM events WHERE n > 45;"

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
static void make_history(struct made *made, size_t count, unsigned seed, unsigned order, uint32_t partitions,
                         struct sim_history *out)
{
    struct made *sorted = calloc(count, sizeof *sorted);
    unsigned state = order;
    int64_t time_ms = 1431857100000;
    unsigned content = seed;

    cr_assert_not_null(sorted);
    for (size_t i = 0; i < count; i++) {
        char when[TL_TIME_TEXT_BYTES];

        time_ms += rand_r(&content) % 4000;
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

Test(core_property, any_order_partitioning_workers_and_restarts_give_the_same_rows_as_batch, .timeout = 120)
{
    enum { EVENTS = 400, HISTORIES = 40 };
    struct made *made = calloc(EVENTS, sizeof *made);
    struct tl_plan *plan = sim_plan(PROPERTY_VIEWS);
    unsigned seed = property_seed();

    cr_assert_not_null(made);
    printf("seed %u (TALLY_SEED sets it)\n", seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history plain = {0};
        struct sim_result want, got;
        struct sim_stream one = {.workers_count = 1, .seed = seed + h, .tick_percent = 10, .read_max = 20};
        int64_t bounds[6];

        make_history(made, EVENTS, seed + h, 0, 1, &plain);
        sim_stream(plan, &plain, &one, &want);
        cr_assert_gt(want.rows.size, 1000);
        cr_assert_eq(want.outcomes[0][TL_OUT_COUNTED], EVENTS);
        for (unsigned order = 1; order <= 3; order++) {
            struct sim_history shuffled = {0};
            struct sim_stream many = {.workers_count = order,
                                      .seed = seed * 31 + h * 7 + order,
                                      .tick_percent = 30,
                                      .restart_percent = 20,
                                      .read_max = 12};

            make_history(made, EVENTS, seed + h, order + h * 10, order + 1, &shuffled);
            sim_stream(plan, &shuffled, &many, &got);
            cr_assert_str_eq(got.rows.data, want.rows.data, "seed %u, history %u, order %u: stream", seed, h, order);
            cr_assert_str_eq(got.ledger.data, "", "seed %u, history %u, order %u: %s", seed, h, order, got.ledger.data);
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

                /* In one pass no window may cross a bound: 7 minutes hold both sizes. Range by range they may. */
                bounds[0] = INT64_MIN;
                for (int b = 1; b < 6; b++)
                    bounds[b] = pass == 0 ? made[0].time_ms / 420000 * 420000 + b * 420000 : made[0].time_ms + b * 100000 + b;
                bounds[5] = made[EVENTS - 1].time_ms / 420000 * 420000 + 8400000;
                sim_batch(plan, &shuffled, &batch, &got);
                cr_assert_str_eq(got.rows.data, want.rows.data, "seed %u, history %u, order %u: batch %s", seed, h, order,
                                 pass == 0 ? "in one pass" : "range by range");
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

/* With late events and copies: one partition and restarts anywhere give the rows and the ledger of a run without restarts, and rows plus
 * ledger equal the log. */
Test(core_property, restarts_change_nothing_on_one_partition_even_with_late_events, .timeout = 120)
{
    enum { EVENTS = 300, HISTORIES = 60 };
    struct tl_plan *plan = sim_plan("SET 'tally.dedup.horizon' = '60 s';" TABLE("5") HITS("10"));
    unsigned seed = property_seed();

    printf("seed %u\n", seed);
    for (unsigned h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_result want, got;
        struct sim_stream calm = {.workers_count = 1, .seed = seed + h, .tick_percent = 20, .read_max = 9};
        struct sim_stream rough = {
            .workers_count = 1, .seed = seed - h, .tick_percent = 35, .restart_percent = 40, .read_max = 5};
        unsigned state = seed + h;
        int64_t log_ms = 1431857100000;
        uint64_t sum = 0;

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
        cr_assert_str_eq(got.rows.data, want.rows.data, "seed %u, history %u: rows", seed, h);
        cr_assert_str_eq(got.ledger.data, want.ledger.data, "seed %u, history %u: ledger", seed, h);
        cr_assert_gt(got.outcomes[0][TL_OUT_LATE], 0);
        cr_assert_gt(got.outcomes[0][TL_OUT_DUPLICATE], 0);
        for (int o = 0; o < TL_OUTCOMES; o++) {
            cr_assert_eq(got.outcomes[0][o], want.outcomes[0][o]);
            sum += got.outcomes[0][o];
        }
        cr_assert_eq(sum, got.events_count);
        cr_assert_eq(sum, history.count);
        sim_result_done(&want);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
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
        uint64_t sum = 0, rows = 0, lines = 0;

        for (int i = 0; i < EVENTS; i++) {
            log_ms += rand_r(&state) % 2000;
            add(&history, (uint32_t)rand_r(&state) % 4, log_ms, log_ms - rand_r(&state) % 20000, "a", NULL);
        }
        sim_stream(plan, &history, &rough, &got);
        for (int o = 0; o < TL_OUTCOMES; o++)
            sum += got.outcomes[0][o];
        cr_assert_eq(sum, EVENTS, "seed %u, history %u", seed, h);
        for (const char *at = got.rows.data; *at != 0; at = strchr(at, '\n') + 1) {
            const char *end = strchr(at, '\n');

            while (end[-1] != ' ')
                end--;
            rows += strtoull(end, NULL, 10);
        }
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
