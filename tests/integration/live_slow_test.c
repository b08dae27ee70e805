/* live_slow_test.c: clients of /api/v1/live that take little or nothing of what they are told: serve's memory is bounded, they are told merged changes when they read again, or are
 * cut off, and others are told everything meanwhile.
 *
 * Each slow client has an id of its own, so none of its frames is another's too: what waited for all of them without a limit would be many times what it may be. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "event/timestamp.h"
#include "support/serve_run.h"
#include "support/ws_crowd.h"

enum {
    HOSTS = 400,
    NAME_BYTES = 250,
    ROUNDS = 40,
    PAUSE_MS = 60, /* a tick or two, so that many changes are told one by one */
    CLIENTS_OF_A_KIND = 8,
    MESSAGES = 15, /* that who reads has got, so that it can be told from who gets them merged */
    PATIENCE_MS = 20000,
    LONG_ROUNDS = 130,
    LONG_PAUSE_MS = 500, /* 65 s: lagging_ms is 30 s, and write_ms, which a connection may have twice */
    BACKLOG_KIB = 1024,
    OTHER_KIB = 48 * 1024, /* snapshots, the turn's frames, what malloc keeps */
};
#define START_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end, host;\n";

static struct pipeline p;
static struct serve serve;
static struct run speed;
static int appended;

static void open_pipeline(void)
{
    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
}

static void close_pipeline(void)
{
    run_done(&serve.run);
    run_done(&speed);
    pipeline_close(&p);
}

TestSuite(live_slow, .init = open_pipeline, .fini = close_pipeline, .timeout = 240);

/* An event for each host: each row changes. */
static void append_round(void)
{
    static char texts[HOSTS][NAME_BYTES + 150], name[NAME_BYTES + 1];
    struct tl_log_record records[HOSTS];

    memset(name, 'x', NAME_BYTES);
    for (int h = 0; h < HOSTS; h++, appended++) {
        char time[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(START_MS + appended, time);
        snprintf(texts[h], sizeof texts[h], "{\"event_id\":\"e%d\",\"host\":\"%03d%s\",\"event_time\":\"%s\"}", appended, h, name,
                 time);
        records[h] = (struct tl_log_record){.log_ms = START_MS + appended, .value = tl_sv_from(texts[h])};
    }
    pipeline_append(&p, 1, records, HOSTS);
}

static long memory_kib(void)
{
    char path[64], line[200];
    FILE *file;
    long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)serve.run.pid);
    file = fopen(path, "re");
    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "VmRSS: %ld", &kib);
    fclose(file);
    return kib;
}

static double connections(void)
{
    struct http_answer answer = http_get(serve.monitor, "/metrics");
    double value = http_sample(answer.body, "tally_serve_open_connections");

    http_done(&answer);
    return value;
}

static void expect_agreement(struct ws_crowd *crowd, size_t wish, const char *what)
{
    struct serve_answer answer = serve_get(&serve, "/api/v1/views/hits?limit=10000&format=ndjson");
    size_t differing;

    cr_assert_eq(answer.status, 200);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
         (differing = ws_crowd_differing(crowd, wish, answer.body)) > 0 && tl_clock_monotonic_ms() < until_ms;)
        tl_clock_sleep_ms(20);
    ws_crowd_check(crowd, what);
    cr_assert_eq(differing, 0, "%s: %zu have other rows", what, differing);
    serve_done(&answer);
}

static struct ws_crowd *begin(const struct ws_crowd_wish *wishes, size_t count)
{
    size_t clients = count * CLIENTS_OF_A_KIND;
    struct ws_crowd *crowd;

    append_round();
    TALLY(&p, 0, "speed", "--once");
    serve_start(&serve, &p, (const char *const[]){"--live-horizon", "100000h", NULL});
    serve_found(&serve);
    run_start(&speed, (const char *const[]){"speed", "--views", p.views, "--data", p.data, "--tick", "20ms", NULL});
    crowd = ws_crowd_open(wishes, count, clients, 1);
    ws_crowd_port(crowd, serve.port);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; connections() < (double)clients; tl_clock_sleep_ms(20))
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
    tl_clock_sleep_ms(300); /* their subscriptions */
    return crowd;
}

