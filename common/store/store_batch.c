/* store_batch.c: batch's runs in the store: staged under a run's id, published by moving the pointer, discarded, pruned.
 *
 * tally_pointer says for each definition which run serves which range. The ranges of one run that touch form a chain; a range that was
 * published before must lie wholly inside one chain (and goes) or wholly outside all of them. The ranges and rows of superseded runs stay:
 * undoing the newest publication means to play those before it again, in their order. */
#include "store/store_handle.h"

#include <stdlib.h>
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
    "INSERT INTO tally_run_range (run, definition, from_ms, to_ms, rows_count, dead_letter, future, duplicate, filtered, rejected, late,"
    " partly_counted, counted, carry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    " ON CONFLICT (run, definition, from_ms) DO UPDATE SET to_ms = excluded.to_ms, rows_count = excluded.rows_count,"
    " dead_letter = excluded.dead_letter, future = excluded.future, duplicate = excluded.duplicate, filtered = excluded.filtered,"
    " rejected = excluded.rejected, late = excluded.late, partly_counted = excluded.partly_counted, counted = excluded.counted,"
    " carry = excluded.carry";
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
/* A key may have several sessions among the rows: the earliest counts. */
static const char *const sql_stage_open[] = {
    [TL_DIALECT_SQLITE] =
        "INSERT INTO tally_open (run, definition, to_ms, \"key\", start_ms) {ROWS}"
        " ON CONFLICT (run, definition, to_ms, \"key\") DO UPDATE SET start_ms = min(start_ms, excluded.start_ms)",
    [TL_DIALECT_POSTGRES] =
        "INSERT INTO tally_open (run, definition, to_ms, \"key\", start_ms) SELECT n.r, n.d, n.t, n.k, min(n.s) FROM ({ROWS})"
        " AS n (r, d, t, k, s) GROUP BY n.r, n.d, n.t, n.k"
        " ON CONFLICT (run, definition, to_ms, " TL_POSTGRES_INDEXED("\"key\"") ")"
        " DO UPDATE SET start_ms = LEAST(tally_open.start_ms, excluded.start_ms)",
};
static const char *const sql_discard[] = {
    "DELETE FROM tally_quarantine WHERE run = ?1",
    "DELETE FROM tally_run_range WHERE run = ?1",
    "DELETE FROM tally_run_offset WHERE run = ?1",
    "UPDATE tally_run SET state = 'failed' WHERE run = ?1",
};
static const char sql_final[] = "SELECT final_ms FROM tally_progress WHERE definition = ?1";
/* clang-format on */

enum tl_code tl_store_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms,
                                int64_t *run, struct tl_err *err)
{
    int64_t begun = 0;
    enum tl_code rc;

    TL_TRY(tl_store_begin(store, err));
    rc = tl_database_get(store->database, sql_run_begin, &begun, NULL, err, "ttii", tl_sv_from(reason), versions, started_ms,
                         (int64_t)TL_NORMALISER_VERSION);
    TL_TRY(tl_store_end(store, rc, err));
    *run = begun;
out:
    return rc;
}

static enum tl_code open_stage(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_buf sql, types;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_init(&types, 0);
    TL_TRY(tl_known_put_insert(store, &sql, d, &d->batch_table, "_run", &types, err));
    TL_TRY(tl_database_prepare(store->database, &sql, types.data, &d->own[TL_OWN_STAGE], err, "stage rows of %.*s",
                               TL_SV_ARG(d->view)));
out:
    tl_buf_done(&sql);
    tl_buf_done(&types);
    return rc;
}

enum tl_code tl_store_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                                 struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    if (d->own[TL_OWN_STAGE] == NULL)
        TL_TRY(open_stage(store, d, err));
    TL_TRY(tl_known_insert(d->own[TL_OWN_STAGE], d, run, rows, err));
out:
    return rc;
}

enum tl_code tl_store_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                   int64_t next_offset, struct tl_err *err)
{
    return tl_database_do(store->database, sql_stage_offset, err, "itii", run, topic, (int64_t)partition, next_offset);
}

enum tl_code tl_store_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                  struct tl_err *err)
{
    const uint64_t *counts = range->outcomes;

