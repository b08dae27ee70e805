/* shown.c: what clients have been shown of each live view, and the journal of what was told them since. See shown.h.
 *
 * WAL with synchronous=NORMAL: a commit is in the kernel when it returns, which is what kill -9 leaves alone, and the file stays whole when the machine
 * goes down. Nothing here is worth an fsync a look: what is lost then is made again from the store. */
#include "shown.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/lock.h"

#define APPLICATION_ID "0x544c6c76" /* "TLlv" */
#define VERSION "2"

enum { FETCH_ROWS = 256 };

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    VIEWS,
    ADD_VIEW,
    PUT_VIEW,
    DROP_VIEW,
    CLEAR_ROWS,
    CLEAR_JOURNAL,
    PUT,
    DROP,
    FIND,
    WALK,
    WALK_BACK,
    PRUNE,
    END_OF,
    ADD,
    JOURNAL,
    BEHIND,
    HAS,
    OLDEST,
    TRIM,
    STATEMENTS,
};

/* clang-format off */
static const char sql_schema[] =
    "PRAGMA application_id = " APPLICATION_ID "; PRAGMA user_version = " VERSION ";"
    "CREATE TABLE meta (seed INTEGER NOT NULL) STRICT;"
    "CREATE TABLE view (view INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, columns TEXT NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL,"
    " change INTEGER NOT NULL, names INTEGER NOT NULL, published INTEGER NOT NULL, standing INTEGER NOT NULL, definition INTEGER NOT NULL,"
    " final_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, boundary_ms INTEGER NOT NULL, cuts_count INTEGER NOT NULL,"
    " cuts_sum_ms INTEGER NOT NULL, floor_ms INTEGER NOT NULL, rows_count INTEGER NOT NULL, journal_bytes INTEGER NOT NULL, store INTEGER NOT NULL) STRICT;"
    /* \"values\": delta.h; run 0: speed's. */
    "CREATE TABLE shown (view INTEGER NOT NULL, end_ms INTEGER NOT NULL, start_ms INTEGER NOT NULL, \"key\" BLOB NOT NULL, run INTEGER NOT NULL,"
    " \"values\" BLOB NOT NULL, PRIMARY KEY (view, end_ms, start_ms, \"key\")) STRICT, WITHOUT ROWID;"
    "CREATE TABLE journal (view INTEGER NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, delta BLOB NOT NULL, PRIMARY KEY (view, seq)) STRICT;";
