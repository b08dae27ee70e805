/* cut.h: where a key's own time boundary lies: the largest instant up to B that no session of the key crosses, in either layer.
 *
 * Is:      arithmetic over the sessions (or count windows) of one key, which the caller hands over, the latest end first.
 * Is not:  a place that knows which layer is which, or what batch carries over B: the caller begins the walk at the start of that.
 *
 * The layers may have cut the same events into different sessions, and B may lie inside of one:
 *
 *     batch   [0 . . . . . . . . . . . . . . 15)
 *     speed   [0 . . . . . . . . . 10)
 *                       [5 . . . . . . . . . 15)        late by then, so it could not join the first one
 *     B = 12                             |
 *
 * Serving batch up to B by end, and speed behind it, would show [5, 15) alone. So the walk begins at B and steps to the start of a session
 * that crosses (start < t < end) until none does; here to 0. Then every session lies on one side, and so does every event, in both layers:
 * batch serves the sessions with end <= t, speed those with start >= t, and an event that both have counted is served exactly once.
 * A session that batch carries over B crosses it also where it ends at B: it is not published.
 * Source: semantics.md 10.3; the simulation of it is cut_test.c. */
#ifndef TL_CUT_H
#define TL_CUT_H

#include "base/base.h"

struct tl_cut_span {
    int64_t start_ms, end_ms; /* [start, end), never empty */
};

/* The sessions of one key in one layer in descending order of end; it may begin anywhere at or above the walk's beginning. */
struct tl_cut_layer {
    enum tl_code (*next)(void *ctx, struct tl_cut_span *out, bool *there, struct tl_err *err); /* *there false: no more */
    void *ctx;
};

/* *cut_ms: where the walk begins, then where it ends, never higher. On failure it keeps its value. */
TL_MUST_USE enum tl_code tl_cut_walk(const struct tl_cut_layer layers[2], int64_t *cut_ms, struct tl_err *err);

static inline bool tl_cut_crosses(int64_t start_ms, int64_t end_ms, int64_t cut_ms)
{
    return start_ms < cut_ms && cut_ms < end_ms;
}

#endif
