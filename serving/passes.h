/* passes.h: what a browser has that has signed in: a cookie, in place of the secret that it came with.
 *
 * Is:      random, good for TL_PASS_IDLE_MS after its last use, and kept as a hash; of more than TL_PASSES_MAX the one that would end first goes. HttpOnly
 *          and SameSite=Strict, so neither a script of the page nor a page of another site has any use of it; Secure where TLS is spoken. It ends with
 *          the browser, with the server, or when one signs out.
 * Is not:  a secret of its own: who may have one is the gate's to say (gate.h).
 * Runs on: the server's loop. */
#ifndef TL_PASSES_H
#define TL_PASSES_H

#include "net/http_server.h"

enum { TL_PASSES_MAX = 256, TL_PASS_IDLE_MS = 12 * 3600 * 1000 };

struct tl_passes;

/* `port`: where the server was told to listen; cookies know hosts alone, and another server may have the same. */
TL_MUST_USE enum tl_code tl_passes_open(uint16_t port, struct tl_passes **out, struct tl_err *err);
void tl_passes_close(struct tl_passes *passes); /* NULL is fine */
/* A new one; puts the header line that gives it. TL_ERR_IO: there is no randomness. */
TL_MUST_USE enum tl_code tl_passes_give(struct tl_passes *passes, const struct tl_http_call *call, struct tl_buf *headers,
                                        struct tl_err *err);
/* Has the call one that is good? Then it is so for as long again. */
bool tl_passes_has(struct tl_passes *passes, const struct tl_http_call *call);
/* Those of the call are good no more; puts the header line that says so. */
void tl_passes_take(struct tl_passes *passes, const struct tl_http_call *call, struct tl_buf *headers);

#endif
