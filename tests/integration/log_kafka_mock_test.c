/* log_kafka_mock_test.c: Kafka's faults that a real broker cannot be made to show: leaders that move, errors in answers, brokers that go and come,
 * slow ones. librdkafka's own mock cluster, in this process. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log/kafka_handle.h"
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

/* ---- a broker that answers questions, and no fetches ---- */

/* Every fetch from now on, of all brokers, is answered late; `count` of them by each. */
static void stall_fetches(int count, int ms)
{
    for (int b = 1; b <= BROKERS; b++)
        for (int i = 0; i < count; i++)
            rd_kafka_mock_broker_push_request_error_rtts(cluster, b, FETCH, 1, RD_KAFKA_RESP_ERR_NO_ERROR, ms);
}

static bool is_at_end(int64_t next)
{
    struct tl_log_entries entries;

    ok(tl_log_read(log_, TOPIC, 0, next, 10, SIZE_MAX, &entries, &err));
    return entries.at_end;
}

static void come_to_end(int64_t next)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + 10000; !is_at_end(next); tl_log_wait(log_, 20))
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
}

/* What the reader last heard of an end is older than what the asker has heard: nothing is passed over. */
Test(log_kafka_mock, an_end_that_was_told_is_read_up_to_though_fetches_stall)
{
    struct tl_log_entries entries;
    int64_t first, end;

    produce(0, 5);
    read_numbers(0, 5, 100, NULL);
    come_to_end(5);
    stall_fetches(2, 700);
    produce(5, 9);
    ok(tl_log_range(log_, TOPIC, 0, &first, &end, &err));
    cr_assert_eq(first, 0);
    cr_assert_eq(end, 9);
    ok(tl_log_read_on(log_, TOPIC, 0, 5, 100, SIZE_MAX, 20000, &entries, &err));
    cr_assert_eq(entries.count, 4);
    cr_assert_eq(entries.next_offset, 9);
}

/* The end that the reader was told holds as long as its leader can be asked. */
Test(log_kafka_mock, a_leader_that_falls_silent_has_no_end)
{
    produce(0, 5);
    read_numbers(0, 5, 100, NULL);
    come_to_end(5);
    for (int b = 1; b <= BROKERS; b++)
        rd_kafka_mock_broker_set_rtt(cluster, b, 60000);
    for (int64_t until_ms = tl_clock_monotonic_ms() + 10000; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(50)) {
        struct tl_log_entries entries = {.at_end = false};

        if (tl_log_read(log_, TOPIC, 0, 5, 10, SIZE_MAX, &entries, &err) != TL_OK || !entries.at_end)
            return;
    }
    cr_assert_fail("it is taken for the end for ever");
}

/* One leader of several does not answer: the partitions of the others have ends all the same. */
Test(log_kafka_mock, a_silent_leader_holds_up_none_of_the_others)
{
    struct tl_log_entries entries = {.at_end = false};
    int64_t silent_ms = 0;

    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "others", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_mock_partition_set_leader(cluster, "events", 0, 1);
    rd_kafka_mock_partition_set_leader(cluster, "others", 0, 2);
    produce(0, 5);
    read_numbers(0, 5, 100, NULL);
    come_to_end(5);
    for (int64_t until_ms = tl_clock_monotonic_ms() + 10000; !entries.at_end; tl_log_wait(log_, 20)) {
        ok(tl_log_read(log_, TL_SV("others"), 0, 0, 10, SIZE_MAX, &entries, &err));
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
    }
    rd_kafka_mock_broker_set_rtt(cluster, 2, 60000);
    for (int64_t until_ms = tl_clock_monotonic_ms() + 20000; silent_ms == 0 || tl_clock_monotonic_ms() - silent_ms < 4000;
         tl_clock_sleep_ms(50)) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "the silent one is at its end for ever");
        if (tl_log_read(log_, TL_SV("others"), 0, 0, 10, SIZE_MAX, &entries, &err) == TL_OK && !entries.at_end && silent_ms == 0)
            silent_ms = tl_clock_monotonic_ms();
    }
    for (int64_t until_ms = tl_clock_monotonic_ms() + 20000;;
         tl_log_wait(log_, 20)) { /* a question may go to the silent one first */
        if (tl_log_read(log_, TOPIC, 0, 5, 10, SIZE_MAX, &entries, &err) == TL_OK && entries.at_end)
            break;
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%s", err.message);
    }
}

