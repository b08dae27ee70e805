/* store_reconciliation.h: what reconciliations came to, kept so that trends can be seen.
 *
 * Is:      tally_reconciliation, one line each; of its views tally_reconciliation_view; of the events behind the differences
 *          tally_reconciliation_cause. The newest TL_RECONCILIATIONS_KEPT are kept (one an hour for a year): whoever puts one removes what is older.
 * Is not:  the report: units, samples and rows are not kept. */
#ifndef TL_STORE_RECONCILIATION_H
#define TL_STORE_RECONCILIATION_H

#include "base/arena.h"
#include "store/store.h"

enum { TL_RECONCILIATIONS_KEPT = 10000, TL_RECONCILIATION_NOTES_MAX = 100 };

/* Differing events of one cause, each once. */
struct tl_reconciled_cause {
    enum tl_cause cause;
    struct tl_sv check; /* dq_reject: which check; else empty */
    uint64_t events_count;
};

struct tl_reconciled_counts {
    uint64_t groups, equal, explained, unexplained, pending; /* as in report.h of serving */
};

struct tl_reconciled_view {
    struct tl_sv view;
    int64_t definition;     /* 0: the store has none */
    int64_t from_ms, to_ms; /* as compared: INT64_MIN from the beginning; from >= to: nothing was */
    int64_t boundary_ms;    /* INT64_MIN: nothing was published */
    struct tl_sv runs;      /* that served it: "3-9, 12" */
    struct tl_reconciled_counts counts;
    const struct tl_reconciled_cause *causes; /* in order of cause and check */
    size_t causes_count;
};

struct tl_reconciliation {
    int64_t id;
    int64_t started_ms, ended_ms;
    int64_t from_ms, to_ms;                   /* as asked: INT64_MIN and INT64_MAX where not */
    int64_t compared_from_ms, compared_to_ms; /* of all its views together; from >= to: nothing was compared */
    bool cut;                                 /* more was asked for than could be compared */
    int exit_status;
    struct tl_reconciled_counts counts;
    uint64_t events_count;     /* read, of the record and of the log, to find causes and prove them */
    int64_t normaliser;        /* TL_NORMALISER_VERSION of the program */
    struct tl_sv versions;     /* what its functions worked with */
    const struct tl_sv *notes; /* no control characters in them */
    size_t notes_count;
    const struct tl_reconciled_cause *causes; /* over all views: an event that differs in several counts once */
    size_t causes_count;
    const struct tl_reconciled_view *views; /* by name */
    size_t views_count;
};

/* Own transaction, short; no tick waits for it but for the moment of its commit (SQLite). Of `it` the id does not count; *id is what it got. Bytes of
 * notes that are no text are replaced; of more than TL_RECONCILIATION_NOTES_MAX the last one says how many there were. */
TL_MUST_USE enum tl_code tl_store_put_reconciliation(struct tl_store *store, const struct tl_reconciliation *it, int64_t *id,
                                                     struct tl_err *err);

struct tl_reconciliation_query {
    int64_t from_ms, to_ms; /* that compared something of (from, to]; INT64_MIN and INT64_MAX: whatever they compared */
    int64_t before;         /* those with a smaller id; 0: from the newest on */
    int64_t limit;          /* < 0: all */
};
/* The newest first; *out lives in `arena`. */
TL_MUST_USE enum tl_code tl_store_reconciliations(struct tl_store *store, const struct tl_reconciliation_query *query,
                                                  struct tl_arena *arena, struct tl_reconciliation **out, size_t *count,
                                                  struct tl_err *err);

#endif
