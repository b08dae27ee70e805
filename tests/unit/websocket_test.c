/* websocket_test.c: WebSockets over the loopback: handshakes, what clients may not send, ends, silence, and frames that many share. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/http_connection.h"
#include "net/websocket.h"
#include "support/http_scene.h"
#include "support/wire.h"

enum {
    CLIENTS = 20,
    MESSAGE_BYTES_MAX = 70000,
    LARGE = 12000000,
    TEXT = 0x81,
    BINARY = 0x82,
    CLOSE = 0x88,
    PING = 0x89,
    PONG = 0x8a
};

static struct {
    struct http_scene http;
    struct tl_http_server_config config;
    struct tl_websocket_limits limits;
    struct tl_websocket *all[CLIENTS]; /* in the order they came */
    atomic_uint opened, closed, taken, drained, texts, code;
    struct tl_blob *frame;
    bool ends_within; /* at a text */
} scene;

/* ---- the server ---- */

static void on_text(struct tl_websocket *ws, struct tl_sv text, void *ctx)
{
    cr_assert_eq(ctx, &scene);
    if (scene.ends_within)
        tl_websocket_end(ws, 4001, "enough");
    cr_assert_eq(tl_websocket_send(ws, text), !scene.ends_within);
    atomic_fetch_add(&scene.texts, 1);
}

static void on_taken(struct tl_websocket *ws, void *ctx)
{
    (void)ctx;
    cr_assert_gt(tl_websocket_pending(ws), 0u);
    atomic_fetch_add(&scene.taken, 1);
}

static void on_drained(struct tl_websocket *ws, void *ctx)
{
    (void)ws;
    (void)ctx;
    atomic_fetch_add(&scene.drained, 1);
}

static void on_closed(struct tl_websocket *ws, unsigned code, void *ctx)
{
    (void)ws;
    cr_assert_eq(ctx, &scene);
    atomic_store(&scene.code, code);
    atomic_fetch_add(&scene.closed, 1);
}

static void on_request(void *ctx, struct tl_http_call *call)
{
    static const struct tl_websocket_calls calls = {
        .text = on_text, .taken = on_taken, .drained = on_drained, .closed = on_closed};
    int status = tl_websocket_wanted(call);
    unsigned number = atomic_load(&scene.opened);

    if (status != 101) {
        tl_http_answer_problem(call, status, status == 426 ? TL_WEBSOCKET_UPGRADE_HEADERS : TL_SV(""), "no handshake");
        return;
    }
    cr_assert_lt(number, (unsigned)CLIENTS);
    scene.all[number] = tl_websocket_accept(call, &scene.limits, &calls, ctx);
    cr_assert_not_null(scene.all[number]);
    atomic_fetch_add(&scene.opened, 1);
}

static void open_scene(void)
{
    memset(&scene, 0, sizeof scene);
    scene.config = http_scene_config(on_request, &scene);
    scene.limits = (struct tl_websocket_limits){MESSAGE_BYTES_MAX, 5000, 5000};
}

static void close_scene(void)
{
    http_scene_close(&scene.http);
    cr_assert_eq(atomic_load(&scene.closed), atomic_load(&scene.opened)); /* each once */
    if (scene.frame != NULL)
        cr_assert_eq(atomic_load(&scene.frame->refs), 1u);
    tl_blob_drop(scene.frame);
}

TestSuite(websocket, .init = open_scene, .fini = close_scene, .timeout = 60);

static void start(void)
{
    http_scene_start(&scene.http, &scene.config);
}

/* ---- a client ---- */

