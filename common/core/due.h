/* due.h: which key is to be looked at next, and when: a heap of times.
 *
 * A key is put in again after each look; put in twice, it is looked at twice. So a time may stand here that is too early, never one that is
 * too late: who makes a key due earlier puts it in again. Runs on: one thread. */
#ifndef TL_DUE_H
#define TL_DUE_H

#include "base/base.h"

struct tl_key;

struct tl_due_item {
    int64_t at_ms;
    struct tl_key *key;
};

struct tl_due {
    struct tl_due_item *items; /* a binary heap: the first is the earliest */
    size_t count, capacity;
};

TL_MUST_USE bool tl_due_put(struct tl_due *due, int64_t at_ms, struct tl_key *key); /* false: out of memory */
struct tl_key *tl_due_take(struct tl_due *due);                                     /* the earliest; there must be one */
void tl_due_done(struct tl_due *due);

#endif
