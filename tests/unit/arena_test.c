/* arena_test.c: memory is aligned, lives until reset, and comes back without malloc. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/arena.h"

Test(arena, hands_out_aligned_memory_that_does_not_overlap)
{
    struct tl_arena arena;
    char *blocks[200];

    tl_arena_init(&arena, 512, 0);
    for (size_t i = 0; i < 200; i++) {
        cr_assert_not_null(tl_arena_bytes(&arena, 1), "an odd byte between them");
        blocks[i] = tl_arena_alloc(&arena, i);
        cr_assert_not_null(blocks[i]);
        cr_assert_eq((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        memset(blocks[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_eq((unsigned char)blocks[i][k], (unsigned char)i);
    tl_arena_done(&arena);
    cr_assert_eq(arena.held_bytes, 0);
}

static void fill_mixed(struct tl_arena *arena)
{
    for (size_t i = 0; i < 100; i++) {
        cr_assert_not_null(tl_arena_alloc(arena, 1 + i * 7 % 300));
        if (i % 10 == 0)
            cr_assert_not_null(tl_arena_bytes(arena, 1000 + 100 * i), "larger than a chunk");
    }
}

Test(arena, reset_keeps_its_memory)
{
    struct tl_arena arena;
    size_t held;

    tl_arena_init(&arena, 1024, 0);
    fill_mixed(&arena);
    held = arena.held_bytes;
    for (int round = 0; round < 5; round++) {
        tl_arena_reset(&arena);
        fill_mixed(&arena);
        cr_assert_eq(arena.held_bytes, held, "round %d took more from malloc", round);
    }
    tl_arena_done(&arena);
    tl_arena_done(&arena);
    tl_arena_reset(&arena);
}

/* What stood before the mark stays as it was, what came after it comes again, in whatever chunk the mark lies. */
Test(arena, rewinds_to_a_mark)
{
    struct tl_arena arena;
    size_t held = 0;

    tl_arena_init(&arena, 512, 0);
    for (size_t before = 0; before < 1200; before += 100) {
        char *kept[12], *large;
        struct tl_arena_place mark, inner;
        void *first = NULL;

        tl_arena_reset(&arena);
        for (size_t i = 0; i < before / 100; i++) {
            kept[i] = tl_arena_bytes(&arena, 100);
            cr_assert_not_null(kept[i]);
            memset(kept[i], (int)i, 100);
        }
        large = before > 300 ? tl_arena_bytes(&arena, 2000) : NULL;
        if (large != NULL)
            memset(large, 'l', 2000);
        mark = tl_arena_mark(&arena);
        for (int round = 0; round < 5; round++) {
            void *block = tl_arena_alloc(&arena, 40);

            cr_assert_not_null(block);
            cr_assert(round == 0 || block == first);
            first = block;
            inner = tl_arena_mark(&arena);
            for (int i = 0; i < 3; i++) {
                fill_mixed(&arena);
                tl_arena_rewind(&arena, inner);
            }
            fill_mixed(&arena);
            memset(block, 'x', 40);
            tl_arena_rewind(&arena, mark);
            cr_assert(round == 0 || arena.held_bytes == held, "round %d took more from malloc", round);
            held = arena.held_bytes;
        }
        for (size_t i = 0; i < before / 100; i++)
            for (int k = 0; k < 100; k++)
                cr_assert_eq(kept[i][k], (char)i);
        for (int k = 0; large != NULL && k < 2000; k++)
            cr_assert_eq(large[k], 'l');
    }
    tl_arena_done(&arena);
    cr_assert_eq(arena.held_bytes, 0);
}

Test(arena, large_blocks_leave_the_current_chunk_in_use)
{
    struct tl_arena arena;
    char *before, *after;

    tl_arena_init(&arena, 4096, 0);
    before = tl_arena_bytes(&arena, 100);
    cr_assert_not_null(tl_arena_bytes(&arena, 100000));
    after = tl_arena_bytes(&arena, 100);
    cr_assert_eq(after, before + 100);
    tl_arena_done(&arena);
}

Test(arena, says_no_at_its_maximum_and_stays_usable)
{
    struct tl_arena arena;

    tl_arena_init(&arena, 1024, 4096);
    cr_assert_null(tl_arena_alloc(&arena, 5000));
    cr_assert_null(tl_arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(tl_arena_alloc(&arena, SIZE_MAX - 64));
    cr_assert_not_null(tl_arena_alloc(&arena, 1000));
    cr_assert_leq(arena.held_bytes, 4096);
    while (tl_arena_alloc(&arena, 100) != NULL)
        ;
    cr_assert_leq(arena.held_bytes, 4096);
    tl_arena_reset(&arena);
    cr_assert_not_null(tl_arena_alloc(&arena, 1000));
    tl_arena_done(&arena);
}

Test(arena, zeroes_copies_and_prints)
{
    struct tl_arena arena;
    struct tl_sv copy = {NULL, 0};
    char *zeros;

    tl_arena_init(&arena, 256, 0);
    memset(tl_arena_bytes(&arena, 200), 'x', 200);
    tl_arena_reset(&arena);
    zeros = tl_arena_zalloc(&arena, 200);
    for (size_t i = 0; i < 200; i++)
        cr_assert_eq(zeros[i], 0);
    cr_assert(tl_arena_copy(&arena, TL_SV("a\0b"), &copy));
    cr_assert(tl_sv_eq(copy, TL_SV("a\0b")));
    cr_assert_eq(copy.data[copy.size], '\0');
    cr_assert(tl_arena_copy(&arena, (struct tl_sv){NULL, 0}, &copy));
    cr_assert_str_eq(copy.data, "");
    cr_assert_str_eq(tl_arena_printf(&arena, "%s-%04d", "topic", 7), "topic-0007");
    tl_arena_done(&arena);
}

static char ended[8];

static void note_end(void *arg) /* a text */
{
    strcat(ended, arg);
}

Test(arena, what_lies_outside_ends_with_it)
{
    struct tl_arena arena;
    char a[] = "a", b[] = "b", c[] = "c";

    tl_arena_init(&arena, 512, 0);
    cr_assert(tl_arena_on_end(&arena, note_end, a));
    cr_assert(tl_arena_on_end(&arena, note_end, b));
    tl_arena_reset(&arena);
    cr_assert_str_eq(ended, "ba", "the latest first");
    cr_assert(tl_arena_on_end(&arena, note_end, c));
    tl_arena_done(&arena);
    cr_assert_str_eq(ended, "bac", "each once");
}
