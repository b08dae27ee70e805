/* function_regex.c: functions on text by regular expressions: REGEXP, REGEXP_EXTRACT, REGEXP_REPLACE and their like.
 *
 * A constant expression is compiled when the views file is bound, and a bad one is a mistake in it. One that comes with the events
 * is kept by each thread for the next rows, and a bad one is NULL (in REGEXP FALSE), as in Flink. A row that reaches a limit of
 * regex.h fails. Source: Apache Flink 2, SqlFunctionUtils.regexpExtract, regexpReplace, regExp. */
#include <stdlib.h>

#include "base/buf.h"
#include "core/code_point.h"
#include "core/function_rows.h"
#include "core/pattern_cache.h"
#include "core/regex.h"

enum { REPLACED_BYTES_MAX = 1 << 20 };

struct memory {
    struct tl_regex_scratch *scratch;
    struct tl_pattern_cache *cache;
    struct tl_buf replaced;
};

/* The interpreter does for few texts: the machine's code would take longer to make than to use. */
static enum tl_code compile_variable(struct tl_sv pattern, struct tl_arena *arena, const void **out)
{
    const struct tl_regex *regex = NULL;
    enum tl_code rc = tl_regex_compile(pattern, TL_REGEX_JAVA | TL_REGEX_INTERPRETED, arena, &regex, NULL);

    *out = regex;
    return rc;
}

static void memory_close(void *opened)
{
    struct memory *memory = opened;

    tl_pattern_cache_close(memory->cache);
    tl_regex_scratch_close(memory->scratch);
    tl_buf_done(&memory->replaced);
    free(memory);
}

static void *memory_open(void)
{
    struct memory *memory = calloc(1, sizeof *memory);

    if (memory == NULL)
        return NULL;
    tl_buf_init(&memory->replaced, 0);
    memory->scratch = tl_regex_scratch_open();
    memory->cache = tl_pattern_cache_open(compile_variable);
    if (memory->scratch == NULL || memory->cache == NULL) {
        memory_close(memory);
        return NULL;
    }
    return memory;
}

static const struct tl_memory_kind memory_kind = {memory_open, memory_close};

/* --- matches --------------------------------------------------------------------------------------------------------------- */

/* *out NULL: it is refused. False: out of memory. */
static bool regex_of(const struct tl_call *call, uint32_t row, const struct tl_regex **out)
{
    const void *compiled = call->state;

    if (compiled == NULL && !tl_pattern_cache_get(((struct memory *)call->memory)->cache, call->args[1].sv[row], &compiled))
        return false;
    *out = compiled;
    return true;
}

/* The matches of one text, one after the other. */
struct walk {
    const struct tl_regex *regex;
    struct tl_regex_scratch *scratch;
    struct tl_sv text;
    size_t from;        /* beyond the text's size: it is over */
    struct tl_sv match; /* the last one */
};

/* As Java's Matcher.find(): behind an empty match it goes on one character further. */
static enum tl_regex_found next_match(struct walk *walk)
{
    enum tl_regex_found found = TL_REGEX_NONE;

    if (walk->from <= walk->text.size)
        found = tl_regex_match(walk->regex, walk->scratch, walk->text, walk->from);
    if (found != TL_REGEX_FOUND || !tl_regex_group(walk->scratch, walk->text, 0, &walk->match))
        return found;
    walk->from = (size_t)(walk->match.data - walk->text.data) + walk->match.size;
    if (walk->match.size == 0) {
        size_t left = walk->text.size - walk->from, size = left > 0 ? tl_utf8_size(walk->text.data + walk->from, left) : 0;

        walk->from += size > 0 ? size : 1;
    }
    return found;
}

/* What a function does with one row: `walk` stands before the first match. Returns as tl_regex_match, TL_REGEX_FOUND for done. */
typedef enum tl_regex_found do_row(const struct tl_call *call, uint32_t row, struct walk *walk);

static bool each_row(const struct tl_call *call, do_row *act)
{
    struct memory *memory = call->memory;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct walk walk = {.scratch = memory->scratch, .text = call->args[0].sv[row]};
        enum tl_regex_found found = TL_REGEX_NONE;

        if (walk.text.size == 0)
            walk.text.data = "";
        if (!regex_of(call, row, &walk.regex))
            return false;
        if (walk.regex != NULL)
            found = act(call, row, &walk);
        if (found == TL_REGEX_NO_MEMORY)
            return false;
        if (found == TL_REGEX_LIMIT)
            tl_call_fail(call, row);
        else if (found == TL_REGEX_NONE)
            tl_call_null(call, row);
    }
    return true;
}

/* --- functions ------------------------------------------------------------------------------------------------------------- */

static enum tl_regex_found extract_row(const struct tl_call *call, uint32_t row, struct walk *walk)
{
    int64_t group = call->args_count == 3 ? call->args[2].i64[row] : 0;
    enum tl_regex_found found;

    if (group < 0 || group > tl_regex_groups(walk->regex))
        return TL_REGEX_NONE;
    found = next_match(walk);
    if (found == TL_REGEX_FOUND && !tl_regex_group(walk->scratch, walk->text, (uint32_t)group, &call->out->sv[row]))
        return TL_REGEX_NONE;
    return found;
}

static bool extract(const struct tl_call *call)
{
    return each_row(call, extract_row);
}

