/* replay_lane.h: runs the lane of a replay to its end: the workers and the committer of speed, and nothing beside them.
 *
 * What fails ends it, and what is in the store is whole ticks: it is opened again from there. Ticks are short at first and at most `tick_ms` long. Runs on: the thread that has the
 * store. */
#ifndef TL_REPLAY_LANE_H
#define TL_REPLAY_LANE_H

#include "lane.h"
#include "main/option.h"
#include "tick.h"

struct tl_replay_lane {
    const struct tl_common_options *common;
    const struct tl_lane_ground *ground;
    int64_t tick_ms, workers; /* workers 0: one a core */
    void (*ticked)(void *ctx, const struct tl_tick *tick);
    void *ctx;
};

/* Every partition of the lane has an end. TL_OK also where the program was told to stop on the way: the last tick is in. */
TL_MUST_USE enum tl_code tl_replay_lane_run(const struct tl_replay_lane *replay, const struct tl_lane *lane, struct tl_err *err);

#endif
