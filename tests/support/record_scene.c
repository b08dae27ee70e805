/* record_scene.c: a record with a file a day. See record_scene.h. */
#include "support/record_scene.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char record_scene_views[] =
    "SET 'table.local-time-zone' = 'UTC';\n"
    "CREATE TABLE events (\n"
    "    event_id STRING, who STRING, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',\n"
    "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS\n"
    "    SELECT window_start, window_end, COUNT(*) AS num_hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW visits AS\n"
    "    SELECT window_start, window_end, who, COUNT(*) AS num_hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY who, DESCRIPTOR(event_time), INTERVAL '90' MINUTE))\n"
    "    GROUP BY window_start, window_end, who;\n";

void record_scene_clock(struct record_scene *scene, int64_t now_ms)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, now_ms);
    cr_assert_eq(setenv("TALLY_CLOCK_FILE", run_file_write(scene->p.dir, "clock", text), 1), 0);
}

void record_scene_open(struct record_scene *scene)
{
    pipeline_open(&scene->p, record_scene_views);
    record_scene_clock(scene, FIRST_DAY_MS + 6 * DAY_MS + DAY_MS / 2);
    scene->next_offset = 0;
}

int64_t record_scene_add(struct record_scene *scene, const char *who, int64_t from_ms, int64_t step_ms, int64_t log_ms, int count)
{
    static char texts[100][160];
    struct tl_log_record records[100];
    int64_t first = scene->next_offset;

    for (int i = 0; i < count; i++) {
        int64_t ms = from_ms + i * step_ms, s = ms / 1000 % 86400;
        int size =
            snprintf(texts[i], sizeof texts[i],
                     "{\"event_id\":\"%s-%" PRId64 "\",\"who\":\"%s\",\"event_time\":\"2026-03-%02dT%02d:%02d:%02d.000Z\"}", who,
                     scene->next_offset++, who, (int)((ms - FIRST_DAY_MS) / DAY_MS) + 1, (int)(s / 3600), (int)(s / 60 % 60),
                     (int)(s % 60));

        records[i] = (struct tl_log_record){
            .partition = 0, .log_ms = tl_max_i64(log_ms, ms), .value = {texts[i], (size_t)size}
        };
    }
    pipeline_append(&scene->p, 1, records, (size_t)count);
    TALLY(&scene->p, 0, "archive");
    return first;
}

void record_scene_four_days(struct record_scene *scene, int64_t first[4])
{
    for (int d = 0; d < 4; d++)
        first[d] = record_scene_add(scene, "ann", FIRST_DAY_MS + d * DAY_MS, 3600000, 0, 24);
}

const char *record_scene_path(const struct record_scene *scene, int64_t first, const char *suffix)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010" PRId64 "%s", scene->p.data, first, suffix);
    return path;
}

void record_scene_says(const struct record_scene *scene, const char *text)
{
    cr_assert_not_null(strstr(scene->p.run.err, text), "\"%s\" in:\n%s%s", text, scene->p.run.err, scene->p.run.out);
}
