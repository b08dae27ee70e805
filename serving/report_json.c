/* report_json.c: what reconcile found, as JSON. See report.h. */
#include <inttypes.h>
#include <math.h>

#include "cause_words.h"
#include "event/timestamp.h"
#include "main/print.h"
#include "report.h"

static void put_time(struct tl_buf *out, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];
    size_t size;

    if (ms == INT64_MIN || ms == INT64_MAX) {
        tl_buf_put_str(out, "null");
        return;
    }
    size = tl_time_to_iso_z(ms, text);
    tl_buf_put_json(out, (struct tl_sv){text, size});
}

/* "late_drop", "dq_reject:has_host" */
static void put_cause(struct tl_buf *out, enum tl_cause cause, struct tl_sv check)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    tl_report_put_cause_raw(&name, cause, check);
    tl_buf_put_json(out, tl_buf_sv(&name));
    tl_buf_done(&name);
}

static void put_causes(struct tl_buf *out, const uint64_t counts[TL_CAUSES], const struct tl_check_events *checks)
{
    const char *glue = "";

    tl_buf_put_u8(out, '{');
    for (int c = 0; c < TL_CAUSES; c++) {
        if (counts[c] == 0)
            continue;
        for (const struct tl_check_events *k = c == TL_CAUSE_DQ_REJECT ? checks : NULL; k != NULL; k = k->next) {
            tl_buf_put_str(out, glue);
            put_cause(out, (enum tl_cause)c, k->check);
            tl_buf_printf(out, ": %" PRIu64, k->events_count);
            glue = ", ";
        }
        if (c == TL_CAUSE_DQ_REJECT)
            continue;
        tl_buf_printf(out, "%s\"%s\": %" PRIu64, glue, tl_cause_name((enum tl_cause)c), counts[c]);
        glue = ", ";
    }
    tl_buf_put_u8(out, '}');
}

void tl_report_json_columns(struct tl_buf *out, const struct tl_shape *shape, const struct tl_value *row, bool keys_only)
{
    const char *glue = "";

    if (row == NULL) {
        tl_buf_put_str(out, "null");
        return;
    }
    tl_buf_put_u8(out, '{');
    for (uint32_t c = 0; c < shape->columns_count; c++) {
        if (keys_only && shape->columns[c].role != TL_ROLE_KEY)
            continue;
        tl_buf_put_str(out, glue);
        tl_buf_put_json(out, shape->columns[c].name);
        tl_buf_put_str(out, ": ");
        tl_print_json(out, &row[c]);
        glue = ", ";
    }
    tl_buf_put_u8(out, '}');
}

uint64_t tl_report_json_rows(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side,
                             bool recomputed)
{
    const struct tl_unit_row *row = tl_report_next_row(unit, side, recomputed, NULL);
    uint64_t shown = 0;

    if (!view->by_span) {
        tl_report_json_columns(out, view->shape, row == NULL ? NULL : row->columns, false);
        return 0;
    }
    tl_buf_put_u8(out, '[');
    for (; row != NULL && shown < TL_REPORT_ROWS_MAX; row = tl_report_next_row(unit, side, recomputed, row), shown++) {
        tl_buf_put_str(out, shown == 0 ? "" : ", ");
        tl_report_json_columns(out, view->shape, row->columns, false);
    }
    tl_buf_put_u8(out, ']');
    return row == NULL ? 0 : tl_report_rows(unit, side, recomputed) - shown;
}

/* topic, partition, offset, row, event_time, event_id: the inside of an object. */
static void put_event(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    tl_report_put_topic(&name, view, sample->partition);
    tl_buf_put_str(out, "\"topic\": ");
    tl_buf_put_json(out, tl_buf_sv(&name));
    tl_buf_done(&name);
    tl_buf_printf(out, ", \"partition\": %" PRIu32 ", \"offset\": %" PRId64 ", \"row\": %" PRIu32 ", \"event_time\": ",
                  tl_partition_in_topic(sample->partition), sample->offset, sample->row);
    put_time(out, sample->time_ms);
    tl_buf_put_str(out, ", \"event_id\": ");
    if (sample->id.data == NULL)
        tl_buf_put_str(out, "null");
    else
        tl_buf_put_json(out, sample->id);
}

