/* timeline.c: differing units along event time. See timeline.h. */
#include "timeline.h"

#include "event/timestamp.h"

static const int64_t round_ms[] = {1000,       2000,           5000,           10000,          15000,          30000,
                                   60000,      120000,         300000,         600000,         900000,         1800000,
                                   TL_HOUR_MS, 2 * TL_HOUR_MS, 3 * TL_HOUR_MS, 6 * TL_HOUR_MS, 12 * TL_HOUR_MS};

static int64_t floor_to(int64_t ms, int64_t step_ms)
{
    int64_t rest = ms % step_ms;

    return ms - (rest < 0 ? rest + step_ms : rest);
}

static int64_t steps_of(int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
    return (floor_to(to_ms - 1, step_ms) - floor_to(from_ms, step_ms)) / step_ms + 1;
}

void tl_timeline_init(struct tl_timeline *timeline, int64_t from_ms, int64_t to_ms)
{
    int64_t step_ms = TL_DAY_MS;

    *timeline = (struct tl_timeline){.step_ms = 1000};
    /* Within the calendar, so that no sum can overflow. */
    from_ms = tl_max_i64(from_ms, TL_TIME_MIN_MS);
    to_ms = tl_min_i64(to_ms, TL_TIME_MAX_MS);
    if (from_ms >= to_ms)
        return;
    for (size_t r = 0; r < TL_COUNT(round_ms) && step_ms == TL_DAY_MS; r++)
        if (steps_of(from_ms, to_ms, round_ms[r]) <= TL_TIMELINE_STEPS)
            step_ms = round_ms[r];
    while (steps_of(from_ms, to_ms, step_ms) > TL_TIMELINE_STEPS)
        step_ms *= 2;
    timeline->step_ms = step_ms;
    timeline->from_ms = floor_to(from_ms, step_ms);
    timeline->steps_count = (uint32_t)steps_of(from_ms, to_ms, step_ms);
}

void tl_timeline_add(struct tl_timeline *timeline, int64_t start_ms, bool explained, bool pending)
{
    struct tl_timeline_step *step;

    if (timeline->steps_count == 0)
        return;
    start_ms = tl_max_i64(timeline->from_ms, tl_min_i64(start_ms, TL_TIME_MAX_MS));
    step = &timeline->steps[tl_min_i64((start_ms - timeline->from_ms) / timeline->step_ms, timeline->steps_count - 1)];
    step->explained_count += explained && !pending;
    step->pending_count += explained && pending;
    step->unexplained_count += !explained;
}
