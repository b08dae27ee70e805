/* store_sqlite.c: the store in one SQLite file: the file itself, its schema, errors, statements, transactions.
 *
 * WAL, synchronous=FULL: a commit that returned is on the disk. Whatever is not ours is refused before SQLite has opened it: the header
 * is read through SQLite's own file layer, for a close() of our own on the same file would drop the POSIX locks that other handles of
 * this process hold on it. The file is made in one transaction with a rollback journal, whose first commit puts the application_id into
 * the header, and is switched to WAL afterwards: so a file is ours by its first 100 bytes, also where a WAL still waits beside it. */
#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/schema.h"

#define APPLICATION_ID 0x544c7374 /* "TLst" */
#define SCHEMA_VERSION 4
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* clang-format off */
/* What each version added to the one before. A new file goes through all of them, an older one through those that it lacks, so both are the
 * same. */
static const char *const sql_version_1[] = {
    "CREATE TABLE tally_meta (name TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;",
    "CREATE TABLE tally_epoch (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, owner TEXT NOT NULL) STRICT;",
    "CREATE TABLE tally_change (id INTEGER PRIMARY KEY CHECK (id = 1), change INTEGER NOT NULL) STRICT;",
    "INSERT INTO tally_epoch VALUES (1, 0, '');",
    "INSERT INTO tally_change VALUES (1, 0);",
    /* state: enum tl_definition_state by name. What a tick changes stands in tally_progress: a small row. */
    "CREATE TABLE tally_definition (definition INTEGER PRIMARY KEY AUTOINCREMENT, view TEXT NOT NULL, hash TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')), windowed INTEGER NOT NULL, lateness_ms INTEGER NOT NULL,"
    " normaliser INTEGER NOT NULL, topic TEXT NOT NULL, comment TEXT NOT NULL, normalised TEXT NOT NULL) STRICT;",
    "CREATE INDEX tally_definition_view ON tally_definition (view, hash);",
    "CREATE TABLE tally_column (definition INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " role TEXT NOT NULL, PRIMARY KEY (definition, position)) STRICT, WITHOUT ROWID;",
    "CREATE TABLE tally_progress (definition INTEGER PRIMARY KEY, final_ms INTEGER NOT NULL, boundary_ms INTEGER NOT NULL,"
    " speed_ready INTEGER NOT NULL, identity INTEGER NOT NULL) STRICT;",
    "CREATE TABLE tally_offset (definition INTEGER NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,"
    " watermark_ms INTEGER NOT NULL, judged_ms INTEGER NOT NULL, log_ms INTEGER NOT NULL, messages_count INTEGER NOT NULL,"
    " events_count INTEGER NOT NULL, PRIMARY KEY (definition, partition)) STRICT, WITHOUT ROWID;",
    /* A topic that was made again counts its offsets from 0: next_offset is no key. */
    "CREATE TABLE tally_dedup (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,"
    " next_offset INTEGER NOT NULL, log_ms_max INTEGER NOT NULL, ids BLOB NOT NULL) STRICT;",
    "CREATE INDEX tally_dedup_lane ON tally_dedup (lane, topic, partition, next_offset);",
    "CREATE TABLE tally_outcome (definition INTEGER PRIMARY KEY, dead_letter INTEGER NOT NULL, future INTEGER NOT NULL,"
    " duplicate INTEGER NOT NULL, filtered INTEGER NOT NULL, rejected INTEGER NOT NULL, late INTEGER NOT NULL,"
    " partly_counted INTEGER NOT NULL, counted INTEGER NOT NULL) STRICT;",
    /* run 0: speed's. */
    "CREATE TABLE tally_ledger (definition INTEGER NOT NULL, run INTEGER NOT NULL, partition INTEGER NOT NULL, \"offset\" INTEGER NOT NULL,"
    " \"row\" INTEGER NOT NULL, cause INTEGER NOT NULL, flags INTEGER NOT NULL, watermark_ms INTEGER NOT NULL,"
    " event_time_ms INTEGER NOT NULL, PRIMARY KEY (definition, run, partition, \"offset\", \"row\")) STRICT, WITHOUT ROWID;",
    "CREATE TABLE tally_dead_letter (topic TEXT NOT NULL, partition INTEGER NOT NULL, \"offset\" INTEGER NOT NULL, \"row\" INTEGER NOT NULL,"
    " log_ms INTEGER NOT NULL, reason INTEGER NOT NULL, raw BLOB NOT NULL, UNIQUE (topic, partition, \"offset\", \"row\")) STRICT;",
    /* published: the place in the order of publications; a rollback undoes the highest one, and what the pointer was before follows from
     * the ranges of those that stay, in that order. */
    "CREATE TABLE tally_run (run INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER,"
    " state TEXT NOT NULL CHECK (state IN ('staged', 'published', 'failed', 'rolled back')), published INTEGER UNIQUE, change INTEGER,"
    " normaliser INTEGER NOT NULL) STRICT;",
    "CREATE TABLE tally_run_range (run INTEGER NOT NULL, definition INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,"
    " rows_count INTEGER NOT NULL, dead_letter INTEGER NOT NULL, future INTEGER NOT NULL, duplicate INTEGER NOT NULL,"
    " filtered INTEGER NOT NULL, rejected INTEGER NOT NULL, late INTEGER NOT NULL, partly_counted INTEGER NOT NULL,"
    " counted INTEGER NOT NULL, carry BLOB NOT NULL, PRIMARY KEY (run, definition, from_ms)) STRICT;",
    "CREATE TABLE tally_run_offset (run INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,"
    " PRIMARY KEY (run, topic, partition)) STRICT, WITHOUT ROWID;",
    /* Ranges of a definition never overlap, so the first that ends at or after an instant is the only one that can hold it. */
    "CREATE TABLE tally_pointer (definition INTEGER NOT NULL, to_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, run INTEGER NOT NULL,"
    " PRIMARY KEY (definition, to_ms)) STRICT, WITHOUT ROWID;",
    "CREATE INDEX tally_pointer_run ON tally_pointer (definition, run);",
    /* Cuts below the boundary (cut.h): of sessions and count windows only. */
    "CREATE TABLE tally_cut (definition INTEGER NOT NULL, \"key\" BLOB NOT NULL, cut_ms INTEGER NOT NULL,"
    " PRIMARY KEY (definition, \"key\")) STRICT, WITHOUT ROWID;",
    "CREATE TABLE tally_quarantine (definition INTEGER NOT NULL, run INTEGER NOT NULL, partition INTEGER NOT NULL,"
    " \"offset\" INTEGER NOT NULL, \"row\" INTEGER NOT NULL, check_name TEXT NOT NULL, event BLOB NOT NULL,"
    " PRIMARY KEY (definition, run, partition, \"offset\", \"row\", check_name)) STRICT;",
    "INSERT INTO tally_meta VALUES ('normaliser', " TEXT_OF(TL_NORMALISER_VERSION) ");",
};
/* The definitions of before are of TUMBLE, or without a window. */
static const char *const sql_version_2[] = {
    "ALTER TABLE tally_definition ADD COLUMN state_beside INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_definition ADD COLUMN cut_per_key INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_definition ADD COLUMN key_tail_bytes INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_definition ADD COLUMN ends_open INTEGER NOT NULL DEFAULT 0;",
    /* What a range carries over its end: the earliest start of each key. */
    ("CREATE TABLE tally_open (run INTEGER NOT NULL, definition INTEGER NOT NULL, to_ms INTEGER NOT NULL, \"key\" BLOB NOT NULL,"
     " start_ms INTEGER NOT NULL, PRIMARY KEY (run, definition, to_ms, \"key\")) STRICT, WITHOUT ROWID;"),
    "CREATE INDEX tally_cut_lowest ON tally_cut (definition, cut_ms);",
};
static const char *const sql_version_3[] = {
    "ALTER TABLE tally_ledger ADD COLUMN function TEXT;",
    "ALTER TABLE tally_run ADD COLUMN versions TEXT NOT NULL DEFAULT '';",
    /* What speed ran with, from this epoch on: a line where it changed. */
    "CREATE TABLE tally_epoch_versions (epoch INTEGER PRIMARY KEY, versions TEXT NOT NULL) STRICT;",
};
static const char *const sql_version_4[] = {
    "ALTER TABLE tally_epoch ADD COLUMN challenge INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_epoch ADD COLUMN answer INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_epoch ADD COLUMN change INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_offset ADD COLUMN last_offset INTEGER NOT NULL DEFAULT (-9223372036854775808);",
    "ALTER TABLE tally_offset ADD COLUMN fingerprint INTEGER NOT NULL DEFAULT 0;",
};
static const struct {
    const char *const *statements;
    size_t count;
} sql_versions[SCHEMA_VERSION] = {
    {sql_version_1, TL_COUNT(sql_version_1)},
    {sql_version_2, TL_COUNT(sql_version_2)},
    {sql_version_3, TL_COUNT(sql_version_3)},
    {sql_version_4, TL_COUNT(sql_version_4)},
};
/* clang-format on */

