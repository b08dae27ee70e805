/* report_csv.c: what reconcile found, as CSV. See report.h for the columns, and for what keeps a spreadsheet from reading text as a formula. */
#include <inttypes.h>
#include <string.h>

#include "cause_words.h"
#include "event/partition.h"
#include "event/timestamp.h"
#include "main/print.h"
#include "report.h"

enum column {
    RECORD,
    TEXT,
    VIEW,
    VERDICT,
    WINDOW_START,
    WINDOW_END,
    KEY,
    CAUSE,
    MISSING_IN,
    EVENTS,
    TOPIC,
    PARTITION,
    OFFSET,
    ROW,
    EVENT_TIME,
    EVENT_ID,
    SPEED,
    BATCH,
    DIFFERENCE,
    RECOMPUTED_SPEED,
    RECOMPUTED_BATCH,
    GROUPS,
    EQUAL,
    EXPLAINED,
    UNEXPLAINED,
    PENDING,
    PROVED,
    LEFT_OUT,
    COLUMNS,
};

static const char *const names[COLUMNS] = {
    "record",     "text",       "view",      "verdict",     "window_start", "window_end",       "key",
    "cause",      "missing_in", "events",    "topic",       "partition",    "offset",           "row",
    "event_time", "event_id",   "speed",     "batch",       "difference",   "recomputed_speed", "recomputed_batch",
    "groups",     "equal",      "explained", "unexplained", "pending",      "proved",           "left_out"};

/* A row being made: a cell that is empty is nothing between two commas. */
struct csv {
    struct tl_buf *out;
    struct tl_buf cells[COLUMNS];
};

static void put_text(struct csv *csv, enum column column, struct tl_sv text)
{
    tl_print_cell(&csv->cells[column], text);
}

/* ---- cells ---- */

static void put_str(struct csv *csv, enum column column, const char *text)
{
    put_text(csv, column, tl_sv_from(text));
}

static void put_number(struct csv *csv, enum column column, int64_t number)
{
    tl_buf_printf(&csv->cells[column], "%" PRId64, number);
}

static void put_count(struct csv *csv, enum column column, uint64_t count)
{
    tl_buf_printf(&csv->cells[column], "%" PRIu64, count);
}

static void put_time(struct csv *csv, enum column column, int64_t ms)
{
    if (ms != INT64_MIN && ms != INT64_MAX)
        tl_report_put_time(&csv->cells[column], ms);
}

/* The JSON that has been put into a cell: it begins with a brace or a bracket, and a semicolon can only stand in its texts. */
static void settle_json(struct csv *csv, enum column column)
{
    struct tl_buf *cell = &csv->cells[column], plain = *cell;

    if (tl_sv_eq(tl_buf_sv(cell), TL_SV("null"))) {
        tl_buf_clear(cell);
        return;
    }
    tl_buf_init(cell, 0);
    for (size_t i = 0; i < plain.size; i++) {
        if (plain.data[i] == ';')
            tl_buf_put_str(cell, "\\u003b");
        else
            tl_buf_put_u8(cell, (uint8_t)plain.data[i]);
    }
    cell->failed = cell->failed || plain.failed;
    tl_buf_done(&plain);
}

static void put_cause(struct csv *csv, enum tl_cause cause, struct tl_sv check)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    tl_report_put_cause_raw(&name, cause, check);
    put_text(csv, CAUSE, tl_buf_sv(&name));
    tl_buf_done(&name);
}

static void put_event(struct csv *csv, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    struct tl_buf topic;

    tl_buf_init(&topic, 0);
    tl_report_put_topic(&topic, view, sample->partition);
    put_text(csv, TOPIC, tl_buf_sv(&topic));
    tl_buf_done(&topic);
    put_count(csv, PARTITION, tl_partition_in_topic(sample->partition));
    put_number(csv, OFFSET, sample->offset);
    put_count(csv, ROW, sample->row);
    put_time(csv, EVENT_TIME, sample->time_ms);
    put_text(csv, EVENT_ID, sample->id);
}

static void end_row(struct csv *csv, const char *record)
{
    tl_buf_put_str(csv->out, record);
    for (int c = RECORD + 1; c < COLUMNS; c++) {
        struct tl_sv cell = tl_buf_sv(&csv->cells[c]);
        bool quoted = false;

        for (size_t i = 0; i < cell.size; i++)
            quoted = quoted || strchr(",;\"\t\r\n", cell.data[i]) != NULL;
        tl_buf_put_str(csv->out, quoted ? ",\"" : ",");
        for (size_t i = 0; i < cell.size; i++) {
            if (cell.data[i] == '"')
                tl_buf_put_u8(csv->out, '"');
            tl_buf_put_u8(csv->out, (uint8_t)cell.data[i]);
        }
        tl_buf_put_str(csv->out, quoted ? "\"" : "");
        csv->out->failed = csv->out->failed || csv->cells[c].failed;
        tl_buf_clear(&csv->cells[c]);
    }
    tl_buf_put_str(csv->out, "\r\n");
}

