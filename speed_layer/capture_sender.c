/* capture_sender.c: the thread that hands events to the log, from the queue's front. See capture_inside.h.
 *
 *     flights    what was handed over and is not below acked: done or under way        [0 ... at ... count)
 *     at         the next to hand over again, after a failure; count: nothing is, and the next new event follows
 *     cursor     the sequence that is read next: that of flights[at], or behind the last
 *
 * An event's number towards the log is its place among all flights ever, for sequences have gaps. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/table.h"
#include "speed_layer/capture_inside.h"

enum {
    HANDFUL = 1024, /* events, and bytes, that are handed over at once */
    HANDFUL_BYTES = 1 << 20,
    PAUSE_MIN_MS = 100, /* after a failure, doubling */
    SILENT_MS = 1000,   /* a log that takes nothing for so long is away */
    LOOK_MS = 100,      /* while something is under way */
    GATHER_MS =
        5 /* from the first event after a rest: what comes meanwhile goes along, in one transaction and without a wake-up each */
};

#ifdef TL_TINY
enum { FLIGHTS_MAX = 8 };
#else
enum { FLIGHTS_MAX = 1 << 16 };
#endif

struct flight {
    uint64_t sequence;
    int64_t taken_ms;
    bool done;
};

struct sender {
    struct tl_capture *capture;
    struct tl_source_logs *logs;
    struct tl_log_feed *feed;
    uint32_t partitions;    /* as first seen: what is sent again comes to the same one */
    struct flight *flights; /* a ring of FLIGHTS_MAX; `base` is the number of the first */
    uint64_t base, at, count;
    uint64_t cursor;
    struct tl_capture_place place;
    struct tl_capture_run run; /* what is left at the place */
    struct tl_spool_reader *reader;
    struct tl_spool_batch disk; /* and of what was read from the disk */
    size_t disk_at;
    struct tl_log_feed_entry entries[HANDFUL]; /* to be handed over */
    size_t entries_at, entries_count;
    struct tl_log_feed_outcome outcomes[HANDFUL];
    struct tl_capture_answers taken, refused;
    int64_t pause_ms;
    int64_t landed_ms;                            /* monotonic: when the log last took something, or nothing was under way */
    int64_t said_away_ms;                         /* monotonic; 0: never */
    int64_t said_large_ms;                        /* the same of an event that is too large */
    uint64_t more[TL_CAPTURE_REASONS], delivered; /* not in the figures yet */
};

static struct flight *flight(const struct sender *s, uint64_t i)
{
    return &s->flights[(s->base + i) % FLIGHTS_MAX];
}

static bool is_stopped(struct tl_capture *capture)
{
    bool stopped;

    pthread_mutex_lock(&capture->lock);
    stopped = capture->stop_sender;
    pthread_mutex_unlock(&capture->lock);
    return stopped;
}

/* ---- reading ---- */

/* Skips what was refused behind the cursor, and forgets what lies before acked. With the lock. */
static void skip(struct sender *s)
{
    struct tl_capture *capture = s->capture;
    size_t gone = 0;

    for (size_t i = 0; i < capture->skips_count; i++) {
        if (s->cursor >= capture->skips[i].first && s->cursor < capture->skips[i].end)
            s->cursor = capture->skips[i].end;
        gone += capture->skips[i].end <= capture->acked;
    }
    for (size_t i = gone; i < capture->skips_count; i++)
        capture->skips[i - gone] = capture->skips[i];
    capture->skips_count -= gone;
}

/* The next refused sequence, or `limit`. With the lock. */
static uint64_t until_skip(const struct sender *s, uint64_t limit)
{
    const struct tl_capture *capture = s->capture;

    for (size_t i = 0; i < capture->skips_count; i++)
        if (capture->skips[i].first >= s->cursor && capture->skips[i].first < limit)
            limit = capture->skips[i].first;
    return limit;
}

static void finish(struct sender *s, struct flight *one, enum tl_capture_reason reason)
{
    if (one->done)
        return;
    one->done = true;
    if (reason == TL_CAPTURE_REASONS)
        s->delivered++;
    else
        s->more[reason]++;
}

