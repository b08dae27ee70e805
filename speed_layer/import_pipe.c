/* import_pipe.c: the chunks of a log, made by threads of their own. See import_pipe.h.
 *
 * Chunks have numbers, and number n is made in place n mod chunks_count. All that is shared stands under one lock; it is taken
 * a few times a span. */
#include "speed_layer/import_pipe.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct worker {
    struct tl_import_pipe *pipe;
    pthread_t thread;
    bool started;
    struct tl_import_maker maker;
};

struct tl_import_pipe {
    struct worker *workers;
    struct tl_import_chunk *chunks;
    bool *is_made; /* of each place */
    uint32_t workers_count, chunks_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct tl_line_source *source;
    const struct tl_import_job *job;
    uint64_t next, taken; /* numbers: of the next to be read; how many were given back */
    bool reading;         /* one thread has the source */
    bool stop, at_end;    /* no more is to be read; there is no more */
    uint64_t lines_before;
    int64_t now_ms;
};

enum tl_code tl_import_pipe_open(uint32_t threads_count, struct tl_import_pipe **out, struct tl_err *err)
{
    struct tl_import_pipe *pipe = calloc(1, sizeof *pipe);
    enum tl_code rc = TL_OK;

    if (pipe == NULL)
        return tl_fail_memory(err, sizeof *pipe);
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    pipe->workers = calloc(threads_count, sizeof *pipe->workers);
    pipe->chunks = calloc(2 * threads_count + 1, sizeof *pipe->chunks);
    pipe->is_made = calloc(2 * threads_count + 1, sizeof *pipe->is_made);
    if (pipe->workers == NULL || pipe->chunks == NULL || pipe->is_made == NULL)
        TL_TRY(tl_fail_memory(err, threads_count * sizeof *pipe->workers));
    for (; pipe->chunks_count < 2 * threads_count + 1; pipe->chunks_count++)
        tl_import_chunk_init(&pipe->chunks[pipe->chunks_count]);
    while (pipe->workers_count < threads_count) {
        struct worker *worker = &pipe->workers[pipe->workers_count++];

        worker->pipe = pipe;
        TL_TRY(tl_import_maker_init(&worker->maker, err));
    }
    *out = pipe;
out:
    if (rc != TL_OK)
        tl_import_pipe_close(pipe);
    return rc;
}

void tl_import_pipe_close(struct tl_import_pipe *pipe)
{
    if (pipe == NULL)
        return;
    tl_import_pipe_end(pipe);
    for (uint32_t i = 0; i < pipe->workers_count; i++)
        tl_import_maker_done(&pipe->workers[i].maker);
    for (uint32_t i = 0; i < pipe->chunks_count; i++)
        tl_import_chunk_done(&pipe->chunks[i]);
    free(pipe->workers);
    free(pipe->chunks);
    free(pipe->is_made);
    pthread_cond_destroy(&pipe->changed);
    pthread_mutex_destroy(&pipe->lock);
    free(pipe);
}

/* ---- the threads ---- */

/* With the lock held and the source ours: the lock is given back while it reads. */
static void read_lines(struct tl_import_pipe *pipe, struct tl_import_chunk *chunk)
{
    pipe->reading = true;
    pthread_mutex_unlock(&pipe->lock);
    chunk->rc = tl_line_source_next(pipe->source, &chunk->lines, &chunk->err);
    pthread_mutex_lock(&pipe->lock);
    pipe->reading = false;
    pipe->now_ms = tl_max_i64(pipe->now_ms, tl_clock_wall_ms());
    chunk->now_ms = pipe->now_ms;
    chunk->read_bytes = tl_line_source_read_bytes(pipe->source);
    chunk->lines_before = pipe->lines_before;
    pipe->at_end = chunk->rc != TL_OK || chunk->lines.at_end;
    pipe->lines_before += chunk->rc == TL_OK ? chunk->lines.count : 0;
    pthread_cond_broadcast(&pipe->changed);
}

static void *work(void *ctx)
{
    struct worker *worker = ctx;
    struct tl_import_pipe *pipe = worker->pipe;

    pthread_mutex_lock(&pipe->lock);
    for (;;) {
        struct tl_import_chunk *chunk;
        uint64_t number;

        while (!pipe->stop && !pipe->at_end && (pipe->reading || pipe->next - pipe->taken == pipe->chunks_count))
            pthread_cond_wait(&pipe->changed, &pipe->lock);
        if (pipe->stop || pipe->at_end)
            break;
        number = pipe->next++;
        chunk = &pipe->chunks[number % pipe->chunks_count];
        read_lines(pipe, chunk);
        pthread_mutex_unlock(&pipe->lock);
        if (chunk->rc == TL_OK)
            chunk->rc = tl_import_chunk_make(&worker->maker, pipe->job, chunk, &chunk->err);
        pthread_mutex_lock(&pipe->lock);
        pipe->is_made[number % pipe->chunks_count] = true;
        pthread_cond_broadcast(&pipe->changed);
    }
    pthread_mutex_unlock(&pipe->lock);
    return NULL;
}

/* ---- the one that takes ---- */

enum tl_code tl_import_pipe_begin(struct tl_import_pipe *pipe, struct tl_line_source *source, const struct tl_import_job *job,
                                  uint64_t lines_before, struct tl_err *err)
{
    tl_import_pipe_end(pipe);
    pipe->source = source;
    pipe->job = job;
    pipe->lines_before = lines_before;
    pipe->next = pipe->taken = 0;
    pipe->stop = pipe->at_end = pipe->reading = false;
    for (uint32_t i = 0; i < pipe->chunks_count; i++)
        pipe->is_made[i] = false;
    for (uint32_t i = 0; i < pipe->workers_count; i++) {
        struct worker *worker = &pipe->workers[i];
        int failed = pthread_create(&worker->thread, NULL, work, worker);

        worker->started = failed == 0;
        if (failed != 0 && i == 0) /* with one, the others are only missed */
            return tl_fail(err, TL_ERR_IO, "cannot start a thread; fewer processes, or a higher limit on them, would do");
    }
    return TL_OK;
}

enum tl_code tl_import_pipe_take(struct tl_import_pipe *pipe, struct tl_import_chunk **out, struct tl_err *err)
{
    size_t place = pipe->taken % pipe->chunks_count;
    struct tl_import_chunk *chunk = NULL;

    pthread_mutex_lock(&pipe->lock);
    while (!pipe->is_made[place] && !(pipe->at_end && pipe->taken == pipe->next))
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    if (pipe->is_made[place])
        chunk = &pipe->chunks[place];
    pthread_mutex_unlock(&pipe->lock);
    if (chunk != NULL && chunk->rc != TL_OK) {
        *err = chunk->err;
        return chunk->rc;
    }
    *out = chunk;
    return TL_OK;
}

void tl_import_pipe_give_back(struct tl_import_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->is_made[pipe->taken % pipe->chunks_count] = false;
    pipe->taken++;
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

void tl_import_pipe_end(struct tl_import_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->stop = true;
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
    for (uint32_t i = 0; i < pipe->workers_count; i++) {
        if (pipe->workers[i].started)
            pthread_join(pipe->workers[i].thread, NULL);
        pipe->workers[i].started = false;
    }
}
