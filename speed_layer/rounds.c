/* rounds.c: when a replay's rounds have brought it near enough. See rounds.h. */
#include "rounds.h"

#include "base/diag.h"

bool tl_rounds_may_end(struct tl_rounds *rounds, int64_t ms)
{
    if (ms <= TL_ROUND_SHORT_MS)
        return true;
    if (rounds->shortest_ms == 0 || ms < rounds->shortest_ms - rounds->shortest_ms / 8) {
        rounds->shortest_ms = ms;
        rounds->alike_count = 0;
        return false;
    }
    if (++rounds->alike_count == TL_ROUNDS_ALIKE)
        tl_diag(TL_WARN, "rounds get no shorter: speed stands by for some %lld s", (long long)(ms / 1000));
    return rounds->alike_count >= TL_ROUNDS_ALIKE;
}
