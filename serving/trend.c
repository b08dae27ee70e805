/* trend.c: what reconciliations came to, and how it has changed. See trend.h. */
#include "trend.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count_text.h"
#include "base/diag.h"
#include "event/timestamp.h"
#include "main/print.h"

/* How many beyond those that are listed are looked through for one that they can be compared with, and how many a trend has at most. */
enum { PAGE = 100, FURTHER = 31, TREND_MAX = 30 };
#define HOUR_MS INT64_C(3600000)

/* The list, the newest first; the first `listed` of them are shown. */
struct trend {
    const struct tl_trend_query *query;
    struct tl_arena arena;
    const struct tl_reconciliation **list;
    size_t count, listed, capacity;
};

/* What one reconciliation says of a view, or of all of them. */
struct figures {
    const struct tl_reconciliation *it;
    const struct tl_reconciled_view *view; /* NULL: all */
    int64_t from_ms, to_ms;
    const struct tl_reconciled_counts *counts;
    const struct tl_reconciled_cause *causes;
    size_t causes_count;
};

static struct figures of_all(const struct tl_reconciliation *it)
{
    return (struct figures){it, NULL, it->compared_from_ms, it->compared_to_ms, &it->counts, it->causes, it->causes_count};
}

static struct figures of_view(const struct tl_reconciliation *it, const struct tl_reconciled_view *view)
{
    return (struct figures){it, view, view->from_ms, view->to_ms, &view->counts, view->causes, view->causes_count};
}

/* ---- which ---- */

static bool is_wanted(const struct tl_trend_query *query, struct tl_sv view)
{
    for (int v = 0; v < query->views_count; v++)
        if (tl_sv_eq(tl_sv_from(query->views[v]), view))
            return true;
    return query->views_count == 0;
}

static bool has_wanted(const struct tl_trend_query *query, const struct tl_reconciliation *it)
{
    for (size_t v = 0; v < it->views_count; v++)
        if (is_wanted(query, it->views[v].view))
            return true;
    return query->views_count == 0;
}

static enum tl_code add(struct trend *h, const struct tl_reconciliation *it, struct tl_err *err)
{
    if (h->count == h->capacity) {
        size_t capacity = h->capacity * 2 + PAGE;

        if (!TL_RESIZE(h->list, capacity))
            return tl_fail_memory(err, capacity * sizeof *h->list);
        h->capacity = capacity;
    }
    h->list[h->count++] = it;
    return TL_OK;
}

/* Those that are listed, and some further back. */
static enum tl_code take_list(struct trend *h, struct tl_store *store, struct tl_err *err)
{
    struct tl_reconciliation_query page = {
        .from_ms = h->query->from_ms, .to_ms = h->query->to_ms, .before = h->query->before, .limit = PAGE};
    uint64_t most = (uint64_t)h->query->limit + (strcmp(h->query->format, "text") == 0 ? FURTHER : 0);
    struct tl_reconciliation *list;
    size_t count;
    enum tl_code rc = TL_OK;

    do {
        TL_TRY(tl_store_reconciliations(store, &page, &h->arena, &list, &count, err));
        for (size_t i = 0; i < count && h->count < most; i++)
            if (has_wanted(h->query, &list[i]))
                TL_TRY(add(h, &list[i], err));
        if (count > 0)
            page.before = list[count - 1].id;
    } while (count == PAGE && h->count < most);
    h->listed = h->count < (uint64_t)h->query->limit ? h->count : (size_t)h->query->limit;
out:
    return rc;
}

/* ---- one that it can be compared with ---- */

static bool is_open(const struct tl_reconciliation *it)
{
    return it->from_ms == INT64_MIN || it->to_ms == INT64_MAX;
}

static bool alike(const struct figures *a, const struct figures *b)
{
    int64_t left = a->it->to_ms - a->it->from_ms, right = b->it->to_ms - b->it->from_ms;

    if (a->from_ms >= a->to_ms || b->from_ms >= b->to_ms)
        return false;
    if (is_open(a->it) || is_open(b->it))
        return (a->it->from_ms == INT64_MIN) == (b->it->from_ms == INT64_MIN) &&
               (a->it->to_ms == INT64_MAX) == (b->it->to_ms == INT64_MAX);
    return left == right || (left >= 23 * HOUR_MS && llabs(left - right) <= HOUR_MS);
}

