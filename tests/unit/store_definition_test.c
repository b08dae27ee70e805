/* store_definition_test.c: definitions in every kind of store: found again, built beside, swapped in. */
#include "support/store_checks.h"

static void definitions_are_found_again(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("hits", 'a');
    const struct tl_definition *list = NULL;
    struct tl_definition active = {0};
    int64_t id = 0, again = 0;
    size_t count = 0;

    FAILS(TL_ERR_NOT_FOUND, "nor any other", tl_store_active(store, TL_SV("hits"), &active, err));
    OK(tl_store_define(store, &shape, &id, err));
    OK(tl_store_define(store, &shape, &again, err));
    cr_assert_eq(id, again);
    tl_store_close(store);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &again, err));
    cr_assert_eq(id, again);
    OK(tl_store_active(store, TL_SV("hits"), &active, err));
    cr_assert_eq(active.id, id);
    cr_assert_eq(active.state, TL_DEFINITION_ACTIVE);
    cr_assert_str_eq(active.hash, shape.hash);
    cr_assert(tl_sv_eq(active.topic, TL_SV("events")));
    cr_assert(tl_sv_eq(active.normalised, TL_SV("SELECT 1")));
    FAILS(TL_ERR_NOT_FOUND, "there are: hits", tl_store_active(store, TL_SV("nope"), &active, err));
    define(store, store_windowless("bots", 'b'));
    OK(tl_store_definitions(store, &list, &count, err));
    cr_assert_eq(count, 2);
    cr_assert(tl_sv_eq(list[0].view, TL_SV("hits")));
    cr_assert(tl_sv_eq(list[1].view, TL_SV("bots")));
    tl_store_close(store);
}

static void a_new_definition_is_swapped_in(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *reader = store_open(url, TL_STORE_READ);
    int64_t old = hits(store), epoch = store_epoch(store), run = store_run(store, "old"), fresh_id, change, stale;
    struct tl_position position = {.next_offset = 5};
    struct tl_ledger_line line = {.offset = 1, .cause = TL_CAUSE_LATE_DROP};
    const struct tl_definition *list;
    struct tl_definition gone = {0};
    uint64_t counts[TL_CAUSES];
    bool swapped = true;
    size_t count;

    store_put_speed(store, epoch, old, 10, 20, "old", 1);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_position(store, old, &position, err));
    OK(tl_store_put_ledger(store, old, 0, &line, 1, err));
    OK(tl_store_commit(store, err));
    stage_one(store, run, old, 0, 10, 1);
    OK(tl_store_publish(store, run, 1, err));

    stale = define(store, store_windowed("hits", 'b')); /* changed once more before it was ready */
    fresh_id = define(store, store_windowed("hits", 'c'));
    cr_assert_eq(about(store, fresh_id).state, TL_DEFINITION_BUILDING);
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n");
    store_put_speed(store, epoch, fresh_id, 10, 20, "new", 2);
    OK(tl_store_swap(store, fresh_id, 0, &swapped, err));
    cr_assert(!swapped, "neither ready nor published");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ready(store, fresh_id, err));
    OK(tl_store_put_dedup(store, fresh_id, TL_SV("events"), 0, 1, 1, TL_SV("x"), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_swap(store, fresh_id, 0, &swapped, err));
    cr_assert(!swapped, "not published as far");
    run = store_run(store, "new");
    stage_one(store, run, fresh_id, 0, 10, 2);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n");

    OK(tl_store_begin_read(reader, err)); /* it has been told what tables are called, and has looked at none of them yet */
    swapped = false;
    if (backend->reader_holds_names)
        FAILS(TL_ERR_BUSY, "locked", tl_store_swap(store, fresh_id, epoch, &swapped, err));
    else
        OK(tl_store_swap(store, fresh_id, epoch, &swapped, err));
    cr_assert_eq(swapped, !backend->reader_holds_names);
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n"); /* its snapshot */
    OK(tl_store_commit(reader, err));
    if (!swapped)
        OK(tl_store_swap(store, fresh_id, 0, &swapped, err));
    cr_assert(swapped);
    expect(MERGED(reader, "hits"), "0 10 b 2 batch 1\n10 20 new 2 speed 0\n");
    expect(store_answer(reader, "hits", TL_LAYER_BATCH, MIN_MS, MAX_MS), "0 10 b 2 batch 1\n");
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n10 20 new 2 speed 0\n");
    store_put_speed(store, epoch, fresh_id, 10, 20, "new", 3); /* through the statement that knew the other name */
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n10 20 new 3 speed 0\n");
    OK(tl_store_definition(store, old, &gone, err));
    cr_assert_eq(gone.state, TL_DEFINITION_RETIRED);
    OK(tl_store_definition(store, stale, &gone, err));
    cr_assert_eq(gone.state, TL_DEFINITION_RETIRED);
    OK(tl_store_ledger_counts(store, old, 0, counts, err));
    cr_assert_eq(counts[TL_CAUSE_LATE_DROP], 0);
    expect_ids(store, fresh_id, "");
    OK(tl_store_definitions(store, &list, &count, err));
    cr_assert_eq(count, 1);
    cr_assert_eq(list[0].id, fresh_id);
    OK(tl_store_swap(store, fresh_id, 0, &swapped, err));
    cr_assert(!swapped, "it is the active one already");
    FAILS(TL_ERR_NOT_FOUND, "has been replaced", tl_store_swap(store, old, 0, &swapped, err));
    OK(tl_store_begin(store, err));
    {
        struct store_rows rows;

        store_rows_init(&rows, true, 1);
        store_rows_add(&rows, 0, 1, "x", 1);
        FAILS(TL_ERR_NOT_FOUND, "has been replaced", tl_store_put_speed_rows(store, old, &rows.rows, 1, err));
        store_rows_done(&rows);
    }
    tl_store_rollback(store);
    cr_assert_gt(define(store, store_windowed("hits", 'a')), fresh_id, "one that comes back is registered anew");
    tl_store_close(reader);
    tl_store_close(store);
}

