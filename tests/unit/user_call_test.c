/* user_call_test.c: what a scalar function of a library is given, and what is made of what it gives. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/expr.h"
#include "core/user_call.h"
#include "event/timestamp.h"

/* The function under test gives this value, or nothing. */
static struct tally_value gives;
static bool gives_nothing;
static unsigned calls;

static bool given(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    enum tally_type type = result->type;

    (void)call;
    (void)args;
    calls++;
    cr_assert_not(result->is_null);
    *result = gives;
    result->type = type;
    return !gives_nothing;
}

struct scene {
    struct tl_arena arena;
    struct tl_expr slots[2], *args[2], expr;
    struct tl_vec columns[2], out;
    struct tl_function function;
    const char *failed[3];
};

static void open_scene(struct scene *s, const struct tally_scalar *own, const enum tl_kind kinds[2], enum tl_kind result)
{
    *s = (struct scene){
        .function = {.name = "GIVEN",
                     .args = {kinds[0], kinds[1]},
                     .args_min = 2,
                     .args_max = 2,
                     .result = result,
                     .null_in_null_out = (own->flags & TALLY_SEES_NULL) == 0,
                     .can_fail = true,
                     .kernel = tl_user_scalar,
                     .own = own}
    };
    tl_arena_init(&s->arena, 4096, 0);
    for (uint32_t a = 0; a < 2; a++) {
        s->slots[a] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = kinds[a], .slot = a};
        s->args[a] = &s->slots[a];
        cr_assert(tl_vec_alloc(&s->arena, kinds[a], 3, &s->columns[a]));
        for (size_t row = 0; row < 3; row++)
            tl_vec_set(&s->columns[a], row, &(struct tl_value){.kind = kinds[a], .is_null = true});
    }
    s->expr = (struct tl_expr){.op = TL_EXPR_CALL, .kind = result, .function = &s->function, .args = s->args, .args_count = 2};
}

static bool evaluate(struct scene *s, uint32_t rows_count)
{
    static const uint32_t rows[] = {0, 1, 2};
    struct tl_memories memories = {.count = 0};
    struct tl_eval eval = {
        .slots = s->columns, .slots_count = 2, .rows_count = 3, .arena = &s->arena, .failed = s->failed, .memories = &memories};

    return tl_expr_eval(&eval, &s->expr, rows, rows_count, &s->out);
}

/* --- results ----------------------------------------------------------------------------------------------------------- */

struct result_case {
    char name[40];
    enum tl_kind kind;
    int64_t i64;
    double f64;
    char text[24];
    size_t text_size;
    bool taken;
};

#define WHOLE(name, kind, i64, taken)                                                                                            \
    {                                                                                                                            \
        name, kind, i64, 0, "", 0, taken                                                                                         \
    }
#define REAL(name, kind, f64)                                                                                                    \
    {                                                                                                                            \
        name, kind, 0, f64, "", 0, true                                                                                          \
    }
#define TEXT(name, text, taken)                                                                                                  \
    {                                                                                                                            \
        name, TL_STRING, 0, 0, text, sizeof(text) - 1, taken                                                                     \
    }

