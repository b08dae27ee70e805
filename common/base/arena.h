/* arena.h: memory with one lifetime: bump, mark, reset, drop.
 *
 * An arena serves one thread. What it hands out lives until reset or done. */
#ifndef TL_ARENA_H
#define TL_ARENA_H

#include "base/base.h"
#include "base/sv.h"

struct tl_arena_chunk;
struct tl_arena_end;

struct tl_arena {
    struct tl_arena_chunk *first, *current; /* ordinary chunks: full, current, empty */
    struct tl_arena_chunk *large, *spare;   /* chunks of one large block each: in use, free since a reset */
    size_t chunk_bytes;                     /* size of an ordinary chunk; a larger request gets a chunk of its own */
    size_t held_bytes;                      /* what the arena has from malloc */
    size_t bytes_max;                       /* 0: no limit of its own */
    struct tl_arena_end *ends;              /* what tl_arena_on_end asked for, the latest first */
};

void tl_arena_init(struct tl_arena *arena, size_t chunk_bytes, size_t bytes_max);
void tl_arena_done(struct tl_arena *arena);
/* Forgets everything handed out and keeps the memory for reuse (warm arenas do not call malloc). */
void tl_arena_reset(struct tl_arena *arena);
/* A moment: what is handed out after it can be taken back, and keeps its memory as reset does. Marks are taken back to in the reverse order;
 * a reset forgets them. Nothing may ask for an end (tl_arena_on_end) between the two. */
struct tl_arena_place {
    struct tl_arena_chunk *current, *large;
    size_t used; /* of current */
};
struct tl_arena_place tl_arena_mark(const struct tl_arena *arena);
void tl_arena_rewind(struct tl_arena *arena, struct tl_arena_place mark);
/* NULL when malloc or bytes_max says no. Aligned for any type. Not zeroed. */
TL_MUST_USE void *tl_arena_alloc(struct tl_arena *arena, size_t bytes);
TL_MUST_USE void *tl_arena_zalloc(struct tl_arena *arena, size_t bytes); /* zeroed */
/* Unaligned bytes, for text. */
TL_MUST_USE char *tl_arena_bytes(struct tl_arena *arena, size_t bytes);
/* Copies the text (with a terminating zero behind it). On failure false. */
TL_MUST_USE bool tl_arena_copy(struct tl_arena *arena, struct tl_sv text, struct tl_sv *out);
/* Calls `end(arg)` before the memory goes, at reset or done: for what an arena's content holds outside of it. The latest is called first. */
TL_MUST_USE bool tl_arena_on_end(struct tl_arena *arena, void (*end)(void *arg), void *arg);
TL_MUST_USE char *tl_arena_printf(struct tl_arena *arena, const char *fmt, ...) TL_PRINTF(2, 3);

#endif
