/* http1.h: one side of an HTTP/1.1 connection as messages: a head, then the pieces of its body.
 *
 * Is:      llhttp 8.1 (strict), and rules of our own that refuse whatever two parsers might read in two ways: exactly one Host, a name or an address
 *          and maybe a port; no transfer coding but chunked, and none in HTTP/1.0; no folded header line, no line that ends with LF alone; targets
 *          in origin form alone (and * for OPTIONS), without bytes beyond ASCII; no CONNECT; at most one empty line before a request.
 * Is not:  a connection: bytes come as arguments, and nothing is copied. Bodies go through as pieces, without their chunks.
 * Runs on: the thread that owns the connection.
 *
 * A message: tl_http1_head until DONE, tl_http1_body until DONE (also where there is no body), tl_http1_next.
 * Source: RFC 9110, RFC 9112. */
#ifndef TL_HTTP1_H
#define TL_HTTP1_H

#include "base/base.h"
#include "base/sv.h"

enum tl_http1_kind { TL_HTTP1_REQUEST, TL_HTTP1_RESPONSE };
enum tl_http1_result { TL_HTTP1_MORE, TL_HTTP1_DONE, TL_HTTP1_BAD };
enum tl_http1_framing { TL_HTTP1_NO_BODY, TL_HTTP1_LENGTH, TL_HTTP1_CHUNKED, TL_HTTP1_UNTIL_CLOSE };

enum { TL_HTTP1_HEADERS_MAX = 128 };

struct tl_http1_header {
    struct tl_sv name, value; /* value without white space at its ends */
};

/* Views into the bytes that tl_http1_head was given last. */
struct tl_http1_head {
    struct tl_sv method, target;           /* a request's */
    struct tl_sv host;                     /* a request's: the one Host, as it was sent; empty in HTTP/1.0 without one */
    int status;                            /* a response's */
    struct tl_sv reason;                   /* the same */
    unsigned minor;                        /* HTTP/1.minor: 0 or 1 */
    const struct tl_http1_header *headers; /* the parser's, until tl_http1_next */
    size_t headers_count;
    enum tl_http1_framing framing;
    uint64_t content_length; /* what is stated, also by a response to HEAD or a 304; UINT64_MAX: nothing */
    bool keep_alive;         /* by version, Connection and framing */
    bool expect_continue;    /* a request's */
    bool upgrade_websocket;  /* a request's that asks for it: GET, Upgrade: websocket, Connection: upgrade, no body */
};

/* About 5 KiB; borrowed by a connection while a message is under way, and given back in between (tl_http1_reset). */
struct tl_http1;

TL_MUST_USE enum tl_code tl_http1_open(enum tl_http1_kind kind, size_t head_bytes_max, struct tl_http1 **out, struct tl_err *err);
void tl_http1_close(struct tl_http1 *http);
/* Forgets all that came: for another connection. */
void tl_http1_reset(struct tl_http1 *http);
/* For a response, before its head: what it answers. A response to HEAD has no body. Holds for one answer with the 1xx before it. */
void tl_http1_answers_head(struct tl_http1 *http, bool head);

/* `bytes` begin where the message begins, and are all of it that has come: more at each call, maybe at another address. DONE: *used bytes are
 * the head. BAD: tl_http1_status and tl_http1_reason say why. A head beyond head_bytes_max or TL_HTTP1_HEADERS_MAX headers is BAD. */
enum tl_http1_result tl_http1_head(struct tl_http1 *http, struct tl_sv bytes, struct tl_http1_head *head, size_t *used);
/* Takes the next bytes behind the head: *used of them; *piece is what is payload among them (a view, maybe empty). DONE: the body has ended
 * with *piece; what is behind it is another message's. Call again while MORE and bytes are left. */
enum tl_http1_result tl_http1_body(struct tl_http1 *http, struct tl_sv bytes, struct tl_sv *piece, size_t *used);
/* The other side has closed. DONE: the body ended by that (until close), or nothing was under way; BAD: it was cut. */
enum tl_http1_result tl_http1_eof(struct tl_http1 *http);
/* Ready for the next message on the connection. */
void tl_http1_next(struct tl_http1 *http);

/* After BAD: what to answer a request with (400, 405, 414, 431, 501, 505), and words for a person. */
int tl_http1_status(const struct tl_http1 *http);
const char *tl_http1_reason(const struct tl_http1 *http);

/* The header of that name (without regard to case), the first of several; NULL: none. */
const struct tl_http1_header *tl_http1_find(const struct tl_http1_head *head, struct tl_sv name);
/* Is the token among a header's comma-separated values, without regard to case (all lines of that name)? */
bool tl_http1_has_token(const struct tl_http1_head *head, struct tl_sv name, struct tl_sv token);

#endif
