/* slice.c: HOP and CUMULATE: windows as unions of slices, so that a row costs one update and not one per window.
 *
 *     HOP, slide 1 min, size 3 min               CUMULATE, step 1 min, size 3 min
 *
 *     slices   | a | b | c | d | e |             slices   | a | b | c | d | e | f |
 *     windows  |-----------|                     windows  |---|       |---|
 *                  |-----------|                          |-------|   |-------|
 *                      |-----------|                      |-----------|-----------|
 *
 * A piece of a key (pieces.h) is told by the first and the last window that have it, by their ends: slice c of HOP counts for the windows
 * that end with c, d and e. A row that comes too late for some of its windows counts for the rest: it goes into a piece of its own that begins with
 * the first window that had not passed when it was judged, whatever the others do with the slice.
 *
 * A stream's store has a row of each window that has fired, and of each key a provisional one: of the key's next window to fire. When that has
 * fired, the next one is written, whether a row came or not; so a row of every window stands there before it is final, and what has not
 * changed is not written again. Late rows (lateness) change rows of windows that have fired and are not final.
 *
 * A window is put together from its pieces when its row is due: as many merges as it has slices with rows of that key. While much is caught up
 * at once a key has many pieces that wait, so windows are found by going along them once, and each is put together from where its own lie. */
#include <stdlib.h>
#include <string.h>

#include "core/pieces.h"
#include "core/window_kind.h"
#include "event/timestamp.h"

struct slice_key {
    struct tl_key key;  /* marks: KEY_WRITTEN */
    int64_t written_ms; /* the last window that a row was written of */
};

/* A row that is due. */
struct due {
    struct slice_key *key;
    const struct tl_piece *newest; /* that may belong to the window: the older ones follow it */
    int64_t end_ms;
};

struct dues {
    struct due *items;
    size_t count, capacity;
};

struct slices {
    struct tl_pieces pieces;
    /* Ends of windows, on the wall clock: up to here they have fired, are final (batch: have retired); and what the advance makes of it. */
    int64_t fired_ms, final_ms, next_fired_ms, next_final_ms;
    bool resumed;
    struct dues due, gone; /* to be written, to be deleted */
    /* One key's pieces, oldest first, and how far the windows have come along them: what lies before line_first has ended; up to line_newest
     * the pieces have begun. */
    struct tl_piece **line;
    uint32_t line_count, line_capacity, line_first, line_newest;
};

enum { PIECE_CHANGED = 1, KEY_WRITTEN = 1 };

static enum tl_code slice_open(struct tl_window *w, struct tl_err *err)
{
    struct slices *own = w->own = calloc(1, sizeof *own);

    if (own == NULL)
        return tl_fail_memory(err, sizeof *own);
    tl_pieces_init(&own->pieces, &w->layout, sizeof(struct slice_key), 0);
    own->fired_ms = own->final_ms = own->next_fired_ms = own->next_final_ms = INT64_MIN;
    return TL_OK;
}

static void slice_close(struct tl_window *w)
{
    struct slices *own = w->own;

    tl_pieces_done(&own->pieces);
    free(own->due.items);
    free(own->gone.items);
    free(own->line);
    free(own);
}

static void slice_reset(struct tl_window *w)
{
    tl_pieces_reset(&((struct slices *)w->own)->pieces);
}

static uint64_t slice_groups(const struct tl_window *w)
{
    return ((const struct slices *)w->own)->pieces.count;
}

static size_t slice_bytes(const struct tl_window *w)
{
    const struct slices *own = w->own;

    return sizeof *own + tl_pieces_bytes(&own->pieces) + (own->due.capacity + own->gone.capacity) * sizeof(struct due) +
           own->line_capacity * sizeof *own->line;
}

/* ---- windows ---- */

static int64_t start_of(const struct tl_window *w, int64_t end_ms)
{
    const struct tl_window_spec *spec = &w->view->window;

    return spec->window == TL_WINDOW_HOP ? end_ms - spec->size_ms
                                         : tl_window_start_ms(end_ms - 1, spec->offset_ms, spec->size_ms);
}

