/* watch_test.c: a watch that is closed while its log does not answer. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/watch.h"
#include "simulate.h"

static const char views[] =
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
    "CREATE VIEW hosts AS SELECT event_time, host FROM events;";

static void see_range(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end)
{
    (void)ctx, (void)topic, (void)partition, (void)first, (void)end;
    cr_assert(false, "nothing answers");
}

static void see_gone(void *ctx, struct tl_sv topic)
{
    (void)ctx, (void)topic;
    cr_assert(false, "nothing answers");
}

/* Takes connections, and never says a word. */
static int mute_listen(char *url, size_t url_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, url_bytes, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    return listener;
}

/* The close comes before the log's thread has opened its handle, or at any time after. */
Test(watch, is_closed_at_once_while_its_log_is_being_opened, .timeout = 60)
{
    char url[40];
    int listener = mute_listen(url, sizeof url);
    struct tl_common_options common = {.log = "kafka", .metrics_listen = "127.0.0.1:0", .data = "/nonexistent"};
    struct tl_plan *plan = sim_plan(views);
    struct tl_watch_config config = {.common = &common, .plan = plan, .log_range = see_range, .topic_gone = see_gone};
    struct tl_err err;

    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", url, 1), 0);
    for (int i = 0; i < 8; i++) {
        struct tl_watch *watch;
        int64_t began_ms;

        cr_assert_eq(tl_daemon_open("speed", &common, &config.daemon, &err), TL_OK, "%s", err.message);
        cr_assert_eq(tl_watch_open(&config, &watch, &err), TL_OK, "%s", err.message);
        tl_clock_sleep_ms(i);
        began_ms = tl_clock_monotonic_ms();
        tl_watch_close(watch);
        cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 1500, "after %d ms: %lld ms", i,
                     (long long)(tl_clock_monotonic_ms() - began_ms));
        tl_daemon_close(config.daemon);
    }
    tl_plan_close(plan);
    close(listener);
}
