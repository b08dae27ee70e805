/* log_place.h: where in a log a reader without a position begins, or a bounded one ends.
 *
 * Source of the words and of their meaning: Flink's Kafka connector 4.0, KafkaConnectorOptions and OffsetsInitializer. */
#ifndef TL_LOG_PLACE_H
#define TL_LOG_PLACE_H

#include "base/arena.h"
#include "base/sv.h"

enum tl_log_place_kind {
    TL_PLACE_EARLIEST,  /* where the log begins */
    TL_PLACE_LATEST,    /* where it ends now */
    TL_PLACE_GROUP,     /* what a consumer group has committed to Kafka */
    TL_PLACE_TIMESTAMP, /* the first entry with this log timestamp or a later one; none: the log's end */
    TL_PLACE_OFFSETS,   /* by partition; one that is not named: what the group has committed, else the log's start */
};

struct tl_log_offset {
    uint32_t partition;
    int64_t offset;
};

struct tl_log_place {
    enum tl_log_place_kind kind;
    int64_t timestamp_ms;
    const struct tl_log_offset *offsets; /* in order of partition, each once */
    size_t offsets_count;
};

/* "partition:0,offset:42;partition:1,offset:300", as Flink reads it: of two that name one partition the later holds. *wrong is the part that
 * cannot be read. False with wrong->data NULL: out of memory. */
TL_MUST_USE bool tl_log_offsets_read(struct tl_sv text, struct tl_arena *arena, struct tl_log_place *out, struct tl_sv *wrong);

#endif
