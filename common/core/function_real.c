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

TL_REAL_KERNEL(power, power_of(x, y))
TL_REAL_KERNEL(square_root, pow(x, 0.5)) /* POWER(x, 0.5), as Flink has it */
TL_REAL_KERNEL(exponential, exp(x))
TL_REAL_KERNEL(logarithm, log(x))
TL_REAL_KERNEL(logarithm_of_base, log(y) / log(x))
TL_REAL_KERNEL(logarithm_2, log(x) / M_LN2)
TL_REAL_KERNEL(logarithm_10, log10(x))
TL_REAL_KERNEL(sine, sin(x))
TL_REAL_KERNEL(cosine, cos(x))
TL_REAL_KERNEL(tangent, tan(x))
TL_REAL_KERNEL(cotangent, 1 / tan(x))
TL_REAL_KERNEL(arc_sine, asin(x))
TL_REAL_KERNEL(arc_cosine, acos(x))
TL_REAL_KERNEL(arc_tangent, atan(x))
TL_REAL_KERNEL(arc_tangent_2, atan2(x, y))
TL_REAL_KERNEL(sine_h, sinh(x))
TL_REAL_KERNEL(cosine_h, cosh(x))
TL_REAL_KERNEL(tangent_h, tanh(x))
TL_REAL_KERNEL(degrees, x *(180 / M_PI))
TL_REAL_KERNEL(radians, x *(M_PI / 180))

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
