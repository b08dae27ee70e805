/* value_test.c: kinds, columns, and keys whose bytes are in the values' order. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "event/value.h"

static const enum tl_kind column_kinds[] = {TL_BOOLEAN, TL_TINYINT, TL_SMALLINT, TL_INT,       TL_BIGINT,
                                            TL_FLOAT,   TL_DOUBLE,  TL_STRING,   TL_TIMESTAMP, TL_TIMESTAMP_LTZ};

struct kind_case {
    enum tl_kind kind;
    char name[32];
    enum tl_form form;
    bool is_integer, is_numeric;
    int64_t min, max;
};

ParameterizedTestParameters(value, kind)
{
    static struct kind_case cases[] = {
        {TL_BOOLEAN,       "BOOLEAN",                   TL_FORM_I64,  false, false, INT64_MIN, INT64_MAX},
        {TL_TINYINT,       "TINYINT",                   TL_FORM_I64,  true,  true,  -128,      127      },
        {TL_SMALLINT,      "SMALLINT",                  TL_FORM_I64,  true,  true,  -32768,    32767    },
        {TL_INT,           "INT",                       TL_FORM_I64,  true,  true,  INT32_MIN, INT32_MAX},
        {TL_BIGINT,        "BIGINT",                    TL_FORM_I64,  true,  true,  INT64_MIN, INT64_MAX},
        {TL_FLOAT,         "FLOAT",                     TL_FORM_F64,  false, true,  INT64_MIN, INT64_MAX},
        {TL_DOUBLE,        "DOUBLE",                    TL_FORM_F64,  false, true,  INT64_MIN, INT64_MAX},
        {TL_STRING,        "STRING",                    TL_FORM_TEXT, false, false, INT64_MIN, INT64_MAX},
        {TL_TIMESTAMP,     "TIMESTAMP(3)",              TL_FORM_I64,  false, false, INT64_MIN, INT64_MAX},
        {TL_TIMESTAMP_LTZ, "TIMESTAMP_LTZ(3)",          TL_FORM_I64,  false, false, INT64_MIN, INT64_MAX},
        {TL_INTERVAL,      "INTERVAL DAY TO SECOND(3)", TL_FORM_I64,  false, false, INT64_MIN, INT64_MAX},
        {TL_NULL,          "NULL",                      TL_FORM_I64,  false, false, INT64_MIN, INT64_MAX},
    };
    return cr_make_param_array(struct kind_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct kind_case *c, value, kind)
{
    int64_t min, max;

    cr_assert_str_eq(tl_kind_name(c->kind), c->name);
    cr_assert_eq(tl_kind_form(c->kind), c->form, "%s", c->name);
    cr_assert_eq(tl_kind_is_integer(c->kind), c->is_integer, "%s", c->name);
    cr_assert_eq(tl_kind_is_numeric(c->kind), c->is_numeric, "%s", c->name);
    tl_kind_range(c->kind, &min, &max);
    cr_assert_eq(min, c->min, "%s", c->name);
    cr_assert_eq(max, c->max, "%s", c->name);
}

static struct tl_value of_i64(enum tl_kind kind, int64_t v)
{
    return (struct tl_value){.kind = kind, .i64 = v};
}

static struct tl_value of_f64(enum tl_kind kind, double v)
{
    return (struct tl_value){.kind = kind, .f64 = v};
}

static struct tl_value of_text(struct tl_sv v)
{
    return (struct tl_value){.kind = TL_STRING, .sv = v};
}

static struct tl_value of_null(enum tl_kind kind)
{
    return (struct tl_value){.kind = kind, .is_null = true};
}

Test(value, columns_give_back_what_was_set)
{
    struct tl_arena arena;

    tl_arena_init(&arena, 4096, 0);
    for (size_t k = 0; k < TL_COUNT(column_kinds); k++) {
        enum tl_kind kind = column_kinds[k];
        struct tl_value one, null = of_null(kind), bare = of_null(TL_NULL), got;
        struct tl_vec vec;

        if (tl_kind_form(kind) == TL_FORM_F64)
            one = of_f64(kind, -1.5);
        else if (kind == TL_STRING)
            one = of_text(TL_SV("text"));
        else
            one = of_i64(kind, 1);
        cr_assert(tl_vec_alloc(&arena, kind, 3, &vec));
        cr_assert_eq(vec.kind, kind);
        tl_vec_set(&vec, 0, &one);
        tl_vec_set(&vec, 1, &one);
        tl_vec_set(&vec, 2, &one);
        tl_vec_set(&vec, 1, &null);
        tl_vec_set(&vec, 2, &bare);
        got = tl_vec_get(&vec, 0);
        cr_assert(tl_value_eq(&got, &one) && !got.is_null && got.kind == kind, "%s", tl_kind_name(kind));
        for (size_t row = 1; row < 3; row++) {
            got = tl_vec_get(&vec, row);
            cr_assert(got.is_null && got.kind == kind, "%s", tl_kind_name(kind));
        }
        if (kind == TL_STRING)
            cr_assert_eq(vec.sv[1].size, 0, "a NULL's slot holds empty text");
        else
            cr_assert_eq(vec.i64[1], 0, "a NULL's slot holds zero");
        cr_assert(tl_vec_alloc(&arena, kind, 0, &vec), "no rows is a column too");
        cr_assert_not(tl_vec_alloc(&arena, kind, SIZE_MAX / 4, &vec), "more than memory holds");
    }
    tl_arena_done(&arena);
}

Test(value, equality)
{
    struct tl_value nan_a = of_f64(TL_DOUBLE, NAN), nan_b = of_f64(TL_DOUBLE, -NAN), zero = of_f64(TL_DOUBLE, 0.0),
                    minus_zero = of_f64(TL_DOUBLE, -0.0), null_a = of_null(TL_INT), null_b = of_null(TL_STRING),
                    int_0 = of_i64(TL_INT, 0), big_0 = of_i64(TL_BIGINT, 0), text = of_text(TL_SV("a")),
                    text_2 = of_text(TL_SV("ab")), empty = of_text((struct tl_sv){NULL, 0});

    cr_assert(tl_value_eq(&nan_a, &nan_b), "every NaN is one value");
    cr_assert(tl_value_eq(&zero, &minus_zero));
    cr_assert(tl_value_eq(&null_a, &null_b));
    cr_assert_not(tl_value_eq(&null_a, &int_0));
    cr_assert_not(tl_value_eq(&empty, &null_b), "'' is not NULL");
    cr_assert(tl_value_eq(&int_0, &big_0));
    cr_assert_not(tl_value_eq(&int_0, &zero), "other forms are other values");
    cr_assert_not(tl_value_eq(&text, &text_2));
}

/* ---- keys ---- */

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33 ^ random_state << 31;
}

