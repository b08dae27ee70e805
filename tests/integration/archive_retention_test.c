/* archive_retention_test.c: `tally archive --retention`: what goes, what stays, and that a sealed day is never computed again. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
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

TestSuite(archive_retention, .init = scene_open, .fini = scene_close);

#define BATCH(status) TALLY(&scene.p, (status), "batch", "--to", "2026-03-05T00:00:00Z")

static void rows_equal(const char *view, const char *want)
{
    char *rows = pipeline_rows(&scene.p, view, "batch");

    cr_assert_str_eq(rows, want, "%s", view);
    free(rows);
}

#define RETENTION(status, ...) TALLY(&scene.p, (status), "archive", "--retention", "4d", __VA_ARGS__)

static bool is_there(int64_t first)
{
    return access(record_scene_path(&scene, first, ".jsonl.zst"), F_OK) == 0;
}

static long long sealed_upto(void)
{
    return pipeline_number(&scene.p, "SELECT COALESCE(MAX(upto_ms), 0) FROM tally_sealed");
}

static void verify_is_sound(void)
{
    TALLY(&scene.p, -1, "archive", "--verify");
    cr_assert_eq(scene.p.run.status, 0, "%s%s", scene.p.run.out, scene.p.run.err);
}

/* Published, and the first two days are gone from the record. */
static void two_days_gone(int64_t first[4])
{
    record_scene_four_days(&scene, first);
    record_scene_add(&scene, "bob", FIRST_DAY_MS + 2 * DAY_MS - 3600000, 1800000, 0, 3); /* 23:00 .. 00:00 of the 3rd */
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

    record_scene_four_days(&scene, first);
    BATCH(0);
    hits = pipeline_rows(&scene.p, "hits", "batch");
    visits = pipeline_rows(&scene.p, "visits", "batch");
    RETENTION(0, "--dry-run", "--format", "csv");
    cr_assert_not_null(strstr(scene.p.run.out, "events,0,0,23,24,"), "%s", scene.p.run.out);
    cr_assert_not_null(strstr(scene.p.run.out, "events,0,24,47,24,"), "%s", scene.p.run.out);
    cr_assert_null(strstr(scene.p.run.out, "events,0,48,"), "%s", scene.p.run.out);
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0, "nothing was done");

    RETENTION(0, "--wait", "10s");
    cr_assert_not_null(
        strstr(scene.p.run.out, "sealed topic events up to 2026-03-03T00:00:00.000Z: removed 2 files with 48 events"), "%s",
        scene.p.run.out);
    cr_assert_not(is_there(first[0]));
    cr_assert_not(is_there(first[1]));
    cr_assert(is_there(first[2]));
    verify_is_sound();
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    RETENTION(0, "--wait", "10s");
    cr_assert_str_eq(scene.p.run.out, "", "once is enough");
    BATCH(0);
    cr_assert_str_eq(scene.p.run.out, "", "no day became dirty");

    /* What is asked for is done from the seal on. */
    TALLY(&scene.p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    record_scene_says(&scene, "view hits: what is published up to 2026-03-03T00:00:00.000Z stays: those days are sealed");
    cr_assert_not_null(strstr(scene.p.run.out, " 48 events read"), "%s", scene.p.run.out);
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    TALLY(&scene.p, 0, "archive");
    cr_assert_str_eq(scene.p.run.out, "", "archive goes on behind what was there");
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
    hits = pipeline_rows(&scene.p, "hits", "batch");
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 3600000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 5); /* the 1st */
    BATCH(0);
    record_scene_says(&scene, "5 events came for days that are sealed");
    cr_assert_eq(pipeline_number(&scene.p, lines), 10, "five for each view");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(late) FROM tally_run_range WHERE published IS NOT NULL"), 10);
    rows_equal("hits", hits);
    BATCH(0);
    cr_assert_str_eq(scene.p.run.err, "", "once is enough");
    cr_assert_eq(pipeline_number(&scene.p, lines), 10);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT SUM(late) FROM tally_run_range WHERE published IS NOT NULL"), 10);

    /* Retention notes them too, before they go; the last file stays. */
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 7200000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 5);
    RETENTION(0, "--wait", "10s");
    cr_assert_eq(pipeline_number(&scene.p, lines), 20);
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
        first[d] = record_scene_add(&scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    BATCH(0);
    TALLY(&scene.p, 0, "archive", "--retention", "1d", "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    cr_assert(is_there(first[3]), "the last file stays");
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 4 * DAY_MS);
    pipeline_append(&scene.p, 1, &late, 1);
    TALLY(&scene.p, 0, "speed", "--once");
    TALLY(&scene.p, 0, "archive");
    BATCH(0);
    TALLY(&scene.p, 0, "reconcile", "--from", "2026-03-04T20:00:00Z", "--to", "2026-03-05T00:00:00Z", "--format", "json");
    cr_assert_not_null(strstr(scene.p.run.out, "\"sealed_day\": 1"), "%s", scene.p.run.out);
    cr_assert_not_null(strstr(scene.p.run.out, "\"unexplained\": 0"), "%s", scene.p.run.out);
    TALLY(&scene.p, 0, "status");
}