/* The last window whose `instant_of` (its end, or the watermark that it fires at) does not lie behind upto_ms. INT64_MIN, INT64_MAX: upto_ms lies before,
 * or behind, all windows that can have rows. */
static int64_t last_upto(struct tl_window *w, int64_t upto_ms, int64_t (*instant_of)(const struct tl_window *w, int64_t end_ms))
{
    const struct tl_window_spec *spec = &w->view->window;
    int64_t slack_ms = tl_add_sat_i64(spec->size_ms, 2 * TL_DAY_MS), end_ms; /* the zone, and then some */

    if (upto_ms < tl_add_sat_i64(TL_TIME_MIN_MS, -slack_ms) || upto_ms > tl_add_sat_i64(TL_TIME_MAX_MS, slack_ms))
        return upto_ms < 0 ? INT64_MIN : INT64_MAX;
    end_ms = tl_window_start_ms(tl_window_local_ms(w, upto_ms), spec->offset_ms, spec->slide_ms);
    while (instant_of(w, end_ms + spec->slide_ms) <= upto_ms)
        end_ms += spec->slide_ms;
    while (instant_of(w, end_ms) > upto_ms)
        end_ms -= spec->slide_ms;
    return end_ms;
}

/* From a piece's first window to its last one, at most. */
static int64_t span_of(const struct tl_window *w)
{
    return w->view->window.size_ms - w->view->window.slide_ms;
}

/* Windows of the line are asked for in ascending order from now on. */
static void line_rewind(struct slices *own)
{
    own->line_first = own->line_newest = 0;
}

static enum tl_code line_up(struct slices *own, const struct tl_key *key, struct tl_err *err)
{
    uint32_t count = 0;

    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        count++;
    if (count > own->line_capacity) {
        uint32_t capacity = count + count / 2 + 64;

        if (!TL_RESIZE(own->line, capacity))
            return tl_fail_memory(err, capacity * sizeof *own->line);
        own->line_capacity = capacity;
    }
    own->line_count = count;
    for (struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        own->line[--count] = piece;
    line_rewind(own);
    return TL_OK;
}

static int64_t first_with_rows(const struct tl_window *w, int64_t end_ms, uint32_t marks)
{
    struct slices *own = w->own;
    int64_t first_ms = INT64_MAX, begun_ms = tl_add_sat_i64(end_ms, -span_of(w));

    while (own->line_first < own->line_count && own->line[own->line_first]->from_ms < begun_ms)
        own->line_first++;
    for (uint32_t i = own->line_first; i < own->line_count && first_ms > end_ms && own->line[i]->from_ms < first_ms; i++) {
        const struct tl_piece *piece = own->line[i];

        if (piece->to_ms >= end_ms && (marks == 0 || (piece->marks & marks) != 0))
            first_ms = tl_min_i64(first_ms, tl_max_i64(piece->from_ms, end_ms));
    }
    return first_ms;
}

/* The first window at or behind end_ms that has rows of the line; INT64_MAX: none. `marks`: rows in pieces with one of these; 0: in any. */
static int64_t first_from(const struct tl_window *w, int64_t end_ms, uint32_t marks)
{
    int64_t first_ms = first_with_rows(w, end_ms, marks);

    while (first_ms != INT64_MAX && tl_window_is_repeated(w, start_of(w, first_ms), first_ms))
        first_ms = first_with_rows(w, first_ms + w->view->window.slide_ms, marks);
    return first_ms;
}

/* The newest piece of the line that has begun with a window; there must be one. */
static const struct tl_piece *newest_of(struct slices *own, int64_t end_ms)
{
    while (own->line_newest < own->line_count && own->line[own->line_newest]->from_ms <= end_ms)
        own->line_newest++;
    return own->line[own->line_newest - 1];
}

/* After a restart: each key whose state was stored has a row of its next window. A key that rows have come for since is written anyway. */
static void resume(struct tl_window *w)
{
    struct slices *own = w->own;

    own->resumed = true;
    if (w->settled_ms == INT64_MIN)
        return;
    own->final_ms = last_upto(w, w->settled_ms, tl_window_fire_ms);
    own->fired_ms = last_upto(w, tl_add_sat_i64(w->settled_ms, w->view->lateness_ms), tl_window_fire_ms);
}

/* ---- rows in ---- */

static struct tl_piece *piece_get(struct slices *own, struct tl_key *key, int64_t from_ms, int64_t to_ms, uint32_t segment)
{
    struct tl_piece *piece = key->newest;

