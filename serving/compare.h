/* compare.h: walks the rows of both layers side by side and keeps the units that differ.
 *
 *   speed   a 10:05  17 | b 10:05   2 |              | a 10:10   4
 *   batch   a 10:05  17 | b 10:05   3 | c 10:05    1 | a 10:10   4
 *             equal       differs       differs        equal
 *
 * A unit is (view, window, key); of a view without windows, one event's row. It is equal when both layers have it with the same values in
 * all of the view's own columns; the accumulators' bytes are not looked at. Rows come in the order of (end, start, key), so the walk holds
 * one row of each layer, or of batch the few that a thread has read ahead (ahead.h), and memory follows the units that differ.
 *
 * Sessions and count windows the layers may have cut differently, so their rows cannot be laid side by side one by one. Their unit is the
 * longest span of one key's overlapping windows in both layers, back to the last instant that no window of either crosses:
 *
 *   speed   [0 ------ 10)   [20 -- 25)      [40 ---
 *   batch       [5 ------ 15)   [20 -- 25)  [40 ---     B
 *   units   |-------------| |--------|      |------ ... left out
 *
 * With HAVING, rows do not tell how far a span reaches: windows that either layer has hidden may touch those that it shows. Such spans grow to where
 * the key's events leave room between them, which no window of either layer can cross (reach, below).
 *
 * Two walks: the first finds the spans, and those in which any row differs; the second collects all rows of those, equal ones too, for they must
 * come out of the proof as well. Memory of the first: 60 bytes or so for each span, and the keys. A span that differs and reaches beyond what is
 * compared cannot be judged yet, nor can one that begins where speed's rows are gone: it is left out.
 *
 * In full (tl_compare_range.full), rows that are equal are units too, and so is what events make a group of that neither layer has a row of
 * (tl_compare_claim): rows that were forged, or have gone, in both layers alike do not come out. Memory then follows the range.
 *
 *     speed   [c ---- )   [ a ------ |--- )
 *     batch   [c ---- )   [ a ------ |--- )              a is of the next range, where it ends: its events make no group in this one
 *     events   . .  .      .  .   . .|  .
 *                 x x           y  y |y                  x: of a group that is gone. y is waiting when the range ends, and judged in the next one
 *
 * Is not:  a judge: whether a difference is explained, cause.h says; derivation.h for a view that reads another. */
#ifndef TL_COMPARE_H
#define TL_COMPARE_H

#include "base/table.h"
#include "core/window.h"
#include "event/outcome.h"
#include "spans.h"
#include "sql/plan.h"
#include "store/store.h"

enum tl_side { TL_SIDE_SPEED, TL_SIDE_BATCH, TL_SIDES };

enum { TL_SAMPLES_MAX = 3 }; /* events that are named for one cause of one unit */

/* An event by which the layers differ. */
struct tl_unit_sample {
    uint32_t partition, row; /* partition as the core numbers it: TL_PARTITION_IMPORTED + n for an import */
    int64_t offset, time_ms;
    struct tl_sv id; /* data NULL: it has none, or nobody has asked (tl_cause_name_samples) */
};

struct tl_unit_cause {
    enum tl_cause cause;
    struct tl_sv check;   /* dq_reject: which check, in order of name; else empty */
    enum tl_side missing; /* the layer that did not count them; TL_SIDES: none, but speed counted them in sessions of their own */
    uint64_t events_count;
    struct tl_unit_sample last;                    /* that was counted: an event may come by several windows */
    struct tl_unit_sample samples[TL_SAMPLES_MAX]; /* the first ones by partition and offset */
    uint32_t samples_count;
    struct tl_unit_cause *next;
};

/* Events that a check keeps out of batch, of those that differ. */
struct tl_check_events {
    struct tl_sv check;
    uint64_t events_count;
    struct tl_check_events *next; /* in order of name */
};

struct tl_unit_row {
    int64_t start_ms, end_ms;
    struct tl_sv key;               /* the row's own, with what tells it apart */
    const struct tl_value *columns; /* the view's */
    bool equal;                     /* stored: the other layer has the same */
    bool came_out;                  /* of the recomputation, just so */
    struct tl_unit_row *next;
};

