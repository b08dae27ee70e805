/* evidence.h: what the store says of the events of one view: which of them did each layer count?
 *
 *                    speed                                        batch
 *   never saw it     imported; lost in a gap of the log           still in the log only
 *   had not read it  offset at or behind its position             offset at or behind the manifest of the run that published its range: it
 *                                                                 will be, or (a sealed day) never
 *   refused it       a line of its ledger (run 0)                 a line of that run's ledger
 *
 * What neither says was counted; what became of it there (a filter, a dead letter, the future) is the core's to say, and the same in both.
 * Source: semantics.md 10.1, 10.2. Memory: 50 bytes or so for each ledger line that refuses an event of what differs. */
#ifndef TL_EVIDENCE_H
#define TL_EVIDENCE_H

#include "base/table.h"
#include "compare.h"
#include "core/core.h"
#include "main/source_topics.h"
#include "spans.h"
#include "store/store.h"

struct tl_evidence_partition {
    uint32_t partition;
    int64_t next_offset;
};

/* A published range with the offsets that its run had read. */
struct tl_evidence_range {
    int64_t run, from_ms, to_ms; /* events with from_ms <= time < to_ms */
    const struct tl_evidence_partition *offsets;
    uint32_t offsets_count;
};

/* Offsets that speed passed over: [first, last]. */
struct tl_evidence_gap {
    uint32_t partition;
    int64_t first_offset, last_offset;
};

/* tl_recorded_floor, and what it is asked of. */
struct tl_recorded_source;
typedef int64_t (*tl_evidence_floor)(const struct tl_recorded_source *of, uint32_t partition, int64_t from_ms, int64_t to_ms);

struct tl_evidence {
    struct tl_arena memory;
    int64_t definition, lateness_ms, final_ms;
    const struct tl_window_spec *window;     /* of the view; NULL: it has no sessions */
    int64_t sealed_ms;                       /* ranges that begin before it are never computed again; INT64_MIN: none */
    struct tl_evidence_partition *positions; /* of speed */
    uint32_t positions_count;
    struct tl_ledger_floor *floors;   /* as the positions: speed's ledger has been read from there */
    struct tl_evidence_range *ranges; /* in order of time, without overlap */
    uint32_t ranges_count;
    struct tl_evidence_gap *gaps;
    uint32_t gaps_count;
    struct tl_table lines; /* (partition, offset, row) -> causes of both layers (cause.c) */
    struct tl_sv *checks;  /* names of those that dropped an event */
    uint32_t checks_count;
};

/* Reads what concerns events with from_ms <= time < to_ms; of lines, unless `spans` is NULL, only those of times in it: of the
 * events that somebody will ask for. `topics` are the source's; `window` the view's, and stays the caller's. `floor`, unless NULL, spares the ledger of
 * the days before. Closed by done, also after a failure. */
TL_MUST_USE enum tl_code tl_evidence_init(struct tl_evidence *evidence, struct tl_store *store,
                                          const struct tl_definition *definition, const struct tl_source_topic *topics,
                                          uint32_t topics_count, const struct tl_window_spec *window, int64_t from_ms,
                                          int64_t to_ms, const struct tl_time_spans *spans, tl_evidence_floor floor,
                                          const struct tl_recorded_source *of, struct tl_err *err);
void tl_evidence_done(struct tl_evidence *evidence);

/* What became of one event in either layer. TL_CAUSE_NONE: it was counted. */
struct tl_judgement {
    enum tl_cause cause[TL_SIDES];
    struct tl_sv check;   /* batch's cause is dq_reject: the check that dropped it; lives as long as the evidence */
    bool split;           /* speed counted it in a session that it cut off from one that had fired */
    int64_t watermark_ms; /* by which speed judged a row of a session, where its ledger tells; else INT64_MIN */
};
/* `end_ms`: of the window it would go into. `in_log_only`: it was read from the log, behind the end of the record. */
struct tl_judgement tl_evidence_judge(const struct tl_evidence *evidence, const struct tl_core_event *event, int64_t end_ms,
                                      bool in_log_only);
/* The watermark that speed's ledger tells of the event, whatever became of it. INT64_MIN: none. */
int64_t tl_evidence_watermark(const struct tl_evidence *evidence, const struct tl_core_event *event);

#endif
