/* record_input.h: what is on record of a table, and what of it cannot be read.
 *
 * Is not:  batch's input, which refuses what is damaged: what is missing is told here, before anything is read. */
#ifndef TL_RECORD_INPUT_H
#define TL_RECORD_INPUT_H

#include "base/arena.h"
#include "main/source_topics.h"
#include "master/feed.h"
#include "master/master.h"
#include "spans.h"

/* A file that is damaged, or gone; or a block of one that turned out to be when it was read. */
struct tl_record_hole {
    int64_t min_ms, max_ms;                /* times of the events that it may have had */
    const char *message;                   /* names the file */
    _Atomic(struct tl_record_hole *) next; /* by time; one may come while others are looked at */
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
    _Atomic(struct tl_record_hole *) holes;
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

/* The blocks that may have an event in one of the spans, in the order in which duplicates are judged; the input outlives the feed. */
TL_MUST_USE enum tl_code tl_record_input_feed(struct tl_record_input *input, const struct tl_time_spans *spans,
                                              struct tl_feed **out, struct tl_err *err);
/* A block of it that cannot be read is a hole of the input from now on; one call at a time. */
TL_MUST_USE enum tl_code tl_record_input_lost(struct tl_record_input *input, const struct tl_feed_ref *ref, struct tl_err *err);

#endif
