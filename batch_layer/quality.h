/* quality.h: table checks over what a run has staged: what is measured, what it is held against, what is kept back.
 *
 *   staged rows ──one statement a range──> figures ─┬─ bounds ────────────────────────> passed, or not
 *   published rows of the last N days ──> figures ──┴─ percent of their median ──┘
 *
 * The past of a range are the ranges of the same length that end, at the latest, where it begins: as they are published, or as this run has
 * staged them and no check keeps them back. So a month gets the same verdicts day by day and at once. What a published range's run has
 * measured stands in its results; else its rows are measured now. Lengths are those of the wall clock: a day of 23 hours is a day, and whole
 * months are of one length. With fewer than TL_QUALITY_PAST_MIN of them (or N) there is no verdict: the check passes, and says so.
 *
 * The span before the first event, which begins with time, is not checked.
 * A sum of nothing is 0, a null share of no rows passes, and without a row nothing is fresh. What is not a number passes no bounds. */
#ifndef TL_QUALITY_H
#define TL_QUALITY_H

#include "base/buf.h"
#include "chain.h"
#include "core/partial.h"
#include "sql/check.h"
#include "store/store_check.h"

enum { TL_QUALITY_PAST_MIN = 3 };

struct tl_quality {
    const struct tl_plan *plan;
    const struct tl_checks *checks;
    const int64_t *definitions; /* per view of the plan */
    struct tl_store *store;
};

struct tl_findings {
    uint64_t kept_count, warned_count; /* ranges that are kept back; checks that have failed and only warn */
};

/* Own transactions. Measures all that the run has staged and is not published, stores the results, and marks what is kept back: by them, and
 * by results of row checks that are there already. Says each failure on stderr. To be called again for a run does no harm. */
TL_MUST_USE enum tl_code tl_quality_judge(const struct tl_quality *quality, int64_t run, struct tl_findings *findings,
                                          struct tl_err *err);

/* Is there a check that may keep the view's ranges, or those of its family, back? */
bool tl_quality_may_keep(const struct tl_quality *quality, uint32_t view);

/* The ranges that the run has staged of the root's family. */
TL_MUST_USE enum tl_code tl_quality_open_chain(const struct tl_quality *quality, uint32_t root, int64_t run,
                                               struct tl_chain *chain, struct tl_err *err);

/* What row checks found in a range, as recompute tells it (tl_recompute.found): results beside the range, in its transaction. */
struct tl_row_findings {
    const struct tl_quality *quality;
    int64_t run;
    const int64_t *bounds; /* of the ranges */
};
TL_MUST_USE enum tl_code tl_quality_found(void *ctx, uint32_t view, uint32_t range, const struct tl_check_count *counts,
                                          struct tl_err *err);

/* ---- the parts, for tests ---- */

/* "ROW_COUNT", "SUM(num_hits)", "UNIQUE(host, url)". */
void tl_quality_measure_text(const struct tl_plan *plan, const struct tl_table_check *check, struct tl_buf *out);
/* Of the range, by the wall clock of the zone; of whole months -1, -2, ... */
int64_t tl_quality_length(const struct tl_zone *zone, int64_t from_ms, int64_t to_ms);
/* Sorts the values, which are numbers; count > 0. */
double tl_quality_median(double *values, uint32_t count);

#endif
