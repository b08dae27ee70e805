/* bind_expr.c: expressions: columns and functions are found, types decided, casts written out. */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"

/* Every tl_expr of a plan is the first member of one of these: what it would be, written out in full, is kept beside it, since
 * views over views can double an expression with each step. */
struct bound {
    struct tl_expr expr;
    uint32_t depth, nodes;
};

static const struct bound *bound_of(const struct tl_expr *expr)
{
    return (const struct bound *)(const void *)expr;
}

struct tl_expr *tl_bind_node(struct tl_bind *bind, enum tl_expr_op op, enum tl_kind kind, struct tl_place place,
                             uint32_t args_count)
{
    struct bound *made = tl_arena_zalloc(bind->arena, sizeof *made);

    if (made == NULL)
        return NULL;
    made->expr.op = op;
    made->expr.kind = kind;
    made->expr.place = place;
    made->expr.args_count = args_count;
    made->depth = made->nodes = 1;
    if (args_count > 0) {
        made->expr.args = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * args_count);
        if (made->expr.args == NULL)
            return NULL;
    }
    return &made->expr;
}

/* Counts depth and nodes once the args are in place. */
enum tl_code tl_bind_node_close(struct tl_bind *bind, struct tl_expr *expr, struct tl_span at)
{
    struct bound *made = (struct bound *)(void *)expr;

    for (uint32_t i = 0; i < expr->args_count; i++) {
        const struct bound *arg = bound_of(expr->args[i]);

        if (arg->depth >= made->depth)
            made->depth = arg->depth + 1;
        made->nodes += arg->nodes;
        if (made->nodes > TL_BIND_NODES_MAX)
            break;
    }
    if (made->depth > TL_BIND_DEPTH_MAX)
        return tl_mistake(bind->err, bind->text, at, "let a stored view hold the steps between",
                          "with the views that it reads, the expression is nested deeper than %d", TL_BIND_DEPTH_MAX);
    if (made->nodes > TL_BIND_NODES_MAX)
        return tl_mistake(bind->err, bind->text, at, "each view repeats the expressions of the view it reads: shorten them",
                          "with the views that it reads, the expression has more than %d parts", TL_BIND_NODES_MAX);
    return TL_OK;
}

struct tl_expr *tl_bind_slot(struct tl_bind *bind, enum tl_kind kind, uint32_t slot, struct tl_place place)
{
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_SLOT, kind, place, 0);

    if (expr != NULL)
        expr->slot = slot;
    return expr;
}

enum tl_code tl_bind_constant(struct tl_bind *bind, struct tl_value value, struct tl_span at, struct tl_expr **out)
{
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_CONSTANT, value.kind, at.place, 0);

    if (expr == NULL)
        return tl_bind_no_memory(bind);
    expr->constant = value;
    *out = expr;
    return TL_OK;
}

bool tl_expr_same(const struct tl_expr *a, const struct tl_expr *b)
{
    if (a == b)
        return true;
    if (a->op != b->op || a->kind != b->kind || a->args_count != b->args_count || a->function != b->function)
        return false;
    if (a->op == TL_EXPR_SLOT)
        return a->slot == b->slot;
    if (a->op == TL_EXPR_CONSTANT)
        return a->constant.kind == b->constant.kind && tl_value_eq(&a->constant, &b->constant);
    if (a->op == TL_EXPR_AMONG && a->state != b->state)
        return false;
    for (uint32_t i = 0; i < a->args_count; i++)
        if (!tl_expr_same(a->args[i], b->args[i]))
            return false;
    return true;
}

/* A chain of ANDs is one node, however it was put together: the same conditions in a view or in a view that it reads are the
 * same plan. */
enum tl_code tl_bind_and(struct tl_bind *bind, struct tl_expr *a, struct tl_expr *b, struct tl_span at, struct tl_expr **out)
{
    struct tl_expr *const sides[2] = {a, b};
    struct tl_expr *expr;
    uint32_t count = 0;

    if (a == NULL || b == NULL) {
        *out = a != NULL ? a : b;
        return TL_OK;
    }
    for (size_t i = 0; i < TL_COUNT(sides); i++)
        count += sides[i]->op == TL_EXPR_AND ? sides[i]->args_count : 1;
    expr = tl_bind_node(bind, TL_EXPR_AND, TL_BOOLEAN, at.place, count);
    if (expr == NULL)
        return tl_bind_no_memory(bind);
    count = 0;
    for (size_t i = 0; i < TL_COUNT(sides); i++) {
        if (sides[i]->op != TL_EXPR_AND)
            expr->args[count++] = sides[i];
        for (uint32_t k = 0; sides[i]->op == TL_EXPR_AND && k < sides[i]->args_count; k++)
            expr->args[count++] = sides[i]->args[k];
    }
    *out = expr;
    return tl_bind_node_close(bind, expr, at);
}