    assert(range->from_ms < range->to_ms);
    return tl_database_do(store->database, sql_stage_range, err, "iiiiiiiiiiiiib", range->run, definition, range->from_ms,
                          range->to_ms, (int64_t)range->rows_count, (int64_t)counts[0], (int64_t)counts[1], (int64_t)counts[2],
                          (int64_t)counts[3], (int64_t)counts[4], (int64_t)counts[5], (int64_t)counts[6], (int64_t)counts[7],
                          range->carry);
}

enum tl_code tl_store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms,
                                 const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_sv *keys = NULL;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    assert(d->cut_per_key);
    keys = malloc((rows->count + 1) * sizeof *keys);
    if (keys == NULL)
        TL_TRY(tl_fail_memory(err, rows->count * sizeof *keys));
    for (uint32_t i = 0; i < rows->count; i++)
        keys[i] = tl_known_key(d, rows->key[i]);
    TL_TRY(tl_database_bulk(store->database, sql_stage_open[store->database->dialect], "IIIbi",
                            (struct tl_bulk_column[]){
                                {TL_LAYOUT_I64, &run,           0,                      NULL},
                                {TL_LAYOUT_I64, &definition,    0,                      NULL},
                                {TL_LAYOUT_I64, &to_ms,         0,                      NULL},
                                {TL_LAYOUT_SV,  keys,           sizeof *keys,           NULL},
                                {TL_LAYOUT_I64, rows->start_ms, sizeof *rows->start_ms, NULL},
    },
                            rows->count, err));
out:
    free(keys);
    return rc;
}

/* ---- publication ---- */

struct chain {
    int64_t definition, from_ms, to_ms;
};

/* Ranges published before that the chain covers go; one that it cuts is an error. */
static enum tl_code cover(struct tl_store *store, const struct chain *chain, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_across, &answer, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                       "%s: the range (%lld, %lld] of definition %lld would cut the range (%lld, %lld] that run %lld published; "
                       "a range that "
                       "covers it, or ends where it begins, would do; nothing was published",
                       store->database->place, (long long)chain->from_ms, (long long)chain->to_ms, (long long)chain->definition,
                       (long long)tl_answer_i64(answer, 0), (long long)tl_answer_i64(answer, 1),
                       (long long)tl_answer_i64(answer, 2)));
    TL_TRY(tl_database_do(store->database, sql_cover, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
out:
    tl_answer_close(answer);
    return rc;
}

/* The end of the ranges that touch, from the first one on; only those published before `before_ms`, INT64_MAX: all. *last is the run of the
 * last of them. INT64_MIN where there is none. */
static enum tl_code contiguous(struct tl_store *store, int64_t definition, int64_t before_ms, int64_t *end_ms, int64_t *last,
                               struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false, first = true;
    enum tl_code rc;

    *end_ms = INT64_MIN;
    *last = 0;
    TL_TRY(tl_database_ask(store->database, sql_pointers, &answer, err, "i", definition));
    for (;; first = false) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row || (!first && tl_answer_i64(answer, 0) != *end_ms))
            break;
        if (before_ms != INT64_MAX && tl_answer_i64(answer, 3) >= before_ms)
            break;
        *end_ms = tl_answer_i64(answer, 1);
        *last = tl_answer_i64(answer, 2);
    }
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code point(struct tl_store *store, int64_t run, int64_t definition, struct tl_err *err)
{
    struct tl_known *d;
    int64_t boundary_ms, last;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    TL_TRY(tl_database_do(store->database, sql_point, err, "ii", run, definition));
    TL_TRY(contiguous(store, definition, INT64_MAX, &boundary_ms, &last, err));
    TL_TRY(tl_database_do(store->database, sql_put_boundary, err, "ii", definition, boundary_ms));
    if (d->cut_per_key)
        TL_TRY(tl_cuts_renew(store, d, boundary_ms, last, err));
out:
    return rc;
}

