/* shape.h: a view of the plan as the store knows it: names, kinds and roles of its columns (event/rows.h). */
#ifndef TL_SHAPE_H
#define TL_SHAPE_H

#include "event/rows.h"
#include "sql/plan.h"

/* The view at the root of a view on a view: the one that reads the source; what is said of its events holds for those that read it. */
uint32_t tl_view_root(const struct tl_plan *plan, uint32_t view);
/* What an output of the view is to its rows. An output that hands on a column of an inner view's rows (inner_rows) is what it was there. */
enum tl_column_role tl_view_role(const struct tl_plan *plan, const struct tl_view *view, uint32_t output);
/* Everything in *out lives as long as the plan. */
TL_MUST_USE enum tl_code tl_shape_of(struct tl_plan *plan, const struct tl_view *view, struct tl_shape *out, struct tl_err *err);

enum tl_state_form tl_view_state(const struct tl_view *view);
/* Rows with the bounds of sessions or count windows, which the two layers may have cut differently. */
bool tl_view_cut_per_key(const struct tl_plan *plan, const struct tl_view *view);
/* Does what ends exactly at a bound belong to the range behind it, [from, to) of ends, where other windows have (from, to]? A session's end is an
 * instant at which it can still be joined; so it is for what reads sessions. */
bool tl_view_ends_open(const struct tl_plan *plan, const struct tl_view *view);

#endif
