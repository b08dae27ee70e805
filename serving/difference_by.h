/* difference_by.h: differences summed by a key column: which hosts (say) differ, and by how much.
 *
 * Per view and value of the column: the units that differ, and for each result column that may be added up (COUNT, SUM, not of DISTINCT values) the sum
 * over these units' rows in either layer. What is equal is not in the sums, so speed and batch are no totals; their difference is the whole
 * difference. Of HOP and CUMULATE an event counts in each of its windows. NULL counts as 0, as a layer without a row does.
 * Order: by the difference in the view's first such column, however it is signed, then in the next one, then by units, then by value.
 * Sums of integers stop at the ends of BIGINT, and those of DOUBLE are rounded as they grow. Memory: 100 bytes or so for each value, 32 more for
 * each sum. */
#ifndef TL_DIFFERENCE_BY_H
#define TL_DIFFERENCE_BY_H

#include "base/table.h"
#include "compare.h"
#include "sql/plan.h"

/* Of one result column. Those of FLOAT and DOUBLE are in f64, of integers in i64. */
struct tl_by_sum {
    int64_t i64[TL_SIDES];
    double f64[TL_SIDES];
};

struct tl_by_view;

struct tl_by_value {
    const struct tl_by_view *of;
    struct tl_value value;
    uint64_t explained_count, unexplained_count;
    struct tl_by_sum *sums; /* as many as the view has */
};

struct tl_by_view {
    uint32_t view; /* number in the plan */
    const struct tl_shape *shape;
    uint32_t column;      /* of its shape */
    const uint32_t *sums; /* columns of its shape */
    uint32_t sums_count;
    struct tl_table table;       /* of key bytes -> struct tl_by_value */
    struct tl_by_value **values; /* after settle: those to be shown, in order */
    size_t values_count;
    struct tl_by_value others; /* the rest, summed; `value` says nothing */
    size_t others_count;
};

struct tl_by {
    struct tl_sv column;      /* as it was asked for */
    struct tl_by_view *views; /* that have the column, in the plan's order */
    uint32_t views_count;
    struct tl_arena memory;
};

/* What is summed; all is the caller's, and shapes and wanted are by number in the plan. */
struct tl_by_spec {
    struct tl_sv column;
    const struct tl_plan *plan;
    const struct tl_shape *const *shapes;
    const bool *wanted;
};

/* TL_ERR_USAGE: no view that is wanted has such a key column; the message names the nearest, or all there are. */
TL_MUST_USE enum tl_code tl_by_init(struct tl_by *by, const struct tl_by_spec *spec, struct tl_err *err);
void tl_by_done(struct tl_by *by);
/* A unit that differs and has been judged. A view without the column is passed over. */
TL_MUST_USE enum tl_code tl_by_add(struct tl_by *by, const struct tl_unit *unit, struct tl_err *err);
/* Once all are there: keeps the first `values_max` of each view, and sums the others. */
TL_MUST_USE enum tl_code tl_by_settle(struct tl_by *by, size_t values_max, struct tl_err *err);
/* batch - speed of one sum, as a value of the column's form: BIGINT or DOUBLE. */
struct tl_value tl_by_difference(const struct tl_shape_column *column, const struct tl_by_sum *sum);
struct tl_value tl_by_side(const struct tl_shape_column *column, const struct tl_by_sum *sum, enum tl_side side);
bool tl_by_has(const struct tl_by *by, uint32_t view); /* does the view have the column? */

#endif
