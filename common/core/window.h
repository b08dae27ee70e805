/* window.h: puts rows into event-time windows and keeps each window's groups until it is final.
 *
 *   TUMBLE           one window a row: a pane, a table of groups that is dropped whole                     (pane.c)
 *   HOP, CUMULATE    windows are unions of slices: a row costs one update, not one per window              (slice.c)
 *   SESSION          rows of a key within a gap of each other; sessions grow, and join                     (session.c)
 *   COUNT_WINDOW     n rows of a key in the order of event time, or what came within a time-out            (count_window.c)
 *   INNER            the windows of the rows that a view on a windowed view reads                          (inner.c)
 *
 * Is:      arithmetic and accumulators; speed and batch make the same calls.
 * Is not:  a clock (the watermark is an argument), a store (rows leave through a sink).
 * Runs on: one thread at a time. Nothing here is shared.
 *
 * A worker pushes rows into windows of its own and hands them over; whoever collects merges them into the windows that last:
 *
 *   stream   push, push, ... ──merge──> advance(watermark) ─> finals, changed (repeatable) ─> settle
 *   batch    push, push, ... ──merge──> retire(upto) ─> cut(bound) ─> retire ...
 *
 * Times: int64_t milliseconds since 1970-01-01 UTC. A window is [start_ms, end_ms). A watermark W says: no event with event time
 * <= W is still expected. A row is too late for a window when W >= end_ms - 1 + lateness_ms. Windows lie on the wall clock of the
 * view's zone; what leaves are instants. A window whose last millisecond is shown twice ends with the second showing; one whose last
 * millisecond is never shown, because the clock jumps over it, 1 ms behind the jump, for that is when Flink fires it (zone.h, tl_zone_end_ms).
 * Source: Apache Flink 2, WindowOperator.isWindowLate, TimeWindow.maxTimestamp, SliceAssigners, MergingWindowSet; semantics.md 1 to 6. */
#ifndef TL_WINDOW_H
#define TL_WINDOW_H

#include "base/buf.h"
#include "core/agg.h"
#include "core/assign.h"
#include "event/outcome.h"
#include "event/rows.h"
#include "sql/plan.h"

struct tl_window;

struct tl_window_options {
    /* Batch: ascending bounds of event time, ranges_count + 1. Rows on two sides of a bound stay apart until it is cut. NULL: none. */
    const int64_t *bounds;
    uint32_t ranges_count;
    /* For reconcile: HOP and CUMULATE without slices, each window on its own, for it asks for each window's rows one by one; and of sessions that have
     * fired none is forgotten, for what it judges again has all been. */
    bool whole;
};

/* The view, and the bounds, must outlive it. `options` NULL: a stream's. */
TL_MUST_USE enum tl_code tl_window_open(const struct tl_view *view, const struct tl_window_options *options,
                                        struct tl_window **out, struct tl_err *err);
void tl_window_close(struct tl_window *window);
/* Empties a window that rows were pushed into, and no more was done with, and keeps its memory: a worker's, once it has been merged. */
void tl_window_reset(struct tl_window *window);

/* ---- rows in ---- */

/* The rows of a batch that passed the view's filter, as columns by row number. */
struct tl_window_rows {
    const uint32_t *rows; /* ascending */
    uint32_t rows_count;
    const int64_t *time_ms;
    const int64_t *judged_ms;        /* the watermark that each is judged by; NULL: nothing is late */
    const int64_t *patient_ms;       /* sessions: the same, had no idle partition been left out of it; NULL: it is the same */
    const uint32_t *range;           /* which of the ranges between the bounds; NULL: there is one */
    const struct tl_slice_run *runs; /* of TUMBLE, HOP, CUMULATE: which slice each lies in; NULL: the window finds it out */
    const uint8_t *flags;            /* for ledger lines; NULL: none */
    const struct tl_vec *keys;       /* as many as the view has */
    struct tl_agg_rows agg;
    /* INNER: the window of each row, and with inner_rows its key and the view's outputs. */
    const int64_t *start_ms, *end_ms;
    const struct tl_sv *row_key;
    const struct tl_vec *outputs;
    /* NULL, or whether the row is to go into this group: reconcile recomputes only what differs, from chosen events. Of sessions and count
     * windows, [start_ms, end_ms) is the row's own: it may set *watermark_ms (INT64_MIN when called) to what the row was judged by. */
    bool (*wanted)(void *ctx, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key, int64_t *watermark_ms);
    void *wanted_ctx;
};

/* Which of `count` >= 1 ranges between the ascending bounds a time lies in; outside of all, the first or the last one. `near` is tried first. */
uint32_t tl_range_of(const int64_t *bounds, uint32_t count, int64_t time_ms, uint32_t near);

struct tl_window_late {
    uint32_t row;
    bool partly;     /* some of its windows were still open, and have it */
    int64_t upto_ms; /* a watermark below this would have left the last of its windows open */
};

