/* udf_trial.c: calls a library's functions with made-up rows. See udf_trial.h.
 *
 * A scalar function: each row twice gives the same. An aggregate: the rows in order, backwards, dealt to two states that are merged
 * either way, and through bytes: always the same bytes and the same result. */
#include "core/udf_trial.h"

#include <stdio.h>
#include <string.h>

#include "core/agg.h"
#include "core/expr.h"
#include "core/function_number.h"
#include "event/timestamp.h"

enum { ROWS = 24 };

struct bench {
    const struct tl_function *function;
    struct tl_arena arena;
    struct tl_expr slots[TL_PARAMETERS_MAX], *args[TL_PARAMETERS_MAX], expr;
    struct tl_vec columns[TL_PARAMETERS_MAX], inputs[TL_PARAMETERS_MAX];
    struct tl_agg_call call;
    struct tl_agg_layout layout;
};

/* --- rows -------------------------------------------------------------------------------------------------------------- */

static int64_t whole_of(enum tl_kind kind, uint32_t number)
{
    static const int64_t wholes[] = {0,  1,     -1,     7,       100,       -128,      127,        2,
                                     65, 32767, -32768, 1000000, INT64_MAX, INT64_MIN, 2147483647, 12};
    int64_t min = TL_TIME_MIN_MS, max = TL_TIME_MAX_MS, value = wholes[number % TL_COUNT(wholes)];

    if (kind == TL_BOOLEAN)
        return value & 1;
    if (tl_kind_is_integer(kind))
        tl_kind_range(kind, &min, &max);
    return value < min ? min : value > max ? max : value;
}

static double real_of(enum tl_kind kind, uint32_t number)
{
    static const double reals[] = {0.1, 1e16, -1e16, 0, 3, 0.7, 1e-300, -2.5, 1e300, 1.0 / 3, 12345.678, 2, -0.1};
    double value = reals[number % TL_COUNT(reals)];

    return kind == TL_FLOAT ? (double)(float)(value > 1e30 ? 1e30 : value) : value;
}

static struct tl_sv text_of(uint32_t number)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "/shop/cart?utm_source=mail&id=7",
                                        "b",
                                        "\xc3\x84rger",
                                        "12",
                                        "https://www.example.com/",
                                        "zz",
                                        "ff",
                                        "/",
                                        "a b",
                                        "{\"a\": 1}",
                                        "\xe4\xb8\xad\xe6\x96\x87",
                                        "203.0.113.7",
                                        "-",
                                        "%41"};

    return tl_sv_from(texts[number % TL_COUNT(texts)]);
}

/* Arguments move against each other, so that each meets several of the others. */
static void row_make(struct tl_vec *column, uint32_t arg, uint32_t row)
{
    uint32_t number = row + arg * (1 + row / 5);

    column->null[row] = 0;
    switch (tl_kind_form(column->kind)) {
    case TL_FORM_I64: column->i64[row] = whole_of(column->kind, number); break;
    case TL_FORM_F64: column->f64[row] = real_of(column->kind, number); break;
    case TL_FORM_TEXT: column->sv[row] = text_of(number); break;
    }
}

static bool bench_make(struct bench *b, const struct tl_function *function)
{
    *b = (struct bench){.function = function};
    tl_arena_init(&b->arena, 1u << 16, 0);
    for (uint32_t a = 0; a < function->args_max; a++) {
        b->slots[a] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = function->args[a], .slot = a};
        b->args[a] = &b->slots[a];
        if (!tl_vec_alloc(&b->arena, function->args[a], ROWS, &b->columns[a]))
            return false;
        for (uint32_t row = 0; row < ROWS; row++)
            row_make(&b->columns[a], a, row);
    }
    return true;
}

/* --- scalar functions -------------------------------------------------------------------------------------------------- */

static bool evaluate(struct bench *b, const char **failed, struct tl_vec *out)
{
    struct tl_memories memories = {.count = 0};
    struct tl_eval eval = {.slots = b->columns,
                           .slots_count = b->function->args_max,
                           .rows_count = ROWS,
                           .arena = &b->arena,
                           .failed = failed,
                           .memories = &memories};
    uint32_t rows[ROWS];

    for (uint32_t row = 0; row < ROWS; row++) {
        rows[row] = row;
        failed[row] = NULL;
    }
    return tl_expr_eval(&eval, &b->expr, rows, ROWS, out);
}

