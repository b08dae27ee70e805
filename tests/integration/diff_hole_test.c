/* diff_hole_test.c: what `tally diff` leaves out where a file of the record is gone or damaged, and that it takes no hole for a change. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "log/log.h"
#include "support/diff_scene.h"

TestSuite(diff_hole, .init = diff_scene_open, .fini = diff_scene_close, .timeout = 300);

/* Groups that a lost or damaged file may have had events of are left out on both sides; the others are compared, and as they are with it. */
static void expect_the_others(const char *damage, bool published)
{
    json_t *report, *whole, *unit, *whole_unit;
    size_t i, j, found = 0;
    char command[500], *notes;

    diff_write_views(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                     DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""));
    diff_record();
    if (published)
        diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    whole = diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_scene.status, 1);
    /* The second file of partition 0. */
    snprintf(command, sizeof command, "f=\"$(ls %s/topics/events/partition=0/*.jsonl.zst | sed -n 2p)\"; %s", diff_scene.data,
             damage);
    cr_assert_eq(system(command), 0);
    report =
        diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, (const char *const[]){"--views", diff_scene.old_views, NULL});
    notes = json_dumps(json_object_get(report, "notes"), 0);
    cr_expect_eq(diff_scene.status, 3, "%s", notes);
    cr_expect_not_null(strstr(notes, "are not compared"), "%s", notes);
    cr_expect_gt(diff_number(diff_view(report, "v"), "left_out_rows"), 0);
    cr_expect_gt(diff_number(diff_view(report, "v"), "equal"), 0);
    cr_expect_eq(diff_number(diff_view(report, "v"), "unproved"), 0);
    cr_expect_not_null(json_object_get(
        json_array_get(json_object_get(json_array_get(json_object_get(diff_view(report, "v"), "events"), 0), "samples"), 0),
        "id"));
    json_array_foreach(json_object_get(diff_view(report, "v"), "units"), i, unit)
    {
        json_array_foreach(json_object_get(diff_view(whole, "v"), "units"), j, whole_unit)
        {
            found += json_equal(json_object_get(unit, "old"), json_object_get(whole_unit, "old")) &&
                     json_equal(json_object_get(unit, "new"), json_object_get(whole_unit, "new"));
        }
    }
    cr_expect_eq(found, i, "what is compared is as it was with the file");
    cr_expect(i > 0 && i < json_array_size(json_object_get(diff_view(whole, "v"), "units")));
    free(notes);
    json_decref(report);
    json_decref(whole);
}

Test(diff_hole, a_missing_file_is_said_and_goes_round)
{
    expect_the_others("rm \"$f\"", true);
}

Test(diff_hole, a_damaged_file_is_said_and_goes_round)
{
    expect_the_others("printf X | dd of=\"$f\" bs=1 seek=100 conv=notrunc status=none", false);
}

/* Equal definitions show nothing beside a hole, whatever their windows, and whether OLD's rows were published before it. */
Test(diff_hole, no_hole_is_a_change)
{
    char new_text[6000], command[500];

    snprintf(new_text, sizeof new_text, "SET 'tally.allowed-lateness' = '1 min';\n%s", visits_windows);
    diff_write_views(visits_windows, new_text);
    diff_record();
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    for (int file = 2; file < 40; file += 9) {
        json_t *report;

        snprintf(command, sizeof command,
                 "f=\"$(ls %s/topics/events/partition=1/*.jsonl.zst | sed -n %dp)\"; [ -z \"$f\" ] || printf X | dd of=\"$f\" "
                 "bs=1 seek=100 "
                 "conv=notrunc status=none",
                 diff_scene.data, file);
        cr_assert_eq(system(command), 0);
        report = diff_preview(VISITS_START_MS + 30000, VISITS_START_MS + 1200000,
                              (const char *const[]){"--views", diff_scene.old_views, NULL});
        cr_expect_eq(diff_scene.status, 3);
        diff_expect_nothing(report, "beside a hole", false);
        cr_expect_gt(diff_number(diff_view(report, "visits"), "left_out_rows"), 0);
        cr_expect_gt(diff_number(diff_view(report, "visits"), "equal"), 0);
        json_decref(report);
    }
}

