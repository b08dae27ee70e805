/* capture.c: events on their way to the log: taking them, and beginning and end of it all. See capture.h, capture_inside.h. */
#include "speed_layer/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/table.h"
#include "main/data_dir.h"
#include "speed_layer/capture_inside.h"

enum {
    LATE_MS = 1000,
    FIRST_MS = 2000, /* how long a start waits for the log */
    PAUSE_MS_MAX = 3000,
    AWAY_MS = 500,
    VISITOR_BYTES = 16,
    EVENT_BYTES_MAX = 8 << 20 /* 'tally.max-event-bytes' where there is no plan */,
    EVENT_BYTES_LIMIT = 1 << 29 /* what a record has room for, by far */
};

#ifdef TL_TINY
enum { BLOCK_BYTES = 512, BLOCK_BYTES_MIN = 256, SEGMENT_BYTES = 4096, WAITERS = 2 };
#else
enum { BLOCK_BYTES = 1 << 20, BLOCK_BYTES_MIN = 4096, SEGMENT_BYTES = 16 << 20, WAITERS = 64 };
#endif

static const int64_t memory_bytes_default = 32 << 20, spool_bytes_default = 1 << 30;

/* ---- who waits to hear ---- */

static struct tl_capture_waiter *waiter_at(const struct tl_capture_waiters *waiters, size_t i)
{
    return &waiters->items[(waiters->first + i) & (waiters->capacity - 1)];
}

static bool waiters_grow(struct tl_capture_waiters *waiters)
{
    struct tl_capture_waiters grown = {.capacity = waiters->capacity > 0 ? waiters->capacity * 2 : WAITERS};

    grown.items = calloc(grown.capacity, sizeof *grown.items);
    if (grown.items == NULL)
        return false;
    for (; grown.count < waiters->count; grown.count++)
        grown.items[grown.count] = *waiter_at(waiters, grown.count);
    free(waiters->items);
    *waiters = grown;
    return true;
}

bool tl_capture_waiter_put(struct tl_capture *capture, uint64_t sequence, const struct tl_capture_answer *answer)
{
    struct tl_capture_waiters *waiters = &capture->waiters;

    if (waiters->count == waiters->capacity && !waiters_grow(waiters))
        return false;
    *waiter_at(waiters, waiters->count++) = (struct tl_capture_waiter){sequence, *answer};
    return true;
}

static void waiters_pop(struct tl_capture_waiters *waiters)
{
    waiters->first = (waiters->first + 1) & (waiters->capacity - 1);
    waiters->count--;
}

bool tl_capture_waiters_below(struct tl_capture *capture, uint64_t sequence, struct tl_capture_answers *out)
{
    struct tl_capture_waiters *waiters = &capture->waiters;

    out->count = 0;
    while (out->count < TL_CAPTURE_TELL_MAX && waiters->count > 0 && waiter_at(waiters, 0)->sequence < sequence) {
        if (waiter_at(waiters, 0)->answer.captured != NULL)
            out->items[out->count++] = waiter_at(waiters, 0)->answer;
        waiters_pop(waiters);
    }
    return out->count > 0;
}

