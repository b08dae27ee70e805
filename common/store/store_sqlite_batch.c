/* store_sqlite_batch.c: batch's runs in the SQLite store: staged under a run's id, published by moving the pointer, discarded, pruned.
 *
 * tally_pointer says for each definition which run serves which range. The ranges of one run that touch form a chain; a range that was
 * published before must lie wholly inside one chain (and goes) or wholly outside all of them. The ranges and rows of superseded runs stay:
 * undoing the newest publication means to play those before it again, in their order. */
#include "store/store_sqlite.h"

#include <string.h>

#include "event/schema.h"

/* clang-format off */
static const char sql_run_begin[] =
    "INSERT INTO tally_run (reason, versions, started_ms, state, normaliser) VALUES (?1, ?2, ?3, 'staged', ?4) RETURNING run";
static const char sql_run_state[] = "SELECT state FROM tally_run WHERE run = ?1";
static const char sql_stage_offset[] =
    "INSERT INTO tally_run_offset (run, topic, partition, next_offset) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (run, topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
static const char sql_stage_range[] =
    "INSERT OR REPLACE INTO tally_run_range (run, definition, from_ms, to_ms, rows_count, dead_letter, future, duplicate, filtered,"
    " rejected, late, partly_counted, counted, carry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
/* A definition that was replaced while the run went on has no rows any more. */
static const char sql_staged_ranges[] =
    "SELECT r.definition, r.from_ms, r.to_ms FROM tally_run_range AS r JOIN tally_progress AS g ON g.definition = r.definition"
    " WHERE r.run = ?1 ORDER BY r.definition, r.from_ms";
static const char sql_across[] =
    "SELECT from_ms, to_ms, run FROM tally_pointer WHERE definition = ?1 AND to_ms > ?2 AND from_ms < ?3"
    " AND (from_ms < ?2 OR to_ms > ?3) LIMIT 1";
static const char sql_cover[] = "DELETE FROM tally_pointer WHERE definition = ?1 AND from_ms >= ?2 AND to_ms <= ?3";
static const char sql_point[] =
    "INSERT INTO tally_pointer (definition, from_ms, to_ms, run) SELECT definition, from_ms, to_ms, run FROM tally_run_range"
    " WHERE run = ?1 AND definition = ?2";
static const char sql_pointers[] =
    "SELECT p.from_ms, p.to_ms, p.run, r.ended_ms FROM tally_pointer AS p JOIN tally_run AS r ON r.run = p.run WHERE p.definition = ?1"
    " ORDER BY p.to_ms";
static const char sql_put_boundary[] = "UPDATE tally_progress SET boundary_ms = ?2 WHERE definition = ?1";
static const char sql_mark_published[] =
    "UPDATE tally_run SET state = 'published', ended_ms = ?2, change = ?3,"
    " published = (SELECT COALESCE(MAX(published), 0) + 1 FROM tally_run) WHERE run = ?1";
static const char sql_staged_run[] = "SELECT run FROM tally_run WHERE state = 'staged' ORDER BY run LIMIT 1";
static const char sql_next_definition[] = "SELECT definition FROM tally_progress WHERE definition > ?1 ORDER BY definition LIMIT 1";
static const char sql_stage_open[] =
    "INSERT INTO tally_open (run, definition, to_ms, \"key\", start_ms) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (run, definition, to_ms, \"key\") DO UPDATE SET start_ms = min(start_ms, excluded.start_ms)";
static const char sql_discard_open[] =
    "DELETE FROM tally_open WHERE (run, definition, to_ms, \"key\") IN (SELECT run, definition, to_ms, \"key\" FROM tally_open"
    " WHERE run = ?1 AND definition = ?2 LIMIT ?3)";
static const char sql_discard_ledger[] =
    "DELETE FROM tally_ledger WHERE (definition, run, partition, \"offset\", \"row\") IN (SELECT definition, run, partition, \"offset\","
    " \"row\" FROM tally_ledger WHERE definition = ?1 AND run = ?2 LIMIT ?3)";
static const char *const sql_discard[] = {
    "DELETE FROM tally_quarantine WHERE run = ?1",
    "DELETE FROM tally_run_range WHERE run = ?1",
    "DELETE FROM tally_run_offset WHERE run = ?1",
    "UPDATE tally_run SET state = 'failed' WHERE run = ?1",
};
static const char sql_final[] = "SELECT final_ms FROM tally_progress WHERE definition = ?1";
/* Lines without a time (a dead letter's) go with the offsets that the last of the runs had seen. */
static const char sql_prune_ledger[] =
    "DELETE FROM tally_ledger WHERE (definition, run, partition, \"offset\", \"row\") IN (SELECT l.definition, l.run, l.partition,"
    " l.\"offset\", l.\"row\" FROM tally_ledger AS l WHERE l.definition = ?1 AND l.run = 0 AND l.event_time_ms < ?2"
    " AND (l.event_time_ms <> ?3 OR l.\"offset\" < (SELECT o.next_offset FROM tally_run_offset AS o WHERE o.run = ?4 AND o.topic = ?5"
    " AND o.partition = l.partition)) LIMIT ?6)";
