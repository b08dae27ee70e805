/* runs.h: what is told of batch's runs, as rows for whoever shows them: `tally runs` and the API.
 *
 * A run: run, state, reason, started, ended, seconds, ranges, published_ranges, blocked_ranges, rows, events, bytes, duplicates, checks_passed, checks_warned,
 * checks_failed, rolled_back, rolled_back_by, failure, versions, inputs. One of its ranges: view, from, to, state, rows, and the outcomes of its events. */
#ifndef TL_RUNS_H
#define TL_RUNS_H

#include "main/print.h"
#include "store/store.h"

/* The newest first, or (run > 0) that one alone; *found counts them. */
TL_MUST_USE enum tl_code tl_runs_show(struct tl_store *store, int64_t run, int64_t limit, const struct tl_row_sink *sink,
                                      uint64_t *found, struct tl_err *err);
TL_MUST_USE enum tl_code tl_run_show_ranges(struct tl_store *store, int64_t run, const struct tl_row_sink *sink,
                                            struct tl_err *err);

#endif
