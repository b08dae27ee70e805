/* runs_test.c: batch as an operator calls it: named views, what would be done, back to what was, what it came to; and the list of its runs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/dump.h"
#include "support/pipeline.h"
#include "support/record_scene.h"

/* Views that carry over midnight and that don't, and one that reads another. */
#define TABLE                                                                                                                    \
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"  \
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define HITS(minutes)                                                                                                            \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"                                                 \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '" minutes                                             \
    "' MINUTE)) GROUP BY window_start, window_end, host;\n"
#define VISITS                                                                                                                   \
    "CREATE VIEW visits AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, host, COUNT(*) AS n\n"     \
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '30' MINUTE))\n"                    \
    "    GROUP BY window_start, window_end, window_time, host;\n"
#define DAILY                                                                                                                    \
    "CREATE VIEW daily AS SELECT window_start, window_end, COUNT(*) AS visits\n"                                                 \
    "    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(rowtime), INTERVAL '1' DAY)) GROUP BY window_start, window_end;\n"
static const char all_views[] = TABLE HITS("60") VISITS DAILY;

static struct pipeline p;

static void open_pipeline(void)
{
    pipeline_open(&p, all_views);
}

static void close_pipeline(void)
{
    pipeline_close(&p);
}

TestSuite(runs, .init = open_pipeline, .fini = close_pipeline, .timeout = 60);

/* An event an hour and host for each of March's days [first, last), into the record. `late` ones have ids of their own. */
static void import_days(int first, int last, const char *name)
{
    struct tl_buf lines;

    tl_buf_init(&lines, 0);
    for (int day = first; day < last; day++)
        for (int hour = 0; hour < 24; hour++)
            for (int host = 0; host < 2; host++)
                tl_buf_printf(&lines,
                              "{\"event_id\":\"%s-%d-%d-%d\",\"host\":\"h%d\",\"event_time\":\"2024-03-%02dT%02d:50:00.000Z\"}\n",
                              name, day, hour, host, host, day, hour);
    tl_buf_put_u8(&lines, '\0');
    (void)run_file_write(p.dir, name, lines.data);
    tl_buf_done(&lines);
    {
        char path[300];

        snprintf(path, sizeof path, "%s/%s", p.dir, name);
        TALLY(&p, 0, "import", path, "--format", "jsonl", "--into", "archive");
    }
}

static void expect_rows(const char *view, const char *want, const char *what)
{
    char *got = pipeline_rows(&p, view, "merged");

    cr_assert_str_eq(got, want, "%s: %s is\n%snot\n%s", what, view, got, want);
    free(got);
}

#define SAYS(text, words) cr_assert_not_null(strstr((text), (words)), "'%s' is not in: %s", (words), (text))
#define SAYS_NOT(text, words) cr_assert_null(strstr((text), (words)), "'%s' is in: %s", (words), (text))

Test(runs, what_would_be_done_is_shown_and_nothing_is_changed)
{
    char *csv;

    import_days(1, 4, "first");
    TALLY(&p, 0, "batch", "--dry-run", "--to", "2024-03-03", "--format", "csv");
    csv = strdup(p.run.out);
    SAYS(csv, "view,from,to,reason,definition,files,events,bytes\r\n");
    SAYS(csv, "\nhits,2024-03-01T00:00:00.000Z,2024-03-02T00:00:00.000Z,new,");
    SAYS(csv, "\ndaily,2024-03-02T00:00:00.000Z,2024-03-03T00:00:00.000Z,new,");
    cr_assert_neq(access(p.store, F_OK), 0, "a store was made");
    free(csv);
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    TALLY(&p, 0, "batch", "--dry-run", "--to", "2024-03-03");
    SAYS_NOT(p.run.out, "2024-03");
    import_days(2, 3, "late");
    cr_assert_eq(chmod(p.store, 0444), 0);
    TALLY(&p, 0, "batch", "--dry-run", "-v", "--to", "2024-03-04");
    SAYS(p.run.out, "2024-03-02T00:00:00.000Z  2024-03-03T00:00:00.000Z  input ");
    SAYS(p.run.out, "2024-03-03T00:00:00.000Z  2024-03-04T00:00:00.000Z  new ");
    SAYS(p.run.out, "events.import+0+0000000144.jsonl.zst");
    SAYS_NOT(p.run.out, "2024-03-01T00:00:00.000Z  2024-03-02");
    cr_assert_eq(chmod(p.store, 0644), 0);
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_run"), 1);
    pipeline_define(&p, TABLE HITS("30") VISITS DAILY);
    TALLY(&p, 0, "batch", "--dry-run", "--to", "2024-03-03", "--view", "hits", "--format", "json");
    SAYS(p.run.out, "\"reason\": \"definition\"");
    SAYS_NOT(p.run.out, "visits");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_definition"), 3, "the new definition was registered");
}

