/* dead_topic.c: makes messages of dead letters, and has them appended by a thread of its own. See dead_topic.h. */
#include "dead_topic.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/diag.h"
#include "main/source_log.h"

enum {
    LETTERS_MAX = 256, /* of one append */
    NUMBER_BYTES = 24,
    HEADERS = 7,
    WAITING_BYTES_MAX = 64 << 20,
    FLUSH_MS = 2000, /* less than the 5 s after which a process that gives no answer is taken over (fence.h) */
    LAST_MS = 5000,
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000
};

/* One message, with its texts and bytes behind it; a list in the order in which they came. */
struct letter {
    struct letter *next;
    size_t bytes;
    uint32_t source, partition;
    struct tl_sv key, raw;
    char number[4][NUMBER_BYTES]; /* partition, offset, row, timestamp */
    struct tl_log_header headers[HEADERS];
    char text[];
};

struct tl_dead_topic {
    const struct tl_plan *plan;
    struct tl_source_logs *logs;
    uint32_t *partitions;                      /* per source: of its topic for dead letters; 0: not known yet. The sender's */
    struct tl_log_record records[LETTERS_MAX]; /* the sender's */
    struct letter *sending[LETTERS_MAX];       /* the same */
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;   /* the sender: there is something to send; the committer: something was sent */
    struct letter *first, **end;
    size_t waiting_bytes;
    uint64_t waiting_count, left_out;
    bool stuck; /* the topic takes no letters now */
    bool stop, failed;
    struct tl_err err;
};

/* ---- letters ---- */

static struct letter *letter_of(uint32_t source, struct tl_sv from, uint32_t partition, const struct tl_dead *dead)
{
    size_t key_bytes = from.size + 3 * (size_t)NUMBER_BYTES + 4,
           bytes = sizeof(struct letter) + from.size + key_bytes + dead->raw.size;
    struct letter *letter = malloc(bytes);
    struct tl_sv topic;
    char *key;

    if (letter == NULL)
        return NULL;
    *letter = (struct letter){.bytes = bytes, .source = source, .partition = partition};
    topic = (struct tl_sv){letter->text, from.size};
    key = letter->text + from.size;
    memcpy(letter->text, from.data, from.size);
    snprintf(letter->number[0], NUMBER_BYTES, "%" PRIu32, partition);
    snprintf(letter->number[1], NUMBER_BYTES, "%" PRId64, dead->offset);
    snprintf(letter->number[2], NUMBER_BYTES, "%" PRIu32, dead->row);
    snprintf(letter->number[3], NUMBER_BYTES, "%" PRId64, dead->log_ms);
    letter->key = (struct tl_sv){key, (size_t)snprintf(key, key_bytes, "%.*s/%s/%s/%s", TL_SV_ARG(from), letter->number[0],
                                                       letter->number[1], letter->number[2])};
    letter->raw = (struct tl_sv){key + key_bytes, dead->raw.size};
    if (dead->raw.size > 0)
        memcpy(key + key_bytes, dead->raw.data, dead->raw.size);
    letter->headers[0] = (struct tl_log_header){"tally.reason", tl_sv_from(tl_dead_reason_text(dead->reason))};
    letter->headers[1] = (struct tl_log_header){"tally.cause", tl_sv_from(tl_dead_reason_cause(dead->reason))};
    letter->headers[2] = (struct tl_log_header){"tally.topic", topic};
    letter->headers[3] = (struct tl_log_header){"tally.partition", tl_sv_from(letter->number[0])};
    letter->headers[4] = (struct tl_log_header){"tally.offset", tl_sv_from(letter->number[1])};
    letter->headers[5] = (struct tl_log_header){"tally.row", tl_sv_from(letter->number[2])};
    letter->headers[6] = (struct tl_log_header){"tally.timestamp", tl_sv_from(letter->number[3])};
    return letter;
}

/* ---- the sender ---- */

/* The first letters of one source, of all its partitions. With the mutex; they stay in the list until they are sent. */
static size_t choose(struct tl_dead_topic *topic)
{
    size_t count = 0;

    for (struct letter *letter = topic->first; letter != NULL && count < LETTERS_MAX; letter = letter->next)
        if (letter->source == topic->first->source)
            topic->sending[count++] = letter;
    return count;
}

