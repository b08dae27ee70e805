/* database_sqlite.c: a store in one SQLite file: the file itself, its schema, errors, statements, transactions.
 *
 * WAL, synchronous=FULL: a commit that returned is on the disk. Whatever is not ours is refused before SQLite has opened it: the header
 * is read through SQLite's own file layer, for a close() of our own on the same file would drop the POSIX locks that other handles of
 * this process hold on it. The file is made in one transaction with a rollback journal, whose first commit puts the application_id into
 * the header, and is switched to WAL afterwards: so a file is ours by its first 100 bytes, also where a WAL still waits beside it.
 *
 * Values: NaN is the text 'NaN', for SQLite would make NULL of it; infinities are REAL; -0.0 may come back as 0.0. A truth is 0 or 1.
 * A write transaction has the file's one write lock from its beginning: nothing moves in it but what it moves itself. */
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "event/schema.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_wait.h"

#define BUSY_MS 5000
#define DEADLINE_STEPS 4000       /* of SQLite's machine between two looks at the clock: some 40 us */
#define APPLICATION_ID 0x544c7374 /* "TLst" */
#define SCHEMA_VERSION 8
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define RECONCILED_COUNTS                                                                                                        \
    "groups_count INTEGER NOT NULL, equal_count INTEGER NOT NULL, explained_count INTEGER NOT NULL, unexplained_count INTEGER "  \
    "NOT NULL, pending_count INTEGER NOT NULL"

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
    /* published, change: of before version 6; since then tally_publication has them. */
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
static const char *const sql_version_5[] = {
    /* Of tables with 'topic-pattern'; 0 is every other table's topic (event/partition.h). */
    "CREATE TABLE tally_topic (number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 32767), topic TEXT NOT NULL UNIQUE) STRICT;",
    "ALTER TABLE tally_definition ADD COLUMN by_pattern INTEGER NOT NULL DEFAULT 0;",
};
static const char *const sql_version_6[] = {
    /* What a run read, and why it is failed. */
    "ALTER TABLE tally_run ADD COLUMN events_count INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_run ADD COLUMN bytes_count INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_run ADD COLUMN duplicates_count INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_run ADD COLUMN checks TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE tally_run ADD COLUMN failure TEXT NOT NULL DEFAULT '';",
    /* blocked: a check keeps the range from being published, or the chain that it is in. carry_in: XXH3-64 of the carry that it was computed
     * with. published: the publication that pointed at it. */
    "ALTER TABLE tally_run_range ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE tally_run_range ADD COLUMN carry_in INTEGER;",
    "ALTER TABLE tally_run_range ADD COLUMN published INTEGER;",
    /* Not 0: its rows are gone (store_prune.c). */
    "ALTER TABLE tally_run_range ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;",
    /* What a publication and a rollback look at, so that they need not pass the carries, which may be large. */
    "CREATE INDEX tally_run_range_definition ON tally_run_range (definition, run, from_ms, to_ms, published, pruned);",
    "CREATE INDEX tally_run_range_unpublished ON tally_run_range (run, definition, from_ms, to_ms, blocked) WHERE published IS NULL;",
    /* Speed's rows up to here may be gone. Of before this was known: all that batch has published. */
    "ALTER TABLE tally_progress ADD COLUMN pruned_ms INTEGER NOT NULL DEFAULT (-9223372036854775808);",
    "UPDATE tally_progress SET pruned_ms = boundary_ms;",
    /* In their order. accepted: the check that was overruled by a person, with his reason; '': none. undone_ms: rolled back. */
    ("CREATE TABLE tally_publication (published INTEGER PRIMARY KEY, run INTEGER NOT NULL, at_ms INTEGER NOT NULL, change INTEGER NOT NULL,"
     " accepted TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL, undone_ms INTEGER, undone_by TEXT NOT NULL DEFAULT '') STRICT;"),
    ("INSERT INTO tally_publication SELECT published, run, ended_ms, change, '', '', '', NULL, '' FROM tally_run"
     " WHERE published IS NOT NULL AND state = 'published';"),
    ("UPDATE tally_run_range SET published = (SELECT r.published FROM tally_run AS r WHERE r.run = tally_run_range.run"
     " AND r.state = 'published');"),
    /* One line a check and range: row checks count violations, table checks hold what was measured against its bounds. */
    ("CREATE TABLE tally_check_result (run INTEGER NOT NULL, definition INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,"
     " check_name TEXT NOT NULL, violation TEXT NOT NULL CHECK (violation IN ('warn', 'drop row', 'fail update')), measure TEXT NOT NULL,"
     " passed INTEGER NOT NULL,"
     " violations_count INTEGER NOT NULL, measured REAL, low REAL, high REAL, detail TEXT NOT NULL,"
     " PRIMARY KEY (run, definition, from_ms, check_name)) STRICT, WITHOUT ROWID;"),
    /* What a run has not read below its next_offset: files that were damaged or gone. */
    ("CREATE TABLE tally_run_unread (run INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL,"
     " last_offset INTEGER NOT NULL, PRIMARY KEY (run, topic, partition, first_offset)) STRICT, WITHOUT ROWID;"),
    /* The record of the topic has lost events before upto_ms: ranges before it are never recomputed. */
    "CREATE TABLE tally_sealed (topic TEXT NOT NULL PRIMARY KEY, upto_ms INTEGER NOT NULL, sealed_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
static const char *const sql_version_7[] = {
    /* What reconciliations came to (store_reconciliation.h). notes: one a line. */
    ("CREATE TABLE tally_reconciliation (reconciliation INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,"
     " from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, compared_from_ms INTEGER NOT NULL, compared_to_ms INTEGER NOT NULL,"
     " cut INTEGER NOT NULL, exit_status INTEGER NOT NULL, " RECONCILED_COUNTS ", events_count INTEGER NOT NULL,"
     " normaliser INTEGER NOT NULL, versions TEXT NOT NULL, notes TEXT NOT NULL) STRICT;"),
    ("CREATE TABLE tally_reconciliation_view (reconciliation INTEGER NOT NULL, view TEXT NOT NULL, definition INTEGER NOT NULL,"
     " from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, boundary_ms INTEGER NOT NULL, runs TEXT NOT NULL, " RECONCILED_COUNTS ","
     " PRIMARY KEY (reconciliation, view)) STRICT, WITHOUT ROWID;"),
    /* view: '' over all views. */
    ("CREATE TABLE tally_reconciliation_cause (reconciliation INTEGER NOT NULL, view TEXT NOT NULL, cause INTEGER NOT NULL,"
     " check_name TEXT NOT NULL, events_count INTEGER NOT NULL, PRIMARY KEY (reconciliation, view, cause, check_name)) STRICT, WITHOUT ROWID;"),
    /* What a reconciliation asks for. */
    "CREATE INDEX tally_dead_letter_log ON tally_dead_letter (topic, log_ms);",
};
static const char *const sql_version_8[] = {
    /* Which store it is: whoever remembers change numbers must not take another one's for them. */
    "ALTER TABLE tally_change ADD COLUMN store INTEGER NOT NULL DEFAULT 0;",
    "UPDATE tally_change SET store = random();",
};
static const struct {
    const char *const *statements;
    size_t count;
} sql_versions[SCHEMA_VERSION] = {
    {sql_version_1, TL_COUNT(sql_version_1)},
    {sql_version_2, TL_COUNT(sql_version_2)},
    {sql_version_3, TL_COUNT(sql_version_3)},
    {sql_version_4, TL_COUNT(sql_version_4)},
    {sql_version_5, TL_COUNT(sql_version_5)},
    {sql_version_6, TL_COUNT(sql_version_6)},
    {sql_version_7, TL_COUNT(sql_version_7)},
    {sql_version_8, TL_COUNT(sql_version_8)},
};
/* clang-format on */

static const char sql_user_version[] = "PRAGMA user_version";
static const char sql_schema_version[] = "PRAGMA schema_version";
static const char sql_data_version[] = "PRAGMA data_version";
static const char sql_objects[] = "SELECT count(*) FROM sqlite_master";
static const char sql_object_named[] = "SELECT count(*) FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
static const char sql_probe[] = "SELECT e.epoch + c.change FROM tally_epoch AS e JOIN tally_change AS c ON c.id = e.id"
                                " WHERE NOT EXISTS (SELECT 1 FROM tally_run, tally_pointer, tally_run_range, tally_progress"
                                " WHERE tally_run.run < 0)";

struct sqlite_database {
    struct tl_database base;
    sqlite3 *db;
    struct tl_lock *lock; /* on the file beside it; NULL: none */
    struct tl_sqlite_rows rows;
    struct tl_sqlite_wait wait;
};

/* The answer is part of the statement: a statement that is being stepped gives its next caller another one. */
struct sqlite_answer {
    struct tl_answer base;
    sqlite3_stmt *stmt;
    struct tl_statement *closes; /* with the answer; else NULL */
    bool alone;                  /* its stmt is its own, and so is the answer's memory */
};
struct sqlite_statement {
    struct tl_statement base;
    sqlite3_stmt *stmt;
    struct sqlite_answer answer;
};

static struct sqlite_database *sqlite_of(struct tl_database *database)
{
    return (struct sqlite_database *)database;
}

/* ---- errors ---- */

TL_PRINTF(3, 4) static enum tl_code fail(struct sqlite_database *s, struct tl_err *err, const char *doing, ...)
{
    int extended = sqlite3_extended_errcode(s->db), primary = extended & 0xff;
    char what[256], why[256], advice[128];
    va_list args;

    va_start(args, doing);
    vsnprintf(what, sizeof what, doing, args);
    va_end(args);
    snprintf(why, sizeof why, "%s", sqlite3_errmsg(s->db));
    tl_disk_advice(primary == SQLITE_READONLY                                   ? EROFS
                   : primary == SQLITE_IOERR && tl_at_size_limit(s->base.place) ? EFBIG
                                                                                : sqlite3_system_errno(s->db),
                   advice, sizeof advice);
    if (primary == SQLITE_INTERRUPT)
        return tl_fail(err, TL_ERR_IO, "%s: %s: it took longer than it may", s->base.place, what);
    if (primary == SQLITE_NOMEM)
        return tl_fail(err, TL_ERR_MEMORY, "%s: %s: out of memory", s->base.place, what);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT || primary == SQLITE_ERROR)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: %s: the database is damaged (%s); put a backup in its place, or move it away: tally makes a new one from "
            "the log and the master record",
            s->base.place, what, why);
    if (primary == SQLITE_CONSTRAINT)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: the same row stands there twice (%s)", s->base.place, what, why);
    if (primary == SQLITE_TOOBIG)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: a value is larger than SQLite takes (1 GB)", s->base.place, what);
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        tl_fail(err, TL_ERR_IO, "%s: %s: another process has kept the database locked for %d s; try again when it is done",
                s->base.place, what, BUSY_MS / 1000);
    else if (primary == SQLITE_FULL)
        tl_fail(err, TL_ERR_IO, "%s: %s: the disk is full; nothing of it was written; free some space and try again",
                s->base.place, what);
    else if (extended == SQLITE_READONLY_ROLLBACK)
        tl_fail(err, TL_ERR_IO,
                "%s: %s: a write was stopped in the middle and is to be taken back; `tally speed` or `tally batch` does that",
                s->base.place, what);
    else
        tl_fail(err, TL_ERR_IO, "%s: %s: %s (SQLite code %d)%s", s->base.place, what, why, extended, advice);
    if (err != NULL)
        err->retriable = primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_FULL ||
                         primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    return TL_ERR_IO;
}