/* The next one further back; `at` is its place. */
static bool find_before(const struct trend *h, size_t *at, const struct figures *mine, struct figures *out)
{
    while (++*at < h->count) {
        const struct tl_reconciliation *it = h->list[*at];

        *out = of_all(it);
        for (size_t v = 0; mine->view != NULL && v < it->views_count; v++)
            if (tl_sv_eq(it->views[v].view, mine->view->view))
                *out = of_view(it, &it->views[v]);
        if ((mine->view == NULL) == (out->view == NULL) && alike(mine, out))
            return true;
    }
    return false;
}

static uint64_t events_of(const struct figures *figures, const struct tl_reconciled_cause *cause)
{
    for (size_t c = 0; c < figures->causes_count; c++)
        if (figures->causes[c].cause == cause->cause && tl_sv_eq(figures->causes[c].check, cause->check))
            return figures->causes[c].events_count;
    return 0;
}

static uint64_t differing(const struct figures *figures)
{
    return figures->counts->explained + figures->counts->unexplained;
}

static void put_cause_name(struct tl_buf *out, const struct tl_reconciled_cause *cause)
{
    tl_buf_put_str(out, tl_cause_name(cause->cause));
    if (cause->check.size > 0) {
        tl_buf_put_u8(out, ':');
        tl_buf_put_sv(out, cause->check);
    }
}

/* ---- values ---- */

static struct tl_value text(struct tl_sv sv)
{
    return (struct tl_value){.kind = TL_STRING, .sv = sv, .is_null = sv.size == 0};
}

static struct tl_value number(uint64_t count)
{
    return (struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)count};
}

static struct tl_value instant(int64_t time_ms)
{
    return (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .i64 = time_ms, .is_null = time_ms == INT64_MIN || time_ms == INT64_MAX};
}

static struct tl_value seconds(const struct tl_reconciliation *it)
{
    return (struct tl_value){.kind = TL_DOUBLE, .f64 = (double)(it->ended_ms - it->started_ms) / 1000};
}

/* ---- text ---- */

static const struct tl_shape_column table_columns[] = {
    {{"id", 2},           TL_BIGINT,        TL_ROLE_VALUE},
    {{"started", 7},      TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"from", 4},         TL_TIMESTAMP_LTZ, TL_ROLE_VALUE}, /* as compared */
    {{"to", 2},           TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"groups", 6},       TL_BIGINT,        TL_ROLE_VALUE},
    {{"equal", 5},        TL_STRING,        TL_ROLE_VALUE},
    {{"explained", 9},    TL_STRING,        TL_ROLE_VALUE},
    {{"unexplained", 11}, TL_BIGINT,        TL_ROLE_VALUE},
    {{"events", 6},       TL_STRING,        TL_ROLE_VALUE},
    {{"view", 4},         TL_STRING,        TL_ROLE_VALUE}, /* where views are asked for */
};

/* "late_drop 312 (148 before), duplicate 0 (41 before)". A cause that only the one before has stands there too. */
static void put_events(struct tl_buf *out, const struct figures *mine, const struct figures *before)
{
    const char *glue = "";

    for (size_t c = 0; c < mine->causes_count; c++) {
        const struct tl_reconciled_cause *cause = &mine->causes[c];

        tl_buf_put_str(out, glue);
        put_cause_name(out, cause);
        tl_buf_printf(out, " %" PRIu64, cause->events_count);
        if (before != NULL && events_of(before, cause) != cause->events_count)
            tl_buf_printf(out, " (%" PRIu64 " before)", events_of(before, cause));
        glue = ", ";
    }
    for (size_t c = 0; before != NULL && c < before->causes_count; c++) {
        const struct tl_reconciled_cause *cause = &before->causes[c];

        if (events_of(mine, cause) > 0)
            continue;
        tl_buf_put_str(out, glue);
        put_cause_name(out, cause);
        tl_buf_printf(out, " 0 (%" PRIu64 " before)", cause->events_count);
        glue = ", ";
    }
}

