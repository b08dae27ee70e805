/* preview.h: what a changed view's rows were and will be, group by group, a span of time after the other.
 *
 *   OLD's rows ──add──┐
 *                     ├─> groups of a span ──settle──> units that differ ──keep──> the largest so many, and totals
 *   NEW's rows ──add──┘
 *
 * A unit is a window and a key; of SESSION and COUNT_WINDOW an old row and a new one of a key that overlap. Memory follows the groups of one span
 * of time, and what is kept. */
#ifndef TL_PREVIEW_H
#define TL_PREVIEW_H

#include "base/buf.h"
#include "base/table.h"
#include "change.h"
#include "core/core.h"
#include "core/exact_sum.h"
#include "event/rows.h"

/* Why an event counts for something else in one definition than in the other. */
enum tl_moved_why {
    TL_MOVED_FILTER,    /* the other one's filter does not take it */
    TL_MOVED_CHECK,     /* a row check drops it there; `name` */
    TL_MOVED_FUNCTION,  /* a function fails for it there; `name` */
    TL_MOVED_DUPLICATE, /* it is a copy there */
    TL_MOVED_EVENT,     /* it is none there, or one of another time: a dead letter, in the future, another topic */
    TL_MOVED_ARCHIVED,  /* it came on record after OLD's rows were published */
    TL_MOVED_KEY,       /* both count it, under another key */
    TL_MOVED_WINDOW,    /* both count it, in another window */
    TL_MOVED_BOTH,      /* both count it, under another key and in another window */
    TL_MOVED_VALUES,    /* both count it there, for other values */
    TL_MOVED_WHYS
};

enum { TL_MOVED_SAMPLES_MAX = 3 };

struct tl_moved_sample {
    enum tl_before_after of; /* whose plan knows the source by that number */
    uint32_t source, partition, row;
    int64_t offset, time_ms;
    struct tl_sv topic, id; /* once it is named; empty: not known */
};

/* Events of one reason, each counted once. */
struct tl_moved {
    struct tl_moved *next; /* in the order of (why, side, name) */
    enum tl_moved_why why;
    enum tl_before_after side; /* that counts it; TL_BOTH */
    const char *name;          /* or NULL; lives as long as the plans and checks */
    uint64_t events_count;
    struct tl_moved_sample samples[TL_MOVED_SAMPLES_MAX]; /* the first by time, then partition, offset and row */
    uint32_t samples_count;
};

/* Counts the event in the list, in which it is not yet. False: out of memory. */
TL_MUST_USE bool tl_moved_count(struct tl_arena *memory, struct tl_moved **list, enum tl_moved_why why, enum tl_before_after side,
                                const char *name, const struct tl_moved_sample *event);

struct tl_preview_unit {
    int64_t start_ms[TL_BOTH], end_ms[TL_BOTH];
    struct tl_sv row[TL_BOTH]; /* values as tl_value_put_key has them; data NULL: it has no row */
    struct tl_sv key;          /* as tl_preview_key gives it */
    double change;             /* what units are ordered by */
    bool came_out[TL_BOTH];    /* the row was recomputed from its events */
    bool other_came_out;       /* and so was one that does not stand there */
    bool chosen;               /* it will be kept: only then the events behind it are of interest beside those of all units */
    uint64_t judged;           /* for whoever judges events: the last one that was counted here */
    struct tl_moved *moved;
};

struct tl_preview_total {
    /* Over the groups; columns that add up alone. DOUBLE in a form in which the order of the groups does not show. */
    long double whole[TL_BOTH];
    struct tl_exact_sum real[TL_BOTH];
    uint64_t changed_count; /* groups in which it has another value */
};
static inline long double tl_preview_sum(const struct tl_preview_total *total, enum tl_before_after side)
{
    return total->whole[side] + (long double)tl_exact_sum_to_double(&total->real[side], 1);
}

struct tl_preview {
    /* The caller's: */
    const struct tl_change *change;
    bool groups; /* compared group by group; else totals alone */
    bool rolled; /* the groups are those of the keys that both have */
    bool spans;  /* SESSION, COUNT_WINDOW */
    bool stands; /* an event that both count is in the same groups on both */
    /* The side's rows of units have to come out of their events once more: published ones were made by another run, and what belongs to a session is
     * found by its time. What was just computed of windows of the clock came out of these very events. */
    bool proves[TL_BOTH];
    uint32_t tail_bytes;                   /* at the end of a row's key (event/rows.h) */
    const bool *used;                      /* per column of the change: compared here */
    const struct tl_shape *shape[TL_BOTH]; /* of sides that are computed */
    int32_t by;                            /* the column that units are ordered by; -1: none is a number */
    size_t keep_max;
    int64_t
        reach_ms; /* HOP, CUMULATE: an event may be behind units of several spans of time that far apart, and counts once; else 0 */
    int64_t to_ms; /* end of the span at hand */

