/* rounds.h: a replay's rounds, each to where speed stood when it began: when speed is to stand by for what is left. */
#ifndef TL_ROUNDS_H
#define TL_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

enum { TL_ROUND_SHORT_MS = 2000 };
enum { TL_ROUNDS_ALIKE = 3 };

/* All zero before the first one. */
struct tl_rounds {
    int64_t shortest_ms; /* 0: there was none */
    int alike_count;     /* since the shortest one */
};

/* After a round that took `ms`: is speed to stand by for the rest? It is behind a short one; and when rounds get no shorter, for opening one may take long
 * by itself, as with very many open groups: said once, for speed stands by for as long. */
bool tl_rounds_may_end(struct tl_rounds *rounds, int64_t ms);

#endif
