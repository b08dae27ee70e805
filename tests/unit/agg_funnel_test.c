/* agg_funnel_test.c: WINDOW_FUNNEL against a search through all chains, and ClickHouse's ties. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "support/agg_run.h"

enum { STEPS_MAX = 5 };

static void open_funnel(struct agg_run *run, uint32_t steps, int64_t within_ms, uint32_t rows)
{
    struct tl_agg_call call = {.agg = TL_AGG_WINDOW_FUNNEL, .kind = TL_BIGINT, .within_ms = within_ms};
    enum tl_kind kinds[1 + 32];

    for (uint32_t i = 0; i <= steps; i++)
        kinds[i] = i == 0 ? TL_TIMESTAMP_LTZ : TL_BOOLEAN;
    agg_run_open(run, &call, kinds, 1 + steps, false, rows);
}

/* `met`: the numbers of the steps, "13" is steps 1 and 3; "" none. */
static void put(struct agg_run *run, uint32_t row, int64_t time_ms, const char *met)
{
    agg_run_put(run, 0, row, time_ms == INT64_MIN ? agg_null(TL_TIMESTAMP_LTZ) : agg_i64(TL_TIMESTAMP_LTZ, time_ms));
    for (uint32_t s = 1; s < run->call.args_count; s++)
        agg_run_put(run, s, row,
                    strchr(met, (int)('0' + s)) ? agg_i64(TL_BOOLEAN, 1)
                    : s % 2                     ? agg_i64(TL_BOOLEAN, 0)
                                                : agg_null(TL_BOOLEAN));
}

struct funnel_case {
    char name[40];
    int64_t within_ms;
    uint32_t count;
    struct {
        int64_t time_ms; /* INT64_MIN: NULL */
        char met[4];
    } rows[6];
    int64_t want;
};

ParameterizedTestParameters(agg_funnel, results)
{
    static struct funnel_case cases[] = {
        {"one after the other",                  10, 3, {{1, "1"}, {2, "2"}, {3, "3"}},                      3},
        {"nothing",                              10, 1, {{1, ""}},                                           0},
        {"not even the first",                   10, 2, {{1, "2"}, {2, "3"}},                                0},
        {"the first alone",                      10, 1, {{1, "1"}},                                          1},
        {"others between",                       10, 5, {{1, "1"}, {2, "3"}, {3, "2"}, {4, "1"}, {5, "3"}},  3},
        {"the second is before",                 10, 2, {{1, "2"}, {2, "1"}},                                1},
        {"at the limit",                         10, 2, {{1, "1"}, {11, "2"}},                               2},
        {"beyond the limit",                     10, 2, {{1, "1"}, {12, "2"}},                               1},
        {"the limit is from the first step",     10, 3, {{1, "1"}, {9, "2"}, {12, "3"}},                     2},
        {"a later start reaches",                10, 5, {{1, "1"}, {2, "2"}, {8, "1"}, {9, "2"}, {15, "3"}}, 3},
        {"a later start does not lose what was", 10, 3, {{1, "1"}, {2, "2"}, {3, "1"}},                      2},
        {"at one time, out of order",            10, 2, {{1, "2"}, {1, "1"}},                                2},
        {"one event of all steps",               0,  1, {{1, "123"}},                                        3},
        {"a limit of 0",                         0,  3, {{1, "1"}, {1, "2"}, {2, "3"}},                      2},
        {"NULL time is skipped",                 10, 3, {{1, "1"}, {INT64_MIN, "2"}, {3, "3"}},              1},
        {"at the end of times",                  10, 2, {{INT64_MAX - 1, "1"}, {INT64_MAX, "2"}},            2},
        {"before 1970",                          10, 2, {{-5, "1"}, {4, "2"}},                               2},
    };
    return cr_make_param_array(struct funnel_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct funnel_case *c, agg_funnel, results)
{
    struct chance chance = chance_open("agg_funnel");
    struct agg_run run;

    open_funnel(&run, 3, c->within_ms, c->count);
    for (uint32_t i = 0; i < c->count; i++)
        put(&run, i, c->rows[i].time_ms, c->rows[i].met);
    cr_assert_eq(agg_run_result(&run).i64, c->want, "%s: %lld", c->name, (long long)agg_run_result(&run).i64);
    for (int i = 0; i < 10; i++)
        agg_run_check_parts(&run, &chance);
    agg_run_close(&run);
}

struct happening {
    int64_t time_ms;
    uint32_t steps;
};

/* Whether a chain that has come to step `reached` at `time_ms`, begun at `start_ms`, comes to step `wanted`. */
static bool comes_to(const struct happening *all, uint32_t count, uint32_t reached, uint32_t wanted, int64_t time_ms,
                     int64_t start_ms, int64_t within_ms)
{
    if (reached == wanted)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        int64_t start = reached == 0 ? all[i].time_ms : start_ms;

        if ((all[i].steps >> reached & 1) && (reached == 0 || all[i].time_ms >= time_ms) && all[i].time_ms - start <= within_ms &&
            comes_to(all, count, reached + 1, wanted, all[i].time_ms, start, within_ms))
            return true;
    }
    return false;
}

