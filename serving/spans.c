/* spans.c: spans of event time, ascending and apart from each other. See spans.h. */
#include "spans.h"

#include <stdlib.h>

void tl_time_spans_done(struct tl_time_spans *spans)
{
    free(spans->items);
    *spans = (struct tl_time_spans){0};
}

bool tl_time_spans_add(struct tl_time_spans *spans, int64_t from_ms, int64_t to_ms)
{
    struct tl_time_span span = {from_ms, tl_max_i64(to_ms, tl_add_sat_i64(from_ms, 1))};

    if (spans->count > 0 && spans->items[spans->count - 1].from_ms == from_ms) { /* the next key of the same window */
        struct tl_time_span *last = &spans->items[spans->count - 1];

        last->to_ms = tl_max_i64(last->to_ms, span.to_ms);
        return true;
    }
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity * 2 + 16;

        if (!TL_RESIZE(spans->items, capacity))
            return false;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = span;
    return true;
}

static int by_from(const void *a, const void *b)
{
    const struct tl_time_span *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

void tl_time_spans_settle(struct tl_time_spans *spans)
{
    size_t kept = 0;

    if (spans->count == 0)
        return;
    qsort(spans->items, spans->count, sizeof *spans->items, by_from);
    for (size_t i = 0; i < spans->count; i++) {
        if (kept > 0 && spans->items[i].from_ms <= spans->items[kept - 1].to_ms)
            spans->items[kept - 1].to_ms = tl_max_i64(spans->items[kept - 1].to_ms, spans->items[i].to_ms);
        else
            spans->items[kept++] = spans->items[i];
    }
    spans->count = kept;
}

bool tl_time_spans_overlap(const struct tl_time_spans *spans, int64_t min_ms, int64_t max_ms)
{
    size_t low = 0, high = spans->count;

    if (min_ms > max_ms)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (spans->items[middle].to_ms <= min_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spans->count && spans->items[low].from_ms <= max_ms;
}
