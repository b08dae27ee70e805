/* agg_place.c: accumulators of FIRST_VALUE and LAST_VALUE, in the order of (event time, partition, offset, row number).
 *
 * Flink takes the first and last to arrive; by that, speed and batch could not agree. NULLs are skipped, as Flink does.
 * One row has one place, but rows of an inner view (relay.c), and forged bytes, may share one; the greater value then wins, for order must not.
 *
 * Byte form: u8 any; any: place (agg_state.h), then zigzag value | u64 bits (one NaN only) | block text */
#include <string.h>

#include "core/agg_state.h"
#include "core/function_number.h"

struct int_placed {
    struct tl_agg_place place;
    int64_t value;
    uint64_t any;
};
struct real_placed {
    struct tl_agg_place place;
    double value;
    uint64_t any;
};
struct text_placed {
    struct tl_agg_place place;
    struct tl_agg_text text;
};

/* `order` of the values, which decides at equal places. */
static inline bool place_better(bool want_last, const struct tl_agg_place *a, const struct tl_agg_place *b, int order)
{
    int places = tl_agg_place_order(a, b);

    return places == 0 ? order > 0 : want_last ? places > 0 : places < 0;
}

static int int_order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* --- integers, timestamps, booleans ------------------------------------------------------------------------------------ */

static inline bool int_take(bool want_last, struct int_placed *a, const struct int_placed *b)
{
    if (b->any && (!a->any || place_better(want_last, &b->place, &a->place, int_order(b->value, a->value))))
        *a = *b;
    return true;
}

static inline bool int_step(bool want_last, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                            const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const int64_t *values = tl_agg_input(state, in, 0)->i64;

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct int_placed placed;

        if (null[row])
            continue;
        placed = (struct int_placed){tl_agg_place_of(in, row), values[row], 1};
        int_take(want_last, tl_agg_at(state, to->blocks[i]), &placed);
    }
    return true;
}

static inline bool int_merge(bool want_last, const struct tl_agg_state *state, void *into, const void *from,
                             struct tl_arena *arena)
{
    (void)arena;
    return int_take(want_last, tl_agg_at(state, into), tl_agg_in(state, from));
}

static bool int_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                       uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct int_placed *placed = tl_agg_in(state, blocks[i]);

        out->null[i] = !placed->any;
        out->i64[i] = placed->value;
    }
    return true;
}

static void int_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct int_placed *placed = tl_agg_in(state, block);

    tl_buf_put_u8(out, placed->any != 0);
    if (placed->any) {
        tl_agg_place_save(&placed->place, out);
        tl_buf_put_zigzag(out, placed->value);
    }
}

static enum tl_code int_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct int_placed *placed = tl_agg_at(state, block);
    bool any;

    (void)arena;
    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    placed->any = 1;
    if (!tl_agg_place_load(bytes, &placed->place))
        return TL_ERR_CORRUPT;
    return tl_agg_load_i64(bytes, state->call->args[0]->kind, &placed->value) ? TL_OK : TL_ERR_CORRUPT;
}

/* --- FLOAT and DOUBLE -------------------------------------------------------------------------------------------------- */

static inline bool real_take(bool want_last, struct real_placed *a, const struct real_placed *b)
{
    if (b->any && (!a->any || place_better(want_last, &b->place, &a->place, tl_f64_order(b->value, a->value))))
        *a = *b;
    return true;
}

static inline bool real_step(bool want_last, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                             const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const double *values = tl_agg_input(state, in, 0)->f64;

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct real_placed placed;

        if (null[row])
            continue;
        placed = (struct real_placed){tl_agg_place_of(in, row), values[row], 1};
        real_take(want_last, tl_agg_at(state, to->blocks[i]), &placed);
    }
    return true;
}

static inline bool real_merge(bool want_last, const struct tl_agg_state *state, void *into, const void *from,
                              struct tl_arena *arena)
{
    (void)arena;
    return real_take(want_last, tl_agg_at(state, into), tl_agg_in(state, from));
}

static bool real_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct real_placed *placed = tl_agg_in(state, blocks[i]);

        out->null[i] = !placed->any;
        out->f64[i] = placed->value;
    }
    return true;
}

static void real_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct real_placed *placed = tl_agg_in(state, block);

    tl_buf_put_u8(out, placed->any != 0);
    if (placed->any) {
        tl_agg_place_save(&placed->place, out);
        tl_buf_put_u64(out, tl_f64_bits(placed->value));
    }
}

