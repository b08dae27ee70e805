/* link.h: a connection to a site: made when a request needs one, kept for the next for a while.
 *
 * A site may close a connection that waits in the pool just as a request is sent over it. So a request that must not be repeated (POST, PATCH, one
 * with a body) takes one that has waited for less than TL_LINK_FRESH_MS or a new one, and any other is repeated once over a new one.
 * Runs on: its loop. */
#ifndef TL_LINK_H
#define TL_LINK_H

#include "speed_layer/loop.h"

enum { TL_LINK_FRESH_MS = 1000 };

struct tl_link {
    struct tl_stream stream;
    struct tl_loop *loop;
    struct tl_upstream *upstream;
    struct tl_link *next, *previous; /* in the pool */
    bool pooled, used;               /* waits; has had a request before */
    int64_t idle_since_ms, keep_ms;  /* keep: how long the site said it waits */
    struct tl_deadline deadline;
    bool stuck; /* the site does not take what is sent, and the deadline is that of writing */
    uint64_t progress;
    struct tl_buf in; /* the beginning of an answer's head */
    struct tl_http1 *http;
    struct tl_exchange *exchange; /* NULL: in the pool */
};

/* From the pool. `repeatable`: whoever uses it can try again. NULL: there is none. */
struct tl_link *tl_link_take(struct tl_loop *loop, struct tl_upstream *upstream, bool repeatable, struct tl_exchange *exchange);
/* A new one, which begins to connect: `connected` or `failed` come later. To the address that is this attempt's (tl_upstream_address). NULL: `*why`
 * says what is wrong. */
struct tl_link *tl_link_connect(struct tl_loop *loop, struct tl_upstream *upstream, struct tl_exchange *exchange, size_t attempt,
                                size_t *turn, const char **why);
/* Into the pool: its answer is complete. */
void tl_link_give_back(struct tl_link *link);
void tl_link_close(struct tl_link *link);
/* Of the whole loop. */
void tl_link_close_pool(struct tl_loop *loop);

#endif
