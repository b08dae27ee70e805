/* agg_quantile.c: accumulators of PERCENTILE and APPROX_PERCENTILE: which value came how often.
 *
 * Both interpolate as Flink's PERCENTILE does (PercentileAggFunction): of n values in order, the one at position p * (n - 1) + 1, and
 * between two of them in proportion; p = 0.5 of 1, 2, 3, 4 is 2.5. Values are taken as DOUBLE, so is the result. The frequency that
 * PERCENTILE may be given counts a value so often; NULL, zero and less count it not at all. Numbers stand in the order of
 * java.lang.Double.compare: -0.0 before 0.0, NaN behind +Inf.
 *
 * PERCENTILE keeps every different value, which is what DISTINCT asks for: each then counts once. APPROX_PERCENTILE keeps buckets: a double's sign, exponent and first 6 bits of fraction, so its
 * bits shifted; no logarithm, hence the same on every machine. A bucket [x, x + x * 2^-6 or less) stands for its middle, which is within
 * 2^-7 (0.8%) of each value in it; what is interpolated between two values of one sign then is within 2^-7 of what PERCENTILE gives.
 * Numbers below 2^-1022 (where bits run out) are one bucket with zero, and stand for 0. The infinities and NaN have buckets of their own.
 * Buckets are never joined, so order cannot show. Memory: at most 64 buckets for a factor of two between smallest and greatest, each
 * 16 bytes (24 at the most); 261,892 buckets (6 MiB) for all doubles there are, about 1,300 for a microsecond to a second.
 *
 * Byte form: varint count of different values, then in the set's order (agg_set.h): u64 bits (one NaN only) | zigzag bucket, and varint
 * how often (1 .. 2^63 - 1) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/agg_set.h"
#include "core/agg_state.h"
#include "core/function_number.h"

enum { FRACTION_BITS = 6, SHIFT = 52 - FRACTION_BITS, BUCKET_INFINITE = 0x7FF << FRACTION_BITS, BUCKET_NAN };

/* Numbered in order: negative numbers have negative buckets. */
static int64_t bucket_of(double value)
{
    uint64_t bits = tl_f64_bits(value) & ~(UINT64_C(1) << 63);
    int64_t bucket = (int64_t)(bits >> SHIFT);

    if (isnan(value))
        return BUCKET_NAN;
    if (bucket < 1 << FRACTION_BITS)
        return 0;
    return value < 0 ? -bucket : bucket;
}

static double bucket_middle(int64_t bucket)
{
    uint64_t magnitude = (uint64_t)(bucket < 0 ? -bucket : bucket), bits;
    double value;

    if (bucket == BUCKET_NAN)
        return (double)NAN;
    if (bucket == 0)
        return 0;
    bits = magnitude << SHIFT;
    if (magnitude != BUCKET_INFINITE)
        bits |= UINT64_C(1) << (SHIFT - 1);
    memcpy(&value, &bits, sizeof value);
    return bucket < 0 ? -value : value;
}

static bool is_approximate(const struct tl_agg_state *state)
{
    return state->call->agg == TL_AGG_APPROX_PERCENTILE;
}

static double value_of(const struct tl_agg_state *state, uint64_t member)
{
    double value;

    if (is_approximate(state))
        return bucket_middle((int64_t)member);
    memcpy(&value, &member, sizeof value);
    return value;
}

/* --- step, merge ------------------------------------------------------------------------------------------------------- */

/* Stays within int64_t, in whatever order. */
static bool count_up(struct tl_set *set, uint64_t member, uint64_t times, struct tl_arena *arena)
{
    uint64_t *word;

    if (!tl_set_put_word(set, member, arena, &word))
        return false;
    *word = (uint64_t)tl_add_sat_i64((int64_t)*word, (int64_t)times);
    return true;
}

static inline bool step(bool approximate, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                        const struct tl_agg_selection *to)
{
    const struct tl_vec *arg = tl_agg_input(state, in, 0);
    const struct tl_vec *often = state->call->args_count > 1 ? tl_agg_input(state, in, 1) : NULL;
    bool integers = tl_kind_form(arg->kind) == TL_FORM_I64;

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        int64_t times = often == NULL ? 1 : often->null[row] ? 0 : often->i64[row];
        double value;

        if (arg->null[row] || times <= 0)
            continue;
        value = integers ? (double)arg->i64[row] : arg->f64[row];
        if (!count_up(tl_agg_at(state, to->blocks[i]), approximate ? (uint64_t)bucket_of(value) : tl_f64_bits(value),
                      (uint64_t)times, to->arenas[i]))
            return false;
    }
    return true;
}

