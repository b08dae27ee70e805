/* scrape_test.c: what the daemons tell their operators: figures that agree at every scrape, and readiness that tells a stop of progress. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/outcome.h"
#include "support/dump.h"
#include "support/http_get.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 200, PATIENCE_MS = 20000, STUCK_MS = 40000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];

static void folder_open(void)
{
    cr_assert_eq(unsetenv("TALLY_METRICS_LISTEN"), 0);
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(scrape, .init = folder_open, .fini = folder_close, .timeout = 150);

static uint16_t follow(struct run *run)
{
    run_start(run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", "--workers", "2",
                                         "--metrics-listen", ":0", NULL});
    return http_port_said(run, "speed");
}

static void end(struct run *run)
{
    run_signal(run, SIGTERM);
    run_wait(run);
    cr_expect_eq(run->status, 0, "%s", run->err);
    run_done(run);
}

static char *metrics_of(uint16_t port)
{
    char *text = http_wait_for(port, "/metrics", 200, "", PATIENCE_MS);

    cr_assert_not_null(text, "no metrics");
    return text;
}

/* Waits until the view has had so many events. */
static bool has_read(uint16_t port, const char *view, double events)
{
    char series[100];

    snprintf(series, sizeof series, "tally_events_read_total{view=\"%s\"}", view);
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        char *text = metrics_of(port);
        double read = http_sample(text, series);

        free(text);
        if (read >= events)
            return true;
    }
    return false;
}

/* ---- conservation ---- */

struct scraper {
    uint16_t port;
    const char *const *names;
    atomic_bool over;
    atomic_int changes; /* scrapes that saw more than the one before */
    int scrapes, torn, backwards;
    double read[8];
    char *example; /* a text that did not agree */
};

static void judge(struct scraper *scraper, char *text)
{
    for (int v = 0; scraper->names[v] != NULL; v++) {
        char outcomes[100], series[100];
        double sum, read;

        snprintf(outcomes, sizeof outcomes, "tally_events_total{view=\"%s\",", scraper->names[v]);
        snprintf(series, sizeof series, "tally_events_read_total{view=\"%s\"}", scraper->names[v]);
        sum = http_sample_sum(text, outcomes);
        read = http_sample(text, series);
        if (isnan(read)) /* before the first lane */
            continue;
        scraper->backwards += read < scraper->read[v];
        if (v == 0 && read > scraper->read[v])
            atomic_fetch_add(&scraper->changes, 1);
        scraper->read[v] = read;
        if (sum == read)
            continue;
        scraper->torn++;
        if (scraper->example == NULL)
            scraper->example = strdup(text);
    }
}

static void *scrape(void *arg)
{
    struct scraper *scraper = arg;

    while (!atomic_load(&scraper->over)) {
        struct http_answer answer = http_get(scraper->port, "/metrics");

        if (answer.status == 200) {
            scraper->scrapes++;
            judge(scraper, answer.body);
        }
        http_done(&answer);
    }
    return NULL;
}

/* Appends bit by bit while somebody scrapes as often as he can, and sees each bit come. */
static void expect_sums(const char *const *names, int events)
{
    struct run run = {0};
    struct scraper scraper = {.names = names};
    pthread_t thread;

    visits_append(data, 2, STEP_MS, 0, 10);
    scraper.port = follow(&run);
    cr_assert_eq(pthread_create(&thread, NULL, scrape, &scraper), 0);
    for (int from = 10, more = events / 40; from < events; from += more) {
        int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
        int before = atomic_load(&scraper.changes);

        visits_append(data, 2, STEP_MS, from, from + more < events ? from + more : events);
        while (atomic_load(&scraper.changes) == before && tl_clock_monotonic_ms() < until_ms)
            tl_clock_sleep_ms(1);
    }
    for (int v = 0; names[v] != NULL; v++)
        cr_expect(has_read(scraper.port, names[v], events), "%s: not all was read", names[v]);
    atomic_store(&scraper.over, true);
    pthread_join(thread, NULL);
    cr_expect_eq(scraper.torn, 0, "%d of %d scrapes did not agree:\n%s", scraper.torn, scraper.scrapes, scraper.example);
    cr_expect_eq(scraper.backwards, 0);
    cr_expect_geq(atomic_load(&scraper.changes), 40, "%d scrapes saw %d changes", scraper.scrapes, atomic_load(&scraper.changes));
    free(scraper.example);
    end(&run);
}

