/* reconcile_test.c: planted differences are found with their causes, and what was forged is not explained away. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "support/reconcile_scene.h"

static const char views[] = "CREATE VIEW hits AS\n"
                            "    SELECT window_start, window_end, host, COUNT(*) AS num_hits, SUM(`bytes`) AS bytes_sum\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
                            "    GROUP BY window_start, window_end, host;\n"
                            "CREATE VIEW latest AS\n"
                            "    SELECT window_start, window_end, MAX(`bytes`) AS largest, AVG(`bytes`) AS mean\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))\n"
                            "    GROUP BY window_start, window_end;\n";

static const char views_rows[] = "CREATE VIEW big AS SELECT event_id, host, `bytes`, event_time FROM events WHERE `bytes` > 2;\n";

/* A body, both layers up to second 600. */
static void play(struct scene *scene)
{
    append_body(scene, 0, 90);
    scene_speed(scene);
    scene_archive(scene);
    scene_batch(scene, 600);
}

/* ---- tests ---- */

Test(reconcile, nothing_differs)
{
    struct scene scene;

    scene_open(&scene, views, views_rows);
    play(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.causes", "{}");
    EXPECT(&scene, "$.views[0].groups", "60");
    EXPECT(&scene, "$.views[1].groups", "10");
    cr_assert_gt(report_count(&scene, "$.views[2].groups"), 20);
    EXPECT(&scene, "$.views[0].boundary", "2026-03-01T00:10:00.000Z");
    EXPECT(&scene, "$.range.cut", "0");
    scene_close(&scene);
}

Test(reconcile, late_events)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene); /* so that the next run's workers know how far the other partition is */
    APPEND(&scene, 0, 300, {"late-1", 12, "late.example", 5}, {"late-2", 13, "body.example", 6},
           {"late-3", 14, "body.example", 7});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "3"); /* two keys of hits, one minute of latest */
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT(&scene, "$.summary.pending", "0");
    EXPECT(&scene, "$.causes", "{\"late_drop\":3}");
    EXPECT(&scene, "$.views[0].causes.late_drop", "3");
    EXPECT(&scene, "$.views[1].causes.late_drop", "3");
    EXPECT(&scene, "$.units[0].key.host", "body.example");
    EXPECT(&scene, "$.units[0].speed.num_hits", "2");
    EXPECT(&scene, "$.units[0].batch.num_hits", "4");
    EXPECT(&scene, "$.units[0].window.end", "2026-03-01T00:00:20.000Z");
    EXPECT(&scene, "$.units[0].causes[0].missing_in", "speed");
    EXPECT(&scene, "$.units[0].causes[0].samples[0].event_id", "late-2");
    EXPECT(&scene, "$.units[1].speed", "");
    EXPECT(&scene, "$.units[1].causes[0].samples[0].event_id", "late-1");
    EXPECT(&scene, "$.units[2].view", "latest");
    scene_close(&scene);
}

Test(reconcile, duplicates_across_partitions)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    APPEND(&scene, 0, 299, {"twice", 295, "twice.example", 5}, {"thrice", 296, "twice.example", 6},
           {"thrice", 296, "twice.example", 6});
    APPEND(&scene, 1, 299, {"twice", 295, "twice.example", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"duplicate\":1}");
    EXPECT(&scene, "$.units[0].speed.num_hits", "3");
    EXPECT(&scene, "$.units[0].batch.num_hits", "2");
    EXPECT(&scene, "$.units[0].causes[0].missing_in", "batch");
    EXPECT(&scene, "$.units[0].causes[0].samples[0].partition", "1");
    EXPECT(&scene, "$.refused_by_both.duplicate", "1");
    scene_close(&scene);
}

Test(reconcile, imported_history)
{
    struct scene scene;
    static const struct event events[] = {
        {"old-1", -100, "body.example", 1},
        {"old-2", 15,   "body.example", 9},
        {"old-3", 16,   "old.example",  2}
    };

    scene_open(&scene, views, views_rows);
    append_body(&scene, 0, 90);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_import(&scene, events, 3);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"imported\":3}");
    EXPECT(&scene, "$.units[0].causes[0].samples[0].topic", "events.import");
    EXPECT(&scene, "$.units[0].causes[0].samples[0].event_id", "old-1");
    EXPECT(&scene, "$.views[2].causes", "{\"imported\":1}"); /* more than 2 bytes */
    scene_close(&scene);
}

