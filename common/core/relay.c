/* relay.c: hands the final rows of a windowed view to the views that read it. See relay.h. */
#include "core/relay.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/expr.h"
#include "sql/shape.h"

/* One that reads another. */
struct reader {
    struct tl_window *window; /* NULL: the view reads the source */
    struct tl_agg_layout layout;
    struct tl_vec *keys, *inputs, *outputs;
};

struct tl_relay {
    const struct tl_plan *plan;
    struct tl_window_options options;
    struct reader *readers; /* per view */
    bool (*wanted)(void *ctx, uint32_t view, uint32_t row, int64_t start_ms, int64_t end_ms,
                   struct tl_sv key); /* NULL: all are */
    void *wanted_ctx;
    int64_t only; /* -1: rows go to all that read them */
    bool of_open; /* in this push */
    struct tl_arena arena, scratch;
    /* By row: */
    uint32_t capacity;
    uint32_t *selected, *range, *partition, *number;
    int64_t *time_ms;
    const char **failed;
    uint8_t *null;
    struct tl_memories memories;
};

/* ---- opening ---- */

static enum tl_code open_reader(struct tl_relay *relay, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &relay->plan->views[v];
    struct reader *reader = &relay->readers[v];
    enum tl_code rc = TL_OK;

    TL_TRY(tl_window_open(view, &relay->options, &reader->window, err));
    TL_TRY(tl_agg_layout_init(&reader->layout, view->aggs, view->aggs_count, &relay->arena, err));
    reader->keys = tl_arena_zalloc(&relay->arena, (view->keys_count + 1) * sizeof *reader->keys);
    reader->inputs = tl_arena_zalloc(&relay->arena, (reader->layout.inputs_count + 1) * sizeof *reader->inputs);
    reader->outputs = tl_arena_zalloc(&relay->arena, (view->outputs_count + 1) * sizeof *reader->outputs);
    if (reader->keys == NULL || reader->inputs == NULL || reader->outputs == NULL)
        TL_TRY(tl_fail_memory(err, view->outputs_count * sizeof *reader->outputs));
out:
    return rc;
}

enum tl_code tl_relay_open(const struct tl_plan *plan, const struct tl_window_options *options, struct tl_relay **out,
                           struct tl_err *err)
{
    struct tl_relay *relay = NULL;
    bool needed = false;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++)
        needed = needed || plan->views[v].inner >= 0;
    *out = NULL;
    if (!needed)
        return TL_OK;
    relay = calloc(1, sizeof *relay);
    if (relay == NULL)
        return tl_fail_memory(err, sizeof *relay);
    relay->plan = plan;
    relay->only = -1;
    if (options != NULL)
        relay->options = *options;
    tl_arena_init(&relay->arena, 1u << 12, 0);
    tl_arena_init(&relay->scratch, 1u << 14, 0);
    relay->readers = calloc(plan->views_count, sizeof *relay->readers);
    if (relay->readers == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *relay->readers));
    for (uint32_t v = 0; v < plan->views_count; v++)
        if (plan->views[v].inner >= 0)
            TL_TRY(open_reader(relay, v, err));
    *out = relay;
    relay = NULL;
out:
    tl_relay_close(relay);
    return rc;
}

void tl_relay_close(struct tl_relay *relay)
{
    if (relay == NULL)
        return;
    for (uint32_t v = 0; relay->readers != NULL && v < relay->plan->views_count; v++)
        tl_window_close(relay->readers[v].window);
    free(relay->readers);
    free(relay->selected);
    free(relay->range);
    free(relay->partition);
    free(relay->number);
    free(relay->time_ms);
    free(relay->failed);
    tl_memories_done(&relay->memories);
    free(relay->null);
    tl_arena_done(&relay->arena);
    tl_arena_done(&relay->scratch);
    free(relay);
}

static bool follow_capacity(struct tl_relay *relay, uint32_t rows)
{
    if (rows <= relay->capacity)
        return true;
    if (!TL_RESIZE(relay->selected, rows) || !TL_RESIZE(relay->range, rows) || !TL_RESIZE(relay->partition, rows) ||
        !TL_RESIZE(relay->number, rows) || !TL_RESIZE(relay->time_ms, rows) || !TL_RESIZE(relay->failed, rows) ||
        !TL_RESIZE(relay->null, rows))
        return false;
    memset(relay->null, 0, rows);
    relay->capacity = rows;
    return true;
}

void tl_relay_ask(struct tl_relay *relay,
                  bool (*wanted)(void *ctx, uint32_t view, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key),
                  void *ctx)
{
    relay->wanted = wanted;
    relay->wanted_ctx = ctx;
}

