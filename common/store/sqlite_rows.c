/* sqlite_rows.c: rows in memory as a table that SQLite reads. See sqlite_rows.h. */
#include "store/sqlite_rows.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct table {
    sqlite3_vtab base;
    const struct tl_sqlite_rows *rows;
};
struct cursor {
    sqlite3_vtab_cursor base;
    const struct tl_sqlite_rows *rows;
    size_t at;
};

static int connect(sqlite3 *db, void *rows, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
    struct table *table;
    struct tl_buf sql;
    int rc;

    (void)argc;
    (void)argv;
    (void)message;
    tl_buf_init(&sql, 0);
    for (int i = 0; i < TL_SQLITE_ROWS_COLUMNS; i++)
        tl_buf_printf(&sql, "%sc%d", i == 0 ? "CREATE TABLE x (" : ", ", i);
    tl_buf_put_str(&sql, ")");
    tl_buf_put_u8(&sql, '\0');
    table = sqlite3_malloc(sizeof *table);
    if (table == NULL || tl_buf_check(&sql, "a statement", NULL) != TL_OK) {
        rc = SQLITE_NOMEM;
    } else {
        memset(table, 0, sizeof *table);
        table->rows = rows;
        rc = sqlite3_declare_vtab(db, sql.data);
    }
    if (rc == SQLITE_OK)
        *out = &table->base;
    else
        sqlite3_free(table);
    tl_buf_done(&sql);
    return rc;
}

static int disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1;
    info->estimatedRows = 1024;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct cursor *cursor = sqlite3_malloc(sizeof *cursor);

    if (cursor == NULL)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    cursor->rows = ((struct table *)table)->rows;
    *out = &cursor->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc, sqlite3_value **argv)
{
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    ((struct cursor *)cursor)->at = 0;
    return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *cursor)
{
    ((struct cursor *)cursor)->at++;
    return SQLITE_OK;
}

static int eof(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = (const struct cursor *)base;

    return cursor->at >= cursor->rows->count;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((const struct cursor *)base)->at;
    return SQLITE_OK;
}

static void give_sv(sqlite3_context *context, struct tl_sv text, bool bytes)
{
    const char *data = text.size == 0 ? "" : text.data; /* a NULL pointer would be NULL */

    if (bytes)
        sqlite3_result_blob64(context, data, text.size, SQLITE_STATIC);
    else
        sqlite3_result_text64(context, data, text.size, SQLITE_STATIC, SQLITE_UTF8);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int i)
{
    const struct cursor *cursor = (const struct cursor *)base;
    const struct tl_sqlite_rows *rows = cursor->rows;
    const struct tl_bulk_column *from = &rows->columns[i];
    size_t row = rows->order != NULL ? rows->order[cursor->at] : cursor->at;
    const char *cell = (const char *)from->at + row * from->stride;
    double number;

    if (from->null != NULL && from->null[row])
        return SQLITE_OK; /* it is NULL */
    switch (from->layout) {
    case TL_LAYOUT_I64: sqlite3_result_int64(context, *(const int64_t *)(const void *)cell); break;
    case TL_LAYOUT_U32: sqlite3_result_int64(context, *(const uint32_t *)(const void *)cell); break;
    case TL_LAYOUT_U8: sqlite3_result_int64(context, *(const uint8_t *)cell); break;
    case TL_LAYOUT_F64:
        number = *(const double *)(const void *)cell;
        if (number != number)
            sqlite3_result_text(context, TL_SQLITE_NAN, -1, SQLITE_STATIC);
        else
            sqlite3_result_double(context, number);
        break;
    case TL_LAYOUT_SV: give_sv(context, *(const struct tl_sv *)(const void *)cell, (rows->types[i] | 0x20) == 'b'); break;
    case TL_LAYOUT_CSTRING: sqlite3_result_text(context, *(const char *const *)(const void *)cell, -1, SQLITE_STATIC); break;
    }
    return SQLITE_OK;
}

int tl_sqlite_rows_register(sqlite3 *db, const struct tl_sqlite_rows *rows)
{
    static const sqlite3_module module = {
        .xConnect = connect,
        .xBestIndex = best_index,
        .xDisconnect = disconnect,
        .xOpen = open_cursor,
        .xClose = close_cursor,
        .xFilter = filter,
        .xNext = next,
        .xEof = eof,
        .xColumn = column,
        .xRowid = rowid,
    };

    return sqlite3_create_module_v2(db, "tally_rows", &module, (void *)(uintptr_t)rows, NULL);
}

void tl_sqlite_rows_put_select(struct tl_buf *out, size_t columns_count)
{
    for (size_t i = 0; i < columns_count; i++)
        tl_buf_printf(out, "%sc%zu", i == 0 ? "SELECT " : ", ", i);
    tl_buf_put_str(out, " FROM tally_rows");
}
