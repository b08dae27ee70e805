/* reconcile_scene.c: events that a test plants in the log, and what reconcile says of them. See reconcile_scene.h. */
#include "support/reconcile_scene.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "master/master.h"

const char scene_table[] =
    "SET 'table.local-time-zone' = 'UTC';\n"
    "CREATE TABLE events (\n"
    "    event_id STRING, host STRING, `bytes` BIGINT, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',\n"
    "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n";

/* A table like scene_table that takes partitions for idle. */
static const char idle_option[] = "'scan.watermark.idle-timeout' = '300 ms', ";

void scene_define(struct scene *scene, const char *views, const char *more_views)
{
    const char *topic = strstr(scene_table, "'events'"), *servers = strstr(scene_table, "'properties"),
               *format = strstr(scene_table, "'format'");
    char text[16384];

    snprintf(text, sizeof text, "%.*s'%s', %.*s%s%s%s%s", (int)(topic - scene_table), scene_table, scene->topic,
             scene->log == NULL ? (int)(format - servers) : 0, servers, scene->takes_for_idle ? idle_option : "", format, views,
             more_views);
    snprintf(scene->views, sizeof scene->views, "%s", run_file_write(scene->dir, "views.sql", text));
}

void scene_open(struct scene *scene, const char *views, const char *more_views)
{
    memset(scene, 0, sizeof *scene);
    scene->partitions = 2;
    snprintf(scene->topic, sizeof scene->topic, "events");
    run_folder_make(scene->dir);
    scene_define(scene, views, more_views);
    snprintf(scene->store, sizeof scene->store, "%s/views.db", scene->dir);
}

void scene_close(struct scene *scene)
{
    run_done(&scene->run);
    run_folder_remove(scene->dir);
}

void scene_checks(struct scene *scene, const char *sql)
{
    scene->checks[0] = '\0';
    if (sql[0] != '\0')
        snprintf(scene->checks, sizeof scene->checks, "%s", run_file_write(scene->dir, "checks.sql", sql));
}

/* ---- events ---- */

int event_text(char *out, size_t size, const struct event *event)
{
    char when[TL_TIME_TEXT_BYTES], id[64] = "null";

    tl_time_to_iso_z(START_MS + event->second * 1000, when);
    if (event->id != NULL)
        snprintf(id, sizeof id, "\"%s\"", event->id);
    return snprintf(out, size, "{\"event_id\":%s,\"host\":\"%s\",\"bytes\":%" PRId64 ",\"event_time\":\"%s\"}", id, event->host,
                    event->bytes, when);
}

