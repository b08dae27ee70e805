/* function_json.c: JSON_VALUE: the scalar at the end of a path into a JSON text.
 *
 * A path that begins with the word lax makes what is not there empty, and everything else too but a bad path; else, as with
 * strict, all that gives no scalar is an error. What the ON clauses do not say is NULL.
 * Source: Apache Flink 2, SqlJsonUtils.jsonValue and JsonValueCallGen; java.math.BigDecimal.toString. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/function_rows.h"
#include "core/json_path.h"
#include "core/pattern_cache.h"
#include "event/json_text.h"

static enum tl_code compile_path(struct tl_sv text, struct tl_arena *arena, const void **out)
{
    const struct tl_json_path *path = NULL;
    enum tl_code rc = tl_json_path_compile(text, arena, &path, NULL);

    *out = path;
    return rc;
}

static void *cache_open(void)
{
    return tl_pattern_cache_open(compile_path);
}

static void cache_close(void *cache)
{
    tl_pattern_cache_close(cache);
}

static const struct tl_memory_kind cache_kind = {cache_open, cache_close};

static enum tl_code path_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *text = &with->constants[1];
    const struct tl_json_path *path = NULL;
    enum tl_code rc = TL_OK;

    if (text->kind == TL_STRING && !text->is_null)
        rc = tl_json_path_compile(text->sv, with->arena, &path, err);
    *state = path;
    return rc;
}

/* --- scalars as Flink gives them ------------------------------------------------------------------------------------------- */

/* The digits of a number without its point and without zeros in front, but one at least. */
static struct tl_sv digits_of(struct tl_sv number, char *room)
{
    struct tl_sv digits = {room, 0};

    for (size_t i = 0; i < number.size && number.data[i] != 'e' && number.data[i] != 'E'; i++)
        if (number.data[i] >= '0' && number.data[i] <= '9')
            room[digits.size++] = number.data[i];
    while (digits.size > 1 && digits.data[0] == '0') {
        digits.data++;
        digits.size--;
    }
    return digits;
}

