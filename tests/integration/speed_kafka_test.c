/* speed_kafka_test.c: speed on a real Kafka: where it begins and ends, what it does when a topic is not what it was, and the rows that come of it,
 * which are those of the embedded log. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ctype.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "store/store.h"
#include "support/dump.h"
#include "support/kafka_broker.h"
#include "support/kafka_raw.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/visits.h"

enum { STEP_MS = 200, PATIENCE_MS = 30000, PRODUCE = 0, FETCH = 1 /* API keys */ };

static char dir[RUN_DIR_BYTES], data[300], store[400], views[300], topic[200];
static struct tl_log *log_; /* to append to */
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
    snprintf(topic, sizeof topic, "%s", kafka_topic("speed"));
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_URL"), 1), 0);
    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND, &log_, &err), TL_OK, "%s", err.message);
}

static void folder_close(void)
{
    tl_log_close(log_);
    run_folder_remove(dir);
    store_folder_remove();
}

TestSuite(speed_kafka, .init = folder_open, .fini = folder_close, .timeout = 120);

/* The views of visits.h on a topic of this test, with more in WITH. */
static void views_on(const char *text, const char *more)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(text, place);
    char sql[8000];

    cr_assert_not_null(at);
    snprintf(sql, sizeof sql, "%.*s'topic' = '%s'%s%s", (int)(at - text), text, topic, more, at + strlen(place));
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", sql));
}

static void append(uint32_t partitions, int from, int to)
{
    visits_append_to(log_, topic, partitions, STEP_MS, from, to);
}

