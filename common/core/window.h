/* window.h: puts rows into event-time windows and keeps each window's groups until it is final.
 *
 *        pane [10:00, 10:05)                 pane [10:05, 10:10)
 *        key -> accumulators                 key -> accumulators
 *        "a.example" -> count 17             "a.example" -> count 3
 *        "b.example" -> count 2
 *
 * Is:      arithmetic and accumulators; speed and batch make the same calls. A pane is a table of groups; its memory is dropped
 *          (and reused) whole when the window is final. Panes are what sliding windows will be unions of.
 * Is not:  a clock (the watermark is an argument), a store (rows leave through a sink).
 * Runs on: one thread at a time. Nothing here is shared.
 *
 * Times: int64_t milliseconds since 1970-01-01 UTC. A window is [start_ms, end_ms). A watermark W says: no event with event time
 * <= W is still expected. An event is too late for a window when W >= end_ms - 1 + lateness_ms.
 * Source: Apache Flink 2, WindowOperator.isWindowLate and TimeWindow.maxTimestamp; semantics.md 1.1, 4. */
#ifndef TL_WINDOW_H
#define TL_WINDOW_H

#include "base/buf.h"
#include "core/agg.h"
#include "event/rows.h"
#include "sql/plan.h"

struct tl_window;

/* The view must outlive it. */
TL_MUST_USE enum tl_code tl_window_open(const struct tl_view *view, struct tl_window **out, struct tl_err *err);
void tl_window_close(struct tl_window *window);
void tl_window_reset(struct tl_window *window); /* empties it, keeps its memory */

/* The rows of a batch that passed the view's filter, as columns. */
struct tl_window_rows {
    const uint32_t *rows; /* ascending */
    uint32_t rows_count;
    const int64_t *time_ms;    /* by row number */
    const int64_t *judged_ms;  /* by row number: the watermark that each is judged by; NULL: nothing is late */
    const struct tl_vec *keys; /* as many as the view has, by row number */
    struct tl_agg_rows agg;
    /* NULL, or whether the row is to go into this group: reconcile recomputes only what differs, from chosen events. */
    bool (*wanted)(void *ctx, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key);
    void *wanted_ctx;
};
/* Adds the rows. Rows that are too late go to late[] (room for rows_count), in order; *late_count says how many. TL_ERR_MEMORY and
 * TL_ERR_LIMIT: the window may hold part of the rows and is only good for reset or close. */
TL_MUST_USE enum tl_code tl_window_push(struct tl_window *window, const struct tl_window_rows *in, uint32_t *late,
                                        uint32_t *late_count, struct tl_err *err);
/* Moves the groups of `from` into `into` and marks them changed there; `from` is empty afterwards. */
TL_MUST_USE enum tl_code tl_window_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err);

typedef enum tl_code (*tl_rows_sink)(void *ctx, const struct tl_rows *rows, struct tl_err *err);

/* Hands over the rows of the groups that were merged since the last settle, in chunks. Repeatable until settle. */
TL_MUST_USE enum tl_code tl_window_changed(struct tl_window *window, tl_rows_sink sink, void *ctx, struct tl_err *err);
void tl_window_settle(struct tl_window *window); /* what has changed is stored */
/* Hands over (when sink is not NULL) the rows of all windows with end_ms <= upto_ms, in order of end_ms, and drops these windows. */
TL_MUST_USE enum tl_code tl_window_retire(struct tl_window *window, int64_t upto_ms, tl_rows_sink sink, void *ctx,
                                          struct tl_err *err);
/* Up to which end_ms windows are final under a watermark: W >= end - 1 + lateness. INT64_MIN for none. */
int64_t tl_window_final_ms(const struct tl_view *view, int64_t watermark_ms);

/* Puts a stored group back. A group that is there already is merged with. */
TL_MUST_USE enum tl_code tl_window_load(struct tl_window *window, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                                        struct tl_sv accumulators, struct tl_err *err);
/* All open groups as bytes: the carry. Canonical: equal contents give equal bytes, whatever the order of arrival. */
TL_MUST_USE enum tl_code tl_window_save(const struct tl_window *window, struct tl_buf *out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_window_restore(struct tl_window *window, struct tl_sv bytes, struct tl_err *err);

uint64_t tl_window_groups(const struct tl_window *window);
size_t tl_window_bytes(const struct tl_window *window); /* all it holds */

#endif
