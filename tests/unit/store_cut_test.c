/* store_cut_test.c: sessions are cut per key in every kind of store: each event is served once, in random histories too. */
#include "support/chance.h"
#include "support/session_history.h"
#include "support/store_checks.h"

static enum tl_code see_stored(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%lld %lld %lld\n", (long long)row->start_ms, (long long)row->end_ms, (long long)row->columns[3].i64);
    return TL_OK;
}

static void expect_stored(struct tl_store *store, int64_t id, int64_t from_ms, int64_t to_ms, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_rows(store, id, TL_LAYER_BATCH, from_ms, to_ms, see_stored, &text, err));
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
}

static void sessions_are_cut_per_key(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1");

    /* The drawing of cut.h, and keys that agree, cross by one layer only, or touch the boundary. */
    store_put_speed(store, epoch, id, 0, 10, "drawing", 1);
    store_put_speed(store, epoch, id, 5, 15, "drawing", 2);
    store_put_speed(store, epoch, id, 0, 5, "agrees", 3);
    store_put_speed(store, epoch, id, 20, 25, "agrees", 4);
    store_put_speed(store, epoch, id, 0, 12, "at the boundary", 5);
    store_put_speed(store, epoch, id, 12, 13, "from the boundary", 6);
    store_put_speed(store, epoch, id, 8, 14, "over a batch row", 7);
    store_put_speed(store, epoch, id, 1, 3, "over a batch row", 8);
    expect(
        MERGED(store, "visits"),
        "1 3 over a batch row 8 speed 0\n0 5 agrees 3 speed 0\n0 10 drawing 1 speed 0\n0 12 at the boundary 5 speed 0\n"
        "12 13 from the boundary 6 speed 0\n8 14 over a batch row 7 speed 0\n5 15 drawing 2 speed 0\n20 25 agrees 4 speed 0\n");
    store_stage(store, run, id, 0, 5, "agrees", 103);
    store_stage(store, run, id, 2, 10, "over a batch row", 107);
    store_stage_open(store, run, id, 12, 0, "drawing");
    store_stage_open(store, run, id, 12, 0, "at the boundary");
    store_stage_range(store, run, id, MIN_MS, 12);
    OK(tl_store_publish(store, run, 1, err));
    expect(
        MERGED(store, "visits"),
        "1 3 over a batch row 8 speed 0\n0 5 agrees 103 batch 1\n0 10 drawing 1 speed 0\n0 12 at the boundary 5 speed 0\n"
        "12 13 from the boundary 6 speed 0\n8 14 over a batch row 7 speed 0\n5 15 drawing 2 speed 0\n20 25 agrees 4 speed 0\n");
    expect(store_answer(store, "visits", TL_LAYER_MERGED, 5, 12), "0 10 drawing 1 speed 0\n0 12 at the boundary 5 speed 0\n");
    expect(store_answer(store, "visits", TL_LAYER_BATCH, MIN_MS, MAX_MS),
           "0 5 agrees 103 batch 1\n2 10 over a batch row 107 batch 1\n");
    /* The next publication lies behind what was carried: the cuts rise. */
    run = store_run(store, "2");
    store_stage(store, run, id, 0, 15, "drawing", 101);
    store_stage(store, run, id, 0, 12, "at the boundary", 105);
    store_stage(store, run, id, 8, 14, "over a batch row", 107);
    store_stage_range(store, run, id, 12, 18);
    OK(tl_store_publish(store, run, 1, err));
    /* Of [12, 18): what ends at 12 was carried into it. */
    expect(store_answer(store, "visits", TL_LAYER_BATCH, 10, 12), "0 12 at the boundary 105 batch 1\n");
    expect_stored(store, id, 10, 12, "0 12 105\n");
    expect_stored(store, id, 12, 14, "8 14 107\n");
    expect(MERGED(store, "visits"),
           "0 5 agrees 103 batch 1\n2 10 over a batch row 107 batch 1\n0 12 at the boundary 105 batch 1\n"
           "8 14 over a batch row 107 batch 1\n0 15 drawing 101 batch 1\n20 25 agrees 4 speed 0\n");
    tl_store_close(store);
}

