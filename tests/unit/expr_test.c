/* expr_test.c: three-valued logic, what is evaluated at all, selections, aliases, and memory. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"

enum { ROWS = 9, NODES_MAX = 16 };

/* Expressions of a test: nodes and what they hang on. */
struct tree {
    struct tl_expr nodes[NODES_MAX];
    struct tl_expr *lists[NODES_MAX][8];
    int count;
};

static struct tl_expr *node(struct tree *t, enum tl_expr_op op, enum tl_kind kind)
{
    struct tl_expr *expr = &t->nodes[t->count];

    cr_assert_lt(t->count, NODES_MAX);
    *expr = (struct tl_expr){.op = op, .kind = kind, .args = t->lists[t->count]};
    t->count++;
    return expr;
}

static struct tl_expr *slot(struct tree *t, enum tl_kind kind, uint32_t number)
{
    struct tl_expr *expr = node(t, TL_EXPR_SLOT, kind);

    expr->slot = number;
    return expr;
}

static struct tl_expr *number(struct tree *t, enum tl_kind kind, int64_t value)
{
    struct tl_expr *expr = node(t, TL_EXPR_CONSTANT, kind);

    expr->constant = (struct tl_value){.kind = kind, .i64 = value};
    return expr;
}

static struct tl_expr *null_of(struct tree *t, enum tl_kind kind)
{
    struct tl_expr *expr = node(t, TL_EXPR_CONSTANT, kind);

    expr->constant = (struct tl_value){.kind = kind, .is_null = true};
    return expr;
}

static struct tl_expr *with(struct tl_expr *expr, struct tl_expr *a, struct tl_expr *b, struct tl_expr *c)
{
    struct tl_expr *list[] = {a, b, c};

    for (int i = 0; i < 3; i++)
        if (list[i] != NULL)
            expr->args[expr->args_count++] = list[i];
    return expr;
}

static struct tl_expr *call(struct tree *t, const char *name, enum tl_kind result, struct tl_expr *a, struct tl_expr *b)
{
    struct tl_expr *expr = with(node(t, TL_EXPR_CALL, result), a, b, NULL);

    for (const struct tl_catalog *c = tl_function_catalog(); c != NULL && expr->function == NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++)
            if (strcmp(c->functions[i].name, name) == 0 && c->functions[i].args[0] == a->kind && c->functions[i].result == result)
                expr->function = &c->functions[i];
    cr_assert_not_null(expr->function, "%s", name);
    return expr;
}

/* Slots 0 and 1 run through all pairs of FALSE, TRUE, NULL; slot 2 holds 0, 1, 2, 0, 1, 2, ... as INT. */
static struct tl_arena arena;
static struct tl_vec slots[4];
static const char *failed[ROWS];
static struct tl_eval eval;
static const uint32_t all[ROWS] = {0, 1, 2, 3, 4, 5, 6, 7, 8};

static void setup(void)
{
    static const enum tl_kind kinds[] = {TL_BOOLEAN, TL_BOOLEAN, TL_INT, TL_STRING};

    tl_arena_init(&arena, 1 << 16, 0);
    for (uint32_t s = 0; s < 4; s++) {
        cr_assert(tl_vec_alloc(&arena, kinds[s], ROWS, &slots[s]));
        for (uint32_t r = 0; r < ROWS; r++) {
            struct tl_value value = {.kind = kinds[s]};

            if (s < 2) {
                value.i64 = s == 0 ? r / 3 : r % 3;
                value.is_null = value.i64 == 2;
                value.i64 %= 2;
            } else if (s == 2) {
                value.i64 = r % 3;
            } else {
                value.sv = r % 2 ? TL_SV("odd") : TL_SV("even");
                value.is_null = r == 8;
            }
            tl_vec_set(&slots[s], r, &value);
            if (s < 2 && value.is_null)
                slots[s].i64[r] = 1; /* whoever looks below a NULL goes wrong */
        }
    }
    eval = (struct tl_eval){
        .slots = slots, .slots_count = 4, .event_time = &slots[2], .rows_count = ROWS, .arena = &arena, .failed = failed};
}

static void teardown(void)
{
    tl_arena_done(&arena);
}

TestSuite(expr, .init = setup, .fini = teardown);