/* ---- statements ---- */

static enum tl_code exec(struct sqlite_database *s, const char *sql, struct tl_err *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? TL_OK : fail(s, err, "run '%.60s'", sql);
}

static enum tl_code op_statement(struct tl_database *database, struct tl_sv sql, const char *types, struct tl_statement **out,
                                 struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(database);
    struct sqlite_statement *statement = calloc(1, sizeof *statement);

    (void)types;
    if (statement == NULL)
        return tl_fail_memory(err, sizeof *statement);
    if (sqlite3_prepare_v3(s->db, sql.data, (int)sql.size, SQLITE_PREPARE_PERSISTENT, &statement->stmt, NULL) != SQLITE_OK) {
        free(statement);
        return fail(s, err, "prepare a statement");
    }
    *out = &statement->base;
    return TL_OK;
}

static void op_statement_close(struct tl_statement *statement)
{
    sqlite3_finalize(((struct sqlite_statement *)statement)->stmt);
    free(statement);
}

static int bind_sv(sqlite3_stmt *stmt, int at, struct tl_sv text, bool bytes)
{
    const char *data = text.size == 0 ? "" : text.data; /* a NULL pointer would bind NULL */

    return bytes ? sqlite3_bind_blob64(stmt, at, data, text.size, SQLITE_STATIC)
                 : sqlite3_bind_text64(stmt, at, data, text.size, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_f64(sqlite3_stmt *stmt, int at, double value)
{
    return value != value ? sqlite3_bind_text(stmt, at, TL_SQLITE_NAN, -1, SQLITE_STATIC) : sqlite3_bind_double(stmt, at, value);
}

static int bind_all(sqlite3_stmt *stmt, const char *types, const struct tl_bind *binds)
{
    int rc = SQLITE_OK;

    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++)
        switch (types[i]) {
        case 'i':
        case 'o': rc = sqlite3_bind_int64(stmt, i + 1, binds[i].i64); break;
        case 'f': rc = bind_f64(stmt, i + 1, binds[i].f64); break;
        default: rc = bind_sv(stmt, i + 1, binds[i].sv, types[i] == 'b'); break;
        }
    return rc;
}

static void reset(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

static enum tl_code fail_run(struct sqlite_database *s, const struct tl_statement *statement, sqlite3_stmt *stmt,
                             struct tl_err *err)
{
    return fail(s, err, "%s", statement->what != NULL ? statement->what : sqlite3_stmt_readonly(stmt) ? "read" : "write");
}

static enum tl_code op_next(struct tl_answer *answer, bool *row, struct tl_err *err)
{
    sqlite3_stmt *stmt = ((struct sqlite_answer *)answer)->stmt;
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail(sqlite_of(answer->database), err, sqlite3_stmt_readonly(stmt) ? "read" : "write");
    *row = rc == SQLITE_ROW;
    return TL_OK;
}

static void op_answer_close(struct tl_answer *answer)
{
    struct sqlite_answer *a = (struct sqlite_answer *)answer;
    struct tl_statement *closes = a->closes;

    if (a->alone) {
        sqlite3_finalize(a->stmt);
        free(a);
    } else {
        reset(a->stmt);
    }
    tl_statement_close(closes);
}

/* A busy statement is being stepped by a caller of ours: this answer gets one that lives as long as it. */
static enum tl_code open_answer(struct sqlite_database *s, struct sqlite_statement *statement, struct sqlite_answer **out,
                                struct tl_err *err)
{
    struct sqlite_answer *answer = &statement->answer;

    if (sqlite3_stmt_busy(statement->stmt)) {
        answer = calloc(1, sizeof *answer);
        if (answer == NULL)
            return tl_fail_memory(err, sizeof *answer);
        if (sqlite3_prepare_v2(s->db, sqlite3_sql(statement->stmt), -1, &answer->stmt, NULL) != SQLITE_OK) {
            free(answer);
            return fail(s, err, "prepare a statement");
        }
        answer->alone = true;
    } else {
        answer->stmt = statement->stmt;
    }
    answer->base.database = &s->base;
    *out = answer;
    return TL_OK;
}

static enum tl_code op_run(struct tl_statement *base, enum tl_run_how how, bool owned, const struct tl_bind *binds,
                           struct tl_answer **out, int64_t *changed, struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(base->database);
    struct sqlite_statement *statement = (struct sqlite_statement *)base;
    struct sqlite_answer *answer = NULL;
    bool row;
    enum tl_code rc = open_answer(s, statement, &answer, err);

    if (answer == NULL)
        return rc;
    if (bind_all(answer->stmt, base->types, binds) != SQLITE_OK)
        TL_TRY(fail(s, err, "bind a value"));
    if (how == TL_RUN_ASK || how == TL_RUN_STREAM) {
        answer->closes = owned ? base : NULL;
        *out = &answer->base;
        answer = NULL;
    } else {
        int stepped = sqlite3_step(answer->stmt);

        row = stepped == SQLITE_ROW;
        if (!row && stepped != SQLITE_DONE)
            TL_TRY(fail_run(s, base, answer->stmt, err));
        if (how == TL_RUN_CHANGE)
            *changed = sqlite3_changes64(s->db);
    }
out:
    if (answer != NULL)
        op_answer_close(&answer->base);
    return rc;
}

static int bind_cell(sqlite3_stmt *stmt, int at, char type, const struct tl_bulk_column *column, size_t row)
{
    const char *cell = (const char *)column->at + row * column->stride;
    const char *text;

    if (column->null != NULL && column->null[row])
        return sqlite3_bind_null(stmt, at);
    switch (column->layout) {
    case TL_LAYOUT_I64: return sqlite3_bind_int64(stmt, at, *(const int64_t *)(const void *)cell);
    case TL_LAYOUT_U32: return sqlite3_bind_int64(stmt, at, *(const uint32_t *)(const void *)cell);
    case TL_LAYOUT_U8: return sqlite3_bind_int64(stmt, at, *(const uint8_t *)cell);
    case TL_LAYOUT_F64: return bind_f64(stmt, at, *(const double *)(const void *)cell);
    case TL_LAYOUT_SV: return bind_sv(stmt, at, *(const struct tl_sv *)(const void *)cell, type == 'b');
    case TL_LAYOUT_CSTRING:
        text = *(const char *const *)(const void *)cell;
        return sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC); /* NULL: NULL */
    }
    return SQLITE_MISUSE;
}

static enum tl_code step_each(struct sqlite_database *s, struct tl_statement *base, const struct tl_bulk_column *columns,
                              size_t rows_count, struct tl_err *err)
{
    sqlite3_stmt *stmt = ((struct sqlite_statement *)base)->stmt;
    const char *types = base->types;
    int first = 0;
    enum tl_code rc = TL_OK;

    /* What is the same for all rows stays bound. */
    for (; columns[first].stride == 0 && types[first] != '\0'; first++)
        if (bind_cell(stmt, first + 1, (char)(types[first] - 'A' + 'a'), &columns[first], 0) != SQLITE_OK)
            TL_TRY(fail(s, err, "bind a value"));
    for (size_t row = 0; row < rows_count && rc == TL_OK; row++) {
        int bad = SQLITE_OK;

        for (int i = first; types[i] != '\0'; i++)
            bad |= bind_cell(stmt, i + 1, types[i], &columns[i], row);
        if (bad != SQLITE_OK || sqlite3_step(stmt) != SQLITE_DONE)
            rc = fail_run(s, base, stmt, err);
        sqlite3_reset(stmt);
    }
out:
    sqlite3_clear_bindings(stmt);
    return rc;
}

static enum tl_code op_bulk(struct tl_statement *base, const struct tl_bulk_column *columns, const uint32_t *order,
                            size_t rows_count, struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(base->database);
    sqlite3_stmt *stmt = ((struct sqlite_statement *)base)->stmt;
    enum tl_code rc = TL_OK;

    if (sqlite3_bind_parameter_count(stmt) > 0)
        return step_each(s, base, columns, rows_count, err);
    assert(!sqlite3_get_autocommit(s->db)); /* what was inserted before it failed would stay */
    s->rows = (struct tl_sqlite_rows){base->types, columns, order, rows_count};
    if (sqlite3_step(stmt) != SQLITE_DONE)
        rc = fail_run(s, base, stmt, err);
    sqlite3_reset(stmt);
    s->rows = (struct tl_sqlite_rows){NULL, NULL, NULL, 0};
    return rc;
}

static int64_t op_i64(struct tl_answer *answer, int column)
{
    return sqlite3_column_int64(((struct sqlite_answer *)answer)->stmt, column);
}

static bool op_null(struct tl_answer *answer, int column)
{
    return sqlite3_column_type(((struct sqlite_answer *)answer)->stmt, column) == SQLITE_NULL;
}

static struct tl_sv op_bytes(struct tl_answer *answer, int column)
{
    sqlite3_value *from = sqlite3_column_value(((struct sqlite_answer *)answer)->stmt, column);
    const char *data = sqlite3_value_blob(from);

    return (struct tl_sv){data, (size_t)sqlite3_value_bytes(from)};
}

static struct tl_sv op_text(struct tl_answer *answer, int column)
{
    sqlite3_stmt *stmt = ((struct sqlite_answer *)answer)->stmt;
    const unsigned char *data = sqlite3_column_text(stmt, column);

    return (struct tl_sv){(const char *)data, (size_t)sqlite3_column_bytes(stmt, column)};
}

static double op_f64(struct tl_answer *answer, int column)
{
    sqlite3_stmt *stmt = ((struct sqlite_answer *)answer)->stmt;

    if (sqlite3_column_type(stmt, column) == SQLITE_TEXT && tl_sv_eq(op_text(answer, column), TL_SV(TL_SQLITE_NAN)))
        return NAN;
    return sqlite3_column_double(stmt, column);
}

/* A day's rows are some million values: by sqlite3_value, which takes no mutex and ends no text with a 0, one costs half. */
static void op_value(struct tl_answer *answer, int column, struct tl_value *value)
{
    sqlite3_value *from = sqlite3_column_value(((struct sqlite_answer *)answer)->stmt, column);
    int type;

    switch (tl_kind_form(value->kind)) {
    case TL_FORM_I64:
        value->i64 = sqlite3_value_int64(from);
        value->is_null = value->i64 == 0 && sqlite3_value_type(from) == SQLITE_NULL;
        break;
    case TL_FORM_F64:
        type = sqlite3_value_type(from);
        value->is_null = type == SQLITE_NULL;
        value->f64 = type == SQLITE_TEXT ? op_f64(answer, column) : sqlite3_value_double(from);
        break;
    case TL_FORM_TEXT:
        value->sv.data = sqlite3_value_blob(from); /* before its size: a number becomes a text */
        value->sv.size = (size_t)sqlite3_value_bytes(from);
        value->is_null = value->sv.data == NULL && sqlite3_value_type(from) == SQLITE_NULL;
        break;
    }
}

/* ---- transactions ---- */

static bool op_begun(const struct tl_database *database)
{
    return !sqlite3_get_autocommit(((const struct sqlite_database *)database)->db);
}

static void op_rollback(struct tl_database *database)
{
    /* Some errors have rolled back already. Failure here leaves nothing open that the next call could trip over: the pages are dropped
     * from memory, the WAL's frames without a commit count for nothing. */
    if (op_begun(database))
        sqlite3_exec(sqlite_of(database)->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Names of tables change in a swap only, and that changes the schema. Its version is the first that is read: it fixes the snapshot. */
static enum tl_code op_begin(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(database);
    enum tl_code rc;

    if (sqlite3_exec(s->db, how == TL_BEGIN_READ ? "BEGIN" : "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, err, "begin a transaction");
    TL_TRY(tl_database_get(database, sql_schema_version, names, NULL, err, ""));
out:
    if (rc != TL_OK)
        op_rollback(database);
    return rc;
}

/* The version changes with the snapshot that a connection sees: where it has not between two looks, nobody has committed, and who began in
 * between sees the same. */
static enum tl_code op_begin_both(struct tl_database *database, struct tl_database *other, int64_t *names, bool *both,
                                  struct tl_err *err)
{
    int64_t before, behind, other_names;
    enum tl_code rc = TL_OK;

    *both = false;
    for (int attempt = 0; attempt < 3 && !*both; attempt++) {
        op_rollback(database);
        TL_TRY(tl_database_get(database, sql_data_version, &before, NULL, err, ""));
        TL_TRY(op_begin(other, TL_BEGIN_READ, &other_names, err));
        TL_TRY(op_begin(database, TL_BEGIN_READ, names, err));
        TL_TRY(tl_database_get(database, sql_data_version, &behind, NULL, err, ""));
        *both = before == behind;
        if (!*both)
            op_rollback(other);
    }
out:
    if (rc != TL_OK) {
        op_rollback(database);
        op_rollback(other);
    }
    return rc;
}

static enum tl_code op_commit(struct tl_database *database, struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(database);

    return sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? TL_OK : fail(s, err, "commit");
}

static enum tl_code op_has_object(struct tl_database *database, struct tl_sv name, bool *there, struct tl_err *err)
{
    int64_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_database_get(database, sql_object_named, &count, NULL, err, "t", name));
    *there = count != 0;
out:
    return rc;
}

static enum tl_code op_names_changed(struct tl_database *database, struct tl_err *err)
{
    (void)database;
    (void)err;
    return TL_OK; /* the schema's version has */
}

static enum tl_code op_replace_view(struct tl_database *database, struct tl_sv name, const struct tl_buf *create,
                                    struct tl_err *err)
{
    struct tl_buf drop;
    enum tl_code rc;

    tl_buf_init(&drop, 0);
    tl_buf_put_str(&drop, "DROP VIEW ");
    tl_merge_view_put_name(&drop, name);
    TL_TRY(tl_database_do_text(database, &drop, err));
    TL_TRY(tl_database_do_text(database, create, err));
out:
    tl_buf_done(&drop);
    return rc;
}

static int is_over(void *ctx)
{
    const struct tl_database *database = ctx;

    return tl_clock_monotonic_ms() >= database->deadline_ms;
}

static void op_deadline(struct tl_database *database)
{
    sqlite3_progress_handler(sqlite_of(database)->db, DEADLINE_STEPS, database->deadline_ms != 0 ? is_over : NULL, database);
}

static enum tl_code op_version(struct tl_database *database, int64_t *version, struct tl_err *err)
{
    int moved = 0;

    if (sqlite3_file_control(sqlite_of(database)->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved) {
        tl_fail(err, TL_ERR_IO, "%s: the file is not where it was: it was moved or deleted", database->place);
        if (err != NULL)
            err->retriable = true;
        return TL_ERR_IO;
    }
    return tl_database_get(database, sql_data_version, version, NULL, err, "");
}

static enum tl_code op_wait(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err)
{
    (void)err;
    tl_sqlite_wait(&sqlite_of(database)->wait, database->place, timeout_ms, wake_fd);
    return TL_OK;
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
        sqlite3_busy_timeout(db, BUSY_MS);
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
static enum tl_code bring_up(struct sqlite_database *s, int64_t version, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t v = (size_t)version; v < SCHEMA_VERSION; v++)
        for (size_t i = 0; i < sql_versions[v].count; i++)
            TL_TRY(exec(s, sql_versions[v].statements[i], err));
    TL_TRY(exec(s, "PRAGMA user_version = " TEXT_OF(SCHEMA_VERSION), err));
out:
    return rc;
}

static enum tl_code make_schema(struct sqlite_database *s, struct tl_err *err)
{
    int64_t objects = 0;
    enum tl_code rc;

    /* 8 KB: staging is 12% faster than with 4 KB (713,000 rows/s of four columns instead of 635,000); 16 KB gives 3% more and doubles what a
     * small tick writes. */
    TL_TRY(exec(s, "PRAGMA page_size = 8192", err));
    TL_TRY(exec(s, "BEGIN EXCLUSIVE", err));
    TL_TRY(tl_database_get(&s->base, sql_objects, &objects, NULL, err, ""));
    if (objects == 0) { /* else another process was faster */
        TL_TRY(exec(s, "PRAGMA application_id = " TEXT_OF(APPLICATION_ID), err));
        TL_TRY(bring_up(s, 0, err));
    }
    TL_TRY(op_commit(&s->base, err));
out:
    if (rc != TL_OK)
        op_rollback(&s->base);
    return rc;
}

/* Once more inside of the transaction: another process may have been faster. */
static enum tl_code migrate(struct sqlite_database *s, struct tl_err *err)
{
    int64_t version = 0;
    enum tl_code rc;

    TL_TRY(exec(s, "BEGIN EXCLUSIVE", err));
    TL_TRY(tl_database_get(&s->base, sql_user_version, &version, NULL, err, ""));
    if (version < SCHEMA_VERSION)
        TL_TRY(bring_up(s, version, err));
    TL_TRY(op_commit(&s->base, err));
out:
    if (rc != TL_OK)
        op_rollback(&s->base);
    return rc;
}

static enum tl_code check_schema(struct sqlite_database *s, struct tl_err *err)
{
    int64_t version = 0, probe;
    enum tl_code rc;

    TL_TRY(tl_database_get(&s->base, sql_user_version, &version, NULL, err, ""));
    if (version > SCHEMA_VERSION)
        TL_TRY(fail_newer(s->base.place, version, err));
    if (version < 1)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: schema version %lld; put a backup in its place",
                       s->base.place, (long long)version));
    if (version < SCHEMA_VERSION && !s->base.writable)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: an older tally made this store (its schema is version %lld, this tally's is %d); `tally speed` or "
                       "`tally batch` brings it up to date; nothing was written",
                       s->base.place, (long long)version, SCHEMA_VERSION));
    TL_TRY(tl_database_get(&s->base, sql_probe, &probe, NULL, err, ""));
    if (version < SCHEMA_VERSION)
        TL_TRY(migrate(s, err));
out:
    return rc;
}

static enum tl_code set_up(struct sqlite_database *s, enum tl_store_mode how, struct tl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    const char *mode;
    enum tl_code rc;

    if (how != TL_STORE_WRITE) {
        TL_TRY(exec(s, "PRAGMA query_only = ON", err));
        /* A page that is taken anew costs more than one that is used again: of a day's rows with 16 MiB of pages 19 ms, with 1 MiB 10. */
        return exec(s, how == TL_STORE_WALK ? "PRAGMA cache_size = -1024" : "PRAGMA cache_size = -16384", err);
    }
    if (sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) != SQLITE_OK)
        return fail(s, err, "turn on the write-ahead log");
    TL_TRY(sqlite3_step(stmt) == SQLITE_ROW ? TL_OK : fail(s, err, "turn on the write-ahead log"));
    mode = (const char *)sqlite3_column_text(stmt, 0);
    if (mode == NULL || strcmp(mode, "wal") != 0)
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "%s: SQLite cannot keep a write-ahead log there (a network file system?); a local disk would do",
                       s->base.place));
    /* 16 MB of WAL between checkpoints: a bulk load writes a page that changes often back less often. 48 MiB of pages: with them a run of batch
     * stays within 100 MB (bench). */
    TL_TRY(exec(s,
                "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;"
                "PRAGMA cache_size = -49152; PRAGMA legacy_alter_table = ON",
                err));
