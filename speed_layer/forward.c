/* forward.c: a request on its way to the site. See forward.h. */
#include "speed_layer/forward.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "speed_layer/exchange.h"
#include "speed_layer/gather.h"
#include "speed_layer/pass_head.h"

enum {
    BODY_STEP = 10000, /* a body has its time anew after so many bytes: with 20 s, 500 bytes a second at least */
    ADDRESSES_MAX = 4  /* that are tried */
};

static struct tl_exchange *of_word(struct tl_loop_word *word)
{
    return (struct tl_exchange *)((char *)word - offsetof(struct tl_exchange, word));
}

/* ---- to the site ---- */

static void send_head(struct tl_exchange *exchange);

static bool has_another_address(const struct tl_exchange *exchange)
{
    size_t count = tl_upstream_addresses_count(exchange->upstream);

    return exchange->connects < (count < ADDRESSES_MAX ? count : ADDRESSES_MAX);
}

static void go(struct tl_exchange *exchange)
{
    const char *why = "";

    if (!exchange->asked_pool) /* after a failure all that wait may be dead */
        exchange->link = tl_link_take(exchange->loop, exchange->upstream, exchange->repeatable, exchange);
    exchange->asked_pool = true;
    while (exchange->link == NULL && (exchange->connects == 0 || has_another_address(exchange)))
        exchange->link =
            tl_link_connect(exchange->loop, exchange->upstream, exchange, exchange->connects++, &exchange->turn, &why);
    if (exchange->link == NULL) {
        tl_exchange_complain(exchange, why);
        tl_exchange_fail(exchange, 502, "The site cannot be reached.");
    } else if (exchange->link->stream.state == TL_STREAM_OPEN) {
        send_head(exchange);
    }
}

/* Where nothing of the request has gone anywhere, another address may do, or a new connection. One over which others have gone before may have been
 * closed just then: what can be repeated is. */
static bool may_try_again(const struct tl_exchange *exchange, bool late)
{
    const struct tl_link *link = exchange->link;

    if (exchange->request == TL_HEAD_WAITS)
        return has_another_address(exchange);
    return !late && !exchange->started && exchange->interims == 0 && exchange->repeatable && link->used && link->in.size == 0;
}

void tl_forward_link_failed(struct tl_exchange *exchange, const char *why, bool late)
{
    bool again = may_try_again(exchange, late);

    tl_exchange_close_link(exchange);
    if (again) {
        exchange->request = TL_HEAD_WAITS;
        tl_count(&exchange->loop->counts.retried, 1);
        go(exchange);
        return;
    }
    tl_exchange_complain(exchange, why);
    tl_exchange_fail(exchange, late ? 504 : 502, late ? "The site does not answer." : "The site cannot be reached.");
}

static void send_head(struct tl_exchange *exchange)
{
    struct tl_guest *guest = exchange->guest;
    struct iovec part = {exchange->head.data, exchange->head.size};

    exchange->link->http = tl_loop_parser(exchange->loop, TL_HTTP1_RESPONSE);
    if (exchange->link->http == NULL) {
        tl_exchange_fail(exchange, 502, "There is no memory.");
        return;
    }
    tl_http1_answers_head(exchange->link->http, exchange->is_head);
    if (!tl_stream_write(&exchange->link->stream, &part, 1)) {
        tl_forward_link_failed(exchange, "it has closed the connection", false);
        return;
    }
    exchange->request = TL_HEAD_SENT;
    tl_exchange_wait(exchange);
    if (exchange->body_done)
        return;
    tl_deadline_set(&exchange->loop->queues.body, &guest->deadline, exchange->loop->now_ms);
    if (!guest->turning)
        tl_guest_resume(guest);
}

void tl_forward_link_open(struct tl_exchange *exchange)
{
    exchange->loop->now_ms = tl_clock_monotonic_ms();
    send_head(exchange);
}

/* ---- the request's body ---- */

bool tl_forward_wants_input(const struct tl_exchange *exchange)
{
    if (exchange->gather != NULL)
        return !exchange->body_done && !exchange->waits;
    if (exchange->link == NULL || exchange->request != TL_HEAD_SENT || exchange->deaf)
        return false;
    if (exchange->tunnel)
        return true;
    return !exchange->body_done && tl_stream_pending(&exchange->link->stream) < TL_PENDING_BYTES_MAX;
}

