/* reconcile_scope.c: which views are compared, by which definitions, and of each which range. See reconcile_inside.h. */
#include <stdio.h>
#include <string.h>

#include "event/zone.h"
#include "main/views.h"
#include "reconcile_inside.h"
#include "sql/settings.h"
#include "sql/shape.h"

/* ---- which views ---- */

/* How long its windows may last: where a clock is changed, longer than they are on it. */
static int64_t longest_ms(const struct tl_view *view)
{
    return tl_add_sat_i64(view->window.size_ms, view->window.zone == NULL ? 0 : TL_DAY_MS);
}

/* From where on the rows of its inner view are needed for what is compared of a view from `from_ms` on. */
static int64_t reach_of(const struct tl_view *view, int64_t from_ms)
{
    if (view->window.window == TL_WINDOW_INNER) /* the same windows */
        return from_ms;
    return tl_compare_by_span(view) ? INT64_MIN : tl_add_sat_i64(from_ms, -longest_ms(view));
}

/* A view that others read is compared with them. Inner views stand before those that read them. */
static void choose_needed(struct reconcile *r)
{
    for (uint32_t v = r->plan->views_count; v-- > 0;) {
        const struct tl_view *view = &r->plan->views[v];
        struct compared *mine = &r->views[v], *inner = view->inner >= 0 ? &r->views[view->inner] : NULL;

        mine->from_ms = mine->needed ? tl_min_i64(mine->from_ms, r->own->from_ms) : r->own->from_ms;
        mine->needed = mine->needed || r->views_wanted[v];
        if (!mine->needed || inner == NULL)
            continue;
        inner->from_ms =
            inner->needed ? tl_min_i64(inner->from_ms, reach_of(view, mine->from_ms)) : reach_of(view, mine->from_ms);
        inner->needed = true;
    }
}

enum tl_code tl_reconcile_choose_views(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        r->views_wanted[v] = r->common->args_count == 0;
        TL_TRY(tl_shape_of(r->plan, &r->plan->views[v], &r->views[v].shape, err));
        r->shapes[v] = &r->views[v].shape;
        r->reported[v] = (struct tl_report_view){.name = r->plan->views[v].name,
                                                 .shape = &r->views[v].shape,
                                                 .by_span = tl_compare_by_span(&r->plan->views[v]),
                                                 .boundary_ms = INT64_MIN};
        r->causes[v].plan_view = &r->plan->views[v];
        r->causes[v].shape = &r->views[v].shape;
    }
    for (int i = 0; i < r->common->args_count; i++) {
        const struct tl_view *view = tl_plan_view(r->plan, tl_sv_from(r->common->args[i]));

        if (view == NULL)
            TL_TRY(tl_views_unknown(r->plan, r->common->args[i], err));
        else
            r->views_wanted[view - r->plan->views] = true;
    }
    choose_needed(r);
out:
    return rc;
}

/* ---- definitions ---- */

/* What the store has of the view, and which of it is the file's. */
static enum tl_code find_definition(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &r->plan->views[v];
    struct tl_report_view *reported = &r->reported[v];
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc = TL_OK;

    reported->file_hash = view->hash;
    TL_TRY(tl_store_definitions(r->store, &definitions, &count, err));
    for (size_t d = 0; d < count; d++) {
        struct tl_sv hash = tl_sv_from(definitions[d].hash);

        if (!tl_sv_eq(definitions[d].view, view->name) || definitions[d].state == TL_DEFINITION_RETIRED)
            continue;
        if (strcmp(definitions[d].hash, view->hash) == 0) {
            r->views[v].definition = definitions[d];
            r->views[v].known = true;
            reported->boundary_ms = definitions[d].boundary_ms;
            reported->definition = definitions[d].id;
        }
        hash.size++; /* and the zero */
        if (!tl_arena_copy(&r->memory, hash, &hash))
            TL_TRY(tl_fail_memory(err, hash.size));
        if (definitions[d].state == TL_DEFINITION_ACTIVE)
            reported->served_hash = hash.data;
        else /* the newest is the last */
            reported->building_hash = hash.data;
    }
out:
    return rc;
}