Test(archive_retention, what_is_not_published_stays)
{
    static char more[3000];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    RETENTION(0, "--wait", "10s");
    cr_assert_str_eq(scene.p.run.out, "");
    record_scene_says(&scene, "view hits is published, and nothing in it has changed, up to the beginning");
    BATCH(0);

    /* A late event that batch has not seen. */
    record_scene_add(&scene, "eve", FIRST_DAY_MS + DAY_MS + 3600000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 1);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]), "the 1st has nothing new");
    cr_assert(is_there(first[1]), "the 2nd has");
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + DAY_MS);
    BATCH(0);

    /* A view that is new, in another file. */
    snprintf(more, sizeof more,
             "%sCREATE VIEW all_hits AS SELECT window_start, window_end, COUNT(*) AS num FROM TABLE(TUMBLE(TABLE events, "
             "DESCRIPTOR(event_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end;\n",
             record_scene_views);
    pipeline_define(&scene.p, more);
    RETENTION(0, "--wait", "10s");
    cr_assert(is_there(first[1]));
    record_scene_says(&scene, "view all_hits is published");
    BATCH(0);
    record_scene_says(
        &scene,
        "view all_hits: its definition is new, and the days up to 2026-03-02T00:00:00.000Z are sealed: it has no rows of them");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT COUNT(*) FROM all_hits_batch"), 3);

    /* And one that this views file does not have. */
    pipeline_define(&scene.p, record_scene_views);
    TALLY(&scene.p, 0, "archive", "--retention", "2d", "--wait", "10s"); /* the 5th, noon */
    cr_assert_not(is_there(first[1]));
    verify_is_sound();
}

Test(archive_retention, a_changed_view_begins_behind_the_seal)
{
    static char changed[3000];
    int64_t first[4];
    char *at, *rows;

    two_days_gone(first);
    snprintf(changed, sizeof changed, "%s", record_scene_views);
    at = strstr(changed, "INTERVAL '1' HOUR");
    memcpy(at, "INTERVAL '2' HOUR", 17);
    pipeline_define(&scene.p, changed);
    BATCH(0);
    record_scene_says(&scene, "view hits: its definition is new, and the days up to 2026-03-03T00:00:00.000Z are sealed");
    rows = pipeline_rows(&scene.p, "hits", "batch");
    cr_assert_null(strstr(rows, "2026-03-02"), "%s", rows);
    cr_assert_not_null(strstr(rows, "2026-03-03T02:00:00.000Z,2026-03-03T04:00:00.000Z,2\n"), "%s", rows);
    free(rows);
    rows = pipeline_rows(&scene.p, "visits", "batch");
    TALLY(&scene.p, 0, "batch", "--from", "2026-02-01", "--to", "2026-03-05T00:00:00Z");
    rows_equal("visits", rows);
    free(rows);
    BATCH(0);
    cr_assert_str_eq(scene.p.run.out, "");
}

