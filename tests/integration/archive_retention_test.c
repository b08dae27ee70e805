/* archive_retention_test.c: `tally archive --retention`: what goes, what stays, and that a sealed day is never computed again. */
#include <criterion/criterion.h>
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

static void clock_set(int64_t ms)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, ms);
    cr_assert_eq(setenv("TALLY_CLOCK_FILE", run_file_write(p.dir, "clock", text), 1), 0);
}

/* It is the 7th, noon: four days ago is the 3rd, noon. */
static void scene_open(void)
{
    pipeline_open(&p, views);
    clock_set(FIRST_DAY_MS + 6 * DAY_MS + DAY_MS / 2);
    next_offset = 0;
}

static void scene_close(void)
{
    pipeline_close(&p);
}

TestSuite(archive_retention, .init = scene_open, .fini = scene_close);

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

#define BATCH(status) TALLY(&p, (status), "batch", "--to", "2026-03-05T00:00:00Z")

static void says(const char *text)
{
    cr_assert_not_null(strstr(p.run.err, text), "\"%s\" in:\n%s%s", text, p.run.err, p.run.out);
}

static void rows_equal(const char *view, const char *want)
{
    char *rows = pipeline_rows(&p, view, "batch");

    cr_assert_str_eq(rows, want, "%s", view);
    free(rows);
}

#define RETENTION(status, ...) TALLY(&p, (status), "archive", "--retention", "4d", __VA_ARGS__)

static bool is_there(int64_t first)
{
    return access(path_of(first, ".jsonl.zst"), F_OK) == 0;
}

static long long sealed_upto(void)
{
    return pipeline_number(&p, "SELECT COALESCE(MAX(upto_ms), 0) FROM tally_sealed");
}

static void verify_is_sound(void)
{
    TALLY(&p, -1, "archive", "--verify");
    cr_assert_eq(p.run.status, 0, "%s%s", p.run.out, p.run.err);
}

/* Published, and the first two days are gone from the record. */
static void two_days_gone(int64_t first[4])
{
    four_days(first);
    file_add("bob", FIRST_DAY_MS + 2 * DAY_MS - 3600000, 1800000, 0, 3); /* 23:00 .. 00:00 of the 3rd */
    BATCH(0);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    cr_assert_not(is_there(first[1]));
    cr_assert(is_there(first[2]));
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 2 * DAY_MS);
}

Test(archive_retention, old_files_go_and_their_days_stay_published)
{
    int64_t first[4];
    char *hits, *visits;

    four_days(first);
    BATCH(0);
    hits = pipeline_rows(&p, "hits", "batch");
    visits = pipeline_rows(&p, "visits", "batch");
    RETENTION(0, "--dry-run", "--format", "csv");
    cr_assert_not_null(strstr(p.run.out, "events,0,0,23,24,"), "%s", p.run.out);
    cr_assert_not_null(strstr(p.run.out, "events,0,24,47,24,"), "%s", p.run.out);
    cr_assert_null(strstr(p.run.out, "events,0,48,"), "%s", p.run.out);
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0, "nothing was done");

    RETENTION(0, "--wait", "10s");
    cr_assert_not_null(strstr(p.run.out, "sealed topic events up to 2026-03-03T00:00:00.000Z: removed 2 files with 48 events"),
                       "%s", p.run.out);
    cr_assert_not(is_there(first[0]));
    cr_assert_not(is_there(first[1]));
    cr_assert(is_there(first[2]));
    verify_is_sound();
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    RETENTION(0, "--wait", "10s");
    cr_assert_str_eq(p.run.out, "", "once is enough");
    BATCH(0);
    cr_assert_str_eq(p.run.out, "", "no day became dirty");

    /* What is asked for is done from the seal on. */
    TALLY(&p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    says("view hits: what is published up to 2026-03-03T00:00:00.000Z stays: those days are sealed");
    cr_assert_not_null(strstr(p.run.out, " 48 events read"), "%s", p.run.out);
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    TALLY(&p, 0, "archive");
    cr_assert_str_eq(p.run.out, "", "archive goes on behind what was there");
    free(hits);
    free(visits);
}

Test(archive_retention, what_comes_for_a_sealed_day_stands_in_the_ledger)
{
    int64_t first[4];
    char *hits;
    const char *const lines =
        "SELECT COUNT(*) FROM tally_ledger AS l JOIN tally_definition AS d ON d.definition = l.definition WHERE cause = 18";

    two_days_gone(first);
    hits = pipeline_rows(&p, "hits", "batch");
    file_add("eve", FIRST_DAY_MS + 3600000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 5); /* the 1st */
    BATCH(0);
    says("5 events came for days that are sealed");
    cr_assert_eq(pipeline_number(&p, lines), 10, "five for each view");
    cr_assert_eq(pipeline_number(&p, "SELECT SUM(late) FROM tally_run_range WHERE published IS NOT NULL"), 10);
    rows_equal("hits", hits);
    BATCH(0);
    cr_assert_str_eq(p.run.err, "", "once is enough");
    cr_assert_eq(pipeline_number(&p, lines), 10);
    cr_assert_eq(pipeline_number(&p, "SELECT SUM(late) FROM tally_run_range WHERE published IS NOT NULL"), 10);

    /* Retention notes them too, before they go; the last file stays. */
    file_add("eve", FIRST_DAY_MS + 7200000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 5);
    RETENTION(0, "--wait", "10s");
    cr_assert_eq(pipeline_number(&p, lines), 20);
    rows_equal("hits", hits);
    free(hits);
}

