/* log_kafka.c: Kafka as the log: the handle, and reading.
 *
 * A handle is a consumer that belongs to no group: it takes the partitions that it is asked for, from the offset it is asked for. Each partition has a
 * queue of its own, which librdkafka fills ahead; a read takes from there what is there, and never waits:
 *
 *     broker -> librdkafka's thread -> queue of the partition -> hand (up to 1,024) -> the caller, who reads them where they lie
 *
 * What stands in the hand and was not asked for yet waits there for the next read. A read at another offset than the one behind the last
 * begins anew. Markers of transactions, aborted entries and what compaction took are not given by librdkafka; the end of a partition comes as
 * a message of its own, with the offset to read on from, so a gap at the end is passed over too. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "log/kafka_handle.h"
#include "log/kafka_producer.h"

enum {
    HAND = 1024,
    SILENT_MS = 2500, /* longer than one question that went to a broker which is stuck */
    ASK_FIRST_MS = 100,
    UNREACHABLE_MS = 2000, /* of refused connections, before it is said */
    FRESH_MS = 3000,       /* an end that was told before that is no end any more: its leader may be stuck */
    STANDS_MS = 30000,     /* a lane to which nothing comes, though there is more, is begun anew */
    MISSING_MS = 10000     /* a broker that lags does not know a topic for a moment */
};

/* ---- asking ---- */

rd_kafka_resp_err_t tl_kafka_ask(struct tl_kafka_log *log, rd_kafka_resp_err_t (*ask)(void *ctx, int timeout_ms), void *ctx)
{
    int64_t until_ms = tl_clock_monotonic_ms() + TL_KAFKA_ASK_MS;
    int64_t patience_ms = ASK_FIRST_MS;
    rd_kafka_resp_err_t code;

    for (;;) {
        int64_t left_ms = until_ms - tl_clock_monotonic_ms();

        code = ask(ctx, (int)tl_max_i64(1, tl_min_i64(patience_ms, left_ms)));
        rd_kafka_poll(log->reader, 0); /* hears why connections fail */
        if (log->asker != NULL)
            rd_kafka_poll(log->asker, 0);
        if (log->onlooker != NULL)
            rd_kafka_poll(log->onlooker, 0);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            tl_kafka_trouble_clear(&log->trouble);
        if (code != RD_KAFKA_RESP_ERR__TRANSPORT && code != RD_KAFKA_RESP_ERR__TIMED_OUT &&
            code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE &&
            code != RD_KAFKA_RESP_ERR__WAIT_CACHE && code != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION)
            return code;
        if (tl_kafka_turned_away(&log->trouble) || left_ms <= 0 || atomic_load(&log->stopping))
            return code;
        if (left_ms < TL_KAFKA_ASK_MS - UNREACHABLE_MS && tl_kafka_heard_failure(&log->trouble))
            return code;
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) /* it did not wait by itself */
            tl_clock_sleep_ms(tl_min_i64(patience_ms / 2, left_ms));
        patience_ms *= 2;
    }
}

const char *tl_kafka_doing(struct tl_sv topic, int64_t partition, char *out, size_t out_bytes)
{
    if (partition < 0)
        snprintf(out, out_bytes, "topic %.*s", TL_SV_ARG(topic));
    else
        snprintf(out, out_bytes, "topic %.*s partition %lld", TL_SV_ARG(topic), (long long)partition);
    return out;
}

enum tl_code tl_kafka_topic_fail(struct tl_kafka_log *log, rd_kafka_resp_err_t code, const char *words, const char *doing,
                                 bool had_right, struct tl_err *err)
{
    enum tl_code rc = tl_kafka_fail(&log->trouble, code, words, doing, err);

    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && had_right && err != NULL)
        err->retriable = true;
    return rc;
}

enum tl_code tl_kafka_no_topic(struct tl_kafka_log *log, struct tl_sv topic, struct tl_err *err)
{
    const char *servers = tl_kafka_property(&log->properties, "bootstrap.servers");

    return tl_fail(err, TL_ERR_NOT_FOUND, "there is no topic %.*s on %s yet", TL_SV_ARG(topic), servers);
}

