/* ws_frame.h: WebSocket frames as a client of /api/v1/live sends and reads them, and such a client that waits for each.
 *
 *     static struct wire wire;
 *     struct ws_frame frame;
 *
 *     wire_open(&wire, serve.port);
 *     cr_assert(ws_shake(&wire, ""));
 *     ws_say(&wire, "{\"type\":\"ping\"}");
 *     cr_assert(ws_hear(&wire, &frame)); */
#ifndef TL_TEST_WS_FRAME_H
#define TL_TEST_WS_FRAME_H

#include "base/buf.h"
#include "support/wire.h"

enum { WS_TEXT = 0x81, WS_TEXT_BEGINS = 0x01, WS_BINARY = 0x82, WS_CLOSE = 0x88, WS_PING = 0x89, WS_PONG = 0x8a };

struct ws_frame {
    unsigned first; /* FIN and opcode: WS_TEXT */
    struct tl_sv payload;
    size_t bytes; /* of all of it */
};

/* The lines of a handshake but for its last, empty one. */
#define WS_HANDSHAKE                                                                                                             \
    "GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Masked, as a client's are. */
void ws_frame_put(struct tl_buf *out, unsigned first, struct tl_sv payload);
/* A server's frame at the beginning of the bytes, in place. False: it is not there whole. */
bool ws_frame_read(struct tl_sv bytes, struct ws_frame *out);
/* The code of a close; 0: none. */
unsigned ws_close_code(const struct ws_frame *frame);

/* `headers`: more of them, each with its CRLF. True: it is a WebSocket now. */
bool ws_shake(struct wire *wire, const char *headers);
bool ws_send(struct wire *wire, unsigned first, struct tl_sv payload);
bool ws_say(struct wire *wire, const char *text);
/* The next frame, its payload zero-terminated and good until the next call. False: the connection has ended. */
bool ws_hear(struct wire *wire, struct ws_frame *out);
/* Reads on, and answers pings, until a text has these words; fails the test where the end comes first. */
const char *ws_hear_words(struct wire *wire, const char *words);
/* Reads on until it is closed: its code; 0: the connection ended without one. */
unsigned ws_hear_close(struct wire *wire);

#endif
