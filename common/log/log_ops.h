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
};

/* An implementation's handle begins with this. */
struct tl_log {
    const struct tl_log_ops *ops;
};

TL_MUST_USE enum tl_code tl_log_sqlite_open(const char *data_dir, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_log_kafka_open(const struct tl_log_spec *spec, enum tl_log_mode mode, struct tl_log **out,
                                           struct tl_err *err);

#endif
