/* timeline_test.c: steps are round and few, whatever the range, and each unit stands in one. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "event/timestamp.h"
#include "serving/timeline.h"

#define AT INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

struct range_case {
    char name[40];
    int64_t from_ms, to_ms, first_ms, step_ms;
    uint32_t steps;
};

ParameterizedTestParameters(timeline, steps)
{
    static struct range_case cases[] = {
        {"nothing",            AT,     AT,                  0,     1000,            0 },
        {"one instant",        AT + 7, AT + 8,              AT,    1000,            1 },
        {"a minute",           AT,     AT + 60000,          AT,    1000,            60},
        {"a minute and a bit", AT,     AT + 60001,          AT,    2000,            31},
        {"an hour",            AT,     AT + TL_HOUR_MS,     AT,    60000,           60},
        {"a day",              AT,     AT + TL_DAY_MS,      AT,    1800000,         48},
        {"a day across two",   AT + 1, AT + TL_DAY_MS + 1,  AT,    1800000,         49},
        {"a month",            AT,     AT + 30 * TL_DAY_MS, AT,    12 * TL_HOUR_MS, 60},
        {"31 days",            AT,     AT + 31 * TL_DAY_MS, AT,    TL_DAY_MS,       31},
        {"before 1970",        -1500,  -500,                -2000, 1000,            2 },
    };

    return cr_make_param_array(struct range_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct range_case *c, timeline, steps)
{
    struct tl_timeline line;

    tl_timeline_init(&line, c->from_ms, c->to_ms);
    cr_assert(line.steps_count == c->steps && line.step_ms == c->step_ms && (c->steps == 0 || line.from_ms == c->first_ms),
              "%s: %u steps of %ld ms from %ld", c->name, line.steps_count, (long)line.step_ms, (long)line.from_ms);
}

/* Bounds that no event has, and units at all ends of time. */
Test(timeline, the_whole_of_time)
{
    static const int64_t starts[] = {INT64_MIN, -62167219200001, 0, AT, INT64_MAX - 1, INT64_MAX};
    struct tl_timeline line;
    uint64_t sum = 0;

    tl_timeline_init(&line, INT64_MIN, INT64_MAX);
    cr_assert(line.steps_count > TL_TIMELINE_STEPS / 2 && line.steps_count <= TL_TIMELINE_STEPS && line.step_ms % TL_DAY_MS == 0);
    for (size_t s = 0; s < TL_COUNT(starts); s++)
        tl_timeline_add(&line, starts[s], s % 2 == 0, s == 2);
    for (uint32_t s = 0; s < line.steps_count; s++)
        sum += line.steps[s].explained_count + line.steps[s].pending_count + line.steps[s].unexplained_count;
    cr_assert_eq(sum, TL_COUNT(starts));
    cr_assert_eq(line.steps[0].explained_count, 1);
    cr_assert_eq(line.steps[line.steps_count - 1].unexplained_count, 1);
}

Test(timeline, a_unit_stands_where_it_starts)
{
    struct tl_timeline line;

    tl_timeline_init(&line, AT, AT + TL_HOUR_MS);
    tl_timeline_add(&line, AT - 30000, true, false); /* a window that reaches in */
    tl_timeline_add(&line, AT + 59999, true, true);
    tl_timeline_add(&line, AT + 60000, false, false);
    tl_timeline_add(&line, AT + TL_HOUR_MS - 1, true, false);
    cr_assert(line.steps[0].explained_count == 1 && line.steps[0].pending_count == 1 && line.steps[0].unexplained_count == 0);
    cr_assert_eq(line.steps[1].unexplained_count, 1);
    cr_assert_eq(line.steps[59].explained_count, 1);
}
