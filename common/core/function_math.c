/* function_math.c: arithmetic on numbers, as Java computes it: the operators, ABS and MOD. */
#include <math.h>

#include "core/function_number.h"
#include "core/function_rows.h"

/* Integers of every width go through one kernel: computed modulo 2^64 from x and y, then cut to the width and sign-extended. */
#define INTEGER_KERNEL(name, expression)                                                                                         \
    static bool name(const struct tl_call *call)                                                                                 \
    {                                                                                                                            \
        const unsigned spare = tl_i64_spare_bits(call->out->kind);                                                               \
        const int64_t *a = call->args[0].i64, *b = call->args[call->args_count - 1].i64;                                         \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {                                                                \
            const uint64_t x = (uint64_t)a[row], y = (uint64_t)b[row];                                                           \
                                                                                                                                 \
            (void)y;                                                                                                             \
            call->out->i64[row] = (int64_t)((expression) << spare) >> spare;                                                     \
        }                                                                                                                        \
        return true;                                                                                                             \
    }

INTEGER_KERNEL(add_i64, x + y)
INTEGER_KERNEL(subtract_i64, x - y)
INTEGER_KERNEL(multiply_i64, x *y)
INTEGER_KERNEL(negate_i64, 0 - x)

/* Division by -1 is a negation: it wraps where the machine's division would trap. */
static bool divide_i64(const struct tl_call *call)
{
    const enum tl_kind kind = call->out->kind;
    const int64_t *a = call->args[0].i64, *b = call->args[1].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (b[row] == 0) {
            tl_call_fail(call, row);
            continue;
        }
        call->out->i64[row] = tl_i64_wrap(kind, b[row] == -1 ? (int64_t)(0 - (uint64_t)a[row]) : a[row] / b[row]);
    }
    return true;
}

/* In MOD the dividend is widened to BIGINT: the result is smaller than the divisor, and of its kind. */
static bool remainder_i64(const struct tl_call *call)
{
    const int64_t *a = call->args[0].i64, *b = call->args[1].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (b[row] == 0) {
            tl_call_fail(call, row);
            continue;
        }
        call->out->i64[row] = b[row] == -1 ? 0 : a[row] % b[row];
    }
    return true;
}

static bool abs_i64(const struct tl_call *call)
{
    const enum tl_kind kind = call->out->kind;
    const int64_t *a = call->args[0].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = a[row] < 0 ? tl_i64_wrap(kind, (int64_t)(0 - (uint64_t)a[row])) : a[row];
    return true;
}

/* A float's operation done in double and rounded to float gives the float's own result: 53 >= 2 * 24 + 2 bits. */
#define REAL_KERNEL(name, expression)                                                                                            \
    TL_REAL_KERNEL(name##_f64, expression)                                                                                       \
    static bool name##_f32(const struct tl_call *call)                                                                           \
    {                                                                                                                            \
        if (!name##_f64(call))                                                                                                   \
            return false;                                                                                                        \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)                                                                  \
            call->out->f64[row] = (double)(float)call->out->f64[row];                                                            \
        return true;                                                                                                             \
    }

REAL_KERNEL(add, x + y)
REAL_KERNEL(subtract, x - y)
REAL_KERNEL(multiply, x *y)
REAL_KERNEL(divide, x / y) /* by zero: an infinity or NaN, as in Java */
REAL_KERNEL(remainder, fmod(x, y))
REAL_KERNEL(negate, -x)
REAL_KERNEL(abs, fabs(x))

#define ARITHMETIC(NAME, kernel, CAN_FAIL)                                                                                       \
    TL_INFIX(NAME, TINYINT, TINYINT, TINYINT, kernel##_i64, CAN_FAIL),                                                           \
        TL_INFIX(NAME, SMALLINT, SMALLINT, SMALLINT, kernel##_i64, CAN_FAIL),                                                    \
        TL_INFIX(NAME, INT, INT, INT, kernel##_i64, CAN_FAIL), TL_INFIX(NAME, BIGINT, BIGINT, BIGINT, kernel##_i64, CAN_FAIL),   \
        TL_INFIX(NAME, FLOAT, FLOAT, FLOAT, kernel##_f32, false), TL_INFIX(NAME, DOUBLE, DOUBLE, DOUBLE, kernel##_f64, false)
#define ONE_NUMBER(NAME, kernel)                                                                                                 \
    TL_PREFIX(NAME, TINYINT, TINYINT, kernel##_i64), TL_PREFIX(NAME, SMALLINT, SMALLINT, kernel##_i64),                          \
        TL_PREFIX(NAME, INT, INT, kernel##_i64), TL_PREFIX(NAME, BIGINT, BIGINT, kernel##_i64),                                  \
        TL_PREFIX(NAME, FLOAT, FLOAT, kernel##_f32), TL_PREFIX(NAME, DOUBLE, DOUBLE, kernel##_f64)
#define MOD(B)                                                                                                                   \
    {                                                                                                                            \
        .name = "MOD", .signature = "MOD(BIGINT, " #B ") -> " #B, .args = {TL_BIGINT, TL_##B}, .args_min = 2, .args_max = 2,     \
        .result = TL_##B, .null_in_null_out = true, .can_fail = true, .kernel = remainder_i64                                    \
    }

static const struct tl_function functions[] = {
    ARITHMETIC("+", add, false),
    ARITHMETIC("-", subtract, false),
    ARITHMETIC("*", multiply, false),
    ARITHMETIC("/", divide, true),
    ARITHMETIC("%", remainder, true),
    ONE_NUMBER("NEGATE", negate),
    ONE_NUMBER("ABS", abs),
    MOD(TINYINT),
    MOD(SMALLINT),
    MOD(INT),
    MOD(BIGINT),
};

const struct tl_catalog tl_functions_math = {functions, TL_COUNT(functions), &tl_functions_text, NULL};
