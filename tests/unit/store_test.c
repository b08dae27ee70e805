/* store_test.c: what every kind of store must do: checks that take the kind, so that each runs the same. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/chance.h"
#include "support/session_history.h"
#include "support/store_fixture.h"

#define MIN_MS INT64_MIN
#define MAX_MS INT64_MAX

static char url[512];

static struct tl_store *fresh(const struct store_backend *backend)
{
    backend->url(url);
    return store_open(url, TL_STORE_WRITE);
}

static int64_t define(struct tl_store *store, struct tl_shape shape)
{
    int64_t id = 0;

    OK(tl_store_define(store, &shape, &id, err));
    return id;
}

static int64_t hits(struct tl_store *store)
{
    return define(store, store_windowed("hits", 'a'));
}

static struct tl_definition about(struct tl_store *store, int64_t id)
{
    struct tl_definition definition = {0};

    OK(tl_store_definition(store, id, &definition, err));
    return definition;
}

#define MERGED(store, view) store_answer(store, view, TL_LAYER_MERGED, MIN_MS, MAX_MS)

static void expect(const char *got, const char *want)
{
    cr_assert_str_eq(got, want, "got:\n%swant:\n%s", got, want);
}

/* ---- opening ---- */

static void reading_what_is_not_there(const struct store_backend *backend)
{
    struct tl_store *store = NULL;

    backend->url(url);
    FAILS(TL_ERR_NOT_FOUND, "there is no store yet", tl_store_open(url, TL_STORE_READ, &store, err));
    cr_assert_null(store);
    tl_store_close(NULL);
}

