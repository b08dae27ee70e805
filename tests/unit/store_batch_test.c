/* store_batch_test.c: runs of batch in every kind of store: staged, published all at once, superseded, discarded. */
#include "support/store_checks.h"

static void staged_rows_are_invisible(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "nightly");

    store_stage(store, run, id, 0, 10, "a", 1);
    store_stage_range(store, run, id, MIN_MS, 10);
    expect(MERGED(store, "hits"), "");
    expect(store_answer(store, "hits", TL_LAYER_BATCH, MIN_MS, MAX_MS), "");
    OK(tl_store_publish(store, run, 5, err));
    expect(MERGED(store, "hits"), "0 10 a 1 batch 1\n");
    expect(store_answer(store, "hits", TL_LAYER_BATCH, MIN_MS, MAX_MS), "0 10 a 1 batch 1\n");
    OK(tl_store_publish(store, run, 5, err)); /* a commit whose answer was lost */
    expect(MERGED(store, "hits"), "0 10 a 1 batch 1\n");
    FAILS(TL_ERR_NOT_FOUND, "no run 99", tl_store_publish(store, 99, 5, err));
    tl_store_close(store);
}

static void rows_of_a_window_come_in_any_order(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "nightly");
    struct store_rows rows;

    store_rows_init(&rows, true, 6);
    store_rows_add(&rows, 0, 10, "c", 1);
    store_rows_add(&rows, 0, 10, "a", 2);
    store_rows_add(&rows, 0, 10, "b", 3);
    store_rows_add(&rows, 20, 30, "z", 4);
    store_rows_add(&rows, 10, 20, "y", 5);
    store_rows_add(&rows, 10, 20, "x", 6);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 30);
    OK(tl_store_publish(store, run, 5, err));
    expect(store_answer(store, "hits", TL_LAYER_BATCH, MIN_MS, MAX_MS),
           "0 10 a 2 batch 1\n0 10 b 3 batch 1\n0 10 c 1 batch 1\n10 20 x 6 batch 1\n10 20 y 5 batch 1\n20 30 z 4 batch 1\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

static void publication_moves_all_views_at_once(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *reader = store_open(url, TL_STORE_READ);
    int64_t a = define(store, store_windowed("a", 'a')), b = define(store, store_windowed("b", 'b'));
    int64_t run = store_run(store, "nightly"), one = 0, two = 0;

    store_stage(store, run, a, 0, 10, "x", 1);
    store_stage(store, run, b, 0, 10, "x", 2);
    store_stage_range(store, run, a, MIN_MS, 10);
    store_stage_range(store, run, b, MIN_MS, 10);
    OK(tl_store_version(reader, &one, err));
    OK(tl_store_begin_read(reader, err));
    expect(MERGED(reader, "a"), "");
    OK(tl_store_publish(store, run, 5, err));
    expect(MERGED(reader, "b"), ""); /* the snapshot of before */
    OK(tl_store_commit(reader, err));
    expect(MERGED(reader, "a"), "0 10 x 1 batch 1\n");
    expect(MERGED(reader, "b"), "0 10 x 2 batch 1\n");
    OK(tl_store_version(reader, &two, err));
    cr_assert_neq(one, two);
    OK(tl_store_version(reader, &one, err));
    cr_assert_eq(one, two);
    tl_store_close(reader);
    tl_store_close(store);
}

static void boundary_is_the_end_of_what_touches(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run;

    for (int64_t end = 10; end <= 50; end += 10)
        store_put_speed(store, epoch, id, end - 10, end, "s", end);
    cr_assert_eq(about(store, id).boundary_ms, MIN_MS);
    run = store_run(store, "first");
    store_stage(store, run, id, 0, 10, "b", 1);
    store_stage(store, run, id, 30, 40, "b", 4);
    store_stage_range(store, run, id, MIN_MS, 10);
    store_stage_range(store, run, id, 30, 40);
    OK(tl_store_publish(store, run, 5, err));
    cr_assert_eq(about(store, id).boundary_ms, 10);
    expect(MERGED(store, "hits"),
           "0 10 b 1 batch 1\n10 20 s 20 speed 0\n20 30 s 30 speed 0\n30 40 s 40 speed 0\n40 50 s 50 speed 0\n");
    expect(store_answer(store, "hits", TL_LAYER_BATCH, MIN_MS, MAX_MS), "0 10 b 1 batch 1\n30 40 b 4 batch 1\n");
    run = store_run(store, "fills the gap");
    store_stage(store, run, id, 10, 20, "b", 2);
    store_stage_range(store, run, id, 10, 30);
    OK(tl_store_publish(store, run, 5, err));
    cr_assert_eq(about(store, id).boundary_ms, 40);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 2 batch 1\n30 40 b 4 batch 1\n40 50 s 50 speed 0\n");
    expect(store_answer(store, "hits", TL_LAYER_MERGED, 20, 50), "30 40 b 4 batch 1\n40 50 s 50 speed 0\n");
    expect(store_answer(store, "hits", TL_LAYER_SPEED, 10, 30), "10 20 s 20 speed 0\n20 30 s 30 speed 0\n");
    tl_store_close(store);
}

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "(%lld,%lld] run %lld %llu\n", (long long)range->from_ms, (long long)range->to_ms, (long long)range->run,
                  (unsigned long long)range->rows_count);
    return TL_OK;
}

