/* report.c: what reconcile found, as text for a terminal and as JSON. See report.h. */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/count_text.h"
#include "event/batch.h"
#include "event/timestamp.h"
#include "main/check_text.h"
#include "main/print.h"

/* ---- causes in words ---- */

struct words {
    const char *one, *many;
    const char *meaning;
};

/* Which are differences between counts of the same events. The rest of the closed list has no event that reconcile could name yet. */
static const struct words words[TL_CAUSES] = {
    [TL_CAUSE_LATE_DROP] = {"late event",                       "late events",                       "came when their window was final already; batch counts them"  },
    [TL_CAUSE_LATE_PARTIAL] = {"partly late event",                "partly late events",
                            "came when some of their windows were final; batch counts them in all"                                                                  },
    [TL_CAUSE_SESSION_SPLIT] = {"split session",                    "split sessions",
                            "speed had closed the session before they came, and counts them in another"                                                             },
    [TL_CAUSE_SESSION_BRIDGE] = {"bridged session",                  "bridged sessions",                  "join sessions that speed had closed; batch counts them"       },
    [TL_CAUSE_DUPLICATE] =
        {"duplicate",                        "duplicates",
                            "copies of an event that only one layer took for such: speed looks within a partition and 'tally.dedup.horizon', batch "
         "over all it reads"                                                                                                                                        },
    [TL_CAUSE_ID_CONFLICT] = {"id conflict",                      "id conflicts",                      "the same id with another event time"                          },
    [TL_CAUSE_JSON_BAD_ROW] = {"malformed event",                  "malformed events",                  "not a JSON object"                                            },
    [TL_CAUSE_JSON_BAD_FIELD] = {"bad field",                        "bad fields",                        "a value that could not be read"                               },
    [TL_CAUSE_BAD_EVENT_TIME] = {"bad event time",                   "bad event times",                   "without a usable event time"                                  },
    [TL_CAUSE_FUTURE_EVENT] = {"future event",                     "future events",                     "more than 'tally.max-future-skew' ahead of the log's own time"},
    [TL_CAUSE_DQ_REJECT] = {"rejected event",                   "rejected events",                   "refused by a data-quality check of batch"                     },
    [TL_CAUSE_EVAL_ERROR] = {"failed evaluation",                "failed evaluations",                "an expression of the view failed for them in one layer"       },
    [TL_CAUSE_NOT_YET_ARCHIVED] = {"event not yet archived",           "events not yet archived",
                            "counted by speed, still in the log only; run `tally archive`, then `tally batch`"                                                      },
    [TL_CAUSE_NOT_YET_READ] = {"event not yet read",               "events not yet read",               "speed has not come to them; run `tally speed`"                },
    [TL_CAUSE_NOT_YET_FINAL] = {"event not yet final",              "events not yet final",              "speed's watermark has not passed their window"                },
    [TL_CAUSE_ARCHIVED_AFTER_PUBLISH] =
        {"event archived after publication", "events archived after publication",
                            "came on record after the run that published their range; the next `tally batch` counts them"                                           },
    [TL_CAUSE_IMPORTED] = {"imported event",                   "imported events",                   "imported into the master record, never streamed"              },
    [TL_CAUSE_SEALED_DAY] = {"event of a sealed day",            "events of a sealed day",            "came for a day that is not recomputed any more"               },
    [TL_CAUSE_DEFINITION_CHANGED] = {"changed definition",               "changed definitions",               "the layers counted different definitions"                     },
    [TL_CAUSE_RULES_CHANGED] = {"changed rule",                     "changed rules",                     "data files changed between the runs"                          },
    [TL_CAUSE_NONDETERMINISTIC_UDF] = {"unsteady function",                "unsteady functions",
                            "a function gave different results for the same event"                                                                                  },
    [TL_CAUSE_OFFSET_GAP] = {"event lost to speed",              "events lost to speed",
                            "gone from the log before speed had read them (--accept-gap); batch has them on record"                                                 },
    [TL_CAUSE_FIRED_BY_IDLE] = {"window closed when idle",          "windows closed when idle",
                            "the window was closed by the clock, not by events"                                                                                     },
};

/* ---- numbers ---- */

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

static void put_share(struct tl_buf *out, unsigned share)
{
    char text[TL_SHARE_TEXT_BYTES];

    tl_buf_put_str(out, tl_share_text(share, text));
}

