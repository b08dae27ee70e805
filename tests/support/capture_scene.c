/* capture_scene.c: a capture in a folder of its own. See capture_scene.h. */
#include "support/capture_scene.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "speed_layer/capture_inside.h"

enum { PATIENCE_MS = 20000, LOOK_MS = 2, PAUSE_MS_MAX = 150 };

static struct tl_err err;

void capture_scene_make(struct capture_scene *scene)
{
    *scene = (struct capture_scene){.capture = NULL};
    run_folder_make(scene->dir);
    snprintf(scene->data, sizeof scene->data, "%s/data", scene->dir);
    snprintf(scene->spool, sizeof scene->spool, "%s/spool", scene->data);
    scene->common = (struct tl_common_options){.data = scene->data, .log = "local"};
}

void capture_scene_remove(struct capture_scene *scene)
{
    capture_scene_close(scene, 0);
    run_folder_remove(scene->dir);
}

void capture_scene_open(struct capture_scene *scene)
{
    enum tl_code rc = tl_capture_open(&scene->common, NULL, &scene->options, NULL, &scene->capture, &err);

    cr_assert_eq(rc, TL_OK, "%s", err.message);
    pthread_mutex_lock(&scene->capture->lock);
    scene->capture->pause_ms_max = PAUSE_MS_MAX; /* the tests are in a hurry */
    pthread_mutex_unlock(&scene->capture->lock);
}

void capture_scene_late_after(struct capture_scene *scene, int64_t ms)
{
    pthread_mutex_lock(&scene->capture->lock);
    scene->capture->late_ms = ms;
    pthread_mutex_unlock(&scene->capture->lock);
}

void capture_scene_close(struct capture_scene *scene, int64_t patience_ms)
{
    tl_capture_close(scene->capture, patience_ms);
    scene->capture = NULL;
}

static void captured(void *ctx, bool taken)
{
    struct capture_scene *scene = ctx;

    atomic_fetch_add(taken ? &scene->taken : &scene->refused, 1);
}

void capture_scene_put(struct capture_scene *scene, int64_t number, size_t bytes)
{
    const struct tl_capture_answer answer = {captured, scene};
    char *value = malloc(bytes + 64), id[48];
    int size = snprintf(value, 64, "{\"n\":%" PRId64, number);

    while ((size_t)size + 1 < bytes)
        value[size++] = ' ';
    value[size++] = '}';
    snprintf(id, sizeof id, "id-%" PRId64, number);
    tl_capture_put(scene->capture,
                   &(struct tl_capture_event){
                       .id = tl_sv_from(id),
                       .host = TL_SV("example.com"),
                       .ip = TL_SV("203.0.113.7"),
                       .user_agent = TL_SV("test"),
                       .value = {value, (size_t)size}
    },
                   &answer);
    free(value);
}

void capture_scene_put_all(struct capture_scene *scene, int64_t from, int64_t to, size_t bytes)
{
    for (int64_t i = from; i < to; i++)
        capture_scene_put(scene, i, bytes);
}

struct tl_capture_figures capture_scene_figures(struct capture_scene *scene)
{
    struct tl_capture_figures figures;
    uint64_t sum;

    pthread_mutex_lock(&scene->capture->lock);
    figures = scene->capture->figures;
    pthread_mutex_unlock(&scene->capture->lock);
    sum = figures.delivered + figures.spooled;
    for (int i = 0; i < TL_CAPTURE_REASONS; i++)
        sum += figures.dropped[i];
    cr_assert_eq(sum, figures.received, "%" PRIu64 " of %" PRIu64, sum, figures.received);
    return figures;
}

void capture_scene_await_delivered(struct capture_scene *scene, uint64_t count)
{
    int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;

    while (capture_scene_figures(scene).delivered < count) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%" PRIu64 " of %" PRIu64, capture_scene_figures(scene).delivered, count);
        tl_clock_sleep_ms(LOOK_MS);
    }
}

void capture_scene_await_taken(struct capture_scene *scene, int count)
{
    int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;

    while (atomic_load(&scene->taken) < count) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%d of %d", atomic_load(&scene->taken), count);
        tl_clock_sleep_ms(LOOK_MS);
    }
}

