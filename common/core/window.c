/* window.c: puts rows into event-time windows. See window.h for the theory.
 *
 * A group's block in a pane's table is a mark (its entry number, and whether it is in the pane's list of changed groups) and then its
 * accumulators.
 * Panes stand in an array in order of start_ms: events come nearly in order, so the pane of the event before is tried first and
 * a binary search finds the others. Retired panes go to a pool with their memory: a window costs no malloc once warm. */
#include "core/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/expr.h"

#ifdef TL_TINY
enum { CHUNK_ROWS = 2 };
#else
enum { CHUNK_ROWS = 1024 };
#endif
enum { MARK_BYTES = 8, GROUPS_MAX = 1 << 30, POOL_MAX = 4096 };

struct mark {
    uint32_t entry;
    uint32_t changed;
};

static_assert(sizeof(struct mark) == MARK_BYTES, "accumulators follow it, aligned");

struct pane {
    int64_t start_ms, end_ms;
    struct tl_table groups;
    uint32_t *changed; /* entry numbers */
    uint32_t changed_count, changed_capacity;
};

/* One group, wherever its pane is. */
struct group_ref {
    const struct pane *pane;
    uint32_t entry;
};

struct tl_window {
    const struct tl_view *view;
    struct tl_arena arena; /* what lives as long as the window: layout, scratch columns */
    struct tl_agg_layout layout;
    struct pane **panes; /* by start_ms */
    uint32_t panes_count, panes_capacity;
    struct pane **pool;
    uint32_t pool_count;
    uint64_t groups_count;
    struct tl_buf key; /* of the row at hand */
    void **states;     /* by position in the selection */
    struct tl_arena **arenas;
    uint32_t *taken; /* rows that were not too late */
    uint32_t rows_capacity;
    /* Rows on their way out. */
    struct group_ref *refs;
    struct tl_sv *keys, *accumulators;
    const void **blocks;
    struct tl_vec *slots, *outputs;
    size_t *accumulators_at;
    uint32_t *all; /* 0 .. CHUNK_ROWS-1 */
    uint8_t *failed;
    struct tl_buf bytes;
    struct tl_arena scratch;
};

/* ---- memory ---- */

static bool alloc_chunk(struct tl_window *w)
{
    const struct tl_view *view = w->view;
    uint32_t slots = TL_SLOT_KEYS + view->keys_count + view->aggs_count;
    struct tl_arena *a = &w->arena;
    bool ok = true;

    ok &= (w->refs = tl_arena_alloc(a, CHUNK_ROWS * sizeof *w->refs)) != NULL;
    ok &= (w->keys = tl_arena_alloc(a, CHUNK_ROWS * sizeof *w->keys)) != NULL;
    ok &= (w->accumulators = tl_arena_alloc(a, CHUNK_ROWS * sizeof *w->accumulators)) != NULL;
    ok &= (w->accumulators_at = tl_arena_alloc(a, (CHUNK_ROWS + 1) * sizeof *w->accumulators_at)) != NULL;
    ok &= (w->blocks = tl_arena_alloc(a, CHUNK_ROWS * sizeof *w->blocks)) != NULL;
    ok &= (w->all = tl_arena_alloc(a, CHUNK_ROWS * sizeof *w->all)) != NULL;
    ok &= (w->failed = tl_arena_alloc(a, CHUNK_ROWS)) != NULL;
    ok &= (w->slots = tl_arena_zalloc(a, slots * sizeof *w->slots)) != NULL;
    ok &= (w->outputs = tl_arena_zalloc(a, view->outputs_count * sizeof *w->outputs)) != NULL;
    if (!ok)
        return false;
    for (uint32_t i = 0; i < CHUNK_ROWS; i++)
        w->all[i] = i;
    for (uint32_t i = 0; i < slots; i++) {
        enum tl_kind kind = i == TL_SLOT_CLOSED_BY                ? TL_STRING
                            : i < TL_SLOT_KEYS                    ? TL_TIMESTAMP
                            : i < TL_SLOT_KEYS + view->keys_count ? view->keys[i - TL_SLOT_KEYS]->kind
                                                                  : view->aggs[i - TL_SLOT_KEYS - view->keys_count].kind;

        if (!tl_vec_alloc(a, kind, CHUNK_ROWS, &w->slots[i]))
            return false;
        memset(w->slots[i].null, 0, CHUNK_ROWS);
    }
    return true;
}

