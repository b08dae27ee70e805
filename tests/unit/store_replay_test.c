/* store_replay_test.c: speed's tables made anew beside those that serve, and put in their place, in every kind of store. */
#include "support/store_checks.h"

static void read_on(struct tl_store *store, int64_t epoch, int64_t definition, int64_t next_offset)
{
    const struct tl_position position = {.next_offset = next_offset};
    int64_t change;

    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_position(store, definition, &position, err));
    OK(tl_store_commit(store, err));
}

static uint64_t late_lines(struct tl_store *store, int64_t definition, int64_t run)
{
    uint64_t counts[TL_CAUSES];

    OK(tl_store_ledger_counts(store, definition, run, counts, err));
    return counts[TL_CAUSE_LATE_DROP];
}

static void put_lines(struct tl_store *store, int64_t epoch, int64_t definition, int64_t run, int64_t offset)
{
    const struct tl_ledger_line line = {.offset = offset, .cause = TL_CAUSE_LATE_DROP};
    const uint64_t outcomes[TL_OUTCOMES] = {[TL_OUT_LATE] = 1};
    int64_t change;

    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ledger(store, definition, run, &line, 1, err));
    if (run == 0)
        OK(tl_store_add_outcomes(store, definition, outcomes, err));
    OK(tl_store_commit(store, err));
}

