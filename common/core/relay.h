/* relay.h: hands the final rows of a windowed view to the views that read it, as their events.
 *
 *   windows of the inner view ──finals, retire──> filter, keys, arguments ──> windows of the outer one
 *
 * An inner row's event time is its window_time. It is final, so it comes once and is never late: the outer view's watermark is the inner
 * view's, less that one's lateness. Rows go into windows of the relay's own, and from there into those that last, as a worker's do.
 * Runs on: the thread that merges. */
#ifndef TL_RELAY_H
#define TL_RELAY_H

#include "core/partial.h"

struct tl_relay;

/* *out is NULL where no view reads another. `options` as for the windows that the rows go to. */
TL_MUST_USE enum tl_code tl_relay_open(const struct tl_plan *plan, const struct tl_window_options *options, struct tl_relay **out,
                                       struct tl_err *err);
void tl_relay_close(struct tl_relay *relay);
/* Reconcile: whether a row of the inner view (by number in its push) is to go into a group it belongs to of view number `view`. */
void tl_relay_ask(struct tl_relay *relay,
                  bool (*wanted)(void *ctx, uint32_t view, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key),
                  void *ctx);
/* From now on rows are handed to this one of the views alone. */
void tl_relay_only(struct tl_relay *relay, uint32_t view);
/* Hands the rows of view number `inner` to all that read it. */
TL_MUST_USE enum tl_code tl_relay_push(struct tl_relay *relay, uint32_t inner, const struct tl_rows *rows, struct tl_err *err);
/* The same of windows that are still open (tl_window_open_rows): no filter hides them, for what it will say of the whole window is not known. */
TL_MUST_USE enum tl_code tl_relay_push_open(struct tl_relay *relay, uint32_t inner, const struct tl_rows *rows,
                                            struct tl_err *err);
/* Moves what has come for view number `outer` into its window. */
TL_MUST_USE enum tl_code tl_relay_deliver(struct tl_relay *relay, uint32_t outer, struct tl_window *into, struct tl_err *err);
/* Stream: lets every view of `all` advance, inner ones first: `watermark_ms` per source. What was judged goes to the ledgers and outcomes
 * of `all`. */
TL_MUST_USE enum tl_code tl_relay_advance(struct tl_relay *relay, struct tl_partial *all, const int64_t *watermark_ms,
                                          struct tl_err *err);
/* Batch: retires the windows of view number `view` of `all` (tl_window_retire) and hands its rows on. Inner views first. A view without windows:
 * nothing. */
TL_MUST_USE enum tl_code tl_relay_retire(struct tl_relay *relay, struct tl_partial *all, uint32_t view, int64_t upto_ms,
                                         tl_rows_sink sink, void *ctx, struct tl_err *err);
/* The watermark that a view is advanced by. */
int64_t tl_relay_watermark_ms(const struct tl_plan *plan, uint32_t view, const int64_t *watermark_ms);

#endif
