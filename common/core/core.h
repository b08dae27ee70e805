/* core.h: plan + messages + watermark -> partial: the transformation that both layers share.
 *
 * push: parse -> event time -> future? -> duplicate? -> watermark -> row checks; then for each view: filter -> dropped? -> late? -> accumulate.
 * An event's outcome is the first that applies: dead letter, future, duplicate, filtered, rejected, late, (partly) counted; each event of
 * a source has exactly one per view, and the partial counts them. Rows leave through the partial's windows (window.h, partial.h).
 *
 * Is not:  I/O, a clock, a lock. The layers differ only in what they put into tl_core_config.
 * Runs on: the thread that opened it. Warm, a push allocates nothing (tl_core_allocations counts). */
#ifndef TL_CORE_H
#define TL_CORE_H

#include "core/dedup.h"
#include "core/partial.h"
#include "core/watermark.h"
#include "event/batch.h"
#include "sql/check.h"
#include "sql/plan.h"

struct tl_core;
struct tl_intake;

/* The events of one push that have an id, in order. Fills seen[]. */
typedef enum tl_code (*tl_core_dedup)(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids,
                                      const int64_t *time_ms, const int64_t *log_ms, uint32_t count,
                                      uint8_t *seen /* enum tl_seen */, struct tl_err *err);

struct tl_core_event {
    uint32_t source, partition, row;
    int64_t offset, time_ms, log_ms;
    struct tl_id id; /* where the source deduplicates and the event has an id; else all zero */
    bool has_id;
};

struct tl_core_config {
    const struct tl_plan *plan;
    /* Which views to compute; NULL: all. One flag per view of the plan. */
    const bool *views_wanted;
    /* Batch: ascending bounds of event time; events in [bounds[i], bounds[i+1]) belong to range i, others are passed over without
     * a trace. NULL: one range, all of time. */
    const int64_t *bounds;
    uint32_t ranges_count;
    tl_core_dedup dedup; /* NULL: no deduplication */
    void *dedup_ctx;
    /* Batch: row checks are made in their order over the events that are no duplicates, and one that a check drops is not shown to those behind it; its
     * outcome is `rejected` in each view whose filter takes it. The partials have room for what they find (tl_partial_want_checks). NULL: none. */
    const struct tl_checks *checks;
    /* Reconcile: whether an event is to go into a group it belongs to; who asks that is not shown dead letters. NULL: it is. */
    bool (*wanted)(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms,
                   struct tl_sv key, int64_t *watermark_ms /* window.h */);
    void *wanted_ctx;
};

TL_MUST_USE enum tl_code tl_core_open(const struct tl_core_config *config, struct tl_core **out, struct tl_err *err);
void tl_core_close(struct tl_core *core);

struct tl_core_input {
    uint32_t source, partition;
    const struct tl_message *messages;
    size_t count;
    const uint32_t *partitions;     /* batch: the partition of each message, where they are of several; else NULL */
    int64_t next_offset;            /* behind the last message, gaps included */
    struct tl_watermark *watermark; /* NULL: nothing is late (batch); else the source's, of this worker */
    uint32_t watermark_index;       /* which of its partitions this is */
    bool again;                     /* the messages of the last push, which need not be parsed again, into another partial */
};
/* Adds the messages to the partial. On failure the partial may hold part of them: the caller throws it away. */
TL_MUST_USE enum tl_code tl_core_push(struct tl_core *core, const struct tl_core_input *input, struct tl_partial *partial,
                                      struct tl_err *err);
uint64_t tl_core_allocations(const struct tl_core *core); /* growths of batches and scratch since open */

#endif
