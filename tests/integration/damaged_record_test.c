/* damaged_record_test.c: batch over a record with a file that is damaged or gone: it is named, ranges that may need it stay as they are published, and the rest
 * goes on. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/record.h"
#include "support/record_scene.h"

static struct record_scene scene;

static void scene_open(void)
{
    record_scene_open(&scene);
}

static void scene_close(void)
{
    pipeline_close(&scene.p);
}

TestSuite(damaged_record, .init = scene_open, .fini = scene_close);

#define BATCH(status) TALLY(&scene.p, (status), "batch", "--to", "2026-03-05T00:00:00Z")

static void says_once(const char *text)
{
    record_scene_says(&scene, text);
    cr_assert_null(strstr(strstr(scene.p.run.err, text) + 1, text), "\"%s\" twice in:\n%s", text, scene.p.run.err);
}

static long long boundary(const char *view)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT g.boundary_ms FROM tally_progress AS g JOIN tally_definition AS d ON d.definition = g.definition WHERE "
             "d.view = '%s'",
             view);
    return pipeline_number(&scene.p, sql);
}

static void rows_equal(const char *view, const char *want)
{
    char *rows = pipeline_rows(&scene.p, view, "batch");

    cr_assert_str_eq(rows, want, "%s", view);
    free(rows);
}

/* What is not published yet can only follow what is: ranges leave no gap. */
Test(damaged_record, days_before_the_damage_are_published)
{
    int64_t first[4];
    char *hits, *visits;

    record_scene_four_days(&scene, first);
    record_flip(record_scene_path(&scene, first[2], ".jsonl.zst"), 40);
    BATCH(3);
    says_once("events+0+0000000048.jsonl.zst");
    record_scene_says(
        &scene,
        "the record is damaged: 2 ranges between 2026-03-03T00:00:00.000Z and 2026-03-05T00:00:00.000Z stay as published (views "
        "hits, "
        "visits); all else was done");
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + 2 * DAY_MS);
    cr_assert_eq(boundary("visits"), FIRST_DAY_MS + 2 * DAY_MS);
    cr_assert_not_null(strstr(scene.p.run.out, "published up to 2026-03-03T00:00:00.000Z"), "%s", scene.p.run.out);
    BATCH(3);
    says_once("events+0+0000000048.jsonl.zst");
    record_flip(record_scene_path(&scene, first[2], ".jsonl.zst"), 40);
    BATCH(0);
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + 4 * DAY_MS);
    hits = pipeline_rows(&scene.p, "hits", "batch");
    visits = pipeline_rows(&scene.p, "visits", "batch");
    TALLY(&scene.p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    free(hits);
    free(visits);
}

/* Two days have late events; of one the file is damaged. */
Test(damaged_record, only_the_days_of_a_damaged_file_wait)
{
    int64_t first[4], late;
    char *before, *after;

    record_scene_four_days(&scene, first);
    BATCH(0);
    before = pipeline_rows(&scene.p, "hits", "batch");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5); /* the 1st */
    late = record_scene_add(&scene, "bob", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS,
                            7); /* the 3rd */
    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    BATCH(3);
    says_once(record_scene_path(&scene, late, ".jsonl.zst"));
    record_scene_says(&scene, "1 range between 2026-03-03T00:00:00.000Z and 2026-03-04T00:00:00.000Z stays as published");
    after = pipeline_rows(&scene.p, "hits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-01T10:00:00.000Z,2026-03-01T11:00:00.000Z,6\n"), "%s", after);
    cr_assert_not_null(strstr(after, "2026-03-03T10:00:00.000Z,2026-03-03T11:00:00.000Z,1\n"), "%s", after);
    BATCH(3);
    cr_assert_null(strstr(scene.p.run.out, " 6 events read"), "the 1st was done: %s", scene.p.run.out);
    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    BATCH(0);
    free(after);
    after = pipeline_rows(&scene.p, "hits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-03T10:00:00.000Z,2026-03-03T11:00:00.000Z,8\n"), "%s", after);
    cr_assert_str_neq(before, after);
    TALLY(&scene.p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("hits", after);
    free(before);
    free(after);
}