/* --- casts and common types ----------------------------------------------------------------------------------------------- */

static bool kinds_match(enum tl_kind parameter, enum tl_kind given)
{
    return parameter == given;
}

enum tl_kind tl_bind_parameter(const struct tl_function *function, uint32_t i)
{
    uint32_t last = 0;

    if (i < TL_PARAMETERS_MAX && function->args[i] != 0)
        return function->args[i];
    while (last + 1 < TL_PARAMETERS_MAX && function->args[last + 1] != 0)
        last++;
    return function->args[last];
}

/* The row of the catalog for exactly these kinds (result 0: any). */
const struct tl_function *tl_bind_function(const struct tl_catalog *catalog, struct tl_sv name, const enum tl_kind *kinds,
                                           uint32_t kinds_count, enum tl_kind result)
{
    for (; catalog != NULL; catalog = catalog->next)
        for (size_t i = 0; i < catalog->functions_count; i++) {
            const struct tl_function *f = &catalog->functions[i];
            bool fits = kinds_count >= f->args_min && kinds_count <= f->args_max && (result == 0 || f->result == result) &&
                        tl_sv_eq_nocase(name, tl_sv_from(f->name));

            for (uint32_t k = 0; fits && k < kinds_count; k++)
                fits = kinds_match(tl_bind_parameter(f, k), kinds[k]);
            if (fits)
                return f;
        }
    return NULL;
}

/* Makes the call; args have the kinds that the function wants. */
enum tl_code tl_bind_function_call(struct tl_bind *bind, const struct tl_function *function, struct tl_expr *const *args,
                                   uint32_t args_count, struct tl_span at, struct tl_expr **out)
{
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_CALL, function->result, at.place, args_count);
    struct tl_value *constants;
    struct tl_err why = {0};
    enum tl_code rc;

    if (expr == NULL)
        return tl_bind_no_memory(bind);
    expr->function = function;
    for (uint32_t i = 0; i < args_count; i++)
        expr->args[i] = args[i];
    if (function->prepare != NULL) {
        struct tl_prepare with = {
            .args_count = args_count, .zone = bind->zone, .functions = bind->catalog->files, .arena = bind->arena};

        constants = tl_arena_zalloc(bind->arena, sizeof *constants * (args_count + 1u));
        if (constants == NULL)
            return tl_bind_no_memory(bind);
        for (uint32_t i = 0; i < args_count; i++) {
            constants[i] = (struct tl_value){.kind = TL_NULL, .is_null = true};
            if (args[i]->op == TL_EXPR_CONSTANT)
                constants[i] = args[i]->constant;
        }
        with.constants = constants;
        rc = function->prepare(&with, &expr->state, &why);
        if (rc == TL_ERR_MEMORY)
            return tl_bind_no_memory(bind);
        if (rc != TL_OK)
            return tl_mistake(bind->err, bind->text, at, function->signature, "%.300s", why.message);
    }
    rc = tl_bind_node_close(bind, expr, at);
    if (rc == TL_OK)
        *out = expr;
    return rc;
}

/* A numeric constant takes a wider type at once: the value is the same, and nothing is left to do per event. */
static bool constant_widen(struct tl_value *value, enum tl_kind kind)
{
    if (value->is_null) {
        *value = (struct tl_value){.kind = kind, .is_null = true};
        return true;
    }
    if (!tl_kind_is_integer(value->kind) || !tl_kind_is_numeric(kind))
        return false;
    if (tl_kind_is_integer(kind)) {
        int64_t min, max;

        tl_kind_range(kind, &min, &max);
        if (value->i64 < min || value->i64 > max)
            return false;
    } else {
        value->f64 = kind == TL_FLOAT ? (double)(float)value->i64 : (double)value->i64;
    }
    value->kind = kind;
    return true;
}

enum tl_code tl_bind_cast(struct tl_bind *bind, struct tl_expr *expr, enum tl_kind kind, struct tl_span at, struct tl_expr **out)
{
    const struct tl_function *function;

    if (expr->kind == kind) {
        *out = expr;
        return TL_OK;
    }
    if (expr->op == TL_EXPR_CONSTANT) {
        struct tl_value value = expr->constant;

        if (constant_widen(&value, kind))
            return tl_bind_constant(bind, value, at, out);
    }
    function = tl_bind_function(bind->catalog, TL_SV("CAST"), &expr->kind, 1, kind);
    if (function == NULL)
        return tl_mistake(bind->err, bind->text, at,
                          expr->kind == TL_NULL ? NULL
                                                : "go through STRING, if that is what you want: CAST(CAST(x AS STRING) AS type)",
                          "%s cannot be cast to %s", tl_kind_name(expr->kind), tl_kind_name(kind));
    return tl_bind_function_call(bind, function, &expr, 1, at, out);
}

