/* capture_spooler.c: the thread that writes to the spool: always in durable mode, else while the log is away or slow. See capture_inside.h.
 *
 * One fsync stands for all events that came while the one before it was under way. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/diag.h"
#include "speed_layer/capture_inside.h"

enum {
    LOOK_MS = 200,         /* between two looks whether the log is late */
    ROUND_BYTES = 4 << 20, /* between two syncs: memory is given back after each */
    AGAIN_MS = 1000,       /* after a failure of the disk */
    IDLE_LOOKS = 5
};

struct spooler {
    struct tl_capture *capture;
    struct tl_capture_place place;
    struct tl_capture_answers answers;
    int64_t again_ms;       /* monotonic: when the disk is tried again */
    int64_t said_failed_ms; /* monotonic; 0: never */
    uint64_t failures;
    int64_t said_dropped_ms;
    uint64_t said_dropped[TL_CAPTURE_REASONS];
    enum { WELL, FULL, FAILED } health; /* as the check has it */
    unsigned idle;
};

/* What came of one round. */
struct round {
    uint64_t end; /* up to here it was tried */
    bool full;
    enum tl_code rc;
    struct tl_err err;
};

/* With the lock, which is let go meanwhile. */
static void write_out(struct spooler *s, uint64_t from, struct round *round)
{
    struct tl_capture *capture = s->capture;
    struct tl_capture_run run;
    size_t bytes = 0;

    *round = (struct round){.end = from, .rc = TL_OK};
    while (round->rc == TL_OK && !round->full && bytes < ROUND_BYTES &&
           tl_capture_place_look(&capture->queue, &s->place, round->end, &run)) {
        pthread_mutex_unlock(&capture->lock);
        round->full = tl_spool_bytes(capture->spool) + (int64_t)run.bytes > capture->spool_bytes_max;
        if (!round->full)
            round->rc = tl_spool_append(capture->spool, run.records, run.bytes, run.first, run.end, &round->err);
        if (!round->full && round->rc == TL_OK)
            tl_capture_place_pass(&s->place, run.bytes, run.end);
        bytes += run.bytes;
        pthread_mutex_lock(&capture->lock);
        if (!round->full)
            round->end = run.end;
    }
    pthread_mutex_unlock(&capture->lock);
    if (round->rc == TL_OK)
        round->rc = tl_spool_sync(capture->spool, &round->err);
    pthread_mutex_lock(&capture->lock);
    if (round->rc != TL_OK)
        tl_capture_place_leave(&capture->queue, &s->place);
}

static void tell_below(struct spooler *s, uint64_t sequence, bool taken)
{
    struct tl_capture *capture = s->capture;

    while (tl_capture_waiters_below(capture, sequence, &s->answers)) {
        pthread_mutex_unlock(&capture->lock);
        tl_capture_tell(&s->answers, taken);
        pthread_mutex_lock(&capture->lock);
    }
}

/* Up to `end` all is on disk for good. */
static void note_kept(struct spooler *s, uint64_t end)
{
    struct tl_capture *capture = s->capture;

    if (end <= capture->synced)
        return;
    capture->synced = end;
    if (capture->mode == TL_CAPTURE_DURABLE && capture->sender_sleeps) {
        capture->sender_sleeps = false;
        tl_capture_wake_sender(capture);
    }
    tl_capture_trim(capture);
    tell_below(s, end, true);
}

/* Durable: what cannot be written is refused, and so must not be sent either. */
static void refuse(struct spooler *s, uint64_t end, enum tl_capture_reason reason)
{
    struct tl_capture *capture = s->capture;
    struct tl_capture_skip *last = capture->skips_count > 0 ? &capture->skips[capture->skips_count - 1] : NULL;

    if (end == capture->synced)
        return;
    if (last != NULL && last->end == capture->synced) {
        last->end = end;
    } else {
        if (!TL_RESIZE(capture->skips, capture->skips_count + 1))
            return; /* it stays, and is tried again */
        capture->skips[capture->skips_count++] = (struct tl_capture_skip){capture->synced, end};
    }
    capture->figures.dropped[reason] += end - capture->synced;
    capture->figures.spooled -= end - capture->synced;
    capture->synced = end;
    tl_capture_place_leave(&capture->queue, &s->place);
    tell_below(s, end, false);
    tl_capture_wake_sender(capture);
}

static void say_failed(struct spooler *s, const struct round *round)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    const struct tl_diag_kv pairs[] = {
        {"why",      round->err.message, 0                         },
        {"failures", NULL,               (int64_t)(s->failures + 1)},
    };

    s->failures++;
    if (s->said_failed_ms != 0 && now_ms - s->said_failed_ms < TL_CAPTURE_SAY_MS)
        return;
    s->said_failed_ms = now_ms;
    s->failures = 0;
    tl_diag_event(TL_ERROR, "the spool cannot be written", pairs, TL_COUNT(pairs));
}

static void note_failed(struct spooler *s, const struct round *round)
{
    struct tl_capture *capture = s->capture;

    s->again_ms = tl_clock_monotonic_ms() + AGAIN_MS;
    capture->refuses = true;
    note_kept(s, tl_spool_kept(capture->spool));
    if (capture->mode == TL_CAPTURE_DURABLE)
        refuse(s, round->end, TL_CAPTURE_IO);
    else
        tell_below(s, round->end, false);
    pthread_mutex_unlock(&capture->lock);
    say_failed(s, round);
    tl_capture_meter_spool(&capture->meter, round->err.message);
    pthread_mutex_lock(&capture->lock);
    s->health = FAILED;
}

