/* exact_sum_test.c: sums of doubles against whole-number arithmetic of unbounded width, in any order and grouping. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/exact_sum.h"
#include "support/chance.h"

/* The reference: a whole number of units of 2^-1074 in two's complement, added bit by bit the plain way. */
enum { WIDE_LIMBS = 80 };
struct wide {
    uint32_t limbs[WIDE_LIMBS];
};

__extension__ typedef unsigned __int128 u128;

/* Adds (or subtracts) factor * value. */
static void wide_add(struct wide *sum, double value, uint64_t factor, bool subtract)
{
    int exponent;
    double fraction = frexp(fabs(value), &exponent);
    uint64_t significand = (uint64_t)ldexp(fraction, 53);
    int place = exponent - 53 + 1074;
    u128 product;
    uint64_t carry = 0;
    bool minus = (value < 0) != subtract;

    if (value == 0)
        return;
    while (place < 0) { /* subnormal: the bits below are zero */
        cr_assert_eq(significand & 1, 0);
        significand >>= 1;
        place++;
    }
    product = (u128)significand * factor;
    for (int i = place / 32; i < WIDE_LIMBS; i++) {
        int shift = 32 * (i - place / 32) - place % 32; /* of the product, to the right */
        uint64_t part = shift >= 128 ? 0 : (uint32_t)(shift >= 0 ? product >> shift : product << -shift);

        carry = minus ? (uint64_t)sum->limbs[i] - part - carry : (uint64_t)sum->limbs[i] + part + carry;
        sum->limbs[i] = (uint32_t)carry;
        carry = carry >> 32 & 1;
    }
}

static void wide_abs(struct wide *number)
{
    uint64_t carry = 1;

    if (!(number->limbs[WIDE_LIMBS - 1] >> 31))
        return;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        carry += (uint32_t)~number->limbs[i];
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static int wide_cmp(const struct wide *a, const struct wide *b)
{
    for (int i = WIDE_LIMBS - 1; i >= 0; i--)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] > b->limbs[i] ? 1 : -1;
    return 0;
}

static struct wide distance(const struct wide *sum, double value, uint64_t divisor)
{
    struct wide rest = *sum;

    wide_add(&rest, value, divisor, true);
    wide_abs(&rest);
    return rest;
}

