/* ast.c: makes the nodes, and puts what the grammar does not take into sentences. */
#include "sql/ast.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sql/parse.h"

void tl_ast_no_memory(struct tl_parse *parse)
{
    if (parse->rc == TL_OK)
        parse->rc = tl_fail_memory(parse->err, sizeof(struct tl_ast_expr));
}

void tl_ast_refuse(struct tl_parse *parse, struct tl_span at, const char *hint, const char *fmt, ...)
{
    char what[400];
    va_list args;

    if (parse->rc != TL_OK)
        return;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    parse->rc = tl_mistake(parse->err, &parse->text, at, hint, "%s", what);
}

static void *node_make(struct tl_parse *parse, size_t bytes)
{
    void *node = parse->rc == TL_OK ? tl_arena_zalloc(parse->arena, bytes) : NULL;

    if (node == NULL)
        tl_ast_no_memory(parse);
    return node;
}

enum tl_code tl_sql_read(const char *what, const char *path, struct tl_buf *out, struct tl_err *err)
{
    enum { ROOM = TL_SQL_BYTES_MAX + 1 }; /* one more than is taken, so that a longer file shows */
    FILE *file = fopen(path, "rb");
    char *text;
    enum tl_code rc = TL_OK;

    if (file == NULL)
        return tl_fail_errno(err, errno == ENOENT || errno == EISDIR ? TL_ERR_DEFINITION : TL_ERR_IO,
                             "the %s file %s cannot be opened", what, path);
    text = tl_buf_reserve(out, ROOM);
    if (text == NULL)
        TL_TRY(tl_fail_memory(err, ROOM));
    out->size += fread(text, 1, ROOM, file);
    if (ferror(file))
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "the %s file %s cannot be read", what, path));
out:
    fclose(file);
    return rc;
}

/* --- names and texts ---------------------------------------------------------------------------------------------------- */

static struct tl_sv unquoted(struct tl_parse *parse, struct tl_sv text, char quote)
{
    struct tl_sv inside;
    char *copy;
    size_t size = 0;

    if (text.size < 2 || text.data[0] != quote)
        return text;
    inside = (struct tl_sv){text.data + 1, text.size - 2};
    if (memchr(inside.data, quote, inside.size) == NULL)
        return inside;
    copy = tl_arena_bytes(parse->arena, inside.size);
    if (copy == NULL) {
        tl_ast_no_memory(parse);
        return inside;
    }
    for (size_t i = 0; i < inside.size; i++) {
        copy[size++] = inside.data[i];
        if (inside.data[i] == quote)
            i++;
    }
    return (struct tl_sv){copy, size};
}

struct tl_ast_name tl_ast_name(struct tl_parse *parse, struct tl_token token)
{
    return (struct tl_ast_name){unquoted(parse, token.text, '`'), token.at, NULL};
}

struct tl_ast_name tl_ast_text(struct tl_parse *parse, struct tl_token token)
{
    return (struct tl_ast_name){unquoted(parse, token.text, '\''), token.at, NULL};
}

struct tl_ast_names tl_ast_names_add(struct tl_parse *parse, struct tl_ast_names names, struct tl_ast_name name)
{
    struct tl_ast_name *node = node_make(parse, sizeof *node);

    if (node == NULL)
        return names;
    *node = name;
    node->next = NULL;
    if (names.last != NULL)
        names.last->next = node;
    else
        names.first = node;
    names.last = node;
    names.count++;
    return names;
}

/* --- expressions ---------------------------------------------------------------------------------------------------------- */

static struct tl_ast_expr *expr_make(struct tl_parse *parse, enum tl_ast_op op, struct tl_span at, struct tl_span key_at)
{
    struct tl_ast_expr *expr = node_make(parse, sizeof *expr);

    if (expr != NULL) {
        expr->op = op;
        expr->at = at;
        expr->key_at = key_at;
        expr->depth = 1;
    }
    return expr;
}

/* The expression is deeper than what stands in it. */
static void depth_cover(struct tl_parse *parse, struct tl_ast_expr *expr, const struct tl_ast_expr *inside)
{
    if (inside->depth >= expr->depth)
        expr->depth = inside->depth + 1;
    if (expr->depth > TL_SQL_DEPTH_MAX)
        tl_ast_refuse(parse, expr->key_at, "split it into several views or columns", "the expression is nested deeper than %d",
                      TL_SQL_DEPTH_MAX);
}

