/* look.h: looks at the topics while a lane runs: are they still those that were read, have they got more partitions?
 *
 * Is:      a thread of its own, for an answer may take seconds; ticks go on meanwhile. It has the ground's log handles from open to close.
 * Is not:  the judge of what a reader hears: workers look themselves before they read on after a failure (worker.c).
 *
 * A Kafka tells a topic that was made again from the old one by its messages alone. So each partition has an anchor: a message that was read of the
 * topic as it was. When it still stands there, all that was read before that look is of the same topic, and the last of it is the next anchor; the
 * anchor never moves to what was read since. A few partitions are looked at each second, all of them within ten.
 *
 * That a topic is not there is believed when it holds for a while: brokers hear of things one after the other. */
#ifndef TL_LOOK_H
#define TL_LOOK_H

#include "lane.h"

struct tl_look;

TL_MUST_USE enum tl_code tl_look_open(const struct tl_lane_ground *ground, const struct tl_lane *lane, struct tl_look **out,
                                      struct tl_err *err);
/* `final`: the ground's handles will be closed, and need not answer any more. NULL is fine. */
void tl_look_close(struct tl_look *look, bool final);
/* What was found, on the committer's thread and at once; takes `positions` (one per partition of the lane), up to where is committed. *more: a topic
 * has more partitions than the lane; it keeps its value otherwise. TL_ERR_IO: a topic is not what it was. */
TL_MUST_USE enum tl_code tl_look_heed(struct tl_look *look, const struct tl_position *positions, bool *more, struct tl_err *err);

#endif
