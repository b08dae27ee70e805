/* assign.c: in which slice of the windows each row of a batch lies. See assign.h. */
#include "core/assign.h"

#include <stdlib.h>

bool tl_assign_same(const struct tl_window_spec *a, const struct tl_window_spec *b)
{
    return a->window == b->window && a->size_ms == b->size_ms && a->slide_ms == b->slide_ms && a->offset_ms == b->offset_ms &&
           a->zone == b->zone;
}

void tl_assign_init(struct tl_assign *assign, const struct tl_window_spec *spec)
{
    *assign = (struct tl_assign){
        .spec = spec, .span = {INT64_MAX, INT64_MIN, 0}
    };
}

void tl_assign_done(struct tl_assign *assign)
{
    free(assign->runs);
}

static struct tl_slice_run slice_at(const struct tl_window_spec *spec, int64_t local_ms)
{
    struct tl_slice_run run = {.slice_ms = tl_window_start_ms(local_ms, spec->offset_ms, spec->slide_ms)};

    run.first_ms = tl_add_sat_i64(run.slice_ms, spec->slide_ms);
    run.last_ms = spec->window == TL_WINDOW_HOP
                      ? tl_add_sat_i64(run.slice_ms, spec->size_ms)
                      : tl_add_sat_i64(tl_window_start_ms(local_ms, spec->offset_ms, spec->size_ms), spec->size_ms);
    run.first_fire_ms = tl_fire_ms(spec->zone, run.first_ms);
    run.last_fire_ms = tl_fire_ms(spec->zone, run.last_ms);
    return run;
}

static bool next_run(struct tl_assign *assign, int64_t local_ms)
{
    if (assign->count == assign->capacity) {
        uint32_t capacity = assign->capacity * 2 + 16;

        if (!TL_RESIZE(assign->runs, capacity))
            return false;
        assign->capacity = capacity;
    }
    assign->runs[assign->count++] = slice_at(assign->spec, local_ms);
    return true;
}

bool tl_assign_rows(struct tl_assign *assign, const uint32_t *rows, uint32_t count, const int64_t *time_ms)
{
    const struct tl_zone *zone = assign->spec->zone;
    const struct tl_slice_run *run = NULL;

    assign->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t local_ms = zone == NULL ? time_ms[rows[i]] : tl_zone_local_near_ms(zone, &assign->span, time_ms[rows[i]]);

        if (run != NULL && local_ms >= run->slice_ms && local_ms < run->first_ms)
            continue;
        if (run != NULL)
            assign->runs[assign->count - 1].upto = rows[i];
        if (!next_run(assign, local_ms))
            return false;
        run = &assign->runs[assign->count - 1];
    }
    if (run != NULL)
        assign->runs[assign->count - 1].upto = UINT32_MAX;
    return true;
}
