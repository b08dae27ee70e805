/* difference_by.c: differences summed by a key column. See difference_by.h. */
#include "difference_by.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/option.h"

/* ---- which columns ---- */

/* An output that hands on a column of an inner view's rows is what it was there. */
static bool adds_up(const struct tl_plan *plan, const struct tl_view *view, uint32_t output)
{
    const struct tl_expr *expr = view->outputs[output].expr;
    const struct tl_agg_call *call;

    if (view->window.window == TL_WINDOW_NONE || expr->op != TL_EXPR_SLOT || expr->slot == TL_SLOT_EVENT_TIME)
        return false;
    if (view->inner_rows)
        return adds_up(plan, &plan->views[view->inner], expr->slot);
    if (expr->slot < TL_SLOT_KEYS + view->keys_count)
        return false;
    call = &view->aggs[expr->slot - TL_SLOT_KEYS - view->keys_count];
    return !call->distinct && (call->agg == TL_AGG_COUNT_STAR || call->agg == TL_AGG_COUNT || call->agg == TL_AGG_SUM);
}

static int64_t key_column(const struct tl_shape *shape, struct tl_sv name)
{
    for (uint32_t c = 0; c < shape->columns_count; c++)
        if (shape->columns[c].role == TL_ROLE_KEY && tl_sv_eq(shape->columns[c].name, name))
            return c;
    return -1;
}

static enum tl_code no_column(const struct tl_by_spec *spec, struct tl_err *err)
{
    enum { NAMES_MAX = 32, NAME_BYTES = 64 };
    char copies[NAMES_MAX][NAME_BYTES], given[NAME_BYTES], all[120] = "";
    const char *names[NAMES_MAX], *nearest;
    size_t count = 0, used = 0;

    for (uint32_t v = 0; v < spec->plan->views_count; v++) {
        for (uint32_t c = 0; spec->wanted[v] && c < spec->shapes[v]->columns_count && count < NAMES_MAX; c++) {
            size_t known = 0;

            if (spec->shapes[v]->columns[c].role != TL_ROLE_KEY)
                continue;
            snprintf(copies[count], NAME_BYTES, "%.*s", TL_SV_ARG(spec->shapes[v]->columns[c].name));
            names[count] = copies[count];
            while (strcmp(names[known], names[count]) != 0)
                known++;
            if (known < count)
                continue;
            if (used < sizeof all)
                used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", count > 0 ? ", " : "", names[count]);
            count++;
        }
    }
    snprintf(given, sizeof given, "%.*s", TL_SV_ARG(spec->column));
    if (count == 0)
        return tl_fail(err, TL_ERR_USAGE, "--by: none of these views has a key column");
    nearest = tl_option_nearest(given, names, count);
    if (nearest != NULL)
        return tl_fail(err, TL_ERR_USAGE, "--by: no view is grouped by '%s'; did you mean '%s'?", given, nearest);
    return tl_fail(err, TL_ERR_USAGE, "--by: no view is grouped by '%s'; there is %s", given, all);
}

static enum tl_code add_view(struct tl_by *by, uint32_t v, uint32_t column, const struct tl_plan *plan,
                             const struct tl_shape *shape, struct tl_err *err)
{
    struct tl_by_view *mine = &by->views[by->views_count];
    uint32_t *sums = tl_arena_alloc(&by->memory, (shape->columns_count + 1) * sizeof *sums);

    if (sums == NULL)
        return tl_fail_memory(err, shape->columns_count * sizeof *sums);
    *mine = (struct tl_by_view){.view = v, .shape = shape, .column = column, .sums = sums};
    for (uint32_t c = 0; c < shape->columns_count; c++)
        if (adds_up(plan, &plan->views[v], c))
            sums[mine->sums_count++] = c;
    tl_table_init(&mine->table, sizeof(struct tl_by_value), 0);
    by->views_count++;
    return TL_OK;
}

enum tl_code tl_by_init(struct tl_by *by, const struct tl_by_spec *spec, struct tl_err *err)
{
    uint32_t views_count = spec->plan->views_count;
    enum tl_code rc = TL_OK;