enum tl_code tl_kafka_no_partition(struct tl_kafka_log *log, struct tl_sv topic, uint32_t partitions, uint32_t partition,
                                   struct tl_err *err)
{
    (void)log;
    return tl_fail(err, TL_ERR_NOT_FOUND, "topic %.*s has %u partition%s, numbered from 0; there is no partition %u",
                   TL_SV_ARG(topic), partitions, partitions == 1 ? "" : "s", partition);
}

/* ---- topics and lanes ---- */

enum tl_code tl_kafka_topic_find(struct tl_kafka_log *log, struct tl_sv name, struct tl_kafka_topic **out, struct tl_err *err)
{
    struct tl_kafka_topic *topic;

    for (size_t i = 0; i < log->topics_count; i++)
        if (tl_sv_eq(tl_sv_from(log->topics[i]->name), name)) {
            *out = log->topics[i];
            return TL_OK;
        }
    if (name.size == 0 || name.size >= TL_KAFKA_NAME_BYTES || memchr(name.data, '\0', name.size) != NULL)
        return tl_fail(err, TL_ERR_NOT_FOUND, "a topic's name has 1 to 249 characters");
    if (!TL_RESIZE(log->topics, log->topics_count + 1))
        return tl_fail_memory(err, (log->topics_count + 1) * sizeof(struct tl_kafka_topic *));
    topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        return tl_fail_memory(err, sizeof *topic);
    topic->name = strndup(name.data, name.size);
    topic->handle = topic->name != NULL ? rd_kafka_topic_new(log->reader, topic->name, NULL) : NULL;
    if (topic->handle == NULL) {
        free(topic->name);
        free(topic);
        return tl_kafka_fail(&log->trouble, rd_kafka_last_error(), NULL, "a topic's name", err);
    }
    log->topics[log->topics_count++] = topic;
    *out = topic;
    return TL_OK;
}

enum tl_code tl_kafka_lane_find(struct tl_kafka_topic *topic, uint32_t partition, struct tl_kafka_lane **out, struct tl_err *err)
{
    if (partition >= topic->lanes_count) {
        size_t count = (size_t)partition + 1;

        if (partition >= INT32_MAX || !TL_RESIZE(topic->lanes, count))
            return tl_fail_memory(err, count * sizeof(struct tl_kafka_lane *));
        memset(topic->lanes + topic->lanes_count, 0, (count - topic->lanes_count) * sizeof(struct tl_kafka_lane *));
        topic->lanes_count = (uint32_t)count;
    }
    if (topic->lanes[partition] == NULL) {
        struct tl_kafka_lane *lane = calloc(1, sizeof *lane);

        if (lane == NULL)
            return tl_fail_memory(err, sizeof *lane);
        *lane = (struct tl_kafka_lane){.eof = -1, .appended_ms = INT64_MIN, .appended_offset = -1};
        topic->lanes[partition] = lane;
    }
    *out = topic->lanes[partition];
    return TL_OK;
}

static void hand_drop(struct tl_kafka_lane *lane)
{
    while (lane->hand_at < lane->hand_count)
        rd_kafka_message_destroy(lane->hand[lane->hand_at++]);
    lane->hand_at = lane->hand_count = 0;
}

static void lane_stop(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition)
{
    struct tl_kafka_lane *lane = topic->lanes[partition];

    if (!lane->reading)
        return;
    tl_kafka_watch_remove(log->watch, topic->name, partition);
    rd_kafka_queue_io_event_enable(lane->queue, -1, NULL, 0);
    rd_kafka_consume_stop(topic->handle, (int32_t)partition);
    hand_drop(lane);
    rd_kafka_queue_destroy(lane->queue);
    lane->queue = NULL;
    lane->reading = false;
    log->reading--;
}

static enum tl_code lane_start(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition, int64_t offset,
                               struct tl_err *err)
{
    static const uint64_t one = 1;
    struct tl_kafka_lane *lane = topic->lanes[partition];
    char doing[TL_KAFKA_NAME_BYTES + 40];
    enum tl_code rc = TL_OK;

