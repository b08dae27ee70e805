/* store_check.h: data quality in the store: figures of a range's rows, what checks found in it, what keeps it back, who let it pass.
 *
 * Is:      SQL over the rows and the tally_ tables. A range is measured by its run: staged and published ones in one way.
 * Is not:  a place that knows checks: what is measured, and what is good enough, batch says (quality.h).
 *
 * A range that is kept back is not published with its run. Its rows stay, for it may be accepted, until a later run has staged it anew. */
#ifndef TL_STORE_CHECK_H
#define TL_STORE_CHECK_H

#include "store/store.h"

/* ---- figures ---- */

enum tl_figure_kind {
    TL_FIGURE_ROWS, /* how many */
    TL_FIGURE_SUM, /* of columns[0], a number; NULL is left out, and without any it is 0. From 1e290 on a number counts as infinite */
    TL_FIGURE_NULLS, /* rows whose columns[0] is NULL */
    TL_FIGURE_ALIKE, /* rows that have all columns in common with another one of their window (without windows: of the range), beyond the
                         first; with a NULL in them, none has (SQL's UNIQUE) */
    TL_FIGURE_LATEST, /* the last end, ms; -INFINITY without rows */
    TL_FIGURE_OTHERS, /* rows whose columns[0] is neither NULL nor among `allowed` */
};

struct tl_figure {
    enum tl_figure_kind kind;
    const uint32_t *columns; /* of the shape */
    uint32_t columns_count;
    const struct tl_value *allowed; /* of the column's form; neither NULL nor NaN */
    uint32_t allowed_count;
};

/* Of the rows that the run has staged in the range: one pass over them, and one more for each ALIKE and OTHERS. A sum that is no number is NAN. */
TL_MUST_USE enum tl_code tl_store_figures(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms, int64_t to_ms,
                                          const struct tl_figure *figures, size_t count, double *out, struct tl_err *err);

/* ---- results ---- */

struct tl_check_result {
    int64_t run, definition, from_ms, to_ms;
    struct tl_sv check, violation; /* "warn", "drop row", "fail update" */
    struct tl_sv measure;          /* what was measured, as text: equal texts of one definition mean the same figure */
    bool passed;
    uint64_t violations_count; /* events or rows where these can be told, else 0 or 1 */
    double measured;           /* NAN: nothing, or no number */
    double low, high;          /* -INFINITY, INFINITY: unbounded */
    struct tl_sv detail;
    struct tl_sv view; /* reading only */
};
/* In the caller's transaction. One line a run, range and check: a later one takes its place. */
TL_MUST_USE enum tl_code tl_store_put_check_results(struct tl_store *store, const struct tl_check_result *results, size_t count,
                                                    struct tl_err *err);

/* The results of a run that have not passed, by definition, range and check. */
TL_MUST_USE enum tl_code tl_store_failed_checks(struct tl_store *store, int64_t run,
                                                enum tl_code (*each)(void *ctx, const struct tl_check_result *result,
                                                                     struct tl_err *err),
                                                void *ctx, struct tl_err *err);

/* A published range that others may be compared with. */
struct tl_past_range {
    int64_t run, from_ms, to_ms;
    uint64_t rows_count;
};
/* Those that end in (after_ms, upto_ms], in order of time. */
TL_MUST_USE enum tl_code tl_store_past(struct tl_store *store, int64_t definition, int64_t after_ms, int64_t upto_ms,
                                       enum tl_code (*each)(void *ctx, const struct tl_past_range *range, struct tl_err *err),
                                       void *ctx, struct tl_err *err);
/* What the run has measured in its range that begins there, if it has. */
TL_MUST_USE enum tl_code tl_store_measured(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms,
                                           struct tl_sv measure, bool *found, double *out, struct tl_err *err);

/* ---- what is kept back ---- */

enum tl_kept {
    TL_KEPT_NOT,
    TL_KEPT_CHECK,    /* a check has failed in it */
    TL_KEPT_CHAIN,    /* one that it cannot be published without is kept back */
    TL_KEPT_REPLACED, /* was one of these until a later run staged it anew */
    TL_KEPT_REFUSED =
        TL_STORE_REFUSED, /* a line alone: what belongs there could not, or was not to be computed; no acceptance changes it */
};

struct tl_staged_range {
    int64_t from_ms, to_ms;
    uint64_t rows_count;
    enum tl_kept kept;
    bool published;
    /* What joins it to the range of the same run that begins at its end, as things are published now: the carry over that bound, or which
     * ranges there are, has changed. Then a chain: neither is published without the other; at the end of what is published this one may be. */
    bool next_needs_it, needs_next;
};
/* The ranges that a run has staged of a definition, in order of time. */
TL_MUST_USE enum tl_code tl_store_staged(struct tl_store *store, int64_t run, int64_t definition,
                                         enum tl_code (*each)(void *ctx, const struct tl_staged_range *range, struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* In the caller's transaction. */
TL_MUST_USE enum tl_code tl_store_keep_back(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms,
                                            enum tl_kept kept, struct tl_err *err);

/* Runs that are over, are not rolled back as a whole, and keep ranges back whose rows are there still, in their order. */
TL_MUST_USE enum tl_code tl_store_keepers(struct tl_store *store,
                                          enum tl_code (*each)(void *ctx, int64_t run, struct tl_err *err), void *ctx,
                                          struct tl_err *err);
/* Where the earliest range begins that one of them keeps back of the definition; INT64_MAX: none does. */
TL_MUST_USE enum tl_code tl_store_first_kept(struct tl_store *store, int64_t definition, int64_t *from_ms, struct tl_err *err);
struct tl_kept_range {
    int64_t definition, from_ms;
};
/* Own transaction, as tl_store_publish_as: these ranges, which the run keeps back, are published after all; none where one of them is not kept
 * back any more (TL_ERR_NOT_FOUND). */
TL_MUST_USE enum tl_code tl_store_publish_kept(struct tl_store *store, int64_t run, const struct tl_kept_range *ranges,
                                               size_t count, const struct tl_acceptance *by, int64_t ended_ms,
                                               struct tl_err *err);
/* In the caller's transaction: what earlier runs keep back and this one has staged anew is TL_KEPT_REPLACED. */
TL_MUST_USE enum tl_code tl_store_replace_kept(struct tl_store *store, int64_t run, struct tl_err *err);

/* ---- reading ---- */

struct tl_stored_check {
    struct tl_check_result result;
    bool newest; /* no later run has staged a range that begins there */
    enum tl_kept kept;
    int64_t published; /* its range's publication; 0: none */
    struct tl_sv accepted, who,
        reason; /* of that: the checks that a person overruled with it, with commas between; empty: none */
};
/* Results of runs that are over, of definitions that are not retired; `view` empty, `run` 0: all. By view, definition, check, and then the
 * latest range first. */
TL_MUST_USE enum tl_code tl_store_checks(struct tl_store *store, struct tl_sv view, int64_t run,
                                         enum tl_code (*each)(void *ctx, const struct tl_stored_check *check, struct tl_err *err),
                                         void *ctx, struct tl_err *err);

#endif
