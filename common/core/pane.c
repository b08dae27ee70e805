/* pane.c: TUMBLE: each window's groups in a table of their own, dropped whole when the window is final.
 *
 *        pane [10:00, 10:05)                 pane [10:05, 10:10)
 *        key -> accumulators                 key -> accumulators
 *        "a.example" -> count 17             "a.example" -> count 3
 *        "b.example" -> count 2
 *
 * A group's block in a pane's table is a mark (its entry number, and whether it is in the pane's list of changed groups) and then its
 * accumulators.
 * Panes stand in an array in order of end: events come nearly in order, so the pane of the event before is tried first and
 * a binary search finds the others. Retired panes go to a pool with their memory: a window costs no malloc once warm.
 *
 * With options.whole, HOP and CUMULATE are kept this way too, each window a pane: simple, and as slow as the windows are many. */
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/window_kind.h"

enum { MARK_BYTES = 8, GROUPS_MAX = 1 << 30, POOL_MAX = 4096 };
#define WHOLE UINT32_MAX /* the segment of a window that lies across no bound */

struct mark {
    uint32_t entry;
    uint32_t changed;
};

static_assert(sizeof(struct mark) == MARK_BYTES, "accumulators follow it, aligned");

struct pane {
    int64_t start_ms, end_ms; /* on the wall clock */
    int64_t from_ms, to_ms;   /* instants */
    int64_t fire_ms;          /* the watermark that it fires at */
    uint32_t segment;         /* range of its rows, where it lies across a bound */
    struct tl_table groups;
    uint32_t *changed; /* entry numbers */
    uint32_t changed_count, changed_capacity;
};

struct panes {
    struct pane **panes; /* by (end_ms, start_ms, segment) */
    uint32_t count, capacity;
    struct pane **pool;
    uint32_t pool_count;
    uint64_t groups_count;
};

/* ---- memory ---- */

static enum tl_code pane_open(struct tl_window *w, struct tl_err *err)
{
    struct panes *own = w->own = calloc(1, sizeof *own);

    if (own == NULL || (own->pool = calloc(POOL_MAX, sizeof *own->pool)) == NULL)
        return tl_fail_memory(err, POOL_MAX * sizeof(struct pane *));
    return TL_OK;
}

static void pane_free(struct pane *pane)
{
    if (pane == NULL)
        return;
    tl_table_done(&pane->groups);
    free(pane->changed);
    free(pane);
}

static void pane_close(struct tl_window *w)
{
    struct panes *own = w->own;

    for (uint32_t i = 0; i < own->count; i++)
        pane_free(own->panes[i]);
    for (uint32_t i = 0; own->pool != NULL && i < own->pool_count; i++)
        pane_free(own->pool[i]);
    free(own->panes);
    free(own->pool);
    free(own);
}

/* NULL: it has moved to another window. */
static void pane_drop(struct panes *own, struct pane *pane)
{
    if (pane == NULL)
        return;
    own->groups_count -= pane->groups.count;
    if (own->pool_count < POOL_MAX) {
        tl_table_reset(&pane->groups);
        pane->changed_count = 0;
        own->pool[own->pool_count++] = pane;
    } else {
        pane_free(pane);
    }
}

static void pane_reset(struct tl_window *w)
{
    struct panes *own = w->own;

    for (uint32_t i = 0; i < own->count; i++)
        pane_drop(own, own->panes[i]);
    own->count = 0;
}

static uint64_t pane_groups(const struct tl_window *w)
{
    return ((const struct panes *)w->own)->groups_count;
}

static size_t bytes_of(const struct pane *pane)
{
    return sizeof *pane + tl_table_bytes(&pane->groups) + pane->changed_capacity * sizeof *pane->changed;
}

static size_t pane_bytes(const struct tl_window *w)
{
    const struct panes *own = w->own;
    size_t bytes = sizeof *own + own->capacity * sizeof(struct pane *);

    for (uint32_t i = 0; i < own->count; i++)
        bytes += bytes_of(own->panes[i]);
    for (uint32_t i = 0; i < own->pool_count; i++)
        bytes += bytes_of(own->pool[i]);
    return bytes;
}

/* ---- panes ---- */

/* Where a window lies, and which of its parts. */
struct place {
    int64_t start_ms, end_ms;
    uint32_t segment;
};

