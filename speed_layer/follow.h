/* follow.h: a view on a view that stands behind the one it reads: it is brought there from that one's final rows, not from the log.
 *
 * The log would not do: the inner view's windows of back then are in nobody's memory any more, and what it counted as late depends on when it
 * was read. Its final rows are what the outer view reads, and they stand in the store, in order of their ends:
 *
 *     rows of the inner view   ... | ... | ... | ...      final up to the inner view's final_ms
 *     the outer view has had them ────┘           up to its own final_ms + lateness
 *
 * So it can be stopped at any row whose end it has committed, and goes on from there. In the end it has read what the inner view has read. */
#ifndef TL_FOLLOW_H
#define TL_FOLLOW_H

#include "lane.h"

/* How far an outer view whose rows are final up to final_ms has had the rows of the inner one. INT64_MIN: it has had none. */
int64_t tl_follow_upto_ms(const struct tl_view *view, int64_t final_ms);
/* The lane has the outer view `v` alone, and no partitions; the inner one has caught up. A failure may be of the store's, and pass
 * (err->retriable): then it is called again. Told to stop it returns early; *done says whether it came to the end. */
TL_MUST_USE enum tl_code tl_follow(const struct tl_lane *lane, uint32_t v, const struct tl_shape *inner_shape,
                                   int64_t inner_definition, struct tl_store *store, int64_t epoch, bool *done,
                                   struct tl_err *err);

#endif
