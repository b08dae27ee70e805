/* catalog.h: what a function is: a row of a table with its name, signature and C pointer.
 *
 * The binder (bind.h) resolves calls against a catalog; the built-in one is core/function.h, users add tables of the same
 * shape. Operators are functions too, under their symbols ("+", "=", "NOT"); AND, OR, CASE and COALESCE are not: they
 * decide which of their arguments are evaluated at all, and are nodes of the expression itself (plan.h). A call that is written in
 * words is one under the name with its words: FLOOR(t TO DAY) calls "FLOOR TO", EXTRACT(DAY FROM t) "EXTRACT FROM". */
#ifndef TL_CATALOG_H
#define TL_CATALOG_H

#include "base/arena.h"
#include "base/base.h"
#include "event/value.h"

enum {
    TL_PARAMETERS_MAX = 8, /* in a signature */
    TL_ARGS_MAX = 32,      /* of a call: the last parameter may repeat */
};

struct tl_agg_shape; /* core/agg_state.h */
struct tl_eval;
struct tl_function;
struct tl_functions; /* core/function.h: what functions work with: rules, files, a secret */
struct tl_zone;      /* event/zone.h */

/* One call over a selection of rows. Writes out->null and the slot for each selected row, and touches no other.
 * Text results are views into arguments, into constants, or into `arena`, which lives until the batch is done. */
struct tl_call {
    const uint32_t *rows; /* the selection: ascending row numbers */
    uint32_t rows_count;
    const struct tl_vec *args;
    uint32_t args_count;
    struct tl_vec *out;
    const struct tl_function *function;
    const void *state; /* what prepare() made, or NULL */
    void *memory;      /* what memory->open() made, or NULL */
    struct tl_arena *arena;
    struct tl_eval *eval; /* for tl_call_fail() (core/function_rows.h) */
};

/* What a call is prepared with, once, when the views file is bound. */
struct tl_prepare {
    const struct tl_value *constants; /* by argument; kind TL_NULL and is_null where it is no constant */
    uint32_t args_count;
    const struct tl_zone *zone;     /* 'table.local-time-zone' (NULL: UTC); lives as long as the plan */
    struct tl_functions *functions; /* of the catalog; outlives the plan. NULL: built-in ones alone, without files */
    struct tl_arena *arena;         /* the plan's: what lies outside of it is given back by tl_arena_on_end() */
};

/* What a function keeps from call to call: a cache, scratch. Each thread that evaluates has one of its own for each kind, opened at the first call and closed
 * with the evaluator. Functions that name the same kind share it. */
struct tl_memory_kind {
    void *(*open)(void); /* NULL: out of memory */
    void (*close)(void *memory);
};

struct tl_function {
    const char *name;      /* upper case */
    const char *signature; /* for messages and docs: "LOWER(STRING) -> STRING" */
    enum tl_kind args[TL_PARAMETERS_MAX];
    uint8_t args_min, args_max; /* when args_max > args_min the last kind repeats */
    enum tl_kind result;
    bool null_in_null_out; /* then the kernel is called for rows without a NULL argument only */
    bool can_fail;         /* may call tl_call_fail */
    bool ours;             /* Flink has none of that name */
    bool fails_to_null;    /* TRY_CAST: what fails is NULL, and no error */
    uint8_t unit_arg;      /* not 0: this argument (from 1) is a word, DAY, and comes as a constant text in capitals */
    bool of_event;         /* the event time stands behind the arguments as one more: the binder adds it */
    /* Returns false for memory or out of range of the arena; the batch then fails as a whole. */
    bool (*kernel)(const struct tl_call *call);
    /* May be NULL. Called once, at bind time: compiles a pattern, say, into the plan's arena. All threads share the state, so it does not change. An
     * error is a mistake of the views file. */
    enum tl_code (*prepare)(const struct tl_prepare *with, const void **state, struct tl_err *err);
    const struct tl_memory_kind *memory; /* may be NULL */
    const char *
        works_with; /* of the data from outside: the first word of its version (tl_functions_versions); NULL: nothing, or a library of the user's */
    /* Of a library of the user's (core/udf.h), else NULL: its row there, and of an aggregate how it accumulates; that one has no kernel. */
    const void *own;
    const struct tl_agg_shape *aggregate;
};

struct tl_catalog {
    const struct tl_function *functions; /* several rows of one name are overloads, tried in order */
    size_t functions_count;
    const struct tl_catalog *next; /* further tables, or NULL */
    struct tl_functions *files;    /* of the first table: what prepare() is given */
};

#endif
