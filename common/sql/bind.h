/* bind.h: names and types: what was written (ast.h) -> what it means (plan.h).
 *
 * How: each physical column of a table is one tl_expr of kind SLOT that everything shares; a view's columns are expressions over
 * them, so reading a view is reading its expressions: nothing has to be inlined later. When the whole file is bound, the
 * columns that stored views reach are numbered and the shared slots get their final numbers.
 * A stored view with windows is where that ends: its outputs, by number, are the slots of what reads it.
 *
 * bind.c: statements, tables, views. bind_select.c: FROM, GROUP BY, HAVING, outputs. bind_window.c: window functions.
 * bind_aggregate.c: aggregates. bind_check.c: the checks of a checks file. bind_list.c: its lists. bind_expr.c: expressions. bind_call.c: function calls. bind_literal.c: types and constants. */
#ifndef TL_BIND_H
#define TL_BIND_H

#include "sql/ast.h"
#include "sql/plan.h"
#include "sql/settings.h"
#include "sql/table_options.h"

enum {
    TL_BIND_DEPTH_MAX = 2 * TL_SQL_DEPTH_MAX, /* of an expression with the views that it reads */
    TL_BIND_NODES_MAX = 50000,                /* of one expression, written out in full */
};

struct tl_bind_table {
    struct tl_source source; /* complete once the file is bound */
    const struct tl_ast_statement *statement;
    struct tl_field *fields; /* all physical columns */
    struct tl_expr **slots;  /* the shared expression of each */
    bool *wanted;
    uint32_t fields_count;
    struct tl_expr *event_time; /* TL_SLOT_EVENT_TIME; NULL: no watermark, no event time */
    struct tl_table_options options;
    uint32_t number; /* among the plan's sources, once used */
    bool used;
};

struct tl_bind_column {
    struct tl_sv name;
    struct tl_expr *expr; /* over source slots; NULL: one of the window's columns */
    bool is_window;       /* a column of the query's window, or of the windows of the view that it reads (expr is then set) */
    uint32_t window_slot; /* TL_SLOT_WINDOW_START .. CLOSED_BY, when is_window */
    bool is_time;         /* the table's event time, or the window_time of the view that is read, handed on as it is */
    bool is_twice;        /* a window_time of the view that is read, and the window's own: to name it is a mistake */
};

/* What can stand behind FROM: a table, a view, a subquery, a windowed one. */
struct tl_query {
    struct tl_bind_table *table;
    const struct tl_relation *inner; /* the stored view with windows whose rows are read, or NULL: the table's events */
    struct tl_bind_column *columns;
    uint32_t columns_count;
    /* All WHEREs so far, or NULL. What stands behind a window holds before it: Flink moves such conditions below the window, SESSION's
     * too (PullUpWindowTableFunctionIntoWindowAggregateRule); conditions over window columns, which it leaves, are refused here. */
    struct tl_expr *filter;
    struct tl_window_spec window;
    struct tl_expr **partition;                 /* PARTITION BY of SESSION and COUNT_WINDOW: what GROUP BY has to hold */
    const struct tl_ast_names *partition_names; /* the same as written; NULL: the query has no window of its own */
    /* Set when it is grouped: `columns` then are the outputs' names only. */
    bool grouped;
    struct tl_expr **keys;
    struct tl_sv *keys_name;
    uint32_t keys_count;
    struct tl_agg_call *aggs;
    uint32_t aggs_count, aggs_capacity;
    struct tl_expr *having;
    struct tl_output *outputs;
    struct tl_span *outputs_at;
    uint32_t outputs_count;
};

struct tl_relation {
    struct tl_sv name;
    struct tl_span at;
    bool is_view, temporary;
    struct tl_query query; /* what reading it gives */
    uint32_t view;         /* its number in the plan, where query.inner is itself */
    struct tl_relation *next;
};

/* What explain says beside the plan (plan_text.c). */
struct tl_plan_notes {
    const char *file;
    const struct tl_catalog *catalog;
    struct tl_setting_values settings;
    struct tl_span *lateness_at; /* per view */
    bool *periodic;              /* per source */
    const struct tl_script *script;
    struct tl_relation *relations; /* for a checks file, which names them too */
};

struct tl_bind {
    struct tl_plan *plan;
    struct tl_arena *arena;
    const struct tl_catalog *catalog;
    const struct tl_script *script;
    const struct tl_text *text;
    struct tl_err *err;
    struct tl_setting_values settings;
    const struct tl_zone *zone; /* 'table.local-time-zone' of the whole file; NULL: UTC */
    struct tl_relation *relations, *relations_last;
    struct tl_plan_notes *notes;
};