static void urls(const struct store_backend *backend)
{
    struct tl_store *store = NULL;

    (void)backend;
    FAILS(TL_ERR_USAGE, "sqlite:PATH", tl_store_open("views.db", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "sqlite:PATH", tl_store_open("sqlite:", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "postgresql://", tl_store_open("postgresql:x", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "mysql:", tl_store_open("mysql://localhost/x", TL_STORE_WRITE, &store, err));
}

/* ---- the tick ---- */

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

static void drop_speed(struct tl_store *store, int64_t epoch, int64_t id, int64_t start_ms, int64_t end_ms, const char *host)
{
    struct store_rows rows;
    int64_t change;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, end_ms, host, 0);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_drop_speed_rows(store, id, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
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

/* ---- state beside rows ---- */

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

static enum tl_code join_ids(void *ctx, struct tl_sv ids, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_put_sv(text, ids);
    tl_buf_put_str(text, "|");
    return TL_OK;
}

static void expect_ids(struct tl_store *store, int64_t lane, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_dedup(store, lane, TL_SV("events"), 0, MAX_MS, join_ids, &text, err));
    cr_assert(tl_sv_eq(tl_buf_sv(&text), tl_sv_from(want)), "%.*s, not %s", TL_SV_ARG(tl_buf_sv(&text)), want);
    tl_buf_done(&text);
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

struct seen_lines {
    struct tl_ledger_line list[8];
    size_t count;
};

static enum tl_code see_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct seen_lines *seen = ctx;

    (void)err;
    seen->list[seen->count++] = *line;
    return TL_OK;
}

static void ledger_keeps_the_first_line(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    struct tl_ledger_line lines[] = {
        {.partition = 1,
         .offset = 5,
         .row = 1,
         .cause = TL_CAUSE_LATE_DROP,
         .flags = 3,
         .watermark_ms = MIN_MS,
         .event_time_ms = -4},
        {.partition = 1,                        .offset = 5,           .row = 0, .cause = TL_CAUSE_NONE, .flags = 1, .watermark_ms = 9, .event_time_ms = MIN_MS},
        {.partition = 0, .offset = 7, .row = 0,            .cause = TL_CAUSE_FIRED_BY_IDLE,                   .watermark_ms = 9,                                 .event_time_ms = 4},
    };
    struct tl_ledger_line changed = lines[0];
    struct seen_lines seen = {.count = 0};
    uint64_t counts[TL_CAUSES];

    changed.cause = TL_CAUSE_DUPLICATE;
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, 3, err));
    OK(tl_store_put_ledger(store, id, 0, &changed, 1, err));
    OK(tl_store_put_ledger(store, id, 5, &changed, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger(store, id, 0, see_line, &seen, err));
    cr_assert_eq(seen.count, 3);
    cr_assert_eq(seen.list[0].offset, 7);
    cr_assert_eq(seen.list[1].row, 0);
    cr_assert_eq(seen.list[1].event_time_ms, MIN_MS);
    cr_assert_eq(seen.list[2].row, 1);
    cr_assert_eq(seen.list[2].cause, TL_CAUSE_LATE_DROP);
    cr_assert_eq(seen.list[2].flags, 3);
    cr_assert_eq(seen.list[2].watermark_ms, MIN_MS);
    OK(tl_store_ledger_counts(store, id, 0, counts, err));
    cr_assert_eq(counts[TL_CAUSE_LATE_DROP], 1);
    cr_assert_eq(counts[TL_CAUSE_FIRED_BY_IDLE], 1);
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 0);
    OK(tl_store_ledger_counts(store, id, 5, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 1);
    tl_store_close(store);
}

static enum tl_code see_function(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%lld %s\n", (long long)line->offset, line->function != NULL ? line->function : "-");
    return TL_OK;
}

static enum tl_code see_failure(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%.*s %llu\n", TL_SV_ARG(function), (unsigned long long)count);
    return TL_OK;
}

static void the_ledger_names_the_function_that_failed(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    const struct tl_ledger_line lines[] = {
        {.offset = 1,                   .cause = TL_CAUSE_EVAL_ERROR, .function = "CAST"},
        {.offset = 2,                   .cause = TL_CAUSE_LATE_DROP },
        {.offset = 3, .cause = TL_CAUSE_EVAL_ERROR,              .function = "/"                  },
        {.offset = 4, .cause = TL_CAUSE_EVAL_ERROR,              .function = "/"},
    };
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger(store, id, 0, see_function, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "1 CAST\n2 -\n3 /\n4 /\n");
    tl_buf_clear(&text);
    OK(tl_store_ledger_failures(store, id, 0, see_failure, &text, err));
    OK(tl_store_ledger_failures(store, id, 1, see_failure, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "/ 2\nCAST 1\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

static void a_secret_is_made_once(const struct store_backend *backend)
{
    uint8_t first[TL_STORE_SECRET_BYTES] = {0}, second[TL_STORE_SECRET_BYTES], other[TL_STORE_SECRET_BYTES];
    static const uint8_t zeros[TL_STORE_SECRET_BYTES];
    struct tl_store *store, *reader;

    backend->url(url);
    store = store_open(url, TL_STORE_WRITE);
    reader = store_open(url, TL_STORE_READ);
    FAILS(TL_ERR_NOT_FOUND, "nothing was counted with it", tl_store_secret(reader, TL_SV("visitor"), first, err));
    cr_assert_eq(memcmp(first, zeros, sizeof first), 0);
    OK(tl_store_secret(store, TL_SV("visitor"), first, err));
    cr_assert_neq(memcmp(first, zeros, sizeof first), 0);
    OK(tl_store_secret(reader, TL_SV("visitor"), second, err));
    cr_assert_eq(memcmp(first, second, sizeof first), 0);
    tl_store_close(reader);
    tl_store_close(store);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_secret(store, TL_SV("visitor"), second, err));
    cr_assert_eq(memcmp(first, second, sizeof first), 0, "another one after a restart");
    OK(tl_store_secret(store, TL_SV("another"), other, err));
    cr_assert_neq(memcmp(first, other, sizeof first), 0);
    tl_store_close(store);
    store = fresh(backend);
    OK(tl_store_secret(store, TL_SV("visitor"), other, err));
    cr_assert_neq(memcmp(first, other, sizeof first), 0, "two stores have one secret");
    tl_store_close(store);
}

/* They begin together, each with a handle of its own, and all have the one that was first. */
static void processes_agree_on_a_secret(const struct store_backend *backend)
{
    enum { PROCESSES = 6 };
    uint8_t secrets[PROCESSES][TL_STORE_SECRET_BYTES];
    int go[2], answers[PROCESSES][2];

    backend->url(url);
    tl_store_close(store_open(url, TL_STORE_WRITE));
    cr_assert_eq(pipe(go), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t child;

        cr_assert_eq(pipe(answers[i]), 0);
        child = fork();
        if (child == 0) {
            struct tl_store *store = store_open(url, TL_STORE_WRITE);
            char byte;

            close(go[1]);
            (void)!read(go[0], &byte, 1); /* until all are there */
            OK(tl_store_secret(store, TL_SV("visitor"), secrets[i], err));
            (void)!write(answers[i][1], secrets[i], sizeof secrets[i]);
            tl_store_close(store);
            _exit(0);
        }
        cr_assert_gt(child, 0);
        close(answers[i][1]);
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_eq(read(answers[i][0], secrets[i], sizeof secrets[i]), (ssize_t)sizeof secrets[i]);
        cr_assert_eq(memcmp(secrets[i], secrets[0], sizeof secrets[i]), 0, "process %d has another", i);
        close(answers[i][0]);
    }
    while (wait(NULL) > 0)
        ;
}

static enum tl_code see_versions(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%lld %.*s\n", (long long)epoch, TL_SV_ARG(versions));
    return TL_OK;
}

static enum tl_code see_run_versions(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    return see_versions(ctx, run->id, run->versions, err);
}

static void versions_are_kept_where_they_change(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_buf text;
    int64_t run;

    tl_buf_init(&text, 0);
    OK(tl_store_put_versions(store, 3, TL_SV("tzdata 2025b"), err));
    OK(tl_store_put_versions(store, 4, TL_SV("tzdata 2025b"), err));
    OK(tl_store_put_versions(store, 6, TL_SV("tzdata 2026a; places x"), err));
    OK(tl_store_put_versions(store, 7, TL_SV("tzdata 2025b"), err));
    OK(tl_store_versions(store, see_versions, &text, err));
    OK(tl_store_run_begin(store, "nightly", TL_SV("tzdata 2026a; places x"), 1, &run, err));
    OK(tl_store_runs(store, see_run_versions, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "3 tzdata 2025b\n6 tzdata 2026a; places x\n7 tzdata 2025b\n1 tzdata 2026a; places x\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

static void dead_letters_are_kept_once(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_dead dead[] = {
        {.offset = 4, .row = 0, .reason = TL_DEAD_NOT_JSON,   .raw = {"\0\xff", 2}},
        {.offset = 4, .row = 1, .reason = TL_DEAD_NOT_OBJECT, .raw = {NULL, 0}    }
    };
    uint64_t count = 0;

    for (int i = 0; i < 2; i++) {
        OK(tl_store_begin(store, err));
        OK(tl_store_put_dead(store, TL_SV("events"), 0, dead, 2, err));
        OK(tl_store_commit(store, err));
    }
    OK(tl_store_dead_count(store, TL_SV("events"), &count, err));
    cr_assert_eq(count, 2);
    OK(tl_store_dead_count(store, TL_SV("clicks"), &count, err));
    cr_assert_eq(count, 0);
    tl_store_close(store);
}

static void outcomes_add_up(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run;
    uint64_t some[TL_OUTCOMES] = {1, 2, 3, 4, 5, 6, 7, 8}, got[TL_OUTCOMES];
    struct tl_run_range range = {.from_ms = 0, .to_ms = 10};

    OK(tl_store_begin(store, err));
    OK(tl_store_add_outcomes(store, id, some, err));
    OK(tl_store_add_outcomes(store, id, some, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_outcomes(store, id, 0, got, err));
    for (int i = 0; i < TL_OUTCOMES; i++)
        cr_assert_eq(got[i], 2 * some[i]);
    run = store_run(store, "nightly");
    memcpy(range.outcomes, some, sizeof some);
    for (int i = 0; i < 3; i++) {
        range.run = run;
        OK(tl_store_begin(store, err));
        OK(tl_store_stage_range(store, id, &range, err));
        OK(tl_store_commit(store, err));
        range.from_ms += 10;
        range.to_ms += 10;
    }
    OK(tl_store_outcomes(store, id, -1, got, err));
    cr_assert_eq(got[TL_OUT_COUNTED], 0, "nothing is published yet");
    OK(tl_store_publish(store, run, 5, err));
    OK(tl_store_outcomes(store, id, -1, got, err));
    for (int i = 0; i < TL_OUTCOMES; i++)
        cr_assert_eq(got[i], 3 * some[i]);
    tl_store_close(store);
}

/* ---- values ---- */

struct value_case {
    char name[24];
    enum tl_kind kind;
    bool is_null, text;
    int64_t i64;
    double f64;
    char sv[24];
    size_t size;
};

static enum tl_code see_value(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    struct tl_value *value = ctx;

    (void)err;
    cr_assert_eq(row->columns_count, 1);
    cr_assert_eq(row->accumulators.size, 0);
    *value = row->columns[0];
    if (value->kind == TL_STRING && !value->is_null) {
        static char kept[64];

        memcpy(kept, value->sv.data, value->sv.size);
        value->sv.data = kept;
    }
    return TL_OK;
}

static enum tl_code queried_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    cr_assert_eq(count, 3);
    cr_assert_neq(columns[0].kind, TL_TIMESTAMP, "times are instants");
    return TL_OK;
}

static enum tl_code queried_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    const struct value_case *c = ctx;

    (void)err;
    cr_assert_eq(count, 3);
    cr_assert_eq(values[0].is_null, c->is_null);
    if (c->kind == TL_TIMESTAMP && !c->is_null)
        cr_assert_eq(values[0].i64, c->i64);
    return TL_OK;
}

static void every_kind_of_value_comes_back(const struct store_backend *backend)
{
    static struct value_case cases[] = {
        {"true",           TL_BOOLEAN,     .i64 = 1                            },
        {"false",          TL_BOOLEAN,     .i64 = 0                            },
        {"tinyint",        TL_TINYINT,     .i64 = -128                         },
        {"smallint",       TL_SMALLINT,    .i64 = 32767                        },
        {"int",            TL_INT,         .i64 = INT32_MIN                    },
        {"bigint min",     TL_BIGINT,      .i64 = INT64_MIN                    },
        {"bigint max",     TL_BIGINT,      .i64 = INT64_MAX                    },
        {"float",          TL_FLOAT,       .f64 = 0.100000001490116119384765625},
        {"double",         TL_DOUBLE,      .f64 = 0.1                          },
        {"whole double",   TL_DOUBLE,      .f64 = 1e15                         },
        {"large double",   TL_DOUBLE,      .f64 = 1.7976931348623157e308       },
        {"denormal",       TL_DOUBLE,      .f64 = 4.9406564584124654e-324      },
        {"infinity",       TL_DOUBLE,      .f64 = INFINITY                     },
        {"minus infinity", TL_DOUBLE,      .f64 = -INFINITY                    },
        {"nan",            TL_DOUBLE,      .f64 = NAN                          },
        {"nan float",      TL_FLOAT,       .f64 = NAN                          },
        {"text",           TL_STRING,      .sv = "a'b\"c \xf0\x9f\x98\x80",      .size = 10},
        {"empty text",                TL_STRING,                   .sv = "",                               .size = 0},
        {"digits",       TL_STRING,                     .sv = "0012",                    .size = 4},
        {"the word NaN",    TL_STRING,.sv = "NaN",      .size = 3},
        {"timestamp",    TL_TIMESTAMP,                   .i64 = -1                                        },
        {"instant",      TL_TIMESTAMP_LTZ,     .i64 = INT64_C(1431856800123)             },
        {"no number",        TL_BIGINT, .is_null = true   },
        {"no double",      TL_DOUBLE,    .is_null = true                        },
        {"no text",      TL_STRING,      .is_null = true                       },
        {"no time",        TL_TIMESTAMP,        .is_null = true                       },
        {"no truth",        TL_BOOLEAN,   .is_null = true                },
    };
    struct tl_store *store = fresh(backend);
    int64_t epoch = store_epoch(store), change;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct value_case *c = &cases[i];
        struct tl_shape_column column = {TL_SV("x"), c->kind, TL_ROLE_VALUE};
        char view[32];
        struct tl_shape shape = store_windowed(view, 'a');
        int64_t start = 0, end = 10, id, i64 = c->i64;
        double f64 = c->f64;
        struct tl_sv key = TL_SV("k"), accumulators = {NULL, 0}, sv = {c->sv, c->size};
        uint8_t null = c->is_null;
        struct tl_vec vec = {.kind = c->kind, .null = &null};
        struct tl_rows rows = {
            .count = 1, .start_ms = &start, .end_ms = &end, .key = &key, .accumulators = &accumulators, .columns = &vec};
        struct tl_query query = {.layer = TL_LAYER_MERGED, .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};
        struct tl_value got = {.kind = TL_NULL};

        if (tl_kind_form(c->kind) == TL_FORM_TEXT)
            vec.sv = &sv;
        else if (tl_kind_form(c->kind) == TL_FORM_F64)
            vec.f64 = &f64;
        else
            vec.i64 = &i64;
        snprintf(view, sizeof view, "v%zu", i);
        shape.view = query.view = tl_sv_from(view);
        shape.columns = &column;
        shape.columns_count = 1;
        id = define(store, shape);
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows, change, err));
        OK(tl_store_commit(store, err));
        OK(tl_store_rows(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, see_value, &got, err));
        cr_assert_eq(got.kind, c->kind, "%s", c->name);
        cr_assert_eq(got.is_null, c->is_null, "%s", c->name);
        if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_I64)
            cr_assert_eq(got.i64, c->i64, "%s", c->name);
        if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_F64)
            cr_assert(got.f64 == c->f64 || (isnan(got.f64) && isnan(c->f64)), "%s: %g", c->name, got.f64);
        if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_TEXT)
            cr_assert(tl_sv_eq(got.sv, sv), "%s: %.*s", c->name, TL_SV_ARG(got.sv));
        OK(tl_store_query(store, &query, queried_head, queried_row, c, err));
    }
    tl_store_close(store);
}