void tl_capture_waiter_take(struct tl_capture *capture, uint64_t sequence, struct tl_capture_answers *out)
{
    struct tl_capture_waiters *waiters = &capture->waiters;
    size_t low = 0, high = waiters->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (waiter_at(waiters, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < waiters->count && waiter_at(waiters, low)->sequence == sequence &&
        waiter_at(waiters, low)->answer.captured != NULL) {
        out->items[out->count++] = waiter_at(waiters, low)->answer;
        waiter_at(waiters, low)->answer.captured = NULL;
    }
    while (waiters->count > 0 && waiter_at(waiters, 0)->answer.captured == NULL)
        waiters_pop(waiters);
}

void tl_capture_tell(struct tl_capture_answers *answers, bool taken)
{
    for (size_t i = 0; i < answers->count; i++)
        answers->items[i].captured(answers->items[i].ctx, taken);
    answers->count = 0;
}

/* ---- the queue, with the lock ---- */

void tl_capture_trim(struct tl_capture *capture)
{
    uint64_t below = capture->acked;

    if (capture->queue.bytes > capture->memory_bytes_max / TL_CAPTURE_SPILL_PART && capture->synced > below)
        below = capture->synced;
    tl_capture_queue_drop(&capture->queue, below);
}

bool tl_capture_is_late(const struct tl_capture *capture, int64_t now_ms)
{
    return capture->acked < capture->mark && now_ms - capture->mark_ms > LATE_MS;
}

void tl_capture_wake_sender(const struct tl_capture *capture)
{
    const uint64_t one = 1;

    if (write(capture->wake_fd, &one, sizeof one) < 0)
        errno = 0; /* it is full, so it wakes */
}

/* ---- taking ---- */

/* Why there is no room; TL_CAPTURE_REASONS: there is. With the lock. */
static enum tl_capture_reason refusal(const struct tl_capture *capture, size_t bytes)
{
    bool no_memory = capture->queue.bytes + (int64_t)bytes > capture->memory_bytes_max;

    if (capture->mode != TL_CAPTURE_DURABLE && !no_memory)
        return TL_CAPTURE_REASONS;
    if (capture->refuses)
        return TL_CAPTURE_IO;
    if (capture->full)
        return TL_CAPTURE_SPOOL_FULL;
    return no_memory ? TL_CAPTURE_MEMORY : TL_CAPTURE_REASONS;
}

static struct tl_sv shortened(struct tl_sv text)
{
    return (struct tl_sv){text.data, text.size < TL_SPOOL_SMALL_MAX ? text.size : TL_SPOOL_SMALL_MAX};
}

static struct tl_sv key_of(const struct tl_capture *capture, const struct tl_capture_event *event,
                           char visitor[VISITOR_BYTES + 1])
{
    uint64_t parts[2];

    switch (capture->key) {
    case TL_CAPTURE_KEY_HOST: return shortened(event->host);
    case TL_CAPTURE_KEY_IP: return shortened(event->ip);
    case TL_CAPTURE_KEY_VISITOR:
        parts[0] = tl_hash_bytes(event->ip);
        parts[1] = tl_hash_bytes(event->user_agent);
        snprintf(visitor, VISITOR_BYTES + 1, "%016" PRIx64, tl_hash_bytes((struct tl_sv){(const char *)parts, sizeof parts}));
        return (struct tl_sv){visitor, VISITOR_BYTES};
    case TL_CAPTURE_KEY_NONE: break;
    }
    return (struct tl_sv){NULL, 0};
}

/* With the lock. */
static enum tl_capture_reason take(struct tl_capture *capture, struct tl_spool_record *record,
                                   const struct tl_capture_answer *answer)
{
    enum tl_capture_reason reason = refusal(capture, tl_spool_record_bytes(record));

    if (reason != TL_CAPTURE_REASONS)
        return reason;
    if (answer != NULL && !tl_capture_waiter_put(capture, capture->queue.next, answer))
        return TL_CAPTURE_MEMORY;
    if (!tl_capture_queue_put(&capture->queue, record)) {
        if (answer != NULL)
            capture->waiters.count--;
        return TL_CAPTURE_MEMORY;
    }
    if (capture->figures.spooled++ == 0)
        capture->figures.oldest_ms = record->taken_ms;
    if (capture->acked >= capture->mark) {
        capture->mark = capture->queue.next;
        capture->mark_ms = tl_clock_monotonic_ms();
    }
    return TL_CAPTURE_REASONS;
}

/* Has the spooler something to do before it looks by itself? With the lock. */
static bool wants_spooler(const struct tl_capture *capture, bool dropped, bool waits)
{
    switch (capture->spooler_sleeps) {
    case TL_CAPTURE_AWAKE: break;
    case TL_CAPTURE_SLEEPS: return true;
    case TL_CAPTURE_DOZES:
        return !dropped && (capture->mode == TL_CAPTURE_DURABLE || (waits && capture->spilling) ||
                            (capture->queue.bytes > capture->memory_bytes_max / TL_CAPTURE_SPILL_PART && !capture->full &&
                             !capture->refuses));
    }
    return false;
}

void tl_capture_put(struct tl_capture *capture, const struct tl_capture_event *event, const struct tl_capture_answer *answer)
{
    const struct tl_capture_answer *waits = capture->mode == TL_CAPTURE_BEST_EFFORT ? NULL : answer;
    enum tl_capture_reason reason = TL_CAPTURE_TOO_LARGE;
    char visitor[VISITOR_BYTES + 1];
    struct tl_spool_record record = {.taken_ms = tl_clock_wall_ms(),
                                     .key = key_of(capture, event, visitor),
                                     .id = shortened(event->id),
                                     .value = event->value};
    bool wakes_sender, dropped;

    pthread_mutex_lock(&capture->lock);
    capture->figures.received++;
    if (event->value.size <= capture->event_bytes_max)
        reason = take(capture, &record, waits);
    dropped = reason != TL_CAPTURE_REASONS;
    if (dropped)
        capture->figures.dropped[reason]++;
    wakes_sender = !dropped && capture->sender_sleeps && capture->mode != TL_CAPTURE_DURABLE;
    if (wakes_sender)
        capture->sender_sleeps = false;
    if (wants_spooler(capture, dropped, waits != NULL)) {
        capture->spooler_sleeps = TL_CAPTURE_AWAKE;
        pthread_cond_signal(&capture->wake);
    }
    pthread_mutex_unlock(&capture->lock);
    if (wakes_sender)
        tl_capture_wake_sender(capture);
    if (answer != NULL && (dropped || waits == NULL))
        answer->captured(answer->ctx, !dropped);
}

/* ---- beginning ---- */

static void read_figures(void *ctx, struct tl_capture_figures *out)
{
    struct tl_capture *capture = ctx;

    pthread_mutex_lock(&capture->lock);
    *out = capture->figures;
    pthread_mutex_unlock(&capture->lock);
    out->spool_bytes = tl_spool_bytes(capture->spool);
}

static enum tl_code start_thread(pthread_t *thread, void *(*run)(void *), void *arg, bool *runs, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a signal is to reach those who work */
    failure = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread that sends events");
    }
    *runs = true;
    return TL_OK;
}

