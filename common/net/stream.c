/* stream.c: a connection on a loop, plain or TLS. See stream.h. */
#include "net/stream.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

enum {
    PARTS_MAX = 8,
    RECORD_BYTES = 16 << 10, /* TLS: what fits into one record */
    MOVE_BYTES = 64 << 10    /* so much that was written stands before what was not: it is moved to the front */
};

static void wait_for_room(struct tl_stream *stream, bool on)
{
    if (stream->write_waits == on)
        return;
    stream->write_waits = on;
    if (on)
        event_add(&stream->write_event, NULL);
    else
        event_del(&stream->write_event);
}

void tl_stream_reading(struct tl_stream *stream, bool on)
{
    if (stream->reading == on || stream->fd < 0)
        return;
    stream->reading = on;
    if (!on) {
        event_del(&stream->read_event);
        return;
    }
    event_add(&stream->read_event, NULL);
    if (stream->ssl != NULL && SSL_has_pending(stream->ssl))
        event_active(&stream->read_event, EV_READ, 1);
}

static void fail(struct tl_stream *stream, const char *why)
{
    stream->calls->failed(stream, why);
}

/* ---- writing ---- */

/* A head and a short body, a chunk with its frame: one record, and one packet. What is tried again is as long, or longer. */
static struct iovec record_of(const struct iovec *parts, int parts_count, char record[RECORD_BYTES])
{
    struct iovec all = {record, 0};

    if (parts_count == 1 || parts[0].iov_len >= RECORD_BYTES)
        return parts[0];
    for (int p = 0; p < parts_count; p++) {
        size_t room = RECORD_BYTES - all.iov_len, size = parts[p].iov_len < room ? parts[p].iov_len : room;

        memcpy(record + all.iov_len, parts[p].iov_base, size);
        all.iov_len += size;
    }
    return all;
}

/* How much of it; LATER or FAILED. */
static ssize_t write_parts(struct tl_stream *stream, const struct iovec *parts, int parts_count)
{
    ssize_t size;

    if (stream->ssl != NULL) {
        char record[RECORD_BYTES];
        struct iovec all = record_of(parts, parts_count, record);
        int result, how;

        if (all.iov_len == 0)
            return 0;
        ERR_clear_error();
        result = SSL_write(stream->ssl, all.iov_base, all.iov_len > INT_MAX ? INT_MAX : (int)all.iov_len);
        if (result > 0)
            return result;
        how = SSL_get_error(stream->ssl, result);
        return how == SSL_ERROR_WANT_WRITE || how == SSL_ERROR_WANT_READ ? TL_STREAM_LATER : TL_STREAM_FAILED;
    }
    do {
        struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)parts_count};

        size = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? TL_STREAM_LATER : TL_STREAM_FAILED;
    return size;
}

static ssize_t write_now(struct tl_stream *stream, const struct iovec *parts, int parts_count)
{
    ssize_t size = write_parts(stream, parts, parts_count);

    if (size > 0)
        stream->taken += (uint64_t)size;
    return size;
}

static bool keep(struct tl_stream *stream, const struct iovec *parts, int parts_count, size_t written)
{
    if (stream->out_at >= MOVE_BYTES) { /* else it would grow for as long as it is never empty */
        memmove(stream->out.data, stream->out.data + stream->out_at, tl_stream_pending(stream));
        stream->out.size -= stream->out_at;
        stream->out_at = 0;
    }
    for (int p = 0; p < parts_count; p++) {
        size_t skip = written < parts[p].iov_len ? written : parts[p].iov_len;

        written -= skip;
        tl_buf_put(&stream->out, (const char *)parts[p].iov_base + skip, parts[p].iov_len - skip);
    }
    if (stream->state == TL_STREAM_OPEN && tl_stream_pending(stream) > 0)
        wait_for_room(stream, true);
    return !stream->out.failed;
}

