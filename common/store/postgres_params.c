/* postgres_params.c: values and rows become the parameters of a statement, in PostgreSQL's binary form. */
#include "store/postgres.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { BULK_ROWS = 4096, BULK_BYTES = 1 << 20, VALUE_BYTES_MAX = 1000000000 };
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_FLOAT8 = 701 };
enum { OID_BOOLS = 1000, OID_BYTEAS = 1001, OID_TEXTS = 1009, OID_INT8S = 1016, OID_FLOAT8S = 1022 };

static Oid type_of(char type, bool bulk)
{
    switch (type) {
    case 'o': return bulk ? OID_BOOLS : OID_BOOL;
    case 'f': return bulk ? OID_FLOAT8S : OID_FLOAT8;
    case 't': return bulk ? OID_TEXTS : OID_TEXT;
    case 'b': return bulk ? OID_BYTEAS : OID_BYTEA;
    case 'O': return OID_BOOL;
    case 'F': return OID_FLOAT8;
    case 'T': return OID_TEXT;
    case 'B': return OID_BYTEA;
    case 'I': return OID_INT8;
    default: return bulk ? OID_INT8S : OID_INT8;
    }
}

void tl_pg_params_done(struct tl_pg_params *params)
{
    for (size_t i = 0; params->bytes != NULL && i < params->count; i++)
        tl_buf_done(&params->bytes[i]);
    free(params->bytes);
    free(params->types);
    free(params->values);
    free(params->lengths);
    free(params->formats);
}

enum tl_code tl_pg_params_init(struct tl_pg_params *params, const char *types, bool bulk, struct tl_err *err)
{
    size_t count = strlen(types);

    *params = (struct tl_pg_params){.count = count,
                                    .types = malloc((count + 1) * sizeof *params->types),
                                    .values = calloc(count + 1, sizeof *params->values),
                                    .lengths = calloc(count + 1, sizeof *params->lengths),
                                    .formats = malloc((count + 1) * sizeof *params->formats),
                                    .bytes = calloc(count + 1, sizeof *params->bytes)};
    if (params->types == NULL || params->values == NULL || params->lengths == NULL || params->formats == NULL ||
        params->bytes == NULL)
        return tl_fail_memory(err, count * sizeof *params->bytes);
    for (size_t i = 0; i < count; i++) {
        params->types[i] = type_of(types[i], bulk);
        params->formats[i] = 1;
    }
    return TL_OK;
}

static void put_be32(struct tl_buf *out, uint32_t value)
{
    value = htobe32(value);
    tl_buf_put(out, &value, sizeof value);
}

static void put_be64(struct tl_buf *out, uint64_t value)
{
    value = htobe64(value);
    tl_buf_put(out, &value, sizeof value);
}

static void put_number(struct tl_buf *out, char type, int64_t number, double real)
{
    uint64_t bits;

    if (type == 'o' || type == 'O') {
        tl_buf_put_u8(out, number != 0);
    } else if (type == 'f' || type == 'F') {
        memcpy(&bits, &real, sizeof bits);
        put_be64(out, bits);
    } else {
        put_be64(out, (uint64_t)number);
    }
}

static enum tl_code check_size(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err)
{
    if (bytes > VALUE_BYTES_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: a row of %zu bytes is larger than PostgreSQL takes (1 GB)", pg->base.place,
                       what, bytes);
    return TL_OK;
}

enum tl_code tl_pg_params_bind(struct tl_pg_params *params, struct tl_pg *pg, const char *what, const struct tl_bind *binds,
                               struct tl_err *err)
{
    size_t bytes = 0;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < params->count; i++) {
        char type = binds[i].type;

        if (type == 't' || type == 'b') {
            params->values[i] = binds[i].sv.size == 0 ? "" : binds[i].sv.data;
            bytes += binds[i].sv.size;
            TL_TRY(check_size(pg, what, bytes, err));
            params->lengths[i] = (int)binds[i].sv.size;
        } else {
            tl_buf_init(&params->bytes[i], 0);
            put_number(&params->bytes[i], type, binds[i].i64, binds[i].f64);
            TL_TRY(tl_buf_check(&params->bytes[i], "a statement", err));
            params->values[i] = params->bytes[i].data;
            params->lengths[i] = (int)params->bytes[i].size;
        }
    }
