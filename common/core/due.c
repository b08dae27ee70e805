/* due.c: which key is to be looked at next. See due.h. */
#include "core/due.h"

#include <stdlib.h>

bool tl_due_put(struct tl_due *due, int64_t at_ms, struct tl_key *key)
{
    size_t at = due->count;

    if (due->count == due->capacity) {
        size_t capacity = due->capacity + due->capacity / 2 + 64; /* grows slowly: sessions count their bytes */

        if (!TL_RESIZE(due->items, capacity))
            return false;
        due->capacity = capacity;
    }
    due->count++;
    key->marks |= TL_KEY_DUE;
    for (; at > 0 && due->items[(at - 1) / 2].at_ms > at_ms; at = (at - 1) / 2)
        due->items[at] = due->items[(at - 1) / 2];
    due->items[at] = (struct tl_due_item){at_ms, key};
    return true;
}

struct tl_key *tl_due_take(struct tl_due *due)
{
    struct tl_key *key = due->items[0].key;
    struct tl_due_item last = due->items[--due->count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < due->count; at = child) {
        if (child + 1 < due->count && due->items[child + 1].at_ms < due->items[child].at_ms)
            child++;
        if (due->items[child].at_ms >= last.at_ms)
            break;
        due->items[at] = due->items[child];
    }
    if (due->count > 0)
        due->items[at] = last;
    return key;
}

bool tl_due_looked(struct tl_due *due, struct tl_key *key)
{
    if (due->looked_count == due->looked_capacity) {
        size_t capacity = due->looked_capacity * 2 + 64;

        if (!TL_RESIZE(due->looked, capacity))
            return false;
        due->looked_capacity = capacity;
    }
    due->looked[due->looked_count++] = key;
    key->marks &= ~TL_KEY_DUE;
    return true;
}

static bool put_when(struct tl_due *due, tl_due_when when, const void *ctx, struct tl_key *key)
{
    int64_t at_ms = when(ctx, key);

    return at_ms == INT64_MAX || tl_due_put(due, at_ms, key);
}

bool tl_due_again(struct tl_due *due, tl_due_when when, const void *ctx)
{
    for (size_t i = 0; i < due->looked_count; i++)
        if (!put_when(due, when, ctx, due->looked[i]))
            return false;
    due->looked_count = 0;
    return true;
}

bool tl_due_anew(struct tl_due *due, const struct tl_pieces *pieces, tl_due_when when, const void *ctx)
{
    tl_due_reset(due);
    for (uint32_t i = 0; i < pieces->table.count; i++)
        if (!put_when(due, when, ctx, tl_pieces_at(pieces, i)))
            return false;
    return true;
}

void tl_due_reset(struct tl_due *due)
{
    due->count = due->looked_count = 0;
}

size_t tl_due_bytes(const struct tl_due *due)
{
    return due->capacity * sizeof *due->items + due->looked_capacity * sizeof(struct tl_key *);
}

void tl_due_done(struct tl_due *due)
{
    free(due->items);
    free(due->looked);
    *due = (struct tl_due){0};
}