static void follow(struct run *run)
{
    run_start(run, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms", NULL});
}

static void once(struct run *run, const char *option)
{
    RUN(run, "speed", "--views", views, "--data", data, "--log", "kafka", "--once", option);
}

static void once_well(void)
{
    struct run run = {0};

    once(&run, NULL);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

static long number_of(const char *sql)
{
    char *text = dump_sql(store, sql);
    long number = strtol(text, NULL, 10);

    free(text);
    return number;
}

static bool has_read(long messages)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (access(store, F_OK) == 0 &&
            number_of("SELECT count(*) FROM sqlite_master WHERE name = 'tally_epoch_versions'") == 1 &&
            number_of("SELECT coalesce(sum(o.messages_count), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
                      " WHERE d.view = 'hits'") == messages)
            return true;
    return false;
}

/* What a run over the same events in the embedded log gives; offsets count otherwise there, for a commit takes one on Kafka. */
static void expect_rows_of_embedded_log(const char *const *names, uint32_t partitions, int events)
{
    char other[300], path[400], file[300];
    struct run run = {0};

    snprintf(other, sizeof other, "%s/embedded", dir);
    snprintf(path, sizeof path, "%s/views.db", other);
    cr_assert_eq(mkdir(other, 0777), 0);
    visits_append(other, partitions, STEP_MS, 0, events);
    snprintf(file, sizeof file, "%s",
             run_file_write(dir, "embedded.sql", names == visits_windows_names ? visits_windows : visits_views));
    RUN(&run, "speed", "--views", file, "--data", other, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    for (; *names != NULL; names++) {
        char sql[200], *got, *want;

        snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1, 2, 3, 4", *names);
        got = dump_sql(store, sql);
        want = dump_sql(path, sql);
        cr_expect_gt(strlen(want), 10, "%s", *names);
        cr_expect_str_eq(got, want, "%s", *names);
        free(got);
        free(want);
    }
}

Test(speed_kafka, gives_the_rows_of_the_embedded_log)
{
    struct run run = {0};

    views_on(visits_windows, "");
    append(1, 0, 1500);
    once_well();
    append(1, 1500, 2000);
    once(&run, NULL); /* from its position */
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    expect_rows_of_embedded_log(visits_windows_names, 1, 2000);
}

Test(speed_kafka, a_topic_that_gets_more_partitions)
{
    struct run run = {0};

    views_on(visits_views, "");
    append(1, 0, 300);
    follow(&run);
    cr_expect(has_read(300));
    append(3, 300, 600);
    cr_expect(has_read(600), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

Test(speed_kafka, begins_and_ends_where_the_table_says)
{
    struct run run = {0};
    char *ledger;

    append(1, 0, 300); /* one transaction: its end takes an offset too */
    views_on(visits_views,
             ", 'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = 'partition:0,offset:100',"
             " 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:250'");
    RUN(&run, "speed", "--views", views, "--data", data, "--log", "kafka");
    cr_assert_eq(run.status, 0, "a bounded table ends by itself: %s", run.err);
    run_done(&run);
    cr_expect_eq(
        number_of("SELECT messages_count FROM tally_offset JOIN tally_definition USING (definition) WHERE view = 'hits'"), 150);
    cr_expect_eq(number_of("SELECT count(*) FROM hits WHERE _final = 0"), 0, "nothing is open at the end");
    cr_expect_gt(number_of("SELECT count(*) FROM hits"), 5);
    ledger = dump_sql(store,
                      "SELECT \"offset\", \"row\" FROM tally_ledger JOIN tally_definition USING (definition) WHERE view = 'hits'"
                      " AND cause = 22 ORDER BY 1");
    cr_expect_str_eq(ledger, "0|0\n99|1\n", "what was left out stands in the ledger: %s", ledger);
    free(ledger);
}

/* What leads into a listener, as the environment's settings. */
static void set_way_in(enum kafka_listener listener)
{
    const struct tl_log_spec *spec = kafka_spec(listener);

    for (size_t i = 0; i < spec->properties_count; i++) {
        char name[80], value[300];
        size_t size = (size_t)snprintf(name, sizeof name, "TALLY_KAFKA_%.*s", TL_SV_ARG(spec->properties[i].name));

        for (size_t c = 0; c < size && c < sizeof name; c++)
            name[c] = (char)(name[c] == '.' ? '_' : toupper((unsigned char)name[c]));
        snprintf(value, sizeof value, "%.*s", TL_SV_ARG(spec->properties[i].value));
        cr_assert_eq(setenv(name, value, 1), 0);
    }
}

ParameterizedTestParameters(speed_kafka, comes_in_by_scram)
{
    static int listeners[] = {KAFKA_SASL_SCRAM_256, KAFKA_SASL_SCRAM_512};

    return cr_make_param_array(int, listeners, TL_COUNT(listeners));
}

/* Kafka since 3.9 refuses SCRAM as librdkafka did it before 2.6.1, rightly (kafka_error.c); with a newer one in its place tally comes in. */
ParameterizedTest(int *listener, speed_kafka, comes_in_by_scram)
{
    const char *newer = getenv("TALLY_TEST_RDKAFKA");

    cr_assert(newer != NULL && access(newer, R_OK) == 0,
              "TALLY_TEST_RDKAFKA names no library (tests/reference/requirements.txt)");
    views_on(visits_views, "");
    append(1, 0, 100);
    set_way_in((enum kafka_listener) * listener);
    cr_assert_eq(setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1), 0);
    cr_assert_eq(setenv("LD_PRELOAD", newer, 1), 0);
    once_well();
    cr_assert_eq(unsetenv("LD_PRELOAD"), 0);
    cr_expect(has_read(100));
}

Test(speed_kafka, a_topic_made_again_between_two_runs_is_noticed)
{
    struct run run = {0};

    views_on(visits_views, "");
    append(1, 0, 300);
    once_well();
    raw_delete_topic(topic);
    append(1, 1000, 1400); /* more than there were */
    once(&run, NULL);
    cr_expect_eq(run.status, 3);
    cr_expect(strstr(run.err, "deleted and made again") != NULL, "%s", run.err);
    run_done(&run);
}

Test(speed_kafka, a_topic_made_again_while_it_is_read_is_noticed)
{
    struct run run = {0};

    views_on(visits_views, "");
    append(1, 0, 300);
    follow(&run);
    cr_expect(has_read(300));
    raw_delete_topic(topic);
    append(1, 1000, 1400);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it reads on as if nothing had been");
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    run_done(&run);
}

/* So that it reads on in the new topic as if nothing had been: what was read last is of that, and only an older message tells. */
Test(speed_kafka, a_topic_made_again_while_it_stood_still_is_noticed)
{
    struct run run = {0};

    views_on(visits_views, "");
    append(1, 0, 300);
    follow(&run);
    cr_expect(has_read(300));
    tl_clock_sleep_ms(2500); /* it has looked, so the last of these is its anchor */
    run_signal(&run, SIGSTOP);
    raw_delete_topic(topic);
    append(1, 1000, 1400);
    run_signal(&run, SIGCONT);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it reads on as if nothing had been");
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    cr_expect_not_null(strstr(run.err, "deleted and made again"), "%s", run.err);
    run_done(&run);
}

static long lines_with(const char *text, const char *words)
{
    long count = 0;

    while ((text = strstr(text, words)) != NULL) {
        count++;
        text += strlen(words);
    }
    return count;
}

/* One worker reads from two clusters, and one of them goes away: the other's events are counted on, and each is said once. */
Test(speed_kafka, one_of_two_clusters_that_goes_away_is_said_once)
{
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0);
    rd_kafka_mock_cluster_t *far = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};
    char sql[2000];

    cr_assert_eq(rd_kafka_mock_topic_create(far, "far", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(unsetenv("TALLY_KAFKA_BOOTSTRAP_SERVERS"), 0);
    snprintf(sql, sizeof sql,
             "CREATE TABLE near_events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"
             "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = '%s',\n"
             "    'properties.bootstrap.servers' = '%s', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
             "CREATE TABLE far_events (n INT, event_time TIMESTAMP_LTZ(3),\n"
             "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 'far',\n"
             "    'properties.bootstrap.servers' = '%s', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
             "CREATE VIEW hits AS SELECT event_id, n FROM near_events WHERE n > 90;\n"
             "CREATE VIEW others AS SELECT n FROM far_events WHERE n > 90;\n",
             topic, kafka_env("KAFKA_URL"), rd_kafka_mock_cluster_bootstraps(far));
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", sql));
    append(1, 0, 100);
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms",
                                          "--workers", "1", NULL});
    cr_expect(has_read(100));
    rd_kafka_mock_broker_set_down(far, 1);
    cr_expect(run_says(&run, "the log does not answer", PATIENCE_MS));
    append(1, 100, 200);
    cr_expect(has_read(200));
    tl_clock_sleep_ms(1000); /* in which it would be said some more times */
    rd_kafka_mock_broker_set_up(far, 1);
    cr_expect(run_says(&run, "the log answers again", PATIENCE_MS));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(lines_with(run.err, "the log does not answer"), 1, "%s", run.err);
    cr_expect_eq(lines_with(run.err, "the log answers again"), 1, "%s", run.err);
    run_done(&run);
    rd_kafka_mock_cluster_destroy(far);
    rd_kafka_destroy(host);
}

/* Nothing to count, but offsets that pass: the store knows of them before the log lets go of all that lay there. */
Test(speed_kafka, offsets_without_messages_are_passed_in_the_store_too)
{
    rd_kafka_t *producer;
    struct run run = {0};
    long next = 0, end;

    views_on(visits_views, "");
    append(1, 0, 300);
    follow(&run);
    cr_expect(has_read(300));
    producer = raw_producer("transactional.id", topic, NULL);
    cr_assert_null(rd_kafka_init_transactions(producer, 20000));
    cr_assert_null(rd_kafka_begin_transaction(producer));
    raw_put(producer, topic, NULL, "aborted");
    raw_flush(producer);
    raw_abort(producer);
    rd_kafka_destroy(producer);
    end = 300 + 1 + 2; /* a marker behind each transaction */
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; next < end && tl_clock_monotonic_ms() < until_ms;
         tl_clock_sleep_ms(20))
        next = number_of("SELECT min(next_offset) FROM tally_offset");
    cr_expect_eq(next, end, "%ld", next);
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    cr_assert_eq(tl_log_trim(log_, tl_sv_from(topic), 0, end, &err), TL_OK, "%s", err.message);
    once_well();
}