static const char sql_user_version[] = "PRAGMA user_version";
static const char sql_schema_version[] = "PRAGMA schema_version";
static const char sql_objects[] = "SELECT count(*) FROM sqlite_master";
static const char sql_next_change[] = "UPDATE tally_change SET change = change + 1 RETURNING change";
static const char sql_secret[] = "SELECT value FROM tally_meta WHERE name = 'secret.' || ?1";
static const char sql_put_secret[] = "INSERT INTO tally_meta (name, value) VALUES ('secret.' || ?1, ?2)";
static const char sql_probe[] = "SELECT e.epoch + c.change FROM tally_epoch AS e JOIN tally_change AS c ON c.id = e.id"
                                " WHERE NOT EXISTS (SELECT 1 FROM tally_run, tally_pointer, tally_run_range, tally_progress"
                                " WHERE tally_run.run < 0)";

/* ---- errors ---- */

enum tl_code tl_sq_fail(struct tl_sq *s, struct tl_err *err, const char *doing, ...)
{
    int extended = sqlite3_extended_errcode(s->db), primary = extended & 0xff;
    char what[256], why[256];
    va_list args;

    va_start(args, doing);
    vsnprintf(what, sizeof what, doing, args);
    va_end(args);
    snprintf(why, sizeof why, "%s", sqlite3_errmsg(s->db));
    if (primary == SQLITE_NOMEM)
        return tl_fail(err, TL_ERR_MEMORY, "%s: %s: out of memory", s->path, what);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT || primary == SQLITE_ERROR)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: %s: the database is damaged (%s); put a backup in its place, or move it away: tally makes a new one from "
            "the log and the master record",
            s->path, what, why);
    if (primary == SQLITE_TOOBIG)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: a value is larger than SQLite takes (1 GB)", s->path, what);
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        tl_fail(err, TL_ERR_IO, "%s: %s: another process has kept the database locked for %d s; try again when it is done",
                s->path, what, TL_SQ_BUSY_MS / 1000);
    else if (primary == SQLITE_FULL)
        tl_fail(err, TL_ERR_IO, "%s: %s: the disk is full; nothing of it was written; free some space and try again", s->path,
                what);
    else if (extended == SQLITE_READONLY_ROLLBACK)
        tl_fail(err, TL_ERR_IO,
                "%s: %s: a write was stopped in the middle and is to be taken back; `tally speed` or `tally batch` does that",
                s->path, what);
    else
        tl_fail(err, TL_ERR_IO, "%s: %s: %s (SQLite code %d)", s->path, what, why, extended);
    if (err != NULL)
        err->retriable = primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_FULL ||
                         primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    return TL_ERR_IO;
}

