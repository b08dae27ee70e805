/* topics_test.c: a table with 'topic-pattern', through the whole program on the embedded log: topics that are there, that come and that go. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "support/http_get.h"
#include "support/pipeline.h"
#include "support/visits.h"

#define START_MS INT64_C(1709251200000) /* 2024-03-01T00:00:00Z */

#define TABLE(topics)                                                                                                            \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', " topics ", 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define SITES TABLE("'topic-pattern' = 'site-[a-z]'")
#define HITS                                                                                                                     \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, LISTAGG(CAST(n AS STRING)) AS ns\n"            \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, "      \
    "host;\n"
#define ODD "CREATE VIEW odd AS SELECT host, n FROM events WHERE n - n / 2 * 2 = 1;\n"

TestSuite(topics, .timeout = 60);

static void append_text(struct pipeline *p, const char *topic, uint32_t partitions, uint32_t partition, int64_t log_ms,
                        const char *text)
{
    struct tl_log_record record = {.partition = partition, .log_ms = log_ms, .value = tl_sv_from(text)};
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = p->data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, tl_sv_from(topic), partitions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, tl_sv_from(topic), &record, 1, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

/* An event of host `host` at START_MS + time_ms, which the log got then. */
static void append(struct pipeline *p, const char *topic, uint32_t partitions, uint32_t partition, int64_t time_ms,
                   const char *host, int n)
{
    char text[300], when[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(START_MS + time_ms, when);
    snprintf(text, sizeof text, "{\"event_id\": \"%s-%d\", \"host\": \"%s\", \"n\": %d, \"event_time\": \"%s\"}", host, n, host,
             n, when);
    append_text(p, topic, partitions, partition, START_MS + time_ms, text);
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

static void says(struct pipeline *p, const char *part)
{
    cr_assert(strstr(p->run.out, part) != NULL || strstr(p->run.err, part) != NULL, "'%s' is not in\n%s%s", part, p->run.out,
              p->run.err);
}

static bool is_there(struct pipeline *p, const char *name)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s", p->data, name);
    return access(path, F_OK) == 0;
}

#define HEAD "window_start,window_end,host,hits,ns\n"
#define MINUTE "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,"

/* ---- all that match, and those that come later ---- */

Test(topics, all_that_match_are_read_and_later_ones_too)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS ODD);
    append(&p, "site-b", 1, 0, 1000, "x", 1);
    append(&p, "site-a", 2, 1, 1500, "x", 2);
    append(&p, "site-a", 2, 0, 2000, "x", 3);
    append(&p, "blog", 1, 0, 1000, "x", 90);      /* does not match */
    append(&p, "my-site-a", 1, 0, 1000, "x", 91); /* nor does what holds a match */
    append_text(&p, "site-b", 1, 0, START_MS, "no event");
    run_all(&p);
    in_all_layers(&p, "hits", HEAD MINUTE "x,3,\"1,2,3\"\n", "two topics");
    in_all_layers(&p, "odd", "host,n\nx,1\nx,3\n", "two topics");
    cr_assert(is_there(&p, "topics/site-a/partition=1") && is_there(&p, "topics/site-b/partition=0"));
    cr_assert(!is_there(&p, "topics/blog") && !is_there(&p, "topics/my-site-a"));
    cr_assert_eq(pipeline_number(&p, "SELECT number FROM tally_topic WHERE topic = 'site-b'"), 2, "by name");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_dead_letter WHERE topic = 'site-b' AND partition = 0"), 1);
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_dedup WHERE topic = 'site-a' AND partition = 1"), 1);

    append(&p, "site-c", 1, 0, 3000, "x", 5);
    append(&p, "site-b", 3, 2, 3500, "x", 7); /* and more partitions of one that was there */
    run_all(&p);
    in_all_layers(&p, "hits", HEAD MINUTE "x,5,\"1,2,3,5,7\"\n", "a third topic");
    in_all_layers(&p, "odd", "host,n\nx,1\nx,3\nx,5\nx,7\n", "a third topic");
    cr_assert_eq(pipeline_number(&p, "SELECT v._offset FROM odd AS v JOIN tally_topic AS t ON t.number = v._partition >> 16"
                                     " WHERE t.topic = 'site-b' AND v._partition & 65535 = 2"),
                 0, "as SQL.md says");
    TALLY(&p, 0, "status");
    says(&p, "  speed   site-a/1  offset 1 of 1");
    says(&p, "  speed   site-b/2  offset 1 of 1");
    says(&p, "archive   site-c/0  complete up to offset 1");
    says(&p, "every event is accounted for");
    TALLY(&p, 0, "status", "--format", "json");
    says(&p, "{\"topic\": \"site-b\", \"partition\": 2, \"offset\": 1, \"end\": 1, \"lag\": 0");
    TALLY(&p, 0, "reconcile", "--format", "json");
    says(&p, "\"explained\": 0, \"unexplained\": 0");
    run_all(&p);
    in_all_layers(&p, "hits", HEAD MINUTE "x,5,\"1,2,3,5,7\"\n", "a second time changes nothing");
    pipeline_close(&p);
}

