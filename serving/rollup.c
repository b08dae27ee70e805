/* rollup.c: rows rolled up from their accumulators. See rollup.h.
 *
 * A copy of the view, with the bucket for its window and without HAVING, is given to the core as a TUMBLE view; each stored row is loaded into it as a
 * row of the bucket it lies in (tl_window_load_row adds to what is there), under its key with NULL for each key that was not asked for. So
 * key and column keep their numbers, and the core makes the columns as it always does. Rows come in order of their end: a bucket that lies before the row
 * at hand is whole, and leaves. */
#include "rollup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "core/window.h"
#include "event/timestamp.h"
#include "event/zone.h"
#include "sql/plan_text.h"
#include "sql/shape.h"

enum { COLUMNS_OWN = 2 /* window_start, window_end */, COLUMNS_BEHIND = 2 /* _layer, _final */ };
/* One bucket for all of time: wide enough, and far from the ends of int64_t. */
#define WHOLE_MS (INT64_C(1) << 60)

struct bucket {
    int64_t end_ms;
    bool batch, speed, is_final;
};

struct rolled {
    const struct tl_value *values;
    struct tl_sv key;
};

struct rollup {
    const struct tl_rollup *asked;
    const struct tl_plan *plan;
    const struct tl_view *view;
    struct tl_refusal *refusal;
    struct tl_arena arena; /* what comes out */
    struct tl_view made;   /* the view that is given to the core */
    uint8_t *wanted;       /* by key: it was asked for */
    struct tl_window *window;
    struct tl_buf key;
    struct tl_shape_column *columns;
    size_t columns_count;
    size_t *orders; /* columns by number */
    struct bucket *buckets;
    size_t buckets_count, buckets_capacity;
    int64_t first_ms, last_ms, horizon_ms;
    struct rolled *rows;
    size_t rows_count, rows_capacity;
    uint64_t read_count;
};

/* ---- what was asked for ---- */

static enum tl_code refuse(struct rollup *r, const char *parameter, struct tl_err *err, const char *fmt, ...) TL_PRINTF(4, 5);

static enum tl_code refuse(struct rollup *r, const char *parameter, struct tl_err *err, const char *fmt, ...)
{
    char text[700];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (r->refusal != NULL)
        r->refusal->parameter = parameter;
    return tl_fail(err, TL_ERR_USAGE, "%s: %s", parameter, text);
}

static const char *asked_by(const struct rollup *r)
{
    return r->asked->bucket_ms != 0 ? "bucket" : "group_by";
}

static enum tl_code check_view(struct rollup *r, struct tl_err *err)
{
    const struct tl_view *view = r->view;
    const char *why = NULL;

    switch (view->window.window) {
    case TL_WINDOW_TUMBLE:
    case TL_WINDOW_SESSION:
    case TL_WINDOW_COUNT: break;
    case TL_WINDOW_NONE:
        why = "its rows are events, and have nothing to be rolled up; a view of TUMBLE over the same table would do";
        break;
    case TL_WINDOW_HOP:
    case TL_WINDOW_CUMULATE:
        why = "its windows overlap, so that an event would count more than once; a view of TUMBLE with the same columns would do";
        break;
    case TL_WINDOW_INNER:
        why = "its rows are made of another view's rows, and keep no accumulators; that view would do, if it is one of TUMBLE";
        break;
    }
    if (why == NULL && view->having != NULL)
        why = "it has HAVING, and what that hides is not among its rows; a view without it would do";
    return why == NULL ? TL_OK : refuse(r, asked_by(r), err, "view '%.*s' cannot be rolled up: %s", TL_SV_ARG(view->name), why);
}

static enum tl_code find_view(struct rollup *r, struct tl_store *store, struct tl_err *err)
{
    struct tl_definition definition;
    enum tl_code rc;

    TL_TRY(tl_store_active(store, r->asked->select.view, &definition, err));
    r->view = tl_plan_view(r->plan, r->asked->select.view);
    if (r->view == NULL || strcmp(r->view->hash, definition.hash) != 0)
        TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                       "view '%.*s': what is served has %s; --views with the file that speed and batch have would do",
                       TL_SV_ARG(r->asked->select.view),
                       r->view == NULL ? "no definition in the views file" : "another definition than the views file"));
    switch (r->asked->select.layer) {
    case TL_LAYER_BATCH: r->horizon_ms = definition.boundary_ms; break;
    case TL_LAYER_SPEED: r->horizon_ms = definition.final_ms; break;
    case TL_LAYER_MERGED: r->horizon_ms = tl_max_i64(definition.boundary_ms, definition.final_ms); break;
    }
