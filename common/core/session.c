/* session.c: sessions: rows of a key, each within the gap of another.
 *
 * A row at t opens [t, t + gap); what touches or overlaps is one session (TimeWindow.intersects: exactly a gap apart is one session). A
 * session fires when the watermark reaches its last millisecond; what has fired takes no more rows.
 *
 * Workers and the collector. A row is *ahead* when every session that it can touch is still open under the watermark that it is judged by:
 * t - 1 > W. Rows that are ahead may be put together in any order: two that touch are in one session, whenever they come. So a worker
 * makes fragments of them, and fragments are sessions. A row that is *behind* may touch a session that has fired, and whether another takes
 * it the worker cannot know: it is held, and the collector judges it, when all fragments of the tick are in, in the order of the watermarks:
 *
 *     touches an open session             joins it (and with it, others that are open)
 *     else, its own [t, t + gap) is open  a session of its own
 *     else                                late
 *
 *            fired          held row, W = 21
 *         [0 ------- 20)                              t = 18, gap 10: touches what has fired; its own end 28 lies ahead: [18, 28),
 *                        ?18 ------ 28                overlapping a published session, where batch has one [0, 28): session_split
 *
 * That the collector sees sessions as they are at the end of the tick does no harm: a session that had fired for the held row cannot have been
 * touched by a row that was ahead later, and one that was open can only have grown.
 * Sessions that have fired stay as shades, to tell a row that was split off from them (Flink has no counter for that): for twice the gap, and
 * then while an open session begins within a gap of their end, for one row may touch both, and be taken. A late row that touches two of
 * them would have made one of both: session_bridge.
 * A shade that no session keeps is forgotten for good. Late rows can take an open session back, a gap with each, and so to any that has ever
 * fired; to tell such a row from others, all shades would have to stay, for ever. Its line says only by which watermark it was judged, and
 * reconcile, which has all sessions, sees that it was split off (serving/cause.h).
 *
 *     [0 --- 10)                      [30 ---- 40)        W = 30, gap 10: [0, 10) is forgotten, for the open session begins behind 20
 *                         ?20 ------ 30                   is taken: [20, 40)
 *               ?10 ------ 20                             is taken: [10, 40); that it touches [0, 10) too, nobody knows here
 *
 * Ticks sweep shades away, but must not decide what the ledger says. So before a row is judged that can take a session back, what no session has kept
 * until then is marked as forgotten, swept away or not. Only such a row makes a difference: one that is ahead, or that is open by itself, begins too
 * late to bring an old shade within reach.
 *
 * A late row that an open session would have taken, or that would have opened one, had no idle partition been left out of the watermark, is late for
 * that alone: fired_by_idle. Old shades cannot tell. What bridges sessions stays a bridge, and what is split off a split.
 *
 * In batch nothing is late: all rows are ahead, and sessions on two sides of a bound stay apart until it is cut. */
#include <stdlib.h>
#include <string.h>

#include "core/due.h"
#include "core/held.h"
#include "core/pieces.h"
#include "core/window_kind.h"

/* What a session's piece adds: the row that the store has of it. */
struct stored {
    int64_t from_ms, to_ms; /* on the wall clock */
};

enum {
    PIECE_STORED = 1,    /* `stored` says which row the store has */
    PIECE_CHANGED = 2,   /* since that row was written */
    PIECE_SHADE = 4,     /* has fired */
    PIECE_FORGOTTEN = 8, /* has fired, and tells nothing any more: it is not saved */
    KEY_NESTED = 1,      /* one of its sessions may lie within another */
};

struct sessions {
    struct tl_pieces pieces;
    struct tl_due due; /* when a key's session may have fired, or its shade may go: on the wall clock, in ends of sessions */
    struct tl_held held;
    /* Rows of the store that are no more; the sessions that fired with the last advance. */
    struct tl_window_ref *gone;
    size_t gone_count, gone_capacity;
    struct tl_piece **fired;
    struct tl_key **fired_key;
    size_t fired_count, fired_capacity;
    const struct tl_piece **line; /* of one key, while its state is put */
    uint32_t line_capacity;
};

static enum tl_code session_open(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own = calloc(1, sizeof *own);

    if (own == NULL)
        return tl_fail_memory(err, sizeof *own);
    tl_pieces_init(&own->pieces, &w->layout, sizeof(struct tl_key), sizeof(struct stored));
    tl_held_init(&own->held);
    return TL_OK;
}

