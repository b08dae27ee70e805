/* store_speed.c: the speed layer's tick in the store: rows, state, offsets, ledger, dead letters, event ids. */
#include "store/store_handle.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
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
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (definition) DO UPDATE SET"
    " dead_letter = tally_outcome.dead_letter + excluded.dead_letter, future = tally_outcome.future + excluded.future,"
    " duplicate = tally_outcome.duplicate + excluded.duplicate, filtered = tally_outcome.filtered + excluded.filtered,"
    " rejected = tally_outcome.rejected + excluded.rejected, late = tally_outcome.late + excluded.late,"
    " partly_counted = tally_outcome.partly_counted + excluded.partly_counted, counted = tally_outcome.counted + excluded.counted";
static const char sql_put_ledger[] =
    "INSERT INTO tally_ledger (definition, run, partition, \"offset\", \"row\", cause, flags, watermark_ms, event_time_ms,"
    " function) {ROWS} ON CONFLICT DO NOTHING";
static const char sql_put_dead[] =
    "INSERT INTO tally_dead_letter (topic, partition, \"offset\", \"row\", log_ms, reason, raw) {ROWS}"
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

static enum tl_code open_upsert(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_buf sql, types;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_init(&types, 0);
    TL_TRY(tl_known_put_insert(store, &sql, d, &d->speed_table, "_change", false, &types, err));
    tl_buf_put_str(&sql, " ON CONFLICT (");
    tl_store_put_row_key(&sql, store->database->dialect);
    tl_buf_put_str(&sql, ") DO UPDATE SET _change = excluded._change, _acc = excluded._acc");
    for (uint32_t i = 0; i < d->stored_count; i++) {
        tl_buf_put_str(&sql, ", ");
        tl_store_put_stored_name(&sql, &d->columns[d->stored[i]]);
        tl_buf_put_str(&sql, " = excluded.");
        tl_store_put_stored_name(&sql, &d->columns[d->stored[i]]);
    }
    TL_TRY(tl_database_prepare(store->database, &sql, types.data, &d->own[TL_OWN_UPSERT], err, "write rows of %.*s",
                               TL_SV_ARG(d->view)));
out:
    tl_buf_done(&sql);
    tl_buf_done(&types);
    return rc;
}

enum tl_code tl_store_put_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, int64_t change,
                                     struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    if (d->own[TL_OWN_UPSERT] == NULL)
        TL_TRY(open_upsert(store, d, err));
    TL_TRY(tl_known_insert(d->own[TL_OWN_UPSERT], d, change, rows, NULL, err));
    if (d->cut_per_key)
        TL_TRY(tl_cuts_lower(store, d, rows, err));
out:
    return rc;
}

/* ---- rows that are no longer, state beside rows ---- */

/* Deletes what has the identities of a bulk's rows. */
static enum tl_code open_drop(struct tl_store *store, struct tl_known *d, enum tl_known_own own, const struct tl_buf *table,
                              struct tl_err *err)
{
    enum tl_dialect dialect = store->database->dialect;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "DELETE FROM ");
    tl_merge_view_put_name(&sql, tl_buf_sv(table));
    if (dialect == TL_DIALECT_SQLITE) {
        tl_buf_put_str(&sql, " WHERE _end_ms = ?1 AND _start_ms = ?2 AND _key = ?3");
    } else {
        tl_buf_put_str(&sql, " AS t USING (");
        tl_database_put_rows(&sql, dialect, "iib");
        tl_buf_put_str(&sql, ") AS r(e, s, k) WHERE t._end_ms = r.e AND t._start_ms = r.s AND ");
        tl_merge_view_put_same_key(&sql, dialect, "t._key", "r.k");
    }
    TL_TRY(tl_database_prepare(store->database, &sql, "iib", &d->own[own], err, "delete what is no longer of %.*s",
                               TL_SV_ARG(d->view)));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code open_put_states(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "INSERT INTO ");
    tl_merge_view_put_name(&sql, tl_buf_sv(&d->state_table));
    tl_buf_put_str(&sql, " (_end_ms, _start_ms, _key, _bytes) ");
    tl_database_put_rows(&sql, store->database->dialect, "iibb");
    tl_buf_put_str(&sql, " ON CONFLICT (");
    tl_store_put_row_key(&sql, store->database->dialect);
    tl_buf_put_str(&sql, ") DO UPDATE SET _bytes = excluded._bytes");
    TL_TRY(tl_database_prepare(store->database, &sql, "iibb", &d->own[TL_OWN_PUT_STATES], err, "write states of %.*s",
                               TL_SV_ARG(d->view)));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_store_drop_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    if (d->own[TL_OWN_DROP_ROWS] == NULL)
        TL_TRY(open_drop(store, d, TL_OWN_DROP_ROWS, &d->speed_table, err));
    TL_TRY(tl_statement_bulk(d->own[TL_OWN_DROP_ROWS],
                             (struct tl_bulk_column[]){
                                 {TL_LAYOUT_I64, rows->end_ms,   sizeof *rows->end_ms,   NULL},
                                 {TL_LAYOUT_I64, rows->start_ms, sizeof *rows->start_ms, NULL},
                                 {TL_LAYOUT_SV,  rows->key,      sizeof *rows->key,      NULL},
    },
                             rows->count, err));
