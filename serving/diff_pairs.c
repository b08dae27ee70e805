/* diff_pairs.c: which views of two files stand against each other, and what is compared of them. See diff_inside.h. */
#include <stdlib.h>
#include <string.h>

#include "diff_inside.h"

/* ---- pairs ---- */

/* All that OLD has: by its file, else by the store. */
struct olds {
    struct tl_diff_sided *items;
    struct tl_sv *names;
    int64_t *definitions;
    uint32_t count;
    bool *taken;
};

static enum tl_code olds_open(struct tl_diff *d, uint32_t room, struct olds *olds, struct tl_err *err)
{
    olds->items = tl_arena_zalloc(&d->memory, (room + 1u) * sizeof *olds->items);
    olds->names = tl_arena_zalloc(&d->memory, (room + 1u) * sizeof *olds->names);
    olds->definitions = tl_arena_zalloc(&d->memory, (room + 1u) * sizeof *olds->definitions);
    olds->taken = tl_arena_zalloc(&d->memory, (room + 1u) * sizeof *olds->taken);
    if (olds->items == NULL || olds->names == NULL || olds->definitions == NULL || olds->taken == NULL)
        return tl_fail_memory(err, room * sizeof *olds->items);
    return TL_OK;
}

static enum tl_code add_stored(struct tl_diff *d, struct olds *olds, const struct tl_definition *definition, struct tl_err *err)
{
    struct tl_sv hash;
    struct tl_diff_sided *mine = &olds->items[olds->count];

    if (!tl_arena_copy(&d->memory, definition->view, &olds->names[olds->count]) ||
        !tl_arena_copy(&d->memory, definition->normalised, &mine->text) ||
        !tl_arena_copy(&d->memory, tl_sv_from(definition->hash), &hash))
        return tl_fail_memory(err, definition->normalised.size);
    mine->hash = hash.data;
    mine->view = -1;
    olds->definitions[olds->count++] = definition->id;
    return TL_OK;
}

static enum tl_code list_olds(struct tl_diff *d, struct olds *olds, struct tl_err *err)
{
    const struct tl_plan *plan = d->plan[TL_OLD];
    const struct tl_definition *definitions = NULL;
    size_t count = 0;
    enum tl_code rc = TL_OK;

    if (d->store != NULL)
        TL_TRY(tl_store_definitions(d->store, &definitions, &count, err));
    TL_TRY(olds_open(d, plan != NULL ? plan->views_count : (uint32_t)count, olds, err));
    for (size_t i = 0; plan == NULL && i < count; i++)
        if (definitions[i].state == TL_DEFINITION_ACTIVE)
            TL_TRY(add_stored(d, olds, &definitions[i], err));
    for (uint32_t v = 0; plan != NULL && v < plan->views_count; v++) {
        olds->items[v] = (struct tl_diff_sided){(int32_t)v, plan->views[v].normalised, plan->views[v].hash};
        olds->names[v] = plan->views[v].name;
        for (size_t i = 0; i < count; i++) {
            if (definitions[i].state == TL_DEFINITION_RETIRED || !tl_sv_eq(definitions[i].view, plan->views[v].name) ||
                strcmp(definitions[i].hash, plan->views[v].hash) != 0)
                continue;
            olds->definitions[v] = definitions[i].id;
        }
        olds->count++;
    }
out:
    return rc;
}

static int32_t old_named(const struct olds *olds, struct tl_sv name)
{
    for (uint32_t o = 0; o < olds->count; o++)
        if (tl_sv_eq(olds->names[o], name))
            return (int32_t)o;
    return -1;
}

/* The same definition under a name that NEW does not have. */
static int32_t old_renamed(const struct tl_diff *d, const struct olds *olds, const char *hash)
{
    for (uint32_t o = 0; o < olds->count; o++)
        if (!olds->taken[o] && strcmp(olds->items[o].hash, hash) == 0 && tl_plan_view(d->plan[TL_NEW], olds->names[o]) == NULL)
            return (int32_t)o;
    return -1;
}