/* Speed sees copies within a partition, batch all of them: reconcile names the one that only speed has counted, with its topic. */
Test(topics, a_copy_in_another_topic_is_explained)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS ODD);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 1000, "x", 1);
    append(&p, "site-a", 1, 0, 600000, "x", 2);
    append(&p, "site-b", 1, 0, 600000, "y", 2);
    run_all(&p);
    is_csv(&p, "odd", "speed", "host,n\nx,1\nx,1\n", "a copy in another topic");
    is_csv(&p, "odd", "batch", "host,n\nx,1\n", "a copy in another topic");
    is_csv(&p, "odd", "merged", "host,n\nx,1\n", "a copy in another topic");
    TALLY(&p, 0, "reconcile", "--format", "json");
    says(&p, "\"unexplained\": 0");
    says(&p, "\"topic\": \"site-b\", \"partition\": 0, \"offset\": 0, \"row\": 0");
    says(&p, "\"event_id\": \"x-1\"");
    TALLY(&p, 0, "reconcile");
    says(&p, "      site-b/0 offset 0 at ");
    pipeline_close(&p);
}

/* Ties of time: by partition and offset, and the topic last, in both layers. */
Test(topics, ties_end_with_the_topic)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS);
    append(&p, "site-a", 2, 0, 1000, "x", 1);
    append(&p, "site-a", 2, 0, 1000, "x", 3);
    append(&p, "site-a", 2, 1, 1000, "x", 5);
    append(&p, "site-b", 2, 0, 1000, "x", 2);
    append(&p, "site-b", 2, 0, 1000, "x", 4);
    append(&p, "site-b", 2, 1, 1000, "x", 6);
    run_all(&p);
    in_all_layers(&p, "hits", HEAD MINUTE "x,6,\"1,2,3,4,5,6\"\n", "ties");
    pipeline_close(&p);
}

/* Batch comes first: speed reads under the numbers that it has given, and what one has counted the other knows. */
Test(topics, batch_may_give_the_numbers)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS ODD);
    append(&p, "site-z", 1, 0, 1000, "x", 1);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    append(&p, "site-a", 1, 0, 2000, "x", 3);
    TALLY(&p, 0, "speed", "--once");
    cr_assert_eq(pipeline_number(&p, "SELECT number FROM tally_topic WHERE topic = 'site-z'"), 1);
    cr_assert_eq(pipeline_number(&p, "SELECT number FROM tally_topic WHERE topic = 'site-a'"), 2);
    is_csv(&p, "odd", "merged", "host,n\nx,1\nx,3\n", "site-a is not archived yet");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    in_all_layers(&p, "hits", HEAD MINUTE "x,2,\"1,3\"\n", "batch came first");
    in_all_layers(&p, "odd", "host,n\nx,1\nx,3\n", "batch came first");
    TALLY(&p, 0, "reconcile");
    pipeline_close(&p);
}

