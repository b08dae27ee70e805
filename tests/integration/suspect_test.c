/* suspect_test.c: what is likely behind a difference that no event explains: a function that is not deterministic, rules that were others. It is named
 * and stays unexplained, unless the rules of before are here. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/library.h"
#include "support/reconcile_scene.h"

/* A function that is what its argument is, but for 77: there it is what the macro says. No trial asks for 77. */
static const char source[] =
    "#include <stdatomic.h>\n#include <tally_function.h>\n"
    "static atomic_llong calls;\n"
    "static bool odd(struct tally_call *call, const struct tally_value *args, struct tally_value *result)\n"
    "{\n"
    "    (void)call;\n"
    "    result->i64 = args[0].i64 == 77 ? ODD : args[0].i64;\n"
    "    atomic_fetch_add(&calls, 1);\n"
    "    return true;\n"
    "}\n"
    "static const struct tally_scalar scalars[] = {{\"ODD_ONE\", {TALLY_BIGINT}, TALLY_BIGINT, 0, odd}};\n"
    "const struct tally_library tally_library = {TALLY_LIBRARY_HEAD, \"1.0\", NULL, scalars, 1, NULL, 0};\n";

static const char views[] =
    "CREATE VIEW odd_sums AS SELECT window_start, window_end, host, SUM(ODD_ONE(`bytes`)) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
    "host;\n"
    "CREATE VIEW odd_visits AS SELECT window_start, window_end, host, SUM(ODD_ONE(`bytes`)) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '8' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW odd_minutes AS SELECT window_start, window_end, host, SUM(hits) AS hits FROM odd_sums\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW plain AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
    "host;\n";

static char dir[RUN_DIR_BYTES], code[RUN_DIR_BYTES + 40];

static void use_library(const char *odd)
{
    char path[LIBRARY_PATH_BYTES], flags[80];

    snprintf(flags, sizeof flags, "'-DODD=%s'", odd);
    library_build(dir, "functions", code, flags, path);
    setenv("TALLY_FUNCTIONS", path, 1);
}

static void open_library(void)
{
    run_folder_make(dir);
    snprintf(code, sizeof code, "%s", run_file_write(dir, "functions.c", source));
}

static void close_library(void)
{
    run_folder_remove(dir);
}

TestSuite(suspect, .init = open_library, .fini = close_library, .timeout = 120);

/* The other library is there from batch on; NULL: none. */
static void play(struct scene *scene, const char *odd, const char *other)
{
    use_library(odd);
    scene_open(scene, views, "");
    append_body(scene, 0, 10);
    APPEND(scene, 0, 99, {"odd", 105, "odd.example", 77}, {"even", 106, "even.example", 76});
    append_body(scene, 110, 79);
    scene_speed(scene);
    scene_archive(scene);
    if (other != NULL)
        use_library(other);
    scene_batch(scene, 600);
}

/* How many units have a cause; and of which view. */
static int64_t named(const struct scene *scene, int view, const char *cause)
{
    char path[80];

    snprintf(path, sizeof path, "$.views[%d].causes.%s", view, cause);
    return report_count(scene, path);
}

Test(suspect, a_function_that_is_not_deterministic)
{
    struct scene scene;

    play(&scene, "calls * 1000", NULL);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "3");
    EXPECT(&scene, "$.summary.named", "3");
    for (int v = 0; v < 3; v++)
        cr_assert_eq(named(&scene, v, "nondeterministic_udf"), 1, "%d: %s", v, scene.run.out);
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    EXPECT(&scene, "$.units[0].key.host", "odd.example");
    EXPECT(&scene, "$.units[0].causes[0].cause", "nondeterministic_udf");
    EXPECT(&scene, "$.units[0].causes[0].events", "0");
    EXPECT(&scene, "$.units[0].causes[0].missing_in", "");
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "nondeterministic_udf: 3 of the unexplained groups"), "%s",
                       scene.run.out);
    /* What was forged has another cause, and none is found. */
    forge(&scene, "UPDATE plain_speed SET hits = hits + 1 WHERE host = 'odd.example'");
    forge(&scene, "UPDATE odd_sums_speed SET hits = hits + 1 WHERE host = 'even.example'");
    reconcile(&scene, NULL, NULL);
    EXPECT(&scene, "$.summary.unexplained", "5");
    EXPECT(&scene, "$.summary.named", "3");
    scene_close(&scene);
}

/* Batch has other rules than speed had, and reconcile the one's or the other's. */
Test(suspect, rules_that_were_others)
{
    struct scene scene;

    play(&scene, "1", "2");
    for (int here = 2; here >= 1; here--) {
        use_library(here == 2 ? "2" : "1");
        reconcile(&scene, NULL, NULL);
        EXPECT_STATUS(&scene, 1);
        EXPECT(&scene, "$.summary.unexplained", "3");
        EXPECT(&scene, "$.summary.named", "3");
        for (int v = 0; v < 3; v++)
            cr_assert_eq(named(&scene, v, "rules_changed"), 1, "%d: %s", v, scene.run.out);
        EXPECT(&scene, "$.units[0].causes[0].cause", "rules_changed");
        cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "rules_changed: functions worked with functions.so"), "%s",
                           scene.run.out);
        reconcile(&scene, "--full", NULL);
        EXPECT(&scene, "$.summary.named", "3");
    }
    /* A row of the layer that has the rules that are here; one that no rules are for. */
    forge(&scene, "UPDATE odd_sums_speed SET hits = hits + 1 WHERE host = 'even.example'");
    forge(&scene, "UPDATE plain_batch SET hits = hits + 1 WHERE host = 'even.example'");
    reconcile(&scene, NULL, NULL);
    EXPECT(&scene, "$.summary.unexplained", "5");
    EXPECT(&scene, "$.summary.named", "3");
    scene_close(&scene);
}

