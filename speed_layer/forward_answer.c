/* forward_answer.c: the site's answer on its way to the client. See forward.h. */
#include <string.h>

#include "base/clock.h"
#include "speed_layer/exchange.h"
#include "speed_layer/forward.h"
#include "speed_layer/pass_head.h"

enum { INTERIM_MAX = 16 }; /* answers of 1xx before the answer */

/* Nothing is read while the client takes nothing. */
static void hold_link(struct tl_exchange *exchange)
{
    if (tl_stream_pending(&exchange->guest->stream) < TL_PENDING_BYTES_MAX)
        return;
    tl_stream_reading(&exchange->link->stream, false);
    tl_deadline_clear(&exchange->link->deadline);
}

void tl_forward_guest_drained(struct tl_exchange *exchange)
{
    struct tl_guest *guest = exchange->guest;

    if (exchange->tunnel) {
        tl_exchange_tunnel_may_end(exchange);
        if (!tl_stream_is_open(&guest->stream))
            return;
    }
    if (exchange->link != NULL) {
        if (exchange->started && !exchange->link_ended)
            tl_deadline_set(&exchange->loop->queues.quiet, &exchange->link->deadline, exchange->loop->now_ms);
        tl_stream_reading(&exchange->link->stream, !exchange->link_ended);
    }
    if (!exchange->body_done && tl_forward_wants_input(exchange))
        tl_deadline_set(&exchange->loop->queues.body, &guest->deadline, exchange->loop->now_ms);
}

/* Head and pieces of one reading go to the client in one writing. */
struct parcel {
    size_t head_size; /* of loop->out */
    struct tl_sv piece;
    bool copied; /* the piece lies in loop->out already, with the chunk's frame */
};

static void pack(struct tl_exchange *exchange, struct parcel *parcel, struct tl_sv piece)
{
    struct tl_buf *out = &exchange->loop->out;

    if (piece.size == 0)
        return;
    if (exchange->answer_framing == TL_HTTP1_CHUNKED) {
        tl_buf_printf(out, "%zx\r\n", piece.size);
        tl_buf_put_sv(out, piece);
        tl_buf_put_sv(out, TL_SV("\r\n"));
    } else if (parcel->piece.size == 0) {
        parcel->piece = piece;
    } else { /* two pieces of one reading that go out without a frame: to a client of HTTP/1.0 */
        if (!parcel->copied)
            tl_buf_put_sv(out, parcel->piece);
        tl_buf_put_sv(out, piece);
        parcel->copied = true;
    }
}

static bool send_parcel(struct tl_exchange *exchange, const struct parcel *parcel)
{
    struct tl_buf *out = &exchange->loop->out;
    struct iovec parts[2] = {
        {out->data,                             out->size                              },
        {(char *)(uintptr_t)parcel->piece.data, parcel->copied ? 0 : parcel->piece.size}
    };

    if (out->failed) {
        tl_exchange_cut(exchange);
        return false;
    }
    if (out->size + parts[1].iov_len == 0)
        return true;
    return out->size == 0 ? tl_guest_write(exchange->guest, parts + 1, 1)
                          : tl_guest_write(exchange->guest, parts, parts[1].iov_len > 0 ? 2 : 1);
}

/* How long the site says that it waits for another request: "Keep-Alive: timeout=5". */
static void note_keep_alive(struct tl_link *link, const struct tl_http1_head *head)
{
    const struct tl_http1_header *header = tl_http1_find(head, TL_SV("keep-alive"));
    struct tl_sv rest, item;
    int64_t seconds;

    if (header == NULL)
        return;
    for (rest = header->value; rest.size > 0;) {
        item = tl_sv_trim(tl_sv_cut(&rest, ','));
        if (tl_sv_starts(item, TL_SV("timeout=")) && tl_sv_to_i64((struct tl_sv){item.data + 8, item.size - 8}, &seconds) &&
            seconds < 3600)
            link->keep_ms = seconds * 1000;
    }
}

static void begin_tunnel(struct tl_exchange *exchange, struct tl_sv rest)
{
    struct tl_guest *guest = exchange->guest;
    struct parcel parcel = {.piece = rest};

    exchange->tunnel = true;
    if (!send_parcel(exchange, &parcel))
        return;
    tl_exchange_wait(exchange);
    tl_guest_resume(guest);
}

