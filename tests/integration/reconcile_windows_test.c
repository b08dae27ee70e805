/* reconcile_windows_test.c: every kind of window, and views on views: late events are explained, and what was forged is not. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event/outcome.h"
#include "support/chance.h"
#include "support/reconcile_scene.h"

static const char views[] =
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(`bytes`) AS total\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW steps AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW threes AS SELECT window_start, window_end, host, COUNT(*) AS hits, MAX(event_id) AS id, closed_by\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n"
    "CREATE VIEW tens AS SELECT window_start AS ten_start, window_end AS ten_end, window_time, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, window_time, host;\n"
    "CREATE VIEW minutes AS SELECT window_start, window_end, host, SUM(hits) AS hits, MAX(hits) AS most\n"
    "    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(window_time), INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW hosts AS SELECT window_start, window_end, COUNT(*) AS hosts, SUM(hits) AS hits FROM hops\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW long_visits AS SELECT window_start, window_end, host, SUM(hits) AS hits FROM visits WHERE hits > 1\n"
    "    GROUP BY window_start, window_end, host;\n";

/* HAVING hides windows that hang together with those that it shows. */
static const char having_views[] =
    "CREATE VIEW loud_visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))\n"
    "    GROUP BY window_start, window_end, host HAVING SUM(`bytes`) / 2 * 2 = SUM(`bytes`);\n"
    "CREATE VIEW loud_pairs AS SELECT window_start, window_end, host, COUNT(*) AS hits, MAX(event_id) AS id\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '5' SECOND))\n"
    "    GROUP BY window_start, window_end, host HAVING SUM(`bytes`) / 2 * 2 = SUM(`bytes`);\n"
    "CREATE VIEW loud_hosts AS SELECT window_start, window_end, host, SUM(hits) AS hits FROM loud_pairs\n"
    "    GROUP BY window_start, window_end, host;\n";

/* Every aggregate, in every kind of window, and over rows that have some. */
#define AGGREGATES                                                                                                               \
    "COUNT(*) AS hits, COUNT(`bytes`) AS a1, COUNT(DISTINCT `bytes`) AS a2, SUM(`bytes`) AS a3, SUM(DISTINCT `bytes`) AS a4,\n"  \
    "    MIN(event_id) AS a5, MAX(event_id) AS a6, AVG(`bytes`) AS a7, AVG(CAST(`bytes` AS DOUBLE) / 3) AS a8,\n"                \
    "    STDDEV_POP(`bytes`) AS a9, STDDEV_SAMP(`bytes`) AS a10, VAR_POP(`bytes`) AS a11, VAR_SAMP(`bytes`) AS a12,\n"           \
    "    FIRST_VALUE(event_id) AS a13, LAST_VALUE(event_id) AS a14, LISTAGG(event_id) AS a15,\n"                                 \
    "    LISTAGG(DISTINCT CAST(`bytes` AS STRING), '; ') AS a16, APPROX_COUNT_DISTINCT(event_id) AS a17,\n"                      \
    "    PERCENTILE(`bytes`, 0.5) AS a18, PERCENTILE(`bytes`, 0.9, `bytes`) AS a19, APPROX_PERCENTILE(`bytes`, 0.95) AS a20,\n"  \
    "    WINDOW_FUNNEL(INTERVAL '20' SECOND, event_time, `bytes` > 2, `bytes` > 5) AS a21,\n"                                    \
    "    SUM(`bytes`) FILTER (WHERE `bytes` > 4) AS a22, SUM(CAST(`bytes` AS DOUBLE) / 7) AS a23"
#define AGGREGATES_VIEW(name, window, by)                                                                                        \
    "CREATE VIEW " name " AS SELECT window_start, window_end, host, " AGGREGATES "\n    FROM TABLE(" window                      \
    ") GROUP BY window_start, window_end, host" by ";\n"
#define OF "TABLE events, DESCRIPTOR(event_time), "
#define BY "TABLE events PARTITION BY host, DESCRIPTOR(event_time), "
static const char aggregate_views[] = AGGREGATES_VIEW("agg_tens", "TUMBLE(" OF "INTERVAL '10' SECOND)", "") AGGREGATES_VIEW(
    "agg_hops", "HOP(" OF "INTERVAL '10' SECOND, INTERVAL '30' SECOND)",
    "") AGGREGATES_VIEW("agg_steps", "CUMULATE(" OF "INTERVAL '10' SECOND, INTERVAL '1' MINUTE)",
                        "") AGGREGATES_VIEW("agg_visits", "SESSION(" BY "INTERVAL '6' SECOND)", "")
    AGGREGATES_VIEW("agg_fours", "COUNT_WINDOW(" BY "4, INTERVAL '20' SECOND)", "") AGGREGATES_VIEW(
        "agg_loud", "SESSION(" BY "INTERVAL '6' SECOND)",
        " HAVING COUNT(*) > 1 AND STDDEV_POP(`bytes`) > 1") "CREATE VIEW agg_of_hops AS SELECT window_start, window_end, "
                                                            "COUNT(*) AS hits, SUM(a3) AS b1, AVG(a8) AS b2, MAX(a16) AS b3,\n"
                                                            "    LISTAGG(a13) AS b4, PERCENTILE(a9, 0.5) AS b5, "
                                                            "APPROX_COUNT_DISTINCT(a6) AS b6, FIRST_VALUE(a21) AS b7 FROM "
                                                            "agg_hops\n"
                                                            "    GROUP BY window_start, window_end;\n"
                                                            "CREATE VIEW agg_of_fours AS SELECT window_start, window_end, host, "
                                                            "SUM(hits) AS hits, MIN(a7) AS b1, LAST_VALUE(a15) AS b2\n"
                                                            "    FROM agg_fours GROUP BY window_start, window_end, host;\n";