/* Hangs `arg` (with whatever hangs on its `next`) under the expression. */
static void expr_adopt(struct tl_parse *parse, struct tl_ast_expr *expr, struct tl_ast_expr *arg)
{
    for (; arg != NULL; arg = arg->next) {
        if (expr->args_last != NULL)
            expr->args_last->next = arg;
        else
            expr->args = arg;
        expr->args_last = arg;
        expr->args_count++;
        depth_cover(parse, expr, arg);
    }
}

struct tl_ast_list tl_ast_list_add(struct tl_ast_list list, struct tl_ast_expr *expr)
{
    if (expr == NULL)
        return list;
    if (list.last != NULL)
        list.last->next = expr;
    else
        list.first = expr;
    list.last = expr;
    list.count++;
    return list;
}

struct tl_ast_expr *tl_ast_literal(struct tl_parse *parse, enum tl_ast_op op, struct tl_token from, struct tl_token text)
{
    struct tl_ast_expr *expr = expr_make(parse, op, tl_span_join(from.at, text.at), from.at);

    if (expr != NULL)
        expr->text = unquoted(parse, text.text, '\'');
    return expr;
}

static bool number_read(struct tl_sv text, uint64_t *out)
{
    int64_t value;

    if (!tl_sv_to_i64(text, &value) || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

struct tl_ast_expr *tl_ast_interval(struct tl_parse *parse, struct tl_token word, struct tl_token text, struct tl_token unit,
                                    struct tl_token precision, struct tl_token last)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_INTERVAL, tl_span_join(word.at, last.at), text.at);

    if (expr == NULL)
        return NULL;
    expr->text = unquoted(parse, text.text, '\'');
    expr->unit = unit.text;
    if (precision.text.size > 0 &&
        (!number_read(precision.text, &expr->precision) || expr->precision < 1 || expr->precision > 10))
        tl_ast_refuse(parse, precision.at, "it is the number of digits: INTERVAL '180' MINUTE(3)",
                      "the precision of an interval is 1 to 10");
    return expr;
}

struct tl_ast_expr *tl_ast_column(struct tl_parse *parse, const struct tl_token *qualifier, struct tl_token name)
{
    struct tl_ast_expr *expr =
        expr_make(parse, TL_AST_COLUMN, qualifier != NULL ? tl_span_join(qualifier->at, name.at) : name.at, name.at);

    if (expr != NULL) {
        expr->text = unquoted(parse, name.text, '`');
        if (qualifier != NULL)
            expr->qualifier = unquoted(parse, qualifier->text, '`');
    }
    return expr;
}

struct tl_ast_expr *tl_ast_call(struct tl_parse *parse, struct tl_token name, struct tl_ast_list args, bool star, bool distinct,
                                struct tl_token last)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_CALL, tl_span_join(name.at, last.at), name.at);

    if (expr == NULL)
        return NULL;
    expr->text = unquoted(parse, name.text, '`');
    expr->star = star;
    expr->distinct = distinct;
    expr_adopt(parse, expr, args.first);
    return expr;
}

struct tl_ast_expr *tl_ast_call_words(struct tl_parse *parse, struct tl_token name, const char *words, struct tl_ast_list args,
                                      struct tl_token last)
{
    struct tl_ast_expr *expr = tl_ast_call(parse, name, args, false, false, last);
    char *text;

    if (expr == NULL)
        return NULL;
    text = tl_arena_printf(parse->arena, "%.*s %s", TL_SV_ARG(expr->text), words);
    if (text == NULL) {
        tl_ast_no_memory(parse);
        return NULL;
    }
    expr->text = tl_sv_from(text);
    return expr;
}

struct tl_ast_expr *tl_ast_implied(struct tl_parse *parse, struct tl_token at, const char *text)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_STRING, at.at, at.at);

    if (expr != NULL)
        expr->text = tl_sv_from(text);
    return expr;
}

