/* kafka_fingerprint.c: looks at one entry, on a queue of its own: whoever reads the partition on this handle reads on as before. */
#include <string.h>

#include "base/clock.h"
#include "log/kafka_handle.h"

enum { ANSWER_MS = 5000, SLICE_MS = 100, UNREACHABLE_MS = 2000 };

static bool is_unknown(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* The first thing that comes; NULL: nothing did, or *code says why. */
static rd_kafka_message_t *first_of(struct tl_kafka_log *log, rd_kafka_t *rk, rd_kafka_queue_t *queue, rd_kafka_resp_err_t *code)
{
    int64_t began_ms = tl_clock_monotonic_ms(), waited_ms = 0;
    rd_kafka_message_t *message = NULL;

    *code = RD_KAFKA_RESP_ERR_NO_ERROR;
    while (message == NULL && *code == RD_KAFKA_RESP_ERR_NO_ERROR && waited_ms < ANSWER_MS && !atomic_load(&log->stopping) &&
           !tl_kafka_turned_away(&log->trouble) && !(waited_ms > UNREACHABLE_MS && tl_kafka_heard_failure(&log->trouble))) {
        tl_kafka_trouble_take(&log->trouble); /* of before */
        message = rd_kafka_consume_queue(queue, SLICE_MS);
        rd_kafka_poll(rk, 0);
        *code = tl_kafka_trouble_take(&log->trouble);
        waited_ms = tl_clock_monotonic_ms() - began_ms;
    }
    if (message == NULL && *code == RD_KAFKA_RESP_ERR_NO_ERROR)
        *code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    return message;
}

static enum tl_code no_entry(struct tl_sv name, uint32_t partition, int64_t offset, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_NOT_FOUND, "topic %.*s partition %u: there is no entry at offset %lld", TL_SV_ARG(name), partition,
                   (long long)offset);
}

static enum tl_code judge(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition, int64_t offset,
                          const rd_kafka_message_t *message, rd_kafka_resp_err_t code, uint64_t *out, struct tl_err *err)
{
    struct tl_sv name = tl_sv_from(topic->name);
    char doing[TL_KAFKA_NAME_BYTES + 40];
    rd_kafka_timestamp_type_t type;
    struct tl_message entry;
    enum tl_code rc;

    if (message != NULL)
        code = message->err;
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF || code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
        code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return no_entry(name, partition, offset, err);
    if (message == NULL || code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        tl_kafka_doing(name, partition, doing, sizeof doing);
        if (!is_unknown(code))
            return tl_kafka_topic_fail(log, code, NULL, doing, topic->was_read, err);
        rc = tl_fail(err, TL_ERR_IO, "%s: %s", doing, rd_kafka_err2str(code)); /* which tells nothing of the entry */
        if (err != NULL)
            err->retriable = true;
        return rc;
    }
    if (message->offset != offset)
        return no_entry(name, partition, offset, err);
    entry = (struct tl_message){
        .offset = offset, .log_ms = rd_kafka_message_timestamp(message, &type), .value = {message->payload, message->len}
    };
    if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        entry.log_ms = 0;
    *out = tl_log_fingerprint_of(&entry);
    topic->was_read = true;
    return TL_OK;
}

enum tl_code tl_kafka_op_fingerprint(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, uint64_t *out,
                                     struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    char doing[TL_KAFKA_NAME_BYTES + 40];
    struct tl_kafka_topic *topic = NULL;
    rd_kafka_topic_t *handle = NULL;
    rd_kafka_queue_t *queue = NULL;
    rd_kafka_message_t *message;
    rd_kafka_t *rk = NULL;
    rd_kafka_resp_err_t code;
    enum tl_code rc;

    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    TL_TRY(tl_kafka_asker_apart(log, &rk, err));
    handle = rd_kafka_topic_new(rk, topic->name, NULL);
    queue = rd_kafka_queue_new(rk);
    if (handle == NULL || queue == NULL || rd_kafka_consume_start_queue(handle, (int32_t)partition, offset, queue) != 0)
        TL_TRY(
            tl_kafka_fail(&log->trouble, rd_kafka_last_error(), NULL, tl_kafka_doing(name, partition, doing, sizeof doing), err));
    message = first_of(log, rk, queue, &code);
    rc = judge(log, topic, partition, offset, message, code, out, err);
    if (message != NULL)
        rd_kafka_message_destroy(message);
    rd_kafka_consume_stop(handle, (int32_t)partition);
out:
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
    return rc;
}
