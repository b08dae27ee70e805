/* serve_limits_test.c: clients of `tally serve` that take what is others': more connections than there may be, heads that never end, connections that say nothing, pings that nobody
 * answers. Each has its limit, and whoever asks as he should is answered all the while. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/serve_run.h"
#include "support/ws_frame.h"

enum { PLACES = 20, HEAD_MS = 10000, PATIENCE_MS = 20000 };

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n";

static struct pipeline p;
static struct serve serve;

static void open_pipeline(void)
{
    char path[300];

    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
    snprintf(
        path, sizeof path, "%s",
        run_file_write(p.dir, "line.jsonl", "{\"event_id\":\"e\",\"host\":\"a\",\"event_time\":\"2024-03-01T10:00:00.000Z\"}\n"));
    TALLY(&p, 0, "import", path, "--format", "jsonl");
    TALLY(&p, 0, "speed", "--once");
    signal(SIGPIPE, SIG_IGN);
}

static void close_pipeline(void)
{
    run_done(&serve.run);
    pipeline_close(&p);
}

TestSuite(serve_limits, .init = open_pipeline, .fini = close_pipeline, .timeout = 240);

static void start(const char *const *args)
{
    serve_start(&serve, &p, args);
    serve_found(&serve);
}

static int say_to(uint16_t port, const char *text)
{
    int fd = http_connect(port);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

/* Is there something to read, or the end, by then? */
static bool comes(int fd, int64_t within_ms)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)within_ms) == 1;
}