struct tl_ast_expr *tl_ast_filter(struct tl_parse *parse, struct tl_ast_expr *call, struct tl_token at, struct tl_ast_expr *where,
                                  struct tl_token last)
{
    if (call == NULL || where == NULL)
        return NULL;
    call->at = tl_span_join(call->at, last.at);
    call->where = where;
    call->where_at = at.at;
    depth_cover(parse, call, where);
    return call;
}

static struct tl_ast_expr *operator_make(struct tl_parse *parse, const char *symbol, struct tl_token key, struct tl_span at)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_OPERATOR, at, key.at);

    if (expr != NULL)
        expr->text = tl_sv_from(symbol);
    return expr;
}

struct tl_ast_expr *tl_ast_prefix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_ast_expr *arg)
{
    struct tl_ast_expr *expr;

    if (arg == NULL)
        return NULL;
    /* NOT made of `x NOT IN (...)` stands inside its argument. */
    expr = operator_make(parse, symbol, at, at.at.offset < arg->at.offset ? tl_span_join(at.at, arg->at) : arg->at);
    if (expr != NULL)
        expr_adopt(parse, expr, arg);
    return expr;
}

struct tl_ast_expr *tl_ast_suffix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_token last,
                                  struct tl_ast_expr *arg)
{
    struct tl_ast_expr *expr;

    if (arg == NULL)
        return NULL;
    expr = operator_make(parse, symbol, at, tl_span_join(arg->at, last.at));
    if (expr != NULL)
        expr_adopt(parse, expr, arg);
    return expr;
}

struct tl_ast_expr *tl_ast_infix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_ast_expr *left,
                                 struct tl_ast_expr *right)
{
    struct tl_ast_expr *expr;

    if (left == NULL || right == NULL)
        return NULL;
    expr = operator_make(parse, symbol, at, tl_span_join(left->at, right->at));
    if (expr != NULL) {
        expr_adopt(parse, expr, left);
        expr_adopt(parse, expr, right);
    }
    return expr;
}

struct tl_ast_expr *tl_ast_chain(struct tl_parse *parse, enum tl_ast_op op, struct tl_token at, struct tl_ast_expr *left,
                                 struct tl_ast_expr *right)
{
    struct tl_ast_expr *expr;

    if (left == NULL || right == NULL)
        return NULL;
    if (left->op == op && !left->in_brackets) {
        left->at = tl_span_join(left->at, right->at);
        expr_adopt(parse, left, right);
        return left;
    }
    expr = expr_make(parse, op, tl_span_join(left->at, right->at), at.at);
    if (expr != NULL) {
        expr_adopt(parse, expr, left);
        expr_adopt(parse, expr, right);
    }
    return expr;
}

struct tl_ast_expr *tl_ast_cast(struct tl_parse *parse, struct tl_token at, struct tl_ast_expr *arg, struct tl_ast_type type,
                                bool is_try, struct tl_token last)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_CAST, tl_span_join(at.at, last.at), at.at);

    if (expr == NULL || arg == NULL)
        return NULL;
    expr->type = type;
    expr->is_try = is_try;
    expr_adopt(parse, expr, arg);
    return expr;
}

struct tl_ast_expr *tl_ast_over(struct tl_parse *parse, enum tl_ast_op op, const char *symbol, struct tl_token at,
                                struct tl_ast_expr *x, struct tl_ast_list list, struct tl_span last)
{
    struct tl_ast_expr *expr;

    if (x == NULL)
        return NULL;
    expr = expr_make(parse, op, tl_span_join(x->at, last), at.at);
    if (expr == NULL)
        return NULL;
    expr->text = tl_sv_from(symbol);
    expr_adopt(parse, expr, x);
    expr_adopt(parse, expr, list.first);
    return expr;
}

struct tl_ast_expr *tl_ast_case(struct tl_parse *parse, struct tl_token at, struct tl_ast_expr *operand, struct tl_ast_list arms,
                                struct tl_ast_expr *otherwise, struct tl_token last)
{
    struct tl_ast_expr *expr = expr_make(parse, TL_AST_CASE, tl_span_join(at.at, last.at), at.at);

    if (expr == NULL)
        return NULL;
    expr->has_operand = operand != NULL;
    expr->has_else = otherwise != NULL;
    expr_adopt(parse, expr, operand);
    expr_adopt(parse, expr, arms.first);
    expr_adopt(parse, expr, otherwise);
    return expr;
}

