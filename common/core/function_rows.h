/* function_rows.h: what the files of built-in functions share: how a row is written, how a kernel walks its selection.
 *
 * Each function_<noun>.c is a catalog of its own; function.c strings them together. */
#ifndef TL_FUNCTION_ROWS_H
#define TL_FUNCTION_ROWS_H

#include "core/expr.h"
#include "sql/catalog.h"

extern const struct tl_catalog tl_functions_math, tl_functions_text, tl_functions_time, tl_functions_cast, tl_functions_address,
    tl_functions_build, tl_functions_digits, tl_functions_domain, tl_functions_find, tl_functions_greatest, tl_functions_hash,
    tl_functions_json, tl_functions_part, tl_functions_pattern, tl_functions_place, tl_functions_real, tl_functions_regex,
    tl_functions_round, tl_functions_unit, tl_functions_url, tl_functions_user_agent, tl_functions_visitor;

/* Rows of pure functions with NULL in, NULL out. Kinds are written without TL_, and so stand in the signature. */
#define TL_PREFIX(NAME, A, RESULT, KERNEL)                                                                                       \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(" #A ") -> " #RESULT, .args = {TL_##A}, .args_min = 1, .args_max = 1,                \
        .result = TL_##RESULT, .null_in_null_out = true, .kernel = (KERNEL)                                                      \
    }
/* Any other: .args, and what else is to be said, follow. */
#define TL_ROW(NAME, SIGNATURE, MIN, MAX, RESULT, KERNEL, ...)                                                                   \
    {                                                                                                                            \
        .name = (NAME), .signature = (SIGNATURE), .args_min = (MIN), .args_max = (MAX), .result = TL_##RESULT,                   \
        .null_in_null_out = true, .kernel = (KERNEL), __VA_ARGS__                                                                \
    }
#define TL_INFIX(NAME, A, B, RESULT, KERNEL, CAN_FAIL)                                                                           \
    {                                                                                                                            \
        .name = (NAME), .signature = #A " " NAME " " #B " -> " #RESULT, .args = {TL_##A, TL_##B}, .args_min = 2, .args_max = 2,  \
        .result = TL_##RESULT, .null_in_null_out = true, .can_fail = (CAN_FAIL), .kernel = (KERNEL)                              \
    }

/* for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) walks the selected rows. */
static inline bool tl_call_row(const struct tl_call *call, uint32_t *i, uint32_t *row)
{
    if (*i == call->rows_count)
        return false;
    *row = call->rows[(*i)++];
    return true;
}

/* A kernel of doubles: `expression` over x and y, which is the second argument, or the first again. */
#define TL_REAL_KERNEL(name, expression)                                                                                         \
    static bool name(const struct tl_call *call)                                                                                 \
    {                                                                                                                            \
        const double *a = call->args[0].f64, *b = call->args[call->args_count - 1].f64;                                          \
                                                                                                                                 \
        tl_call_clear_null(call);                                                                                                \
        for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {                                                                \
            const double x = a[row], y = b[row];                                                                                 \
                                                                                                                                 \
            (void)y;                                                                                                             \
            call->out->f64[row] = (expression);                                                                                  \
        }                                                                                                                        \
        return true;                                                                                                             \
    }

/* No selected row is NULL. A loop of its own: stores of bytes may alias anything, and would have every pointer read again. */
static inline void tl_call_clear_null(const struct tl_call *call)
{
    const uint32_t *rows = call->rows;
    const uint32_t rows_count = call->rows_count;
    uint8_t *null = call->out->null;

    for (uint32_t i = 0; i < rows_count; i++)
        null[rows[i]] = 0;
}

/* The row cannot be computed: its slot is NULL, and it is marked unless that is the function's answer (TRY_CAST). */
void tl_call_fail(const struct tl_call *call, uint32_t row);
/* The slot is NULL. */
void tl_call_null(const struct tl_call *call, uint32_t row);

#endif
