/* speed_meter_test.c: a committer that publishes as fast as it can, and somebody who scrapes: nobody sees half a tick, or one twice. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "simulate.h"
#include "speed_layer/speed_meter.h"
#include "speed_layer/tick.h"
#include "sql/shape.h"
#include "support/http_get.h"
#include "support/store_fixture.h"

enum { VIEWS = 2, PARTITIONS = 3, WORKERS = 2, SCRAPES = 400 };

static const char views[] =
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
    "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS c"
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;"
    "CREATE VIEW hosts AS SELECT event_time, host FROM events;";

/* A lane with its tick, as speed has them, but that nobody works in it: the test moves the figures. */
static struct {
    char folder[400], url[512], listen[16];
    uint16_t port;
    struct tl_plan *plan;
    struct tl_common_options common;
    struct tl_store *store;
    struct tl_lane lane;
    bool wanted[VIEWS];
    int64_t definitions[VIEWS], final_ms[VIEWS], judged_ms[1];
    uint64_t identities[1];
    struct tl_lane_partition partitions[PARTITIONS];
    struct tl_position positions[PARTITIONS];
    uint64_t outcomes[VIEWS][TL_OUTCOMES];
    struct tl_worker workers[WORKERS];
    struct tl_tick tick;
    struct tl_speed_meter *meter;
} t;

