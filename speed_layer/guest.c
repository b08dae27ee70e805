/* guest.c: a client's connection. See guest.h. */
#include "speed_layer/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "net/proxy_header.h"
#include "speed_layer/forward.h"
#include "speed_layer/pass_head.h"

struct tl_guest *tl_guest_of(struct tl_deadline *deadline)
{
    return (struct tl_guest *)((char *)deadline - offsetof(struct tl_guest, deadline));
}

static void wait_until(struct tl_guest *guest, struct tl_deadline_queue *queue)
{
    tl_deadline_set(queue, &guest->deadline, guest->loop->now_ms);
}

bool tl_guest_is_idle(const struct tl_guest *guest)
{
    return guest->state < TL_GUEST_HEAD;
}

void tl_guest_close(struct tl_guest *guest)
{
    struct tl_loop *loop = guest->loop;

    if (!tl_stream_is_open(&guest->stream))
        return;
    tl_deadline_clear(&guest->deadline);
    if (guest->exchange != NULL && tl_forward_ends_with_connection(guest->exchange))
        tl_stream_cut(&guest->stream);
    else
        tl_stream_close(&guest->stream);
    if (guest->exchange != NULL)
        tl_forward_guest_gone(guest->exchange);
    guest->exchange = NULL;
    tl_buf_done(&guest->in);
    tl_loop_parser_back(loop, TL_HTTP1_REQUEST, guest->http);
    guest->http = NULL;
    if (guest->peer_slot != UINT32_MAX)
        atomic_fetch_sub_explicit(&loop->shared->peers[guest->peer_slot], 1, memory_order_relaxed);
    if (guest->previous != NULL)
        guest->previous->next = guest->next;
    else
        loop->guests = guest->next;
    if (guest->next != NULL)
        guest->next->previous = guest->previous;
    guest->next = loop->dead_guests;
    loop->dead_guests = guest;
    tl_count_open(&loop->counts.guests, -1);
    atomic_fetch_sub_explicit(&loop->shared->guests, 1, memory_order_relaxed);
    tl_loop_guest_left(loop);
}

bool tl_guest_write(struct tl_guest *guest, const struct iovec *parts, int parts_count)
{
    for (int p = 0; p < parts_count; p++)
        tl_count(&guest->loop->counts.bytes_out, parts[p].iov_len);
    if (!tl_stream_write(&guest->stream, parts, parts_count)) {
        tl_guest_close(guest);
        return false;
    }
    if (tl_stream_pending(&guest->stream) > 0 && !guest->stuck) {
        guest->stuck = true;
        guest->progress = tl_stream_progress(&guest->stream);
        wait_until(guest, &guest->loop->queues.write);
    }
    return true;
}

/* ---- the end ---- */

/* Whoever closes while bytes are still coming takes back what he has written last. So what comes is read for a while, and thrown away. */
static void linger(struct tl_guest *guest)
{
    guest->state = TL_GUEST_LINGER;
    tl_buf_done(&guest->in);
    tl_stream_end(&guest->stream);
    if (guest->ended && tl_stream_pending(&guest->stream) == 0) {
        tl_guest_close(guest);
        return;
    }
    tl_stream_reading(&guest->stream, !guest->ended);
    if (tl_stream_pending(&guest->stream) == 0)
        wait_until(guest, &guest->loop->queues.linger);
}

/* ---- requests ---- */

static void turn_idle(struct tl_guest *guest)
{
    struct tl_loop *loop = guest->loop;

    tl_loop_parser_back(loop, TL_HTTP1_REQUEST, guest->http);
    guest->http = NULL;
    guest->state = TL_GUEST_IDLE;
    guest->idle_ms = loop->now_ms;
    wait_until(guest, &loop->queues.idle);
    tl_stream_reading(&guest->stream, true);
}

