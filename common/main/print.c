/* print.c: rows of a query as a table, CSV or JSON. See print.h. */
#include "main/print.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"

enum { TABLE_ROWS = 1000, WIDTH_MAX = 60 };

enum tl_print_format tl_print_format_of(const char *name)
{
    if (strcmp(name, "csv") == 0)
        return TL_PRINT_CSV;
    return strcmp(name, "json") == 0 ? TL_PRINT_JSON : TL_PRINT_TABLE;
}

void tl_printer_init(struct tl_printer *printer, enum tl_print_format format, FILE *out)
{
    *printer = (struct tl_printer){.format = format, .out = out};
    tl_arena_init(&printer->arena, 4096, 0);
    tl_buf_init(&printer->line, 0);
    tl_buf_init(&printer->cells, 0);
}

void tl_printer_done(struct tl_printer *printer)
{
    tl_arena_done(&printer->arena);
    tl_buf_done(&printer->line);
    tl_buf_done(&printer->cells);
    free(printer->cell_at);
}

/* ---- values ---- */

/* The fewest digits that are read as the same number. Of a normal one up to 15 always are what they were, so fewer than that need not be tried: %g leaves the
 * zeros out. */
static void put_double(struct tl_buf *out, double value)
{
    char text[40];

    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    tl_buf_put_str(out, text);
}

void tl_print_value(struct tl_buf *out, const struct tl_value *value)
{
    char text[TL_TIME_TEXT_BYTES];

    if (value->is_null)
        return;
    switch (value->kind) {
    case TL_BOOLEAN: tl_buf_put_str(out, value->i64 ? "true" : "false"); break;
    case TL_FLOAT:
    case TL_DOUBLE:
        if (isnan(value->f64))
            tl_buf_put_str(out, "NaN");
        else if (isinf(value->f64))
            tl_buf_put_str(out, value->f64 > 0 ? "Infinity" : "-Infinity");
        else
            put_double(out, value->f64);
        break;
    case TL_STRING: tl_buf_put_sv(out, value->sv); break;
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ: tl_buf_put(out, text, tl_time_to_iso_z(value->i64, text)); break;
    case TL_TINYINT:
    case TL_SMALLINT:
    case TL_INT:
    case TL_BIGINT:
    case TL_INTERVAL:
    case TL_NULL: tl_buf_put_i64(out, value->i64); break;
    }
}

void tl_print_json(struct tl_buf *out, const struct tl_value *value)
{
    bool bare =
        value->kind == TL_BOOLEAN || tl_kind_is_integer(value->kind) || (tl_kind_is_numeric(value->kind) && isfinite(value->f64));

    if (value->is_null)
        tl_buf_put_str(out, "null");
    else if (bare)
        tl_print_value(out, value);
    else if (value->kind == TL_STRING)
        tl_buf_put_json(out, value->sv);
    else if (tl_kind_is_numeric(value->kind))
        tl_buf_put_str(out, isnan(value->f64) ? "\"NaN\"" : value->f64 > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else {
        tl_buf_put_u8(out, '"');
        tl_print_value(out, value);
        tl_buf_put_u8(out, '"');
    }
}

/* ---- text from outside, in a cell ---- */

static bool starts(const char *at, size_t left, const char *bytes)
{
    size_t size = strlen(bytes);

    return left >= size && memcmp(at, bytes, size) == 0;
}

/* What programs pass over before they look whether a cell is a formula: white space, a no-break space, a byte-order mark. Its size. */
static size_t blank_size(const char *at, size_t left)
{
    if ((unsigned char)*at <= ' ' || *at == 0x7f)
        return 1;
    return starts(at, left, "\xc2\xa0") ? 2 : starts(at, left, "\xef\xbb\xbf") ? 3 : 0;
}

/* The wide forms too: where input methods have them, programs take them for the plain ones. */
static bool begins_formula(const char *at, size_t left)
{
    return strchr("=+-@'", *at) != NULL || starts(at, left, "\xef\xbc\x9d") || starts(at, left, "\xef\xbc\x8b") ||
           starts(at, left, "\xef\xbc\x8d") || starts(at, left, "\xef\xbc\xa0");
}

void tl_print_cell(struct tl_buf *out, struct tl_sv text)
{
    bool at_start = true;

    for (size_t i = 0; i < text.size; i++) {
        size_t blank = at_start ? blank_size(text.data + i, text.size - i) : 0;

        if (blank > 0) {
            tl_buf_put(out, text.data + i, blank);
            i += blank - 1;
            continue;
        }
        if (at_start && begins_formula(text.data + i, text.size - i))
            tl_buf_put_u8(out, '\'');
        tl_buf_put_u8(out, (uint8_t)text.data[i]);
        at_start = strchr(";\t\r\n", text.data[i]) != NULL;
    }
}

/* ---- lines ---- */

static enum tl_code put_line(struct tl_printer *printer, struct tl_err *err)
{
    enum tl_code rc = tl_buf_check(&printer->line, "a line of output", err);

    if (rc != TL_OK)
        return rc;
    if (printer->line.size > 0 && fwrite(printer->line.data, 1, printer->line.size, printer->out) != printer->line.size)
        return tl_fail_errno(err, TL_ERR_IO, "cannot write to standard output");
    tl_buf_clear(&printer->line);
    return TL_OK;
}

static void put_csv(struct tl_buf *line, struct tl_sv text, bool quote)
{
    for (size_t i = 0; i < text.size && !quote; i++)
        quote = text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' || text.data[i] == '\r';
    if (!quote) {
        tl_buf_put_sv(line, text);
        return;
    }
    tl_buf_put_u8(line, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            tl_buf_put_u8(line, '"');
        tl_buf_put_u8(line, (uint8_t)text.data[i]);
    }
    tl_buf_put_u8(line, '"');
}

/* Columns on a terminal: the number of code points, cut at WIDTH_MAX; control characters become '?', for text comes from strangers. */
static size_t put_cell(struct tl_buf *out, struct tl_sv text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool starts = (c & 0xc0) != 0x80;

        if (starts && width == WIDTH_MAX - 1 && i + 1 < text.size) {
            tl_buf_put_str(out, "…");
            return width + 1;
        }
        width += starts;
        tl_buf_put_u8(out, c < 0x20 || c == 0x7f ? '?' : c);
    }
    return width;
}