static void say_found(const char *folder, const struct tl_spool_found *found)
{
    const struct tl_diag_kv pairs[] = {
        {"spool",  folder, 0                     },
        {"events", NULL,   (int64_t)found->events},
    };
    const struct tl_diag_kv cut[] = {
        {"spool", folder, 0               },
        {"bytes", NULL,   found->cut_bytes},
    };

    if (found->cut_bytes > 0)
        tl_diag_event(TL_WARN, "the spool's end was torn, and was cut off behind its last whole event", cut, TL_COUNT(cut));
    if (found->events > 0)
        tl_diag_event(TL_INFO, "what the last run has left in the spool is sent first", pairs, TL_COUNT(pairs));
}

static enum tl_code open_spool(struct tl_capture *capture, const struct tl_capture_options *options, struct tl_err *err)
{
    int64_t segment_bytes = tl_min_i64(SEGMENT_BYTES, capture->spool_bytes_max / 4);
    int64_t block_bytes = tl_min_i64(tl_min_i64(capture->memory_bytes_max, capture->spool_bytes_max) / 16, BLOCK_BYTES);
    struct tl_spool_found found;
    char *folder = NULL, *lock = NULL;
    enum tl_code rc = TL_OK;

    if (asprintf(&folder, "%s%s", options->spool != NULL ? options->spool : capture->common->data,
                 options->spool != NULL ? "" : "/spool") < 0 ||
        asprintf(&lock, "%s/lock", folder) < 0)
        TL_TRY(tl_fail_memory(err, 4096));
    TL_TRY(tl_data_dir_make(folder, err));
    TL_TRY(tl_lock_take(lock, "intercept", &capture->spool_lock, err));
    TL_TRY(tl_spool_open(folder, segment_bytes, &capture->spool, &found, err));
    say_found(folder, &found);
    tl_capture_queue_init(&capture->queue, (size_t)tl_max_i64(block_bytes, BLOCK_BYTES_MIN), found.next);
    capture->acked = found.front;
    capture->synced = found.next;
    capture->figures.received = capture->figures.spooled = found.events;
    capture->figures.oldest_ms = found.oldest_ms;
    capture->spilling = found.events > 0;
    capture->mark = found.next;
    capture->mark_ms = tl_clock_monotonic_ms();
out:
    free(folder);
    free(lock);
    return rc;
}

static struct tl_sv topic_of(const struct tl_capture_options *options, const struct tl_plan *plan)
{
    if (options->topic != NULL)
        return tl_sv_from(options->topic);
    if (plan != NULL && plan->sources_count > 0 && plan->sources[0].topic.data != NULL)
        return plan->sources[0].topic;
    return TL_SV("events");
}

static void locks_open(struct tl_capture *capture)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&capture->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&capture->wake, &attributes);
    pthread_cond_init(&capture->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* A log that does not answer is waited for later: the site comes first. */
static enum tl_code wait_for_log(struct tl_capture *capture, struct tl_err *err)
{
    const struct timespec until = tl_capture_after_ms(FIRST_MS);
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&capture->lock);
    while (!capture->prepared && pthread_cond_timedwait(&capture->changed, &capture->lock, &until) != ETIMEDOUT)
        ;
    if (capture->prepared && capture->first.code != TL_OK && !capture->first.retriable) {
        if (err != NULL)
            *err = capture->first;
        rc = capture->first.code;
    }
    capture->prepared = true; /* what comes later is only said */
    pthread_mutex_unlock(&capture->lock);
    return rc;
}

