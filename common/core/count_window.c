/* count_window.c: every n rows of a key, or what came within a time-out of the first: for funnels.
 *
 *     rows of a key, in the order of (event time, partition, offset, row)                    n = 3, time-out 60 s
 *
 *     0   10  20 | 30            40   50 ...
 *     [0, 20.001)  [30 ......... 90)                     closed by count: ends 1 ms behind its last row; by time-out: at first + 60 s
 *
 * Rows wait until the watermark releases them, for their order is that of event time, not of arrival: batch could not repeat that. A row at or
 * behind the watermark (less the lateness) is late: its turn has passed. A row at exactly first + time-out belongs to the next window.
 * When nothing before first + time-out can come any more, the window closes with what it has.
 *
 * A key's list (pieces.h): rows that wait, newest first, and behind them the window that is open. Many may wait, while a backlog is read or a
 * file is: so rows are not put in their places one by one but put in order when they are needed, and taken from the other end of the list along an
 * array of it. The store has of each key a provisional row of its next window: the open one with the rows that wait, as if no other came. A row's
 * identity holds the place of its first event, for six events of one millisecond make two windows with equal start and end.
 * Ours, not Flink's: semantics.md 6.4. */
#include <stdlib.h>
#include <string.h>

#include "core/due.h"
#include "core/partial.h"
#include "core/pieces.h"
#include "core/window_kind.h"
#include "event/partition.h"

/* What a piece adds: the place of the row, or of the open window's first row. */
struct place {
    int64_t offset;
    uint32_t partition, number;
    uint64_t rows; /* of the window that is open */
};

enum {
    PIECE_OPEN = 1,   /* the window that is open; else a row that waits */
    KEY_STORED = 1,   /* the store has a provisional row */
    KEY_UNSORTED = 2, /* rows that wait are not in order */
};

struct count_key {
    struct tl_key key;
    /* The provisional row in the store: */
    int64_t stored_start_ms, stored_end_ms;
    struct place stored_place;
};

/* A window that has closed and is not yet written. */
struct closed {
    struct tl_key *key;
    const struct tl_piece *piece;
    int64_t end_ms;
    bool by_count;
};

/* A key's list, oldest first. */
struct line {
    struct tl_piece **items;
    uint32_t count, capacity;
    struct tl_piece *open; /* the first, where it is the window that is open; else NULL */
    uint32_t rows;         /* where the rows that wait begin */
};

struct counts {
    struct tl_pieces pieces;
    struct tl_due due; /* a key's next row to be released, or the end of its open window */
    struct closed *closed;
    size_t closed_count, closed_capacity;
    struct tl_piece *closed_pieces; /* to be let go at settle */
    struct line line;
};

static enum tl_code count_open(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own = calloc(1, sizeof *own);

    if (own == NULL)
        return tl_fail_memory(err, sizeof *own);
    tl_pieces_init(&own->pieces, &w->layout, sizeof(struct count_key), sizeof(struct place));
    return TL_OK;
}

static void count_close(struct tl_window *w)
{
    struct counts *own = w->own;

    tl_pieces_done(&own->pieces);
    tl_due_done(&own->due);
    free(own->closed);
    free(own->line.items);
    free(own);
}

static void count_reset(struct tl_window *w)
{
    struct counts *own = w->own;

    tl_pieces_reset(&own->pieces);
    tl_due_reset(&own->due);
    own->closed_count = 0;
}

static uint64_t count_groups(const struct tl_window *w)
{
    return ((const struct counts *)w->own)->pieces.count;
}

static size_t count_bytes(const struct tl_window *w)
{
    const struct counts *own = w->own;

    return sizeof *own + tl_pieces_bytes(&own->pieces) + tl_due_bytes(&own->due) + own->closed_capacity * sizeof *own->closed +
           own->line.capacity * sizeof *own->line.items;
}

/* ---- rows in ---- */

/* Is a row's turn after that of another? */
static bool is_behind(const struct tl_piece *a, const struct tl_piece *b)
{
    const struct place *x = tl_piece_extra(a), *y = tl_piece_extra(b);
    int order;

    if (a->from_ms != b->from_ms)
        return a->from_ms > b->from_ms;
    order = tl_partition_order(x->partition, x->offset, y->partition, y->offset);
    return order != 0 ? order > 0 : x->number > y->number;
}