/* ---- statements ---- */

static int bind_sv(sqlite3_stmt *statement, int at, struct tl_sv text, bool blob)
{
    const char *data = text.size == 0 ? "" : text.data; /* a NULL pointer would bind NULL */

    return blob ? sqlite3_bind_blob64(statement, at, data, text.size, SQLITE_STATIC)
                : sqlite3_bind_text64(statement, at, data, text.size, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args)
{
    int rc = SQLITE_OK;

    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++)
        if (types[i] == 'i')
            rc = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
        else
            rc = bind_sv(statement, i + 1, va_arg(args, struct tl_sv), types[i] == 'b');
    return rc;
}

static enum tl_code statement_of(struct tl_sq *s, const char *sql, sqlite3_stmt **out, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool kept = false;

    for (size_t i = 0; i < s->statements_count; i++)
        if (s->statements[i].sql == sql) {
            kept = true;
            if (!sqlite3_stmt_busy(s->statements[i].statement)) {
                *out = s->statements[i].statement;
                return TL_OK;
            }
        }
    /* A busy one is being stepped by a caller of ours: this one lives for the call. */
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        return tl_sq_fail(s, err, "prepare a statement");
    assert(kept || s->statements_count < TL_SQ_STATEMENTS_MAX);
    if (!kept) {
        s->statements[s->statements_count].sql = sql;
        s->statements[s->statements_count].statement = statement;
        s->statements_count++;
    }
    *out = statement;
    return TL_OK;
}

