/* http_scene.c: an HTTP server on a thread of its own. See http_scene.h. */
#include "support/http_scene.h"

#include <criterion/criterion.h>
#include <semaphore.h>

#include "base/clock.h"

enum { PATIENCE_MS = 10000, STEP_MS = 5 };

struct tl_http_server_config http_scene_config(void (*request)(void *ctx, struct tl_http_call *call), void *ctx)
{
    return (struct tl_http_server_config){
        .listen = {.host = "127.0.0.1"},
        .limits = { .head_bytes_max = 4096,
                   .body_bytes_max = 1000,
                   .connections_max = 100,
                   .head_ms = 5000,
                   .idle_ms = 5000,
                   .body_ms = 5000,
                   .write_ms = 5000},
        .request = request,
        .ctx = ctx
    };
}

static void *thread_main(void *arg)
{
    tl_http_server_run(arg);
    return NULL;
}

void http_scene_start(struct http_scene *scene, const struct tl_http_server_config *config)
{
    struct tl_err err = {.message = ""};

    *scene = (struct http_scene){0};
    cr_assert_eq(tl_http_server_open(config, &scene->server, &err), TL_OK, "%s", err.message);
    scene->port = tl_http_server_listen(scene->server)->port;
    cr_assert_eq(pthread_create(&scene->thread, NULL, thread_main, scene->server), 0);
}

void http_scene_stop(struct http_scene *scene, int64_t patience_ms)
{
    tl_http_server_stop(scene->server, patience_ms);
    pthread_join(scene->thread, NULL);
    scene->stopped = true;
}

void http_scene_close(struct http_scene *scene)
{
    if (scene->server == NULL)
        return;
    if (!scene->stopped)
        http_scene_stop(scene, 0);
    tl_http_server_close(scene->server);
    scene->server = NULL;
}

struct word {
    void (*what)(void *ctx);
    void *ctx;
    sem_t done;
};

static void run_word(void *ctx)
{
    struct word *word = ctx;

    word->what(word->ctx);
    sem_post(&word->done);
}

void http_scene_call(struct http_scene *scene, void (*what)(void *ctx), void *ctx)
{
    struct word word = {.what = what, .ctx = ctx};

    sem_init(&word.done, 0, 0);
    cr_assert(tl_http_server_call(scene->server, run_word, &word));
    sem_wait(&word.done);
    sem_destroy(&word.done);
}

bool http_scene_has(const struct http_scene *scene, unsigned connections)
{
    for (int ms = 0; ms < PATIENCE_MS && tl_http_server_connections(scene->server) != connections; ms += STEP_MS)
        tl_clock_sleep_ms(STEP_MS);
    return tl_http_server_connections(scene->server) == connections;
}

bool http_scene_counts(const atomic_uint *counter, unsigned count)
{
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(counter) < count; ms += STEP_MS)
        tl_clock_sleep_ms(STEP_MS);
    return atomic_load(counter) >= count;
}

struct tl_blob *http_scene_blob(const char *text)
{
    return tl_blob_copy(tl_sv_from(text));
}
