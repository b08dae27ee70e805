/* pattern_cache.h: patterns that come with the events (regular expressions, JSON paths, letters of times), compiled: a thread's last few. */
#ifndef TL_PATTERN_CACHE_H
#define TL_PATTERN_CACHE_H

#include "base/arena.h"

enum { TL_PATTERN_BYTES_MAX = 1024 }; /* a longer one is refused */

/* Compiles into the arena. TL_ERR_MEMORY, or any other code: the pattern is refused. */
typedef enum tl_code tl_pattern_compile(struct tl_sv pattern, struct tl_arena *arena, const void **out);

struct tl_pattern_cache;

struct tl_pattern_cache *tl_pattern_cache_open(tl_pattern_compile *compile); /* NULL: out of memory */
void tl_pattern_cache_close(struct tl_pattern_cache *cache);
/* *out lives until the next call; NULL: the pattern is refused. False: out of memory. */
TL_MUST_USE bool tl_pattern_cache_get(struct tl_pattern_cache *cache, struct tl_sv pattern, const void **out);

#endif