static void ticks_lower_cuts_and_never_raise_them(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1");

    store_stage(store, run, id, 0, 5, "a", 100);
    store_stage(store, run, id, 6, 9, "a", 101);
    store_stage(store, run, id, 0, 9, "b", 102);
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    store_put_speed(store, epoch, id, 7, 8, "a", 1); /* crosses nothing: batch serves what lies there */
    expect(MERGED(store, "visits"), "0 5 a 100 batch 1\n0 9 b 102 batch 1\n6 9 a 101 batch 1\n");
    store_put_speed(store, epoch, id, 8, 12, "a", 2); /* crosses B, then batch's [6, 9) */
    expect(MERGED(store, "visits"), "0 5 a 100 batch 1\n7 8 a 1 speed 0\n0 9 b 102 batch 1\n8 12 a 2 speed 0\n");
    store_put_speed(store, epoch, id, 4, 7, "a", 3); /* crosses the cut at 6, then [0, 5) */
    expect(MERGED(store, "visits"), "4 7 a 3 speed 0\n7 8 a 1 speed 0\n0 9 b 102 batch 1\n8 12 a 2 speed 0\n");
    drop_speed(store, epoch, id, 8, 12, "a");
    drop_speed(store, epoch, id, 4, 7, "a");
    expect(MERGED(store, "visits"), "7 8 a 1 speed 0\n0 9 b 102 batch 1\n");
    store_put_speed(store, epoch, id, 10, 20, "b", 4);
    expect(MERGED(store, "visits"), "7 8 a 1 speed 0\n0 9 b 102 batch 1\n10 20 b 4 speed 0\n");
    /* A publication finds what holds now, also where it moves no boundary. */
    run = store_run(store, "2");
    store_stage(store, run, id, 0, 9, "a", 103);
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "visits"), "0 9 a 103 batch 1\n10 20 b 4 speed 0\n");
    tl_store_close(store);
}

/* An older day published again leaves the boundary to the run that published it, and so what is carried over it. */
static void carried_sessions_stay_with_their_range(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1"), failed;

    store_put_speed(store, epoch, id, 18, 25, "a", 1);
    store_put_speed(store, epoch, id, 16, 17, "a", 2);
    store_stage_range(store, run, id, MIN_MS, 10);
    store_stage_range(store, run, id, 10, 20);
    store_stage_open(store, run, id, 20, 17, "a");
    store_stage_open(store, run, id, 20, 15, "a"); /* the earliest counts */
    store_stage_open(store, run, id, 10, 3, "a");  /* of an end that is no boundary */
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "visits"), "16 17 a 2 speed 0\n18 25 a 1 speed 0\n");
    run = store_run(store, "2");
    store_stage(store, run, id, 0, 5, "a", 100);
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "visits"), "0 5 a 100 batch 1\n16 17 a 2 speed 0\n18 25 a 1 speed 0\n");
    failed = store_run(store, "3");
    store_stage_range(store, failed, id, 10, 20);
    store_stage_open(store, failed, id, 20, 1, "a");
    OK(tl_store_discard_staged(store, err));
    run = store_run(store, "4"); /* carries nothing: the session that was open has been rejected */
    store_stage_range(store, run, id, 10, 20);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "visits"), "0 5 a 100 batch 1\n18 25 a 1 speed 0\n");
    tl_store_close(store);
}