/* A view's family goes along: daily reads visits. Others stay as they are, dirty or not. */
Test(runs, a_named_view_and_its_family_alone)
{
    import_days(1, 3, "first");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    import_days(2, 3, "late");
    TALLY(&p, 0, "batch", "--to", "2024-03-03", "--view", "daily");
    cr_assert_eq(pipeline_number(&p, "SELECT count(DISTINCT definition) FROM tally_run_range WHERE run = 2"), 2);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 96);
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    cr_assert_eq(pipeline_number(&p, "SELECT count(DISTINCT definition) FROM tally_run_range WHERE run = 3"), 1);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 144);
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    cr_assert_str_eq(p.run.out, "");
    TALLY(&p, 0, "batch", "--force", "--view", "hits", "--to", "2024-03-03");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_run_range WHERE run = 4"), 3);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 144);
    TALLY(&p, 2, "batch", "--view", "hitz");
    SAYS(p.run.err, "did you mean 'hits'?");
}

Test(runs, back_to_what_was_and_forward_only_when_asked)
{
    char *first_hits, *first_daily;

    import_days(1, 3, "first");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    first_hits = pipeline_rows(&p, "hits", "merged");
    first_daily = pipeline_rows(&p, "daily", "merged");
    import_days(2, 4, "wrong"); /* somebody has imported the log of another site */
    TALLY(&p, 0, "batch", "--to", "2024-03-04");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 192);
    TALLY(&p, 0, "batch", "--rollback");
    SAYS(p.run.out, "run 2 is rolled back\n");
    SAYS(p.run.out, "view hits: published up to 2024-03-03T00:00:00.000Z\n");
    SAYS(p.run.err, "not computed again by itself");
    expect_rows("hits", first_hits, "rolled back");
    expect_rows("daily", first_daily, "rolled back");
    /* The nightly run does not bring it back; it says so, and cron mails it. */
    TALLY(&p, 1, "batch", "--to", "2024-03-04");
    SAYS(p.run.err,
         "run 2 was rolled back there; tally batch --from 2024-03-02T00:00:00.000Z --to 2024-03-04T00:00:00.000Z does it");
    expect_rows("hits", first_hits, "not asked for");
    TALLY(&p, 0, "batch", "--dry-run", "--to", "2024-03-04");
    SAYS_NOT(p.run.out, "2024-03");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-04");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 192);
    TALLY(&p, 0, "batch", "--to", "2024-03-04");
    cr_assert_str_eq(p.run.out, "");
    cr_assert_str_eq(p.run.err, "");
    /* Whole runs, the newest first. */
    TALLY(&p, 0, "batch", "--rollback", "1");
    SAYS(p.run.out, "run 3 is rolled back\nrun 1 is rolled back\n");
    SAYS(p.run.out, "view hits: nothing is published\n");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM hits"), 0);
    TALLY(&p, 2, "batch", "--rollback", "1");
    SAYS(p.run.err, "run 1 is rolled back");
    TALLY(&p, 2, "batch", "--rollback", "99");
    SAYS(p.run.err, "there is no run 99; tally runs shows");
    TALLY(&p, 2, "batch", "--rollback", "x");
    TALLY(&p, 2, "batch", "--rollback", "--view", "hits");
    SAYS(p.run.err, "whole publications");
    TALLY(&p, 2, "batch", "3");
    TALLY(&p, 0, "batch", "--force", "--to", "2024-03-03");
    free(first_hits);
    free(first_daily);
}