/* One character a row: 0 1 2 ..., N for NULL, ! for failed, . for a row that was not selected. */
static void check(const struct tl_expr *expr, const uint32_t *rows, uint32_t count, const char *want)
{
    char got[ROWS + 1];
    struct tl_vec out;

    memset(failed, 0, sizeof failed);
    memset(got, '.', ROWS);
    got[ROWS] = 0;
    cr_assert(tl_expr_eval(&eval, expr, rows, count, &out));
    for (uint32_t i = 0; i < count; i++)
        got[rows[i]] = failed[rows[i]] ? '!' : out.null[rows[i]] ? 'N' : (char)('0' + out.i64[rows[i]]);
    for (uint32_t r = 0; r < ROWS; r++)
        if (got[r] == '.')
            cr_assert_not(failed[r], "row %u was not selected", r);
    cr_assert_str_eq(got, want);
}

Test(expr, and_or_not)
{
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0), *b = slot(&t, TL_BOOLEAN, 1);
    struct tl_expr *both = with(node(&t, TL_EXPR_AND, TL_BOOLEAN), a, b, NULL);
    struct tl_expr *either = with(node(&t, TL_EXPR_OR, TL_BOOLEAN), a, b, NULL);

    /* rows: FF FT FN TF TT TN NF NT NN */
    check(both, all, ROWS, "00001N0NN");
    check(either, all, ROWS, "01N111N1N");
    check(call(&t, "NOT", TL_BOOLEAN, both, NULL), all, ROWS, "11110N1NN");
}

Test(expr, and_or_of_three)
{
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0), *b = slot(&t, TL_BOOLEAN, 1);
    struct tl_expr *yes = number(&t, TL_BOOLEAN, 1), *no = number(&t, TL_BOOLEAN, 0), *unknown = null_of(&t, TL_BOOLEAN);

    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), a, yes, b), all, ROWS, "00001N0NN");
    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), unknown, a, b), all, ROWS, "0000NN0NN");
    check(with(node(&t, TL_EXPR_OR, TL_BOOLEAN), a, no, b), all, ROWS, "01N111N1N");
    check(with(node(&t, TL_EXPR_OR, TL_BOOLEAN), unknown, a, b), all, ROWS, "N1N111N1N");
}

/* Division by zero where slot 2 is 0: rows 0, 3, 6. */
static struct tl_expr *ten_over_x(struct tree *t)
{
    return call(t, "/", TL_INT, number(t, TL_INT, 2), slot(t, TL_INT, 2));
}

Test(expr, later_arguments_are_evaluated_only_where_they_decide)
{
    struct tree t = {.count = 0};
    struct tl_expr *x = slot(&t, TL_INT, 2);
    struct tl_expr *not_zero = call(&t, "<>", TL_BOOLEAN, x, number(&t, TL_INT, 0));
    struct tl_expr *is_zero = call(&t, "=", TL_BOOLEAN, x, number(&t, TL_INT, 0));
    struct tl_expr *large = call(&t, ">", TL_BOOLEAN, ten_over_x(&t), number(&t, TL_INT, 1));

    check(large, all, ROWS, "!10!10!10");
    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), not_zero, large, NULL), all, ROWS, "010010010");
    check(with(node(&t, TL_EXPR_OR, TL_BOOLEAN), is_zero, large, NULL), all, ROWS, "110110110");
    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), large, not_zero, NULL), all, ROWS, "!10!10!10");
}

Test(expr, null_and_failure_is_evaluated)
{
    struct tree t = {.count = 0};
    struct tl_expr *large = call(&t, ">", TL_BOOLEAN, ten_over_x(&t), number(&t, TL_INT, 1));

    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), null_of(&t, TL_BOOLEAN), large, NULL), all, ROWS, "!N0!N0!N0");
}

Test(expr, case_takes_the_first_true)
{
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0), *b = slot(&t, TL_BOOLEAN, 1);
    struct tl_expr *expr = node(&t, TL_EXPR_CASE, TL_INT);

    with(expr, a, number(&t, TL_INT, 7), b);
    with(expr, slot(&t, TL_INT, 2), null_of(&t, TL_INT), NULL);
    /* a true: 7; else b true: slot 2; else NULL */
    check(expr, all, ROWS, "N1N777N1N");
}

Test(expr, case_guards_a_division)
{
    struct tree t = {.count = 0};
    struct tl_expr *is_zero = call(&t, "=", TL_BOOLEAN, slot(&t, TL_INT, 2), number(&t, TL_INT, 0));

    check(with(node(&t, TL_EXPR_CASE, TL_INT), is_zero, number(&t, TL_INT, 9), ten_over_x(&t)), all, ROWS, "921921921");
}

