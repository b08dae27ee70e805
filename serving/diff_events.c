/* diff_events.c: the events behind the groups that differ, and their names. See diff_inside.h. */
#include <stdlib.h>
#include <string.h>

#include "diff_inside.h"

/* ---- the events behind the differences ---- */

/* What a published range had read of the record. */
struct manifest {
    struct tl_diff *diff;
    const struct tl_diff_pair *pair;
    struct tl_published_range *range;
    struct tl_published_offset *offsets;
    uint32_t capacity;
};

static enum tl_code see_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct manifest *manifest = ctx;
    struct tl_sv plain = tl_topic_of_record(topic);
    uint32_t count, base = tl_sv_eq(plain, topic) ? 0 : TL_PARTITION_IMPORTED;
    const struct tl_source_topic *topics =
        tl_source_topics_of(manifest->diff->topics[TL_OLD], manifest->pair->source[TL_OLD], &count);

    for (uint32_t t = 0; t < count; t++) {
        if (!tl_sv_eq(topics[t].name, plain))
            continue;
        if (manifest->range->offsets_count == manifest->capacity) {
            uint32_t capacity = manifest->capacity * 2 + 8;
            struct tl_published_offset *offsets = tl_arena_alloc(&manifest->diff->memory, capacity * sizeof *offsets);

            if (offsets == NULL)
                return tl_fail_memory(err, capacity * sizeof *offsets);
            if (manifest->range->offsets_count > 0)
                memcpy(offsets, manifest->offsets, manifest->range->offsets_count * sizeof *offsets);
            manifest->offsets = offsets;
            manifest->capacity = capacity;
        }
        manifest->offsets[manifest->range->offsets_count++] =
            (struct tl_published_offset){base | (tl_partition_number(topics[t].number, 0) + partition), next_offset};
    }
    return TL_OK;
}

/* Of the ranges that may hold events of what is compared. */
enum tl_code tl_diff_read_manifests(struct tl_diff *d, struct tl_diff_pair *pair, struct tl_err *err)
{
    int64_t first_ms = tl_add_sat_i64(tl_add_sat_i64(d->report.from_ms, -d->own->read_back_ms), -2 * TL_DAY_MS);
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < pair->published_count; r++) {
        struct manifest manifest = {.diff = d, .pair = pair, .range = &pair->published[r]};

        if (pair->published[r].to_ms <= first_ms || pair->published[r].from_ms >= d->report.to_ms)
            continue;
        if (r > 0 && pair->published[r - 1].run == pair->published[r].run && pair->published[r - 1].offsets != NULL) {
            pair->published[r].offsets = pair->published[r - 1].offsets;
            pair->published[r].offsets_count = pair->published[r - 1].offsets_count;
            continue;
        }
        TL_TRY(tl_store_run_offsets(d->store, pair->published[r].run, see_offset, &manifest, err));
        pair->published[r].offsets = manifest.offsets;
    }
out:
    return rc;
}

/* The view that a side's view reads; empty: a table. */
static struct tl_sv read_by(const struct tl_diff *d, uint32_t p, int side)
{
    int32_t view = d->pairs[p].sides[side].view, inner = view >= 0 ? d->plan[side]->views[view].inner : -1;

    return inner >= 0 ? d->plan[side]->views[inner].name : (struct tl_sv){NULL, 0};
}

/* A view on a view is made of rows, which have no place in the record. */
static const char *made_of_rows(struct tl_diff *d, struct tl_sv name)
{
    const char *rest = "";

    for (uint32_t p = 0; p < d->report.views_count; p++) {
        if (!tl_sv_eq(d->views[p].name, name))
            continue;
        rest = d->views[p].state == TL_PREVIEW_UNCHANGED          ? ", which is unchanged"
               : d->views[p].compared && tl_diff_has_events(d, p) ? ", whose own are listed there"
                                                                  : "";
    }
    return tl_arena_printf(&d->memory, "it is made of rows of %.*s%s", TL_SV_ARG(name), rest);
}

enum tl_code tl_diff_say_events(struct tl_diff *d, uint32_t p, struct tl_err *err)
{
    struct tl_preview_view *view = &d->views[p];
    struct tl_sv inner = read_by(d, p, TL_NEW);

    if (inner.size == 0)
        inner = read_by(d, p, TL_OLD);
    view->moved_known = tl_diff_has_events(d, p);
    view->moved_why = d->own->no_events      ? "--no-events"
                      : inner.size > 0       ? made_of_rows(d, inner)
                      : view->preview.groups ? "OLD's text is not here: --views FILE has it"
                                             : "only totals are compared";
    return view->moved_why != NULL ? TL_OK : tl_fail_memory(err, inner.size);
}

static enum tl_code add_spans(const struct tl_preview *preview, struct tl_time_spans *spans, struct tl_err *err)
{
    for (size_t u = 0; u < preview->units_count; u++)
        for (int side = 0; side < TL_BOTH; side++)
            if (preview->units[u].row[side].data != NULL &&
                !tl_time_spans_add(spans, preview->units[u].start_ms[side], preview->units[u].end_ms[side]))
                return tl_fail_memory(err, spans->count * sizeof *spans->items);
    return TL_OK;
}

