/* moves.c: which events a changed definition counts, or counts in another way, and why. See moves.h. */
#include "moves.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An event in a view, on one side. */
struct place {
    uint32_t groups_count;
    uint64_t windows, keys; /* sums of hashes: equal for equal sets, however they are ordered */
};

/* It belongs to a unit that differs. */
struct event {
    uint32_t view;
    struct tl_moved_sample at;
    struct place place[TL_BOTH];
    bool archived_later; /* OLD's rows were published without it */
    size_t goes;         /* the last of the units that it goes into: its number in them + 1 */
};

/* A unit that an event goes into, of those that are chosen. */
struct goes {
    size_t before; /* the event's one before it, as event.goes */
    struct tl_preview_unit *unit;
};

/* An event that goes into a group that does not differ: of no matter, unless it goes into one that does on the other side. */
struct passer {
    uint32_t view, side, partition, row;
    int64_t offset;
    uint64_t window, key;
    bool later; /* OLD's rows were published without it */
};

struct refusal {
    enum tl_cause cause;
    const char *name;
};

/* A thread's messages at hand. */
struct lane {
    struct tl_table events;   /* -> struct event */
    struct tl_table refusals; /* -> struct refusal */
    struct goes *goes;
    size_t goes_count, goes_capacity;
    struct passer *passers;
    size_t passers_count, passers_capacity;
    struct tl_buf scratch;
    bool out_of_memory; /* in a call from the core, which takes only yes or no */
};

struct tl_moves {
    const struct tl_moves_view *views;
    uint32_t views_count;
    struct lane *lanes;
    uint32_t lanes_count;
    pthread_mutex_t lock; /* of what the previews are told */
    uint64_t judged_count;
};

enum { KEY_BYTES = 24 };

enum tl_code tl_moves_open(const struct tl_moves_view *views, uint32_t views_count, uint32_t threads, struct tl_moves **out,
                           struct tl_err *err)
{
    struct tl_moves *moves = calloc(1, sizeof *moves);

    if (moves == NULL)
        return tl_fail_memory(err, sizeof *moves);
    pthread_mutex_init(&moves->lock, NULL);
    moves->views = views;
    moves->views_count = views_count;
    moves->lanes = calloc(threads, sizeof *moves->lanes);
    if (moves->lanes == NULL) {
        tl_moves_close(moves);
        return tl_fail_memory(err, threads * sizeof *moves->lanes);
    }
    moves->lanes_count = threads;
    for (uint32_t t = 0; t < threads; t++) {
        tl_table_init(&moves->lanes[t].events, sizeof(struct event), 0);
        tl_table_init(&moves->lanes[t].refusals, sizeof(struct refusal), 0);
        tl_buf_init(&moves->lanes[t].scratch, 0);
    }
    *out = moves;
    return TL_OK;
}

void tl_moves_close(struct tl_moves *moves)
{
    if (moves == NULL)
        return;
    for (uint32_t t = 0; moves->lanes != NULL && t < moves->lanes_count; t++) {
        tl_table_done(&moves->lanes[t].events);
        tl_table_done(&moves->lanes[t].refusals);
        tl_buf_done(&moves->lanes[t].scratch);
        free(moves->lanes[t].goes);
        free(moves->lanes[t].passers);
    }
    pthread_mutex_destroy(&moves->lock);
    free(moves->lanes);
    free(moves);
}

/* `of`: a view here, or what stands for a side's source. */
static struct tl_sv key_of(char out[KEY_BYTES], uint32_t of, uint32_t side, uint32_t partition, int64_t offset, uint32_t row)
{
    memcpy(out, &offset, 8);
    memcpy(out + 8, &of, 4);
    memcpy(out + 12, &side, 4);
    memcpy(out + 16, &partition, 4);
    memcpy(out + 20, &row, 4);
    return (struct tl_sv){out, KEY_BYTES};
}

/* ---- what the cores say ---- */

static bool came_later(const struct tl_moves_view *view, const struct tl_core_event *event)
{
    uint32_t low = 0, high = view->published_count;
    const struct tl_published_range *range;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (view->published[middle].to_ms <= event->time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == view->published_count)
        return false;
    range = &view->published[low];
    for (uint32_t o = 0; o < range->offsets_count; o++)
        if (range->offsets[o].partition == event->partition)
            return event->offset >= range->offsets[o].next_offset;
    return true; /* the partition had nothing on record then */
}

static struct event *event_of(struct lane *lane, uint32_t view, enum tl_before_after side, const struct tl_core_event *event)
{
    char bytes[KEY_BYTES];
    struct tl_sv key = key_of(bytes, view, 0, event->partition, event->offset, event->row);
    bool is_new;
    struct event *mine = tl_table_put(&lane->events, tl_hash_bytes(key), key, &is_new);

    if (mine == NULL)
        return NULL;
    if (is_new) {
        mine->view = view;
        mine->at = (struct tl_moved_sample){.of = side,
                                            .source = event->source,
                                            .partition = event->partition,
                                            .row = event->row,
                                            .offset = event->offset,
                                            .time_ms = event->time_ms};
    }
    return mine;
}

