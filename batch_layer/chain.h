/* chain.h: which of a run's ranges may be published when checks keep some of them back.
 *
 *   staged       (17th] (18th] (19th] (20th]          a check has failed in the 18th
 *   joined            x      x                        the carries over these two bounds have changed, the one into the 20th has not
 *   kept back    (17th] (18th] (19th]                 published: (20th]
 *
 * Two ranges that touch are joined where the carry over their bound is not the one that is published there: the one behind began with it, so
 * publishing one without the other would count a session twice, or not at all. At the end of what is published a range may go without the
 * one behind it, which the next run does anew; but none without the one before it: ranges leave no gap. Views of one family have the same
 * ranges and stand or fall together. */
#ifndef TL_CHAIN_H
#define TL_CHAIN_H

#include "store/store_check.h"

/* A range of a family: what holds for one of its views holds for it. */
struct tl_chain_span {
    int64_t from_ms, to_ms;
    bool failed; /* a check in it has, and is not accepted */
    bool published;
    bool next_needs_it, needs_next; /* store_check.h */
    enum tl_kept kept;              /* by tl_chain_settle */
};

struct tl_chain {
    struct tl_chain_span *spans; /* in order of time */
    uint32_t count, capacity;
};

/* The spans that a run has staged of these definitions. `kept` is as it stands in the store. */
TL_MUST_USE enum tl_code tl_chain_open(struct tl_chain *chain, struct tl_store *store, int64_t run, const int64_t *definitions,
                                       uint32_t definitions_count, struct tl_err *err);
void tl_chain_close(struct tl_chain *chain);
/* The span that begins there, or NULL. */
struct tl_chain_span *tl_chain_find(struct tl_chain *chain, int64_t from_ms);
/* Says of every span that is not published whether it is kept back. */
void tl_chain_settle(struct tl_chain *chain);

#endif