/* clang-format on */

enum tl_code tl_sq_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms, int64_t *run,
                             struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    int64_t begun = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = tl_sq_get(s, sql_run_begin, &begun, NULL, err, "ttii", tl_sv_from(reason), versions, started_ms,
                   (int64_t)TL_NORMALISER_VERSION);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
    else
        *run = begun;
out:
    return rc;
}

static enum tl_code open_stage(struct tl_sq *s, struct tl_sq_definition *d, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_sq_put_insert(&sql, d, &d->batch_table, "_run");
    TL_TRY(tl_sq_prepare(s, &sql, &d->own[TL_SQ_STAGE], err));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_sq_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                              struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    if (d->own[TL_SQ_STAGE] == NULL)
        TL_TRY(open_stage(s, d, err));
    if (sqlite3_bind_int64(d->own[TL_SQ_STAGE], 1, run) != SQLITE_OK)
        return tl_sq_fail(s, err, "bind a value");
    for (uint32_t i = 0; i < rows->count && rc == TL_OK; i++) {
        if (tl_sq_bind_row(d->own[TL_SQ_STAGE], d, rows, i) != SQLITE_OK || sqlite3_step(d->own[TL_SQ_STAGE]) != SQLITE_DONE) {
            if ((sqlite3_errcode(s->db) & 0xff) == SQLITE_CONSTRAINT)
                rc = tl_fail(err, TL_ERR_LIMIT, "%s: run %lld staged a row of %.*s twice (window %lld to %lld)", s->path,
                             (long long)run, TL_SV_ARG(d->view), (long long)rows->start_ms[i], (long long)rows->end_ms[i]);
            else
                rc = tl_sq_fail(s, err, "stage rows of %.*s", TL_SV_ARG(d->view));
        }
        sqlite3_reset(d->own[TL_SQ_STAGE]);
    }
    sqlite3_clear_bindings(d->own[TL_SQ_STAGE]);
out:
    return rc;
}

enum tl_code tl_sq_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_stage_offset, err, "itii", run, topic, (int64_t)partition, next_offset);
}

enum tl_code tl_sq_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range, struct tl_err *err)
{
    const uint64_t *counts = range->outcomes;

    assert(range->from_ms < range->to_ms);
    return tl_sq_do(tl_sq_of(store), sql_stage_range, err, "iiiiiiiiiiiiib", range->run, definition, range->from_ms, range->to_ms,
                    (int64_t)range->rows_count, (int64_t)counts[0], (int64_t)counts[1], (int64_t)counts[2], (int64_t)counts[3],
                    (int64_t)counts[4], (int64_t)counts[5], (int64_t)counts[6], (int64_t)counts[7], range->carry);
}

enum tl_code tl_sq_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms, const struct tl_rows *rows,
                              struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    assert(d->cut_per_key);
    for (uint32_t i = 0; i < rows->count; i++)
        TL_TRY(tl_sq_do(s, sql_stage_open, err, "iiibi", run, definition, to_ms, tl_sq_key(d, rows->key[i]), rows->start_ms[i]));
out:
    return rc;
}

/* ---- publication ---- */

struct chain {
    int64_t definition, from_ms, to_ms;
};

