/* worker.h: one thread: its partitions of the log, its core, its partial.
 *
 *   log ──read──> core ──> partial ══ring══> committer (tick.h)
 *                             ^                  │  merged, committed
 *                             └════════ring══════┘  comes back empty, with what the others' watermarks are
 *
 * A worker owns its partitions from start to end. It reads from the one whose watermark is furthest behind, so that windows of a
 * partition that is ahead do not pile up. When the committer asks for a tick it hands its partial over and goes on with the
 * other one; when both are away, or the one at hand is full, it waits: that is the back-pressure. */
#ifndef TL_WORKER_H
#define TL_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/ring.h"
#include "core/core.h"
#include "lane.h"
#include "main/source_log.h"

enum { TL_WORKER_PARTIALS = 2 };
enum { TL_WORKER_GROUPS_MAX = 1 << 18 }; /* a partial with so many groups is full: some 50 MB */
enum { TL_WORKER_LOAD_MAX = 1 << 26 };   /* or with so many bytes of event rows, ledger lines and dead letters */

/* What all threads of a lane look at. */
struct tl_worker_signals {
    atomic_uint_fast64_t ticket; /* the tick that the committer wants partials for */
    atomic_bool stop;
    bool patient;             /* a log that does not answer is waited for; else the worker fails */
    atomic_uint silent_count; /* partitions that are waited for: said once for all of them */
    int wake_fd;              /* eventfd: a worker has handed over, is full, or has failed */
    atomic_int_fast64_t
        *log_ms; /* per source: the highest log timestamp that a worker has read; NULL: idleness goes by the clock alone */
};

struct tl_worker_partition {
    struct tl_lane_partition *lane;
    uint32_t watermark_index;
    struct tl_horizon *horizon;        /* NULL: its source does not deduplicate */
    struct tl_history_reader *history; /* NULL: the log alone */
    int64_t next_offset;
    int64_t last_offset; /* of the last message read; INT64_MIN: none */
    uint64_t fingerprint;
    int64_t log_ms;    /* in a replay: the highest log timestamp read; INT64_MIN: none */
    int64_t behind_ms; /* log timestamp of the first message behind the lane's end; INT64_MAX: none, INT64_MIN: nobody knows */
    bool knows_behind; /* in a replay, once it was at its end */
    int64_t quiet_since_ms; /* monotonic: when its last event came */
    int64_t read_ms;        /* monotonic: when it was read last */
    bool at_end;            /* as of its last read */
    bool awaits;            /* nothing had arrived by then, and it is not at its end */
    bool look;              /* there may be more by now */
    bool suspect;           /* reading has failed since: is it still the same topic? */
    int64_t pause_ms;       /* the log does not answer for it: how long until it is asked again; 0: it does */
    int64_t ask_at_ms;      /* monotonic */
};

struct tl_worker {
    const struct tl_lane *lane;
    struct tl_worker_signals *signals;
    struct tl_source_logs *logs;
    struct tl_core *core;
    struct tl_watermark *watermarks; /* per source */
    struct tl_worker_partition *partitions;
    uint32_t partitions_count;
    struct tl_ring out, back;                   /* partials to and from the committer */
    struct tl_partial *own[TL_WORKER_PARTIALS]; /* all it has, for the end */
    struct tl_partial *at_hand, *spare;
    size_t own_bytes[TL_WORKER_PARTIALS]; /* of each, when it was last handed over */
    atomic_size_t state_bytes;            /* of these and the ids, for who watches */
    uint64_t ticket;                      /* the last tick it handed over for */
    int64_t looked_ms;                    /* monotonic: when all partitions were last to be looked at again */
    atomic_bool full;                     /* waits for a tick */
    atomic_bool failed;                   /* `err` says why; set last */
    struct tl_err err;
    pthread_t thread;
    bool running;
};

/* Opens everything for the partitions numbered worker_number, worker_number + workers_count, ... of the lane, and loads their ids from the store. */
TL_MUST_USE enum tl_code tl_worker_open(struct tl_worker *worker, const struct tl_lane *lane, uint32_t worker_number,
                                        uint32_t workers_count, const struct tl_common_options *common, struct tl_store *store,
                                        struct tl_worker_signals *signals, struct tl_err *err);
TL_MUST_USE enum tl_code tl_worker_start(struct tl_worker *worker, struct tl_err *err);
/* Ends the thread (signals->stop must be set) and frees everything. */
void tl_worker_close(struct tl_worker *worker);

#endif
