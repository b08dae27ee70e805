/* checks_test.c: data-quality checks from the checks file to what is published: a range that fails stays as it was, the rest goes on, a person may
 * overrule; on both stores. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "event/timestamp.h"
#include "support/run.h"
#include "support/store_fixture.h"

#define DAY(n) (INT64_C(1772323200000) + ((n)-1) * TL_DAY_MS) /* of March 2026 */
#define HOUR INT64_C(3600000)
#define MINUTE INT64_C(60000)

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, size INT, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json',\n"
    "          'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n, MAX(size) AS size\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW hours AS SELECT window_start, window_end, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;\n"
    "CREATE VIEW visits AS SELECT window_start AS began, window_end AS ended, host, COUNT(*) AS n, window_time AS rowtime\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '30' MINUTE))\n"
    "    GROUP BY window_start, window_end, window_time, host;\n"
    "CREATE VIEW visits_1h AS SELECT window_start, window_end, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(rowtime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;\n";

static char dir[RUN_DIR_BYTES], views[300], data[300], checks[300], store[600];
static struct tl_buf lines;

static void scene_open(const struct store_backend *backend)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", views_text));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    if (backend == &store_postgres)
        backend->url(store);
    else
        snprintf(store, sizeof store, "sqlite:%s/views.db", data);
    tl_buf_init(&lines, 0);
}

static void scene_close(void)
{
    tl_buf_done(&lines);
    run_folder_remove(dir);
}

static void use_checks(const char *text)
{
    snprintf(checks, sizeof checks, "%s", run_file_write(dir, "checks.sql", text));
}

/* ---- events ---- */