static void put_causes_in_words(struct tl_buf *out, const uint64_t counts[TL_CAUSES])
{
    const char *glue = ": ";

    for (int c = 0; c < TL_CAUSES; c++) {
        if (counts[c] == 0 || words[c].one == NULL)
            continue;
        tl_buf_put_str(out, glue);
        put_counted(out, counts[c], words[c].one, words[c].many);
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
        put_causes_in_words(out, report->events_count);
    }
    tl_buf_put_str(out, "; ");
    put_count(out, report->unexplained_count);
    tl_buf_put_str(out, " unexplained");
}

/* ---- values ---- */

static void put_json_time(struct tl_buf *out, int64_t ms)
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

static void put_time(struct tl_buf *out, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    if (ms == INT64_MIN)
        tl_buf_put_str(out, "the beginning");
    else
        tl_buf_put(out, text, tl_time_to_iso_z(ms, text));
}

/* Text from outside on a terminal: in quotes unless it is plain, without any control character. */
static void put_safe(struct tl_buf *out, struct tl_sv text)
{
    bool plain = text.size > 0;

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
}

static void put_value(struct tl_buf *out, const struct tl_value *value)
{
    if (!value->is_null && value->kind == TL_STRING)
        put_safe(out, value->sv);
    else if (!value->is_null && (value->kind == TL_TIMESTAMP || value->kind == TL_TIMESTAMP_LTZ))
        put_time(out, value->i64);
    else
        tl_print_json(out, value);
}

static bool is_window(enum tl_column_role role)
{
    return role == TL_ROLE_WINDOW_START || role == TL_ROLE_WINDOW_END || role == TL_ROLE_WINDOW_TIME;
}

/* Any row that the unit has: its key columns are the same in all. */
static const struct tl_value *any_row(const struct tl_unit *unit)
{
    for (int side = 0; side < TL_SIDES; side++)
        if (unit->stored[side] != NULL)
            return unit->stored[side]->columns;
    return NULL;
}

static bool comes_before(const struct tl_unit_row *a, const struct tl_unit_row *b)
{
    if (a->end_ms != b->end_ms)
        return a->end_ms < b->end_ms;
    return a->start_ms != b->start_ms ? a->start_ms < b->start_ms : tl_sv_cmp(a->key, b->key) < 0;
}

/* ---- JSON ---- */

/* "late_drop", "dq_reject:has_host" */
static void put_json_cause(struct tl_buf *out, enum tl_cause cause, struct tl_sv check)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    tl_buf_put_str(&name, tl_cause_name(cause));
    tl_buf_put_str(&name, check.size > 0 ? ":" : "");
    tl_buf_put_sv(&name, check);
    tl_buf_put_json(out, tl_buf_sv(&name));
    tl_buf_done(&name);
}