static struct tl_value random_value(enum tl_kind kind, char text[8])
{
    static const double odd[] = {0.0,  -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 4.9e-324, -4.9e-324, 1.7976931348623157e308,
                                 -1e-3};
    uint64_t bits = random_next();
    int64_t min, max;
    double real;

    if (random_next() % 8 == 0)
        return of_null(kind);
    switch (tl_kind_form(kind)) {
    case TL_FORM_F64:
        if (bits % 4 == 0)
            real = odd[random_next() % TL_COUNT(odd)];
        else
            memcpy(&real, &bits, sizeof real);
        return of_f64(kind, kind == TL_FLOAT ? (double)(float)real : real);
    case TL_FORM_TEXT:
        for (size_t i = 0; i < 8; i++)
            text[i] = "ab\x01\x7f\xc3\xbf"[random_next() % 6];
        return of_text((struct tl_sv){text, bits % 8});
    case TL_FORM_I64: break;
    }
    if (kind == TL_BOOLEAN)
        return of_i64(kind, (int64_t)(bits & 1));
    tl_kind_range(kind, &min, &max);
    if (min != INT64_MIN)
        return of_i64(kind, min + (int64_t)(bits % (uint64_t)(max - min + 1)));
    return of_i64(kind, bits % 3 == 0 ? (int64_t)(bits % 7) - 3 : (int64_t)random_next() ^ (int64_t)bits);
}

/* -1, 0, 1: NULL first, then the values' own order, NaN last. */
static int order_of(const struct tl_value *a, const struct tl_value *b)
{
    if (a->is_null || b->is_null)
        return a->is_null - b->is_null == 0 ? 0 : a->is_null ? -1 : 1;
    switch (tl_kind_form(a->kind)) {
    case TL_FORM_F64:
        if (isnan(a->f64) || isnan(b->f64))
            return (isnan(a->f64) != 0) - (isnan(b->f64) != 0);
        return (a->f64 > b->f64) - (a->f64 < b->f64);
    case TL_FORM_TEXT: return tl_sv_cmp(a->sv, b->sv);
    case TL_FORM_I64: break;
    }
    return (a->i64 > b->i64) - (a->i64 < b->i64);
}