static void names_are_quoted(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("select \"x\"; DROP TABLE tally_run; --", 'a');
    struct tl_shape_column columns[4];
    int64_t id, epoch = store_epoch(store);

    memcpy(columns, shape.columns, sizeof columns);
    columns[2].name = TL_SV("group \"by\"");
    columns[3].name = TL_SV("order");
    shape.columns = columns;
    id = define(store, shape);
    store_put_speed(store, epoch, id, 0, 10, "it's", 1);
    expect(store_answer(store, "select \"x\"; DROP TABLE tally_run; --", TL_LAYER_MERGED, MIN_MS, MAX_MS),
           "0 10 it's 1 speed 0\n");
    tl_store_close(store);
}

static void names_that_cannot_stand_side_by_side(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("hits", 'a'), other;
    struct tl_shape_column columns[4];
    int64_t id = 0;

    OK(tl_store_define(store, &shape, &id, err));
    other = store_windowed("hits_state", 'b');
    OK(tl_store_define(store, &other, &id, err)); /* a view of TUMBLE has no such table */
    other = store_sessions("HITS", 'b', 0);
    FAILS(TL_ERR_DEFINITION, "already has something named", tl_store_define(store, &other, &id, err));
    other = store_windowed("HITS_speed", 'b');
    FAILS(TL_ERR_DEFINITION, "already has something named", tl_store_define(store, &other, &id, err));
    other = store_windowed("tally_run", 'b');
    FAILS(TL_ERR_DEFINITION, "the store's own", tl_store_define(store, &other, &id, err));
    other = store_windowed("more", 'b');
    memcpy(columns, other.columns, sizeof columns);
    other.columns = columns;
    columns[3].name = TL_SV("HOST");
    FAILS(TL_ERR_DEFINITION, "upper and lower case", tl_store_define(store, &other, &id, err));
    columns[3].name = TL_SV("_Layer");
    FAILS(TL_ERR_DEFINITION, "_Layer", tl_store_define(store, &other, &id, err));
    columns[3].name = TL_SV("_ms_host");
    columns[2].kind = TL_TIMESTAMP;
    FAILS(TL_ERR_DEFINITION, "milliseconds of 'host'", tl_store_define(store, &other, &id, err));
    columns[2].kind = TL_STRING;
    OK(tl_store_define(store, &other, &id, err));
    tl_store_close(store);
}

