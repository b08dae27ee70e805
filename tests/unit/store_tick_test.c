/* store_tick_test.c: what a tick of speed's leaves in every kind of store: all or nothing, by whoever may write; rows, states, positions, event ids. */
#include "support/store_checks.h"

static void tick_is_all_or_nothing(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), change = 0, again = 0;
    struct tl_position position = {.partition = 1, .next_offset = 10};
    struct tl_ledger_line line = {.partition = 1, .offset = 3, .cause = TL_CAUSE_LATE_DROP};
    struct tl_dead dead = {.offset = 4, .reason = TL_DEAD_NOT_JSON, .raw = TL_SV("{")};
    uint64_t counts[TL_OUTCOMES] = {1, 2, 3, 4, 5, 6, 7, 8}, got[TL_OUTCOMES], causes[TL_CAUSES], dead_count = 9;
    struct store_rows rows;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, 0, 10, "a", 1);
    for (int attempt = 0; attempt < 2; attempt++) {
        OK(tl_store_begin_tick(store, epoch, attempt == 0 ? &change : &again, err));
        OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
        OK(tl_store_put_position(store, id, &position, err));
        OK(tl_store_put_ledger(store, id, 0, &line, 1, err));
        OK(tl_store_put_dead(store, TL_SV("events"), 1, &dead, 1, err));
        OK(tl_store_add_outcomes(store, id, counts, err));
        OK(tl_store_put_final(store, id, 10, err));
        OK(tl_store_put_ready(store, id, err));
        OK(tl_store_put_identity(store, id, 77, err));
        if (attempt == 1)
            break;
        tl_store_rollback(store);
        expect(MERGED(store, "hits"), "");
        OK(tl_store_outcomes(store, id, 0, got, err));
        for (int i = 0; i < TL_OUTCOMES; i++)
            cr_assert_eq(got[i], 0);
        OK(tl_store_dead_count(store, TL_SV("events"), &dead_count, err));
        cr_assert_eq(dead_count, 0);
        OK(tl_store_ledger_counts(store, id, 0, causes, err));
        cr_assert_eq(causes[TL_CAUSE_LATE_DROP], 0);
        cr_assert(!about(store, id).speed_known && !about(store, id).speed_ready);
        cr_assert_eq(about(store, id).final_ms, MIN_MS);
    }
    OK(tl_store_commit(store, err));
    cr_assert_eq(change, again, "the number of a tick that was rolled back is used again");
    expect(MERGED(store, "hits"), "0 10 a 1 speed 1\n");
    OK(tl_store_outcomes(store, id, 0, got, err));
    cr_assert_arr_eq(got, counts, sizeof got);
    OK(tl_store_dead_count(store, TL_SV("events"), &dead_count, err));
    cr_assert_eq(dead_count, 1);
    cr_assert(about(store, id).speed_known && about(store, id).speed_ready);
    cr_assert_eq(about(store, id).final_ms, 10);
    cr_assert_eq(about(store, id).lateness_ms, 7000);
    store_rows_done(&rows);
    tl_store_close(store);
}

static void second_owner_fences_the_first(const struct store_backend *backend)
{
    struct tl_store *first = fresh(backend), *second = store_open(url, TL_STORE_WRITE);
    int64_t mine = store_epoch(first), change = 0, before = 0;
    struct tl_epoch theirs;

    OK(tl_store_begin_tick(first, mine, &before, err));
    OK(tl_store_commit(first, err));
    OK(tl_store_take_epoch(second, "host b", NULL, &theirs, err));
    cr_assert_gt(theirs.epoch, mine);
    cr_assert_eq(theirs.change, before, "the last tick is known");
    FAILS(TL_ERR_FENCED, "host b", tl_store_begin_tick(first, mine, &change, err));
    FAILS(TL_ERR_FENCED, "host b", tl_store_answer(first, mine, 1, err));
    FAILS(TL_ERR_FENCED, "host b", tl_store_leave_epoch(first, mine, err));
    OK(tl_store_begin_tick(second, theirs.epoch, &change, err)); /* the failed one left no lock behind */
    OK(tl_store_commit(second, err));
    cr_assert_eq(change, before + 1);
    tl_store_close(first);
    tl_store_close(second);
}

static struct tl_epoch epoch_now(struct tl_store *store)
{
    struct tl_epoch now;

    OK(tl_store_epoch(store, &now, err));
    return now;
}