struct tl_ast_expr *tl_ast_brackets(struct tl_ast_expr *expr, struct tl_token open, struct tl_token close)
{
    if (expr != NULL) {
        expr->in_brackets = true;
        expr->at = tl_span_join(open.at, close.at);
    }
    return expr;
}

/* --- types and tables ------------------------------------------------------------------------------------------------------ */

struct tl_ast_type tl_ast_type(struct tl_token name, const struct tl_token *more_first, const struct tl_token *more_last)
{
    struct tl_ast_type type = {.name = name.text, .at = name.at};

    if (more_first != NULL) {
        type.at = tl_span_join(name.at, more_last->at);
        type.more.data = more_first->text.data;
        type.more.size = (size_t)(more_last->text.data + more_last->text.size - more_first->text.data);
    }
    return type;
}

void tl_ast_type_number(struct tl_parse *parse, struct tl_ast_type *type, struct tl_token number)
{
    if (!number_read(number.text, &type->numbers[type->numbers_count]))
        tl_ast_refuse(parse, number.at, NULL, "%.40s is no size of a type",
                      number.text.size < 40 ? "this number" : "such a number");
    type->numbers_count++;
    if (number.at.offset > type->at.offset + type->at.bytes)
        type->at = tl_span_join(type->at, number.at);
}

struct tl_ast_column *tl_ast_table_column(struct tl_parse *parse, enum tl_ast_column_kind kind, struct tl_token word,
                                          struct tl_token name, const struct tl_ast_type *type, struct tl_ast_expr *expr)
{
    struct tl_ast_column *column = node_make(parse, sizeof *column);

    if (column == NULL)
        return NULL;
    column->kind = kind;
    column->at = word.at;
    column->name = tl_ast_name(parse, name);
    column->expr = expr;
    if (type != NULL)
        column->type = *type;
    return column;
}

struct tl_ast_option *tl_ast_option(struct tl_parse *parse, struct tl_token key, struct tl_token value)
{
    struct tl_ast_option *option = node_make(parse, sizeof *option);

    if (option == NULL)
        return NULL;
    option->key = tl_ast_text(parse, key);
    option->value = tl_ast_text(parse, value);
    return option;
}

/* --- queries ---------------------------------------------------------------------------------------------------------------- */

struct tl_ast_item *tl_ast_item(struct tl_parse *parse, struct tl_span at, const struct tl_token *qualifier,
                                struct tl_ast_expr *expr, const struct tl_token *alias)
{
    struct tl_ast_item *item = node_make(parse, sizeof *item);

    if (item == NULL)
        return NULL;
    item->at = at;
    item->expr = expr;
    if (qualifier != NULL)
        item->qualifier = unquoted(parse, qualifier->text, '`');
    if (alias != NULL)
        item->alias = tl_ast_name(parse, *alias);
    return item;
}

struct tl_ast_arg *tl_ast_arg(struct tl_parse *parse, enum tl_ast_arg_kind kind, struct tl_span at, struct tl_ast_names names,
                              struct tl_ast_names partition, struct tl_ast_expr *expr)
{
    struct tl_ast_arg *arg = node_make(parse, sizeof *arg);

    if (arg == NULL)
        return NULL;
    arg->kind = kind;
    arg->at = at;
    arg->names = names;
    arg->partition = partition;
    arg->expr = expr;
    return arg;
}

struct tl_ast_from *tl_ast_from(struct tl_parse *parse, struct tl_span at, struct tl_ast_name name, struct tl_ast_select *select,
                                struct tl_ast_arg *args)
{
    struct tl_ast_from *from = node_make(parse, sizeof *from);

    if (from == NULL)
        return NULL;
    from->at = at;
    from->name = name;
    from->select = select;
    from->args = args;
    for (; args != NULL; args = args->next)
        from->args_count++;
    return from;
}

struct tl_ast_select *tl_ast_select(struct tl_parse *parse, struct tl_token at, struct tl_ast_item *items,
                                    struct tl_ast_from *from, struct tl_ast_expr *where, struct tl_token group_at,
                                    struct tl_ast_list group)
{
    struct tl_ast_select *select = node_make(parse, sizeof *select);

    if (select == NULL)
        return NULL;
    select->at = at.at;
    select->items = items;
    select->from = from;
    select->where = where;
    select->group_at = group_at.at;
    select->group = group.first;
    select->group_count = group.count;
    return select;
}

