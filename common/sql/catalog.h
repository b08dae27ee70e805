/* catalog.h: what a function is: a row of a table with its name, signature and C pointer.
 *
 * The binder (bind.h) resolves calls against a catalog; the built-in one is core/function.h, users add tables of the same
 * shape. Operators are functions too, under their symbols ("+", "=", "NOT"); AND, OR, CASE and COALESCE are not: they
 * decide which of their arguments are evaluated at all, and are nodes of the expression itself (plan.h). */
#ifndef TL_CATALOG_H
#define TL_CATALOG_H

#include "base/arena.h"
#include "base/base.h"
#include "event/value.h"

enum { TL_ARGS_MAX = 8 };

struct tl_eval;
struct tl_zone; /* event/zone.h */

/* One call over a selection of rows. Writes out->null and the slot for each selected row, and touches no other.
 * Text results are views into arguments, into constants, or into `arena`, which lives until the batch is done. */
struct tl_call {
    const uint32_t *rows; /* the selection: ascending row numbers */
    uint32_t rows_count;
    const struct tl_vec *args;
    uint32_t args_count;
    struct tl_vec *out;
    const void *state; /* what prepare() made, or NULL */
    struct tl_arena *arena;
    struct tl_eval *eval; /* for tl_eval_error() (core/expr.h) */
};

struct tl_function {
    const char *name;      /* upper case */
    const char *signature; /* for messages and docs: "LOWER(STRING) -> STRING" */
    enum tl_kind args[TL_ARGS_MAX];
    uint8_t args_min, args_max; /* when args_max > args_min the last kind repeats */
    enum tl_kind result;
    bool null_in_null_out; /* then the kernel is called for rows without a NULL argument only */
    bool can_fail;         /* may call tl_eval_error */
    /* Returns false for memory or out of range of the arena; the batch then fails as a whole. */
    bool (*kernel)(const struct tl_call *call);
    /* May be NULL. Called once, at bind time, with constant arguments (kind TL_NULL and is_null where not constant): compiles a
     * pattern, say, into the plan's arena. `zone` is 'table.local-time-zone' (NULL: UTC) and lives as long as the plan: a function
     * whose result depends on it keeps it in its state. An error is a mistake of the views file. */
    enum tl_code (*prepare)(const struct tl_value *constants, uint32_t args_count, const struct tl_zone *zone,
                            struct tl_arena *arena, const void **state, struct tl_err *err);
};

struct tl_catalog {
    const struct tl_function *functions; /* several rows of one name are overloads, tried in order */
    size_t functions_count;
    const struct tl_catalog *next; /* further tables, or NULL */
};

#endif