/* Flink's: the wider integer; with FLOAT, FLOAT; with DOUBLE, DOUBLE. 0: there is none. */
static enum tl_kind kind_common(enum tl_kind a, enum tl_kind b)
{
    if (a == b || b == TL_NULL)
        return a;
    if (a == TL_NULL)
        return b;
    if (tl_kind_is_numeric(a) && tl_kind_is_numeric(b))
        return a > b ? a : b; /* the kinds stand in that order (value.h) */
    return 0;
}

static bool kind_is_time(enum tl_kind kind)
{
    return kind == TL_TIMESTAMP || kind == TL_TIMESTAMP_LTZ;
}

/* What to write where two types do not meet. */
static const char *meet_hint(enum tl_kind a, enum tl_kind b)
{
    enum tl_kind other = a == TL_STRING ? b : a;

    if (a == TL_STRING || b == TL_STRING) {
        if (kind_is_time(other))
            return other == TL_TIMESTAMP ? "write TIMESTAMP '2024-03-01 10:00:00', or CAST(x AS TIMESTAMP(3))"
                                         : "write CAST(x AS TIMESTAMP_LTZ(3))";
        if (tl_kind_is_numeric(other))
            return "write the number without quotes, or CAST one of the two";
        if (other == TL_BOOLEAN)
            return "write TRUE or FALSE, or CAST one of the two";
    }
    if (kind_is_time(a) && kind_is_time(b))
        return "CAST one of the two: CAST(x AS TIMESTAMP_LTZ(3)) is an instant, CAST(x AS TIMESTAMP(3)) its wall clock";
    if (a == TL_INTERVAL || b == TL_INTERVAL)
        return "an interval is added to a timestamp or taken from it";
    return "CAST one of the two";
}

/* --- operators and calls -------------------------------------------------------------------------------------------------- */

/* An untyped NULL gets this kind; anything else stays. */
enum tl_code tl_bind_null_type(struct tl_bind *bind, struct tl_expr **expr, enum tl_kind kind, struct tl_span at)
{
    return (*expr)->kind == TL_NULL ? tl_bind_cast(bind, *expr, kind, at, expr) : TL_OK;
}

static enum tl_code operator_unknown(struct tl_bind *bind, const struct tl_ast_expr *ast, const enum tl_kind *kinds,
                                     uint32_t count)
{
    bool like = tl_sv_eq(ast->text, TL_SV("LIKE"));
    struct tl_sv symbol = tl_sv_eq(ast->text, TL_SV("NEGATE")) ? TL_SV("-") : ast->text;

    if (count == 1)
        return tl_mistake(bind->err, bind->text, ast->key_at, "CAST it to a type that has it", "%.*s has no meaning for %s",
                          TL_SHOWN(symbol), tl_kind_name(kinds[0]));
    return tl_mistake(bind->err, bind->text, ast->key_at,
                      like                   ? "LIKE is for texts: CAST(x AS STRING)"
                      : kinds[0] == kinds[1] ? "CAST both to a type that has it"
                                             : meet_hint(kinds[0], kinds[1]),
                      "%.*s has no meaning between %s and %s", TL_SHOWN(symbol), tl_kind_name(kinds[0]), tl_kind_name(kinds[1]));
}

static enum tl_code operator_find(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr *const *args,
                                  uint32_t count, struct tl_expr **out)
{
    enum tl_kind kinds[TL_ARGS_MAX] = {TL_NULL};
    const struct tl_function *function;

    for (uint32_t i = 0; i < count; i++)
        kinds[i] = args[i]->kind;
    function = tl_bind_function(bind->catalog, ast->text, kinds, count, 0);
    if (function == NULL)
        return operator_unknown(bind, ast, kinds, count);
    return tl_bind_function_call(bind, function, args, count, ast->key_at, out);
}

/* Times and intervals that are constants are added here and now. */
static bool times_fold(const struct tl_ast_expr *ast, const struct tl_expr *a, const struct tl_expr *b, struct tl_value *out)
{
    bool minus = tl_sv_eq(ast->text, TL_SV("-"));
    int64_t sum;

    if (a->op != TL_EXPR_CONSTANT || b->op != TL_EXPR_CONSTANT || a->constant.is_null || b->constant.is_null ||
        b->kind != TL_INTERVAL || !(a->kind == TL_INTERVAL || kind_is_time(a->kind)) ||
        !(minus || tl_sv_eq(ast->text, TL_SV("+"))))
        return false;
    if (minus ? __builtin_sub_overflow(a->constant.i64, b->constant.i64, &sum)
              : tl_add_overflows(a->constant.i64, b->constant.i64, &sum))
        return false;
    *out = (struct tl_value){.kind = a->kind, .i64 = sum};
    return true;
}

