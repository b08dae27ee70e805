/* gather.h: a request for the collector: kept until its body is whole, answered once its events are captured.
 *
 * The collector takes whole requests (collect.h), and a connection brings pieces: what the head said is copied, for the bytes that it lay in are
 * used again.
 * Runs on: a loop; the queue's word comes from any thread. */
#ifndef TL_GATHER_H
#define TL_GATHER_H

#include "speed_layer/collect.h"

struct tl_gather;

struct tl_gather_with {
    const struct tl_collect *collect;
    const struct tl_event_rules *rules;
    struct tl_event_maker *maker;
    struct tl_capture *capture;
};

/* Copies the request. NULL: out of memory. */
struct tl_gather *tl_gather_open(const struct tl_collect *collect, const struct tl_request *request);
void tl_gather_close(struct tl_gather *gather);
/* False: out of memory. */
TL_MUST_USE bool tl_gather_put(struct tl_gather *gather, struct tl_sv piece);
/* The body is longer than the collector takes: the rest need not come, for the answer says so. */
bool tl_gather_is_full(const struct tl_gather *gather);
/* The body is whole, or full: its events go to the queue. `word`, where it is not NULL, is called once, when the queue has said of all of them that they are
 * captured, or of one that it is not; within the call or later, and the gather must live until then. */
void tl_gather_finish(struct tl_gather *gather, const struct tl_gather_with *with, const struct tl_capture_answer *word);
const struct tl_collect_answer *tl_gather_answer(const struct tl_gather *gather);

#endif