/* ---- cursors ---- */

static void cursors_walk_side_by_side(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run = store_run(store, "one"), more = store_run(store, "two");
    static const char *const hosts[] = {"b", "a"};
    struct tl_store_cursor *speed = NULL, *batch = NULL;
    const struct tl_stored_row *row = NULL, *other = NULL;
    int64_t count = 0;

    for (int64_t end = 50; end > 0; end -= 10)
        for (int i = 0; i < 2; i++) {
            store_put_speed(store, epoch, id, end - 10, end, hosts[i], end + i);
            store_stage(store, end > 20 ? more : run, id, end - 10, end, hosts[i], end + i);
        }
    store_stage(store, more, id, 0, 10, "superseded or not yet", 1);
    store_stage_range(store, run, id, MIN_MS, 20);
    store_stage_range(store, more, id, 20, 40);
    OK(tl_store_publish(store, more, 1, err));
    OK(tl_store_publish(store, run, 1, err));
    OK(tl_store_begin_read(store, err));
    OK(tl_store_cursor_open(store, id, TL_LAYER_SPEED, 10, 40, &speed, err));
    OK(tl_store_cursor_open(store, id, TL_LAYER_BATCH, 10, 40, &batch, err));
    for (;;) {
        OK(tl_store_cursor_next(speed, &row, err));
        OK(tl_store_cursor_next(batch, &other, err));
        cr_assert_eq(row == NULL, other == NULL);
        if (row == NULL)
            break;
        cr_assert_eq(row->end_ms, 20 + 10 * (count / 2));
        cr_assert_eq(row->key.data[0], count % 2 == 0 ? 'a' : 'b');
        cr_assert_eq(row->end_ms, other->end_ms);
        cr_assert_eq(row->start_ms, other->start_ms);
        cr_assert(tl_sv_eq(row->key, other->key));
        cr_assert(tl_sv_eq(row->accumulators, other->accumulators));
        cr_assert_gt(row->accumulators.size, 0);
        cr_assert_eq(row->columns_count, 4);
        cr_assert_eq(row->columns[0].i64, row->start_ms);
        cr_assert_eq(row->columns[1].i64, row->end_ms);
        cr_assert_eq(row->columns[3].i64, other->columns[3].i64);
        cr_assert_eq(other->change_or_run, other->end_ms > 20 ? more : run);
        cr_assert_gt(row->change_or_run, 0);
        count++;
    }
    cr_assert_eq(count, 6);
    OK(tl_store_cursor_next(speed, &row, err));
    cr_assert_null(row, "the end stays the end");
    tl_store_cursor_close(speed);
    tl_store_cursor_close(batch);
    OK(tl_store_commit(store, err));
    /* Without a transaction of the caller's, cursors hold one of their own until the last of them is closed. */
    OK(tl_store_cursor_open(store, id, TL_LAYER_SPEED, 10, 40, &speed, err));
    OK(tl_store_cursor_open(store, id, TL_LAYER_BATCH, 10, 40, &batch, err));
    tl_store_cursor_close(speed);
    OK(tl_store_cursor_next(batch, &row, err));
    cr_assert_not_null(row);
    tl_store_cursor_close(batch);
    OK(tl_store_begin(store, err));
    tl_store_rollback(store);
    tl_store_close(store);
}