    uint64_t groups_count[TL_BOTH], equal_count, changed_count, only_count[TL_BOTH], unproved_count;
    struct tl_preview_total *totals; /* per column of the change */
    struct tl_preview_unit *kept;    /* sorted by tl_preview_finish */
    size_t kept_count;
    struct tl_moved *moved; /* over all units */

    /* Of the span at hand: */
    struct tl_preview_unit *units;
    size_t units_count;
    struct tl_preview_unit **chosen; /* those that will be kept, the largest first */
    size_t chosen_count;
    struct tl_table rows;
    struct tl_preview_waiting *waiting; /* rows on their way there */
    uint32_t waiting_count;
    struct tl_buf waiting_bytes;
    bool layouts_same;   /* equal rows of both sides are equal bytes */
    uint64_t *unit_bits; /* by hash of the identity: a unit may have it; not of spans */
    uint64_t unit_bits_mask;
    struct tl_table counted[2]; /* events that the next span may meet again: those of the last one, and of this */
    struct tl_arena step, memory;
    struct tl_buf buf;
    struct tl_value *values[TL_BOTH], *columns[TL_BOTH];
    struct tl_preview_span *of_key[TL_BOTH]; /* spans: rows of units, by (key, start) */
    size_t of_key_count[TL_BOTH];
};

/* After the caller has filled in the first part. */
TL_MUST_USE enum tl_code tl_preview_open(struct tl_preview *preview, struct tl_err *err);
void tl_preview_done(struct tl_preview *preview); /* one that is all zero is fine */
/* The key of a group, of both sides in one form: without the tail. It lies in the scratch, until that is used again. Data NULL: out of memory, or it is none. */
struct tl_sv tl_preview_key(const struct tl_preview *preview, struct tl_buf *scratch, enum tl_before_after side,
                            struct tl_sv row_key);
/* The columns of a computed row as the store would give them back; valid until the next call for that side. */
const struct tl_value *tl_preview_columns(struct tl_preview *preview, enum tl_before_after side, const struct tl_rows *rows,
                                          uint32_t row);
/* Adds the bytes of a row, whose columns are all of its view's, to the buffer. On any thread. */
void tl_preview_put_row(const struct tl_preview *preview, struct tl_buf *out, enum tl_before_after side,
                        const struct tl_value *columns);
/* A row of one side, by those bytes. Without any, of spans: it is there, but what it says is not known. */
TL_MUST_USE enum tl_code tl_preview_add(struct tl_preview *preview, enum tl_before_after side, int64_t start_ms, int64_t end_ms,
                                        struct tl_sv key, struct tl_sv row, struct tl_err *err);
/* All rows of the span are in: takes those out of both sides again of which is known only now that they cannot be compared, and of spans what they may
 * stand against; adds to *count. */
TL_MUST_USE enum tl_code tl_preview_leave_out(struct tl_preview *preview,
                                              bool (*is_out)(const void *ctx, int64_t start_ms, int64_t end_ms), const void *ctx,
                                              uint64_t *count, struct tl_err *err);
/* All rows of the span are in: preview->units are those that differ. */
TL_MUST_USE enum tl_code tl_preview_settle(struct tl_preview *preview, struct tl_err *err);
/* The unit that has this group of a side, of those that differ; NULL: it does not. On any thread while no row is added. Of spans an event's time does for both ends, and *own says whether it
 * lies in the side's own row: an event that lies in the other one's alone is behind the difference, and no part of the row. */
struct tl_preview_unit *tl_preview_find(const struct tl_preview *preview, struct tl_buf *scratch, enum tl_before_after side,
                                        int64_t start_ms, int64_t end_ms, struct tl_sv row_key, bool *own);
/* Numbers of two kinds are equal by value. */
bool tl_preview_same(const struct tl_value *a, const struct tl_value *b);
/* A row as it came out of the unit's events. */
TL_MUST_USE enum tl_code tl_preview_came_out(struct tl_preview *preview, enum tl_before_after side, int64_t start_ms,
                                             int64_t end_ms, struct tl_sv key, const struct tl_value *columns,
                                             struct tl_err *err);
/* Keeps what is large enough and forgets the span. `proved`: units had to come out. */
TL_MUST_USE enum tl_code tl_preview_keep(struct tl_preview *preview, bool proved, struct tl_err *err);
void tl_preview_finish(struct tl_preview *preview); /* sorts what was kept */
/* Is the event, by its identity, met for the first time? *ok: false when out of memory. */
bool tl_preview_meets(struct tl_preview *preview, struct tl_sv identity, int64_t time_ms, bool *ok);
/* The values of a unit's row, as many as the side has columns; valid until the next call for that side. NULL: it has no row. */
const struct tl_value *tl_preview_values(struct tl_preview *preview, const struct tl_preview_unit *unit,
                                         enum tl_before_after side);

#endif
