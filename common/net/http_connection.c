/* http_connection.c: a client's connection to the HTTP server. See http_connection.h. */
#include "net/http_connection.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"

static const uint32_t no_slot = UINT32_MAX;

enum {
    UNSENT_BYTES_MAX = 128 << 10 /* in the kernel, which would take 4 MB from whoever has a client that does not read */
};

static void wait_until(struct tl_http_connection *connection, struct tl_deadline_queue *queue)
{
    if (!connection->stuck)
        tl_deadline_set(queue, &connection->deadline, connection->server->now_ms);
}

/* Looked at when the loop comes round: it is doomed, or what it sent before has its turn. */
static void look_later(struct tl_http_connection *connection)
{
    struct tl_http_server *server = connection->server;

    if (connection->is_later)
        return;
    connection->is_later = true;
    connection->next_later = server->later;
    server->later = connection;
    event_active(&server->later_event, EV_TIMEOUT, 1);
}

void tl_http_connection_doom(struct tl_http_connection *connection)
{
    if (connection->doomed)
        return;
    connection->doomed = true;
    tl_stream_reading(&connection->stream, false);
    look_later(connection);
}

/* ---- calls ---- */

void tl_http_call_free(struct tl_http_call *call)
{
    tl_buf_done(&call->body_bytes);
    free(call);
}

static void move_view(struct tl_sv *view, const char *from, const char *to)
{
    if (view->data != NULL)
        view->data = to + (view->data - from);
}

/* With a copy of its head, which is in `bytes`. */
static struct tl_http_call *call_new(struct tl_http_connection *connection, const struct tl_http1_head *head, struct tl_sv bytes)
{
    size_t headers_bytes = head->headers_count * sizeof *head->headers;
    struct tl_http_call *call = malloc(sizeof *call + headers_bytes + bytes.size);
    struct tl_http1_header *headers;
    char *copy;

    if (call == NULL)
        return NULL;
    headers = (struct tl_http1_header *)(call + 1);
    copy = (char *)headers + headers_bytes;
    memcpy(copy, bytes.data, bytes.size);
    *call =
        (struct tl_http_call){.head = *head, .peer = connection->peer, .is_tls = connection->is_tls, .connection = connection};
    if (headers_bytes > 0)
        memcpy(headers, head->headers, headers_bytes);
    call->head.headers = headers;
    for (size_t h = 0; h < head->headers_count; h++) {
        move_view(&headers[h].name, bytes.data, copy);
        move_view(&headers[h].value, bytes.data, copy);
    }
    move_view(&call->head.method, bytes.data, copy);
    move_view(&call->head.target, bytes.data, copy);
    move_view(&call->head.host, bytes.data, copy);
    call->method = call->head.method;
    call->query = call->head.target;
    call->path = tl_sv_cut(&call->query, '?');
    tl_buf_init(&call->body_bytes, connection->server->config.limits.body_bytes_max);
    return call;
}

struct tl_sv tl_http_call_header(const struct tl_http_call *call, const char *name)
{
    const struct tl_http1_header *header = tl_http1_find(&call->head, tl_sv_from(name));

    return header != NULL ? header->value : (struct tl_sv){NULL, 0};
}

bool tl_http_call_keeps_alive(const struct tl_http_call *call)
{
    const struct tl_http_connection *connection = call->connection;

    return call->head.keep_alive && !connection->ended && !connection->server->draining;
}

const char *tl_http_call_connection_line(const struct tl_http_call *call)
{
    if (!tl_http_call_keeps_alive(call))
        return "Connection: close\r\n";
    return call->head.minor == 0 ? "Connection: keep-alive\r\n" : "";
}

/* ---- answers ---- */