/* Server-sent events. */
static bool is_endless(const struct tl_http1_head *head)
{
    static const struct tl_sv events = {"text/event-stream", 17};
    const struct tl_http1_header *type;

    if (head->framing == TL_HTTP1_LENGTH || head->framing == TL_HTTP1_NO_BODY)
        return false;
    type = tl_http1_find(head, TL_SV("content-type"));
    return type != NULL && type->value.size >= events.size &&
           tl_sv_eq_nocase((struct tl_sv){type->value.data, events.size}, events);
}

/* A head of the site's has come. False: nothing more is to be done with these bytes. */
static bool take_head(struct tl_exchange *exchange, const struct tl_http1_head *head, struct tl_sv rest)
{
    struct tl_loop *loop = exchange->loop;
    struct tl_pass_answer how = {.minor = exchange->minor, .head = exchange->is_head};

    if (head->status == 101) {
        if (!exchange->websocket || !tl_http1_has_token(head, TL_SV("upgrade"), TL_SV("websocket"))) {
            tl_exchange_fail(exchange, 502, "The site changes to a protocol that nobody asked for.");
            return false;
        }
        how.websocket = true;
        exchange->started = true;
        tl_exchange_event_leaves(exchange, 101, -1);
        tl_exchange_count_answer(exchange, 101);
        tl_pass_answer(&loop->out, head, &how);
        begin_tunnel(exchange, rest);
        return false;
    }
    if (head->status < 200) {
        if (++exchange->interims > INTERIM_MAX) {
            tl_exchange_fail(exchange, 502, "The site does not come to an answer.");
            return false;
        }
        if (exchange->minor == 1 && (head->status != 100 || exchange->expect_continue))
            tl_pass_answer(&loop->out, head, &how);
        return true;
    }
    exchange->started = true;
    exchange->answer_keep_alive = head->keep_alive;
    exchange->answer_framing = tl_pass_framing(head, exchange->minor);
    exchange->endless = is_endless(head);
    /* A client that has not sent all of its body will not send another request; to one of HTTP/1.0 the end of a body may be the connection's. */
    how.keep_alive =
        exchange->keep_alive && exchange->body_done && exchange->answer_framing != TL_HTTP1_UNTIL_CLOSE && !loop->draining;
    exchange->close_after = !how.keep_alive;
    tl_exchange_event_leaves(exchange, head->status,
                             head->content_length <= INT64_MAX && head->framing != TL_HTTP1_CHUNKED &&
                                     (head->framing == TL_HTTP1_LENGTH || exchange->is_head || head->status == 304)
                                 ? (int64_t)head->content_length
                                 : -1);
    tl_exchange_count_answer(exchange, head->status);
    note_keep_alive(exchange->link, head);
    tl_pass_answer(&loop->out, head, &how);
    return true;
}

/* The head has come, or is not whole yet (NULL), or the exchange is over. */
enum { HEAD_OVER = -1, HEAD_MORE, HEAD_HERE };
static int answer_head(struct tl_exchange *exchange, struct tl_sv *bytes, struct parcel *parcel)
{
    struct tl_link *link = exchange->link;
    struct tl_http1_head head;
    size_t used;

    for (;;) {
        switch (tl_http1_head(link->http, *bytes, &head, &used)) {
        case TL_HTTP1_MORE: return HEAD_MORE;
        case TL_HTTP1_BAD:
            tl_exchange_complain(exchange, tl_http1_reason(link->http));
            tl_exchange_fail(exchange, 502, "The site's answer cannot be read.");
            return HEAD_OVER;
        case TL_HTTP1_DONE: break;
        }
        bytes->data += used;
        bytes->size -= used;
        if (!take_head(exchange, &head, *bytes))
            return HEAD_OVER;
        if (exchange->started)
            return HEAD_HERE;
        tl_http1_next(link->http); /* it was an interim one */
        if (!send_parcel(exchange, parcel))
            return HEAD_OVER;
        tl_buf_clear(&exchange->loop->out);
        if (bytes->size == 0)
            return HEAD_MORE;
    }
}