enum tl_code tl_window_open(const struct tl_view *view, struct tl_window **out, struct tl_err *err)
{
    struct tl_window *w = calloc(1, sizeof *w);
    enum tl_code rc = TL_OK;

    if (w == NULL)
        return tl_fail_memory(err, sizeof *w);
    w->view = view;
    tl_arena_init(&w->arena, 1u << 14, 0);
    tl_arena_init(&w->scratch, 1u << 14, 0);
    tl_buf_init(&w->key, 0);
    tl_buf_init(&w->bytes, 0);
    TL_TRY(tl_agg_layout_init(&w->layout, view->aggs, view->aggs_count, &w->arena, err));
    if (!alloc_chunk(w))
        TL_TRY(tl_fail_memory(err, CHUNK_ROWS));
    w->pool = calloc(POOL_MAX, sizeof *w->pool);
    if (w->pool == NULL)
        TL_TRY(tl_fail_memory(err, POOL_MAX));
    *out = w;
    w = NULL;
out:
    tl_window_close(w);
    return rc;
}

static void pane_free(struct pane *pane)
{
    if (pane == NULL)
        return;
    tl_table_done(&pane->groups);
    free(pane->changed);
    free(pane);
}

void tl_window_close(struct tl_window *w)
{
    if (w == NULL)
        return;
    for (uint32_t i = 0; i < w->panes_count; i++)
        pane_free(w->panes[i]);
    for (uint32_t i = 0; w->pool != NULL && i < w->pool_count; i++)
        pane_free(w->pool[i]);
    free(w->panes);
    free(w->pool);
    free(w->states);
    free(w->arenas);
    free(w->taken);
    tl_buf_done(&w->key);
    tl_buf_done(&w->bytes);
    tl_arena_done(&w->scratch);
    tl_arena_done(&w->arena);
    free(w);
}

/* NULL: it has moved to another window. */
static void pane_drop(struct tl_window *w, struct pane *pane)
{
    if (pane == NULL)
        return;
    w->groups_count -= pane->groups.count;
    if (w->pool_count < POOL_MAX) {
        tl_table_reset(&pane->groups);
        pane->changed_count = 0;
        w->pool[w->pool_count++] = pane;
    } else {
        pane_free(pane);
    }
}

void tl_window_reset(struct tl_window *w)
{
    for (uint32_t i = 0; i < w->panes_count; i++)
        pane_drop(w, w->panes[i]);
    w->panes_count = 0;
}

uint64_t tl_window_groups(const struct tl_window *w)
{
    return w->groups_count;
}

static size_t pane_bytes(const struct pane *pane)
{
    return sizeof *pane + tl_table_bytes(&pane->groups) + pane->changed_capacity * sizeof *pane->changed;
}

size_t tl_window_bytes(const struct tl_window *w)
{
    size_t bytes = sizeof *w + w->arena.held_bytes + w->scratch.held_bytes + w->panes_capacity * sizeof *w->panes;

    for (uint32_t i = 0; i < w->panes_count; i++)
        bytes += pane_bytes(w->panes[i]);
    for (uint32_t i = 0; i < w->pool_count; i++)
        bytes += pane_bytes(w->pool[i]);
    return bytes;
}

/* ---- panes ---- */

