/* reconcile.c: the command: compares what both layers counted over a range, and explains every difference.
 *
 * Order: one snapshot of the store (rows that differ, what views on views are made of, offsets, manifests, ledgers); then, without it, the master
 * record and the log's tail for the events behind the differences; then the report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "derivation.h"
#include "main/check_text.h"
#include "main/command.h"
#include "main/views.h"
#include "reconcile_file.h"
#include "reconcile_inside.h"
#include "reconciliation.h"
#include "trend.h"

/* ---- notes ---- */

enum tl_code tl_reconcile_note(struct reconcile *r, struct tl_err *err, const char *fmt, ...)
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

/* ---- functions and data of before ---- */

static enum tl_code open_before(struct reconcile *r, struct tl_err *err)
{
    struct tl_common_options before = *r->common;
    const struct reconcile_options *own = r->own;
    enum tl_code rc;

    if (own->old_functions == NULL && own->old_places == NULL && own->old_user_agents == NULL)
        return TL_OK;
    before.functions = own->old_functions != NULL ? own->old_functions : before.functions;
    before.places = own->old_places != NULL ? own->old_places : before.places;
    before.user_agents = own->old_user_agents != NULL ? own->old_user_agents : before.user_agents;
    TL_TRY(tl_views_open(&before, before.views, &r->functions_before, &r->plan_before, err));
    TL_TRY(tl_views_take_secret(r->functions_before, r->store, err));
    tl_functions_versions(r->functions_before, &r->versions_before);
    TL_TRY(tl_buf_check(&r->versions_before, "the versions", err));
out:
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

/* When the events of differing units may have been. Where clocks are changed, windows are on the wall. */
static enum tl_code differing_times(const struct reconcile *r, uint32_t v, struct tl_time_spans *spans, struct tl_err *err)
{
    int64_t beside_ms = r->plan->views[v].window.zone == NULL ? 0 : TL_DAY_MS;

    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (unit->view == v &&
            !tl_time_spans_add(spans, tl_add_sat_i64(unit->start_ms, -beside_ms), tl_add_sat_i64(unit->end_ms, beside_ms)))
            return tl_fail_memory(err, spans->count * sizeof *spans->items);
    }
    tl_time_spans_settle(spans);
    return TL_OK;
}

static enum tl_code compare_view(struct reconcile *r, uint32_t v, struct tl_err *err)
{
    struct compared *mine = &r->views[v];
    struct tl_report_view *view = &r->reported[v];
    const struct tl_view *plan_view = &r->plan->views[v];
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    struct tl_time_spans spans = {0};
    const struct tl_recorded_source of = {&r->recorded, plan_view->source};
    const struct tl_recorded_topics *topics;
    enum tl_code rc = TL_OK;

    if (!mine->known || (plan_view->inner >= 0 && r->definitions[plan_view->inner] == 0))
        return TL_OK;
    TL_TRY(tl_reconcile_cut_range(r, v, err));
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
    TL_TRY(differing_times(r, v, &spans, err));
    mine->has_evidence = true;
    mine->alike_ms = tl_max_i64(mine->from_ms, r->own->from_ms);
    tl_alike_widen(&r->alike[plan_view->source], mine->alike_ms, mine->to_ms);
    TL_TRY(tl_recorded_topics(&r->recorded, plan_view->source, &topics, err));
    TL_TRY(tl_evidence_init(&mine->evidence, r->store, &mine->definition, view->topics, view->topics_count, &plan_view->window,
                            first_time(r, v), mine->to_ms, &spans, tl_recorded_floor, &of, err));
    r->causes[v].evidence = &mine->evidence;
out:
    tl_time_spans_done(&spans);
    return rc;
}

static enum tl_code derive(struct reconcile *r, struct tl_err *err)
{
    struct tl_derivation derivation = {
        .plan = r->plan, .store = r->store, .compare = &r->compare, .shapes = r->shapes, .definitions = r->definitions};

    return tl_derivation_prove(&derivation, err);
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

/* With a second handle, where there can be one, so that both layers' rows are read at the same time. */
static enum tl_code begin_snapshot(struct reconcile *r, struct tl_err *err)
{
    struct tl_err ignored;
    bool both = false;

