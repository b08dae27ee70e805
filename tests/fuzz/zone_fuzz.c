/* zone_fuzz.c: no TZif file makes the reader run past its end, and what it takes keeps zone.h's promises: spans that follow one
 * another, wall clocks that never go back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/zone.h"
#include "fuzz/target.h"

/* Around each change of the offset and at the ends of time. */
static void check_times(const struct tl_zone *zone, int64_t around_ms)
{
    static const int64_t steps[] = {INT64_MIN, -93600000, -3600000, -1, 0, 1, 3600000, 93600000, INT64_MAX};
    int64_t first_before_ms = INT64_MIN, last_before_ms = INT64_MIN;

    for (size_t i = 0; i < TL_COUNT(steps); i++) {
        int64_t local_ms = tl_add_sat_i64(around_ms, steps[i]), first_ms = tl_zone_first_ms(zone, local_ms);
        int64_t last_ms = tl_zone_last_ms(zone, local_ms);
        struct tl_zone_span near = tl_zone_span(zone, around_ms);

        CHECK(first_ms <= last_ms && first_ms >= first_before_ms && last_ms >= last_before_ms);
        CHECK(tl_zone_local_ms(zone, first_ms) >= local_ms || first_ms == INT64_MAX);
        CHECK(tl_zone_instant_near_ms(zone, &near, local_ms) == tl_zone_instant_ms(zone, local_ms));
        CHECK(tl_zone_end_ms(zone, local_ms) <= tl_add_sat_i64(last_ms, 1));
        first_before_ms = first_ms;
        last_before_ms = last_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tl_zone *zone = NULL;
    struct tl_zone_span span;
    struct tl_arena arena;
    char *copy = malloc(size > 0 ? size : 1); /* of its own size, so that the sanitizer sees a read behind it */

    CHECK(copy != NULL);
    memcpy(copy, data, size);
    tl_arena_init(&arena, 4096, 1 << 24);
    if (tl_zone_read(TL_SV("Fuzz"), (struct tl_sv){copy, size}, &arena, &zone, NULL) == TL_OK) {
        span = tl_zone_span(zone, INT64_MIN);
        CHECK(span.from_ms == INT64_MIN);
        for (int changes = 0; changes < 200 && span.to_ms != INT64_MAX; changes++) {
            struct tl_zone_span next = tl_zone_span(zone, span.to_ms);

            CHECK(next.from_ms <= span.to_ms && next.to_ms > span.to_ms);
            check_times(zone, tl_add_sat_i64(span.to_ms, span.offset_ms));
            span = next;
        }
        check_times(zone, 0);
        check_times(zone, INT64_MAX);
    }
    tl_arena_done(&arena);
    free(copy);
    return 0;
}