Test(speed_kafka, offsets_that_are_gone_stop_it_and_a_gap_that_is_accepted_is_recorded)
{
    struct run run = {0};
    char *ledger;

    views_on(visits_views, "");
    append(1, 0, 300);
    once_well();
    append(1, 300, 600);
    cr_assert_eq(tl_log_trim(log_, tl_sv_from(topic), 0, 400, &err), TL_OK, "%s", err.message);
    once(&run, NULL);
    cr_expect_eq(run.status, 3);
    cr_expect(strstr(run.err, "offsets 301 to 399 are gone") != NULL, "%s", run.err);
    run_done(&run);
    once(&run, "--accept-gap");
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    ledger = dump_sql(store,
                      "SELECT \"offset\", \"row\" FROM tally_ledger JOIN tally_definition USING (definition) WHERE view = 'hits'"
                      " AND cause = 22 ORDER BY 1");
    cr_expect_str_eq(ledger, "301|0\n399|1\n", "%s", ledger);
    free(ledger);
}

Test(speed_kafka, what_is_wrong_is_said_in_one_line)
{
    struct run run = {0};

    views_on(visits_views, "");
    once(&run, NULL);
    cr_expect_eq(run.status, 3, "a topic that is not there: %s", run.err);
    cr_expect(strstr(run.err, "there is no topic") != NULL, "%s", run.err);
    run_done(&run);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_SASL_URL"), 1), 0);
    RUN(&run, "speed", "--views", views, "--data", data, "--log", "kafka", "--kafka-property", "security.protocol=sasl_ssl",
        "--kafka-property", "sasl.mechanism=PLAIN", "--kafka-property", "sasl.username=alice", "--kafka-property",
        "sasl.password=wrong-secret");
    cr_expect_eq(run.status, 3, "%s", run.err);
    cr_expect(strstr(run.err, "ssl.ca.location") != NULL, "%s", run.err);
    cr_expect(strstr(run.err, "wrong-secret") == NULL, "%s", run.err);
    run_done(&run);
}