/* The first pane whose start is not below start_ms. */
static uint32_t pane_place(const struct tl_window *w, int64_t start_ms)
{
    uint32_t low = 0, high = w->panes_count;

    if (high > 0 && w->panes[high - 1]->start_ms < start_ms) /* the newest window comes last, and most often */
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (w->panes[middle]->start_ms < start_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes room for one more pane at `place`; the caller fills it. */
static bool pane_room(struct tl_window *w, uint32_t place)
{
    if (w->panes_count == w->panes_capacity) {
        uint32_t capacity = w->panes_capacity * 2 + 4;
        struct pane **panes = realloc(w->panes, capacity * sizeof *panes);

        if (panes == NULL)
            return false;
        w->panes = panes;
        w->panes_capacity = capacity;
    }
    memmove(w->panes + place + 1, w->panes + place, (w->panes_count - place) * sizeof *w->panes);
    w->panes_count++;
    return true;
}

static struct pane *pane_get(struct tl_window *w, int64_t start_ms, int64_t end_ms)
{
    uint32_t place = pane_place(w, start_ms);
    struct pane *pane;

    if (place < w->panes_count && w->panes[place]->start_ms == start_ms)
        return w->panes[place];
    if (w->pool_count == 0) {
        pane = calloc(1, sizeof *pane);
        if (pane == NULL)
            return NULL;
        tl_table_init(&pane->groups, MARK_BYTES + w->layout.state_bytes, GROUPS_MAX);
        w->pool[w->pool_count++] = pane;
    }
    if (!pane_room(w, place))
        return NULL;
    pane = w->panes[place] = w->pool[--w->pool_count];
    pane->start_ms = start_ms;
    pane->end_ms = end_ms;
    return pane;
}

/* The group's block, marks included. */
static void *group_get(struct tl_window *w, struct pane *pane, uint64_t hash, struct tl_sv key)
{
    bool is_new = false;
    void *block = tl_table_put(&pane->groups, hash, key, &is_new);

    if (block != NULL && is_new) {
        ((struct mark *)block)->entry = pane->groups.count - 1;
        w->groups_count++;
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
        uint32_t *changed = realloc(pane->changed, capacity * sizeof *changed);

        if (changed == NULL)
            return false;
        pane->changed = changed;
        pane->changed_capacity = capacity;
    }
    pane->changed[pane->changed_count++] = mark->entry;
    mark->changed = 1;
    return true;
}

/* ---- rows in ---- */

static bool follow_capacity(struct tl_window *w, uint32_t rows)
{
    void **states;
    struct tl_arena **arenas;
    uint32_t *taken;

    if (rows <= w->rows_capacity)
        return true;
    if ((states = realloc(w->states, rows * sizeof *states)) != NULL)
        w->states = states;
    if ((arenas = realloc(w->arenas, rows * sizeof *arenas)) != NULL)
        w->arenas = arenas;
    if ((taken = realloc(w->taken, rows * sizeof *taken)) != NULL)
        w->taken = taken;
    if (states == NULL || arenas == NULL || taken == NULL)
        return false;
    w->rows_capacity = rows;
    return true;
}

/* The row's key bytes. One text column, the most common key, is written by hand: the same form as tl_value_put_key. */
static bool encode_key(struct tl_window *w, const struct tl_vec *keys, uint32_t row)
{
    struct tl_buf *key = &w->key;

    tl_buf_clear(key);
    for (uint32_t i = 0; i < w->view->keys_count; i++) {
        const struct tl_vec *column = &keys[i];

        if (column->kind == TL_STRING && !column->null[row]) {
            struct tl_sv text = column->sv[row];
            char *at = tl_buf_reserve(key, text.size + 2);

            if (at == NULL)
                return false;
            at[0] = 1;
            if (text.size > 0)
                memcpy(at + 1, text.data, text.size);
            at[text.size + 1] = 0;
            key->size += text.size + 2;
        } else {
            struct tl_value value = tl_vec_get(column, row);

            tl_value_put_key(key, &value);
        }
    }
    return !key->failed;
}

enum tl_code tl_window_push(struct tl_window *w, const struct tl_window_rows *in, uint32_t *late, uint32_t *late_count,
                            struct tl_err *err)
{
    const struct tl_window_spec *spec = &w->view->window;
    int64_t lateness_ms = w->view->lateness_ms;
    struct pane *pane = NULL;
    int64_t start_ms = 0, end_ms = 0;
    uint32_t taken = 0, dropped = 0;

    if (!follow_capacity(w, in->rows_count))
        return tl_fail_memory(err, in->rows_count * sizeof *w->states);
    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        int64_t time_ms = in->time_ms[row];
        uint64_t hash;
        char *block;

        if (pane == NULL || time_ms < start_ms || time_ms >= end_ms) {
            start_ms = tl_window_start_ms(time_ms, spec->offset_ms, spec->size_ms);
            end_ms = tl_add_sat_i64(start_ms, spec->size_ms);
            pane = NULL;
        }
        if (in->judged_ms != NULL && in->judged_ms[row] >= tl_add_sat_i64(end_ms - 1, lateness_ms)) {
            late[dropped++] = row;
            continue;
        }
        if (!encode_key(w, in->keys, row))
            return tl_fail_memory(err, w->key.size);
        if (in->wanted != NULL && !in->wanted(in->wanted_ctx, row, start_ms, end_ms, tl_buf_sv(&w->key)))
            continue;
        if (pane == NULL && (pane = pane_get(w, start_ms, end_ms)) == NULL)
            return tl_fail_memory(err, sizeof *pane);
        hash = tl_hash_bytes(tl_buf_sv(&w->key));
        block = group_get(w, pane, hash, tl_buf_sv(&w->key));
        if (block == NULL)
            return tl_fail_memory(err, w->layout.state_bytes);
        w->states[taken] = block + MARK_BYTES;
        w->arenas[taken] = tl_table_arena(&pane->groups);
        w->taken[taken++] = row;
    }
    if (!tl_agg_step(&w->layout, &in->agg, w->taken, taken, w->states, w->arenas))
        return tl_fail_memory(err, w->layout.state_bytes);
    *late_count = dropped;
    return TL_OK;
}

static enum tl_code merge_pane(struct tl_window *into, struct pane *target, const struct pane *source, struct tl_err *err)
{
    for (uint32_t i = 0; i < source->groups.count; i++) {
        struct tl_sv key;
        uint64_t hash;
        const char *given = tl_table_at(&source->groups, i, &key, &hash);
        char *block = group_get(into, target, hash, key);

        if (block == NULL)
            return tl_fail_memory(err, into->layout.state_bytes);
        if (!tl_agg_merge(&into->layout, block + MARK_BYTES, given + MARK_BYTES, tl_table_arena(&target->groups)))
            return tl_fail_memory(err, into->layout.state_bytes);
        if (!mark_changed(target, block))
            return tl_fail_memory(err, 0);
    }
    return TL_OK;
}

/* A window that `into` does not have moves whole, memory and all; where windows are short, that is nearly every one. An empty pane
 * goes the other way, so that both sides stay warm. */
static enum tl_code move_pane(struct tl_window *into, uint32_t place, struct tl_window *from, uint32_t p, struct tl_err *err)
{
    struct pane *pane = from->panes[p];

    for (uint32_t i = 0; i < pane->groups.count; i++)
        if (!mark_changed(pane, tl_table_at(&pane->groups, i, NULL, NULL)))
            return tl_fail_memory(err, 0);
    if (!pane_room(into, place))
        return tl_fail_memory(err, into->panes_count * sizeof *into->panes);
    into->panes[place] = pane;
    into->groups_count += pane->groups.count;
    from->groups_count -= pane->groups.count;
    from->panes[p] = into->pool_count > 0 ? into->pool[--into->pool_count] : NULL;
    return TL_OK;
}

enum tl_code tl_window_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < from->panes_count; p++) {
        uint32_t place = pane_place(into, from->panes[p]->start_ms);

