/* advise.h: `tally reconcile --advise-lateness`: which watermark delay or allowed lateness would have left how many late events, at what cost.
 *
 * It belongs to reconcile, for it is the question behind the report's "312 late events", and is answered from the same ledger.
 * Order: one snapshot of the store (ledger, positions, outcomes); then, where the ledger does not tell (trial.h), the record; then the answer: text, or
 * one row for each view and setting as CSV or JSON.
 *
 * The ladder: values of one setting that people write, from the present one up, at which something changes: twelve at most, those that change
 * little left out. That setting is the allowed lateness
 *   - of HOP and CUMULATE: rows of windows that the watermark has passed are shown, and corrected; with a longer delay they would not be there yet
 *   - where the table has other views with windows, for the delay is the table's
 *   - where the watermark is no fixed delay
 * and else the delay: rows are shown from the first tick and final at the same time either way, and Flink knows the delay alone.
 * By event time each window becomes final the same time later. How long that was by the clock is in the record (finality.h), and is read with --wall-clock, as
 * far back as the ledger is kept.
 * Recommended: the least of these that leaves --target of the view's events late (0.1% unless set), or fewer; the present one where it does. */
#ifndef TL_ADVISE_H
#define TL_ADVISE_H

#include <stddef.h>

#include "main/option.h"

struct tl_advise_options {
    bool wanted;                            /* --advise-lateness */
    struct tl_option_list delays, lateness; /* --delay, --lateness: settings to be tried too, "10s,1min" */
    const char *target;                     /* --target: "0.1%" */
    bool wall_clock;                        /* --wall-clock */
};

/* The rows of the command's table; `at` is where these options stand in its struct. */
#define TL_ADVISE_OPTIONS(at)                                                                                                      \
    {"advise-lateness",                                                                                                            \
     TL_OPT_FLAG,                                                                                                                  \
     NULL,                                                                                                                         \
     "instead: how many events other settings would have left late, and which to take",                                            \
     (at) + offsetof(struct tl_advise_options, wanted),                                                                            \
     0},                                                                                                                           \
        {"delay",                                                                                                                  \
         TL_OPT_LIST,                                                                                                              \
         "D,...",                                                                                                                  \
         "with that, of these watermark delays too: 10s,1min",                                                                     \
         (at) + offsetof(struct tl_advise_options, delays),                                                                        \
         0},                                                                                                                       \
        {"lateness", TL_OPT_LIST, "L,...", "and of these allowed latenesses", (at) + offsetof(struct tl_advise_options, lateness), \
         0},                                                                                                                       \
        {"target",                                                                                                                 \
         TL_OPT_TEXT,                                                                                                              \
         "SHARE",                                                                                                                  \
         "how many of a view's events may be late (0.1%)",                                                                         \
         (at) + offsetof(struct tl_advise_options, target),                                                                        \
         0},                                                                                                                       \
        {"wall-clock",                                                                                                             \
         TL_OPT_FLAG,                                                                                                              \
         NULL,                                                                                                                     \
         "and how long windows waited by the log's clock, out of the record",                                                      \
         (at) + offsetof(struct tl_advise_options, wall_clock),                                                                    \
         0},

/* `format`: text, csv or json. TL_ERR_USAGE where the options make no sense together. */
TL_MUST_USE enum tl_code tl_advise(const struct tl_common_options *common, const struct tl_advise_options *own,
                                   const char *format, struct tl_err *err);
/* Where no advice is wanted: TL_ERR_USAGE where an option asks for some. */
TL_MUST_USE enum tl_code tl_advise_not_asked(const struct tl_advise_options *own, struct tl_err *err);

#endif
