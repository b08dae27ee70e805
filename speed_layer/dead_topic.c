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
    LETTERS_MAX = 10000, /* of one append */
    BYTES_MAX = 4 << 20, /* the same */
    NUMBER_BYTES = 24,
    HEADERS = 7,
    WAITING_BYTES_MAX = 64 << 20,
    FLUSH_MS = 2000, /* that a tick waits: less than the 5 s after which a process that gives no answer is taken over (fence.h) */
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
    uint32_t *partitions; /* per source: of its topic for dead letters; 0: to be looked up. The sender's, as what follows */
    size_t bytes_max;     /* of one append: less where a topic takes less at once */
    struct tl_log_record records[LETTERS_MAX];
    struct letter *sending[LETTERS_MAX];
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;   /* the sender: there is something to send; the committer: something was sent */
    struct letter *first, **end;
    size_t waiting_bytes;
    uint64_t waiting_count, left_out;
    uint64_t appends, tick_appends; /* that have moved letters out of the list, and how many had when the tick began */
    int64_t patience_ms;            /* what is left of the tick's FLUSH_MS */
    bool prepared;                  /* the sender has looked at the topics; `err` says what came of it */
    bool stuck;                     /* the topic takes no letters now */
    bool said_full, said_large;
    bool stop;
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

static enum tl_code find_topic(struct tl_dead_topic *topic, uint32_t source, struct tl_err *err)
{
    struct tl_sv name = topic->plan->sources[source].dead_letter_topic;
    struct tl_log *log = tl_source_log(topic->logs, source);
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_log_create_topic(log, name, 0, err));
    TL_TRY(tl_log_topic(log, name, &topic->partitions[source], &identity, err));
out:
    return rc;
}

/* Makes the topics, and appends nothing to each: what is wrong with them, or with the rights to them, shows now and not at the first letter. (That
 * the right to write is missing shows only then.) */
static enum tl_code prepare(struct tl_dead_topic *topic, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < topic->plan->sources_count; s++) {
        struct tl_sv name = topic->plan->sources[s].dead_letter_topic;

        if (name.size == 0)
            continue;
        TL_TRY(find_topic(topic, s, err));
        TL_TRY(tl_log_append(tl_source_log(topic->logs, s), name, NULL, 0, NULL, err));
    }
out:
    return rc;
}

/* The first letters of one source, of all its partitions; one, however large it is. With the mutex; they stay in the list until they are sent. */
static size_t choose(struct tl_dead_topic *topic)
{
    size_t count = 0, bytes = 0;

    for (struct letter *letter = topic->first; letter != NULL && count < LETTERS_MAX; letter = letter->next) {
        if (letter->source != topic->first->source)
            continue;
        bytes += letter->bytes;
        if (count > 0 && bytes > topic->bytes_max)
            break;
        topic->sending[count++] = letter;
    }
    return count;
}

/* A topic that failed is looked up before the next try: it may have been deleted, and made again with fewer partitions. */
static enum tl_code append(struct tl_dead_topic *topic, size_t count, struct tl_err *err)
{
    uint32_t source = topic->sending[0]->source;
    enum tl_code rc = TL_OK;

    if (topic->partitions[source] == 0)
        TL_TRY(find_topic(topic, source, err));
    for (size_t i = 0; i < count; i++) {
        const struct letter *letter = topic->sending[i];

        topic->records[i] = (struct tl_log_record){.partition = letter->partition % topic->partitions[source],
                                                   .log_ms = INT64_MIN,
                                                   .value = letter->raw,
                                                   .key = letter->key,
                                                   .headers = letter->headers,
                                                   .headers_count = HEADERS};
    }
    TL_TRY(tl_log_append(tl_source_log(topic->logs, source), topic->plan->sources[source].dead_letter_topic, topic->records,
                         count, NULL, err));
out:
    if (rc != TL_OK && rc != TL_ERR_LIMIT)
        topic->partitions[source] = 0;
    return rc;
}

/* With the mutex. The chosen ones stand in the list in the same order. */
static void drop_chosen(struct tl_dead_topic *topic, size_t count)
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
    if (topic->waiting_count == 0)
        topic->said_full = false;
    topic->appends++;
    pthread_cond_broadcast(&topic->wake);
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

/* With the mutex. */
static void note_sent(struct tl_dead_topic *topic, size_t count)
{
    drop_chosen(topic, count);
    if (topic->stuck)
        tl_diag(TL_INFO, "the topic for dead letters takes them again");
    topic->stuck = false;
}

/* A broker takes a batch as a whole: fewer of them, and one that is too large by itself stays out. With the mutex. */
static void note_too_large(struct tl_dead_topic *topic, size_t count, const char *why)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += topic->sending[i]->bytes;
    if (count > 1) {
        topic->bytes_max = bytes / 2;
        return;
    }
    if (!topic->said_large)
        tl_diag(TL_WARN, "a dead letter is too large for its topic: such letters are in the store's table alone (%s)", why);
    topic->said_large = true;
    topic->left_out++;
    drop_chosen(topic, count);
}