bool tl_reconcile_has_changed(const struct reconcile *r, uint32_t v)
{
    return !r->views[v].known && (r->reported[v].served_hash != NULL || r->reported[v].building_hash != NULL);
}

/* A definition whose text is not here cannot be recomputed; the other views can. */
static enum tl_code note_changed(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_report_view *view = &r->reported[v];

    return tl_reconcile_note(
        r, err,
        "%s: view %.*s is not what the store counts, and nothing of it is compared: %s has definition %.8s, the store "
        "%.8s%s; give the file that speed and batch run with, or start them with this one",
        tl_cause_name(TL_CAUSE_DEFINITION_CHANGED), TL_SV_ARG(view->name), r->common->views, view->file_hash,
        view->served_hash != NULL ? view->served_hash : view->building_hash,
        view->served_hash != NULL && view->building_hash != NULL ? " and a newer one" : "");
}

/* Until a new definition has all that the one before has, each layer may have it or not; what it lacks is pending. */
static enum tl_code note_building(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_report_view *view = &r->reported[v];
    const struct tl_definition *definition = &r->views[v].definition;
    const char *name = tl_cause_name(TL_CAUSE_DEFINITION_CHANGED);

    if (definition->state == TL_DEFINITION_ACTIVE)
        return tl_reconcile_note(
            r, err, "%s: view %.*s: %.8s, which the file has, is served and compared; %.8s is being built to take its place",
            name, TL_SV_ARG(view->name), view->file_hash, view->building_hash);
    return tl_reconcile_note(
        r, err,
        "%s: view %.*s: %.8s, which the file has, is being built and compared; %.8s is served until it has caught up: speed "
        "%s, batch %s",
        name, TL_SV_ARG(view->name), view->file_hash, view->served_hash != NULL ? view->served_hash : "nothing",
        !definition->speed_known  ? "has not begun with it"
        : definition->speed_ready ? "has"
                                  : "is on its way",
        definition->boundary_ms == INT64_MIN ? "has published nothing of it" : "has published some of it");
}

