/* sources_test.c: several topics, views that come and go, allowed lateness and times of day: the whole program where one table and one view
 * would not tell a mistake from luck. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/pipeline.h"

#define START_MS INT64_C(1709251200000) /* 2024-03-01T00:00:00Z */

#define WITH(topic)                                                                                                              \
    ") WITH ('connector' = 'kafka', 'topic' = '" topic "', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define EVENTS(delay)                                                                                                            \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '" delay "' SECOND\n" WITH("events")
#define CLICKS                                                                                                                   \
    "CREATE TABLE clicks (event_id STRING, host STRING, button STRING, at TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR at AS at - INTERVAL '1' SECOND\n" WITH("clicks")
#define HITS                                                                                                                     \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"                                              \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, "      \
    "host;\n"
#define PRESSED                                                                                                                  \
    "CREATE VIEW pressed AS SELECT window_start, window_end, button, COUNT(*) AS times\n"                                        \
    "    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, button;\n"
#define ODD "CREATE VIEW odd AS SELECT host, n FROM events WHERE n - n / 2 * 2 = 1;\n"

static void append(struct pipeline *p, const char *topic, uint32_t partitions, uint32_t partition, int64_t time_ms,
                   int64_t log_ms, const char *fields)
{
    char text[300], when[TL_TIME_TEXT_BYTES];
    struct tl_log_record record = {
        .partition = partition, .log_ms = log_ms, .value = {text, 0}
    };
    struct tl_log *log = NULL;
    struct tl_err err;

    tl_time_to_iso_z(time_ms, when);
    record.value.size = (size_t)snprintf(text, sizeof text, "{%s, \"%s\": \"%s\"}", fields,
                                         strcmp(topic, "clicks") == 0 ? "at" : "event_time", when);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = p->data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, tl_sv_from(topic), partitions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, tl_sv_from(topic), &record, 1, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

static void is_csv(struct pipeline *p, const char *view, const char *layer, const char *want, const char *when)
{
    char *got = pipeline_rows(p, view, layer);

    cr_assert_str_eq(got, want, "%s, view %s, layer %s:\n%sand should be\n%s", when, view, layer, got, want);
    free(got);
}

static void in_all_layers(struct pipeline *p, const char *view, const char *want, const char *when)
{
    is_csv(p, view, "speed", want, when);
    is_csv(p, view, "batch", want, when);
    is_csv(p, view, "merged", want, when);
}

static void run_all(struct pipeline *p)
{
    TALLY(p, 0, "speed", "--once");
    TALLY(p, 0, "archive");
    TALLY(p, 0, "batch", "--to", "now");
}

/* ---- two topics ---- */

Test(sources, two_topics_each_with_partitions_watermarks_and_ids_of_its_own, .timeout = 60)
{
    static const char hits_want[] = "window_start,window_end,host,hits\n"
                                    "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,a,2\n"
                                    "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,b,1\n";
    static const char pressed_want[] = "window_start,window_end,button,times\n"
                                       "2024-03-01T00:00:00.000Z,2024-03-01T01:00:00.000Z,left,2\n"
                                       "2024-03-05T00:00:00.000Z,2024-03-05T01:00:00.000Z,right,1\n";
    struct pipeline p;

    pipeline_open(&p, EVENTS("5") CLICKS HITS PRESSED ODD);
    append(&p, "events", 2, 0, START_MS + 1000, START_MS + 1000, "\"event_id\": \"one\", \"host\": \"a\", \"n\": 1");
    append(&p, "clicks", 3, 2, START_MS + 1000, START_MS + 1000,
           "\"event_id\": \"one\", \"button\": \"left\""); /* not a copy: another topic */
    append(&p, "clicks", 3, 2, START_MS + 1000, START_MS + 1000, "\"event_id\": \"one\", \"button\": \"left\""); /* a copy */
    append(&p, "clicks", 3, 1, START_MS + 2000, START_MS + 2000, "\"event_id\": \"two\", \"button\": \"left\"");
    append(&p, "clicks", 3, 0, START_MS + 4 * TL_DAY_MS, START_MS + 4 * TL_DAY_MS,
           "\"button\": \"right\""); /* events' watermark stays */
    append(&p, "events", 2, 0, START_MS + 2000, START_MS + 2000, "\"host\": \"a\", \"n\": 2");
    append(&p, "events", 2, 1, START_MS + 500, START_MS + 2500, "\"host\": \"b\", \"n\": 3");
    run_all(&p);
    in_all_layers(&p, "hits", hits_want, "two topics");
    in_all_layers(&p, "pressed", pressed_want, "two topics");
    is_csv(&p, "odd", "merged", "host,n\nb,3\na,1\n", "two topics");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(duplicate) FROM tally_outcome"), 1);
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert(strstr(p.run.out, "\"agrees\": false") == NULL, "%s", p.run.out);
    cr_assert(strstr(p.run.out, "\"final_age_ms\": ") != NULL && strstr(p.run.out, "\"boundary_age_ms\": ") != NULL &&
                  strstr(p.run.out, "\"age_ms\": ") != NULL,
              "how fresh each layer is: %s", p.run.out);
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(strstr(p.run.out, "\"explained\": 0, \"unexplained\": 0") != NULL, "%.500s", p.run.out);
    pipeline_close(&p);
}

/* A topic comes into being with its first event; until then the others are counted. */
Test(sources, a_topic_that_is_not_there_yet_holds_nothing_up, .timeout = 60)
{
    static const char hits_want[] = "window_start,window_end,host,hits\n"
                                    "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,a,1\n";
    struct pipeline p;

    pipeline_open(&p, CLICKS EVENTS("5") PRESSED HITS);
    append(&p, "events", 1, 0, START_MS, START_MS, "\"host\": \"a\"");
    run_all(&p);
    cr_assert(strstr(p.run.out, "published up to 2") != NULL, "%s", p.run.out);
    in_all_layers(&p, "hits", hits_want, "one of two topics");
    TALLY(&p, 0, "status");
    cr_assert(strstr(p.run.out, "rows are final up to 2") != NULL && strstr(p.run.out, " ago)\n") != NULL, "%s", p.run.out);
    TALLY(&p, 0, "reconcile");
    append(&p, "clicks", 2, 1, START_MS, START_MS, "\"button\": \"left\"");
    run_all(&p);
    in_all_layers(&p, "pressed",
                  "window_start,window_end,button,times\n2024-03-01T00:00:00.000Z,2024-03-01T01:00:00.000Z,left,1\n",
                  "the second topic has come");
    in_all_layers(&p, "hits", hits_want, "the second topic has come");
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert(strstr(p.run.out, "\"agrees\": false") == NULL, "%s", p.run.out);
    pipeline_close(&p);
}

Test(sources, a_topic_that_comes_while_speed_follows_is_read, .timeout = 60)
{
    struct pipeline p;
    struct run follow = {0};
    bool seen = false;

    pipeline_open(&p, EVENTS("5") CLICKS HITS PRESSED);
    append(&p, "events", 1, 0, START_MS, START_MS, "\"host\": \"a\"");
    TALLY(&p, 0, "speed", "--once"); /* makes the store */
    run_start(&follow, (const char *const[]){"speed", "--views", p.views, "--data", p.data, "--tick", "20ms", NULL});
    append(&p, "clicks", 1, 0, START_MS, START_MS, "\"button\": \"left\"");
    append(&p, "events", 1, 0, START_MS + 1, START_MS + 1, "\"host\": \"a\"");
    for (int i = 0; i < 300 && !seen; i++) {
        tl_clock_sleep_ms(50);
        seen = pipeline_number(&p, "SELECT (SELECT count(*) FROM pressed) + (SELECT coalesce(sum(hits), 0) FROM hits)") == 3;
    }
    run_signal(&follow, SIGTERM);
    run_wait(&follow);
    cr_assert(seen, "not read: %s", follow.err);
    cr_assert_eq(follow.status, 0, "%s", follow.err);
    run_done(&follow);
    pipeline_close(&p);
}

/* ---- views that come and go ---- */

Test(sources, a_view_that_comes_later_holds_the_past_too, .timeout = 60)
{
    static const char hits_want[] = "window_start,window_end,host,hits\n"
                                    "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,a,1\n"
                                    "2024-03-02T00:00:00.000Z,2024-03-02T00:01:00.000Z,a,1\n";
    struct pipeline p;

    pipeline_open(&p, EVENTS("5") HITS);
    append(&p, "events", 1, 0, START_MS, START_MS, "\"host\": \"a\", \"n\": 1");
    append(&p, "events", 1, 0, START_MS + TL_DAY_MS, START_MS + TL_DAY_MS, "\"host\": \"a\", \"n\": 3");
    run_all(&p);
    pipeline_define(&p, EVENTS("5") CLICKS HITS ODD PRESSED);
    TALLY(&p, 2, "query", "odd"); /* not made by anyone yet */
    run_all(&p);
    in_all_layers(&p, "hits", hits_want, "a view has come");
    in_all_layers(&p, "odd", "host,n\na,1\na,3\n", "a view has come");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_run_range r JOIN tally_definition d USING (definition)"
                                     " WHERE d.view = 'hits' AND r.run > 1"),
                 1, "the others' days are clean but for the last one, which has grown up to now");

    /* It goes: what it holds stays readable, and nothing more is added to it. */
    pipeline_define(&p, EVENTS("5") HITS);
    append(&p, "events", 1, 0, START_MS + TL_DAY_MS + 1, START_MS + TL_DAY_MS + 1, "\"host\": \"a\", \"n\": 5");
    run_all(&p);
    is_csv(&p, "odd", "merged", "host,n\na,1\na,3\n", "the view has gone");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM hits"), 3);
    TALLY(&p, 0, "status");
    TALLY(&p, 0, "reconcile");

    /* And comes back: it catches up. */
    pipeline_define(&p, EVENTS("5") HITS ODD);
    run_all(&p);
    in_all_layers(&p, "odd", "host,n\na,1\na,3\na,5\n", "the view is back");
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert(strstr(p.run.out, "\"agrees\": false") == NULL, "%s", p.run.out);
    TALLY(&p, 0, "reconcile");
    pipeline_close(&p);
}

