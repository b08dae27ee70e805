/* reconcile_scene.h: events that a test plants in the log, partition by partition, and what reconcile says of them.
 *
 *     scene_open(&scene, views, more_views);          the topic `events`, of two partitions
 *     APPEND(&scene, 0, 300, {"id", 12, "host", 5});  partition 0, log time 300 s: an event at 12 s
 *     scene_speed(&scene); scene_archive(&scene); scene_batch(&scene, 600);
 *     reconcile(&scene, NULL, NULL);
 *     EXPECT(&scene, "$.causes", "{\"late_drop\":1}");
 *     scene_close(&scene);
 *
 * Events go into the log by its own interface, so that partitions, offsets and log timestamps are the test's to choose. All times are seconds
 * from START_MS. */
#ifndef TL_TEST_RECONCILE_SCENE_H
#define TL_TEST_RECONCILE_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "log/log.h"
#include "support/run.h"

#define START_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

/* The table that the views of all scenes read: event_id, host, bytes, event_time; the watermark is 5 seconds behind. */
extern const char scene_table[];

enum { PATH_BYTES = RUN_DIR_BYTES + 64, SCENE_PATIENCE_MS = 20000 };

struct scene {
    char dir[RUN_DIR_BYTES];
    char views[PATH_BYTES], store[PATH_BYTES];
    char checks[PATH_BYTES]; /* "": none */
    char topic[128];         /* "events" unless set before scene_define */
    struct tl_log_spec *log; /* NULL: the folder's own; else what reaches the one that the environment tells the program of */
    uint32_t partitions;     /* of the topic; 2 unless set before the first event */
    bool takes_for_idle;     /* set before scene_define: partitions that are silent for 300 ms */
    struct run run;          /* the last reconcile */
};

/* `views` and `more_views` stand behind the table in the views file. */
void scene_open(struct scene *scene, const char *views, const char *more_views);
void scene_define(struct scene *scene, const char *views, const char *more_views); /* another views file */
void scene_close(struct scene *scene);
void scene_checks(struct scene *scene, const char *sql); /* what batch checks from now on; "": nothing */

/* ---- events ---- */

struct event {
    const char *id; /* NULL: none */
    int64_t second; /* of event time, from START_MS */
    const char *host;
    int64_t bytes;
};
enum { TEXT_BYTES = 256, APPEND_MAX = 200 };

/* As JSON; gives the length. */
int event_text(char *out, size_t size, const struct event *event);
struct tl_log_record record_of(char text[TEXT_BYTES], uint32_t partition, int64_t log_second, const struct event *event);
void append_records(const struct scene *scene, const struct tl_log_record *records, size_t count);
/* Appends to one partition; the log timestamp is START_MS + log_second. */
void append(const struct scene *scene, uint32_t partition, int64_t log_second, const struct event *events, size_t count);
#define APPEND(scene, partition, log_second, ...)                                                                                \
    append((scene), (partition), (log_second), (const struct event[]){__VA_ARGS__},                                              \
           sizeof((const struct event[]){__VA_ARGS__}) / sizeof(struct event))
/* One event of either partition in each of `count` windows of ten seconds: a body of groups that are equal. */
void append_body(const struct scene *scene, int64_t from_second, int64_t count);

/* Writes the events as a file of the import's topic, with an index that knows nothing of their times. */
void scene_import(const struct scene *scene, const struct event *events, size_t count);

/* ---- the program ---- */

void tally(const struct scene *scene, const char *command, const char *option, const char *value);
void scene_speed(const struct scene *scene);
/* Speed goes on until it is stopped; at first until both partitions are idle. */
void scene_speed_start(const struct scene *scene, struct run *run, const char *workers);
void scene_speed_stop(struct run *run);
void scene_archive(const struct scene *scene);
void scene_batch(const struct scene *scene, int64_t second); /* publishes up to there */
void reconcile(struct scene *scene, const char *option, const char *value);

/* A value of the last report, as text; "" for NULL. */
const char *report(const struct scene *scene, const char *path);
int64_t report_count(const struct scene *scene, const char *path);
/* Runs a statement on the store, which must change something. */
void forge(const struct scene *scene, const char *sql);

#define EXPECT(scene, path, want)                                                                                                \
    cr_assert_str_eq(report((scene), (path)), (want), "%s is %s, not %s: %s%s", (path), report((scene), (path)), (want),         \
                     (scene)->run.out, (scene)->run.err)
#define EXPECT_STATUS(scene, want)                                                                                               \
    cr_assert_eq((scene)->run.status, (want), "exit status %d: %s%s", (scene)->run.status, (scene)->run.out, (scene)->run.err)

#endif