    while (piece != NULL && (piece->from_ms > from_ms || (piece->from_ms == from_ms && piece->to_ms > to_ms)))
        piece = piece->older;
    while (piece != NULL && piece->from_ms == from_ms && piece->to_ms == to_ms && piece->segment != segment)
        piece = piece->older;
    if (piece != NULL && piece->from_ms == from_ms && piece->to_ms == to_ms)
        return piece;
    return tl_pieces_add(&own->pieces, key, from_ms, to_ms, segment);
}

static enum tl_code slice_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                               struct tl_err *err)
{
    struct slices *own = w->own;
    const struct tl_slice_run *run = in->runs;
    enum tl_code rc = TL_OK;

    assert(in->wanted == NULL);
    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t from_ms;
        struct tl_key *key;
        struct tl_piece *piece;

        while (row >= run->upto)
            run++;
        from_ms = run->first_ms;
        if (in->judged_ms != NULL) {
            int64_t passed_ms = tl_window_passed_ms(w, in->judged_ms[row]);

            if (passed_ms >= run->first_fire_ms) {
                bool partly = passed_ms < run->last_fire_ms;

                verdict->late[verdict->late_count++] =
                    (struct tl_window_late){row, partly, tl_add_sat_i64(run->last_fire_ms, w->view->lateness_ms)};
                if (!partly)
                    continue;
                from_ms = last_upto(w, passed_ms, tl_window_fire_ms) + w->view->window.slide_ms;
            }
        }
        if (!tl_window_encode_key(w, in->keys, row) || (key = tl_pieces_key(&own->pieces, tl_buf_sv(&w->key))) == NULL ||
            (piece = piece_get(own, key, from_ms, run->last_ms, tl_window_segment(w, in, row))) == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        tl_window_take(w, row, tl_piece_block(&own->pieces, piece), tl_table_arena(&own->pieces.table));
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

static enum tl_code add_piece(struct tl_window *w, struct tl_key *key, const struct tl_pieces *of, const struct tl_piece *given,
                              struct tl_err *err)
{
    struct slices *own = w->own;
    struct tl_piece *piece =
        piece_get(own, key, given->from_ms, given->to_ms, given->segment > w->joined ? given->segment : w->joined);

    if (piece == NULL || !tl_agg_merge(&w->layout, tl_piece_block(&own->pieces, piece), tl_piece_block(of, given),
                                       tl_table_arena(&own->pieces.table)))
        return tl_fail_memory(err, w->layout.state_bytes);
    piece->marks |= PIECE_CHANGED;
    return TL_OK;
}

static enum tl_code slice_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    struct slices *whole = into->own, *part = from->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < part->pieces.table.count; i++) {
        struct tl_key *given = tl_pieces_at(&part->pieces, i), *key;

        key = tl_pieces_key(&whole->pieces, tl_pieces_key_text(&part->pieces, given));
        if (key == NULL || !tl_pieces_mark(&whole->pieces, key))
            TL_TRY(tl_fail_memory(err, sizeof(struct slice_key)));
        TL_TRY(line_up(part, given, err)); /* the newest last: its place is at the head of the list */
        for (uint32_t p = 0; p < part->line_count; p++)
            TL_TRY(add_piece(into, key, &part->pieces, part->line[p], err));
    }
out:
    return rc;
}

/* ---- what is due ---- */

static enum tl_code add_due(struct dues *dues, const struct due *due, struct tl_err *err)
{
    if (dues->count == dues->capacity) {
        size_t capacity = dues->capacity * 2 + 64;

        if (!TL_RESIZE(dues->items, capacity))
            return tl_fail_memory(err, capacity * sizeof *dues->items);
        dues->capacity = capacity;
    }
    dues->items[dues->count++] = *due;
    return TL_OK;
}

