/* function_text.c: functions on text: LIKE, LOWER, UPPER, IS_FILE_REQUEST. */
#include <string.h>

#include "core/case_map.h"
#include "core/file_request.h"
#include "core/function_rows.h"
#include "core/like.h"

/* A pattern that comes with the events is compiled for each row; a hostile one must not cost more than a long text times this. */
enum { VARIABLE_PATTERN_MAX = 1024 };

static bool lower(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_case_lower(call->args[0].sv[row], call->arena, &call->out->sv[row]))
            return false;
    }
    return true;
}

static bool upper(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_case_upper(call->args[0].sv[row], call->arena, &call->out->sv[row]))
            return false;
    }
    return true;
}

/* Without a state the pattern or the escape is a column. */
static bool like_variable(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv pattern = call->args[1].sv[row];
        struct tl_sv escape = call->args_count == 3 ? call->args[2].sv[row] : (struct tl_sv){NULL, 0};
        const struct tl_like *like;
        enum tl_code rc;

        if (call->args_count == 3 && escape.data == NULL)
            escape.data = ""; /* the empty text is no escape character */
        rc = pattern.size > VARIABLE_PATTERN_MAX ? TL_ERR_LIMIT : tl_like_compile(pattern, escape, call->arena, &like, NULL);
        if (rc == TL_ERR_MEMORY)
            return false;
        if (rc != TL_OK) {
            tl_call_fail(call, row);
            continue;
        }
        call->out->i64[row] = tl_like_match(like, call->args[0].sv[row]);
    }
    return true;
}

static bool like(const struct tl_call *call)
{
    if (call->state == NULL)
        return like_variable(call);
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        call->out->i64[row] = tl_like_match(call->state, call->args[0].sv[row]);
    }
    return true;
}

static bool is_constant(const struct tl_value *value)
{
    return value->kind == TL_STRING && !value->is_null;
}

static enum tl_code like_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *constants = with->constants;
    const uint32_t args_count = with->args_count;
    struct tl_arena *arena = with->arena;
    struct tl_sv escape = {NULL, 0};
    const struct tl_like *compiled;
    enum tl_code rc;

    *state = NULL;
    if (args_count == 3 && is_constant(&constants[2])) {
        escape = constants[2].sv;
        if (escape.data == NULL)
            escape.data = "";
        /* Compiled against nothing, so that a bad escape is a mistake of the views file though the pattern is a column. */
        TL_TRY(tl_like_compile(TL_SV(""), escape, arena, &compiled, err));
    }
    rc = TL_OK;
    if (!is_constant(&constants[1]) || (args_count == 3 && !is_constant(&constants[2])))
        goto out;
    TL_TRY(tl_like_compile(constants[1].sv, escape, arena, &compiled, err));
    *state = compiled;
out:
    return rc;
}

static bool file_request(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        call->out->i64[row] = tl_file_request_is(call->args[0].sv[row]);
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("LIKE", "STRING LIKE STRING [ESCAPE STRING] -> BOOLEAN", 2, 3, BOOLEAN, like,
           .args = {TL_STRING, TL_STRING, TL_STRING}, .can_fail = true, .prepare = like_prepare),
    TL_PREFIX("LOWER", STRING, STRING, lower),
    TL_PREFIX("UPPER", STRING, STRING, upper),
    TL_ROW("IS_FILE_REQUEST", "IS_FILE_REQUEST(STRING) -> BOOLEAN", 1, 1, BOOLEAN, file_request, .args = {TL_STRING},
           .ours = true),
};

const struct tl_catalog tl_functions_text = {functions, TL_COUNT(functions), &tl_functions_time, NULL};
