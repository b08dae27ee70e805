/* preview_text.c: what `tally diff` found, in four formats. See preview_text.h. */
#include "preview_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/count_text.h"
#include "core/partial.h"
#include "event/timestamp.h"
#include "main/print.h"
#include "sql/plan_text.h"

static const char *const states[] = {[TL_PREVIEW_ADDED] = "added",
                                     [TL_PREVIEW_REMOVED] = "removed",
                                     [TL_PREVIEW_RENAMED] = "renamed",
                                     [TL_PREVIEW_UNCHANGED] = "unchanged",
                                     [TL_PREVIEW_CHANGED] = "changed"};
static const char *const sides[] = {[TL_OLD] = "old", [TL_NEW] = "new", [TL_BOTH] = "both"};
static const char *const reasons[TL_MOVED_WHYS] = {[TL_MOVED_FILTER] = "filter",
                                                   [TL_MOVED_CHECK] = "check",
                                                   [TL_MOVED_FUNCTION] = "function",
                                                   [TL_MOVED_DUPLICATE] = "duplicate",
                                                   [TL_MOVED_EVENT] = "event",
                                                   [TL_MOVED_ARCHIVED] = "archived_after_publish",
                                                   [TL_MOVED_KEY] = "key",
                                                   [TL_MOVED_WINDOW] = "window",
                                                   [TL_MOVED_BOTH] = "key_and_window",
                                                   [TL_MOVED_VALUES] = "values"};

/* ---- words ---- */

static void put_count(struct tl_buf *out, uint64_t count)
{
    char text[TL_COUNT_TEXT_BYTES];

    tl_buf_put_str(out, tl_count_text(count, text));
}

static void put_counted(struct tl_buf *out, uint64_t count, const char *one, const char *many)
{
    put_count(out, count);
    tl_buf_printf(out, " %s", count == 1 ? one : many);
}

static void put_time(struct tl_buf *out, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(ms, text);
    tl_buf_put_str(out, text);
}

static void put_number(struct tl_buf *out, long double number, bool people)
{
    if (fabsl(number) < 1e18L && number == floorl(number)) {
        if (number < 0)
            tl_buf_put_u8(out, '-');
        if (people)
            put_count(out, (uint64_t)fabsl(number));
        else
            tl_buf_printf(out, "%.0Lf", fabsl(number));
        return;
    }
    if (isfinite(number))
        tl_double_print((double)number, out);
    else
        tl_buf_put_str(out, people ? "not a number" : "null");
}

/* 402,113 -> 398,772 (-0.83%) */
static void put_sums(struct tl_buf *out, const struct tl_preview_total *total)
{
    long double was = tl_preview_sum(total, TL_OLD), is = tl_preview_sum(total, TL_NEW);

    put_number(out, was, true);
    tl_buf_put_str(out, " -> ");
    put_number(out, is, true);
    if (was != 0 && was != is && isfinite(was) && isfinite(is))
        tl_buf_printf(out, " (%+.2Lf%%)", (is - was) / fabsl(was) * 100);
}

static uint64_t changes_of(const struct tl_preview *preview)
{
    return preview->changed_count + preview->only_count[TL_OLD] + preview->only_count[TL_NEW];
}

static bool sums_shown(const struct tl_preview *preview, uint32_t c)
{
    return preview->used[c] && preview->change->columns[c].sums_up;
}

/* Equal groups are said to be no more than they are: those that both have, whose events are known, or what is compared of them. */
static void put_verdict(struct tl_buf *out, const struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;
    uint64_t changes = changes_of(preview), groups = changes + preview->equal_count;

    if (!view->change.comparable)
        tl_buf_put_str(out, preview->groups ? "its rows are other rows; by what both have, " : "its rows are other rows, ");
    if (!preview->groups) {
        put_count(out, preview->groups_count[TL_OLD]);
        tl_buf_put_str(out, " -> ");
        put_count(out, preview->groups_count[TL_NEW]);
        return;
    }
    if (!view->change.comparable)
        tl_buf_put_str(out, changes == 0 ? "equal in " : "different in ");
    put_count(out, changes == 0 && !view->change.comparable ? groups : changes);
    tl_buf_put_str(out, " of ");
    put_counted(out, groups, "group", "groups");
    if (view->hidden_count > 0)
        tl_buf_put_str(out, groups == 1 ? " that is compared" : " that are compared");
    if (view->change.comparable)
        tl_buf_put_str(out, changes == 1 ? " changes" : " change");
    else if (view->having)
        tl_buf_put_str(out, ", before HAVING");
    if (view->change.comparable && tl_change_loses_columns(&view->change))
        tl_buf_put_str(out, " in the columns that are compared");
}