static bool add_goes(struct lane *lane, struct event *event, struct tl_preview_unit *unit)
{
    if (lane->goes_count == lane->goes_capacity) {
        size_t capacity = lane->goes_capacity * 2 + TL_BATCH_ROWS;

        if (!TL_RESIZE(lane->goes, capacity))
            return false;
        lane->goes_capacity = capacity;
    }
    lane->goes[lane->goes_count++] = (struct goes){event->goes, unit};
    event->goes = lane->goes_count;
    return true;
}

static bool add_passer(struct lane *lane, const struct passer *passer)
{
    if (lane->passers_count == lane->passers_capacity) {
        size_t capacity = lane->passers_capacity * 2 + TL_BATCH_ROWS;

        if (!TL_RESIZE(lane->passers, capacity))
            return false;
        lane->passers_capacity = capacity;
    }
    lane->passers[lane->passers_count++] = *passer;
    return true;
}

static void add_place(struct place *place, uint64_t window, uint64_t key)
{
    place->groups_count++;
    place->windows += window;
    place->keys += key;
}

bool tl_moves_ask(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                  int64_t *watermark_ms)
{
    const struct tl_moves_side *of = ctx;
    struct lane *lane = &of->moves->lanes[of->thread];
    int32_t number = of->views[view];
    const struct tl_moves_view *mine = number >= 0 ? &of->moves->views[number] : NULL;
    char row_key[TL_EVENT_KEY_BYTES];
    int64_t window[2] = {start_ms, end_ms};
    struct passer passer = {(uint32_t)number, of->side, event->partition, event->row, event->offset, 0, 0, false};
    struct tl_preview_unit *unit;
    struct event *known;
    bool later, own, ok;

    (void)watermark_ms;
    if (mine == NULL)
        return true; /* read by one that is asked for */
    if (!mine->preview->change->windowed[of->side]) {
        tl_event_key(event->partition, event->offset, event->row, row_key);
        key = (struct tl_sv){row_key, sizeof row_key};
    }
    later = of->side == TL_OLD && mine->published != NULL && came_later(mine, event);
    unit = tl_preview_find(mine->preview, &lane->scratch, of->side, start_ms, end_ms, key, &own);
    if (unit == NULL && mine->preview->stands)
        return false;
    passer.later = later;
    passer.window = tl_hash_bytes((struct tl_sv){(const char *)window, sizeof window});
    passer.key = tl_hash_bytes(tl_preview_key(mine->preview, &lane->scratch, of->side, key));
    if (unit == NULL) {
        lane->out_of_memory = !add_passer(lane, &passer) || lane->out_of_memory;
        return false;
    }
    known = event_of(lane, (uint32_t)number, of->side, event);
    ok = known != NULL;
    if (ok && later) {
        known->archived_later = true;
        return false;
    }
    if (ok) {
        add_place(&known->place[of->side], passer.window, passer.key);
        ok = !unit->chosen || add_goes(lane, known, unit);
    }
    lane->out_of_memory = lane->out_of_memory || !ok;
    return own && mine->preview->proves[of->side];
}

enum tl_code tl_moves_refused(void *ctx, uint32_t source, uint32_t view, const struct tl_ledger_line *lines, size_t count,
                              struct tl_err *err)
{
    const struct tl_moves_side *of = ctx;
    uint32_t what = view == UINT32_MAX ? source : (uint32_t)of->views[view] | 0x80000000u;

    if (view != UINT32_MAX && of->views[view] < 0)
        return TL_OK;
    for (size_t l = 0; l < count; l++) {
        char bytes[KEY_BYTES];
        struct tl_sv key = key_of(bytes, what, of->side, lines[l].partition, lines[l].offset, lines[l].row);
        struct refusal *mine;

        if (lines[l].cause == TL_CAUSE_NONE)
            continue;
        mine = tl_table_put(&of->moves->lanes[of->thread].refusals, tl_hash_bytes(key), key, NULL);
        if (mine == NULL)
            return tl_fail_memory(err, sizeof *mine);
        *mine = (struct refusal){lines[l].cause, lines[l].function};
    }
    return TL_OK;
}

enum tl_code tl_moves_rows(void *ctx, uint32_t view, const struct tl_rows *rows, struct tl_err *err)
{
    const struct tl_moves_side *of = ctx;
    struct tl_preview *preview = of->views[view] >= 0 ? of->moves->views[of->views[view]].preview : NULL;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; preview != NULL && i < rows->count; i++)
        TL_TRY(tl_preview_came_out(preview, of->side, rows->start_ms[i], rows->end_ms[i], rows->key[i],
                                   tl_preview_columns(preview, of->side, rows, i), err));
out:
    return rc;
}

/* ---- judging ---- */

static const struct refusal *refusal_of(const struct tl_moves *moves, const struct lane *lane, const struct event *event,
                                        enum tl_before_after side)
{
    const struct tl_moves_view *view = &moves->views[event->view];
    const uint32_t whats[] = {event->view | 0x80000000u, view->source[side]};

