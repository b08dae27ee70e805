/* function_round.c: numbers to fewer digits: ROUND, TRUNCATE, FLOOR, CEIL, SIGN.
 *
 * A DOUBLE is rounded as the shortest decimal that reads back as it, half away from zero: 1.005 to two digits is 1.01. A FLOAT is
 * widened first. What an integer rounds up to beyond its width wraps. NaN and infinities have no decimal, and fail.
 * Source: Apache Flink 2, SqlFunctionUtils.sround and struncate (java.math.BigDecimal). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/function_number.h"
#include "core/function_rows.h"

enum {
    INTEGER_DIGITS = 19, /* of a BIGINT */
    REAL_DIGITS = 17,    /* of a DOUBLE's shortest decimal */
    TEXT_BYTES = 64,
};

/* --- integers ------------------------------------------------------------------------------------------------------------- */

/* To `digits` behind the point: only below 0 is there anything to do. Modulo 2^64. */
static int64_t integer_cut(int64_t value, int64_t digits, bool half_up)
{
    const uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1, result;

    if (digits >= 0)
        return value;
    if (digits < -INTEGER_DIGITS)
        return 0;
    for (; digits < 0; digits++)
        unit *= 10;
    result = magnitude / unit + (half_up && magnitude % unit >= unit / 2);
    result *= unit;
    return (int64_t)(value < 0 ? 0 - result : result);
}

static bool cut_i64(const struct tl_call *call, bool half_up)
{
    const enum tl_kind kind = call->out->kind;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t digits = call->args_count == 2 ? call->args[1].i64[row] : 0;

        call->out->i64[row] = tl_i64_wrap(kind, integer_cut(call->args[0].i64[row], digits, half_up));
    }
    return true;
}

static bool round_i64(const struct tl_call *call)
{
    return cut_i64(call, true);
}

static bool truncate_i64(const struct tl_call *call)
{
    return cut_i64(call, false);
}

/* --- reals ---------------------------------------------------------------------------------------------------------------- */

/* 0.d1d2d3... times 10 to the exponent. */
struct decimal {
    char digits[REAL_DIGITS + 1];
    int64_t count, exponent;
    bool negative;
};

/* Of a finite number as it is printed: [-]digits.digits[E[-]digits]. */
static void decimal_of(double value, struct decimal *out)
{
    char text[TL_NUMBER_TEXT_BYTES + 1];
    const char *at = text;
    bool behind_point = false;

    text[tl_f64_print(value, false, text)] = '\0';
    *out = (struct decimal){.negative = *at == '-'};
    at += out->negative;
    for (; *at != '\0' && *at != 'E'; at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        if (out->count == 0 && *at == '0') { /* a leading zero */
            out->exponent -= behind_point;
            continue;
        }
        out->exponent += !behind_point;
        if (out->count < REAL_DIGITS)
            out->digits[out->count++] = *at;
    }
    if (*at == 'E')
        out->exponent += strtol(at + 1, NULL, 10);
}

/* One unit up in the last of the digits that are left. */
static void decimal_up(struct decimal *decimal)
{
    while (decimal->count > 0 && decimal->digits[decimal->count - 1] == '9')
        decimal->count--;
    if (decimal->count > 0) {
        decimal->digits[decimal->count - 1]++;
    } else {
        decimal->digits[decimal->count++] = '1';
        decimal->exponent++;
    }
}

/* Cuts to `places` behind the point. */
static void decimal_cut(struct decimal *decimal, int64_t places, bool half_up)
{
    const int64_t left = decimal->exponent + places; /* so many of the digits */
    bool up;

    if (left >= decimal->count)
        return;
    up = half_up && left >= 0 && decimal->digits[left] >= '5';
    decimal->count = left > 0 ? left : 0;
    if (up)
        decimal_up(decimal);
}

