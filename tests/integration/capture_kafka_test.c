/* capture_kafka_test.c: events on their way to Kafka: brokers that are away, refuse or take the producer for another's; each event comes there, in order.
 * What a real broker cannot be made to do librdkafka's mock cluster does. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "speed_layer/capture_inside.h"
#include "support/capture_scene.h"
#include "support/http_get.h"
#include "support/intercept_run.h"
#include "support/kafka_broker.h"
#include "support/kafka_raw.h"

enum { PRODUCE = 0, BROKERS = 1, PATIENCE_MS = 30000 };

static struct capture_scene scene;
static struct tl_err err;
static char properties[8][300];

static void property(const char *name, const char *value)
{
    size_t at = scene.common.kafka_properties.count++;

    snprintf(properties[at], sizeof properties[at], "%s=%s", name, value);
    scene.common.kafka_properties.items[at] = properties[at];
}

/* ---- a real broker ---- */

static void broker_open(void)
{
    capture_scene_make(&scene);
    scene.common.log = "kafka";
    scene.options.topic = kafka_topic("capture");
    property("bootstrap.servers", kafka_env("KAFKA_URL"));
}

static void broker_close(void)
{
    capture_scene_remove(&scene);
    raw_delete_topic(scene.options.topic);
}

TestSuite(capture_kafka, .init = broker_open, .fini = broker_close, .timeout = 60);

Test(capture_kafka, a_topic_is_made_and_gets_each_event_once)
{
    size_t all = 0;

    scene.options.partitions = 3;
    capture_scene_open(&scene);
    capture_scene_late_after(&scene, 60000);
    capture_scene_put_all(&scene, 0, 5000, 300);
    capture_scene_await_delivered(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_close(&scene, PATIENCE_MS);
    for (uint32_t p = 0; p < 3; p++) {
        size_t count;
        int64_t *numbers = capture_scene_numbers(&scene, p, &count);

        for (size_t i = 1; i < count; i++)
            cr_assert_lt(numbers[i - 1], numbers[i]);
        cr_assert_gt(count, 1000);
        all += count;
        free(numbers);
    }
    cr_assert_eq(all, 5000);
}

Test(capture_kafka, the_key_is_kafkas_own)
{
    scene.options.key = TL_CAPTURE_KEY_HOST;
    capture_scene_open(&scene);
    capture_scene_put(&scene, 0, 50);
    capture_scene_close(&scene, PATIENCE_MS);
    cr_assert_eq(strncmp(raw_key_and_headers(scene.options.topic, 0), "example.com", 11), 0);
}

Test(capture_kafka, broker_mode_is_told_by_the_delivery_report)
{
    scene.options.mode = TL_CAPTURE_BROKER;
    capture_scene_open(&scene);
    capture_scene_late_after(&scene, 60000);
    capture_scene_put_all(&scene, 0, 200, 100);
    capture_scene_await_taken(&scene, 200);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_close(&scene, PATIENCE_MS);
    capture_scene_check_numbers(&scene, 0, 200);
}

/* A broker refuses a batch as a whole: the small ones in it are not to suffer. */
Test(capture_kafka, one_that_is_too_large_for_the_topic_is_dropped_and_the_rest_goes_on)
{
    size_t count;
    int64_t *numbers;

    property("compression.codec", "none");
    property("linger.ms", "50");
    raw_create_topic(scene.options.topic, "max.message.bytes", "4000", NULL);
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 100, 500);
    capture_scene_put(&scene, 100, 20000);
    capture_scene_put_all(&scene, 101, 200, 500);
    capture_scene_await_delivered(&scene, 199);
    cr_assert_eq(capture_scene_figures(&scene).dropped[TL_CAPTURE_TOO_LARGE], 1);
    capture_scene_close(&scene, PATIENCE_MS);
    numbers = capture_scene_numbers(&scene, 0, &count);
    cr_assert_eq(count, 199);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(numbers[i], (int64_t)i + (i >= 100));
    free(numbers);
}