static enum tl_code infix_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr *args[2], struct tl_expr **out)
{
    const struct tl_ast_expr *left = ast->args, *right = ast->args->next;
    bool plus_minus = tl_sv_eq(ast->text, TL_SV("+")) || tl_sv_eq(ast->text, TL_SV("-"));
    enum tl_kind common, divisor = args[1]->kind;
    struct tl_value value;
    enum tl_code rc;

    if (tl_sv_eq(ast->text, TL_SV("+")) && args[0]->kind == TL_INTERVAL && args[1]->kind != TL_INTERVAL) {
        struct tl_expr *swap = args[0]; /* INTERVAL + time: the catalog has it the other way round */

        args[0] = args[1];
        args[1] = swap;
    }
    if (times_fold(ast, args[0], args[1], &value))
        return tl_bind_constant(bind, value, ast->at, out);
    if (plus_minus && args[1]->kind == TL_INTERVAL) {
        if (args[0]->kind == TL_NULL)
            return tl_mistake(bind->err, bind->text, left->at, "write CAST(NULL AS TIMESTAMP(3))", "NULL has no type here");
        return operator_find(bind, ast, args, 2, out);
    }
    if (tl_sv_eq(ast->text, TL_SV("-")) && kind_is_time(args[0]->kind) && kind_is_time(args[1]->kind))
        return tl_mistake(bind->err, bind->text, ast->key_at, "take an interval from a time: x - INTERVAL '5' MINUTE",
                          "the distance of two times is no value here");
    common = kind_common(args[0]->kind, args[1]->kind);
    if (common == TL_NULL)
        return tl_mistake(bind->err, bind->text, ast->key_at, "write IS NULL, or give NULL a type: CAST(NULL AS INT)",
                          "NULL has no type here");
    if (common == 0)
        return tl_mistake(bind->err, bind->text, ast->key_at, meet_hint(args[0]->kind, args[1]->kind),
                          "%.*s has no meaning between %s and %s", TL_SHOWN(ast->text), tl_kind_name(args[0]->kind),
                          tl_kind_name(args[1]->kind));
    rc = tl_bind_cast(bind, args[0], common, left->at, &args[0]);
    if (rc == TL_OK)
        rc = tl_bind_cast(bind, args[1], common, right->at, &args[1]);
    if (rc == TL_OK)
        rc = operator_find(bind, ast, args, 2, out);
    /* The rest is smaller than the divisor, and of its type. */
    if (rc == TL_OK && tl_sv_eq(ast->text, TL_SV("%")) && divisor != TL_NULL && tl_kind_is_integer(common))
        rc = tl_bind_cast(bind, *out, divisor, ast->at, out);
    return rc;
}

static enum tl_code operator_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                  struct tl_expr **out)
{
    struct tl_expr *args[TL_ARGS_MAX] = {NULL};
    const struct tl_ast_expr *arg = ast->args;
    bool is_infix = ast->args_count == 2 && !tl_sv_eq(ast->text, TL_SV("LIKE")) && !tl_sv_eq(ast->text, TL_SV("||"));
    enum tl_kind wanted = tl_sv_eq(ast->text, TL_SV("LIKE")) || tl_sv_eq(ast->text, TL_SV("||"))               ? TL_STRING
                          : tl_sv_eq(ast->text, TL_SV("IS NULL")) || tl_sv_eq(ast->text, TL_SV("IS NOT NULL")) ? TL_STRING
                          : tl_sv_eq(ast->text, TL_SV("NEGATE"))                                               ? TL_INT
                                                                                                               : TL_BOOLEAN;
    enum tl_code rc = TL_OK;

    if (tl_sv_eq(ast->text, TL_SV("NEGATE")) && arg->op == TL_AST_NUMBER)
        return tl_bind_number(bind, arg, true, ast->at, out);
    if (tl_sv_eq(ast->text, TL_SV("NEGATE")) && arg->op == TL_AST_INTERVAL)
        return tl_bind_interval(bind, arg, true, ast->at, out);
    for (uint32_t i = 0; rc == TL_OK && i < ast->args_count; i++, arg = arg->next) {
        rc = tl_bind_expr(bind, scope, arg, &args[i]);
        if (rc == TL_OK && !is_infix)
            rc = tl_bind_null_type(bind, &args[i], wanted, arg->at);
        if (rc == TL_OK && tl_sv_eq(ast->text, TL_SV("NOT")) && args[i]->kind != TL_BOOLEAN)
            rc = tl_mistake(bind->err, bind->text, arg->at, "write a condition: x = 1, x IS NULL, x LIKE 'a%'",
                            "NOT wants a condition, and this is %s", tl_kind_name(args[i]->kind));
    }
    if (rc != TL_OK)
        return rc;
    return is_infix ? infix_bind(bind, ast, args, out) : operator_find(bind, ast, args, ast->args_count, out);
}

