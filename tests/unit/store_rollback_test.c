/* store_rollback_test.c: publications undone, the newest first; superseded ranges pruned, and what a rollback refuses then. In every kind of store. */
#include "store/store_check.h"
#include "support/store_checks.h"

static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%lld of run %lld\n", (long long)published, (long long)run);
    return TL_OK;
}

/* What was undone, as text. Good until the next call. */
static const char *undo(struct tl_store *store, int64_t run, int64_t now_ms)
{
    static char out[400];
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_unpublish(store, run, "ann@web1", now_ms, see_undone, &text, err));
    snprintf(out, sizeof out, "%.*s", TL_SV_ARG(tl_buf_sv(&text)));
    tl_buf_done(&text);
    return out;
}

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "(%lld,%lld] %lld\n", (long long)range->from_ms, (long long)range->to_ms, (long long)range->run);
    return TL_OK;
}

static const char *ranges_of(struct tl_store *store, int64_t id, bool rolled_back)
{
    static char out[400];
    struct tl_buf text;

    tl_buf_init(&text, 0);
    if (rolled_back)
        OK(tl_store_rolled_back(store, id, see_range, &text, err));
    else
        OK(tl_store_ranges(store, id, see_range, &text, err));
    snprintf(out, sizeof out, "%.*s", TL_SV_ARG(tl_buf_sv(&text)));
    tl_buf_done(&text);
    return out;
}

static int64_t publish_one(struct tl_store *store, int64_t id, int64_t from_ms, int64_t to_ms, int64_t hits, int64_t at_ms)
{
    int64_t run = store_run(store, "nightly");

    stage_one(store, run, id, from_ms, to_ms, hits);
    OK(tl_store_publish(store, run, at_ms, err));
    return run;
}

static enum tl_run_state state_of(struct tl_store *store, int64_t run);

static enum tl_code see_state(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    (void)err;
    *(enum tl_run_state *)ctx = run->state;
    return TL_OK;
}

static enum tl_run_state state_of(struct tl_store *store, int64_t run)
{
    enum tl_run_state state = TL_RUN_STAGED;

    OK(tl_store_run(store, run, see_state, &state, err));
    return state;
}

static void the_pointer_is_what_it_was(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run;

    publish_one(store, id, 0, 10, 1, 100);
    run = store_run(store, "two days");
    stage_one(store, run, id, 10, 20, 2);
    stage_one(store, run, id, 20, 30, 3);
    OK(tl_store_publish(store, run, 200, err));
    publish_one(store, id, 10, 20, 22, 300);
    publish_one(store, id, 30, 40, 4, 400);
    run = store_run(store, "one span instead of days");
    stage_one(store, run, id, 0, 40, 5);
    OK(tl_store_publish(store, run, 500, err));
    expect(MERGED(store, "hits"), "30 40 b 5 batch 1\n");
    expect(undo(store, 0, 600), "5 of run 5\n");
    expect(ranges_of(store, id, false), "(0,10] 1\n(10,20] 3\n(20,30] 2\n(30,40] 4\n");
    expect(ranges_of(store, id, true), "(0,40] 5\n");
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n20 30 b 3 batch 1\n30 40 b 4 batch 1\n");
    cr_assert_eq(state_of(store, run), TL_RUN_ROLLED_BACK);
    FAILS(TL_ERR_NOT_FOUND, "run 5 is rolled back", tl_store_unpublish(store, 5, "", 1, see_undone, NULL, err));
    FAILS(TL_ERR_NOT_FOUND, "no run 99", tl_store_unpublish(store, 99, "", 1, see_undone, NULL, err));
    FAILS(TL_ERR_NOT_FOUND, "rolled back", tl_store_publish(store, run, 700, err));
    expect(undo(store, 3, 700), "4 of run 4\n3 of run 3\n");
    expect(ranges_of(store, id, false), "(0,10] 1\n(10,20] 2\n(20,30] 2\n");
    cr_assert_eq(about(store, id).boundary_ms, 30);
    /* What is published over a range that was rolled back makes good for it. */
    expect(ranges_of(store, id, true), "(0,40] 5\n(10,20] 3\n(30,40] 4\n");
    run = publish_one(store, id, 10, 20, 7, 800);
    expect(ranges_of(store, id, true), "(30,40] 4\n");
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 7 batch 1\n20 30 b 3 batch 1\n");
    expect(undo(store, 1, 900), "6 of run 6\n2 of run 2\n1 of run 1\n");
    expect(MERGED(store, "hits"), "");
    cr_assert_eq(about(store, id).boundary_ms, MIN_MS);
    FAILS(TL_ERR_NOT_FOUND, "no publication is left", tl_store_unpublish(store, 0, "", 1, see_undone, NULL, err));
    tl_store_close(store);
}