/* Of what was handed over before, some may be damaged now that it is read again. */
static void note_damage(struct sender *s)
{
    const struct tl_diag_kv pairs[] = {
        {"where",  s->disk.damage, 0                    },
        {"events", NULL,           (int64_t)s->disk.lost},
    };
    size_t read = 0;
    uint64_t again = 0;

    for (uint64_t i = s->at; i < s->count && flight(s, i)->sequence < s->disk.next; i++) {
        struct flight *one = flight(s, i);

        while (read < s->disk.count && s->disk.records[read].sequence < one->sequence)
            read++;
        if (read < s->disk.count && s->disk.records[read].sequence == one->sequence)
            continue;
        again++;
        finish(s, one, TL_CAPTURE_DAMAGED);
    }
    s->more[TL_CAPTURE_DAMAGED] += s->disk.lost - (again < s->disk.lost ? again : s->disk.lost);
    tl_diag_event(TL_ERROR, "events of the spool are lost", pairs, TL_COUNT(pairs));
}

static enum tl_code read_disk(struct sender *s, uint64_t until, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_spool_read(s->reader, s->cursor, until, &s->disk, err));
    s->disk_at = 0;
    if (s->disk.lost > 0)
        note_damage(s);
    if (s->disk.count == 0)
        s->cursor = s->disk.next;
out:
    return rc;
}

/* Has something in s->run or s->disk, if there is anything to be read. */
static enum tl_code read_on(struct sender *s, struct tl_err *err)
{
    struct tl_capture *capture = s->capture;
    uint64_t limit, first;
    bool disk;

    if (s->disk_at < s->disk.count || (s->run.bytes > 0 && s->cursor < s->run.end))
        return TL_OK;
    s->run.bytes = 0;
    if (s->disk.count > 0) {
        s->cursor = s->disk.next;
        s->disk.count = s->disk_at = 0;
    }
    pthread_mutex_lock(&capture->lock);
    skip(s);
    limit = until_skip(s, capture->mode == TL_CAPTURE_DURABLE ? capture->synced : capture->queue.next);
    first = tl_capture_queue_first(&capture->queue);
    disk = s->cursor < limit && s->cursor < first;
    if (s->cursor < limit && !disk && tl_capture_place_look(&capture->queue, &s->place, s->cursor, &s->run))
        s->run.end = s->run.end < limit ? s->run.end : limit;
    else if (!disk)
        tl_capture_place_leave(&capture->queue, &s->place);
    pthread_mutex_unlock(&capture->lock);
    if (disk)
        return read_disk(s, first < limit ? first : limit, err);
    return TL_OK;
}

static bool next_record(struct sender *s, struct tl_spool_record *record)
{
    size_t bytes;

    if (s->disk_at < s->disk.count) {
        *record = s->disk.records[s->disk_at++];
        s->cursor = record->sequence + 1;
        return true;
    }
    if (s->run.bytes == 0 || s->cursor >= s->run.end) {
        s->run.bytes = 0;
        return false;
    }
    bytes = tl_spool_record_view(s->run.records, record);
    s->run.records += bytes;
    s->run.bytes -= bytes;
    s->cursor = record->sequence + 1;
    tl_capture_place_pass(&s->place, bytes, s->cursor);
    return true;
}

/* The number to hand it over under. False: the log has it already. */
static bool take_off(struct sender *s, const struct tl_spool_record *record, uint64_t *number)
{
    while (s->at < s->count && flight(s, s->at)->sequence < record->sequence)
        s->at++;
    *number = s->base + s->at;
    if (s->at == s->count) {
        *flight(s, s->count++) = (struct flight){record->sequence, record->taken_ms, false};
        s->at++;
        return true;
    }
    if (flight(s, s->at)->sequence != record->sequence)
        return false; /* it was damaged when it was read before, and counted as that */
    return !flight(s, s->at++)->done;
}

/* Takes the next handful out of memory or from the disk; its bytes stay where they are until it is handed over. */
static enum tl_code gather(struct sender *s, struct tl_err *err)
{
    struct tl_spool_record record;
    size_t bytes = 0;
    enum tl_code rc;

    s->entries_at = s->entries_count = 0;
    TL_TRY(read_on(s, err));
    while (s->entries_count < HANDFUL && bytes < HANDFUL_BYTES && (s->at < s->count || s->count < FLIGHTS_MAX) &&
           next_record(s, &record)) {
        struct tl_log_feed_entry *entry = &s->entries[s->entries_count];

        if (!take_off(s, &record, &entry->number))
            continue;
        entry->key = record.key;
        entry->spread = record.key.size == 0 ? tl_hash_bytes(record.id) : 0;
        entry->value = record.value;
        bytes += record.value.size;
        s->entries_count++;
    }
out:
    return rc;
}

/* ---- what has become of it ---- */

