/* quality.c: table checks over what a run has staged. See quality.h. */
#include "quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "event/timestamp.h"
#include "event/zone.h"
#include "main/check_text.h"
#include "sql/shape.h"

/* A range of one view with a figure for each check of the view. */
struct measured {
    int64_t from_ms, to_ms, run;
    int64_t length, to_wall_ms;
    uint64_t rows_count;
    bool usable; /* as past: published, or staged and no check of its own keeps it back */
    bool *known; /* per check */
    double *values;
};

struct measured_list {
    struct measured *at;
    uint32_t count, capacity;
};

/* One view at work. */
struct judge {
    const struct tl_quality *quality;
    int64_t run, definition;
    const struct tl_zone *zone;
    const struct tl_table_check **checks; /* of the view */
    struct tl_sv *measures;               /* their texts */
    uint32_t checks_count;
    struct tl_arena memory;
    struct measured_list staged, published;
    struct tl_check_result *results;
    size_t results_count;
};

/* ---- the parts ---- */

void tl_quality_measure_text(const struct tl_plan *plan, const struct tl_table_check *check, struct tl_buf *out)
{
    static const char *const words[] = {
        [TL_MEASURE_ROW_COUNT] = "ROW_COUNT",   [TL_MEASURE_SUM] = "SUM",
        [TL_MEASURE_NULL_SHARE] = "NULL_SHARE", [TL_MEASURE_UNIQUE] = "UNIQUE",
        [TL_MEASURE_FRESHNESS] = "FRESHNESS",   [TL_MEASURE_ALLOWED] = "ALLOWED",
    };

    tl_buf_put_str(out, words[check->measure]);
    for (uint32_t c = 0; c < check->columns_count; c++) {
        tl_buf_put_str(out, c == 0 ? "(" : ", ");
        tl_buf_put_sv(out, plan->views[check->view].outputs[check->columns[c]].name);
    }
    tl_buf_put_str(out, check->columns_count > 0 ? ")" : "");
}

/* The month of a wall clock that shows a month's first midnight. */
static bool is_month_begin(int64_t wall_ms, int64_t *month)
{
    int64_t year;
    unsigned in_year, day;

    tl_civil_from_days(tl_days_of_ms(wall_ms), &year, &in_year, &day);
    *month = year * 12 + in_year;
    return day == 1 && tl_ms_of_day(wall_ms) == 0;
}

