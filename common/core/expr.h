/* expr.h: evaluates bound expressions, a column at a time over a selection of rows.
 *
 * AND, OR, CASE and COALESCE evaluate their later arguments only for the rows where these still decide (so `x <> 0 AND 10 / x > 1`
 * does not fail where x is 0). A row whose evaluation fails (division by zero, a cast that does not read) is marked in `failed`
 * and its result is NULL: the core rejects that row with cause eval_error.
 * Runs on: one thread. Scratch memory comes from an arena that is reset per batch: warm, nothing is allocated. */
#ifndef TL_EXPR_H
#define TL_EXPR_H

#include "base/arena.h"
#include "sql/plan.h"

enum { TL_MEMORY_KINDS_MAX = 8 };

/* What functions keep from call to call (catalog.h). All zero: nothing yet. Owned by whoever evaluates, on one thread. */
struct tl_memories {
    const struct tl_memory_kind *kind[TL_MEMORY_KINDS_MAX];
    void *memory[TL_MEMORY_KINDS_MAX];
    uint32_t count;
};
void tl_memories_done(struct tl_memories *memories);

/* The input columns of one batch: slot -> column. */
struct tl_eval {
    const struct tl_vec *slots;
    uint32_t slots_count;
    const struct tl_vec *event_time; /* TL_SLOT_EVENT_TIME, or NULL where there is none */
    uint32_t rows_count;             /* length of every column */
    struct tl_arena *arena;          /* scratch and text results; lives as long as the results are read */
    const char **failed;             /* by row: the function that failed, else NULL; NULL when nothing can fail */
    struct tl_memories *memories;
};

/* Evaluates for the selected rows; other rows of *out are undefined. *out may alias an input column (a bare slot costs nothing).
 * False: out of memory. */
TL_MUST_USE bool tl_expr_eval(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                              struct tl_vec *out);
/* Keeps in `rows` those for which the condition is TRUE (not FALSE, not NULL, not failed); returns how many. UINT32_MAX: out of memory. */
TL_MUST_USE uint32_t tl_expr_filter(struct tl_eval *eval, const struct tl_expr *condition, uint32_t *rows, uint32_t rows_count);

#endif