static void an_owner_that_answers_is_not_taken_over(const struct store_backend *backend)
{
    struct tl_store *owner = fresh(backend), *other = store_open(url, TL_STORE_WRITE);
    int64_t mine = store_epoch(owner), challenge = 0, change = 0;
    struct tl_epoch seen = epoch_now(other), taken;

    cr_assert_eq(seen.epoch, mine);
    cr_assert_str_eq(seen.owner, "test");
    OK(tl_store_challenge(other, &challenge, err));
    cr_assert_eq(challenge, seen.challenge + 1);
    OK(tl_store_answer(owner, mine, challenge, err));
    cr_assert_eq(epoch_now(other).answer, challenge);
    FAILS(TL_ERR_BUSY, "has shown itself", tl_store_take_epoch(other, "host b", &seen, &taken, err));

    seen = epoch_now(other);
    OK(tl_store_challenge(other, &challenge, err));
    OK(tl_store_begin_tick(owner, mine, &change, err)); /* a tick is an answer */
    OK(tl_store_commit(owner, err));
    cr_assert_eq(epoch_now(other).answer, challenge);
    cr_assert_eq(epoch_now(other).change, change);
    FAILS(TL_ERR_BUSY, "has shown itself", tl_store_take_epoch(other, "host b", &seen, &taken, err));

    seen = epoch_now(other);
    OK(tl_store_challenge(other, &challenge, err));
    OK(tl_store_take_epoch(other, "host b", &seen, &taken, err)); /* no answer */
    cr_assert_eq(taken.epoch, mine + 1);
    cr_assert_str_eq(epoch_now(owner).owner, "host b");
    OK(tl_store_leave_epoch(other, taken.epoch, err));
    cr_assert_str_eq(epoch_now(owner).owner, "");
    tl_store_close(owner);
    tl_store_close(other);
}

static void rows_are_replaced_by_identity(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store);

    store_put_speed(store, epoch, id, 0, 10, "a", 1);
    store_put_speed(store, epoch, id, 0, 10, "b", 5);
    store_put_speed(store, epoch, id, 5, 10, "a", 7);
    store_put_speed(store, epoch, id, 0, 10, "a", 2);
    expect(MERGED(store, "hits"), "0 10 a 2 speed 0\n0 10 b 5 speed 0\n5 10 a 7 speed 0\n");
    tl_store_close(store);
}

static void rows_are_dropped_by_identity(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store);

    store_put_speed(store, epoch, id, 0, 10, "a", 1);
    store_put_speed(store, epoch, id, 5, 10, "a", 2);
    store_put_speed(store, epoch, id, 0, 10, "b", 3);
    store_put_speed(store, epoch, id, 0, 20, "a", 4);
    drop_speed(store, epoch, id, 0, 10, "a");
    expect(MERGED(store, "hits"), "0 10 b 3 speed 0\n5 10 a 2 speed 0\n0 20 a 4 speed 0\n");
    drop_speed(store, epoch, id, 0, 10, "a"); /* one that is not there is no error */
    drop_speed(store, epoch, id, 0, 10, "b");
    store_put_speed(store, epoch, id, 0, 10, "b", 5);
    expect(MERGED(store, "hits"), "0 10 b 5 speed 0\n5 10 a 2 speed 0\n0 20 a 4 speed 0\n");
    tl_store_close(store);
}

static enum tl_code see_state(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    cr_assert_eq(states->count, 1);
    tl_buf_printf(text, "[%lld %lld) %.*s=%.*s\n", (long long)states->start_ms[0], (long long)states->end_ms[0],
                  TL_SV_ARG(states->key[0]), TL_SV_ARG(states->bytes[0]));
    return TL_OK;
}

static void expect_states(struct tl_store *store, int64_t id, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_states(store, id, see_state, &text, err));
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
}

static void put_state(struct tl_store *store, int64_t id, int64_t start_ms, int64_t end_ms, const char *key, const char *bytes)
{
    struct tl_sv sv_key = tl_sv_from(key), sv_bytes = tl_sv_from(bytes);

    OK(tl_store_put_states(store, id, &(struct tl_states){1, &start_ms, &end_ms, &sv_key, &sv_bytes}, err));
}