static int key_order(const struct tl_buf *a, const struct tl_buf *b)
{
    int order = tl_sv_cmp(tl_buf_sv(a), tl_buf_sv(b));

    return (order > 0) - (order < 0);
}

Test(value, keys_are_in_the_values_order_and_read_back)
{
    struct tl_buf key[2];
    char text[2][8];

    random_state = (uint64_t)time(NULL);
    printf("value_test: seed %llu\n", (unsigned long long)random_state);
    tl_buf_init(&key[0], 0);
    tl_buf_init(&key[1], 0);
    for (int round = 0; round < 200000; round++) {
        enum tl_kind kind = column_kinds[random_next() % TL_COUNT(column_kinds)];
        struct tl_value value[2];

        for (size_t i = 0; i < 2; i++) {
            struct tl_reader reader;
            struct tl_value back;

            value[i] = random_value(kind, text[i]);
            tl_buf_clear(&key[i]);
            tl_value_put_key(&key[i], &value[i]);
            reader = tl_reader_of(tl_buf_sv(&key[i]));
            cr_assert(tl_value_get_key(&reader, kind, &back) && tl_reader_at_end(&reader), "%s", tl_kind_name(kind));
            cr_assert(tl_value_eq(&back, &value[i]) && back.kind == kind, "%s", tl_kind_name(kind));
            if (tl_kind_form(kind) == TL_FORM_F64 && !back.is_null)
                cr_assert(back.f64 != 0 || !signbit(back.f64), "-0.0 comes back as 0.0");
        }
        cr_assert_eq(order_of(&value[0], &value[1]), key_order(&key[0], &key[1]), "%s: %lld %lld", tl_kind_name(kind),
                     (long long)value[0].i64, (long long)value[1].i64);
    }
    tl_buf_done(&key[0]);
    tl_buf_done(&key[1]);
}

Test(value, keys_of_several_values_are_in_the_order_of_the_first_that_differs)
{
    struct tl_value a[2] = {of_text(TL_SV("a")), of_text(TL_SV("z"))}, ab[2] = {of_text(TL_SV("ab")), of_text(TL_SV("a"))};
    struct tl_buf x, y;

    tl_buf_init(&x, 0);
    tl_buf_init(&y, 0);
    for (size_t i = 0; i < 2; i++) {
        tl_value_put_key(&x, &a[i]);
        tl_value_put_key(&y, &ab[i]);
    }
    cr_assert_lt(key_order(&x, &y), 0, "('a', 'z') before ('ab', 'a')");
    cr_assert_eq(x.size, 6);
    cr_assert_eq(memcmp(x.data, "\001a\000\001z\000", 6), 0, "one, the text, a zero");
    tl_buf_done(&x);
    tl_buf_done(&y);
}

struct bad_key {
    char name[48];
    enum tl_kind kind;
    char bytes[10];
    size_t size;
};

ParameterizedTestParameters(value, refuses_key)
{
    static struct bad_key cases[] = {
        {"nothing",                 TL_INT,     "",                                   0},
        {"a third tag",             TL_INT,     "\2\200\0\0\0\0\0\0\0",               9},
        {"a number cut short",      TL_BIGINT,  "\1\200\0\0\0\0\0\0",                 8},
        {"a text without its zero", TL_STRING,  "\1abc",                              4},
        {"a text without anything", TL_STRING,  "\1",                                 1},
        {"an INT out of range",     TL_INT,     "\1\200\0\0\0\200\0\0\0",             9},
        {"a BOOLEAN of 2",          TL_BOOLEAN, "\1\200\0\0\0\0\0\0\2",               9},
        {"-0.0",                    TL_DOUBLE,  "\1\177\377\377\377\377\377\377\377", 9},
        {"another NaN",             TL_DOUBLE,  "\1\377\370\0\0\0\0\0\1",             9},
        {"a double as FLOAT",       TL_FLOAT,   "\1\277\360\0\0\0\0\0\1",             9},
    };
    return cr_make_param_array(struct bad_key, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct bad_key *c, value, refuses_key)
{
    struct tl_reader reader = tl_reader_of((struct tl_sv){c->bytes, c->size});
    struct tl_value out = of_i64(TL_INT, 77);

    cr_assert_not(tl_value_get_key(&reader, c->kind, &out), "%s", c->name);
    cr_assert_eq(out.i64, 77, "%s: *out was touched", c->name);
}
