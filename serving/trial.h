/* trial.h: what would have been late under other settings, tried out: the core over the record, with the view's lateness changed.
 *
 * For what the ledger's lines cannot tell (lateness.h). Of sessions, whether a row behind the watermark is late depends on the sessions of its key that
 * are open: with more wait more are, and late rows that are in time then keep others. And with less wait events are late that have no line.
 *
 *     events of the one partition, in the order of the log ──> core: one pass, one copy of the view for each setting
 *
 *     session view  ──> a copy for each setting, its lateness that much longer: rows that its collector judges late are counted
 *     another       ──> a copy that takes every row for late: lines with the time and the watermark of each
 *
 * Copies have the view's filter, keys and windows, and no aggregates. What the ledger refuses for another reason (duplicate, future, failed
 * evaluation) stays out: that is decided before lateness and is the same under any setting.
 * With more wait only keys that have a late row, or one that was split off, can change: a first reading of those rows' blocks finds them, and only
 * their rows go into sessions. Blocks that lie wholly before the first of them, by more than a gap, are passed over: sessions there cannot touch it, nor
 * could a watermark that comes from there make it late. With less wait any event may become late: all of the record is read.
 *
 * The present setting is tried as well, and has to give what the ledger has; else a part of the record is missing, and the answer is worth nothing.
 * For one partition only: with several nobody knows by which watermark the others were judged. Runs on: the thread of the caller. */
#ifndef TL_TRIAL_H
#define TL_TRIAL_H

#include "base/table.h"
#include "event/outcome.h"
#include "lateness.h"
#include "recorded.h"

struct tl_trial_setting {
    int64_t more_ms;
    uint64_t late, split; /* out */
};

struct tl_trial_view {
    uint32_t view;       /* of the plan; reads a table */
    int64_t next_offset; /* speed has read up to there */
    uint32_t partition;
    /* Of sessions: to be tried, the present one (more_ms 0) among them. Of others: none. */
    struct tl_trial_setting *settings;
    uint32_t settings_count;
    /* Of others: takes all rows that are late with `least_more_ms` (< 0); NULL: there is nothing to be found out. */
    struct tl_lateness *lateness;
    int64_t least_more_ms;

    struct tl_table lines;            /* (offset, row): what the ledger says of it */
    uint64_t late_count, split_count; /* as the ledger has it */
    struct tl_time_spans times;       /* of these */
    struct tl_table keys;             /* that have one of these */
    bool agrees, split_agrees;        /* out: the present setting gives as many */
};

/* Zeroed but for what it is given. */
void tl_trial_view_init(struct tl_trial_view *view);
void tl_trial_view_done(struct tl_trial_view *view);
/* A line of speed's ledger. */
TL_MUST_USE enum tl_code tl_trial_add(struct tl_trial_view *view, const struct tl_ledger_line *line, struct tl_err *err);

/* Offsets that speed has passed over: [first, last]. */
struct tl_trial_gap {
    int64_t first_offset, last_offset;
};
/* Views of one source. Where the record does not reach, `agrees` is false: no failure. */
TL_MUST_USE enum tl_code tl_trial_run(struct tl_recorded *recorded, struct tl_trial_view *const *views, size_t views_count,
                                      const struct tl_trial_gap *gaps, size_t gaps_count, struct tl_err *err);

#endif
