/* kafka_writer.c: appending: one transaction of a producer, which is made when it is first wanted.
 *
 * The partitions are looked up first: what goes to a partition that is not there would fail in the middle, and use offsets up. A transaction
 * that fails is aborted, and who reads what is committed never sees of it. A commit that nobody answers is asked for again until the broker
 * must have given up (transaction.timeout.ms); if even then nobody answers, what became of it is not known here, and the error says so.
 *
 * A commit is answered before who reads can see it: each partition is still to get its marker. So an append waits for that: who appends and then looks, or
 * lets others know, finds what was appended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/kafka_handle.h"

enum {
    COMMIT_MORE_MS = 40000 /* beyond what the broker gives a transaction */,
    STEP_MS = 500,
    LOOK_MS = 5000,
    FULL_MS = 20,
    ABORT_MS = 15000
};

struct tl_kafka_writer {
    rd_kafka_t *producer;
    char id[TL_KAFKA_NAME_BYTES + 200]; /* transactional.id */
    const atomic_bool *stopping;
    struct tl_kafka_trouble trouble;
    rd_kafka_resp_err_t failed; /* of the first delivery that failed in this transaction */
    char failed_text[200];
};

enum { VISIBLE_MS = 10000 };

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    /* The trouble is the handle's opaque, and stands in the writer. */
    struct tl_kafka_writer *writer =
        (struct tl_kafka_writer *)(void *)((char *)opaque - offsetof(struct tl_kafka_writer, trouble));

    (void)rk;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        struct tl_kafka_lane *lane = message->_private;

        lane->appended_offset = tl_max_i64(lane->appended_offset, message->offset);
        return;
    }
    if (writer->failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    writer->failed = message->err;
    snprintf(writer->failed_text, sizeof writer->failed_text, "%s", rd_kafka_err2str(message->err));
}

void tl_kafka_writer_close(struct tl_kafka_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->producer != NULL)
        rd_kafka_destroy(writer->producer);
    tl_kafka_trouble_done(&writer->trouble);
    free(writer);
}

static bool was_purged(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

/* What became of a call, in our codes; *fatal: the producer is done for. */
static enum tl_code judge(struct tl_kafka_writer *writer, rd_kafka_error_t *error, const char *doing, bool *fatal,
                          struct tl_err *err)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool retriable = rd_kafka_error_is_retriable(error);
    enum tl_code rc;

    rd_kafka_poll(writer->producer, 0);
    *fatal = rd_kafka_error_is_fatal(error);
    if (writer->failed != RD_KAFKA_RESP_ERR_NO_ERROR && !was_purged(writer->failed))
        rc = tl_kafka_fail(&writer->trouble, writer->failed, writer->failed_text, doing, err);
    else
        rc = tl_kafka_fail(&writer->trouble, code, rd_kafka_error_string(error), doing, err);
    if (err != NULL && retriable && !tl_kafka_turned_away(&writer->trouble))
        err->retriable = true;
    rd_kafka_error_destroy(error);
    return rc;
}

/* Who keeps notes goes on where it was left: a process that was taken for dead must not append behind the back of the next, so both have one name and
 * the later fences the earlier off. Everybody else has a name that nobody else has. What was set is how all of them begin. */
static void transactional_id(const struct tl_kafka_log *log, const struct tl_kafka_topic *noted, char *out, size_t out_bytes)
{
    const char *prefix = tl_kafka_property(&log->properties, "transactional.id");
    char host[64] = "";
    uint64_t random = 0;

    prefix = prefix != NULL ? prefix : "tally";
    if (noted != NULL) {
        snprintf(out, out_bytes, "%s-import-%s", prefix, noted->name);
        return;
    }
    gethostname(host, sizeof host - 1);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = (uint64_t)tl_clock_monotonic_ns();
    snprintf(out, out_bytes, "%s-%s-%ld-%08x", prefix, host, (long)getpid(), (unsigned)random);
}

/* Has the producer look at the cluster, or at one topic of it (`topic` not NULL). librdkafka 2.0.2 looks for the coordinator at once, and when
 * it finds no connection yet it looks again after half a second; and of partitions that were added it hears by itself after half a minute. */