/* Speed counted an event of the 4th that came to the record when the 4th was sealed already. */
Test(archive_retention, reconcile_says_why)
{
    static const struct tl_log_record late = {
        .log_ms = FIRST_DAY_MS + 4 * DAY_MS,
        .value = TL_SV("{\"event_id\":\"late\",\"who\":\"eve\",\"event_time\":\"2026-03-04T23:30:00.000Z\"}")};
    int64_t first[4];

    for (int d = 0; d < 4; d++)
        first[d] = file_add("ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    BATCH(0);
    TALLY(&p, 0, "archive", "--retention", "1d", "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    cr_assert(is_there(first[3]), "the last file stays");
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 4 * DAY_MS);
    pipeline_append(&p, 1, &late, 1);
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    BATCH(0);
    TALLY(&p, 0, "reconcile", "--from", "2026-03-04T20:00:00Z", "--to", "2026-03-05T00:00:00Z", "--format", "json");
    cr_assert_not_null(strstr(p.run.out, "\"sealed_day\": 1"), "%s", p.run.out);
    cr_assert_not_null(strstr(p.run.out, "\"unexplained\": 0"), "%s", p.run.out);
    TALLY(&p, 0, "status");
}

Test(archive_retention, what_is_not_published_stays)
{
    static char more[3000];
    int64_t first[4];

    four_days(first);
    RETENTION(0, "--wait", "10s");
    cr_assert_str_eq(p.run.out, "");
    says("view hits is published, and nothing in it has changed, up to the beginning");
    BATCH(0);

    /* A late event that batch has not seen. */
    file_add("eve", FIRST_DAY_MS + DAY_MS + 3600000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 1);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]), "the 1st has nothing new");
    cr_assert(is_there(first[1]), "the 2nd has");
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + DAY_MS);
    BATCH(0);

    /* A view that is new, in another file. */
    snprintf(more, sizeof more,
             "%sCREATE VIEW all_hits AS SELECT window_start, window_end, COUNT(*) AS num FROM TABLE(TUMBLE(TABLE events, "
             "DESCRIPTOR(event_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end;\n",
             views);
    pipeline_define(&p, more);
    RETENTION(0, "--wait", "10s");
    cr_assert(is_there(first[1]));
    says("view all_hits is published");
    BATCH(0);
    says("view all_hits: its definition is new, and the days up to 2026-03-02T00:00:00.000Z are sealed: it has no rows of them");
    cr_assert_eq(pipeline_number(&p, "SELECT COUNT(*) FROM all_hits_batch"), 3);

    /* And one that this views file does not have. */
    pipeline_define(&p, views);
    TALLY(&p, 0, "archive", "--retention", "2d", "--wait", "10s"); /* the 5th, noon */
    cr_assert_not(is_there(first[1]));
    verify_is_sound();
}

Test(archive_retention, a_changed_view_begins_behind_the_seal)
{
    static char changed[3000];
    int64_t first[4];
    char *at, *rows;

    two_days_gone(first);
    snprintf(changed, sizeof changed, "%s", views);
    at = strstr(changed, "INTERVAL '1' HOUR");
    memcpy(at, "INTERVAL '2' HOUR", 17);
    pipeline_define(&p, changed);
    BATCH(0);
    says("view hits: its definition is new, and the days up to 2026-03-03T00:00:00.000Z are sealed");
    rows = pipeline_rows(&p, "hits", "batch");
    cr_assert_null(strstr(rows, "2026-03-02"), "%s", rows);
    cr_assert_not_null(strstr(rows, "2026-03-03T02:00:00.000Z,2026-03-03T04:00:00.000Z,2\n"), "%s", rows);
    free(rows);
    rows = pipeline_rows(&p, "visits", "batch");
    TALLY(&p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("visits", rows);
    free(rows);
    BATCH(0);
    cr_assert_str_eq(p.run.out, "");
}

Test(archive_retention, one_thing_at_a_time)
{
    TALLY(&p, 2, "archive", "--retention", "4d", "--compact");
    TALLY(&p, 2, "archive", "--retention", "0s");
    TALLY(&p, 2, "archive", "--dry-run");
    TALLY(&p, 2, "archive", "--retention", "many");
}
