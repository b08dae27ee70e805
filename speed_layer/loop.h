/* loop.h: one thread of the interceptor: its event base, who is connected to it, and what they share.
 *
 *     guest ── exchange ── link        a client's connection, a request under way, a connection to a site
 *
 * Is:      a base of libevent, deadlines, memory that is used again, counters; accepts, and drains.
 * Is not:  a queue of work: a connection stays on the loop that accepted it, with all that belongs to it, so nothing here is locked.
 * Runs on: its own thread; tl_loop_post and tl_loop_drain from any. */
#ifndef TL_LOOP_H
#define TL_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/deadline.h"
#include "net/stream.h"
#include "speed_layer/capture.h"
#include "speed_layer/client.h"
#include "speed_layer/collect.h"
#include "speed_layer/request_event.h"
#include "speed_layer/upstream.h"

enum {
    TL_READ_BYTES = 64 << 10,
    TL_PENDING_BYTES_MAX = 128 << 10, /* kept for a side that does not take it; beyond it the other side is not read */
    TL_DURATION_BOUNDS = 12,
    TL_PEERS = 1 << 16,
};

/* In milliseconds. */
struct tl_intercept_times {
    int64_t head, idle, body, write, connect, answer, quiet, pool;
};

/* What all loops share. Constant while they run, but for the certificate. */
struct tl_intercept {
    struct tl_upstreams *upstreams;
    struct tl_trust *trust;
    struct tl_event_rules *rules;
    struct tl_capture *capture;
    struct tl_collect *collect; /* NULL: its paths are the site's */
    struct tl_intercept_times times;
    enum tl_capture_mode mode;
    enum tl_capture_key key;
    bool proxy_protocol;
    size_t head_bytes_max;
    int64_t body_bytes_max; /* 0: no limit */
    unsigned connections_max;
    atomic_uint guests; /* of all loops */
    unsigned peer_max;  /* connections of one address that is not trusted; 0: no limit */
    int listen_fd;
    bool handed_over;            /* the socket is another's: it goes on when this process ends */
    atomic_uint loops_accepting; /* the last one to drain closes the door */
    pthread_mutex_t tls_mutex;
    SSL_CTX *tls; /* with the mutex; NULL: plain */
    uint64_t peer_seed;
    atomic_uint peers[TL_PEERS]; /* connections by a hash of the address */
};

/* Written by the loop alone. */
struct tl_loop_counts {
    atomic_ullong turns; /* of its clock: it lives */
    atomic_ullong connections, requests, refused, failed, not_logged, collected, retried, answers[6], bytes_in, bytes_out;
    atomic_ullong duration_buckets[TL_DURATION_BOUNDS + 1], duration_us;
    atomic_long guests, links, idle_links;
};
extern const double tl_duration_bounds[TL_DURATION_BOUNDS];

static inline void tl_count(atomic_ullong *counter, unsigned long long more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}
static inline void tl_count_open(atomic_long *gauge, long more)
{
    atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + more, memory_order_relaxed);
}

struct tl_guest;
struct tl_link;
struct tl_exchange;

/* Word from another thread: `call` runs on the loop. Embedded in what it is about, and posted once at a time. */
struct tl_loop_word {
    struct tl_loop_word *next;
    void (*call)(struct tl_loop_word *word);
};

struct tl_loop {
    struct tl_intercept *shared;
    struct event_base *base;
    struct event accept_event, tick_event, wake_event;
    pthread_t thread;
    bool running, accepting, draining;
    int64_t now_ms;                        /* monotonic: as of this turn */
    int64_t drain_idle_ms, drain_until_ms; /* how long an idle client may still begin a request; when all ends */
    struct tl_event_maker *maker;
    struct tl_loop_counts counts;
    struct {
        struct tl_deadline_queue head, idle, body, write, linger;          /* guests */
        struct tl_deadline_queue connect, answer, quiet, link_write, pool; /* links */
        struct tl_deadline_queue event;                                    /* exchanges */
    } queues;
    struct tl_guest *guests, *dead_guests; /* dead: freed when the loop has gone round */
    struct tl_link **idle_links;           /* by upstream: the latest first */
    struct tl_link *dead_links;
    struct tl_exchange *spare_exchanges;
    size_t spare_exchanges_count;
    struct tl_http1 *spare_requests[64], *spare_answers[64];
    size_t spare_requests_count, spare_answers_count;
    struct tl_buf out; /* a head that is being made */
    char read[TL_READ_BYTES];
    int wake_fd; /* eventfd */
    pthread_mutex_t mutex;
    struct tl_loop_word *words, **words_end; /* with the mutex */
    bool drain_asked;
    int64_t drain_patience_ms;
};

TL_MUST_USE enum tl_code tl_loop_open(struct tl_intercept *shared, struct tl_loop **out, struct tl_err *err);
/* Starts its thread. */
TL_MUST_USE enum tl_code tl_loop_start(struct tl_loop *loop, struct tl_err *err);
/* Accepts nobody any more but who waits at the door already (unless the socket goes on elsewhere); requests that are under way get their answer, for as long as `patience_ms`; then the thread ends. */
void tl_loop_drain(struct tl_loop *loop, int64_t patience_ms);
void tl_loop_join(struct tl_loop *loop);
void tl_loop_close(struct tl_loop *loop);
void tl_loop_post(struct tl_loop *loop, struct tl_loop_word *word);

/* For guests, links and exchanges. NULL: out of memory. */
struct tl_http1 *tl_loop_parser(struct tl_loop *loop, enum tl_http1_kind kind);
void tl_loop_parser_back(struct tl_loop *loop, enum tl_http1_kind kind, struct tl_http1 *http);
/* A guest has gone: there is room for another one. */
void tl_loop_guest_left(struct tl_loop *loop);
/* The client that has been idle for longest goes, or one that takes long to send its first request. False: there is none. */
bool tl_loop_make_room(struct tl_loop *loop);

#endif