/* n-ary AND and OR over already bound conditions. */
static enum tl_code chain_make(struct tl_bind *bind, enum tl_expr_op op, struct tl_expr *const *args, uint32_t count,
                               struct tl_span at, struct tl_expr **out)
{
    struct tl_expr *expr;

    if (count == 1) {
        *out = args[0];
        return TL_OK;
    }
    expr = tl_bind_node(bind, op, TL_BOOLEAN, at.place, count);
    if (expr == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < count; i++)
        expr->args[i] = args[i];
    *out = expr;
    return tl_bind_node_close(bind, expr, at);
}

enum tl_code tl_bind_args(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                          struct tl_expr ***out)
{
    struct tl_expr **args = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (ast->args_count + 2u));
    const struct tl_ast_expr *arg = ast->args;

    if (args == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < ast->args_count; i++, arg = arg->next) {
        enum tl_code rc = ast->op == TL_AST_AND || ast->op == TL_AST_OR ? tl_bind_condition(bind, scope, arg, &args[i])
                                                                        : tl_bind_expr(bind, scope, arg, &args[i]);
        if (rc != TL_OK)
            return rc;
    }
    *out = args;
    return TL_OK;
}

enum tl_code tl_bind_compare(struct tl_bind *bind, const struct tl_ast_expr *ast, const char *symbol,
                             const struct tl_ast_expr *left_ast, const struct tl_ast_expr *right_ast, struct tl_expr *left,
                             struct tl_expr *right, struct tl_expr **out)
{
    struct tl_ast_expr sides[2] = {*left_ast, *right_ast};
    struct tl_ast_expr compare = {.op = TL_AST_OPERATOR, .at = right_ast->at, .key_at = ast->key_at, .text = tl_sv_from(symbol)};
    struct tl_expr *args[2] = {left, right};

    sides[0].next = &sides[1];
    compare.args = sides;
    return infix_bind(bind, &compare, args, out);
}

static enum tl_code in_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **args, struct tl_expr **out)
{
    const struct tl_ast_expr *item = ast->args->next;

    for (uint32_t i = 1; i < ast->args_count; i++, item = item->next) {
        enum tl_code rc = tl_bind_compare(bind, ast, "=", ast->args, item, args[0], args[i], &args[i]);

        if (rc != TL_OK)
            return rc;
    }
    return chain_make(bind, TL_EXPR_OR, args + 1, ast->args_count - 1, ast->key_at, out);
}

static enum tl_code between_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **args, struct tl_expr **out)
{
    const struct tl_ast_expr *low = ast->args->next;
    struct tl_expr *sides[2];
    enum tl_code rc = tl_bind_compare(bind, ast, ">=", ast->args, low, args[0], args[1], &sides[0]);

    if (rc == TL_OK)
        rc = tl_bind_compare(bind, ast, "<=", ast->args, low->next, args[0], args[2], &sides[1]);
    return rc == TL_OK ? chain_make(bind, TL_EXPR_AND, sides, 2, ast->key_at, out) : rc;
}

/* Gives all of every `step`-th args, from `first`, one type. The last one may stand alone (ELSE). */
enum tl_code tl_bind_unify(struct tl_bind *bind, struct tl_expr **args, const struct tl_ast_expr *const *asts, uint32_t count,
                           struct tl_span at, const char *what, enum tl_kind *kind)
{
    *kind = TL_NULL;
    for (uint32_t i = 0; i < count; i++) {
        enum tl_kind common = kind_common(*kind, args[i]->kind);

        assert(asts[i] != NULL);
        if (common == 0)
            return tl_mistake(bind->err, bind->text, asts[i]->at, meet_hint(*kind, args[i]->kind),
                              "%s gives one type: this is %s, before it was %s", what, tl_kind_name(args[i]->kind),
                              tl_kind_name(*kind));
        *kind = common;
    }
    if (*kind == TL_NULL)
        return tl_mistake(bind->err, bind->text, at, "give one of them a type: CAST(NULL AS STRING)",
                          "%s of NULLs alone has no type", what);
    for (uint32_t i = 0; i < count; i++) {
        enum tl_code rc = tl_bind_cast(bind, args[i], *kind, asts[i] != NULL ? asts[i]->at : at, &args[i]);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

static enum tl_code case_bind(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **args, struct tl_expr **out)
{
    uint32_t skip = ast->has_operand ? 1 : 0, arms = (ast->args_count - skip - (ast->has_else ? 1 : 0)) / 2,
             values_count = arms + 1;
    const struct tl_ast_expr *at = ast->args, *operand = ast->has_operand ? ast->args : NULL, **asts;
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_CASE, TL_NULL, ast->at.place, arms * 2 + 1), **values, *nothing;
    enum tl_code rc = tl_bind_constant(bind, (struct tl_value){.kind = TL_NULL, .is_null = true}, ast->at, &nothing);
    bool is_if = tl_sv_eq_nocase(ast->text, TL_SV("IF"));

    values = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * values_count);
    asts = tl_arena_zalloc(bind->arena, sizeof(struct tl_ast_expr *) * values_count);
    if (rc != TL_OK || expr == NULL || values == NULL || asts == NULL)
        return tl_bind_no_memory(bind);
    if (operand != NULL)
        at = at->next;
    for (uint32_t i = 0; i < arms; i++) {
        struct tl_expr *condition = args[skip + 2 * i];

        assert(at != NULL && at->next != NULL);
        if (operand != NULL) {
            rc = tl_bind_compare(bind, ast, "=", operand, at, args[0], condition, &condition);
        } else {
            rc = tl_bind_null_type(bind, &condition, TL_BOOLEAN, at->at);
            if (rc == TL_OK && condition->kind != TL_BOOLEAN)
                rc = tl_mistake(bind->err, bind->text, at->at,
                                is_if ? "IF(condition, x, y)" : "write a condition, or CASE x WHEN value THEN ...",
                                "%s wants a condition, and this is %s", is_if ? "IF" : "WHEN", tl_kind_name(condition->kind));
        }
        if (rc != TL_OK)
            return rc;
        expr->args[2 * i] = condition;
        values[i] = args[skip + 2 * i + 1];
        asts[i] = at->next;
        at = at->next->next;
    }
    values[arms] = ast->has_else ? args[skip + 2 * arms] : nothing;
    asts[arms] = ast->has_else ? at : ast;
    rc = tl_bind_unify(bind, values, asts, values_count, ast->at, "CASE", &expr->kind);
    if (rc != TL_OK)
        return rc;
    for (uint32_t i = 0; i < arms; i++)
        expr->args[2 * i + 1] = values[i];
    expr->args[2 * arms] = values[arms];
    *out = expr;
    return tl_bind_node_close(bind, expr, ast->key_at);
}

