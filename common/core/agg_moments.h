/* agg_moments.h: the exact sum of numbers and of their squares, and the variance that follows.
 *
 * Nothing is rounded before the end: sums of integers are whole numbers of 128 and 192 bits, those of FLOAT and DOUBLE exact sums, so
 * order and grouping cannot show, and there is no cancellation.
 * The result has the argument's type. Flink 2.3 computes it in DOUBLE, by Welford's running update, and casts: of integers it is cut off, and what
 * the type cannot hold is its greatest value. So it is here, but of the exact variance, or of its root: Flink's last digits depend on the order
 * of the rows. Of FLOAT and DOUBLE the exact variance is rounded to DOUBLE once, its root once more, and to FLOAT at last. */
#ifndef TL_AGG_MOMENTS_H
#define TL_AGG_MOMENTS_H

#include "core/exact_sum.h"
#include "sql/plan.h"

/* All zero: of nothing. Words of 64 bits, the lowest first. */
struct tl_moments_int {
    uint64_t count;
    uint64_t sum[2]; /* two's complement */
    uint64_t squares[3];
};

void tl_moments_int_add(struct tl_moments_int *moments, int64_t value);
void tl_moments_int_merge(struct tl_moments_int *into, const struct tl_moments_int *from);
/* `agg` is one of VAR_* and STDDEV_*, `kind` the result's. False: NULL. */
TL_MUST_USE bool tl_moments_int_result(const struct tl_moments_int *moments, enum tl_agg_kind agg, enum tl_kind kind,
                                       int64_t *out);

struct tl_moments_real {
    uint64_t count;
    struct tl_exact_sum sum;
    struct tl_exact_sum squares[3]; /* of tiny numbers, times 2^1216; of the ordinary ones; of huge ones, times 2^-1216 */
};

/* False: out of memory. */
TL_MUST_USE bool tl_moments_real_add(struct tl_moments_real *moments, double value, struct tl_arena *arena);
TL_MUST_USE bool tl_moments_real_merge(struct tl_moments_real *into, const struct tl_moments_real *from, struct tl_arena *arena);
TL_MUST_USE bool tl_moments_real_result(const struct tl_moments_real *moments, enum tl_agg_kind agg, enum tl_kind kind,
                                        double *out);

#endif
