/* expr.c: evaluates bound expressions, a column at a time over a selection of rows.
 *
 * Every column is as long as the batch and is indexed by row number; a selection is an ascending list of row numbers. So a later
 * argument of AND, CASE or COALESCE is just evaluated over a shorter list, into columns whose other rows stay undefined. */
#include "core/expr.h"

#include <string.h>

void tl_memories_done(struct tl_memories *memories)
{
    while (memories->count > 0) {
        memories->count--;
        memories->kind[memories->count]->close(memories->memory[memories->count]);
    }
}

static void *memory_of(struct tl_memories *memories, const struct tl_memory_kind *kind)
{
    for (uint32_t i = 0; i < memories->count; i++)
        if (memories->kind[i] == kind)
            return memories->memory[i];
    assert(memories->count < TL_MEMORY_KINDS_MAX);
    memories->kind[memories->count] = kind;
    memories->memory[memories->count] = kind->open();
    return memories->memory[memories->count] != NULL ? memories->memory[memories->count++] : NULL;
}

static bool make_vec(const struct tl_eval *eval, enum tl_kind kind, struct tl_vec *out)
{
    return tl_vec_alloc(eval->arena, kind, eval->rows_count, out);
}

static uint32_t *make_rows(const struct tl_eval *eval, uint32_t count)
{
    return tl_arena_alloc(eval->arena, ((size_t)count + 1) * sizeof(uint32_t));
}

/* --- slots of either form ---------------------------------------------------------------------------------------------- */

static void fill_rows(struct tl_vec *out, const struct tl_value *value, const uint32_t *rows, uint32_t rows_count)
{
    for (uint32_t i = 0; i < rows_count; i++)
        out->null[rows[i]] = value->is_null;
    switch (tl_kind_form(out->kind)) {
    case TL_FORM_I64: {
        int64_t number = value->is_null ? 0 : value->i64;

        for (uint32_t i = 0; i < rows_count; i++)
            out->i64[rows[i]] = number;
        break;
    }
    case TL_FORM_F64: {
        double number = value->is_null ? 0 : value->f64;

        for (uint32_t i = 0; i < rows_count; i++)
            out->f64[rows[i]] = number;
        break;
    }
    case TL_FORM_TEXT: {
        struct tl_sv text = value->is_null ? (struct tl_sv){"", 0} : value->sv;

        for (uint32_t i = 0; i < rows_count; i++)
            out->sv[rows[i]] = text;
        break;
    }
    }
}

static void copy_rows(struct tl_vec *out, const struct tl_vec *from, const uint32_t *rows, uint32_t rows_count)
{
    for (uint32_t i = 0; i < rows_count; i++)
        out->null[rows[i]] = from->null[rows[i]];
    switch (tl_kind_form(out->kind)) {
    case TL_FORM_I64:
        for (uint32_t i = 0; i < rows_count; i++)
            out->i64[rows[i]] = from->i64[rows[i]];
        break;
    case TL_FORM_F64:
        for (uint32_t i = 0; i < rows_count; i++)
            out->f64[rows[i]] = from->f64[rows[i]];
        break;
    case TL_FORM_TEXT:
        for (uint32_t i = 0; i < rows_count; i++)
            out->sv[rows[i]] = from->sv[rows[i]];
        break;
    }
}

/* Evaluates into rows of a column that is there already. */
static bool eval_into(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                      struct tl_vec *out)
{
    struct tl_vec values;

    if (rows_count == 0)
        return true;
    if (expr->op == TL_EXPR_CONSTANT) {
        fill_rows(out, &expr->constant, rows, rows_count);
        return true;
    }
    if (!tl_expr_eval(eval, expr, rows, rows_count, &values))
        return false;
    copy_rows(out, &values, rows, rows_count);
    return true;
}

/* --- calls ------------------------------------------------------------------------------------------------------------- */

