/* http_server_test.c: the HTTP server over the loopback: what clients send in whatever pieces, and what they get. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_server.h"
#include "support/wire.h"

/* A server on a thread of its own, and what was asked of it. */
static struct scene {
    struct tl_http_server *server;
    struct tl_http_server_config config;
    pthread_t thread, slow;
    uint16_t port;
    atomic_uint requests, gone, closed, drained;
    struct tl_http_call *held;
    struct tl_http_stream *stream;
    char detail[256];
} scene;

static struct tl_blob *blob_of(const char *text)
{
    return tl_blob_copy(tl_sv_from(text));
}

static void on_gone(struct tl_http_call *call)
{
    (void)call;
    atomic_fetch_add(&scene.gone, 1);
}

static void answer_held(void *ctx)
{
    (void)ctx;
    tl_http_answer(scene.held, 200, TL_SV("Content-Type: text/plain\r\n"), blob_of("late"));
}

static void *slow_main(void *arg)
{
    (void)arg;
    tl_clock_sleep_ms(100);
    cr_assert(tl_http_server_call(scene.server, answer_held, NULL));
    return NULL;
}

static void answer_echo(struct tl_http_call *call)
{
    char *text = NULL;
    struct tl_sv given = tl_http_call_header(call, "x-given");

    cr_assert_gt(asprintf(&text, "%.*s|%.*s|%.*s|%.*s|%.*s", TL_SV_ARG(call->method), TL_SV_ARG(call->path),
                          TL_SV_ARG(call->query), TL_SV_ARG(given), TL_SV_ARG(call->body)),
                 0);
    tl_http_answer(call, 200, TL_SV("Content-Type: text/plain\r\n"), blob_of(text));
    free(text);
}

static void on_request(void *ctx, struct tl_http_call *call)
{
    cr_assert_eq(ctx, &scene);
    atomic_fetch_add(&scene.requests, 1);
    if (tl_sv_eq(call->path, TL_SV("/held"))) {
        scene.held = call;
        call->gone = on_gone;
        pthread_create(&scene.slow, NULL, slow_main, NULL);
    } else if (tl_sv_eq(call->path, TL_SV("/not_modified"))) {
        tl_http_answer(call, 304, TL_SV("ETag: \"1\"\r\n"), NULL);
    } else if (tl_sv_eq(call->path, TL_SV("/problem"))) {
        tl_http_answer_problem(call, 404, TL_SV("X-More: 1\r\n"), "There is no \"such\" view.");
    } else {
        answer_echo(call);
    }
}

static void *thread_main(void *arg)
{
    (void)arg;
    tl_http_server_run(scene.server);
    return NULL;
}

static void start(void)
{
    struct tl_err err;

    cr_assert_eq(tl_http_server_open(&scene.config, &scene.server, &err), TL_OK, "%s", err.message);
    scene.port = tl_http_server_listen(scene.server)->port;
    cr_assert_eq(pthread_create(&scene.thread, NULL, thread_main, NULL), 0);
}

static void open_scene(void)
{
    memset(&scene, 0, sizeof scene);
    scene.config = (struct tl_http_server_config){
        .listen = {.host = "127.0.0.1"},
        .limits = { .head_bytes_max = 4096,
                   .body_bytes_max = 1000,
                   .connections_max = 100,
                   .head_ms = 5000,
                   .idle_ms = 5000,
                   .body_ms = 5000,
                   .write_ms = 5000},
        .request = on_request,
        .ctx = &scene
    };
}

static void close_scene(void)
{
    if (scene.server == NULL)
        return;
    tl_http_server_stop(scene.server, 2000);
    pthread_join(scene.thread, NULL);
    tl_http_server_close(scene.server);
    scene.server = NULL;
}

TestSuite(http_server, .init = open_scene, .fini = close_scene, .timeout = 60);

static void expect(struct wire *wire, int status, const char *body)
{
    struct wire_body got = wire_answer(wire);

    cr_assert_eq(wire->status, status, "%d: %s", wire->status, wire->head);
    cr_assert_str_eq(got.begins, body);
    cr_assert(got.whole);
}

Test(http_server, requests_on_one_connection)
{
    struct wire wire;

    start();
    wire_open(&wire, scene.port);
    for (int i = 0; i < 3; i++) {
        wire_say(&wire, "GET /a/%%20b?x=1&y=? HTTP/1.1\r\nHost: x\r\nX-Given: %d\r\n\r\n", i);
        expect(&wire, 200, i == 0 ? "GET|/a/%20b|x=1&y=?|0|" : i == 1 ? "GET|/a/%20b|x=1&y=?|1|" : "GET|/a/%20b|x=1&y=?|2|");
        cr_assert_not_null(wire_header(&wire, "date"));
        cr_assert_null(wire_header(&wire, "server"));
        cr_assert_null(wire_header(&wire, "connection"));
    }
    wire_say(&wire, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(&wire, 200, "GET|/|||");
    cr_assert_str_eq(wire_header(&wire, "connection"), "close");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
}

/* Asked ahead of their turn, and the first takes time: answered in order. */
Test(http_server, pipelined)
{
    struct wire wire;

    start();
    wire_open(&wire, scene.port);
    wire_say(&wire, "GET /held HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /c "
                    "HTTP/1.1\r\nHost: x\r\n\r\nGET "
                    "/d HTTP/1.1\r\nHo");
    expect(&wire, 200, "late");
    expect(&wire, 200, "POST|/b|||abc");
    expect(&wire, 200, "GET|/c|||");
    wire_say(&wire, "st: x\r\n\r\n");
    expect(&wire, 200, "GET|/d|||");
    wire_close(&wire);
    pthread_join(scene.slow, NULL);
}
