/* log_ops.h: what an implementation of the log provides. Private to common/log: others include log.h, which says what each
 * call does.
 *
 * log.c opens the implementation that the spec names and hands every call on to it. */
#ifndef TL_LOG_OPS_H
#define TL_LOG_OPS_H

#include "log/log.h"

struct tl_log_ops {
    void (*stop)(struct tl_log *log); /* NULL: no call waits for anybody */
    void (*close)(struct tl_log *log);
    enum tl_code (*create_topic)(struct tl_log *log, struct tl_sv topic, uint32_t partitions, struct tl_err *err);
    enum tl_code (*topic)(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, uint64_t *identity, struct tl_err *err);
    enum tl_code (*topics)(struct tl_log *log, bool (*each)(void *ctx, struct tl_sv name), void *ctx, struct tl_err *err);
    enum tl_code (*range)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *first, int64_t *end,
                          struct tl_err *err);
    /* NULL: as range's end */
    enum tl_code (*written)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *written, struct tl_err *err);
    bool (*end_heard)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *end);
    enum tl_code (*place)(struct tl_log *log, struct tl_sv topic, uint32_t partition, const struct tl_log_place *place,
                          int64_t *offset, struct tl_err *err);
    /* NULL: by a read */
    enum tl_code (*fingerprint)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, uint64_t *out,
                                struct tl_err *err);
    enum tl_code (*read)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, size_t messages_max,
                         size_t bytes_max, struct tl_log_entries *out, struct tl_err *err);
    bool (*wait)(struct tl_log *log, int64_t timeout_ms);
    enum tl_code (*append)(struct tl_log *log, struct tl_sv topic, const struct tl_log_record *records, size_t records_count,
                           const struct tl_log_note *note, struct tl_err *err);
    enum tl_code (*notes)(struct tl_log *log, struct tl_sv topic, struct tl_sv prefix,
                          bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx, struct tl_err *err);
    enum tl_code (*trim)(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, struct tl_err *err);
    /* NULL: by appends */
    enum tl_code (*feed_open)(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, int wake, struct tl_log_feed **out,
                              struct tl_err *err);
};

struct tl_log_feed_ops {
    void (*close)(struct tl_log_feed *feed);
    enum tl_code (*send)(struct tl_log_feed *feed, const struct tl_log_feed_entry *entries, size_t count, size_t *taken,
                         struct tl_err *err);
    enum tl_code (*outcomes)(struct tl_log_feed *feed, struct tl_log_feed_outcome *out, size_t outcomes_max, size_t *count,
                             struct tl_err *err);
    enum tl_code (*trouble)(struct tl_log_feed *feed, struct tl_err *err);
};

/* An implementation's handle begins with this. */
struct tl_log {
    const struct tl_log_ops *ops;
};

/* So does its feed. */
struct tl_log_feed {
    const struct tl_log_feed_ops *ops;
};

/* What tl_log_feed_open says of *partitions: how many to deal among. */
TL_MUST_USE enum tl_code tl_log_feed_partitions(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, struct tl_err *err);

TL_MUST_USE enum tl_code tl_log_sqlite_open(const char *data_dir, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_log_kafka_open(const struct tl_log_spec *spec, enum tl_log_mode mode, struct tl_log **out,
                                           struct tl_err *err);

#endif
