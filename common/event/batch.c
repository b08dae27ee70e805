/* batch.c: events as columns, in one block of memory that grows. */
#include "event/batch.h"

#include <stdlib.h>
#include <string.h>

/* Text of one batch: what escapes and repairs left behind. A longer text has a chunk of its own. */
#define TEXT_CHUNK_BYTES ((size_t)1 << 16)

const char *tl_dead_reason_text(enum tl_dead_reason reason)
{
    switch (reason) {
    case TL_DEAD_NOT_JSON: return "not one balanced JSON object";
    case TL_DEAD_EMPTY: return "an empty message, or an array without an object";
    case TL_DEAD_NOT_OBJECT: return "a JSON value that is not an object";
    case TL_DEAD_TOO_LARGE: return "larger than 'tally.max-event-bytes'";
    case TL_DEAD_TOO_DEEP: return "nested too deep";
    case TL_DEAD_TRAILING: return "text behind the JSON object";
    case TL_DEAD_TIME_MISSING: return "no event time";
    case TL_DEAD_TIME_BAD: return "an event time that cannot be read in the column's format";
    case TL_DEAD_TIME_OUTSIDE: return "an event time outside the years 0000 to 9999";
    }
    return "unknown";
}

const char *tl_dead_reason_cause(enum tl_dead_reason reason)
{
    return reason == TL_DEAD_TIME_MISSING || reason == TL_DEAD_TIME_BAD || reason == TL_DEAD_TIME_OUTSIDE ? "bad_event_time"
                                                                                                          : "json_bad_row";
}

/* All per-row arrays lie in one malloc'd block, the widest elements first so that each is aligned. */
struct layout {
    size_t offset, log_ms, raw, wide, row, flags, bad, null, total;
};

static bool lay_out(const struct tl_schema *schema, size_t capacity, struct layout *out)
{
    size_t wide = 0, per_row, slack = 64;

    for (uint32_t i = 0; i < schema->fields_count; i++)
        wide += tl_kind_form(schema->fields[i].kind) == TL_FORM_TEXT ? sizeof(struct tl_sv) : sizeof(int64_t);
    per_row = 2 * sizeof(int64_t) + sizeof(struct tl_sv) + wide + sizeof(uint32_t) + 1 + 2 * (size_t)schema->fields_count;
    if (tl_mul_overflows(capacity, per_row, &out->total) || tl_add_overflows(out->total, slack, &out->total))
        return false;
    out->offset = 0;
    out->log_ms = out->offset + capacity * sizeof(int64_t);
    out->raw = out->log_ms + capacity * sizeof(int64_t);
    out->wide = out->raw + capacity * sizeof(struct tl_sv);
    out->row = out->wide + capacity * wide;
    out->flags = out->row + capacity * sizeof(uint32_t);
    out->bad = out->flags + capacity;
    out->null = out->bad + capacity * schema->fields_count;
    return true;
}

/* `offset` is the block's begin. */
static void *block_of(const struct tl_batch *batch)
{
    return batch->offset;
}

static enum tl_code grow(struct tl_batch *batch, uint32_t capacity, struct tl_err *err)
{
    const struct tl_schema *schema = batch->schema;
    struct layout layout;
    size_t rows = batch->rows, fields = schema->fields_count;
    char *block, *wide;