static void say_large(struct sender *s, uint64_t sequence)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    const struct tl_diag_kv pairs[] = {
        {"topic",    s->capture->topic, 0                },
        {"sequence", NULL,              (int64_t)sequence},
    };

    if (s->said_large_ms != 0 && now_ms - s->said_large_ms < TL_CAPTURE_SAY_MS)
        return;
    s->said_large_ms = now_ms;
    tl_diag_event(TL_WARN, "an event is too large for its topic, and is dropped", pairs, TL_COUNT(pairs));
}

static void land(struct sender *s, const struct tl_log_feed_outcome *outcome)
{
    struct flight *one = &s->flights[outcome->number % FLIGHTS_MAX];

    if (outcome->number - s->base >= s->count)
        return;
    if (outcome->code != TL_OK)
        say_large(s, one->sequence);
    finish(s, one, outcome->code == TL_OK ? TL_CAPTURE_REASONS : TL_CAPTURE_TOO_LARGE);
}

/* Who waits for these is told. With the lock. */
static void take_waiters(struct sender *s, size_t count)
{
    if (s->capture->mode != TL_CAPTURE_BROKER)
        return;
    for (size_t i = 0; i < count; i++)
        if (s->outcomes[i].number - s->base < s->count)
            tl_capture_waiter_take(s->capture, s->flights[s->outcomes[i].number % FLIGHTS_MAX].sequence,
                                   s->outcomes[i].code == TL_OK ? &s->taken : &s->refused);
}

/* Moves acked behind what is done, and puts all into the figures. */
static void settle(struct sender *s, size_t outcomes_count)
{
    struct tl_capture *capture = s->capture;
    struct tl_capture_figures *figures = &capture->figures;
    uint64_t dropped = 0;

    pthread_mutex_lock(&capture->lock);
    take_waiters(s, outcomes_count);
    while (s->count > 0 && flight(s, 0)->done) {
        s->base++;
        s->count--;
        s->at -= s->at > 0;
    }
    for (int i = 0; i < TL_CAPTURE_REASONS; i++) {
        dropped += s->more[i];
        figures->dropped[i] += s->more[i];
        s->more[i] = 0;
    }
    figures->delivered += s->delivered;
    figures->spooled -= s->delivered + dropped;
    s->delivered = 0;
    capture->acked = s->count > 0 ? flight(s, 0)->sequence : s->cursor;
    if (s->count > 0)
        figures->oldest_ms = flight(s, 0)->taken_ms;
    if (capture->acked >= capture->mark && capture->acked < capture->queue.next) {
        capture->mark = capture->queue.next;
        capture->mark_ms = tl_clock_monotonic_ms();
    }
    tl_capture_trim(capture);
    if (figures->spooled == 0 && capture->closing)
        pthread_cond_broadcast(&capture->changed);
    pthread_mutex_unlock(&capture->lock);
    tl_capture_tell(&s->taken, true);
    tl_capture_tell(&s->refused, false);
}

static bool set_away(struct tl_capture *capture, bool away)
{
    bool before;

    pthread_mutex_lock(&capture->lock);
    before = capture->away;
    capture->away = away;
    if (capture->closing)
        pthread_cond_broadcast(&capture->changed);
    pthread_mutex_unlock(&capture->lock);
    return before;
}

static void note_there(struct sender *s)
{
    const struct tl_diag_kv pairs[] = {
        {"topic", s->capture->topic, 0},
    };

    s->pause_ms = PAUSE_MIN_MS;
    s->landed_ms = tl_clock_monotonic_ms();
    tl_capture_meter_log(&s->capture->meter, NULL);
    if (!set_away(s->capture, false))
        return;
    tl_diag_event(TL_INFO, "the log takes events again", pairs, TL_COUNT(pairs));
    s->said_away_ms = 0;
}

static enum tl_code take_outcomes(struct sender *s, bool *moved, struct tl_err *err)
{
    size_t count = HANDFUL;
    enum tl_code rc = TL_OK;

    while (rc == TL_OK && count == HANDFUL) {
        rc = tl_log_feed_outcomes(s->feed, s->outcomes, HANDFUL, &count, err);
        for (size_t i = 0; i < count; i++)
            land(s, &s->outcomes[i]);
        settle(s, count);
        *moved = *moved || count > 0;
        if (count > 0)
            note_there(s);
    }
    return rc;
}

/* ---- the log ---- */