Test(topics, what_is_imported_into_the_record_stands_beside_its_topic)
{
    struct pipeline p;
    char file[RUN_DIR_BYTES + 32];

    pipeline_open(&p, SITES HITS ODD);
    snprintf(file, sizeof file, "%s",
             run_file_write(p.dir, "old.jsonl",
                            "{\"event_id\": \"o\", \"host\": \"x\", \"n\": 9, \"event_time\": \"2024-03-01T00:00:09.000Z\"}\n"));
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 2000, "x", 2);
    TALLY(&p, 2, "import", file, "--format", "jsonl", "--into", "archive");
    says(&p, "reads from several topics; say --topic NAME with one of all that match 'site-[a-z]'");
    TALLY(&p, 2, "import", file, "--format", "jsonl", "--into", "archive", "--topic", "blog");
    says(&p, "--topic blog: ");
    TALLY(&p, 0, "import", file, "--format", "jsonl", "--into", "archive", "--topic", "site-b");
    TALLY(&p, 0, "import", file, "--format", "jsonl", "--into", "archive", "--topic",
          "site-q"); /* of a topic that the log never had */
    run_all(&p);
    is_csv(&p, "hits", "batch", HEAD MINUTE "x,3,\"1,2,9\"\n", "two imports of one event");
    is_csv(&p, "hits", "speed", HEAD MINUTE "x,2,\"1,2\"\n", "imports are batch's alone");
    TALLY(&p, 0, "reconcile", "--format", "json");
    says(&p, "\"unexplained\": 0");
    says(&p, "\"imported\": 1");
    says(&p, "\"topic\": \"site-b.import\", \"partition\": 0, \"offset\": 0");
    pipeline_close(&p);
}

/* A table that names one of the topics keeps numbers of its own, and each event id is counted once a table. */
Test(topics, a_table_of_one_topic_beside_a_pattern)
{
    struct pipeline p;

    pipeline_open(
        &p, SITES HITS
        "CREATE TABLE one (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
        " WITH ('connector' = 'kafka', 'topic' = 'site-b', 'format' = 'json', 'json.timestamp-format.standard' = "
        "'ISO-8601');\n"
        "CREATE VIEW hosts AS SELECT host FROM one;\n");
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 2000, "y", 2);
    run_all(&p);
    in_all_layers(&p, "hits", HEAD MINUTE "x,1,1\n" MINUTE "y,1,2\n", "both");
    in_all_layers(&p, "hosts", "host\ny\n", "both");
    cr_assert_eq(pipeline_number(&p, "SELECT _partition FROM hosts"), 0);
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "status");
    pipeline_close(&p);
}

/* Sessions, count windows, sliding ones and views on views, over partitions of two topics: some events late, some copied, some broken. */
Test(topics, every_kind_of_window)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_windows, place);
    static const char *const names[] = {"site-a", "site-b"};
    struct pipeline p;
    struct tl_log *log = NULL;
    struct tl_err err;
    char sql[9000];

    cr_assert_not_null(at);
    snprintf(sql, sizeof sql, "%.*s'topic-pattern' = 'site-[ab]'%s", (int)(at - visits_windows), visits_windows,
             at + strlen(place));
    pipeline_open(&p, sql);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = p.data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    for (int from = 0; from < 1200; from += 100)
        visits_append_to(log, names[from / 100 % 2], 2, 200, from, from + 100);
    tl_log_close(log);
    run_all(&p);
    TALLY(&p, 0, "status");
    says(&p, "every event is accounted for");
    TALLY(&p, 0, "reconcile", "--format", "json");
    says(&p, "\"unexplained\": 0");
    pipeline_close(&p);
}

/* Built from the log in a lane of its own, up to where the others stand in each topic. */
Test(topics, a_view_that_comes_later_holds_the_past_of_all_topics)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 2, 1, 2000, "x", 3);
    run_all(&p);
    pipeline_define(&p, SITES HITS ODD);
    append(&p, "site-c", 1, 0, 3000, "x", 5);
    run_all(&p);
    in_all_layers(&p, "odd", "host,n\nx,1\nx,3\nx,5\n", "a new view");
    in_all_layers(&p, "hits", HEAD MINUTE "x,3,\"1,3,5\"\n", "a new view");
    TALLY(&p, 0, "reconcile");

    /* Another pattern is another definition: a topic keeps the number that it has. */
    pipeline_define(&p, TABLE("'topic-pattern' = 'site-[bcd]'") HITS ODD);
    append(&p, "site-d", 1, 0, 4000, "x", 7);
    run_all(&p);
    in_all_layers(&p, "odd", "host,n\nx,3\nx,5\nx,7\n", "another pattern");
    cr_assert_eq(pipeline_number(&p, "SELECT group_concat(topic, '') = 'site-asite-bsite-csite-d' FROM (SELECT topic FROM"
                                     " tally_topic ORDER BY number)"),
                 1);
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "status");
    pipeline_close(&p);
}

