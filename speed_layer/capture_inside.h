/* capture_inside.h: what the files of the capture share. Private to them; others include capture.h.
 *
 *     put ──> queue in memory ──────────────> sender ──> log
 *                 │                             ^
 *                 └─> spooler ──> spool ────────┘   what has gone from memory
 *
 * All events have a sequence. In its order:
 *
 *     acked      all below is with the log, or dropped
 *     synced     all from acked to here is on disk for good, or in `skips` (acked may be beyond it)
 *     next       the next that comes
 *
 * Memory holds what is not below acked and not below synced; and more, as long as there is room. The sender goes up to `next`, in durable mode up to
 * synced: what could not be written there was refused, and must not be counted. */
#ifndef TL_CAPTURE_INSIDE_H
#define TL_CAPTURE_INSIDE_H

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "main/source_log.h"
#include "speed_layer/capture.h"
#include "speed_layer/capture_meter.h"
#include "speed_layer/capture_queue.h"

/* Of memory, the part from which on events go to the disk: the rest is for what comes while that is written. */
enum { TL_CAPTURE_TELL_MAX = 1024, TL_CAPTURE_SAY_MS = 10000, TL_CAPTURE_SPILL_PART = 4 };

/* Who waits to hear of an event. */
struct tl_capture_waiter {
    uint64_t sequence;
    struct tl_capture_answer answer; /* captured NULL: has heard */
};

/* In order of sequence; a ring. */
struct tl_capture_waiters {
    struct tl_capture_waiter *items;
    size_t first, count, capacity; /* a power of two */
};

/* Answers that are given once the lock is let go. */
struct tl_capture_answers {
    struct tl_capture_answer items[TL_CAPTURE_TELL_MAX];
    size_t count;
};

/* Events that were dropped behind synced. */
struct tl_capture_skip {
    uint64_t first, end;
};

enum tl_capture_sleep { TL_CAPTURE_AWAKE, TL_CAPTURE_DOZES, TL_CAPTURE_SLEEPS };

struct tl_capture {
    const struct tl_common_options *common;
    const struct tl_plan *plan;
    enum tl_capture_mode mode;
    enum tl_capture_key key;
    char *topic;
    uint32_t partitions;
    size_t event_bytes_max;
    int64_t memory_bytes_max, spool_bytes_max;
    int64_t pause_ms_max; /* between two tries to reach the log */

    pthread_mutex_t lock;
    pthread_cond_t wake;    /* of the spooler */
    pthread_cond_t changed; /* of who opens and closes */
    struct tl_capture_queue queue;
    uint64_t acked, synced;
    struct tl_capture_skip *skips;
    size_t skips_count;
    struct tl_capture_waiters waiters;
    struct tl_capture_figures figures;
    uint64_t mark; /* what was `next` at mark_ms (monotonic), and is not acknowledged yet: is the log late? */
    int64_t mark_ms;
    bool spilling; /* what comes goes to the disk too, until the log has caught up */
    bool full;     /* the spool was, when it was last written to */
    bool refuses;  /* the disk does not take it; until it is tried again */
    enum tl_capture_sleep spooler_sleeps;
    bool sender_sleeps;
    bool prepared; /* the log was asked for once, and *first says what came of it; or nobody waits for that any more */
    struct tl_err first;
    bool away; /* the log, as far as is known */
    bool closing, stop_sender, stop_spooler;

    int wake_fd; /* eventfd: of the sender */
    struct tl_lock *spool_lock;
    struct tl_spool *spool;
    struct tl_source_logs *logs; /* the sender's; with the lock, for who stops it */
    struct tl_capture_meter meter;
    pthread_t sender, spooler;
    bool sender_runs, spooler_runs;
};

/* For waits on a clock that only goes forward. */
static inline struct timespec tl_capture_after_ms(int64_t ms)
{
    int64_t at_ms = tl_clock_monotonic_ms() + ms;

    return (struct timespec){.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000};
}

void *tl_capture_sender_main(void *capture);
void *tl_capture_spooler_main(void *capture);

/* With the lock. */
void tl_capture_trim(struct tl_capture *capture);
bool tl_capture_is_late(const struct tl_capture *capture, int64_t now_ms);
/* The next answers of those below `sequence`; they are told by tl_capture_tell. False: there are no more. */
TL_MUST_USE bool tl_capture_waiters_below(struct tl_capture *capture, uint64_t sequence, struct tl_capture_answers *out);
void tl_capture_waiter_take(struct tl_capture *capture, uint64_t sequence, struct tl_capture_answers *out);
TL_MUST_USE bool tl_capture_waiter_put(struct tl_capture *capture, uint64_t sequence, const struct tl_capture_answer *answer);

/* Without it. */
void tl_capture_tell(struct tl_capture_answers *answers, bool taken);
void tl_capture_wake_sender(const struct tl_capture *capture);

#endif
