/* agg_test.c: accumulators: Flink's results, any order and grouping, what is shared, the byte form and what is refused of it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/agg.h"
#include "support/agg_run.h"
#include "support/chance.h"

static const char *const agg_names[] = {"COUNT(*)",     "COUNT",
                                        "SUM",          "MIN",
                                        "MAX",          "AVG",
                                        "STDDEV_POP",   "STDDEV_SAMP",
                                        "VAR_POP",      "VAR_SAMP",
                                        "FIRST_VALUE",  "LAST_VALUE",
                                        "LISTAGG",      "APPROX_COUNT_DISTINCT",
                                        "PERCENTILE",   "APPROX_PERCENTILE",
                                        "WINDOW_FUNNEL"};

static struct tl_value value_of(enum tl_kind kind, const char *text)
{
    struct tl_value value = {.kind = kind, .is_null = strcmp(text, "NULL") == 0};

    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: value.i64 = value.is_null ? 0 : strtoll(text, NULL, 10); break;
    case TL_FORM_F64: value.f64 = value.is_null ? 0 : strtod(text, NULL); break;
    case TL_FORM_TEXT: value.sv = value.is_null ? (struct tl_sv){NULL, 0} : tl_sv_from(text); break;
    }
    return value;
}

static enum tl_kind result_of(enum tl_agg_kind agg, enum tl_kind arg)
{
    switch (agg) {
    case TL_AGG_COUNT_STAR:
    case TL_AGG_COUNT:
    case TL_AGG_APPROX_COUNT_DISTINCT:
    case TL_AGG_WINDOW_FUNNEL: return TL_BIGINT;
    case TL_AGG_PERCENTILE:
    case TL_AGG_APPROX_PERCENTILE: return TL_DOUBLE;
    default: return arg;
    }
}

/* --- results ----------------------------------------------------------------------------------------------------------- */

struct result_case {
    char name[48];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    char inputs[4][24];
    int inputs_count;
    char want[24];
};

