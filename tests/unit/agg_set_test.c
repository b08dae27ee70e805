/* agg_set_test.c: sets of numbers and texts against an array, hashes that cluster, and what a member costs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/agg_set.h"
#include "support/chance.h"

static bool has(const uint64_t *values, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++)
        if (values[i] == value)
            return true;
    return false;
}

/* In order, each once, all that were put and nothing else. */
static void check(const struct tl_set *set, const uint64_t *values, const uint64_t *words, uint32_t count, uint64_t seed)
{
    struct tl_set_member member, last = {.value = 0};
    uint64_t at = 0;
    uint32_t seen = 0;

    cr_assert_eq(tl_set_count(set), count, "seed %llu", (unsigned long long)seed);
    while (tl_set_next(set, &at, &member)) {
        cr_assert(seen == 0 || tl_set_order(&last, &member, false) < 0, "seed %llu: order", (unsigned long long)seed);
        cr_assert(has(values, count, member.value), "seed %llu: never put", (unsigned long long)seed);
        for (uint32_t i = 0; words != NULL && i < count; i++)
            cr_assert(values[i] != member.value || words[i] == member.word, "seed %llu: word", (unsigned long long)seed);
        last = member;
        seen++;
    }
    cr_assert_eq(seen, count);
    cr_assert_not(tl_set_next(set, &at, &member), "the end stays the end");
}

Test(agg_set, numbers_as_an_array_has_them)
{
    struct chance chance = chance_open("agg_set");
    static uint64_t values[2000], words[2000];

    for (int round = 0; round < 40; round++) {
        uint32_t below = 1 + chance_below(&chance, 2500), count = 0, puts = chance_below(&chance, 2500);
        struct tl_set plain = {.memory = NULL}, worded = {.memory = NULL};
        struct tl_arena arena;

        tl_arena_init(&arena, 1 << 12, 0);
        for (uint32_t i = 0; i < puts && count < 2000; i++) {
            uint64_t value = chance_below(&chance, below) * (round % 2 ? UINT64_C(0x9E3779B97F4A7C15) : 1), *word;
            bool is_new = !has(values, count, value);

            cr_assert(tl_set_put(&plain, value, &arena));
            cr_assert(tl_set_put_word(&worded, value, &arena, &word));
            cr_assert_eq(*word == 0, is_new);
            *word += 1 + i;
            if (is_new) {
                values[count] = value;
                words[count++] = 0;
            }
            for (uint32_t v = 0; v < count; v++)
                if (values[v] == value)
                    words[v] += 1 + i;
        }
        check(&plain, values, NULL, count, chance.seed);
        check(&worded, values, words, count, chance.seed);
        tl_arena_done(&arena);
    }
}

/* The way back from a key, as in agg_set.c. */
static uint64_t value_with_key(uint64_t key)
{
    key ^= key >> 33;
    key *= UINT64_C(0x9cb4b2f8129337db);
    key ^= key >> 33;
    key *= UINT64_C(0x4f74430c22a54005);
    return key ^ key >> 33;
}

/* Keys that all have their home in the same place, at the very end, at the beginning, or in some few places: slow, but a set. */
Test(agg_set, hashes_that_cluster)
{
    struct chance chance = chance_open("agg_set");
    static uint64_t values[3000];

    for (int way = 0; way < 4; way++) {
        struct tl_set set = {.memory = NULL};
        struct tl_arena arena;
        uint32_t count = 0;

        tl_arena_init(&arena, 1 << 12, 0);
        for (uint32_t i = 0; i < 3000; i++) {
            uint64_t low = chance_below(&chance, 1 << 20) + 1;
            uint64_t key = way == 0   ? UINT64_MAX - low
                           : way == 1 ? low
                           : way == 2 ? (UINT64_C(0x8000000) * chance_below(&chance, 3)) << 32 | low
                                      : (i % 2 ? UINT64_MAX - i : low << 44);
            uint64_t value = value_with_key(key);

            if (!has(values, count, value))
                values[count++] = value;
            cr_assert(tl_set_put(&set, value, &arena));
        }
        check(&set, values, NULL, count, chance.seed);
        cr_assert_leq(arena.held_bytes, 80 * count + 16384, "way %d: %zu bytes for %u", way, arena.held_bytes, count);
        tl_arena_done(&arena);
    }
}

Test(agg_set, texts_as_an_array_has_them)
{
    struct chance chance = chance_open("agg_set");
    static char kept[1500][40];

    for (int round = 0; round < 20; round++) {
        uint32_t below = 1 + chance_below(&chance, 2000), count = 0, seen = 0, puts = chance_below(&chance, 2000);
        struct tl_set set = {.memory = NULL};
        struct tl_set_member member, last = {.value = 0};
        struct tl_arena arena;
        uint64_t at = 0, *word;

        tl_arena_init(&arena, 1 << 12, 0);
        for (uint32_t i = 0; i < puts && count < 1500; i++) {
            char text[40];
            uint32_t number = chance_below(&chance, below), where;

            snprintf(text, sizeof text, number % 7 ? "%u" : "text number %u of this set", number);
            if (number == 0)
                text[0] = '\0';
            for (where = 0; where < count && strcmp(kept[where], text) != 0;)
                where++;
            if (where == count)
                strcpy(kept[count++], text);
            if (round % 2) {
                cr_assert(tl_set_put_text(&set, tl_sv_from(text), &arena));
            } else {
                cr_assert(tl_set_put_text_word(&set, tl_sv_from(text), &arena, &word));
                cr_assert(*word == 0 || *word == where + 1);
                *word = where + 1;
            }
        }
        cr_assert_eq(tl_set_count(&set), count);
        while (tl_set_next(&set, &at, &member)) {
            cr_assert(seen == 0 || tl_set_order(&last, &member, true) < 0, "seed %llu", (unsigned long long)chance.seed);
            if (round % 2 == 0)
                cr_assert(tl_sv_eq(member.text, tl_sv_from(kept[member.word - 1])));
            last = member;
            seen++;
        }
        cr_assert_eq(seen, count);
        tl_arena_done(&arena);
    }
}