    *by = (struct tl_by){.column = spec->column};
    tl_arena_init(&by->memory, 4096, 0);
    by->views = tl_arena_zalloc(&by->memory, (views_count + 1) * sizeof *by->views);
    if (by->views == NULL)
        return tl_fail_memory(err, views_count * sizeof *by->views);
    for (uint32_t v = 0; v < views_count; v++) {
        int64_t at = spec->wanted[v] ? key_column(spec->shapes[v], spec->column) : -1;

        if (at >= 0)
            TL_TRY(add_view(by, v, (uint32_t)at, spec->plan, spec->shapes[v], err));
    }
    if (by->views_count == 0)
        TL_TRY(no_column(spec, err));
out:
    return rc;
}

void tl_by_done(struct tl_by *by)
{
    for (uint32_t v = 0; v < by->views_count; v++)
        tl_table_done(&by->views[v].table);
    tl_arena_done(&by->memory);
}

static struct tl_by_view *view_of(const struct tl_by *by, uint32_t view)
{
    for (uint32_t v = 0; v < by->views_count; v++)
        if (by->views[v].view == view)
            return &by->views[v];
    return NULL;
}

bool tl_by_has(const struct tl_by *by, uint32_t view)
{
    return view_of(by, view) != NULL;
}

/* ---- sums ---- */

static bool is_real(const struct tl_shape_column *column)
{
    return tl_kind_form(column->kind) == TL_FORM_F64;
}

static enum tl_code value_of(struct tl_by *by, struct tl_by_view *view, const struct tl_value *value, struct tl_by_value **out,
                             struct tl_err *err)
{
    struct tl_buf key;
    struct tl_by_value *mine;
    bool is_new = false;
    enum tl_code rc = TL_OK;

    tl_buf_init(&key, 0);
    tl_value_put_key(&key, value);
    TL_TRY(tl_buf_check(&key, "a value of --by", err));
    mine = tl_table_put(&view->table, tl_hash_bytes(tl_buf_sv(&key)), tl_buf_sv(&key), &is_new);
    if (mine == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *mine));
    if (is_new) {
        mine->of = view;
        mine->value = *value; /* its text is the compare's */
        mine->sums = tl_arena_zalloc(&by->memory, (view->sums_count + 1) * sizeof *mine->sums);
        if (mine->sums == NULL)
            TL_TRY(tl_fail_memory(err, view->sums_count * sizeof *mine->sums));
    }
    *out = mine;
out:
    tl_buf_done(&key);
    return rc;
}

enum tl_code tl_by_add(struct tl_by *by, const struct tl_unit *unit, struct tl_err *err)
{
    struct tl_by_view *view = view_of(by, unit->view);
    const struct tl_value *any = tl_unit_any_row(unit);
    struct tl_by_value *mine;
    enum tl_code rc = TL_OK;

    if (view == NULL || any == NULL)
        return TL_OK;
    TL_TRY(value_of(by, view, &any[view->column], &mine, err));
    mine->explained_count += unit->explained;
    mine->unexplained_count += !unit->explained;
    for (int side = 0; side < TL_SIDES; side++) {
        for (const struct tl_unit_row *row = unit->stored[side]; row != NULL; row = row->next) {
            for (uint32_t s = 0; s < view->sums_count; s++) {
                const struct tl_value *value = &row->columns[view->sums[s]];

                if (value->is_null)
                    continue;
                if (is_real(&view->shape->columns[view->sums[s]]))
                    mine->sums[s].f64[side] += value->f64;
                else
                    mine->sums[s].i64[side] = tl_add_sat_i64(mine->sums[s].i64[side], value->i64);
            }
        }
    }
out:
    return rc;
}

struct tl_value tl_by_side(const struct tl_shape_column *column, const struct tl_by_sum *sum, enum tl_side side)
{
    if (is_real(column))
        return (struct tl_value){.kind = TL_DOUBLE, .f64 = sum->f64[side]};
    return (struct tl_value){.kind = TL_BIGINT, .i64 = sum->i64[side]};
}

