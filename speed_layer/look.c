/* look.c: looks at the topics while a lane runs. See look.h. */
#include "look.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/diag.h"

enum {
    LOOK_MS = 1000,
    LOOKS_FOR_ALL = 10, /* after so many of them each partition's message was looked at */
    MISSING_MS = 10000
};

struct anchor {
    int64_t offset;
    uint64_t fingerprint; /* 0: none yet */
};

struct tl_look {
    const struct tl_lane_ground *ground;
    const struct tl_lane *lane;
    struct anchor *anchors;     /* per partition of the lane */
    struct tl_position *before; /* the same: as of before the look */
    int64_t *missing_since_ms;  /* per source: monotonic; 0: it is there */
    uint32_t next;              /* the partition to look at next */
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;
    bool stop, running;
    struct tl_position *positions;
    bool *said; /* per source */
    bool more, failed;
    struct tl_err err;
};

/* ---- the looks ---- */

static bool is_to_stop(struct tl_look *look)
{
    bool stop;

    pthread_mutex_lock(&look->mutex);
    stop = look->stop;
    pthread_mutex_unlock(&look->mutex);
    return stop;
}

static enum tl_code fail_missing(const struct tl_source *source, struct tl_err *err)
{
    return tl_fail(
        err, TL_ERR_IO,
        "topic %.*s is not there any more: it was deleted while it was being read; when it is made again, start with a "
        "new data directory and store",
        TL_SV_ARG(source->topic));
}

/* A failure that may pass tells nothing: the workers say so when the log does not answer. */
static enum tl_code look_at_source(struct tl_look *look, uint32_t s, struct tl_err *err)
{
    const struct tl_source *source = &look->lane->plan->sources[s];
    uint32_t partitions, known = 0;
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_lane_topic(look->ground, s, &partitions, &identity, err));
    for (uint32_t p = 0; p < look->lane->partitions_count; p++)
        known += look->lane->partitions[p].source == s;
    if (look->lane->identities[s] != 0 && identity == 0) {
        if (look->missing_since_ms[s] == 0)
            look->missing_since_ms[s] = tl_clock_monotonic_ms();
        if (tl_clock_monotonic_ms() - look->missing_since_ms[s] >= MISSING_MS)
            TL_TRY(fail_missing(source, err));
        goto out;
    }
    look->missing_since_ms[s] = 0;
    if (look->lane->identities[s] != 0 && identity != look->lane->identities[s])
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "topic %.*s was deleted and made again while it was being read: its offsets mean other events now; "
                       "start with a new data directory, or bring the log back",
                       TL_SV_ARG(source->topic)));
    if (partitions > known) {
        if (!look->said[s])
            tl_diag(TL_INFO, "topic %.*s has %u partitions now, %u before", TL_SV_ARG(source->topic), partitions, known);
        look->said[s] = true;
        pthread_mutex_lock(&look->mutex);
        look->more = true;
        pthread_mutex_unlock(&look->mutex);
    }
out:
    return rc;
}

static enum tl_code look_at_message(struct tl_look *look, uint32_t p, struct tl_err *err)
{
    const struct tl_lane_partition *partition = &look->lane->partitions[p];
    struct tl_position position = {
        .partition = partition->partition, .last_offset = look->anchors[p].offset, .fingerprint = look->anchors[p].fingerprint};
    enum tl_code rc;

    TL_TRY(tl_lane_check_message(look->ground, partition->source, &position, err));
    look->anchors[p] = (struct anchor){look->before[p].last_offset, look->before[p].fingerprint};
out:
    return rc;
}

static enum tl_code look_around(struct tl_look *look, struct tl_err *err)
{
    uint32_t partitions = look->lane->partitions_count;
    uint32_t some = (partitions + LOOKS_FOR_ALL - 1) / LOOKS_FOR_ALL;
    enum tl_code rc;

