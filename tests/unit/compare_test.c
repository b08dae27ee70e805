/* compare_test.c: which units the walk over both layers finds to differ. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

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

ParameterizedTest(struct walk_case *c, compare, walk, .fini = store_folder_remove)
{
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
    OK(tl_compare_view(&compare, store, 7, definition, c->from_ms, c->to_ms, &counts, err));
    cr_assert_eq(counts.groups_count, c->groups, "%s: %llu groups", c->name, (unsigned long long)counts.groups_count);
    cr_assert_eq(counts.equal_count, c->equal, "%s: %llu equal", c->name, (unsigned long long)counts.equal_count);
    tl_buf_init(&found, 0);
    for (uint32_t u = 0; u < tl_compare_units(&compare); u++) {
        struct tl_unit *unit = tl_compare_unit(&compare, u);
        const struct tl_value *speed = unit->stored[TL_SIDE_SPEED], *batch = unit->stored[TL_SIDE_BATCH];
        const struct tl_value *any = speed != NULL ? speed : batch;

        tl_buf_printf(&found, "%lld/%.*s%s ", (long long)unit->end_ms, TL_SV_ARG(any[2].sv),
                      speed == NULL   ? "<"
                      : batch == NULL ? ">"
                                      : "");
        cr_assert_eq(any[0].i64, unit->start_ms);
        cr_assert_eq(tl_compare_find(&compare, 7, unit->start_ms, unit->end_ms, unit->key), unit);
        cr_assert_null(tl_compare_find(&compare, 8, unit->start_ms, unit->end_ms, unit->key));
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
    OK(tl_compare_view(&compare, store, 0, definition, INT64_MIN, 1000, &counts, err));
    tl_store_close(store);
    unit = tl_compare_unit(&compare, 0);
    cr_assert_eq(unit->stored[TL_SIDE_SPEED][3].i64, 1);
    cr_assert_eq(unit->stored[TL_SIDE_BATCH][3].i64, 5);
    cr_assert(tl_sv_eq(unit->stored[TL_SIDE_BATCH][2].sv, TL_SV("a")));
    cr_assert(tl_unit_values_eq(unit->stored[0], unit->stored[0], 4));
    cr_assert_not(tl_unit_values_eq(unit->stored[0], unit->stored[1], 4));
    cr_assert_not(tl_unit_values_eq(unit->stored[0], NULL, 4));
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
    struct tl_compare compare;
    struct tl_store *store;
    char url[512];
    int64_t definition = 0;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    fill(store, definition, speed, batch);
    tl_compare_init(&compare, 1);
    FAILS(TL_ERR_MEMORY, "--from --to", tl_compare_view(&compare, store, 0, definition, INT64_MIN, 1000, &counts, err));
    tl_compare_done(&compare);
    tl_store_close(store);
}