static enum tl_code append(struct tl_dead_topic *topic, size_t count, struct tl_err *err)
{
    uint32_t source = topic->sending[0]->source;
    struct tl_sv name = topic->plan->sources[source].dead_letter_topic;
    struct tl_log *log = tl_source_log(topic->logs, source);
    enum tl_code rc = TL_OK;

    if (topic->partitions[source] == 0) {
        uint64_t identity;

        TL_TRY(tl_log_create_topic(log, name, 0, err));
        TL_TRY(tl_log_topic(log, name, &topic->partitions[source], &identity, err));
    }
    for (size_t i = 0; i < count; i++) {
        const struct letter *letter = topic->sending[i];

        topic->records[i] = (struct tl_log_record){.partition = letter->partition % topic->partitions[source],
                                                   .log_ms = INT64_MIN,
                                                   .value = letter->raw,
                                                   .key = letter->key,
                                                   .headers = letter->headers,
                                                   .headers_count = HEADERS};
    }
    TL_TRY(tl_log_append(log, name, topic->records, count, NULL, err));
out:
    return rc;
}

/* With the mutex. The chosen ones stand in the list in the same order. */
static void drop_sent(struct tl_dead_topic *topic, size_t count)
{
    struct letter **at = &topic->first;

    for (size_t i = 0; i < count;) {
        struct letter *letter = *at;

        if (letter != topic->sending[i]) {
            at = &letter->next;
            continue;
        }
        *at = letter->next;
        topic->waiting_bytes -= letter->bytes;
        topic->waiting_count--;
        free(letter);
        i++;
    }
    if (*at == NULL)
        topic->end = at;
}

static struct timespec after_ms(int64_t ms)
{
    int64_t at_ms = tl_clock_monotonic_ms() + ms;

    return (struct timespec){.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000};
}

/* With the mutex. */
static void note_stuck(struct tl_dead_topic *topic, const char *why)
{
    if (!topic->stuck)
        tl_diag(TL_WARN, "the topic for dead letters takes none: they are in the store's table, and wait for it (%s)", why);
    topic->stuck = true;
    pthread_cond_broadcast(&topic->wake);
}

static void *thread_main(void *arg)
{
    struct tl_dead_topic *topic = arg;
    int64_t pause_ms = PAUSE_MIN_MS;

    pthread_mutex_lock(&topic->mutex);
    while (!topic->stop && !topic->failed) {
        size_t count = choose(topic);
        struct tl_err err = {0};
        enum tl_code rc;

        if (count == 0) {
            pthread_cond_wait(&topic->wake, &topic->mutex);
            continue;
        }
        pthread_mutex_unlock(&topic->mutex);
        rc = append(topic, count, &err);
        pthread_mutex_lock(&topic->mutex);
        if (rc == TL_OK) {
            drop_sent(topic, count);
            if (topic->stuck)
                tl_diag(TL_INFO, "the topic for dead letters takes them again");
            topic->stuck = false;
            pause_ms = PAUSE_MIN_MS;
            pthread_cond_broadcast(&topic->wake);
        } else if (err.retriable) {
            struct timespec until = after_ms(pause_ms);

            note_stuck(topic, err.message);
            while (!topic->stop && pthread_cond_timedwait(&topic->wake, &topic->mutex, &until) != ETIMEDOUT)
                ;
            pause_ms = tl_min_i64(pause_ms * 2, PAUSE_MAX_MS);
        } else {
            topic->failed = true;
            topic->err = err;
            pthread_cond_broadcast(&topic->wake);
        }
    }
    pthread_mutex_unlock(&topic->mutex);
    return NULL;
}

/* ---- the committer's side ---- */

/* A signal is to end the sleep of those who work. */
static enum tl_code start(struct tl_dead_topic *topic, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&topic->thread, NULL, thread_main, topic);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start the thread that sends dead letters");
    }
    topic->running = true;
    return TL_OK;
}

enum tl_code tl_dead_topic_open(const struct tl_common_options *common, const struct tl_plan *plan, struct tl_dead_topic **out,
                                struct tl_err *err)
{
    struct tl_dead_topic *topic = NULL;
    pthread_condattr_t attributes;
    bool any = false;
    enum tl_code rc;