/* All was made by rules that are not here any more: nothing comes out, and --full says so of what is equal too. */
Test(suspect, rules_that_are_gone)
{
    struct scene scene;

    play(&scene, "1", NULL);
    use_library("2");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    reconcile(&scene, "--full", NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "2"); /* the rows of the view on them come out of them */
    EXPECT(&scene, "$.summary.named", "2");
    scene_close(&scene);
}

static void reconcile_with_old(struct scene *scene, const char *library, bool full)
{
    run_done(&scene->run);
    RUN(&scene->run, "reconcile", "--views", scene->views, "--data", scene->dir, "--format", "json", "--old-functions", library,
        full ? "--full" : NULL);
}

/* With the library that a layer had, the rows of both come out. It proves nothing of a row that was forged, nor does a library that no layer had. */
Test(suspect, rules_of_before_explain)
{
    char old[LIBRARY_PATH_BYTES], other[LIBRARY_PATH_BYTES];
    struct scene scene;

    play(&scene, "1", "2");
    library_build(dir, "old", code, "'-DODD=1'", old);
    library_build(dir, "other", code, "'-DODD=3'", other);
    for (int full = 0; full < 2; full++) {
        reconcile_with_old(&scene, old, full);
        EXPECT_STATUS(&scene, 0);
        EXPECT(&scene, "$.summary.explained", "3");
        EXPECT(&scene, "$.summary.unexplained", "0");
        EXPECT(&scene, "$.summary.named", "0");
        for (int v = 0; v < 3; v++)
            cr_assert_eq(named(&scene, v, "rules_changed"), 1, "%d: %s", v, scene.run.out);
        EXPECT(&scene, "$.units[0].verdict", "explained");
        EXPECT(&scene, "$.units[0].causes[0].cause", "rules_changed");
        cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "3 of the explained groups came out with the files of before"),
                           "%s", scene.run.out);
        reconcile_with_old(&scene, other, full);
        EXPECT_STATUS(&scene, 1);
        EXPECT(&scene, "$.summary.named", "3");
    }
    run_done(&scene.run);
    RUN(&scene.run, "reconcile", "--views", scene.views, "--data", scene.dir, "--old-functions", old);
    cr_assert_not_null(strstr(scene.run.out, "    rules_changed: no event is behind it\n"), "%s", scene.run.out);
    /* What a library would give that no layer had is forged all the same. */
    forge(&scene, "UPDATE odd_visits_speed SET hits = hits + 2 WHERE host = 'odd.example'");
    reconcile_with_old(&scene, other, false);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "3");
    reconcile_with_old(&scene, old, false);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "1");
    EXPECT(&scene, "$.summary.explained", "2");
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    forge(&scene, "UPDATE odd_sums_batch SET hits = hits + 1 WHERE host = 'even.example'");
    forge(&scene, "UPDATE odd_minutes_speed SET hits = hits + 5 WHERE host = 'odd.example'");
    reconcile_with_old(&scene, old, false);
    EXPECT(&scene, "$.summary.explained", "1");
    EXPECT(&scene, "$.summary.unexplained", "3");
    scene_close(&scene);
}

/* A group for each kind: other rules put events into others. */
static const char kinds[] =
    "CREATE VIEW kinds AS SELECT window_start, window_end, ODD_ONE(`bytes`) AS kind, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, ODD_ONE(`bytes`);\n"
    "CREATE VIEW often AS SELECT window_start, window_end, ODD_ONE(`bytes`) AS kind, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, ODD_ONE(`bytes`) HAVING COUNT(*) > 1;\n"
    "CREATE VIEW stays AS SELECT window_start, window_end, odd AS kind, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE odds PARTITION BY odd, DESCRIPTOR(event_time), INTERVAL '8' SECOND))\n"
    "    GROUP BY window_start, window_end, odd;\n"
    "CREATE VIEW odd_events AS SELECT event_time, event_id, `bytes` AS hits FROM events WHERE ODD_ONE(`bytes`) > 500;\n";
static const char odds[] = "CREATE TEMPORARY VIEW odds AS SELECT *, ODD_ONE(`bytes`) AS odd FROM events;\n";
enum { KINDS, OFTEN, STAYS, ODD_EVENTS };

