/* value.h: the types of the SQL subset, and a value or a column of one.
 *
 * Three physical forms carry them all: int64_t, double, text. FLOAT is kept as a double that was rounded to float.
 * Source of the type names and widths: Apache Flink 2.3, logical types. */
#ifndef TL_VALUE_H
#define TL_VALUE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

enum tl_kind {
    TL_BOOLEAN = 1, /* 0 or 1 in i64 */
    TL_TINYINT,     /* integers: in i64, always within the type's range */
    TL_SMALLINT,
    TL_INT,
    TL_BIGINT,
    TL_FLOAT, /* f64, a float's value */
    TL_DOUBLE,
    TL_STRING,        /* sv: well-formed UTF-8 without NUL (json_event.h, the normaliser) */
    TL_TIMESTAMP,     /* i64: wall clock without a zone, milliseconds as if it were UTC; TIMESTAMP(3) */
    TL_TIMESTAMP_LTZ, /* i64: an instant, milliseconds since 1970-01-01 UTC; TIMESTAMP_LTZ(3) */
    TL_INTERVAL,      /* i64: milliseconds, DAY TO SECOND; constants only, never a column */
    TL_NULL,          /* the bare literal NULL, before it is given a type; never a column */
};

enum tl_form { TL_FORM_I64, TL_FORM_F64, TL_FORM_TEXT };

static inline enum tl_form tl_kind_form(enum tl_kind kind)
{
    return kind == TL_STRING ? TL_FORM_TEXT : kind == TL_FLOAT || kind == TL_DOUBLE ? TL_FORM_F64 : TL_FORM_I64;
}
/* As Flink prints it: "TIMESTAMP_LTZ(3)", "STRING". */
const char *tl_kind_name(enum tl_kind kind);
bool tl_kind_is_integer(enum tl_kind kind); /* TINYINT .. BIGINT */
bool tl_kind_is_numeric(enum tl_kind kind); /* integers, FLOAT, DOUBLE */
/* Smallest and largest value of an integer kind. */
void tl_kind_range(enum tl_kind kind, int64_t *min, int64_t *max);

struct tl_value {
    enum tl_kind kind;
    bool is_null;
    union {
        int64_t i64;
        double f64;
        struct tl_sv sv;
    };
};

/* A column: `null[i]` not 0 says that row i is NULL (its slot then holds zero or empty text). Plain data, owned by whoever
 * made it; text slots are views. */
struct tl_vec {
    enum tl_kind kind;
    uint8_t *null;
    union {
        int64_t *i64;
        double *f64;
        struct tl_sv *sv;
    };
};

/* Room for `rows` rows of the kind; nothing is initialised. */
TL_MUST_USE bool tl_vec_alloc(struct tl_arena *arena, enum tl_kind kind, size_t rows, struct tl_vec *out);
static inline struct tl_value tl_vec_get(const struct tl_vec *vec, size_t row)
{
    struct tl_value value;

    value.kind = vec->kind; /* plain statements: the C++ file reads this header too */
    value.is_null = vec->null[row] != 0;
    switch (tl_kind_form(vec->kind)) {
    case TL_FORM_I64: value.i64 = vec->i64[row]; break;
    case TL_FORM_F64: value.f64 = vec->f64[row]; break;
    case TL_FORM_TEXT: value.sv = vec->sv[row]; break;
    }
    return value;
}
/* Kinds must have the same form. */
static inline void tl_vec_set(struct tl_vec *vec, size_t row, const struct tl_value *value)
{
    assert(value->kind == TL_NULL || tl_kind_form(vec->kind) == tl_kind_form(value->kind));
    assert(value->kind != TL_NULL || value->is_null);
    vec->null[row] = value->is_null;
    switch (tl_kind_form(vec->kind)) {
    case TL_FORM_I64: vec->i64[row] = value->is_null ? 0 : value->i64; break;
    case TL_FORM_F64: vec->f64[row] = value->is_null ? 0 : value->f64; break;
    case TL_FORM_TEXT: vec->sv[row] = value->is_null ? (struct tl_sv){NULL, 0} : value->sv; break;
    }
}
/* Which comes first, of two values of one kind that are not NULL: NaN behind all numbers, text by bytes. */
int tl_value_order(const struct tl_value *a, const struct tl_value *b);
bool tl_value_eq(const struct tl_value *a, const struct tl_value *b); /* NULL equals NULL here; NaN equals NaN */

/* A value as bytes whose memcmp order is the value's order: 0 for NULL or 1 and then big-endian bits, or the text and a 0.
 * This is the form of group keys, in memory and in the store. -0.0 is written as 0.0; every NaN as one NaN. */
struct tl_buf;
struct tl_reader;
void tl_value_put_key(struct tl_buf *buf, const struct tl_value *value);
/* Views into the reader's bytes. False when they are not such a value. */
TL_MUST_USE bool tl_value_get_key(struct tl_reader *reader, enum tl_kind kind, struct tl_value *out);

#endif