static void states_stand_beside_rows(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), other = define(store, store_sessions("more", 'b', 0));
    int64_t epoch = store_epoch(store), change;

    OK(tl_store_begin_tick(store, epoch, &change, err));
    put_state(store, id, 5, 20, "b", "two");
    put_state(store, id, 0, 20, "b", "one");
    put_state(store, id, 7, 9, "", "of no key");
    put_state(store, id, 0, 20, "a", "first");
    put_state(store, other, 0, 20, "a", "another definition's");
    OK(tl_store_commit(store, err));
    expect_states(store, id, "[7 9) =of no key\n[0 20) a=first\n[0 20) b=one\n[5 20) b=two\n");
    expect(MERGED(store, "visits"), ""); /* no row for a state */
    OK(tl_store_begin_tick(store, epoch, &change, err));
    put_state(store, id, 0, 20, "b", "changed");
    put_state(store, id, 0, 20, "a", "");
    put_state(store, id, 1, 2, "not there", "");
    tl_store_rollback(store);
    expect_states(store, id, "[7 9) =of no key\n[0 20) a=first\n[0 20) b=one\n[5 20) b=two\n");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    put_state(store, id, 0, 20, "b", "changed");
    put_state(store, id, 0, 20, "a", "");
    put_state(store, id, 20, 21, "c", "three");
    OK(tl_store_commit(store, err));
    expect_states(store, id, "[7 9) =of no key\n[0 20) b=changed\n[5 20) b=two\n[20 21) c=three\n");
    tl_store_close(store);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_drop_states(store, id, 8, err));
    expect_states(store, id, "[7 9) =of no key\n[0 20) b=changed\n[5 20) b=two\n[20 21) c=three\n");
    OK(tl_store_drop_states(store, id, 20, err));
    OK(tl_store_commit(store, err));
    expect_states(store, id, "[20 21) c=three\n");
    expect_states(store, other, "[0 20) a=another definition's\n");
    tl_store_close(store);
}

static void forms_are_remembered(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t plain = hits(store), cut = define(store, store_sessions("visits", 'a', 0)), tail;
    struct tl_shape beside = store_windowed("slices", 'b');

    tail = define(store, store_sessions("funnels", 'c', STORE_TAIL_BYTES));
    beside.state = TL_STATE_BESIDE;
    define(store, beside);
    tl_store_close(store);
    store = store_open(url, TL_STORE_READ);
    cr_assert(about(store, plain).state_form == TL_STATE_IN_ROWS && !about(store, plain).cut_per_key);
    cr_assert(about(store, cut).state_form == TL_STATE_BESIDE && about(store, cut).cut_per_key);
    cr_assert_eq(about(store, cut).key_tail_bytes, 0);
    cr_assert_eq(about(store, tail).key_tail_bytes, STORE_TAIL_BYTES);
    cr_assert(about(store, tail + 1).state_form == TL_STATE_BESIDE && !about(store, tail + 1).cut_per_key);
    tl_store_close(store);
}

struct seen_positions {
    struct tl_position list[4];
    size_t count;
};

static enum tl_code see_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct seen_positions *seen = ctx;

    (void)err;
    seen->list[seen->count++] = *position;
    return TL_OK;
}

static void expect_position(const struct tl_position *got, const struct tl_position *want)
{
    cr_assert_eq(got->partition, want->partition);
    cr_assert_eq(got->next_offset, want->next_offset);
    cr_assert_eq(got->watermark_ms, want->watermark_ms);
    cr_assert_eq(got->judged_ms, want->judged_ms);
    cr_assert_eq(got->log_ms, want->log_ms);
    cr_assert_eq(got->messages_count, want->messages_count);
    cr_assert_eq(got->events_count, want->events_count);
}

static void positions(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), change;
    struct tl_position one = {3, 40, MIN_MS, -5, 6, 7, 8}, two = {1, 41, 100, 99, 98, UINT64_C(1) << 40, 3};
    struct seen_positions seen = {.count = 0};
    uint64_t identity = 1;

    OK(tl_store_positions(store, id, see_position, &seen, &identity, err));
    cr_assert_eq(seen.count, 0);
    cr_assert_eq(identity, 0);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_position(store, id, &one, err));
    OK(tl_store_put_position(store, id, &two, err));
    one.next_offset = 44;
    OK(tl_store_put_position(store, id, &one, err));
    OK(tl_store_put_identity(store, id, UINT64_MAX - 3, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_positions(store, id, see_position, &seen, &identity, err));
    cr_assert_eq(seen.count, 2);
    expect_position(&seen.list[0], &two);
    expect_position(&seen.list[1], &one);
    cr_assert_eq(identity, UINT64_MAX - 3);
    FAILS(TL_ERR_NOT_FOUND, "no definition 99", tl_store_positions(store, 99, see_position, &seen, &identity, err));
    tl_store_close(store);
}