static void seal_upto(struct tl_store *store, const char *topic, int64_t upto_ms)
{
    OK(tl_store_begin(store, err));
    OK(tl_store_seal(store, tl_sv_from(topic), upto_ms, 1000, err));
    OK(tl_store_commit(store, err));
}

/* As batch does it: the range says how many rows it has. */
static int64_t publish_row(struct tl_store *store, int64_t id, int64_t from_ms, int64_t to_ms, int64_t hits, int64_t at_ms)
{
    int64_t run = store_run(store, "nightly");
    const struct tl_run_range range = {.run = run, .from_ms = from_ms, .to_ms = to_ms, .rows_count = 1};

    store_stage(store, run, id, to_ms - 10, to_ms, "b", hits);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, id, &range, err));
    OK(tl_store_stage_offset(store, run, TL_SV("evening.import"), 0, 7, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_publish(store, run, at_ms, err));
    return run;
}

/* The record has lost events of what was published there, so nobody could compute it again. */
static void what_is_sealed_is_not_undone(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), all;

    publish_row(store, id, MIN_MS, 10, 1, 100);
    publish_row(store, id, 10, 20, 2, 200);
    all = publish_row(store, id, 10, 20, 3, 300);
    publish_row(store, id, 20, 30, 4, 400);
    seal_upto(store, "other", 1000);
    expect(undo(store, 0, 500), "4 of run 4\n");
    seal_upto(store, "events", 20);
    publish_row(store, id, 20, 30, 4, 600);
    expect(undo(store, 0, 700), "5 of run 5\n");
    FAILS(TL_ERR_LIMIT, "what run 3 has published up to 1970-01-01T00:00:00.020Z could not be had again: these days are sealed",
          tl_store_unpublish(store, 0, "", 800, see_undone, NULL, err));
    FAILS(TL_ERR_LIMIT, "sealed", tl_store_unpublish(store, 1, "", 800, see_undone, NULL, err));
    cr_assert_eq(state_of(store, all), TL_RUN_PUBLISHED);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 3 batch 1\n");
    tl_store_close(store);
}

/* A definition that came when the days were sealed has nothing there. */
static void what_is_sealed_and_empty_can_be_undone(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "1");

    seal_upto(store, "events", 20);
    store_stage_range(store, run, id, MIN_MS, 20);
    stage_one(store, run, id, 20, 30, 4);
    OK(tl_store_publish(store, run, 100, err));
    expect(undo(store, 0, 500), "1 of run 1\n");
    tl_store_close(store);
}

/* Its topics are those that its runs have read. */
static void a_pattern_is_sealed_with_its_topics(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("hits", 'p');
    int64_t id;

    shape.by_pattern = true;
    shape.topic = TL_SV("eve.*");
    id = define(store, shape);
    publish_row(store, id, MIN_MS, 10, 1, 100);
    seal_upto(store, "eve.*", 20);
    expect(undo(store, 0, 200), "1 of run 1\n");
    publish_row(store, id, MIN_MS, 10, 1, 300);
    seal_upto(store, "evening", 20);
    FAILS(TL_ERR_LIMIT, "sealed", tl_store_unpublish(store, 0, "", 400, see_undone, NULL, err));
    tl_store_close(store);
}

/* Where the boundary steps back, speed serves again, if it still can. */
static void speed_serves_what_is_uncovered(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), change;

    for (int64_t end = 10; end <= 30; end += 10)
        store_put_speed(store, epoch, id, end - 10, end, "s", end);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_final(store, id, 30, err));
    OK(tl_store_commit(store, err));
    publish_one(store, id, 0, 10, 1, 100);
    publish_one(store, id, 10, 20, 2, 200);
    publish_one(store, id, 20, 30, 3, 300);
    undo(store, 0, 400);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 2 batch 1\n20 30 s 30 speed 1\n");
    OK(tl_store_prune_speed(store, id, 150, err)); /* what was published before 150: up to 10 */
    undo(store, 0, 400);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 s 20 speed 1\n20 30 s 30 speed 1\n");
    FAILS(TL_ERR_LIMIT, "rows are gone up to 1970-01-01T00:00:00.010Z",
          tl_store_unpublish(store, 0, "", 1, see_undone, NULL, err));
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 s 20 speed 1\n20 30 s 30 speed 1\n");
    cr_assert_eq(about(store, id).boundary_ms, 10);
    cr_assert_eq(state_of(store, 1), TL_RUN_PUBLISHED);
    tl_store_close(store);
}