/* The session over midnight of the 2nd gets longer; the day behind cannot be computed, so neither half is published. */
Test(damaged_record, a_session_over_the_bound_keeps_both_days_back)
{
    int64_t first[4], late;
    char *before, *after;

    record_scene_four_days(&scene, first);
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 2 * DAY_MS - 3600000, 1800000, 0, 4); /* 23:00 .. 00:30 */
    BATCH(0);
    before = pipeline_rows(&scene.p, "visits", "batch");
    cr_assert_not_null(strstr(before, "2026-03-02T23:00:00.000Z,2026-03-03T02:00:00.000Z,eve,4\n"), "%s", before);
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 2 * DAY_MS - 7200000, 60000, FIRST_DAY_MS + 5 * DAY_MS, 1); /* 22:00 */
    late = record_scene_add(&scene, "dan", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS,
                            7); /* the 3rd */
    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    BATCH(3);
    after = pipeline_rows(&scene.p, "visits", "batch");
    cr_assert_str_eq(after, before);
    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    BATCH(0);
    free(after);
    after = pipeline_rows(&scene.p, "visits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-02T22:00:00.000Z,2026-03-03T02:00:00.000Z,eve,5\n"), "%s", after);
    free(before);
    free(after);
}

/* Of which days a file is whose index cannot be read, nobody can say. */
Test(damaged_record, without_its_index_a_file_may_have_any_day)
{
    int64_t first[4], late;
    char *before;

    record_scene_four_days(&scene, first);
    BATCH(0);
    before = pipeline_rows(&scene.p, "hits", "batch");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    late = record_scene_add(&scene, "bob", FIRST_DAY_MS + 2 * DAY_MS, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    record_flip(record_scene_path(&scene, late, ".index"), 30);
    BATCH(3);
    says_once(record_scene_path(&scene, late, ".index"));
    rows_equal("hits", before);
    record_flip(record_scene_path(&scene, late, ".index"), 30);
    record_flip(record_scene_path(&scene, first[3], ".index"), 30);
    BATCH(3);
    says_once(record_scene_path(&scene, first[3], ".index"));
    rows_equal("hits", before);
    record_flip(record_scene_path(&scene, first[3], ".index"), 30);
    BATCH(0);
    free(before);
    before = pipeline_rows(&scene.p, "hits", "batch");
    cr_assert_not_null(strstr(before, "2026-03-01T10:00:00.000Z,2026-03-01T11:00:00.000Z,6\n"), "%s", before);
    /* Even where nothing else is to be done. */
    record_flip(record_scene_path(&scene, late, ".index"), 30);
    BATCH(3);
    record_scene_says(&scene, "nobody can say of which days");
    free(before);
}

/* A file that was cut off is known to be damaged before it is read. */
Test(damaged_record, a_file_that_was_cut_off_and_one_that_is_there_twice)
{
    int64_t first[4], late;
    char command[1000], second[410];
    struct stat found;

    record_scene_four_days(&scene, first);
    BATCH(0);
    late = record_scene_add(&scene, "bob", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    snprintf(second, sizeof second, "%s.copy", record_scene_path(&scene, late, ".jsonl.zst"));
    snprintf(command, sizeof command, "cp '%s' '%s'", record_scene_path(&scene, late, ".jsonl.zst"), second);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(stat(second, &found), 0);
    cr_assert_eq(truncate(record_scene_path(&scene, late, ".jsonl.zst"), found.st_size / 2), 0);
    BATCH(3);
    says_once(record_scene_path(&scene, late, ".jsonl.zst"));
    record_scene_says(&scene, "1 range between 2026-03-03T00:00:00.000Z and 2026-03-04T00:00:00.000Z stays as published");
    snprintf(command, sizeof command, "cp '%s' '%s'", second, record_scene_path(&scene, late, ".jsonl.zst"));
    cr_assert_eq(system(command), 0);
    BATCH(0);
}

/* What another table reads is published all the same. */
Test(damaged_record, another_source_goes_on)
{
    static char two[3000];
    int64_t first[4];
    struct tl_log *log = NULL;
    struct tl_err err;
    struct tl_log_record record = {.log_ms = FIRST_DAY_MS + DAY_MS,
                                   .value = TL_SV("{\"event_time\":\"2026-03-01T10:00:00.000Z\"}")};

    snprintf(two, sizeof two,
             "%s"
             "CREATE TABLE orders (\n"
             "    event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
             ") WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = 'localhost:9092',\n"
             "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
             "CREATE VIEW bought AS\n"
             "    SELECT window_start, window_end, COUNT(*) AS num\n"
             "    FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(event_time), INTERVAL '1' HOUR))\n"
             "    GROUP BY window_start, window_end;\n",
             record_scene_views);
    pipeline_define(&scene.p, two);
    record_scene_four_days(&scene, first);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = scene.p.data}, TL_LOG_APPEND, &log, &err), TL_OK);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("orders"), 1, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, TL_SV("orders"), &record, 1, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    TALLY(&scene.p, 0, "archive");
    record_flip(record_scene_path(&scene, first[0], ".index"), 30);
    BATCH(3);
    record_scene_says(&scene, "(views hits, visits)");
    cr_assert_eq(boundary("bought"), FIRST_DAY_MS + 4 * DAY_MS);
    cr_assert_eq(boundary("hits"), INT64_MIN);
}