static enum tl_code real_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct real_placed *placed = tl_agg_at(state, block);
    bool any;

    (void)arena;
    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    placed->any = 1;
    if (!tl_agg_place_load(bytes, &placed->place))
        return TL_ERR_CORRUPT;
    return tl_agg_load_f64(bytes, state->call->args[0]->kind, &placed->value) ? TL_OK : TL_ERR_CORRUPT;
}

/* --- text -------------------------------------------------------------------------------------------------------------- */

static inline bool text_take(bool want_last, struct text_placed *a, const struct tl_agg_place *place, struct tl_sv text,
                             struct tl_arena *arena)
{
    if (a->text.data != NULL && !place_better(want_last, place, &a->place, tl_sv_cmp(text, tl_agg_text_sv(&a->text))))
        return true;
    if (!tl_agg_text_keep(&a->text, text, arena))
        return false;
    a->place = *place;
    return true;
}

static inline bool text_step(bool want_last, const struct tl_agg_state *state, const struct tl_agg_rows *in,
                             const struct tl_agg_selection *to)
{
    const uint8_t *null = tl_agg_input(state, in, 0)->null;
    const struct tl_sv *values = tl_agg_input(state, in, 0)->sv;

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct tl_agg_place place;

        if (null[row])
            continue;
        place = tl_agg_place_of(in, row);
        if (!text_take(want_last, tl_agg_at(state, to->blocks[i]), &place, values[row], to->arenas[i]))
            return false;
    }
    return true;
}

static inline bool text_merge(bool want_last, const struct tl_agg_state *state, void *into, const void *from,
                              struct tl_arena *arena)
{
    const struct text_placed *b = tl_agg_in(state, from);

    if (b->text.data == NULL)
        return true;
    return text_take(want_last, tl_agg_at(state, into), &b->place, tl_agg_text_sv(&b->text), arena);
}

static bool text_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct text_placed *placed = tl_agg_in(state, blocks[i]);

        out->null[i] = placed->text.data == NULL;
        out->sv[i] = tl_agg_text_sv(&placed->text);
    }
    return true;
}

static void text_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct text_placed *placed = tl_agg_in(state, block);

    tl_buf_put_u8(out, placed->text.data != NULL);
    if (placed->text.data != NULL) {
        tl_agg_place_save(&placed->place, out);
        tl_buf_put_block(out, tl_agg_text_sv(&placed->text));
    }
}

static enum tl_code text_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct text_placed *placed = tl_agg_at(state, block);
    struct tl_sv text;
    bool any;

    if (!tl_agg_load_any(bytes, &any))
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    if (!tl_agg_place_load(bytes, &placed->place))
        return TL_ERR_CORRUPT;
    text = tl_reader_block(bytes);
    if (bytes->failed || text.size > UINT32_MAX)
        return TL_ERR_CORRUPT;
    return tl_agg_text_keep(&placed->text, text, arena) ? TL_OK : TL_ERR_MEMORY;
}

/* --- the two ways ------------------------------------------------------------------------------------------------------ */

/* A function for each of FIRST and LAST, so that which it is, is decided outside of the loops. */
#define PLACED(form, way, want_last)                                                                                             \
    static bool form##_##way##_step(const struct tl_agg_state *state, const struct tl_agg_rows *in,                              \
                                    const struct tl_agg_selection *to)                                                           \
    {                                                                                                                            \
        return form##_step(want_last, state, in, to);                                                                            \
    }                                                                                                                            \
    static bool form##_##way##_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)     \
    {                                                                                                                            \
        return form##_merge(want_last, state, into, from, arena);                                                                \
    }
PLACED(int, first, false)
PLACED(int, last, true)
PLACED(real, first, false)
PLACED(real, last, true)
PLACED(text, first, false)
PLACED(text, last, true)
#undef PLACED

const struct tl_agg_shape tl_agg_first[3] = {
    [TL_FORM_I64] = {sizeof(struct int_placed),  int_first_step,  int_first_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct real_placed), real_first_step, real_first_merge, real_finish, real_save, real_load},
    [TL_FORM_TEXT] = {sizeof(struct text_placed), text_first_step, text_first_merge, text_finish, text_save, text_load},
};
const struct tl_agg_shape tl_agg_last[3] = {
    [TL_FORM_I64] = {sizeof(struct int_placed),  int_last_step,  int_last_merge,  int_finish,  int_save,  int_load },
    [TL_FORM_F64] = {sizeof(struct real_placed), real_last_step, real_last_merge, real_finish, real_save, real_load},
    [TL_FORM_TEXT] = {sizeof(struct text_placed), text_last_step, text_last_merge, text_finish, text_save, text_load},
};