static void session_close(struct tl_window *w)
{
    struct sessions *own = w->own;

    tl_pieces_done(&own->pieces);
    tl_held_done(&own->held);
    tl_due_done(&own->due);
    free(own->gone);
    free(own->fired);
    free(own->fired_key);
    free(own->line);
    free(own);
}

static void session_reset(struct tl_window *w)
{
    struct sessions *own = w->own;

    tl_pieces_reset(&own->pieces);
    tl_held_clear(&own->held);
    tl_due_reset(&own->due);
    own->gone_count = own->fired_count = 0;
}

static uint64_t session_groups(const struct tl_window *w)
{
    const struct sessions *own = w->own;

    return own->pieces.count + own->held.count;
}

static size_t session_bytes(const struct tl_window *w)
{
    const struct sessions *own = w->own;

    return sizeof *own + tl_pieces_bytes(&own->pieces) + tl_held_bytes(&own->held) + tl_due_bytes(&own->due) +
           own->gone_capacity * sizeof *own->gone + own->fired_capacity * (sizeof(struct tl_piece *) + sizeof(struct tl_key *)) +
           own->line_capacity * sizeof(struct tl_piece *);
}

/* ---- who waits for what ---- */

static int64_t gap_of(const struct tl_window *w)
{
    return w->view->window.size_ms;
}

/* The shade of a session that ended here is of no more use. */
static int64_t shade_end(const struct tl_window *w, const struct tl_piece *piece)
{
    return tl_add_sat_i64(piece->to_ms, 2 * gap_of(w));
}

/* Has it fired for who is judged by this? */
static bool has_fired(const struct tl_window *w, const struct tl_piece *piece, int64_t passed_ms)
{
    return (piece->marks & PIECE_SHADE) != 0 || (passed_ms != INT64_MIN && tl_window_fire_ms(w, piece->to_ms) <= passed_ms);
}

/* The end of a session, open under `passed_ms`, that a row could join and touch the shade as well; INT64_MIN: there is none. Shades are asked for
 * in order of the list: `at` is how far the search has come along it. */
static int64_t kept_by(const struct tl_window *w, const struct tl_key *key, const struct tl_piece *shade, int64_t passed_ms,
                       const struct tl_piece **at)
{
    int64_t upto_ms = tl_add_sat_i64(shade->to_ms, gap_of(w)), end_ms = INT64_MIN;

    if (!(key->marks & KEY_NESTED)) {
        while (*at != NULL && (has_fired(w, *at, passed_ms) || (*at)->from_ms > upto_ms))
            *at = (*at)->older;
        return *at != NULL ? (*at)->to_ms : INT64_MIN;
    }
    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        if (!has_fired(w, piece, passed_ms) && piece->from_ms <= upto_ms)
            end_ms = tl_max_i64(end_ms, piece->to_ms);
    return end_ms;
}

/* When the key's first piece fires, or its first shade goes. INT64_MAX: it has none. */
static int64_t due_ms(const void *ctx, const struct tl_key *key)
{
    const struct tl_window *w = ctx;
    const struct tl_piece *at = key->newest;
    int64_t due_ms = INT64_MAX;

    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older) {
        int64_t piece_ms = piece->to_ms;

        if (piece->marks & PIECE_SHADE)
            piece_ms = tl_max_i64(shade_end(w, piece), kept_by(w, key, piece, INT64_MIN, &at));
        due_ms = tl_min_i64(due_ms, piece_ms);
    }
    return due_ms;
}

/* The key has a new piece. One that is due already is looked at in time, unless the piece ends before all others. */
static bool make_due(struct tl_window *w, struct tl_key *key, const struct tl_piece *piece)
{
    struct sessions *own = w->own;

    for (const struct tl_piece *other = key->newest; other != NULL && tl_due_is(key); other = other->older)
        if (other != piece && !(other->marks & PIECE_SHADE) && other->to_ms <= piece->to_ms)
            return true;
    return tl_due_put(&own->due, piece->to_ms, key);
}

/* ---- sessions ---- */

static bool touches(const struct tl_piece *piece, int64_t from_ms, int64_t to_ms)
{
    return piece->from_ms <= to_ms && piece->to_ms >= from_ms;
}

static bool note_gone(struct tl_window *w, const struct tl_key *key, const struct tl_piece *piece)
{
    struct sessions *own = w->own;
    const struct stored *stored = tl_piece_extra(piece);
    struct tl_sv text = tl_pieces_key_text(&own->pieces, key);

    if (own->gone_count == own->gone_capacity) {
        size_t capacity = own->gone_capacity * 2 + 16;

        if (!TL_RESIZE(own->gone, capacity))
            return false;
        own->gone_capacity = capacity;
    }
    own->gone[own->gone_count++] = (struct tl_window_ref){.start_ms = tl_window_start_instant(w, stored->from_ms),
                                                          .end_ms = tl_window_end_instant(w, stored->to_ms),
                                                          .key = text,
                                                          .row_key = text};
    return true;
}

