/* api_view.c: /api/v1/views/NAME: rows of a view, or rolled up from their accumulators. */
#include <string.h>

#include "api_call.h"
#include "columns.h"
#include "event/zone.h"
#include "rollup.h"
#include "store/store_select.h"

enum { LIMIT = 100, LIMIT_MAX = 10000, GROUP_BY_MAX = 64 };

/* A view under way. */
struct reading {
    struct tl_api_call *call;
    struct tl_definition definition;
    struct tl_select select;
    struct tl_refusal refusal;
    struct tl_api_rows rows;
    bool rolls_up;
    struct tl_rollup rollup; /* its select is filled in last */
    struct tl_buf next;      /* cursor */
    bool more, windowed;
};

/* ---- what was asked for ---- */

/* What the store refuses is the request's fault where it says so. */
static enum tl_code refuse(struct reading *reading, enum tl_code rc, const struct tl_err *err)
{
    struct tl_problem *problem = reading->call->problem;

    if (problem->status != 0)
        return rc;
    if (rc == TL_ERR_DEFINITION) /* of the views file that serve was started with */
        return tl_api_refuse(reading->call, 503, reading->refusal.parameter, "%s", err->message);
    if (rc != TL_ERR_USAGE && rc != TL_ERR_LIMIT)
        return rc;
    tl_problem_set(problem, 400, reading->refusal.parameter, "%s", err->message);
    for (size_t a = 0; a < reading->refusal.allowed_count; a++)
        tl_problem_allow(problem, reading->refusal.allowed[a]);
    return TL_API_REFUSED;
}

static enum tl_code read_conditions(struct reading *reading, struct tl_err *err)
{
    const struct tl_api_call *call = reading->call;
    struct tl_condition *conditions = tl_arena_alloc(call->arena, TL_API_PARAMETERS_MAX * sizeof *conditions);
    enum tl_code rc = TL_OK;

    if (conditions == NULL)
        TL_TRY(tl_fail_memory(err, TL_API_PARAMETERS_MAX * sizeof *conditions));
    reading->select.conditions = conditions;
    for (size_t p = 0; p < call->parameters_count; p++)
        if (strcmp(call->parameters[p].name, "where") == 0)
            TL_TRY(tl_condition_read(call->parameters[p].value, &conditions[reading->select.conditions_count++],
                                     &reading->refusal, err));
out:
    return rc;
}

/* "col,-col" */
static enum tl_code read_orders(struct reading *reading, struct tl_err *err)
{
    const struct tl_sv *value = tl_api_get(reading->call, "order");
    struct tl_order *orders;
    struct tl_sv rest;
    enum tl_code rc = TL_OK;

    if (value == NULL)
        return TL_OK;
    orders = tl_arena_alloc(reading->call->arena, TL_SELECT_ORDERS_MAX * sizeof *orders);
    if (orders == NULL)
        TL_TRY(tl_fail_memory(err, TL_SELECT_ORDERS_MAX * sizeof *orders));
    reading->select.orders = orders;
    rest = *value;
    while (rest.size > 0) {
        if (reading->select.orders_count == TL_SELECT_ORDERS_MAX)
            return tl_api_refuse(reading->call, 400, "order", "more than %d columns", TL_SELECT_ORDERS_MAX);
        orders[reading->select.orders_count++] = tl_order_read(tl_sv_cut(&rest, ','));
    }
out:
    return rc;
}

static enum tl_code read_group_by(struct reading *reading, struct tl_err *err)
{
    const struct tl_sv *value = tl_api_get(reading->call, "group_by");
    struct tl_sv *columns, rest;
    enum tl_code rc = TL_OK;

    if (value == NULL)
        return TL_OK;
    columns = tl_arena_alloc(reading->call->arena, GROUP_BY_MAX * sizeof *columns);
    if (columns == NULL)
        TL_TRY(tl_fail_memory(err, GROUP_BY_MAX * sizeof *columns));
    reading->rollup.group_by = columns;
    rest = *value;
    while (rest.size > 0) {
        if (reading->rollup.group_by_count == GROUP_BY_MAX)
            return tl_api_refuse(reading->call, 400, "group_by", "more than %d columns", GROUP_BY_MAX);
        columns[reading->rollup.group_by_count++] = tl_sv_cut(&rest, ',');
    }
out:
    return rc;
}