out:
    return rc;
}

/* The key that an output hands on; UINT32_MAX: none. */
static uint32_t key_of(const struct rollup *r, uint32_t output)
{
    return tl_view_role(r->plan, r->view, output) == TL_ROLE_KEY ? r->view->outputs[output].expr->slot - TL_SLOT_KEYS
                                                                 : UINT32_MAX;
}

static enum tl_code unknown_column(struct rollup *r, const char *parameter, struct tl_sv name, const char *what,
                                   const struct tl_sv *names, size_t count, struct tl_err *err)
{
    struct tl_nearest nearest = tl_nearest_to(name);
    char hint[160];
    struct tl_buf all;
    enum tl_code rc;

    tl_buf_init(&all, 0);
    for (size_t i = 0; i < count; i++) {
        tl_nearest_offer(&nearest, names[i]);
        tl_buf_printf(&all, "%s%.*s", i == 0 ? "" : ", ", TL_SV_ARG(names[i]));
        if (r->refusal != NULL && r->refusal->allowed_count < TL_REFUSAL_ALLOWED_MAX)
            r->refusal->allowed[r->refusal->allowed_count++] = names[i];
    }
    rc = refuse(r, parameter, err, "'%.*s' is no %s; %s%s%s%.*s", (int)tl_min_i64((int64_t)name.size, 100), name.data, what,
                tl_nearest_hint(&nearest, hint, sizeof hint, ""), nearest.best.data != NULL ? " " : "",
                count == 0 ? "there is none" : "there are ", (int)tl_min_i64((int64_t)all.size, 300),
                all.data == NULL ? "" : all.data);
    tl_buf_done(&all);
    return rc;
}

static enum tl_code keys_of_view(struct rollup *r, bool window, struct tl_sv **out, size_t *count, struct tl_err *err)
{
    *out = tl_arena_alloc(&r->arena, (r->view->outputs_count + 2) * sizeof **out);
    *count = 0;
    if (*out == NULL)
        return tl_fail_memory(err, r->view->outputs_count * sizeof **out);
    for (uint32_t o = 0; o < r->view->outputs_count; o++) {
        enum tl_column_role role = tl_view_role(r->plan, r->view, o);

        if (role == TL_ROLE_KEY || (window && role != TL_ROLE_VALUE))
            (*out)[(*count)++] = r->view->outputs[o].name;
    }
    if (window) {
        (*out)[(*count)++] = TL_SV("_start_ms");
        (*out)[(*count)++] = TL_SV("_end_ms");
    }
    return TL_OK;
}

static bool is_among(struct tl_sv name, const struct tl_sv *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tl_sv_eq(names[i], name))
            return true;
    return false;
}

/* Does the expression see nothing but the aggregates, the keys that were asked for, and where there are buckets their bounds? */
static bool is_kept(const struct rollup *r, const struct tl_expr *expr)
{
    if (expr->op == TL_EXPR_SLOT) {
        if (expr->slot < TL_SLOT_CLOSED_BY)
            return r->asked->bucket_ms != 0;
        if (expr->slot == TL_SLOT_CLOSED_BY)
            return false;
        return expr->slot - TL_SLOT_KEYS >= r->view->keys_count || r->wanted[expr->slot - TL_SLOT_KEYS] != 0;
    }
    for (uint32_t i = 0; i < expr->args_count; i++)
        if (!is_kept(r, expr->args[i]))
            return false;
    return true;
}

static void add_output(struct rollup *r, uint32_t output, enum tl_column_role role)
{
    const struct tl_output *from = &r->view->outputs[output];

    r->made.outputs[r->made.outputs_count++] = *from;
    r->columns[r->columns_count++] =
        (struct tl_shape_column){from->name, from->kind == TL_TIMESTAMP ? TL_TIMESTAMP_LTZ : from->kind, role};
}

