/* report_formats_test.c: one reconciliation in every format, read by other programs' parsers; what events say stays text, and what is cut is said. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/reconcile_scene.h"

#define MARK "EVIL"

static const char views[] = "CREATE VIEW hits AS\n"
                            "    SELECT window_start, window_end, host, COUNT(*) AS num_hits, SUM(`bytes`) AS bytes_sum\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
                            "    GROUP BY window_start, window_end, host;\n"
                            "CREATE VIEW latest AS\n"
                            "    SELECT window_start, window_end, MAX(`bytes`) AS largest\n"
                            "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))\n"
                            "    GROUP BY window_start, window_end;\n";
static const char visits[] =
    "CREATE VIEW visits AS\n"
    "    SELECT window_start, window_end, host, COUNT(*) AS num_hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n";

/* As JSON strings: what spreadsheets, browsers, Markdown and terminals would take for more than text. */
static const char *const hostile[] = {
    "=cmd|' /C calc'!A0" MARK,
    "  =1+1" MARK,
    "\\t=1+1" MARK,
    "-2+3" MARK,
    "+1" MARK,
    "@SUM(A1)" MARK,
    "'=1" MARK,
    "\xef\xbc\x9d"
    "1" MARK,
    "\xef\xbb\xbf=1" MARK,
    "x;=1+1;" MARK,
    "x\\t=1+1" MARK,
    "x\\r\\n=1+1" MARK,
    "x;  '=1" MARK,
    "\\\"=1" MARK,
    "a\\\",\\\"=1" MARK,
    "<script>alert(1)</script>" MARK,
    "</code></td></table><img src=x onerror=alert(1)>" MARK,
    "</title></svg></style><svg onload=alert(1)>" MARK,
    "&lt;b&gt;&#60;i&#62;" MARK,
    "' onmouseover='alert(1)" MARK,
    "--><!--" MARK "]]>",
    "a|b|c" MARK,
    "`a`|``b``" MARK,
    "`",
    "``` " MARK,
    "[x](javascript:alert(1))" MARK,
    "![x](http://127.0.0.1/x.png)" MARK,
    "<http://127.0.0.1/>" MARK,
    "@everyone #1 www.example.com https://example.com " MARK,
    "*a* __b__ ~~c~~ $d$" MARK,
    "\\n# head\\n\\n- item" MARK,
    "a\\\\|b" MARK,
    "\\u001b[31m\\u001b]0;" MARK "\\u0007",
    "\xe2\x80\xae"
    "tac" MARK,
    "\xe2\x80\xa8" MARK,
    "\xc2\x9b"
    "1m" MARK,
    " ",
    "\xf0\x9f\x98\x80" MARK,
    "{{7*7}}${7*7}" MARK,
    "%0d%0aSet-Cookie" MARK,
};

static const struct {
    const char *format, *file;
} formats[] = {
    {"json", "report.json"},
    {"text", "report.txt" },
    {"csv",  "report.csv" },
    {"md",   "report.md"  },
    {"html", "report.html"},
};

/* The report in each format; scene->run is JSON's in the end. */
static void write_all(struct scene *scene, int status, const char *limit, const char *option, const char *value, size_t bytes_max)
{
    for (size_t f = sizeof formats / sizeof *formats; f-- > 0;) {
        run_done(&scene->run);
        RUN(&scene->run, "reconcile", "--views", scene->views, "--data", scene->dir, "--format", formats[f].format, "--limit",
            limit, option, value);
        EXPECT_STATUS(scene, status);
        cr_assert_lt(scene->run.out_size, bytes_max, "%s: %zu bytes", formats[f].format, scene->run.out_size);
        run_file_write(scene->dir, formats[f].file, scene->run.out);
    }
}

static void check_all(const struct scene *scene)
{
    const char *python = getenv("TALLY_PYTHON");
    char command[500];
    int status;

    snprintf(command, sizeof command, "%s -B tests/reference/report_check.py %s " MARK, python != NULL ? python : "python3",
             scene->dir);
    status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        cr_skip_test("markdown-it-py or fastjsonschema is not here (TALLY_PYTHON; `make test` brings them)");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %d; the events are in the log", command, status);
}

