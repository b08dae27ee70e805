/* repeats_test.c: equal hashes are counted, however many others come between them. */
#include <criterion/criterion.h>

#include "speed_layer/repeats.h"

static uint64_t before(struct tl_repeats *repeats, uint64_t hash)
{
    uint64_t count = 77;

    cr_assert_eq(tl_repeats_count(repeats, hash, &count, NULL), TL_OK);
    return count;
}

Test(repeats, counts_what_came_before)
{
    struct tl_repeats repeats;

    tl_repeats_init(&repeats);
    for (uint64_t round = 0; round < 4; round++)
        for (uint64_t i = 0; i < 50000; i++)
            if (round == 0 || i % 7 == 0)
                cr_assert_eq(before(&repeats, i * UINT64_C(0x9E3779B97F4A7C15)), round, "%llu", (unsigned long long)i);
    tl_repeats_clear(&repeats);
    cr_assert_eq(before(&repeats, 7 * UINT64_C(0x9E3779B97F4A7C15)), 0);
    tl_repeats_done(&repeats);
}

Test(repeats, hashes_that_begin_alike)
{
    struct tl_repeats repeats;

    tl_repeats_init(&repeats);
    for (uint64_t i = 1; i < 3000; i++) /* one slot for all of them */
        cr_assert_eq(before(&repeats, i << 40), 0);
    for (uint64_t i = 1; i < 3000; i++)
        cr_assert_eq(before(&repeats, i << 40), 1);
    cr_assert_eq(before(&repeats, 0), 0);
    cr_assert_eq(before(&repeats, 0), 1);
    tl_repeats_done(&repeats);
}
