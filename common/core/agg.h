/* agg.h: accumulators: init, step, merge, finish, save, load.
 *
 * Each is mergeable in any order and grouping with the same result, and never subtracted. A group's accumulators stand side by
 * side in one block of tl_agg_layout.state_bytes (zeroed when new), which may point into the arena of its table. Calls over the same
 * argument, filter and DISTINCT that need the same accumulator share one (SUM with AVG, the deviations, several percentiles of one column,
 * all that is DISTINCT): it is stepped, merged and saved once.
 * Byte form: canonical (equal contents give equal bytes), the concatenation over the accumulators in order of the first call that reads
 * each; each is drawn in its file.
 * Flink's rules: SUM of an integer has the input's type and wraps; AVG of integers truncates toward zero; SUM and AVG of FLOAT and
 * DOUBLE are exact sums, rounded once at the end; MIN and MAX of text compare as memcmp on UTF-8; rows with a NULL argument are skipped.
 * Only COUNT, APPROX_COUNT_DISTINCT and WINDOW_FUNNEL of nothing are not NULL.
 *
 *     agg_sum.c       COUNT, SUM, AVG                 agg_distinct.c  COUNT, SUM, AVG, VAR_*, STDDEV_* of DISTINCT
 *     agg_best.c      MIN, MAX                        agg_quantile.c  PERCENTILE, APPROX_PERCENTILE
 *     agg_place.c     FIRST_VALUE, LAST_VALUE         agg_sketch.c    APPROX_COUNT_DISTINCT
 *     agg_list.c      LISTAGG, also DISTINCT          agg_funnel.c    WINDOW_FUNNEL
 *     agg_moments.c   VAR_*, STDDEV_*                 agg_user.c      those of a library (udf.h) */
#ifndef TL_AGG_H
#define TL_AGG_H

#include "base/arena.h"
#include "base/buf.h"
#include "sql/plan.h"

struct tl_agg_state; /* agg_state.h */

struct tl_agg_layout {
    const struct tl_agg_call *calls;
    uint32_t calls_count;
    const struct tl_expr **inputs; /* what is to be evaluated for each row: the calls' arguments and filters, each once */
    uint32_t inputs_count;
    const struct tl_agg_state *states; /* the accumulators of a block */
    uint32_t states_count;
    const uint32_t *state_of; /* by call: the accumulator that it reads */
    uint32_t state_bytes;     /* of the block, a multiple of 8 */
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
/* Adds block `from` to block `into`, another one. */
TL_MUST_USE bool tl_agg_merge(const struct tl_agg_layout *layout, void *into, const void *from, struct tl_arena *arena);
/* Results of call number `call` for many groups: out->null[i], slot i from blocks[i]. Text results are views into the block's memory or
 * built in `arena`, which also serves as scratch. False: out of memory. */
TL_MUST_USE bool tl_agg_finish(const struct tl_agg_layout *layout, uint32_t call, const void *const *blocks,
                               uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out);
/* Memory that ends shows as out->failed. */
void tl_agg_save(const struct tl_agg_layout *layout, const void *block, struct tl_buf *out);
/* Fills a zeroed block. TL_ERR_CORRUPT when the bytes are not such a form. */
TL_MUST_USE enum tl_code tl_agg_load(const struct tl_agg_layout *layout, struct tl_reader *bytes, void *block,
                                     struct tl_arena *arena, struct tl_err *err);

#endif
