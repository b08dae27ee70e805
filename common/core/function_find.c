/* function_find.c: what is said about a text: where another stands in it, how long it is, how it begins.
 *
 * Places are counted from 1, in code points. The empty text stands at 1 in every text, wherever the search begins.
 * Source: Apache Flink 2, BinaryStringData.indexOf and SqlFunctionUtils. */
#include <string.h>

#include "core/code_point.h"
#include "core/function_rows.h"

/* The place of `seek` in the text from place `from` on, 0: nowhere. */
static int64_t place_of(struct tl_sv text, struct tl_sv seek, int64_t from)
{
    size_t begin;
    const char *found;

    if (seek.size == 0)
        return 1;
    if (seek.size > text.size)
        return 0;
    begin = tl_code_point_at(text, from - 1);
    found = memmem(text.data + begin, text.size - begin, seek.data, seek.size);
    return found == NULL ? 0 : 1 + tl_code_points((struct tl_sv){text.data, (size_t)(found - text.data)});
}

/* POSITION(seek IN text), LOCATE(seek, text[, from]). */
static bool locate(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t from = call->args_count == 3 ? call->args[2].i64[row] : 1;

        call->out->i64[row] = place_of(call->args[1].sv[row], call->args[0].sv[row], from);
    }
    return true;
}

/* For each beginning of `seek`, its bytes and one more: how long the longest end of it is that `seek` begins with too. */
static uint32_t *borders_of(struct tl_sv seek, struct tl_arena *arena)
{
    uint32_t *borders = tl_arena_alloc(arena, seek.size * sizeof *borders), length = 0;

    if (borders == NULL)
        return NULL;
    borders[0] = 0;
    for (size_t i = 1; i < seek.size; i++) {
        while (length > 0 && seek.data[length] != seek.data[i])
            length = borders[length - 1];
        length += seek.data[length] == seek.data[i];
        borders[i] = length;
    }
    return borders;
}

/* The place where `seek` appears for the nth time; appearances may overlap. One pass (Knuth, Morris and Pratt): to search anew
 * behind each would cost the square of the text. False: out of memory. */
static bool place_of_nth(struct tl_sv text, struct tl_sv seek, int64_t from, int64_t nth, struct tl_arena *arena, int64_t *place)
{
    const uint32_t *borders;
    size_t length = 0; /* how much of `seek` stands before `i` */

    if (nth == 1 || seek.size == 0 || seek.size > text.size) {
        *place = place_of(text, seek, from);
        return true;
    }
    *place = 0;
    borders = borders_of(seek, arena);
    for (size_t i = tl_code_point_at(text, from - 1); borders != NULL && i < text.size; i++) {
        while (length > 0 && (length == seek.size || seek.data[length] != text.data[i]))
            length = borders[length - 1];
        length += seek.data[length] == text.data[i];
        if (length == seek.size && --nth == 0) {
            *place = 1 + tl_code_points((struct tl_sv){text.data, i + 1 - seek.size});
            break;
        }
    }
    return borders != NULL;
}

static bool instr_row(const struct tl_call *call, uint32_t row)
{
    struct tl_sv text = call->args[0].sv[row], seek = call->args[1].sv[row];
    int64_t from = call->args_count >= 3 ? call->args[2].i64[row] : 1, nth = call->args_count == 4 ? call->args[3].i64[row] : 1;
    int64_t place = 0;

    if (nth <= 0) {
        tl_call_fail(call, row);
        return true;
    }
    /* From the end: the same in both texts turned round. */
    if (from < 0 && (!tl_code_points_reverse(text, call->arena, &text) || !tl_code_points_reverse(seek, call->arena, &seek)))
        return false;
    if (from != 0 && !place_of_nth(text, seek, from < 0 ? -from : from, nth, call->arena, &place))
        return false;
    if (from < 0 && place > 0)
        place = tl_code_points(text) + 2 - place - tl_code_points(seek);
    call->out->i64[row] = place;
    return true;
}

static bool instr(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!instr_row(call, row))
            return false;
    return true;
}

static bool char_length(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_code_points(call->args[0].sv[row]);
    return true;
}

static bool starts_with(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_sv_starts(call->args[0].sv[row], call->args[1].sv[row]);
    return true;
}

static bool ends_with(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_sv_ends(call->args[0].sv[row], call->args[1].sv[row]);
    return true;
}

/* The first byte as Java has it: from 128 on it is negative. */
static bool ascii(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];

        call->out->i64[row] = text.size > 0 ? (signed char)text.data[0] : 0;
    }
    return true;
}

#define TWO_TEXTS(NAME, SIGNATURE, RESULT, KERNEL)                                                                               \
    {                                                                                                                            \
        .name = (NAME), .signature = (SIGNATURE), .args = {TL_STRING, TL_STRING}, .args_min = 2, .args_max = 2,                  \
        .result = TL_##RESULT, .null_in_null_out = true, .kernel = (KERNEL)                                                      \
    }

/* clang-format off */
static const struct tl_function functions[] = {
    TWO_TEXTS("POSITION IN", "POSITION(STRING IN STRING) -> INT", INT, locate),
    TL_ROW("LOCATE", "LOCATE(seek STRING, STRING[, from INT]) -> INT", 2, 3, INT, locate, .args = {TL_STRING, TL_STRING, TL_INT}),
    TL_ROW("INSTR", "INSTR(STRING, seek STRING[, from INT[, nth INT]]) -> INT", 2, 4, INT, instr,
           .args = {TL_STRING, TL_STRING, TL_INT, TL_INT}, .can_fail = true),
    TL_PREFIX("CHAR_LENGTH", STRING, INT, char_length),
    TL_PREFIX("CHARACTER_LENGTH", STRING, INT, char_length),
    TWO_TEXTS("STARTSWITH", "STARTSWITH(STRING, STRING) -> BOOLEAN", BOOLEAN, starts_with),
    TWO_TEXTS("ENDSWITH", "ENDSWITH(STRING, STRING) -> BOOLEAN", BOOLEAN, ends_with),
    TL_PREFIX("ASCII", STRING, INT, ascii),
};
/* clang-format on */

const struct tl_catalog tl_functions_find = {functions, TL_COUNT(functions), &tl_functions_greatest, NULL};
