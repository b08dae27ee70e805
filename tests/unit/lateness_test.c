/* lateness_test.c: for which windows an event is late, and how much more wait it takes. */
#include "serving/lateness.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "event/timestamp.h"
#include "event/zone.h"

struct late_case {
    char name[64];
    enum tl_window_kind window;
    int64_t size_ms, slide_ms, lateness_ms, time_ms, watermark_ms, more_ms;
    uint64_t dropped, partly, windows;
};

/* Numbers are those of the table in semantics.md 11. */
ParameterizedTestParameters(lateness, one_event)
{
    static struct late_case cases[] = {
        {"6: the watermark at its last millisecond", TL_WINDOW_TUMBLE,   10000, 10000, 0,    9999,  9999,  0,     1, 0, 1},
        {"6: one before it is in time",              TL_WINDOW_TUMBLE,   10000, 10000, 0,    9999,  9998,  0,     0, 0, 0},
        {"one more millisecond of wait is enough",   TL_WINDOW_TUMBLE,   10000, 10000, 0,    9999,  9999,  1,     0, 0, 0},
        {"11.5 s: 1.501 s are not enough",           TL_WINDOW_TUMBLE,   10000, 10000, 0,    5000,  11500, 1501,  1, 0, 1},
        {"and 1.502 s are",                          TL_WINDOW_TUMBLE,   10000, 10000, 0,    5000,  11500, 1502,  0, 0, 0},
        {"19: the lateness counts",                  TL_WINDOW_TUMBLE,   10000, 10000, 5000, 4000,  15999, 1000,  1, 0, 1},
        {"19: so much and no more",                  TL_WINDOW_TUMBLE,   10000, 10000, 5000, 4000,  15999, 1001,  0, 0, 0},
        {"19: in time",                              TL_WINDOW_TUMBLE,   10000, 10000, 5000, 4000,  14998, 0,     0, 0, 0},
        {"before 1970",                              TL_WINDOW_TUMBLE,   10000, 10000, 0,    -1,    5000,  0,     1, 0, 1},
        {"8: one of two windows has fired",          TL_WINDOW_HOP,      10000, 5000,  0,    12000, 16000, 0,     0, 1, 1},
        {"8: still",                                 TL_WINDOW_HOP,      10000, 5000,  0,    12000, 16000, 1001,  0, 1, 1},
        {"8: no more",                               TL_WINDOW_HOP,      10000, 5000,  0,    12000, 16000, 1002,  0, 0, 0},
        {"8: both have",                             TL_WINDOW_HOP,      10000, 5000,  0,    3000,  16000, 6001,  1, 0, 2},
        {"8: of the two, the later has not",         TL_WINDOW_HOP,      10000, 5000,  0,    3000,  16000, 6002,  0, 1, 1},
        {"8: neither has",                           TL_WINDOW_HOP,      10000, 5000,  0,    3000,  16000, 11002, 0, 0, 0},
        {"9: the first step has fired",              TL_WINDOW_CUMULATE, 10000, 2000,  0,    3000,  5000,  0,     0, 1, 1},
        {"9: all four that have it",                 TL_WINDOW_CUMULATE, 10000, 2000,  0,    3000,  11000, 0,     1, 0, 4},
        {"9: three of them",                         TL_WINDOW_CUMULATE, 10000, 2000,  0,    3000,  11000, 1002,  0, 1, 3},
        {"a count window takes rows by their times", TL_WINDOW_COUNT,    60000, 60000, 0,    100,   100,   0,     1, 0, 1},
        {"behind the watermark by a millisecond",    TL_WINDOW_COUNT,    60000, 60000, 0,    100,   100,   1,     0, 0, 0},
        {"a session's own window",                   TL_WINDOW_SESSION,  10000, 10000, 0,    18000, 27999, 0,     1, 0, 1},
        {"is open until then",                       TL_WINDOW_SESSION,  10000, 10000, 0,    18000, 27999, 1,     0, 0, 0},
    };

    return cr_make_param_array(struct late_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct late_case *c, lateness, one_event)
{
    struct tl_view view = {
        .window = {.window = c->window, .size_ms = c->size_ms, .slide_ms = c->slide_ms},
          .lateness_ms = c->lateness_ms
    };
    struct tl_lateness lateness;
    struct tl_late_count count;
    struct tl_err err;

    tl_lateness_init(&lateness, &view);
    cr_assert_eq(tl_lateness_add(&lateness, c->time_ms, c->watermark_ms, 0, &err), TL_OK);
    count = tl_lateness_count(&lateness, c->more_ms);
    cr_assert(count.dropped == c->dropped && count.partly == c->partly && count.windows == c->windows, "%s: %d, %d, %d", c->name,
              (int)count.dropped, (int)count.partly, (int)count.windows);
    tl_lateness_done(&lateness);
}

/* The hour from one to two is shown twice in Los Angeles on 2021-11-07, and ends with the second showing (semantics.md 2.3). */
Test(lateness, windows_lie_on_the_zones_clock)
{
    struct tl_view view = {
        .window = {.window = TL_WINDOW_TUMBLE, .size_ms = 3600000, .slide_ms = 3600000}
    };
    int64_t fires_ms = INT64_C(1636279199999), time_ms = INT64_C(1636273800000); /* 09:59:59.999Z; 08:30Z */
    struct tl_lateness lateness;
    struct tl_arena arena;
    struct tl_err err;

    tl_arena_init(&arena, 1024, 0);
    cr_assert_eq(tl_zone_open(TL_SV("America/Los_Angeles"), &arena, &view.window.zone, &err), TL_OK, "%s", err.message);
    tl_lateness_init(&lateness, &view);
    cr_assert_eq(tl_lateness_add(&lateness, time_ms, fires_ms - 1, 0, &err), TL_OK);
    cr_assert_eq(lateness.count, 0);
    cr_assert_eq(tl_lateness_add(&lateness, time_ms, fires_ms, 0, &err), TL_OK);
    cr_assert_eq(tl_lateness_count(&lateness, 0).dropped, 1);
    tl_lateness_done(&lateness);
    tl_arena_done(&arena);
}

Test(lateness, what_is_enough)
{
    struct tl_view view = {
        .window = {.window = TL_WINDOW_TUMBLE, .size_ms = 10000, .slide_ms = 10000}
    };
    static const int64_t want[] = {5002, 3002, 1002, 2, 0};
    struct tl_lateness lateness;
    struct tl_err err;

    tl_lateness_init(&lateness, &view);
    for (int64_t s = 10; s <= 16; s += 2)
        cr_assert_eq(tl_lateness_add(&lateness, 5000, 1000 * s + (s == 10 ? 0 : -1000), 0, &err), TL_OK);
    for (uint64_t late_max = 0; late_max < 5; late_max++) {
        int64_t more_ms;

        cr_assert_eq(tl_lateness_enough(&lateness, late_max, &more_ms, &err), TL_OK);
        cr_assert_eq(more_ms, want[late_max], "%d: %lld", (int)late_max, (long long)more_ms);
        cr_assert_leq(tl_lateness_count(&lateness, more_ms).dropped, late_max);
        if (more_ms > 0)
            cr_assert_gt(tl_lateness_count(&lateness, more_ms - 1).dropped, late_max);
    }
    tl_lateness_done(&lateness);
}

/* With less wait than the present one, events count that are in time now. */
Test(lateness, less_wait)
{
    struct tl_view view = {
        .window = {.window = TL_WINDOW_TUMBLE, .size_ms = 10000, .slide_ms = 10000}
    };
    struct tl_lateness lateness;
    struct tl_err err;

    tl_lateness_init(&lateness, &view);
    cr_assert_eq(tl_lateness_add(&lateness, 5000, 7000, -2999, &err), TL_OK);
    cr_assert_eq(tl_lateness_add(&lateness, 5000, 7001, -2999, &err), TL_OK);
    cr_assert_eq(tl_lateness_add(&lateness, 5000, 7000, -2998, &err), TL_OK);
    cr_assert_eq(lateness.count, 2);
    cr_assert_eq(tl_lateness_count(&lateness, -2999).dropped, 2);
    cr_assert_eq(tl_lateness_count(&lateness, -2998).dropped, 1);
    cr_assert_eq(tl_lateness_count(&lateness, -2997).dropped, 0);
    tl_lateness_done(&lateness);
}

Test(lateness, durations_that_people_write)
{
    static const int64_t cases[][2] = {
        {0,         1        },
        {1,         1        },
        {31,        50       },
        {501,       1000     },
        {1000,      1000     },
        {45001,     60000    },
        {60001,     120000   },
        {2700001,   3600000  },
        {43200001,  86400000 },
        {259200001, 604800000},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(tl_natural_duration(cases[i][0]), cases[i][1], "%lld: %lld", (long long)cases[i][0],
                     (long long)tl_natural_duration(cases[i][0]));
    cr_assert_eq(tl_natural_duration(TL_DAY_MS * 366), TL_DAY_MS * 730);
    cr_assert_gt(tl_natural_duration(INT64_MAX), 0);
}

Test(lateness, what_to_write)
{
    struct tl_view view = {.lateness_ms = 2000};
    struct tl_source source = {.time_name = TL_SV("event_time"), .watermark_delay_ms = 5000};
    struct tl_advice advice = {.view = &view};
    struct tl_advice_row rows[] = {
        {.delay_ms = 5000,  .lateness_ms = 2000  },
        {.delay_ms = 90000, .lateness_ms = 2000  },
        {.delay_ms = 5000,  .lateness_ms = 300000}
    };
    static const char *const want[] = {"", "WATERMARK FOR event_time AS event_time - INTERVAL '90' SECOND",
                                       "SET 'tally.allowed-lateness' = '5 min';"};
    struct tl_buf out;

    tl_buf_init(&out, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tl_buf_clear(&out);
        tl_advice_put_line(&advice, &source, &rows[i], &out);
        tl_buf_put_u8(&out, '\0');
        cr_assert_str_eq(out.data, want[i]);
    }
    tl_buf_done(&out);
}

/* Lines that retention has taken: the others stand for them. */
Test(lateness, share)
{
    struct tl_advice advice = {.events_count = 1000, .late_count = 40, .lines_count = 20};
    struct tl_advice_row row = {
        .late = {.dropped = 4, .partly = 1}
    };

    cr_assert_float_eq(tl_advice_share(&advice, &row), 0.01, 1e-12);
    advice.lines_count = 40;
    cr_assert_float_eq(tl_advice_share(&advice, &row), 0.005, 1e-12);
    advice.events_count = 0;
    cr_assert_float_eq(tl_advice_share(&advice, &row), 0, 1e-12);
}
