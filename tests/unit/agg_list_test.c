/* agg_list_test.c: LISTAGG in the order of event time, partition, offset and row; DISTINCT takes the first of equals. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "support/agg_run.h"

static const enum tl_kind text_kind = TL_STRING;

struct list_case {
    char name[40];
    bool distinct;
    char separator[4];
    char inputs[6][8];
    int64_t time_ms[6];
    uint32_t count;
    char want[40];
};

ParameterizedTestParameters(agg_list, results)
{
    static struct list_case cases[] = {
        {"in order of time",            false, ",",   {"b", "c", "a"},           {2, 3, 1},       3, "a,b,c"},
        {"at one time by offset",       false, ",",   {"b", "a", "c"},           {5, 5, 5},       3, "b,a,c"},
        {"another separator",           false, " - ", {"x", "y"},                {1, 2},          2, "x - y"},
        {"no separator",                false, "",    {"x", "y"},                {1, 2},          2, "xy"   },
        {"NULL is skipped",             false, ",",   {"NULL", "a", "NULL"},     {1, 2, 3},       3, "a"    },
        {"the empty text is not",       false, ",",   {"", "a", ""},             {1, 2, 3},       3, ",a,"  },
        {"of nothing",                  false, ",",   {"NULL"},                  {1},             1, "NULL" },
        {"of an empty text",            false, ",",   {""},                      {1},             1, ""     },
        {"equal texts",                 false, ",",   {"a", "a"},                {1, 2},          2, "a,a"  },
        {"DISTINCT at its first place", true,  ",",   {"b", "a", "b", "c", "a"}, {9, 5, 3, 4, 7}, 5, "b,c,a"},
        {"DISTINCT of nothing",         true,  ",",   {"NULL", "NULL"},          {1, 2},          2, "NULL" },
        {"DISTINCT: the empty text",    true,  ";",   {"", "a", ""},             {2, 1, 3},       3, "a;"   },
    };
    return cr_make_param_array(struct list_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct list_case *c, agg_list, results)
{
    struct chance chance = chance_open("agg_list");
    struct tl_agg_call call = {
        .agg = TL_AGG_LISTAGG, .kind = TL_STRING, .distinct = c->distinct, .separator = tl_sv_from(c->separator)};
    struct tl_value want = strcmp(c->want, "NULL") == 0 ? agg_null(TL_STRING) : agg_text(c->want), got;
    struct agg_run run;

    agg_run_open(&run, &call, &text_kind, 1, false, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        agg_run_put(&run, 0, i, strcmp(c->inputs[i], "NULL") == 0 ? agg_null(TL_STRING) : agg_text(c->inputs[i]));
        run.time_ms[i] = c->time_ms[i];
    }
    got = agg_run_result(&run);
    cr_assert(tl_value_eq(&got, &want), "%s: '%.*s'", c->name, (int)got.sv.size, got.sv.data);
    for (int i = 0; i < 20; i++)
        agg_run_check_parts(&run, &chance);
    agg_run_close(&run);
}

/* By hand: the smallest place that is not taken yet, again and again. */
Test(agg_list, random_rows_as_a_model_has_them)
{
    struct chance chance = chance_open("agg_list");

    for (int round = 0; round < 100; round++) {
        struct tl_agg_call call = {.agg = TL_AGG_LISTAGG, .kind = TL_STRING, .distinct = round % 2, .separator = TL_SV(",")};
        uint32_t count = 1 + chance_below(&chance, 60), different = 1 + chance_below(&chance, 20);
        static char text[60][12], want[60 * 12];
        bool taken[60] = {false};
        struct tl_value got;
        struct agg_run run;

        agg_run_open(&run, &call, &text_kind, 1, false, count);
        for (uint32_t i = 0; i < count; i++) {
            snprintf(text[i], sizeof text[i], "t%u", chance_below(&chance, different));
            agg_run_put(&run, 0, i, agg_text(text[i]));
            run.time_ms[i] = chance_below(&chance, 10);
            run.partition[i] = chance_below(&chance, 2);
            run.number[i] = chance_below(&chance, 2);
        }
        want[0] = '\0';
        for (uint32_t done = 0; done < count; done++) {
            uint32_t next = UINT32_MAX;
            bool before = false;

            for (uint32_t i = 0; i < count; i++) {
                int64_t key[2][4] = {
                    {run.time_ms[i], run.partition[i], run.offset[i], run.number[i]},
                    {0}
                };

                if (taken[i])
                    continue;
                for (int k = 0, order = next == UINT32_MAX ? -1 : 0; k < 4; k++) {
                    if (next != UINT32_MAX) {
                        const int64_t other[4] = {run.time_ms[next], run.partition[next], run.offset[next], run.number[next]};

                        order = order != 0 ? order : (key[0][k] > other[k]) - (key[0][k] < other[k]);
                    }
                    if (order < 0) {
                        next = i;
                        break;
                    }
                    if (order > 0)
                        break;
                }
            }
            taken[next] = true;
            for (uint32_t i = 0; i < count && call.distinct; i++)
                before |= taken[i] && i != next && strcmp(text[i], text[next]) == 0;
            if (!before) {
                if (done > 0)
                    strcat(want, ",");
                strcat(want, text[next]);
            }
        }
        got = agg_run_result(&run);
        cr_assert(tl_sv_eq(got.sv, tl_sv_from(want)), "seed %llu: '%.*s' for '%s'", (unsigned long long)chance.seed,
                  (int)got.sv.size, got.sv.data, want);
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

/* DISTINCT over many rows keeps each text once, not each row. */
Test(agg_list, distinct_keeps_no_copies)
{
    struct tl_agg_call call = {.agg = TL_AGG_LISTAGG, .kind = TL_STRING, .distinct = true, .separator = TL_SV(",")};
    struct tl_arena memory, *arenas[1] = {&memory};
    struct agg_run run;
    void *block;
    char text[16];

    agg_run_open(&run, &call, &text_kind, 1, false, 1);
    tl_arena_init(&memory, 4096, 1 << 14);
    block = tl_arena_zalloc(&memory, run.layout.state_bytes);
    for (int i = 0; i < 100000; i++) {
        struct tl_agg_rows in = {run.inputs, run.time_ms, run.offset, run.partition, run.number, 0};

        snprintf(text, sizeof text, "%d", i % 50);
        run.time_ms[0] = -i;
        agg_run_put(&run, 0, 0, agg_text(text));
        cr_assert(tl_agg_step(&run.layout, &in, (const uint32_t[]){0}, 1, &block, arenas), "row %d", i);
    }
    cr_assert_eq(strncmp(agg_run_finish(&run, block).sv.data, "49,48,47", 8), 0);
    tl_arena_done(&memory);
    agg_run_close(&run);
}