/* Looks at a request's head in `bytes`. How many of them were taken; 0: more must come, or it was answered. */
static size_t begin_request(struct tl_guest *guest, struct tl_sv bytes)
{
    struct tl_loop *loop = guest->loop;
    struct tl_http1_head head;
    size_t used = 0;

    if (guest->http == NULL)
        guest->http = tl_loop_parser(loop, TL_HTTP1_REQUEST);
    if (guest->http == NULL) {
        tl_guest_close(guest);
        return 0;
    }
    switch (tl_http1_head(guest->http, bytes, &head, &used)) {
    case TL_HTTP1_MORE:
        if (guest->state == TL_GUEST_IDLE) {
            guest->state = TL_GUEST_HEAD;
            wait_until(guest, &loop->queues.head);
        }
        return 0;
    case TL_HTTP1_BAD: tl_forward_refuse(guest, tl_http1_status(guest->http), tl_http1_reason(guest->http)); return 0;
    case TL_HTTP1_DONE: break;
    }
    guest->state = TL_GUEST_BUSY;
    tl_deadline_clear(&guest->deadline);
    tl_forward_start(guest, &head);
    return used;
}

/* All of `bytes` that is to be taken now. */
static size_t take_input(struct tl_guest *guest, struct tl_sv bytes)
{
    size_t at = 0;

    while (tl_stream_is_open(&guest->stream) && at < bytes.size && guest->state != TL_GUEST_LINGER) {
        struct tl_sv rest = {bytes.data + at, bytes.size - at};
        size_t used = 0;

        if (guest->state != TL_GUEST_BUSY)
            used = begin_request(guest, rest);
        else if (guest->exchange != NULL && tl_forward_wants_input(guest->exchange))
            tl_forward_input(guest->exchange, rest, &used);
        if (used == 0)
            break;
        at += used;
    }
    return at;
}

/* What has come, behind what waits. What is not taken is kept. */
static void input(struct tl_guest *guest, struct tl_sv bytes)
{
    size_t used;

    if (guest->turning) { /* further up the stack it is being looked at already */
        tl_buf_put_sv(&guest->in, bytes);
        return;
    }
    guest->turning = true;
    if (guest->in.size > 0) {
        tl_buf_put_sv(&guest->in, bytes);
        bytes = tl_buf_sv(&guest->in);
    }
    used = take_input(guest, bytes);
    guest->turning = false;
    if (!tl_stream_is_open(&guest->stream) || guest->state == TL_GUEST_LINGER)
        return;
    if (used == bytes.size) {
        tl_buf_done(&guest->in);
    } else if (guest->in.data != NULL && bytes.data == guest->in.data) {
        memmove(guest->in.data, guest->in.data + used, bytes.size - used);
        guest->in.size = bytes.size - used;
    } else {
        tl_buf_put(&guest->in, bytes.data + used, bytes.size - used);
    }
    if (guest->in.failed) {
        tl_guest_close(guest);
        return;
    }
    /* A request that waits for its turn, or a body that waits for the site: no more of it is read than fits. */
    if (guest->state == TL_GUEST_BUSY && guest->in.size > 0)
        tl_stream_reading(&guest->stream, false);
    else if (guest->ended && guest->state != TL_GUEST_BUSY)
        tl_guest_close(guest);
}

void tl_guest_answered(struct tl_guest *guest, bool keep_alive)
{
    guest->exchange = NULL;
    if (!keep_alive) {
        linger(guest);
        return;
    }
    if (tl_stream_pending(&guest->stream) == 0) {
        turn_idle(guest);
        if (guest->in.size > 0 || guest->ended)
            input(guest, (struct tl_sv){NULL, 0});
        return;
    }
    /* The next request's turn comes when the answer is written. */
    tl_loop_parser_back(guest->loop, TL_HTTP1_REQUEST, guest->http);
    guest->http = NULL;
    tl_stream_reading(&guest->stream, false);
}

void tl_guest_resume(struct tl_guest *guest)
{
    tl_stream_reading(&guest->stream, !guest->ended);
    if (guest->in.size > 0)
        input(guest, (struct tl_sv){NULL, 0});
}

/* ---- what the connection tells ---- */

