/* partial.h: what one worker has done since its last tick: accumulators by view, window and key, and all that goes with them.
 *
 * A partial moves whole from the worker to the committer, is merged into the committer's own (windows only), is written in one store
 * transaction, and goes back empty. Everything in it is a copy: it does not depend on the batches it came from.
 *
 *   per view       open windows (or the rows of a view without one), outcomes, ledger lines
 *   per row check  what it found in the events of each range; the events that it dropped (batch alone)
 *   per source     outcomes and ledger lines that are the same for all its views (future, duplicate, flags), the judging watermark
 *   per partition  next offset, watermark, counts, dead letters
 *
 * Runs on: one thread at a time. */
#ifndef TL_PARTIAL_H
#define TL_PARTIAL_H

#include "core/watermark.h"
#include "core/window.h"
#include "event/batch.h"
#include "event/outcome.h"
#include "event/rows.h"

struct tl_ledger {
    struct tl_ledger_line *lines;
    size_t count, capacity;
};

/* Rows of a view without a window, as columns that grow. */
struct tl_event_rows {
    uint32_t count, capacity;
    int64_t *time_ms, *offset;
    uint32_t *partition, *row;
    struct tl_sv *key;
    struct tl_vec *columns; /* as many as the view has outputs */
    struct tl_arena text;
    size_t text_bytes; /* in use of it */
};

struct tl_partial_view {
    struct tl_window *window;          /* NULL for a view without one */
    struct tl_event_rows *events;      /* NULL for a view with one */
    uint64_t (*outcomes)[TL_OUTCOMES]; /* per range (core.h); speed has one. FILTERED .. COUNTED only */
    struct tl_ledger ledger;
};

struct tl_partial_source {
    /* Per range: DUPLICATE; of a stream FUTURE and DEAD_LETTER too. The same for every view of the source. */
    uint64_t (*outcomes)[TL_OUTCOMES];
    struct tl_ledger ledger;
    int64_t judged_ms;               /* what the worker judges the next event by */
    struct tl_watermark_heard heard; /* on the way back from the committer */
};

struct tl_partial_partition {
    uint32_t source, partition;
    bool touched;         /* since the last reset */
    bool at_end, idle;    /* as of the hand-over: read to its end; out of the minimum */
    int64_t next_offset;  /* behind the last message pushed */
    int64_t watermark_ms; /* of the partition */
    int64_t judged_ms;    /* what its last event was judged by */
    int64_t log_ms;       /* highest log timestamp */
    int64_t last_offset;  /* as of the hand-over: of the last message read, and its fingerprint (log.h) */
    uint64_t fingerprint;
    uint64_t messages_count, events_count; /* with bounds: no events that lie outside of them */
    struct tl_dead *dead;                  /* raw bytes cut to DEAD_BYTES_MAX, in `text`; a message's, with its first dead row */
    size_t dead_count, dead_capacity;
    struct tl_buf ids; /* of deduplication, as tl_horizon_save gives them */
};

enum { TL_DEAD_BYTES_MAX = 1 << 16 }; /* what is kept of a dead letter's bytes, and of a dropped event's */

/* Where an event stands in the log. */
struct tl_check_sample {
    uint32_t partition, row;
    int64_t offset;
};
enum { TL_CHECK_SAMPLES_MAX = 3 };
/* What a row check found in the events of one range: in those of the table that are neither dead letters nor in the future nor duplicates,
 * whatever the views' filters say of them. */
struct tl_check_count {
    uint64_t violations_count;
    uint64_t failures_count; /* of them: the check could not be evaluated (a cast, a division), which violates it */
    uint32_t samples_count;
    struct tl_check_sample samples[TL_CHECK_SAMPLES_MAX]; /* the first in order of (partition, offset, row) */
};
struct tl_partial {
    const struct tl_plan *plan;
    uint32_t ranges_count;
    /* Those that have outcomes or checks; none: the first lies behind the last. A stream has its one. */
    uint32_t range_first, range_last;
    struct tl_partial_view *views;     /* as in the plan */
    struct tl_partial_source *sources; /* as in the plan */
    struct tl_partial_partition *partitions;
    uint32_t partitions_count, partitions_capacity;
    struct tl_check_count *checks; /* range * checks_count + check; NULL: there are none (tl_partial_want_checks) */
    uint32_t checks_count;
    struct tl_dropped *dropped; /* in the order in which the views' lines of cause dq_reject stand: each view has some of them */
    size_t dropped_count, dropped_capacity;
    struct tl_arena text;
    size_t text_bytes; /* in use of it */
    uint64_t ticket;   /* the committer's number of the tick it was handed over for */
};