/* "group_by=a,b bucket=1h zone=Europe/Berlin": one of the first two makes a roll-up of it. */
static enum tl_code read_rollup(struct reading *reading, struct tl_err *err)
{
    struct tl_api_call *call = reading->call;
    const struct tl_sv *bucket = tl_api_get(call, "bucket"), *zone = tl_api_get(call, "zone");
    struct tl_err why;
    enum tl_code rc;

    reading->rolls_up = bucket != NULL || tl_api_get(call, "group_by") != NULL;
    TL_TRY(read_group_by(reading, err));
    if (bucket != NULL &&
        (tl_option_duration(*bucket, &reading->rollup.bucket_ms, &why) != TL_OK || reading->rollup.bucket_ms < 1))
        TL_TRY(tl_api_refuse(call, 400, "bucket", "'%.*s' is no length of time; 15min, 1h or 1d would do",
                             (int)tl_min_i64((int64_t)bucket->size, 100), bucket->data));
    if (zone != NULL && bucket == NULL)
        TL_TRY(tl_api_refuse(call, 400, "zone", "zone is for buckets: bucket=1d with it would do"));
    if (zone != NULL && tl_zone_open(*zone, call->arena, &reading->rollup.zone, &why) != TL_OK)
        TL_TRY(tl_api_refuse(call, 400, "zone", "%s", why.message));
    if (reading->rolls_up && reading->select.cursor.size > 0)
        TL_TRY(tl_api_refuse(call, 400, "cursor", "a roll-up has no pages: a larger limit, or a shorter time range, would do"));
    if (reading->rolls_up && call->api->plan == NULL)
        TL_TRY(tl_api_refuse(call, 400, bucket != NULL ? "bucket" : "group_by",
                             "this server was started without --views FILE, which roll-ups need"));
out:
    return rc;
}

static enum tl_code read_select(struct reading *reading, struct tl_err *err)
{
    static const char *const layers[] = {"merged", "speed", "batch", NULL};
    struct tl_api_call *call = reading->call;
    struct tl_select *select = &reading->select;
    const struct tl_sv *cursor = tl_api_get(call, "cursor");
    size_t layer = TL_LAYER_MERGED;
    enum tl_code rc;

    *select = (struct tl_select){.view = reading->definition.view, .from_ms = INT64_MIN, .to_ms = INT64_MAX, .limit = LIMIT};
    TL_TRY(tl_api_get_time(call, "from", &select->from_ms));
    TL_TRY(tl_api_get_time(call, "to", &select->to_ms));
    TL_TRY(tl_api_get_choice(call, "layer", layers, &layer));
    TL_TRY(tl_api_get_count(call, "limit", 1, LIMIT_MAX, &select->limit));
    select->layer = (enum tl_layer)layer;
    if (cursor != NULL)
        select->cursor = *cursor;
    if (select->from_ms >= select->to_ms)
        TL_TRY(tl_api_refuse(call, 400, "from", "from must be before to: rows are those whose window ends after from, up to to"));
    TL_TRY(read_conditions(reading, err));
    TL_TRY(read_orders(reading, err));
    TL_TRY(read_rollup(reading, err));
out:
    return rc;
}

/* Left of the boundary nothing changes until a publication, but where each key has a boundary of its own, or an event that comes late is speed's. */
static enum tl_api_valid validity(const struct reading *reading)
{
    const struct tl_definition *definition = &reading->definition;
    const struct tl_select *select = &reading->select;
    bool left =
        select->layer == TL_LAYER_MERGED && definition->boundary_ms != INT64_MIN && select->to_ms <= definition->boundary_ms;

    return select->layer == TL_LAYER_BATCH || (left && reading->windowed && !definition->cut_per_key) ? TL_API_PUBLISHED
                                                                                                      : TL_API_UNCHANGED;
}

/* ---- what is answered ---- */

static enum tl_code put_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct reading *reading = ctx;
    struct tl_buf *out = &reading->call->answer->body;
    uint32_t own = 0;

    for (size_t c = 0; c < count; c++) {
        own += columns[c].name.size == 0 || columns[c].name.data[0] != '_';
        reading->windowed = reading->windowed || columns[c].role == TL_ROLE_WINDOW_END;
    }
    if (reading->call->format == TL_API_JSON) {
        tl_buf_put_str(out, "{\"view\": ");
        tl_buf_put_json(out, reading->definition.view);
        tl_buf_put_str(out, ", \"columns\": ");
        tl_columns_put(out, columns, own, reading->windowed);
        tl_buf_put_str(out, ", \"rows\": [\n");
    }
    return tl_api_rows_head(&reading->rows, columns, count, err);
}

