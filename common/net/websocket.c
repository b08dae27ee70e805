/* websocket.c: a WebSocket on a connection of the HTTP server. See websocket.h.
 *
 * wslay reads the frames: it unmasks, checks their order, the UTF-8 of texts as it comes and the codes of closes, and queues the answers to pings and
 * closes. Left to us: a frame that is malformed in itself, for which it would close without a code; a close with one byte; the UTF-8 of a close's reason,
 * of which it skips two bytes of each piece that comes (so one that is cut on its way and not ASCII may be 1007 though it is right); how large a
 * message of several frames is, since we keep its text ourselves (wslay takes the memory for a frame before its bytes have come). Its context,
 * 8 KiB, lives as long as a message is under way. */
#include "net/websocket.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "net/http_connection.h"

enum {
    CLOSE_MS = 2000, /* for the other side's close to come */
    REASON_BYTES_MAX = 123,
    CONTROL_BYTES_MAX = 125,
    FRAME_HEAD_BYTES_MAX = 10, /* unmasked */
    MASK_BYTES = 4,
    KEY_BYTES = 16,
    KEY_TEXT_BYTES = 24
};

struct tl_websocket {
    struct tl_http_connection *connection;
    struct tl_websocket_limits limits;
    const struct tl_websocket_calls *calls;
    void *ctx;
    wslay_event_context_ptr frames; /* NULL: no frame has begun */
    struct tl_sv input;             /* what it has not taken yet */
    uint64_t given, begun;          /* bytes since it was made, and of all frames that have begun since then */
    struct tl_buf message;          /* the one under way */
    uint8_t opcode;                 /* of the frame under way */
    bool in_message, waits_for_pong;
    bool ending;       /* our close is sent */
    unsigned code;     /* of the end; 0: none yet */
    int64_t second_ms; /* since when frames are counted */
    unsigned frames_count;
};

/* ---- frames to send ---- */

struct frame_writer {
    char *at;
};

static ssize_t write_bytes(const uint8_t *bytes, size_t size, int flags, void *ctx)
{
    struct frame_writer *writer = ctx;

    (void)flags;
    memcpy(writer->at, bytes, size);
    writer->at += size;
    return (ssize_t)size;
}

static struct tl_blob *frame_of(uint8_t opcode, struct tl_sv payload)
{
    const struct wslay_frame_callbacks callbacks = {.send_callback = write_bytes};
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .payload_length = payload.size,
                                     .data = (const uint8_t *)payload.data,
                                     .data_length = payload.size};
    struct tl_blob *blob = tl_blob_make(FRAME_HEAD_BYTES_MAX + payload.size);
    struct frame_writer writer;
    wslay_frame_context_ptr context;
    ssize_t sent;

    if (blob == NULL || wslay_frame_context_init(&context, &callbacks, &writer) != 0) {
        tl_blob_drop(blob);
        return NULL;
    }
    writer.at = blob->data;
    sent = wslay_frame_send(context, &frame);
    wslay_frame_context_free(context);
    assert(sent == (ssize_t)payload.size);
    (void)sent;
    blob->size = (size_t)(writer.at - blob->data);
    return blob;
}

struct tl_blob *tl_websocket_frame(struct tl_sv text)
{
    return frame_of(WSLAY_TEXT_FRAME, text);
}

/* Takes the reference. False: doomed. */
static bool put(struct tl_websocket *ws, struct tl_blob *frame)
{
    if (!tl_outbox_put(&ws->connection->out, frame))
        tl_http_connection_doom(ws->connection);
    return tl_http_connection_flush(ws->connection);
}

bool tl_websocket_send_frame(struct tl_websocket *ws, struct tl_blob *frame)
{
    if (ws->ending || ws->connection->doomed)
        return false;
    return put(ws, tl_blob_hold(frame));
}

bool tl_websocket_send(struct tl_websocket *ws, struct tl_sv text)
{
    if (ws->ending || ws->connection->doomed)
        return false;
    return put(ws, tl_websocket_frame(text));
}

size_t tl_websocket_pending(const struct tl_websocket *ws)
{
    return tl_outbox_pending(&ws->connection->out);
}