/* `options` of its windows; NULL: a stream's, of one range. */
TL_MUST_USE enum tl_code tl_partial_open(const struct tl_plan *plan, const struct tl_window_options *options,
                                         struct tl_partial **out, struct tl_err *err);
/* Makes room for what so many row checks find, of a partial that has none yet. */
TL_MUST_USE enum tl_code tl_partial_want_checks(struct tl_partial *partial, uint32_t checks_count, struct tl_err *err);
void tl_partial_close(struct tl_partial *partial);
/* Empties it; keeps memory, and the partitions with their positions (untouched). */
void tl_partial_reset(struct tl_partial *partial);
/* Says that these ranges have outcomes or checks, before they have them. */
static inline void tl_partial_touch_ranges(struct tl_partial *partial, uint32_t first, uint32_t last)
{
    partial->range_first = first < partial->range_first ? first : partial->range_first;
    partial->range_last = last > partial->range_last ? last : partial->range_last;
}
/* Forgets its ledger lines and outcomes, and keeps the windows. */
void tl_partial_reset_notes(struct tl_partial *partial);
/* Moves the windows of `from` into `into`; the rest of `from` stays where it is. */
TL_MUST_USE enum tl_code tl_partial_merge_windows(struct tl_partial *into, struct tl_partial *from, struct tl_err *err);
/* The entry of a partition, made when it is new. NULL: out of memory. */
struct tl_partial_partition *tl_partial_partition(struct tl_partial *partial, uint32_t source, uint32_t partition);
TL_MUST_USE bool tl_ledger_add(struct tl_ledger *ledger, const struct tl_ledger_line *line);
/* Counts an event that violates a check. */
void tl_check_count_violation(struct tl_check_count *count, const struct tl_check_sample *event, bool failed);
/* Adds an event that a check drops, with a copy of its bytes. */
TL_MUST_USE bool tl_partial_add_dropped(struct tl_partial *partial, const struct tl_dropped *dropped);
/* Copies the dead letters of a batch. */
TL_MUST_USE bool tl_partial_add_dead(struct tl_partial *partial, struct tl_partial_partition *partition,
                                     const struct tl_dead *dead, size_t count);
void tl_check_count_add(struct tl_check_count *into, const struct tl_check_count *from);
/* Copies the selected rows: outputs[o] are the view's columns by row number. `partitions`: of each row, by row number; NULL: all are of
 * `partition`. */
TL_MUST_USE bool tl_event_rows_add(struct tl_event_rows *events, const struct tl_view *view, const struct tl_vec *outputs,
                                   const struct tl_batch *batch, const struct tl_vec *time, uint32_t partition,
                                   const uint32_t *partitions, const uint32_t *rows, uint32_t rows_count);
/* The key of an event's row (event/rows.h): partition, offset (its sign flipped, so that bytes order as numbers), row, big-endian. */
void tl_event_key(uint32_t partition, int64_t offset, uint32_t row, char out[TL_EVENT_KEY_BYTES]);
struct tl_event_place {
    uint32_t partition, row;
    int64_t offset;
};
/* What such a key says; false: it is none. */
TL_MUST_USE bool tl_event_key_read(struct tl_sv key, struct tl_event_place *out);
/* As rows for the store. Valid until the next add or reset. */
struct tl_rows tl_event_rows_view(const struct tl_event_rows *events);
uint64_t tl_partial_groups(const struct tl_partial *partial); /* groups and event rows in it */
/* Bytes in use beside the windows: event rows, ledger lines, dead letters. 0 after a reset, unlike what it holds. */
size_t tl_partial_load(const struct tl_partial *partial);
size_t tl_partial_bytes(const struct tl_partial *partial);

#endif
