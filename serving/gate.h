/* gate.h: who may ask, from where, and how often; and what a browser is told to be careful about.
 *
 * On a loopback address nobody has to say who he is, and Host must name the machine itself (or --host does): a page of another site that has its own name
 * point here (DNS rebinding) gets 421. Anywhere else a token or a password is needed, and the server does not start without one; where one is set, it
 * is needed on the loopback too. Secrets are compared by their hashes, all of them, in the same time whichever is right. They are taken from the header
 * Authorization alone, of which there is one, and never written anywhere. Wrong ones are braked, whatever the rate: of an address, and of a name that is guessed at
 * where the peer is on this machine, for there it may be a proxy that everybody comes through.
 *
 * A browser has no way to send a token by itself. Where there are tokens it gets a page (with 401) that sends the secret once, as POST /session, for a
 * cookie that stands for it from then on (passes.h), to the WebSocket, too; DELETE /session ends it, and what goes on by it. No page of another site can do
 * either.
 *
 * The file of secrets: one a line, # begins a comment:
 *     token NAME SECRET              Authorization: Bearer SECRET
 *     basic USER PASSWORD            Authorization: Basic ..., what browsers ask people for
 * SECRET and PASSWORD as they are, or as sha256:<64 hex digits> of them. TALLY_SERVE_TOKEN is one token more.
 *
 * Runs on: the server's loop. */
#ifndef TL_GATE_H
#define TL_GATE_H

#include "main/option.h"
#include "net/http_server.h"
#include "passes.h"
#include "serve_meter.h"

enum { TL_GATE_SECRET_MIN = 16, TL_GATE_PASSWORD_MIN = 8, TL_GATE_RATE = 200 };
#define TL_GATE_PASS_MS (INT64_C(30) * 24 * 3600 * 1000)

struct tl_gate_options {
    const char *auth_file;         /* NULL: none */
    struct tl_option_list origins; /* whose pages may read answers: https://host[:port], or * */
    struct tl_option_list hosts;   /* names that Host may have beside the machine's own */
    int64_t rate; /* requests a second of one address (IPv6: of its /64); 0: any number; -1: TL_GATE_RATE, but the loopback's */
    int64_t pass_ms; /* that a pass is good for at most; 0: TL_GATE_PASS_MS */
};

struct tl_gate;

/* TL_ERR_USAGE: an address that others can reach, and no secret; a file that says something else. */
TL_MUST_USE enum tl_code tl_gate_open(const struct tl_gate_options *options, const struct tl_listen *listen,
                                      struct tl_serve_meter *meter, struct tl_gate **out, struct tl_err *err);
void tl_gate_close(struct tl_gate *gate);
bool tl_gate_is_loopback(const struct tl_gate *gate); /* others cannot reach it */
bool tl_gate_has_secrets(const struct tl_gate *gate);

/* True: the call may go on. Else it was answered: 400, 401, 403, 405, 421, 429, or 204 to OPTIONS and /session. */
bool tl_gate_let_in(struct tl_gate *gate, struct tl_http_call *call);
/* Of a call that becomes a WebSocket: no page of a site that is neither this one nor in `origins` has sent it; with a pass, this one alone. */
bool tl_gate_origin_is_good(const struct tl_gate *gate, const struct tl_http_call *call);
/* Before a call becomes what goes on: where it has come by a pass, `use` is one of that. */
void tl_gate_use(struct tl_gate *gate, const struct tl_http_call *call, struct tl_pass_use *use);
/* About once a second: passes whose time is over end. */
void tl_gate_look(struct tl_gate *gate);
/* What each answer has to have: CORS, Content-Security-Policy (of data, or of a page that runs its own scripts) and the usual ones. */
void tl_gate_put_headers(const struct tl_gate *gate, const struct tl_http_call *call, bool page, struct tl_buf *out);
/* Answers with problem+json; `headers`: lines more, or "". The second takes the reference to a body that is one already. */
void tl_gate_refuse(const struct tl_gate *gate, struct tl_http_call *call, int status, const char *headers, const char *detail);
void tl_gate_refuse_with(const struct tl_gate *gate, struct tl_http_call *call, int status, const char *headers,
                         struct tl_blob *problem);

#endif