/* What wslay answers by itself: pongs and closes. */
static ssize_t gather(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags, void *ctx)
{
    struct tl_websocket *ws = ctx;

    (void)frames;
    (void)flags;
    tl_buf_put(&ws->connection->server->head, bytes, size);
    return (ssize_t)size;
}

static void send_answers(struct tl_websocket *ws)
{
    struct tl_buf *out = &ws->connection->server->head;

    tl_buf_clear(out);
    if (ws->ending || ws->connection->doomed)
        return;
    if (wslay_event_send(ws->frames) != 0 || out->failed)
        tl_http_connection_doom(ws->connection);
    else if (out->size > 0)
        put(ws, tl_blob_copy(tl_buf_sv(out)));
}

/* ---- the end ---- */

static void websocket_free(struct tl_websocket *ws)
{
    wslay_event_context_free(ws->frames);
    tl_buf_done(&ws->message);
    free(ws);
}

static void on_closed(struct tl_http_connection *connection)
{
    struct tl_websocket *ws = connection->mode_ctx;

    ws->calls->closed(ws, ws->code != 0 ? ws->code : WSLAY_CODE_ABNORMAL_CLOSURE, ws->ctx);
    websocket_free(ws);
}

static void send_close(struct tl_websocket *ws, unsigned code, const char *reason)
{
    char payload[2 + REASON_BYTES_MAX + 1] = {(char)(code >> 8), (char)code};
    size_t size = strlen(reason);

    assert(size <= REASON_BYTES_MAX);
    memcpy(payload + 2, reason, size + 1);
    ws->code = code;
    put(ws, frame_of(WSLAY_CONNECTION_CLOSE, (struct tl_sv){payload, 2 + size}));
    ws->ending = ws->connection->said_end = true;
}

void tl_websocket_end(struct tl_websocket *ws, unsigned code, const char *reason)
{
    if (ws->ending || ws->connection->doomed)
        return;
    if (ws->connection->stuck)
        tl_outbox_drop(&ws->connection->out);
    send_close(ws, code, reason);
    tl_http_connection_wait(ws->connection, CLOSE_MS);
}

/* All is said: the connection ends behind what waits. */
static void finish(struct tl_websocket *ws)
{
    struct tl_http_connection *connection = ws->connection;

    tl_http_connection_linger(connection);
    on_closed(connection);
}

/* ---- frames that come ---- */

