/* input.h: what the master record holds for one source, and what is known of its events' times.
 *
 * Each topic of a source has two on record: the log's, and "<topic>.import", whose partitions have numbers of their own
 * (event/partition.h). The facts about event times stand in the files' indexes. Files whose index was made under another rule of event
 * time (another time column, format or skew) are read once to learn them anew. */
#ifndef TL_INPUT_H
#define TL_INPUT_H

#include "main/source_topics.h"
#include "master/feed.h"
#include "master/master.h"
#include "sql/plan.h"

struct tl_input_times {
    int64_t min_ms, max_ms; /* min > max: no event with a usable time */
};

struct tl_input_file {
    const struct tl_master_file *file;
    struct tl_input_times times;
    struct tl_input_times *blocks; /* as many as the file has */
    int64_t watermark_ms;
    const struct tl_master_day *days;
    uint32_t days_count;
    const char *damage; /* what is wrong with it, by its name; NULL: nothing is known to be. Its facts are those of its index */
    bool times_unknown; /* its index is by another rule of event time, and it cannot be read: it may have any */
    bool keeps_sealed;  /* damaged, and what it has for sealed days is not in the ledger yet */
};

/* Offsets, both ends included. */
struct tl_input_span {
    int64_t first_offset, last_offset;
};

struct tl_input_partition {
    uint32_t partition;          /* as rows and ledger know it (event/partition.h) */
    struct tl_sv topic;          /* of the master record */
    struct tl_input_file *files; /* by offset */
    uint32_t files_count;
    int64_t next_offset; /* behind the last message on record, or what complete.json says if that is more */
    struct tl_input_span
        *gone; /* of files that are gone or have no index: nobody can say what they held, or whether there were any */
    uint32_t gone_count;
    int64_t end_ms; /* wall-clock time at which the record reached the log's end; INT64_MIN: never; INT64_MAX: always complete */
};

/* A file of which nothing is known, for its index cannot be read, or is gone with it: of any range. */
struct tl_input_lost {
    struct tl_sv topic;
    uint32_t partition; /* within the topic */
    const char *damage;
};

struct tl_input {
    const struct tl_plan *plan;
    uint32_t source;
    struct tl_arena arena;
    struct tl_input_partition *partitions;
    uint32_t partitions_count;
    struct tl_input_lost *lost;
    uint32_t lost_count;
};

/* Of all topics of the source that have a number; their names outlive the input. Files that are damaged or gone are no failure: tl_input_damage
 * tells of them. */
TL_MUST_USE enum tl_code tl_input_open(struct tl_master *master, const struct tl_plan *plan, uint32_t source,
                                       const struct tl_source_topics *topics, struct tl_input **out, struct tl_err *err);
void tl_input_close(struct tl_input *input);

/* What is wrong with a file that may have messages which are read for events in [from_ms, to_ms); NULL: no such file is known to be damaged. */
const char *tl_input_damage(const struct tl_input *input, int64_t from_ms, int64_t to_ms);
/* The file turned out to be damaged when it was read. */
TL_MUST_USE enum tl_code tl_input_found_damage(struct tl_input *input, const struct tl_input_file *file, const char *damage,
                                               struct tl_err *err);
/* Offsets below next_offset that are not read: what is damaged as far as is known by now, and what is gone. */
TL_MUST_USE enum tl_code tl_input_unread(const struct tl_input_partition *partition,
                                         enum tl_code (*each)(void *ctx, const struct tl_input_span *span, struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* Is a block with these times read for events in [from_ms, to_ms)? A block of dead letters alone is read with its file, and a file of them with
 * what lies before all events. */
bool tl_input_wants_block(const struct tl_input_file *file, uint32_t block, int64_t from_ms, int64_t to_ms);
/* All blocks that may have events with from_ms <= time < to_ms; what each is of (tl_feed_ref.of) is its file here. The input outlives the feed. */
TL_MUST_USE enum tl_code tl_input_feed(const struct tl_input *input, int64_t from_ms, int64_t to_ms, struct tl_feed **out,
                                       struct tl_err *err);

/* Up to which instant the input is complete for a view with this lateness: every partition either reached a watermark
 * >= B - 1 + lateness, or was read to the log's end at a wall-clock time >= B + grace. INT64_MAX: for ever (imports only); INT64_MIN: not at all. */
int64_t tl_input_complete_ms(const struct tl_input *input, int64_t lateness_ms, int64_t grace_ms);
/* Earliest and latest event time. */
struct tl_input_times tl_input_times(const struct tl_input *input);
/* Has the partition messages at or behind next_offset, or in one of the spans, that are events in [from_ms, to_ms)? By files and blocks. */
bool tl_input_has_new(const struct tl_input_partition *partition, int64_t next_offset, const struct tl_input_span *unread,
                      uint32_t unread_count, int64_t from_ms, int64_t to_ms);
/* How many events with a time of the ranges there are at most: *all, and *at_once of the ranges that a reader of the feed has open at the
 * same time. By UTC days, so both may say up to twice as much, or more for ranges shorter than a day; never less. */
TL_MUST_USE enum tl_code tl_input_events_max(const struct tl_input *input, const int64_t *bounds, uint32_t ranges_count,
                                             uint64_t *at_once, uint64_t *all, struct tl_err *err);
/* May there be events in [from_ms, to_ms) at all? By UTC days: may say yes for less than a day without one, never no wrongly. */
bool tl_input_has_events(const struct tl_input *input, int64_t from_ms, int64_t to_ms);

#endif