static bool is_open(const struct tl_piece *piece)
{
    return (piece->marks & PIECE_OPEN) != 0;
}

/* A row that waits, in front of the others. NULL: out of memory. */
static struct tl_piece *add_row(struct counts *own, struct tl_key *key, int64_t time_ms, const struct place *place)
{
    struct tl_piece *before = key->newest, *row = tl_pieces_insert(&own->pieces, key, &key->newest, time_ms, time_ms, 0);

    if (row == NULL)
        return NULL;
    *(struct place *)tl_piece_extra(row) = *place;
    if (before != NULL && !is_open(before) && !is_behind(row, before))
        key->marks |= KEY_UNSORTED;
    return row;
}

/* ---- the key's list ---- */

/* Two lists that each begin with the row whose turn is last, as one. */
static struct tl_piece *merge_rows(struct tl_piece *a, struct tl_piece *b)
{
    struct tl_piece *first = NULL, **link = &first;

    while (a != NULL && b != NULL) {
        if (is_behind(a, b)) {
            *link = a;
            a = a->older;
        } else {
            *link = b;
            b = b->older;
        }
        link = &(*link)->older;
    }
    *link = a != NULL ? a : b;
    return first;
}

/* By merging runs of doubling length: bin i holds none, or a sorted run of 2^i rows. */
static void put_in_order(struct tl_key *key)
{
    struct tl_piece *bins[64] = {NULL}, *piece = key->newest, *rows = NULL, **link = &key->newest;

    if (!(key->marks & KEY_UNSORTED))
        return;
    key->marks &= ~(uint32_t)KEY_UNSORTED;
    while (piece != NULL && !is_open(piece)) {
        struct tl_piece *run = piece;
        uint32_t i = 0;

        piece = piece->older;
        run->older = NULL;
        for (; bins[i] != NULL; i++) {
            run = merge_rows(bins[i], run);
            bins[i] = NULL;
        }
        bins[i] = run;
    }
    for (uint32_t i = 0; i < TL_COUNT(bins); i++)
        rows = merge_rows(bins[i], rows);
    *link = rows;
    while (*link != NULL)
        link = &(*link)->older;
    *link = piece;
}