out:
    return rc;
}

static enum tl_code put_states(struct tl_known *d, bool gone, const struct tl_states *states, struct tl_err *err)
{
    /* Where they are gone, the bytes are no parameter. */
    return tl_statement_bulk(d->own[gone ? TL_OWN_DROP_STATE : TL_OWN_PUT_STATES],
                             (struct tl_bulk_column[]){
                                 {TL_LAYOUT_I64, states->end_ms,   sizeof *states->end_ms,   NULL},
                                 {TL_LAYOUT_I64, states->start_ms, sizeof *states->start_ms, NULL},
                                 {TL_LAYOUT_SV,  states->key,      sizeof *states->key,      NULL},
                                 {TL_LAYOUT_SV,  states->bytes,    sizeof *states->bytes,    NULL},
    },
                             states->count, err);
}

/* Those that are gone, or those that are not, out of a mixture. */
static enum tl_code put_some_states(struct tl_known *d, bool gone, const struct tl_states *states, struct tl_err *err)
{
    size_t bytes = states->count * (2 * sizeof(int64_t) + 2 * sizeof(struct tl_sv));
    struct tl_sv *key = malloc(bytes), *value = key + states->count;
    int64_t *start_ms, *end_ms;
    uint32_t count = 0;
    enum tl_code rc;

    if (key == NULL)
        return tl_fail_memory(err, bytes);
    start_ms = (int64_t *)(void *)(value + states->count);
    end_ms = start_ms + states->count;
    for (uint32_t i = 0; i < states->count; i++)
        if ((states->bytes[i].size == 0) == gone) {
            start_ms[count] = states->start_ms[i];
            end_ms[count] = states->end_ms[i];
            key[count] = states->key[i];
            value[count++] = states->bytes[i];
        }
    rc = put_states(d, gone, &(struct tl_states){count, start_ms, end_ms, key, value}, err);
    free(key);
    return rc;
}

enum tl_code tl_store_put_states(struct tl_store *store, int64_t definition, const struct tl_states *states, struct tl_err *err)
{
    struct tl_known *d;
    uint32_t gone = 0;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    if (d->own[TL_OWN_PUT_STATES] == NULL)
        TL_TRY(open_put_states(store, d, err));
    if (d->own[TL_OWN_DROP_STATE] == NULL)
        TL_TRY(open_drop(store, d, TL_OWN_DROP_STATE, &d->state_table, err));
    for (uint32_t i = 0; i < states->count; i++)
        gone += states->bytes[i].size == 0;
    if (gone == 0 || gone == states->count)
        return put_states(d, gone != 0, states, err);
    TL_TRY(put_some_states(d, true, states, err));
    TL_TRY(put_some_states(d, false, states, err));
out:
    return rc;
}

enum tl_code tl_store_drop_states(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_known_find(store, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    if (d->own[TL_OWN_DROP_STATES] == NULL) {
        tl_buf_put_str(&sql, "DELETE FROM ");
        tl_merge_view_put_name(&sql, tl_buf_sv(&d->state_table));
        tl_buf_put_str(&sql, " WHERE _end_ms <= ?1");
        TL_TRY(tl_database_prepare(store->database, &sql, "i", &d->own[TL_OWN_DROP_STATES], err, "delete states of %.*s",
                                   TL_SV_ARG(d->view)));
    }
    TL_TRY(tl_statement_do(d->own[TL_OWN_DROP_STATES], err, upto_ms));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_store_states(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    bool mine = false, row = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_known_find(store, definition, &d, err));
    assert(d->state_form == TL_STATE_BESIDE);
    tl_buf_put_str(&sql, "SELECT _start_ms, _end_ms, _key, _bytes FROM ");
    tl_merge_view_put_name(&sql, tl_buf_sv(&d->state_table));
    tl_buf_put_str(&sql, " ORDER BY _end_ms, _start_ms, _key");
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, ""));
    for (;;) {
        int64_t start_ms, end_ms;
        struct tl_sv key, bytes;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        start_ms = tl_answer_i64(answer, 0);
        end_ms = tl_answer_i64(answer, 1);
        key = tl_answer_bytes(answer, 2);
        bytes = tl_answer_bytes(answer, 3);
        TL_TRY(each(ctx, &(struct tl_states){1, &start_ms, &end_ms, &key, &bytes}, err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    tl_buf_done(&sql);
    return rc;
}

/* ---- the rest of the tick ---- */

enum tl_code tl_store_put_final(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_final, err, "ii", definition, final_ms);
}

enum tl_code tl_store_put_ready(struct tl_store *store, int64_t definition, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_ready, err, "i", definition);
}

enum tl_code tl_store_put_identity(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_identity, err, "ii", definition, (int64_t)identity);
}

enum tl_code tl_store_put_position(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                   struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_position, err, "iiiiiiiiii", definition, (int64_t)position->partition,
                          position->next_offset, position->watermark_ms, position->judged_ms, position->log_ms,
                          (int64_t)position->messages_count, (int64_t)position->events_count, position->last_offset,
                          (int64_t)position->fingerprint);
}

