/* window_kind.h: what the kinds of windows share, and what each of them is: for window.c and its kinds alone.
 *
 * Inside, windows are told by their wall clock (as if it were UTC); `zone` makes instants of it. In UTC both are the same. */
#ifndef TL_WINDOW_KIND_H
#define TL_WINDOW_KIND_H

#include "core/window.h"
#include "event/timestamp.h"
#include "event/zone.h"

#ifdef TL_TINY
enum { TL_WINDOW_CHUNK_ROWS = 2 };
#else
enum { TL_WINDOW_CHUNK_ROWS = 1024 };
#endif

/* A row on its way out; the block (its accumulators) and the key stay until the chunk is flushed. */
struct tl_window_ref {
    int64_t start_ms, end_ms; /* instants; what expressions see is the wall clock that these show */
    struct tl_sv key;         /* the group's, as bytes */
    struct tl_sv row_key;     /* the row's identity: the key, and what a kind adds to it; INNER with rows: as given */
    const void *block;
    const struct tl_value *values; /* INNER with rows: the view's outputs; else NULL */
    bool by_count;                 /* COUNT: closed by its last row */
};

/* The calls of one kind; see window.h for what they mean. NULL: nothing to do. */
struct tl_window_ops {
    enum tl_code (*open)(struct tl_window *w, struct tl_err *err);
    void (*close)(struct tl_window *w);
    void (*reset)(struct tl_window *w);
    enum tl_code (*push)(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                         struct tl_err *err);
    enum tl_code (*merge)(struct tl_window *into, struct tl_window *from, struct tl_err *err);
    enum tl_code (*advance)(struct tl_window *w, struct tl_err *err); /* w->passed_ms has been moved on */
    enum tl_code (*finals)(struct tl_window *w, struct tl_err *err);
    enum tl_code (*states)(struct tl_window *w, struct tl_err *err); /* through tl_window_emit_state */
    enum tl_code (*gone)(struct tl_window *w, struct tl_err *err);   /* through tl_window_emit_gone */
    enum tl_code (*changed)(struct tl_window *w, struct tl_err *err);
    enum tl_code (*settle)(struct tl_window *w, struct tl_err *err);
    enum tl_code (*load)(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                         struct tl_err *err);
    enum tl_code (*retire)(struct tl_window *w, int64_t upto_ms, struct tl_err *err);
    enum tl_code (*cut)(struct tl_window *w, struct tl_buf *carry, struct tl_err *err);
    enum tl_code (*open_rows)(struct tl_window *w, struct tl_err *err);
    enum tl_code (*restore)(struct tl_window *w, struct tl_reader *carry, struct tl_err *err);
    int64_t (*states_upto_ms)(const struct tl_window *w);
    uint64_t (*groups)(const struct tl_window *w);
    size_t (*bytes)(const struct tl_window *w);
};

extern const struct tl_window_ops tl_window_pane, tl_window_slice, tl_window_session, tl_window_count, tl_window_inner;

struct tl_window_out; /* window.c: the chunk of rows on its way out */

struct tl_window {
    const struct tl_view *view;
    const struct tl_window_ops *kind;
    void *own; /* of the kind */
    struct tl_window_options options;
    struct tl_arena arena; /* what lives as long as the window: layout, scratch columns */
    struct tl_agg_layout layout;
    struct tl_arena scratch;  /* reset with each chunk of rows that leaves */
    struct tl_zone_span span; /* of the zone, around the last time asked for */
    struct tl_assign assign;  /* where the rows come without */
    uint32_t joined;          /* bounds that are cut: rows of ranges below this are one with it */
    int64_t passed_ms,
        settled_ms; /* the watermark less the lateness: of the last advance, and of the one before it. INT64_MIN: none */
    /* Of the row at hand, and of the rows that were taken, by position: */
    struct tl_buf key;
    void **states;
    struct tl_arena **arenas;
    uint32_t *taken;
    uint32_t taken_count, rows_capacity;
    /* What the last advance has judged: */
    struct tl_ledger_line *lines;
    size_t lines_count, lines_capacity;
    uint64_t outcomes[TL_OUTCOMES];
    struct tl_window_out *out;
};

/* ---- geometry ---- */

