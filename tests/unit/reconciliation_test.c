/* reconciliation_test.c: numbers of runs as they are kept. */
#include "serving/reconciliation.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct numbers_case {
    int64_t numbers[8]; /* up to the first 0 */
    char want[24];
};

ParameterizedTestParameters(reconciliation, runs)
{
    static struct numbers_case cases[] = {
        {{0},                    ""            },
        {{7},                    "7"           },
        {{3, 3, 4, 5},           "3-5"         },
        {{12, 9, 3, 4, 9, 5, 8}, "3-5, 8-9, 12"},
        {{2, 1, 2, 1},           "1-2"         },
    };

    return cr_make_param_array(struct numbers_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct numbers_case *c, reconciliation, runs)
{
    struct tl_run_numbers runs = {0};
    struct tl_arena arena;
    struct tl_sv text;
    struct tl_err err;

    tl_arena_init(&arena, 64, 0);
    for (int twice = 0; twice < 2; twice++) { /* taken, they are forgotten */
        for (const int64_t *number = c->numbers; *number != 0; number++)
            cr_assert_eq(tl_run_numbers_add(&runs, *number, &err), TL_OK);
        cr_assert_eq(tl_run_numbers_take(&runs, &arena, &text, &err), TL_OK);
        cr_assert(tl_sv_eq(text, tl_sv_from(c->want)), "%.*s, not %s", TL_SV_ARG(text), c->want);
    }
    tl_run_numbers_done(&runs);
    tl_arena_done(&arena);
}