ParameterizedTestParameters(agg, results)
{
    static struct result_case cases[] = {
  /* semantics.md 11, case 20 */
        {"AVG(INT) truncates",                TL_AGG_AVG,        TL_INT,           {"1", "2"},                   2, "1"                   },
        {"AVG(INT) truncates toward zero",    TL_AGG_AVG,        TL_INT,           {"-1", "-2"},                 2, "-1"                  },
        {"AVG of NULL",                       TL_AGG_AVG,        TL_INT,           {"NULL"},                     1, "NULL"                },
        {"SUM(INT) wraps",                    TL_AGG_SUM,        TL_INT,           {"2147483647", "1"},          2, "-2147483648"         },
        {"COUNT(c) of NULL",                  TL_AGG_COUNT,      TL_INT,           {"NULL"},                     1, "0"                   },
        {"SUM of NULL",                       TL_AGG_SUM,        TL_INT,           {"NULL"},                     1, "NULL"                },

        {"COUNT(*) counts NULL",              TL_AGG_COUNT_STAR, TL_INT,           {"NULL", "1"},                2, "2"                   },
        {"COUNT(c) skips NULL",               TL_AGG_COUNT,      TL_STRING,        {"NULL", "", "x"},            3, "2"                   },
        {"COUNT(*) of nothing",               TL_AGG_COUNT_STAR, TL_INT,           {""},                         0, "0"                   },
        {"SUM of nothing",                    TL_AGG_SUM,        TL_DOUBLE,        {""},                         0, "NULL"                },
        {"SUM skips NULL",                    TL_AGG_SUM,        TL_BIGINT,        {"5", "NULL", "-2"},          3, "3"                   },
        {"SUM(TINYINT) wraps",                TL_AGG_SUM,        TL_TINYINT,       {"100", "100"},               2, "-56"                 },
        {"SUM(SMALLINT) wraps",               TL_AGG_SUM,        TL_SMALLINT,      {"-32768", "-1"},             2, "32767"               },
        {"SUM(BIGINT) wraps",                 TL_AGG_SUM,        TL_BIGINT,        {"9223372036854775807", "1"}, 2, "-9223372036854775808"},
        {"SUM(DOUBLE) is exact",              TL_AGG_SUM,        TL_DOUBLE,        {"1e308", "1", "-1e308"},     3, "1"                   },
        {"SUM(DOUBLE) rounds once",           TL_AGG_SUM,        TL_DOUBLE,        {"0.1", "0.2"},               2, "0.30000000000000004" },
        {"SUM(FLOAT) is a float",             TL_AGG_SUM,        TL_FLOAT,         {"16777216", "1", "1"},       3, "16777218"            },
        {"SUM of minus zeros",                TL_AGG_SUM,        TL_DOUBLE,        {"-0.0", "-0.0"},             2, "-0.0"                },
        {"SUM of infinities",                 TL_AGG_SUM,        TL_DOUBLE,        {"inf", "1", "-inf"},         3, "nan"                 },
        {"AVG(TINYINT) sums wider",           TL_AGG_AVG,        TL_TINYINT,       {"100", "100", "101"},        3, "100"                 },
        {"AVG(BIGINT) wraps as the sum does", TL_AGG_AVG,        TL_BIGINT,        {"9223372036854775807", "1"}, 2, "-4611686018427387904"},
        {"AVG skips NULL",                    TL_AGG_AVG,        TL_INT,           {"4", "NULL", "6"},           3, "5"                   },
        {"AVG(DOUBLE)",                       TL_AGG_AVG,        TL_DOUBLE,        {"1", "2"},                   2, "1.5"                 },
        {"AVG(DOUBLE) does not overflow",     TL_AGG_AVG,        TL_DOUBLE,        {"1.5e308", "1.5e308"},       2, "1.5e308"             },
        {"AVG(FLOAT) is a float",             TL_AGG_AVG,        TL_FLOAT,         {"1", "0", "0"},              3, "0x1.555556p-2"       },
        {"MIN(INT)",                          TL_AGG_MIN,        TL_INT,           {"3", "-7", "5"},             3, "-7"                  },
        {"MAX(INT) below zero",               TL_AGG_MAX,        TL_INT,           {"-3", "-7"},                 2, "-3"                  },
        {"MAX skips NULL",                    TL_AGG_MAX,        TL_BIGINT,        {"NULL", "-1", "NULL"},       3, "-1"                  },
        {"MIN of NULL",                       TL_AGG_MIN,        TL_STRING,        {"NULL"},                     1, "NULL"                },
        {"MIN(BOOLEAN)",                      TL_AGG_MIN,        TL_BOOLEAN,       {"1", "0"},                   2, "0"                   },
        {"MAX(TIMESTAMP)",                    TL_AGG_MAX,        TL_TIMESTAMP,     {"-5", "1431857100000"},      2, "1431857100000"       },
        {"MIN(TIMESTAMP_LTZ)",                TL_AGG_MIN,        TL_TIMESTAMP_LTZ, {"-5", "7"},                  2, "-5"                  },
        {"MIN(STRING) by bytes",              TL_AGG_MIN,        TL_STRING,        {"a", "B", "b"},              3, "B"                   },
        {"MAX(STRING): longer wins",          TL_AGG_MAX,        TL_STRING,        {"ab", "abc", "a"},           3, "abc"                 },
        {"MIN(STRING): empty",                TL_AGG_MIN,        TL_STRING,        {"ab", "", "a"},              3, ""                    },
        {"MAX(STRING): bytes are unsigned",   TL_AGG_MAX,        TL_STRING,        {"z", "\xC3\xA9", "a"},       3, "\xC3\xA9"            },
        {"MAX(DOUBLE)",                       TL_AGG_MAX,        TL_DOUBLE,        {"-1.5", "-0.5"},             2, "-0.5"                },
        {"MAX(DOUBLE): NaN is largest",       TL_AGG_MAX,        TL_DOUBLE,        {"nan", "inf"},               2, "nan"                 },
        {"MIN(DOUBLE): NaN is largest",       TL_AGG_MIN,        TL_DOUBLE,        {"nan", "inf"},               2, "inf"                 },
        {"MIN(DOUBLE): -0.0 before 0.0",      TL_AGG_MIN,        TL_DOUBLE,        {"0.0", "-0.0"},              2, "-0.0"                },
        {"MAX(DOUBLE): 0.0 behind -0.0",      TL_AGG_MAX,        TL_DOUBLE,        {"-0.0", "0.0"},              2, "0.0"                 },
    };
    return cr_make_param_array(struct result_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct result_case *c, agg, results)
{
    struct tl_agg_call call = {.agg = c->agg, .kind = result_of(c->agg, c->kind)};
    struct agg_run run;
    struct tl_value want = value_of(call.kind, c->want), got;

    agg_run_open(&run, &call, &c->kind, 1, false, (uint32_t)c->inputs_count);
    if (c->agg == TL_AGG_COUNT_STAR)
        run.call.args_count = 0;
    for (int i = 0; i < c->inputs_count; i++)
        agg_run_put(&run, 0, (uint32_t)i, value_of(c->kind, c->inputs[i]));
    got = agg_run_result(&run);
    cr_assert(tl_value_eq(&got, &want), "%s: null %d, %lld or %g or '%.*s'", c->name, got.is_null, (long long)got.i64, got.f64,
              got.kind == TL_STRING ? (int)got.sv.size : 0, got.kind == TL_STRING ? got.sv.data : "");
    if (tl_kind_form(call.kind) == TL_FORM_F64 && !got.is_null && !isnan(got.f64))
        cr_assert_eq(signbit(got.f64), signbit(want.f64), "%s: the sign of zero", c->name);
    agg_run_close(&run);
}

/* --- FILTER, DISTINCT -------------------------------------------------------------------------------------------------- */

struct distinct_case {
    char name[48];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    bool distinct;
    char inputs[8][12];
    char where[9]; /* a letter for each row: T, F, N */
    char want[24];
};

ParameterizedTestParameters(agg, distinct_and_filter)
{
    static struct distinct_case cases[] = {
        {"COUNT(DISTINCT INT)",                       TL_AGG_COUNT,                 TL_INT,     true,  {"1", "0", "1", "NULL", "0", "-1"},  "TTTTTT", "3"   },
        {"COUNT(DISTINCT) of NULL",                   TL_AGG_COUNT,                 TL_INT,     true,  {"NULL", "NULL"},                    "TT",     "0"   },
        {"COUNT(DISTINCT STRING)",                    TL_AGG_COUNT,                 TL_STRING,  true,  {"a", "", "A", "a", "NULL", ""},     "TTTTTT", "3"   },
        {"COUNT(DISTINCT DOUBLE): one zero, one NaN",
         TL_AGG_COUNT,                                                              TL_DOUBLE,
         true,                                                                                         {"0.0", "-0.0", "nan", "-nan", "1"},
         "TTTTT",                                                                                                                                     "3"   },
        {"COUNT(DISTINCT BOOLEAN)",                   TL_AGG_COUNT,                 TL_BOOLEAN, true,  {"1", "0", "1"},                     "TTT",    "2"   },
        {"SUM(DISTINCT INT)",                         TL_AGG_SUM,                   TL_INT,     true,  {"5", "5", "-2", "NULL"},            "TTTT",   "3"   },
        {"SUM(DISTINCT) of nothing",                  TL_AGG_SUM,                   TL_INT,     true,  {"NULL"},                            "T",      "NULL"},
        {"SUM(DISTINCT TINYINT) wraps",               TL_AGG_SUM,                   TL_TINYINT, true,  {"100", "101", "100"},               "TTT",    "-55" },
        {"SUM(DISTINCT DOUBLE) is exact",             TL_AGG_SUM,                   TL_DOUBLE,  true,  {"1e308", "1", "-1e308", "1"},       "TTTT",   "1"   },
        {"AVG(DISTINCT INT) truncates",               TL_AGG_AVG,                   TL_INT,     true,  {"1", "2", "2", "2"},                "TTTT",   "1"   },
        {"AVG(DISTINCT DOUBLE)",                      TL_AGG_AVG,                   TL_DOUBLE,  true,  {"1", "2", "2", "2"},                "TTTT",   "1.5" },
        {"AVG(DISTINCT FLOAT) of NULL",               TL_AGG_AVG,                   TL_FLOAT,   true,  {"NULL"},                            "T",      "NULL"},
        {"MIN(DISTINCT) is MIN",                      TL_AGG_MIN,                   TL_INT,     true,  {"3", "3", "4"},                     "TTT",    "3"   },
        {"VAR_POP(DISTINCT DOUBLE)",                  TL_AGG_VAR_POP,               TL_DOUBLE,  true,  {"1", "3", "3", "3"},                "TTTT",   "1"   },
        {"STDDEV_SAMP(DISTINCT INT)",                 TL_AGG_STDDEV_SAMP,           TL_INT,     true,  {"1", "3", "3", "5"},                "TTTT",   "2"   },
        {"COUNT(*) FILTER",                           TL_AGG_COUNT_STAR,            TL_INT,     false, {"1", "NULL", "3", "4"},             "TTFN",   "2"   },
        {"COUNT FILTER",                              TL_AGG_COUNT,                 TL_INT,     false, {"1", "NULL", "3", "4"},             "TTFN",   "1"   },
        {"SUM FILTER",                                TL_AGG_SUM,                   TL_BIGINT,  false, {"1", "2", "3", "4"},                "TNFT",   "5"   },
        {"SUM FILTER that nothing passes",            TL_AGG_SUM,                   TL_BIGINT,  false, {"1", "2"},                          "FN",     "NULL"},
        {"MAX FILTER",                                TL_AGG_MAX,                   TL_STRING,  false, {"a", "b", "c"},                     "TTF",    "b"   },
        {"COUNT(DISTINCT) FILTER",                    TL_AGG_COUNT,                 TL_STRING,  true,  {"a", "b", "a", "c"},                "TFTT",   "2"   },
        {"APPROX_COUNT_DISTINCT FILTER",              TL_AGG_APPROX_COUNT_DISTINCT, TL_STRING,  false, {"a", "b", "a", ""},                 "TFTT",   "2"   },
    };
    return cr_make_param_array(struct distinct_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct distinct_case *c, agg, distinct_and_filter)
{
    struct tl_agg_call call = {.agg = c->agg, .kind = result_of(c->agg, c->kind), .distinct = c->distinct};
    struct agg_run run;
    struct tl_value want = value_of(call.kind, c->want), got;

    agg_run_open(&run, &call, &c->kind, 1, true, (uint32_t)strlen(c->where));
    for (uint32_t i = 0; i < run.rows_count; i++) {
        agg_run_put(&run, 0, i, value_of(c->kind, c->inputs[i]));
        agg_run_put(&run, agg_run_where(&run), i,
                    c->where[i] == 'N' ? agg_null(TL_BOOLEAN) : agg_i64(TL_BOOLEAN, c->where[i] == 'T'));
    }
    got = agg_run_result(&run);
    cr_assert(tl_value_eq(&got, &want), "%s: null %d, %lld or %g", c->name, got.is_null, (long long)got.i64, got.f64);
    agg_run_close(&run);
}

/* --- many groups, many calls ------------------------------------------------------------------------------------------- */

static const enum tl_kind kinds[] = {TL_BOOLEAN, TL_TINYINT, TL_SMALLINT, TL_INT,       TL_BIGINT,
                                     TL_FLOAT,   TL_DOUBLE,  TL_STRING,   TL_TIMESTAMP, TL_TIMESTAMP_LTZ};
enum { KINDS = sizeof kinds / sizeof *kinds, CALLS_MAX = 512, STEPS = 3, ROWS = 300, GROUPS = 5 };
/* Beside a column of each kind: filter, frequency, steps of a funnel. */
enum { SLOT_WHERE = KINDS, SLOT_OFTEN, SLOT_STEP, SLOTS = SLOT_STEP + STEPS };

/* Every aggregate over every kind it takes, with and without DISTINCT and FILTER: one layout. */
struct everything {
    struct tl_expr exprs[SLOTS];
    struct tl_expr *args[SLOTS][1 + STEPS]; /* by slot: what a call over that column has for arguments */
    struct tl_agg_call calls[CALLS_MAX];
    uint32_t count;
    struct tl_agg_layout layout;
    struct tl_vec columns[SLOTS], inputs[SLOTS];
    int64_t time_ms[ROWS], offset[ROWS];
    uint32_t partition[ROWS], number[ROWS];
};

static bool takes(enum tl_agg_kind agg, enum tl_kind kind, bool distinct)
{
    switch (agg) {
    case TL_AGG_COUNT_STAR:
    case TL_AGG_FIRST_VALUE:
    case TL_AGG_LAST_VALUE:
    case TL_AGG_APPROX_COUNT_DISTINCT: return !distinct;
    case TL_AGG_COUNT:
    case TL_AGG_MIN:
    case TL_AGG_MAX: return true;
    case TL_AGG_LISTAGG: return kind == TL_STRING;
    case TL_AGG_WINDOW_FUNNEL: return !distinct && kind == TL_TIMESTAMP;
    case TL_AGG_PERCENTILE:
    case TL_AGG_APPROX_PERCENTILE: return !distinct && tl_kind_is_numeric(kind);
    default: return tl_kind_is_numeric(kind);
    }
}

static void call_add(struct everything *e, enum tl_agg_kind agg, uint32_t k, bool distinct, bool where)
{
    uint32_t args = agg == TL_AGG_COUNT_STAR                         ? 0
                    : agg == TL_AGG_WINDOW_FUNNEL                    ? 1 + STEPS
                    : agg == TL_AGG_PERCENTILE && kinds[k] == TL_INT ? 2
                                                                     : 1;

    cr_assert_lt(e->count, CALLS_MAX);
    for (uint32_t a = 1; a < args; a++)
        e->args[k][a] = &e->exprs[agg == TL_AGG_PERCENTILE ? SLOT_OFTEN : SLOT_STEP + a - 1];
    e->calls[e->count++] = (struct tl_agg_call){.agg = agg,
                                                .args = e->args[k],
                                                .args_count = args,
                                                .where = where ? &e->exprs[SLOT_WHERE] : NULL,
                                                .distinct = distinct,
                                                .kind = result_of(agg, kinds[k]),
                                                .point = 0.75,
                                                .separator = TL_SV(", "),
                                                .within_ms = 1000};
}

static void everything_open(struct everything *e, struct tl_arena *arena)
{
    struct tl_err err;

    e->count = 0;
    for (uint32_t k = 0; k < SLOTS; k++) {
        enum tl_kind kind = k < KINDS ? kinds[k] : k == SLOT_OFTEN ? TL_INT : TL_BOOLEAN;

        e->exprs[k] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = kind, .slot = k};
        e->args[k][0] = &e->exprs[k];
        cr_assert(tl_vec_alloc(arena, kind, ROWS, &e->columns[k]));
    }
    for (uint32_t k = 0; k < KINDS; k++)
        for (enum tl_agg_kind agg = TL_AGG_COUNT_STAR; agg <= TL_AGG_WINDOW_FUNNEL; agg++)
            for (uint32_t way = 0; way < 4; way++)
                if (takes(agg, kinds[k], way & 1))
                    call_add(e, agg, k, way & 1, way & 2);
    cr_assert_eq(tl_agg_layout_init(&e->layout, e->calls, e->count, arena, &err), TL_OK);
    for (uint32_t i = 0; i < e->layout.inputs_count; i++)
        e->inputs[i] = e->columns[e->layout.inputs[i]->slot];
}

static struct tl_value random_value(struct chance *chance, enum tl_kind kind, struct tl_arena *arena)
{
    struct tl_value value = {.kind = kind, .is_null = chance_below(chance, 8) == 0};
    uint64_t bits = chance_u64(chance) >> (chance_below(chance, 2) ? 0 : chance_below(chance, 64));

    if (kind == TL_STRING) {
        size_t size = chance_below(chance, chance_below(chance, 10) ? 12 : 100);
        char *text = tl_arena_bytes(arena, size + 1);

        cr_assert_not_null(text);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)('a' + chance_below(chance, 3));
        value.sv = value.is_null ? (struct tl_sv){"", 0} : (struct tl_sv){text, size};
    } else if (tl_kind_form(kind) == TL_FORM_F64) {
        double specials[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN, 0x1p-1074, 1e308, -1e308};

        memcpy(&value.f64, &bits, sizeof bits);
        if (chance_below(chance, 200) == 0)
            value.f64 = specials[chance_below(chance, 8)];
        else if (chance_below(chance, 2) || !isfinite(value.f64))
            value.f64 = (double)(int64_t)bits / 1000.0;
        if (kind == TL_FLOAT)
            value.f64 = (double)(float)value.f64;
        if (value.is_null)
            value.f64 = 0;
    } else {
        int64_t min, max;

        tl_kind_range(kind, &min, &max);
        value.i64 = kind == TL_BOOLEAN    ? (int64_t)(bits & 1)
                    : kind == TL_TINYINT  ? (int64_t)(int8_t)bits
                    : kind == TL_SMALLINT ? (int64_t)(int16_t)bits
                    : kind == TL_INT      ? (int64_t)(int32_t)bits
                                          : (int64_t)bits;
        if (value.is_null)
            value.i64 = 0;
    }
    return value;
}

