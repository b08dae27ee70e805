/* agg_moments_test.c: variance and deviation: Flink's integers, exact doubles, any order. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/agg_moments.h"
#include "support/agg_run.h"

struct moments_case {
    char name[48];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    char inputs[4][24];
    uint32_t count;
    char want[24];
};

ParameterizedTestParameters(agg_moments, results)
{
    static struct moments_case cases[] = {
        {"VAR_POP(DOUBLE)",                          TL_AGG_VAR_POP,     TL_DOUBLE,  {"1", "2", "3", "4"},                             4, "1.25"               },
        {"VAR_SAMP(DOUBLE)",                         TL_AGG_VAR_SAMP,    TL_DOUBLE,  {"1", "2", "3"},                                  3, "1"                  },
        {"STDDEV_POP(DOUBLE)",                       TL_AGG_STDDEV_POP,  TL_DOUBLE,  {"1", "3"},                                       2, "1"                  },
        {"STDDEV_SAMP(DOUBLE)",                      TL_AGG_STDDEV_SAMP, TL_DOUBLE,  {"1", "3"},                                       2, "1.4142135623730951" },
        {"VAR_POP of one",                           TL_AGG_VAR_POP,     TL_DOUBLE,  {"0.1"},                                          1, "0"                  },
        {"VAR_SAMP of one",                          TL_AGG_VAR_SAMP,    TL_DOUBLE,  {"0.1"},                                          1, "NULL"               },
        {"STDDEV_SAMP of one and NULL",              TL_AGG_STDDEV_SAMP, TL_INT,     {"7", "NULL"},                                    2, "NULL"               },
        {"VAR_POP of nothing",                       TL_AGG_VAR_POP,     TL_DOUBLE,  {"NULL"},                                         1, "NULL"               },
        {"no cancellation",                          TL_AGG_VAR_POP,     TL_DOUBLE,  {"1e16", "10000000000000002"},                    2, "1"                  },
        {"equal numbers",                            TL_AGG_STDDEV_POP,  TL_DOUBLE,  {"0.1", "0.1", "0.1"},                            3, "0"                  },
        {"minus zeros",                              TL_AGG_VAR_POP,     TL_DOUBLE,  {"-0.0", "-0.0"},                                 2, "0"                  },
        {"tiny numbers",                             TL_AGG_STDDEV_POP,  TL_DOUBLE,  {"0x1p-1074", "0x3p-1074"},                       2, "0x1p-1074"          },
        {"tiny and ordinary",                        TL_AGG_VAR_POP,     TL_DOUBLE,  {"0x1p-1074", "2", "0"},                          3, "0.88888888888888884"},
        {"huge numbers",                             TL_AGG_STDDEV_POP,  TL_DOUBLE,  {"1e308", "-1e308"},                              2, "1e308"              },
        {"huge squares",                             TL_AGG_VAR_POP,     TL_DOUBLE,  {"1e308", "-1e308"},                              2, "inf"                },
        {"an infinity",                              TL_AGG_VAR_POP,     TL_DOUBLE,  {"inf", "1"},                                     2, "nan"                },
        {"a NaN",                                    TL_AGG_STDDEV_SAMP, TL_DOUBLE,  {"nan", "1"},                                     2, "nan"                },
        {"VAR_POP(FLOAT) is a float",                TL_AGG_VAR_POP,     TL_FLOAT,   {"1", "2", "2"},                                  3, "0x1.c71c72p-3"      },
 /* 2/3, 8/9, 1/2: cut off once, at the end */
        {"VAR_POP(INT) cuts off",                    TL_AGG_VAR_POP,     TL_INT,     {"1", "2", "3"},                                  3, "0"                  },
        {"VAR_SAMP(INT) cuts off",                   TL_AGG_VAR_SAMP,    TL_INT,     {"1", "2"},                                       2, "0"                  },
        {"VAR_POP(INT) cuts off at the end",         TL_AGG_VAR_POP,     TL_INT,     {"0", "2", "2"},                                  3, "0"                  },
        {"STDDEV_POP(INT) cuts off",                 TL_AGG_STDDEV_POP,  TL_INT,     {"0", "5"},                                       2, "2"                  },
        {"VAR_POP below zero",                       TL_AGG_VAR_POP,     TL_BIGINT,  {"-4", "-8"},                                     2, "4"                  },
        {"VAR_POP(TINYINT): squares do not wrap",    TL_AGG_VAR_POP,     TL_TINYINT, {"100", "110"},                                   2, "25"                 },
        {"VAR_POP(TINYINT): what it cannot hold",    TL_AGG_VAR_POP,     TL_TINYINT, {"-128", "127"},                                  2, "127"                },
        {"STDDEV_POP(BIGINT) over all",
         TL_AGG_STDDEV_POP,                                              TL_BIGINT,
         {"-9223372036854775808", "9223372036854775807"},
         2,                                                                                                                               "9223372036854775807"},
        {"STDDEV_SAMP(BIGINT): what it cannot hold",
         TL_AGG_STDDEV_SAMP,                                             TL_BIGINT,
         {"-9223372036854775808", "9223372036854775807"},
         2,                                                                                                                               "9223372036854775807"},
        {"VAR_POP(BIGINT) of equals",                TL_AGG_VAR_POP,     TL_BIGINT,  {"-9223372036854775808", "-9223372036854775808"}, 2, "0"                  },
    };
    return cr_make_param_array(struct moments_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct moments_case *c, agg_moments, results)
{
    struct tl_agg_call call = {.agg = c->agg, .kind = c->kind};
    bool real = tl_kind_form(c->kind) == TL_FORM_F64;
    struct tl_value want, got;
    struct agg_run run;

    agg_run_open(&run, &call, &c->kind, 1, false, c->count);
    for (uint32_t i = 0; i < c->count; i++)
        agg_run_put(&run, 0, i,
                    strcmp(c->inputs[i], "NULL") == 0 ? agg_null(c->kind)
                    : real                            ? agg_f64(c->kind, strtod(c->inputs[i], NULL))
                                                      : agg_i64(c->kind, strtoll(c->inputs[i], NULL, 10)));
    want = strcmp(c->want, "NULL") == 0 ? agg_null(c->kind)
           : real                       ? agg_f64(c->kind, strtod(c->want, NULL))
                                        : agg_i64(c->kind, strtoll(c->want, NULL, 10));
    got = agg_run_result(&run);
    cr_assert(tl_value_eq(&got, &want), "%s: null %d, %lld or %.17g", c->name, got.is_null, (long long)got.i64, got.f64);
    agg_run_close(&run);
}

