/* store_sqlite_speed.c: the speed layer's tick in the SQLite store: rows, state, offsets, ledger, dead letters, event ids. */
#include "store/store_sqlite.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const char sql_epoch[] = "SELECT epoch, challenge, answer, change, owner FROM tally_epoch";
/* ?2 -1: whatever stands there. */
static const char sql_take_epoch[] =
    "UPDATE tally_epoch SET epoch = epoch + 1, owner = ?1 WHERE ?2 < 0 OR (epoch = ?2 AND answer = ?3) RETURNING epoch";
static const char sql_challenge[] = "UPDATE tally_epoch SET challenge = challenge + 1 RETURNING challenge";
static const char sql_answer[] = "UPDATE tally_epoch SET answer = ?1";
static const char sql_answer_by_tick[] = "UPDATE tally_epoch SET answer = challenge, change = ?1";
static const char sql_leave_epoch[] = "UPDATE tally_epoch SET owner = '' WHERE epoch = ?1";
static const char sql_put_versions[] =
    "INSERT INTO tally_epoch_versions (epoch, versions) SELECT ?1, ?2"
    " WHERE ?2 IS NOT (SELECT versions FROM tally_epoch_versions ORDER BY epoch DESC LIMIT 1)";
static const char sql_versions[] = "SELECT epoch, versions FROM tally_epoch_versions ORDER BY epoch";
static const char sql_put_final[] = "UPDATE tally_progress SET final_ms = ?2 WHERE definition = ?1";
static const char sql_put_ready[] = "UPDATE tally_progress SET speed_ready = 1 WHERE definition = ?1";
static const char sql_put_identity[] = "UPDATE tally_progress SET identity = ?2 WHERE definition = ?1";
static const char sql_identity[] = "SELECT identity FROM tally_progress WHERE definition = ?1";
static const char sql_put_position[] =
    "INSERT INTO tally_offset (definition, partition, next_offset, watermark_ms, judged_ms, log_ms, messages_count, events_count,"
    " last_offset, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (definition, partition) DO UPDATE SET next_offset = excluded.next_offset,"
    " watermark_ms = excluded.watermark_ms, judged_ms = excluded.judged_ms, log_ms = excluded.log_ms,"
    " messages_count = excluded.messages_count, events_count = excluded.events_count, last_offset = excluded.last_offset,"
    " fingerprint = excluded.fingerprint";
static const char sql_positions[] =
    "SELECT partition, next_offset, watermark_ms, judged_ms, log_ms, messages_count, events_count, last_offset, fingerprint"
    " FROM tally_offset WHERE definition = ?1 ORDER BY partition";
static const char sql_add_outcomes[] =
    "INSERT INTO tally_outcome (definition, dead_letter, future, duplicate, filtered, rejected, late, partly_counted, counted)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (definition) DO UPDATE SET dead_letter = dead_letter + ?2,"
    " future = future + ?3, duplicate = duplicate + ?4, filtered = filtered + ?5, rejected = rejected + ?6, late = late + ?7,"
    " partly_counted = partly_counted + ?8, counted = counted + ?9";
static const char sql_put_ledger[] =
    "INSERT INTO tally_ledger (definition, run, partition, \"offset\", \"row\", cause, flags, watermark_ms, event_time_ms,"
    " function) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
static const char sql_put_dead[] =
    "INSERT INTO tally_dead_letter (topic, partition, \"offset\", \"row\", log_ms, reason, raw) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " ON CONFLICT DO NOTHING";
static const char sql_put_dedup[] =
    "INSERT INTO tally_dedup (lane, topic, partition, next_offset, log_ms_max, ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char sql_drop_dedup[] = "DELETE FROM tally_dedup WHERE lane = ?1 AND topic = ?2 AND partition = ?3 AND log_ms_max < ?4";
static const char sql_drop_dedup_all[] = "DELETE FROM tally_dedup WHERE lane = ?1 AND topic = ?2 AND partition = ?3";
static const char sql_dedup[] =
    "SELECT ids FROM tally_dedup WHERE lane = ?1 AND topic = ?2 AND partition = ?3 AND next_offset <= ?4 ORDER BY next_offset, id";
/* clang-format on */

