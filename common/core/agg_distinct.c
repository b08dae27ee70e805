/* agg_distinct.c: accumulators of COUNT, SUM, AVG, VAR_* and STDDEV_* of DISTINCT values: the set of them.
 *
 * What is the same value as group keys are told apart: -0.0 is 0.0, and there is one NaN. MIN and MAX need no set.
 *
 * Byte form: varint count, then the values in the set's order (agg_set.h): zigzag value | u64 bits | block text */
#include <string.h>

#include "core/agg_moments.h"
#include "core/agg_set.h"
#include "core/agg_state.h"
#include "core/function_number.h"

static uint64_t real_key(double value)
{
    return value == 0 ? 0 : tl_f64_bits(value);
}

static double real_of(uint64_t key)
{
    double value;

    memcpy(&value, &key, sizeof value);
    return value;
}

/* --- step, merge ------------------------------------------------------------------------------------------------------- */

static bool int_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const int64_t *values = tl_agg_input(state, in, 0)->i64;

    for (uint32_t i = 0; i < to->count; i++)
        if (!null[to->rows[i]] && !tl_set_put(tl_agg_at(state, to->blocks[i]), (uint64_t)values[to->rows[i]], to->arenas[i]))
            return false;
    return true;
}

static bool real_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const double *values = tl_agg_input(state, in, 0)->f64;

    for (uint32_t i = 0; i < to->count; i++)
        if (!null[to->rows[i]] && !tl_set_put(tl_agg_at(state, to->blocks[i]), real_key(values[to->rows[i]]), to->arenas[i]))
            return false;
    return true;
}

static bool text_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const struct tl_sv *values = tl_agg_input(state, in, 0)->sv;

    for (uint32_t i = 0; i < to->count; i++)
        if (!null[to->rows[i]] && !tl_set_put_text(tl_agg_at(state, to->blocks[i]), values[to->rows[i]], to->arenas[i]))
            return false;
    return true;
}

static bool number_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct tl_set_member member;
    uint64_t at = 0;

    while (tl_set_next(tl_agg_in(state, from), &at, &member))
        if (!tl_set_put(tl_agg_at(state, into), member.value, arena))
            return false;
    return true;
}

static bool text_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct tl_set_member member;
    uint64_t at = 0;

    while (tl_set_next(tl_agg_in(state, from), &at, &member))
        if (!tl_set_put_text(tl_agg_at(state, into), member.text, arena))
            return false;
    return true;
}

/* --- finish ------------------------------------------------------------------------------------------------------------ */

static void int_result(const struct tl_set *set, const struct tl_agg_call *call, uint32_t i, struct tl_vec *out)
{
    struct tl_moments_int moments = {.count = 0};
    uint64_t at = 0, count = tl_set_count(set);
    struct tl_set_member member;
    int64_t sum;

    while (tl_set_next(set, &at, &member))
        tl_moments_int_add(&moments, (int64_t)member.value);
    sum = (int64_t)moments.sum[0];
    out->i64[i] = 0;
    out->null[i] = count == 0;
    if (call->agg == TL_AGG_SUM || call->agg == TL_AGG_AVG)
        out->i64[i] = tl_i64_wrap(call->kind, call->agg == TL_AGG_AVG && count > 0 ? sum / (int64_t)count : sum);
    else
        out->null[i] = !tl_moments_int_result(&moments, call->agg, call->kind, &out->i64[i]);
}

static bool real_result(const struct tl_set *set, const struct tl_agg_call *call, uint32_t i, struct tl_arena *arena,
                        struct tl_vec *out)
{
    struct tl_moments_real moments = {.count = 0};
    bool sum_only = call->agg == TL_AGG_SUM || call->agg == TL_AGG_AVG;
    uint64_t at = 0, divisor = call->agg == TL_AGG_AVG ? tl_set_count(set) : 1;
    struct tl_set_member member;

    while (tl_set_next(set, &at, &member))
        if (!(sum_only ? tl_exact_sum_add(&moments.sum, real_of(member.value), arena)
                       : tl_moments_real_add(&moments, real_of(member.value), arena)))
            return false;
    out->f64[i] = 0;
    out->null[i] = tl_set_count(set) == 0;
    if (!sum_only)
        out->null[i] = !tl_moments_real_result(&moments, call->agg, call->kind, &out->f64[i]);
    else if (!out->null[i])
        out->f64[i] =
            call->kind == TL_FLOAT ? tl_exact_sum_to_float(&moments.sum, divisor) : tl_exact_sum_to_double(&moments.sum, divisor);
    return true;
}

static bool finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                   uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct tl_set *set = tl_agg_in(state, blocks[i]);

        if (call->agg == TL_AGG_COUNT) {
            out->null[i] = 0;
            out->i64[i] = (int64_t)tl_set_count(set);
        } else if (tl_kind_form(call->args[0]->kind) == TL_FORM_I64) {
            int_result(set, call, i, out);
        } else if (!real_result(set, call, i, arena, out)) {
            return false;
        }
    }
    return true;
}

/* --- byte form --------------------------------------------------------------------------------------------------------- */

static void save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_set *set = tl_agg_in(state, block);
    enum tl_form form = tl_kind_form(state->call->args[0]->kind);
    struct tl_set_member member;
    uint64_t at = 0;

    tl_buf_put_varint(out, tl_set_count(set));
    while (tl_set_next(set, &at, &member)) {
        switch (form) {
        case TL_FORM_I64: tl_buf_put_zigzag(out, (int64_t)member.value); break;
        case TL_FORM_F64: tl_buf_put_u64(out, member.value); break;
        case TL_FORM_TEXT: tl_buf_put_block(out, member.text); break;
        }
    }
}

static enum tl_code load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_set *set = tl_agg_at(state, block);
    enum tl_kind kind = state->call->args[0]->kind;
    enum tl_form form = tl_kind_form(kind);
    struct tl_set_member last = {.value = 0}, member = {.value = 0};
    uint64_t count = tl_reader_varint(bytes);

    for (uint64_t i = 0; i < count && !bytes->failed; i++) {
        int64_t integer;
        double real;

        switch (form) {
        case TL_FORM_I64:
            if (!tl_agg_load_i64(bytes, kind, &integer))
                return TL_ERR_CORRUPT;
            member.value = (uint64_t)integer;
            break;
        case TL_FORM_F64:
            if (!tl_agg_load_f64(bytes, kind, &real) || (real == 0 && tl_f64_bits(real) != 0))
                return TL_ERR_CORRUPT;
            member.value = real_key(real);
            break;
        case TL_FORM_TEXT: member.text = tl_reader_block(bytes); break;
        }
        if (bytes->failed || (i > 0 && tl_set_order(&last, &member, form == TL_FORM_TEXT) >= 0))
            return TL_ERR_CORRUPT;
        if (!(form == TL_FORM_TEXT ? tl_set_put_text(set, member.text, arena) : tl_set_put(set, member.value, arena)))
            return TL_ERR_MEMORY;
        last = member;
    }
    return bytes->failed ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_distinct[3] = {
    [TL_FORM_I64] = {sizeof(struct tl_set), int_step,  number_merge, finish, save, load},
    [TL_FORM_F64] = {sizeof(struct tl_set), real_step, number_merge, finish, save, load},
    [TL_FORM_TEXT] = {sizeof(struct tl_set), text_step, text_merge,   finish, save, load},
};