/* ---- allowed lateness, through stores and restarts ---- */

Test(sources, a_final_row_is_never_changed_and_one_within_the_lateness_is, .timeout = 60)
{
    static const char head[] = "window_start,window_end,host,hits\n";
    struct pipeline p;
    char want[400];

    pipeline_open(&p, "SET 'tally.allowed-lateness' = '2 min';\n" EVENTS("0") HITS);
    append(&p, "events", 1, 0, START_MS, START_MS, "\"host\": \"a\"");
    TALLY(&p, 0, "speed", "--once");
    append(&p, "events", 1, 0, START_MS + 179998, START_MS + 179998, "\"host\": \"b\"");
    TALLY(&p, 0, "speed", "--once");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(_final) FROM hits"), 0, "59.999 s + 120 s is not reached");
    append(&p, "events", 1, 0, START_MS + 1, START_MS + 179999, "\"host\": \"a\""); /* accepted */
    TALLY(&p, 0, "speed", "--once");
    append(&p, "events", 1, 0, START_MS + 179999, START_MS + 179999, "\"host\": \"b\"");
    TALLY(&p, 0, "speed", "--once");
    cr_assert_eq(pipeline_number(&p, "SELECT sum(_final) FROM hits"), 1);
    append(&p, "events", 1, 0, START_MS + 2, START_MS + 179999, "\"host\": \"a\""); /* too late now */
    TALLY(&p, 0, "speed", "--once");
    snprintf(want, sizeof want,
             "%s2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,a,2\n2024-03-01T00:02:00.000Z,2024-03-01T00:03:00.000Z,b,2\n",
             head);
    is_csv(&p, "hits", "speed", want, "after the restarts");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    snprintf(want, sizeof want,
             "%s2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,a,3\n2024-03-01T00:02:00.000Z,2024-03-01T00:03:00.000Z,b,2\n",
             head);
    is_csv(&p, "hits", "batch", want, "late for speed alone");
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(strstr(p.run.out, "\"equal\": 1, \"explained\": 1, \"unexplained\": 0") != NULL, "%.400s", p.run.out);
    pipeline_close(&p);
}

