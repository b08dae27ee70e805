/* shape.h: a view of the plan as the store knows it: names, kinds and roles of its columns (event/rows.h). */
#ifndef TL_SHAPE_H
#define TL_SHAPE_H

#include "event/rows.h"
#include "sql/plan.h"

/* Everything in *out lives as long as the plan. */
TL_MUST_USE enum tl_code tl_shape_of(struct tl_plan *plan, const struct tl_view *view, struct tl_shape *out, struct tl_err *err);

enum tl_state_form tl_view_state(const struct tl_view *view);

#endif