/* As much of all parts as goes now; FAILED. */
static ssize_t write_through(struct tl_stream *stream, const struct iovec *parts, int parts_count)
{
    struct iovec left[PARTS_MAX];
    size_t total = 0;
    int first = 0;

    assert(parts_count <= PARTS_MAX && !stream->shut);
    memcpy(left, parts, sizeof *parts * (size_t)parts_count);
    while (first < parts_count) {
        ssize_t size;

        if (left[first].iov_len == 0) {
            first++;
            continue;
        }
        size = write_now(stream, left + first, parts_count - first);
        if (size == TL_STREAM_FAILED)
            return TL_STREAM_FAILED;
        if (size == TL_STREAM_LATER)
            break;
        total += (size_t)size;
        for (size_t rest = (size_t)size; rest > 0;) {
            size_t part = rest < left[first].iov_len ? rest : left[first].iov_len;

            left[first].iov_base = (char *)left[first].iov_base + part;
            left[first].iov_len -= part;
            rest -= part;
            if (left[first].iov_len == 0 && rest > 0)
                first++;
        }
    }
    return (ssize_t)total;
}

bool tl_stream_write(struct tl_stream *stream, const struct iovec *parts, int parts_count)
{
    size_t total = 0;
    ssize_t written;

    assert(parts_count <= PARTS_MAX && !stream->shut);
    if (stream->state != TL_STREAM_OPEN || tl_stream_pending(stream) > 0)
        return keep(stream, parts, parts_count, 0);
    written = write_through(stream, parts, parts_count);
    for (int p = 0; p < parts_count; p++)
        total += parts[p].iov_len;
    return written != TL_STREAM_FAILED && ((size_t)written == total || keep(stream, parts, parts_count, (size_t)written));
}

ssize_t tl_stream_offer(struct tl_stream *stream, const struct iovec *parts, int parts_count)
{
    size_t total = 0;
    ssize_t written;

    assert(stream->state == TL_STREAM_OPEN && tl_stream_pending(stream) == 0);
    written = write_through(stream, parts, parts_count);
    for (int p = 0; p < parts_count; p++)
        total += parts[p].iov_len;
    if (written != TL_STREAM_FAILED)
        wait_for_room(stream, (size_t)written < total);
    return written;
}

static void end_now(struct tl_stream *stream)
{
    if (stream->ssl != NULL && SSL_get_shutdown(stream->ssl) == 0) {
        ERR_clear_error();
        SSL_shutdown(stream->ssl);
    }
    shutdown(stream->fd, SHUT_WR);
}

void tl_stream_end(struct tl_stream *stream)
{
    if (stream->fd < 0 || stream->shut)
        return;
    stream->shut = true;
    if (stream->state == TL_STREAM_OPEN && tl_stream_pending(stream) == 0)
        end_now(stream);
}

uint64_t tl_stream_progress(const struct tl_stream *stream)
{
    int waits = 0; /* in the kernel; a full socket counts as writable again only when a good part of it has gone */

    (void)ioctl(stream->fd, SIOCOUTQ, &waits);
    return stream->taken - (uint64_t)waits;
}

void tl_stream_give_up_writing(struct tl_stream *stream)
{
    stream->shut = true;
    wait_for_room(stream, false);
    tl_buf_done(&stream->out);
    stream->out_at = 0;
}

/* What is kept. False: it failed, and that was said. */
static bool flush(struct tl_stream *stream)
{
    while (tl_stream_pending(stream) > 0) {
        struct iovec part = {stream->out.data + stream->out_at, tl_stream_pending(stream)};
        ssize_t size = write_now(stream, &part, 1);

        if (size == TL_STREAM_LATER)
            break;
        if (size == TL_STREAM_FAILED) {
            fail(stream, strerror(errno));
            return false;
        }
        stream->out_at += (size_t)size;
    }
    if (tl_stream_pending(stream) > 0) {
        wait_for_room(stream, true);
        return true;
    }
    wait_for_room(stream, false);
    tl_buf_done(&stream->out);
    stream->out_at = 0;
    if (stream->shut)
        end_now(stream);
    return true;
}

/* ---- reading ---- */

ssize_t tl_stream_read(struct tl_stream *stream, void *to, size_t size)
{
    ssize_t got;

    if (stream->ssl != NULL) {
        int result, how;

        ERR_clear_error();
        result = SSL_read(stream->ssl, to, size > INT_MAX ? INT_MAX : (int)size);
        if (result > 0) {
            if (stream->reading && SSL_has_pending(stream->ssl)) /* epoll does not see what OpenSSL has read ahead */
                event_active(&stream->read_event, EV_READ, 1);
            return result;
        }
        how = SSL_get_error(stream->ssl, result);
        if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE)
            return TL_STREAM_LATER;
        return how == SSL_ERROR_ZERO_RETURN ? TL_STREAM_END : TL_STREAM_FAILED; /* an end without a good-bye may be a cut */
    }
    do
        got = recv(stream->fd, to, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? TL_STREAM_LATER : TL_STREAM_FAILED;
    return got;
}