/* ---- asking ---- */

Test(sources, from_to_and_limit_are_about_window_ends_in_every_layer, .timeout = 60)
{
    static const char *const layers[] = {"speed", "batch", "merged"};
    struct pipeline p;

    pipeline_open(&p, EVENTS("5") HITS);
    for (int minute = 0; minute < 5; minute++)
        append(&p, "events", 1, 0, START_MS + minute * 60000, START_MS + minute * 60000, "\"host\": \"a,\\\"b\\\"\"");
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-01T00:02:00Z");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM hits"), 5, "each once");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM hits WHERE _layer = 'batch'"), 2,
                 "the one that ends at the boundary is batch's");
    TALLY(&p, 0, "batch", "--to", "now");
    for (size_t l = 0; l < TL_COUNT(layers); l++) {
        TALLY(&p, 0, "query", "hits", "--layer", layers[l], "--format", "csv", "--from", "2024-03-01T00:02:00Z", "--to",
              "2024-03-01T00:04:00Z");
        cr_assert_str_eq(p.run.out,
                         "window_start,window_end,host,hits\r\n"
                         "2024-03-01T00:02:00.000Z,2024-03-01T00:03:00.000Z,\"a,\"\"b\"\"\",1\r\n"
                         "2024-03-01T00:03:00.000Z,2024-03-01T00:04:00.000Z,\"a,\"\"b\"\"\",1\r\n",
                         "%s: the end after --from, up to --to: %s", layers[l], p.run.out);
        TALLY(&p, 0, "query", "hits", "--layer", layers[l], "--format", "csv", "--limit", "1");
        cr_assert_str_eq(p.run.out,
                         "window_start,window_end,host,hits\r\n"
                         "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,\"a,\"\"b\"\"\",1\r\n",
                         "%s: %s", layers[l], p.run.out);
    }
    pipeline_close(&p);
}

