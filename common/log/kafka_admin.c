/* kafka_admin.c: what there is on the cluster: topics, ranges, places; making topics and cutting them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "log/kafka_handle.h"

enum { SETTLE_MS = 50, PARTITIONS_MAX = 1000000 };

/* ---- topics ---- */

struct metadata_question {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    const struct rd_kafka_metadata *answer;
};

static rd_kafka_resp_err_t ask_metadata(void *ctx, int timeout_ms)
{
    struct metadata_question *question = ctx;
    rd_kafka_resp_err_t code = rd_kafka_metadata(question->rk, 0, question->topic, &question->answer, timeout_ms);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    code = question->answer->topic_cnt > 0 ? question->answer->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) { /* some brokers answer so for a moment when a topic has been made */
        rd_kafka_metadata_destroy(question->answer);
        question->answer = NULL;
        return code;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t ask_cluster(void *ctx, int timeout_ms)
{
    struct tl_kafka_log *log = ctx;
    char *id = rd_kafka_clusterid(log->reader, timeout_ms);

    if (id == NULL)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    log->cluster = strdup(id);
    rd_kafka_mem_free(log->reader, id);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static enum tl_code partitions_of(struct tl_kafka_log *log, struct tl_kafka_topic *topic, struct tl_err *err)
{
    struct metadata_question question = {NULL, NULL, NULL};
    struct tl_sv name = tl_sv_from(topic->name);
    char doing[TL_KAFKA_NAME_BYTES + 40];
    rd_kafka_resp_err_t code;
    enum tl_code rc;

    tl_kafka_doing(name, -1, doing, sizeof doing);
    TL_TRY(tl_kafka_asker(log, &question.rk, err));
    question.topic = rd_kafka_topic_new(question.rk, topic->name, NULL);
    if (question.topic == NULL)
        TL_TRY(tl_kafka_fail(&log->trouble, rd_kafka_last_error(), NULL, doing, err));
    code = tl_kafka_ask(log, ask_metadata, &question);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        TL_TRY(tl_kafka_fail(&log->trouble, code, NULL, doing, err));
    code = question.answer->topic_cnt > 0 ? question.answer->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        topic->partitions = 0;
        rc = tl_kafka_no_topic(log, name, err);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rc = tl_kafka_topic_fail(log, code, NULL, doing, topic->partitions > 0, err);
    } else {
        topic->partitions = (uint32_t)question.answer->topics[0].partition_cnt;
    }
    rd_kafka_metadata_destroy(question.answer);
out:
    if (question.topic != NULL)
        rd_kafka_topic_destroy(question.topic);
    return rc;
}

enum tl_code tl_kafka_op_topic(struct tl_log *base, struct tl_sv name, uint32_t *partitions, uint64_t *identity,
                               struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct tl_kafka_topic *topic = NULL;
    struct tl_buf key;
    enum tl_code rc;

    tl_buf_init(&key, 0);
    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    TL_TRY(partitions_of(log, topic, err));
    if (log->cluster == NULL) {
        rd_kafka_resp_err_t code = tl_kafka_ask(log, ask_cluster, log);

        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            TL_TRY(tl_kafka_fail(&log->trouble, code, NULL, "the cluster's id", err));
        if (log->cluster == NULL)
            TL_TRY(tl_fail_memory(err, 64));
    }
    tl_buf_put_str(&key, log->cluster);
    tl_buf_put_u8(&key, 0);
    tl_buf_put_sv(&key, name);
    TL_TRY(tl_buf_check(&key, "a topic's identity", err));
    *identity = tl_hash_bytes(tl_buf_sv(&key)) | 1;
    *partitions = topic->partitions;
out:
    tl_buf_done(&key);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rd_kafka_resp_err_t ask_topics(void *ctx, int timeout_ms)
{
    struct metadata_question *question = ctx;

    return rd_kafka_metadata(question->rk, 1, NULL, &question->answer, timeout_ms);
}

/* Kafka's own, as its clients know them (org.apache.kafka.common.internals.Topic), and the notes. */
static bool is_internal(struct tl_sv name)
{
    static const char *const names[] = {"__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"};

    for (size_t i = 0; i < TL_COUNT(names); i++)
        if (tl_sv_eq(name, tl_sv_from(names[i])))
            return true;
    return tl_sv_ends(name, TL_SV(TL_KAFKA_NOTES));
}

enum tl_code tl_kafka_op_topics(struct tl_log *base, bool (*each)(void *ctx, struct tl_sv name), void *ctx, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct metadata_question question = {NULL, NULL, NULL};
    const char **names = NULL;
    size_t count = 0;
    rd_kafka_resp_err_t code;
    enum tl_code rc;

    TL_TRY(tl_kafka_asker(log, &question.rk, err));
    code = tl_kafka_ask(log, ask_topics, &question);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        TL_TRY(tl_kafka_fail(&log->trouble, code, NULL, "the list of topics", err));
    names = calloc((size_t)question.answer->topic_cnt + 1, sizeof *names);
    if (names == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)question.answer->topic_cnt * sizeof *names));
    for (int i = 0; i < question.answer->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *topic = &question.answer->topics[i];

        /* One that is being deleted is listed with that for an error. */
        if (topic->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !is_internal(tl_sv_from(topic->topic)))
            names[count++] = topic->topic;
    }
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count && each(ctx, tl_sv_from(names[i])); i++)
        ;
