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

void tl_due_done(struct tl_due *due)
{
    free(due->items);
    *due = (struct tl_due){0};
}
