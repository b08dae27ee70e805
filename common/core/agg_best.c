/* agg_best.c: accumulators of MIN and MAX.
 *
 * FLOAT and DOUBLE order by value, -0.0 before 0.0 and NaN behind +Inf (java.lang.Double.compare): Flink compares with < and >, by which
 * the result depends on where a NaN comes; here it may not.
 *
 * Byte form: u8 any; any: zigzag value | u64 bits (one NaN only) | block text */
#include <string.h>

#include "core/agg_state.h"
#include "core/function_number.h"

struct int_best {
    int64_t value;
    uint64_t any;
};
struct real_best {
    double value;
    uint64_t any;
};

static inline bool int_better(bool want_max, int64_t a, int64_t b)
{
    return want_max ? a > b : a < b;
}

static inline bool real_better(bool want_max, double a, double b)
{
    int order = tl_f64_order(a, b);

    return want_max ? order > 0 : order < 0;
}

static inline bool text_better(bool want_max, struct tl_sv a, struct tl_sv b)
{
    int order = tl_sv_cmp(a, b);

    return want_max ? order > 0 : order < 0;
}

/* --- integers, timestamps, booleans ------------------------------------------------------------------------------------ */

static inline bool int_step(bool want_max, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                            const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const int64_t *values = tl_agg_input(state, in, 0)->i64;

    for (uint32_t i = 0; i < to->count; i++) {
        struct int_best *best = (struct int_best *)(void *)((char *)to->blocks[i] + offset);
        uint32_t row = to->rows[i];

        if (null[row])
            continue;
        if (!best->any || int_better(want_max, values[row], best->value))
            best->value = values[row];
        best->any = 1;
    }
    return true;
}

static inline bool int_merge(bool want_max, const struct tl_agg_state *state, void *into, const void *from,
                             struct tl_arena *arena)
{
    struct int_best *a = tl_agg_at(state, into);
    const struct int_best *b = tl_agg_in(state, from);

    (void)arena;
    if (b->any && (!a->any || int_better(want_max, b->value, a->value)))
        *a = *b;
    return true;
}

static bool int_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                       uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct int_best *best = tl_agg_in(state, blocks[i]);

        out->null[i] = !best->any;
        out->i64[i] = best->value;
    }
    return true;
}

static void int_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct int_best *best = tl_agg_in(state, block);

    tl_buf_put_u8(out, best->any != 0);
    if (best->any)
        tl_buf_put_zigzag(out, best->value);
}

static enum tl_code int_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct int_best *best = tl_agg_at(state, block);
    bool any;

    (void)arena;
    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    best->any = 1;
    return tl_agg_load_i64(bytes, state->call->args[0]->kind, &best->value) ? TL_OK : TL_ERR_CORRUPT;
}

/* --- FLOAT and DOUBLE -------------------------------------------------------------------------------------------------- */

static inline bool real_step(bool want_max, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                             const struct tl_agg_selection *to)
{
    uint32_t offset = state->offset;
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const double *values = tl_agg_input(state, in, 0)->f64;

    for (uint32_t i = 0; i < to->count; i++) {
        struct real_best *best = (struct real_best *)(void *)((char *)to->blocks[i] + offset);
        uint32_t row = to->rows[i];

        if (null[row])
            continue;
        if (!best->any || real_better(want_max, values[row], best->value))
            best->value = values[row];
        best->any = 1;
    }
    return true;
}

static inline bool real_merge(bool want_max, const struct tl_agg_state *state, void *into, const void *from,
                              struct tl_arena *arena)
{
    struct real_best *a = tl_agg_at(state, into);
    const struct real_best *b = tl_agg_in(state, from);

    (void)arena;
    if (b->any && (!a->any || real_better(want_max, b->value, a->value)))
        *a = *b;
    return true;
}

static bool real_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct real_best *best = tl_agg_in(state, blocks[i]);

        out->null[i] = !best->any;
        out->f64[i] = best->value;
    }
    return true;
}

static void real_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct real_best *best = tl_agg_in(state, block);

    tl_buf_put_u8(out, best->any != 0);
    if (best->any)
        tl_buf_put_u64(out, tl_f64_bits(best->value));
}