void tl_preview_headline(const struct tl_preview_view *view, struct tl_buf *out)
{
    const struct tl_preview *preview = &view->preview;

    tl_buf_put_sv(out, view->name);
    tl_buf_put_str(out, ": ");
    if (!view->compared) {
        tl_buf_put_str(out, states[view->state]);
        if (view->state == TL_PREVIEW_RENAMED)
            tl_buf_printf(out, ", was %.*s", TL_SV_ARG(view->was));
        if (view->state == TL_PREVIEW_CHANGED)
            tl_buf_put_str(out, "; its numbers are not compared");
        return;
    }
    put_verdict(out, view);
    for (uint32_t c = 0; c < preview->change->columns_count; c++) {
        if (!sums_shown(preview, c))
            continue;
        tl_buf_printf(out, "; %.*s ", TL_SV_ARG(preview->change->columns[c].name));
        put_sums(out, &preview->totals[c]);
    }
}

static void put_why(struct tl_buf *out, const struct tl_moved *moved)
{
    const char *other = moved->side == TL_OLD ? "NEW" : "OLD", *this = moved->side == TL_OLD ? "OLD" : "NEW";
    bool one = moved->events_count == 1;

    put_counted(out, moved->events_count, "event", "events");
    if (moved->side == TL_BOTH) {
        switch (moved->why) {
        case TL_MOVED_KEY: tl_buf_put_str(out, ": NEW counts under another key"); break;
        case TL_MOVED_WINDOW: tl_buf_put_str(out, ": NEW counts in another window"); break;
        case TL_MOVED_BOTH: tl_buf_put_str(out, ": NEW counts under another key and in another window"); break;
        default: tl_buf_put_str(out, ": both count, and make other values of"); break;
        }
        return;
    }
    tl_buf_printf(out, " that only %s counts: ", this);
    switch (moved->why) {
    case TL_MOVED_FILTER: tl_buf_printf(out, "%s's filter does not take %s", other, one ? "it" : "them"); break;
    case TL_MOVED_CHECK: tl_buf_printf(out, "%s's check %s drops %s", other, moved->name, one ? "it" : "them"); break;
    case TL_MOVED_FUNCTION: tl_buf_printf(out, "%s fails in %s", moved->name != NULL ? moved->name : "a function", other); break;
    case TL_MOVED_DUPLICATE: tl_buf_printf(out, "%s in %s", one ? "a copy" : "copies", other); break;
    case TL_MOVED_ARCHIVED: tl_buf_put_str(out, "on record since OLD's rows were published"); break;
    default: tl_buf_printf(out, "no event of that time in %s", other); break;
    }
}

static void put_place(struct tl_buf *out, const struct tl_moved_sample *sample)
{
    tl_buf_printf(out, "%.*s/%u/%lld", TL_SV_ARG(sample->topic), tl_partition_in_topic(sample->partition),
                  (long long)sample->offset);
    if (sample->row > 0)
        tl_buf_printf(out, "[%u]", sample->row);
    tl_buf_put_u8(out, ' ');
    put_time(out, sample->time_ms);
    if (sample->id.size > 0)
        tl_buf_printf(out, " %.*s", TL_SV_ARG(sample->id));
}

static void put_how(struct tl_buf *out, const struct tl_preview_view *view)
{
    if (!view->preview.groups) {
        tl_buf_put_str(out, "the groups are others, and are not compared: totals alone");
        return;
    }
    tl_buf_put_str(out, "compared by ");
    for (uint32_t k = 0; k < view->keys_count; k++)
        tl_buf_printf(out, "%.*s, ", TL_SV_ARG(view->keys_name[k]));
    tl_interval_print(view->bucket_ms, out);
    tl_buf_printf(out, ", which both have%s", view->having ? ", without HAVING" : "");
}

/* ---- units ---- */

static int64_t end_of(const struct tl_preview_unit *unit, int64_t *start_ms)
{
    int side = unit->row[TL_NEW].data != NULL ? TL_NEW : TL_OLD;

    *start_ms = unit->start_ms[side];
    return unit->end_ms[side];
}

