/* compare_test.c: which units the walk over both layers finds to differ. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/function.h"
#include "core/window.h"
#include "serving/compare.h"
#include "support/store_fixture.h"

struct row {
    int64_t start_ms, end_ms;
    char host[8];
    int64_t hits; /* 0: the end of the list */
};

struct walk_case {
    char name[64];
    struct row speed[6], batch[6];
    int64_t from_ms, to_ms;
    uint64_t groups, equal;
    char differing[128]; /* "end/host" of each, '<' where only batch has it, '>' where only speed has */
};

ParameterizedTestParameters(compare, walk)
{
    static struct walk_case cases[] = {
        {"nothing on either side",         {{0, 0, "", 0}},                       {{0, 0, "", 0}},                     INT64_MIN, 1000, 0, 0, ""             },
        {"the same rows",
         {{0, 10, "a", 1}, {0, 10, "b", 2}, {10, 20, "a", 3}},
         {{0, 10, "a", 1}, {0, 10, "b", 2}, {10, 20, "a", 3}},
         INT64_MIN,                                                                                                               1000,
         3,                                                                                                                                3,
         ""                                                                                                                                                  },
        {"one value",                      {{0, 10, "a", 1}, {0, 10, "b", 2}},    {{0, 10, "a", 1}, {0, 10, "b", 9}},  INT64_MIN, 1000, 2, 1, "10/b "        },
        {"speed has nothing",              {{0, 0, "", 0}},                       {{0, 10, "a", 1}, {10, 20, "a", 1}}, INT64_MIN, 1000, 2, 0, "10/a< 20/a< " },
        {"batch has nothing",              {{0, 10, "a", 1}, {10, 20, "a", 1}},   {{0, 0, "", 0}},                     INT64_MIN, 1000, 2, 0, "10/a> 20/a> " },
        {"a key between two others",
         {{0, 10, "a", 1}, {0, 10, "c", 1}},
         {{0, 10, "a", 1}, {0, 10, "b", 1}, {0, 10, "c", 1}},
         INT64_MIN,                                                                                                               1000,
         3,                                                                                                                                2,
         "10/b< "                                                                                                                                            },
        {"a key that begins like another", {{0, 10, "a", 1}},                     {{0, 10, "aa", 1}},                  INT64_MIN, 1000, 2, 0, "10/a> 10/aa< "},
        {"the same end, another start",    {{0, 10, "a", 1}},                     {{5, 10, "a", 1}},                   INT64_MIN, 1000, 2, 0, "10/a> 10/a< " },
        {"another end",                    {{0, 10, "a", 1}},                     {{0, 20, "a", 1}},                   INT64_MIN, 1000, 2, 0, "10/a> 20/a< " },
        {"from is outside, to is inside",
         {{0, 10, "a", 1}, {10, 20, "a", 2}, {20, 30, "a", 3}, {30, 40, "a", 4}},
         {{0, 10, "a", 9}, {10, 20, "a", 9}, {20, 30, "a", 9}, {30, 40, "a", 9}},
         10,                                                                                                                      30,
         2,                                                                                                                                0,
         "20/a 30/a "                                                                                                                                        },
    };

    return cr_make_param_array(struct walk_case, cases, sizeof cases / sizeof *cases);
}

static void fill(struct tl_store *store, int64_t definition, const struct row *speed, const struct row *batch)
{
    int64_t epoch = store_epoch(store), run = store_run(store, "test");

    for (int i = 0; i < 6 && speed[i].hits != 0; i++)
        store_put_speed(store, epoch, definition, speed[i].start_ms, speed[i].end_ms, speed[i].host, speed[i].hits);
    for (int i = 0; i < 6 && batch[i].hits != 0; i++)
        store_stage(store, run, definition, batch[i].start_ms, batch[i].end_ms, batch[i].host, batch[i].hits);
    store_stage_range(store, run, definition, INT64_MIN, 1000);
    OK(tl_store_publish(store, run, 1, err));
}

/* Of a view of windows that both layers cut alike. */
static const struct tl_view tumble = {.window = {.window = TL_WINDOW_TUMBLE}};

static struct tl_compare_range range_of(const struct tl_view *view, const struct tl_shape *shape, int64_t definition,
                                        int64_t from_ms, int64_t to_ms)
{
    return (struct tl_compare_range){.view = 7,
                                     .plan_view = view,
                                     .shape = shape,
                                     .definition = definition,
                                     .boundary_ms = to_ms,
                                     .from_ms = from_ms,
                                     .to_ms = to_ms,
                                     .asked_ms = from_ms,
                                     .floor_ms = INT64_MIN};
}

