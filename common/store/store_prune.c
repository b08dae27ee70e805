/* store_prune.c: what goes from the store by and by, in short transactions: stages of runs that never came to be published, speed's rows that
 * batch has taken over, ranges of runs that were superseded. */
#include "store/store_handle.h"

#include <stdlib.h>

/* Of a range: its rows are there; going; gone. */
#define TL_PRUNED_ON_THE_WAY 2
#define TL_PRUNED 1
#define TL_KEPT_NO_MORE 3 /* as TL_KEPT_REPLACED: nobody can accept it any more */
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* clang-format off */
static const char sql_staged_run[] = "SELECT run FROM tally_run WHERE state = 'staged' AND run <> ?1 ORDER BY run LIMIT 1";
static const char sql_next_definition[] = "SELECT definition FROM tally_progress WHERE definition > ?1 ORDER BY definition LIMIT 1";
static const char *const sql_discard[] = {
    "DELETE FROM tally_quarantine WHERE run = ?1",
    "DELETE FROM tally_check_result WHERE run = ?1",
    "DELETE FROM tally_run_range WHERE run = ?1",
    "DELETE FROM tally_run_offset WHERE run = ?1",
    "DELETE FROM tally_run_unread WHERE run = ?1",
    "UPDATE tally_run SET state = 'failed' WHERE run = ?1",
};
static const char sql_final[] = "SELECT final_ms FROM tally_progress WHERE definition = ?1";
static const char sql_put_pruned[] =
    "UPDATE tally_progress SET pruned_ms = ?2 WHERE definition = ?1 AND pruned_ms < ?2";
/* What was found there would be told of a range that the run does not have. */
static const char *const sql_unstage[] = {
    "DELETE FROM tally_run_range WHERE run = ?1 AND definition = ?2 AND from_ms >= ?3 AND to_ms <= ?4 AND published IS NULL",
    "DELETE FROM tally_check_result WHERE run = ?1 AND definition = ?2 AND from_ms >= ?3 AND to_ms <= ?4",
};
/* Superseded is what a publication that stays overlaps which came later: see store_publish.c. The rest of an ended run is what a check blocked. */
static const char sql_superseded[] =
    "SELECT r.run, r.definition, r.from_ms, r.to_ms FROM tally_run_range AS r JOIN tally_progress AS g ON g.definition = r.definition"
    " JOIN tally_run AS u ON u.run = r.run LEFT JOIN tally_publication AS b ON b.published = r.published"
    " WHERE r.pruned <> " TEXT_OF(TL_PRUNED) " AND u.state <> 'staged' AND NOT EXISTS (SELECT 1 FROM tally_pointer AS p WHERE p.definition = r.definition"
    " AND p.to_ms = r.to_ms AND p.run = r.run) AND COALESCE(b.undone_ms, CASE WHEN r.published IS NULL THEN u.ended_ms ELSE"
    " (SELECT MIN(c.at_ms) FROM tally_publication AS c WHERE c.published > r.published AND c.undone_ms IS NULL AND c.at_ms < ?1"
    " AND r.from_ms < (SELECT n.to_ms FROM tally_run_range AS n WHERE n.run = c.run AND n.definition = r.definition"
    " AND n.from_ms < r.to_ms AND n.published = c.published ORDER BY n.from_ms DESC LIMIT 1)) END) < ?1 ORDER BY r.run, r.definition, r.from_ms";
static const char sql_mark_pruned[] =
    "UPDATE tally_run_range SET pruned = " TEXT_OF(TL_PRUNED_ON_THE_WAY) ", blocked = CASE WHEN published IS NULL THEN"
    " " TEXT_OF(TL_KEPT_NO_MORE) " ELSE blocked END WHERE run = ?1 AND definition = ?2 AND from_ms = ?3";
/* Its carry may be larger than its rows. */
static const char sql_end_prune[] =
    "UPDATE tally_run_range SET pruned = " TEXT_OF(TL_PRUNED) ", carry = ?4 WHERE run = ?1 AND definition = ?2 AND from_ms = ?3";