/* A partition that has more, and to which nothing comes, is begun anew. Here librdkafka is told behind the handle's back to leave it alone, which it
 * still does then: what is seen is that the handle tries. */
Test(log_kafka_mock, a_partition_that_stands_still_is_read_anew)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    struct tl_kafka_log *kafka = tl_kafka_of(log_);
    const struct tl_kafka_lane *lane;
    struct tl_log_entries entries = {.count = 0};
    bool stood = false;

    kafka->stands_ms = 300;
    produce(0, 5);
    read_numbers(0, 5, 100, NULL);
    come_to_end(5);
    rd_kafka_topic_partition_list_add(list, "events", 0);
    cr_assert_eq(rd_kafka_pause_partitions(kafka->reader, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    tl_clock_sleep_ms(100); /* a fetch that is under way */
    produce(5, 9);
    lane = kafka->topics[0]->lanes[0];
    for (int64_t until_ms = tl_clock_monotonic_ms() + 10000; !stood || lane->stands_since_ms != 0; tl_clock_sleep_ms(5)) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "it stands for ever");
        ok(tl_log_read(log_, TOPIC, 0, 5, 10, SIZE_MAX, &entries, &err));
        cr_assert_eq(entries.count, 0);
        stood = stood || lane->stands_since_ms != 0;
    }
    cr_assert_eq(rd_kafka_resume_partitions(kafka->reader, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    read_numbers(5, 9, 100, NULL);
    rd_kafka_topic_partition_list_destroy(list);
}

/* A broker that has not heard of the topic yet says that there is none. */
Test(log_kafka_mock, metadata_that_lags_is_no_end_of_a_topic)
{
    struct tl_log_entries entries;
    int failures = 0;

    produce(0, 5);
    read_numbers(0, 5, 100, NULL);
    rd_kafka_mock_topic_set_error(cluster, "events", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_push_request_errors(cluster, FETCH, 1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    for (int64_t until_ms = tl_clock_monotonic_ms() + 15000; failures < 3; tl_clock_sleep_ms(20)) {
        enum tl_code rc = tl_log_read(log_, TOPIC, 0, 5, 10, SIZE_MAX, &entries, &err);

        cr_assert(rc == TL_OK || (rc == TL_ERR_IO && err.retriable), "%d %s", rc, err.message);
        failures += rc != TL_OK;
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "the error was not heard");
    }
    rd_kafka_mock_topic_set_error(cluster, "events", RD_KAFKA_RESP_ERR_NO_ERROR);
    produce(5, 9);
    read_numbers(5, 9, 100, NULL);
}

/* librdkafka's own call for a range would wait for a minute. */
Test(log_kafka_mock, a_range_that_nobody_tells_is_not_waited_for)
{
    int64_t first, end, began_ms;
    uint32_t partitions;
    uint64_t identity;

    ok(tl_log_topic(log_, TOPIC, &partitions, &identity, &err)); /* the connections are there, and the leader is known */
    ok(tl_log_range(log_, TOPIC, 0, &first, &end, &err));
    for (int b = 1; b <= BROKERS; b++)
        for (int i = 0; i < 40; i++)
            rd_kafka_mock_broker_push_request_error_rtts(cluster, b, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 60000);
    began_ms = tl_clock_monotonic_ms();
    cr_assert_eq(tl_log_range(log_, TOPIC, 0, &first, &end, &err), TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 30000);
}

/* What waits for a broker gives up when it is told to. */
Test(log_kafka_mock, a_handle_that_is_stopped_asks_no_longer)
{
    uint32_t partitions;
    uint64_t identity;
    int64_t began_ms;

    for (int b = 1; b <= BROKERS; b++)
        rd_kafka_mock_broker_set_rtt(cluster, b, 60000);
    tl_log_stop(log_);
    began_ms = tl_clock_monotonic_ms();
    err = (struct tl_err){0};
    cr_assert_eq(tl_log_topic(log_, TOPIC, &partitions, &identity, &err), TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 2000, "a question takes 5 s where nobody stops it");
}