static size_t width_of(struct tl_sv cell)
{
    size_t width = 0;

    for (size_t i = 0; i < cell.size; i++)
        width += ((unsigned char)cell.data[i] & 0xc0) != 0x80;
    return width;
}

static void align(struct tl_printer *printer, size_t column, struct tl_sv cell)
{
    size_t width = width_of(cell), pad = printer->widths[column] > width ? printer->widths[column] - width : 0;
    bool last = column + 1 == printer->columns_count;

    if (printer->is_number[column])
        tl_buf_printf(&printer->line, "%*s", (int)pad, "");
    tl_buf_put_sv(&printer->line, cell);
    if (!printer->is_number[column] && !last)
        tl_buf_printf(&printer->line, "%*s", (int)pad, "");
    tl_buf_put_str(&printer->line, last ? "\n" : "  ");
}

static struct tl_sv cell_of(const struct tl_printer *printer, size_t i)
{
    size_t end = i + 1 < printer->cells_count ? printer->cell_at[i + 1] : printer->cells.size;

    return (struct tl_sv){printer->cells.data + printer->cell_at[i], end - printer->cell_at[i]};
}

/* Writes the collected rows under their names, now that their widths are known. */
static enum tl_code flush_table(struct tl_printer *printer, struct tl_err *err)
{
    size_t columns = printer->columns_count;
    enum tl_code rc = TL_OK;

    if (columns == 0)
        return TL_OK;
    if (!printer->widths_stand) {
        for (size_t c = 0; c < columns; c++)
            printer->widths[c] = width_of(tl_sv_from(printer->names[c]));
        for (size_t i = 0; i < printer->cells_count; i++) {
            size_t width = width_of(cell_of(printer, i));

            if (width > printer->widths[i % columns])
                printer->widths[i % columns] = width;
        }
        for (size_t c = 0; c < columns; c++)
            align(printer, c, tl_sv_from(printer->names[c]));
        for (size_t c = 0; c < columns; c++) {
            for (size_t w = 0; w < printer->widths[c]; w++)
                tl_buf_put_u8(&printer->line, '-');
            tl_buf_put_str(&printer->line, c + 1 == columns ? "\n" : "  ");
        }
        printer->widths_stand = true;
    }
    for (size_t i = 0; i < printer->cells_count; i++)
        align(printer, i % columns, cell_of(printer, i));
    TL_TRY(put_line(printer, err));
    tl_buf_clear(&printer->cells);
    printer->cells_count = 0;
out:
    return rc;
}

