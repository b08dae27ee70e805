/* http_scene.h: an HTTP server (net/http_server.h) on a thread of its own, for the test at hand. */
#ifndef TL_TEST_HTTP_SCENE_H
#define TL_TEST_HTTP_SCENE_H

#include <pthread.h>

#include "net/http_server.h"

/* Plain, on the loopback; every deadline 5 s, heads up to 4,096 bytes, bodies up to 1,000, 100 connections. `request` gets `ctx`. */
struct tl_http_server_config http_scene_config(void (*request)(void *ctx, struct tl_http_call *call), void *ctx);

struct http_scene {
    struct tl_http_server *server;
    pthread_t thread;
    uint16_t port;
    bool stopped;
};

void http_scene_start(struct http_scene *scene, const struct tl_http_server_config *config);
/* Asks it to stop, and waits for that. The server is still to be closed. */
void http_scene_stop(struct http_scene *scene, int64_t patience_ms);
/* Stopped or not; fine when it was never started. */
void http_scene_close(struct http_scene *scene);
/* Runs what(ctx) on the loop and waits for it. */
void http_scene_call(struct http_scene *scene, void (*what)(void *ctx), void *ctx);
/* Waits until the server has so many connections; false: it does not get there. */
bool http_scene_has(const struct http_scene *scene, unsigned connections);
/* Waits until the counter is so large; false: it does not get there. */
bool http_scene_counts(const atomic_uint *counter, unsigned count);
struct tl_blob *http_scene_blob(const char *text);

#endif
