/* http_server.h: an HTTP/1.1 server: requests come whole, and are answered with shared bytes, with a body that has no end, or by becoming a WebSocket.
 *
 *     accepted -> (TLS) -> idle -> head -> body -> a call -> idle ...
 *                                                        \-> a stream, or a WebSocket (websocket.h)
 *
 * Is:      one loop with all connections: keep-alive, requests that come ahead of their turn, a deadline for each state, limits, TLS.
 * Is not:  what is answered, who may ask, or a place to wait: whoever needs time gives the call to another thread and answers through tl_http_server_call.
 * SIGPIPE is to be ignored where TLS is spoken (main/stop.h).
 * Runs on: the thread of tl_http_server_run, with all calls and handles; tl_http_server_call, _stop and _reload from any.
 *
 * No callback is called within a call to what it is about: what fails while something is sent is told when the loop comes round.
 * Source: RFC 9110, RFC 9112; what is refused as a request: http1.h. */
#ifndef TL_HTTP_SERVER_H
#define TL_HTTP_SERVER_H

#include "base/blob.h"
#include "base/buf.h"
#include "net/endpoint.h"
#include "net/http1.h"
#include "net/listen.h"

/* In bytes, connections and milliseconds; each > 0 but where it says what 0 is. */
struct tl_http_limits {
    size_t head_bytes_max, body_bytes_max; /* beyond: 431, 413. body_bytes_max 0: no bodies */
    unsigned connections_max,
        connections_per_address; /* beyond: idle ones go, or the next waits; turned away. Per address 0: no limit */
    int64_t head_ms;             /* for the handshake and the first head, or a head that has begun: 408 */
    int64_t idle_ms;             /* between two requests */
    int64_t body_ms;             /* from head to end of a body: 408 */
    int64_t write_ms;            /* that a client takes nothing at all of what waits for it */
};

struct tl_http_server;
struct tl_http_connection;

/* One request, until it is answered. */
struct tl_http_call {
    struct tl_http1_head head;        /* all of it, with the headers */
    struct tl_sv method, path, query; /* path and query as they were sent, without the "?" */
    struct tl_sv body;                /* whole, without chunks */
    struct tl_endpoint peer;
    bool is_tls;
    void *ctx; /* the owner's */
    /* The owner's, or NULL: the client has gone, or will send nothing more: nobody may be there to take the answer. The call is to be answered all the same. */
    void (*gone)(struct tl_http_call *call);
    struct tl_buf body_bytes;              /* the server's */
    struct tl_http_connection *connection; /* the same; NULL: there is nobody any more */
};

struct tl_http_server_config {
    struct tl_listen listen; /* the port is then the one that it got */
    const char *certificate; /* PEM, and key: NULL: plain. Read anew when they change, and on tl_http_server_reload */
    const char *key;
    struct tl_http_limits limits;
    void (*request)(void *ctx, struct tl_http_call *call); /* to be answered, now or later, whatever happens */
    /* Or NULL: a changed certificate is in use (err NULL), or it cannot be, and the one before it stays. */
    void (*reloaded)(void *ctx, const struct tl_err *err);
    void *ctx;
};

/* It listens on return, and answers within tl_http_server_run. TL_ERR_USAGE: the certificate (tls.h). Texts and ctx are borrowed. */
TL_MUST_USE enum tl_code tl_http_server_open(const struct tl_http_server_config *config, struct tl_http_server **out,
                                             struct tl_err *err);
/* Until tl_http_server_stop, and what is under way has ended. */
void tl_http_server_run(struct tl_http_server *server);
/* Nobody is accepted any more; calls and answers that are under way have `patience_ms`, streams end, and WebSockets are told that the server goes
 * away (1001). From a signal handler, too. */
void tl_http_server_stop(struct tl_http_server *server, int64_t patience_ms);
/* When it does not run, and every call has been answered. Runs what tl_http_server_call still holds. NULL is fine. */
void tl_http_server_close(struct tl_http_server *server);
/* Where it listens, with the port that it got. */
const struct tl_listen *tl_http_server_listen(const struct tl_http_server *server);
/* Reads certificate and key anew, as when they have changed. From a signal handler, too. */
void tl_http_server_reload(struct tl_http_server *server);
/* Has the loop call what(ctx), in the order of these calls. False: out of memory. */
TL_MUST_USE bool tl_http_server_call(struct tl_http_server *server, void (*what)(void *ctx), void *ctx);
/* Connections, of all kinds. */
unsigned tl_http_server_connections(const struct tl_http_server *server);

/* The value of the first header of that name, without regard to case; data NULL: there is none. */
struct tl_sv tl_http_call_header(const struct tl_http_call *call, const char *name);

/* "Not Found" for 404. */
const char *tl_http_reason(int status);

/* Each of these ends the call, as does tl_websocket_accept: it is gone when they return. `headers` are lines, each with its CRLF; Date,
 * Content-Length, Transfer-Encoding and Connection are the server's. */

/* Takes the reference to the body; NULL: none. To HEAD the body's size alone is told. */
void tl_http_answer(struct tl_http_call *call, int status, struct tl_sv headers, struct tl_blob *body);
/* RFC 9457: {"type":"about:blank","title":...,"status":...,"detail":...}; title by status. `headers` without Content-Type. */
void tl_http_answer_problem(struct tl_http_call *call, int status, struct tl_sv headers, const char *detail);

/* ---- a body that has no end: server-sent events, lines of JSON ---- */

struct tl_http_stream;

struct tl_http_stream_calls {
    void (*taken)(struct tl_http_stream *stream, void *ctx);   /* or NULL: less waits than before */
    void (*drained)(struct tl_http_stream *stream, void *ctx); /* or NULL: nothing waits any more */
    void (*closed)(struct tl_http_stream *stream,
                   void *ctx); /* the client has gone, or the server goes: the handle ends with this call */
};

/* Chunked, or until close for HTTP/1.0. NULL: there is nobody to send it to (a HEAD, a client that has gone): the call is answered, and no callback will
 * come. */
struct tl_http_stream *tl_http_answer_stream(struct tl_http_call *call, int status, struct tl_sv headers,
                                             const struct tl_http_stream_calls *calls, void *ctx);
/* One piece, at once; takes the reference. False: it will go nowhere, and `closed` follows. */
bool tl_http_stream_send(struct tl_http_stream *stream, struct tl_blob *piece);
/* Bytes that the client has not taken. */
size_t tl_http_stream_pending(const struct tl_http_stream *stream);
/* The body ends here, and so does the handle; no callback follows. */
void tl_http_stream_end(struct tl_http_stream *stream);

#endif