/* A window of the line. */
static enum tl_code add_row(struct slices *own, struct slice_key *key, int64_t end_ms, struct tl_err *err)
{
    return add_due(&own->due, &(struct due){.key = key, .newest = newest_of(own, end_ms), .end_ms = end_ms}, err);
}

static int by_end(const void *a, const void *b)
{
    const struct due *x = a, *y = b;

    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

/* The key's rows of windows behind after_ms, up to upto_ms. */
static enum tl_code add_between(struct tl_window *w, struct slice_key *key, int64_t after_ms, int64_t upto_ms, struct tl_err *err)
{
    struct slices *own = w->own;
    int64_t slide_ms = w->view->window.slide_ms;
    enum tl_code rc = TL_OK;

    TL_TRY(line_up(own, &key->key, err));
    for (int64_t end_ms = first_from(w, tl_add_sat_i64(after_ms, slide_ms), 0); end_ms <= upto_ms && end_ms != INT64_MAX;
         end_ms = first_from(w, end_ms + slide_ms, 0))
        TL_TRY(add_row(own, key, end_ms, err));
out:
    return rc;
}

static enum tl_code find_due(struct tl_window *w, struct slice_key *key, struct tl_err *err)
{
    struct slices *own = w->own;
    int64_t slide_ms = w->view->window.slide_ms, end_ms;
    bool changed = key->key.changed;
    enum tl_code rc = TL_OK;

    TL_TRY(line_up(own, &key->key, err));
    /* Fired before, not final, and a late row has come. */
    for (end_ms = first_from(w, tl_add_sat_i64(own->final_ms, slide_ms), PIECE_CHANGED);
         changed && end_ms <= own->fired_ms && end_ms != INT64_MAX; end_ms = first_from(w, end_ms + slide_ms, PIECE_CHANGED))
        TL_TRY(add_row(own, key, end_ms, err));
    line_rewind(own);
    /* All that fire now, and the next one. */
    for (end_ms = first_from(w, tl_add_sat_i64(own->fired_ms, slide_ms), 0); end_ms != INT64_MAX;
         end_ms = first_from(w, end_ms + slide_ms, 0)) {
        bool written = (key->key.marks & KEY_WRITTEN) != 0 && end_ms <= key->written_ms;

        if (changed || !written)
            TL_TRY(add_row(own, key, end_ms, err));
        if (end_ms <= own->next_fired_ms)
            continue;
        if ((key->key.marks & KEY_WRITTEN) != 0 &&
            key->written_ms > end_ms) /* a row has come before what was thought to be next */
            TL_TRY(add_due(&own->gone, &(struct due){.key = key, .end_ms = key->written_ms}, err));
        break;
    }
out:
    return rc;
}

static enum tl_code slice_advance(struct tl_window *w, struct tl_err *err)
{
    struct slices *own = w->own;
    enum tl_code rc = TL_OK;

    if (!own->resumed)
        resume(w);
    own->next_final_ms = last_upto(w, w->passed_ms, tl_window_fire_ms);
    own->next_fired_ms = w->passed_ms == INT64_MIN
                             ? INT64_MIN
                             : last_upto(w, tl_add_sat_i64(w->passed_ms, w->view->lateness_ms), tl_window_fire_ms);
    own->due.count = own->gone.count = 0;
    if (own->next_fired_ms > own->fired_ms) {
        for (uint32_t i = 0; i < own->pieces.table.count; i++)
            TL_TRY(find_due(w, (struct slice_key *)tl_pieces_at(&own->pieces, i), err));
    } else {
        for (uint32_t c = 0; c < own->pieces.changed_count; c++)
            TL_TRY(find_due(w, (struct slice_key *)own->pieces.changed[c], err));
    }
    if (own->due.count > 1)
        qsort(own->due.items, own->due.count, sizeof *own->due.items, by_end);
out:
    return rc;
}

/* ---- rows out ---- */

/* Puts the window together. Where one piece is all of it, its accumulators serve. */
static const void *fold(struct tl_window *w, const struct due *due)
{
    const struct slices *own = w->own;
    int64_t begun_ms = tl_add_sat_i64(due->end_ms, -span_of(w));
    const void *only = NULL;
    void *sum = NULL;

    for (const struct tl_piece *piece = due->newest; piece != NULL && piece->from_ms >= begun_ms; piece = piece->older) {
        const void *block = tl_piece_block(&own->pieces, piece);

        if (piece->to_ms < due->end_ms)
            continue;
        if (only == NULL) {
            only = block;
            continue;
        }
        if (sum == NULL && ((sum = tl_arena_zalloc(&w->scratch, w->layout.state_bytes + 1u)) == NULL ||
                            !tl_agg_merge(&w->layout, sum, only, &w->scratch)))
            return NULL;
        if (!tl_agg_merge(&w->layout, sum, block, &w->scratch))
            return NULL;
    }
    return sum != NULL ? sum : only;
}

static enum tl_code emit_due(struct tl_window *w, const struct due *due, struct tl_err *err)
{
    struct slices *own = w->own;
    struct tl_window_ref ref = {.start_ms = tl_window_start_instant(w, start_of(w, due->end_ms)),
                                .end_ms = tl_window_end_instant(w, due->end_ms)};

    ref.key = ref.row_key = tl_pieces_key_text(&own->pieces, &due->key->key);
    ref.block = fold(w, due);
    if (ref.block == NULL)
        return tl_fail_memory(err, w->layout.state_bytes);
    return tl_window_emit(w, &ref, err);
}

static enum tl_code slice_changed(struct tl_window *w, struct tl_err *err)
{
    const struct slices *own = w->own;
    enum tl_code rc = TL_OK;

    for (size_t d = 0; d < own->due.count; d++)
        TL_TRY(emit_due(w, &own->due.items[d], err));
out:
    return rc;
}

static enum tl_code slice_gone(struct tl_window *w, struct tl_err *err)
{
    struct slices *own = w->own;
    enum tl_code rc = TL_OK;

    for (size_t d = 0; d < own->gone.count; d++) {
        const struct due *gone = &own->gone.items[d];
        struct tl_sv text = tl_pieces_key_text(&own->pieces, &gone->key->key);
        struct tl_window_ref ref = {.start_ms = tl_window_start_instant(w, start_of(w, gone->end_ms)),
                                    .end_ms = tl_window_end_instant(w, gone->end_ms),
                                    .key = text,
                                    .row_key = text};

        TL_TRY(tl_window_emit_gone(w, &ref, err));
    }
out:
    return rc;
}

/* Windows behind after_ms, up to upto_ms, in order. */
static enum tl_code emit_between(struct tl_window *w, int64_t after_ms, int64_t upto_ms, struct tl_err *err)
{
    struct slices *own = w->own;
    size_t kept = own->due.count;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; upto_ms > after_ms && i < own->pieces.table.count; i++)
        TL_TRY(add_between(w, (struct slice_key *)tl_pieces_at(&own->pieces, i), after_ms, upto_ms, err));
    if (own->due.count > kept)
        qsort(own->due.items + kept, own->due.count - kept, sizeof *own->due.items, by_end);
    for (size_t d = kept; d < own->due.count; d++)
        TL_TRY(emit_due(w, &own->due.items[d], err));
out:
    own->due.count = kept;
    return rc;
}