enum tl_code tl_store_add_outcomes(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                   struct tl_err *err)
{
    return tl_database_do(store->database, sql_add_outcomes, err, "iiiiiiiii", definition, (int64_t)counts[0], (int64_t)counts[1],
                          (int64_t)counts[2], (int64_t)counts[3], (int64_t)counts[4], (int64_t)counts[5], (int64_t)counts[6],
                          (int64_t)counts[7]);
}

enum tl_code tl_store_put_ledger(struct tl_store *store, int64_t definition, int64_t run, const struct tl_ledger_line *lines,
                                 size_t count, struct tl_err *err)
{
    _Static_assert(sizeof lines->cause == sizeof(uint32_t), "a cause is stored as a number");

    if (count == 0)
        return TL_OK;
    return tl_database_bulk(store->database, sql_put_ledger, "IIiiiiiiit",
                            (struct tl_bulk_column[]){
                                {TL_LAYOUT_I64,     &definition,           0,             NULL},
                                {TL_LAYOUT_I64,     &run,                  0,             NULL},
                                {TL_LAYOUT_U32,     &lines->partition,     sizeof *lines, NULL},
                                {TL_LAYOUT_I64,     &lines->offset,        sizeof *lines, NULL},
                                {TL_LAYOUT_U32,     &lines->row,           sizeof *lines, NULL},
                                {TL_LAYOUT_U32,     &lines->cause,         sizeof *lines, NULL},
                                {TL_LAYOUT_U8,      &lines->flags,         sizeof *lines, NULL},
                                {TL_LAYOUT_I64,     &lines->watermark_ms,  sizeof *lines, NULL},
                                {TL_LAYOUT_I64,     &lines->event_time_ms, sizeof *lines, NULL},
                                {TL_LAYOUT_CSTRING, &lines->function,      sizeof *lines, NULL},
    },
                            count, err);
}

enum tl_code tl_store_put_dead(struct tl_store *store, struct tl_sv topic, uint32_t partition, const struct tl_dead *dead,
                               size_t count, struct tl_err *err)
{
    _Static_assert(sizeof dead->reason == sizeof(uint32_t), "a reason is stored as a number");

    if (count == 0)
        return TL_OK;
    return tl_database_bulk(store->database, sql_put_dead, "TIiiiib",
                            (struct tl_bulk_column[]){
                                {TL_LAYOUT_SV,  &topic,        0,            NULL},
                                {TL_LAYOUT_U32, &partition,    0,            NULL},
                                {TL_LAYOUT_I64, &dead->offset, sizeof *dead, NULL},
                                {TL_LAYOUT_U32, &dead->row,    sizeof *dead, NULL},
                                {TL_LAYOUT_I64, &dead->log_ms, sizeof *dead, NULL},
                                {TL_LAYOUT_U32, &dead->reason, sizeof *dead, NULL},
                                {TL_LAYOUT_SV,  &dead->raw,    sizeof *dead, NULL},
    },
                            count, err);
}

enum tl_code tl_store_put_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                int64_t log_ms_max, struct tl_sv ids, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_dedup, err, "itiiib", lane, topic, (int64_t)partition, next_offset, log_ms_max,
                          ids);
}

enum tl_code tl_store_drop_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t log_ms,
                                 struct tl_err *err)
{
    if (log_ms == INT64_MAX)
        return tl_database_do(store->database, sql_drop_dedup_all, err, "iti", lane, topic, (int64_t)partition);
    return tl_database_do(store->database, sql_drop_dedup, err, "itii", lane, topic, (int64_t)partition, log_ms);
}

enum tl_code tl_store_positions(struct tl_store *store, int64_t definition,
                                enum tl_code (*each)(void *ctx, const struct tl_position *position, struct tl_err *err),
                                void *ctx, uint64_t *identity, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false, found = false;
    int64_t stored = 0;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_get(store->database, sql_identity, &stored, &found, err, "i", definition));
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", store->database->place, (long long)definition));
    TL_TRY(tl_database_ask(store->database, sql_positions, &answer, err, "i", definition));
    for (;;) {
        struct tl_position position;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        position = (struct tl_position){
            .partition = (uint32_t)tl_answer_i64(answer, 0),
            .next_offset = tl_answer_i64(answer, 1),
            .watermark_ms = tl_answer_i64(answer, 2),
            .judged_ms = tl_answer_i64(answer, 3),
            .log_ms = tl_answer_i64(answer, 4),
            .messages_count = (uint64_t)tl_answer_i64(answer, 5),
            .events_count = (uint64_t)tl_answer_i64(answer, 6),
            .last_offset = tl_answer_i64(answer, 7),
            .fingerprint = (uint64_t)tl_answer_i64(answer, 8),
        };
        TL_TRY(each(ctx, &position, err));
    }
    if (identity != NULL)
        *identity = (uint64_t)stored;
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}

enum tl_code tl_store_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                            enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream(store->database, sql_dedup, &answer, err, "itii", lane, topic, (int64_t)partition, next_offset));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_bytes(answer, 0), err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}