/* NULL: out of memory. Good until a row is added. */
static const struct line *line_up(struct counts *own, struct tl_key *key)
{
    struct line *line = &own->line;
    uint32_t at = 0;

    put_in_order(key);
    line->count = 0;
    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        line->count++;
    if (line->count >= line->capacity) {
        uint32_t capacity = line->count + line->count / 2 + 64;

        if (!TL_RESIZE(line->items, capacity))
            return NULL;
        line->capacity = capacity;
    }
    at = line->count;
    for (struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        line->items[--at] = piece;
    line->open = line->count > 0 && is_open(line->items[0]) ? line->items[0] : NULL;
    line->rows = line->open != NULL;
    return line;
}

/* What points to item i, where all before it that is left is the open window. */
static struct tl_piece **link_of(const struct line *line, struct tl_key *key, uint32_t i)
{
    return i + 1 < line->count ? &line->items[i + 1]->older : &key->newest;
}

static enum tl_code count_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                               struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t time_ms = in->time_ms[row], watermark_ms = INT64_MIN;
        struct place place = {.offset = in->agg.offset[row],
                              .partition = in->agg.partition != NULL ? in->agg.partition[row] : in->agg.partition_all,
                              .number = in->agg.number[row]};
        struct tl_key *key;
        struct tl_piece *piece;

        if (in->judged_ms != NULL && tl_window_passed_ms(w, in->judged_ms[row]) >= time_ms) {
            verdict->late[verdict->late_count++] =
                (struct tl_window_late){row, false, tl_add_sat_i64(time_ms, w->view->lateness_ms)};
            continue;
        }
        if (!tl_window_encode_key(w, in->keys, row))
            return tl_fail_memory(err, w->key.size);
        if (in->wanted != NULL && !in->wanted(in->wanted_ctx, row, time_ms, time_ms + 1, tl_buf_sv(&w->key), &watermark_ms))
            continue;
        key = tl_pieces_key(&own->pieces, tl_buf_sv(&w->key));
        if (key == NULL || (piece = add_row(own, key, time_ms, &place)) == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        tl_window_take(w, row, tl_piece_block(&own->pieces, piece), tl_table_arena(&own->pieces.table));
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

/* Both lists are in order, so one walk along them finds all places. */
static bool merge_key(struct tl_window *into, struct tl_key *key, const struct counts *part, const struct tl_key *given)
{
    struct counts *whole = into->own;
    struct tl_piece **link = &key->newest, *row = NULL;

    for (const struct tl_piece *piece = given->newest; piece != NULL; piece = piece->older) {
        while (*link != NULL && !is_open(*link) && is_behind(*link, piece))
            link = &(*link)->older;
        row = tl_pieces_insert(&whole->pieces, key, link, piece->from_ms, piece->to_ms, 0);
        if (row == NULL || !tl_agg_merge(&into->layout, tl_piece_block(&whole->pieces, row), tl_piece_block(&part->pieces, piece),
                                         tl_table_arena(&whole->pieces.table)))
            return false;
        *(struct place *)tl_piece_extra(row) = *(const struct place *)tl_piece_extra(piece);
        link = &row->older;
    }
    /* Where an older row waits, the key is due for that. */
    return row == NULL || (*link != NULL && !is_open(*link)) || tl_due_put(&whole->due, row->from_ms, key);
}

static enum tl_code count_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    struct counts *whole = into->own, *part = from->own;

    for (uint32_t i = 0; i < part->pieces.table.count; i++) {
        struct tl_key *given = tl_pieces_at(&part->pieces, i);
        struct tl_key *key = tl_pieces_key(&whole->pieces, tl_pieces_key_text(&part->pieces, given));

        if (key == NULL || !tl_pieces_mark(&whole->pieces, key))
            return tl_fail_memory(err, sizeof *key);
        put_in_order(given);
        put_in_order(key);
        if (!merge_key(into, key, part, given))
            return tl_fail_memory(err, into->layout.state_bytes);
    }
    return TL_OK;
}

/* ---- releasing ---- */

static int64_t timeout_ms(const struct tl_window *w, int64_t first_ms)
{
    return tl_add_sat_i64(first_ms, w->view->window.size_ms);
}

static enum tl_code close_window(struct tl_window *w, struct tl_key *key, struct tl_piece **link, int64_t end_ms, bool by_count,
                                 struct tl_err *err)
{
    struct counts *own = w->own;
    struct tl_piece *piece = *link;

    if (own->closed_count == own->closed_capacity) {
        size_t capacity = own->closed_capacity * 2 + 64;

        if (!TL_RESIZE(own->closed, capacity))
            return tl_fail_memory(err, capacity * sizeof *own->closed);
        own->closed_capacity = capacity;
    }
    if (!tl_pieces_mark(&own->pieces, key))
        return tl_fail_memory(err, sizeof key);
    own->closed[own->closed_count++] = (struct closed){key, piece, end_ms, by_count};
    (void)tl_pieces_unlink(&own->pieces, key, link); /* set aside until it is written */
    piece->older = own->closed_pieces;
    own->closed_pieces = piece;
    return TL_OK;
}

/* The oldest row takes part in the window that is open, or opens one: *link is the row, and then the window. */
static enum tl_code release_row(struct tl_window *w, struct tl_key *key, struct tl_piece **link, struct tl_err *err)
{
    struct counts *own = w->own;
    struct tl_piece *row = *link, *open;
    int64_t time_ms;
    struct place *place;
    enum tl_code rc = TL_OK;

    assert(row != NULL);
    open = row->older;
    time_ms = row->from_ms;
    if (open != NULL && time_ms >= timeout_ms(w, open->from_ms)) {
        TL_TRY(close_window(w, key, &row->older, timeout_ms(w, open->from_ms), false, err));
        open = NULL;
    }
    if (open == NULL) {
        open = row;
        open->marks |= PIECE_OPEN;
    } else {
        if (!tl_agg_merge(&w->layout, tl_piece_block(&own->pieces, open), tl_piece_block(&own->pieces, row),
                          tl_table_arena(&own->pieces.table)))
            TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
        tl_pieces_drop(&own->pieces, key, link);
    }
    place = tl_piece_extra(open);
    if (++place->rows == w->view->window.rows_max)
        TL_TRY(close_window(w, key, link, time_ms + 1, true, err));
out:
    return rc;
}

/* Releases the key's rows up to this time. */
static enum tl_code look_at(struct tl_window *w, struct tl_key *key, int64_t upto_ms, struct tl_err *err)
{
    struct counts *own = w->own;
    const struct line *line;
    struct tl_piece **link;
    uint32_t i;
    enum tl_code rc = TL_OK;

    if (!tl_due_is(key))
        return TL_OK;
    if ((line = line_up(own, key)) == NULL)
        return tl_fail_memory(err, sizeof(struct tl_piece *));
    for (i = line->rows; i < line->count && line->items[i]->from_ms <= upto_ms; i++)
        TL_TRY(release_row(w, key, link_of(line, key, i), err));
    link = i < line->count ? &line->items[i]->older : &key->newest;
    if (*link != NULL && timeout_ms(w, (*link)->from_ms) - 1 <= upto_ms)
        TL_TRY(close_window(w, key, link, timeout_ms(w, (*link)->from_ms), false, err));
    if (!tl_due_looked(&own->due, key))
        TL_TRY(tl_fail_memory(err, sizeof key));
out:
    return rc;
}

/* When the key's next row is released, or its open window ends. INT64_MAX: it has neither. */
static int64_t due_ms(const void *ctx, const struct tl_key *key)
{
    const struct tl_window *w = ctx;
    int64_t at_ms = INT64_MAX;

    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        at_ms = tl_min_i64(at_ms, is_open(piece) ? timeout_ms(w, piece->from_ms) - 1 : piece->from_ms);
    return at_ms;
}

static enum tl_code release(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    while (own->due.count > 0 && own->due.items[0].at_ms <= upto_ms)
        TL_TRY(look_at(w, tl_due_take(&own->due), upto_ms, err));
    if (!tl_due_again(&own->due, due_ms, w))
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_due_item)));
out:
    return rc;
}

