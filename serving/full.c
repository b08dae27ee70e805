/* full.c: proves every unit by recomputation, also those that are equal. See full.h. */
#include "full.h"

#include <stdlib.h>

#include "cause.h"
#include "derivation.h"
#include "event/timestamp.h"

/* One range of time, of all views. */
struct piece {
    struct tl_full *full;
    int64_t from_ms, to_ms;
    struct tl_compare compare;
    struct tl_cause_finder finder;
    struct tl_cause_view *causes;
    struct tl_evidence *evidence;
    bool *has_evidence;
    int64_t *definitions;
    const struct tl_shape **shapes;
    struct tl_table *waiting; /* what the range before has left */
};

/* ---- ranges ---- */

static enum tl_code add_bound(struct tl_full *full, int64_t ms, struct tl_err *err)
{
    if (ms == INT64_MIN || ms == INT64_MAX)
        return TL_OK;
    if ((full->bounds_count & (full->bounds_count - 1)) == 0 &&
        !TL_RESIZE(full->bounds, full->bounds_count == 0 ? 1 : 2 * full->bounds_count))
        return tl_fail_memory(err, full->bounds_count * sizeof *full->bounds);
    full->bounds[full->bounds_count++] = ms;
    return TL_OK;
}

static enum tl_code add_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    return add_bound(ctx, range->to_ms, err);
}

struct sealed {
    const struct tl_source_topic *topics;
    uint32_t topics_count;
    int64_t upto_ms;
};

static enum tl_code see_sealed(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    struct sealed *sealed = ctx;

    (void)sealed_ms;
    (void)err;
    for (uint32_t t = 0; t < sealed->topics_count; t++)
        if (tl_sv_eq(sealed->topics[t].name, topic))
            sealed->upto_ms = tl_max_i64(sealed->upto_ms, upto_ms);
    return TL_OK;
}

/* Of what retention has taken from the record nothing can be recomputed. */
static enum tl_code begin_on_record(struct tl_full *full, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &full->plan->views[v];
    struct tl_full_view *mine = &full->views[v];
    struct sealed sealed = {.upto_ms = INT64_MIN};
    enum tl_code rc = TL_OK;

    if (view->inner >= 0)
        return TL_OK;
    sealed.topics = tl_source_topics_of(full->topics, view->source, &sealed.topics_count);
    TL_TRY(tl_store_sealed(full->store, see_sealed, &sealed, err));
    if (sealed.upto_ms == INT64_MIN)
        return TL_OK;
    if (tl_compare_by_span(view))
        mine->floor_ms = tl_max_i64(mine->floor_ms, sealed.upto_ms);
    else
        sealed.upto_ms = tl_add_sat_i64(tl_add_sat_i64(sealed.upto_ms, view->window.size_ms),
                                        view->window.zone == NULL || view->window.size_ms == 0 ? 0 : TL_DAY_MS);
    mine->from_ms = tl_max_i64(mine->from_ms, sealed.upto_ms);
out:
    return rc;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static enum tl_code find_bounds(struct tl_full *full, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(full->store, err));
    for (uint32_t v = 0; v < full->plan->views_count; v++) {
        if (!full->views[v].wanted)
            continue;
        TL_TRY(begin_on_record(full, v, err));
        TL_TRY(tl_store_ranges(full->store, full->views[v].definition, add_range, full, err));
        TL_TRY(add_bound(full, full->views[v].to_ms, err));
    }
    if (full->bounds_count > 0)
        qsort(full->bounds, full->bounds_count, sizeof *full->bounds, by_time);
out:
    tl_store_rollback(full->store);
    return rc;
}

/* ---- one range ---- */

static enum tl_code piece_open(struct piece *piece, struct tl_full *full, struct tl_table *waiting, struct tl_err *err)
{
    uint32_t count = full->plan->views_count;

