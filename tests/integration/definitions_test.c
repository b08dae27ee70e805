/* definitions_test.c: views files that change between two runs: a definition that starts again, one that catches up and is stopped on the way. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
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

/* A row for each event. */
#define EACH                                                                                                                     \
    "CREATE VIEW each AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, event_id, COUNT(*) AS c\n"   \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"                                       \
    "    GROUP BY window_start, window_end, window_time, event_id;\n"

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

/* Events number from .. to of a partition, a second apart from `start` on. */
static void append(uint32_t partition, int start, int from, int to)
{
    static char texts[1000][100];
    struct tl_log_record records[1000];
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), 2, &err), TL_OK, "%s", err.message);
    while (from < to) {
        size_t count = 0;

        for (; from < to && count < TL_COUNT(records); from++, count++) {
            int at = start + from;

            snprintf(texts[count], sizeof texts[count],
                     "{\"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-01T%02d:%02d:%02dZ\"}", at / 3600, at / 60 % 60,
                     at % 60);
            records[count] =
                (struct tl_log_record){.partition = partition, .log_ms = INT64_MIN, .value = tl_sv_from(texts[count])};
        }
        cr_assert_eq(tl_log_append(log, TL_SV("events"), records, count, NULL, &err), TL_OK, "%s", err.message);
    }
    tl_log_close(log);
}

static long stands_at(const char *view, int partition)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT coalesce(max(o.next_offset), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
             " WHERE d.view = '%s' AND o.partition = %d",
             view, partition);
    return number_of(sql);
}

/* Each of two definitions is ahead of the other one in a partition: the one was away while the other one began, and was stopped on its way. */
Test(definitions, views_that_are_ahead_of_one_another_count_each_event_once)
{
    enum { LATER = 20 * 3600, FEW = 100, MANY = 60000 };
    struct run run = {0};
    int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS;

    append(0, 0, 0, FEW);
    append(1, LATER, 0, 1000);
    views_are(TABLE VIEW("one", "COUNT(*) AS hits"));
    speed_once();
    append(0, 0, FEW, MANY);
    views_are(TABLE VIEW("two", "COUNT(*) AS hits"));
    /* One worker reads from the partition that is behind in time, so partition 1 waits for the end of partition 0. */
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "1ms", "--workers", "1", NULL});
    while (stands_at("two", 0) <= FEW && tl_clock_monotonic_ms() < until)
        ;
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    cr_assert(stands_at("two", 0) > FEW && stands_at("two", 1) < 1000, "it stands at %ld and %ld: the test has missed the middle",
              stands_at("two", 0), stands_at("two", 1));
    views_are(TABLE VIEW("one", "COUNT(*) AS hits") VIEW("two", "COUNT(*) AS hits"));
    speed_once();
    for (int v = 0; v < 2; v++)
        cr_expect_eq(outcome_of(v ? "two" : "one", "counted") + outcome_of(v ? "two" : "one", "late"), MANY + 1000,
                     "view %s: %ld and %ld", v ? "two" : "one", outcome_of(v ? "two" : "one", "counted"),
                     outcome_of(v ? "two" : "one", "late"));
}

/* ---- views on views ---- */

#define TENS(columns)                                                                                                            \
    "CREATE VIEW tens AS SELECT window_start AS s, window_end AS e, window_time AS t, host, " columns                            \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"                                       \
    "    GROUP BY window_start, window_end, window_time, host;\n"
#define OUTER                                                                                                                    \
    "CREATE VIEW minutes AS SELECT window_start, window_end, host, SUM(hits) AS hits, COUNT(*) AS parts\n"                       \
    "    FROM TABLE(HOP(TABLE tens, DESCRIPTOR(t), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))\n"                                \
    "    GROUP BY window_start, window_end, host;\n"                                                                             \
    "CREATE VIEW busy AS SELECT s, e, t, host, hits FROM tens WHERE hits > 1;\n"                                                 \
    "CREATE VIEW fewer AS SELECT window_start, window_end, SUM(hits) AS hits FROM TABLE(TUMBLE(TABLE busy, DESCRIPTOR(t), "      \
    "INTERVAL '30' SECOND)) GROUP BY window_start, window_end;\n"
#define HITS VIEW("hits", "COUNT(*) AS hits")

