/* store_read.c: what is read from the store: rows side by side, counts. */
#include "store/store_handle.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char sql_pieces[] =
    "SELECT from_ms, to_ms, run FROM tally_pointer WHERE definition = ?1 AND to_ms > ?2 AND from_ms <= ?3 ORDER BY to_ms";
static const char sql_outcomes_speed[] =
    "SELECT dead_letter, future, duplicate, filtered, rejected, late, partly_counted, counted FROM tally_outcome WHERE definition = ?1";
static const char sql_outcomes_published[] =
    "SELECT CAST(sum(r.dead_letter) AS BIGINT), CAST(sum(r.future) AS BIGINT), CAST(sum(r.duplicate) AS BIGINT), CAST(sum(r.filtered) AS BIGINT), CAST(sum(r.rejected) AS BIGINT), CAST(sum(r.late) AS BIGINT), CAST(sum(r.partly_counted) AS BIGINT),"
    " CAST(sum(r.counted) AS BIGINT) FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run AND r.definition = p.definition"
    " AND r.from_ms = p.from_ms WHERE p.definition = ?1";
static const char sql_outcomes_run[] =
    "SELECT CAST(sum(dead_letter) AS BIGINT), CAST(sum(future) AS BIGINT), CAST(sum(duplicate) AS BIGINT), CAST(sum(filtered) AS BIGINT), CAST(sum(rejected) AS BIGINT), CAST(sum(late) AS BIGINT), CAST(sum(partly_counted) AS BIGINT), CAST(sum(counted) AS BIGINT)"
    " FROM tally_run_range WHERE definition = ?1 AND run = ?2";
static const char sql_ledger[] =
    "SELECT partition, \"offset\", \"row\", cause, flags, watermark_ms, event_time_ms, function FROM tally_ledger WHERE definition = ?1"
    " AND run = ?2 AND (event_time_ms >= ?3 AND event_time_ms < ?4 OR cause = ?5 OR cause = ?6) ORDER BY partition, \"offset\", \"row\"";
/* Behind the floors. CROSS JOIN: SQLite walks them in this order, and looks each floor up by the ledger's key. */
static const char sql_ledger_from[] =
    " AS f CROSS JOIN tally_ledger AS s WHERE s.definition = ?1 AND s.run = 0 AND s.partition = f.column1 AND s.\"offset\" >= f.column2"
    " AND (s.event_time_ms >= ?2 AND s.event_time_ms < ?3 OR s.cause = ?4) ORDER BY s.partition, s.\"offset\", s.\"row\"";
static const char sql_pairs[] =
    " AS f CROSS JOIN tally_ledger AS s"
    " LEFT JOIN tally_pointer AS p ON p.definition = s.definition AND p.from_ms <= s.event_time_ms AND p.to_ms ="
    " (SELECT min(q.to_ms) FROM tally_pointer AS q WHERE q.definition = s.definition AND q.to_ms > s.event_time_ms)"
    " LEFT JOIN tally_ledger AS b ON b.definition = p.definition AND b.run = p.run AND b.partition = s.partition"
    " AND b.\"offset\" = s.\"offset\" AND b.\"row\" = s.\"row\""
    " WHERE s.definition = d.column1 AND s.run = 0 AND s.partition = f.column1 AND s.\"offset\" >= f.column2"
    " AND (s.cause = ?1 OR s.event_time_ms >= d.column2 AND s.event_time_ms < d.column3) AND (s.cause = ?1 OR b.cause IS NOT NULL)";
static const char sql_ledger_counts[] =
    "SELECT cause, count(*) FROM tally_ledger WHERE definition = ?1 AND run = ?2 GROUP BY cause";
/* Lines of before the name was kept have none. */
static const char sql_ledger_failures[] =
    "SELECT COALESCE(function, '(unknown)') AS name, count(*) AS lines FROM tally_ledger WHERE definition = ?1 AND run = ?2 AND cause = ?3"
    " GROUP BY name ORDER BY lines DESC, name";
static const char sql_dead[] =
    "SELECT partition, \"offset\", \"row\", log_ms, reason FROM tally_dead_letter WHERE topic = ?1 AND log_ms >= ?2 AND log_ms < ?3"
    " ORDER BY partition, \"offset\", \"row\"";