static void note_away(struct sender *s, const struct tl_err *err)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    struct tl_capture *capture = s->capture;
    struct tl_diag_kv pairs[] = {
        {"why",    err->message, 0},
        {"events", NULL,         0},
    };

    tl_capture_meter_log(&capture->meter, err->message);
    set_away(capture, true);
    if (s->said_away_ms != 0 && now_ms - s->said_away_ms < TL_CAPTURE_SAY_MS)
        return;
    s->said_away_ms = now_ms;
    pthread_mutex_lock(&capture->lock);
    pairs[1].number = (int64_t)capture->figures.spooled;
    pthread_mutex_unlock(&capture->lock);
    tl_diag_event(TL_WARN, "the log takes no events: they wait", pairs, TL_COUNT(pairs));
}

static void show_logs(struct sender *s, struct tl_source_logs *logs)
{
    pthread_mutex_lock(&s->capture->lock);
    s->capture->logs = logs;
    pthread_mutex_unlock(&s->capture->lock);
    s->logs = logs;
}

static void leave_log(struct sender *s)
{
    struct tl_source_logs *logs = s->logs;

    tl_log_feed_close(s->feed);
    s->feed = NULL;
    show_logs(s, NULL);
    tl_source_logs_close(logs);
}

static enum tl_code enter_log(struct sender *s, struct tl_err *err)
{
    struct tl_capture *capture = s->capture;
    struct tl_sv topic = tl_sv_from(capture->topic);
    struct tl_source_logs *logs = NULL;
    enum tl_code rc;

    if (s->logs == NULL) {
        TL_TRY(tl_source_logs_open(capture->common, capture->plan, TL_LOG_APPEND, &logs, err));
        show_logs(s, logs);
    }
    if (is_stopped(capture))
        return tl_fail(err, TL_ERR_IO, "topic %s: it is being closed", capture->topic);
    TL_TRY(tl_log_create_topic(tl_source_log(s->logs, 0), topic, capture->partitions, err));
    TL_TRY(tl_log_feed_open(tl_source_log(s->logs, 0), topic, &s->partitions, capture->wake_fd, &s->feed, err));
out:
    return rc;
}

/* All that is under way will be handed over once more. */
static void rewind_flights(struct sender *s)
{
    struct tl_capture *capture = s->capture;

    s->entries_at = s->entries_count = 0;
    s->disk.count = s->disk_at = 0;
    s->run.bytes = 0;
    s->at = 0;
    if (s->count > 0)
        s->cursor = flight(s, 0)->sequence;
    pthread_mutex_lock(&capture->lock);
    tl_capture_place_leave(&capture->queue, &s->place);
    pthread_mutex_unlock(&capture->lock);
}

static void drain_wake(const struct tl_capture *capture)
{
    uint64_t count;

    if (read(capture->wake_fd, &count, sizeof count) < 0)
        errno = 0; /* nobody has written */
}

/* Until somebody wakes it, or the time is over (-1: it never is). */
static void sleep_for(const struct tl_capture *capture, int64_t ms)
{
    struct pollfd wait = {.fd = capture->wake_fd, .events = POLLIN};

    poll(&wait, 1, (int)ms);
    drain_wake(capture);
}

/* Three quarters of it or more: several that have lost the same log do not come back all at once. */
static void pause_a_while(struct sender *s)
{
    int64_t until_ms =
        tl_clock_monotonic_ms() + s->pause_ms * 3 / 4 + (int64_t)((uint64_t)tl_clock_monotonic_ns() % 1024) * s->pause_ms / 4096;
    int64_t left_ms;

    while (!is_stopped(s->capture) && (left_ms = until_ms - tl_clock_monotonic_ms()) > 0)
        sleep_for(s->capture, left_ms);
    pthread_mutex_lock(&s->capture->lock);
    s->pause_ms = tl_min_i64(s->pause_ms * 2, s->capture->pause_ms_max);
    pthread_mutex_unlock(&s->capture->lock);
}

/* All that is under way is sent once more; with the handle too, where that is at fault. TL_ERR_LIMIT: the next feed begins with smaller batches. */
static void lose_log(struct sender *s, const struct tl_err *err)
{
    bool away = err->code != TL_ERR_LIMIT;

    if (away && !is_stopped(s->capture))
        note_away(s, err);
    if (s->feed == NULL)
        leave_log(s);
    tl_log_feed_close(s->feed);
    s->feed = NULL;
    rewind_flights(s);
    if (away)
        pause_a_while(s);
}

/* What came of the first try; NULL: the log is there. True: whoever opens the capture still waits for that, and is told. */
static bool note_first(struct tl_capture *capture, const struct tl_err *err)
{
    bool hears;

    pthread_mutex_lock(&capture->lock);
    hears = !capture->prepared;
    if (hears) {
        if (err != NULL)
            capture->first = *err;
        capture->prepared = true;
        pthread_cond_broadcast(&capture->changed);
    }
    pthread_mutex_unlock(&capture->lock);
    return hears;
}

