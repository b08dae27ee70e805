/* finality.h: how long after their ends windows became final by the log's clock, and would have under other settings.
 *
 *     event time   ---[ window )--------- wait ---------|
 *                              end                      the watermark has passed it by the first event from there on
 *     log's clock      ------- end ---------------------------------- log timestamp of that event
 *                              |<------------- waited ------------->|
 *
 * By event time every window waits as long: delay and lateness. By the clock it also waits for the next event, and for how far the stream is behind:
 * the longest where a site is quiet. Of the windows of an event the first is looked at (HOP, CUMULATE: those with an event in their last slide or step); of
 * sessions that end with an event, and of rows of COUNT_WINDOW, one a second.
 * For one partition: with several nobody knows which was read when. A pass over the record that parses times alone.
 * Memory: 8 bytes a window, and as many for each setting of the newest 65,536. Runs on: the thread of the caller. */
#ifndef TL_FINALITY_H
#define TL_FINALITY_H

#include "lateness.h"
#include "recorded.h"

struct tl_finality {
    struct tl_lateness *lateness; /* of the view: for where its windows lie */
    struct tl_advice_row *rows;   /* more_ms is read, waits is filled */
    size_t rows_count;
};

/* Of events at or behind from_ms, of one partition up to next_offset. Views of one source. */
TL_MUST_USE enum tl_code tl_finality_find(struct tl_recorded *recorded, uint32_t source, uint32_t partition, int64_t from_ms,
                                          int64_t next_offset, const struct tl_finality *views, size_t views_count,
                                          struct tl_err *err);

#endif