static const char handshake[] = "GET /live HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void read_handshake(struct wire *wire)
{
    cr_assert(wire_head(wire));
    cr_assert_eq(wire->status, 101, "%s", wire->head);
    cr_assert_str_eq(wire_header(wire, "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455, 1.3 */
    cr_assert_str_eq(wire_header(wire, "upgrade"), "websocket");
    cr_assert_str_eq(wire_header(wire, "connection"), "Upgrade");
    cr_assert_null(wire_header(wire, "content-length"));
}

static void open_client(struct wire *wire)
{
    unsigned before = atomic_load(&scene.opened);

    wire_open(wire, scene.http.port);
    wire_say(wire, "%s", handshake);
    read_handshake(wire);
    cr_assert(http_scene_counts(&scene.opened, before + 1));
}

/* Masked, as clients do it. */
static void put_frame(struct tl_buf *out, unsigned first, struct tl_sv payload)
{
    static const char mask[4] = {1, 2, 3, 4};

    tl_buf_put_u8(out, (uint8_t)first);
    tl_buf_put_u8(out, (uint8_t)(0x80 | (payload.size < 126 ? payload.size : payload.size < 65536 ? 126 : 127)));
    for (int shift = payload.size < 65536 ? 8 : 56; payload.size >= 126 && shift >= 0; shift -= 8)
        tl_buf_put_u8(out, (uint8_t)(payload.size >> shift));
    tl_buf_put(out, mask, sizeof mask);
    for (size_t i = 0; i < payload.size; i++)
        tl_buf_put_u8(out, (uint8_t)(payload.data[i] ^ mask[i % 4]));
}

static bool send_frame(struct wire *wire, unsigned first, struct tl_sv payload)
{
    struct tl_buf out;
    bool fine;

    tl_buf_init(&out, 0);
    put_frame(&out, first, payload);
    fine = wire_send(wire, out.data, out.size);
    tl_buf_done(&out);
    return fine;
}

static bool send_text(struct wire *wire, const char *text)
{
    return send_frame(wire, TEXT, tl_sv_from(text));
}

/* The first byte of the next frame, 0 at the end; its payload, zero-terminated. */
static unsigned read_frame(struct wire *wire, struct tl_buf *payload)
{
    unsigned char head[2] = {0}, more[8];
    size_t size, more_count;

    tl_buf_clear(payload);
    if (!wire_read_all(wire, head, 2))
        return 0;
    cr_assert_eq(head[1] & 0x80, 0, "masked");
    size = head[1];
    more_count = size == 126 ? 2 : size == 127 ? 8 : 0;
    cr_assert(wire_read_all(wire, more, more_count));
    for (size_t i = 0; i < more_count; i++)
        size = (i == 0 ? 0 : size << 8) + more[i];
    cr_assert(wire_read_all(wire, tl_buf_reserve(payload, size + 1), size));
    payload->size = size;
    payload->data[size] = '\0';
    return head[0];
}

static void expect_frame(struct wire *wire, unsigned first, const char *payload)
{
    struct tl_buf got;

    tl_buf_init(&got, 0);
    cr_assert_eq(read_frame(wire, &got), first);
    cr_assert_str_eq(got.data, payload);
    tl_buf_done(&got);
}

static unsigned code_of(const struct tl_buf *payload)
{
    return payload->size < 2 ? 0 : (unsigned)(unsigned char)payload->data[0] << 8 | (unsigned char)payload->data[1];
}

/* A close with that code, and then the end; and that is what the server is told. */
static void expect_close(struct wire *wire, unsigned code)
{
    struct tl_buf got;
    unsigned first;

    tl_buf_init(&got, 0);
    do
        first = read_frame(wire, &got);
    while (first == TEXT || first == PONG);
    cr_assert_eq(first, (unsigned)CLOSE);
    cr_assert_eq(code_of(&got), code, "%u", code_of(&got));
    tl_buf_done(&got);
}

static void send_close(struct wire *wire, unsigned code)
{
    const char payload[2] = {(char)(code >> 8), (char)code};

    send_frame(wire, CLOSE, (struct tl_sv){payload, sizeof payload});
}

/* ---- handshakes ---- */

struct refusal {
    char name[32], request[300];
    int status;
};

ParameterizedTestParameters(websocket, no_handshake)
{
    static struct refusal refusals[] = {
        {"no upgrade",         "GET / HTTP/1.1\r\nHost: x\r\n\r\n",                                                                           426},
        {"another version",
         "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",                                                                               426},
        {"no version",
         "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",                                                                               426},
        {"no key",             "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
         400                                                                                                                                     },
        {"a short key",
         "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n",                                                                                   400},
        {"a key that is none",
         "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZS?ub25jZQ==\r\n\r\n",                                                                               400},
    };

    return cr_make_param_array(struct refusal, refusals, sizeof refusals / sizeof *refusals);
}

ParameterizedTest(struct refusal *refusal, websocket, no_handshake)
{
    struct wire wire;

    start();
    wire_open(&wire, scene.http.port);
    wire_say(&wire, "%s", refusal->request);
    wire_answer(&wire);
    cr_assert_eq(wire.status, refusal->status, "%s: %d", refusal->name, wire.status);
    if (refusal->status == 426) {
        cr_assert_str_eq(wire_header(&wire, "upgrade"), "websocket");
        cr_assert_str_eq(wire_header(&wire, "connection"), "Upgrade");
        cr_assert_str_eq(wire_header(&wire, "sec-websocket-version"), "13");
    }
    wire_say(&wire, "%s", handshake); /* the connection goes on */
    read_handshake(&wire);
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 1006u);
}

/* ---- messages ---- */

Test(websocket, texts_in_pieces)
{
    struct wire wire;
    struct tl_buf out;

    start();
    wire_open(&wire, scene.http.port);
    tl_buf_init(&out, 0);
    tl_buf_put_str(&out, handshake); /* the first messages come with the handshake */
    put_frame(&out, TEXT, TL_SV("one"));
    put_frame(&out, TEXT, TL_SV("tw\303\266"));
    put_frame(&out, 0x01, TL_SV("three, in par\342\202"));
    put_frame(&out, PING, TL_SV("are you there?"));
    put_frame(&out, 0x00, TL_SV(""));
    put_frame(&out, 0x80, TL_SV("\254ts"));
    put_frame(&out, TEXT, TL_SV(""));
    wire_send(&wire, out.data, out.size);
    read_handshake(&wire);
    expect_frame(&wire, TEXT, "one");
    expect_frame(&wire, TEXT, "tw\303\266");
    expect_frame(&wire, PONG, "are you there?");
    expect_frame(&wire, TEXT, "three, in par\342\202\254ts");
    expect_frame(&wire, TEXT, "");
    for (size_t i = sizeof handshake - 1; i < out.size; i++)
        wire_send(&wire, out.data + i, 1);
    expect_frame(&wire, TEXT, "one");
    expect_frame(&wire, TEXT, "tw\303\266");
    expect_frame(&wire, PONG, "are you there?");
    expect_frame(&wire, TEXT, "three, in par\342\202\254ts");
    expect_frame(&wire, TEXT, "");
    tl_buf_done(&out);
    wire_close(&wire);
}

Test(websocket, large_texts)
{
    char *text = calloc(1, MESSAGE_BYTES_MAX + 2);
    struct wire wire;

    start();
    open_client(&wire);
    for (size_t size = 125; size <= MESSAGE_BYTES_MAX; size = size == 125     ? 126
                                                              : size == 126   ? 65535
                                                              : size == 65535 ? 65536
                                                                              : size + 4464) {
        memset(text, 'a', size);
        text[size] = '\0';
        cr_assert(send_text(&wire, text));
        expect_frame(&wire, TEXT, text);
    }
    text[MESSAGE_BYTES_MAX] = 'a';
    send_text(&wire, text);
    expect_close(&wire, 1009);
    free(text);
    wire_close(&wire);
}

struct wrong {
    char name[40];
    struct {
        unsigned first, count;
        char payload[24];
        size_t size; /* 0: up to its zero */
    } frames[3];
    unsigned code;
};

ParameterizedTestParameters(websocket, wrong)
{
    static struct wrong wrongs[] = {
        {"a binary message",                     {{BINARY, 1, "abc"}},                                       1003},
        {"no UTF-8",                             {{TEXT, 1, "ab\300\200"}},                                  1007},
        {"UTF-8 that does not end",              {{TEXT, 1, "ab\342\202"}},                                  1007},
        {"no UTF-8, in a part",                  {{0x01, 1, "\355\240\200"}},                                1007},
        {"a reserved bit",                       {{TEXT | 0x40, 1, "abc"}},                                  1002},
        {"a reserved opcode",                    {{0x83, 1, "abc"}},                                         1002},
        {"a text within another",                {{0x01, 1, "abc"}, {TEXT, 1, "abc"}},                       1002},
        {"a continuation of nothing",            {{0x80, 1, "abc"}},                                         1002},
        {"a ping in parts",                      {{0x09, 1, "abc"}},                                         1002},
        {"a close with one byte",                {{CLOSE, 1, "a"}},                                          1002},
        {"a close with a code that is none",     {{CLOSE, 1, "\003\355", 2}},                                1002},
        {"a close with no UTF-8",                {{CLOSE, 1, "\003\350\377", 3}},                            1007},
        {"a message that is too large in parts",
         {{0x01, 1, "abc"}, {0x00, MESSAGE_BYTES_MAX / 20, "twenty characters..."}},
         1008                                                                                                    },
        {"a flood of pings",                     {{PING, 2 * TL_WEBSOCKET_FRAMES_PER_S, "?"}},               1008},
        {"a flood of empty parts",               {{0x01, 1, ""}, {0x00, 2 * TL_WEBSOCKET_FRAMES_PER_S, ""}}, 1008},
    };

    return cr_make_param_array(struct wrong, wrongs, sizeof wrongs / sizeof *wrongs);
}

/* The code says what is wrong, and then the connection ends, whatever else comes. */
ParameterizedTest(struct wrong *wrong, websocket, wrong)
{
    struct wire wire;
    struct tl_buf out;

    start();
    open_client(&wire);
    tl_buf_init(&out, 0);
    put_frame(&out, TEXT, TL_SV("first"));
    for (size_t f = 0; f < 3; f++)
        for (unsigned i = 0; i < wrong->frames[f].count; i++)
            put_frame(&out, wrong->frames[f].first,
                      wrong->frames[f].size > 0 ? (struct tl_sv){wrong->frames[f].payload, wrong->frames[f].size}
                                                : tl_sv_from(wrong->frames[f].payload));
    put_frame(&out, TEXT, TL_SV("not taken any more"));
    wire_send(&wire, out.data, out.size);
    expect_frame(&wire, TEXT, "first");
    expect_close(&wire, wrong->code);
    cr_assert(wire_ended(&wire) && !wire.reset);
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), wrong->code);
    cr_assert_eq(atomic_load(&scene.texts), 1u);
    tl_buf_done(&out);
}

