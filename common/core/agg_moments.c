/* agg_moments.c: accumulators of VAR_POP, VAR_SAMP, STDDEV_POP and STDDEV_SAMP.
 *
 * The square of a double is the sum of two doubles (the product, and what it was rounded by: fma), both exact as long as they stay within
 * the range. So numbers below 2^-480 are scaled by 2^608 before, those from 2^500 on by 2^-608, and their squares summed apart.
 * In the end n * sum(x^2) - sum(x)^2 is computed in whole numbers; it is not negative (Cauchy-Schwarz), which loading checks.
 *
 * Byte form:
 *
 *     integers         varint count; count > 0: two numbers, each varint size and size bytes, little endian, the last not zero: the sum
 *                      in zigzag form (16 bytes at most), the sum of squares (24)
 *     FLOAT, DOUBLE    varint count; count > 0: the sum as an exact sum (exact_sum.c), then those of the tiny, ordinary and huge squares */
#include "core/agg_moments.h"

#include <math.h>
#include <string.h>

#include "core/agg_state.h"

__extension__ typedef unsigned __int128 u128;

enum { SCALE = 608, TINY = 0, ORDINARY = 1, HUGE_ONES = 2 };
#define TINY_BELOW 0x1p-480
#define HUGE_FROM 0x1p500

/* --- whole numbers ----------------------------------------------------------------------------------------------------- */

/* Squares of a loaded form reach from 2^-2290 to 2^2374 with their count: 146 limbs; a division appends some. */
enum { DIVISION_LIMBS = 6, WHOLE_LIMBS = 160 };

struct whole {
    uint32_t limbs[WHOLE_LIMBS]; /* the lowest first; zero from `count` on */
    unsigned count;              /* the highest is not zero */
};

static void trim(struct whole *number)
{
    while (number->count > 0 && number->limbs[number->count - 1] == 0)
        number->count--;
}

/* number += limbs * 2^shift */
static void add_shifted(struct whole *number, const uint32_t *limbs, unsigned count, unsigned shift)
{
    unsigned at = shift / 32, bits = shift % 32;
    uint64_t carry = 0;

    for (unsigned i = 0; i < count || carry > 0; i++, at++) {
        uint64_t limb = i < count ? (uint64_t)limbs[i] << bits : 0;

        assert(at < WHOLE_LIMBS);
        carry += (limb & UINT32_MAX) + number->limbs[at];
        number->limbs[at] = (uint32_t)carry;
        carry = (carry >> 32) + (limb >> 32);
        if (number->count < at + 1)
            number->count = at + 1;
    }
    trim(number);
}

static void multiply(struct whole *number, uint64_t factor)
{
    u128 carry = 0;

    for (unsigned i = 0; i < number->count || carry > 0; i++) {
        assert(i < WHOLE_LIMBS);
        carry += (u128)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
        if (number->count < i + 1)
            number->count = i + 1;
    }
    trim(number);
}

/* number += (limbs * 2^shift/2)^2; shift is even or a multiple of 32 anyhow: it is that of the square. */
static void add_square(struct whole *number, const uint32_t *limbs, unsigned count, unsigned shift)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t row[TL_EXACT_SUM_LIMBS + 1];
        uint64_t carry = 0;

        for (unsigned j = 0; j < count; j++) {
            carry += (uint64_t)limbs[i] * limbs[j];
            row[j] = (uint32_t)carry;
            carry >>= 32;
        }
        row[count] = (uint32_t)carry;
        add_shifted(number, row, count + 1, shift + 32 * i);
    }
}