static enum tl_code statement_bound(struct tl_sq *s, const char *sql, sqlite3_stmt **out, struct tl_err *err, const char *types,
                                    va_list args)
{
    sqlite3_stmt *statement = NULL;
    enum tl_code rc;

    TL_TRY(statement_of(s, sql, &statement, err));
    if (bind_all(statement, types, args) != SQLITE_OK) {
        rc = tl_sq_fail(s, err, "bind a value");
        tl_sq_statement_close(s, statement);
        return rc;
    }
    *out = statement;
out:
    return rc;
}

enum tl_code tl_sq_statement(struct tl_sq *s, const char *sql, sqlite3_stmt **out, struct tl_err *err, const char *types, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, types);
    rc = statement_bound(s, sql, out, err, types, args);
    va_end(args);
    return rc;
}

enum tl_code tl_sq_prepare(struct tl_sq *s, const struct tl_buf *sql, sqlite3_stmt **out, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_buf_check(sql, "a statement", err));
    if (sqlite3_prepare_v3(s->db, sql->data, (int)sql->size, 0, out, NULL) != SQLITE_OK)
        rc = tl_sq_fail(s, err, "prepare a statement");
out:
    return rc;
}

enum tl_code tl_sq_step(struct tl_sq *s, sqlite3_stmt *statement, bool *row, struct tl_err *err)
{
    int rc = sqlite3_step(statement);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return tl_sq_fail(s, err, sqlite3_stmt_readonly(statement) ? "read" : "write");
    *row = rc == SQLITE_ROW;
    return TL_OK;
}

void tl_sq_statement_close(struct tl_sq *s, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    for (size_t i = 0; i < s->statements_count; i++)
        if (s->statements[i].statement == statement) {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
            return;
        }
    sqlite3_finalize(statement);
}

enum tl_code tl_sq_do(struct tl_sq *s, const char *sql, struct tl_err *err, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    enum tl_code rc;
    bool row = false;
    va_list args;

    va_start(args, types);
    rc = statement_bound(s, sql, &statement, err, types, args);
    va_end(args);
    TL_TRY(rc);
    TL_TRY(tl_sq_step(s, statement, &row, err));
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_get(struct tl_sq *s, const char *sql, int64_t *out, bool *found, struct tl_err *err, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    enum tl_code rc;
    bool row = false;
    va_list args;

    va_start(args, types);
    rc = statement_bound(s, sql, &statement, err, types, args);
    va_end(args);
    TL_TRY(rc);
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (row)
        *out = sqlite3_column_int64(statement, 0);
    else if (found == NULL)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: no answer to: %s", s->path, sql));
    if (found != NULL)
        *found = row;
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_exec(struct tl_sq *s, const char *sql, struct tl_err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? TL_OK : tl_sq_fail(s, err, "run '%.60s'", sql);
}

struct tl_sv tl_sq_column_blob(sqlite3_stmt *statement, int column)
{
    const char *data = sqlite3_column_blob(statement, column);

    return (struct tl_sv){data, (size_t)sqlite3_column_bytes(statement, column)};
}

struct tl_sv tl_sq_column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *data = sqlite3_column_text(statement, column);

    return (struct tl_sv){(const char *)data, (size_t)sqlite3_column_bytes(statement, column)};
}

/* ---- transactions ---- */

/* Names of tables change in a swap only, and that changes the schema: who sees another schema looks the definitions up anew. */
static enum tl_code refresh(struct tl_sq *s, struct tl_err *err)
{
    int64_t version = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_get(s, sql_schema_version, &version, NULL, err, ""));
    if (version == s->schema_version)
        return TL_OK;
    for (struct tl_sq_definition *d = s->definitions; d != NULL; d = d->next) {
        d->known = false;
        tl_sq_close_own(d);
    }
    s->schema_version = version;
out:
    return rc;
}

static enum tl_code begin_with(struct tl_sq *s, const char *sql, struct tl_err *err)
{
    enum tl_code rc;

    if (!sqlite3_get_autocommit(s->db))
        return tl_fail(err, TL_ERR_IO, "%s: a transaction was to begin inside another one", s->path);
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return tl_sq_fail(s, err, "begin a transaction");
    TL_TRY(refresh(s, err)); /* the first read: it fixes the snapshot */
out:
    if (rc != TL_OK)
        tl_sq_rollback(s);
    return rc;
}