static enum tl_code scalar_try(struct bench *b, struct tl_err *err)
{
    const char *failed[2][ROWS];
    struct tl_vec out[2];

    b->expr = (struct tl_expr){.op = TL_EXPR_CALL,
                               .kind = b->function->result,
                               .function = b->function,
                               .args = b->args,
                               .args_count = b->function->args_max};
    for (int turn = 0; turn < 2; turn++)
        if (!evaluate(b, failed[turn], &out[turn]))
            return tl_fail_memory(err, sizeof *b);
    for (uint32_t row = 0; row < ROWS; row++) {
        struct tl_value first = tl_vec_get(&out[0], row), second = tl_vec_get(&out[1], row);

        if (failed[0][row] != failed[1][row] || !tl_value_eq(&first, &second))
            return tl_fail(err, TL_ERR_DEFINITION, "%s gives different results for the same arguments", b->function->name);
    }
    return TL_OK;
}

/* --- aggregates -------------------------------------------------------------------------------------------------------- */

static bool block_make(struct bench *b, void **out)
{
    *out = tl_arena_zalloc(&b->arena, b->layout.state_bytes);
    return *out != NULL;
}

/* Rows from `first` on, every `by`th, forwards or backwards. */
static bool block_step(struct bench *b, void *block, uint32_t first, uint32_t by, bool backwards)
{
    const struct tl_agg_rows in = {.inputs = b->inputs};
    struct tl_arena *arena = &b->arena;

    for (uint32_t i = first; i < ROWS; i += by) {
        uint32_t row = backwards ? ROWS - 1 - (i - first) : i;

        if (!tl_agg_step(&b->layout, &in, &row, 1, &block, &arena))
            return false;
    }
    return true;
}

static bool block_rows(struct bench *b, uint32_t first, uint32_t by, void **out)
{
    return block_make(b, out) && block_step(b, *out, first, by, false);
}

static bool block_save(struct bench *b, const void *block, struct tl_sv *out)
{
    struct tl_buf bytes;
    bool saved;

    tl_buf_init(&bytes, 0);
    tl_agg_save(&b->layout, block, &bytes);
    saved = !bytes.failed && tl_arena_copy(&b->arena, tl_buf_sv(&bytes), out);
    tl_buf_done(&bytes);
    return saved;
}

static enum tl_code same_bytes(struct bench *b, const void *block, struct tl_sv want, const char *what, struct tl_err *err)
{
    struct tl_sv bytes;

    if (!block_save(b, block, &bytes))
        return tl_fail_memory(err, sizeof *b);
    if (!tl_sv_eq(bytes, want))
        return tl_fail(err, TL_ERR_DEFINITION, "%s: %s", b->function->name, what);
    return TL_OK;
}

/* Through bytes: loads, saves the same, and gives the same result. */
static enum tl_code bytes_try(struct bench *b, const void *block, struct tl_err *err)
{
    struct tl_vec results;
    struct tl_value before, after;
    struct tl_sv bytes;
    struct tl_reader reader;
    const void *both[2] = {block, NULL};
    void *loaded;
    enum tl_code rc;

    if (!block_save(b, block, &bytes) || !block_make(b, &loaded) || !tl_vec_alloc(&b->arena, b->function->result, 2, &results))
        return tl_fail_memory(err, sizeof *b);
    reader = tl_reader_of(bytes);
    rc = tl_agg_load(&b->layout, &reader, loaded, &b->arena, err);
    if (rc == TL_ERR_CORRUPT)
        return tl_fail(err, TL_ERR_DEFINITION, "%s: load refuses what save has written", b->function->name);
    if (rc != TL_OK)
        return rc;
    rc = same_bytes(b, loaded, bytes, "a state that was saved and loaded is saved as other bytes", err);
    if (rc != TL_OK)
        return rc;
    both[1] = loaded;
    if (!tl_agg_finish(&b->layout, 0, both, 2, &b->arena, &results))
        return tl_fail_memory(err, sizeof *b);
    before = tl_vec_get(&results, 0);
    after = tl_vec_get(&results, 1);
    if (!tl_value_eq(&before, &after))
        return tl_fail(err, TL_ERR_DEFINITION, "%s: a state that was saved and loaded gives another result", b->function->name);
    return TL_OK;
}