/* A dozen views of two partitions: who asked for each of them would wait for a minute. */
Test(speed_kafka, status_asks_a_kafka_that_is_away_once)
{
    char sql[8000];
    struct run run = {0};
    size_t at;

    at = (size_t)snprintf(sql, sizeof sql, "%.*s", (int)(strstr(visits_views, "CREATE VIEW") - visits_views), visits_views);
    for (int i = 0; i < 12; i++)
        at += (size_t)snprintf(sql + at, sizeof sql - at, "CREATE VIEW v%d AS SELECT event_id, n FROM events WHERE n > %d;\n", i,
                               i);
    views_on(sql, "");
    append(2, 0, 20);
    once_well();
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", 1), 0);
    RUN(&run, "status", "--views", views, "--data", data, "--log", "kafka");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(lines_with(run.err, "how far the log goes is not known"), 1, "%s", run.err);
    cr_expect_eq(lines_with(run.out, "watermark"), 24, "%s", run.out);
    run_done(&run);
}

/* ---- dead letters ---- */

static const char far_views[] =
    "CREATE TABLE events (n INT, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT n FROM events WHERE n > 90;\n";

static void put_mock(rd_kafka_t *producer, const char *value)
{
    cr_assert_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("far"), RD_KAFKA_V_PARTITION(0),
                                   RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                 RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_flush(producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* A broker that has just come up, or lags, says that there is no such topic. */
Test(speed_kafka, a_broker_that_lags_is_no_end_of_a_topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *far = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};

    cr_assert_eq(rd_kafka_mock_topic_create(far, "far", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(far), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(far), 1), 0);
    snprintf(topic, sizeof topic, "far");
    views_on(far_views, "");
    put_mock(producer, "{\"n\":1,\"event_time\":\"2026-03-01T00:00:00Z\"}");
    follow(&run);
    cr_expect(has_read(1));
    rd_kafka_mock_topic_set_error(far, "far", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_push_request_errors(far, FETCH, 2, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_expect_not(run_wait_for(&run, 3000), "believed at once: %s", run.err);
    rd_kafka_mock_topic_set_error(far, "far", RD_KAFKA_RESP_ERR_NO_ERROR);
    put_mock(producer, "{\"n\":2,\"event_time\":\"2026-03-01T00:00:01Z\"}");
    cr_expect(run.pid != 0 && has_read(2));
    if (run.pid != 0) {
        run_signal(&run, SIGTERM);
        run_wait(&run);
    }
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(far);
    rd_kafka_destroy(host);
}

/* So it may be at the start, of what was read before: that is no topic that was deleted and made again. */
static void lags_at_start(const char *text)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *far = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};

    cr_assert_eq(rd_kafka_mock_topic_create(far, "far", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_mock_topic_create(far, "near", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(far), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(far), 1), 0);
    snprintf(topic, sizeof topic, "far");
    views_on(text, "");
    put_mock(producer, "{\"n\":1,\"event_time\":\"2026-03-01T00:00:00Z\"}");
    once_well();
    rd_kafka_mock_topic_set_error(far, "far", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    follow(&run);
    cr_expect_not(run_wait_for(&run, 2000), "believed at once: %s", run.err);
    rd_kafka_mock_topic_set_error(far, "far", RD_KAFKA_RESP_ERR_NO_ERROR);
    put_mock(producer, "{\"n\":2,\"event_time\":\"2026-03-01T00:00:01Z\"}");
    cr_expect(run.pid != 0 && has_read(2));
    if (run.pid != 0) {
        run_signal(&run, SIGTERM);
        run_wait(&run);
    }
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(far);
    rd_kafka_destroy(host);
}

Test(speed_kafka, a_broker_that_lags_at_the_start_is_no_end_of_a_topic)
{
    lags_at_start(far_views);
}

Test(speed_kafka, nor_is_one_that_knows_another_topic)
{
    char text[2000];

    snprintf(
        text, sizeof text,
        "%sCREATE TABLE others (n INT, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
        "    WITH ('connector' = 'kafka', 'topic' = 'near', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
        "CREATE VIEW rest AS SELECT n FROM others WHERE n > 90;\n",
        far_views);
    lags_at_start(text);
}

/* Eight workers, of which each has a client that waits for an answer: all are told first, and then waited for. */
Test(speed_kafka, a_kafka_that_hangs_keeps_nobody_from_ending)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *far = rd_kafka_mock_cluster_new(host, 1);
    int64_t began_ms;
    struct run run = {0};

    cr_assert_eq(rd_kafka_mock_topic_create(far, "far", 8, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(far), 1), 0);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(far), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    snprintf(topic, sizeof topic, "far");
    views_on(far_views, "");
    put_mock(producer, "{\"n\":1,\"event_time\":\"2026-03-01T00:00:00Z\"}");
    rd_kafka_destroy(producer);
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms",
                                          "--workers", "8", NULL});
    cr_expect(has_read(1));
    rd_kafka_mock_broker_set_rtt(far, 1, 60000);
    cr_expect(run_says(&run, "the log does not answer", PATIENCE_MS));
    run_signal(&run, SIGTERM);
    began_ms = tl_clock_monotonic_ms();
    cr_assert(run_wait_for(&run, PATIENCE_MS));
    cr_expect_lt(tl_clock_monotonic_ms() - began_ms, 6000, "%lld ms", (long long)(tl_clock_monotonic_ms() - began_ms));
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    rd_kafka_mock_cluster_destroy(far);
    rd_kafka_destroy(host);
}

