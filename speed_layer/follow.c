/* follow.c: brings a view on a view to where the one it reads stands. See follow.h. */
#include "follow.h"

#include <stdlib.h>
#include <string.h>

#include "main/stop.h"
#include "store/stored_chunk.h"
#include "tick.h"

#ifdef TL_TINY
enum { COMMIT_ROWS = 3 };
#else
enum { COMMIT_ROWS = 1 << 16 }; /* of the inner view, between two commits */
#endif

struct follow {
    const struct tl_lane *lane;
    uint32_t view, inner; /* numbers in the plan */
    struct tl_store *store;
    struct tl_definition inner_definition;
    struct tl_tick tick;
    struct tl_stored_chunk chunk;
    int64_t upto_ms; /* the outer view has had the inner one's rows up to here */
};

static enum tl_code push(struct follow *f, struct tl_err *err)
{
    struct tl_rows rows = tl_stored_chunk_rows(&f->chunk);
    enum tl_code rc = TL_OK;

    TL_TRY(tl_relay_push(f->tick.relay, f->inner, &rows, err));
    tl_stored_chunk_clear(&f->chunk);
out:
    return rc;
}

/* Reads on up to an end behind which enough rows have come. *upto_ms: all rows with ends up to there are read. */
static enum tl_code read_some(struct follow *f, int64_t *upto_ms, struct tl_err *err)
{
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    int64_t final_ms = f->inner_definition.final_ms, last_ms = f->upto_ms;
    uint64_t count = 0;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(f->store, err));
    TL_TRY(tl_store_cursor_open(f->store, f->inner_definition.id, TL_LAYER_SPEED, f->upto_ms, final_ms, &cursor, err));
    for (;;) {
        TL_TRY(tl_store_cursor_next(cursor, &row, err));
        if (row == NULL) {
            last_ms = final_ms;
            break;
        }
        if (count >= COMMIT_ROWS && row->end_ms > last_ms)
            break;
        last_ms = row->end_ms;
        count++;
        TL_TRY(tl_stored_chunk_add(&f->chunk, row, err));
        if (tl_stored_chunk_full(&f->chunk))
            TL_TRY(push(f, err));
    }
    TL_TRY(push(f, err));
    *upto_ms = last_ms;
out:
    if (cursor != NULL)
        tl_store_cursor_close(cursor);
    tl_store_rollback(f->store);
    return rc;
}

/* The source's watermark by which the inner view's windows up to this are final. */
static int64_t watermark_of(const struct follow *f, int64_t final_ms)
{
    const struct tl_plan *plan = f->lane->plan;
    int64_t watermark_ms = tl_add_sat_i64(final_ms, -1);

    for (int32_t v = (int32_t)f->inner; v >= 0; v = plan->views[v].inner)
        watermark_ms = tl_add_sat_i64(watermark_ms, plan->views[v].lateness_ms);
    return watermark_ms;
}

static enum tl_code commit(struct follow *f, int64_t upto_ms, struct tl_err *err)
{
    const struct tl_plan *plan = f->lane->plan;
    struct tl_window *window = f->tick.all->views[f->view].window;
    struct tl_window_judged judged;
    enum tl_code rc = TL_OK;

    f->tick.judged_ms[plan->views[f->view].source] = watermark_of(f, upto_ms);
    TL_TRY(tl_relay_deliver(f->tick.relay, f->view, window, err));
    TL_TRY(tl_window_advance(window, tl_relay_watermark_ms(plan, f->view, f->tick.judged_ms), &judged, err));
    TL_TRY(tl_tick_commit(&f->tick, err));
    TL_TRY(tl_tick_settle(&f->tick, err));
    f->upto_ms = upto_ms;
out:
    return rc;
}

/* ---- what the inner view has read ---- */

struct reading {
    struct tl_position *positions;
    uint32_t positions_count;
    struct tl_ledger lines;
};

static enum tl_code take_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct reading *reading = ctx;

    if (!TL_RESIZE(reading->positions, reading->positions_count + 1))
        return tl_fail_memory(err, (reading->positions_count + 1) * sizeof *position);
    reading->positions[reading->positions_count++] = *position;
    return TL_OK;
}

