/* http_server_test.c: the HTTP server over the loopback: what clients send in whatever pieces, or do not, and what they get. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "net/http_connection.h"
#include "support/http_get.h"
#include "support/http_scene.h"
#include "support/run.h"
#include "support/wire.h"

enum { LARGE = 3000000 };

/* What was asked, and what is still to be answered. */
static struct {
    struct http_scene http;
    struct tl_http_server_config config;
    atomic_uint requests, gone, closed, drained, reloaded, reload_failed;
    struct tl_http_call *held;
    struct tl_http_stream *stream;
    struct tl_blob *large;
    char dir[RUN_DIR_BYTES];
} scene;

static void on_gone(struct tl_http_call *call)
{
    (void)call;
    atomic_fetch_add(&scene.gone, 1);
}

static void on_drained(struct tl_http_stream *stream, void *ctx)
{
    cr_assert(stream == scene.stream && ctx == &scene);
    atomic_fetch_add(&scene.drained, 1);
}

static void on_closed(struct tl_http_stream *stream, void *ctx)
{
    cr_assert(stream == scene.stream && ctx == &scene);
    scene.stream = NULL;
    atomic_fetch_add(&scene.closed, 1);
}

static void answer_echo(struct tl_http_call *call)
{
    char *text = NULL;
    struct tl_sv given = tl_http_call_header(call, "x-given");

    cr_assert_gt(asprintf(&text, "%.*s|%.*s|%.*s|%.*s|%.*s", TL_SV_ARG(call->method), TL_SV_ARG(call->path),
                          TL_SV_ARG(call->query), TL_SV_ARG(given), TL_SV_ARG(call->body)),
                 0);
    tl_http_answer(call, 200, TL_SV("Content-Type: text/plain\r\n"), http_scene_blob(text));
    free(text);
}

static void on_request(void *ctx, struct tl_http_call *call)
{
    static const struct tl_http_stream_calls calls = {.drained = on_drained, .closed = on_closed};

    cr_assert_eq(ctx, &scene);
    if (tl_sv_eq(call->path, TL_SV("/held"))) {
        scene.held = call;
        call->gone = on_gone;
    } else if (tl_sv_eq(call->path, TL_SV("/not_modified"))) {
        tl_http_answer(call, 304, TL_SV("ETag: \"1\"\r\n"), NULL);
    } else if (tl_sv_eq(call->path, TL_SV("/problem"))) {
        tl_http_answer_problem(call, 404, TL_SV("X-More: 1\r\n"), "There is no \"such\" view.");
    } else if (tl_sv_eq(call->path, TL_SV("/large"))) {
        tl_http_answer(call, 200, TL_SV(""), tl_blob_hold(scene.large));
    } else if (tl_sv_eq(call->path, TL_SV("/stream"))) {
        scene.stream = tl_http_answer_stream(call, 200, TL_SV("Content-Type: text/event-stream\r\n"), &calls, &scene);
    } else {
        answer_echo(call);
    }
    atomic_fetch_add(&scene.requests, 1);
}

static void on_reloaded(void *ctx, const struct tl_err *err)
{
    cr_assert_eq(ctx, &scene);
    atomic_fetch_add(err == NULL ? &scene.reloaded : &scene.reload_failed, 1);
}

static void open_scene(void)
{
    memset(&scene, 0, sizeof scene);
    scene.config = http_scene_config(on_request, &scene);
    scene.config.reloaded = on_reloaded;
}

static void close_scene(void)
{
    http_scene_close(&scene.http);
    if (scene.large != NULL)
        cr_assert_eq(atomic_load(&scene.large->refs), 1u);
    tl_blob_drop(scene.large);
    if (scene.dir[0] != '\0')
        run_folder_remove(scene.dir);
}

TestSuite(http_server, .init = open_scene, .fini = close_scene, .timeout = 60);

static void start(void)
{
    http_scene_start(&scene.http, &scene.config);
}

static void open_client(struct wire *wire)
{
    wire_open(wire, scene.http.port);
}