/* The rows without a NULL argument; those with one are NULL in `out`. NULL when there is no memory. */
static const uint32_t *rows_without_null(struct tl_eval *eval, const struct tl_expr *expr, const struct tl_vec *args,
                                         const uint32_t *rows, uint32_t *rows_count, struct tl_vec *out)
{
    static const struct tl_value null = {.kind = TL_NULL, .is_null = true};
    uint8_t any = 0;
    uint32_t *kept, *dropped, kept_count = 0, dropped_count = 0;

    for (uint32_t a = 0; a < expr->args_count; a++) {
        if (expr->args[a]->op == TL_EXPR_CONSTANT && !expr->args[a]->constant.is_null)
            continue;
        for (uint32_t i = 0; i < *rows_count; i++)
            any |= args[a].null[rows[i]];
    }
    if (!any)
        return rows;
    kept = make_rows(eval, *rows_count);
    dropped = make_rows(eval, *rows_count);
    if (kept == NULL || dropped == NULL)
        return NULL;
    for (uint32_t i = 0; i < *rows_count; i++) {
        uint8_t is_null = 0;

        for (uint32_t a = 0; a < expr->args_count; a++)
            is_null |= args[a].null[rows[i]];
        kept[kept_count] = dropped[dropped_count] = rows[i];
        kept_count += !is_null;
        dropped_count += is_null != 0;
    }
    fill_rows(out, &null, dropped, dropped_count);
    *rows_count = kept_count;
    return kept;
}

static bool eval_call(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                      struct tl_vec *out)
{
    struct tl_vec args[TL_ARGS_MAX];
    struct tl_call call = {.args = args,
                           .args_count = expr->args_count,
                           .out = out,
                           .function = expr->function,
                           .state = expr->state,
                           .arena = eval->arena,
                           .eval = eval};

    assert(expr->args_count <= TL_ARGS_MAX);
    for (uint32_t a = 0; a < expr->args_count; a++)
        if (!tl_expr_eval(eval, expr->args[a], rows, rows_count, &args[a]))
            return false;
    if (!make_vec(eval, expr->kind, out))
        return false;
    if (expr->function->null_in_null_out) {
        rows = rows_without_null(eval, expr, args, rows, &rows_count, out);
        if (rows == NULL)
            return false;
        if (rows_count == 0)
            return true;
    }
    if (expr->function->memory != NULL) {
        call.memory = memory_of(eval->memories, expr->function->memory);
        if (call.memory == NULL)
            return false;
    }
    call.rows = rows;
    call.rows_count = rows_count;
    return expr->function->kernel(&call);
}

/* --- forms that decide what is evaluated ------------------------------------------------------------------------------- */

/* AND and OR: `decisive` is the value that ends the matter. Rows that are TRUE or NULL (for AND) go on to the next argument; NULL
 * once seen stays unless the decisive value comes. */
static bool eval_logic(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count, bool decisive,
                       struct tl_vec *out)
{
    const uint32_t *open = rows;
    uint32_t open_count = rows_count;
    uint32_t *kept = make_rows(eval, rows_count);

    if (kept == NULL || !make_vec(eval, TL_BOOLEAN, out))
        return false;
    for (uint32_t i = 0; i < rows_count; i++) {
        out->null[rows[i]] = 0;
        out->i64[rows[i]] = !decisive;
    }
    for (uint32_t a = 0; a < expr->args_count && open_count > 0; a++) {
        struct tl_arena_place mark = tl_arena_mark(eval->arena); /* of an argument its truth is all that stays: lists are long */
        struct tl_vec arg;
        uint32_t kept_count = 0;

        if (!tl_expr_eval(eval, expr->args[a], open, open_count, &arg))
            return false;
        for (uint32_t i = 0; i < open_count; i++) {
            uint32_t row = open[i];

            kept[kept_count] = row;
            if (arg.null[row]) {
                out->null[row] = 1;
                out->i64[row] = 0;
                kept_count++;
            } else if ((arg.i64[row] != 0) == decisive) {
                out->null[row] = 0;
                out->i64[row] = decisive;
            } else {
                kept_count++;
            }
        }
        open = kept; /* in place: what is kept never overtakes what is read */
        open_count = kept_count;
        tl_arena_rewind(eval->arena, mark);
    }
    return true;
}