/* `got` is the nearest to sum / divisor among its neighbours, and even on a tie. For an infinity, the half-way point decides. */
static bool is_nearest(const struct wide *sum, uint64_t divisor, double got, bool is_float)
{
    double largest = is_float ? (double)FLT_MAX : DBL_MAX;
    double candidate = isinf(got) ? copysign(largest, got) : got;
    struct wide here = distance(sum, candidate, divisor);
    bool even;

    if (is_float) {
        uint32_t bits;
        float narrow = (float)candidate;

        if ((double)narrow != candidate)
            return false;
        memcpy(&bits, &narrow, sizeof bits);
        even = !(bits & 1);
    } else {
        uint64_t bits;

        memcpy(&bits, &candidate, sizeof bits);
        even = !(bits & 1);
    }
    if (isinf(got) || fabs(got) == largest) {
        /* Half a unit beyond the largest: from there on an infinity. */
        double half = ldexp(1.0, is_float ? 103 : 970), positive = copysign(1.0, candidate);
        struct wide edge = {0}, magnitude = *sum;

        wide_add(&edge, largest, divisor, false);
        wide_add(&edge, half, divisor, false);
        wide_abs(&magnitude);
        if (((sum->limbs[WIDE_LIMBS - 1] >> 31) != 0) != (positive < 0))
            return false;
        if (isinf(got))
            return wide_cmp(&magnitude, &edge) >= 0;
        if (wide_cmp(&magnitude, &edge) >= 0)
            return false;
    }
    for (int up = 0; up < 2; up++) {
        double towards = up ? (double)INFINITY : -(double)INFINITY;
        double other = is_float ? (double)nextafterf((float)candidate, (float)towards) : nextafter(candidate, towards);
        struct wide there;
        int order;

        if (isinf(other))
            continue;
        there = distance(sum, other, divisor);
        order = wide_cmp(&here, &there);
        if (order > 0 || (order == 0 && !even))
            return false;
    }
    return true;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static struct tl_arena arena;

static void setup(void)
{
    tl_arena_init(&arena, 1 << 16, 0);
}
static void teardown(void)
{
    tl_arena_done(&arena);
}

TestSuite(exact_sum, .init = setup, .fini = teardown);

/* --- cases by hand ----------------------------------------------------------------------------------------------------- */

struct sum_case {
    char name[56];
    double terms[6];
    int terms_count;
    double sum, average;
};

ParameterizedTestParameters(exact_sum, sums)
{
    static struct sum_case cases[] = {
        {"one term",                                      {0.1},                                      1, 0.1,                    0.1                  },
        {"0.1 + 0.2 rounds once",                         {0.1, 0.2},                                 2, 0.30000000000000004,    0.15000000000000002  },
        {"ten times 0.1 less 1",                          {0.1, 0.1, 0.1, 0.1, 0.1, -0.5},            6, 2.7755575615628914e-17, 0x1p-55 / 6          },
        {"huge terms cancel",                             {1e308, 1.0, -1e308},                       3, 1.0,                    1.0 / 3              },
        {"a sum beyond double is an infinity",            {DBL_MAX, DBL_MAX},                         2, (double)INFINITY,       DBL_MAX              },
        {"and comes back",                                {DBL_MAX, DBL_MAX, -DBL_MAX},               3, DBL_MAX,                DBL_MAX / 3          },
        {"half a unit beyond the largest is an infinity", {DBL_MAX, 0x1p970},                         2, (double)INFINITY,       DBL_MAX / 2 + 0x1p969},
        {"a little less is not",                          {DBL_MAX, 0x1p970, -0x1p-1074},             3, DBL_MAX,                DBL_MAX / 3          },
        {"the smallest subnormal",                        {0x1p-1074},                                1, 0x1p-1074,              0x1p-1074            },
        {"its half rounds to even: to zero",              {0x1p-1074, 0.0},                           2, 0x1p-1074,              0.0                  },
        {"three quarters of it round up",                 {0x1p-1074, 0x1p-1073, 0.0, 0.0},           4, 0x3p-1074,              0x1p-1074            },
        {"a tie goes to even, down",                      {1.0, 0x1p-53},                             2, 1.0,                    0.5                  },
        {"a tie goes to even, up",                        {1.0 + 0x1p-52, 0x1p-53},                   2, 1.0 + 0x1p-51,          0.5 + 0x1p-52        },
        {"a bit far below breaks the tie",                {1.0, 0x1p-53, 0x1p-1074},                  3, 1.0 + 0x1p-52,          1.0 / 3 + 0x1p-54    },
        {"rounding up carries to the next power",         {0x1.fffffffffffffp0, 0x1p-53},             2, 2.0,                    1.0                  },
        {"negative",                                      {-1.5, -2.5, 1.0},                          3, -3.0,                   -1.0                 },
        {"nothing left is plus zero",                     {1.0, -1.0},                                2, 0.0,                    0.0                  },
        {"minus zeros only",                              {-0.0, -0.0},                               2, -0.0,                   -0.0                 },
        {"a plus zero among them",                        {-0.0, 0.0, -0.0},                          3, 0.0,                    0.0                  },
        {"minus zero and a number",                       {-0.0, 3.0},                                2, 3.0,                    1.5                  },
        {"infinity",                                      {1.0, (double)INFINITY, -1e308},            3, (double)INFINITY,       (double)INFINITY     },
        {"minus infinity",                                {-(double)INFINITY, -(double)INFINITY},     2, -(double)INFINITY,      -(double)INFINITY    },
        {"both infinities are NaN",                       {(double)INFINITY, 1.0, -(double)INFINITY}, 3, (double)NAN,            (double)NAN          },
        {"NaN stays",                                     {1.0, (double)NAN, (double)INFINITY},       3, (double)NAN,            (double)NAN          },
        {"nothing",                                       {0},                                        0, 0.0,                    0.0                  },
    };
    return cr_make_param_array(struct sum_case, cases, sizeof cases / sizeof *cases);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || bits_of(a) == bits_of(b);
}

ParameterizedTest(struct sum_case *c, exact_sum, sums, .init = setup, .fini = teardown)
{
    struct tl_exact_sum forward = {0}, backward = {0};
    double got;

    for (int i = 0; i < c->terms_count; i++) {
        cr_assert(tl_exact_sum_add(&forward, c->terms[i], &arena));
        cr_assert(tl_exact_sum_add(&backward, c->terms[c->terms_count - 1 - i], &arena));
    }
    got = tl_exact_sum_to_double(&forward, 1);
    cr_assert(same(got, c->sum), "%s: got %a, want %a", c->name, got, c->sum);
    got = tl_exact_sum_to_double(&backward, 1);
    cr_assert(same(got, c->sum), "%s backwards: got %a, want %a", c->name, got, c->sum);
    got = tl_exact_sum_to_double(&forward, c->terms_count > 0 ? (uint64_t)c->terms_count : 1);
    cr_assert(same(got, c->average), "%s, average: got %a, want %a", c->name, got, c->average);
    cr_assert_eq(tl_exact_sum_is_empty(&forward), c->terms_count == 0);
}

Test(exact_sum, float_rounds_once)
{
    struct tl_exact_sum sum = {0};

    /* Rounded to double first, this would become a tie and then go to even, down: 1.0. */
    cr_assert(tl_exact_sum_add(&sum, 1.0, &arena));
    cr_assert(tl_exact_sum_add(&sum, 0x1p-24, &arena));
    cr_assert(tl_exact_sum_add(&sum, 0x1p-80, &arena));
    cr_assert_eq(tl_exact_sum_to_float(&sum, 1), 1.0 + 0x1p-23);
    cr_assert(tl_exact_sum_add(&sum, (double)FLT_MAX, &arena));
    cr_assert_eq(tl_exact_sum_to_float(&sum, 1), (double)FLT_MAX);
    cr_assert(tl_exact_sum_add(&sum, (double)FLT_MAX, &arena));
    cr_assert(isinf(tl_exact_sum_to_float(&sum, 1)));
}

/* 2^30 additions are too many for a test; merging a sum into itself is as many. The carries pile up in the window's highest limb, and
 * are still there when a larger number makes the window grow. */
Test(exact_sum, carries_are_spread)
{
    static const double terms[] = {0x1.fffffffffffffp10, -0x1.8p-20, 0x1.fffffffffffffp40, 0x1.fffffffffffffp35};

    for (int negative = 0; negative < 2; negative++) {
        struct tl_exact_sum sum = {0};
        struct wide want = {{0}};

        for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
            double value = negative ? -terms[i] : terms[i];

            cr_assert(tl_exact_sum_add(&sum, value, &arena));
            wide_add(&want, value, UINT64_C(1) << 62, false);
        }
        for (int i = 0; i < 62; i++) {
            cr_assert(tl_exact_sum_merge(&sum, &sum, &arena));
            cr_assert_leq(sum.pending, UINT32_C(1) << 31);
        }
        cr_assert(is_nearest(&want, 1, tl_exact_sum_to_double(&sum, 1), false));
        cr_assert(tl_exact_sum_add(&sum, 0x1.8p300, &arena));
        wide_add(&want, 0x1.8p300, 1, false);
        cr_assert(tl_exact_sum_add(&sum, -0x1.8p300, &arena));
        wide_add(&want, -0x1.8p300, 1, false);
        cr_assert(is_nearest(&want, 1, tl_exact_sum_to_double(&sum, 1), false));
    }
}

