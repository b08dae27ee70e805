/* ahead.c: rows of one layer, read by a thread ahead of whoever walks them. See ahead.h. */
#include "ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { CHUNKS = 4, CHUNK_ROWS = 256, CHUNK_BYTES = 1 << 20 /* or, of long texts, one row more than these */ };

struct chunk {
    struct tl_arena memory; /* of its rows' keys and values */
    struct tl_stored_row rows[CHUNK_ROWS];
    uint32_t count;
    size_t bytes; /* of keys and texts */
    bool is_last;
};

struct tl_ahead {
    struct tl_store_cursor *cursor;
    struct chunk *chunks;
    struct chunk *walked; /* NULL: none */
    uint32_t taken;       /* rows of it */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t filled, passed; /* chunks so far, under the lock */
    bool ended, closing;     /* there are no more rows, or `code` says why; nobody waits for them */
    enum tl_code code;
    struct tl_err err;
};

static enum tl_code keep_row(struct chunk *chunk, const struct tl_stored_row *row, struct tl_err *err)
{
    struct tl_stored_row *mine = &chunk->rows[chunk->count];
    struct tl_value *columns = tl_arena_alloc(&chunk->memory, (row->columns_count + 1) * sizeof *columns);

    *mine = *row;
    if (columns == NULL || !tl_arena_copy(&chunk->memory, row->key, &mine->key))
        return tl_fail_memory(err, row->key.size);
    memcpy(columns, row->columns, row->columns_count * sizeof *columns);
    chunk->bytes += row->key.size;
    for (uint32_t c = 0; c < row->columns_count; c++) {
        if (tl_kind_form(columns[c].kind) != TL_FORM_TEXT || columns[c].is_null)
            continue;
        if (!tl_arena_copy(&chunk->memory, columns[c].sv, &columns[c].sv))
            return tl_fail_memory(err, columns[c].sv.size);
        chunk->bytes += columns[c].sv.size;
    }
    mine->columns = columns;
    chunk->count++;
    return TL_OK;
}

static enum tl_code fill(struct tl_ahead *ahead, struct chunk *chunk, struct tl_err *err)
{
    const struct tl_stored_row *row;
    enum tl_code rc = TL_OK;

    tl_arena_reset(&chunk->memory);
    chunk->count = 0;
    chunk->bytes = 0;
    chunk->is_last = false;
    while (chunk->count < CHUNK_ROWS && chunk->bytes < CHUNK_BYTES && !chunk->is_last) {
        TL_TRY(tl_store_cursor_next(ahead->cursor, &row, err));
        chunk->is_last = row == NULL;
        if (row != NULL)
            TL_TRY(keep_row(chunk, row, err));
    }
out:
    return rc;
}

/* Fills the next one, which nobody looks at. */
static void fill_next(struct tl_ahead *ahead)
{
    struct chunk *chunk = &ahead->chunks[ahead->filled % CHUNKS];
    struct tl_err err = {0};
    enum tl_code rc = fill(ahead, chunk, &err);

    pthread_mutex_lock(&ahead->lock);
    ahead->filled++;
    ahead->ended = rc != TL_OK || chunk->is_last;
    ahead->code = rc;
    ahead->err = err;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
}

static void *thread_main(void *arg)
{
    struct tl_ahead *ahead = arg;
    bool goes_on = true;

    while (goes_on) {
        fill_next(ahead);
        pthread_mutex_lock(&ahead->lock);
        while (ahead->filled - ahead->passed == CHUNKS && !ahead->closing)
            pthread_cond_wait(&ahead->changed, &ahead->lock);
        goes_on = !ahead->ended && !ahead->closing;
        pthread_mutex_unlock(&ahead->lock);
    }
    return NULL;
}

enum tl_code tl_ahead_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                           struct tl_ahead **out, struct tl_err *err)
{
    struct tl_ahead *ahead = calloc(1, sizeof *ahead);
    enum tl_code rc = TL_OK;

    if (ahead == NULL)
        return tl_fail_memory(err, sizeof *ahead);
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    ahead->chunks = calloc(CHUNKS, sizeof *ahead->chunks);
    if (ahead->chunks == NULL)
        TL_TRY(tl_fail_memory(err, CHUNKS * sizeof *ahead->chunks));
    for (int c = 0; c < CHUNKS; c++)
        tl_arena_init(&ahead->chunks[c].memory, 1u << 16, 0);
    TL_TRY(tl_store_cursor_open(store, definition, layer, from_ms, to_ms, &ahead->cursor, err));
    ahead->running = pthread_create(&ahead->thread, NULL, thread_main, ahead) == 0;
    *out = ahead;
    ahead = NULL;
out:
    tl_ahead_close(ahead);
    return rc;
}

void tl_ahead_close(struct tl_ahead *ahead)
{
    if (ahead == NULL)
        return;
    if (ahead->running) {
        pthread_mutex_lock(&ahead->lock);
        ahead->closing = true;
        pthread_cond_signal(&ahead->changed);
        pthread_mutex_unlock(&ahead->lock);
        pthread_join(ahead->thread, NULL);
    }
    tl_store_cursor_close(ahead->cursor);
    for (int c = 0; ahead->chunks != NULL && c < CHUNKS; c++)
        tl_arena_done(&ahead->chunks[c].memory);
    free(ahead->chunks);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}

/* The next chunk, once there is one; NULL: there are no more. */
static struct chunk *next_chunk(struct tl_ahead *ahead)
{
    bool is_there, must_read;

    pthread_mutex_lock(&ahead->lock);
    ahead->passed += ahead->walked != NULL;
    pthread_cond_signal(&ahead->changed);
    while (ahead->running && ahead->filled == ahead->passed && !ahead->ended)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    must_read = ahead->filled == ahead->passed && !ahead->ended;
    is_there = ahead->filled > ahead->passed || must_read;
    pthread_mutex_unlock(&ahead->lock);
    if (must_read)
        fill_next(ahead);
    return is_there ? &ahead->chunks[ahead->passed % CHUNKS] : NULL;
}

enum tl_code tl_ahead_next(struct tl_ahead *ahead, const struct tl_stored_row **row, struct tl_err *err)
{
    *row = NULL;
    while (ahead->walked == NULL || ahead->taken == ahead->walked->count) {
        ahead->walked = next_chunk(ahead);
        ahead->taken = 0;
        if (ahead->walked != NULL)
            continue;
        if (ahead->code != TL_OK)
            *err = ahead->err;
        return ahead->code;
    }
    *row = &ahead->walked->rows[ahead->taken++];
    return TL_OK;
}