/* The next key's value, or for a view without windows a part of the event's place. */
static struct tl_value take_key(const struct tl_preview_view *view, struct tl_reader *reader, uint32_t k)
{
    struct tl_value value = {.kind = TL_STRING, .is_null = true};

    if (!tl_value_get_key(reader, view->key_kinds[k], &value))
        value = (struct tl_value){.kind = TL_STRING, .is_null = true};
    return value;
}

/* Of a row without windows. */
static struct tl_event_place place_of(const struct tl_preview_unit *unit)
{
    struct tl_event_place at = {0};

    if (tl_event_key_read(unit->key, &at))
        at.partition = tl_partition_in_topic(at.partition);
    return at;
}

static void put_unit_name(struct tl_buf *out, const struct tl_preview_view *view, const struct tl_preview_unit *unit)
{
    struct tl_reader reader = tl_reader_of(unit->key);
    int64_t start_ms, end_ms = end_of(unit, &start_ms);

    put_time(out, start_ms);
    if (view->change.windowed[TL_NEW]) {
        tl_buf_put_u8(out, ' ');
        put_time(out, end_ms);
    } else {
        struct tl_event_place at = place_of(unit);

        tl_buf_printf(out, " partition %u offset %lld", at.partition, (long long)at.offset);
    }
    for (uint32_t k = 0; k < view->keys_count; k++) {
        struct tl_value value = take_key(view, &reader, k);

        tl_buf_printf(out, " %.*s=", TL_SV_ARG(view->keys_name[k]));
        if (value.is_null)
            tl_buf_put_str(out, "NULL");
        else
            tl_print_value(out, &value);
    }
}

static void put_value(struct tl_buf *out, const struct tl_value *value)
{
    if (value == NULL)
        tl_buf_put_str(out, "-");
    else if (value->is_null)
        tl_buf_put_str(out, "NULL");
    else
        tl_print_value(out, value);
}

/* A column in which the unit differs, from `c` on; columns_count: none. */
static uint32_t next_difference(struct tl_preview_view *view, const struct tl_preview_unit *unit, uint32_t c,
                                const struct tl_value *value[TL_BOTH])
{
    const struct tl_change *change = &view->change;
    const struct tl_value *olds = tl_preview_values(&view->preview, unit, TL_OLD),
                          *news = tl_preview_values(&view->preview, unit, TL_NEW);

    for (; c < change->columns_count; c++) {
        const struct tl_change_column *column = &change->columns[c];

        if (!view->preview.used[c] || !column->compared)
            continue;
        value[TL_OLD] = olds != NULL ? &olds[column->at[TL_OLD]] : NULL;
        value[TL_NEW] = news != NULL ? &news[column->at[TL_NEW]] : NULL;
        if (olds == NULL || news == NULL || !tl_preview_same(value[TL_OLD], value[TL_NEW]))
            break;
    }
    return c;
}

static void put_unit(struct tl_buf *out, struct tl_preview_view *view, const struct tl_preview_unit *unit)
{
    const struct tl_value *value[TL_BOTH];
    bool one = unit->row[TL_OLD].data == NULL || unit->row[TL_NEW].data == NULL;
    const char *glue = ": ";

    put_unit_name(out, view, unit);
    if (one)
        tl_buf_printf(out, " only in %s", unit->row[TL_OLD].data == NULL ? "NEW" : "OLD");
    for (uint32_t c = next_difference(view, unit, 0, value); c < view->change.columns_count;
         c = next_difference(view, unit, c + 1, value)) {
        if (one && view->change.columns[c].names_group)
            continue;
        tl_buf_printf(out, "%s%.*s ", glue, TL_SV_ARG(view->change.columns[c].name));
        put_value(out, value[TL_OLD]);
        tl_buf_put_str(out, " -> ");
        put_value(out, value[TL_NEW]);
        glue = ", ";
    }
}

/* ---- text and Markdown ---- */

/* How the two differ. */
struct style {
    const char *heading, *heading_end, *item, *subitem, *code;
};

static const struct style plain = {"\n", "\n", "  ", "      ", ""};
static const struct style markdown = {"\n### ", "\n\n", "- ", "  - ", "`"};