/* --- properties -------------------------------------------------------------------------------------------------------- */

/* Doubles of all sizes, of one size, or that cancel. */
static double term(struct chance *chance, int mood, double last)
{
    uint64_t bits = chance_u64(chance);
    double value;

    switch (mood) {
    case 0: break; /* the whole range */
    case 1: bits = (bits & ~(UINT64_C(0x7FF) << 52)) | (uint64_t)(1003 + chance_below(chance, 40)) << 52; break; /* ordinary */
    case 2: bits &= ~(UINT64_C(0x7FE) << 52); break; /* subnormal, and the smallest normal ones */
    case 3: bits |= UINT64_C(0x7F0) << 52; break;    /* the largest */
    default:
        if (chance_below(chance, 2))
            return -last;
        break;
    }
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 1.0;
}

static void save(const struct tl_exact_sum *sum, struct tl_buf *out)
{
    tl_buf_clear(out);
    tl_exact_sum_save(sum, out);
    cr_assert_not(out->failed);
}

enum { TERMS_MAX = 200 };

Test(exact_sum, any_order_and_grouping_gives_the_same_bytes)
{
    struct chance chance = chance_open("exact_sum");
    struct tl_buf first, other;

    tl_buf_init(&first, 0);
    tl_buf_init(&other, 0);
    for (int round = 0; round < 400; round++) {
        double terms[TERMS_MAX], got;
        int count = 1 + (int)chance_below(&chance, TERMS_MAX), mood = round % 5;
        uint64_t divisor = round % 7 == 0 ? chance_u64(&chance) | 1 : 1 + chance_below(&chance, 1000);
        struct tl_exact_sum whole = {0}, parts[4] = {{0}}, loaded = {0};
        struct wide want = {{0}};
        struct tl_reader reader;
        struct tl_err err;

        for (int i = 0; i < count; i++) {
            terms[i] = term(&chance, mood, i > 0 ? terms[i - 1] : 1.0);
            wide_add(&want, terms[i], 1, false);
            cr_assert(tl_exact_sum_add(&whole, terms[i], &arena));
        }
        got = tl_exact_sum_to_double(&whole, 1);
        cr_assert(is_nearest(&want, 1, got, false), "seed %llu, round %d: %a", (unsigned long long)chance.seed, round, got);
        got = tl_exact_sum_to_double(&whole, divisor);
        cr_assert(is_nearest(&want, divisor, got, false), "seed %llu, round %d: / %llu gives %a", (unsigned long long)chance.seed,
                  round, (unsigned long long)divisor, got);
        got = tl_exact_sum_to_float(&whole, divisor);
        cr_assert(is_nearest(&want, divisor, got, true), "seed %llu, round %d: / %llu gives float %a",
                  (unsigned long long)chance.seed, round, (unsigned long long)divisor, got);

        for (int i = count - 1; i > 0; i--) {
            int j = (int)chance_below(&chance, (uint32_t)i + 1);
            double swap = terms[i];

            terms[i] = terms[j];
            terms[j] = swap;
        }
        for (int i = 0; i < count; i++)
            cr_assert(tl_exact_sum_add(&parts[chance_below(&chance, 4)], terms[i], &arena));
        for (int i = 1; i < 4; i++) {
            if (chance_below(&chance, 2)) { /* through its byte form */
                struct tl_exact_sum again = {0};

                save(&parts[i], &other);
                reader = tl_reader_of(tl_buf_sv(&other));
                cr_assert_eq(tl_exact_sum_load(&again, &reader, &arena, &err), TL_OK, "%s", err.message);
                cr_assert(tl_reader_at_end(&reader));
                parts[i] = again;
            }
            cr_assert(tl_exact_sum_merge(&parts[0], &parts[i], &arena));
        }
        save(&whole, &first);
        save(&parts[0], &other);
        cr_assert(tl_sv_eq(tl_buf_sv(&first), tl_buf_sv(&other)), "seed %llu, round %d: the bytes differ",
                  (unsigned long long)chance.seed, round);
        reader = tl_reader_of(tl_buf_sv(&first));
        cr_assert_eq(tl_exact_sum_load(&loaded, &reader, &arena, &err), TL_OK);
        cr_assert_eq(bits_of(tl_exact_sum_to_double(&loaded, 1)), bits_of(tl_exact_sum_to_double(&whole, 1)));
        tl_arena_reset(&arena);
    }
    tl_buf_done(&first);
    tl_buf_done(&other);
}

