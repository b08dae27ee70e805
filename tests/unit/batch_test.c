/* batch_test.c: rows and dead letters stay what they were while the batch grows; cleared, it needs no memory again. */
#include <criterion/criterion.h>
#include <string.h>

#include "event/batch.h"

static const struct tl_field fields[] = {
    {{"s", 1}, TL_STRING       },
    {{"i", 1}, TL_INT          },
    {{"d", 1}, TL_DOUBLE       },
    {{"t", 1}, TL_TIMESTAMP_LTZ},
    {{"b", 1}, TL_BOOLEAN      }
};
static const struct tl_schema schema = {fields, TL_COUNT(fields), TL_TIME_ISO_8601, 1 << 20, 1024};
static const struct tl_schema none = {NULL, 0, TL_TIME_SQL, 1 << 20, 1024};

static void put(struct tl_batch *batch, uint32_t i)
{
    uint32_t row = batch->rows;
    struct tl_err err;
    char *text;

    cr_assert_eq(tl_batch_reserve(batch, 1, &err), TL_OK);
    batch->offset[row] = i;
    batch->log_ms[row] = -(int64_t)i;
    batch->row[row] = i * 3;
    batch->flags[row] = (uint8_t)i;
    batch->raw[row] = (struct tl_sv){"raw", i % 4};
    for (uint32_t f = 0; f < batch->schema->fields_count; f++) {
        batch->bad[(size_t)row * batch->schema->fields_count + f] = (uint8_t)((i + f) % 2);
        batch->column[f].null[row] = (i + f) % 3 == 0;
    }
    if (batch->schema->fields_count > 0) {
        text = tl_arena_bytes(&batch->text, 4);
        cr_assert_not_null(text);
        memcpy(text, &i, 4);
        batch->column[0].sv[row] = (struct tl_sv){text, 4};
        batch->column[1].i64[row] = (int64_t)i;
        batch->column[2].f64[row] = i / 2.0;
        batch->column[3].i64[row] = (int64_t)i << 32;
        batch->column[4].i64[row] = i & 1;
    }
    batch->rows++;
}

static void check(const struct tl_batch *batch, uint32_t rows)
{
    cr_assert_eq(batch->rows, rows);
    cr_assert_geq(batch->capacity, rows);
    for (uint32_t i = 0; i < rows; i++) {
        cr_assert_eq(batch->offset[i], i);
        cr_assert_eq(batch->log_ms[i], -(int64_t)i);
        cr_assert_eq(batch->row[i], i * 3);
        cr_assert_eq(batch->flags[i], (uint8_t)i);
        cr_assert_eq(batch->raw[i].size, i % 4);
        for (uint32_t f = 0; f < batch->schema->fields_count; f++) {
            cr_assert_eq(batch->bad[(size_t)i * batch->schema->fields_count + f], (i + f) % 2);
            cr_assert_eq(batch->column[f].null[i], (i + f) % 3 == 0);
            cr_assert_eq(batch->column[f].kind, fields[f].kind);
        }
        if (batch->schema->fields_count > 0) {
            cr_assert_eq(memcmp(batch->column[0].sv[i].data, &i, 4), 0);
            cr_assert_eq(batch->column[1].i64[i], (int64_t)i);
            cr_assert(batch->column[2].f64[i] == i / 2.0);
            cr_assert_eq(batch->column[3].i64[i], (int64_t)i << 32);
            cr_assert_eq(batch->column[4].i64[i], i & 1);
        }
    }
}

static void grow_and_reuse(const struct tl_schema *of)
{
    const uint32_t rows = 3 * TL_BATCH_ROWS + 100;
    struct tl_batch *batch = NULL;
    struct tl_err err;
    uint64_t growths;

    cr_assert_eq(tl_batch_open(of, &batch, &err), TL_OK);
    cr_assert_eq(batch->capacity, TL_BATCH_ROWS);
    cr_assert_eq(batch->allocations_count, 0);
    for (uint32_t i = 0; i < rows; i++)
        put(batch, i);
    check(batch, rows);
    growths = batch->allocations_count;
    cr_assert_gt(growths, 0);
    cr_assert_leq(growths, 20, "grows by a share of its size, not by rows");
    batch->messages_count = 5;
    tl_batch_clear(batch);
    cr_assert_eq(batch->rows, 0);
    cr_assert_eq(batch->messages_count, 0);
    for (uint32_t i = 0; i < rows; i++)
        put(batch, i);
    check(batch, rows);
    cr_assert_eq(batch->allocations_count, growths, "warm, it does not grow");
    tl_batch_close(batch);
}

Test(batch, grows_and_is_used_again)
{
    grow_and_reuse(&schema);
}

Test(batch, without_a_column)
{
    grow_and_reuse(&none);
}

Test(batch, makes_room_at_once)
{
    struct tl_batch *batch;
    struct tl_err err;

    cr_assert_eq(tl_batch_open(&schema, &batch, &err), TL_OK);
    put(batch, 0);
    cr_assert_eq(tl_batch_reserve(batch, 100000, &err), TL_OK);
    cr_assert_geq(batch->capacity, 100001);
    cr_assert_eq(batch->allocations_count, 1);
    check(batch, 1);
    cr_assert_eq(tl_batch_reserve(batch, UINT32_MAX, &err), TL_ERR_MEMORY, "more rows than can be numbered");
    check(batch, 1);
    tl_batch_close(batch);
    tl_batch_close(NULL);
}

Test(batch, dead_letters)
{
    const uint32_t count = 2 * TL_BATCH_ROWS + 77;
    struct tl_batch *batch;
    struct tl_err err;

    cr_assert_eq(tl_batch_open(&schema, &batch, &err), TL_OK);
    for (int round = 0; round < 2; round++) {
        uint64_t growths = batch->allocations_count;

        for (uint32_t i = 0; i < count; i++) {
            struct tl_dead dead = {
                i, -(int64_t)i, i + 1, TL_DEAD_TRAILING, {"raw", i % 4}
            };

            cr_assert_eq(tl_batch_add_dead(batch, &dead, &err), TL_OK);
        }
        cr_assert_eq(batch->dead_count, count);
        for (uint32_t i = 0; i < count; i++)
            cr_assert(batch->dead[i].offset == i && batch->dead[i].log_ms == -(int64_t)i && batch->dead[i].row == i + 1 &&
                      batch->dead[i].reason == TL_DEAD_TRAILING && batch->dead[i].raw.size == i % 4);
        cr_assert_eq(round == 0, batch->allocations_count > growths);
        tl_batch_clear(batch);
        cr_assert_eq(batch->dead_count, 0);
    }
    tl_batch_close(batch);
}

Test(batch, each_reason_has_a_text_and_a_cause)
{
    for (int i = TL_DEAD_NOT_JSON; i <= TL_DEAD_TIME_OUTSIDE; i++) {
        enum tl_dead_reason reason = (enum tl_dead_reason)i;
        bool of_time = reason >= TL_DEAD_TIME_MISSING;

        cr_assert_gt(strlen(tl_dead_reason_text(reason)), 8, "%d", i);
        cr_assert_str_eq(tl_dead_reason_cause(reason), of_time ? "bad_event_time" : "json_bad_row");
        for (int j = TL_DEAD_NOT_JSON; j < i; j++)
            cr_assert_str_neq(tl_dead_reason_text(reason), tl_dead_reason_text((enum tl_dead_reason)j));
    }
}