    TL_TRY(tl_source_logs_refresh(look->ground->logs, err));
    for (uint32_t s = 0; s < look->lane->plan->sources_count && !is_to_stop(look); s++)
        TL_TRY(look_at_source(look, s, err));
    pthread_mutex_lock(&look->mutex);
    memcpy(look->before, look->positions, partitions * sizeof *look->before);
    pthread_mutex_unlock(&look->mutex);
    for (uint32_t i = 0; i < some && !is_to_stop(look); i++) {
        TL_TRY(look_at_message(look, look->next, err));
        look->next = (look->next + 1) % partitions;
    }
out:
    return rc;
}

static void *thread_main(void *arg)
{
    struct tl_look *look = arg;

    pthread_mutex_lock(&look->mutex);
    while (!look->stop && !look->failed) {
        struct tl_err err = {0};
        struct timespec until;
        enum tl_code rc;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_MS / 1000;
        while (!look->stop && pthread_cond_timedwait(&look->wake, &look->mutex, &until) != ETIMEDOUT)
            ;
        if (look->stop)
            break;
        pthread_mutex_unlock(&look->mutex);
        rc = look_around(look, &err);
        pthread_mutex_lock(&look->mutex);
        look->failed = rc != TL_OK && !err.retriable;
        look->err = err;
    }
    pthread_mutex_unlock(&look->mutex);
    return NULL;
}

/* ---- the committer's side ---- */

/* A signal is to end the sleep of those who work. */
static enum tl_code start(struct tl_look *look, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&look->thread, NULL, thread_main, look);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start the thread that looks at the topics");
    }
    look->running = true;
    return TL_OK;
}

enum tl_code tl_look_open(const struct tl_lane_ground *ground, const struct tl_lane *lane, struct tl_look **out,
                          struct tl_err *err)
{
    struct tl_look *look = calloc(1, sizeof *look);
    pthread_condattr_t attributes;
    enum tl_code rc;

    if (look == NULL)
        return tl_fail_memory(err, sizeof *look);
    look->ground = ground;
    look->lane = lane;
    pthread_mutex_init(&look->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&look->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    look->anchors = calloc(lane->partitions_count, sizeof *look->anchors);
    look->before = calloc(lane->partitions_count, sizeof *look->before);
    look->positions = calloc(lane->partitions_count, sizeof *look->positions);
    look->missing_since_ms = calloc(lane->plan->sources_count, sizeof *look->missing_since_ms);
    look->said = calloc(lane->plan->sources_count, sizeof *look->said);
    if (look->anchors == NULL || look->before == NULL || look->positions == NULL || look->missing_since_ms == NULL ||
        look->said == NULL)
        TL_TRY(tl_fail_memory(err, lane->partitions_count * sizeof *look->positions));
    for (uint32_t p = 0; p < lane->partitions_count; p++) {
        look->positions[p] = lane->partitions[p].position;
        look->anchors[p] = (struct anchor){look->positions[p].last_offset, look->positions[p].fingerprint};
    }
    TL_TRY(start(look, err));
    *out = look;
    look = NULL;
out:
    tl_look_close(look, false);
    return rc;
}

void tl_look_close(struct tl_look *look, bool final)
{
    if (look == NULL)
        return;
    if (look->running) {
        pthread_mutex_lock(&look->mutex);
        look->stop = true;
        pthread_cond_signal(&look->wake);
        pthread_mutex_unlock(&look->mutex);
        if (final)
            tl_source_logs_stop(look->ground->logs);
        pthread_join(look->thread, NULL);
    }
    pthread_cond_destroy(&look->wake);
    pthread_mutex_destroy(&look->mutex);
    free(look->anchors);
    free(look->before);
    free(look->positions);
    free(look->missing_since_ms);
    free(look->said);
    free(look);
}

enum tl_code tl_look_heed(struct tl_look *look, const struct tl_position *positions, bool *more, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&look->mutex);
    memcpy(look->positions, positions, look->lane->partitions_count * sizeof *positions);
    *more = *more || look->more;
    if (look->failed) {
        *err = look->err;
        rc = look->err.code;
    }
    pthread_mutex_unlock(&look->mutex);
    return rc;
}