const char *tl_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"            },
        {200, "OK"                             },
        {202, "Accepted"                       },
        {204, "No Content"                     },
        {301, "Moved Permanently"              },
        {302, "Found"                          },
        {304, "Not Modified"                   },
        {307, "Temporary Redirect"             },
        {308, "Permanent Redirect"             },
        {400, "Bad Request"                    },
        {401, "Unauthorized"                   },
        {403, "Forbidden"                      },
        {404, "Not Found"                      },
        {405, "Method Not Allowed"             },
        {406, "Not Acceptable"                 },
        {408, "Request Timeout"                },
        {409, "Conflict"                       },
        {410, "Gone"                           },
        {412, "Precondition Failed"            },
        {413, "Content Too Large"              },
        {414, "URI Too Long"                   },
        {415, "Unsupported Media Type"         },
        {421, "Misdirected Request"            },
        {422, "Unprocessable Content"          },
        {426, "Upgrade Required"               },
        {429, "Too Many Requests"              },
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"          },
        {501, "Not Implemented"                },
        {503, "Service Unavailable"            },
        {504, "Gateway Timeout"                },
        {505, "HTTP Version Not Supported"     },
    };

    for (size_t r = 0; r < TL_COUNT(reasons); r++)
        if (reasons[r].status == status)
            return reasons[r].reason;
    return "Unknown";
}

bool tl_http_connection_put_head(struct tl_http_connection *connection, int status, const char *framing, struct tl_sv headers)
{
    struct tl_buf *head = &connection->server->head;

    tl_buf_clear(head);
    tl_buf_printf(head, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s", status, tl_http_reason(status), connection->server->date, framing);
    tl_buf_put_sv(head, headers);
    tl_buf_put_sv(head, TL_SV("\r\n"));
    return !head->failed && tl_outbox_put(&connection->out, tl_blob_copy(tl_buf_sv(head)));
}

/* Head and body, of which `body_bytes` are told where it is not sent. False: doomed. */
static bool put_answer(struct tl_http_connection *connection, int status, const char *connection_line, struct tl_sv headers,
                       struct tl_blob *body, bool head_only)
{
    char framing[96];
    size_t body_bytes = body != NULL ? body->size : 0;
    bool fine;

    if (status == 204 ||
        status == 304) /* RFC 9110, 8.6: none for 204; for 304 it would be that of the answer to a GET, which is not known here */
        snprintf(framing, sizeof framing, "%s", connection_line);
    else
        snprintf(framing, sizeof framing, "%sContent-Length: %zu\r\n", connection_line, body_bytes);
    fine = tl_http_connection_put_head(connection, status, framing, headers);
    if (fine && body != NULL && !head_only)
        fine = tl_outbox_put(&connection->out, body);
    else
        tl_blob_drop(body);
    if (!fine)
        tl_http_connection_doom(connection);
    return fine;
}

static bool has_no_body(const struct tl_http_call *call, int status)
{
    return status == 204 || status == 304 || tl_sv_eq(call->method, TL_SV("HEAD"));
}

void tl_http_answer(struct tl_http_call *call, int status, struct tl_sv headers, struct tl_blob *body)
{
    struct tl_http_connection *connection = call->connection;

    assert(connection == NULL || connection->state == TL_HTTP_BUSY);
    if (connection == NULL) {
        tl_blob_drop(body);
    } else {
        bool keep_alive = tl_http_call_keeps_alive(call);
        const char *line = status != 426 ? tl_http_call_connection_line(call)
                           : keep_alive  ? "Connection: Upgrade\r\n"
                                         : "Connection: Upgrade, close\r\n";

        if (put_answer(connection, status, line, headers, body, has_no_body(call, status)))
            tl_http_connection_answered(connection, keep_alive);
        connection->call = NULL;
    }
    tl_http_call_free(call);
}

static struct tl_blob *problem(int status, const char *detail)
{
    struct tl_blob *blob = NULL;
    struct tl_buf text;

    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":", tl_http_reason(status), status);
    tl_buf_put_json(&text, tl_sv_from(detail));
    tl_buf_put_str(&text, "}\n");
    if (!text.failed)
        blob = tl_blob_copy(tl_buf_sv(&text));
    tl_buf_done(&text);
    return blob;
}

static const struct tl_sv problem_type = {"Content-Type: application/problem+json\r\n", 40};

void tl_http_answer_problem(struct tl_http_call *call, int status, struct tl_sv headers, const char *detail)
{
    struct tl_buf lines;

    tl_buf_init(&lines, 0);
    tl_buf_put_sv(&lines, problem_type);
    tl_buf_put_sv(&lines, headers);
    if (lines.failed)
        tl_buf_clear(&lines);
    tl_http_answer(call, status, tl_buf_sv(&lines), problem(status, detail));
    tl_buf_done(&lines);
}

