/* pass_head.h: heads of messages as they are passed on: written anew from what was read, so that the next reader cannot read them in another way.
 *
 * What belongs to one connection alone is not passed on (Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade), nor is
 * `Proxy` (programs that take headers for environment variables would read a proxy's address from it). What Connection names is passed on: a
 * client could otherwise take a header away on which the site relies. The length is stated once, in one way. */
#ifndef TL_PASS_HEAD_H
#define TL_PASS_HEAD_H

#include "base/buf.h"
#include "net/http1.h"

/* The lines of a request but for those about who sent it, and without the empty line: the caller appends both. `authority`: the Host of a request
 * without one. `trusted`: the peer may say of the client what proxies say (client.h). */
void tl_pass_request(struct tl_buf *out, const struct tl_http1_head *head, const char *authority, bool trusted);

struct tl_pass_answer {
    bool keep_alive; /* the client's connection stays open */
    unsigned minor;  /* of the client's HTTP/1 */
    bool head;       /* it answers a HEAD */
    bool websocket;  /* 101 that was asked for */
};

/* How the body goes on to a client: to one of HTTP/1.0 what has no length ends with the connection. */
enum tl_http1_framing tl_pass_framing(const struct tl_http1_head *head, unsigned minor);
/* The whole head of an answer, with its empty line. */
void tl_pass_answer(struct tl_buf *out, const struct tl_http1_head *head, const struct tl_pass_answer *how);
/* The whole of an answer of our own: `lines` of its head, each with CR LF, without length and connection; `body` is stated for a HEAD too. */
void tl_pass_own(struct tl_buf *out, int status, struct tl_sv lines, struct tl_sv body, const struct tl_pass_answer *how);
/* The same: a plain page with the status and a sentence. */
void tl_pass_page(struct tl_buf *out, int status, const char *sentence, const struct tl_pass_answer *how);
const char *tl_pass_status_text(int status);

#endif
