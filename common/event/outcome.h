/* outcome.h: what became of an event: its outcome per view, its cause in the ledger.
 *
 * Source: design.md "speed" and property 5; the closed list of causes is semantics.md 10.2. */
#ifndef TL_OUTCOME_H
#define TL_OUTCOME_H

#include "base/base.h"
#include "base/sv.h"

/* The first that applies. Per view, the counts of these sum to the events of the log. */
enum tl_outcome {
    TL_OUT_DEAD_LETTER,
    TL_OUT_FUTURE,
    TL_OUT_DUPLICATE,
    TL_OUT_FILTERED,
    TL_OUT_REJECTED,
    TL_OUT_LATE,
    TL_OUT_PARTLY_COUNTED,
    TL_OUT_COUNTED,
    TL_OUTCOMES
};
const char *tl_outcome_name(enum tl_outcome outcome); /* "dead_letter", ... as in tally_events_total{outcome=} */

/* Numbers are stored: never renumber, only append. */
enum tl_cause {
    TL_CAUSE_NONE = 0, /* a line with flags only: the event was counted (or filtered) all the same */
    TL_CAUSE_LATE_DROP = 1,
    TL_CAUSE_LATE_PARTIAL = 2,
    TL_CAUSE_SESSION_SPLIT = 3,
    TL_CAUSE_SESSION_BRIDGE = 4,
    TL_CAUSE_DUPLICATE = 5,
    TL_CAUSE_ID_CONFLICT = 6,
    TL_CAUSE_JSON_BAD_ROW = 7,
    TL_CAUSE_JSON_BAD_FIELD = 8,
    TL_CAUSE_BAD_EVENT_TIME = 9,
    TL_CAUSE_FUTURE_EVENT = 10,
    TL_CAUSE_DQ_REJECT = 11,
    TL_CAUSE_EVAL_ERROR = 12,
    TL_CAUSE_NOT_YET_ARCHIVED = 13,
    TL_CAUSE_NOT_YET_READ = 14,
    TL_CAUSE_NOT_YET_FINAL = 15,
    TL_CAUSE_ARCHIVED_AFTER_PUBLISH = 16,
    TL_CAUSE_IMPORTED = 17,
    TL_CAUSE_SEALED_DAY = 18,
    TL_CAUSE_DEFINITION_CHANGED = 19,
    TL_CAUSE_RULES_CHANGED = 20,
    TL_CAUSE_NONDETERMINISTIC_UDF = 21,
    TL_CAUSE_OFFSET_GAP = 22,
    TL_CAUSE_FIRED_BY_IDLE = 23,
    TL_CAUSES
};
const char *tl_cause_name(enum tl_cause cause); /* "late_drop", ... */

/* One line per (definition, partition, offset, row). A gap in the log (offset_gap) is two: its first offset in row 0, its last in row 1. */
struct tl_ledger_line {
    uint32_t partition; /* index within the topic */
    uint32_t row;
    int64_t offset;
    enum tl_cause cause;
    uint8_t flags;         /* TL_FLAG_* of batch.h */
    int64_t watermark_ms;  /* by which the event was judged; INT64_MIN: none yet */
    int64_t event_time_ms; /* INT64_MIN: unknown */
    const char *
        function; /* eval_error: the function that failed; dq_reject: the check; else NULL. Lives as long as these, or, read from the store, for the call */
};

/* An event that a check keeps out of batch's rows: each view that would have counted it has a ledger line of cause dq_reject. */
struct tl_dropped {
    uint32_t partition, row;
    int64_t offset;
    const char *check; /* its name; lives as long as the checks, or, read from the store, for the call */
    struct tl_sv raw;  /* the first bytes of its message (64 KiB); empty where another event of the message stands before it */
};

#endif
