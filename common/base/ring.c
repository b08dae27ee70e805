/* ring.c: a bounded queue of pointers between exactly two threads.
 *
 * head and tail only ever grow (they may wrap around size_t: the difference is what counts); item i stands at i & mask. The
 * putter writes tail and reads head, the taker the other way round; release and acquire hand the item over with its index. */
#include "base/ring.h"

#include <stdlib.h>

enum tl_code tl_ring_init(struct tl_ring *ring, size_t capacity, struct tl_err *err)
{
    size_t rounded = 1, bytes;

    while (rounded < capacity)
        if (tl_mul_overflows(rounded, 2, &rounded))
            return tl_fail_memory(err, capacity);
    if (tl_mul_overflows(rounded, sizeof *ring->items, &bytes))
        return tl_fail_memory(err, capacity);
    ring->items = malloc(bytes);
    if (ring->items == NULL)
        return tl_fail_memory(err, bytes);
    ring->mask = rounded - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    return TL_OK;
}

void tl_ring_done(struct tl_ring *ring)
{
    free(ring->items);
    ring->items = NULL;
    ring->mask = 0;
}

bool tl_ring_put(struct tl_ring *ring, void *item)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    assert(item != NULL);
    if (tail - head > ring->mask)
        return false;
    ring->items[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *tl_ring_take(struct tl_ring *ring)
{
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    void *item;

    if (head == tail)
        return NULL;
    item = ring->items[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}
