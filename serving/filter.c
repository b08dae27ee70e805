/* filter.c: which rows of a view a client wants. See filter.h. */
#include "filter.h"

#include "core/like.h"

struct tl_filter_term {
    uint32_t column;
    enum tl_operator op;
    struct tl_value *values;
    size_t values_count;
    const struct tl_like *like;
};

static enum tl_code find_column(const struct tl_served_columns *columns, struct tl_sv name, uint32_t *out,
                                struct tl_refusal *refusal, struct tl_err *err)
{
    for (uint32_t i = 0; i < columns->columns_count; i++)
        if (tl_sv_eq(columns->columns[i].name, name)) {
            *out = i;
            return TL_OK;
        }
    *refusal = (struct tl_refusal){.parameter = "where"};
    for (uint32_t i = 0; i < columns->columns_count && i < TL_REFUSAL_ALLOWED_MAX; i++)
        refusal->allowed[refusal->allowed_count++] = columns->columns[i].name;
    return tl_fail(err, TL_ERR_USAGE, "where: the view has no column '%.*s'", (int)tl_min_i64((int64_t)name.size, 100),
                   name.data);
}

/* The next of the values of `in`: \, is a comma and \\ a backslash. */
static bool next_of_in(struct tl_arena *arena, struct tl_sv *rest, struct tl_sv *out)
{
    char *text = tl_arena_bytes(arena, rest->size + 1);
    size_t size = 0, at = 0;

    if (text == NULL)
        return false;
    for (; at < rest->size && rest->data[at] != ','; at++) {
        if (rest->data[at] == '\\' && at + 1 < rest->size && (rest->data[at + 1] == ',' || rest->data[at + 1] == '\\'))
            at++;
        text[size++] = rest->data[at];
    }
    *out = (struct tl_sv){text, size};
    *rest = at < rest->size ? (struct tl_sv){rest->data + at + 1, rest->size - at - 1} : (struct tl_sv){NULL, 0};
    return true;
}

static enum tl_code read_values(struct tl_arena *arena, const struct tl_shape_column *column, struct tl_sv text,
                                struct tl_filter_term *term, struct tl_err *err)
{
    size_t most = 1;
    struct tl_sv one = text;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; term->op == TL_OP_IN && i < text.size; i++)
        most += text.data[i] == ',';
    if (most > TL_SELECT_VALUES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: in has %d values at most", TL_SELECT_VALUES_MAX));
    term->values = tl_arena_zalloc(arena, most * sizeof *term->values);
    if (term->values == NULL)
        TL_TRY(tl_fail_memory(err, most * sizeof *term->values));
    do {
        if (term->op == TL_OP_IN && !next_of_in(arena, &text, &one))
            TL_TRY(tl_fail_memory(err, text.size));
        TL_TRY(tl_condition_value(column->name, column->kind, one, &term->values[term->values_count], err));
        term->values_count++;
    } while (term->op == TL_OP_IN && text.data != NULL);
out:
    return rc;
}

static enum tl_code read_term(struct tl_arena *arena, const struct tl_served_columns *columns, struct tl_sv text,
                              struct tl_filter_term *term, struct tl_refusal *refusal, struct tl_err *err)
{
    const struct tl_shape_column *column;
    struct tl_condition condition;
    enum tl_code rc;

    if (!tl_arena_copy(arena, text, &text))
        TL_TRY(tl_fail_memory(err, text.size));
    TL_TRY(tl_condition_read(text, &condition, refusal, err));
    TL_TRY(find_column(columns, condition.column, &term->column, refusal, err));
    column = &columns->columns[term->column];
    term->op = condition.op;
    if (term->op == TL_OP_LIKE && column->kind != TL_STRING)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: column '%.*s' is %s, and like is for text", TL_SV_ARG(column->name),
                       tl_kind_name(column->kind)));
    if (term->op == TL_OP_LIKE)
        TL_TRY(tl_like_compile(condition.value, TL_SV("\\"), arena, &term->like, err));
    else if (term->op != TL_OP_NULL && term->op != TL_OP_NOTNULL)
        TL_TRY(read_values(arena, column, condition.value, term, err));
out:
    return rc;
}

enum tl_code tl_filter_read(struct tl_arena *arena, const struct tl_served_columns *columns, const struct tl_sv *conditions,
                            size_t count, struct tl_filter *out, struct tl_refusal *refusal, struct tl_err *err)
{
    struct tl_filter filter = {.terms = tl_arena_zalloc(arena, (count + 1) * sizeof *filter.terms)};
    enum tl_code rc = TL_OK;

    *refusal = (struct tl_refusal){.parameter = "where"};
    if (filter.terms == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *filter.terms));
    if (count > TL_SELECT_CONDITIONS_MAX)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: there are %d conditions at most", TL_SELECT_CONDITIONS_MAX));
    for (; filter.count < count; filter.count++)
        TL_TRY(read_term(arena, columns, conditions[filter.count], &filter.terms[filter.count], refusal, err));
    *out = filter;
out:
    return rc;
}

static bool holds(const struct tl_filter_term *term, const struct tl_value *value)
{
    if (term->op == TL_OP_NULL || term->op == TL_OP_NOTNULL)
        return value->is_null == (term->op == TL_OP_NULL);
    if (value->is_null)
        return false;
    if (term->op == TL_OP_LIKE)
        return tl_like_match(term->like, value->sv);
    for (size_t i = 0; i < term->values_count; i++) {
        int order = tl_value_order(value, &term->values[i]);

        switch (term->op) {
        case TL_OP_NE: return order != 0;
        case TL_OP_LT: return order < 0;
        case TL_OP_LE: return order <= 0;
        case TL_OP_GT: return order > 0;
        case TL_OP_GE: return order >= 0;
        default:
            if (order == 0)
                return true;
        }
    }
    return false;
}

bool tl_filter_takes(const struct tl_filter *filter, const struct tl_value *row)
{
    for (size_t i = 0; i < filter->count; i++)
        if (!holds(&filter->terms[i], &row[filter->terms[i].column]))
            return false;
    return true;
}
