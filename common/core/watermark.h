/* watermark.h: how far event time has come: per partition, and the minimum that decides what is late.
 *
 * One worker reads some of a source's partitions. It judges an event by the minimum of its own partitions' watermarks as of the event
 * before and of the others' as last handed out by the committer: never stricter than the truth, exact with one partition. The judging
 * watermark never goes back. A partition that never had an event stands at INT64_MIN and holds everything back until it is idle; idle ones
 * leave the minimum, and any event makes theirs take part again at once (Flink's rule inside one source: CombinedWatermarkStatus). When all
 * partitions of all workers are idle, the committer raises the floor to the maximum of them all. One that has come to its end is in neither, until all
 * have: it says nothing of what the others still have.
 * Beside what judges stands what would, had nobody ever been taken for idle and every partition been waited for (`patient`): never above the other. An
 * event that is late by the one and not by the other is late only because an idle partition had been left out (fired_by_idle).
 * Source: semantics.md 3; design.md, core. Runs on: the worker's thread. No clock: the caller says what is idle. */
#ifndef TL_WATERMARK_H
#define TL_WATERMARK_H

#include "base/base.h"

struct tl_watermark_partition {
    uint32_t partition;
    int64_t watermark_ms; /* INT64_MIN: no event yet */
    bool idle;
};

struct tl_watermark {
    struct tl_watermark_partition *partitions;
    uint32_t partitions_count;
    int64_t others_ms; /* minimum of the other workers' active partitions; INT64_MAX: there are none */
    int64_t judge_ms;  /* what the next event is judged by */
    /* The same with those that are idle: */
    int64_t patient_others_ms, patient_ms;
    /* As of before the last pass, for tl_watermark_patient: the partition's own watermark, the minimum of the rest, and patient_ms. */
    int64_t passed_own_ms, passed_rest_ms, passed_patient_ms;
    bool left_out; /* what judged a row of the last pass was not the patient one */
};

/* The worker's partitions with the watermarks that the store has for them. `judged_ms`: the highest that any of the source's events was
 * judged by so far; `patient_ms`: what of it needed no partition to be left out, where that is more than the partitions' minimum tells. */
TL_MUST_USE enum tl_code tl_watermark_init(struct tl_watermark *watermark, const struct tl_watermark_partition *partitions,
                                           uint32_t partitions_count, int64_t others_ms, int64_t judged_ms, int64_t patient_ms,
                                           struct tl_err *err);
void tl_watermark_done(struct tl_watermark *watermark);
/* For rows of one partition, in order: judged_ms[i] is what row i is judged by, then its own watermark event_ms[i] (INT64_MIN: none) counts. */
void tl_watermark_pass(struct tl_watermark *watermark, uint32_t index, const int64_t *event_ms, uint32_t count,
                       int64_t *judged_ms);
/* For the rows of the last pass, of which something was late: what each would have been judged by had no partition ever been left out. */
void tl_watermark_patient(const struct tl_watermark *watermark, const int64_t *event_ms, uint32_t count, int64_t *patient_ms);
void tl_watermark_idle(struct tl_watermark *watermark, uint32_t index, bool idle);
/* The partition has come to its end ('scan.bounded.mode'): no event is expected any more. One below INT64_MAX, which stands for a minimum over nothing. */
#define TL_WATERMARK_END (INT64_MAX - 1)
void tl_watermark_end(struct tl_watermark *watermark, uint32_t index);
/* What the committer hands out: the others' minimum (INT64_MAX when all of them are idle or there are none), and a floor below which
 * nothing is judged any more (INT64_MIN: none); and both as they would be with nobody idle. */
struct tl_watermark_heard {
    int64_t others_ms, floor_ms;
    int64_t patient_others_ms, patient_floor_ms;
};
void tl_watermark_hear(struct tl_watermark *watermark, const struct tl_watermark_heard *heard);

/* For the committer: the combined watermark of all partitions, by the rule above, one after the other. */
struct tl_watermark_sum {
    int64_t min_ms, max_ms; /* over the active ones; over all: neither has those that have ended */
    uint32_t ended_count, others_count;
};
#define TL_WATERMARK_NOTHING ((struct tl_watermark_sum){INT64_MAX, INT64_MIN, 0, 0})
void tl_watermark_add(struct tl_watermark_sum *sum, int64_t watermark_ms, bool idle);
int64_t tl_watermark_combined(const struct tl_watermark_sum *sum);

#endif