/* a -= b. False, and a is of no use: b is greater. */
static bool subtract(struct whole *a, const struct whole *b)
{
    int64_t borrow = 0;

    if (b->count > a->count)
        return false;
    for (unsigned i = 0; i < a->count; i++) {
        borrow += (int64_t)a->limbs[i] - b->limbs[i];
        a->limbs[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    trim(a);
    return borrow == 0;
}

/* True: it left a rest. */
static bool divide(struct whole *number, uint64_t divisor)
{
    u128 rest = 0;

    for (unsigned i = number->count; i-- > 0;) {
        rest = rest << 32 | number->limbs[i];
        number->limbs[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    trim(number);
    return rest != 0;
}

/* --- integers ---------------------------------------------------------------------------------------------------------- */

static void add_words(uint64_t *into, const uint64_t *from, unsigned count)
{
    u128 carry = 0;

    for (unsigned i = 0; i < count; i++) {
        carry += (u128)into[i] + from[i];
        into[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

void tl_moments_int_add(struct tl_moments_int *moments, int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    u128 square = (u128)magnitude * magnitude;

    moments->count++;
    add_words(moments->sum, (uint64_t[2]){(uint64_t)value, value < 0 ? UINT64_MAX : 0}, 2);
    add_words(moments->squares, (uint64_t[3]){(uint64_t)square, (uint64_t)(square >> 64), 0}, 3);
}

void tl_moments_int_merge(struct tl_moments_int *into, const struct tl_moments_int *from)
{
    into->count += from->count;
    add_words(into->sum, from->sum, 2);
    add_words(into->squares, from->squares, 3);
}

static void whole_of_words(const uint64_t *words, unsigned count, struct whole *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < 2 * count; i++)
        out->limbs[i] = (uint32_t)(words[i / 2] >> (32 * (i % 2)));
    out->count = 2 * count;
    trim(out);
}

/* The sum's square. */
static void int_sum_squared(const struct tl_moments_int *moments, struct whole *out)
{
    u128 sum = (u128)moments->sum[1] << 64 | moments->sum[0];
    struct whole magnitude;

    if (moments->sum[1] >> 63)
        sum = -sum;
    whole_of_words((uint64_t[2]){(uint64_t)sum, (uint64_t)(sum >> 64)}, 2, &magnitude);
    memset(out, 0, sizeof *out);
    add_square(out, magnitude.limbs, magnitude.count, 0);
}

static uint64_t root(u128 value)
{
    u128 low = 0, high = UINT64_MAX;

    while (low < high) {
        u128 middle = low + (high - low + 1) / 2;

        if (middle * middle <= value)
            low = middle;
        else
            high = middle - 1;
    }
    return (uint64_t)low;
}

static bool wants_sample(enum tl_agg_kind agg)
{
    return agg == TL_AGG_VAR_SAMP || agg == TL_AGG_STDDEV_SAMP;
}
static bool wants_root(enum tl_agg_kind agg)
{
    return agg == TL_AGG_STDDEV_POP || agg == TL_AGG_STDDEV_SAMP;
}

bool tl_moments_int_result(const struct tl_moments_int *moments, enum tl_agg_kind agg, enum tl_kind kind, int64_t *out)
{
    struct whole number, squared;
    int64_t min, max;
    u128 value;

    if (moments->count <= wants_sample(agg))
        return false;
    whole_of_words(moments->squares, 3, &number);
    multiply(&number, moments->count);
    int_sum_squared(moments, &squared);
    if (!subtract(&number, &squared))
        memset(&number, 0, sizeof number); /* only where forged sums were merged and wrapped */
    divide(&number, moments->count);
    divide(&number, moments->count - wants_sample(agg));
    tl_kind_range(kind, &min, &max);
    value = number.count > 4
                ? ~(u128)0
                : (u128)number.limbs[3] << 96 | (u128)number.limbs[2] << 64 | (u128)number.limbs[1] << 32 | number.limbs[0];
    if (wants_root(agg))
        value = root(value);
    *out = value > (u128)(uint64_t)max ? max : (int64_t)value;
    return true;
}

/* --- FLOAT and DOUBLE -------------------------------------------------------------------------------------------------- */

bool tl_moments_real_add(struct tl_moments_real *moments, double value, struct tl_arena *arena)
{
    double magnitude = fabs(value), square, rest;
    unsigned which = ORDINARY;

    if (magnitude < TINY_BELOW) {
        which = TINY;
        magnitude *= 0x1p608;
    } else if (magnitude >= HUGE_FROM) {
        which = HUGE_ONES;
        magnitude *= 0x1p-608;
    }
    if (isfinite(value) && value != 0) {
        square = magnitude * magnitude;
        rest = fma(magnitude, magnitude, -square);
        if (!tl_exact_sum_add(&moments->squares[which], square, arena) ||
            (rest != 0 && !tl_exact_sum_add(&moments->squares[which], rest, arena)))
            return false;
    }
    if (!tl_exact_sum_add(&moments->sum, value, arena))
        return false;
    moments->count++; /* last: squares that are too many, where memory has ended, leave a form that can be read */
    return true;
}

bool tl_moments_real_merge(struct tl_moments_real *into, const struct tl_moments_real *from, struct tl_arena *arena)
{
    for (unsigned i = 0; i < 3; i++)
        if (!tl_exact_sum_merge(&into->squares[i], &from->squares[i], arena))
            return false;
    if (!tl_exact_sum_merge(&into->sum, &from->sum, arena))
        return false;
    into->count += from->count;
    return true;
}

/* n * sum(x^2) - sum(x)^2 = *out * 2^*exponent. False: some number was NaN or infinite, or (in forged bytes) it is negative. */
static bool real_deviation(const struct tl_moments_real *moments, struct whole *out, int *exponent)
{
    uint32_t limbs[4][TL_EXACT_SUM_LIMBS];
    unsigned count[4];
    int exponents[4], lowest = INT32_MAX;
    struct whole squared;

    for (unsigned i = 0; i < 3; i++) {
        if (!tl_exact_sum_magnitude(&moments->squares[i], limbs[i], &count[i], &exponents[i]))
            return false;
        exponents[i] += i == TINY ? -2 * SCALE : i == HUGE_ONES ? 2 * SCALE : 0;
    }
    if (!tl_exact_sum_magnitude(&moments->sum, limbs[3], &count[3], &exponents[3]))
        return false;
    exponents[3] *= 2;
    for (unsigned i = 0; i < 4; i++)
        if (count[i] > 0 && exponents[i] < lowest)
            lowest = exponents[i];
    memset(out, 0, sizeof *out);
    memset(&squared, 0, sizeof squared);
    for (unsigned i = 0; i < 3; i++)
        if (count[i] > 0)
            add_shifted(out, limbs[i], count[i], (unsigned)(exponents[i] - lowest));
    multiply(out, moments->count);
    if (count[3] > 0)
        add_square(&squared, limbs[3], count[3], (unsigned)(exponents[3] - lowest));
    *exponent = lowest;
    return subtract(out, &squared);
}

/* number * 2^exponent, rounded half to even; `rest` says that there is something below. */
static double rounded(const struct whole *number, int exponent, bool rest, bool want_root)
{
    int bits = 32 * (int)number->count - __builtin_clz(number->limbs[number->count - 1]);
    int lowest = bits - 53; /* of the significand, within number */
    uint64_t significand = 0;
    bool half;

    if (want_root && ((lowest + exponent) & 1))
        lowest--; /* so that the exponent halves; a bit more does no harm: the root is what is rounded */
    for (int bit = bits - 1; bit >= lowest; bit--)
        significand = significand << 1 | (bit >= 0 && (number->limbs[bit / 32] >> (bit % 32) & 1));
    half = lowest > 0 && (number->limbs[(lowest - 1) / 32] >> ((lowest - 1) % 32) & 1);
    for (int bit = lowest - 2; half && !rest && bit >= 0; bit--)
        rest = number->limbs[bit / 32] >> (bit % 32) & 1;
    if (half && (rest || (significand & 1)))
        significand++;
    if (want_root)
        return ldexp(sqrt((double)significand), (lowest + exponent) / 2);
    return ldexp((double)significand, lowest + exponent);
}

bool tl_moments_real_result(const struct tl_moments_real *moments, enum tl_agg_kind agg, enum tl_kind kind, double *out)
{
    struct whole number;
    int exponent;
    bool rest;

    if (moments->count <= wants_sample(agg))
        return false;
    *out = (double)NAN;
    if (!real_deviation(moments, &number, &exponent))
        return true;
    *out = 0;
    if (number.count == 0)
        return true;
    assert(number.count + DIVISION_LIMBS <= WHOLE_LIMBS);
    memmove(number.limbs + DIVISION_LIMBS, number.limbs, number.count * sizeof number.limbs[0]);
    memset(number.limbs, 0, DIVISION_LIMBS * sizeof number.limbs[0]);
    number.count += DIVISION_LIMBS;
    exponent -= 32 * DIVISION_LIMBS;
    rest = divide(&number, moments->count);
    rest |= divide(&number, moments->count - wants_sample(agg));
    *out = rounded(&number, exponent, rest, wants_root(agg));
    if (kind == TL_FLOAT)
        *out = (double)(float)*out;
    return true;
}

/* --- shapes ------------------------------------------------------------------------------------------------------------ */

static bool int_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const int64_t *values = tl_agg_input(state, in, 0)->i64;

    for (uint32_t i = 0; i < to->count; i++)
        if (!null[to->rows[i]])
            tl_moments_int_add(tl_agg_at(state, to->blocks[i]), values[to->rows[i]]);
    return true;
}

static bool int_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    (void)arena;
    tl_moments_int_merge(tl_agg_at(state, into), tl_agg_in(state, from));
    return true;
}

static bool int_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                       uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        out->i64[i] = 0;
        out->null[i] = !tl_moments_int_result(tl_agg_in(state, blocks[i]), call->agg, call->kind, &out->i64[i]);
    }
    return true;
}

static void words_save(const uint64_t *words, unsigned count, struct tl_buf *out)
{
    char bytes[24];
    size_t size = 8 * count;

    for (unsigned i = 0; i < size; i++)
        bytes[i] = (char)(words[i / 8] >> (8 * (i % 8)));
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    tl_buf_put_block(out, (struct tl_sv){bytes, size});
}

static bool words_load(struct tl_reader *bytes, unsigned count, uint64_t *words)
{
    struct tl_sv block = tl_reader_block(bytes);

    if (bytes->failed || block.size > 8 * count || (block.size > 0 && block.data[block.size - 1] == 0))
        return false;
    for (size_t i = 0; i < block.size; i++)
        words[i / 8] |= (uint64_t)(uint8_t)block.data[i] << (8 * (i % 8));
    return true;
}

static void int_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_moments_int *moments = tl_agg_in(state, block);
    uint64_t fill = moments->sum[1] >> 63 ? UINT64_MAX : 0;

    tl_buf_put_varint(out, moments->count);
    if (moments->count == 0)
        return;
    words_save((uint64_t[2]){moments->sum[0] << 1 ^ fill, (moments->sum[1] << 1 | moments->sum[0] >> 63) ^ fill}, 2, out);
    words_save(moments->squares, 3, out);
}

static enum tl_code int_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_moments_int *moments = tl_agg_at(state, block);
    struct whole number, squared;
    uint64_t sum[2] = {0, 0}, fill;

    (void)arena;
    moments->count = tl_reader_varint(bytes);
    if (bytes->failed || moments->count > INT64_MAX)
        return TL_ERR_CORRUPT;
    if (moments->count == 0)
        return TL_OK;
    if (!words_load(bytes, 2, sum) || !words_load(bytes, 3, moments->squares))
        return TL_ERR_CORRUPT;
    fill = sum[0] & 1 ? UINT64_MAX : 0;
    moments->sum[0] = (sum[0] >> 1 | sum[1] << 63) ^ fill;
    moments->sum[1] = sum[1] >> 1 ^ fill;
    whole_of_words(moments->squares, 3, &number);
    multiply(&number, moments->count);
    int_sum_squared(moments, &squared);
    return subtract(&number, &squared) ? TL_OK : TL_ERR_CORRUPT;
}