enum tl_code tl_sq_begin(struct tl_sq *s, struct tl_err *err)
{
    if (!s->writable)
        return tl_fail(err, TL_ERR_IO, "%s: opened for reading only", s->path);
    return begin_with(s, "BEGIN IMMEDIATE", err);
}

enum tl_code tl_sq_commit(struct tl_sq *s, struct tl_err *err)
{
    return sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? TL_OK : tl_sq_fail(s, err, "commit");
}

void tl_sq_rollback(struct tl_sq *s)
{
    /* Some errors have rolled back already. Failure here leaves nothing open that the next call could trip over: the pages are dropped
     * from memory, the WAL's frames without a commit count for nothing. */
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

enum tl_code tl_sq_read_begin(struct tl_sq *s, bool *mine, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *mine = false;
    if (!sqlite3_get_autocommit(s->db) && s->implicit_reads == 0)
        return TL_OK;
    if (s->implicit_reads == 0)
        TL_TRY(begin_with(s, "BEGIN", err));
    s->implicit_reads++;
    *mine = true;
out:
    return rc;
}

void tl_sq_read_end(struct tl_sq *s, bool mine)
{
    if (mine && --s->implicit_reads == 0)
        tl_sq_rollback(s); /* it read only */
}

enum tl_code tl_sq_next_change(struct tl_sq *s, int64_t *change, struct tl_err *err)
{
    return tl_sq_get(s, sql_next_change, change, NULL, err, "");
}

static enum tl_code op_begin(struct tl_store *store, struct tl_err *err)
{
    return tl_sq_begin(tl_sq_of(store), err);
}

static enum tl_code op_begin_read(struct tl_store *store, struct tl_err *err)
{
    return begin_with(tl_sq_of(store), "BEGIN", err);
}

static enum tl_code op_commit(struct tl_store *store, struct tl_err *err)
{
    return tl_sq_commit(tl_sq_of(store), err);
}

static void op_rollback(struct tl_store *store)
{
    tl_sq_rollback(tl_sq_of(store));
}

/* ---- the secret ---- */

static enum tl_code secret_read(struct tl_sq *s, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], bool *found,
                                struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    struct tl_sv value;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_secret, &statement, err, "t", name));
    TL_TRY(tl_sq_step(s, statement, found, err));
    if (!*found)
        goto out;
    value = tl_sq_column_blob(statement, 0);
    if (value.size != TL_STORE_SECRET_BYTES)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: secret.%.*s has %zu bytes, not %d", s->path,
                       TL_SV_ARG(name), value.size, TL_STORE_SECRET_BYTES));
    memcpy(out, value.data, TL_STORE_SECRET_BYTES);
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

/* In a write transaction: of two processes that begin at once the second finds what the first has made. */
static enum tl_code secret_make(struct tl_sq *s, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err)
{
    uint8_t made[TL_STORE_SECRET_BYTES];
    bool found = false;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    TL_TRY(secret_read(s, name, made, &found, err));
    if (!found) {
        if (getrandom(made, sizeof made, 0) != (ssize_t)sizeof made)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: no random bytes to make a secret of", s->path));
        TL_TRY(tl_sq_do(s, sql_put_secret, err, "tb", name, (struct tl_sv){(const char *)made, sizeof made}));
    }
    TL_TRY(tl_sq_commit(s, err));
    memcpy(out, made, sizeof made);
out:
    if (rc != TL_OK)
        tl_sq_rollback(s);
    return rc;
}

static enum tl_code op_secret(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    bool found = false;
    enum tl_code rc;

    TL_TRY(secret_read(s, name, out, &found, err));
    if (found)
        goto out;
    if (!s->writable)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: there is no secret.%.*s yet: nothing was counted with it; `tally speed` or `tally batch` makes it",
                       s->path, TL_SV_ARG(name)));
    TL_TRY(secret_make(s, name, out, err));
out:
    return rc;
}

/* ---- the file ---- */

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

enum { HEADER_BYTES = 100 };