/* Values of all columns, and a place of its own for each row. */
static void rows_fill(struct everything *e, struct chance *chance, struct tl_arena *arena)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t k = 0; k < SLOTS; k++) {
            struct tl_value value = random_value(chance, e->exprs[k].kind, arena);

            if (k < KINDS && kinds[k] == TL_TIMESTAMP && !value.is_null)
                value.i64 = chance_below(chance, 5000);
            tl_vec_set(&e->columns[k], r, &value);
        }
        e->time_ms[r] = chance_below(chance, 50);
        e->partition[r] = chance_below(chance, 3);
        e->offset[r] = r / 2;
        e->number[r] = r % 2;
    }
}

static void step_all(struct everything *e, const uint32_t *rows, uint32_t count, void *const *states,
                     struct tl_arena *const *arenas)
{
    struct tl_agg_rows in = {e->inputs, e->time_ms, e->offset, e->partition, e->number, 0};

    cr_assert(tl_agg_step(&e->layout, &in, rows, count, states, arenas));
}

static void save(const struct everything *e, const void *block, struct tl_buf *out)
{
    tl_buf_clear(out);
    tl_agg_save(&e->layout, block, out);
    cr_assert_not(out->failed);
}

static void *load(const struct everything *e, struct tl_sv bytes, struct tl_arena *arena)
{
    void *block = tl_arena_zalloc(arena, e->layout.state_bytes);
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_err err;

    cr_assert_not_null(block);
    cr_assert_eq(tl_agg_load(&e->layout, &reader, block, arena, &err), TL_OK, "%s", err.message);
    cr_assert(tl_reader_at_end(&reader));
    return block;
}