/* --- columns -------------------------------------------------------------------------------------------------------------- */

const struct tl_bind_column *tl_query_column(const struct tl_query *query, struct tl_sv name)
{
    for (uint32_t i = 0; i < query->columns_count; i++)
        if (tl_sv_eq(query->columns[i].name, name))
            return &query->columns[i];
    return NULL;
}

static bool output_is(const struct tl_scope *scope, struct tl_sv name)
{
    for (uint32_t i = 0; i < scope->group->out->outputs_count; i++)
        if (tl_sv_eq(scope->group->out->outputs[i].name, name))
            return true;
    return false;
}

static enum tl_code column_unknown(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast)
{
    struct tl_nearest nearest = tl_nearest_to(ast->text);
    struct tl_sv where = scope->from_name.size > 0 ? scope->from_name : TL_SV("FROM"); /* TABLE(TUMBLE(...)) may have no name */
    char hint[160], all[160];
    size_t size = 0;
    enum tl_code rc = tl_bind_name_elsewhere(bind, ast->text, ast->key_at);

    if (rc != TL_OK)
        return rc;
    if (tl_sv_starts(ast->text, TL_SV("window_")) && scope->from->window.window == TL_WINDOW_NONE && scope->from->inner == NULL)
        return tl_mistake(bind->err, bind->text, ast->key_at,
                          "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE))",
                          "%.*s belongs to a window, and FROM has none", TL_SHOWN(ast->text));
    if (tl_sv_eq(ast->text, TL_SV("closed_by")))
        return tl_mistake(bind->err, bind->text, ast->key_at,
                          "it says whether the count or the time-out closed a window of COUNT_WINDOW",
                          "closed_by belongs to COUNT_WINDOW");
    if (strcmp(scope->clause, "HAVING") == 0 && output_is(scope, ast->text))
        return tl_mistake(bind->err, bind->text, ast->key_at, "write the expression itself: HAVING COUNT(*) > 10",
                          "HAVING takes the expression, not its name '%.*s'", TL_SHOWN(ast->text));
    for (uint32_t i = 0; i < scope->from->columns_count; i++) {
        tl_nearest_offer(&nearest, scope->from->columns[i].name);
        if (size < sizeof all)
            size += (size_t)snprintf(all + size, sizeof all - size, "%s%.*s", i == 0 ? "it has " : ", ",
                                     TL_SHOWN(scope->from->columns[i].name));
    }
    if (strcmp(scope->clause, "a computed column") == 0 && nearest.best.data == NULL)
        size = (size_t)snprintf(all, sizeof all,
                                "a computed column is made of the columns that are read, not of other computed ones");
    if (size >= sizeof all)
        memcpy(all + sizeof all - 4, "...", 4);
    return tl_mistake(bind->err, bind->text, ast->key_at, tl_nearest_hint(&nearest, hint, sizeof hint, size > 0 ? all : NULL),
                      "there is no column '%.*s' in %.*s", TL_SHOWN(ast->text), TL_SHOWN(where));
}