    lane_stop(log, topic, partition);
    if (lane->hand == NULL)
        lane->hand = malloc(HAND * sizeof(rd_kafka_message_t *));
    lane->queue = rd_kafka_queue_new(log->reader);
    if (lane->hand == NULL || lane->queue == NULL)
        TL_TRY(tl_fail_memory(err, HAND * sizeof(rd_kafka_message_t *)));
    rd_kafka_queue_io_event_enable(lane->queue, log->wake, &one, sizeof one);
    TL_TRY(tl_kafka_watch_add(log->watch, topic->name, partition, err));
    if (rd_kafka_consume_start_queue(topic->handle, (int32_t)partition, offset, lane->queue) != 0) {
        tl_kafka_watch_remove(log->watch, topic->name, partition);
        TL_TRY(tl_kafka_fail(&log->trouble, rd_kafka_last_error(), NULL,
                             tl_kafka_doing(tl_sv_from(topic->name), partition, doing, sizeof doing), err));
    }
    lane->reading = true;
    log->reading++;
    lane->next = offset;
    lane->eof = -1;
    lane->stands_since_ms = 0;
out:
    if (rc != TL_OK && lane->queue != NULL) {
        rd_kafka_queue_destroy(lane->queue);
        lane->queue = NULL;
    }
    return rc;
}

/* ---- reading ---- */

/* With the true gap, which only the broker knows. */
static enum tl_code out_of_range(struct tl_kafka_log *log, struct tl_sv name, uint32_t partition, int64_t offset,
                                 struct tl_err *err)
{
    int64_t first, end;
    enum tl_code rc;

    TL_TRY(tl_kafka_op_range(&log->base, name, partition, &first, &end, err));
    if (offset < first)
        return tl_fail(
            err, TL_ERR_GAP,
            "topic %.*s partition %u: offset out of range: wanted from %lld on, but the log begins at %lld; the %lld entries "
            "%lld to %lld are gone",
            TL_SV_ARG(name), partition, (long long)offset, (long long)first, (long long)(first - offset), (long long)offset,
            (long long)(first - 1));
    if (offset > end)
        return tl_fail(
            err, TL_ERR_GAP,
            "topic %.*s partition %u: offset out of range: wanted from %lld on, but the log ends at %lld; the %lld entries "
            "%lld to %lld are missing: was the topic deleted and made again?",
            TL_SV_ARG(name), partition, (long long)offset, (long long)end, (long long)(offset - end), (long long)end,
            (long long)(offset - 1));
    tl_fail(err, TL_ERR_IO, "topic %.*s partition %u: the broker refused offset %lld, and says now that it has it",
            TL_SV_ARG(name), partition, (long long)offset);
    if (err != NULL)
        err->retriable = true;
    return TL_ERR_IO;
out:
    return rc;
}

/* Brokers hear of a topic that was made, or got more partitions, one after the other: that it is not there is believed when it holds. */
static bool is_missing(struct tl_kafka_log *log, struct tl_kafka_lane *lane)
{
    if (lane->missing_since_ms == 0)
        lane->missing_since_ms = tl_clock_monotonic_ms();
    return tl_clock_monotonic_ms() - lane->missing_since_ms >= log->missing_ms;
}

/* What came in place of an entry. The lane is read anew by the next call. */
static enum tl_code lane_failed(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition,
                                rd_kafka_resp_err_t code, const char *said, struct tl_err *err)
{
    struct tl_sv name = tl_sv_from(topic->name);
    struct tl_kafka_lane *lane = topic->lanes[partition];
    int64_t offset = lane->next;
    char words[300], doing[TL_KAFKA_NAME_BYTES + 40];
    uint32_t partitions;
    uint64_t identity;
    enum tl_code rc;

    snprintf(words, sizeof words, "%s", said); /* which goes with the lane */
    lane_stop(log, topic, partition);
    if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
        return out_of_range(log, name, partition, offset, err);
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        bool there;

        rc = tl_kafka_op_topic(&log->base, name, &partitions, &identity, err);
        if (rc != TL_OK && rc != TL_ERR_NOT_FOUND)
            return rc;
        there = rc == TL_OK && partition < partitions;
        if (there)
            lane->missing_since_ms = 0;
        if (there || !is_missing(log, lane)) { /* a broker has not heard of it yet, or the leader is changing */
            tl_fail(err, TL_ERR_IO, "%s: %s", tl_kafka_doing(name, partition, doing, sizeof doing), words);
            if (err != NULL)
                err->retriable = true;
            return TL_ERR_IO;
        }
        return rc == TL_ERR_NOT_FOUND ? rc : tl_kafka_no_partition(log, name, partitions, partition, err);
    }
    return tl_kafka_topic_fail(log, code, words, tl_kafka_doing(name, partition, doing, sizeof doing), topic->was_read, err);
}

