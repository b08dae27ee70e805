/* table_test.c: every key has one state that stays where it is; growth, limits, and reuse after reset. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/table.h"

static struct tl_sv key_of(char buffer[64], unsigned i)
{
    /* Sizes on both sides of what fits an entry, and the empty key. */
    static const char pad[] = "........................................";
    int size = i == 0 ? 0 : snprintf(buffer, 64, "%u%.*s", i, (int)(i % 37), pad);

    return (struct tl_sv){buffer, (size_t)size};
}

static void put_all(struct tl_table *table, unsigned count)
{
    char buffer[64];

    for (unsigned i = 0; i < count; i++) {
        struct tl_sv key = key_of(buffer, i);
        bool is_new = false;
        uint64_t *state = tl_table_put(table, tl_hash_bytes(key), key, &is_new);

        cr_assert_not_null(state);
        cr_assert(is_new);
        cr_assert(state[0] == 0 && state[1] == 0 && state[2] == 0, "a new state is zeroed");
        cr_assert_eq((uintptr_t)state % _Alignof(max_align_t), 0);
        state[0] = i;
        state[1] = (uint64_t)(uintptr_t)state;
        state[2] = UINT64_MAX;
        /* What states point at: mostly small, now and then larger than the arena's first chunks. */
        cr_assert_not_null(tl_arena_alloc(tl_table_arena(table), i % 500 == 499 ? 6000 : i % 61));
    }
}

static void check_all(struct tl_table *table, unsigned count)
{
    char buffer[64];

    cr_assert_eq(table->count, count);
    for (unsigned i = 0; i < count; i++) {
        struct tl_sv key = key_of(buffer, i), stored;
        uint64_t hash, *state = tl_table_find(table, tl_hash_bytes(key), key);
        bool is_new = true;

        cr_assert_not_null(state, "key %u", i);
        cr_assert_eq(state[0], i);
        cr_assert_eq(state[1], (uint64_t)(uintptr_t)state, "a state never moves");
        cr_assert_eq(tl_table_put(table, tl_hash_bytes(key), key, &is_new), state);
        cr_assert_not(is_new);
        cr_assert_eq(tl_table_at(table, i, &stored, &hash), state, "in order of first put");
        cr_assert(tl_sv_eq(stored, key));
        cr_assert_eq(hash, tl_hash_bytes(key));
        cr_assert_eq(tl_table_number(table, state), i);
    }
    cr_assert_null(tl_table_find(table, tl_hash_bytes(TL_SV("nobody")), TL_SV("nobody")));
}

Test(table, grows_and_finds_all)
{
    struct tl_table table;

    tl_table_init(&table, 3 * sizeof(uint64_t), 0);
    cr_assert_null(tl_table_find(&table, 1, TL_SV("empty table")));
    put_all(&table, 40000);
    check_all(&table, 40000);
    cr_assert_leq((uint64_t)table.count * 4, (uint64_t)table.slots_count * 3);
    tl_table_done(&table);
    tl_table_done(&table);
}

Test(table, keys_are_copied)
{
    struct tl_table table;
    char key[] = "a key that is longer than an entry's own room";
    bool is_new;

    tl_table_init(&table, 8, 0);
    cr_assert_not_null(tl_table_put(&table, 1, tl_sv_from(key), &is_new));
    key[0] = 'b';
    cr_assert_null(tl_table_find(&table, 1, tl_sv_from(key)));
    cr_assert_not_null(tl_table_put(&table, 1, tl_sv_from(key), &is_new));
    cr_assert(is_new);
    cr_assert_eq(table.count, 2);
    tl_table_done(&table);
}

Test(table, equal_hashes_are_told_apart_by_the_key)
{
    struct tl_table table;
    char buffer[64];

    tl_table_init(&table, 8, 0);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t *state = tl_table_put(&table, 42, key_of(buffer, i), NULL);

        cr_assert_not_null(state);
        *state = i;
    }
    for (unsigned i = 0; i < 500; i++)
        cr_assert_eq(*(uint64_t *)tl_table_find(&table, 42, key_of(buffer, i)), i);
    cr_assert_null(tl_table_find(&table, 42, TL_SV("501")));
    cr_assert_not_null(tl_table_put(&table, 43, TL_SV("abcd"), NULL));
    cr_assert_null(tl_table_find(&table, 43, TL_SV("abc")), "a beginning is another key");
    cr_assert_null(tl_table_find(&table, 43, TL_SV("abcde")));
    tl_table_done(&table);
}