/* The text and the store say the same of each of the view's outcomes. */
static void expect_as_in_store(const char *text, const char *view)
{
    double kinds = 0;

    for (int o = 0; o < TL_OUTCOMES; o++) {
        const char *outcome = tl_outcome_name((enum tl_outcome)o);
        char sql[200], series[200], *stored;
        double shown;

        snprintf(sql, sizeof sql,
                 "SELECT o.%s FROM tally_outcome o JOIN tally_definition d USING (definition) WHERE d.view = '%s'", outcome,
                 view);
        snprintf(series, sizeof series, "tally_events_total{view=\"%s\",outcome=\"%s\"}", view, outcome);
        shown = http_sample(text, series);
        stored = dump_sql(store, sql);
        cr_expect_eq(shown, strtod(stored, NULL), "%s %s: %.0f shown, %s stored", view, outcome, shown, stored);
        free(stored);
        kinds += shown > 0;
    }
    cr_expect_geq(kinds, 3, "%s: the events were too plain to prove anything", view);
}

Test(scrape, the_outcomes_of_a_view_sum_to_the_log_at_every_scrape)
{
    static const char *const names[] = {"hits", "big", NULL};
    struct run run = {0};
    uint16_t port;
    char *text;

    expect_sums(names, 12000);
    port = follow(&run); /* a restart goes on with the totals of the store */
    cr_assert(has_read(port, "hits", 12000));
    visits_append(data, 2, STEP_MS, 12000, 12100);
    cr_assert(has_read(port, "hits", 12100));
    text = metrics_of(port);
    expect_as_in_store(text, "hits");
    expect_as_in_store(text, "big");
    cr_expect_eq(http_sample_sum(text, "tally_log_lag_events{"), 0, "%s", text);
    cr_expect(http_sample_sum(text, "tally_state_bytes{") > 1000, "%s", text);
    cr_expect(http_sample(text, "tally_watermark_lag_seconds{view=\"hits\"}") > 0, "%s", text);
    cr_expect_eq(http_sample(text, "tally_epoch"), 2, "%s", text);
    cr_expect_eq(http_sample(text, "tally_standing_by"), 0, "%s", text);
    cr_expect_eq(http_sample(text, "tally_ready"), 1, "%s", text);
    cr_expect_eq(http_sample(text, "tally_log_reachable"), 1, "%s", text);
    cr_expect_eq(http_sample(text, "tally_tick_duration_seconds_count"), http_sample(text, "tally_ticks_total"), "%s", text);
    free(text);
    end(&run);
}

Test(scrape, so_do_those_of_windows_that_judge_late_and_of_views_on_views)
{
    run_file_write(dir, "views.sql", visits_windows);
    expect_sums(visits_windows_names, 6000);
}

/* ---- readiness ---- */

static sqlite3 *lock_store(void)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(store, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    return db;
}

/* `text` is in the answer. */
static void expect_ready(uint16_t port, int status, int timeout_ms, const char *text)
{
    char *json = http_wait_for(port, "/readyz", status, text, timeout_ms);

    if (json == NULL) {
        struct http_answer answer = http_get(port, "/readyz");

        cr_assert_fail("/readyz is not %d with '%s' within %d ms: %s", status, text, timeout_ms, answer.all);
    }
    free(json);
}