int64_t tl_quality_length(const struct tl_zone *zone, int64_t from_ms, int64_t to_ms)
{
    int64_t from_wall_ms = tl_zone_end_local_ms(zone, from_ms), to_wall_ms = tl_zone_end_local_ms(zone, to_ms), from = 0, to = 0;

    if (is_month_begin(from_wall_ms, &from) && is_month_begin(to_wall_ms, &to))
        return from - to;
    return to_wall_ms - from_wall_ms;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double tl_quality_median(double *values, uint32_t count)
{
    double low, high;

    qsort(values, count, sizeof *values, by_value);
    low = values[(count - 1) / 2];
    high = values[count / 2];
    return low == high ? low : low / 2 + high / 2;
}

static bool is_of_family(const struct tl_plan *plan, uint32_t view, uint32_t other)
{
    return tl_view_root(plan, view) == tl_view_root(plan, other);
}

bool tl_quality_may_keep(const struct tl_quality *quality, uint32_t view)
{
    const struct tl_checks *checks = quality->checks;

    for (uint32_t c = 0; checks != NULL && c < checks->tables_count; c++)
        if (checks->tables[c].violation == TL_VIOLATION_FAIL_UPDATE && is_of_family(quality->plan, view, checks->tables[c].view))
            return true;
    for (uint32_t c = 0; checks != NULL && c < checks->rows_count; c++)
        if (checks->rows[c].violation == TL_VIOLATION_FAIL_UPDATE && quality->plan->views[view].source == checks->rows[c].source)
            return true;
    return false;
}

/* ---- measuring ---- */

static struct tl_figure figure_of(const struct tl_table_check *check)
{
    static const enum tl_figure_kind kinds[] = {
        [TL_MEASURE_ROW_COUNT] = TL_FIGURE_ROWS,   [TL_MEASURE_SUM] = TL_FIGURE_SUM,
        [TL_MEASURE_NULL_SHARE] = TL_FIGURE_NULLS, [TL_MEASURE_UNIQUE] = TL_FIGURE_ALIKE,
        [TL_MEASURE_FRESHNESS] = TL_FIGURE_LATEST, [TL_MEASURE_ALLOWED] = TL_FIGURE_OTHERS,
    };

    return (struct tl_figure){kinds[check->measure], check->columns, check->columns_count, check->allowed, check->allowed_count};
}

/* NAN where there is nothing to measure. */
static double value_of(const struct tl_table_check *check, const struct measured *range, double figure)
{
    switch (check->measure) {
    case TL_MEASURE_NULL_SHARE: return range->rows_count == 0 ? (double)NAN : figure / (double)range->rows_count;
    case TL_MEASURE_FRESHNESS: return isinf(figure) ? (double)NAN : (double)range->to_ms - figure;
    case TL_MEASURE_ROW_COUNT:
    case TL_MEASURE_SUM:
    case TL_MEASURE_UNIQUE:
    case TL_MEASURE_ALLOWED: break;
    }
    return figure;
}

/* All that is not known yet, in one statement. */
static enum tl_code measure(struct judge *judge, struct measured *range, struct tl_err *err)
{
    struct tl_figure *figures = tl_arena_alloc(&judge->memory, judge->checks_count * sizeof *figures);
    uint32_t *of = tl_arena_alloc(&judge->memory, judge->checks_count * sizeof *of), count = 0;
    double *values = tl_arena_alloc(&judge->memory, judge->checks_count * sizeof *values);
    enum tl_code rc = TL_OK;

    if (figures == NULL || of == NULL || values == NULL)
        return tl_fail_memory(err, judge->checks_count * sizeof *figures);
    for (uint32_t c = 0; c < judge->checks_count; c++) {
        if (range->known[c])
            continue;
        range->known[c] = true;
        if (judge->checks[c]->measure == TL_MEASURE_ROW_COUNT) {
            range->values[c] = (double)range->rows_count;
            continue;
        }
        figures[count] = figure_of(judge->checks[c]);
        of[count++] = c;
    }
    if (count == 0)
        return TL_OK;
    TL_TRY(tl_store_figures(judge->quality->store, judge->definition, range->run, range->from_ms, range->to_ms, figures, count,
                            values, err));
    for (uint32_t i = 0; i < count; i++)
        range->values[of[i]] = value_of(judge->checks[of[i]], range, values[i]);
out:
    return rc;
}

/* What its own run has measured in a published range need not be measured again. */
static enum tl_code recall(struct judge *judge, struct measured *range, uint32_t c, struct tl_err *err)
{
    bool found = false;
    enum tl_code rc = TL_OK;

    if (range->known[c])
        return TL_OK;
    if (range->run != judge->run)
        TL_TRY(tl_store_measured(judge->quality->store, judge->definition, range->run, range->from_ms, judge->measures[c], &found,
                                 &range->values[c], err));
    range->known[c] = found;
    if (!found)
        TL_TRY(measure(judge, range, err));
out:
    return rc;
}

/* ---- the ranges ---- */

static enum tl_code add_measured(struct judge *judge, struct measured_list *list, struct measured range, struct tl_err *err)
{
    range.length = tl_quality_length(judge->zone, range.from_ms, range.to_ms);
    range.to_wall_ms = tl_zone_end_local_ms(judge->zone, range.to_ms);
    range.known = tl_arena_zalloc(&judge->memory, judge->checks_count * sizeof *range.known);
    range.values = tl_arena_zalloc(&judge->memory, judge->checks_count * sizeof *range.values);
    if (range.known == NULL || range.values == NULL)
        return tl_fail_memory(err, judge->checks_count * sizeof *range.values);
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity * 2 + 32;

        if (!TL_RESIZE(list->at, capacity))
            return tl_fail_memory(err, capacity * sizeof *list->at);
        list->capacity = capacity;
    }
    list->at[list->count++] = range;
    return TL_OK;
}

