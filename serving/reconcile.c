/* reconcile.c: the command: compares what both layers counted over a range, and explains every difference.
 *
 * Order: one snapshot of the store (rows that differ, what views on views are made of, offsets, manifests, ledgers); then, without it, the master
 * record and the log's tail for the events behind the differences; then the report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise.h"
#include "base/clock.h"
#include "base/diag.h"
#include "cause.h"
#include "derivation.h"
#include "event/timestamp.h"
#include "trend.h"
#include "full.h"
#include "main/check_text.h"
#include "main/command.h"
#include "main/option.h"
#include "main/views.h"
#include "reconcile_file.h"
#include "reconciliation.h"
#include "report.h"
#include "suspect.h"
#include "sql/settings.h"
#include "sql/shape.h"
#include "versions.h"

struct reconcile_options {
    int64_t from_ms, to_ms, limit;
    const char *format, *by, *metrics_file;
    bool full, history, no_store, quiet;
    struct tl_advise_options advise;
};

/* One view of the plan. */
struct compared {
    bool needed; /* wanted, or read by a view that is */
    bool known;  /* the store has this definition */
    /* What is compared; with what is not asked for, and views on this one need. */
    int64_t from_ms, to_ms;
    bool rows_gone; /* before from_ms, in speed */
    struct tl_definition definition;
    struct tl_shape shape;
    struct tl_evidence evidence;
    bool has_evidence;
};

struct reconcile {
    const struct tl_common_options *common;
    const struct reconcile_options *own;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_store *store;
    struct tl_master *master;
    struct tl_source_logs *logs;
    struct tl_source_topics *topics;
    struct tl_recorded recorded;
    struct compared *views; /* as in the plan, and so are the next four */
    struct tl_report_view *reported;
    struct tl_cause_view *causes;
    int64_t *definitions; /* 0: not compared */
    bool *views_wanted;
    struct tl_compare compare;
    struct tl_cause_finder finder;
    struct tl_arena memory;
    struct tl_sv *notes;
    size_t notes_count, notes_capacity;
    struct tl_versions versions;
    struct tl_buf versions_here; /* what rows are recomputed with */
    struct tl_report report;
    bool printed; /* the report is out */
    struct tl_unit **units;
    struct tl_report_finding *findings;
    const struct tl_shape **shapes; /* as in the plan */
    struct tl_by by;
    struct tl_suspect_run *runs; /* that serve what is compared */
    size_t runs_count;
    struct tl_alike *alike; /* per source */
    struct tl_report_alike *alike_shown;
};

/* ---- notes ---- */

TL_PRINTF(3, 4) static enum tl_code note(struct reconcile *r, struct tl_err *err, const char *fmt, ...)
{
    char text[600];
    va_list args;

    if (r->notes_count == r->notes_capacity) {
        size_t capacity = r->notes_capacity * 2 + 8;
        struct tl_sv *notes = realloc(r->notes, capacity * sizeof *notes);

        if (notes == NULL)
            return tl_fail_memory(err, capacity * sizeof *notes);
        r->notes = notes;
        r->notes_capacity = capacity;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!tl_arena_copy(&r->memory, tl_sv_from(text), &r->notes[r->notes_count]))
        return tl_fail_memory(err, sizeof text);
    r->notes_count++;
    return TL_OK;
}

static const char *time_text(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    tl_time_to_iso_z(ms, out);
    return out;
}

/* ---- which views ---- */

static enum tl_code unknown_view(const struct reconcile *r, const char *name, struct tl_err *err)
{
    const char *names[64], *nearest;
    char copies[64][80];
    size_t count = 0;

    for (uint32_t v = 0; v < r->plan->views_count && count < TL_COUNT(names); v++) {
        snprintf(copies[count], sizeof copies[count], "%.*s", TL_SV_ARG(r->plan->views[v].name));
        names[count] = copies[count];
        count++;
    }
    nearest = tl_option_nearest(name, names, count);
    return tl_fail(err, TL_ERR_USAGE, "%s has no stored view '%s'%s%s%s", r->common->views, name,
                   nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static enum tl_code choose_views(struct reconcile *r, struct tl_err *err)
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
            TL_TRY(unknown_view(r, r->common->args[i], err));
        else
            r->views_wanted[view - r->plan->views] = true;
    }
out:
    return rc;
}

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

static bool has_changed(const struct reconcile *r, uint32_t v)
{
    return !r->views[v].known && (r->reported[v].served_hash != NULL || r->reported[v].building_hash != NULL);
}