static void expect_carry(struct tl_store *store, int64_t id, int64_t to_ms, const char *want)
{
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    OK(tl_store_carry(store, id, to_ms, &bytes, err));
    cr_assert(tl_sv_eq(tl_buf_sv(&bytes), tl_sv_from(want)), "%.*s, not %s", TL_SV_ARG(tl_buf_sv(&bytes)), want);
    tl_buf_done(&bytes);
}

static void expect_ranges(struct tl_store *store, int64_t id, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_ranges(store, id, see_range, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, want);
    tl_buf_done(&text);
}

static void newer_ranges_supersede(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "1"), cut;
    struct tl_run_range range = {.run = run, .from_ms = 0, .to_ms = 10, .rows_count = 3, .carry = TL_SV("open")};

    store_stage(store, run, id, 0, 10, "b", 1);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, id, &range, err));
    OK(tl_store_commit(store, err));
    stage_one(store, run, id, 10, 20, 2);
    stage_one(store, run, id, 20, 30, 3);
    OK(tl_store_publish(store, run, 5, err));
    expect_ranges(store, id, "(0,10] run 1 3\n(10,20] run 1 0\n(20,30] run 1 0\n");
    expect_carry(store, id, 10, "open");
    expect_carry(store, id, 20, "");
    expect_carry(store, id, 15, "");
    run = store_run(store, "2");
    stage_one(store, run, id, 10, 20, 22);
    OK(tl_store_publish(store, run, 5, err));
    expect_ranges(store, id, "(0,10] run 1 3\n(10,20] run 2 0\n(20,30] run 1 0\n");
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n20 30 b 3 batch 1\n");
    cut = store_run(store, "3 cuts");
    stage_one(store, cut, id, 5, 20, 33);
    FAILS(TL_ERR_LIMIT, "would cut the range (0, 10]", tl_store_publish(store, cut, 5, err));
    expect_ranges(store, id, "(0,10] run 1 3\n(10,20] run 2 0\n(20,30] run 1 0\n");
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n20 30 b 3 batch 1\n");
    run = store_run(store, "4");
    stage_one(store, run, id, 0, 30, 4);
    OK(tl_store_publish(store, run, 5, err));
    expect_ranges(store, id, "(0,30] run 4 0\n");
    expect_carry(store, id, 10, ""); /* the range that ended there is covered */
    expect(MERGED(store, "hits"), "20 30 b 4 batch 1\n");
    run = store_run(store, "5: days instead of the span that was one range");
    stage_one(store, run, id, 0, 10, 51);
    stage_one(store, run, id, 10, 30, 52);
    OK(tl_store_publish(store, run, 5, err));
    expect_ranges(store, id, "(0,10] run 5 0\n(10,30] run 5 0\n");
    expect(MERGED(store, "hits"), "0 10 b 51 batch 1\n20 30 b 52 batch 1\n");
    run = store_run(store, "6: overlaps itself");
    stage_one(store, run, id, 0, 20, 61);
    stage_one(store, run, id, 10, 30, 62);
    FAILS(TL_ERR_LIMIT, "overlap", tl_store_publish(store, run, 5, err));
    tl_store_close(store);
}

static void a_cut_in_one_view_publishes_nothing(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t a = define(store, store_windowed("a", 'a')), b = define(store, store_windowed("b", 'b')), run = store_run(store, "1");

    stage_one(store, run, b, 0, 20, 1);
    OK(tl_store_publish(store, run, 5, err));
    run = store_run(store, "2");
    stage_one(store, run, a, 0, 10, 2);
    stage_one(store, run, b, 10, 30, 2);
    FAILS(TL_ERR_LIMIT, "nothing was published", tl_store_publish(store, run, 5, err));
    expect(MERGED(store, "a"), "");
    expect(MERGED(store, "b"), "10 20 b 1 batch 1\n");
    cr_assert_eq(about(store, a).boundary_ms, MIN_MS);
    tl_store_close(store);
}