Test(exact_sum, ordinary_sums_are_small)
{
    struct tl_exact_sum sum = {0};
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    for (int i = 0; i < 100000; i++)
        cr_assert(tl_exact_sum_add(&sum, i * 0.01, &arena));
    save(&sum, &buf);
    cr_assert_leq(buf.size, 16, "%zu bytes", buf.size);
    cr_assert_leq(sum.count, 8, "%d limbs", sum.count);
    tl_buf_done(&buf);
}

Test(exact_sum, broken_bytes_are_refused)
{
    static const struct {
        char name[40];
        uint8_t bytes[8];
        size_t size;
    } cases[] = {
        {"empty",                 {0},                         0},
        {"unknown class",         {8},                         1},
        {"no span",               {3},                         1},
        {"no size",               {3, 1},                      2},
        {"size zero",             {3, 1, 0},                   3},
        {"bytes missing",         {3, 1, 2, 1},                4},
        {"lowest byte zero",      {3, 1, 2, 0, 1},             5},
        {"highest byte zero",     {4, 1, 2, 1, 0},             5},
        {"beyond the range",      {3, 0x8F, 0x02, 1, 1},       5},
        {"longer than the range", {3, 1, 0xFF, 0xFF, 0x7F, 1}, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tl_exact_sum sum = {0};
        struct tl_reader reader = tl_reader_of((struct tl_sv){(const char *)cases[i].bytes, cases[i].size});
        struct tl_err err;

        cr_assert_eq(tl_exact_sum_load(&sum, &reader, &arena, &err), TL_ERR_CORRUPT, "%s", cases[i].name);
    }
}

/* Bytes that stand in the upper half of the highest limb, and nothing below. */
Test(exact_sum, highest_bytes_load)
{
    static const uint8_t bytes[] = {4, 0x8C, 0x02, 1, 4};
    struct tl_exact_sum sum = {0};
    struct tl_reader reader = tl_reader_of((struct tl_sv){(const char *)bytes, sizeof bytes});
    struct tl_buf buf;

    cr_assert_eq(tl_exact_sum_load(&sum, &reader, &arena, NULL), TL_OK);
    cr_assert_eq(tl_exact_sum_to_double(&sum, 1), -(double)INFINITY);
    tl_buf_init(&buf, 0);
    save(&sum, &buf);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), (struct tl_sv){(const char *)bytes, sizeof bytes}));
    tl_buf_done(&buf);
}

