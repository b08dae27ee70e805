/* shape_test.c: what a view's outputs are to its rows, also where views read views. */
#include "sql/shape.h"

#include <criterion/criterion.h>

#include "support/sql_case.h"

static const char chain_sql[] = EVENTS
    "CREATE VIEW w AS SELECT window_start AS a, window_end AS b, window_time AS rowtime, host, LOWER(id) AS i, COUNT(*) AS c "
    "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) "
    "GROUP BY window_start, window_end, window_time, host, id;"
    "CREATE VIEW r AS SELECT host AS h, b, c, a, rowtime, c + 1 AS d FROM w WHERE c > 1;"
    "CREATE VIEW g AS SELECT a AS s, b AS e, h, SUM(d) AS d FROM r GROUP BY a, b, h;"
    "CREATE VIEW again AS SELECT d, h, e, s FROM g;"
    "CREATE VIEW k AS SELECT window_end, closed_by, COUNT(*) AS c FROM TABLE(COUNT_WINDOW(TABLE t, DESCRIPTOR(ts), 3, "
    "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, closed_by HAVING COUNT(*) > 1;"
    "CREATE VIEW e AS SELECT ts, host FROM t";

Test(shape, roles)
{
    static const struct {
        const char *view;
        enum tl_column_role roles[6];
        uint32_t count;
    } cases[] = {
        {"w",     {TL_ROLE_WINDOW_START, TL_ROLE_WINDOW_END, TL_ROLE_WINDOW_TIME, TL_ROLE_KEY, TL_ROLE_VALUE, TL_ROLE_VALUE}, 6},
        {"r",     {TL_ROLE_KEY, TL_ROLE_WINDOW_END, TL_ROLE_VALUE, TL_ROLE_WINDOW_START, TL_ROLE_WINDOW_TIME, TL_ROLE_VALUE}, 6},
        {"g",     {TL_ROLE_WINDOW_START, TL_ROLE_WINDOW_END, TL_ROLE_KEY, TL_ROLE_VALUE},                                     4},
        {"again", {TL_ROLE_VALUE, TL_ROLE_KEY, TL_ROLE_WINDOW_END, TL_ROLE_WINDOW_START},                                     4},
        {"k",     {TL_ROLE_WINDOW_END, TL_ROLE_VALUE, TL_ROLE_VALUE},                                                         3},
        {"e",     {TL_ROLE_VALUE, TL_ROLE_VALUE},                                                                             2},
    };
    struct tl_plan *plan = sql_plan(chain_sql);

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_err err = {0};
        struct tl_shape shape;

        cr_assert_eq(tl_shape_of(plan, tl_plan_view(plan, tl_sv_from(cases[i].view)), &shape, &err), TL_OK, "%s", err.message);
        cr_assert_eq(shape.columns_count, cases[i].count);
        for (uint32_t c = 0; c < shape.columns_count; c++)
            cr_assert_eq(shape.columns[c].role, cases[i].roles[c], "%s column %u: %d", cases[i].view, c,
                         (int)shape.columns[c].role);
    }
    tl_plan_close(plan);
}

Test(shape, windows_and_state)
{
    struct tl_plan *plan = sql_plan(chain_sql);
    struct tl_err err = {0};
    struct tl_shape shape;

    cr_assert_eq(tl_shape_of(plan, tl_plan_view(plan, TL_SV("k")), &shape, &err), TL_OK);
    cr_assert(shape.windowed && shape.cut_per_key && shape.state == TL_STATE_BESIDE);
    cr_assert_eq(tl_shape_of(plan, tl_plan_view(plan, TL_SV("r")), &shape, &err), TL_OK);
    cr_assert(shape.windowed && !shape.cut_per_key && shape.state == TL_STATE_IN_ROWS);
    cr_assert_eq(tl_shape_of(plan, tl_plan_view(plan, TL_SV("e")), &shape, &err), TL_OK);
    cr_assert_not(shape.windowed);
    tl_plan_close(plan);
}