ParameterizedTest(struct walk_case *c, compare, walk, .fini = store_folder_remove)
{
    struct tl_compare_range range;
    struct tl_shape shape = store_windowed("hits_5m", 'a');
    struct tl_compare_counts counts = {0};
    struct tl_compare compare;
    struct tl_store *store;
    struct tl_buf found;
    char url[512];
    int64_t definition = 0;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    fill(store, definition, c->speed, c->batch);
    tl_compare_init(&compare, 0);
    range = range_of(&tumble, &shape, definition, c->from_ms, c->to_ms);
    OK(tl_compare_view(&compare, store, &range, &counts, err));
    cr_assert_eq(counts.groups_count, c->groups, "%s: %llu groups", c->name, (unsigned long long)counts.groups_count);
    cr_assert_eq(counts.equal_count, c->equal, "%s: %llu equal", c->name, (unsigned long long)counts.equal_count);
    tl_buf_init(&found, 0);
    for (uint32_t u = 0; u < tl_compare_units(&compare); u++) {
        struct tl_unit *unit = tl_compare_unit(&compare, u);
        const struct tl_unit_row *speed = unit->stored[TL_SIDE_SPEED], *batch = unit->stored[TL_SIDE_BATCH];
        const struct tl_unit_row *any = speed != NULL ? speed : batch;

        tl_buf_printf(&found, "%lld/%.*s%s ", (long long)unit->end_ms, TL_SV_ARG(any->columns[2].sv),
                      speed == NULL   ? "<"
                      : batch == NULL ? ">"
                                      : "");
        cr_assert_eq(any->columns[0].i64, unit->start_ms);
        cr_assert_eq(tl_compare_find(&compare, &tumble, 7, unit->start_ms, unit->end_ms, unit->key), unit);
        cr_assert_null(tl_compare_find(&compare, &tumble, 8, unit->start_ms, unit->end_ms, unit->key));
    }
    tl_buf_put_u8(&found, '\0');
    cr_assert_str_eq(found.data, c->differing, "%s: %s", c->name, found.data);
    tl_buf_done(&found);
    tl_compare_done(&compare);
    tl_store_close(store);
}

/* Values outlive the rows that they came from. */
Test(compare, values_are_kept, .fini = store_folder_remove)
{
    static const struct row speed[6] =
        {
            {0,  10, "a", 1},
            {10, 20, "b", 2}
    },
                            batch[6] = {{0, 10, "a", 5}, {10, 20, "b", 6}};
    struct tl_shape shape = store_windowed("hits_5m", 'a');
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    struct tl_compare compare;
    struct tl_store *store;
    struct tl_unit *unit;
    char url[512];
    int64_t definition = 0;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    fill(store, definition, speed, batch);
    tl_compare_init(&compare, 0);
    range = range_of(&tumble, &shape, definition, INT64_MIN, 1000);
    OK(tl_compare_view(&compare, store, &range, &counts, err));
    tl_store_close(store);
    unit = tl_compare_unit(&compare, 0);
    cr_assert_eq(unit->stored[TL_SIDE_SPEED]->columns[3].i64, 1);
    cr_assert_eq(unit->stored[TL_SIDE_BATCH]->columns[3].i64, 5);
    cr_assert(tl_sv_eq(unit->stored[TL_SIDE_BATCH]->columns[2].sv, TL_SV("a")));
    cr_assert(tl_unit_values_eq(unit->stored[0]->columns, unit->stored[0]->columns, 4));
    cr_assert_not(tl_unit_values_eq(unit->stored[0]->columns, unit->stored[1]->columns, 4));
    cr_assert_not(tl_unit_values_eq(unit->stored[0]->columns, NULL, 4));
    cr_assert(tl_unit_values_eq(NULL, NULL, 4));
    tl_compare_done(&compare);
}

/* One unit is room enough for one. */
Test(compare, more_than_there_is_room_for, .fini = store_folder_remove)
{
    static const struct row speed[6] =
        {
            {0,  10, "a", 1},
            {10, 20, "b", 2}
    },
                            batch[6] = {{0, 10, "a", 5}, {10, 20, "b", 6}};
    struct tl_shape shape = store_windowed("hits_5m", 'a');
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    struct tl_compare compare;
    struct tl_store *store;
    char url[512];
    int64_t definition = 0;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    fill(store, definition, speed, batch);
    tl_compare_init(&compare, 1);
    range = range_of(&tumble, &shape, definition, INT64_MIN, 1000);
    FAILS(TL_ERR_MEMORY, "--from --to", tl_compare_view(&compare, store, &range, &counts, err));
    tl_compare_done(&compare);
    tl_store_close(store);
}