/* The replacement stands as it is: Flink quotes it, and so $1 is no group. */
static enum tl_regex_found replace_row(const struct tl_call *call, uint32_t row, struct walk *walk)
{
    struct tl_buf *out = &((struct memory *)call->memory)->replaced;
    struct tl_sv replacement = call->args[2].sv[row];
    const char *rest = walk->text.data, *end = rest + walk->text.size;
    enum tl_regex_found found;

    tl_buf_clear(out);
    while ((found = next_match(walk)) == TL_REGEX_FOUND) {
        tl_buf_put(out, rest, (size_t)(walk->match.data - rest));
        tl_buf_put_sv(out, replacement);
        rest = walk->match.data + walk->match.size;
        if (out->size > REPLACED_BYTES_MAX)
            return TL_REGEX_LIMIT;
    }
    if (found != TL_REGEX_NONE)
        return found;
    if (rest == walk->text.data && out->size == 0 &&
        !out->failed) { /* the same, but for an empty replacement of an empty match */
        call->out->sv[row] = walk->text;
        return TL_REGEX_FOUND;
    }
    tl_buf_put(out, rest, (size_t)(end - rest));
    if (out->failed || !tl_arena_copy(call->arena, tl_buf_sv(out), &call->out->sv[row]))
        return TL_REGEX_NO_MEMORY;
    return TL_REGEX_FOUND;
}

static bool replace(const struct tl_call *call)
{
    return each_row(call, replace_row);
}

static enum tl_regex_found substring_row(const struct tl_call *call, uint32_t row, struct walk *walk)
{
    enum tl_regex_found found = next_match(walk);

    if (found == TL_REGEX_FOUND)
        call->out->sv[row] = walk->match;
    return found;
}

static bool substring(const struct tl_call *call)
{
    return each_row(call, substring_row);
}

static enum tl_regex_found count_row(const struct tl_call *call, uint32_t row, struct walk *walk)
{
    enum tl_regex_found found;
    int64_t count = 0;

    while ((found = next_match(walk)) == TL_REGEX_FOUND)
        count++;
    call->out->i64[row] = count;
    return found == TL_REGEX_NONE ? TL_REGEX_FOUND : found;
}

static bool count(const struct tl_call *call)
{
    return each_row(call, count_row);
}

/* From 1, in Java's characters: one beyond U+FFFF counts twice. */
static int64_t place_of(struct tl_sv text, const char *at)
{
    return 1 + tl_code_units((struct tl_sv){text.data, (size_t)(at - text.data)});
}

static enum tl_regex_found place_row(const struct tl_call *call, uint32_t row, struct walk *walk)
{
    enum tl_regex_found found = next_match(walk);

    call->out->i64[row] = found == TL_REGEX_FOUND ? place_of(walk->text, walk->match.data) : 0;
    return found == TL_REGEX_NONE ? TL_REGEX_FOUND : found;
}

static bool place(const struct tl_call *call)
{
    return each_row(call, place_row);
}

/* The empty expression is found nowhere, and a bad one neither. */
static bool is_found(const struct tl_call *call)
{
    struct memory *memory = call->memory;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        enum tl_regex_found found = TL_REGEX_NONE;
        const struct tl_regex *regex;

        if (!regex_of(call, row, &regex))
            return false;
        if (regex != NULL && call->args[1].sv[row].size > 0)
            found = tl_regex_match(regex, memory->scratch, call->args[0].sv[row], 0);
        if (found == TL_REGEX_NO_MEMORY)
            return false;
        call->out->i64[row] = found == TL_REGEX_FOUND;
        if (found == TL_REGEX_LIMIT)
            tl_call_fail(call, row);
    }
    return true;
}

static enum tl_code compile(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *pattern = &with->constants[1];
    const struct tl_regex *regex = NULL;
    enum tl_code rc = TL_OK;

    if (pattern->kind == TL_STRING && !pattern->is_null)
        rc = tl_regex_compile(pattern->sv, TL_REGEX_JAVA, with->arena, &regex, err);
    *state = regex;
    return rc;
}

#define ROW(NAME, SIGNATURE, ARGS_COUNT, THIRD, RESULT, KERNEL)                                                                  \
    {                                                                                                                            \
        .name = (NAME), .signature = SIGNATURE " -> " #RESULT, .args = {TL_STRING, TL_STRING, (THIRD)},                          \
        .args_min = (ARGS_COUNT), .args_max = (ARGS_COUNT), .result = TL_##RESULT, .null_in_null_out = true, .can_fail = true,   \
        .kernel = (KERNEL), .prepare = compile, .memory = &memory_kind                                                           \
    }

static const struct tl_function functions[] = {
    ROW("REGEXP", "REGEXP(STRING, STRING)", 2, 0, BOOLEAN, is_found),
    ROW("REGEXP_EXTRACT", "REGEXP_EXTRACT(STRING, STRING)", 2, 0, STRING, extract),
    ROW("REGEXP_EXTRACT", "REGEXP_EXTRACT(STRING, STRING, BIGINT)", 3, TL_BIGINT, STRING, extract),
    ROW("REGEXP_REPLACE", "REGEXP_REPLACE(STRING, STRING, STRING)", 3, TL_STRING, STRING, replace),
    ROW("REGEXP_SUBSTR", "REGEXP_SUBSTR(STRING, STRING)", 2, 0, STRING, substring),
    ROW("REGEXP_COUNT", "REGEXP_COUNT(STRING, STRING)", 2, 0, INT, count),
    ROW("REGEXP_INSTR", "REGEXP_INSTR(STRING, STRING)", 2, 0, INT, place),
};

const struct tl_catalog tl_functions_regex = {functions, TL_COUNT(functions), &tl_functions_round, NULL};