static void scene_open(void)
{
    struct tl_err err;

    store_folder(t.folder);
    store_sqlite.url(t.url);
    t.plan = sim_plan(views);
    t.port = http_free_ports(1);
    snprintf(t.listen, sizeof t.listen, ":%u", (unsigned)t.port);
    t.common = (struct tl_common_options){.metrics_listen = t.listen, .log = "local", .data = t.folder, .store = t.url};
    t.store = store_open(t.url, TL_STORE_WRITE);
    for (uint32_t v = 0; v < VIEWS; v++) {
        struct tl_shape shape;

        cr_assert_eq(tl_shape_of(t.plan, &t.plan->views[v], &shape, &err), TL_OK, "%s", err.message);
        cr_assert_eq(tl_store_define(t.store, &shape, &t.definitions[v], &err), TL_OK, "%s", err.message);
    }
    for (uint32_t p = 0; p < PARTITIONS; p++)
        t.partitions[p] =
            (struct tl_lane_partition){.partition = p, .topic = TL_SV("events"), .in_topic = p, .until_offset = INT64_MAX};
    t.lane = (struct tl_lane){.plan = t.plan,
                              .views_wanted = t.wanted,
                              .definitions = t.definitions,
                              .final_ms = t.final_ms,
                              .identities = t.identities,
                              .partitions = t.partitions,
                              .partitions_count = PARTITIONS};
    t.tick = (struct tl_tick){.lane = &t.lane,
                              .store = t.store,
                              .workers = t.workers,
                              .workers_count = WORKERS,
                              .positions = t.positions,
                              .judged_ms = t.judged_ms,
                              .outcomes = t.outcomes};
    cr_assert_eq(tl_partial_open(t.plan, NULL, &t.tick.all, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_speed_meter_open(&t.common, t.plan, &t.meter, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_speed_meter_lane(t.meter, &t.tick, true, &err), TL_OK, "%s", err.message);
}

static void scene_close(void)
{
    tl_speed_meter_close(t.meter);
    tl_partial_close(t.tick.all);
    tl_store_close(t.store);
    tl_plan_close(t.plan);
    store_folder_remove();
}

TestSuite(speed_meter, .init = scene_open, .fini = scene_close, .timeout = 120);

/* A tick in which every partition has had `number` % 7 events and more, all of which have some outcome. */
static void commit(uint64_t number)
{
    uint64_t events = 0;

    memset(t.outcomes, 0, sizeof t.outcomes);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        t.positions[p].events_count += number % 7 + p;
        t.positions[p].next_offset += (int64_t)(number % 7 + p);
        events += number % 7 + p;
    }
    for (uint32_t v = 0; v < VIEWS; v++)
        for (uint64_t e = 0; e < events; e++)
            t.outcomes[v][(number + e * (v + 1)) % TL_OUTCOMES]++;
    t.tick.ticks_count++;
    t.tick.rows_count += events;
    t.judged_ms[0] = tl_clock_wall_ms() - 5000;
    tl_speed_meter_tick(t.meter, &t.tick, tl_clock_monotonic_ns());
}

static char *metrics_now(void)
{
    char *text = http_wait_for(t.port, "/metrics", 200, "", 20000);

    cr_assert_not_null(text);
    return text;
}

static atomic_int scrapes;

static void *scrape(void *arg)
{
    int *torn = arg;

    while (atomic_fetch_add(&scrapes, 1) < SCRAPES) {
        char *text = metrics_now();

        *torn += http_sample_sum(text, "tally_events_total{view=\"hits\"") !=
                 http_sample(text, "tally_events_read_total{view=\"hits\"}");
        *torn += http_sample(text, "tally_events_read_total{view=\"hosts\"}") !=
                 http_sample(text, "tally_events_read_total{view=\"hits\"}");
        *torn += http_sample(text, "tally_events_read_total{view=\"hits\"}") != http_sample(text, "tally_rows_written_total");
        *torn += http_sample(text, "tally_ticks_total") != http_sample(text, "tally_tick_duration_seconds_count");
        free(text);
    }
    return NULL;
}

Test(speed_meter, a_scrape_never_sees_half_a_tick)
{
    pthread_t thread;
    uint64_t number = 0;
    int torn = 0;

    commit(number++);
    cr_assert_eq(pthread_create(&thread, NULL, scrape, &torn), 0);
    while (atomic_load(&scrapes) < SCRAPES)
        commit(number++);
    pthread_join(thread, NULL);
    cr_expect_eq(torn, 0, "%d sums of %d scrapes did not agree", torn, SCRAPES);
    cr_expect_gt(number, SCRAPES);
}

Test(speed_meter, a_tick_without_a_transaction_adds_nothing)
{
    char *text;

    commit(3);
    tl_speed_meter_tick(t.meter, &t.tick, tl_clock_monotonic_ns()); /* nothing was new */
    text = metrics_now();
    cr_expect_eq(http_sample(text, "tally_ticks_total"), 1, "%s", text);
    cr_expect_eq(http_sample(text, "tally_events_read_total{view=\"hits\"}"), 12, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_events_total{view=\"hits\""), 12, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_events_total{view=\"hosts\""), 12, "%s", text);
    cr_expect_eq(http_sample(text, "tally_rows_written_total"), 12, "%s", text);
    free(text);
}

Test(speed_meter, a_lane_begins_with_what_the_store_has_and_counters_go_on)
{
    uint64_t stored[TL_OUTCOMES] = {[TL_OUT_COUNTED] = 90, [TL_OUT_LATE] = 10};
    int64_t change;
    struct tl_err err;
    char *text;

    commit(3);
    cr_assert_eq(tl_store_begin_tick(t.store, store_epoch(t.store), &change, &err), TL_OK, "%s", err.message);
    for (uint32_t v = 0; v < VIEWS; v++)
        cr_assert_eq(tl_store_add_outcomes(t.store, t.definitions[v], stored, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_store_commit(t.store, &err), TL_OK, "%s", err.message);
    t.positions[0].events_count = 100;
    t.positions[1].events_count = t.positions[2].events_count = 0;
    t.tick.ticks_count = t.tick.rows_count = 0;
    t.tick.workers_count = 1;
    atomic_store(&t.workers[0].state_bytes, 77);
    cr_assert_eq(tl_speed_meter_lane(t.meter, &t.tick, false, &err), TL_OK, "%s", err.message);
    text = metrics_now();
    cr_expect_eq(http_sample(text, "tally_events_total{view=\"hits\",outcome=\"counted\"}"), 90, "%s", text);
    cr_expect_eq(http_sample(text, "tally_events_total{view=\"hits\",outcome=\"late\"}"), 10, "%s", text);
    cr_expect_eq(http_sample(text, "tally_events_read_total{view=\"hits\"}"), 100, "%s", text);
    free(text);
    commit(0);
    text = metrics_now();
    cr_expect_eq(http_sample(text, "tally_ticks_total"), 2, "%s", text);
    cr_expect_eq(http_sample(text, "tally_events_read_total{view=\"hits\"}"), 103, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_events_total{view=\"hits\""), 103, "%s", text);
    cr_expect_eq(http_sample(text, "tally_state_bytes{worker=\"0\"}"), 77, "%s", text);
    cr_expect_null(strstr(text, "worker=\"1\""), "there is but one any more: %s", text);
    free(text);
}

Test(speed_meter, refusals_of_the_store_are_counted_and_shown)
{
    const struct tl_err why = {.code = TL_ERR_IO, .retriable = true, .message = "database is locked"};
    char *text;

    commit(1);
    tl_speed_meter_due(t.meter);
    tl_speed_meter_refused(t.meter, &why);
    tl_speed_meter_refused(t.meter, &why);
    text = metrics_now();
    cr_expect_eq(http_sample(text, "tally_store_failures_total"), 2, "%s", text);
    free(text);
    text = http_wait_for(t.port, "/readyz", 503, "log", 20000); /* there is no log here */
    cr_expect_not_null(strstr(text, "\"error\": \"database is locked\""), "%s", text);
    free(text);
    commit(1);
    text = http_wait_for(t.port, "/readyz", 503, "", 20000);
    cr_expect_null(strstr(text, "database is locked"), "%s", text);
    free(text);
}

Test(speed_meter, without_an_address_there_is_none_and_all_calls_are_fine)
{
    const struct tl_common_options off = {.log = "local"};
    const struct tl_err why = {.message = "why"};
    struct tl_speed_meter *none = (struct tl_speed_meter *)&t;
    struct tl_err err;

    cr_assert_eq(tl_speed_meter_open(&off, NULL, &none, &err), TL_OK);
    cr_assert_null(none);
    tl_speed_meter_wait(none, "waiting", &why);
    tl_speed_meter_stand_by(none, &why);
    tl_speed_meter_epoch(none, 1);
    cr_expect_eq(tl_speed_meter_lane(none, NULL, true, &err), TL_OK);
    tl_speed_meter_due(none);
    tl_speed_meter_refused(none, &why);
    tl_speed_meter_tick(none, NULL, 0);
    tl_speed_meter_close(none);
}
