/* function_number.h: numbers as Java has them, for Flink's casts and arithmetic: wrapping, saturating, printing, reading. */
#ifndef TL_FUNCTION_NUMBER_H
#define TL_FUNCTION_NUMBER_H

#include "base/arena.h"
#include "event/value.h"

/* Bits above an integer kind's width within 64; 0 for BIGINT and for kinds that are no integers. */
static inline unsigned tl_i64_spare_bits(enum tl_kind kind)
{
    return kind == TL_TINYINT ? 56 : kind == TL_SMALLINT ? 48 : kind == TL_INT ? 32 : 0;
}
/* The low bits of the value as the kind has them, sign-extended: Java's narrowing of integers. BOOLEAN: 0 or 1. */
static inline int64_t tl_i64_wrap(enum tl_kind kind, int64_t value)
{
    unsigned spare = tl_i64_spare_bits(kind);

    return kind == TL_BOOLEAN ? value != 0 : (int64_t)((uint64_t)value << spare) >> spare;
}
/* Java's (byte), (short), (int), (long) of a double: NaN is 0, what is out of range of int (long) saturates, then it narrows. */
int64_t tl_f64_to_i64(enum tl_kind kind, double value);

/* A total order: -0.0 before 0.0, NaN (any) behind +Inf. Negative, zero or positive, as Double.compare. */
int tl_f64_order(double a, double b);
/* The bits, with one NaN only. */
uint64_t tl_f64_bits(double value);

enum { TL_NUMBER_TEXT_BYTES = 32 };
size_t tl_i64_print(int64_t value, char out[TL_NUMBER_TEXT_BYTES]);
/* Double.toString and Float.toString of JDK 19 and later: the shortest decimal that reads back as the same number, at least one
 * digit on each side of the point, with an exponent below 1E-3 and from 1E7 on. Not zero-terminated; returns the length. */
size_t tl_f64_print(double value, bool is_float, char out[TL_NUMBER_TEXT_BYTES]);

/* Flink's BinaryStringDataUtil.toInt and toLong: [+-]digits[.digits], where the fraction is cut off; also "5." and ".5" (0).
 * No white space. False: not so, or out of the kind's range. */
TL_MUST_USE bool tl_i64_read(struct tl_sv text, enum tl_kind kind, int64_t *out);

enum tl_read { TL_READ_OK, TL_READ_BAD, TL_READ_MEMORY };
/* Double.valueOf and Float.valueOf: white space around is cut, NaN, Infinity, a trailing f, F, d or D; 1e999 is Infinity.
 * Beside Java: hexadecimal is refused. The arena holds a copy of long texts. */
TL_MUST_USE enum tl_read tl_f64_read(struct tl_sv text, bool is_float, struct tl_arena *arena, double *out);

#endif
