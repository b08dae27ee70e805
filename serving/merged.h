/* merged.h: what is on record of a table, in the order in which batch judges duplicates: (log timestamp, partition, offset).
 *
 *   partition 0   [block][block]───┐
 *   partition 1   [block]──────────┼─> by message ─> chunk, chunk, ...
 *   import, 0     [block]──────────┘
 *
 * Is:      one reader, one block a partition in memory; only blocks that may have events of the wanted times are read.
 * Is not:  batch's feed, which unpacks on several threads and refuses what is damaged: what is missing is told here, before anything is read.
 * Runs on: the thread that opened it. */
#ifndef TL_MERGED_H
#define TL_MERGED_H

#include "base/arena.h"
#include "main/source_topics.h"
#include "master/master.h"
#include "spans.h"

/* A file that is damaged, or gone; or a block of one that turned out to be when it was read. */
struct tl_record_hole {
    int64_t min_ms, max_ms; /* times of the events that it may have had */
    const char *message;    /* names the file */
};

/* One partition's files, by offset. */
struct tl_record_part {
    uint32_t partition; /* its number (event/partition.h) */
    const struct tl_master_file *files;
    size_t files_count;
};

/* Zeroed before open; done also after a failure. */
struct tl_record_input {
    struct tl_arena memory;
    struct tl_record_part *parts;
    uint32_t parts_count;
    struct tl_record_hole *holes;
    uint32_t holes_count;
    int64_t first_ms, last_ms; /* of all events; first > last: there are none */
    const uint64_t *rules; /* tl_intake_time_rule of all that will read it: an index by another one tells nothing of its blocks */
    uint32_t rules_count;
};

/* All that is on record of the source's topics, and what was imported for them. `rules` and the master outlive the input. */
TL_MUST_USE enum tl_code tl_record_input_open(struct tl_record_input *input, struct tl_master *master,
                                              const struct tl_source_topic *topics, uint32_t topics_count, const uint64_t *rules,
                                              uint32_t rules_count, struct tl_err *err);
/* About how many bytes, unpacked, the events with from_ms <= time < to_ms have: as if each UTC day's came evenly. */
uint64_t tl_record_input_bytes(const struct tl_record_input *input, int64_t from_ms, int64_t to_ms);
void tl_record_input_done(struct tl_record_input *input);

struct tl_merged;

/* Messages of blocks that may have an event in one of the spans, which must stay; so must the input. What cannot be read is passed over, and a hole of
 * the input from then on. */
TL_MUST_USE enum tl_code tl_merged_open(struct tl_record_input *input, const struct tl_time_spans *spans, struct tl_merged **out,
                                        struct tl_err *err);
void tl_merged_close(struct tl_merged *merged);
/* Up to TL_BATCH_ROWS messages, valid until the next call; *count 0: there are no more. */
TL_MUST_USE enum tl_code tl_merged_next(struct tl_merged *merged, const struct tl_message **messages, const uint32_t **partitions,
                                        size_t *count, struct tl_err *err);
/* No message that is still to come has an event in the spans before this time; INT64_MAX: none does. */
int64_t tl_merged_floor_ms(const struct tl_merged *merged);

#endif
