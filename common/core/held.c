/* held.c: rows that are behind the watermark. See held.h. */
#include "core/held.h"

#include <stdlib.h>

#include "event/partition.h"

void tl_held_init(struct tl_held *held)
{
    *held = (struct tl_held){0};
    tl_arena_init(&held->memory, 1u << 12, 0);
}

void tl_held_done(struct tl_held *held)
{
    tl_arena_done(&held->memory);
    free(held->rows);
}

void tl_held_clear(struct tl_held *held)
{
    held->count = 0;
    tl_arena_reset(&held->memory);
}

struct tl_held_row *tl_held_add(struct tl_held *held, const struct tl_held_row *row, const struct tl_agg_layout *layout)
{
    struct tl_held_row *mine;

    if (held->count == held->capacity) {
        size_t capacity = held->capacity * 2 + 64;

        if (!TL_RESIZE(held->rows, capacity))
            return NULL;
        held->capacity = capacity;
    }
    mine = &held->rows[held->count];
    *mine = *row;
    mine->block = tl_arena_zalloc(&held->memory, layout->state_bytes + 1u);
    if (mine->block == NULL || !tl_arena_copy(&held->memory, row->key, &mine->key))
        return NULL;
    held->count++;
    return mine;
}

bool tl_held_merge(struct tl_held *held, const struct tl_held *from, const struct tl_agg_layout *layout)
{
    for (size_t i = 0; i < from->count; i++) {
        struct tl_held_row *mine = tl_held_add(held, &from->rows[i], layout);

        if (mine == NULL || !tl_agg_merge(layout, mine->block, from->rows[i].block, &held->memory))
            return false;
    }
    return true;
}

static int by_watermark(const void *a, const void *b)
{
    const struct tl_held_row *x = a, *y = b;
    int order;

    if (x->passed_ms != y->passed_ms)
        return x->passed_ms < y->passed_ms ? -1 : 1;
    order = tl_partition_order(x->line.partition, x->line.offset, y->line.partition, y->line.offset);
    if (order != 0)
        return order;
    return (x->line.row > y->line.row) - (x->line.row < y->line.row);
}

void tl_held_sort(struct tl_held *held)
{
    if (held->count > 1)
        qsort(held->rows, held->count, sizeof *held->rows, by_watermark);
}

size_t tl_held_bytes(const struct tl_held *held)
{
    return held->capacity * sizeof *held->rows + held->memory.held_bytes;
}
