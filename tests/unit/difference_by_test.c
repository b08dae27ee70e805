/* difference_by_test.c: differences by a key column: what adds up is added, the largest come first, the rest is summed, and nothing is lost. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "serving/difference_by.h"
#include "simulate.h"
#include "sql/shape.h"

static const char views[] =
    "CREATE TABLE events (event_id STRING, host STRING, path STRING, `bytes` BIGINT, ms DOUBLE, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time) WITH ('topic' = 'events', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS num_hits, SUM(`bytes`) AS bytes_sum, SUM(ms) AS "
    "ms_sum,\n"
    "    COUNT(DISTINCT path) AS paths, MAX(`bytes`) AS largest, COUNT(*) + 1 AS odd\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
    "host;\n"
    "CREATE VIEW pages AS SELECT window_start, window_end, path, MAX(`bytes`) AS largest\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
    "path;\n"
    "CREATE VIEW rows AS SELECT host, `bytes`, event_time FROM events;\n"
    "CREATE VIEW busy AS SELECT window_start, window_end, host, num_hits FROM hits WHERE num_hits > 2;\n";

enum { VIEWS = 4, COLUMNS = 9 };

struct scene {
    struct tl_plan *plan;
    struct tl_shape shape[VIEWS];
    const struct tl_shape *shapes[VIEWS];
    bool wanted[VIEWS];
    struct tl_by by;
    struct tl_err err;
};

static void scene_open(struct scene *s)
{
    memset(s, 0, sizeof *s);
    s->plan = sim_plan(views);
    cr_assert_eq(s->plan->views_count, VIEWS);
    for (uint32_t v = 0; v < VIEWS; v++) {
        cr_assert_eq(tl_shape_of(s->plan, &s->plan->views[v], &s->shape[v], &s->err), TL_OK);
        s->shapes[v] = &s->shape[v];
        s->wanted[v] = true;
    }
}

static enum tl_code by_init(struct scene *s, const char *column)
{
    const struct tl_by_spec spec = {tl_sv_from(column), s->plan, s->shapes, s->wanted};

    return tl_by_init(&s->by, &spec, &s->err);
}

static void scene_done(struct scene *s)
{
    tl_by_done(&s->by);
    tl_plan_close(s->plan);
}

static void set_row(struct tl_unit_row *row, struct tl_value columns[COLUMNS], const char *host, int64_t hits, int64_t bytes,
                    double ms)
{
    const struct tl_value values[COLUMNS] = {
        {.kind = TL_TIMESTAMP_LTZ                   },
        {                 .kind = TL_TIMESTAMP_LTZ                                          },
        { .kind = TL_STRING, .is_null = host == NULL, .sv = tl_sv_from(host != NULL ? host : "")},
        {                 .kind = TL_BIGINT,                                .i64 = hits},
        {                 .kind = TL_BIGINT,                     .is_null = bytes == -1, .i64 = bytes},
        {     .kind = TL_DOUBLE,                           .f64 = ms},
        {   .kind = TL_BIGINT,                           .i64 = 7},
        {      .kind = TL_BIGINT,                           .i64 = 9},
        {   .kind = TL_BIGINT,                           .i64 = hits + 1},
    };

    memcpy(columns, values, sizeof values);
    *row = (struct tl_unit_row){.columns = columns};
}

/* A unit of hits; hits below 0: the layer has no row. */
static void add(struct scene *s, const char *host, int64_t speed, int64_t batch, int64_t bytes, bool explained)
{
    struct tl_value columns[TL_SIDES][COLUMNS];
    struct tl_unit_row rows[TL_SIDES];
    struct tl_unit unit = {.view = 0, .explained = explained};

    set_row(&rows[TL_SIDE_SPEED], columns[TL_SIDE_SPEED], host, speed, 0, 0.25);
    set_row(&rows[TL_SIDE_BATCH], columns[TL_SIDE_BATCH], host, batch, bytes, 0.5);
    unit.stored[TL_SIDE_SPEED] = speed < 0 ? NULL : &rows[TL_SIDE_SPEED];
    unit.stored[TL_SIDE_BATCH] = batch < 0 ? NULL : &rows[TL_SIDE_BATCH];
    cr_assert_eq(tl_by_add(&s->by, &unit, &s->err), TL_OK);
}

Test(difference_by, which_columns)
{
    struct scene s;

    scene_open(&s);
    cr_assert_eq(by_init(&s, "host"), TL_OK, "%s", s.err.message);
    cr_assert(s.by.views_count == 2 && tl_by_has(&s.by, 0) && !tl_by_has(&s.by, 1) && !tl_by_has(&s.by, 2) &&
              tl_by_has(&s.by, 3));
    cr_assert(s.by.views[0].sums_count == 3 && s.by.views[0].sums[0] == 3 && s.by.views[0].sums[1] == 4 &&
              s.by.views[0].sums[2] == 5);
    cr_assert(s.by.views[1].sums_count == 1 && s.by.views[1].sums[0] == 3); /* handed on from hits */
    scene_done(&s);
}