/* As the report's headline has it: what is cut off elsewhere is explained. */
static unsigned explained_share(const struct tl_reconciled_counts *counts)
{
    unsigned others = tl_share_of(counts->equal, counts->groups) + tl_share_of(counts->unexplained, counts->groups);

    if (counts->explained == 0)
        return 0;
    return others >= TL_SHARE_WHOLE ? 1 : TL_SHARE_WHOLE - others;
}

static struct tl_value share(bool any, unsigned share_of_groups, char out[TL_SHARE_TEXT_BYTES])
{
    return text(any ? tl_sv_from(tl_share_text(share_of_groups, out)) : TL_SV(""));
}

static enum tl_code print_line(const struct trend *h, size_t at, const struct figures *mine, struct tl_printer *printer,
                               struct tl_err *err)
{
    const struct tl_reconciled_counts *counts = mine->counts;
    char equal[TL_SHARE_TEXT_BYTES], explained[TL_SHARE_TEXT_BYTES];
    struct figures before;
    bool found = find_before(h, &at, mine, &before), any = counts->groups > 0;
    struct tl_buf events;
    enum tl_code rc;

    tl_buf_init(&events, 0);
    put_events(&events, mine, found ? &before : NULL);
    TL_TRY(tl_buf_check(&events, "a row", err));
    TL_TRY(tl_printer_row(printer,
                          (const struct tl_value[]){number((uint64_t)mine->it->id), instant(mine->it->started_ms),
                                                    instant(mine->from_ms), instant(mine->to_ms), number(counts->groups),
                                                    share(any, any ? tl_share_of(counts->equal, counts->groups) : 0, equal),
                                                    share(any, any ? explained_share(counts) : 0, explained),
                                                    number(counts->unexplained), text(tl_buf_sv(&events)),
                                                    text(mine->view != NULL ? mine->view->view : TL_SV(""))},
                          TL_COUNT(table_columns) - (h->query->views_count == 0), err));
out:
    tl_buf_done(&events);
    return rc;
}

static void put_spark(struct tl_buf *out, const uint64_t *values, size_t count)
{
    static const char *const levels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const size_t highest = TL_COUNT(levels) - 1;
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (size_t i = count; i-- > 0;) { /* the oldest first */
        double height = most == 0 ? 0 : (double)values[i] / (double)most;

        tl_buf_put_str(out, levels[(size_t)(height * (double)highest + 0.5)]);
    }
}

/* How a number of events went: with the newest, with the one before. */
static void put_trend(struct tl_buf *out, const struct figures *line, size_t count, const struct tl_reconciled_cause *cause)
{
    char now[TL_COUNT_TEXT_BYTES], before[TL_COUNT_TEXT_BYTES];
    uint64_t values[TREND_MAX] = {0};
    struct tl_buf name;

    for (size_t i = 0; i < count; i++)
        values[i] = cause != NULL ? events_of(&line[i], cause) : differing(&line[i]);
    tl_buf_init(&name, 0);
    if (cause != NULL)
        put_cause_name(&name, cause);
    else
        tl_buf_put_str(&name, "differing groups");
    tl_buf_put_str(out, "  ");
    tl_diag_put(out, tl_buf_sv(&name));
    tl_buf_printf(out, "%*s", name.size < 24 ? 24 - (int)name.size : 2, "");
    tl_buf_done(&name);
    put_spark(out, values, count);
    tl_buf_printf(out, "  %s, %s before", tl_count_text(values[0], now), tl_count_text(values[1], before));
    if (values[1] > 0 && values[0] >= values[1] * 2)
        tl_buf_printf(out, ": %.1f times as many", (double)values[0] / (double)values[1]);
    tl_buf_put_u8(out, '\n');
}

/* Of the newest one and all that are like it: nothing where it stands alone. */
static void put_trends(struct tl_buf *out, const struct trend *h, const struct figures *newest)
{
    struct figures line[TREND_MAX];
    char first[TL_TIME_TEXT_BYTES], last[TL_TIME_TEXT_BYTES];
    size_t count = 1, at = 0;

    line[0] = *newest;
    while (count < TREND_MAX && find_before(h, &at, newest, &line[count]))
        count++;
    if (count < 2)
        return;
    tl_time_to_iso_z(line[count - 1].it->started_ms, first);
    tl_time_to_iso_z(newest->it->started_ms, last);
    tl_buf_put_u8(out, '\n');
    if (newest->view != NULL) {
        tl_diag_put(out, newest->view->view);
        tl_buf_put_str(out, ", ");
    }
    tl_buf_printf(out, "%zu of this length, %.10s to %.10s:\n", count, first, last);
    put_trend(out, line, count, NULL);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < line[i].causes_count; c++) {
            size_t earlier = 0;

            while (earlier < i && events_of(&line[earlier], &line[i].causes[c]) == 0)
                earlier++;
            if (earlier == i)
                put_trend(out, line, count, &line[i].causes[c]);
        }
}