Test(diff_hole, an_index_that_cannot_be_read_leaves_nothing_to_compare)
{
    json_t *report;
    char command[500];

    diff_write_views(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                     DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""));
    diff_record();
    snprintf(
        command, sizeof command,
        "printf XXXXXXXX | dd of=\"$(ls %s/topics/events/partition=0/*.index | sed -n 2p)\" bs=1 seek=9 conv=notrunc status=none",
        diff_scene.data);
    cr_assert_eq(system(command), 0);
    report =
        diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_scene.status, 3);
    cr_expect_eq(diff_number(diff_view(report, "v"), "equal") + diff_number(diff_view(report, "v"), "changed"), 0);
    cr_expect_gt(diff_number(diff_view(report, "v"), "left_out_rows"), 0);
    json_decref(report);
}

static void damage(const char *which)
{
    char command[700];

    snprintf(
        command, sizeof command,
        "for f in $(ls %s/topics/events/partition=1/*.jsonl.zst | %s); do printf X | dd of=\"$f\" bs=1 seek=100 conv=notrunc "
        "status=none; done",
        diff_scene.data, which);
    cr_assert_eq(system(command), 0);
}

static void write_equal_views(const char *text)
{
    char new_text[6000];

    snprintf(new_text, sizeof new_text, "SET 'tally.allowed-lateness' = '1 min';\n%s", text);
    diff_write_views(text, new_text);
}

