/* archive_kafka_test.c: archive on Kafka: what it must not pass over, and a topic that is not the one on record. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "log/log.h"
#include "master/master.h"
#include "support/kafka_broker.h"
#include "support/kafka_raw.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 200, FETCH = 1, LIST_OFFSETS = 2 /* API keys */ };

static char dir[RUN_DIR_BYTES], data[300], views[300], topic[200];
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    snprintf(topic, sizeof topic, "%s", kafka_topic("archive"));
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_URL"), 1), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(archive_kafka, .init = folder_open, .fini = folder_close, .timeout = 60);

/* The views of visits.h on a topic of this test. */
static void views_on(const char *name)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    char sql[8000];

    snprintf(sql, sizeof sql, "%.*s'topic' = '%s'%s", (int)(at - visits_views), visits_views, name, at + strlen(place));
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", sql));
}

static void append(int from, int to)
{
    struct tl_log *log;

    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    visits_append_to(log, topic, 1, STEP_MS, from, to);
    tl_log_close(log);
}

static uint64_t on_record(const char *name)
{
    const struct tl_master_file *files;
    struct tl_master *master;
    uint64_t messages = 0;
    size_t count;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_list(master, tl_sv_from(name), &files, &count, &err), TL_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++)
        messages += files[i].messages_count;
    tl_master_close(master);
    return messages;
}

static void archive(struct run *run)
{
    RUN(run, "archive", "--views", views, "--data", data, "--log", "kafka");
}

/* Of Kafka's, with more than there was: only the messages tell. */
Test(archive_kafka, a_topic_made_again_is_not_mixed_with_the_old_one)
{
    struct run run = {0};

    views_on(topic);
    append(0, 100);
    archive(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    append(100, 150);
    archive(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    cr_assert_eq(on_record(topic), 150);
    raw_delete_topic(topic);
    append(1000, 1400);
    archive(&run);
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    cr_expect_not_null(strstr(run.err, "was deleted and made again"), "%s", run.err);
    run_done(&run);
    cr_expect_eq(on_record(topic), 150, "nothing of the new one is on record");
}

/* When the record was last known to be complete; INT64_MIN: never. */
static int64_t complete_as_of_ms(int64_t *offset)
{
    const struct tl_master_complete *complete;
    struct tl_master *master;
    uint64_t identity;
    int64_t end_ms;
    size_t count;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_read_complete(master, tl_sv_from(topic), &complete, &count, &identity, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(count, 1);
    *offset = complete[0].offset;
    end_ms = complete[0].end_ms;
    tl_master_close(master);
    return end_ms;
}

static void archive_well(void)
{
    struct run run = {0};

    archive(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* It holds events of a while ago, which nobody can read yet. */
Test(archive_kafka, an_open_transaction_keeps_the_record_from_being_complete)
{
    rd_kafka_t *producer = raw_producer("transactional.id", topic, NULL);
    int64_t before_ms, offset;

    views_on(topic);
    append(0, 10);
    archive_well();
    before_ms = complete_as_of_ms(&offset);
    cr_assert_eq(offset, 11);
    cr_assert_gt(before_ms, 0);
    cr_assert_eq(rd_kafka_init_transactions(producer, 10000), NULL);
    cr_assert_eq(rd_kafka_begin_transaction(producer), NULL);
    raw_put(producer, topic, NULL, "{\"n\":1}");
    raw_flush(producer);
    archive_well();
    cr_expect_eq(complete_as_of_ms(&offset), before_ms);
    cr_expect_eq(offset, 11);
    raw_commit(producer);
    archive_well();
    cr_expect_gt(complete_as_of_ms(&offset), before_ms);
    cr_expect_gt(offset, 11);
    rd_kafka_destroy(producer);
}

Test(archive_kafka, a_topic_that_is_not_there_is_no_success)
{
    struct run run = {0};

    views_on(topic);
    archive(&run);
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    cr_expect_not_null(strstr(run.err, "there is no topic"), "%s", run.err);
    run_done(&run);
}

Test(archive_kafka, who_is_refused_from_the_start_is_told)
{
    struct run run = {0};

    views_on(topic);
    append(0, 10);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_SASL_URL"), 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SSL_CA_LOCATION", kafka_env("KAFKA_CA"), 1), 0);
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--log", "kafka", "--follow", "--interval",
                                          "100ms", "--kafka-property", "security.protocol=sasl_ssl", "--kafka-property",
                                          "sasl.mechanism=PLAIN", "--kafka-property", "sasl.username=alice", "--kafka-property",
                                          "sasl.password=wrong", NULL});
    cr_assert(run_wait_for(&run, 20000), "it goes on: %s", run_err_so_far(&run));
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    cr_expect_not_null(strstr(run.err, "sasl.password"), "%s", run.err);
    run_done(&run);
}

/* ---- librdkafka's mock cluster ---- */

static void produce(rd_kafka_t *producer, int from, int to)
{
    for (int i = from; i < to; i++) {
        char value[80];

        snprintf(value, sizeof value, "{\"host\":\"h\",\"number\":%d}", i);
        cr_assert_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("events"), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                       RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    cr_assert_eq(rd_kafka_flush(producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static bool comes_to(uint64_t messages)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + 20000; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (on_record("events") >= messages)
            return true;
    return false;
}

/* A partition whose leader does not know it yet. */
Test(archive_kafka, what_passes_by_itself_is_waited_for_whatever_it_is)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};

    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "events", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(cluster), 1), 0);
    views_on("events");
    produce(producer, 0, 5);
    for (int i = 0; i < 1000; i++)
        rd_kafka_mock_push_request_errors(cluster, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--log", "kafka", "--follow", "--interval",
                                          "100ms", NULL});
    cr_expect(run_says(&run, "tries again", 20000), "%s", run_err_so_far(&run));
    rd_kafka_mock_clear_request_errors(cluster, LIST_OFFSETS);
    cr_expect(comes_to(5), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

/* The log says that there is more, and the reader has last heard that it is at the end: it waits, and passes over nothing. */
Test(archive_kafka, what_a_stalled_fetch_holds_back_is_not_passed_over)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};

    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "events", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(cluster), 1), 0);
    views_on("events");
    produce(producer, 0, 5);
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--log", "kafka", "--follow", "--interval",
                                          "100ms", NULL});
    cr_expect(comes_to(5));
    tl_clock_sleep_ms(400); /* a pass that finds nothing new: the reader knows the end */
    for (int i = 0; i < 8; i++)
        rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, FETCH, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 400);
    produce(producer, 5, 25);
    tl_clock_sleep_ms(300);
    produce(producer, 25, 35);
    cr_expect(comes_to(35), "%d are on record", (int)on_record("events"));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(on_record("events"), 35);
    run_done(&run);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}