void append_records(const struct scene *scene, const struct tl_log_record *records, size_t count)
{
    struct tl_log_spec local = {.kind = "local", .data_dir = scene->dir};
    struct tl_sv topic = tl_sv_from(scene->topic);
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(scene->log != NULL ? scene->log : &local, TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, topic, scene->partitions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, topic, records, count, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

struct tl_log_record record_of(char text[TEXT_BYTES], uint32_t partition, int64_t log_second, const struct event *event)
{
    size_t size = (size_t)event_text(text, TEXT_BYTES, event);

    return (struct tl_log_record){
        .partition = partition, .log_ms = START_MS + log_second * 1000, .value = {text, size}
    };
}

/* Appends to one partition of a topic with two; the log timestamp is START_MS + log_second. */
void append(const struct scene *scene, uint32_t partition, int64_t log_second, const struct event *events, size_t count)
{
    static char texts[APPEND_MAX][TEXT_BYTES];
    struct tl_log_record records[APPEND_MAX];

    cr_assert_leq(count, APPEND_MAX);
    for (size_t i = 0; i < count; i++)
        records[i] = record_of(texts[i], partition, log_second, &events[i]);
    append_records(scene, records, count);
}

/* One event of either partition in each of `count` windows of ten seconds: a body of groups that are equal. */
void append_body(const struct scene *scene, int64_t from_second, int64_t count)
{
    static char texts[APPEND_MAX][TEXT_BYTES];
    struct tl_log_record records[APPEND_MAX];
    size_t made = 0;

    cr_assert_leq(2 * count, APPEND_MAX);
    for (int64_t i = 0; i < count; i++) {
        for (uint32_t p = 0; p < 2; p++, made++) {
            char id[32];
            struct event event = {id, from_second + i * 10 + p, "body.example", i % 7};

            snprintf(id, sizeof id, "body-%" PRId64 "-%u", event.second, p);
            records[made] = record_of(texts[made], p, from_second + i * 10 + 9, &event);
        }
    }
    append_records(scene, records, made);
}

void scene_import(const struct scene *scene, const struct event *events, size_t count)
{
    struct tl_master *master = NULL;
    struct tl_master_writer *writer = NULL;
    struct tl_master_facts facts = {.watermark_ms = INT64_MIN};
    struct tl_err err;
    char topic[sizeof scene->topic + 8];

    snprintf(topic, sizeof topic, "%s.import", scene->topic);

    cr_assert_eq(tl_master_open(scene->dir, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_writer_open(master, tl_sv_from(topic), 0, 0, &writer, &err), TL_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        char text[256];
        struct tl_message message = {
            (int64_t)i, START_MS + events[i].second * 1000, {text, 0}
        };

        message.value.size = (size_t)event_text(text, sizeof text, &events[i]);
        cr_assert_eq(tl_master_writer_add(writer, &message, &facts, &err), TL_OK, "%s", err.message);
    }
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    tl_master_close(master);
}

/* ---- the program ---- */

void tally(const struct scene *scene, const char *command, const char *option, const char *value)
{
    struct run run;

    RUN(&run, command, "--views", scene->views, "--data", scene->dir, option, value);
    cr_assert_eq(run.status, 0, "tally %s: %s", command, run.err);
    run_done(&run);
}

void scene_speed(const struct scene *scene)
{
    tally(scene, "speed", "--once", NULL);
}

void scene_speed_start(const struct scene *scene, struct run *run, const char *workers)
{
    run_start(run, (const char *const[]){"speed", "--views", scene->views, "--data", scene->dir, "--tick", "20ms", "--workers",
                                         workers, NULL});
    for (uint32_t p = 0; p < scene->partitions; p++) {
        char words[240];

        snprintf(words, sizeof words, "partition idle topic=%s partition=%u ", scene->topic, p);
        cr_assert(run_says(run, words, SCENE_PATIENCE_MS), "'%s' is not said; so far: %s", words, run_err_so_far(run));
    }
    tl_clock_sleep_ms(200); /* until the workers have heard of it from each other */
}

void scene_speed_stop(struct run *run)
{
    run_signal(run, SIGTERM);
    run_wait(run);
    cr_assert_eq(run->status, 0, "tally speed: %s", run->err);
    run_done(run);
}

void scene_archive(const struct scene *scene)
{
    tally(scene, "archive", NULL, NULL);
}

/* Publishes up to START_MS + second. */
void scene_batch(const struct scene *scene, int64_t second)
{
    char to[TL_TIME_TEXT_BYTES];
    struct run run;

    tl_time_to_iso_z(START_MS + second * 1000, to);
    RUN(&run, "batch", "--views", scene->views, "--data", scene->dir, "--to", to, scene->checks[0] != '\0' ? "--checks" : NULL,
        scene->checks);
    cr_assert_eq(run.status, 0, "tally batch: %s", run.err);
    run_done(&run);
}

void reconcile(struct scene *scene, const char *option, const char *value)
{
    run_done(&scene->run);
    RUN(&scene->run, "reconcile", "--views", scene->views, "--data", scene->dir, "--format", "json", option, value);
}

/* A value of the last report, as text; "" for NULL. */
const char *report(const struct scene *scene, const char *path)
{
    static char texts[8][512];
    static int at;
    char *text = texts[at++ % 8];
    sqlite3 *db;
    sqlite3_stmt *statement;

    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2)", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, scene->run.out, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, path, -1, SQLITE_STATIC);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s of: %s%s", path, scene->run.out, scene->run.err);
    snprintf(text, 512, "%s",
             sqlite3_column_type(statement, 0) == SQLITE_NULL ? "" : (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

int64_t report_count(const struct scene *scene, const char *path)
{
    return strtoll(report(scene, path), NULL, 10);
}

void forge(const struct scene *scene, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;

    cr_assert_eq(sqlite3_open(scene->store, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s: %s", sql, message);
    cr_assert(sqlite3_changes(db) > 0 || sql[0] == 'C' || sqlite3_strnicmp(sql, "DROP", 4) == 0, "%s: changes nothing", sql);
    sqlite3_close(db);
}
