/* function_part.c: parts of a text: SUBSTRING, LEFT, RIGHT, TRIM, SPLIT_INDEX. All are views into it.
 *
 * Source: Apache Flink 2, BinaryStringDataUtil and SqlFunctionUtils. */
#include <string.h>

#include "core/code_point.h"
#include "core/function_rows.h"

/* TRIM looks each character up among those to trim: a hostile list must not cost more than a long text times this. */
enum { TRIM_BYTES_MAX = 1024 };

static const struct tl_sv nothing = {"", 0};

/* --- by place ------------------------------------------------------------------------------------------------------------- */

static struct tl_sv part(struct tl_sv text, int64_t from, int64_t count)
{
    size_t begin;

    if (from < 0) {
        from += tl_code_points(text);
        if (from < 0)
            return nothing;
    } else if (from > 0) {
        from--;
    }
    begin = tl_code_point_at(text, from);
    if (begin == text.size)
        return nothing;
    text = (struct tl_sv){text.data + begin, text.size - begin};
    text.size = tl_code_point_at(text, count);
    return text;
}

static bool substring(const struct tl_call *call)
{
    const bool has_count = call->args_count == 3;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t count = has_count ? call->args[2].i64[row] : INT64_MAX;

        if (count < 0)
            tl_call_null(call, row);
        else
            call->out->sv[row] = part(call->args[0].sv[row], call->args[1].i64[row], count);
    }
    return true;
}

static bool left(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->sv[row] = part(call->args[0].sv[row], 1, call->args[1].i64[row]);
    return true;
}

static bool right(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];
        int64_t count = call->args[1].i64[row], points = tl_code_points(text);

        call->out->sv[row] = count <= 0 ? nothing : part(text, count < points ? -count : 0, INT64_MAX);
    }
    return true;
}

/* --- TRIM ----------------------------------------------------------------------------------------------------------------- */

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 };

static bool is_among(struct tl_sv one, struct tl_sv list)
{
    while (list.size > 0)
        if (tl_sv_eq(tl_code_point_take(&list), one))
            return true;
    return false;
}

static struct tl_sv trim_left(struct tl_sv text, struct tl_sv list)
{
    for (struct tl_sv rest = text; rest.size > 0; text = rest)
        if (!is_among(tl_code_point_take(&rest), list))
            break;
    return text;
}

static struct tl_sv trim_right(struct tl_sv text, struct tl_sv list)
{
    while (text.size > 0) {
        size_t begin = text.size - 1;

        while (begin > 0 && tl_code_point_goes_on(text.data[begin]))
            begin--;
        if (!is_among((struct tl_sv){text.data + begin, text.size - begin}, list))
            break;
        text.size = begin;
    }
    return text;
}

/* The characters to trim are the column `list`, or blanks where it is NULL: no other white space. */
static bool trim(const struct tl_call *call, const struct tl_sv *texts, const struct tl_sv *list, unsigned sides)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = texts[row], chars = list != NULL ? list[row] : TL_SV(" ");

        if (chars.size > TRIM_BYTES_MAX) {
            tl_call_fail(call, row);
            continue;
        }
        if (sides & TRIM_LEFT)
            text = trim_left(text, chars);
        if (sides & TRIM_RIGHT)
            text = trim_right(text, chars);
        call->out->sv[row] = text;
    }
    return true;
}

static bool ltrim(const struct tl_call *call)
{
    return trim(call, call->args[0].sv, call->args_count == 2 ? call->args[1].sv : NULL, TRIM_LEFT);
}

static bool rtrim(const struct tl_call *call)
{
    return trim(call, call->args[0].sv, call->args_count == 2 ? call->args[1].sv : NULL, TRIM_RIGHT);
}

static bool btrim(const struct tl_call *call)
{
    return trim(call, call->args[0].sv, call->args_count == 2 ? call->args[1].sv : NULL, TRIM_BOTH);
}

/* TRIM(chars FROM text). */
static bool trim_from(const struct tl_call *call)
{
    return trim(call, call->args[1].sv, call->args[0].sv, TRIM_BOTH);
}

/* TRIM(BOTH chars FROM text): the state is the side's. */
static bool trim_side(const struct tl_call *call)
{
    return trim(call, call->args[2].sv, call->args[1].sv, *(const unsigned *)call->state);
}

static enum tl_code side_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    static const struct {
        const char *word;
        unsigned sides;
    } words[] = {
        {"BOTH",     TRIM_BOTH },
        {"LEADING",  TRIM_LEFT },
        {"TRAILING", TRIM_RIGHT},
    };

    for (size_t i = 0; i < TL_COUNT(words); i++)
        if (tl_sv_eq(with->constants[0].sv, tl_sv_from(words[i].word))) {
            *state = &words[i].sides;
            return TL_OK;
        }
    return tl_fail(err, TL_ERR_DEFINITION, "TRIM takes BOTH, LEADING or TRAILING");
}

/* --- SPLIT_INDEX ---------------------------------------------------------------------------------------------------------- */