/* A definition whose text is not here cannot be recomputed; the other views can. */
static enum tl_code note_changed(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_report_view *view = &r->reported[v];

    return note(r, err,
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
        return note(r, err,
                    "%s: view %.*s: %.8s, which the file has, is served and compared; %.8s is being built to take its place",
                    name, TL_SV_ARG(view->name), view->file_hash, view->building_hash);
    return note(
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
static enum tl_code find_definitions(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views[v].needed)
            TL_TRY(find_definition(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && has_changed(r, v))
            TL_TRY(note_changed(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && r->views[v].known && r->reported[v].building_hash != NULL)
            TL_TRY(note_building(r, v, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && !r->views[v].known && !has_changed(r, v))
            TL_TRY(note(r, err, "view %.*s: nothing is counted yet", TL_SV_ARG(r->plan->views[v].name)));
out:
    return rc;
}

/* ---- the range ---- */

struct kept {
    struct tl_store *store;
    int64_t before_ms; /* what was published earlier may be gone */
    int64_t gone_ms;   /* out: speed's rows up to here may be gone; INT64_MIN: none */
    bool ended;
    int64_t ended_ms; /* of the run that is looked for */
    int64_t run;
};

static enum tl_code find_run(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct kept *kept = ctx;

    (void)err;
    if (run->id == kept->run)
        kept->ended_ms = run->ended_ms;
    return TL_OK;
}

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct kept *kept = ctx;
    enum tl_code rc = TL_OK;

    if (kept->ended)
        return TL_OK;
    if (kept->run != range->run) {
        kept->run = range->run;
        TL_TRY(tl_store_runs(kept->store, find_run, kept, err));
    }
    kept->ended = kept->ended_ms == INT64_MIN || kept->ended_ms >= kept->before_ms;
    if (!kept->ended)
        kept->gone_ms = range->to_ms;
out:
    return rc;
}

static enum tl_code first_row(struct reconcile *r, uint32_t v, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                              int64_t *end_ms, struct tl_err *err)
{
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_cursor_open(r->store, r->views[v].definition.id, layer, from_ms, to_ms, &cursor, err));
    TL_TRY(tl_store_cursor_next(cursor, &row, err));
    *end_ms = row == NULL ? INT64_MAX : row->end_ms;
out:
    if (cursor != NULL)
        tl_store_cursor_close(cursor);
    return rc;
}

/* Speed's rows are kept for a while after publication. Of those that were published before, the ones below the first that is there may
 * be gone, which matters where batch has some. */
static enum tl_code find_gone(struct reconcile *r, uint32_t v, int64_t *gone_ms, struct tl_err *err)
{
    struct kept kept = {.store = r->store,
                        .before_ms = tl_add_sat_i64(tl_clock_wall_ms(), -r->plan->settings.speed_retention_ms),
                        .gone_ms = INT64_MIN,
                        .run = -1};
    int64_t from_ms = r->views[v].from_ms, first_ms;
    enum tl_code rc = TL_OK;

    *gone_ms = INT64_MIN;
    TL_TRY(tl_store_ranges(r->store, r->views[v].definition.id, see_range, &kept, err));
    if (kept.gone_ms <= from_ms)
        return TL_OK;
    TL_TRY(first_row(r, v, TL_LAYER_SPEED, INT64_MIN, kept.gone_ms, &first_ms, err));
    if (first_ms != INT64_MAX)
        kept.gone_ms = r->views[v].shape.windowed ? first_ms - 1 : first_ms;
    if (kept.gone_ms <= from_ms)
        return TL_OK;
    TL_TRY(first_row(r, v, TL_LAYER_BATCH, from_ms, kept.gone_ms, &first_ms, err));
    if (first_ms != INT64_MAX)
        *gone_ms = kept.gone_ms;
out:
    return rc;
}

/* Where speed's rows are gone, of this view or of the one that it reads, nothing is compared. */
static enum tl_code cut_gone(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &r->plan->views[v];
    struct compared *mine = &r->views[v];
    const struct compared *inner = view->inner >= 0 ? &r->views[view->inner] : NULL;
    int64_t gone_ms;
    struct tl_buf retention;
    char to[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    tl_buf_init(&retention, 0);
    TL_TRY(find_gone(r, v, &gone_ms, err));
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
    TL_TRY(note(r, err, "view %.*s: nothing is compared up to %s: speed's rows are kept for %.*s after publication",
                TL_SV_ARG(view->name), time_text(gone_ms, to), TL_SV_ARG(tl_buf_sv(&retention))));
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
        TL_TRY(note(r, err, "view %.*s: no row of speed is final yet: nothing is compared", TL_SV_ARG(view->name)));
    else
        TL_TRY(note(r, err, "view %.*s: nothing is compared behind %s, up to which speed's rows are final", TL_SV_ARG(view->name),
                    time_text(final_ms, final)));
out:
    return rc;
}

/* What is compared of a view: what was asked for, as far as it is published and speed still has its rows. */
static enum tl_code cut_range(struct reconcile *r, uint32_t v, struct tl_err *err)
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
            TL_TRY(note(r, err, "view %.*s: nothing is published yet; `tally batch` publishes", TL_SV_ARG(view->name)));
        goto out;
    }
    if (r->own->from_ms >= boundary_ms) {
        r->report.cut = r->report.cut || wanted;
        if (wanted)
            TL_TRY(note(r, err, "view %.*s: the range lies outside what is published, which ends at %s: nothing is compared",
                        TL_SV_ARG(view->name), time_text(boundary_ms, boundary)));
        goto out;
    }
    if (wanted && r->report.to_ms != INT64_MAX && r->report.to_ms > boundary_ms) {
        r->report.cut = true;
        TL_TRY(note(r, err, "view %.*s: the range up to %s is cut at %s, where what is published ends", TL_SV_ARG(view->name),
                    time_text(r->report.to_ms, to), time_text(boundary_ms, boundary)));
    }
    TL_TRY(cut_gone(r, v, err));
    TL_TRY(cut_final(r, v, err));
out:
    view->from_ms = tl_max_i64(r->own->from_ms, mine->from_ms);
    view->to_ms = mine->to_ms;
    return rc;
}

/* ---- the record ---- */

enum { THREADS_MAX = 16 };

static enum tl_code open_record(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_master_open(r->common->data, &r->master, err));
    rc = tl_source_logs_open(r->common, r->plan, TL_LOG_READ, &r->logs, err);
    if (rc != TL_ERR_NOT_FOUND)
        TL_TRY(rc);
    TL_TRY(tl_source_topics_open(r->plan, &r->topics, err));
    r->finder.threads = (uint32_t)tl_min_i64(tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1), THREADS_MAX);
    r->finder.plan = r->plan;
    tl_recorded_init(&r->recorded, r->plan, r->topics, r->master, r->logs);
    r->recorded.goes_on = true; /* note_gaps looks at what could not be read */
    r->finder.recorded = &r->recorded;
    r->finder.compare = &r->compare;
    r->finder.views = r->causes;
    rc = TL_OK;
out:
    return rc;
}

/* ---- the snapshot ---- */

/* Events that may be in differing units: a window that ends behind `from` may begin before it, and a span may reach back further. */
static int64_t first_time(const struct reconcile *r, uint32_t v)
{
    int64_t first_ms = tl_add_sat_i64(r->views[v].from_ms, -r->plan->views[v].window.size_ms);

    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (unit->view == v)
            first_ms = tl_min_i64(first_ms, unit->start_ms);
    }
    return first_ms;
}