/* Columns in their order; r->made.outputs are those between the window's bounds and _layer. */
static enum tl_code take_columns(struct rollup *r, struct tl_err *err)
{
    const struct tl_view *view = r->view;
    struct tl_sv names[2] = {TL_SV("window_start"), TL_SV("window_end")}, *keys;
    size_t keys_count;
    enum tl_code rc;

    r->made = *view;
    r->made.having = NULL;
    r->made.outputs_count = 0;
    r->made.outputs = tl_arena_alloc(&r->arena, (view->outputs_count + 1) * sizeof *r->made.outputs);
    r->columns = tl_arena_alloc(&r->arena, (view->outputs_count + COLUMNS_OWN + COLUMNS_BEHIND) * sizeof *r->columns);
    r->wanted = tl_arena_zalloc(&r->arena, view->keys_count + 1);
    if (r->made.outputs == NULL || r->columns == NULL || r->wanted == NULL)
        TL_TRY(tl_fail_memory(err, view->outputs_count * sizeof *r->columns));
    for (uint32_t o = view->outputs_count; o-- > 0;)
        if (tl_view_role(r->plan, view, o) == TL_ROLE_WINDOW_START || tl_view_role(r->plan, view, o) == TL_ROLE_WINDOW_END)
            names[tl_view_role(r->plan, view, o) == TL_ROLE_WINDOW_END] = view->outputs[o].name;
    r->columns[r->columns_count++] = (struct tl_shape_column){names[0], TL_TIMESTAMP_LTZ, TL_ROLE_WINDOW_START};
    r->columns[r->columns_count++] = (struct tl_shape_column){names[1], TL_TIMESTAMP_LTZ, TL_ROLE_WINDOW_END};
    TL_TRY(keys_of_view(r, false, &keys, &keys_count, err));
    for (size_t i = 0; i < r->asked->group_by_count; i++) {
        struct tl_sv name = r->asked->group_by[i];

        if (!is_among(name, keys, keys_count))
            TL_TRY(unknown_column(r, "group_by", name, "key of the view", keys, keys_count, err));
        for (uint32_t o = 0; o < view->outputs_count; o++)
            if (tl_sv_eq(view->outputs[o].name, name) && !is_among(name, r->asked->group_by, i)) {
                r->wanted[key_of(r, o)] = 1;
                add_output(r, o, TL_ROLE_KEY);
            }
    }
    for (uint32_t o = 0; o < view->outputs_count; o++)
        if (tl_view_role(r->plan, view, o) == TL_ROLE_VALUE && is_kept(r, view->outputs[o].expr))
            add_output(r, o, TL_ROLE_VALUE);
    r->columns[r->columns_count++] = (struct tl_shape_column){TL_SV("_layer"), TL_STRING, TL_ROLE_VALUE};
    r->columns[r->columns_count++] = (struct tl_shape_column){TL_SV("_final"), TL_BOOLEAN, TL_ROLE_VALUE};
out:
    return rc;
}

static enum tl_code check_select(struct rollup *r, struct tl_err *err)
{
    const struct tl_select *select = &r->asked->select;
    struct tl_sv *names;
    size_t count;
    enum tl_code rc;

    TL_TRY(keys_of_view(r, true, &names, &count, err));
    for (size_t i = 0; i < select->conditions_count; i++)
        if (!is_among(select->conditions[i].column, names, count))
            TL_TRY(unknown_column(r, "where", select->conditions[i].column, "column that rows to be rolled up can be chosen by",
                                  names, count, err));
    names = tl_arena_alloc(&r->arena, r->columns_count * sizeof *names);
    r->orders = tl_arena_alloc(&r->arena, (select->orders_count + 1) * sizeof *r->orders);
    if (names == NULL || r->orders == NULL)
        TL_TRY(tl_fail_memory(err, r->columns_count * sizeof *names));
    for (size_t i = 0; i < r->columns_count; i++)
        names[i] = r->columns[i].name;
    for (size_t i = 0; i < select->orders_count; i++) {
        for (r->orders[i] = 0; r->orders[i] < r->columns_count; r->orders[i]++)
            if (tl_sv_eq(names[r->orders[i]], select->orders[i].column))
                break;
        if (r->orders[i] == r->columns_count)
            TL_TRY(unknown_column(r, "order", select->orders[i].column, "column of the roll-up", names, r->columns_count, err));
    }
    if (select->cursor.size > 0)
        TL_TRY(refuse(r, "cursor", err, "a roll-up has no pages; a shorter range, or a limit of more rows would do"));
out:
    return rc;
}