/* Ranges published before that the chain covers go; one that it cuts is an error. */
static enum tl_code cover(struct tl_sq *s, const struct chain *chain, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_across, &statement, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (row)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                       "%s: the range (%lld, %lld] of definition %lld would cut the range (%lld, %lld] that run %lld published; "
                       "a range that "
                       "covers it, or ends where it begins, would do; nothing was published",
                       s->path, (long long)chain->from_ms, (long long)chain->to_ms, (long long)chain->definition,
                       (long long)sqlite3_column_int64(statement, 0), (long long)sqlite3_column_int64(statement, 1),
                       (long long)sqlite3_column_int64(statement, 2)));
    TL_TRY(tl_sq_do(s, sql_cover, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

/* The end of the ranges that touch, from the first one on; only those published before `before_ms`, INT64_MAX: all. *last is the run of the
 * last of them. INT64_MIN where there is none. */
static enum tl_code contiguous(struct tl_sq *s, int64_t definition, int64_t before_ms, int64_t *end_ms, int64_t *last,
                               struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false, first = true;
    enum tl_code rc;

    *end_ms = INT64_MIN;
    *last = 0;
    TL_TRY(tl_sq_statement(s, sql_pointers, &statement, err, "i", definition));
    for (;; first = false) {
        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row || (!first && sqlite3_column_int64(statement, 0) != *end_ms))
            break;
        if (before_ms != INT64_MAX && sqlite3_column_int64(statement, 3) >= before_ms)
            break;
        *end_ms = sqlite3_column_int64(statement, 1);
        *last = sqlite3_column_int64(statement, 2);
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

static enum tl_code point(struct tl_sq *s, int64_t run, int64_t definition, struct tl_err *err)
{
    struct tl_sq_definition *d;
    int64_t boundary_ms, last;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    TL_TRY(tl_sq_do(s, sql_point, err, "ii", run, definition));
    TL_TRY(contiguous(s, definition, INT64_MAX, &boundary_ms, &last, err));
    TL_TRY(tl_sq_do(s, sql_put_boundary, err, "ii", definition, boundary_ms));
    if (d->cut_per_key)
        TL_TRY(tl_sq_cuts_renew(s, d, boundary_ms, last, err));
out:
    return rc;
}

static enum tl_code publish(struct tl_sq *s, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    struct chain chain = {0};
    int64_t change = 0;
    bool row = false, any = false;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_run_state, &statement, err, "i", run));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no run %lld to publish", s->path, (long long)run));
    if (tl_sv_eq(tl_sq_column_text(statement, 0), TL_SV("published")))
        goto out; /* a commit whose answer was lost */
    if (!tl_sv_eq(tl_sq_column_text(statement, 0), TL_SV("staged")))
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: run %lld is %.*s: nothing of it is staged; a new run would do", s->path,
                       (long long)run, TL_SV_ARG(tl_sq_column_text(statement, 0))));
    tl_sq_statement_close(s, statement);
    statement = NULL;
    TL_TRY(tl_sq_statement(s, sql_staged_ranges, &statement, err, "i", run));
    do {
        struct chain next = {0};

        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (row) {
            next = (struct chain){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                                  sqlite3_column_int64(statement, 2)};
            if (any && next.definition == chain.definition && next.from_ms < chain.to_ms)
                TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                               "%s: run %lld staged two ranges of definition %lld that overlap at %lld; nothing was published",
                               s->path, (long long)run, (long long)next.definition, (long long)next.from_ms));
            if (any && next.definition == chain.definition && next.from_ms == chain.to_ms) {
                chain.to_ms = next.to_ms;
                continue;
            }
        }
        if (any) {
            TL_TRY(cover(s, &chain, err));
            if (!row || next.definition != chain.definition)
                TL_TRY(point(s, run, chain.definition, err));
        }
        chain = next;
        any = true;
    } while (row);
    TL_TRY(tl_sq_next_change(s, &change, err));
    TL_TRY(tl_sq_do(s, sql_mark_published, err, "iii", run, ended_ms, change));
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err)); /* the file's one write lock: no tick is under way */
    rc = publish(s, run, ended_ms, err);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
out:
    return rc;
}

/* ---- deletions in short transactions ---- */

/* Runs a DELETE that is limited to TL_SQ_CHUNK_ROWS rows until it finds none, each time in a transaction of its own. Owns nothing. */
static enum tl_code delete_in_chunks(struct tl_sq *s, sqlite3_stmt *statement, struct tl_err *err)
{
    bool row;
    int deleted;
    enum tl_code rc;

    do {
        TL_TRY(tl_sq_begin(s, err));
        rc = tl_sq_step(s, statement, &row, err);
        deleted = sqlite3_changes(s->db);
        sqlite3_reset(statement);
        if (rc == TL_OK)
            rc = tl_sq_commit(s, err);
        if (rc != TL_OK)
            tl_sq_rollback(s);
        TL_TRY(rc);
    } while (deleted == TL_SQ_CHUNK_ROWS);
out:
    return rc;
}

