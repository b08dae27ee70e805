/* tick.h: the committer: merges the workers' partials and makes each tick one store transaction.
 *
 * A tick holds the changed rows with their accumulators, for every partition its next offset and watermark, the ids for
 * deduplication, the ledger, the dead letters, the outcome counts and one change number; its first statement locks the epoch row.
 * So the tables always equal a run over exactly the offsets that stand beside them, whatever was killed when.
 *
 * What is final: a worker never judges an event by less than the watermark that its last partial carried. So once all partials of a tick are
 * merged, the minimum of these watermarks over the workers is safe: no later event can reach a window that it has passed. Such
 * windows leave memory; their rows stay as they are, and final_ms tells that they are final.
 *
 * A tick that fails in the store is repeated whole: the merged windows keep their marks and the partials stay here until it is in.
 * Runs on: the main thread of speed. */
#ifndef TL_TICK_H
#define TL_TICK_H

#include "core/partial.h"
#include "core/relay.h"
#include "dead_topic.h"
#include "lane.h"
#include "store/store.h"
#include "worker.h"

struct tl_tick {
    const struct tl_lane *lane;
    struct tl_store *store;
    int64_t epoch;
    int64_t change; /* the number of the transaction that was last begun */
    bool unknown;   /* its commit was sent and no answer came */
    bool committed; /* what was merged last is in the store */
    struct tl_worker *workers;
    uint32_t workers_count;
    struct tl_partial *all;        /* open windows since the beginning; what this tick has judged of held rows */
    struct tl_relay *relay;        /* NULL: no view reads another */
    bool *beside;                  /* per view: its state stands beside its rows */
    struct tl_partial **in_hand;   /* one per worker: of the tick being committed; NULL: none */
    struct tl_position *positions; /* per partition of the lane, as committed */
    int64_t *put_offset;           /* per partition of the lane: the next offset that the store has */
    int64_t *dropped_ms;           /* per partition of the lane: event ids from before are gone from the store */
    bool *identity_put;            /* per view */
    int64_t *final_ms;             /* per view, as committed */
    int64_t *judged_ms;            /* per source: minimum over the workers, as of the last collect */
    uint64_t ticks_count, rows_count, events_count;
    uint64_t rows_begun;               /* of the transaction that was last begun */
    uint64_t (*outcomes)[TL_OUTCOMES]; /* per view: what the last commit has added to its totals */
    struct tl_dead_topic *dead_topic;  /* NULL: dead letters go to the store alone */
    bool dead_sent;                    /* those of what was merged last are on their way */
    struct tl_speed_meter *meter;      /* NULL: nobody is shown anything */
};

/* Loads the open windows of the lane's definitions from the store. */
TL_MUST_USE enum tl_code tl_tick_open(struct tl_tick *tick, const struct tl_lane *lane, struct tl_store *store, int64_t epoch,
                                      struct tl_worker *workers, uint32_t workers_count, struct tl_err *err);
void tl_tick_close(struct tl_tick *tick);

/* Takes the partials that have come for this ticket; true when every worker's is here. */
bool tl_tick_collect(struct tl_tick *tick, uint64_t ticket);
/* Merges what was collected. Once per collect, before the first commit of it. */
TL_MUST_USE enum tl_code tl_tick_merge(struct tl_tick *tick, struct tl_err *err);
/* One transaction. After a failure it may be called again (err->retriable) or the process must end. TL_ERR_UNKNOWN sets tick->unknown: whether
 * the transaction is in the store is to be found out first, and tl_tick_note_committed called if it is. */
TL_MUST_USE enum tl_code tl_tick_commit(struct tl_tick *tick, struct tl_err *err);
void tl_tick_note_committed(struct tl_tick *tick);
/* Drops what is final from memory, and sends the partials back with the others' watermarks. */
TL_MUST_USE enum tl_code tl_tick_settle(struct tl_tick *tick, struct tl_err *err);

/* Did every partition reach its end (or its `until`), and has every worker heard of all others' watermarks? As of the last collect. */
bool tl_tick_at_rest(const struct tl_tick *tick);
bool tl_tick_at_end(const struct tl_tick *tick);

#endif