static void add(const char *host, int64_t time_ms, const char *size)
{
    static int number;
    char text[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(time_ms, text);
    tl_buf_printf(&lines, "{\"event_id\":\"e%d\",\"host\":%s%s%s,\"size\":%s,\"event_time\":\"%s\"}\n", number++,
                  host != NULL ? "\"" : "", host != NULL ? host : "null", host != NULL ? "\"" : "", size, text);
}

static void add_many(const char *host, int64_t from_ms, int64_t step_ms, int count)
{
    for (int i = 0; i < count; i++)
        add(host, from_ms + i * step_ms, "1");
}

/* ---- commands: what they wrote, for the caller to free; their status ---- */

static struct run ran; /* the last one */

static int tally(const char *const *words)
{
    const char *args[RUN_ARGS_MAX];
    size_t count = 0;

    run_done(&ran);
    ran = (struct run){0};
    for (; words[count] != NULL; count++)
        args[count] = words[count];
    args[count++] = "--data";
    args[count++] = data;
    args[count++] = "--store";
    args[count++] = store;
    args[count] = NULL;
    run_start(&ran, args);
    run_wait(&ran);
    return ran.status;
}
#define TALLY(...) tally((const char *const[]){__VA_ARGS__, NULL})
#define MUST(wanted, ...)                                                                                                        \
    cr_assert_eq(TALLY(__VA_ARGS__), wanted, "%s: status %d, not %d\n%s%s", #__VA_ARGS__, ran.status, wanted, ran.out, ran.err)
#define SAYS(text) cr_expect(strstr(ran.err, text) != NULL, "'%s' is not in: %s", text, ran.err)
#define SAYS_NOT(text) cr_expect(strstr(ran.err, text) == NULL, "'%s' is in: %s", text, ran.err)
#define PRINTS(text) cr_expect(strstr(ran.out, text) != NULL, "'%s' is not in: %s", text, ran.out)

/* What was added is on record from now on. */
static void record(const char *into)
{
    char path[300];

    tl_buf_put_u8(&lines, '\0');
    snprintf(path, sizeof path, "%s", run_file_write(dir, "events.jsonl", lines.data));
    tl_buf_clear(&lines);
    MUST(0, "import", path, "--format", "jsonl", "--into", into, "--views", views);
}

static int batch(const char *to)
{
    return TALLY("batch", "--views", views, "--checks", checks, "--to", to);
}

static char *rows(const char *view)
{
    MUST(0, "query", view, "--format", "csv");
    return strdup(ran.out);
}

static void expect_rows(const char *view, const char *want)
{
    char *got = rows(view);

    cr_expect_str_eq(got, want, "%s:\n%swant:\n%s", view, got, want);
    free(got);
}

/* ---- parameters ---- */

static struct criterion_test_params both_stores(void)
{
    static int numbers[] = {0, 1};

    return cr_make_param_array(int, numbers, 2);
}
#define ON_BOTH(name)                                                                                                            \
    static void name(void);                                                                                                      \
    ParameterizedTestParameters(checks, name)                                                                                    \
    {                                                                                                                            \
        return both_stores();                                                                                                    \
    }                                                                                                                            \
    ParameterizedTest(int *number, checks, name, .timeout = 60, .fini = store_folder_remove)                                     \
    {                                                                                                                            \
        scene_open(*number == 0 ? &store_sqlite : &store_postgres);                                                              \
        name();                                                                                                                  \
        run_done(&ran);                                                                                                          \
        scene_close();                                                                                                           \
    }                                                                                                                            \
    static void name(void)

/* ---- a check that fails ---- */

static const char volume_text[] = "ALTER VIEW hits ADD CONSTRAINT volume EXPECT (ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN "
                                  "OVER 14 DAYS) ON VIOLATION FAIL UPDATE;\n"
                                  "ALTER VIEW hours ADD CONSTRAINT quiet EXPECT (SUM(n) <= 30);\n";

ON_BOTH(a_range_that_fails_stays_as_it_was_until_somebody_accepts_it)
{
    char *before, *hours;

    use_checks(volume_text);
    for (int day = 1; day <= 4; day++)
        add_many("a", DAY(day) + HOUR, HOUR, 12);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 0, "%s", ran.err);
    cr_expect_str_eq(ran.err, "");
    before = rows("hits");
    hours = rows("hours");
    add_many("b", DAY(4) + HOUR, 10 * MINUTE, 40);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    SAYS("view hits: 2026-03-04T00:00:00.000Z..2026-03-05T00:00:00.000Z: check volume: ROW_COUNT is 52, where 6 to 24 would do "
         "(the "
         "median of 3 ranges is 12); it is kept back, and what was published before stays; to publish it all the same: tally "
         "batch "
         "--reason TEXT --accept volume");
    SAYS("warn batch view hours: 2026-03-04T00:00:00.000Z..2026-03-05T00:00:00.000Z: check quiet: SUM(n) is 52, where at most 30 "
         "would do\n");
    SAYS("1 range is kept back by checks");
    expect_rows("hits", before);
    MUST(0, "query", "hours", "--format", "csv");
    cr_expect_str_neq(ran.out, hours, "the view beside it was published");
    MUST(1, "checks", "--format", "csv", "volume");
    PRINTS("hits,2026-03-04T00:00:00.000Z,2026-03-05T00:00:00.000Z,volume,fail update,kept back,ROW_COUNT,");
    cr_assert_eq(batch("2026-03-05"), 1, "the next night says it again: %s", ran.err);
    SAYS("ROW_COUNT is 52");
    expect_rows("hits", before);
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "volume", "--reason", "a fair, on Wednesday");
    PRINTS("published on the word of ");
    MUST(0, "query", "hits", "--format", "csv", "--from", "2026-03-04", "--to", "2026-03-05");
    PRINTS("2026-03-04T07:30:00.000Z,2026-03-04T07:35:00.000Z,b,1,1");
    MUST(0, "checks", "--format", "json", "volume");
    PRINTS("\"verdict\": \"accepted\"");
    PRINTS("\"reason\": \"a fair, on Wednesday\"");
    cr_assert_eq(batch("2026-03-05"), 0, "%s", ran.err);
    cr_expect_str_eq(ran.out, "", "nothing is left to do");
    MUST(0, "batch", "--views", views, "--rollback");
    expect_rows("hits", before);
    MUST(0, "checks", "--format", "csv", "volume");
    PRINTS("volume,fail update,passed,ROW_COUNT,");
    free(before);
    free(hours);
}