/* The order of the outcomes in tally_outcome and tally_run_range. */
_Static_assert(TL_OUT_DEAD_LETTER == 0 && TL_OUT_FUTURE == 1 && TL_OUT_DUPLICATE == 2 && TL_OUT_FILTERED == 3 &&
                   TL_OUT_REJECTED == 4 && TL_OUT_LATE == 5 && TL_OUT_PARTLY_COUNTED == 6 && TL_OUT_COUNTED == 7 &&
                   TL_OUTCOMES == 8,
               "the store's columns follow enum tl_outcome");

static enum tl_code read_epoch(struct tl_sq *s, struct tl_epoch *out, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_epoch, &statement, err, ""));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: it has no epoch", s->path));
    out->epoch = sqlite3_column_int64(statement, 0);
    out->challenge = sqlite3_column_int64(statement, 1);
    out->answer = sqlite3_column_int64(statement, 2);
    out->change = sqlite3_column_int64(statement, 3);
    snprintf(out->owner, sizeof out->owner, "%.*s", TL_SV_ARG(tl_sq_column_text(statement, 4)));
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err)
{
    return read_epoch(tl_sq_of(store), out, err);
}

static enum tl_code check_epoch(struct tl_sq *s, int64_t epoch, struct tl_err *err)
{
    struct tl_epoch now;
    enum tl_code rc;

    TL_TRY(read_epoch(s, &now, err));
    if (now.epoch != epoch)
        TL_TRY(tl_fail(err, TL_ERR_FENCED, "%s: %s has taken over the store (epoch %lld, ours was %lld); nothing was written",
                       s->path, now.owner[0] == '\0' ? "another process" : now.owner, (long long)now.epoch, (long long)epoch));
out:
    return rc;
}

enum tl_code tl_sq_take_epoch(struct tl_store *store, const char *owner, const struct tl_epoch *seen, struct tl_epoch *out,
                              struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_epoch now = {0};
    int64_t epoch;
    bool taken = false;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = tl_sq_get(s, sql_take_epoch, &epoch, &taken, err, "tii", tl_sv_from(owner), seen == NULL ? INT64_C(-1) : seen->epoch,
                   seen == NULL ? INT64_C(0) : seen->answer);
    if (rc == TL_OK)
        rc = read_epoch(s, &now, err);
    if (rc == TL_OK && !taken)
        rc = tl_fail(err, TL_ERR_BUSY, "%s: %s has shown itself", s->path, now.owner);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
    else
        *out = now;
out:
    return rc;
}

enum tl_code tl_sq_challenge(struct tl_store *store, int64_t *challenge, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    int64_t raised = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = tl_sq_get(s, sql_challenge, &raised, NULL, err, "");
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
    else
        *challenge = raised;
out:
    return rc;
}

/* A statement for who holds the epoch. */
static enum tl_code do_as_owner(struct tl_sq *s, int64_t epoch, const char *sql, int64_t value, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = check_epoch(s, epoch, err);
    if (rc == TL_OK)
        rc = tl_sq_do(s, sql, err, "i", value);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
out:
    return rc;
}

enum tl_code tl_sq_answer(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err)
{
    return do_as_owner(tl_sq_of(store), epoch, sql_answer, challenge, err);
}

enum tl_code tl_sq_leave_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err)
{
    return do_as_owner(tl_sq_of(store), epoch, sql_leave_epoch, epoch, err);
}

enum tl_code tl_sq_put_versions(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = tl_sq_do(s, sql_put_versions, err, "it", epoch, versions);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
out:
    return rc;
}

enum tl_code tl_sq_versions(struct tl_store *store,
                            enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err), void *ctx,
                            struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_versions, &statement, err, ""));
    for (;;) {
        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, sqlite3_column_int64(statement, 0), tl_sq_column_text(statement, 1), err));
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_begin_tick(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    enum tl_code rc;

    /* BEGIN IMMEDIATE takes the one write lock of the file, so nobody moves the epoch from here to the commit. */
    TL_TRY(tl_sq_begin(s, err));
    rc = check_epoch(s, epoch, err);
    if (rc == TL_OK)
        rc = tl_sq_next_change(s, change, err);
    if (rc == TL_OK)
        rc = tl_sq_do(s, sql_answer_by_tick, err, "i", *change);
    if (rc != TL_OK)
        tl_sq_rollback(s);
out:
    return rc;
}