/* What an outer view computes of an inner window's bounds, it computes of their wall clock. */
static const char clock_views[] =
    "CREATE VIEW clocks AS SELECT window_start, window_end, host, MAX(CAST(ten_start AS STRING)) AS a, MAX(CAST(ten_end AS "
    "STRING)) AS b,\n"
    "    SUM(hits) AS hits FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(window_time), INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW morning AS SELECT ten_start, CAST(ten_end AS STRING) AS b, host, hits FROM tens\n"
    "    WHERE CAST(ten_start AS STRING) LIKE '% 01:0%';\n";

/* Their numbers in the report. */
enum { HOPS, STEPS, VISITS, THREES, TENS, MINUTES, HOSTS, LONG_VISITS, VIEWS };

/* A value of one view of the last report. */
static const char *of_view(const struct scene *scene, int view, const char *what)
{
    char path[128];

    snprintf(path, sizeof path, "$.views[%d].%s", view, what);
    return report(scene, path);
}
#define EXPECT_VIEW(scene, view, what, want)                                                                                     \
    cr_assert_str_eq(of_view((scene), (view), (what)), (want), #view " %s: %s, not %s: %s", (what),                              \
                     of_view((scene), (view), (what)), (want), (scene)->run.out)

/* The one unit of a view in the last report: a value of it. */
static const char *of_unit(const struct scene *scene, const char *view, const char *what)
{
    static char texts[8][512];
    static int at;
    char *text = texts[at++ % 8];

    for (int u = 0;; u++) {
        char path[96];

        snprintf(path, sizeof path, "$.units[%d].view", u);
        cr_assert(report(scene, path)[0] != '\0', "no unit of %s in: %s", view, scene->run.out);
        if (strcmp(report(scene, path), view) != 0)
            continue;
        snprintf(path, sizeof path, "$.units[%d].%s", u, what);
        snprintf(text, 512, "%s", report(scene, path));
        return text;
    }
}
#define EXPECT_UNIT(scene, view, what, want)                                                                                     \
    cr_assert_str_eq(of_unit((scene), (view), (what)), (want), "%s %s: %s, not %s: %s", (view), (what),                          \
                     of_unit((scene), (view), (what)), (want), (scene)->run.out)

/* Events up to second 300 and speed's first run, by which the watermark is 285; then late ones, and both layers up to 600. */
static void play_with(struct scene *scene, const char *more, const struct event *first, size_t first_count,
                      const struct event *late, size_t late_count)
{
    scene_open(scene, views, more);
    append(scene, 0, 299, first, first_count);
    append_body(scene, 0, 30);
    scene_speed(scene);
    append(scene, 0, 300, late, late_count);
    append_body(scene, 300, 60);
    scene_speed(scene);
    scene_archive(scene);
    scene_batch(scene, 600);
    reconcile(scene, "--limit", "200");
}

static void play(struct scene *scene, const struct event *first, size_t first_count, const struct event *late, size_t late_count)
{
    play_with(scene, "", first, first_count, late, late_count);
}
#define FIRST(...) (const struct event[]){__VA_ARGS__}, sizeof((const struct event[]){__VA_ARGS__}) / sizeof(struct event)

Test(reconcile_windows, nothing_differs)
{
    struct scene scene;

    play(&scene, FIRST({"a", 100, "a.example", 1}, {"b", 131, "a.example", 2}), FIRST({"c", 310, "a.example", 3}));
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "0");
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT(&scene, "$.summary.pending", "0");
    for (int v = 0; v < VIEWS; v++)
        cr_assert_gt(strtol(of_view(&scene, v, "groups"), NULL, 10), v == LONG_VISITS ? -1 : 0, "view %d: %s", v, scene.run.out);
    scene_close(&scene);
}