static int order_of(const struct pane *pane, const struct place *place)
{
    if (pane->end_ms != place->end_ms)
        return pane->end_ms < place->end_ms ? -1 : 1;
    if (pane->start_ms != place->start_ms)
        return pane->start_ms < place->start_ms ? -1 : 1;
    return (pane->segment > place->segment) - (pane->segment < place->segment);
}

/* The first pane that is not before the place. */
static uint32_t pane_at(const struct panes *own, const struct place *place)
{
    uint32_t low = 0, high = own->count;

    if (high > 0 && order_of(own->panes[high - 1], place) < 0) /* the newest window comes last, and most often */
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (order_of(own->panes[middle], place) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes room for one more pane; the caller fills it. */
static bool pane_room(struct panes *own, uint32_t at)
{
    if (own->count == own->capacity) {
        uint32_t capacity = own->capacity * 2 + 4;

        if (!TL_RESIZE(own->panes, capacity))
            return false;
        own->capacity = capacity;
    }
    memmove(own->panes + at + 1, own->panes + at, (own->count - at) * sizeof(struct pane *));
    own->count++;
    return true;
}

/* Where windows are short there are thousands of them between two that use the same memory: it is asked for some windows before its turn. */
static void approach(struct pane *const *next, uint32_t count, int step)
{
    if (count > 2)
        for (size_t line = 0; line < sizeof(struct pane); line += 64)
            __builtin_prefetch((const char *)next[2 * step] + line, 1);
    if (count > 1)
        tl_table_prefetch_places(&next[step]->groups);
    if (count > 0)
        tl_table_prefetch_entries(&next[0]->groups);
}

/* The segment of rows of this range in a window that lies across one of the range's bounds; a bound that is cut is none. */
static uint32_t part_of(const struct tl_window *w, uint32_t range, int64_t from_ms, int64_t to_ms)
{
    const int64_t *bounds = w->options.bounds;
    bool before = range > w->joined && from_ms < bounds[range];
    bool behind = range + 1 < w->options.ranges_count && to_ms > bounds[range + 1];

    return before || behind ? range : WHOLE;
}

static struct pane *pane_get(struct tl_window *w, const struct place *place)
{
    struct panes *own = w->own;
    uint32_t at = pane_at(own, place);
    struct pane *pane;

    if (at < own->count && order_of(own->panes[at], place) == 0)
        return own->panes[at];
    if (own->pool_count == 0) {
        pane = calloc(1, sizeof *pane);
        if (pane == NULL)
            return NULL;
        tl_table_init(&pane->groups, MARK_BYTES + w->layout.state_bytes, GROUPS_MAX);
        own->pool[own->pool_count++] = pane;
    }
    if (!pane_room(own, at))
        return NULL;
    pane = own->panes[at] = own->pool[--own->pool_count];
    if (own->pool_count > 0)
        approach(own->pool + own->pool_count - 1, own->pool_count, -1);
    pane->start_ms = place->start_ms;
    pane->end_ms = place->end_ms;
    pane->segment = place->segment;
    pane->from_ms = tl_window_start_instant(w, place->start_ms);
    pane->to_ms = tl_window_end_instant(w, place->end_ms);
    pane->fire_ms = tl_window_fire_ms(w, place->end_ms);
    return pane;
}

/* The group's block, marks included. */
static void *group_get(struct panes *own, struct pane *pane, uint64_t hash, struct tl_sv key)
{
    bool is_new = false;
    void *block = tl_table_put(&pane->groups, hash, key, &is_new);

    if (block != NULL && is_new) {
        ((struct mark *)block)->entry = pane->groups.count - 1;
        own->groups_count++;
    }
    return block;
}

static bool mark_changed(struct pane *pane, void *block)
{
    struct mark *mark = block;

    if (mark->changed)
        return true;
    if (pane->changed_count == pane->changed_capacity) {
        uint32_t capacity = pane->changed_capacity * 2 + 16;

        if (!TL_RESIZE(pane->changed, capacity))
            return false;
        pane->changed_capacity = capacity;
    }
    pane->changed[pane->changed_count++] = mark->entry;
    mark->changed = 1;
    return true;
}

/* ---- rows in ---- */

static enum tl_code take_row(struct tl_window *w, struct pane *pane, uint32_t row, struct tl_err *err)
{
    struct tl_sv key = tl_buf_sv(&w->key);
    char *block = group_get(w->own, pane, tl_hash_bytes(key), key);

    if (block == NULL)
        return tl_fail_memory(err, w->layout.state_bytes);
    tl_window_take(w, row, block + MARK_BYTES, tl_table_arena(&pane->groups));
    return TL_OK;
}

static enum tl_code push_tumble(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                                struct tl_err *err)
{
    const struct tl_slice_run *run = in->runs;
    int64_t from_ms = 0, to_ms = 0, fire_ms = 0;
    struct place place = {0, 0, 0};
    struct pane *pane = NULL;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t watermark_ms = INT64_MIN;

        if (i == 0 || row >= run->upto || (place.segment != WHOLE && place.segment != tl_window_segment(w, in, row))) {
            while (row >= run->upto)
                run++;
            place.start_ms = run->slice_ms;
            place.end_ms = run->first_ms;
            from_ms = tl_window_start_instant(w, place.start_ms);
            to_ms = tl_window_end_instant(w, place.end_ms);
            fire_ms = tl_add_sat_i64(run->first_fire_ms, w->view->lateness_ms);
            place.segment = in->range != NULL ? part_of(w, tl_window_segment(w, in, row), from_ms, to_ms) : WHOLE;
            pane = NULL;
        }
        if (in->judged_ms != NULL && in->judged_ms[row] >= fire_ms) {
            verdict->late[verdict->late_count++] = (struct tl_window_late){row, false, fire_ms};
            continue;
        }
        if (!tl_window_encode_key(w, in->keys, row))
            return tl_fail_memory(err, w->key.size);
        if (in->wanted != NULL && !in->wanted(in->wanted_ctx, row, from_ms, to_ms, tl_buf_sv(&w->key), &watermark_ms))
            continue;
        if (pane == NULL && (pane = pane_get(w, &place)) == NULL)
            return tl_fail_memory(err, sizeof *pane);
        TL_TRY(take_row(w, pane, row, err));
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

/* Every window of every row: reconcile alone, and no watermark. */
static enum tl_code push_whole(struct tl_window *w, const struct tl_window_rows *in, struct tl_err *err)
{
    const struct tl_window_spec *spec = &w->view->window;
    enum tl_code rc = TL_OK;

    assert(in->judged_ms == NULL);
    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t local_ms = tl_window_local_ms(w, in->time_ms[row]), watermark_ms = INT64_MIN;
        int64_t slice_ms = tl_window_start_ms(local_ms, spec->offset_ms, spec->slide_ms);
        int64_t day_ms = tl_window_start_ms(local_ms, spec->offset_ms, spec->size_ms); /* CUMULATE starts anew there */
        bool hop = spec->window == TL_WINDOW_HOP;
        int64_t last_ms = (hop ? slice_ms : day_ms) + spec->size_ms;

        if (!tl_window_encode_key(w, in->keys, row))
            return tl_fail_memory(err, w->key.size);
        for (int64_t end_ms = slice_ms + spec->slide_ms; end_ms <= last_ms; end_ms += spec->slide_ms) {
            struct place place = {hop ? end_ms - spec->size_ms : day_ms, end_ms, WHOLE};
            struct pane *pane;

            if (tl_window_is_repeated(w, place.start_ms, place.end_ms))
                continue;
            if (in->wanted != NULL && !in->wanted(in->wanted_ctx, row, tl_window_start_instant(w, place.start_ms),
                                                  tl_window_end_instant(w, place.end_ms), tl_buf_sv(&w->key), &watermark_ms))
                continue;
            if ((pane = pane_get(w, &place)) == NULL)
                return tl_fail_memory(err, sizeof *pane);
            if (w->taken_count == w->rows_capacity)
                TL_TRY(tl_window_step(w, in, err));
            TL_TRY(take_row(w, pane, row, err));
        }
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

static enum tl_code pane_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                              struct tl_err *err)
{
    return w->view->window.window == TL_WINDOW_TUMBLE ? push_tumble(w, in, verdict, err) : push_whole(w, in, err);
}

/* Batch has rows as their windows retire, and never asks which groups have changed. */
static enum tl_code merge_pane(struct tl_window *into, struct pane *target, const struct pane *source, struct tl_err *err)
{
    for (uint32_t i = 0; i < source->groups.count; i++) {
        struct tl_sv key;
        uint64_t hash;
        const char *given = tl_table_at(&source->groups, i, &key, &hash);
        char *block = group_get(into->own, target, hash, key);

        if (block == NULL)
            return tl_fail_memory(err, into->layout.state_bytes);
        if (!tl_agg_merge(&into->layout, block + MARK_BYTES, given + MARK_BYTES, tl_table_arena(&target->groups)))
            return tl_fail_memory(err, into->layout.state_bytes);
        if (into->options.bounds == NULL && !mark_changed(target, block))
            return tl_fail_memory(err, 0);
    }
    return TL_OK;
}

/* A window that `into` does not have moves whole, memory and all; where windows are short, that is nearly every one. An empty pane
 * goes the other way, so that both sides stay warm. */
static enum tl_code move_pane(struct tl_window *w, uint32_t at, struct panes *from, uint32_t p, struct tl_err *err)
{
    struct panes *into = w->own;
    struct pane *pane = from->panes[p];

    for (uint32_t i = 0; w->options.bounds == NULL && i < pane->groups.count; i++)
        if (!mark_changed(pane, tl_table_at(&pane->groups, i, NULL, NULL)))
            return tl_fail_memory(err, 0);
    if (!pane_room(into, at))
        return tl_fail_memory(err, into->count * sizeof(struct pane *));
    into->panes[at] = pane;
    into->groups_count += pane->groups.count;
    from->groups_count -= pane->groups.count;
    from->panes[p] = into->pool_count > 0 ? into->pool[--into->pool_count] : NULL;
    return TL_OK;
}

static enum tl_code pane_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    struct panes *whole = into->own, *part = from->own;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < part->count; p++) {
        struct pane *pane = part->panes[p];
        struct place place = {pane->start_ms, pane->end_ms, pane->segment};
        uint32_t at;

        if (place.segment != WHOLE) /* the bound may have been cut meanwhile */
            place.segment = pane->segment =
                part_of(into, place.segment > into->joined ? place.segment : into->joined, pane->from_ms, pane->to_ms);
        at = pane_at(whole, &place);
        if (at < whole->count && order_of(whole->panes[at], &place) == 0)
            TL_TRY(merge_pane(into, whole->panes[at], pane, err));
        else
            TL_TRY(move_pane(into, at, part, p, err));
    }
out:
    return rc;
}

/* ---- rows out ---- */

static enum tl_code emit_group(struct tl_window *w, const struct pane *pane, uint32_t entry, struct tl_err *err)
{
    struct tl_window_ref ref = {.start_ms = pane->from_ms, .end_ms = pane->to_ms};

    ref.block = (const char *)tl_table_at(&pane->groups, entry, &ref.key, NULL) + MARK_BYTES;
    ref.row_key = ref.key;
    return tl_window_emit(w, &ref, err);
}

static enum tl_code emit_pane(struct tl_window *w, const struct pane *pane, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < pane->groups.count; i++)
        TL_TRY(emit_group(w, pane, i, err));
out:
    return rc;
}

