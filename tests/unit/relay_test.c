/* relay_test.c: final rows as events of other views: by which watermark, in which order, and once. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "core/relay.h"
#include "simulate.h"

#define TABLE                                                                                                                    \
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"                     \
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
#define INNER                                                                                                                    \
    "CREATE VIEW tens AS SELECT window_start AS ws, window_end AS we, window_time AS wt, host, COUNT(*) AS c"                    \
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))"                                            \
    " GROUP BY window_start, window_end, window_time, host;"
#define OUTER(size)                                                                                                              \
    "CREATE VIEW outer_" size " AS SELECT window_start, window_end, SUM(c) AS s"                                                 \
    " FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(wt), INTERVAL '" size "' SECOND)) GROUP BY window_start, window_end;"

Test(relay, there_is_none_where_no_view_reads_another)
{
    struct tl_plan *plan = sim_plan(TABLE INNER);
    struct tl_relay *relay = (struct tl_relay *)plan;
    struct tl_rows rows = {.count = 1};
    struct tl_err err;

    cr_assert_eq(tl_relay_open(plan, NULL, &relay, &err), TL_OK);
    cr_expect_null(relay);
    cr_expect_eq(tl_relay_push(NULL, 0, &rows, &err), TL_OK);
    cr_expect_eq(tl_relay_deliver(NULL, 0, NULL, &err), TL_OK);
    tl_relay_close(NULL);
    tl_plan_close(plan);
}

/* A row is final when the inner view's watermark has passed its lateness too: so much later is the outer view's. */
Test(relay, an_outer_watermark_is_the_inner_one_less_its_lateness)
{
    struct tl_plan *plan = sim_plan("SET 'tally.allowed-lateness' = '5 s';" TABLE INNER
                                    "SET 'tally.allowed-lateness' = '3 s'; CREATE VIEW busy AS SELECT * FROM tens WHERE c > 1;"
                                    "CREATE VIEW minutes AS SELECT window_start, window_end, SUM(c) AS s"
                                    " FROM TABLE(TUMBLE(TABLE busy, DESCRIPTOR(wt), INTERVAL '1' MINUTE))"
                                    " GROUP BY window_start, window_end;");
    int64_t at_ms = 100000, none_ms = INT64_MIN, end_ms = INT64_MAX;

    cr_expect_eq(tl_relay_watermark_ms(plan, 0, &at_ms), 100000);
    cr_expect_eq(tl_relay_watermark_ms(plan, 1, &at_ms), 95000);
    cr_expect_eq(tl_relay_watermark_ms(plan, 2, &at_ms), 95000 - plan->views[1].lateness_ms);
    cr_expect_eq(tl_relay_watermark_ms(plan, 2, &none_ms), INT64_MIN, "none, and not something before it");
    cr_expect_eq(tl_relay_watermark_ms(plan, 1, &end_ms), INT64_MAX - 5000);
    tl_plan_close(plan);
}

static enum tl_code put_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_buf *out = ctx;

    (void)err;
    for (uint32_t i = 0; i < rows->count; i++) /* the last column is a sum */
        tl_buf_printf(out, "[%" PRId64 ", %" PRId64 ")=%" PRId64 " ", rows->start_ms[i], rows->end_ms[i],
                      rows->columns[2].i64[i]);
    return TL_OK;
}

static void push_event(struct tl_core *core, struct tl_partial *partial, int64_t offset, const char *text)
{
    char padded[128 + TL_MESSAGE_PADDING] = "";
    struct tl_message message;
    struct tl_core_input input = {.messages = &message, .count = 1, .next_offset = offset + 1};
    struct tl_err err;

    cr_assert_lt(strlen(text), 128);
    memcpy(padded, text, strlen(text));
    message = (struct tl_message){
        offset, 0, {padded, strlen(text)}
    };
    cr_assert_eq(tl_core_push(core, &input, partial, &err), TL_OK);
}

/* Two outer views over one inner: each tick hands a row on once, when it has become final, and never again. */
Test(relay, final_rows_are_handed_on_once)
{
    struct tl_plan *plan = sim_plan(TABLE INNER OUTER("20") OUTER("30"));
    struct tl_core_config config = {.plan = plan};
    struct tl_core *core = NULL;
    struct tl_partial *partial = NULL, *all = NULL;
    struct tl_relay *relay = NULL;
    struct tl_buf rows;
    struct tl_window_sink sink = {.ctx = &rows, .rows = put_rows};
    struct tl_err err;
    static const char *const want[4] = {
        "",                                                /* [0, 10) has not fired */
        "[0, 20000)=2 | [0, 30000)=2 | ",                  /* its two rows */
        "| | ",                                            /* nothing new */
        "[0, 20000)=3 [20000, 40000)=1 | [0, 30000)=4 | ", /* the other two windows */
    };
    static const int64_t marks[4] = {9998, 9999, 12000, 29999};

    tl_buf_init(&rows, 0);
    cr_assert_eq(tl_core_open(&config, &core, &err), TL_OK);
    cr_assert_eq(tl_partial_open(plan, NULL, &partial, &err), TL_OK);
    cr_assert_eq(tl_partial_open(plan, NULL, &all, &err), TL_OK);
    cr_assert_eq(tl_relay_open(plan, NULL, &relay, &err), TL_OK);
    push_event(core, partial, 0, "{\"event_time\": \"1970-01-01T00:00:01.000Z\", \"host\": \"a\"}");
    push_event(core, partial, 1, "{\"event_time\": \"1970-01-01T00:00:02.000Z\", \"host\": \"b\"}");
    push_event(core, partial, 2, "{\"event_time\": \"1970-01-01T00:00:12.000Z\", \"host\": \"a\"}");
    push_event(core, partial, 3, "{\"event_time\": \"1970-01-01T00:00:22.000Z\", \"host\": \"a\"}");
    cr_assert_eq(tl_partial_merge_windows(all, partial, &err), TL_OK);
    for (int tick = 0; tick < 4; tick++) {
        tl_buf_clear(&rows);
        cr_assert_eq(tl_relay_advance(relay, all, &marks[tick], &err), TL_OK);
        for (uint32_t v = 1; v < 3; v++) {
            cr_assert_eq(tl_window_changed(all->views[v].window, &sink, &err), TL_OK);
            tl_buf_put_str(&rows, tick > 0 ? "| " : "");
        }
        for (uint32_t v = 0; v < 3; v++)
            cr_assert_eq(tl_window_settle(all->views[v].window, &err), TL_OK);
        tl_buf_put_u8(&rows, 0);
        cr_expect_str_eq(rows.data, want[tick], "watermark %" PRId64 ": %s", marks[tick], rows.data);
    }
    tl_relay_close(relay);
    tl_partial_close(all);
    tl_partial_close(partial);
    tl_core_close(core);
    tl_buf_done(&rows);
    tl_plan_close(plan);
}