static bool real_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const double *values = tl_agg_input(state, in, 0)->f64;

    for (uint32_t i = 0; i < to->count; i++)
        if (!null[to->rows[i]] && !tl_moments_real_add(tl_agg_at(state, to->blocks[i]), values[to->rows[i]], to->arenas[i]))
            return false;
    return true;
}

static bool real_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    return tl_moments_real_merge(tl_agg_at(state, into), tl_agg_in(state, from), arena);
}

static bool real_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        out->f64[i] = 0;
        out->null[i] = !tl_moments_real_result(tl_agg_in(state, blocks[i]), call->agg, call->kind, &out->f64[i]);
    }
    return true;
}

static void real_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_moments_real *moments = tl_agg_in(state, block);

    tl_buf_put_varint(out, moments->count);
    if (moments->count == 0)
        return;
    tl_exact_sum_save(&moments->sum, out);
    for (unsigned i = 0; i < 3; i++)
        tl_exact_sum_save(&moments->squares[i], out);
}

/* Squares are positive, or there are none. */
static bool squares_valid(const struct tl_exact_sum *squares)
{
    uint32_t limbs[TL_EXACT_SUM_LIMBS];
    unsigned count;
    int exponent;

    if (tl_exact_sum_is_empty(squares))
        return true;
    return tl_exact_sum_magnitude(squares, limbs, &count, &exponent) && tl_exact_sum_to_double(squares, 1) > 0;
}

