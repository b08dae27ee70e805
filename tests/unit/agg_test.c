/* agg_test.c: accumulators: Flink's results, any order and grouping, the byte form and what is refused of it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/agg.h"
#include "support/chance.h"

static const char *const agg_names[] = {"COUNT(*)", "COUNT", "SUM", "MIN", "MAX", "AVG"};

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
    return agg == TL_AGG_COUNT_STAR || agg == TL_AGG_COUNT ? TL_BIGINT : arg;
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
    struct tl_arena arena, *arenas[4] = {&arena, &arena, &arena, &arena};
    struct tl_expr arg = {.op = TL_EXPR_SLOT, .kind = c->kind};
    struct tl_agg_call call = {
        .agg = c->agg, .arg = c->agg == TL_AGG_COUNT_STAR ? NULL : &arg, .kind = result_of(c->agg, c->kind)};
    struct tl_agg_layout layout;
    struct tl_vec column, out;
    struct tl_value want = value_of(call.kind, c->want), got;
    uint32_t rows[4] = {0, 1, 2, 3};
    void *block, *states[4];
    const void *blocks[1];
    struct tl_err err;

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_agg_layout_init(&layout, &call, 1, &arena, &err), TL_OK);
    cr_assert_eq(layout.state_bytes % 8, 0);
    block = tl_arena_zalloc(&arena, layout.state_bytes);
    blocks[0] = block;
    cr_assert(tl_vec_alloc(&arena, c->kind, 4, &column) && tl_vec_alloc(&arena, call.kind, 1, &out));
    for (int i = 0; i < c->inputs_count; i++) {
        struct tl_value value = value_of(c->kind, c->inputs[i]);

        tl_vec_set(&column, (size_t)i, &value);
        states[i] = block;
    }
    cr_assert(tl_agg_step(&layout, 0, call.arg ? &column : NULL, rows, (uint32_t)c->inputs_count, states, arenas));
    tl_agg_finish(&layout, 0, blocks, 1, &out);
    got = tl_vec_get(&out, 0);
    cr_assert(tl_value_eq(&got, &want), "%s: null %d, %lld or %g or '%.*s'", c->name, got.is_null, (long long)got.i64, got.f64,
              got.kind == TL_STRING ? (int)got.sv.size : 0, got.kind == TL_STRING ? got.sv.data : "");
    if (tl_kind_form(call.kind) == TL_FORM_F64 && !got.is_null && !isnan(got.f64))
        cr_assert_eq(signbit(got.f64), signbit(want.f64), "%s: the sign of zero", c->name);
    tl_arena_done(&arena);
}

/* --- many groups, many calls ------------------------------------------------------------------------------------------- */

static const enum tl_kind kinds[] = {TL_BOOLEAN, TL_TINYINT, TL_SMALLINT, TL_INT,       TL_BIGINT,
                                     TL_FLOAT,   TL_DOUBLE,  TL_STRING,   TL_TIMESTAMP, TL_TIMESTAMP_LTZ};
enum { KINDS = sizeof kinds / sizeof *kinds, CALLS_MAX = 64, ROWS = 300, GROUPS = 5 };

/* Every aggregate over every kind it takes: one layout. */
struct everything {
    struct tl_expr args[KINDS];
    struct tl_agg_call calls[CALLS_MAX];
    uint32_t count;
    struct tl_agg_layout layout;
    struct tl_vec columns[KINDS];
};

static void everything_open(struct everything *e, struct tl_arena *arena)
{
    struct tl_err err;

    e->count = 0;
    for (uint32_t k = 0; k < KINDS; k++) {
        e->args[k] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = kinds[k], .slot = k};
        for (enum tl_agg_kind agg = TL_AGG_COUNT_STAR; agg <= TL_AGG_AVG; agg++) {
            if ((agg == TL_AGG_SUM || agg == TL_AGG_AVG) && !tl_kind_is_numeric(kinds[k]))
                continue;
            e->calls[e->count++] = (struct tl_agg_call){
                .agg = agg, .arg = agg == TL_AGG_COUNT_STAR ? NULL : &e->args[k], .kind = result_of(agg, kinds[k])};
        }
        cr_assert(tl_vec_alloc(arena, kinds[k], ROWS, &e->columns[k]));
    }
    cr_assert_leq(e->count, CALLS_MAX);
    cr_assert_eq(tl_agg_layout_init(&e->layout, e->calls, e->count, arena, &err), TL_OK);
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

