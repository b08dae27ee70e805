/* batch_resume_test.c: a run that ends on the way, by kill -9 or because the store fails it, leaves nothing to be seen, and the next one goes on with
 * the ranges that were staged: the rows are those of a run that nobody disturbed, also where late events have come meanwhile.
 *
 * In two ways: after so many ranges, exactly, by a trigger in the store that lets no more of them in; and by SIGKILL at random instants.
 * TALLY_KILLS: how often (4). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/visits.h"

/* 2,500 events a day: each day is worth a commit of its own. */
enum { STEP_MS = 34560, A_DAY = 2500, DAYS = 4 };

static char dir[RUN_DIR_BYTES], views[300], calm[300], rough[300], calm_store[400], rough_store[512];

static void must_on(const char *data, const char *store, const char *command, const char *more)
{
    struct run run = {0};

    RUN(&run, command, "--views", views, "--data", data, "--store", store, more);
    cr_assert_eq(run.status, 0, "%s: %s", command, run.err);
    run_done(&run);
}

/* Events, the same on both sides. With another step they are others of about the same time, which come late. */
static void append(int64_t step_ms, int from, int to)
{
    visits_append(calm, 2, step_ms, from, to);
    visits_append(rough, 2, step_ms, from, to);
}

static void archive(void)
{
    must_on(calm, calm_store, "archive", NULL);
    must_on(rough, rough_store, "archive", NULL);
}

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_windows));
    snprintf(calm, sizeof calm, "%s/calm", dir);
    snprintf(rough, sizeof rough, "%s/rough", dir);
    snprintf(calm_store, sizeof calm_store, "sqlite:%s/views.db", calm);
    snprintf(rough_store, sizeof rough_store, "sqlite:%s/views.db", rough);
    cr_assert(mkdir(calm, 0777) == 0 && mkdir(rough, 0777) == 0);
    append(STEP_MS, 0, DAYS * A_DAY);
    archive();
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(batch_resume, .init = folder_open, .fini = folder_close, .timeout = 120);

/* What batch serves, by the pointer. The caller frees. */
static char *rows_of(const char *data, const char *store, const char *view)
{
    struct run run = {0};
    char *rows;

    RUN(&run, "query", view, "--layer", "batch", "--limit", "1000000", "--format", "csv", "--data", data, "--store", store);
    cr_assert_eq(run.status, 0, "%s: %s", view, run.err);
    rows = strdup(run.out);
    run_done(&run);
    return rows;
}

static void expect_equal_rows(const char *when)
{
    for (size_t v = 0; visits_windows_names[v] != NULL; v++) {
        char *want = rows_of(calm, calm_store, visits_windows_names[v]),
             *got = rows_of(rough, rough_store, visits_windows_names[v]);

        cr_assert(strcmp(got, want) == 0, "%s: the rows of %s differ from those of a run that was not disturbed", when,
                  visits_windows_names[v]);
        free(want);
        free(got);
    }
}

/* One statement's answer, or the lot of them, on the rough side. */
static char *ask(const char *sql)
{
    return dump_sql(rough_store + strlen("sqlite:"), sql);
}

static void expect_answer(const char *sql, const char *want)
{
    char *got = ask(sql);

    cr_assert_str_eq(got, want, "%s", sql);
    free(got);
}

/* A run that may stage so many ranges of the last view, and fails at the next. */
static void fail_after(int ranges)
{
    char trigger[400];
    struct run run = {0};

    snprintf(trigger, sizeof trigger,
             "CREATE TRIGGER no_more BEFORE INSERT ON tally_run_range WHEN (SELECT count(*) FROM tally_run_range AS g JOIN "
             "tally_run AS r ON"
             " r.run = g.run WHERE r.state = 'staged' AND g.definition = NEW.definition) >= %d BEGIN SELECT RAISE(ABORT, "
             "'enough'); END",
             ranges);
    free(ask(trigger));
    RUN(&run, "batch", "--views", views, "--data", rough, "--jobs", "1");
    cr_assert_eq(run.status, 3, "%s", run.err);
    run_done(&run);
    free(ask("DROP TRIGGER no_more"));
    expect_answer("SELECT count(*) FROM tally_pointer", "0\n");
}

Test(batch_resume, a_run_is_gone_on_with_after_so_many_ranges)
{
    struct run run = {0};

    must_on(calm, calm_store, "batch", "--to=2026-03-05");
    must_on(rough, rough_store, "speed", "--once"); /* makes the store */
    fail_after(3);
    expect_answer("SELECT count(DISTINCT from_ms), count(DISTINCT run) FROM tally_run_range", "3|1\n");
    RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05", "--jobs", "2");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "goes on with run 1"), "%s", run.err);
    cr_assert_not_null(strstr(run.err, "3 of "), "%s", run.err);
    cr_assert_not_null(strstr(run.out, "; 3 of the ranges were staged already"), "%s", run.out);
    run_done(&run);
    expect_answer("SELECT count(*), state FROM tally_run", "1|published\n");
    expect_equal_rows("after 3 ranges");
}

/* What has come since is archived; the killed run is gone on with, and gives what one that was never killed does. */
static void go_on_with_more(const char *what)
{
    struct run run = {0};

    archive();
    must_on(calm, calm_store, "batch", "--to=2026-03-05");
    RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "goes on with run 1"), "%s", run.err);
    run_done(&run);
    expect_equal_rows(what);
}