static enum tl_code add_cells(struct tl_printer *printer, const struct tl_value *values, size_t count, struct tl_err *err)
{
    if (printer->cells_count + count > printer->cells_capacity) {
        size_t capacity = printer->cells_capacity * 2 + count * 64;
        size_t *at = realloc(printer->cell_at, capacity * sizeof *at);

        if (at == NULL)
            return tl_fail_memory(err, capacity * sizeof *at);
        printer->cell_at = at;
        printer->cells_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++) {
        printer->cell_at[printer->cells_count++] = printer->cells.size;
        tl_buf_clear(&printer->line);
        tl_print_value(&printer->line, &values[i]);
        (void)put_cell(&printer->cells, tl_buf_sv(&printer->line));
    }
    tl_buf_clear(&printer->line);
    return tl_buf_check(&printer->cells, "a table", err);
}

/* ---- the whole ---- */

enum tl_code tl_printer_head(struct tl_printer *printer, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    printer->names = tl_arena_alloc(&printer->arena, count * sizeof *printer->names);
    printer->is_number = tl_arena_alloc(&printer->arena, count * sizeof *printer->is_number);
    printer->widths = tl_arena_zalloc(&printer->arena, count * sizeof *printer->widths);
    if (printer->names == NULL || printer->is_number == NULL || printer->widths == NULL)
        return tl_fail_memory(err, count * sizeof *printer->names);
    for (size_t c = 0; c < count; c++) {
        struct tl_sv name;

        if (!tl_arena_copy(&printer->arena, columns[c].name, &name))
            return tl_fail_memory(err, columns[c].name.size);
        printer->names[c] = name.data;
        printer->is_number[c] = tl_kind_is_numeric(columns[c].kind);
    }
    printer->columns_count = count;
    if (printer->format == TL_PRINT_JSON)
        tl_buf_put_str(&printer->line, "[");
    for (size_t c = 0; printer->format == TL_PRINT_CSV && c < count; c++) {
        put_csv(&printer->line, columns[c].name, false);
        tl_buf_put_str(&printer->line, c + 1 == count ? "\r\n" : ",");
    }
    return put_line(printer, err);
}

enum tl_code tl_printer_row(struct tl_printer *printer, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct tl_buf *line = &printer->line;

    printer->rows_count++;
    if (printer->format == TL_PRINT_TABLE) {
        enum tl_code rc = add_cells(printer, values, count, err);

        return rc == TL_OK && printer->rows_count % TABLE_ROWS == 0 ? flush_table(printer, err) : rc;
    }
    if (printer->format == TL_PRINT_JSON)
        tl_buf_put_str(line, printer->rows_count == 1 ? "\n  {" : ",\n  {");
    for (size_t i = 0; i < count; i++) {
        if (printer->format == TL_PRINT_JSON) {
            tl_buf_put_json(line, tl_sv_from(printer->names[i]));
            tl_buf_put_str(line, ": ");
            tl_print_json(line, &values[i]);
            tl_buf_put_str(line, i + 1 == count ? "}" : ", ");
        } else {
            size_t from = printer->cells.size;

            tl_print_value(&printer->cells, &values[i]);
            put_csv(line, (struct tl_sv){printer->cells.data + from, printer->cells.size - from},
                    values[i].kind == TL_STRING && !values[i].is_null && values[i].sv.size == 0);
            tl_buf_put_str(line, i + 1 == count ? "\r\n" : ",");
            tl_buf_clear(&printer->cells);
        }
    }
    return put_line(printer, err);
}

static enum tl_code sink_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    return tl_printer_head(ctx, columns, count, err);
}

static enum tl_code sink_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    return tl_printer_row(ctx, values, count, err);
}

struct tl_row_sink tl_printer_sink(struct tl_printer *printer)
{
    return (struct tl_row_sink){sink_head, sink_row, printer};
}

enum tl_code tl_printer_end(struct tl_printer *printer, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (printer->format == TL_PRINT_TABLE)
        TL_TRY(flush_table(printer, err));
    if (printer->format == TL_PRINT_JSON)
        tl_buf_put_str(&printer->line, printer->rows_count == 0 ? "]\n" : "\n]\n");
    TL_TRY(put_line(printer, err));
    if (fflush(printer->out) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write to standard output"));
out:
    return rc;
}