/* What is not what it seems is said first. */
enum tl_code tl_reconcile_find_definitions(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views[v].needed)
            TL_TRY(find_definition(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && tl_reconcile_has_changed(r, v))
            TL_TRY(note_changed(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && r->views[v].known && r->reported[v].building_hash != NULL)
            TL_TRY(note_building(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && !r->views[v].known && !tl_reconcile_has_changed(r, v))
            TL_TRY(tl_reconcile_note(r, err, "view %.*s: nothing is counted yet", TL_SV_ARG(r->plan->views[v].name)));
out:
    return rc;
}

/* ---- the range ---- */

/* From where on all windows begin at `gone_ms` or behind it: lines of speed's ledger go by their events' times, and what a window that begins before has
 * missed is not known any more. Spans that do are told apart by themselves. */
static int64_t whole_from(const struct tl_view *view, int64_t gone_ms)
{
    const struct tl_window_spec *spec = &view->window;
    int64_t last_ms, end_ms;

    if (gone_ms == INT64_MIN || spec->window == TL_WINDOW_NONE || view->inner >= 0 || tl_compare_by_span(view))
        return gone_ms;
    last_ms = spec->zone == NULL ? gone_ms - 1 : tl_zone_local_ms(spec->zone, gone_ms - 1);
    last_ms = tl_window_start_ms(last_ms, spec->offset_ms, spec->window == TL_WINDOW_HOP ? spec->slide_ms : spec->size_ms);
    end_ms = tl_add_sat_i64(last_ms, spec->size_ms);
    return tl_max_i64(gone_ms, spec->zone == NULL ? end_ms : tl_zone_end_ms(spec->zone, end_ms));
}

/* Speed's rows are kept for a while after publication, and the store notes up to where they went: which of batch's were published anew since says nothing
 * of that. Where speed's rows are gone, of this view or of the one that it reads, nothing is compared. */
static enum tl_code cut_gone(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &r->plan->views[v];
    struct compared *mine = &r->views[v];
    const struct compared *inner = view->inner >= 0 ? &r->views[view->inner] : NULL;
    int64_t gone_ms = whole_from(view, mine->definition.pruned_ms);
    struct tl_buf retention;
    char to[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    tl_buf_init(&retention, 0);
    if (view->inner >= 0 && inner->rows_gone) {
        int64_t whole_ms = view->window.window == TL_WINDOW_INNER || tl_compare_by_span(view)
                               ? inner->from_ms
                               : tl_add_sat_i64(inner->from_ms, longest_ms(view));

        gone_ms = tl_max_i64(gone_ms, whole_ms);
    }
    if (gone_ms <= mine->from_ms)
        goto out;
    mine->from_ms = gone_ms;
    mine->rows_gone = true;
    if (gone_ms <= r->own->from_ms || !r->views_wanted[v])
        goto out;
    tl_duration_print(r->plan->settings.speed_retention_ms, &retention);
    TL_TRY(tl_buf_check(&retention, "a note", err));
    TL_TRY(tl_reconcile_note(r, err, "view %.*s: nothing is compared up to %s: speed's rows are kept for %.*s after publication",
                             TL_SV_ARG(view->name), tl_reconcile_time(gone_ms, to), TL_SV_ARG(tl_buf_sv(&retention))));
    r->report.cut = true;
out:
    tl_buf_done(&retention);
    return rc;
}

/* Rows of count windows, and of views on views, speed has where its watermark has passed, and little behind it: up to there they are compared. */
static enum tl_code cut_final(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &r->plan->views[v];
    struct compared *mine = &r->views[v];
    int64_t final_ms = mine->definition.final_ms;
    char final[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    if ((view->window.window != TL_WINDOW_COUNT && view->inner < 0) || final_ms >= mine->to_ms)
        return TL_OK;
    mine->to_ms = final_ms;
    if (!r->views_wanted[v])
        return TL_OK;
    if (final_ms == INT64_MIN)
        TL_TRY(tl_reconcile_note(r, err, "view %.*s: no row of speed is final yet: nothing is compared", TL_SV_ARG(view->name)));
    else
        TL_TRY(tl_reconcile_note(r, err, "view %.*s: nothing is compared behind %s, up to which speed's rows are final",
                                 TL_SV_ARG(view->name), tl_reconcile_time(final_ms, final)));
out:
    return rc;
}

/* What is compared of a view: what was asked for, as far as it is published and speed still has its rows. */
enum tl_code tl_reconcile_cut_range(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    struct compared *mine = &r->views[v];
    struct tl_report_view *view = &r->reported[v];
    int64_t boundary_ms = view->boundary_ms;
    char to[TL_TIME_TEXT_BYTES], boundary[TL_TIME_TEXT_BYTES];
    bool wanted = r->views_wanted[v];
    enum tl_code rc = TL_OK;

    mine->to_ms = tl_min_i64(r->report.to_ms, boundary_ms);
    if (boundary_ms == INT64_MIN) {
        if (wanted)
            TL_TRY(
                tl_reconcile_note(r, err, "view %.*s: nothing is published yet; `tally batch` publishes", TL_SV_ARG(view->name)));
        goto out;
    }
    if (r->own->from_ms >= boundary_ms) {
        r->report.cut = r->report.cut || wanted;
        if (wanted)
            TL_TRY(tl_reconcile_note(r, err,
                                     "view %.*s: the range lies outside what is published, which ends at %s: nothing is compared",
                                     TL_SV_ARG(view->name), tl_reconcile_time(boundary_ms, boundary)));
        goto out;
    }
    if (wanted && r->report.to_ms != INT64_MAX && r->report.to_ms > boundary_ms) {
        r->report.cut = true;
        TL_TRY(tl_reconcile_note(r, err, "view %.*s: the range up to %s is cut at %s, where what is published ends",
                                 TL_SV_ARG(view->name), tl_reconcile_time(r->report.to_ms, to),
                                 tl_reconcile_time(boundary_ms, boundary)));
    }
    TL_TRY(cut_gone(r, v, err));
    TL_TRY(cut_final(r, v, err));
out:
    view->from_ms = tl_max_i64(r->own->from_ms, mine->from_ms);
    view->to_ms = mine->to_ms;
    return rc;
}
