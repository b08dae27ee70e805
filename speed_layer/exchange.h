/* exchange.h: a request under way: what guest and link have of it, its event, and its ends. For forward*.c alone; others see it from outside (forward.h).
 *
 * One that is over is used again at once: whoever calls what may end it (tl_exchange_finish, _page, _cut, _fail) does not touch it any more.
 * Runs on: its loop. */
#ifndef TL_EXCHANGE_H
#define TL_EXCHANGE_H

#include "speed_layer/gather.h"
#include "speed_layer/guest.h"
#include "speed_layer/link.h"

struct tl_exchange {
    struct tl_exchange *next; /* spare */
    struct tl_guest *guest;   /* NULL: the client has gone, and only the queue's word is waited for */
    struct tl_loop *loop;
    struct tl_link *link;
    struct tl_upstream *upstream;
    int64_t begun_ns;
    struct tl_buf head; /* as it goes to the site: kept until the answer begins */
    enum { TL_HEAD_WAITS, TL_HEAD_SENT } request;
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

/* NULL: out of memory. */
struct tl_exchange *tl_exchange_new(struct tl_guest *guest);
void tl_exchange_free(struct tl_exchange *exchange);
/* Of a loop that has ended: exchanges that were kept for the next request. */
void tl_exchange_loop_done(struct tl_loop *loop);

/* The request as it is logged: views into the head, the address in `client`. */
struct tl_request tl_exchange_request(struct tl_exchange *exchange, const struct tl_http1_head *head, struct tl_client *client);
/* False: out of memory. Where it is not to be logged `logged` stays false. */
TL_MUST_USE bool tl_exchange_event_begin(struct tl_exchange *exchange, const struct tl_http1_head *head);
/* To the queue, with what is known: status 0 and bytes -1 are not. */
void tl_exchange_event_put(struct tl_exchange *exchange, int status, int64_t bytes, const struct tl_capture_answer *answer);
/* The same where it has not left yet. */
void tl_exchange_event_leaves(struct tl_exchange *exchange, int status, int64_t bytes);

/* Sets the link's deadline by what the site is to do next. */
void tl_exchange_wait(struct tl_exchange *exchange);
/* Tells the operator why the site fails, now and then. */
void tl_exchange_complain(struct tl_exchange *exchange, const char *why);

void tl_exchange_close_link(struct tl_exchange *exchange);
void tl_exchange_count_answer(struct tl_exchange *exchange, int status);
/* The answer is complete: on to the client's next request. */
void tl_exchange_finish(struct tl_exchange *exchange);
/* Answers with a page of our own, and finishes. */
void tl_exchange_page(struct tl_exchange *exchange, int status, const char *sentence);
/* The client sees that the answer is not whole. */
void tl_exchange_cut(struct tl_exchange *exchange);
/* A page, or where the answer has begun a cut. */
void tl_exchange_fail(struct tl_exchange *exchange, int status, const char *sentence);
/* Ends a tunnel when both sides have said all, and all is with the other. */
void tl_exchange_tunnel_may_end(struct tl_exchange *exchange);

#endif