/* A key's list is in order of ends too, so a search stops at the first piece that ends before what is looked for. Not so where one lies within
 * another: a session that was split off from one that has fired can be taken back beyond its beginning. Then all of the list is searched. */
static bool is_behind(const struct tl_key *key, const struct tl_piece *piece, int64_t from_ms)
{
    return piece->to_ms < from_ms && !(key->marks & KEY_NESTED);
}

/* Where in the key's list [from, to) is to stand. */
static struct tl_piece **place_of(struct tl_key *key, int64_t from_ms, int64_t to_ms)
{
    struct tl_piece **link = &key->newest;
    const struct tl_piece *newer = NULL;

    for (; *link != NULL && ((*link)->from_ms > from_ms || ((*link)->from_ms == from_ms && (*link)->to_ms > to_ms));
         link = &(*link)->older)
        newer = *link;
    if (key->newest == NULL)
        key->marks &= ~(uint32_t)KEY_NESTED;
    if ((newer != NULL && newer->to_ms < to_ms) || (*link != NULL && (*link)->to_ms > to_ms))
        key->marks |= KEY_NESTED;
    return link;
}

/* Puts a piece back in its place after its bounds have changed. */
static void reorder(struct tl_key *key, struct tl_piece *piece)
{
    struct tl_piece **link = &key->newest;

    while (*link != piece)
        link = &(*link)->older;
    *link = piece->older;
    link = place_of(key, piece->from_ms, piece->to_ms);
    piece->older = *link;
    *link = piece;
}

/* The session that takes [from, to): one that touches it and is open under `passed_ms`, grown to hold both, and made one with others that then
 * touch it; or a new one. NULL: out of memory. What was taken and not stepped must be stepped before: blocks may go. */
static struct tl_piece *session_of(struct tl_window *w, struct tl_key *key, int64_t from_ms, int64_t to_ms, uint32_t segment,
                                   int64_t passed_ms)
{
    struct sessions *own = w->own;
    struct tl_piece *session = NULL;

    for (struct tl_piece **link = &key->newest; *link != NULL && !is_behind(key, *link, from_ms);) {
        struct tl_piece *piece = *link;

        if (piece->segment != segment || !touches(piece, from_ms, to_ms) || has_fired(w, piece, passed_ms)) {
            link = &piece->older;
            continue;
        }
        from_ms = tl_min_i64(from_ms, piece->from_ms);
        to_ms = tl_max_i64(to_ms, piece->to_ms);
        if (session == NULL) {
            session = piece;
            link = &piece->older;
            continue;
        }
        if (!tl_agg_merge(&w->layout, tl_piece_block(&own->pieces, session), tl_piece_block(&own->pieces, piece),
                          tl_table_arena(&own->pieces.table)))
            return NULL;
        if ((piece->marks & PIECE_STORED) && !note_gone(w, key, piece))
            return NULL;
        tl_pieces_drop(&own->pieces, key, link);
    }
    if (session == NULL) {
        session = tl_pieces_insert(&own->pieces, key, place_of(key, from_ms, to_ms), from_ms, to_ms, segment);
        return session != NULL && make_due(w, key, session) ? session : NULL;
    }
    if (session->from_ms != from_ms || session->to_ms != to_ms) {
        session->from_ms = from_ms;
        session->to_ms = to_ms;
        reorder(key, session);
    }
    return session;
}

/* ---- rows in ---- */

/* False: out of memory. */
static bool hold_row(struct tl_window *w, const struct tl_window_rows *in, uint32_t row, int64_t local_ms, int64_t watermark_ms)
{
    struct sessions *own = w->own;
    struct tl_held_row given = {.time_ms = local_ms,
                                .passed_ms = tl_window_passed_ms(w, watermark_ms),
                                .patient_ms = tl_window_passed_ms(w, in->patient_ms != NULL ? in->patient_ms[row] : watermark_ms),
                                .key = tl_buf_sv(&w->key)};
    struct tl_held_row *held;

    given.line = (struct tl_ledger_line){.partition = in->agg.partition != NULL ? in->agg.partition[row] : in->agg.partition_all,
                                         .row = in->agg.number[row],
                                         .offset = in->agg.offset[row],
                                         .flags = in->flags != NULL ? in->flags[row] : 0,
                                         .watermark_ms = watermark_ms,
                                         .event_time_ms = in->time_ms[row]};
    if ((held = tl_held_add(&own->held, &given, &w->layout)) == NULL)
        return false;
    tl_window_take(w, row, held->block, &own->held.memory);
    return true;
}

