/* api_batch.c: what batch and reconcile have left in the store: runs, checks, reconciliations; and whether every event is accounted for. */
#include <string.h>

#include "api_call.h"
#include "checks.h"
#include "runs.h"
#include "status.h"
#include "trend.h"

enum { LIMIT = 20, LIMIT_MAX = 1000, HISTORY_MAX = 10000 };

/* Rows of a resource that is a list: in JSON they stand in `{"name": [...]`. */
struct list {
    struct tl_api_rows rows;
    struct tl_row_sink sink;
};

static void open_list(struct list *list, struct tl_api_call *call, const char *name)
{
    tl_api_rows_init(&list->rows, call->format, &call->answer->body);
    list->sink = (struct tl_row_sink){tl_api_rows_head, tl_api_rows_add, &list->rows};
    if (call->format == TL_API_JSON)
        tl_buf_printf(&call->answer->body, "{\"%s\": [\n", name);
}

static void end_list(struct list *list, struct tl_api_call *call)
{
    (void)list;
    call->answer->valid = TL_API_BRIEFLY;
    if (call->format != TL_API_JSON)
        return;
    tl_buf_put_str(&call->answer->body, "\n], ");
    tl_api_put_tail(call);
}

/* The N of a path. */
static enum tl_code read_number(struct tl_api_call *call, const char *what, int64_t *out)
{
    if (!tl_sv_to_i64(call->word, out) || *out <= 0)
        return tl_api_refuse(call, 404, NULL, "'%.*s': a %s has a number; /api/v1/%ss shows those that there are",
                             (int)tl_min_i64((int64_t)call->word.size, 100), call->word.data, what, what);
    return TL_OK;
}

/* ---- runs ---- */

enum tl_code tl_api_runs(struct tl_api_call *call, struct tl_err *err)
{
    int64_t limit = LIMIT;
    uint64_t found;
    struct list list;
    enum tl_code rc;

    open_list(&list, call, "runs");
    TL_TRY(tl_api_get_count(call, "limit", 1, LIMIT_MAX, &limit));
    TL_TRY(tl_runs_show(call->store, 0, limit, &list.sink, &found, err));
    end_list(&list, call);
out:
    tl_api_rows_done(&list.rows);
    return rc;
}

/* {"run": {...}, "ranges": [...]} */
enum tl_code tl_api_run(struct tl_api_call *call, struct tl_err *err)
{
    struct tl_buf *out = &call->answer->body;
    struct list record, ranges;
    uint64_t found = 0;
    int64_t run;
    enum tl_code rc;

    tl_api_rows_init(&record.rows, TL_API_JSON, out);
    tl_api_rows_init(&ranges.rows, TL_API_JSON, out);
    record.sink = (struct tl_row_sink){tl_api_rows_head, tl_api_rows_add, &record.rows};
    ranges.sink = (struct tl_row_sink){tl_api_rows_head, tl_api_rows_add, &ranges.rows};
    TL_TRY(read_number(call, "run", &run));
    tl_buf_put_str(out, "{\"run\": ");
    TL_TRY(tl_runs_show(call->store, run, 1, &record.sink, &found, err));
    if (found == 0)
        TL_TRY(tl_api_refuse(call, 404, NULL, "there is no run %lld; /api/v1/runs shows those that there are", (long long)run));
    tl_buf_put_str(out, ", \"ranges\": [\n");
    TL_TRY(tl_run_show_ranges(call->store, run, &ranges.sink, err));
    tl_buf_put_str(out, "\n], ");
    tl_api_put_tail(call);
    call->answer->valid = TL_API_BRIEFLY;
out:
    tl_api_rows_done(&record.rows);
    tl_api_rows_done(&ranges.rows);
    return rc;
}

/* ---- checks ---- */

enum tl_code tl_api_checks(struct tl_api_call *call, struct tl_err *err)
{
    static const char *const truths[] = {"false", "true", NULL};
    const struct tl_sv *view = tl_api_get(call, "view");
    struct tl_checks_query query = {.history = 1};
    struct tl_definition definition;
    size_t failed = 0;
    struct list list;
    enum tl_code rc;

