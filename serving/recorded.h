/* recorded.h: the events of a source as they stand on record, and in the log behind that.
 *
 *   record   events          |#########|   |######|              files, each of one partition
 *            events.import   |####|                              what was imported for the topic: never in the log
 *   log                                    (#####|#########)     read from where the record ends
 *
 * Is:      the one way in which serving reads events: by time out of the record, by offset out of the log.
 * Is not:  a judge of what is missing: callers know how far something has read, and say where there should be something (add_gap).
 * Runs on: the thread that opened it, but for what is said of threads. Messages are lent for the call. */
#ifndef TL_RECORDED_H
#define TL_RECORDED_H

#include "base/arena.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "master/master.h"
#include "spans.h"
#include "sql/plan.h"

/* What is on record of one topic. */
struct tl_recorded_topic {
    struct tl_sv topic;
    uint32_t number_base; /* of its partition 0 (event/partition.h); an import's has TL_PARTITION_IMPORTED */
    const struct tl_master_file *files;
    size_t files_count;
    const struct tl_master_complete *complete;
    size_t complete_count;
    const struct tl_master_complete *thinned; /* what retention has taken */
    size_t thinned_count;
    const struct tl_master_damage *damage; /* set aside: where `goes_on` */
    size_t damage_count;
    uint32_t partitions_count; /* highest number on record + 1 */
};

/* The topics of one source, each with its import's behind it. */
struct tl_recorded_topics {
    struct tl_recorded_topic *items;
    uint32_t count;
    bool listed;
};

/* Offsets that should be on record and are not. */
struct tl_record_gap {
    struct tl_sv topic;
    uint32_t partition;
    int64_t first_offset, last_offset;
    int64_t time_ms_min,
        time_ms_max;     /* of the events that are not there, where an index tells; INT64_MIN to INT64_MAX: it does not */
    struct tl_sv damage; /* what is wrong with the file that has them; empty: there is none, as far as can be told */
    bool is_guess;       /* the file behind them does not say where it begins: the log may have had no messages there */
};

/* May an event of a window be among them? */
static inline bool tl_record_gap_may_hold(const struct tl_record_gap *gap, int64_t start_ms, int64_t end_ms)
{
    return start_ms <= gap->time_ms_max && end_ms >= gap->time_ms_min;
}

/* What is in the reader. */
struct tl_recorded_block {
    const struct tl_master_file *file; /* NULL: nothing */
    uint32_t block;
    const struct tl_message *messages;
    size_t count;
};

/* Zeroed but for what it is given. The caller keeps plan, topics, master and logs, and closes them behind it. */
struct tl_recorded {
    const struct tl_plan *plan;
    const struct tl_source_topics *topics;
    struct tl_master *master;
    struct tl_source_logs *logs; /* NULL: there is none */
    /* What is damaged on record is a gap; else it is an error. For whoever looks at the gaps behind it. */
    bool goes_on;

    uint64_t messages_count; /* out: read so far */
    struct tl_record_gap *gaps;
    uint32_t gaps_count;

    struct tl_arena memory;
    struct tl_recorded_topics *sources;
    struct tl_master_reader *reader;
    struct tl_recorded_block last;
};

void tl_recorded_init(struct tl_recorded *recorded, const struct tl_plan *plan, const struct tl_source_topics *topics,
                      struct tl_master *master, struct tl_source_logs *logs);
void tl_recorded_done(struct tl_recorded *recorded); /* one that is all zero is fine */

/* Lists the record the first time. *out lives as long as `recorded`. */
TL_MUST_USE enum tl_code tl_recorded_topics(struct tl_recorded *recorded, uint32_t source, const struct tl_recorded_topics **out,
                                            struct tl_err *err);
/* Behind the last message on record, or what the archive says if that is more. */
int64_t tl_recorded_end(const struct tl_recorded_topic *topic, uint32_t partition);
/* Below it retention has taken all: no gap. */
int64_t tl_recorded_thinned(const struct tl_recorded_topic *topic, uint32_t partition);
/* `topic` lives as long as `recorded`. Files that are damaged are told apart; what is known already stays one. */
TL_MUST_USE enum tl_code tl_recorded_add_gap(struct tl_recorded *recorded, struct tl_sv topic, uint32_t partition,
                                             int64_t first_offset, int64_t last_offset, bool is_guess, struct tl_err *err);

/* Below this offset of the partition, by its number, no event is of from_ms or later, and none, whatever its time, came within from_ms <= the log's
 * timestamp < to_ms. INT64_MIN: nobody can say. Whoever asks has listed the record. */
struct tl_recorded_source {
    const struct tl_recorded *recorded;
    uint32_t source;
};
int64_t tl_recorded_floor(const struct tl_recorded_source *of, uint32_t partition, int64_t from_ms, int64_t to_ms);
/* Between which timestamps of the log the message lies; INT64_MIN to INT64_MAX: nobody can say. Whoever asks has listed the record. */
void tl_recorded_log_times(const struct tl_recorded *recorded, uint32_t source, uint32_t partition, int64_t offset,
                           int64_t *min_ms, int64_t *max_ms);

/* Messages of one partition (its number, as the core has it) in the order of their offsets. */
typedef enum tl_code (*tl_recorded_each)(void *ctx, uint32_t partition, const struct tl_message *messages, size_t count,
                                         struct tl_err *err);
/* The blocks of the source's topics that may have an event in one of the spans. So many threads read and call side by side, each with its own of the
 * contexts, blocks in no order; with one thread by topic, partition, then offset. */
TL_MUST_USE enum tl_code tl_recorded_read(struct tl_recorded *recorded, uint32_t source, const struct tl_time_spans *spans,
                                          tl_recorded_each each, void *const *ctxs, uint32_t threads, struct tl_err *err);
/* How many partitions the log has of the topic: 0 where there is no log, no such topic, or it is an import's. */
TL_MUST_USE enum tl_code tl_recorded_log(const struct tl_recorded *recorded, uint32_t source,
                                         const struct tl_recorded_topic *topic, uint32_t *partitions, struct tl_err *err);
/* Out of the log what is behind the end of the record, up to `to` (INT64_MAX: up to the log's present end). *first: where the log begins, if that is
 * behind the record's end; else that end. */
TL_MUST_USE enum tl_code tl_recorded_read_log(struct tl_recorded *recorded, uint32_t source,
                                              const struct tl_recorded_topic *topic, uint32_t partition, int64_t to,
                                              tl_recorded_each each, void *ctx, int64_t *first, struct tl_err *err);
/* One partition, by its number, below `upto`: the blocks that may have an event in one of the spans, and what the log has behind the record. Nothing
 * where it is not known. */
TL_MUST_USE enum tl_code tl_recorded_read_partition(struct tl_recorded *recorded, uint32_t source, uint32_t partition,
                                                    const struct tl_time_spans *spans, int64_t upto, tl_recorded_each each,
                                                    void *ctx, struct tl_err *err);
/* One message, by its partition's number; valid until the next call. NULL: it is not to be had. */
TL_MUST_USE enum tl_code tl_recorded_find(struct tl_recorded *recorded, uint32_t source, uint32_t partition, int64_t offset,
                                          const struct tl_message **out, struct tl_err *err);

#endif