/* Would the row make one session of two? Then the blocks of rows that were taken before it may go. */
static bool would_join(const struct tl_key *key, int64_t from_ms, int64_t to_ms)
{
    uint32_t touched = 0;

    for (const struct tl_piece *piece = key->newest; piece != NULL && !is_behind(key, piece, from_ms); piece = piece->older)
        touched += touches(piece, from_ms, to_ms);
    return touched > 1;
}

static enum tl_code session_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                                 struct tl_err *err)
{
    struct sessions *own = w->own;
    int64_t gap_ms = gap_of(w);
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t from_ms = tl_window_local_ms(w, in->time_ms[row]), to_ms = tl_add_sat_i64(from_ms, gap_ms);
        int64_t watermark_ms = in->judged_ms != NULL ? in->judged_ms[row] : INT64_MIN, passed_ms;
        struct tl_piece *session;
        struct tl_key *key;

        if (!tl_window_encode_key(w, in->keys, row))
            return tl_fail_memory(err, w->key.size);
        if (in->wanted != NULL && !in->wanted(in->wanted_ctx, row, in->time_ms[row], tl_window_end_instant(w, to_ms),
                                              tl_buf_sv(&w->key), &watermark_ms))
            continue;
        passed_ms = tl_window_passed_ms(w, watermark_ms);
        if (passed_ms != INT64_MIN && tl_window_fire_ms(w, from_ms) <= passed_ms) {
            verdict->held_count++;
            if (!hold_row(w, in, row, from_ms, watermark_ms))
                return tl_fail_memory(err, sizeof(struct tl_held_row));
            continue;
        }
        key = tl_pieces_key(&own->pieces, tl_buf_sv(&w->key));
        if (key == NULL)
            return tl_fail_memory(err, w->key.size);
        if (would_join(key, from_ms, to_ms))
            TL_TRY(tl_window_step(w, in, err));
        session = session_of(w, key, from_ms, to_ms, tl_window_segment(w, in, row), INT64_MIN);
        if (session == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        tl_window_take(w, row, tl_piece_block(&own->pieces, session), tl_table_arena(&own->pieces.table));
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

/* Adds accumulators to the session that takes [from, to). */
static enum tl_code add_to(struct tl_window *w, struct tl_sv text, int64_t from_ms, int64_t to_ms, uint32_t segment,
                           int64_t passed_ms, const void *block, struct tl_err *err)
{
    struct sessions *own = w->own;
    struct tl_key *key = tl_pieces_key(&own->pieces, text);
    struct tl_piece *session = key != NULL ? session_of(w, key, from_ms, to_ms, segment, passed_ms) : NULL;

    if (session == NULL || !tl_pieces_mark(&own->pieces, key) ||
        !tl_agg_merge(&w->layout, tl_piece_block(&own->pieces, session), block, tl_table_arena(&own->pieces.table)))
        return tl_fail_memory(err, w->layout.state_bytes);
    session->marks |= PIECE_CHANGED;
    return TL_OK;
}

/* Takes the key's list and turns it around: each that is put into another list in this order has its place at the head of it. */
static struct tl_piece *take_oldest_first(struct tl_key *key)
{
    struct tl_piece *oldest = NULL;

    while (key->newest != NULL) {
        struct tl_piece *piece = key->newest;

        key->newest = piece->older;
        piece->older = oldest;
        oldest = piece;
    }
    return oldest;
}

static enum tl_code session_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    struct sessions *part = from->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < part->pieces.table.count; i++) {
        struct tl_key *key = tl_pieces_at(&part->pieces, i);
        struct tl_sv text = tl_pieces_key_text(&part->pieces, key);

        for (const struct tl_piece *piece = take_oldest_first(key); piece != NULL; piece = piece->older)
            TL_TRY(add_to(into, text, piece->from_ms, piece->to_ms, piece->segment > into->joined ? piece->segment : into->joined,
                          INT64_MIN, tl_piece_block(&part->pieces, piece), err));
    }
    if (!tl_held_merge(&((struct sessions *)into->own)->held, &part->held, &into->layout))
        TL_TRY(tl_fail_memory(err, into->layout.state_bytes));
out:
    return rc;
}

/* ---- judging what was held ---- */