/* Nothing is read while the site takes nothing. */
static void hold_guest(struct tl_exchange *exchange)
{
    if (tl_stream_pending(&exchange->link->stream) < TL_PENDING_BYTES_MAX)
        return;
    tl_stream_reading(&exchange->guest->stream, false);
    if (!exchange->guest->stuck)
        tl_deadline_clear(&exchange->guest->deadline);
}

void tl_forward_link_deaf(struct tl_exchange *exchange)
{
    exchange->deaf = true;
    tl_stream_give_up_writing(&exchange->link->stream);
    tl_stream_reading(&exchange->guest->stream, false);
    if (!exchange->guest->stuck)
        tl_deadline_clear(&exchange->guest->deadline);
    tl_exchange_wait(exchange);
}

static void send_piece(struct tl_exchange *exchange, struct tl_sv piece, bool last)
{
    char size[24];
    struct iovec parts[4];
    int count = 0;

    if (exchange->framing == TL_HTTP1_CHUNKED) {
        if (piece.size > 0) {
            parts[count++] = (struct iovec){size, (size_t)snprintf(size, sizeof size, "%zx\r\n", piece.size)};
            parts[count++] = (struct iovec){(char *)(uintptr_t)piece.data, piece.size};
            parts[count++] = (struct iovec){(char *)(uintptr_t) "\r\n", 2};
        }
        if (last)
            parts[count++] = (struct iovec){(char *)(uintptr_t) "0\r\n\r\n", 5};
    } else if (piece.size > 0) {
        parts[count++] = (struct iovec){(char *)(uintptr_t)piece.data, piece.size};
    }
    /* A site that has heard enough answers and closes: what it said may still be there to be read. */
    if (count > 0 && !tl_stream_write(&exchange->link->stream, parts, count))
        tl_forward_link_deaf(exchange);
    else
        tl_exchange_wait(exchange);
}

static void gather_piece(struct tl_exchange *exchange, struct tl_sv piece);

static void tunnel_input(struct tl_exchange *exchange, struct tl_sv bytes)
{
    struct iovec part = {(char *)(uintptr_t)bytes.data, bytes.size};

    if (!tl_stream_write(&exchange->link->stream, &part, 1)) {
        tl_forward_link_deaf(exchange);
        return;
    }
    tl_exchange_wait(exchange);
    hold_guest(exchange);
}

void tl_forward_input(struct tl_exchange *exchange, struct tl_sv bytes, size_t *used)
{
    struct tl_guest *guest = exchange->guest;
    const struct tl_intercept *shared = exchange->loop->shared;
    enum tl_http1_result result;
    struct tl_sv piece;

    if (exchange->tunnel) {
        *used = bytes.size;
        tunnel_input(exchange, bytes);
        return;
    }
    result = tl_http1_body(guest->http, bytes, &piece, used);
    exchange->body_bytes += piece.size;
    if (result == TL_HTTP1_BAD) {
        tl_exchange_fail(exchange, tl_http1_status(guest->http), tl_http1_reason(guest->http));
        return;
    }
    if (shared->body_bytes_max > 0 && exchange->body_bytes > (uint64_t)shared->body_bytes_max) {
        tl_exchange_fail(exchange, 413, "The body is larger than this site takes.");
        return;
    }
    exchange->body_done = result == TL_HTTP1_DONE;
    if (exchange->body_done && !guest->stuck) {
        tl_deadline_clear(&guest->deadline);
    } else if (exchange->body_bytes - exchange->body_mark >= BODY_STEP && !guest->stuck) {
        exchange->body_mark = exchange->body_bytes;
        tl_deadline_set(&exchange->loop->queues.body, &guest->deadline, exchange->loop->now_ms);
    }
    if (exchange->gather != NULL) {
        gather_piece(exchange, piece);
        return;
    }
    send_piece(exchange, piece, exchange->body_done);
    if (!exchange->body_done)
        hold_guest(exchange);
}

void tl_forward_link_drained(struct tl_exchange *exchange)
{
    struct tl_guest *guest = exchange->guest;

    exchange->loop->now_ms = tl_clock_monotonic_ms();
    tl_exchange_wait(exchange);
    if (exchange->tunnel) {
        tl_exchange_tunnel_may_end(exchange);
        if (!tl_stream_is_open(&guest->stream))
            return;
    } else if (exchange->body_done) {
        return;
    }
    if (!exchange->body_done && !guest->stuck)
        tl_deadline_set(&exchange->loop->queues.body, &guest->deadline, exchange->loop->now_ms);
    tl_guest_resume(guest);
}