static void put_moved_list(struct tl_buf *out, const struct style *style, const struct tl_moved *moved)
{
    for (; moved != NULL; moved = moved->next) {
        tl_buf_put_str(out, style->item);
        put_why(out, moved);
        tl_buf_put_str(out, "\n");
        for (uint32_t s = 0; s < moved->samples_count; s++) {
            tl_buf_printf(out, "%s%s", style->subitem, style->code);
            put_place(out, &moved->samples[s]);
            tl_buf_printf(out, "%s\n", style->code);
        }
    }
}

static void put_units(struct tl_buf *out, const struct style *style, struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;

    if (preview->kept_count == 0)
        return;
    tl_buf_printf(out, "%s%llu of ", style->item, (unsigned long long)preview->kept_count);
    put_counted(out, changes_of(preview), "group", "groups");
    if (preview->by >= 0)
        tl_buf_printf(out, ", the largest differences of %.*s first", TL_SV_ARG(view->change.columns[preview->by].name));
    tl_buf_put_str(out, ":\n");
    for (size_t u = 0; u < preview->kept_count; u++) {
        tl_buf_printf(out, "%s%s", style->subitem, style->code);
        put_unit(out, view, &preview->kept[u]);
        tl_buf_printf(out, "%s\n", style->code);
        for (const struct tl_moved *moved = preview->kept[u].moved; moved != NULL; moved = moved->next) {
            tl_buf_printf(out, "%s    ", style->subitem);
            put_why(out, moved);
            if (moved->samples_count > 0)
                tl_buf_put_str(out, ", as ");
            if (moved->samples_count > 0)
                put_place(out, &moved->samples[0]);
            tl_buf_put_str(out, "\n");
        }
    }
}

static void put_view(struct tl_buf *out, const struct style *style, struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;

    tl_buf_put_str(out, style->heading);
    tl_preview_headline(view, out);
    tl_buf_put_str(out, style->heading_end);
    for (uint32_t w = 0; w < view->change.words_count; w++)
        tl_buf_printf(out, "%s%s\n", style->item, view->change.words[w]);
    if (!view->compared)
        return;
    if (preview->rolled || !preview->groups) {
        tl_buf_put_str(out, style->item);
        put_how(out, view);
        tl_buf_put_str(out, "\n");
    }
    if (preview->groups && changes_of(preview) > 0) {
        tl_buf_put_str(out, style->item);
        put_counted(out, preview->changed_count, "group with other values, ", "groups with other values, ");
        put_count(out, preview->only_count[TL_OLD]);
        tl_buf_put_str(out, " only in OLD, ");
        put_count(out, preview->only_count[TL_NEW]);
        tl_buf_put_str(out, " only in NEW\n");
    }
    for (uint32_t c = 0; preview->groups && c < view->change.columns_count; c++) {
        if (preview->totals[c].changed_count == 0 || !view->change.columns[c].number || view->change.columns[c].sums_up)
            continue;
        tl_buf_printf(out, "%s%.*s differs in ", style->item, TL_SV_ARG(view->change.columns[c].name));
        put_counted(out, preview->totals[c].changed_count, "group", "groups");
        tl_buf_put_str(out, "\n");
    }
    if (view->hidden_count > 0) {
        tl_buf_put_str(out, style->item);
        put_counted(out, view->hidden_count, "row is", "rows are");
        tl_buf_put_str(out, " left out: not all of the events are known\n");
    }
    if (preview->unproved_count > 0) {
        tl_buf_put_str(out, style->item);
        put_counted(out, preview->unproved_count, "group does", "groups do");
        tl_buf_put_str(out,
                       " not come out of the record's events: what is published was made of others, or by other functions\n");
    }
    if (!view->moved_known && (!preview->groups || changes_of(preview) > 0))
        tl_buf_printf(out, "%sthe events behind it are not listed: %s\n", style->item, view->moved_why);
    put_moved_list(out, style, preview->moved);
    put_units(out, style, view);
}

static void put_text(struct tl_buf *out, struct tl_preview_report *report, const struct style *style)
{
    tl_buf_printf(out, "%s%.*s -> %.*s, ", style == &markdown ? "## " : "", TL_SV_ARG(report->old_name),
                  TL_SV_ARG(report->new_name));
    put_time(out, report->from_ms);
    tl_buf_put_str(out, " to ");
    put_time(out, report->to_ms);
    tl_buf_put_str(out, style == &markdown ? "\n\n" : "\n");
    for (size_t n = 0; n < report->notes_count; n++)
        tl_buf_printf(out, "%s%.*s\n", style == &markdown ? "> " : "note: ", TL_SV_ARG(report->notes[n]));
    for (uint32_t v = 0; v < report->views_count; v++)
        put_view(out, style, &report->views[v]);
}