static const char sql_unpruned[] =
    "SELECT 1 FROM tally_run_range WHERE run = ?1 AND definition = ?2 AND from_ms <> ?3 AND pruned <> " TEXT_OF(TL_PRUNED) " LIMIT 1";
/* clang-format on */

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

/* Of speed's rows: from now on no rollback may lead behind what goes. A chunk and its note are one transaction: a replay may put the rows in place
 * again between two of them, and forget what was noted before. */
struct note {
    int64_t definition, pruned_ms;
};

static enum tl_code delete_chunk(struct tl_store *store, struct tl_statement *statement, const struct tl_bind *binds,
                                 const struct note *note, int64_t *deleted, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_statement_change(statement, binds, deleted, err));
    if (note != NULL && *deleted > 0)
        TL_TRY(tl_database_do(store->database, sql_put_pruned, err, "ii", note->definition, note->pruned_ms));
out:
    return rc;
}

/* Deletes what `where` says of the table, TL_STORE_CHUNK_ROWS rows at a time, each time in a transaction of its own. Up to 3 parameters. */
static enum tl_code delete_and_note(struct tl_store *store, struct tl_sv table, const char *key, const struct tl_buf *where,
                                    const char *types, const struct tl_bind *binds, const struct note *note, struct tl_err *err)
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
        TL_TRY(tl_store_end(store, delete_chunk(store, statement, binds, note, &deleted, err), err));
    } while (deleted == TL_STORE_CHUNK_ROWS);
out:
    tl_statement_close(statement);
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code delete_in_chunks(struct tl_store *store, struct tl_sv table, const char *key, const struct tl_buf *where,
                                     const char *types, const struct tl_bind *binds, struct tl_err *err)
{
    return delete_and_note(store, table, key, where, types, binds, NULL, err);
}

static const char rows_key[] = "_end_ms, _start_ms, _key", batch_rows_key[] = "_run, _end_ms, _start_ms, _key",
                  ledger_key[] = "definition, run, partition, \"offset\", \"row\"",
                  open_key[] = "run, definition, to_ms, \"key\"",
                  quarantine_key[] = "definition, run, partition, \"offset\", \"row\", check_name";

/* As it is known outside of a transaction. */
static enum tl_code know(struct tl_store *store, int64_t definition, struct tl_known **d, struct tl_err *err)
{
    bool mine = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = tl_known_find(store, definition, d, err);
    tl_store_read_end(store, mine);
out:
    return rc;
}

/* ---- what was staged for nothing ---- */

static enum tl_code discard_rows(struct tl_store *store, int64_t run, int64_t definition, struct tl_err *err)
{
    struct tl_bind binds[] = {tl_bind_i64(run), tl_bind_i64(definition)};
    struct tl_known *d;
    struct tl_buf where;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    TL_TRY(know(store, definition, &d, err));
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
    return tl_store_discard_staged_but(store, 0, err);
}

enum tl_code tl_store_discard_staged_but(struct tl_store *store, int64_t but, struct tl_err *err)
{
    int64_t run = 0;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_database_get(store->database, sql_staged_run, &run, &found, err, "i", but));
        if (!found)
            break;
        TL_TRY(discard_run(store, run, err));
    }
out:
    return rc;
}

/* ---- a span of a run ---- */

/* The rows of the run whose range is the span or lies inside, its ledger lines and its quarantine of events in the span, and what it carries over
 * ends in it.
 * Lines without a time (a dead letter's) are no range's. */