struct forgery_case {
    char name[48], sql[256], view[16];
    bool comes_from_nothing; /* no event gives such a unit */
};

ParameterizedTestParameters(reconcile, forged)
{
    static struct forgery_case cases[] = {
        {"a count in speed's table",        "UPDATE hits_speed SET num_hits = num_hits + 1 WHERE _end_ms = 1772323250000", "hits",
         false                                                                                                                            },
        {"a sum in batch's table",          "UPDATE hits_batch SET bytes_sum = 77 WHERE _end_ms = 1772323250000",          "hits",   false},
        {"a NULL in batch's table",         "UPDATE latest_batch SET mean = NULL WHERE _end_ms = 1772323260000",           "latest", false},
        {"a key in speed's table",          "UPDATE hits_speed SET host = 'forged' WHERE _end_ms = 1772323250000",         "hits",   false},
        {"speed has lost a row",            "DELETE FROM hits_speed WHERE _end_ms = 1772323250000",                        "hits",   false},
        {"batch has lost a row",            "DELETE FROM hits_batch WHERE _end_ms = 1772323250000",                        "hits",   false},
        {"speed has one too many",
         "INSERT INTO hits_speed (_end_ms, _start_ms, _key, host, num_hits, bytes_sum, _acc, _change)"
         " SELECT _end_ms, _start_ms, x'01666f7200', 'for', 1, 1, _acc, _change FROM hits_speed LIMIT 1",                  "hits",   true },
        {"a row without a window in speed", "UPDATE big_speed SET host = 'forged' WHERE _offset = 5 AND _partition = 0",   "big",
         false                                                                                                                            },
        {"a row without a window in batch", "DELETE FROM big_batch WHERE _offset = 5 AND _partition = 1",                  "big",    false},
    };

    return cr_make_param_array(struct forgery_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct forgery_case *c, reconcile, forged)
{
    struct scene scene;

    scene_open(&scene, views, views_rows);
    play(&scene);
    forge(&scene, c->sql);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "1");
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    EXPECT(&scene, "$.units[0].view", c->view);
    cr_assert_eq(report(&scene, "$.units[0].recomputed.speed")[0] == '\0', c->comes_from_nothing, "%s: %s", c->name,
                 scene.run.out);
    cr_assert_str_eq(report(&scene, "$.units[0].recomputed.speed"), report(&scene, "$.units[0].recomputed.batch"), "%s: %s",
                     c->name, scene.run.out);
    scene_close(&scene);
}

/* A forged row in a window that also has an honest difference: the honest cause does not cover it. */
Test(reconcile, forged_beside_a_late_event)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene); /* so that the next run's workers know how far the other partition is */
    APPEND(&scene, 0, 300, {"late-1", 12, "body.example", 5}, {"late-2", 32, "body.example", 50},
           {"late-3", 42, "body.example", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    forge(&scene, "UPDATE hits_speed SET num_hits = 1 WHERE _end_ms = 1772323220000");
    forge(&scene, "UPDATE hits_batch SET num_hits = 7 WHERE _end_ms = 1772323240000");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "2");
    EXPECT(&scene, "$.summary.explained", "2"); /* late-3 in hits, the largest of the minute */
    /* That is made of all three; in hits alone, the late events of what is unexplained explain nothing. */
    EXPECT(&scene, "$.causes", "{\"late_drop\":3}");
    EXPECT(&scene, "$.headline", "94.28% of groups equal; 2.87% explained: 3 late events; 2 unexplained");
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    EXPECT(&scene, "$.units[0].speed.num_hits", "1");
    EXPECT(&scene, "$.units[0].recomputed.speed.num_hits", "2");
    EXPECT(&scene, "$.units[0].batch.num_hits", "3");
    EXPECT(&scene, "$.units[0].recomputed.batch.num_hits", "3");
    EXPECT(&scene, "$.units[0].causes[0].cause", "late_drop");
    EXPECT(&scene, "$.units[1].verdict", "unexplained");
    EXPECT(&scene, "$.units[1].batch.num_hits", "7");
    EXPECT(&scene, "$.units[1].recomputed.batch.num_hits", "3");
    EXPECT(&scene, "$.units[2].verdict", "explained");
    reconcile(&scene, "hits", NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.causes", "{\"late_drop\":3}");
    EXPECT(&scene, "$.headline", "95.00% of groups equal; 1.67% explained: 1 late event; 2 unexplained");
    scene_close(&scene);
}

Test(reconcile, what_comes_after_publication)
{
    struct scene scene;

    scene_open(&scene, views, views_rows);
    play(&scene);
    /* In the log only: late for speed, so only its row-by-row view has it. */
    APPEND(&scene, 0, 1000, {"after", 25, "after.example", 5});
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "0");
    scene_speed(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"not_yet_archived\":1}");
    EXPECT(&scene, "$.summary.pending", "1");
    EXPECT(&scene, "$.units[0].view", "big");
    EXPECT(&scene, "$.units[0].causes[0].samples[0].event_id", "after");
    scene_archive(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"archived_after_publish\":1}");
    EXPECT(&scene, "$.summary.pending", "1");
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"late_drop\":1}");
    EXPECT(&scene, "$.summary.pending", "0");
    scene_close(&scene);
}

