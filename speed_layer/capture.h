/* capture.h: events on their way from the intercepting loops to the log. The site comes first: whoever hands one over never waits.
 *
 * Is:      one queue, in order: in memory as long as the log takes what comes, and on disk (spool.h) as soon as it is away or slow; a thread that
 *          sends from its front. An event leaves the queue when the log has acknowledged it.
 * Is not:  exactly-once: what was sent and not known to be acknowledged is sent again, with the same event_id, to the same partition.
 *
 *     received = delivered + spooled + dropped       at every scrape; spooled: in the queue, in memory or on disk
 *
 * Runs on: tl_capture_put from any thread; two threads of its own for all else, one for the log and one for the disk: neither waits for the other. */
#ifndef TL_CAPTURE_H
#define TL_CAPTURE_H

#include "main/daemon.h"
#include "main/option.h"
#include "sql/plan.h"

enum tl_capture_mode {
    TL_CAPTURE_BEST_EFFORT, /* captured as soon as it is in the queue */
    TL_CAPTURE_BROKER,      /* when the log has acknowledged it, or where the log is away, when it is on disk (fsync) */
    TL_CAPTURE_DURABLE,     /* when it is on disk (fsync) */
};

enum tl_capture_key { TL_CAPTURE_KEY_NONE, TL_CAPTURE_KEY_HOST, TL_CAPTURE_KEY_IP, TL_CAPTURE_KEY_VISITOR };

struct tl_capture_options {
    enum tl_capture_mode mode;
    enum tl_capture_key key;
    const char *topic;        /* NULL: that of the plan's source, or "events" */
    const char *spool;        /* folder; NULL: DIR/spool in --data */
    int64_t spool_bytes_max;  /* on disk; beyond it events are dropped, and counted; 0: 1 GiB */
    int64_t memory_bytes_max; /* 0: 32 MiB */
    int64_t partitions;       /* the embedded log's, or of a topic that is made; 0: as it is */
};

struct tl_capture;

/* `plan` (may be NULL) says how the log is reached and which topic. `daemon` may be NULL. What is left in the spool is sent first. A log
 * that does not answer is waited for; a wrong password, or a spool that cannot be written, is an error; TL_ERR_BUSY: another process has the spool.
 * Borrows all but `options` until it is closed, which is before the daemon is. */
TL_MUST_USE enum tl_code tl_capture_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                         const struct tl_capture_options *options, struct tl_daemon *daemon,
                                         struct tl_capture **out, struct tl_err *err);
/* Nobody puts any more. Gives what is in the queue up to `patience_ms` to reach the log; what is left then is on disk (fsync) for the next start. NULL is fine. */
void tl_capture_close(struct tl_capture *capture, int64_t patience_ms);

struct tl_capture_event {
    struct tl_sv id;                   /* event_id */
    struct tl_sv host, ip, user_agent; /* for keys; the agent's text as it was sent */
    struct tl_sv value;                /* the JSON */
};

/* Told once an event is captured, by the mode, or is not: dropped, or in broker mode only in memory while neither the log nor the disk takes it. On a thread
 * of the capture's, or within the call: it is only to hand the word on. */
struct tl_capture_answer {
    void (*captured)(void *ctx, bool taken);
    void *ctx;
};

/* Takes copies; never waits. `answer` NULL: nobody asks. */
void tl_capture_put(struct tl_capture *capture, const struct tl_capture_event *event, const struct tl_capture_answer *answer);

#endif
