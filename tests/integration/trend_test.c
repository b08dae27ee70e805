/* trend_test.c: reconciliations are stored in either kind of store, and listed with what has changed; what cannot be stored is reported all the same. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sv.h"
#include "support/http_get.h"
#include "support/reconcile_scene.h"
#include "support/store_fixture.h"

static const char views[] = "CREATE VIEW hits AS\n"
                            "    SELECT window_start, window_end, host, COUNT(*) AS num_hits\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
                            "    GROUP BY window_start, window_end, host;\n"
                            "CREATE VIEW minutes AS\n"
                            "    SELECT window_start, window_end, COUNT(*) AS num_hits\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))\n"
                            "    GROUP BY window_start, window_end;\n";

static struct scene scene;
static char url[512];

static void scene_end(void)
{
    unsetenv("TALLY_STORE");
    scene_close(&scene);
    store_folder_remove();
}

TestSuite(trend, .fini = scene_end, .timeout = 60);

/* Three minutes, both layers up to second 180: one late event in the first, two in the second, and five in the third. */
static void play(void)
{
    scene_open(&scene, views, "");
    append_body(&scene, 0, 20);
    scene_speed(&scene);
    APPEND(&scene, 0, 210, {"a-1", 5, "body.example", 5}, {"b-1", 65, "body.example", 5}, {"b-2", 66, "body.example", 5},
           {"c-1", 125, "body.example", 5}, {"c-2", 126, "body.example", 5}, {"c-3", 127, "body.example", 5},
           {"c-4", 135, "body.example", 5}, {"c-5", 136, "body.example", 5});
    append_body(&scene, 210, 10);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 180);
}

#define RECONCILE(...)                                                                                                           \
    do {                                                                                                                         \
        run_done(&scene.run);                                                                                                    \
        RUN(&scene.run, "reconcile", "--views", scene.views, "--data", scene.dir, __VA_ARGS__);                                  \
    } while (0)
#define HISTORY(...)                                                                                                             \
    do {                                                                                                                         \
        run_done(&scene.run);                                                                                                    \
        RUN(&scene.run, "reconcile", "--history", "--data", scene.dir, __VA_ARGS__);                                             \
        EXPECT_STATUS(&scene, 0);                                                                                                \
    } while (0)
#define SAYS(where, what) cr_assert_not_null(strstr((where), (what)), "'%s' is not in: %s", (what), (where))
#define SAYS_NOT(where, what) cr_assert_null(strstr((where), (what)), "'%s' is in: %s", (what), (where))

struct kind {
    const char *name;
    bool postgres;
};

ParameterizedTestParameters(trend, what_is_stored)
{
    static struct kind kinds[] = {
        {"sqlite",   false},
        {"postgres", true },
    };

    return cr_make_param_array(struct kind, kinds, TL_COUNT(kinds));
}

