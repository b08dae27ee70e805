/* checks.h: what the data-quality checks found, as rows for whoever shows them: `tally checks` and the API.
 *
 * A row: view, from, to, check, on_violation, verdict, measure, measured, low, high, violations, run, accepted_by, reason, detail. */
#ifndef TL_CHECKS_H
#define TL_CHECKS_H

#include "main/print.h"
#include "store/store.h"

struct tl_checks_query {
    const char *view; /* NULL: all */
    int64_t run;      /* all that this one found; 0: of each check the newest ranges */
    int64_t history;  /* so many of them, and what is kept back */
    bool failed;      /* only what did not pass, of all ranges */
};

TL_MUST_USE enum tl_code tl_checks_show(struct tl_store *store, const struct tl_checks_query *query,
                                        const struct tl_row_sink *sink, struct tl_err *err);

#endif
