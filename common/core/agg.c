/* agg.c: accumulators: init, step, merge, finish, save, load.
 *
 * State of one call within a group's block, by what it accumulates:
 *
 *     COUNT          count
 *     SUM, AVG       int_sum of integers (modulo 2^64; SUM keeps `count` only as "any"), real_sum of FLOAT and DOUBLE
 *     MIN, MAX       int_best (booleans, integers, timestamps), real_best, text_best
 *
 * MIN and MAX of FLOAT and DOUBLE order by value, -0.0 before 0.0 and NaN behind +Inf (java.lang.Double.compare): Flink compares
 * with < and >, by which the result depends on where a NaN comes; here it may not.
 *
 * Byte form, one call after the other (varint, zigzag and block are those of buf.h):
 *
 *     COUNT          varint count
 *     SUM integer    u8 any; any: zigzag sum, wrapped to the result's width
 *     AVG integer    varint count; count > 0: zigzag sum, wrapped to 64 bits
 *     SUM real       exact sum (exact_sum.c)
 *     AVG real       varint count, exact sum
 *     MIN, MAX       u8 any; any: zigzag value | u64 bits (one NaN only) | block text */
#include "core/agg.h"

#include <math.h>
#include <string.h>

#include "core/exact_sum.h"
#include "core/function_number.h"

struct count {
    uint64_t count;
};
struct int_sum {
    uint64_t sum, count;
};
struct real_sum {
    struct tl_exact_sum sum;
    uint64_t count;
};
struct int_best {
    int64_t value;
    uint64_t any;
};
struct real_best {
    double value;
    uint64_t any;
};
struct text_best {
    char *data; /* NULL: none yet */
    uint32_t size, capacity;
};

enum shape { SHAPE_COUNT, SHAPE_INT_SUM, SHAPE_REAL_SUM, SHAPE_INT_BEST, SHAPE_REAL_BEST, SHAPE_TEXT_BEST };

static enum shape shape_of(const struct tl_agg_call *call)
{
    enum tl_form form;

    if (call->agg == TL_AGG_COUNT_STAR || call->agg == TL_AGG_COUNT)
        return SHAPE_COUNT;
    form = tl_kind_form(call->args[0]->kind);
    if (call->agg == TL_AGG_SUM || call->agg == TL_AGG_AVG)
        return form == TL_FORM_I64 ? SHAPE_INT_SUM : SHAPE_REAL_SUM;
    return form == TL_FORM_I64 ? SHAPE_INT_BEST : form == TL_FORM_F64 ? SHAPE_REAL_BEST : SHAPE_TEXT_BEST;
}

static uint32_t state_bytes(enum shape shape)
{
    switch (shape) {
    case SHAPE_COUNT: return sizeof(struct count);
    case SHAPE_INT_SUM: return sizeof(struct int_sum);
    case SHAPE_REAL_SUM: return sizeof(struct real_sum);
    case SHAPE_INT_BEST: return sizeof(struct int_best);
    case SHAPE_REAL_BEST: return sizeof(struct real_best);
    case SHAPE_TEXT_BEST: return sizeof(struct text_best);
    }
    return 0;
}

static uint32_t input_find(const struct tl_expr *const *inputs, uint32_t count, const struct tl_expr *expr)
{
    uint32_t at = 0;

    while (at < count && inputs[at] != expr)
        at++;
    return at;
}

static void input_add(const struct tl_expr **inputs, uint32_t *count, const struct tl_expr *expr)
{
    uint32_t at = input_find(inputs, *count, expr);

    inputs[at] = expr;
    if (at == *count)
        (*count)++;
}

enum tl_code tl_agg_layout_init(struct tl_agg_layout *layout, const struct tl_agg_call *calls, uint32_t calls_count,
                                struct tl_arena *arena, struct tl_err *err)
{
    uint32_t bytes = 0;
    uint32_t *offset = tl_arena_alloc(arena, (calls_count + 1) * sizeof *offset);
    uint32_t inputs_count = 0, inputs_max = 0;
    const struct tl_expr **inputs;

