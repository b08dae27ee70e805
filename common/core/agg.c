/* agg.c: accumulators: which shape a call needs, which calls share one, and the way to it. */
#include "core/agg.h"

#include <math.h>
#include <string.h>

#include "core/agg_state.h"
#include "core/function_number.h"
#include "event/partition.h"

#define NO_INPUT UINT32_MAX
enum { FILTER_ROWS = 512 };

/* --- layout ------------------------------------------------------------------------------------------------------------ */

static const struct tl_agg_shape *shape_of(const struct tl_agg_call *call)
{
    enum tl_form form = call->args_count > 0 ? tl_kind_form(call->args[0]->kind) : TL_FORM_I64;

    switch (call->agg) {
    case TL_AGG_COUNT_STAR: return &tl_agg_count_star;
    case TL_AGG_COUNT: return call->distinct ? &tl_agg_distinct[form] : &tl_agg_count;
    case TL_AGG_SUM:
    case TL_AGG_AVG: return call->distinct ? &tl_agg_distinct[form] : &tl_agg_sum[form];
    case TL_AGG_MIN: return &tl_agg_min[form]; /* DISTINCT changes nothing */
    case TL_AGG_MAX: return &tl_agg_max[form];
    case TL_AGG_STDDEV_POP:
    case TL_AGG_STDDEV_SAMP:
    case TL_AGG_VAR_POP:
    case TL_AGG_VAR_SAMP: return call->distinct ? &tl_agg_distinct[form] : &tl_agg_moments[form];
    case TL_AGG_FIRST_VALUE: return &tl_agg_first[form];
    case TL_AGG_LAST_VALUE: return &tl_agg_last[form];
    case TL_AGG_LISTAGG: return call->distinct ? &tl_agg_list_distinct : &tl_agg_list;
    case TL_AGG_APPROX_COUNT_DISTINCT: return &tl_agg_approx_distinct;
    case TL_AGG_PERCENTILE: return &tl_agg_percentile;
    case TL_AGG_APPROX_PERCENTILE: return &tl_agg_approx_percentile;
    case TL_AGG_WINDOW_FUNNEL: return &tl_agg_funnel;
    case TL_AGG_USER: return call->user->aggregate;
    }
    return NULL;
}

static uint32_t input_add(const struct tl_expr **inputs, uint32_t *count, const struct tl_expr *expr)
{
    uint32_t at = 0;

    while (at < *count && inputs[at] != expr)
        at++;
    inputs[at] = expr;
    if (at == *count)
        (*count)++;
    return at;
}

static bool same_arguments(const struct tl_agg_call *a, const struct tl_agg_call *b)
{
    if (a->args_count != b->args_count || a->where != b->where)
        return false;
    for (uint32_t i = 0; i < a->args_count; i++)
        if (a->args[i] != b->args[i])
            return false;
    return true;
}

/* The state that the call reads: one that is there already, or the next. What a call adds at the end (percentile, separator, time limit)
 * does not part states, nor does the kind of the result: that follows from the argument. */
static uint32_t state_find(const struct tl_agg_state *states, uint32_t count, const struct tl_agg_call *call)
{
    const struct tl_agg_shape *shape = shape_of(call);
    uint32_t at = 0;

    while (at < count && (states[at].shape != shape || !same_arguments(states[at].call, call)))
        at++;
    return at;
}

enum tl_code tl_agg_layout_init(struct tl_agg_layout *layout, const struct tl_agg_call *calls, uint32_t calls_count,
                                struct tl_arena *arena, struct tl_err *err)
{
    uint32_t inputs_max = 1, inputs_count = 0, states_count = 0, bytes = 0;
    const struct tl_expr **inputs;
    struct tl_agg_state *states = tl_arena_alloc(arena, (calls_count + 1) * sizeof *states);
    uint32_t *state_of = tl_arena_alloc(arena, (calls_count + 1) * sizeof *state_of), *numbers;