/* As in Flink: what is there at the first start begins where the table says, a topic that comes later at its own start. */
Test(topics, a_later_topic_begins_at_its_start)
{
    struct pipeline p;

    pipeline_open(&p, TABLE("'topic-pattern' = 'site-[a-z]', 'scan.startup.mode' = 'latest-offset'") HITS);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 1000, "x", 2);
    TALLY(&p, 0, "speed", "--once");
    says(&p, "left out by 'scan.startup.mode': topic site-b partition 0 offsets 0 to 0");
    append(&p, "site-b", 1, 0, 2000, "x", 3);
    append(&p, "site-c", 1, 0, 3000, "x", 4);
    TALLY(&p, 0, "speed", "--once");
    is_csv(&p, "hits", "speed", HEAD MINUTE "x,2,\"3,4\"\n", "a later topic");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    is_csv(&p, "hits", "batch", HEAD MINUTE "x,4,\"1,2,3,4\"\n", "the record has all");
    TALLY(&p, 0, "reconcile", "--format", "json");
    says(&p, "\"unexplained\": 0");
    says(&p, "\"offset_gap\": 2");
    pipeline_close(&p);
}

Test(topics, explain_shows_the_pattern)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS);
    TALLY(&p, 0, "explain");
    says(&p, "all that match 'site-[a-z]' whole, later ones too, JSON, times as ISO-8601");
    says(&p, "events (topic-pattern 'site-[a-z]')");
    TALLY(&p, 0, "explain", "--flink");
    says(&p, "'topic-pattern' = 'site-[a-z]'");
    pipeline_define(&p, TABLE("'topic-pattern' = 'site-['") HITS);
    TALLY(&p, 2, "speed", "--once");
    says(&p, "^^^^^^^^");
    pipeline_close(&p);
}

/* ---- while speed follows ---- */

static bool comes_to(struct pipeline *p, const char *sql, long long want)
{
    for (int i = 0; i < 300; i++) {
        if (pipeline_number(p, sql) == want)
            return true;
        tl_clock_sleep_ms(50);
    }
    return false;
}

static void follow(struct pipeline *p, struct run *run)
{
    run_start(run, (const char *const[]){"speed", "--views", p->views, "--data", p->data, "--tick", "20ms", NULL});
}

static void stop(struct run *run)
{
    run_signal(run, SIGTERM);
    run_wait(run);
    cr_assert_eq(run->status, 0, "%s", run->err);
}

Test(topics, a_topic_that_comes_while_speed_follows_is_read)
{
    static const char sum[] = "SELECT coalesce(sum(hits), 0) FROM hits";
    struct pipeline p;
    struct run speed = {0};

    pipeline_open(&p, SITES HITS);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    TALLY(&p, 0, "speed", "--once"); /* makes the store */
    follow(&p, &speed);
    append(&p, "site-b", 2, 1, 2000, "x", 2);
    cr_assert(comes_to(&p, sum, 2), "not read");
    append(&p, "site-b", 3, 2, 3000, "x", 3);
    append(&p, "blog", 1, 0, 3000, "x", 90);
    cr_assert(comes_to(&p, sum, 3), "not read");
    run_signal(&speed, SIGKILL);
    run_wait(&speed);
    run_done(&speed);
    append(&p, "site-c", 1, 0, 4000, "x", 4); /* while nobody reads */
    follow(&p, &speed);
    cr_assert(comes_to(&p, sum, 4), "not read after a restart");
    stop(&speed);
    run_done(&speed);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    in_all_layers(&p, "hits", HEAD MINUTE "x,4,\"1,2,3,4\"\n", "topics that came");
    TALLY(&p, 0, "reconcile");
    pipeline_close(&p);
}

Test(topics, a_pattern_that_matches_nothing_yet_waits)
{
    struct pipeline p;
    struct run speed = {0};
    char *said;

    pipeline_open(&p, SITES HITS);
    append(&p, "blog", 1, 0, 1000, "x", 1);
    TALLY(&p, 0, "speed", "--once");
    says(&p, "nothing to read: no topic matches 'topic-pattern' 'site-[a-z]' yet");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    follow(&p, &speed);
    cr_assert(run_says(&speed, "waiting for the log", 10000), "%s", run_err_so_far(&speed));
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    cr_assert(comes_to(&p, "SELECT count(*) FROM hits", 1), "not read");
    stop(&speed);
    said = strstr(speed.err, "no topic matches");
    cr_assert(said != NULL && strstr(said + 1, "no topic matches") == NULL, "said once: %s", speed.err);
    run_done(&speed);
    pipeline_close(&p);
}

