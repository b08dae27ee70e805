/* passes.h: what a browser has that has signed in: a cookie, in place of the secret that it came with.
 *
 * Is:      random, kept as a hash, and good for TL_PASS_IDLE_MS after its last use, but no longer than it was made for. What goes on by it (a WebSocket) is a
 *          use, and ends with it. HttpOnly and SameSite=Strict, so neither a script of the page nor a page of another site has any use of it; Secure where the
 *          browser speaks TLS, be it to a proxy. It ends with the browser, with the server, or when one signs out.
 * Is not:  a secret of its own: who may have one is the gate's to say (gate.h).
 * Runs on: the server's loop.
 *
 * Where there are TL_PASSES_MAX, whoever has most of them loses the one that would end first: nobody who signs in again and again sends others away. An owner
 * is a number below TL_PASS_OWNERS; times are monotonic milliseconds. */
#ifndef TL_PASSES_H
#define TL_PASSES_H

#include "net/http_server.h"

enum { TL_PASSES_MAX = 256, TL_PASS_OWNERS = 256, TL_PASS_IDLE_MS = 12 * 3600 * 1000 };

struct tl_passes;

/* What goes on by a pass; zeroed before, and the owner's to keep where it is. */
struct tl_pass_use {
    void (*over)(struct tl_pass_use *use); /* the pass is good no more; it is no use of it by then */
    struct tl_pass_use *next, **at;        /* of the same pass; at NULL: of none */
};

/* `port`: where the server was told to listen; cookies know hosts alone, and another server may have the same. `whole_ms`: of each pass. */
TL_MUST_USE enum tl_code tl_passes_open(uint16_t port, int64_t whole_ms, struct tl_passes **out, struct tl_err *err);
void tl_passes_close(struct tl_passes *passes); /* when there are no uses; NULL is fine */
/* A new one, in place of those that the call has; puts the header line that gives it. TL_ERR_IO: there is no randomness, or no memory. */
TL_MUST_USE enum tl_code tl_passes_give(struct tl_passes *passes, const struct tl_http_call *call, size_t owner, int64_t now_ms,
                                        struct tl_buf *headers, struct tl_err *err);
/* Has the call one that is good? Then it is so for as long again. */
bool tl_passes_has(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms);
/* Those of the call are good no more; puts the header line that says so. */
void tl_passes_take(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms, struct tl_buf *headers);
/* Something goes on by the pass that the call has, if it has one, until tl_pass_use_done. */
void tl_passes_use(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms, struct tl_pass_use *use);
void tl_pass_use_done(struct tl_pass_use *use); /* fine when there is none, too */
/* Ends those whose time is over. To be called now and then: it is what makes a use one. */
void tl_passes_look(struct tl_passes *passes, int64_t now_ms);
/* SHA-256. False: there is no memory for it; `out` is then not to be compared with anything. */
TL_MUST_USE bool tl_passes_hash(struct tl_sv text, uint8_t out[32]);

#endif