static enum tl_code compare_view(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    struct compared *mine = &r->views[v];
    struct tl_report_view *view = &r->reported[v];
    const struct tl_view *plan_view = &r->plan->views[v];
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    enum tl_code rc = TL_OK;

    if (!mine->known || (plan_view->inner >= 0 && r->definitions[plan_view->inner] == 0))
        return TL_OK;
    TL_TRY(cut_range(r, v, err));
    if (mine->from_ms >= mine->to_ms || (r->views_wanted[v] && view->from_ms >= view->to_ms))
        return TL_OK;
    r->definitions[v] = mine->definition.id;
    range = (struct tl_compare_range){.view = v,
                                      .plan_view = plan_view,
                                      .shape = &mine->shape,
                                      .definition = mine->definition.id,
                                      .boundary_ms = view->boundary_ms,
                                      .from_ms = mine->from_ms,
                                      .to_ms = mine->to_ms,
                                      .asked_ms = r->views_wanted[v] ? view->from_ms : INT64_MAX,
                                      .floor_ms = mine->rows_gone ? mine->from_ms : INT64_MIN,
                                      .reach = tl_cause_reach,
                                      .reach_ctx = &r->finder};
    TL_TRY(tl_compare_view(&r->compare, r->store, &range, &counts, err));
    view->equal_count = counts.equal_count;
    view->gone_count = counts.gone_count;
    if (plan_view->inner >= 0)
        return TL_OK;
    mine->has_evidence = true;
    tl_alike_view(&r->alike[plan_view->source], v, tl_max_i64(mine->from_ms, r->own->from_ms), mine->to_ms);
    TL_TRY(tl_evidence_init(&mine->evidence, r->store, &mine->definition, view->topics, view->topics_count, &plan_view->window,
                            first_time(r, v), mine->to_ms, &r->alike[plan_view->source], err));
    r->causes[v].evidence = &mine->evidence;
out:
    return rc;
}

static enum tl_code derive(struct reconcile *r, struct tl_err *err)
{
    struct tl_derivation derivation = {
        .plan = r->plan, .store = r->store, .compare = &r->compare, .shapes = r->shapes, .definitions = r->definitions};

    return tl_derivation_prove(&derivation, err);
}

/* ---- what both layers treat alike ---- */

static enum tl_code open_alike(struct reconcile *r, struct tl_err *err)
{
    r->alike = calloc(r->plan->sources_count + 1, sizeof *r->alike);
    if (r->alike == NULL)
        return tl_fail_memory(err, r->plan->sources_count * sizeof *r->alike);
    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        tl_alike_init(&r->alike[s]);
    return TL_OK;
}

struct dead {
    struct tl_alike *alike;
    uint32_t number_base;
};

static enum tl_code add_dead(void *ctx, const struct tl_dead_place *dead, struct tl_err *err)
{
    const struct dead *of = ctx;
    enum tl_cause cause = strcmp(tl_dead_reason_cause(dead->reason), tl_cause_name(TL_CAUSE_JSON_BAD_ROW)) == 0
                              ? TL_CAUSE_JSON_BAD_ROW
                              : TL_CAUSE_BAD_EVENT_TIME;

    return tl_alike_dead(of->alike, of->number_base + dead->partition, dead->offset, dead->row, cause, err);
}

static enum tl_code read_dead(struct reconcile *r, uint32_t source, struct tl_err *err)
{
    struct tl_alike *alike = &r->alike[source];
    const struct tl_recorded_topics *topics;
    enum tl_code rc = TL_OK;

    if (alike->first_ms >= alike->last_ms)
        return TL_OK;
    TL_TRY(tl_recorded_topics(&r->recorded, source, &topics, err));
    for (uint32_t t = 0; t < topics->count; t++) {
        struct dead dead = {alike, topics->items[t].number_base};

        TL_TRY(tl_store_dead(r->store, topics->items[t].topic, alike->first_ms, alike->last_ms, add_dead, &dead, err));
    }
out:
    return rc;
}

struct future {
    struct reconcile *r;
    uint32_t source;
};

static enum tl_code find_log_time(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms, struct tl_err *err)
{
    const struct future *of = ctx;
    const struct tl_message *message;
    enum tl_code rc;

    TL_TRY(tl_recorded_find(&of->r->recorded, of->source, event->partition, event->offset, &message, err));
    *log_ms = message == NULL ? INT64_MIN : message->log_ms;
out:
    return rc;
}

/* Once the snapshot has been left. */
static enum tl_code show_alike(struct reconcile *r, uint32_t source, struct tl_err *err)
{
    struct tl_alike_event *events = NULL;
    size_t count = 0;
    uint32_t view = 0;
    enum tl_code rc = TL_OK;

    while (view < r->plan->views_count && r->plan->views[view].source != source)
        view++;
    TL_TRY(tl_alike_place_future(&r->alike[source], find_log_time, &(struct future){r, source}, err));
    TL_TRY(tl_alike_take(&r->alike[source], r->report.alike_count, (size_t)r->own->limit, &events, &count, err));
    if (count > 0 && !TL_RESIZE(r->alike_shown, r->report.alike_shown + count))
        TL_TRY(tl_fail_memory(err, count * sizeof *r->alike_shown));
    for (size_t e = 0; e < count; e++)
        r->alike_shown[r->report.alike_shown++] = (struct tl_report_alike){view, events[e]};
    r->report.alike = r->alike_shown;
out:
    free(events);
    return rc;
}

/* A dead letter has no id. */
static enum tl_code name_alike(struct reconcile *r, struct tl_err *err)
{
    struct tl_cause_named *named = malloc((r->report.alike_shown + 1) * sizeof *named);
    size_t count = 0;
    enum tl_code rc;