/* A run of which a part was kept back has two publications, and the newer one alone is undone: it is said which, and the run is not one that was rolled
 * back. */
ON_BOTH(what_was_accepted_is_rolled_back_alone)
{
    char *before;

    use_checks(volume_text);
    for (int day = 1; day <= 4; day++)
        add_many("a", DAY(day) + HOUR, day == 4 ? 20 * MINUTE : HOUR, day == 4 ? 40 : 12);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    before = rows("hits");
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "volume", "--reason", "a fair");
    MUST(0, "runs", "--limit", "1");
    PRINTS(" accepted volume: a fair");
    cr_expect_null(strstr(ran.out, "kept back"), "all of it is published: %s", ran.out);
    MUST(0, "batch", "--views", views, "--rollback");
    PRINTS(": what was accepted of it is rolled back, the rest stands\n");
    expect_rows("hits", before);
    MUST(0, "runs", "--limit", "1", "--format", "json");
    PRINTS("\"state\": \"published\"");
    PRINTS("\"rolled_back\": null, \"rolled_back_by\": null");
    MUST(0, "batch", "--views", views, "--rollback");
    PRINTS("run 1 is rolled back\n");
    MUST(0, "runs", "--limit", "1", "--format", "json");
    PRINTS("\"state\": \"rolled back\"");
    PRINTS("\"rolled_back_by\": \"");
    free(before);
}

/* What was accepted is past for those that follow. */
ON_BOTH(an_accepted_range_counts_for_the_median)
{
    use_checks(volume_text);
    add_many("a", DAY(1) + HOUR, HOUR, 12);
    add_many("a", DAY(2) + HOUR, HOUR, 12);
    add_many("a", DAY(3) + HOUR, HOUR, 12);
    add_many("a", DAY(4) + HOUR, 20 * MINUTE, 40);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    SAYS("view hits: 2026-03-04T00:00:00.000Z");
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "volume", "--reason", "growth");
    add_many("a", DAY(5) + HOUR, 20 * MINUTE, 26);
    record("archive");
    cr_assert_eq(batch("2026-03-06"), 1, "%s", ran.err);
    SAYS("ROW_COUNT is 26, where 6 to 24 would do (the median of 4 ranges is 12)");
}

static const char size_text[] = "ALTER TABLE events ADD CONSTRAINT small EXPECT (size < 5) ON VIOLATION FAIL UPDATE;\n"
                                "ALTER VIEW hits ADD CONSTRAINT volume EXPECT (ROW_COUNT <= 20) ON VIOLATION FAIL UPDATE;\n";

static void accept_is_refused(const char *check, const char *why)
{
    MUST(1, "batch", "--views", views, "--checks", checks, "--accept", check, "--reason", "so be it");
    SAYS(why);
}

/* Ranges leave no gap: what was rolled back lies before it. */
ON_BOTH(what_is_accepted_follows_what_is_published)
{
    use_checks(size_text);
    for (int day = 1; day <= 3; day++)
        add_many("a", DAY(day) + HOUR, HOUR, 12);
    record("archive");
    cr_assert_eq(batch("2026-03-04"), 0, "%s", ran.err);
    add("a", DAY(4) + HOUR, "7");
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err); /* all of it is kept back */
    MUST(0, "batch", "--views", views, "--rollback");
    accept_is_refused("small",
                      "2026-03-04T00:00:00.000Z..2026-03-05T00:00:00.000Z: what is published before it is not what it was "
                      "computed with: it stays back");
    expect_rows("hits", "window_start,window_end,host,n,size\r\n");
}

/* Of a partition that the run did not know, only what lies in the range is new to it. */
ON_BOTH(what_came_for_another_day_keeps_nothing_from_being_accepted)
{
    use_checks(size_text);
    add_many("a", DAY(1) + HOUR, HOUR, 12);
    add("a", DAY(2) + HOUR, "7");
    record("log");
    MUST(0, "archive", "--views", views);
    cr_assert_eq(batch("2026-03-03"), 1, "%s", ran.err);
    add("a", DAY(4) + HOUR, "1");
    record("archive");
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "small", "--reason", "so be it");
}

