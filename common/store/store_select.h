/* store_select.h: rows of a view: those that conditions take, in an order, a page at a time.
 *
 * Is:      one SELECT over the layers' tables, or one for each published range where the rows come in order of time and so few of them are read for
 *          a page. Every value is bound; every name is one of the view's own columns, and quoted.
 * Is not:  a place that rolls rows up (serving/rollup.h).
 *
 * Columns that conditions and orders may name: the view's own, and those that the merged view has beside them: _layer, _final, _start_ms,
 * _end_ms (merge_view.h).
 *
 * Rows have a place in the order that nothing else has: behind the columns that were asked for, the row's identity (_end_ms, _start_ms, _key)
 * decides, in the direction of the first column. NULL comes first, and last where it descends. A cursor says that place and not a count of rows: what is
 * written, published or pruned between two pages moves no other row, and so whatever did not change is given once.
 *
 * Errors: TL_ERR_NOT_FOUND for the view; TL_ERR_USAGE for all else that was asked for wrongly, with what would do, and struct tl_refusal says it
 * by itself. */
#ifndef TL_STORE_SELECT_H
#define TL_STORE_SELECT_H

#include "base/buf.h"
#include "store/store.h"

enum tl_operator {
    TL_OP_EQ,
    TL_OP_NE,
    TL_OP_LT,
    TL_OP_LE,
    TL_OP_GT,
    TL_OP_GE,
    TL_OP_IN,
    TL_OP_LIKE,
    TL_OP_NULL,
    TL_OP_NOTNULL,
    TL_OPERATORS,
};

/* As in SQL: a comparison with NULL takes no row. The value is text, of the column's kind:
 *   numbers    decimal; DOUBLE also NaN, Infinity, -Infinity. NaN equals itself and is larger than all others
 *   BOOLEAN    true, false
 *   times      RFC 3339, or a bare date: midnight UTC
 *   in         values with commas between them; \, is a comma and \\ a backslash
 *   like       of text alone: % is any text, _ one character, \%, \_ and \\ stand for themselves; case counts */
struct tl_condition {
    struct tl_sv column;
    enum tl_operator op;
    struct tl_sv value; /* null, notnull: empty */
};

struct tl_order {
    struct tl_sv column;
    bool descends;
};

enum { TL_SELECT_CONDITIONS_MAX = 64, TL_SELECT_VALUES_MAX = 1000, TL_SELECT_ORDERS_MAX = 16 };

struct tl_select {
    struct tl_sv view;
    enum tl_layer layer;
    int64_t from_ms, to_ms; /* as tl_store_rows; INT64_MIN and INT64_MAX: all */
    const struct tl_condition *conditions;
    size_t conditions_count; /* all of them hold */
    const struct tl_order *orders;
    size_t orders_count;
    int64_t limit;       /* < 0: all */
    struct tl_sv cursor; /* what a page before it gave as `next`; empty: the first */
};

enum { TL_REFUSAL_ALLOWED_MAX = 64 };
/* What was wrong, for who answers a program. The names are good until the store is closed. */
struct tl_refusal {
    const char *parameter;                        /* "where", "order" or "cursor"; NULL: nothing of that kind */
    struct tl_sv allowed[TL_REFUSAL_ALLOWED_MAX]; /* names or operators that would do; so many at most */
    size_t allowed_count;
};

/* "host:eq:a.example", "referrer:null", "status:in:404,410": the first operator that stands between two colons. Views into the text.
 * TL_ERR_USAGE, and the operators that there are. */
TL_MUST_USE enum tl_code tl_condition_read(struct tl_sv text, struct tl_condition *out, struct tl_refusal *refusal,
                                           struct tl_err *err);
/* A value of a condition, of the column's kind: a view into the text. TL_ERR_USAGE says what would do. */
TL_MUST_USE enum tl_code tl_condition_value(struct tl_sv column, enum tl_kind kind, struct tl_sv text, struct tl_value *out,
                                            struct tl_err *err);
/* "hits" or "-hits". */
struct tl_order tl_order_read(struct tl_sv text);

/* Calls `head` and `row` as tl_store_query does. `next` (may be NULL) gets the cursor of what follows; it stays empty where nothing does. A cursor
 * is longer than the values that it has by a third; where it would have more than TL_SELECT_CURSOR_BYTES_MAX bytes, some rows more than `limit` come,
 * up to one whose place is shorter, and TL_ERR_LIMIT is given where that takes twice as many.
 * `refusal` may be NULL. In the caller's transaction, where one is open. */
enum { TL_SELECT_CURSOR_BYTES_MAX = 16384 };
TL_MUST_USE enum tl_code
tl_store_select(struct tl_store *store, const struct tl_select *select,
                enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err),
                enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err), void *ctx,
                struct tl_buf *next, struct tl_refusal *refusal, struct tl_err *err);

/* The same rows with their identity and accumulators, as tl_store_rows gives them, but of the merged view too: for roll-ups. */
struct tl_selected_row {
    struct tl_stored_row stored; /* change_or_run: 0 */
    enum tl_layer layer;         /* speed or batch */
    bool is_final;
};
TL_MUST_USE enum tl_code tl_store_select_rows(struct tl_store *store, const struct tl_select *select,
                                              enum tl_code (*each)(void *ctx, const struct tl_selected_row *row,
                                                                   struct tl_err *err),
                                              void *ctx, struct tl_refusal *refusal, struct tl_err *err);

#endif
