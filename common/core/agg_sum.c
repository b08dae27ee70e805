/* agg_sum.c: accumulators of COUNT, SUM and AVG.
 *
 * Integers are summed modulo 2^64, which narrows to what wrapping in the argument's own width gives; FLOAT and DOUBLE exactly.
 *
 * Byte form (varint, zigzag and block are those of buf.h; "counted": an AVG is among the calls that share the state):
 *
 *     COUNT          varint count
 *     sum, integers  u8 any; any: zigzag sum, wrapped to the argument's width
 *       counted      varint count; count > 0: zigzag sum, wrapped to 64 bits
 *     sum, real      exact sum (exact_sum.c)
 *       counted      varint count, exact sum */
#include <string.h>

#include "core/agg_state.h"
#include "core/exact_sum.h"
#include "core/function_number.h"

struct count {
    uint64_t count;
};
struct int_sum {
    uint64_t sum, count; /* where it is not counted, count says only whether there is any */
};
struct real_sum {
    struct tl_exact_sum sum;
    uint64_t count;
};

/* --- COUNT ------------------------------------------------------------------------------------------------------------- */

static bool count_star_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;

    (void)in;
    for (uint32_t i = 0; i < to->count; i++)
        ((struct count *)(void *)((char *)to->blocks[i] + offset))->count++;
    return true;
}

static bool count_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;
    const uint8_t *null = tl_agg_input(state, in, 0)->null;

    for (uint32_t i = 0; i < to->count; i++)
        ((struct count *)(void *)((char *)to->blocks[i] + offset))->count += !null[to->rows[i]];
    return true;
}

static bool count_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct count *a = tl_agg_at(state, into);
    const struct count *b = tl_agg_in(state, from);

    (void)arena;
    a->count += b->count;
    return true;
}

static bool count_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                         uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct count *count = tl_agg_in(state, blocks[i]);

        out->null[i] = 0;
        out->i64[i] = (int64_t)count->count;
    }
    return true;
}

static void count_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct count *count = tl_agg_in(state, block);

    tl_buf_put_varint(out, count->count);
}

static enum tl_code count_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct count *count = tl_agg_at(state, block);

    (void)arena;
    count->count = tl_reader_varint(bytes);
    return bytes->failed || count->count > INT64_MAX ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_count_star = {sizeof(struct count), count_star_step, count_merge,
                                               count_finish,         count_save,      count_load};
const struct tl_agg_shape tl_agg_count = {sizeof(struct count), count_step, count_merge, count_finish, count_save, count_load};

/* --- SUM and AVG of integers ------------------------------------------------------------------------------------------- */

static bool int_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const int64_t *values = tl_agg_input(state, in, 0)->i64;

    for (uint32_t i = 0; i < to->count; i++) {
        struct int_sum *sum = (struct int_sum *)(void *)((char *)to->blocks[i] + offset);
        uint32_t row = to->rows[i];

        if (null[row])
            continue;
        sum->sum += (uint64_t)values[row];
        sum->count++;
    }
    return true;
}

static bool int_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct int_sum *a = tl_agg_at(state, into);
    const struct int_sum *b = tl_agg_in(state, from);

    (void)arena;
    a->sum += b->sum;
    a->count += b->count;
    return true;
}

static bool int_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                       uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct int_sum *sum = tl_agg_in(state, blocks[i]);
        int64_t value = (int64_t)sum->sum;

        if (call->agg == TL_AGG_AVG && sum->count > 0)
            value = sum->count <= INT64_MAX ? value / (int64_t)sum->count : 0; /* so many rows only in a forged byte form */
        out->null[i] = sum->count == 0;
        out->i64[i] = sum->count == 0 ? 0 : tl_i64_wrap(call->kind, value);
    }
    return true;
}

static void int_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct int_sum *sum = tl_agg_in(state, block);

    if (state->counted)
        tl_buf_put_varint(out, sum->count);
    else
        tl_buf_put_u8(out, sum->count > 0);
    if (sum->count > 0)
        tl_buf_put_zigzag(out, tl_i64_wrap(state->counted ? TL_BIGINT : state->call->args[0]->kind, (int64_t)sum->sum));
}

static enum tl_code int_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct int_sum *sum = tl_agg_at(state, block);
    int64_t value;

    (void)arena;
    sum->count = state->counted ? tl_reader_varint(bytes) : tl_reader_u8(bytes);
    if (bytes->failed || sum->count > (state->counted ? (uint64_t)INT64_MAX : 1))
        return TL_ERR_CORRUPT;
    if (sum->count == 0)
        return TL_OK;
    if (!tl_agg_load_i64(bytes, state->counted ? TL_BIGINT : state->call->args[0]->kind, &value))
        return TL_ERR_CORRUPT;
    sum->sum = (uint64_t)value;
    return TL_OK;
}

/* --- SUM and AVG of FLOAT and DOUBLE ----------------------------------------------------------------------------------- */

static bool real_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const double *values = tl_agg_input(state, in, 0)->f64;
    const struct tl_agg_selection of = *to; /* a call below could change what `to` points at, for all the compiler knows */

    for (uint32_t i = 0; i < of.count; i++) {
        struct real_sum *sum = (struct real_sum *)(void *)((char *)of.blocks[i] + offset);
        uint32_t row = of.rows[i];

        if (null[row])
            continue;
        if (!tl_exact_sum_add(&sum->sum, values[row], of.arenas[i]))
            return false;
        sum->count++;
    }
    return true;
}

static bool real_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct real_sum *a = tl_agg_at(state, into);
    const struct real_sum *b = tl_agg_in(state, from);

    if (!tl_exact_sum_merge(&a->sum, &b->sum, arena))
        return false;
    a->count += b->count;
    return true;
}

static bool real_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct real_sum *sum = tl_agg_in(state, blocks[i]);
        uint64_t divisor = call->agg == TL_AGG_AVG ? sum->count : 1;

        out->null[i] = sum->count == 0;
        out->f64[i] = sum->count == 0          ? 0
                      : call->kind == TL_FLOAT ? tl_exact_sum_to_float(&sum->sum, divisor)
                                               : tl_exact_sum_to_double(&sum->sum, divisor);
    }
    return true;
}

static void real_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct real_sum *sum = tl_agg_in(state, block);

    if (state->counted)
        tl_buf_put_varint(out, sum->count);
    tl_exact_sum_save(&sum->sum, out);
}

static enum tl_code real_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct real_sum *sum = tl_agg_at(state, block);
    enum tl_code rc;

    if (state->counted) {
        sum->count = tl_reader_varint(bytes);
        if (bytes->failed || sum->count > INT64_MAX)
            return TL_ERR_CORRUPT;
    }
    rc = tl_exact_sum_load(&sum->sum, bytes, arena, NULL);
    if (rc != TL_OK)
        return rc;
    if (!state->counted)
        sum->count = !tl_exact_sum_is_empty(&sum->sum);
    return tl_exact_sum_is_empty(&sum->sum) == (sum->count == 0) ? TL_OK : TL_ERR_CORRUPT;
}

const struct tl_agg_shape tl_agg_sum[2] = {
    [TL_FORM_I64] = {sizeof(struct int_sum),  int_step,  int_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct real_sum), real_step, real_merge, real_finish, real_save, real_load},
};
