/* function_build.c: texts put together from others: ||, CONCAT, REPEAT, REPLACE, LPAD, REVERSE, INITCAP, CHR.
 *
 * A text that grows beyond TEXT_BYTES_MAX fails its row: a number of an event could ask for any size otherwise.
 * LPAD, RPAD and REPLACE of nothing count UTF-16 units as Flink does; what is left of a pair that they cut is a '?'.
 * Source: Apache Flink 2, BinaryStringDataUtil and SqlFunctionUtils; Apache Calcite, SqlFunctions.initcap. */
#include <string.h>

#include "core/code_point.h"
#include "core/function_rows.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

/* Where the row's text of so many bytes is to be written. NULL: out of memory. */
static char *text_open(const struct tl_call *call, uint32_t row, size_t size)
{
    char *bytes = tl_arena_bytes(call->arena, size);

    if (bytes != NULL)
        call->out->sv[row] = (struct tl_sv){bytes, size};
    return bytes;
}

static char *put(char *at, struct tl_sv text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

/* --- joined --------------------------------------------------------------------------------------------------------------- */

/* Joins the arguments from number `first` on that are not NULL. */
static bool join_row(const struct tl_call *call, uint32_t row, uint32_t first, struct tl_sv between)
{
    size_t size = 0;
    bool begun = false;
    char *at;

    for (uint32_t k = first; k < call->args_count; k++) {
        if (call->args[k].null[row])
            continue;
        size += (begun ? between.size : 0) + call->args[k].sv[row].size;
        begun = true;
        if (size > TEXT_BYTES_MAX) {
            tl_call_fail(call, row);
            return true;
        }
    }
    at = text_open(call, row, size);
    if (at == NULL)
        return false;
    begun = false;
    for (uint32_t k = first; k < call->args_count; k++) {
        if (call->args[k].null[row])
            continue;
        at = put(begun ? put(at, between) : at, call->args[k].sv[row]);
        begun = true;
    }
    return true;
}

static bool concat(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!join_row(call, row, 0, (struct tl_sv){"", 0}))
            return false;
    return true;
}

/* It passes over NULLs; only the separator's makes NULL. */
static bool concat_ws(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (call->args[0].null[row])
            tl_call_null(call, row);
        else if (!join_row(call, row, 1, call->args[0].sv[row]))
            return false;
    }
    return true;
}

/* --- grown ---------------------------------------------------------------------------------------------------------------- */

static bool repeat(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];
        size_t count = call->args[1].i64[row] > 0 && text.size > 0 ? (size_t)call->args[1].i64[row] : 0;
        char *at;

        if (count > 0 && text.size > TEXT_BYTES_MAX / count) {
            tl_call_fail(call, row);
            continue;
        }
        at = text_open(call, row, text.size * count);
        if (at == NULL)
            return false;
        while (count-- > 0)
            at = put(at, text);
    }
    return true;
}

static uint32_t units_of(struct tl_sv one)
{
    return one.size > 3 ? 2 : 1;
}

/* So many units of the text, over and over again until they are reached; each takes three bytes at most. */
static char *put_units(char *at, struct tl_sv text, int64_t count)
{
    struct tl_sv rest = {"", 0};

    while (count > 0) {
        struct tl_sv one;

        if (rest.size == 0)
            rest = text;
        one = tl_code_point_take(&rest);
        at = put(at, units_of(one) <= count ? one : TL_SV("?"));
        count -= units_of(one);
    }
    return at;
}

static bool pad(const struct tl_call *call, bool on_left)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row], by = call->args[2].sv[row];
        int64_t length = call->args[1].i64[row], own, more;
        char *bytes, *at;

        if (length < 0 || by.size == 0) {
            tl_call_null(call, row);
            continue;
        }
        if (length > TEXT_BYTES_MAX / 3) {
            tl_call_fail(call, row);
            continue;
        }
        own = tl_code_units(text);
        own = own < length ? own : length;
        more = length - own;
        bytes = text_open(call, row, 3 * (size_t)length);
        if (bytes == NULL)
            return false;
        at = on_left ? put_units(put_units(bytes, by, more), text, own) : put_units(put_units(bytes, text, own), by, more);
        call->out->sv[row].size = (size_t)(at - bytes);
    }
    return true;
}

static bool lpad(const struct tl_call *call)
{
    return pad(call, true);
}

static bool rpad(const struct tl_call *call)
{
    return pad(call, false);
}

/* --- replaced ------------------------------------------------------------------------------------------------------------- */

/* What is next in `rest` up to a place of `old`, and whether there is one. */
static struct tl_sv replace_next(struct tl_sv *rest, struct tl_sv old, bool *found)
{
    const char *at = old.size <= rest->size ? memmem(rest->data, rest->size, old.data, old.size) : NULL;
    struct tl_sv before = *rest;

    *found = at != NULL;
    if (at != NULL)
        before.size = (size_t)(at - rest->data);
    *rest = at == NULL ? (struct tl_sv){"", 0} : (struct tl_sv){at + old.size, rest->size - before.size - old.size};
    return before;
}

