/* http_connection.h: a client's connection to the HTTP server, for http_*.c and websocket.c alone.
 *
 *     SHAKING -> IDLE -> HEAD -> (BODY) -> BUSY -> IDLE ...    BUSY: the call is somebody's, who answers it
 *                                             \-> TAKEN        a stream, or a WebSocket: its mode has all that comes
 *                                             \-> LINGER       answered for the last time, and read on until the other side has seen it
 *
 * What a client sends before its turn waits in `in`; an idle one holds no buffer.
 * Runs on: the server's loop. A connection is closed by the loop alone, never within a call of what owns a call, a stream or a WebSocket: what
 * fails there is doomed, and goes when the loop comes round. Its memory goes at the next tick. */
#ifndef TL_HTTP_CONNECTION_H
#define TL_HTTP_CONNECTION_H

#include <pthread.h>

#include "net/certificate.h"
#include "net/deadline.h"
#include "net/http_server.h"
#include "net/outbox.h"

/* What a connection does that speaks HTTP no more. */
struct tl_http_mode {
    void (*input)(struct tl_http_connection *connection, struct tl_sv bytes); /* NULL: what comes is the next request */
    void (*drained)(struct tl_http_connection *connection);
    void (*taken)(struct tl_http_connection *connection);  /* some of what waits has been written, and some still waits */
    void (*late)(struct tl_http_connection *connection);   /* its deadline has passed; not while something waits to be written */
    void (*leave)(struct tl_http_connection *connection);  /* the server ends: at each tick */
    void (*closed)(struct tl_http_connection *connection); /* it has ended, at whatever side */
};

struct tl_http_connection {
    struct tl_stream stream;
    struct tl_http_server *server;
    struct tl_http_connection *next, *previous, *next_later;
    enum { TL_HTTP_SHAKING, TL_HTTP_IDLE, TL_HTTP_HEAD, TL_HTTP_BODY, TL_HTTP_BUSY, TL_HTTP_TAKEN, TL_HTTP_LINGER } state;
    bool is_tls, ended, doomed, is_later; /* ended: it has sent all; is_later: it stands in the server's list */
    bool
        said_end; /* of a mode: what is written last is its end; so the connection is closed and not cut, and it comes to be read */
    bool stuck;   /* it does not take what is sent, and the deadline is that of writing */
    uint32_t peer_slot; /* of the addresses' counts; UINT32_MAX: not counted */
    struct tl_endpoint peer;
    struct tl_deadline deadline;
    uint64_t progress; /* tl_stream_progress when the deadline of writing was set */
    struct tl_buf in;
    struct tl_outbox out;
    struct tl_http1 *http;     /* NULL: no request has begun */
    struct tl_http_call *call; /* BODY, BUSY */
    const struct tl_http_mode *mode;
    void *mode_ctx;
};

enum { TL_HTTP_READ_BYTES = 64 << 10, TL_HTTP_PENDING_BYTES_MAX = 64 << 10, TL_HTTP_PEERS = 1 << 16 };

/* A length of time that a mode has asked for. */
struct tl_http_wait {
    struct tl_http_wait *next;
    struct tl_deadline_queue queue;
};

struct tl_http_server {
    struct tl_http_server_config config;
    struct event_base *base;
    struct event accept_event, tick_event, wake_event, later_event;
    int listen_fd, wake_fd;
    bool accepting, draining;
    int64_t now_ms;         /* monotonic: as of this turn */
    int64_t drain_until_ms; /* draining: when all ends */
    atomic_uint connections_count;
    struct {
        struct tl_deadline_queue head, idle, body, write, linger;
    } queues;
    struct tl_http_wait *waits;
    struct tl_http_connection *connections, *dead, *later;
    struct tl_http1 *spare_parsers[64];
    size_t spare_parsers_count;
    struct tl_buf head; /* one that is being made */
    int64_t date_s;
    char date[30]; /* of date_s */
    struct tl_blob *crlf;
    struct tl_certificate *certificate; /* NULL: plain */
    int64_t certificate_ms;             /* when it was looked at */
    uint64_t peer_seed;
    uint32_t peers[TL_HTTP_PEERS]; /* connections by a hash of the address */
    char read[TL_HTTP_READ_BYTES];
    pthread_mutex_t mutex;
    struct tl_http_word *words, **words_end; /* with the mutex */
    atomic_bool stop_asked, reload_asked;
    atomic_llong patience_ms;
};

/* Takes the socket. */
void tl_http_connection_open(struct tl_http_server *server, int fd, const struct sockaddr *from);
void tl_http_connection_close(struct tl_http_connection *connection);
static inline struct tl_http_connection *tl_http_connection_of(struct tl_deadline *deadline)
{
    return (struct tl_http_connection *)((char *)deadline - offsetof(struct tl_http_connection, deadline));
}
/* Has it end when the loop comes round. */
void tl_http_connection_doom(struct tl_http_connection *connection);
/* Writes what is in `out`. False: it is doomed. */
bool tl_http_connection_flush(struct tl_http_connection *connection);
/* What it was put off for. */
void tl_http_connection_look(struct tl_http_connection *connection);
/* For a mode: calls `late` after so long, instead of what was set before. */
void tl_http_connection_wait(struct tl_http_connection *connection, int64_t after_ms);
/* The call is answered with what is in `out`: on to the next request, or to the end. */
void tl_http_connection_answered(struct tl_http_connection *connection, bool keep_alive);
/* The call's connection is the mode's from now on, and the call is gone. */
void tl_http_connection_take(struct tl_http_call *call, const struct tl_http_mode *mode, void *mode_ctx);
/* Nothing more is written behind what is in `out`, and nothing read but to be thrown away. A mode is told of nothing any more. */
void tl_http_connection_linger(struct tl_http_connection *connection);
/* An answer's head into `out`: `framing` and `headers` are lines. False: out of memory. */
TL_MUST_USE bool tl_http_connection_put_head(struct tl_http_connection *connection, int status, const char *framing,
                                             struct tl_sv headers);
void tl_http_call_free(struct tl_http_call *call);
/* Does the connection go on after this answer? And what Connection says of that: a line, or nothing. */
bool tl_http_call_keeps_alive(const struct tl_http_call *call);
const char *tl_http_call_connection_line(const struct tl_http_call *call);

/* The server's side. A connection has gone: there is room. */
void tl_http_server_left(struct tl_http_server *server);
struct tl_http1 *tl_http_server_parser(struct tl_http_server *server);
void tl_http_server_parser_back(struct tl_http_server *server, struct tl_http1 *http);

#endif