/* The column that is meant; NULL and *rc otherwise. */
static const struct tl_bind_column *column_find(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                                enum tl_code *rc)
{
    const struct tl_bind_column *column;
    char hint[100];

    if (scope->from == NULL) {
        *rc = tl_mistake(bind->err, bind->text, ast->at, "write a constant: INTERVAL '5' MINUTE", "a column has no place here");
        return NULL;
    }
    if (ast->qualifier.size > 0 && !tl_sv_eq(ast->qualifier, scope->from_name)) {
        snprintf(hint, sizeof hint, "FROM has %.*s", TL_SHOWN(scope->from_name));
        *rc = tl_mistake(bind->err, bind->text, ast->at, scope->from_name.size > 0 ? hint : "write the column's name alone",
                         "there is no '%.*s' in FROM", TL_SHOWN(ast->qualifier));
        return NULL;
    }
    column = tl_query_column(scope->from, ast->text);
    if (column == NULL)
        *rc = column_unknown(bind, scope, ast);
    if (column != NULL && column->is_twice) {
        *rc = tl_mistake(bind->err, bind->text, ast->at, "give the one that is read another name: window_time AS rowtime",
                         "'%.*s' is a column of what is read and of the window", TL_SHOWN(ast->text));
        return NULL;
    }
    return column;
}

static enum tl_code column_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                                struct tl_expr **out)
{
    bool grouped = scope->group != NULL && !scope->in_aggregate;
    enum tl_code rc = TL_OK;
    const struct tl_bind_column *column = column_find(bind, scope, ast, &rc);
    enum tl_kind kind;

    if (column == NULL)
        return rc;
    if (column->expr == NULL && !grouped)
        return tl_mistake(bind->err, bind->text, ast->at,
                          scope->in_aggregate ? "it is the same for the whole group: write it beside the aggregate"
                                              : "it belongs to the group: use it in SELECT",
                          "%.*s has no place in %s", TL_SHOWN(ast->text), scope->in_aggregate ? "an aggregate" : scope->clause);
    if (column->is_window && grouped) {
        if (!scope->group->window[column->window_slot])
            return tl_mistake(bind->err, bind->text, ast->at,
                              column->expr != NULL                       ? "add it to GROUP BY"
                              : column->window_slot == TL_SLOT_CLOSED_BY ? "write GROUP BY window_start, window_end, closed_by"
                                                                         : "write GROUP BY window_start, window_end, window_time",
                              "%.*s is not in GROUP BY", TL_SHOWN(ast->text));
        kind = column->window_slot == TL_SLOT_CLOSED_BY     ? TL_STRING
               : column->window_slot == TL_SLOT_WINDOW_TIME ? scope->from->table->source.time_kind
                                                            : TL_TIMESTAMP;
        *out = tl_bind_slot(bind, kind, column->window_slot, ast->at.place);
        return *out != NULL ? TL_OK : tl_bind_no_memory(bind);
    }
    if (grouped)
        return tl_mistake(bind->err, bind->text, ast->at,
                          "add it to GROUP BY, or say which of the values is meant: MIN(x), MAX(x)",
                          "'%.*s' is neither in GROUP BY nor inside an aggregate", TL_SHOWN(ast->text));
    *out = column->expr;
    return TL_OK;
}

/* --- expressions ---------------------------------------------------------------------------------------------------------- */

/* Is this, as written, the same as a key of GROUP BY? Columns are compared by what they mean: t.host is host. */
static bool ast_same(const struct tl_scope *scope, const struct tl_ast_expr *a, const struct tl_ast_expr *b)
{
    const struct tl_ast_expr *x = a->args, *y = b->args;

    if (a->op != b->op || a->args_count != b->args_count || a->star != b->star || a->has_operand != b->has_operand ||
        a->has_else != b->has_else || a->precision != b->precision || !tl_sv_eq_nocase(a->unit, b->unit) ||
        a->distinct != b->distinct || a->is_try != b->is_try || a->where != NULL || b->where != NULL)
        return false;
    if (a->op == TL_AST_CALL ? !tl_sv_eq_nocase(a->text, b->text) : !tl_sv_eq(a->text, b->text))
        return false;
    if (a->op == TL_AST_COLUMN)
        return (a->qualifier.size == 0 || tl_sv_eq(a->qualifier, scope->from_name)) &&
               (b->qualifier.size == 0 || tl_sv_eq(b->qualifier, scope->from_name));
    if ((a->op == TL_AST_CAST || a->op == TL_AST_CALL) &&
        (!tl_sv_eq_nocase(a->type.name, b->type.name) || !tl_sv_eq_nocase(a->type.more, b->type.more)))
        return false;
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        if (!ast_same(scope, x, y))
            return false;
        if (x == a->args_last || y == b->args_last)
            break;
    }
    return true;
}

