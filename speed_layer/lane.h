/* lane.h: definitions that stand at the same offsets and so are computed in one pass over the log.
 *
 * Normally there is one lane (number 0) with all views. A definition that is new beside older ones stands elsewhere in the log: it gets
 * a lane of its own, which runs until it has caught up with the others, and then joins them. */
#ifndef TL_LANE_H
#define TL_LANE_H

#include "log/log.h"
#include "sql/plan.h"
#include "store/store.h"

struct tl_lane_partition {
    uint32_t source, partition;
    struct tl_position position; /* next_offset: where to read on */
    int64_t until_offset;        /* read no further; INT64_MAX: for ever */
    bool ends;                   /* there the source itself ends: nothing is late or open any more */
};

struct tl_lane {
    const struct tl_plan *plan;
    int64_t number;       /* for the dedup blobs */
    bool *views_wanted;   /* per view of the plan */
    int64_t *definitions; /* per view: its id in the store, 0 where it is not in this lane */
    int64_t *final_ms;    /* per view: windows up to it are final already */
    uint64_t *identities; /* per source: the topic's identity */
    struct tl_lane_partition *partitions;
    uint32_t partitions_count;
};

#endif
