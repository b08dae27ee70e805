/* exact_sum.c: the exact sum of any number of doubles, rounded once when it is read.
 *
 * Every finite double is a whole number of units of 2^-1074, less than 2^2098 of them. The accumulator is such a whole number in
 * limbs of 32 bits that stand in int64_t:
 *
 *     value = 2^-1074 * sum over i of limbs[i] * 2^(32 * (first + i))
 *
 * An addition cuts the 53-bit significand into the (at most) three 32-bit pieces it covers and adds or subtracts them; nothing
 * carries. Each limb then lies within 2^32 * (pending + 1), so the carries need spreading only every PENDING_MAX additions.
 *
 * Ordinary numbers touch a handful of the 67 limbs, so only the window [first, first + count) is kept and grows when a number falls
 * outside. Its highest limb takes carries only, never a piece (invariant W), so spreading never needs to grow it: whatever the
 * number of additions N < 2^63, the pieces below sum to less than N times the weight of that limb.
 *
 * Byte form:
 *
 *     class u8: 0 nothing added, 1 only -0.0, 2 zero, 3 positive, 4 negative, 5 +Inf, 6 -Inf, 7 NaN
 *     classes 3 and 4: varint lowest (number of the lowest byte that is not zero; byte b has weight 2^(8 * b - 1074)),
 *                      varint size (1 .. 271 - lowest), size bytes of the magnitude, little endian, first and last not zero */
#include "core/exact_sum.h"

#include <math.h>
#include <string.h>

enum { LIMBS_MAX = 67, BYTES_MAX = 271, UNIT_EXPONENT = -1074, PENDING_MAX = 1 << 30, DIVISION_LIMBS = 4 };
/* The widest magnitude: the limbs, 31 more bits in the highest one, and what a division appends. */
enum { MAGNITUDE_LIMBS = LIMBS_MAX + 1 + DIVISION_LIMBS };

enum { ADDED_MINUS_ZERO = 1, ADDED_OTHER = 2, ADDED_PLUS_INF = 4, ADDED_MINUS_INF = 8, ADDED_NAN = 16 };
enum {
    CLASS_NOTHING,
    CLASS_MINUS_ZERO,
    CLASS_ZERO,
    CLASS_POSITIVE,
    CLASS_NEGATIVE,
    CLASS_PLUS_INF,
    CLASS_MINUS_INF,
    CLASS_NAN,
    CLASSES
};

__extension__ typedef unsigned __int128 u128;

/* All limb arithmetic wraps: only a forged byte form can come near the ends, and it must not be undefined there. */
static int64_t add_wrap(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Arithmetic shift and the 32 bits below it: value == high * 2^32 + low. */
static int64_t high_part(int64_t value)
{
    return value >> 32;
}
static int64_t low_part(int64_t value)
{
    return (int64_t)((uint64_t)value & UINT32_MAX);
}

static void spread_carries(int64_t *limbs, unsigned count)
{
    for (unsigned i = 0; i + 1 < count; i++) {
        limbs[i + 1] = add_wrap(limbs[i + 1], high_part(limbs[i]));
        limbs[i] = low_part(limbs[i]);
    }
}

/* Makes [low, high) part of the window; `high` counts the limb for carries. The old highest limb may hold more than an ordinary
 * one may, so its excess moves up. */
static bool cover(struct tl_exact_sum *sum, unsigned low, unsigned high, struct tl_arena *arena)
{
    unsigned first = sum->first, end = first + sum->count, count;
    int64_t *limbs;

    if (sum->count == 0) {
        first = low;
        end = high;
    } else {
        if (low >= first && high <= end)
            return true;
        /* At least double, so that all the windows ever left behind in the arena are together smaller than the last. */
        if (low < first)
            first = low < first - tl_min_i64(first, sum->count) ? low : first - (unsigned)tl_min_i64(first, sum->count);
        if (high > end) {
            unsigned doubled = (unsigned)tl_min_i64(LIMBS_MAX, end + sum->count);

            end = high > doubled ? high : doubled;
        }
    }
    count = end - first;
    limbs = tl_arena_alloc(arena, count * sizeof *limbs);
    if (limbs == NULL)
        return false;
    memset(limbs, 0, count * sizeof *limbs);
    if (sum->count > 0) {
        unsigned shift = sum->first - first, top = shift + sum->count - 1;

        memcpy(limbs + shift, sum->limbs, sum->count * sizeof *limbs);
        if (top + 1 < count) {
            limbs[top + 1] = high_part(limbs[top]);
            limbs[top] = low_part(limbs[top]);
        }
    }
    sum->limbs = limbs;
    sum->first = (uint8_t)first;
    sum->count = (uint8_t)count;
    return true;
}

bool tl_exact_sum_add(struct tl_exact_sum *sum, double value, struct tl_arena *arena)
{
    uint64_t bits, significand, low;
    unsigned exponent, place, limb, shift;
    int64_t sign, *at;

    memcpy(&bits, &value, sizeof bits);
    exponent = (unsigned)(bits >> 52) & 0x7FF;
    significand = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7FF) {
        sum->flags |= ADDED_OTHER | (significand ? ADDED_NAN : bits >> 63 ? ADDED_MINUS_INF : ADDED_PLUS_INF);
        return true;
    }
    if (exponent == 0 && significand == 0) {
        sum->flags |= bits >> 63 ? ADDED_MINUS_ZERO : ADDED_OTHER;
        return true;
    }
    if (exponent == 0)
        exponent = 1; /* subnormal: no hidden bit */
    else
        significand |= UINT64_C(1) << 52;
    place = exponent - 1; /* of the lowest bit, in units of 2^-1074 */
    limb = place >> 5;
    shift = place & 31;
    if (limb < sum->first || limb + 4 > (unsigned)sum->first + sum->count) {
        if (!cover(sum, limb, limb + 4, arena))
            return false;
    }
    if (sum->pending >= PENDING_MAX) {
        spread_carries(sum->limbs, sum->count);
        sum->pending = 0;
    }
    sum->flags |= ADDED_OTHER;
    sum->pending++;
    sign = -(int64_t)(bits >> 63); /* 0 or -1: (x ^ sign) - sign negates where it is -1 */
    low = significand << shift;
    at = sum->limbs + (limb - sum->first);
    at[0] += ((int64_t)(low & UINT32_MAX) ^ sign) - sign;
    at[1] += ((int64_t)(low >> 32) ^ sign) - sign;
    at[2] += ((int64_t)(significand >> 1 >> (63 - shift)) ^ sign) - sign;
    return true;
}