static void pair_up(struct tl_diff *d, struct olds *olds, uint32_t v)
{
    const struct tl_view *view = &d->plan[TL_NEW]->views[v];
    struct tl_diff_pair *pair = &d->pairs[v];
    struct tl_preview_view *shown = &d->views[v];
    int32_t o = old_named(olds, view->name);

    pair->sides[TL_NEW] = (struct tl_diff_sided){(int32_t)v, view->normalised, view->hash};
    shown->name = view->name;
    shown->state = TL_PREVIEW_CHANGED;
    if (o < 0) {
        o = old_renamed(d, olds, view->hash);
        shown->state = o < 0 ? TL_PREVIEW_ADDED : TL_PREVIEW_RENAMED;
        if (o < 0)
            return;
        shown->was = olds->names[o];
    } else if (strcmp(olds->items[o].hash, view->hash) == 0 && d->same_functions) {
        shown->state = TL_PREVIEW_UNCHANGED;
    }
    olds->taken[o] = true;
    pair->sides[TL_OLD] = olds->items[o];
    pair->definition = olds->definitions[o];
}

static enum tl_code choose_views(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < d->report.views_count; v++)
        d->pairs[v].wanted = d->common->args_count == 1;
    for (int i = 1; i < d->common->args_count; i++) {
        struct tl_sv name = tl_sv_from(d->common->args[i]);
        bool found = false;

        for (uint32_t v = 0; v < d->report.views_count; v++) {
            bool is = tl_sv_eq(d->views[v].name, name) || tl_sv_eq(d->views[v].was, name);

            found = found || is;
            d->pairs[v].wanted = d->pairs[v].wanted || is;
        }
        if (!found)
            TL_TRY(tl_views_unknown(d->plan[TL_NEW], d->common->args[i], err));
    }
out:
    return rc;
}

enum tl_code tl_diff_pair_up(struct tl_diff *d, struct tl_err *err)
{
    struct olds olds = {0};
    uint32_t count = d->plan[TL_NEW]->views_count;
    enum tl_code rc;

    TL_TRY(list_olds(d, &olds, err));
    d->pairs = calloc(count + olds.count + 1u, sizeof *d->pairs);
    d->views = calloc(count + olds.count + 1u, sizeof *d->views);
    if (d->pairs == NULL || d->views == NULL)
        TL_TRY(tl_fail_memory(err, (count + olds.count) * sizeof *d->views));
    for (uint32_t v = 0; v < count; v++) {
        d->pairs[v].sides[TL_OLD].view = -1;
        pair_up(d, &olds, v);
    }
    for (uint32_t o = 0; o < olds.count; o++) {
        if (olds.taken[o])
            continue;
        d->pairs[count].sides[TL_NEW].view = d->pairs[count].sides[TL_OLD].view = -1;
        d->views[count].name = olds.names[o];
        d->views[count++].state = TL_PREVIEW_REMOVED;
    }
    d->report.views_count = count;
    TL_TRY(choose_views(d, err));
out:
    return rc;
}

/* ---- the range ---- */

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct tl_diff_pair *pair = ctx;

    if (pair->published_count == pair->published_capacity) {
        uint32_t capacity = pair->published_capacity * 2 + 16;

        if (!TL_RESIZE(pair->published, capacity))
            return tl_fail_memory(err, capacity * sizeof *pair->published);
        pair->published_capacity = capacity;
    }
    pair->published[pair->published_count++] = (struct tl_published_range){
        .from_ms = range->from_ms, .to_ms = range->to_ms, .run = range->run, .has_rows = range->rows_count > 0};
    return TL_OK;
}