static enum tl_code publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct chain chain = {0};
    int64_t change = 0;
    bool row = false, any = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_run_state, &answer, err, "i", run));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no run %lld to publish", store->database->place, (long long)run));
    if (tl_sv_eq(tl_answer_text(answer, 0), TL_SV("published")))
        goto out; /* a commit whose answer was lost */
    if (!tl_sv_eq(tl_answer_text(answer, 0), TL_SV("staged")))
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: run %lld is %.*s: nothing of it is staged; a new run would do",
                       store->database->place, (long long)run, TL_SV_ARG(tl_answer_text(answer, 0))));
    tl_answer_close(answer);
    answer = NULL;
    TL_TRY(tl_database_ask(store->database, sql_staged_ranges, &answer, err, "i", run));
    do {
        struct chain next = {0};

        TL_TRY(tl_answer_next(answer, &row, err));
        if (row) {
            next = (struct chain){tl_answer_i64(answer, 0), tl_answer_i64(answer, 1), tl_answer_i64(answer, 2)};
            if (any && next.definition == chain.definition && next.from_ms < chain.to_ms)
                TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                               "%s: run %lld staged two ranges of definition %lld that overlap at %lld; nothing was published",
                               store->database->place, (long long)run, (long long)next.definition, (long long)next.from_ms));
            if (any && next.definition == chain.definition && next.from_ms == chain.to_ms) {
                chain.to_ms = next.to_ms;
                continue;
            }
        }
        if (any) {
            TL_TRY(cover(store, &chain, err));
            if (!row || next.definition != chain.definition)
                TL_TRY(point(store, run, chain.definition, err));
        }
        chain = next;
        any = true;
    } while (row);
    TL_TRY(tl_store_next_change(store, &change, err));
    TL_TRY(tl_database_do(store->database, sql_mark_published, err, "iii", run, ended_ms, change));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    struct tl_epoch epoch;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_PUBLISH, err));
    rc = tl_store_lock_epoch(store, &epoch, err); /* no tick is under way */
    if (rc == TL_OK)
        rc = publish(store, run, ended_ms, err);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

/* ---- deletions in short transactions ---- */

/* "DELETE FROM <table> WHERE it is among the first so many of those that <where> says": `key` is its primary key, and the rows go by
 * the alias s in <where>. */
static void put_delete_some(struct tl_buf *out, enum tl_dialect dialect, struct tl_sv table, const char *key, struct tl_sv where)
{
    tl_buf_put_str(out, "DELETE FROM ");
    tl_merge_view_put_name(out, table);
    if (dialect == TL_DIALECT_SQLITE)
        tl_buf_printf(out, " WHERE (%s) IN (SELECT %s FROM ", key, key);
    else
        tl_buf_put_str(out, " WHERE ctid = ANY (ARRAY (SELECT s.ctid FROM ");
    tl_merge_view_put_name(out, table);
    tl_buf_put_str(out, " AS s WHERE ");
    tl_buf_put_sv(out, where);
    tl_buf_printf(out, " LIMIT %d%s", TL_STORE_CHUNK_ROWS, dialect == TL_DIALECT_SQLITE ? ")" : "))");
}

/* Deletes what `where` says of the table, TL_STORE_CHUNK_ROWS rows at a time, each time in a transaction of its own. Up to 3 parameters. */
static enum tl_code delete_in_chunks(struct tl_store *store, struct tl_sv table, const char *key, const struct tl_buf *where,
                                     const char *types, const struct tl_bind *binds, struct tl_err *err)
{
    struct tl_statement *statement = NULL;
    struct tl_buf sql;
    int64_t deleted = 0;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_buf_check(where, "a statement", err));
    put_delete_some(&sql, store->database->dialect, table, key, tl_buf_sv(where));
    TL_TRY(tl_database_prepare(store->database, &sql, types, &statement, err, "delete from %.*s", TL_SV_ARG(table)));
    do {
        TL_TRY(tl_store_begin(store, err));
        TL_TRY(tl_store_end(store, tl_statement_change(statement, binds, &deleted, err), err));
    } while (deleted == TL_STORE_CHUNK_ROWS);
out:
    tl_statement_close(statement);
    tl_buf_done(&sql);
    return rc;
}

static const char rows_key[] = "_end_ms, _start_ms, _key", batch_rows_key[] = "_run, _end_ms, _start_ms, _key",
                  ledger_key[] = "definition, run, partition, \"offset\", \"row\"",
                  open_key[] = "run, definition, to_ms, \"key\"";