bool tl_exact_sum_merge(struct tl_exact_sum *into, const struct tl_exact_sum *from, struct tl_arena *arena)
{
    if (from->count > 0) {
        unsigned top = (unsigned)from->count - 1, shift;

        if (!cover(into, from->first, (unsigned)from->first + from->count, arena))
            return false;
        if (into->pending > PENDING_MAX || from->pending > PENDING_MAX - into->pending) {
            spread_carries(into->limbs, into->count);
            into->pending = 0;
        }
        into->pending += from->pending + 1;
        shift = (unsigned)from->first - into->first;
        for (unsigned i = 0; i < top; i++)
            into->limbs[shift + i] = add_wrap(into->limbs[shift + i], from->limbs[i]);
        /* What is the highest limb there may be an ordinary one here. */
        if (shift + top + 1 < into->count) {
            into->limbs[shift + top + 1] = add_wrap(into->limbs[shift + top + 1], high_part(from->limbs[top]));
            into->limbs[shift + top] = add_wrap(into->limbs[shift + top], low_part(from->limbs[top]));
        } else {
            into->limbs[shift + top] = add_wrap(into->limbs[shift + top], from->limbs[top]);
        }
    }
    into->flags |= from->flags;
    return true;
}

/* A non-negative whole number of units of 2^(32 * first - 1074 - 32 * below). */
struct magnitude {
    uint32_t limbs[MAGNITUDE_LIMBS];
    unsigned count; /* the highest is not zero; 0: the number is zero */
    int exponent;   /* of limb 0's lowest bit */
    bool negative;
};

static void magnitude_of(const struct tl_exact_sum *sum, struct magnitude *out)
{
    int64_t limbs[LIMBS_MAX + 1];
    unsigned count = sum->count;
    uint64_t borrow;

    out->count = 0;
    out->exponent = 32 * sum->first + UNIT_EXPONENT;
    out->negative = false;
    if (count == 0)
        return;
    memcpy(limbs, sum->limbs, count * sizeof *limbs);
    spread_carries(limbs, count);
    limbs[count] = high_part(limbs[count - 1]);
    limbs[count - 1] = low_part(limbs[count - 1]);
    out->negative = limbs[count] < 0;
    count++;
    /* Two's complement over all the limbs: complement and add one. */
    borrow = out->negative;
    for (unsigned i = 0; i < count; i++) {
        uint64_t limb = (uint32_t)limbs[i];

        if (out->negative)
            limb = (uint32_t)~limb + borrow;
        out->limbs[i] = (uint32_t)limb;
        borrow = limb >> 32;
        if (out->limbs[i] != 0)
            out->count = i + 1;
    }
}

