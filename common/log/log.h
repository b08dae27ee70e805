/* log.h: the log of events: ordered per partition, addressed by offset. Kafka's model; the embedded one is a SQLite file.
 *
 * Is:      append, read from an offset, end offsets, and whether a topic is still the one it was.
 * Is not:  a place where readers keep their position: offsets live in the store (store.h).
 *
 * Offsets ascend in a partition, may have gaps, and are never given out twice. What was read once stays (until it is archived and
 * consumed). `log_ms` is the log's own timestamp of an entry.
 *
 * Errors: a Kafka that cannot be reached is TL_ERR_IO with err->retriable; so is what its brokers will do better by themselves. A wrong
 * password or certificate, no rights, a property that is none: not retriable, in the server's words, with the setting to look at.
 * Runs on: one handle a thread. A handle on Kafka is a consumer of its own, and a producer once something is appended. */
#ifndef TL_LOG_H
#define TL_LOG_H

#include "base/base.h"
#include "event/batch.h"
#include "event/log_place.h"

struct tl_log;

enum tl_log_mode { TL_LOG_READ, TL_LOG_APPEND };

struct tl_log_property {
    struct tl_sv name, value;
};

/* Borrowed for the call. */
struct tl_log_spec {
    const char *kind;                         /* "local": DIR/log.db under data_dir; "kafka" */
    const char *data_dir;                     /* local */
    const struct tl_log_property *properties; /* kafka: under librdkafka's names; of two with one name the later holds */
    size_t properties_count;
    uint32_t
        partitions; /* kafka: how many of them the process will read, which share the memory for what was fetched; 0: a few */
};

/* local: TL_LOG_APPEND makes the file if need be; TL_LOG_READ of a log that is not there yet is TL_ERR_NOT_FOUND. A foreign or damaged
 * file is TL_ERR_CORRUPT and is left as it is.
 * kafka: does not wait for a broker: whether one answers shows with the first question. */
TL_MUST_USE enum tl_code tl_log_open(const struct tl_log_spec *spec, enum tl_log_mode mode, struct tl_log **out,
                                     struct tl_err *err);
void tl_log_close(struct tl_log *log);
/* From any thread: what waits for an answer on this handle gives up soon, and so does whatever waits later (TL_ERR_IO, retriable). Who closes
 * several handles stops all of them first: while a broker is silent each takes a while. NULL is fine. */
void tl_log_stop(struct tl_log *log);

/* What 'properties.*' may be. TL_ERR_NOT_FOUND: no such name here (Java's, unknown, or tally's own to set); TL_ERR_USAGE: not such a
 * value. `hint` says what would be right, or is empty. */
TL_MUST_USE enum tl_code tl_log_property_check(const struct tl_log_property *property, char *hint, size_t hint_bytes,
                                               struct tl_err *err);
/* It names a library that is loaded or a command that is run: whoever wrote a table need not be trusted with that. */
bool tl_log_property_is_code(struct tl_sv name);

/* Makes the topic with that many partitions if it is not there; raises the number if it has fewer; never lowers it.
 * partitions 0: as it is, 1 for a new one. */
TL_MUST_USE enum tl_code tl_log_create_topic(struct tl_log *log, struct tl_sv topic, uint32_t partitions, struct tl_err *err);
/* TL_ERR_NOT_FOUND: no such topic (yet). *identity is never 0, and changes when a topic is deleted and made again; Kafka does not tell
 * that: there it stands for the cluster and the name, and fingerprints tell the rest. */
TL_MUST_USE enum tl_code tl_log_topic(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, uint64_t *identity,
                                      struct tl_err *err);
/* Calls `each` with the name of every topic, in order of the names' bytes; a call that returns false ends it. Not among them is what a log
 * keeps for itself: Kafka's internal topics (__consumer_offsets and the like), and notes (<topic>.tally-notes). */
TL_MUST_USE enum tl_code tl_log_topics(struct tl_log *log, bool (*each)(void *ctx, struct tl_sv name), void *ctx,
                                       struct tl_err *err);
/* The partition holds offsets [*first, *end): `end` is the next one to be given out (kafka: to be read by who reads what is committed). */
TL_MUST_USE enum tl_code tl_log_range(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *first, int64_t *end,
                                      struct tl_err *err);
/* Behind the last entry that was written, committed or not: where it is beyond `end`, a transaction is open. local: as `end`. */
TL_MUST_USE enum tl_code tl_log_written(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *written,
                                        struct tl_err *err);
/* The end as last heard of, without asking: for gauges. False: nothing was heard yet (of a partition that this handle does not read). */
bool tl_log_end_heard(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *end);
/* The offset that a place means now. Not below `first` and not beyond `end` where it comes from a timestamp or from earliest and latest;
 * offsets are given back as they were written. TL_ERR_NOT_FOUND: the group has committed nothing there, or there is no group (local). */
TL_MUST_USE enum tl_code tl_log_place(struct tl_log *log, struct tl_sv topic, uint32_t partition,
                                      const struct tl_log_place *place, int64_t *offset, struct tl_err *err);
/* A hash of the entry at `offset`, never 0: a topic that was deleted and made again shows by it. TL_ERR_NOT_FOUND: there is no such entry
 * (any more). Asks, and waits for the answer; who reads the partition reads on as before. Local: what the last read gave is gone. */
TL_MUST_USE enum tl_code tl_log_fingerprint(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                            uint64_t *out, struct tl_err *err);
/* The same of an entry at hand. */
uint64_t tl_log_fingerprint_of(const struct tl_message *message);