enum tl_code tl_capture_open(const struct tl_common_options *common, const struct tl_plan *plan,
                             const struct tl_capture_options *options, struct tl_daemon *daemon, struct tl_capture **out,
                             struct tl_err *err)
{
    struct tl_capture *capture = calloc(1, sizeof *capture);
    struct tl_sv topic = topic_of(options, plan);
    enum tl_code rc = TL_OK;

    if (capture == NULL)
        return tl_fail_memory(err, sizeof *capture);
    *capture = (struct tl_capture){
        .common = common,
        .plan = plan,
        .mode = options->mode,
        .key = options->key,
        .partitions = (uint32_t)tl_min_i64(options->partitions, UINT32_MAX),
        .event_bytes_max = plan == NULL                                         ? EVENT_BYTES_MAX
                           : plan->settings.event_bytes_max < EVENT_BYTES_LIMIT ? plan->settings.event_bytes_max
                                                                                : EVENT_BYTES_LIMIT,
        .memory_bytes_max = options->memory_bytes_max > 0 ? options->memory_bytes_max : memory_bytes_default,
        .spool_bytes_max = options->spool_bytes_max > 0 ? options->spool_bytes_max : spool_bytes_default,
        .pause_ms_max = PAUSE_MS_MAX,
        .wake_fd = -1,
    };
    locks_open(capture);
    capture->topic = strndup(topic.data, topic.size);
    if (capture->topic == NULL)
        TL_TRY(tl_fail_memory(err, topic.size));
    capture->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (capture->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot make an eventfd"));
    TL_TRY(open_spool(capture, options, err));
    TL_TRY(tl_capture_meter_open(&capture->meter, daemon, read_figures, capture, err));
    TL_TRY(start_thread(&capture->spooler, tl_capture_spooler_main, capture, &capture->spooler_runs, err));
    TL_TRY(start_thread(&capture->sender, tl_capture_sender_main, capture, &capture->sender_runs, err));
    TL_TRY(wait_for_log(capture, err));
    *out = capture;
    capture = NULL;
out:
    tl_capture_close(capture, 0);
    return rc;
}

/* ---- the end ---- */

/* A log that is away is hardly waited for: what is left is on disk. */
static void wait_for_sent(struct tl_capture *capture, int64_t patience_ms)
{
    const struct timespec until = tl_capture_after_ms(patience_ms), away = tl_capture_after_ms(tl_min_i64(patience_ms, AWAY_MS));
    int waited = 0;

    pthread_mutex_lock(&capture->lock);
    capture->closing = true;
    while (capture->figures.spooled > 0 && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&capture->changed, &capture->lock, capture->away ? &away : &until);
    capture->stop_sender = true;
    tl_source_logs_stop(capture->logs);
    pthread_mutex_unlock(&capture->lock);
    tl_capture_wake_sender(capture);
    pthread_join(capture->sender, NULL);
}

/* What is not with the log is on disk afterwards, or is lost, which is said. */
static void wait_for_spooled(struct tl_capture *capture)
{
    struct tl_capture_answers answers;
    uint64_t lost;

    pthread_mutex_lock(&capture->lock);
    capture->stop_spooler = true;
    pthread_cond_signal(&capture->wake);
    pthread_mutex_unlock(&capture->lock);
    pthread_join(capture->spooler, NULL);
    lost = capture->queue.next - (capture->synced > capture->acked ? capture->synced : capture->acked);
    if (lost > 0)
        tl_diag(TL_ERROR, "%" PRIu64 " events are lost: neither the log nor the spool has taken them", lost);
    else if (capture->figures.spooled > 0)
        tl_diag(TL_INFO, "%" PRIu64 " events wait in the spool for the next start", capture->figures.spooled);
    while (tl_capture_waiters_below(capture, UINT64_MAX, &answers))
        tl_capture_tell(&answers, false);
}

void tl_capture_close(struct tl_capture *capture, int64_t patience_ms)
{
    if (capture == NULL)
        return;
    if (capture->sender_runs)
        wait_for_sent(capture, patience_ms);
    if (capture->spooler_runs)
        wait_for_spooled(capture);
    tl_capture_meter_close(&capture->meter);
    tl_spool_close(capture->spool);
    tl_lock_release(capture->spool_lock);
    tl_capture_queue_done(&capture->queue);
    if (capture->wake_fd >= 0)
        close(capture->wake_fd);
    pthread_cond_destroy(&capture->changed);
    pthread_cond_destroy(&capture->wake);
    pthread_mutex_destroy(&capture->lock);
    free(capture->waiters.items);
    free(capture->skips);
    free(capture->topic);
    free(capture);
}
