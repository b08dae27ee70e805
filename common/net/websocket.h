/* websocket.h: a connection of the HTTP server (http_server.h) as a WebSocket: texts both ways.
 *
 * Is:      the handshake and what wslay, which reads the frames, leaves to others: shared frames, close codes, pings with a deadline, limits.
 *          A binary message (where nobody takes it) ends it with 1003, one that is too large with 1009, text that is no UTF-8 with 1007, what is against the protocol with
 *          1002, and more than TL_WEBSOCKET_FRAMES_PER_S frames in a second with 1008. No extensions, no subprotocols.
 * Is not:  back-pressure: whoever sends looks at tl_websocket_pending. A client that takes nothing of what waits is cut after write_ms.
 * Runs on: the server's loop; tl_websocket_frame on any thread.
 *
 * A WebSocket that says nothing holds no buffer.
 * Source: RFC 6455. */
#ifndef TL_WEBSOCKET_H
#define TL_WEBSOCKET_H

#include "net/http_server.h"

enum { TL_WEBSOCKET_FRAMES_PER_S = 1000 };

/* Beside 426: which protocol, and which version of it. */
#define TL_WEBSOCKET_UPGRADE_HEADERS TL_SV("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")

struct tl_websocket;

struct tl_websocket_limits {
    size_t message_bytes_max;
    int64_t ping_ms; /* of silence, after which it is asked whether anybody is there */
    int64_t pong_ms; /* for the answer to come; then it is cut */
};

struct tl_websocket_calls {
    void (*text)(struct tl_websocket *ws, struct tl_sv text, void *ctx);    /* a message, well-formed UTF-8; good for the call */
    void (*binary)(struct tl_websocket *ws, struct tl_sv bytes, void *ctx); /* or NULL: not taken */
    void (*taken)(struct tl_websocket *ws, void *ctx);                      /* or NULL: less waits than before */
    void (*drained)(struct tl_websocket *ws, void *ctx);                    /* or NULL: nothing waits any more */
    /* Always, once, and the handle ends with it. The code: that of the end that was first, or 1006: the connection broke, 1005: none was given. */
    void (*closed)(struct tl_websocket *ws, unsigned code, void *ctx);
};

/* 101: a handshake that is right. 426 (with TL_WEBSOCKET_UPGRADE_HEADERS) or 400: what to refuse it with. */
int tl_websocket_wanted(const struct tl_http_call *call);
/* Of a call whose handshake is right. NULL: the client has gone, or out of memory; the call is answered. */
struct tl_websocket *tl_websocket_accept(struct tl_http_call *call, const struct tl_websocket_limits *limits,
                                         const struct tl_websocket_calls *calls, void *ctx);
/* One message as a frame, for any number of clients. NULL: out of memory. */
struct tl_blob *tl_websocket_frame(struct tl_sv text);
/* Holds the frame until it is written. False: it will go nowhere: it is ending, or `closed` follows. */
bool tl_websocket_send_frame(struct tl_websocket *ws, struct tl_blob *frame);
bool tl_websocket_send(struct tl_websocket *ws, struct tl_sv text);
/* Bytes that the client has not taken. */
size_t tl_websocket_pending(const struct tl_websocket *ws);
/* Begins the end: no message comes any more, and `closed` does with this code. Behind what waits, of which a client that takes it slowly gets no more
 * than the first frames. `reason`: at most 123 bytes of UTF-8. */
void tl_websocket_end(struct tl_websocket *ws, unsigned code, const char *reason);

#endif
