/* forward.h: a request on its way: from its head, over the site, to the end of its answer; and its event.
 *
 *     client                 intercept                          site
 *     head   ─────────────>  event begins, head written anew ─>
 *     body   ─ ─ ─ ─ ─ ─ ─>  piece by piece                   ─>
 *            <─────────────  event ends (status, duration)    <─  head
 *            <─ ─ ─ ─ ─ ─ ─  piece by piece                   <─  body
 *
 * Neither body is ever held whole: when one side does not take what came, the other is not read. The event leaves with the answer's head, after
 * EVENT_MS at the latest, and in durable mode before anything is sent to the site.
 * A site's WebSocket passes through untouched: after 101 the bytes go both ways as they are.
 * Runs on: its loop. */
#ifndef TL_FORWARD_H
#define TL_FORWARD_H

#include "speed_layer/guest.h"
#include "speed_layer/link.h"

/* The guest's request has this head; guest->exchange is set, or it was answered already. */
void tl_forward_start(struct tl_guest *guest, const struct tl_http1_head *head);
/* Answers with a page of our own: what cannot be passed on. The connection ends with it. */
void tl_forward_refuse(struct tl_guest *guest, int status, const char *sentence);

/* What its two connections tell. */
void tl_forward_input(struct tl_exchange *exchange, struct tl_sv bytes, size_t *used); /* the client's body */
void tl_forward_guest_ended(struct tl_exchange *exchange);                             /* it will send no more */
void tl_forward_guest_drained(struct tl_exchange *exchange);
void tl_forward_guest_late(struct tl_exchange *exchange); /* the deadline of its body */
void tl_forward_guest_gone(struct tl_exchange *exchange); /* guest is being closed */
/* Has the client a part of an answer that ends with the connection? */
bool tl_forward_ends_with_connection(const struct tl_exchange *exchange);
/* Does it take the client's bytes now? */
bool tl_forward_wants_input(const struct tl_exchange *exchange);

void tl_forward_link_open(struct tl_exchange *exchange);
void tl_forward_link_readable(struct tl_exchange *exchange);
void tl_forward_link_drained(struct tl_exchange *exchange);
/* It takes nothing more; what it said before may still be there to be read. */
void tl_forward_link_deaf(struct tl_exchange *exchange);
/* link is still exchange->link; `late`: a deadline. */
void tl_forward_link_failed(struct tl_exchange *exchange, const char *why, bool late);

#endif