/* As if the views had been there from the beginning. */
static void expect_as_ever(const char *text, int events)
{
    static const char *const names[] = {"hits", "tens", "minutes", "busy", "fewer"};
    char fresh[400], fresh_store[450];
    struct run run;

    snprintf(fresh, sizeof fresh, "%s/fresh", dir);
    snprintf(fresh_store, sizeof fresh_store, "%s/views.db", fresh);
    cr_assert_eq(mkdir(fresh, 0777), 0);
    visits_append(fresh, 1, STEP_MS, 0, events);
    views_are(text);
    RUN(&run, "speed", "--views", views, "--data", fresh, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        char *mine = dump_speed(store, names[i]), *theirs = dump_speed(fresh_store, names[i]);

        cr_expect(strlen(theirs) > 300, "%s: %s", names[i], theirs);
        for (char *a = mine, *b = theirs, *next; strcmp(a, b) != 0; b += next - a, a = next)
            if ((next = strchr(a, '\n')) == NULL || strncmp(a, b, (size_t)(next++ - a)) != 0) {
                cr_expect(false, "%s: %.300s\nand should be %.300s", names[i], a, b);
                break;
            }
        cr_expect_eq(outcome_of(names[i], "counted"), outcome_of("hits", "counted"), "%s", names[i]);
        free(mine);
        free(theirs);
    }
    RUN(&run, "status", "--views", views, "--data", data);
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    run_done(&run);
}

#define INNER TENS("COUNT(*) AS hits")
#define LATENESS "SET 'tally.allowed-lateness' = '30 s';\n"

static void add_them(const char *without, const char *with)
{
    visits_append(data, 1, STEP_MS, 0, 3000);
    views_are(without);
    speed_once();
    visits_append(data, 1, STEP_MS, 3000, 5000);
    views_are(with);
    speed_once();
    visits_append(data, 1, STEP_MS, 5000, 6000);
    speed_once();
    expect_as_ever(with, 6000);
}

Test(definitions, views_on_a_view_are_added)
{
    add_them(TABLE HITS INNER, TABLE HITS INNER OUTER);
}

Test(definitions, views_on_a_view_are_added_with_lateness)
{
    add_them(LATENESS TABLE HITS INNER, LATENESS TABLE HITS INNER OUTER);
}

Test(definitions, a_view_that_others_read_is_defined_anew)
{
    visits_append(data, 1, STEP_MS, 0, 3000);
    views_are(TABLE HITS INNER OUTER);
    speed_once();
    visits_append(data, 1, STEP_MS, 3000, 5000);
    views_are(TABLE HITS TENS("COUNT(*) AS hits, SUM(n) AS total") OUTER);
    speed_once();
    expect_as_ever(TABLE HITS TENS("COUNT(*) AS hits, SUM(n) AS total") OUTER, 5000);
}

static void take_away_and_back(const char *hits, const char *inner, const char *all)
{
    visits_append(data, 1, STEP_MS, 0, 2000);
    views_are(all);
    speed_once();
    visits_append(data, 1, STEP_MS, 2000, 3000);
    views_are(inner); /* without those that read it */
    speed_once();
    views_are(all);
    speed_once();
    visits_append(data, 1, STEP_MS, 3000, 4000);
    views_are(hits); /* and without all of them */
    speed_once();
    visits_append(data, 1, STEP_MS, 4000, 5000);
    views_are(all);
    speed_once();
    expect_as_ever(all, 5000);
}

Test(definitions, views_on_a_view_come_back)
{
    take_away_and_back(TABLE HITS, TABLE HITS INNER, TABLE HITS INNER OUTER);
}

Test(definitions, views_on_a_view_come_back_with_lateness)
{
    take_away_and_back(LATENESS TABLE HITS, LATENESS TABLE HITS INNER, LATENESS TABLE HITS INNER OUTER);
}