/* wslay alone would take it, and say it again. */
Test(websocket, a_close_with_no_utf8_byte_by_byte)
{
    struct wire wire;
    struct tl_buf out;

    start();
    open_client(&wire);
    tl_buf_init(&out, 0);
    put_frame(&out, CLOSE, TL_SV("\003\350\377"));
    for (size_t i = 0; i < out.size; i++) {
        wire_send(&wire, out.data + i, 1);
        tl_clock_sleep_ms(10);
    }
    expect_close(&wire, 1007);
    tl_buf_done(&out);
    wire_close(&wire);
}

Test(websocket, an_unmasked_frame)
{
    struct wire wire;

    start();
    open_client(&wire);
    wire_send(&wire,
              "\x81\x01"
              "a",
              3);
    expect_close(&wire, 1002);
    wire_close(&wire);
}

/* Few parts, each within the limit, and all together beyond it. */
Test(websocket, a_message_that_is_too_large_in_few_parts)
{
    char *text = calloc(1, MESSAGE_BYTES_MAX / 2 + 1);
    struct wire wire;

    start();
    open_client(&wire);
    memset(text, 'a', MESSAGE_BYTES_MAX / 2);
    send_frame(&wire, 0x01, tl_sv_from(text));
    send_frame(&wire, 0x00, tl_sv_from(text));
    send_frame(&wire, 0x80, TL_SV("a"));
    expect_close(&wire, 1009);
    free(text);
    wire_close(&wire);
}

