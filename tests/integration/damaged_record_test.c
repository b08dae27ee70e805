/* damaged_record_test.c: batch over a record with a damaged file: it is named, ranges that may need it stay as they are published, and the rest goes on. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/pipeline.h"

#define DAY_MS INT64_C(86400000)
#define FIRST_DAY_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

static const char views[] =
    "SET 'table.local-time-zone' = 'UTC';\n"
    "CREATE TABLE events (\n"
    "    event_id STRING, who STRING, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',\n"
    "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS\n"
    "    SELECT window_start, window_end, COUNT(*) AS num_hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW visits AS\n"
    "    SELECT window_start, window_end, who, COUNT(*) AS num_hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY who, DESCRIPTOR(event_time), INTERVAL '90' MINUTE))\n"
    "    GROUP BY window_start, window_end, who;\n";

static struct pipeline p;
static int64_t next_offset;

static void scene_open(void)
{
    pipeline_open(&p, views);
    next_offset = 0;
}

static void scene_close(void)
{
    pipeline_close(&p);
}

TestSuite(damaged_record, .init = scene_open, .fini = scene_close);

/* `count` events, `step_ms` apart, in a file of the record of their own. */
static int64_t file_add(const char *who, int64_t from_ms, int64_t step_ms, int64_t log_ms, int count)
{
    static char texts[100][160];
    struct tl_log_record records[100];
    int64_t first = next_offset;

    for (int i = 0; i < count; i++) {
        int64_t ms = from_ms + i * step_ms, s = ms / 1000 % 86400;
        int size = snprintf(
            texts[i], sizeof texts[i],
            "{\"event_id\":\"%s-%" PRId64 "\",\"who\":\"%s\",\"event_time\":\"2026-03-%02dT%02d:%02d:%02d.000Z\"}", who,
            next_offset++, who, (int)((ms - FIRST_DAY_MS) / DAY_MS) + 1, (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));

        records[i] = (struct tl_log_record){
            .partition = 0, .log_ms = tl_max_i64(log_ms, ms), .value = {texts[i], (size_t)size}
        };
    }
    pipeline_append(&p, 1, records, (size_t)count);
    TALLY(&p, 0, "archive");
    return first;
}

/* One file a day; everybody is there every hour, over all midnights. */
static void four_days(int64_t first[4])
{
    for (int d = 0; d < 4; d++)
        first[d] = file_add("ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
}

static const char *path_of(int64_t first, const char *suffix)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010" PRId64 "%s", p.data, first, suffix);
    return path;
}

/* Changes a byte; twice is as before. */
static void flip(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);

    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

#define BATCH(status) TALLY(&p, (status), "batch", "--to", "2026-03-05T00:00:00Z")

static void says(const char *text)
{
    cr_assert_not_null(strstr(p.run.err, text), "\"%s\" in:\n%s%s", text, p.run.err, p.run.out);
}

static void says_once(const char *text)
{
    says(text);
    cr_assert_null(strstr(strstr(p.run.err, text) + 1, text), "\"%s\" twice in:\n%s", text, p.run.err);
}

static long long boundary(const char *view)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT g.boundary_ms FROM tally_progress AS g JOIN tally_definition AS d ON d.definition = g.definition WHERE "
             "d.view = '%s'",
             view);
    return pipeline_number(&p, sql);
}

static void rows_equal(const char *view, const char *want)
{
    char *rows = pipeline_rows(&p, view, "batch");

    cr_assert_str_eq(rows, want, "%s", view);
    free(rows);
}

/* What is not published yet can only follow what is: ranges leave no gap. */
Test(damaged_record, days_before_the_damage_are_published)
{
    int64_t first[4];
    char *hits, *visits;

    four_days(first);
    flip(path_of(first[2], ".jsonl.zst"), 40);
    BATCH(3);
    says_once("events+0+0000000048.jsonl.zst");
    says("the record is damaged: 2 ranges between 2026-03-03T00:00:00.000Z and 2026-03-05T00:00:00.000Z stay as published (views "
         "hits, "
         "visits); all else was done");
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + 2 * DAY_MS);
    cr_assert_eq(boundary("visits"), FIRST_DAY_MS + 2 * DAY_MS);
    cr_assert_not_null(strstr(p.run.out, "published up to 2026-03-03T00:00:00.000Z"), "%s", p.run.out);
    BATCH(3);
    says_once("events+0+0000000048.jsonl.zst");
    flip(path_of(first[2], ".jsonl.zst"), 40);
    BATCH(0);
    cr_assert_eq(boundary("hits"), FIRST_DAY_MS + 4 * DAY_MS);
    hits = pipeline_rows(&p, "hits", "batch");
    visits = pipeline_rows(&p, "visits", "batch");
    TALLY(&p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
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

    four_days(first);
    BATCH(0);
    before = pipeline_rows(&p, "hits", "batch");
    file_add("bob", FIRST_DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);                     /* the 1st */
    late = file_add("bob", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 7); /* the 3rd */
    flip(path_of(late, ".jsonl.zst"), 40);
    BATCH(3);
    says_once(path_of(late, ".jsonl.zst"));
    says("1 range between 2026-03-03T00:00:00.000Z and 2026-03-04T00:00:00.000Z stays as published");
    after = pipeline_rows(&p, "hits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-01T10:00:00.000Z,2026-03-01T11:00:00.000Z,6\n"), "%s", after);
    cr_assert_not_null(strstr(after, "2026-03-03T10:00:00.000Z,2026-03-03T11:00:00.000Z,1\n"), "%s", after);
    BATCH(3);
    cr_assert_null(strstr(p.run.out, " 6 events read"), "the 1st was done: %s", p.run.out);
    flip(path_of(late, ".jsonl.zst"), 40);
    BATCH(0);
    free(after);
    after = pipeline_rows(&p, "hits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-03T10:00:00.000Z,2026-03-03T11:00:00.000Z,8\n"), "%s", after);
    cr_assert_str_neq(before, after);
    TALLY(&p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("hits", after);
    free(before);
    free(after);
}