Test(reconcile, speed_is_behind)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    append_body(&scene, 300, 60);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"not_yet_read\":60}");
    EXPECT(&scene, "$.views[0].equal", "30");
    EXPECT(&scene, "$.views[0].pending", "30");
    scene_speed(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "0");
    scene_close(&scene);
}

/* Entries were deleted before speed had read them: --accept-gap goes on behind them, and batch has them on record. */
Test(reconcile, offset_gap)
{
    struct scene scene;
    struct tl_log *log = NULL;
    struct tl_err err;

    scene_open(&scene, views, views_rows);
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    append_body(&scene, 300, 10);
    scene_archive(&scene);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = scene.dir}, TL_LOG_APPEND, &log, &err), TL_OK,
                 "%s", err.message);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), 0, 35, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    append_body(&scene, 400, 30);
    tally(&scene, "speed", "--once", "--accept-gap");
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"offset_gap\":5}");
    EXPECT(&scene, "$.views[0].causes.offset_gap", "5");
    EXPECT(&scene, "$.views[2].causes.offset_gap",
           "2"); /* more than 2 bytes; largest and mean of the minute are what they were */
    EXPECT(&scene, "$.units[0].causes[0].samples[0].offset", "30");
    scene_close(&scene);
}

Test(reconcile, ranges)
{
    struct scene scene;

    scene_open(&scene, views, "");
    play(&scene);
    forge(&scene, "UPDATE hits_speed SET num_hits = 9 WHERE _end_ms = 1772323250000"); /* second 50 */
    reconcile(&scene, "--from", "2026-03-01T00:00:50Z");                               /* (from, to] */
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].groups", "55");
    reconcile(&scene, "--to", "2026-03-01T00:00:50Z");
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.views[0].groups", "5");
    reconcile(&scene, "--to", "2026-03-02");
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.range.cut", "1");
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "is cut at 2026-03-01T00:10:00.000Z"), "%s", scene.run.out);
    reconcile(&scene, "--from", "2026-03-02");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.groups", "0");
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "outside what is published"), "%s", scene.run.out);
    reconcile(&scene, "--limit", "0");
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.units", "[]");
    EXPECT(&scene, "$.units_left_out", "1");
    scene_close(&scene);
}

static void set_clock(const struct scene *scene, int64_t days_ahead)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, ((int64_t)time(NULL) + days_ahead * 86400) * 1000);
    setenv("TALLY_CLOCK_FILE", run_file_write(scene->dir, "clock", text), 1);
}

/* Speed's rows go a week after their publication; what is left is compared, and the report says so. */
Test(reconcile, rows_that_are_gone)
{
    struct scene scene;

    scene_open(&scene, views, views_rows);
    append_body(&scene, 0, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 86400);
    set_clock(&scene, 8);
    reconcile(&scene, NULL, NULL); /* nothing has taken them away yet */
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.notes", "[]");
    EXPECT(&scene, "$.views[0].groups", "60");
    append_body(&scene, 86400, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 86700);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].groups", "30");
    EXPECT(&scene, "$.views[0].equal", "30");
    EXPECT(&scene, "$.views[0].from", "2026-03-02T00:00:00.000Z");
    EXPECT(&scene, "$.views[1].groups", "5");
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.range.cut", "1");
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "speed's rows are kept for 7 d after"), "%s", scene.run.out);
    reconcile(&scene, "--from", "2026-03-02");
    EXPECT(&scene, "$.notes", "[]");
    scene_close(&scene);
}

static const char views_around[] =
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW tens AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '5' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '15' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW lates AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) WHERE host <> 'body.example'\n"
    "    GROUP BY window_start, window_end, host;\n";

