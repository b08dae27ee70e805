/* assign.h: in which slice of the windows each row of a batch lies: computed once for all views whose windows lie alike.
 *
 *     rows     0 ... 811 | 812 ... 1023       rows come nearly in order of time, so a batch is few runs; where they jump about, it is many
 *     slice    10:04     | 10:05
 *
 * A slice is what no window's bound cuts: of TUMBLE the window itself, of HOP and CUMULATE it is one slide, or step, long.
 * Runs on: one thread. */
#ifndef TL_ASSIGN_H
#define TL_ASSIGN_H

#include "event/zone.h"
#include "sql/plan.h"

/* Rows of one slice, one after the other. Times are of the wall clock, but for the watermarks. */
struct tl_slice_run {
    uint32_t upto; /* row numbers below this, from where the run before ends */
    int64_t slice_ms;
    int64_t first_ms, last_ms;           /* ends of the first and of the last window that the slice is in */
    int64_t first_fire_ms, last_fire_ms; /* the watermarks at which these fire */
};

struct tl_assign {
    const struct tl_window_spec *spec;
    struct tl_zone_span span; /* around the last time asked for */
    struct tl_slice_run *runs;
    uint32_t count, capacity;
};

/* Do windows of this kind have slices? */
static inline bool tl_assign_knows(const struct tl_window_spec *spec)
{
    return spec->window == TL_WINDOW_TUMBLE || spec->window == TL_WINDOW_HOP || spec->window == TL_WINDOW_CUMULATE;
}
/* Have both the same slices? Then one answer does for both. */
bool tl_assign_same(const struct tl_window_spec *a, const struct tl_window_spec *b);
void tl_assign_init(struct tl_assign *assign, const struct tl_window_spec *spec); /* the spec must outlive it */
void tl_assign_done(struct tl_assign *assign);
/* Fills in `runs`, of the rows by these numbers, ascending; the last run's `upto` lies behind all of them. False: out of memory. */
TL_MUST_USE bool tl_assign_rows(struct tl_assign *assign, const uint32_t *rows, uint32_t count, const int64_t *time_ms);
/* The watermark at which a window fires that ends at this wall clock: the last instant at which its last millisecond is shown; where it never is, the
 * first behind the gap (semantics.md 2.3). Does not go down as local_end_ms goes up. */
static inline int64_t tl_fire_ms(const struct tl_zone *zone, int64_t local_end_ms)
{
    return zone == NULL ? tl_add_sat_i64(local_end_ms, -1) : tl_zone_last_ms(zone, tl_add_sat_i64(local_end_ms, -1));
}

#endif