Test(capture_kafka, one_that_is_larger_than_all_that_may_be_under_way_holds_up_nobody)
{
    property("queue.buffering.max.kbytes", "100");
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 500, 500);
    capture_scene_put(&scene, 500, 200000);
    capture_scene_put_all(&scene, 501, 1000, 500);
    capture_scene_await_delivered(&scene, 999);
    cr_assert_eq(capture_scene_figures(&scene).dropped[TL_CAPTURE_TOO_LARGE], 1);
}

/* Whoever waits for it hears of it, and holds up nobody. */
Test(capture_kafka, broker_mode_says_no_to_one_that_is_too_large)
{
    const int64_t until_ms = tl_clock_monotonic_ms() + 20000;

    property("compression.codec", "none");
    property("batch.size", "1000"); /* so that it is told at once, before it would go to the disk */
    raw_create_topic(scene.options.topic, "max.message.bytes", "4000", NULL);
    scene.options.mode = TL_CAPTURE_BROKER;
    capture_scene_open(&scene);
    capture_scene_late_after(&scene, 60000);
    capture_scene_put(&scene, 0, 20000);
    capture_scene_put_all(&scene, 1, 4, 500);
    capture_scene_await_taken(&scene, 3);
    while (atomic_load(&scene.refused) < 1 && tl_clock_monotonic_ms() < until_ms)
        tl_clock_sleep_ms(5);
    cr_assert_eq(atomic_load(&scene.refused), 1);
    cr_assert_eq(scene.capture->waiters.count, 0);
    capture_scene_close(&scene, PATIENCE_MS);
}

static void refuse_start(enum tl_code code, const char *words)
{
    struct tl_capture *capture = NULL;

    cr_assert_eq(tl_capture_open(&scene.common, NULL, &scene.options, NULL, &capture, &err), code, "%s", err.message);
    cr_assert_not_null(strstr(err.message, words), "%s", err.message);
}

Test(capture_kafka, a_property_that_is_none_is_an_error_at_the_start)
{
    property("max.request.size", "1000");
    refuse_start(TL_ERR_USAGE, "write 'message.max.bytes'");
}

Test(capture_kafka, a_wrong_password_is_an_error_at_the_start)
{
    scene.common.kafka_properties.count = 0;
    property("bootstrap.servers", kafka_env("KAFKA_SASL_URL"));
    property("ssl.ca.location", kafka_env("KAFKA_CA"));
    property("security.protocol", "sasl_ssl");
    property("sasl.mechanism", "PLAIN");
    property("sasl.username", kafka_env("KAFKA_USER"));
    property("sasl.password", "wrong");
    refuse_start(TL_ERR_IO, "sasl.password");
}

/* ---- the mock cluster ---- */

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;

static void mock_open(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[300];

    rd_kafka_conf_set(conf, "log_level", "0", words, sizeof words);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    cr_assert_not_null(host, "%s", words);
    cluster = rd_kafka_mock_cluster_new(host, BROKERS);
    cr_assert_not_null(cluster);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "events", 1, BROKERS), RD_KAFKA_RESP_ERR_NO_ERROR);
    capture_scene_make(&scene);
    scene.common.log = "kafka";
    property("bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster));
    property("reconnect.backoff.max.ms", "200");
    property("fetch.wait.max.ms", "20");
}

static void mock_close(void)
{
    capture_scene_remove(&scene);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

TestSuite(capture_mock, .init = mock_open, .fini = mock_close, .timeout = 60);

Test(capture_mock, a_broker_that_is_away_at_the_start_is_waited_for)
{
    rd_kafka_mock_broker_set_down(cluster, 1);
    scene.options.mode = TL_CAPTURE_BROKER;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 500, 200);
    capture_scene_await_taken(&scene, 500); /* on disk */
    cr_assert_eq(capture_scene_figures(&scene).delivered, 0);
    rd_kafka_mock_broker_set_up(cluster, 1);
    capture_scene_await_delivered(&scene, 500);
    capture_scene_close(&scene, PATIENCE_MS);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_check_numbers(&scene, 0, 500);
}