/* For a request that never became somebody's call. */
static void refuse(struct tl_http_connection *connection, int status, const char *detail)
{
    struct tl_http_call *call = connection->call;
    bool head_only = call != NULL && has_no_body(call, status);

    if (call != NULL)
        tl_http_call_free(call);
    connection->call = NULL;
    connection->state = TL_HTTP_BUSY;
    if (put_answer(connection, status, "Connection: close\r\n", problem_type, problem(status, detail), head_only))
        tl_http_connection_answered(connection, false);
}

/* ---- writing ---- */

bool tl_http_connection_flush(struct tl_http_connection *connection)
{
    if (connection->doomed)
        return false;
    if (connection->stuck) /* there is word when there is room */
        return true;
    if (!tl_outbox_flush(&connection->out, &connection->stream)) {
        tl_http_connection_doom(connection);
        return false;
    }
    if (tl_outbox_pending(&connection->out) > 0) {
        connection->progress = tl_stream_progress(&connection->stream);
        wait_until(connection, &connection->server->queues.write);
        connection->stuck = true;
    }
    return true;
}

/* Whoever closes while bytes are still coming takes back what he has written last. So what comes is read for a while, and thrown away. */
void tl_http_connection_linger(struct tl_http_connection *connection)
{
    connection->state = TL_HTTP_LINGER;
    connection->mode = NULL;
    if (!tl_http_connection_flush(connection))
        return;
    tl_stream_reading(&connection->stream, !connection->ended);
    if (tl_outbox_pending(&connection->out) > 0)
        return;
    tl_stream_end(&connection->stream);
    if (connection->ended)
        tl_http_connection_doom(connection);
    else
        wait_until(connection, &connection->server->queues.linger);
}

/* ---- requests ---- */

static void turn_idle(struct tl_http_connection *connection)
{
    connection->state = TL_HTTP_IDLE;
    wait_until(connection, &connection->server->queues.idle);
    tl_stream_reading(&connection->stream, !connection->ended);
    if (connection->in.size > 0 || connection->ended)
        look_later(connection);
}

void tl_http_connection_answered(struct tl_http_connection *connection, bool keep_alive)
{
    connection->call = NULL;
    connection->mode = NULL;
    connection->state = TL_HTTP_BUSY;
    if (!keep_alive)
        tl_http_connection_linger(connection);
    else if (!tl_http_connection_flush(connection))
        return;
    else if (tl_outbox_pending(&connection->out) == 0)
        turn_idle(connection);
    else /* the next request's turn comes when the answer is written */
        tl_stream_reading(&connection->stream, false);
}

void tl_http_connection_take(struct tl_http_call *call, const struct tl_http_mode *mode, void *mode_ctx)
{
    struct tl_http_connection *connection = call->connection;

    connection->call = NULL;
    connection->state = TL_HTTP_TAKEN;
    connection->mode = mode;
    connection->mode_ctx = mode_ctx;
    if (connection->in.size > 0)
        look_later(connection);
    if (connection->ended)
        tl_http_connection_doom(connection);
    tl_http_call_free(call);
}

static void end_head(struct tl_http_connection *connection)
{
    tl_http_server_parser_back(connection->server, connection->http);
    connection->http = NULL;
}

static void start_call(struct tl_http_connection *connection)
{
    struct tl_http_server *server = connection->server;
    struct tl_http_call *call = connection->call;

    end_head(connection);
    connection->state = TL_HTTP_BUSY;
    if (!connection->stuck)
        tl_deadline_clear(&connection->deadline);
    call->body = tl_buf_sv(&call->body_bytes);
    server->config.request(server->config.ctx, call);
}

