/* report_text.c: what reconcile found, as text for a terminal. See report.h. */
#include <inttypes.h>
#include <stdio.h>

#include "cause_words.h"
#include "event/partition.h"
#include "event/timestamp.h"
#include "report.h"

enum { CELL_BYTES = 40 };

static void put_cell(struct tl_buf *out, uint64_t count, int width)
{
    struct tl_buf cell;

    tl_buf_init(&cell, 0);
    tl_report_put_count(&cell, count);
    tl_buf_printf(out, " %*.*s", width, TL_SV_ARG(tl_buf_sv(&cell)));
    tl_buf_done(&cell);
}

static void put_views(struct tl_buf *out, const struct tl_report *report)
{
    int width = 4;

    for (uint32_t v = 0; v < report->views_count; v++)
        if (report->views_wanted[v] && report->views[v].name.size < CELL_BYTES)
            width = width > (int)report->views[v].name.size ? width : (int)report->views[v].name.size;
    tl_buf_printf(out, "\n%-*s  %-24s %12s %12s %10s %12s\n", width, "view", "compared up to", "groups", "equal", "explained",
                  "unexplained");
    for (uint32_t v = 0; v < report->views_count; v++) {
        const struct tl_report_view *view = &report->views[v];
        char text[TL_TIME_TEXT_BYTES] = "-";

        if (!report->views_wanted[v])
            continue;
        if (view->to_ms > view->from_ms)
            (void)tl_time_to_iso_z(view->to_ms, text);
        tl_buf_printf(out, "%-*.*s  %-24s", width, TL_SV_ARG(view->name), text);
        put_cell(out, view->groups_count, 12);
        put_cell(out, view->equal_count, 12);
        put_cell(out, view->explained_count, 10);
        put_cell(out, view->unexplained_count, 12);
        if (view->pending_count > 0) {
            tl_buf_put_str(out, "  (");
            tl_report_put_count(out, view->pending_count);
            tl_buf_put_str(out, " pending)");
        }
        if (report->full) {
            tl_buf_put_str(out, "  ");
            tl_report_put_count(out, view->proved_count);
            tl_buf_put_str(out, " proved");
        }
        tl_buf_put_u8(out, '\n');
    }
}

static void put_checks(struct tl_buf *out, const struct tl_check_events *checks)
{
    for (; checks != NULL; checks = checks->next) {
        struct tl_buf name;

        tl_buf_init(&name, 0);
        tl_report_put_cause(&name, TL_CAUSE_DQ_REJECT, checks->check);
        tl_buf_printf(out, "  %-24.*s", TL_SV_ARG(tl_buf_sv(&name)));
        tl_buf_done(&name);
        put_cell(out, checks->events_count, 10);
        tl_buf_printf(out, "  %s\n", tl_cause_words(TL_CAUSE_DQ_REJECT)->meaning);
    }
}

static void put_causes(struct tl_buf *out, const struct tl_report *report)
{
    bool some = false;

    for (int c = 0; c < TL_CAUSES; c++) {
        if (report->events_count[c] == 0)
            continue;
        if (!some)
            tl_buf_put_str(out, "\nevents by which the layers differ\n");
        some = true;
        if (c == TL_CAUSE_DQ_REJECT) {
            put_checks(out, report->checks);
        } else {
            tl_buf_printf(out, "  %-24s", tl_cause_name((enum tl_cause)c));
            put_cell(out, report->events_count[c], 10);
            tl_buf_printf(out, "  %s\n", tl_cause_words((enum tl_cause)c)->meaning);
        }
        tl_buf_printf(out, "    what to do: %s\n", tl_cause_words((enum tl_cause)c)->todo);
    }
}

static void put_row(struct tl_buf *out, const char *label, const struct tl_report_view *view, const struct tl_unit_row *row)
{
    tl_buf_printf(out, "    %-17s", label);
    tl_report_put_row(out, view, row);
    tl_buf_put_u8(out, '\n');
}

/* Of a span with many rows the first ones. */
static void put_rows(struct tl_buf *out, const char *label, const struct tl_report_view *view, const struct tl_unit *unit,
                     enum tl_side side, bool recomputed)
{
    const struct tl_unit_row *row = tl_report_next_row(unit, side, recomputed, NULL);
    int shown = 0;

    do {
        put_row(out, shown == 0 ? label : "", view, row);
        row = row == NULL ? NULL : tl_report_next_row(unit, side, recomputed, row);
    } while (row != NULL && ++shown < TL_REPORT_ROWS_SHOWN);
    if (row != NULL)
        tl_buf_put_str(out, "                      ...\n");
}

static void put_layer(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side)
{
    put_rows(out, side == TL_SIDE_SPEED ? "speed has" : "batch has", view, unit, side, false);
    if (!unit->explained)
        put_rows(out, "  its events give", view, unit, side, true);
}

static void put_unit(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    tl_buf_printf(out, "  %s%.*s ", unit->explained ? "" : "UNEXPLAINED ", TL_SV_ARG(view->name));
    tl_report_put_window(out, view, unit);
    tl_report_put_key(out, view, unit);
    tl_buf_put_u8(out, '\n');
    put_layer(out, view, unit, TL_SIDE_SPEED);
    put_layer(out, view, unit, TL_SIDE_BATCH);
    for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
        tl_buf_put_str(out, "    ");
        tl_report_put_cause(out, c->cause, c->check);
        tl_buf_put_str(out, ": ");
        tl_report_put_missing(out, c);
        tl_buf_put_u8(out, '\n');
        for (uint32_t s = 0; s < c->samples_count; s++) {
            tl_buf_put_str(out, "      ");
            tl_report_put_sample(out, view, &c->samples[s]);
            tl_buf_put_u8(out, '\n');
        }
        if (c->events_count > c->samples_count)
            tl_buf_put_str(out, "      ...\n");
    }
}

