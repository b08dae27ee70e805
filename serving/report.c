/* report.c: what reconcile found: the headline, and what its writers share. See report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/count_text.h"
#include "cause_words.h"
#include "event/partition.h"
#include "event/timestamp.h"
#include "main/check_text.h"
#include "main/print.h"

/* ---- numbers ---- */

void tl_report_put_count(struct tl_buf *out, uint64_t count)
{
    char text[TL_COUNT_TEXT_BYTES];

    tl_buf_put_str(out, tl_count_text(count, text));
}

void tl_report_put_counted(struct tl_buf *out, uint64_t count, const char *one, const char *many)
{
    tl_report_put_count(out, count);
    tl_buf_printf(out, " %s", count == 1 ? one : many);
}

static void put_share(struct tl_buf *out, unsigned share)
{
    char text[TL_SHARE_TEXT_BYTES];

    tl_buf_put_str(out, tl_share_text(share, text));
}

static void put_causes_in_words(struct tl_buf *out, const uint64_t counts[TL_CAUSES])
{
    const char *glue = ": ";

    for (int c = 0; c < TL_CAUSES; c++) {
        if (counts[c] == 0)
            continue;
        tl_buf_put_str(out, glue);
        tl_report_put_counted(out, counts[c], tl_cause_words((enum tl_cause)c)->one, tl_cause_words((enum tl_cause)c)->many);
        glue = ", ";
    }
}

void tl_report_headline(const struct tl_report *report, struct tl_buf *out)
{
    unsigned equal, unexplained;

    if (report->groups_count == 0) {
        tl_buf_put_str(out, "no groups to compare");
        return;
    }
    equal = tl_share_of(report->equal_count, report->groups_count);
    unexplained = tl_share_of(report->unexplained_count, report->groups_count);
    put_share(out, equal);
    tl_buf_put_str(out, " of groups equal; ");
    if (report->explained_count == 0)
        tl_buf_put_str(out, "0 explained");
    else if (equal + unexplained >= TL_SHARE_WHOLE) /* what is cut off elsewhere */
        put_share(out, 1);
    else
        put_share(out, TL_SHARE_WHOLE - equal - unexplained);
    if (report->explained_count > 0) {
        tl_buf_put_str(out, " explained");
        put_causes_in_words(out, report->explained_events);
    }
    tl_buf_put_str(out, "; ");
    tl_report_put_count(out, report->unexplained_count);
    tl_buf_put_str(out, " unexplained");
}

/* ---- values ---- */

void tl_report_put_time(struct tl_buf *out, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    if (ms == INT64_MIN)
        tl_buf_put_str(out, "the beginning");
    else
        tl_buf_put(out, text, tl_time_to_iso_z(ms, text));
}

/* At a whole character. */
static struct tl_sv cut_text(struct tl_sv text)
{
    size_t size = text.size < TL_REPORT_TEXT_BYTES ? text.size : TL_REPORT_TEXT_BYTES;

    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return (struct tl_sv){text.data, size};
}

void tl_report_put_safe(struct tl_buf *out, struct tl_sv whole)
{
    struct tl_sv text = cut_text(whole);
    bool plain = text.size > 0 && text.size == whole.size;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        plain = plain && c > ' ' && c < 0x7f && strchr("\"\\=,", c) == NULL;
    }
    if (plain) {
        tl_buf_put_sv(out, text);
        return;
    }
    tl_buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c < 0x20 || c == 0x7f)
            tl_buf_printf(out, "\\u%04x", c);
        else if (c == 0xc2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xa0) /* U+0080 .. U+009F */
            tl_buf_printf(out, "\\u%04x", (unsigned char)text.data[++i]);
        else if (c == 0xe2 && i + 2 < text.size && (unsigned char)text.data[i + 1] == 0x80 &&
                 (unsigned char)text.data[i + 2] >= 0xa8 &&
                 (unsigned char)text.data[i + 2] <= 0xae) { /* line ends, overrides of direction */
            tl_buf_printf(out, "\\u20%02x", (unsigned char)text.data[i + 2] - 0x80);
            i += 2;
        } else if (c == 0xe2 && i + 2 < text.size && (unsigned char)text.data[i + 1] == 0x81 &&
                   (unsigned char)text.data[i + 2] >= 0xa6 && (unsigned char)text.data[i + 2] <= 0xa9) { /* and isolates */
            tl_buf_printf(out, "\\u20%02x", (unsigned char)text.data[i + 2] - 0x40);
            i += 2;
        } else {
            if (c == '"' || c == '\\')
                tl_buf_put_u8(out, '\\');
            tl_buf_put_u8(out, c);
        }
    }
    tl_buf_put_u8(out, '"');
    if (text.size < whole.size)
        tl_buf_printf(out, "... (%zu bytes)", whole.size);
}

void tl_report_put_value(struct tl_buf *out, const struct tl_value *value)
{
    if (!value->is_null && value->kind == TL_STRING)
        tl_report_put_safe(out, value->sv);
    else if (!value->is_null && (value->kind == TL_TIMESTAMP || value->kind == TL_TIMESTAMP_LTZ))
        tl_report_put_time(out, value->i64);
    else
        tl_print_json(out, value);
}

