/* pattern_cache.c: patterns that come with the events, compiled: the last few of a thread. See pattern_cache.h. */
#include "core/pattern_cache.h"

#include <stdlib.h>

enum { PATTERNS_MAX = 8 };

struct pattern {
    struct tl_arena arena; /* holds the others */
    struct tl_sv text;
    const void *compiled; /* NULL: refused */
    uint64_t used;        /* when; 0: free */
};

struct tl_pattern_cache {
    tl_pattern_compile *compile;
    uint64_t clock;
    struct pattern patterns[PATTERNS_MAX];
};

struct tl_pattern_cache *tl_pattern_cache_open(tl_pattern_compile *compile)
{
    struct tl_pattern_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return NULL;
    cache->compile = compile;
    for (size_t i = 0; i < PATTERNS_MAX; i++)
        tl_arena_init(&cache->patterns[i].arena, 256, 0);
    return cache;
}

void tl_pattern_cache_close(struct tl_pattern_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < PATTERNS_MAX; i++)
        tl_arena_done(&cache->patterns[i].arena);
    free(cache);
}

static bool fill(const struct tl_pattern_cache *cache, struct pattern *pattern, struct tl_sv text)
{
    tl_arena_reset(&pattern->arena);
    pattern->compiled = NULL;
    pattern->used = 0;
    if (!tl_arena_copy(&pattern->arena, text, &pattern->text))
        return false;
    return cache->compile(pattern->text, &pattern->arena, &pattern->compiled) != TL_ERR_MEMORY;
}

bool tl_pattern_cache_get(struct tl_pattern_cache *cache, struct tl_sv pattern, const void **out)
{
    struct pattern *place = &cache->patterns[0]; /* of the one that was not used for longest */

    *out = NULL;
    if (pattern.size > TL_PATTERN_BYTES_MAX)
        return true;
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        if (cache->patterns[i].used > 0 && tl_sv_eq(cache->patterns[i].text, pattern)) {
            place = &cache->patterns[i];
            break;
        }
        if (cache->patterns[i].used < place->used)
            place = &cache->patterns[i];
    }
    if ((place->used == 0 || !tl_sv_eq(place->text, pattern)) && !fill(cache, place, pattern))
        return false;
    place->used = ++cache->clock;
    *out = place->compiled;
    return true;
}