static enum tl_code count_event(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    int64_t *sum = ctx;

    (void)err;
    cr_assert_eq(row->partition, 2);
    cr_assert_eq(row->key.size, 16);
    cr_assert_eq(row->accumulators.size, 0);
    *sum = *sum * 100 + row->offset;
    return TL_OK;
}

static void single_events_in_half_open_ranges(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowless("bots", 'a')), epoch = store_epoch(store), change, sum = 0;
    struct store_rows rows;

    store_rows_init(&rows, false, 4);
    store_rows_add_event(&rows, 10, 2, 1, "/a");
    store_rows_add_event(&rows, 19, 2, 2, "/b");
    store_rows_add_event(&rows, 20, 2, 3, "/c");
    store_rows_add_event(&rows, 9, 2, 4, "/d");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_rows(store, id, TL_LAYER_SPEED, 10, 20, count_event, &sum, err));
    cr_assert_eq(sum, 102);
    expect(store_answer(store, "bots", TL_LAYER_MERGED, 10, 20), "10 /a speed 0\n19 /b speed 0\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

/* ---- staging and publishing ---- */

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

static void stage_one(struct tl_store *store, int64_t run, int64_t id, int64_t from_ms, int64_t to_ms, int64_t value)
{
    store_stage(store, run, id, to_ms - 10, to_ms, "b", value);
    store_stage_range(store, run, id, from_ms, to_ms);
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

static void put_line(struct tl_store *store, int64_t id, int64_t offset, int64_t time_ms)
{
    struct tl_ledger_line line = {.offset = offset, .cause = TL_CAUSE_LATE_DROP, .event_time_ms = time_ms};

    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, &line, 1, err));
    OK(tl_store_commit(store, err));
}

static void old_speed_rows_are_pruned(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run = store_run(store, "1");
    struct seen_lines seen = {.count = 0};

    for (int64_t end = 10; end <= 50; end += 10)
        store_put_speed(store, epoch, id, end - 10, end, "s", end);
    put_line(store, id, 1, 5);
    put_line(store, id, 2, 10);
    put_line(store, id, 3, MIN_MS); /* a dead letter's, read by the run */
    put_line(store, id, 9, MIN_MS); /* not yet read by it */
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 5, err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1000, err));
    run = store_run(store, "2");
    store_stage_range(store, run, id, 10, 20);
    OK(tl_store_publish(store, run, 2000, err));
    OK(tl_store_prune_speed(store, id, 1000, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "0 10 s 10 speed 1\n10 20 s 20 speed 1\n");
    OK(tl_store_prune_speed(store, id, 1001, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "10 20 s 20 speed 1\n");
    OK(tl_store_ledger(store, id, 0, see_line, &seen, err));
    cr_assert_eq(seen.count, 2);
    cr_assert_eq(seen.list[0].offset, 2);
    cr_assert_eq(seen.list[1].offset, 9);
    /* An open row stays: its accumulators are wanted. */
    OK(tl_store_begin(store, err));
    OK(tl_store_put_final(store, id, 15, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "10 20 s 20 speed 0\n");
    OK(tl_store_begin(store, err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 30), "20 30 s 30 speed 1\n");
    tl_store_close(store);
}

/* ---- topics of a pattern ---- */

static enum tl_code see_topic(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%u %.*s\n", number, TL_SV_ARG(topic));
    return TL_OK;
}

static void expect_topics(struct tl_store *store, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_topics(store, see_topic, &text, err));
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
}

/* Whoever comes first gives the number, and the others read it. */
static void topics_are_numbered_once(const struct store_backend *backend)
{
    const struct tl_sv first[] = {TL_SV("site-b"), TL_SV("site-a")}, second[] = {TL_SV("site-c"), TL_SV("site-b"), TL_SV("it's")};
    struct tl_store *store = fresh(backend), *other = store_open(url, TL_STORE_WRITE);

    expect_topics(store, "");
    OK(tl_store_number_topics(store, first, 2, err));
    OK(tl_store_number_topics(other, second, 3, err));
    OK(tl_store_number_topics(store, first, 2, err));
    OK(tl_store_number_topics(store, NULL, 0, err));
    expect_topics(store, "1 site-b\n2 site-a\n3 site-c\n4 it's\n");
    tl_store_close(other);
    other = store_open(url, TL_STORE_READ);
    expect_topics(other, "1 site-b\n2 site-a\n3 site-c\n4 it's\n");
    tl_store_close(other);
    tl_store_close(store);
}

/* As many as there may be, or (SQL is quicker over a network) the last of them. */
static void fill_topics(const struct store_backend *backend, struct tl_store *store)
{
    static char names[TL_TOPIC_NUMBER_MAX][8];
    static struct tl_sv topics[TL_TOPIC_NUMBER_MAX];

    if (backend == &store_postgres) {
        store_postgres_sql(url, "INSERT INTO tally_topic VALUES (32766, 'last')");
        return;
    }
    for (size_t i = 0; i + 1 < TL_COUNT(topics); i++)
        topics[i] = (struct tl_sv){names[i], (size_t)snprintf(names[i], sizeof names[i], "t%zu", i)};
    OK(tl_store_number_topics(store, topics, TL_COUNT(topics) - 1, err));
}

static enum tl_code count_topic(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err)
{
    (void)topic;
    (void)err;
    *(uint32_t *)ctx = number;
    return TL_OK;
}

static void a_topic_too_many_is_refused(const struct store_backend *backend)
{
    const struct tl_sv two[] = {TL_SV("one"), TL_SV("two")};
    struct tl_store *store = fresh(backend);
    uint32_t highest = 0;

    fill_topics(backend, store);
    FAILS(TL_ERR_LIMIT, "topic two would be one too many", tl_store_number_topics(store, two, 2, err));
    OK(tl_store_topics(store, count_topic, &highest, err));
    cr_assert_eq(highest, TL_TOPIC_NUMBER_MAX - 1, "none of the two was given a number, but %u was", highest);
    OK(tl_store_number_topics(store, two, 1, err));
    OK(tl_store_number_topics(store, two, 1, err));
    tl_store_close(store);
}

static struct tl_shape by_pattern(struct tl_shape shape)
{
    shape.topic = TL_SV("site-.*");
    shape.by_pattern = true;
    return shape;
}

/* What a run had read stands under the topic's own name and partition. */
static void single_events_of_several_topics_merge(const struct store_backend *backend)
{
    const struct tl_sv topics[] = {TL_SV("site-a"), TL_SV("site-b"), TL_SV("site-c")};
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, by_pattern(store_windowless("bots", 'a'))), epoch = store_epoch(store),
            run = store_run(store, "1"), change;
    uint32_t a = tl_partition_number(1, 0), a1 = tl_partition_number(1, 1), b1 = tl_partition_number(2, 1),
             c = tl_partition_number(3, 0);
    struct store_rows rows;

    cr_assert(about(store, id).by_pattern);
    OK(tl_store_number_topics(store, topics, 3, err));
    store_rows_init(&rows, false, 8);
    store_rows_add_event(&rows, 10, a, 4, "/a-read");
    store_rows_add_event(&rows, 11, a1, 4, "/a-1-not-read");
    store_rows_add_event(&rows, 12, b1, 6, "/b-read");
    store_rows_add_event(&rows, 13, b1, 7, "/b-not-read");
    store_rows_add_event(&rows, 14, c, 0, "/c-not-read");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, 1000, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-a"), 0, 5, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 1, 7, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-.*"), 0, 100, err)); /* nobody's */
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, 0, 20);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "bots"), "11 /a-1-not-read speed 1\n13 /b-not-read speed 1\n14 /c-not-read speed 1\n");
    OK(tl_store_prune_speed(store, id, 2, err));
    expect(store_answer(store, "bots", TL_LAYER_SPEED, MIN_MS, MAX_MS),
           "11 /a-1-not-read speed 1\n13 /b-not-read speed 1\n14 /c-not-read speed 1\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

static void lines_of_several_topics_are_pruned(const struct store_backend *backend)
{
    const struct tl_sv topics[] = {TL_SV("site-a"), TL_SV("site-b")};
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, by_pattern(store_windowed("hits", 'a'))), run = store_run(store, "1");
    struct tl_ledger_line lines[3];
    struct seen_lines seen = {.count = 0};

    OK(tl_store_number_topics(store, topics, 2, err));
    for (uint32_t i = 0; i < TL_COUNT(lines); i++) /* dead letters of site-a/0, site-b/0 and site-b/1 */
        lines[i] = (struct tl_ledger_line){.partition = tl_partition_number(i == 0 ? 1 : 2, i == 2),
                                           .offset = 3,
                                           .cause = TL_CAUSE_LATE_DROP,
                                           .event_time_ms = MIN_MS};
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-a"), 0, 3, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 0, 4, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 1, 3, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1000, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    OK(tl_store_ledger(store, id, 0, see_line, &seen, err));
    cr_assert_eq(seen.count, 2);
    cr_assert(seen.list[0].partition == lines[0].partition && seen.list[1].partition == lines[2].partition);
    tl_store_close(store);
}

