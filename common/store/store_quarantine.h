/* store_quarantine.h: the events that checks keep out of batch's rows, per definition and run, beside that run's ledger lines of cause
 * dq_reject: the ledger says when and why, the quarantine has the bytes. Both go when the run is discarded, and stay when it is superseded.
 *
 * What is served now: the runs that the pointer names (tl_store_ranges), and of each the lines whose event time lies in its range. */
#ifndef TL_STORE_QUARANTINE_H
#define TL_STORE_QUARANTINE_H

#include "store/store.h"

/* In the caller's transaction. An event that is there already stays as it is. */
TL_MUST_USE enum tl_code tl_store_put_quarantine(struct tl_store *store, int64_t definition, int64_t run,
                                                 const struct tl_dropped *events, size_t count, struct tl_err *err);
/* Of one run, in order of (partition, offset, row); `time_ms` is the event's time. */
TL_MUST_USE enum tl_code tl_store_quarantine(struct tl_store *store, int64_t definition, int64_t run,
                                             enum tl_code (*each)(void *ctx, const struct tl_dropped *event, int64_t time_ms,
                                                                  struct tl_err *err),
                                             void *ctx, struct tl_err *err);

#endif