static enum tl_code real_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_moments_real *moments = tl_agg_at(state, block);
    struct whole number;
    enum tl_code rc;
    int exponent;

    moments->count = tl_reader_varint(bytes);
    if (bytes->failed || moments->count > INT64_MAX)
        return TL_ERR_CORRUPT;
    if (moments->count == 0)
        return TL_OK;
    if ((rc = tl_exact_sum_load(&moments->sum, bytes, arena, NULL)) != TL_OK)
        return rc;
    for (unsigned i = 0; i < 3; i++) {
        if ((rc = tl_exact_sum_load(&moments->squares[i], bytes, arena, NULL)) != TL_OK)
            return rc;
        if (!squares_valid(&moments->squares[i]))
            return TL_ERR_CORRUPT;
    }
    if (tl_exact_sum_is_empty(&moments->sum))
        return TL_ERR_CORRUPT;
    return isfinite(tl_exact_sum_to_double(&moments->sum, moments->count)) && !real_deviation(moments, &number, &exponent)
               ? TL_ERR_CORRUPT
               : TL_OK;
}

const struct tl_agg_shape tl_agg_moments[2] = {
    [TL_FORM_I64] = {sizeof(struct tl_moments_int),  int_step,  int_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct tl_moments_real), real_step, real_merge, real_finish, real_save, real_load},
};