static enum tl_code see_run(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%lld %.*s %d %lld %lld %llu %llu\n", (long long)run->id, TL_SV_ARG(run->reason), (int)run->state,
                  (long long)run->started_ms, (long long)(run->ended_ms == MIN_MS ? -1 : run->ended_ms),
                  (unsigned long long)run->ranges_count, (unsigned long long)run->rows_count);
    return TL_OK;
}

static enum tl_code see_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%.*s/%u %lld\n", TL_SV_ARG(topic), partition, (long long)next_offset);
    return TL_OK;
}

static enum tl_code see_unread(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first_offset, int64_t last_offset,
                               struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%.*s/%u %lld..%lld\n", TL_SV_ARG(topic), partition, (long long)first_offset, (long long)last_offset);
    return TL_OK;
}

static void unread_is(struct tl_store *store, int64_t run, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_run_unread(store, run, see_unread, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, want);
    tl_buf_done(&text);
}

/* A run that goes on where one was killed looks at the record anew. */
static void what_a_run_has_not_read(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t run = store_run(store, "1"), other = store_run(store, "2");

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 3, 100, err));
    OK(tl_store_stage_unread(store, run, TL_SV("events"), 3, 50, 59, err));
    OK(tl_store_stage_unread(store, run, TL_SV("events"), 3, 10, 14, err));
    OK(tl_store_stage_unread(store, run, TL_SV("events"), 3, 10, 19, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 4, 100, err));
    OK(tl_store_stage_unread(store, run, TL_SV("events"), 4, 0, INT64_MAX, err));
    OK(tl_store_stage_unread(store, other, TL_SV("events"), 3, 7, 7, err));
    OK(tl_store_commit(store, err));
    unread_is(store, run, "events/3 10..19\nevents/3 50..59\nevents/4 0..9223372036854775807\n");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 3, 120, err));
    OK(tl_store_commit(store, err));
    unread_is(store, run, "events/4 0..9223372036854775807\n");
    OK(tl_store_discard_staged_but(store, run, err));
    unread_is(store, other, "");
    OK(tl_store_discard_staged(store, err));
    unread_is(store, run, "");
    tl_store_close(store);
}

static void discarding_what_was_staged(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), kept = store_run(store, "kept"), lost;
    struct tl_ledger_line line = {.offset = 1, .cause = TL_CAUSE_DQ_REJECT};
    struct store_rows rows;
    uint64_t counts[TL_CAUSES];
    struct tl_buf text;

    tl_buf_init(&text, 0);
    stage_one(store, kept, id, 0, 10, 1);
    OK(tl_store_publish(store, kept, 7, err));
    lost = store_run(store, "lost");
    store_rows_init(&rows, true, 12000); /* more than one deletion takes */
    for (int i = 0; i < 12000; i++)
        store_rows_add(&rows, i, i + 1, "x", i);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, lost, id, &rows.rows, err));
    OK(tl_store_stage_offset(store, lost, TL_SV("events"), 3, 4, err));
    OK(tl_store_stage_offset(store, lost, TL_SV("events"), 3, 5, err));
    OK(tl_store_put_ledger(store, id, lost, &line, 1, err));
    OK(tl_store_put_ledger(store, id, kept, &line, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_run_offsets(store, lost, see_offset, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "events/3 5\n");
    store_stage_range(store, lost, id, 10, 99);
    OK(tl_store_discard_staged(store, err));
    OK(tl_store_discard_staged(store, err));
    tl_buf_clear(&text);
    OK(tl_store_runs(store, see_run, &text, err));
    OK(tl_store_run_offsets(store, lost, see_offset, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "1 kept 1 1000 7 1 0\n2 lost 2 1000 -1 0 0\n");
    OK(tl_store_ledger_counts(store, id, lost, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DQ_REJECT], 0);
    OK(tl_store_ledger_counts(store, id, kept, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DQ_REJECT], 1);
    FAILS(TL_ERR_NOT_FOUND, "failed", tl_store_publish(store, lost, 5, err));
    /* Its rows are gone: the same ones can be staged under that number. */
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, lost, id, &rows.rows, err));
    FAILS(TL_ERR_LIMIT, "twice", /* at the latest when it is committed */
          (tl_store_stage_rows(store, lost, id, &rows.rows, err) == TL_OK ? tl_store_commit(store, err) : err->code));
    tl_store_rollback(store);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n");
    store_rows_done(&rows);
    tl_buf_done(&text);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(staged_rows_are_invisible),
    CHECK(rows_of_a_window_come_in_any_order),
    CHECK(publication_moves_all_views_at_once),
    CHECK(boundary_is_the_end_of_what_touches),
    CHECK(newer_ranges_supersede),
    CHECK(a_cut_in_one_view_publishes_nothing),
    CHECK(what_a_run_has_not_read),
    CHECK(discarding_what_was_staged),
};

STORE_SUITE(store_batch)