static enum tl_code count_advance(struct tl_window *w, struct tl_err *err)
{
    return w->passed_ms == INT64_MIN ? TL_OK : release(w, w->passed_ms, err);
}

/* ---- rows out ---- */

/* The identity of a row: the group's key, and the place of the window's first event. */
static bool put_row_key(struct tl_window *w, struct tl_window_ref *ref, const struct place *place)
{
    char *key = tl_arena_bytes(&w->scratch, ref->key.size + TL_EVENT_KEY_BYTES);

    if (key == NULL)
        return false;
    if (ref->key.size > 0)
        memcpy(key, ref->key.data, ref->key.size);
    tl_event_key(place->partition, place->offset, place->number, key + ref->key.size);
    ref->row_key = (struct tl_sv){key, ref->key.size + TL_EVENT_KEY_BYTES};
    return true;
}

static enum tl_code emit_closed(struct tl_window *w, const struct closed *closed, struct tl_err *err)
{
    const struct counts *own = w->own;
    struct tl_window_ref ref = {.start_ms = closed->piece->from_ms,
                                .end_ms = closed->end_ms,
                                .key = tl_pieces_key_text(&own->pieces, closed->key),
                                .block = tl_piece_block(&own->pieces, closed->piece),
                                .by_count = closed->by_count};

    if (!put_row_key(w, &ref, tl_piece_extra(closed->piece)))
        return tl_fail_memory(err, ref.key.size);
    return tl_window_emit(w, &ref, err);
}

static enum tl_code count_finals(struct tl_window *w, struct tl_err *err)
{
    const struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    for (size_t c = 0; c < own->closed_count; c++)
        TL_TRY(emit_closed(w, &own->closed[c], err));
out:
    return rc;
}

/* The key's next window, as if no other row came. */
struct next {
    int64_t start_ms, end_ms;
    struct place place;
    bool by_count;
    const void *block;
};