out:
    free(names);
    if (question.answer != NULL)
        rd_kafka_metadata_destroy(question.answer);
    return rc;
}

/* ---- making topics ---- */

/* One request about one topic and its answer. */
static void admin_answer(struct tl_kafka_log *log, rd_kafka_queue_t *queue, rd_kafka_resp_err_t *code, char *words,
                         size_t words_bytes)
{
    int64_t until_ms = tl_clock_monotonic_ms() + TL_KAFKA_ASK_MS;
    const rd_kafka_topic_result_t **results = NULL;
    rd_kafka_event_t *event = NULL;
    size_t count = 0;

    while (event == NULL && tl_clock_monotonic_ms() < until_ms && !tl_kafka_turned_away(&log->trouble) &&
           !atomic_load(&log->stopping)) {
        event = rd_kafka_queue_poll(queue, 100);
        rd_kafka_poll(log->reader, 0);
    }
    *code = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (event != NULL) {
        snprintf(words, words_bytes, "%s", rd_kafka_event_error_string(event));
        if (*code == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
            results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        else if (*code == RD_KAFKA_RESP_ERR_NO_ERROR)
            results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);
        if (count > 0) {
            *code = rd_kafka_topic_result_error(results[0]);
            if (rd_kafka_topic_result_error_string(results[0]) != NULL)
                snprintf(words, words_bytes, "%s", rd_kafka_topic_result_error_string(results[0]));
        }
        rd_kafka_event_destroy(event);
    }
}

/* Until metadata shows it: the brokers hear of it one after the other. */
static enum tl_code settle(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partitions, struct tl_err *err)
{
    int64_t until_ms = tl_clock_monotonic_ms() + TL_KAFKA_ASK_MS;
    enum tl_code rc;

    for (;;) {
        rc = partitions_of(log, topic, err);
        if ((rc == TL_OK && topic->partitions >= partitions) || (rc != TL_OK && rc != TL_ERR_NOT_FOUND) ||
            tl_clock_monotonic_ms() > until_ms)
            return rc;
        tl_clock_sleep_ms(SETTLE_MS);
    }
}

static enum tl_code create(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partitions, bool compacted,
                           struct tl_err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->reader);
    char words[512] = "", doing[TL_KAFKA_NAME_BYTES + 60];
    rd_kafka_NewTopic_t *fresh = rd_kafka_NewTopic_new(topic->name, (int)partitions, -1, words, sizeof words);
    rd_kafka_resp_err_t code;
    enum tl_code rc = TL_OK;

    snprintf(doing, sizeof doing, "make topic %s", topic->name);
    if (queue == NULL || fresh == NULL)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s: %s", doing, words));
    if (compacted)
        rd_kafka_NewTopic_set_config(fresh, "cleanup.policy", "compact");
    rd_kafka_CreateTopics(log->reader, &fresh, 1, NULL, queue);
    admin_answer(log, queue, &code, words, sizeof words);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        TL_TRY(tl_kafka_fail(&log->trouble, code, words, doing, err));
    TL_TRY(settle(log, topic, code == RD_KAFKA_RESP_ERR_NO_ERROR ? partitions : 1, err));
out:
    if (fresh != NULL)
        rd_kafka_NewTopic_destroy(fresh);
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    return rc;
}

