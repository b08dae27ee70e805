/* reconciliation.c: what a reconcile came to. See reconciliation.h. */
#include "reconciliation.h"

#include <stdlib.h>

/* ---- runs ---- */

enum tl_code tl_run_numbers_add(struct tl_run_numbers *runs, int64_t run, struct tl_err *err)
{
    if (runs->count > 0 && runs->numbers[runs->count - 1] == run) /* ranges that touch are often of one run */
        return TL_OK;
    if (runs->count == runs->capacity) {
        if (!TL_RESIZE(runs->numbers, runs->capacity * 2 + 16))
            return tl_fail_memory(err, (runs->capacity * 2 + 16) * sizeof *runs->numbers);
        runs->capacity = runs->capacity * 2 + 16;
    }
    runs->numbers[runs->count++] = run;
    return TL_OK;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

enum tl_code tl_run_numbers_take(struct tl_run_numbers *runs, struct tl_arena *arena, struct tl_sv *out, struct tl_err *err)
{
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    if (runs->count > 0)
        qsort(runs->numbers, runs->count, sizeof *runs->numbers, by_number);
    for (size_t first = 0, end; first < runs->count; first = end) {
        for (end = first + 1; end < runs->count && runs->numbers[end] - runs->numbers[end - 1] <= 1; end++) {}
        tl_buf_printf(&text, "%s%lld", first > 0 ? ", " : "", (long long)runs->numbers[first]);
        if (runs->numbers[end - 1] > runs->numbers[first])
            tl_buf_printf(&text, "-%lld", (long long)runs->numbers[end - 1]);
    }
    TL_TRY(tl_buf_check(&text, "numbers of runs", err));
    if (!tl_arena_copy(arena, tl_buf_sv(&text), out))
        TL_TRY(tl_fail_memory(err, text.size));
    runs->count = 0;
out:
    tl_buf_done(&text);
    return rc;
}

void tl_run_numbers_done(struct tl_run_numbers *runs)
{
    free(runs->numbers);
}

/* ---- the report ---- */

static enum tl_code take_causes(const uint64_t counts[TL_CAUSES], const struct tl_check_events *checks, struct tl_arena *arena,
                                const struct tl_reconciled_cause **out, size_t *count, struct tl_err *err)
{
    struct tl_reconciled_cause *causes;
    size_t most = TL_CAUSES, c = 0;

    for (const struct tl_check_events *k = checks; k != NULL; k = k->next)
        most++;
    causes = tl_arena_alloc(arena, most * sizeof *causes);
    if (causes == NULL)
        return tl_fail_memory(err, most * sizeof *causes);
    for (int cause = 0; cause < TL_CAUSES; cause++) {
        if (cause == TL_CAUSE_DQ_REJECT)
            for (const struct tl_check_events *k = checks; k != NULL; k = k->next)
                causes[c++] = (struct tl_reconciled_cause){TL_CAUSE_DQ_REJECT, k->check, k->events_count};
        else if (counts[cause] > 0)
            causes[c++] = (struct tl_reconciled_cause){
                (enum tl_cause)cause, {NULL, 0},
                  counts[cause]
            };
    }
    *out = causes;
    *count = c;
    return TL_OK;
}

static enum tl_code take_view(const struct tl_report_view *view, struct tl_arena *arena, struct tl_reconciled_view *out,
                              struct tl_err *err)
{
    *out = (struct tl_reconciled_view){
        .view = view->name,
        .definition = view->definition,
        .from_ms = view->from_ms,
        .to_ms = view->to_ms,
        .boundary_ms = view->boundary_ms,
        .runs = view->runs,
        .counts = {.groups = view->groups_count,
                   .equal = view->equal_count,
                   .explained = view->explained_count,
                   .unexplained = view->unexplained_count,
                   .pending = view->pending_count}
    };
    return take_causes(view->events_count, view->checks, arena, &out->causes, &out->causes_count, err);
}

enum tl_code tl_reconciliation_of(const struct tl_report *report, struct tl_arena *arena, struct tl_reconciliation *out,
                                  struct tl_err *err)
{
    struct tl_reconciled_view *views = tl_arena_alloc(arena, (report->views_count + 1) * sizeof *views);
    int64_t from_ms = INT64_MAX, to_ms = INT64_MIN;
    size_t count = 0;
    enum tl_code rc = TL_OK;

    if (views == NULL)
        return tl_fail_memory(err, report->views_count * sizeof *views);
    for (uint32_t v = 0; v < report->views_count; v++) {
        const struct tl_report_view *view = &report->views[v];

        if (!report->views_wanted[v])
            continue;
        TL_TRY(take_view(view, arena, &views[count++], err));
        if (view->from_ms >= view->to_ms)
            continue;
        from_ms = tl_min_i64(from_ms, view->from_ms);
        to_ms = tl_max_i64(to_ms, view->to_ms);
    }
    *out = (struct tl_reconciliation){
        .from_ms = report->from_ms,
        .to_ms = report->to_ms,
        .compared_from_ms = tl_min_i64(from_ms, to_ms), /* nothing: INT64_MIN for both */
        .compared_to_ms = to_ms,
        .cut = report->cut,
        .counts = {.groups = report->groups_count,
                   .equal = report->equal_count,
                   .explained = report->explained_count,
                   .unexplained = report->unexplained_count,
                   .pending = report->pending_count},
        .normaliser = TL_NORMALISER_VERSION,
        .notes = report->notes,
        .notes_count = report->notes_count,
        .views = views,
        .views_count = count
    };
    TL_TRY(take_causes(report->events_count, report->checks, arena, &out->causes, &out->causes_count, err));
out:
    return rc;
}

enum tl_code tl_reconciliation_keep(const char *store, const struct tl_reconciliation *it, struct tl_err *err)
{
    struct tl_store *handle = NULL;
    int64_t id;
    enum tl_code rc;

    TL_TRY(tl_store_open(store, TL_STORE_WRITE, &handle, err));
    TL_TRY(tl_store_put_reconciliation(handle, it, &id, err));
out:
    tl_store_close(handle);
    return rc;
}