static enum tl_code next_window(struct tl_window *w, struct tl_key *key, bool with_block, struct next *next, bool *found,
                                struct tl_err *err)
{
    struct counts *own = w->own;
    const struct line *line = line_up(own, key);
    uint64_t rows = 0;
    void *sum = NULL;

    if (line == NULL || (with_block && (sum = tl_arena_zalloc(&w->scratch, w->layout.state_bytes + 1u)) == NULL))
        return tl_fail_memory(err, w->layout.state_bytes);
    *found = line->count > 0;
    *next = (struct next){.end_ms = INT64_MIN, .block = sum};
    for (uint32_t i = 0; i < line->count && rows < w->view->window.rows_max; i++) {
        const struct tl_piece *piece = line->items[i];
        const struct place *place = tl_piece_extra(piece);

        if (i == 0) {
            next->start_ms = piece->from_ms;
            next->place = *place;
        } else if (piece->from_ms >= timeout_ms(w, next->start_ms)) {
            break;
        }
        if (with_block && !tl_agg_merge(&w->layout, sum, tl_piece_block(&own->pieces, piece), &w->scratch))
            return tl_fail_memory(err, w->layout.state_bytes);
        next->end_ms = piece->from_ms + 1;
        rows += is_open(piece) ? place->rows : 1;
    }
    next->by_count = rows == w->view->window.rows_max;
    if (!next->by_count)
        next->end_ms = timeout_ms(w, next->start_ms);
    return TL_OK;
}

static enum tl_code count_gone(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        const struct count_key *key = (const struct count_key *)own->pieces.changed[c];
        struct tl_window_ref ref = {
            .start_ms = key->stored_start_ms, .end_ms = key->stored_end_ms, .key = tl_pieces_key_text(&own->pieces, &key->key)};

        if (!(key->key.marks & KEY_STORED))
            continue;
        if (!put_row_key(w, &ref, &key->stored_place))
            TL_TRY(tl_fail_memory(err, ref.key.size));
        TL_TRY(tl_window_emit_gone(w, &ref, err));
    }
out:
    return rc;
}

static enum tl_code count_changed(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    TL_TRY(count_finals(w, err));
    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        struct next next;
        struct tl_window_ref ref;
        bool found;

        TL_TRY(next_window(w, own->pieces.changed[c], true, &next, &found, err));
        if (!found)
            continue;
        ref = (struct tl_window_ref){.start_ms = next.start_ms,
                                     .end_ms = next.end_ms,
                                     .key = tl_pieces_key_text(&own->pieces, own->pieces.changed[c]),
                                     .block = next.block,
                                     .by_count = next.by_count};
        if (!put_row_key(w, &ref, &next.place))
            TL_TRY(tl_fail_memory(err, ref.key.size));
        TL_TRY(tl_window_emit(w, &ref, err));
    }
out:
    return rc;
}

/* A piece: u8 is it the open window; time (zigzag), partition, row (varint), offset (zigzag), rows (varint), accumulators as a block. */
static enum tl_code put_piece(struct tl_window *w, const struct tl_piece *piece, struct tl_buf *out, struct tl_err *err)
{
    const struct counts *own = w->own;
    const struct place *place = tl_piece_extra(piece);

    tl_buf_put_u8(out, is_open(piece));
    tl_buf_put_zigzag(out, piece->from_ms);
    tl_buf_put_varint(out, place->partition);
    tl_buf_put_varint(out, place->number);
    tl_buf_put_zigzag(out, place->offset);
    tl_buf_put_varint(out, place->rows);
    return tl_window_save_block(w, tl_piece_block(&own->pieces, piece), out, err);
}

/* A key's state: its pieces, newest first. Nothing: the key has gone. */
static enum tl_code count_states(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    struct tl_buf bytes;
    enum tl_code rc = TL_OK;

    tl_buf_init(&bytes, 0);
    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        const struct tl_key *key = own->pieces.changed[c];

        tl_buf_clear(&bytes);
        for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
            TL_TRY(put_piece(w, piece, &bytes, err));
        TL_TRY(tl_buf_check(&bytes, "rows that wait", err));
        TL_TRY(tl_window_emit_state(w, 0, INT64_MAX, tl_pieces_key_text(&own->pieces, key), tl_buf_sv(&bytes), err));
    }