static enum tl_code print_text(const struct trend *h, struct tl_err *err)
{
    struct tl_printer printer;
    struct tl_buf trends;
    enum tl_code rc;

    tl_printer_init(&printer, TL_PRINT_TABLE, stdout);
    tl_buf_init(&trends, 0);
    TL_TRY(tl_printer_head(&printer, table_columns, TL_COUNT(table_columns) - (h->query->views_count == 0), err));
    for (size_t i = 0; i < h->listed; i++) {
        struct figures all = of_all(h->list[i]);

        if (h->query->views_count == 0)
            TL_TRY(print_line(h, i, &all, &printer, err));
        for (size_t v = 0; h->query->views_count > 0 && v < h->list[i]->views_count; v++) {
            struct figures mine = of_view(h->list[i], &h->list[i]->views[v]);

            if (is_wanted(h->query, mine.view->view))
                TL_TRY(print_line(h, i, &mine, &printer, err));
        }
    }
    TL_TRY(tl_printer_end(&printer, err));
    for (size_t v = 0; h->listed > 0 && h->query->views_count > 0 && v < h->list[0]->views_count; v++) {
        struct figures mine = of_view(h->list[0], &h->list[0]->views[v]);

        if (is_wanted(h->query, mine.view->view))
            put_trends(&trends, h, &mine);
    }
    if (h->listed > 0 && h->query->views_count == 0) {
        struct figures all = of_all(h->list[0]);

        put_trends(&trends, h, &all);
    }
    TL_TRY(tl_buf_check(&trends, "the trends", err));
    if (trends.size > 0)
        fwrite(trends.data, 1, trends.size, stdout);
out:
    tl_printer_done(&printer);
    tl_buf_done(&trends);
    return rc;
}

/* ---- CSV ---- */

static const struct tl_shape_column csv_columns[] = {
    {{"id", 2},             TL_BIGINT,        TL_ROLE_VALUE},
    {{"started", 7},        TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"seconds", 7},        TL_DOUBLE,        TL_ROLE_VALUE},
    {{"exit_status", 11},   TL_BIGINT,        TL_ROLE_VALUE},
    {{"asked_from", 10},    TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"asked_to", 8},       TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"view", 4},           TL_STRING,        TL_ROLE_VALUE},
    {{"compared_from", 13}, TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"compared_to", 11},   TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"groups", 6},         TL_BIGINT,        TL_ROLE_VALUE},
    {{"equal", 5},          TL_BIGINT,        TL_ROLE_VALUE},
    {{"explained", 9},      TL_BIGINT,        TL_ROLE_VALUE},
    {{"unexplained", 11},   TL_BIGINT,        TL_ROLE_VALUE},
    {{"pending", 7},        TL_BIGINT,        TL_ROLE_VALUE},
};
enum { CSV_COLUMNS = TL_COUNT(csv_columns) + TL_CAUSES - 1 };

static enum tl_code print_csv_line(const struct figures *mine, struct tl_printer *printer, struct tl_err *err)
{
    struct tl_value values[CSV_COLUMNS] = {number((uint64_t)mine->it->id),
                                           instant(mine->it->started_ms),
                                           seconds(mine->it),
                                           number((uint64_t)mine->it->exit_status),
                                           instant(mine->it->from_ms),
                                           instant(mine->it->to_ms),
                                           text(mine->view != NULL ? mine->view->view : TL_SV("")),
                                           instant(mine->from_ms),
                                           instant(mine->to_ms),
                                           number(mine->counts->groups),
                                           number(mine->counts->equal),
                                           number(mine->counts->explained),
                                           number(mine->counts->unexplained),
                                           number(mine->counts->pending)};

