/* function_number.c: numbers as Java has them, for Flink's casts and arithmetic: wrapping, saturating, printing, reading. */
#include "core/function_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t tl_f64_to_i64(enum tl_kind kind, double value)
{
    if (isnan(value))
        return 0;
    if (kind == TL_BIGINT)
        return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
    return tl_i64_wrap(kind, value >= 0x1p31 ? INT32_MAX : value <= -0x1p31 ? INT32_MIN : (int64_t)value);
}

/* Bits that order as the numbers do: negative ones reversed. */
static int64_t order_key(double value)
{
    int64_t bits;

    if (isnan(value))
        return INT64_MAX;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

int tl_f64_order(double a, double b)
{
    int64_t key_a = order_key(a), key_b = order_key(b);

    return (key_a > key_b) - (key_a < key_b);
}

uint64_t tl_f64_bits(double value)
{
    uint64_t bits;

    if (isnan(value))
        return UINT64_C(0x7FF8000000000000);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

size_t tl_i64_print(int64_t value, char out[TL_NUMBER_TEXT_BYTES])
{
    char digits[20];
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t count = 0, size = 0;

    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        out[size++] = '-';
    while (count > 0)
        out[size++] = digits[--count];
    return size;
}

/* d.ddd with `count` digits in all, and a decimal exponent. */
struct decimal {
    char digits[20];
    int count, exponent;
};

static bool reads_back(const struct decimal *decimal, double value, bool is_float)
{
    char text[40];

    snprintf(text, sizeof text, "%.*se%d", decimal->count, decimal->digits, decimal->exponent - decimal->count + 1);
    return is_float ? (double)strtof(text, NULL) == value : strtod(text, NULL) == value;
}

static void decimal_nearest(double value, int count, struct decimal *out)
{
    char text[40];

    snprintf(text, sizeof text, "%.*e", count - 1, value); /* d[.ddd]e[+-]dd[d] */
    out->digits[0] = text[0];
    memcpy(out->digits + 1, text + 2, (size_t)count - 1);
    out->count = count;
    out->exponent = atoi(strchr(text, 'e') + 1);
}

/* One unit up in the last digit. */
static void decimal_step(struct decimal *decimal)
{
    int i = decimal->count;

    while (i > 0 && decimal->digits[i - 1] == '9')
        decimal->digits[--i] = '0';
    if (i > 0) {
        decimal->digits[i - 1]++;
    } else {
        decimal->digits[0] = '1';
        decimal->exponent++;
    }
}

/* The shortest that reads back, of two digits at least; among those of that length the nearest. */
static void decimal_shortest(double value, bool is_float, struct decimal *out)
{
    const int always = is_float ? 9 : 17;
    /* Decimals of so many digits survive a double or float in the normal range, so the shortest is this one without its zeros.
     * In the subnormal range fewer digits do. */
    const bool normal = value >= (is_float ? 0x1p-126 : 0x1p-1022);
    int count = !normal ? 2 : is_float ? 6 : 15;

    for (;; count++) {
        decimal_nearest(value, count, out);
        if (count == always || reads_back(out, value, is_float))
            break;
        /* Above a power of two the numbers lie twice as far apart as below, so the nearest decimal may lie below and read as the
         * neighbour, and the next one, above, still read back. */
        decimal_step(out);
        if (reads_back(out, value, is_float))
            break;
    }
    while (out->count > 2 && out->digits[out->count - 1] == '0')
        out->count--;
}

/* Without an exponent, at least one digit on each side of the point. */
static size_t print_plain(const struct decimal *decimal, char *out)
{
    int count = decimal->count, i = 0;
    size_t size = 0;

    if (decimal->exponent < 0) {
        out[size++] = '0';
        out[size++] = '.';
        for (int zero = -1; zero > decimal->exponent; zero--)
            out[size++] = '0';
        if (count == 2 && decimal->digits[1] == '0')
            count = 1;
    } else {
        for (; i <= decimal->exponent; i++)
            out[size++] = i < count ? decimal->digits[i] : '0';
        out[size++] = '.';
        if (i >= count)
            out[size++] = '0';
    }
    for (; i < count; i++)
        out[size++] = decimal->digits[i];
    return size;
}

size_t tl_f64_print(double value, bool is_float, char out[TL_NUMBER_TEXT_BYTES])
{
    struct decimal decimal;
    size_t size = 0;

    if (isnan(value))
        return (size_t)snprintf(out, TL_NUMBER_TEXT_BYTES, "NaN");
    if (isinf(value))
        return (size_t)snprintf(out, TL_NUMBER_TEXT_BYTES, value < 0 ? "-Infinity" : "Infinity");
    if (signbit(value))
        out[size++] = '-';
    value = fabs(value);
    if (value == 0) {
        out[size++] = '0';
        out[size++] = '.';
        out[size++] = '0';
        return size;
    }
    decimal_shortest(value, is_float, &decimal);
    if (value >= 1e-3 && value < 1e7)
        return size + print_plain(&decimal, out + size);
    out[size++] = decimal.digits[0];
    out[size++] = '.';
    memcpy(out + size, decimal.digits + 1, (size_t)decimal.count - 1);
    size += (size_t)decimal.count - 1;
    out[size++] = 'E';
    return size + tl_i64_print(decimal.exponent, out + size);
}

bool tl_i64_read(struct tl_sv text, enum tl_kind kind, int64_t *out)
{
    size_t i = 0;
    bool negative;
    int64_t value = 0, min, max;

    if (text.size == 0)
        return false;
    negative = text.data[0] == '-';
    if (negative || text.data[0] == '+') {
        i++;
        if (text.size == 1)
            return false;
    }
    for (; i < text.size && text.data[i] != '.'; i++) {
        int digit = text.data[i] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    for (i++; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return false;
    tl_kind_range(kind, &min, &max);
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* digits [. digits] or . digits, then an exponent. */
static bool is_decimal(struct tl_sv text)
{
    size_t i = 0, digits = 0;

    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        i++;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        digits++;
    if (i < text.size && text.data[i] == '.')
        for (i++; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
            digits++;
    if (digits == 0)
        return false;
    if (i < text.size && (text.data[i] == 'e' || text.data[i] == 'E')) {
        i++;
        if (i < text.size && (text.data[i] == '-' || text.data[i] == '+'))
            i++;
        if (i == text.size)
            return false;
        while (i < text.size && text.data[i] >= '0' && text.data[i] <= '9')
            i++;
        if (text.data[i - 1] < '0' || text.data[i - 1] > '9')
            return false;
    }
    return i == text.size;
}

enum tl_read tl_f64_read(struct tl_sv text, bool is_float, struct tl_arena *arena, double *out)
{
    char on_stack[64], *copy = on_stack;
    bool negative;
    struct tl_sv word;

    /* String.trim(): everything up to the blank. */
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    if (text.size == 0)
        return TL_READ_BAD;
    negative = text.data[0] == '-';
    word = text;
    if (negative || word.data[0] == '+') {
        word.data++;
        word.size--;
    }
    if (tl_sv_eq(word, TL_SV("NaN"))) {
        *out = (double)NAN;
        return TL_READ_OK;
    }
    if (tl_sv_eq(word, TL_SV("Infinity"))) {
        *out = negative ? -(double)INFINITY : (double)INFINITY;
        return TL_READ_OK;
    }
    if (strchr("fFdD", text.data[text.size - 1]) != NULL)
        text.size--;
    if (!is_decimal(text))
        return TL_READ_BAD;
    if (text.size >= sizeof on_stack) {
        copy = tl_arena_bytes(arena, text.size + 1);
        if (copy == NULL)
            return TL_READ_MEMORY;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *out = is_float ? (double)strtof(copy, NULL) : strtod(copy, NULL);
    return TL_READ_OK;
}
