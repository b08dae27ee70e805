/* delta.c: what has changed in a view between two looks, as bytes. See delta.h.
 *
 *   row    u8 flags (1 had, 2 has, 4 had ended), u8 cause, zigzag run, zigzag end_ms, zigzag end_ms - start_ms, block key,
 *          had: zigzag run, block values; has: the same
 *   range  u8 16, u8 undone, zigzag run, zigzag from_ms, zigzag to_ms
 *
 * Deltas that follow one another are their bytes, one behind the other. */
#include "delta.h"

#include <stdlib.h>
#include <string.h>

enum { HAD = 1, HAS = 2, HAD_ENDED = 4, RANGE = 16 };

const char *tl_delta_cause_name(enum tl_delta_cause cause)
{
    static const char *const names[TL_DELTA_CAUSES] = {
        [TL_DELTA_LATE_EVENT] = "late_event", [TL_DELTA_PUBLICATION] = "publication", [TL_DELTA_ROLLBACK] = "rollback",
        [TL_DELTA_DEFINITION] = "definition", [TL_DELTA_REPLAY] = "replay",
    };

    return names[cause];
}

/* ---- bytes ---- */

void tl_delta_put_op(struct tl_buf *out, const struct tl_delta_op *op)
{
    tl_buf_put_u8(out, (uint8_t)((op->had ? HAD : 0) | (op->has ? HAS : 0) | (op->had_ended ? HAD_ENDED : 0)));
    tl_buf_put_u8(out, (uint8_t)op->cause);
    tl_buf_put_zigzag(out, op->run);
    tl_buf_put_zigzag(out, op->end_ms);
    tl_buf_put_zigzag(out, (int64_t)((uint64_t)op->end_ms - (uint64_t)op->start_ms));
    tl_buf_put_block(out, op->key);
    if (op->had) {
        tl_buf_put_zigzag(out, op->old.run);
        tl_buf_put_block(out, op->old.values);
    }
    if (op->has) {
        tl_buf_put_zigzag(out, op->now.run);
        tl_buf_put_block(out, op->now.values);
    }
}

void tl_delta_put_range(struct tl_buf *out, const struct tl_delta_range *range)
{
    tl_buf_put_u8(out, RANGE);
    tl_buf_put_u8(out, range->undone);
    tl_buf_put_zigzag(out, range->run);
    tl_buf_put_zigzag(out, range->from_ms);
    tl_buf_put_zigzag(out, range->to_ms);
}

static struct tl_delta_row get_row(struct tl_reader *reader)
{
    struct tl_delta_row row = {.run = tl_reader_zigzag(reader)};

    row.values = tl_reader_block(reader);
    return row;
}

bool tl_delta_next(struct tl_reader *reader, struct tl_delta_item *item)
{
    uint8_t flags, second;

    if (reader->failed || tl_reader_at_end(reader))
        return false;
    flags = tl_reader_u8(reader);
    second = tl_reader_u8(reader);
    *item = (struct tl_delta_item){.is_range = flags == RANGE};
    if (item->is_range) {
        item->range.undone = second != 0;
        item->range.run = tl_reader_zigzag(reader);
        item->range.from_ms = tl_reader_zigzag(reader);
        item->range.to_ms = tl_reader_zigzag(reader);
        return !reader->failed;
    }
    item->op = (struct tl_delta_op){.had = (flags & HAD) != 0, .has = (flags & HAS) != 0, .had_ended = (flags & HAD_ENDED) != 0};
    item->op.cause = second < TL_DELTA_CAUSES ? (enum tl_delta_cause)second : TL_DELTA_NO_CAUSE;
    item->op.run = tl_reader_zigzag(reader);
    item->op.end_ms = tl_reader_zigzag(reader);
    item->op.start_ms = (int64_t)((uint64_t)item->op.end_ms - (uint64_t)tl_reader_zigzag(reader));
    item->op.key = tl_reader_block(reader);
    if (item->op.had)
        item->op.old = get_row(reader);
    if (item->op.has)
        item->op.now = get_row(reader);
    return !reader->failed;
}