static enum tl_code discard_rows(struct tl_store *store, int64_t run, int64_t definition, struct tl_err *err)
{
    struct tl_bind binds[] = {tl_bind_i64(run), tl_bind_i64(definition)};
    struct tl_known *d;
    struct tl_buf where;
    bool mine = false;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = tl_known_find(store, definition, &d, err);
    tl_store_read_end(store, mine);
    TL_TRY(rc);
    tl_buf_put_str(&where, "s._run = ?1");
    TL_TRY(delete_in_chunks(store, tl_buf_sv(&d->batch_table), batch_rows_key, &where, "i", binds, err));
    tl_buf_clear(&where);
    tl_buf_put_str(&where, "s.run = ?1 AND s.definition = ?2");
    TL_TRY(delete_in_chunks(store, TL_SV("tally_ledger"), ledger_key, &where, "ii", binds, err));
    TL_TRY(delete_in_chunks(store, TL_SV("tally_open"), open_key, &where, "ii", binds, err));
out:
    tl_buf_done(&where);
    return rc;
}

static enum tl_code discard_run(struct tl_store *store, int64_t run, struct tl_err *err)
{
    int64_t definition = INT64_MIN;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_database_get(store->database, sql_next_definition, &definition, &found, err, "i", definition));
        if (!found)
            break;
        TL_TRY(discard_rows(store, run, definition, err));
    }
    TL_TRY(tl_store_begin(store, err));
    for (size_t i = 0; i < TL_COUNT(sql_discard) && rc == TL_OK; i++)
        rc = tl_database_do(store->database, sql_discard[i], err, "i", run);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

enum tl_code tl_store_discard_staged(struct tl_store *store, struct tl_err *err)
{
    int64_t run = 0;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_database_get(store->database, sql_staged_run, &run, &found, err, ""));
        if (!found)
            break;
        TL_TRY(discard_run(store, run, err));
    }
out:
    return rc;
}

/* Speed's rows up to `end_ms`; without a window those that the run of their range had read, and of a key that is cut those below its cut. */
static void put_prune(struct tl_buf *where, enum tl_dialect dialect, const struct tl_known *d, int64_t end_ms)
{
    struct tl_merge_view view = tl_known_view(d);

    tl_buf_printf(where, "s._end_ms %s %lld",
                  tl_merge_view_holds_from(d->windowed, d->ends_open) ? "<" : "<=", (long long)end_ms);
    if (!d->windowed) {
        tl_buf_put_str(where, " AND ");
        tl_merge_view_put_read_by_run(where, &view, "s");
    }
    if (d->cut_per_key) {
        tl_buf_put_str(where, " AND s._start_ms < ");
        tl_merge_view_put_cut(where, dialect, &view, "s");
    }
}

/* Lines without a time (a dead letter's) go with the offsets that the last of the runs had seen. */
static void put_prune_ledger(struct tl_buf *where, const struct tl_known *d, int64_t end_ms, int64_t last_run)
{
    struct tl_merge_view view = tl_known_view(d);

    tl_buf_printf(where,
                  "s.definition = %lld AND s.run = 0 AND s.event_time_ms < %lld AND (s.event_time_ms <> ?1 OR s.\"offset\" <"
                  " (SELECT o.next_offset FROM tally_run_offset AS o WHERE o.run = %lld AND ",
                  (long long)d->id, (long long)end_ms, (long long)last_run);
    tl_merge_view_put_is_offset_of(where, &view, "s.partition");
    tl_buf_put_str(where, "))");
}

enum tl_code tl_store_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err)
{
    struct tl_bind no_time = tl_bind_i64(INT64_MIN);
    struct tl_known *d = NULL;
    struct tl_buf where;
    int64_t end_ms = INT64_MIN, last = 0, final_ms = INT64_MIN;
    bool mine = false;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = tl_known_find(store, definition, &d, err);
    if (rc == TL_OK)
        rc = contiguous(store, definition, published_before_ms, &end_ms, &last, err);
    if (rc == TL_OK)
        rc = tl_database_get(store->database, sql_final, &final_ms, NULL, err, "i", definition);
    tl_store_read_end(store, mine);
    TL_TRY(rc);
    end_ms = tl_min_i64(end_ms, final_ms); /* an open row's accumulators may still be wanted */
    if (end_ms == INT64_MIN)
        goto out;
    put_prune(&where, store->database->dialect, d, end_ms);
    TL_TRY(delete_in_chunks(store, tl_buf_sv(&d->speed_table), rows_key, &where, "", NULL, err));
    tl_buf_clear(&where);
    put_prune_ledger(&where, d, end_ms, last);
    TL_TRY(delete_in_chunks(store, TL_SV("tally_ledger"), ledger_key, &where, "i", &no_time, err));
out:
    tl_buf_done(&where);
    return rc;
}
