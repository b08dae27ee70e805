/* due.h: which key is to be looked at next, and when: a heap of times.
 *
 * A key is put in again after each look; put in twice, it is looked at once (tl_due_is). So a time may stand here that is too early, never one
 * that is too late: who makes a key due earlier puts it in again. Keys that were looked at are not put in again before all are through
 * (tl_due_again): what has changed and is not written yet would be due at once, for ever. Runs on: one thread. */
#ifndef TL_DUE_H
#define TL_DUE_H

#include "core/pieces.h"

/* Of a key's marks, the one that is due's own: it stands in the heap, and has not been looked at since. */
#define TL_KEY_DUE UINT32_C(0x80000000)

struct tl_due_item {
    int64_t at_ms;
    struct tl_key *key;
};

struct tl_due {
    struct tl_due_item *items; /* a binary heap: the first is the earliest */
    size_t count, capacity;
    struct tl_key **looked;
    size_t looked_count, looked_capacity;
};

/* When a key is to be looked at; INT64_MAX: there is nothing to look at. */
typedef int64_t (*tl_due_when)(const void *ctx, const struct tl_key *key);

TL_MUST_USE bool tl_due_put(struct tl_due *due, int64_t at_ms, struct tl_key *key); /* false: out of memory, as in all of them */
struct tl_key *tl_due_take(struct tl_due *due);                                     /* the earliest; there must be one */
static inline bool tl_due_is(const struct tl_key *key)
{
    return (key->marks & TL_KEY_DUE) != 0;
}
/* It has been looked at: it is not due until tl_due_again. */
TL_MUST_USE bool tl_due_looked(struct tl_due *due, struct tl_key *key);
/* Puts in what has been looked at. */
TL_MUST_USE bool tl_due_again(struct tl_due *due, tl_due_when when, const void *ctx);
/* Puts in all keys: they have other addresses (tl_pieces_tidy). */
TL_MUST_USE bool tl_due_anew(struct tl_due *due, const struct tl_pieces *pieces, tl_due_when when, const void *ctx);
void tl_due_reset(struct tl_due *due);
void tl_due_done(struct tl_due *due);
size_t tl_due_bytes(const struct tl_due *due);

#endif