/* A late event before a range that was rolled back changes what is carried into it: neither moves, for they belong together. */
Test(runs, what_is_joined_to_what_was_rolled_back_waits_with_it)
{
    char *before;
    static const char late[] = "{\"event_id\":\"late\",\"host\":\"h0\",\"event_time\":\"2024-03-01T23:59:00.000Z\"}\n";

    import_days(1, 4, "first");
    TALLY(&p, 0, "batch", "--to", "2024-03-04");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-03");
    TALLY(&p, 0, "batch", "--rollback");
    before = pipeline_rows(&p, "visits", "merged");
    (void)run_file_write(p.dir, "late", late);
    {
        char path[300];

        snprintf(path, sizeof path, "%s/late", p.dir);
        TALLY(&p, 0, "import", path, "--format", "jsonl", "--into", "archive");
    }
    TALLY(&p, 1, "batch", "--to", "2024-03-04");
    SAYS(p.run.err, "what was rolled back waits");
    expect_rows("visits", before, "joined");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM hits"), 145, "hits carries nothing, and goes on");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-03");
    TALLY(&p, 0, "batch", "--to", "2024-03-04");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(n) FROM visits"), 143, "all but the two that go on behind the boundary");
    free(before);
}

/* A view that comes to a family has all of it computed anew: not what somebody has undone. */
Test(runs, a_new_view_of_a_family_does_not_bring_back_what_was_rolled_back)
{
    char *first;

    pipeline_define(&p, TABLE VISITS);
    import_days(1, 3, "first");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    first = pipeline_rows(&p, "visits", "merged");
    import_days(2, 3, "wrong");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    TALLY(&p, 0, "batch", "--rollback");
    pipeline_define(&p, TABLE VISITS DAILY);
    TALLY(&p, 1, "batch", "--to", "2024-03-03");
    SAYS(p.run.err, "run 2 was rolled back there");
    expect_rows("visits", first, "a new view");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-03");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM daily"), 1, "the other one is open at the boundary");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    cr_assert_str_eq(p.run.out, "");
    free(first);
}

Test(runs, the_list_and_one_of_them)
{
    import_days(1, 3, "first");
    TALLY(&p, 0, "batch", "--to", "2024-03-03");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-03", "--view", "hits");
    TALLY(&p, 0, "batch", "--rollback");
    TALLY(&p, 0, "runs", "--format", "csv");
    SAYS(p.run.out,
         "run,state,reason,started,ended,seconds,ranges,published_ranges,blocked_ranges,rows,events,bytes,duplicates,");
    SAYS(p.run.out, "\n2,rolled back,backfill from 2024-03-02T00:00:00.000Z up to 2024-03-03T00:00:00.000Z of hits,");
    SAYS(p.run.out, "\n1,published,what changed up to 2024-03-03T00:00:00.000Z,");
    SAYS(p.run.out, ",events.import/0:96\r\n");
    TALLY(&p, 0, "runs", "--limit", "1", "-v");
    SAYS(p.run.out, " rolled back 20");
    SAYS(p.run.out, "events.import/0:96");
    SAYS_NOT(p.run.out, "what changed");
    TALLY(&p, 0, "runs", "2");
    SAYS(p.run.out, "run 2  rolled back\n");
    SAYS(p.run.out, "hits  2024-03-02T00:00:00.000Z  2024-03-03T00:00:00.000Z  rolled back ");
    TALLY(&p, 0, "runs", "1", "--format", "json");
    SAYS(p.run.out, "\"view\": \"hits\", \"from\": \"2024-03-02T00:00:00.000Z\", \"to\": \"2024-03-03T00:00:00.000Z\", "
                    "\"state\": \"serves\"");
    TALLY(&p, 2, "runs", "7");
    SAYS(p.run.err, "there is no run 7");
    TALLY(&p, 2, "runs", "x");
}

