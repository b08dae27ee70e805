/* user_call.h: how a function of a library's is called: values in, a value out, memory. For udf.c and agg_user.c.
 *
 * The library sees core/tally_function.h alone; this is the other side of it. */
#ifndef TL_USER_CALL_H
#define TL_USER_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "core/tally_function.h"
#include "sql/catalog.h"

struct tl_user_call {
    struct tally_call call; /* first: what the library is given */
    struct tl_arena *arena; /* NULL: there is no memory to be had */
    struct tl_buf *out;     /* where put() writes; NULL: nowhere */
    bool denied;            /* memory was asked for and there was none: the call counts for nothing */
    bool too_much;          /* more than TALLY_ALLOC_BYTES_MAX was asked for: so would it be anywhere */
};

/* Use it where it stands: the library gets its address. */
struct tl_user_call tl_user_call_with(struct tl_arena *arena, struct tl_buf *out);
/* Types and kinds have the same numbers. */
static inline void tl_user_value(const struct tl_vec *column, uint32_t row, struct tally_value *out)
{
    out->is_null = column->null[row] != 0;
    switch (tl_kind_form(column->kind)) {
    case TL_FORM_I64: out->i64 = column->i64[row]; break;
    case TL_FORM_F64: out->f64 = column->f64[row]; break;
    case TL_FORM_TEXT: out->text = (struct tally_text){column->sv[row].data, column->sv[row].size}; break;
    }
}
/* As a result comes to the library: of its type, zero or empty. */
static inline struct tally_value tl_user_result(enum tl_kind kind)
{
    struct tally_value result = {.type = (enum tally_type)kind};

    if (kind == TL_STRING)
        result.text = (struct tally_text){"", 0};
    return result;
}
/* Where results go. */
struct tl_user_results {
    struct tl_vec *out;
    int64_t min, max; /* what the column's type has, where it is a whole number or a time */
};
struct tl_user_results tl_user_results_into(struct tl_vec *out);
/* False: the type has no such value, and the slot is as it was. */
TL_MUST_USE bool tl_user_result_take(const struct tl_user_results *into, uint32_t row, const struct tally_value *result);

/* The kernel of every scalar function of a library: call->function->own is its row there. */
bool tl_user_scalar(const struct tl_call *call);

#endif
