/* deadline.h: what must have happened by then: queues of deadlines, one for each length of time.
 *
 * All that waits equally long stands in one queue in the order of its end, so setting and clearing are a few pointers and only the
 * heads are looked at, every TL_DEADLINE_TICK_MS: a deadline passes up to that much late. Ten thousand idle connections cost nothing.
 * Runs on: one loop. */
#ifndef TL_DEADLINE_H
#define TL_DEADLINE_H

#include "base/base.h"

enum { TL_DEADLINE_TICK_MS = 50 };

struct tl_deadline {
    struct tl_deadline *next, *previous;          /* NULL: not set */
    int64_t at_ms;                                /* monotonic */
    void (*passed)(struct tl_deadline *deadline); /* no longer set when it is called */
};

/* One length of time. */
struct tl_deadline_queue {
    int64_t after_ms;
    struct tl_deadline ends; /* a ring: its next is the first to pass */
};

void tl_deadline_queue_init(struct tl_deadline_queue *queue, int64_t after_ms);
/* From now on; set anew where it was set, in whatever queue. */
void tl_deadline_set(struct tl_deadline_queue *queue, struct tl_deadline *deadline, int64_t now_ms);
void tl_deadline_clear(struct tl_deadline *deadline);
static inline bool tl_deadline_is_set(const struct tl_deadline *deadline)
{
    return deadline->next != NULL;
}
/* The one that passes first, or NULL. */
struct tl_deadline *tl_deadline_first(struct tl_deadline_queue *queue);
/* Calls `passed` of all whose time has come. */
void tl_deadline_pass(struct tl_deadline_queue *queue, int64_t now_ms);

#endif
