/* kafka_watch.c: one question for each leader's partitions at a time: a leader that does not answer holds up none of the others'. */
#include "log/kafka_watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { PERIOD_MS = 1000, NUDGE_MS = 5, ANSWER_MS = 2000, AGAIN_MS = 200 /* for a leader that did not answer the last time */ };

struct seen {
    char *topic;
    uint32_t partition;
    int64_t end;               /* -1: not heard yet */
    int64_t heard_ms;          /* monotonic: when that was */
    int32_t leader;            /* as metadata told it last */
    bool known;                /* it is there, as far as was heard */
    bool silent;               /* its leader did not answer the last time */
    rd_kafka_resp_err_t error; /* what metadata says against it */
};

struct tl_kafka_watch {
    rd_kafka_t *reader;
    struct tl_kafka_trouble *trouble;
    int reader_wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, nudged;
    struct seen *seen;
    size_t seen_count, seen_capacity;
    _Atomic int64_t silent_since_ms;
    _Atomic int64_t nudge_after_ms; /* not before this */
};

static struct seen *find(struct tl_kafka_watch *watch, const char *topic, uint32_t partition)
{
    for (size_t i = 0; i < watch->seen_count; i++)
        if (watch->seen[i].partition == partition && strcmp(watch->seen[i].topic, topic) == 0)
            return &watch->seen[i];
    return NULL;
}