/* GROUP BY while outputs are bound. */
struct tl_group {
    struct tl_query *out;
    const struct tl_ast_expr *const *keys_ast; /* as written, in the order of out->keys */
    bool window[TL_SLOT_KEYS];                 /* the columns of the window that GROUP BY holds */
};

struct tl_scope {
    const struct tl_query *from; /* NULL: no columns (window sizes) */
    struct tl_sv from_name;      /* the name or alias that may qualify a column */
    const char *clause;          /* "WHERE": for messages */
    struct tl_group *group;      /* NULL: over source slots */
    bool in_aggregate;
    bool in_watermark;
    bool of_check;
};

struct tl_checks;

/* The whole file; fills plan. */
TL_MUST_USE enum tl_code tl_bind_script(struct tl_bind *bind);
/* A checks file; fills `checks` and adds the columns that they read to the plan's sources. */
TL_MUST_USE enum tl_code tl_bind_checks(struct tl_bind *bind, struct tl_checks *checks);
TL_MUST_USE enum tl_code tl_bind_select(struct tl_bind *bind, const struct tl_ast_select *select, struct tl_query *out);
/* A window function behind FROM (bind_window.c): the columns of what it reads, and the window's own. */
TL_MUST_USE enum tl_code tl_bind_window(struct tl_bind *bind, const struct tl_ast_from *from, struct tl_query *out);
/* GROUP BY is bound, the window columns are there: has it the keys that the window wants (SESSION, COUNT_WINDOW)? */
TL_MUST_USE enum tl_code tl_bind_window_keys(struct tl_bind *bind, const struct tl_ast_select *select,
                                             const struct tl_group *group);
/* Its name: "SESSION". */
const char *tl_window_name(enum tl_window_kind window);
/* The table or view of that name; a mistake where there is none, or none that can be read. */
TL_MUST_USE enum tl_code tl_bind_relation_find(struct tl_bind *bind, const struct tl_ast_name *name,
                                               const struct tl_relation **out);
/* The query of a view, with CREATE VIEW v (names) applied. */
TL_MUST_USE enum tl_code tl_bind_view_select(struct tl_bind *bind, const struct tl_ast_statement *statement,
                                             struct tl_query *out);
TL_MUST_USE enum tl_code tl_bind_expr(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                      struct tl_expr **out);
/* The same, and it must be BOOLEAN. */
TL_MUST_USE enum tl_code tl_bind_condition(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                           struct tl_expr **out);
/* An aggregate call where GROUP BY is (bind_aggregate.c): a slot of the group. */
TL_MUST_USE enum tl_code tl_bind_aggregate(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                           struct tl_expr **out);
bool tl_bind_is_aggregate(const struct tl_bind *bind, struct tl_sv name); /* one of a library's too */
bool tl_bind_is_own_aggregate(struct tl_sv name);
void tl_bind_aggregates_offer(struct tl_nearest *nearest); /* tally's own: the catalog has the others */
/* Resolves a type as written. *precision: of a timestamp, else 0. */
TL_MUST_USE enum tl_code tl_bind_type(struct tl_bind *bind, const struct tl_ast_type *type, enum tl_kind *kind,
                                      unsigned *precision);
/* Literals (bind_literal.c). `negative`: a minus stands in front; `at` then covers both. */
TL_MUST_USE enum tl_code tl_bind_number(struct tl_bind *bind, const struct tl_ast_expr *ast, bool negative, struct tl_span at,
                                        struct tl_expr **out);
TL_MUST_USE enum tl_code tl_bind_timestamp(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **out);
TL_MUST_USE enum tl_code tl_bind_interval(struct tl_bind *bind, const struct tl_ast_expr *ast, bool negative, struct tl_span at,
                                          struct tl_expr **out);
TL_MUST_USE enum tl_code tl_bind_constant(struct tl_bind *bind, struct tl_value value, struct tl_span at, struct tl_expr **out);
/* The list of IN as values of x's kind, in their order; those of its files too (checks alone: x IN (FILE 'name')). bind_list.c. */
TL_MUST_USE enum tl_code tl_bind_list(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *in,
                                      struct tl_value **out, uint32_t *count);