static enum tl_code pane_finals(struct tl_window *w, struct tl_err *err)
{
    const struct panes *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < own->count && own->panes[p]->fire_ms <= w->passed_ms; p++)
        TL_TRY(emit_pane(w, own->panes[p], err));
out:
    return rc;
}

static enum tl_code pane_changed(struct tl_window *w, struct tl_err *err)
{
    const struct panes *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < own->count; p++)
        for (uint32_t c = 0; c < own->panes[p]->changed_count; c++)
            TL_TRY(emit_group(w, own->panes[p], own->panes[p]->changed[c], err));
out:
    return rc;
}

/* HAVING alone keeps state beside the rows. */
static enum tl_code pane_states(struct tl_window *w, struct tl_err *err)
{
    const struct panes *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; w->view->having != NULL && p < own->count; p++) {
        const struct pane *pane = own->panes[p];

        for (uint32_t c = 0; c < pane->changed_count; c++) {
            struct tl_sv key;
            const char *block = tl_table_at(&pane->groups, pane->changed[c], &key, NULL);

            tl_buf_clear(&w->key);
            tl_agg_save(&w->layout, block + MARK_BYTES, &w->key);
            TL_TRY(tl_buf_check(&w->key, "accumulators", err)); /* a state without bytes is one that is gone */
            TL_TRY(tl_window_emit_state(w, pane->from_ms, pane->to_ms, key, tl_buf_sv(&w->key), err));
        }
    }
