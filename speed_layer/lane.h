/* lane.h: definitions that stand at the same offsets and so are computed in one pass over the log.
 *
 * Normally there is one lane (number 0) with all views. A definition that is new beside older ones stands elsewhere in the log: it gets
 * a lane of its own, which runs until it has caught up with the others, and then joins them. */
#ifndef TL_LANE_H
#define TL_LANE_H

#include "fence.h"
#include "history.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "sql/plan.h"
#include "standing.h"
#include "store/store.h"

struct tl_lane_partition {
    uint32_t source;
    uint32_t partition; /* as rows, ledger and positions know it (event/partition.h) */
    struct tl_sv topic; /* and what the log calls it */
    uint32_t in_topic;
    struct tl_position position;                /* next_offset: where to read on */
    int64_t log_first;                          /* where the log began when the lane was made */
    int64_t until_offset;                       /* read no further; INT64_MAX: for ever */
    bool ends;                                  /* there the source itself ends: nothing is late or open any more */
    const struct tl_history_partition *history; /* NULL: read from the log alone */
    bool is_new;                                /* the store has no position of it yet */
};

/* A topic as it was when the lane was made. */
struct tl_lane_topic {
    uint32_t source;
    struct tl_sv name;
    uint32_t partitions_count;
    uint64_t identity; /* 0: it was not there */
};

struct tl_lane {
    const struct tl_plan *plan;
    struct tl_history *history; /* the ground's */
    bool replays;               /* the ground's */
    int64_t number;             /* for the dedup blobs */
    bool *views_wanted;         /* per view of the plan */
    int64_t *definitions;       /* per view: its id in the store, 0 where it is not in this lane */
    int64_t *final_ms;          /* per view: windows up to it are final already */
    uint64_t *identities;       /* per source: of the topic with the lowest number of those that are there */
    struct tl_lane_topic *topics;
    uint32_t topics_count;
    struct tl_lane_partition *partitions;
    uint32_t partitions_count;
};

/* That the log does not have what was read before is believed when it holds for a while: brokers hear of things one after the other. */
struct tl_lane_patience {
    int64_t wait_ms;
    struct tl_lane_topic *gone; /* it is believed of them; their names are the ground's topics' */
    uint32_t gone_count;
};

/* What lanes are made from. */
struct tl_lane_ground {
    const struct tl_plan *plan;
    struct tl_source_logs *logs;
    struct tl_source_topics *topics;
    struct tl_store *store;
    struct tl_fence *fence;     /* NULL: a replay, beside whoever writes */
    int64_t epoch;              /* 0: the same */
    struct tl_history *history; /* NULL: partitions are read from the log alone */
    bool replays;    /* from the first offset that there ever was, whatever 'scan.startup.mode' says of a reader that comes new */
    bool once;       /* to the log's present end */
    bool accept_gap; /* passes over offsets that are gone */
    struct tl_lane_patience *patience;
};

TL_MUST_USE enum tl_code tl_lane_open(struct tl_lane *lane, const struct tl_plan *plan, struct tl_err *err);
void tl_lane_close(struct tl_lane *lane);
void tl_lane_add_view(struct tl_lane *lane, uint32_t v, const struct tl_definition *definition);
/* Adds the partitions of source `s`, of all its topics, as `standing` has them; where that has none they begin where 'scan.startup.mode' says. A
 * new partition of a source that is known begins at its start. `goal`, where it is not NULL, is where to end. What was passed over stands in the ledger of the lane's
 * views. TL_ERR_GAP: offsets are gone, and that was not accepted; TL_ERR_IO: the topic was made again. */
TL_MUST_USE enum tl_code tl_lane_add_source(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s,
                                            const struct tl_standing *standing, const struct tl_standing *goal,
                                            struct tl_err *err);
bool tl_lane_is_bounded(const struct tl_lane *lane); /* it ends by itself */

/* Adds none of the source's partitions, but notes under which identity its offsets are. */
TL_MUST_USE enum tl_code tl_lane_identify(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s,
                                          struct tl_err *err);
/* A topic comes into being with its first event: one that is not there yet has no partitions, and the others are counted meanwhile. */
TL_MUST_USE enum tl_code tl_lane_topic(const struct tl_lane_ground *ground, uint32_t source, struct tl_sv name,
                                       uint32_t *partitions, uint64_t *identity, struct tl_err *err);
/* The same of one that was read before, of which so many partitions are known at least: it is waited for as long as the ground's patience says, or
 * until the process is to stop (a retriable TL_ERR_IO). */
TL_MUST_USE enum tl_code tl_lane_known_topic(const struct tl_lane_ground *ground, uint32_t source, struct tl_sv name,
                                             uint32_t known, uint32_t *partitions, uint64_t *identity, struct tl_err *err);
/* The message that was read last must still be the one that it was: TL_ERR_IO otherwise. One that is gone (retention, compaction) tells
 * nothing. *other (may be NULL): the failure is that it is another one, and not that the log does not tell. */
TL_MUST_USE enum tl_code tl_lane_check_message(const struct tl_lane_ground *ground, const struct tl_lane_partition *partition,
                                               const struct tl_position *position, bool *other, struct tl_err *err);

#endif
