/* api_rows.c: rows as JSON, NDJSON or CSV.
 *
 * JSON has no blanks between a row's members: ten thousand rows are sent as often as they are asked for. CSV is of RFC 4180; a text that a spreadsheet
 * would take for a formula has a ' before it (tl_print_cell), for texts come from strangers. */
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "main/print.h"

enum { SAMPLE_ROWS = 64, ROOM_BYTES_MAX = 8 << 20, NEAR_BYTES = 64 };

void tl_api_rows_init(struct tl_api_rows *rows, enum tl_api_format format, struct tl_buf *out)
{
    *rows = (struct tl_api_rows){.format = format, .out = out};
    tl_buf_init(&rows->cell, 0);
}

void tl_api_rows_done(struct tl_api_rows *rows)
{
    tl_buf_done(&rows->cell);
    for (size_t c = 0; rows->members != NULL && c < rows->columns_count; c++)
        tl_buf_done(&rows->members[c].text);
    free(rows->members);
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
    tl_buf_clear(&rows->cell);
    tl_print_cell(&rows->cell, value->sv);
    put_csv_text(rows->out, tl_buf_sv(&rows->cell));
}

enum tl_code tl_api_rows_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct tl_api_rows *rows = ctx;
    enum tl_code rc = TL_OK;

    rows->columns_count = count;
    rows->members = calloc(count + 1, sizeof *rows->members);
    if (rows->members == NULL)
        return tl_fail_memory(err, count * sizeof *rows->members);
    for (size_t c = 0; c < count; c++) {
        struct tl_api_member *member = &rows->members[c];

        if (rows->format == TL_API_CSV) {
            tl_buf_clear(&rows->cell);
            tl_print_cell(&rows->cell, columns[c].name);
            put_csv_text(rows->out, tl_buf_sv(&rows->cell));
            tl_buf_put_str(rows->out, c + 1 == count ? "\r\n" : ",");
            continue;
        }
        if (tl_buf_reserve(&member->text, NEAR_BYTES) != NULL)
            memset(member->text.data, 0, NEAR_BYTES);
        tl_buf_put_u8(&member->text, c == 0 ? '{' : ',');
        tl_buf_put_json(&member->text, columns[c].name);
        tl_buf_put_u8(&member->text, ':');
        TL_TRY(tl_buf_check(&member->text, "a column's name", err));
        member->name_size = member->text.size;
    }
out:
    return rc;
}

/* Is it one that the next row may well have, too? As a number that no other such value of the column has. */
static bool repeats(const struct tl_value *value, uint64_t *as)
{
    if (value->is_null)
        return false;
    if (value->kind == TL_TIMESTAMP_LTZ || value->kind == TL_BOOLEAN) {
        *as = (uint64_t)value->i64;
        return true;
    }
    if (value->kind != TL_STRING || value->sv.size >= sizeof *as) /* _layer is a short one */
        return false;
    *as = value->sv.size;
    for (size_t i = 0; i < value->sv.size; i++)
        *as = *as << 8 | (unsigned char)value->sv.data[i];
    return true;
}

/* So many bytes are a few moves, where a copy of just as many as there are is a call. The text has room for them. */
static void put_near(struct tl_buf *out, const struct tl_buf *text, size_t size)
{
    char *at = size <= NEAR_BYTES ? tl_buf_reserve(out, NEAR_BYTES) : NULL;

    if (at == NULL) {
        tl_buf_put(out, text->data, size);
        return;
    }
    memcpy(at, text->data, NEAR_BYTES);
    out->size += size;
}

static void put_member(struct tl_buf *out, struct tl_api_member *member, const struct tl_value *value)
{
    uint64_t as;

    if (!repeats(value, &as)) {
        put_near(out, &member->text, member->name_size);
        tl_print_json(out, value);
        return;
    }
    if (member->text.size == member->name_size || member->last != as) {
        member->text.size = member->name_size;
        tl_print_json(&member->text, value);
        member->last = as;
    }
    put_near(out, &member->text, member->text.size);
    out->failed = out->failed || member->text.failed;
}

/* A page of many rows has its room at once, by what the first ones took, rather than by being copied again and again. */
static void expect_more(const struct tl_api_rows *rows)
{
    size_t row_bytes = rows->out->size / SAMPLE_ROWS + 1;
    bool failed = rows->out->failed;

    if (rows->rows_count == SAMPLE_ROWS && rows->rows_max > SAMPLE_ROWS && row_bytes < ROOM_BYTES_MAX / rows->rows_max &&
        tl_buf_reserve(rows->out, row_bytes * rows->rows_max) == NULL)
        rows->out->failed = failed; /* it grows as rows come, then */
}

enum tl_code tl_api_rows_add(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct tl_api_rows *rows = ctx;
    struct tl_buf *out = rows->out;

    assert(count == rows->columns_count);
    if (rows->format == TL_API_JSON && rows->rows_count > 0)
        tl_buf_put_str(out, ",\n");
    rows->rows_count++;
    expect_more(rows);
    for (size_t c = 0; c < count; c++) {
        if (rows->format != TL_API_CSV) {
            put_member(out, &rows->members[c], &values[c]);
            continue;
        }
        put_csv(rows, &values[c]);
        tl_buf_put_str(out, c + 1 == count ? "\r\n" : ",");
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