Test(difference_by, a_column_that_no_view_has)
{
    struct scene s;

    scene_open(&s);
    cr_assert_eq(by_init(&s, "hots"), TL_ERR_USAGE);
    cr_assert_str_eq(s.err.message, "--by: no view is grouped by 'hots'; did you mean 'host'?");
    tl_by_done(&s.by);
    cr_assert_eq(by_init(&s, "num_hits"), TL_ERR_USAGE); /* no key */
    cr_assert_str_eq(s.err.message, "--by: no view is grouped by 'num_hits'; there is host, path");
    tl_by_done(&s.by);
    s.wanted[0] = s.wanted[1] = s.wanted[3] = false;
    cr_assert_eq(by_init(&s, "host"), TL_ERR_USAGE);
    cr_assert_str_eq(s.err.message, "--by: none of these views has a key column");
    scene_done(&s);
}

Test(difference_by, sums_and_order)
{
    struct scene s;
    const struct tl_by_view *view;

    scene_open(&s);
    cr_assert_eq(by_init(&s, "host"), TL_OK);
    add(&s, "little", 2, 3, 1000, true);
    add(&s, "much", 1, 5, 4, true);
    add(&s, "much", -1, 2, 6, false);
    add(&s, NULL, 9, -1, 0, true);
    add(&s, "none", 4, 4, -1, true);
    cr_assert_eq(tl_by_settle(&s.by, 2, &s.err), TL_OK);
    view = &s.by.views[0];
    cr_assert(view->values_count == 2 && view->others_count == 2);
    cr_assert(view->values[0]->value.is_null && view->values[0]->explained_count == 1);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[3], &view->values[0]->sums[0]).i64, -9); /* however it is signed */
    cr_assert(tl_sv_eq(view->values[1]->value.sv, TL_SV("much")) && view->values[1]->explained_count == 1 &&
              view->values[1]->unexplained_count == 1);
    cr_assert_eq(tl_by_side(&s.shape[0].columns[3], &view->values[1]->sums[0], TL_SIDE_SPEED).i64, 1);
    cr_assert_eq(tl_by_side(&s.shape[0].columns[3], &view->values[1]->sums[0], TL_SIDE_BATCH).i64, 7);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[4], &view->values[1]->sums[1]).i64, 10);
    cr_assert_float_eq(tl_by_difference(&s.shape[0].columns[5], &view->values[1]->sums[2]).f64, 0.75, 1e-12);
    cr_assert(view->others.explained_count == 2 && view->others.unexplained_count == 0);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[3], &view->others.sums[0]).i64, 1);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[4], &view->others.sums[1]).i64, 1000); /* NULL counts as 0 */
    cr_assert(s.by.views[1].values_count == 0 && s.by.views[1].others_count == 0);
    scene_done(&s);
}

/* Sums that leave BIGINT stop at its ends. */
Test(difference_by, the_ends_of_bigint)
{
    struct scene s;
    const struct tl_by_view *view;

    scene_open(&s);
    cr_assert_eq(by_init(&s, "host"), TL_OK);
    add(&s, "a", 0, 1, INT64_MAX, true);
    add(&s, "a", 0, 1, INT64_MAX, true);
    add(&s, "b", 0, 1, INT64_MIN, true);
    add(&s, "b", 0, 1, INT64_MIN, true);
    cr_assert_eq(tl_by_settle(&s.by, 9, &s.err), TL_OK);
    view = &s.by.views[0];
    cr_assert(tl_sv_eq(view->values[0]->value.sv, TL_SV("b"))); /* one more below 0 than above */
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[4], &view->values[0]->sums[1]).i64, INT64_MIN);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[4], &view->values[1]->sums[1]).i64, INT64_MAX);
    scene_done(&s);
}

/* What both layers have lost is of a value too: nothing is stored that could be summed. */
Test(difference_by, a_row_that_no_layer_has)
{
    struct scene s;
    struct tl_value columns[COLUMNS];
    struct tl_unit_row row;
    struct tl_unit unit = {.view = 0};

    scene_open(&s);
    cr_assert_eq(by_init(&s, "host"), TL_OK);
    set_row(&row, columns, "a", 3, 5, 1);
    unit.others[TL_SIDE_BATCH] = &row;
    cr_assert_eq(tl_by_add(&s.by, &unit, &s.err), TL_OK);
    cr_assert_eq(tl_by_settle(&s.by, 9, &s.err), TL_OK);
    cr_assert_eq(s.by.views[0].values_count, 1);
    cr_assert(tl_sv_eq(s.by.views[0].values[0]->value.sv, TL_SV("a")) && s.by.views[0].values[0]->unexplained_count == 1);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[3], &s.by.views[0].values[0]->sums[0]).i64, 0);
    scene_done(&s);
}

/* Of a span all rows count. */
Test(difference_by, lists_of_rows)
{
    struct scene s;
    struct tl_value columns[2][COLUMNS];
    struct tl_unit_row rows[2];
    struct tl_unit unit = {.view = 0, .explained = true};

    scene_open(&s);
    cr_assert_eq(by_init(&s, "host"), TL_OK);
    set_row(&rows[0], columns[0], "a", 3, 5, 1);
    set_row(&rows[1], columns[1], "a", 4, 6, 1);
    rows[0].next = &rows[1];
    unit.stored[TL_SIDE_BATCH] = &rows[0];
    cr_assert_eq(tl_by_add(&s.by, &unit, &s.err), TL_OK);
    cr_assert_eq(tl_by_settle(&s.by, 9, &s.err), TL_OK);
    cr_assert_eq(tl_by_difference(&s.shape[0].columns[3], &s.by.views[0].values[0]->sums[0]).i64, 7);
    scene_done(&s);
}
