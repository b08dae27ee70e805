/* reuse.h: what a run that was killed has staged, and the next one goes on with.
 *
 *   killed run    (17th] (18th] (19th] (20     three ranges are whole: each has its line, with its carry and the hash of the one it began with
 *   next run      (17th]       (19th]          the 18th has new input: it is computed again, and so is the 19th unless the carry into it is the same
 *
 * Gone on with is the newest staged run whose versions, normaliser and checks are those of now; a definition has changed where its id has. A range
 * is taken as it stands when its input has no message that the killed run had not read, and it began with the very carry that it would begin with
 * now. All else that was staged is removed. */
#ifndef TL_REUSE_H
#define TL_REUSE_H

#include "job.h"
#include "scope.h"

struct tl_reusable {
    uint32_t view;
    int64_t from_ms, to_ms, carry_in;
    uint64_t rows_count;
    bool taken;
};

struct tl_reuse {
    const struct tl_scope *scope;
    int64_t run; /* 0: there is nothing to go on with */
    int64_t started_ms;
    struct tl_reusable *ranges; /* by view, then time */
    uint32_t count, capacity;
    bool strange; /* it has ranges of definitions that are not among the scope's: another views file's */
};

/* Finds the run, and removes what it has staged and what cannot be used any more; other staged runs are discarded. `versions` and `checks` are what
 * a new run would be begun with. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_reuse_open(struct tl_reuse *reuse, const struct tl_scope *scope, struct tl_sv versions,
                                       struct tl_sv checks, struct tl_err *err);
void tl_reuse_close(struct tl_reuse *reuse);
/* The view's staged range of these bounds, or NULL. */
struct tl_reusable *tl_reuse_find(const struct tl_reuse *reuse, uint32_t view, int64_t from_ms, int64_t to_ms);
/* How many of the job's ranges are staged for all of its views: whether their carries fit is only known on the way. */
uint32_t tl_reuse_count(const struct tl_reuse *reuse, const struct tl_job *job);
/* What is staged in the span of the view and was not taken goes. */
TL_MUST_USE enum tl_code tl_reuse_drop(struct tl_reuse *reuse, uint32_t view, int64_t from_ms, int64_t to_ms, struct tl_err *err);

#endif