static void put_unit(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    const struct tl_shape *shape = view->shape;
    uint64_t left_out = 0;

    tl_buf_put_str(out, "{\"view\": ");
    tl_buf_put_json(out, view->name);
    tl_buf_printf(out, ", \"verdict\": \"%s\", \"pending\": %s, \"window\": ", unit->explained ? "explained" : "unexplained",
                  unit->pending ? "true" : "false");
    if (shape->windowed) {
        tl_buf_put_str(out, "{\"start\": ");
        put_time(out, unit->start_ms);
        tl_buf_put_str(out, ", \"end\": ");
        put_time(out, unit->end_ms);
        tl_buf_put_u8(out, '}');
    } else {
        tl_buf_put_str(out, "null");
    }
    tl_buf_put_str(out, ", \"key\": ");
    tl_report_json_columns(out, shape, tl_unit_any_row(unit), true);
    for (int side = 0; side < TL_SIDES; side++) {
        tl_buf_printf(out, ", \"%s\": ", tl_report_side((enum tl_side)side));
        left_out += tl_report_json_rows(out, view, unit, (enum tl_side)side, false);
    }
    if (!unit->explained) {
        tl_buf_put_str(out, ", \"recomputed\": {\"speed\": ");
        left_out += tl_report_json_rows(out, view, unit, TL_SIDE_SPEED, true);
        tl_buf_put_str(out, ", \"batch\": ");
        left_out += tl_report_json_rows(out, view, unit, TL_SIDE_BATCH, true);
        tl_buf_put_u8(out, '}');
    }
    if (view->by_span)
        tl_buf_printf(out, ", \"rows_left_out\": %" PRIu64, left_out);
    tl_buf_put_str(out, ", \"causes\": [");
    for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
        const char *quote = c->missing == TL_SIDES ? "" : "\"";

        tl_buf_printf(out, "%s{\"cause\": ", c == unit->causes ? "" : ", ");
        put_cause(out, c->cause, c->check);
        tl_buf_printf(out, ", \"missing_in\": %s%s%s, \"events\": %" PRIu64 ", \"samples\": [", quote,
                      c->missing == TL_SIDES ? "null" : tl_report_side(c->missing), quote, c->events_count);
        for (uint32_t s = 0; s < c->samples_count; s++) {
            tl_buf_put_str(out, s > 0 ? ", {" : "{");
            put_event(out, view, &c->samples[s]);
            tl_buf_put_u8(out, '}');
        }
        tl_buf_put_str(out, "]}");
    }
    tl_buf_put_str(out, "]}");
}

static void put_counts(struct tl_buf *out, uint64_t groups, uint64_t equal, uint64_t explained, uint64_t unexplained,
                       uint64_t pending)
{
    tl_buf_printf(out,
                  "\"groups\": %" PRIu64 ", \"equal\": %" PRIu64 ", \"explained\": %" PRIu64 ", \"unexplained\": %" PRIu64
                  ", \"pending\": %" PRIu64,
                  groups, equal, explained, unexplained, pending);
}

static void put_hash(struct tl_buf *out, const char *name, const char *hash)
{
    if (hash != NULL)
        tl_buf_printf(out, "\"%s\": \"%s\"", name, hash);
    else
        tl_buf_printf(out, "\"%s\": null", name);
}

static void put_proved(struct tl_buf *out, bool full, uint64_t count)
{
    if (full)
        tl_buf_printf(out, ", \"proved\": %" PRIu64, count);
    else
        tl_buf_put_str(out, ", \"proved\": null");
}

