/* agg_user_test.c: an aggregate of a library's is accumulated, merged, saved and bound as the built-in ones are. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/agg_state.h"
#include "core/function.h"
#include "core/user_call.h"
#include "support/agg_run.h"
#include "support/sql_case.h"

/* LARGEST(BIGINT, STRING): the text beside the largest number; of equal ones the first text in order. Of -1 there is no result. */
struct largest {
    int64_t number;
    char *text; /* NULL: no row yet */
    uint64_t size;
};

static void largest_take(struct tally_call *call, struct largest *largest, int64_t number, struct tl_sv text)
{
    char *copy;

    if (largest->text != NULL &&
        (number < largest->number ||
         (number == largest->number && tl_sv_cmp(text, (struct tl_sv){largest->text, largest->size}) >= 0)))
        return;
    copy = tally_alloc(call, text.size + 1);
    if (copy == NULL)
        return;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    *largest = (struct largest){number, copy, text.size};
}

static void largest_step(struct tally_call *call, void *state, const struct tally_value *args)
{
    cr_assert(args[0].type == TALLY_BIGINT && args[1].type == TALLY_STRING && !args[0].is_null && !args[1].is_null);
    largest_take(call, state, args[0].i64, (struct tl_sv){args[1].text.data, args[1].text.size});
}

static void largest_merge(struct tally_call *call, void *into, const void *from)
{
    const struct largest *more = from;

    if (more->text != NULL)
        largest_take(call, into, more->number, (struct tl_sv){more->text, more->size});
}

static void largest_save(struct tally_call *call, const void *state)
{
    const struct largest *largest = state;

    if (largest->text == NULL)
        return;
    tally_put(call, &largest->number, sizeof largest->number);
    tally_put(call, largest->text, largest->size);
}

static bool largest_load(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    int64_t number;

    if (size == 0)
        return true;
    if (size < sizeof number)
        return false;
    memcpy(&number, bytes, sizeof number);
    largest_take(call, state, number, (struct tl_sv){(const char *)bytes + sizeof number, size - sizeof number});
    return true;
}

static bool largest_finish(struct tally_call *call, const void *state, struct tally_value *result)
{
    const struct largest *largest = state;

    (void)call;
    result->is_null = largest->text == NULL;
    result->text = (struct tally_text){largest->text, largest->size};
    return largest->number != -1;
}

static const struct tally_aggregate own = {
    "LARGEST",     {TALLY_BIGINT, TALLY_STRING},
    TALLY_STRING,  sizeof(struct largest),
    largest_step,  largest_merge,
    largest_save,  largest_load,
    largest_finish
};
static struct tl_agg_shape shape;
static const struct tl_function largest = {
    .name = "LARGEST",
    .signature = "LARGEST(BIGINT, STRING) -> STRING",
    .args = {TL_BIGINT, TL_STRING},
    .args_min = 2,
    .args_max = 2,
    .result = TL_STRING,
    .own = &own,
    .aggregate = &shape
};

/* --- rows -------------------------------------------------------------------------------------------------------------- */

static const enum tl_kind kinds[] = {TL_BIGINT, TL_STRING};

static void open_run(struct agg_run *run, bool where, uint32_t rows)
{
    const struct tl_agg_call call = {.agg = TL_AGG_USER, .kind = TL_STRING, .user = &largest};

    shape = tl_agg_user(sizeof(struct largest));
    agg_run_open(run, &call, kinds, 2, where, rows);
}

static void put(struct agg_run *run, uint32_t row, int64_t number, const char *text)
{
    agg_run_put(run, 0, row, agg_i64(TL_BIGINT, number));
    agg_run_put(run, 1, row, text != NULL ? agg_text(text) : agg_null(TL_STRING));
}

static bool gives(struct agg_run *run, const char *want)
{
    struct tl_value got = agg_run_result(run);

    return want == NULL ? got.is_null : !got.is_null && tl_sv_eq(got.sv, tl_sv_from(want));
}