static void check_equal(const struct everything *e, const void *a, const void *b, struct tl_arena *arena, uint64_t seed)
{
    const void *blocks[2] = {a, b};

    for (uint32_t i = 0; i < e->count; i++) {
        struct tl_vec out;
        struct tl_value x, y;

        cr_assert(tl_vec_alloc(arena, e->calls[i].kind, 2, &out));
        cr_assert(tl_agg_finish(&e->layout, i, blocks, 2, arena, &out));
        x = tl_vec_get(&out, 0);
        y = tl_vec_get(&out, 1);
        cr_assert(tl_value_eq(&x, &y), "seed %llu: %s over %s differs", (unsigned long long)seed, agg_names[e->calls[i].agg],
                  e->calls[i].args_count ? tl_kind_name(e->calls[i].args[0]->kind) : "*");
    }
}

/* Rows in another order, dealt to workers with tables of their own, some of them through bytes, merged in any order: same bytes. */
Test(agg, any_order_and_grouping_gives_the_same_bytes)
{
    struct chance chance = chance_open("agg");
    struct tl_arena arena, memory[4];
    struct everything e;
    struct tl_buf one, two;

    tl_arena_init(&arena, 1 << 16, 0);
    for (int w = 0; w < 4; w++)
        tl_arena_init(&memory[w], 1 << 16, 0);
    tl_buf_init(&one, 0);
    tl_buf_init(&two, 0);
    for (int round = 0; round < 20; round++) {
        void *blocks[4][GROUPS], *states[ROWS];
        struct tl_arena *arenas[ROWS];
        uint32_t rows[ROWS], group[ROWS], worker[ROWS];

        everything_open(&e, &arena);
        for (int w = 0; w < 4; w++)
            for (int g = 0; g < GROUPS; g++)
                cr_assert_not_null(blocks[w][g] = tl_arena_zalloc(&memory[w], e.layout.state_bytes));
        rows_fill(&e, &chance, &arena);
        for (uint32_t r = 0; r < ROWS; r++) {
            rows[r] = r;
            group[r] = chance_below(&chance, GROUPS);
            worker[r] = 1 + chance_below(&chance, 3);
            states[r] = blocks[0][group[r]];
            arenas[r] = &memory[0];
        }
        step_all(&e, rows, ROWS, states, arenas);
        for (uint32_t i = ROWS - 1; i > 0; i--) {
            uint32_t j = chance_below(&chance, i + 1), swap = rows[i];

            rows[i] = rows[j];
            rows[j] = swap;
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            states[i] = blocks[worker[rows[i]]][group[rows[i]]];
            arenas[i] = &memory[worker[rows[i]]];
        }
        step_all(&e, rows, ROWS, states, arenas);
        for (int g = 0; g < GROUPS; g++) {
            uint32_t into = 1 + chance_below(&chance, 3);

            for (uint32_t w = 1; w < 4; w++) {
                const void *from = blocks[w][g];

                if (w == into)
                    continue;
                if (chance_below(&chance, 2)) {
                    save(&e, from, &two);
                    from = load(&e, tl_buf_sv(&two), &arena);
                }
                cr_assert(tl_agg_merge(&e.layout, blocks[into][g], from, &memory[into]));
            }
            check_equal(&e, blocks[0][g], blocks[into][g], &arena, chance.seed);
            save(&e, blocks[0][g], &one);
            save(&e, blocks[into][g], &two);
            cr_assert(tl_sv_eq(tl_buf_sv(&one), tl_buf_sv(&two)), "seed %llu, round %d: the bytes differ",
                      (unsigned long long)chance.seed, round);
            check_equal(&e, blocks[0][g], load(&e, tl_buf_sv(&one), &arena), &arena, chance.seed);
        }
        tl_arena_reset(&arena);
        for (int w = 0; w < 4; w++)
            tl_arena_reset(&memory[w]);
    }
    tl_buf_done(&one);
    tl_buf_done(&two);
    for (int w = 0; w < 4; w++)
        tl_arena_done(&memory[w]);
    tl_arena_done(&arena);
}

