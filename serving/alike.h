/* alike.h: events that both layers treat alike, so that no row differs by them: refused by both, or counted by both in spite of a flaw.
 *
 *   json_bad_row, bad_event_time    dead letters: they have no event time, and belong where the log's timestamp puts them
 *   future_event                    its event time says nothing: it belongs there too, by the record
 *   duplicate, eval_error           both layers' ledgers have it (eval_error: in the same view); what one layer alone refuses is a difference
 *   id_conflict, json_bad_field     flags of both ledgers' lines, where these say that the event was counted (in one view): what one layer alone counts
 *                                   is a difference
 *
 * In what is compared, [from, to) of that time. Of one source: an event that several views have counts once.
 * Memory: `limit` events of each cause, however many there are; and those of the future that came in the block of the record in which the time begins or
 * ends, or are not on record yet: the others are placed by what the record's index says. */
#ifndef TL_ALIKE_H
#define TL_ALIKE_H

#include "cause_events.h"
#include "store/store.h"

struct tl_alike {
    int64_t first_ms, last_ms; /* of all views */
    /* Between which of the log's timestamps the message lies; NULL: nobody knows. */
    void (*between)(void *ctx, uint32_t partition, int64_t offset, int64_t *min_ms, int64_t *max_ms);
    void *ctx;
    struct tl_cause_events events; /* what is counted, and the first ones */
    struct tl_unit_sample *future; /* to be placed, in order */
    size_t future_count, future_capacity;
    struct tl_ledger_pair at; /* the event at hand */
    uint32_t at_causes;       /* one bit each */
    bool at_future, has_at;
};

/* An event, and when it is said to have been. */
struct tl_alike_event {
    enum tl_cause cause;
    struct tl_unit_sample event; /* time_ms INT64_MIN: it has none */
};

/* `limit`: so many events of each cause are kept. */
void tl_alike_init(struct tl_alike *alike, size_t limit);
void tl_alike_done(struct tl_alike *alike);
/* Those of speed's lines that another one beside it may be like: a bit each. */
extern const uint32_t tl_alike_causes;
/* So much is compared of a view. All are told of before anything else. */
void tl_alike_widen(struct tl_alike *alike, int64_t from_ms, int64_t to_ms);
/* What both ledgers of a view say (tl_store_ledger_pairs), in that order: several views' of one event follow each other. */
TL_MUST_USE enum tl_code tl_alike_pair(struct tl_alike *alike, const struct tl_ledger_pair *pair, struct tl_err *err);
TL_MUST_USE enum tl_code tl_alike_pairs_end(struct tl_alike *alike, struct tl_err *err);
/* A dead letter from first_ms on, and before last_ms; `partition` as the core numbers it. */
TL_MUST_USE enum tl_code tl_alike_dead(struct tl_alike *alike, uint32_t partition, int64_t offset, uint32_t row,
                                       enum tl_cause cause, struct tl_err *err);
/* Behind the last pair: finds out when each event from the future came that is not placed yet. `find` gives its log timestamp, or INT64_MIN where that is not
 * known any more: it belongs to the beginning of time. */
TL_MUST_USE enum tl_code tl_alike_place_future(struct tl_alike *alike,
                                               enum tl_code (*find)(void *ctx, const struct tl_unit_sample *event,
                                                                    int64_t *log_ms, struct tl_err *err),
                                               void *ctx, struct tl_err *err);
/* Adds how many there are of each cause; and of each the first ones by partition, offset and row, to *out, which the caller frees. */
TL_MUST_USE enum tl_code tl_alike_take(struct tl_alike *alike, uint64_t counts[TL_CAUSES], struct tl_alike_event **out,
                                       size_t *count, struct tl_err *err);

#endif