out:
    return rc;
}

static void drop_first(struct panes *own, uint32_t count)
{
    for (uint32_t p = 0; p < count; p++)
        pane_drop(own, own->panes[p]);
    if (count > 0)
        memmove(own->panes, own->panes + count, (own->count - count) * sizeof(struct pane *));
    own->count -= count;
}

static enum tl_code pane_settle(struct tl_window *w, struct tl_err *err)
{
    struct panes *own = w->own;
    uint32_t gone = 0;

    (void)err;
    for (uint32_t p = 0; p < own->count; p++) {
        struct pane *pane = own->panes[p];

        for (uint32_t c = 0; c < pane->changed_count; c++)
            ((struct mark *)tl_table_at(&pane->groups, pane->changed[c], NULL, NULL))->changed = 0;
        pane->changed_count = 0;
    }
    while (gone < own->count && own->panes[gone]->fire_ms <= w->passed_ms)
        gone++;
    drop_first(own, gone);
    return TL_OK;
}

/* ---- batch ---- */

/* Some windows at a time: behind their rows they go, as long as they are near. */
static enum tl_code pane_retire(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    struct panes *own = w->own;
    uint32_t gone = 0;
    enum tl_code rc = TL_OK;

    while (gone < own->count && own->panes[gone]->to_ms <= upto_ms) {
        uint32_t end = gone, rows = 0;

        for (; end < own->count && own->panes[end]->to_ms <= upto_ms && rows < TL_WINDOW_CHUNK_ROWS / 2; end++) {
            approach(own->panes + end + 1, own->count - end - 1, 1);
            rows += own->panes[end]->groups.count;
            TL_TRY(emit_pane(w, own->panes[end], err));
        }
        TL_TRY(tl_window_flush(w, err));
        for (; gone < end; gone++)
            pane_drop(own, own->panes[gone]);
    }
out:
    if (gone > 0)
        memmove(own->panes, own->panes + gone, (own->count - gone) * sizeof(struct pane *));
    own->count -= gone;
    return rc;
}