static void on_connected(struct tl_stream *stream)
{
    struct tl_guest *guest = stream->ctx;

    guest->state = TL_GUEST_IDLE;
    guest->idle_ms = guest->loop->now_ms;
    wait_until(guest, &guest->loop->queues.head); /* the first request comes at once */
    if (guest->stream.ssl != NULL && SSL_has_pending(guest->stream.ssl))
        event_active(&guest->stream.read_event, EV_READ, 1);
}

static void client_ended(struct tl_guest *guest)
{
    guest->ended = true;
    tl_stream_reading(&guest->stream, false);
    if (guest->state == TL_GUEST_BUSY && guest->exchange != NULL)
        tl_forward_guest_ended(guest->exchange);
    else if (guest->state == TL_GUEST_BUSY || tl_stream_pending(&guest->stream) > 0)
        return; /* the answer is still being written */
    else
        tl_guest_close(guest);
}

static void read_proxy_header(struct tl_guest *guest);

static void on_readable(struct tl_stream *stream)
{
    struct tl_guest *guest = stream->ctx;
    struct tl_loop *loop = guest->loop;
    ssize_t size;

    if (guest->state == TL_GUEST_PROXY) {
        read_proxy_header(guest);
        return;
    }
    loop->now_ms = tl_clock_monotonic_ms();
    size = tl_stream_read(stream, loop->read, sizeof loop->read);
    if (size == TL_STREAM_LATER)
        return;
    if (size == TL_STREAM_FAILED) {
        tl_guest_close(guest);
        return;
    }
    if (size == TL_STREAM_END) {
        client_ended(guest);
        return;
    }
    tl_count(&loop->counts.bytes_in, (unsigned long long)size);
    if (guest->state != TL_GUEST_LINGER)
        input(guest, (struct tl_sv){loop->read, (size_t)size});
}

static void on_drained(struct tl_stream *stream)
{
    struct tl_guest *guest = stream->ctx;

    guest->stuck = false;
    tl_deadline_clear(&guest->deadline);
    guest->loop->now_ms = tl_clock_monotonic_ms();
    if (guest->state == TL_GUEST_LINGER) {
        linger(guest);
    } else if (guest->exchange != NULL) {
        tl_forward_guest_drained(guest->exchange);
    } else if (guest->state == TL_GUEST_BUSY) {
        turn_idle(guest);
        if (guest->in.size > 0 || guest->ended)
            input(guest, (struct tl_sv){NULL, 0});
    }
}

static void on_failed(struct tl_stream *stream, const char *why)
{
    (void)why; /* clients go as they like */
    tl_guest_close(stream->ctx);
}

static const struct tl_stream_calls calls = {on_connected, on_readable, on_drained, on_failed};

static void on_late(struct tl_deadline *deadline)
{
    struct tl_guest *guest = tl_guest_of(deadline);

    if (guest->stuck) {
        uint64_t progress = tl_stream_progress(&guest->stream);

        if (progress == guest->progress) {
            tl_guest_close(guest);
            return;
        }
        guest->progress = progress; /* slowly, and yet it takes it */
        wait_until(guest, &guest->loop->queues.write);
    } else if (guest->state == TL_GUEST_HEAD) {
        tl_forward_refuse(guest, 408, "The request did not come in time.");
    } else if (guest->state == TL_GUEST_BUSY && guest->exchange != NULL) {
        tl_forward_guest_late(guest->exchange);
    } else {
        tl_guest_close(guest);
    }
}

/* ---- the beginning ---- */

/* From now on HTTP, or TLS's handshake before it. */
static void begin(struct tl_guest *guest)
{
    struct tl_loop *loop = guest->loop;
    int fd = guest->stream.fd;
    SSL *ssl = NULL;

    pthread_mutex_lock(&loop->shared->tls_mutex);
    guest->tls = loop->shared->tls != NULL;
    if (guest->tls)
        ssl = SSL_new(loop->shared->tls);
    pthread_mutex_unlock(&loop->shared->tls_mutex);
    if (guest->tls && ssl == NULL) {
        tl_guest_close(guest);
        return;
    }
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    if (event_initialized(&guest->stream.read_event))
        event_del(&guest->stream.read_event);
    tl_stream_init(&guest->stream, loop->base, fd, false, ssl, &calls, guest);
    guest->state = ssl != NULL ? TL_GUEST_SHAKING : TL_GUEST_IDLE;
}

