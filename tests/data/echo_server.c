/* echo_server.c: a WebSocket server that says again what it is told, texts and bytes, for the Autobahn test suite.
 *
 * It writes its port to stdout, and ends when its stdin does. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/websocket.h"

enum { MESSAGE_BYTES_MAX = 1 << 20, FRAME_BINARY = 0x82 };

static void on_text(struct tl_websocket *ws, struct tl_sv text, void *ctx)
{
    (void)ctx;
    (void)tl_websocket_send(ws, text);
}

/* Binary messages go out nowhere else, so the frame is a text's with another first byte. */
static void on_binary(struct tl_websocket *ws, struct tl_sv bytes, void *ctx)
{
    struct tl_blob *frame = tl_websocket_frame(bytes);

    (void)ctx;
    if (frame == NULL)
        return;
    frame->data[0] = (char)FRAME_BINARY;
    (void)tl_websocket_send_frame(ws, frame);
    tl_blob_drop(frame);
}

static void on_closed(struct tl_websocket *ws, unsigned code, void *ctx)
{
    (void)ws;
    (void)code;
    (void)ctx;
}

static void on_request(void *ctx, struct tl_http_call *call)
{
    static const struct tl_websocket_limits limits = {MESSAGE_BYTES_MAX, 30000, 30000};
    static const struct tl_websocket_calls calls = {.text = on_text, .binary = on_binary, .closed = on_closed};
    int status = tl_websocket_wanted(call);

    (void)ctx;
    if (status == 101)
        tl_websocket_accept(call, &limits, &calls, NULL);
    else
        tl_http_answer_problem(call, status, TL_WEBSOCKET_UPGRADE_HEADERS, "A WebSocket is spoken here.");
}

static void *wait_for_end(void *arg)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    tl_http_server_stop(arg, 1000);
    return NULL;
}

int main(void)
{
    const struct tl_http_server_config config = {
        .listen = {.host = "127.0.0.1"},
        .limits = { .head_bytes_max = 8192,
                   .connections_max = 1000,
                   .head_ms = 10000,
                   .idle_ms = 10000,
                   .body_ms = 10000,
                   .write_ms = 10000},
        .request = on_request
    };
    struct tl_http_server *server;
    struct tl_err err;
    pthread_t waiter;

    if (tl_http_server_open(&config, &server, &err) != TL_OK) {
        fprintf(stderr, "echo_server: %s\n", err.message);
        return 3;
    }
    printf("%u\n", (unsigned)tl_http_server_listen(server)->port);
    fflush(stdout);
    if (pthread_create(&waiter, NULL, wait_for_end, server) != 0)
        return 3;
    tl_http_server_run(server);
    pthread_join(waiter, NULL);
    tl_http_server_close(server);
    return 0;
}