/* A topic that has too few replicas in sync: ticks go on, the letters are in the table, and the process ends when it is told to. */
Test(speed_kafka, a_topic_for_dead_letters_that_takes_none_stops_no_ticks)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, NULL, 0), *producer;
    rd_kafka_mock_cluster_t *far = rd_kafka_mock_cluster_new(host, 1);
    struct run run = {0};
    char file[2000];

    cr_assert_eq(rd_kafka_mock_topic_create(far, "far", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_mock_topic_create(far, "far.dead", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(far), NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", rd_kafka_mock_cluster_bootstraps(far), 1), 0);
    snprintf(topic, sizeof topic, "far");
    snprintf(file, sizeof file, "SET 'tally.dead-letter.topic' = 'far.dead';\n%s", far_views);
    views_on(file, "");
    put_mock(producer, "no JSON");
    put_mock(producer, "{\"n\":1,\"event_time\":\"2026-03-01T00:00:00Z\"}");
    for (int i = 0; i < 2000; i++)
        rd_kafka_mock_broker_push_request_error_rtts(far, 1, PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 0);
    follow(&run);
    cr_expect(has_read(2));
    cr_expect_eq(number_of("SELECT count(*) FROM tally_dead_letter"), 1);
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it waits for the topic");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(lines_with(run.err, "the topic for dead letters takes none"), 1, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "1 dead letters may be in the store's table alone"), "%s", run.err);
    run_done(&run);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(far);
    rd_kafka_destroy(host);
}

Test(speed_kafka, dead_letters_go_to_their_topic_with_the_reason)
{
    char file[9000], dead_topic[220], want[800];
    const char *got;
    struct tl_log_entries entries;
    rd_kafka_t *producer = raw_producer(NULL, NULL);
    struct tl_log *reader = NULL;

    snprintf(dead_topic, sizeof dead_topic, "%s.dead", topic);
    snprintf(file, sizeof file, "SET 'tally.dead-letter.topic' = '%s';\n%s", dead_topic, visits_views);
    views_on(file, "");
    append(1, 0, 30);
    raw_put(producer, topic, NULL, "no JSON");
    raw_put(producer, topic, "key", NULL); /* a tombstone */
    raw_flush(producer);
    rd_kafka_destroy(producer);
    once_well();
    cr_expect_geq(number_of("SELECT count(*) FROM tally_dead_letter"), 2);
    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_READ, &reader, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_read_wait(reader, tl_sv_from(dead_topic), 0, 0, 100, SIZE_MAX, 20000, &entries, &err), TL_OK, "%s",
                 err.message);
    cr_expect_eq((long)entries.count, number_of("SELECT count(*) FROM tally_dead_letter"));
    cr_expect_gt(entries.count, 1);
    cr_expect(tl_sv_eq(entries.messages[entries.count - 2].value, TL_SV("no JSON")));
    snprintf(want, sizeof want,
             "%s/0/31/0 tally.reason=%s tally.cause=json_bad_row tally.topic=%s tally.partition=0 tally.offset=31 tally.row=0 "
             "tally.timestamp=",
             topic, tl_dead_reason_text(TL_DEAD_NOT_JSON), topic);
    got = raw_key_and_headers(dead_topic, entries.messages[entries.count - 2].offset);
    cr_expect(strncmp(got, want, strlen(want)) == 0, "%s, not %s", got, want);
    tl_log_close(reader);
}

/* As alice, whose rights can be taken. */
static void log_in(void)
{
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_SASL_URL"), 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SECURITY_PROTOCOL", "sasl_ssl", 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SSL_CA_LOCATION", kafka_env("KAFKA_CA"), 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SASL_MECHANISM", "PLAIN", 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SASL_USERNAME", kafka_env("KAFKA_USER"), 1), 0);
    cr_assert_eq(setenv("TALLY_KAFKA_SASL_PASSWORD", kafka_env("KAFKA_PASSWORD"), 1), 0);
}

static const char *views_with_dead_topic(void)
{
    static char dead_topic[220];
    char file[9000];

    snprintf(dead_topic, sizeof dead_topic, "%s.dead", topic);
    snprintf(file, sizeof file, "SET 'tally.dead-letter.topic' = '%s';\n%s", dead_topic, visits_views);
    views_on(file, "");
    return dead_topic;
}

static void append_value(uint32_t partition, struct tl_sv value)
{
    const struct tl_log_record record = {.partition = partition, .log_ms = INT64_MIN, .value = value};

    cr_assert_eq(tl_log_append(log_, tl_sv_from(topic), &record, 1, NULL, &err), TL_OK, "%s", err.message);
}

/* Nobody has to wait for the first letter to hear of it. */
Test(speed_kafka, a_topic_for_dead_letters_that_may_not_be_made_is_said_at_the_start)
{
    const char *dead_topic = views_with_dead_topic();
    struct run run = {0};

    append(1, 0, 30);
    raw_deny(kafka_env("KAFKA_USER"), dead_topic, RD_KAFKA_ACL_OPERATION_ALL);
    log_in();
    follow(&run);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "%s", run_err_so_far(&run));
    cr_expect_eq(run.status, 3, "%s", run.err);
    cr_expect_not_null(strstr(run.err, dead_topic), "%s", run.err);
    cr_expect_not_null(strstr(run.err, "uthorization failed"), "%s", run.err);
    run_done(&run);
}