static enum tl_code drop_span(struct tl_store *store, const struct tl_known *d, int64_t run, int64_t from_ms, int64_t to_ms,
                              struct tl_err *err)
{
    bool holds_from = tl_merge_view_holds_from(d->windowed, d->ends_open);
    struct tl_bind binds[] = {tl_bind_i64(run), tl_bind_i64(from_ms), tl_bind_i64(to_ms)};
    struct tl_buf where;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    tl_buf_printf(&where, "s._run = ?1 AND s._end_ms %s ?2 AND s._end_ms %s ?3", holds_from ? ">=" : ">",
                  holds_from ? "<" : "<=");
    TL_TRY(delete_in_chunks(store, tl_buf_sv(&d->batch_table), batch_rows_key, &where, "iii", binds, err));
    binds[1] = tl_bind_i64(tl_max_i64(from_ms, INT64_MIN + 1));
    tl_buf_clear(&where); /* before the lines, for these tell when the events were */
    tl_buf_printf(
        &where,
        "s.definition = %lld AND s.run = ?1 AND EXISTS (SELECT 1 FROM tally_ledger AS l WHERE l.definition = s.definition"
        " AND l.run = s.run AND l.partition = s.partition AND l.\"offset\" = s.\"offset\" AND l.\"row\" = s.\"row\""
        " AND l.event_time_ms >= ?2 AND l.event_time_ms < ?3)",
        (long long)d->id);
    TL_TRY(delete_in_chunks(store, TL_SV("tally_quarantine"), quarantine_key, &where, "iii", binds, err));
    tl_buf_clear(&where);
    tl_buf_printf(&where, "s.definition = %lld AND s.run = ?1 AND s.event_time_ms >= ?2 AND s.event_time_ms < ?3",
                  (long long)d->id);
    TL_TRY(delete_in_chunks(store, TL_SV("tally_ledger"), ledger_key, &where, "iii", binds, err));
    tl_buf_clear(&where);
    tl_buf_printf(&where, "s.definition = %lld AND s.run = ?1 AND s.to_ms > ?2 AND s.to_ms <= ?3", (long long)d->id);
    TL_TRY(delete_in_chunks(store, TL_SV("tally_open"), open_key, &where, "iii", binds, err));
out:
    tl_buf_done(&where);
    return rc;
}

enum tl_code tl_store_unstage(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, int64_t to_ms,
                              struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(know(store, definition, &d, err));
    TL_TRY(tl_store_begin(store, err)); /* the ranges first: one that has its line is whole */
    for (size_t i = 0; i < TL_COUNT(sql_unstage) && rc == TL_OK; i++)
        rc = tl_database_do(store->database, sql_unstage[i], err, "iiii", run, definition, from_ms, to_ms);
    TL_TRY(tl_store_end(store, rc, err));
    TL_TRY(drop_span(store, d, run, from_ms, to_ms, err));
out:
    return rc;
}

/* ---- superseded ranges ---- */

struct superseded {
    int64_t run, definition, from_ms, to_ms;
};

struct superseded_list {
    struct superseded *ranges;
    size_t count, capacity;
};

static enum tl_code list_superseded(struct tl_store *store, int64_t before_ms, struct superseded_list *list, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_superseded, &answer, err, "i", before_ms));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        if (list->count == list->capacity) {
            size_t capacity = list->capacity * 2 + 64;

            if (!TL_RESIZE(list->ranges, capacity))
                TL_TRY(tl_fail_memory(err, capacity * sizeof *list->ranges));
            list->capacity = capacity;
        }
        list->ranges[list->count++] = (struct superseded){tl_answer_i64(answer, 0), tl_answer_i64(answer, 1),
                                                          tl_answer_i64(answer, 2), tl_answer_i64(answer, 3)};
    }
out:
    tl_answer_close(answer);
    return rc;
}

