/* derivation.c: a view on a view: of which rows of the inner view is a differing unit made. See derivation.h. */
#include "derivation.h"

#include <stdlib.h>

#include "core/relay.h"
#include "spans.h"
#include "store/stored_chunk.h"

/* The rows of one inner view, on their way to the views that read it. */
struct reading {
    const struct tl_derivation *d;
    struct tl_relay *relay;
    uint32_t inner;
    struct tl_time_spans spans;
    struct tl_stored_chunk chunk;
    struct tl_unit *unit[TL_STORED_CHUNK_ROWS]; /* of the chunk's rows: the row is one by which the layers differ; else NULL */
    enum tl_code failure;                       /* in a call from the relay, which takes only yes or no */
    struct tl_err *err;
};

/* From the relay, for each row and the group it would go into. */
static bool is_wanted(void *ctx, uint32_t view, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    struct reading *reading = ctx;
    const struct tl_derivation *d = reading->d;
    struct tl_unit *outer;

    if (d->definitions[view] == 0)
        return false;
    if (reading->failure == TL_OK)
        reading->failure = tl_compare_claim(d->compare, &d->plan->views[view], view, start_ms, end_ms, key, &outer, reading->err);
    if (reading->failure != TL_OK || outer == NULL)
        return false;
    if (reading->unit[row] != NULL && reading->failure == TL_OK)
        reading->failure = tl_compare_link(d->compare, reading->unit[row], outer, reading->err);
    return true;
}

/* ---- rows ---- */

static enum tl_code push(struct reading *reading, struct tl_err *err)
{
    struct tl_rows rows = tl_stored_chunk_rows(&reading->chunk);
    enum tl_code rc = TL_OK;

    TL_TRY(tl_relay_push(reading->relay, reading->inner, &rows, err));
    TL_TRY(reading->failure);
    tl_stored_chunk_clear(&reading->chunk);
out:
    return rc;
}

/* The differing unit of the row, unless the other layer has the same row. */
static struct tl_unit *differing(const struct reading *reading, enum tl_side side, const struct tl_stored_row *row)
{
    const struct tl_derivation *d = reading->d;
    const struct tl_view *view = &d->plan->views[reading->inner];
    struct tl_unit *unit = tl_compare_find(d->compare, view, reading->inner, row->start_ms, row->end_ms,
                                           tl_unit_key(view, d->shapes[reading->inner], row->key));

    if (unit == NULL)
        return NULL;
    for (const struct tl_unit_row *mine = unit->stored[side]; mine != NULL; mine = mine->next)
        if (mine->equal && mine->start_ms == row->start_ms && mine->end_ms == row->end_ms && tl_sv_eq(mine->key, row->key))
            return NULL;
    return unit;
}

/* A row's time is its window_time, the last millisecond before its end. */
static enum tl_code read_span(struct reading *reading, enum tl_side side, const struct tl_time_span *span, struct tl_err *err)
{
    static const enum tl_layer layers[TL_SIDES] = {TL_LAYER_SPEED, TL_LAYER_BATCH};
    const struct tl_derivation *d = reading->d;
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    enum tl_code rc = TL_OK;

    TL_TRY(
        tl_store_cursor_open(d->store, d->definitions[reading->inner], layers[side], span->from_ms, span->to_ms, &cursor, err));
    for (;;) {
        TL_TRY(tl_store_cursor_next(cursor, &row, err));
        if (row == NULL)
            break;
        reading->unit[reading->chunk.count] = differing(reading, side, row);
        TL_TRY(tl_stored_chunk_add(&reading->chunk, row, err));
        if (tl_stored_chunk_full(&reading->chunk))
            TL_TRY(push(reading, err));
    }
    TL_TRY(push(reading, err));
out:
    if (cursor != NULL)
        tl_store_cursor_close(cursor);
    return rc;
}

/* ---- what comes out ---- */

static enum tl_code settle(struct reading *reading, enum tl_side side, struct tl_err *err)
{
    const struct tl_window_options options = {.ranges_count = 1, .whole = true};
    const struct tl_plan *plan = reading->d->plan;
    struct tl_window *window = NULL;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++) {
        if (plan->views[v].inner != (int32_t)reading->inner)
            continue;
        TL_TRY(tl_window_open(&plan->views[v], &options, &window, err));
        TL_TRY(tl_relay_deliver(reading->relay, v, window, err));
        TL_TRY(tl_compare_settle(reading->d->compare, &plan->views[v], v, reading->d->shapes[v], side, window,
                                 reading->d->waiting, err));
        tl_window_close(window);
        window = NULL;
    }
out:
    tl_window_close(window);
    return rc;
}

/* ---- one inner view ---- */

/* Times of inner rows of which differing units may be made. */
static enum tl_code find_spans(struct reading *reading, struct tl_err *err)
{
    const struct tl_derivation *d = reading->d;

    for (uint32_t u = 0; u < tl_compare_units(d->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(d->compare, u);
        const struct tl_view *view = &d->plan->views[unit->view];
        /* Without windows of its own, it has those of the inner rows, and these have their time at the end. */
        int64_t from_ms = view->window.window == TL_WINDOW_INNER ? unit->end_ms - 1 : unit->start_ms;

        if (view->inner == (int32_t)reading->inner && !unit->left_out &&
            !tl_time_spans_add(&reading->spans, from_ms, unit->end_ms))
            return tl_fail_memory(err, reading->spans.count * sizeof(struct tl_time_span));
    }
    for (uint32_t v = 0; v < d->plan->views_count; v++)
        if (d->plan->views[v].inner == (int32_t)reading->inner && d->definitions[v] != 0 &&
            !tl_compare_full_spans(d->compare, v, &reading->spans))
            return tl_fail_memory(err, reading->spans.count * sizeof(struct tl_time_span));
    tl_time_spans_settle(&reading->spans);
    return TL_OK;
}

static enum tl_code prove_readers(const struct tl_derivation *d, uint32_t inner, struct tl_err *err)
{
    const struct tl_window_options options = {.ranges_count = 1, .whole = true};
    struct reading *reading = calloc(1, sizeof *reading);
    enum tl_code rc = TL_OK;

    if (reading == NULL)
        return tl_fail_memory(err, sizeof *reading);
    reading->d = d;
    reading->inner = inner;
    reading->err = err;
    TL_TRY(find_spans(reading, err));
    if (reading->spans.count == 0)
        goto out;
    TL_TRY(tl_stored_chunk_init(&reading->chunk, d->shapes[inner], d->plan->views[inner].window.zone, err));
    TL_TRY(tl_relay_open(d->plan, &options, &reading->relay, err));
    tl_relay_ask(reading->relay, is_wanted, reading);
    for (int side = 0; side < TL_SIDES; side++) {
        for (size_t s = 0; s < reading->spans.count; s++)
            TL_TRY(read_span(reading, (enum tl_side)side, &reading->spans.items[s], err));
        TL_TRY(settle(reading, (enum tl_side)side, err));
    }
out:
    tl_relay_close(reading->relay);
    tl_time_spans_done(&reading->spans);
    tl_stored_chunk_done(&reading->chunk);
    free(reading);
    return rc;
}

enum tl_code tl_derivation_prove(const struct tl_derivation *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < d->plan->views_count; v++)
        if (d->definitions[v] != 0)
            TL_TRY(prove_readers(d, v, err));
out:
    return rc;
}
