/* spans.h: spans of event time, ascending and apart from each other: which events a proof needs. */
#ifndef TL_SPANS_H
#define TL_SPANS_H

#include "base/base.h"

struct tl_time_span {
    int64_t from_ms, to_ms; /* [from, to) */
};

struct tl_time_spans {
    struct tl_time_span *items;
    size_t count, capacity;
};

void tl_time_spans_done(struct tl_time_spans *spans);
/* One with to_ms at or below from_ms holds from_ms alone. False: out of memory. */
TL_MUST_USE bool tl_time_spans_add(struct tl_time_spans *spans, int64_t from_ms, int64_t to_ms);
/* Puts them in order, and makes one of those that touch. After that: */
void tl_time_spans_settle(struct tl_time_spans *spans);
/* Does some span hold a time from min to max? */
bool tl_time_spans_overlap(const struct tl_time_spans *spans, int64_t min_ms, int64_t max_ms);

#endif