static double decimal_value(const struct decimal *decimal, bool is_float)
{
    char text[TEXT_BYTES];

    if (decimal->count == 0)
        return 0;
    snprintf(text, sizeof text, "%s0.%.*se%lld", decimal->negative ? "-" : "", (int)decimal->count, decimal->digits,
             (long long)decimal->exponent);
    return is_float ? (double)strtof(text, NULL) : strtod(text, NULL);
}

static bool cut_f64(const struct tl_call *call, bool half_up)
{
    const bool is_float = call->out->kind == TL_FLOAT;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        double value = call->args[0].f64[row];
        int64_t places = call->args_count == 2 ? call->args[1].i64[row] : 0;
        struct decimal decimal;

        if (!isfinite(value)) {
            tl_call_fail(call, row);
            continue;
        }
        decimal_of(value, &decimal);
        decimal_cut(&decimal, places, half_up);
        call->out->f64[row] = decimal_value(&decimal, is_float);
    }
    return true;
}

static bool round_f64(const struct tl_call *call)
{
    return cut_f64(call, true);
}

static bool truncate_f64(const struct tl_call *call)
{
    return cut_f64(call, false);
}

/* --- FLOOR, CEIL, SIGN ---------------------------------------------------------------------------------------------------- */

static bool same_i64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = call->args[0].i64[row];
    return true;
}

static bool floor_f64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = floor(call->args[0].f64[row]);
    return true;
}

static bool ceil_f64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = ceil(call->args[0].f64[row]);
    return true;
}

static bool sign_i64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = (call->args[0].i64[row] > 0) - (call->args[0].i64[row] < 0);
    return true;
}

/* Of a zero and of NaN the number itself. */
static bool sign_f64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        double value = call->args[0].f64[row];

        call->out->f64[row] = value > 0 ? 1 : value < 0 ? -1 : value;
    }
    return true;
}

/* Without a number of digits, and with one. */
#define CUT(NAME, A, KERNEL, CAN_FAIL)                                                                                           \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(" #A "[, digits INT]) -> " #A, .args = {TL_##A, TL_INT}, .args_min = 1,              \
        .args_max = 2, .result = TL_##A, .null_in_null_out = true, .can_fail = (CAN_FAIL), .kernel = (KERNEL)                    \
    }
#define CUTS(NAME, kernel)                                                                                                       \
    CUT(NAME, TINYINT, kernel##_i64, false), CUT(NAME, SMALLINT, kernel##_i64, false), CUT(NAME, INT, kernel##_i64, false),      \
        CUT(NAME, BIGINT, kernel##_i64, false), CUT(NAME, FLOAT, kernel##_f64, true), CUT(NAME, DOUBLE, kernel##_f64, true)
#define WHOLE(NAME, kernel)                                                                                                      \
    TL_PREFIX(NAME, TINYINT, TINYINT, same_i64), TL_PREFIX(NAME, SMALLINT, SMALLINT, same_i64),                                  \
        TL_PREFIX(NAME, INT, INT, same_i64), TL_PREFIX(NAME, BIGINT, BIGINT, same_i64),                                          \
        TL_PREFIX(NAME, FLOAT, FLOAT, kernel##_f64), TL_PREFIX(NAME, DOUBLE, DOUBLE, kernel##_f64)

static const struct tl_function functions[] = {
    CUTS("ROUND", round),
    CUTS("TRUNCATE", truncate),
    WHOLE("FLOOR", floor),
    WHOLE("CEIL", ceil),
    WHOLE("CEILING", ceil),
    TL_PREFIX("SIGN", INT, INT, sign_i64),
    TL_PREFIX("SIGN", BIGINT, BIGINT, sign_i64),
    TL_PREFIX("SIGN", FLOAT, FLOAT, sign_f64),
    TL_PREFIX("SIGN", DOUBLE, DOUBLE, sign_f64),
};

const struct tl_catalog tl_functions_round = {functions, TL_COUNT(functions), &tl_functions_unit, NULL};
