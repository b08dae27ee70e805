/* exact_sum.h: the exact sum of any number of doubles, rounded once when it is read.
 *
 * Is:      a fixed-point number as wide as the whole range of double, of which only the limbs in use are kept.
 * Is not:  a compensated sum: there is no error to compensate, so order and grouping cannot show in the result.
 *
 * NaN, the infinities and the sign of zero come out as IEEE 754 addition (round to nearest) would give them: NaN with anything is
 * NaN, +Inf with -Inf is NaN, the sum of nothing but -0.0 is -0.0. A finite sum beyond the range of double rounds to an infinity,
 * yet the accumulator still holds it, so that later terms may bring it back.
 * Source of the idea: Neal, "Fast exact summation using small and large superaccumulators" (2015). */
#ifndef TL_EXACT_SUM_H
#define TL_EXACT_SUM_H

#include "base/arena.h"
#include "base/buf.h"

/* All zero: the sum of nothing. `limbs` lives in the arena given to add, merge and load. */
struct tl_exact_sum {
    int64_t *limbs;   /* limbs[i] counts units of 2^(32 * (first + i) - 1074) */
    uint32_t pending; /* additions since the carries were last spread */
    uint8_t first, count;
    uint8_t flags; /* what was added: exact_sum.c */
};

/* False: out of memory; the sum is then unchanged. */
TL_MUST_USE bool tl_exact_sum_add(struct tl_exact_sum *sum, double value, struct tl_arena *arena);
TL_MUST_USE bool tl_exact_sum_merge(struct tl_exact_sum *into, const struct tl_exact_sum *from, struct tl_arena *arena);
static inline bool tl_exact_sum_is_empty(const struct tl_exact_sum *sum)
{
    return sum->flags == 0;
}

/* The sum divided by `divisor` (> 0; 1 for the sum itself), rounded once, half to even. 0.0 for the sum of nothing. */
double tl_exact_sum_to_double(const struct tl_exact_sum *sum, uint64_t divisor);
/* The same, rounded once to float. */
double tl_exact_sum_to_float(const struct tl_exact_sum *sum, uint64_t divisor);

/* A finite sum as a whole number: its magnitude is the sum of limbs[i] * 2^(32 * i + *exponent), the highest of *count limbs not zero. False:
 * NaN or infinite. For what is computed from several sums and rounded once (agg_moments.c). */
enum { TL_EXACT_SUM_LIMBS = 72 };
bool tl_exact_sum_magnitude(const struct tl_exact_sum *sum, uint32_t limbs[TL_EXACT_SUM_LIMBS], unsigned *count, int *exponent);

/* Byte form, canonical: one byte for the class (exact_sum.c draws it), and for finite sums other than zero the span of its bytes. */
void tl_exact_sum_save(const struct tl_exact_sum *sum, struct tl_buf *out);
/* Fills a zeroed sum. TL_ERR_CORRUPT when the bytes are not such a form. */
TL_MUST_USE enum tl_code tl_exact_sum_load(struct tl_exact_sum *sum, struct tl_reader *bytes, struct tl_arena *arena,
                                           struct tl_err *err);

#endif
