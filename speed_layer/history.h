/* history.h: the log of a plan's sources with the master record in front of it: what the log does not have any more, or all that is on record.
 *
 *     partition 0    | gap | record      | gap | log | record  | log ...        spans: ascending, they touch, the last one is the log's
 *                    0     120           900   940   1000      5000             [from, to)
 *
 * A gap is offsets that were there and are nowhere now: thinned out or damaged on record, and gone from the log. Where a file is damaged and the log
 * still has its offsets, the log is read for them.
 * Runs on: opened and closed by one thread, and the same from then on for all; a reader is one thread's. */
#ifndef TL_HISTORY_H
#define TL_HISTORY_H

#include <stdatomic.h>

#include "main/source_log.h"
#include "main/source_topics.h"
#include "master/master.h"

enum tl_history_from {
    TL_HISTORY_EITHER, /* the record where it begins earlier than the log */
    TL_HISTORY_LOG,
    TL_HISTORY_RECORD, /* as far as it is complete */
};

enum tl_history_kind {
    TL_HISTORY_IN_LOG,
    TL_HISTORY_IN_RECORD,
    TL_HISTORY_EMPTY, /* the log never had a message there */
    TL_HISTORY_GAP,
};

struct tl_history_span {
    int64_t from, to; /* offsets [from, to) */
    enum tl_history_kind kind;
    const struct tl_master_file *file; /* in the record: what is not in it, up to its first offset, was never there */
};

struct tl_history_partition {
    uint32_t source, partition; /* as rows and positions know it */
    struct tl_sv topic;
    uint32_t in_topic;
    int64_t first; /* of what is there: a gap in front of all else ends here */
    struct tl_history_span *spans;
    uint32_t spans_count;
};

struct tl_history {
    struct tl_master *master; /* NULL: nothing is read of the record */
    struct tl_history_partition *partitions;
    uint32_t partitions_count;
    atomic_uint_fast64_t read_bytes; /* of messages, by all readers */
};

/* Of all topics that `topics` knows and `logs` has. Borrows nothing but topics' names; holds the record's files until it is closed. TL_ERR_IO: the record is of
 * another topic of that name. */
TL_MUST_USE enum tl_code tl_history_open(const char *data_dir, const struct tl_plan *plan, struct tl_source_logs *logs,
                                         struct tl_source_topics *topics, enum tl_history_from from, struct tl_history **out,
                                         struct tl_err *err);
void tl_history_close(struct tl_history *history); /* NULL is fine */
/* NULL: the log did not have it. */
const struct tl_history_partition *tl_history_partition(const struct tl_history *history, uint32_t source, uint32_t partition);

struct tl_history_reader; /* of one partition */
TL_MUST_USE enum tl_code tl_history_reader_open(struct tl_history *history, const struct tl_history_partition *partition,
                                                struct tl_history_reader **out, struct tl_err *err);
void tl_history_reader_close(struct tl_history_reader *reader); /* NULL is fine */
/* As tl_log_read, of the log `log` where that has it; a gap is passed over: nothing, and next_offset behind it. */
TL_MUST_USE enum tl_code tl_history_read(struct tl_history_reader *reader, struct tl_log *log, int64_t offset,
                                         size_t messages_max, size_t bytes_max, struct tl_log_entries *out, struct tl_err *err);

#endif