static void step_all(struct everything *e, const uint32_t *rows, uint32_t count, void *const *states,
                     struct tl_arena *const *arenas)
{
    for (uint32_t i = 0; i < e->count; i++)
        cr_assert(
            tl_agg_step(&e->layout, i, e->calls[i].arg ? &e->columns[e->calls[i].arg->slot] : NULL, rows, count, states, arenas));
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
        tl_agg_finish(&e->layout, i, blocks, 2, &out);
        x = tl_vec_get(&out, 0);
        y = tl_vec_get(&out, 1);
        cr_assert(tl_value_eq(&x, &y), "seed %llu: %s over %s differs", (unsigned long long)seed, agg_names[e->calls[i].agg],
                  e->calls[i].arg ? tl_kind_name(e->calls[i].arg->kind) : "*");
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
    for (int round = 0; round < 60; round++) {
        void *blocks[4][GROUPS], *states[ROWS];
        struct tl_arena *arenas[ROWS];
        uint32_t rows[ROWS], group[ROWS], worker[ROWS];

        everything_open(&e, &arena);
        for (int w = 0; w < 4; w++)
            for (int g = 0; g < GROUPS; g++)
                cr_assert_not_null(blocks[w][g] = tl_arena_zalloc(&memory[w], e.layout.state_bytes));
        for (uint32_t r = 0; r < ROWS; r++) {
            for (uint32_t k = 0; k < KINDS; k++) {
                struct tl_value value = random_value(&chance, kinds[k], &arena);

                tl_vec_set(&e.columns[k], r, &value);
            }
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

static void fill(struct everything *e, struct chance *chance, void *block, struct tl_arena *arena)
{
    void *states[ROWS];
    struct tl_arena *arenas[ROWS];
    uint32_t rows[ROWS];

    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t k = 0; k < KINDS; k++) {
            struct tl_value value = random_value(chance, kinds[k], arena);

            tl_vec_set(&e->columns[k], r, &value);
        }
        rows[r] = r;
        states[r] = block;
        arenas[r] = arena;
    }
    step_all(e, rows, chance_below(chance, 10) ? chance_below(chance, 20) : ROWS, states, arenas);
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
    struct tl_arena arena;
    struct everything e;
    struct tl_buf bytes, one, two;

    tl_arena_init(&arena, 1 << 16, 0);
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
        for (size_t size = 0; size < bytes.size; size++) {
            memset(block, 0, e.layout.state_bytes);
            reader = tl_reader_of((struct tl_sv){bytes.data, size});
            cr_assert_eq(tl_agg_load(&e.layout, &reader, block, &arena, &err), TL_ERR_CORRUPT, "seed %llu: cut at %zu",
                         (unsigned long long)chance.seed, size);
        }
        for (int flip = 0; flip < 3000; flip++) {
            size_t at = chance_below(&chance, (uint32_t)bytes.size);
            char old = bytes.data[at];

            bytes.data[at] = (char)(old ^ (1 << chance_below(&chance, 8)));
            exercise(&e, tl_buf_sv(&bytes), &arena, &one, &two);
            bytes.data[at] = old;
        }
        tl_arena_reset(&arena);
    }
    tl_buf_done(&bytes);
    tl_buf_done(&one);
    tl_buf_done(&two);
    tl_arena_done(&arena);
}

struct broken_case {
    char name[40];
    enum tl_agg_kind agg;
    enum tl_kind kind;
    uint8_t bytes[12];
    size_t size;
};