static void note_written(struct spooler *s, const struct round *round)
{
    struct tl_capture *capture = s->capture;

    capture->refuses = false;
    capture->full = round->full;
    note_kept(s, round->end);
    if (round->full && capture->mode == TL_CAPTURE_DURABLE)
        refuse(s, capture->queue.next, TL_CAPTURE_SPOOL_FULL);
    else if (round->full)
        tell_below(s, capture->queue.next, false);
}

/* What is full may have room again. A disk that has failed is well again when it has taken something, or is not needed. */
static void look_after(struct spooler *s, bool wrote)
{
    struct tl_capture *capture = s->capture;
    bool full;

    if (capture->full && tl_spool_bytes(capture->spool) < capture->spool_bytes_max / 8 * 7)
        capture->full = false;
    full = capture->full;
    if (s->health == FAILED && !wrote && (capture->mode == TL_CAPTURE_DURABLE || capture->spilling))
        return;
    if (full == (s->health == FULL) && s->health != FAILED)
        return;
    s->health = full ? FULL : WELL;
    tl_capture_meter_spool(&capture->meter,
                           full ? "it is full, and events are dropped: the log is to be back, or it wants more room" : NULL);
}

/* With the lock. */
static bool is_wanted(struct spooler *s, int64_t now_ms)
{
    struct tl_capture *capture = s->capture;
    bool much = capture->queue.bytes > capture->memory_bytes_max / TL_CAPTURE_SPILL_PART;

    if (now_ms < s->again_ms && !capture->stop_spooler)
        return false;
    capture->refuses = false; /* it is tried once more */
    if (capture->mode == TL_CAPTURE_DURABLE || capture->stop_spooler)
        return true;
    if (much || tl_capture_is_late(capture, now_ms))
        capture->spilling = true;
    else if (capture->acked >= capture->synced)
        capture->spilling = false;
    return capture->spilling;
}

/* True: there may be more to do. With the lock. */
static bool round_once(struct spooler *s, int64_t now_ms)
{
    struct tl_capture *capture = s->capture;
    struct round round = {.rc = TL_OK};
    uint64_t from;

    if (!is_wanted(s, now_ms)) {
        look_after(s, false);
        return false;
    }
    if (capture->acked > capture->synced)
        capture->synced = capture->acked;
    from = round.end = capture->synced;
    if (from < capture->queue.next) {
        write_out(s, from, &round);
        if (round.rc == TL_OK)
            note_written(s, &round);
        else
            note_failed(s, &round);
    }
    if (round.rc == TL_OK)
        look_after(s, round.end > from);
    return round.rc == TL_OK && round.end > from;
}

/* What was dropped since it was last said. With the lock, which is let go meanwhile. */
static void say_dropped(struct spooler *s, int64_t now_ms)
{
    struct tl_capture *capture = s->capture;
    uint64_t more[TL_CAPTURE_REASONS];
    bool any = false;

    if (s->said_dropped_ms != 0 && now_ms - s->said_dropped_ms < TL_CAPTURE_SAY_MS && !capture->stop_spooler)
        return;
    for (int i = 0; i < TL_CAPTURE_REASONS; i++) {
        more[i] = capture->figures.dropped[i] - s->said_dropped[i];
        s->said_dropped[i] += more[i];
        any = any || more[i] > 0;
    }
    if (!any)
        return;
    s->said_dropped_ms = now_ms;
    pthread_mutex_unlock(&capture->lock);
    for (int i = 0; i < TL_CAPTURE_REASONS; i++) {
        const struct tl_diag_kv pairs[] = {
            {"reason", tl_capture_reason_name((enum tl_capture_reason)i), 0               },
            {"events", NULL,                                              (int64_t)more[i]},
        };

        if (more[i] > 0)
            tl_diag_event(TL_WARN, "events were dropped", pairs, TL_COUNT(pairs));
    }
    pthread_mutex_lock(&capture->lock);
}

/* With the lock. */
static void release(struct spooler *s)
{
    struct tl_capture *capture = s->capture;
    uint64_t acked = capture->acked;
    bool last = capture->stop_spooler;

    pthread_mutex_unlock(&capture->lock);
    tl_spool_release(capture->spool, acked, last);
    pthread_mutex_lock(&capture->lock);
}

static void sleep_a_while(struct spooler *s)
{
    struct tl_capture *capture = s->capture;
    const struct timespec until = tl_capture_after_ms(LOOK_MS);

    s->idle = capture->figures.spooled == 0 && tl_spool_bytes(capture->spool) == 0 && !capture->refuses ? s->idle + 1 : 0;
    capture->spooler_sleeps = s->idle > IDLE_LOOKS ? TL_CAPTURE_SLEEPS : TL_CAPTURE_DOZES;
    while (capture->spooler_sleeps != TL_CAPTURE_AWAKE && !capture->stop_spooler) {
        if (capture->spooler_sleeps == TL_CAPTURE_SLEEPS)
            pthread_cond_wait(&capture->wake, &capture->lock);
        else if (pthread_cond_timedwait(&capture->wake, &capture->lock, &until) == ETIMEDOUT)
            break;
    }
    capture->spooler_sleeps = TL_CAPTURE_AWAKE;
}

void *tl_capture_spooler_main(void *arg)
{
    struct tl_capture *capture = arg;
    struct spooler s = {.capture = capture};
    bool last = false;

    pthread_mutex_lock(&capture->lock);
    while (!last) {
        int64_t now_ms = tl_clock_monotonic_ms();
        bool moved;

        last = capture->stop_spooler;
        do
            moved = round_once(&s, now_ms);
        while (moved && last);
        release(&s);
        say_dropped(&s, now_ms);
        if (!moved && !last && !capture->stop_spooler)
            sleep_a_while(&s);
    }
    tl_capture_place_leave(&capture->queue, &s.place);
    pthread_mutex_unlock(&capture->lock);
    return NULL;
}