/* Whoever was taken over swaps nothing, and what is not ready locks nobody out. */
static void only_the_owner_swaps(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *other = store_open(url, TL_STORE_WRITE);
    int64_t old = hits(store), epoch = store_epoch(store), fresh_id, change;
    struct tl_position position = {.next_offset = 5};
    struct tl_epoch theirs, now;
    bool swapped = true;

    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_position(store, old, &position, err));
    OK(tl_store_commit(store, err));
    fresh_id = define(store, store_windowed("hits", 'b'));
    if (backend->reader_holds_names) { /* SQLite knows one who writes, and he waits for nobody who reads */
        enum tl_code rc;

        OK(tl_store_begin(other, err));
        rc = tl_store_swap(store, fresh_id, epoch, &swapped, NULL);
        tl_store_rollback(other);
        cr_assert(rc == TL_OK && !swapped, "it is not ready, and that is all there is to say: code %d", (int)rc);
    }
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ready(store, fresh_id, err));
    OK(tl_store_commit(store, err));
    swapped = false;
    OK(tl_store_take_epoch(other, "host b", NULL, &theirs, err));
    FAILS(TL_ERR_FENCED, "host b", tl_store_swap(store, fresh_id, epoch, &swapped, err));
    cr_assert(!swapped);
    cr_assert_eq(about(other, old).state, TL_DEFINITION_ACTIVE);
    OK(tl_store_challenge(store, &change, err));
    OK(tl_store_swap(other, fresh_id, theirs.epoch, &swapped, err));
    cr_assert(swapped);
    OK(tl_store_epoch(store, &now, err));
    cr_assert_eq(now.answer, change, "it shows itself, as in a tick");
    tl_store_close(other);
    tl_store_close(store);
}

/* What a run staged for a definition that was replaced meanwhile is no matter. */
static void a_run_outlives_a_definition(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t old = hits(store), run, other;
    bool swapped = false;

    run = store_run(store, "long");
    stage_one(store, run, old, 0, 10, 1);
    other = define(store, store_windowed("hits", 'b'));
    stage_one(store, run, other, 0, 10, 2);
    OK(tl_store_swap(store, other, 0, &swapped, err));
    cr_assert(swapped);
    OK(tl_store_publish(store, run, 5, err));
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n");
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(definitions_are_found_again),
    CHECK(a_new_definition_is_swapped_in),
    CHECK(only_the_owner_swaps),
    CHECK(a_run_outlives_a_definition),
};

STORE_SUITE(store_definition)