/* The body's pieces. False: it is not whole yet. */
static enum tl_http1_result answer_body(struct tl_exchange *exchange, struct tl_sv *bytes, struct parcel *parcel)
{
    enum tl_http1_result result;

    do {
        struct tl_sv piece;
        size_t used;

        result = tl_http1_body(exchange->link->http, *bytes, &piece, &used);
        pack(exchange, parcel, piece);
        bytes->data += used;
        bytes->size -= used;
    } while (result == TL_HTTP1_MORE && bytes->size > 0);
    return result;
}

static void answer_end(struct tl_exchange *exchange)
{
    if (exchange->answer_framing == TL_HTTP1_CHUNKED)
        tl_buf_put_sv(&exchange->loop->out, TL_SV("0\r\n\r\n"));
}

/* All that came from the site. */
static void take_answer(struct tl_exchange *exchange, struct tl_sv bytes)
{
    struct tl_link *link = exchange->link;
    struct parcel parcel = {0};
    enum tl_http1_result result;

    tl_buf_clear(&exchange->loop->out);
    if (!exchange->started) {
        bool kept = link->in.size > 0;
        int here;

        if (kept) {
            tl_buf_put_sv(&link->in, bytes);
            bytes = tl_buf_sv(&link->in);
        }
        here = answer_head(exchange, &bytes, &parcel);
        if (here == HEAD_OVER)
            return;
        if (here == HEAD_MORE) {
            if (kept) {
                memmove(link->in.data, bytes.data, bytes.size);
                link->in.size = bytes.size;
            } else {
                tl_buf_put_sv(&link->in, bytes);
            }
            if (link->in.failed)
                tl_exchange_fail(exchange, 502, "There is no memory.");
            return;
        }
    }
    result = answer_body(exchange, &bytes, &parcel);
    if (result == TL_HTTP1_DONE) {
        exchange->answer_keep_alive = exchange->answer_keep_alive && bytes.size == 0 && !exchange->deaf;
        answer_end(exchange);
    }
    if (!send_parcel(exchange, &parcel))
        return;
    if (result == TL_HTTP1_BAD) {
        tl_exchange_cut(exchange);
    } else if (result == TL_HTTP1_DONE) {
        tl_exchange_finish(exchange);
    } else {
        link->in.size = 0;
        tl_deadline_set(&exchange->loop->queues.quiet, &link->deadline, exchange->loop->now_ms);
        hold_link(exchange);
    }
}

static void link_ended(struct tl_exchange *exchange)
{
    struct parcel parcel = {0};

    if (exchange->tunnel) {
        exchange->link_ended = true;
        tl_stream_reading(&exchange->link->stream, false);
        tl_stream_end(&exchange->guest->stream);
        tl_exchange_tunnel_may_end(exchange);
        return;
    }
    if (!exchange->started || tl_http1_eof(exchange->link->http) != TL_HTTP1_DONE) {
        tl_forward_link_failed(exchange, "it has closed the connection", false);
        return;
    }
    exchange->link_ended = true;
    tl_buf_clear(&exchange->loop->out);
    answer_end(exchange);
    if (send_parcel(exchange, &parcel))
        tl_exchange_finish(exchange);
}

void tl_forward_link_readable(struct tl_exchange *exchange)
{
    struct tl_loop *loop = exchange->loop;
    ssize_t size = tl_stream_read(&exchange->link->stream, loop->read, sizeof loop->read);

    loop->now_ms = tl_clock_monotonic_ms();
    if (size == TL_STREAM_LATER)
        return;
    if (size == TL_STREAM_FAILED && exchange->tunnel) {
        tl_forward_link_deaf(exchange);
        link_ended(exchange);
    } else if (size == TL_STREAM_FAILED) {
        tl_forward_link_failed(exchange, "it has cut the connection", false);
    } else if (size == TL_STREAM_END) {
        link_ended(exchange);
    } else if (exchange->tunnel) {
        struct iovec part = {loop->read, (size_t)size};

        if (!tl_guest_write(exchange->guest, &part, 1))
            return;
        tl_deadline_set(&loop->queues.quiet, &exchange->link->deadline, loop->now_ms);
        hold_link(exchange);
    } else {
        take_answer(exchange, (struct tl_sv){loop->read, (size_t)size});
    }
}