/* The variance as one fraction, in numbers wide enough that nothing wraps. */
static int64_t of_integers(enum tl_agg_kind agg, const int64_t *values, uint32_t count)
{
    __int128 sum = 0, squares = 0, variance;

    for (uint32_t i = 0; i < count; i++) {
        sum += values[i];
        squares += (__int128)values[i] * values[i];
    }
    variance = (count * squares - sum * sum) / count / (agg == TL_AGG_VAR_SAMP || agg == TL_AGG_STDDEV_SAMP ? count - 1 : count);
    return agg == TL_AGG_VAR_POP || agg == TL_AGG_VAR_SAMP ? (int64_t)variance : (int64_t)pow((double)variance, 0.5);
}

/* Two passes in long double, which numbers of like size lose next to nothing in. */
static double by_two_passes(enum tl_agg_kind agg, const double *values, uint32_t count)
{
    long double mean = 0, sum = 0;

    for (uint32_t i = 0; i < count; i++)
        mean += values[i];
    mean /= count;
    for (uint32_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    sum /= agg == TL_AGG_VAR_SAMP || agg == TL_AGG_STDDEV_SAMP ? count - 1 : count;
    return (double)(agg == TL_AGG_VAR_POP || agg == TL_AGG_VAR_SAMP ? sum : sqrtl(sum));
}

Test(agg_moments, as_models_have_it)
{
    struct chance chance = chance_open("agg_moments");

    for (int round = 0; round < 300; round++) {
        enum tl_agg_kind agg = TL_AGG_STDDEV_POP + chance_below(&chance, 4);
        enum tl_kind kinds[] = {round % 2 ? TL_INT : TL_DOUBLE};
        struct tl_agg_call call = {.agg = agg, .kind = kinds[0]};
        uint32_t count = 2 + chance_below(&chance, 40);
        int64_t integers[42], base = (int64_t)chance_below(&chance, 30000);
        double reals[42], scale = ldexp(1, (int)chance_below(&chance, 1960) - 1000);
        struct tl_value got;
        struct agg_run run;

        agg_run_open(&run, &call, kinds, 1, false, count);
        for (uint32_t i = 0; i < count; i++) {
            integers[i] = base - chance_below(&chance, 10000);
            reals[i] = (double)(int64_t)(chance_u64(&chance) >> 12);
            agg_run_put(&run, 0, i, round % 2 ? agg_i64(TL_INT, integers[i]) : agg_f64(TL_DOUBLE, reals[i] * scale));
        }
        got = agg_run_result(&run);
        if (round % 2) {
            cr_assert_eq(got.i64, of_integers(agg, integers, count), "seed %llu", (unsigned long long)chance.seed);
        } else {
            double want = by_two_passes(agg, reals, count);

            want *= agg == TL_AGG_VAR_POP || agg == TL_AGG_VAR_SAMP ? scale * scale : scale;
            cr_assert(want == got.f64 || fabs(want - got.f64) <= 1e-15 * want || want < 1e-300, "seed %llu: %.17g for %.17g",
                      (unsigned long long)chance.seed, got.f64, want);
        }
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

/* Numbers of all sizes together, huge and tiny among them. */
Test(agg_moments, all_sizes_in_any_order)
{
    struct chance chance = chance_open("agg_moments");

    for (int round = 0; round < 200; round++) {
        enum tl_kind kinds[] = {TL_DOUBLE};
        struct tl_agg_call call = {.agg = TL_AGG_STDDEV_POP + chance_below(&chance, 4), .kind = TL_DOUBLE};
        struct agg_run run;

        agg_run_open(&run, &call, kinds, 1, false, 1 + chance_below(&chance, 20));
        for (uint32_t i = 0; i < run.rows_count; i++) {
            uint64_t bits = chance_u64(&chance);
            double value;

            memcpy(&value, &bits, sizeof value);
            agg_run_put(&run, 0, i, agg_f64(TL_DOUBLE, round % 4 && !isfinite(value) ? 1 : value));
        }
        if (round % 4)
            cr_assert_not(isnan(agg_run_result(&run).f64), "seed %llu", (unsigned long long)chance.seed);
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}
