/* definitions_test.c: views files that change between two runs: a definition that starts again, one that catches up and is stopped on the way. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 20, PATIENCE_MS = 20000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(definitions, .init = folder_open, .fini = folder_close, .timeout = 60);

#define TABLE                                                                                                                    \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define VIEW(name, columns)                                                                                                      \
    "CREATE VIEW " name " AS SELECT window_start, window_end, host, " columns                                                    \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "     \
    "host;\n"

static void views_are(const char *text)
{
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", text));
}

static void speed_once(void)
{
    struct run run;

    RUN(&run, "speed", "--views", views, "--data", data, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* The first line of the answer as a number. */
static long number_of(const char *sql)
{
    char *text = dump_sql(store, sql);
    long number = strtol(text, NULL, 10);

    free(text);
    return number;
}

static long outcome_of(const char *view, const char *outcome)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT sum(o.%s) FROM tally_outcome o JOIN tally_definition d USING (definition) WHERE d.view = '%s'"
             " AND d.state = 'active'",
             outcome, view);
    return number_of(sql);
}

Test(definitions, the_only_view_changes_and_starts_with_no_ids_of_the_old_one)
{
    long counted, duplicates;

    visits_append(data, 1, STEP_MS, 0, 2000);
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits"));
    speed_once();
    counted = outcome_of("hits", "counted");
    duplicates = outcome_of("hits", "duplicate");
    cr_assert(counted > 1000);
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits, SUM(n) AS total"));
    speed_once();
    cr_expect_eq(outcome_of("hits", "counted"), counted);
    cr_expect_eq(outcome_of("hits", "duplicate"), duplicates);
    visits_append(data, 1, STEP_MS, 0, 2000); /* all of them once more: nothing new */
    speed_once();
    cr_expect_eq(outcome_of("hits", "counted"), counted);
}

Test(definitions, a_view_that_comes_back_knows_the_ids_from_before_it_went)
{
    long counted;

    visits_append(data, 1, STEP_MS, 0, 1000);
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits") VIEW("again", "COUNT(*) AS hits"));
    speed_once();
    counted = outcome_of("again", "counted");
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits"));
    visits_append(data, 1, STEP_MS, 0, 1000);
    speed_once();
    cr_expect_eq(outcome_of("hits", "counted"), counted);
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits") VIEW("again", "COUNT(*) AS hits"));
    speed_once();
    cr_expect_eq(outcome_of("again", "counted"), counted);
}

Test(definitions, a_view_that_is_stopped_while_it_catches_up_goes_on_with_its_ids)
{
    enum { EVENTS = 30000 };
    struct run run = {0};
    long stood = 0;

    visits_append(data, 1, STEP_MS, 0, EVENTS);
    visits_append(data, 1, STEP_MS, 0, EVENTS); /* once more: all duplicates */
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits"));
    speed_once();
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits") VIEW("again", "COUNT(*) AS hits"));
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "1ms", NULL});
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; stood == 0 && tl_clock_monotonic_ms() < until;)
        stood = number_of("SELECT coalesce(max(o.next_offset), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
                          " WHERE d.view = 'again'");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    stood =
        number_of("SELECT o.next_offset FROM tally_offset o JOIN tally_definition d USING (definition) WHERE d.view = 'again'");
    cr_assert(stood > 0 && stood < 2 * EVENTS, "it stands at %ld: the test has missed the middle", stood);
    speed_once();
    cr_expect_eq(outcome_of("again", "counted"), outcome_of("hits", "counted"), "stopped at %ld", stood);
    cr_expect_eq(outcome_of("again", "duplicate"), outcome_of("hits", "duplicate"));
    cr_expect_eq(number_of("SELECT count(*) FROM tally_dedup WHERE lane <> 0"), 0);
}
