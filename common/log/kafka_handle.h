/* kafka_handle.h: what the files of the Kafka log share: the handle, and how a question is asked. Private to common/log. */
#ifndef TL_KAFKA_HANDLE_H
#define TL_KAFKA_HANDLE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "log/kafka_watch.h"
#include "log/log_ops.h"

#define TL_KAFKA_NOTES ".tally-notes"

enum { TL_KAFKA_NAME_BYTES = 256, TL_KAFKA_ASK_MS = 5000 };

/* A partition that is being read. What librdkafka has is taken in handfuls. */
struct tl_kafka_lane {
    bool reading;
    rd_kafka_queue_t *queue;
    int64_t next;             /* what the reader will ask for, if it goes on */
    int64_t eof;              /* the end as the broker said it when it was reached; -1: not yet, or passed since */
    int64_t eof_ms;           /* monotonic: when it said so */
    int64_t stands_since_ms;  /* monotonic: nothing has come since then, though there is more; 0: it moves, or is at its end */
    int64_t missing_since_ms; /* monotonic: since then brokers have said that there is no such partition; 0: they have not */
    bool nudge;               /* librdkafka is to be made to look at its queue */
    rd_kafka_message_t **hand;
    size_t hand_at, hand_count;
    int64_t appended_ms;     /* the highest log timestamp that this handle appended */
    int64_t appended_offset; /* the highest offset that it appended in the transaction at hand; -1: none */
};

struct tl_kafka_topic {
    char *name;
    rd_kafka_topic_t *handle;     /* of the reader */
    struct tl_kafka_lane **lanes; /* by partition; NULL: never read */
    uint32_t lanes_count;
    uint32_t partitions; /* as last heard; 0: never asked */
    uint32_t written;    /* how many of them the writer has heard of */
    bool was_read;       /* entries of it, through this handle: the right to is there, or was */
};

struct tl_kafka_writer;

struct tl_kafka_log {
    struct tl_log base;
    enum tl_log_mode mode;
    struct tl_kafka_properties properties;
    struct tl_kafka_trouble trouble;
    rd_kafka_t *reader, *asker;      /* asker: see tl_kafka_asker; NULL: not needed yet */
    rd_kafka_t *onlooker;            /* asks for what is not committed too; NULL: not needed yet */
    atomic_bool stopping;            /* who asks gives up */
    int64_t stands_ms, missing_ms;   /* how long a lane may stand, and a partition be missing, before that is believed */
    size_t reading;                  /* lanes that are being read */
    size_t queue_count, queue_bytes; /* what librdkafka holds of each of them before it stops to fetch */
    struct tl_kafka_watch *watch;
    struct tl_kafka_writer *writer; /* NULL: nothing was appended yet */
    int64_t feed_batch_bytes;       /* what brokers have been found to take at once; 0: nothing was found */
    struct tl_kafka_topic **topics;
    size_t topics_count;
    int wake; /* eventfd: librdkafka writes to it when an empty queue gets something */
    char *cluster;
    /* The last read: what it gave, whose memory it is, and the values that had to be copied. */
    struct tl_message *messages;
    rd_kafka_message_t **taken;
    size_t taken_count, messages_capacity;
    struct tl_buf bytes;
};

static inline struct tl_kafka_log *tl_kafka_of(struct tl_log *log)
{
    return (struct tl_kafka_log *)log;
}

/* Who asks questions. A broker answers what comes over one connection in order, and an answer to a reader that is at the end of its partitions is
 * held back until something comes (fetch.wait.max.ms): behind that, each question would wait as long. So who reads asks through a client of its own. */
TL_MUST_USE enum tl_code tl_kafka_asker(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err);
/* The same, and never the reader: for who reads an entry. */
TL_MUST_USE enum tl_code tl_kafka_asker_apart(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err);
/* Who asks for what is not committed too. */
TL_MUST_USE enum tl_code tl_kafka_onlooker(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err);
/* Asks until an answer comes, again and again with more patience, for TL_KAFKA_ASK_MS; meanwhile hears why connections fail, so that a wrong
 * password is told at once. An answer that is another's to judge (no such topic) is handed back as it is. */
rd_kafka_resp_err_t tl_kafka_ask(struct tl_kafka_log *log, rd_kafka_resp_err_t (*ask)(void *ctx, int timeout_ms), void *ctx);
TL_MUST_USE enum tl_code tl_kafka_topic_find(struct tl_kafka_log *log, struct tl_sv name, struct tl_kafka_topic **out,
                                             struct tl_err *err);
/* The lane of a partition, made if need be. */
TL_MUST_USE enum tl_code tl_kafka_lane_find(struct tl_kafka_topic *topic, uint32_t partition, struct tl_kafka_lane **out,
                                            struct tl_err *err);
/* "topic events", "topic events partition 3": for messages. */
/* tl_kafka_fail of a topic. `had_right`: what is forbidden now was allowed before, so it may be again. */
TL_MUST_USE enum tl_code tl_kafka_topic_fail(struct tl_kafka_log *log, rd_kafka_resp_err_t code, const char *words,
                                             const char *doing, bool had_right, struct tl_err *err);
const char *tl_kafka_doing(struct tl_sv topic, int64_t partition, char *out, size_t out_bytes);
TL_MUST_USE enum tl_code tl_kafka_no_topic(struct tl_kafka_log *log, struct tl_sv topic, struct tl_err *err);
TL_MUST_USE enum tl_code tl_kafka_no_partition(struct tl_kafka_log *log, struct tl_sv topic, uint32_t partitions,
                                               uint32_t partition, struct tl_err *err);

/* kafka_admin.c */
enum tl_code tl_kafka_op_create_topic(struct tl_log *base, struct tl_sv name, uint32_t partitions, struct tl_err *err);
enum tl_code tl_kafka_op_topic(struct tl_log *base, struct tl_sv name, uint32_t *partitions, uint64_t *identity,
                               struct tl_err *err);
enum tl_code tl_kafka_op_topics(struct tl_log *base, bool (*each)(void *ctx, struct tl_sv name), void *ctx, struct tl_err *err);
enum tl_code tl_kafka_op_range(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *first, int64_t *end,
                               struct tl_err *err);
enum tl_code tl_kafka_op_written(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *written,
                                 struct tl_err *err);
enum tl_code tl_kafka_op_place(struct tl_log *base, struct tl_sv name, uint32_t partition, const struct tl_log_place *place,
                               int64_t *offset, struct tl_err *err);
enum tl_code tl_kafka_op_trim(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, struct tl_err *err);
/* A topic whose entries replace one another by key, of one partition. */
TL_MUST_USE enum tl_code tl_kafka_create_compacted(struct tl_kafka_log *log, struct tl_sv name, struct tl_err *err);

/* kafka_fingerprint.c */
enum tl_code tl_kafka_op_fingerprint(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, uint64_t *out,
                                     struct tl_err *err);

/* kafka_writer.c */
enum tl_code tl_kafka_op_append(struct tl_log *base, struct tl_sv name, const struct tl_log_record *records, size_t records_count,
                                const struct tl_log_note *note, struct tl_err *err);
void tl_kafka_writer_close(struct tl_kafka_writer *writer);

/* kafka_notes.c */
enum tl_code tl_kafka_op_notes(struct tl_log *base, struct tl_sv topic, struct tl_sv prefix,
                               bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx, struct tl_err *err);
TL_MUST_USE bool tl_kafka_notes_name(struct tl_sv topic, char *out, size_t out_bytes);

#endif
