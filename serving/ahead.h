/* ahead.h: rows of one layer, read by a thread ahead of whoever walks them, so that two layers are read side by side.
 *
 *   thread   cursor of its own handle -> | chunk | chunk | chunk |      waits when all are full
 *   walker                                   <- row by row              gives a chunk back when it has passed it
 *
 * Memory: a few chunks of rows. Without a thread (there is none to be had) the walker reads each chunk himself.
 * Runs on: the walker's thread; the handle is the thread's as long as it is open. */
#ifndef TL_AHEAD_H
#define TL_AHEAD_H

#include "store/store.h"

struct tl_ahead;

/* As tl_store_cursor_open: in a snapshot that the store has begun. */
TL_MUST_USE enum tl_code tl_ahead_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms,
                                       int64_t to_ms, struct tl_ahead **out, struct tl_err *err);
/* *row is NULL at the end; valid until the next call. */
TL_MUST_USE enum tl_code tl_ahead_next(struct tl_ahead *ahead, const struct tl_stored_row **row, struct tl_err *err);
void tl_ahead_close(struct tl_ahead *ahead); /* NULL is fine */

#endif