/* Each call in a layout of its own: nothing shared, so that sums without a count are among them. */
Test(agg, alone_any_order_and_grouping_gives_the_same_bytes)
{
    struct chance chance = chance_open("agg");

    for (uint32_t k = 0; k < KINDS; k++) {
        for (enum tl_agg_kind agg = TL_AGG_COUNT_STAR; agg < TL_AGG_WINDOW_FUNNEL; agg++) {
            for (uint32_t way = 0; way < 4; way++) {
                struct tl_agg_call call = {
                    .agg = agg, .kind = result_of(agg, kinds[k]), .distinct = way & 1, .point = 0.3, .separator = TL_SV("|")};
                struct agg_run run;

                if (!takes(agg, kinds[k], call.distinct))
                    continue;
                agg_run_open(&run, &call, &kinds[k], 1, way & 2, 40);
                for (uint32_t r = 0; r < run.rows_count; r++) {
                    agg_run_put(&run, 0, r, random_value(&chance, kinds[k], &run.arena));
                    if (way & 2)
                        agg_run_put(&run, 1, r, random_value(&chance, TL_BOOLEAN, &run.arena));
                    run.time_ms[r] = chance_below(&chance, 9);
                }
                agg_run_check_parts(&run, &chance);
                agg_run_close(&run);
            }
        }
    }
}