Test(agg_user, any_order_and_grouping)
{
    struct chance chance = chance_open("agg_user");

    for (int turn = 0; turn < 30; turn++) {
        uint32_t rows = chance_below(&chance, 60);
        struct agg_run run;

        open_run(&run, turn % 2 == 1, rows);
        for (uint32_t row = 0; row < rows; row++) {
            static const char *const texts[] = {"", "a", "abc", NULL, "\xc3\xa9t\xc3\xa9"};

            put(&run, row, (int64_t)chance_below(&chance, 9) - 2, texts[chance_below(&chance, 5)]);
            if (turn % 2 == 1)
                agg_run_put(&run, agg_run_where(&run), row, agg_i64(TL_BOOLEAN, chance_below(&chance, 3) > 0));
        }
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

Test(agg_user, results)
{
    struct agg_run run;

    open_run(&run, false, 3);
    put(&run, 0, 5, "b");
    put(&run, 1, 5, "a");
    put(&run, 2, 9, NULL);
    cr_assert(gives(&run, "a"), "the row with NULL is skipped");
    for (uint32_t row = 0; row < 3; row++)
        put(&run, row, -1, "x");
    cr_assert(gives(&run, NULL), "finish gives none");
    for (uint32_t row = 0; row < 3; row++)
        put(&run, row, 1, NULL);
    cr_assert(gives(&run, NULL), "of nothing");
    for (uint32_t row = 0; row < 3; row++)
        put(&run, row, 1, "\xff");
    cr_assert(gives(&run, NULL), "no UTF-8 is no result");
    agg_run_close(&run);
}

/* Each way in which the bytes can be no such form: what the library refuses, and what is not even its own. */
Test(agg_user, damaged_bytes)
{
    struct agg_run run;
    struct tl_buf bytes;
    void *block;

    open_run(&run, false, 1);
    put(&run, 0, 5, "some text");
    block = agg_run_block(&run, &run.arena);
    tl_buf_init(&bytes, 0);
    tl_agg_save(&run.layout, block, &bytes);
    cr_assert_eq(bytes.size, 4 + 8 + 9);
    for (size_t size = 0; size < bytes.size; size++) {
        struct tl_reader reader = tl_reader_of((struct tl_sv){bytes.data, size});
        void *into = tl_arena_zalloc(&run.arena, run.layout.state_bytes);

        cr_assert_eq(tl_agg_load(&run.layout, &reader, into, &run.arena, NULL), TL_ERR_CORRUPT, "%zu bytes", size);
    }
    for (unsigned size = 1; size < 8; size++) { /* too few for the library */
        struct tl_reader reader = tl_reader_of(tl_buf_sv(&bytes));
        void *into = tl_arena_zalloc(&run.arena, run.layout.state_bytes);

        bytes.data[0] = (char)size;
        cr_assert_eq(tl_agg_load(&run.layout, &reader, into, &run.arena, NULL), TL_ERR_CORRUPT);
    }
    tl_buf_done(&bytes);
    agg_run_close(&run);
}

Test(agg_user, without_memory)
{
    struct agg_run run;
    struct tl_arena tight;
    struct tl_arena *arena = &tight;
    uint32_t row = 0;
    void *block;

    open_run(&run, false, 1);
    put(&run, 0, 5, "some text");
    tl_arena_init(&tight, 4096, 1);
    block = tl_arena_zalloc(&run.arena, run.layout.state_bytes);
    cr_assert_not(tl_agg_step(&run.layout,
                              &(struct tl_agg_rows){run.inputs, run.time_ms, run.offset, run.partition, run.number, 0}, &row, 1,
                              &block, &arena));
    cr_assert_not(tl_agg_merge(&run.layout, block, agg_run_block(&run, &run.arena), &tight));
    tl_arena_done(&tight);
    agg_run_close(&run);
}

/* --- in a views file --------------------------------------------------------------------------------------------------- */

static enum tl_code parse(const char *selected, struct tl_plan **plan, struct tl_err *err)
{
    const struct tl_catalog with = {&largest, 1, tl_function_catalog(), NULL};
    char sql[900];

    snprintf(sql, sizeof sql,
             EVENTS "CREATE VIEW v AS SELECT window_start, window_end, %s AS x\n"
                    "FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
             selected);
    return tl_plan_parse(tl_sv_from(sql), "views.sql", &with, plan, err);
}

Test(agg_user, a_call_is_bound)
{
    struct tl_plan *plan;
    struct tl_err err = {0};
    const struct tl_view *view;
    char *normalised;

    cr_assert_eq(
        parse("largest(n, host) FILTER (WHERE ok) AS w, LARGEST(big, host) AS y, LARGEST(n, host) AS z, LARGEST(NULL, id)", &plan,
              &err),
        TL_OK, "%s", err.message);
    view = &plan->views[0];
    cr_assert_eq(view->aggs_count, 4);
    for (uint32_t i = 0; i < view->aggs_count; i++) {
        cr_assert(view->aggs[i].agg == TL_AGG_USER && view->aggs[i].user == &largest && view->aggs[i].kind == TL_STRING);
        cr_assert_eq(view->aggs[i].args[0]->kind, TL_BIGINT, "widened");
    }
    cr_assert_eq(view->aggs[0].args[0], view->aggs[2].args[0], "the same cast is evaluated once");
    normalised = strndup(view->normalised.data, view->normalised.size);
    cr_assert(strstr(normalised, "LARGEST(CAST(`n` AS BIGINT), `host`) FILTER (WHERE `ok`)") != NULL ||
                  strstr(normalised, "LARGEST(CAST(n AS BIGINT), host) FILTER (WHERE ok)") != NULL,
              "%s", normalised);
    free(normalised);
    tl_plan_close(plan);
}

struct mistake_case {
    char selected[60], what[80], hint[80];
};

#define SIGNATURE "there is LARGEST(BIGINT, STRING) -> STRING"
#define EIGHT "n, n, n, n, n, n, n, n"

ParameterizedTestParameters(agg_user, mistakes)
{
    static struct mistake_case cases[] = {
        {"LARGEST(host, n)",          "LARGEST does not take (STRING, INT)",             SIGNATURE               },
        {"LARGEST(n)",                "LARGEST does not take (INT)",                     SIGNATURE               },
        {"LARGEST()",                 "LARGEST does not take ()",                        SIGNATURE               },
        {"LARGEST(*)",                "only COUNT takes a star",                         "name the column"       },
        {"LARGEST(DISTINCT n, host)", "LARGEST takes no DISTINCT",                       "COUNT, SUM, AVG"       },
        {"LARGEST(COUNT(*), host)",   "an aggregate inside an aggregate has no meaning", "aggregate once"        },
        {"LARGET(n, host)",           "there is no function LARGET",                     "did you mean 'LARGEST'"},
    };
    return cr_make_param_array(struct mistake_case, cases, sizeof cases / sizeof *cases);
}

static void mistaken(const char *selected, const char *what, const char *hint)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    cr_assert_eq(parse(selected, &plan, &err), TL_ERR_DEFINITION, "%s is taken", selected);
    cr_assert(strncmp(err.message, "views.sql:2:51: ", 16) == 0 || strncmp(err.message, "views.sql:2:59: ", 16) == 0, "%s",
              err.message);
    cr_assert(strstr(err.message, what) != NULL && strstr(err.message, "^") != NULL && strstr(err.message, hint) != NULL,
              "%s, want %s and %s", err.message, what, hint);
}

ParameterizedTest(struct mistake_case *c, agg_user, mistakes)
{
    mistaken(c->selected, c->what, c->hint);
}

/* More arguments than any call has. */
Test(agg_user, too_many_arguments)
{
    mistaken("LARGEST(" EIGHT ", " EIGHT ", " EIGHT ", " EIGHT ", " EIGHT ")", "LARGEST does not take (INT, INT, INT", SIGNATURE);
}
