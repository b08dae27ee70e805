/* value.c: the types of the SQL subset, single values and columns of them. */
#include "event/value.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"

const char *tl_kind_name(enum tl_kind kind)
{
    switch (kind) {
    case TL_BOOLEAN: return "BOOLEAN";
    case TL_TINYINT: return "TINYINT";
    case TL_SMALLINT: return "SMALLINT";
    case TL_INT: return "INT";
    case TL_BIGINT: return "BIGINT";
    case TL_FLOAT: return "FLOAT";
    case TL_DOUBLE: return "DOUBLE";
    case TL_STRING: return "STRING";
    case TL_TIMESTAMP: return "TIMESTAMP(3)";
    case TL_TIMESTAMP_LTZ: return "TIMESTAMP_LTZ(3)";
    case TL_INTERVAL: return "INTERVAL DAY TO SECOND(3)";
    case TL_NULL: return "NULL";
    }
    return "?";
}

bool tl_kind_is_integer(enum tl_kind kind)
{
    return kind >= TL_TINYINT && kind <= TL_BIGINT;
}

bool tl_kind_is_numeric(enum tl_kind kind)
{
    return kind >= TL_TINYINT && kind <= TL_DOUBLE;
}

void tl_kind_range(enum tl_kind kind, int64_t *min, int64_t *max)
{
    switch (kind) {
    case TL_TINYINT:
        *min = INT8_MIN;
        *max = INT8_MAX;
        return;
    case TL_SMALLINT:
        *min = INT16_MIN;
        *max = INT16_MAX;
        return;
    case TL_INT:
        *min = INT32_MIN;
        *max = INT32_MAX;
        return;
    case TL_BIGINT:
    case TL_BOOLEAN:
    case TL_FLOAT:
    case TL_DOUBLE:
    case TL_STRING:
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ:
    case TL_INTERVAL:
    case TL_NULL: break;
    }
    *min = INT64_MIN;
    *max = INT64_MAX;
}

bool tl_vec_alloc(struct tl_arena *arena, enum tl_kind kind, size_t rows, struct tl_vec *out)
{
    enum tl_form form = tl_kind_form(kind);
    struct tl_vec vec = {.kind = kind};
    size_t bytes;

    if (tl_mul_overflows(rows, form == TL_FORM_TEXT ? sizeof *vec.sv : sizeof *vec.i64, &bytes))
        return false;
    vec.null = (uint8_t *)tl_arena_bytes(arena, rows);
    if (vec.null == NULL)
        return false;
    switch (form) {
    case TL_FORM_I64: vec.i64 = tl_arena_alloc(arena, bytes); break;
    case TL_FORM_F64: vec.f64 = tl_arena_alloc(arena, bytes); break;
    case TL_FORM_TEXT: vec.sv = tl_arena_alloc(arena, bytes); break;
    }
    if (vec.i64 == NULL)
        return false;
    *out = vec;
    return true;
}

int tl_value_order(const struct tl_value *a, const struct tl_value *b)
{
    assert(a->kind == b->kind && !a->is_null && !b->is_null);
    switch (tl_kind_form(a->kind)) {
    case TL_FORM_I64: return (a->i64 > b->i64) - (a->i64 < b->i64);
    case TL_FORM_F64:
        if (isnan(a->f64) || isnan(b->f64))
            return (isnan(a->f64) != 0) - (isnan(b->f64) != 0);
        return (a->f64 > b->f64) - (a->f64 < b->f64);
    case TL_FORM_TEXT: return tl_sv_cmp(a->sv, b->sv);
    }
    return 0;
}

bool tl_value_eq(const struct tl_value *a, const struct tl_value *b)
{
    enum tl_form form = tl_kind_form(a->kind);

    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    if (form != tl_kind_form(b->kind))
        return false;
    switch (form) {
    case TL_FORM_I64: return a->i64 == b->i64;
    case TL_FORM_F64: return a->f64 == b->f64 || (isnan(a->f64) && isnan(b->f64));
    case TL_FORM_TEXT: return tl_sv_eq(a->sv, b->sv);
    }
    return false;
}