static double figure(const char *path, const char *name)
{
    FILE *file = fopen(path, "r");
    char line[300];
    double value = -1;

    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ')
            value = strtod(line + strlen(name), NULL);
    fclose(file);
    return value;
}

/* For the node exporter: whole at every moment, readable for it, and it outlives a failure. */
Test(runs, the_last_run_for_the_node_exporter)
{
    char path[300], command[700];
    struct stat stat_of;
    double success;

    snprintf(path, sizeof path, "%s/tally_batch.prom", p.dir);
    import_days(1, 3, "first");
    umask(0077);
    TALLY(&p, 0, "batch", "--to", "2024-03-03", "--metrics-file", path);
    cr_assert_eq(stat(path, &stat_of), 0);
    cr_assert_eq(stat_of.st_mode & 0777, 0644);
    success = figure(path, "tally_batch_last_success_timestamp_seconds");
    cr_assert_gt(success, 1.7e9);
    cr_assert_eq(figure(path, "tally_batch_last_run_exit_status"), 0);
    cr_assert_eq(figure(path, "tally_batch_last_run_events"), 96);
    cr_assert_eq(figure(path, "tally_batch_boundary_timestamp_seconds{view=\"daily\"}"), 1709424000);
    if (getenv("TALLY_PROMTOOL") != NULL) {
        snprintf(command, sizeof command, "%s check metrics < %s", getenv("TALLY_PROMTOOL"), path);
        cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
    }
    pipeline_define(&p, "CREATE VIEW hits AS SELECT host FROM nowhere;\n");
    TALLY(&p, 2, "batch", "--metrics-file", path);
    cr_assert_eq(figure(path, "tally_batch_last_run_exit_status"), 2);
    cr_assert_eq(figure(path, "tally_batch_last_success_timestamp_seconds"), success);
    pipeline_define(&p, all_views);
    TALLY(&p, 0, "batch", "--to", "2024-03-03", "--metrics-file", path);
    cr_assert_str_eq(p.run.out, "");
    cr_assert_geq(figure(path, "tally_batch_last_success_timestamp_seconds"), success);
    cr_assert_eq(figure(path, "tally_batch_last_run_ranges"), 0);
    TALLY(&p, 3, "batch", "--to", "2024-03-03", "--metrics-file", "/proc/none/x.prom");
    SAYS(p.run.err, "--metrics-file /proc/none/x.prom: cannot make");
}

/* A file, a block of it even, reaches over midnight; a run counts the events of its ranges. */
Test(runs_of_a_record, what_was_read_are_the_events_of_the_ranges, .timeout = 60)
{
    struct record_scene scene = {0};

    record_scene_open(&scene);
    record_scene_add(&scene, "bob", FIRST_DAY_MS + DAY_MS / 2, 3600000, FIRST_DAY_MS + 2 * DAY_MS, 20);
    TALLY(&scene.p, 0, "archive");
    TALLY(&scene.p, 0, "batch", "--from", "2026-03-01", "--to", "2026-03-02");
    cr_assert_not_null(strstr(scene.p.run.out, " 12 events read"), "%s", scene.p.run.out);
    TALLY(&scene.p, 0, "batch", "--from", "2026-03-02", "--to", "2026-03-03");
    cr_assert_not_null(strstr(scene.p.run.out, " 8 events read"), "%s", scene.p.run.out);
    pipeline_close(&scene.p);
}