/* All that the report says of it, but for units; a report that is unexplained too. */
ParameterizedTest(struct kind *kind, trend, what_is_stored)
{
    if (kind->postgres) {
        store_postgres.url(url);
        setenv("TALLY_STORE", url, 1);
    }
    play();
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations", "[]");
    RECONCILE("--to", "2026-03-02", "--format", "json");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.causes.late_drop", "8");
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations[0].id", "1");
    EXPECT(&scene, "$.reconciliations[0].exit_status", "0");
    EXPECT(&scene, "$.reconciliations[0].range", "{\"from\":null,\"to\":\"2026-03-02T00:00:00.000Z\",\"cut\":true}");
    EXPECT(&scene, "$.reconciliations[0].compared", "{\"from\":null,\"to\":\"2026-03-01T00:03:00.000Z\"}");
    EXPECT(&scene, "$.reconciliations[0].summary",
           "{\"groups\":21,\"equal\":14,\"explained\":7,\"unexplained\":0,\"pending\":0}");
    EXPECT(&scene, "$.reconciliations[0].causes", "{\"late_drop\":8}");
    SAYS(report(&scene, "$.reconciliations[0].notes[0]"), "view hits: the range up to 2026-03-02T00:00:00.000Z is cut at");
    SAYS(report(&scene, "$.reconciliations[0].versions"), "tzdata ");
    cr_assert_gt(report_count(&scene, "$.reconciliations[0].events_read"), 8);
    EXPECT(&scene, "$.reconciliations[0].views[1].name", "minutes");
    EXPECT(&scene, "$.reconciliations[0].views[1].definition", "2");
    EXPECT(&scene, "$.reconciliations[0].views[1].runs", "1");
    EXPECT(&scene, "$.reconciliations[0].views[1].boundary", "2026-03-01T00:03:00.000Z");
    EXPECT(&scene, "$.reconciliations[0].views[1].groups", "3");
    EXPECT(&scene, "$.reconciliations[0].views[1].explained", "3");
    EXPECT(&scene, "$.reconciliations[0].views[1].causes.late_drop", "8");
    if (kind->postgres)
        store_postgres_sql(url, "UPDATE minutes_speed SET num_hits = 99");
    else
        forge(&scene, "UPDATE minutes_speed SET num_hits = 99");
    RECONCILE("minutes", "--to", "2026-03-01T00:01:00Z");
    EXPECT_STATUS(&scene, 1);
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations[0].id", "2");
    EXPECT(&scene, "$.reconciliations[0].exit_status", "1");
    EXPECT(&scene, "$.reconciliations[0].summary", "{\"groups\":1,\"equal\":0,\"explained\":0,\"unexplained\":1,\"pending\":0}");
    EXPECT(&scene, "$.reconciliations[0].views[1]", "");
    EXPECT(&scene, "$.reconciliations[1].id", "1");
    /* --no-store, and what gave no report */
    RECONCILE("--no-store");
    RECONCILE("--from", "2026-03-02", "--to", "2026-03-01");
    EXPECT_STATUS(&scene, 2);
    HISTORY("--format", "json", "--limit", "1");
    EXPECT(&scene, "$.reconciliations[0].id", "2");
    EXPECT(&scene, "$.reconciliations[1]", "");
}

/* Minute by minute: each is held against the one before of the same length, and against no other. */
Test(trend, trends)
{
    play();
    RECONCILE("--to", "2026-03-01T00:01:00Z", "--from", "2026-03-01");
    RECONCILE("--to", "2026-03-01T00:02:00Z", "--from", "2026-03-01T00:01:00Z");
    RECONCILE("--no-store");
    RECONCILE("--to", "2026-03-01T00:03:00Z", "--from", "2026-03-01");
    RECONCILE("--to", "2026-03-01T00:03:00Z", "--from", "2026-03-01T00:02:00Z");
    HISTORY(NULL);
    SAYS(scene.run.out, "late_drop 5 (2 before)\n");
    SAYS(scene.run.out, "late_drop 8\n");
    SAYS(scene.run.out, "late_drop 2 (1 before)\n");
    SAYS(scene.run.out, "late_drop 1\n");
    SAYS(scene.run.out, "\n3 of this length, ");
    SAYS(scene.run.out, "  late_drop               ▂▄█  5, 2 before: 2.5 times as many\n");
    SAYS(scene.run.out, "  differing groups        ▆▆█  3, 2 before\n");
    SAYS(scene.run.out, "57.14%  42.86%               0  late_drop 5");
    /* one that is not listed is what it is held against all the same */
    HISTORY("--limit", "1");
    SAYS(scene.run.out, "late_drop 5 (2 before)\n");
    SAYS_NOT(scene.run.out, "late_drop 2 (");
    HISTORY("--limit", "0");
    SAYS_NOT(scene.run.out, "late_drop");
    HISTORY("minutes");
    SAYS(scene.run.out, "late_drop 5 (2 before)  minutes\n");
    SAYS(scene.run.out, "\nminutes, 3 of this length, ");
    SAYS(scene.run.out, "  differing groups        ███  1, 1 before\n");
    SAYS_NOT(scene.run.out, "hits");
    /* by what was compared */
    HISTORY("--from", "2026-03-01T00:02:00Z", "--format", "json");
    EXPECT(&scene, "$.reconciliations[0].id", "4");
    EXPECT(&scene, "$.reconciliations[1].id", "3");
    EXPECT(&scene, "$.reconciliations[2]", "");
    HISTORY("--format", "csv", "hits", "--to", "2026-03-01T00:01:00Z", "--limit", "1");
    SAYS(scene.run.out,
         "id,started,seconds,exit_status,asked_from,asked_to,view,compared_from,compared_to,groups,equal,explained,"
         "unexplained,pending,late_drop,late_partial,");
    SAYS(scene.run.out, ",0,2026-03-01T00:00:00.000Z,2026-03-01T00:03:00.000Z,hits,2026-03-01T00:00:00.000Z,"
                        "2026-03-01T00:03:00.000Z,18,14,4,0,0,8,0,");
    SAYS_NOT(scene.run.out, "minutes");
}

