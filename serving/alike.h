/* alike.h: events that both layers treat alike, so that no row differs by them: refused by both, or counted by both in spite of a flaw.
 *
 *   json_bad_row, bad_event_time    dead letters: they have no event time, and belong where the log's timestamp puts them
 *   future_event                    its event time says nothing: it belongs there too, by the record
 *   duplicate, eval_error           both layers' ledgers have it (eval_error: in the same view); what one layer alone refuses is a difference
 *   id_conflict, json_bad_field     flags of both ledgers' lines, where these say that the event was counted (in one view): what one layer alone counts
 *                                   is a difference
 *
 * In what is compared, [from, to) of that time. Of one source: an event that several views have counts once.
 * Memory: 70 bytes or so for each such event that speed's ledger has in the range, also where batch's says something else, and for each of the log
 * that came from the future. */
#ifndef TL_ALIKE_H
#define TL_ALIKE_H

#include "base/table.h"
#include "compare.h"

struct tl_alike {
    uint32_t view; /* whose ledgers are being read: their number in the plan */
    int64_t from_ms, to_ms;
    int64_t first_ms, last_ms; /* of all views so far */
    struct tl_table events;
};

/* An event, and when it is said to have been. */
struct tl_alike_event {
    enum tl_cause cause;
    struct tl_unit_sample event; /* time_ms INT64_MIN: it has none */
};

void tl_alike_init(struct tl_alike *alike);
void tl_alike_done(struct tl_alike *alike);
/* What is compared of a view: its ledgers come next. */
void tl_alike_view(struct tl_alike *alike, uint32_t view, int64_t from_ms, int64_t to_ms);
/* A line of the view's ledgers: speed's first, then those of the runs that serve its time. */
TL_MUST_USE enum tl_code tl_alike_line(struct tl_alike *alike, bool of_speed, const struct tl_ledger_line *line,
                                       struct tl_err *err);
/* A dead letter from first_ms on, and before last_ms; `partition` as the core numbers it. */
TL_MUST_USE enum tl_code tl_alike_dead(struct tl_alike *alike, uint32_t partition, int64_t offset, uint32_t row,
                                       enum tl_cause cause, struct tl_err *err);
/* Once the ledgers are read: finds out when each event from the future came. `find` gives its log timestamp, or INT64_MIN where that is not known any more: it
 * belongs to the beginning of time. */
TL_MUST_USE enum tl_code tl_alike_place_future(struct tl_alike *alike,
                                               enum tl_code (*find)(void *ctx, const struct tl_unit_sample *event,
                                                                    int64_t *log_ms, struct tl_err *err),
                                               void *ctx, struct tl_err *err);
/* How many of each cause; and of each the first `limit` by partition, offset and row, to *out, which the caller frees. */
TL_MUST_USE enum tl_code tl_alike_take(const struct tl_alike *alike, uint64_t counts[TL_CAUSES], size_t limit,
                                       struct tl_alike_event **out, size_t *count, struct tl_err *err);

#endif