/* What of speed has gone is what the store says, whatever has been published anew since: neither are its rows missed, nor does a row that somebody took
 * away behind that pass for one. Windows that reach back before it have lost the lines of their late events. */
Test(reconcile, rows_that_are_gone_and_published_anew)
{
    enum { DAY = 86400 };
    struct scene scene;

    scene_open(&scene, views, views_around);
    append_body(&scene, 0, 30);
    append_body(&scene, 2 * DAY - 100, 15);
    scene_speed(&scene);
    APPEND(&scene, 0, 2 * DAY + 60, {"late-1", 2 * DAY - 3, "late.example", 1}, {"late-2", 2 * DAY - 13, "body.example", 1});
    append_body(&scene, 2 * DAY + 60, 10);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 2 * DAY);
    set_clock(&scene, 8);
    append_body(&scene, 2 * DAY + 1000, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 3 * DAY);
    forge(&scene, "DELETE FROM hits_batch WHERE _end_ms <= 1772323220000"); /* nobody looks there any more */
    for (int anew = 0; anew < 2; anew++) {
        reconcile(&scene, NULL, NULL);
        EXPECT_STATUS(&scene, 0);
        EXPECT(&scene, "$.summary.unexplained", "0");
        EXPECT(&scene, "$.views[0].from", "2026-03-03T00:00:00.000Z");
        reconcile(&scene, "--full", NULL);
        EXPECT_STATUS(&scene, 0);
        APPEND(&scene, 0, 3 * DAY, {"late-3", 77, "body.example", 1});
        scene_speed(&scene);
        scene_archive(&scene);
        scene_batch(&scene, 3 * DAY);
    }
    forge(&scene, "DELETE FROM hits_speed WHERE _end_ms <= 1772323200000 + (2 * 86400 + 80) * 1000");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "7");
    scene_close(&scene);
}

/* A missing file cannot be told from a forged row, so nothing is judged: exit 3, and the report says which offsets are missing. */
Test(reconcile, missing_file)
{
    struct scene scene;
    char path[PATH_BYTES + 64];

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    scene_archive(&scene);
    APPEND(&scene, 0, 300, {"late-1", 12, "body.example", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+0000000000.jsonl.zst", scene.dir);
    cr_assert_eq(unlink(path), 0, "%s", path);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 3);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "partition 0: offsets 0 to 29 are not on record"), "%s",
                       scene.run.out);
    reconcile(&scene, "--limit", "0");
    EXPECT_STATUS(&scene, 3);
    EXPECT(&scene, "$.notes[0]", "the record has 1 hole; `tally archive --verify` names each");
    scene_close(&scene);
}

/* It is said also where both layers are equal, and nothing needed it: an explanation that is asked for later will. */
Test(reconcile, missing_file_where_nothing_differs)
{
    struct scene scene;
    char path[PATH_BYTES + 64];

    scene_open(&scene, views, views_rows);
    play(&scene);
    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+0000000000.jsonl.zst", scene.dir);
    cr_assert_eq(unlink(path), 0, "%s", path);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "partition 0: offsets 0 to 89 are not on record"), "%s",
                       scene.run.out);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "; nothing that was compared needed it"), "%s", scene.run.out);
    EXPECT(&scene, "$.views[0].equal", "60");
    reconcile(&scene, "--quiet", NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].equal", "60");
    scene_close(&scene);
}

struct damage_case {
    char name[32], command[200], note[64];
    int elsewhere; /* the exit status where something is unexplained that cannot lie there */
};

ParameterizedTestParameters(reconcile, what_is_damaged)
{
    static struct damage_case cases[] = {
        {"gone",          "rm events+0+0000000000.*",                                                                    "offsets 0 to 29 are not on record", 3},
        {"without index", "rm events+0+0000000000.index",                                                                "its index ",                        3},
        {"cut",           "truncate -s 50 events+0+0000000000.jsonl.zst",                                                "has 50 bytes, and by its index",    1},
        {"overwritten",   "printf XXXXXXXX | dd of=events+0+0000000000.jsonl.zst bs=1 seek=40 conv=notrunc 2>/dev/null",
         "offsets 0 to 29 cannot be read: ",                                                                                                                  1},
    };

    return cr_make_param_array(struct damage_case, cases, sizeof cases / sizeof *cases);
}

