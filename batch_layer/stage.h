/* stage.h: a run's jobs are computed one after the other and staged under the run's id; nobody sees them before publish.h.
 *
 * When a job's carry differs from what the clean range behind it was computed with, that range becomes a job too, and so on forward
 * exactly as far as the carry differs.
 *
 * A range may be kept from being published: a check blocks it once it is staged (quality.h), or it is refused: nothing of it is staged, for
 * the record is damaged, or a person has rolled back what would come of it. What a changed carry joins to it stays back too. */
#ifndef TL_STAGE_H
#define TL_STAGE_H

#include "carry.h"
#include "duplicates.h"
#include "job.h"
#include "left_out.h"
#include "main/progress.h"
#include "quality.h"
#include "reuse.h"

struct tl_stage {
    const struct tl_scope *scope;
    struct tl_quality quality;
    struct tl_jobs jobs;
    struct tl_carries carries;
    struct tl_progress *progress;
    uint64_t bytes_ahead; /* to be read by all jobs, about */
    uint32_t threads;
    struct tl_duplicates_limit limit;
    int64_t run; /* 0: nothing had to be done */
    struct tl_reuse reuse;
    uint32_t reused_count;       /* of ranges_count: taken from a run that was killed */
    uint32_t refused_count;      /* ranges, beside ranges_count */
    uint32_t held_count;         /* of these: a changed carry would make them anew, and they were rolled back */
    struct tl_left_out left_out; /* those for which the record is damaged */
    uint64_t ranges_count, rows_count, bytes_count, events_count, duplicates_count;
};

/* Makes the jobs of what is dirty; begins a run where there are any, or goes on with one that was killed. `reason` is what `tally runs` shows. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_stage_open(struct tl_stage *stage, const struct tl_scope *scope, const char *reason,
                                       struct tl_err *err);
void tl_stage_close(struct tl_stage *stage);
/* Computes and stages them all. On failure what is staged stays invisible. */
TL_MUST_USE enum tl_code tl_stage_jobs(struct tl_stage *stage, struct tl_err *err);
/* Nothing of this range is staged for the view, and nothing may be: it stays as it is published, and so does what a changed carry joins to it. */
TL_MUST_USE enum tl_code tl_stage_refuse(struct tl_stage *stage, uint32_t view, int64_t from_ms, int64_t to_ms,
                                         struct tl_err *err);

#endif