static enum tl_code reserve(struct tl_kafka_log *log, size_t count, struct tl_err *err)
{
    size_t capacity = log->messages_capacity == 0 ? HAND : log->messages_capacity * 2;

    if (count < log->messages_capacity)
        return TL_OK;
    if (!TL_RESIZE(log->messages, capacity) || !TL_RESIZE(log->taken, capacity))
        return tl_fail_memory(err, capacity * sizeof *log->messages);
    log->messages_capacity = capacity;
    return TL_OK;
}

/* A queue that was full may be without a fetch: now that it is half empty, librdkafka is to be made to look (kafka_watch.h). */
static void hand_weigh(const struct tl_kafka_log *log, struct tl_kafka_lane *lane)
{
    size_t half_count = log->queue_count / 2, half_bytes = log->queue_bytes / 2;
    size_t left = rd_kafka_queue_length(lane->queue), bytes = 0, left_bytes;

    for (size_t i = 0; i < lane->hand_count; i++)
        bytes += lane->hand[i]->len + lane->hand[i]->key_len;
    left_bytes = lane->hand_count > 0 ? bytes / lane->hand_count * left : 0;
    if (left < half_count && left_bytes < half_bytes &&
        (left + lane->hand_count >= half_count || left_bytes + bytes >= half_bytes))
        lane->nudge = true;
}

/* Takes what the queue has. Gives what librdkafka told meanwhile of the partition, which is told again while it holds. */
static rd_kafka_resp_err_t hand_fill(struct tl_kafka_log *log, struct tl_kafka_lane *lane)
{
    rd_kafka_resp_err_t code;
    ssize_t got;

    pthread_mutex_lock(&log->trouble.lock);
    log->trouble.of_partition = RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&log->trouble.lock);
    got = rd_kafka_consume_batch_queue(lane->queue, 0, lane->hand, HAND);
    lane->hand_at = 0;
    lane->hand_count = got > 0 ? (size_t)got : 0;
    hand_weigh(log, lane);
    pthread_mutex_lock(&log->trouble.lock);
    code = log->trouble.of_partition;
    pthread_mutex_unlock(&log->trouble.lock);
    return code;
}

/* Moves what the caller gets from the lane's hand to log->taken. */
static enum tl_code take(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition, size_t messages_max,
                         size_t bytes_max, size_t *bytes, struct tl_err *err)
{
    struct tl_kafka_lane *lane = topic->lanes[partition];
    enum tl_code rc = TL_OK;

    while (log->taken_count < messages_max) {
        rd_kafka_message_t *message;

        if (lane->hand_at == lane->hand_count) {
            rd_kafka_resp_err_t code = hand_fill(log, lane);

            if (code != RD_KAFKA_RESP_ERR_NO_ERROR && lane->hand_count == 0 && log->taken_count == 0)
                return lane_failed(log, topic, partition, code, rd_kafka_err2str(code), err);
            if (lane->hand_count == 0)
                break;
        }
        message = lane->hand[lane->hand_at];
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            lane->eof = message->offset;
            lane->eof_ms = tl_clock_monotonic_ms();
            lane->missing_since_ms = 0;
            lane->next = tl_max_i64(lane->next, message->offset);
            rd_kafka_message_destroy(message);
            lane->hand_at++;
            continue;
        }
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (log->taken_count > 0)
                break; /* first what came before it */
            return lane_failed(log, topic, partition, message->err, rd_kafka_message_errstr(message), err);
        }
        if (log->taken_count > 0 && (*bytes == bytes_max || message->len > bytes_max - *bytes))
            break;
        TL_TRY(reserve(log, log->taken_count, err));
        log->taken[log->taken_count++] = message;
        *bytes += message->len;
        if (*bytes > bytes_max)
            *bytes = bytes_max;
        lane->next = message->offset + 1;
        lane->hand_at++;
    }
out:
    return rc;
}

/* May the bytes behind a value be read where it lies? librdkafka promises none, but what lies on the same page of memory can be read. The
 * sanitizers do not know that. */
static bool is_padded(const char *data, size_t size)
{
#ifdef TL_SANITIZED
    (void)data;
    (void)size;
    return false;
#else
    enum { PAGE_MIN = 4096 };

    return size > 0 && ((uintptr_t)data + size - 1) % PAGE_MIN < PAGE_MIN - TL_MESSAGE_PADDING;
#endif
}