/* ---- rows ---- */

static void put_summary(struct csv *csv, const struct tl_report *report)
{
    struct tl_buf headline;

    tl_buf_init(&headline, 0);
    tl_report_headline(report, &headline);
    put_text(csv, TEXT, tl_buf_sv(&headline));
    tl_buf_done(&headline);
    put_time(csv, WINDOW_START, report->from_ms);
    put_time(csv, WINDOW_END, report->to_ms);
    put_count(csv, GROUPS, report->groups_count);
    put_count(csv, EQUAL, report->equal_count);
    put_count(csv, EXPLAINED, report->explained_count);
    put_count(csv, UNEXPLAINED, report->unexplained_count);
    put_count(csv, PENDING, report->pending_count);
    if (report->full)
        put_count(csv, PROVED, report->proved_count);
    put_count(csv, LEFT_OUT, report->units_left_out);
    end_row(csv, "summary");
}

static void put_view(struct csv *csv, const struct tl_report_view *view, bool full)
{
    put_text(csv, VIEW, view->name);
    put_time(csv, WINDOW_START, view->from_ms);
    put_time(csv, WINDOW_END, view->to_ms);
    put_count(csv, GROUPS, view->groups_count);
    put_count(csv, EQUAL, view->equal_count);
    put_count(csv, EXPLAINED, view->explained_count);
    put_count(csv, UNEXPLAINED, view->unexplained_count);
    put_count(csv, PENDING, view->pending_count);
    if (full)
        put_count(csv, PROVED, view->proved_count);
    end_row(csv, "view");
}

static void put_finding(struct csv *csv, const struct tl_report_finding *finding)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    tl_report_put_finding(&text, finding);
    put_text(csv, TEXT, tl_buf_sv(&text));
    tl_buf_done(&text);
    put_text(csv, VIEW, finding->result.view);
    put_time(csv, WINDOW_START, finding->result.from_ms);
    put_time(csv, WINDOW_END, finding->result.to_ms);
    end_row(csv, "check");
}

static void put_group(struct csv *csv, const struct tl_report *report, const struct tl_cause_group *group)
{
    const struct tl_cause_words *words = tl_cause_words(group->cause);

    put_str(csv, TEXT, words->meaning);
    put_str(csv, TEXT, "; what to do: ");
    put_str(csv, TEXT, words->todo);
    put_cause(csv, group->cause, group->check);
    put_count(csv, EVENTS, group->events_count);
    put_count(csv, LEFT_OUT, group->events_count - group->samples_count);
    end_row(csv, "cause");
    for (size_t s = 0; s < group->samples_count; s++) {
        const struct tl_report_view *view = &report->views[group->samples[s].view];

        put_text(csv, VIEW, view->name);
        put_cause(csv, group->cause, group->check);
        put_event(csv, view, &group->samples[s].event);
        end_row(csv, "event");
    }
}

/* What is no difference. */
static void put_alike(struct csv *csv, const struct tl_report *report)
{
    for (int c = 0; c < TL_CAUSES; c++) {
        if (report->alike_count[c] == 0)
            continue;
        put_cause(csv, (enum tl_cause)c, (struct tl_sv){NULL, 0});
        put_count(csv, EVENTS, report->alike_count[c]);
        end_row(csv, tl_report_is_refusal((enum tl_cause)c) ? "refused_by_both" : "counted_by_both");
    }
}

static void put_by_value(struct csv *csv, const struct tl_report *report, const struct tl_by_view *view,
                         const struct tl_by_value *value, const char *record)
{
    static const enum column columns[TL_SIDES + 1] = {SPEED, BATCH, DIFFERENCE};

    put_text(csv, VIEW, report->views[view->view].name);
    put_count(csv, GROUPS, value->explained_count + value->unexplained_count);
    put_count(csv, EXPLAINED, value->explained_count);
    put_count(csv, UNEXPLAINED, value->unexplained_count);
    for (int c = 0; c <= TL_SIDES; c++) {
        struct tl_buf *cell = &csv->cells[columns[c]];

        tl_buf_put_u8(cell, '{');
        for (uint32_t s = 0; s < view->sums_count; s++) {
            const struct tl_shape_column *column = &view->shape->columns[view->sums[s]];
            struct tl_value sum =
                c == TL_SIDES ? tl_by_difference(column, &value->sums[s]) : tl_by_side(column, &value->sums[s], (enum tl_side)c);

            tl_buf_put_str(cell, s > 0 ? ", " : "");
            tl_buf_put_json(cell, column->name);
            tl_buf_put_str(cell, ": ");
            tl_print_json(cell, &sum);
        }
        tl_buf_put_u8(cell, '}');
        settle_json(csv, columns[c]);
    }
    end_row(csv, record);
}