static enum tl_code add_staged(void *ctx, const struct tl_staged_range *range, struct tl_err *err)
{
    struct judge *judge = ctx;

    if (range->from_ms == INT64_MIN || range->published || range->kept == TL_KEPT_REFUSED)
        return TL_OK;
    return add_measured(
        judge, &judge->staged,
        (struct measured){.from_ms = range->from_ms, .to_ms = range->to_ms, .run = judge->run, .rows_count = range->rows_count},
        err);
}

static enum tl_code add_published(void *ctx, const struct tl_past_range *range, struct tl_err *err)
{
    struct judge *judge = ctx;

    if (range->from_ms == INT64_MIN)
        return TL_OK;
    return add_measured(
        judge, &judge->published,
        (struct measured){
            .from_ms = range->from_ms, .to_ms = range->to_ms, .run = range->run, .rows_count = range->rows_count, .usable = true},
        err);
}

static enum tl_code list_ranges(struct judge *judge, struct tl_err *err)
{
    const struct tl_quality *quality = judge->quality;
    uint32_t days = 0;
    enum tl_code rc;

    TL_TRY(tl_store_staged(quality->store, judge->run, judge->definition, add_staged, judge, err));
    for (uint32_t c = 0; c < judge->checks_count; c++)
        days = judge->checks[c]->median_days > days ? judge->checks[c]->median_days : days;
    if (days == 0 || judge->staged.count == 0)
        return TL_OK;
    /* Two more: the wall clock decides below. */
    TL_TRY(tl_store_past(quality->store, judge->definition,
                         tl_add_sat_i64(judge->staged.at[0].from_ms, -(int64_t)(days + 2) * TL_DAY_MS),
                         judge->staged.at[judge->staged.count - 1].from_ms, add_published, judge, err));
out:
    return rc;
}

/* ---- verdicts ---- */

static bool is_past_of(const struct measured *past, const struct measured *range, uint32_t days)
{
    return past->usable && past->to_ms <= range->from_ms && past->length == range->length &&
           past->to_wall_ms >= range->to_wall_ms - (int64_t)days * TL_DAY_MS;
}

/* Those that are staged are in order of time. */
static bool is_replaced(const struct judge *judge, const struct measured *past)
{
    uint32_t low = 0, high = judge->staged.count;

    while (low < high) { /* the first that ends behind its beginning */
        uint32_t middle = low + (high - low) / 2;

        if (judge->staged.at[middle].to_ms > past->from_ms)
            high = middle;
        else
            low = middle + 1;
    }
    for (; low < judge->staged.count && judge->staged.at[low].from_ms < past->to_ms; low++)
        if (judge->staged.at[low].usable)
            return true;
    return false;
}

/* Adds to values what the ranges of the list measure as past of the range. */
static enum tl_code gather(struct judge *judge, struct measured_list *list, const struct measured *range, uint32_t c,
                           double *values, uint32_t *count, struct tl_err *err)
{
    uint32_t days = judge->checks[c]->median_days;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < list->count; p++) {
        struct measured *past = &list->at[p];

        if (!is_past_of(past, range, days) || (list == &judge->published && is_replaced(judge, past)))
            continue;
        TL_TRY(recall(judge, past, c, err));
        if (!isnan(past->values[c]))
            values[(*count)++] = past->values[c];
    }
out:
    return rc;
}