Test(sources, batch_threads_make_no_difference, .timeout = 60)
{
    struct chance chance = chance_open("sources");
    struct pipeline one, many;
    char *rows, *rows_many;
    struct tl_log_record records[400];
    static char texts[400][160];

    for (int i = 0; i < 400; i++) {
        char when[TL_TIME_TEXT_BYTES];
        int64_t time_ms = START_MS + (int64_t)chance_below(&chance, 5 * 86400) * 1000;

        tl_time_to_iso_z(time_ms, when);
        snprintf(texts[i], sizeof texts[i], "{\"host\": \"h%u\", \"n\": %u, \"event_time\": \"%s\"}", chance_below(&chance, 4),
                 chance_below(&chance, 50), when);
        records[i] = (struct tl_log_record){
            .partition = chance_below(&chance, 3), .log_ms = START_MS + 5 * TL_DAY_MS + i, .value = tl_sv_from(texts[i])};
    }
    pipeline_open(&one, EVENTS("5") HITS ODD);
    pipeline_open(&many, EVENTS("5") HITS ODD);
    pipeline_append(&one, 3, records, 400);
    pipeline_append(&many, 3, records, 400);
    TALLY(&one, 0, "archive", "--file-bytes", "5000");
    TALLY(&many, 0, "archive");
    TALLY(&one, 0, "batch", "--to", "now", "--jobs", "1");
    TALLY(&many, 0, "batch", "--to", "now", "--jobs", "5");
    rows = pipeline_rows(&one, "hits", "merged");
    rows_many = pipeline_rows(&many, "hits", "merged");
    cr_assert_gt(strlen(rows), 10000);
    cr_assert_str_eq(rows, rows_many);
    free(rows);
    free(rows_many);
    rows = pipeline_rows(&one, "odd", "batch");
    rows_many = pipeline_rows(&many, "odd", "batch");
    cr_assert_str_eq(rows, rows_many);
    free(rows);
    free(rows_many);
    pipeline_close(&one);
    pipeline_close(&many);
}