Test(expr, coalesce)
{
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0), *b = slot(&t, TL_BOOLEAN, 1);

    check(with(node(&t, TL_EXPR_COALESCE, TL_BOOLEAN), a, b, NULL), all, ROWS, "00011101N");
    check(with(node(&t, TL_EXPR_COALESCE, TL_BOOLEAN), a, b, number(&t, TL_BOOLEAN, 1)), all, ROWS, "000111011");
    check(with(node(&t, TL_EXPR_COALESCE, TL_INT), slot(&t, TL_INT, 2), ten_over_x(&t), NULL), all, ROWS, "012012012");
    check(with(node(&t, TL_EXPR_COALESCE, TL_INT), null_of(&t, TL_INT), ten_over_x(&t), NULL), all, ROWS, "!21!21!21");
}

Test(expr, only_selected_rows)
{
    static const uint32_t some[] = {1, 2, 6};
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0), *b = slot(&t, TL_BOOLEAN, 1);

    check(ten_over_x(&t), some, 3, ".21...!..");
    check(with(node(&t, TL_EXPR_AND, TL_BOOLEAN), a, b, NULL), some, 3, ".00...0..");
    check(with(node(&t, TL_EXPR_COALESCE, TL_BOOLEAN), b, a, NULL), some, 3, ".10...0..");
    check(ten_over_x(&t), some, 0, ".........");
}

Test(expr, a_null_argument_keeps_the_kernel_away)
{
    struct tree t = {.count = 0};
    struct tl_expr *upper = call(&t, "UPPER", TL_STRING, slot(&t, TL_STRING, 3), NULL);
    struct tl_vec out;

    cr_assert(tl_expr_eval(&eval, upper, all, ROWS, &out));
    cr_assert(tl_sv_eq(out.sv[0], TL_SV("EVEN")));
    cr_assert(tl_sv_eq(out.sv[1], TL_SV("ODD")));
    cr_assert(out.null[8] && out.sv[8].size == 0);
    check(call(&t, "/", TL_INT, null_of(&t, TL_INT), number(&t, TL_INT, 0)), all, ROWS, "NNNNNNNNN");
    check(call(&t, "IS NULL", TL_BOOLEAN, upper, NULL), all, ROWS, "000000001");
}

Test(expr, slots_are_aliases)
{
    struct tree t = {.count = 0};
    struct tl_vec out;
    size_t before = arena.held_bytes;

    cr_assert(tl_expr_eval(&eval, slot(&t, TL_STRING, 3), all, ROWS, &out));
    cr_assert_eq(out.sv, slots[3].sv);
    cr_assert_eq(out.null, slots[3].null);
    cr_assert(tl_expr_eval(&eval, slot(&t, TL_INT, TL_SLOT_EVENT_TIME), all, ROWS, &out));
    cr_assert_eq(out.i64, slots[2].i64);
    cr_assert_eq(arena.held_bytes, before);
}

Test(expr, tests_of_truth_see_null)
{
    struct tree t = {.count = 0};
    struct tl_expr *b = slot(&t, TL_BOOLEAN, 1);

    check(call(&t, "IS TRUE", TL_BOOLEAN, b, NULL), all, ROWS, "010010010");
    check(call(&t, "IS NOT TRUE", TL_BOOLEAN, b, NULL), all, ROWS, "101101101");
    check(call(&t, "IS FALSE", TL_BOOLEAN, b, NULL), all, ROWS, "100100100");
    check(call(&t, "IS NOT FALSE", TL_BOOLEAN, b, NULL), all, ROWS, "011011011");
}

Test(expr, filter_keeps_true_only)
{
    struct tree t = {.count = 0};
    uint32_t rows[ROWS];

    memcpy(rows, all, sizeof rows);
    cr_assert_eq(tl_expr_filter(&eval, slot(&t, TL_BOOLEAN, 1), rows, ROWS), 3);
    cr_assert(rows[0] == 1 && rows[1] == 4 && rows[2] == 7);
    cr_assert_eq(tl_expr_filter(&eval, slot(&t, TL_BOOLEAN, 0), rows, 3), 1);
    cr_assert_eq(rows[0], 4);
    memcpy(rows, all, sizeof rows);
    memset(failed, 0, sizeof failed);
    cr_assert_eq(tl_expr_filter(&eval, call(&t, ">", TL_BOOLEAN, ten_over_x(&t), number(&t, TL_INT, 1)), rows, ROWS), 3);
    cr_assert(rows[0] == 1 && rows[1] == 4 && rows[2] == 7 && failed[0] && failed[3] && failed[6]);
    cr_assert_str_eq(failed[0], "/");
}

