/* store_rows.c: how rows go into a definition's tables, a column at a time. */
#include "store/store_handle.h"

#include <stdlib.h>

static char letter_of(enum tl_kind kind)
{
    if (kind == TL_BOOLEAN)
        return 'o';
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: return 'i';
    case TL_FORM_F64: return 'f';
    case TL_FORM_TEXT: break;
    }
    return 't';
}

enum tl_code tl_known_put_insert(struct tl_store *store, struct tl_buf *out, const struct tl_known *d, const struct tl_buf *table,
                                 const char *own, bool new_rows, struct tl_buf *types, struct tl_err *err)
{
    enum tl_code rc;

    tl_buf_put_str(out, new_rows ? tl_database_insert_new(store->database->dialect) : "INSERT INTO ");
    tl_merge_view_put_name(out, tl_buf_sv(table));
    tl_buf_printf(out, " (%s, _end_ms, _start_ms, _key, _acc", own);
    tl_buf_put_str(types, "Iiibb");
    if (!d->windowed) {
        tl_buf_put_str(out, ", _partition, _offset, _row");
        tl_buf_put_str(types, "iii");
    }
    for (uint32_t i = 0; i < d->stored_count; i++) {
        const struct tl_shape_column *column = &d->columns[d->stored[i]];

        tl_buf_put_str(out, ", ");
        tl_store_put_stored_name(out, column);
        tl_buf_put_u8(types, (uint8_t)letter_of(column->kind));
    }
    tl_buf_put_u8(types, '\0');
    TL_TRY(tl_buf_check(types, "a statement", err));
    tl_buf_put_str(out, ") ");
    (new_rows ? tl_database_put_new_rows : tl_database_put_rows)(out, store->database->dialect, types->data);
out:
    return rc;
}

/* How a column of rows lies in memory. */
static struct tl_bulk_column column_of(const struct tl_vec *vec, enum tl_kind kind)
{
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: return (struct tl_bulk_column){TL_LAYOUT_I64, vec->i64, sizeof *vec->i64, vec->null};
    case TL_FORM_F64: return (struct tl_bulk_column){TL_LAYOUT_F64, vec->f64, sizeof *vec->f64, vec->null};
    case TL_FORM_TEXT: break;
    }
    return (struct tl_bulk_column){TL_LAYOUT_SV, vec->sv, sizeof *vec->sv, vec->null};
}

enum tl_code tl_known_insert(struct tl_statement *statement, const struct tl_known *d, int64_t own, const struct tl_rows *rows,
                             const uint32_t *order, struct tl_err *err)
{
    static const struct tl_sv none = {NULL, 0};
    size_t count = 8 + d->stored_count, at = 0;
    struct tl_bulk_column *columns = malloc(count * sizeof *columns);
    enum tl_code rc;

    if (columns == NULL)
        return tl_fail_memory(err, count * sizeof *columns);
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, &own, 0, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->end_ms, sizeof *rows->end_ms, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->start_ms, sizeof *rows->start_ms, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_SV, rows->key, sizeof *rows->key, NULL};
    columns[at++] = rows->accumulators != NULL
                        ? (struct tl_bulk_column){TL_LAYOUT_SV, rows->accumulators, sizeof *rows->accumulators, NULL}
                        : (struct tl_bulk_column){TL_LAYOUT_SV, &none, 0, NULL};
    if (!d->windowed) {
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_U32, rows->partition, sizeof *rows->partition, NULL};
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->offset, sizeof *rows->offset, NULL};
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_U32, rows->row, sizeof *rows->row, NULL};
    }
    for (uint32_t i = 0; i < d->stored_count; i++)
        columns[at++] = column_of(&rows->columns[d->stored[i]], d->columns[d->stored[i]].kind);
    rc = tl_statement_append(statement, columns, order, rows->count, err);
    free(columns);
    return rc;
}

void tl_store_put_stored_name(struct tl_buf *out, const struct tl_shape_column *column)
{
    if (tl_merge_view_is_time(column->kind))
        tl_merge_view_put_ms_name(out, column->name);
    else
        tl_merge_view_put_name(out, column->name);
}