/* What the last read gave lies in librdkafka's memory, and goes with the next call. */
static void let_go(struct tl_kafka_log *log)
{
    while (log->taken_count > 0)
        rd_kafka_message_destroy(log->taken[--log->taken_count]);
}

/* Values are given where librdkafka has them; only the few that end too near to the end of a page are copied. */
static enum tl_code give(struct tl_kafka_log *log, struct tl_err *err)
{
    size_t count = log->taken_count, total = 0;
    char *at;

    for (size_t i = 0; i < count; i++) {
        rd_kafka_message_t *message = log->taken[i];
        rd_kafka_timestamp_type_t type;
        int64_t log_ms = rd_kafka_message_timestamp(message, &type);

        log->messages[i] = (struct tl_message){
            message->offset, type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : log_ms, {message->payload, message->len}
        };
        if (message->payload != NULL && !is_padded(message->payload, message->len))
            total += message->len;
    }
    if (total == 0)
        return TL_OK;
    tl_buf_clear(&log->bytes);
    at = tl_buf_reserve(&log->bytes, total + TL_MESSAGE_PADDING);
    if (at == NULL)
        return tl_buf_check(&log->bytes, "what Kafka gave", err);
    for (size_t i = 0; i < count; i++) {
        struct tl_sv *value = &log->messages[i].value;

        if (value->data == NULL || is_padded(value->data, value->size))
            continue;
        if (value->size > 0)
            memcpy(at, value->data, value->size);
        value->data = at;
        at += value->size;
    }
    memset(at, 0, TL_MESSAGE_PADDING); /* it is read too, and compared by nobody: give it one content */
    return TL_OK;
}

/* A broker that went away is no silence of the partition. */
static enum tl_code check_silence(struct tl_kafka_log *log, struct tl_sv name, uint32_t partition, struct tl_err *err)
{
    int64_t since_ms = tl_kafka_watch_silent_since_ms(log->watch);
    char doing[TL_KAFKA_NAME_BYTES + 40];

    tl_kafka_doing(name, partition, doing, sizeof doing);
    if (tl_kafka_turned_away(&log->trouble) && tl_kafka_refused(&log->trouble, doing, err))
        return TL_ERR_IO;
    if (since_ms == 0 || tl_clock_monotonic_ms() - since_ms < SILENT_MS)
        return TL_OK;
    return tl_kafka_fail(&log->trouble, RD_KAFKA_RESP_ERR__TRANSPORT, NULL, doing, err);
}

/* To which nothing comes though its leader says that there is more: whatever librdkafka waits for there, it does not when it begins anew. */
static enum tl_code check_standstill(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition,
                                     struct tl_err *err)
{
    struct tl_kafka_lane *lane = topic->lanes[partition];
    int64_t now_ms = tl_clock_monotonic_ms(), end, heard_ms;

    if (!tl_kafka_watch_end(log->watch, topic->name, partition, &end, &heard_ms) || end <= lane->next) {
        lane->stands_since_ms = 0;
        return TL_OK;
    }
    if (lane->stands_since_ms == 0)
        lane->stands_since_ms = now_ms;
    if (now_ms - lane->stands_since_ms < log->stands_ms)
        return TL_OK;
    tl_diag_event(
        TL_WARN, "nothing comes from a partition that has more: it is read anew",
        (const struct tl_diag_kv[]){
            {"topic",     topic->name, 0         },
            {"partition", NULL,        partition },
            {"offset",    NULL,        lane->next},
            {"end",       NULL,        end       }
    },
        4);
    return lane_start(log, topic, partition, lane->next, err);
}

/* Nobody who should know says that there is more, and they have said so just now. What the reader was told last may be older than what the watch has
 * heard. */
static bool is_at_end(struct tl_kafka_log *log, const struct tl_kafka_topic *topic, uint32_t partition)
{
    const struct tl_kafka_lane *lane = topic->lanes[partition];
    int64_t end = lane->eof, heard_ms = lane->eof_ms;

    if (lane->eof != lane->next || lane->hand_at != lane->hand_count || rd_kafka_queue_length(lane->queue) > 0)
        return false;
    if (tl_kafka_watch_end(log->watch, topic->name, partition, &end, &heard_ms) && end > lane->next)
        return false;
    return tl_clock_monotonic_ms() - tl_max_i64(heard_ms, lane->eof_ms) <= FRESH_MS;
}