struct tl_unit_link;

struct tl_unit {
    uint32_t view;            /* number in the plan */
    int64_t start_ms, end_ms; /* of the window, or of the span */
    struct tl_sv key;
    struct tl_unit_row *stored[TL_SIDES]; /* in the order of the store; NULL: the layer has none. At most one but for a span */
    struct tl_unit_row *last[TL_SIDES];   /* of these */
    bool beside;                          /* not asked for: a unit of a view on this one may be made of it */
    bool left_out;                        /* cannot be judged yet; of a view on a view: made of what cannot */
    bool equal;                           /* in full: the layers have the same, or nothing */
    uint32_t equal_count; /* in full: as how many it counts among the equal: with HAVING, several may hang together */
    bool rest;            /* in full: all of a key's that is in no span of either layer; what comes out of it is not there */
    /* Units of a view on a view are made of units of the inner one (derivation.h): */
    struct tl_unit_link *inners, *outers;
    /* Filled by cause.h, or by derivation.h: */
    struct tl_unit_row *others[TL_SIDES]; /* came out, and are not what is stored */
    bool agrees[TL_SIDES];                /* what came out with what is stored */
    struct tl_unit_cause *causes;         /* in order of cause */
    bool explained;
    bool pending;        /* explained, and the next commit or run will change it */
    enum tl_cause named; /* not explained, and this is likely behind it (suspect.h); else NONE */
};

static inline bool tl_unit_is_unexplained(const struct tl_unit *unit)
{
    return !unit->beside && !unit->left_out && !unit->explained;
}

/* The inner unit's difference is the outer one's. */
struct tl_unit_link {
    struct tl_unit *inner, *outer;
    struct tl_unit_link *next_inner, *next_outer; /* of the same outer unit; of the same inner one */
};

/* A key, of a view that is compared by span, whose events make a group that neither layer has, and which is waiting where a range ends. State of a
 * table by view and key (tl_compare_rest_key). */
struct tl_compare_waiting {
    uint32_t view;
    int64_t from_ms;
};

struct tl_compare {
    struct tl_compare_range *full; /* of one view of those that are compared in full, by number of the view; NULL: none is */
    uint32_t full_count;
    struct tl_arena memory; /* values of the differing rows */
    struct tl_table units;  /* identity -> struct tl_unit, in order of (view, end, start, key) as the views were walked */
    struct tl_table spans;  /* (view, key) -> its units, of views that are compared by span */
    struct tl_table links;  /* (inner, outer), by number -> struct tl_unit_link */
    struct tl_store
        *beside; /* another handle, in the snapshot of the one that is walked: a thread reads by it; NULL: there is none */
    struct tl_buf identity; /* of what is looked for; has room for every unit's, so that looking cannot fail */
    size_t key_max;         /* bytes of the longest key of a unit */
};

/* units_max 0: no limit but memory. */
void tl_compare_init(struct tl_compare *compare, uint32_t units_max);
void tl_compare_done(struct tl_compare *compare);

/* How far the events of a key hang together. State of the table that tl_compare_range.reach fills. */
struct tl_compare_reach {
    struct tl_time_spans spans; /* settled: between two of them no window can be that has events of both */
    size_t settle_count;        /* of the one who fills it */
};

/* One view, and what of it. A row is compared when its end is in (from, to], with ends_open in [from, to); of a view without windows, when its
 * event's time is in [from, to). */
struct tl_compare_range {
    uint32_t view; /* number in the plan */
    const struct tl_view *plan_view;
    const struct tl_shape *shape;
    int64_t definition;
    int64_t boundary_ms; /* what batch carries over it reaches beyond what is compared; of spans only */
    int64_t from_ms, to_ms;
    int64_t asked_ms; /* units that end before what is asked for are compared beside; from_ms: none are */
    int64_t floor_ms; /* a span that begins before it is left out, for rows of it may be gone; INT64_MIN: none */
    bool full;
    struct tl_table *waiting; /* in full: what the range before has left -> tl_compare_waiting; NULL: nothing */
    /* For spans of a view with HAVING: fills in, for each key of the table, how far its events before to_ms hang together; of those that begin
     * before floor_ms, at least that they do. */
    enum tl_code (*reach)(void *ctx, const struct tl_compare_range *range, struct tl_table *keys, struct tl_err *err);
    void *reach_ctx;
};