static bool replace_row(const struct tl_call *call, uint32_t row, struct tl_sv old, struct tl_sv new)
{
    const struct tl_sv text = call->args[0].sv[row];
    struct tl_sv rest = text;
    size_t size = 0;
    char *at;

    for (bool found = true; found;) {
        size += replace_next(&rest, old, &found).size + (found ? new.size : 0);
        if (size > TEXT_BYTES_MAX && size > text.size) {
            tl_call_fail(call, row);
            return true;
        }
    }
    at = text_open(call, row, size);
    if (at == NULL)
        return false;
    rest = text;
    for (bool found = true; found;) {
        at = put(at, replace_next(&rest, old, &found));
        at = found ? put(at, new) : at;
    }
    return true;
}

/* The empty text stands before every unit and at the end. */
static bool replace_nothing(const struct tl_call *call, uint32_t row, struct tl_sv new)
{
    struct tl_sv rest = call->args[0].sv[row];
    size_t places = (size_t)tl_code_units(rest) + 1;
    char *at;

    if (rest.size > TEXT_BYTES_MAX || new.size > (TEXT_BYTES_MAX - rest.size) / places) {
        tl_call_fail(call, row);
        return true;
    }
    at = text_open(call, row, rest.size + places * new.size);
    if (at == NULL)
        return false;
    while (rest.size > 0) {
        struct tl_sv one = tl_code_point_take(&rest);

        at = put(at, new);
        if (units_of(one) == 1)
            at = put(at, one);
        else
            at = put(put(put(at, TL_SV("?")), new), TL_SV("?"));
    }
    at = put(at, new);
    call->out->sv[row].size = (size_t)(at - call->out->sv[row].data);
    return true;
}

static bool replace(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv old = call->args[1].sv[row], new = call->args[2].sv[row];

        if (old.size > 0 ? !replace_row(call, row, old, new) : !replace_nothing(call, row, new))
            return false;
    }
    return true;
}

/* --- of the same size ----------------------------------------------------------------------------------------------------- */

static bool reverse(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!tl_code_points_reverse(call->args[0].sv[row], call->arena, &call->out->sv[row]))
            return false;
    return true;
}

/* Words are of ASCII letters and digits: all else parts them. */
static bool initcap(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];
        char *at = text_open(call, row, text.size);
        bool in_word = false;

        if (at == NULL)
            return false;
        for (size_t k = 0; k < text.size; k++) {
            char c = text.data[k];
            bool small = c >= 'a' && c <= 'z', capital = c >= 'A' && c <= 'Z';

            *at++ = (char)(small && !in_word ? c - 32 : capital && in_word ? c + 32 : c);
            in_word = small || capital || (c >= '0' && c <= '9');
        }
    }
    return true;
}

/* The low byte of the number as a character of Latin-1. 0 is none that a text may hold. */
static bool chr(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t number = call->args[0].i64[row];
        unsigned low = (unsigned)(number & 0xFF);
        char *at = text_open(call, row, number < 0 ? 0 : low < 0x80 ? 1 : 2);

        if (at == NULL)
            return false;
        if (number >= 0 && low == 0) {
            tl_call_fail(call, row);
        } else if (number >= 0 && low < 0x80) {
            *at = (char)low;
        } else if (number >= 0) {
            at[0] = (char)(0xC0 | low >> 6);
            at[1] = (char)(0x80 | (low & 0x3F));
        }
    }
    return true;
}

#define PAD(NAME, KERNEL)                                                                                                        \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING, length INT, by STRING) -> STRING", .args = {TL_STRING, TL_INT, TL_STRING},   \
        .args_min = 3, .args_max = 3, .result = TL_STRING, .null_in_null_out = true, .can_fail = true, .kernel = (KERNEL)        \
    }

/* clang-format off */
static const struct tl_function functions[] = {
    TL_INFIX("||", STRING, STRING, STRING, concat, true),
    TL_ROW("CONCAT", "CONCAT(STRING, ...) -> STRING", 1, TL_ARGS_MAX - 1, STRING, concat, .args = {TL_STRING}, .can_fail = true),
    {.name = "CONCAT_WS", .signature = "CONCAT_WS(separator STRING, STRING, ...) -> STRING", .args = {TL_STRING}, .args_min = 1,
     .args_max = TL_ARGS_MAX - 1, .result = TL_STRING, .can_fail = true, .kernel = concat_ws},
    TL_ROW("REPEAT", "REPEAT(STRING, INT) -> STRING", 2, 2, STRING, repeat, .args = {TL_STRING, TL_INT}, .can_fail = true),
    PAD("LPAD", lpad),
    PAD("RPAD", rpad),
    TL_ROW("REPLACE", "REPLACE(STRING, old STRING, new STRING) -> STRING", 3, 3, STRING, replace,
           .args = {TL_STRING, TL_STRING, TL_STRING}, .can_fail = true),
    TL_PREFIX("REVERSE", STRING, STRING, reverse),
    TL_PREFIX("INITCAP", STRING, STRING, initcap),
    TL_ROW("CHR", "CHR(BIGINT) -> STRING", 1, 1, STRING, chr, .args = {TL_BIGINT}, .can_fail = true),
};
/* clang-format on */

const struct tl_catalog tl_functions_build = {functions, TL_COUNT(functions), &tl_functions_digits, NULL};