void capture_scene_await_spooled(struct capture_scene *scene)
{
    int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
    uint64_t until;
    bool there;

    pthread_mutex_lock(&scene->capture->lock);
    until = scene->capture->queue.next;
    pthread_mutex_unlock(&scene->capture->lock);
    do {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
        tl_clock_sleep_ms(LOOK_MS);
        pthread_mutex_lock(&scene->capture->lock);
        there = scene->capture->synced >= until;
        pthread_mutex_unlock(&scene->capture->lock);
    } while (!there);
}

int capture_scene_segments(const struct capture_scene *scene)
{
    DIR *dir = opendir(scene->spool);
    const struct dirent *entry;
    int count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        count += strstr(entry->d_name, ".spool") != NULL;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static void log_path(const struct capture_scene *scene, const char *name, char out[RUN_DIR_BYTES + 32])
{
    snprintf(out, RUN_DIR_BYTES + 32, "%s/%s", scene->data, name);
}

/* A folder in its place: what asks for the log is told at once. */
void capture_scene_take_log(struct capture_scene *scene)
{
    char here[RUN_DIR_BYTES + 32], there[RUN_DIR_BYTES + 32];

    log_path(scene, "log.db", here);
    log_path(scene, "log.away", there);
    cr_assert_eq(rename(here, there), 0);
    cr_assert_eq(mkdir(here, 0700), 0);
}

void capture_scene_give_log(struct capture_scene *scene)
{
    char here[RUN_DIR_BYTES + 32], there[RUN_DIR_BYTES + 32];

    log_path(scene, "log.db", here);
    log_path(scene, "log.away", there);
    cr_assert_eq(rmdir(here), 0);
    cr_assert_eq(rename(there, here), 0);
}

/* The scene's own way to the log. */
static struct tl_log *log_open(const struct capture_scene *scene)
{
    struct tl_log_property properties[TL_OPTION_LIST_MAX];
    struct tl_log_spec spec = {.kind = scene->common.log, .data_dir = scene->data, .properties = properties};
    struct tl_log *log = NULL;

    for (; spec.properties_count < scene->common.kafka_properties.count; spec.properties_count++) {
        struct tl_log_property *property = &properties[spec.properties_count];

        property->value = tl_sv_from(scene->common.kafka_properties.items[spec.properties_count]);
        property->name = tl_sv_cut(&property->value, '=');
    }
    cr_assert_eq(tl_log_open(&spec, TL_LOG_READ, &log, &err), TL_OK, "%s", err.message);
    return log;
}

int64_t *capture_scene_numbers(const struct capture_scene *scene, uint32_t partition, size_t *count)
{
    struct tl_sv topic = tl_sv_from(scene->options.topic != NULL ? scene->options.topic : "events");
    struct tl_log *log = log_open(scene);
    int64_t *numbers = malloc(sizeof *numbers), next, end;
    struct tl_log_entries entries;

    *count = 0;
    cr_assert_eq(tl_log_range(log, topic, partition, &next, &end, &err), TL_OK, "%s", err.message);
    while (next < end) {
        cr_assert_eq(tl_log_read_on(log, topic, partition, next, 10000, SIZE_MAX, PATIENCE_MS, &entries, &err), TL_OK, "%s",
                     err.message);
        cr_assert(TL_RESIZE(numbers, *count + entries.count + 1));
        for (size_t i = 0; i < entries.count; i++)
            cr_assert_eq(sscanf(entries.messages[i].value.data, "{\"n\":%" SCNd64, &numbers[(*count)++]), 1);
        next = entries.next_offset;
    }
    tl_log_close(log);
    return numbers;
}

void capture_scene_check_numbers(const struct capture_scene *scene, int64_t from, int64_t to)
{
    size_t count;
    int64_t *numbers = capture_scene_numbers(scene, 0, &count);

    for (size_t i = 0; i < count; i++)
        cr_assert_eq(numbers[i], from + (int64_t)i, "at %zu: %" PRId64, i, numbers[i]);
    cr_assert_eq((int64_t)count, to - from);
    free(numbers);
}
