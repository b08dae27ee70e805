/* held.h: rows of sessions that are behind the watermark, until the collector judges them (session.c says why they must wait).
 *
 * Runs on: one thread. */
#ifndef TL_HELD_H
#define TL_HELD_H

#include "base/arena.h"
#include "core/agg.h"
#include "event/outcome.h"

struct tl_held_row {
    int64_t time_ms, passed_ms; /* on the wall clock; the watermark that it is judged by, less the lateness */
    int64_t patient_ms;         /* the same, had no idle partition been left out */
    struct tl_ledger_line line;
    struct tl_sv key;
    void *block; /* its accumulators */
};

struct tl_held {
    struct tl_held_row *rows;
    size_t count, capacity;
    struct tl_arena memory; /* keys and accumulators */
};

void tl_held_init(struct tl_held *held);
void tl_held_done(struct tl_held *held);
void tl_held_clear(struct tl_held *held);
/* Keeps a copy of the row and its key, with accumulators of nothing. NULL: out of memory. */
struct tl_held_row *tl_held_add(struct tl_held *held, const struct tl_held_row *row, const struct tl_agg_layout *layout);
/* Moves those of `from` in. False: out of memory. */
TL_MUST_USE bool tl_held_merge(struct tl_held *held, const struct tl_held *from, const struct tl_agg_layout *layout);
/* In the order in which they are to be judged: of the watermarks, and where that is the same, of their places in the log. */
void tl_held_sort(struct tl_held *held);
size_t tl_held_bytes(const struct tl_held *held);

#endif
