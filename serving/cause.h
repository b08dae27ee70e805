/* cause.h: which events the layers counted differently, why, and the proof that this is the whole difference.
 *
 *   master record ──blocks of the differing windows──┐               ┌─> core, events that speed counted ──> = speed's row?
 *                                                    ├─> evidence.h ─┤
 *   log, behind the record's end ────────────────────┘               └─> core, events that batch counted ──> = batch's row?
 *
 * For each event of a differing unit, the evidence says whether either layer counted it. An event that exactly one layer counted is a difference, and what kept it from the other one is its cause (semantics.md 10.2). The proof
 * does not trust this reasoning: for either layer, the core runs over exactly the events that the layer is said to have counted, without
 * watermark and deduplication (the ledger stands for them), and must give the very row that the layer has stored, or none where it has
 * none. Whatever the aggregate is. A unit for which both come out, and which has a cause, is explained. Anything else is not: a row that
 * was forged, lost or counted twice does not come out of any set of events.
 * Nor is what rules_changed or nondeterministic_udf is likely to be behind: suspect.h names it, and it stays unexplained unless the rules of before are
 * here.
 *
 *   HOP, CUMULATE    speed counted a partly late event in those of its windows that had not passed (late_partial)
 *   sessions         speed counted a split event by the watermark that its ledger line tells: the proof's window holds it, judges it by that, and
 *                    must cut the sessions as speed did. Neither layer lacks the event, and yet it is the cause (session_split).
 *                    Speed forgets sessions that fired long ago (session.c): of a row that an open session took, its ledger may tell the
 *                    watermark alone. The proof has those sessions too, and sees from which a row was split off
 *   views on views   derivation.h has proved that either layer made its rows of the inner view's: what explains those explains these
 *
 * Evidence is read from the store in the caller's snapshot. Then the master record is read (only blocks that overlap differing windows), and
 * the log from where the record ends up to where speed stands. Order does not matter: accumulators merge in any order. */
#ifndef TL_CAUSE_H
#define TL_CAUSE_H

#include "cause_events.h"
#include "compare.h"
#include "evidence.h"
#include "recorded.h"
#include "sql/plan.h"

struct tl_cause_view {
    const struct tl_view *plan_view;
    const struct tl_shape *shape;
    const struct tl_evidence *evidence; /* NULL: the view is not compared, or reads another view */
    uint64_t events_count[TL_CAUSES];   /* out: differing events by cause, each once */
    struct tl_check_events *checks;     /* out: those of dq_reject by check */
    struct tl_unit_sample last;         /* that was counted, and for which causes */
    uint32_t last_causes;
};

/* The caller fills in plan, recorded, compare, views and threads between init and prove. */
struct tl_cause_finder {
    struct tl_plan *plan;
    struct tl_recorded *recorded; /* gets the gaps that are found, also where nothing differs */
    struct tl_compare *compare;
    struct tl_cause_view *views; /* as in the plan */
    uint32_t threads;            /* that read the record, 1 or more */

    /* In full (compare.h): what is waiting where the range ends, to be filled in -> tl_compare_waiting. Units are judged, and no difference is noted. NULL:
     * what differs is judged. */
    struct tl_table *waiting;

    uint64_t events_count[TL_CAUSES];     /* out: over all views; an event that differs in several counts once */
    uint64_t explained_events[TL_CAUSES]; /* out: of them, those that some explained unit differs by */
    struct tl_check_events *checks;       /* out: those of dq_reject by check */
    struct tl_cause_events events;        /* out; samples_max is the caller's to set, 0 unless it is */

    struct tl_arena memory;
    struct tl_table seen;           /* differing events */
    struct tl_cause_of_unit *noted; /* which units differ by them: 16 bytes each */
    size_t noted_count, noted_capacity;
};

void tl_cause_init(struct tl_cause_finder *finder);
void tl_cause_done(struct tl_cause_finder *finder);
/* For tl_compare_range.reach; ctx is the finder, of which plan and recorded are there, and views without evidence do. Reads the whole record up to
 * the end of the range, or back to its floor. */
TL_MUST_USE enum tl_code tl_cause_reach(void *ctx, const struct tl_compare_range *range, struct tl_table *keys,
                                        struct tl_err *err);
/* Judges every unit of the compare. TL_ERR_IO, TL_ERR_CORRUPT: the record or the log cannot be read. */
TL_MUST_USE enum tl_code tl_cause_prove(struct tl_cause_finder *finder, struct tl_err *err);
/* Units have come to be explained in another way: so are their events. */
void tl_cause_explain_events(struct tl_cause_finder *finder);
/* A sample that is to get its event's id. */
struct tl_cause_named {
    uint32_t view; /* that it is of */
    struct tl_unit_sample *sample;
};
/* Looks the ids up, once, for all that need one. An event that cannot be found has none. Brings `samples` into an order of its own. */
TL_MUST_USE enum tl_code tl_cause_name_samples(struct tl_cause_finder *finder, struct tl_cause_named *samples, size_t count,
                                               struct tl_err *err);

#endif