static enum tl_code slice_finals(struct tl_window *w, struct tl_err *err)
{
    const struct slices *own = w->own;

    return emit_between(w, own->final_ms, own->next_final_ms, err);
}

static enum tl_code slice_states(struct tl_window *w, struct tl_err *err)
{
    struct slices *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        struct tl_sv text = tl_pieces_key_text(&own->pieces, own->pieces.changed[c]);

        for (const struct tl_piece *piece = own->pieces.changed[c]->newest; piece != NULL; piece = piece->older) {
            if ((piece->marks & PIECE_CHANGED) == 0)
                continue;
            tl_buf_clear(&w->key);
            tl_agg_save(&w->layout, tl_piece_block(&own->pieces, piece), &w->key);
            TL_TRY(tl_buf_check(&w->key, "accumulators", err));
            TL_TRY(tl_window_emit_state(w, piece->from_ms, piece->to_ms, text, tl_buf_sv(&w->key), err));
        }
    }
out:
    return rc;
}

static int64_t slice_states_upto_ms(const struct tl_window *w)
{
    return ((const struct slices *)w->own)->next_final_ms;
}

/* Pieces whose last window has passed. */
static void drop_passed(struct slices *own, int64_t upto_ms)
{
    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        struct tl_key *key = tl_pieces_at(&own->pieces, i);

        for (struct tl_piece **link = &key->newest; *link != NULL;) {
            if ((*link)->to_ms <= upto_ms)
                tl_pieces_drop(&own->pieces, key, link);
            else
                link = &(*link)->older;
        }
    }
}

