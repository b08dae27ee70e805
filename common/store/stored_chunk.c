/* stored_chunk.c: stored rows as columns. See stored_chunk.h. */
#include "store/stored_chunk.h"

enum tl_code tl_stored_chunk_init(struct tl_stored_chunk *chunk, const struct tl_shape *shape, const struct tl_zone *zone,
                                  struct tl_err *err)
{
    chunk->shape = shape;
    chunk->zone = zone;
    chunk->count = 0;
    tl_arena_init(&chunk->arena, 1u << 14, 0);
    tl_arena_init(&chunk->text, 1u << 14, 0);
    chunk->columns = tl_arena_zalloc(&chunk->arena, (shape->columns_count + 1) * sizeof *chunk->columns);
    if (chunk->columns == NULL)
        return tl_fail_memory(err, shape->columns_count * sizeof *chunk->columns);
    for (uint32_t c = 0; c < shape->columns_count; c++)
        if (!tl_vec_alloc(&chunk->arena, shape->columns[c].kind, TL_STORED_CHUNK_ROWS, &chunk->columns[c]))
            return tl_fail_memory(err, TL_STORED_CHUNK_ROWS * sizeof(struct tl_sv));
    return TL_OK;
}

void tl_stored_chunk_done(struct tl_stored_chunk *chunk)
{
    tl_arena_done(&chunk->text);
    tl_arena_done(&chunk->arena);
}

static struct tl_value handed_on(const struct tl_stored_chunk *chunk, const struct tl_stored_row *row, uint32_t column)
{
    enum tl_column_role role = chunk->shape->columns[column].role;
    struct tl_value value = row->columns[column];

    if (role == TL_ROLE_WINDOW_START)
        value.i64 = tl_zone_local_ms(chunk->zone, row->start_ms);
    else if (role == TL_ROLE_WINDOW_END)
        value.i64 = tl_zone_end_local_ms(chunk->zone, row->end_ms);
    return value;
}

enum tl_code tl_stored_chunk_add(struct tl_stored_chunk *chunk, const struct tl_stored_row *row, struct tl_err *err)
{
    uint32_t at = chunk->count;

    chunk->start_ms[at] = row->start_ms;
    chunk->end_ms[at] = row->end_ms;
    if (!tl_arena_copy(&chunk->text, row->key, &chunk->key[at]))
        return tl_fail_memory(err, row->key.size);
    for (uint32_t c = 0; c < row->columns_count; c++) {
        struct tl_value value = handed_on(chunk, row, c);

        if (tl_kind_form(value.kind) == TL_FORM_TEXT && !value.is_null && !tl_arena_copy(&chunk->text, value.sv, &value.sv))
            return tl_fail_memory(err, value.sv.size);
        tl_vec_set(&chunk->columns[c], at, &value);
    }
    chunk->count++;
    return TL_OK;
}

struct tl_rows tl_stored_chunk_rows(const struct tl_stored_chunk *chunk)
{
    return (struct tl_rows){.count = chunk->count,
                            .start_ms = chunk->start_ms,
                            .end_ms = chunk->end_ms,
                            .key = chunk->key,
                            .columns = chunk->columns};
}

void tl_stored_chunk_clear(struct tl_stored_chunk *chunk)
{
    chunk->count = 0;
    tl_arena_reset(&chunk->text);
}
