/* status.h: is every event accounted for, per view, and how far is each layer: `tally status` and the API.
 *
 * JSON: views: [{view, definition, state, events, messages, agrees, speed: {outcome: events}, batch: {outcome: events}, failed_in: {function: events}, final,
 * final_age_ms, boundary, boundary_age_ms, partitions: [{topic, partition, offset, end, lag, watermark}]}], archive: [{topic, partition, offset, as_of,
 * age_ms}], agrees. `end` and `lag` where the log was looked at. */
#ifndef TL_STATUS_H
#define TL_STATUS_H

#include "main/option.h"
#include "store/store.h"

/* The members of that object, without its braces; the log is not looked at: it may take its time. */
TL_MUST_USE enum tl_code tl_status_json(struct tl_store *store, const struct tl_common_options *common, struct tl_buf *out,
                                        struct tl_err *err);

#endif