/* The session over midnight of the 2nd gets longer; the day behind cannot be computed, so neither half is published. */
Test(damaged_record, a_session_over_the_bound_keeps_both_days_back)
{
    int64_t first[4], late;
    char *before, *after;

    four_days(first);
    file_add("eve", FIRST_DAY_MS + 2 * DAY_MS - 3600000, 1800000, 0, 4); /* 23:00 .. 00:30 */
    BATCH(0);
    before = pipeline_rows(&p, "visits", "batch");
    cr_assert_not_null(strstr(before, "2026-03-02T23:00:00.000Z,2026-03-03T02:00:00.000Z,eve,4\n"), "%s", before);
    file_add("eve", FIRST_DAY_MS + 2 * DAY_MS - 7200000, 60000, FIRST_DAY_MS + 5 * DAY_MS, 1);             /* 22:00 */
    late = file_add("dan", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 7); /* the 3rd */
    flip(path_of(late, ".jsonl.zst"), 40);
    BATCH(3);
    after = pipeline_rows(&p, "visits", "batch");
    cr_assert_str_eq(after, before);
    flip(path_of(late, ".jsonl.zst"), 40);
    BATCH(0);
    free(after);
    after = pipeline_rows(&p, "visits", "batch");
    cr_assert_not_null(strstr(after, "2026-03-02T22:00:00.000Z,2026-03-03T02:00:00.000Z,eve,5\n"), "%s", after);
    free(before);
    free(after);
}

/* Of which days a file is whose index cannot be read, nobody can say. */
Test(damaged_record, without_its_index_a_file_may_have_any_day)
{
    int64_t first[4], late;
    char *before;

    four_days(first);
    BATCH(0);
    before = pipeline_rows(&p, "hits", "batch");
    file_add("bob", FIRST_DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    late = file_add("bob", FIRST_DAY_MS + 2 * DAY_MS, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    flip(path_of(late, ".index"), 30);
    BATCH(3);
    says_once(path_of(late, ".index"));
    rows_equal("hits", before);
    flip(path_of(late, ".index"), 30);
    flip(path_of(first[3], ".index"), 30);
    BATCH(3);
    says_once(path_of(first[3], ".index"));
    rows_equal("hits", before);
    flip(path_of(first[3], ".index"), 30);
    BATCH(0);
    free(before);
    before = pipeline_rows(&p, "hits", "batch");
    cr_assert_not_null(strstr(before, "2026-03-01T10:00:00.000Z,2026-03-01T11:00:00.000Z,6\n"), "%s", before);
    /* Even where nothing else is to be done. */
    flip(path_of(late, ".index"), 30);
    BATCH(3);
    says("nobody can say of which days");
    free(before);
}

/* A file that was cut off is known to be damaged before it is read. */
Test(damaged_record, a_file_that_was_cut_off_and_one_that_is_there_twice)
{
    int64_t first[4], late;
    char command[1000], second[410];
    struct stat found;

    four_days(first);
    BATCH(0);
    late = file_add("bob", FIRST_DAY_MS + 2 * DAY_MS + 3600000 * 10, 60000, FIRST_DAY_MS + 5 * DAY_MS, 5);
    snprintf(second, sizeof second, "%s.copy", path_of(late, ".jsonl.zst"));
    snprintf(command, sizeof command, "cp '%s' '%s'", path_of(late, ".jsonl.zst"), second);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(stat(second, &found), 0);
    cr_assert_eq(truncate(path_of(late, ".jsonl.zst"), found.st_size / 2), 0);
    BATCH(3);
    says_once(path_of(late, ".jsonl.zst"));
    says("1 range between 2026-03-03T00:00:00.000Z and 2026-03-04T00:00:00.000Z stays as published");
    snprintf(command, sizeof command, "cp '%s' '%s'", second, path_of(late, ".jsonl.zst"));
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
             views);
    pipeline_define(&p, two);
    four_days(first);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = p.data}, TL_LOG_APPEND, &log, &err), TL_OK);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("orders"), 1, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, TL_SV("orders"), &record, 1, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    TALLY(&p, 0, "archive");
    flip(path_of(first[0], ".index"), 30);
    BATCH(3);
    says("(views hits, visits)");
    cr_assert_eq(boundary("bought"), FIRST_DAY_MS + 4 * DAY_MS);
    cr_assert_eq(boundary("hits"), INT64_MIN);
}