/* The report is there all the same: what needs the file cannot be judged, and what does not is. */
ParameterizedTest(struct damage_case *c, reconcile, what_is_damaged)
{
    struct scene scene;
    char command[PATH_BYTES + 300];

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    scene_archive(&scene);
    APPEND(&scene, 0, 300, {"late-1", 12, "body.example", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    APPEND(&scene, 0, 910, {"late-2", 312, "body.example", 5});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    snprintf(command, sizeof command, "cd %s/topics/events/partition=0 && %s", scene.dir, c->command);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 3);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), c->note), "%s", scene.run.out);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "; what is unexplained may lie there"), "%s", scene.run.out);
    EXPECT(&scene, "$.views[0].unexplained", "1"); /* second 10 to 20 */
    EXPECT(&scene, "$.views[0].explained", "1");
    EXPECT(&scene, "$.views[0].equal", "58");
    EXPECT(&scene, "$.units[1].verdict", "explained");
    EXPECT(&scene, "$.units[1].causes[0].samples[0].event_id", "late-2");
    forge(&scene, "UPDATE hits_speed SET num_hits = num_hits + 1 WHERE _end_ms = 1772323650000"); /* 440 to 450 s */
    reconcile(&scene, NULL, NULL);
    EXPECT(&scene, "$.views[0].unexplained", "2");
    EXPECT_STATUS(&scene, c->elsewhere);
    scene_close(&scene);
}

/* A group of a view on a view is made of inner rows, which the store has: a hole excuses it by those of them that the hole excuses, wherever its own window
 * lies. */
Test(reconcile, a_hole_below_a_view_on_a_view)
{
    static const char sums[] =
        "CREATE VIEW hops AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, host, COUNT(*) AS hits\n"
        "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
        "    GROUP BY window_start, window_end, window_time, host;\n"
        "CREATE VIEW sums AS SELECT window_start, window_end, SUM(hits) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE hops, DESCRIPTOR(rowtime), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n";
    struct scene scene;
    char command[PATH_BYTES + 300];

    scene_open(&scene, sums, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    scene_archive(&scene);
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    APPEND(&scene, 0, 910, {"late", 305, "body.example", 5});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    snprintf(command, sizeof command, "cd %s/topics/events/partition=0 && truncate -s 50 events+0+0000000000.jsonl.zst",
             scene.dir);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 3);
    forge(&scene, "UPDATE sums_speed SET hits = hits + 1 WHERE _end_ms = 1772323250000"); /* within the hole */
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    scene_close(&scene);
}

Test(reconcile, usage)
{
    struct scene scene;
    struct run run;

    scene_open(&scene, views, "");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 3); /* no store yet */
    RUN(&run, "reconcile", "hitz", "--views", scene.views, "--data", scene.dir);
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "did you mean 'hits'?"), "%s", run.err);
    run_done(&run);
    append_body(&scene, 0, 3);
    scene_speed(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "nothing is published yet"), "%s", scene.run.out);
    run_file_write(scene.dir, "views.sql", views_rows); /* no table: a mistake */
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 2);
    scene_close(&scene);
}

/* ---- what both layers treat alike ---- */

static void append_text(const struct scene *scene, uint32_t partition, int64_t log_second, const char *text)
{
    const struct tl_log_record record = {
        .partition = partition, .log_ms = START_MS + log_second * 1000, .value = tl_sv_from(text)};

    append_records(scene, &record, 1);
}