/* What a run has published is rolled back: so is what it keeps back. */
ON_BOTH(nothing_of_a_run_that_was_rolled_back_is_accepted)
{
    use_checks(size_text);
    for (int day = 1; day <= 3; day++)
        add_many("a", DAY(day) + HOUR, HOUR, 12);
    add_many("a", DAY(4) + HOUR, 5 * MINUTE, 21);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    SAYS("check volume");
    MUST(0, "batch", "--views", views, "--rollback");
    accept_is_refused("volume", "nothing is kept back by volume");
}

/* ---- chains ---- */

/* A visit of day 2 ends before midnight and one begins behind it. Late events make one of them: the carry over midnight changes, so the days
 * stand and fall together; the days beside them do not. */
static void visits_over_midnight(void)
{
    add_many("a", DAY(1) + HOUR, 10 * MINUTE, 3);
    add_many("a", DAY(2) + 23 * HOUR, 10 * MINUTE, 1);
    add_many("a", DAY(3) + 30 * MINUTE, 10 * MINUTE, 1);
    add_many("a", DAY(4) + HOUR, 10 * MINUTE, 2);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 0, "%s", ran.err);
    add("a", DAY(1) + 5 * HOUR, "1");
    add("a", DAY(2) + 23 * HOUR + 25 * MINUTE, "1");
    add("a", DAY(2) + 23 * HOUR + 50 * MINUTE, "1");
    add("a", DAY(3) + 10 * MINUTE, "1");
    add("a", DAY(4) + 5 * HOUR, "1");
    record("archive");
}

static const char days_of_visits[] = "2026-03-02T00:00:00.000Z",
                  one_visit[] = "2026-03-02T23:00:00.000Z,2026-03-03T01:00:00.000Z,a,5,";

static void chain_stays(const char *check, const char *failing)
{
    char *before, text[200];

    use_checks(check);
    visits_over_midnight();
    MUST(0, "query", "visits", "--format", "csv", "--from", days_of_visits, "--to", "2026-03-04");
    before = strdup(ran.out);
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    snprintf(text, sizeof text, "view visits: %s: check sums: ", failing);
    SAYS(text);
    SAYS("kept back too: it cannot be published without what is kept back beside it");
    MUST(0, "query", "visits", "--format", "csv", "--from", days_of_visits, "--to", "2026-03-04");
    cr_expect_str_eq(ran.out, before, "got:\n%swant:\n%s", ran.out, before);
    free(before);
    MUST(0, "query", "visits", "--format", "csv");
    PRINTS("2026-03-01T05:00:00.000Z,2026-03-01T05:30:00.000Z,a,1,");
    PRINTS("2026-03-04T05:00:00.000Z,2026-03-04T05:30:00.000Z,a,1,");
    MUST(0, "query", "visits_1h", "--format", "csv");
    PRINTS("2026-03-02T23:00:00.000Z,2026-03-03T00:00:00.000Z,1\r\n"); /* of the family: as it was */
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "sums", "--reason", "so it is");
    MUST(0, "query", "visits", "--format", "csv");
    PRINTS(one_visit);
    MUST(0, "query", "visits_1h", "--format", "csv");
    PRINTS("2026-03-03T00:00:00.000Z,2026-03-03T01:00:00.000Z,1\r\n");
    cr_expect(strstr(ran.out, "2026-03-02T23:00:00.000Z") == NULL, "%s", ran.out);
    cr_assert_eq(batch("2026-03-05"), 0, "%s", ran.err);
    cr_expect_str_eq(ran.out, "");
}

ON_BOTH(a_chain_is_held_by_its_last_range)
{
    chain_stays("ALTER VIEW visits ADD CONSTRAINT sums EXPECT (SUM(n) <= 4) ON VIOLATION FAIL UPDATE;\n",
                "2026-03-03T00:00:00.000Z..2026-03-04T00:00:00.000Z");
}

ON_BOTH(a_chain_is_held_by_its_first_range)
{
    chain_stays("ALTER VIEW visits ADD CONSTRAINT sums EXPECT (SUM(n) >= 1) ON VIOLATION FAIL UPDATE;\n",
                "2026-03-02T00:00:00.000Z..2026-03-03T00:00:00.000Z");
}