out:
    tl_buf_done(&bytes);
    return rc;
}

static void let_closed_go(struct counts *own)
{
    while (own->closed_pieces != NULL) {
        struct tl_piece *piece = own->closed_pieces;

        own->closed_pieces = piece->older;
        tl_pieces_let_go(&own->pieces, piece);
    }
    own->closed_count = 0;
}

/* Keys and pieces have other addresses: so have those that are due. */
static enum tl_code tidy(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    bool moved;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_pieces_tidy(&own->pieces, &moved, err));
    if (moved && !tl_due_anew(&own->due, &own->pieces, due_ms, w))
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_due_item)));
out:
    return rc;
}

static enum tl_code count_settle(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        struct count_key *key = (struct count_key *)own->pieces.changed[c];
        struct next next;
        bool found;

        TL_TRY(next_window(w, &key->key, false, &next, &found, err));
        key->key.marks &= ~(uint32_t)KEY_STORED;
        if (!found)
            continue;
        key->key.marks |= KEY_STORED;
        key->stored_start_ms = next.start_ms;
        key->stored_end_ms = next.end_ms;
        key->stored_place = next.place;
    }
    tl_pieces_settle(&own->pieces);
    let_closed_go(own);
    TL_TRY(tidy(w, err));
out:
    return rc;
}

/* A key's pieces from a state or a carry: the open one is the last. */
static enum tl_code load_pieces(struct tl_window *w, struct tl_key *key, struct tl_reader *reader, struct tl_err *err)
{
    struct counts *own = w->own;
    struct tl_piece **link = &key->newest;
    enum tl_code rc = TL_OK;

    if (*link != NULL)
        return TL_ERR_CORRUPT;
    while (!tl_reader_at_end(reader)) {
        bool opened = tl_reader_u8(reader) != 0;
        int64_t time_ms = tl_reader_zigzag(reader);
        uint64_t partition = tl_reader_varint(reader), number = tl_reader_varint(reader);
        struct place place = {.partition = (uint32_t)partition, .number = (uint32_t)number};
        struct tl_piece *piece;
        struct tl_sv bytes;

        place.offset = tl_reader_zigzag(reader);
        place.rows = tl_reader_varint(reader);
        bytes = tl_reader_block(reader);
        if (reader->failed || !tl_window_is_time(w, time_ms) || partition > UINT32_MAX || number > UINT32_MAX ||
            place.rows >= w->view->window.rows_max || opened != (place.rows > 0) || (opened && !tl_reader_at_end(reader)))
            return TL_ERR_CORRUPT;
        piece = tl_pieces_insert(&own->pieces, key, link, time_ms, time_ms, 0);
        if (piece == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        *(struct place *)tl_piece_extra(piece) = place;
        piece->marks = opened ? PIECE_OPEN : 0;
        link = &piece->older;
        TL_TRY(tl_window_load_block(w, bytes, tl_piece_block(&own->pieces, piece), tl_table_arena(&own->pieces.table), err));
    }
    key->marks |= KEY_UNSORTED; /* bytes are not believed */
    if (key->newest != NULL && !tl_due_put(&own->due, due_ms(w, key), key))
        return tl_fail_memory(err, sizeof(struct tl_due_item));
out:
    return rc;
}

static enum tl_code count_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv text, struct tl_sv bytes,
                               struct tl_err *err)
{
    struct counts *own = w->own;
    struct tl_reader reader = tl_reader_of(bytes);
    struct count_key *key = (struct count_key *)tl_pieces_key(&own->pieces, text);
    struct next next;
    bool found;
    enum tl_code rc = TL_OK;

    (void)start_ms;
    (void)end_ms;
    if (key == NULL)
        return tl_fail_memory(err, sizeof *key);
    TL_TRY(load_pieces(w, &key->key, &reader, err));
    TL_TRY(next_window(w, &key->key, false, &next, &found, err));
    if (found) {
        key->key.marks |= KEY_STORED;
        key->stored_start_ms = next.start_ms;
        key->stored_end_ms = next.end_ms;
        key->stored_place = next.place;
    }
out:
    return rc;
}

/* ---- batch ---- */