TL_PRINTF(4, 5)
static enum tl_code print_detail(struct judge *judge, struct tl_check_result *result, struct tl_err *err, const char *fmt, ...)
{
    char text[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tl_arena_copy(&judge->memory, tl_sv_from(text), &result->detail) ? TL_OK : tl_fail_memory(err, sizeof text);
}

/* Fills in low, high and detail. *enough: there is something to be held against. */
static enum tl_code find_bounds(struct judge *judge, const struct measured *range, uint32_t c, struct tl_check_result *result,
                                bool *enough, struct tl_err *err)
{
    const struct tl_table_check *check = judge->checks[c];
    uint32_t count = 0, enough_count = check->median_days < TL_QUALITY_PAST_MIN ? check->median_days : TL_QUALITY_PAST_MIN;
    double *values = NULL, median, low, high;
    enum tl_code rc = TL_OK;

    *enough = true;
    result->low = check->low;
    result->high = check->high;
    if (check->median_days == 0)
        return TL_OK;
    values = malloc((judge->published.count + judge->staged.count + 1) * sizeof *values);
    if (values == NULL)
        TL_TRY(tl_fail_memory(err, judge->published.count * sizeof *values));
    TL_TRY(gather(judge, &judge->published, range, c, values, &count, err));
    TL_TRY(gather(judge, &judge->staged, range, c, values, &count, err));
    if (count < enough_count) {
        *enough = false;
        result->low = -(double)INFINITY;
        result->high = (double)INFINITY;
        TL_TRY(print_detail(judge, result, err, "too little past: %u range%s of this length in the last %u days, %u would do",
                            count, count == 1 ? "" : "s", check->median_days, enough_count));
        goto out;
    }
    median = tl_quality_median(values, count);
    low = check->low / 100 * median;
    high = check->high / 100 * median;
    if (isinf(check->low)) /* 0 of it would be no number */
        low = median < 0 ? (double)INFINITY : -(double)INFINITY;
    if (isinf(check->high))
        high = median < 0 ? -(double)INFINITY : (double)INFINITY;
    result->low = median < 0 ? high : low; /* at least so many percent of a loss: no less than it */
    result->high = median < 0 ? low : high;
    TL_TRY(print_detail(judge, result, err, "the median of %u range%s is %.6g", count, count == 1 ? "" : "s", median));
out:
    free(values);
    return rc;
}

static bool counts_rows(enum tl_measure measure)
{
    return measure == TL_MEASURE_UNIQUE || measure == TL_MEASURE_ALLOWED;
}

static enum tl_code judge_check(struct judge *judge, struct measured *range, uint32_t c, struct tl_err *err)
{
    const struct tl_table_check *check = judge->checks[c];
    struct tl_check_result *result = &judge->results[judge->results_count];
    double value = range->values[c];
    bool enough = true;
    enum tl_code rc;

    *result = (struct tl_check_result){.run = judge->run,
                                       .definition = judge->definition,
                                       .from_ms = range->from_ms,
                                       .to_ms = range->to_ms,
                                       .check = check->name,
                                       .violation = tl_sv_from(tl_violation_name(check->violation)),
                                       .measure = judge->measures[c],
                                       .measured = value,
                                       .detail = TL_SV("")};
    TL_TRY(find_bounds(judge, range, c, result, &enough, err));
    result->passed = !enough || (value >= result->low && value <= result->high);
    if (isnan(value) && range->rows_count == 0) {
        result->detail = TL_SV("no rows");
        result->passed = result->passed || check->measure == TL_MEASURE_NULL_SHARE;
    } else if (isnan(value)) {
        result->detail = TL_SV("not a number");
    }
    if (!result->passed)
        result->violations_count = counts_rows(check->measure) ? (uint64_t)value : 1;
    if (!result->passed && check->violation == TL_VIOLATION_FAIL_UPDATE)
        range->usable = false;
    judge->results_count++;
out:
    return rc;
}

static enum tl_code judge_ranges(struct judge *judge, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(list_ranges(judge, err));
    judge->results =
        tl_arena_alloc(&judge->memory, ((size_t)judge->staged.count * judge->checks_count + 1) * sizeof *judge->results);
    if (judge->results == NULL)
        TL_TRY(tl_fail_memory(err, judge->staged.count * sizeof *judge->results));
    for (uint32_t s = 0; s < judge->staged.count; s++) {
        struct measured *range = &judge->staged.at[s];

        TL_TRY(measure(judge, range, err));
        range->usable = true; /* until a check says otherwise; no past of itself */
        for (uint32_t c = 0; c < judge->checks_count; c++)
            TL_TRY(judge_check(judge, range, c, err));
    }
    TL_TRY(tl_store_begin(judge->quality->store, err));
    TL_TRY(tl_store_put_check_results(judge->quality->store, judge->results, judge->results_count, err));
    TL_TRY(tl_store_commit(judge->quality->store, err));
out:
    if (rc != TL_OK)
        tl_store_rollback(judge->quality->store);
    return rc;
}

/* ---- a view ---- */

static enum tl_code open_judge(struct judge *judge, uint32_t view, struct tl_err *err)
{
    const struct tl_quality *quality = judge->quality;
    const struct tl_checks *checks = quality->checks;
    struct tl_buf text;
    enum tl_code rc = TL_OK;

