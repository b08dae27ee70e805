/* agg_place_test.c: FIRST_VALUE and LAST_VALUE by event time, partition, offset and row, whatever comes first. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/agg_run.h"

struct place_case {
    char name[40];
    struct {
        int64_t time_ms, offset;
        uint32_t partition, number;
        int64_t value; /* -1: NULL */
    } rows[3];
    int64_t first, last;
};

ParameterizedTestParameters(agg_place, order)
{
    static struct place_case cases[] = {
        {"by event time",            {{5, 1, 0, 0, 10}, {4, 2, 0, 0, 11}, {6, 0, 0, 0, 12}},                   11, 12},
        {"then by partition",        {{5, 1, 2, 0, 10}, {5, 9, 1, 0, 11}, {5, 0, 3, 0, 12}},                   11, 12},
        {"then by offset",           {{5, 7, 0, 0, 10}, {5, 3, 0, 1, 11}, {5, 20, 0, 0, 12}},                  11, 12},
        {"then by row number",       {{5, 7, 0, 1, 10}, {5, 7, 0, 0, 11}, {5, 7, 0, 2, 12}},                   11, 12},
        {"NULL is skipped",          {{5, 1, 0, 0, 10}, {4, 2, 0, 0, -1}, {6, 0, 0, 0, -1}},                   10, 10},
        {"NULL alone",               {{5, 1, 0, 0, -1}, {4, 2, 0, 0, -1}, {6, 0, 0, 0, -1}},                   -1, -1},
        {"before 1970",              {{-5, 1, 0, 0, 10}, {-6, 2, 0, 0, 11}, {0, 0, 0, 0, 12}},                 11, 12},
        {"imported partitions last", {{5, 1, 0x80000000, 0, 10}, {5, 2, 7, 0, 11}, {5, 0, 0x80000001, 0, 12}}, 11, 12},
    };
    return cr_make_param_array(struct place_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct place_case *c, agg_place, order)
{
    const enum tl_kind kinds[] = {TL_BIGINT, TL_DOUBLE, TL_STRING};
    struct chance chance = chance_open("agg_place");

    for (int way = 0; way < 6; way++) {
        enum tl_kind kind = kinds[way % 3];
        struct tl_agg_call call = {.agg = way < 3 ? TL_AGG_FIRST_VALUE : TL_AGG_LAST_VALUE, .kind = kind};
        int64_t want = way < 3 ? c->first : c->last;
        struct tl_value got;
        struct agg_run run;
        char text[3][8];

        agg_run_open(&run, &call, &kind, 1, false, 3);
        for (uint32_t i = 0; i < 3; i++) {
            int64_t value = c->rows[i].value;

            snprintf(text[i], sizeof text[i], "%d", (int)value);
            agg_run_put(&run, 0, i,
                        value == -1         ? agg_null(kind)
                        : kind == TL_STRING ? agg_text(text[i])
                        : kind == TL_DOUBLE ? agg_f64(kind, (double)value)
                                            : agg_i64(kind, value));
            run.time_ms[i] = c->rows[i].time_ms;
            run.offset[i] = c->rows[i].offset;
            run.partition[i] = c->rows[i].partition;
            run.number[i] = c->rows[i].number;
        }
        got = agg_run_result(&run);
        cr_assert_eq(got.is_null, want == -1, "%s", c->name);
        if (want != -1)
            cr_assert_eq(kind == TL_STRING   ? atoll(got.sv.data)
                         : kind == TL_DOUBLE ? (int64_t)got.f64
                                             : got.i64,
                         want, "%s", c->name);
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

/* A batch that is all of one partition does not write it down for each row. */
Test(agg_place, one_partition_for_all)
{
    enum tl_kind kind = TL_INT;
    struct tl_agg_call call = {.agg = TL_AGG_FIRST_VALUE, .kind = kind};
    struct agg_run run;
    void *block;

    agg_run_open(&run, &call, &kind, 1, false, 1);
    block = tl_arena_zalloc(&run.arena, run.layout.state_bytes);
    for (uint32_t partition = 3; partition > 1; partition--) {
        struct tl_agg_rows in = {run.inputs, run.time_ms, run.offset, NULL, run.number, partition};
        struct tl_arena *arena = &run.arena;

        agg_run_put(&run, 0, 0, agg_i64(kind, partition));
        cr_assert(tl_agg_step(&run.layout, &in, (const uint32_t[]){0}, 1, &block, &arena));
    }
    cr_assert_eq(agg_run_finish(&run, block).i64, 2);
    agg_run_close(&run);
}

/* Two rows never have one place, but forged bytes may say so: order must not show even then. */
Test(agg_place, equal_places_in_any_order)
{
    const enum tl_kind kinds[] = {TL_INT, TL_FLOAT, TL_STRING};
    struct chance chance = chance_open("agg_place");

    for (int way = 0; way < 6; way++) {
        enum tl_kind kind = kinds[way % 3];
        struct tl_agg_call call = {.agg = way < 3 ? TL_AGG_FIRST_VALUE : TL_AGG_LAST_VALUE, .kind = kind};
        const char *const texts[] = {"b", "", "a"};
        struct agg_run run;

        agg_run_open(&run, &call, &kind, 1, false, 3);
        for (uint32_t i = 0; i < 3; i++) {
            agg_run_put(&run, 0, i,
                        kind == TL_STRING  ? agg_text(texts[i])
                        : kind == TL_FLOAT ? agg_f64(kind, i == 0 ? 0.0 : -(double)i)
                                           : agg_i64(kind, -(int64_t)i));
            run.offset[i] = run.time_ms[i] = 0;
        }
        for (int i = 0; i < 20; i++)
            agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}
