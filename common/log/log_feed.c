/* log_feed.c: a feed of a log that has none of its own: each handful is appended at once, in one transaction. */
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "log/log_ops.h"

enum { HANDFUL = 4096 };

struct append_feed {
    struct tl_log_feed base;
    struct tl_log *log;
    char *topic;
    uint32_t partitions;
    struct tl_log_record *records;
    struct tl_log_feed_outcome *outcomes; /* of the last handful */
    size_t outcomes_at, outcomes_count;
};

static struct append_feed *of(struct tl_log_feed *feed)
{
    return (struct append_feed *)feed;
}

uint32_t tl_log_partition_of(struct tl_sv key, uint64_t spread, uint32_t partitions)
{
    if (key.size == 0)
        return (uint32_t)(spread % partitions);
    return (uint32_t)rd_kafka_msg_partitioner_murmur2(NULL, key.data, key.size, (int32_t)partitions, NULL, NULL);
}

static void feed_close(struct tl_log_feed *base)
{
    struct append_feed *feed = of(base);

    free(feed->topic);
    free(feed->records);
    free(feed->outcomes);
    free(feed);
}

/* One that is too large for the log stays out, and the others go on. */
static enum tl_code append_each(struct append_feed *feed, size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count && rc == TL_OK; i++) {
        rc = tl_log_append(feed->log, tl_sv_from(feed->topic), &feed->records[i], 1, NULL, err);
        feed->outcomes[i].code = rc;
        if (rc == TL_ERR_LIMIT)
            rc = TL_OK;
        if (rc == TL_OK)
            feed->outcomes_count = i + 1;
    }
    return rc;
}

static enum tl_code feed_send(struct tl_log_feed *base, const struct tl_log_feed_entry *entries, size_t count, size_t *taken,
                              struct tl_err *err)
{
    struct append_feed *feed = of(base);
    enum tl_code rc;

    *taken = 0;
    if (feed->outcomes_at < feed->outcomes_count)
        return TL_OK;
    count = count < HANDFUL ? count : HANDFUL;
    for (size_t i = 0; i < count; i++) {
        feed->records[i] = (struct tl_log_record){
            .partition = tl_log_partition_of(entries[i].key, entries[i].spread, feed->partitions),
            .log_ms = INT64_MIN,
            .value = entries[i].value,
            .key = {entries[i].key.size > 0 ? entries[i].key.data : NULL, entries[i].key.size}
        };
        feed->outcomes[i] = (struct tl_log_feed_outcome){entries[i].number, TL_OK};
    }
    feed->outcomes_at = feed->outcomes_count = 0;
    rc = tl_log_append(feed->log, tl_sv_from(feed->topic), feed->records, count, NULL, err);
    if (rc == TL_OK)
        feed->outcomes_count = count;
    else if (rc == TL_ERR_LIMIT)
        rc = append_each(feed, count, err);
    if (rc == TL_OK)
        *taken = count;
    return rc;
}

static enum tl_code feed_outcomes(struct tl_log_feed *base, struct tl_log_feed_outcome *out, size_t outcomes_max, size_t *count,
                                  struct tl_err *err)
{
    struct append_feed *feed = of(base);
    size_t left = feed->outcomes_count - feed->outcomes_at;

    (void)err;
    *count = left < outcomes_max ? left : outcomes_max;
    memcpy(out, feed->outcomes + feed->outcomes_at, *count * sizeof *out);
    feed->outcomes_at += *count;
    return TL_OK;
}

static enum tl_code feed_trouble(struct tl_log_feed *base, struct tl_err *err)
{
    (void)base;
    (void)err;
    return TL_OK; /* each handful tells at once */
}

static const struct tl_log_feed_ops append_ops = {
    .close = feed_close, .send = feed_send, .outcomes = feed_outcomes, .trouble = feed_trouble};

enum tl_code tl_log_feed_partitions(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, struct tl_err *err)
{
    uint32_t there;
    uint64_t identity;
    enum tl_code rc = tl_log_topic(log, topic, &there, &identity, err);

    if (rc == TL_OK && (*partitions == 0 || there < *partitions))
        *partitions = there;
    return rc;
}

static enum tl_code append_feed_open(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, struct tl_log_feed **out,
                                     struct tl_err *err)
{
    struct append_feed *feed = calloc(1, sizeof *feed);
    enum tl_code rc = TL_OK;

    if (feed == NULL)
        return tl_fail_memory(err, sizeof *feed);
    feed->base.ops = &append_ops;
    feed->log = log;
    feed->topic = strndup(topic.data, topic.size);
    feed->records = calloc(HANDFUL, sizeof *feed->records);
    feed->outcomes = calloc(HANDFUL, sizeof *feed->outcomes);
    if (feed->topic == NULL || feed->records == NULL || feed->outcomes == NULL)
        TL_TRY(tl_fail_memory(err, HANDFUL * sizeof *feed->records));
    TL_TRY(tl_log_feed_partitions(log, topic, partitions, err));
    feed->partitions = *partitions;
    *out = &feed->base;
out:
    if (rc != TL_OK)
        feed_close(&feed->base);
    return rc;
}

enum tl_code tl_log_feed_open(struct tl_log *log, struct tl_sv topic, uint32_t *partitions, int wake, struct tl_log_feed **out,
                              struct tl_err *err)
{
    if (log->ops->feed_open != NULL)
        return log->ops->feed_open(log, topic, partitions, wake, out, err);
    return append_feed_open(log, topic, partitions, out, err);
}

void tl_log_feed_close(struct tl_log_feed *feed)
{
    if (feed != NULL)
        feed->ops->close(feed);
}

enum tl_code tl_log_feed_send(struct tl_log_feed *feed, const struct tl_log_feed_entry *entries, size_t count, size_t *taken,
                              struct tl_err *err)
{
    return feed->ops->send(feed, entries, count, taken, err);
}

enum tl_code tl_log_feed_outcomes(struct tl_log_feed *feed, struct tl_log_feed_outcome *out, size_t outcomes_max, size_t *count,
                                  struct tl_err *err)
{
    return feed->ops->outcomes(feed, out, outcomes_max, count, err);
}

enum tl_code tl_log_feed_trouble(struct tl_log_feed *feed, struct tl_err *err)
{
    return feed->ops->trouble(feed, err);
}
