/* forward.c: a request on its way. See forward.h. */
#include "speed_layer/forward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "speed_layer/gather.h"
#include "speed_layer/pass_head.h"

#ifdef TL_SANITIZED
enum { SPARES_MAX = 0 }; /* whoever uses one that is over is to be seen */
#else
enum { SPARES_MAX = 256 };
#endif

enum {
    KEPT_BYTES = 16 << 10, /* of a buffer that is used again */
    BODY_STEP = 10000,     /* a body has its time anew after so many bytes: with 20 s, 500 bytes a second at least */
    INTERIM_MAX = 16,      /* answers of 1xx before the answer */
    ADDRESSES_MAX = 4      /* that are tried */
};

struct tl_exchange {
    struct tl_exchange *next; /* spare */
    struct tl_guest *guest;   /* NULL: the client has gone, and only the queue's word is waited for */
    struct tl_loop *loop;
    struct tl_link *link;
    struct tl_upstream *upstream;
    int64_t begun_ns;
    struct tl_buf head; /* as it goes to the site: kept until the answer begins */
    enum { HEAD_WAITS, HEAD_SENT } request;
    enum tl_http1_framing framing;
    uint64_t body_bytes, body_mark; /* what has come; at which the body's deadline was set */
    unsigned minor, interims;
    size_t connects, turn; /* attempts so far; of the addresses (tl_upstream_address) */
    bool asked_pool;
    bool body_done, repeatable, is_head, keep_alive, expect_continue, websocket;
    bool started, tunnel; /* the answer's head is with the client; and now bytes go both ways */
    bool deaf;            /* the site takes no more of the body */
    bool answer_keep_alive, link_ended, close_after, guest_ended;
    bool endless;                         /* the answer is a stream of events */
    enum tl_http1_framing answer_framing; /* towards the client */
    /* Its event. */
    bool logged;
    struct tl_buf event, key; /* key: host, ip and agent, one behind the other */
    char id[TL_REQUEST_ID_BYTES];
    size_t host_size, ip_size, agent_size;
    struct tl_deadline event_deadline;
    struct tl_gather *gather; /* for the collector: it does not go to a site */
    bool waits;               /* for the queue's word */
    bool captured;
    struct tl_loop_word word;
};

static struct tl_exchange *of_event_deadline(struct tl_deadline *deadline)
{
    return (struct tl_exchange *)((char *)deadline - offsetof(struct tl_exchange, event_deadline));
}

static struct tl_exchange *of_word(struct tl_loop_word *word)
{
    return (struct tl_exchange *)((char *)word - offsetof(struct tl_exchange, word));
}

/* ---- exchanges ---- */

static void event_late(struct tl_deadline *deadline);
static void captured(struct tl_loop_word *word);

static void clear(struct tl_buf *buf)
{
    if (buf->capacity > KEPT_BYTES || buf->failed)
        tl_buf_done(buf);
    tl_buf_clear(buf);
}

static struct tl_exchange *exchange_new(struct tl_guest *guest)
{
    struct tl_loop *loop = guest->loop;
    struct tl_exchange *exchange = loop->spare_exchanges;
    struct tl_buf head, event, key;

    if (exchange != NULL) {
        loop->spare_exchanges = exchange->next;
        loop->spare_exchanges_count--;
        head = exchange->head;
        event = exchange->event;
        key = exchange->key;
    } else {
        exchange = malloc(sizeof *exchange);
        if (exchange == NULL)
            return NULL;
        tl_buf_init(&head, 0);
        tl_buf_init(&event, 0);
        tl_buf_init(&key, 0);
    }
    *exchange = (struct tl_exchange){.guest = guest, .loop = loop, .head = head, .event = event, .key = key};
    exchange->event_deadline.passed = event_late;
    exchange->word.call = captured;
    return exchange;
}

static void destroy(struct tl_exchange *exchange)
{
    tl_buf_done(&exchange->head);
    tl_buf_done(&exchange->event);
    tl_buf_done(&exchange->key);
    free(exchange);
}

