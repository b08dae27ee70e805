/* archive_retention_others_test.c: what `tally archive --retention` keeps for views of the store that its views file does not have. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/record_scene.h"

static struct record_scene scene;

/* The scene's views, each in a file of its own. */
static char table[1500], hits[1500], visits[1500];

static void scene_open(void)
{
    const char *first = strstr(record_scene_views, "CREATE VIEW hits"),
               *second = strstr(record_scene_views, "CREATE VIEW visits");

    record_scene_open(&scene);
    snprintf(table, sizeof table, "%.*s", (int)(first - record_scene_views), record_scene_views);
    snprintf(hits, sizeof hits, "%.*s", (int)(second - record_scene_views), record_scene_views);
    snprintf(visits, sizeof visits, "%s%s", table, second);
}

static void scene_close(void)
{
    pipeline_close(&scene.p);
}

TestSuite(archive_retention_others, .init = scene_open, .fini = scene_close);

static void replace(char *text, size_t size, const char *what, const char *with)
{
    size_t length = strlen(what), other = strlen(with);

    cr_assert_not_null(strstr(text, what), "%s", what);
    for (char *at = text; (at = strstr(at, what)) != NULL; at += other) {
        cr_assert_lt(strlen(text) + other, size);
        memmove(at + other, at + length, strlen(at + length) + 1);
        memcpy(at, with, other);
    }
}

/* Each with that views file. */
static void batch(const char *views, const char *to)
{
    pipeline_define(&scene.p, views);
    TALLY(&scene.p, 0, "batch", "--to", to);
}

static void retention(const char *views)
{
    pipeline_define(&scene.p, views);
    TALLY(&scene.p, 0, "archive", "--retention", "4d", "--wait", "10s");
}

static bool is_there(int64_t first)
{
    return access(record_scene_path(&scene, first, ".jsonl.zst"), F_OK) == 0;
}

static long long sealed_lines(const char *view)
{
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM tally_ledger AS l JOIN tally_definition AS d ON d.definition = l.definition WHERE l.cause = 18"
             " AND d.view = '%s'",
             view);
    return pipeline_number(&scene.p, sql);
}

static void goes(const char *views, const int64_t first[4])
{
    retention(views);
    cr_assert_not(is_there(first[0]), "%s", scene.p.run.err);
    cr_assert_not(is_there(first[1]), "%s", scene.p.run.err);
    cr_assert(is_there(first[2]));
}

static void stays(const char *views, const int64_t first[4], const char *words)
{
    retention(views);
    cr_assert(is_there(first[0]), "%s", scene.p.run.out);
    cr_assert_str_eq(scene.p.run.out, "");
    record_scene_says(&scene, words);
    cr_assert_eq(pipeline_number(&scene.p, "SELECT count(*) FROM tally_sealed"), 0);
}