/* The view as the core is to see it: TUMBLE over the buckets. */
static enum tl_code open_window(struct rollup *r, struct tl_err *err)
{
    int64_t bucket_ms = r->asked->bucket_ms, size_ms = r->view->window.size_ms;
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    if (bucket_ms < 0 || bucket_ms > TL_TIME_MAX_MS)
        TL_TRY(refuse(r, "bucket", err, "not a span of time that there can be; 1h would do"));
    if (bucket_ms != 0 && r->view->window.window == TL_WINDOW_TUMBLE && bucket_ms % size_ms != 0) {
        tl_interval_print(size_ms, &text);
        TL_TRY(refuse(r, "bucket", err,
                      "windows of view '%.*s' are of %.*s, and one would lie in two buckets; a multiple of that would do",
                      TL_SV_ARG(r->view->name), TL_SV_ARG(tl_buf_sv(&text))));
    }
    r->made.window = (struct tl_window_spec){.window = TL_WINDOW_TUMBLE,
                                             .size_ms = bucket_ms != 0 ? bucket_ms : WHOLE_MS,
                                             .slide_ms = bucket_ms != 0 ? bucket_ms : WHOLE_MS,
                                             .offset_ms = bucket_ms != 0 ? 0 : -WHOLE_MS / 2,
                                             .zone = bucket_ms != 0 ? r->asked->zone : NULL};
    TL_TRY(tl_window_open(&r->made, NULL, &r->window, err));
out:
    tl_buf_done(&text);
    return rc;
}

/* ---- rows in ---- */

/* In order of their ends. The one that is asked for is nearly always the last: rows come in that order, but where a wall clock goes back. */
static struct bucket *bucket_at(struct rollup *r, int64_t end_ms, struct tl_err *err)
{
    size_t at = r->buckets_count;

    while (at > 0 && r->buckets[at - 1].end_ms > end_ms)
        at--;
    if (at > 0 && r->buckets[at - 1].end_ms == end_ms)
        return &r->buckets[at - 1];
    if (r->buckets_count == r->buckets_capacity) {
        size_t more = r->buckets_capacity == 0 ? 64 : 2 * r->buckets_capacity;

        if (!TL_RESIZE(r->buckets, more)) {
            (void)tl_fail_memory(err, more * sizeof *r->buckets);
            return NULL;
        }
        r->buckets_capacity = more;
    }
    memmove(r->buckets + at + 1, r->buckets + at, (r->buckets_count++ - at) * sizeof *r->buckets);
    r->buckets[at] = (struct bucket){.end_ms = end_ms, .is_final = true};
    return &r->buckets[at];
}

/* The row's key with NULL for what was not asked for. */
static enum tl_code take_key(struct rollup *r, struct tl_sv stored, struct tl_err *err)
{
    struct tl_reader in = tl_reader_of(stored);

    tl_buf_clear(&r->key);
    for (uint32_t k = 0; k < r->view->keys_count; k++) {
        const char *from = in.at;
        struct tl_value value = {.kind = r->view->keys[k]->kind};

        if (!tl_value_get_key(&in, value.kind, &value))
            return tl_fail(err, TL_ERR_CORRUPT, "view '%.*s': a stored group key cannot be read", TL_SV_ARG(r->view->name));
        if (r->wanted[k])
            tl_buf_put(&r->key, from, (size_t)(in.at - from));
        else
            tl_value_put_key(&r->key, &(struct tl_value){.kind = value.kind, .is_null = true});
    }
    return tl_buf_check(&r->key, "a group's key", err);
}

static enum tl_code fail_limit(const struct rollup *r, const char *what, struct tl_err *err)
{
    const char *would = "a shorter range, fewer keys or more conditions would do";