static inline int64_t tl_window_local_ms(struct tl_window *w, int64_t instant_ms)
{
    if (w->view->window.zone == NULL)
        return instant_ms;
    if (instant_ms < w->span.from_ms || instant_ms >= w->span.to_ms)
        w->span = tl_zone_span(w->view->window.zone, instant_ms);
    return tl_add_sat_i64(instant_ms, w->span.offset_ms);
}

static inline int64_t tl_window_fire_ms(const struct tl_window *w, int64_t local_end_ms)
{
    return tl_fire_ms(w->view->window.zone, local_end_ms);
}
int64_t tl_window_start_instant(const struct tl_window *w, int64_t local_start_ms);
/* All events of the window lie before it. */
int64_t tl_window_end_instant(const struct tl_window *w, int64_t local_end_ms);
/* A step of CUMULATE whose last slice lies within a gap of the wall clock, whole, has the rows of the step before it, and may have the instants of
 * the one behind: it is left out. */
bool tl_window_is_repeated(const struct tl_window *w, int64_t local_start_ms, int64_t local_end_ms);
static inline uint32_t tl_window_segment(const struct tl_window *w, const struct tl_window_rows *in, uint32_t row)
{
    uint32_t range = in->range != NULL ? in->range[row] : 0;

    return range > w->joined ? range : w->joined;
}
/* Is this a time of the wall clock that a row can have, or that a window with rows can begin or end at? What is read back is
 * not believed: with others, bounds run over, and rows come out of windows that there are not. */
static inline bool tl_window_is_time(const struct tl_window *w, int64_t local_ms)
{
    int64_t slack_ms = tl_add_sat_i64(w->view->window.size_ms, 2 * TL_DAY_MS); /* the zone, and then some */

    return local_ms >= tl_add_sat_i64(TL_TIME_MIN_MS, -slack_ms) && local_ms <= tl_add_sat_i64(TL_TIME_MAX_MS, slack_ms);
}
/* Can a slice, or a window of TUMBLE, begin and end here? */
static inline bool tl_window_is_edge(const struct tl_window *w, int64_t local_ms)
{
    const struct tl_window_spec *spec = &w->view->window;

    return tl_window_is_time(w, local_ms) && tl_window_start_ms(local_ms, spec->offset_ms, spec->slide_ms) == local_ms;
}
/* The end of the range that begins where the last cut was. INT64_MAX without bounds. */
int64_t tl_window_next_bound_ms(const struct tl_window *w);
/* A row judged by this watermark meets windows of which those are gone that fire at or below: the watermark less the lateness. */
static inline int64_t tl_window_passed_ms(const struct tl_window *w, int64_t watermark_ms)
{
    return watermark_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(watermark_ms, -w->view->lateness_ms);
}

/* ---- rows in ---- */

/* Puts the row's key into w->key. False: out of memory. */
bool tl_window_encode_key(struct tl_window *w, const struct tl_vec *keys, uint32_t row);
bool tl_window_room(struct tl_window *w, uint32_t rows); /* for states, arenas, taken; sets taken_count to 0 */
static inline void tl_window_take(struct tl_window *w, uint32_t row, void *block, struct tl_arena *arena)
{
    w->states[w->taken_count] = block;
    w->arenas[w->taken_count] = arena;
    w->taken[w->taken_count++] = row;
}
/* Steps the accumulators of what was taken. */
TL_MUST_USE enum tl_code tl_window_step(struct tl_window *w, const struct tl_window_rows *in, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_note_judged(struct tl_window *w, const struct tl_ledger_line *line, struct tl_err *err);

/* ---- rows out ---- */

/* Rows leave in chunks: before their keys and blocks go, flush. */
TL_MUST_USE enum tl_code tl_window_flush(struct tl_window *w, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_emit(struct tl_window *w, const struct tl_window_ref *ref, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_emit_gone(struct tl_window *w, const struct tl_window_ref *ref, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_emit_state(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                                              struct tl_sv bytes, struct tl_err *err);
/* Accumulators of a group as a block of the carry; loads one into a zeroed block. */
TL_MUST_USE enum tl_code tl_window_save_block(struct tl_window *w, const void *block, struct tl_buf *out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_load_block(struct tl_window *w, struct tl_sv bytes, void *block, struct tl_arena *arena,
                                              struct tl_err *err);

#endif