static bool exact_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    return step(false, state, in, to);
}
static bool approximate_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    return step(true, state, in, to);
}

static bool merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct tl_set_member member;
    uint64_t at = 0;

    while (tl_set_next(tl_agg_in(state, from), &at, &member))
        if (!count_up(tl_agg_at(state, into), member.value, member.word, arena))
            return false;
    return true;
}

/* --- finish ------------------------------------------------------------------------------------------------------------ */

struct often {
    double value;
    int64_t times;
};

static int by_value(const void *a, const void *b)
{
    return tl_f64_order(((const struct often *)a)->value, ((const struct often *)b)->value);
}

static double at_point(const struct often *values, double point, int64_t total)
{
    double position = point * (double)(total - 1) + 1, below = floor(position), above = ceil(position);
    int64_t seen = values->times;

    /* From 2^53 values on, the position may be rounded up beyond the last. */
    while ((double)seen < below && seen < total) {
        values++;
        seen = tl_add_sat_i64(seen, values->times);
    }
    if ((double)seen >= above || seen == total)
        return values->value;
    return (above - position) * values->value + (position - below) * values[1].value;
}

static bool finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                   uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    struct often *values = NULL;
    uint32_t capacity = 0;

    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct tl_set *set = tl_agg_in(state, blocks[i]);
        uint64_t at = 0;
        int64_t total = 0;
        size_t count = 0;
        struct tl_set_member member;

        if (!TL_AGG_GROW(values, capacity, tl_set_count(set), arena))
            return false;
        while (tl_set_next(set, &at, &member)) {
            int64_t times = call->distinct ? 1 : (int64_t)member.word;

            values[count++] = (struct often){value_of(state, member.value), times};
            total = tl_add_sat_i64(total, times);
        }
        out->null[i] = count == 0;
        out->f64[i] = 0;
        if (count == 0)
            continue;
        qsort(values, count, sizeof *values, by_value);
        out->f64[i] = at_point(values, call->point, total);
    }
    return true;
}

/* --- byte form --------------------------------------------------------------------------------------------------------- */

static void save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_set *set = tl_agg_in(state, block);
    struct tl_set_member member;
    uint64_t at = 0;

    tl_buf_put_varint(out, tl_set_count(set));
    while (tl_set_next(set, &at, &member)) {
        if (is_approximate(state))
            tl_buf_put_zigzag(out, (int64_t)member.value);
        else
            tl_buf_put_u64(out, member.value);
        tl_buf_put_varint(out, member.word);
    }
}

static bool load_value(const struct tl_agg_state *state, struct tl_reader *bytes, uint64_t *out)
{
    int64_t bucket, magnitude;
    double value;

    if (!is_approximate(state)) {
        if (!tl_agg_load_f64(bytes, TL_DOUBLE, &value))
            return false;
        *out = tl_f64_bits(value);
        return true;
    }
    bucket = tl_reader_zigzag(bytes);
    magnitude = bucket < 0 ? -(bucket + 1) + 1 : bucket;
    *out = (uint64_t)bucket;
    return !bytes->failed && bucket != INT64_MIN && magnitude <= (bucket < 0 ? BUCKET_INFINITE : BUCKET_NAN) &&
           (magnitude == 0 || magnitude >= 1 << FRACTION_BITS);
}

static enum tl_code load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_set *set = tl_agg_at(state, block);
    struct tl_set_member last = {.value = 0}, member = {.value = 0};
    uint64_t count = tl_reader_varint(bytes);

    for (uint64_t i = 0; i < count && !bytes->failed; i++) {
        if (!load_value(state, bytes, &member.value))
            return TL_ERR_CORRUPT;
        member.word = tl_reader_varint(bytes);
        if (bytes->failed || member.word == 0 || member.word > INT64_MAX || (i > 0 && tl_set_order(&last, &member, false) >= 0))
            return TL_ERR_CORRUPT;
        if (!count_up(set, member.value, member.word, arena))
            return TL_ERR_MEMORY;
        last = member;
    }
    return bytes->failed ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_percentile = {sizeof(struct tl_set), exact_step, merge, finish, save, load};
const struct tl_agg_shape tl_agg_approx_percentile = {sizeof(struct tl_set), approximate_step, merge, finish, save, load};