static enum tl_code slice_settle(struct tl_window *w, struct tl_err *err)
{
    struct slices *own = w->own;
    bool moved;

    for (size_t d = 0; d < own->due.count; d++) { /* in order of end: the key's next window comes last */
        own->due.items[d].key->written_ms = own->due.items[d].end_ms;
        own->due.items[d].key->key.marks |= KEY_WRITTEN;
    }
    own->due.count = own->gone.count = 0;
    for (uint32_t c = 0; c < own->pieces.changed_count; c++)
        for (struct tl_piece *piece = own->pieces.changed[c]->newest; piece != NULL; piece = piece->older)
            piece->marks &= ~(uint32_t)PIECE_CHANGED;
    tl_pieces_settle(&own->pieces);
    if (own->next_final_ms > own->final_ms)
        drop_passed(own, own->next_final_ms);
    own->fired_ms = tl_max_i64(own->fired_ms, own->next_fired_ms);
    own->final_ms = tl_max_i64(own->final_ms, own->next_final_ms);
    return tl_pieces_tidy(&own->pieces, &moved, err);
}

/* ---- batch ---- */

static enum tl_code slice_retire(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    struct slices *own = w->own;
    int64_t last_ms = last_upto(w, upto_ms, tl_window_end_instant);
    enum tl_code rc = TL_OK;
    bool moved;

    tl_pieces_settle(&own->pieces); /* batch has no use for the marks of what has changed */
    if (last_ms <= own->final_ms)
        return TL_OK;
    TL_TRY(emit_between(w, own->final_ms, last_ms, err));
    TL_TRY(tl_window_flush(w, err));
    own->final_ms = last_ms;
    drop_passed(own, last_ms);
    TL_TRY(tl_pieces_tidy(&own->pieces, &moved, err));
out:
    return rc;
}

/* A piece of the range that ends becomes one of the next, together with what that has of the same windows. */
static enum tl_code join(struct tl_window *w, struct tl_key *key, struct tl_piece *piece, struct tl_err *err)
{
    struct slices *own = w->own;

    piece->segment = w->joined + 1;
    for (struct tl_piece **link = &key->newest; *link != NULL; link = &(*link)->older) {
        struct tl_piece *twin = *link;

        if (twin == piece || twin->from_ms != piece->from_ms || twin->to_ms != piece->to_ms || twin->segment != piece->segment)
            continue;
        if (!tl_agg_merge(&w->layout, tl_piece_block(&own->pieces, piece), tl_piece_block(&own->pieces, twin),
                          tl_table_arena(&own->pieces.table)))
            return tl_fail_memory(err, w->layout.state_bytes);
        tl_pieces_drop(&own->pieces, key, link);
        break;
    }
    return TL_OK;
}

/* Pieces (varint) and the last window that has retired (zigzag); each piece, in order of keys and oldest first: key, first and last window
 * (zigzag), accumulators. */
