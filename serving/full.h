/* full.h: proves every unit by recomputation, also those that are equal: what was forged in both layers alike is found.
 *
 *   batch's ranges    |---- 1 March ----|---- 2 March ----|-- ...
 *                      compare, prove,   compare, prove,
 *                      forget            forget                 what does not come out is kept, and what waits at the end is taken on
 *
 * Memory follows one range at a time. Each range is a snapshot of its own: speed goes on, and so may batch. A unit of which the layers differ is the
 * report's, which has judged it (cause.h). A unit that waits where a range ends, and of which neither layer has a row, is judged in a later range.
 *
 * Not proved: what ends before retention has left events on record (from_ms is raised), and views on views by events: their rows are
 * made of the inner view's rows, and are proved by these (derivation.h), which are proved by events where the inner view is asked for too. Not looked
 * for: rows that both layers have lost of sessions and count windows with HAVING, for what it hides stands in no row, and may hang together with them. */
#ifndef TL_FULL_H
#define TL_FULL_H

#include "compare.h"
#include "main/source_topics.h"
#include "recorded.h"

struct tl_full_view {
    int64_t definition; /* 0: not known */
    bool wanted;        /* to be proved: it has a definition, and something of it is compared */
    const struct tl_shape *shape;
    int64_t from_ms, to_ms, boundary_ms; /* as compared; from_ms is raised to where the record begins */
    int64_t floor_ms;                    /* tl_compare_range's */
    uint64_t proved_count;               /* out: equal groups that came out */
    uint64_t failed_count;               /* out: equal groups that did not */
};

/* The caller fills in all but ranges. Views as in the plan. */
struct tl_full {
    /* Other rules than those of the report's finder make the rows: only of what neither layer has, and they make, is asked whether it is to be kept.
     * NULL: what is equal is proved. */
    enum tl_code (*is_lost)(const void *ctx, const struct tl_unit *unit, bool *lost, struct tl_err *err);
    const void *ctx;
    struct tl_plan *plan;
    struct tl_store *store;
    struct tl_source_topics *topics;
    struct tl_recorded *recorded;
    struct tl_compare *compare; /* the report's: gets the units that do not come out */
    struct tl_full_view *views;
    int64_t *bounds; /* of the ranges */
    size_t bounds_count;
};

TL_MUST_USE enum tl_code tl_full_prove(struct tl_full *full, struct tl_err *err);
void tl_full_done(struct tl_full *full);

#endif