static const char sql_dead_count[] = "SELECT count(*) FROM tally_dead_letter WHERE topic = ?1";
/* clang-format on */

/* ---- cursors ---- */

/* Published ranges never overlap, so batch's rows come in order when the ranges are read one after the other. */
struct piece {
    int64_t from_ms, to_ms, run; /* _end_ms in (from_ms, to_ms] */
};

struct tl_store_cursor {
    struct tl_store *store;
    const struct tl_known *d;
    struct tl_statement *statement;
    struct tl_answer *answer; /* of the piece that is being read */
    bool mine, whole;
    struct piece *pieces;
    size_t pieces_count, at;
    struct tl_value *columns;
    struct tl_stored_row row;
};

/* Event times in [from, to) are ends in (from - 1, to - 1]. */
static int64_t end_of(const struct tl_known *d, int64_t time_ms)
{
    return d->windowed ? time_ms : tl_add_sat_i64(time_ms, -1);
}

/* So are those of a published range that is [from, to). */
static int64_t end_in_range(const struct tl_known *d, int64_t limit_ms)
{
    return tl_merge_view_holds_from(d->windowed, d->ends_open) ? tl_add_sat_i64(limit_ms, -1) : limit_ms;
}

static enum tl_code add_piece(struct tl_store_cursor *c, size_t *capacity, struct piece piece, struct tl_err *err)
{
    if (c->pieces_count == *capacity) {
        size_t more = *capacity == 0 ? 16 : 2 * *capacity;
        struct piece *pieces = realloc(c->pieces, more * sizeof *pieces);

        if (pieces == NULL)
            return tl_fail_memory(err, more * sizeof *pieces);
        c->pieces = pieces;
        *capacity = more;
    }
    c->pieces[c->pieces_count++] = piece;
    return TL_OK;
}

static enum tl_code list_pieces(struct tl_store_cursor *c, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                                struct tl_err *err)
{
    struct tl_store *store = c->store;
    struct tl_answer *answer = NULL;
    size_t capacity = 0;
    bool row = false;
    enum tl_code rc;

