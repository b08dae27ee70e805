/* derivation.h: a view on a view: of which rows of the inner view is a differing unit made, and do they give the rows that either layer has?
 *
 *   inner view   speed  a 10:00 17 | b 10:00  2        batch  a 10:00 17 | b 10:00  3
 *                           \      /                               \      /
 *   outer view   speed     10:00  19                   batch      10:00  20          made of a difference in b alone
 *
 * A layer makes the rows of such a view of the final rows that it has of the inner one, and of nothing else. So for either layer the relay hands the
 * stored inner rows on, as it did there, and what comes out must be what is stored. Where it is, all that the layers differ by lies in the inner
 * rows by which they differ: the unit is linked with the units of these, and what explains them explains it (cause.h).
 *
 * What is compared of such a view ends where speed's rows are final, so that all inner rows of it are final too, and have been handed on.
 * Within the snapshot of the store in which the units were found. Only rows with a time in a differing unit are read. */
#ifndef TL_DERIVATION_H
#define TL_DERIVATION_H

#include "compare.h"

struct tl_derivation {
    const struct tl_plan *plan;
    struct tl_store *store;
    struct tl_compare *compare; /* of inner views too, as far back as the outer ones' windows reach */
    /* As in the plan: */
    const struct tl_shape *const *shapes;
    const int64_t *definitions; /* 0: not compared */
    struct tl_table *waiting;   /* in full (compare.h): gets what waits where the range ends; else NULL */
};

/* For all units of views on views: links them, and notes what comes out. */
TL_MUST_USE enum tl_code tl_derivation_prove(const struct tl_derivation *derivation, struct tl_err *err);

#endif