void tl_forward_guest_late(struct tl_exchange *exchange)
{
    if (exchange->body_done)
        return;
    tl_exchange_fail(exchange, 408, "The body did not come in time.");
}

void tl_forward_guest_ended(struct tl_exchange *exchange)
{
    exchange->guest_ended = true;
    if (exchange->tunnel) {
        tl_stream_end(&exchange->link->stream);
        tl_exchange_tunnel_may_end(exchange);
        return;
    }
    /* It cannot have a whole body any more. Who has sent all and ends his side may still wait for the answer: if he does not, writing will fail. Of a
     * stream of events nobody waits for the end, and the site is to know who has left. */
    if (!exchange->body_done || exchange->endless)
        tl_guest_close(exchange->guest);
}

void tl_forward_guest_gone(struct tl_exchange *exchange)
{
    tl_exchange_close_link(exchange);
    tl_exchange_event_leaves(exchange, 0, -1);
    exchange->guest = NULL;
    if (!exchange->waits)
        tl_exchange_free(exchange);
}

bool tl_forward_ends_with_connection(const struct tl_exchange *exchange)
{
    return exchange->started && !exchange->tunnel && exchange->answer_framing == TL_HTTP1_UNTIL_CLOSE;
}

/* ---- for the collector ---- */

static void on_captured(void *ctx, bool taken);

static void answer_gathered(struct tl_exchange *exchange)
{
    struct tl_loop *loop = exchange->loop;
    const struct tl_collect_answer *answer = tl_gather_answer(exchange->gather);
    struct iovec part;

    exchange->started = true;
    exchange->close_after = !exchange->keep_alive || !exchange->body_done || loop->draining;
    tl_count(&loop->counts.collected, answer->taken_count);
    tl_exchange_count_answer(exchange, answer->status);
    tl_buf_clear(&loop->out);
    tl_pass_own(
        &loop->out, answer->status, tl_buf_sv(&answer->lines), tl_buf_sv(&answer->body),
        &(struct tl_pass_answer){.keep_alive = !exchange->close_after, .minor = exchange->minor, .head = exchange->is_head});
    part = (struct iovec){loop->out.data, loop->out.size};
    if (loop->out.failed)
        tl_exchange_cut(exchange);
    else if (tl_guest_write(exchange->guest, &part, 1))
        tl_exchange_finish(exchange);
}

/* In best-effort mode nobody waits. */
static void gather_end(struct tl_exchange *exchange)
{
    struct tl_loop *loop = exchange->loop;
    const struct tl_gather_with with = {loop->shared->collect, loop->shared->rules, loop->maker, loop->shared->capture};

    exchange->waits = loop->shared->mode != TL_CAPTURE_BEST_EFFORT;
    if (exchange->waits && !exchange->guest->stuck)
        tl_deadline_clear(&exchange->guest->deadline); /* of a body that is too long: no more of it is waited for */
    tl_gather_finish(exchange->gather, &with, exchange->waits ? &(struct tl_capture_answer){on_captured, exchange} : NULL);
    if (!exchange->waits)
        answer_gathered(exchange);
}

static void gather_piece(struct tl_exchange *exchange, struct tl_sv piece)
{
    if (!tl_gather_put(exchange->gather, piece))
        tl_exchange_fail(exchange, 503, "There is no memory.");
    else if (exchange->body_done || tl_gather_is_full(exchange->gather))
        gather_end(exchange);
}

static void gather_begin(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec part = {(char *)(uintptr_t)go_on, sizeof go_on - 1};
    struct tl_client client;
    struct tl_request request = tl_exchange_request(exchange, head, &client);

    exchange->gather = tl_gather_open(exchange->loop->shared->collect, &request);
    if (exchange->gather == NULL) {
        tl_exchange_fail(exchange, 503, "There is no memory.");
        return;
    }
    if (exchange->body_done) {
        gather_end(exchange);
        return;
    }
    tl_deadline_set(&exchange->loop->queues.body, &exchange->guest->deadline, exchange->loop->now_ms);
    if (exchange->expect_continue && !tl_guest_write(exchange->guest, &part, 1))
        return; /* gone, and the exchange with it */
}

/* ---- the beginning ---- */

/* The word of the queue has come: on its thread, or within the call. */
static void on_captured(void *ctx, bool taken)
{
    struct tl_exchange *exchange = ctx;

    exchange->captured = taken;
    tl_loop_post(exchange->loop, &exchange->word);
}

