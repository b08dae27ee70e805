/* alike_test.c: what both layers treat alike: which time counts, what two lines say together, each event once, and how little of it is kept. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "serving/alike.h"
#include "event/batch.h"

enum { LIMIT = 2 };

static struct tl_alike alike;

static void pair_of(int64_t offset, enum tl_cause speed, uint8_t speed_flags, enum tl_cause batch, uint8_t batch_flags)
{
    struct tl_ledger_pair mine = {.partition = 1,
                                  .offset = offset,
                                  .event_time_ms = 1500,
                                  .speed = speed,
                                  .batch = batch,
                                  .speed_flags = speed_flags,
                                  .batch_flags = batch_flags};

    cr_assert_eq(tl_alike_pair(&alike, &mine, NULL), TL_OK);
}

static void expect(enum tl_cause cause, uint64_t want, int64_t first_offset)
{
    uint64_t counts[TL_CAUSES] = {0};
    struct tl_alike_event *events;
    size_t count;
    int64_t first = -1;

    cr_assert_eq(tl_alike_pairs_end(&alike, NULL), TL_OK);
    cr_assert_eq(tl_alike_take(&alike, counts, &events, &count, NULL), TL_OK);
    for (size_t e = count; e-- > 0;)
        first = events[e].cause == cause ? events[e].event.offset : first;
    cr_expect_eq(counts[cause], want, "%s: %llu", tl_cause_name(cause), (unsigned long long)counts[cause]);
    cr_expect_eq(first, first_offset, "%s: %lld", tl_cause_name(cause), (long long)first);
    cr_expect_leq(count, LIMIT * TL_CAUSES);
    free(events);
}

static void open_range(void)
{
    tl_alike_init(&alike, LIMIT);
    tl_alike_widen(&alike, 1000, 2000);
}

static void close_range(void)
{
    tl_alike_done(&alike);
}

TestSuite(alike, .init = open_range, .fini = close_range);

/* Several views have a line of it, or one has other things to say. */
Test(alike, what_both_refuse_is_counted_once)
{
    pair_of(5, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DUPLICATE, 0);
    pair_of(5, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DUPLICATE, 0);
    pair_of(7, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DUPLICATE, 0);
    pair_of(7, TL_CAUSE_EVAL_ERROR, 0, TL_CAUSE_EVAL_ERROR, 0);
    pair_of(8, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DQ_REJECT, 0);
    expect(TL_CAUSE_DUPLICATE, 2, 5);
    expect(TL_CAUSE_EVAL_ERROR, 1, 7);
    expect(TL_CAUSE_DQ_REJECT, 0, -1);
}

/* Each layer refuses it for another view: that is a difference in both. */
Test(alike, one_view_s_failure_is_not_another_s)
{
    pair_of(5, TL_CAUSE_EVAL_ERROR, 0, TL_CAUSE_NONE, TL_FLAG_BAD_FIELD);
    pair_of(5, TL_CAUSE_NONE, TL_FLAG_DUP_KEY, TL_CAUSE_EVAL_ERROR, 0);
    expect(TL_CAUSE_EVAL_ERROR, 0, -1);
}

static enum tl_code log_time(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms, struct tl_err *err)
{
    int *asked = ctx;

    (void)err;
    ++*asked;
    *log_ms = event->offset == 9 ? INT64_MIN : event->offset * 100;
    return TL_OK;
}

Test(alike, the_future_is_where_the_log_had_come_to)
{
    int asked = 0;

    for (int64_t offset = 9; offset <= 20; offset++)
        pair_of(offset, TL_CAUSE_FUTURE_EVENT, 0, TL_CAUSE_NONE, 0);
    cr_assert_eq(tl_alike_pairs_end(&alike, NULL), TL_OK);
    cr_assert_eq(tl_alike_place_future(&alike, log_time, &asked, NULL), TL_OK);
    cr_expect_eq(asked, 12);
    expect(TL_CAUSE_FUTURE_EVENT, 10, 10);
}

/* Blocks of four messages. */
static void block_times(void *ctx, uint32_t partition, int64_t offset, int64_t *min_ms, int64_t *max_ms)
{
    int64_t first = offset - offset % 4;

    (void)ctx;
    (void)partition;
    if (first == 12) /* is not on record */
        return;
    *min_ms = first * 100;
    *max_ms = (first + 3) * 100;
}

/* Only those are looked up of which the record's index does not tell on which side of a bound they are. */
Test(alike, the_future_is_placed_by_the_index)
{
    int asked = 0;

    alike.between = block_times;
    for (int64_t offset = 0; offset < 1000; offset++)
        pair_of(offset, TL_CAUSE_FUTURE_EVENT, 0, TL_CAUSE_NONE, 0);
    cr_assert_eq(tl_alike_pairs_end(&alike, NULL), TL_OK);
    cr_expect_eq(alike.future_count, 8, "8 to 11, where 1000 is, and 12 to 15");
    cr_assert_eq(tl_alike_place_future(&alike, log_time, &asked, NULL), TL_OK);
    cr_expect_eq(asked, 8);
    expect(TL_CAUSE_FUTURE_EVENT, 10, 10);
}

/* Of events that both layers have counted, and in both of their lines. */
Test(alike, flaws_are_flags)
{
    pair_of(2, TL_CAUSE_DUPLICATE, TL_FLAG_BAD_FIELD, TL_CAUSE_DUPLICATE, TL_FLAG_BAD_FIELD);
    pair_of(3, TL_CAUSE_NONE, TL_FLAG_DUP_KEY, TL_CAUSE_NONE, TL_FLAG_DUP_KEY);
    pair_of(4, TL_CAUSE_LATE_DROP, TL_FLAG_BAD_FIELD, TL_CAUSE_NONE, TL_FLAG_BAD_FIELD);
    pair_of(5, TL_CAUSE_NONE, TL_FLAG_BAD_FIELD | TL_FLAG_DUP_KEY, TL_CAUSE_NONE, TL_FLAG_BAD_FIELD | TL_FLAG_ID_CONFLICT);
    pair_of(6, TL_CAUSE_SESSION_SPLIT, TL_FLAG_ID_CONFLICT | TL_FLAG_BAD_FIELD, TL_CAUSE_NONE,
            TL_FLAG_ID_CONFLICT | TL_FLAG_BAD_FIELD);
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
    cr_assert_eq(tl_alike_take(&alike, counts, &events, &count, NULL), TL_OK);
    cr_expect_eq(counts[TL_CAUSE_JSON_BAD_ROW], 5);
    cr_expect_eq(counts[TL_CAUSE_BAD_EVENT_TIME], 1);
    cr_assert_eq(count, 3, "two of the one, one of the other");
    cr_expect_eq(events[0].event.offset, 0);
    cr_expect_eq(events[1].event.offset, 1);
    cr_expect_eq(events[2].event.row, 2);
    cr_expect_eq(events[0].event.time_ms, INT64_MIN);
    free(events);
}

/* However many there are. */
Test(alike, memory_does_not_follow_the_events)
{
    size_t before;

    for (int64_t offset = 0; offset < 100; offset++)
        pair_of(offset, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DUPLICATE, 0);
    before = alike.events.memory.held_bytes;
    for (int64_t offset = 100; offset < 100000; offset++)
        pair_of(offset, TL_CAUSE_DUPLICATE, 0, TL_CAUSE_DUPLICATE, 0);
    cr_expect_eq(alike.events.memory.held_bytes, before);
    cr_expect_eq(alike.future_capacity, 0);
    expect(TL_CAUSE_DUPLICATE, 100000, 0);
}