static enum tl_code open_upsert(struct tl_sq *s, struct tl_sq_definition *d, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_sq_put_insert(&sql, d, &d->speed_table, "_change");
    tl_buf_put_str(&sql,
                   " ON CONFLICT (_end_ms, _start_ms, _key) DO UPDATE SET _change = excluded._change, _acc = excluded._acc");
    for (uint32_t i = 0; i < d->stored_count; i++) {
        tl_buf_put_str(&sql, ", ");
        tl_sq_put_stored_name(&sql, &d->columns[d->stored[i]]);
        tl_buf_put_str(&sql, " = excluded.");
        tl_sq_put_stored_name(&sql, &d->columns[d->stored[i]]);
    }
    TL_TRY(tl_sq_prepare(s, &sql, &d->own[TL_SQ_UPSERT], err));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_sq_put_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, int64_t change,
                                  struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    if (d->own[TL_SQ_UPSERT] == NULL)
        TL_TRY(open_upsert(s, d, err));
    if (sqlite3_bind_int64(d->own[TL_SQ_UPSERT], 1, change) != SQLITE_OK)
        return tl_sq_fail(s, err, "bind a value");
    for (uint32_t i = 0; i < rows->count && rc == TL_OK; i++) {
        if (tl_sq_bind_row(d->own[TL_SQ_UPSERT], d, rows, i) != SQLITE_OK || sqlite3_step(d->own[TL_SQ_UPSERT]) != SQLITE_DONE)
            rc = tl_sq_fail(s, err, "write rows of %.*s", TL_SV_ARG(d->view));
        sqlite3_reset(d->own[TL_SQ_UPSERT]);
    }
    sqlite3_clear_bindings(d->own[TL_SQ_UPSERT]);
    TL_TRY(rc);
    if (d->cut_per_key)
        TL_TRY(tl_sq_cuts_lower(s, d, rows, err));
out:
    return rc;
}

/* ---- rows that are no longer, state beside rows ---- */

/* "<before> <table> <after>" */
static enum tl_code open_own(struct tl_sq *s, struct tl_sq_definition *d, enum tl_sq_own own, const char *before,
                             const struct tl_buf *table, const char *after, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, before);
    tl_merge_view_put_name(&sql, tl_buf_sv(table));
    tl_buf_put_str(&sql, after);
    TL_TRY(tl_sq_prepare(s, &sql, &d->own[own], err));
out:
    tl_buf_done(&sql);
    return rc;
}

static const char of_identity[] = " WHERE _end_ms = ?1 AND _start_ms = ?2 AND _key = ?3";