out:
    sqlite3_finalize(stmt);
    return rc;
}

static void op_close(struct tl_database *database)
{
    struct sqlite_database *s = sqlite_of(database);

    tl_lock_release(s->lock);
    tl_sqlite_wait_close(&s->wait);
    sqlite3_close_v2(s->db); /* v2: a cursor that is still open keeps it */
    free(s->base.place);
    free(s);
}

/* By whatever path the file was opened. The lock file itself says who holds it. */
static enum tl_code op_lock(struct tl_database *database, const char *work, const char *who, struct tl_err *err)
{
    struct sqlite_database *s = sqlite_of(database);
    char *real = realpath(database->place, NULL), *path = NULL;
    enum tl_code rc;

    (void)who;
    if (real == NULL)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be found", database->place);
    rc = asprintf(&path, "%s.%s.lock", real, work) < 0 ? tl_fail_memory(err, strlen(real)) : TL_OK;
    if (rc == TL_OK) {
        rc = tl_lock_take(path, work, &s->lock, err);
        free(path);
    }
    free(real);
    return rc;
}

static const struct tl_database_driver sqlite_driver = {
    .close = op_close,
    .lock = op_lock,
    .begin = op_begin,
    .begin_both = op_begin_both,
    .commit = op_commit,
    .rollback = op_rollback,
    .begun = op_begun,
    .has_object = op_has_object,
    .names_changed = op_names_changed,
    .replace_view = op_replace_view,
    .version = op_version,
    .deadline = op_deadline,
    .wait = op_wait,
    .statement = op_statement,
    .statement_close = op_statement_close,
    .run = op_run,
    .bulk = op_bulk,
    .next = op_next,
    .answer_close = op_answer_close,
    .null = op_null,
    .i64 = op_i64,
    .f64 = op_f64,
    .text = op_text,
    .bytes = op_bytes,
    .value = op_value,
};