/* Late events of each hostile host, copies, what was imported, a forged row of each layer, and one that has no event at all. */
static void play(struct scene *scene)
{
    enum { HOSTS = sizeof hostile / sizeof *hostile };
    static const struct event old[] = {
        {"old-1", 15, "old" MARK, 9}
    };
    struct event late[HOSTS];

    for (size_t h = 0; h < HOSTS; h++)
        late[h] = (struct event){hostile[h], 100 + (int64_t)h, hostile[h], 5};
    append_body(scene, 0, 30);
    scene_speed(scene);
    append(scene, 0, 300, late, HOSTS);
    APPEND(scene, 0, 300, {"twice" MARK, 295, "twice.example", 5});
    APPEND(scene, 1, 300, {"twice" MARK, 295, "twice.example", 5});
    APPEND(scene, 0, 300, {"same", 296, "alike.example", 5}, {"same", 296, "alike.example", 5},
           {"other", 296, "alike.example", 5}, {"other", 297, "alike.example", 5}); /* in both layers one copy and one conflict */
    append_body(scene, 300, 60);
    scene_speed(scene);
    scene_archive(scene);
    scene_import(scene, old, 1);
    scene_batch(scene, 600);
    forge(scene, "UPDATE hits_speed SET num_hits = num_hits + 1 WHERE _end_ms = 1772323250000");
    forge(scene, "UPDATE hits_batch SET bytes_sum = -77 WHERE host LIKE '<script>%'");
    forge(scene, "INSERT INTO hits_speed (_end_ms, _start_ms, _key, host, num_hits, bytes_sum, _acc, _change)"
                 " SELECT _end_ms, _start_ms, x'013d6b00', '=k" MARK "', 1, 1, _acc, _change FROM hits_speed LIMIT 1");
}

Test(report_formats, what_events_say_is_text)
{
    struct scene scene;

    scene_open(&scene, views, visits);
    play(&scene);
    write_all(&scene, 1, "1000", "--by", "host", 1 << 20);
    check_all(&scene);
    EXPECT(&scene, "$.by.views_without", "[\"latest\"]");
    EXPECT(&scene, "$.units_left_out", "0");
    write_all(&scene, 1, "1000", "--full", NULL, 1 << 20);
    check_all(&scene);
    cr_assert_gt(report_count(&scene, "$.summary.proved"), 50);
    scene_close(&scene);
}

Test(report_formats, what_is_cut_is_said)
{
    struct scene scene;

    scene_open(&scene, views, visits);
    play(&scene);
    write_all(&scene, 1, "3", "--by", "host", 1 << 16);
    check_all(&scene);
    EXPECT(&scene, "$.cause_details[0].cause", "late_drop");
    EXPECT(&scene, "$.cause_details[0].events", "40");
    EXPECT(&scene, "$.cause_details[0].samples_left_out", "37");
    cr_assert_gt(report_count(&scene, "$.by.views[0].others.values"), 30);
    write_all(&scene, 1, "0", "--by", "host", 1 << 15);
    check_all(&scene);
    scene_close(&scene);
}