/* Unless said, the last day of which OLD has published rows. */
enum tl_code tl_diff_choose_range(struct tl_diff *d, struct tl_err *err)
{
    int64_t from_ms = d->own->from_ms, to_ms = d->own->to_ms, last_ms[2] = {TL_TIME_NONE, TL_TIME_NONE};
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < d->report.views_count; v++) {
        struct tl_diff_pair *pair = &d->pairs[v];

        if (!pair->wanted || pair->definition == 0)
            continue;
        TL_TRY(tl_store_ranges(d->store, pair->definition, see_range, pair, err));
        for (uint32_t r = 0; r < pair->published_count; r++)
            if (pair->published[r].has_rows && pair->published[r].to_ms > last_ms[1]) {
                last_ms[0] = tl_max_i64(pair->published[r].from_ms, pair->published[r].to_ms - TL_DAY_MS);
                last_ms[1] = pair->published[r].to_ms;
            }
    }
    to_ms = to_ms == TL_TIME_NONE ? last_ms[1] : to_ms;
    from_ms = from_ms == TL_TIME_NONE && d->own->to_ms == TL_TIME_NONE ? last_ms[0] : from_ms;
    if (from_ms == TL_TIME_NONE || to_ms == TL_TIME_NONE)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s; --from 2026-03-01 --to 2026-03-02 would do",
                       d->own->to_ms != TL_TIME_NONE ? "--to wants --from"
                                                     : "nothing of OLD is published yet: --from and --to say what to compare"));
    if (from_ms >= to_ms)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--from must be before --to; --from 2026-03-01 --to 2026-03-02 would do"));
    d->report.from_ms = from_ms;
    d->report.to_ms = to_ms;
out:
    return rc;
}

struct seals {
    struct tl_diff *diff;
    int64_t upto_ms;
};

static enum tl_code see_seal(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    struct seals *seals = ctx;
    const struct tl_plan *plan = seals->diff->plan[TL_NEW];

    (void)sealed_ms;
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        bool matches;
        enum tl_code rc = tl_source_topics_match(seals->diff->topics[TL_NEW], s, topic, &matches, err);

        if (rc != TL_OK)
            return rc;
        if (matches)
            seals->upto_ms = tl_max_i64(seals->upto_ms, upto_ms);
    }
    return TL_OK;
}

enum tl_code tl_diff_cut_sealed(struct tl_diff *d, struct tl_err *err)
{
    struct seals seals = {d, INT64_MIN};
    char upto[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    if (d->store == NULL)
        return TL_OK;
    TL_TRY(tl_store_sealed(d->store, see_seal, &seals, err));
    if (seals.upto_ms <= d->report.from_ms)
        return TL_OK;
    TL_TRY(tl_diff_note(d, err,
                        "the days up to %s are sealed: their events are gone, and no definition is computed for them any more; "
                        "nothing is compared there",
                        tl_diff_time(seals.upto_ms, upto)));
    d->report.from_ms = tl_min_i64(seals.upto_ms, d->report.to_ms);
out:
    return rc;
}

static bool is_published(const struct tl_diff_pair *pair, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t r = 0; r < pair->published_count && from_ms < to_ms; r++)
        if (pair->published[r].from_ms <= from_ms)
            from_ms = tl_max_i64(from_ms, pair->published[r].to_ms);
    return from_ms >= to_ms;
}