Test(agg_funnel, as_a_search_finds_it)
{
    struct chance chance = chance_open("agg_funnel");
    uint32_t levels[STEPS_MAX + 1] = {0};

    for (int round = 0; round < 600; round++) {
        uint32_t steps = 1 + chance_below(&chance, STEPS_MAX), count = 1 + chance_below(&chance, 14), want = 0;
        int64_t within_ms = chance_below(&chance, 30);
        struct happening all[14];
        struct agg_run run;

        open_funnel(&run, steps, within_ms, count);
        for (uint32_t i = 0; i < count; i++) {
            char met[STEPS_MAX + 1];
            uint32_t size = 0;

            all[i] = (struct happening){(int64_t)chance_below(&chance, 40) - 20, 0};
            for (uint32_t s = 0; s < steps; s++)
                if (chance_below(&chance, 3) == 0) {
                    all[i].steps |= 1u << s;
                    met[size++] = (char)('1' + s);
                }
            met[size] = '\0';
            put(&run, i, all[i].time_ms, met);
        }
        while (want < steps && comes_to(all, count, 0, want + 1, 0, 0, within_ms))
            want++;
        cr_assert_eq(agg_run_result(&run).i64, want, "seed %llu, round %d: %lld for %u", (unsigned long long)chance.seed, round,
                     (long long)agg_run_result(&run).i64, want);
        levels[want]++;
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
    for (uint32_t level = 0; level <= STEPS_MAX; level++)
        cr_assert_gt(levels[level], 0, "no funnel came to %u", level);
}

Test(agg_funnel, thirty_two_steps)
{
    struct agg_run run;

    open_funnel(&run, 32, 100, 32);
    for (uint32_t i = 0; i < 32; i++) {
        for (uint32_t s = 1; s <= 32; s++)
            agg_run_put(&run, s, i, agg_i64(TL_BOOLEAN, s == i + 1));
        agg_run_put(&run, 0, i, agg_i64(TL_TIMESTAMP_LTZ, i));
    }
    cr_assert_eq(agg_run_result(&run).i64, 32);
    agg_run_close(&run);
}

/* Events of one time are one entry, so a busy moment costs nothing. */
Test(agg_funnel, state_follows_the_times)
{
    struct tl_arena memory, *arenas[1] = {&memory};
    struct agg_run run;
    void *block;

    open_funnel(&run, 2, 10, 1);
    tl_arena_init(&memory, 4096, 1 << 14);
    block = tl_arena_zalloc(&memory, run.layout.state_bytes);
    for (uint32_t i = 0; i < 100000; i++) {
        struct tl_agg_rows in = {.inputs = run.inputs};

        put(&run, 0, (i * 7) % 100, i % 2 ? "1" : "2");
        cr_assert(tl_agg_step(&run.layout, &in, (const uint32_t[]){0}, 1, &block, arenas));
    }
    cr_assert_eq(agg_run_finish(&run, block).i64, 2);
    tl_arena_done(&memory);
    agg_run_close(&run);
}