static enum tl_code raise_partitions(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partitions,
                                     struct tl_err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->reader);
    char words[512] = "", doing[TL_KAFKA_NAME_BYTES + 60];
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(topic->name, partitions, words, sizeof words);
    rd_kafka_resp_err_t code;
    enum tl_code rc = TL_OK;

    snprintf(doing, sizeof doing, "raise the partitions of topic %s", topic->name);
    if (queue == NULL || more == NULL)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s: %s", doing, words));
    rd_kafka_CreatePartitions(log->reader, &more, 1, NULL, queue);
    admin_answer(log, queue, &code, words, sizeof words);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_INVALID_PARTITIONS) /* somebody else was faster */
        TL_TRY(tl_kafka_fail(&log->trouble, code, words, doing, err));
    TL_TRY(settle(log, topic, partitions, err));
out:
    if (more != NULL)
        rd_kafka_NewPartitions_destroy(more);
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    return rc;
}

static enum tl_code create_or_raise(struct tl_kafka_log *log, struct tl_sv name, uint32_t partitions, bool compacted,
                                    struct tl_err *err)
{
    struct tl_kafka_topic *topic = NULL;
    enum tl_code rc;

    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    rc = partitions_of(log, topic, err);
    if (rc == TL_ERR_NOT_FOUND)
        TL_TRY(create(log, topic, partitions == 0 ? 1 : partitions, compacted, err));
    else
        TL_TRY(rc);
    if (partitions > topic->partitions)
        TL_TRY(raise_partitions(log, topic, partitions, err));
out:
    return rc;
}

enum tl_code tl_kafka_op_create_topic(struct tl_log *base, struct tl_sv name, uint32_t partitions, struct tl_err *err)
{
    if (partitions > PARTITIONS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "topic %.*s: %u partitions are too many", TL_SV_ARG(name), partitions);
    return create_or_raise(tl_kafka_of(base), name, partitions, false, err);
}

/* "compact", "delete" or both; empty: the broker does not say, for want of rights or of age. */
static void policy_of(struct tl_kafka_log *log, const char *topic, char *out, size_t out_bytes)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->reader);
    const rd_kafka_ConfigResource_t **resources;
    const rd_kafka_ConfigEntry_t **entries;
    rd_kafka_event_t *event = NULL;
    size_t count = 0;

    out[0] = '\0';
    if (resource != NULL && queue != NULL) {
        rd_kafka_DescribeConfigs(log->reader, &resource, 1, NULL, queue);
        event = rd_kafka_queue_poll(queue, TL_KAFKA_ASK_MS);
    }
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
        if (count > 0 && rd_kafka_ConfigResource_error(resources[0]) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            entries = rd_kafka_ConfigResource_configs(resources[0], &count);
            for (size_t i = 0; i < count; i++)
                if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0 &&
                    rd_kafka_ConfigEntry_value(entries[i]) != NULL)
                    snprintf(out, out_bytes, "%s", rd_kafka_ConfigEntry_value(entries[i]));
        }
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    if (resource != NULL)
        rd_kafka_ConfigResource_destroy(resource);
}

/* One that was made by hand, or by a client's mistake, would forget. */
enum tl_code tl_kafka_create_compacted(struct tl_kafka_log *log, struct tl_sv name, struct tl_err *err)
{
    struct tl_kafka_topic *topic = NULL;
    char policy[60];
    enum tl_code rc;

    TL_TRY(create_or_raise(log, name, 1, true, err));
    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    policy_of(log, topic->name, policy, sizeof policy);
    if (policy[0] != '\0' && strcmp(policy, "compact") != 0) {
        topic->partitions = 0; /* it is looked at again the next time */
        TL_TRY(
            tl_fail(err, TL_ERR_USAGE,
                    "topic %s has cleanup.policy=%s, so notes would be lost after a while; it wants cleanup.policy=compact alone",
                    topic->name, policy));
    }
out:
    return rc;
}

/* ---- ranges and places ---- */

/* The topic and the partition are there, as far as metadata tells. */
static enum tl_code partition_check(struct tl_kafka_log *log, struct tl_sv name, uint32_t partition, struct tl_kafka_topic **out,
                                    struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_kafka_topic_find(log, name, out, err));
    if (partition >= (*out)->partitions)
        TL_TRY(partitions_of(log, *out, err));
    if (partition >= (*out)->partitions)
        TL_TRY(tl_kafka_no_partition(log, name, (*out)->partitions, partition, err));
out:
    return rc;
}