static bool eval_case(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                      struct tl_vec *out)
{
    const uint32_t *open = rows;
    uint32_t open_count = rows_count;
    uint32_t *kept = make_rows(eval, rows_count), *taken = make_rows(eval, rows_count);

    assert(expr->args_count % 2 == 1);
    if (kept == NULL || taken == NULL || !make_vec(eval, expr->kind, out))
        return false;
    for (uint32_t a = 0; a + 1 < expr->args_count && open_count > 0; a += 2) {
        struct tl_vec condition;
        uint32_t kept_count = 0, taken_count = 0;

        if (!tl_expr_eval(eval, expr->args[a], open, open_count, &condition))
            return false;
        for (uint32_t i = 0; i < open_count; i++) {
            uint32_t row = open[i];

            if (!condition.null[row] && condition.i64[row])
                taken[taken_count++] = row;
            else
                kept[kept_count++] = row;
        }
        if (!eval_into(eval, expr->args[a + 1], taken, taken_count, out))
            return false;
        open = kept;
        open_count = kept_count;
    }
    return eval_into(eval, expr->args[expr->args_count - 1], open, open_count, out);
}

static bool eval_coalesce(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                          struct tl_vec *out)
{
    const uint32_t *open = rows;
    uint32_t open_count = rows_count;
    uint32_t *kept = make_rows(eval, rows_count);

    if (kept == NULL || !make_vec(eval, expr->kind, out))
        return false;
    for (uint32_t a = 0; a < expr->args_count && open_count > 0; a++) {
        uint32_t kept_count = 0;

        if (!eval_into(eval, expr->args[a], open, open_count, out))
            return false;
        for (uint32_t i = 0; i < open_count; i++) {
            uint32_t row = open[i];

            kept[kept_count] = row;
            kept_count += out->null[row] != 0;
        }
        open = kept;
        open_count = kept_count;
    }
    return true;
}

static bool is_among(const struct tl_value_list *list, const struct tl_value *value)
{
    uint32_t low = 0, high = list->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = tl_value_order(value, &list->values[middle]);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool eval_among(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count,
                       struct tl_vec *out)
{
    struct tl_vec x;

    if (!tl_expr_eval(eval, expr->args[0], rows, rows_count, &x) || !make_vec(eval, TL_BOOLEAN, out))
        return false;
    for (uint32_t i = 0; i < rows_count; i++) {
        struct tl_value value = tl_vec_get(&x, rows[i]);

        out->null[rows[i]] = value.is_null;
        out->i64[rows[i]] = !value.is_null && is_among(expr->state, &value);
    }
    return true;
}

bool tl_expr_eval(struct tl_eval *eval, const struct tl_expr *expr, const uint32_t *rows, uint32_t rows_count, struct tl_vec *out)
{
    switch (expr->op) {
    case TL_EXPR_SLOT:
        if (expr->slot == TL_SLOT_EVENT_TIME) {
            *out = *eval->event_time;
            return true;
        }
        assert(expr->slot < eval->slots_count);
        *out = eval->slots[expr->slot];
        return true;
    case TL_EXPR_CONSTANT:
        if (!make_vec(eval, expr->kind, out))
            return false;
        fill_rows(out, &expr->constant, rows, rows_count);
        return true;
    case TL_EXPR_CALL: return eval_call(eval, expr, rows, rows_count, out);
    case TL_EXPR_AND: return eval_logic(eval, expr, rows, rows_count, false, out);
    case TL_EXPR_OR: return eval_logic(eval, expr, rows, rows_count, true, out);
    case TL_EXPR_CASE: return eval_case(eval, expr, rows, rows_count, out);
    case TL_EXPR_COALESCE: return eval_coalesce(eval, expr, rows, rows_count, out);
    case TL_EXPR_AMONG: return eval_among(eval, expr, rows, rows_count, out);
    }
    return false;
}

uint32_t tl_expr_filter(struct tl_eval *eval, const struct tl_expr *condition, uint32_t *rows, uint32_t rows_count)
{
    struct tl_vec truth;
    uint32_t kept_count = 0;

    if (!tl_expr_eval(eval, condition, rows, rows_count, &truth))
        return UINT32_MAX;
    for (uint32_t i = 0; i < rows_count; i++) {
        uint32_t row = rows[i];

        rows[kept_count] = row;
        kept_count += !truth.null[row] && truth.i64[row];
    }
    return kept_count;
}