        if (place < into->panes_count && into->panes[place]->start_ms == from->panes[p]->start_ms)
            TL_TRY(merge_pane(into, into->panes[place], from->panes[p], err));
        else
            TL_TRY(move_pane(into, place, from, p, err));
    }
out:
    tl_window_reset(from);
    return rc;
}

/* ---- rows out ---- */

/* The way back from encode_key, texts by hand again. */
static bool decode_key(struct tl_window *w, struct tl_sv key, uint32_t row)
{
    struct tl_reader reader = tl_reader_of(key);

    for (uint32_t k = 0; k < w->view->keys_count; k++) {
        struct tl_vec *column = &w->slots[TL_SLOT_KEYS + k];

        if (column->kind == TL_STRING && reader.at < reader.end && *reader.at == 1) {
            const char *text = reader.at + 1, *zero = memchr(text, 0, (size_t)(reader.end - text));

            if (zero == NULL)
                return false;
            column->null[row] = 0;
            column->sv[row] = (struct tl_sv){text, (size_t)(zero - text)};
            reader.at = zero + 1;
        } else {
            struct tl_value value;

            if (!tl_value_get_key(&reader, column->kind, &value))
                return false;
            tl_vec_set(column, row, &value);
        }
    }
    return true;
}

static enum tl_code flush(struct tl_window *w, uint32_t count, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    const struct tl_view *view = w->view;
    struct tl_eval eval = {.slots = w->slots,
                           .slots_count = TL_SLOT_KEYS + view->keys_count + view->aggs_count,
                           .rows_count = count,
                           .arena = &w->scratch,
                           .failed = w->failed};
    struct tl_rows rows = {.count = count,
                           .start_ms = w->slots[TL_SLOT_WINDOW_START].i64,
                           .end_ms = w->slots[TL_SLOT_WINDOW_END].i64,
                           .key = w->keys,
                           .accumulators = w->accumulators,
                           .columns = w->outputs};

    if (count == 0)
        return TL_OK;
    tl_arena_reset(&w->scratch);
    tl_buf_clear(&w->bytes);
    memset(w->failed, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct group_ref *ref = &w->refs[i];
        uint64_t hash;
        const char *block = tl_table_at(&ref->pane->groups, ref->entry, &w->keys[i], &hash);

        w->blocks[i] = block + MARK_BYTES;
        w->slots[TL_SLOT_WINDOW_START].i64[i] = ref->pane->start_ms;
        w->slots[TL_SLOT_WINDOW_END].i64[i] = ref->pane->end_ms;
        w->slots[TL_SLOT_WINDOW_TIME].i64[i] = ref->pane->end_ms - 1;
        if (!decode_key(w, w->keys[i], i))
            return tl_fail(err, TL_ERR_CORRUPT, "view %.*s: a stored group key cannot be read", TL_SV_ARG(view->name));
        w->accumulators_at[i] = w->bytes.size;
        tl_agg_save(&w->layout, w->blocks[i], &w->bytes);
    }
    if (w->bytes.failed)
        return tl_fail_memory(err, w->bytes.size);
    w->accumulators_at[count] = w->bytes.size;
    for (uint32_t i = 0; i < count; i++)
        w->accumulators[i] =
            (struct tl_sv){w->bytes.data + w->accumulators_at[i], w->accumulators_at[i + 1] - w->accumulators_at[i]};
    for (uint32_t a = 0; a < view->aggs_count; a++)
        if (!tl_agg_finish(&w->layout, a, w->blocks, count, &w->scratch, &w->slots[TL_SLOT_KEYS + view->keys_count + a]))
            return tl_fail_memory(err, w->layout.state_bytes);
    /* A column that cannot be computed from its aggregates (say, a division by a count of 0) is NULL. */
    for (uint32_t o = 0; o < view->outputs_count; o++)
        if (!tl_expr_eval(&eval, view->outputs[o].expr, w->all, count, &w->outputs[o]))
            return tl_fail_memory(err, 0);
    return sink(ctx, &rows, err);
}