Test(report_formats, nothing_differs)
{
    struct scene scene;

    scene_open(&scene, views, visits);
    append_body(&scene, 0, 90);
    scene_speed(&scene);
    write_all(&scene, 0, "20", NULL, NULL, 1 << 14); /* nothing is published: notes */
    check_all(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    write_all(&scene, 0, "20", "--by", "host", 1 << 14);
    check_all(&scene);
    EXPECT(&scene, "$.timeline.steps", "[]");
    EXPECT(&scene, "$.by.views[0].values", "[]");
    scene_close(&scene);
}

/* A hundred thousand rows that no event gives: all are counted, few are shown, and the report is as small as ever. */
Test(report_formats, a_hundred_thousand_differences, .timeout = 120)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 90);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    forge(&scene,
          "INSERT INTO hits_speed (_end_ms, _start_ms, _key, host, num_hits, bytes_sum, _acc, _change)"
          " WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < 199999)"
          " SELECT s._end_ms, s._start_ms, x'01' || CAST(n.i AS BLOB) || x'00', CAST(n.i AS TEXT), 1, 1, s._acc, s._change"
          " FROM n, (SELECT * FROM hits_speed ORDER BY _end_ms LIMIT 1) s");
    write_all(&scene, 1, "20", "--by", "host", 1 << 16);
    check_all(&scene);
    EXPECT(&scene, "$.summary.unexplained", "100000");
    EXPECT(&scene, "$.units_left_out", "99980");
    EXPECT(&scene, "$.by.views[0].others.values", "99980");
    EXPECT(&scene, "$.by.views[0].others.sums.num_hits.difference", "-99980");
    EXPECT(&scene, "$.timeline.steps[0].unexplained", "100000");
    scene_close(&scene);
}

/* The watermark is 5 s behind the newest event of both partitions: 285 s when these come. */
Test(report_formats, how_late_they_were)
{
    struct scene scene;

    scene_open(&scene, views, visits);
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    APPEND(&scene, 0, 300, {"a", 279, "a", 5}, {"b", 269, "b", 5}, {"c", 200, "c", 5}, {"d", 201, "d", 5}, {"e", 0, "e", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    write_all(&scene, 0, "20", NULL, NULL, 1 << 16);
    check_all(&scene);
    EXPECT(&scene, "$.lateness.steps[3]", "{\"from_ms\":5000,\"events\":1}");
    EXPECT(&scene, "$.lateness.steps[4]", "{\"from_ms\":15000,\"events\":1}");
    EXPECT(&scene, "$.lateness.steps[5]", "{\"from_ms\":60000,\"events\":3}");
    EXPECT(&scene, "$.lateness.unknown", "0");
    scene_close(&scene);
}

Test(report_formats, the_range_that_was_asked_for_is_the_timeline)
{
    struct scene scene;

    scene_open(&scene, views, "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    APPEND(&scene, 0, 300, {"a", 125, "a", 5}, {"b", 185, "b", 5});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    run_done(&scene.run);
    RUN(&scene.run, "reconcile", "hits", "--views", scene.views, "--data", scene.dir, "--format", "json", "--from",
        "2026-03-01T00:01:00Z", "--to", "2026-03-01T00:05:00Z");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.timeline.step_seconds", "5");
    EXPECT(&scene, "$.timeline.steps[0].from", "2026-03-01T00:01:00.000Z");
    EXPECT(&scene, "$.timeline.steps[47].from", "2026-03-01T00:04:55.000Z");
    EXPECT(&scene, "$.timeline.steps[12].explained", "1"); /* the window from 120 s on */
    EXPECT(&scene, "$.timeline.steps[24].explained", "1");
    scene_close(&scene);
}

struct by_case {
    char name[40], view[16], column[16], want[96];
};

ParameterizedTestParameters(report_formats, by_what_is_not_there)
{
    static struct by_case cases[] = {
        {"a slip",            "hits",   "hots",     "--by: no view is grouped by 'hots'; did you mean 'host'?"},
        {"no key",            "hits",   "num_hits", "--by: no view is grouped by 'num_hits'; there is host"   },
        {"a view without it", "latest", "host",     "--by: none of these views has a key column"              },
    };

    return cr_make_param_array(struct by_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct by_case *c, report_formats, by_what_is_not_there)
{
    struct scene scene;

    scene_open(&scene, views, "");
    RUN(&scene.run, "reconcile", c->view, "--views", scene.views, "--data", scene.dir, "--by", c->column);
    EXPECT_STATUS(&scene, 2);
    cr_assert_not_null(strstr(scene.run.err, c->want), "%s: %s", c->name, scene.run.err);
    cr_assert_eq(scene.run.out_size, 0);
    scene_close(&scene);
}