static void wake_reader(const struct tl_kafka_watch *watch)
{
    static const uint64_t one = 1;

    while (write(watch->reader_wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static bool is_silence(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
           code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE;
}

static void hear_answer(struct tl_kafka_watch *watch)
{
    atomic_store(&watch->silent_since_ms, 0);
    tl_kafka_trouble_clear(watch->trouble);
}

static void hear_nothing(struct tl_kafka_watch *watch)
{
    if (atomic_load(&watch->silent_since_ms) == 0)
        atomic_store(&watch->silent_since_ms, tl_clock_monotonic_ms());
    wake_reader(watch);
}

static int32_t leader_of(const struct rd_kafka_metadata_topic *topic, uint32_t partition)
{
    for (int i = 0; i < topic->partition_cnt; i++)
        if (topic->partitions[i].id == (int32_t)partition)
            return topic->partitions[i].leader;
    return -1;
}

/* What metadata says of one topic, for all of its partitions that are watched. With the lock, which it lets go meanwhile. */
static rd_kafka_resp_err_t look_up(struct tl_kafka_watch *watch, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(watch->reader, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code, of_topic;
    int partitions;

    if (topic == NULL)
        return RD_KAFKA_RESP_ERR__FAIL;
    pthread_mutex_unlock(&watch->lock);
    code = rd_kafka_metadata(watch->reader, 0, topic, &metadata, ANSWER_MS);
    pthread_mutex_lock(&watch->lock);
    of_topic = code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt > 0 ? metadata->topics[0].err : code;
    partitions = of_topic == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata->topics[0].partition_cnt : 0;
    for (size_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < watch->seen_count; i++) {
        struct seen *seen = &watch->seen[i];

        if (strcmp(seen->topic, rd_kafka_topic_name(topic)) != 0)
            continue;
        seen->error = of_topic;
        if (of_topic == RD_KAFKA_RESP_ERR_NO_ERROR && seen->partition >= (uint32_t)partitions)
            seen->error = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        seen->known = seen->error == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (seen->known)
            seen->leader = leader_of(&metadata->topics[0], seen->partition);
        else
            wake_reader(watch);
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    return code;
}

/* A topic that is not there would hold the question for all others up, so each is looked up first. *answered: some broker has. */
static rd_kafka_resp_err_t look_up_new(struct tl_kafka_watch *watch, bool *answered)
{
    for (size_t i = 0; i < watch->seen_count && !watch->stop; i++) {
        char name[256];
        rd_kafka_resp_err_t code;

        if (watch->seen[i].known ||
            (i > 0 && strcmp(watch->seen[i].topic, watch->seen[i - 1].topic) == 0 && !watch->seen[i - 1].known))
            continue;
        snprintf(name, sizeof name, "%s", watch->seen[i].topic);
        code = look_up(watch, name);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return code;
        *answered = true;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The leaders of what is known, in ascending order; false: there is none beyond *leader. */
static bool next_leader(const struct tl_kafka_watch *watch, int64_t *leader)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < watch->seen_count; i++)
        if (watch->seen[i].known && watch->seen[i].leader > *leader)
            next = tl_min_i64(next, watch->seen[i].leader);
    *leader = next;
    return next != INT64_MAX;
}

/* librdkafka gives the offset of a timestamp; this one means the end (of what is committed, for who reads that). */
static rd_kafka_topic_partition_list_t *question(struct tl_kafka_watch *watch, int64_t leader, bool *silent)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)watch->seen_count);

    *silent = false;
    for (size_t i = 0; i < watch->seen_count; i++) {
        const struct seen *seen = &watch->seen[i];

        if (!seen->known || seen->leader != leader)
            continue;
        rd_kafka_topic_partition_list_add(list, seen->topic, (int32_t)seen->partition)->offset = RD_KAFKA_OFFSET_END;
        *silent = *silent || seen->silent;
    }
    return list;
}

static rd_kafka_resp_err_t ask_leader(struct tl_kafka_watch *watch, int64_t leader)
{
    bool silent;
    rd_kafka_topic_partition_list_t *list = question(watch, leader, &silent);
    rd_kafka_resp_err_t code;
    int64_t now_ms;

    pthread_mutex_unlock(&watch->lock);
    code = rd_kafka_offsets_for_times(watch->reader, list, silent ? AGAIN_MS : ANSWER_MS);
    now_ms = tl_clock_monotonic_ms();
    pthread_mutex_lock(&watch->lock);
    for (int i = 0; i < list->cnt; i++) {
        struct seen *seen = find(watch, list->elems[i].topic, (uint32_t)list->elems[i].partition);

        if (seen == NULL)
            continue;
        seen->silent = is_silence(code);
        seen->known = code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (seen->known && list->elems[i].offset >= 0) {
            seen->end = list->elems[i].offset;
            seen->heard_ms = now_ms;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

static void ask(struct tl_kafka_watch *watch)
{
    bool answered = false;
    rd_kafka_resp_err_t code = look_up_new(watch, &answered);
    bool nothing = is_silence(code);

    for (int64_t leader = INT64_MIN; !watch->stop && next_leader(watch, &leader);) {
        code = ask_leader(watch, leader);
        answered = answered || !is_silence(code);
        /* A time-out is about that leader, unless connections fail; the next look at the metadata tells whether nobody answers. */
        nothing =
            nothing || (is_silence(code) && (code != RD_KAFKA_RESP_ERR__TIMED_OUT || tl_kafka_heard_failure(watch->trouble)));
    }
    if (answered)
        hear_answer(watch);
    else if (nothing && !watch->stop)
        hear_nothing(watch);
}

static void *watch_main(void *arg)
{
    struct tl_kafka_watch *watch = arg;

    pthread_mutex_lock(&watch->lock);
    while (!watch->stop) {
        struct timespec until;

        watch->nudged = false;
        ask(watch);
        atomic_store(&watch->nudge_after_ms, tl_clock_monotonic_ms() + NUDGE_MS);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += PERIOD_MS / 1000;
        while (!watch->stop && !watch->nudged)
            if (pthread_cond_timedwait(&watch->wake, &watch->lock, &until) == ETIMEDOUT)
                break;
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

enum tl_code tl_kafka_watch_open(rd_kafka_t *reader, struct tl_kafka_trouble *trouble, int wake, struct tl_kafka_watch **out,
                                 struct tl_err *err)
{
    struct tl_kafka_watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t attributes;

    if (watch == NULL)
        return tl_fail_memory(err, sizeof *watch);
    watch->reader = reader;
    watch->trouble = trouble;
    watch->reader_wake = wake;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&watch->thread, NULL, watch_main, watch) != 0) {
        pthread_cond_destroy(&watch->wake);
        pthread_mutex_destroy(&watch->lock);
        free(watch);
        return tl_fail(err, TL_ERR_IO, "kafka: no thread can be made");
    }
    *out = watch;
    return TL_OK;
}

void tl_kafka_watch_stop(struct tl_kafka_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
}

void tl_kafka_watch_close(struct tl_kafka_watch *watch)
{
    if (watch == NULL)
        return;
    tl_kafka_watch_stop(watch);
    pthread_join(watch->thread, NULL);
    for (size_t i = 0; i < watch->seen_count; i++)
        free(watch->seen[i].topic);
    free(watch->seen);
    pthread_cond_destroy(&watch->wake);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

enum tl_code tl_kafka_watch_add(struct tl_kafka_watch *watch, const char *topic, uint32_t partition, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&watch->lock);
    if (find(watch, topic, partition) == NULL) {
        if (watch->seen_count == watch->seen_capacity) {
            if (!TL_RESIZE(watch->seen, watch->seen_capacity * 2 + 8))
                TL_TRY(tl_fail_memory(err, (watch->seen_capacity * 2 + 8) * sizeof *watch->seen));
            watch->seen_capacity = watch->seen_capacity * 2 + 8;
        }
        watch->seen[watch->seen_count] = (struct seen){.topic = strdup(topic), .partition = partition, .end = -1};
        if (watch->seen[watch->seen_count].topic == NULL)
            TL_TRY(tl_fail_memory(err, strlen(topic)));
        watch->seen_count++;
    }
out:
    pthread_mutex_unlock(&watch->lock);
    return rc;
}

void tl_kafka_watch_remove(struct tl_kafka_watch *watch, const char *topic, uint32_t partition)
{
    struct seen *seen;

    pthread_mutex_lock(&watch->lock);
    seen = find(watch, topic, partition);
    if (seen != NULL) {
        free(seen->topic);
        *seen = watch->seen[--watch->seen_count];
    }
    pthread_mutex_unlock(&watch->lock);
}

bool tl_kafka_watch_nudge(struct tl_kafka_watch *watch)
{
    if (tl_clock_monotonic_ms() < atomic_load(&watch->nudge_after_ms))
        return false;
    atomic_store(&watch->nudge_after_ms, tl_clock_monotonic_ms() + NUDGE_MS);
    pthread_mutex_lock(&watch->lock);
    watch->nudged = true;
    pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    return true;
}

bool tl_kafka_watch_end(struct tl_kafka_watch *watch, const char *topic, uint32_t partition, int64_t *end, int64_t *heard_ms)
{
    const struct seen *seen;
    bool heard;

    pthread_mutex_lock(&watch->lock);
    seen = find(watch, topic, partition);
    heard = seen != NULL && seen->end >= 0;
    if (heard) {
        *end = seen->end;
        *heard_ms = seen->heard_ms;
    }
    pthread_mutex_unlock(&watch->lock);
    return heard;
}

rd_kafka_resp_err_t tl_kafka_watch_error(struct tl_kafka_watch *watch, const char *topic, uint32_t partition)
{
    const struct seen *seen;
    rd_kafka_resp_err_t code;

    pthread_mutex_lock(&watch->lock);
    seen = find(watch, topic, partition);
    code = seen != NULL ? seen->error : RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&watch->lock);
    return code;
}

void tl_kafka_watch_hear(struct tl_kafka_watch *watch)
{
    if (atomic_load(&watch->silent_since_ms) != 0)
        atomic_store(&watch->silent_since_ms, 0);
}

int64_t tl_kafka_watch_silent_since_ms(struct tl_kafka_watch *watch)
{
    return atomic_load(&watch->silent_since_ms);
}
