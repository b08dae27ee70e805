/* rollup.h: rows of a view rolled up: over longer spans of time, over fewer keys, or both, from their accumulators.
 *
 * Is:      a larger window put together from the smaller ones that are stored, by the core itself: what comes out is what a view with that
 *          window would have counted, distinct values, quantiles, averages and first and last values included. Never rows added up.
 * Is not:  able to see what is not among the rows: groups that HAVING hides.
 *
 * Which views: those whose rows have accumulators, and hold each event once. TUMBLE, SESSION and COUNT_WINDOW; not HOP and CUMULATE, whose windows
 * share events and keep none beside their rows; no view on a view; none without a window, whose rows are events; none with HAVING.
 *
 * Buckets lie on the wall clock of a zone as the windows of TUMBLE do. A row belongs to the bucket that its window's end lies in, (from, to] as
 * everywhere; a window of TUMBLE that lies in two is refused. A session, or a count window, is counted where it ends.
 *
 * Columns: window_start and window_end (by the names that the view has for them): the bucket's, or without one from the first row's start to the
 * last one's end; the keys that were asked for; those of the view's other columns that are made of aggregates and of these; then
 *   _layer   'batch', 'speed' or 'merged': where the rows of the bucket are from
 *   _final   all of these rows are final, and the bucket is over
 *
 * Memory: TL_ROLLUP_ROWS_MAX rows that come out, TL_ROLLUP_BYTES_MAX of accumulators: TL_ERR_LIMIT beyond, with what would do.
 * Runs on: one thread a call; the plan may serve many. */
#ifndef TL_ROLLUP_H
#define TL_ROLLUP_H

#include "sql/plan.h"
#include "store/store_select.h"

enum { TL_ROLLUP_ROWS_MAX = 100000, TL_ROLLUP_BYTES_MAX = 256 << 20 };

struct tl_rollup {
    /* Which rows: conditions on keys and on the window's bounds alone. Orders and limit are those of what comes out, and may name any of its
     * columns; without an order it comes by window and keys. No cursor. */
    struct tl_select select;
    const struct tl_sv *group_by; /* columns of the view that are keys */
    size_t group_by_count;
    int64_t bucket_ms;          /* 0: one bucket, all of the range */
    const struct tl_zone *zone; /* of the buckets; NULL: UTC */
};

/* `plan` is of the views file that the view is served by: the store keeps what a view means as a text for people only. TL_ERR_DEFINITION: it has no such
 * view, or another definition of it. TL_ERR_USAGE, and what would do in `refusal` (may be NULL; parameters group_by, bucket and those of store_select.h):
 * the view is not of that kind, or was asked for wrongly. *more: there are more rows than the limit. */
TL_MUST_USE enum tl_code
tl_rollup_run(struct tl_store *store, const struct tl_plan *plan, const struct tl_rollup *asked,
              enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err),
              enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err), void *ctx,
              bool *more, struct tl_refusal *refusal, struct tl_err *err);

#endif