    if (named == NULL)
        return tl_fail_memory(err, r->report.alike_shown * sizeof *named);
    for (size_t a = 0; a < r->report.alike_shown; a++)
        if (r->alike_shown[a].event.event.time_ms != INT64_MIN)
            named[count++] = (struct tl_cause_named){r->alike_shown[a].view, &r->alike_shown[a].event.event};
    rc = tl_cause_name_samples(&r->finder, named, count, err);
    free(named);
    return rc;
}

/* ---- what the functions worked with ---- */

static enum tl_code add_speed_versions(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err)
{
    (void)epoch;
    return tl_versions_add(ctx, TL_VERSIONS_SPEED, versions, err);
}

struct serving_run {
    struct reconcile *r;
    int64_t from_ms, to_ms;
    int64_t run; /* the last that was looked for */
    struct tl_run_numbers numbers;
};

static enum tl_code add_run_versions(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct serving_run *serving = ctx;
    struct reconcile *r = serving->r;
    struct tl_suspect_run mine = {.run = run->id};

    if (run->id != serving->run)
        return TL_OK;
    if (!TL_RESIZE(r->runs, r->runs_count + 1) || !tl_arena_copy(&r->memory, run->versions, &mine.versions))
        return tl_fail_memory(err, run->versions.size);
    r->runs[r->runs_count++] = mine;
    return tl_versions_add(&r->versions, TL_VERSIONS_BATCH, run->versions, err);
}

static enum tl_code add_range_versions(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct serving_run *serving = ctx;
    enum tl_code rc;

    if (range->run == serving->run || range->to_ms <= serving->from_ms || range->from_ms >= serving->to_ms)
        return TL_OK;
    serving->run = range->run;
    TL_TRY(tl_run_numbers_add(&serving->numbers, range->run, err));
    TL_TRY(tl_store_runs(serving->r->store, add_run_versions, serving, err));
out:
    return rc;
}

/* Those of the runs that serve what is compared, of all that speed has worked with, and of what rows are recomputed with here. */
static enum tl_code take_versions(struct reconcile *r, struct tl_err *err)
{
    struct serving_run serving = {.r = r};
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_versions(r->store, add_speed_versions, &r->versions, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        serving.from_ms = r->views[v].from_ms;
        serving.to_ms = r->views[v].to_ms;
        serving.run = -1;
        if (r->definitions[v] != 0)
            TL_TRY(tl_store_ranges(r->store, r->definitions[v], add_range_versions, &serving, err));
        TL_TRY(tl_run_numbers_take(&serving.numbers, &r->memory, &r->reported[v].runs, err));
    }
    tl_functions_versions(r->functions, &r->versions_here);
    TL_TRY(tl_buf_check(&r->versions_here, "the versions", err));
    TL_TRY(tl_versions_add(&r->versions, TL_VERSIONS_RECONCILE, tl_buf_sv(&r->versions_here), err));
out:
    tl_run_numbers_done(&serving.numbers);
    return rc;
}

/* ---- what checks found ---- */

static bool is_of_report(const struct reconcile *r, const struct tl_check_result *result)
{
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && tl_sv_eq(r->plan->views[v].name, result->view))
            return result->to_ms > r->report.from_ms && result->from_ms < r->report.to_ms;
    return false;
}

static enum tl_code see_check(void *ctx, const struct tl_stored_check *check, struct tl_err *err)
{
    struct reconcile *r = ctx;
    struct tl_report_finding mine = {.result = check->result, .verdict = tl_check_verdict(check)};
    struct tl_sv *texts[] = {&mine.result.check,  &mine.result.violation, &mine.result.measure,
                             &mine.result.detail, &mine.result.view,      &mine.who,
                             &mine.reason};

    if (check->result.passed || !check->newest || !is_of_report(r, &check->result))
        return TL_OK;
    if (r->report.findings_count >= (size_t)r->own->limit) {
        r->report.findings_left_out++;
        return TL_OK;
    }
    if (tl_check_is_accepted(check)) {
        mine.who = check->who;
        mine.reason = check->reason;
    }
    for (size_t t = 0; t < TL_COUNT(texts); t++)
        if (texts[t]->size > 0 && !tl_arena_copy(&r->memory, *texts[t], texts[t]))
            return tl_fail_memory(err, texts[t]->size);
    if (!TL_RESIZE(r->findings, r->report.findings_count + 1))
        return tl_fail_memory(err, sizeof *r->findings);
    r->findings[r->report.findings_count++] = mine;
    return TL_OK;
}