/* What is said of an event whoever reads it; what one view refuses is that view's alone. */
static enum tl_code take_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct reading *reading = ctx;
    struct tl_ledger_line mine = *line;

    mine.function = NULL; /* it lives for the call, and is of a cause that is not taken */
    if (line->cause != TL_CAUSE_DUPLICATE && line->cause != TL_CAUSE_FUTURE_EVENT && line->cause != TL_CAUSE_OFFSET_GAP) {
        if (line->flags == 0)
            return TL_OK;
        mine.cause = TL_CAUSE_NONE;
    }
    return tl_ledger_add(&reading->lines, &mine) ? TL_OK : tl_fail_memory(err, sizeof mine);
}

/* The outer view has read what the inner one has: positions, outcomes, the ledger's lines of events. */
static enum tl_code take_reading(struct follow *f, int64_t epoch, struct tl_err *err)
{
    int64_t inner = f->inner_definition.id, outer = f->lane->definitions[f->view], change;
    uint64_t theirs[TL_OUTCOMES], mine[TL_OUTCOMES], identity;
    struct reading reading = {0};
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_tick(f->store, epoch, &change, err));
    TL_TRY(tl_store_positions(f->store, inner, take_position, &reading, &identity, err));
    TL_TRY(tl_store_ledger(f->store, inner, 0, INT64_MIN, INT64_MAX, take_line, &reading, err));
    TL_TRY(tl_store_outcomes(f->store, inner, 0, theirs, err));
    TL_TRY(tl_store_outcomes(f->store, outer, 0, mine, err));
    for (int o = 0; o < TL_OUTCOMES; o++)
        theirs[o] -= mine[o];
    TL_TRY(tl_store_add_outcomes(f->store, outer, theirs, err));
    TL_TRY(tl_store_put_ledger(f->store, outer, 0, reading.lines.lines, reading.lines.count, err));
    for (uint32_t p = 0; p < reading.positions_count; p++)
        TL_TRY(tl_store_put_position(f->store, outer, &reading.positions[p], err));
    TL_TRY(tl_store_put_identity(f->store, outer, identity, err));
    TL_TRY(tl_store_commit(f->store, err));
out:
    tl_store_rollback(f->store);
    free(reading.positions);
    free(reading.lines.lines);
    return rc;
}

int64_t tl_follow_upto_ms(const struct tl_view *view, int64_t final_ms)
{
    return final_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(final_ms, view->lateness_ms);
}

enum tl_code tl_follow(const struct tl_lane *lane, uint32_t v, const struct tl_shape *inner_shape, int64_t inner_definition,
                       struct tl_store *store, int64_t epoch, bool *done, struct tl_err *err)
{
    const struct tl_view *view = &lane->plan->views[v];
    struct follow *f = calloc(1, sizeof *f);
    enum tl_code rc = TL_OK;

    if (f == NULL)
        return tl_fail_memory(err, sizeof *f);
    *done = false;
    f->lane = lane;
    f->view = v;
    f->inner = (uint32_t)view->inner;
    f->store = store;
    TL_TRY(tl_store_definition(store, inner_definition, &f->inner_definition, err));
    TL_TRY(tl_stored_chunk_init(&f->chunk, inner_shape, lane->plan->views[f->inner].window.zone, err));
    TL_TRY(tl_tick_open(&f->tick, lane, store, epoch, NULL, 0, err));
    tl_relay_only(f->tick.relay, v);
    f->upto_ms = tl_follow_upto_ms(view, lane->final_ms[v]);
    while (f->upto_ms < f->inner_definition.final_ms) {
        int64_t upto_ms;

        if (tl_stop_requested())
            goto out;
        TL_TRY(read_some(f, &upto_ms, err));
        TL_TRY(commit(f, upto_ms, err));
    }
    TL_TRY(take_reading(f, epoch, err));
    *done = true;
out:
    tl_tick_close(&f->tick);
    tl_stored_chunk_done(&f->chunk);
    free(f);
    return rc;
}
