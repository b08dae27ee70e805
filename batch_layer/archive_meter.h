/* archive_meter.h: what `archive --follow` shows its operators of itself: what it has put on record, and whether it gets on.
 *
 *   ready   a pass that has begun moves on or is over; the log answers
 *
 * That events wait for the next pass is no fault: how many do is a gauge.
 * Every call takes a meter that is NULL (no --metrics-listen) and does nothing then. Runs on: the main thread of archive. */
#ifndef TL_ARCHIVE_METER_H
#define TL_ARCHIVE_METER_H

#include "main/option.h"
#include "sql/plan.h"

struct tl_archive_meter;

/* Listens and looks on return. *out: NULL where nothing is to be shown. Both pointers outlive the meter. */
TL_MUST_USE enum tl_code tl_archive_meter_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                               struct tl_archive_meter **out, struct tl_err *err);
void tl_archive_meter_close(struct tl_archive_meter *meter);

/* One more topic that is put on record; its name outlives the meter. */
TL_MUST_USE enum tl_code tl_archive_meter_topic(struct tl_archive_meter *meter, struct tl_sv topic, struct tl_err *err);
/* A pass begins; there is no log for it yet; it has failed and is made again; it is over. */
void tl_archive_meter_begin(struct tl_archive_meter *meter);
void tl_archive_meter_wait(struct tl_archive_meter *meter);
void tl_archive_meter_failed(struct tl_archive_meter *meter, const struct tl_err *why);
void tl_archive_meter_end(struct tl_archive_meter *meter);
/* Within a pass something was read. */
void tl_archive_meter_move(struct tl_archive_meter *meter);
/* A file has got its name: so much of the topic is on record more. */
void tl_archive_meter_file(struct tl_archive_meter *meter, struct tl_sv topic, uint64_t messages, uint64_t bytes);
/* The partition is on record up to there. */
void tl_archive_meter_place(struct tl_archive_meter *meter, struct tl_sv topic, uint32_t partition, int64_t next_offset);

#endif
