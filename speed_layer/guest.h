/* guest.h: a client's connection: from its acceptance over its requests, one at a time, to its end.
 *
 *     PROXY -> SHAKING -> IDLE -> HEAD -> BUSY -> IDLE ...        BUSY: a request is under way (forward.h)
 *                                     \-> LINGER                  answered, and read on until the other side has seen it
 *
 * Each state has its deadline. What a client sends before its turn waits in `in`; an idle one holds no buffer.
 * Runs on: its loop. */
#ifndef TL_GUEST_H
#define TL_GUEST_H

#include "speed_layer/loop.h"

struct tl_guest {
    struct tl_stream stream;
    struct tl_loop *loop;
    struct tl_guest *next, *previous;
    enum { TL_GUEST_PROXY, TL_GUEST_SHAKING, TL_GUEST_IDLE, TL_GUEST_HEAD, TL_GUEST_BUSY, TL_GUEST_LINGER } state;
    bool trusted, tls, ended, turning; /* its proxy is trusted; it has sent all; its input is being looked at */
    bool stuck;                        /* it does not take what is sent, and the deadline is that of writing */
    uint32_t proxy_bytes;              /* of a PROXY header that have come */
    uint32_t peer_slot;                /* of the addresses' counts; UINT32_MAX: not counted */
    struct tl_endpoint peer;
    struct tl_deadline deadline;
    uint64_t progress; /* tl_stream_progress when the deadline of writing was set */
    int64_t idle_ms;   /* since when no request is under way; as long as none is */
    struct tl_buf in;
    struct tl_http1 *http; /* NULL: no request has begun */
    struct tl_exchange *exchange;
};

/* Takes the socket. */
void tl_guest_open(struct tl_loop *loop, int fd, const struct sockaddr *from);
void tl_guest_close(struct tl_guest *guest);
/* The one whose deadline it is. */
struct tl_guest *tl_guest_of(struct tl_deadline *deadline);
/* No request has begun, nor is an answer on its way. */
bool tl_guest_is_idle(const struct tl_guest *guest);

/* For exchange.c and forward*.c. The answer is complete, and its exchange is gone: on to the next request, or to the end. */
void tl_guest_answered(struct tl_guest *guest, bool keep_alive);
/* The exchange takes the body now: what waits, and what comes. The guest may be gone behind it. */
void tl_guest_resume(struct tl_guest *guest);
/* Writes to the client; false: it is gone, and with it guest and exchange. */
TL_MUST_USE bool tl_guest_write(struct tl_guest *guest, const struct iovec *parts, int parts_count);

#endif
