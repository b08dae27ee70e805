/* agg.h: accumulators: init, step, merge, finish, save, load.
 *
 * Each is mergeable in any order and grouping with the same result, and never subtracted. A group's accumulators stand side by
 * side in one block of tl_agg_layout.state_bytes (zeroed when new), which may point into the arena of its table.
 * Byte form: canonical (equal contents give equal bytes), the concatenation over the view's aggregates; drawn in agg.c.
 * Flink's rules: SUM of an integer has the input's type and wraps; AVG of integers truncates toward zero; SUM and AVG of FLOAT and
 * DOUBLE are exact sums, rounded once at the end; MIN and MAX of text compare as memcmp on UTF-8. Only COUNT of nothing is not NULL. */
#ifndef TL_AGG_H
#define TL_AGG_H

#include "base/arena.h"
#include "base/buf.h"
#include "sql/plan.h"

struct tl_agg_layout {
    const struct tl_agg_call *calls;
    uint32_t calls_count;
    const struct tl_expr **inputs; /* what is to be evaluated for each row: the calls' arguments and filters, each once */
    uint32_t inputs_count;
    uint32_t *offset;     /* of each call's state within the block */
    uint32_t state_bytes; /* of the block, a multiple of 8 */
};

/* The rows of a batch, as columns by row number. */
struct tl_agg_rows {
    const struct tl_vec *inputs;        /* as many as the layout has */
    const int64_t *time_ms, *offset;    /* these four order FIRST_VALUE, LAST_VALUE and LISTAGG; */
    const uint32_t *partition, *number; /* partition is NULL where all are of partition_all */
    uint32_t partition_all;
};

TL_MUST_USE enum tl_code tl_agg_layout_init(struct tl_agg_layout *layout, const struct tl_agg_call *calls, uint32_t calls_count,
                                            struct tl_arena *arena, struct tl_err *err);
/* Steps all calls for the selected rows: row rows[i] goes to block states[i]; arenas[i] is the memory that goes with it. Rows with a
 * NULL argument are skipped as SQL says, and where FILTER is not TRUE. False: out of memory. One loop per (aggregate, form), so it
 * runs a column at a time. */
TL_MUST_USE bool tl_agg_step(const struct tl_agg_layout *layout, const struct tl_agg_rows *in, const uint32_t *rows,
                             uint32_t rows_count, void *const *states, struct tl_arena *const *arenas);
/* Adds block `from` to block `into`. */
TL_MUST_USE bool tl_agg_merge(const struct tl_agg_layout *layout, void *into, const void *from, struct tl_arena *arena);
/* Results of call number `call` for many groups: out->null[i], slot i from blocks[i]. Text results are views into the block's memory. */
void tl_agg_finish(const struct tl_agg_layout *layout, uint32_t call, const void *const *blocks, uint32_t blocks_count,
                   struct tl_vec *out);
void tl_agg_save(const struct tl_agg_layout *layout, const void *block, struct tl_buf *out);
/* Fills a zeroed block. TL_ERR_CORRUPT when the bytes are not such a form. */
TL_MUST_USE enum tl_code tl_agg_load(const struct tl_agg_layout *layout, struct tl_reader *bytes, void *block,
                                     struct tl_arena *arena, struct tl_err *err);

#endif
