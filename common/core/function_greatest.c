/* function_greatest.c: GREATEST and LEAST of several values of one kind.
 *
 * NaN is above all numbers, and -0.0 below 0.0; texts compare by their bytes.
 * Source: Apache Flink 2, ScalarOperatorGens.generateGreatestLeast. */
#include "core/function_number.h"
#include "core/function_rows.h"

/* Negative, zero or positive: the values of the row in two columns. */
typedef int order_fn(const struct tl_vec *a, const struct tl_vec *b, uint32_t row);

static int order_i64(const struct tl_vec *a, const struct tl_vec *b, uint32_t row)
{
    return (a->i64[row] > b->i64[row]) - (a->i64[row] < b->i64[row]);
}

static int order_f64(const struct tl_vec *a, const struct tl_vec *b, uint32_t row)
{
    return tl_f64_order(a->f64[row], b->f64[row]);
}

static int order_text(const struct tl_vec *a, const struct tl_vec *b, uint32_t row)
{
    return tl_sv_cmp(a->sv[row], b->sv[row]);
}

static bool choose(const struct tl_call *call, bool greatest)
{
    static order_fn *const orders[] = {[TL_FORM_I64] = order_i64, [TL_FORM_F64] = order_f64, [TL_FORM_TEXT] = order_text};
    order_fn *order = orders[tl_kind_form(call->out->kind)];

    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_vec *best = &call->args[0];
        struct tl_value value;

        for (uint32_t k = 1; k < call->args_count; k++) {
            int than = order(&call->args[k], best, row);

            if (greatest ? than > 0 : than < 0)
                best = &call->args[k];
        }
        value = tl_vec_get(best, row);
        tl_vec_set(call->out, row, &value);
    }
    return true;
}

static bool greatest(const struct tl_call *call)
{
    return choose(call, true);
}

static bool least(const struct tl_call *call)
{
    return choose(call, false);
}

#define ONE_KIND(NAME, A, KERNEL)                                                                                                \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(" #A ", ...) -> " #A, .args = {TL_##A}, .args_min = 1, .args_max = TL_ARGS_MAX - 1,  \
        .result = TL_##A, .null_in_null_out = true, .kernel = (KERNEL)                                                           \
    }
#define ALL_KINDS(NAME, KERNEL)                                                                                                  \
    ONE_KIND(NAME, TINYINT, KERNEL), ONE_KIND(NAME, SMALLINT, KERNEL), ONE_KIND(NAME, INT, KERNEL),                              \
        ONE_KIND(NAME, BIGINT, KERNEL), ONE_KIND(NAME, FLOAT, KERNEL), ONE_KIND(NAME, DOUBLE, KERNEL),                           \
        ONE_KIND(NAME, STRING, KERNEL), ONE_KIND(NAME, BOOLEAN, KERNEL), ONE_KIND(NAME, TIMESTAMP, KERNEL),                      \
        ONE_KIND(NAME, TIMESTAMP_LTZ, KERNEL)

static const struct tl_function functions[] = {
    ALL_KINDS("GREATEST", greatest),
    ALL_KINDS("LEAST", least),
};

const struct tl_catalog tl_functions_greatest = {functions, TL_COUNT(functions), &tl_functions_hash, NULL};