static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [VIEWS] = "SELECT name, columns, view, seq, first, change, names, published, standing, definition, final_ms, ended_ms, boundary_ms, cuts_count,"
              " cuts_sum_ms, floor_ms, rows_count, journal_bytes, store FROM view ORDER BY view",
    [ADD_VIEW] = "INSERT INTO view (name, columns, seq, first, change, names, published, standing, definition, final_ms, ended_ms, boundary_ms,"
                 " cuts_count, cuts_sum_ms, floor_ms, rows_count, journal_bytes, store) VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
    [PUT_VIEW] = "UPDATE view SET columns = ?2, seq = ?3, first = ?4, change = ?5, names = ?6, published = ?7, standing = ?8, definition = ?9,"
                 " final_ms = ?10, ended_ms = ?11, boundary_ms = ?12, cuts_count = ?13, cuts_sum_ms = ?14, floor_ms = ?15, rows_count = ?16,"
                 " journal_bytes = ?17, store = ?18 WHERE view = ?1",
    [DROP_VIEW] = "DELETE FROM view WHERE view = ?1",
    [CLEAR_ROWS] = "DELETE FROM shown WHERE view = ?1",
    [CLEAR_JOURNAL] = "DELETE FROM journal WHERE view = ?1",
    [PUT] = "INSERT INTO shown (view, end_ms, start_ms, \"key\", run, \"values\") VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT (view, end_ms, start_ms, \"key\") DO UPDATE SET run = excluded.run, \"values\" = excluded.\"values\"",
    [DROP] = "DELETE FROM shown WHERE view = ?1 AND end_ms = ?2 AND start_ms = ?3 AND \"key\" = ?4",
    [FIND] = "SELECT run, \"values\" FROM shown WHERE view = ?1 AND end_ms = ?2 AND start_ms = ?3 AND \"key\" = ?4",
    [WALK] = "SELECT end_ms, start_ms, \"key\", run, \"values\" FROM shown WHERE view = ?1 AND (end_ms, start_ms, \"key\") > (?2, ?3, ?4)"
             " ORDER BY end_ms, start_ms, \"key\" LIMIT ?5",
    [WALK_BACK] = "SELECT end_ms, start_ms, \"key\", run, \"values\" FROM shown WHERE view = ?1 AND end_ms > ?6 AND (end_ms, start_ms, \"key\") < (?2, ?3, ?4)"
                  " ORDER BY end_ms DESC, start_ms DESC, \"key\" DESC LIMIT ?5",
    [PRUNE] = "DELETE FROM shown WHERE view = ?1 AND end_ms <= ?2",
    [END_OF] = "SELECT end_ms FROM shown WHERE view = ?1 ORDER BY end_ms, start_ms, \"key\" LIMIT 1 OFFSET ?2",
    [ADD] = "INSERT INTO journal (view, seq, at_ms, delta) VALUES (?1, ?2, ?3, ?4)",
    [JOURNAL] = "SELECT seq, delta FROM journal WHERE view = ?1 AND seq > ?2 ORDER BY seq",
    [BEHIND] = "SELECT coalesce(sum(length(delta)), 0) FROM journal WHERE view = ?1 AND seq > ?2",
    [HAS] = "SELECT 1 FROM journal WHERE view = ?1 AND seq = ?2",
    [OLDEST] = "SELECT seq, at_ms, length(delta) FROM journal WHERE view = ?1 ORDER BY seq LIMIT 1",
    [TRIM] = "DELETE FROM journal WHERE view = ?1 AND seq <= ?2",
};
/* clang-format on */

struct tl_shown {
    sqlite3 *db;
    struct tl_lock *lock;
    char *path;
    uint64_t seed;
    sqlite3_stmt *statements[STATEMENTS];
    struct walk {
        bool open, last;                           /* what was fetched last is all there is */
        bool back;                                 /* from the last row to the first */
        int64_t view, behind_ms, end_ms, start_ms; /* where it stands */
        struct tl_buf key, fetched;
        struct tl_reader reader;
    } walk;
};

/* ---- SQLite ---- */

static enum tl_code fail(struct tl_shown *s, struct tl_err *err)
{
    int code = sqlite3_extended_errcode(s->db);

    return tl_fail(err, (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ? TL_ERR_CORRUPT : TL_ERR_IO,
                   "%s: what was shown to clients cannot be kept: %s (SQLite code %d)", s->path, sqlite3_errmsg(s->db), code);
}

static enum tl_code prepare(struct tl_shown *s, enum statement which, struct tl_err *err)
{
    sqlite3_stmt **at = &s->statements[which];

    if (*at == NULL && sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, at, NULL) != SQLITE_OK)
        return fail(s, err);
    return TL_OK;
}

static void bind_i64s(sqlite3_stmt *stmt, int first, const int64_t *values, int count)
{
    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(stmt, first + i, values[i]);
}