/* With the mutex. */
static void pause_a_while(struct tl_dead_topic *topic, int64_t *pause_ms)
{
    struct timespec until = after_ms(*pause_ms);

    while (!topic->stop && pthread_cond_timedwait(&topic->wake, &topic->mutex, &until) != ETIMEDOUT)
        ;
    *pause_ms = tl_min_i64(*pause_ms * 2, PAUSE_MAX_MS);
}

static void *thread_main(void *arg)
{
    struct tl_dead_topic *topic = arg;
    int64_t pause_ms = PAUSE_MIN_MS;
    struct tl_err found = {0};
    enum tl_code rc = prepare(topic, &found);

    pthread_mutex_lock(&topic->mutex);
    topic->prepared = true;
    if (rc != TL_OK)
        topic->err = found;
    pthread_cond_broadcast(&topic->wake);
    while (!topic->stop) {
        size_t count = choose(topic);
        struct tl_err err = {0};

        if (count == 0) {
            pthread_cond_wait(&topic->wake, &topic->mutex);
            continue;
        }
        pthread_mutex_unlock(&topic->mutex);
        rc = append(topic, count, &err);
        pthread_mutex_lock(&topic->mutex);
        if (rc == TL_OK) {
            note_sent(topic, count);
            pause_ms = PAUSE_MIN_MS;
        } else if (rc == TL_ERR_LIMIT) {
            note_too_large(topic, count, err.message);
        } else {
            note_stuck(topic, err.message);
            pause_a_while(topic, &pause_ms);
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

/* What waiting does not mend. A topic that does not answer in time stops nobody. */
static enum tl_code wait_for_topics(struct tl_dead_topic *topic, struct tl_err *err)
{
    struct timespec until = after_ms(FLUSH_MS);
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&topic->mutex);
    while (!topic->prepared && pthread_cond_timedwait(&topic->wake, &topic->mutex, &until) != ETIMEDOUT)
        ;
    if (topic->err.code != TL_OK && !topic->err.retriable) {
        *err = topic->err;
        rc = topic->err.code;
    }
    pthread_mutex_unlock(&topic->mutex);
    return rc;
}

enum tl_code tl_dead_topic_open(const struct tl_common_options *common, const struct tl_plan *plan, bool strict,
                                struct tl_dead_topic **out, struct tl_err *err)
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
    topic->bytes_max = BYTES_MAX;
    topic->patience_ms = FLUSH_MS;
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
    if (strict)
        TL_TRY(wait_for_topics(topic, err));
    *out = topic;
    topic = NULL;
out:
    tl_dead_topic_close(topic);
    return rc;
}

/* Until no more than `bytes` wait, the topic takes none, or the time is over: false. With the mutex. */
static bool wait_for_sent(struct tl_dead_topic *topic, size_t bytes, int64_t ms)
{
    struct timespec until = after_ms(ms);

    while (topic->waiting_bytes > bytes && !topic->stuck)
        if (pthread_cond_timedwait(&topic->wake, &topic->mutex, &until) == ETIMEDOUT)
            return false;
    return true;
}

/* The same of a tick, which waits FLUSH_MS in all. A topic is stuck when it takes nothing at all meanwhile; one that is only slow gets the rest
 * in the ticks that follow. */
static void wait_in_tick(struct tl_dead_topic *topic, size_t bytes)
{
    int64_t began_ms = tl_clock_monotonic_ms();
    bool in_time;

    pthread_cond_broadcast(&topic->wake); /* the sender may not know of them yet */
    in_time = wait_for_sent(topic, bytes, topic->patience_ms);
    topic->patience_ms = tl_max_i64(0, topic->patience_ms - (tl_clock_monotonic_ms() - began_ms));
    if (!in_time && topic->appends == topic->tick_appends)
        note_stuck(topic, "it does not answer");
}

void tl_dead_topic_close(struct tl_dead_topic *topic)
{
    if (topic == NULL)
        return;
    pthread_mutex_lock(&topic->mutex);
    if (topic->running)
        wait_for_sent(topic, 0, LAST_MS);
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
    if (topic->waiting_bytes + letter->bytes > WAITING_BYTES_MAX)
        wait_in_tick(topic, WAITING_BYTES_MAX - letter->bytes);
    if (topic->waiting_bytes + letter->bytes > WAITING_BYTES_MAX) {
        if (!topic->said_full)
            tl_diag(TL_WARN,
                    "too many dead letters wait for their topic: until it has them, more are in the store's table alone");
        topic->said_full = true;
        topic->left_out++;
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

void tl_dead_topic_flush(struct tl_dead_topic *topic)
{
    if (topic == NULL)
        return;
    pthread_mutex_lock(&topic->mutex);
    wait_in_tick(topic, 0);
    topic->patience_ms = FLUSH_MS;
    topic->tick_appends = topic->appends;
    pthread_mutex_unlock(&topic->mutex);
}
