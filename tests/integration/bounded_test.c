/* bounded_test.c: a source that ends ('scan.bounded.mode'): all of it becomes final, and it stays as it is. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "support/pipeline.h"

#define START_MS INT64_C(1709251200000) /* 2024-03-01T00:00:00Z */
#define TABLE(options)                                                                                                           \
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - INTERVAL '5' "      \
    "SECOND) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = "            \
    "'ISO-8601'" options ");\n"
#define BOUNDED ", 'scan.bounded.mode' = 'latest-offset'"
/* Stays as it is while hits changes. */
#define NONE "CREATE VIEW none AS SELECT host FROM events WHERE host = 'z';\n"
#define HITS(columns)                                                                                                            \
    "CREATE VIEW hits AS SELECT window_start, window_end, " columns " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), "  \
    "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\n"

static struct pipeline p;

static void close_pipeline(void)
{
    pipeline_close(&p);
}

TestSuite(bounded, .fini = close_pipeline, .timeout = 100);

static void append(uint32_t partitions, uint32_t partition, int64_t time_ms)
{
    char text[200], when[TL_TIME_TEXT_BYTES];
    struct tl_log_record record = {
        .partition = partition, .log_ms = time_ms, .value = {text, 0}
    };

    tl_time_to_iso_z(time_ms, when);
    record.value.size = (size_t)snprintf(text, sizeof text, "{\"host\": \"a\", \"event_time\": \"%s\"}", when);
    pipeline_append(&p, partitions, &record, 1);
}

static void speed(void)
{
    TALLY(&p, 0, "speed", "--workers", "2");
}

static void expect_rows(const char *want)
{
    char *rows = pipeline_rows(&p, "hits", "speed");

    cr_expect_str_eq(rows, want, "%s", rows);
    free(rows);
}

Test(bounded, what_has_ended_stays_ended)
{
    static const char rows[] = "window_start,window_end,n\n"
                               "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,2\n"
                               "2024-03-01T01:00:00.000Z,2024-03-01T01:01:00.000Z,1\n";
    static const char maxima[] = "window_start,window_end,n,latest\n"
                                 "2024-03-01T00:00:00.000Z,2024-03-01T00:01:00.000Z,2,a\n"
                                 "2024-03-01T01:00:00.000Z,2024-03-01T01:01:00.000Z,1,a\n";

    pipeline_open(&p, TABLE(BOUNDED) NONE HITS("COUNT(*) AS n"));
    append(2, 0, START_MS);
    append(2, 1, START_MS + 1000);
    append(2, 1, START_MS + 3600000);
    speed();
    expect_rows(rows);
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM hits WHERE _final"), 2);
    append(3, 0, START_MS + TL_DAY_MS);
    append(3, 1, START_MS + 2000);
    append(3, 2, START_MS + TL_DAY_MS);
    speed();
    cr_expect_not_null(
        strstr(p.run.err, "topic events partition 1: it has ended at offset 2 ('scan.bounded.mode'): what the log"), "%s",
        p.run.err);
    expect_rows(rows);
    cr_expect_eq(pipeline_number(&p, "SELECT sum(late) FROM tally_outcome"), 0);
    cr_expect_eq(pipeline_number(&p, "SELECT sum(messages_count) FROM tally_offset"), 6);

    /* A new definition has what the old one has, to its end. */
    pipeline_define(&p, TABLE(BOUNDED) NONE HITS("COUNT(*) AS n, MAX(host) AS latest"));
    speed();
    expect_rows(maxima);
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM hits WHERE _final"), 2);

    pipeline_define(&p, TABLE("") NONE HITS("COUNT(*) AS n, MAX(host) AS latest"));
    TALLY(&p, 2, "speed", "--once");
    cr_expect_not_null(strstr(p.run.err, "it has ended at offset 1, where 'scan.bounded.mode' said"), "%s", p.run.err);
}

/* Windows of which the next one's end would lie behind the last instant that there is. */
Test(bounded, an_end_that_is_far_behind_the_lateness)
{
    char *rows;

    pipeline_open(
        &p,
        "SET 'tally.allowed-lateness' = '2 d';\n" TABLE(
            BOUNDED) "CREATE VIEW hops AS SELECT window_start, window_end,"
                     " COUNT(*) AS n FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '3' DAY, INTERVAL '6' DAY))"
                     " GROUP BY window_start, window_end;\n");
    append(1, 0, START_MS);
    append(1, 0, START_MS + TL_DAY_MS);
    speed();
    rows = pipeline_rows(&p, "hops", "speed");
    cr_expect_str_eq(rows,
                     "window_start,window_end,n\n"
                     "2024-02-26T00:00:00.000Z,2024-03-03T00:00:00.000Z,2\n"
                     "2024-02-29T00:00:00.000Z,2024-03-06T00:00:00.000Z,2\n",
                     "%s", rows);
    free(rows);
}