static void rows_that_are_served_are_not_pruned(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1");

    store_put_speed(store, epoch, id, 0, 2, "a", 1);
    store_put_speed(store, epoch, id, 3, 6, "a", 2);
    store_put_speed(store, epoch, id, 5, 12, "a", 3);
    store_put_speed(store, epoch, id, 3, 6, "b", 4);
    store_stage(store, run, id, 0, 2, "a", 100);
    store_stage(store, run, id, 3, 6, "b", 101);
    store_stage_open(store, run, id, 10, 3, "a");
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    OK(tl_store_begin(store, err));
    OK(tl_store_put_final(store, id, MAX_MS, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    expect(store_answer(store, "visits", TL_LAYER_SPEED, MIN_MS, MAX_MS), "3 6 a 2 speed 1\n5 12 a 3 speed 1\n");
    expect(MERGED(store, "visits"), "0 2 a 100 batch 1\n3 6 a 2 speed 1\n3 6 b 101 batch 1\n5 12 a 3 speed 1\n");
    tl_store_close(store);
}

enum { HISTORY_KEYS = 12 };

struct crowd {
    struct tl_store *store;
    int64_t id, epoch;
    uint32_t key_tail_bytes;
    struct history histories[HISTORY_KEYS];
    struct history_row served[HISTORY_KEYS][4 * HISTORY_EVENTS_MAX];
    size_t served_count[HISTORY_KEYS];
};

static void crowd_add(const struct crowd *crowd, struct store_rows *rows, int key, const struct history_rows *list)
{
    char host[8];

    snprintf(host, sizeof host, "%c", 'a' + key);
    for (size_t i = 0; i < list->count; i++) {
        store_rows_add(rows, list->list[i].start_ms, list->list[i].end_ms, host, (int64_t)list->list[i].events);
        if (crowd->key_tail_bytes != 0)
            store_rows_add_tail(rows);
    }
}

static void crowd_tick(struct crowd *crowd, struct chance *chance)
{
    struct store_rows put, gone;
    int64_t change;

    store_rows_init(&put, true, HISTORY_KEYS);
    store_rows_init(&gone, true, HISTORY_KEYS * HISTORY_EVENTS_MAX);
    for (int key = 0; key < HISTORY_KEYS; key++)
        if (chance_below(chance, 2) == 0 && history_arrive(&crowd->histories[key])) {
            crowd_add(crowd, &put, key, &crowd->histories[key].changed_put);
            crowd_add(crowd, &gone, key, &crowd->histories[key].changed_gone);
        }
    OK(tl_store_begin_tick(crowd->store, crowd->epoch, &change, err));
    OK(tl_store_drop_speed_rows(crowd->store, crowd->id, &gone.rows, err));
    OK(tl_store_put_speed_rows(crowd->store, crowd->id, &put.rows, change, err));
    OK(tl_store_commit(crowd->store, err));
    store_rows_done(&put);
    store_rows_done(&gone);
}

/* In one range or two. */
static void crowd_publish(struct crowd *crowd, struct chance *chance)
{
    int64_t run = store_run(crowd->store, "random"), boundary_ms = history_next_boundary(&crowd->histories[0], chance);
    struct store_rows rows, open;

    store_rows_init(&rows, true, HISTORY_KEYS * HISTORY_EVENTS_MAX);
    store_rows_init(&open, true, HISTORY_KEYS * HISTORY_EVENTS_MAX);
    for (int key = 0; key < HISTORY_KEYS; key++) {
        history_publish(&crowd->histories[key], boundary_ms);
        crowd_add(crowd, &rows, key, &crowd->histories[key].batch);
        crowd_add(crowd, &open, key, &crowd->histories[key].carried);
    }
    OK(tl_store_begin(crowd->store, err));
    OK(tl_store_stage_rows(crowd->store, run, crowd->id, &rows.rows, err));
    OK(tl_store_stage_open(crowd->store, run, crowd->id, boundary_ms, &open.rows, err));
    OK(tl_store_commit(crowd->store, err));
    if (chance_below(chance, 2) == 0) {
        store_stage_range(crowd->store, run, crowd->id, MIN_MS, boundary_ms - 10);
        store_stage_range(crowd->store, run, crowd->id, boundary_ms - 10, boundary_ms);
    } else {
        store_stage_range(crowd->store, run, crowd->id, MIN_MS, boundary_ms);
    }
    OK(tl_store_publish(crowd->store, run, 1, err));
    store_rows_done(&rows);
    store_rows_done(&open);
}

static enum tl_code crowd_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct crowd *crowd = ctx;
    int key = values[2].sv.data[0] - 'a';

    (void)err;
    cr_assert_eq(count, 6);
    cr_assert(crowd->served_count[key] < TL_COUNT(crowd->served[key]));
    crowd->served[key][crowd->served_count[key]++] = (struct history_row){values[0].i64, values[1].i64, (uint64_t)values[3].i64};
    return TL_OK;
}

static void crowd_check(struct crowd *crowd, const struct chance *chance)
{
    struct tl_query query = {.view = TL_SV("visits"), .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};

    memset(crowd->served_count, 0, sizeof crowd->served_count);
    OK(tl_store_query(crowd->store, &query, any_head, crowd_row, crowd, err));
    for (int key = 0; key < HISTORY_KEYS; key++) {
        struct history_balance balance = history_weigh(&crowd->histories[key], crowd->served[key], crowd->served_count[key]);

        cr_assert(balance.lost == 0 && balance.doubled == 0, "key %c, boundary %lld: %d lost, %d doubled; TALLY_SEED=%llu",
                  'a' + key, (long long)crowd->histories[key].boundary_ms, balance.lost, balance.doubled,
                  (unsigned long long)chance->seed);
    }
}

static void each_event_of_a_session_is_served_once(const struct store_backend *backend)
{
    struct chance chance = chance_open("each_event_of_a_session_is_served_once");

    for (int round = 0; round < 16; round++) {
        struct crowd crowd = {.store = fresh(backend), .key_tail_bytes = round % 2 == 0 ? 0 : STORE_TAIL_BYTES};

        crowd.id = define(crowd.store, store_sessions("visits", 'a', crowd.key_tail_bytes));
        crowd.epoch = store_epoch(crowd.store);
        for (int key = 0; key < HISTORY_KEYS; key++)
            history_open(&crowd.histories[key], &chance, round % 4 < 2 ? 0 : 10);
        for (int step = 0; step < 40; step++) {
            if (chance_below(&chance, 4) == 0)
                crowd_publish(&crowd, &chance);
            else
                crowd_tick(&crowd, &chance);
            crowd_check(&crowd, &chance);
        }
        /* What is pruned was served by nobody. */
        OK(tl_store_begin(crowd.store, err));
        OK(tl_store_put_final(crowd.store, crowd.id, MAX_MS, err));
        OK(tl_store_commit(crowd.store, err));
        OK(tl_store_prune_speed(crowd.store, crowd.id, MAX_MS, err));
        crowd_check(&crowd, &chance);
        tl_store_close(crowd.store);
    }
}

static const struct store_check checks[] = {
    CHECK(sessions_are_cut_per_key),
    CHECK(ticks_lower_cuts_and_never_raise_them),
    CHECK(carried_sessions_stay_with_their_range),
    CHECK(rows_that_are_served_are_not_pruned),
    CHECK(each_event_of_a_session_is_served_once),
};

STORE_SUITE(store_cut)
