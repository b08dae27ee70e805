/* stream.h: a connection on a loop: plain or TLS. Read when there is something; written at once, and what does not fit is kept and written when
 * there is room.
 *
 * Is:      libevent's events on a socket that does not block. A connection that waits holds no buffers.
 * Is not:  flow control: whoever writes looks at tl_stream_pending, and stops to read on the other side.
 * Runs on: one loop. Within its calls the owner may close the stream; its memory must stay until the loop has gone round. */
#ifndef TL_STREAM_H
#define TL_STREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <sys/uio.h>

#include "base/buf.h"

struct tl_stream;

struct tl_stream_calls {
    void (*connected)(struct tl_stream *stream); /* and with TLS shaken hands */
    void (*readable)(struct tl_stream *stream);
    void (*drained)(struct tl_stream *stream); /* all that was kept is written */
    void (*failed)(struct tl_stream *stream, const char *why);
};

struct tl_stream {
    int fd; /* -1: closed */
    enum { TL_STREAM_CONNECTING, TL_STREAM_SHAKING, TL_STREAM_OPEN } state;
    bool reading, write_waits, shut; /* wants calls of readable; waits for room; nothing more is written */
    SSL *ssl;                        /* NULL: plain */
    const struct tl_stream_calls *calls;
    void *ctx;
    struct tl_buf out; /* from out_at on not yet written */
    size_t out_at;
    uint64_t taken; /* bytes that were written so far */
    struct event read_event, write_event;
};

/* Of a socket that is connected, or has begun to connect; takes it, and `ssl`. Reading is on. With TLS, or while it connects, `connected` is called. */
void tl_stream_init(struct tl_stream *stream, struct event_base *base, int fd, bool connecting, SSL *ssl,
                    const struct tl_stream_calls *calls, void *ctx);
/* At once; a TLS connection says good-bye where that needs no waiting. Where something is kept that was not written, the other side is reset: it
 * must not take this for the end. Fine when closed. */
void tl_stream_close(struct tl_stream *stream);
/* The same, and always with a reset. */
void tl_stream_cut(struct tl_stream *stream);
static inline bool tl_stream_is_open(const struct tl_stream *stream)
{
    return stream->fd >= 0;
}

void tl_stream_reading(struct tl_stream *stream, bool on);

enum { TL_STREAM_END = 0, TL_STREAM_LATER = -1, TL_STREAM_FAILED = -2 };
/* The number of bytes, END when the other side has ended, LATER when there is nothing now, FAILED (`errno`, or TLS's words). */
ssize_t tl_stream_read(struct tl_stream *stream, void *to, size_t size);
/* False: it failed, or there is no memory; the stream is to be closed. Before `connected` all is kept. */
TL_MUST_USE bool tl_stream_write(struct tl_stream *stream, const struct iovec *parts, int parts_count);
/* Writes what goes at once, of a stream that is open and keeps nothing: how many bytes, maybe 0, or FAILED. Nothing is kept: where it was not all,
 * `drained` is called when there is room, and the bytes that are left stand first in the next offer, maybe with more behind them. */
ssize_t tl_stream_offer(struct tl_stream *stream, const struct iovec *parts, int parts_count);
static inline size_t tl_stream_pending(const struct tl_stream *stream)
{
    return stream->out.size - stream->out_at;
}
/* A number that changes when more has arrived at the other side: whether it takes what is sent, however slowly. Asks the kernel. */
uint64_t tl_stream_progress(const struct tl_stream *stream);
/* Nothing more will be written: told to the other side once all is. */
void tl_stream_end(struct tl_stream *stream);
/* The other side takes nothing more: what is kept is dropped; what it said can still be read. */
void tl_stream_give_up_writing(struct tl_stream *stream);

#endif
