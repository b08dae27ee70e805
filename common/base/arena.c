/* arena.c: memory with one lifetime: bump, mark, reset, drop. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
/* As in <sanitizer/asan_interface.h>, but not const: gcc takes a const argument for memory that is read. */
void __asan_poison_memory_region(volatile void *at, size_t size);
void __asan_unpoison_memory_region(volatile void *at, size_t size);
#else
/* Without the sanitizer these cost nothing; with it, what a reset has taken back may not be read. */
#define __asan_poison_memory_region(at, size) ((void)(at), (void)(size))
#define __asan_unpoison_memory_region(at, size) ((void)(at), (void)(size))
#endif

/* Ordinary chunks before `current` in the list are full, those behind it are empty. A request above chunk_bytes has a chunk of its
 * own in a list of its own, and is served from there again after a reset: so the same requests in the same order need no malloc
 * the second time, and a small block never sits in what a large one will want. */
struct tl_arena_chunk {
    struct tl_arena_chunk *next;
    size_t size, used; /* of data */
    _Alignas(max_align_t) char data[];
};

void tl_arena_init(struct tl_arena *arena, size_t chunk_bytes, size_t bytes_max)
{
    *arena = (struct tl_arena){.chunk_bytes = chunk_bytes, .bytes_max = bytes_max};
}

static void list_free(struct tl_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct tl_arena_chunk *next = chunk->next;

        __asan_unpoison_memory_region(chunk->data, chunk->size);
        free(chunk);
        chunk = next;
    }
}

struct tl_arena_end {
    void (*end)(void *arg);
    void *arg;
    struct tl_arena_end *next;
};

static void call_ends(struct tl_arena *arena)
{
    for (struct tl_arena_end *e = arena->ends; e != NULL; e = e->next)
        e->end(e->arg);
    arena->ends = NULL;
}

bool tl_arena_on_end(struct tl_arena *arena, void (*end)(void *arg), void *arg)
{
    struct tl_arena_end *e = tl_arena_alloc(arena, sizeof *e);

    if (e == NULL)
        return false;
    *e = (struct tl_arena_end){end, arg, arena->ends};
    arena->ends = e;
    return true;
}

void tl_arena_done(struct tl_arena *arena)
{
    call_ends(arena);
    list_free(arena->first);
    list_free(arena->large);
    list_free(arena->spare);
    *arena = (struct tl_arena){.chunk_bytes = arena->chunk_bytes, .bytes_max = arena->bytes_max};
}

static void chunk_empty(struct tl_arena_chunk *chunk)
{
    chunk->used = 0;
    __asan_poison_memory_region(chunk->data, chunk->size);
}

/* The large blocks that came after `kept`. */
static void spare_large(struct tl_arena *arena, const struct tl_arena_chunk *kept)
{
    while (arena->large != kept) {
        struct tl_arena_chunk *chunk = arena->large;

        arena->large = chunk->next;
        chunk_empty(chunk);
        chunk->next = arena->spare;
        arena->spare = chunk;
    }
}

struct tl_arena_place tl_arena_mark(const struct tl_arena *arena)
{
    return (struct tl_arena_place){arena->current, arena->large, arena->current != NULL ? arena->current->used : 0};
}

void tl_arena_rewind(struct tl_arena *arena, struct tl_arena_place mark)
{
    struct tl_arena_chunk *chunk = mark.current != NULL ? mark.current->next : arena->first;

    spare_large(arena, mark.large);
    if (arena->current != mark.current) {
        for (; chunk != arena->current; chunk = chunk->next)
            chunk_empty(chunk);
        chunk_empty(chunk);
    }
    arena->current = mark.current;
    if (mark.current != NULL) {
        __asan_poison_memory_region(mark.current->data + mark.used, mark.current->size - mark.used);
        mark.current->used = mark.used;
    }
}

void tl_arena_reset(struct tl_arena *arena)
{
    struct tl_arena_chunk *chunk;

    call_ends(arena);
    spare_large(arena, NULL);
    for (chunk = arena->first; chunk != NULL; chunk = chunk->next) {
        chunk_empty(chunk);
        if (chunk == arena->current)
            break; /* those behind it are empty already */
    }
    arena->current = arena->first;
}