/* The inner view's rows become final by the clock, when partitions are idle: at the same offsets. */
Test(definitions, a_view_comes_back_to_rows_that_became_final_without_an_event)
{
#define IDLE_TABLE                                                                                                               \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',\n"     \
    "        'scan.watermark.idle-timeout' = '2 s');\n"
#define PARTS                                                                                                                    \
    "CREATE VIEW parts AS SELECT window_start, window_end, COUNT(*) AS parts\n"                                                  \
    "    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\n"
    struct run run = {0};
    int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS;
    long before;

    append(0, 600, 0, 300);
    append(1, 0, 0, 300);
    views_are(IDLE_TABLE INNER PARTS);
    speed_once();
    views_are(IDLE_TABLE INNER);
    before = number_of("SELECT final_ms / 1000 FROM tally_progress JOIN tally_definition USING (definition) WHERE view = 'tens'");
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
    while (number_of("SELECT final_ms / 1000 FROM tally_progress JOIN tally_definition USING (definition) WHERE view = 'tens'") ==
               before &&
           tl_clock_monotonic_ms() < until)
        tl_clock_sleep_ms(50);
    run_signal(&run, SIGTERM);
    run_wait(&run);
    run_done(&run);
    cr_assert_gt(
        number_of("SELECT final_ms / 1000 FROM tally_progress JOIN tally_definition USING (definition) WHERE view = 'tens'"),
        before);
    views_are(IDLE_TABLE INNER PARTS);
    speed_once();
    cr_expect_eq(
        number_of("SELECT sum(parts) FROM parts_speed"),
        number_of("SELECT count(*) FROM tens_speed WHERE _end_ms <= (SELECT final_ms FROM tally_progress JOIN tally_definition"
                  " USING (definition) WHERE view = 'tens')"));
}

/* The building of views that read the rows of others is stopped at any time, and goes on. */
static void kill_them(int signal, int had)
{
    visits_append(data, 1, STEP_MS, 0, had);
    views_are(TABLE HITS INNER OUTER);
    if (had > 0)
        speed_once();
    visits_append(data, 1, STEP_MS, had, 40000);
    views_are(TABLE HITS INNER);
    speed_once();
    views_are(TABLE HITS INNER OUTER);
    for (useconds_t us = 3000; us < 60000; us += 4000) {
        struct run run = {0};

        run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--once", NULL});
        usleep(us);
        run_signal(&run, signal);
        run_wait(&run);
        cr_expect(run.status == 0 || run.status == 128 + signal, "exit status %d: %s", run.status, run.err);
        run_done(&run);
    }
    speed_once();
    expect_as_ever(TABLE HITS INNER OUTER, 40000);
}

Test(definitions, views_on_a_view_are_killed_while_they_catch_up)
{
    kill_them(SIGKILL, 0);
}

Test(definitions, views_on_a_view_that_come_back_are_killed)
{
    kill_them(SIGKILL, 2000);
}

Test(definitions, views_on_a_view_that_come_back_are_stopped)
{
    kill_them(SIGTERM, 2000);
}

/* What the user has made on a view of ours is his: the new definition waits until he has dropped it, and says so once. */
Test(definitions, a_swap_that_the_store_refuses_is_said_and_tried_again, .fini = store_folder_remove)
{
    struct run run = {0};
    char url[512];

    store_postgres.url(url);
    visits_append(data, 1, STEP_MS, 0, 200);
    views_are(TABLE VIEW("hits", "COUNT(*) AS hits") VIEW("other", "COUNT(*) AS hits"));
    RUN(&run, "speed", "--views", views, "--data", data, "--store", url, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    store_postgres_sql(url, "CREATE VIEW mine AS SELECT hits FROM hits");
    views_are(TABLE VIEW("hits", "MIN(n) AS low") VIEW("other", "COUNT(*) AS hits"));
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--store", url, "--tick", "20ms", NULL});
    cr_expect(run_says(&run, "view hits: its new definition has caught up and cannot be swapped in", PATIENCE_MS));
    store_postgres_sql(url, "DROP VIEW mine");
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (strcmp(store_postgres_ask(url, "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema()"
                                           " AND table_name = 'hits' AND column_name = 'low'"),
                   "1\n") == 0)
            break;
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "depends on"), "%s", run.err);
    cr_expect_not_null(strstr(run.err, "view hits: its new definition has caught up and serves now"), "%s", run.err);
    run_done(&run);
}

/* More rows than go into one commit. */
Test(definitions, a_view_on_a_view_catches_up_in_several_commits)
{
    enum { EVENTS = 80000 };
    long rows;

    visits_append(data, 1, STEP_MS, 0, EVENTS);
    views_are(TABLE EACH);
    speed_once();
    rows = number_of("SELECT count(*) FROM each WHERE _final");
    cr_assert_gt(rows, 1 << 16, "%ld", rows);
    views_are(TABLE EACH "CREATE VIEW minutes AS SELECT window_start, window_end, COUNT(*) AS ids\n"
                         "    FROM TABLE(TUMBLE(TABLE each, DESCRIPTOR(rowtime), INTERVAL '1' MINUTE))\n"
                         "    GROUP BY window_start, window_end;\n");
    speed_once();
    cr_expect_eq(number_of("SELECT sum(ids) FROM minutes_speed"), rows);
}