/* No row differs by them, and an auditor asks for them. Some of each lie behind what is compared. */
Test(reconcile, events_that_both_treat_alike)
{
    static const char failing[] = "CREATE VIEW tenths AS SELECT window_start, window_end, SUM(10 / (`bytes` - 50)) AS s\n"
                                  "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))\n"
                                  "    GROUP BY window_start, window_end;\n";
    struct scene scene;

    scene_open(&scene, views, failing);
    append_body(&scene, 0, 30);
    append_text(&scene, 0, 299, "{\"event_id\":\"broken");
    append_text(&scene, 1, 299, "not JSON");
    append_text(&scene, 0, 299, "{\"event_id\":\"timeless\",\"host\":\"a\",\"bytes\":1}");
    append_text(&scene, 0, 299,
                "{\"event_id\":\"flawed\",\"host\":\"a\",\"bytes\":\"many\",\"event_time\":\"2026-03-01T00:04:55.000Z\"}");
    APPEND(&scene, 0, 299, {"soon", 86400 * 9, "a", 1}, {"twice", 295, "a", 1}, {"twice", 295, "a", 1}, {"fails", 296, "a", 50},
           {"other", 295, "a", 1}, {"other", 297, "a", 1});
    append_body(&scene, 300, 60);
    append_text(&scene, 0, 899, "broken too");
    APPEND(&scene, 0, 899, {"late-twice", 880, "a", 1}, {"late-twice", 880, "a", 1}, {"soon-too", 86400 * 9, "a", 1});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.refused_by_both",
           "{\"duplicate\":1,\"json_bad_row\":2,\"bad_event_time\":1,\"future_event\":1,\"eval_error\":1}");
    EXPECT(&scene, "$.counted_by_both", "{\"id_conflict\":1,\"json_bad_field\":1}");
    EXPECT(&scene, "$.alike[0].cause", "duplicate");
    EXPECT(&scene, "$.alike[0].event_id", "twice");
    EXPECT(&scene, "$.alike[1].cause", "id_conflict");
    EXPECT(&scene, "$.alike[1].event_id", "other");
    EXPECT(&scene, "$.alike[1].event_time", "2026-03-01T00:04:57.000Z");
    EXPECT(&scene, "$.alike[2].cause", "json_bad_row");
    EXPECT(&scene, "$.alike[2].topic", "events");
    EXPECT(&scene, "$.alike[2].partition", "0");
    EXPECT(&scene, "$.alike[2].offset", "30");
    EXPECT(&scene, "$.alike[2].event_time", "");
    EXPECT(&scene, "$.alike[3].partition", "1");
    EXPECT(&scene, "$.alike[4].event_id", "flawed");
    EXPECT(&scene, "$.alike[6].event_id", "soon");
    EXPECT(&scene, "$.alike[7].event_id", "fails");
    EXPECT(&scene, "$.alike[8]", "");
    reconcile(&scene, "--limit", "1");
    EXPECT(&scene, "$.refused_by_both.json_bad_row", "2");
    EXPECT(&scene, "$.alike[3].cause", "json_bad_field");
    reconcile(&scene, "--to", "2026-03-01T00:04:50Z");
    EXPECT(&scene, "$.refused_by_both", "{}");
    EXPECT(&scene, "$.counted_by_both", "{}");
    scene_close(&scene);
}

/* One that a layer has not counted is a difference, and nothing that both have counted. */
Test(reconcile, flaws_of_what_one_layer_counts)
{
    static const char flawed[] =
        "{\"event_id\":\"%s\",\"host\":\"a\",\"bytes\":\"many\",\"event_time\":\"2026-03-01T00:%s.000Z\"}";
    static const struct event imported[] = {
        {"same", 15, "old.example", 1},
        {"same", 16, "old.example", 2}
    };
    struct scene scene;
    char text[TEXT_BYTES];

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    snprintf(text, sizeof text, flawed, "late", "00:12");
    append_text(&scene, 0, 300, text);
    snprintf(text, sizeof text, flawed, "in-time", "05:01");
    append_text(&scene, 0, 301, text);
    append_body(&scene, 310, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_import(&scene, imported, 2);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes", "{\"late_drop\":1,\"imported\":2}");
    EXPECT(&scene, "$.counted_by_both", "{\"json_bad_field\":1}");
    EXPECT(&scene, "$.alike[0].event_id", "in-time");
    EXPECT(&scene, "$.alike[1]", "");
    scene_close(&scene);
}

/* ---- definitions ---- */

static const char views_changed[] = "CREATE VIEW hits AS\n"
                                    "    SELECT window_start, window_end, host, COUNT(*) AS num_hits, MAX(`bytes`) AS bytes_sum\n"
                                    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
                                    "    GROUP BY window_start, window_end, host;\n"
                                    "CREATE VIEW latest AS\n"
                                    "    SELECT window_start, window_end, MAX(`bytes`) AS largest, AVG(`bytes`) AS mean\n"
                                    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))\n"
                                    "    GROUP BY window_start, window_end;\n";