static void expect(struct wire *wire, int status, const char *body)
{
    struct wire_body got = wire_answer(wire);

    cr_assert_eq(wire->status, status, "%d: %s", wire->status, wire->head);
    cr_assert_str_eq(got.begins, body);
    cr_assert(got.whole);
}

static void get(struct wire *wire, const char *path)
{
    cr_assert(wire_say(wire, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path));
}

static void answer_held_now(void *ctx)
{
    tl_http_answer(scene.held, 200, TL_SV("Content-Type: text/plain\r\n"), http_scene_blob(ctx));
    scene.held = NULL;
}

static void answer_held(const char *text)
{
    http_scene_call(&scene.http, answer_held_now, (void *)(uintptr_t)text);
}

static void end_stream_now(void *ctx)
{
    (void)ctx;
    tl_http_stream_end(scene.stream);
    scene.stream = NULL;
}

static const char *path(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", scene.dir, name);
    return out;
}

/* ---- requests and answers ---- */

Test(http_server, requests_on_one_connection)
{
    struct wire wire;

    start();
    open_client(&wire);
    for (int i = 0; i < 3; i++) {
        wire_say(&wire, "GET /a/%%20b?x=1&y=? HTTP/1.1\r\nHost: x\r\nX-Given: %d\r\n\r\n", i);
        expect(&wire, 200, i == 0 ? "GET|/a/%20b|x=1&y=?|0|" : i == 1 ? "GET|/a/%20b|x=1&y=?|1|" : "GET|/a/%20b|x=1&y=?|2|");
        cr_assert_eq(strlen(wire_header(&wire, "date")), sizeof "Sun, 06 Nov 1994 08:49:37 GMT" - 1);
        cr_assert_null(wire_header(&wire, "server"));
        cr_assert_null(wire_header(&wire, "connection"));
    }
    wire_say(&wire, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(&wire, 200, "GET|/|||");
    cr_assert_str_eq(wire_header(&wire, "connection"), "close");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert(http_scene_has(&scene.http, 0));
}

Test(http_server, http_1_0)
{
    struct wire wire;

    start();
    open_client(&wire);
    wire_say(&wire, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(&wire, 200, "GET|/a|||");
    cr_assert_str_eq(wire_header(&wire, "connection"), "keep-alive");
    wire_say(&wire, "GET /b HTTP/1.0\r\n\r\n");
    expect(&wire, 200, "GET|/b|||");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
}

/* Asked ahead of their turn, and the first takes time: answered in order. */
Test(http_server, pipelined)
{
    struct wire wire;

    start();
    open_client(&wire);
    wire_say(&wire, "GET /held HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                    "GET /c HTTP/1.1\r\nHost: x\r\n\r\nGET /d HTTP/1.1\r\nHo");
    cr_assert(http_scene_counts(&scene.requests, 1));
    cr_assert(wire_is_quiet(&wire, 100));
    cr_assert_eq(atomic_load(&scene.requests), 1u);
    answer_held("late");
    expect(&wire, 200, "late");
    expect(&wire, 200, "POST|/b|||abc");
    expect(&wire, 200, "GET|/c|||");
    wire_say(&wire, "st: x\r\n\r\n");
    expect(&wire, 200, "GET|/d|||");
    wire_close(&wire);
}

Test(http_server, byte_by_byte)
{
    static const char request[] =
        "POST /a?b HTTP/1.1\r\nHost: x\r\nX-Given: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct wire wire;

    start();
    open_client(&wire);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof request - 1; i++)
            cr_assert(wire_send(&wire, request + i, 1));
        expect(&wire, 200, "POST|/a|b|1|abcde");
    }
    wire_close(&wire);
}

Test(http_server, without_a_body)
{
    struct wire wire;

    start();
    open_client(&wire);
    wire_say(&wire, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_str_eq(wire_header(&wire, "content-length"), "10");
    get(&wire, "/not_modified");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 304);
    cr_assert_null(wire_header(&wire, "content-length"));
    cr_assert_str_eq(wire_header(&wire, "etag"), "\"1\"");
    wire_say(&wire, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 200);
    get(&wire, "/b");
    expect(&wire, 200, "GET|/b|||");
    wire_close(&wire);
}

Test(http_server, a_problem)
{
    struct wire wire;

    start();
    open_client(&wire);
    get(&wire, "/problem");
    expect(&wire, 404,
           "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"There is no \\\"such\\\" view.\"}\n");
    cr_assert_str_eq(wire_header(&wire, "content-type"), "application/problem+json");
    cr_assert_str_eq(wire_header(&wire, "x-more"), "1");
    wire_close(&wire);
}

Test(http_server, word_before_a_body)
{
    struct wire wire;

    start();
    open_client(&wire);
    wire_say(&wire, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 100);
    wire_say(&wire, "abc");
    expect(&wire, 200, "POST|/a|||abc");
    wire_say(&wire,
             "POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"); /* does not wait for it */
    expect(&wire, 200, "POST|/b|||abc");
    wire_say(&wire, "POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 413);
    wire_close(&wire);
}

/* ---- what is refused ---- */

struct refusal {
    char name[32], request[200];
    int status;
};

ParameterizedTestParameters(http_server, refused)
{
    static struct refusal refusals[] = {
        {"no request",      "hello\r\n\r\n",                                                                         400},
        {"no host",         "GET / HTTP/1.1\r\n\r\n",                                                                400},
        {"both lengths",    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"another version", "GET / HTTP/3.0\r\nHost: x\r\n\r\n",                                                     505},
        {"another coding",  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",                         501},
        {"a large body",    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n",                            413},
        {"a large chunk",   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%chunk",                413},
        {"a bad chunk",     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",               400},
        {"a large head",    "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %head",                                           431},
    };

    return cr_make_param_array(struct refusal, refusals, sizeof refusals / sizeof *refusals);
}

static void send_filled(struct wire *wire, const char *text)
{
    const char *percent = strchr(text, '%');
    char filler[5000];

    wire_send(wire, text, percent != NULL ? (size_t)(percent - text) : strlen(text));
    memset(filler, 'a', sizeof filler);
    if (percent != NULL && strcmp(percent, "%chunk") == 0)
        wire_say(wire, "3e9\r\n%.1001s\r\n", filler);
    else if (percent != NULL)
        wire_send(wire, filler, sizeof filler);
}

/* With a problem, and the end: nobody knows what the bytes behind it are. */
ParameterizedTest(struct refusal *refusal, http_server, refused)
{
    struct wire wire;
    struct wire_body body;

    start();
    open_client(&wire);
    send_filled(&wire, refusal->request);
    body = wire_answer(&wire);
    cr_assert_eq(wire.status, refusal->status, "%s: %d %s", refusal->name, wire.status, body.begins);
    cr_assert_str_eq(wire_header(&wire, "content-type"), "application/problem+json");
    cr_assert_str_eq(wire_header(&wire, "connection"), "close");
    cr_assert(body.whole && strstr(body.begins, "\"detail\":\"") != NULL);
    cr_assert(wire_ended(&wire) && !wire.reset);
    wire_close(&wire);
    cr_assert_eq(atomic_load(&scene.requests), 0u);
    cr_assert(http_scene_has(&scene.http, 0));
}

/* ---- time ---- */

Test(http_server, deadlines)
{
    struct wire silent, begun, body, idle;
    int64_t started_ms = tl_clock_monotonic_ms();

    scene.config.limits.head_ms = 1000;
    scene.config.limits.body_ms = 1100;
    scene.config.limits.idle_ms = 1600;
    start();
    open_client(&silent);
    open_client(&begun);
    open_client(&body);
    open_client(&idle);
    wire_say(&begun, "GET / HT");
    wire_say(&body, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
    get(&idle, "/");
    expect(&idle, 200, "GET|/|||");
    cr_assert(wire_ended(&silent) && !silent.reset);
    wire_answer(&begun);
    cr_assert_eq(begun.status, 408);
    cr_assert(wire_ended(&begun));
    wire_answer(&body);
    cr_assert_eq(body.status, 408);
    cr_assert(wire_ended(&body));
    cr_assert_geq(tl_clock_monotonic_ms() - started_ms, 1090);
    cr_assert(wire_ended(&idle) && !idle.reset);
    cr_assert_geq(tl_clock_monotonic_ms() - started_ms, 1590);
    wire_close(&silent);
    wire_close(&begun);
    wire_close(&body);
    wire_close(&idle);
}

static void make_large(void)
{
    scene.large = tl_blob_make(LARGE);
    cr_assert_not_null(scene.large);
    for (size_t i = 0; i < LARGE; i++)
        scene.large->data[i] = (char)(i * 31 + i / 256);
}

static void small_buffer(struct wire *wire)
{
    int few = 20000;

    setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
}

static size_t read_large(struct wire *wire, size_t at, size_t size)
{
    char bytes[30000];
    size_t got = wire_read(wire, bytes, size < sizeof bytes ? size : sizeof bytes);

    for (size_t i = 0; i < got; i++)
        if (bytes[i] != scene.large->data[at + i])
            cr_assert_fail("another byte at %zu", at + i);
    return got;
}

/* Who takes it slowly gets all of it; who takes nothing is cut. The bytes are nobody's own. */
Test(http_server, slow_readers)
{
    struct wire slow, dead;
    size_t at = 0;

    scene.config.limits.write_ms = 1500;
    make_large();
    start();
    open_client(&slow);
    open_client(&dead);
    small_buffer(&slow);
    small_buffer(&dead);
    get(&dead, "/large");
    wire_say(&slow, "GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(wire_head(&slow));
    for (int i = 0; i < 20; i++) { /* slowly, for longer than write_ms */
        at += read_large(&slow, at, 15000);
        tl_clock_sleep_ms(100);
    }
    while (at < LARGE)
        at += read_large(&slow, at, LARGE - at);
    expect(&slow, 200, "GET|/b|||");
    cr_assert(http_scene_has(&scene.http, 1));
    while (wire_read(&dead, (char[30000]){0}, 30000) > 0) {}
    cr_assert(dead.reset);
    wire_close(&slow);
    wire_close(&dead);
}

static void look_at_what_waits(void *ctx)
{
    struct tl_http_connection *connection = scene.http.server->connections;

    cr_assert_not_null(connection);
    *(size_t *)ctx = connection->in.size;
}

/* Whoever asks and asks before there is an answer is not read any more. */
Test(http_server, no_more_is_read_than_has_its_turn)
{
    static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t waits = 0, sent = 0;
    struct wire wire;

    start();
    open_client(&wire);
    get(&wire, "/held");
    cr_assert(http_scene_counts(&scene.requests, 1));
    for (int quiet = 0; quiet < 20 && sent < 100000;) {
        bool goes = send(wire.fd, request, sizeof request - 1, MSG_DONTWAIT) == sizeof request - 1;

        sent += goes;
        quiet = goes ? 0 : quiet + 1;
        if (!goes)
            tl_clock_sleep_ms(10);
    }
    http_scene_call(&scene.http, look_at_what_waits, &waits);
    cr_assert_leq(waits, 130000u, "%zu of %zu", waits, sent * (sizeof request - 1));
    wire_close(&wire);
    answer_held("late");
}

static void send_many_now(void *ctx)
{
    const unsigned *at = ctx;
    char text[3000];

    for (unsigned i = *at; i < *at + 200; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof text);
        cr_assert(tl_http_stream_send(scene.stream, tl_blob_copy((struct tl_sv){text, i * 37 % sizeof text})));
    }
}

/* Many pieces wait, more come, and the first are tried again: with TLS what is tried again must be what was tried. */
Test(http_server, many_pieces_over_tls)
{
    char certificate[256], key[256], text[3000];
    XXH3_state_t *state = XXH3_createState();
    struct wire_body body;
    struct wire wire;

    run_folder_make(scene.dir);
    wire_certificate(scene.dir, "now", "one.test");
    scene.config.certificate = path(certificate, "now.pem");
    scene.config.key = path(key, "now.key");
    start();
    cr_assert(wire_open_tls(&wire, scene.http.port, certificate, "one.test"));
    small_buffer(&wire);
    get(&wire, "/stream");
    cr_assert(wire_head(&wire));
    XXH3_64bits_reset(state);
    for (unsigned at = 0; at < 4000; at += 200) {
        http_scene_call(&scene.http, send_many_now, &at);
        for (unsigned i = at; i < at + 200; i++) {
            memset(text, 'a' + (int)(i % 26), sizeof text);
            XXH3_64bits_update(state, text, i * 37 % sizeof text);
        }
        tl_clock_sleep_ms(5);
    }
    http_scene_call(&scene.http, end_stream_now, NULL);
    body = wire_body(&wire, false);
    cr_assert(body.whole);
    cr_assert_eq(body.hash, XXH3_64bits_digest(state));
    XXH3_freeState(state);
    wire_close(&wire);
}

/* ---- how many ---- */

Test(http_server, connections_of_one_address)
{
    struct wire wires[3], more;

    scene.config.limits.connections_per_address = 3;
    start();
    for (size_t w = 0; w < 3; w++) {
        open_client(&wires[w]);
        get(&wires[w], "/");
        expect(&wires[w], 200, "GET|/|||");
    }
    open_client(&more);
    cr_assert(wire_ended(&more));
    wire_close(&more);
    wire_close(&wires[0]);
    cr_assert(http_scene_has(&scene.http, 2));
    open_client(&more);
    get(&more, "/");
    expect(&more, 200, "GET|/|||");
    wire_close(&more);
    wire_close(&wires[1]);
    wire_close(&wires[2]);
}

/* Who has been idle for longest makes room; where nobody is idle, the next waits at the door. */
Test(http_server, more_than_there_is_room_for)
{
    struct wire idle, busy, next, last;
    int64_t started_ms;

    scene.config.limits.connections_max = 2;
    start();
    open_client(&idle);
    get(&idle, "/");
    expect(&idle, 200, "GET|/|||");
    open_client(&busy);
    get(&busy, "/held");
    cr_assert(http_scene_counts(&scene.requests, 2));
    started_ms = tl_clock_monotonic_ms();
    open_client(&next);
    get(&next, "/stream");
    cr_assert(wire_ended(&idle));
    cr_assert_lt(tl_clock_monotonic_ms() - started_ms, 2000);
    cr_assert(wire_head(&next));
    open_client(&last);
    get(&last, "/last");
    cr_assert(wire_is_quiet(&last, 150));
    answer_held("now");
    expect(&busy, 200, "now");
    expect(&last, 200, "GET|/last|||");
    wire_close(&idle);
    wire_close(&busy);
    wire_close(&next);
    wire_close(&last);
    cr_assert(http_scene_counts(&scene.closed, 1));
}

/* ---- who goes ---- */

Test(http_server, gone_before_the_answer)
{
    struct wire wire;

    start();
    open_client(&wire);
    get(&wire, "/held");
    cr_assert(http_scene_counts(&scene.requests, 1));
    wire_cut(&wire);
    cr_assert(http_scene_counts(&scene.gone, 1));
    cr_assert(http_scene_has(&scene.http, 0));
    answer_held("to nobody");

    open_client(&wire); /* one that may still listen */
    get(&wire, "/held");
    cr_assert(http_scene_counts(&scene.requests, 2));
    wire_half_close(&wire);
    cr_assert(http_scene_counts(&scene.gone, 2));
    answer_held("to whom it may concern");
    expect(&wire, 200, "to whom it may concern");
    cr_assert_str_eq(wire_header(&wire, "connection"), "close");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert_eq(atomic_load(&scene.gone), 2u);
}

/* ---- streams ---- */

static void send_piece_now(void *ctx)
{
    cr_assert(tl_http_stream_send(scene.stream, ctx));
}

static void send_piece(const char *text)
{
    http_scene_call(&scene.http, send_piece_now, http_scene_blob(text));
}

Test(http_server, a_stream)
{
    struct wire wire;
    char bytes[64] = {0};

    start();
    open_client(&wire);
    get(&wire, "/stream");
    cr_assert(wire_head(&wire));
    cr_assert_str_eq(wire_header(&wire, "transfer-encoding"), "chunked");
    cr_assert_str_eq(wire_header(&wire, "content-type"), "text/event-stream");
    cr_assert_null(wire_header(&wire, "content-length"));
    cr_assert(http_scene_counts(&scene.requests, 1));
    send_piece("data: 1\n\n");
    cr_assert(wire_read_all(&wire, bytes, 14));
    cr_assert_str_eq(bytes, "9\r\ndata: 1\n\n\r\n");
    send_piece("");
    send_piece("twelve bytes");
    get(&wire, "/after"); /* its turn comes */
    http_scene_call(&scene.http, end_stream_now, NULL);
    memset(bytes, 0, sizeof bytes);
    cr_assert(wire_read_all(&wire, bytes, 22));
    cr_assert_str_eq(bytes, "c\r\ntwelve bytes\r\n0\r\n\r\n");
    expect(&wire, 200, "GET|/after|||");
    wire_close(&wire);
    cr_assert_eq(atomic_load(&scene.closed), 0u);
}

/* Without chunks there is no other end than the connection's. */
Test(http_server, a_stream_for_http_1_0)
{
    struct wire wire;
    char bytes[64] = {0};

    start();
    open_client(&wire);
    wire_say(&wire, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_null(wire_header(&wire, "transfer-encoding"));
    cr_assert_str_eq(wire_header(&wire, "connection"), "close");
    cr_assert(http_scene_counts(&scene.requests, 1));
    send_piece("data: 1\n\n");
    cr_assert(wire_read_all(&wire, bytes, 9));
    http_scene_call(&scene.http, end_stream_now, NULL);
    cr_assert(wire_ended(&wire) && !wire.reset);
    wire_close(&wire);
}

static void send_large_now(void *ctx)
{
    (void)ctx;
    cr_assert(tl_http_stream_send(scene.stream, tl_blob_hold(scene.large)));
    cr_assert_gt(tl_http_stream_pending(scene.stream), 100000u);
}

Test(http_server, a_stream_whose_client_is_slow_or_goes)
{
    struct wire wire;
    struct wire_body body;

    make_large();
    start();
    open_client(&wire);
    small_buffer(&wire);
    get(&wire, "/stream");
    cr_assert(wire_head(&wire));
    cr_assert(http_scene_counts(&scene.requests, 1));
    http_scene_call(&scene.http, send_large_now, NULL);
    cr_assert_eq(atomic_load(&scene.drained), 0u);
    cr_assert(wire_is_quiet(&wire, 0) == false);
    for (size_t at = 0; at < LARGE;)
        at += wire_read(&wire, (char[30000]){0}, 30000);
    cr_assert(http_scene_counts(&scene.drained, 1));
    http_scene_call(&scene.http, send_large_now, NULL);
    wire_cut(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert(http_scene_has(&scene.http, 0));

    open_client(&wire); /* and one that ends properly */
    get(&wire, "/stream");
    cr_assert(wire_head(&wire));
    cr_assert(http_scene_counts(&scene.requests, 2));
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 2));

    open_client(&wire); /* the server goes */
    get(&wire, "/stream");
    cr_assert(wire_head(&wire));
    cr_assert(http_scene_counts(&scene.requests, 3));
    send_piece("last words");
    http_scene_stop(&scene.http, 2000);
    body = wire_body(&wire, false);
    cr_assert(body.whole);
    cr_assert_str_eq(body.begins, "last words");
    cr_assert_eq(atomic_load(&scene.closed), 3u);
    wire_close(&wire);
}

/* ---- the end ---- */

static void *answer_soon(void *arg)
{
    (void)arg;
    tl_clock_sleep_ms(300);
    answer_held("at last");
    return NULL;
}

Test(http_server, drains)
{
    struct wire idle, busy;
    int64_t started_ms;
    pthread_t soon;

    start();
    open_client(&idle);
    get(&idle, "/");
    expect(&idle, 200, "GET|/|||");
    open_client(&busy);
    get(&busy, "/held");
    cr_assert(http_scene_counts(&scene.requests, 2));
    pthread_create(&soon, NULL, answer_soon, NULL);
    started_ms = tl_clock_monotonic_ms();
    tl_http_server_stop(scene.http.server, 5000);
    cr_assert(wire_ended(&idle));
    cr_assert_lt(tl_clock_monotonic_ms() - started_ms, 2000);
    cr_assert_eq(http_connect(scene.http.port), -1);
    expect(&busy, 200, "at last");
    cr_assert_str_eq(wire_header(&busy, "connection"), "close");
    wire_close(&idle);
    wire_close(&busy);
    http_scene_stop(&scene.http, 5000);
    pthread_join(soon, NULL);
}

static void note(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

/* What is handed over when nobody runs any more is not lost. */
Test(http_server, drains_for_no_longer_than_it_may)
{
    struct wire busy;
    int64_t started_ms;

    start();
    open_client(&busy);
    get(&busy, "/held");
    cr_assert(http_scene_counts(&scene.requests, 1));
    started_ms = tl_clock_monotonic_ms();
    http_scene_stop(&scene.http, 200);
    cr_assert_lt(tl_clock_monotonic_ms() - started_ms, 2000);
    cr_assert_eq(atomic_load(&scene.gone), 1u);
    cr_assert(wire_ended(&busy));
    wire_close(&busy);
    answer_held_now((void *)(uintptr_t) "to nobody");
    cr_assert(tl_http_server_call(scene.http.server, note, &scene.closed));
    http_scene_close(&scene.http);
    cr_assert_eq(atomic_load(&scene.closed), 1u);
}

/* ---- TLS ---- */

static void expect_tls(const char *ca, const char *name, bool fine)
{
    struct wire wire;
    char file[256];

    cr_assert_eq(wire_open_tls(&wire, scene.http.port, path(file, ca), name), fine, "%s", name);
    if (fine) {
        get(&wire, "/");
        expect(&wire, 200, "GET|/|||");
        cr_assert(wire_say(&wire, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        expect(&wire, 200, "GET|/|||");
        cr_assert(wire_ended(&wire) && !wire.reset);
    }
    wire_close(&wire);
}

static void copy(const char *from, const char *to)
{
    char command[600];

    snprintf(command, sizeof command, "cd '%s' && cp %s %s.new && mv %s.new %s", scene.dir, from, to, to, to);
    cr_assert_eq(system(command), 0);
}

Test(http_server, tls_with_a_certificate_that_changes)
{
    char certificate[256], key[256];
    struct wire wire;
    size_t at = 0;

    run_folder_make(scene.dir);
    wire_certificate(scene.dir, "first", "one.test");
    wire_certificate(scene.dir, "second", "two.test");
    copy("first.pem", "now.pem");
    copy("first.key", "now.key");
    scene.config.certificate = path(certificate, "now.pem");
    scene.config.key = path(key, "now.key");
    make_large();
    start();
    expect_tls("first.pem", "one.test", true);
    expect_tls("second.pem", "two.test", false);
    cr_assert(wire_open_tls(&wire, scene.http.port, certificate, "one.test"));
    copy("second.pem", "now.pem"); /* without its key: the one before stays, and it is told once */
    tl_http_server_reload(scene.http.server);
    cr_assert(http_scene_counts(&scene.reload_failed, 1));
    expect_tls("first.pem", "one.test", true);
    copy("second.key", "now.key"); /* and now it is seen by itself */
    cr_assert(http_scene_counts(&scene.reloaded, 1));
    expect_tls("second.pem", "two.test", true);
    expect_tls("first.pem", "one.test", false);
    small_buffer(&wire); /* who is here already stays */
    get(&wire, "/large");
    cr_assert(wire_head(&wire));
    tl_clock_sleep_ms(200);
    while (at < LARGE)
        at += read_large(&wire, at, LARGE - at);
    get(&wire, "/");
    expect(&wire, 200, "GET|/|||");
    wire_close(&wire);
    cr_assert_eq(atomic_load(&scene.reloaded), 1u);
    cr_assert_leq(atomic_load(&scene.reload_failed), 2u);
}

Test(http_server, no_certificate)
{
    struct tl_http_server *server;
    struct tl_err err;

    scene.config.certificate = "/nowhere/a.pem";
    scene.config.key = "/nowhere/a.key";
    cr_assert_eq(tl_http_server_open(&scene.config, &server, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "/nowhere/a.pem"));
}
