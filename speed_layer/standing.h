/* standing.h: where one definition stands in the log: a position for each partition of its source that it has read. */
#ifndef TL_STANDING_H
#define TL_STANDING_H

#include "sql/plan.h"
#include "store/store.h"

struct tl_standing {
    struct tl_position *positions;
    uint32_t count, capacity;
};

void tl_standing_done(struct tl_standing *standing);
/* As tl_store_positions calls it: `ctx` is the standing. */
TL_MUST_USE enum tl_code tl_standing_add(void *ctx, const struct tl_position *position, struct tl_err *err);
const struct tl_position *tl_standing_of(const struct tl_standing *standing,
                                         uint32_t partition); /* NULL: it has read nothing of it */
/* Where the views of one source meet: each of its partitions as far as some view has read it. No one view need be furthest in all. `standings`: one
 * per view of the plan. */
TL_MUST_USE enum tl_code tl_standings_meet(const struct tl_plan *plan, const struct tl_standing *standings, uint32_t source,
                                           struct tl_standing *goal, struct tl_err *err);
/* Does it have all that the goal has? */
bool tl_standing_has_come_to(const struct tl_standing *standing, const struct tl_standing *goal);

#endif
