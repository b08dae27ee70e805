/* record_scene.h: a record with a file a day, for tests of what becomes of such files. */
#ifndef RECORD_SCENE_H
#define RECORD_SCENE_H

#include "support/pipeline.h"

#define DAY_MS INT64_C(86400000)
#define FIRST_DAY_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

struct record_scene {
    struct pipeline p;
    int64_t next_offset;
};

extern const char record_scene_views[];
/* Views `hits` (an hour) and `visits` (sessions of `who`, 90 minutes) over `events`. It is the 7th of March, noon: four days ago is the 3rd. */
void record_scene_open(struct record_scene *scene);
void record_scene_clock(struct record_scene *scene, int64_t now_ms);
/* `count` events, `step_ms` apart, in a file of the record of their own; gives the offset of the first. */
int64_t record_scene_add(struct record_scene *scene, const char *who, int64_t from_ms, int64_t step_ms, int64_t log_ms,
                         int count);
/* One file a day; everybody is there every hour, over all midnights. */
void record_scene_four_days(struct record_scene *scene, int64_t first[4]);
/* Of the file that begins with this offset; good until the next call. */
const char *record_scene_path(const struct record_scene *scene, int64_t first, const char *suffix);
/* The last command has said so on stderr. */
void record_scene_says(const struct record_scene *scene, const char *text);

#endif