/* A topic that has gone since it was last looked at. */
static enum tl_code partition_failed(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition,
                                     rd_kafka_resp_err_t code, struct tl_err *err)
{
    char doing[TL_KAFKA_NAME_BYTES + 40];
    enum tl_code rc;

    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        TL_TRY(partitions_of(log, topic, err));
        if (partition >= topic->partitions)
            return tl_kafka_no_partition(log, tl_sv_from(topic->name), topic->partitions, partition, err);
    }
    return tl_kafka_topic_fail(log, code, NULL, tl_kafka_doing(tl_sv_from(topic->name), partition, doing, sizeof doing),
                               topic->partitions > 0, err);
out:
    return rc;
}

struct time_question {
    rd_kafka_t *rk;
    const char *topic;
    uint32_t partition;
    int64_t timestamp_ms, offset; /* Kafka takes RD_KAFKA_OFFSET_BEGINNING and RD_KAFKA_OFFSET_END for timestamps too */
};

static rd_kafka_resp_err_t ask_time(void *ctx, int timeout_ms)
{
    struct time_question *question = ctx;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;

    rd_kafka_topic_partition_list_add(list, question->topic, (int32_t)question->partition)->offset = question->timestamp_ms;
    code = rd_kafka_offsets_for_times(question->rk, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    question->offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* librdkafka's own call for this (rd_kafka_query_watermark_offsets) waits for socket.timeout.ms, whatever it is told. */
enum tl_code tl_kafka_op_range(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *first, int64_t *end,
                               struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct time_question question[] = {
        {.partition = partition, .timestamp_ms = RD_KAFKA_OFFSET_BEGINNING},
        {.partition = partition, .timestamp_ms = RD_KAFKA_OFFSET_END      }
    };
    struct tl_kafka_topic *topic = NULL;
    enum tl_code rc;

    TL_TRY(partition_check(log, name, partition, &topic, err));
    for (size_t i = 0; i < TL_COUNT(question); i++) {
        rd_kafka_resp_err_t code;

        TL_TRY(tl_kafka_asker(log, &question[i].rk, err));
        question[i].topic = topic->name;
        code = tl_kafka_ask(log, ask_time, &question[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            TL_TRY(partition_failed(log, topic, partition, code, err));
    }
    *first = question[0].offset;
    *end = question[1].offset;
out:
    return rc;
}

enum tl_code tl_kafka_op_written(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *written, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct time_question question = {.partition = partition, .timestamp_ms = RD_KAFKA_OFFSET_END};
    struct tl_kafka_topic *topic = NULL;
    rd_kafka_resp_err_t code;
    enum tl_code rc;

    TL_TRY(partition_check(log, name, partition, &topic, err));
    TL_TRY(tl_kafka_onlooker(log, &question.rk, err));
    question.topic = topic->name;
    code = tl_kafka_ask(log, ask_time, &question);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        TL_TRY(partition_failed(log, topic, partition, code, err));
    *written = question.offset;
out:
    return rc;
}

static enum tl_code first_since(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition, int64_t timestamp_ms,
                                int64_t *offset, struct tl_err *err)
{
    /* Below zero Kafka means other things by a timestamp. */
    struct time_question question = {NULL, topic->name, partition, tl_max_i64(0, timestamp_ms), -1};
    rd_kafka_resp_err_t code;
    int64_t first, end;
    enum tl_code rc;

    TL_TRY(tl_kafka_asker(log, &question.rk, err));
    code = tl_kafka_ask(log, ask_time, &question);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return partition_failed(log, topic, partition, code, err);
    TL_TRY(tl_kafka_op_range(&log->base, tl_sv_from(topic->name), partition, &first, &end, err));
    *offset = question.offset >= 0 ? tl_max_i64(question.offset, first) : end;
out:
    return rc;
}

struct group_question {
    rd_kafka_t *rk;
    const char *topic;
    uint32_t partition;
    int64_t offset;
};

static rd_kafka_resp_err_t ask_group(void *ctx, int timeout_ms)
{
    struct group_question *question = ctx;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;

    rd_kafka_topic_partition_list_add(list, question->topic, (int32_t)question->partition);
    code = rd_kafka_committed(question->rk, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = list->elems[0].err;
    question->offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* Asks as a member of the group would, for which librdkafka wants a handle of its own; -1: nothing is committed. */
static enum tl_code committed(struct tl_kafka_log *log, struct tl_kafka_topic *topic, uint32_t partition, const char *group,
                              int64_t *offset, struct tl_err *err)
{
    struct group_question question = {NULL, topic->name, partition, -1};
    rd_kafka_conf_t *conf = NULL;
    char words[512] = "", doing[TL_KAFKA_NAME_BYTES + 300];
    rd_kafka_resp_err_t code;
    enum tl_code rc;

    snprintf(doing, sizeof doing, "what group %.200s has committed for topic %s", group, topic->name);
    TL_TRY(tl_kafka_conf_make(&log->properties, TL_KAFKA_READER, &conf, err));
    tl_kafka_trouble_listen(&log->trouble, conf);
    if (rd_kafka_conf_set(conf, "group.id", group, words, sizeof words) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s: %s", doing, words));
    }
    question.rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof words);
    if (question.rk == NULL) {
        rd_kafka_conf_destroy(conf);
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: %s", doing, words));
    }
    code = tl_kafka_ask(log, ask_group, &question);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        TL_TRY(tl_kafka_fail(&log->trouble, code, NULL, doing, err));
    *offset = question.offset >= 0 ? question.offset : -1;
out:
    if (question.rk != NULL)
        rd_kafka_destroy(question.rk);
    return rc;
}

enum tl_code tl_kafka_op_place(struct tl_log *base, struct tl_sv name, uint32_t partition, const struct tl_log_place *place,
                               int64_t *offset, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    const char *group = tl_kafka_property(&log->properties, "group.id");
    struct tl_kafka_topic *topic = NULL;
    int64_t first, end, group_offset = -1;
    enum tl_code rc;

    TL_TRY(partition_check(log, name, partition, &topic, err));
    if (place->kind == TL_PLACE_TIMESTAMP)
        return first_since(log, topic, partition, place->timestamp_ms, offset, err);
    for (size_t i = 0; place->kind == TL_PLACE_OFFSETS && i < place->offsets_count; i++)
        if (place->offsets[i].partition == partition) {
            *offset = place->offsets[i].offset;
            return TL_OK;
        }
    if (place->kind == TL_PLACE_GROUP && group == NULL)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "topic %.*s: 'group-offsets' wants a group: add 'properties.group.id'",
                       TL_SV_ARG(name)));
    if ((place->kind == TL_PLACE_GROUP || place->kind == TL_PLACE_OFFSETS) && group != NULL)
        TL_TRY(committed(log, topic, partition, group, &group_offset, err));
    if (place->kind == TL_PLACE_GROUP && group_offset < 0)
        TL_TRY(tl_fail(
            err, TL_ERR_NOT_FOUND,
            "topic %.*s partition %u: group %s has committed no offset there; 'earliest-offset' begins where the log does",
            TL_SV_ARG(name), partition, group));
    if (group_offset >= 0) {
        *offset = group_offset;
        return TL_OK;
    }
    TL_TRY(tl_kafka_op_range(base, name, partition, &first, &end, err));
    *offset = place->kind == TL_PLACE_LATEST ? end : first;
out:
    return rc;
}

/* ---- cutting ---- */

enum tl_code tl_kafka_op_trim(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    rd_kafka_topic_partition_list_t *list = NULL;
    const rd_kafka_topic_partition_list_t *results;
    rd_kafka_DeleteRecords_t *order = NULL;
    rd_kafka_queue_t *queue = NULL;
    rd_kafka_event_t *event = NULL;
    struct tl_kafka_topic *topic = NULL;
    char doing[TL_KAFKA_NAME_BYTES + 60];
    rd_kafka_resp_err_t code;
    int64_t first, end;
    enum tl_code rc;

    TL_TRY(tl_kafka_op_range(base, name, partition, &first, &end, err));
    TL_TRY(tl_kafka_topic_find(log, name, &topic, err));
    snprintf(doing, sizeof doing, "delete entries of topic %s partition %u", topic->name, partition);
    if (offset <= first)
        goto out;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic->name, (int32_t)partition)->offset = tl_min_i64(offset, end);
    order = rd_kafka_DeleteRecords_new(list);
    queue = rd_kafka_queue_new(log->reader);
    rd_kafka_DeleteRecords(log->reader, &order, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, TL_KAFKA_ASK_MS);
    code = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        results = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
        code = results->cnt > 0 ? results->elems[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        TL_TRY(tl_kafka_fail(&log->trouble, code, NULL, doing, err));
out:
    if (event != NULL)
        rd_kafka_event_destroy(event);
    if (queue != NULL)
        rd_kafka_queue_destroy(queue);
    if (order != NULL)
        rd_kafka_DeleteRecords_destroy(order);
    if (list != NULL)
        rd_kafka_topic_partition_list_destroy(list);
    return rc;
}