/* ---- ends ---- */

Test(websocket, the_client_ends)
{
    struct wire wire;

    start();
    open_client(&wire);
    send_close(&wire, 1000);
    expect_close(&wire, 1000);
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 1000u);

    open_client(&wire);
    send_frame(&wire, CLOSE, TL_SV(""));
    expect_close(&wire, 0);
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 2));
    cr_assert_eq(atomic_load(&scene.code), 1005u);

    open_client(&wire);
    wire_cut(&wire);
    cr_assert(http_scene_counts(&scene.closed, 3));
    cr_assert_eq(atomic_load(&scene.code), 1006u);
}

static void end_first(void *ctx)
{
    (void)ctx;
    cr_assert(tl_websocket_send(scene.all[0], TL_SV("good-bye")));
    tl_websocket_end(scene.all[0], 1013, "later");
    cr_assert_not(tl_websocket_send(scene.all[0], TL_SV("too late")));
    tl_websocket_end(scene.all[0], 1000, "once is enough");
    cr_assert_eq(atomic_load(&scene.closed), 0u);
}

Test(websocket, the_server_ends)
{
    struct wire wire;

    start();
    open_client(&wire);
    http_scene_call(&scene.http, end_first, NULL);
    expect_frame(&wire, TEXT, "good-bye");
    expect_frame(&wire, CLOSE, "\003\365later");
    send_text(&wire, "is not taken");
    send_close(&wire, 1013);
    cr_assert(wire_ended(&wire) && !wire.reset);
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 1013u);
    cr_assert_eq(atomic_load(&scene.texts), 0u);
}

