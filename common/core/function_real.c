/* function_real.c: functions of DOUBLE: powers, logarithms, angles. Integers and FLOAT widen to it.
 *
 * Source: Apache Flink 2, SqlFunctionUtils and MathFunctions; java.lang.Math. The last digit is the C library's. */
#include <math.h>

#include "core/function_rows.h"

/* Java's: an exponent that is NaN gives NaN, also over 1, and so does an infinite one over 1 and -1. */
static double power_of(double base, double exponent)
{
    return isnan(exponent) || (fabs(base) == 1 && isinf(exponent)) ? (double)NAN : pow(base, exponent);
}

/* y is the second argument, or the first again. */
#define KERNEL(name, expression)                                                                                                 \
    static bool name(const struct tl_call *call)                                                                                 \
    {                                                                                                                            \
        const double *a = call->args[0].f64, *b = call->args[call->args_count - 1].f64;                                          \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {                                                                \
            const double x = a[row], y = b[row];                                                                                 \
                                                                                                                                 \
            (void)y;                                                                                                             \
            call->out->f64[row] = (expression);                                                                                  \
        }                                                                                                                        \
        return true;                                                                                                             \
    }

KERNEL(power, power_of(x, y))
KERNEL(square_root, pow(x, 0.5)) /* POWER(x, 0.5), as Flink has it */
KERNEL(exponential, exp(x))
KERNEL(logarithm, log(x))
KERNEL(logarithm_of_base, log(y) / log(x))
KERNEL(logarithm_2, log(x) / M_LN2)
KERNEL(logarithm_10, log10(x))
KERNEL(sine, sin(x))
KERNEL(cosine, cos(x))
KERNEL(tangent, tan(x))
KERNEL(cotangent, 1 / tan(x))
KERNEL(arc_sine, asin(x))
KERNEL(arc_cosine, acos(x))
KERNEL(arc_tangent, atan(x))
KERNEL(arc_tangent_2, atan2(x, y))
KERNEL(sine_h, sinh(x))
KERNEL(cosine_h, cosh(x))
KERNEL(tangent_h, tanh(x))
KERNEL(degrees, x *(180 / M_PI))
KERNEL(radians, x *(M_PI / 180))

static bool fill(const struct tl_call *call, double value)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = value;
    return true;
}

static bool pi(const struct tl_call *call)
{
    return fill(call, M_PI);
}

static bool e(const struct tl_call *call)
{
    return fill(call, M_E);
}

#define ONE(NAME, KERNEL) TL_PREFIX(NAME, DOUBLE, DOUBLE, KERNEL)
#define TWO(NAME, A, B, KERNEL)                                                                                                  \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(" A "DOUBLE, " B "DOUBLE) -> DOUBLE", .args = {TL_DOUBLE, TL_DOUBLE}, .args_min = 2, \
        .args_max = 2, .result = TL_DOUBLE, .null_in_null_out = true, .kernel = (KERNEL)                                         \
    }
#define NONE(NAME, KERNEL)                                                                                                       \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "() -> DOUBLE", .result = TL_DOUBLE, .null_in_null_out = true, .kernel = (KERNEL)      \
    }

static const struct tl_function functions[] = {
    TWO("POWER", "", "exponent ", power),
    ONE("SQRT", square_root),
    ONE("EXP", exponential),
    ONE("LN", logarithm),
    ONE("LOG", logarithm),
    TWO("LOG", "base ", "", logarithm_of_base),
    ONE("LOG2", logarithm_2),
    ONE("LOG10", logarithm_10),
    ONE("SIN", sine),
    ONE("COS", cosine),
    ONE("TAN", tangent),
    ONE("COT", cotangent),
    ONE("ASIN", arc_sine),
    ONE("ACOS", arc_cosine),
    ONE("ATAN", arc_tangent),
    TWO("ATAN2", "y ", "x ", arc_tangent_2),
    ONE("SINH", sine_h),
    ONE("COSH", cosine_h),
    ONE("TANH", tangent_h),
    ONE("DEGREES", degrees),
    ONE("RADIANS", radians),
    NONE("PI", pi),
    NONE("E", e),
};

const struct tl_catalog tl_functions_real = {functions, TL_COUNT(functions), &tl_functions_regex, NULL};
