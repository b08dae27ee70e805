/* kafka_producer.c: a feed of Kafka. See kafka_producer.h. */
#include "log/kafka_producer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log/kafka_handle.h"

enum {
    LAST_MS = 2000,         /* how long a feed that has failed waits for what is under way */
    BATCH_BYTES = 1000000,  /* librdkafka's batch.size, unless set */
    BATCH_HEAD_BYTES = 1024 /* beside its messages, at most */
};

struct producer_feed {
    struct tl_log_feed base;
    struct tl_kafka_log *log;
    char *topic;
    uint32_t partitions;
    int64_t batch_bytes;
    rd_kafka_t *producer;
    rd_kafka_queue_t *events; /* what wakes the owner */
    struct tl_kafka_trouble trouble;
    struct tl_log_feed_outcome *outcomes; /* not taken yet */
    size_t outcomes_count, outcomes_capacity;
    size_t under_way;
    rd_kafka_resp_err_t failed; /* 0: it works */
    int64_t failed_ms;          /* monotonic */
};

static struct producer_feed *of(struct tl_log_feed *feed)
{
    return (struct producer_feed *)feed;
}

static struct producer_feed *of_trouble(void *trouble)
{
    return (struct producer_feed *)(void *)((char *)trouble - offsetof(struct producer_feed, trouble));
}