static enum tl_code take_snapshot(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(r->store, err));
    TL_TRY(tl_source_topics_read(r->topics, r->store, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        r->reported[v].topics = tl_source_topics_of(r->topics, r->plan->views[v].source, &r->reported[v].topics_count);
    TL_TRY(find_definitions(r, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views[v].needed)
            TL_TRY(compare_view(r, v, err));
    TL_TRY(derive(r, err));
    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        TL_TRY(read_dead(r, s, err));
    TL_TRY(take_versions(r, err));
    TL_TRY(tl_store_checks(r->store, TL_SV(""), 0, see_check, r, err));
    r->report.findings = r->findings;
out:
    tl_store_rollback(r->store);
    return rc;
}

/* ---- all units ---- */

static enum tl_code note_unproved(struct reconcile *r, uint32_t v, int64_t from_ms, struct tl_err *err)
{
    char from[TL_TIME_TEXT_BYTES];

    return note(r, err, "view %.*s: nothing is proved up to %s: retention has taken the events from the record",
                TL_SV_ARG(r->plan->views[v].name), time_text(from_ms, from));
}

/* Equal ones are groups still where they came out, and unexplained where they did not: their units are among those that differ. */
static enum tl_code prove_all(struct reconcile *r, struct tl_err *err)
{
    struct tl_full full = {.plan = r->plan,
                           .store = r->store,
                           .topics = r->topics,
                           .recorded = &r->recorded,
                           .compare = &r->compare,
                           .views = calloc(r->plan->views_count + 1, sizeof *full.views)};
    enum tl_code rc = TL_OK;

    if (full.views == NULL)
        return tl_fail_memory(err, r->plan->views_count * sizeof *full.views);
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        full.views[v] = (struct tl_full_view){.definition = r->definitions[v],
                                              .wanted = r->views_wanted[v] && r->definitions[v] != 0,
                                              .shape = &r->views[v].shape,
                                              .from_ms = r->reported[v].from_ms,
                                              .to_ms = r->reported[v].to_ms,
                                              .boundary_ms = r->reported[v].boundary_ms,
                                              .floor_ms = r->views[v].rows_gone ? r->views[v].from_ms : INT64_MIN};
    TL_TRY(tl_full_prove(&full, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        const struct tl_full_view *view = &full.views[v];

        r->reported[v].proved_count = view->proved_count;
        /* What the snapshots tell apart may have changed in between. */
        r->reported[v].equal_count -=
            view->failed_count < r->reported[v].equal_count ? view->failed_count : r->reported[v].equal_count;
        if (view->wanted && view->from_ms > r->reported[v].from_ms && r->reported[v].equal_count > 0)
            TL_TRY(note_unproved(r, v, view->from_ms, err));
    }
    r->report.full = true;
out:
    tl_full_done(&full);
    free(full.views);
    return rc;
}

/* ---- the report ---- */

static void sum_up(struct reconcile *r)
{
    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);
        struct tl_report_view *view = &r->reported[unit->view];

        if (unit->beside)
            continue;
        view->beyond_count += unit->left_out;
        view->explained_count += !unit->left_out && unit->explained;
        view->unexplained_count += !unit->left_out && !unit->explained;
        view->pending_count += !unit->left_out && unit->pending;
    }
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        struct tl_report_view *view = &r->reported[v];

        view->beyond_count -= view->gone_count;
        view->pending_count += view->beyond_count;
        view->groups_count = view->equal_count + view->explained_count + view->unexplained_count;
        r->report.groups_count += view->groups_count;
        r->report.equal_count += view->equal_count;
        r->report.explained_count += view->explained_count;
        r->report.unexplained_count += view->unexplained_count;
        r->report.pending_count += view->pending_count;
        /* With HAVING, ranges may tell groups apart that the whole has as one. */
        view->proved_count = view->proved_count < view->equal_count ? view->proved_count : view->equal_count;
        view->proved_count += view->explained_count;
        r->report.proved_count += view->proved_count;
        memcpy(view->events_count, r->causes[v].events_count, sizeof view->events_count);
        view->checks = r->causes[v].checks;
    }
    memcpy(r->report.events_count, r->finder.events_count, sizeof r->report.events_count);
    r->report.checks = r->finder.checks;
    r->report.found = &r->finder.events;
}

static bool is_listed(const struct tl_unit *unit)
{
    return !unit->beside && !unit->left_out;
}

/* What was asked for; where no bound was, up to the units that differ. */
static void draw_timeline(struct reconcile *r)
{
    uint32_t count = tl_compare_units(&r->compare);
    int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;

    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        const struct tl_report_view *view = &r->reported[v];

        if (!r->views_wanted[v] || view->from_ms >= view->to_ms)
            continue;
        if (r->report.from_ms != INT64_MIN)
            from_ms = tl_min_i64(from_ms, view->from_ms);
        if (r->report.to_ms != INT64_MAX)
            to_ms = tl_max_i64(to_ms, view->to_ms);
    }
    for (uint32_t u = 0; u < count; u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (is_listed(unit) && r->report.from_ms == INT64_MIN)
            from_ms = tl_min_i64(from_ms, unit->start_ms);
        if (is_listed(unit) && r->report.to_ms == INT64_MAX)
            to_ms = tl_max_i64(to_ms, tl_add_sat_i64(unit->start_ms, 1));
    }
    tl_timeline_init(&r->report.timeline, from_ms, to_ms);
    for (uint32_t u = 0; u < count; u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (is_listed(unit))
            tl_timeline_add(&r->report.timeline, unit->start_ms, unit->explained, unit->pending);
    }
}

static enum tl_code open_by(struct reconcile *r, struct tl_err *err)
{
    const struct tl_by_spec spec = {
        .plan = r->plan, .shapes = r->shapes, .wanted = r->views_wanted, .column = tl_sv_from(r->own->by)};

    return tl_by_init(&r->by, &spec, err);
}

static enum tl_code sum_by(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (r->own->by == NULL)
        return TL_OK;
    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (is_listed(unit))
            TL_TRY(tl_by_add(&r->by, unit, err));
    }
    TL_TRY(tl_by_settle(&r->by, (size_t)r->own->limit, err));
    r->report.by = &r->by;
out:
    return rc;
}

/* What differs and cannot be judged, for not all of it is there. */
static enum tl_code note_left_out(struct reconcile *r, struct tl_err *err)
{
    char time[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        const struct tl_report_view *view = &r->reported[v];

        if (view->beyond_count > 0)
            TL_TRY(
                note(r, err,
                     "view %.*s: left out as pending: %llu group%s that differ%s and reach%s beyond %s, up to which is compared",
                     TL_SV_ARG(view->name), (unsigned long long)view->beyond_count, view->beyond_count == 1 ? "" : "s",
                     view->beyond_count == 1 ? "s" : "", view->beyond_count == 1 ? "es" : "", time_text(view->to_ms, time)));
        if (view->gone_count > 0)
            TL_TRY(note(r, err, "view %.*s: left out: %llu group%s that begin%s before %s, up to where speed's rows are gone",
                        TL_SV_ARG(view->name), (unsigned long long)view->gone_count, view->gone_count == 1 ? "" : "s",
                        view->gone_count == 1 ? "s" : "", time_text(view->from_ms, time)));
    }
out:
    return rc;
}

static enum tl_code choose_units(struct reconcile *r, struct tl_err *err)
{
    uint32_t count = tl_compare_units(&r->compare);
    size_t room = count < (uint64_t)r->own->limit ? count : (size_t)r->own->limit, chosen = 0, listed = 0;

