/* moves.h: which events a changed definition counts, or counts in another way, and why: those behind the units that differ.
 *
 *                ┌─> OLD's core: which groups does the event go into? ─┐
 *   messages ────┤                                                     ├─> the same groups? else why not
 *                └─> NEW's core ───────────────────────────────────────┘
 *
 * Both cores are asked for each event and group, and take only what belongs to a unit that differs and has to come out once more (tl_preview.proves);
 * the rows that come out of that have to be those that stand there (tl_preview_came_out): so the events that are named are the whole difference.
 * Threads ask side by side, each with a lane of its own; what comes out does not depend on which of them had which messages.
 * Source of the method: reconcile (cause.h), which does this for two layers. */
#ifndef TL_MOVES_H
#define TL_MOVES_H

#include "preview.h"
#include "recount.h"

/* Up to where a published range had read: of [from_ms, to_ms) of event time. */
struct tl_published_range {
    int64_t from_ms, to_ms, run;
    bool has_rows;
    const struct tl_published_offset *offsets;
    uint32_t offsets_count;
};
struct tl_published_offset {
    uint32_t partition;
    int64_t next_offset;
};

/* A view of both sides. */
struct tl_moves_view {
    struct tl_preview *preview;
    uint32_t source[TL_BOTH];                   /* of each side's plan */
    const struct tl_published_range *published; /* OLD's rows are those; NULL: they were computed */
    uint32_t published_count;
};

struct tl_moves; /* of one span of time */

TL_MUST_USE enum tl_code tl_moves_open(const struct tl_moves_view *views, uint32_t views_count, uint32_t threads,
                                       struct tl_moves **out, struct tl_err *err);
void tl_moves_close(struct tl_moves *moves);

/* One side's recount, on one thread: what tl_recount_config.push_ctxs, and for the rows ctx, are where the three below are its calls. */
struct tl_moves_side {
    struct tl_moves *moves;
    uint32_t thread;
    enum tl_before_after side;
    const int32_t *views; /* per view of the plan, its number here; -1: none */
};
bool tl_moves_ask(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                  int64_t *watermark_ms);
enum tl_code tl_moves_rows(void *ctx, uint32_t view, const struct tl_rows *rows, struct tl_err *err);
enum tl_code tl_moves_refused(void *ctx, uint32_t source, uint32_t view, const struct tl_ledger_line *lines, size_t count,
                              struct tl_err *err);
/* The thread has pushed the same messages to all sides: judges their events, and forgets them. */
TL_MUST_USE enum tl_code tl_moves_judge(struct tl_moves *moves, uint32_t thread, struct tl_err *err);

#endif
