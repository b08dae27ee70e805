/* stage.h: a run's jobs are computed one after the other and staged under the run's id; nobody sees them before publish.h.
 *
 * When a job's carry differs from what the clean range behind it was computed with, that range becomes a job too, and so on forward
 * exactly as far as the carry differs.
 *
 * A range may be kept from being published: a check blocks it once it is staged (quality), or it cannot be computed at all, for the record is damaged
 * (it is refused then: nothing of it is staged). publish.h says what else stays back with it. */
#ifndef TL_STAGE_H
#define TL_STAGE_H

#include "carry.h"
#include "duplicates.h"
#include "job.h"
#include "main/progress.h"
#include "scope.h"

/* A range of one view that must not be published. */
struct tl_held {
    uint32_t view;
    int64_t from_ms, to_ms;
};

struct tl_stage {
    const struct tl_scope *scope;
    struct tl_jobs jobs;
    struct tl_carries carries;
    struct tl_progress *progress;
    uint32_t threads;
    struct tl_duplicates_limit limit;
    int64_t run; /* 0: nothing had to be done */
    struct tl_held *held;
    uint32_t held_count, held_capacity;
    uint64_t ranges_count, rows_count, events_count, duplicates_count;
};

/* Makes the jobs of what is dirty; begins a run where there are any. `reason` is what `tally runs` shows. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_stage_open(struct tl_stage *stage, const struct tl_scope *scope, const char *reason,
                                       struct tl_err *err);
void tl_stage_close(struct tl_stage *stage);
/* Computes and stages them all. On failure what is staged stays invisible. */
TL_MUST_USE enum tl_code tl_stage_jobs(struct tl_stage *stage, struct tl_err *err);
/* This range of the view, and so of all its family, is not to be published by this run. */
TL_MUST_USE enum tl_code tl_stage_hold(struct tl_stage *stage, uint32_t view, int64_t from_ms, int64_t to_ms, struct tl_err *err);

#endif