out:
    return rc;
}

/* ---- many rows ---- */

static struct tl_sv text_at(const struct tl_bulk_column *column, size_t row)
{
    const void *cell = (const char *)column->at + row * column->stride;

    return column->layout == TL_LAYOUT_CSTRING ? tl_sv_from(*(const char *const *)cell) : *(const struct tl_sv *)cell;
}

static bool is_null(const struct tl_bulk_column *column, size_t row)
{
    if (column->layout == TL_LAYOUT_CSTRING)
        return *(const char *const *)(const void *)((const char *)column->at + row * column->stride) == NULL;
    return column->null != NULL && column->null[row] != 0;
}

static bool is_text(const struct tl_bulk_column *column)
{
    return column->layout == TL_LAYOUT_SV || column->layout == TL_LAYOUT_CSTRING;
}

static void put_cell(struct tl_buf *out, char type, const struct tl_bulk_column *column, size_t row)
{
    const void *cell = (const char *)column->at + row * column->stride;
    int64_t number = 0;
    double real = 0;

    switch (column->layout) {
    case TL_LAYOUT_I64: number = *(const int64_t *)cell; break;
    case TL_LAYOUT_U32: number = *(const uint32_t *)cell; break;
    case TL_LAYOUT_U8: number = *(const uint8_t *)cell; break;
    case TL_LAYOUT_F64: real = *(const double *)cell; break;
    case TL_LAYOUT_SV:
    case TL_LAYOUT_CSTRING: tl_buf_put_sv(out, text_at(column, row)); return;
    }
    put_number(out, type, number, real);
}

/* An array as PostgreSQL's array_recv reads it: dimensions, whether it has NULLs, the type; size and lower bound; each value behind its
 * size, -1 for NULL. */
static void put_array(struct tl_buf *out, char type, const struct tl_bulk_column *column, size_t from, size_t to)
{
    bool text = is_text(column);
    uint32_t bytes = type == 'o' ? 1 : 8;

    put_be32(out, 1);
    put_be32(out, column->null != NULL || column->layout == TL_LAYOUT_CSTRING);
    put_be32(out, type_of(type, false));
    put_be32(out, (uint32_t)(to - from));
    put_be32(out, 1);
    for (size_t row = from; row < to; row++) {
        if (is_null(column, row)) {
            put_be32(out, UINT32_MAX);
            continue;
        }
        put_be32(out, text ? (uint32_t)text_at(column, row).size : bytes);
        put_cell(out, type, column, row);
    }
}

enum tl_code tl_pg_params_chunk(const struct tl_pg_params *params, struct tl_pg *pg, const char *what,
                                const struct tl_bulk_column *columns, size_t from, size_t rows_count, size_t *to,
                                struct tl_err *err)
{
    size_t sum = 0, row = from;
    enum tl_code rc = TL_OK;

    for (; row < rows_count && row - from < BULK_ROWS; row++) {
        size_t bytes = 0;

        for (size_t i = 0; i < params->count; i++)
            bytes += 4 + (is_text(&columns[i]) ? is_null(&columns[i], row) ? 0 : text_at(&columns[i], row).size : 8);
        if (row > from && sum + bytes > BULK_BYTES)
            break;
        TL_TRY(check_size(pg, what, bytes, err));
        sum += bytes;
    }
    *to = row;
out:
    return rc;
}

enum tl_code tl_pg_params_rows(struct tl_pg_params *params, const char *types, const struct tl_bulk_column *columns, size_t from,
                               size_t to, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < params->count; i++) {
        struct tl_buf *bytes = &params->bytes[i];

        tl_buf_clear(bytes);
        if (types[i] >= 'A' && types[i] <= 'Z')
            put_cell(bytes, types[i], &columns[i], 0);
        else
            put_array(bytes, types[i], &columns[i], from, to);
        TL_TRY(tl_buf_check(bytes, "rows", err));
        params->values[i] = bytes->size == 0 ? "" : bytes->data;
        params->lengths[i] = (int)bytes->size;
    }
out:
    return rc;
}