/* Two publications of sessions, the first with what it carries over 20; then speed's rows go that batch has taken over by the first. */
static struct tl_store *publish_sessions(const struct store_backend *backend, bool split)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1"), change;

    store_put_speed(store, epoch, id, 5, 26, "same", 1);
    if (split) {
        store_put_speed(store, epoch, id, 0, 10, "split", 2);
        store_put_speed(store, epoch, id, 9, 30, "split", 3);
        store_stage_open(store, run, id, 20, 0, "split");
    }
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_final(store, id, 30, err));
    OK(tl_store_commit(store, err));
    store_stage_open(store, run, id, 20, 5, "same");
    store_stage_range(store, run, id, MIN_MS, 20);
    OK(tl_store_publish(store, run, 100, err));
    run = store_run(store, "2");
    store_stage(store, run, id, 5, 26, "same", 101);
    if (split)
        store_stage(store, run, id, 0, 30, "split", 102);
    store_stage_range(store, run, id, 20, 40);
    OK(tl_store_publish(store, run, 200, err));
    OK(tl_store_prune_speed(store, id, 150, err));
    return store;
}

/* Where a key's cut steps back, below the boundary of then, speed serves what lies above it, if it still can. */
static void speed_serves_what_lies_above_a_cut(const struct store_backend *backend)
{
    struct tl_store *store = publish_sessions(backend, false);
    struct tl_buf undone;

    tl_buf_init(&undone, 0);
    expect(MERGED(store, "visits"), "5 26 same 101 batch 1\n");
    undo(store, 0, 400);
    expect(MERGED(store, "visits"), "5 26 same 1 speed 1\n");
    tl_store_close(store);
    store = publish_sessions(backend, true);
    expect(MERGED(store, "visits"), "5 26 same 101 batch 1\n0 30 split 102 batch 1\n");
    FAILS(TL_ERR_LIMIT, "rows are gone up to 1970-01-01T00:00:00.020Z",
          tl_store_unpublish(store, 0, "", 400, see_undone, &undone, err));
    expect(MERGED(store, "visits"), "5 26 same 101 batch 1\n0 30 split 102 batch 1\n");
    tl_buf_done(&undone);
    tl_store_close(store);
}

static void superseded_rows_go_when_no_rollback_may_want_them(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "1: two days");
    struct tl_ledger_line line = {.offset = 1, .cause = TL_CAUSE_DUPLICATE, .event_time_ms = 15};
    struct tl_run_range open = {.run = run, .from_ms = 10, .to_ms = 20, .rows_count = 1, .carry = TL_SV("open")};
    uint64_t counts[TL_CAUSES];
    struct tl_buf carry;

    stage_one(store, run, id, 0, 10, 1);
    stage_one(store, run, id, 10, 20, 2);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, id, &open, err));
    OK(tl_store_put_ledger(store, id, run, &line, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_publish(store, run, 100, err));
    publish_one(store, id, 10, 20, 22, 200);
    publish_one(store, id, 10, 20, 222, 300);
    OK(tl_store_prune_superseded(store, 200, err));
    undo(store, 0, 400);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n");
    publish_one(store, id, 10, 20, 2222, 500);
    OK(tl_store_prune_superseded(store, 250, err)); /* what was superseded at 200 goes: the second day of run 1 */
    OK(tl_store_ledger_counts(store, id, 1, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 0);
    tl_buf_init(&carry, 0);
    OK(tl_store_staged_carry(store, run, id, 10, &carry, err));
    cr_assert_eq(carry.size, 0, "the carry is kept");
    tl_buf_done(&carry);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 2222 batch 1\n");
    undo(store, 0, 600);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n");
    FAILS(TL_ERR_LIMIT, "rows of run 1 would be shown again, and they are gone",
          tl_store_unpublish(store, 0, "", 1, see_undone, NULL, err));
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n");
    OK(tl_store_prune_superseded(store, 601, err)); /* those that were rolled back by then too */
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 22 batch 1\n");
    tl_store_close(store);
}

/* A definition that has replaced another one is not rolled back to nothing. */
static void the_first_publication_of_a_new_definition_stays(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), next;
    bool swapped = false;

    publish_one(store, id, 0, 10, 1, 100);
    next = define(store, store_windowed("hits", 'b'));
    publish_one(store, next, 0, 10, 2, 200);
    OK(tl_store_swap(store, next, 0, &swapped, err));
    cr_assert(swapped);
    FAILS(TL_ERR_LIMIT, "the definition before it is gone", tl_store_unpublish(store, 0, "", 1, see_undone, NULL, err));
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n");
    publish_one(store, next, 0, 10, 3, 300);
    undo(store, 0, 400);
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n");
    tl_store_close(store);
}