static bool is_window(enum tl_column_role role)
{
    return role == TL_ROLE_WINDOW_START || role == TL_ROLE_WINDOW_END || role == TL_ROLE_WINDOW_TIME;
}

static bool comes_before(const struct tl_unit_row *a, const struct tl_unit_row *b)
{
    if (a->end_ms != b->end_ms)
        return a->end_ms < b->end_ms;
    return a->start_ms != b->start_ms ? a->start_ms < b->start_ms : tl_sv_cmp(a->key, b->key) < 0;
}

void tl_report_put_cause_raw(struct tl_buf *out, enum tl_cause cause, struct tl_sv check)
{
    tl_buf_put_str(out, tl_cause_name(cause));
    tl_buf_put_str(out, check.size > 0 ? ":" : "");
    tl_buf_put_sv(out, check);
}

/* A check's name may be anything that stands in backticks. */
void tl_report_put_cause(struct tl_buf *out, enum tl_cause cause, struct tl_sv check)
{
    tl_buf_put_str(out, tl_cause_name(cause));
    if (check.size > 0) {
        tl_buf_put_u8(out, ':');
        tl_report_put_safe(out, check);
    }
}

/* The topic on record that it is of. */
void tl_report_put_topic(struct tl_buf *out, const struct tl_report_view *view, uint32_t partition)
{
    for (uint32_t t = 0; t < view->topics_count; t++)
        if (view->topics[t].number == tl_partition_topic(partition))
            tl_buf_put_sv(out, view->topics[t].name);
    tl_buf_put_str(out, partition >= TL_PARTITION_IMPORTED ? ".import" : "");
}

/* ---- sentences ---- */

const char *tl_report_cut_note(const struct tl_report *report)
{
    bool cut = report->units_left_out > 0 || report->findings_left_out > 0;

    for (const struct tl_cause_group *g = report->found == NULL ? NULL : report->found->groups; g != NULL; g = g->next)
        cut = cut || g->events_count > g->samples_count;
    for (uint32_t v = 0; report->by != NULL && v < report->by->views_count; v++)
        cut = cut || report->by->views[v].others_count > 0;
    return cut ? "Lists end at --limit, and say so; all counts and sums are of everything." : NULL;
}

void tl_report_put_cut(struct tl_buf *out, uint64_t shown, uint64_t left_out)
{
    if (left_out == 0)
        return;
    tl_buf_put_str(out, " (");
    tl_report_put_count(out, shown);
    tl_buf_put_str(out, " of ");
    tl_report_put_count(out, shown + left_out);
    tl_buf_put_str(out, "; --limit shows more)");
}

bool tl_report_is_refusal(enum tl_cause cause)
{
    return cause != TL_CAUSE_ID_CONFLICT && cause != TL_CAUSE_JSON_BAD_FIELD;
}

static bool put_alike(struct tl_buf *out, const struct tl_report *report, bool refused, const char *label)
{
    const char *glue = label;

    for (uint32_t c = 0; c < TL_CAUSES; c++) {
        if (report->alike_count[c] == 0 || tl_report_is_refusal((enum tl_cause)c) != refused)
            continue;
        tl_buf_put_str(out, glue);
        tl_report_put_counted(out, report->alike_count[c], tl_cause_words((enum tl_cause)c)->one,
                              tl_cause_words((enum tl_cause)c)->many);
        glue = ", ";
    }
    return glue != label;
}

void tl_report_put_refused(struct tl_buf *out, const struct tl_report *report)
{
    if (!put_alike(out, report, true, ""))
        tl_buf_put_str(out, "nothing");
    (void)put_alike(out, report, false, "; counted by both in spite of a flaw: ");
}

void tl_report_put_finding(struct tl_buf *out, const struct tl_report_finding *finding)
{
    tl_buf_printf(out, "%s: view %.*s, ", finding->verdict, TL_SV_ARG(finding->result.view));
    tl_check_put_range(out, finding->result.from_ms, finding->result.to_ms);
    tl_buf_put_str(out, ", ");
    tl_check_put_result(out, &finding->result);
    if (finding->who.size > 0) {
        tl_buf_put_str(out, "; ");
        tl_report_put_safe(out, finding->who);
        tl_buf_put_str(out, ": ");
        tl_report_put_safe(out, finding->reason);
    }
}

void tl_report_put_sum(struct tl_buf *out, const struct tl_by_view *view, const struct tl_by_value *value, uint32_t sum, int side)
{
    const struct tl_shape_column *column = &view->shape->columns[view->sums[sum]];
    struct tl_value number = side == TL_SIDES ? tl_by_difference(column, &value->sums[sum])
                                              : tl_by_side(column, &value->sums[sum], (enum tl_side)side);
    bool whole = number.kind == TL_BIGINT, negative = whole && number.i64 < 0;

    if (side == TL_SIDES && (whole ? number.i64 > 0 : number.f64 > 0))
        tl_buf_put_u8(out, '+');
    if (!whole) {
        tl_print_value(out, &number);
        return;
    }
    tl_buf_put_str(out, negative ? "-" : "");
    tl_report_put_count(out, negative ? 0 - (uint64_t)number.i64 : (uint64_t)number.i64);
}