/* ---- values ---- */

static bool is_window(const struct tl_shape_column *column)
{
    return column->role == TL_ROLE_WINDOW_START || column->role == TL_ROLE_WINDOW_END || column->role == TL_ROLE_WINDOW_TIME;
}

void tl_delta_put_values(struct tl_buf *out, const struct tl_served_columns *columns, const struct tl_value *values)
{
    for (uint32_t i = 0; i < columns->columns_count; i++)
        if (!is_window(&columns->columns[i]))
            tl_value_put_key(out, &values[i]);
}

bool tl_delta_get_values(struct tl_sv bytes, const struct tl_served_columns *columns, int64_t start_ms, int64_t end_ms,
                         struct tl_value *values)
{
    struct tl_reader reader = tl_reader_of(bytes);

    for (uint32_t i = 0; i < columns->columns_count; i++) {
        const struct tl_shape_column *column = &columns->columns[i];

        if (!is_window(column)) {
            if (!tl_value_get_key(&reader, column->kind, &values[i]))
                return false;
            continue;
        }
        values[i] = (struct tl_value){.kind = column->kind,
                                      .i64 = column->role == TL_ROLE_WINDOW_START ? start_ms
                                             : column->role == TL_ROLE_WINDOW_END ? end_ms
                                                                                  : end_ms - 1};
    }
    return tl_reader_at_end(&reader);
}

/* ---- folding ---- */

struct numbered {
    struct tl_delta_op op;
    size_t number;
};

static int by_row(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    int order = (x->op.end_ms > y->op.end_ms) - (x->op.end_ms < y->op.end_ms);

    if (order == 0)
        order = (x->op.start_ms > y->op.start_ms) - (x->op.start_ms < y->op.start_ms);
    if (order == 0)
        order = tl_sv_cmp(x->op.key, y->op.key);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static bool is_same_row(const struct numbered *a, const struct numbered *b)
{
    return a->op.end_ms == b->op.end_ms && a->op.start_ms == b->op.start_ms && tl_sv_eq(a->op.key, b->op.key);
}

/* From `first` to `last`, all of one row. */
static void fold_row(const struct numbered *first, const struct numbered *last, struct tl_buf *out)
{
    struct tl_delta_op op = first->op;

    for (const struct numbered *each = first; each <= last; each++)
        if (each->op.cause != TL_DELTA_NO_CAUSE) {
            op.cause = each->op.cause;
            op.run = each->op.run;
        }
    op.has = last->op.has;
    op.now = last->op.now;
    if (op.had == op.has && (!op.had || tl_sv_eq(op.old.values, op.now.values)))
        return;
    tl_delta_put_op(out, &op);
}

enum tl_code tl_delta_fold(struct tl_sv bytes, struct tl_buf *out, struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct numbered *ops = NULL;
    struct tl_delta_item item;
    size_t count = 0, capacity = 0;
    enum tl_code rc = TL_OK;

    while (tl_delta_next(&reader, &item)) {
        if (item.is_range) {
            tl_delta_put_range(out, &item.range);
            continue;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 256 : 2 * capacity;
            if (!TL_RESIZE(ops, capacity))
                TL_TRY(tl_fail_memory(err, capacity * sizeof *ops));
        }
        ops[count] = (struct numbered){item.op, count};
        count++;
    }
    if (count > 0)
        qsort(ops, count, sizeof *ops, by_row);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && is_same_row(&ops[from], &ops[to]); to++)
            ;
        fold_row(&ops[from], &ops[to - 1], out);
    }
    if (reader.failed)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "the journal of what was shown is damaged"));
    TL_TRY(tl_buf_check(out, "what has changed", err));
out:
    free(ops);
    return rc;
}