static void fill(struct everything *e, struct chance *chance, void *block, struct tl_arena *arena)
{
    void *states[ROWS];
    struct tl_arena *arenas[ROWS];
    uint32_t rows[ROWS];

    rows_fill(e, chance, arena);
    for (uint32_t r = 0; r < ROWS; r++) {
        rows[r] = r;
        states[r] = block;
        arenas[r] = arena;
    }
    step_all(e, rows, chance_below(chance, 4) ? chance_below(chance, 12) : ROWS, states, arenas);
}

/* What was loaded, whatever it was, must save, load again to the same bytes, finish and merge. */
static void exercise(const struct everything *e, struct tl_sv bytes, struct tl_arena *arena, struct tl_buf *one,
                     struct tl_buf *two)
{
    void *block = tl_arena_zalloc(arena, e->layout.state_bytes), *again;
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_err err = {.code = TL_OK};
    enum tl_code rc;

    cr_assert_not_null(block);
    rc = tl_agg_load(&e->layout, &reader, block, arena, &err);
    if (rc != TL_OK) {
        cr_assert_eq(rc, TL_ERR_CORRUPT);
        cr_assert_eq(err.code, TL_ERR_CORRUPT);
        return;
    }
    save(e, block, one);
    again = load(e, tl_buf_sv(one), arena);
    save(e, again, two);
    cr_assert(tl_sv_eq(tl_buf_sv(one), tl_buf_sv(two)));
    cr_assert(tl_agg_merge(&e->layout, again, block, arena));
    check_equal(e, again, again, arena, 0);
}

Test(agg, broken_bytes_never_crash)
{
    struct chance chance = chance_open("agg");
    struct tl_arena arena, memory;
    struct everything e;
    struct tl_buf bytes, one, two;

    tl_arena_init(&arena, 1 << 16, 0);
    tl_arena_init(&memory, 1 << 16, 0);
    tl_buf_init(&bytes, 0);
    tl_buf_init(&one, 0);
    tl_buf_init(&two, 0);
    for (int round = 0; round < 8; round++) {
        void *block;
        struct tl_reader reader;
        struct tl_err err;

        everything_open(&e, &arena);
        block = tl_arena_zalloc(&arena, e.layout.state_bytes);
        fill(&e, &chance, block, &arena);
        save(&e, block, &bytes);
        for (int cut = 0; cut < 300; cut++) {
            size_t size = chance_below(&chance, (uint32_t)bytes.size);

            reader = tl_reader_of((struct tl_sv){bytes.data, size});
            cr_assert_eq(tl_agg_load(&e.layout, &reader, tl_arena_zalloc(&memory, e.layout.state_bytes), &memory, &err),
                         TL_ERR_CORRUPT, "seed %llu: cut at %zu", (unsigned long long)chance.seed, size);
            tl_arena_reset(&memory);
        }
        for (int flip = 0; flip < 500; flip++) {
            size_t at = chance_below(&chance, (uint32_t)bytes.size);
            char old = bytes.data[at];

            bytes.data[at] = (char)(old ^ (1 << chance_below(&chance, 8)));
            exercise(&e, tl_buf_sv(&bytes), &memory, &one, &two);
            bytes.data[at] = old;
            tl_arena_reset(&memory);
        }
        tl_arena_reset(&arena);
    }
    tl_buf_done(&bytes);
    tl_buf_done(&one);
    tl_buf_done(&two);
    tl_arena_done(&memory);
    tl_arena_done(&arena);
}

struct broken_case {
    char name[40];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    uint8_t bytes[20];
    size_t size;
    bool distinct;
};