    tl_buf_init(&text, 0);
    judge->checks = tl_arena_alloc(&judge->memory, (checks->tables_count + 1) * sizeof(struct tl_table_check *));
    judge->measures = tl_arena_alloc(&judge->memory, (checks->tables_count + 1) * sizeof *judge->measures);
    if (judge->checks == NULL || judge->measures == NULL)
        TL_TRY(tl_fail_memory(err, checks->tables_count * sizeof *judge->measures));
    for (uint32_t c = 0; c < checks->tables_count; c++) {
        if (checks->tables[c].view != view)
            continue;
        tl_buf_clear(&text);
        tl_quality_measure_text(quality->plan, &checks->tables[c], &text);
        TL_TRY(tl_buf_check(&text, "a check", err));
        if (!tl_arena_copy(&judge->memory, tl_buf_sv(&text), &judge->measures[judge->checks_count]))
            TL_TRY(tl_fail_memory(err, text.size));
        judge->checks[judge->checks_count++] = &checks->tables[c];
    }
out:
    tl_buf_done(&text);
    return rc;
}

static enum tl_code judge_view(const struct tl_quality *quality, uint32_t view, int64_t run, struct tl_err *err)
{
    const struct tl_plan *plan = quality->plan;
    bool zoned = plan->sources[plan->views[view].source].time_kind == TL_TIMESTAMP_LTZ;
    struct judge judge = {
        .quality = quality, .run = run, .definition = quality->definitions[view], .zone = zoned ? plan->settings.zone : NULL};
    enum tl_code rc;

    tl_arena_init(&judge.memory, 1u << 14, 0);
    TL_TRY(open_judge(&judge, view, err));
    if (judge.checks_count > 0)
        TL_TRY(judge_ranges(&judge, err));
out:
    free(judge.staged.at);
    free(judge.published.at);
    tl_arena_done(&judge.memory);
    return rc;
}

/* ---- row checks ---- */

static enum tl_code put_found(const struct tl_row_findings *findings, uint32_t view, uint32_t range,
                              const struct tl_row_check *check, const struct tl_check_count *count, struct tl_err *err)
{
    const struct tl_quality *quality = findings->quality;
    struct tl_buf measure, detail;
    struct tl_check_result result = {.run = findings->run,
                                     .definition = quality->definitions[view],
                                     .from_ms = findings->bounds[range],
                                     .to_ms = findings->bounds[range + 1],
                                     .check = check->name,
                                     .violation = tl_sv_from(tl_violation_name(check->violation)),
                                     .passed = count->violations_count == 0,
                                     .violations_count = count->violations_count,
                                     .measured = (double)NAN,
                                     .low = -(double)INFINITY,
                                     .high = (double)INFINITY};
    enum tl_code rc;

    tl_buf_init(&measure, 0);
    tl_buf_init(&detail, 0);
    tl_row_check_print(quality->plan, check, &measure);
    for (uint32_t s = 0; s < count->samples_count; s++)
        tl_buf_printf(&detail, "%s%u/%lld", s == 0 ? "partition/offset " : ", ",
                      tl_partition_in_topic(count->samples[s].partition), (long long)count->samples[s].offset);
    if (count->failures_count > 0)
        tl_buf_printf(&detail, "; %llu could not be evaluated", (unsigned long long)count->failures_count);
    TL_TRY(tl_buf_check(&measure, "a check", err));
    TL_TRY(tl_buf_check(&detail, "a check", err));
    result.measure = tl_buf_sv(&measure);
    result.detail = detail.size > 0 ? tl_buf_sv(&detail) : TL_SV("");
    TL_TRY(tl_store_put_check_results(quality->store, &result, 1, err));
out:
    tl_buf_done(&measure);
    tl_buf_done(&detail);
    return rc;
}

/* A view on a view has the events of its root: what is against a check there is said there. */
enum tl_code tl_quality_found(void *ctx, uint32_t view, uint32_t range, const struct tl_check_count *counts, struct tl_err *err)
{
    const struct tl_row_findings *findings = ctx;
    const struct tl_checks *checks = findings->quality->checks;
    const struct tl_view *of = &findings->quality->plan->views[view];
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; of->inner < 0 && c < checks->rows_count; c++)
        if (checks->rows[c].source == of->source && findings->bounds[range] != INT64_MIN)
            TL_TRY(put_found(findings, view, range, &checks->rows[c], &counts[c], err));
out:
    return rc;
}