static enum tl_code put_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    return tl_api_rows_add(&((struct reading *)ctx)->rows, values, count, err);
}

/* What an ETag stands for ends where time alone changes what is told; and left of the boundary, where speed alone does. */
static void put_freshness(struct reading *reading)
{
    const struct tl_definition *definition = &reading->definition;
    struct tl_buf *out = &reading->call->answer->body;
    int64_t now_ms = reading->call->now_ms;

    tl_buf_put_str(out, "\"boundary\": ");
    tl_api_put_time(out, definition->boundary_ms);
    if (reading->call->answer->valid == TL_API_PUBLISHED)
        tl_api_put_steady(reading->call);
    tl_buf_put_str(out, ", \"freshness\": {\"final_to\": ");
    tl_api_put_time(out, definition->final_ms);
    tl_api_put_steady(reading->call);
    tl_buf_put_str(out, ", \"speed_behind_s\": ");
    tl_api_put_seconds(out, definition->final_ms, now_ms);
    tl_buf_put_str(out, ", \"batch_behind_s\": ");
    tl_api_put_seconds(out, definition->boundary_ms, now_ms);
    tl_buf_put_str(out, "}, ");
}

/* Link: <the same path and query with that cursor>; rel="next" */
static void put_link(struct reading *reading)
{
    const struct tl_api_request *request = reading->call->request;
    struct tl_buf *out = &reading->call->answer->headers;
    struct tl_sv rest = request->query;

    tl_buf_put_str(out, "Link: <");
    tl_api_put_uri(out, request->path);
    tl_buf_put_u8(out, '?');
    while (rest.size > 0) {
        struct tl_sv one = tl_sv_cut(&rest, '&');

        if (one.size == 0 || tl_sv_starts(one, TL_SV("cursor=")))
            continue;
        tl_api_put_uri(out, one);
        tl_buf_put_u8(out, '&');
    }
    tl_buf_put_str(out, "cursor=");
    tl_api_put_uri(out, tl_buf_sv(&reading->next));
    tl_buf_put_str(out, ">; rel=\"next\"\r\n");
}

static void put_end(struct reading *reading)
{
    struct tl_buf *out = &reading->call->answer->body;

    if (reading->call->format != TL_API_JSON) {
        if (reading->next.size > 0)
            put_link(reading);
        if (reading->more) /* a roll-up has no next page that would tell */
            tl_buf_put_str(&reading->call->answer->headers, "Tally-More: true\r\n");
        return;
    }
    tl_buf_put_str(out, "\n], \"next_cursor\": ");
    if (reading->next.size > 0)
        tl_buf_put_json(out, tl_buf_sv(&reading->next));
    else
        tl_buf_put_str(out, "null");
    tl_buf_printf(out, ", \"more\": %s, ", reading->more ? "true" : "false");
    put_freshness(reading);
    tl_api_put_tail(reading->call);
}

static enum tl_code read_rows(struct reading *reading, struct tl_err *err)
{
    struct tl_store *store = reading->call->store;
    enum tl_code rc;

    if (reading->rolls_up) {
        reading->rollup.select = reading->select;
        TL_TRY(tl_rollup_run(store, reading->call->api->plan, &reading->rollup, put_head, put_row, reading, &reading->more,
                             &reading->refusal, err));
    } else {
        TL_TRY(tl_store_select(store, &reading->select, put_head, put_row, reading, &reading->next, &reading->refusal, err));
        reading->more = reading->next.size > 0;
    }
out:
    return rc;
}

enum tl_code tl_api_view(struct tl_api_call *call, struct tl_err *err)
{
    struct reading reading = {.call = call};
    enum tl_code rc;

    tl_api_rows_init(&reading.rows, call->format, &call->answer->body);
    tl_buf_init(&reading.next, 0);
    TL_TRY(tl_api_find_view(call, call->word, NULL, &reading.definition, err));
    rc = read_select(&reading, err);
    reading.rows.rows_max = (uint64_t)reading.select.limit;
    if (rc == TL_OK)
        rc = read_rows(&reading, err);
    TL_TRY(refuse(&reading, rc, err));
    call->answer->boundary_ms = reading.definition.boundary_ms;
    call->answer->valid = validity(&reading);
    put_end(&reading);
out:
    tl_api_rows_done(&reading.rows);
    tl_buf_done(&reading.next);
    return rc;
}