static ssize_t give(wslay_event_context_ptr frames, uint8_t *to, size_t size, int flags, void *ctx)
{
    struct tl_websocket *ws = ctx;

    (void)flags;
    if (ws->input.size == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (size > ws->input.size)
        size = ws->input.size;
    memcpy(to, ws->input.data, size);
    ws->input.data += size;
    ws->input.size -= size;
    return (ssize_t)size;
}

/* From within wslay: nothing more is read, and the end has this code. */
static void fail(struct tl_websocket *ws, unsigned code, const char *reason)
{
    wslay_event_shutdown_read(ws->frames);
    if (!ws->ending && !ws->connection->doomed)
        send_close(ws, code, reason);
}

static bool comes_too_often(struct tl_websocket *ws)
{
    const int64_t now_ms = ws->connection->server->now_ms;

    if (now_ms - ws->second_ms >= 1000) {
        ws->second_ms = now_ms;
        ws->frames_count = 0;
    }
    return ++ws->frames_count > TL_WEBSOCKET_FRAMES_PER_S;
}

static void on_frame_begin(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *frame, void *ctx)
{
    struct tl_websocket *ws = ctx;
    bool is_control = wslay_is_ctrl_frame(frame->opcode);

    (void)frames;
    ws->opcode = frame->opcode;
    ws->begun += 2 +
                 (frame->payload_length < 126           ? 0U
                  : frame->payload_length <= UINT16_MAX ? 2U
                                                        : 8U) +
                 MASK_BYTES + frame->payload_length;
    if (comes_too_often(ws))
        fail(ws, WSLAY_CODE_POLICY_VIOLATION, "too many frames");
    else if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
        fail(ws, WSLAY_CODE_PROTOCOL_ERROR, "half a code");
    else if (frame->opcode == WSLAY_BINARY_FRAME && ws->calls->binary == NULL)
        fail(ws, WSLAY_CODE_UNSUPPORTED_DATA, "texts alone are taken");
    else if (!is_control && frame->payload_length > ws->limits.message_bytes_max - ws->message.size)
        fail(ws, WSLAY_CODE_MESSAGE_TOO_BIG, "the message is too large");
    ws->in_message |= !is_control;
}

static void on_frame_piece(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_chunk_arg *piece, void *ctx)
{
    struct tl_websocket *ws = ctx;

    (void)frames;
    if (ws->ending || wslay_is_ctrl_frame(ws->opcode))
        return;
    tl_buf_put(&ws->message, piece->data, piece->data_length);
    if (ws->message.failed)
        tl_http_connection_doom(ws->connection);
}

static bool is_utf8(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    size_t at = 0, step;

    while (at < size && (step = tl_utf8_size(text + at, size - at)) > 0)
        at += step;
    return at == size;
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
    struct tl_websocket *ws = ctx;

    (void)frames;
    if (wslay_is_ctrl_frame(message->opcode)) {
        if (message->opcode == WSLAY_CONNECTION_CLOSE && message->msg_length > 2 &&
            !is_utf8(message->msg + 2, message->msg_length - 2))
            fail(ws, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, "");
        send_answers(ws);
        return;
    }
    ws->in_message = false;
    if (!ws->ending && !ws->connection->doomed)
        (message->opcode == WSLAY_TEXT_FRAME ? ws->calls->text : ws->calls->binary)(ws, tl_buf_sv(&ws->message), ws->ctx);
    tl_buf_done(&ws->message);
}

static bool frames_open(struct tl_websocket *ws)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = give,
                                                           .send_callback = gather,
                                                           .on_frame_recv_start_callback = on_frame_begin,
                                                           .on_frame_recv_chunk_callback = on_frame_piece,
                                                           .on_msg_recv_callback = on_message};

    if (wslay_event_context_server_init(&ws->frames, &callbacks, ws) != 0) {
        ws->frames = NULL;
        return false;
    }
    wslay_event_config_set_no_buffering(ws->frames, 1);
    wslay_event_config_set_max_recv_msg_length(
        ws->frames, ws->limits.message_bytes_max > CONTROL_BYTES_MAX ? ws->limits.message_bytes_max : CONTROL_BYTES_MAX);
    ws->given = ws->begun = 0;
    return true;
}

/* wslay reads no more: the other side has closed, or what it sent is wrong. */
static void on_read_end(struct tl_websocket *ws, bool malformed)
{
    unsigned code;

    if (malformed)
        fail(ws, WSLAY_CODE_PROTOCOL_ERROR, "");
    else
        send_answers(ws);
    if (ws->connection->doomed)
        return;
    code = wslay_event_get_close_received(ws->frames) ? wslay_event_get_status_code_received(ws->frames)
                                                      : wslay_event_get_status_code_sent(ws->frames);
    if (ws->code == 0)
        ws->code = code;
    finish(ws);
}

static void on_input(struct tl_http_connection *connection, struct tl_sv bytes)
{
    struct tl_websocket *ws = connection->mode_ctx;
    int result;

    if (ws->frames == NULL && !frames_open(ws)) {
        tl_http_connection_doom(connection);
        return;
    }
    ws->waits_for_pong = false;
    if (!ws->ending)
        tl_http_connection_wait(connection, ws->limits.ping_ms);
    ws->input = bytes;
    ws->given += bytes.size;
    result = wslay_event_recv(ws->frames);
    if (result == WSLAY_ERR_NOMEM)
        tl_http_connection_doom(connection);
    if (connection->doomed)
        return;
    if (result != 0 || !wslay_event_get_read_enabled(ws->frames)) {
        on_read_end(ws, result != 0);
    } else if (ws->given == ws->begun && !ws->in_message) {
        wslay_event_context_free(ws->frames);
        ws->frames = NULL;
    }
}