static void put_by(struct csv *csv, const struct tl_report *report)
{
    const struct tl_by *by = report->by;

    for (uint32_t v = 0; by != NULL && v < by->views_count; v++) {
        const struct tl_by_view *view = &by->views[v];

        for (size_t i = 0; i < view->values_count; i++) {
            tl_buf_put_u8(&csv->cells[KEY], '{');
            tl_buf_put_json(&csv->cells[KEY], by->column);
            tl_buf_put_str(&csv->cells[KEY], ": ");
            tl_print_json(&csv->cells[KEY], &view->values[i]->value);
            tl_buf_put_u8(&csv->cells[KEY], '}');
            settle_json(csv, KEY);
            put_by_value(csv, report, view, view->values[i], "by");
        }
        if (view->others_count > 0) {
            put_count(csv, LEFT_OUT, view->others_count);
            put_by_value(csv, report, view, &view->others, "by_others");
        }
    }
    for (uint32_t v = 0; by != NULL && v < report->views_count; v++) {
        if (!report->views_wanted[v] || tl_by_has(by, v))
            continue;
        put_text(csv, VIEW, report->views[v].name);
        end_row(csv, "by_without");
    }
}

static void put_unit(struct csv *csv, const struct tl_report_view *view, const struct tl_unit *unit,
                     const struct tl_unit_cause *cause)
{
    static const enum column stored[TL_SIDES] = {SPEED, BATCH}, recomputed[TL_SIDES] = {RECOMPUTED_SPEED, RECOMPUTED_BATCH};
    uint64_t left_out = 0;

    put_text(csv, VIEW, view->name);
    put_str(csv, VERDICT, unit->pending ? "pending" : unit->explained ? "explained" : "unexplained");
    put_time(csv, WINDOW_START, unit->start_ms);
    put_time(csv, WINDOW_END, unit->end_ms);
    tl_report_json_columns(&csv->cells[KEY], view->shape, tl_unit_any_row(unit), true);
    settle_json(csv, KEY);
    for (int side = 0; side < TL_SIDES; side++) {
        left_out += tl_report_json_rows(&csv->cells[stored[side]], view, unit, (enum tl_side)side, false);
        settle_json(csv, stored[side]);
        if (unit->explained)
            continue;
        left_out += tl_report_json_rows(&csv->cells[recomputed[side]], view, unit, (enum tl_side)side, true);
        settle_json(csv, recomputed[side]);
    }
    if (left_out > 0)
        put_count(csv, LEFT_OUT, left_out);
    if (cause != NULL) {
        put_cause(csv, cause->cause, cause->check);
        put_str(csv, MISSING_IN, cause->missing == TL_SIDES ? "" : tl_report_side(cause->missing));
        put_count(csv, EVENTS, cause->events_count);
        if (cause->samples_count > 0)
            put_event(csv, view, &cause->samples[0]);
    }
    end_row(csv, "unit");
}

void tl_report_csv(const struct tl_report *report, struct tl_buf *out)
{
    struct csv csv = {.out = out};

    for (int c = 0; c < COLUMNS; c++) {
        tl_buf_init(&csv.cells[c], 0);
        tl_buf_printf(out, "%s%s", names[c], c + 1 == COLUMNS ? "\r\n" : ",");
    }
    for (size_t n = 0; n < report->notes_count; n++) {
        put_text(&csv, TEXT, report->notes[n]);
        end_row(&csv, "note");
    }
    if (tl_report_cut_note(report) != NULL) {
        put_str(&csv, TEXT, tl_report_cut_note(report));
        end_row(&csv, "cut");
    }
    put_summary(&csv, report);
    for (uint32_t v = 0; v < report->views_count; v++)
        if (report->views_wanted[v])
            put_view(&csv, &report->views[v], report->full);
    for (size_t c = 0; c < report->findings_count; c++)
        put_finding(&csv, &report->findings[c]);
    if (report->findings_left_out > 0) {
        put_count(&csv, LEFT_OUT, report->findings_left_out);
        end_row(&csv, "check_others");
    }
    for (const struct tl_cause_group *g = report->found == NULL ? NULL : report->found->groups; g != NULL; g = g->next)
        put_group(&csv, report, g);
    put_alike(&csv, report);
    put_by(&csv, report);
    for (size_t u = 0; u < report->units_count; u++) {
        const struct tl_unit *unit = report->units[u];

        if (unit->causes == NULL)
            put_unit(&csv, &report->views[unit->view], unit, NULL);
        for (const struct tl_unit_cause *cause = unit->causes; cause != NULL; cause = cause->next)
            put_unit(&csv, &report->views[unit->view], unit, cause);
    }
    for (int c = 0; c < COLUMNS; c++)
        tl_buf_done(&csv.cells[c]);
}