/* What the record cannot give any more is not given up. */
Test(archive_retention, sealed_days_are_not_rolled_back)
{
    int64_t first[4];
    char *hits, *visits;

    for (int d = 0; d < 2; d++)
        first[d] = record_scene_add(&scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    BATCH(0);
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 3 * 3600000, 60000, 0, 5);
    for (int d = 2; d < 4; d++)
        first[d] = record_scene_add(&scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    record_scene_add(&scene, "zed", FIRST_DAY_MS + 5 * DAY_MS, 0, 0, 1);
    BATCH(0);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    hits = pipeline_rows(&scene.p, "hits", "batch");
    visits = pipeline_rows(&scene.p, "visits", "batch");

    TALLY(&scene.p, 1, "batch", "--rollback");
    record_scene_says(&scene,
                      "what run 2 has published up to 2026-03-02T00:00:00.000Z could not be had again: these days are sealed");
    cr_assert_str_eq(scene.p.run.out, "");
    TALLY(&scene.p, 1, "batch", "--rollback", "1");
    record_scene_says(&scene, "nothing was rolled back");
    rows_equal("hits", hits);
    TALLY(&scene.p, 0, "batch", "--force", "--to", "2026-03-05T00:00:00Z");
    cr_assert_null(strstr(scene.p.run.err, "its definition is new"), "%s", scene.p.run.err);
    rows_equal("hits", hits);
    rows_equal("visits", visits);
    TALLY(&scene.p, 0, "batch", "--rollback");
    cr_assert_not_null(strstr(scene.p.run.out, "run 3 is rolled back"), "what lies behind can be: %s", scene.p.run.out);
    rows_equal("hits", hits);
    free(hits);
    free(visits);
}

/* One that came when they were sealed has nothing of them, and can be undone; it is not new afterwards. */
Test(archive_retention, a_view_without_sealed_days_is_rolled_back)
{
    static char more[3000];
    int64_t first[4];

    two_days_gone(first);
    snprintf(more, sizeof more,
             "%sCREATE VIEW all_hits AS SELECT window_start, window_end, COUNT(*) AS num FROM TABLE(TUMBLE(TABLE events, "
             "DESCRIPTOR(event_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end;\n",
             record_scene_views);
    pipeline_define(&scene.p, more);
    BATCH(0);
    record_scene_says(&scene, "view all_hits: its definition is new");
    TALLY(&scene.p, 0, "batch", "--rollback");
    BATCH(1);
    TALLY(&scene.p, 0, "batch", "--force", "--to", "2026-03-05T00:00:00Z");
    record_scene_says(&scene, "view all_hits: all that it had published was rolled back, and the days up to");
    cr_assert_null(strstr(scene.p.run.err, "its definition is new"), "%s", scene.p.run.err);
}

static void cut_short(const char *path, bool back)
{
    static char bytes[1 << 16];
    static size_t size;
    FILE *file = fopen(path, back ? "r+b" : "rb");

    cr_assert_not_null(file, "%s", path);
    if (back)
        cr_assert_eq(fwrite(bytes, 1, size, file), size);
    else
        size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (!back)
        cr_assert_eq(truncate(path, (off_t)size / 2), 0);
}

/* What is damaged may be had again: until then nothing is sealed that it may have events of, and nothing goes that tells what is wrong. */
Test(archive_retention, a_damaged_file_keeps_its_days_and_what_lies_before)
{
    char *path;
    int64_t first[4];

    record_scene_four_days(&scene, first);
    BATCH(0);
    path = strdup(record_scene_path(&scene, first[1], ".jsonl.zst"));
    cut_short(path, false);
    RETENTION(3, "--dry-run", "--format", "csv");
    cr_assert_null(strstr(scene.p.run.out, "events,0,"), "%s", scene.p.run.out);
    RETENTION(3, "--wait", "10s");
    record_scene_says(&scene, "warn archive ");
    record_scene_says(&scene, path);
    record_scene_says(&scene, "the record is damaged");
    cr_assert_null(strstr(scene.p.run.err, "is published, and nothing in it"), "%s", scene.p.run.err);
    cr_assert_str_eq(scene.p.run.out, "");
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0);
    cut_short(path, true);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[1]));
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 2 * DAY_MS);
    free(path);
}

static void move(const char *from, const char *to)
{
    cr_assert_eq(rename(from, to), 0, "%s", from);
}