bool tl_report_put_views_without(struct tl_buf *out, const struct tl_report *report, const char *intro)
{
    bool some = false;

    for (uint32_t v = 0; v < report->views_count; v++) {
        if (!report->views_wanted[v] || tl_by_has(report->by, v))
            continue;
        tl_buf_put_str(out, some ? ", " : intro);
        tl_buf_put_sv(out, report->views[v].name);
        some = true;
    }
    return some;
}

/* ---- rows ---- */

/* What the layer should hold came out of its events: rows that are stored, and others. In order of end. NULL: no more. */
static const struct tl_unit_row *next_that_came_out(const struct tl_unit *unit, enum tl_side side,
                                                    const struct tl_unit_row *after)
{
    const struct tl_unit_row *lists[2] = {unit->stored[side], unit->others[side]}, *next = NULL;

    for (int l = 0; l < 2; l++) {
        for (const struct tl_unit_row *row = lists[l]; row != NULL; row = row->next) {
            if (row->came_out && (after == NULL || comes_before(after, row)) && (next == NULL || comes_before(row, next)))
                next = row;
        }
    }
    return next;
}

const struct tl_unit_row *tl_report_next_row(const struct tl_unit *unit, enum tl_side side, bool recomputed,
                                             const struct tl_unit_row *after)
{
    if (recomputed)
        return next_that_came_out(unit, side, after);
    return after == NULL ? unit->stored[side] : after->next;
}

const char *tl_report_side(enum tl_side side)
{
    return side == TL_SIDE_SPEED ? "speed" : "batch";
}

uint64_t tl_report_rows(const struct tl_unit *unit, enum tl_side side, bool recomputed)
{
    uint64_t count = 0;

    for (const struct tl_unit_row *row = unit->stored[side]; row != NULL; row = row->next)
        count += !recomputed || row->came_out;
    for (const struct tl_unit_row *row = recomputed ? unit->others[side] : NULL; row != NULL; row = row->next)
        count += row->came_out;
    return count;
}

static void put_span(struct tl_buf *out, int64_t start_ms, int64_t end_ms)
{
    tl_buf_put_u8(out, '[');
    tl_report_put_time(out, start_ms);
    tl_buf_put_str(out, ", ");
    tl_report_put_time(out, end_ms);
    tl_buf_put_u8(out, ')');
}

void tl_report_put_window(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    if (view->shape->windowed) {
        put_span(out, unit->start_ms, unit->end_ms);
        return;
    }
    tl_buf_put_str(out, "event at ");
    tl_report_put_time(out, unit->start_ms);
}

static void put_columns(struct tl_buf *out, const struct tl_shape *shape, const struct tl_value *row, bool keys)
{
    for (uint32_t c = 0; c < shape->columns_count; c++) {
        if (is_window(shape->columns[c].role) || (shape->columns[c].role == TL_ROLE_KEY) != keys)
            continue;
        tl_buf_printf(out, " %.*s=", TL_SV_ARG(shape->columns[c].name));
        tl_report_put_value(out, &row[c]);
    }
}

void tl_report_put_key(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    const struct tl_value *row = tl_unit_any_row(unit);

    if (row != NULL)
        put_columns(out, view->shape, row, true);
}

void tl_report_put_row(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_row *row)
{
    if (row == NULL) {
        tl_buf_put_str(out, " no row");
        return;
    }
    if (view->by_span) {
        tl_buf_put_u8(out, ' ');
        put_span(out, row->start_ms, row->end_ms);
    }
    put_columns(out, view->shape, row->columns, false);
}

void tl_report_put_missing(struct tl_buf *out, const struct tl_unit_cause *cause)
{
    if (cause->events_count == 0) { /* suspect.h */
        tl_buf_put_str(out, "no event is behind it");
        return;
    }
    tl_report_put_counted(out, cause->events_count, "event", "events");
    if (cause->missing == TL_SIDES)
        tl_buf_put_str(out, cause->events_count == 1 ? " joined a session of its own in speed"
                                                     : " joined sessions of their own in speed");
    else
        tl_buf_printf(out, " not counted by %s", tl_report_side(cause->missing));
}

void tl_report_put_sample(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    tl_report_put_topic(out, view, sample->partition);
    tl_buf_printf(out, "/%" PRIu32 " offset %" PRId64, tl_partition_in_topic(sample->partition), sample->offset);
    if (sample->row > 0)
        tl_buf_printf(out, " row %" PRIu32, sample->row);
    tl_buf_put_str(out, " at ");
    tl_report_put_time(out, sample->time_ms);
    if (sample->id.data != NULL) {
        tl_buf_put_str(out, " id ");
        tl_report_put_safe(out, sample->id);
    }
}