    r->units = malloc((room + 1) * sizeof(struct tl_unit *));
    if (r->units == NULL)
        return tl_fail_memory(err, room * sizeof(struct tl_unit *));
    for (int explained = 0; explained < 2; explained++) {
        for (uint32_t u = 0; u < count; u++) {
            struct tl_unit *unit = tl_compare_unit(&r->compare, u);

            listed += explained == 0 && is_listed(unit);
            if (is_listed(unit) && unit->explained == (explained == 1) && chosen < room)
                r->units[chosen++] = unit;
        }
    }
    r->report.units = r->units;
    r->report.units_count = chosen;
    r->report.units_left_out = listed - chosen;
    return TL_OK;
}

/* The events of the units that are listed, and those behind the causes. `out` NULL: they are only counted. */
static size_t gather_samples(const struct reconcile *r, struct tl_cause_named *out)
{
    size_t count = 0;

    for (size_t u = 0; u < r->report.units_count; u++)
        for (struct tl_unit_cause *cause = r->units[u]->causes; cause != NULL; cause = cause->next)
            for (uint32_t s = 0; s < cause->samples_count; s++, count++)
                if (out != NULL)
                    out[count] = (struct tl_cause_named){r->units[u]->view, &cause->samples[s]};
    for (struct tl_cause_group *group = r->finder.events.groups; group != NULL; group = group->next)
        for (size_t s = 0; s < group->samples_count; s++, count++)
            if (out != NULL)
                out[count] = (struct tl_cause_named){group->samples[s].view, &group->samples[s].event};
    return count;
}

static enum tl_code name_events(struct reconcile *r, struct tl_err *err)
{
    size_t count;
    struct tl_cause_named *samples;
    enum tl_code rc;

    tl_cause_events_settle(&r->finder.events);
    count = gather_samples(r, NULL);
    samples = malloc((count + 1) * sizeof *samples);
    if (samples == NULL)
        return tl_fail_memory(err, count * sizeof *samples);
    (void)gather_samples(r, samples);
    rc = tl_cause_name_samples(&r->finder, samples, count, err);
    free(samples);
    return rc;
}

/* Holes in the record matter only where something does not come out; a damaged file is somebody's work in any case. */
static enum tl_code note_gaps(struct reconcile *r, struct tl_err *err)
{
    int64_t named = 0, more = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t g = 0; g < r->recorded.gaps_count; g++) {
        const struct tl_record_gap *gap = &r->recorded.gaps[g];
        bool damaged = gap->damage.size > 0;

        if (!damaged && r->report.unexplained_count == 0)
            continue;
        if (named == r->own->limit) { /* a record of which half is gone has thousands */
            more++;
            continue;
        }
        named++;
        TL_TRY(note(r, err, "topic %.*s partition %u: offsets %lld to %lld %s%.*s%s%s", TL_SV_ARG(gap->topic), gap->partition,
                    (long long)gap->first_offset, (long long)gap->last_offset,
                    damaged ? "cannot be read: " : "are not on record; a file may be missing from ",
                    damaged ? (int)gap->damage.size : (int)strlen(r->common->data), damaged ? gap->damage.data : r->common->data,
                    damaged ? "" : "/topics", r->report.unexplained_count > 0 ? "; what is unexplained may lie there" : ""));
    }
    if (more > 0)
        TL_TRY(note(r, err, "the record has %lld %shole%s; `tally archive --verify` names each", (long long)more,
                    named > 0 ? "more " : "", more == 1 ? "" : "s"));
out:
    return rc;
}

static enum tl_code name_unexplained(struct reconcile *r, struct tl_err *err)
{
    struct tl_suspect suspect = {.finder = &r->finder,
                                 .versions = &r->versions,
                                 .here = tl_buf_sv(&r->versions_here),
                                 .runs = r->runs,
                                 .runs_count = r->runs_count};
    enum tl_code rc;

    TL_TRY(tl_suspect_name(&suspect, err));
    r->report.named_count = suspect.named_count;
out:
    return rc;
}

/* No event is behind such a difference, and it is not proved: it stays unexplained, and this says what to do. */
static enum tl_code note_named(struct reconcile *r, struct tl_err *err)
{
    const uint64_t *counts = r->report.events_count;
    struct tl_buf differences;
    enum tl_code rc = TL_OK;

    tl_buf_init(&differences, 0);
    tl_versions_put_differences(&r->versions, &differences);
    TL_TRY(tl_buf_check(&differences, "a note", err));
    if (counts[TL_CAUSE_RULES_CHANGED] > 0)
        TL_TRY(note(
            r, err,
            "%s: functions worked with %.*s: %llu of the unexplained groups come of that, as far as can be seen without what was "
            "there before; `tally batch --from TIME` recomputes batch's rows",
            tl_cause_name(TL_CAUSE_RULES_CHANGED), TL_SV_ARG(tl_buf_sv(&differences)),
            (unsigned long long)counts[TL_CAUSE_RULES_CHANGED]));
    if (counts[TL_CAUSE_NONDETERMINISTIC_UDF] > 0)
        TL_TRY(
            note(r, err,
                 "%s: %llu of the unexplained groups came out otherwise when they were recomputed once more: a function of the "
                 "--functions library must give the same for the same arguments",
                 tl_cause_name(TL_CAUSE_NONDETERMINISTIC_UDF), (unsigned long long)counts[TL_CAUSE_NONDETERMINISTIC_UDF]));
out:
    tl_buf_done(&differences);
    return rc;
}

/* That nothing could be compared is worth a mail. */
static bool nothing_to_see(const struct tl_report *report)
{
    return report->unexplained_count == 0 && (report->groups_count > 0 || report->notes_count == 0);
}

static const struct {
    const char *format;
    void (*write)(const struct tl_report *report, struct tl_buf *out);
} writers[] = {
    {"text", tl_report_text    },
    {"json", tl_report_json    },
    {"csv",  tl_report_csv     },
    {"md",   tl_report_markdown},
    {"html", tl_report_html    },
};

static enum tl_code print_report(struct reconcile *r, struct tl_err *err)
{
    struct tl_buf out;
    enum tl_code rc = TL_OK;