/* Where OLD's rows come from, and so how much can be compared. */
static enum tl_code choose_old_rows(struct tl_diff *d, uint32_t v, struct tl_err *err)
{
    struct tl_diff_pair *pair = &d->pairs[v];
    struct tl_preview_view *view = &d->views[v];
    bool has_plan = pair->sides[TL_OLD].view >= 0;
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    view->from_ms = d->report.from_ms;
    view->to_ms = d->report.to_ms;
    view->old_published = !pair->rolled && is_published(pair, view->from_ms, view->to_ms);
    pair->computed[TL_NEW] = true;
    pair->computed[TL_OLD] = !view->old_published && has_plan;
    if (view->old_published || has_plan) {
        if (!view->old_published && !pair->rolled && d->store != NULL)
            TL_TRY(tl_diff_note(d, err, "view %.*s: OLD's rows of the range are not all published: they are computed",
                                TL_SV_ARG(view->name)));
        goto out;
    }
    for (uint32_t r = 0; r < pair->published_count; r++) { /* ranges follow each other, but for what is kept back */
        if (pair->published[r].to_ms <= view->from_ms || pair->published[r].from_ms >= view->to_ms)
            continue;
        view->from_ms = tl_max_i64(view->from_ms, pair->published[r].from_ms);
        for (view->to_ms = tl_min_i64(view->to_ms, pair->published[r].to_ms);
             r + 1 < pair->published_count && pair->published[r + 1].from_ms == pair->published[r].to_ms; r++)
            view->to_ms = tl_max_i64(view->to_ms, tl_min_i64(d->report.to_ms, pair->published[r + 1].to_ms));
        view->old_published = true;
        break;
    }
    if (view->old_published)
        TL_TRY(tl_diff_note(
            d, err, "view %.*s: compared from %s to %s, which is what is published; --views FILE would have the rest computed",
            TL_SV_ARG(view->name), tl_diff_time(view->from_ms, from), tl_diff_time(view->to_ms, to)));
    else
        TL_TRY(tl_diff_note(
            d, err,
            "view %.*s: nothing of the range is published, and without --views FILE it cannot be computed: it is not "
            "compared",
            TL_SV_ARG(view->name)));
    pair->computed[TL_NEW] = view->old_published;
out:
    return rc;
}

/* ---- what is compared, and how ---- */

static bool uses_slot(const struct tl_expr *expr, const bool *slots, uint32_t slots_count)
{
    if (expr->op == TL_EXPR_SLOT && expr->slot < slots_count && slots[expr->slot])
        return true;
    for (uint32_t a = 0; a < expr->args_count; a++)
        if (uses_slot(expr->args[a], slots, slots_count))
            return true;
    return false;
}

/* Outputs that are made of what the groups put together do not have. */
static enum tl_code find_lost(struct tl_diff *d, const struct tl_diff_pair *pair, const struct tl_change *change, int side,
                              bool **out, struct tl_err *err)
{
    const struct tl_view *view = &d->plan[side]->views[pair->sides[side].view];
    bool *slots = tl_arena_zalloc(&d->memory, TL_SLOT_KEYS + view->keys_count + 1u);
    bool *lost = tl_arena_zalloc(&d->memory, view->outputs_count + 1u);

    if (slots == NULL || lost == NULL)
        return tl_fail_memory(err, view->outputs_count);
    slots[TL_SLOT_CLOSED_BY] = true;
    for (uint32_t k = 0; k < view->keys_count; k++) {
        slots[TL_SLOT_KEYS + k] = true;
        for (uint32_t c = 0; c < change->common_count; c++)
            if (change->common[side][c] == k)
                slots[TL_SLOT_KEYS + k] = false;
    }
    for (uint32_t o = 0; o < view->outputs_count; o++)
        lost[o] = uses_slot(view->outputs[o].expr, slots, TL_SLOT_KEYS + view->keys_count);
    *out = lost;
    return TL_OK;
}

static int64_t common_multiple(int64_t a, int64_t b)
{
    int64_t x = a, y = b, product;

    while (y != 0) {
        int64_t rest = x % y;

        x = y;
        y = rest;
    }
    return tl_mul_overflows(a / x, b, &product) ? INT64_MAX : product;
}

