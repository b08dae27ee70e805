/* outcome.c: the names of outcomes and causes, as the store, the report and /metrics spell them. */
#include "event/outcome.h"

const char *tl_outcome_name(enum tl_outcome outcome)
{
    static const char *const names[TL_OUTCOMES] = {
        [TL_OUT_DEAD_LETTER] = "dead_letter",
        [TL_OUT_FUTURE] = "future",
        [TL_OUT_DUPLICATE] = "duplicate",
        [TL_OUT_FILTERED] = "filtered",
        [TL_OUT_REJECTED] = "rejected",
        [TL_OUT_LATE] = "late",
        [TL_OUT_PARTLY_COUNTED] = "partly_counted",
        [TL_OUT_COUNTED] = "counted",
    };

    return names[outcome];
}

const char *tl_cause_name(enum tl_cause cause)
{
    static const char *const names[TL_CAUSES] = {
        [TL_CAUSE_NONE] = "none",
        [TL_CAUSE_LATE_DROP] = "late_drop",
        [TL_CAUSE_LATE_PARTIAL] = "late_partial",
        [TL_CAUSE_SESSION_SPLIT] = "session_split",
        [TL_CAUSE_SESSION_BRIDGE] = "session_bridge",
        [TL_CAUSE_DUPLICATE] = "duplicate",
        [TL_CAUSE_ID_CONFLICT] = "id_conflict",
        [TL_CAUSE_JSON_BAD_ROW] = "json_bad_row",
        [TL_CAUSE_JSON_BAD_FIELD] = "json_bad_field",
        [TL_CAUSE_BAD_EVENT_TIME] = "bad_event_time",
        [TL_CAUSE_FUTURE_EVENT] = "future_event",
        [TL_CAUSE_DQ_REJECT] = "dq_reject",
        [TL_CAUSE_EVAL_ERROR] = "eval_error",
        [TL_CAUSE_NOT_YET_ARCHIVED] = "not_yet_archived",
        [TL_CAUSE_NOT_YET_READ] = "not_yet_read",
        [TL_CAUSE_NOT_YET_FINAL] = "not_yet_final",
        [TL_CAUSE_ARCHIVED_AFTER_PUBLISH] = "archived_after_publish",
        [TL_CAUSE_IMPORTED] = "imported",
        [TL_CAUSE_SEALED_DAY] = "sealed_day",
        [TL_CAUSE_DEFINITION_CHANGED] = "definition_changed",
        [TL_CAUSE_RULES_CHANGED] = "rules_changed",
        [TL_CAUSE_NONDETERMINISTIC_UDF] = "nondeterministic_udf",
        [TL_CAUSE_OFFSET_GAP] = "offset_gap",
        [TL_CAUSE_FIRED_BY_IDLE] = "fired_by_idle",
    };

    return names[cause];
}
