/* alike_test.c: what both layers treat alike: which time counts, whose line is whose, each event once. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "serving/alike.h"
#include "event/batch.h"

static struct tl_alike alike;

static void line(bool of_speed, enum tl_cause cause, int64_t offset, int64_t time_ms, int64_t watermark_ms, uint8_t flags)
{
    struct tl_ledger_line mine = {
        .partition = 1, .offset = offset, .cause = cause, .flags = flags, .watermark_ms = watermark_ms, .event_time_ms = time_ms};

    cr_assert_eq(tl_alike_line(&alike, of_speed, &mine, NULL), TL_OK);
}

static void expect(enum tl_cause cause, uint64_t want, int64_t first_offset)
{
    uint64_t counts[TL_CAUSES] = {0};
    struct tl_alike_event *events;
    size_t count;
    int64_t first = -1;

    cr_assert_eq(tl_alike_take(&alike, counts, 2, &events, &count, NULL), TL_OK);
    for (size_t e = count; e-- > 0;)
        first = events[e].cause == cause ? events[e].event.offset : first;
    cr_expect_eq(counts[cause], want, "%s: %llu", tl_cause_name(cause), (unsigned long long)counts[cause]);
    cr_expect_eq(first, first_offset, "%s: %lld", tl_cause_name(cause), (long long)first);
    cr_expect_leq(count, 14);
    free(events);
}

static void open_range(void)
{
    tl_alike_init(&alike);
    tl_alike_view(&alike, 0, 1000, 2000);
}

static void close_range(void)
{
    tl_alike_done(&alike);
}

TestSuite(alike, .init = open_range, .fini = close_range);

Test(alike, what_both_refuse_is_counted_once)
{
    line(true, TL_CAUSE_DUPLICATE, 7, 1500, 1400, 0);
    line(true, TL_CAUSE_DUPLICATE, 5, 1500, 1400, 0);
    line(true, TL_CAUSE_DUPLICATE, 8, 1600, 1400, 0); /* batch counts it */
    line(true, TL_CAUSE_DUPLICATE, 9, 2000, 1400, 0); /* behind the range */
    line(false, TL_CAUSE_DUPLICATE, 7, 1500, INT64_MIN, 0);
    line(false, TL_CAUSE_DUPLICATE, 5, 1500, INT64_MIN, 0);
    line(false, TL_CAUSE_DUPLICATE, 9, 2000, INT64_MIN, 0);
    line(false, TL_CAUSE_DUPLICATE, 10, 1500, INT64_MIN, 0); /* speed has counted it */
    tl_alike_view(&alike, 1, 1000, 2000);
    line(true, TL_CAUSE_DUPLICATE, 5, 1500, 1400, 0);
    line(false, TL_CAUSE_DUPLICATE, 5, 1500, INT64_MIN, 0);
    expect(TL_CAUSE_DUPLICATE, 2, 5);
}

/* Each layer refuses it for another view: that is a difference in both. */
Test(alike, one_view_s_failure_is_not_another_s)
{
    line(true, TL_CAUSE_EVAL_ERROR, 5, 1500, 1400, 0);
    tl_alike_view(&alike, 1, 1000, 2000);
    line(false, TL_CAUSE_EVAL_ERROR, 5, 1500, INT64_MIN, 0);
    expect(TL_CAUSE_EVAL_ERROR, 0, -1);
    tl_alike_view(&alike, 2, 1000, 2000);
    line(true, TL_CAUSE_EVAL_ERROR, 5, 1500, 1400, 0);
    line(false, TL_CAUSE_EVAL_ERROR, 5, 1500, INT64_MIN, 0);
    expect(TL_CAUSE_EVAL_ERROR, 1, 5);
}

static enum tl_code log_time(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    *log_ms = event->offset == 9 ? INT64_MIN : event->offset * 100;
    return TL_OK;
}