void tl_relay_only(struct tl_relay *relay, uint32_t view)
{
    relay->only = view;
}

/* ---- rows ---- */

struct wanted_ctx {
    const struct tl_relay *relay;
    uint32_t view;
};

static bool is_wanted(void *ctx, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key, int64_t *watermark_ms)
{
    const struct wanted_ctx *w = ctx;

    (void)watermark_ms; /* nothing is late */
    return w->relay->wanted(w->relay->wanted_ctx, w->view, row, start_ms, end_ms, key);
}

static bool eval_columns(struct tl_eval *eval, const struct tl_expr *const *exprs, uint32_t count, const uint32_t *rows,
                         uint32_t rows_count, struct tl_vec *out)
{
    for (uint32_t i = 0; i < count; i++)
        if (!tl_expr_eval(eval, exprs[i], rows, rows_count, &out[i]))
            return false;
    return true;
}

/* A row whose evaluation fails is left out: both layers leave it out. */
static uint32_t drop_failed(struct tl_relay *relay, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        if (!relay->failed[relay->selected[i]])
            relay->selected[kept++] = relay->selected[i];
    return kept;
}

static enum tl_code push_to(struct tl_relay *relay, uint32_t v, const struct tl_rows *rows, const struct tl_vec *time,
                            struct tl_err *err)
{
    const struct tl_view *view = &relay->plan->views[v], *inner = &relay->plan->views[view->inner];
    struct reader *reader = &relay->readers[v];
    struct tl_eval eval = {.slots = rows->columns,
                           .slots_count = inner->outputs_count,
                           .event_time = time,
                           .rows_count = rows->count,
                           .arena = &relay->scratch,
                           .failed = relay->failed,
                           .memories = &relay->memories};
    struct tl_window_verdict verdict = {0};
    struct wanted_ctx wanted = {relay, v};
    struct tl_window_rows in = {
        .rows = relay->selected,
        .time_ms = relay->time_ms,
        .range = relay->options.bounds != NULL ? relay->range : NULL,
        .keys = reader->keys,
        .agg = {.inputs = reader->inputs,
                .time_ms = relay->time_ms,
                .offset = rows->start_ms,
                .partition = relay->partition,
                .number = relay->number},
        .start_ms = rows->start_ms,
        .end_ms = rows->end_ms,
        .row_key = rows->key,
        .outputs = reader->outputs,
        .wanted = relay->wanted != NULL ? is_wanted : NULL,
        .wanted_ctx = &wanted
    };
    uint32_t count = rows->count;

    tl_arena_reset(&relay->scratch);
    memset(relay->failed, 0, rows->count * sizeof *relay->failed);
    for (uint32_t i = 0; i < rows->count; i++)
        relay->selected[i] = i;
    if (view->filter != NULL && !relay->of_open &&
        (count = tl_expr_filter(&eval, view->filter, relay->selected, count)) == UINT32_MAX)
        return tl_fail_memory(err, 0);
    if (!eval_columns(&eval, (const struct tl_expr *const *)view->keys, view->keys_count, relay->selected, count, reader->keys) ||
        !eval_columns(&eval, reader->layout.inputs, reader->layout.inputs_count, relay->selected, count, reader->inputs))
        return tl_fail_memory(err, 0);
    for (uint32_t o = 0; view->inner_rows && o < view->outputs_count; o++)
        if (!tl_expr_eval(&eval, view->outputs[o].expr, relay->selected, count, &reader->outputs[o]))
            return tl_fail_memory(err, 0);
    in.rows_count = relay->of_open ? count : drop_failed(relay, count);
    return tl_window_push(reader->window, &in, &verdict, err);
}

/* A row has no place in a log; what orders those of one window is the same in both layers: the window's start as the offset, and a hash of the key. */
static void put_place(struct tl_relay *relay, uint32_t row, struct tl_sv key)
{
    uint64_t hash = tl_hash_bytes(key);

    relay->partition[row] = (uint32_t)(hash >> 32);
    relay->number[row] = (uint32_t)hash;
}

enum tl_code tl_relay_push(struct tl_relay *relay, uint32_t inner, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_vec time = {.kind = TL_TIMESTAMP};
    uint32_t range = 0;
    enum tl_code rc = TL_OK;

    if (relay == NULL || rows->count == 0)
        return TL_OK;
    if (!follow_capacity(relay, rows->count))
        return tl_fail_memory(err, rows->count * sizeof *relay->time_ms);
    for (uint32_t i = 0; i < rows->count; i++) {
        relay->time_ms[i] = rows->end_ms[i] - 1;
        put_place(relay, i, rows->key[i]);
        if (relay->options.bounds != NULL)
            relay->range[i] = range = tl_range_of(relay->options.bounds, relay->options.ranges_count, relay->time_ms[i], range);
    }
    time.null = relay->null;
    time.i64 = relay->time_ms;
    for (uint32_t v = 0; v < relay->plan->views_count; v++)
        if (relay->plan->views[v].inner == (int32_t)inner && (relay->only < 0 || relay->only == v))
            TL_TRY(push_to(relay, v, rows, &time, err));
out:
    return rc;
}