    if (layer == TL_LAYER_SPEED)
        return add_piece(c, &capacity, (struct piece){end_of(c->d, from_ms), end_of(c->d, to_ms), 0}, err);
    TL_TRY(tl_database_ask(store->database, sql_pieces, &answer, err, "iii", c->d->id, from_ms, to_ms));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(add_piece(c, &capacity,
                         (struct piece){tl_max_i64(end_of(c->d, from_ms), end_in_range(c->d, tl_answer_i64(answer, 0))),
                                        tl_min_i64(end_of(c->d, to_ms), end_in_range(c->d, tl_answer_i64(answer, 1))),
                                        tl_answer_i64(answer, 2)},
                         err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

static void put_select(struct tl_buf *sql, const struct tl_known *d, enum tl_layer layer, bool whole)
{
    tl_buf_put_str(sql, "SELECT _start_ms, _end_ms, _key");
    if (whole)
        tl_buf_printf(sql, ", _acc, %s", layer == TL_LAYER_SPEED ? "_change" : "_run");
    if (whole && !d->windowed)
        tl_buf_put_str(sql, ", _partition, _offset, _row");
    for (uint32_t i = 0; i < d->stored_count; i++) {
        tl_buf_put_str(sql, ", ");
        tl_store_put_stored_name(sql, &d->columns[d->stored[i]]);
    }
    tl_buf_put_str(sql, " FROM ");
    tl_merge_view_put_name(sql, tl_buf_sv(layer == TL_LAYER_SPEED ? &d->speed_table : &d->batch_table));
    tl_buf_put_str(sql, layer == TL_LAYER_SPEED ? " WHERE " : " WHERE _run = ?3 AND ");
    tl_buf_put_str(sql, "_end_ms > ?1 AND _end_ms <= ?2 ORDER BY _end_ms, _start_ms, _key");
}

/* `whole`: with accumulators and what else stands beside the values. */
static enum tl_code open_cursor(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                                bool whole, struct tl_store_cursor **out, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_store_cursor *c = calloc(1, sizeof *c);
    struct tl_buf sql;
    enum tl_code rc;

    assert(layer != TL_LAYER_MERGED);
    tl_buf_init(&sql, 0);
    if (c == NULL)
        return tl_fail_memory(err, sizeof *c);
    c->store = store;
    c->whole = whole;
    TL_TRY(tl_store_read_begin(store, &c->mine, err));
    TL_TRY(tl_known_find(store, definition, &d, err));
    c->d = d;
    c->columns = calloc((size_t)d->columns_count + 1, sizeof *c->columns);
    if (c->columns == NULL)
        TL_TRY(tl_fail_memory(err, ((size_t)d->columns_count + 1) * sizeof *c->columns));
    c->row.columns = c->columns;
    c->row.columns_count = d->columns_count;
    TL_TRY(list_pieces(c, layer, from_ms, to_ms, err));
    for (uint32_t i = 0; i < d->columns_count; i++)
        c->columns[i].kind = d->columns[i].kind;
    put_select(&sql, d, layer, whole);
    TL_TRY(tl_database_prepare(store->database, &sql, layer == TL_LAYER_SPEED ? "ii" : "iii", &c->statement, err, "read"));
    *out = c;
    c = NULL;
out:
    tl_store_cursor_close(c);
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_store_cursor_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                                  struct tl_store_cursor **out, struct tl_err *err)
{
    return open_cursor(store, definition, layer, from_ms, to_ms, false, out, err);
}

static void fill_row(struct tl_store_cursor *c)
{
    struct tl_answer *answer = c->answer;
    struct tl_stored_row *row = &c->row;
    const struct tl_known *d = c->d;
    int at = 0;

    row->start_ms = tl_answer_i64(answer, at++);
    row->end_ms = tl_answer_i64(answer, at++);
    row->key = tl_answer_bytes(answer, at++);
    if (c->whole) {
        row->accumulators = tl_answer_bytes(answer, at++);
        row->change_or_run = tl_answer_i64(answer, at++);
    }
    if (c->whole && !d->windowed) {
        row->partition = (uint32_t)tl_answer_i64(answer, at++);
        row->offset = tl_answer_i64(answer, at++);
        row->row = (uint32_t)tl_answer_i64(answer, at++);
    }
    for (uint32_t i = 0; i < d->stored_count; i++)
        tl_answer_value(answer, at++, &c->columns[d->stored[i]]);
    for (uint32_t i = 0; i < d->columns_count; i++)
        if (tl_merge_view_is_window(d->columns[i].role))
            c->columns[i].i64 = d->columns[i].role == TL_ROLE_WINDOW_START ? row->start_ms
                                : d->columns[i].role == TL_ROLE_WINDOW_END ? row->end_ms
                                                                           : row->end_ms - 1;
}

enum tl_code tl_store_cursor_next(struct tl_store_cursor *c, const struct tl_stored_row **row, struct tl_err *err)
{
    bool found = false;
    enum tl_code rc = TL_OK;

    *row = NULL;
    for (; c->at < c->pieces_count; c->at++) {
        if (c->answer == NULL) {
            const struct piece *piece = &c->pieces[c->at];

            TL_TRY(tl_statement_stream(c->statement, &c->answer, err, piece->from_ms, piece->to_ms, piece->run));
        }
        TL_TRY(tl_answer_next(c->answer, &found, err));
        if (found) {
            fill_row(c);
            *row = &c->row;
            return TL_OK;
        }
        tl_answer_close(c->answer);
        c->answer = NULL;
    }
out:
    return rc;
}

void tl_store_cursor_close(struct tl_store_cursor *c)
{
    if (c == NULL)
        return;
    tl_answer_close(c->answer);
    tl_statement_close(c->statement);
    tl_store_read_end(c->store, c->mine);
    free(c->pieces);
    free(c->columns);
    free(c);
}

enum tl_code tl_store_rows(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                           enum tl_code (*each)(void *ctx, const struct tl_stored_row *row, struct tl_err *err), void *ctx,
                           struct tl_err *err)
{
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    enum tl_code rc;

    TL_TRY(open_cursor(store, definition, layer, from_ms, to_ms, true, &cursor, err));
    for (;;) {
        TL_TRY(tl_store_cursor_next(cursor, &row, err));
        if (row == NULL)
            break;
        TL_TRY(each(ctx, row, err));
    }
out:
    tl_store_cursor_close(cursor);
    return rc;
}

/* ---- counts ---- */

enum tl_code tl_store_outcomes(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_OUTCOMES],
                               struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    if (run == 0)
        TL_TRY(tl_database_ask(store->database, sql_outcomes_speed, &answer, err, "i", definition));
    else if (run < 0)
        TL_TRY(tl_database_ask(store->database, sql_outcomes_published, &answer, err, "i", definition));
    else
        TL_TRY(tl_database_ask(store->database, sql_outcomes_run, &answer, err, "ii", definition, run));
    TL_TRY(tl_answer_next(answer, &row, err));
    for (int i = 0; i < TL_OUTCOMES; i++)
        counts[i] = row ? (uint64_t)tl_answer_i64(answer, i) : 0; /* the sum of no ranges is NULL: 0 */
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code hand_lines(struct tl_answer *answer,
                               enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err), void *ctx,
                               struct tl_err *err)
{
    bool row = false;
    enum tl_code rc;

    for (;;) {
        struct tl_ledger_line line;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        line = (struct tl_ledger_line){
            .partition = (uint32_t)tl_answer_i64(answer, 0),
            .offset = tl_answer_i64(answer, 1),
            .row = (uint32_t)tl_answer_i64(answer, 2),
            .cause = (enum tl_cause)tl_answer_i64(answer, 3),
            .flags = (uint8_t)tl_answer_i64(answer, 4),
            .watermark_ms = tl_answer_i64(answer, 5),
            .event_time_ms = tl_answer_i64(answer, 6),
            .function = tl_answer_text(answer, 7).data,
        };
        TL_TRY(each(ctx, &line, err));
    }
out:
    return rc;
}

enum tl_code tl_store_ledger(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms, int64_t to_ms,
                             enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream(store->database, sql_ledger, &answer, err, "iiiiii", definition, run, from_ms, to_ms,
                              (int64_t)TL_CAUSE_OFFSET_GAP, (int64_t)TL_CAUSE_FUTURE_EVENT));
    TL_TRY(hand_lines(answer, each, ctx, err));
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}

/* As both databases read it: PostgreSQL takes the lowest number's text for one that has no room in a BIGINT. */
static long long literal(int64_t number)
{
    return tl_max_i64(number, -INT64_MAX);
}

static void put_floors(struct tl_buf *sql, const struct tl_ledger_floor *floors, size_t count)
{
    tl_buf_put_str(sql, "(VALUES ");
    for (size_t f = 0; f < count; f++)
        tl_buf_printf(sql, "%s(%u, %lld)", f > 0 ? ", " : "", floors[f].partition, literal(floors[f].offset));
    tl_buf_put_str(sql, ")");
}

enum tl_code tl_store_ledger_from(struct tl_store *store, int64_t definition, const struct tl_ledger_floor *floors,
                                  size_t floors_count, int64_t from_ms, int64_t to_ms,
                                  enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err),
                                  void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    bool mine = false;
    enum tl_code rc;