/* The widest form that may come from bytes: what follows must stay defined, and the highest byte in place. */
Test(exact_sum, widest_form_loads)
{
    uint8_t bytes[3 + 271 + 1];
    struct tl_exact_sum sum = {0}, twice = {0};
    struct tl_reader reader;
    struct tl_buf buf;

    memset(bytes, 0xFF, sizeof bytes);
    bytes[0] = 4;
    bytes[1] = 0;
    bytes[2] = (271 & 0x7F) | 0x80;
    bytes[3] = 271 >> 7;
    reader = tl_reader_of((struct tl_sv){(const char *)bytes, sizeof bytes});
    cr_assert_eq(tl_exact_sum_load(&sum, &reader, &arena, NULL), TL_OK);
    cr_assert(isinf(tl_exact_sum_to_double(&sum, 1)));
    tl_buf_init(&buf, 0);
    save(&sum, &buf);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), (struct tl_sv){(const char *)bytes, sizeof bytes}));
    for (int i = 0; i < 1000; i++)
        cr_assert(tl_exact_sum_merge(&twice, &sum, &arena));
    cr_assert(isinf(tl_exact_sum_to_double(&twice, 1)));
    save(&twice, &buf);
    tl_buf_done(&buf);
}

Test(exact_sum, no_memory_leaves_it_unchanged)
{
    struct tl_arena small;
    struct tl_exact_sum sum = {0};

    tl_arena_init(&small, 64, 256);
    while (tl_arena_alloc(&small, 16) != NULL)
        ;
    cr_assert_not(tl_exact_sum_add(&sum, 1.0, &small));
    cr_assert(tl_exact_sum_is_empty(&sum));
    tl_arena_done(&small);
}

/* The whole number and its exponent give the sum back; what is not finite has none. */
Test(exact_sum, magnitude)
{
    static const double terms[] = {0x1p-1074, 3.0, -0x1.8p100, 1e308, 0.1, -0.0};
    struct chance chance = chance_open("exact_sum");
    uint32_t limbs[TL_EXACT_SUM_LIMBS];
    unsigned count;
    int exponent;

    for (int round = 0; round < 200; round++) {
        struct tl_exact_sum sum = {0}, back = {0};

        for (uint32_t i = chance_below(&chance, 6); i > 0; i--)
            cr_assert(tl_exact_sum_add(&sum, terms[chance_below(&chance, 6)], &arena));
        cr_assert(tl_exact_sum_magnitude(&sum, limbs, &count, &exponent));
        cr_assert(count == 0 || limbs[count - 1] != 0);
        for (unsigned i = 0; i < count; i++)
            cr_assert(tl_exact_sum_add(&back, ldexp(limbs[i], exponent + 32 * (int)i), &arena));
        cr_assert_eq(tl_exact_sum_to_double(&back, 1), fabs(tl_exact_sum_to_double(&sum, 1)), "seed %llu",
                     (unsigned long long)chance.seed);
        cr_assert(tl_exact_sum_add(&sum, round % 2 ? (double)NAN : (double)INFINITY, &arena));
        cr_assert_not(tl_exact_sum_magnitude(&sum, limbs, &count, &exponent));
    }
}