struct tl_ast_check *tl_ast_check(struct tl_parse *parse, struct tl_ast_expr *expr)
{
    struct tl_ast_check *check = node_make(parse, sizeof *check);

    if (check != NULL)
        check->expr = expr;
    return check;
}

struct tl_ast_statement *tl_ast_statement(struct tl_parse *parse, enum tl_ast_statement_kind kind, struct tl_ast_name name)
{
    struct tl_ast_statement *statement = node_make(parse, sizeof *statement);

    if (statement == NULL)
        return NULL;
    statement->kind = kind;
    statement->name = name;
    /* Made when the semicolon is seen: `last` is the token before it. */
    statement->at = tl_span_join(parse->first.at, parse->last.at);
    return statement;
}

void tl_ast_statement_end(struct tl_parse *parse, struct tl_ast_statement *statement)
{
    if (statement == NULL || parse->rc != TL_OK)
        return;
    if (parse->statements_last != NULL)
        parse->statements_last->next = statement;
    else
        parse->statements = statement;
    parse->statements_last = statement;
    parse->statements_count++;
}

/* --- what the grammar does not take ----------------------------------------------------------------------------------------- */

struct refusal {
    int token;
    const char *what, *hint;
};

/* Words of SQL that have no place in a view: said at the word itself. */
static const struct refusal refusals[] = {
    {TL_TK_JOIN,            "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_INNER,           "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_LEFT,            "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_RIGHT,           "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_FULL,            "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_CROSS,           "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_NATURAL,         "a view reads one table: JOIN has no place here",                                       "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_LATERAL,         "a view reads one table: LATERAL has no place here",                                    "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_MATCH_RECOGNIZE, "MATCH_RECOGNIZE has no place in a view",                                               "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_FOR,             "FOR SYSTEM_TIME has no place in a view",                                               "FROM takes one table, one view, or TABLE(TUMBLE(...))"                    },
    {TL_TK_ORDER,           "ORDER BY has no place in a view: its rows have the order of window and key",           "sort where the view is read"                                              },
    {TL_TK_LIMIT,           "LIMIT has no place in a view",                                                         "take as many rows as you want where the view is read: tally query --limit"},
    {TL_TK_FETCH,           "FETCH has no place in a view",                                                         "take as many rows as you want where the view is read: tally query --limit"},
    {TL_TK_OFFSET,          "OFFSET is a reserved word",                                                            "a name that is a reserved word stands in backticks: `OFFSET`"             },
    {TL_TK_UNION,           "a view is one SELECT: UNION has no place here",
     "make one view for each SELECT, or one SELECT whose WHERE takes both"                                                                                                                     },
    {TL_TK_EXCEPT,          "a view is one SELECT: EXCEPT has no place here",                                       "say it in WHERE: ... AND NOT (condition)"                                 },
    {TL_TK_INTERSECT,       "a view is one SELECT: INTERSECT has no place here",                                    "say it in WHERE: ... AND condition"                                       },
    {TL_TK_OVER,            "OVER has no place in a view: aggregates are per window and GROUP BY key",
     "write FROM TABLE(TUMBLE(...)) and GROUP BY window_start, window_end, keys"                                                                                                               },
    {TL_TK_FILTER,          "FILTER stands behind an aggregate",                                                    "write COUNT(*) FILTER (WHERE condition)"                                  },
    {TL_TK_EXISTS,          "a query inside an expression has no place in a view",
     "a view reads one table: write a condition over its columns"                                                                                                                              },
    {TL_TK_SIMILAR,         "SIMILAR TO has no place here",                                                         "use LIKE, with % for any text and _ for one character"                    },
    {TL_TK_METADATA,        "METADATA columns have no place here: a table's columns are fields of its JSON events",
     "partition and offset of an event stand beside each row of a view without a window"                                                                                                       },
    {TL_TK_VALUES,          "VALUES has no place here: a view reads a table",                                       "write SELECT ... FROM table"                                              },
    {TL_TK_UNIQUE,          "UNIQUE has no place here",                                                             "'tally.dedup.key' names the column that makes an event unique"            },
};

static bool refusal_find(struct tl_parse *parse, int kind, struct tl_token token)
{
    const struct tl_span at = token.at;

    if (parse->last_kind == TL_TK_SEMI)
        return false;
    if (kind == TL_TK_DISTINCT) {
        if (parse->last_kind == TL_TK_SELECT)
            tl_ast_refuse(parse, at, "GROUP BY window_start, window_end and the columns gives each combination once",
                          "SELECT DISTINCT has no place in a view");
        else
            tl_ast_refuse(parse, at, "write COUNT(DISTINCT x)", "DISTINCT stands in front of an aggregate's argument");
        return true;
    }
    if (kind == TL_TK_GROUP && parse->clause == TL_TK_HAVING) {
        tl_ast_refuse(parse, at, "write GROUP BY ... HAVING condition", "HAVING stands behind GROUP BY");
        return true;
    }
    if (kind == TL_TK_SELECT && parse->last_kind == TL_TK_LP) {
        tl_ast_refuse(parse, at, "a view reads one table: write a condition over its columns",
                      "a query inside an expression has no place in a view");
        return true;
    }
    if (kind == TL_TK_WITH && parse->last_kind == TL_TK_AS) {
        tl_ast_refuse(parse, at, "write CREATE TEMPORARY VIEW name AS SELECT ... before it, and read that",
                      "WITH has no place in front of a query");
        return true;
    }
    for (size_t i = 0; i < TL_COUNT(refusals); i++)
        if (refusals[i].token == kind) {
            tl_ast_refuse(parse, at, refusals[i].hint, "%s", refusals[i].what);
            return true;
        }
    return false;
}

static void refuse_check(struct tl_parse *parse, int kind, struct tl_token token)
{
    static const char hint[] = "a statement begins with ALTER TABLE or ALTER VIEW";
    struct tl_nearest nearest = tl_nearest_to(token.text);
    char text[80];

    tl_nearest_offer(&nearest, TL_SV("ALTER"));
    if (kind == TL_TK_SET || kind == TL_TK_RESET)
        tl_ast_refuse(parse, token.at, "settings belong into the views file (--views)", "%s has no place in a checks file",
                      tl_lex_name(kind));
    else if (kind == TL_TK_CREATE || kind == TL_TK_SELECT)
        tl_ast_refuse(parse, token.at, "tables and views belong into the views file (--views)",
                      "%s has no place in a checks file", tl_lex_name(kind));
    else
        tl_ast_refuse(parse, token.at, kind == TL_TK_IDENT ? tl_nearest_hint(&nearest, text, sizeof text, hint) : hint,
                      "no check begins with %s",
                      token.text.size > 0 && token.text.size < 40 && kind != TL_TK_STRING ? "this word" : "this");
}

static void refuse_beginning(struct tl_parse *parse, int kind, struct tl_token token)
{
    static const char hint[] = "a statement begins with SET, CREATE TABLE, CREATE VIEW or CREATE TEMPORARY VIEW";
    static const int beginnings[] = {TL_TK_SET, TL_TK_RESET, TL_TK_CREATE};
    struct tl_nearest nearest = tl_nearest_to(token.text);
    char text[80];

    for (size_t i = 0; i < TL_COUNT(beginnings); i++)
        tl_nearest_offer(&nearest, tl_sv_from(tl_lex_name(beginnings[i])));
    if (kind == TL_TK_INSERT || kind == TL_TK_EXECUTE)
        tl_ast_refuse(parse, token.at, "CREATE VIEW is enough: tally makes the tables and keeps them up to date",
                      "a views file writes into no table of its own");
    else if (kind == TL_TK_SELECT)
        tl_ast_refuse(parse, token.at, "give the query a name: CREATE VIEW name AS SELECT ...",
                      "a query alone is kept by nobody");
    else if (kind == TL_TK_ALTER)
        tl_ast_refuse(parse, token.at, "constraints belong into the checks file (--checks)",
                      "ALTER has no place in a views file");
    else
        tl_ast_refuse(parse, token.at, kind == TL_TK_IDENT ? tl_nearest_hint(&nearest, text, sizeof text, hint) : hint,
                      "no statement begins with %s",
                      token.text.size > 0 && token.text.size < 40 && kind != TL_TK_STRING ? "this word" : "this");
}

/* "expected a name, '(' or SELECT": what could stand here, unless it is half the language. */
static void hint_expected(const bool *accepted, int accepted_count, char *out, size_t out_bytes)
{
    const char *names[8];
    size_t count = 0, size = 0;
    bool expression = accepted[TL_TK_INTEGER] && accepted[TL_TK_CASE];
    bool operators = accepted[TL_TK_PLUS] && accepted[TL_TK_SLASH];

    if (expression)
        names[count++] = "an expression";
    for (int t = 1; t < accepted_count; t++) {
        bool falls_back =
            accepted[TL_TK_IDENT] &&
            (t == TL_TK_COMMENT || t == TL_TK_ENFORCED || t == TL_TK_KEY || t == TL_TK_VIEW || t == TL_TK_TEMPORARY ||
             t == TL_TK_IF || t == TL_TK_REPLACE || t == TL_TK_BOTH || t == TL_TK_LEADING || t == TL_TK_TRAILING ||
             t == TL_TK_POSITION || t == TL_TK_DEFAULT || t == TL_TK_ADD || t == TL_TK_EXPECT || t == TL_TK_VIOLATION ||
             t == TL_TK_ROW || t == TL_TK_FAIL || t == TL_TK_UPDATE || t == TL_TK_WARN);
        bool part_of_expression = t == TL_TK_INTEGER || t == TL_TK_DECIMAL || t == TL_TK_STRING || t == TL_TK_TRUE ||
                                  t == TL_TK_FALSE || t == TL_TK_NULL || t == TL_TK_UNKNOWN || t == TL_TK_TIMESTAMP ||
                                  t == TL_TK_INTERVAL || t == TL_TK_IDENT || t == TL_TK_CASE || t == TL_TK_CAST ||
                                  t == TL_TK_TRY_CAST || t == TL_TK_LEFT || t == TL_TK_RIGHT || t == TL_TK_LP || t == TL_TK_NOT ||
                                  t == TL_TK_MINUS || t == TL_TK_PLUS;
        bool operator_mark = t == TL_TK_PLUS || t == TL_TK_MINUS || t == TL_TK_STAR || t == TL_TK_SLASH || t == TL_TK_PERCENT ||
                             t == TL_TK_CONCAT || t == TL_TK_EQ || t == TL_TK_NE || t == TL_TK_LT || t == TL_TK_LE ||
                             t == TL_TK_GT || t == TL_TK_GE || t == TL_TK_AND || t == TL_TK_OR || t == TL_TK_NOT ||
                             t == TL_TK_IS || t == TL_TK_IN || t == TL_TK_LIKE || t == TL_TK_BETWEEN || t == TL_TK_ESCAPE;

        if (!accepted[t] || falls_back || (expression && part_of_expression) || (operators && operator_mark))
            continue;
        if (count == TL_COUNT(names)) {
            count = 0;
            break;
        }
        names[count++] = tl_lex_name(t);
    }
    if (count > 0 && operators && count < TL_COUNT(names))
        names[count++] = "an operator";
    out[0] = '\0';
    for (size_t i = 0; i < count && size < out_bytes; i++)
        size += (size_t)snprintf(out + size, out_bytes - size, "%s%s",
                                 i == 0           ? "expected "
                                 : i + 1 == count ? " or "
                                                  : ", ",
                                 names[i]);
}

void tl_ast_unexpected(struct tl_parse *parse, int kind, struct tl_token token, const bool *accepted, int accepted_count)
{
    char hint[256], text[64], nearest_hint[96];
    struct tl_nearest nearest = tl_nearest_to(token.text);
    struct tl_sv shown = token.text;

    if (parse->rc != TL_OK)
        return;
    if (kind == TL_TK_ILLEGAL) {
        tl_ast_refuse(parse, token.at, parse->lex.hint, "%s", parse->lex.problem);
        return;
    }
    if (parse->last_kind == TL_TK_SEMI && parse->token_kind != 0 && kind != TL_TK_SEMI) {
        if (parse->file == TL_SQL_CHECKS)
            refuse_check(parse, kind, token);
        else
            refuse_beginning(parse, kind, token);
        return;
    }
    if (parse->last_kind == TL_TK_CREATE || (parse->last_kind == TL_TK_TEMPORARY && kind != TL_TK_SEMI)) {
        tl_ast_refuse(parse, token.at,
                      kind == TL_TK_FUNCTION ? "functions are built in; a views file makes none"
                                             : "write CREATE TABLE, CREATE VIEW or CREATE TEMPORARY VIEW",
                      kind == TL_TK_OR
                          ? "CREATE OR REPLACE has no place here: a changed definition is built beside the old one by itself"
                          : "CREATE makes a TABLE, a VIEW or a TEMPORARY VIEW");
        return;
    }
    if (parse->clause != 0 && parse->last_kind != TL_TK_AS && parse->last_kind != TL_TK_DOT && refusal_find(parse, kind, token))
        return;
    if ((kind == TL_TK_METADATA || kind == TL_TK_WITH || kind == TL_TK_VALUES) && !accepted[TL_TK_IDENT] &&
        refusal_find(parse, kind, token))
        return;
    hint_expected(accepted, accepted_count, hint, sizeof hint);
    if (kind == TL_TK_COMMA && parse->clause == TL_TK_FROM && parse->last_kind != TL_TK_FROM) {
        tl_ast_refuse(parse, token.at, "FROM takes one table, one view, or TABLE(TUMBLE(...))", "a view reads one table");
        return;
    }
    if ((kind == TL_TK_RP || kind == TL_TK_FROM) && parse->last_kind == TL_TK_COMMA) {
        tl_ast_refuse(parse, parse->last.at, "remove the comma, or write what is missing behind it",
                      "nothing follows this comma");
        return;
    }
    if (kind == TL_TK_IDENT && parse->first.text.size == 3 && tl_lex_keyword(parse->first.text) == TL_TK_SET) {
        tl_ast_refuse(parse, token.at, "write SET 'key' = 'value'", "both sides of SET stand in quotes");
        return;
    }
    /* A keyword that is nearly right, or a reserved word where a name belongs. */
    if (kind == TL_TK_IDENT) {
        for (int t = 1; t < accepted_count; t++)
            if (accepted[t] && tl_lex_keyword(tl_sv_from(tl_lex_name(t))) == t)
                tl_nearest_offer(&nearest, tl_sv_from(tl_lex_name(t)));
        /* Behind a complete clause the parser has already decided that the statement ends. */
        if (parse->clause == TL_TK_FROM)
            tl_nearest_offer(&nearest, TL_SV("WHERE"));
        if (parse->clause == TL_TK_FROM || parse->clause == TL_TK_WHERE)
            tl_nearest_offer(&nearest, TL_SV("GROUP"));
        if (parse->clause == TL_TK_GROUP)
            tl_nearest_offer(&nearest, TL_SV("HAVING"));
        if (nearest.best.data != NULL && nearest.distance <= 2)
            snprintf(hint, sizeof hint, "%s", tl_nearest_hint(&nearest, nearest_hint, sizeof nearest_hint, ""));
    } else if (accepted[TL_TK_IDENT] && tl_lex_keyword(token.text) != 0 && token.text.size < 40) {
        snprintf(hint, sizeof hint, "it is a reserved word; as a name it stands in backticks: `%.*s`", TL_SV_ARG(token.text));
    }
    if (kind == TL_TK_STRING &&
        parse->last_kind == TL_TK_IDENT) { /* `a INT COMENT 'x'`: the word was taken for part of the type */
        nearest = tl_nearest_to(parse->last.text);
        tl_nearest_offer(&nearest, TL_SV("COMMENT"));
        if (nearest.best.data != NULL)
            snprintf(hint, sizeof hint, "%s", tl_nearest_hint(&nearest, nearest_hint, sizeof nearest_hint, ""));
    }
    if (kind == 0 || parse->token_kind == 0) {
        tl_ast_refuse(parse, token.at, hint, "the file ends inside a statement");
        return;
    }
    if (shown.size > 40)
        shown.size = 40;
    snprintf(text, sizeof text, "%.*s", TL_SV_ARG(shown));
    if (kind == TL_TK_SEMI)
        tl_ast_refuse(parse, token.at, hint, "the statement ends too early");
    else
        tl_ast_refuse(parse, token.at, hint, kind == TL_TK_STRING ? "%s cannot stand here" : "'%s' cannot stand here", text);
}
