/* compare.h: walks the rows of both layers side by side and keeps the units that differ.
 *
 *   speed   a 10:05  17 | b 10:05   2 |              | a 10:10   4
 *   batch   a 10:05  17 | b 10:05   3 | c 10:05    1 | a 10:10   4
 *             equal       differs       differs        equal
 *
 * A unit is (view, window, key); of a view without windows, one event's row. It is equal when both layers have it with the same values in
 * all of the view's own columns; the accumulators' bytes are not looked at. Rows come in the order of (end, start, key), so the walk holds
 * one row of each layer, and memory follows the units that differ.
 *
 * Is not:  a judge: whether a difference is explained, cause.h says. */
#ifndef TL_COMPARE_H
#define TL_COMPARE_H

#include "base/table.h"
#include "event/outcome.h"
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
    enum tl_side missing; /* the layer that did not count them */
    uint64_t events_count;
    struct tl_unit_sample samples[TL_SAMPLES_MAX]; /* the first ones by partition and offset */
    uint32_t samples_count;
    struct tl_unit_cause *next;
};

struct tl_unit {
    uint32_t view; /* number in the plan */
    int64_t start_ms, end_ms;
    struct tl_sv key;
    const struct tl_value *stored[TL_SIDES]; /* the view's columns; NULL: the layer has no such row */
    /* Filled by cause.h: */
    const struct tl_value *recomputed[TL_SIDES]; /* only where it is not what is stored; NULL then says that nothing came out */
    bool came_out[TL_SIDES];                     /* of the recomputation */
    bool agrees[TL_SIDES];                       /* with what is stored */
    struct tl_unit_cause *causes;                /* in order of cause */
    bool explained;
    bool pending; /* explained, and the next commit or run will change it */
};

struct tl_compare {
    struct tl_arena memory; /* values of the differing rows */
    struct tl_table units;  /* identity -> struct tl_unit, in order of (view, end, start, key) as the views were walked */
    struct tl_buf identity;
};

/* units_max 0: no limit but memory. */
void tl_compare_init(struct tl_compare *compare, uint32_t units_max);
void tl_compare_done(struct tl_compare *compare);

struct tl_compare_counts {
    uint64_t groups_count, equal_count; /* groups: units that either layer has */
};
/* Walks one view: rows with from_ms < end <= to_ms, or events with from_ms <= time < to_ms where it has no windows. Within the caller's
 * snapshot of the store. Adds to *counts. */
TL_MUST_USE enum tl_code tl_compare_view(struct tl_compare *compare, struct tl_store *store, uint32_t view, int64_t definition,
                                         int64_t from_ms, int64_t to_ms, struct tl_compare_counts *counts, struct tl_err *err);
uint32_t tl_compare_units(const struct tl_compare *compare);
struct tl_unit *tl_compare_unit(const struct tl_compare *compare, uint32_t i); /* 0 .. units-1 */
/* NULL: no differing unit of that identity. */
struct tl_unit *tl_compare_find(struct tl_compare *compare, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key);
/* All columns equal, or both NULL. */
bool tl_unit_values_eq(const struct tl_value *a, const struct tl_value *b, uint32_t columns_count);
/* A copy in the compare's memory. NULL: there is none left. */
const struct tl_value *tl_compare_keep(struct tl_compare *compare, const struct tl_value *columns, uint32_t columns_count);

#endif
