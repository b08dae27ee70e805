/* cause_words.c: the causes in words. See cause_words.h. */
#include "cause_words.h"

/* clang-format off */
static const struct tl_cause_words words[TL_CAUSES] = {
    [TL_CAUSE_LATE_DROP] = {
        "late event", "late events",
        "came when their window was final already; batch counts them",
        "nothing, batch's rows have them; where there are many, `tally reconcile --advise-lateness` says which delay of "
        "the watermark, or allowed lateness, would leave how many",
    },
    [TL_CAUSE_LATE_PARTIAL] = {
        "partly late event", "partly late events",
        "came when some of their windows were final; batch counts them in all",
        "nothing, batch's rows have them; where there are many, `tally reconcile --advise-lateness` says which delay of "
        "the watermark, or allowed lateness, would leave how many",
    },
    [TL_CAUSE_SESSION_SPLIT] = {
        "split session", "split sessions",
        "speed had closed the session before they came, and counts them in another",
        "nothing, batch has the session whole; where there are many, `tally reconcile --advise-lateness` says which delay "
        "of the watermark would leave how many",
    },
    [TL_CAUSE_SESSION_BRIDGE] = {
        "bridged session", "bridged sessions",
        "join sessions that speed had closed; batch counts them",
        "nothing, batch has made one session of them; where there are many, `tally reconcile --advise-lateness` says "
        "which delay of the watermark would leave how many",
    },
    [TL_CAUSE_DUPLICATE] = {
        "duplicate", "duplicates",
        "copies of an event that only one layer took for such: speed looks within a partition and 'tally.dedup.horizon', "
        "batch over all it reads",
        "find who sends twice, and let an event's copies go to the partition that its first went to; a longer "
        "'tally.dedup.horizon' lets speed find those that come later",
    },
    [TL_CAUSE_ID_CONFLICT] = {
        "id conflict", "id conflicts",
        "the same id with another event time",
        "mend whoever writes the ids, so that each event has one of its own; until then all of them count",
    },
    [TL_CAUSE_JSON_BAD_ROW] = {
        "malformed event", "malformed events",
        "not a JSON object",
        "look at them among the dead letters, and mend whoever sends them",
    },
    [TL_CAUSE_JSON_BAD_FIELD] = {
        "bad field", "bad fields",
        "a value that could not be read",
        "compare the table's columns with what is sent; such a value counts as NULL",
    },
    [TL_CAUSE_BAD_EVENT_TIME] = {
        "bad event time", "bad event times",
        "without a usable event time",
        "look at them among the dead letters, and mend the time where they are made, or the table's 'json.timestamp-"
        "format.standard'",
    },
    [TL_CAUSE_FUTURE_EVENT] = {
        "future event", "future events",
        "more than 'tally.max-future-skew' ahead of the log's own time",
        "mend the clock of whoever sends them; what is right all the same needs a larger 'tally.max-future-skew'",
    },
    [TL_CAUSE_DQ_REJECT] = {
        "rejected event", "rejected events",
        "refused by a data-quality check of batch",
        "look at them with `tally checks --quarantine`; where the check is wrong, mend it, and `tally batch --from TIME` "
        "counts anew",
    },
    [TL_CAUSE_EVAL_ERROR] = {
        "failed evaluation", "failed evaluations",
        "an expression of the view failed for them in one layer",
        "the ledger names the function: mend what it works with (a data file, a library), then `tally batch --from TIME`",
    },
    [TL_CAUSE_NOT_YET_ARCHIVED] = {
        "event not yet archived", "events not yet archived",
        "counted by speed, still in the log only",
        "run `tally archive`, then `tally batch`; if it should run by itself, see why it does not",
    },
    [TL_CAUSE_NOT_YET_READ] = {
        "event not yet read", "events not yet read",
        "speed has not come to them",
        "run `tally speed`, or wait until it has caught up; `tally status` says how far it is",
    },
    [TL_CAUSE_NOT_YET_FINAL] = {
        "event not yet final", "events not yet final",
        "speed's watermark has not passed their window",
        "wait for newer events; a partition that gets none holds the watermark back unless 'scan.watermark.idle-timeout' is "
        "set",
    },
    [TL_CAUSE_ARCHIVED_AFTER_PUBLISH] = {
        "event archived after publication", "events archived after publication",
        "came on record after the run that published their range",
        "run `tally batch`: it counts them; a longer 'tally.batch-grace' leaves fewer",
    },
    [TL_CAUSE_IMPORTED] = {
        "imported event", "imported events",
        "imported into the master record, never streamed",
        "nothing: speed is not to have them",
    },
    [TL_CAUSE_SEALED_DAY] = {
        "event of a sealed day", "events of a sealed day",
        "came for a day that is not recomputed any more",
        "nothing can count them: part of that day's record is gone; keep the record for longer where such events matter",
    },
    [TL_CAUSE_DEFINITION_CHANGED] = {
        "changed definition", "changed definitions",
        "the layers counted different definitions",
        "run speed and batch with the same views file, and let the new definition catch up",
    },
    [TL_CAUSE_RULES_CHANGED] = {
        "changed rule", "changed rules",
        "data files changed between the runs",
        "give both layers the same files, then `tally batch --from TIME` recomputes batch's rows with them",
    },
    [TL_CAUSE_NONDETERMINISTIC_UDF] = {
        "unsteady function", "unsteady functions",
        "a function gave different results for the same event",
        "mend the library: what a function gives may depend on its arguments alone",
    },
    [TL_CAUSE_OFFSET_GAP] = {
        "event lost to speed", "events lost to speed",
        "gone from the log before speed had read them (--accept-gap); batch has them on record",
        "nothing, batch's rows have them; let the log keep its entries for longer than speed may stand still",
    },
    [TL_CAUSE_FIRED_BY_IDLE] = {
        "event late by an idle partition", "events late by an idle partition",
        "came late only because a silent partition was not waited for",
        "nothing, batch's rows have them; where there are many, a longer 'scan.watermark.idle-timeout' waits for slower "
        "partitions",
    },
};
/* clang-format on */

const struct tl_cause_words *tl_cause_words(enum tl_cause cause)
{
    assert(cause > TL_CAUSE_NONE && cause < TL_CAUSES);
    return &words[cause];
}