static void look(rd_kafka_t *producer, const char *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *handle = topic != NULL ? rd_kafka_topic_new(producer, topic, NULL) : NULL;

    if (rd_kafka_metadata(producer, 0, handle, &metadata, LOOK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    if (handle != NULL)
        rd_kafka_topic_destroy(handle);
}

static enum tl_code producer_open(struct tl_kafka_log *log, struct tl_kafka_writer *writer, struct tl_err *err)
{
    rd_kafka_conf_t *conf = NULL;
    char words[512] = "";
    int64_t until_ms = tl_clock_monotonic_ms() + 2 * TL_KAFKA_ASK_MS;
    rd_kafka_error_t *error;
    bool fatal;
    enum tl_code rc;

    TL_TRY(tl_kafka_conf_make(&log->properties, TL_KAFKA_WRITER, &conf, err));
    tl_kafka_trouble_listen(&writer->trouble, conf);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    if (rd_kafka_conf_set(conf, "transactional.id", writer->id, words, sizeof words) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "kafka: %s", words));
    }
    writer->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (writer->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        tl_kafka_name_values(&log->properties, words, sizeof words);
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "kafka: %s", words));
    }
    look(writer->producer, NULL);
    while ((error = rd_kafka_init_transactions(writer->producer, STEP_MS)) != NULL) {
        bool again = rd_kafka_error_is_retriable(error) && tl_clock_monotonic_ms() < until_ms && !atomic_load(&log->stopping);

        rd_kafka_poll(writer->producer, 0);
        if (!again || tl_kafka_turned_away(&writer->trouble))
            TL_TRY(judge(writer, error, "begin to append", &fatal, err));
        rd_kafka_error_destroy(error);
    }
    tl_kafka_trouble_clear(&writer->trouble);
out:
    return rc;
}

static void writer_drop(struct tl_kafka_log *log)
{
    tl_kafka_writer_close(log->writer);
    log->writer = NULL;
    for (size_t i = 0; i < log->topics_count; i++)
        log->topics[i]->written = 0;
}

/* `noted`: the topic, where a note goes with the append; NULL: none does. */
static enum tl_code writer_open(struct tl_kafka_log *log, const struct tl_kafka_topic *noted, struct tl_err *err)
{
    struct tl_kafka_writer *writer;
    enum tl_code rc;

    if (log->writer != NULL && noted != NULL) {
        char id[sizeof writer->id];

        transactional_id(log, noted, id, sizeof id);
        if (strcmp(log->writer->id, id) != 0)
            writer_drop(log);
    }
    if (log->writer != NULL)
        return TL_OK;
    writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return tl_fail_memory(err, sizeof *writer);
    tl_kafka_trouble_init(&writer->trouble, &log->properties);
    tl_kafka_trouble_inherit(&writer->trouble, &log->trouble);
    writer->stopping = &log->stopping;
    transactional_id(log, noted, writer->id, sizeof writer->id);
    rc = producer_open(log, writer, err);
    if (rc == TL_OK)
        log->writer = writer;
    else
        tl_kafka_writer_close(writer);
    return rc;
}