/* ---- files that are gone ---- */

enum { INDEX_TOO = 1 };

static void move(const char *from, const char *to)
{
    cr_assert_eq(rename(from, to), 0, "%s to %s", from, to);
}

/* The file goes to the folder of the test, or comes back from there. */
static void take(int64_t first, int what, bool back)
{
    static const char *const suffixes[] = {".jsonl.zst", ".index"};

    for (int s = 0; s <= (what == INDEX_TOO); s++) {
        char kept[RUN_DIR_BYTES + 64];

        snprintf(kept, sizeof kept, "%s/kept-%" PRId64 "%s", scene.p.dir, first, suffixes[s]);
        move(back ? kept : record_scene_path(&scene, first, suffixes[s]),
             back ? record_scene_path(&scene, first, suffixes[s]) : kept);
    }
}

static void verify_says(const char *text)
{
    TALLY(&scene.p, 1, "archive", "--verify", "--format", "csv");
    cr_assert_not_null(strstr(scene.p.run.out, text), "%s", scene.p.run.out);
    cr_assert_null(strstr(scene.p.run.out, "leftover"), "%s", scene.p.run.out);
}

static void as_if_all_were_done_now(void)
{
    char *hits = pipeline_rows(&scene.p, "hits", "batch"), *visits = pipeline_rows(&scene.p, "visits", "batch");

    TALLY(&scene.p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    free(hits);
    free(visits);
}

/* Its index still tells what was in it. */
Test(damaged_record, the_days_of_a_file_that_is_gone_wait_for_it)
{
    int64_t first[4];
    char *after;

    record_scene_four_days(&scene, first);
    BATCH(0);
    take(first[1], 0, false);
    verify_says("events,0,missing,true,24,47,");
    BATCH(0);
    cr_assert_str_eq(scene.p.run.out, "", "nothing is to do, and nothing is done");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 3);     /* the 2nd */
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3 * DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 4); /* the 4th */
    BATCH(3);
    says_once(record_scene_path(&scene, first[1], ".jsonl.zst"));
    record_scene_says(&scene, "is missing, and its index ");
    record_scene_says(&scene, "1 range between 2026-03-02T00:00:00.000Z and 2026-03-03T00:00:00.000Z stays as published");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 100, "the 4th is done");
    take(first[1], 0, true);
    BATCH(0);
    after = pipeline_rows(&scene.p, "hits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-02T05:00:00.000Z,2026-03-02T06:00:00.000Z,4\n"), "%s", after);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 103);
    BATCH(0);
    cr_assert_str_eq(scene.p.run.out, "");
    as_if_all_were_done_now();
    free(after);
}

/* The same, of what no run has read yet: while it was gone, a run has read what is behind it. */
Test(damaged_record, what_was_gone_is_new_when_it_is_back)
{
    int64_t first[4], late;

    record_scene_four_days(&scene, first);
    BATCH(0);
    late =
        record_scene_add(&scene, "bob", FIRST_DAY_MS + DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 3); /* the 2nd */
    take(late, 0, false);
    BATCH(3); /* it is known that there is something of the 2nd */
    record_scene_says(&scene, "1 range between 2026-03-02T00:00:00.000Z and 2026-03-03T00:00:00.000Z stays as published");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3 * DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 4); /* the 4th */
    BATCH(3);
    says_once(record_scene_path(&scene, late, ".jsonl.zst"));
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 100);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT COUNT(*) FROM tally_run_unread WHERE first_offset = 96 AND last_offset = 98"),
                 2);
    take(late, 0, true);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 103);
    as_if_all_were_done_now();
}

/* Of which days a file was that is gone with its index, nobody can say. */
Test(damaged_record, a_file_that_is_gone_with_its_index_may_have_any_day)
{
    int64_t first[4];
    char *before;

    record_scene_four_days(&scene, first);
    BATCH(0);
    before = pipeline_rows(&scene.p, "hits", "batch");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3 * DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 4); /* the 4th */
    take(first[1], INDEX_TOO, false);
    verify_says("events,0,missing,true,24,47,");
    for (int i = 0; i < 2; i++) {
        BATCH(3);
        says_once("a file with offsets 24 to 47 is gone; bring it back from a copy");
        rows_equal("hits", before);
    }
    take(first[1], INDEX_TOO, true);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 100);
    /* The last one: complete.json speaks of it. */
    take(first[3] + 24, INDEX_TOO, false);
    BATCH(3);
    says_once("a file with offsets 96 to 99 is gone; bring it back from a copy");
    take(first[3] + 24, INDEX_TOO, true);
    BATCH(0);
    cr_assert_str_eq(scene.p.run.err, "");
    free(before);
}