/* The same of one that is gone; where its index went with it, nobody can say which days it had. */
Test(archive_retention, a_file_that_is_gone_stays_visible)
{
    char data[400], index[400], away[2][450];
    int64_t first[4], late;

    record_scene_four_days(&scene, first);
    BATCH(0);
    late = record_scene_add(&scene, "eve", FIRST_DAY_MS + DAY_MS + 5 * 3600000, 60000, 0, 3); /* the 2nd; batch has not seen it */
    record_scene_add(&scene, "zed", FIRST_DAY_MS + 5 * DAY_MS, 0, 0, 1);
    snprintf(data, sizeof data, "%s", record_scene_path(&scene, late, ".jsonl.zst"));
    snprintf(index, sizeof index, "%s", record_scene_path(&scene, late, ".index"));
    for (int i = 0; i < 2; i++)
        snprintf(away[i], sizeof away[i], "%s/away%d", scene.p.dir, i);
    move(data, away[0]);
    RETENTION(3, "--wait", "10s");
    record_scene_says(&scene, data);
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0);
    cr_assert_eq(access(index, F_OK), 0, "it tells what is gone");
    move(index, away[1]);
    RETENTION(3, "--wait", "10s");
    record_scene_says(&scene, "the record is damaged");
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0);
    TALLY(&scene.p, 1, "archive", "--verify");
    move(away[0], data);
    move(away[1], index);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT sum(num_hits) FROM visits_batch WHERE who = 'eve'"), 3);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[1]));
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 2 * DAY_MS);
}

/* It shows its damage only when it is read for what it has of sealed days, which is in no ledger yet. */
Test(archive_retention, what_cannot_be_noted_does_not_go)
{
    int64_t first[4], late;
    unsigned char byte;
    int fd;

    two_days_gone(first);
    late = record_scene_add(&scene, "eve", FIRST_DAY_MS + 3600000, 60000, FIRST_DAY_MS + 6 * DAY_MS, 5);
    record_scene_add(&scene, "zed", FIRST_DAY_MS + 5 * DAY_MS, 0, 0, 1);
    fd = open(record_scene_path(&scene, late, ".jsonl.zst"), O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, 60), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 60), 1);
    TALLY(&scene.p, 3, "archive", "--retention", "2d", "--wait", "10s"); /* the 5th, noon */
    record_scene_says(&scene, record_scene_path(&scene, late, ".jsonl.zst"));
    cr_assert(is_there(late));
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 60), 1);
    close(fd);
    TALLY(&scene.p, 0, "archive", "--retention", "2d", "--wait", "10s");
    cr_assert_not(is_there(late));
    cr_assert_eq(pipeline_number(&scene.p, "SELECT COUNT(*) FROM tally_ledger WHERE cause = 18"), 10, "five for each view");
}

/* One that had not been old enough anyway is somebody else's business; it is said all the same. */
Test(archive_retention, a_damaged_file_of_later_days_keeps_nothing)
{
    int64_t first[4];

    record_scene_four_days(&scene, first);
    BATCH(0);
    cut_short(record_scene_path(&scene, first[3], ".jsonl.zst"), false);
    RETENTION(3, "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    cr_assert_not(is_there(first[1]));
    cr_assert(is_there(first[2]));
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 2 * DAY_MS);
}

/* Of a file whose index cannot be read nobody can say which days it has events of. */
Test(archive_retention, a_file_of_any_day_keeps_everything)
{
    char path[400], line[300];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    BATCH(0);
    snprintf(line, sizeof line, "{\"event_id\":\"e\",\"who\":\"eve\",\"event_time\":\"2026-03-01T05:00:00.000Z\"}\n");
    snprintf(path, sizeof path, "%s", run_file_write(scene.p.dir, "eve.jsonl", line));
    TALLY(&scene.p, 0, "import", path, "--format", "jsonl", "--into", "archive");
    snprintf(path, sizeof path, "%s/topics/events.import/partition=0/events.import+0+0000000000.index", scene.p.data);
    cut_short(path, false);
    BATCH(3);
    RETENTION(3, "--wait", "10s");
    cr_assert(is_there(first[0]));
    cr_assert_eq(sealed_upto(), 0);
    cut_short(path, true);
    BATCH(0);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT sum(num_hits) FROM visits_batch WHERE who = 'eve'"), 1);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]));
}

