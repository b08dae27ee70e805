/* quality_test.c: what table checks measure, hold it against, and find, over days of a view in a store. */
#include "batch_layer/quality.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "event/timestamp.h"
#include "event/zone.h"
#include "sql/shape.h"
#include "support/sql_case.h"
#include "support/store_fixture.h"

#define DAY(n) ((n)*TL_DAY_MS)
#define HOUR INT64_C(3600000)

/* ---- the parts ---- */

struct length_case {
    char name[40], zone[24], from[24], to[24];
    int64_t want;
};

ParameterizedTestParameters(quality, length)
{
    static struct length_case cases[] = {
        {"a day",                  "UTC",           "2026-03-01",        "2026-03-02",        TL_DAY_MS     },
        {"an hour",                "UTC",           "2026-03-01T00:00Z", "2026-03-01T01:00Z", HOUR          },
        {"a day of 23 hours",      "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-29T22:00Z", TL_DAY_MS     },
        {"a day of 25 hours",      "Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z", TL_DAY_MS     },
        {"a day of 24 is one too", "Europe/Berlin", "2026-06-01T22:00Z", "2026-06-02T22:00Z", TL_DAY_MS     },
        {"a short month",          "UTC",           "2026-02-01",        "2026-03-01",        -1            },
        {"a long month",           "UTC",           "2026-03-01",        "2026-04-01",        -1            },
        {"over the new year",      "UTC",           "2026-12-01",        "2027-02-01",        -2            },
        {"a month of the zone",    "Europe/Berlin", "2026-02-28T23:00Z", "2026-03-31T22:00Z", -1            },
        {"28 days are no month",   "UTC",           "2026-02-02",        "2026-03-02",        28 * TL_DAY_MS},
    };

    return cr_make_param_array(struct length_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct length_case *c, quality, length)
{
    const struct tl_zone *zone = NULL;
    struct tl_arena arena;
    int64_t from_ms, to_ms, got;

    tl_arena_init(&arena, 65536, 0);
    OK(tl_zone_open(tl_sv_from(c->zone), &arena, &zone, err));
    cr_assert(tl_time_from_rfc3339(tl_sv_from(c->from), &from_ms) && tl_time_from_rfc3339(tl_sv_from(c->to), &to_ms));
    got = tl_quality_length(zone, from_ms, to_ms);
    cr_expect_eq(got, c->want, "%s: %lld, not %lld", c->name, (long long)got, (long long)c->want);
    tl_arena_done(&arena);
}

Test(quality, median)
{
    double odd[] = {5, -1, 3}, even[] = {4, 1, 3, 2}, one[] = {7}, large[] = {1.7e308, 1.7e308, 1, 1.7e308},
           far[] = {-1.7e308, 1.7e308};

    cr_expect_eq(tl_quality_median(odd, 3), 3);
    cr_expect_eq(tl_quality_median(even, 4), 2.5);
    cr_expect_eq(tl_quality_median(one, 1), 7);
    cr_expect_eq(tl_quality_median(large, 4), 1.7e308, "no overflow");
    cr_expect_eq(tl_quality_median(far, 2), 0);
}

/* ---- a view over some days ---- */

static const char views[] = EVENTS
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS num_hits FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, host;\n";

struct scene {
    struct tl_plan *plan;
    struct tl_checks *checks;
    struct tl_store *store;
    struct tl_quality quality;
    int64_t definition;
};

static void scene_open(struct scene *scene, const char *check)
{
    struct tl_shape shape;
    char url[512], text[400];

    *scene = (struct scene){.plan = sql_plan(views)};
    snprintf(text, sizeof text, "ALTER VIEW hits ADD CONSTRAINT it EXPECT (%s) ON VIOLATION FAIL UPDATE;", check);
    OK(tl_checks_parse(tl_sv_from(text), "checks.sql", scene->plan, &scene->checks, err));
    store_sqlite.url(url);
    scene->store = store_open(url, TL_STORE_WRITE);
    OK(tl_shape_of(scene->plan, &scene->plan->views[0], &shape, err));
    OK(tl_store_define(scene->store, &shape, &scene->definition, err));
    scene->quality = (struct tl_quality){scene->plan, scene->checks, &scene->definition, scene->store};
}

static void scene_close(struct scene *scene)
{
    tl_store_close(scene->store);
    tl_checks_close(scene->checks);
    tl_plan_close(scene->plan);
}

static void stage_day(struct scene *scene, int64_t run, int day, int64_t hits)
{
    struct tl_run_range range = {.run = run, .from_ms = DAY(day), .to_ms = DAY(day + 1), .rows_count = 1};

    store_stage(scene->store, run, scene->definition, DAY(day) + 21 * HOUR, DAY(day) + 22 * HOUR, "h", hits);
    OK(tl_store_begin(scene->store, err));
    OK(tl_store_stage_range(scene->store, scene->definition, &range, err));
    OK(tl_store_commit(scene->store, err));
}

static struct tl_findings judge(struct scene *scene, int64_t run)
{
    struct tl_findings findings;

    OK(tl_quality_judge(&scene->quality, run, &findings, err));
    OK(tl_store_publish(scene->store, run, 1, err));
    return findings;
}

struct found {
    int64_t run, from_ms;
    struct tl_check_result result;
    char detail[200];
};

static enum tl_code see(void *ctx, const struct tl_stored_check *check, struct tl_err *err)
{
    struct found *found = ctx;

    (void)err;
    if (check->result.run != found->run || check->result.from_ms != found->from_ms)
        return TL_OK;
    found->result = check->result;
    snprintf(found->detail, sizeof found->detail, "%.*s", TL_SV_ARG(check->result.detail));
    return TL_OK;
}

static struct found found_in(struct scene *scene, int64_t run, int day)
{
    struct found found = {.run = run, .from_ms = DAY(day)};

    OK(tl_store_checks(scene->store, TL_SV(""), 0, see, &found, err));
    cr_assert_neq(found.result.run, 0, "nothing was found on day %d", day);
    return found;
}

/* Hits of the days before, each published by a run of its own, and of the day that is judged. */
struct bounds_case {
    char name[48], check[80];
    int64_t past[8], today;
    bool passed;
    double low, high;
    char detail[80];
};

#define MEDIAN "SUM(num_hits) BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS"

ParameterizedTestParameters(quality, bounds)
{
    static struct bounds_case cases[] = {
        {"at the lower edge",               "SUM(num_hits) BETWEEN 5 AND 10", {0},                         5,   true,  5,         10,       ""                                                                        },
        {"at the upper edge",               "SUM(num_hits) BETWEEN 5 AND 10", {0},                         10,  true,  5,         10,       ""                                                                        },
        {"below",                           "SUM(num_hits) BETWEEN 5 AND 10", {0},                         4,   false, 5,         10,       ""                                                                        },
        {"above",                           "SUM(num_hits) BETWEEN 5 AND 10", {0},                         11,  false, 5,         10,       ""                                                                        },
        {"no upper one",                    "SUM(num_hits) >= 5",             {0},                         900, true,  5,         INFINITY, ""                                                                        },
        {"less than",                       "SUM(num_hits) < 5",              {0},                         5,   false, -INFINITY, 5,        ""                                                                        },
        {"half the median",                 MEDIAN,                           {8, 10, 12},                 5,   true,  5,         20,       "the median of 3 ranges is 10"                                            },
        {"less than half",                  MEDIAN,                           {8, 10, 12},                 4,   false, 5,         20,       "the median of 3 ranges is 10"                                            },
        {"twice the median",                MEDIAN,                           {8, 10, 12},                 20,  true,  5,         20,       "the median of 3 ranges is 10"                                            },
        {"more than twice",                 MEDIAN,                           {8, 10, 12},                 21,  false, 5,         20,       "the median of 3 ranges is 10"                                            },
        {"of an even number the mean",      MEDIAN,                           {8, 10, 12, 40},             5,   false, 5.5,       22,       "the median of 4 ranges is 11"                                            },
        {"a loss between losses",           MEDIAN,                           {-8, -10, -12},              -20, true,  -20,       -5,       "the median of 3 ranges is -10"                                           },
        {"a loss that is too small",        MEDIAN,                           {-8, -10, -12},              -4,  false, -20,       -5,       "the median of 3 ranges is -10"                                           },
        {"at least half of a loss",
         "SUM(num_hits) >= 50 PERCENT OF MEDIAN OVER 9 DAYS",                 {-8, -10, -12},
         -90,
         true,                                                                                                         -INFINITY,
         -5,
         "the median of 3 ranges is -10"                                                                                                                                                                              },
        {"too little past",
         MEDIAN,                                                              {8, 10},
         999,                                                                                                   true,
         -INFINITY,
         INFINITY,                                                                                                                          "too little past: 2 ranges of this length in the last 14 days, 3 would do"},
        {"yesterday is enough for one day",
         "SUM(num_hits) <= 200 PERCENT OF MEDIAN OVER 1 DAY",                 {1, 1, 10},
         21,                                                                                                    false,
         -INFINITY,
         20,                                                                                                                                "the median of 1 range is 10"                                             },
        {"days that are too long ago",
         "SUM(num_hits) <= 200 PERCENT OF MEDIAN OVER 3 DAYS",                {900, 900, 900, 10, 10, 10},
         20,                                                                                                    true,
         -INFINITY,
         20,                                                                                                                                "the median of 3 ranges is 10"                                            },
    };

    return cr_make_param_array(struct bounds_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct bounds_case *c, quality, bounds, .fini = store_folder_remove)
{
    struct scene scene;
    struct found found;
    int64_t run = 0;
    int days = 0;

    scene_open(&scene, c->check);
    for (; days < 8 && c->past[days] != 0; days++) {
        run = store_run(scene.store, "past");
        stage_day(&scene, run, days, c->past[days]);
        OK(tl_store_publish(scene.store, run, 1, err)); /* without checks: it is measured when it is wanted */
    }
    run = store_run(scene.store, "today");
    stage_day(&scene, run, days, c->today);
    cr_expect_eq(judge(&scene, run).kept_count, c->passed ? 0 : 1, "%s", c->name);
    found = found_in(&scene, run, days);
    cr_expect_eq(found.result.passed, c->passed, "%s", c->name);
    cr_expect_eq(found.result.measured, (double)c->today);
    cr_expect(found.result.low == c->low && (found.result.high == c->high || (c->high == 5 && found.result.high < 5)),
              "%s: %g to %g", c->name, found.result.low, found.result.high);
    cr_expect_str_eq(found.detail, c->detail);
    scene_close(&scene);
}

/* All at once gives the verdicts that day by day gives; a day that is kept back is no past of those behind it. */
Test(quality, days_of_one_run_are_past_for_one_another, .fini = store_folder_remove)
{
    static const int64_t hits[] = {10, 12, 8, 900, 10, 11, 21};
    struct scene scene;
    int64_t run;

    scene_open(&scene, MEDIAN);
    run = store_run(scene.store, "all");
    for (int day = 0; day < (int)TL_COUNT(hits); day++)
        stage_day(&scene, run, day, hits[day]);
    cr_expect_eq(judge(&scene, run).kept_count, 4, "the day that fails, and all behind it, for ranges leave no gap");
    cr_expect_not(found_in(&scene, run, 3).result.passed);
    cr_expect_str_eq(found_in(&scene, run, 4).detail, "the median of 3 ranges is 10");
    cr_expect_str_eq(found_in(&scene, run, 6).detail, "the median of 5 ranges is 10");
    cr_expect_not(found_in(&scene, run, 6).result.passed);
    scene_close(&scene);
}

/* A day that is computed anew counts as it will be; one whose new version is kept back as it is published. */
Test(quality, a_recomputed_day_is_past_as_it_will_be_seen, .fini = store_folder_remove)
{
    struct scene scene;
    int64_t run;

    scene_open(&scene, "SUM(num_hits) <= 200 PERCENT OF MEDIAN OVER 14 DAYS");
    run = store_run(scene.store, "1");
    for (int day = 0; day < 5; day++)
        stage_day(&scene, run, day, 10);
    cr_expect_eq(judge(&scene, run).kept_count, 0);
    run = store_run(scene.store, "2");
    stage_day(&scene, run, 0, 2);
    stage_day(&scene, run, 1, 2);
    stage_day(&scene, run, 2, 2);
    stage_day(&scene, run, 3, 900); /* fails */
    stage_day(&scene, run, 4, 7);
    cr_expect_eq(judge(&scene, run).kept_count, 2);
    cr_expect_str_eq(found_in(&scene, run, 3).detail, "the median of 3 ranges is 2");
    cr_expect_str_eq(found_in(&scene, run, 4).detail, "the median of 4 ranges is 2", "2, 2, 2 and the 10 that is published");
    cr_expect_not(found_in(&scene, run, 4).result.passed);
    scene_close(&scene);
}

/* What stands in the results is not measured again: a run says 1,000 of a day with 10. */
Test(quality, what_was_measured_is_not_measured_again, .fini = store_folder_remove)
{
    struct scene scene;
    int64_t run = 0;

    scene_open(&scene, MEDIAN);
    for (int day = 0; day < 3; day++) {
        struct tl_check_result result;

        run = store_run(scene.store, "past");
        stage_day(&scene, run, day, 10);
        result = (struct tl_check_result){.run = run,
                                          .definition = scene.definition,
                                          .from_ms = DAY(day),
                                          .to_ms = DAY(day + 1),
                                          .check = TL_SV("of another name"),
                                          .violation = TL_SV("warn"),
                                          .measure = TL_SV("SUM(num_hits)"),
                                          .passed = true,
                                          .measured = 1000,
                                          .low = -INFINITY,
                                          .high = INFINITY,
                                          .detail = TL_SV("")};
        OK(tl_store_begin(scene.store, err));
        OK(tl_store_put_check_results(scene.store, &result, 1, err));
        OK(tl_store_commit(scene.store, err));
        OK(tl_store_publish(scene.store, run, 1, err));
    }
    run = store_run(scene.store, "today");
    stage_day(&scene, run, 3, 700);
    cr_expect_eq(judge(&scene, run).kept_count, 0);
    cr_expect_str_eq(found_in(&scene, run, 3).detail, "the median of 3 ranges is 1000");
    scene_close(&scene);
}

/* Before the first event there is nothing to check; a range without rows is checked. */
Test(quality, empty_ranges, .fini = store_folder_remove)
{
    struct scene scene;
    int64_t run;

    scene_open(&scene, "FRESHNESS <= INTERVAL '3' HOUR");
    run = store_run(scene.store, "1");
    store_stage_range(scene.store, run, scene.definition, INT64_MIN, DAY(0));
    stage_day(&scene, run, 0, 1);
    store_stage_range(scene.store, run, scene.definition, DAY(1), DAY(2));
    cr_expect_eq(judge(&scene, run).kept_count, 1);
    cr_expect_eq(found_in(&scene, run, 0).result.measured, 2.0 * HOUR);
    cr_expect_str_eq(found_in(&scene, run, 1).detail, "no rows");
    cr_expect(isnan(found_in(&scene, run, 1).result.measured));
    scene_close(&scene);
    store_folder_remove();
    scene_open(&scene, "NULL_SHARE(host) <= 0.1");
    run = store_run(scene.store, "1");
    store_stage_range(scene.store, run, scene.definition, DAY(1), DAY(2));
    cr_expect_eq(judge(&scene, run).kept_count, 0, "no row, no NULL");
    scene_close(&scene);
}