/* Runs it for one identity; `bytes` is parameter 4, NULL: it has none. */
static enum tl_code do_own(struct tl_sq *s, sqlite3_stmt *statement, int64_t end_ms, int64_t start_ms, struct tl_sv key,
                           const struct tl_sv *bytes, struct tl_err *err)
{
    int bad = SQLITE_OK;
    bool row = false;
    enum tl_code rc;

    bad |= sqlite3_bind_int64(statement, 1, end_ms);
    bad |= sqlite3_bind_int64(statement, 2, start_ms);
    bad |= sqlite3_bind_blob64(statement, 3, key.size == 0 ? "" : key.data, key.size, SQLITE_STATIC);
    if (bytes != NULL)
        bad |= sqlite3_bind_blob64(statement, 4, bytes->data, bytes->size, SQLITE_STATIC);
    rc = bad != SQLITE_OK ? tl_sq_fail(s, err, "bind a value") : tl_sq_step(s, statement, &row, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

enum tl_code tl_sq_drop_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    if (d->own[TL_SQ_DROP_ROW] == NULL)
        TL_TRY(open_own(s, d, TL_SQ_DROP_ROW, "DELETE FROM ", &d->speed_table, of_identity, err));
    for (uint32_t i = 0; i < rows->count; i++)
        TL_TRY(do_own(s, d->own[TL_SQ_DROP_ROW], rows->end_ms[i], rows->start_ms[i], rows->key[i], NULL, err));
out:
    return rc;
}

enum tl_code tl_sq_put_states(struct tl_store *store, int64_t definition, const struct tl_states *states, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    if (d->own[TL_SQ_PUT_STATE] == NULL)
        TL_TRY(open_own(s, d, TL_SQ_PUT_STATE, "INSERT INTO ", &d->state_table,
                        " (_end_ms, _start_ms, _key, _bytes) VALUES (?1, ?2, ?3, ?4)"
                        " ON CONFLICT (_end_ms, _start_ms, _key) DO UPDATE SET _bytes = excluded._bytes",
                        err));
    if (d->own[TL_SQ_DROP_STATE] == NULL)
        TL_TRY(open_own(s, d, TL_SQ_DROP_STATE, "DELETE FROM ", &d->state_table, of_identity, err));
    for (uint32_t i = 0; i < states->count; i++) {
        bool gone = states->bytes[i].size == 0;

        TL_TRY(do_own(s, d->own[gone ? TL_SQ_DROP_STATE : TL_SQ_PUT_STATE], states->end_ms[i], states->start_ms[i],
                      states->key[i], gone ? NULL : &states->bytes[i], err));
    }
out:
    return rc;
}

enum tl_code tl_sq_drop_states(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_definition(s, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    if (d->own[TL_SQ_DROP_STATES] == NULL)
        TL_TRY(open_own(s, d, TL_SQ_DROP_STATES, "DELETE FROM ", &d->state_table, " WHERE _end_ms <= ?1", err));
    rc = sqlite3_bind_int64(d->own[TL_SQ_DROP_STATES], 1, upto_ms) != SQLITE_OK
             ? tl_sq_fail(s, err, "bind a value")
             : tl_sq_step(s, d->own[TL_SQ_DROP_STATES], &row, err);
    sqlite3_reset(d->own[TL_SQ_DROP_STATES]);
out:
    return rc;
}

enum tl_code tl_sq_states(struct tl_store *store, int64_t definition,
                          enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err), void *ctx,
                          struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_sq_definition *d;
    sqlite3_stmt *statement = NULL;
    struct tl_buf sql;
    bool mine = false, row = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_sq_read_begin(s, &mine, err));
    TL_TRY(tl_sq_definition(s, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    tl_buf_put_str(&sql, "SELECT _start_ms, _end_ms, _key, _bytes FROM ");
    tl_merge_view_put_name(&sql, tl_buf_sv(&d->state_table));
    tl_buf_put_str(&sql, " ORDER BY _end_ms, _start_ms, _key");
    TL_TRY(tl_sq_prepare(s, &sql, &statement, err));
    for (;;) {
        int64_t start_ms, end_ms;
        struct tl_sv key, bytes;

        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        start_ms = sqlite3_column_int64(statement, 0);
        end_ms = sqlite3_column_int64(statement, 1);
        key = tl_sq_column_blob(statement, 2);
        bytes = tl_sq_column_blob(statement, 3);
        TL_TRY(each(ctx, &(struct tl_states){1, &start_ms, &end_ms, &key, &bytes}, err));
    }
out:
    sqlite3_finalize(statement);
    tl_sq_read_end(s, mine);
    tl_buf_done(&sql);
    return rc;
}

/* ---- the rest of the tick ---- */

enum tl_code tl_sq_put_final(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_put_final, err, "ii", definition, final_ms);
}

enum tl_code tl_sq_put_ready(struct tl_store *store, int64_t definition, struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_put_ready, err, "i", definition);
}

enum tl_code tl_sq_put_identity(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_put_identity, err, "ii", definition, (int64_t)identity);
}

enum tl_code tl_sq_put_position(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_put_position, err, "iiiiiiiiii", definition, (int64_t)position->partition,
                    position->next_offset, position->watermark_ms, position->judged_ms, position->log_ms,
                    (int64_t)position->messages_count, (int64_t)position->events_count, position->last_offset,
                    (int64_t)position->fingerprint);
}

enum tl_code tl_sq_add_outcomes(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_add_outcomes, err, "iiiiiiiii", definition, (int64_t)counts[0], (int64_t)counts[1],
                    (int64_t)counts[2], (int64_t)counts[3], (int64_t)counts[4], (int64_t)counts[5], (int64_t)counts[6],
                    (int64_t)counts[7]);
}