/* ---- what the connection tells ---- */

static void wait_on(struct tl_websocket *ws)
{
    tl_http_connection_wait(ws->connection, ws->ending ? CLOSE_MS : ws->waits_for_pong ? ws->limits.pong_ms : ws->limits.ping_ms);
}

static void on_drained(struct tl_http_connection *connection)
{
    struct tl_websocket *ws = connection->mode_ctx;

    wait_on(ws);
    if (!ws->ending && ws->calls->drained != NULL)
        ws->calls->drained(ws, ws->ctx);
}

static void on_taken(struct tl_http_connection *connection)
{
    struct tl_websocket *ws = connection->mode_ctx;

    if (!ws->ending && ws->calls->taken != NULL)
        ws->calls->taken(ws, ws->ctx);
}

static void on_late(struct tl_http_connection *connection)
{
    struct tl_websocket *ws = connection->mode_ctx;

    if (ws->ending || ws->waits_for_pong) {
        tl_http_connection_close(connection);
        return;
    }
    ws->waits_for_pong = true;
    if (put(ws, frame_of(WSLAY_PING, (struct tl_sv){NULL, 0})))
        wait_on(ws);
}

static void on_leave(struct tl_http_connection *connection)
{
    tl_websocket_end(connection->mode_ctx, WSLAY_CODE_GOING_AWAY, "the server ends");
}

static const struct tl_http_mode mode = {on_input, on_drained, on_taken, on_late, on_leave, on_closed};

/* ---- the handshake ---- */

/* 16 bytes in base64: 22 digits and "==". */
static bool is_key(struct tl_sv key)
{
    unsigned char bytes[KEY_TEXT_BYTES];

    return key.size == KEY_TEXT_BYTES && memchr(key.data, '=', key.size) == key.data + key.size - 2 &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.data, KEY_TEXT_BYTES) > 0;
}

int tl_websocket_wanted(const struct tl_http_call *call)
{
    if (!call->head.upgrade_websocket || call->head.minor == 0)
        return 426;
    if (!tl_sv_eq(tl_http_call_header(call, "sec-websocket-version"), TL_SV("13")))
        return 426;
    return is_key(tl_http_call_header(call, "sec-websocket-key")) ? 101 : 400;
}

/* RFC 6455, 4.2.2: base64 of SHA-1 of the key and a text that never changes. */
static bool accept_key(struct tl_sv key, char out[64])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[KEY_TEXT_BYTES + sizeof guid - 1], digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    memcpy(text, key.data, KEY_TEXT_BYTES);
    memcpy(text + KEY_TEXT_BYTES, guid, sizeof guid - 1);
    return EVP_Digest(text, sizeof text, digest, &size, EVP_sha1(), NULL) == 1 &&
           EVP_EncodeBlock((unsigned char *)out, digest, (int)size) > 0;
}

struct tl_websocket *tl_websocket_accept(struct tl_http_call *call, const struct tl_websocket_limits *limits,
                                         const struct tl_websocket_calls *calls, void *ctx)
{
    struct tl_http_connection *connection = call->connection;
    struct tl_websocket *ws = connection != NULL ? calloc(1, sizeof *ws) : NULL;
    char accepted[64], framing[160];

    assert(tl_websocket_wanted(call) == 101);
    if (ws == NULL || !accept_key(tl_http_call_header(call, "sec-websocket-key"), accepted)) {
        free(ws);
        tl_http_answer(call, 503, (struct tl_sv){NULL, 0}, NULL);
        return NULL;
    }
    *ws = (struct tl_websocket){.connection = connection, .limits = *limits, .calls = calls, .ctx = ctx};
    tl_buf_init(&ws->message, 0);
    snprintf(framing, sizeof framing, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n", accepted);
    if (!tl_http_connection_put_head(connection, 101, framing, (struct tl_sv){NULL, 0}))
        tl_http_connection_doom(connection);
    tl_http_connection_take(call, &mode, ws);
    tl_http_connection_wait(connection, limits->ping_ms);
    (void)tl_http_connection_flush(connection);
    return ws;
}