Test(trend, usage)
{
    play();
    RECONCILE(NULL);
    RECONCILE("--history", "hitz");
    EXPECT_STATUS(&scene, 2);
    SAYS(scene.run.err, "has compared a view 'hitz'");
    RECONCILE("--history", "--quiet");
    EXPECT_STATUS(&scene, 2);
    SAYS(scene.run.err, "compares nothing");
    RECONCILE("--history", "--advise-lateness");
    EXPECT_STATUS(&scene, 2);
    RECONCILE("--advise-lateness", "--no-store");
    EXPECT_STATUS(&scene, 2);
    RECONCILE("--history", "--format", "html");
    EXPECT_STATUS(&scene, 2);
    SAYS(scene.run.err, "--history answers as text, csv or json");
    RECONCILE("--history", "--by", "host");
    EXPECT_STATUS(&scene, 2);
    RECONCILE("--history", "--full");
    EXPECT_STATUS(&scene, 2);
    SAYS(scene.run.err, "compares nothing");
    RECONCILE("--advise-lateness", "--full");
    EXPECT_STATUS(&scene, 2);
    RECONCILE("--advise-lateness", "--from", "2026-03-01");
    EXPECT_STATUS(&scene, 2);
    SAYS(scene.run.err, "--advise-lateness");
    RECONCILE("--advise-lateness", "--to", "2026-03-01");
    EXPECT_STATUS(&scene, 2);
}

/* ---- what cannot be stored ---- */