    tl_buf_init(&out, 0);
    r->report.notes = r->notes;
    r->report.notes_count = r->notes_count;
    r->report.views = r->reported;
    r->report.views_wanted = r->views_wanted;
    r->report.views_count = r->plan->views_count;
    if (r->own->quiet && nothing_to_see(&r->report)) {
        tl_report_headline(&r->report, &out);
        TL_TRY(tl_buf_check(&out, "the headline", err));
        tl_diag(TL_DEBUG, "%.*s", (int)out.size, out.data);
        goto out;
    }
    for (size_t w = 0; w < TL_COUNT(writers); w++)
        if (strcmp(r->own->format, writers[w].format) == 0)
            writers[w].write(&r->report, &out);
    TL_TRY(tl_buf_check(&out, "the report", err));
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write the report to standard output"));
out:
    tl_buf_done(&out);
    return rc;
}

/* ---- what stays of it ---- */

/* The report is out: its exit status stands whatever becomes of this, but for a file of figures that cannot be written. */
static int keep(struct reconcile *r, int64_t started_ms, int64_t took_ms, int status)
{
    struct tl_reconciliation it = {0};
    struct tl_err err = {0};
    enum tl_code rc = TL_OK;

    if (r->printed)
        rc = tl_reconciliation_of(&r->report, &r->memory, &it, &err);
    it.started_ms = started_ms;
    it.ended_ms = started_ms + took_ms;
    it.exit_status = status;
    it.events_count = r->recorded.messages_count;
    it.versions = tl_buf_sv(&r->versions_here);
    if (rc == TL_OK && r->printed && !r->own->no_store)
        rc = tl_reconciliation_keep(r->common->store, &it, &err);
    if (rc != TL_OK)
        tl_diag(TL_WARN, "this reconciliation is not stored, and --history will not show it: %s; --no-store leaves it out",
                err.message);
    if (r->own->metrics_file == NULL)
        return status;
    rc = tl_reconcile_file_write(r->own->metrics_file, &it, r->printed, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return status != 0 ? status : tl_exit_status(rc);
}

/* ---- the command ---- */

static enum tl_code reconcile(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_options_need_views(r->common, err));
    TL_TRY(tl_advise_not_asked(&r->own->advise, err));
    r->report.from_ms = r->own->from_ms;
    r->report.to_ms = r->own->to_ms == TL_TIME_NONE ? INT64_MAX : r->own->to_ms;
    if (r->report.from_ms >= r->report.to_ms)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--from must be before --to; --from 2026-03-01 --to 2026-03-02 would do"));
    TL_TRY(tl_views_open(r->common, r->common->views, &r->functions, &r->plan, err));
    r->views = calloc(r->plan->views_count + 1, sizeof *r->views);
    r->reported = calloc(r->plan->views_count + 1, sizeof *r->reported);
    r->causes = calloc(r->plan->views_count + 1, sizeof *r->causes);
    r->definitions = calloc(r->plan->views_count + 1, sizeof *r->definitions);
    r->views_wanted = calloc(r->plan->views_count + 1, sizeof *r->views_wanted);
    r->shapes = calloc(r->plan->views_count + 1, sizeof(struct tl_shape *));
    if (r->views == NULL || r->reported == NULL || r->causes == NULL || r->definitions == NULL || r->views_wanted == NULL ||
        r->shapes == NULL)
        TL_TRY(tl_fail_memory(err, r->plan->views_count * sizeof *r->views));
    TL_TRY(choose_views(r, err));
    if (r->own->by != NULL)
        TL_TRY(open_by(r, err));
    choose_needed(r);
    TL_TRY(tl_store_open(r->common->store, TL_STORE_READ, &r->store, err));
    TL_TRY(tl_views_take_secret(r->functions, r->store, err));
    TL_TRY(open_record(r, err));
    r->finder.events.samples_max = (size_t)r->own->limit;
    TL_TRY(open_alike(r, err));
    TL_TRY(take_snapshot(r, err));
    if (tl_compare_units(&r->compare) > 0)
        TL_TRY(tl_cause_prove(&r->finder, err));
    if (r->own->full)
        TL_TRY(prove_all(r, err));
    TL_TRY(name_unexplained(r, err));
    sum_up(r);
    draw_timeline(r);
    TL_TRY(sum_by(r, err));
    TL_TRY(note_left_out(r, err));
    TL_TRY(note_gaps(r, err));
    TL_TRY(note_named(r, err));
    TL_TRY(choose_units(r, err));
    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        TL_TRY(show_alike(r, s, err));
    TL_TRY(name_alike(r, err));
    TL_TRY(name_events(r, err));
    TL_TRY(print_report(r, err));
    r->printed = true;
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && has_changed(r, v))
            TL_TRY(tl_fail(err, TL_ERR_DEFINITION, "%s: view %.*s is not what the store counts (the report's first note)",
                           r->common->views, TL_SV_ARG(r->plan->views[v].name)));
    if (r->report.unexplained_count == 0)
        goto out;
    if (r->recorded.gaps_count > 0)
        TL_TRY(
            tl_fail(err, TL_ERR_IO, "the record has holes (the report's notes name them): what is unexplained cannot be judged"));
    rc = TL_ERR_ANSWER_NO; /* the report has said it */
out:
    return rc;
}

static enum tl_code print_history(struct reconcile *r, struct tl_err *err)
{
    const struct reconcile_options *own = r->own;
    const struct tl_trend_query query = {.views = r->common->args,
                                         .views_count = r->common->args_count,
                                         .from_ms = own->from_ms,
                                         .to_ms = own->to_ms == TL_TIME_NONE ? INT64_MAX : own->to_ms,
                                         .limit = own->limit,
                                         .format = own->format};
    enum tl_code rc;

