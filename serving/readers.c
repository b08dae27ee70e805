/* readers.c: threads that ask the store. See readers.h. */
#include "readers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

enum { PAUSE_MIN_MS = 100 };

struct reader {
    struct tl_readers *readers;
    pthread_t thread;
    struct tl_store *store;     /* NULL: none yet, or it is away */
    int64_t opened;             /* the pulse's, when this one was */
    int64_t pause_ms, again_ms; /* not before that */
    struct tl_err why;          /* it could not be opened */
};

struct tl_readers {
    struct tl_readers_config config;
    struct reader reader[TL_READERS_MAX];
    unsigned running;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct tl_reader_job *first, **last; /* with the mutex, as are the next two */
    unsigned waiting;
    bool ending;
};

/* ---- the handle ---- */

static void let_go(struct reader *reader)
{
    tl_store_close(reader->store);
    reader->store = NULL;
}

static enum tl_code take_store(struct reader *reader, int64_t now_ms, int64_t deadline_ms, struct tl_err *err)
{
    struct tl_pulse_beat beat = tl_pulse_beat(reader->readers->config.pulse);

    if (reader->opened != beat.opened) {
        let_go(reader);
        reader->opened = beat.opened;
        reader->again_ms = 0;
    }
    if (reader->store != NULL)
        return TL_OK;
    if (now_ms >= reader->again_ms) {
        if (tl_store_open_by(reader->readers->config.store, TL_STORE_READ, deadline_ms, &reader->store, &reader->why) == TL_OK) {
            reader->pause_ms = 0;
            return TL_OK;
        }
        reader->pause_ms = tl_min_i64(tl_max_i64(reader->pause_ms * 2, PAUSE_MIN_MS), TL_PULSE_PAUSE_MAX_MS);
        reader->again_ms = tl_clock_monotonic_ms() + reader->pause_ms;
    }
    *err = reader->why;
    return err->code;
}

static void run(struct reader *reader, struct tl_reader_job *job)
{
    int64_t now_ms = tl_clock_monotonic_ms(), deadline_ms = job->deadline_ms;
    struct tl_err err = {.code = TL_ERR_IO};
    enum tl_code rc;

    if (now_ms >= deadline_ms)
        rc = tl_fail(&err, TL_ERR_LIMIT, "the store is asked for more than it can answer in time");
    else
        rc = take_store(reader, now_ms, deadline_ms, &err);
    if (rc != TL_OK) {
        (void)!job->run(job, NULL, &err);
        return;
    }
    tl_store_deadline(reader->store, deadline_ms);
    rc = job->run(job, reader->store, &err);
    if (rc != TL_OK && tl_clock_monotonic_ms() < deadline_ms) /* else it was slow, and is as good as before */
        let_go(reader);
}

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    struct tl_readers *readers = reader->readers;

    pthread_mutex_lock(&readers->mutex);
    for (;;) {
        struct tl_reader_job *job;

        while (readers->first == NULL && !readers->ending)
            pthread_cond_wait(&readers->more, &readers->mutex);
        job = readers->first;
        if (job == NULL)
            break;
        readers->first = job->next;
        if (readers->first == NULL)
            readers->last = &readers->first;
        readers->waiting--;
        pthread_mutex_unlock(&readers->mutex);
        run(reader, job);
        pthread_mutex_lock(&readers->mutex);
    }
    pthread_mutex_unlock(&readers->mutex);
    let_go(reader);
    return NULL;
}

/* ---- the whole ---- */

bool tl_readers_put(struct tl_readers *readers, struct tl_reader_job *job)
{
    bool room;

    pthread_mutex_lock(&readers->mutex);
    room = !readers->ending && readers->waiting < readers->config.queue_max;
    if (room) {
        job->next = NULL;
        *readers->last = job;
        readers->last = &job->next;
        readers->waiting++;
        pthread_cond_signal(&readers->more);
    }
    pthread_mutex_unlock(&readers->mutex);
    return room;
}

unsigned tl_readers_waiting(struct tl_readers *readers)
{
    unsigned waiting;

    pthread_mutex_lock(&readers->mutex);
    waiting = readers->waiting;
    pthread_mutex_unlock(&readers->mutex);
    return waiting;
}

enum tl_code tl_readers_open(const struct tl_readers_config *config, struct tl_readers **out, struct tl_err *err)
{
    struct tl_readers *readers = calloc(1, sizeof *readers);
    sigset_t all, before;
    int failure = 0;

    if (readers == NULL)
        return tl_fail_memory(err, sizeof *readers);
    assert(config->count <= TL_READERS_MAX);
    readers->config = *config;
    readers->last = &readers->first;
    pthread_mutex_init(&readers->mutex, NULL);
    pthread_cond_init(&readers->more, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; readers->running < config->count && failure == 0; readers->running += failure == 0) {
        readers->reader[readers->running].readers = readers;
        failure =
            pthread_create(&readers->reader[readers->running].thread, NULL, reader_main, &readers->reader[readers->running]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        tl_fail_errno(err, TL_ERR_IO, "cannot start a thread");
        tl_readers_close(readers);
        return TL_ERR_IO;
    }
    *out = readers;
    return TL_OK;
}

void tl_readers_stop(struct tl_readers *readers)
{
    if (readers == NULL)
        return;
    pthread_mutex_lock(&readers->mutex);
    readers->ending = true;
    pthread_cond_broadcast(&readers->more);
    pthread_mutex_unlock(&readers->mutex);
    for (unsigned r = 0; r < readers->running; r++)
        pthread_join(readers->reader[r].thread, NULL);
    readers->running = 0;
}

void tl_readers_close(struct tl_readers *readers)
{
    if (readers == NULL)
        return;
    tl_readers_stop(readers);
    pthread_cond_destroy(&readers->more);
    pthread_mutex_destroy(&readers->mutex);
    free(readers);
}
