/* visitors_test.c: what functions work with, through the whole program: the secret of VISITOR_ID, the file of GET_LOCATION, versions, and the
 * name of the function that failed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/dump.h"
#include "support/reconcile_scene.h"

static const char views[] =
    "CREATE VIEW visitors AS SELECT window_start, window_end, VISITOR_ID(host, event_id, 'a') AS visitor, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, VISITOR_ID(host, event_id, 'a');\n"
    "CREATE VIEW visits AS SELECT VISITOR_ID(host, CAST(NULL AS STRING), 'a') AS visitor, event_time FROM events;\n";

enum { MIDNIGHT = 86400 };

static void play_in(struct scene *scene, const char *settings)
{
    scene_open(scene, views, settings);
    APPEND(scene, 0, 10, {"agent", 1, "203.0.113.7", 1}, {"agent", 2, "203.0.113.8", 1}, {NULL, 3, "203.0.113.7", 1});
    APPEND(scene, 1, MIDNIGHT, {"agent", MIDNIGHT - 1, "203.0.113.7", 1}, {"agent", MIDNIGHT, "203.0.113.7", 1},
           {"agent", MIDNIGHT + 60, "203.0.113.7", 1});
    APPEND(scene, 0, MIDNIGHT + 100, {"agent", MIDNIGHT + 100, "203.0.113.7", 1});
    scene_speed(scene);
}

static void play(struct scene *scene)
{
    play_in(scene, "");
}

static char *ids(const struct scene *scene)
{
    return dump_sql(scene->store, "SELECT _start_ms / 86400000, visitor FROM visits_speed ORDER BY _start_ms, 2");
}

/* Of "DAY|ID" in line `line`. */
static const char *id_at(const char *text, int line)
{
    static char id[2][40];
    static int turn;

    while (line-- > 0) {
        text = strchr(text, '\n');
        cr_assert_not_null(text);
        text++;
    }
    turn = 1 - turn;
    cr_assert_eq(sscanf(text, "%*d|%39[0-9a-f]", id[turn]), 1, "%s", text);
    cr_assert_eq(strlen(id[turn]), 32);
    return id[turn];
}

Test(visitors, both_layers_name_them_alike)
{
    struct scene scene;

    play(&scene);
    scene_archive(&scene);
    scene_batch(&scene, MIDNIGHT + 90);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.views[0].groups", "6");
    EXPECT(&scene, "$.views[1].groups", "6");
    scene_close(&scene);
}

Test(visitors, an_id_ends_at_midnight_and_outlives_a_restart)
{
    struct scene scene;
    char *text;

    play(&scene);
    APPEND(&scene, 0, MIDNIGHT + 110, {"agent", MIDNIGHT + 110, "203.0.113.7", 1});
    scene_speed(&scene);
    text = ids(&scene);
    cr_assert_str_eq(id_at(text, 0), id_at(text, 2), "%s", text); /* at 1 s and at 3 s */
    cr_assert_str_neq(id_at(text, 0), id_at(text, 1));            /* another address */
    cr_assert_str_eq(id_at(text, 0), id_at(text, 3));             /* a second before midnight */
    cr_assert_str_neq(id_at(text, 0), id_at(text, 4));            /* midnight */
    cr_assert_str_eq(id_at(text, 4), id_at(text, 6));
    cr_assert_str_eq(id_at(text, 4), id_at(text, 7)); /* counted by another process */
    free(text);
    scene_close(&scene);
}

Test(visitors, two_stores_name_them_differently)
{
    struct scene one, other;
    char *text, *other_text;

    play(&one);
    play(&other);
    text = ids(&one);
    other_text = ids(&other);
    cr_assert_str_neq(id_at(text, 0), id_at(other_text, 0));
    free(text);
    free(other_text);
    scene_close(&one);
    scene_close(&other);
}

/* Nothing that the program writes shows it; and without it there is nothing to be compared. */
Test(visitors, the_secret_stays_in_the_store)
{
    struct scene scene;
    char *secret;

    play(&scene);
    secret = dump_sql(scene.store, "SELECT lower(hex(value)) FROM tally_meta WHERE name = 'secret.visitor'");
    cr_assert_eq(strlen(secret), 65, "%s", secret);
    secret[64] = '\0';
    RUN(&scene.run, "status", "--data", scene.dir, "--format", "json");
    cr_assert_eq(scene.run.status, 0, "%s", scene.run.err);
    cr_assert(strstr(scene.run.out, "secret") == NULL && strstr(scene.run.out, secret) == NULL, "%s", scene.run.out);
    run_done(&scene.run);
    free(secret);
    forge(&scene, "DELETE FROM tally_meta WHERE name = 'secret.visitor'");
    RUN(&scene.run, "reconcile", "--views", scene.views, "--data", scene.dir);
    cr_assert_eq(scene.run.status, 3, "%d %s", scene.run.status, scene.run.err);
    cr_assert_not_null(strstr(scene.run.err, "there is no secret.visitor yet"), "%s", scene.run.err);
    scene_close(&scene);
}

/* --- versions -------------------------------------------------------------------------------------------------------- */

Test(visitors, both_layers_say_what_they_worked_with)
{
    struct scene scene;
    char *speed, *batch;

    play(&scene);
    scene_archive(&scene);
    scene_batch(&scene, MIDNIGHT);
    scene_speed(&scene);
    speed = dump_sql(scene.store, "SELECT versions FROM tally_epoch_versions");
    batch = dump_sql(scene.store, "SELECT versions FROM tally_run");
    cr_assert(strncmp(speed, "tzdata 2", 8) == 0, "%s", speed);
    cr_assert_str_eq(speed, batch);
    free(speed);
    free(batch);
    scene_close(&scene);
}