Test(damaged_record, what_is_gone_before_it_was_published_is_waited_for)
{
    int64_t first[4];

    record_scene_four_days(&scene, first);
    take(first[1], 0, false);
    BATCH(3);
    says_once(record_scene_path(&scene, first[1], ".jsonl.zst"));
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + DAY_MS, "the 1st is published");
    take(first[1], 0, true);
    take(first[2], INDEX_TOO, false);
    BATCH(3);
    says_once("a file with offsets 48 to 71 is gone");
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + DAY_MS);
    take(first[2], INDEX_TOO, true);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 96);
    as_if_all_were_done_now();
}

/* What the log had no more is not gone from the record; nor what a killed writer left behind all. */
Test(damaged_record, what_the_log_never_had_is_not_gone)
{
    int64_t first[4];
    struct tl_log *log = NULL;
    struct tl_err err;
    char command[1000];

    record_scene_four_days(&scene, first);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = scene.p.data}, TL_LOG_APPEND, &log, &err), TL_OK);
    cr_assert_eq(
        tl_log_append(log, TL_SV("events"), &(struct tl_log_record){.log_ms = FIRST_DAY_MS, .value = TL_SV("{}")}, 1, NULL, &err),
        TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), 0, 97, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    TALLY(&scene.p, 0, "archive", "--accept-gap");
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3 * DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 5 * DAY_MS, 4);
    snprintf(command, sizeof command, "cp '%s' '%s/topics/events/partition=0/events+0+0000000101.index'",
             record_scene_path(&scene, first[3], ".index"), scene.p.data);
    cr_assert_eq(system(command), 0);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 100);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT COUNT(*) FROM tally_run_unread"), 0);
}

/* ---- sealed days ---- */

static const char sealed_lines[] = "SELECT COUNT(*) FROM tally_ledger WHERE cause = 18";

/* Four days, of which two are sealed; then something comes for the first, and for the fourth. */
static int64_t late_for_a_sealed_day(void)
{
    int64_t first[4], late;

    record_scene_four_days(&scene, first);
    BATCH(0);
    TALLY(&scene.p, 0, "archive", "--retention", "4d", "--wait", "10s");
    late = record_scene_add(&scene, "eve", FIRST_DAY_MS + 3600000 * 5, 60000, FIRST_DAY_MS + 6 * DAY_MS, 3);
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 3 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 6 * DAY_MS, 2);
    return late;
}

static void is_noted_when_it_is_back(void)
{
    BATCH(0);
    record_scene_says(&scene, "3 events came for days that are sealed");
    cr_assert_eq(pipeline_number(&scene.p, sealed_lines), 6, "three for each view");
    BATCH(0);
    cr_assert_str_eq(scene.p.run.err, "");
    cr_assert_eq(pipeline_number(&scene.p, sealed_lines), 6);
}

/* A run that reads what is behind the damage has not read the damage. */
Test(damaged_record, what_a_damaged_file_has_for_a_sealed_day_is_noted_when_it_is_whole)
{
    int64_t late = late_for_a_sealed_day();

    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    for (int i = 0; i < 2; i++) {
        BATCH(3);
        says_once(record_scene_path(&scene, late, ".jsonl.zst"));
        record_scene_says(&scene, "what came there for sealed days is not in the ledger yet; all else was done");
        cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 98, "the 4th is done");
        cr_assert_eq(pipeline_number(&scene.p, sealed_lines), 0);
    }
    record_flip(record_scene_path(&scene, late, ".jsonl.zst"), 40);
    is_noted_when_it_is_back();
}

Test(damaged_record, what_a_file_had_for_a_sealed_day_is_noted_when_it_is_back)
{
    int64_t late = late_for_a_sealed_day();

    take(late, 0, false);
    BATCH(3);
    says_once(record_scene_path(&scene, late, ".jsonl.zst"));
    record_scene_says(&scene, "what came there for sealed days is not in the ledger yet");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(num_hits) FROM hits WHERE _layer = 'batch'"), 98);
    take(late, 0, true);
    is_noted_when_it_is_back();
}
