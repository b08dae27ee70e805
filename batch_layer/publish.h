/* publish.h: staged ranges become visible, all at once; and what follows from that. */
#ifndef TL_PUBLISH_H
#define TL_PUBLISH_H

#include "stage.h"

/* Publishes what the run staged and nothing holds back; swaps new definitions in that are whole; prunes what is older than 'tally.speed-retention'. */
TL_MUST_USE enum tl_code tl_publish(const struct tl_stage *stage, struct tl_err *err);
/* What follows from any publication: the swap and the pruning. */
TL_MUST_USE enum tl_code tl_publish_follow(const struct tl_scope *scope, struct tl_err *err);

#endif