/* ---- definitions ---- */

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
    OK(tl_store_swap(store, fresh_id, &swapped, err));
    cr_assert(!swapped, "neither ready nor published");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ready(store, fresh_id, err));
    OK(tl_store_put_dedup(store, fresh_id, TL_SV("events"), 0, 1, 1, TL_SV("x"), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_swap(store, fresh_id, &swapped, err));
    cr_assert(!swapped, "not published as far");
    run = store_run(store, "new");
    stage_one(store, run, fresh_id, 0, 10, 2);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n");

    OK(tl_store_begin_read(reader, err));
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n");
    OK(tl_store_swap(store, fresh_id, &swapped, err));
    cr_assert(swapped || backend->reader_holds_names);
    expect(MERGED(reader, "hits"), "0 10 b 1 batch 1\n10 20 old 1 speed 0\n"); /* its snapshot */
    OK(tl_store_commit(reader, err));
    if (!swapped)
        OK(tl_store_swap(store, fresh_id, &swapped, err));
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
    OK(tl_store_swap(store, fresh_id, &swapped, err));
    cr_assert(!swapped, "it is the active one already");
    FAILS(TL_ERR_NOT_FOUND, "has been replaced", tl_store_swap(store, old, &swapped, err));
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
    OK(tl_store_swap(store, id, &swapped, err));
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
    OK(tl_store_swap(store, other, &swapped, err));
    cr_assert(swapped);
    OK(tl_store_publish(store, run, 5, err));
    expect(MERGED(store, "hits"), "0 10 b 2 batch 1\n");
    tl_store_close(store);
}

/* ---- the merge ---- */

/* Each window stands in both layers, told apart by its value. Whatever ranges are published, each is served once, by the layer that its
 * end says. */
