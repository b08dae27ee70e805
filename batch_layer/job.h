/* job.h: the queue of what a run has to compute: spans of contiguous ranges, each for a group of views that have the same work.
 *
 *   hits_5m, busy   (17th,18th] (18th,19th]      (23rd,24th]      two jobs; a group's jobs go forward in time
 *   visits          (17th,18th]                                   one job
 *
 * The queue grows while it is worked on: what a changed carry makes dirty is put in right behind the job that changed it. */
#ifndef TL_JOB_H
#define TL_JOB_H

#include "days.h"

struct tl_job {
    uint32_t source;
    bool *views;     /* per view of the plan */
    int64_t *bounds; /* ranges_count + 1, ascending */
    uint32_t ranges_count;
    uint64_t bytes; /* on record, unpacked, that it will read, about; 0: not known */
};

struct tl_jobs {
    const struct tl_plan *plan;
    struct tl_job *jobs;
    uint32_t count, capacity;
};

/* Groups the views that have the same work, and cuts their work into jobs. `days` per view of the plan; `singly` too: each range of such a view is a
 * job of its own (NULL: of none). To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_jobs_open(struct tl_jobs *jobs, const struct tl_plan *plan, const struct tl_days *days,
                                      const bool *singly, struct tl_err *err);
void tl_jobs_close(struct tl_jobs *jobs);
/* Puts a copy in at that place. Jobs move: pointers to them are not valid any more. */
TL_MUST_USE enum tl_code tl_jobs_add(struct tl_jobs *jobs, uint32_t at, uint32_t source, const bool *views, const int64_t *bounds,
                                     uint32_t ranges_count, struct tl_err *err);
/* Does a job from `at` on begin there, for that view? */
bool tl_jobs_begin_at(const struct tl_jobs *jobs, uint32_t at, uint32_t view, int64_t from_ms);

#endif
