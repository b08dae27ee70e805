/* visits.c: events that are the same for the same numbers. See visits.h. */
#include "support/visits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/timestamp.h"
#include "log/log.h"

#define TABLE                                                                                                                    \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"

const char visits_views[] =
    TABLE "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(n) AS total\n"
          "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
          "host;\n"
          "CREATE VIEW big AS SELECT event_id, n FROM events WHERE n > 90;\n";

const char visits_windows[] = TABLE
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits, COUNT(DISTINCT n) AS ns\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW sums AS SELECT window_start, window_end, host, SUM(n) AS total, LAST_VALUE(n) AS latest\n"
    "    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '3' SECOND))\n"
    "    GROUP BY window_start, window_end, window_time, host;\n"
    "CREATE VIEW dozens AS SELECT window_start, window_end, host, closed_by, COUNT(*) AS hits, MIN(n) AS low\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 12, INTERVAL '15' SECOND))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n"
    "CREATE VIEW busy AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, host\n"
    "    HAVING COUNT(*) > 7;\n"
    "CREATE VIEW visits_1m AS SELECT window_start, window_end, COUNT(*) AS visits, SUM(hits) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(rowtime), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;\n"
    "CREATE VIEW long_visits AS SELECT began, ended, host, hits FROM visits WHERE hits > 5;\n";

const char *const visits_windows_names[] = {"hops", "sums", "visits", "dozens", "busy", "visits_1m", "long_visits", NULL};

void visits_append_to(struct tl_log *log, const char *topic, uint32_t partitions, int64_t step_ms, int from, int to)
{
    struct tl_err err;

    cr_assert_eq(tl_log_create_topic(log, tl_sv_from(topic), partitions, &err), TL_OK, "%s", err.message);
    while (from < to) {
        static char texts[500][200];
        struct tl_log_record records[500];
        size_t count = 0;

        for (; from < to && count < 500; from++, count++) {
            unsigned state = (unsigned)from * 2654435761u + 1;
            int64_t log_ms = VISITS_START_MS + from * step_ms, time_ms = log_ms - rand_r(&state) % 2000;
            int id = rand_r(&state) % 20 == 0 ? from - 1 - rand_r(&state) % 5 : from;
            char when[TL_TIME_TEXT_BYTES];

            if (rand_r(&state) % 15 == 0)
                time_ms -= rand_r(&state) % 40000;
            if (id != from) /* a copy has the time of the event that it copies, or else another */
                time_ms = VISITS_START_MS + id * step_ms;
            tl_time_to_iso_z(time_ms, when);
            snprintf(texts[count], sizeof texts[count],
                     rand_r(&state) % 50 == 0 ? "{\"event_id\": \"e%d\", \"host\": \"h%d\", \"n\": %d"
                                              : "{\"event_id\": \"e%d\", \"host\": \"h%d\", \"n\": %d, \"event_time\": \"%s\"}",
                     id, rand_r(&state) % 7, rand_r(&state) % 100, when);
            records[count] = (struct tl_log_record){
                .partition = (uint32_t)from % partitions, .log_ms = log_ms, .value = tl_sv_from(texts[count])};
        }
        cr_assert_eq(tl_log_append(log, tl_sv_from(topic), records, count, NULL, &err), TL_OK, "%s", err.message);
    }
}

void visits_append(const char *data, uint32_t partitions, int64_t step_ms, int from, int to)
{
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    visits_append_to(log, "events", partitions, step_ms, from, to);
    tl_log_close(log);
}