    for (uint32_t a = 0; a < r->view->aggs_count; a++)
        if (r->view->aggs[a].distinct)
            would = "a shorter range would do, or a view with APPROX_COUNT_DISTINCT: DISTINCT keeps every value";
        else if (r->view->aggs[a].agg == TL_AGG_PERCENTILE)
            would = "a shorter range would do, or a view with APPROX_PERCENTILE: PERCENTILE keeps every value";
    return tl_fail(err, TL_ERR_LIMIT, "view '%.*s': the roll-up has more than %s; %s", TL_SV_ARG(r->view->name), what, would);
}

static enum tl_code check_memory(const struct rollup *r, struct tl_err *err)
{
    if (r->rows_count > TL_ROLLUP_ROWS_MAX || tl_window_groups(r->window) > TL_ROLLUP_ROWS_MAX)
        return fail_limit(r, "100000 rows", err);
    if (tl_window_bytes(r->window) + r->arena.held_bytes > TL_ROLLUP_BYTES_MAX)
        return fail_limit(r, "256 MiB of accumulators", err);
    return TL_OK;
}

static enum tl_code take_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err);

static enum tl_code add_row(void *ctx, const struct tl_selected_row *row, struct tl_err *err)
{
    struct rollup *r = ctx;
    const struct tl_window_spec *spec = &r->made.window;
    int64_t within_ms = row->stored.end_ms - 1, local_ms = tl_zone_local_ms(spec->zone, within_ms);
    int64_t start_ms = tl_window_start_ms(local_ms, spec->offset_ms, spec->size_ms);
    int64_t end_ms = tl_zone_end_ms(spec->zone, tl_add_sat_i64(start_ms, spec->size_ms));
    struct bucket *bucket = bucket_at(r, end_ms, err);
    enum tl_code rc = bucket != NULL ? TL_OK : TL_ERR_MEMORY;

    TL_TRY(rc);
    if (r->view->window.window == TL_WINDOW_TUMBLE && tl_zone_local_ms(spec->zone, row->stored.start_ms) < start_ms) {
        char text[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(row->stored.end_ms, text);
        TL_TRY(refuse(r, "bucket", err,
                      "the window of view '%.*s' that ends at %s would lie in two buckets; the zone of the view, and a "
                      "span that begins where its windows do, would do",
                      TL_SV_ARG(r->view->name), text));
    }
    bucket->batch |= row->layer == TL_LAYER_BATCH;
    bucket->speed |= row->layer == TL_LAYER_SPEED;
    bucket->is_final &= row->is_final;
    r->first_ms = tl_min_i64(r->first_ms, row->stored.start_ms);
    r->last_ms = tl_max_i64(r->last_ms, row->stored.end_ms);
    TL_TRY(take_key(r, row->stored.key, err));
    TL_TRY(tl_window_load_row(r->window, within_ms, end_ms, tl_buf_sv(&r->key), row->stored.accumulators, err));
    if (r->buckets_count > 1) /* what ends before this row's end gets no more */
        TL_TRY(tl_window_retire(r->window, within_ms, take_rows, r, err));
    if (r->read_count++ % 64 == 0)
        TL_TRY(check_memory(r, err));
out:
    return rc;
}

/* ---- rows out ---- */

static enum tl_code take_row(struct rollup *r, const struct tl_rows *rows, uint32_t i, struct tl_err *err)
{
    struct tl_value *values = tl_arena_alloc(&r->arena, r->columns_count * sizeof *values);
    const struct bucket *bucket = bucket_at(r, rows->end_ms[i], err);
    size_t behind = r->columns_count - COLUMNS_BEHIND;
    struct tl_sv layer;

    if (r->rows_count == r->rows_capacity) {
        size_t more = r->rows_capacity == 0 ? 256 : 2 * r->rows_capacity;

        if (!TL_RESIZE(r->rows, more))
            return tl_fail_memory(err, more * sizeof *r->rows);
        r->rows_capacity = more;
    }
    if (values == NULL || bucket == NULL || !tl_arena_copy(&r->arena, rows->key[i], &r->rows[r->rows_count].key))
        return tl_fail_memory(err, r->columns_count * sizeof *values);
    values[0] = (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .i64 = rows->start_ms[i]};
    values[1] = (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .i64 = rows->end_ms[i]};
    for (uint32_t o = 0; o < r->made.outputs_count; o++) {
        struct tl_value *value = &values[COLUMNS_OWN + o];

        *value = tl_vec_get(&rows->columns[o], i);
        value->kind = r->columns[COLUMNS_OWN + o].kind;
        if (!value->is_null && value->kind == TL_STRING && !tl_arena_copy(&r->arena, value->sv, &value->sv))
            return tl_fail_memory(err, value->sv.size);
    }
    layer = bucket->batch && bucket->speed ? TL_SV("merged") : bucket->batch ? TL_SV("batch") : TL_SV("speed");
    values[behind] = (struct tl_value){.kind = TL_STRING, .sv = layer};
    values[behind + 1] = (struct tl_value){.kind = TL_BOOLEAN, .i64 = bucket->is_final && bucket->end_ms <= r->horizon_ms};
    r->rows[r->rows_count++].values = values;
    return TL_OK;
}

static enum tl_code take_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct rollup *r = ctx;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < rows->count; i++)
        TL_TRY(take_row(r, rows, i, err));
    TL_TRY(check_memory(r, err));
