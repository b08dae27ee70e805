/* literal_index.h: which sets of literals have one in a text, found in one walk over the text (Aho and Corasick, 1975).
 *
 * Literals are in lower case, and the text is read as if it were (ASCII). The index lies in an arena and does not change:
 * threads share it. */
#ifndef TL_LITERAL_INDEX_H
#define TL_LITERAL_INDEX_H

#include "base/arena.h"
#include "core/regex_literal.h"

struct tl_literal_index;

/* False: out of memory. An empty literal is in every text. */
TL_MUST_USE bool tl_literal_index_make(struct tl_arena *arena, const struct tl_literal_set *sets, uint32_t sets_count,
                                       const struct tl_literal_index **out);
/* Words of `hits`: a bit for each set. */
static inline size_t tl_literal_words(uint32_t sets_count)
{
    return ((size_t)sets_count + 63) / 64;
}
static inline bool tl_literal_hit(const uint64_t *hits, uint32_t set)
{
    return (hits[set / 64] >> (set % 64) & 1) != 0;
}
void tl_literal_index_scan(const struct tl_literal_index *index, struct tl_sv text, uint64_t *hits);
uint32_t tl_literal_index_states(const struct tl_literal_index *index);

#endif