    for (uint32_t i = 0; i < calls_count; i++)
        inputs_max += calls[i].args_count + 1;
    inputs = tl_arena_alloc(arena, (inputs_max + 1) * sizeof(struct tl_expr *));
    if (offset == NULL || inputs == NULL)
        return tl_fail_memory(err, (calls_count + 1) * sizeof *offset);
    for (uint32_t i = 0; i < calls_count; i++) {
        for (uint32_t a = 0; a < calls[i].args_count; a++)
            input_add(inputs, &inputs_count, calls[i].args[a]);
        if (calls[i].where != NULL)
            input_add(inputs, &inputs_count, calls[i].where);
    }
    for (uint32_t i = 0; i < calls_count; i++) {
        assert(calls[i].agg == TL_AGG_COUNT_STAR || calls[i].args_count > 0);
        offset[i] = bytes;
        bytes += state_bytes(shape_of(&calls[i]));
    }
    *layout = (struct tl_agg_layout){calls, calls_count, inputs, inputs_count, offset, bytes};
    return TL_OK;
}

/* --- text that is kept ------------------------------------------------------------------------------------------------- */

/* Overwrites in place where it fits. Capacities double, so what is left behind in the arena stays below what is in use. */
static bool text_keep(struct text_best *best, struct tl_sv text, struct tl_arena *arena)
{
    if (best->data == NULL || text.size > best->capacity) {
        size_t capacity = best->data == NULL ? 16 : 2 * (size_t)best->capacity;
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
        best->data = data;
        best->capacity = (uint32_t)capacity;
    }
    if (text.size > 0)
        memcpy(best->data, text.data, text.size);
    best->size = (uint32_t)text.size;
    return true;
}

static struct tl_sv text_of(const struct text_best *best)
{
    return (struct tl_sv){best->data, best->size};
}

/* --- what is better ---------------------------------------------------------------------------------------------------- */

static bool int_better(bool want_max, int64_t a, int64_t b)
{
    return want_max ? a > b : a < b;
}

static bool real_better(bool want_max, double a, double b)
{
    int order = tl_f64_order(a, b);

    return want_max ? order > 0 : order < 0;
}

static bool text_better(bool want_max, struct tl_sv a, struct tl_sv b)
{
    int order = tl_sv_cmp(a, b);

    return want_max ? order > 0 : order < 0;
}

/* --- step -------------------------------------------------------------------------------------------------------------- */

/* The state of this call in a row's block. */
static inline void *state_at(void *block, uint32_t offset)
{
    return (char *)block + offset;
}

static void step_count_star(uint32_t offset, uint32_t rows_count, void *const *states)
{
    for (uint32_t i = 0; i < rows_count; i++)
        ((struct count *)state_at(states[i], offset))->count++;
}

static void step_count(uint32_t offset, const uint8_t *null, const uint32_t *rows, uint32_t rows_count, void *const *states)
{
    for (uint32_t i = 0; i < rows_count; i++)
        ((struct count *)state_at(states[i], offset))->count += !null[rows[i]];
}

static void step_int_sum(uint32_t offset, const struct tl_vec *arg, const uint32_t *rows, uint32_t rows_count,
                         void *const *states)
{
    const uint8_t *null = arg->null;
    const int64_t *values = arg->i64;

    for (uint32_t i = 0; i < rows_count; i++) {
        struct int_sum *state = state_at(states[i], offset);

        if (null[rows[i]])
            continue;
        state->sum += (uint64_t)values[rows[i]];
        state->count++;
    }
}

static bool step_real_sum(uint32_t offset, const struct tl_vec *arg, const uint32_t *rows, uint32_t rows_count,
                          void *const *states, struct tl_arena *const *arenas)
{
    const uint8_t *null = arg->null;
    const double *values = arg->f64;

    for (uint32_t i = 0; i < rows_count; i++) {
        struct real_sum *state = state_at(states[i], offset);

        if (null[rows[i]])
            continue;
        if (!tl_exact_sum_add(&state->sum, values[rows[i]], arenas[i]))
            return false;
        state->count++;
    }
    return true;
}

static void step_int_best(uint32_t offset, bool want_max, const struct tl_vec *arg, const uint32_t *rows, uint32_t rows_count,
                          void *const *states)
{
    const uint8_t *null = arg->null;
    const int64_t *values = arg->i64;

    for (uint32_t i = 0; i < rows_count; i++) {
        struct int_best *state = state_at(states[i], offset);

        if (null[rows[i]])
            continue;
        if (!state->any || int_better(want_max, values[rows[i]], state->value))
            state->value = values[rows[i]];
        state->any = 1;
    }
}

static void step_real_best(uint32_t offset, bool want_max, const struct tl_vec *arg, const uint32_t *rows, uint32_t rows_count,
                           void *const *states)
{
    const uint8_t *null = arg->null;
    const double *values = arg->f64;

    for (uint32_t i = 0; i < rows_count; i++) {
        struct real_best *state = state_at(states[i], offset);

        if (null[rows[i]])
            continue;
        if (!state->any || real_better(want_max, values[rows[i]], state->value))
            state->value = values[rows[i]];
        state->any = 1;
    }
}