/* Marked first: from then on no rollback shows them. What a stop leaves behind goes the next time, for the mark says 2 until all is done. */
static enum tl_code prune_range(struct tl_store *store, const struct superseded *range, struct tl_err *err)
{
    struct tl_bind binds[] = {tl_bind_i64(range->run), tl_bind_i64(range->definition)};
    struct tl_known *d;
    struct tl_buf where;
    int64_t left = 0;
    bool any = false;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    TL_TRY(know(store, range->definition, &d, err));
    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_end(
        store, tl_database_do(store->database, sql_mark_pruned, err, "iii", range->run, range->definition, range->from_ms), err));
    TL_TRY(drop_span(store, d, range->run, range->from_ms, range->to_ms, err));
    TL_TRY(
        tl_database_get(store->database, sql_unpruned, &left, &any, err, "iii", range->run, range->definition, range->from_ms));
    if (!any) { /* it was the last one: lines without a time go too */
        tl_buf_put_str(&where, "s.run = ?1 AND s.definition = ?2");
        TL_TRY(delete_in_chunks(store, TL_SV("tally_ledger"), ledger_key, &where, "ii", binds, err));
        TL_TRY(delete_in_chunks(store, TL_SV("tally_quarantine"), quarantine_key, &where, "ii", binds, err));
    }
    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_end(
        store,
        tl_database_do(store->database, sql_end_prune, err, "iiib", range->run, range->definition, range->from_ms, TL_SV("")),
        err));
out:
    tl_buf_done(&where);
    return rc;
}

enum tl_code tl_store_prune_superseded(struct tl_store *store, int64_t before_ms, struct tl_err *err)
{
    struct superseded_list list = {0};
    enum tl_code rc;

    TL_TRY(list_superseded(store, before_ms, &list, err));
    for (size_t i = 0; i < list.count; i++)
        TL_TRY(prune_range(store, &list.ranges[i], err));
out:
    free(list.ranges);
    return rc;
}

/* ---- speed's rows ---- */

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

/* What was never read stays known. Lines without a time (a dead letter's) go with the offsets that the last of the runs had seen. */
static void put_prune_ledger(struct tl_buf *where, const struct tl_known *d, int64_t end_ms, int64_t last_run)
{
    struct tl_merge_view view = tl_known_view(d);

    tl_buf_printf(where,
                  "s.definition = %lld AND s.run = 0 AND s.cause <> %d AND s.event_time_ms < %lld AND (s.event_time_ms <> ?1 OR "
                  "s.\"offset\" <"
                  " (SELECT o.next_offset FROM tally_run_offset AS o WHERE o.run = %lld AND ",
                  (long long)d->id, (int)TL_CAUSE_OFFSET_GAP, (long long)end_ms, (long long)last_run);
    tl_merge_view_put_is_offset_of(where, &view, "s.partition");
    tl_buf_put_str(where, "))");
}

enum tl_code tl_store_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err)
{
    struct tl_bind no_time = tl_bind_i64(INT64_MIN);
    struct tl_known *d = NULL;
    struct tl_buf where;
    int64_t end_ms = INT64_MIN, last = 0, final_ms = INT64_MIN;
    struct note note;
    bool mine = false;
    enum tl_code rc;

    tl_buf_init(&where, 0);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = tl_known_find(store, definition, &d, err);
    if (rc == TL_OK)
        rc = tl_pointer_end(store, definition, published_before_ms, &end_ms, &last, err);
    if (rc == TL_OK)
        rc = tl_database_get(store->database, sql_final, &final_ms, NULL, err, "i", definition);
    tl_store_read_end(store, mine);
    TL_TRY(rc);
    end_ms = tl_min_i64(end_ms, final_ms); /* an open row's accumulators may still be wanted */
    if (end_ms == INT64_MIN)
        goto out;
    put_prune(&where, store->database->dialect, d, end_ms);
    note = (struct note){d->id, end_ms};
    TL_TRY(delete_and_note(store, tl_buf_sv(&d->speed_table), rows_key, &where, "", NULL, &note, err));
    tl_buf_clear(&where);
    put_prune_ledger(&where, d, end_ms, last);
    TL_TRY(delete_and_note(store, TL_SV("tally_ledger"), ledger_key, &where, "i", &no_time, &note, err));
out:
    tl_buf_done(&where);
    return rc;
}
