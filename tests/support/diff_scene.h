/* diff_scene.h: a folder with a record, two views files and two stores, and what `tally diff` says of them as JSON. */
#ifndef TL_TESTS_DIFF_SCENE_H
#define TL_TESTS_DIFF_SCENE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/run.h"
#include "support/visits.h"

enum { DIFF_EVENTS = 3000, DIFF_PARTITIONS = 2, DIFF_STEP_MS = 500 }; /* 25 minutes */
#define DIFF_END_MS (VISITS_START_MS + (int64_t)DIFF_EVENTS * DIFF_STEP_MS)

#define DIFF_TABLE                                                                                                               \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"

#define DIFF_HITS(select, where, key, having)                                                                                    \
    "CREATE VIEW v AS SELECT window_start, window_end, " key " AS k, " select                                                    \
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) " where                                     \
    " GROUP BY window_start, window_end, " key having ";\n"
#define DIFF_OVER(window, where, more)                                                                                           \
    "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(n) AS s" more " FROM TABLE(" window ") " where   \
    " GROUP BY window_start, window_end, host" more ";\n"
#define DIFF_HOP(where)                                                                                                          \
    DIFF_OVER("HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '20' SECOND)", where, "")
#define DIFF_CUMULATE(where)                                                                                                     \
    DIFF_OVER("CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)", where, "")
#define DIFF_SESSION(gap, where)                                                                                                 \
    DIFF_OVER("SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '" gap "' SECOND)", where, "")
#define DIFF_COUNT(rows, where)                                                                                                  \
    DIFF_OVER("COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), " rows ", INTERVAL '15' SECOND)", where,     \
              ", closed_by")

extern struct diff_scene {
    char dir[RUN_DIR_BYTES], data[300], old_views[300], new_views[300], old_store[600], new_store[600], checks[300];
    int status;      /* of the last preview */
    char said[2000]; /* by it on stderr */
} diff_scene;

/* Of each test: the folder, and what is in it. KEEP in the environment leaves it there. */
void diff_scene_open(void);
void diff_scene_close(void);
void diff_write_views(const char *old_text, const char *new_text);
/* DIFF_EVENTS visits, in small files. */
void diff_record(void);
void diff_backfill(const char *views, const char *store, const char *checks_path);
/* More arguments behind; NULL at the end. */
json_t *diff_preview(int64_t from_ms, int64_t to_ms, const char *const *more);
json_t *diff_view(json_t *report, const char *name);
long long diff_number(const json_t *view, const char *name);
/* Of visits_windows on both sides, but for how late speed lets events be: other hashes, and no other number of batch. */
void diff_expect_nothing(json_t *report, const char *words, bool all);

#endif