Test(speed_kafka, a_topic_for_dead_letters_that_forbids_to_write_stops_nothing)
{
    const char *dead_topic = views_with_dead_topic();
    struct run run = {0};

    append(1, 0, 30);
    append_value(0, TL_SV("no JSON"));
    cr_assert_eq(tl_log_create_topic(log_, tl_sv_from(dead_topic), 1, &err), TL_OK, "%s", err.message);
    raw_allow(kafka_env("KAFKA_USER"), dead_topic, RD_KAFKA_ACL_OPERATION_DESCRIBE);
    log_in();
    once(&run, NULL);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_geq(number_of("SELECT count(*) FROM tally_dead_letter"), 1);
    cr_expect_eq(lines_with(run.err, "the topic for dead letters takes none"), 1, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "may be in the store's table alone"), "%s", run.err);
    run_done(&run);
}

Test(speed_kafka, a_dead_letter_that_is_too_large_for_its_topic_holds_up_none_of_the_others)
{
    const char *dead_topic = views_with_dead_topic();
    struct tl_log *reader = NULL;
    struct tl_log_entries entries;
    char large[20000];
    struct run run = {0};

    memset(large, 'x', sizeof large);
    append(1, 0, 30);
    append_value(0, TL_SV("before"));
    append_value(0, (struct tl_sv){large, sizeof large});
    append_value(0, TL_SV("after"));
    raw_create_topic(dead_topic, "max.message.bytes", "10000", NULL);
    once(&run, NULL);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_eq(lines_with(run.err, "too large for its topic"), 1, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "1 dead letters may be in the store's table alone"), "%s", run.err);
    run_done(&run);
    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_READ, &reader, &err), TL_OK, "%s", err.message);
    for (int64_t offset = 0, count = 0; count + 1 < number_of("SELECT count(*) FROM tally_dead_letter");
         count += (int64_t)entries.count) {
        cr_assert_eq(tl_log_read_wait(reader, tl_sv_from(dead_topic), 0, offset, 100, SIZE_MAX, 20000, &entries, &err), TL_OK,
                     "%s", err.message);
        offset = entries.next_offset;
        if (entries.count > 0)
            snprintf(large, sizeof large, "%.*s", TL_SV_ARG(entries.messages[entries.count - 1].value));
    }
    cr_expect_str_eq(large, "after");
    tl_log_close(reader);
}

