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
    MISSING_MS = 10000,
    BLIND_MS = 30000 /* of looks without an answer, before it is said */
};

struct anchor {
    int64_t offset;
    uint64_t fingerprint; /* 0: none yet */
};

struct tl_look {
    const struct tl_lane_ground *ground;
    const struct tl_lane *lane;
    struct tl_position *before; /* per partition of the lane: as of before the look */
    int64_t *missing_since_ms;  /* per topic of the lane: monotonic; 0: it is there */
    uint32_t next;              /* the partition to look at next */
    int64_t blind_since_ms;     /* monotonic; 0: the last look was whole */
    bool said_blind;
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;
    bool stop, running;
    struct tl_position *positions;
    struct anchor *anchors; /* per partition of the lane: the first message that was read, until a look moves it on */
    bool *said;             /* per topic of the lane */
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

static enum tl_code fail_missing(struct tl_sv topic, struct tl_err *err)
{
    return tl_fail(
        err, TL_ERR_IO,
        "topic %.*s is not there any more: it was deleted while it was being read; when it is made again, start with a "
        "new data directory and store",
        TL_SV_ARG(topic));
}

static void want_new_lane(struct tl_look *look)
{
    pthread_mutex_lock(&look->mutex);
    look->more = true;
    pthread_mutex_unlock(&look->mutex);
}

static enum tl_code note_missing(struct tl_look *look, uint32_t t, struct tl_err *err)
{
    const struct tl_lane_topic *topic = &look->lane->topics[t];
    bool by_pattern = look->lane->plan->sources[topic->source].topic_pattern.data != NULL;

    if (look->missing_since_ms[t] == 0)
        look->missing_since_ms[t] = tl_clock_monotonic_ms();
    if (tl_clock_monotonic_ms() - look->missing_since_ms[t] < MISSING_MS)
        return TL_OK;
    if (!by_pattern || !look->ground->accept_gap)
        return fail_missing(topic->name, err);
    want_new_lane(look); /* which goes on without it */
    return TL_OK;
}

/* A topic of the lane. A failure that may pass tells nothing: the workers say so when the log does not answer. */
static enum tl_code look_at_topic(struct tl_look *look, uint32_t t, struct tl_err *err)
{
    const struct tl_lane_topic *topic = &look->lane->topics[t];
    uint32_t partitions;
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_lane_topic(look->ground, topic->source, topic->name, &partitions, &identity, err));
    if (topic->identity != 0 && identity == 0) {
        TL_TRY(note_missing(look, t, err));
        goto out;
    }
    look->missing_since_ms[t] = 0;
    if (topic->identity != 0 && identity != topic->identity)
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "topic %.*s was deleted and made again while it was being read: its offsets mean other events now; "
                       "start with a new data directory, or bring the log back",
                       TL_SV_ARG(topic->name)));
    if (partitions > topic->partitions_count) {
        if (!look->said[t])
            tl_diag(TL_INFO, "topic %.*s has %u partitions now, %u before", TL_SV_ARG(topic->name), partitions,
                    topic->partitions_count);
        look->said[t] = true;
        want_new_lane(look);
    }
out:
    return rc;
}

/* One more that a pattern matches is a topic of the next lane. */
static enum tl_code look_for_topics(struct tl_look *look, uint32_t s, struct tl_err *err)
{
    const struct tl_source_topic *topics;
    uint32_t count, known = 0;
    enum tl_code rc;

    TL_TRY(tl_source_topics_look(look->ground->topics, s, tl_source_log(look->ground->logs, s), err));
    topics = tl_source_topics_of(look->ground->topics, s, &count);
    for (uint32_t t = 0; t < look->lane->topics_count; t++)
        known += look->lane->topics[t].source == s;
    for (uint32_t t = known; t < count && !look->more; t++) /* which this thread alone sets */
        tl_diag(TL_INFO, "topic %.*s is new, and read as well", TL_SV_ARG(topics[t].name));
    if (count > known)
        want_new_lane(look);
out:
    return rc;
}

static void move_anchor(struct tl_look *look, uint32_t p, const struct tl_position *position)
{
    pthread_mutex_lock(&look->mutex);
    look->anchors[p] = (struct anchor){position->last_offset, position->fingerprint};
    pthread_mutex_unlock(&look->mutex);
}