static void put_findings(struct tl_buf *out, const struct tl_report *report)
{
    if (report->findings_count == 0)
        return;
    tl_buf_put_str(out, "\nchecks that did not pass");
    if (report->findings_left_out > 0)
        tl_buf_printf(out, " (%zu of %zu; tally checks --failed shows all)", report->findings_count,
                      report->findings_count + report->findings_left_out);
    tl_buf_put_u8(out, '\n');
    for (size_t c = 0; c < report->findings_count; c++) {
        tl_buf_put_str(out, "  ");
        tl_report_put_finding(out, &report->findings[c]);
        tl_buf_put_u8(out, '\n');
    }
}

static void put_by_value(struct tl_buf *out, const struct tl_by_view *view, const struct tl_by_value *value)
{
    tl_buf_put_str(out, ": ");
    tl_report_put_counted(out, value->explained_count + value->unexplained_count, "group", "groups");
    if (value->unexplained_count > 0) {
        tl_buf_put_str(out, ", ");
        tl_report_put_count(out, value->unexplained_count);
        tl_buf_put_str(out, " UNEXPLAINED");
    }
    for (uint32_t s = 0; s < view->sums_count; s++) {
        tl_buf_printf(out, "; %.*s ", TL_SV_ARG(view->shape->columns[view->sums[s]].name));
        tl_report_put_sum(out, view, value, s, TL_SIDE_SPEED);
        tl_buf_put_str(out, " in speed, ");
        tl_report_put_sum(out, view, value, s, TL_SIDE_BATCH);
        tl_buf_put_str(out, " in batch (");
        tl_report_put_sum(out, view, value, s, TL_SIDES);
        tl_buf_put_u8(out, ')');
    }
    tl_buf_put_u8(out, '\n');
}

static void put_by(struct tl_buf *out, const struct tl_report *report)
{
    const struct tl_by *by = report->by;

    if (by == NULL)
        return;
    tl_buf_printf(out, "\ndifferences by %.*s\n", TL_SV_ARG(by->column));
    for (uint32_t v = 0; v < by->views_count; v++) {
        const struct tl_by_view *view = &by->views[v];
        struct tl_sv name = report->views[view->view].name;

        for (size_t i = 0; i < view->values_count; i++) {
            tl_buf_printf(out, "  %.*s ", TL_SV_ARG(name));
            tl_report_put_value(out, &view->values[i]->value);
            put_by_value(out, view, view->values[i]);
        }
        if (view->others_count > 0) {
            tl_buf_printf(out, "  %.*s ", TL_SV_ARG(name));
            tl_report_put_counted(out, view->others_count, "other", "others");
            put_by_value(out, view, &view->others);
        }
        if (view->values_count + view->others_count == 0)
            tl_buf_printf(out, "  %.*s: nothing differs\n", TL_SV_ARG(name));
    }
    if (tl_report_put_views_without(out, report, "  not grouped by it: "))
        tl_buf_put_u8(out, '\n');
}

static void put_samples(struct tl_buf *out, const struct tl_report *report)
{
    if (report->found == NULL || report->found->groups == NULL)
        return;
    tl_buf_put_str(out, "\nevents behind each cause\n");
    for (const struct tl_cause_group *g = report->found->groups; g != NULL; g = g->next) {
        tl_buf_put_str(out, "  ");
        tl_report_put_cause(out, g->cause, g->check);
        tl_report_put_cut(out, g->samples_count, g->events_count - g->samples_count);
        tl_buf_put_u8(out, '\n');
        for (size_t s = 0; s < g->samples_count; s++) {
            const struct tl_report_view *view = &report->views[g->samples[s].view];

            tl_buf_printf(out, "    %.*s: ", TL_SV_ARG(view->name));
            tl_report_put_sample(out, view, &g->samples[s].event);
            tl_buf_put_u8(out, '\n');
        }
    }
}

void tl_report_text(const struct tl_report *report, struct tl_buf *out)
{
    for (size_t n = 0; n < report->notes_count; n++) {
        tl_buf_put_str(out, "note: ");
        tl_buf_put_sv(out, report->notes[n]);
        tl_buf_put_u8(out, '\n');
    }
    tl_report_headline(report, out);
    tl_buf_put_u8(out, '\n');
    if (tl_report_cut_note(report) != NULL)
        tl_buf_printf(out, "%s\n", tl_report_cut_note(report));
    put_views(out, report);
    put_causes(out, report);
    tl_buf_put_str(out, "\nrefused by both layers: ");
    tl_report_put_refused(out, report);
    tl_buf_put_u8(out, '\n');
    put_findings(out, report);
    put_by(out, report);
    if (report->units_count + report->units_left_out > 0) {
        tl_buf_put_str(out, "\nunits that differ");
        tl_report_put_cut(out, report->units_count, report->units_left_out);
        tl_buf_put_u8(out, '\n');
    }
    for (size_t u = 0; u < report->units_count; u++)
        put_unit(out, &report->views[report->units[u]->view], report->units[u]);
    put_samples(out, report);
}