enum tl_code tl_database_sqlite_open(const char *path, enum tl_store_mode mode, struct tl_database **out, struct tl_err *err)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | (mode == TL_STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    struct sqlite_database *s = NULL;
    bool there = false, was_empty;
    enum tl_code rc;

    TL_TRY(check_file(path, &there, err));
    if (!there && mode != TL_STORE_WRITE)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no store yet; `tally speed` or `tally batch` makes it", path);
    if (mode != TL_STORE_WRITE && has_journal(path, &was_empty))
        take_back(path);
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return tl_fail_memory(err, sizeof *s);
    s->base.driver = &sqlite_driver;
    s->base.dialect = TL_DIALECT_SQLITE;
    s->base.writable = mode == TL_STORE_WRITE;
    s->base.place = strdup(path);
    if (s->base.place == NULL)
        TL_TRY(tl_fail_memory(err, strlen(path)));
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        rc = s->db == NULL ? tl_fail_memory(err, 0) : fail(s, err, "open");
        goto out;
    }
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (tl_sqlite_rows_register(s->db, &s->rows) != SQLITE_OK)
        TL_TRY(tl_fail_memory(err, 0));
    /* Until all is checked, closing must not move a WAL's pages into the file. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!there)
        TL_TRY(make_schema(s, err));
    TL_TRY(check_schema(s, err));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, mode != TL_STORE_WRITE, NULL);
    TL_TRY(set_up(s, mode, err));
    *out = &s->base;
    s = NULL;
out:
    if (s != NULL)
        tl_database_close(&s->base);
    return rc;
}