/* Each transaction takes an offset of the topic for its marker. */
Test(speed_kafka, many_dead_letters_go_in_few_transactions)
{
    enum { LETTERS = 2000, TRANSACTIONS_MAX = 4 };
    static struct tl_log_record records[LETTERS];
    const char *dead_topic = views_with_dead_topic();
    int64_t first, end;

    append(1, 0, 30);
    for (size_t i = 0; i < LETTERS; i++)
        records[i] = (struct tl_log_record){.log_ms = INT64_MIN, .value = TL_SV("no JSON")};
    cr_assert_eq(tl_log_append(log_, tl_sv_from(topic), records, LETTERS, NULL, &err), TL_OK, "%s", err.message);
    once_well();
    cr_assert_eq(tl_log_range(log_, tl_sv_from(dead_topic), 0, &first, &end, &err), TL_OK, "%s", err.message);
    cr_expect_leq(end - number_of("SELECT count(*) FROM tally_dead_letter"), TRANSACTIONS_MAX);
    cr_expect_geq(end, LETTERS);
}

static bool has_letter(const char *dead_topic, uint32_t partition, struct tl_sv value)
{
    struct tl_log *reader = NULL;
    struct tl_log_entries entries;
    bool found = false;

    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_READ, &reader, &err), TL_OK, "%s", err.message);
    for (int64_t until_ms = tl_clock_monotonic_ms() + 2 * PATIENCE_MS; !found && tl_clock_monotonic_ms() < until_ms;
         tl_log_wait(reader, 50)) {
        if (tl_log_read(reader, tl_sv_from(dead_topic), partition, 0, 100, SIZE_MAX, &entries, &err) == TL_OK)
            for (size_t i = 0; i < entries.count; i++)
                found = found || tl_sv_eq(entries.messages[i].value, value);
    }
    tl_log_close(reader);
    return found;
}