/* Somebody has the store's one lock, and keeps it. */
Test(trend, a_store_that_is_locked)
{
    sqlite3 *db;

    play();
    cr_assert_eq(sqlite3_open(scene.store, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    RECONCILE(NULL);
    EXPECT_STATUS(&scene, 0);
    SAYS(scene.run.out, " of groups equal; ");
    SAYS(scene.run.err, "warn reconcile this reconciliation is not stored, and --history will not show it: ");
    SAYS(scene.run.err, "try again when it is done; --no-store leaves it out");
    RECONCILE("--no-store");
    cr_assert_str_eq(scene.run.err, "");
    sqlite3_close(db);
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations", "[]");
}

/* As a role that may only read. */
Test(trend, a_postgresql_that_may_only_be_read)
{
    char reader[700];

    store_postgres.url(url);
    setenv("TALLY_STORE", url, 1);
    play();
    store_postgres_sql(url, "UPDATE minutes_speed SET num_hits = 99");
    snprintf(reader, sizeof reader, "%s&options=-c%%20default_transaction_read_only%%3Don", url);
    setenv("TALLY_STORE", reader, 1);
    RECONCILE(NULL);
    EXPECT_STATUS(&scene, 1);
    SAYS(scene.run.out, " 3 unexplained\n");
    SAYS(scene.run.err, "this reconciliation is not stored");
    SAYS(scene.run.err, "read-only");
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations", "[]");
}

/* ---- what cron and the node exporter get ---- */

Test(trend, quiet_is_for_what_is_unexplained)
{
    play();
    RECONCILE("--quiet");
    EXPECT_STATUS(&scene, 0);
    cr_assert_str_eq(scene.run.out, "");
    RECONCILE("--quiet", "--from", "2026-03-02"); /* nothing was compared, and that is no good news */
    SAYS(scene.run.out, "outside what is published");
    forge(&scene, "UPDATE minutes_speed SET num_hits = 99");
    RECONCILE("--quiet");
    EXPECT_STATUS(&scene, 1);
    SAYS(scene.run.out, " 3 unexplained\n");
    HISTORY("--format", "json");
    EXPECT(&scene, "$.reconciliations[0].id", "3");
}

/* What the file says of a series. */
static double figure(const char *path, const char *series)
{
    FILE *file = fopen(path, "r");
    char text[8192];
    size_t size;

    cr_assert_not_null(file, "%s", path);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return http_sample(text, series);
}

Test(trend, figures_for_the_node_exporter)
{
    char path[PATH_BYTES + 32], command[700];
    struct stat stat_of;
    double success;

    play();
    snprintf(path, sizeof path, "%s/tally_reconcile.prom", scene.dir);
    umask(0077);
    RECONCILE("--metrics-file", path);
    EXPECT_STATUS(&scene, 0);
    cr_assert_eq(stat(path, &stat_of), 0);
    cr_assert_eq(stat_of.st_mode & 0777, 0644);
    success = figure(path, "tally_reconcile_last_success_timestamp_seconds");
    cr_assert_gt(success, 1.7e9);
    cr_assert_eq(figure(path, "tally_reconcile_last_run_exit_status"), 0);
    cr_assert_eq(figure(path, "tally_reconcile_last_run_events{view=\"minutes\",cause=\"late_drop\"}"), 8);
    cr_assert_eq(figure(path, "tally_reconcile_groups_total{result=\"explained\"}"), 7);
    if (getenv("TALLY_PROMTOOL") != NULL) {
        snprintf(command, sizeof command, "%s check metrics < %s", getenv("TALLY_PROMTOOL"), path);
        cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
    }
    RECONCILE("--metrics-file", path, "--from", "2026-03-02"); /* nothing was compared, and that is no success */
    EXPECT_STATUS(&scene, 0);
    cr_assert_eq(figure(path, "tally_reconcile_last_success_timestamp_seconds"), success);
    forge(&scene, "UPDATE minutes_speed SET num_hits = 99");
    RECONCILE("--metrics-file", path);
    EXPECT_STATUS(&scene, 1);
    cr_assert_eq(figure(path, "tally_reconcile_last_run_exit_status"), 1);
    cr_assert_eq(figure(path, "tally_reconcile_last_success_timestamp_seconds"), success);
    cr_assert_eq(figure(path, "tally_reconcile_groups_total{result=\"unexplained\"}"), 3);
    cr_assert_eq(figure(path, "tally_reconcile_groups_total{result=\"explained\"}"), 11);
    cr_assert_eq(figure(path, "tally_reconcile_last_run_groups{result=\"explained\"}"), 4);
    run_file_write(scene.dir, "views.sql", "CREATE VIEW hits AS SELECT host FROM nowhere;\n"); /* no report: counters stay */
    RECONCILE("--metrics-file", path);
    EXPECT_STATUS(&scene, 2);
    cr_assert_eq(figure(path, "tally_reconcile_last_run_exit_status"), 2);
    cr_assert_eq(figure(path, "tally_reconcile_groups_total{result=\"explained\"}"), 11);
    RECONCILE("--metrics-file", "/proc/none/x.prom");
    SAYS(scene.run.err, "--metrics-file /proc/none/x.prom: cannot make");
}
