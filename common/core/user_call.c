/* user_call.c: how a function of a library's is called. See user_call.h. */
#include "core/user_call.h"

#include <string.h>

#include "core/function_rows.h"
#include "event/timestamp.h"

static_assert((int)TALLY_BOOLEAN == (int)TL_BOOLEAN && (int)TALLY_INT == (int)TL_INT && (int)TALLY_BIGINT == (int)TL_BIGINT &&
                  (int)TALLY_DOUBLE == (int)TL_DOUBLE && (int)TALLY_STRING == (int)TL_STRING &&
                  (int)TALLY_TIMESTAMP_LTZ == (int)TL_TIMESTAMP_LTZ,
              "a kind is its type's number");
static_assert((int)TALLY_ARGS_MAX == (int)TL_PARAMETERS_MAX, "a signature of the one is one of the other");

/* --- memory, bytes ----------------------------------------------------------------------------------------------------- */

static void *user_alloc(struct tally_call *call, size_t bytes)
{
    struct tl_user_call *user = (struct tl_user_call *)call;
    void *memory;

    if (bytes > TALLY_ALLOC_BYTES_MAX) {
        user->too_much = true;
        return NULL;
    }
    memory = user->arena != NULL ? tl_arena_alloc(user->arena, bytes) : NULL;
    user->denied |= memory == NULL;
    return memory;
}

static void user_put(struct tally_call *call, const void *bytes, size_t size)
{
    struct tl_user_call *user = (struct tl_user_call *)call;

    if (user->out != NULL && size > 0)
        tl_buf_put(user->out, bytes, size);
}

struct tl_user_call tl_user_call_with(struct tl_arena *arena, struct tl_buf *out)
{
    return (struct tl_user_call){
        {user_alloc, user_put},
        arena, out, false, false
    };
}

/* --- results ----------------------------------------------------------------------------------------------------------- */

/* Eight bytes at a time that are ASCII and no NUL. */
static size_t ascii_size(const char *data, size_t size)
{
    size_t at = 0;

    for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        if (((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return at;
}

/* Well-formed UTF-8 without NUL, as all texts are. */
static bool is_text(struct tally_text text)
{
    size_t at, step;

    if (text.data == NULL)
        return text.size == 0;
    for (at = ascii_size(text.data, text.size); at < text.size; at += step) {
        step = text.data[at] != '\0' ? tl_utf8_size(text.data + at, text.size - at) : 0;
        if (step == 0)
            return false;
    }
    return true;
}

struct tl_user_results tl_user_results_into(struct tl_vec *out)
{
    struct tl_user_results into = {out, 0, 1};

    if (out->kind == TL_TIMESTAMP || out->kind == TL_TIMESTAMP_LTZ) {
        into.min = TL_TIME_MIN_MS;
        into.max = TL_TIME_MAX_MS;
    } else if (tl_kind_is_integer(out->kind)) {
        tl_kind_range(out->kind, &into.min, &into.max);
    }
    return into;
}

static inline bool result_take(const struct tl_user_results *into, uint32_t row, const struct tally_value *result)
{
    struct tl_vec *out = into->out;
    bool is_null = result->is_null;

    switch (tl_kind_form(out->kind)) {
    case TL_FORM_I64:
        if (!is_null && (result->i64 < into->min || result->i64 > into->max))
            return false;
        out->i64[row] = is_null ? 0 : result->i64;
        break;
    case TL_FORM_F64: out->f64[row] = is_null ? 0 : out->kind == TL_FLOAT ? (double)(float)result->f64 : result->f64; break;
    case TL_FORM_TEXT:
        if (!is_null && !is_text(result->text))
            return false;
        out->sv[row] =
            is_null || result->text.size == 0 ? (struct tl_sv){"", 0} : (struct tl_sv){result->text.data, result->text.size};
        break;
    }
    out->null[row] = is_null;
    return true;
}

bool tl_user_result_take(const struct tl_user_results *into, uint32_t row, const struct tally_value *result)
{
    return result_take(into, row, result);
}

/* --- scalar functions -------------------------------------------------------------------------------------------------- */

bool tl_user_scalar(const struct tl_call *call)
{
    const struct tally_scalar *own = call->function->own;
    struct tl_user_call user = tl_user_call_with(call->arena, NULL);
    struct tl_user_results into = tl_user_results_into(call->out);
    struct tally_value args[TALLY_ARGS_MAX] = {{0}};

    for (uint32_t a = 0; a < call->args_count; a++)
        args[a].type = (enum tally_type)call->args[a].kind;
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tally_value result = tl_user_result(call->out->kind);
        bool done;

        for (uint32_t a = 0; a < call->args_count; a++)
            tl_user_value(&call->args[a], row, &args[a]);
        done = own->call(&user.call, args, &result);
        if (user.denied)
            return false;
        if (!done || user.too_much || !result_take(&into, row, &result))
            tl_call_fail(call, row);
        user.too_much = false;
    }
    return true;
}