/* Speed has had one library up to 200 s, and another behind; batch has `batch`'s, and so has reconcile. */
static void play_kinds(struct scene *scene, const char *first, const char *then, const char *batch, char old[LIBRARY_PATH_BYTES])
{
    use_library(first);
    scene_open(scene, odds, kinds);
    append_body(scene, 0, 10);
    APPEND(scene, 0, 99, {"a", 105, "odd.example", 77}, {"b", 106, "odd.example", 77});
    append_body(scene, 110, 8);
    APPEND(scene, 0, 205, {"c", 203, "odd.example", 77}, {"d", 204, "odd.example", 77});
    append_body(scene, 210, 5);
    scene_speed(scene);
    use_library(then);
    append_body(scene, 260, 3);
    APPEND(scene, 0, 300, {"e", 295, "odd.example", 77}, {"f", 296, "odd.example", 77});
    append_body(scene, 300, 60);
    scene_speed(scene);
    scene_archive(scene);
    use_library(batch);
    scene_batch(scene, 600);
    use_library("2");
    library_build(dir, "old", code, "'-DODD=501'", old);
}

/* What the rules of before put elsewhere must be there: a row that was taken away is not explained by them, whichever layer had it. */
Test(suspect, a_row_that_the_rules_of_before_made_is_gone)
{
    static const char *const takes[2][4] = {
        {"DELETE FROM kinds_speed WHERE kind = 501 AND _end_ms < 1772323330000",
         "DELETE FROM often_speed WHERE kind = 501 AND _end_ms < 1772323330000", "DELETE FROM stays_speed WHERE kind = 501 AND _end_ms < 1772323330000",
         "DELETE FROM odd_events_speed WHERE event_id = 'a'"},
        {"DELETE FROM kinds_batch WHERE kind = 501 AND _end_ms < 1772323330000",
         "DELETE FROM often_batch WHERE kind = 501 AND _end_ms < 1772323330000", "DELETE FROM stays_batch WHERE kind = 501 AND _end_ms < 1772323330000",
         "DELETE FROM odd_events_batch WHERE event_id = 'a'"},
    };
    char old[LIBRARY_PATH_BYTES];

    for (int who = 0; who < 3; who++) { /* speed; speed, up to 200 s; batch */
        struct scene scene;

        play_kinds(&scene, who < 2 ? "501" : "2", who == 0 ? "501" : "2", who < 2 ? "2" : "501", old);
        for (int full = 0; full < 2; full++) {
            reconcile_with_old(&scene, old, full);
            EXPECT_STATUS(&scene, 0);
            EXPECT(&scene, "$.summary.unexplained", "0");
        }
        for (int view = 0; view < 4; view++) {
            char path[80];

            forge(&scene, takes[who == 2][view]);
            for (int full = 0; full < 2; full++) {
                reconcile_with_old(&scene, old, full);
                EXPECT_STATUS(&scene, 1);
                snprintf(path, sizeof path, "$.views[%d].unexplained", view);
                EXPECT(&scene, path, "1");
            }
        }
        scene_close(&scene);
    }
}

/* Both layers had the library of before, and reconcile another: with it, all comes out, and what is equal is proved. */
Test(suspect, both_had_the_rules_of_before)
{
    char old[LIBRARY_PATH_BYTES];
    struct scene scene;

    play_kinds(&scene, "501", "501", "501", old);
    reconcile(&scene, "--full", NULL);
    EXPECT_STATUS(&scene, 1);
    reconcile_with_old(&scene, old, true);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    scene_close(&scene);
}

/* A run is not excused by what the one before it worked with, but for what it has carried: an event where its range begins is its own, and of a session
 * that ends there the one before it has made the row. */
Test(suspect, the_rules_of_another_run)
{
    static const char each[] =
        "CREATE VIEW singles AS SELECT event_time, event_id, ODD_ONE(`bytes`) AS hits FROM events;\n"
        "CREATE VIEW odd_visits AS SELECT window_start, window_end, host, SUM(ODD_ONE(`bytes`)) AS hits\n"
        "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '8' SECOND))\n"
        "    GROUP BY window_start, window_end, host;\n";
    enum { DAY = 86400 };
    char old[LIBRARY_PATH_BYTES];
    struct scene scene;

    use_library("2");
    scene_open(&scene, each, "");
    append_body(&scene, DAY - 110, 10);
    APPEND(&scene, 0, DAY + 5, {"before", DAY - 20, "before.example", 77}, {"ends", DAY - 8, "ends.example", 77},
           {"at", DAY, "at.example", 77});
    append_body(&scene, DAY + 10, 70);
    scene_speed(&scene);
    scene_archive(&scene);
    use_library("501");
    scene_batch(&scene, DAY);
    use_library("2");
    scene_batch(&scene, DAY + 600);
    library_build(dir, "old", code, "'-DODD=501'", old);
    reconcile_with_old(&scene, old, false);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "4"); /* before and ends, and their visits */
    forge(&scene, "UPDATE singles_batch SET hits = 501 WHERE event_id = 'at'");
    forge(&scene, "UPDATE odd_visits_batch SET hits = 501 WHERE host = 'at.example'");
    reconcile_with_old(&scene, old, false);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.explained", "4");
    EXPECT(&scene, "$.summary.unexplained", "2");
    scene_close(&scene);
}
