/* function.c: the built-in functions and operators, as one catalog: comparisons and truth here, the rest by noun. */
#include "core/function.h"

#include "core/function_rows.h"

void tl_call_null(const struct tl_call *call, uint32_t row)
{
    call->out->null[row] = 1;
    switch (tl_kind_form(call->out->kind)) {
    case TL_FORM_I64: call->out->i64[row] = 0; break;
    case TL_FORM_F64: call->out->f64[row] = 0; break;
    case TL_FORM_TEXT: call->out->sv[row] = (struct tl_sv){"", 0}; break;
    }
}

void tl_call_fail(const struct tl_call *call, uint32_t row)
{
    tl_call_null(call, row);
    if (!call->function->fails_to_null && call->eval->failed != NULL)
        call->eval->failed[row] = call->function->name;
}

/* One kernel for each physical form. Doubles compare as in Java: NaN is equal to nothing, -0.0 to 0.0. */
#define COMPARISON(name, op, text_expression)                                                                                    \
    static bool name##_i64(const struct tl_call *call)                                                                           \
    {                                                                                                                            \
        const int64_t *a = call->args[0].i64, *b = call->args[1].i64;                                                            \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)                                                                  \
            call->out->i64[row] = a[row] op b[row];                                                                              \
        return true;                                                                                                             \
    }                                                                                                                            \
    static bool name##_f64(const struct tl_call *call)                                                                           \
    {                                                                                                                            \
        const double *a = call->args[0].f64, *b = call->args[1].f64;                                                             \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)                                                                  \
            call->out->i64[row] = a[row] op b[row];                                                                              \
        return true;                                                                                                             \
    }                                                                                                                            \
    static bool name##_text(const struct tl_call *call)                                                                          \
    {                                                                                                                            \
        const struct tl_sv *a = call->args[0].sv, *b = call->args[1].sv;                                                         \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)                                                                  \
            call->out->i64[row] = text_expression;                                                                               \
        return true;                                                                                                             \
    }

COMPARISON(equal, ==, tl_sv_eq(a[row], b[row]))
COMPARISON(unequal, !=, !tl_sv_eq(a[row], b[row]))
COMPARISON(less, <, tl_sv_cmp(a[row], b[row]) < 0)
COMPARISON(less_equal, <=, tl_sv_cmp(a[row], b[row]) <= 0)
COMPARISON(greater, >, tl_sv_cmp(a[row], b[row]) > 0)
COMPARISON(greater_equal, >=, tl_sv_cmp(a[row], b[row]) >= 0)

static bool not_boolean(const struct tl_call *call)
{
    const int64_t *a = call->args[0].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = !a[row];
    return true;
}

/* IS ...: never NULL, so they see the NULLs. */
#define IS_TEST(name, expression)                                                                                                \
    static bool name(const struct tl_call *call)                                                                                 \
    {                                                                                                                            \
        const struct tl_vec *a = &call->args[0];                                                                                 \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)                                                                  \
            call->out->i64[row] = (expression);                                                                                  \
        return true;                                                                                                             \
    }

IS_TEST(is_null, a->null[row] != 0)
IS_TEST(is_not_null, a->null[row] == 0)
IS_TEST(is_true, !a->null[row] && a->i64[row] != 0)
IS_TEST(is_false, !a->null[row] && a->i64[row] == 0)
IS_TEST(is_not_true, a->null[row] || a->i64[row] == 0)
IS_TEST(is_not_false, a->null[row] || a->i64[row] != 0)

#define COMPARISONS(NAME, kernel)                                                                                                \
    TL_INFIX(NAME, STRING, STRING, BOOLEAN, kernel##_text, false),                                                               \
        TL_INFIX(NAME, BOOLEAN, BOOLEAN, BOOLEAN, kernel##_i64, false),                                                          \
        TL_INFIX(NAME, TINYINT, TINYINT, BOOLEAN, kernel##_i64, false),                                                          \
        TL_INFIX(NAME, SMALLINT, SMALLINT, BOOLEAN, kernel##_i64, false),                                                        \
        TL_INFIX(NAME, INT, INT, BOOLEAN, kernel##_i64, false), TL_INFIX(NAME, BIGINT, BIGINT, BOOLEAN, kernel##_i64, false),    \
        TL_INFIX(NAME, FLOAT, FLOAT, BOOLEAN, kernel##_f64, false),                                                              \
        TL_INFIX(NAME, DOUBLE, DOUBLE, BOOLEAN, kernel##_f64, false),                                                            \
        TL_INFIX(NAME, TIMESTAMP, TIMESTAMP, BOOLEAN, kernel##_i64, false),                                                      \
        TL_INFIX(NAME, TIMESTAMP_LTZ, TIMESTAMP_LTZ, BOOLEAN, kernel##_i64, false),                                              \
        TL_INFIX(NAME, INTERVAL, INTERVAL, BOOLEAN, kernel##_i64, false)

#define TEST(NAME, A, KERNEL)                                                                                                    \
    {                                                                                                                            \
        .name = (NAME), .signature = #A " " NAME " -> BOOLEAN", .args = {TL_##A}, .args_min = 1, .args_max = 1,                  \
        .result = TL_BOOLEAN, .kernel = (KERNEL)                                                                                 \
    }
#define TESTS(NAME, KERNEL)                                                                                                      \
    TEST(NAME, STRING, KERNEL), TEST(NAME, BOOLEAN, KERNEL), TEST(NAME, TINYINT, KERNEL), TEST(NAME, SMALLINT, KERNEL),          \
        TEST(NAME, INT, KERNEL), TEST(NAME, BIGINT, KERNEL), TEST(NAME, FLOAT, KERNEL), TEST(NAME, DOUBLE, KERNEL),              \
        TEST(NAME, TIMESTAMP, KERNEL), TEST(NAME, TIMESTAMP_LTZ, KERNEL), TEST(NAME, INTERVAL, KERNEL)

static const struct tl_function functions[] = {
    COMPARISONS("=", equal),
    COMPARISONS("<>", unequal),
    COMPARISONS("<", less),
    COMPARISONS("<=", less_equal),
    COMPARISONS(">", greater),
    COMPARISONS(">=", greater_equal),
    TL_PREFIX("NOT", BOOLEAN, BOOLEAN, not_boolean),
    TESTS("IS NULL", is_null),
    TESTS("IS NOT NULL", is_not_null),
    TEST("IS TRUE", BOOLEAN, is_true),
    TEST("IS FALSE", BOOLEAN, is_false),
    TEST("IS NOT TRUE", BOOLEAN, is_not_true),
    TEST("IS NOT FALSE", BOOLEAN, is_not_false),
};

static const struct tl_catalog catalog = {functions, TL_COUNT(functions), &tl_functions_math, NULL};

const struct tl_catalog *tl_function_catalog(void)
{
    return &catalog;
}