Test(expr, warm_evaluation_asks_for_no_memory)
{
    struct tl_arena scratch;
    struct tree t = {.count = 0};
    struct tl_expr *expr;
    size_t warm = 0;

    tl_arena_init(&scratch, 1 << 12, 0);
    eval.arena = &scratch;
    expr = call(&t, "=", TL_BOOLEAN, call(&t, "UPPER", TL_STRING, slot(&t, TL_STRING, 3), NULL), null_of(&t, TL_STRING));
    expr = with(node(&t, TL_EXPR_AND, TL_BOOLEAN), slot(&t, TL_BOOLEAN, 0), expr, NULL);
    for (int i = 0; i < 100; i++) {
        struct tl_vec out;

        tl_arena_reset(&scratch);
        cr_assert(tl_expr_eval(&eval, expr, all, ROWS, &out));
        if (i == 1)
            warm = scratch.held_bytes;
        if (i > 1)
            cr_assert_eq(scratch.held_bytes, warm);
    }
    tl_arena_done(&scratch);
}

/* Whatever allocation fails, the answer is false and nothing breaks. */
/* x IN (a thousand values): what one comparison needs is there for the next one again. */
Test(expr, a_long_list_takes_no_more_memory_than_a_short_one)
{
    enum { COMPARISONS = 1000 };
    static struct tl_expr *args[COMPARISONS];
    struct tree t = {.count = 0};
    struct tl_expr *equal = call(&t, "=", TL_BOOLEAN, slot(&t, TL_INT, 2), number(&t, TL_INT, 7));
    struct tl_expr *hit = call(&t, "=", TL_BOOLEAN, slot(&t, TL_INT, 2), number(&t, TL_INT, 1));
    struct tl_expr list = {.op = TL_EXPR_OR, .kind = TL_BOOLEAN, .args = args, .args_count = COMPARISONS};

    for (int i = 0; i < COMPARISONS; i++)
        args[i] = i == COMPARISONS - 1 ? hit : equal;
    check(&list, all, ROWS, "010010010");
    cr_assert_lt(arena.held_bytes, 2 * arena.chunk_bytes, "%zu bytes", arena.held_bytes);
}

Test(expr, among_the_values_of_a_list)
{
    static const struct tl_value numbers[] = {
        {.kind = TL_INT, .i64 = -5},
        {.kind = TL_INT, .i64 = 0 },
        {.kind = TL_INT, .i64 = 2 }
    };
    static const struct tl_value texts[] = {
        {.kind = TL_STRING, .sv = {"even", 4}}
    };
    struct tl_value_list list = {numbers, 3};
    struct tree t = {.count = 0};
    struct tl_expr *among = with(node(&t, TL_EXPR_AMONG, TL_BOOLEAN), slot(&t, TL_INT, 2), NULL, NULL);

    among->state = &list;
    check(among, all, ROWS, "101101101");
    list.count = 1;
    check(among, all, ROWS, "000000000");
    list = (struct tl_value_list){texts, 1};
    among = with(node(&t, TL_EXPR_AMONG, TL_BOOLEAN), slot(&t, TL_STRING, 3), NULL, NULL);
    among->state = &list;
    check(among, all, ROWS, "10101010N");
}

Test(expr, no_memory)
{
    struct tree t = {.count = 0};
    struct tl_expr *a = slot(&t, TL_BOOLEAN, 0);
    struct tl_expr *upper = call(&t, "UPPER", TL_STRING, slot(&t, TL_STRING, 3), NULL);
    struct tl_expr *is_odd = call(&t, "=", TL_BOOLEAN, upper, null_of(&t, TL_STRING));
    struct tl_expr *expr = with(node(&t, TL_EXPR_AND, TL_BOOLEAN), a, is_odd, NULL);
    struct tl_expr *choice = with(node(&t, TL_EXPR_CASE, TL_BOOLEAN), a, is_odd, expr);
    struct tl_expr *first = with(node(&t, TL_EXPR_COALESCE, TL_BOOLEAN), choice, expr, NULL);
    bool done = false;

    for (size_t limit = 1; !done; limit += 64) {
        struct tl_arena scratch;
        struct tl_vec out;
        uint32_t rows[ROWS];

        cr_assert_lt(limit, 1 << 16);
        memcpy(rows, all, sizeof rows);
        tl_arena_init(&scratch, 64, limit);
        eval.arena = &scratch;
        done = tl_expr_eval(&eval, first, all, ROWS, &out);
        if (!done)
            cr_assert_eq(tl_expr_filter(&eval, first, rows, ROWS), UINT32_MAX);
        tl_arena_done(&scratch);
    }
}
