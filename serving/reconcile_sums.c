/* reconcile_sums.c: what was found, added up for the report, and the notes that say what it lacks. See reconcile_inside.h. */
#include <stdlib.h>
#include <string.h>

#include "reconcile_inside.h"

static void add_up(struct reconcile *r)
{
    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);
        struct tl_report_view *view = &r->reported[unit->view];

        if (unit->beside)
            continue;
        view->beyond_count += unit->left_out;
        view->explained_count += !unit->left_out && unit->explained;
        view->unexplained_count += tl_unit_is_unexplained(unit);
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
    memcpy(r->report.explained_events, r->finder.explained_events, sizeof r->report.explained_events);
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

enum tl_code tl_reconcile_open_by(struct reconcile *r, struct tl_err *err)
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
            TL_TRY(tl_reconcile_note(
                r, err,
                "view %.*s: left out as pending: %llu group%s that differ%s and reach%s beyond %s, up to which is compared",
                TL_SV_ARG(view->name), (unsigned long long)view->beyond_count, view->beyond_count == 1 ? "" : "s",
                view->beyond_count == 1 ? "s" : "", view->beyond_count == 1 ? "es" : "", tl_reconcile_time(view->to_ms, time)));
        if (view->gone_count > 0)
            TL_TRY(tl_reconcile_note(
                r, err, "view %.*s: left out: %llu group%s that begin%s before %s, up to where speed's rows are gone",
                TL_SV_ARG(view->name), (unsigned long long)view->gone_count, view->gone_count == 1 ? "" : "s",
                view->gone_count == 1 ? "s" : "", tl_reconcile_time(view->from_ms, time)));
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

static bool unexplained_may_lie_in(const struct reconcile *r, const struct tl_record_gap *gap)
{
    for (uint32_t u = 0; u < tl_compare_units(&r->compare); u++) {
        const struct tl_unit *unit = tl_compare_unit(&r->compare, u);

        if (tl_unit_is_unexplained(unit) && tl_record_gap_may_hold(gap, unit->start_ms, unit->end_ms))
            return true;
    }
    return false;
}

/* Also where nothing needed it: a file that is gone is somebody's work in any case. What may be no hole at all is told where it may explain something. */
static enum tl_code note_gaps(struct reconcile *r, struct tl_err *err)
{
    int64_t named = 0, more = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t g = 0; g < r->recorded.gaps_count; g++) {
        const struct tl_record_gap *gap = &r->recorded.gaps[g];
        bool damaged = gap->damage.size > 0;

        if (gap->is_guess && !damaged && r->report.unexplained_count == 0)
            continue;
        if (named == r->own->limit) { /* a record of which half is gone has thousands */
            more++;
            continue;
        }
        named++;
        TL_TRY(tl_reconcile_note(r, err, "topic %.*s partition %u: offsets %lld to %lld %s%.*s%s%s", TL_SV_ARG(gap->topic),
                                 gap->partition, (long long)gap->first_offset, (long long)gap->last_offset,
                                 damaged ? "cannot be read: " : "are not on record; a file may be missing from ",
                                 damaged ? (int)gap->damage.size : (int)strlen(r->common->data),
                                 damaged ? gap->damage.data : r->common->data, damaged ? "" : "/topics",
                                 unexplained_may_lie_in(r, gap) ? "; what is unexplained may lie there"
                                                                : "; nothing that was compared needed it"));
    }
    if (more > 0)
        TL_TRY(tl_reconcile_note(r, err, "the record has %lld %shole%s; `tally archive --verify` names each", (long long)more,
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
                                 .runs_count = r->runs_count,
                                 .before = r->plan_before,
                                 .versions_before = tl_buf_sv(&r->versions_before)};
    enum tl_code rc;

    TL_TRY(tl_suspect_name(&suspect, err));
    if (r->plan_before != NULL)
        TL_TRY(tl_reconcile_find_lost(r, &suspect, err));
    r->report.named_count = suspect.named_count;
out:
    return rc;
}

/* No event is behind such a difference, and it is not proved: it stays unexplained, and this says what to do. */
static enum tl_code note_named(struct reconcile *r, struct tl_err *err)
{
    const uint64_t *counts = r->report.events_count, proved = r->report.explained_events[TL_CAUSE_RULES_CHANGED];
    struct tl_buf differences;
    enum tl_code rc = TL_OK;

    tl_buf_init(&differences, 0);
    tl_versions_put_differences(&r->versions, &differences);
    TL_TRY(tl_buf_check(&differences, "a note", err));
    if (proved > 0)
        TL_TRY(tl_reconcile_note(r, err,
                                 "%s: functions worked with %.*s: %llu of the explained groups came out with the files of "
                                 "before, that the layer had worked with",
                                 tl_cause_name(TL_CAUSE_RULES_CHANGED), TL_SV_ARG(tl_buf_sv(&differences)),
                                 (unsigned long long)proved));
    if (counts[TL_CAUSE_RULES_CHANGED] > proved)
        TL_TRY(tl_reconcile_note(
            r, err,
            "%s: functions worked with %.*s: %llu of the unexplained groups come of that, as far as can be seen without what was "
            "there before (--old-functions, --old-places, --old-user-agents); `tally batch --from TIME` recomputes batch's rows",
            tl_cause_name(TL_CAUSE_RULES_CHANGED), TL_SV_ARG(tl_buf_sv(&differences)),
            (unsigned long long)(counts[TL_CAUSE_RULES_CHANGED] - proved)));
    if (counts[TL_CAUSE_NONDETERMINISTIC_UDF] > 0)
        TL_TRY(tl_reconcile_note(
            r, err,
            "%s: %llu of the unexplained groups came out otherwise when they were recomputed once more: a function of the "
            "--functions library must give the same for the same arguments",
            tl_cause_name(TL_CAUSE_NONDETERMINISTIC_UDF), (unsigned long long)counts[TL_CAUSE_NONDETERMINISTIC_UDF]));
out:
    tl_buf_done(&differences);
    return rc;
}

enum tl_code tl_reconcile_sum_up(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(name_unexplained(r, err));
    add_up(r);
    draw_timeline(r);
    TL_TRY(sum_by(r, err));
    TL_TRY(note_left_out(r, err));
    TL_TRY(note_gaps(r, err));
    TL_TRY(note_named(r, err));
    TL_TRY(choose_units(r, err));
    TL_TRY(tl_reconcile_show_alike(r, err));
    TL_TRY(name_events(r, err));
out:
    return rc;
}
