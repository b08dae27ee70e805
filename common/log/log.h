/* log.h: the log of events: ordered per partition, addressed by offset. Kafka's model; the embedded one is a SQLite file.
 *
 * Is:      append, read from an offset, end offsets, and whether a topic is still the one it was.
 * Is not:  a place where readers keep their position: offsets live in the store (store.h).
 *
 * Offsets ascend in a partition, may have gaps, and are never given out twice. What was read once stays (until it is archived and
 * consumed). `log_ms` is the log's own timestamp of an entry.
 * Runs on: one handle a thread. */
#ifndef TL_LOG_H
#define TL_LOG_H

#include "base/base.h"
#include "event/batch.h"

struct tl_log;

enum tl_log_mode { TL_LOG_READ, TL_LOG_APPEND };

/* `spec`: "local": DIR/log.db under `data_dir`. TL_LOG_APPEND makes the file if need be; TL_LOG_READ of a log that is not
 * there yet is TL_ERR_NOT_FOUND. A foreign or damaged file is TL_ERR_CORRUPT and is left as it is. */
TL_MUST_USE enum tl_code tl_log_open(const char *spec, const char *data_dir, enum tl_log_mode mode, struct tl_log **out,
                                     struct tl_err *err);
void tl_log_close(struct tl_log *log);

/* Makes the topic with that many partitions if it is not there; raises the number if it has fewer; never lowers it.
 * partitions 0: as it is, 1 for a new one. */
TL_MUST_USE enum tl_code tl_log_create_topic(struct tl_log *log, struct tl_sv topic, uint32_t partitions, struct tl_err *err);
/* TL_ERR_NOT_FOUND: no such topic (yet). *identity changes when a topic is deleted and made again. */
TL_MUST_USE enum tl_code tl_log_topic(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, uint64_t *identity,
                                      struct tl_err *err);
/* The partition holds offsets [*first, *end): `end` is the next one to be given out. */
TL_MUST_USE enum tl_code tl_log_range(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *first, int64_t *end,
                                      struct tl_err *err);

struct tl_log_entries {
    const struct tl_message *messages; /* in offset order; valid until the next read on this handle; padded (batch.h) */
    size_t count;
    int64_t next_offset; /* where to read on: behind the last one, also across gaps */
    bool at_end;         /* the partition was read to its end as of this call */
};

/* Up to `messages_max` entries, and about `bytes_max` bytes (at least one entry), from `offset` on. An offset below `first` or beyond
 * `end` is TL_ERR_LIMIT ("offset out of range", with the gap in the message). Does not wait. */
TL_MUST_USE enum tl_code tl_log_read(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                     size_t messages_max, size_t bytes_max, struct tl_log_entries *out, struct tl_err *err);
/* Sleeps until something may have been appended by anyone, or the time is over. */
void tl_log_wait(struct tl_log *log, int64_t timeout_ms);

struct tl_log_record {
    uint32_t partition;
    int64_t log_ms; /* INT64_MIN: now */
    struct tl_sv value;
};

/* A small fact that is kept in the same transaction as an append: how far an import has come. */
struct tl_log_note {
    struct tl_sv key, value;
};

/* All or nothing, durable on return (fsync). `note` may be NULL; records_count may be 0 (the note alone). */
TL_MUST_USE enum tl_code tl_log_append(struct tl_log *log, struct tl_sv topic, const struct tl_log_record *records,
                                       size_t records_count, const struct tl_log_note *note, struct tl_err *err);
/* Calls `each` for every note whose key begins with `prefix`; a call that returns false ends it. */
TL_MUST_USE enum tl_code tl_log_notes(struct tl_log *log, struct tl_sv prefix,
                                      bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx,
                                      struct tl_err *err);
/* Deletes entries below `offset`: the caller knows that they are archived and consumed. Offsets are not reissued. */
TL_MUST_USE enum tl_code tl_log_trim(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                     struct tl_err *err);

#endif
