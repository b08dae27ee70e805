/* link.c: a connection to a site. See link.h. */
#include "speed_layer/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls.h"
#include "speed_layer/forward.h"

/* A site that says how long it waits closes then: so long before, nothing is sent any more. */
enum { CLOSING_MS = 500 };

static struct tl_link *link_of(struct tl_deadline *deadline)
{
    return (struct tl_link *)((char *)deadline - offsetof(struct tl_link, deadline));
}

/* ---- the pool ---- */

static void leave_pool(struct tl_link *link)
{
    if (!link->pooled)
        return;
    link->pooled = false;
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        link->loop->idle_links[link->upstream->number] = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    link->next = link->previous = NULL;
    tl_deadline_clear(&link->deadline);
    tl_count_open(&link->loop->counts.idle_links, -1);
}

/* The latest first: the others end by themselves. NULL: whoever wants it must not take the risk that it is being closed. */
static struct tl_link *fresh_link(const struct tl_loop *loop, const struct tl_upstream *upstream, bool repeatable)
{
    struct tl_link *link = loop->idle_links[upstream->number];
    int64_t keep_ms;

    if (link == NULL)
        return NULL;
    keep_ms = link->keep_ms > 0 ? link->keep_ms - CLOSING_MS : INT64_MAX;
    if (loop->now_ms - link->idle_since_ms >= tl_min_i64(keep_ms, repeatable ? INT64_MAX : TL_LINK_FRESH_MS))
        return NULL;
    return link;
}

/* What has come in the pool, and the loop has not come to, is the site's end, or bytes that nobody has asked for: they must not be read as the next
 * one's answer. */
static bool is_quiet(const struct tl_link *link)
{
    char byte;

    return recv(link->stream.fd, &byte, sizeof byte, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct tl_link *tl_link_take(struct tl_loop *loop, struct tl_upstream *upstream, bool repeatable, struct tl_exchange *exchange)
{
    struct tl_link *link;

    while ((link = fresh_link(loop, upstream, repeatable)) != NULL && !is_quiet(link))
        tl_link_close(link);
    if (link == NULL)
        return NULL;
    leave_pool(link);
    link->exchange = exchange;
    return link;
}

void tl_link_give_back(struct tl_link *link)
{
    struct tl_loop *loop = link->loop;
    struct tl_link **first = &loop->idle_links[link->upstream->number];

    link->exchange = NULL;
    if (loop->draining || tl_stream_pending(&link->stream) > 0) {
        tl_link_close(link);
        return;
    }
    tl_loop_parser_back(loop, TL_HTTP1_RESPONSE, link->http);
    link->http = NULL;
    tl_buf_done(&link->in);
    tl_stream_reading(&link->stream, true); /* its end is to be seen */
    link->used = true;
    link->pooled = true;
    link->idle_since_ms = loop->now_ms;
    link->previous = NULL;
    link->next = *first;
    if (*first != NULL)
        (*first)->previous = link;
    *first = link;
    tl_deadline_set(&loop->queues.pool, &link->deadline, loop->now_ms);
    tl_count_open(&loop->counts.idle_links, 1);
}

void tl_link_close(struct tl_link *link)
{
    struct tl_loop *loop = link->loop;

    leave_pool(link);
    tl_deadline_clear(&link->deadline);
    tl_stream_close(&link->stream);
    tl_buf_done(&link->in);
    tl_loop_parser_back(loop, TL_HTTP1_RESPONSE, link->http);
    link->http = NULL;
    link->exchange = NULL;
    link->next = loop->dead_links;
    loop->dead_links = link;
    tl_count_open(&loop->counts.links, -1);
}

void tl_link_close_pool(struct tl_loop *loop)
{
    for (size_t u = 0; u < tl_upstreams_count(loop->shared->upstreams); u++)
        while (loop->idle_links[u] != NULL)
            tl_link_close(loop->idle_links[u]);
}

/* ---- what it tells ---- */

static void on_connected(struct tl_stream *stream)
{
    struct tl_link *link = stream->ctx;

    tl_deadline_clear(&link->deadline);
    tl_forward_link_open(link->exchange);
}

/* In the pool nothing is to come but its end. */
static void on_readable(struct tl_stream *stream)
{
    struct tl_link *link = stream->ctx;

    if (link->exchange == NULL)
        tl_link_close(link);
    else
        tl_forward_link_readable(link->exchange);
}

static void on_drained(struct tl_stream *stream)
{
    struct tl_link *link = stream->ctx;

    if (link->exchange != NULL)
        tl_forward_link_drained(link->exchange);
}

static void on_failed(struct tl_stream *stream, const char *why)
{
    struct tl_link *link = stream->ctx;

    if (link->exchange == NULL)
        tl_link_close(link);
    else if (stream->state == TL_STREAM_OPEN)
        tl_forward_link_deaf(link->exchange);
    else
        tl_forward_link_failed(link->exchange, why, false);
}

static const struct tl_stream_calls calls = {on_connected, on_readable, on_drained, on_failed};

static void on_late(struct tl_deadline *deadline)
{
    struct tl_link *link = link_of(deadline);

    if (link->exchange == NULL) {
        tl_link_close(link);
        return;
    }
    if (link->stuck && tl_stream_progress(&link->stream) != link->progress) { /* slowly, and yet it takes it */
        link->progress = tl_stream_progress(&link->stream);
        tl_deadline_set(&link->loop->queues.link_write, deadline, link->loop->now_ms);
        return;
    }
    tl_forward_link_failed(link->exchange,
                           link->stream.state == TL_STREAM_OPEN ? "it gives no answer" : "it does not take the connection", true);
}

/* ---- a new one ---- */

struct tl_link *tl_link_connect(struct tl_loop *loop, struct tl_upstream *upstream, struct tl_exchange *exchange, size_t attempt,
                                size_t *turn, const char **why)
{
    struct tl_upstream_address address;
    struct tl_link *link;
    SSL *ssl = NULL;
    int fd, on = 1;

    if (!tl_upstream_address(upstream, attempt, turn, &address)) {
        *why = "its name is not known";
        return NULL;
    }
    fd = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && errno == EMFILE && tl_loop_make_room(loop)) /* a request comes before a client that waits */
        fd = socket(address.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *why = strerror(errno);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address.socket, address.size) != 0 && errno != EINPROGRESS) {
        *why = strerror(errno);
        close(fd);
        return NULL;
    }
    link = calloc(1, sizeof *link);
    if (link != NULL && upstream->tls != NULL)
        ssl = tl_tls_client(upstream->tls, upstream->host);
    if (link == NULL || (upstream->tls != NULL && ssl == NULL)) {
        *why = "there is no memory";
        free(link);
        close(fd);
        return NULL;
    }
    link->loop = loop;
    link->upstream = upstream;
    link->exchange = exchange;
    link->deadline.passed = on_late;
    tl_buf_init(&link->in, 0);
    tl_stream_init(&link->stream, loop->base, fd, true, ssl, &calls, link);
    tl_deadline_set(&loop->queues.connect, &link->deadline, loop->now_ms);
    tl_count_open(&loop->counts.links, 1);
    return link;
}