static void put_view(struct tl_buf *out, const struct tl_report_view *view, bool full)
{
    tl_buf_put_str(out, "{\"name\": ");
    tl_buf_put_json(out, view->name);
    tl_buf_put_str(out, ", \"definition\": {");
    put_hash(out, "file", view->file_hash);
    tl_buf_put_str(out, ", ");
    put_hash(out, "served", view->served_hash);
    tl_buf_put_str(out, ", ");
    put_hash(out, "building", view->building_hash);
    tl_buf_put_str(out, "}, \"from\": ");
    put_time(out, view->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_time(out, view->to_ms);
    tl_buf_put_str(out, ", \"boundary\": ");
    put_time(out, view->boundary_ms);
    tl_buf_put_str(out, ", ");
    put_counts(out, view->groups_count, view->equal_count, view->explained_count, view->unexplained_count, view->pending_count);
    put_proved(out, full, view->proved_count);
    tl_buf_put_str(out, ", \"causes\": ");
    put_causes(out, view->events_count, view->checks);
    tl_buf_put_u8(out, '}');
}

static void put_text_or_null(struct tl_buf *out, struct tl_sv text)
{
    if (text.size > 0)
        tl_buf_put_json(out, text);
    else
        tl_buf_put_str(out, "null");
}

static void put_number_or_null(struct tl_buf *out, double number)
{
    const struct tl_value value = {.kind = TL_DOUBLE, .is_null = !isfinite(number), .f64 = number};

    tl_print_json(out, &value);
}

static void put_check(struct tl_buf *out, const struct tl_report_finding *check)
{
    const struct tl_check_result *result = &check->result;

    tl_buf_put_str(out, "{\"view\": ");
    tl_buf_put_json(out, result->view);
    tl_buf_put_str(out, ", \"from\": ");
    put_time(out, result->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_time(out, result->to_ms);
    tl_buf_put_str(out, ", \"check\": ");
    tl_buf_put_json(out, result->check);
    tl_buf_put_str(out, ", \"on_violation\": ");
    tl_buf_put_json(out, result->violation);
    tl_buf_printf(out, ", \"verdict\": \"%s\", \"measure\": ", check->verdict);
    tl_buf_put_json(out, result->measure);
    tl_buf_put_str(out, ", \"measured\": ");
    put_number_or_null(out, result->measured);
    tl_buf_put_str(out, ", \"low\": ");
    put_number_or_null(out, result->low);
    tl_buf_put_str(out, ", \"high\": ");
    put_number_or_null(out, result->high);
    tl_buf_printf(out, ", \"violations\": %" PRIu64 ", \"accepted_by\": ", result->violations_count);
    put_text_or_null(out, check->who);
    tl_buf_put_str(out, ", \"reason\": ");
    put_text_or_null(out, check->reason);
    tl_buf_put_u8(out, '}');
}

static void put_details(struct tl_buf *out, const struct tl_report *report, const struct tl_cause_group *group)
{
    const struct tl_cause_words *words = tl_cause_words(group->cause);

    tl_buf_put_str(out, "{\"cause\": ");
    put_cause(out, group->cause, group->check);
    tl_buf_printf(out, ", \"events\": %" PRIu64 ", \"meaning\": ", group->events_count);
    tl_buf_put_json(out, tl_sv_from(words->meaning));
    tl_buf_put_str(out, ", \"what_to_do\": ");
    tl_buf_put_json(out, tl_sv_from(words->todo));
    tl_buf_put_str(out, ", \"samples\": [");
    for (size_t s = 0; s < group->samples_count; s++) {
        const struct tl_report_view *view = &report->views[group->samples[s].view];

        tl_buf_put_str(out, s > 0 ? ",\n {\"view\": " : "{\"view\": ");
        tl_buf_put_json(out, view->name);
        tl_buf_put_str(out, ", ");
        put_event(out, view, &group->samples[s].event);
        tl_buf_put_u8(out, '}');
    }
    tl_buf_printf(out, "], \"samples_left_out\": %" PRIu64 "}", group->events_count - group->samples_count);
}

static void put_timeline(struct tl_buf *out, const struct tl_timeline *timeline)
{
    tl_buf_printf(out, "{\"step_seconds\": %" PRId64 ", \"steps\": [", timeline->step_ms / 1000);
    for (uint32_t s = 0; s < timeline->steps_count; s++) {
        const struct tl_timeline_step *step = &timeline->steps[s];

        tl_buf_put_str(out, s > 0 ? ",\n {\"from\": " : "{\"from\": ");
        put_time(out, timeline->from_ms + s * timeline->step_ms);
        tl_buf_printf(out, ", \"explained\": %" PRIu64 ", \"pending\": %" PRIu64 ", \"unexplained\": %" PRIu64 "}",
                      step->explained_count, step->pending_count, step->unexplained_count);
    }
    tl_buf_put_str(out, "]}");
}

static void put_lateness(struct tl_buf *out, const struct tl_cause_events *found)
{
    tl_buf_put_str(out, "{\"steps\": [");
    for (int s = 0; s < TL_LATE_STEPS; s++) {
        tl_buf_put_str(out, s > 0 ? ", {\"from_ms\": " : "{\"from_ms\": ");
        if (tl_late_from_ms[s] == INT64_MIN)
            tl_buf_put_str(out, "null");
        else
            tl_buf_printf(out, "%" PRId64, tl_late_from_ms[s]);
        tl_buf_printf(out, ", \"events\": %" PRIu64 "}", found == NULL ? 0 : found->late_count[s]);
    }
    tl_buf_printf(out, "], \"unknown\": %" PRIu64 "}", found == NULL ? 0 : found->late_unknown_count);
}

/* groups, explained, unexplained, sums: the inside of an object. */
static void put_sums(struct tl_buf *out, const struct tl_by_view *view, const struct tl_by_value *value)
{
    tl_buf_printf(out, "\"groups\": %" PRIu64 ", \"explained\": %" PRIu64 ", \"unexplained\": %" PRIu64 ", \"sums\": {",
                  value->explained_count + value->unexplained_count, value->explained_count, value->unexplained_count);
    for (uint32_t s = 0; s < view->sums_count; s++) {
        const struct tl_shape_column *column = &view->shape->columns[view->sums[s]];
        struct tl_value difference = tl_by_difference(column, &value->sums[s]);

        tl_buf_put_str(out, s > 0 ? ", " : "");
        tl_buf_put_json(out, column->name);
        for (int side = 0; side < TL_SIDES; side++) {
            struct tl_value sum = tl_by_side(column, &value->sums[s], (enum tl_side)side);

            tl_buf_printf(out, "%s\"%s\": ", side == 0 ? ": {" : ", ", tl_report_side((enum tl_side)side));
            tl_print_json(out, &sum);
        }
        tl_buf_put_str(out, ", \"difference\": ");
        tl_print_json(out, &difference);
        tl_buf_put_u8(out, '}');
    }
    tl_buf_put_u8(out, '}');
}

static void put_by(struct tl_buf *out, const struct tl_report *report)
{
    const struct tl_by *by = report->by;
    const char *glue = "";

    if (by == NULL) {
        tl_buf_put_str(out, "null");
        return;
    }
    tl_buf_put_str(out, "{\"column\": ");
    tl_buf_put_json(out, by->column);
    tl_buf_put_str(out, ", \"views\": [");
    for (uint32_t v = 0; v < by->views_count; v++) {
        const struct tl_by_view *view = &by->views[v];

        tl_buf_put_str(out, v > 0 ? ",\n{\"view\": " : "{\"view\": ");
        tl_buf_put_json(out, report->views[view->view].name);
        tl_buf_put_str(out, ", \"values\": [");
        for (size_t i = 0; i < view->values_count; i++) {
            tl_buf_put_str(out, i > 0 ? ",\n {\"value\": " : "{\"value\": ");
            tl_print_json(out, &view->values[i]->value);
            tl_buf_put_str(out, ", ");
            put_sums(out, view, view->values[i]);
            tl_buf_put_u8(out, '}');
        }
        tl_buf_printf(out, "], \"others\": {\"values\": %zu, ", view->others_count);
        put_sums(out, view, &view->others);
        tl_buf_put_str(out, "}}");
    }
    tl_buf_put_str(out, "], \"views_without\": [");
    for (uint32_t v = 0; v < report->views_count; v++) {
        if (!report->views_wanted[v] || tl_by_has(by, v))
            continue;
        tl_buf_put_str(out, glue);
        tl_buf_put_json(out, report->views[v].name);
        glue = ", ";
    }
    tl_buf_put_str(out, "]}");
}

static void put_alike_counts(struct tl_buf *out, const char *name, const struct tl_report *report, bool refused)
{
    const char *glue = "";

    tl_buf_printf(out, ",\n\"%s\": {", name);
    for (uint32_t c = 0; c < TL_CAUSES; c++) {
        if (report->alike_count[c] == 0 || tl_report_is_refusal((enum tl_cause)c) != refused)
            continue;
        tl_buf_printf(out, "%s\"%s\": %" PRIu64, glue, tl_cause_name((enum tl_cause)c), report->alike_count[c]);
        glue = ", ";
    }
    tl_buf_put_u8(out, '}');
}

static void put_alike(struct tl_buf *out, const struct tl_report *report)
{
    put_alike_counts(out, "refused_by_both", report, true);
    put_alike_counts(out, "counted_by_both", report, false);
    tl_buf_put_str(out, ",\n\"alike\": [");
    for (size_t i = 0; i < report->alike_shown; i++) {
        const struct tl_report_alike *alike = &report->alike[i];

        tl_buf_printf(out, "%s{\"cause\": \"%s\", ", i > 0 ? ",\n" : "", tl_cause_name(alike->event.cause));
        put_event(out, &report->views[alike->view], &alike->event.event);
        tl_buf_put_u8(out, '}');
    }
    tl_buf_put_u8(out, ']');
}

void tl_report_json(const struct tl_report *report, struct tl_buf *out)
{
    struct tl_buf headline;
    const char *glue = "";

    tl_buf_put_str(out, "{\"notes\": [");
    for (size_t n = 0; n < report->notes_count; n++) {
        tl_buf_put_str(out, n > 0 ? ", " : "");
        tl_buf_put_json(out, report->notes[n]);
    }
    tl_buf_init(&headline, 0);
    tl_report_headline(report, &headline);
    tl_buf_put_str(out, "],\n\"headline\": ");
    tl_buf_put_json(out, tl_buf_sv(&headline));
    tl_buf_done(&headline);
    tl_buf_put_str(out, ",\n\"range\": {\"from\": ");
    put_time(out, report->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_time(out, report->to_ms);
    tl_buf_printf(out, ", \"cut\": %s},\n\"summary\": {", report->cut ? "true" : "false");
    put_counts(out, report->groups_count, report->equal_count, report->explained_count, report->unexplained_count,
               report->pending_count);
    put_proved(out, report->full, report->proved_count);
    tl_buf_printf(out, ", \"named\": %" PRIu64, report->named_count);
    tl_buf_put_str(out, "},\n\"causes\": ");
    put_causes(out, report->events_count, report->checks);
    tl_buf_put_str(out, ",\n\"cause_details\": [");
    for (const struct tl_cause_group *g = report->found == NULL ? NULL : report->found->groups; g != NULL; g = g->next) {
        put_details(out, report, g);
        tl_buf_put_str(out, g->next != NULL ? ",\n" : "");
    }
    tl_buf_put_str(out, "],\n\"timeline\": ");
    put_timeline(out, &report->timeline);
    tl_buf_put_str(out, ",\n\"lateness\": ");
    put_lateness(out, report->found);
    tl_buf_put_str(out, ",\n\"by\": ");
    put_by(out, report);
    put_alike(out, report);
    tl_buf_put_str(out, ",\n\"views\": [");
    for (uint32_t v = 0; v < report->views_count; v++) {
        if (!report->views_wanted[v])
            continue;
        tl_buf_put_str(out, glue);
        put_view(out, &report->views[v], report->full);
        glue = ",\n";
    }
    tl_buf_put_str(out, "],\n\"checks\": [");
    for (size_t c = 0; c < report->findings_count; c++) {
        tl_buf_put_str(out, c > 0 ? ",\n" : "");
        put_check(out, &report->findings[c]);
    }
    tl_buf_printf(out, "],\n\"checks_left_out\": %zu,\n\"units\": [", report->findings_left_out);
    for (size_t u = 0; u < report->units_count; u++) {
        tl_buf_put_str(out, u > 0 ? ",\n" : "");
        put_unit(out, &report->views[report->units[u]->view], report->units[u]);
    }
    tl_buf_printf(out, "],\n\"units_left_out\": %zu}\n", report->units_left_out);
}