static bool step_text_best(uint32_t offset, bool want_max, const struct tl_vec *arg, const uint32_t *rows, uint32_t rows_count,
                           void *const *states, struct tl_arena *const *arenas)
{
    const uint8_t *null = arg->null;
    const struct tl_sv *values = arg->sv;

    for (uint32_t i = 0; i < rows_count; i++) {
        struct text_best *state = state_at(states[i], offset);

        if (null[rows[i]])
            continue;
        if ((state->data == NULL || text_better(want_max, values[rows[i]], text_of(state))) &&
            !text_keep(state, values[rows[i]], arenas[i]))
            return false;
    }
    return true;
}

static bool step_call(const struct tl_agg_layout *layout, uint32_t call, const struct tl_vec *arg, const uint32_t *rows,
                      uint32_t rows_count, void *const *states, struct tl_arena *const *arenas)
{
    const struct tl_agg_call *agg = &layout->calls[call];
    uint32_t offset = layout->offset[call];
    bool want_max = agg->agg == TL_AGG_MAX;

    switch (shape_of(agg)) {
    case SHAPE_COUNT:
        if (agg->agg == TL_AGG_COUNT_STAR)
            step_count_star(offset, rows_count, states);
        else
            step_count(offset, arg->null, rows, rows_count, states);
        return true;
    case SHAPE_INT_SUM: step_int_sum(offset, arg, rows, rows_count, states); return true;
    case SHAPE_REAL_SUM: return step_real_sum(offset, arg, rows, rows_count, states, arenas);
    case SHAPE_INT_BEST: step_int_best(offset, want_max, arg, rows, rows_count, states); return true;
    case SHAPE_REAL_BEST: step_real_best(offset, want_max, arg, rows, rows_count, states); return true;
    case SHAPE_TEXT_BEST: return step_text_best(offset, want_max, arg, rows, rows_count, states, arenas);
    }
    return true;
}

bool tl_agg_step(const struct tl_agg_layout *layout, const struct tl_agg_rows *in, const uint32_t *rows, uint32_t rows_count,
                 void *const *states, struct tl_arena *const *arenas)
{
    for (uint32_t i = 0; i < layout->calls_count; i++) {
        const struct tl_agg_call *call = &layout->calls[i];
        const struct tl_vec *arg =
            call->args_count > 0 ? &in->inputs[input_find(layout->inputs, layout->inputs_count, call->args[0])] : NULL;

        if (!step_call(layout, i, arg, rows, rows_count, states, arenas))
            return false;
    }
    return true;
}

/* --- merge ------------------------------------------------------------------------------------------------------------- */

static bool merge_one(const struct tl_agg_call *agg, void *into, const void *from, struct tl_arena *arena)
{
    bool want_max = agg->agg == TL_AGG_MAX;

    switch (shape_of(agg)) {
    case SHAPE_COUNT: ((struct count *)into)->count += ((const struct count *)from)->count; return true;
    case SHAPE_INT_SUM: {
        struct int_sum *a = into;
        const struct int_sum *b = from;

        a->sum += b->sum;
        a->count += b->count;
        return true;
    }
    case SHAPE_REAL_SUM: {
        struct real_sum *a = into;
        const struct real_sum *b = from;

        if (!tl_exact_sum_merge(&a->sum, &b->sum, arena))
            return false;
        a->count += b->count;
        return true;
    }
    case SHAPE_INT_BEST: {
        struct int_best *a = into;
        const struct int_best *b = from;

        if (b->any && (!a->any || int_better(want_max, b->value, a->value)))
            *a = *b;
        return true;
    }
    case SHAPE_REAL_BEST: {
        struct real_best *a = into;
        const struct real_best *b = from;

        if (b->any && (!a->any || real_better(want_max, b->value, a->value)))
            *a = *b;
        return true;
    }
    case SHAPE_TEXT_BEST: {
        struct text_best *a = into;
        const struct text_best *b = from;

        if (b->data == NULL || (a->data != NULL && !text_better(want_max, text_of(b), text_of(a))))
            return true;
        return text_keep(a, text_of(b), arena);
    }
    }
    return true;
}

bool tl_agg_merge(const struct tl_agg_layout *layout, void *into, const void *from, struct tl_arena *arena)
{
    for (uint32_t i = 0; i < layout->calls_count; i++)
        if (!merge_one(&layout->calls[i], (char *)into + layout->offset[i], (const char *)from + layout->offset[i], arena))
            return false;
    return true;
}