enum tl_code tl_relay_push_open(struct tl_relay *relay, uint32_t inner, const struct tl_rows *rows, struct tl_err *err)
{
    enum tl_code rc;

    if (relay == NULL)
        return TL_OK;
    relay->of_open = true;
    rc = tl_relay_push(relay, inner, rows, err);
    relay->of_open = false;
    return rc;
}

enum tl_code tl_relay_deliver(struct tl_relay *relay, uint32_t outer, struct tl_window *into, struct tl_err *err)
{
    if (relay == NULL || relay->readers[outer].window == NULL)
        return TL_OK;
    return tl_window_merge(into, relay->readers[outer].window, err);
}

/* ---- a stream ---- */

struct finals {
    struct tl_relay *relay;
    uint32_t view;
};

static enum tl_code take_finals(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct finals *finals = ctx;

    return tl_relay_push(finals->relay, finals->view, rows, err);
}

static bool is_read(const struct tl_plan *plan, uint32_t view)
{
    for (uint32_t v = view + 1; v < plan->views_count; v++)
        if (plan->views[v].inner == (int32_t)view)
            return true;
    return false;
}

int64_t tl_relay_watermark_ms(const struct tl_plan *plan, uint32_t view, const int64_t *watermark_ms)
{
    int64_t inner_ms;

    if (plan->views[view].inner < 0)
        return watermark_ms[plan->views[view].source];
    inner_ms = tl_relay_watermark_ms(plan, (uint32_t)plan->views[view].inner, watermark_ms);
    return inner_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(inner_ms, -plan->views[plan->views[view].inner].lateness_ms);
}

enum tl_code tl_relay_advance(struct tl_relay *relay, struct tl_partial *all, const int64_t *watermark_ms, struct tl_err *err)
{
    const struct tl_plan *plan = all->plan;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct tl_partial_view *mine = &all->views[v];
        struct tl_window_judged judged = {0};
        struct finals finals = {relay, v};

        if (mine->window == NULL)
            continue;
        TL_TRY(tl_relay_deliver(relay, v, mine->window, err));
        TL_TRY(tl_window_advance(mine->window, tl_relay_watermark_ms(plan, v, watermark_ms), &judged, err));
        for (size_t i = 0; i < judged.lines_count; i++)
            if (!tl_ledger_add(&mine->ledger, &judged.lines[i]))
                TL_TRY(tl_fail_memory(err, sizeof *judged.lines));
        for (int o = 0; o < TL_OUTCOMES; o++)
            mine->outcomes[0][o] += judged.outcomes[o];
        if (is_read(plan, v))
            TL_TRY(tl_window_finals(mine->window, take_finals, &finals, err));
    }
out:
    return rc;
}

/* ---- batch ---- */

struct tee {
    struct tl_relay *relay;
    uint32_t view;
    tl_rows_sink sink;
    void *ctx;
};

static enum tl_code take_both(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct tee *tee = ctx;
    enum tl_code rc = TL_OK;

    TL_TRY(tee->sink(tee->ctx, rows, err));
    TL_TRY(tl_relay_push(tee->relay, tee->view, rows, err));
out:
    return rc;
}

enum tl_code tl_relay_retire(struct tl_relay *relay, struct tl_partial *all, uint32_t view, int64_t upto_ms, tl_rows_sink sink,
                             void *ctx, struct tl_err *err)
{
    struct tl_window *window = all->views[view].window;
    const struct tl_view *mine = &all->plan->views[view];
    struct tee tee = {relay, view, sink, ctx};
    enum tl_code rc = TL_OK;

    if (window == NULL)
        return TL_OK;
    TL_TRY(tl_relay_deliver(relay, view, window, err));
    /* What a session that ends at upto_ms gives is still to come; sessions themselves see to that. */
    if (mine->inner >= 0 && tl_view_ends_open(all->plan, &all->plan->views[mine->inner]) && upto_ms != INT64_MAX)
        upto_ms--;
    TL_TRY(tl_window_retire(window, upto_ms, is_read(all->plan, view) ? take_both : sink, is_read(all->plan, view) ? &tee : ctx,
                            err));
out:
    return rc;
}