/* Two parts of the rows, and nothing, merged either way. */
static enum tl_code merge_try(struct bench *b, struct tl_sv all, struct tl_err *err)
{
    static const char order[] = "the bytes go by the order in which states are merged";
    void *even, *odd, *other_odd, *empty, *whole;
    struct tl_sv even_bytes;
    enum tl_code rc;

    if (!block_rows(b, 0, 2, &even) || !block_rows(b, 1, 2, &odd) || !block_rows(b, 1, 2, &other_odd) || !block_make(b, &empty) ||
        !block_make(b, &whole) || !block_save(b, even, &even_bytes) || !tl_agg_merge(&b->layout, other_odd, even, &b->arena))
        return tl_fail_memory(err, sizeof *b);
    TL_TRY(same_bytes(b, even, even_bytes, "merge changes the state that it reads", err));
    TL_TRY(same_bytes(b, other_odd, all, order, err));
    if (!tl_agg_merge(&b->layout, even, odd, &b->arena))
        return tl_fail_memory(err, sizeof *b);
    TL_TRY(same_bytes(b, even, all, order, err));
    if (!tl_agg_merge(&b->layout, even, empty, &b->arena) || !tl_agg_merge(&b->layout, whole, even, &b->arena))
        return tl_fail_memory(err, sizeof *b);
    TL_TRY(same_bytes(b, even, all, "a state of no rows, merged, changes the bytes", err));
    TL_TRY(same_bytes(b, whole, all, "a state merged into one of no rows has other bytes", err));
out:
    return rc;
}

static enum tl_code aggregate_try(struct bench *b, struct tl_err *err)
{
    void *whole, *backwards, *empty;
    struct tl_sv all;
    enum tl_code rc;

    b->call = (struct tl_agg_call){.agg = TL_AGG_USER,
                                   .args = b->args,
                                   .args_count = b->function->args_max,
                                   .kind = b->function->result,
                                   .user = b->function};
    TL_TRY(tl_agg_layout_init(&b->layout, &b->call, 1, &b->arena, err));
    for (uint32_t i = 0; i < b->layout.inputs_count; i++)
        b->inputs[i] = b->columns[b->layout.inputs[i]->slot];
    if (!block_make(b, &empty) || !block_make(b, &backwards) || !block_rows(b, 0, 1, &whole) ||
        !block_step(b, backwards, 0, 1, true) || !block_save(b, whole, &all))
        return tl_fail_memory(err, sizeof *b);
    TL_TRY(bytes_try(b, empty, err));
    TL_TRY(bytes_try(b, whole, err));
    TL_TRY(same_bytes(b, backwards, all, "the bytes go by the order of the rows", err));
    TL_TRY(merge_try(b, all, err));
out:
    return rc;
}

/* --- all of them ------------------------------------------------------------------------------------------------------- */

enum tl_code tl_udf_try(const struct tl_catalog *catalog, char doing[TL_TRIAL_DOING_BYTES], struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < catalog->functions_count && rc == TL_OK; i++) {
        const struct tl_function *function = &catalog->functions[i];
        struct bench bench;

        snprintf(doing, TL_TRIAL_DOING_BYTES, "was tried: %s", function->name);
        if (!bench_make(&bench, function))
            rc = tl_fail_memory(err, sizeof bench);
        else
            rc = function->aggregate != NULL ? aggregate_try(&bench, err) : scalar_try(&bench, err);
        if (rc == TL_ERR_MEMORY) /* the rows are few: it is the function that wants much */
            rc = tl_fail(err, TL_ERR_DEFINITION, "%s: there is not the memory that it asks for%s", function->name,
                         function->aggregate != NULL ? "; in save there is none" : "");
        tl_arena_done(&bench.arena);
    }
    return rc;
}