/* Reads the first bytes through SQLite's file layer (see above). A shorter file: zeros behind. */
static enum tl_code read_header(const char *path, unsigned char header[HEADER_BYTES], struct tl_err *err)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = NULL;
    char *full = NULL, *name = NULL;
    int flags = 0, rc;
    enum tl_code code = TL_OK;

    full = calloc(1, (size_t)vfs->mxPathname + 1);
    file = calloc(1, (size_t)vfs->szOsFile);
    if (full == NULL || file == NULL) {
        code = tl_fail_memory(err, (size_t)vfs->mxPathname + 1);
    } else if ((rc = vfs->xFullPathname(vfs, path, vfs->mxPathname + 1, full)) == SQLITE_OK || rc == SQLITE_OK_SYMLINK) {
        name = (char *)(uintptr_t)sqlite3_create_filename(full, "", "", 0, NULL);
        if (name == NULL) {
            code = tl_fail_memory(err, strlen(full));
        } else {
            errno = 0;
            rc = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags);
            if (rc == SQLITE_OK)
                rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
            if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
                code = errno != 0 ? tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", path)
                                  : tl_fail(err, TL_ERR_IO, "%s: cannot be read (SQLite code %d)", path, rc);
            if (file->pMethods != NULL)
                file->pMethods->xClose(file);
        }
    } else {
        code = tl_fail(err, TL_ERR_IO, "%s: not a path that can be opened (SQLite code %d)", path, rc);
    }
    sqlite3_free_filename(name);
    free(file);
    free(full);
    return code;
}

/* Is there a rollback journal beside the file? *was_empty: it says that the file was empty before, so that whoever was making the store was stopped in
 * the middle. Else he was stopped between making it and writing a WAL. */
static bool has_journal(const char *path, bool *was_empty)
{
    static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    unsigned char header[20] = {0};
    char *name = NULL;
    ssize_t got = 0;
    int fd;

    *was_empty = false;
    if (asprintf(&name, "%s-journal", path) < 0)
        return false;
    fd = open(name, O_RDONLY | O_CLOEXEC);
    free(name);
    if (fd < 0)
        return false;
    got = pread(fd, header, sizeof header, 0);
    close(fd);
    *was_empty = big_endian(header + 16) == 0;
    return got == (ssize_t)sizeof header && memcmp(header, magic, sizeof magic) == 0;
}

/* Who only reads cannot take back what a journal says (SQLITE_READONLY_ROLLBACK). Where he may write it is done for him; else his read fails, and
 * says so. */
static void take_back(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, TL_SQ_BUSY_MS);
        (void)sqlite3_exec(db, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL);
    }
    sqlite3_close(db);
}

static enum tl_code fail_newer(const char *path, int64_t version, struct tl_err *err)
{
    return tl_fail(
        err, TL_ERR_CORRUPT,
        "%s: a newer tally made this store (its schema is version %lld, this tally knows %d); use that tally, or another "
        "--store; nothing was written",
        path, (long long)version, SCHEMA_VERSION);
}

/* *there: a store of ours; false: nothing, or nothing yet. Writes nothing. */
static enum tl_code check_file(const char *path, bool *there, struct tl_err *err)
{
    unsigned char header[HEADER_BYTES] = {0};
    bool was_empty;
    enum tl_code rc = TL_OK;
    struct stat st;

    for (int attempt = 0; attempt < 2; attempt++) {
        *there = false;
        if (stat(path, &st) != 0) {
            if (errno == ENOENT)
                return TL_OK;
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be opened", path);
        }
        if (!S_ISREG(st.st_mode))
            return tl_fail(err, TL_ERR_CORRUPT, "%s: not a file; --store sqlite:PATH wants the path of one", path);
        if (st.st_size == 0)
            return TL_OK;
        memset(header, 0, sizeof header);
        TL_TRY(read_header(path, header, err));
        *there = memcmp(header, "SQLite format 3", 16) == 0 && big_endian(header + 68) == APPLICATION_ID;
        /* Also with our mark on it: SQLite will take back what stands there. */
        if (has_journal(path, &was_empty) && was_empty) {
            *there = false;
            return TL_OK;
        }
        if (*there)
            break;
        /* Once more: its maker may have finished between the two looks. */
    }
    if (!*there && memcmp(header, "SQLite format 3", 16) != 0)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: not a store of tally: the file is no SQLite database, or is damaged; name another path with --store, or put a "
            "backup in its place; nothing was written",
            path);
    if (!*there)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: not a store of tally: a SQLite database of another program (application_id 0x%08x, tally's is 0x%08x); name "
            "another path with --store; nothing was written",
            path, (unsigned)big_endian(header + 68), (unsigned)APPLICATION_ID);
    if (big_endian(header + 60) > SCHEMA_VERSION)
        return fail_newer(path, big_endian(header + 60), err);