    for (uint32_t s = 0; s < plan->sources_count; s++)
        any = any || plan->sources[s].dead_letter_topic.size > 0;
    *out = NULL;
    if (!any || strcmp(common->log, "kafka") != 0)
        return TL_OK;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        return tl_fail_memory(err, sizeof *topic);
    topic->plan = plan;
    topic->end = &topic->first;
    pthread_mutex_init(&topic->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&topic->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    topic->partitions = calloc(plan->sources_count, sizeof *topic->partitions);
    if (topic->partitions == NULL)
        TL_TRY(tl_fail_memory(err, plan->sources_count * sizeof *topic->partitions));
    TL_TRY(tl_source_logs_open(common, plan, TL_LOG_APPEND, &topic->logs, err));
    TL_TRY(start(topic, err));
    *out = topic;
    topic = NULL;
out:
    tl_dead_topic_close(topic);
    return rc;
}

/* Until all is sent, the topic takes none, or the time is over: false. With the mutex. */
static bool wait_for_sent(struct tl_dead_topic *topic, int64_t ms)
{
    struct timespec until = after_ms(ms);

    while (topic->waiting_count > 0 && !topic->stuck && !topic->failed)
        if (pthread_cond_timedwait(&topic->wake, &topic->mutex, &until) == ETIMEDOUT)
            return false;
    return true;
}

void tl_dead_topic_close(struct tl_dead_topic *topic)
{
    if (topic == NULL)
        return;
    pthread_mutex_lock(&topic->mutex);
    if (topic->running)
        wait_for_sent(topic, LAST_MS);
    topic->stop = true;
    pthread_cond_broadcast(&topic->wake);
    pthread_mutex_unlock(&topic->mutex);
    tl_source_logs_stop(topic->logs);
    if (topic->running)
        pthread_join(topic->thread, NULL);
    if (topic->waiting_count + topic->left_out > 0)
        tl_diag(TL_WARN, "%" PRIu64 " dead letters may be in the store's table alone: their topic has not taken them",
                topic->waiting_count + topic->left_out);
    while (topic->first != NULL) {
        struct letter *letter = topic->first;

        topic->first = letter->next;
        free(letter);
    }
    tl_source_logs_close(topic->logs);
    pthread_cond_destroy(&topic->wake);
    pthread_mutex_destroy(&topic->mutex);
    free(topic->partitions);
    free(topic);
}

/* Where there is no room the topic has some seconds to make some. With the mutex. */
static void put(struct tl_dead_topic *topic, struct letter *letter)
{
    if (topic->waiting_bytes + letter->bytes > WAITING_BYTES_MAX && !wait_for_sent(topic, FLUSH_MS))
        note_stuck(topic, "it does not answer");
    if (topic->waiting_bytes + letter->bytes > WAITING_BYTES_MAX) {
        if (topic->left_out++ == 0)
            tl_diag(TL_WARN, "too many dead letters wait for their topic: from now on they are in the store's table alone");
        free(letter);
        return;
    }
    *topic->end = letter;
    topic->end = &letter->next;
    topic->waiting_bytes += letter->bytes;
    topic->waiting_count++;
}

enum tl_code tl_dead_topic_send(struct tl_dead_topic *topic, uint32_t source, struct tl_sv from, uint32_t partition,
                                const struct tl_dead *dead, size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (topic == NULL || topic->plan->sources[source].dead_letter_topic.size == 0)
        return TL_OK;
    pthread_mutex_lock(&topic->mutex);
    for (size_t i = 0; i < count; i++) {
        struct letter *letter = letter_of(source, from, partition, &dead[i]);

        if (letter == NULL)
            TL_TRY(tl_fail_memory(err, dead[i].raw.size));
        put(topic, letter);
    }
    if (count > 0 && !topic->stuck)
        pthread_cond_broadcast(&topic->wake);
out:
    pthread_mutex_unlock(&topic->mutex);
    return rc;
}

enum tl_code tl_dead_topic_flush(struct tl_dead_topic *topic, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (topic == NULL)
        return TL_OK;
    pthread_mutex_lock(&topic->mutex);
    if (!wait_for_sent(topic, FLUSH_MS))
        note_stuck(topic, "it does not answer");
    if (topic->failed) {
        *err = topic->err;
        rc = topic->err.code;
    }
    pthread_mutex_unlock(&topic->mutex);
    return rc;
}