enum tl_code tl_sq_put_ledger(struct tl_store *store, int64_t definition, int64_t run, const struct tl_ledger_line *lines,
                              size_t count, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    sqlite3_stmt *statement = NULL;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_put_ledger, &statement, err, "ii", definition, run));
    for (size_t i = 0; i < count && rc == TL_OK; i++) {
        const struct tl_ledger_line *line = &lines[i];
        int bad = SQLITE_OK;

        bad |= sqlite3_bind_int64(statement, 3, line->partition);
        bad |= sqlite3_bind_int64(statement, 4, line->offset);
        bad |= sqlite3_bind_int64(statement, 5, line->row);
        bad |= sqlite3_bind_int64(statement, 6, line->cause);
        bad |= sqlite3_bind_int64(statement, 7, line->flags);
        bad |= sqlite3_bind_int64(statement, 8, line->watermark_ms);
        bad |= sqlite3_bind_int64(statement, 9, line->event_time_ms);
        bad |= sqlite3_bind_text(statement, 10, line->function, -1, SQLITE_STATIC); /* NULL: NULL */
        if (bad != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE)
            rc = tl_sq_fail(s, err, "write the ledger");
        sqlite3_reset(statement);
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_put_dead(struct tl_store *store, struct tl_sv topic, uint32_t partition, const struct tl_dead *dead,
                            size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count && rc == TL_OK; i++)
        rc = tl_sq_do(tl_sq_of(store), sql_put_dead, err, "tiiiiib", topic, (int64_t)partition, dead[i].offset,
                      (int64_t)dead[i].row, dead[i].log_ms, (int64_t)dead[i].reason, dead[i].raw);
    return rc;
}

enum tl_code tl_sq_put_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                             int64_t log_ms_max, struct tl_sv ids, struct tl_err *err)
{
    return tl_sq_do(tl_sq_of(store), sql_put_dedup, err, "itiiib", lane, topic, (int64_t)partition, next_offset, log_ms_max, ids);
}

enum tl_code tl_sq_drop_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t log_ms,
                              struct tl_err *err)
{
    if (log_ms == INT64_MAX)
        return tl_sq_do(tl_sq_of(store), sql_drop_dedup_all, err, "iti", lane, topic, (int64_t)partition);
    return tl_sq_do(tl_sq_of(store), sql_drop_dedup, err, "itii", lane, topic, (int64_t)partition, log_ms);
}

enum tl_code tl_sq_positions(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_position *position, struct tl_err *err), void *ctx,
                             uint64_t *identity, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    sqlite3_stmt *statement = NULL;
    bool mine = false, row = false, found = false;
    int64_t stored = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_read_begin(s, &mine, err));
    TL_TRY(tl_sq_get(s, sql_identity, &stored, &found, err, "i", definition));
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", s->path, (long long)definition));
    TL_TRY(tl_sq_statement(s, sql_positions, &statement, err, "i", definition));
    for (;;) {
        struct tl_position position;

        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        position = (struct tl_position){
            .partition = (uint32_t)sqlite3_column_int64(statement, 0),
            .next_offset = sqlite3_column_int64(statement, 1),
            .watermark_ms = sqlite3_column_int64(statement, 2),
            .judged_ms = sqlite3_column_int64(statement, 3),
            .log_ms = sqlite3_column_int64(statement, 4),
            .messages_count = (uint64_t)sqlite3_column_int64(statement, 5),
            .events_count = (uint64_t)sqlite3_column_int64(statement, 6),
            .last_offset = sqlite3_column_int64(statement, 7),
            .fingerprint = (uint64_t)sqlite3_column_int64(statement, 8),
        };
        TL_TRY(each(ctx, &position, err));
    }
    if (identity != NULL)
        *identity = (uint64_t)stored;
out:
    tl_sq_statement_close(s, statement);
    tl_sq_read_end(s, mine);
    return rc;
}

enum tl_code tl_sq_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                         enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_dedup, &statement, err, "itii", lane, topic, (int64_t)partition, next_offset));
    for (;;) {
        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_sq_column_blob(statement, 0), err));
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}
