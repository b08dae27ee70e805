/* ring.h: a bounded queue of pointers between exactly two threads (one puts, one takes). Lock-free; never blocks. */
#ifndef TL_RING_H
#define TL_RING_H

#include <stdatomic.h>

#include "base/base.h"

/* head and tail keep to lines of their own, so a struct that holds a ring is 64-aligned: aligned_alloc, not malloc. */
struct tl_ring {
    void **items;
    size_t mask;
    _Alignas(64) atomic_size_t head; /* next to take */
    _Alignas(64) atomic_size_t tail; /* next to put */
};

TL_MUST_USE enum tl_code tl_ring_init(struct tl_ring *ring, size_t capacity, struct tl_err *err); /* rounded up to 2^n */
void tl_ring_done(struct tl_ring *ring);
TL_MUST_USE bool tl_ring_put(struct tl_ring *ring, void *item); /* false: full */
void *tl_ring_take(struct tl_ring *ring);                       /* NULL: empty */

#endif