ParameterizedTestParameters(agg, broken)
{
    static struct broken_case cases[] = {
        {"neither any nor none",        TL_AGG_MIN,                    TL_INT,                                                                                                                   {2, 2},2 },
        {"beyond INT",                  TL_AGG_MAX,                    TL_INT,                                                                                                                   {1, 0x80, 0x80, 0x80, 0x80, 0x10},6 },
        {"beyond BOOLEAN",              TL_AGG_MAX,                    TL_BOOLEAN,                                                                                                               {1, 4},2 },
        {"a sum beyond TINYINT",        TL_AGG_SUM,                    TL_TINYINT,                                                                                                               {1, 0x80, 0x02},3 },
        {"a sum of two",                TL_AGG_SUM,                    TL_TINYINT,                                                                                                               {2, 2},2 },
        {"an average without a sum",    TL_AGG_AVG,                    TL_INT,                                                                                                                   {3},1 },
        {"a count beyond BIGINT",       TL_AGG_COUNT,                  TL_INT,                                                                                                                   {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1},10},
        {"another NaN",                 TL_AGG_MIN,                    TL_DOUBLE,                                                                                                                {1, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F},9 },
        {"no float",                    TL_AGG_MIN,                    TL_FLOAT,                                                                                                                 {1, 1, 0, 0, 0, 0, 0, 0xF0, 0x3F},9 },
        {"numbers but no sum",          TL_AGG_AVG,                    TL_DOUBLE,                                                                                                                {2, 0},2 },
        {"a sum but no numbers",        TL_AGG_AVG,                    TL_DOUBLE,                                                                                                                {0, 2},2 },
        {"a text that ends",            TL_AGG_MAX,                    TL_STRING,                                                                                                                {1, 3, 'a', 'b'},4 },
        {"a set with one number twice", TL_AGG_COUNT,                  TL_INT,                                                                                                                   {2, 4, 4},3,  true},
        {"a set in another order",                             TL_AGG_COUNT,                                   TL_INT,                                                                                                                   {2, 4, 0},3,true},
        {"a set of minus zero",                         TL_AGG_COUNT,                                                      TL_DOUBLE,                                                                                                                                                          {1, 0, 0, 0, 0, 0, 0, 0, 0x80},9,                                                                                                         true},
        {"a set that ends",                            TL_AGG_COUNT,                                                     TL_STRING,                                                                                                                                                                             {2, 1, 'a'},                                        3,true},
        {"a set beyond TINYINT",                  TL_AGG_SUM,                                              TL_TINYINT,{1, 0x80, 0x02},3,true},
        {"a value no times",                   TL_AGG_PERCENTILE,TL_DOUBLE,                                                                                                                      {1, 0, 0, 0, 0, 0, 0, 0, 0, 0},                                                                                                                                                                    10                                                                                                                                                                                                                                                                                                                                                                     },
        {"a bucket below the smallest",TL_AGG_APPROX_PERCENTILE,                           TL_DOUBLE,{1, 2, 1},3},
        {"a bucket behind NaN",            TL_AGG_APPROX_PERCENTILE,      TL_DOUBLE,                                                                                                                      {1, 0x84, 0xFF, 0x0F, 1},                                                                                                                                                                                                                                                                                           5                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      },
        {"squares below the sum's",TL_AGG_VAR_POP,         TL_BIGINT,{2, 1, 8, 1, 7},5},
        {"a sum with a byte too many",                      TL_AGG_VAR_POP,                                  TL_BIGINT,                                                                                                                                                        {1, 2, 2, 0, 1, 1},                                                                                                                                                                                                                                                                                                                                                                                                                                                               6                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             },
        {"squares that are negative",TL_AGG_VAR_POP,TL_DOUBLE,{1, 2, 4, 0, 1, 1, 0, 0},8},
        {"squares but no sum",                      TL_AGG_VAR_POP,                                                              TL_DOUBLE,                                                                                                                                                                                                                                   {1, 0, 0, 0, 0},                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      5                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       },
        {"a place beyond 32 bits",TL_AGG_FIRST_VALUE,TL_INT,{1, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 2},10},
        {"a list in another order",                  TL_AGG_LISTAGG,                                                                                         TL_STRING,                                                                                                                                                                                                                                                                                                                                             {2, 4, 0, 0, 0, 1, 'a', 2, 0, 0, 0, 1, 'b'},                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          13                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                },
        {"a text listed twice",TL_AGG_LISTAGG,TL_STRING,{2, 2, 0, 0, 0, 1, 'a', 4, 0, 0, 0, 1, 'a'},13,true},
        {"a moment of no step",                  TL_AGG_WINDOW_FUNNEL,                                                                                                             TL_TIMESTAMP,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                {1, 2, 0},                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               3                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            },
        {"a moment of a step too many",         TL_AGG_WINDOW_FUNNEL, TL_TIMESTAMP, {1, 2, 2},3},
        {"moments in another order", TL_AGG_WINDOW_FUNNEL,  TL_TIMESTAMP,                                                                                                              {2, 2, 1, 1, 1},5                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             },
        {"a sketch of nothing known",    TL_AGG_APPROX_COUNT_DISTINCT,             TL_INT,                                                                                                                        {8, 2, 1, 7, 14, 3, 12, 0, 9},9},
        {"a sketch of another size",   TL_AGG_APPROX_COUNT_DISTINCT, TL_INT,                                                                                                       {8, 2, 1, 7, 12, 3, 12, 0, 8},9},
    };
    return cr_make_param_array(struct broken_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct broken_case *c, agg, broken)
{
    struct tl_arena arena;
    struct tl_expr arg = {.op = TL_EXPR_SLOT, .kind = c->kind}, step = {.op = TL_EXPR_SLOT, .kind = TL_BOOLEAN};
    struct tl_expr *args[] = {&arg, &step};
    struct tl_agg_call call = {.agg = c->agg,
                               .args = args,
                               .args_count = c->agg == TL_AGG_WINDOW_FUNNEL ? 2 : 1,
                               .distinct = c->distinct,
                               .kind = result_of(c->agg, c->kind)};
    struct tl_agg_layout layout;
    struct tl_reader reader = tl_reader_of((struct tl_sv){(const char *)c->bytes, c->size});
    struct tl_err err = {.code = TL_OK};

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_agg_layout_init(&layout, &call, 1, &arena, &err), TL_OK);
    cr_assert_eq(tl_agg_load(&layout, &reader, tl_arena_zalloc(&arena, layout.state_bytes), &arena, &err), TL_ERR_CORRUPT, "%s",
                 c->name);
    cr_assert_eq(err.code, TL_ERR_CORRUPT);
    tl_arena_done(&arena);
}

