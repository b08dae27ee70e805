/* family.h: views that read one another, by way of a windowed view: they are computed together, over the same ranges.
 *
 *   hits_5m ──> hits_1h ──> hits_1d         an outer view's rows come from the inner one's, so where one is dirty all are, and a range
 *      └──────> busy                        of one is a range of all
 *
 * A family whose views are not published over the same ranges (one is new, or has a new definition) is computed anew from the beginning. */
#ifndef TL_FAMILY_H
#define TL_FAMILY_H

#include "days.h"

/* Two views are of one family when they have one root (tl_view_root). How far behind the watermark the last of the family's rows become final. */
int64_t tl_family_lateness_ms(const struct tl_plan *plan, uint32_t view);

struct tl_family_views {
    const struct tl_plan *plan;
    struct tl_store *store;     /* NULL: there is none yet */
    struct tl_input **inputs;   /* per source */
    const int64_t *definitions; /* per view */
    struct tl_days *days;       /* per view */
    const bool *wanted;         /* per view, a family alike: the others are left as they are */
};
/* Opens the days of every view, those of a family alike. */
TL_MUST_USE enum tl_code tl_family_open_days(struct tl_family_views *views, const struct tl_days_wish *wish, struct tl_err *err);

#endif