static struct tl_arena_chunk *chunk_make(struct tl_arena *arena, size_t size)
{
    struct tl_arena_chunk *chunk;
    size_t whole, held;

    if (tl_add_overflows(size, sizeof *chunk, &whole) || tl_add_overflows(arena->held_bytes, whole, &held))
        return NULL;
    if (arena->bytes_max != 0 && held > arena->bytes_max)
        return NULL;
    chunk = malloc(whole);
    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->size = size;
    arena->held_bytes = held;
    chunk_empty(chunk);
    return chunk;
}

static void *chunk_take(struct tl_arena_chunk *chunk, size_t start, size_t bytes)
{
    chunk->used = start + bytes;
    __asan_unpoison_memory_region(chunk->data + start, bytes);
    return chunk->data + start;
}

/* Four sizes an octave: requests that grow a little with each reset find a spare chunk instead of leaving ever more behind. */
static size_t size_rounded(size_t bytes)
{
    size_t step = (size_t)1 << (sizeof(long) * 8 - 1 - (size_t)__builtin_clzl(bytes)) >> 2, rounded;

    return tl_add_overflows(bytes, step - 1, &rounded) ? bytes : rounded & ~(step - 1);
}

static void *take_large(struct tl_arena *arena, size_t bytes)
{
    struct tl_arena_chunk **best = NULL, *chunk;

    for (struct tl_arena_chunk **link = &arena->spare; *link != NULL; link = &(*link)->next)
        if ((*link)->size >= bytes && (best == NULL || (*link)->size < (*best)->size))
            best = link;
    if (best != NULL) {
        chunk = *best;
        *best = chunk->next;
    } else {
        chunk = chunk_make(arena, size_rounded(bytes));
        if (chunk == NULL)
            chunk = chunk_make(arena, bytes);
        if (chunk == NULL)
            return NULL;
    }
    chunk->next = arena->large;
    arena->large = chunk;
    return chunk_take(chunk, 0, bytes);
}

static void *take(struct tl_arena *arena, size_t bytes, size_t align)
{
    struct tl_arena_chunk *chunk = arena->current, **link;

    if (chunk != NULL) {
        size_t start = (chunk->used + (align - 1)) & ~(align - 1);

        if (start <= chunk->size && bytes <= chunk->size - start)
            return chunk_take(chunk, start, bytes);
    }
    if (bytes > arena->chunk_bytes && bytes >= 8)
        return take_large(arena, bytes);
    /* The next empty chunk that has room; chunks differ only where chunk_bytes was changed on the way. */
    for (link = chunk != NULL ? &chunk->next : &arena->first; *link != NULL && (*link)->size < bytes;)
        link = &(*link)->next;
    if (*link != NULL) {
        struct tl_arena_chunk *found = *link;

        *link = found->next;
        chunk = found;
    } else {
        chunk = chunk_make(arena, arena->chunk_bytes > 8 ? arena->chunk_bytes : 8);
        if (chunk == NULL)
            return NULL;
    }
    link = arena->current != NULL ? &arena->current->next : &arena->first;
    chunk->next = *link;
    *link = chunk;
    arena->current = chunk;
    return chunk_take(chunk, 0, bytes);
}

void *tl_arena_alloc(struct tl_arena *arena, size_t bytes)
{
    return take(arena, bytes, _Alignof(max_align_t));
}

void *tl_arena_zalloc(struct tl_arena *arena, size_t bytes)
{
    void *memory = take(arena, bytes, _Alignof(max_align_t));

    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

char *tl_arena_bytes(struct tl_arena *arena, size_t bytes)
{
    return take(arena, bytes, 1);
}

bool tl_arena_copy(struct tl_arena *arena, struct tl_sv text, struct tl_sv *out)
{
    char *copy;

    if (text.size == SIZE_MAX)
        return false;
    copy = take(arena, text.size + 1, 1);
    if (copy == NULL)
        return false;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *out = (struct tl_sv){copy, text.size};
    return true;
}

char *tl_arena_printf(struct tl_arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text;
    int size;

    va_start(args, fmt);
    size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (size < 0)
        return NULL;
    text = take(arena, (size_t)size + 1, 1);
    if (text == NULL)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)size + 1, fmt, args);
    va_end(args);
    return text;
}