out:
    return rc;
}

/* From the version that the file has, in the caller's transaction. */
static enum tl_code bring_up(struct tl_sq *s, int64_t version, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t v = (size_t)version; v < SCHEMA_VERSION; v++)
        for (size_t i = 0; i < sql_versions[v].count; i++)
            TL_TRY(tl_sq_exec(s, sql_versions[v].statements[i], err));
    TL_TRY(tl_sq_exec(s, "PRAGMA user_version = " TEXT_OF(SCHEMA_VERSION), err));
out:
    return rc;
}

static enum tl_code make_schema(struct tl_sq *s, struct tl_err *err)
{
    int64_t objects = 0;
    enum tl_code rc;

    /* 8 KB: staging is 12% faster than with 4 KB (713,000 rows/s of four columns instead of 635,000); 16 KB gives 3% more and doubles what a
     * small tick writes. */
    TL_TRY(tl_sq_exec(s, "PRAGMA page_size = 8192", err));
    TL_TRY(tl_sq_exec(s, "BEGIN EXCLUSIVE", err));
    TL_TRY(tl_sq_get(s, sql_objects, &objects, NULL, err, ""));
    if (objects == 0) { /* else another process was faster */
        TL_TRY(tl_sq_exec(s, "PRAGMA application_id = " TEXT_OF(APPLICATION_ID), err));
        TL_TRY(bring_up(s, 0, err));
    }
    TL_TRY(tl_sq_commit(s, err));
out:
    if (rc != TL_OK)
        tl_sq_rollback(s);
    return rc;
}

/* Once more inside of the transaction: another process may have been faster. */
static enum tl_code migrate(struct tl_sq *s, struct tl_err *err)
{
    int64_t version = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_exec(s, "BEGIN EXCLUSIVE", err));
    TL_TRY(tl_sq_get(s, sql_user_version, &version, NULL, err, ""));
    if (version < SCHEMA_VERSION)
        TL_TRY(bring_up(s, version, err));
    TL_TRY(tl_sq_commit(s, err));
out:
    if (rc != TL_OK)
        tl_sq_rollback(s);
    return rc;
}

static enum tl_code check_schema(struct tl_sq *s, struct tl_err *err)
{
    int64_t version = 0, probe;
    enum tl_code rc;

    TL_TRY(tl_sq_get(s, sql_user_version, &version, NULL, err, ""));
    if (version > SCHEMA_VERSION)
        TL_TRY(fail_newer(s->path, version, err));
    if (version < 1)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: schema version %lld; put a backup in its place",
                       s->path, (long long)version));
    if (version < SCHEMA_VERSION && !s->writable)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: an older tally made this store (its schema is version %lld, this tally's is %d); `tally speed` or "
                       "`tally batch` brings it up to date; nothing was written",
                       s->path, (long long)version, SCHEMA_VERSION));
    TL_TRY(tl_sq_get(s, sql_probe, &probe, NULL, err, ""));
    if (version < SCHEMA_VERSION)
        TL_TRY(migrate(s, err));
out:
    return rc;
}

static enum tl_code set_up(struct tl_sq *s, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    enum tl_code rc;
    bool row = false;

    if (!s->writable) {
        TL_TRY(tl_sq_exec(s, "PRAGMA query_only = ON; PRAGMA cache_size = -16384", err));
        return TL_OK;
    }
    if (sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) != SQLITE_OK)
        return tl_sq_fail(s, err, "turn on the write-ahead log");
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (!row || !tl_sv_eq(tl_sq_column_text(statement, 0), TL_SV("wal")))
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "%s: SQLite cannot keep a write-ahead log there (a network file system?); a local disk would do",
                       s->path));
    /* 16 MB of WAL between checkpoints: a bulk load writes a page that changes often back less often. */
    TL_TRY(tl_sq_exec(s,
                      "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;"
                      "PRAGMA cache_size = -65536; PRAGMA legacy_alter_table = ON",
                      err));
out:
    sqlite3_finalize(statement);
    return rc;
}