/* ---- the thread ---- */

static enum tl_code work(struct sender *s, bool *moved, struct tl_err *err)
{
    struct tl_err lost;
    size_t taken = 0;
    uint64_t before = s->cursor;
    enum tl_code rc = TL_OK;

    *moved = false;
    if (s->count == 0)
        s->landed_ms = tl_clock_monotonic_ms();
    if (s->entries_at == s->entries_count)
        TL_TRY(gather(s, err));
    *moved = s->cursor != before;
    if (s->entries_at < s->entries_count)
        rc = tl_log_feed_send(s->feed, s->entries + s->entries_at, s->entries_count - s->entries_at, &taken, err);
    s->entries_at += taken;
    *moved = *moved || taken > 0;
    if (rc == TL_OK)
        rc = take_outcomes(s, moved, err);
    else if (take_outcomes(s, moved, &lost) != TL_OK)
        *moved = false;
out:
    return rc;
}

/* Nothing moves: is it because of the log? */
static void look_for_trouble(struct sender *s)
{
    struct tl_err err = {0};

    if (tl_clock_monotonic_ms() - s->landed_ms > SILENT_MS && tl_log_feed_trouble(s->feed, &err) != TL_OK)
        note_away(s, &err);
}

static void rest(struct sender *s)
{
    struct tl_capture *capture = s->capture;
    uint64_t limit;
    bool idle;

    pthread_mutex_lock(&capture->lock);
    limit = capture->mode == TL_CAPTURE_DURABLE ? capture->synced : capture->queue.next;
    idle = s->cursor >= limit && s->count == 0;
    capture->sender_sleeps = s->cursor >= limit && !capture->stop_sender;
    pthread_mutex_unlock(&capture->lock);
    if (idle) {
        tl_spool_reader_rest(s->reader);
        note_there(s);
    }
    if (s->cursor >= limit || s->count > 0)
        sleep_for(capture, idle ? -1 : LOOK_MS);
    pthread_mutex_lock(&capture->lock);
    capture->sender_sleeps = false;
    pthread_mutex_unlock(&capture->lock);
    if (idle && !is_stopped(capture))
        tl_clock_sleep_ms(GATHER_MS);
}

static void run(struct sender *s)
{
    while (!is_stopped(s->capture)) {
        struct tl_err err = {0};
        bool moved;

        if (s->feed == NULL && enter_log(s, &err) != TL_OK) {
            if (note_first(s->capture, &err) && !err.retriable)
                return; /* the start fails, and says why */
            lose_log(s, &err);
            continue;
        }
        note_first(s->capture, NULL);
        if (work(s, &moved, &err) != TL_OK) {
            lose_log(s, &err);
            continue;
        }
        if (moved)
            continue;
        if (s->count > 0)
            look_for_trouble(s);
        rest(s);
    }
}

static void sender_close(struct sender *s)
{
    rewind_flights(s);
    leave_log(s);
    tl_spool_reader_close(s->reader);
    free(s->flights);
    free(s);
}

static enum tl_code sender_open(struct tl_capture *capture, struct sender **out, struct tl_err *err)
{
    struct sender *s = calloc(1, sizeof *s);
    enum tl_code rc = TL_OK;

    if (s == NULL)
        return tl_fail_memory(err, sizeof *s);
    s->capture = capture;
    s->cursor = capture->acked;
    s->pause_ms = PAUSE_MIN_MS;
    s->flights = calloc(FLIGHTS_MAX, sizeof *s->flights);
    if (s->flights == NULL)
        TL_TRY(tl_fail_memory(err, FLIGHTS_MAX * sizeof *s->flights));
    TL_TRY(tl_spool_reader_open(capture->spool, &s->reader, err));
    *out = s;
    s = NULL;
out:
    if (s != NULL)
        sender_close(s);
    return rc;
}

/* The site comes first also where there are fewer cores than threads: what is sent, and the threads of librdkafka, which inherit it, give way to the
 * loops. (A thread's own nice value: Linux has one for each.) */
static void give_way(void)
{
    enum { NICE = 10 };

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
}

void *tl_capture_sender_main(void *arg)
{
    struct tl_capture *capture = arg;
    struct sender *s = NULL;
    struct tl_err err = {0};

    give_way();
    if (sender_open(capture, &s, &err) != TL_OK) {
        note_first(capture, &err);
        return NULL;
    }
    run(s);
    sender_close(s);
    return NULL;
}