/* ---- JSON ---- */

static void put_json_time(struct tl_buf *out, const char *name, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(ms, text);
    tl_buf_printf(out, "\"%s\": \"%s\"", name, text);
}

static void put_json_moved(struct tl_buf *out, const struct tl_moved *moved)
{
    tl_buf_put_str(out, "[");
    for (const struct tl_moved *m = moved; m != NULL; m = m->next) {
        tl_buf_printf(out, "%s{\"reason\": \"%s\", \"counted_by\": \"%s\", \"events\": %llu", m == moved ? "" : ", ",
                      reasons[m->why], sides[m->side], (unsigned long long)m->events_count);
        if (m->name != NULL) {
            tl_buf_put_str(out, ", \"name\": ");
            tl_buf_put_json(out, tl_sv_from(m->name));
        }
        tl_buf_put_str(out, ", \"samples\": [");
        for (uint32_t s = 0; s < m->samples_count; s++) {
            const struct tl_moved_sample *sample = &m->samples[s];

            tl_buf_put_str(out, s == 0 ? "{\"topic\": " : ", {\"topic\": ");
            tl_buf_put_json(out, sample->topic);
            tl_buf_printf(out, ", \"partition\": %u, \"offset\": %lld, \"row\": %u, ", tl_partition_in_topic(sample->partition),
                          (long long)sample->offset, sample->row);
            put_json_time(out, "time", sample->time_ms);
            if (sample->id.size > 0) {
                tl_buf_put_str(out, ", \"id\": ");
                tl_buf_put_json(out, sample->id);
            }
            tl_buf_put_str(out, "}");
        }
        tl_buf_put_str(out, "]}");
    }
    tl_buf_put_str(out, "]");
}

static void put_json_row(struct tl_buf *out, struct tl_preview_view *view, const struct tl_preview_unit *unit, int side)
{
    const struct tl_value *values = tl_preview_values(&view->preview, unit, (enum tl_before_after)side);
    const char *glue = "{";

    tl_buf_printf(out, ", \"%s\": ", sides[side]);
    if (values == NULL) {
        tl_buf_put_str(out, "null");
        return;
    }
    for (uint32_t c = 0; c < view->change.columns_count; c++) {
        const struct tl_change_column *column = &view->change.columns[c];

        if (column->at[side] < 0 || (view->preview.rolled && !view->preview.used[c]))
            continue;
        tl_buf_put_str(out, glue);
        tl_buf_put_json(out, column->name);
        tl_buf_put_str(out, ": ");
        tl_print_json(out, &values[column->at[side]]);
        glue = ", ";
    }
    tl_buf_put_str(out, *glue == '{' ? "{}" : "}");
}

static void put_json_unit(struct tl_buf *out, struct tl_preview_view *view, const struct tl_preview_unit *unit)
{
    struct tl_reader reader = tl_reader_of(unit->key);
    int64_t start_ms, end_ms = end_of(unit, &start_ms);

    tl_buf_put_str(out, "{");
    put_json_time(out, "window_start", start_ms);
    tl_buf_put_str(out, ", ");
    put_json_time(out, "window_end", end_ms);
    tl_buf_put_str(out, ", \"key\": {");
    if (!view->change.windowed[TL_NEW]) {
        struct tl_event_place at = place_of(unit);

        tl_buf_printf(out, "\"partition\": %u, \"offset\": %lld, \"row\": %u", at.partition, (long long)at.offset, at.row);
    }
    for (uint32_t k = 0; k < view->keys_count; k++) {
        struct tl_value value = take_key(view, &reader, k);

        tl_buf_put_str(out, k == 0 ? "" : ", ");
        tl_buf_put_json(out, view->keys_name[k]);
        tl_buf_put_str(out, ": ");
        tl_print_json(out, &value);
    }
    tl_buf_put_str(out, "}");
    for (int side = 0; side < TL_BOTH; side++)
        put_json_row(out, view, unit, side);
    tl_buf_put_str(out, ", \"events\": ");
    put_json_moved(out, unit->moved);
    tl_buf_put_str(out, "}");
}