static enum tl_code open_events(struct tl_diff *d, struct tl_moves *moves, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        struct tl_diff_count *count = &d->events[c];
        struct tl_recount_config config = {.plan = &count->plan,
                                           .wanted = count->wanted,
                                           .checks = d->checks[count->side],
                                           .whole = true,
                                           .threads = d->threads,
                                           .asks = tl_moves_ask,
                                           .rows = tl_moves_rows,
                                           .refused = tl_moves_refused,
                                           .ctx = count->moves,
                                           .push_ctxs = count->push_ctxs};
        bool any = false;

        for (uint32_t v = 0; count->any && v < count->plan.views_count; v++) {
            count->wanted[v] = count->pairs[v] >= 0 && d->views[count->pairs[v]].preview.units_count > 0;
            any = any || count->wanted[v];
        }
        for (uint32_t t = 0; any && t < d->threads; t++)
            count->moves[t] = (struct tl_moves_side){moves, t, count->side, count->pairs};
        if (any)
            TL_TRY(tl_recount_open(&config, &count->recount, err));
    }
out:
    return rc;
}

/* Reads what the span's units are made of once more. */
enum tl_code tl_diff_find_moves(struct tl_diff *d, struct tl_err *err)
{
    struct tl_moves_view *views = calloc(d->report.views_count + 1u, sizeof *views);
    struct tl_time_spans spans = {0};
    struct tl_moves *moves = NULL;
    enum tl_code rc = TL_OK;

    if (views == NULL)
        return tl_fail_memory(err, d->report.views_count * sizeof *views);
    for (uint32_t p = 0; p < d->report.views_count; p++) {
        const struct tl_diff_pair *pair = &d->pairs[p];

        views[p].preview = &d->views[p].preview;
        memcpy(views[p].source, pair->source, sizeof pair->source);
        if (d->views[p].old_published) {
            views[p].published = pair->published;
            views[p].published_count = pair->published_count;
        }
        if (d->views[p].compared && d->views[p].moved_known)
            TL_TRY(add_spans(&d->views[p].preview, &spans, err));
    }
    tl_time_spans_settle(&spans);
    if (spans.count == 0)
        goto out;
    TL_TRY(tl_moves_open(views, d->report.views_count, d->threads, &moves, err));
    TL_TRY(open_events(d, moves, err));
    TL_TRY(tl_diff_push(d, d->events, spans.items[0].from_ms, spans.items[spans.count - 1].to_ms, &spans, moves, err));
    TL_TRY(tl_diff_retire(d->events, INT64_MAX, err));
out:
    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        tl_recount_close(d->events[c].recount);
        d->events[c].recount = NULL;
    }
    tl_moves_close(moves);
    tl_time_spans_done(&spans);
    free(views);
    return rc;
}

/* ---- names of events ---- */

static enum tl_code name_sample(struct tl_diff *d, struct tl_moved_sample *sample, struct tl_err *err)
{
    enum tl_before_after side = sample->of;
    uint32_t source = sample->source;
    int32_t slot = d->plan[side]->sources[source].dedup_slot;
    const struct tl_message *message;
    struct tl_intake *intake;
    enum tl_code rc = TL_OK;

    sample->topic = tl_source_topic_name(d->topics[side], source, sample->partition);
    if (slot < 0)
        return TL_OK;
    if (d->intakes[side] == NULL) {
        d->intakes[side] = tl_arena_zalloc(&d->memory, (d->plan[side]->sources_count + 1u) * sizeof(struct tl_intake *));
        if (d->intakes[side] == NULL)
            return tl_fail_memory(err, d->plan[side]->sources_count * sizeof(struct tl_intake *));
        tl_recorded_init(&d->recorded[side], d->plan[side], d->topics[side], d->master, NULL);
        d->recorded[side].goes_on = true; /* what is damaged was left out */
    }
    if (d->intakes[side][source] == NULL)
        TL_TRY(tl_intake_open(d->plan[side], source, &d->intakes[side][source], err));
    intake = d->intakes[side][source];
    TL_TRY(tl_recorded_find(&d->recorded[side], source, sample->partition, sample->offset, &message, err));
    if (message == NULL)
        return TL_OK;
    TL_TRY(tl_intake_run(intake, message, 1, err));
    for (uint32_t i = 0; i < intake->batch->rows; i++) {
        const struct tl_vec *column = &intake->batch->column[slot];

        if (intake->batch->row[i] == sample->row && !column->null[i] && !tl_arena_copy(&d->memory, column->sv[i], &sample->id))
            return tl_fail_memory(err, column->sv[i].size);
    }
out:
    return rc;
}

static enum tl_code name_list(struct tl_diff *d, struct tl_moved *moved, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (; moved != NULL; moved = moved->next)
        for (uint32_t s = 0; s < moved->samples_count; s++)
            TL_TRY(name_sample(d, &moved->samples[s], err));
out:
    return rc;
}

enum tl_code tl_diff_name_events(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < d->report.views_count; p++) {
        TL_TRY(name_list(d, d->views[p].preview.moved, err));
        for (size_t u = 0; u < d->views[p].preview.kept_count; u++)
            TL_TRY(name_list(d, d->views[p].preview.kept[u].moved, err));
    }
out:
    return rc;
}
