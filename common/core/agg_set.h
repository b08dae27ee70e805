/* agg_set.h: an exact set of numbers or of texts that grows without leaving memory behind; each may carry a word of its own.
 *
 * Is:      what COUNT(DISTINCT), PERCENTILE (value -> how often) and LISTAGG(DISTINCT) (text -> first place) accumulate in.
 * Is not:  a sketch: nothing is ever taken for something else. Texts are kept whole.
 *
 * Memory comes from an arena that frees nothing, so the table grows where it stands (agg_set.c). For 10 million numbers it is at most
 * 12 bytes each, all counted (agg_set_test.c measures), 8 more with a word of its own; for texts the same and the text itself with
 * 1 or 2 bytes of length, rounded up to 4. A set of a few is a sorted array: 4 numbers take 32 bytes.
 * Order of iteration is a function of the contents, so it gives canonical bytes. */
#ifndef TL_AGG_SET_H
#define TL_AGG_SET_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

/* All zero: empty. What kind of set it is, is said at each call, always alike: see the four put functions. */
struct tl_set {
    void *memory;       /* dense: slots; else pointers to chunks of slots */
    uint64_t zero_word; /* of the number whose key is 0: its word, or 1 where there is none; 0: it is not there */
    uint32_t count;     /* slots in use */
    uint32_t slots;     /* there are; dense: the array's capacity */
    uint32_t homes;     /* of these, slots where a search may begin; 0: dense */
    uint32_t chunks_capacity;
    bool worded;                /* a slot is a key and a word */
    struct tl_set_texts *texts; /* NULL: a set of numbers */
};

enum { TL_SET_COUNT_MAX = 1 << 30 };

/* The number is in the set afterwards. False: out of memory, or TL_SET_COUNT_MAX is reached. */
TL_MUST_USE bool tl_set_put(struct tl_set *set, uint64_t value, struct tl_arena *arena);
TL_MUST_USE bool tl_set_put_text(struct tl_set *set, struct tl_sv text, struct tl_arena *arena);
/* The same in a set whose members carry a word: *word (good until the next put) is 0 when the member is new, and must not stay so. */
TL_MUST_USE bool tl_set_put_word(struct tl_set *set, uint64_t value, struct tl_arena *arena, uint64_t **word);
TL_MUST_USE bool tl_set_put_text_word(struct tl_set *set, struct tl_sv text, struct tl_arena *arena, uint64_t **word);

static inline uint64_t tl_set_count(const struct tl_set *set)
{
    return (uint64_t)set->count + (set->zero_word != 0);
}

struct tl_set_member {
    uint64_t value;    /* of a set of numbers */
    struct tl_sv text; /* of a set of texts: a view that lives as long as the arena */
    uint64_t word;
};

/* Walks the set, beginning with *at == 0. False: that was all. A put ends the walk. */
bool tl_set_next(const struct tl_set *set, uint64_t *at, struct tl_set_member *out);
/* Negative, zero, positive: the order of iteration. */
int tl_set_order(const struct tl_set_member *a, const struct tl_set_member *b, bool texts);

#endif
