/* lag.h: how far a reader is behind the log's end, per partition: a gauge, and a check that it moves on.
 *
 * The ends come from the watch's thread, what was read from the reader's: a mutex lies around the places. It is taken before those
 * of metrics and health. */
#ifndef TL_LAG_H
#define TL_LAG_H

#include <pthread.h>

#include "base/arena.h"
#include "base/health.h"
#include "base/metrics.h"

/* A partition of a topic. */
struct tl_lag_place {
    struct tl_sv topic; /* a copy */
    uint32_t partition;
    int64_t next_offset;              /* what was read ends before it; -1: nobody has read it yet */
    int64_t first_offset, end_offset; /* what the log has, as last looked at; -1: not yet */
    bool due;                         /* what is unread should be read: a check that does not move on is stuck */
    struct tl_metric *gauge;
    struct tl_health_check *check; /* named "topic/partition" */
};

struct tl_lag {
    pthread_mutex_t mutex;
    struct tl_metrics *metrics;
    struct tl_health *health; /* NULL: no checks */
    const struct tl_metric_family *family;
    struct tl_arena names;
    struct tl_lag_place *places;
    size_t places_count, places_capacity;
    bool due; /* of a partition that is new */
};

/* The gauge's family gets the labels topic and partition. */
void tl_lag_init(struct tl_lag *lag, struct tl_metrics *metrics, struct tl_health *health, const struct tl_metric_family *family);
void tl_lag_done(struct tl_lag *lag);

/* The log has the offsets [first, end) of that partition. Takes the mutex; without memory for a new place it is not shown. */
void tl_lag_see_range(struct tl_lag *lag, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end);
/* The log does not have the topic (any more): nobody is behind, and nothing is shown unless somebody reads it. Takes the mutex. */
void tl_lag_see_gone(struct tl_lag *lag, struct tl_sv topic);

void tl_lag_lock(struct tl_lag *lag);
void tl_lag_unlock(struct tl_lag *lag);
/* The following with the mutex. The place's number, made when it is new. */
TL_MUST_USE enum tl_code tl_lag_place(struct tl_lag *lag, struct tl_sv topic, uint32_t partition, size_t *number,
                                      struct tl_err *err);
/* Forgets who reads what. `due`: everything is to be read; else what is set from now on. */
void tl_lag_deal(struct tl_lag *lag, bool due);
/* Between tl_metrics_begin and tl_metrics_end as well: it was read up to there. */
void tl_lag_set_next(struct tl_lag *lag, size_t number, int64_t next_offset);

#endif