    for (size_t c = TL_COUNT(csv_columns); c < CSV_COLUMNS; c++)
        values[c] = number(0);
    for (size_t c = 0; c < mine->causes_count; c++) /* a cause's checks together */
        values[TL_COUNT(csv_columns) + (size_t)mine->causes[c].cause - 1].i64 += (int64_t)mine->causes[c].events_count;
    return tl_printer_row(printer, values, CSV_COLUMNS, err);
}

static enum tl_code print_csv(const struct trend *h, struct tl_err *err)
{
    struct tl_shape_column columns[CSV_COLUMNS];
    struct tl_printer printer;
    enum tl_code rc;

    memcpy(columns, csv_columns, sizeof csv_columns);
    for (int c = 1; c < TL_CAUSES; c++)
        columns[TL_COUNT(csv_columns) + (size_t)c - 1] =
            (struct tl_shape_column){tl_sv_from(tl_cause_name((enum tl_cause)c)), TL_BIGINT, TL_ROLE_VALUE};
    tl_printer_init(&printer, TL_PRINT_CSV, stdout);
    TL_TRY(tl_printer_head(&printer, columns, CSV_COLUMNS, err));
    for (size_t i = 0; i < h->listed; i++) {
        struct figures mine = of_all(h->list[i]);

        if (h->query->views_count == 0)
            TL_TRY(print_csv_line(&mine, &printer, err));
        for (size_t v = 0; v < h->list[i]->views_count; v++) {
            mine = of_view(h->list[i], &h->list[i]->views[v]);
            if (is_wanted(h->query, mine.view->view))
                TL_TRY(print_csv_line(&mine, &printer, err));
        }
    }
    TL_TRY(tl_printer_end(&printer, err));
out:
    tl_printer_done(&printer);
    return rc;
}

/* ---- JSON ---- */

static void put_json_value(struct tl_buf *out, const char *before, struct tl_value value)
{
    tl_buf_put_str(out, before);
    tl_print_json(out, &value);
}

static void put_json_figures(struct tl_buf *out, const struct tl_reconciled_counts *counts)
{
    tl_buf_printf(out,
                  "\"groups\": %" PRIu64 ", \"equal\": %" PRIu64 ", \"explained\": %" PRIu64 ", \"unexplained\": %" PRIu64
                  ", \"pending\": %" PRIu64,
                  counts->groups, counts->equal, counts->explained, counts->unexplained, counts->pending);
}

static void put_json_causes(struct tl_buf *out, const struct tl_reconciled_cause *causes, size_t count)
{
    struct tl_buf name;

    tl_buf_init(&name, 0);
    tl_buf_put_str(out, "\"causes\": {");
    for (size_t c = 0; c < count; c++) {
        tl_buf_clear(&name);
        put_cause_name(&name, &causes[c]);
        tl_buf_put_str(out, c > 0 ? ", " : "");
        tl_buf_put_json(out, tl_buf_sv(&name));
        tl_buf_printf(out, ": %" PRIu64, causes[c].events_count);
    }
    tl_buf_put_u8(out, '}');
    tl_buf_done(&name);
}

static void put_json_view(struct tl_buf *out, const struct tl_reconciled_view *view)
{
    tl_buf_put_str(out, "{\"name\": ");
    tl_buf_put_json(out, view->view);
    tl_buf_printf(out, ", \"definition\": %" PRId64 ", \"runs\": ", view->definition);
    tl_buf_put_json(out, view->runs);
    put_json_value(out, ", \"from\": ", instant(view->from_ms));
    put_json_value(out, ", \"to\": ", instant(view->to_ms));
    put_json_value(out, ", \"boundary\": ", instant(view->boundary_ms));
    tl_buf_put_str(out, ", ");
    put_json_figures(out, &view->counts);
    tl_buf_put_str(out, ", ");
    put_json_causes(out, view->causes, view->causes_count);
    tl_buf_put_u8(out, '}');
}

