/* spans_test.c: spans of event time are put in order, and those that touch are one. */
#include "serving/spans.h"

#include <criterion/criterion.h>

Test(spans, in_order_and_apart)
{
    static const struct tl_time_span want[] = {
        {-5, 10},
        {20, 21},
        {30, 45}
    };
    struct tl_time_spans spans = {0};

    cr_assert(tl_time_spans_add(&spans, 30, 40));
    cr_assert(tl_time_spans_add(&spans, 30, 35)); /* the same beginning: one span */
    cr_assert_eq(spans.count, 1);
    cr_assert(tl_time_spans_add(&spans, 20, 20)); /* without length it holds its beginning */
    cr_assert(tl_time_spans_add(&spans, 0, 10));
    cr_assert(tl_time_spans_add(&spans, -5, 0));
    cr_assert(tl_time_spans_add(&spans, 38, 45));
    tl_time_spans_settle(&spans);
    cr_assert_eq(spans.count, 3);
    for (size_t i = 0; i < spans.count; i++)
        cr_assert(spans.items[i].from_ms == want[i].from_ms && spans.items[i].to_ms == want[i].to_ms, "span %zu", i);
    cr_assert(tl_time_spans_overlap(&spans, -100, -5));
    cr_assert(!tl_time_spans_overlap(&spans, -100, -6));
    cr_assert(tl_time_spans_overlap(&spans, 9, 15));
    cr_assert(!tl_time_spans_overlap(&spans, 10, 19));
    cr_assert(tl_time_spans_overlap(&spans, 20, 20));
    cr_assert(!tl_time_spans_overlap(&spans, 21, 29));
    cr_assert(tl_time_spans_overlap(&spans, 44, 100));
    cr_assert(!tl_time_spans_overlap(&spans, 45, 100));
    cr_assert(!tl_time_spans_overlap(&spans, 35, 34)); /* no times at all */
    tl_time_spans_done(&spans);
}

Test(spans, none)
{
    struct tl_time_spans spans = {0};

    tl_time_spans_settle(&spans);
    cr_assert(!tl_time_spans_overlap(&spans, INT64_MIN, INT64_MAX));
    tl_time_spans_done(&spans);
}