    for (uint32_t i = 0; i < calls_count; i++)
        inputs_max += calls[i].args_count + 1;
    inputs = tl_arena_alloc(arena, inputs_max * sizeof(struct tl_expr *));
    numbers = tl_arena_alloc(arena, inputs_max * sizeof *numbers);
    if (states == NULL || state_of == NULL || inputs == NULL || numbers == NULL)
        return tl_fail_memory(err, inputs_max * sizeof *states);
    for (uint32_t i = 0; i < calls_count; i++) {
        const struct tl_agg_call *call = &calls[i];
        struct tl_agg_state *state = &states[state_of[i] = state_find(states, states_count, call)];

        assert(call->agg == TL_AGG_COUNT_STAR || call->args_count > 0);
        if (state_of[i] == states_count) {
            *state = (struct tl_agg_state){shape_of(call), call, numbers, NO_INPUT, bytes, false};
            for (uint32_t a = 0; a < call->args_count; a++)
                *numbers++ = input_add(inputs, &inputs_count, call->args[a]);
            if (call->where != NULL)
                state->where = input_add(inputs, &inputs_count, call->where);
            bytes += state->shape->bytes;
            states_count++;
        }
        state->counted |= call->agg == TL_AGG_AVG;
    }
    *layout = (struct tl_agg_layout){calls, calls_count, inputs, inputs_count, states, states_count, state_of, bytes};
    return TL_OK;
}

/* --- step, merge, finish ----------------------------------------------------------------------------------------------- */

/* Some rows at a time, those for which the filter is TRUE. */
static bool step_where(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tl_vec *where = &in->inputs[state->where];
    uint32_t rows[FILTER_ROWS];
    void *blocks[FILTER_ROWS];
    struct tl_arena *arenas[FILTER_ROWS];
    struct tl_agg_selection some = {rows, 0, blocks, arenas};

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];

        if (!where->null[row] && where->i64[row] != 0) {
            rows[some.count] = row;
            blocks[some.count] = to->blocks[i];
            arenas[some.count++] = to->arenas[i];
        }
        if (some.count == FILTER_ROWS || (i + 1 == to->count && some.count > 0)) {
            if (!state->shape->step(state, in, &some))
                return false;
            some.count = 0;
        }
    }
    return true;
}

bool tl_agg_step(const struct tl_agg_layout *layout, const struct tl_agg_rows *in, const uint32_t *rows, uint32_t rows_count,
                 void *const *states, struct tl_arena *const *arenas)
{
    const struct tl_agg_selection to = {rows, rows_count, states, arenas};

    for (uint32_t i = 0; i < layout->states_count; i++) {
        const struct tl_agg_state *state = &layout->states[i];

        if (!(state->where == NO_INPUT ? state->shape->step(state, in, &to) : step_where(state, in, &to)))
            return false;
    }
    return true;
}

bool tl_agg_merge(const struct tl_agg_layout *layout, void *into, const void *from, struct tl_arena *arena)
{
    for (uint32_t i = 0; i < layout->states_count; i++)
        if (!layout->states[i].shape->merge(&layout->states[i], into, from, arena))
            return false;
    return true;
}

bool tl_agg_finish(const struct tl_agg_layout *layout, uint32_t call, const void *const *blocks, uint32_t blocks_count,
                   struct tl_arena *arena, struct tl_vec *out)
{
    const struct tl_agg_state *state = &layout->states[layout->state_of[call]];

    return state->shape->finish(state, &layout->calls[call], blocks, blocks_count, arena, out);
}

/* --- byte form --------------------------------------------------------------------------------------------------------- */

void tl_agg_save(const struct tl_agg_layout *layout, const void *block, struct tl_buf *out)
{
    for (uint32_t i = 0; i < layout->states_count; i++)
        layout->states[i].shape->save(&layout->states[i], block, out);
}