Test(scrape, readiness_tells_a_store_that_takes_no_tick)
{
    struct run run = {0};
    uint16_t port = follow(&run);
    sqlite3 *db;
    char *text, *health;
    int64_t began_ms;

    expect_ready(port, 503, PATIENCE_MS, "waiting for the log");
    visits_append(data, 2, STEP_MS, 0, 500);
    expect_ready(port, 200, PATIENCE_MS, "\"events/1\"");
    cr_assert(has_read(port, "hits", 500));
    db = lock_store();
    visits_append(data, 2, STEP_MS, 500, 900);
    began_ms = tl_clock_monotonic_ms();
    expect_ready(port, 503, STUCK_MS, "\"reason\": \"tick: the store has not taken a tick for ");
    cr_expect_lt(tl_clock_monotonic_ms() - began_ms, 30000, "a stop of progress shows within 30 s");
    cr_expect_gt(tl_clock_monotonic_ms() - began_ms, 20000, "a short wait is none");
    health = http_wait_for(port, "/healthz", 200, "", PATIENCE_MS);
    cr_expect_str_eq(health, "ok\n", "the process lives all the same");
    free(health);
    text = metrics_of(port);
    cr_expect_eq(http_sample(text, "tally_ready"), 0, "%s", text);
    cr_expect_eq(http_sample(text, "tally_store_reachable"), 1, "it can be read");
    cr_expect_gt(http_sample(text, "tally_store_failures_total"), 0, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_log_lag_events{"), 400, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_events_total{view=\"hits\""), 500, "what is not committed is not shown");
    free(text);
    sqlite3_close(db);
    expect_ready(port, 200, PATIENCE_MS, "\"reason\": null");
    cr_expect(has_read(port, "hits", 900));
    end(&run);
}

Test(scrape, who_stands_by_is_not_ready_until_it_takes_over)
{
    struct run first = {0}, second = {0};
    uint16_t port;
    char *text;

    visits_append(data, 2, STEP_MS, 0, 500);
    expect_ready(follow(&first), 200, PATIENCE_MS, "\"state\": \"running\"");
    port = follow(&second);
    expect_ready(port, 503, PATIENCE_MS, "\"reason\": \"standing by: ");
    text = metrics_of(port);
    cr_expect_eq(http_sample(text, "tally_standing_by"), 1, "%s", text);
    cr_expect_eq(http_sample(text, "tally_ready"), 0, "%s", text);
    free(text);
    end(&first);
    expect_ready(port, 200, PATIENCE_MS, "\"state\": \"running\"");
    text = metrics_of(port);
    cr_expect_eq(http_sample(text, "tally_standing_by"), 0, "%s", text);
    free(text);
    end(&second);
}

Test(scrape, an_archive_that_follows_tells_what_is_on_record)
{
    struct run run = {0};
    uint16_t port;
    char *text = NULL, *json;

    run_start(&run, (const char *const[]){"archive", "--follow", "--interval", "100ms", "--views", views, "--data", data,
                                          "--metrics-listen", "127.0.0.1:0", NULL});
    port = http_port_said(&run, "archive");
    expect_ready(port, 503, PATIENCE_MS, "waiting for the log");
    visits_append(data, 2, STEP_MS, 0, 700);
    expect_ready(port, 200, PATIENCE_MS, "\"state\": \"running\"");
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        bool all;

        text = metrics_of(port);
        all = http_sample(text, "tally_archive_messages_total{topic=\"events\"}") == 700 &&
              !isnan(http_sample(text, "tally_archive_lag_events{topic=\"events\",partition=\"1\"}"));
        if (all)
            break;
        free(text);
        text = NULL;
    }
    cr_assert_not_null(text, "the archive has not come to its end");
    cr_expect_eq(http_sample(text, "tally_archive_messages_total{topic=\"events\"}"), 700, "%s", text);
    cr_expect_gt(http_sample(text, "tally_archive_bytes_total{topic=\"events\"}"), 700 * 20, "%s", text);
    cr_expect_geq(http_sample(text, "tally_archive_files_total{topic=\"events\"}"), 2, "%s", text);
    cr_expect(fabs(http_sample(text, "tally_archive_last_success_timestamp_seconds") - (double)time(NULL)) < 60, "%s", text);
    cr_expect_eq(http_sample_sum(text, "tally_archive_lag_events{"), 0, "%s", text);
    free(text);
    json = http_wait_for(port, "/version", 200, "", PATIENCE_MS);
    cr_expect_not_null(strstr(json, "\"part\": \"archive\""), "%s", json);
    free(json);
    end(&run);
}