/* ---- spans ---- */

struct span_case {
    char name[72];
    struct row speed[6], batch[6];
    int64_t carried_ms[2]; /* starts of a's sessions that batch carries over 100; 0: none */
    int64_t from_ms, to_ms, floor_ms;
    uint64_t groups, equal, beyond, gone;
    char differing[160]; /* "start-end/host:speed's rows,batch's rows" of each, '!' where it is left out */
};

ParameterizedTestParameters(compare, spans)
{
    static struct span_case cases[] = {
        {"nothing on either side",                                {{0, 0, "", 0}},    {{0, 0, "", 0}}, {0, 0}, INT64_MIN, 100, INT64_MIN, 0, 0, 0, 0, ""                          },
        {"the same sessions",
         {{1, 10, "a", 1}, {10, 20, "a", 2}},
         {{1, 10, "a", 1}, {10, 20, "a", 2}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       2,
         2,                                                                                                                                     0,
         0,                                                                                                                                           ""                          },
        {"what touches is two, what overlaps is one",
         {{1, 10, "a", 1}, {10, 20, "a", 2}, {25, 30, "a", 1}},
         {{1, 20, "a", 3}, {25, 30, "a", 1}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       2,
         1,                                                                                                                                     0,
         0,                                                                                                                                           "1-20/a:2,1 "               },
        {"each key for itself",
         {{1, 10, "a", 1}, {5, 15, "b", 1}},
         {{1, 10, "a", 1}, {5, 16, "b", 1}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       2,
         1,                                                                                                                                     0,
         0,                                                                                                                                           "5-16/b:1,1 "               },
        {"equal rows of a differing span are there too",
         {{1, 10, "a", 1}, {5, 20, "a", 1}, {15, 30, "a", 1}},
         {{1, 10, "a", 1}, {5, 20, "a", 2}, {15, 30, "a", 1}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     0,
         0,                                                                                                                                           "1-30/a:3,3 "               },
        {"a long one joins what was apart",
         {{1, 10, "a", 1}, {20, 30, "a", 1}},
         {{1, 10, "a", 1}, {20, 30, "a", 1}, {5, 35, "a", 1}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     0,
         0,                                                                                                                                           "1-35/a:2,3 "               },
        {"one that crosses the end takes along what it overlaps",
         {{80, 95, "a", 1}, {90, 110, "a", 1}, {50, 60, "b", 1}},
         {{50, 60, "b", 2}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     1,
         0,                                                                                                                                           "50-60/b:1,1 80-110/a:1,0! "},
        {"one that ends at the end may still grow",
         {{80, 100, "a", 1}},
         {{0, 0, "", 0}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       0,
         0,                                                                                                                                     0,
         0,                                                                                                                                           ""                          },
        {"so does one that batch carries",
         {{70, 80, "a", 1}, {50, 60, "a", 1}},
         {{50, 60, "a", 2}},
         {75, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     1,
         0,                                                                                                                                           "50-60/a:1,1 70-/a:1,0! "   },
        {"what batch carries elsewhere is no matter",
         {{70, 80, "a", 1}},
         {{0, 0, "", 0}},
         {80, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     0,
         0,                                                                                                                                           "70-80/a:1,0 "              },
        {"what lies behind is no matter",
         {{90, 95, "a", 1}, {100, 120, "a", 1}},
         {{90, 95, "a", 1}},
         {0, 0},
         INT64_MIN,                                                                                                       100,
         INT64_MIN,                                                                                                                       1,
         1,                                                                                                                                     0,
         0,                                                                                                                                           ""                          },
        {"it is followed back beyond the beginning",
         {{1, 30, "a", 1}, {25, 45, "a", 1}, {40, 60, "a", 1}, {2, 9, "b", 1}},
         {{1, 60, "a", 3}},
         {0, 0},
         50,                                                                                                              100,
         INT64_MIN,                                                                                                                       1,
         0,                                                                                                                                     0,
         0,                                                                                                                                           "1-60/a:3,1 "               },
        {"but not to where rows are gone",
         {{25, 45, "a", 1}, {40, 60, "a", 1}},
         {{1, 60, "a", 3}},
         {0, 0},
         20,                                                                                                              100,
         20,                                                                                                                              0,
         0,                                                                                                                                     0,
         1,                                                                                                                                           "1-60/a:2,1! "              },
        {"from is inside",                                        {{40, 50, "a", 1}}, {{0, 0, "", 0}}, {0, 0}, 50,        100, INT64_MIN, 1, 0, 0, 0, "40-50/a:1,0 "              },
        {"before it there is nothing",                            {{40, 49, "a", 1}}, {{0, 0, "", 0}}, {0, 0}, 50,        100, INT64_MIN, 0, 0, 0, 0, ""                          },
    };

    return cr_make_param_array(struct span_case, cases, sizeof cases / sizeof *cases);
}

static const char session_sql[] =
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
    " WITH ('connector' = 'kafka', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
    "CREATE VIEW hits_5m AS SELECT window_start, window_end, host, COUNT(*) AS num_hits"
    " FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '0.010' SECOND))"
    " GROUP BY window_start, window_end, host;";

/* What core carries of events of the host `a` at these times, whatever their sessions' ends. */
static void carry_of(const struct tl_view *view, const int64_t times_ms[2], struct tl_buf *carry)
{
    static const int64_t bounds[2] = {INT64_MIN, 100};
    static const uint32_t rows[2] = {0, 1};
    struct tl_window_options options = {.bounds = bounds, .ranges_count = 1};
    struct tl_sv hosts[2] = {TL_SV("a"), TL_SV("a")};
    uint8_t null[2] = {0, 0};
    int64_t offsets[2] = {0, 1};
    uint32_t numbers[2] = {0, 0};
    struct tl_vec keys = {.kind = TL_STRING, .null = null, .sv = hosts};
    struct tl_window_rows in = {
        .rows = rows, .time_ms = times_ms, .keys = &keys, .agg = {.time_ms = times_ms, .offset = offsets, .number = numbers}
    };
    struct tl_window_verdict verdict = {0};
    struct tl_window *window = NULL;

    while (in.rows_count < 2 && times_ms[in.rows_count] != 0)
        in.rows_count++;
    OK(tl_window_open(view, &options, &window, err));
    OK(tl_window_push(window, &in, &verdict, err));
    OK(tl_window_cut(window, carry, err));
    tl_window_close(window);
}

/* The fixture's keys are the host and a 0; with a 1 before it, it is what core makes of it. */
static const char *keyed(const char *host)
{
    static char text[16];

    snprintf(text, sizeof text, "\x01%s", host);
    return text;
}

static void fill_sessions(struct tl_store *store, int64_t definition, const struct span_case *c, struct tl_sv carry)
{
    int64_t epoch = store_epoch(store), run = store_run(store, "test");
    struct tl_run_range range = {.run = run, .from_ms = INT64_MIN, .to_ms = 100, .carry = carry};

    for (int i = 0; i < 6 && c->speed[i].hits != 0; i++)
        store_put_speed(store, epoch, definition, c->speed[i].start_ms, c->speed[i].end_ms, keyed(c->speed[i].host),
                        c->speed[i].hits);
    for (int i = 0; i < 6 && c->batch[i].hits != 0; i++)
        store_stage(store, run, definition, c->batch[i].start_ms, c->batch[i].end_ms, keyed(c->batch[i].host), c->batch[i].hits);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, definition, &range, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_publish(store, run, 1, err));
}

static int rows_of(const struct tl_unit *unit, enum tl_side side)
{
    int count = 0;

    for (const struct tl_unit_row *row = unit->stored[side]; row != NULL; row = row->next) {
        cr_assert(row->next == NULL || row->end_ms <= row->next->end_ms);
        count++;
    }
    return count;
}

ParameterizedTest(struct span_case *c, compare, spans, .fini = store_folder_remove)
{
    struct tl_shape shape = store_sessions("hits_5m", 'a', 0);
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    struct tl_plan *plan = NULL;
    struct tl_compare compare;
    struct tl_store *store;
    struct tl_buf found, carry;
    char url[512];
    int64_t definition = 0;

    OK(tl_plan_parse(tl_sv_from(session_sql), "test", tl_function_catalog(), &plan, err));
    tl_buf_init(&carry, 0);
    carry_of(&plan->views[0], c->carried_ms, &carry);
    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    fill_sessions(store, definition, c, tl_buf_sv(&carry));
    tl_compare_init(&compare, 0);
    range = range_of(&plan->views[0], &shape, definition, c->from_ms, c->to_ms);
    range.floor_ms = c->floor_ms;
    OK(tl_compare_view(&compare, store, &range, &counts, err));
    cr_assert_eq(counts.groups_count, c->groups, "%s: %llu groups", c->name, (unsigned long long)counts.groups_count);
    cr_assert_eq(counts.equal_count, c->equal, "%s: %llu equal", c->name, (unsigned long long)counts.equal_count);
    cr_assert_eq(counts.beyond_count, c->beyond, "%s: %llu beyond", c->name, (unsigned long long)counts.beyond_count);
    cr_assert_eq(counts.gone_count, c->gone, "%s: %llu gone", c->name, (unsigned long long)counts.gone_count);
    tl_buf_init(&found, 0);
    for (uint32_t u = 0; u < tl_compare_units(&compare); u++) {
        struct tl_unit *unit = tl_compare_unit(&compare, u);
        const struct tl_unit_row *any =
            unit->stored[TL_SIDE_SPEED] != NULL ? unit->stored[TL_SIDE_SPEED] : unit->stored[TL_SIDE_BATCH];
        char end[24] = "";

        if (unit->end_ms != INT64_MAX)
            snprintf(end, sizeof end, "%lld", (long long)unit->end_ms);
        tl_buf_printf(&found, "%lld-%s/%.*s:%d,%d%s ", (long long)unit->start_ms, end, 1, any->columns[2].sv.data + 1,
                      rows_of(unit, TL_SIDE_SPEED), rows_of(unit, TL_SIDE_BATCH), unit->left_out ? "!" : "");
        cr_assert_eq(tl_compare_find(&compare, &plan->views[0], 7, unit->start_ms, unit->start_ms + 1, unit->key), unit);
        cr_assert_neq(tl_compare_find(&compare, &plan->views[0], 7, unit->end_ms, unit->end_ms, unit->key), unit);
        cr_assert_neq(tl_compare_find(&compare, &plan->views[0], 7, unit->start_ms - 1, unit->end_ms, unit->key), unit);
    }
    tl_buf_put_u8(&found, '\0');
    cr_assert_str_eq(found.data, c->differing, "%s: %s", c->name, found.data);
    tl_buf_done(&found);
    tl_buf_done(&carry);
    tl_compare_done(&compare);
    tl_store_close(store);
    tl_plan_close(plan);
}

/* Windows of one key with equal bounds are told apart by the tail of their keys, and are one unit. */
Test(compare, spans_of_count_windows, .fini = store_folder_remove)
{
    static const struct tl_view count = {.window = {.window = TL_WINDOW_COUNT}};
    struct tl_shape shape = store_sessions("hits_5m", 'a', STORE_TAIL_BYTES);
    struct tl_compare_counts counts = {0};
    struct tl_compare_range range;
    struct tl_compare compare;
    struct store_rows rows;
    struct tl_store *store;
    struct tl_unit *unit;
    char url[512];
    int64_t definition = 0, epoch, change, run;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    epoch = store_epoch(store);
    run = store_run(store, "test");
    store_rows_init(&rows, true, 2);
    for (int i = 0; i < 2; i++) {
        store_rows_add(&rows, i, 10, "a", 3);
        store_rows_add_tail(&rows);
    }
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, definition, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    rows.rows.count = 1;
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, definition, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
    store_stage_range(store, run, definition, INT64_MIN, 100);
    OK(tl_store_publish(store, run, 1, err));
    tl_compare_init(&compare, 0);
    range = range_of(&count, &shape, definition, INT64_MIN, 100);
    OK(tl_compare_view(&compare, store, &range, &counts, err));
    cr_assert_eq(tl_compare_units(&compare), 1);
    unit = tl_compare_unit(&compare, 0);
    cr_assert_eq(rows_of(unit, TL_SIDE_SPEED), 2);
    cr_assert_eq(rows_of(unit, TL_SIDE_BATCH), 1);
    cr_assert(tl_sv_eq(tl_unit_key(&count, &shape, unit->stored[TL_SIDE_SPEED]->key), unit->key));
    cr_assert(unit->stored[TL_SIDE_SPEED]->equal && !unit->stored[TL_SIDE_SPEED]->next->equal);
    tl_compare_done(&compare);
    tl_store_close(store);
}