Test(capture_mock, a_broker_that_goes_and_comes_under_load_loses_and_doubles_nothing)
{
    int64_t n = 0;

    scene.options.memory_bytes_max = 256 << 10;
    scene.options.mode = TL_CAPTURE_BROKER;
    capture_scene_open(&scene);
    for (int i = 0; i < 3; i++) {
        capture_scene_put_all(&scene, n, n + 200, 300);
        n += 200;
        rd_kafka_mock_broker_set_down(cluster, 1);
        for (int k = 0; k < 10; k++) { /* more than memory has room for */
            capture_scene_put_all(&scene, n, n + 100, 300);
            n += 100;
            capture_scene_await_taken(&scene, (int)n);
        }
        rd_kafka_mock_broker_set_up(cluster, 1);
    }
    capture_scene_await_delivered(&scene, (uint64_t)n);
    cr_assert_eq(atomic_load(&scene.refused), 0);
    capture_scene_close(&scene, PATIENCE_MS);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_check_numbers(&scene, 0, n);
}

/* All of `numbers` from 0 on are there; some may be there twice. */
static void check_all_there(int64_t numbers_count)
{
    size_t count;
    int64_t *numbers = capture_scene_numbers(&scene, 0, &count);
    bool *seen = calloc((size_t)numbers_count, sizeof *seen);

    for (size_t i = 0; i < count; i++) {
        cr_assert(numbers[i] >= 0 && numbers[i] < numbers_count);
        seen[numbers[i]] = true;
    }
    for (int64_t i = 0; i < numbers_count; i++)
        cr_assert(seen[i], "%" PRId64, i);
    free(seen);
    free(numbers);
}

static void check_through(rd_kafka_resp_err_t first, rd_kafka_resp_err_t second)
{
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 100, 200);
    capture_scene_await_delivered(&scene, 100);
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 2, first, second);
    for (int64_t i = 100; i < 300; i += 20) {
        capture_scene_put_all(&scene, i, i + 20, 200);
        tl_clock_sleep_ms(5);
    }
    capture_scene_await_delivered(&scene, 300);
    capture_scene_close(&scene, PATIENCE_MS);
    check_all_there(300);
}

Test(capture_mock, a_producer_that_is_out_of_order_is_made_anew)
{
    check_through(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

Test(capture_mock, a_producer_that_is_fenced_is_made_anew)
{
    check_through(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
}

Test(capture_mock, what_passes_by_itself_is_repeated)
{
    check_through(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
}

Test(capture_mock, a_right_that_is_taken_away_and_given_back_loses_nothing)
{
    check_through(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

/* ---- the program ---- */

static void hello(struct site_visit *visit)
{
    wire_body(&visit->wire, false);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* Without a broker from the start: the site is served, events wait, and who asks is told what is missing. */
Test(intercept_kafka, a_broker_that_is_away_is_named_and_the_site_is_served, .timeout = 60)
{
    struct site *site = site_open(hello, NULL);
    struct intercept intercept = {.port = 0};
    struct wire_body body;
    char *text;

    intercept_start(
        &intercept, site,
        ARGS("--log", "kafka", "--kafka-property", "bootstrap.servers=127.0.0.1:9", "--metrics-listen", ":0", "--log-localhost"));
    text = http_wait_for(http_port_said(&intercept.run, "intercept"), "/readyz", 503, "127.0.0.1:9", 20000);
    cr_assert_not_null(text);
    free(text);
    cr_assert_eq(intercept_get(&intercept, "/a", &body), 200);
    cr_assert_str_eq(body.begins, "hello");
    text = http_wait_for(http_port_said(&intercept.run, "intercept"), "/metrics", 200, "\ntally_spool_events 1\n", 20000);
    cr_assert_not_null(text);
    free(text);
    run_signal(&intercept.run, SIGTERM);
    run_wait(&intercept.run);
    cr_assert_eq(intercept.run.status, 0, "%s", intercept.run.err);
    cr_assert_not_null(strstr(intercept.run.err, "1 events wait in the spool"), "%s", intercept.run.err);
    run_done(&intercept.run);
    run_folder_remove(intercept.dir);
    site_close(site);
}