/* start, end (zigzag), groups (varint); each, in order of keys: key and accumulators as blocks. */
static enum tl_code save_pane(struct tl_window *w, const struct pane *pane, struct tl_buf *out, struct tl_err *err)
{
    uint32_t *order;
    enum tl_code rc = tl_table_sorted(&pane->groups, &order, err);

    if (rc != TL_OK)
        return rc;
    tl_buf_put_zigzag(out, pane->start_ms);
    tl_buf_put_zigzag(out, pane->end_ms);
    tl_buf_put_varint(out, pane->groups.count);
    for (uint32_t i = 0; i < pane->groups.count; i++) {
        struct tl_sv key;
        const char *block = tl_table_at(&pane->groups, order[i], &key, NULL);

        tl_buf_put_block(out, key);
        TL_TRY(tl_window_save_block(w, block + MARK_BYTES, out, err));
    }
out:
    free(order);
    return rc;
}

/* The panes of windows that lie across the bound, before it or behind; they are the first: a pane's place goes by its end. */
static uint32_t across(const struct panes *own, int64_t bound_ms)
{
    uint32_t count = 0;

    while (count < own->count && own->panes[count]->from_ms < bound_ms)
        count++;
    return count;
}

/* Is it of rows before the bound at which range `range` ends? */
static bool is_before(const struct pane *pane, uint32_t range)
{
    return pane->segment <= range || pane->segment == WHOLE;
}

/* What is open across the bound becomes one with what the window has behind it, and that part is told by the bounds that are left. */
static enum tl_code join_panes(struct tl_window *w, uint32_t count, struct tl_err *err)
{
    struct panes *own = w->own;
    uint32_t range = w->joined, next = range + 1;
    enum tl_code rc = TL_OK;

    w->joined = next; /* as it will be */
    for (uint32_t p = 0; p < count; p++) {
        struct pane *pane = own->panes[p], *behind = p + 1 < own->count ? own->panes[p + 1] : NULL;

        if (!is_before(pane, range) && pane->segment != next)
            continue;
        /* Parts of one window stand side by side, in order of their ranges. */
        if (behind != NULL && is_before(pane, range) && behind->end_ms == pane->end_ms && behind->start_ms == pane->start_ms &&
            behind->segment == next) {
            TL_TRY(merge_pane(w, behind, pane, err));
            pane_drop(own, pane);
            memmove(own->panes + p, own->panes + p + 1, (own->count - p - 1) * sizeof(struct pane *));
            own->count--;
            count--;
            pane = behind;
        }
        pane->segment = next < w->options.ranges_count ? part_of(w, next, pane->from_ms, pane->to_ms) : WHOLE;
    }
out:
    w->joined = range;
    return rc;
}