static enum tl_code slice_cut(struct tl_window *w, struct tl_buf *carry, struct tl_err *err)
{
    struct slices *own = w->own;
    uint64_t count = 0;
    uint32_t *order = NULL;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < own->pieces.table.count; i++)
        for (const struct tl_piece *piece = tl_pieces_at(&own->pieces, i)->newest; piece != NULL; piece = piece->older)
            count += piece->segment <= w->joined;
    if (count == 0)
        return TL_OK;
    tl_buf_put_varint(carry, count);
    tl_buf_put_zigzag(carry, own->final_ms);
    TL_TRY(tl_table_sorted(&own->pieces.table, &order, err));
    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        struct tl_key *key = tl_pieces_at(&own->pieces, order[i]);
        struct tl_sv text = tl_pieces_key_text(&own->pieces, key);

        TL_TRY(line_up(own, key, err));
        for (uint32_t p = 0; p < own->line_count; p++) {
            struct tl_piece *piece = own->line[p];

            if (piece->segment > w->joined)
                continue;
            tl_buf_put_block(carry, text);
            tl_buf_put_zigzag(carry, piece->from_ms);
            tl_buf_put_zigzag(carry, piece->to_ms);
            TL_TRY(tl_window_save_block(w, tl_piece_block(&own->pieces, piece), carry, err));
            TL_TRY(join(w, key, piece, err)); /* what goes with it lies behind the bound, and is not asked for here */
        }
    }
out:
    free(order);
    return rc;
}

/* Can a slice have these as its first and its last window? */
static bool may_be_piece(const struct tl_window *w, int64_t from_ms, int64_t to_ms)
{
    return tl_window_is_edge(w, from_ms) && tl_window_is_edge(w, to_ms) && from_ms <= to_ms && to_ms - from_ms <= span_of(w) &&
           (w->view->window.window == TL_WINDOW_HOP || start_of(w, from_ms) == start_of(w, to_ms));
}

static enum tl_code slice_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                               struct tl_err *err)
{
    struct slices *own = w->own;
    struct tl_key *entry;
    struct tl_piece *piece;
    int64_t written_ms;
    enum tl_code rc;

    if (!may_be_piece(w, start_ms, end_ms))
        return TL_ERR_CORRUPT;
    if ((entry = tl_pieces_key(&own->pieces, key)) == NULL ||
        (piece = piece_get(own, entry, start_ms, end_ms, w->joined)) == NULL)
        return tl_fail_memory(err, w->layout.state_bytes);
    if (!own->resumed)
        resume(w);
    rc = line_up(own, entry, err);
    if (rc != TL_OK)
        return rc;
    written_ms = first_from(w, tl_add_sat_i64(own->fired_ms, w->view->window.slide_ms), 0);
    if (written_ms != INT64_MAX) { /* else all of its windows have fired, and wait to be final */
        ((struct slice_key *)entry)->written_ms = written_ms;
        entry->marks |= KEY_WRITTEN;
    }
    return tl_window_load_block(w, bytes, tl_piece_block(&own->pieces, piece), tl_table_arena(&own->pieces.table), err);
}

static enum tl_code slice_restore(struct tl_window *w, struct tl_reader *reader, struct tl_err *err)
{
    struct slices *own = w->own;
    uint64_t count = tl_reader_varint(reader);
    enum tl_code rc = TL_OK;

    own->final_ms =
        tl_reader_zigzag(reader); /* that is the bound, or what reads sessions has a window that ends at it still open */
    if (own->final_ms != INT64_MIN && !tl_window_is_edge(w, own->final_ms))
        return TL_ERR_CORRUPT;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct tl_sv key = tl_reader_block(reader);
        int64_t from_ms = tl_reader_zigzag(reader), to_ms = tl_reader_zigzag(reader);
        struct tl_sv bytes = tl_reader_block(reader);

        if (!reader->failed)
            TL_TRY(slice_load(w, from_ms, to_ms, key, bytes, err));
    }
out:
    return rc;
}

const struct tl_window_ops tl_window_slice = {
    .open = slice_open,
    .close = slice_close,
    .reset = slice_reset,
    .push = slice_push,
    .merge = slice_merge,
    .advance = slice_advance,
    .finals = slice_finals,
    .states = slice_states,
    .gone = slice_gone,
    .changed = slice_changed,
    .settle = slice_settle,
    .states_upto_ms = slice_states_upto_ms,
    .load = slice_load,
    .retire = slice_retire,
    .cut = slice_cut,
    .restore = slice_restore,
    .groups = slice_groups,
    .bytes = slice_bytes,
};