enum tl_code tl_window_changed(struct tl_window *w, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    uint32_t count = 0;

    for (uint32_t p = 0; p < w->panes_count; p++) {
        for (uint32_t c = 0; c < w->panes[p]->changed_count; c++) {
            w->refs[count++] = (struct group_ref){w->panes[p], w->panes[p]->changed[c]};
            if (count == CHUNK_ROWS) {
                TL_TRY(flush(w, count, sink, ctx, err));
                count = 0;
            }
        }
    }
    TL_TRY(flush(w, count, sink, ctx, err));
out:
    return rc;
}

void tl_window_settle(struct tl_window *w)
{
    for (uint32_t p = 0; p < w->panes_count; p++) {
        struct pane *pane = w->panes[p];

        for (uint32_t c = 0; c < pane->changed_count; c++) {
            struct tl_sv key;
            uint64_t hash;

            ((struct mark *)tl_table_at(&pane->groups, pane->changed[c], &key, &hash))->changed = 0;
        }
        pane->changed_count = 0;
    }
}

enum tl_code tl_window_retire(struct tl_window *w, int64_t upto_ms, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    uint32_t gone = 0, count = 0;

    /* Panes have one length, so order of start is order of end. */
    while (gone < w->panes_count && w->panes[gone]->end_ms <= upto_ms)
        gone++;
    for (uint32_t p = 0; sink != NULL && p < gone; p++) {
        for (uint32_t i = 0; i < w->panes[p]->groups.count; i++) {
            w->refs[count++] = (struct group_ref){w->panes[p], i};
            if (count == CHUNK_ROWS) {
                TL_TRY(flush(w, count, sink, ctx, err));
                count = 0;
            }
        }
    }
    TL_TRY(flush(w, count, sink, ctx, err));
    for (uint32_t p = 0; p < gone; p++)
        pane_drop(w, w->panes[p]);
    if (gone > 0)
        memmove(w->panes, w->panes + gone, (w->panes_count - gone) * sizeof *w->panes);
    w->panes_count -= gone;
out:
    return rc;
}