/* Whoever does not answer a close is not waited for long. */
Test(websocket, the_server_ends_and_nobody_answers)
{
    struct wire wire;
    int64_t started_ms;

    start();
    open_client(&wire);
    http_scene_call(&scene.http, end_first, NULL);
    started_ms = tl_clock_monotonic_ms();
    expect_close(&wire, 1013);
    cr_assert(wire_ended(&wire));
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 1013u);
    cr_assert_geq(tl_clock_monotonic_ms() - started_ms, 1500);
    wire_close(&wire);
}

Test(websocket, ended_within_a_message)
{
    struct wire wire;
    struct tl_buf out;

    scene.ends_within = true;
    start();
    open_client(&wire);
    tl_buf_init(&out, 0);
    for (int i = 0; i < 3; i++)
        put_frame(&out, TEXT, TL_SV("a"));
    wire_send(&wire, out.data, out.size);
    expect_close(&wire, 4001);
    send_close(&wire, 4001);
    cr_assert(wire_ended(&wire));
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 4001u);
    cr_assert_eq(atomic_load(&scene.texts), 1u);
    tl_buf_done(&out);
    wire_close(&wire);
}

Test(websocket, the_server_goes)
{
    struct wire wire;

    start();
    open_client(&wire);
    tl_http_server_stop(scene.http.server, 5000);
    expect_close(&wire, 1001);
    send_close(&wire, 1001);
    cr_assert(wire_ended(&wire) && !wire.reset);
    wire_close(&wire);
    http_scene_stop(&scene.http, 5000);
    cr_assert_eq(atomic_load(&scene.closed), 1u);
    cr_assert_eq(atomic_load(&scene.code), 1001u);
}

/* A handshake that is under way when the server goes is answered, and then told. */
Test(websocket, opened_while_the_server_goes)
{
    struct wire wire;

    start();
    wire_open(&wire, scene.http.port);
    wire_send(&wire, handshake, 20);
    cr_assert(http_scene_has(&scene.http, 1));
    tl_clock_sleep_ms(50);
    tl_http_server_stop(scene.http.server, 10000);
    tl_clock_sleep_ms(150);
    wire_send(&wire, handshake + 20, sizeof handshake - 1 - 20);
    read_handshake(&wire);
    expect_close(&wire, 1001);
    send_close(&wire, 1001);
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
}

/* ---- silence ---- */

Test(websocket, silence)
{
    struct wire wire;
    int64_t started_ms;

    scene.limits.ping_ms = 150;
    scene.limits.pong_ms = 1500;
    start();
    open_client(&wire);
    for (int i = 0; i < 3; i++) { /* whoever answers stays, and any answer will do */
        expect_frame(&wire, PING, "");
        send_frame(&wire, i == 0 ? PONG : TEXT, TL_SV(""));
        if (i > 0)
            expect_frame(&wire, TEXT, "");
    }
    started_ms = tl_clock_monotonic_ms();
    expect_frame(&wire, PING, "");
    cr_assert(wire_ended(&wire));
    cr_assert_geq(tl_clock_monotonic_ms() - started_ms, 1490);
    wire_close(&wire);
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_eq(atomic_load(&scene.code), 1006u);
}

static void look_at_memory(void *ctx)
{
    struct tl_http_connection *connection = scene.http.server->connections;

    (void)ctx;
    cr_assert_not_null(connection);
    cr_assert_null(connection->in.data);
    cr_assert_null(connection->http);
    cr_assert_null(connection->stream.out.data);
    cr_assert_leq(connection->out.capacity, 8u);
}

Test(websocket, an_idle_one_holds_no_buffer)
{
    struct wire wire;
    size_t before;

    start();
    open_client(&wire);
    http_scene_call(&scene.http, look_at_memory, NULL);
    before = mallinfo2().uordblks;
    send_text(&wire, "hello");
    expect_frame(&wire, TEXT, "hello");
    http_scene_call(&scene.http, look_at_memory, NULL);
    cr_assert_leq(mallinfo2().uordblks, before + 1000); /* wslay would have 8 KiB */
    wire_close(&wire);
}

/* ---- frames that many share ---- */

static void send_to_all(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < atomic_load(&scene.opened); i++)
        cr_assert(tl_websocket_send_frame(scene.all[i], scene.frame));
}

static void make_large(void)
{
    char *text = malloc(LARGE);

    cr_assert_not_null(text);
    memset(text, 'a', LARGE);
    scene.frame = tl_websocket_frame((struct tl_sv){text, LARGE});
    cr_assert_not_null(scene.frame);
    free(text);
}