/* ---- the beginning ---- */

static void opened(struct tl_stream *stream)
{
    bool drains = tl_stream_pending(stream) > 0;

    stream->state = TL_STREAM_OPEN;
    wait_for_room(stream, false);
    if (drains && !flush(stream))
        return;
    if (stream->calls->connected != NULL)
        stream->calls->connected(stream);
}

static void shake(struct tl_stream *stream)
{
    char why[128];
    int result, how;

    ERR_clear_error();
    result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        opened(stream);
        return;
    }
    how = SSL_get_error(stream->ssl, result);
    if (how == SSL_ERROR_WANT_READ)
        wait_for_room(stream, false);
    else if (how == SSL_ERROR_WANT_WRITE)
        wait_for_room(stream, true);
    else
        fail(stream, tl_tls_why(stream->ssl, result, why, sizeof why));
}

static void connect_done(struct tl_stream *stream)
{
    int failure = 0;
    socklen_t size = sizeof failure;

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
        failure = errno;
    if (failure != 0) {
        fail(stream, strerror(failure));
        return;
    }
    if (stream->ssl == NULL) {
        opened(stream);
        return;
    }
    stream->state = TL_STREAM_SHAKING;
    wait_for_room(stream, false);
    shake(stream);
}

static void on_read(int fd, short what, void *ctx)
{
    struct tl_stream *stream = ctx;

    (void)fd;
    (void)what;
    if (stream->state == TL_STREAM_SHAKING)
        shake(stream);
    else if (stream->state == TL_STREAM_OPEN)
        stream->calls->readable(stream);
}

static void on_write(int fd, short what, void *ctx)
{
    struct tl_stream *stream = ctx;

    (void)fd;
    (void)what;
    if (stream->state == TL_STREAM_CONNECTING)
        connect_done(stream);
    else if (stream->state == TL_STREAM_SHAKING)
        shake(stream);
    else if (flush(stream) && stream->fd >= 0 && tl_stream_pending(stream) == 0 && stream->calls->drained != NULL)
        stream->calls->drained(stream);
}

void tl_stream_init(struct tl_stream *stream, struct event_base *base, int fd, bool connecting, SSL *ssl,
                    const struct tl_stream_calls *calls, void *ctx)
{
    *stream = (struct tl_stream){.fd = fd,
                                 .state = connecting    ? TL_STREAM_CONNECTING
                                          : ssl != NULL ? TL_STREAM_SHAKING
                                                        : TL_STREAM_OPEN,
                                 .ssl = ssl,
                                 .calls = calls,
                                 .ctx = ctx};
    tl_buf_init(&stream->out, 0);
    event_assign(&stream->read_event, base, fd, EV_READ | EV_PERSIST, on_read, stream);
    event_assign(&stream->write_event, base, fd, EV_WRITE | EV_PERSIST, on_write, stream);
    if (ssl != NULL)
        SSL_set_fd(ssl, fd);
    tl_stream_reading(stream, true);
    if (connecting)
        wait_for_room(stream, true);
}

static void close_now(struct tl_stream *stream, bool cut)
{
    const struct linger at_once = {.l_onoff = 1};

    if (stream->fd < 0)
        return;
    event_del(&stream->read_event);
    event_del(&stream->write_event);
    if (stream->ssl != NULL) {
        if (stream->state == TL_STREAM_OPEN && !stream->shut && !cut) {
            ERR_clear_error();
            SSL_shutdown(stream->ssl);
        }
        SSL_free(stream->ssl);
        stream->ssl = NULL;
    }
    if (cut)
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(stream->fd);
    stream->fd = -1;
    tl_buf_done(&stream->out);
}

void tl_stream_close(struct tl_stream *stream)
{
    close_now(stream, tl_stream_pending(stream) > 0);
}

void tl_stream_cut(struct tl_stream *stream)
{
    close_now(stream, true);
}