struct tl_window_verdict {
    struct tl_window_late *late; /* room for rows_count; in order of rows */
    uint32_t late_count;
    /* Sessions: rows that are behind the watermark and in no ledger yet: whether a session that is still open takes them, the collector knows
     * (tl_window_advance). They are not in late[]. */
    uint32_t held_count;
};
/* Adds the rows. TL_ERR_MEMORY and TL_ERR_LIMIT: the window may hold part of the rows and is only good for reset or close. */
TL_MUST_USE enum tl_code tl_window_push(struct tl_window *window, const struct tl_window_rows *in,
                                        struct tl_window_verdict *verdict, struct tl_err *err);
/* Moves the groups of `from` into `into` and marks them changed there; `from` is empty afterwards. */
TL_MUST_USE enum tl_code tl_window_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err);

/* ---- a stream ---- */

/* Judges the rows that were held, and lets fire what the watermark has passed. Once a tick, when all workers' windows are merged; a watermark
 * that steps back changes nothing. What was judged: `lines` until the next advance, `outcomes` (LATE and COUNTED) are added to. */
struct tl_window_judged {
    const struct tl_ledger_line *lines;
    size_t lines_count;
    uint64_t outcomes[TL_OUTCOMES];
};
TL_MUST_USE enum tl_code tl_window_advance(struct tl_window *window, int64_t watermark_ms, struct tl_window_judged *judged,
                                           struct tl_err *err);

typedef enum tl_code (*tl_rows_sink)(void *ctx, const struct tl_rows *rows, struct tl_err *err);

/* Hands over the rows that the last advance made final: what a view on this one reads. In no order. */
TL_MUST_USE enum tl_code tl_window_finals(struct tl_window *window, tl_rows_sink sink, void *ctx, struct tl_err *err);

struct tl_window_sink {
    void *ctx;
    tl_rows_sink rows; /* to insert or replace */
    tl_rows_sink gone; /* no rows any more: a session that grew, a group that HAVING hides. Identities only; before any rows */
    enum tl_code (*states)(void *ctx, const struct tl_states *states, struct tl_err *err); /* TL_STATE_BESIDE */
};
/* Hands over what is to be stored: all that has changed since the last settle. Repeatable until settle. Each call of a sink has its rows in the
 * order of their identities, in which a store takes them fastest. */
TL_MUST_USE enum tl_code tl_window_changed(struct tl_window *window, const struct tl_window_sink *sink, struct tl_err *err);
/* States with end_ms up to here are of no more use after the last advance (tl_store_drop_states); INT64_MIN: none. */
int64_t tl_window_states_upto_ms(const struct tl_window *window);
/* What has changed is stored: forgets that, and drops what is final. */
TL_MUST_USE enum tl_code tl_window_settle(struct tl_window *window, struct tl_err *err);
/* Up to which end_ms windows are final under a watermark: W >= end - 1 + lateness. INT64_MIN for none. */
int64_t tl_window_final_ms(const struct tl_view *view, int64_t watermark_ms);

/* After a restart, into an empty window: first how far it was (the stored final_ms), then what was stored. Of TUMBLE a row whose window and key
 * are there already is added to them. */
void tl_window_resume(struct tl_window *window, int64_t final_ms);
TL_MUST_USE enum tl_code tl_window_load_row(struct tl_window *window, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                                            struct tl_sv accumulators, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_load_state(struct tl_window *window, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                                              struct tl_sv bytes, struct tl_err *err);

/* ---- batch ---- */

/* Hands over the rows of all windows with end_ms <= upto_ms, nearly in order of end_ms, and drops these windows; of sessions those with end_ms < upto_ms, for an event at the end still joins. All events before upto_ms must have been merged. upto_ms does not pass
 * the next bound that is not cut. */
TL_MUST_USE enum tl_code tl_window_retire(struct tl_window *window, int64_t upto_ms, tl_rows_sink sink, void *ctx,
                                          struct tl_err *err);
/* At the next bound, after a retire up to it: adds to `carry` what is open across it, and joins that with what lies behind. Canonical: equal
 * contents give equal bytes, whatever the order of arrival. Nothing is added where nothing is open. */
TL_MUST_USE enum tl_code tl_window_cut(struct tl_window *window, struct tl_buf *carry, struct tl_err *err);
/* Windows that are open across the last bound that was cut, in no order: for the time boundary of sessions and count windows. Their values are
 * what they have so far; HAVING hides none. */
TL_MUST_USE enum tl_code tl_window_open_rows(struct tl_window *window, tl_rows_sink sink, void *ctx, struct tl_err *err);
/* Into an empty window, before the first range. */
TL_MUST_USE enum tl_code tl_window_restore(struct tl_window *window, struct tl_sv carry, struct tl_err *err);

uint64_t tl_window_groups(const struct tl_window *window);
size_t tl_window_bytes(const struct tl_window *window); /* all it holds */

#endif
