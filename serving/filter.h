/* filter.h: which rows of a view a client wants, judged here and not in the store: the conditions of store_select.h, with their meaning.
 *
 * Columns are the view's own. Rows come as values (delta.h). */
#ifndef TL_FILTER_H
#define TL_FILTER_H

#include "base/arena.h"
#include "store/store_change.h"
#include "store/store_select.h"

struct tl_filter {
    struct tl_filter_term *terms; /* all of them hold */
    size_t count;
};

/* Lives in the arena, its texts too. TL_ERR_USAGE, and `refusal`, as tl_store_select. */
TL_MUST_USE enum tl_code tl_filter_read(struct tl_arena *arena, const struct tl_served_columns *columns,
                                        const struct tl_sv *conditions, size_t count, struct tl_filter *out,
                                        struct tl_refusal *refusal, struct tl_err *err);
bool tl_filter_takes(const struct tl_filter *filter, const struct tl_value *row);

#endif
