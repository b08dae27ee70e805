/* print.h: rows of a query as a table for people, CSV (RFC 4180) or JSON (one array of objects).
 *
 * Times are written as instants, 2015-05-17T10:05:00.000Z, in all three. CSV: a header, then the columns as they come; NULL is an empty
 * field, empty text is "". DOUBLE: the shortest text that reads back as the same number. JSON: NaN and infinities are strings. */
#ifndef TL_PRINT_H
#define TL_PRINT_H

#include <stdio.h>

#include "base/buf.h"
#include "event/rows.h"

/* Who takes rows: as tl_store_query hands them over. */
struct tl_row_sink {
    enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err);
    enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err);
    void *ctx;
};

enum tl_print_format { TL_PRINT_TABLE, TL_PRINT_CSV, TL_PRINT_JSON };

struct tl_printer {
    enum tl_print_format format;
    FILE *out;
    const char **names; /* of the columns, copied */
    bool *is_number;
    size_t columns_count;
    struct tl_buf line;
    /* A table is aligned over its first rows (TABLE_ROWS); the widths then stand. */
    struct tl_buf cells;
    size_t *cell_at, cells_count, cells_capacity;
    size_t *widths;
    bool widths_stand;
    uint64_t rows_count;
    struct tl_arena arena;
};

/* "table", "csv" or "json". */
enum tl_print_format tl_print_format_of(const char *name);
void tl_printer_init(struct tl_printer *printer, enum tl_print_format format, FILE *out);
void tl_printer_done(struct tl_printer *printer);
TL_MUST_USE enum tl_code tl_printer_head(struct tl_printer *printer, const struct tl_shape_column *columns, size_t count,
                                         struct tl_err *err);
TL_MUST_USE enum tl_code tl_printer_row(struct tl_printer *printer, const struct tl_value *values, size_t count,
                                        struct tl_err *err);
struct tl_row_sink tl_printer_sink(struct tl_printer *printer); /* these two */
/* The end of the table or array; TL_ERR_IO when stdout did not take it all. */
TL_MUST_USE enum tl_code tl_printer_end(struct tl_printer *printer, struct tl_err *err);

/* The value as text, as in CSV but unquoted; NULL gives nothing. */
void tl_print_value(struct tl_buf *out, const struct tl_value *value);
/* A text from outside for a cell of CSV, unquoted: it has a ' before what a spreadsheet would take for a formula (report.h of serving says how), at its start and
 * behind what may end a cell there. */
void tl_print_cell(struct tl_buf *out, struct tl_sv text);
/* The value as JSON. */
void tl_print_json(struct tl_buf *out, const struct tl_value *value);

#endif