/* Round after round, until `seen` agree; the most memory that serve had. */
static long run_rounds(struct ws_crowd *crowd, size_t seen, int rounds, int64_t pause_ms)
{
    long most_kib = 0;

    /* A machine that is slow itself has several rounds in one message. */
    for (int r = 0; r < rounds || (r < 3 * rounds && ws_crowd_messages(crowd, seen) < MESSAGES * CLIENTS_OF_A_KIND); r++) {
        append_round();
        tl_clock_sleep_ms(pause_ms);
        most_kib = tl_max_i64(most_kib, memory_kib());
    }
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_assert_eq(speed.status, 0, "%s", speed.err);
    expect_agreement(crowd, seen, "who reads");
    return tl_max_i64(most_kib, memory_kib());
}

Test(live_slow, who_reads_nothing_costs_little_and_holds_up_nobody)
{
    static const struct ws_crowd_wish wishes[] = {
        {"hits", NULL, WS_CROWD_READS,         false},
        {"hits", NULL, WS_CROWD_READS_NOTHING, true },
        {"hits", NULL, WS_CROWD_READS_A_BYTE,  true },
        {"hits", NULL, WS_CROWD_STOPS,         true },
    };
    enum { CLIENTS = CLIENTS_OF_A_KIND * TL_COUNT(wishes), SLOW = CLIENTS - CLIENTS_OF_A_KIND };
    struct ws_crowd *crowd = begin(wishes, TL_COUNT(wishes));
    long before_kib = memory_kib(), most_kib = run_rounds(crowd, 0, ROUNDS, PAUSE_MS);

    cr_assert_eq(connections(), CLIENTS, "the slow ones have gone, so nothing is said of those who read beside them");
    fprintf(stderr, "live_slow: %d slow clients, %ld KiB before, %ld KiB at most; messages of who reads: %ld", SLOW, before_kib,
            most_kib, ws_crowd_messages(crowd, 0));
#ifndef TL_SANITIZED /* which keeps what is freed */
    cr_expect_lt(most_kib - before_kib, SLOW * BACKLOG_KIB + OTHER_KIB, "%ld KiB for %d slow clients", most_kib - before_kib,
                 SLOW);
#endif
    /* They read again: what has come together is told once, and nothing of it is wrong (ws_crowd.h). */
    ws_crowd_settle(crowd);
    for (size_t w = 1; w < TL_COUNT(wishes); w++) {
        expect_agreement(crowd, w, "who was slow");
        fprintf(stderr, ", of who was slow: %ld", ws_crowd_messages(crowd, w));
        cr_expect_lt(ws_crowd_messages(crowd, w) * 2, ws_crowd_messages(crowd, 0));
    }
    fprintf(stderr, "\n");
    ws_crowd_close(crowd);
    serve_stop(&serve);
}

Test(live_slow, who_takes_too_little_for_too_long_is_cut_off)
{
    static const struct ws_crowd_wish wishes[] = {
        {"hits", NULL, WS_CROWD_READS,         false},
        {"hits", NULL, WS_CROWD_READS_NOTHING, true },
        {"hits", NULL, WS_CROWD_READS_A_BYTE,  true },
        {"hits", NULL, WS_CROWD_STOPS,         true },
        {"hits", NULL, WS_CROWD_READS_SLOWLY,  true },
        {"hits", NULL, WS_CROWD_READS_IN_TIME, true },
    };
    enum { CLIENTS = CLIENTS_OF_A_KIND * TL_COUNT(wishes) };
    struct ws_crowd_counts counts;
    struct ws_crowd *crowd;
    double left;

    if (getenv("TALLY_LONG") == NULL)
        cr_skip_test("takes a minute: TALLY_LONG=1");
    crowd = begin(wishes, TL_COUNT(wishes));
    run_rounds(crowd, 0, LONG_ROUNDS, LONG_PAUSE_MS);
    left = connections();
    ws_crowd_settle(crowd);
    for (size_t w = 0; w < TL_COUNT(wishes); w++)
        expect_agreement(crowd, w, "who has come back");
    counts = ws_crowd_counts(crowd);
    fprintf(stderr,
            "live_slow: %.0f of %d connections after %d s; %ld closed, %ld with 1013, %ld came back with a place, %ld resyncs\n",
            left, CLIENTS, LONG_ROUNDS * LONG_PAUSE_MS / 1000, counts.closes, counts.too_slow, counts.resumed, counts.resyncs);
    /* Who took next to nothing is told nothing any more; who read slowly is told why; and who takes half in time stays. */
    cr_expect_eq(counts.too_slow, CLIENTS_OF_A_KIND, "%ld were told that they were too slow", counts.too_slow);
    cr_expect_leq(left, 3 * CLIENTS_OF_A_KIND, "%.0f connections stay", left);
    ws_crowd_close(crowd);
    serve_stop(&serve);
}
