/* function_digits.c: digits: BIN and HEX write them, IS_DECIMAL and IS_DIGIT tell whether a text is made of them. */
#include "core/function_number.h"
#include "core/function_rows.h"

static const char digits[] = "0123456789ABCDEF";

/* The 64 bits without leading zeros, `shift` to a digit. */
static bool bits_print(const struct tl_call *call, unsigned shift)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        uint64_t value = (uint64_t)call->args[0].i64[row];
        char text[64], *at = text + sizeof text;
        struct tl_sv view;

        do {
            *--at = digits[value & ((1u << shift) - 1)];
            value >>= shift;
        } while (value > 0);
        view = (struct tl_sv){at, (size_t)(text + sizeof text - at)};
        if (!tl_arena_copy(call->arena, view, &call->out->sv[row]))
            return false;
    }
    return true;
}

static bool bin(const struct tl_call *call)
{
    return bits_print(call, 1);
}

static bool hex_i64(const struct tl_call *call)
{
    return bits_print(call, 4);
}

/* Of the text's bytes. */
static bool hex_text(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];
        char *at = tl_arena_bytes(call->arena, 2 * text.size);

        if (at == NULL)
            return false;
        call->out->sv[row] = (struct tl_sv){at, 2 * text.size};
        for (size_t k = 0; k < text.size; k++) {
            *at++ = digits[(unsigned char)text.data[k] >> 4];
            *at++ = digits[(unsigned char)text.data[k] & 15];
        }
    }
    return true;
}

/* What CAST AS DOUBLE reads. Never NULL. */
static bool is_decimal(const struct tl_call *call)
{
    const struct tl_vec *a = &call->args[0];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        double value;
        enum tl_read read = a->null[row] ? TL_READ_BAD : tl_f64_read(a->sv[row], false, call->arena, &value);

        if (read == TL_READ_MEMORY)
            return false;
        call->out->i64[row] = read == TL_READ_OK;
    }
    return true;
}

static bool is_digit(const struct tl_call *call)
{
    const struct tl_vec *a = &call->args[0];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        size_t k = 0;

        while (!a->null[row] && k < a->sv[row].size && a->sv[row].data[k] >= '0' && a->sv[row].data[k] <= '9')
            k++;
        call->out->i64[row] = k > 0 && k == a->sv[row].size;
    }
    return true;
}

#define TEST(NAME, KERNEL)                                                                                                       \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING) -> BOOLEAN", .args = {TL_STRING}, .args_min = 1, .args_max = 1,              \
        .result = TL_BOOLEAN, .kernel = (KERNEL)                                                                                 \
    }

static const struct tl_function functions[] = {
    TL_PREFIX("BIN", BIGINT, STRING, bin),
    TL_PREFIX("HEX", BIGINT, STRING, hex_i64),
    TL_PREFIX("HEX", STRING, STRING, hex_text),
    TEST("IS_DECIMAL", is_decimal),
    TEST("IS_DIGIT", is_digit),
};

const struct tl_catalog tl_functions_digits = {functions, TL_COUNT(functions), &tl_functions_domain, NULL};