static void put_json_columns(struct tl_buf *out, const struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;
    const char *glue = "";

    for (uint32_t c = 0; c < view->change.columns_count; c++) {
        const struct tl_preview_total *total = &preview->totals[c];

        if (!preview->used[c] || !view->change.columns[c].compared)
            continue;
        tl_buf_printf(out, "%s{\"column\": ", glue);
        tl_buf_put_json(out, view->change.columns[c].name);
        tl_buf_printf(out, ", \"groups_changed\": %llu", (unsigned long long)total->changed_count);
        if (view->change.columns[c].sums_up) {
            tl_buf_put_str(out, ", \"old\": ");
            put_number(out, tl_preview_sum(total, TL_OLD), false);
            tl_buf_put_str(out, ", \"new\": ");
            put_number(out, tl_preview_sum(total, TL_NEW), false);
            tl_buf_put_str(out, ", \"difference\": ");
            put_number(out, tl_preview_sum(total, TL_NEW) - tl_preview_sum(total, TL_OLD), false);
        }
        tl_buf_put_str(out, "}");
        glue = ", ";
    }
}

static void put_json_view(struct tl_buf *out, struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;

    tl_buf_put_str(out, "{\"view\": ");
    tl_buf_put_json(out, view->name);
    tl_buf_printf(out, ", \"state\": \"%s\"", states[view->state]);
    if (view->state == TL_PREVIEW_RENAMED) {
        tl_buf_put_str(out, ", \"was\": ");
        tl_buf_put_json(out, view->was);
    }
    tl_buf_put_str(out, ", \"changes\": [");
    for (uint32_t w = 0; w < view->change.words_count; w++) {
        tl_buf_put_str(out, w == 0 ? "" : ", ");
        tl_buf_put_json(out, tl_sv_from(view->change.words[w]));
    }
    tl_buf_printf(out, "], \"compared\": \"%s\"",
                  !view->compared    ? "no"
                  : !preview->groups ? "totals"
                  : preview->rolled  ? "common_groups"
                                     : "groups");
    if (!view->compared) {
        tl_buf_put_str(out, "}");
        return;
    }
    tl_buf_put_str(out, ", ");
    put_json_time(out, "from", view->from_ms);
    tl_buf_put_str(out, ", ");
    put_json_time(out, "to", view->to_ms);
    tl_buf_printf(
        out,
        ", \"other_rows\": %s, \"old_rows\": \"%s\", \"rows_old\": %llu, \"rows_new\": %llu, \"equal\": %llu, \"changed\": %llu, "
        "\"only_old\": %llu, \"only_new\": %llu, \"left_out_rows\": %llu, \"unproved\": %llu, \"columns\": [",
        view->change.comparable ? "false" : "true", view->old_published ? "published" : "computed",
        (unsigned long long)preview->groups_count[TL_OLD], (unsigned long long)preview->groups_count[TL_NEW],
        (unsigned long long)preview->equal_count, (unsigned long long)preview->changed_count,
        (unsigned long long)preview->only_count[TL_OLD], (unsigned long long)preview->only_count[TL_NEW],
        (unsigned long long)view->hidden_count, (unsigned long long)preview->unproved_count);
    put_json_columns(out, view);
    tl_buf_printf(out, "], \"events_known\": %s, \"events_unknown\": ", view->moved_known ? "true" : "false");
    if (view->moved_known)
        tl_buf_put_str(out, "null");
    else
        tl_buf_put_json(out, tl_sv_from(view->moved_why));
    tl_buf_put_str(out, ", \"reads\": ");
    if (view->reads.size > 0)
        tl_buf_put_json(out, view->reads);
    else
        tl_buf_put_str(out, "null");
    tl_buf_put_str(out, ", \"events\": ");
    put_json_moved(out, preview->moved);
    tl_buf_put_str(out, ",\n  \"units\": [");
    for (size_t u = 0; u < preview->kept_count; u++) {
        tl_buf_put_str(out, u == 0 ? "\n    " : ",\n    ");
        put_json_unit(out, view, &preview->kept[u]);
    }
    tl_buf_printf(out, "], \"units_left_out\": %llu}", (unsigned long long)(changes_of(preview) - preview->kept_count));
}