Test(scrape, an_archive_that_has_nothing_to_do_knows_how_far_it_is)
{
    struct run run = {0};
    uint16_t port;
    char *text;

    visits_append(data, 2, STEP_MS, 0, 300);
    RUN(&run, "archive", "--views", views, "--data", data, "--metrics-listen", ":0");
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_null(strstr(run.err, "answers monitors"), "one that does not stay answers nobody: %s", run.err);
    run_done(&run);
    run_start(&run,
              (const char *const[]){"archive", "--follow", "--views", views, "--data", data, "--metrics-listen", ":0", NULL});
    port = http_port_said(&run, "archive");
    text = http_wait_for(port, "/metrics", 200, "tally_archive_lag_events{topic=\"events\",partition=\"1\"} 0\n", PATIENCE_MS);
    cr_expect_not_null(text);
    free(text);
    end(&run);
}

/* ---- the option ---- */

Test(scrape, each_part_of_up_answers_for_itself)
{
    struct run run = {0};

    visits_append(data, 2, STEP_MS, 0, 100);
    cr_assert_eq(setenv("TALLY_METRICS_LISTEN", ":0", 1), 0);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, NULL});
    expect_ready(http_port_said(&run, "speed"), 200, PATIENCE_MS, "\"part\": \"speed\"");
    expect_ready(http_port_said(&run, "archive"), 200, PATIENCE_MS, "\"part\": \"archive\"");
    expect_ready(http_port_said(&run, "serve"), 200, PATIENCE_MS, "\"part\": \"serve\"");
    end(&run);
}

Test(scrape, the_parts_of_up_stand_on_ports_in_a_row)
{
    uint16_t port = http_free_ports(3);
    char listen[32];
    struct run run = {0};

    visits_append(data, 2, STEP_MS, 0, 100);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)port);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data,
                                          "--metrics-listen", listen, NULL});
    expect_ready(port, 200, PATIENCE_MS, "\"part\": \"speed\"");
    expect_ready((uint16_t)(port + 1), 200, PATIENCE_MS, "\"part\": \"archive\"");
    expect_ready((uint16_t)(port + 2), 200, PATIENCE_MS, "\"part\": \"serve\"");
    end(&run);
}

Test(scrape, an_address_that_is_wrong_or_taken_is_said)
{
    struct run run = {0}, second = {0};
    char listen[40];

    RUN(&run, "speed", "--views", views, "--data", data, "--metrics-listen", "::1:9464");
    cr_expect_eq(run.status, 2, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "'::1:9464' is no address to listen on; right would be"), "%s", run.err);
    run_done(&run);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--metrics-listen", ":65535");
    cr_expect_eq(run.status, 2, "%s", run.err);
    run_done(&run);
    RUN(&run, "query", "hits", "--views", views, "--data", data, "--metrics-listen", ":0");
    cr_expect_eq(run.status, 2, "a command that does not stay does not take it: %s", run.err);
    run_done(&run);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)follow(&run));
    RUN(&second, "archive", "--follow", "--views", views, "--data", data, "--metrics-listen", listen);
    cr_expect_eq(second.status, 3, "%s", second.err);
    cr_expect_not_null(strstr(second.err, "Address already in use"), "%s", second.err);
    run_done(&second);
    end(&run);
}