/* Long division by up to 64 bits. With four limbs more below, the quotient keeps at least 54 significant bits, and a remainder shows in
 * them, for it is less than 2^64: so none is kept beside. */
static void divide(struct magnitude *number, uint64_t divisor)
{
    u128 rest = 0;
    unsigned count = 0;

    if (number->count == 0 || divisor <= 1)
        return;
    memmove(number->limbs + DIVISION_LIMBS, number->limbs, number->count * sizeof number->limbs[0]);
    memset(number->limbs, 0, DIVISION_LIMBS * sizeof number->limbs[0]);
    number->count += DIVISION_LIMBS;
    number->exponent -= 32 * DIVISION_LIMBS;
    for (unsigned i = number->count; i-- > 0;) {
        rest = rest << 32 | number->limbs[i];
        number->limbs[i] = (uint32_t)(rest / divisor); /* rest < divisor * 2^32, so the quotient has 32 bits */
        rest %= divisor;
        if (count == 0 && number->limbs[i] != 0)
            count = i + 1;
    }
    number->count = count;
}

static bool bit_at(const struct magnitude *number, int64_t bit)
{
    return bit >= 0 && bit < 32 * (int64_t)number->count && (number->limbs[bit / 32] >> (bit % 32) & 1);
}

/* Rounds half to even to `precision` bits, none of them below 2^exponent_min. */
static double rounded(const struct magnitude *number, int precision, int exponent_min)
{
    int64_t highest, lowest;
    uint64_t significand = 0;
    bool half, rest = false;
    double value;

    if (number->count == 0)
        return 0.0; /* a quotient keeps at least one limb, so there is nothing below either */
    highest = 32 * (int64_t)number->count - 1 - __builtin_clz(number->limbs[number->count - 1]);
    lowest = tl_max_i64(highest - precision + 1, (int64_t)exponent_min - number->exponent);
    for (int64_t bit = tl_max_i64(highest, lowest); bit >= lowest; bit--)
        significand = significand << 1 | bit_at(number, bit);
    half = bit_at(number, lowest - 1);
    for (int64_t i = 0; half && !rest && i < (lowest - 1) / 32; i++)
        rest = number->limbs[i] != 0;
    if (half && !rest && lowest - 1 > 0 && (lowest - 1) / 32 < (int64_t)number->count)
        rest = (number->limbs[(lowest - 1) / 32] & ((UINT32_C(1) << ((lowest - 1) % 32)) - 1)) != 0;
    if (half && (rest || (significand & 1)))
        significand++;
    value = ldexp((double)significand, (int)(lowest + number->exponent)); /* exact, or an infinity */
    return number->negative ? -value : value;
}

/* True when the result is decided without the limbs. */
static bool special(const struct tl_exact_sum *sum, double *out)
{
    const unsigned infinite = ADDED_PLUS_INF | ADDED_MINUS_INF;

    if ((sum->flags & ADDED_NAN) || (sum->flags & infinite) == infinite)
        *out = (double)NAN;
    else if (sum->flags & infinite)
        *out = sum->flags & ADDED_PLUS_INF ? (double)INFINITY : -(double)INFINITY;
    else if (sum->flags == ADDED_MINUS_ZERO)
        *out = -0.0;
    else
        return false;
    return true;
}

double tl_exact_sum_to_double(const struct tl_exact_sum *sum, uint64_t divisor)
{
    struct magnitude number;
    double value;

    assert(divisor > 0);
    if (special(sum, &value))
        return value;
    magnitude_of(sum, &number);
    divide(&number, divisor);
    return rounded(&number, 53, -1074);
}

double tl_exact_sum_to_float(const struct tl_exact_sum *sum, uint64_t divisor)
{
    struct magnitude number;
    double value;

    assert(divisor > 0);
    if (special(sum, &value))
        return value;
    magnitude_of(sum, &number);
    divide(&number, divisor);
    value = rounded(&number, 24, -149);
    if (fabs(value) >= 0x1p128)
        return value < 0 ? -(double)INFINITY : (double)INFINITY;
    return value;
}

bool tl_exact_sum_magnitude(const struct tl_exact_sum *sum, uint32_t limbs[TL_EXACT_SUM_LIMBS], unsigned *count, int *exponent)
{
    struct magnitude number;
    double value;

    static_assert((int)TL_EXACT_SUM_LIMBS == (int)MAGNITUDE_LIMBS, "as the header says");
    if (special(sum, &value) && value != 0.0)
        return false;
    magnitude_of(sum, &number);
    memcpy(limbs, number.limbs, number.count * sizeof *limbs);
    *count = number.count;
    *exponent = number.exponent;
    return true;
}