static char *put(char *at, const char *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

/* As BigDecimal.toString: digits and scale are kept. */
static bool decimal_print(struct tl_sv number, struct tl_arena *arena, struct tl_sv *out)
{
    char *room = tl_arena_bytes(arena, number.size), *text = tl_arena_bytes(arena, number.size + 32), *at = text;
    struct tl_sv digits;
    int64_t scale, exponent, before;

    if (room == NULL || text == NULL || !tl_json_number_scale(number, &scale))
        return false;
    digits = digits_of(number, room);
    before = (int64_t)digits.size - scale; /* how many digits stand before the point */
    exponent = before - 1;
    if (number.data[0] == '-' && digits.data[0] != '0')
        *at++ = '-';
    if (scale < 0 || exponent < -6) {
        at = put(at, digits.data, 1);
        if (digits.size > 1) {
            *at++ = '.';
            at = put(at, digits.data + 1, digits.size - 1);
        }
        at += snprintf(at, 16, "E%+lld", (long long)exponent);
    } else if (before > 0) {
        at = put(at, digits.data, (size_t)before);
        if (scale > 0)
            *at++ = '.';
        at = put(at, digits.data + before, (size_t)scale);
    } else {
        at = put(at, "0.", 2);
        at = put(at, "000000", (size_t)-before);
        at = put(at, digits.data, digits.size);
    }
    *out = (struct tl_sv){text, (size_t)(at - text)};
    return true;
}

static bool text_print(enum tl_json_kind kind, struct tl_sv value, struct tl_arena *arena, struct tl_sv *out)
{
    char *plain;

    *out = value;
    switch (kind) {
    case TL_JSON_TRUE: *out = TL_SV("true"); return true;
    case TL_JSON_FALSE: *out = TL_SV("false"); return true;
    case TL_JSON_INTEGER:
        if (tl_sv_eq(value, TL_SV("-0")))
            *out = TL_SV("0");
        return true;
    case TL_JSON_REAL: return decimal_print(value, arena, out);
    default: break;
    }
    if (value.size == 0 || memchr(value.data, '\\', value.size) == NULL)
        return true;
    plain = tl_arena_bytes(arena, value.size);
    out->data = plain;
    return plain != NULL && tl_json_unescape(value, plain, &out->size);
}

/* What is too large for a double is infinite. */
static double to_double(struct tl_sv number)
{
    double value;

    if (!tl_sv_to_f64(number, &value))
        value = number.data[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    return value;
}

/* --- JSON_VALUE ------------------------------------------------------------------------------------------------------------ */

enum outcome { VALUE, EMPTY, BAD, NO_MEMORY };

/* Writes the slot of the kind that is returned. A value of another type is an error, but an integer is a DOUBLE too. */
static enum outcome put_value(const struct tl_call *call, uint32_t row, enum tl_json_kind kind, struct tl_sv value)
{
    int64_t integer;

    switch (call->out->kind) {
    case TL_STRING: return text_print(kind, value, call->arena, &call->out->sv[row]) ? VALUE : NO_MEMORY;
    case TL_BOOLEAN:
        call->out->i64[row] = kind == TL_JSON_TRUE;
        return kind == TL_JSON_TRUE || kind == TL_JSON_FALSE ? VALUE : BAD;
    case TL_DOUBLE:
        if (kind != TL_JSON_REAL && kind != TL_JSON_INTEGER)
            return BAD;
        call->out->f64[row] = to_double(value);
        return VALUE;
    default:
        if (kind != TL_JSON_INTEGER || !tl_sv_to_i64(value, &integer) || integer < INT32_MIN || integer > INT32_MAX)
            return BAD;
        call->out->i64[row] = integer;
        return VALUE;
    }
}

static enum outcome look(const struct tl_call *call, uint32_t row)
{
    const void *path = call->state;
    struct tl_sv value = {NULL, 0};
    enum tl_json_kind kind;

    if (path == NULL && !tl_pattern_cache_get(call->memory, call->args[1].sv[row], &path))
        return NO_MEMORY;
    if (path == NULL)
        return BAD;
    kind = tl_json_path_find(path, call->args[0].sv[row], &value);
    if (kind < TL_JSON_STRING)
        return tl_json_path_is_lax(path) ? EMPTY : BAD;
    return put_value(call, row, kind, value);
}

/* NULL, ERROR or DEFAULT and its value: two arguments for EMPTY, two for ERROR. */
static void follow_clause(const struct tl_call *call, uint32_t row, enum outcome outcome)
{
    uint32_t clause = outcome == EMPTY ? 2 : 4;
    const struct tl_sv word = call->args_count > clause ? call->args[clause].sv[row] : (struct tl_sv){NULL, 0};
    const char what = word.size > 0 ? word.data[0] : 'N';
    const struct tl_vec *value = call->args_count > clause ? &call->args[clause + 1] : NULL;
    struct tl_value written;

    if (what == 'E') {
        tl_call_fail(call, row);
    } else if (what == 'D' && !value->null[row]) {
        written = tl_vec_get(value, row);
        tl_vec_set(call->out, row, &written);
    } else {
        tl_call_null(call, row);
    }
}

static bool json_value(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        enum outcome outcome;

        if (call->args[0].null[row] || call->args[1].null[row]) {
            tl_call_null(call, row);
            continue;
        }
        outcome = look(call, row);
        if (outcome == NO_MEMORY)
            return false;
        if (outcome != VALUE)
            follow_clause(call, row, outcome);
    }
    return true;
}

#define JSON_VALUE_ON(RESULT)                                                                                                    \
    {                                                                                                                            \
        .name = "JSON_VALUE ON",                                                                                                 \
        .signature = "JSON_VALUE(STRING, STRING RETURNING " #RESULT " {NULL | ERROR | DEFAULT " #RESULT                          \
                     "} ON {EMPTY | ERROR}) -> " #RESULT,                                                                        \
        .args = {TL_STRING, TL_STRING, TL_STRING, TL_##RESULT, TL_STRING, TL_##RESULT}, .args_min = 6, .args_max = 6,            \
        .result = TL_##RESULT, .can_fail = true, .kernel = json_value, .prepare = path_prepare, .memory = &cache_kind            \
    }

static const struct tl_function functions[] = {
    {.name = "JSON_VALUE",
     .signature = "JSON_VALUE(STRING, STRING) -> STRING",
     .args = {TL_STRING, TL_STRING},
     .args_min = 2,
     .args_max = 2,
     .result = TL_STRING,
     .kernel = json_value,
     .prepare = path_prepare,
     .memory = &cache_kind},
    JSON_VALUE_ON(STRING),
    JSON_VALUE_ON(BOOLEAN),
    JSON_VALUE_ON(INT),
    JSON_VALUE_ON(DOUBLE),
};

const struct tl_catalog tl_functions_json = {functions, TL_COUNT(functions), &tl_functions_part, NULL};