/* A row that other rules would have given: no event is behind the difference. */
Test(visitors, other_rules_are_named_where_something_is_unexplained)
{
    struct scene scene;

    play_in(&scene, "SET 'table.local-time-zone' = 'Europe/Berlin';\n");
    scene_archive(&scene);
    scene_batch(&scene, MIDNIGHT + 90);
    forge(&scene, "UPDATE tally_run SET versions = 'tzdata 1999a; places x 1'");
    reconcile(&scene, NULL, NULL);
    EXPECT(&scene, "$.notes", "[]");
    forge(&scene, "UPDATE visitors_batch SET hits = 7 WHERE _start_ms = (SELECT min(_start_ms) FROM visitors_batch)");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "rules_changed: functions worked with tzdata "), "%s", scene.run.out);
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "tzdata 1999a (batch)"), "%s", scene.run.out);
    cr_assert_null(strstr(report(&scene, "$.notes[0]"), "places x"), "%s", scene.run.out);
    scene_close(&scene);
}

/* --- functions that fail --------------------------------------------------------------------------------------------- */

Test(visitors, the_ledger_says_which_function_failed)
{
    struct scene scene;
    char *lines;

    scene_open(&scene,
               "CREATE VIEW casts AS SELECT CAST(host AS INT) AS n, event_time FROM events;\n"
               "CREATE VIEW divisions AS SELECT window_start, window_end, 10 / `bytes` AS share, COUNT(*) AS hits\n"
               "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
               "    GROUP BY window_start, window_end, 10 / `bytes`;\n",
               "");
    APPEND(&scene, 0, 30, {"a", 1, "12", 1}, {"b", 2, "twelve", 0}, {"c", 3, "13", 2}, {"d", 4, "", 0}, {"e", 25, "14", 1});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 20);
    lines =
        dump_sql(scene.store, "SELECT view, run > 0, \"offset\", cause, function FROM tally_ledger JOIN tally_definition USING"
                              " (definition) ORDER BY 1, 2, 3");
    cr_assert_str_eq(lines, "casts|0|1|12|CAST\ncasts|0|3|12|CAST\ncasts|1|1|12|CAST\ncasts|1|3|12|CAST\n"
                            "divisions|0|1|12|/\ndivisions|0|3|12|/\ndivisions|1|1|12|/\ndivisions|1|3|12|/\n");
    free(lines);
    RUN(&scene.run, "status", "--data", scene.dir);
    cr_assert_eq(scene.run.status, 0, "%s", scene.run.err);
    cr_assert_not_null(strstr(scene.run.out, "\n  failed  in CAST 2\n"), "%s", scene.run.out);
    cr_assert_not_null(strstr(scene.run.out, "\n  failed  in / 2\n"), "%s", scene.run.out);
    run_done(&scene.run);
    RUN(&scene.run, "status", "--data", scene.dir, "--format", "json");
    cr_assert_not_null(strstr(scene.run.out, "\"failed_in\": {\"CAST\": 2}"), "%s", scene.run.out);
    scene_close(&scene);
}

/* --- places ---------------------------------------------------------------------------------------------------------- */

Test(visitors, both_layers_find_the_same_places)
{
    const char *places = getenv("TALLY_TEST_PLACES");
    struct scene scene;
    char *rows, *versions;

    setenv("TALLY_PLACES", places != NULL ? places : "build/places/city.mmdb", 1);
    scene_open(&scene,
               "CREATE VIEW cities AS SELECT window_start, window_end, GET_LOCATION(host) AS place, COUNT(*) AS hits\n"
               "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
               "    GROUP BY window_start, window_end, GET_LOCATION(host);\n",
               "");
    APPEND(&scene, 0, 30, {"a", 1, "203.0.113.7", 1}, {"b", 2, "203.0.113.9", 0}, {"c", 3, "10.0.0.1", 2}, {"d", 25, "x", 0});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 20);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.views[0].equal", "2");
    rows = dump_sql(scene.store, "SELECT place, hits FROM cities_batch ORDER BY 1");
    cr_assert_str_eq(rows, "{\"country\":\"\",\"state\":\"\",\"city\":\"\"}|1\n"
                           "{\"country\":\"US\",\"state\":\"Oregon\",\"city\":\"Portland\"}|2\n");
    versions = dump_sql(scene.store, "SELECT versions FROM tally_run");
    cr_assert_not_null(strstr(versions, "; places GeoLite2-City 2026-03-01 xxh3:"), "%s", versions);
    free(rows);
    free(versions);
    setenv("TALLY_PLACES", "/nowhere/city.mmdb", 1);
    run_done(&scene.run);
    RUN(&scene.run, "speed", "--views", scene.views, "--data", scene.dir, "--once");
    cr_assert_eq(scene.run.status, 2);
    cr_assert_not_null(strstr(scene.run.err, "--places /nowhere/city.mmdb: cannot be opened"), "%s", scene.run.err);
    unsetenv("TALLY_PLACES");
    run_done(&scene.run);
    RUN(&scene.run, "batch", "--views", scene.views, "--data", scene.dir);
    cr_assert_eq(scene.run.status, 2);
    cr_assert_not_null(strstr(scene.run.err, "name one with --places FILE.mmdb"), "%s", scene.run.err);
    scene_close(&scene);
}