    if (!lay_out(schema, capacity, &layout))
        return tl_fail_memory(err, SIZE_MAX);
    block = malloc(layout.total);
    if (block == NULL)
        return tl_fail_memory(err, layout.total);
    wide = block + layout.wide;
    for (uint32_t i = 0; i < fields; i++) {
        struct tl_vec *column = &batch->column[i];
        size_t each = tl_kind_form(column->kind) == TL_FORM_TEXT ? sizeof *column->sv : sizeof *column->i64;
        uint8_t *null = (uint8_t *)block + layout.null + (size_t)i * capacity;

        if (rows > 0) {
            assert(column->i64 != NULL && column->null != NULL);
            memcpy(wide, column->i64, rows * each);
            memcpy(null, column->null, rows);
        }
        switch (tl_kind_form(column->kind)) {
        case TL_FORM_I64: column->i64 = (int64_t *)(void *)wide; break;
        case TL_FORM_F64: column->f64 = (double *)(void *)wide; break;
        case TL_FORM_TEXT: column->sv = (struct tl_sv *)(void *)wide; break;
        }
        column->null = null;
        wide += capacity * each;
    }
    if (rows > 0) {
        memcpy(block + layout.log_ms, batch->log_ms, rows * sizeof *batch->log_ms);
        memcpy(block + layout.raw, batch->raw, rows * sizeof *batch->raw);
        memcpy(block + layout.row, batch->row, rows * sizeof *batch->row);
        memcpy(block + layout.flags, batch->flags, rows);
        if (fields > 0)
            memcpy(block + layout.bad, batch->bad, rows * fields);
        memcpy(block + layout.offset, batch->offset, rows * sizeof *batch->offset);
    }
    free(block_of(batch));
    batch->offset = (int64_t *)(void *)(block + layout.offset);
    batch->log_ms = (int64_t *)(void *)(block + layout.log_ms);
    batch->raw = (struct tl_sv *)(void *)(block + layout.raw);
    batch->row = (uint32_t *)(void *)(block + layout.row);
    batch->flags = (uint8_t *)block + layout.flags;
    batch->bad = (uint8_t *)block + layout.bad;
    batch->capacity = capacity;
    return TL_OK;
}

enum tl_code tl_batch_open(const struct tl_schema *schema, struct tl_batch **out, struct tl_err *err)
{
    struct tl_batch *batch = calloc(1, sizeof *batch);
    enum tl_code rc = TL_OK;

    if (batch == NULL)
        return tl_fail_memory(err, sizeof *batch);
    batch->schema = schema;
    tl_arena_init(&batch->text, TEXT_CHUNK_BYTES, 0);
    batch->column = calloc(schema->fields_count ? schema->fields_count : 1, sizeof *batch->column);
    if (batch->column == NULL)
        TL_TRY(tl_fail_memory(err, schema->fields_count * sizeof *batch->column));
    for (uint32_t i = 0; i < schema->fields_count; i++)
        batch->column[i].kind = schema->fields[i].kind;
    TL_TRY(grow(batch, TL_BATCH_ROWS, err));
    *out = batch;
    batch = NULL;
out:
    tl_batch_close(batch);
    return rc;
}

void tl_batch_close(struct tl_batch *batch)
{
    if (batch == NULL)
        return;
    tl_arena_done(&batch->text);
    free(block_of(batch));
    free(batch->column);
    free(batch->dead);
    free(batch);
}

void tl_batch_clear(struct tl_batch *batch)
{
    batch->rows = 0;
    batch->dead_count = 0;
    batch->messages_count = 0;
    tl_arena_reset(&batch->text);
}

/* Half as much again, and again, until `wanted` fit. */
static uint32_t larger(uint32_t capacity, uint32_t wanted)
{
    uint64_t size = capacity;

    while (size < wanted)
        size += size / 2 + 1;
    return size > UINT32_MAX ? wanted : (uint32_t)size;
}

enum tl_code tl_batch_reserve(struct tl_batch *batch, uint32_t more, struct tl_err *err)
{
    enum tl_code rc;
    uint32_t wanted;

    if (tl_add_overflows(batch->rows, more, &wanted))
        return tl_fail_memory(err, SIZE_MAX);
    if (wanted <= batch->capacity)
        return TL_OK;
    TL_TRY(grow(batch, larger(batch->capacity, wanted), err));
    batch->allocations_count++;
out:
    return rc;
}

enum tl_code tl_batch_add_dead(struct tl_batch *batch, const struct tl_dead *dead, struct tl_err *err)
{
    if (batch->dead_count == batch->dead_capacity) {
        uint32_t capacity;
        struct tl_dead *grown;
        size_t bytes;

        if (batch->dead_count == UINT32_MAX)
            return tl_fail_memory(err, SIZE_MAX);
        capacity = larger(batch->dead_capacity ? batch->dead_capacity : TL_BATCH_ROWS / 2, batch->dead_count + 1);
        if (tl_mul_overflows((size_t)capacity, sizeof *grown, &bytes))
            return tl_fail_memory(err, SIZE_MAX);
        grown = realloc(batch->dead, bytes);
        if (grown == NULL)
            return tl_fail_memory(err, bytes);
        batch->dead = grown;
        batch->dead_capacity = capacity;
        batch->allocations_count++;
    }
    batch->dead[batch->dead_count++] = *dead;
    return TL_OK;
}
