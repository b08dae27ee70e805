/* ws_frame.c: WebSocket frames as a client sends and reads them. See ws_frame.h. */
#include "support/ws_frame.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MASK = 0x5a };

void ws_frame_put(struct tl_buf *out, unsigned first, struct tl_sv payload)
{
    tl_buf_put_u8(out, (uint8_t)first);
    if (payload.size < 126) {
        tl_buf_put_u8(out, (uint8_t)(0x80 | payload.size));
    } else if (payload.size <= UINT16_MAX) {
        tl_buf_put_u8(out, 0x80 | 126);
        tl_buf_put_u8(out, (uint8_t)(payload.size >> 8));
        tl_buf_put_u8(out, (uint8_t)payload.size);
    } else {
        tl_buf_put_u8(out, 0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            tl_buf_put_u8(out, (uint8_t)((uint64_t)payload.size >> shift));
    }
    tl_buf_put(out, (const char[]){MASK, MASK, MASK, MASK}, 4);
    for (size_t i = 0; i < payload.size; i++)
        tl_buf_put_u8(out, (uint8_t)(payload.data[i] ^ MASK));
}

bool ws_frame_read(struct tl_sv bytes, struct ws_frame *out)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    size_t head = 2, size;

    if (bytes.size < 2)
        return false;
    size = at[1] & 0x7fU;
    head += size == 126 ? 2 : size == 127 ? 8 : 0;
    if (bytes.size < head)
        return false;
    if (head > 2) {
        size = 0;
        for (size_t i = 2; i < head; i++)
            size = size << 8 | at[i];
    }
    if (bytes.size - head < size)
        return false;
    *out = (struct ws_frame){
        .first = at[0], .payload = {bytes.data + head, size},
             .bytes = head + size
    };
    return true;
}

unsigned ws_close_code(const struct ws_frame *frame)
{
    const unsigned char *at = (const unsigned char *)frame->payload.data;

    return frame->payload.size < 2 ? 0 : (unsigned)at[0] << 8 | at[1];
}

bool ws_shake(struct wire *wire, const char *headers)
{
    return wire_say(wire, "%s%s\r\n", WS_HANDSHAKE, headers) && wire_head(wire) && wire->status == 101;
}

bool ws_send(struct wire *wire, unsigned first, struct tl_sv payload)
{
    struct tl_buf frame;
    bool sent;

    tl_buf_init(&frame, 0);
    ws_frame_put(&frame, first, payload);
    sent = wire_send(wire, frame.data, frame.size);
    tl_buf_done(&frame);
    return sent;
}

bool ws_say(struct wire *wire, const char *text)
{
    return ws_send(wire, WS_TEXT, tl_sv_from(text));
}

bool ws_hear(struct wire *wire, struct ws_frame *out)
{
    static struct tl_buf frame;
    char *at;

    tl_buf_clear(&frame);
    for (size_t more = 2; more > 0;) {
        at = tl_buf_reserve(&frame, more + 1);
        cr_assert_not_null(at);
        if (!wire_read_all(wire, at, more))
            return false;
        frame.size += more;
        /* Of a frame that is not there whole: what is missing of its head, then all of it. */
        at = frame.data;
        if (ws_frame_read(tl_buf_sv(&frame), out)) {
            more = 0;
        } else {
            size_t size = (unsigned char)at[1] & 0x7fU, head = 2 + (size == 126 ? 2U : size == 127 ? 8U : 0U);

            for (size_t i = 2; i < head && frame.size >= head; i++)
                size = (i == 2 ? 0 : size << 8) | (unsigned char)at[i];
            more = head + (frame.size >= head ? size : 0) - frame.size;
        }
    }
    frame.data[frame.size] = '\0';
    return true;
}

const char *ws_hear_words(struct wire *wire, const char *words)
{
    struct ws_frame frame = {
        .payload = {"", 0}
    };

    do {
        cr_assert(ws_hear(wire, &frame), "'%s' does not come", words);
        cr_assert_neq(frame.first, WS_CLOSE, "'%s' does not come, but %u: %s", words, ws_close_code(&frame),
                      frame.payload.data + 2);
        if (frame.first == WS_PING)
            ws_send(wire, WS_PONG, frame.payload);
    } while (frame.first != WS_TEXT || strstr(frame.payload.data, words) == NULL);
    return frame.payload.data;
}

unsigned ws_hear_close(struct wire *wire)
{
    struct ws_frame frame = {
        .payload = {"", 0}
    };

    while (ws_hear(wire, &frame))
        if (frame.first == WS_CLOSE)
            return ws_close_code(&frame);
    return 0;
}