void tl_trend_json(const struct tl_reconciliation *it, const struct tl_trend_query *query, struct tl_buf *out)
{
    const char *glue = "";

    tl_buf_printf(out, "{\"id\": %" PRId64, it->id);
    put_json_value(out, ", \"started\": ", instant(it->started_ms));
    put_json_value(out, ", \"seconds\": ", seconds(it));
    tl_buf_printf(out, ", \"exit_status\": %d", it->exit_status);
    put_json_value(out, ", \"range\": {\"from\": ", instant(it->from_ms));
    put_json_value(out, ", \"to\": ", instant(it->to_ms));
    tl_buf_printf(out, ", \"cut\": %s}", it->cut ? "true" : "false");
    put_json_value(out, ", \"compared\": {\"from\": ", instant(it->compared_from_ms));
    put_json_value(out, ", \"to\": ", instant(it->compared_to_ms));
    tl_buf_put_str(out, "}, \"summary\": {");
    put_json_figures(out, &it->counts);
    tl_buf_put_str(out, "}, ");
    put_json_causes(out, it->causes, it->causes_count);
    tl_buf_printf(out, ", \"events_read\": %" PRIu64 ", \"normaliser\": %" PRId64 ", \"versions\": ", it->events_count,
                  it->normaliser);
    tl_buf_put_json(out, it->versions);
    tl_buf_put_str(out, ", \"notes\": [");
    for (size_t n = 0; n < it->notes_count; n++) {
        tl_buf_put_str(out, n > 0 ? ", " : "");
        tl_buf_put_json(out, it->notes[n]);
    }
    tl_buf_put_str(out, "], \"views\": [");
    for (size_t v = 0; v < it->views_count; v++) {
        if (!is_wanted(query, it->views[v].view))
            continue;
        tl_buf_put_str(out, glue);
        put_json_view(out, &it->views[v]);
        glue = ", ";
    }
    tl_buf_put_str(out, "]}");
}

static void put_json_list(const struct trend *h, struct tl_buf *out)
{
    for (size_t i = 0; i < h->listed; i++) {
        tl_buf_put_str(out, i > 0 ? ",\n" : "\n");
        tl_trend_json(h->list[i], h->query, out);
    }
}

enum tl_code tl_trend_list_json(struct tl_store *store, const struct tl_trend_query *query, struct tl_buf *out, int64_t *last,
                                struct tl_err *err)
{
    struct trend h = {.query = query};
    enum tl_code rc;

    tl_arena_init(&h.arena, 1 << 16, 0);
    TL_TRY(take_list(&h, store, err));
    put_json_list(&h, out);
    *last = h.listed > 0 ? h.list[h.listed - 1]->id : 0;
out:
    free(h.list);
    tl_arena_done(&h.arena);
    return rc;
}

static enum tl_code print_json(const struct trend *h, struct tl_err *err)
{
    struct tl_buf out;
    enum tl_code rc;

    tl_buf_init(&out, 0);
    tl_buf_put_str(&out, "{\"reconciliations\": [");
    put_json_list(h, &out);
    tl_buf_put_str(&out, "\n]}\n");
    TL_TRY(tl_buf_check(&out, "the history", err));
    fwrite(out.data, 1, out.size, stdout);
out:
    tl_buf_done(&out);
    return rc;
}

/* ---- the list ---- */

static enum tl_code check_views(const struct trend *h, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int v = 0; v < h->query->views_count; v++) {
        bool found = false;

        for (size_t i = 0; i < h->count && !found; i++)
            for (size_t w = 0; w < h->list[i]->views_count; w++)
                found = found || tl_sv_eq(h->list[i]->views[w].view, tl_sv_from(h->query->views[v]));
        if (!found)
            TL_TRY(tl_fail(err, TL_ERR_USAGE,
                           "no reconciliation that is stored has compared a view '%s'; --history alone shows all",
                           h->query->views[v]));
    }
out:
    return rc;
}

enum tl_code tl_trend_print(struct tl_store *store, const struct tl_trend_query *query, struct tl_err *err)
{
    struct trend h = {.query = query};
    enum tl_code rc;

    tl_arena_init(&h.arena, 1 << 16, 0);
    TL_TRY(take_list(&h, store, err));
    TL_TRY(check_views(&h, err));
    if (strcmp(query->format, "json") == 0)
        TL_TRY(print_json(&h, err));
    else if (strcmp(query->format, "csv") == 0)
        TL_TRY(print_csv(&h, err));
    else
        TL_TRY(print_text(&h, err));
    if (fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write the history to standard output"));
out:
    free(h.list);
    tl_arena_done(&h.arena);
    return rc;
}