Test(alike, the_future_is_where_the_log_had_come_to)
{
    for (int64_t offset = 20; offset >= 9; offset--)
        line(true, TL_CAUSE_FUTURE_EVENT, offset, 99000, 1000, 0);
    line(false, TL_CAUSE_FUTURE_EVENT, 30, 1500, 1000, 0);
    cr_assert_eq(tl_alike_place_future(&alike, log_time, NULL, NULL), TL_OK);
    expect(TL_CAUSE_FUTURE_EVENT, 10, 10);
    tl_alike_view(&alike, 0, INT64_MIN, 2000);
    cr_assert_eq(tl_alike_place_future(&alike, log_time, NULL, NULL), TL_OK);
    expect(TL_CAUSE_FUTURE_EVENT, 11, 9);
}

/* Of events that both layers have counted, and in both of their lines. */
Test(alike, flaws_are_flags)
{
    line(true, TL_CAUSE_NONE, 5, 1500, 1400, TL_FLAG_BAD_FIELD | TL_FLAG_DUP_KEY);
    line(true, TL_CAUSE_LATE_DROP, 4, 1500, 1400, TL_FLAG_BAD_FIELD);
    line(true, TL_CAUSE_NONE, 3, 1500, 1400, TL_FLAG_DUP_KEY);
    line(true, TL_CAUSE_DUPLICATE, 2, 1500, 1400, TL_FLAG_BAD_FIELD);
    line(true, TL_CAUSE_SESSION_SPLIT, 6, 1500, 1400, TL_FLAG_ID_CONFLICT | TL_FLAG_BAD_FIELD);
    line(true, TL_CAUSE_NONE, 7, 1500, 1400, TL_FLAG_BAD_FIELD); /* batch has not read it */
    line(false, TL_CAUSE_NONE, 5, 1500, INT64_MIN, TL_FLAG_BAD_FIELD | TL_FLAG_ID_CONFLICT);
    line(false, TL_CAUSE_NONE, 4, 1500, INT64_MIN, TL_FLAG_BAD_FIELD);
    line(false, TL_CAUSE_NONE, 3, 1500, INT64_MIN, TL_FLAG_DUP_KEY);
    line(false, TL_CAUSE_DUPLICATE, 2, 1500, INT64_MIN, TL_FLAG_BAD_FIELD);
    line(false, TL_CAUSE_NONE, 6, 1500, INT64_MIN, TL_FLAG_ID_CONFLICT | TL_FLAG_BAD_FIELD);
    line(false, TL_CAUSE_NONE, 1, 1500, INT64_MIN, TL_FLAG_BAD_FIELD); /* speed has not read it, or it was imported */
    expect(TL_CAUSE_JSON_BAD_FIELD, 2, 5);
    expect(TL_CAUSE_ID_CONFLICT, 1, 6);
    expect(TL_CAUSE_DUPLICATE, 1, 2);
    expect(TL_CAUSE_LATE_DROP, 0, -1);
}

Test(alike, dead_letters_have_no_event_time)
{
    struct tl_alike_event *events;
    uint64_t counts[TL_CAUSES] = {0};
    size_t count;

    for (int64_t offset = 0; offset < 5; offset++)
        cr_assert_eq(tl_alike_dead(&alike, 1, 4 - offset, 0, TL_CAUSE_JSON_BAD_ROW, NULL), TL_OK);
    cr_assert_eq(tl_alike_dead(&alike, 0, 9, 2, TL_CAUSE_BAD_EVENT_TIME, NULL), TL_OK);
    cr_assert_eq(tl_alike_take(&alike, counts, 2, &events, &count, NULL), TL_OK);
    cr_expect_eq(counts[TL_CAUSE_JSON_BAD_ROW], 5);
    cr_expect_eq(counts[TL_CAUSE_BAD_EVENT_TIME], 1);
    cr_assert_eq(count, 3, "two of the one, one of the other");
    cr_expect_eq(events[0].event.offset, 0);
    cr_expect_eq(events[1].event.offset, 1);
    cr_expect_eq(events[2].event.row, 2);
    cr_expect_eq(events[0].event.time_ms, INT64_MIN);
    free(events);
}
