/* key_fuzz.c: any bytes as a group's key: refused, or values that are written as the same bytes again; and the order of two
 * keys' bytes is that of their values. The first byte says of how many columns, a byte each says of what kind; then two keys,
 * a block each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "event/value.h"
#include "fuzz/target.h"

enum { COLUMNS_MAX = 4 };
static const enum tl_kind all_kinds[] = {TL_BOOLEAN, TL_TINYINT, TL_SMALLINT, TL_INT,       TL_BIGINT,
                                         TL_FLOAT,   TL_DOUBLE,  TL_STRING,   TL_TIMESTAMP, TL_TIMESTAMP_LTZ};

struct key {
    struct tl_sv bytes;
    struct tl_value values[COLUMNS_MAX];
};

static bool key_read(struct tl_sv bytes, const enum tl_kind *kinds, uint32_t count, struct key *key)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_buf again;

    key->bytes = bytes;
    for (uint32_t i = 0; i < count; i++)
        if (!tl_value_get_key(&reader, kinds[i], &key->values[i]))
            return false;
    if (!tl_reader_at_end(&reader))
        return false;
    tl_buf_init(&again, 0);
    for (uint32_t i = 0; i < count; i++)
        tl_value_put_key(&again, &key->values[i]);
    CHECK(tl_sv_eq(tl_buf_sv(&again), bytes));
    tl_buf_done(&again);
    return true;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* NULL first, NaN last. */
static int value_order(const struct tl_value *a, const struct tl_value *b)
{
    if (a->is_null || b->is_null)
        return b->is_null - a->is_null;
    switch (tl_kind_form(a->kind)) {
    case TL_FORM_TEXT: return tl_sv_cmp(a->sv, b->sv);
    case TL_FORM_F64:
        if (isnan(a->f64) || isnan(b->f64))
            return (isnan(a->f64) != 0) - (isnan(b->f64) != 0);
        return (a->f64 > b->f64) - (a->f64 < b->f64);
    case TL_FORM_I64: break;
    }
    return (a->i64 > b->i64) - (a->i64 < b->i64);
}

static int key_order(const struct key *a, const struct key *b, uint32_t count)
{
    int order = 0;

    for (uint32_t i = 0; i < count && order == 0; i++)
        order = value_order(&a->values[i], &b->values[i]);
    return order;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_reader reader = tl_reader_of((struct tl_sv){(const char *)data, size});
    uint32_t count = tl_reader_u8(&reader) % COLUMNS_MAX + 1;
    enum tl_kind kinds[COLUMNS_MAX];
    struct key a, b;

    for (uint32_t i = 0; i < count; i++)
        kinds[i] = all_kinds[tl_reader_u8(&reader) % TL_COUNT(all_kinds)];
    if (!key_read(tl_reader_block(&reader), kinds, count, &a) || !key_read(tl_reader_block(&reader), kinds, count, &b))
        return 0;
    CHECK(sign(tl_sv_cmp(a.bytes, b.bytes)) == sign(key_order(&a, &b, count)));
    return 0;
}