static enum tl_code discard_rows(struct tl_sq *s, int64_t run, int64_t definition, struct tl_err *err)
{
    struct tl_sq_definition *d;
    sqlite3_stmt *statement = NULL;
    struct tl_buf sql;
    bool mine = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_sq_read_begin(s, &mine, err));
    rc = tl_sq_definition(s, definition, &d, err);
    tl_sq_read_end(s, mine);
    TL_TRY(rc);
    tl_buf_put_str(&sql, "DELETE FROM ");
    tl_merge_view_put_name(&sql, tl_buf_sv(&d->batch_table));
    tl_buf_put_str(&sql, " WHERE (_run, _end_ms, _start_ms, _key) IN (SELECT _run, _end_ms, _start_ms, _key FROM ");
    tl_merge_view_put_name(&sql, tl_buf_sv(&d->batch_table));
    tl_buf_printf(&sql, " WHERE _run = %lld LIMIT %d)", (long long)run, TL_SQ_CHUNK_ROWS);
    TL_TRY(tl_sq_prepare(s, &sql, &statement, err));
    TL_TRY(delete_in_chunks(s, statement, err));
    sqlite3_finalize(statement);
    statement = NULL;
    TL_TRY(tl_sq_statement(s, sql_discard_ledger, &statement, err, "iii", definition, run, (int64_t)TL_SQ_CHUNK_ROWS));
    TL_TRY(delete_in_chunks(s, statement, err));
    tl_sq_statement_close(s, statement);
    statement = NULL;
    TL_TRY(tl_sq_statement(s, sql_discard_open, &statement, err, "iii", run, definition, (int64_t)TL_SQ_CHUNK_ROWS));
    TL_TRY(delete_in_chunks(s, statement, err));
out:
    tl_sq_statement_close(s, statement);
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code discard_run(struct tl_sq *s, int64_t run, struct tl_err *err)
{
    int64_t definition = INT64_MIN;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_sq_get(s, sql_next_definition, &definition, &found, err, "i", definition));
        if (!found)
            break;
        TL_TRY(discard_rows(s, run, definition, err));
    }
    TL_TRY(tl_sq_begin(s, err));
    for (size_t i = 0; i < TL_COUNT(sql_discard) && rc == TL_OK; i++)
        rc = tl_sq_do(s, sql_discard[i], err, "i", run);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
out:
    return rc;
}

enum tl_code tl_sq_discard_staged(struct tl_store *store, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    int64_t run = 0;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_sq_get(s, sql_staged_run, &run, &found, err, ""));
        if (!found)
            break;
        TL_TRY(discard_run(s, run, err));
    }
out:
    return rc;
}

/* Speed's rows up to `end_ms`; without a window those that the run of their range had read, and of a key that is cut those below its cut. */
static void put_prune(struct tl_buf *sql, const struct tl_sq_definition *d, int64_t end_ms)
{
    struct tl_merge_view view = tl_sq_merge_view(d);

    tl_buf_put_str(sql, "DELETE FROM ");
    tl_merge_view_put_name(sql, tl_buf_sv(&d->speed_table));
    tl_buf_put_str(sql, " WHERE (_end_ms, _start_ms, _key) IN (SELECT s._end_ms, s._start_ms, s._key FROM ");
    tl_merge_view_put_name(sql, tl_buf_sv(&d->speed_table));
    tl_buf_printf(sql, " AS s WHERE s._end_ms %s %lld",
                  tl_merge_view_holds_from(d->windowed, d->ends_open) ? "<" : "<=", (long long)end_ms);
    if (!d->windowed) {
        tl_buf_put_str(sql, " AND ");
        tl_merge_view_put_read_by_run(sql, &view, "s");
    }
    if (d->cut_per_key) {
        tl_buf_put_str(sql, " AND s._start_ms < ");
        tl_merge_view_put_cut(sql, TL_DIALECT_SQLITE, &view, "s");
    }
    tl_buf_printf(sql, " LIMIT %d)", TL_SQ_CHUNK_ROWS);
}

enum tl_code tl_sq_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d = NULL;
    sqlite3_stmt *statement = NULL;
    struct tl_buf sql;
    int64_t end_ms = INT64_MIN, last = 0, final_ms = INT64_MIN;
    bool mine = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_sq_read_begin(s, &mine, err));
    rc = tl_sq_definition(s, definition, &d, err);
    if (rc == TL_OK)
        rc = contiguous(s, definition, published_before_ms, &end_ms, &last, err);
    if (rc == TL_OK)
        rc = tl_sq_get(s, sql_final, &final_ms, NULL, err, "i", definition);
    tl_sq_read_end(s, mine);
    TL_TRY(rc);
    end_ms = tl_min_i64(end_ms, final_ms); /* an open row's accumulators may still be wanted */
    if (end_ms == INT64_MIN)
        goto out;
    put_prune(&sql, d, end_ms);
    TL_TRY(tl_sq_prepare(s, &sql, &statement, err));
    TL_TRY(delete_in_chunks(s, statement, err));
    sqlite3_finalize(statement);
    statement = NULL;
    TL_TRY(tl_sq_statement(s, sql_prune_ledger, &statement, err, "iiiiti", definition, end_ms, INT64_MIN, last, d->topic,
                           (int64_t)TL_SQ_CHUNK_ROWS));
    TL_TRY(delete_in_chunks(s, statement, err));
out:
    tl_sq_statement_close(s, statement);
    tl_buf_done(&sql);
    return rc;
}
