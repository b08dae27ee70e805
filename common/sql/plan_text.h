/* plan_text.h: a plan as text: normalised (what the hash is made of) and for people. tl_plan_print and tl_expr_print are in plan.h. */
#ifndef TL_PLAN_TEXT_H
#define TL_PLAN_TEXT_H

#include "sql/plan.h"

/* Fills view->normalised and view->hash; the sources must be complete. */
TL_MUST_USE enum tl_code tl_view_normalise(struct tl_plan *plan, struct tl_view *view, struct tl_err *err);
/* Of two such texts of views that read a table, from whatever views files: do they read the same topics, and has every message the same events at
 * the same times for both? False where one reads another view. */
bool tl_normalised_same_events(struct tl_sv one, struct tl_sv other);
/* The hash of the view that the text's view reads; false: it reads a table. */
bool tl_normalised_inner(struct tl_sv normalised, struct tl_sv *hash);
/* The part of tl_plan_print that is about one view. */
void tl_plan_print_view(const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out);
/* The script for Flink: statements as written, a sink for each view, one INSERT each. */
void tl_plan_print_flink(const struct tl_plan *plan, struct tl_buf *out);
/* A name as SQL wants it: in backticks unless it is an ordinary word. */
void tl_name_print(struct tl_sv name, struct tl_buf *out);
/* Constants in SQL: INTERVAL '5' MINUTE; the fewest digits that give the number back; any value. */
void tl_interval_print(int64_t ms, struct tl_buf *out);
void tl_double_print(double value, struct tl_buf *out);
void tl_constant_print(const struct tl_value *value, struct tl_buf *out);

#endif