/* Longer than any block, between short ones. */
Test(agg_set, texts_of_megabytes)
{
    const size_t sizes[] = {5, 3000000, 17, 1048576, 1048570, 0, 900, 5000000, 1, 600000, 600000};
    struct tl_set set = {.memory = NULL};
    struct tl_arena arena;
    char *text = malloc(5000001);

    tl_arena_init(&arena, 1 << 12, 0);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            memset(text, 'a' + (int)i, sizes[i]);
            cr_assert(tl_set_put_text(&set, (struct tl_sv){text, sizes[i]}, &arena));
        }
        cr_assert_eq(tl_set_count(&set), sizeof sizes / sizeof *sizes);
    }
    free(text);
    tl_arena_done(&arena);
}

/* All that the arena has from malloc, by member, at its worst from a million on. */
Test(agg_set, what_a_member_costs)
{
#ifdef TL_TINY
    const uint32_t count_max = 20000; /* slow with chunks of 4 */
#else
    const uint32_t count_max = getenv("TALLY_LONG") != NULL ? 10000000 : 3000000; /* from 1,000,000 on: once round its growth */
#endif
    struct tl_set set = {.memory = NULL};
    struct tl_arena arena;
    double worst = 0;

    tl_arena_init(&arena, 1 << 16, 0);
    for (uint32_t i = 0; i < count_max; i++) {
        cr_assert(tl_set_put(&set, i * UINT64_C(0x9E3779B97F4A7C15), &arena));
        if (i >= 1000000 && (double)arena.held_bytes / (i + 1) > worst)
            worst = (double)arena.held_bytes / (i + 1);
    }
    cr_assert_eq(tl_set_count(&set), count_max);
    cr_log_info("numbers: at most %.2f bytes each, %.2f at last", worst, (double)arena.held_bytes / count_max);
#ifndef TL_TINY
    cr_assert_leq(worst, 12.5, "%.2f bytes each", worst);
#endif
    tl_arena_done(&arena);
}

Test(agg_set, what_a_text_costs_beside_itself)
{
    const uint32_t count = 1000000;
    struct tl_set set = {.memory = NULL};
    struct tl_arena arena;
    uint64_t bytes = 0;

    tl_arena_init(&arena, 1 << 16, 0);
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);

        bytes += (uint64_t)size;
        cr_assert(tl_set_put_text(&set, (struct tl_sv){text, (size_t)size}, &arena));
    }
    cr_log_info("a million addresses: %.2f bytes each beside the text", ((double)arena.held_bytes - (double)bytes) / count);
#ifndef TL_TINY
    cr_assert_leq(arena.held_bytes - bytes, 16 * count);
#endif
    tl_arena_done(&arena);
}

/* Groups with a few members each are what there mostly is. */
Test(agg_set, a_small_set_is_small)
{
    enum { SETS = 10000 };
    static struct tl_set sets[SETS];
    struct tl_arena arena;

    tl_arena_init(&arena, 1 << 16, 0);
    for (uint32_t i = 0; i < SETS; i++)
        for (uint32_t v = 1; v <= 4; v++)
            cr_assert(tl_set_put(&sets[i], v, &arena));
#ifndef TL_TINY
    cr_assert_leq(arena.held_bytes, 33 * SETS + (1 << 17), "%.1f bytes for a set of 4", (double)arena.held_bytes / SETS);
#endif
    tl_arena_done(&arena);
}

Test(agg_set, no_memory)
{
    struct chance chance = chance_open("agg_set");

    for (size_t bytes_max = 1; bytes_max < 60000; bytes_max += bytes_max / 4 + 100) {
        struct tl_set set = {.memory = NULL}, texts = {.memory = NULL};
        struct tl_set_member member;
        struct tl_arena arena;
        uint64_t at = 0, count = 0;

        tl_arena_init(&arena, 256, bytes_max);
        for (uint32_t i = 0; i < 3000; i++) {
            char text[24];

            snprintf(text, sizeof text, "%u", chance_below(&chance, 4000));
            count += tl_set_put(&set, 1 + i, &arena);
            (void)!tl_set_put_text(&texts, tl_sv_from(text), &arena);
        }
        cr_assert_eq(tl_set_count(&set), count);
        while (tl_set_next(&set, &at, &member))
            count--;
        for (at = 0; tl_set_next(&texts, &at, &member);)
            cr_assert_leq(member.text.size, 4);
        cr_assert_eq(count, 0);
        tl_arena_done(&arena);
    }
}
