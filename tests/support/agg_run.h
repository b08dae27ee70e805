/* agg_run.h: one aggregate over rows that a test writes: its result, and the same by any order and grouping. */
#ifndef AGG_RUN_H
#define AGG_RUN_H

#include "core/agg.h"
#include "support/chance.h"

enum { AGG_RUN_ARGS_MAX = 34 };

struct agg_run {
    struct tl_arena arena;
    struct tl_expr exprs[AGG_RUN_ARGS_MAX];
    struct tl_expr *args[AGG_RUN_ARGS_MAX];
    struct tl_agg_call call;
    struct tl_agg_layout layout;
    struct tl_vec columns[AGG_RUN_ARGS_MAX]; /* the arguments, then the filter */
    struct tl_vec inputs[AGG_RUN_ARGS_MAX];
    int64_t *time_ms, *offset; /* of a row, unless the test sets them: its number */
    uint32_t *partition, *number;
    uint32_t rows_count; /* those to take, from 0; rows_max at first */
};

/* `call` says agg, kind, distinct and what else is no expression; the arguments have these kinds. */
void agg_run_open(struct agg_run *run, const struct tl_agg_call *call, const enum tl_kind *kinds, uint32_t kinds_count,
                  bool where, uint32_t rows_max);
void agg_run_close(struct agg_run *run);
void agg_run_put(struct agg_run *run, uint32_t arg, uint32_t row, struct tl_value value);
/* The column of the filter. */
static inline uint32_t agg_run_where(const struct agg_run *run)
{
    return run->call.args_count;
}
/* Of all rows in order. A text is good until close. */
struct tl_value agg_run_result(struct agg_run *run);
/* Rows in random order dealt to random parts, some of them through bytes, merged in random order: the same value, the same bytes; a row twice
 * counts twice. Fails the test where not. */
void agg_run_check_parts(struct agg_run *run, struct chance *chance);
/* A new block with all rows. */
void *agg_run_block(struct agg_run *run, struct tl_arena *arena);
/* What the call gives of a block. */
struct tl_value agg_run_finish(struct agg_run *run, const void *block);

static inline struct tl_value agg_i64(enum tl_kind kind, int64_t value)
{
    return (struct tl_value){.kind = kind, .i64 = value};
}
static inline struct tl_value agg_f64(enum tl_kind kind, double value)
{
    return (struct tl_value){.kind = kind, .f64 = value};
}
static inline struct tl_value agg_text(const char *text)
{
    return (struct tl_value){.kind = TL_STRING, .sv = tl_sv_from(text)};
}
static inline struct tl_value agg_null(enum tl_kind kind)
{
    return (struct tl_value){.kind = kind, .is_null = true};
}

#endif