static void exchange_free(struct tl_exchange *exchange)
{
    struct tl_loop *loop = exchange->loop;

    tl_gather_close(exchange->gather);
    tl_deadline_clear(&exchange->event_deadline);
    if (loop->spare_exchanges_count >= SPARES_MAX) {
        destroy(exchange);
        return;
    }
    clear(&exchange->head);
    clear(&exchange->event);
    clear(&exchange->key);
    exchange->next = loop->spare_exchanges;
    loop->spare_exchanges = exchange;
    loop->spare_exchanges_count++;
}

void tl_forward_loop_done(struct tl_loop *loop)
{
    while (loop->spare_exchanges != NULL) {
        struct tl_exchange *exchange = loop->spare_exchanges;

        loop->spare_exchanges = exchange->next;
        destroy(exchange);
    }
}

/* ---- the event ---- */

static void put_event(struct tl_exchange *exchange, int status, int64_t bytes, const struct tl_capture_answer *answer)
{
    const struct tl_request_answer known = {
        .status = status,
        .duration_ms = status == 0 ? -1 : (tl_clock_monotonic_ns() - exchange->begun_ns) / 1000000,
        .bytes = bytes,
    };
    const char *key = exchange->key.data;
    struct tl_capture_event event = {
        .id = {exchange->id, sizeof exchange->id}
    };

    exchange->logged = false;
    tl_deadline_clear(&exchange->event_deadline);
    tl_request_event_end(&exchange->event, &known);
    if (exchange->event.failed || exchange->key.failed) {
        if (answer != NULL)
            answer->captured(answer->ctx, false);
        return;
    }
    event.value = tl_buf_sv(&exchange->event);
    if (key != NULL) {
        event.host = (struct tl_sv){key, exchange->host_size};
        event.ip = (struct tl_sv){key + exchange->host_size, exchange->ip_size};
        event.user_agent = (struct tl_sv){key + exchange->host_size + exchange->ip_size, exchange->agent_size};
    }
    tl_capture_put(exchange->loop->shared->capture, &event, answer);
}

/* What is known now, where it has not left yet. */
static void event_leaves(struct tl_exchange *exchange, int status, int64_t bytes)
{
    if (exchange->logged)
        put_event(exchange, status, bytes, NULL);
}

static void event_late(struct tl_deadline *deadline)
{
    event_leaves(of_event_deadline(deadline), 0, -1);
}

/* A view; the address lies in `client`. */
static struct tl_request request_of(struct tl_exchange *exchange, const struct tl_http1_head *head, struct tl_client *client)
{
    const struct tl_guest *guest = exchange->guest;

    tl_client_of(exchange->loop->shared->trust, &guest->peer, guest->trusted, guest->tls, head, client);
    return (struct tl_request){
        .time_ms = tl_clock_wall_ms(),
        .method = head->method,
        .target = head->target,
        .host = client->host,
        .ip = tl_sv_from(client->ip),
        .headers = head->headers,
        .headers_count = head->headers_count,
    };
}

static bool event_begin(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    struct tl_loop *loop = exchange->loop;
    struct tl_client client;
    struct tl_request_event parts;
    struct tl_request request = request_of(exchange, head, &client);

    if (!tl_request_is_logged(loop->shared->rules, &request)) {
        tl_count(&loop->counts.not_logged, 1);
        return true;
    }
    if (!tl_request_event_begin(loop->maker, &request, &exchange->event, &parts))
        return false;
    memcpy(exchange->id, parts.id, sizeof exchange->id);
    if (loop->shared->key != TL_CAPTURE_KEY_NONE) {
        tl_buf_put_sv(&exchange->key, parts.host);
        tl_buf_put_sv(&exchange->key, parts.ip);
        tl_buf_put_sv(&exchange->key, parts.user_agent);
        exchange->host_size = parts.host.size;
        exchange->ip_size = parts.ip.size;
        exchange->agent_size = parts.user_agent.size;
    }
    exchange->logged = true;
    return true;
}