static enum tl_code op_read(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, size_t messages_max,
                            size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct tl_kafka_topic *topic = NULL;
    struct tl_kafka_lane *lane = NULL;
    size_t count = 0, bytes = 0;
    enum tl_code rc;

    assert(messages_max > 0);
    let_go(log);
    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    TL_TRY(tl_kafka_lane_find(topic, partition, &lane, err));
    if (!lane->reading || lane->next != offset)
        TL_TRY(lane_start(log, topic, partition, offset, err));
    rd_kafka_poll(log->reader, 0);
    TL_TRY(take(log, topic, partition, messages_max, bytes_max, &bytes, err));
    count = log->taken_count;
    if (count == 0) {
        rd_kafka_resp_err_t code = tl_kafka_watch_error(log->watch, topic->name, partition);

        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            TL_TRY(lane_failed(log, topic, partition, code, rd_kafka_err2str(code), err));
        TL_TRY(check_silence(log, name, partition, err));
        TL_TRY(check_standstill(log, topic, partition, err));
    }
    if (count > 0) {
        lane->stands_since_ms = lane->missing_since_ms = 0;
        tl_kafka_watch_hear(log->watch);
    }
    TL_TRY(give(log, err));
    out->messages = log->messages;
    out->count = count;
    out->next_offset = lane->next;
    out->at_end = is_at_end(log, topic, partition);
    topic->was_read = topic->was_read || count > 0 || out->at_end;
    if (lane->nudge)
        lane->nudge = !tl_kafka_watch_nudge(log->watch);
out:
    return rc;
}

static bool op_wait(struct tl_log *base, int64_t timeout_ms)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct pollfd fd = {.fd = log->wake, .events = POLLIN};
    int64_t until_ms = tl_add_sat_i64(tl_clock_monotonic_ms(), timeout_ms);
    uint64_t events;

    for (;;) {
        int64_t left_ms = tl_max_i64(0, until_ms - tl_clock_monotonic_ms());
        int got = poll(&fd, 1, (int)tl_min_i64(left_ms, INT32_MAX));

        rd_kafka_poll(log->reader, 0);
        if (got > 0)
            return read(log->wake, &events, sizeof events) == (ssize_t)sizeof events;
        if (got == 0 || errno != EINTR || left_ms == 0)
            return false;
    }
}

static bool op_end_heard(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *end)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct tl_kafka_topic *topic = NULL;
    int64_t heard_ms;

    return tl_kafka_topic_find(log, name, &topic, NULL) == TL_OK && topic != NULL &&
           tl_kafka_watch_end(log->watch, topic->name, partition, end, &heard_ms);
}

/* ---- the handle ---- */

static void op_stop(struct tl_log *base)
{
    struct tl_kafka_log *log = tl_kafka_of(base);

    atomic_store(&log->stopping, true);
    tl_kafka_watch_stop(log->watch);
}

static void op_close(struct tl_log *base)
{
    struct tl_kafka_log *log = tl_kafka_of(base);

    tl_kafka_writer_close(log->writer);
    tl_kafka_watch_close(log->watch);
    log->watch = NULL;
    let_go(log);
    for (size_t t = 0; t < log->topics_count; t++) {
        struct tl_kafka_topic *topic = log->topics[t];

        for (uint32_t p = 0; p < topic->lanes_count; p++) {
            struct tl_kafka_lane *lane = topic->lanes[p];

            if (lane == NULL)
                continue;
            if (lane->reading) {
                rd_kafka_queue_io_event_enable(lane->queue, -1, NULL, 0);
                rd_kafka_consume_stop(topic->handle, (int32_t)p);
                hand_drop(lane);
                rd_kafka_queue_destroy(lane->queue);
            }
            free(lane->hand);
            free(lane);
        }
        free(topic->lanes);
        rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic);
    }
    free(log->topics);
    if (log->asker != NULL)
        rd_kafka_destroy(log->asker);
    if (log->onlooker != NULL)
        rd_kafka_destroy(log->onlooker);
    if (log->reader != NULL)
        rd_kafka_destroy(log->reader);
    if (log->cluster != NULL)
        free(log->cluster);
    if (log->wake >= 0)
        close(log->wake);
    tl_buf_done(&log->bytes);
    free(log->messages);
    free(log->taken);
    tl_kafka_trouble_done(&log->trouble);
    tl_kafka_properties_done(&log->properties);
    free(log);
}