    piece->full = full;
    tl_compare_init(&piece->compare, 0);
    tl_cause_init(&piece->finder);
    piece->causes = calloc(count + 1, sizeof *piece->causes);
    piece->evidence = calloc(count + 1, sizeof *piece->evidence);
    piece->has_evidence = calloc(count + 1, sizeof *piece->has_evidence);
    piece->definitions = calloc(count + 1, sizeof *piece->definitions);
    piece->shapes = calloc(count + 1, sizeof(struct tl_shape *));
    if (piece->causes == NULL || piece->evidence == NULL || piece->has_evidence == NULL || piece->definitions == NULL ||
        piece->shapes == NULL)
        return tl_fail_memory(err, count * sizeof *piece->evidence);
    for (uint32_t v = 0; v < count; v++) {
        piece->causes[v] = (struct tl_cause_view){.plan_view = &full->plan->views[v], .shape = full->views[v].shape};
        piece->shapes[v] = full->views[v].shape;
    }
    piece->finder.plan = full->plan;
    piece->finder.recorded = full->recorded;
    piece->finder.compare = &piece->compare;
    piece->finder.views = piece->causes;
    piece->finder.waiting = waiting;
    piece->finder.threads = 1;
    return TL_OK;
}

static void piece_close(struct piece *piece)
{
    for (uint32_t v = 0; piece->evidence != NULL && piece->has_evidence != NULL && v < piece->full->plan->views_count; v++)
        if (piece->has_evidence[v])
            tl_evidence_done(&piece->evidence[v]);
    tl_cause_done(&piece->finder);
    tl_compare_done(&piece->compare);
    free(piece->causes);
    free(piece->evidence);
    free(piece->has_evidence);
    free(piece->definitions);
    free(piece->shapes);
}

/* What is waiting began before the range, and units may have. */
static int64_t first_time(const struct piece *piece, uint32_t v)
{
    const struct tl_window_spec *window = &piece->full->plan->views[v].window;
    int64_t first_ms = tl_add_sat_i64(piece->from_ms, -window->size_ms);

    for (uint32_t u = 0; u < tl_compare_units(&piece->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&piece->compare, u);

        if (unit->view == v)
            first_ms = tl_min_i64(first_ms, unit->start_ms);
    }
    for (uint32_t i = 0; piece->waiting != NULL && i < piece->waiting->count; i++) {
        const struct tl_compare_waiting *waiting = tl_table_at(piece->waiting, i, NULL, NULL);

        if (waiting->view == v)
            first_ms = tl_min_i64(first_ms, waiting->from_ms);
    }
    return window->zone == NULL ? first_ms : tl_add_sat_i64(first_ms, -TL_DAY_MS);
}

static enum tl_code compare_view(struct piece *piece, uint32_t v, struct tl_err *err)
{
    struct tl_full *full = piece->full;
    struct tl_full_view *mine = &full->views[v];
    const struct tl_view *view = &full->plan->views[v];
    struct tl_compare_counts counts = {0};
    struct tl_definition definition;
    struct tl_compare_range range = {.view = v,
                                     .plan_view = view,
                                     .shape = mine->shape,
                                     .definition = mine->definition,
                                     .boundary_ms = mine->boundary_ms,
                                     .from_ms = tl_max_i64(mine->from_ms, piece->from_ms),
                                     .to_ms = tl_min_i64(mine->to_ms, piece->to_ms),
                                     .floor_ms = mine->floor_ms,
                                     .full = true,
                                     .waiting = piece->waiting,
                                     .reach = tl_cause_reach,
                                     .reach_ctx = &piece->finder};
    enum tl_code rc = TL_OK;

    if (mine->definition == 0)
        return TL_OK;
    TL_TRY(tl_store_definition(full->store, mine->definition, &definition, err));
    if (definition.state == TL_DEFINITION_RETIRED) /* a new one has taken its place meanwhile */
        mine->definition = 0;
    piece->definitions[v] = mine->definition;
    if (mine->definition == 0 || !mine->wanted || range.from_ms >= range.to_ms)
        return TL_OK;
    range.asked_ms = range.from_ms;
    TL_TRY(tl_compare_view(&piece->compare, full->store, &range, &counts, err));
    if (view->inner >= 0)
        return TL_OK;
    piece->has_evidence[v] = true;
    {
        uint32_t topics_count;
        const struct tl_source_topic *topics = tl_source_topics_of(full->topics, view->source, &topics_count);
        const struct tl_recorded_source of = {full->recorded, view->source};
        const struct tl_recorded_topics *recorded;

        TL_TRY(tl_recorded_topics(full->recorded, view->source, &recorded, err));
        TL_TRY(tl_evidence_init(&piece->evidence[v], full->store, &definition, topics, topics_count, &view->window,
                                first_time(piece, v), range.to_ms, NULL, tl_recorded_floor, &of, err));
    }
    piece->causes[v].evidence = &piece->evidence[v];
out:
    return rc;
}