static void put_in_place_whole_and_batch_stays(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *other = store_open(url, TL_STORE_WRITE);
    struct tl_shape shape = store_windowed("hits", 'a');
    int64_t active = hits(store), epoch = store_epoch(store), run = store_run(store, "r"), found = 0, build = 0, again = 0;
    struct tl_replay replay = {.active = active, .whole = true};
    const struct tl_definition *list;
    struct tl_definition definition;
    uint64_t outcomes[TL_OUTCOMES];
    bool swapped = true;
    size_t count;

    stage_one(store, run, active, 0, 10, 1);
    OK(tl_store_publish(store, run, 1, err));
    put_lines(store, epoch, active, run, 7);
    store_put_speed(store, epoch, active, 10, 20, "old", 1);
    put_lines(store, epoch, active, 0, 1);
    put_lines(store, epoch, active, 0, 2);
    read_on(store, epoch, active, 5);

    OK(tl_store_define_replay(other, &shape, &found, &build, err));
    cr_assert_eq(found, active);
    cr_assert_neq(build, active);
    OK(tl_store_define_replay(other, &shape, &found, &again, err));
    cr_assert_eq(again, build);
    OK(tl_store_definitions(store, &list, &count, err));
    cr_assert_eq(count, 1, "nobody is shown a build");
    OK(tl_store_find(store, TL_SV("hits"), shape.hash, &found, err));
    cr_assert_eq(found, active);
    replay.build = build;

    read_on(other, 0, build, 4); /* beside whoever has the epoch */
    store_put_speed(store, epoch, active, 10, 20, "old", 2);
    OK(tl_store_swap_replays(other, &replay, 1, epoch, &swapped, err));
    cr_assert(!swapped, "it stands behind");
    store_put_speed(other, 0, build, 10, 20, "new", 3);
    put_lines(other, 0, build, 0, 3);
    read_on(other, 0, build, 5);
    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 old 2 speed 0\n");
    FAILS(TL_ERR_FENCED, "taken over", tl_store_swap_replays(other, &replay, 1, epoch - 1, &swapped, err));
    OK(tl_store_swap_replays(other, &replay, 1, epoch, &swapped, err));
    cr_assert(swapped);

    expect(MERGED(store, "hits"), "0 10 b 1 batch 1\n10 20 new 3 speed 0\n");
    store_put_speed(store, epoch, active, 20, 30, "on", 1); /* through the statement on the tables that are gone */
    expect(MERGED(other, "hits"), "0 10 b 1 batch 1\n10 20 new 3 speed 0\n20 30 on 1 speed 0\n");
    cr_assert_eq(late_lines(store, active, 0), 1);
    cr_assert_eq(late_lines(store, active, run), 1, "batch's stay");
    OK(tl_store_outcomes(store, active, 0, outcomes, err));
    cr_assert_eq(outcomes[TL_OUT_LATE], 1);
    OK(tl_store_definition(store, build, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_RETIRED);
    OK(tl_store_definition(store, active, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_ACTIVE);
    cr_assert_eq(definition.boundary_ms, 10);
    FAILS(TL_ERR_NOT_FOUND, "not what it was", tl_store_swap_replays(store, &replay, 1, epoch, &swapped, err));
    OK(tl_store_define_replay(store, &shape, &found, &again, err));
    cr_assert_gt(again, build, "the next one is another");
    tl_store_close(other);
    tl_store_close(store);
}

static void two_go_together_or_not_at_all(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shapes[] = {store_windowed("hits", 'a'), store_windowless("bots", 'b')};
    struct tl_replay replays[2] = {{0}};
    int64_t epoch = store_epoch(store), change;
    struct store_rows rows;
    bool swapped = true;

    store_rows_init(&rows, false, 2);
    store_rows_add_event(&rows, 5, 0, 1, "/bot");
    for (int i = 0; i < 2; i++) {
        replays[i].active = define(store, shapes[i]);
        read_on(store, epoch, replays[i].active, 9);
        OK(tl_store_define_replay(store, &shapes[i], &replays[i].active, &replays[i].build, err));
    }
    store_put_speed(store, 0, replays[0].build, 10, 20, "new", 3);
    OK(tl_store_begin_tick(store, 0, &change, err));
    OK(tl_store_put_speed_rows(store, replays[1].build, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    read_on(store, 0, replays[0].build, 9);
    OK(tl_store_swap_replays(store, replays, 2, epoch, &swapped, err));
    cr_assert(!swapped, "the second has read nothing");
    expect(MERGED(store, "hits"), "");
    read_on(store, 0, replays[1].build, 9);
    OK(tl_store_swap_replays(store, replays, 2, epoch, &swapped, err));
    cr_assert(swapped);
    expect(MERGED(store, "hits"), "10 20 new 3 speed 0\n");
    cr_assert(strstr(MERGED(store, "bots"), "/bot") != NULL, "%s", MERGED(store, "bots"));
    store_rows_done(&rows);
    tl_store_close(store);
}

/* Keys are cut by speed's new rows: a session that the build has across the boundary is served whole. */
static void sessions_are_cut_by_the_new_rows(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_sessions("visits", 'a', 0);
    struct tl_replay replay = {.active = define(store, shape)};
    int64_t epoch = store_epoch(store), run = store_run(store, "r");
    bool swapped = false;

    store_stage(store, run, replay.active, 0, 10, "ann", 1);
    store_stage(store, run, replay.active, 12, 20, "bob", 1);
    store_stage_range(store, run, replay.active, INT64_MIN, 25);
    OK(tl_store_publish(store, run, 1, err));
    store_put_speed(store, epoch, replay.active, 30, 40, "ann", 5);
    expect(MERGED(store, "visits"), "0 10 ann 1 batch 1\n12 20 bob 1 batch 1\n30 40 ann 5 speed 0\n");
    OK(tl_store_define_replay(store, &shape, &replay.active, &replay.build, err));
    store_put_speed(store, 0, replay.build, 5, 40, "ann", 6);
    store_put_speed(store, 0, replay.build, 12, 20, "bob", 1);
    OK(tl_store_swap_replays(store, &replay, 1, epoch, &swapped, err));
    cr_assert(swapped);
    expect(MERGED(store, "visits"), "12 20 bob 1 batch 1\n5 40 ann 6 speed 0\n");
    tl_store_close(store);
}

static void what_is_left_of_builds_goes(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape a = store_windowed("hits", 'a'), b = store_windowless("bots", 'b'), c = store_windowed("hits", 'c');
    int64_t hits_id = define(store, a), bots_id = define(store, b), kept = 0, gone = 0, ready, change, other;
    struct tl_definition definition;
    bool swapped = false;
    size_t dropped = 7;

    FAILS(TL_ERR_NOT_FOUND, "does not serve", tl_store_define_replay(store, &c, &other, &gone, err));
    OK(tl_store_define_replay(store, &a, &hits_id, &kept, err));
    OK(tl_store_define_replay(store, &b, &bots_id, &gone, err));
    OK(tl_store_drop_replays(store, &kept, 1, &dropped, err));
    cr_assert_eq(dropped, 1);
    OK(tl_store_definition(store, gone, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_RETIRED);
    OK(tl_store_drop_replays(store, &kept, 1, &dropped, err));
    cr_assert_eq(dropped, 0);
    /* A definition that is changed meanwhile takes its view's build along, and with it all others: the lane of event ids that they share is gone. A build
     * of another view alone takes nothing. */
    OK(tl_store_define_replay(store, &b, &bots_id, &gone, err));
    ready = define(store, c);
    OK(tl_store_begin_tick(store, store_epoch(store), &change, err));
    OK(tl_store_put_ready(store, ready, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_swap(store, ready, 0, &swapped, err));
    cr_assert(swapped);
    OK(tl_store_definition(store, kept, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_RETIRED);
    OK(tl_store_definition(store, gone, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_RETIRED);
    OK(tl_store_define_replay(store, &b, &bots_id, &gone, err));
    ready = define(store, a);
    OK(tl_store_begin_tick(store, store_epoch(store), &change, err));
    OK(tl_store_put_ready(store, ready, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_swap(store, ready, 0, &swapped, err));
    cr_assert(swapped);
    OK(tl_store_definition(store, gone, &definition, err));
    cr_assert_eq(definition.state, TL_DEFINITION_BUILDING);
    OK(tl_store_drop_replays(store, NULL, 0, &dropped, err));
    cr_assert_eq(dropped, 1);
    (void)hits_id;
    (void)bots_id;
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(put_in_place_whole_and_batch_stays),
    CHECK(two_go_together_or_not_at_all),
    CHECK(sessions_are_cut_by_the_new_rows),
    CHECK(what_is_left_of_builds_goes),
};
STORE_SUITE(store_replay)