/* panes (varint), then each. */
static enum tl_code pane_cut(struct tl_window *w, struct tl_buf *carry, struct tl_err *err)
{
    struct panes *own = w->own;
    uint32_t count = across(own, tl_window_next_bound_ms(w)), open = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < count; p++)
        open += is_before(own->panes[p], w->joined);
    if (open > 0)
        tl_buf_put_varint(carry, open);
    for (uint32_t p = 0; p < count; p++)
        if (is_before(own->panes[p], w->joined))
            TL_TRY(save_pane(w, own->panes[p], carry, err));
    TL_TRY(join_panes(w, count, err));
out:
    return rc;
}

static enum tl_code add_group(struct tl_window *w, struct pane *pane, struct tl_sv key, struct tl_sv bytes, struct tl_err *err)
{
    char *block = group_get(w->own, pane, tl_hash_bytes(key), key);

    if (block == NULL)
        return tl_fail_memory(err, w->layout.state_bytes);
    return tl_window_load_block(w, bytes, block + MARK_BYTES, tl_table_arena(&pane->groups), err);
}

static enum tl_code pane_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                              struct tl_err *err)
{
    /* What is stored are instants; any instant within tells the window. */
    int64_t local_ms = tl_window_local_ms(w, start_ms);
    struct place place = {.segment = WHOLE};
    struct pane *pane;

    if (!tl_window_is_time(w, local_ms))
        return TL_ERR_CORRUPT;
    place.start_ms = tl_window_start_ms(local_ms, w->view->window.offset_ms, w->view->window.size_ms);
    place.end_ms = tl_add_sat_i64(place.start_ms, w->view->window.size_ms);
    if ((pane = pane_get(w, &place)) == NULL)
        return tl_fail_memory(err, sizeof *pane);
    if (pane->to_ms != end_ms)
        return TL_ERR_CORRUPT;
    return add_group(w, pane, key, bytes, err);
}

static enum tl_code pane_restore(struct tl_window *w, struct tl_reader *reader, struct tl_err *err)
{
    uint64_t panes = tl_reader_varint(reader);
    enum tl_code rc = TL_OK;

    for (uint64_t p = 0; p < panes && !reader->failed; p++) {
        struct place place = {.start_ms = tl_reader_zigzag(reader)};
        uint64_t groups;
        struct pane *pane;

        place.end_ms = tl_reader_zigzag(reader);
        groups = tl_reader_varint(reader);
        if (reader->failed || !tl_window_is_edge(w, place.start_ms) ||
            place.end_ms != tl_add_sat_i64(place.start_ms, w->view->window.size_ms))
            return TL_ERR_CORRUPT;
        place.segment = part_of(w, w->joined, tl_window_start_instant(w, place.start_ms), tl_window_end_instant(w, place.end_ms));
        if ((pane = pane_get(w, &place)) == NULL)
            return tl_fail_memory(err, sizeof *pane);
        for (uint64_t i = 0; i < groups && !reader->failed; i++) {
            struct tl_sv key = tl_reader_block(reader);
            struct tl_sv bytes = tl_reader_block(reader);

            if (!reader->failed)
                TL_TRY(add_group(w, pane, key, bytes, err));
        }
    }
out:
    return rc;
}

static int64_t pane_states_upto_ms(const struct tl_window *w)
{
    return tl_window_final_ms(w->view, tl_add_sat_i64(w->passed_ms, w->view->lateness_ms));
}

const struct tl_window_ops tl_window_pane = {
    .open = pane_open,
    .close = pane_close,
    .reset = pane_reset,
    .push = pane_push,
    .merge = pane_merge,
    .finals = pane_finals,
    .states = pane_states,
    .changed = pane_changed,
    .settle = pane_settle,
    .states_upto_ms = pane_states_upto_ms,
    .load = pane_load,
    .retire = pane_retire,
    .cut = pane_cut,
    .restore = pane_restore,
    .groups = pane_groups,
    .bytes = pane_bytes,
};