/* A window of the inner view that has lost an event ends up to its size behind the hole, and so do the rows that are made of it. */
Test(diff_hole, reaches_as_far_as_windows_below_do)
{
    json_t *report;

    write_equal_views(
        DIFF_TABLE
        "CREATE VIEW hops AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, host, COUNT(*) AS hits\n"
        "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '2' MINUTE))\n"
        "    GROUP BY window_start, window_end, window_time, host;\n"
        "CREATE VIEW sums AS SELECT window_start, window_end, SUM(hits) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE hops, DESCRIPTOR(rowtime), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n");
    diff_record();
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    damage("sed -n 11p");
    report = diff_preview(VISITS_START_MS + 30000, VISITS_START_MS + 1200000,
                          (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_number(diff_view(report, "hops"), "changed"), 0);
    cr_expect_eq(diff_number(diff_view(report, "sums"), "changed"), 0);
    cr_expect_gt(diff_number(diff_view(report, "sums"), "left_out_rows"), 0);
    cr_expect_gt(diff_number(diff_view(report, "sums"), "equal"), 0);
    json_decref(report);
}

/* The units of the report are those of the whole one, as they are there; some are left out. */
static void expect_some_of(json_t *report, json_t *whole, const char *words)
{
    json_t *units = json_object_get(diff_view(report, "v"), "units"),
           *whole_units = json_object_get(diff_view(whole, "v"), "units"), *unit, *whole_unit;
    size_t i, j;

    json_array_foreach(units, i, unit)
    {
        bool found = false;

        json_array_foreach(whole_units, j, whole_unit)
        {
            found = found || (json_equal(json_object_get(unit, "old"), json_object_get(whole_unit, "old")) &&
                              json_equal(json_object_get(unit, "new"), json_object_get(whole_unit, "new")));
        }
        cr_assert(found, "%s: %s", words, json_dumps(unit, 0));
    }
    cr_expect(i > 0 && i < json_array_size(whole_units), "%s: %zu of %zu", words, i, json_array_size(whole_units));
    cr_expect_gt(diff_number(diff_view(report, "v"), "left_out_rows"), 0);
}

/* A session that may have lost an event is left out with all that it may stand against. So is one that may have begun before what was read. */
static void expect_sessions_of_two_gaps(const char *old_text, const char *new_text, bool published)
{
    int64_t from_ms = VISITS_START_MS + 400000;
    json_t *report, *whole;

    diff_write_views(old_text, new_text);
    diff_record();
    if (published)
        diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    whole = diff_preview(from_ms, from_ms + 300000, (const char *const[]){"--views", diff_scene.old_views, NULL});
    report = diff_preview(from_ms, from_ms + 300000,
                          (const char *const[]){"--views", diff_scene.old_views, "--read-back", "1s", NULL});
    expect_some_of(report, whole, "at the edge");
    json_decref(whole);
    json_decref(report);
    whole = diff_preview(VISITS_START_MS, DIFF_END_MS, (const char *const[]){"--views", diff_scene.old_views, NULL});
    for (int file = 3; file < 40; file += 6) {
        char which[30];

        snprintf(which, sizeof which, "sed -n %dp", file);
        damage(which);
    }
    report = diff_preview(VISITS_START_MS, DIFF_END_MS, (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_scene.status, 3);
    expect_some_of(report, whole, "beside holes");
    json_decref(whole);
    json_decref(report);
}

#define FILTER "WHERE n > 3"

Test(diff_hole, sessions_of_a_shorter_gap)
{
    expect_sessions_of_two_gaps(DIFF_TABLE DIFF_SESSION("9", ""), DIFF_TABLE DIFF_SESSION("3", ""), false);
}

Test(diff_hole, sessions_of_a_longer_gap)
{
    expect_sessions_of_two_gaps(DIFF_TABLE DIFF_SESSION("3", ""), DIFF_TABLE DIFF_SESSION("9", ""), false);
}

Test(diff_hole, sessions_of_a_shorter_gap_than_what_is_published)
{
    expect_sessions_of_two_gaps(DIFF_TABLE DIFF_SESSION("9", FILTER), DIFF_TABLE DIFF_SESSION("3", ""), true);
}

Test(diff_hole, sessions_of_a_longer_gap_than_what_is_published)
{
    expect_sessions_of_two_gaps(DIFF_TABLE DIFF_SESSION("3", ""), DIFF_TABLE DIFF_SESSION("9", FILTER), true);
}

/* A damaged block is known to be one when it is unpacked; rows without windows are in by then, and must go on both sides. */
Test(diff_hole, that_shows_late_leaves_no_row_alone)
{
    enum { MANY = 16000, OLD_ONE = MANY - 301 };
    static char texts[MANY][160];
    static struct tl_log_record records[MANY];
    struct tl_log *log = NULL;
    struct tl_err err;
    struct run run = {0};

    write_equal_views(DIFF_TABLE "CREATE VIEW v AS SELECT event_id, n FROM events;\n");
    for (int i = 0; i < MANY; i++) { /* one in the last files is of the beginning */
        char when[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(VISITS_START_MS + (i == OLD_ONE ? 100 : i) * 100, when);
        snprintf(texts[i], sizeof texts[i], "{\"event_id\": \"e%d\", \"host\": \"h1\", \"n\": %d, \"event_time\": \"%s\"}", i, i,
                 when);
        records[i] = (struct tl_log_record){
            .partition = (uint32_t)i % 2, .log_ms = VISITS_START_MS + i * 100, .value = tl_sv_from(texts[i])};
    }
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = diff_scene.data}, TL_LOG_APPEND, &log, &err),
                 TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), 2, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, TL_SV("events"), records, MANY, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    RUN(&run, "archive", "--views", diff_scene.old_views, "--data", diff_scene.data, "--file-bytes", "20000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    damage("tail -n 4");
    for (int jobs = 1; jobs <= 2; jobs++) {
        json_t *report = diff_preview(VISITS_START_MS, VISITS_START_MS + 3600000,
                                      (const char *const[]){"--views", diff_scene.old_views, "--limit", "1", "--no-events",
                                                            "--jobs", jobs == 1 ? "1" : "2", NULL});

        cr_expect_eq(diff_number(diff_view(report, "v"), "only_new"), 0);
        cr_expect_eq(diff_number(diff_view(report, "v"), "only_old"), 0);
        cr_expect_gt(diff_number(diff_view(report, "v"), "left_out_rows"), 0);
        json_decref(report);
    }
}