/* Of the shades that a row at `from_ms` may bring within a session's reach, those that none has kept until now. */
static void forget(const struct tl_window *w, const struct tl_key *key, int64_t from_ms, int64_t passed_ms)
{
    const struct tl_piece *at = key->newest;

    from_ms = tl_add_sat_i64(from_ms, -gap_of(w));
    for (struct tl_piece *piece = key->newest; piece != NULL && !is_behind(key, piece, from_ms); piece = piece->older)
        if (has_fired(w, piece, passed_ms) && tl_window_fire_ms(w, shade_end(w, piece)) <= passed_ms &&
            kept_by(w, key, piece, passed_ms, &at) == INT64_MIN)
            piece->marks |= PIECE_FORGOTTEN;
}

static enum tl_code judge(struct tl_window *w, const struct tl_held_row *held, struct tl_err *err)
{
    struct sessions *own = w->own;
    int64_t from_ms = held->time_ms, to_ms = tl_add_sat_i64(from_ms, gap_of(w));
    const struct tl_key *key = tl_pieces_key(&own->pieces, held->key);
    struct tl_ledger_line line = held->line;
    uint32_t fired = 0, old = 0, open = 0; /* old: may be swept away at any tick, unless an open session keeps them */
    bool taken, alone = tl_window_fire_ms(w, to_ms) > held->passed_ms; /* alone: it would open a session */
    bool awaited = tl_window_fire_ms(w, to_ms) > held->patient_ms;     /* it would have been taken, had nobody been left out */
    enum tl_code rc = TL_OK;

    if (key == NULL)
        return tl_fail_memory(err, held->key.size);
    if (!alone && !w->options.whole)
        forget(w, key, from_ms, held->passed_ms);
    for (const struct tl_piece *piece = key->newest; piece != NULL && !is_behind(key, piece, from_ms); piece = piece->older) {
        if (!touches(piece, from_ms, to_ms) || (piece->marks & PIECE_FORGOTTEN))
            continue;
        if (!has_fired(w, piece, held->passed_ms))
            open++;
        else if (tl_window_fire_ms(w, shade_end(w, piece)) > held->passed_ms) {
            fired++;
            awaited = awaited || tl_window_fire_ms(w, piece->to_ms) > held->patient_ms;
        } else
            old++;
    }
    taken = open > 0 || alone;
    w->outcomes[taken ? TL_OUT_COUNTED : TL_OUT_LATE]++;
    if (taken)
        TL_TRY(add_to(w, held->key, from_ms, to_ms, w->joined, held->passed_ms, held->block, err));
    if (open > 0)
        fired += old;
    if (alone && fired == 0)
        return TL_OK;
    if (taken) /* without a cause: reconcile needs the watermark of a row that only an open session took, for by itself it would have fired */
        line.cause = fired > 0 ? TL_CAUSE_SESSION_SPLIT : TL_CAUSE_NONE;
    else
        line.cause = fired > 1 ? TL_CAUSE_SESSION_BRIDGE : awaited ? TL_CAUSE_FIRED_BY_IDLE : TL_CAUSE_LATE_DROP;
    TL_TRY(tl_window_note_judged(w, &line, err));
out:
    return rc;
}

/* ---- firing ---- */

static bool note_fired(struct sessions *own, struct tl_key *key, struct tl_piece *piece)
{
    if (own->fired_count == own->fired_capacity) {
        size_t capacity = own->fired_capacity * 2 + 64;

        if (!TL_RESIZE(own->fired, capacity) || !TL_RESIZE(own->fired_key, capacity))
            return false;
        own->fired_capacity = capacity;
    }
    own->fired[own->fired_count] = piece;
    own->fired_key[own->fired_count++] = key;
    return true;
}

static enum tl_code look_at(struct tl_window *w, struct tl_key *key, struct tl_err *err)
{
    struct sessions *own = w->own;
    const struct tl_piece *at;

    if (!tl_due_is(key)) /* it was in twice */
        return TL_OK;
    at = key->newest;
    for (struct tl_piece **link = &key->newest; *link != NULL;) {
        struct tl_piece *piece = *link;

        if (!(piece->marks & PIECE_SHADE) && tl_window_fire_ms(w, piece->to_ms) <= w->passed_ms) {
            piece->marks |= PIECE_SHADE;
            if (!note_fired(own, key, piece))
                return tl_fail_memory(err, sizeof(struct tl_piece *));
        }
        if (!(piece->marks & PIECE_SHADE) || (piece->marks & PIECE_CHANGED) ||
            tl_window_fire_ms(w, shade_end(w, piece)) > w->passed_ms ||
            (!(piece->marks & PIECE_FORGOTTEN) && kept_by(w, key, piece, w->passed_ms, &at) != INT64_MIN)) {
            link = &piece->older;
            continue;
        }
        tl_pieces_drop(&own->pieces, key, link);
        if (!tl_pieces_mark(&own->pieces, key)) /* its state is to be written anew */
            return tl_fail_memory(err, sizeof *key);
    }
    if (!tl_due_looked(&own->due, key))
        return tl_fail_memory(err, sizeof key);
    return TL_OK;
}

