/* cut.c: the walk from the time boundary down to an instant that no session of the key crosses.
 *
 * One pass over both layers in descending order of end is enough. A session that ends behind the cut crosses it, and the cut steps to its
 * start, or it begins at or behind the cut: either way no lower cut lies inside of it. The first that ends at or before the cut ends the
 * walk: all that follow end no later. */
#include "store/cut.h"

enum tl_code tl_cut_walk(const struct tl_cut_layer layers[2], int64_t *cut_ms, struct tl_err *err)
{
    struct tl_cut_span spans[2] = {
        {0, 0},
        {0, 0}
    };
    bool there[2] = {false, false};
    int64_t cut = *cut_ms;
    enum tl_code rc;

    for (int i = 0; i < 2; i++)
        TL_TRY(layers[i].next(layers[i].ctx, &spans[i], &there[i], err));
    while (there[0] || there[1]) {
        int i = there[1] && (!there[0] || spans[1].end_ms > spans[0].end_ms);

        if (spans[i].end_ms <= cut)
            break;
        if (tl_cut_crosses(spans[i].start_ms, spans[i].end_ms, cut))
            cut = spans[i].start_ms;
        TL_TRY(layers[i].next(layers[i].ctx, &spans[i], &there[i], err));
    }
    *cut_ms = cut;
out:
    return rc;
}