Test(speed_kafka, a_topic_for_dead_letters_made_again_with_fewer_partitions)
{
    const char *dead_topic = views_with_dead_topic();
    struct run run = {0};

    /* How long a producer waits for a partition that it does not find. */
    cr_assert_eq(setenv("TALLY_KAFKA_TRANSACTION_TIMEOUT_MS", "2000", 1), 0);
    append(2, 0, 30);
    cr_assert_eq(tl_log_create_topic(log_, tl_sv_from(dead_topic), 2, &err), TL_OK, "%s", err.message);
    follow(&run);
    append_value(1, TL_SV("one"));
    cr_expect(has_letter(dead_topic, 1, TL_SV("one")), "%s", run_err_so_far(&run));
    raw_delete_topic(dead_topic);
    raw_create_topic(dead_topic, NULL);
    append_value(1, TL_SV("two"));
    cr_expect(has_letter(dead_topic, 0, TL_SV("two")), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* Somebody is changing the rules: it asks again, and does not end. */
Test(speed_kafka, a_right_that_is_taken_away_is_waited_for)
{
    struct run run = {0};

    views_on(visits_views, "");
    append(1, 0, 30);
    log_in();
    follow(&run);
    cr_expect(has_read(30), "%s", run_err_so_far(&run));
    raw_allow(kafka_env("KAFKA_USER"), topic, RD_KAFKA_ACL_OPERATION_DESCRIBE); /* and nothing else */
    append(1, 30, 40);
    cr_expect(run_says(&run, "the log does not answer, trying again", PATIENCE_MS), "%s", run_err_so_far(&run));
    cr_expect_not(run_wait_for(&run, 2500), "what looks at the topic once a second ends it: %s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* ---- the whole way ---- */

static char *example_views(void)
{
    static const struct {
        const char *old;
        const char *suffix;
    } names[] = {
        {"'topic' = 'events'",                        ""     },
        {"'tally.dead-letter.topic' = 'events.dead'", ".dead"},
    };
    FILE *in = fopen("deploy/examples/processed_events/views.sql", "r");
    static char text[9000], out[9000];
    size_t size;

    cr_assert_not_null(in);
    size = fread(text, 1, sizeof text - 1, in);
    text[size] = '\0';
    fclose(in);
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        char *at = strstr(text, names[i].old);

        cr_assert_not_null(at, "%s", names[i].old);
        snprintf(out, sizeof out, "%.*s%.*s = '%s%s'%s", (int)(at - text), text, (int)strcspn(names[i].old, "="), names[i].old,
                 topic, names[i].suffix, at + strlen(names[i].old));
        snprintf(text, sizeof text, "%s", out);
    }
    return text;
}

Test(speed_kafka, the_event_sink_of_the_training_project_in_postgresql)
{
    enum { EVENTS = 3000 };
    const char *places = getenv("TALLY_TEST_PLACES");
    static char lines[EVENTS * 300];
    char url[512], file[300];
    size_t size = 0;
    struct run run = {0};

    for (int i = 0; i < EVENTS; i++)
        size += (size_t)snprintf(
            lines + size, sizeof lines - size,
            "{\"event_id\":\"e%d\",\"url\":\"https://www.example.org/page/%d\",\"referrer\":\"%s\",\"user_agent\":\"{}\","
            "\"headers\":\"{}\",\"host\":\"host%d\",\"ip\":\"%s\",\"event_time\":\"2026-03-01T%02d:%02d:%02d.250Z\"}\n",
            i, i % 40, i % 3 == 0 ? "https://search.example/" : "", i % 4, i % 2 == 0 ? "203.0.113.7" : "10.0.0.1", i / 3600,
            i / 60 % 60, i % 60);
    snprintf(file, sizeof file, "%s", run_file_write(dir, "events.jsonl", lines));
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", example_views()));
    cr_assert_eq(setenv("TALLY_PLACES", places != NULL ? places : "build/places/city.mmdb", 1), 0);
    store_postgres.url(url);
    RUN(&run, "import", file, "--format", "jsonl", "--log", "kafka", "--views", views, "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "speed", "--views", views, "--data", data, "--log", "kafka", "--store", url, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    cr_expect_str_eq(store_postgres_ask(url, "SELECT count(*), count(DISTINCT url) FROM processed_events"), "3000 40\n");
    cr_expect_str_eq(
        store_postgres_ask(url, "SELECT geodata::json ->> 'country', count(*) FROM processed_events GROUP BY 1 ORDER BY 1"),
        " 1500\nUS 1500\n");
    cr_expect_str_eq(store_postgres_ask(url, "SELECT host, num_hits FROM processed_events_aggregated WHERE event_hour ="
                                             " '2026-03-01T00:05:00Z' ORDER BY 1"),
                     "host0 75\nhost1 75\nhost2 75\nhost3 75\n");
    cr_expect_str_eq(
        store_postgres_ask(url, "SELECT host, referrer, num_hits FROM processed_events_aggregated_source WHERE event_hour ="
                                " '2026-03-01T00:05:00Z' AND host < 'host2' ORDER BY 1, 2"),
        "host0  50\nhost0 https://search.example/ 25\nhost1  50\nhost1 https://search.example/ 25\n");
    RUN(&run, "archive", "--views", views, "--data", data, "--log", "kafka");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", views, "--data", data, "--log", "kafka", "--store", url, "--to", "2026-03-01T00:40:00Z");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "reconcile", "--views", views, "--data", data, "--log", "kafka", "--store", url);
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    cr_expect(strstr(run.out, "100% of groups equal") != NULL, "%s", run.out);
    run_done(&run);
    cr_expect_str_eq(
        store_postgres_ask(url, "SELECT _layer, sum(num_hits) FROM processed_events_aggregated GROUP BY 1 ORDER BY 1"),
        "batch 2400\nspeed 600\n");
}

Test(speed_kafka, up_runs_all_parts_on_kafka_and_postgresql)
{
    struct run run = {0};
    char url[512];
    bool published = false;

    store_postgres.url(url);
    views_on(visits_views, "");
    append(2, 0, 2000);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--log",
                                          "kafka", "--store", url, "--archive-every", "200ms", "--batch-every", "300ms", NULL});
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; !published && tl_clock_monotonic_ms() < until_ms;
         tl_clock_sleep_ms(50))
        published =
            strcmp(store_postgres_ask(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'tally_pointer' AND schemaname ="
                                           " current_schema()"),
                   "1\n") == 0 &&
            strcmp(store_postgres_ask(url, "SELECT count(DISTINCT definition) FROM tally_pointer"), "2\n") == 0 &&
            strcmp(store_postgres_ask(url, "SELECT coalesce(sum(messages_count), 0) FROM tally_offset"), "4000\n") == 0;
    cr_expect(published, "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "reconcile", "--views", views, "--data", data, "--log", "kafka", "--store", url);
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    cr_expect(strstr(run.out, " 0 unexplained") != NULL, "%s", run.out);
    run_done(&run);
}