struct tl_compare_counts {
    uint64_t groups_count, equal_count; /* groups: units that either layer has, but for those that are left out */
    uint64_t beyond_count, gone_count;  /* left out: they reach beyond what is compared; they begin before `floor_ms` */
};
/* Are units of the view spans? */
bool tl_compare_by_span(const struct tl_view *view);
/* Walks one view, within the caller's snapshot of the store. Adds to *counts. */
TL_MUST_USE enum tl_code tl_compare_view(struct tl_compare *compare, struct tl_store *store, const struct tl_compare_range *range,
                                         struct tl_compare_counts *counts, struct tl_err *err);
uint32_t tl_compare_units(const struct tl_compare *compare);
struct tl_unit *tl_compare_unit(const struct tl_compare *compare, uint32_t i); /* 0 .. units-1 */
/* The differing unit of this window and key; of a view that is compared by span, the one that start_ms lies in. `key` without a tail
 * (tl_unit_key). NULL: there is none. */
struct tl_unit *tl_compare_find(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view, int64_t start_ms,
                                int64_t end_ms, struct tl_sv key);
/* The same for several threads at once, each with a buffer of its own that has room for every unit's identity (tl_compare_room, when no unit is added
 * any more). */
struct tl_unit *tl_compare_find_in(const struct tl_compare *compare, struct tl_buf *room, const struct tl_view *plan_view,
                                   uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key);
TL_MUST_USE enum tl_code tl_compare_room(const struct tl_compare *compare, struct tl_buf *room, struct tl_err *err);
/* The same, and in full the unit that the group is to be one of when there is none. NULL: it is not of what is compared. */
TL_MUST_USE enum tl_code tl_compare_claim(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view,
                                          int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_unit **out,
                                          struct tl_err *err);
/* Copies a unit with its rows and what came out of it, less its links and causes; *out is NULL where there is one already. Those of a key in order of
 * time; the rest of a key gets the bounds of what came out. */
TL_MUST_USE enum tl_code tl_compare_adopt(struct tl_compare *compare, const struct tl_view *plan_view, const struct tl_unit *unit,
                                          uint32_t columns_count, struct tl_unit **out, struct tl_err *err);
/* The key that all rows of a unit share, of one of its rows. */
struct tl_sv tl_unit_key(const struct tl_view *plan_view, const struct tl_shape *shape, struct tl_sv row_key);
/* Rows that came out of a recomputation: those of differing units are noted there. */
TL_MUST_USE enum tl_code tl_compare_came_out(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view,
                                             const struct tl_shape *shape, enum tl_side side, const struct tl_rows *rows,
                                             struct tl_err *err);
/* The same of a window that all has been pushed into. `waiting`: in full, gets what waits where the range ends; else NULL. */
TL_MUST_USE enum tl_code tl_compare_settle(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view,
                                           const struct tl_shape *shape, enum tl_side side, struct tl_window *window,
                                           struct tl_table *waiting, struct tl_err *err);
/* In full: times of what may be of a group that ends in the range, also of those of which neither layer has a row. False: out of memory. */
TL_MUST_USE bool tl_compare_full_spans(const struct tl_compare *compare, uint32_t view, struct tl_time_spans *spans);
/* Once all rows are out: what came out is what is stored. */
void tl_unit_conclude_rows(struct tl_unit *unit);
/* Any row that the unit has, stored or not: the key columns are the same in all. NULL: it has none. */
const struct tl_value *tl_unit_any_row(const struct tl_unit *unit);
TL_MUST_USE enum tl_code tl_compare_link(struct tl_compare *compare, struct tl_unit *inner, struct tl_unit *outer,
                                         struct tl_err *err);
/* All columns equal, or both NULL. */
bool tl_unit_values_eq(const struct tl_value *a, const struct tl_value *b, uint32_t columns_count);

#endif