/* New days, of which the last fails: the boundary is inside of what the run staged, and visits lie across it in both layers. */
ON_BOTH(each_visit_is_served_once_where_the_last_of_new_days_fails)
{
    char *served, *plain;

    for (int day = 1; day <= 4; day++) {
        add_many("a", DAY(day) + 10 * HOUR, 20 * MINUTE, 3);
        if (day == 2)
            add("c", DAY(day) + 23 * HOUR + 10 * MINUTE, "1");
        add_many("b", DAY(day) + 23 * HOUR + 40 * MINUTE, 15 * MINUTE, 4); /* over midnight */
        if (day == 2)
            add("c", DAY(day + 1) + 5 * MINUTE, "1");
    }
    add("z", DAY(6), "1");
    add("c", DAY(2) + 23 * HOUR + 40 * MINUTE, "1"); /* too late for speed: two visits there are one over midnight in batch */
    record("log");
    MUST(0, "speed", "--views", views, "--once");
    MUST(0, "archive", "--views", views);
    plain = rows("visits");
    use_checks(
        "ALTER TABLE events ADD CONSTRAINT early EXPECT (host <> 'a' OR event_time < TO_TIMESTAMP_LTZ(1772532000000, 3)) ON "
        "VIOLATION FAIL UPDATE;\n");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    SAYS("check early: 3 events are against");
    MUST(0, "reconcile", "--views", views);
    PRINTS("checks that did not pass\n  kept back: view hits, 2026-03-04T00:00:00.000Z..2026-03-05T00:00:00.000Z, check early: 3 "
           "events are against");
    served = rows("visits");
    cr_expect_str_eq(served, plain, "got:\n%swant:\n%s", served, plain);
    MUST(0, "query", "visits", "--layer", "batch", "--format", "csv");
    PRINTS("2026-03-02T10:00:00.000Z");
    cr_expect(strstr(ran.out, "2026-03-03T10:00:00.000Z") == NULL, "%s", ran.out);
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "early", "--reason", "a late day");
    MUST(0, "query", "visits", "--format", "csv");
    PRINTS("2026-03-02T23:10:00.000Z,2026-03-03T00:35:00.000Z,c,3,");
    MUST(0, "reconcile", "--views", views, "--format", "json");
    PRINTS("\"verdict\": \"accepted\"");
    PRINTS("\"reason\": \"a late day\"");
    free(served);
    free(plain);
}

/* ---- accepting what is not what it was ---- */

ON_BOTH(what_has_changed_since_is_not_accepted)
{
    use_checks(volume_text);
    for (int day = 1; day <= 4; day++)
        add_many("a", DAY(day) + HOUR, HOUR, day < 4 ? 12 : 3);
    record("archive");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    add("a", DAY(4) + 5 * HOUR, "1");
    record("archive");
    MUST(1, "batch", "--views", views, "--checks", checks, "--accept", "volume", "--reason", "x");
    SAYS("view hits: 2026-03-04T00:00:00.000Z..2026-03-05T00:00:00.000Z: events have come for it since it was computed: it stays "
         "back; "
         "tally batch computes it anew");
    cr_expect_str_eq(ran.out, "");
    cr_assert_eq(batch("2026-03-05"), 1, "%s", ran.err);
    SAYS("ROW_COUNT is 4, where 6 to 24");
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "volume,quiet", "--reason", "x");
    PRINTS("1 range\n");
    MUST(1, "batch", "--views", views, "--checks", checks, "--accept", "volume", "--reason", "x");
    SAYS("nothing is kept back by volume");
}