/* One view's is not compared, and said first; the others are. */
Test(reconcile, definition_changed)
{
    struct scene scene;

    scene_open(&scene, views, "");
    play(&scene);
    forge(&scene, "UPDATE latest_batch SET mean = 77 WHERE _end_ms = 1772323260000");
    scene_define(&scene, views_changed, "");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 2);
    cr_assert_eq(strncmp(report(&scene, "$.notes[0]"), "definition_changed: view hits is not what the store counts", 58), 0, "%s",
                 scene.run.out);
    EXPECT(&scene, "$.views[0].groups", "0");
    EXPECT(&scene, "$.views[0].definition.building", "");
    cr_assert_str_neq(report(&scene, "$.views[0].definition.served"), report(&scene, "$.views[0].definition.file"));
    EXPECT(&scene, "$.views[1].groups", "10");
    EXPECT(&scene, "$.views[1].unexplained", "1");
    cr_assert_str_eq(report(&scene, "$.views[1].definition.served"), report(&scene, "$.views[1].definition.file"));
    cr_assert_not_null(strstr(scene.run.err, "view hits is not what the store counts"), "%s", scene.run.err);
    reconcile(&scene, "latest", NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.notes", "[]");
    forge(&scene,
          "UPDATE latest_batch SET mean = (SELECT mean FROM latest_speed s WHERE s._end_ms = 1772323260000) WHERE mean = 77");
    reconcile(&scene, "--quiet", NULL); /* stderr points to it */
    EXPECT_STATUS(&scene, 2);
    EXPECT(&scene, "$.views[1].equal", "10");
    scene_close(&scene);
}

/* Speed has the new one and batch has not, and the other way: what is not there yet is pending, or not compared. */
Test(reconcile, definition_being_built)
{
    struct scene scene;

    scene_open(&scene, views, "");
    play(&scene);
    scene_define(&scene, views_changed, "");
    scene_speed(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "definition_changed: view hits: "), "%s", scene.run.out);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "speed has, batch has published nothing of it"), "%s", scene.run.out);
    cr_assert_not_null(strstr(report(&scene, "$.notes[1]"), "view hits: nothing is published yet"), "%s", scene.run.out);
    cr_assert_str_eq(report(&scene, "$.views[0].definition.building"), report(&scene, "$.views[0].definition.file"));
    EXPECT(&scene, "$.views[1].equal", "10");
    scene_define(&scene, views, ""); /* the old one serves */
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "is being built to take its place"), "%s", scene.run.out);
    EXPECT(&scene, "$.views[0].equal", "60");
    scene_define(&scene, views_changed, "");
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].equal", "60");
    EXPECT(&scene, "$.views[0].definition.building", "");
    scene_close(&scene);
}

Test(reconcile, definition_that_speed_has_not)
{
    struct scene scene;

    scene_open(&scene, views, "");
    play(&scene);
    scene_define(&scene, views_changed, "");
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "speed has not begun with it, batch has published some of it"), "%s",
                       scene.run.out);
    EXPECT(&scene, "$.views[0].unexplained", "0");
    EXPECT(&scene, "$.views[0].pending", "60");
    EXPECT(&scene, "$.views[0].causes", "{\"not_yet_read\":120}");
    scene_speed(&scene);
    reconcile(&scene, "--full", NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].proved", "60");
    EXPECT(&scene, "$.views[0].definition.building", "");
    scene_close(&scene);
}

/* ---- random histories ---- */

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t below(uint64_t *state, int64_t bound)
{
    return (int64_t)(random_next(state) % (uint64_t)bound);
}

/* `count` events around `second`: some out of order, some copies of earlier ids (in either partition), some without an id. */
static void append_random(const struct scene *scene, uint64_t *state, int64_t second, int64_t count)
{
    static const char *const hosts[] = {"a", "b", "c"};
    static char texts[APPEND_MAX][TEXT_BYTES];
    struct tl_log_record records[APPEND_MAX];

    for (int64_t i = 0; i < count; i++) {
        char id[32];
        int64_t number = below(state, 60); /* few ids: copies are frequent */
        struct event event = {id, second + i - (below(state, 4) == 0 ? below(state, 120) : 0), hosts[below(state, 3)],
                              below(state, 9)};

        if (below(state, 2) == 0) { /* an id that always has this time and content: a true copy wherever it comes again */
            event.second = 100 + number * 7;
            event.host = hosts[number % 3];
            event.bytes = number % 9;
        }
        snprintf(id, sizeof id, event.second == 100 + number * 7 ? "copy-%" PRId64 : "own-%" PRId64 "-%" PRIx64, number,
                 random_next(state));
        if (below(state, 10) == 0)
            event.id = NULL;
        records[i] = record_of(texts[i], (uint32_t)below(state, 2), second + i + below(state, 3), &event);
    }
    append_records(scene, records, (size_t)count);
}