static void each_window_is_served_once(const struct store_backend *backend)
{
    struct chance chance = chance_open("each_window_is_served_once");
    enum { WINDOWS = 40, RUNS = 25 };

    for (int round = 0; round < 4; round++) {
        struct tl_store *store = fresh(backend);
        int64_t id = hits(store), epoch = store_epoch(store), change, holder[WINDOWS + 1] = {0}, boundary;
        struct store_rows rows;

        store_rows_init(&rows, true, WINDOWS);
        for (int64_t w = 1; w <= WINDOWS; w++)
            store_rows_add(&rows, w * 10 - 10 - (int64_t)chance_below(&chance, 30), w * 10, "h", -w);
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
        OK(tl_store_commit(store, err));
        for (int i = 0; i < RUNS; i++) {
            int64_t run = store_run(store, "random"), from = chance_below(&chance, WINDOWS), to, ends[2];
            struct store_rows staged;
            struct tl_err publish_err;
            bool cuts = false;

            if (chance_below(&chance, 3) == 0)
                from = 0;
            to = from + 1 + chance_below(&chance, (uint32_t)(WINDOWS - from));
            ends[0] = from * 10;
            ends[1] = to * 10;
            store_rows_init(&staged, true, WINDOWS);
            for (int64_t w = 1; w <= WINDOWS; w++) /* a run may have rows outside of its ranges: they are not served */
                store_rows_add(&staged, rows.rows.start_ms[w - 1], w * 10, "h", run * 1000 + w);
            OK(tl_store_begin(store, err));
            OK(tl_store_stage_rows(store, run, id, &staged.rows, err));
            OK(tl_store_commit(store, err));
            store_stage_range(store, run, id, ends[0], ends[1]);
            store_rows_done(&staged);
            if (from > 0 && holder[from] != 0 && holder[from] == holder[from + 1])
                cuts = true;
            if (to < WINDOWS && holder[to] != 0 && holder[to] == holder[to + 1])
                cuts = true;
            cr_assert_eq(tl_store_publish(store, run, 5, &publish_err), cuts ? TL_ERR_LIMIT : TL_OK, "%s", publish_err.message);
            for (int64_t w = from + 1; w <= to && !cuts; w++)
                holder[w] = run;
            boundary = MIN_MS;
            for (int64_t w = 1; w <= WINDOWS; w++) /* from the first that is published on */
                if (holder[w] != 0)
                    boundary = w * 10;
                else if (boundary != MIN_MS)
                    break;
            cr_assert_eq(about(store, id).boundary_ms, boundary);
            {
                struct tl_buf want;
                int64_t low = (int64_t)chance_below(&chance, WINDOWS) * 10,
                        high = low + (int64_t)chance_below(&chance, WINDOWS) * 10;

                tl_buf_init(&want, 0);
                for (int64_t w = 1; w <= WINDOWS; w++)
                    if (w * 10 > low && w * 10 <= high && (w * 10 > boundary || holder[w] != 0))
                        tl_buf_printf(&want, "%lld %lld h %lld %s %d\n", (long long)rows.rows.start_ms[w - 1],
                                      (long long)(w * 10), (long long)(w * 10 > boundary ? -w : holder[w] * 1000 + w),
                                      w * 10 > boundary ? "speed" : "batch", w * 10 <= boundary);
                tl_buf_put_u8(&want, '\0');
                expect(store_answer(store, "hits", TL_LAYER_MERGED, low, high), want.data);
                tl_buf_done(&want);
            }
        }
        store_rows_done(&rows);
        tl_store_close(store);
    }
}

static void single_events_merge_by_time_and_offset(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowless("bots", 'a')), epoch = store_epoch(store), run = store_run(store, "1"), change;
    struct store_rows rows;

    store_rows_init(&rows, false, 8);
    store_rows_add_event(&rows, 10, 0, 1, "/speed-read-by-batch");
    store_rows_add_event(&rows, 10, 0, 7, "/came-later");
    store_rows_add_event(&rows, 12, 1, 1, "/partition-not-read");
    store_rows_add_event(&rows, 19, 0, 4, "/last-read");
    store_rows_add_event(&rows, 19, 0, 5, "/first-not-read");
    store_rows_add_event(&rows, 20, 0, 2, "/at-the-boundary");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, 1000, err));
    OK(tl_store_commit(store, err));
    store_rows_clear(&rows);
    store_rows_add_event(&rows, 10, 0, 1, "/batch-1");
    store_rows_add_event(&rows, 19, 0, 4, "/batch-4");
    store_rows_add_event(&rows, 20, 0, 2, "/batch-2-outside");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 5, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, 0, 20);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "bots"),
           "10 /batch-1 batch 1\n10 /came-later speed 1\n12 /partition-not-read speed 1\n19 /batch-4 batch 1\n"
           "19 /first-not-read speed 1\n20 /at-the-boundary speed 1\n");
    expect(store_answer(store, "bots", TL_LAYER_MERGED, 11, 20),
           "12 /partition-not-read speed 1\n19 /batch-4 batch 1\n19 /first-not-read speed 1\n");
    expect(store_answer(store, "bots", TL_LAYER_BATCH, MIN_MS, MAX_MS), "10 /batch-1 batch 1\n19 /batch-4 batch 1\n");
    OK(tl_store_prune_speed(store, id, 2, err));
    expect(store_answer(store, "bots", TL_LAYER_SPEED, MIN_MS, MAX_MS),
           "10 /came-later speed 1\n12 /partition-not-read speed 1\n19 /first-not-read speed 1\n20 /at-the-boundary speed 1\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

/* ---- cuts per key ---- */

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

/* ---- both layers' sessions of random events ---- */

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

static enum tl_code any_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    (void)ctx;
    (void)columns;
    (void)count;
    (void)err;
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

static enum tl_code count_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    (void)values;
    (void)count;
    (void)err;
    ++*(int64_t *)ctx;
    return TL_OK;
}