    if (r->finder.threads == 1 || tl_store_open(r->common->store, TL_STORE_WALK, &r->beside, &ignored) != TL_OK)
        return tl_store_begin_read(r->store, err);
    if (tl_store_begin_read_both(r->store, r->beside, &both, &ignored) != TL_OK)
        return tl_store_begin_read(r->store, err);
    if (both)
        r->compare.beside = r->beside;
    return TL_OK;
}

static enum tl_code take_snapshot(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(begin_snapshot(r, err));
    TL_TRY(tl_source_topics_read(r->topics, r->store, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        r->reported[v].topics = tl_source_topics_of(r->topics, r->plan->views[v].source, &r->reported[v].topics_count);
    TL_TRY(tl_reconcile_find_definitions(r, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views[v].needed)
            TL_TRY(compare_view(r, v, err));
    TL_TRY(derive(r, err));
    TL_TRY(tl_reconcile_read_alike(r, err));
    TL_TRY(take_versions(r, err));
    TL_TRY(tl_store_checks(r->store, TL_SV(""), 0, see_check, r, err));
    r->report.findings = r->findings;
out:
    tl_store_rollback(r->store);
    if (r->beside != NULL)
        tl_store_rollback(r->beside);
    return rc;
}

/* ---- the report ---- */

/* That nothing could be compared is worth a mail; so is a view that is not, or a file of the record that is gone. */
static bool nothing_to_see(const struct reconcile *r)
{
    const struct tl_report *report = &r->report;

    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && tl_reconcile_has_changed(r, v))
            return false;
    for (uint32_t g = 0; g < r->recorded.gaps_count; g++)
        if (!r->recorded.gaps[g].is_guess || r->recorded.gaps[g].damage.size > 0)
            return false;
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
    if (r->own->quiet && nothing_to_see(r)) {
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

/* Is what would explain a group among what is not on record? */
static bool may_lie_in_gap(const struct reconcile *r, const struct tl_unit *unit)
{
    /* What a view on a view has is proved by the inner rows, which the store has: it needs the record for theirs alone. */
    if (r->plan->views[unit->view].inner >= 0) {
        bool excused = unit->agrees[TL_SIDE_SPEED] && unit->agrees[TL_SIDE_BATCH];

        for (const struct tl_unit_link *link = unit->inners; link != NULL && excused; link = link->next_inner)
            excused = link->inner->explained || may_lie_in_gap(r, link->inner);
        return excused && unit->inners != NULL;
    }
    for (uint32_t g = 0; g < r->recorded.gaps_count; g++)
        if (tl_record_gap_may_hold(&r->recorded.gaps[g], unit->start_ms, unit->end_ms))
            return true;
    return false;
}

/* One that no hole of the record excuses is the answer 'no'; where all may lie in one, nobody can tell. */
static enum tl_code judge_unexplained(const struct reconcile *r, struct tl_err *err)
{
    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (tl_unit_is_unexplained(unit) && !may_lie_in_gap(r, unit))
            return TL_ERR_ANSWER_NO; /* the report has said it */
    }
    return tl_fail(err, TL_ERR_IO, "the record has holes (the report's notes name them): what is unexplained cannot be judged");
}

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
    TL_TRY(tl_reconcile_choose_views(r, err));
    if (r->own->by != NULL)
        TL_TRY(tl_reconcile_open_by(r, err));
    TL_TRY(tl_store_open(r->common->store, TL_STORE_WALK, &r->store, err));
    TL_TRY(tl_views_take_secret(r->functions, r->store, err));
    TL_TRY(open_before(r, err));
    TL_TRY(open_record(r, err));
    r->finder.events.samples_max = (size_t)r->own->limit;
    TL_TRY(tl_reconcile_open_alike(r, err));
    TL_TRY(take_snapshot(r, err));
    TL_TRY(tl_cause_prove(&r->finder, err));
    if (r->own->full)
        TL_TRY(tl_reconcile_prove_all(r, err));
    TL_TRY(tl_reconcile_sum_up(r, err));
    TL_TRY(print_report(r, err));
    r->printed = true;
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        if (r->views_wanted[v] && tl_reconcile_has_changed(r, v))
            TL_TRY(tl_fail(err, TL_ERR_DEFINITION, "%s: view %.*s is not what the store counts (the report's first note)",
                           r->common->views, TL_SV_ARG(r->plan->views[v].name)));
    if (r->report.unexplained_count > 0)
        rc = judge_unexplained(r, err);
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
    /* The plan goes with the views. */
    for (uint32_t s = 0; r->plan != NULL && r->alike != NULL && s < r->plan->sources_count; s++)
        tl_alike_done(&r->alike[s]);
    tl_recorded_done(&r->recorded);
    tl_source_logs_close(r->logs);
    tl_source_topics_close(r->topics);
    tl_master_close(r->master);
    tl_store_close(r->store);
    tl_store_close(r->beside);
    tl_views_close(r->functions, r->plan);
    tl_views_close(r->functions_before, r->plan_before);
    tl_buf_done(&r->versions_before);
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
    {"from",            TL_OPT_TIME,   "TIME",                  "compare windows that end after this; from the beginning unless set",
     offsetof(struct reconcile_options,                                                                                                                                                    from_ms),         0},
    {"to",              TL_OPT_TIME,   "TIME",                  "compare windows that end at this or before; all that is published unless set",
     offsetof(struct reconcile_options,                                                                                                                                                    to_ms),           0},
    {"format",          TL_OPT_CHOICE, "text|json|csv|md|html", "how the report is written",                                                            offsetof(struct reconcile_options, format),
     0                                                                                                                                                                                                        },
    {"by",              TL_OPT_TEXT,   "COLUMN",                "sum the differences by this key column of the views",                                  offsetof(struct reconcile_options, by),
     0                                                                                                                                                                                                        },
    {"limit",           TL_OPT_COUNT,  "N",
     "list so many differing units, unexplained ones first, events of each cause, and values of --by (20); with --history so "
     "many reconciliations",                                                                                                                            offsetof(struct reconcile_options, limit),           0},
    {"full",            TL_OPT_FLAG,   NULL,                    "prove every group by recomputation, also the equal ones, a published range at a time",
     offsetof(struct reconcile_options,                                                                                                                                                    full),            0},
    {"history",         TL_OPT_FLAG,   NULL,
     "compare nothing: show what earlier ones came to, the newest first, that had compared something of the range",                                     offsetof(struct reconcile_options, history),         0},
    {"quiet",           TL_OPT_FLAG,   NULL,
     "print nothing when nothing is unexplained, changed or missing (-v: the headline on stderr): cron mails what is printed",                          offsetof(struct reconcile_options, quiet),           0},
    {"no-store",        TL_OPT_FLAG,   NULL,                    "leave this one out of --history",                                                      offsetof(struct reconcile_options, no_store),        0},
    {"old-functions",   TL_OPT_FILE,   "LIB.so",                "the library that was used before --functions: proves what rules_changed is behind",
     offsetof(struct reconcile_options,                                                                                                                                                    old_functions),   0},
    {"old-places",      TL_OPT_FILE,   "FILE.mmdb",             "the same for --places",                                                                offsetof(struct reconcile_options, old_places),      0},
    {"old-user-agents", TL_OPT_FILE,   "FILE",                  "the same for --user-agents",                                                           offsetof(struct reconcile_options, old_user_agents),
     0                                                                                                                                                                                                        },
    {"metrics-file",    TL_OPT_FILE,   "FILE.prom",             "write what it came to for the node exporter's textfile collector",
     offsetof(struct reconcile_options,                                                                                                                                                    metrics_file),    0},
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
    tl_buf_init(&r.versions_before, 0);
    tl_compare_init(&r.compare, 0);
    tl_cause_init(&r.finder);
    compares = !own.history && !own.advise.wanted;
    if ((own.history && own.advise.wanted) ||
        (!compares && (own.quiet || own.no_store || own.metrics_file != NULL || own.by != NULL || own.full ||
                       own.old_functions != NULL || own.old_places != NULL || own.old_user_agents != NULL)) ||
        (own.advise.wanted && (own.from_ms != TL_TIME_NONE || own.to_ms != TL_TIME_NONE)))
        rc = tl_fail(&err, TL_ERR_USAGE,
                     "--%s compares nothing: --by, --full, --quiet, --no-store, --metrics-file, --old-..., %s are not for it",
                     own.history ? "history" : "advise-lateness", own.history ? "--advise-lateness" : "--from, --to");
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