int64_t tl_window_final_ms(const struct tl_view *view, int64_t watermark_ms)
{
    if (watermark_ms == INT64_MIN)
        return INT64_MIN;
    return tl_add_sat_i64(tl_add_sat_i64(watermark_ms, -view->lateness_ms), 1);
}

/* ---- bytes ---- */

enum tl_code tl_window_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv accumulators,
                            struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(accumulators);
    enum tl_code rc = TL_OK;
    struct pane *pane = pane_get(w, start_ms, end_ms);
    char *block = NULL;
    void *loaded;

    if (pane == NULL || (block = group_get(w, pane, tl_hash_bytes(key), key)) == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *pane));
    loaded = tl_arena_zalloc(tl_table_arena(&pane->groups), w->layout.state_bytes + 1u);
    if (loaded == NULL)
        TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
    TL_TRY(tl_agg_load(&w->layout, &reader, loaded, tl_table_arena(&pane->groups), err));
    if (!tl_reader_at_end(&reader))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "view %.*s: stored accumulators have bytes left over", TL_SV_ARG(w->view->name)));
    if (!tl_agg_merge(&w->layout, block + MARK_BYTES, loaded, tl_table_arena(&pane->groups)))
        TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
out:
    return rc;
}

static int by_key(const void *a, const void *b, void *groups)
{
    struct tl_sv key_a, key_b;
    uint64_t hash;

    (void)tl_table_at(groups, *(const uint32_t *)a, &key_a, &hash);
    (void)tl_table_at(groups, *(const uint32_t *)b, &key_b, &hash);
    return tl_sv_cmp(key_a, key_b);
}

/* panes (varint); each: start, end (zigzag), groups (varint); each, in order of keys: key and accumulators as blocks. */
enum tl_code tl_window_save(const struct tl_window *w, struct tl_buf *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    uint32_t *order = NULL;
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    tl_buf_put_varint(out, w->panes_count);
    for (uint32_t p = 0; p < w->panes_count; p++) {
        struct pane *pane = w->panes[p];
        uint32_t *grown = realloc(order, (pane->groups.count ? pane->groups.count : 1) * sizeof *order);

        if (grown == NULL)
            TL_TRY(tl_fail_memory(err, pane->groups.count * sizeof *order));
        order = grown;
        for (uint32_t i = 0; i < pane->groups.count; i++)
            order[i] = i;
        qsort_r(order, pane->groups.count, sizeof *order, by_key, &pane->groups);
        tl_buf_put_zigzag(out, pane->start_ms);
        tl_buf_put_zigzag(out, pane->end_ms);
        tl_buf_put_varint(out, pane->groups.count);
        for (uint32_t i = 0; i < pane->groups.count; i++) {
            struct tl_sv key;
            uint64_t hash;
            const char *block = tl_table_at(&pane->groups, order[i], &key, &hash);

            tl_buf_clear(&bytes);
            tl_agg_save(&w->layout, block + MARK_BYTES, &bytes);
            TL_TRY(tl_buf_check(&bytes, "accumulators", err));
            tl_buf_put_block(out, key);
            tl_buf_put_block(out, tl_buf_sv(&bytes));
        }
    }
    TL_TRY(tl_buf_check(out, "carry", err));
out:
    free(order);
    tl_buf_done(&bytes);
    return rc;
}

enum tl_code tl_window_restore(struct tl_window *w, struct tl_sv bytes, struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    enum tl_code rc = TL_OK;
    uint64_t panes = tl_reader_varint(&reader);

    for (uint64_t p = 0; p < panes && !reader.failed; p++) {
        int64_t start_ms = tl_reader_zigzag(&reader);
        int64_t end_ms = tl_reader_zigzag(&reader);
        uint64_t groups = tl_reader_varint(&reader);

        for (uint64_t i = 0; i < groups && !reader.failed; i++) {
            struct tl_sv key = tl_reader_block(&reader);
            struct tl_sv accumulators = tl_reader_block(&reader);

            if (!reader.failed)
                TL_TRY(tl_window_load(w, start_ms, end_ms, key, accumulators, err));
        }
    }
    if (!tl_reader_at_end(&reader))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "view %.*s: the carry of open windows cannot be read", TL_SV_ARG(w->view->name)));
out:
    return rc;
}