struct tl_log_entries {
    const struct tl_message *messages; /* in offset order; valid until the next call on this handle; padded (batch.h) */
    size_t count;
    int64_t next_offset; /* where to read on: behind the last one, also across gaps */
    bool at_end;         /* the partition was read to its end: local as of this call, kafka as the broker last said */
};

/* Up to `messages_max` entries, and about `bytes_max` bytes (at least one entry), from `offset` on. An offset below `first` or beyond
 * `end` is TL_ERR_GAP ("offset out of range", with the gap in the message). Does not wait: on Kafka nothing at all and not at_end means
 * that nothing has arrived yet (tl_log_wait), and what is wrong with an offset or a topic may show a few calls later. */
TL_MUST_USE enum tl_code tl_log_read(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                     size_t messages_max, size_t bytes_max, struct tl_log_entries *out, struct tl_err *err);
/* For who wants it now: reads, and waits while nothing has arrived, up to timeout_ms; then TL_ERR_IO, retriable. */
TL_MUST_USE enum tl_code tl_log_read_wait(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                          size_t messages_max, size_t bytes_max, int64_t timeout_ms, struct tl_log_entries *out,
                                          struct tl_err *err);
/* The same towards an end that tl_log_range has told, beyond `offset`: gives entries or at least a next_offset behind it, for what a reader last
 * heard of an end (at_end) may be older than that. */
TL_MUST_USE enum tl_code tl_log_read_on(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                        size_t messages_max, size_t bytes_max, int64_t timeout_ms, struct tl_log_entries *out,
                                        struct tl_err *err);
/* Sleeps until something may have come to a partition that this handle has read, or was appended by it, or the time is over (false). */
bool tl_log_wait(struct tl_log *log, int64_t timeout_ms);

struct tl_log_header {
    const char *name;
    struct tl_sv value;
};

struct tl_log_record {
    uint32_t partition;
    int64_t log_ms; /* INT64_MIN: now, and not below what this handle appended before (local: anyone) */
    struct tl_sv value;
    /* The embedded log keeps neither of these. */
    struct tl_sv key; /* data NULL: none */
    const struct tl_log_header *headers;
    size_t headers_count;
};

/* A small fact that is kept in the same transaction as an append: how far an import has come. */
struct tl_log_note {
    struct tl_sv key, value;
};

/* All or nothing, durable on return (fsync; kafka: acknowledged by all in-sync replicas, one transaction). `note` may be NULL; records_count
 * may be 0 (the note alone). On Kafka a failure may leave open whether the records are there: the message then says so, and the note tells. */
TL_MUST_USE enum tl_code tl_log_append(struct tl_log *log, struct tl_sv topic, const struct tl_log_record *records,
                                       size_t records_count, const struct tl_log_note *note, struct tl_err *err);
/* ---- a feed: entries for one topic, handed over as they come, for who does not wait for each ---- */

/* Each entry at least once; without a failure once, and of one partition in the order in which they were handed over. A feed that has failed is closed; whoever
 * has not heard of an entry's outcome hands it to a new one. */
struct tl_log_feed;

struct tl_log_feed_entry {
    uint64_t number; /* the caller's, for the outcome */
    struct tl_sv key;
    uint64_t spread; /* where the key is empty: decides on the partition, and there is no key */
    struct tl_sv value;
};

struct tl_log_feed_outcome {
    uint64_t number;
    enum tl_code code; /* TL_OK: it is there for good. TL_ERR_LIMIT: it is too large, and will not be there */
};

/* The topic is there. *partitions: among so many of its partitions entries are dealt, or 0: among all that there are, which it is set to; a later feed that is
 * given the same number leads an entry to the same partition. `wake`: an eventfd that is written to when outcomes may have come; -1: none. On the log's thread,
 * and gone before it. */
TL_MUST_USE enum tl_code tl_log_feed_open(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, int wake,
                                          struct tl_log_feed **out, struct tl_err *err);
void tl_log_feed_close(struct tl_log_feed *feed);
/* Takes copies of the first *taken; fewer than `count` where it is full for now. local: appends them in one transaction. */
TL_MUST_USE enum tl_code tl_log_feed_send(struct tl_log_feed *feed, const struct tl_log_feed_entry *entries, size_t count,
                                          size_t *taken, struct tl_err *err);
/* What is known of outcomes; does not wait. A failure means the feed's, after all outcomes that were known; TL_ERR_LIMIT: a batch of several was too large for the
 * topic, and the next feed of this handle makes smaller ones. */
TL_MUST_USE enum tl_code tl_log_feed_outcomes(struct tl_log_feed *feed, struct tl_log_feed_outcome *out, size_t outcomes_max,
                                              size_t *count, struct tl_err *err);
/* For who has waited long: what the feed suffers from, if it knows. TL_OK: it knows nothing. */
TL_MUST_USE enum tl_code tl_log_feed_trouble(struct tl_log_feed *feed, struct tl_err *err);
/* The partition that a key, or where it is empty the spread, leads to: that of Kafka's own clients (murmur2). */
uint32_t tl_log_partition_of(struct tl_sv key, uint64_t spread, uint32_t partitions);

/* Calls `each` for every note whose key begins with `prefix`, in order; a call that returns false ends it. Kafka keeps the notes beside each
 * topic (in <topic>.tally-notes), the local log one set for all. */
TL_MUST_USE enum tl_code tl_log_notes(struct tl_log *log, struct tl_sv topic, struct tl_sv prefix,
                                      bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx,
                                      struct tl_err *err);
/* Deletes entries below `offset`: the caller knows that they are archived and consumed. Offsets are not reissued. */
TL_MUST_USE enum tl_code tl_log_trim(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                     struct tl_err *err);

#endif