static enum tl_code take_snapshot(struct piece *piece, struct tl_err *err)
{
    struct tl_full *full = piece->full;
    struct tl_derivation derivation = {.plan = full->plan,
                                       .store = full->store,
                                       .compare = &piece->compare,
                                       .shapes = piece->shapes,
                                       .definitions = piece->definitions,
                                       .waiting = piece->finder.waiting};
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(full->store, err));
    for (uint32_t v = 0; v < full->plan->views_count; v++)
        TL_TRY(compare_view(piece, v, err));
    TL_TRY(tl_derivation_prove(&derivation, err));
out:
    tl_store_rollback(full->store);
    return rc;
}

/* By other rules: what there should be a group of. */
static enum tl_code keep_lost(struct piece *piece, struct tl_err *err)
{
    const struct tl_full *full = piece->full;
    enum tl_code rc = TL_OK;

    for (uint32_t u = 0; u < tl_compare_units(&piece->compare); u++) {
        struct tl_unit *unit = tl_compare_unit(&piece->compare, u), *kept;
        bool lost = false;

        if (unit->left_out || unit->stored[TL_SIDE_SPEED] != NULL || unit->stored[TL_SIDE_BATCH] != NULL)
            continue;
        TL_TRY(full->is_lost(full->ctx, unit, &lost, err));
        if (lost)
            TL_TRY(tl_compare_adopt(full->compare, &full->plan->views[unit->view], unit,
                                    full->views[unit->view].shape->columns_count, &kept, err));
    }
out:
    return rc;
}

/* Equal groups, and what there should be a group of: what differs the report has judged. */
static enum tl_code keep_failures(struct piece *piece, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t u = 0; u < tl_compare_units(&piece->compare); u++) {
        struct tl_unit *unit = tl_compare_unit(&piece->compare, u);
        struct tl_full_view *mine = &piece->full->views[unit->view];
        struct tl_unit *kept;

        if (unit->left_out || !unit->equal)
            continue;
        if (unit->agrees[TL_SIDE_SPEED] && unit->agrees[TL_SIDE_BATCH]) {
            mine->proved_count += unit->equal_count;
            continue;
        }
        TL_TRY(tl_compare_adopt(piece->full->compare, &piece->full->plan->views[unit->view], unit, mine->shape->columns_count,
                                &kept, err));
        mine->failed_count += kept != NULL ? unit->equal_count : 0;
    }
out:
    return rc;
}

static enum tl_code prove_piece(struct tl_full *full, int64_t from_ms, int64_t to_ms, struct tl_table *before,
                                struct tl_table *behind, struct tl_err *err)
{
    struct piece piece = {.from_ms = from_ms, .to_ms = to_ms, .waiting = before};
    enum tl_code rc = TL_OK;

    TL_TRY(piece_open(&piece, full, behind, err));
    TL_TRY(take_snapshot(&piece, err));
    TL_TRY(tl_cause_prove(&piece.finder, err));
    TL_TRY(full->is_lost != NULL ? keep_lost(&piece, err) : keep_failures(&piece, err));
out:
    piece_close(&piece);
    return rc;
}

enum tl_code tl_full_prove(struct tl_full *full, struct tl_err *err)
{
    struct tl_table waiting[2];
    int64_t from_ms = INT64_MIN;
    int at = 0;
    enum tl_code rc = TL_OK;

    tl_table_init(&waiting[0], sizeof(struct tl_compare_waiting), 0);
    tl_table_init(&waiting[1], sizeof(struct tl_compare_waiting), 0);
    TL_TRY(find_bounds(full, err));
    for (size_t b = 0; b < full->bounds_count; b++) {
        if (full->bounds[b] == from_ms)
            continue;
        tl_table_reset(&waiting[1 - at]);
        TL_TRY(prove_piece(full, from_ms, full->bounds[b], &waiting[at], &waiting[1 - at], err));
        from_ms = full->bounds[b];
        at = 1 - at;
    }
out:
    tl_table_done(&waiting[0]);
    tl_table_done(&waiting[1]);
    return rc;
}

void tl_full_done(struct tl_full *full)
{
    free(full->bounds);
}