/* ---- keys: one byte says NULL or not; then what memcmp puts in the value's order ---- */

#define SIGN_BIT (UINT64_C(1) << 63)
#define THE_NAN UINT64_C(0x7ff8000000000000)

static uint64_t f64_bits(double value)
{
    uint64_t bits;

    if (isnan(value))
        bits = THE_NAN;
    else if (value == 0)
        bits = 0; /* -0.0 groups with 0.0 */
    else
        memcpy(&bits, &value, sizeof bits);
    /* Positive numbers: above the negative ones. Negative numbers: the larger magnitude first. NaN lands above infinity. */
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static bool f64_from_bits(uint64_t key, double *out)
{
    uint64_t bits = key & SIGN_BIT ? key & ~SIGN_BIT : ~key;

    memcpy(out, &bits, sizeof bits);
    return f64_bits(*out) == key; /* no -0.0 and no other NaN: two forms of one value would be two groups */
}

void tl_value_put_key(struct tl_buf *buf, const struct tl_value *value)
{
    uint8_t bytes[9] = {1};
    uint64_t bits;

    if (value->is_null) {
        tl_buf_put_u8(buf, 0);
        return;
    }
    if (tl_kind_form(value->kind) == TL_FORM_TEXT) {
        char *at = tl_buf_reserve(buf, value->sv.size + 2);

        if (at == NULL)
            return;
        at[0] = 1;
        if (value->sv.size > 0)
            memcpy(at + 1, value->sv.data, value->sv.size);
        at[value->sv.size + 1] = 0;
        buf->size += value->sv.size + 2;
        return;
    }
    bits = tl_kind_form(value->kind) == TL_FORM_F64 ? f64_bits(value->f64) : (uint64_t)value->i64 ^ SIGN_BIT;
    for (unsigned i = 0; i < 8; i++)
        bytes[i + 1] = (uint8_t)(bits >> (56 - 8 * i));
    tl_buf_put(buf, bytes, sizeof bytes);
}

static bool i64_fits(enum tl_kind kind, int64_t value)
{
    int64_t min, max;

    tl_kind_range(kind, &min, &max);
    return kind == TL_BOOLEAN ? value == 0 || value == 1 : value >= min && value <= max;
}

bool tl_value_get_key(struct tl_reader *reader, enum tl_kind kind, struct tl_value *out)
{
    struct tl_value value = {.kind = kind};
    uint8_t tag = tl_reader_u8(reader);
    struct tl_sv bytes;
    uint64_t bits = 0;

    if (reader->failed || tag > 1)
        return false;
    if (tag == 0) {
        value.is_null = true;
        if (tl_kind_form(kind) == TL_FORM_TEXT)
            value.sv = (struct tl_sv){NULL, 0};
        *out = value;
        return true;
    }
    if (tl_kind_form(kind) == TL_FORM_TEXT) {
        const char *zero = reader->at == reader->end ? NULL : memchr(reader->at, 0, (size_t)(reader->end - reader->at));

        if (zero == NULL)
            return false;
        value.sv = tl_reader_bytes(reader, (size_t)(zero - reader->at));
        (void)tl_reader_u8(reader);
        *out = value;
        return true;
    }
    bytes = tl_reader_bytes(reader, 8);
    if (reader->failed)
        return false;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | (uint8_t)bytes.data[i];
    if (tl_kind_form(kind) == TL_FORM_F64) {
        if (!f64_from_bits(bits, &value.f64))
            return false;
        if (kind == TL_FLOAT && !isnan(value.f64) && (double)(float)value.f64 != value.f64)
            return false;
    } else {
        value.i64 = (int64_t)(bits ^ SIGN_BIT);
        if (!i64_fits(kind, value.i64))
            return false;
    }
    *out = value;
    return true;
}
