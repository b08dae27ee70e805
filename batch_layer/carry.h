/* carry.h: what a view carries over a bound: what is still open where a range ends, as bytes of core.
 *
 *        job of this run            next job of the view
 *   ──────────────────────┤t├──────────────────────────       starts with what the job before left at t,
 *        clean, published                                      or else with what is published there
 *
 * A view's jobs go forward in time, so the last carry is all that is kept. */
#ifndef TL_CARRY_H
#define TL_CARRY_H

#include "store/store.h"

struct tl_carry {
    bool known;
    int64_t at_ms;
    struct tl_buf bytes;
};

struct tl_carries {
    struct tl_store *store;
    const int64_t *definitions; /* per view */
    uint32_t count;
    struct tl_carry *views;
};

/* By which a carry is told from another one in the store: XXH3-64, never 0. */
int64_t tl_carry_hash(struct tl_sv bytes);

TL_MUST_USE enum tl_code tl_carries_open(struct tl_carries *carries, struct tl_store *store, const int64_t *definitions,
                                         uint32_t views_count, struct tl_err *err);
void tl_carries_close(struct tl_carries *carries);

/* The carry over this bound as it is published now; empty where no range ends there. */
TL_MUST_USE enum tl_code tl_carry_published(const struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_buf *out,
                                            struct tl_err *err);
/* What a job of the view that begins here starts with. Valid until the next call for the view. */
TL_MUST_USE enum tl_code tl_carry_at(struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_sv *out,
                                     struct tl_err *err);
TL_MUST_USE enum tl_code tl_carry_remember(struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_sv bytes,
                                           struct tl_err *err);

#endif
