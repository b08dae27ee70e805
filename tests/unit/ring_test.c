/* ring_test.c: what one thread puts the other takes, once, in order; a full ring says so. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "base/ring.h"

Test(ring, is_full_and_empty_at_its_bounds)
{
    struct tl_ring ring;
    int items[5];

    cr_assert_eq(tl_ring_init(&ring, 3, NULL), TL_OK);
    cr_assert_null(tl_ring_take(&ring));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            cr_assert(tl_ring_put(&ring, &items[i]), "3 is rounded up to 4");
        cr_assert_not(tl_ring_put(&ring, &items[4]));
        for (int i = 0; i < 4; i++)
            cr_assert_eq(tl_ring_take(&ring), &items[i]);
        cr_assert_null(tl_ring_take(&ring));
    }
    tl_ring_done(&ring);
    tl_ring_done(&ring);
}

Test(ring, one_place_is_a_ring_too)
{
    struct tl_ring ring;
    int item;

    cr_assert_eq(tl_ring_init(&ring, 1, NULL), TL_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert(tl_ring_put(&ring, &item));
        cr_assert_not(tl_ring_put(&ring, &item));
        cr_assert_eq(tl_ring_take(&ring), &item);
    }
    tl_ring_done(&ring);
}

Test(ring, goes_on_where_the_numbers_wrap)
{
    struct tl_ring ring;
    int item;

    cr_assert_eq(tl_ring_init(&ring, 2, NULL), TL_OK);
    atomic_store(&ring.head, SIZE_MAX - 1);
    atomic_store(&ring.tail, SIZE_MAX - 1);
    for (int i = 0; i < 6; i++) {
        cr_assert(tl_ring_put(&ring, &item));
        cr_assert(tl_ring_put(&ring, &item));
        cr_assert_not(tl_ring_put(&ring, &item));
        cr_assert_eq(tl_ring_take(&ring), &item);
        cr_assert_eq(tl_ring_take(&ring), &item);
        cr_assert_null(tl_ring_take(&ring));
    }
    tl_ring_done(&ring);
}

Test(ring, too_large_is_an_error)
{
    struct tl_ring ring;
    struct tl_err err = {0};

    cr_assert_eq(tl_ring_init(&ring, SIZE_MAX, &err), TL_ERR_MEMORY);
    cr_assert_eq(tl_ring_init(&ring, SIZE_MAX / 2, &err), TL_ERR_MEMORY);
}

enum { PARCELS_COUNT = 200000 };

/* Each parcel is written before it is put and read after it was taken: the ring must order both (TSan watches). */
static struct parcel {
    unsigned number, check;
} parcels[PARCELS_COUNT];

static void *putter(void *argument)
{
    struct tl_ring *ring = argument;

    for (unsigned i = 0; i < PARCELS_COUNT; i++) {
        parcels[i] = (struct parcel){i, ~i};
        while (!tl_ring_put(ring, &parcels[i]))
            sched_yield();
    }
    return NULL;
}

Test(ring, two_threads)
{
    struct tl_ring ring;
    pthread_t thread;

    cr_assert_eq(tl_ring_init(&ring, 64, NULL), TL_OK);
    cr_assert_eq(pthread_create(&thread, NULL, putter, &ring), 0);
    for (unsigned i = 0; i < PARCELS_COUNT; i++) {
        struct parcel *parcel;

        while ((parcel = tl_ring_take(&ring)) == NULL)
            sched_yield();
        cr_assert(parcel->number == i && parcel->check == ~i, "parcel %u came as %u", i, parcel->number);
    }
    cr_assert_null(tl_ring_take(&ring));
    pthread_join(thread, NULL);
    tl_ring_done(&ring);
}
