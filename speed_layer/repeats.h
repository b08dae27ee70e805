/* repeats.h: how often a line has come before in its log, so that equal lines become different events.
 *
 * Holds 64 bits of hash for each distinct line: 11 to 22 bytes a line. Two different lines with one hash do no harm: the
 * second one is given the number 1 instead of 0, every time the log is read. */
#ifndef TL_REPEATS_H
#define TL_REPEATS_H

#include "base/table.h"

struct tl_repeats {
    uint64_t *seen; /* open addressing; 0: empty */
    size_t seen_count, seen_capacity;
    struct tl_table more; /* hash -> how many came, of those that came more than once */
};

void tl_repeats_init(struct tl_repeats *repeats);
void tl_repeats_done(struct tl_repeats *repeats);
void tl_repeats_clear(struct tl_repeats *repeats); /* for the next log */
/* It will soon be asked for: its place is fetched meanwhile, for in a large log it is far away. */
void tl_repeats_expect(const struct tl_repeats *repeats, uint64_t hash);
/* *before: how many lines with this hash came before. */
TL_MUST_USE enum tl_code tl_repeats_count(struct tl_repeats *repeats, uint64_t hash, uint64_t *before, struct tl_err *err);

#endif