static enum tl_code key_find(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                             struct tl_expr **out)
{
    const struct tl_group *group = scope->group;

    for (uint32_t i = 0; i < group->out->keys_count; i++)
        if (ast_same(scope, ast, group->keys_ast[i])) {
            *out = tl_bind_slot(bind, group->out->keys[i]->kind, TL_SLOT_KEYS + i, ast->at.place);
            return *out != NULL ? TL_OK : tl_bind_no_memory(bind);
        }
    return TL_OK;
}

static enum tl_code expr_bind(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                              struct tl_expr **out)
{
    struct tl_expr **args = NULL, *arg;
    const struct tl_function *try_cast = NULL;
    enum tl_kind kind;
    unsigned precision;
    enum tl_code rc = TL_OK;

    if (scope->group != NULL && !scope->in_aggregate) {
        rc = key_find(bind, scope, ast, out);
        if (rc != TL_OK || *out != NULL)
            return rc;
    }
    switch (ast->op) {
    case TL_AST_NUMBER: return tl_bind_number(bind, ast, false, ast->at, out);
    case TL_AST_STRING: return tl_bind_constant(bind, (struct tl_value){.kind = TL_STRING, .sv = ast->text}, ast->at, out);
    case TL_AST_TRUE:
    case TL_AST_FALSE:
        return tl_bind_constant(bind, (struct tl_value){.kind = TL_BOOLEAN, .i64 = ast->op == TL_AST_TRUE}, ast->at, out);
    case TL_AST_NULL: return tl_bind_constant(bind, (struct tl_value){.kind = TL_NULL, .is_null = true}, ast->at, out);
    case TL_AST_TIMESTAMP: return tl_bind_timestamp(bind, ast, out);
    case TL_AST_INTERVAL: return tl_bind_interval(bind, ast, false, ast->at, out);
    case TL_AST_COLUMN: return column_bind(bind, scope, ast, out);
    case TL_AST_OPERATOR: return operator_bind(bind, scope, ast, out);
    case TL_AST_CALL: return tl_bind_call(bind, scope, ast, out);
    case TL_AST_CAST:
        rc = tl_bind_type(bind, &ast->type, &kind, &precision);
        if (rc == TL_OK)
            rc = tl_bind_expr(bind, scope, ast->args, &arg);
        if (rc == TL_OK && ast->is_try)
            try_cast = tl_bind_function(bind->catalog, TL_SV("TRY_CAST"), &arg->kind, 1, kind);
        if (try_cast != NULL)
            return tl_bind_function_call(bind, try_cast, &arg, 1, ast->at, out);
        return rc == TL_OK ? tl_bind_cast(bind, arg, kind, ast->at, out) : rc;
    case TL_AST_FILE:
        return tl_mistake(bind->err, bind->text, ast->at, "write x IN (FILE 'values.txt')", "a file holds the values of IN");
    case TL_AST_IN:
        if (tl_bind_list_has_file(ast)) {
            rc = tl_bind_expr(bind, scope, ast->args, &arg);
            return rc == TL_OK ? tl_bind_among(bind, ast, arg, out) : rc;
        }
        rc = tl_bind_args(bind, scope, ast, &args);
        return rc == TL_OK ? in_bind(bind, ast, args, out) : rc;
    case TL_AST_AND:
    case TL_AST_OR:
    case TL_AST_CASE:
    case TL_AST_BETWEEN: rc = tl_bind_args(bind, scope, ast, &args); break;
    }
    if (rc != TL_OK)
        return rc;
    if (ast->op == TL_AST_CASE)
        return case_bind(bind, ast, args, out);
    if (ast->op == TL_AST_BETWEEN)
        return between_bind(bind, ast, args, out);
    return chain_make(bind, ast->op == TL_AST_AND ? TL_EXPR_AND : TL_EXPR_OR, args, ast->args_count, ast->key_at, out);
}

enum tl_code tl_bind_expr(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast, struct tl_expr **out)
{
    enum tl_code rc;

    *out = NULL;
    rc = expr_bind(bind, scope, ast, out);
    assert(rc != TL_OK || *out != NULL);
    return rc;
}

enum tl_code tl_bind_condition(struct tl_bind *bind, const struct tl_scope *scope, const struct tl_ast_expr *ast,
                               struct tl_expr **out)
{
    enum tl_code rc = tl_bind_expr(bind, scope, ast, out);

    if (rc == TL_OK)
        rc = tl_bind_null_type(bind, out, TL_BOOLEAN, ast->at);
    if (rc == TL_OK && (*out)->kind != TL_BOOLEAN)
        return tl_mistake(bind->err, bind->text, ast->at, "write a condition: x = 1, x IS NULL, x LIKE 'a%'",
                          "a condition is wanted here, and this is %s", tl_kind_name((*out)->kind));
    return rc;
}
