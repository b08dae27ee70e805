/* store_fault_test.c: the nth write or fsync of the store fails: what is there afterwards is the state before or after, never between.
 *
 * A shim over SQLite's file layer counts writes, syncs, truncations and deletions, and lets the nth one fail: a write leaves half of its
 * bytes behind first. Once: the store goes on with the same handle. For good: the disk stays away, until another process (here: another
 * handle, with the shim asleep) opens what is left.
 *
 * All places: TALLY_FAULT_ALL=1. Otherwise a third of them, another one each time. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/chance.h"
#include "support/store_fixture.h"

/* ---- the shim ---- */

static struct {
    sqlite3_vfs *below;
    bool armed, for_good;
    int code; /* SQLITE_IOERR or SQLITE_FULL */
    int calls, fails_at;
} shim;

struct shim_file {
    sqlite3_file base;
    sqlite3_file *below; /* behind this struct */
};

static sqlite3_file *below(sqlite3_file *file)
{
    return ((struct shim_file *)file)->below;
}

static bool fails(void)
{
    if (!shim.armed)
        return false;
    shim.calls++;
    return shim.calls == shim.fails_at || (shim.for_good && shim.calls > shim.fails_at);
}

static int file_close(sqlite3_file *file)
{
    return below(file)->pMethods->xClose(below(file));
}

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at)
{
    return below(file)->pMethods->xRead(below(file), bytes, count, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    if (!fails())
        return below(file)->pMethods->xWrite(below(file), bytes, count, at);
    below(file)->pMethods->xWrite(below(file), bytes, count / 2, at);
    return shim.code == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : below(file)->pMethods->xTruncate(below(file), size);
}

/* What is not on the disk yet is not lost here: no power fails. So that the sweep is quick, nothing is synced in truth. */
static int file_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return below(file)->pMethods->xFileSize(below(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xLock(below(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xUnlock(below(file), level);
}

static int file_reserved(sqlite3_file *file, int *out)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return below(file)->pMethods->xFileControl(below(file), op, arg);
}

static int file_sector(sqlite3_file *file)
{
    return below(file)->pMethods->xSectorSize(below(file));
}

static int file_traits(sqlite3_file *file)
{
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return below(file)->pMethods->xShmMap(below(file), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    below(file)->pMethods->xShmBarrier(below(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete_too)
{
    return below(file)->pMethods->xShmUnmap(below(file), delete_too);
}

static const sqlite3_io_methods methods = {
    2,           file_close,   file_read,     file_write,       file_truncate,  file_sync,
    file_size,   file_lock,    file_unlock,   file_reserved,    file_control,   file_sector,
    file_traits, file_shm_map, file_shm_lock, file_shm_barrier, file_shm_unmap, NULL,
    NULL};

static int shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out)
{
    struct shim_file *mine = (struct shim_file *)file;
    int rc;

    (void)vfs;
    mine->below = (sqlite3_file *)(mine + 1);
    rc = shim.below->xOpen(shim.below, name, mine->below, flags, out);
    mine->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
    return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return fails() ? SQLITE_IOERR_DELETE : shim.below->xDelete(shim.below, name, sync);
}

static void shim_start(void)
{
    static sqlite3_vfs vfs;

    cr_assert_eq(sqlite3_initialize(), SQLITE_OK);
    shim.below = sqlite3_vfs_find(NULL);
    vfs = *shim.below;
    vfs.zName = "shim";
    vfs.szOsFile = (int)sizeof(struct shim_file) + shim.below->szOsFile;
    vfs.xOpen = shim_open;
    vfs.xDelete = shim_delete;
    cr_assert_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

/* ---- what is done, step by step ---- */

enum { TICKS = 4, PUBLISHED = 2 + TICKS, CHANGED, SWAPPED, STEPS };

/* View c has one session, which grows at both ends with each tick, and its state. */
static enum tl_code tick_session(struct tl_store *store, int64_t value, int64_t change, struct tl_err *err)
{
    int64_t start_ms = 0, end_ms = value;
    struct tl_sv key = TL_SV("s"), bytes = {(const char *)&end_ms, sizeof end_ms};
    struct tl_definition c;
    struct store_rows gone, put;
    enum tl_code rc;

    store_rows_init(&gone, true, (uint32_t)value);
    store_rows_init(&put, true, 1);
    for (int64_t i = 1; i < value; i++)
        store_rows_add(&gone, 90 - i, 300 + i, "s", i);
    store_rows_add(&put, 90 - value, 300 + value, "s", value);
    TL_TRY(tl_store_active(store, TL_SV("c"), &c, err));
    TL_TRY(tl_store_drop_speed_rows(store, c.id, &gone.rows, err));
    TL_TRY(tl_store_put_speed_rows(store, c.id, &put.rows, change, err));
    TL_TRY(tl_store_put_states(store, c.id, &(struct tl_states){1, &start_ms, &end_ms, &key, &bytes}, err));
    TL_TRY(tl_store_drop_states(store, c.id, value - 1, err));
out:
    store_rows_done(&gone);
    store_rows_done(&put);
    return rc;
}

/* Everything that a step writes belongs together; step 1 + TICKS stages, which nobody sees. */
static enum tl_code tick(struct tl_store *store, int64_t value, struct tl_err *err)
{
    struct tl_definition a, b;
    struct tl_position position = {.next_offset = value};
    struct store_rows rows;
    struct tl_epoch mine;
    int64_t change;
    bool begun = false;
    enum tl_code rc;

    store_rows_init(&rows, true, 40);
    for (int64_t i = 0; i < 40; i++)
        store_rows_add(&rows, i * 10, i * 10 + 10, "a host whose name is long enough to fill some pages of the store", value);
    TL_TRY(tl_store_active(store, TL_SV("a"), &a, err));
    TL_TRY(tl_store_active(store, TL_SV("b"), &b, err));
    TL_TRY(tl_store_take_epoch(store, "test", NULL, &mine, err));
    TL_TRY(tl_store_begin_tick(store, mine.epoch, &change, err));
    begun = true;
    TL_TRY(tl_store_put_speed_rows(store, a.id, &rows.rows, change, err));
    TL_TRY(tl_store_put_speed_rows(store, b.id, &rows.rows, change, err));
    TL_TRY(tick_session(store, value, change, err));
    TL_TRY(tl_store_put_position(store, a.id, &position, err));
    TL_TRY(tl_store_commit(store, err));
    begun = false;
out:
    if (begun)
        tl_store_rollback(store);
    store_rows_done(&rows);
    return rc;
}

/* Of view c [0, 40) is over, and another one is carried over the end. */
static enum tl_code stage_sessions(struct tl_store *store, int64_t run, struct tl_err *err)
{
    struct tl_run_range range = {.run = run, .from_ms = 0, .to_ms = 200};
    struct tl_definition c;
    struct store_rows rows;
    bool begun = false;
    enum tl_code rc;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, 0, 40, "s", -1);
    TL_TRY(tl_store_active(store, TL_SV("c"), &c, err));
    TL_TRY(tl_store_begin(store, err));
    begun = true;
    TL_TRY(tl_store_stage_rows(store, run, c.id, &rows.rows, err));
    store_rows_clear(&rows);
    store_rows_add(&rows, 60, 210, "s", -2);
    TL_TRY(tl_store_stage_open(store, run, c.id, 200, &rows.rows, err));
    TL_TRY(tl_store_stage_range(store, c.id, &range, err));
    TL_TRY(tl_store_commit(store, err));
    begun = false;
out:
    if (begun)
        tl_store_rollback(store);
    store_rows_done(&rows);
    return rc;
}

static enum tl_code stage(struct tl_store *store, int64_t *run, struct tl_err *err)
{
    struct tl_definition definition;
    struct store_rows rows;
    bool begun = false;
    enum tl_code rc;

    store_rows_init(&rows, true, 20);
    for (int64_t i = 0; i < 20; i++)
        store_rows_add(&rows, i * 10, i * 10 + 10, "b", -1);
    TL_TRY(tl_store_run_begin(store, "nightly", TL_SV("tzdata 2026a"), 1, run, err));
    for (int i = 0; i < 2; i++) {
        struct tl_run_range range = {.run = *run, .from_ms = 0, .to_ms = 200};

        TL_TRY(tl_store_active(store, i == 0 ? TL_SV("a") : TL_SV("b"), &definition, err));
        TL_TRY(tl_store_begin(store, err));
        begun = true;
        TL_TRY(tl_store_stage_rows(store, *run, definition.id, &rows.rows, err));
        TL_TRY(tl_store_stage_range(store, definition.id, &range, err));
        TL_TRY(tl_store_commit(store, err));
        begun = false;
    }
    TL_TRY(stage_sessions(store, *run, err));
out:
    if (begun)
        tl_store_rollback(store);
    store_rows_done(&rows);
    return rc;
}

static enum tl_code change(struct tl_store *store, int64_t *id, struct tl_err *err)
{
    struct tl_shape shape = store_windowed("b", 'c');
    struct tl_run_range range = {.from_ms = 0, .to_ms = 200};
    enum tl_code rc;

    TL_TRY(tl_store_define(store, &shape, id, err));
    TL_TRY(tl_store_run_begin(store, "for the new definition", TL_SV(""), 1, &range.run, err));
    TL_TRY(tl_store_begin(store, err));
    rc = tl_store_stage_range(store, *id, &range, err);
    if (rc == TL_OK)
        rc = tl_store_commit(store, err);
    if (rc != TL_OK)
        tl_store_rollback(store);
    TL_TRY(rc);
    TL_TRY(tl_store_publish(store, range.run, 2, err));
out:
    return rc;
}

/* *done: how many steps have said that they were done. */
static enum tl_code work(const char *url, struct tl_store **store, int *done, struct tl_err *err)
{
    struct tl_shape a = store_windowed("a", 'a'), b = store_windowed("b", 'b'), c = store_sessions("c", 'd', 0);
    int64_t id, run;
    bool swapped;
    enum tl_code rc;

    *done = 0;
    TL_TRY(tl_store_open(url, TL_STORE_WRITE, store, err));
    TL_TRY(tl_store_define(*store, &a, &id, err));
    TL_TRY(tl_store_define(*store, &b, &id, err));
    TL_TRY(tl_store_define(*store, &c, &id, err));
    for (*done = 1; *done <= TICKS; ++*done)
        TL_TRY(tick(*store, *done, err));
    TL_TRY(stage(*store, &run, err));
    TL_TRY(tl_store_publish(*store, run, 2, err));
    *done = PUBLISHED;
    TL_TRY(change(*store, &id, err));
    *done = CHANGED;
    TL_TRY(tl_store_swap(*store, id, 0, &swapped, err));
    cr_assert(swapped);
    *done = SWAPPED;
out:
    return rc;
}

/* ---- what may be there afterwards ---- */

static enum tl_code see_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    (void)err;
    *(int64_t *)ctx = position->next_offset;
    return TL_OK;
}

struct seen {
    int64_t rows, value;
};

static enum tl_code see_row(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    struct seen *seen = ctx;

    (void)err;
    if (seen->rows++ == 0)
        seen->value = row->columns[3].i64;
    cr_assert_eq(row->columns[3].i64, seen->value, "rows of two ticks");
    return TL_OK;
}

static struct seen seen_of(struct tl_store *store, int64_t id, enum tl_layer layer)
{
    struct seen seen = {0, 0};

    OK(tl_store_rows(store, id, layer, INT64_MIN, INT64_MAX, see_row, &seen, err));
    return seen;
}

static enum tl_code see_state(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    struct seen *seen = ctx;

    (void)err;
    seen->rows++;
    cr_assert_eq(states->bytes[0].size, sizeof seen->value);
    memcpy(&seen->value, states->bytes[0].data, sizeof seen->value);
    cr_assert_eq(states->end_ms[0], seen->value);
    return TL_OK;
}

/* Row, state and cut of view c are those of the tick that wrote `position`. */
static void check_sessions(struct tl_store *store, int64_t position, bool published, int n)
{
    struct tl_definition c = {0};
    struct seen states = {0, 0};
    char want[200] = "";
    const char *got;

    OK(tl_store_active(store, TL_SV("c"), &c, err));
    OK(tl_store_states(store, c.id, see_state, &states, err));
    cr_assert_eq(states.rows, position != 0, "call %d", n);
    cr_assert_eq(states.value, position, "call %d: state and offset part", n);
    if (position != 0)
        snprintf(want, sizeof want, "%s%lld %lld s %lld speed 0\n", published && 90 - position >= 40 ? "0 40 s -1 batch 1\n" : "",
                 (long long)(90 - position), (long long)(300 + position), (long long)position);
    got = store_answer(store, "c", TL_LAYER_MERGED, INT64_MIN, INT64_MAX);
    cr_assert_str_eq(got, want, "call %d: got:\n%swant:\n%s", n, got, want);
}

static void check_integrity(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void check(const char *url, int done, int n)
{
    struct tl_store *store = store_open(url, TL_STORE_WRITE);
    const struct tl_definition *list;
    struct tl_definition a = {0}, b = {0};
    struct seen speed_a, batch_a = {0, 0}, batch_b;
    int64_t position = 0;
    size_t count = 0;
    struct tl_err why;

    OK(tl_store_definitions(store, &list, &count, err));
    cr_assert(done == 0 || count >= 3, "call %d: a definition is lost", n);
    if (count >= 3) {
        OK(tl_store_active(store, TL_SV("a"), &a, err));
        OK(tl_store_active(store, TL_SV("b"), &b, err));
        OK(tl_store_positions(store, a.id, see_position, &position, NULL, err));
        speed_a = seen_of(store, a.id, TL_LAYER_SPEED);
        batch_a = seen_of(store, a.id, TL_LAYER_BATCH);
        batch_b = seen_of(store, b.id, TL_LAYER_BATCH);
        cr_assert_eq(speed_a.rows, position == 0 ? 0 : 40, "call %d", n);
        cr_assert_eq(speed_a.value, position, "call %d: rows and offset part", n);
        cr_assert_geq(position, done == 0 ? 0 : done > TICKS ? TICKS : done - 1, "call %d: a tick is lost", n);
        cr_assert_leq(position, done > TICKS ? TICKS : done, "call %d", n);
        cr_assert(done < PUBLISHED || batch_a.rows == 20, "call %d: a publication is lost", n);
        cr_assert(batch_a.rows == 0 || batch_a.rows == 20, "call %d", n);
        cr_assert_eq(a.boundary_ms == 200, batch_a.rows == 20, "call %d", n);
        check_sessions(store, position, batch_a.rows == 20, n);
        if (b.hash[0] == 'b') {
            cr_assert_lt(done, SWAPPED, "call %d: a swap is lost", n);
            cr_assert_eq(batch_b.rows, batch_a.rows, "call %d: one view is published, the other is not", n);
        } else {
            cr_assert_geq(done, CHANGED, "call %d", n);
            cr_assert_eq(batch_b.rows, 0, "call %d: rows of the old definition", n);
            cr_assert_eq(b.boundary_ms, 200);
        }
    }
    tl_store_close(store);
    check_integrity(store_path(url));
    /* What is left can be worked on. */
    if (count >= 3) {
        bool published = batch_a.rows == 20;

        store = store_open(url, TL_STORE_WRITE);
        cr_assert_eq(tl_store_discard_staged(store, &why), TL_OK, "call %d: %s", n, why.message);
        cr_assert_eq(tick(store, 99, &why), TL_OK, "call %d: %s", n, why.message);
        check_sessions(store, 99, published, n); /* it has lowered the cut */
        tl_store_close(store);
    }
}

static void remove_store(const char *url)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    char name[600];

    for (size_t i = 0; i < TL_COUNT(beside); i++) {
        snprintf(name, sizeof name, "%s%s", store_path(url), beside[i]);
        unlink(name);
    }
}

struct fault_case {
    char name[40];
    int code;
    bool for_good;
};

ParameterizedTestParameters(store_fault, nth_call)
{
    static struct fault_case cases[] = {
        {"an error, once",             SQLITE_IOERR, false},
        {"an error, for good",         SQLITE_IOERR, true },
        {"the disk is full, once",     SQLITE_FULL,  false},
        {"the disk is full, for good", SQLITE_FULL,  true },
    };
    return cr_make_param_array(struct fault_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct fault_case *c, store_fault, nth_call, .fini = store_folder_remove)
{
    struct chance chance = chance_open(c->name);
    bool all = getenv("TALLY_FAULT_ALL") != NULL;
    int calls, tried = 0;
    char url[512];

    shim_start();
    store_sqlite.url(url);
    {
        struct tl_store *store = NULL;
        struct tl_err why = {.message = ""};
        int done;

        shim.armed = true;
        cr_assert_eq(work(url, &store, &done, &why), TL_OK, "%s", why.message);
        tl_store_close(store);
        shim.armed = false;
        calls = shim.calls;
        check(url, done, 0);
    }
    cr_assert_gt(calls, 100);
    for (int n = 1 + (all ? 0 : (int)chance_below(&chance, 3)); n <= calls; n += all ? 1 : 3, tried++) {
        struct tl_store *store = NULL;
        struct tl_err why = {.message = ""};
        int done;
        enum tl_code rc;

        remove_store(url);
        shim.calls = 0;
        shim.fails_at = n;
        shim.code = c->code;
        shim.for_good = c->for_good;
        shim.armed = true;
        rc = work(url, &store, &done, &why);
        if (rc != TL_OK) { /* or it was a checkpoint, or the end, which nobody waits for */
            cr_assert_eq(rc, TL_ERR_IO, "call %d: code %d: %s", n, (int)rc, why.message);
            cr_assert(why.retriable, "call %d: %s", n, why.message);
            cr_assert_not_null(strstr(why.message, store_path(url)), "%s", why.message);
        }
        /* The same handle goes on after a failure that has passed. */
        if (rc != TL_OK && !c->for_good && store != NULL && done >= 1 && done < TICKS) {
            why.message[0] = '\0';
            cr_assert_eq(tick(store, ++done, &why), TL_OK, "call %d: %s", n, why.message);
            done++;
        }
        tl_store_close(store);
        shim.armed = false;
        check(url, done, n);
    }
    fprintf(stderr, "%s: %d of %d calls\n", c->name, tried, calls);
}