enum tl_code tl_agg_load(const struct tl_agg_layout *layout, struct tl_reader *bytes, void *block, struct tl_arena *arena,
                         struct tl_err *err)
{
    for (uint32_t i = 0; i < layout->states_count; i++) {
        enum tl_code rc = layout->states[i].shape->load(&layout->states[i], bytes, block, arena);

        if (rc == TL_ERR_MEMORY)
            return tl_fail(err, TL_ERR_MEMORY, "accumulator %u: out of memory", i + 1);
        if (rc != TL_OK)
            return tl_fail(err, TL_ERR_CORRUPT, "accumulator %u: its bytes are not such a form", i + 1);
    }
    return TL_OK;
}

/* --- what shapes have in common ---------------------------------------------------------------------------------------- */

bool tl_agg_load_i64(struct tl_reader *bytes, enum tl_kind kind, int64_t *out)
{
    *out = tl_reader_zigzag(bytes);
    return !bytes->failed && tl_i64_wrap(kind, *out) == *out;
}

bool tl_agg_load_f64(struct tl_reader *bytes, enum tl_kind kind, double *out)
{
    uint64_t bits = tl_reader_u64(bytes);

    memcpy(out, &bits, sizeof bits);
    if (bytes->failed || tl_f64_bits(*out) != bits)
        return false;
    return kind != TL_FLOAT || isnan(*out) || (double)(float)*out == *out;
}

bool tl_agg_load_any(struct tl_reader *bytes, bool *out)
{
    uint8_t any = tl_reader_u8(bytes);

    *out = any != 0;
    return !bytes->failed && any <= 1;
}

int tl_agg_place_order(const struct tl_agg_place *a, const struct tl_agg_place *b)
{
    int order;

    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    order = tl_partition_order(a->partition, a->offset, b->partition, b->offset);
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

void tl_agg_place_save(const struct tl_agg_place *place, struct tl_buf *out)
{
    tl_buf_put_zigzag(out, place->time_ms);
    tl_buf_put_varint(out, place->partition);
    tl_buf_put_zigzag(out, place->offset);
    tl_buf_put_varint(out, place->number);
}

bool tl_agg_place_load(struct tl_reader *bytes, struct tl_agg_place *out)
{
    uint64_t partition, number;

    out->time_ms = tl_reader_zigzag(bytes);
    partition = tl_reader_varint(bytes);
    out->offset = tl_reader_zigzag(bytes);
    number = tl_reader_varint(bytes);
    out->partition = (uint32_t)partition;
    out->number = (uint32_t)number;
    return !bytes->failed && partition <= UINT32_MAX && number <= UINT32_MAX;
}

bool tl_agg_text_keep(struct tl_agg_text *kept, struct tl_sv text, struct tl_arena *arena)
{
    if (kept->data == NULL || text.size > kept->capacity) {
        size_t capacity = kept->data == NULL ? 16 : 2 * (size_t)kept->capacity;
        char *data;

        if (text.size > UINT32_MAX)
            return false;
        if (capacity < text.size)
            capacity = (text.size + 15) / 16 * 16;
        if (capacity > UINT32_MAX)
            capacity = UINT32_MAX;
        data = tl_arena_alloc(arena, capacity);
        if (data == NULL)
            return false;
        kept->data = data;
        kept->capacity = (uint32_t)capacity;
    }
    if (text.size > 0)
        memcpy(kept->data, text.data, text.size);
    kept->size = (uint32_t)text.size;
    return true;
}

bool tl_agg_grow(void *array_at, size_t item_bytes, uint32_t *capacity, uint64_t wanted, struct tl_arena *arena)
{
    void *old, *grown;
    uint64_t doubled = *capacity == 0 ? 4 : 2 * (uint64_t)*capacity;

    if (wanted <= *capacity)
        return true;
    if (wanted < doubled)
        wanted = doubled;
    if (wanted > UINT32_MAX)
        return false;
    grown = tl_arena_alloc(arena, (size_t)wanted * item_bytes);
    if (grown == NULL)
        return false;
    memcpy(&old, array_at, sizeof old);
    if (*capacity > 0)
        memcpy(grown, old, *capacity * item_bytes);
    memcpy(array_at, &grown, sizeof grown);
    *capacity = (uint32_t)wanted;
    return true;
}