struct tl_value tl_by_difference(const struct tl_shape_column *column, const struct tl_by_sum *sum)
{
    struct tl_value out = tl_by_side(column, sum, TL_SIDE_BATCH);

    if (is_real(column))
        out.f64 -= sum->f64[TL_SIDE_SPEED];
    else if (sum->i64[TL_SIDE_SPEED] == INT64_MIN) /* has no negative */
        out.i64 = tl_add_sat_i64(tl_add_sat_i64(out.i64, INT64_MAX), 1);
    else
        out.i64 = tl_add_sat_i64(out.i64, -sum->i64[TL_SIDE_SPEED]);
    return out;
}

/* ---- order ---- */

/* NaN is a difference beyond all others. */
static int by_size(const struct tl_shape_column *column, const struct tl_by_sum *a, const struct tl_by_sum *b)
{
    struct tl_value left = tl_by_difference(column, a), right = tl_by_difference(column, b);

    if (!is_real(column)) {
        uint64_t x = left.i64 < 0 ? 0 - (uint64_t)left.i64 : (uint64_t)left.i64,
                 y = right.i64 < 0 ? 0 - (uint64_t)right.i64 : (uint64_t)right.i64;

        return x == y ? 0 : x > y ? -1 : 1;
    }
    left.f64 = isnan(left.f64) ? INFINITY : fabs(left.f64);
    right.f64 = isnan(right.f64) ? INFINITY : fabs(right.f64);
    return left.f64 == right.f64 ? 0 : left.f64 > right.f64 ? -1 : 1;
}

static int by_difference(const void *left, const void *right)
{
    const struct tl_by_value *a = *(struct tl_by_value *const *)left, *b = *(struct tl_by_value *const *)right;
    const struct tl_by_view *view = a->of;
    uint64_t a_units = a->explained_count + a->unexplained_count, b_units = b->explained_count + b->unexplained_count;

    for (uint32_t s = 0; s < view->sums_count; s++) {
        int order = by_size(&view->shape->columns[view->sums[s]], &a->sums[s], &b->sums[s]);

        if (order != 0)
            return order;
    }
    if (a_units != b_units)
        return a_units > b_units ? -1 : 1;
    if (a->value.is_null || b->value.is_null)
        return (int)b->value.is_null - (int)a->value.is_null;
    return tl_value_order(&a->value, &b->value);
}

static void add_to_others(struct tl_by_view *view, const struct tl_by_value *value)
{
    struct tl_by_value *others = &view->others;

    view->others_count++;
    others->explained_count += value->explained_count;
    others->unexplained_count += value->unexplained_count;
    for (uint32_t s = 0; s < view->sums_count; s++) {
        for (int side = 0; side < TL_SIDES; side++) {
            others->sums[s].f64[side] += value->sums[s].f64[side];
            others->sums[s].i64[side] = tl_add_sat_i64(others->sums[s].i64[side], value->sums[s].i64[side]);
        }
    }
}

enum tl_code tl_by_settle(struct tl_by *by, size_t values_max, struct tl_err *err)
{
    for (uint32_t v = 0; v < by->views_count; v++) {
        struct tl_by_view *view = &by->views[v];
        size_t count = view->table.count;

        view->values = tl_arena_alloc(&by->memory, (count + 1) * sizeof(struct tl_by_value *));
        view->others.sums = tl_arena_zalloc(&by->memory, (view->sums_count + 1) * sizeof *view->others.sums);
        if (view->values == NULL || view->others.sums == NULL)
            return tl_fail_memory(err, count * sizeof(struct tl_by_value *));
        for (size_t i = 0; i < count; i++)
            view->values[i] = tl_table_at(&view->table, (uint32_t)i, NULL, NULL);
        qsort(view->values, count, sizeof(struct tl_by_value *), by_difference);
        view->values_count = count < values_max ? count : values_max;
        for (size_t i = view->values_count; i < count; i++)
            add_to_others(view, view->values[i]);
    }
    return TL_OK;
}
