/* postgres_cut_test.c: speed on PostgreSQL through a connection that is cut around COMMIT, before it arrives, once it has, and before its answer is
 * heard: each tick is counted once. TALLY_CUTS: how often (12; 500 of each kind are run by hand). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/tcp_proxy.h"
#include "support/visits.h"

enum { STEP_MS = 200, EVENTS_PER_CUT = 40, PATIENCE_MS = 30000 };

static char dir[RUN_DIR_BYTES], views[300], data[300];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
    store_folder_remove();
}

TestSuite(postgres_cut, .init = folder_open, .fini = folder_close, .timeout = 4000);

static bool cut_by(struct tcp_proxy *proxy, int cuts)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(2))
        if (tcp_proxy_cuts(proxy) >= cuts)
            return true;
    return false;
}

static bool has_read(const char *url, int messages)
{
    char want[40];

    snprintf(want, sizeof want, "%d\n", messages);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (strcmp(store_postgres_ask(url, "SELECT min(messages_count) FROM tally_offset"), want) == 0)
            return true;
    return false;
}

/* There are tables, and a tick stands in them. */
static bool has_begun(const char *url)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (strcmp(store_postgres_ask(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'big_speed' AND schemaname ="
                                           " current_schema()"),
                   "1\n") == 0)
            return has_read(url, EVENTS_PER_CUT);
    return false;
}

/* The URL with another port. */
static const char *through(const char *url, uint16_t port, uint16_t *real)
{
    static char out[600];
    const char *at = strstr(url, "127.0.0.1:");
    char *rest;

    cr_assert_not_null(at, "%s", url);
    at += strlen("127.0.0.1:");
    *real = (uint16_t)strtoul(at, &rest, 10);
    snprintf(out, sizeof out, "%.*s%u%s&sslmode=disable", (int)(at - url), url, port, rest);
    return out;
}

Test(postgres_cut, each_tick_is_counted_once)
{
    static const enum tcp_proxy_cut kinds[] = {TCP_PROXY_BEFORE, TCP_PROXY_SENT, TCP_PROXY_AFTER};
    const char *asked = getenv("TALLY_CUTS");
    int cuts = asked != NULL ? atoi(asked) : 12, events = 0;
    char undisturbed[512], cut[512], *got, *want;
    struct run run = {0}, once = {0};
    struct tcp_proxy *proxy;
    uint16_t port;

    store_postgres.url(cut);
    (void)through(cut, 0, &port);
    proxy = tcp_proxy_open("COMMIT", sizeof "COMMIT", port); /* with its 0: not of READ COMMITTED */
    visits_append(data, 1, STEP_MS, 0, EVENTS_PER_CUT);
    events = EVENTS_PER_CUT;
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "5ms", "--store",
                                          through(cut, tcp_proxy_port(proxy), &port), NULL});
    cr_assert(has_begun(cut), "%s", run_err_so_far(&run));
    for (int i = 0; i < cuts; i++) {
        tcp_proxy_cut(proxy, kinds[i % 3], 1 + i / 3 % 3);
        for (int part = 0; part < 200 && tcp_proxy_cuts(proxy) <= i; part++) { /* a tick each, or several in one */
            visits_append(data, 1, STEP_MS, events, events + EVENTS_PER_CUT);
            events += EVENTS_PER_CUT;
            tl_clock_sleep_ms(30);
        }
        cr_assert(cut_by(proxy, i + 1), "cut %d did not happen: %s", i, run_err_so_far(&run));
    }
    cr_expect(has_read(cut, events), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    fprintf(stderr, "%s", run.err);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    tcp_proxy_close(proxy);

    store_postgres.url(undisturbed);
    RUN(&once, "speed", "--views", views, "--data", data, "--store", undisturbed, "--once");
    cr_assert_eq(once.status, 0, "%s", once.err);
    run_done(&once);
    got = postgres_dump(cut);
    want = postgres_dump(undisturbed);
    cr_expect_gt(strlen(want), 2000);
    expect_same_lines(got, want);
    free(got);
    free(want);
}

/* Where a new definition begins is written for all partitions or for none: cut off at each of the commits of its start, it leaves out what
 * 'scan.startup.mode' says at the next one all the same. */
Test(postgres_cut, a_start_behind_the_past_is_whole)
{
    static const char late_views[] =
        "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS "
        "event_time)\n"
        "WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',\n"
        "      'scan.startup.mode' = 'latest-offset');\n"
        "CREATE VIEW big AS SELECT event_id, host FROM events;\n";
    struct run run = {0};
    bool through_it = false;

    snprintf(views, sizeof views, "%s", run_file_write(dir, "late.sql", late_views));
    visits_append(data, 3, STEP_MS, 0, 30);
    for (int nth = 4; !through_it; nth++) { /* the first three are of the epoch and the tables */
        struct tcp_proxy *proxy;
        char url[512];
        uint16_t port;

        store_postgres.url(url);
        (void)through(url, 0, &port);
        proxy = tcp_proxy_open("COMMIT", sizeof "COMMIT", port);
        tcp_proxy_cut(proxy, TCP_PROXY_BEFORE, nth);
        run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--store",
                                              through(url, tcp_proxy_port(proxy), &port), "--once", NULL});
        while (!through_it && tcp_proxy_cuts(proxy) == 0)
            through_it = run_wait_for(&run, 5);
        tcp_proxy_cut(proxy, TCP_PROXY_ALL, 0);
        run_done(&run); /* kill -9 */
        tcp_proxy_close(proxy);
        RUN(&run, "speed", "--views", views, "--data", data, "--store", url, "--once");
        cr_assert_eq(run.status, 0, "commit %d: %s", nth, run.err);
        run_done(&run);
        cr_expect_str_eq(store_postgres_ask(url,
                                            "SELECT sum(messages_count), sum(next_offset), (SELECT count(*) FROM tally_ledger)"
                                            " FROM tally_offset"),
                         "0 30 6\n", "commit %d", nth);
    }
    cr_expect(through_it);
}