ParameterizedTestParameters(agg, broken)
{
    static struct broken_case cases[] = {
        {"neither any nor none",     TL_AGG_MIN,   TL_INT,     {2, 2},                                                    2 },
        {"beyond INT",               TL_AGG_MAX,   TL_INT,     {1, 0x80, 0x80, 0x80, 0x80, 0x10},                         6 },
        {"beyond BOOLEAN",           TL_AGG_MAX,   TL_BOOLEAN, {1, 4},                                                    2 },
        {"a sum beyond TINYINT",     TL_AGG_SUM,   TL_TINYINT, {1, 0x80, 0x02},                                           3 },
        {"a sum of two",             TL_AGG_SUM,   TL_TINYINT, {2, 2},                                                    2 },
        {"an average without a sum", TL_AGG_AVG,   TL_INT,     {3},                                                       1 },
        {"a count beyond BIGINT",    TL_AGG_COUNT, TL_INT,     {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1}, 10},
        {"another NaN",              TL_AGG_MIN,   TL_DOUBLE,  {1, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F},                         9 },
        {"no float",                 TL_AGG_MIN,   TL_FLOAT,   {1, 1, 0, 0, 0, 0, 0, 0xF0, 0x3F},                         9 },
        {"numbers but no sum",       TL_AGG_AVG,   TL_DOUBLE,  {2, 0},                                                    2 },
        {"a sum but no numbers",     TL_AGG_AVG,   TL_DOUBLE,  {0, 2},                                                    2 },
        {"a text that ends",         TL_AGG_MAX,   TL_STRING,  {1, 3, 'a', 'b'},                                          4 },
    };
    return cr_make_param_array(struct broken_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct broken_case *c, agg, broken)
{
    struct tl_arena arena;
    struct tl_expr arg = {.op = TL_EXPR_SLOT, .kind = c->kind};
    struct tl_agg_call call = {.agg = c->agg, .arg = &arg, .kind = result_of(c->agg, c->kind)};
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
    struct tl_agg_call call = {.agg = TL_AGG_MAX, .arg = &arg, .kind = TL_STRING};
    struct tl_agg_layout layout;
    struct tl_vec column, out;
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
        cr_assert(tl_agg_step(&layout, 0, &column, (const uint32_t[]){0}, 1, states, arenas));
    }
    tl_agg_finish(&layout, 0, blocks, 1, &out);
    cr_assert(tl_sv_eq(out.sv[0], TL_SV("00099999")));
    tl_arena_done(&memory);
    tl_arena_done(&arena);
}

Test(agg, no_memory)
{
    struct tl_arena arena, none, *arenas[1] = {&none};
    struct tl_expr args[] = {
        {.op = TL_EXPR_SLOT, .kind = TL_STRING},
        {.op = TL_EXPR_SLOT, .kind = TL_DOUBLE}
    };
    struct tl_agg_call calls[] = {
        {.agg = TL_AGG_MIN, .arg = &args[0], .kind = TL_STRING},
        {.agg = TL_AGG_SUM, .arg = &args[1], .kind = TL_DOUBLE}
    };
    struct tl_agg_layout layout;
    struct tl_vec text, real;
    void *states[1];
    struct tl_err err;

    tl_arena_init(&arena, 4096, 0);
    tl_arena_init(&none, 4096, 1);
    cr_assert_eq(tl_agg_layout_init(&layout, calls, 2, &none, &err), TL_ERR_MEMORY);
    cr_assert_eq(tl_agg_layout_init(&layout, calls, 2, &arena, &err), TL_OK);
    cr_assert(tl_vec_alloc(&arena, TL_STRING, 1, &text) && tl_vec_alloc(&arena, TL_DOUBLE, 1, &real));
    text.null[0] = real.null[0] = 0;
    text.sv[0] = TL_SV("x");
    real.f64[0] = 1.5;
    states[0] = tl_arena_zalloc(&arena, layout.state_bytes);
    cr_assert_not(tl_agg_step(&layout, 0, &text, (const uint32_t[]){0}, 1, states, arenas));
    cr_assert_not(tl_agg_step(&layout, 1, &real, (const uint32_t[]){0}, 1, states, arenas));
    tl_arena_done(&arena);
}