/* ---- the end ---- */

static void link_close(struct tl_exchange *exchange)
{
    struct tl_link *link = exchange->link;

    exchange->link = NULL;
    if (link != NULL)
        tl_link_close(link);
}

/* The answer is complete; nothing may follow in the caller. */
static void finish(struct tl_exchange *exchange)
{
    struct tl_guest *guest = exchange->guest;
    bool keep_alive = exchange->keep_alive && exchange->body_done && !exchange->close_after;
    struct tl_link *link = exchange->link;

    exchange->link = NULL;
    if (link != NULL) {
        if (exchange->answer_keep_alive && exchange->body_done && !exchange->link_ended)
            tl_link_give_back(link);
        else
            tl_link_close(link);
    }
    guest->exchange = NULL;
    exchange_free(exchange);
    tl_guest_answered(guest, keep_alive);
}

static void count_answer(struct tl_exchange *exchange, int status)
{
    struct tl_loop_counts *counts = &exchange->loop->counts;
    int64_t us = (tl_clock_monotonic_ns() - exchange->begun_ns) / 1000;
    size_t bucket = 0;

    tl_count(&counts->answers[status >= 100 && status < 600 ? status / 100 : 5], 1);
    while (bucket < TL_DURATION_BOUNDS && (double)us > tl_duration_bounds[bucket] * 1e6)
        bucket++;
    tl_count(&counts->duration_buckets[bucket], 1);
    tl_count(&counts->duration_us, (unsigned long long)us);
}

/* With a page of our own; nothing may follow in the caller. */
static void answer_page(struct tl_exchange *exchange, int status, const char *sentence)
{
    struct tl_loop *loop = exchange->loop;
    struct tl_guest *guest = exchange->guest;
    bool keep_alive = exchange->keep_alive && exchange->body_done && !loop->draining;
    struct iovec part;

    link_close(exchange);
    exchange->started = true;
    exchange->close_after = !keep_alive;
    event_leaves(exchange, status, -1);
    count_answer(exchange, status);
    tl_buf_clear(&loop->out);
    tl_pass_page(&loop->out, status, sentence,
                 &(struct tl_pass_answer){.keep_alive = keep_alive, .minor = exchange->minor, .head = exchange->is_head});
    part = (struct iovec){loop->out.data, loop->out.size};
    if (tl_guest_write(guest, &part, 1))
        finish(exchange);
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

/* The client sees that it is not whole. */
static void cut(struct tl_exchange *exchange)
{
    tl_count(&exchange->loop->counts.failed, 1);
    tl_guest_close(exchange->guest);
}

void tl_forward_guest_gone(struct tl_exchange *exchange)
{
    link_close(exchange);
    event_leaves(exchange, 0, -1);
    exchange->guest = NULL;
    if (!exchange->waits)
        exchange_free(exchange);
}

bool tl_forward_ends_with_connection(const struct tl_exchange *exchange)
{
    return exchange->started && !exchange->tunnel && exchange->answer_framing == TL_HTTP1_UNTIL_CLOSE;
}

static void fail(struct tl_exchange *exchange, int status, const char *sentence)
{
    if (exchange->started) {
        cut(exchange);
        return;
    }
    tl_count(&exchange->loop->counts.failed, 1);
    answer_page(exchange, status, sentence);
}

/* ---- to the site ---- */

static void wait_for_answer(struct tl_exchange *exchange)
{
    struct tl_link *link = exchange->link;

    if (tl_stream_pending(&link->stream) > 0) {
        if (link->stuck)
            return;
        link->progress = tl_stream_progress(&link->stream);
        link->stuck = true;
        tl_deadline_set(&exchange->loop->queues.link_write, &link->deadline, exchange->loop->now_ms);
        return;
    }
    link->stuck = false;
    if (exchange->tunnel || exchange->started) {
        tl_deadline_set(&exchange->loop->queues.quiet, &link->deadline, exchange->loop->now_ms);
    } else if (exchange->body_done || exchange->deaf) {
        tl_deadline_set(&exchange->loop->queues.answer, &link->deadline, exchange->loop->now_ms);
    } else {
        tl_deadline_clear(&link->deadline); /* the client has time of its own for the body */
    }
}

static void send_head(struct tl_exchange *exchange);

static bool has_another_address(const struct tl_exchange *exchange)
{
    size_t count = tl_upstream_addresses_count(exchange->upstream);

    return exchange->connects < (count < ADDRESSES_MAX ? count : ADDRESSES_MAX);
}

static void complain(struct tl_exchange *exchange, const char *why)
{
    tl_upstream_complain(exchange->upstream, why, exchange->loop->now_ms);
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
        complain(exchange, why);
        fail(exchange, 502, "The site cannot be reached.");
    } else if (exchange->link->stream.state == TL_STREAM_OPEN) {
        send_head(exchange);
    }
}

