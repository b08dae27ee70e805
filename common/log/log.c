/* log.c: hands the calls of log.h to the implementation that was opened. */
#include "log/log.h"

#include "log/log_ops.h"

enum tl_code tl_log_open(const char *spec, const char *data_dir, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err)
{
    if (tl_sv_eq(tl_sv_from(spec), TL_SV("local")))
        return tl_log_sqlite_open(data_dir, mode, out, err);
    return tl_fail(err, TL_ERR_USAGE, "--log %s: there is no such log in this tally; --log local is the one it has", spec);
}

void tl_log_close(struct tl_log *log)
{
    if (log != NULL)
        log->ops->close(log);
}

enum tl_code tl_log_create_topic(struct tl_log *log, struct tl_sv topic, uint32_t partitions, struct tl_err *err)
{
    return log->ops->create_topic(log, topic, partitions, err);
}

enum tl_code tl_log_topic(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, uint64_t *identity, struct tl_err *err)
{
    return log->ops->topic(log, topic, partitions, identity, err);
}

enum tl_code tl_log_range(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *first, int64_t *end,
                          struct tl_err *err)
{
    return log->ops->range(log, topic, partition, first, end, err);
}

enum tl_code tl_log_read(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, size_t messages_max,
                         size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    return log->ops->read(log, topic, partition, offset, messages_max, bytes_max, out, err);
}

void tl_log_wait(struct tl_log *log, int64_t timeout_ms)
{
    log->ops->wait(log, timeout_ms);
}

enum tl_code tl_log_append(struct tl_log *log, struct tl_sv topic, const struct tl_log_record *records, size_t records_count,
                           const struct tl_log_note *note, struct tl_err *err)
{
    return log->ops->append(log, topic, records, records_count, note, err);
}

enum tl_code tl_log_notes(struct tl_log *log, struct tl_sv prefix, bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value),
                          void *ctx, struct tl_err *err)
{
    return log->ops->notes(log, prefix, each, ctx, err);
}

enum tl_code tl_log_trim(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, struct tl_err *err)
{
    return log->ops->trim(log, topic, partition, offset, err);
}