/* The next bytes behind a head. How many of them were taken; 0: more must come, or it was refused. */
static size_t take_body(struct tl_http_connection *connection, struct tl_sv bytes)
{
    struct tl_http_call *call = connection->call;
    enum tl_http1_result result;
    struct tl_sv piece;
    size_t used;

    result = tl_http1_body(connection->http, bytes, &piece, &used);
    if (result == TL_HTTP1_BAD) {
        refuse(connection, tl_http1_status(connection->http), tl_http1_reason(connection->http));
        return 0;
    }
    if (piece.size > connection->server->config.limits.body_bytes_max - call->body_bytes.size) {
        refuse(connection, 413, "The body is too large.");
        return 0;
    }
    tl_buf_put_sv(&call->body_bytes, piece);
    if (call->body_bytes.failed)
        tl_http_connection_doom(connection);
    else if (result == TL_HTTP1_DONE)
        start_call(connection);
    return used;
}

static bool waits_for_word(const struct tl_http1_head *head)
{
    return head->expect_continue && head->minor == 1 && head->framing != TL_HTTP1_NO_BODY;
}

/* Looks at a request's head in `bytes`. How many of them were taken; 0: more must come, or it was refused. */
static size_t begin_request(struct tl_http_connection *connection, struct tl_sv bytes)
{
    struct tl_http_server *server = connection->server;
    struct tl_http1_head head;
    size_t used = 0;

    if (connection->http == NULL)
        connection->http = tl_http_server_parser(server);
    if (connection->http == NULL) {
        tl_http_connection_doom(connection);
        return 0;
    }
    switch (tl_http1_head(connection->http, bytes, &head, &used)) {
    case TL_HTTP1_MORE:
        if (connection->state == TL_HTTP_IDLE)
            wait_until(connection, &server->queues.head);
        connection->state = TL_HTTP_HEAD;
        return 0;
    case TL_HTTP1_BAD: refuse(connection, tl_http1_status(connection->http), tl_http1_reason(connection->http)); return 0;
    case TL_HTTP1_DONE: break;
    }
    connection->call = call_new(connection, &head, (struct tl_sv){bytes.data, used});
    if (connection->call == NULL) {
        tl_http_connection_doom(connection);
        return 0;
    }
    connection->state = TL_HTTP_BODY;
    if (head.framing == TL_HTTP1_LENGTH && head.content_length > server->config.limits.body_bytes_max) {
        refuse(connection, 413, "The body is too large.");
        return 0;
    }
    if (waits_for_word(&head) && used == bytes.size) {
        if (!tl_outbox_put(&connection->out, tl_blob_copy(TL_SV("HTTP/1.1 100 Continue\r\n\r\n"))))
            tl_http_connection_doom(connection);
        if (!tl_http_connection_flush(connection))
            return 0;
    }
    wait_until(connection, &server->queues.body);
    take_body(connection, (struct tl_sv){bytes.data + used, 0});
    return used;
}

/* All of `bytes` that is to be taken now. */
static size_t take_input(struct tl_http_connection *connection, struct tl_sv bytes)
{
    size_t at = 0;

    while (!connection->doomed && at < bytes.size) {
        struct tl_sv rest = {bytes.data + at, bytes.size - at};
        size_t used = 0;

        switch (connection->state) {
        case TL_HTTP_IDLE:
        case TL_HTTP_HEAD: used = begin_request(connection, rest); break;
        case TL_HTTP_BODY: used = take_body(connection, rest); break;
        case TL_HTTP_TAKEN:
            if (connection->mode->input == NULL || tl_outbox_pending(&connection->out) > TL_HTTP_PENDING_BYTES_MAX)
                break;
            connection->mode->input(connection, rest);
            used = rest.size;
            break;
        case TL_HTTP_SHAKING:
        case TL_HTTP_BUSY:
        case TL_HTTP_LINGER: break;
        }
        if (used == 0)
            break;
        at += used;
    }
    return at;
}