static enum tl_code session_advance(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    tl_held_sort(&own->held);
    for (size_t h = 0; h < own->held.count; h++)
        TL_TRY(judge(w, &own->held.rows[h], err));
    tl_held_clear(&own->held);
    own->fired_count = 0;
    while (own->due.count > 0 && w->passed_ms != INT64_MIN && tl_window_fire_ms(w, own->due.items[0].at_ms) <= w->passed_ms)
        TL_TRY(look_at(w, tl_due_take(&own->due), err));
    if (!tl_due_again(&own->due, due_ms, w))
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_due_item)));
out:
    return rc;
}

/* ---- rows out ---- */

static enum tl_code emit_session(struct tl_window *w, const struct tl_key *key, const struct tl_piece *piece, struct tl_err *err)
{
    const struct sessions *own = w->own;
    struct tl_window_ref ref = {.start_ms = tl_window_start_instant(w, piece->from_ms),
                                .end_ms = tl_window_end_instant(w, piece->to_ms),
                                .block = tl_piece_block(&own->pieces, piece)};

    ref.key = ref.row_key = tl_pieces_key_text(&own->pieces, key);
    return tl_window_emit(w, &ref, err);
}

static enum tl_code session_finals(struct tl_window *w, struct tl_err *err)
{
    const struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    for (size_t f = 0; f < own->fired_count; f++)
        TL_TRY(emit_session(w, own->fired_key[f], own->fired[f], err));
out:
    return rc;
}

/* The row that the store has of a changed session goes, where its bounds have changed. */
static enum tl_code session_gone(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    for (size_t g = 0; g < own->gone_count; g++)
        TL_TRY(tl_window_emit_gone(w, &own->gone[g], err));
    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        struct tl_sv text = tl_pieces_key_text(&own->pieces, own->pieces.changed[c]);

        for (const struct tl_piece *piece = own->pieces.changed[c]->newest; piece != NULL; piece = piece->older) {
            const struct stored *stored = tl_piece_extra(piece);
            struct tl_window_ref ref = {.start_ms = tl_window_start_instant(w, stored->from_ms),
                                        .end_ms = tl_window_end_instant(w, stored->to_ms),
                                        .key = text,
                                        .row_key = text};

            if ((piece->marks & PIECE_STORED) && (piece->marks & PIECE_CHANGED) &&
                (stored->from_ms != piece->from_ms || stored->to_ms != piece->to_ms))
                TL_TRY(tl_window_emit_gone(w, &ref, err));
        }
    }
out:
    return rc;
}

static enum tl_code session_changed(struct tl_window *w, struct tl_err *err)
{
    const struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; c < own->pieces.changed_count; c++)
        for (const struct tl_piece *piece = own->pieces.changed[c]->newest; piece != NULL; piece = piece->older)
            if (piece->marks & PIECE_CHANGED)
                TL_TRY(emit_session(w, own->pieces.changed[c], piece, err));
out:
    return rc;
}

static bool has_open(const struct tl_key *key, uint32_t segment)
{
    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
        if (piece->segment <= segment)
            return true;
    return false;
}

/* A key's sessions up to the present range, oldest first: start, end (zigzag), accumulators as a block; shades too, for a restart sees by their
 * end that they have fired. Nothing: the key has gone. */
static enum tl_code put_state(struct tl_window *w, const struct tl_key *key, struct tl_buf *out, struct tl_err *err)
{
    struct sessions *own = w->own;
    uint32_t count = 0;
    enum tl_code rc = TL_OK;

    for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older) {
        if (piece->segment > w->joined || (piece->marks & PIECE_FORGOTTEN))
            continue;
        if (count == own->line_capacity) {
            uint32_t capacity = own->line_capacity * 2 + 64;

            if (!TL_RESIZE(own->line, capacity))
                return tl_fail_memory(err, capacity * sizeof *own->line);
            own->line_capacity = capacity;
        }
        own->line[count++] = piece;
    }
    while (count-- > 0) {
        tl_buf_put_zigzag(out, own->line[count]->from_ms);
        tl_buf_put_zigzag(out, own->line[count]->to_ms);
        TL_TRY(tl_window_save_block(w, tl_piece_block(&own->pieces, own->line[count]), out, err));
    }