/* The watermark is 285: of the sliding windows of an event at 275, [250, 280) had passed, and [260, 290), [270, 300) had not. */
Test(reconcile_windows, late_events_of_sliding_windows)
{
    struct scene scene;

    play(&scene, FIRST({"a", 270, "a.example", 1}), FIRST({"partly", 275, "a.example", 2}, {"late", 12, "a.example", 4}));
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT_VIEW(&scene, HOPS, "explained", "4");
    EXPECT_VIEW(&scene, HOPS, "causes", "{\"late_drop\":1,\"late_partial\":1}");
    EXPECT_VIEW(&scene, STEPS, "explained", "6"); /* [0, 20) to [0, 60), and [240, 280) */
    EXPECT_VIEW(&scene, STEPS, "causes", "{\"late_drop\":1,\"late_partial\":1}");
    EXPECT_UNIT(&scene, "hops", "window.end", "2026-03-01T00:00:20.000Z");
    EXPECT(&scene, "$.units[3].window.end", "2026-03-01T00:04:40.000Z");
    EXPECT(&scene, "$.units[3].speed.hits", "1");
    EXPECT(&scene, "$.units[3].batch.hits", "2");
    EXPECT(&scene, "$.units[3].causes[0].cause", "late_partial");
    EXPECT(&scene, "$.units[3].causes[0].missing_in", "speed");
    EXPECT(&scene, "$.units[3].causes[0].samples[0].event_id", "partly");
    /* A view on them: its windows are the same, and an event that comes by several of them counts once. */
    EXPECT_VIEW(&scene, HOSTS, "explained", "4");
    EXPECT_VIEW(&scene, HOSTS, "causes", "{\"late_drop\":1,\"late_partial\":1}");
    scene_close(&scene);
}

/* What fired at 280 takes no more rows: 278 opens a session of its own, which batch does not have. */
Test(reconcile_windows, split_session)
{
    struct scene scene;

    play(&scene, FIRST({"a", 270, "a.example", 1}), FIRST({"split", 278, "a.example", 2}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "explained", "1");
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"session_split\":1}");
    EXPECT_UNIT(&scene, "visits", "key.host", "a.example");
    EXPECT_UNIT(&scene, "visits", "window.start", "2026-03-01T00:04:30.000Z");
    EXPECT_UNIT(&scene, "visits", "window.end", "2026-03-01T00:04:48.000Z");
    EXPECT_UNIT(&scene, "visits", "speed[0].hits", "1");
    EXPECT_UNIT(&scene, "visits", "speed[1].hits", "1");
    EXPECT_UNIT(&scene, "visits", "batch[0].hits", "2");
    EXPECT_UNIT(&scene, "visits", "batch[1]", "");
    EXPECT_UNIT(&scene, "visits", "causes[0].missing_in", "");
    EXPECT_UNIT(&scene, "visits", "causes[0].samples[0].event_id", "split");
    EXPECT_VIEW(&scene, LONG_VISITS, "explained", "1");
    EXPECT_VIEW(&scene, LONG_VISITS, "causes", "{\"session_split\":1}");
    EXPECT_UNIT(&scene, "long_visits", "speed", "");
    EXPECT_UNIT(&scene, "long_visits", "batch.hits", "2");
    scene_close(&scene);
}