/* Where windows or keys are others, events are counted by what both have: the core makes the groups anew from them, so any aggregate is sound. */
static void choose_roll(struct tl_diff *d, uint32_t v)
{
    struct tl_diff_pair *pair = &d->pairs[v];
    struct tl_preview_view *shown = &d->views[v];
    const struct tl_view *view[TL_BOTH];
    bool tumbles = true;

    for (int side = 0; side < TL_BOTH; side++) {
        if (pair->sides[side].view < 0)
            return;
        view[side] = &d->plan[side]->views[pair->sides[side].view];
        if (view[side]->inner >= 0 || view[side]->window.window == TL_WINDOW_NONE)
            return;
        tumbles = tumbles && view[side]->window.window == TL_WINDOW_TUMBLE;
        shown->having = shown->having || view[side]->having != NULL;
    }
    if ((view[TL_OLD]->window.zone == NULL) != (view[TL_NEW]->window.zone == NULL) ||
        !tl_sv_eq(d->plan[TL_OLD]->settings.time_zone, d->plan[TL_NEW]->settings.time_zone))
        return;
    shown->bucket_ms = INT64_C(3600000);
    if (tumbles && view[TL_OLD]->window.offset_ms == view[TL_NEW]->window.offset_ms) {
        shown->bucket_ms = common_multiple(view[TL_OLD]->window.size_ms, view[TL_NEW]->window.size_ms);
        pair->bucket_offset_ms = view[TL_OLD]->window.offset_ms;
    }
    pair->rolled = shown->bucket_ms <= d->report.to_ms - d->report.from_ms;
}

/* NULL: out of memory. */
static bool *used_columns(struct tl_diff *d, const struct tl_diff_pair *pair, const struct tl_change *change, struct tl_err *err)
{
    bool *used = tl_arena_zalloc(&d->memory, change->columns_count + 1u), *lost[TL_BOTH] = {NULL, NULL};

    for (int side = 0; side < TL_BOTH && pair->rolled; side++)
        if (find_lost(d, pair, change, side, &lost[side], err) != TL_OK)
            return NULL;
    for (uint32_t c = 0; used != NULL && c < change->columns_count; c++)
        used[c] =
            change->columns[c].at[TL_OLD] >= 0 && change->columns[c].at[TL_NEW] >= 0 &&
            (!pair->rolled || (!lost[TL_OLD][change->columns[c].at[TL_OLD]] && !lost[TL_NEW][change->columns[c].at[TL_NEW]]));
    return used;
}

/* --by, or the first number. */
static int32_t order_column(const struct tl_diff *d, const struct tl_preview *preview)
{
    for (uint32_t c = 0; c < preview->change->columns_count; c++) {
        const struct tl_change_column *column = &preview->change->columns[c];

        if (preview->used[c] && column->number && (d->own->by == NULL || tl_sv_eq(column->name, tl_sv_from(d->own->by))))
            return (int32_t)c;
    }
    return -1;
}

static enum tl_code key_names(struct tl_diff *d, const struct tl_diff_pair *pair, struct tl_preview_view *view,
                              struct tl_err *err)
{
    const struct tl_view *mine = &d->plan[TL_NEW]->views[pair->sides[TL_NEW].view];
    struct tl_sv *names;
    enum tl_kind *kinds;

    view->keys_count = pair->rolled ? view->change.common_count : mine->inner_rows ? 0 : mine->keys_count;
    names = tl_arena_zalloc(&d->memory, (view->keys_count + 1u) * sizeof *names);
    kinds = tl_arena_zalloc(&d->memory, (view->keys_count + 1u) * sizeof *kinds);
    if (names == NULL || kinds == NULL)
        return tl_fail_memory(err, view->keys_count * sizeof *names);
    for (uint32_t k = 0; k < view->keys_count; k++) {
        uint32_t key = pair->rolled ? view->change.common[TL_NEW][k] : k;

        names[k] = mine->keys_name[key];
        kinds[k] = mine->keys[key]->kind;
        for (uint32_t o = mine->outputs_count; o-- > 0;) /* the column that shows it */
            if (mine->outputs[o].expr->op == TL_EXPR_SLOT && mine->outputs[o].expr->slot == TL_SLOT_KEYS + key)
                names[k] = mine->outputs[o].name;
    }
    view->keys_name = names;
    view->key_kinds = kinds;
    return TL_OK;
}

static bool inner_same(const struct tl_diff *d, const struct tl_diff_pair *pair)
{
    const struct tl_view *mine = &d->plan[TL_NEW]->views[pair->sides[TL_NEW].view];

    return mine->inner < 0 || !mine->inner_rows || d->views[mine->inner].state != TL_PREVIEW_CHANGED ||
           d->views[mine->inner].change.comparable;
}

