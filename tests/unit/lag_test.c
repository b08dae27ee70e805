/* lag_test.c: how far a reader is behind the log's end, whichever of the two is heard of first, and when that is a fault. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "main/lag.h"
#include "support/http_get.h"

static const struct tl_metric_family family = {.name = "lag_events", .type = TL_GAUGE, .help = "L."};
static struct tl_metrics *metrics;
static struct tl_health *health;
static struct tl_lag lag;

static void lag_open(void)
{
    cr_assert_eq(tl_metrics_open(&metrics, NULL), TL_OK);
    cr_assert_eq(tl_health_open("speed", &health, NULL), TL_OK);
    tl_health_state(health, true, "running");
    tl_lag_init(&lag, metrics, health, &family);
}

static void lag_close(void)
{
    tl_lag_done(&lag);
    tl_health_close(health);
    tl_metrics_close(metrics);
}

TestSuite(lag, .init = lag_open, .fini = lag_close);

static void read_up_to(uint32_t partition, int64_t next_offset)
{
    size_t number;

    tl_lag_lock(&lag);
    cr_assert_eq(tl_lag_place(&lag, TL_SV("events"), partition, &number, NULL), TL_OK);
    tl_metrics_begin(metrics);
    tl_lag_set_next(&lag, number, next_offset);
    tl_metrics_end(metrics);
    tl_lag_unlock(&lag);
}

static void deal(bool due)
{
    tl_lag_lock(&lag);
    tl_lag_deal(&lag, due);
    tl_lag_unlock(&lag);
}

static double shown(const char *series)
{
    struct tl_buf text;
    double value;

    tl_buf_init(&text, 0);
    tl_metrics_text(metrics, 0, &text);
    tl_buf_put_u8(&text, 0);
    value = http_sample(text.data, series);
    tl_buf_done(&text);
    return value;
}

/* Is it ready when its patience has passed from now? */
static bool ready_later(const char *reason)
{
    struct tl_buf json;
    bool ready;

    tl_buf_init(&json, 0);
    ready = tl_health_ready(health, tl_clock_monotonic_ms() + TL_HEALTH_PATIENCE_MS, &json);
    tl_buf_put_u8(&json, 0);
    if (reason != NULL)
        cr_expect_not_null(strstr(json.data, reason), "%s", json.data);
    tl_buf_done(&json);
    return ready;
}

Test(lag, is_what_lies_between_the_reader_and_the_end)
{
    tl_lag_see_range(&lag, TL_SV("events"), 3, 0, 100);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"3\"}"), 100, "nobody has read it");
    read_up_to(3, 40);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"3\"}"), 60);
    tl_lag_see_range(&lag, TL_SV("events"), 3, 0, 110);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"3\"}"), 70);
    read_up_to(3, 115); /* the look is older than the read */
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"3\"}"), 0);
    read_up_to(4, 7); /* the reader comes first */
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"4\"}"), 0);
    tl_lag_see_range(&lag, TL_SV("events"), 4, 0, 8);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"4\"}"), 1);
    tl_lag_see_range(&lag, TL_SV("events"), 5, 90, 100);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"5\"}"), 10, "what the log has no more is not to be read");
    read_up_to(5, 20);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"5\"}"), 10);
}

Test(lag, a_reader_that_does_not_move_is_stuck)
{
    read_up_to(0, 10);
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 10);
    cr_expect(ready_later(NULL), "it has read all");
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 15);
    cr_expect_not(ready_later("events/0: nothing was read for 28 s, 5 events behind"));
    read_up_to(0, 15);
    cr_expect(ready_later(NULL));
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 20);
    read_up_to(0, 15); /* a tick that brought nothing */
    cr_expect_not(ready_later("nothing was read"));
}

Test(lag, a_partition_that_nobody_reads_is_a_fault_where_all_are_to_be_read)
{
    deal(false);
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 5);
    cr_expect(ready_later(NULL), "another view is being built");
    deal(true);
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 5);
    cr_expect_not(ready_later("events/0: nothing was read"));
    read_up_to(0, 5);
    cr_expect(ready_later(NULL));
    tl_lag_see_range(&lag, TL_SV("events"), 1, 0, 5);
    cr_expect_not(ready_later("events/1: nothing was read"), "nor may one that is new be left alone");
}

/* A topic of a pattern that was deleted: its last lag would stand there for ever. */
Test(lag, a_topic_that_is_gone_is_nobodys_lag)
{
    static const char first[] = "lag_events{topic=\"events\",partition=\"0\"}",
                      other[] = "lag_events{topic=\"others\",partition=\"0\"}";

    deal(true);
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 9);
    tl_lag_see_range(&lag, TL_SV("others"), 0, 0, 7);
    cr_expect_eq(shown(first), 9);
    tl_lag_see_gone(&lag, TL_SV("events"));
    cr_expect(isnan(shown(first)), "%f", shown(first));
    cr_expect_eq(shown(other), 7);
    tl_lag_see_range(&lag, TL_SV("others"), 0, 7, 7);
    cr_expect(ready_later(NULL), "nothing of it is owed");
    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 4); /* it comes back */
    cr_expect_eq(shown(first), 4);
    cr_expect_not(ready_later("events/0: nothing was read"));
}

Test(lag, who_has_read_all_shows_life_at_every_look)
{
    struct tl_buf json;

    tl_lag_see_range(&lag, TL_SV("events"), 0, 0, 0);
    tl_buf_init(&json, 0);
    cr_expect(tl_health_ready(health, tl_clock_monotonic_ms(), &json));
    tl_buf_put_u8(&json, 0);
    cr_expect_null(strstr(json.data, "\"age_seconds\": null"), "%s", json.data);
    tl_buf_done(&json);
}

Test(lag, many_partitions_keep_their_numbers)
{
    for (uint32_t p = 0; p < 100; p++) {
        tl_lag_see_range(&lag, TL_SV("events"), p, 0, 1000);
        read_up_to(p, p);
    }
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"0\"}"), 1000);
    cr_expect_eq(shown("lag_events{topic=\"events\",partition=\"99\"}"), 901);
}