/* What comes, until the end; -1: that is a cut. */
static int read_end(int fd, char *out, size_t out_bytes)
{
    size_t size = 0;
    ssize_t got;

    do {
        cr_assert(comes(fd, PATIENCE_MS), "nothing comes");
        got = read(fd, out + size, out_bytes - 1 - size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    out[size] = '\0';
    return got < 0 ? -1 : (int)size;
}

static const char request[] = "GET /api/v1/views HTTP/1.1\r\nHost: localhost\r\n\r\n";

static void expect_answer(const char *when)
{
    struct serve_answer answer = serve_get(&serve, "/api/v1/views");

    cr_assert_eq(answer.status, 200, "%s: %d", when, answer.status);
    serve_done(&answer);
}

Test(serve_limits, idle_ones_go_where_others_come)
{
    int fds[3 * PLACES];
    char text[4096];

    start((const char *const[]){"--max-connections", "20", NULL});
    for (int i = 0; i < 3 * PLACES; i++) {
        fds[i] = say_to(serve.port, request);
        cr_assert(comes(fds[i], PATIENCE_MS), "number %d is not answered", i);
        cr_assert_gt(read(fds[i], text, sizeof text), 0);
        cr_assert_eq(strncmp(text, "HTTP/1.1 200", 12), 0, "number %d: %.100s", i, text);
    }
    cr_assert_geq(read_end(fds[0], text, sizeof text), 0, "the first one was not ended but cut");
    expect_answer("full of idle ones");
    for (int i = 0; i < 3 * PLACES; i++)
        close(fds[i]);
    serve_stop(&serve);
}

/* Nobody who listens is sent away for one who comes; he waits at the door. */
Test(serve_limits, who_comes_where_all_places_are_taken_waits)
{
    static struct wire listeners[PLACES];
    char text[4096];
    int fd;

    start((const char *const[]){"--max-connections", "20", NULL});
    for (int i = 0; i < PLACES; i++) {
        wire_open(&listeners[i], serve.port);
        cr_assert(ws_shake(&listeners[i], ""));
    }
    fd = say_to(serve.port, request);
    cr_assert_not(comes(fd, 1000), "there are more than 20");
    for (int i = 0; i < PLACES; i++) {
        ws_say(&listeners[i], "{\"type\":\"ping\"}");
        ws_hear_words(&listeners[i], "pong");
    }
    wire_cut(&listeners[7]);
    cr_assert(comes(fd, PATIENCE_MS), "it is not answered");
    cr_assert_gt(read(fd, text, sizeof text), 0);
    cr_assert_eq(strncmp(text, "HTTP/1.1 200", 12), 0);
    close(fd);
    for (int i = 0; i < PLACES; i++)
        wire_close(&listeners[i]);
    serve_stop(&serve);
}

Test(serve_limits, one_address_has_no_more_than_its_own)
{
    static struct wire listeners[5];
    char text[4096];
    int fd;

    start((const char *const[]){"--max-connections-per-ip", "5", NULL});
    for (int i = 0; i < 5; i++) {
        wire_open(&listeners[i], serve.port);
        cr_assert(ws_shake(&listeners[i], ""));
    }
    for (int i = 0; i < 10; i++) {
        fd = http_connect(serve.port);
        (void)!write(fd, request, sizeof request - 1);
        cr_assert_leq(read_end(fd, text, sizeof text), 0, "%s", text);
        close(fd);
    }
    wire_close(&listeners[0]);
    tl_clock_sleep_ms(200);
    expect_answer("one has gone");
    for (int i = 0; i < 5; i++)
        wire_close(&listeners[i]);
    serve_stop(&serve);
}

/* A byte a second, on each place that there is. */
Test(serve_limits, heads_that_never_end_keep_nobody_out)
{
    static const char head[] = "GET /api/v1/views HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    int64_t began_ms, answered_ms = 0;
    char text[4096];
    int fds[PLACES], timed_out = 0;

    start((const char *const[]){"--max-connections", "20", NULL});
    for (int i = 0; i < PLACES; i++)
        fds[i] = say_to(serve.port, i % 2 == 0 ? "GET /" : ""); /* half of them open, and nothing else */
    began_ms = tl_clock_monotonic_ms();
    for (size_t second = 0; tl_clock_monotonic_ms() - began_ms < HEAD_MS + 1500; second++) {
        for (int i = 0; i < PLACES; i += 2)
            (void)!write(fds[i], head + 5 + second, 1);
        if (second % 4 == 3) {
            expect_answer("slow heads on all places");
            answered_ms = answered_ms != 0 ? answered_ms : tl_clock_monotonic_ms() - began_ms;
        }
        tl_clock_sleep_ms(1000);
    }
    cr_expect_lt(answered_ms, HEAD_MS - 1000, "it had to wait until their time was over");
    for (int i = 0; i < PLACES; i++) {
        if (read_end(fds[i], text, sizeof text) > 0) {
            cr_expect_eq(strncmp(text, "HTTP/1.1 408 ", 13), 0, "%s", text);
            timed_out++;
        }
        close(fds[i]);
    }
    cr_expect_geq(timed_out, PLACES / 4, "%d of those who began were told that it took too long", timed_out);
    expect_answer("behind them");
    serve_stop(&serve);
}

/* Whose other end has gone without a word looks the same as one that answers no ping. */
Test(serve_limits, who_answers_no_ping_is_gone)
{
    static struct wire silent, alive;
    struct ws_frame frame;
    int64_t began_ms;
    int pings = 0;

    if (getenv("TALLY_LONG") == NULL)
        cr_skip_test("takes a minute: TALLY_LONG=1");
    start((const char *const[]){NULL});
    wire_open(&silent, serve.port);
    wire_open(&alive, serve.port);
    cr_assert(ws_shake(&silent, "") && ws_shake(&alive, ""));
    began_ms = tl_clock_monotonic_ms();
    while (tl_clock_monotonic_ms() - began_ms < 55000) {
        expect_answer("a minute");
        if (comes(alive.fd, 500)) {
            cr_assert(ws_hear(&alive, &frame));
            cr_assert_eq(frame.first, WS_PING);
            ws_send(&alive, WS_PONG, frame.payload);
            pings++;
        }
    }
    cr_assert_geq(pings, 1);
    cr_assert(comes(silent.fd, 0));
    cr_assert(ws_hear(&silent, &frame));
    cr_assert_eq(frame.first, WS_PING);
    cr_assert_not(ws_hear(&silent, &frame), "it is there still");
    ws_say(&alive, "{\"type\":\"ping\"}");
    ws_hear_words(&alive, "pong");
    wire_close(&silent);
    wire_close(&alive);
    serve_stop(&serve);
}