    TL_TRY(tl_advise_not_asked(&own->advise, err));
    if (strcmp(own->format, "md") == 0 || strcmp(own->format, "html") == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--history answers as text, csv or json, not as %s", own->format));
    TL_TRY(tl_store_open(r->common->store, TL_STORE_READ, &r->store, err));
    TL_TRY(tl_trend_print(r->store, &query, err));
out:
    return rc;
}

static void reconcile_done(struct reconcile *r)
{
    tl_cause_done(&r->finder);
    tl_compare_done(&r->compare);
    for (uint32_t v = 0; r->plan != NULL && r->views != NULL && v < r->plan->views_count; v++)
        if (r->views[v].has_evidence)
            tl_evidence_done(&r->views[v].evidence);
    for (uint32_t s = 0; r->alike != NULL && s < r->plan->sources_count; s++) /* the plan goes with the views */
        tl_alike_done(&r->alike[s]);
    tl_recorded_done(&r->recorded);
    tl_source_logs_close(r->logs);
    tl_source_topics_close(r->topics);
    tl_master_close(r->master);
    tl_store_close(r->store);
    tl_views_close(r->functions, r->plan);
    tl_versions_done(&r->versions);
    tl_buf_done(&r->versions_here);
    tl_arena_done(&r->memory);
    tl_by_done(&r->by);
    free(r->shapes);
    free(r->views);
    free(r->reported);
    free(r->causes);
    free(r->definitions);
    free(r->views_wanted);
    free(r->notes);
    free(r->units);
    free(r->findings);
    free(r->runs);
    free(r->alike);
    free(r->alike_shown);
}

static const struct tl_option reconcile_table[] = {
    {"from",         TL_OPT_TIME,   "TIME",                  "compare windows that end after this; from the beginning unless set",
     offsetof(struct reconcile_options,                                                                                                                                                 from_ms),      0},
    {"to",           TL_OPT_TIME,   "TIME",                  "compare windows that end at this or before; all that is published unless set",
     offsetof(struct reconcile_options,                                                                                                                                                 to_ms),        0},
    {"format",       TL_OPT_CHOICE, "text|json|csv|md|html", "how the report is written",                                                            offsetof(struct reconcile_options, format),
     0                                                                                                                                                                                                  },
    {"by",           TL_OPT_TEXT,   "COLUMN",                "sum the differences by this key column of the views",                                  offsetof(struct reconcile_options, by),
     0                                                                                                                                                                                                  },
    {"limit",        TL_OPT_COUNT,  "N",
     "list so many differing units, unexplained ones first, events of each cause, and values of --by (20); with --history so "
     "many reconciliations",                                                                                                                         offsetof(struct reconcile_options, limit),        0},
    {"full",         TL_OPT_FLAG,   NULL,                    "prove every group by recomputation, also the equal ones, a published range at a time",
     offsetof(struct reconcile_options,                                                                                                                                                 full),         0},
    {"history",      TL_OPT_FLAG,   NULL,
     "compare nothing: show what earlier ones came to, the newest first, that had compared something of the range",                                  offsetof(struct reconcile_options, history),      0},
    {"quiet",        TL_OPT_FLAG,   NULL,
     "print nothing when nothing is unexplained (-v: the headline on stderr): cron mails what is printed",                                           offsetof(struct reconcile_options, quiet),        0},
    {"no-store",     TL_OPT_FLAG,   NULL,                    "leave this one out of --history",                                                      offsetof(struct reconcile_options, no_store),     0},
    {"metrics-file", TL_OPT_FILE,   "FILE.prom",             "write what it came to for the node exporter's textfile collector",
     offsetof(struct reconcile_options,                                                                                                                                                 metrics_file), 0},
    TL_ADVISE_OPTIONS(offsetof(struct reconcile_options, advise))
};

static const struct tl_usage reconcile_usage = {
    .synopsis = "[VIEW...]",
    .text = "Compares what speed and batch counted, window by window and key by key, up to where batch has published. For each "
            "difference it\n"
            "finds the events that only one layer counted, says why, and recomputes both rows from the events that each layer "
            "counted.\n"
            "Exit status 1: something is unexplained; 2: a view is not what the store counts.\n"
            "What it came to is kept in the store, the newest 10,000 times: --history lists it, --limit so many, with what has "
            "changed "
            "since the\n"
            "one before that was of the same length. It wants no --views.",
    .example = "tally reconcile --views views.sql --data tally-data --format json",
    .options = reconcile_table,
    .options_count = TL_COUNT(reconcile_table),
    .args_max = -1,
};

TL_COMMAND(reconcile, "compare both layers and explain every difference")
{
    struct reconcile_options own = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE, .limit = 20, .format = "text"};
    struct tl_common_options common;
    struct reconcile r = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int64_t started_ms, began_ms;
    int status = 0;
    bool compares;
    enum tl_code rc;

    if (!tl_options_parse(&reconcile_usage, argc, argv, &common, &own, &status))
        return status;
    started_ms = tl_clock_wall_ms();
    began_ms = tl_clock_monotonic_ms();
    tl_arena_init(&r.memory, 4096, 0);
    tl_buf_init(&r.versions_here, 0);
    tl_compare_init(&r.compare, 0);
    tl_cause_init(&r.finder);
    compares = !own.history && !own.advise.wanted;
    if ((own.history && own.advise.wanted) ||
        (!compares && (own.quiet || own.no_store || own.metrics_file != NULL || own.by != NULL)))
        rc = tl_fail(&err, TL_ERR_USAGE, "--%s compares nothing: --by, --quiet, --no-store, --metrics-file%s are not for it",
                     own.history ? "history" : "advise-lateness", own.history ? ", --advise-lateness" : "");
    else if (own.advise.wanted)
        rc = tl_advise(&common, &own.advise, own.format, &err);
    else
        rc = own.history ? print_history(&r, &err) : reconcile(&r, &err);
    if (rc != TL_OK && rc != TL_ERR_ANSWER_NO)
        tl_diag_err(&err);
    status = tl_exit_status(rc);
    if (compares)
        status = keep(&r, started_ms, tl_clock_monotonic_ms() - began_ms, status);
    reconcile_done(&r);
    return status;
}