/* Where nothing of the request has gone anywhere, another address may do, or a new connection. One over which others have gone before may have been
 * closed just then: what can be repeated is. */
static bool may_try_again(const struct tl_exchange *exchange, bool late)
{
    const struct tl_link *link = exchange->link;

    if (exchange->request == HEAD_WAITS)
        return has_another_address(exchange);
    return !late && !exchange->started && exchange->interims == 0 && exchange->repeatable && link->used && link->in.size == 0;
}

void tl_forward_link_failed(struct tl_exchange *exchange, const char *why, bool late)
{
    bool again = may_try_again(exchange, late);

    link_close(exchange);
    if (again) {
        exchange->request = HEAD_WAITS;
        tl_count(&exchange->loop->counts.retried, 1);
        go(exchange);
        return;
    }
    complain(exchange, why);
    fail(exchange, late ? 504 : 502, late ? "The site does not answer." : "The site cannot be reached.");
}

static void send_head(struct tl_exchange *exchange)
{
    struct tl_guest *guest = exchange->guest;
    struct iovec part = {exchange->head.data, exchange->head.size};

    exchange->link->http = tl_loop_parser(exchange->loop, TL_HTTP1_RESPONSE);
    if (exchange->link->http == NULL) {
        fail(exchange, 502, "There is no memory.");
        return;
    }
    tl_http1_answers_head(exchange->link->http, exchange->is_head);
    if (!tl_stream_write(&exchange->link->stream, &part, 1)) {
        tl_forward_link_failed(exchange, "it has closed the connection", false);
        return;
    }
    exchange->request = HEAD_SENT;
    wait_for_answer(exchange);
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
    if (exchange->link == NULL || exchange->request != HEAD_SENT || exchange->deaf)
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
    wait_for_answer(exchange);
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
        wait_for_answer(exchange);
}

static void gather_piece(struct tl_exchange *exchange, struct tl_sv piece);

static void tunnel_input(struct tl_exchange *exchange, struct tl_sv bytes)
{
    struct iovec part = {(char *)(uintptr_t)bytes.data, bytes.size};

    if (!tl_stream_write(&exchange->link->stream, &part, 1)) {
        tl_forward_link_deaf(exchange);
        return;
    }
    wait_for_answer(exchange);
    hold_guest(exchange);
}

