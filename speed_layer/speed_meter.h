/* speed_meter.h: what speed shows its operators of itself: the figures of each tick, and whether it gets on.
 *
 * The committer publishes the figures of a tick when its transaction is in, all at once: at every scrape a view's outcomes sum to the events
 * that were read for it, and both equal what stands in the store. The two sides come from different sums: the outcomes
 * from the views, the events from the partitions' positions.
 *
 * The workers count nothing here: what they have done comes with their partials.
 *
 *   ready   the state is "running"; each partition with unread events moves on; a tick that is due is taken by the store; log and store answer
 *
 * Every call takes a meter that is NULL (no --metrics-listen) and does nothing then.
 * Runs on: the main thread of speed, but for the log's ends, which come from the watch's. */
#ifndef TL_SPEED_METER_H
#define TL_SPEED_METER_H

#include "main/option.h"
#include "sql/plan.h"
#include "store/store.h"

struct tl_speed_meter;
struct tl_tick;

/* Listens and looks on return. *out: NULL where nothing is to be shown. Both pointers outlive the meter. */
TL_MUST_USE enum tl_code tl_speed_meter_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                             struct tl_speed_meter **out, struct tl_err *err);
void tl_speed_meter_close(struct tl_speed_meter *meter);

/* It does not count, and why: "waiting for the log". */
void tl_speed_meter_wait(struct tl_speed_meter *meter, const char *what, const struct tl_err *why);
/* Another process is at work. */
void tl_speed_meter_stand_by(struct tl_speed_meter *meter, const struct tl_err *why);
/* It is this process that counts from now on. */
void tl_speed_meter_epoch(struct tl_speed_meter *meter, int64_t epoch);
/* A lane begins: takes the totals of its definitions from the store. `whole`: all partitions of all sources are in it. */
TL_MUST_USE enum tl_code tl_speed_meter_lane(struct tl_speed_meter *meter, const struct tl_tick *tick, bool whole,
                                             struct tl_err *err);
/* A tick is to be committed; the store does not take it, and is asked again; it is in, begun at that time (monotonic). */
void tl_speed_meter_due(struct tl_speed_meter *meter);
void tl_speed_meter_refused(struct tl_speed_meter *meter, const struct tl_err *why);
void tl_speed_meter_tick(struct tl_speed_meter *meter, const struct tl_tick *tick, int64_t begun_ns);

#endif