out:
    return rc;
}

static enum tl_code session_states(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own;
    struct tl_buf bytes;
    enum tl_code rc = TL_OK;

    tl_buf_init(&bytes, 0);
    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        tl_buf_clear(&bytes);
        TL_TRY(put_state(w, own->pieces.changed[c], &bytes, err));
        TL_TRY(tl_buf_check(&bytes, "sessions", err));
        TL_TRY(tl_window_emit_state(w, 0, INT64_MAX, tl_pieces_key_text(&own->pieces, own->pieces.changed[c]), tl_buf_sv(&bytes),
                                    err));
    }
out:
    tl_buf_done(&bytes);
    return rc;
}

static enum tl_code tidy(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own;
    bool moved;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_pieces_tidy(&own->pieces, &moved, err));
    if (moved && !tl_due_anew(&own->due, &own->pieces, due_ms, w)) /* keys have other addresses */
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_due_item)));
out:
    return rc;
}

static enum tl_code session_settle(struct tl_window *w, struct tl_err *err)
{
    struct sessions *own = w->own;

    for (uint32_t c = 0; c < own->pieces.changed_count; c++) {
        for (struct tl_piece *piece = own->pieces.changed[c]->newest; piece != NULL; piece = piece->older) {
            if (!(piece->marks & PIECE_CHANGED))
                continue;
            *(struct stored *)tl_piece_extra(piece) = (struct stored){piece->from_ms, piece->to_ms};
            piece->marks = (piece->marks & ~(uint32_t)PIECE_CHANGED) | PIECE_STORED;
        }
    }
    tl_pieces_settle(&own->pieces);
    own->gone_count = own->fired_count = 0;
    return tidy(w, err);
}

/* One session of a key, from a state or a carry. */
static enum tl_code load_session(struct tl_window *w, struct tl_sv text, struct tl_reader *reader, bool is_stored,
                                 struct tl_err *err)
{
    struct sessions *own = w->own;
    int64_t from_ms = tl_reader_zigzag(reader), to_ms = tl_reader_zigzag(reader);
    struct tl_sv bytes = tl_reader_block(reader);
    struct tl_key *key;
    struct tl_piece *piece;

    if (reader->failed || !tl_window_is_time(w, from_ms) || !tl_window_is_time(w, to_ms) ||
        to_ms < tl_add_sat_i64(from_ms, gap_of(w)))
        return TL_ERR_CORRUPT;
    if ((key = tl_pieces_key(&own->pieces, text)) == NULL ||
        (piece = tl_pieces_insert(&own->pieces, key, place_of(key, from_ms, to_ms), from_ms, to_ms, w->joined)) == NULL)
        return tl_fail_memory(err, w->layout.state_bytes);
    if (is_stored) {
        *(struct stored *)tl_piece_extra(piece) = (struct stored){from_ms, to_ms};
        piece->marks = PIECE_STORED;
        if (w->settled_ms != INT64_MIN && tl_window_fire_ms(w, to_ms) <= w->settled_ms)
            piece->marks |= PIECE_SHADE;
    }
    if (!tl_due_put(&own->due, due_ms(w, key), key))
        return tl_fail_memory(err, sizeof(struct tl_due_item));
    return tl_window_load_block(w, bytes, tl_piece_block(&own->pieces, piece), tl_table_arena(&own->pieces.table), err);
}

static enum tl_code session_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                                 struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    enum tl_code rc = TL_OK;

    (void)start_ms;
    (void)end_ms;
    while (!tl_reader_at_end(&reader))
        TL_TRY(load_session(w, key, &reader, true, err));
out:
    return rc;
}

/* ---- batch ---- */

static enum tl_code retire_key(struct tl_window *w, struct tl_key *key, int64_t upto_ms, struct tl_err *err)
{
    struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    if (!tl_due_is(key))
        return TL_OK;
    for (struct tl_piece **link = &key->newest; *link != NULL;) {
        if (tl_window_end_instant(w, (*link)->to_ms) >= upto_ms) {
            link = &(*link)->older;
            continue;
        }
        TL_TRY(emit_session(w, key, *link, err));
        tl_pieces_drop(&own->pieces, key, link); /* its bytes stay until the rows are out */
    }
    if (!tl_due_looked(&own->due, key))
        TL_TRY(tl_fail_memory(err, sizeof key));
out:
    return rc;
}