static bool count_peer(struct tl_guest *guest);

/* It may come in pieces, and TLS's first bytes behind it: it is looked at where it lies, and taken when it is whole. */
static void read_proxy_header(struct tl_guest *guest)
{
    char bytes[TL_PROXY_HEADER_BYTES_MAX];
    ssize_t size = recv(guest->stream.fd, bytes, sizeof bytes, MSG_PEEK);
    struct tl_endpoint from;
    size_t used;
    int enough = 1;

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || (uint32_t)size == guest->proxy_bytes) { /* nothing more has come: it has ended within the header */
        tl_guest_close(guest);
        return;
    }
    guest->proxy_bytes = (uint32_t)size;
    switch (tl_proxy_header_read((struct tl_sv){bytes, (size_t)size}, &from, &used)) {
    case TL_PROXY_BAD: tl_guest_close(guest); return;
    case TL_PROXY_MORE:
        enough = (int)size + 1; /* not before there is more */
        setsockopt(guest->stream.fd, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof enough);
        return;
    case TL_PROXY_DONE: break;
    }
    setsockopt(guest->stream.fd, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof enough);
    if (recv(guest->stream.fd, bytes, used, 0) != (ssize_t)used) {
        tl_guest_close(guest);
        return;
    }
    if (from.known) {
        guest->peer = from;
        guest->trusted = tl_trust_has(guest->loop->shared->trust, &from);
        if (!count_peer(guest)) {
            tl_guest_close(guest);
            return;
        }
    }
    begin(guest);
}

/* Addresses are counted by their hash: two that share a slot share what they may have, and which ones do is another at each start. */
static bool count_peer(struct tl_guest *guest)
{
    struct tl_intercept *shared = guest->loop->shared;
    uint32_t slot;

    guest->peer_slot = UINT32_MAX;
    if (shared->peer_max == 0 || guest->trusted || !guest->peer.known)
        return true;
    slot = (uint32_t)(XXH3_64bits_withSeed(guest->peer.bytes, sizeof guest->peer.bytes, shared->peer_seed) % TL_PEERS);
    if (atomic_fetch_add_explicit(&shared->peers[slot], 1, memory_order_relaxed) >= shared->peer_max) {
        atomic_fetch_sub_explicit(&shared->peers[slot], 1, memory_order_relaxed);
        return false;
    }
    guest->peer_slot = slot;
    return true;
}

void tl_guest_open(struct tl_loop *loop, int fd, const struct sockaddr *from)
{
    struct tl_guest *guest = calloc(1, sizeof *guest);

    if (guest == NULL) {
        close(fd);
        return;
    }
    guest->loop = loop;
    guest->deadline.passed = on_late;
    tl_buf_init(&guest->in, 0);
    tl_endpoint_from_socket(from, &guest->peer);
    guest->trusted = tl_trust_has(loop->shared->trust, &guest->peer);
    if (!count_peer(guest)) {
        free(guest);
        close(fd);
        return;
    }
    tl_count(&loop->counts.connections, 1);
    tl_count_open(&loop->counts.guests, 1);
    atomic_fetch_add_explicit(&loop->shared->guests, 1, memory_order_relaxed);
    guest->idle_ms = loop->now_ms;
    guest->next = loop->guests;
    if (loop->guests != NULL)
        loop->guests->previous = guest;
    loop->guests = guest;
    wait_until(guest, &loop->queues.head);
    if (loop->shared->proxy_protocol && guest->trusted) {
        guest->state = TL_GUEST_PROXY;
        tl_stream_init(&guest->stream, loop->base, fd, false, NULL, &calls, guest);
    } else {
        guest->stream.fd = fd;
        begin(guest);
    }
}
