/* kafka_raw.c: a few calls of librdkafka, each of which must work. */
#include "support/kafka_raw.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/kafka_broker.h"

#define raw_ok(call) raw_ok_code((call), #call)

static void raw_ok_code(rd_kafka_resp_err_t code, const char *call)
{
    cr_assert_eq(code, RD_KAFKA_RESP_ERR_NO_ERROR, "%s: %s", call, rd_kafka_err2str(code));
}

static void raw_ok_error(rd_kafka_error_t *error, const char *call)
{
    cr_assert_null(error, "%s: %s", call, rd_kafka_error_string(error));
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *name, va_list args)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[300];
    rd_kafka_t *rk;

    cr_assert_eq(rd_kafka_conf_set(conf, "bootstrap.servers", kafka_env("KAFKA_URL"), words, sizeof words), RD_KAFKA_CONF_OK);
    for (; name != NULL; name = va_arg(args, const char *))
        cr_assert_eq(rd_kafka_conf_set(conf, name, va_arg(args, const char *), words, sizeof words), RD_KAFKA_CONF_OK, "%s",
                     words);
    rk = rd_kafka_new(type, conf, words, sizeof words);
    cr_assert_not_null(rk, "%s", words);
    return rk;
}

static rd_kafka_t *client_of(rd_kafka_type_t type, const char *name, ...)
{
    va_list args;
    rd_kafka_t *rk;

    va_start(args, name);
    rk = client(type, name, args);
    va_end(args);
    return rk;
}

rd_kafka_t *raw_producer(const char *name, ...)
{
    va_list args;
    rd_kafka_t *rk;

    va_start(args, name);
    rk = client(RD_KAFKA_PRODUCER, name, args);
    va_end(args);
    return rk;
}

void raw_put(rd_kafka_t *producer, const char *topic, const char *key, const char *value)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    size_t key_size = key != NULL ? strlen(key) : 0, value_size = value != NULL ? strlen(value) : 0;
    void *bytes = (void *)(uintptr_t)value, *key_bytes = (void *)(uintptr_t)key;

    raw_ok(rd_kafka_header_add(headers, "trace", -1, "0123456789", -1));
    raw_ok(rd_kafka_header_add(headers, "empty", -1, NULL, 0));
    raw_ok(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY(key_bytes, key_size),
                             RD_KAFKA_V_VALUE(bytes, value_size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END));
}

void raw_flush(rd_kafka_t *producer)
{
    raw_ok(rd_kafka_flush(producer, 10000));
}

void raw_commit(rd_kafka_t *producer)
{
    raw_ok_error(rd_kafka_commit_transaction(producer, 10000), "commit");
}

void raw_abort(rd_kafka_t *producer)
{
    raw_ok_error(rd_kafka_abort_transaction(producer, 10000), "abort");
}

/* Waits for the one answer, which is about one thing. */
static void answered(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10000);

    cr_assert_not_null(event, "no answer");
    raw_ok(rd_kafka_event_error(event));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
}

void raw_delete_topic(const char *topic)
{
    rd_kafka_t *rk = client_of(RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *order = rd_kafka_DeleteTopic_new(topic);

    rd_kafka_DeleteTopics(rk, &order, 1, NULL, queue);
    answered(queue);
    rd_kafka_DeleteTopic_destroy(order);
    rd_kafka_destroy(rk);
}

void raw_create_topic(const char *topic, const char *name, ...)
{
    rd_kafka_t *rk = client_of(RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    char words[300];
    rd_kafka_NewTopic_t *order = rd_kafka_NewTopic_new(topic, 1, 1, words, sizeof words);
    va_list args;

    va_start(args, name);
    for (; name != NULL; name = va_arg(args, const char *))
        raw_ok(rd_kafka_NewTopic_set_config(order, name, va_arg(args, const char *)));
    va_end(args);
    rd_kafka_CreateTopics(rk, &order, 1, NULL, queue);
    answered(queue);
    rd_kafka_NewTopic_destroy(order);
    rd_kafka_destroy(rk);
}

void raw_commit_offset(const char *group, const char *topic, int64_t offset)
{
    rd_kafka_t *rk = client_of(RD_KAFKA_CONSUMER, "group.id", group, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    raw_ok(rd_kafka_commit(rk, list, 0));
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

static void rule(const char *user, const char *topic, rd_kafka_AclOperation_t operation, rd_kafka_AclPermissionType_t permission)
{
    rd_kafka_t *rk = client_of(RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    char words[300], principal[100];
    rd_kafka_AclBinding_t *order;

    snprintf(principal, sizeof principal, "User:%s", user);
    order = rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal, "*", operation,
                                    permission, words, sizeof words);
    cr_assert_not_null(order, "%s", words);
    rd_kafka_CreateAcls(rk, &order, 1, NULL, queue);
    answered(queue);
    rd_kafka_AclBinding_destroy(order);
    rd_kafka_destroy(rk);
}

void raw_deny(const char *user, const char *topic, rd_kafka_AclOperation_t operation)
{
    rule(user, topic, operation, RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
}

void raw_allow(const char *user, const char *topic, rd_kafka_AclOperation_t operation)
{
    rule(user, topic, operation, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
}

const char *raw_key_and_headers(const char *topic, int64_t offset)
{
    static char text[4000];
    rd_kafka_t *rk = client_of(RD_KAFKA_CONSUMER, "group.id", "raw", NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_t *message;
    const char *name;
    const void *value;
    size_t size, at;

    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    raw_ok(rd_kafka_assign(rk, list));
    rd_kafka_topic_partition_list_destroy(list);
    message = rd_kafka_consumer_poll(rk, 20000);
    cr_assert_not_null(message, "no message comes");
    raw_ok(message->err);
    at = (size_t)snprintf(text, sizeof text, "%.*s", (int)message->key_len, (const char *)message->key);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %s=%.*s", name, (int)size, (const char *)value);
    rd_kafka_message_destroy(message);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return text;
}