/* --- finish ------------------------------------------------------------------------------------------------------------ */

static int64_t int_result(const struct tl_agg_call *agg, const struct int_sum *state)
{
    int64_t sum = (int64_t)state->sum;

    if (agg->agg == TL_AGG_AVG)
        sum = state->count <= INT64_MAX ? sum / (int64_t)state->count : 0; /* so many rows only in a forged byte form */
    return tl_i64_wrap(agg->kind, sum);
}

static double real_result(const struct tl_agg_call *agg, const struct real_sum *state)
{
    uint64_t divisor = agg->agg == TL_AGG_AVG ? state->count : 1;

    return agg->kind == TL_FLOAT ? tl_exact_sum_to_float(&state->sum, divisor) : tl_exact_sum_to_double(&state->sum, divisor);
}

void tl_agg_finish(const struct tl_agg_layout *layout, uint32_t call, const void *const *blocks, uint32_t blocks_count,
                   struct tl_vec *out)
{
    const struct tl_agg_call *agg = &layout->calls[call];
    uint32_t offset = layout->offset[call];
    enum shape shape = shape_of(agg);

    for (uint32_t i = 0; i < blocks_count; i++) {
        const void *state = (const char *)blocks[i] + offset;

        switch (shape) {
        case SHAPE_COUNT:
            out->null[i] = 0;
            out->i64[i] = (int64_t)((const struct count *)state)->count;
            break;
        case SHAPE_INT_SUM:
            out->null[i] = ((const struct int_sum *)state)->count == 0;
            out->i64[i] = out->null[i] ? 0 : int_result(agg, state);
            break;
        case SHAPE_REAL_SUM:
            out->null[i] = ((const struct real_sum *)state)->count == 0;
            out->f64[i] = out->null[i] ? 0 : real_result(agg, state);
            break;
        case SHAPE_INT_BEST:
            out->null[i] = !((const struct int_best *)state)->any;
            out->i64[i] = ((const struct int_best *)state)->value;
            break;
        case SHAPE_REAL_BEST:
            out->null[i] = !((const struct real_best *)state)->any;
            out->f64[i] = ((const struct real_best *)state)->value;
            break;
        case SHAPE_TEXT_BEST:
            out->null[i] = ((const struct text_best *)state)->data == NULL;
            out->sv[i] = text_of(state);
            break;
        }
    }
}

/* --- byte form --------------------------------------------------------------------------------------------------------- */

static void save_one(const struct tl_agg_call *agg, const void *state, struct tl_buf *out)
{
    switch (shape_of(agg)) {
    case SHAPE_COUNT: tl_buf_put_varint(out, ((const struct count *)state)->count); break;
    case SHAPE_INT_SUM: {
        const struct int_sum *sum = state;

        if (agg->agg == TL_AGG_AVG)
            tl_buf_put_varint(out, sum->count);
        else
            tl_buf_put_u8(out, sum->count > 0);
        if (sum->count > 0)
            tl_buf_put_zigzag(out, agg->agg == TL_AGG_AVG ? (int64_t)sum->sum : tl_i64_wrap(agg->kind, (int64_t)sum->sum));
        break;
    }
    case SHAPE_REAL_SUM:
        if (agg->agg == TL_AGG_AVG)
            tl_buf_put_varint(out, ((const struct real_sum *)state)->count);
        tl_exact_sum_save(&((const struct real_sum *)state)->sum, out);
        break;
    case SHAPE_INT_BEST:
        tl_buf_put_u8(out, ((const struct int_best *)state)->any != 0);
        if (((const struct int_best *)state)->any)
            tl_buf_put_zigzag(out, ((const struct int_best *)state)->value);
        break;
    case SHAPE_REAL_BEST: {
        const struct real_best *best = state;

        tl_buf_put_u8(out, best->any != 0);
        if (best->any)
            tl_buf_put_u64(out, tl_f64_bits(best->value));
        break;
    }
    case SHAPE_TEXT_BEST:
        tl_buf_put_u8(out, ((const struct text_best *)state)->data != NULL);
        if (((const struct text_best *)state)->data != NULL)
            tl_buf_put_block(out, text_of(state));
        break;
    }
}

void tl_agg_save(const struct tl_agg_layout *layout, const void *block, struct tl_buf *out)
{
    for (uint32_t i = 0; i < layout->calls_count; i++)
        save_one(&layout->calls[i], (const char *)block + layout->offset[i], out);
}