/* NULL: there are none, or no memory (*failed). */
static rd_kafka_headers_t *headers_of(const struct tl_log_record *record, bool *failed)
{
    rd_kafka_headers_t *headers = record->headers_count > 0 ? rd_kafka_headers_new(record->headers_count) : NULL;

    *failed = record->headers_count > 0 && headers == NULL;
    for (size_t i = 0; headers != NULL && i < record->headers_count; i++)
        if (rd_kafka_header_add(headers, record->headers[i].name, -1, record->headers[i].value.data,
                                (ssize_t)record->headers[i].value.size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            *failed = true;
    return headers;
}

/* librdkafka borrows the bytes until the transaction is over, and takes the headers over with the message. */
static enum tl_code send_one(struct tl_kafka_writer *writer, struct tl_kafka_topic *topic, const struct tl_log_record *record,
                             struct tl_err *err)
{
    char doing[TL_KAFKA_NAME_BYTES + 40];
    union {
        const char *borrowed;
        char *bytes;
    } k = {record->key.data}, v = {record->value.data};
    struct tl_kafka_lane *lane = NULL;
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_resp_err_t code, fatal;
    int64_t log_ms = record->log_ms;
    bool no_memory = false;
    enum tl_code rc;

    TL_TRY(tl_kafka_lane_find(topic, record->partition, &lane, err));
    headers = headers_of(record, &no_memory);
    if (no_memory)
        TL_TRY(tl_fail_memory(err, record->headers_count));
    log_ms = log_ms != INT64_MIN ? log_ms : tl_max_i64(tl_clock_wall_ms(), lane->appended_ms);
    lane->appended_ms = tl_max_i64(lane->appended_ms, log_ms);
    do {
        const rd_kafka_vu_t parts[] = {
            {.vtype = RD_KAFKA_VTYPE_TOPIC,     .u.cstr = topic->name                 },
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = (int32_t)record->partition   },
            {.vtype = RD_KAFKA_VTYPE_KEY,       .u.mem = {k.bytes, record->key.size}  },
            {.vtype = RD_KAFKA_VTYPE_VALUE,     .u.mem = {v.bytes, record->value.size}},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS,  .u.i = 0                              },
            {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = log_ms                       },
            {.vtype = RD_KAFKA_VTYPE_OPAQUE,    .u.ptr = lane                         },
            {.vtype = RD_KAFKA_VTYPE_HEADERS,   .u.headers = headers                  },
        };
        rd_kafka_error_t *error = rd_kafka_produceva(writer->producer, parts, TL_COUNT(parts));

        code = error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (error != NULL)
            rd_kafka_error_destroy(error);
        rd_kafka_poll(writer->producer, code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? FULL_MS : 0);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && writer->failed == RD_KAFKA_RESP_ERR_NO_ERROR &&
             !atomic_load(writer->stopping));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    if (writer->failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        code = writer->failed;
    if (was_purged(code) && (fatal = rd_kafka_fatal_error(writer->producer, NULL, 0)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        code = fatal; /* why it was thrown away: another producer has taken over */
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        rc = tl_kafka_fail(&writer->trouble, code, NULL,
                           tl_kafka_doing(tl_sv_from(topic->name), record->partition, doing, sizeof doing), err);
out:
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    return rc;
}

static enum tl_code send_all(struct tl_kafka_log *log, struct tl_kafka_topic *topic, const struct tl_log_record *records,
                             size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count; i++)
        TL_TRY(send_one(log->writer, topic, &records[i], err));
out:
    return rc;
}

/* Again while nobody answers. */
static enum tl_code commit(struct tl_kafka_log *log, const char *doing, bool *fatal, struct tl_err *err)
{
    struct tl_kafka_writer *writer = log->writer;
    int64_t until_ms = tl_clock_monotonic_ms() + tl_kafka_transaction_ms(&log->properties) + COMMIT_MORE_MS;
    rd_kafka_error_t *error;

    while ((error = rd_kafka_commit_transaction(writer->producer, STEP_MS)) != NULL) {
        bool again = rd_kafka_error_is_retriable(error) && !rd_kafka_error_txn_requires_abort(error) &&
                     tl_clock_monotonic_ms() < until_ms && !atomic_load(&log->stopping);
        bool unknown = !rd_kafka_error_txn_requires_abort(error) && !rd_kafka_error_is_fatal(error);
        enum tl_code rc;

        if (again) {
            rd_kafka_error_destroy(error);
            continue;
        }
        rc = judge(writer, error, doing, fatal, err);
        if (unknown) {
            *fatal = true; /* the next append begins anew, and fences this one off */
            if (err != NULL)
                strncat(err->message, "; whether it was committed is not known: look at the notes",
                        sizeof err->message - strlen(err->message) - 1);
        }
        return rc;
    }
    return TL_OK;
}

static void forget_offsets(struct tl_kafka_topic *topic)
{
    for (uint32_t p = 0; p < topic->lanes_count; p++)
        if (topic->lanes[p] != NULL)
            topic->lanes[p]->appended_offset = -1;
}

static void add_appended(rd_kafka_topic_partition_list_t *list, const struct tl_kafka_topic *topic)
{
    for (uint32_t p = 0; p < topic->lanes_count; p++)
        if (topic->lanes[p] != NULL && topic->lanes[p]->appended_offset >= 0)
            rd_kafka_topic_partition_list_add(list, topic->name, (int32_t)p)->opaque = topic->lanes[p];
}

/* Until who reads what is committed can read to behind what was appended. What does not come in time comes later: it is committed. */
static void await_visible(struct tl_kafka_log *log, const struct tl_kafka_topic *topic, const struct tl_kafka_topic *notes)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    int64_t until_ms = tl_clock_monotonic_ms() + VISIBLE_MS, pause_ms = 1;
    rd_kafka_t *asker;

    add_appended(list, topic);
    if (notes != NULL)
        add_appended(list, notes);
    while (list->cnt > 0 && tl_clock_monotonic_ms() < until_ms && !atomic_load(&log->stopping) &&
           tl_kafka_asker(log, &asker, NULL) == TL_OK) {
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = RD_KAFKA_OFFSET_END;
        if (rd_kafka_offsets_for_times(asker, list, STEP_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
            for (int i = list->cnt - 1; i >= 0; i--) {
                const struct tl_kafka_lane *lane = list->elems[i].opaque;

                if (list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset > lane->appended_offset)
                    rd_kafka_topic_partition_list_del_by_idx(list, i);
            }
        if (list->cnt > 0)
            tl_clock_sleep_ms(pause_ms);
        pause_ms = tl_min_i64(pause_ms * 2, 100);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void abort_patiently(struct tl_kafka_log *log)
{
    int64_t until_ms = tl_clock_monotonic_ms() + ABORT_MS;
    rd_kafka_error_t *error;
    bool again = true;

    while (again && (error = rd_kafka_abort_transaction(log->writer->producer, STEP_MS)) != NULL) {
        again = rd_kafka_error_is_retriable(error) && tl_clock_monotonic_ms() < until_ms && !atomic_load(&log->stopping);
        rd_kafka_error_destroy(error); /* in the end the broker aborts it by itself */
    }
}

static enum tl_code transaction(struct tl_kafka_log *log, struct tl_kafka_topic *topic, const struct tl_log_record *records,
                                size_t records_count, struct tl_kafka_topic *notes, const struct tl_log_note *note, bool *fatal,
                                struct tl_err *err)
{
    struct tl_kafka_writer *writer = log->writer;
    char doing[TL_KAFKA_NAME_BYTES + 40];
    rd_kafka_error_t *error;
    enum tl_code rc = TL_OK;

    *fatal = false;
    forget_offsets(topic);
    if (notes != NULL)
        forget_offsets(notes);
    writer->failed = RD_KAFKA_RESP_ERR_NO_ERROR;
    snprintf(doing, sizeof doing, "append to topic %s", topic->name);
    error = rd_kafka_begin_transaction(writer->producer);
    if (error != NULL) {
        rc = judge(writer, error, doing, fatal, err);
        *fatal = true;
        return rc;
    }
    TL_TRY(send_all(log, topic, records, records_count, err));
    if (note != NULL) {
        struct tl_log_record kept = {
            .log_ms = INT64_MIN, .key = note->key, .value = {note->value.size > 0 ? note->value.data : "", note->value.size}
        };

        TL_TRY(send_one(writer, notes, &kept, err));
    }
    TL_TRY(commit(log, doing, fatal, err));
out:
    /* A producer whose transaction has failed is done for: librdkafka 2.0.2 would go on with numbers that the broker has not seen. */
    if (rc != TL_OK && !*fatal) {
        abort_patiently(log);
        *fatal = true;
    }
    return rc;
}

static enum tl_code check_partitions(struct tl_kafka_log *log, struct tl_kafka_topic *topic, const struct tl_log_record *records,
                                     size_t count, struct tl_err *err)
{
    uint32_t most = 0, partitions = topic->partitions;
    uint64_t identity;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count; i++)
        if (records[i].partition > most)
            most = records[i].partition;
    if (partitions <= most)
        TL_TRY(tl_kafka_op_topic(&log->base, tl_sv_from(topic->name), &partitions, &identity, err));
    if (partitions <= most)
        TL_TRY(tl_kafka_no_partition(log, tl_sv_from(topic->name), partitions, most, err));
out:
    return rc;
}

enum tl_code tl_kafka_op_append(struct tl_log *base, struct tl_sv name, const struct tl_log_record *records, size_t records_count,
                                const struct tl_log_note *note, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct tl_kafka_topic *topic = NULL, *notes = NULL;
    char own[TL_KAFKA_NAME_BYTES] = "";
    static const uint64_t one = 1;
    bool fatal = false;
    enum tl_code rc;

    if (log->mode != TL_LOG_APPEND)
        return tl_fail(err, TL_ERR_USAGE, "topic %.*s: the log was opened to be read", TL_SV_ARG(name));
    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    if (records_count > 0)
        TL_TRY(check_partitions(log, topic, records, records_count, err));
    if (note != NULL) {
        if (!tl_kafka_notes_name(name, own, sizeof own))
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "topic %.*s: the name is too long for notes beside it", TL_SV_ARG(name)));
        TL_TRY(tl_kafka_topic_find(log, tl_sv_from(own), &notes, err));
        if (notes->partitions == 0)
            TL_TRY(tl_kafka_create_compacted(log, tl_sv_from(own), err));
    }
    TL_TRY(writer_open(log, note != NULL ? topic : NULL, err));
    if (topic->written < topic->partitions) {
        look(log->writer->producer, topic->name);
        topic->written = topic->partitions;
    }
    TL_TRY(transaction(log, topic, records, records_count, notes, note, &fatal, err));
    await_visible(log, topic, notes);
    if (write(log->wake, &one, sizeof one) < 0)
        rc = TL_OK; /* a counter that is full wakes too */
out:
    if (fatal)
        writer_drop(log);
    if (rc != TL_OK && topic != NULL)
        topic->partitions = 0; /* asked for anew: it may have been made again with fewer */
    return rc;
}