static void a_stage_is_taken_back_range_by_range(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "killed");
    struct tl_run_range range = {.run = run, .from_ms = 0, .to_ms = 10, .carry = TL_SV("open"), .carry_in = 7};
    struct tl_ledger_line lines[] = {
        {.offset = 1, .cause = TL_CAUSE_DUPLICATE,    .event_time_ms = 5     },
        {.offset = 2, .cause = TL_CAUSE_DUPLICATE,    .event_time_ms = 15    },
        {.offset = 3, .cause = TL_CAUSE_JSON_BAD_ROW, .event_time_ms = MIN_MS}
    };
    uint64_t counts[TL_CAUSES];
    struct tl_buf carry;

    store_stage(store, run, id, 0, 10, "b", 1);
    store_stage(store, run, id, 10, 20, "b", 2); /* of a range that is not whole */
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, id, &range, err));
    OK(tl_store_put_ledger(store, id, run, lines, 3, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_unstage(store, run, id, 10, MAX_MS, err));
    OK(tl_store_unstage(store, run, id, MIN_MS, 0, err));
    OK(tl_store_ledger_counts(store, id, run, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 1);
    cr_assert_eq(counts[TL_CAUSE_JSON_BAD_ROW], 1);
    tl_buf_init(&carry, 0);
    OK(tl_store_staged_carry(store, run, id, 0, &carry, err));
    cr_assert(tl_sv_eq(tl_buf_sv(&carry), TL_SV("open")));
    tl_buf_done(&carry);
    stage_one(store, run, id, 10, 20, 3);
    OK(tl_store_publish(store, run, 5, err));
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 b 3 batch 1\n");
    tl_store_close(store);
}

static int64_t first_kept(struct tl_store *store, int64_t id)
{
    int64_t from_ms = 0;

    OK(tl_store_first_kept(store, id, &from_ms, err));
    return from_ms;
}

/* What a check keeps back is not published with the rest, but may be later; when its rows have gone it cannot any more. */
static void a_blocked_range_goes_out_later_or_never(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "two days");
    const struct tl_acceptance by = {TL_SV("volume"), TL_SV("ann@web1"), TL_SV("a holiday")};

    for (int time = 0; time < 2; time++) {
        if (time == 1)
            run = store_run(store, "again");
        stage_one(store, run, id, 0, 10, 1 + time);
        stage_one(store, run, id, 10, 20, 10);
        OK(tl_store_begin(store, err));
        OK(tl_store_keep_back(store, run, id, 10, TL_KEPT_CHECK, err));
        OK(tl_store_commit(store, err));
        OK(tl_store_publish(store, run, 100, err));
        expect(MERGED(store, "hits"), time == 0 ? "0 10 b 1 batch 1\n" : "0 10 b 2 batch 1\n10 20 b 10 batch 1\n");
        cr_assert_eq(first_kept(store, id), 10);
        cr_assert_eq(first_kept(store, id + 1), MAX_MS);
        if (time == 1) {
            OK(tl_store_prune_superseded(store, 101, err)); /* nobody has accepted it meanwhile */
            cr_assert_eq(first_kept(store, id), MAX_MS);
        }
        OK(tl_store_begin(store, err));
        OK(tl_store_keep_back(store, run, id, 10, TL_KEPT_NOT, err));
        OK(tl_store_commit(store, err));
        OK(tl_store_publish_as(store, run, &by, 200, err));
        cr_assert_eq(first_kept(store, id), MAX_MS);
        expect(MERGED(store, "hits"),
               time == 0 ? "0 10 b 1 batch 1\n10 20 b 10 batch 1\n" : "0 10 b 2 batch 1\n10 20 b 10 batch 1\n");
    }
    FAILS(TL_ERR_LIMIT, "rows of run 1", tl_store_unpublish(store, 2, "", 300, see_undone, NULL, err));
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(what_is_sealed_is_not_undone),
    CHECK(what_is_sealed_and_empty_can_be_undone),
    CHECK(a_pattern_is_sealed_with_its_topics),
    CHECK(the_pointer_is_what_it_was),
    CHECK(speed_serves_what_is_uncovered),
    CHECK(speed_serves_what_lies_above_a_cut),
    CHECK(superseded_rows_go_when_no_rollback_may_want_them),
    CHECK(the_first_publication_of_a_new_definition_stays),
    CHECK(a_stage_is_taken_back_range_by_range),
    CHECK(a_blocked_range_goes_out_later_or_never),
};

STORE_SUITE(store_rollback)