static void answers_are_sorted_and_limited(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store);
    struct tl_query query = {.view = TL_SV("hits"), .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};

    store_put_speed(store, epoch, id, 10, 20, "z", 1);
    store_put_speed(store, epoch, id, 10, 20, "\xc3\xa4", 1);
    store_put_speed(store, epoch, id, 0, 20, "q", 1);
    store_put_speed(store, epoch, id, 10, 20, "B", 1);
    store_put_speed(store, epoch, id, 0, 10, "zz", 1);
    expect(MERGED(store, "hits"),
           "0 10 zz 1 speed 0\n0 20 q 1 speed 0\n10 20 B 1 speed 0\n10 20 z 1 speed 0\n10 20 \xc3\xa4 1 speed 0\n");
    for (query.limit = 0; query.limit < 7; query.limit++) {
        int64_t rows = 0;

        OK(tl_store_query(store, &query, any_head, count_row, &rows, err));
        cr_assert_eq(rows, query.limit < 5 ? query.limit : 5);
    }
    query.view = TL_SV("nope");
    FAILS(TL_ERR_NOT_FOUND, "there are: hits", tl_store_query(store, &query, any_head, count_row, NULL, err));
    tl_store_close(store);
}

/* A reader in another process, while one publishes and another definition ticks: both views always show the same run. */
static void a_reader_sees_before_or_after(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *reader;
    int64_t a = define(store, store_windowed("a", 'a')), b = define(store, store_windowed("b", 'b')), epoch = store_epoch(store);
    int status;
    pid_t child;

    tl_store_close(store);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        store = store_open(url, TL_STORE_WRITE);
        for (int64_t i = 1; i <= 60; i++) {
            int64_t run = store_run(store, "again");

            for (int64_t end = 10; end <= 100; end += 10) {
                store_stage(store, run, a, end - 10, end, "x", i);
                store_stage(store, run, b, end - 10, end, "x", i);
            }
            store_stage_range(store, run, a, 0, 100);
            store_stage_range(store, run, b, 0, 100);
            OK(tl_store_publish(store, run, 5, err));
            store_put_speed(store, epoch, a, 100, 110, "x", i);
        }
        tl_store_close(store);
        _exit(0);
    }
    reader = store_open(url, TL_STORE_READ);
    for (bool ended = false; !ended;) {
        char first[4096];
        const char *second;
        int newlines = 0;

        ended = waitpid(child, &status, WNOHANG) == child;
        OK(tl_store_begin_read(reader, err));
        snprintf(first, sizeof first, "%s", store_answer(reader, "a", TL_LAYER_MERGED, MIN_MS, 100));
        second = store_answer(reader, "b", TL_LAYER_MERGED, MIN_MS, 100);
        cr_assert_str_eq(first, second);
        for (const char *at = first; *at != '\0'; at++)
            newlines += *at == '\n';
        cr_assert(newlines == 0 || newlines == 10, "%s", first);
        OK(tl_store_commit(reader, err));
    }
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tl_store_close(reader);
}

/* ---- the table of checks ---- */

static const struct {
    const char *name;
    void (*run)(const struct store_backend *backend);
} checks[] = {
#define CHECK(name)                                                                                                              \
    {                                                                                                                            \
#name, name                                                                                                              \
    }
    CHECK(reading_what_is_not_there),
    CHECK(urls),
    CHECK(tick_is_all_or_nothing),
    CHECK(second_owner_fences_the_first),
    CHECK(an_owner_that_answers_is_not_taken_over),
    CHECK(rows_are_replaced_by_identity),
    CHECK(rows_are_dropped_by_identity),
    CHECK(states_stand_beside_rows),
    CHECK(forms_are_remembered),
    CHECK(positions),
    CHECK(event_ids),
    CHECK(ledger_keeps_the_first_line),
    CHECK(the_ledger_names_the_function_that_failed),
    CHECK(a_secret_is_made_once),
    CHECK(processes_agree_on_a_secret),
    CHECK(versions_are_kept_where_they_change),
    CHECK(dead_letters_are_kept_once),
    CHECK(outcomes_add_up),
    CHECK(every_kind_of_value_comes_back),
    CHECK(names_are_quoted),
    CHECK(names_that_cannot_stand_side_by_side),
    CHECK(cursors_walk_side_by_side),
    CHECK(single_events_in_half_open_ranges),
    CHECK(staged_rows_are_invisible),
    CHECK(publication_moves_all_views_at_once),
    CHECK(boundary_is_the_end_of_what_touches),
    CHECK(newer_ranges_supersede),
    CHECK(a_cut_in_one_view_publishes_nothing),
    CHECK(discarding_what_was_staged),
    CHECK(old_speed_rows_are_pruned),
    CHECK(topics_are_numbered_once),
    CHECK(a_topic_too_many_is_refused),
    CHECK(single_events_of_several_topics_merge),
    CHECK(lines_of_several_topics_are_pruned),
    CHECK(definitions_are_found_again),
    CHECK(a_new_definition_is_swapped_in),
    CHECK(state_is_swapped_in_too),
    CHECK(a_run_outlives_a_definition),
    CHECK(each_window_is_served_once),
    CHECK(single_events_merge_by_time_and_offset),
    CHECK(sessions_are_cut_per_key),
    CHECK(ticks_lower_cuts_and_never_raise_them),
    CHECK(carried_sessions_stay_with_their_range),
    CHECK(rows_that_are_served_are_not_pruned),
    CHECK(each_event_of_a_session_is_served_once),
    CHECK(answers_are_sorted_and_limited),
    CHECK(a_reader_sees_before_or_after),
};

static size_t numbers[TL_COUNT(checks)];

static struct criterion_test_params all_checks(void)
{
    for (size_t i = 0; i < TL_COUNT(checks); i++)
        numbers[i] = i;
    return cr_make_param_array(size_t, numbers, TL_COUNT(checks));
}

ParameterizedTestParameters(store, sqlite)
{
    return all_checks();
}

ParameterizedTestParameters(store, postgres)
{
    return all_checks();
}

ParameterizedTest(size_t *number, store, sqlite, .fini = store_folder_remove)
{
    fprintf(stderr, "%s\n", checks[*number].name);
    checks[*number].run(&store_sqlite);
}

ParameterizedTest(size_t *number, store, postgres, .fini = store_folder_remove)
{
    fprintf(stderr, "%s\n", checks[*number].name);
    checks[*number].run(&store_postgres);
}
