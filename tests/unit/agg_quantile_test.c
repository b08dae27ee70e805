/* agg_quantile_test.c: percentiles: Flink's positions, the error bound of the approximate ones, any order. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/agg_run.h"

struct quantile_case {
    char name[40];
    enum tl_kind kind;
    double point;
    char inputs[6][24];
    char often[6][8]; /* "": no frequency */
    uint32_t count;
    char want[24];
};

ParameterizedTestParameters(agg_quantile, results)
{
    static struct quantile_case cases[] = {
  /* semantics.md 7 */
        {"the middle of four",            TL_INT,    0.5,  {"1", "2", "3", "4"},       {""},                     4, "2.5"             },
        {"the smallest",                  TL_INT,    0,    {"3", "1", "2"},            {""},                     3, "1"               },
        {"the greatest",                  TL_BIGINT, 1,    {"3", "1", "2"},            {""},                     3, "3"               },
        {"of one",                        TL_DOUBLE, 0.3,  {"7.5"},                    {""},                     1, "7.5"             },
        {"in proportion",                 TL_DOUBLE, 0.9,  {"0", "10"},                {""},                     2, "9"               },
        {"NULL is skipped",               TL_DOUBLE, 0.5,  {"NULL", "1", "NULL", "3"}, {""},                     4, "2"               },
        {"of nothing",                    TL_DOUBLE, 0.5,  {"NULL"},                   {""},                     1, "NULL"            },
        {"equal values",                  TL_FLOAT,  0.5,  {"2", "2", "2", "9"},       {""},                     4, "2"               },
        {"NaN is last",                   TL_DOUBLE, 0.5,  {"nan", "inf", "1"},        {""},                     3, "inf"             },
        {"-0.0 is first",                 TL_DOUBLE, 0,    {"0.0", "-0.0"},            {""},                     2, "-0.0"            },
        {"between infinities",            TL_DOUBLE, 0.5,  {"-inf", "inf"},            {""},                     2, "nan"             },
        {"frequency",                     TL_INT,    0.5,  {"1", "2", "9"},            {"1", "3", "1"},          3, "2"               },
        {"frequency: as if so many rows", TL_INT,    0.75, {"1", "9"},                 {"2", "3"},               2, "9"               },
        {"frequency: NULL, 0, below 0",   TL_INT,    0.5,  {"1", "2", "3", "4"},       {"NULL", "0", "-5", "1"}, 4, "4"               },
        {"frequency: of nothing",         TL_INT,    0.5,  {"1"},                      {"0"},                    1, "NULL"            },
        {"BIGINT as DOUBLE",              TL_BIGINT, 0.5,  {"9007199254740993"},       {""},                     1, "9007199254740992"},
    };
    return cr_make_param_array(struct quantile_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct quantile_case *c, agg_quantile, results)
{
    struct tl_agg_call call = {.agg = TL_AGG_PERCENTILE, .kind = TL_DOUBLE, .point = c->point};
    enum tl_kind kinds[] = {c->kind, TL_BIGINT};
    bool often = c->often[0][0] != '\0';
    struct tl_value want = strcmp(c->want, "NULL") == 0 ? agg_null(TL_DOUBLE) : agg_f64(TL_DOUBLE, strtod(c->want, NULL)), got;
    struct agg_run run;

    agg_run_open(&run, &call, kinds, 1 + often, false, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        agg_run_put(&run, 0, i,
                    strcmp(c->inputs[i], "NULL") == 0      ? agg_null(c->kind)
                    : tl_kind_form(c->kind) == TL_FORM_F64 ? agg_f64(c->kind, strtod(c->inputs[i], NULL))
                                                           : agg_i64(c->kind, strtoll(c->inputs[i], NULL, 10)));
        if (often)
            agg_run_put(&run, 1, i,
                        strcmp(c->often[i], "NULL") == 0 ? agg_null(TL_BIGINT) : agg_i64(TL_BIGINT, atoll(c->often[i])));
    }
    got = agg_run_result(&run);
    cr_assert(tl_value_eq(&got, &want), "%s: null %d, %g", c->name, got.is_null, got.f64);
    if (!got.is_null && got.f64 == 0)
        cr_assert_eq(signbit(got.f64), signbit(want.f64), "%s", c->name);
    agg_run_close(&run);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* As if there were a row for each. */
static double of_sorted(const double *values, uint32_t count, double point)
{
    double position = point * (count - 1);
    uint32_t below = (uint32_t)position;

    if (position == below || below + 1 == count)
        return values[below];
    return values[below] + (position - below) * (values[below + 1] - values[below]);
}

static void random_rounds(enum tl_agg_kind agg, double error)
{
    struct chance chance = chance_open("agg_quantile");
    static double sorted[4000];

    for (int round = 0; round < 150; round++) {
        enum tl_kind kinds[] = {TL_DOUBLE, TL_INT};
        struct tl_agg_call call = {.agg = agg, .kind = TL_DOUBLE, .point = chance_below(&chance, 101) / 100.0};
        bool often = agg == TL_AGG_PERCENTILE && round % 3 == 0;
        int range = 1 + (int)chance_below(&chance, 300);
        uint32_t count = 0;
        struct agg_run run;
        double got, want;

        agg_run_open(&run, &call, kinds, 1 + often, false, 1 + chance_below(&chance, 500));
        for (uint32_t i = 0; i < run.rows_count; i++) {
            double value = ldexp((double)(chance_u64(&chance) >> 12), (int)chance_below(&chance, (uint32_t)range) - range / 2);
            uint32_t times = often ? 1 + chance_below(&chance, 7) : 1;

            if (round % 2)
                value = (double)chance_below(&chance, 50); /* many equal ones, zero among them */
            agg_run_put(&run, 0, i, agg_f64(TL_DOUBLE, value));
            if (often)
                agg_run_put(&run, 1, i, agg_i64(TL_INT, times));
            while (times-- > 0)
                sorted[count++] = value;
        }
        qsort(sorted, count, sizeof *sorted, by_value);
        want = of_sorted(sorted, count, call.point);
        got = agg_run_result(&run).f64;
        cr_assert_leq(fabs(got - want), error * fabs(want) + 1e-12 * fabs(want), "seed %llu: %.17g for %.17g",
                      (unsigned long long)chance.seed, got, want);
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

Test(agg_quantile, exact_as_a_sorted_array_has_it)
{
    random_rounds(TL_AGG_PERCENTILE, 0);
}

Test(agg_quantile, approximate_within_one_part_in_128)
{
    random_rounds(TL_AGG_APPROX_PERCENTILE, 0x1p-7);
}

static double approximately(double value)
{
    enum tl_kind kinds[] = {TL_DOUBLE};
    struct tl_agg_call call = {.agg = TL_AGG_APPROX_PERCENTILE, .kind = TL_DOUBLE, .point = 0.5};
    struct agg_run run;
    double got;

    agg_run_open(&run, &call, kinds, 1, false, 1);
    agg_run_put(&run, 0, 0, agg_f64(TL_DOUBLE, value));
    got = agg_run_result(&run).f64;
    agg_run_close(&run);
    return got;
}

/* The bound holds at the edges of buckets, for all there is. */
Test(agg_quantile, the_ends_of_double)
{
    struct chance chance = chance_open("agg_quantile");
    double worst = 0;

    for (int i = 0; i < 5000; i++) {
        uint64_t bits = chance_u64(&chance);
        double value, got;

        if (i % 3 == 0)
            bits = (bits >> 46 << 46) - (uint64_t)(i % 2); /* the first of a bucket, the last of the one before */
        memcpy(&value, &bits, sizeof value);
        if (!isnormal(value))
            continue;
        got = approximately(value);
        cr_assert_eq(signbit(got), signbit(value));
        if (fabs(got - value) / fabs(value) > worst)
            worst = fabs(got - value) / fabs(value);
    }
    cr_assert_leq(worst, 0x1p-7);
    cr_assert_gt(worst, 0x1.fp-8, "the bound is no better than it says: %g", worst);
    cr_assert_leq(fabs(approximately(1.7976931348623157e308) - 1.7976931348623157e308) / 1.7976931348623157e308, 0x1p-7);
    cr_assert_eq(approximately(0), 0);
    cr_assert_eq(approximately(-0.0), 0);
    cr_assert_eq(approximately(0x1p-1074), 0);
    cr_assert_eq(approximately((double)INFINITY), (double)INFINITY);
    cr_assert_eq(approximately(-(double)INFINITY), -(double)INFINITY);
    cr_assert(isnan(approximately((double)NAN)));
}

/* Each double in a bucket: no more buckets than agg_quantile.c says, and no more memory. */
Test(agg_quantile, buckets_are_bounded)
{
    enum tl_kind kinds[] = {TL_DOUBLE};
    struct tl_agg_call call = {.agg = TL_AGG_APPROX_PERCENTILE, .kind = TL_DOUBLE, .point = 0.5};
    struct tl_arena memory, *arenas[1] = {&memory};
    struct agg_run run;
    struct tl_buf bytes;
    struct tl_reader reader;
    void *block;

    agg_run_open(&run, &call, kinds, 1, false, 1);
    tl_arena_init(&memory, 1 << 14, 0);
    tl_buf_init(&bytes, 0);
    block = tl_arena_zalloc(&memory, run.layout.state_bytes);
    for (uint64_t top = 0; top < 1 << 18; top++) {
        struct tl_agg_rows in = {.inputs = run.inputs};
        uint64_t bits = top << 46 | 1;

        memcpy(run.columns[0].f64, &bits, sizeof bits);
        run.columns[0].null[0] = 0;
        cr_assert(tl_agg_step(&run.layout, &in, (const uint32_t[]){0}, 1, &block, arenas));
    }
    tl_agg_save(&run.layout, block, &bytes);
    reader = tl_reader_of(tl_buf_sv(&bytes));
    cr_assert_eq(tl_reader_varint(&reader),
                 2 * 2046 * 64 + 2); /* each sign's; zero; NaN (with the last bit set, none is infinite) */
#ifndef TL_TINY
    cr_assert_leq(memory.held_bytes, 6500000, "%zu bytes", memory.held_bytes);
#endif
    tl_buf_done(&bytes);
    tl_arena_done(&memory);
    agg_run_close(&run);
}
