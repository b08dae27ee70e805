/* log.c: hands the calls of log.h to the implementation that was opened. */
#include "log/log.h"

#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "log/log_ops.h"

enum { ANSWER_MS = 10000 }; /* how long one entry that was asked for may take to come */

enum tl_code tl_log_open(const struct tl_log_spec *spec, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err)
{
    if (strcmp(spec->kind, "local") == 0)
        return tl_log_sqlite_open(spec->data_dir, mode, out, err);
    if (strcmp(spec->kind, "kafka") == 0)
        return tl_log_kafka_open(spec, mode, out, err);
    return tl_fail(err, TL_ERR_USAGE, "--log %s: there is no such log; there are local and kafka", spec->kind);
}

void tl_log_stop(struct tl_log *log)
{
    if (log != NULL && log->ops->stop != NULL)
        log->ops->stop(log);
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

enum tl_code tl_log_written(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *written, struct tl_err *err)
{
    int64_t first;

    if (log->ops->written == NULL)
        return log->ops->range(log, topic, partition, &first, written, err);
    return log->ops->written(log, topic, partition, written, err);
}

bool tl_log_end_heard(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t *end)
{
    return log->ops->end_heard(log, topic, partition, end);
}

enum tl_code tl_log_place(struct tl_log *log, struct tl_sv topic, uint32_t partition, const struct tl_log_place *place,
                          int64_t *offset, struct tl_err *err)
{
    return log->ops->place(log, topic, partition, place, offset, err);
}

uint64_t tl_log_fingerprint_of(const struct tl_message *message)
{
    const uint64_t parts[] = {(uint64_t)message->log_ms, message->value.data == NULL ? 0 : 1, tl_hash_bytes(message->value)};
    uint64_t hash = tl_hash_bytes((struct tl_sv){(const char *)parts, sizeof parts});

    return hash != 0 ? hash : 1;
}

enum tl_code tl_log_fingerprint(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, uint64_t *out,
                                struct tl_err *err)
{
    struct tl_log_entries entries = {0};
    enum tl_code rc;

    if (log->ops->fingerprint != NULL)
        return log->ops->fingerprint(log, topic, partition, offset, out, err);
    rc = tl_log_read_wait(log, topic, partition, offset, 1, 1, ANSWER_MS, &entries, err);
    if (rc == TL_ERR_GAP || (rc == TL_OK && (entries.count == 0 || entries.messages[0].offset != offset)))
        return tl_fail(err, TL_ERR_NOT_FOUND, "topic %.*s partition %u: there is no entry at offset %lld", TL_SV_ARG(topic),
                       partition, (long long)offset);
    if (rc == TL_OK)
        *out = tl_log_fingerprint_of(&entries.messages[0]);
    return rc;
}

enum tl_code tl_log_read(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, size_t messages_max,
                         size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    return log->ops->read(log, topic, partition, offset, messages_max, bytes_max, out, err);
}

/* `on`: an end that was only heard of is not enough. */
static enum tl_code read_patiently(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset,
                                   size_t messages_max, size_t bytes_max, int64_t timeout_ms, bool on, struct tl_log_entries *out,
                                   struct tl_err *err)
{
    int64_t until_ms = tl_add_sat_i64(tl_clock_monotonic_ms(), timeout_ms);
    struct tl_log_entries entries;
    enum tl_code rc;

    for (;;) {
        int64_t left_ms = until_ms - tl_clock_monotonic_ms();

        rc = log->ops->read(log, topic, partition, offset, messages_max, bytes_max, &entries, err);
        if (rc != TL_OK || entries.count > 0 || entries.next_offset > offset || (entries.at_end && !on))
            break;
        if (left_ms <= 0) {
            rc =
                tl_fail(err, TL_ERR_IO,
                        "topic %.*s partition %u: nothing came from offset %lld on within %lld ms: is the broker slow, or stuck?",
                        TL_SV_ARG(topic), partition, (long long)offset, (long long)timeout_ms);
            if (err != NULL)
                err->retriable = true;
            return rc;
        }
        log->ops->wait(log, left_ms);
    }
    if (rc == TL_OK)
        *out = entries;
    return rc;
}

enum tl_code tl_log_read_wait(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, size_t messages_max,
                              size_t bytes_max, int64_t timeout_ms, struct tl_log_entries *out, struct tl_err *err)
{
    return read_patiently(log, topic, partition, offset, messages_max, bytes_max, timeout_ms, false, out, err);
}

enum tl_code tl_log_read_on(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, size_t messages_max,
                            size_t bytes_max, int64_t timeout_ms, struct tl_log_entries *out, struct tl_err *err)
{
    return read_patiently(log, topic, partition, offset, messages_max, bytes_max, timeout_ms, true, out, err);
}

bool tl_log_wait(struct tl_log *log, int64_t timeout_ms)
{
    return log->ops->wait(log, timeout_ms);
}

enum tl_code tl_log_append(struct tl_log *log, struct tl_sv topic, const struct tl_log_record *records, size_t records_count,
                           const struct tl_log_note *note, struct tl_err *err)
{
    return log->ops->append(log, topic, records, records_count, note, err);
}

enum tl_code tl_log_notes(struct tl_log *log, struct tl_sv topic, struct tl_sv prefix,
                          bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx, struct tl_err *err)
{
    return log->ops->notes(log, topic, prefix, each, ctx, err);
}

enum tl_code tl_log_trim(struct tl_log *log, struct tl_sv topic, uint32_t partition, int64_t offset, struct tl_err *err)
{
    return log->ops->trim(log, topic, partition, offset, err);
}