static void bind_bytes(sqlite3_stmt *stmt, int at, struct tl_sv bytes)
{
    sqlite3_bind_blob64(stmt, at, bytes.size == 0 ? "" : bytes.data, bytes.size, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *stmt, int at, struct tl_sv text)
{
    sqlite3_bind_text64(stmt, at, text.size == 0 ? "" : text.data, text.size, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_identity(sqlite3_stmt *stmt, int64_t view, const struct tl_shown_row *row)
{
    bind_i64s(stmt, 1, (int64_t[]){view, row->end_ms, row->start_ms}, 3);
    bind_bytes(stmt, 4, row->key);
}

static struct tl_sv bytes_of(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);

    return (struct tl_sv){data, (size_t)sqlite3_column_bytes(stmt, column)};
}

/* A row; *there NULL: it gives none. The statement is left where it is, to be read, where one is there. */
static enum tl_code step(struct tl_shown *s, sqlite3_stmt *stmt, bool *there, struct tl_err *err)
{
    int stepped = sqlite3_step(stmt);
    enum tl_code rc = TL_OK;

    if (stepped != SQLITE_ROW && stepped != SQLITE_DONE)
        rc = fail(s, err);
    if (there != NULL)
        *there = stepped == SQLITE_ROW;
    if (stepped != SQLITE_ROW || there == NULL)
        sqlite3_reset(stmt);
    return rc;
}

static enum tl_code run(struct tl_shown *s, enum statement which, const int64_t *values, int count, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(prepare(s, which, err));
    bind_i64s(s->statements[which], 1, values, count);
    TL_TRY(step(s, s->statements[which], NULL, err));
out:
    return rc;
}

/* ---- the file ---- */

static enum tl_code exec(struct tl_shown *s, const char *text, struct tl_err *err)
{
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? TL_OK : fail(s, err);
}

static enum tl_code get(struct tl_shown *s, const char *text, int64_t *out, struct tl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    enum tl_code rc = TL_OK;

    if (sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
        rc = fail(s, err);
    else
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc;
}

static void close_file(struct tl_shown *s)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    sqlite3_close_v2(s->db);
    s->db = NULL;
}

static enum tl_code make(struct tl_shown *s, struct tl_err *err)
{
    char seed[64];
    uint64_t number = 0;
    enum tl_code rc;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return tl_fail_errno(err, TL_ERR_IO, "%s: no random bytes", s->path);
    snprintf(seed, sizeof seed, "INSERT INTO meta VALUES (%lld)", (long long)(int64_t)number);
    TL_TRY(exec(s, "BEGIN IMMEDIATE", err));
    TL_TRY(exec(s, sql_schema, err));
    TL_TRY(exec(s, seed, err));
    TL_TRY(exec(s, "COMMIT", err));
out:
    return rc;
}

static enum tl_code open_file(struct tl_shown *s, struct tl_err *err)
{
    int64_t version = 0, id = 0, seed = 0, objects = 0;
    enum tl_code rc = TL_OK;

    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        TL_TRY(s->db == NULL ? tl_fail_memory(err, 0) : fail(s, err));
    sqlite3_extended_result_codes(s->db, 1);
    TL_TRY(exec(s,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;"
                "PRAGMA journal_size_limit = 33554432",
                err));
    TL_TRY(get(s, "SELECT count(*) FROM sqlite_master", &objects, err));
    if (objects == 0)
        TL_TRY(make(s, err));
    TL_TRY(get(s, "PRAGMA application_id", &id, err));
    TL_TRY(get(s, "PRAGMA user_version", &version, err));
    if (id != strtoll(APPLICATION_ID, NULL, 0) || version != strtoll(VERSION, NULL, 0))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: not what this tally keeps there", s->path));
    TL_TRY(get(s, "SELECT seed FROM meta", &seed, err));
    s->seed = (uint64_t)seed;
    for (int i = 0; i < STATEMENTS; i++)
        TL_TRY(prepare(s, (enum statement)i, err));
out:
    return rc;
}

static void remove_file(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char *name = NULL;

    for (size_t i = 0; i < TL_COUNT(ends); i++)
        if (asprintf(&name, "%s%s", path, ends[i]) >= 0) {
            (void)!unlink(name);
            free(name);
        }
}

enum tl_code tl_shown_open(const char *path, struct tl_shown **out, struct tl_err *err)
{
    struct tl_shown *s = calloc(1, sizeof *s);
    struct tl_err why = {.code = TL_OK};
    char *lock = NULL;
    enum tl_code rc = TL_OK;

    if (s == NULL)
        return tl_fail_memory(err, sizeof *s);
    tl_buf_init(&s->walk.key, 0);
    tl_buf_init(&s->walk.fetched, 0);
    s->path = strdup(path);
    if (s->path == NULL || asprintf(&lock, "%s.lock", path) < 0)
        TL_TRY(tl_fail_memory(err, strlen(path)));
    TL_TRY(tl_lock_take(lock, "serve", &s->lock, err));
    if (open_file(s, &why) != TL_OK) {
        close_file(s);
        remove_file(path);
        TL_TRY(open_file(s, err));
    }
    *out = s;
    s = NULL;
out:
    free(lock);
    tl_shown_close(s);
    return rc;
}

void tl_shown_close(struct tl_shown *s)
{
    if (s == NULL)
        return;
    close_file(s);
    tl_lock_release(s->lock);
    tl_buf_done(&s->walk.key);
    tl_buf_done(&s->walk.fetched);
    free(s->path);
    free(s);
}

uint64_t tl_shown_seed(const struct tl_shown *s)
{
    return s->seed;
}

enum tl_code tl_shown_begin(struct tl_shown *s, struct tl_err *err)
{
    return run(s, BEGIN, NULL, 0, err);
}

enum tl_code tl_shown_commit(struct tl_shown *s, struct tl_err *err)
{
    sqlite3_reset(s->statements[FIND]); /* a reader would keep the WAL */
    return run(s, COMMIT, NULL, 0, err);
}

void tl_shown_rollback(struct tl_shown *s)
{
    struct tl_err ignored;

    tl_shown_walk_end(s);
    sqlite3_reset(s->statements[FIND]);
    if (!sqlite3_get_autocommit(s->db))
        (void)!run(s, ROLLBACK, NULL, 0, &ignored);
}

/* ---- views ---- */

enum tl_code tl_shown_views(struct tl_shown *s,
                            enum tl_code (*each)(void *ctx, struct tl_sv name, struct tl_sv columns,
                                                 const struct tl_shown_view *view, struct tl_err *err),
                            void *ctx, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[VIEWS];
    bool there = false;
    enum tl_code rc;

    for (;;) {
        int64_t n[17];

        TL_TRY(step(s, stmt, &there, err));
        if (!there)
            break;
        for (int i = 0; i < 17; i++)
            n[i] = sqlite3_column_int64(stmt, 2 + i);
        TL_TRY(each(ctx, bytes_of(stmt, 0), bytes_of(stmt, 1),
                    &(struct tl_shown_view){.id = n[0],
                                            .seq = n[1],
                                            .first = n[2],
                                            .change = n[3],
                                            .names = n[4],
                                            .published = n[5],
                                            .standing = n[6],
                                            .definition = n[7],
                                            .final_ms = n[8],
                                            .ended_ms = n[9],
                                            .boundary_ms = n[10],
                                            .cuts_count = n[11],
                                            .cuts_sum_ms = n[12],
                                            .floor_ms = n[13],
                                            .rows_count = n[14],
                                            .journal_bytes = n[15],
                                            .store = n[16]},
                    err));
    }
out:
    sqlite3_reset(stmt);
    return rc;
}

enum tl_code tl_shown_put_view(struct tl_shown *s, struct tl_sv name, struct tl_sv columns, struct tl_shown_view *v,
                               struct tl_err *err)
{
    enum tl_code rc;

    if (v->id == 0) {
        bind_text(s->statements[ADD_VIEW], 1, name);
        bind_text(s->statements[ADD_VIEW], 2, columns);
        TL_TRY(step(s, s->statements[ADD_VIEW], NULL, err));
        v->id = sqlite3_last_insert_rowid(s->db);
    }
    sqlite3_bind_int64(s->statements[PUT_VIEW], 1, v->id);
    bind_text(s->statements[PUT_VIEW], 2, columns);
    bind_i64s(s->statements[PUT_VIEW], 3,
              (int64_t[]){v->seq, v->first, v->change, v->names, v->published, v->standing, v->definition, v->final_ms,
                          v->ended_ms, v->boundary_ms, v->cuts_count, v->cuts_sum_ms, v->floor_ms, v->rows_count,
                          v->journal_bytes, v->store},
              16);
    TL_TRY(step(s, s->statements[PUT_VIEW], NULL, err));
out:
    return rc;
}

enum tl_code tl_shown_clear(struct tl_shown *s, int64_t view, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(run(s, CLEAR_ROWS, &view, 1, err));
    TL_TRY(run(s, CLEAR_JOURNAL, &view, 1, err));
out:
    return rc;
}

enum tl_code tl_shown_forget(struct tl_shown *s, int64_t view, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_shown_clear(s, view, err));
    TL_TRY(run(s, DROP_VIEW, &view, 1, err));
out:
    return rc;
}

/* ---- rows ---- */

enum tl_code tl_shown_put(struct tl_shown *s, int64_t view, const struct tl_shown_row *row, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[PUT];

    bind_identity(stmt, view, row);
    sqlite3_bind_int64(stmt, 5, row->run);
    bind_bytes(stmt, 6, row->values);
    return step(s, stmt, NULL, err);
}

enum tl_code tl_shown_drop(struct tl_shown *s, int64_t view, const struct tl_shown_row *row, struct tl_err *err)
{
    bind_identity(s->statements[DROP], view, row);
    return step(s, s->statements[DROP], NULL, err);
}

enum tl_code tl_shown_find(struct tl_shown *s, int64_t view, struct tl_shown_row *row, bool *found, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[FIND];
    enum tl_code rc;

    sqlite3_reset(stmt); /* of the call before */
    bind_identity(stmt, view, row);
    TL_TRY(step(s, stmt, found, err));
    if (*found) {
        row->run = sqlite3_column_int64(stmt, 0);
        row->values = bytes_of(stmt, 1);
    }
out:
    return rc;
}

/* Some hundred rows at a time, which are copied: no statement stands open on a table that is written to. */
static enum tl_code fetch(struct tl_shown *s, struct tl_err *err)
{
    struct walk *w = &s->walk;
    sqlite3_stmt *stmt = s->statements[w->back ? WALK_BACK : WALK];
    int64_t count = 0;
    bool there = false;
    enum tl_code rc;

    tl_buf_clear(&w->fetched);
    bind_i64s(stmt, 1, (int64_t[]){w->view, w->end_ms, w->start_ms}, 3);
    bind_bytes(stmt, 4, tl_buf_sv(&w->key));
    sqlite3_bind_int64(stmt, 5, FETCH_ROWS);
    if (w->back)
        sqlite3_bind_int64(stmt, 6, w->behind_ms);
    for (;; count++) {
        TL_TRY(step(s, stmt, &there, err));
        if (!there)
            break;
        w->end_ms = sqlite3_column_int64(stmt, 0);
        w->start_ms = sqlite3_column_int64(stmt, 1);
        tl_buf_put_u64(&w->fetched, (uint64_t)w->end_ms);
        tl_buf_put_u64(&w->fetched, (uint64_t)w->start_ms);
        tl_buf_put_block(&w->fetched, bytes_of(stmt, 2));
        tl_buf_put_zigzag(&w->fetched, sqlite3_column_int64(stmt, 3));
        tl_buf_put_block(&w->fetched, bytes_of(stmt, 4));
        if (count + 1 == FETCH_ROWS) {
            tl_buf_clear(&w->key);
            tl_buf_put_sv(&w->key, bytes_of(stmt, 2));
        }
    }
    w->last = count < FETCH_ROWS;
    TL_TRY(tl_buf_check(&w->fetched, "rows that were shown", err));
    w->reader = tl_reader_of(tl_buf_sv(&w->fetched));
out:
    sqlite3_reset(stmt);
    return rc;
}

enum tl_code tl_shown_walk(struct tl_shown *s, int64_t view, int64_t behind_ms, bool back, struct tl_err *err)
{
    struct walk *w = &s->walk;

    assert(!w->open);
    w->open = true;
    w->view = view;
    w->back = back;
    w->behind_ms = behind_ms;
    w->end_ms = back ? INT64_MAX : behind_ms;
    w->start_ms = INT64_MAX; /* behind all that end there */
    tl_buf_clear(&w->key);
    return fetch(s, err);
}

enum tl_code tl_shown_next(struct tl_shown *s, struct tl_shown_row *row, bool *there, struct tl_err *err)
{
    struct walk *w = &s->walk;
    enum tl_code rc = TL_OK;

    *there = false;
    if (!w->open)
        return TL_OK;
    if (tl_reader_at_end(&w->reader) && !w->last)
        TL_TRY(fetch(s, err));
    if (tl_reader_at_end(&w->reader)) {
        tl_shown_walk_end(s);
        goto out;
    }
    *row = (struct tl_shown_row){.end_ms = (int64_t)tl_reader_u64(&w->reader)};
    row->start_ms = (int64_t)tl_reader_u64(&w->reader);
    row->key = tl_reader_block(&w->reader);
    row->run = tl_reader_zigzag(&w->reader);
    row->values = tl_reader_block(&w->reader);
    *there = true;
out:
    return rc;
}

void tl_shown_walk_end(struct tl_shown *s)
{
    s->walk.open = false;
}

enum tl_code tl_shown_prune(struct tl_shown *s, int64_t view, int64_t floor_ms, int64_t *count, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(run(s, PRUNE, (int64_t[]){view, floor_ms}, 2, err));
    *count = sqlite3_changes64(s->db);
out:
    return rc;
}

enum tl_code tl_shown_end_of(struct tl_shown *s, int64_t view, int64_t nth, int64_t *end_ms, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[END_OF];
    bool there = false;
    enum tl_code rc;

    bind_i64s(stmt, 1, (int64_t[]){view, nth - 1}, 2);
    TL_TRY(step(s, stmt, &there, err));
    *end_ms = there ? sqlite3_column_int64(stmt, 0) : INT64_MIN;
out:
    sqlite3_reset(stmt);
    return rc;
}

/* ---- the journal ---- */

enum tl_code tl_shown_add(struct tl_shown *s, int64_t view, int64_t seq, int64_t at_ms, struct tl_sv delta, struct tl_err *err)
{
    bind_i64s(s->statements[ADD], 1, (int64_t[]){view, seq, at_ms}, 3);
    bind_bytes(s->statements[ADD], 4, delta);
    return step(s, s->statements[ADD], NULL, err);
}

enum tl_code tl_shown_journal(struct tl_shown *s, int64_t view, int64_t since,
                              enum tl_code (*each)(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *err),
                              void *ctx, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[JOURNAL];
    bool there = false, enough = false;
    enum tl_code rc;

    bind_i64s(stmt, 1, (int64_t[]){view, since}, 2);
    while (!enough) {
        TL_TRY(step(s, stmt, &there, err));
        if (!there)
            break;
        TL_TRY(each(ctx, sqlite3_column_int64(stmt, 0), bytes_of(stmt, 1), &enough, err));
    }
out:
    sqlite3_reset(stmt);
    return rc;
}

enum tl_code tl_shown_behind(struct tl_shown *s, int64_t view, int64_t since, int64_t *bytes, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[BEHIND];
    bool there = false;
    enum tl_code rc;

    bind_i64s(stmt, 1, (int64_t[]){view, since}, 2);
    TL_TRY(step(s, stmt, &there, err));
    *bytes = sqlite3_column_int64(stmt, 0);
out:
    sqlite3_reset(stmt);
    return rc;
}

enum tl_code tl_shown_has(struct tl_shown *s, int64_t view, int64_t seq, bool *there, struct tl_err *err)
{
    enum tl_code rc;

    bind_i64s(s->statements[HAS], 1, (int64_t[]){view, seq}, 2);
    TL_TRY(step(s, s->statements[HAS], there, err));
out:
    sqlite3_reset(s->statements[HAS]);
    return rc;
}

enum tl_code tl_shown_trim(struct tl_shown *s, struct tl_shown_view *v, int64_t bytes_max, int64_t before_ms, struct tl_err *err)
{
    sqlite3_stmt *stmt = s->statements[OLDEST];
    bool there = false;
    enum tl_code rc;

    for (;;) {
        int64_t seq, at_ms, bytes;

        sqlite3_bind_int64(stmt, 1, v->id);
        TL_TRY(step(s, stmt, &there, err));
        if (!there)
            break;
        seq = sqlite3_column_int64(stmt, 0);
        at_ms = sqlite3_column_int64(stmt, 1);
        bytes = sqlite3_column_int64(stmt, 2);
        sqlite3_reset(stmt);
        if (v->journal_bytes <= bytes_max && at_ms >= before_ms)
            break;
        TL_TRY(run(s, TRIM, (int64_t[]){v->id, seq}, 2, err));
        v->first = seq;
        v->journal_bytes -= bytes;
    }
out:
    sqlite3_reset(stmt);
    return rc;
}