static enum tl_code look_at_message(struct tl_look *look, uint32_t p, struct tl_err *err)
{
    const struct tl_lane_partition *partition = &look->lane->partitions[p];
    struct tl_position position = {.partition = partition->partition};
    bool other;
    enum tl_code rc;

    pthread_mutex_lock(&look->mutex);
    position.last_offset = look->anchors[p].offset;
    position.fingerprint = look->anchors[p].fingerprint;
    pthread_mutex_unlock(&look->mutex);
    rc = tl_lane_check_message(look->ground, partition, &position, &other, err);
    if (rc == TL_ERR_IO && !other)
        err->retriable = true; /* a right that is gone, say: the workers, who have read the topic, know whether that may pass */
    TL_TRY(rc);
    move_anchor(look, p, &look->before[p]);
out:
    return rc;
}

/* What nobody answers for keeps no look from the rest. *silent: such a failure; *err says which. */
static enum tl_code pass_over(enum tl_code rc, bool *silent, const struct tl_err *err)
{
    if (rc == TL_OK || !err->retriable)
        return rc;
    *silent = true;
    return TL_OK;
}

static enum tl_code look_around(struct tl_look *look, bool *silent, struct tl_err *err)
{
    uint32_t partitions = look->lane->partitions_count;
    uint32_t some = (partitions + LOOKS_FOR_ALL - 1) / LOOKS_FOR_ALL;
    enum tl_code rc;

    TL_TRY(pass_over(tl_source_logs_refresh(look->ground->logs, err), silent, err));
    for (uint32_t s = 0; s < look->lane->plan->sources_count && !is_to_stop(look); s++)
        TL_TRY(pass_over(look_for_topics(look, s, err), silent, err));
    for (uint32_t t = 0; t < look->lane->topics_count && !is_to_stop(look); t++)
        TL_TRY(pass_over(look_at_topic(look, t, err), silent, err));
    pthread_mutex_lock(&look->mutex);
    memcpy(look->before, look->positions, partitions * sizeof *look->before);
    pthread_mutex_unlock(&look->mutex);
    for (uint32_t i = 0; i < some && !is_to_stop(look); i++) {
        uint32_t p = look->next;

        look->next = (p + 1) % partitions;
        TL_TRY(pass_over(look_at_message(look, p, err), silent, err));
    }
out:
    return rc;
}

/* Workers say when the log does not answer; this is for what only looks miss. */
static void note_silence(struct tl_look *look, bool silent, const struct tl_err *err)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    if (!silent) {
        if (look->said_blind)
            tl_diag(TL_INFO, "the topics are looked at again");
        look->blind_since_ms = 0;
        look->said_blind = false;
        return;
    }
    if (look->blind_since_ms == 0)
        look->blind_since_ms = now_ms;
    if (look->said_blind || now_ms - look->blind_since_ms < BLIND_MS)
        return;
    tl_diag(TL_WARN, "whether the topics are still the same cannot be seen: %s", err->message);
    look->said_blind = true;
}

static void *thread_main(void *arg)
{
    struct tl_look *look = arg;

    pthread_mutex_lock(&look->mutex);
    while (!look->stop && !look->failed) {
        struct tl_err err = {0};
        struct timespec until;
        bool silent = false;
        enum tl_code rc;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_MS / 1000;
        while (!look->stop && pthread_cond_timedwait(&look->wake, &look->mutex, &until) != ETIMEDOUT)
            ;
        if (look->stop)
            break;
        pthread_mutex_unlock(&look->mutex);
        rc = look_around(look, &silent, &err);
        note_silence(look, silent, &err);
        pthread_mutex_lock(&look->mutex);
        look->failed = rc != TL_OK;
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
    look->missing_since_ms = calloc(lane->topics_count + 1u, sizeof *look->missing_since_ms);
    look->said = calloc(lane->topics_count + 1u, sizeof *look->said);
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
    for (uint32_t p = 0; p < look->lane->partitions_count; p++)
        if (look->anchors[p].fingerprint == 0)
            look->anchors[p] = (struct anchor){positions[p].last_offset, positions[p].fingerprint};
    *more = *more || look->more;
    if (look->failed) {
        *err = look->err;
        rc = look->err.code;
    }
    pthread_mutex_unlock(&look->mutex);
    return rc;
}
