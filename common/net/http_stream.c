/* http_stream.c: an answer whose body has no end. See http_server.h. */
#include <stdio.h>
#include <stdlib.h>

#include "net/http_connection.h"

struct tl_http_stream {
    struct tl_http_connection *connection;
    const struct tl_http_stream_calls *calls;
    void *ctx;
    bool chunked, keep_alive;
};

/* The last chunk, and the connection is HTTP's again. */
static void end_body(struct tl_http_stream *stream, bool keep_alive)
{
    struct tl_http_connection *connection = stream->connection;

    connection->mode = NULL;
    if (stream->chunked && !tl_outbox_put(&connection->out, tl_blob_copy(TL_SV("0\r\n\r\n"))))
        tl_http_connection_doom(connection);
    else
        tl_http_connection_answered(connection, keep_alive);
    free(stream);
}

static void on_drained(struct tl_http_connection *connection)
{
    struct tl_http_stream *stream = connection->mode_ctx;

    if (stream->calls->drained != NULL)
        stream->calls->drained(stream, stream->ctx);
}

static void on_taken(struct tl_http_connection *connection)
{
    struct tl_http_stream *stream = connection->mode_ctx;

    if (stream->calls->taken != NULL)
        stream->calls->taken(stream, stream->ctx);
}

static void on_closed(struct tl_http_connection *connection)
{
    struct tl_http_stream *stream = connection->mode_ctx;

    stream->calls->closed(stream, stream->ctx);
    free(stream);
}

static void on_leave(struct tl_http_connection *connection)
{
    struct tl_http_stream *stream = connection->mode_ctx;

    stream->calls->closed(stream, stream->ctx);
    end_body(stream, false);
}

static const struct tl_http_mode mode = {.drained = on_drained, .taken = on_taken, .leave = on_leave, .closed = on_closed};

struct tl_http_stream *tl_http_answer_stream(struct tl_http_call *call, int status, struct tl_sv headers,
                                             const struct tl_http_stream_calls *calls, void *ctx)
{
    struct tl_http_connection *connection = call->connection;
    struct tl_http_stream *stream = connection != NULL ? malloc(sizeof *stream) : NULL;
    bool is_head = tl_sv_eq(call->method, TL_SV("HEAD"));
    char framing[64];

    if (stream == NULL) {
        tl_http_answer(call, 503, (struct tl_sv){NULL, 0}, NULL);
        return NULL;
    }
    *stream = (struct tl_http_stream){connection, calls, ctx, call->head.minor == 1,
                                      call->head.minor == 1 && tl_http_call_keeps_alive(call)};
    snprintf(framing, sizeof framing, "%s%s", stream->keep_alive ? "" : "Connection: close\r\n",
             stream->chunked ? "Transfer-Encoding: chunked\r\n" : "");
    if (!tl_http_connection_put_head(connection, status, framing, headers))
        tl_http_connection_doom(connection);
    if (is_head || connection->doomed) {
        bool keep_alive = stream->keep_alive;

        free(stream);
        connection->call = NULL;
        tl_http_call_free(call);
        if (!connection->doomed)
            tl_http_connection_answered(connection, keep_alive);
        return NULL;
    }
    tl_http_connection_take(call, &mode, stream);
    (void)tl_http_connection_flush(connection);
    return stream;
}

bool tl_http_stream_send(struct tl_http_stream *stream, struct tl_blob *piece)
{
    struct tl_http_connection *connection = stream->connection;
    struct tl_outbox *out = &connection->out;
    char line[24];
    int size;
    bool fine;

    if (connection->doomed || piece == NULL || piece->size == 0) { /* an empty chunk would be the last */
        tl_blob_drop(piece);
        return !connection->doomed;
    }
    if (!stream->chunked) {
        fine = tl_outbox_put(out, piece);
    } else {
        size = snprintf(line, sizeof line, "%zx\r\n", piece->size);
        fine = tl_outbox_put(out, tl_blob_copy((struct tl_sv){line, (size_t)size}));
        if (fine)
            fine = tl_outbox_put(out, piece) && tl_outbox_put(out, tl_blob_hold(connection->server->crlf));
        else
            tl_blob_drop(piece);
    }
    if (!fine)
        tl_http_connection_doom(connection);
    return tl_http_connection_flush(connection);
}

size_t tl_http_stream_pending(const struct tl_http_stream *stream)
{
    return tl_outbox_pending(&stream->connection->out);
}

void tl_http_stream_end(struct tl_http_stream *stream)
{
    if (stream->connection->doomed) {
        stream->connection->mode = NULL;
        free(stream);
    } else {
        end_body(stream, stream->keep_alive && !stream->connection->server->draining);
    }
}
