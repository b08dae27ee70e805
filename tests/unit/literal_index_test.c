/* literal_index_test.c: the automaton against looking for each literal by itself. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/literal_index.h"
#include "support/chance.h"

static struct tl_arena arena;

static void open_arena(void)
{
    tl_arena_init(&arena, 4096, 0);
}

static void close_arena(void)
{
    tl_arena_done(&arena);
}

TestSuite(literal_index, .init = open_arena, .fini = close_arena);

static struct tl_sv text_make(struct chance *chance, const char *letters, uint32_t size)
{
    char *bytes = tl_arena_bytes(&arena, size + 1);

    cr_assert_not_null(bytes);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = letters[chance_below(chance, (uint32_t)strlen(letters))];
    return (struct tl_sv){bytes, size};
}

static bool has_one(const struct tl_literal_set *set, struct tl_sv text)
{
    for (uint32_t l = 0; l < set->count; l++)
        for (size_t at = 0; at + set->literals[l].size <= text.size; at++)
            if (tl_sv_eq_nocase((struct tl_sv){text.data + at, set->literals[l].size}, set->literals[l]))
                return true;
    return false;
}

/* Few letters, so that literals are within and behind one another. */
Test(literal_index, finds_what_is_there)
{
    struct chance chance = chance_open("literal_index/finds_what_is_there");

    for (int round = 0; round < 1000; round++) {
        struct tl_literal_set sets[70];
        uint32_t sets_count = chance_below(&chance, TL_COUNT(sets) + 1);
        const struct tl_literal_index *index;
        uint64_t hits[2];

        for (uint32_t s = 0; s < sets_count; s++) {
            struct tl_sv *literals = tl_arena_alloc(&arena, 4 * sizeof *literals);

            sets[s] = (struct tl_literal_set){literals, chance_below(&chance, 5)};
            for (uint32_t l = 0; l < sets[s].count; l++)
                literals[l] = text_make(&chance, chance_below(&chance, 2) ? "ab" : "abc-\xff", chance_below(&chance, 7));
        }
        cr_assert(tl_literal_index_make(&arena, sets, sets_count, &index));
        for (int i = 0; i < 10; i++) {
            struct tl_sv text = text_make(&chance, "abABc-x\xff\xfe", chance_below(&chance, 30));

            tl_literal_index_scan(index, text, hits);
            for (uint32_t s = 0; s < sets_count; s++)
                cr_assert_eq(tl_literal_hit(hits, s), has_one(&sets[s], text), "set %u in '%.*s'", s, TL_SV_ARG(text));
        }
        tl_arena_reset(&arena);
    }
}

/* All bytes that a literal may have, each a class of its own. */
Test(literal_index, every_byte)
{
    struct tl_literal_set sets[256];
    const struct tl_literal_index *index;
    struct tl_sv literals[256];
    char bytes[256];
    uint64_t hits[4];

    for (unsigned c = 0; c < 256; c++) {
        bytes[c] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        literals[c] = (struct tl_sv){&bytes[c], 1};
        sets[c] = (struct tl_literal_set){&literals[c], 1};
    }
    cr_assert(tl_literal_index_make(&arena, sets, 256, &index));
    cr_assert_eq(tl_literal_index_states(index), 256 - 26 + 1);
    for (unsigned c = 0; c < 256; c++) {
        char text = (char)c;

        tl_literal_index_scan(index, (struct tl_sv){&text, 1}, hits);
        for (unsigned s = 0; s < 256; s++)
            cr_assert_eq(tl_literal_hit(hits, s), bytes[s] == bytes[c]);
    }
}