/* Java's Character.isWhitespace: no blank that must not break a line. */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x1680 || (c >= 0x2000 && c <= 0x200A && c != 0x2007) ||
           c == 0x2028 || c == 0x2029 || c == 0x205F || c == 0x3000;
}

/* The text up to the next separator; *rest is what stands behind it, *more false where there was none. Without a separator each
 * white space is one. */
static struct tl_sv split(struct tl_sv *rest, struct tl_sv by, bool *more)
{
    const struct tl_sv text = *rest;
    const char *found = by.size > 0 && by.size <= text.size ? memmem(text.data, text.size, by.data, by.size) : NULL;

    if (found != NULL) {
        *rest = (struct tl_sv){found + by.size, text.size - by.size - (size_t)(found - text.data)};
        return (struct tl_sv){text.data, (size_t)(found - text.data)};
    }
    while (by.size == 0 && rest->size > 0) {
        struct tl_sv one = tl_code_point_take(rest);

        if (is_space(tl_code_point_value(one)))
            return (struct tl_sv){text.data, (size_t)(one.data - text.data)};
    }
    *more = false;
    return text;
}

/* False: there is no such part. The empty text has none. */
static bool split_take(struct tl_sv text, struct tl_sv by, int64_t index, struct tl_sv *out)
{
    bool more = text.size > 0 && index >= 0;

    while (more) {
        *out = split(&text, by, &more);
        if (index-- == 0)
            return true;
    }
    return false;
}

static bool split_index(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!split_take(call->args[0].sv[row], call->args[1].sv[row], call->args[2].i64[row], &call->out->sv[row]))
            tl_call_null(call, row);
    return true;
}

/* The separator is a character's number, 1 to 255. */
static bool split_index_code(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t code = call->args[1].i64[row];
        const char bytes[2] = {(char)(code < 0x80 ? code : 0xC0 | code >> 6), (char)(0x80 | (code & 0x3F))};
        struct tl_sv by = {bytes, code < 0x80 ? 1 : 2};

        if (code < 1 || code > 255 || !split_take(call->args[0].sv[row], by, call->args[2].i64[row], &call->out->sv[row]))
            tl_call_null(call, row);
    }
    return true;
}

/* SUBSTRING(text, from, count) and its other spellings. */
#define SUBSTRING(NAME, SIGNATURE)                                                                                               \
    {                                                                                                                            \
        .name = (NAME), .signature = (SIGNATURE), .args = {TL_STRING, TL_INT, TL_INT}, .args_min = 2, .args_max = 3,             \
        .result = TL_STRING, .null_in_null_out = true, .kernel = substring                                                       \
    }
#define SIDE(NAME, KERNEL)                                                                                                       \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING, INT) -> STRING", .args = {TL_STRING, TL_INT}, .args_min = 2, .args_max = 2,  \
        .result = TL_STRING, .null_in_null_out = true, .kernel = (KERNEL)                                                        \
    }
#define TRIM(NAME, KERNEL)                                                                                                       \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING[, characters STRING]) -> STRING", .args = {TL_STRING, TL_STRING},             \
        .args_min = 1, .args_max = 2, .result = TL_STRING, .null_in_null_out = true, .can_fail = true, .kernel = (KERNEL)        \
    }

static const struct tl_function functions[] = {
    SUBSTRING("SUBSTRING", "SUBSTRING(STRING, from INT[, count INT]) -> STRING"),
    SUBSTRING("SUBSTRING FROM", "SUBSTRING(STRING FROM INT [FOR INT]) -> STRING"),
    SUBSTRING("SUBSTR", "SUBSTR(STRING, from INT[, count INT]) -> STRING"),
    SIDE("LEFT", left),
    SIDE("RIGHT", right),
    TL_PREFIX("TRIM", STRING, STRING, btrim),
    TL_ROW("TRIM FROM", "TRIM(STRING FROM STRING) -> STRING", 2, 2, STRING, trim_from, .args = {TL_STRING, TL_STRING},
           .can_fail = true),
    TL_ROW("TRIM FROM", "TRIM({BOTH | LEADING | TRAILING} [STRING] FROM STRING) -> STRING", 3, 3, STRING, trim_side,
           .args = {TL_STRING, TL_STRING, TL_STRING}, .can_fail = true, .unit_arg = 1, .prepare = side_prepare),
    TRIM("LTRIM", ltrim),
    TRIM("RTRIM", rtrim),
    TRIM("BTRIM", btrim),
    TL_ROW("SPLIT_INDEX", "SPLIT_INDEX(STRING, separator STRING, index INT) -> STRING", 3, 3, STRING, split_index,
           .args = {TL_STRING, TL_STRING, TL_INT}),
    TL_ROW("SPLIT_INDEX", "SPLIT_INDEX(STRING, character INT, index INT) -> STRING", 3, 3, STRING, split_index_code,
           .args = {TL_STRING, TL_INT, TL_INT}),
};

const struct tl_catalog tl_functions_part = {functions, TL_COUNT(functions), &tl_functions_pattern, NULL};