static enum tl_code session_retire(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    tl_pieces_settle(&own->pieces); /* batch has no use for the marks of what has changed */
    own->gone_count = 0;
    while (own->due.count > 0 && tl_window_end_instant(w, own->due.items[0].at_ms) < upto_ms)
        TL_TRY(retire_key(w, tl_due_take(&own->due), upto_ms, err));
    if (!tl_due_again(&own->due, due_ms, w))
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_due_item)));
    TL_TRY(tl_window_flush(w, err));
    TL_TRY(tidy(w, err));
out:
    return rc;
}

/* Sessions of the range that ends become ones of the next, together with those that they touch there. */
static enum tl_code join(struct tl_window *w, struct tl_key *key, struct tl_err *err)
{
    for (struct tl_piece *piece = key->newest; piece != NULL;) {
        if (piece->segment > w->joined) {
            piece = piece->older;
            continue;
        }
        piece->segment = w->joined + 1;
        if (session_of(w, key, piece->from_ms, piece->to_ms, piece->segment, INT64_MIN) == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        piece = key->newest; /* the list may be another */
    }
    return TL_OK;
}

static int by_text(const void *a, const void *b, void *pieces)
{
    return tl_sv_cmp(tl_pieces_key_text(pieces, *(struct tl_key *const *)a),
                     tl_pieces_key_text(pieces, *(struct tl_key *const *)b));
}

/* Keys (varint); each, in order: key as a block, its sessions as a block of the form of a state. */
static enum tl_code session_cut(struct tl_window *w, struct tl_buf *carry, struct tl_err *err)
{
    struct sessions *own = w->own;
    bool is_last = w->joined + 1 == w->options.ranges_count;
    struct tl_key **open = NULL;
    size_t count = 0, capacity = 0;
    struct tl_buf bytes;
    enum tl_code rc = TL_OK;

    tl_buf_init(&bytes, 0);
    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        struct tl_key *key = tl_pieces_at(&own->pieces, i);

        if (!has_open(key, w->joined))
            continue;
        if (count == capacity && !TL_RESIZE(open, capacity = capacity * 2 + 64))
            TL_TRY(tl_fail_memory(err, capacity * sizeof *open));
        open[count++] = key;
    }
    if (count == 0)
        goto out;
    qsort_r(open, count, sizeof *open, by_text, &own->pieces);
    tl_buf_put_varint(carry, count);
    for (size_t i = 0; i < count; i++) {
        tl_buf_clear(&bytes);
        TL_TRY(put_state(w, open[i], &bytes, err));
        TL_TRY(tl_buf_check(&bytes, "sessions", err));
        tl_buf_put_block(carry, tl_pieces_key_text(&own->pieces, open[i]));
        tl_buf_put_block(carry, tl_buf_sv(&bytes));
        if (!is_last)
            TL_TRY(join(w, open[i], err));
    }
out:
    free(open);
    tl_buf_done(&bytes);
    return rc;
}

static enum tl_code session_open_rows(struct tl_window *w, struct tl_err *err)
{
    const struct sessions *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < own->pieces.table.count; i++) {
        const struct tl_key *key = tl_pieces_at(&own->pieces, i);

        for (const struct tl_piece *piece = key->newest; piece != NULL; piece = piece->older)
            TL_TRY(emit_session(w, key, piece, err));
    }
out:
    return rc;
}

static enum tl_code session_restore(struct tl_window *w, struct tl_reader *reader, struct tl_err *err)
{
    uint64_t keys = tl_reader_varint(reader);
    enum tl_code rc = TL_OK;

    for (uint64_t k = 0; k < keys && !reader->failed; k++) {
        struct tl_sv key = tl_reader_block(reader);
        struct tl_reader sessions = tl_reader_of(tl_reader_block(reader));

        while (!reader->failed && !tl_reader_at_end(&sessions))
            TL_TRY(load_session(w, key, &sessions, false, err));
    }
out:
    return rc;
}

const struct tl_window_ops tl_window_session = {
    .open = session_open,
    .close = session_close,
    .reset = session_reset,
    .push = session_push,
    .merge = session_merge,
    .advance = session_advance,
    .finals = session_finals,
    .states = session_states,
    .gone = session_gone,
    .changed = session_changed,
    .settle = session_settle,
    .load = session_load,
    .retire = session_retire,
    .cut = session_cut,
    .open_rows = session_open_rows,
    .restore = session_restore,
    .groups = session_groups,
    .bytes = session_bytes,
};
