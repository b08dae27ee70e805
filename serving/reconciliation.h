/* reconciliation.h: what a reconcile came to, made of its report: as it is kept in the store (store_reconciliation.h) and told to monitors
 * (reconcile_file.h).
 *
 * Is not:  the report: that is out before anything here is done, and stands whatever becomes of this. */
#ifndef TL_RECONCILIATION_H
#define TL_RECONCILIATION_H

#include "report.h"
#include "store/store_reconciliation.h"

/* Numbers of runs, some of them more than once. All zero: none yet. */
struct tl_run_numbers {
    int64_t *numbers;
    size_t count, capacity;
};
TL_MUST_USE enum tl_code tl_run_numbers_add(struct tl_run_numbers *runs, int64_t run, struct tl_err *err);
/* "3-9, 12", each once; in `arena`. Forgets them. */
TL_MUST_USE enum tl_code tl_run_numbers_take(struct tl_run_numbers *runs, struct tl_arena *arena, struct tl_sv *out,
                                             struct tl_err *err);
void tl_run_numbers_done(struct tl_run_numbers *runs);

/* All but id, times, exit status, what was read, and the versions. Borrows from the report; the rest lives in `arena`. */
TL_MUST_USE enum tl_code tl_reconciliation_of(const struct tl_report *report, struct tl_arena *arena,
                                              struct tl_reconciliation *out, struct tl_err *err);
/* Into the store of that URL, which is opened for it. */
TL_MUST_USE enum tl_code tl_reconciliation_keep(const char *store, const struct tl_reconciliation *it, struct tl_err *err);

#endif