/* ---- what is kept back ---- */

struct said {
    struct tl_sv check; /* of the checks file */
    int64_t from_ms, to_ms;
};

struct failures {
    const struct tl_quality *quality;
    struct tl_chain *chains; /* per view; of its family, and only a root's is filled */
    struct tl_findings *findings;
    struct said *said; /* what row checks found, by check and range */
    uint32_t said_count;
};

static const char *what_follows(const struct tl_check_result *result)
{
    if (tl_check_keeps_back(result))
        return "; it is kept back, and what was published before stays; to publish it all the same: tally batch --reason TEXT "
               "--accept ";
    return tl_sv_eq(result->violation, tl_sv_from(tl_violation_name(TL_VIOLATION_DROP_ROW)))
               ? "; dropped into quarantine: tally checks --quarantine "
               : NULL;
}

/* What events were against is the same for all views of a table: it is said once. */
static enum tl_code is_to_be_said(struct failures *failures, const struct tl_check_result *result, bool *say, struct tl_err *err)
{
    const struct tl_checks *checks = failures->quality->checks;
    const struct tl_row_check *check = NULL;

    *say = true;
    for (uint32_t c = 0; c < checks->rows_count && check == NULL; c++)
        if (tl_sv_eq(checks->rows[c].name, result->check))
            check = &checks->rows[c];
    if (check == NULL)
        return TL_OK;
    for (uint32_t s = 0; s < failures->said_count; s++)
        if (tl_sv_eq(failures->said[s].check, result->check) && failures->said[s].from_ms == result->from_ms &&
            failures->said[s].to_ms == result->to_ms)
            *say = false;
    if (!*say)
        return TL_OK;
    if (!TL_RESIZE(failures->said, failures->said_count + 1))
        return tl_fail_memory(err, sizeof *failures->said);
    failures->said[failures->said_count++] = (struct said){check->name, result->from_ms, result->to_ms};
    return TL_OK;
}

static enum tl_code say_failure(const struct tl_check_result *result, struct tl_err *err)
{
    const char *follows = what_follows(result);
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "view %.*s: ", TL_SV_ARG(result->view));
    tl_check_put_range(&text, result->from_ms, result->to_ms);
    tl_buf_put_str(&text, ": ");
    tl_check_put_result(&text, result);
    if (follows != NULL)
        tl_buf_printf(&text, "%s%.*s", follows, TL_SV_ARG(result->check));
    TL_TRY(tl_buf_check(&text, "a line", err));
    tl_diag(tl_check_keeps_back(result) ? TL_ERROR : TL_WARN, "%.*s", TL_SV_ARG(tl_buf_sv(&text)));
out:
    tl_buf_done(&text);
    return rc;
}

static enum tl_code say_chain(struct tl_sv view, const struct tl_chain_span *span, struct tl_err *err)
{
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "view %.*s: ", TL_SV_ARG(view));
    tl_check_put_range(&text, span->from_ms, span->to_ms);
    tl_buf_put_str(&text, ": kept back too: it cannot be published without what is kept back beside it");
    TL_TRY(tl_buf_check(&text, "a line", err));
    tl_diag(TL_ERROR, "%.*s", TL_SV_ARG(tl_buf_sv(&text)));
out:
    tl_buf_done(&text);
    return rc;
}