static enum tl_code open_view(struct tl_diff *d, uint32_t v, struct tl_err *err)
{
    struct tl_diff_pair *pair = &d->pairs[v];
    struct tl_preview_view *view = &d->views[v];
    struct tl_preview *preview = &view->preview;
    const struct tl_view *mine = &d->plan[TL_NEW]->views[v];
    enum tl_code rc;

    TL_TRY(tl_change_of(&d->memory, pair->sides[TL_OLD].text, pair->sides[TL_NEW].text, inner_same(d, pair), &view->change, err));
    if (!pair->wanted)
        return TL_OK;
    if (!view->change.comparable)
        choose_roll(d, v);
    if (mine->inner >= 0)
        view->reads = d->plan[TL_NEW]->views[mine->inner].name;
    TL_TRY(choose_old_rows(d, v, err));
    for (int side = 0; side < TL_BOTH; side++) {
        if (pair->sides[side].view < 0)
            continue;
        TL_TRY(tl_shape_of(d->plan[side], &d->plan[side]->views[pair->sides[side].view], &pair->shape[side], err));
        pair->source[side] = d->plan[side]->views[pair->sides[side].view].source;
    }
    view->compared = pair->computed[TL_NEW];
    *preview = (struct tl_preview){
        .change = &view->change,
        .groups = view->change.comparable || pair->rolled,
        .rolled = pair->rolled,
        .spans = pair->shape[TL_NEW].cut_per_key && !pair->rolled,
        .stands = d->same_functions && view->change.windows_same && view->change.keys == TL_KEYS_SAME &&
                  view->change.events_same && !pair->shape[TL_NEW].cut_per_key && !pair->rolled,
        .proves = {pair->shape[TL_NEW].cut_per_key || view->old_published, pair->shape[TL_NEW].cut_per_key},
        .tail_bytes = pair->rolled ? 0 : pair->shape[TL_NEW].key_tail_bytes,
        .shape = {&pair->shape[TL_OLD],                                   &pair->shape[TL_NEW]           },
        .keep_max = (size_t)d->own->limit
    };
    if (!pair->rolled && (mine->window.window == TL_WINDOW_HOP || mine->window.window == TL_WINDOW_CUMULATE))
        preview->reach_ms = tl_add_sat_i64(mine->window.size_ms, TL_DAY_MS); /* a clock that is changed */
    preview->used = used_columns(d, pair, &view->change, err);
    if (preview->used == NULL)
        TL_TRY(tl_fail_memory(err, view->change.columns_count));
    preview->by = order_column(d, preview);
    TL_TRY(key_names(d, pair, view, err));
    TL_TRY(tl_preview_open(preview, err));
out:
    return rc;
}

static enum tl_code check_by(struct tl_diff *d, struct tl_err *err)
{
    bool found = d->own->by == NULL, any = false;
    const char *names[64];
    size_t count = 0;
    const char *nearest;

    for (uint32_t v = 0; v < d->report.views_count; v++) {
        for (uint32_t c = 0; d->views[v].compared && c < d->views[v].change.columns_count; c++) {
            struct tl_sv copy;

            any = true;
            if (d->views[v].change.columns[c].number && count < TL_COUNT(names) &&
                tl_arena_copy(&d->memory, d->views[v].change.columns[c].name, &copy))
                names[count++] = copy.data;
        }
        found = found || (d->views[v].compared && d->views[v].preview.by >= 0);
    }
    if (found || !any)
        return TL_OK;
    nearest = tl_option_nearest(d->own->by, names, count);
    return tl_fail(err, TL_ERR_USAGE, "no view that changes has a number '%s' in both definitions%s%s%s", d->own->by,
                   nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

enum tl_code tl_diff_open_views(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < d->report.views_count; v++)
        if (d->views[v].state == TL_PREVIEW_CHANGED)
            TL_TRY(open_view(d, v, err));
    TL_TRY(check_by(d, err));
out:
    return rc;
}