/* Like a session, a window that ends at upto_ms waits: what ends at a bound belongs to the range behind it. So its last row waits too.
 * Before an instant there are only rows of the ranges up to it, so ranges need no telling apart. */
static enum tl_code count_retire(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    tl_pieces_settle(&own->pieces); /* batch has no use for the marks of what has changed */
    TL_TRY(release(w, upto_ms == INT64_MAX ? upto_ms : tl_add_sat_i64(upto_ms, -2), err));
    TL_TRY(count_finals(w, err));
    TL_TRY(tl_window_flush(w, err));
    tl_pieces_settle(&own->pieces);
    let_closed_go(own);
    TL_TRY(tidy(w, err));
out:
    return rc;
}

static bool is_open_at(const struct tl_piece *piece, int64_t bound_ms)
{
    return is_open(piece) || piece->from_ms < bound_ms;
}

static bool has_open_at(const struct tl_key *key, int64_t bound_ms)
{
    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        if (is_open_at(piece, bound_ms))
            return true;
    return false;
}

/* Keys (varint); each, in order: key, and as a block its pieces: the open window, and rows before the bound that wait. */
static enum tl_code count_cut(struct tl_window *w, struct tl_buf *carry, struct tl_err *err)
{
    struct counts *own = w->own;
    int64_t bound_ms = tl_window_next_bound_ms(w);
    uint64_t count = 0;
    uint32_t *order = NULL;
    struct tl_buf bytes;
    enum tl_code rc = TL_OK;

    tl_buf_init(&bytes, 0);
    for (uint32_t i = 0; i < own->pieces.table.count; i++)
        count += has_open_at(tl_pieces_at(&own->pieces, i), bound_ms);
    if (count == 0)
        goto out;
    tl_buf_put_varint(carry, count);
    TL_TRY(tl_table_sorted(&own->pieces.table, &order, err));
    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        const struct tl_key *key = tl_pieces_at(&own->pieces, order[i]);

        if (!has_open_at(key, bound_ms))
            continue;
        tl_buf_clear(&bytes);
        for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
            if (is_open_at(piece, bound_ms))
                TL_TRY(put_piece(w, piece, &bytes, err));
        TL_TRY(tl_buf_check(&bytes, "windows that are open", err));
        tl_buf_put_block(carry, tl_pieces_key_text(&own->pieces, key));
        tl_buf_put_block(carry, tl_buf_sv(&bytes));
    }
out:
    free(order);
    tl_buf_done(&bytes);
    return rc;
}

/* The window that is open, and each row that waits as if it opened one: what may cross the bound. */
static enum tl_code count_open_rows(struct tl_window *w, struct tl_err *err)
{
    struct counts *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        struct tl_key *key = tl_pieces_at(&own->pieces, i);

        for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older) {
            struct closed closed = {key, piece, timeout_ms(w, piece->from_ms), false};

            TL_TRY(emit_closed(w, &closed, err));
        }
    }
out:
    return rc;
}

static enum tl_code count_restore(struct tl_window *w, struct tl_reader *reader, struct tl_err *err)
{
    struct counts *own = w->own;
    uint64_t keys = tl_reader_varint(reader);
    enum tl_code rc = TL_OK;

    for (uint64_t k = 0; k < keys && !reader->failed; k++) {
        struct tl_sv text = tl_reader_block(reader);
        struct tl_reader pieces = tl_reader_of(tl_reader_block(reader));
        struct tl_key *key = tl_pieces_key(&own->pieces, text);

        if (key == NULL)
            TL_TRY(tl_fail_memory(err, sizeof *key));
        TL_TRY(load_pieces(w, key, &pieces, err));
    }
out:
    return rc;
}

const struct tl_window_ops tl_window_count = {
    .open = count_open,
    .close = count_close,
    .reset = count_reset,
    .push = count_push,
    .merge = count_merge,
    .advance = count_advance,
    .finals = count_finals,
    .states = count_states,
    .gone = count_gone,
    .changed = count_changed,
    .settle = count_settle,
    .load = count_load,
    .retire = count_retire,
    .cut = count_cut,
    .open_rows = count_open_rows,
    .restore = count_restore,
    .groups = count_groups,
    .bytes = count_bytes,
};
