/* timeline.h: differing units along event time, in steps that are round: what a picture of "when" is drawn from.
 *
 * A unit stands where it starts (its window, its span, its event); one that starts before the timeline does stands in the first step. */
#ifndef TL_TIMELINE_H
#define TL_TIMELINE_H

#include "base/base.h"

enum { TL_TIMELINE_STEPS = 60 };

struct tl_timeline_step {
    uint64_t explained_count, pending_count, unexplained_count; /* each unit in one of them */
};

struct tl_timeline {
    int64_t from_ms, step_ms; /* step 0 is [from, from + step) */
    uint32_t steps_count;     /* 0: there is no time to show */
    struct tl_timeline_step steps[TL_TIMELINE_STEPS];
};

/* The smallest round step (1 s to 12 h, then days) with which [from_ms, to_ms) takes at most TL_TIMELINE_STEPS of them; they begin at multiples of it
 * since 1970. Empties it. */
void tl_timeline_init(struct tl_timeline *timeline, int64_t from_ms, int64_t to_ms);
void tl_timeline_add(struct tl_timeline *timeline, int64_t start_ms, bool explained, bool pending);

#endif