/* Both sides have said all, and all is with the other. */
static void tunnel_may_end(struct tl_exchange *exchange)
{
    if (exchange->link_ended && (exchange->guest_ended || exchange->deaf) && tl_stream_pending(&exchange->guest->stream) == 0 &&
        tl_stream_pending(&exchange->link->stream) == 0)
        tl_guest_close(exchange->guest);
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
        fail(exchange, tl_http1_status(guest->http), tl_http1_reason(guest->http));
        return;
    }
    if (shared->body_bytes_max > 0 && exchange->body_bytes > (uint64_t)shared->body_bytes_max) {
        fail(exchange, 413, "The body is larger than this site takes.");
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
    wait_for_answer(exchange);
    if (exchange->tunnel) {
        tunnel_may_end(exchange);
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
    fail(exchange, 408, "The body did not come in time.");
}

void tl_forward_guest_ended(struct tl_exchange *exchange)
{
    exchange->guest_ended = true;
    if (exchange->tunnel) {
        tl_stream_end(&exchange->link->stream);
        tunnel_may_end(exchange);
        return;
    }
    /* It cannot have a whole body any more. Who has sent all and ends his side may still wait for the answer: if he does not, writing will fail. Of a
     * stream of events nobody waits for the end, and the site is to know who has left. */
    if (!exchange->body_done || exchange->endless)
        tl_guest_close(exchange->guest);
}

/* ---- the answer ---- */

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
        tunnel_may_end(exchange);
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
        cut(exchange);
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
    wait_for_answer(exchange);
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
            fail(exchange, 502, "The site changes to a protocol that nobody asked for.");
            return false;
        }
        how.websocket = true;
        exchange->started = true;
        event_leaves(exchange, 101, -1);
        count_answer(exchange, 101);
        tl_pass_answer(&loop->out, head, &how);
        begin_tunnel(exchange, rest);
        return false;
    }
    if (head->status < 200) {
        if (++exchange->interims > INTERIM_MAX) {
            fail(exchange, 502, "The site does not come to an answer.");
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
    event_leaves(exchange, head->status,
                 head->content_length <= INT64_MAX && head->framing != TL_HTTP1_CHUNKED &&
                         (head->framing == TL_HTTP1_LENGTH || exchange->is_head || head->status == 304)
                     ? (int64_t)head->content_length
                     : -1);
    count_answer(exchange, head->status);
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
            complain(exchange, tl_http1_reason(link->http));
            fail(exchange, 502, "The site's answer cannot be read.");
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
                fail(exchange, 502, "There is no memory.");
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
        cut(exchange);
    } else if (result == TL_HTTP1_DONE) {
        finish(exchange);
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
        tunnel_may_end(exchange);
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
        finish(exchange);
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
    count_answer(exchange, answer->status);
    tl_buf_clear(&loop->out);
    tl_pass_own(
        &loop->out, answer->status, tl_buf_sv(&answer->lines), tl_buf_sv(&answer->body),
        &(struct tl_pass_answer){.keep_alive = !exchange->close_after, .minor = exchange->minor, .head = exchange->is_head});
    part = (struct iovec){loop->out.data, loop->out.size};
    if (loop->out.failed)
        cut(exchange);
    else if (tl_guest_write(exchange->guest, &part, 1))
        finish(exchange);
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
        fail(exchange, 503, "There is no memory.");
    else if (exchange->body_done || tl_gather_is_full(exchange->gather))
        gather_end(exchange);
}

static void gather_begin(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec part = {(char *)(uintptr_t)go_on, sizeof go_on - 1};
    struct tl_client client;
    struct tl_request request = request_of(exchange, head, &client);

    exchange->gather = tl_gather_open(exchange->loop->shared->collect, &request);
    if (exchange->gather == NULL) {
        fail(exchange, 503, "There is no memory.");
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
        exchange_free(exchange);
    else if (!exchange->captured)
        fail(exchange, 503,
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
    exchange = exchange_new(guest);
    if (exchange == NULL) {
        tl_guest_close(guest);
        return;
    }
    guest->exchange = exchange;
    exchange->upstream = upstream;
    describe(exchange, head);
    if (collected) {
        gather_begin(exchange, head);
        return;
    }
    rewrite(exchange, head);
    if (!event_begin(exchange, head) || exchange->head.failed) {
        fail(exchange, 503, "There is no memory.");
        return;
    }
    if (exchange->logged && shared->mode == TL_CAPTURE_DURABLE) {
        exchange->waits = true;
        put_event(exchange, 0, -1, &(struct tl_capture_answer){on_captured, exchange});
        return;
    }
    if (exchange->logged)
        tl_deadline_set(&loop->queues.event, &exchange->event_deadline, loop->now_ms);
    go(exchange);
}