static void fail(struct producer_feed *feed, rd_kafka_resp_err_t code)
{
    if (feed->failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    feed->failed_ms = tl_clock_monotonic_ms();
    feed->failed = rd_kafka_fatal_error(feed->producer, NULL, 0);
    if (feed->failed == RD_KAFKA_RESP_ERR_NO_ERROR) /* else the message's own failure is only what followed */
        feed->failed = code;
    rd_kafka_purge(feed->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

/* Its room was made when the message was sent. */
static void put_outcome(struct producer_feed *feed, uint64_t number, enum tl_code code)
{
    feed->outcomes[feed->outcomes_count++] = (struct tl_log_feed_outcome){number, code};
}

/* A broker refuses a batch as a whole. Is it this message's fault, or will smaller batches do? */
static void on_too_large(struct producer_feed *feed, const rd_kafka_message_t *message)
{
    int64_t alone = (int64_t)(message->len + message->key_len) + BATCH_HEAD_BYTES;

    if (feed->batch_bytes <= alone) {
        put_outcome(feed, (uint64_t)(uintptr_t)message->_private, TL_ERR_LIMIT);
        return;
    }
    feed->log->feed_batch_bytes = tl_max_i64(feed->batch_bytes / 4, alone);
    fail(feed, message->err);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct producer_feed *feed = of_trouble(opaque); /* the trouble is the client's opaque */

    (void)rk;
    feed->under_way--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        tl_kafka_trouble_clear(&feed->trouble);
        put_outcome(feed, (uint64_t)(uintptr_t)message->_private, TL_OK);
    } else if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        on_too_large(feed, message);
    } else {
        fail(feed, message->err);
    }
}

static void feed_close(struct tl_log_feed *base)
{
    struct producer_feed *feed = of(base);

    if (feed->events != NULL) {
        rd_kafka_queue_io_event_enable(feed->events, -1, NULL, 0);
        rd_kafka_queue_destroy(feed->events);
    }
    if (feed->producer != NULL) {
        feed->failed = RD_KAFKA_RESP_ERR__DESTROY; /* of what is told from here on nobody hears */
        rd_kafka_purge(feed->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(feed->producer);
    }
    tl_kafka_trouble_done(&feed->trouble);
    free(feed->outcomes);
    free(feed->topic);
    free(feed);
}

static bool reserve(struct producer_feed *feed, size_t more)
{
    size_t wanted = feed->outcomes_count + feed->under_way + more;

    if (wanted <= feed->outcomes_capacity)
        return true;
    wanted += wanted / 2;
    if (!TL_RESIZE(feed->outcomes, wanted))
        return false;
    feed->outcomes_capacity = wanted;
    return true;
}

static rd_kafka_resp_err_t send_one(struct producer_feed *feed, const struct tl_log_feed_entry *entry)
{
    union {
        const char *borrowed;
        char *bytes;
    } key = {entry->key.size > 0 ? entry->key.data : NULL}, value = {entry->value.data};
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC,              .u.cstr = feed->topic                           },
        {.vtype = RD_KAFKA_VTYPE_PARTITION,          .u.i32 = (int32_t)tl_log_partition_of(entry->key, entry->spread, feed->partitions)},
        {.vtype = RD_KAFKA_VTYPE_KEY,                         .u.mem = {key.bytes, entry->key.size}                                                                        },
        {.vtype = RD_KAFKA_VTYPE_VALUE,.u.mem = {value.bytes, entry->value.size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS,                     .u.i = RD_KAFKA_MSG_F_COPY                                                                                                                },
        {.vtype = RD_KAFKA_VTYPE_OPAQUE,.u.ptr = (void *)(uintptr_t)entry->number},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(feed->producer, parts, TL_COUNT(parts));
    rd_kafka_resp_err_t code = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;

    if (error != NULL)
        rd_kafka_error_destroy(error);
    else
        feed->under_way++;
    return code;
}

static enum tl_code feed_send(struct tl_log_feed *base, const struct tl_log_feed_entry *entries, size_t count, size_t *taken,
                              struct tl_err *err)
{
    struct producer_feed *feed = of(base);

    *taken = 0;
    if (!reserve(feed, count))
        return tl_fail_memory(err, count * sizeof *feed->outcomes);
    while (*taken < count && feed->failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_resp_err_t code = send_one(feed, &entries[*taken]);

        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && feed->under_way == 0)
            code = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; /* it alone is more than may be under way */
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break;
        if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            put_outcome(feed, entries[*taken].number, TL_ERR_LIMIT);
        else if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail(feed, code);
        if (feed->failed == RD_KAFKA_RESP_ERR_NO_ERROR)
            (*taken)++;
    }
    return TL_OK; /* a failure is told with the outcomes */
}

static enum tl_code feed_failure(struct producer_feed *feed, rd_kafka_resp_err_t code, struct tl_err *err)
{
    char doing[TL_KAFKA_NAME_BYTES + 40];

    snprintf(doing, sizeof doing, "send to topic %s", feed->topic);
    return tl_kafka_fail(&feed->trouble, code, NULL, doing, err);
}

static enum tl_code feed_outcomes(struct tl_log_feed *base, struct tl_log_feed_outcome *out, size_t outcomes_max, size_t *count,
                                  struct tl_err *err)
{
    struct producer_feed *feed = of(base);

    rd_kafka_poll(feed->producer, 0);
    *count = feed->outcomes_count < outcomes_max ? feed->outcomes_count : outcomes_max;
    if (*count > 0) {
        memcpy(out, feed->outcomes, *count * sizeof *out);
        feed->outcomes_count -= *count;
        memmove(feed->outcomes, feed->outcomes + *count, feed->outcomes_count * sizeof *out);
    }
    if (feed->failed == RD_KAFKA_RESP_ERR_NO_ERROR || feed->outcomes_count > 0 ||
        (feed->under_way > 0 && tl_clock_monotonic_ms() - feed->failed_ms < LAST_MS))
        return TL_OK;
    return feed_failure(feed, feed->failed, err);
}

static enum tl_code feed_trouble(struct tl_log_feed *base, struct tl_err *err)
{
    struct producer_feed *feed = of(base);
    char doing[TL_KAFKA_NAME_BYTES + 40];

    snprintf(doing, sizeof doing, "send to topic %s", feed->topic);
    if (tl_kafka_refused(&feed->trouble, doing, err))
        return TL_ERR_IO;
    return feed_failure(feed, RD_KAFKA_RESP_ERR__TRANSPORT, err);
}

static const struct tl_log_feed_ops producer_ops = {
    .close = feed_close, .send = feed_send, .outcomes = feed_outcomes, .trouble = feed_trouble};

static enum tl_code producer_open(struct producer_feed *feed, int wake, struct tl_err *err)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = NULL;
    char words[512] = "";
    enum tl_code rc;

    TL_TRY(tl_kafka_conf_make(&feed->log->properties, TL_KAFKA_FEEDER, &conf, err));
    if (feed->log->feed_batch_bytes > 0)
        TL_TRY(tl_kafka_conf_batch_bytes(conf, feed->log->feed_batch_bytes, err));
    feed->batch_bytes = tl_kafka_conf_batch_bytes_of(conf, BATCH_BYTES);
    tl_kafka_trouble_listen(&feed->trouble, conf);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    feed->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (feed->producer == NULL) {
        tl_kafka_name_values(&feed->log->properties, words, sizeof words);
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "kafka: %s", words));
    }
    conf = NULL;
    feed->events = rd_kafka_queue_get_main(feed->producer);
    if (wake >= 0)
        rd_kafka_queue_io_event_enable(feed->events, wake, &one, sizeof one);
out:
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
    return rc;
}

enum tl_code tl_kafka_op_feed_open(struct tl_log *base, struct tl_sv topic, uint32_t *partitions, int wake,
                                   struct tl_log_feed **out, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct producer_feed *feed = calloc(1, sizeof *feed);
    enum tl_code rc = TL_OK;

    if (feed == NULL)
        return tl_fail_memory(err, sizeof *feed);
    feed->base.ops = &producer_ops;
    feed->log = log;
    tl_kafka_trouble_init(&feed->trouble, &log->properties);
    tl_kafka_trouble_inherit(&feed->trouble, &log->trouble);
    feed->topic = strndup(topic.data, topic.size);
    if (feed->topic == NULL)
        TL_TRY(tl_fail_memory(err, topic.size));
    TL_TRY(tl_log_feed_partitions(base, topic, partitions, err));
    feed->partitions = *partitions;
    TL_TRY(producer_open(feed, wake, err));
    *out = &feed->base;
out:
    if (rc != TL_OK)
        feed_close(&feed->base);
    return rc;
}
