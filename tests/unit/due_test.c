/* due_test.c: the heap of times gives the earliest each time, whatever order they were put in. */
#include <criterion/criterion.h>

#include "core/due.h"
#include "core/pieces.h"
#include "support/chance.h"

Test(due, earliest_first)
{
    struct tl_key a = {0}, b = {0};
    struct tl_due due = {0};

    cr_assert(tl_due_put(&due, 20, &a) && tl_due_put(&due, -5, &b) && tl_due_put(&due, INT64_MAX, &b) && tl_due_put(&due, 7, &a));
    cr_assert_eq(due.items[0].at_ms, -5);
    cr_assert_eq(tl_due_take(&due), &b);
    cr_assert_eq(tl_due_take(&due), &a, "7");
    cr_assert_eq(tl_due_take(&due), &a, "20");
    cr_assert_eq(tl_due_take(&due), &b, "put in twice, looked at twice");
    cr_assert_eq(due.count, 0);
    tl_due_done(&due);
    cr_assert(due.items == NULL && due.capacity == 0);
    tl_due_done(&due);
}

/* Puts and takes mixed: each take is of the earliest time that is in, with its own key. */
Test(due, any_order)
{
    enum { KEYS = 300 };
    static struct tl_key keys[KEYS]; /* key number n is put in at n % 50 */
    struct chance chance = chance_open("due");
    uint32_t inside[KEYS] = {0}, put = 0;
    struct tl_due due = {0};

    for (int i = 0; i < 20000; i++) {
        if (put < 1000 && (due.count == 0 || chance_below(&chance, 2) == 0)) {
            uint32_t number = chance_below(&chance, KEYS);

            cr_assert(tl_due_put(&due, number % 50, &keys[number]));
            inside[number]++;
            put++;
        } else {
            int64_t at_ms = due.items[0].at_ms;
            uint32_t number;

            for (uint32_t n = 0; n < KEYS; n++)
                cr_assert(inside[n] == 0 || at_ms <= n % 50, "seed %llu", (unsigned long long)chance.seed);
            number = (uint32_t)(tl_due_take(&due) - keys);
            cr_assert(inside[number] > 0 && number % 50 == at_ms, "seed %llu", (unsigned long long)chance.seed);
            inside[number]--;
            put--;
        }
    }
    tl_due_done(&due);
}

static int64_t when_marked(const void *ctx, const struct tl_key *key)
{
    (void)ctx;
    return key->changed == 0 ? INT64_MAX : key->changed;
}

/* A key that was put in twice is looked at once, and comes again when all others are through. */
Test(due, looked_at_and_again)
{
    struct tl_key a = {.changed = 9}, b = {.changed = 0};
    struct tl_due due = {0};

    cr_assert(tl_due_put(&due, 1, &a) && tl_due_put(&due, 2, &a) && tl_due_put(&due, 3, &b));
    cr_assert(tl_due_is(&a) && tl_due_is(&b));
    cr_assert_eq(tl_due_take(&due), &a);
    cr_assert(tl_due_looked(&due, &a) && !tl_due_is(&a));
    cr_assert_eq(tl_due_take(&due), &a, "it stands there still, and is not due");
    cr_assert_eq(tl_due_take(&due), &b);
    cr_assert(tl_due_looked(&due, &b));
    cr_assert_eq(due.count, 0);
    cr_assert(tl_due_again(&due, when_marked, NULL));
    cr_assert(tl_due_is(&a) && !tl_due_is(&b), "b has nothing that is to be looked at");
    cr_assert(due.count == 1 && due.items[0].at_ms == 9);
    cr_assert(tl_due_again(&due, when_marked, NULL) && due.count == 1);
    tl_due_done(&due);
}