bool tl_bind_list_has_file(const struct tl_ast_expr *in);
/* IN of a bound x, with a list that has a file. */
TL_MUST_USE enum tl_code tl_bind_among(struct tl_bind *bind, const struct tl_ast_expr *in, struct tl_expr *x,
                                       struct tl_expr **out);
/* A function call (bind_call.c). */
TL_MUST_USE enum tl_code tl_bind_call(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                      struct tl_expr **out);
/* The row of the catalog that the arguments, bound already, fit or widen to (result 0: any). NULL: none, and bind->err has the signatures that
 * there are: TL_ERR_DEFINITION. */
const struct tl_function *tl_bind_call_row(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr *const *args,
                                           enum tl_kind result);
/* A keyword, an aggregate, or a call that is an expression of its own: no function can have this name. The catalog is not asked. */
bool tl_bind_name_is_taken(struct tl_sv name);
/* Names that mean something elsewhere get their own sentence; TL_OK: the name is none of them. */
TL_MUST_USE enum tl_code tl_bind_name_elsewhere(struct tl_bind *bind, struct tl_sv name, struct tl_span at);

/* --- parts of expressions (bind_expr.c) --- */

/* A node with room for its arguments; NULL: out of memory. Closed once they are in place: counts depth and nodes. */
struct tl_expr *tl_bind_node(struct tl_bind *bind, enum tl_expr_op op, enum tl_kind kind, struct tl_place place,
                             uint32_t args_count);
TL_MUST_USE enum tl_code tl_bind_node_close(struct tl_bind *bind, struct tl_expr *expr, struct tl_span at);
/* All arguments, as they are. */
TL_MUST_USE enum tl_code tl_bind_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                      struct tl_expr ***out);
TL_MUST_USE enum tl_code tl_bind_cast(struct tl_bind *bind, struct tl_expr *expr, enum tl_kind kind, struct tl_span at,
                                      struct tl_expr **out);
/* A comparison of two bound sides; asts say where they stand. */
TL_MUST_USE enum tl_code tl_bind_compare(struct tl_bind *bind, const struct tl_ast_expr *ast, const char *symbol,
                                         const struct tl_ast_expr *left_ast, const struct tl_ast_expr *right_ast,
                                         struct tl_expr *left, struct tl_expr *right, struct tl_expr **out);
/* Casts all of `args` to the type that they have in common. */
TL_MUST_USE enum tl_code tl_bind_unify(struct tl_bind *bind, struct tl_expr **args, const struct tl_ast_expr *const *asts,
                                       uint32_t count, struct tl_span at, const char *what, enum tl_kind *kind);
/* An untyped NULL gets this kind; anything else stays. */
TL_MUST_USE enum tl_code tl_bind_null_type(struct tl_bind *bind, struct tl_expr **expr, enum tl_kind kind, struct tl_span at);
/* The row of the catalog for exactly these kinds (result 0: any), or NULL; and the kind of its parameter number i. */
const struct tl_function *tl_bind_function(const struct tl_catalog *catalog, struct tl_sv name, const enum tl_kind *kinds,
                                           uint32_t kinds_count, enum tl_kind result);
enum tl_kind tl_bind_parameter(const struct tl_function *function, uint32_t i);
/* The call itself, prepared; args have the kinds that the function wants. */
TL_MUST_USE enum tl_code tl_bind_function_call(struct tl_bind *bind, const struct tl_function *function,
                                               struct tl_expr *const *args, uint32_t args_count, struct tl_span at,
                                               struct tl_expr **out);

/* New expressions; NULL: out of memory. Every tl_expr of a plan is made here. */
struct tl_expr *tl_bind_slot(struct tl_bind *bind, enum tl_kind kind, uint32_t slot, struct tl_place place);
/* AND of two conditions, either of which may be NULL. */
TL_MUST_USE enum tl_code tl_bind_and(struct tl_bind *bind, struct tl_expr *a, struct tl_expr *b, struct tl_span at,
                                     struct tl_expr **out);
#define tl_bind_no_memory(bind) tl_fail_memory((bind)->err, sizeof(struct tl_expr))
/* Column of that name in the query, or NULL. */
const struct tl_bind_column *tl_query_column(const struct tl_query *query, struct tl_sv name);
struct tl_relation *tl_bind_relation(struct tl_bind *bind, struct tl_sv name); /* NULL: there is none */
extern const char tl_window_hint[];                                            /* what to write where windows are missing */
#define TL_SHOWN(sv) (int)((sv).size < 60 ? (sv).size : 60), (sv).data         /* for %.*s: names of the file, cut */

#endif