static enum tl_code see_failure(void *ctx, const struct tl_check_result *result, struct tl_err *err)
{
    struct failures *failures = ctx;
    const struct tl_quality *quality = failures->quality;
    bool keeps_back = tl_check_keeps_back(result), say;
    struct tl_chain_span *span;
    enum tl_code rc;

    TL_TRY(is_to_be_said(failures, result, &say, err));
    if (say)
        TL_TRY(say_failure(result, err));
    failures->findings->warned_count += !keeps_back;
    for (uint32_t v = 0; keeps_back && v < quality->plan->views_count; v++) {
        if (quality->definitions[v] != result->definition)
            continue;
        span = tl_chain_find(&failures->chains[tl_view_root(quality->plan, v)], result->from_ms);
        if (span != NULL)
            span->failed = true;
    }
out:
    return rc;
}

static enum tl_code keep_view(struct failures *failures, uint32_t view, int64_t run, struct tl_err *err)
{
    const struct tl_quality *quality = failures->quality;
    struct tl_chain *chain = &failures->chains[tl_view_root(quality->plan, view)];
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < chain->count; s++) {
        const struct tl_chain_span *span = &chain->spans[s];

        if (span->published || span->kept == TL_KEPT_REFUSED)
            continue;
        TL_TRY(tl_store_keep_back(quality->store, run, quality->definitions[view], span->from_ms, span->kept, err));
        failures->findings->kept_count += span->kept != TL_KEPT_NOT && span->kept != TL_KEPT_REFUSED;
        if (span->kept == TL_KEPT_CHAIN)
            TL_TRY(say_chain(quality->plan->views[view].name, span, err));
    }
out:
    return rc;
}

enum tl_code tl_quality_open_chain(const struct tl_quality *quality, uint32_t root, int64_t run, struct tl_chain *chain,
                                   struct tl_err *err)
{
    int64_t *family = calloc(quality->plan->views_count, sizeof *family);
    uint32_t count = 0;
    enum tl_code rc;

    if (family == NULL)
        return tl_fail_memory(err, quality->plan->views_count * sizeof *family);
    for (uint32_t v = root; v < quality->plan->views_count; v++)
        if (tl_view_root(quality->plan, v) == root)
            family[count++] = quality->definitions[v];
    rc = tl_chain_open(chain, quality->store, run, family, count, err);
    free(family);
    return rc;
}

static enum tl_code keep_back(const struct tl_quality *quality, int64_t run, struct tl_findings *findings, struct tl_err *err)
{
    uint32_t count = quality->plan->views_count;
    struct failures failures = {
        .quality = quality, .chains = calloc((size_t)count + 1, sizeof *failures.chains), .findings = findings};
    enum tl_code rc = TL_OK;

    if (failures.chains == NULL)
        return tl_fail_memory(err, count * sizeof *failures.chains);
    TL_TRY(tl_store_begin(quality->store, err));
    for (uint32_t v = 0; v < count; v++)
        if (quality->plan->views[v].inner < 0)
            TL_TRY(tl_quality_open_chain(quality, v, run, &failures.chains[v], err));
    TL_TRY(tl_store_failed_checks(quality->store, run, see_failure, &failures, err));
    for (uint32_t v = 0; v < count; v++)
        if (quality->plan->views[v].inner < 0)
            tl_chain_settle(&failures.chains[v]);
    for (uint32_t v = 0; v < count; v++)
        TL_TRY(keep_view(&failures, v, run, err));
    TL_TRY(tl_store_commit(quality->store, err));
out:
    tl_store_rollback(quality->store);
    for (uint32_t v = 0; v < count; v++)
        tl_chain_close(&failures.chains[v]);
    free(failures.chains);
    free(failures.said);
    return rc;
}

enum tl_code tl_quality_judge(const struct tl_quality *quality, int64_t run, struct tl_findings *findings, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *findings = (struct tl_findings){0};
    for (uint32_t v = 0; quality->checks != NULL && v < quality->plan->views_count; v++)
        TL_TRY(judge_view(quality, v, run, err));
    TL_TRY(keep_back(quality, run, findings, err));
out:
    return rc;
}