ParameterizedTestParameters(user_call, results)
{
    static struct result_case cases[] = {
        WHOLE("TRUE", TL_BOOLEAN, 1, true),
        WHOLE("no boolean", TL_BOOLEAN, 2, false),
        WHOLE("the largest TINYINT", TL_TINYINT, 127, true),
        WHOLE("beyond TINYINT", TL_TINYINT, 128, false),
        WHOLE("below SMALLINT", TL_SMALLINT, -32769, false),
        WHOLE("the smallest INT", TL_INT, INT32_MIN, true),
        WHOLE("beyond INT", TL_INT, INT64_C(1) << 31, false),
        WHOLE("any BIGINT", TL_BIGINT, INT64_MIN, true),
        WHOLE("the last time", TL_TIMESTAMP, TL_TIME_MAX_MS, true),
        WHOLE("beyond the calendar", TL_TIMESTAMP_LTZ, TL_TIME_MAX_MS + 1, false),
        WHOLE("before it", TL_TIMESTAMP, TL_TIME_MIN_MS - 1, false),
        REAL("a DOUBLE", TL_DOUBLE, 0.1),
        REAL("not a number", TL_DOUBLE, NAN),
        REAL("a FLOAT is rounded", TL_FLOAT, 0.1),
        TEXT("a text",
             "12345678 Stra\xc3\x9f"
             "e",
             true),
        TEXT("the empty text", "", true),
        TEXT("half a character", "12345678 Stra\xc3", false),
        TEXT("a NUL", "a\0b", false),
        TEXT("a NUL among eight", "abcdefg\0hijklmnop", false),
        TEXT("no UTF-8", "\xff\xfe", false),
    };
    return cr_make_param_array(struct result_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct result_case *c, user_call, results)
{
    static const struct tally_scalar own = {.call = given};
    static const enum tl_kind kinds[2] = {TL_INT, TL_STRING};
    struct scene s;

    open_scene(&s, &own, kinds, c->kind);
    for (size_t row = 0; row < 2; row++) {
        tl_vec_set(&s.columns[0], row, &(struct tl_value){.kind = TL_INT, .i64 = 7});
        tl_vec_set(&s.columns[1], row, &(struct tl_value){.kind = TL_STRING, .sv = TL_SV("x")});
    }
    gives = (struct tally_value){.i64 = c->i64};
    if (tl_kind_form(c->kind) == TL_FORM_F64)
        gives.f64 = c->f64;
    if (c->kind == TL_STRING)
        gives.text = (struct tally_text){c->text, c->text_size};
    cr_assert(evaluate(&s, 3));
    cr_assert_eq(calls, 2, "a row with NULL is not its to see");
    cr_assert(s.out.null[2] && s.failed[2] == NULL);
    for (size_t row = 0; row < 2; row++) {
        struct tl_value value = tl_vec_get(&s.out, row);

        cr_assert_eq(s.failed[row] == NULL, c->taken, "%s", c->name);
        cr_assert_eq(value.is_null, !c->taken, "%s", c->name);
        if (!c->taken)
            cr_assert_str_eq(s.failed[row], "GIVEN");
        else if (c->kind == TL_STRING)
            cr_assert(tl_sv_eq(value.sv, (struct tl_sv){c->text, c->text_size}));
        else if (c->kind == TL_FLOAT)
            cr_assert_eq(value.f64, (double)0.1f);
        else if (c->kind == TL_DOUBLE)
            cr_assert(isnan(c->f64) ? isnan(value.f64) : value.f64 == c->f64);
        else
            cr_assert_eq(value.i64, c->i64);
    }
    tl_arena_done(&s.arena);
}

Test(user_call, false_fails_the_row_and_null_does_not)
{
    static const struct tally_scalar own = {.call = given};
    static const enum tl_kind kinds[2] = {TL_INT, TL_INT};

    for (int turn = 0; turn < 2; turn++) {
        struct scene s;

        open_scene(&s, &own, kinds, TL_STRING);
        for (uint32_t a = 0; a < 2; a++)
            tl_vec_set(&s.columns[a], 0, &(struct tl_value){.kind = TL_INT, .i64 = 7});
        gives_nothing = turn == 0;
        gives = (struct tally_value){.is_null = true};
        cr_assert(evaluate(&s, 1));
        cr_assert(s.out.null[0]);
        cr_assert_eq(s.failed[0] != NULL, turn == 0);
        tl_arena_done(&s.arena);
    }
}

/* --- arguments, memory ------------------------------------------------------------------------------------------------- */

static size_t wanted = 8;

/* What it was given, written down. */
static bool told(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    char *text = tally_alloc(call, wanted);

    if (text == NULL)
        return true;
    cr_assert(args[0].type == TALLY_BIGINT && args[1].type == TALLY_STRING && result->type == TALLY_STRING);
    text[0] = (char)('0' + (args[0].is_null ? 0 : args[0].i64));
    text[1] = args[1].is_null ? '-' : args[1].text.data[0];
    result->text = (struct tally_text){text, 2};
    return true;
}

Test(user_call, nulls_are_seen_where_they_are_asked_for)
{
    static const struct tally_scalar own = {.flags = TALLY_SEES_NULL, .call = told};
    static const enum tl_kind kinds[2] = {TL_BIGINT, TL_STRING};
    struct scene s;

    open_scene(&s, &own, kinds, TL_STRING);
    tl_vec_set(&s.columns[0], 0, &(struct tl_value){.kind = TL_BIGINT, .i64 = 3});
    tl_vec_set(&s.columns[1], 1, &(struct tl_value){.kind = TL_STRING, .sv = TL_SV("x")});
    cr_assert(evaluate(&s, 3));
    cr_assert(tl_sv_eq(s.out.sv[0], TL_SV("3-")) && tl_sv_eq(s.out.sv[1], TL_SV("0x")) && tl_sv_eq(s.out.sv[2], TL_SV("0-")));
    tl_arena_done(&s.arena);
}

Test(user_call, without_memory_the_batch_fails)
{
    static const struct tally_scalar own = {.flags = TALLY_SEES_NULL, .call = told};
    static const enum tl_kind kinds[2] = {TL_BIGINT, TL_STRING};
    struct scene s;

    open_scene(&s, &own, kinds, TL_STRING);
    wanted = 1 << 20;
    s.arena.bytes_max = s.arena.held_bytes + 4096;
    cr_assert_not(evaluate(&s, 1));
    tl_arena_done(&s.arena);
}

/* Too much at once is no lack of memory: the row fails, in each layer, and the next one has its turn. */
Test(user_call, who_wants_too_much_fails_the_row)
{
    static const struct tally_scalar own = {.flags = TALLY_SEES_NULL, .call = told};
    static const enum tl_kind kinds[2] = {TL_BIGINT, TL_STRING};
    struct scene s;

    open_scene(&s, &own, kinds, TL_STRING);
    wanted = (size_t)TALLY_ALLOC_BYTES_MAX + 1;
    cr_assert(evaluate(&s, 2));
    cr_assert(s.failed[0] != NULL && s.failed[1] != NULL && s.out.null[0] && s.out.null[1]);
    wanted = SIZE_MAX;
    cr_assert(evaluate(&s, 1) && s.failed[0] != NULL);
    wanted = TALLY_ALLOC_BYTES_MAX;
    cr_assert(evaluate(&s, 3));
    cr_assert_eq(s.failed[2], NULL);
    tl_arena_done(&s.arena);
}