static void put_json_causes(struct tl_buf *out, const uint64_t counts[TL_CAUSES], const struct tl_check_events *checks)
{
    const char *glue = "";

    tl_buf_put_u8(out, '{');
    for (int c = 0; c < TL_CAUSES; c++) {
        if (counts[c] == 0)
            continue;
        for (const struct tl_check_events *k = c == TL_CAUSE_DQ_REJECT ? checks : NULL; k != NULL; k = k->next) {
            tl_buf_put_str(out, glue);
            put_json_cause(out, (enum tl_cause)c, k->check);
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

static void put_json_columns(struct tl_buf *out, const struct tl_shape *shape, const struct tl_value *row, bool keys_only)
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

static const struct tl_unit_row *next_row(const struct tl_unit *unit, enum tl_side side, bool recomputed,
                                          const struct tl_unit_row *after)
{
    if (recomputed)
        return next_that_came_out(unit, side, after);
    return after == NULL ? unit->stored[side] : after->next;
}

/* A row of one layer, or null; of a unit that is a span the list of its rows. */
static void put_json_rows(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side,
                          bool recomputed)
{
    const struct tl_unit_row *row = next_row(unit, side, recomputed, NULL);

    if (!view->by_span) {
        put_json_columns(out, view->shape, row == NULL ? NULL : row->columns, false);
        return;
    }
    tl_buf_put_u8(out, '[');
    for (bool first = true; row != NULL; row = next_row(unit, side, recomputed, row), first = false) {
        tl_buf_put_str(out, first ? "" : ", ");
        put_json_columns(out, view->shape, row->columns, false);
    }
    tl_buf_put_u8(out, ']');
}

/* The topic on record that it is of. */
static void put_topic(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    for (uint32_t t = 0; t < view->topics_count; t++)
        if (view->topics[t].number == tl_partition_topic(sample->partition))
            tl_buf_put_sv(out, view->topics[t].name);
    tl_buf_put_str(out, sample->partition >= TL_PARTITION_IMPORTED ? ".import" : "");
}

static void put_json_sample(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    put_topic(&name, view, sample);
    tl_buf_put_str(out, "{\"topic\": ");
    tl_buf_put_json(out, tl_buf_sv(&name));
    tl_buf_done(&name);
    tl_buf_printf(out, ", \"partition\": %" PRIu32 ", \"offset\": %" PRId64 ", \"row\": %" PRIu32 ", \"event_time\": ",
                  tl_partition_in_topic(sample->partition), sample->offset, sample->row);
    put_json_time(out, sample->time_ms);
    tl_buf_put_str(out, ", \"event_id\": ");
    if (sample->id.data == NULL)
        tl_buf_put_str(out, "null");
    else
        tl_buf_put_json(out, sample->id);
    tl_buf_put_u8(out, '}');
}

static const char *side_name(enum tl_side side)
{
    return side == TL_SIDE_SPEED ? "speed" : "batch";
}

static void put_json_unit(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    const struct tl_shape *shape = view->shape;

    tl_buf_put_str(out, "{\"view\": ");
    tl_buf_put_json(out, view->name);
    tl_buf_printf(out, ", \"verdict\": \"%s\", \"pending\": %s, \"window\": ", unit->explained ? "explained" : "unexplained",
                  unit->pending ? "true" : "false");
    if (shape->windowed) {
        tl_buf_put_str(out, "{\"start\": ");
        put_json_time(out, unit->start_ms);
        tl_buf_put_str(out, ", \"end\": ");
        put_json_time(out, unit->end_ms);
        tl_buf_put_u8(out, '}');
    } else {
        tl_buf_put_str(out, "null");
    }
    tl_buf_put_str(out, ", \"key\": ");
    put_json_columns(out, shape, any_row(unit), true);
    for (int side = 0; side < TL_SIDES; side++) {
        tl_buf_printf(out, ", \"%s\": ", side_name((enum tl_side)side));
        put_json_rows(out, view, unit, (enum tl_side)side, false);
    }
    if (!unit->explained) {
        tl_buf_put_str(out, ", \"recomputed\": {\"speed\": ");
        put_json_rows(out, view, unit, TL_SIDE_SPEED, true);
        tl_buf_put_str(out, ", \"batch\": ");
        put_json_rows(out, view, unit, TL_SIDE_BATCH, true);
        tl_buf_put_u8(out, '}');
    }
    tl_buf_put_str(out, ", \"causes\": [");
    for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
        const char *quote = c->missing == TL_SIDES ? "" : "\"";

        tl_buf_printf(out, "%s{\"cause\": ", c == unit->causes ? "" : ", ");
        put_json_cause(out, c->cause, c->check);
        tl_buf_printf(out, ", \"missing_in\": %s%s%s, \"events\": %" PRIu64 ", \"samples\": [", quote,
                      c->missing == TL_SIDES ? "null" : side_name(c->missing), quote, c->events_count);
        for (uint32_t s = 0; s < c->samples_count; s++) {
            tl_buf_put_str(out, s > 0 ? ", " : "");
            put_json_sample(out, view, &c->samples[s]);
        }
        tl_buf_put_str(out, "]}");
    }
    tl_buf_put_str(out, "]}");
}

static void put_json_counts(struct tl_buf *out, uint64_t groups, uint64_t equal, uint64_t explained, uint64_t unexplained,
                            uint64_t pending)
{
    tl_buf_printf(out,
                  "\"groups\": %" PRIu64 ", \"equal\": %" PRIu64 ", \"explained\": %" PRIu64 ", \"unexplained\": %" PRIu64
                  ", \"pending\": %" PRIu64,
                  groups, equal, explained, unexplained, pending);
}

static void put_json_view(struct tl_buf *out, const struct tl_report_view *view)
{
    tl_buf_put_str(out, "{\"name\": ");
    tl_buf_put_json(out, view->name);
    tl_buf_put_str(out, ", \"from\": ");
    put_json_time(out, view->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_json_time(out, view->to_ms);
    tl_buf_put_str(out, ", \"boundary\": ");
    put_json_time(out, view->boundary_ms);
    tl_buf_put_str(out, ", ");
    put_json_counts(out, view->groups_count, view->equal_count, view->explained_count, view->unexplained_count,
                    view->pending_count);
    tl_buf_put_str(out, ", \"causes\": ");
    put_json_causes(out, view->events_count, view->checks);
    tl_buf_put_u8(out, '}');
}

static void put_json_text_or_null(struct tl_buf *out, struct tl_sv text)
{
    if (text.size > 0)
        tl_buf_put_json(out, text);
    else
        tl_buf_put_str(out, "null");
}

static void put_json_number_or_null(struct tl_buf *out, double number)
{
    const struct tl_value value = {.kind = TL_DOUBLE, .is_null = !isfinite(number), .f64 = number};

    tl_print_json(out, &value);
}

static void put_json_check(struct tl_buf *out, const struct tl_report_finding *check)
{
    const struct tl_check_result *result = &check->result;

    tl_buf_put_str(out, "{\"view\": ");
    tl_buf_put_json(out, result->view);
    tl_buf_put_str(out, ", \"from\": ");
    put_json_time(out, result->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_json_time(out, result->to_ms);
    tl_buf_put_str(out, ", \"check\": ");
    tl_buf_put_json(out, result->check);
    tl_buf_put_str(out, ", \"on_violation\": ");
    tl_buf_put_json(out, result->violation);
    tl_buf_printf(out, ", \"verdict\": \"%s\", \"measure\": ", check->verdict);
    tl_buf_put_json(out, result->measure);
    tl_buf_put_str(out, ", \"measured\": ");
    put_json_number_or_null(out, result->measured);
    tl_buf_put_str(out, ", \"low\": ");
    put_json_number_or_null(out, result->low);
    tl_buf_put_str(out, ", \"high\": ");
    put_json_number_or_null(out, result->high);
    tl_buf_printf(out, ", \"violations\": %" PRIu64 ", \"accepted_by\": ", result->violations_count);
    put_json_text_or_null(out, check->who);
    tl_buf_put_str(out, ", \"reason\": ");
    put_json_text_or_null(out, check->reason);
    tl_buf_put_u8(out, '}');
}

void tl_report_json(const struct tl_report *report, struct tl_buf *out)
{
    const char *glue = "";

    tl_buf_put_str(out, "{\"notes\": [");
    for (size_t n = 0; n < report->notes_count; n++) {
        tl_buf_put_str(out, n > 0 ? ", " : "");
        tl_buf_put_json(out, report->notes[n]);
    }
    tl_buf_put_str(out, "],\n\"range\": {\"from\": ");
    put_json_time(out, report->from_ms);
    tl_buf_put_str(out, ", \"to\": ");
    put_json_time(out, report->to_ms);
    tl_buf_printf(out, ", \"cut\": %s},\n\"summary\": {", report->cut ? "true" : "false");
    put_json_counts(out, report->groups_count, report->equal_count, report->explained_count, report->unexplained_count,
                    report->pending_count);
    tl_buf_put_str(out, "},\n\"causes\": ");
    put_json_causes(out, report->events_count, report->checks);
    tl_buf_printf(out,
                  ",\n\"refused_by_both\": {\"dead_letter\": %" PRIu64 ", \"future_event\": %" PRIu64 ", \"duplicate\": %" PRIu64
                  ", \"eval_error\": %" PRIu64 "},\n\"views\": [",
                  report->refused_count[TL_REFUSED_DEAD_LETTER], report->refused_count[TL_REFUSED_FUTURE],
                  report->refused_count[TL_REFUSED_DUPLICATE], report->refused_count[TL_REFUSED_EVAL_ERROR]);
    for (uint32_t v = 0; v < report->views_count; v++) {
        if (!report->views_wanted[v])
            continue;
        tl_buf_put_str(out, glue);
        put_json_view(out, &report->views[v]);
        glue = ",\n";
    }
    tl_buf_put_str(out, "],\n\"checks\": [");
    for (size_t c = 0; c < report->findings_count; c++) {
        tl_buf_put_str(out, c > 0 ? ",\n" : "");
        put_json_check(out, &report->findings[c]);
    }
    tl_buf_printf(out, "],\n\"checks_left_out\": %zu,\n\"units\": [", report->findings_left_out);
    for (size_t u = 0; u < report->units_count; u++) {
        tl_buf_put_str(out, u > 0 ? ",\n" : "");
        put_json_unit(out, &report->views[report->units[u]->view], report->units[u]);
    }
    tl_buf_printf(out, "],\n\"units_left_out\": %zu}\n", report->units_left_out);
}

/* ---- text ---- */

enum { CELL_BYTES = 40 };

static void put_cell(struct tl_buf *out, uint64_t count, int width)
{
    struct tl_buf cell;

    tl_buf_init(&cell, 0);
    put_count(&cell, count);
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
            put_count(out, view->pending_count);
            tl_buf_put_str(out, " pending)");
        }
        tl_buf_put_u8(out, '\n');
    }
}

/* A check's name may be anything that stands in backticks. */
static void put_cause(struct tl_buf *out, enum tl_cause cause, struct tl_sv check)
{
    tl_buf_put_str(out, tl_cause_name(cause));
    if (check.size > 0) {
        tl_buf_put_u8(out, ':');
        put_safe(out, check);
    }
}

static void put_checks(struct tl_buf *out, const struct tl_check_events *checks)
{
    for (; checks != NULL; checks = checks->next) {
        struct tl_buf name;

        tl_buf_init(&name, 0);
        put_cause(&name, TL_CAUSE_DQ_REJECT, checks->check);
        tl_buf_printf(out, "  %-24.*s", TL_SV_ARG(tl_buf_sv(&name)));
        tl_buf_done(&name);
        put_cell(out, checks->events_count, 10);
        tl_buf_printf(out, "  %s\n", words[TL_CAUSE_DQ_REJECT].meaning);
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
            continue;
        }
        tl_buf_printf(out, "  %-24s", tl_cause_name((enum tl_cause)c));
        put_cell(out, report->events_count[c], 10);
        tl_buf_printf(out, "  %s\n", words[c].meaning != NULL ? words[c].meaning : "");
    }
}

static void put_refused(struct tl_buf *out, const struct tl_report *report)
{
    tl_buf_put_str(out, "\nrefused by both layers: ");
    put_counted(out, report->refused_count[TL_REFUSED_DEAD_LETTER], "dead letter", "dead letters");
    tl_buf_put_str(out, " and ");
    put_counted(out, report->refused_count[TL_REFUSED_FUTURE], "future event", "future events");
    tl_buf_put_str(out, " (of the whole log), ");
    put_counted(out, report->refused_count[TL_REFUSED_DUPLICATE], "duplicate", "duplicates");
    if (report->refused_count[TL_REFUSED_EVAL_ERROR] > 0) {
        tl_buf_put_str(out, ", ");
        put_counted(out, report->refused_count[TL_REFUSED_EVAL_ERROR], "failed evaluation", "failed evaluations");
    }
    tl_buf_put_u8(out, '\n');
}

static void put_row(struct tl_buf *out, const char *label, const struct tl_report_view *view, const struct tl_unit_row *row)
{
    const struct tl_shape *shape = view->shape;

    tl_buf_printf(out, "    %-17s", label);
    if (row == NULL)
        tl_buf_put_str(out, " no row");
    if (row != NULL && view->by_span) {
        tl_buf_put_str(out, " [");
        put_time(out, row->start_ms);
        tl_buf_put_str(out, ", ");
        put_time(out, row->end_ms);
        tl_buf_put_u8(out, ')');
    }
    for (uint32_t c = 0; row != NULL && c < shape->columns_count; c++) {
        if (is_window(shape->columns[c].role) || shape->columns[c].role == TL_ROLE_KEY)
            continue;
        tl_buf_printf(out, " %.*s=", TL_SV_ARG(shape->columns[c].name));
        put_value(out, &row->columns[c]);
    }
    tl_buf_put_u8(out, '\n');
}

enum { ROWS_SHOWN = 8 };

/* Of a span with many rows the first ones. */
static void put_rows(struct tl_buf *out, const char *label, const struct tl_report_view *view, const struct tl_unit *unit,
                     enum tl_side side, bool recomputed)
{
    const struct tl_unit_row *row = next_row(unit, side, recomputed, NULL);
    int shown = 0;

    do {
        put_row(out, shown == 0 ? label : "", view, row);
        row = row == NULL ? NULL : next_row(unit, side, recomputed, row);
    } while (row != NULL && ++shown < ROWS_SHOWN);
    if (row != NULL)
        tl_buf_put_str(out, "                      ...\n");
}

static void put_layer(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side)
{
    put_rows(out, side == TL_SIDE_SPEED ? "speed has" : "batch has", view, unit, side, false);
    if (!unit->explained)
        put_rows(out, "  its events give", view, unit, side, true);
}

static void put_sample(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample)
{
    tl_buf_put_str(out, "      ");
    put_topic(out, view, sample);
    tl_buf_printf(out, "/%" PRIu32 " offset %" PRId64, tl_partition_in_topic(sample->partition), sample->offset);
    if (sample->row > 0)
        tl_buf_printf(out, " row %" PRIu32, sample->row);
    tl_buf_put_str(out, " at ");
    put_time(out, sample->time_ms);
    if (sample->id.data != NULL) {
        tl_buf_put_str(out, " id ");
        put_safe(out, sample->id);
    }
    tl_buf_put_u8(out, '\n');
}

static void put_unit(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit)
{
    const struct tl_shape *shape = view->shape;
    const struct tl_value *row = any_row(unit);

    tl_buf_printf(out, "  %s%.*s", unit->explained ? "" : "UNEXPLAINED ", TL_SV_ARG(view->name));
    if (shape->windowed) {
        tl_buf_put_str(out, " [");
        put_time(out, unit->start_ms);
        tl_buf_put_str(out, ", ");
        put_time(out, unit->end_ms);
        tl_buf_put_u8(out, ')');
    } else {
        tl_buf_put_str(out, " event at ");
        put_time(out, unit->start_ms);
    }
    for (uint32_t c = 0; row != NULL && c < shape->columns_count; c++) {
        if (shape->columns[c].role != TL_ROLE_KEY)
            continue;
        tl_buf_printf(out, " %.*s=", TL_SV_ARG(shape->columns[c].name));
        put_value(out, &row[c]);
    }
    tl_buf_put_u8(out, '\n');
    put_layer(out, view, unit, TL_SIDE_SPEED);
    put_layer(out, view, unit, TL_SIDE_BATCH);
    for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
        tl_buf_put_str(out, "    ");
        put_cause(out, c->cause, c->check);
        tl_buf_put_str(out, ": ");
        put_counted(out, c->events_count, "event", "events");
        if (c->missing == TL_SIDES)
            tl_buf_put_str(out, c->events_count == 1 ? " joined a session of its own in speed\n"
                                                     : " joined sessions of their own in speed\n");
        else
            tl_buf_printf(out, " not counted by %s\n", side_name(c->missing));
        for (uint32_t s = 0; s < c->samples_count; s++)
            put_sample(out, view, &c->samples[s]);
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
        const struct tl_report_finding *check = &report->findings[c];

        tl_buf_printf(out, "  %s: view %.*s, ", check->verdict, TL_SV_ARG(check->result.view));
        tl_check_put_range(out, check->result.from_ms, check->result.to_ms);
        tl_buf_put_str(out, ", ");
        tl_check_put_result(out, &check->result);
        if (check->who.size > 0) {
            tl_buf_put_str(out, "; ");
            put_safe(out, check->who);
            tl_buf_put_str(out, ": ");
            put_safe(out, check->reason);
        }
        tl_buf_put_u8(out, '\n');
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
    put_views(out, report);
    put_causes(out, report);
    put_refused(out, report);
    put_findings(out, report);
    if (report->units_count > 0) {
        tl_buf_put_str(out, "\nunits that differ");
        if (report->units_left_out > 0) {
            tl_buf_put_str(out, " (");
            put_count(out, report->units_count);
            tl_buf_put_str(out, " of ");
            put_count(out, report->units_count + report->units_left_out);
            tl_buf_put_str(out, "; --limit shows more)");
        }
        tl_buf_put_u8(out, '\n');
    }
    for (size_t u = 0; u < report->units_count; u++)
        put_unit(out, &report->views[report->units[u]->view], report->units[u]);
}