    for (size_t w = 0; w < TL_COUNT(whats); w++) {
        char bytes[KEY_BYTES];
        struct tl_sv key = key_of(bytes, whats[w], side, event->at.partition, event->at.offset, event->at.row);
        const struct refusal *refusal = tl_table_find(&lane->refusals, tl_hash_bytes(key), key);

        if (refusal != NULL)
            return refusal;
    }
    return NULL;
}

/* Why a side does not count it. */
static enum tl_moved_why missing_why(const struct tl_moves *moves, const struct lane *lane, const struct event *event,
                                     enum tl_before_after side, const char **name)
{
    const struct tl_change *change = moves->views[event->view].preview->change;
    const struct refusal *refusal = refusal_of(moves, lane, event, side);

    if (side == TL_OLD && event->archived_later)
        return TL_MOVED_ARCHIVED;
    if (refusal == NULL)
        return change->events_same || change->filter_differs ? TL_MOVED_FILTER : TL_MOVED_EVENT;
    switch (refusal->cause) {
    case TL_CAUSE_DQ_REJECT: *name = refusal->name; return TL_MOVED_CHECK;
    case TL_CAUSE_EVAL_ERROR: *name = refusal->name; return TL_MOVED_FUNCTION;
    case TL_CAUSE_DUPLICATE: return TL_MOVED_DUPLICATE;
    default: return TL_MOVED_EVENT;
    }
}

/* False: both count it as they did. */
static bool why(const struct tl_moves *moves, const struct lane *lane, const struct event *event, enum tl_moved_why *out,
                enum tl_before_after *side, const char **name)
{
    const struct tl_preview *preview = moves->views[event->view].preview;
    const struct place *was = &event->place[TL_OLD], *is = &event->place[TL_NEW];
    bool windows, keys;

    *name = NULL;
    if (was->groups_count == 0 || is->groups_count == 0) {
        *side = was->groups_count > 0 ? TL_OLD : TL_NEW;
        *out = missing_why(moves, lane, event, *side == TL_OLD ? TL_NEW : TL_OLD, name);
        return was->groups_count + is->groups_count > 0;
    }
    *side = TL_BOTH;
    windows = was->windows != is->windows || (preview->spans && preview->change->window_differs);
    keys = was->keys != is->keys && (!windows || was->groups_count == is->groups_count);
    *out = windows && keys ? TL_MOVED_BOTH : windows ? TL_MOVED_WINDOW : keys ? TL_MOVED_KEY : TL_MOVED_VALUES;
    return *out != TL_MOVED_VALUES || preview->change->values_differ;
}

/* What they come to in groups that do not differ. */
static void place_passers(struct lane *lane)
{
    for (size_t p = 0; lane->events.count > 0 && p < lane->passers_count; p++) {
        const struct passer *passer = &lane->passers[p];
        char bytes[KEY_BYTES];
        struct tl_sv key = key_of(bytes, passer->view, 0, passer->partition, passer->offset, passer->row);
        struct event *event = tl_table_find(&lane->events, tl_hash_bytes(key), key);

        if (event != NULL && passer->later)
            event->archived_later = true;
        else if (event != NULL)
            add_place(&event->place[passer->side], passer->window, passer->key);
    }
}

/* For the view once, and for each of its units once, whichever sides bring it there. With the lock. False: out of memory. */
static bool judge_event(struct tl_moves *moves, const struct lane *lane, const struct event *event, struct tl_sv key)
{
    struct tl_preview *preview = moves->views[event->view].preview;
    enum tl_moved_why reason;
    enum tl_before_after side;
    const char *name;
    bool ok = true;

    if (!why(moves, lane, event, &reason, &side, &name))
        return true;
    moves->judged_count++;
    if (tl_preview_meets(preview, key, event->at.time_ms, &ok))
        ok = ok && tl_moved_count(&preview->memory, &preview->moved, reason, side, name, &event->at);
    for (size_t g = event->goes; g > 0 && ok; g = lane->goes[g - 1].before) {
        struct tl_preview_unit *unit = lane->goes[g - 1].unit;

        if (unit->judged == moves->judged_count)
            continue;
        unit->judged = moves->judged_count;
        ok = tl_moved_count(&preview->step, &unit->moved, reason, side, name, &event->at);
    }
    return ok;
}

enum tl_code tl_moves_judge(struct tl_moves *moves, uint32_t thread, struct tl_err *err)
{
    struct lane *lane = &moves->lanes[thread];
    bool ok = !lane->out_of_memory;

    place_passers(lane);
    pthread_mutex_lock(&moves->lock);
    for (uint32_t e = 0; e < lane->events.count && ok; e++) {
        struct tl_sv key;
        const struct event *event = tl_table_at(&lane->events, e, &key, NULL);

        ok = judge_event(moves, lane, event, key);
    }
    pthread_mutex_unlock(&moves->lock);
    lane->goes_count = lane->passers_count = 0;
    tl_table_reset(&lane->events);
    tl_table_reset(&lane->refusals);
    return ok ? TL_OK : tl_fail_memory(err, sizeof(struct event));
}