/* By more than one: a single late event could make up for that, and the rows would be equal. */
static const char forge_speed[] = "UPDATE hits_speed SET num_hits = num_hits + 1000 WHERE (_end_ms, _start_ms, _key) ="
                                  " (SELECT _end_ms, _start_ms, _key FROM hits_speed WHERE _end_ms <= 1772323320000 ORDER BY "
                                  "_end_ms / 10000 * 7919 % 1009, _key LIMIT 1)";
static const char forge_batch[] =
    "UPDATE hits_batch SET num_hits = num_hits + 1000 WHERE (_run, _end_ms, _start_ms, _key) ="
    " (SELECT b._run, b._end_ms, b._start_ms, b._key FROM hits_batch AS b JOIN tally_pointer AS p ON p.run = b._run"
    " JOIN tally_definition AS d ON d.definition = p.definition WHERE d.view = 'hits' AND b._end_ms <= 1772323320000"
    " AND b._end_ms > p.from_ms AND b._end_ms <= p.to_ms ORDER BY b._end_ms / 10000 * 7919 % 1009, b._key LIMIT 1)";

/* Whatever happens in whatever order, each difference has its causes and comes out of them; and one forged value does not. Gives how many
 * units were explained. */
static int64_t play_random(uint64_t seed)
{
    struct scene scene;
    uint64_t state = seed;
    int64_t published = 0, explained = 0;

    scene_open(&scene, views, views_rows);
    for (int64_t round = 0; round < 8; round++) {
        append_random(&scene, &state, 60 + round * 60, 20 + below(&state, 30));
        if (below(&state, 3) > 0)
            scene_speed(&scene);
        if (below(&state, 3) > 0)
            scene_archive(&scene);
        if (round == 2) {
            struct event events[10];
            char ids[10][32];

            for (int i = 0; i < 10; i++) {
                int64_t number = below(&state, 60);

                events[i] = (struct event){ids[i], 100 + number * 7, "c", number % 9};
                snprintf(ids[i], sizeof ids[i], "copy-%" PRId64, number);
            }
            scene_import(&scene, events, 10);
        }
        if (round > 1 && below(&state, 2) == 0) {
            scene_speed(&scene);
            scene_archive(&scene);
            published = 120 + below(&state, round * 60);
            scene_batch(&scene, published);
        }
        if (published > 0) {
            reconcile(&scene, NULL, NULL);
            cr_assert_eq(scene.run.status, 0, "seed %" PRIu64 ", round %" PRId64 ": exit status %d: %s%s", seed, round,
                         scene.run.status, scene.run.out, scene.run.err);
            explained += report_count(&scene, "$.summary.explained");
        }
    }
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 400);
    forge(&scene, below(&state, 2) == 0 ? forge_speed : forge_batch);
    reconcile(&scene, NULL, NULL);
    cr_assert_eq(scene.run.status, 1, "seed %" PRIu64 ": exit status %d: %s%s", seed, scene.run.status, scene.run.out,
                 scene.run.err);
    EXPECT(&scene, "$.summary.unexplained", "1");
    scene_close(&scene);
    return explained;
}

Test(reconcile, random_histories, .timeout = 300)
{
    const char *given = getenv("TALLY_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    int64_t explained = 0;

    for (uint64_t i = 0; i < 4; i++) {
        fprintf(stderr, "reconcile/random_histories: TALLY_SEED=%" PRIu64 "\n", seed + i);
        explained += play_random(seed + i);
    }
    cr_assert_gt(explained, 0, "no history had a difference: the test tests nothing");
}

/* What speed's ledger says of the days before is not read: a line that stands among them, and says that it is of today, is not met. */
Test(reconcile, reads_the_ledger_from_where_the_record_has_the_time)
{
    static const char lines[] =
        "INSERT INTO tally_ledger SELECT definition, %d, 0, 3, 0, 5, 0, 0, 1772324105000, NULL FROM tally_definition";
    struct scene scene;
    char sql[300];

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    scene_archive(&scene);
    append_body(&scene, 600, 90);
    APPEND(&scene, 0, 900, {"twice", 890, "a", 1}, {"twice", 890, "a", 1});
    append_body(&scene, 1500, 3);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 1200);
    for (int run = 0; run < 2; run++) {
        snprintf(sql, sizeof sql, lines, run);
        forge(&scene, sql);
    }
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.refused_by_both", "{\"duplicate\":2}");
    reconcile(&scene, "--from", "2026-03-01T00:10:00Z");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.refused_by_both", "{\"duplicate\":1}");
    scene_close(&scene);
}