static void put_json(struct tl_buf *out, struct tl_preview_report *report)
{
    tl_buf_put_str(out, "{\"old\": ");
    tl_buf_put_json(out, report->old_name);
    tl_buf_put_str(out, ", \"new\": ");
    tl_buf_put_json(out, report->new_name);
    tl_buf_put_str(out, ", ");
    put_json_time(out, "from", report->from_ms);
    tl_buf_put_str(out, ", ");
    put_json_time(out, "to", report->to_ms);
    tl_buf_put_str(out, ",\n \"notes\": [");
    for (size_t n = 0; n < report->notes_count; n++) {
        tl_buf_put_str(out, n == 0 ? "" : ", ");
        tl_buf_put_json(out, report->notes[n]);
    }
    tl_buf_put_str(out, "],\n \"views\": [");
    for (uint32_t v = 0; v < report->views_count; v++) {
        tl_buf_put_str(out, v == 0 ? "\n " : ",\n ");
        put_json_view(out, &report->views[v]);
    }
    tl_buf_put_str(out, "]}\n");
}

/* ---- CSV ---- */

static void put_field(struct tl_buf *out, struct tl_sv text)
{
    tl_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        tl_buf_put(out, text.data + i, 1);
        if (text.data[i] == '"')
            tl_buf_put_u8(out, '"');
    }
    tl_buf_put_u8(out, '"');
}

static void put_csv_value(struct tl_buf *out, struct tl_buf *text, const struct tl_value *value)
{
    tl_buf_put_u8(out, ',');
    if (value == NULL || value->is_null)
        return;
    tl_buf_clear(text);
    tl_print_value(text, value);
    if (value->kind == TL_STRING)
        put_field(out, tl_buf_sv(text));
    else
        tl_buf_put_sv(out, tl_buf_sv(text));
}

static void put_csv_unit(struct tl_buf *out, struct tl_buf *text, struct tl_preview_view *view,
                         const struct tl_preview_unit *unit)
{
    const struct tl_value *value[TL_BOTH];

    for (uint32_t c = next_difference(view, unit, 0, value); c < view->change.columns_count;
         c = next_difference(view, unit, c + 1, value)) {
        struct tl_reader reader = tl_reader_of(unit->key);
        int64_t start_ms, end_ms = end_of(unit, &start_ms);
        const char *glue = "";

        put_field(out, view->name);
        tl_buf_put_u8(out, ',');
        put_time(out, start_ms);
        tl_buf_put_u8(out, ',');
        put_time(out, end_ms);
        tl_buf_clear(text);
        if (!view->change.windowed[TL_NEW]) {
            struct tl_event_place at = place_of(unit);

            tl_buf_printf(text, "partition=%u offset=%lld row=%u", at.partition, (long long)at.offset, at.row);
        }
        for (uint32_t k = 0; k < view->keys_count; k++) {
            struct tl_value key = take_key(view, &reader, k);

            tl_buf_printf(text, "%s%.*s=", glue, TL_SV_ARG(view->keys_name[k]));
            tl_print_value(text, &key);
            glue = " ";
        }
        tl_buf_put_u8(out, ',');
        put_field(out, tl_buf_sv(text));
        tl_buf_printf(out, ",%s,",
                      unit->row[TL_OLD].data == NULL   ? "only_new"
                      : unit->row[TL_NEW].data == NULL ? "only_old"
                                                       : "changed");
        put_field(out, view->change.columns[c].name);
        for (int side = 0; side < TL_BOTH; side++)
            put_csv_value(out, text, value[side]);
        tl_buf_put_str(out, "\r\n");
    }
}

static void put_csv(struct tl_buf *out, struct tl_preview_report *report)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    tl_buf_put_str(out, "view,window_start,window_end,key,change,column,old,new\r\n");
    for (uint32_t v = 0; v < report->views_count; v++)
        for (size_t u = 0; report->views[v].compared && u < report->views[v].preview.kept_count; u++)
            put_csv_unit(out, &text, &report->views[v], &report->views[v].preview.kept[u]);
    out->failed = out->failed || text.failed;
    tl_buf_done(&text);
}

void tl_preview_print(struct tl_preview_report *report, const char *format, struct tl_buf *out)
{
    if (strcmp(format, "json") == 0)
        put_json(out, report);
    else if (strcmp(format, "csv") == 0)
        put_csv(out, report);
    else
        put_text(out, report, strcmp(format, "md") == 0 ? &markdown : &plain);
}