/* Day 3 was computed with what lay open at the end of day 2 as it was then: a visit that is a longer one by now. */
ON_BOTH(what_began_otherwise_is_not_accepted)
{
    use_checks("ALTER VIEW visits ADD CONSTRAINT few EXPECT (ROW_COUNT <= 2) ON VIOLATION FAIL UPDATE;\n");
    add_many("a", DAY(2) + 23 * HOUR + 50 * MINUTE, 20 * MINUTE, 2);
    add_many("b", DAY(3) + HOUR, HOUR, 2);
    record("archive");
    cr_assert_eq(batch("2026-03-04"), 1, "%s", ran.err);
    add("a", DAY(2) + 23 * HOUR + 25 * MINUTE, "1");
    record("archive");
    cr_assert_eq(batch("2026-03-03"), 0, "day 2 alone: %s", ran.err);
    MUST(1, "batch", "--views", views, "--checks", checks, "--accept", "few", "--reason", "x");
    SAYS("view visits: 2026-03-03T00:00:00.000Z..2026-03-04T00:00:00.000Z: what is published before it is not what it was "
         "computed with: it stays back");
    cr_assert_eq(batch("2026-03-04"), 1, "%s", ran.err);
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "few", "--reason", "x");
    MUST(0, "query", "visits", "--format", "csv");
    PRINTS("2026-03-02T23:25:00.000Z,2026-03-03T00:40:00.000Z,a,3,");
}

/* A range that two checks keep back goes out when both are accepted. */
ON_BOTH(one_of_two_checks_is_not_enough)
{
    use_checks("ALTER VIEW hits ADD CONSTRAINT few EXPECT (ROW_COUNT <= 2) ON VIOLATION FAIL UPDATE;\n"
               "ALTER VIEW hits ADD CONSTRAINT known EXPECT (host IN ('a', 'c')) ON VIOLATION FAIL UPDATE;\n");
    add_many("a", DAY(1) + HOUR, HOUR, 2);
    add_many("b", DAY(1) + HOUR, HOUR, 2);
    record("archive");
    cr_assert_eq(batch("2026-03-02"), 1, "%s", ran.err);
    SAYS("check few: ROW_COUNT is 4, where at most 2 would do");
    SAYS("check known: ALLOWED(host) is 2, where 0 would do");
    MUST(1, "batch", "--views", views, "--checks", checks, "--accept", "few", "--reason", "x");
    SAYS("stays back: another check has failed too");
    MUST(0, "batch", "--views", views, "--checks", checks, "--accept", "known, few", "--reason", "x");
    MUST(0, "checks", "--format", "csv", "--failed");
    PRINTS("known,fail update,accepted,ALLOWED(host),");
}

/* ---- every measure ---- */

Test(checks, every_measure, .timeout = 60)
{
    scene_open(&store_sqlite);
    use_checks("ALTER VIEW hits ADD CONSTRAINT sums EXPECT (SUM(size) BETWEEN 3 AND 3);\n"
               "ALTER VIEW hits ADD CONSTRAINT nulls EXPECT (NULL_SHARE(size) <= 0.2);\n"
               "ALTER VIEW hits ADD CONSTRAINT one EXPECT (UNIQUE (n));\n"
               "ALTER VIEW hits ADD CONSTRAINT fresh EXPECT (FRESHNESS <= INTERVAL '2' HOUR);\n"
               "ALTER VIEW hits ADD CONSTRAINT known EXPECT (host IN ('a'));\n");
    add("a", DAY(1) + HOUR, "1");
    add("b", DAY(1) + HOUR, "2");
    add(NULL, DAY(1) + HOUR, "null");
    add("a", DAY(1) + 21 * HOUR, "null");
    record("archive");
    cr_assert_eq(batch("2026-03-03"), 0, "they only warn: %s", ran.err);
    SAYS("check nulls: NULL_SHARE(size) is 0.5, where at most 0.2 would do");
    SAYS("check one: UNIQUE(n) is 2, where 0 would do");
    SAYS("2026-03-02T00:00:00.000Z: check fresh: FRESHNESS is 175 min, where at most 2 h would do");
    SAYS("2026-03-03T00:00:00.000Z: check fresh: FRESHNESS is no rows, where at most 2 h would do");
    SAYS("check known: ALLOWED(host) is 1, where 0 would do");
    SAYS("2026-03-03T00:00:00.000Z: check sums: SUM(size) is 0, where 3 would do");
    MUST(0, "checks", "--format", "csv", "--history", "9", "sums", "nulls");
    PRINTS("hits,2026-03-01T00:00:00.000Z,2026-03-02T00:00:00.000Z,sums,warn,passed,SUM(size),3,3,3,0,1,,,\"\"\r\n");
    PRINTS("hits,2026-03-02T00:00:00.000Z,2026-03-03T00:00:00.000Z,nulls,warn,passed,NULL_SHARE(size),,,0.2,0,1,,,no rows\r\n");
    MUST(2, "checks", "--run", "99");
    SAYS("there is no run 99; tally runs shows those that there are");
    MUST(0, "checks", "--run", "1", "--failed", "--view", "hits");
    PRINTS("at most 2 h");
    run_done(&ran);
    scene_close();
}