Test(table, equal_tags_and_places_are_told_apart)
{
    struct tl_table table;

    tl_table_init(&table, 8, 0);
    /* The same tag in every slot; the places collide at the end of the index and wrap around. */
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t hash = (UINT64_C(7) << 32) | (UINT32_MAX - i % 3);

        *(uint64_t *)tl_table_put(&table, hash, (struct tl_sv){(const char *)&i, sizeof i}, NULL) = i;
    }
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t hash = (UINT64_C(7) << 32) | (UINT32_MAX - i % 3);

        cr_assert_eq(*(uint64_t *)tl_table_find(&table, hash, (struct tl_sv){(const char *)&i, sizeof i}), i);
    }
    tl_table_done(&table);
}

Test(table, stops_at_its_maximum_and_is_unchanged)
{
    struct tl_table table;
    char buffer[64];

    tl_table_init(&table, 3 * sizeof(uint64_t), 100);
    put_all(&table, 100);
    cr_assert_null(tl_table_put(&table, tl_hash_bytes(key_of(buffer, 100)), key_of(buffer, 100), NULL));
    check_all(&table, 100);
    tl_table_reset(&table);
    put_all(&table, 100);
    tl_table_done(&table);
}

Test(table, a_failed_allocation_leaves_it_unchanged)
{
    struct tl_table table;
    char buffer[64];
    unsigned count = 0;

    tl_table_init(&table, 3 * sizeof(uint64_t), 0);
    table.memory.bytes_max = 200 * 1024;
    for (;; count++) {
        struct tl_sv key = key_of(buffer, count);
        uint64_t *state = tl_table_put(&table, tl_hash_bytes(key), key, NULL);

        if (state == NULL)
            break;
        state[0] = count;
        state[1] = (uint64_t)(uintptr_t)state;
    }
    cr_assert_gt(count, 1000);
    check_all(&table, count);
    tl_table_done(&table);
}

Test(table, reset_keeps_the_memory_and_nothing_else)
{
    struct tl_table table;
    size_t bytes;

    tl_table_init(&table, 3 * sizeof(uint64_t), 0);
    put_all(&table, 20000);
    bytes = tl_table_bytes(&table);
    for (int round = 0; round < 3; round++) {
        /* Few entries clear their own slots, many clear all: both must leave an empty table. */
        tl_table_reset(&table);
        cr_assert_eq(table.count, 0);
        cr_assert_null(tl_table_find(&table, tl_hash_bytes(TL_SV("1.")), TL_SV("1.")));
        put_all(&table, 50);
        check_all(&table, 50);
        tl_table_reset(&table);
        put_all(&table, 20000);
        check_all(&table, 20000);
        cr_assert_eq(tl_table_bytes(&table), bytes, "round %d took more from malloc", round);
    }
    tl_table_reset(&table);
    tl_table_reset(&table);
    tl_table_done(&table);
}

Test(table, states_may_be_empty_and_point_into_its_arena)
{
    struct tl_table table;
    bool is_new = false;

    tl_table_init(&table, 0, 0);
    cr_assert_not_null(tl_table_put(&table, 5, TL_SV("x"), &is_new));
    cr_assert(is_new);
    cr_assert_not_null(tl_table_put(&table, 5, TL_SV("x"), &is_new));
    cr_assert_not(is_new);
    cr_assert_not_null(tl_arena_alloc(tl_table_arena(&table), 100));
    tl_table_done(&table);
}

/* What is written to disk may depend on it, so a change of the hash is a change of the format. */
Test(table, the_hash_is_xxh3)
{
    cr_assert_eq(tl_hash_bytes(TL_SV("")), UINT64_C(0x2d06800538d394c2));
    cr_assert_eq(tl_hash_bytes((struct tl_sv){NULL, 0}), UINT64_C(0x2d06800538d394c2));
    cr_assert_neq(tl_hash_bytes(TL_SV("a")), tl_hash_bytes(TL_SV("b")));
}