Test(agg, an_empty_group_is_small)
{
    struct tl_arena arena;
    struct everything e;
    struct tl_buf bytes;

    tl_arena_init(&arena, 1 << 16, 0);
    tl_buf_init(&bytes, 0);
    everything_open(&e, &arena);
    save(&e, tl_arena_zalloc(&arena, e.layout.state_bytes), &bytes);
    cr_assert_leq(bytes.size, 2 * e.count);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* A text that fits is written over the old one: a group's memory follows its longest text, not its rows. */
Test(agg, texts_are_overwritten_in_place)
{
    struct tl_arena arena, memory, *arenas[1] = {&memory};
    struct tl_expr arg = {.op = TL_EXPR_SLOT, .kind = TL_STRING};
    struct tl_expr *args[] = {&arg};
    struct tl_agg_call call = {.agg = TL_AGG_MAX, .args = args, .args_count = 1, .kind = TL_STRING};
    struct tl_agg_layout layout;
    struct tl_vec column, out;
    struct tl_agg_rows in = {.inputs = &column};
    const void *blocks[1];
    void *states[1];
    struct tl_err err;
    char text[16];

    tl_arena_init(&arena, 4096, 0);
    tl_arena_init(&memory, 4096, 8192);
    cr_assert_eq(tl_agg_layout_init(&layout, &call, 1, &arena, &err), TL_OK);
    cr_assert(tl_vec_alloc(&arena, TL_STRING, 1, &column) && tl_vec_alloc(&arena, TL_STRING, 1, &out));
    blocks[0] = states[0] = tl_arena_zalloc(&arena, layout.state_bytes);
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "%08d", i);
        column.null[0] = 0;
        column.sv[0] = (struct tl_sv){text, 8};
        cr_assert(tl_agg_step(&layout, &in, (const uint32_t[]){0}, 1, states, arenas));
    }
    cr_assert(tl_agg_finish(&layout, 0, blocks, 1, &memory, &out));
    cr_assert(tl_sv_eq(out.sv[0], TL_SV("00099999")));
    tl_arena_done(&memory);
    tl_arena_done(&arena);
}

/* What cannot have memory says so, wherever it would first need some, and a block that it was denied can still be read. */
Test(agg, no_memory)
{
    struct chance chance = chance_open("agg");
    struct tl_arena arena, memory;
    struct everything e;
    struct tl_err err;
    struct tl_buf bytes;
    uint32_t failed = 0;

    tl_arena_init(&arena, 1 << 16, 0);
    tl_arena_init(&memory, 256, 1);
    tl_buf_init(&bytes, 0);
    everything_open(&e, &arena);
    cr_assert_eq(tl_agg_layout_init(&e.layout, e.calls, e.count, &memory, &err), TL_ERR_MEMORY);
    rows_fill(&e, &chance, &arena);
    for (size_t bytes_max = 1000; bytes_max < 400000; bytes_max += bytes_max / 3 + chance_below(&chance, 100)) {
        void *block = tl_arena_zalloc(&arena, e.layout.state_bytes);
        struct tl_agg_rows in = {e.inputs, e.time_ms, e.offset, e.partition, e.number, 0};
        struct tl_arena *arenas[1] = {&memory};

        tl_arena_init(&memory, 256, bytes_max);
        for (uint32_t r = 0; r < ROWS; r++)
            failed += !tl_agg_step(&e.layout, &in, &r, 1, &block, arenas);
        save(&e, block, &bytes);
        check_equal(&e, block, load(&e, tl_buf_sv(&bytes), &arena), &arena, chance.seed);
        tl_arena_done(&memory);
    }
    cr_assert_gt(failed, 0);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* --- sharing ----------------------------------------------------------------------------------------------------------- */

Test(agg, calls_share_what_they_accumulate)
{
    static const struct {
        enum tl_agg_kind agg;
        uint32_t arg;
        bool distinct, where;
        uint32_t state;
    } want[] = {
        {TL_AGG_SUM,         0, false, false, 0 },
        {TL_AGG_AVG,         0, false, false, 0 },
        {TL_AGG_SUM,         0, false, true,  1 },
        {TL_AGG_AVG,         1, false, false, 2 },
        {TL_AGG_VAR_POP,     0, false, false, 3 },
        {TL_AGG_STDDEV_SAMP, 0, false, false, 3 },
        {TL_AGG_COUNT,       0, true,  false, 4 },
        {TL_AGG_SUM,         0, true,  false, 4 },
        {TL_AGG_AVG,         0, true,  false, 4 },
        {TL_AGG_VAR_SAMP,    0, true,  false, 4 },
        {TL_AGG_COUNT,       0, true,  true,  5 },
        {TL_AGG_PERCENTILE,  0, false, false, 6 },
        {TL_AGG_PERCENTILE,  0, false, false, 6 },
        {TL_AGG_MIN,         0, false, false, 7 },
        {TL_AGG_MAX,         0, false, false, 8 },
        {TL_AGG_MIN,         0, true,  false, 7 },
        {TL_AGG_FIRST_VALUE, 0, false, false, 9 },
        {TL_AGG_LAST_VALUE,  0, false, false, 10},
    };
    enum { CALLS = sizeof want / sizeof *want };
    struct tl_expr exprs[3] = {{.kind = TL_INT}, {.kind = TL_INT}, {.kind = TL_BOOLEAN}};
    struct tl_expr *args[2][1] = {{&exprs[0]}, {&exprs[1]}};
    struct tl_agg_call calls[CALLS];
    struct tl_agg_layout layout;
    struct tl_arena arena;
    struct tl_err err;

    tl_arena_init(&arena, 4096, 0);
    for (uint32_t i = 0; i < CALLS; i++)
        calls[i] = (struct tl_agg_call){.agg = want[i].agg,
                                        .args = args[want[i].arg],
                                        .args_count = 1,
                                        .where = want[i].where ? &exprs[2] : NULL,
                                        .distinct = want[i].distinct,
                                        .kind = TL_INT,
                                        .point = 0.01 * i};
    cr_assert_eq(tl_agg_layout_init(&layout, calls, CALLS, &arena, &err), TL_OK);
    for (uint32_t i = 0; i < CALLS; i++)
        cr_assert_eq(layout.state_of[i], want[i].state, "call %u reads accumulator %u", i, layout.state_of[i]);
    cr_assert_eq(layout.states_count, 11);
    cr_assert_eq(layout.inputs_count, 3);
    tl_arena_done(&arena);
}