/* ---- topics that go ---- */

/* The embedded log has no command for it. */
static void delete_topic(struct pipeline *p, const char *topic)
{
    char path[400], sql[200];
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%s/log.db", p->data);
    snprintf(sql, sizeof sql, "DELETE FROM topic WHERE name = '%s'", topic);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(topics, one_that_is_gone_ends_the_program_unless_that_is_accepted)
{
    struct pipeline p;

    pipeline_open(&p, SITES HITS);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    append(&p, "site-b", 1, 0, 2000, "x", 2);
    run_all(&p);
    delete_topic(&p, "site-a"); /* the one with the lowest number */
    append(&p, "site-b", 1, 0, 3000, "x", 3);
    TALLY(&p, 0, "status");
    cr_assert_null(strstr(p.run.err, "made again"), "%s", p.run.err);
    TALLY(&p, 3, "speed", "--once");
    says(&p, "topic site-a was read before and is gone from the log");
    TALLY(&p, 0, "speed", "--once", "--accept-gap");
    says(&p, "topic site-a is gone from the log: goes on without it");
    TALLY(&p, 0, "speed", "--once", "--accept-gap");
    is_csv(&p, "hits", "speed", HEAD MINUTE "x,3,\"1,2,3\"\n", "what was read of it stays");
    TALLY(&p, 0, "archive");
    says(&p, "topic site-a is gone from the log: batch waits for it");
    TALLY(&p, 0, "archive", "--accept-gap");
    says(&p, "topic site-a is gone from the log: its record is taken for complete");
    TALLY(&p, 0, "batch", "--to", "now");
    in_all_layers(&p, "hits", HEAD MINUTE "x,3,\"1,2,3\"\n", "what is on record of it stays");
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "status");

    append(&p, "site-a", 1, 0, 4000, "x", 4); /* it was made again: other events at its offsets */
    TALLY(&p, 3, "speed", "--once", "--accept-gap");
    says(&p, "deleted and made again");
    TALLY(&p, 3, "archive", "--accept-gap");
    says(&p, "deleted and made again");
    pipeline_close(&p);
}

static bool is_no_lag_of(uint16_t port, const char *topic)
{
    char series[100];
    bool there = true;

    snprintf(series, sizeof series, "tally_log_lag_events{topic=\"%s\"", topic);
    for (int i = 0; i < 200 && there; i++) {
        char *page = http_wait_for(port, "/metrics", 200, "tally_", 10000);

        cr_assert_not_null(page);
        there = strstr(page, series) != NULL;
        free(page);
        tl_clock_sleep_ms(50);
    }
    return !there;
}

Test(topics, the_last_one_that_goes_is_waited_for)
{
    struct pipeline p;
    struct run speed = {0};

    pipeline_open(&p, SITES HITS);
    append(&p, "site-a", 1, 0, 1000, "x", 1);
    TALLY(&p, 0, "speed", "--once"); /* makes the store */
    run_start(&speed, (const char *const[]){"speed", "--views", p.views, "--data", p.data, "--tick", "20ms", "--accept-gap",
                                            "--metrics-listen", ":0", NULL});
    append(&p, "site-a", 1, 0, 2000, "x", 2);
    cr_assert(comes_to(&p, "SELECT coalesce(sum(hits), 0) FROM hits", 2), "not read");
    delete_topic(&p, "site-a");
    cr_assert(run_says(&speed, "waiting for the log: no topic of the views is there", 10000), "%s", run_err_so_far(&speed));
    cr_assert(is_no_lag_of(http_port_said(&speed, "speed"), "site-a"), "its lag stays");
    append(&p, "site-b", 1, 0, 3000, "x", 3);
    cr_assert(comes_to(&p, "SELECT coalesce(sum(hits), 0) FROM hits", 3), "not read");
    stop(&speed);
    run_done(&speed);
    pipeline_close(&p);
}