Test(archive_retention_others, late_events_that_they_have_not_published)
{
    int64_t first[4], late;

    for (int d = 0; d < 2; d++)
        first[d] = record_scene_add(&scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    batch(hits, "2026-03-03T00:00:00Z");
    batch(visits, "2026-03-03T00:00:00Z");
    late = record_scene_add(&scene, "eve", FIRST_DAY_MS + 5 * 3600000, 60000, 0, 3);
    for (int d = 2; d < 4; d++)
        first[d] = record_scene_add(&scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
    record_scene_add(&scene, "zed", FIRST_DAY_MS + 5 * DAY_MS, 0, 0, 1);
    batch(hits, "2026-03-05T00:00:00Z");
    stays(hits, first,
          "which this views file does not have) is published, and nothing in it has changed, up to 2026-03-01T00:00:00.000Z");
    record_scene_says(&scene, "view visits (definition ");
    record_scene_says(&scene, "tally batch with the views file that has it");
    batch(visits, "2026-03-05T00:00:00Z");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT sum(num_hits) FROM visits_batch WHERE who = 'eve'"), 3);
    goes(hits, first);
    cr_assert_not(is_there(late));
    batch(visits, "2026-03-05T00:00:00Z");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT sum(num_hits) FROM visits_batch WHERE who = 'eve'"), 3);
    cr_assert_eq(sealed_lines("visits"), 0, "none of them came late");
}

/* Their ledgers have what came for sealed days, whoever notes it. */
Test(archive_retention_others, late_events_of_their_sealed_days)
{
    int64_t first[4], late;

    record_scene_four_days(&scene, first);
    batch(hits, "2026-03-05T00:00:00Z");
    batch(visits, "2026-03-05T00:00:00Z");
    goes(hits, first);
    record_scene_add(&scene, "eve", FIRST_DAY_MS + 5 * 3600000, 60000, 0, 3);
    batch(visits, "2026-03-05T00:00:00Z");
    cr_assert_eq(sealed_lines("visits"), 3);
    cr_assert_eq(sealed_lines("hits"), 0);
    batch(hits, "2026-03-05T00:00:00Z");
    cr_assert_eq(sealed_lines("hits"), 3);

    late = record_scene_add(&scene, "eve", FIRST_DAY_MS + 7 * 3600000, 60000, 0, 3);
    record_scene_add(&scene, "zed", FIRST_DAY_MS + 5 * DAY_MS, 0, 0, 1);
    TALLY(&scene.p, 0, "archive", "--retention", "2d", "--wait", "10s"); /* the 5th, noon: all that is published */
    cr_assert_not(is_there(late), "%s", scene.p.run.err);
    cr_assert_eq(sealed_lines("hits"), 6);
    cr_assert_eq(sealed_lines("visits"), 6, "its batch could not any more");
    batch(visits, "2026-03-05T00:00:00Z");
    cr_assert_eq(sealed_lines("visits"), 6);
}

/* Nobody can say from this views file what a view wants that has other times for the same events. */
Test(archive_retention_others, another_time_of_events)
{
    static char other[3000], both[6000];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    snprintf(other, sizeof other, "%s", visits);
    replace(other, sizeof other, "TIMESTAMP_LTZ(3),", "TIMESTAMP_LTZ(3), later AS event_time + INTERVAL '5' SECOND,");
    replace(other, sizeof other, "WATERMARK FOR event_time AS event_time", "WATERMARK FOR later AS later");
    replace(other, sizeof other, "DESCRIPTOR(event_time)", "DESCRIPTOR(later)");
    batch(hits, "2026-03-05T00:00:00Z");
    batch(other, "2026-03-05T00:00:00Z");
    stays(hits, first, "takes the times of its events from elsewhere");
    record_scene_says(&scene, "view visits (definition ");

    /* With both it can be said. */
    replace(other, sizeof other, "TABLE events", "TABLE the_same");
    snprintf(both, sizeof both, "%s%s", hits, strstr(other, "CREATE TABLE"));
    goes(both, first);
}

/* A view that was changed, and speed alone has come to know of it. */
Test(archive_retention_others, a_definition_that_is_being_built)
{
    static char changed[1500];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    batch(hits, "2026-03-05T00:00:00Z");
    batch(visits, "2026-03-05T00:00:00Z");
    snprintf(changed, sizeof changed, "%s", visits);
    replace(changed, sizeof changed, "'90' MINUTE", "'80' MINUTE");
    pipeline_define(&scene.p, changed);
    TALLY(&scene.p, 0, "speed", "--once");
    cr_assert_eq(pipeline_number(&scene.p, "SELECT count(*) FROM tally_definition WHERE state = 'building'"), 1);
    stays(hits, first, "view visits (definition ");
    batch(changed, "2026-03-05T00:00:00Z");
    goes(hits, first);
}

/* A view on a view has the events of the view that it reads. */
Test(archive_retention_others, a_view_on_a_view)
{
    static char more[3000];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    batch(hits, "2026-03-05T00:00:00Z");
    snprintf(more, sizeof more,
             "%sCREATE VIEW long_visits AS SELECT window_start, window_end, who FROM visits WHERE num_hits > 2;\n", visits);
    batch(more, "2026-03-05T00:00:00Z");
    goes(hits, first);
}

Test(archive_retention_others, topics_by_a_pattern)
{
    static char other[1500];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    batch(hits, "2026-03-05T00:00:00Z");
    snprintf(other, sizeof other, "%s", visits);
    replace(other, sizeof other, "'topic' = 'events'", "'topic-pattern' = 'eve..s'");
    pipeline_define(&scene.p, other);
    TALLY(&scene.p, 0, "batch", "--to", "2026-03-05T00:00:00Z");
    stays(hits, first, "or reads more topics");
}

Test(archive_retention_others, topics_that_a_pattern_does_not_match)
{
    static char other[1500];
    int64_t first[4];

    record_scene_four_days(&scene, first);
    batch(hits, "2026-03-05T00:00:00Z");
    snprintf(other, sizeof other, "%s", visits);
    replace(other, sizeof other, "'topic' = 'events'", "'topic-pattern' = 'odd..s'");
    pipeline_define(&scene.p, other);
    TALLY(&scene.p, 0, "batch", "--to", "2026-03-05T00:00:00Z");
    goes(hits, first);
}
