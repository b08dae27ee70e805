/* exchange.c: a request under way. See exchange.h. */
#include "speed_layer/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "speed_layer/pass_head.h"

#ifdef TL_SANITIZED
enum { SPARES_MAX = 0 }; /* whoever uses one that is over is to be seen */
#else
enum { SPARES_MAX = 256 };
#endif

enum { KEPT_BYTES = 16 << 10 }; /* of a buffer that is used again */

static struct tl_exchange *of_event_deadline(struct tl_deadline *deadline)
{
    return (struct tl_exchange *)((char *)deadline - offsetof(struct tl_exchange, event_deadline));
}

/* ---- exchanges ---- */

static void event_late(struct tl_deadline *deadline);

static void clear(struct tl_buf *buf)
{
    if (buf->capacity > KEPT_BYTES || buf->failed)
        tl_buf_done(buf);
    tl_buf_clear(buf);
}

struct tl_exchange *tl_exchange_new(struct tl_guest *guest)
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
    return exchange;
}

static void destroy(struct tl_exchange *exchange)
{
    tl_buf_done(&exchange->head);
    tl_buf_done(&exchange->event);
    tl_buf_done(&exchange->key);
    free(exchange);
}

void tl_exchange_free(struct tl_exchange *exchange)
{
    struct tl_loop *loop = exchange->loop;

    tl_gather_close(exchange->gather);
    tl_deadline_clear(&exchange->event_deadline);
    if (loop->spare_exchanges_count + 1 > SPARES_MAX) {
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

void tl_exchange_loop_done(struct tl_loop *loop)
{
    while (loop->spare_exchanges != NULL) {
        struct tl_exchange *exchange = loop->spare_exchanges;

        loop->spare_exchanges = exchange->next;
        destroy(exchange);
    }
}

/* ---- the event ---- */

void tl_exchange_event_put(struct tl_exchange *exchange, int status, int64_t bytes, const struct tl_capture_answer *answer)
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
void tl_exchange_event_leaves(struct tl_exchange *exchange, int status, int64_t bytes)
{
    if (exchange->logged)
        tl_exchange_event_put(exchange, status, bytes, NULL);
}

static void event_late(struct tl_deadline *deadline)
{
    tl_exchange_event_leaves(of_event_deadline(deadline), 0, -1);
}

/* A view; the address lies in `client`. */
struct tl_request tl_exchange_request(struct tl_exchange *exchange, const struct tl_http1_head *head, struct tl_client *client)
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

bool tl_exchange_event_begin(struct tl_exchange *exchange, const struct tl_http1_head *head)
{
    struct tl_loop *loop = exchange->loop;
    struct tl_client client;
    struct tl_request_event parts;
    struct tl_request request = tl_exchange_request(exchange, head, &client);

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

/* ---- what is waited for ---- */

void tl_exchange_wait(struct tl_exchange *exchange)
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

void tl_exchange_complain(struct tl_exchange *exchange, const char *why)
{
    tl_upstream_complain(exchange->upstream, why, exchange->loop->now_ms);
}

/* ---- the end ---- */

void tl_exchange_close_link(struct tl_exchange *exchange)
{
    struct tl_link *link = exchange->link;

    exchange->link = NULL;
    if (link != NULL)
        tl_link_close(link);
}

/* The answer is complete; nothing may follow in the caller. */
void tl_exchange_finish(struct tl_exchange *exchange)
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
    tl_exchange_free(exchange);
    tl_guest_answered(guest, keep_alive);
}

void tl_exchange_count_answer(struct tl_exchange *exchange, int status)
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
void tl_exchange_page(struct tl_exchange *exchange, int status, const char *sentence)
{
    struct tl_loop *loop = exchange->loop;
    struct tl_guest *guest = exchange->guest;
    bool keep_alive = exchange->keep_alive && exchange->body_done && !loop->draining;
    struct iovec part;

    tl_exchange_close_link(exchange);
    exchange->started = true;
    exchange->close_after = !keep_alive;
    tl_exchange_event_leaves(exchange, status, -1);
    tl_exchange_count_answer(exchange, status);
    tl_buf_clear(&loop->out);
    tl_pass_page(&loop->out, status, sentence,
                 &(struct tl_pass_answer){.keep_alive = keep_alive, .minor = exchange->minor, .head = exchange->is_head});
    part = (struct iovec){loop->out.data, loop->out.size};
    if (tl_guest_write(guest, &part, 1))
        tl_exchange_finish(exchange);
}

/* The client sees that it is not whole. */
void tl_exchange_cut(struct tl_exchange *exchange)
{
    tl_count(&exchange->loop->counts.failed, 1);
    tl_guest_close(exchange->guest);
}

void tl_exchange_fail(struct tl_exchange *exchange, int status, const char *sentence)
{
    if (exchange->started) {
        tl_exchange_cut(exchange);
        return;
    }
    tl_count(&exchange->loop->counts.failed, 1);
    tl_exchange_page(exchange, status, sentence);
}

/* Both sides have said all, and all is with the other. */
void tl_exchange_tunnel_may_end(struct tl_exchange *exchange)
{
    if (exchange->link_ended && (exchange->guest_ended || exchange->deaf) && tl_stream_pending(&exchange->guest->stream) == 0 &&
        tl_stream_pending(&exchange->link->stream) == 0)
        tl_guest_close(exchange->guest);
}
