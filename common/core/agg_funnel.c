/* agg_funnel.c: accumulator of WINDOW_FUNNEL: the longest chain of steps within a time limit from the first of them.
 *
 * WINDOW_FUNNEL(limit, time, step 1, step 2, ...) is ClickHouse's windowFunnel in its default mode: the greatest n for which there are
 * events of step 1, step 2, .. step n, none before the one before it and the last no later than the first plus the limit. Events of other
 * steps may lie between; an event that is of several steps may serve for each of them; steps at the same time are in order. 0: not even
 * step 1. Rows with a NULL time, and those that are of no step, are skipped.
 *
 * What counts is which steps there are at which time, so the state is an array of times, each once with the steps as bits, put in order when
 * it is read or full: rows come nearly in order, so it mostly is.
 *
 * Byte form: varint count of times; in order: zigzag time less the one before (the first: the time itself), varint bits (bit 0: step 1) */
#include <stdlib.h>
#include <string.h>

#include "core/agg_state.h"

enum { STEPS_MAX = 32 };

struct moment {
    int64_t time_ms;
    uint32_t steps;
};

struct moments {
    struct moment *items;
    uint32_t count, capacity;
    bool sorted; /* and each time once */
};

struct funnel {
    struct moments *moments; /* NULL: none yet */
};

static int by_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static void settle(struct moments *moments)
{
    uint32_t kept = 0;

    if (moments->sorted || moments->items == NULL)
        return;
    qsort(moments->items, moments->count, sizeof *moments->items, by_time);
    for (uint32_t i = 1; i < moments->count; i++) {
        if (moments->items[i].time_ms == moments->items[kept].time_ms)
            moments->items[kept].steps |= moments->items[i].steps;
        else
            moments->items[++kept] = moments->items[i];
    }
    moments->count = kept + 1;
    moments->sorted = true;
}

static bool add(struct funnel *funnel, struct moment moment, struct tl_arena *arena)
{
    struct moments *moments = funnel->moments;
    struct moment *last;

    if (moments == NULL) {
        moments = tl_arena_zalloc(arena, sizeof *moments);
        if (moments == NULL)
            return false;
        moments->sorted = true;
        funnel->moments = moments;
    }
    last = moments->count > 0 ? &moments->items[moments->count - 1] : NULL;
    if (last != NULL && last->time_ms == moment.time_ms) {
        last->steps |= moment.steps;
        return true;
    }
    if (moments->count == moments->capacity) {
        settle(moments);
        if (moments->count > moments->capacity / 2 &&
            !TL_AGG_GROW(moments->items, moments->capacity, (uint64_t)moments->count + 1, arena))
            return false;
        if (moments->capacity == 0 && !TL_AGG_GROW(moments->items, moments->capacity, 1, arena))
            return false;
        last = moments->count > 0 ? &moments->items[moments->count - 1] : NULL;
    }
    if (last != NULL && last->time_ms >= moment.time_ms) /* equal where the last is another since they were put in order */
        moments->sorted = false;
    assert(moments->items != NULL);
    moments->items[moments->count++] = moment;
    return true;
}

static bool step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tl_vec *time = tl_agg_input(state, in, 0);
    uint32_t steps_count = state->call->args_count - 1;

    assert(steps_count >= 1 && steps_count <= STEPS_MAX);
    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct moment moment = {.steps = 0};

        if (time->null[row])
            continue;
        for (uint32_t s = 0; s < steps_count; s++) {
            const struct tl_vec *met = tl_agg_input(state, in, 1 + s);

            if (!met->null[row] && met->i64[row] != 0)
                moment.steps |= UINT32_C(1) << s;
        }
        moment.time_ms = time->i64[row];
        if (moment.steps != 0 && !add(tl_agg_at(state, to->blocks[i]), moment, to->arenas[i]))
            return false;
    }
    return true;
}

static bool merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    const struct funnel *funnel = tl_agg_in(state, from);

    for (uint32_t i = 0; funnel->moments != NULL && i < funnel->moments->count; i++)
        if (!add(tl_agg_at(state, into), funnel->moments->items[i], arena))
            return false;
    return true;
}

/* For each step, the latest start of a chain that has come so far: a later start is never worse. */
static int64_t level(const struct moments *moments, uint32_t steps_count, int64_t within_ms)
{
    int64_t start_ms[STEPS_MAX];
    uint32_t reached = 0; /* steps that some chain has come to */

    for (uint32_t i = 0; i < moments->count && reached < steps_count; i++) {
        const struct moment *moment = &moments->items[i];

        for (uint32_t s = 0; s <= reached && s < steps_count; s++) {
            if (!(moment->steps >> s & 1))
                continue;
            if (s > 0 && moment->time_ms > tl_add_sat_i64(start_ms[s - 1], within_ms))
                continue;
            start_ms[s] = s == 0 ? moment->time_ms : start_ms[s - 1];
            if (s == reached)
                reached++;
        }
    }
    return reached;
}

static bool finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                   uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct funnel *funnel = tl_agg_in(state, blocks[i]);

        out->null[i] = 0;
        out->i64[i] = 0;
        if (funnel->moments == NULL)
            continue;
        settle(funnel->moments);
        out->i64[i] = level(funnel->moments, call->args_count - 1, call->within_ms);
    }
    return true;
}

static void save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct funnel *funnel = tl_agg_in(state, block);
    uint64_t before = 0;

    if (funnel->moments == NULL) {
        tl_buf_put_varint(out, 0);
        return;
    }
    settle(funnel->moments);
    tl_buf_put_varint(out, funnel->moments->count);
    for (uint32_t i = 0; i < funnel->moments->count; i++) {
        const struct moment *moment = &funnel->moments->items[i];

        tl_buf_put_zigzag(out, (int64_t)((uint64_t)moment->time_ms - before)); /* wraps, and back again */
        tl_buf_put_varint(out, moment->steps);
        before = (uint64_t)moment->time_ms;
    }
}

static enum tl_code load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    uint64_t count = tl_reader_varint(bytes), before = 0, steps;
    uint32_t steps_count = state->call->args_count - 1;

    for (uint64_t i = 0; i < count && !bytes->failed; i++) {
        struct moment moment = {.time_ms = (int64_t)(before + (uint64_t)tl_reader_zigzag(bytes))};

        steps = tl_reader_varint(bytes);
        if (bytes->failed || steps == 0 || steps >> steps_count != 0 || (i > 0 && moment.time_ms <= (int64_t)before))
            return TL_ERR_CORRUPT;
        moment.steps = (uint32_t)steps;
        if (!add(tl_agg_at(state, block), moment, arena))
            return TL_ERR_MEMORY;
        before = (uint64_t)moment.time_ms;
    }
    return bytes->failed ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_funnel = {sizeof(struct funnel), step, merge, finish, save, load};
