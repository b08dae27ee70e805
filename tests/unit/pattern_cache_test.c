/* pattern_cache_test.c: the last few patterns stay, the one not used for longest goes, refused ones stay refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/pattern_cache.h"

static unsigned compiled;

static enum tl_code compile(struct tl_sv pattern, struct tl_arena *arena, const void **out)
{
    compiled++;
    if (pattern.data[0] == '!')
        return TL_ERR_DEFINITION;
    *out = tl_arena_alloc(arena, 16);
    return *out != NULL ? TL_OK : TL_ERR_MEMORY;
}

static const void *get(struct tl_pattern_cache *cache, const char *pattern)
{
    const void *out = NULL;

    cr_assert(tl_pattern_cache_get(cache, tl_sv_from(pattern), &out));
    return out;
}

Test(pattern_cache, keeps_the_last)
{
    struct tl_pattern_cache *cache = tl_pattern_cache_open(compile);
    char name[8];

    cr_assert_not_null(cache);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 8; i++) {
            snprintf(name, sizeof name, "p%d", i);
            cr_assert_not_null(get(cache, name));
        }
    cr_assert_eq(compiled, 8);
    (void)get(cache, "p0");
    (void)get(cache, "new"); /* in the place of p1 */
    (void)get(cache, "p0");
    cr_assert_eq(compiled, 9);
    (void)get(cache, "p1");
    cr_assert_eq(compiled, 10);
    tl_pattern_cache_close(cache);
}

Test(pattern_cache, refused)
{
    struct tl_pattern_cache *cache = tl_pattern_cache_open(compile);
    static char longest[TL_PATTERN_BYTES_MAX + 2];
    const void *out = NULL;

    cr_assert_not_null(cache);
    cr_assert_null(get(cache, "!"));
    cr_assert_null(get(cache, "!"));
    cr_assert_eq(compiled, 1);
    memset(longest, 'a', sizeof longest - 1);
    cr_assert(tl_pattern_cache_get(cache, (struct tl_sv){longest, TL_PATTERN_BYTES_MAX + 1}, &out));
    cr_assert_null(out);
    cr_assert(tl_pattern_cache_get(cache, (struct tl_sv){longest, TL_PATTERN_BYTES_MAX}, &out));
    cr_assert_not_null(out);
    tl_pattern_cache_close(cache);
}