static enum tl_code load_int_sum(const struct tl_agg_call *agg, struct tl_reader *bytes, struct int_sum *sum)
{
    int64_t value;

    sum->count = agg->agg == TL_AGG_AVG ? tl_reader_varint(bytes) : tl_reader_u8(bytes);
    if (bytes->failed || sum->count > (agg->agg == TL_AGG_AVG ? (uint64_t)INT64_MAX : 1))
        return TL_ERR_CORRUPT;
    if (sum->count == 0)
        return TL_OK;
    value = tl_reader_zigzag(bytes);
    if (bytes->failed || (agg->agg == TL_AGG_SUM && tl_i64_wrap(agg->kind, value) != value))
        return TL_ERR_CORRUPT;
    sum->sum = (uint64_t)value;
    return TL_OK;
}

static enum tl_code load_real_sum(const struct tl_agg_call *agg, struct tl_reader *bytes, struct real_sum *sum,
                                  struct tl_arena *arena, struct tl_err *err)
{
    bool average = agg->agg == TL_AGG_AVG;
    enum tl_code rc;

    if (average) {
        sum->count = tl_reader_varint(bytes);
        if (bytes->failed || sum->count > INT64_MAX)
            return TL_ERR_CORRUPT;
    }
    rc = tl_exact_sum_load(&sum->sum, bytes, arena, err);
    if (rc != TL_OK)
        return rc;
    if (!average)
        sum->count = !tl_exact_sum_is_empty(&sum->sum);
    return tl_exact_sum_is_empty(&sum->sum) == (sum->count == 0) ? TL_OK : TL_ERR_CORRUPT;
}

/* The u8 before a MIN or MAX. */
static enum tl_code load_any(struct tl_reader *bytes, bool *any)
{
    uint8_t value = tl_reader_u8(bytes);

    *any = value != 0;
    return bytes->failed || value > 1 ? TL_ERR_CORRUPT : TL_OK;
}

static enum tl_code load_best(const struct tl_agg_call *agg, enum shape shape, struct tl_reader *bytes, void *state,
                              struct tl_arena *arena)
{
    bool any;

    if (load_any(bytes, &any) != TL_OK)
        return TL_ERR_CORRUPT;
    if (!any)
        return TL_OK;
    if (shape == SHAPE_INT_BEST) {
        struct int_best *best = state;

        best->any = 1;
        best->value = tl_reader_zigzag(bytes);
        return bytes->failed || tl_i64_wrap(agg->args[0]->kind, best->value) != best->value ? TL_ERR_CORRUPT : TL_OK;
    }
    if (shape == SHAPE_REAL_BEST) {
        struct real_best *best = state;
        uint64_t bits = tl_reader_u64(bytes);

        best->any = 1;
        memcpy(&best->value, &bits, sizeof bits);
        if (bytes->failed || tl_f64_bits(best->value) != bits)
            return TL_ERR_CORRUPT;
        return agg->args[0]->kind == TL_FLOAT && !isnan(best->value) && (double)(float)best->value != best->value ? TL_ERR_CORRUPT
                                                                                                                  : TL_OK;
    } else {
        struct tl_sv text = tl_reader_block(bytes);

        if (bytes->failed || text.size > UINT32_MAX)
            return TL_ERR_CORRUPT;
        return text_keep(state, text, arena) ? TL_OK : TL_ERR_MEMORY;
    }
}

enum tl_code tl_agg_load(const struct tl_agg_layout *layout, struct tl_reader *bytes, void *block, struct tl_arena *arena,
                         struct tl_err *err)
{
    for (uint32_t i = 0; i < layout->calls_count; i++) {
        const struct tl_agg_call *agg = &layout->calls[i];
        void *state = (char *)block + layout->offset[i];
        enum shape shape = shape_of(agg);
        enum tl_code rc;

        switch (shape) {
        case SHAPE_COUNT:
            ((struct count *)state)->count = tl_reader_varint(bytes);
            rc = bytes->failed || ((struct count *)state)->count > INT64_MAX ? TL_ERR_CORRUPT : TL_OK;
            break;
        case SHAPE_INT_SUM: rc = load_int_sum(agg, bytes, state); break;
        case SHAPE_REAL_SUM: rc = load_real_sum(agg, bytes, state, arena, err); break;
        default: rc = load_best(agg, shape, bytes, state, arena); break;
        }
        if (rc != TL_OK)
            return tl_fail(
                err, rc, rc == TL_ERR_MEMORY ? "accumulator %u: out of memory" : "accumulator %u: its bytes are not such a form",
                i + 1);
    }
    return TL_OK;
}