static enum tl_code real_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct real_best *best = tl_agg_at(state, block);
    bool any;

    (void)arena;
    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    best->any = 1;
    return tl_agg_load_f64(bytes, state->call->args[0]->kind, &best->value) ? TL_OK : TL_ERR_CORRUPT;
}

/* --- text -------------------------------------------------------------------------------------------------------------- */

static inline bool text_step(bool want_max, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                             const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const struct tl_sv *values = tl_agg_input(state, in, 0)->sv;
    const struct tl_agg_selection of = *to; /* a call below could change what `to` points at, for all the compiler knows */
    uint32_t offset = state->offset;

    for (uint32_t i = 0; i < of.count; i++) {
        struct tl_agg_text *best = (struct tl_agg_text *)(void *)((char *)of.blocks[i] + offset);
        uint32_t row = of.rows[i];

        if (null[row])
            continue;
        if ((best->data == NULL || text_better(want_max, values[row], tl_agg_text_sv(best))) &&
            !tl_agg_text_keep(best, values[row], of.arenas[i]))
            return false;
    }
    return true;
}

static inline bool text_merge(bool want_max, const struct tl_agg_state *state, void *into, const void *from,
                              struct tl_arena *arena)
{
    struct tl_agg_text *a = tl_agg_at(state, into);
    const struct tl_agg_text *b = tl_agg_in(state, from);

    if (b->data == NULL || (a->data != NULL && !text_better(want_max, tl_agg_text_sv(b), tl_agg_text_sv(a))))
        return true;
    return tl_agg_text_keep(a, tl_agg_text_sv(b), arena);
}

static bool text_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct tl_agg_text *best = tl_agg_in(state, blocks[i]);

        out->null[i] = best->data == NULL;
        out->sv[i] = tl_agg_text_sv(best);
    }
    return true;
}

static void text_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_agg_text *best = tl_agg_in(state, block);

    tl_buf_put_u8(out, best->data != NULL);
    if (best->data != NULL)
        tl_buf_put_block(out, tl_agg_text_sv(best));
}

static enum tl_code text_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_sv text;
    bool any;

    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    text = tl_reader_block(bytes);
    if (bytes->failed || text.size > UINT32_MAX)
        return TL_ERR_CORRUPT;
    return tl_agg_text_keep(tl_agg_at(state, block), text, arena) ? TL_OK : TL_ERR_MEMORY;
}

/* --- the two ways ------------------------------------------------------------------------------------------------------ */

/* A function for each of MIN and MAX, so that which it is, is decided outside of the loops. */
#define BEST(form, way, want_max)                                                                                                \
    static bool form##_##way##_step(const struct tl_agg_state *state, const struct tl_agg_rows *in,                              \
                                    const struct tl_agg_selection *to)                                                           \
    {                                                                                                                            \
        return form##_step(want_max, state, in, to);                                                                             \
    }                                                                                                                            \
    static bool form##_##way##_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)     \
    {                                                                                                                            \
        return form##_merge(want_max, state, into, from, arena);                                                                 \
    }
BEST(int, min, false)
BEST(int, max, true)
BEST(real, min, false)
BEST(real, max, true)
BEST(text, min, false)
BEST(text, max, true)
#undef BEST

const struct tl_agg_shape tl_agg_min[3] = {
    [TL_FORM_I64] = {sizeof(struct int_best),    int_min_step,  int_min_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct real_best),   real_min_step, real_min_merge, real_finish, real_save, real_load},
    [TL_FORM_TEXT] = {sizeof(struct tl_agg_text), text_min_step, text_min_merge, text_finish, text_save, text_load},
};
const struct tl_agg_shape tl_agg_max[3] = {
    [TL_FORM_I64] = {sizeof(struct int_best),    int_max_step,  int_max_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct real_best),   real_max_step, real_max_merge, real_finish, real_save, real_load},
    [TL_FORM_TEXT] = {sizeof(struct tl_agg_text), text_max_step, text_max_merge, text_finish, text_save, text_load},
};