void tl_exact_sum_save(const struct tl_exact_sum *sum, struct tl_buf *out)
{
    struct magnitude number;
    uint8_t bytes[MAGNITUDE_LIMBS * 4];
    unsigned low = 0, high;
    double value;

    if (sum->flags == 0) {
        tl_buf_put_u8(out, CLASS_NOTHING);
        return;
    }
    if (special(sum, &value)) {
        tl_buf_put_u8(out, isnan(value)   ? CLASS_NAN
                           : value > 0    ? CLASS_PLUS_INF
                           : value == 0.0 ? CLASS_MINUS_ZERO
                                          : CLASS_MINUS_INF);
        return;
    }
    magnitude_of(sum, &number);
    if (number.count == 0) {
        tl_buf_put_u8(out, CLASS_ZERO);
        return;
    }
    for (unsigned i = 0; i < number.count; i++)
        for (unsigned j = 0; j < 4; j++)
            bytes[4 * i + j] = (uint8_t)(number.limbs[i] >> (8 * j));
    high = 4 * number.count;
    while (bytes[low] == 0)
        low++;
    while (bytes[high - 1] == 0)
        high--;
    tl_buf_put_u8(out, number.negative ? CLASS_NEGATIVE : CLASS_POSITIVE);
    tl_buf_put_varint(out, 4U * sum->first + low);
    tl_buf_put_varint(out, high - low);
    tl_buf_put(out, bytes + low, high - low);
}

enum tl_code tl_exact_sum_load(struct tl_exact_sum *sum, struct tl_reader *bytes, struct tl_arena *arena, struct tl_err *err)
{
    static const uint8_t flags_of[CLASSES] = {
        [CLASS_MINUS_ZERO] = ADDED_MINUS_ZERO,
        [CLASS_ZERO] = ADDED_OTHER,
        [CLASS_POSITIVE] = ADDED_OTHER,
        [CLASS_NEGATIVE] = ADDED_OTHER,
        [CLASS_PLUS_INF] = ADDED_OTHER | ADDED_PLUS_INF,
        [CLASS_MINUS_INF] = ADDED_OTHER | ADDED_MINUS_INF,
        [CLASS_NAN] = ADDED_OTHER | ADDED_NAN,
    };
    unsigned class = tl_reader_u8(bytes);
    uint64_t lowest, size;
    struct tl_sv magnitude;
    unsigned limb_low, limb_high;

    if (bytes->failed || class >= CLASSES)
        return tl_fail(err, TL_ERR_CORRUPT, "exact sum: class %u is unknown, or the bytes end", class);
    if (class == CLASS_POSITIVE || class == CLASS_NEGATIVE) {
        lowest = tl_reader_varint(bytes);
        size = tl_reader_varint(bytes);
        if (bytes->failed || lowest >= BYTES_MAX || size == 0 || size > BYTES_MAX - lowest)
            return tl_fail(err, TL_ERR_CORRUPT, "exact sum: a span outside the range of double, or the bytes end");
        magnitude = tl_reader_bytes(bytes, (size_t)size);
        if (bytes->failed || magnitude.data[0] == 0 || magnitude.data[size - 1] == 0)
            return tl_fail(err, TL_ERR_CORRUPT, "exact sum: the span is not the smallest, or the bytes end");
        limb_low = (unsigned)tl_min_i64((int64_t)(lowest / 4), LIMBS_MAX - 1); /* the highest holds the bytes beyond it */
        limb_high = (unsigned)tl_min_i64((int64_t)((lowest + size - 1) / 4), LIMBS_MAX - 1);
        if (!cover(sum, limb_low, (unsigned)tl_min_i64(limb_high + 2, LIMBS_MAX), arena))
            return tl_fail_memory(err, LIMBS_MAX * sizeof *sum->limbs);
        for (uint64_t i = 0; i < size; i++) {
            uint64_t place = lowest + i, limb = (uint64_t)tl_min_i64((int64_t)(place / 4), LIMBS_MAX - 1);
            uint64_t part = (uint64_t)(uint8_t)magnitude.data[i] << (8 * (place - 4 * limb));

            sum->limbs[limb - sum->first] |= (int64_t)part; /* the highest limb takes 7 bytes: no sign bit */
        }
        for (unsigned i = 0; class == CLASS_NEGATIVE && i < sum->count; i++)
            sum->limbs[i] = -sum->limbs[i];
        sum->pending = 1;
    }
    sum->flags = flags_of[class];
    return TL_OK;
}