    open_list(&list, call, "checks");
    TL_TRY(tl_api_get_count(call, "run", 1, INT64_MAX, &query.run));
    TL_TRY(tl_api_get_count(call, "history", 1, HISTORY_MAX, &query.history));
    TL_TRY(tl_api_get_choice(call, "failed", truths, &failed));
    query.failed = failed != 0;
    if (view != NULL) {
        TL_TRY(tl_api_find_view(call, *view, "view", &definition, err));
        query.view = view->data;
    }
    TL_TRY(tl_checks_show(call->store, &query, &list.sink, err));
    end_list(&list, call);
out:
    tl_api_rows_done(&list.rows);
    return rc;
}

/* ---- reconciliations ---- */

static enum tl_code read_trend(struct tl_api_call *call, struct tl_trend_query *query, struct tl_err *err)
{
    char **views = tl_arena_alloc(call->arena, TL_API_PARAMETERS_MAX * sizeof *views);
    struct tl_definition definition;
    enum tl_code rc = TL_OK;

    if (views == NULL)
        TL_TRY(tl_fail_memory(err, TL_API_PARAMETERS_MAX * sizeof *views));
    *query = (struct tl_trend_query){.views = views, .from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = LIMIT, .format = "json"};
    for (size_t p = 0; p < call->parameters_count; p++) {
        if (strcmp(call->parameters[p].name, "view") != 0)
            continue;
        TL_TRY(tl_api_find_view(call, call->parameters[p].value, "view", &definition, err));
        views[query->views_count++] = (char *)(uintptr_t)call->parameters[p].value.data;
    }
    TL_TRY(tl_api_get_time(call, "from", &query->from_ms));
    TL_TRY(tl_api_get_time(call, "to", &query->to_ms));
    TL_TRY(tl_api_get_count(call, "before", 1, INT64_MAX, &query->before));
    TL_TRY(tl_api_get_count(call, "limit", 1, LIMIT_MAX, &query->limit));
    if (query->from_ms >= query->to_ms)
        rc = tl_api_refuse(call, 400, "from", "from must be before to");
out:
    return rc;
}

enum tl_code tl_api_reconciliations(struct tl_api_call *call, struct tl_err *err)
{
    struct tl_buf *out = &call->answer->body;
    struct tl_trend_query query;
    int64_t last;
    enum tl_code rc;

    TL_TRY(read_trend(call, &query, err));
    tl_buf_put_str(out, "{\"reconciliations\": [");
    TL_TRY(tl_trend_list_json(call->store, &query, out, &last, err));
    tl_buf_put_str(out, "\n], ");
    tl_api_put_tail(call);
    call->answer->valid = TL_API_BRIEFLY;
out:
    return rc;
}

enum tl_code tl_api_reconciliation(struct tl_api_call *call, struct tl_err *err)
{
    struct tl_trend_query query = {.from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = 1, .format = "json"};
    struct tl_buf *out = &call->answer->body;
    int64_t number, last;
    enum tl_code rc;

    TL_TRY(read_number(call, "reconciliation", &number));
    query.before = tl_add_sat_i64(number, 1);
    tl_buf_put_str(out, "{\"reconciliation\": ");
    TL_TRY(tl_trend_list_json(call->store, &query, out, &last, err));
    if (last != number)
        TL_TRY(tl_api_refuse(call, 404, NULL,
                             "there is no reconciliation %lld; /api/v1/reconciliations shows those that there are",
                             (long long)number));
    tl_buf_put_str(out, ", ");
    tl_api_put_tail(call);
    call->answer->valid = TL_API_BRIEFLY;
out:
    return rc;
}

/* ---- status ---- */

enum tl_code tl_api_status(struct tl_api_call *call, struct tl_err *err)
{
    struct tl_buf *out = &call->answer->body;
    enum tl_code rc;

    tl_buf_put_u8(out, '{');
    TL_TRY(tl_status_json(call->store, call->api->common, out, err));
    tl_buf_put_str(out, ",\n  ");
    tl_api_put_tail(call);
    call->answer->valid = TL_API_BRIEFLY;
out:
    return rc;
}