static void event_ids(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);

    OK(tl_store_begin(store, err));
    OK(tl_store_put_dedup(store, 0, TL_SV("events"), 0, 20, 200, TL_SV("second"), err));
    OK(tl_store_put_dedup(store, 0, TL_SV("events"), 0, 10, 100, ((struct tl_sv){"fi\0st", 5}), err));
    OK(tl_store_put_dedup(store, 0, TL_SV("events"), 1, 10, 100, TL_SV("other partition"), err));
    OK(tl_store_put_dedup(store, 0, TL_SV("clicks"), 0, 10, 100, TL_SV("other topic"), err));
    OK(tl_store_put_dedup(store, 4, TL_SV("events"), 0, 10, 100, TL_SV("other lane"), err));
    OK(tl_store_put_dedup(store, 0, TL_SV("events"), 0, 20, 300, TL_SV(""), err)); /* the topic was made again */
    OK(tl_store_commit(store, err));
    {
        struct tl_buf text;

        tl_buf_init(&text, 0);
        OK(tl_store_dedup(store, 0, TL_SV("events"), 0, MAX_MS, join_ids, &text, err));
        cr_assert_eq(text.size, sizeof "fi.st|second||" - 1);
        cr_assert_eq(memcmp(text.data, "fi\0st|second||", text.size), 0);
        tl_buf_clear(&text);
        OK(tl_store_dedup(store, 0, TL_SV("events"), 0, 19, join_ids, &text, err));
        cr_assert_eq(text.size, sizeof "fi.st|" - 1, "ids of the second blob lie behind offset 19");
        tl_buf_done(&text);
    }
    OK(tl_store_begin(store, err));
    OK(tl_store_drop_dedup(store, 0, TL_SV("events"), 0, 200, err));
    OK(tl_store_commit(store, err));
    expect_ids(store, 0, "second||");
    OK(tl_store_begin(store, err));
    OK(tl_store_drop_dedup(store, 0, TL_SV("events"), 0, MAX_MS, err));
    OK(tl_store_commit(store, err));
    expect_ids(store, 0, "");
    expect_ids(store, 4, "other lane|");
    tl_store_close(store);
}

/* State and cuts are the definition's own: they come in with it, and the old one's go. */
static void state_is_swapped_in_too(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t old = define(store, store_sessions("visits", 'a', 0)), epoch = store_epoch(store), run = store_run(store, "1"), id,
            change;
    struct tl_shape shape = store_sessions("visits", 'b', 0);
    bool swapped = false;

    store_put_speed(store, epoch, old, 5, 15, "a", 1);
    store_stage_range(store, run, old, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    id = define(store, shape);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    put_state(store, old, 0, 20, "a", "old");
    put_state(store, id, 0, 20, "a", "new");
    OK(tl_store_commit(store, err));
    run = store_run(store, "2");
    store_put_speed(store, epoch, id, 7, 17, "a", 2);
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "visits"), "5 15 a 1 speed 0\n");
    expect_states(store, old, "[0 20) a=old\n");
    expect_states(store, id, "[0 20) a=new\n");
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    expect(MERGED(store, "visits"), "7 17 a 2 speed 0\n");
    expect_states(store, id, "[0 20) a=new\n");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    put_state(store, id, 0, 20, "a", "newer");
    OK(tl_store_commit(store, err));
    expect_states(store, id, "[0 20) a=newer\n");
    FAILS(TL_ERR_NOT_FOUND, "has been replaced", tl_store_states(store, old, see_state, NULL, err));
    /* The table's name is free for the next one. */
    id = define(store, store_sessions("visits", 'c', 0));
    expect_states(store, id, "");
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(tick_is_all_or_nothing),
    CHECK(second_owner_fences_the_first),
    CHECK(an_owner_that_answers_is_not_taken_over),
    CHECK(rows_are_replaced_by_identity),
    CHECK(rows_are_dropped_by_identity),
    CHECK(states_stand_beside_rows),
    CHECK(state_is_swapped_in_too),
    CHECK(forms_are_remembered),
    CHECK(positions),
    CHECK(event_ids),
};

STORE_SUITE(store_tick)