/* What a compaction left that was killed behind its exchange has all that it replaced. */
Test(archive_retention, nothing_is_left_of_what_goes)
{
    char command[900];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    BATCH(0);
    snprintf(command, sizeof command, "cd '%s/topics' && mkdir _events && cp -rl events/partition=0 _events/", scene.p.data);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
    RETENTION(0, "--dry-run");
    snprintf(command, sizeof command, "%s/topics/_events", scene.p.data);
    cr_assert_eq(access(command, F_OK), 0, "nothing is done");
    RETENTION(0, "--wait", "10s");
    cr_assert_not_null(strstr(scene.p.run.out, "removed 2 files with 48 events"), "%s", scene.p.run.out);
    cr_assert_neq(access(command, F_OK), 0, "they are still there");
}

/* It takes no lock, and makes nothing. */
Test(archive_retention, a_dry_run_leaves_no_trace)
{
    struct tl_lock *lock = NULL;
    char path[400], store[400];
    int64_t first[4];
    struct tl_err err;

    record_scene_four_days(&scene, first);
    snprintf(path, sizeof path, "%s/batch.lock", scene.p.data);
    snprintf(store, sizeof store, "%s/views.db", scene.p.data);
    RETENTION(0, "--dry-run", "--format", "csv");
    cr_assert_null(strstr(scene.p.run.out, "events,"), "nothing is published: %s", scene.p.run.out);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_neq(access(store, F_OK), 0);
    BATCH(0);
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    cr_assert_eq(chmod(store, 0444), 0);
    RETENTION(0, "--dry-run", "--format", "csv");
    cr_assert_not_null(strstr(scene.p.run.out, "events,0,0,23,24,"), "%s", scene.p.run.out);
    RETENTION(75, "--wait", "10s");
    tl_lock_release(lock);
}

/* Nobody can say then what is lost and what was taken: so nothing is sealed, and nothing goes. */
Test(archive_retention, a_damaged_account_of_what_went)
{
    char path[400];
    int64_t first[4];

    two_days_gone(first);
    snprintf(path, sizeof path, "%s/topics/events/thinned.json", scene.p.data);
    cut_short(path, false);
    TALLY(&scene.p, 3, "archive", "--retention", "2d", "--wait", "10s"); /* the 5th, noon */
    record_scene_says(&scene, "thinned.json: is not the statement that archive writes; bring it back from a copy");
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + 2 * DAY_MS);
    cr_assert(is_there(first[2]));
    cut_short(path, true);
    TALLY(&scene.p, 0, "archive", "--retention", "2d", "--wait", "10s");
    cr_assert_not(is_there(first[2]));
}

/* Of a backfill: what is published stays, and somebody may still let the other rows pass. */
Test(archive_retention, what_a_check_keeps_back_waits)
{
    char checks[400];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    BATCH(0);
    snprintf(checks, sizeof checks, "%s",
             run_file_write(scene.p.dir, "checks.sql",
                            "ALTER VIEW hits ADD CONSTRAINT few EXPECT (ROW_COUNT < 10) ON VIOLATION FAIL UPDATE;\n"));
    TALLY(&scene.p, 1, "batch", "--from", "2026-03-02", "--to", "2026-03-03", "--checks", checks);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[0]));
    cr_assert(is_there(first[1]), "%s", scene.p.run.err);
    cr_assert_eq(sealed_upto(), FIRST_DAY_MS + DAY_MS);
    TALLY(&scene.p, 0, "batch", "--accept", "few", "--reason", "so it was", "--checks", checks);
    RETENTION(0, "--wait", "10s");
    cr_assert_not(is_there(first[1]));
}

Test(archive_retention, one_thing_at_a_time)
{
    TALLY(&scene.p, 2, "archive", "--retention", "4d", "--compact");
    TALLY(&scene.p, 2, "archive", "--retention", "0s");
    TALLY(&scene.p, 2, "archive", "--dry-run");
    TALLY(&scene.p, 2, "archive", "--retention", "many");
}