/* What came late for a range that is staged makes it, and what follows from it, anew; the others are taken. */
Test(batch_resume, late_events_between_a_failure_and_the_next_run)
{
    struct run run = {0};

    must_on(rough, rough_store, "speed", "--once");
    fail_after(4);
    append(STEP_MS + 1, A_DAY, A_DAY + 40); /* at the beginning of the second day */
    go_on_with_more("late events");
    RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05");
    cr_assert_str_eq(run.out, "");
    run_done(&run);
}

/* What came late for a range changes what it carries over its end, and the range behind, to which nothing came, is not as it would be now. */
Test(batch_resume, a_late_event_that_reaches_over_midnight)
{
    must_on(rough, rough_store, "speed", "--once");
    fail_after(4);
    append(STEP_MS + 1, A_DAY - 8, A_DAY); /* the end of the first day */
    go_on_with_more("over midnight");
}

/* Nothing of a staged run is used under another definition, or other views: it is discarded. */
Test(batch_resume, a_changed_definition_is_not_gone_on_with)
{
    struct run run = {0};

    must_on(rough, rough_store, "speed", "--once");
    fail_after(3); /* the third range, a day of rows, is worth a commit */
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_null(strstr(run.err, "goes on with"), "%s", run.err);
    run_done(&run);
    expect_answer("SELECT run, state FROM tally_run ORDER BY run", "1|failed\n2|published\n");
    expect_answer("SELECT count(*) FROM tally_run_range WHERE run = 1", "0\n");
}

/* A changed view is built beside the one that serves, also when the run that builds it ends on the way; it is swapped in when it is whole. */
Test(batch_resume, a_changed_view_serves_when_it_is_whole)
{
    static const char changed[] = "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"
                                  "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND)\n"
                                  "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', "
                                  "'json.timestamp-format.standard' = 'ISO-8601');\n"
                                  "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(n) AS total\n"
                                  "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '%d' SECOND)) GROUP BY "
                                  "window_start, window_end, host;\n";
    char text[1000];
    struct run run = {0};

    for (int seconds = 10; seconds <= 20; seconds += 10) {
        snprintf(text, sizeof text, changed, seconds);
        snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", text));
        if (seconds == 10) {
            must_on(rough, rough_store, "batch", "--to=2026-03-05");
            continue;
        }
        free(ask("CREATE TRIGGER no_more BEFORE INSERT ON tally_run_range WHEN (SELECT count(*) FROM tally_run_range WHERE run = "
                 "NEW.run) >= 3"
                 " BEGIN SELECT RAISE(ABORT, 'enough'); END"));
        RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05", "--jobs", "1");
        cr_assert_eq(run.status, 3, "%s", run.err);
        run_done(&run);
        free(ask("DROP TRIGGER no_more"));
        expect_answer("SELECT max(_end_ms - _start_ms) FROM hits", "10000\n");
        expect_answer("SELECT count(*) FROM tally_definition", "2\n");
    }
    RUN(&run, "batch", "--views", views, "--data", rough, "--to", "2026-03-05");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "goes on with run 2"), "%s", run.err);
    cr_assert_not_null(strstr(run.err, "serves now"), "%s", run.err);
    run_done(&run);
    expect_answer("SELECT max(_end_ms - _start_ms), min(_end_ms - _start_ms) FROM hits", "20000|20000\n");
    must_on(calm, calm_store, "batch", "--to=2026-03-05");
    {
        char *want = rows_of(calm, calm_store, "hits"), *got = rows_of(rough, rough_store, "hits");

        cr_assert_str_eq(got, want);
        free(want);
        free(got);
    }
}

/* Kill -9 at random instants, and now and then more events; at the end as if nothing had been. */
static void kill_again_and_again(void)
{
    const char *kills_wanted = getenv("TALLY_KILLS");
    int kills = kills_wanted != NULL ? atoi(kills_wanted) : 4, killed = 0, next = A_DAY;
    struct chance chance = chance_open("batch_resume");
    int64_t started_ns = tl_clock_monotonic_ns(), whole_ns;
    struct run run = {0};

    must_on(calm, calm_store, "batch", "--to=2026-03-02");
    whole_ns = tl_clock_monotonic_ns() - started_ns;
    for (int k = 0; k < kills * 3 && killed < kills; k++) {
        int64_t after_ns = (int64_t)chance_below(&chance, (uint32_t)(2 * whole_ns));
        struct timespec nap = {.tv_sec = after_ns / 1000000000, .tv_nsec = after_ns % 1000000000};

        run_start(&run, (const char *const[]){"batch", "--views", views, "--data", rough, "--store", rough_store, "--from",
                                              "2026-03-01", "--to", "2026-03-05", NULL});
        nanosleep(&nap, NULL);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        killed += run.status == 128 + SIGKILL;
        run_done(&run);
        if (chance_below(&chance, 2) == 0) {
            append(STEP_MS + 1, next, next + 10);
            next += 10;
            archive();
        }
    }
    cr_expect_gt(killed, 0, "no run was caught at work");
    must_on(rough, rough_store, "batch", "--to=2026-03-05");
    must_on(calm, calm_store, "batch", "--to=2026-03-05");
    expect_equal_rows("killed");
}

Test(batch_resume, killed_again_and_again)
{
    kill_again_and_again();
    expect_answer("SELECT count(*) FROM tally_run WHERE state = 'staged'", "0\n");
}

Test(batch_resume, killed_again_and_again_on_postgres)
{
    store_postgres.url(rough_store);
    kill_again_and_again();
    cr_assert_str_eq(store_postgres_ask(rough_store, "SELECT count(*) FROM tally_run WHERE state = 'staged'"), "0\n");
    store_folder_remove();
}