    if (floors_count == 0)
        return TL_OK;
    tl_buf_init(&sql, 0);
    tl_buf_put_str(
        &sql, "SELECT s.partition, s.\"offset\", s.\"row\", s.cause, s.flags, s.watermark_ms, s.event_time_ms, s.function FROM ");
    put_floors(&sql, floors, floors_count);
    tl_buf_put_str(&sql, sql_ledger_from);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "iiii", definition, from_ms, to_ms,
                                   (int64_t)TL_CAUSE_OFFSET_GAP));
    TL_TRY(hand_lines(answer, each, ctx, err));
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_store_ledger_pairs(struct tl_store *store, const struct tl_ledger_span *spans, size_t spans_count,
                                   const struct tl_ledger_floor *floors, size_t floors_count, uint32_t causes,
                                   enum tl_code (*each)(void *ctx, const struct tl_ledger_pair *pair, struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    bool mine = false, row = false;
    enum tl_code rc;

    if (spans_count == 0 || floors_count == 0)
        return TL_OK;
    tl_buf_init(&sql, 0);
    tl_buf_put_str(
        &sql, "SELECT s.partition, s.\"offset\", s.\"row\", s.event_time_ms, s.cause, s.flags, b.cause, b.flags FROM (VALUES ");
    for (size_t s = 0; s < spans_count; s++)
        tl_buf_printf(&sql, "%s(%lld, %lld, %lld)", s > 0 ? ", " : "", (long long)spans[s].definition, literal(spans[s].from_ms),
                      literal(spans[s].to_ms));
    tl_buf_put_str(&sql, ") AS d CROSS JOIN ");
    put_floors(&sql, floors, floors_count);
    tl_buf_printf(&sql, "%s AND s.cause IN (%d", sql_pairs, (int)TL_CAUSE_FUTURE_EVENT);
    for (int c = 0; c < TL_CAUSES; c++)
        if ((causes & 1u << c) != 0)
            tl_buf_printf(&sql, ", %d", c);
    tl_buf_put_str(&sql, ") ORDER BY s.partition, s.\"offset\", s.\"row\"");
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "i", (int64_t)TL_CAUSE_FUTURE_EVENT));
    for (;;) {
        struct tl_ledger_pair pair;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        pair = (struct tl_ledger_pair){
            .partition = (uint32_t)tl_answer_i64(answer, 0),
            .offset = tl_answer_i64(answer, 1),
            .row = (uint32_t)tl_answer_i64(answer, 2),
            .event_time_ms = tl_answer_i64(answer, 3),
            .speed = (enum tl_cause)tl_answer_i64(answer, 4),
            .batch = TL_CAUSE_NONE,
            .speed_flags = (uint8_t)tl_answer_i64(answer, 5),
        };
        if (!tl_answer_null(answer, 6)) {
            pair.batch = (enum tl_cause)tl_answer_i64(answer, 6);
            pair.batch_flags = (uint8_t)tl_answer_i64(answer, 7);
        }
        TL_TRY(each(ctx, &pair, err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_store_ledger_counts(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_CAUSES],
                                    struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    memset(counts, 0, TL_CAUSES * sizeof *counts);
    TL_TRY(tl_database_ask(store->database, sql_ledger_counts, &answer, err, "ii", definition, run));
    for (;;) {
        int64_t cause;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        cause = tl_answer_i64(answer, 0);
        if (cause < 0 || cause >= TL_CAUSES)
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: the ledger names a cause %lld",
                           store->database->place, (long long)cause));
        counts[cause] = (uint64_t)tl_answer_i64(answer, 1);
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_ledger_failures(struct tl_store *store, int64_t definition, int64_t run,
                                      enum tl_code (*each)(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err),
                                      void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_ledger_failures, &answer, err, "iii", definition, run,
                           (int64_t)TL_CAUSE_EVAL_ERROR));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_text(answer, 0), (uint64_t)tl_answer_i64(answer, 1), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_dead(struct tl_store *store, struct tl_sv topic, int64_t from_ms, int64_t to_ms,
                           enum tl_code (*each)(void *ctx, const struct tl_dead_place *dead, struct tl_err *err), void *ctx,
                           struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream(store->database, sql_dead, &answer, err, "tii", topic, from_ms, to_ms));
    for (;;) {
        struct tl_dead_place dead;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        dead = (struct tl_dead_place){.partition = (uint32_t)tl_answer_i64(answer, 0),
                                      .offset = tl_answer_i64(answer, 1),
                                      .row = (uint32_t)tl_answer_i64(answer, 2),
                                      .log_ms = tl_answer_i64(answer, 3),
                                      .reason = (enum tl_dead_reason)tl_answer_i64(answer, 4)};
        TL_TRY(each(ctx, &dead, err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}

enum tl_code tl_store_dead_count(struct tl_store *store, struct tl_sv topic, uint64_t *count, struct tl_err *err)
{
    int64_t found = 0;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_dead_count, &found, NULL, err, "t", topic));
    *count = (uint64_t)found;
out:
    return rc;
}