static void op_close(struct tl_store *store)
{
    struct tl_sq *s = tl_sq_of(store);

    for (size_t i = 0; i < s->statements_count; i++)
        sqlite3_finalize(s->statements[i].statement);
    for (struct tl_sq_definition *d = s->definitions; d != NULL; d = d->next) {
        tl_sq_close_own(d);
        tl_buf_done(&d->speed_table);
        tl_buf_done(&d->batch_table);
        tl_buf_done(&d->state_table);
    }
    sqlite3_close_v2(s->db); /* v2: a cursor that is still open keeps it */
    tl_arena_done(&s->lasting);
    free(s->list);
    free(s->path);
    free(s);
}

static const struct tl_store_ops sqlite_ops = {
    .close = op_close,
    .begin = op_begin,
    .begin_read = op_begin_read,
    .commit = op_commit,
    .rollback = op_rollback,
    .secret = op_secret,
    .define = tl_sq_define,
    .definition = tl_sq_definition_get,
    .active = tl_sq_active_get,
    .definitions = tl_sq_definitions,
    .swap = tl_sq_swap,
    .epoch = tl_sq_epoch,
    .take_epoch = tl_sq_take_epoch,
    .challenge = tl_sq_challenge,
    .answer = tl_sq_answer,
    .leave_epoch = tl_sq_leave_epoch,
    .put_versions = tl_sq_put_versions,
    .versions = tl_sq_versions,
    .begin_tick = tl_sq_begin_tick,
    .put_speed_rows = tl_sq_put_speed_rows,
    .drop_speed_rows = tl_sq_drop_speed_rows,
    .put_states = tl_sq_put_states,
    .drop_states = tl_sq_drop_states,
    .states = tl_sq_states,
    .put_final = tl_sq_put_final,
    .put_ready = tl_sq_put_ready,
    .put_position = tl_sq_put_position,
    .put_identity = tl_sq_put_identity,
    .add_outcomes = tl_sq_add_outcomes,
    .put_ledger = tl_sq_put_ledger,
    .put_dead = tl_sq_put_dead,
    .put_dedup = tl_sq_put_dedup,
    .drop_dedup = tl_sq_drop_dedup,
    .positions = tl_sq_positions,
    .dedup = tl_sq_dedup,
    .cursor_open = tl_sq_cursor_open,
    .cursor_next = tl_sq_cursor_next,
    .cursor_close = tl_sq_cursor_close,
    .run_begin = tl_sq_run_begin,
    .stage_rows = tl_sq_stage_rows,
    .stage_offset = tl_sq_stage_offset,
    .stage_range = tl_sq_stage_range,
    .stage_open = tl_sq_stage_open,
    .publish = tl_sq_publish,
    .discard_staged = tl_sq_discard_staged,
    .prune_speed = tl_sq_prune_speed,
    .carry = tl_sq_carry,
    .ranges = tl_sq_ranges,
    .run_offsets = tl_sq_run_offsets,
    .runs = tl_sq_runs,
    .query = tl_sq_query,
    .outcomes = tl_sq_outcomes,
    .ledger = tl_sq_ledger,
    .ledger_counts = tl_sq_ledger_counts,
    .ledger_failures = tl_sq_ledger_failures,
    .dead_count = tl_sq_dead_count,
    .version = tl_sq_version,
};

enum tl_code tl_store_sqlite_open(const char *path, enum tl_store_mode mode, struct tl_store **out, struct tl_err *err)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | (mode == TL_STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    struct tl_sq *s = NULL;
    bool there = false, was_empty;
    enum tl_code rc;

    TL_TRY(check_file(path, &there, err));
    if (!there && mode == TL_STORE_READ)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no store yet; `tally speed` or `tally batch` makes it", path);
    if (mode == TL_STORE_READ && has_journal(path, &was_empty))
        take_back(path);
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return tl_fail_memory(err, sizeof *s);
    s->base.ops = &sqlite_ops;
    s->writable = mode == TL_STORE_WRITE;
    s->schema_version = -1;
    tl_arena_init(&s->lasting, 16384, 0);
    s->path = strdup(path);
    if (s->path == NULL)
        TL_TRY(tl_fail_memory(err, strlen(path)));
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        rc = s->db == NULL ? tl_fail_memory(err, 0) : tl_sq_fail(s, err, "open");
        goto out;
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, TL_SQ_BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* Until all is checked, closing must not move a WAL's pages into the file. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!there)
        TL_TRY(make_schema(s, err));
    TL_TRY(check_schema(s, err));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, mode == TL_STORE_READ, NULL);
    TL_TRY(set_up(s, err));
    *out = &s->base;
    s = NULL;
out:
    if (s != NULL)
        op_close(&s->base);
    return rc;
}
