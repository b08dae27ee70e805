/* api_rows.c: rows as JSON, NDJSON or CSV.
 *
 * JSON has no blanks between a row's members: ten thousand rows are sent as often as they are asked for. CSV is of RFC 4180; a text that a spreadsheet
 * would take for a formula has a ' before it (tl_print_cell), for texts come from strangers. */
#include <stdlib.h>

#include "api_call.h"
#include "main/print.h"

void tl_api_rows_init(struct tl_api_rows *rows, enum tl_api_format format, struct tl_buf *out)
{
    *rows = (struct tl_api_rows){.format = format, .out = out};
    tl_buf_init(&rows->names, 0);
}

void tl_api_rows_done(struct tl_api_rows *rows)
{
    tl_buf_done(&rows->names);
    free(rows->columns);
}

static void put_csv_text(struct tl_buf *out, struct tl_sv text)
{
    bool quoted = text.size == 0; /* NULL is an empty field */

    for (size_t i = 0; i < text.size && !quoted; i++)
        quoted = text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\n' || text.data[i] == '\r';
    if (!quoted) {
        tl_buf_put_sv(out, text);
        return;
    }
    tl_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            tl_buf_put_u8(out, '"');
        tl_buf_put_u8(out, (uint8_t)text.data[i]);
    }
    tl_buf_put_u8(out, '"');
}

static void put_csv(struct tl_api_rows *rows, const struct tl_value *value)
{
    if (value->is_null)
        return;
    if (value->kind != TL_STRING) {
        tl_print_value(rows->out, value);
        return;
    }
    tl_buf_clear(&rows->names); /* of JSON only */
    tl_print_cell(&rows->names, value->sv);
    put_csv_text(rows->out, tl_buf_sv(&rows->names));
}

enum tl_code tl_api_rows_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct tl_api_rows *rows = ctx;

    rows->columns_count = count;
    rows->columns = calloc(count + 1, sizeof *rows->columns);
    if (rows->columns == NULL)
        return tl_fail_memory(err, count * sizeof *rows->columns);
    for (size_t c = 0; c < count; c++) {
        if (rows->format == TL_API_CSV) {
            tl_print_cell(&rows->names, columns[c].name);
            put_csv_text(rows->out, tl_buf_sv(&rows->names));
            tl_buf_clear(&rows->names);
            tl_buf_put_str(rows->out, c + 1 == count ? "\r\n" : ",");
            continue;
        }
        tl_buf_put_u8(&rows->names, c == 0 ? '{' : ',');
        tl_buf_put_json(&rows->names, columns[c].name);
        tl_buf_put_u8(&rows->names, ':');
        rows->columns[c].name_end = rows->names.size;
    }
    return tl_buf_check(&rows->names, "names of columns", err);
}

/* Rows come in order of time, so that many have the same one. */
static void put_time(struct tl_buf *out, struct tl_api_column *column, int64_t ms)
{
    if (column->time_size == 0 || column->time_ms != ms) {
        column->time_ms = ms;
        column->time_size = tl_time_to_iso_z(ms, column->time);
    }
    tl_buf_put_u8(out, '"');
    tl_buf_put(out, column->time, column->time_size);
    tl_buf_put_u8(out, '"');
}

enum tl_code tl_api_rows_add(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct tl_api_rows *rows = ctx;
    struct tl_buf *out = rows->out;
    size_t from = 0;

    assert(count == rows->columns_count);
    if (rows->format == TL_API_JSON && rows->rows_count > 0)
        tl_buf_put_str(out, ",\n");
    rows->rows_count++;
    for (size_t c = 0; c < count; c++) {
        if (rows->format == TL_API_CSV) {
            put_csv(rows, &values[c]);
            tl_buf_put_str(out, c + 1 == count ? "\r\n" : ",");
            continue;
        }
        tl_buf_put(out, rows->names.data + from, rows->columns[c].name_end - from);
        if (values[c].kind == TL_TIMESTAMP_LTZ && !values[c].is_null)
            put_time(out, &rows->columns[c], values[c].i64);
        else
            tl_print_json(out, &values[c]);
        from = rows->columns[c].name_end;
    }
    if (rows->format != TL_API_CSV)
        tl_buf_put_str(out, rows->format == TL_API_JSON ? "}" : "}\n");
    return tl_buf_check(out, "an answer", err);
}

/* ---- what is no row ---- */

void tl_api_put_time(struct tl_buf *out, int64_t ms)
{
    struct tl_value value = {.kind = TL_TIMESTAMP_LTZ, .is_null = ms == INT64_MIN, .i64 = ms};

    tl_print_json(out, &value);
}

void tl_api_put_seconds(struct tl_buf *out, int64_t from_ms, int64_t to_ms)
{
    if (from_ms == INT64_MIN || to_ms == INT64_MIN)
        tl_buf_put_str(out, "null");
    else
        tl_buf_printf(out, "%.3f", (double)tl_max_i64(to_ms - from_ms, 0) / 1000);
}

void tl_api_put_steady(struct tl_api_call *call)
{
    if (call->answer->steady_bytes == 0)
        call->answer->steady_bytes = call->answer->body.size;
}

void tl_api_put_tail(struct tl_api_call *call)
{
    struct tl_buf *out = &call->answer->body;

    tl_api_put_steady(call);
    tl_buf_put_str(out, "\"as_of\": ");
    tl_api_put_time(out, call->now_ms);
    tl_buf_put_str(out, ", " TL_API_FRESH_TAIL);
    call->answer->has_tail = true;
}