static const struct tl_log_ops kafka_ops = {
    .stop = op_stop,
    .close = op_close,
    .create_topic = tl_kafka_op_create_topic,
    .topic = tl_kafka_op_topic,
    .topics = tl_kafka_op_topics,
    .range = tl_kafka_op_range,
    .written = tl_kafka_op_written,
    .end_heard = op_end_heard,
    .place = tl_kafka_op_place,
    .fingerprint = tl_kafka_op_fingerprint,
    .read = op_read,
    .wait = op_wait,
    .append = tl_kafka_op_append,
    .notes = tl_kafka_op_notes,
    .trim = tl_kafka_op_trim,
    .feed_open = tl_kafka_op_feed_open,
};

/* What librdkafka finds wrong in the whole, or in a file that a property names: it says so once, without a code that tells which. */
static enum tl_code client_open(struct tl_kafka_log *log, enum tl_kafka_role role, rd_kafka_t **out, struct tl_err *err)
{
    rd_kafka_conf_t *conf = NULL;
    char words[512] = "";
    enum tl_code rc = tl_kafka_conf_make(&log->properties, role, &conf, err);

    if (rc != TL_OK)
        return rc;
    tl_kafka_trouble_listen(&log->trouble, conf);
    *out = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof words);
    if (*out != NULL)
        return TL_OK;
    rd_kafka_conf_destroy(conf);
    tl_kafka_name_values(&log->properties, words, sizeof words);
    return tl_fail(err, TL_ERR_USAGE, "kafka: %s", words);
}

static size_t number_of(rd_kafka_t *client, const char *property)
{
    char value[32] = "";
    size_t size = sizeof value;

    return rd_kafka_conf_get(rd_kafka_conf(client), property, value, &size) == RD_KAFKA_CONF_OK ? strtoul(value, NULL, 10) : 0;
}

enum tl_code tl_kafka_asker_apart(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (log->asker == NULL)
        TL_TRY(client_open(log, TL_KAFKA_ASKER, &log->asker, err));
    *out = log->asker;
out:
    return rc;
}

enum tl_code tl_kafka_onlooker(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (log->onlooker == NULL)
        TL_TRY(client_open(log, TL_KAFKA_ONLOOKER, &log->onlooker, err));
    *out = log->onlooker;
out:
    return rc;
}

enum tl_code tl_kafka_asker(struct tl_kafka_log *log, rd_kafka_t **out, struct tl_err *err)
{
    if (log->reading > 0 || log->asker != NULL)
        return tl_kafka_asker_apart(log, out, err);
    *out = log->reader;
    return TL_OK;
}

enum tl_code tl_log_kafka_open(const struct tl_log_spec *spec, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err)
{
    struct tl_kafka_log *log = calloc(1, sizeof *log);
    enum tl_code rc;

    if (log == NULL)
        return tl_fail_memory(err, sizeof *log);
    log->base.ops = &kafka_ops;
    log->mode = mode;
    log->wake = -1;
    log->stands_ms = STANDS_MS;
    log->missing_ms = MISSING_MS;
    tl_kafka_trouble_init(&log->trouble, &log->properties);
    tl_buf_init(&log->bytes, 0);
    TL_TRY(tl_kafka_properties_open(spec, &log->properties, err));
    if (tl_kafka_property(&log->properties, "bootstrap.servers") == NULL)
        TL_TRY(tl_fail(
            err, TL_ERR_USAGE,
            "--log kafka: no broker is named; add 'properties.bootstrap.servers' = 'host:9092' to the table's WITH, or set "
            "TALLY_KAFKA_BOOTSTRAP_SERVERS"));
    log->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->wake < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "kafka: no eventfd"));
    TL_TRY(client_open(log, TL_KAFKA_READER, &log->reader, err));
    log->queue_count = number_of(log->reader, "queued.min.messages");
    log->queue_bytes = number_of(log->reader, "queued.max.messages.kbytes") * 1024;
    TL_TRY(tl_kafka_watch_open(log->reader, &log->trouble, log->wake, &log->watch, err));
    *out = &log->base;
out:
    if (rc != TL_OK)
        op_close(&log->base);
    return rc;
}
