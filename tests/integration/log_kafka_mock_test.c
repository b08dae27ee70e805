/* log_kafka_mock_test.c: Kafka's faults that a real broker cannot be made to show: leaders that move, errors in answers, brokers that go and come,
 * slow ones. librdkafka's own mock cluster, in this process. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log/log.h"

enum {
    BROKERS = 3,
    PRODUCE = 0,
    FETCH = 1,
    LIST_OFFSETS = 2,
    ADD_PARTITIONS = 24,
    END_TXN = 26
}; /* API keys of Kafka's protocol */

#define TOPIC TL_SV("events")
#define ok(call) cr_assert_eq((call), TL_OK, "%s", err.message)

static struct tl_err err;
static rd_kafka_t *host, *producer;
static rd_kafka_mock_cluster_t *cluster;
static struct tl_log *log_;

static rd_kafka_t *client(const char *servers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[300];
    rd_kafka_t *rk;

    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    if (servers != NULL)
        rd_kafka_conf_set(conf, "bootstrap.servers", servers, words, sizeof words);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    cr_assert_not_null(rk, "%s", words);
    return rk;
}

static void cluster_open(void)
{
    struct tl_log_property properties[2] = {
        {TL_SV("bootstrap.servers"), {NULL, 0}  },
        {TL_SV("fetch.wait.max.ms"), TL_SV("20")}
    };
    const struct tl_log_spec spec = {.kind = "kafka", .properties = properties, .properties_count = 2};

    host = client(NULL);
    cluster = rd_kafka_mock_cluster_new(host, BROKERS);
    cr_assert_not_null(cluster);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "events", 1, BROKERS), RD_KAFKA_RESP_ERR_NO_ERROR);
    properties[0].value = tl_sv_from(rd_kafka_mock_cluster_bootstraps(cluster));
    producer = client(properties[0].value.data);
    ok(tl_log_open(&spec, TL_LOG_APPEND, &log_, &err));
}

