/* arena.c: memory with one lifetime: bump, reset, drop. */
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
#include <sanitizer/asan_interface.h>
#else
/* Without the sanitizer these cost nothing; with it, what a reset has taken back may not be read. */
#define __asan_poison_memory_region(at, size) ((void)(at), (void)(size))
#define __asan_unpoison_memory_region(at, size) ((void)(at), (void)(size))
#endif

/* Chunks before `current` in the list are full; `current` is being filled; those behind it are empty. */
struct tl_arena_chunk {
    struct tl_arena_chunk *next;
    size_t size, used; /* of data */
    _Alignas(max_align_t) char data[];
};

void tl_arena_init(struct tl_arena *arena, size_t chunk_bytes, size_t bytes_max)
{
    *arena = (struct tl_arena){.chunk_bytes = chunk_bytes, .bytes_max = bytes_max};
}

void tl_arena_done(struct tl_arena *arena)
{
    struct tl_arena_chunk *chunk = arena->first;

    while (chunk != NULL) {
        struct tl_arena_chunk *next = chunk->next;

        __asan_unpoison_memory_region(chunk->data, chunk->size);
        free(chunk);
        chunk = next;
    }
    *arena = (struct tl_arena){.chunk_bytes = arena->chunk_bytes, .bytes_max = arena->bytes_max};
}

void tl_arena_reset(struct tl_arena *arena)
{
    if (arena->first == NULL)
        return;
    for (struct tl_arena_chunk *chunk = arena->first;; chunk = chunk->next) {
        chunk->used = 0;
        __asan_poison_memory_region(chunk->data, chunk->size);
        if (chunk == arena->current)
            break; /* those behind it are empty already */
    }
    arena->current = arena->first;
}

/* Takes the first empty chunk that has room out of the list. */
static struct tl_arena_chunk *chunk_unlink(struct tl_arena *arena, size_t bytes)
{
    struct tl_arena_chunk **link = arena->current != NULL ? &arena->current->next : &arena->first;

    for (; *link != NULL; link = &(*link)->next)
        if ((*link)->size >= bytes) {
            struct tl_arena_chunk *chunk = *link;

            *link = chunk->next;
            return chunk;
        }
    return NULL;
}

static struct tl_arena_chunk *chunk_make(struct tl_arena *arena, size_t bytes)
{
    struct tl_arena_chunk *chunk;
    size_t size = bytes > arena->chunk_bytes ? bytes : arena->chunk_bytes, whole, held;

    if (tl_add_overflows(size, sizeof *chunk, &whole) || tl_add_overflows(arena->held_bytes, whole, &held))
        return NULL;
    if (arena->bytes_max != 0 && held > arena->bytes_max)
        return NULL;
    chunk = malloc(whole);
    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    chunk->used = 0;
    arena->held_bytes = held;
    __asan_poison_memory_region(chunk->data, chunk->size);
    return chunk;
}

static void *chunk_take(struct tl_arena_chunk *chunk, size_t start, size_t bytes)
{
    chunk->used = start + bytes;
    __asan_unpoison_memory_region(chunk->data + start, bytes);
    return chunk->data + start;
}

static void *take(struct tl_arena *arena, size_t bytes, size_t align)
{
    struct tl_arena_chunk *chunk = arena->current;

    if (chunk != NULL) {
        size_t start = (chunk->used + (align - 1)) & ~(align - 1);

        if (start <= chunk->size && bytes <= chunk->size - start)
            return chunk_take(chunk, start, bytes);
    }
    chunk = chunk_unlink(arena, bytes);
    if (chunk == NULL)
        chunk = chunk_make(arena, bytes);
    if (chunk == NULL)
        return NULL;
    if (arena->current == NULL) {
        chunk->next = arena->first;
        arena->first = chunk;
        arena->current = chunk;
    } else if (bytes > arena->chunk_bytes) {
        /* A large request fills its chunk: it goes to the front, and the current chunk keeps its rest. */
        chunk->next = arena->first;
        arena->first = chunk;
    } else {
        chunk->next = arena->current->next;
        arena->current->next = chunk;
        arena->current = chunk;
    }
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