static void captured(struct tl_loop_word *word)
{
    struct tl_exchange *exchange = of_word(word);

    exchange->waits = false;
    if (exchange->guest == NULL)
        tl_exchange_free(exchange);
    else if (!exchange->captured)
        tl_exchange_fail(exchange, 503,
                         exchange->gather != NULL ? "The events cannot be put on record now."
                                                  : "The request cannot be put on record, and this site takes none without.");
    else if (exchange->gather != NULL)
        answer_gathered(exchange);
    else
        go(exchange);
}

static bool is_repeatable(struct tl_sv method)
{
    return tl_sv_eq(method, TL_SV("GET")) || tl_sv_eq(method, TL_SV("HEAD")) || tl_sv_eq(method, TL_SV("OPTIONS"));
}

static void describe(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    exchange->begun_ns = tl_clock_monotonic_ns();
    exchange->minor = head->minor;
    exchange->framing = head->framing;
    exchange->keep_alive = head->keep_alive;
    exchange->expect_continue = head->expect_continue && head->minor == 1;
    exchange->websocket = head->upgrade_websocket;
    exchange->is_head = tl_sv_eq(head->method, TL_SV("HEAD"));
    exchange->body_done = head->framing == TL_HTTP1_NO_BODY || (head->framing == TL_HTTP1_LENGTH && head->content_length == 0);
    exchange->repeatable = exchange->body_done && !exchange->websocket && is_repeatable(head->method);
}

static void rewrite(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    const struct tl_guest *guest = exchange->guest;

    tl_pass_request(&exchange->head, head, exchange->upstream->authority, guest->trusted);
    tl_client_put_forwarded(exchange->loop->shared->trust, &guest->peer, guest->trusted, guest->tls, head, &exchange->head);
    tl_buf_put_sv(&exchange->head, TL_SV("\r\n"));
}

void tl_forward_refuse(struct tl_guest *guest, int status, const char *sentence)
{
    struct tl_loop *loop = guest->loop;
    struct iovec part;

    tl_count(&loop->counts.refused, 1);
    tl_count(&loop->counts.answers[status / 100], 1);
    tl_buf_clear(&loop->out);
    tl_pass_page(&loop->out, status, sentence, &(struct tl_pass_answer){.minor = 1});
    part = (struct iovec){loop->out.data, loop->out.size};
    if (tl_guest_write(guest, &part, 1))
        tl_guest_answered(guest, false);
}

void tl_forward_start(struct tl_guest *guest, const struct tl_http1_head *head)
{
    struct tl_loop *loop = guest->loop;
    struct tl_intercept *shared = loop->shared;
    bool collected = shared->collect != NULL && tl_collect_is_mine(shared->collect, head->target);
    struct tl_upstream *upstream = NULL;
    struct tl_exchange *exchange;

    tl_count(&loop->counts.requests, 1);
    if (tl_sv_eq(head->method, TL_SV("TRACE"))) {
        tl_forward_refuse(guest, 405, "TRACE is not passed on.");
        return;
    }
    if (shared->body_bytes_max > 0 && head->framing == TL_HTTP1_LENGTH &&
        head->content_length > (uint64_t)shared->body_bytes_max) {
        tl_forward_refuse(guest, 413, "The body is larger than this site takes.");
        return;
    }
    if (!collected)
        upstream = tl_upstreams_find(shared->upstreams, head->host);
    if (!collected && upstream == NULL) {
        tl_forward_refuse(guest, 421, "There is no site of that name here.");
        return;
    }
    exchange = tl_exchange_new(guest);
    if (exchange == NULL) {
        tl_guest_close(guest);
        return;
    }
    guest->exchange = exchange;
    exchange->upstream = upstream;
    exchange->word.call = captured;
    describe(exchange, head);
    if (collected) {
        gather_begin(exchange, head);
        return;
    }
    rewrite(exchange, head);
    if (!tl_exchange_event_begin(exchange, head) || exchange->head.failed) {
        tl_exchange_fail(exchange, 503, "There is no memory.");
        return;
    }
    if (exchange->logged && shared->mode == TL_CAPTURE_DURABLE) {
        exchange->waits = true;
        tl_exchange_event_put(exchange, 0, -1, &(struct tl_capture_answer){on_captured, exchange});
        return;
    }
    if (exchange->logged)
        tl_deadline_set(&loop->queues.event, &exchange->event_deadline, loop->now_ms);
    go(exchange);
}