/* What has come, behind what waits. What is not taken is kept, and while that has to wait, no more is read. */
static void input(struct tl_http_connection *connection, struct tl_sv bytes)
{
    struct tl_buf *in = &connection->in;
    bool is_kept = in->size > 0;
    size_t used;

    if (is_kept) {
        tl_buf_put_sv(in, bytes);
        bytes = tl_buf_sv(in);
    }
    used = take_input(connection, bytes);
    if (connection->doomed)
        return;
    if (connection->state == TL_HTTP_LINGER || used == bytes.size) {
        tl_buf_done(in);
    } else if (is_kept) {
        memmove(in->data, in->data + used, bytes.size - used);
        in->size = bytes.size - used;
    } else {
        tl_buf_put(in, bytes.data + used, bytes.size - used);
    }
    if (in->failed || (connection->ended && connection->state < TL_HTTP_BUSY))
        tl_http_connection_doom(connection);
    else if (in->size > 0 && (connection->state == TL_HTTP_BUSY || connection->state == TL_HTTP_TAKEN))
        tl_stream_reading(&connection->stream, false);
}

void tl_http_connection_look(struct tl_http_connection *connection)
{
    connection->is_later = false;
    if (connection->doomed)
        tl_http_connection_close(connection);
    else
        input(connection, (struct tl_sv){NULL, 0});
}

/* ---- what the connection tells ---- */

static void on_connected(struct tl_stream *stream)
{
    struct tl_http_connection *connection = stream->ctx;

    connection->state = TL_HTTP_IDLE;
    if (SSL_has_pending(stream->ssl))
        event_active(&stream->read_event, EV_READ, 1);
}

static void tell_gone(struct tl_http_call *call)
{
    void (*gone)(struct tl_http_call *) = call->gone;

    call->gone = NULL;
    if (gone != NULL)
        gone(call);
}

static void client_ended(struct tl_http_connection *connection)
{
    connection->ended = true;
    tl_stream_reading(&connection->stream, false);
    if (connection->state == TL_HTTP_BUSY && connection->call != NULL)
        tell_gone(connection->call);
    else if (connection->state == TL_HTTP_TAKEN || tl_outbox_pending(&connection->out) == 0)
        tl_http_connection_close(connection);
}

static void on_readable(struct tl_stream *stream)
{
    struct tl_http_connection *connection = stream->ctx;
    struct tl_http_server *server = connection->server;
    ssize_t size;

    server->now_ms = tl_clock_monotonic_ms();
    size = tl_stream_read(stream, server->read, sizeof server->read);
    if (size == TL_STREAM_LATER)
        return;
    if (size == TL_STREAM_FAILED)
        tl_http_connection_close(connection);
    else if (size == TL_STREAM_END)
        client_ended(connection);
    else if (connection->state != TL_HTTP_LINGER)
        input(connection, (struct tl_sv){server->read, (size_t)size});
}

static void on_drained(struct tl_stream *stream)
{
    struct tl_http_connection *connection = stream->ctx;

    if (connection->doomed)
        return;
    connection->server->now_ms = tl_clock_monotonic_ms();
    connection->stuck = false;
    tl_deadline_clear(&connection->deadline);
    if (!tl_http_connection_flush(connection))
        return;
    if (tl_outbox_pending(&connection->out) > 0) {
        if (connection->state == TL_HTTP_TAKEN)
            connection->mode->taken(connection);
        return;
    }
    if (connection->state == TL_HTTP_LINGER) {
        tl_http_connection_linger(connection);
    } else if (connection->state == TL_HTTP_BODY) {
        wait_until(connection, &connection->server->queues.body);
    } else if (connection->state == TL_HTTP_BUSY && connection->call == NULL) {
        turn_idle(connection);
    } else if (connection->state == TL_HTTP_TAKEN) {
        if (connection->mode->input != NULL)
            tl_stream_reading(stream, true);
        if (connection->in.size > 0)
            look_later(connection);
        connection->mode->drained(connection);
    }
}

static void on_failed(struct tl_stream *stream, const char *why)
{
    (void)why; /* clients go as they like */
    tl_http_connection_close(stream->ctx);
}

static const struct tl_stream_calls stream_calls = {on_connected, on_readable, on_drained, on_failed};