out:
    return rc;
}

/* NULL comes first. */
static int by_value(const struct tl_value *a, const struct tl_value *b)
{
    if (a->is_null || b->is_null)
        return (int)b->is_null - (int)a->is_null;
    return tl_value_order(a, b);
}

static int by_orders(const void *x, const void *y, void *ctx)
{
    const struct rollup *r = ctx;
    const struct rolled *a = x, *b = y;

    for (size_t i = 0; i < r->asked->select.orders_count; i++) {
        int order = by_value(&a->values[r->orders[i]], &b->values[r->orders[i]]);

        if (order != 0)
            return r->asked->select.orders[i].descends ? -order : order;
    }
    if (a->values[1].i64 != b->values[1].i64)
        return a->values[1].i64 < b->values[1].i64 ? -1 : 1;
    return tl_sv_cmp(a->key, b->key);
}

/* Without buckets there is one, of which only the rows say where it lies. */
static void place_whole(struct rollup *r)
{
    bool over = r->asked->select.to_ms <= r->horizon_ms;

    for (size_t i = 0; i < r->rows_count && r->asked->bucket_ms == 0; i++) {
        struct tl_value *values = (struct tl_value *)(uintptr_t)r->rows[i].values;

        values[0].i64 = r->first_ms;
        values[1].i64 = r->last_ms;
        values[r->columns_count - 1].i64 = r->buckets[0].is_final && over;
    }
}

enum tl_code tl_rollup_run(struct tl_store *store, const struct tl_plan *plan, const struct tl_rollup *asked,
                           enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count,
                                                struct tl_err *err),
                           enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                           void *ctx, bool *more, struct tl_refusal *refusal, struct tl_err *err)
{
    struct rollup r = {
        .asked = asked, .plan = plan, .refusal = refusal, .first_ms = INT64_MAX, .last_ms = INT64_MIN, .horizon_ms = INT64_MIN};
    struct tl_select select = asked->select;
    size_t count;
    enum tl_code rc;

    tl_arena_init(&r.arena, 1u << 14, 0);
    tl_buf_init(&r.key, 0);
    if (refusal != NULL)
        *refusal = (struct tl_refusal){0};
    TL_TRY(find_view(&r, store, err));
    TL_TRY(check_view(&r, err));
    TL_TRY(take_columns(&r, err));
    TL_TRY(check_select(&r, err));
    TL_TRY(open_window(&r, err));
    select.orders_count = 0;
    select.limit = -1;
    TL_TRY(tl_store_select_rows(store, &select, add_row, &r, refusal, err));
    TL_TRY(tl_window_retire(r.window, INT64_MAX, take_rows, &r, err));
    place_whole(&r);
    if (r.rows_count > 1)
        qsort_r(r.rows, r.rows_count, sizeof *r.rows, by_orders, &r);
    TL_TRY(head(ctx, r.columns, r.columns_count, err));
    count = asked->select.limit >= 0 && (uint64_t)asked->select.limit < r.rows_count ? (size_t)asked->select.limit : r.rows_count;
    for (size_t i = 0; i < count; i++)
        TL_TRY(row(ctx, r.rows[i].values, r.columns_count, err));
    *more = count < r.rows_count;
out:
    tl_window_close(r.window);
    tl_buf_done(&r.key);
    tl_arena_done(&r.arena);
    free(r.buckets);
    free(r.rows);
    return rc;
}