Test(websocket, one_frame_for_all)
{
    struct wire wires[CLIENTS];
    struct tl_buf got;

    make_large();
    start();
    tl_buf_init(&got, 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        open_client(&wires[i]);
    http_scene_call(&scene.http, send_to_all, NULL);
    cr_assert_gt(atomic_load(&scene.frame->refs), 1u);
    for (unsigned i = 0; i < CLIENTS; i++) {
        send_text(&wires[i], "and mine"); /* stands behind it */
        cr_assert_eq(read_frame(&wires[i], &got), (unsigned)TEXT);
        cr_assert_eq(got.size, (size_t)LARGE);
        expect_frame(&wires[i], TEXT, "and mine");
        send_text(&wires[i], "and more"); /* it is read again */
        expect_frame(&wires[i], TEXT, "and more");
        wire_close(&wires[i]);
    }
    cr_assert(http_scene_counts(&scene.drained, CLIENTS));
    cr_assert_geq(atomic_load(&scene.taken), CLIENTS, "nobody is told that less waits");
    tl_buf_done(&got);
}

static void send_ten_to_first(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 10; i++)
        cr_assert(tl_websocket_send_frame(scene.all[0], scene.frame));
    cr_assert_gt(tl_websocket_pending(scene.all[0]), (size_t)9 * LARGE);
}

static void end_slow(void *ctx)
{
    (void)ctx;
    tl_websocket_end(scene.all[0], 1008, "too slow");
    cr_assert_leq(tl_websocket_pending(scene.all[0]), (size_t)LARGE + 100);
}

/* What a slow client has not begun to take is dropped when it is sent away: frames end whole. */
Test(websocket, a_slow_one_is_sent_away)
{
    struct wire wire;
    struct tl_buf got;
    int few = 20000;

    make_large();
    start();
    wire_open(&wire, scene.http.port);
    setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    wire_say(&wire, "%s", handshake);
    read_handshake(&wire);
    cr_assert(http_scene_counts(&scene.opened, 1));
    http_scene_call(&scene.http, send_ten_to_first, NULL);
    http_scene_call(&scene.http, end_slow, NULL);
    tl_buf_init(&got, 0);
    cr_assert_eq(read_frame(&wire, &got), (unsigned)TEXT);
    cr_assert_eq(got.size, (size_t)LARGE);
    expect_close(&wire, 1008);
    send_close(&wire, 1008);
    cr_assert(wire_ended(&wire) && !wire.reset);
    tl_buf_done(&got);
    wire_close(&wire);
}

static void send_some_and_end(void *ctx)
{
    static char text[60000];

    (void)ctx;
    memset(text, 'a', sizeof text);
    cr_assert(tl_websocket_send(scene.all[0], (struct tl_sv){text, sizeof text}));
    tl_websocket_end(scene.all[0], 1013, "too slow");
}

/* All is written, and nobody has read it yet when the time for an answer is over: it is there to be read all the same. */
Test(websocket, a_slow_one_reads_why_it_was_sent_away)
{
    struct wire wire;
    struct tl_buf got;
    int few = 20000;

    start();
    wire_open(&wire, scene.http.port);
    setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    wire_say(&wire, "%s", handshake);
    read_handshake(&wire);
    cr_assert(http_scene_counts(&scene.opened, 1));
    http_scene_call(&scene.http, send_some_and_end, NULL);
    cr_assert(http_scene_counts(&scene.closed, 1));
    tl_buf_init(&got, 0);
    cr_assert_eq(read_frame(&wire, &got), (unsigned)TEXT);
    cr_assert_eq(got.size, 60000u);
    expect_close(&wire, 1013);
    cr_assert(wire_ended(&wire) && !wire.reset);
    tl_buf_done(&got);
    wire_close(&wire);
}

/* Whoever asks and never reads is not read any more, and cut in the end. */
Test(websocket, one_that_takes_nothing)
{
    char *text = calloc(1, MESSAGE_BYTES_MAX + 1);
    struct wire wire;
    int few = 20000;

    memset(text, 'a', MESSAGE_BYTES_MAX);
    scene.config.limits.write_ms = 500;
    start();
    wire_open(&wire, scene.http.port);
    setsockopt(wire.fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    wire_say(&wire, "%s", handshake);
    cr_assert(http_scene_counts(&scene.opened, 1));
    for (int i = 0; i < 500; i++)
        if (!send_text(&wire, text))
            break;
    cr_assert(http_scene_counts(&scene.closed, 1));
    cr_assert_lt(atomic_load(&scene.texts), 20u);
    cr_assert_eq(atomic_load(&scene.code), 1006u);
    free(text);
    wire_close(&wire);
}