/* ---- the quarantine ---- */

Test(checks, quarantine_is_shown_without_harm_to_a_terminal, .timeout = 60)
{
    scene_open(&store_sqlite);
    use_checks("ALTER TABLE events ADD CONSTRAINT sized EXPECT (size > 0) ON VIOLATION DROP ROW;\n");
    add("a", DAY(1) + HOUR, "1");
    tl_buf_printf(&lines, "{\"event_id\":\"x\",\"size\":0,\"host\":\"\xc2\x9b"
                          "2J\x7f\",\"event_time\":\"2026-03-01T02:00:00.000Z\"}\n");
    add("b", DAY(1) + HOUR, "-1");
    record("archive");
    cr_assert_eq(batch("2026-03-02"), 0, "%s", ran.err);
    SAYS("check sized: 2 events are against (size > 0)");
    SAYS("dropped into quarantine: tally checks --quarantine sized");
    MUST(0, "checks", "--quarantine", "sized", "--view", "hits");
    PRINTS("events.import/0");
    cr_expect(strstr(ran.out, "\x7f") == NULL && strstr(ran.out, "\xc2\x9b") == NULL, "%s", ran.out);
    MUST(0, "checks", "--quarantine", "--view", "hits", "--format", "csv", "--limit", "1");
    PRINTS("hits,sized,2026-03-01T02:00:00.000Z,events.import/0,1,0,");
    SAYS("1 more; --limit 2 would show them");
    run_done(&ran);
    scene_close();
}

/* ---- bad input ---- */

struct bad_case {
    char name[48], args[6][40], says[120];
};

ParameterizedTestParameters(checks, bad_input)
{
    static struct bad_case cases[] = {
        {"accept without a reason", {"batch", "--accept", "volume"},                                 "--accept volume --reason 'a holiday' would do"},
        {"a reason alone",          {"batch", "--reason", "x"},                                      "--accept and --reason go together"            },
        {"no such check",           {"batch", "--accept", "volum", "--reason", "x"},                 "did you mean 'volume'?"                       },
        {"one of two",              {"batch", "--accept", "volume,nothing", "--reason", "x"},        "--accept nothing: there is no check"          },
        {"no name",                 {"batch", "--accept", " , ", "--reason", "x"},                   "--accept names no check"                      },
        {"accept with a range",     {"batch", "--accept=volume", "--reason=x", "--from=2026-03-01"}, "goes without --from, --to"                    },
        {"results of no check",     {"checks", "volum"},                                             "did you mean 'volume'?"                       },
        {"no such view",            {"checks", "--view", "hitz"},                                    "there is no view 'hitz'"                      },
    };

    return cr_make_param_array(struct bad_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct bad_case *c, checks, bad_input, .timeout = 60)
{
    const char *args[12];
    size_t count = 0;

    scene_open(&store_sqlite);
    use_checks(volume_text);
    add_many("a", DAY(1) + HOUR, HOUR, 2);
    record("archive");
    cr_assert_eq(batch("2026-03-02"), 0, "%s", ran.err);
    for (; count < 6 && c->args[count][0] != '\0'; count++)
        args[count] = c->args[count];
    args[count++] = "--views";
    args[count++] = views;
    args[count++] = "--checks";
    args[count++] = checks;
    args[count] = NULL;
    cr_expect_eq(tally(args), 2, "%s: %d %s", c->name, ran.status, ran.err);
    SAYS(c->says);
    run_done(&ran);
    scene_close();
}