/* By itself the last of them would be late, and it touches nothing that has fired: only the session that the others split off takes it. */
Test(reconcile_windows, row_of_a_split_session)
{
    struct scene scene;

    play(&scene, FIRST({"a", 270, "a.example", 1}),
         FIRST({"split-1", 276, "a.example", 1}, {"split-2", 267, "a.example", 1}, {"taken", 258, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "explained", "1");
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"session_split\":2}");
    EXPECT_UNIT(&scene, "visits", "speed[0].hits", "1");
    EXPECT_UNIT(&scene, "visits", "speed[1].hits", "3");
    EXPECT_UNIT(&scene, "visits", "batch[0].hits", "4");
    scene_close(&scene);
}

/* [230, 240) is forgotten by watermark 285, and nothing tells the ledger that the last row touches it: row by row, the open session [278, 288) was
 * taken back to where it begins. The proof has all sessions before it, and tells by itself. */
Test(reconcile_windows, session_split_off_from_a_forgotten_one)
{
    struct scene scene;

    play(&scene, FIRST({"a", 230, "a.example", 1}, {"b", 278, "a.example", 1}),
         FIRST({"taken-1", 268, "a.example", 1}, {"taken-2", 258, "a.example", 1}, {"taken-3", 249, "a.example", 1},
               {"split", 240, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "explained", "1");
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"session_split\":1}");
    EXPECT_UNIT(&scene, "visits", "speed[0].hits", "1");
    EXPECT_UNIT(&scene, "visits", "speed[1].hits", "5");
    EXPECT_UNIT(&scene, "visits", "batch[0].hits", "6");
    EXPECT_UNIT(&scene, "visits", "causes[0].missing_in", "");
    EXPECT_UNIT(&scene, "visits", "causes[0].samples[0].event_id", "split");
    EXPECT_VIEW(&scene, LONG_VISITS, "explained", "2"); /* speed's window and batch's */
    EXPECT_VIEW(&scene, LONG_VISITS, "causes", "{\"session_split\":1}");
    scene_close(&scene);
}

/* A late event between two sessions that had fired; and one that only comes too late. */
Test(reconcile_windows, bridged_sessions)
{
    struct scene scene;

    play(&scene, FIRST({"a", 256, "a.example", 1}, {"b", 274, "a.example", 2}, {"c", 50, "c.example", 2}),
         FIRST({"bridge", 265, "a.example", 4}, {"late", 55, "c.example", 4}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "explained", "2");
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"late_drop\":1,\"session_bridge\":1}");
    EXPECT_UNIT(&scene, "visits", "key.host", "c.example");
    EXPECT_UNIT(&scene, "visits", "causes[0].missing_in", "speed");
    scene_close(&scene);
}

/* Batch joins two sessions that speed has, to one that HAVING hides: its events tell that the two are one unit. */
Test(reconcile_windows, hidden_session)
{
    struct scene scene;

    play_with(&scene, having_views, FIRST({"a", 100, "a.example", 2}, {"b", 108, "a.example", 2}),
              FIRST({"late", 104, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VIEWS, "name", "loud_visits");
    EXPECT_VIEW(&scene, VIEWS, "explained", "1");
    EXPECT_VIEW(&scene, VIEWS, "causes", "{\"late_drop\":1}");
    EXPECT_UNIT(&scene, "loud_visits", "window.start", "2026-03-01T00:01:40.000Z");
    EXPECT_UNIT(&scene, "loud_visits", "window.end", "2026-03-01T00:01:53.000Z");
    EXPECT_UNIT(&scene, "loud_visits", "speed[1].hits", "1");
    EXPECT_UNIT(&scene, "loud_visits", "batch", "[]");
    scene_close(&scene);
}

/* One event more, and the windows behind it are others, up to where both layers begin anew. */
Test(reconcile_windows, late_event_of_count_windows)
{
    struct scene scene;

    play(&scene,
         FIRST({"a", 100, "a.example", 1}, {"b", 101, "a.example", 1}, {"c", 102, "a.example", 1}, {"d", 103, "a.example", 1},
               {"e", 150, "a.example", 1}),
         FIRST({"late", 101, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, THREES, "explained", "1");
    EXPECT_VIEW(&scene, THREES, "causes", "{\"late_drop\":1}");
    EXPECT_UNIT(&scene, "threes", "window.start", "2026-03-01T00:01:40.000Z");
    EXPECT_UNIT(&scene, "threes", "window.end", "2026-03-01T00:02:03.000Z");
    EXPECT_UNIT(&scene, "threes", "speed[0].id", "c");
    EXPECT_UNIT(&scene, "threes", "speed[1].id", "d");
    EXPECT_UNIT(&scene, "threes", "batch[0].id", "late");
    EXPECT_UNIT(&scene, "threes", "batch[1].hits", "2");
    EXPECT_UNIT(&scene, "threes", "speed[2]", "");
    scene_close(&scene);
}

/* The core has the bounds of windows as the wall clock of the zone, the store as instants: what comes out is compared as the store gives it back. */
Test(reconcile_windows, wall_clock_of_a_zone)
{
    struct scene scene;
    char more[1024];

    snprintf(more, sizeof more, "SET 'table.local-time-zone' = 'Europe/Berlin';\n%s", clock_views);
    play_with(&scene, more, FIRST({"a", 12, "a.example", 1}, {"b", 42, "a.example", 1}),
              FIRST({"late-1", 12, "a.example", 1}, {"late-2", 45, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT_VIEW(&scene, TENS, "explained", "2"); /* with window_time */
    EXPECT_VIEW(&scene, TENS, "causes", "{\"late_drop\":2}");
    EXPECT_VIEW(&scene, VISITS, "explained", "2");
    EXPECT_VIEW(&scene, MINUTES, "explained", "1");
    EXPECT_VIEW(&scene, VIEWS, "explained", "1");
    EXPECT_UNIT(&scene, "clocks", "batch.a", "2026-03-01 01:00:40.000");
    EXPECT_VIEW(&scene, VIEWS + 1, "explained", "2");
    EXPECT_UNIT(&scene, "morning", "batch.b", "2026-03-01 01:00:20.000");
    scene_close(&scene);
}

Test(reconcile_windows, view_on_view)
{
    struct scene scene;

    play(&scene, FIRST({"a", 12, "a.example", 1}, {"b", 42, "a.example", 1}),
         FIRST({"late-1", 12, "a.example", 1}, {"late-2", 13, "a.example", 1}, {"late-3", 45, "a.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, TENS, "explained", "2");
    EXPECT_VIEW(&scene, MINUTES, "explained", "1");
    EXPECT_VIEW(&scene, MINUTES, "causes", "{\"late_drop\":3}");
    EXPECT_UNIT(&scene, "minutes", "speed.hits", "2");
    EXPECT_UNIT(&scene, "minutes", "batch.hits", "5");
    EXPECT_UNIT(&scene, "minutes", "batch.most", "3");
    EXPECT_UNIT(&scene, "minutes", "causes[0].events", "3");
    EXPECT_UNIT(&scene, "minutes", "causes[0].samples[2].event_id", "late-3");
    /* Asked for alone, it needs the inner view all the same, and says nothing of it. */
    reconcile(&scene, "minutes", NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "1");
    EXPECT(&scene, "$.causes", "{\"late_drop\":3}");
    EXPECT(&scene, "$.views[0].name", "minutes");
    EXPECT(&scene, "$.views[1]", "");
    EXPECT(&scene, "$.units[1]", "");
    scene_close(&scene);
}

/* ---- forgery ---- */

struct forgery_case {
    char name[48], sql[320], view[16];
    bool in_outer; /* a view on this one is made of it, and differs too */
};

ParameterizedTestParameters(reconcile_windows, forged)
{
    static struct forgery_case cases[] = {
        {"HOP, a count",                "UPDATE hops_speed SET hits = hits + 1 WHERE host = 'a.example' AND _end_ms = 1772323320000",     "hops"         },
        {"HOP, one row less",           "DELETE FROM hops_speed WHERE host = 'a.example' AND _end_ms = 1772323320000",                    "hops"         },
        {"CUMULATE, a count",           "UPDATE steps_speed SET hits = 7 WHERE host = 'a.example' AND _end_ms = 1772323320000",           "steps"        },
        {"CUMULATE, one row less",      "DELETE FROM steps_batch WHERE host = 'a.example' AND _end_ms = 1772323320000",                   "steps"        },
        {"SESSION, a count",            "UPDATE visits_speed SET hits = hits + 1 WHERE host = 'a.example' AND _start_ms = 1772323300000",
         "visits"                                                                                                                                        },
        {"SESSION, one row less",       "DELETE FROM visits_speed WHERE host = 'a.example' AND _start_ms = 1772323300000",                "visits"       },
        {"SESSION, one row more",
         "INSERT INTO visits_speed (_end_ms, _start_ms, _key, host, hits, _acc, _change) SELECT _end_ms - 1, _start_ms, _key, "
         "host,"
         " hits, _acc, _change FROM visits_speed WHERE host = 'a.example' AND _start_ms = 1772323300000",                                 "visits"       },
        {"SESSION, cut in another way",
         "UPDATE visits_speed SET _end_ms = _end_ms + 5000 WHERE host = 'a.example' AND _start_ms = 1772323300000",                       "visits"       },
        {"SESSION, beside a split",     "UPDATE visits_speed SET hits = 4 WHERE host = 'a.example' AND _start_ms = 1772323478000",
         "visits",                                                                                                                                         true},
        {"COUNT_WINDOW, a value",                             "UPDATE threes_speed SET id = 'x' WHERE host = 'a.example' AND _start_ms = 1772323300000",
         "threes"},
        {"COUNT_WINDOW, one row less",                             "DELETE FROM threes_batch WHERE host = 'a.example' AND _start_ms = 1772323300000",
         "threes"   },
        {"COUNT_WINDOW, who closed it",
         "UPDATE threes_speed SET closed_by = 'timeout' WHERE host = 'a.example' AND _start_ms = 1772323300000",                                                                                                 "threes"                                          },
        {"a view on a view, a sum",
         "UPDATE minutes_speed SET hits = hits + 1 WHERE host = 'a.example' AND _end_ms = 1772323320000",                                                                                                     "minutes"                                                 },
        {"a view on a view, one row less",                             "DELETE FROM minutes_batch WHERE host = 'a.example' AND _end_ms = 1772323320000",
         "minutes"},
        {"a view on a view, beside late events",
         "UPDATE minutes_speed SET hits = 0 WHERE host = 'a.example' AND _end_ms = 1772323260000",                                                                                        "minutes"                                                        },
        {"windows of a view, a count",                             "UPDATE hosts_speed SET hosts = 9 WHERE _end_ms = 1772323320000",                                                                                                  "hosts"},
        {"groups of sessions, one row less",
         "DELETE FROM long_visits_speed WHERE host = 'a.example' AND _start_ms = 1772323300000",                                                                                            "long_visits"                                                          },
    };

    return cr_make_param_array(struct forgery_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct forgery_case *c, reconcile_windows, forged)
{
    struct scene scene;

    play(&scene,
         FIRST({"a", 100, "a.example", 1}, {"b", 101, "a.example", 1}, {"c", 102, "a.example", 1}, {"d", 42, "a.example", 1},
               {"e", 270, "a.example", 1}),
         FIRST({"late", 43, "a.example", 1}, {"split", 278, "a.example", 2}));
    EXPECT_STATUS(&scene, 0);
    forge(&scene, c->sql);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", c->in_outer ? "2" : "1");
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    EXPECT(&scene, "$.units[0].view", c->view);
    scene_close(&scene);
}

/* A row is taken out of speed's table, and a line put into its ledger that is to explain it: only one is believed that speed could have written. */
struct forged_line {
    char name[40], view[16];
    enum tl_cause cause;
    int64_t least_ms; /* of the watermark by which an event at 100 s is missing in all its windows; 0: there is none */
};

ParameterizedTestParameters(reconcile_windows, forged_line)
{
    static struct forged_line cases[] = {
        {"TUMBLE, late",                 "tens",    TL_CAUSE_LATE_DROP,      109999},
        {"TUMBLE, late by idleness",     "tens",    TL_CAUSE_FIRED_BY_IDLE,  109999},
        {"HOP, late",                    "hops",    TL_CAUSE_LATE_DROP,      129999},
        {"HOP, partly late",             "hops",    TL_CAUSE_LATE_PARTIAL,   129999},
        {"CUMULATE, late",               "steps",   TL_CAUSE_LATE_DROP,      119999},
        {"SESSION, late",                "visits",  TL_CAUSE_LATE_DROP,      109999},
        {"SESSION, a bridge",            "visits",  TL_CAUSE_SESSION_BRIDGE, 109999},
        {"SESSION, late by idleness",    "visits",  TL_CAUSE_FIRED_BY_IDLE,  109999},
        {"COUNT_WINDOW, late",           "threes",  TL_CAUSE_LATE_DROP,      100000},
        {"SESSION and a lateness, late", "patient", TL_CAUSE_LATE_DROP,      114999},
        {"rows without a window, late",  "big",     TL_CAUSE_LATE_DROP,      0     },
    };

    return cr_make_param_array(struct forged_line, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct forged_line *c, reconcile_windows, forged_line)
{
    int64_t watermark_ms = START_MS + (c->least_ms != 0 ? c->least_ms : 500000);
    struct scene scene;
    char sql[512];

    play_with(&scene,
              "CREATE VIEW big AS SELECT event_time, event_id, host FROM events WHERE `bytes` > 0;\n"
              "SET 'tally.allowed-lateness' = '5 s';\n"
              "CREATE VIEW patient AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
              "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
              "    GROUP BY window_start, window_end, host;\n",
              FIRST({"a", 100, "a.example", 1}), FIRST({"b", 310, "b.example", 1}));
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.explained", "0");
    snprintf(sql, sizeof sql, "DELETE FROM %s_speed WHERE host = 'a.example'", c->view);
    forge(&scene, sql);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO tally_ledger (definition, run, partition, \"offset\", \"row\", cause, flags, watermark_ms, event_time_ms)"
        " SELECT definition, 0, 0, 0, 0, %d, 0, %" PRId64 ", %" PRId64 " FROM tally_definition WHERE view = '%s'",
        (int)c->cause, watermark_ms, START_MS + 100000, c->view);
    forge(&scene, sql);
    if (c->least_ms != 0) {
        reconcile(&scene, "--limit", "200");
        EXPECT_STATUS(&scene, 0);
        cr_assert_str_neq(report(&scene, "$.summary.explained"), "0", "%s: %s", c->name, scene.run.out);
        forge(&scene, "UPDATE tally_ledger SET watermark_ms = watermark_ms - 1 WHERE \"offset\" = 0");
    }
    reconcile(&scene, "--limit", "200");
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "1");
    EXPECT(&scene, "$.units[0].verdict", "unexplained");
    scene_close(&scene);
}

/* A forged inner row is found in the inner view, and what is made of it is not explained by it. */
Test(reconcile_windows, forged_inner_row)
{
    struct scene scene;

    play(&scene, FIRST({"a", 42, "a.example", 1}), FIRST({"late", 43, "a.example", 1}));
    forge(&scene, "UPDATE tens_speed SET hits = 3 WHERE host = 'a.example'");
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 1);
    EXPECT(&scene, "$.summary.unexplained", "2");
    EXPECT(&scene, "$.units[0].view", "tens");
    EXPECT(&scene, "$.units[1].view", "minutes");
    scene_close(&scene);
}

/* ---- what is not there yet ---- */

/* Speed has not come to the rest: sliding windows, sessions and rows of ten seconds say so; count windows and views on views are compared up
 * to where speed's rows are final. */
Test(reconcile_windows, speed_is_behind)
{
    struct scene scene;

    scene_open(&scene, views, "");
    APPEND(&scene, 0, 299, {"a", 270, "a.example", 1}, {"b", 284, "b.example", 1});
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    APPEND(&scene, 0, 300, {"split", 278, "a.example", 1}, {"c", 310, "b.example", 1});
    append_body(&scene, 300, 60);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, HOPS, "causes", "{\"not_yet_read\":62,\"not_yet_final\":8}");
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"not_yet_read\":2}"); /* the body is one session, across the end */
    EXPECT_VIEW(&scene, TENS, "causes", "{\"not_yet_read\":62}");
    EXPECT_VIEW(&scene, THREES, "to", "2026-03-01T00:04:45.001Z");
    EXPECT_VIEW(&scene, MINUTES, "to", "2026-03-01T00:04:45.001Z");
    EXPECT_VIEW(&scene, MINUTES, "equal", "4");
    cr_assert_not_null(strstr(report(&scene, "$.notes[0]"), "view threes: nothing is compared behind 2026-03-01T00:04:45.001Z"),
                       "%s", scene.run.out);
    scene_speed(&scene);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"session_split\":1}");
    EXPECT_VIEW(&scene, MINUTES, "to", "2026-03-01T00:10:00.000Z");
    EXPECT(&scene, "$.summary.pending", "0");
    scene_close(&scene);
}

/* Batch carries a session over the boundary of which speed has a part before it: it is judged when the next run has published it. */
Test(reconcile_windows, spans_beyond_the_end)
{
    struct scene scene;

    scene_open(&scene, views, "");
    APPEND(&scene, 0, 299, {"a", 270, "a.example", 1}, {"b", 271, "a.example", 1});
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    APPEND(&scene, 0, 300, {"split", 279, "a.example", 1}, {"c", 286, "a.example", 1});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 285);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "groups", "0");
    EXPECT_VIEW(&scene, VISITS, "pending", "1");
    EXPECT_VIEW(&scene, LONG_VISITS, "groups", "0");
    EXPECT_VIEW(&scene, LONG_VISITS, "pending", "1");
    EXPECT(&scene, "$.summary.unexplained", "0");
    cr_assert_not_null(
        strstr(report(&scene, "$.notes[0]"), "view visits: left out as pending: 1 group that differs and reaches beyond"), "%s",
        scene.run.out);
    scene_batch(&scene, 600);
    reconcile(&scene, NULL, NULL);
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "causes", "{\"session_split\":1}");
    EXPECT_VIEW(&scene, VISITS, "explained", "1");
    EXPECT_VIEW(&scene, LONG_VISITS, "explained", "3"); /* two windows of speed, one of batch */
    EXPECT(&scene, "$.summary.pending", "0");
    /* A range that begins within a session takes it whole. */
    reconcile(&scene, "--from", "2026-03-01T00:04:50Z");
    EXPECT_VIEW(&scene, VISITS, "explained", "1");
    reconcile(&scene, "--to", "2026-03-01T00:04:50Z");
    EXPECT_STATUS(&scene, 0);
    EXPECT_VIEW(&scene, VISITS, "explained", "0");
    EXPECT_VIEW(&scene, VISITS, "pending", "1");
    scene_close(&scene);
}

/* Events of a view on a view are those of the view at its root. */
Test(reconcile_windows, status_agrees)
{
    struct scene scene;
    struct run run;

    play(&scene, FIRST({"a", 42, "a.example", 1}), FIRST({"late", 43, "a.example", 1}, {"split", 278, "a.example", 2}));
    RUN(&run, "status", "--data", scene.dir, "--format", "json");
    cr_assert_eq(run.status, 0, "%s%s", run.out, run.err);
    run_done(&scene.run);
    scene.run = run;
    EXPECT(&scene, "$.agrees", "1");
    for (int v = 0; v < VIEWS; v++)
        EXPECT_VIEW(&scene, v, "agrees", "1");
    cr_assert_str_eq(of_view(&scene, MINUTES, "speed"), of_view(&scene, TENS, "speed"), "%s", scene.run.out);
    cr_assert_str_eq(of_view(&scene, MINUTES, "batch"), of_view(&scene, TENS, "batch"), "%s", scene.run.out);
    cr_assert_str_eq(of_view(&scene, HOSTS, "speed"), of_view(&scene, HOPS, "speed"), "%s", scene.run.out);
    scene_close(&scene);
}

/* ---- random histories ---- */

/* Events of few hosts around `second`, many late by up to two minutes, some copies of earlier ids. */
static void append_random(const struct scene *scene, struct chance *chance, int64_t begin, int64_t second, uint32_t count)
{
    static const char *const hosts[] = {"a", "b", "c", "d"};
    static char texts[APPEND_MAX][TEXT_BYTES];
    struct tl_log_record records[APPEND_MAX];

    for (uint32_t i = 0; i < count; i++) {
        char id[32];
        uint32_t number = chance_below(chance, 40);
        struct event event = {id, second + i, hosts[chance_below(chance, 4)], chance_below(chance, 9)};

        if (chance_below(chance, 3) == 0)
            event.second -= chance_below(chance, chance_below(chance, 2) == 0 ? 120 : 25);
        if (chance_below(chance, 8) == 0 && begin + number * 11 <= second) { /* an id that always has this time and content */
            event.second = begin + number * 11;
            event.host = hosts[number % 4];
            event.bytes = number % 9;
            snprintf(id, sizeof id, "copy-%u", number);
        } else {
            snprintf(id, sizeof id, "own-%llx", (unsigned long long)chance_u64(chance));
        }
        records[i] = record_of(texts[i], chance_below(chance, scene->partitions), second + i, &event);
    }
    append_records(scene, records, count);
}

/* Other checks from run to run: ranges stand beside each other that different ones were made for. */
static void change_checks(struct scene *scene, struct chance *chance)
{
    static const char *const checks[] = {
        "",
        "ALTER TABLE events ADD CONSTRAINT no_d EXPECT (host <> 'd') ON VIOLATION DROP ROW;",
        ("ALTER TABLE events ADD CONSTRAINT small EXPECT (`bytes` < 7) ON VIOLATION DROP ROW;"
         "ALTER TABLE events ADD CONSTRAINT halves EXPECT (10 / (`bytes` - 3) < 4) ON VIOLATION DROP ROW;"),
    };

    scene_checks(scene, checks[chance_below(chance, TL_COUNT(checks))]);
}

static void expect_all_proved(struct scene *scene, const struct chance *chance, bool with_aggregates)
{
    reconcile(scene, "--full", NULL);
    cr_assert_eq(scene->run.status, 0, "TALLY_SEED=%llu: exit status %d: %s%s", (unsigned long long)chance->seed,
                 scene->run.status, scene->run.out, scene->run.err);
    for (int v = 0; of_view(scene, v, "name")[0] != '\0'; v++) {
        int64_t proved = strtol(of_view(scene, v, "proved"), NULL, 10),
                groups = strtol(of_view(scene, v, "equal"), NULL, 10) + strtol(of_view(scene, v, "explained"), NULL, 10);

        /* Of a key's session, or chain of windows, that goes on behind the end, the equal part counts, and nothing can be proved yet: of four hosts
         * one each, and where HAVING hides what they hang together by, more. */
        cr_assert(groups - proved <= (strstr(of_view(scene, v, "name"), "loud") != NULL             ? groups
                                      : with_aggregates || v == VISITS || v == THREES || v >= VIEWS ? 4
                                                                                                    : 0) &&
                      proved <= groups,
                  "TALLY_SEED=%llu: %s: %" PRId64 " proved of %" PRId64 ": %s", (unsigned long long)chance->seed,
                  of_view(scene, v, "name"), proved, groups, scene->run.out);
    }
}

/* Whatever comes in whatever order, nothing is unexplained; and one forged value of any kind is. Gives how many units were explained. */
static int64_t play_random(struct chance *chance, uint32_t partitions, const char *zone, bool with_aggregates, bool checks)
{
    static const char *const of_windows[] = {"hops",  "steps",       "visits",      "threes",     "tens",      "minutes",
                                             "hosts", "long_visits", "loud_visits", "loud_pairs", "loud_hosts"};
    static const char *const of_aggregates[] = {"agg_tens",  "agg_hops", "agg_steps",   "agg_visits",
                                                "agg_fours", "agg_loud", "agg_of_hops", "agg_of_fours"};
    const char *table = with_aggregates ? of_aggregates[chance_below(chance, TL_COUNT(of_aggregates))]
                                        : of_windows[chance_below(chance, TL_COUNT(of_windows))];
    struct scene scene;
    int64_t explained = 0, begin = 86400 - 100 - chance_below(chance, 150); /* batch publishes by days */
    char sql[400], more[2048];

    snprintf(more, sizeof more, "SET 'table.local-time-zone' = '%s';\n%s", zone,
             with_aggregates ? "" : having_views); /* the last SET of a file holds */
    scene_open(&scene, with_aggregates ? aggregate_views : views, more);
    scene.partitions = partitions;
    for (int64_t round = 0; round < 6; round++) {
        append_random(&scene, chance, begin, begin + round * 60, 40 + chance_below(chance, 30));
        if (round == 0 || chance_below(chance, 4) > 0)
            scene_speed(&scene);
        if (chance_below(chance, 4) > 0)
            scene_archive(&scene);
        if (checks)
            change_checks(&scene, chance);
        if (round > 1 && chance_below(chance, 2) == 0)
            scene_batch(&scene, begin + chance_below(chance, (uint32_t)round * 60));
        if (round > 1) {
            reconcile(&scene, NULL, NULL);
            cr_assert_eq(scene.run.status, 0, "TALLY_SEED=%llu, round %" PRId64 ": exit status %d: %s%s",
                         (unsigned long long)chance->seed, round, scene.run.status, scene.run.out, scene.run.err);
            explained += report_count(&scene, "$.summary.explained");
            expect_all_proved(&scene, chance, with_aggregates);
        }
    }
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, begin + 320);
    reconcile(&scene, NULL, NULL);
    cr_assert_eq(scene.run.status, 0, "TALLY_SEED=%llu: exit status %d: %s%s", (unsigned long long)chance->seed, scene.run.status,
                 scene.run.out, scene.run.err);
    explained += report_count(&scene, "$.summary.explained");
    expect_all_proved(&scene, chance, with_aggregates);
    /* The first row of all: far from what reaches beyond the end. */
    snprintf(sql, sizeof sql,
             "UPDATE %s_speed SET hits = hits + 1000 WHERE (_end_ms, _start_ms, _key) = (SELECT _end_ms, _start_ms, _key"
             " FROM %s_speed ORDER BY _end_ms, _key LIMIT 1)",
             table, table);
    forge(&scene, sql);
    reconcile(&scene, NULL, NULL);
    cr_assert_eq(scene.run.status, 1, "TALLY_SEED=%llu, %s: exit status %d: %s%s", (unsigned long long)chance->seed, table,
                 scene.run.status, scene.run.out, scene.run.err);
    scene_close(&scene);
    return explained;
}

static int64_t rounds(void)
{
    const char *given = getenv("TALLY_MIXTURES");

    return given != NULL ? strtol(given, NULL, 10) : 1;
}

Test(reconcile_windows, random_histories, .timeout = 3600)
{
    struct chance chance = chance_open("reconcile_windows/random_histories");
    int64_t explained = 0;

    for (int64_t r = 0; r < rounds(); r++) {
        explained += play_random(&chance, 1, "UTC", false, false);
        explained += play_random(&chance, 2, "Asia/Kolkata", false, true);
    }
    cr_assert_gt(explained, 0, "no history had a difference: the test tests nothing");
}

/* Each aggregate's accumulators come out of the events, whatever the layer counted and however it cut. */
Test(reconcile_windows, random_histories_of_aggregates, .timeout = 3600)
{
    struct chance chance = chance_open("reconcile_windows/random_histories_of_aggregates");
    int64_t explained = 0;

    for (int64_t r = 0; r < rounds(); r++)
        explained += play_random(&chance, 2, r % 2 == 0 ? "America/New_York" : "UTC", true, r % 2 == 1);
    cr_assert_gt(explained, 0, "no history had a difference: the test tests nothing");
}