static void on_late(struct tl_deadline *deadline)
{
    struct tl_http_connection *connection = tl_http_connection_of(deadline);

    if (connection->doomed)
        return;
    if (connection->stuck) {
        uint64_t progress = tl_stream_progress(&connection->stream);

        if (progress == connection->progress) {
            tl_http_connection_close(connection);
            return;
        }
        connection->progress = progress; /* slowly, and yet it takes it */
        tl_deadline_set(&connection->server->queues.write, deadline, connection->server->now_ms);
    } else if (connection->state == TL_HTTP_HEAD || connection->state == TL_HTTP_BODY) {
        refuse(connection, 408, "The request did not come in time.");
    } else if (connection->state == TL_HTTP_TAKEN) {
        connection->mode->late(connection);
    } else {
        tl_http_connection_close(connection);
    }
}

/* ---- beginning and end ---- */

/* Addresses are counted by their hash: two that share a slot share what they may have, and which ones do is another at each start. Of IPv6 it is the
 * network, /64, that somebody has. */
static bool count_peer(struct tl_http_connection *connection)
{
    struct tl_http_server *server = connection->server;
    unsigned most = server->config.limits.connections_per_address;
    const uint8_t *bytes = connection->peer.bytes;
    size_t size = memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0 ? 16 : 8;
    uint32_t slot;

    connection->peer_slot = no_slot;
    if (most == 0 || !connection->peer.known)
        return true;
    slot = (uint32_t)(XXH3_64bits_withSeed(bytes, size, server->peer_seed) % TL_HTTP_PEERS);
    if (server->peers[slot] >= most)
        return false;
    server->peers[slot]++;
    connection->peer_slot = slot;
    return true;
}

static void tune_socket(int fd)
{
    int on = 1, unsent = UNSENT_BYTES_MAX;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what is pushed goes at once */
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

void tl_http_connection_open(struct tl_http_server *server, int fd, const struct sockaddr *from)
{
    struct tl_http_connection *connection = calloc(1, sizeof *connection);
    SSL *ssl = server->certificate != NULL ? tl_certificate_accept(server->certificate) : NULL;

    if (connection != NULL) {
        connection->server = server;
        tl_endpoint_from_socket(from, &connection->peer);
    }
    if (connection == NULL || (server->certificate != NULL && ssl == NULL) || !count_peer(connection)) {
        SSL_free(ssl);
        free(connection);
        close(fd);
        return;
    }
    tune_socket(fd);
    connection->is_tls = ssl != NULL;
    connection->deadline.passed = on_late;
    connection->state = ssl != NULL ? TL_HTTP_SHAKING : TL_HTTP_IDLE;
    tl_buf_init(&connection->in, 0);
    tl_stream_init(&connection->stream, server->base, fd, false, ssl, &stream_calls, connection);
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    atomic_fetch_add_explicit(&server->connections_count, 1, memory_order_relaxed);
    wait_until(connection, &server->queues.head); /* the first request comes at once */
}

static void unlink_all(struct tl_http_connection *connection)
{
    struct tl_http_server *server = connection->server;

    if (connection->is_later) {
        struct tl_http_connection **at = &server->later;

        while (*at != connection)
            at = &(*at)->next_later;
        *at = connection->next_later;
    }
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connection->next = server->dead;
    server->dead = connection;
}

void tl_http_connection_close(struct tl_http_connection *connection)
{
    struct tl_http_server *server = connection->server;
    struct tl_http_call *call = connection->call;

    if (!tl_stream_is_open(&connection->stream))
        return;
    connection->doomed = true;
    tl_deadline_clear(&connection->deadline);
    /* What is cut must not be taken for the end. */
    if (tl_outbox_pending(&connection->out) > 0 || (connection->state == TL_HTTP_TAKEN && !connection->said_end))
        tl_stream_cut(&connection->stream);
    else
        tl_stream_close(&connection->stream);
    unlink_all(connection);
    tl_buf_done(&connection->in);
    tl_outbox_done(&connection->out);
    end_head(connection);
    if (connection->peer_slot != no_slot)
        server->peers[connection->peer_slot]--;
    atomic_fetch_sub_explicit(&server->connections_count, 1, memory_order_relaxed);
    tl_http_server_left(server);
    connection->call = NULL;
    if (call != NULL && connection->state == TL_HTTP_BODY) {
        tl_http_call_free(call);
    } else if (call != NULL) {
        call->connection = NULL;
        tell_gone(call);
    }
    if (connection->mode != NULL)
        connection->mode->closed(connection);
}
