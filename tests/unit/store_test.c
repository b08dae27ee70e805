/* store_test.c: what every kind of store must do: opening, secrets, cursors, readers; the other conformance suites stand in store_*_test.c. */
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/table.h"
#include "support/store_checks.h"

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

struct beside {
    int64_t run, more;
    uint64_t counted[2];
    uint64_t accumulators[2];
    bool of_speed;
};

/* What a cursor leaves out. */
static enum tl_code see_beside(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    struct beside *beside = ctx;

    (void)err;
    cr_assert_gt(row->accumulators.size, 0);
    beside->accumulators[beside->of_speed] ^= tl_hash_bytes(row->accumulators) * (1 + beside->counted[beside->of_speed]);
    beside->counted[beside->of_speed]++;
    if (beside->of_speed)
        cr_assert_gt(row->change_or_run, 0);
    else
        cr_assert_eq(row->change_or_run, row->end_ms > 20 ? beside->more : beside->run);
    return TL_OK;
}

static void cursors_walk_side_by_side(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run = store_run(store, "one"), more = store_run(store, "two");
    static const char *const hosts[] = {"b", "a"};
    struct tl_store_cursor *speed = NULL, *batch = NULL;
    const struct tl_stored_row *row = NULL, *other = NULL;
    int64_t count = 0;
    struct beside beside = {.run = run, .more = more};

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
        cr_assert_eq(row->columns_count, 4);
        cr_assert_eq(row->columns[0].i64, row->start_ms);
        cr_assert_eq(row->columns[1].i64, row->end_ms);
        cr_assert_eq(row->columns[3].i64, other->columns[3].i64);
        count++;
    }
    cr_assert_eq(count, 6);
    OK(tl_store_cursor_next(speed, &row, err));
    cr_assert_null(row, "the end stays the end");
    tl_store_cursor_close(speed);
    tl_store_cursor_close(batch);
    for (int of_speed = 0; of_speed < 2; of_speed++) {
        beside.of_speed = of_speed != 0;
        OK(tl_store_rows(store, id, of_speed ? TL_LAYER_SPEED : TL_LAYER_BATCH, 10, 40, see_beside, &beside, err));
    }
    cr_assert_eq(beside.counted[0], (uint64_t)count);
    cr_assert_eq(beside.counted[1], (uint64_t)count);
    cr_assert_eq(beside.accumulators[0], beside.accumulators[1]);
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

/* While another process ticks. */
static void two_handles_read_one_snapshot(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *readers[2];
    int64_t a = define(store, store_windowed("a", 'a')), epoch = store_epoch(store), rounds = 0;
    int status;
    pid_t child;

    tl_store_close(store);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        store = store_open(url, TL_STORE_WRITE);
        for (int64_t i = 1; i <= 400; i++)
            store_put_speed(store, epoch, a, 0, 10, "x", i);
        tl_store_close(store);
        _exit(0);
    }
    for (int r = 0; r < 2; r++)
        readers[r] = store_open(url, TL_STORE_WALK);
    for (bool ended = false, both; !ended;) {
        char first[256];

        ended = waitpid(child, &status, WNOHANG) == child;
        OK(tl_store_begin_read_both(readers[0], readers[1], &both, err));
        snprintf(first, sizeof first, "%s", store_answer(readers[0], "a", TL_LAYER_SPEED, MIN_MS, MAX_MS));
        if (both)
            expect(store_answer(readers[1], "a", TL_LAYER_SPEED, MIN_MS, MAX_MS), first);
        rounds += both;
        tl_store_rollback(readers[0]);
        tl_store_rollback(readers[1]);
    }
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_gt(rounds, 0);
    for (int r = 0; r < 2; r++)
        tl_store_close(readers[r]);
}

static enum tl_code count_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    (void)values;
    (void)count;
    (void)err;
    ++*(uint32_t *)ctx;
    return TL_OK;
}

/* A slow query is stopped; the handle is as good as before. */
static void a_read_is_over_by_its_deadline(const struct store_backend *backend)
{
    enum { ROWS = 20000 };
    const struct tl_query all = {.view = TL_SV("hits"), .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};
    struct tl_store *store = fresh(backend), *reader;
    int64_t id = hits(store), epoch = store_epoch(store), change;
    struct store_rows rows;
    struct tl_err why = {.code = TL_OK};
    uint32_t count = 0;

    store_rows_init(&rows, true, ROWS);
    for (int64_t i = 0; i < ROWS; i++)
        store_rows_add(&rows, i, i + 10, "a", i);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
    reader = store_open(url, TL_STORE_READ);
    tl_store_deadline(reader, tl_clock_monotonic_ms());
    cr_assert_neq(tl_store_query(reader, &all, any_head, count_row, &count, &why), TL_OK);
    cr_assert_eq(why.code, TL_ERR_IO, "%s", why.message);
    cr_assert_lt(count, ROWS);
    count = 0;
    tl_store_deadline(reader, tl_clock_monotonic_ms() + 20000);
    OK(tl_store_query(reader, &all, any_head, count_row, &count, err));
    cr_assert_eq(count, ROWS);
    tl_store_deadline(reader, 0);
    OK(tl_store_query(reader, &all, any_head, count_row, &count, err));
    tl_store_close(reader);
    tl_store_close(store);
}

static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    (void)ctx;
    (void)published;
    (void)run;
    (void)err;
    return TL_OK;
}

static int64_t published(struct tl_store *store)
{
    int64_t version = 0;

    OK(tl_store_published_version(store, &version, err));
    return version;
}

static void what_is_published_has_a_version(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run = store_run(store, "first"), before = published(store), next;
    bool swapped = false;

    store_put_speed(store, epoch, id, 0, 10, "a", 1);
    store_stage(store, run, id, 0, 10, "a", 1);
    store_stage_range(store, run, id, 0, 10);
    cr_assert_eq(published(store), before, "a tick and what is staged are not published");
    OK(tl_store_publish(store, run, 5, err));
    cr_assert_neq(next = published(store), before);
    OK(tl_store_unpublish(store, 0, "me", 6, see_undone, NULL, err));
    cr_assert(published(store) != next && published(store) != before);
    before = published(store);
    id = define(store, store_windowed("hits", 'b'));
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert_eq(published(store) != before, swapped);
    /* Beside one with a higher number. */
    id = define(store, store_windowed("hits", 'd'));
    define(store, store_windowed("visits", 'c'));
    before = published(store);
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped && published(store) != before);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(a_read_is_over_by_its_deadline),
    CHECK(what_is_published_has_a_version),
    CHECK(reading_what_is_not_there),
    CHECK(urls),
    CHECK(a_secret_is_made_once),
    CHECK(processes_agree_on_a_secret),
    CHECK(versions_are_kept_where_they_change),
    CHECK(cursors_walk_side_by_side),
    CHECK(single_events_in_half_open_ranges),
    CHECK(a_reader_sees_before_or_after),
    CHECK(two_handles_read_one_snapshot),
};

STORE_SUITE(store)