static void cluster_close(void)
{
    tl_log_close(log_);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

TestSuite(log_kafka_mock, .init = cluster_open, .fini = cluster_close, .timeout = 90);

static void produce(int from, int to)
{
    for (int i = from; i < to; i++) {
        char value[20];

        snprintf(value, sizeof value, "%d", i);
        cr_assert_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("events"), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    cr_assert_eq(rd_kafka_flush(producer, 30000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Reads on from `next` up to `to`; every entry once, in order. Calls `meanwhile` now and then. */
static int64_t read_numbers(int64_t next, int64_t to, size_t at_once, void (*meanwhile)(void))
{
    int64_t until_ms = tl_clock_monotonic_ms() + 60000, then_ms = 0;
    struct tl_log_entries entries;

    while (next < to) {
        enum tl_code rc = tl_log_read(log_, TOPIC, 0, next, at_once, SIZE_MAX, &entries, &err);

        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "came to %lld: %d %s", (long long)next, rc, err.message);
        if (meanwhile != NULL && tl_clock_monotonic_ms() >= then_ms) {
            meanwhile();
            then_ms = tl_clock_monotonic_ms() + 30;
        }
        if (rc != TL_OK) {
            cr_assert(rc == TL_ERR_IO && err.retriable, "%d %s", rc, err.message);
            tl_clock_sleep_ms(20);
            continue;
        }
        for (size_t i = 0; i < entries.count; i++) {
            int64_t number;

            cr_assert(tl_sv_to_i64(entries.messages[i].value, &number));
            cr_assert_eq(entries.messages[i].offset, next + (int64_t)i);
            cr_assert_eq(number, next + (int64_t)i);
        }
        next = entries.next_offset;
        if (entries.count == 0)
            tl_log_wait(log_, 50);
    }
    return next;
}

static int moves;

static void move_the_leader(void)
{
    moves++;
    rd_kafka_mock_partition_set_leader(cluster, "events", 0, 1 + moves % BROKERS);
}

Test(log_kafka_mock, leaders_that_move_lose_and_double_nothing)
{
    produce(0, 4000);
    read_numbers(0, 4000, 20, move_the_leader);
    for (int i = 4000; i < 4200; i += 20) {
        move_the_leader();
        produce(i, i + 20);
        read_numbers(i, i + 20, 7, move_the_leader);
    }
    cr_assert_gt(moves, 20);
}

Test(log_kafka_mock, errors_in_answers_are_lived_through)
{
    produce(0, 300);
    rd_kafka_mock_push_request_errors(cluster, FETCH, 6, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_UNKNOWN,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
                                      RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE);
    rd_kafka_mock_push_request_errors(cluster, LIST_OFFSETS, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    read_numbers(0, 300, 100, NULL);
}

Test(log_kafka_mock, brokers_that_go_and_come)
{
    enum tl_code rc = TL_OK;
    struct tl_log_entries entries;
    int64_t began_ms;

    produce(0, 50);
    read_numbers(0, 50, 100, NULL);
    for (int b = 1; b <= BROKERS; b++)
        rd_kafka_mock_broker_set_down(cluster, b);
    began_ms = tl_clock_monotonic_ms();
    while (rc == TL_OK) {
        err = (struct tl_err){0};
        rc = tl_log_read(log_, TOPIC, 0, 50, 10, 1000, &entries, &err);
        cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 30000, "silence is noticed in time");
        tl_clock_sleep_ms(50);
    }
    cr_assert_eq(rc, TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    cr_assert_not_null(strstr(err.message, "Kafka does not answer"), "%s", err.message);
    for (int b = 1; b <= BROKERS; b++)
        rd_kafka_mock_broker_set_up(cluster, b);
    produce(50, 80);
    read_numbers(50, 80, 100, NULL);
    ok(tl_log_read(log_, TOPIC, 0, 80, 10, 1000, &entries, &err));
}

Test(log_kafka_mock, slow_brokers_are_waited_for)
{
    uint32_t partitions;
    uint64_t identity;
    int64_t first, end;

    produce(0, 10);
    for (int b = 1; b <= BROKERS; b++)
        rd_kafka_mock_broker_set_rtt(cluster, b, 400);
    ok(tl_log_topic(log_, TOPIC, &partitions, &identity, &err));
    cr_assert_eq(partitions, 1);
    ok(tl_log_range(log_, TOPIC, 0, &first, &end, &err));
    cr_assert_eq(end, 10);
    read_numbers(0, 10, 100, NULL);
}

static void append(const char *value)
{
    const struct tl_log_record record = {.partition = 0, .log_ms = INT64_MIN, .value = tl_sv_from(value)};

    ok(tl_log_append(log_, TOPIC, &record, 1, NULL, &err));
}

/* A producer that is fenced or out of step is done for; the next append begins anew. */
Test(log_kafka_mock, a_writer_that_is_done_for_is_made_anew)
{
    static const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                                 RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
                                                 RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    const struct tl_log_record record = {.partition = 0, .log_ms = INT64_MIN, .value = TL_SV("lost")};

    append("0");
    for (size_t i = 0; i < TL_COUNT(errors); i++) {
        rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, errors[i]);
        cr_assert_eq(tl_log_append(log_, TOPIC, &record, 1, NULL, &err), TL_ERR_IO, "%s", err.message);
        cr_assert_not_null(strstr(err.message, "events"), "%s", err.message);
        append("again");
    }
}

Test(log_kafka_mock, what_a_coordinator_will_do_in_a_moment_is_asked_for_again)
{
    append("0");
    rd_kafka_mock_push_request_errors(cluster, ADD_PARTITIONS, 2, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    append("1");
    rd_kafka_mock_push_request_errors(cluster, END_TXN, 2, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    append("2");
    read_numbers(0, 3, 10, NULL);
}
