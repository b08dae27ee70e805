/* bind_list.c: the list of IN where it stands in a file of its own: x IN (FILE 'hosts.txt'), one value a line. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sql/bind.h"

enum { LIST_BYTES_MAX = 4 << 20, LIST_VALUES_MAX = 100000 };

/* A name that is no path from the root lies beside the checks file. */
static char *list_path(struct tl_bind *bind, struct tl_sv name)
{
    const char *slash = strrchr(bind->text->name, '/');
    int folder = slash != NULL ? (int)(slash - bind->text->name) + 1 : 0;

    return name.size > 0 && name.data[0] == '/'
               ? tl_arena_printf(bind->arena, "%.*s", TL_SV_ARG(name))
               : tl_arena_printf(bind->arena, "%.*s%.*s", folder, bind->text->name, TL_SV_ARG(name));
}

static enum tl_code list_refuse(struct tl_bind *bind, const struct tl_ast_expr *ast, const char *path, int number)
{
    return tl_mistake(bind->err, bind->text, ast->at, "it lies beside the checks file, and holds one value a line",
                      "the list %.*s cannot be read: %s", TL_SHOWN(tl_sv_from(path)), strerror(number));
}

struct list_item {
    const struct tl_ast_expr *literal;
    struct list_item *next;
};
struct list {
    struct list_item *first, *last;
    uint32_t count;
};

static struct list_item *list_add(struct tl_bind *bind, struct list *list, const struct tl_ast_expr *literal)
{
    struct list_item *item = tl_arena_zalloc(bind->arena, sizeof *item);

    if (item == NULL)
        return NULL;
    item->literal = literal;
    if (list->last != NULL)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
    list->count++;
    return item;
}

/* What lies there may be anything: a pipe would be waited for. */
static enum tl_code list_read(struct tl_bind *bind, const struct tl_ast_expr *ast, const char *path, struct tl_sv *out)
{
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    char *text = NULL;
    ssize_t got = 0;
    size_t size = 0;
    enum tl_code rc = TL_OK;

    if (file < 0)
        return list_refuse(bind, ast, path, errno);
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        TL_TRY(list_refuse(bind, ast, path, EINVAL));
    if (status.st_size > LIST_BYTES_MAX)
        TL_TRY(list_refuse(bind, ast, path, EFBIG));
    text = tl_arena_bytes(bind->arena, (size_t)status.st_size + 1);
    if (text == NULL)
        TL_TRY(tl_bind_no_memory(bind));
    while (size < (size_t)status.st_size && (got = read(file, text + size, (size_t)status.st_size - size)) > 0)
        size += (size_t)got;
    if (got < 0)
        TL_TRY(list_refuse(bind, ast, path, errno));
    *out = (struct tl_sv){text, size};
out:
    close(file);
    return rc;
}

static bool is_text(struct tl_sv line)
{
    for (size_t i = 0, size; i < line.size; i += size) {
        size = tl_utf8_size(line.data + i, line.size - i);
        if (size == 0 || line.data[i] == '\0')
            return false;
    }
    return true;
}

/* A line as a literal of x's kind; what is said of it points at the word FILE. */
static struct tl_ast_expr *literal_make(struct tl_bind *bind, enum tl_kind kind, struct tl_sv line, struct tl_span at)
{
    struct tl_ast_expr *literal = tl_arena_zalloc(bind->arena, 2 * sizeof *literal);
    bool number = tl_kind_is_numeric(kind), negative = number && line.data[0] == '-';

    if (literal == NULL)
        return NULL;
    *literal =
        (struct tl_ast_expr){.op = number ? TL_AST_NUMBER : TL_AST_STRING, .at = at, .key_at = at, .text = line, .depth = 1};
    if (negative) {
        literal[1] = literal[0];
        literal[1].text = (struct tl_sv){line.data + 1, line.size - 1};
        literal[0] = (struct tl_ast_expr){.op = TL_AST_OPERATOR,
                                          .at = at,
                                          .key_at = at,
                                          .text = TL_SV("NEGATE"),
                                          .args = &literal[1],
                                          .args_last = &literal[1],
                                          .args_count = 1,
                                          .depth = 2};
    }
    return literal;
}

static enum tl_code line_check(struct tl_bind *bind, const struct tl_ast_expr *ast, enum tl_kind kind, struct tl_sv line,
                               unsigned number)
{
    double value;

    if (!is_text(line))
        return tl_mistake(bind->err, bind->text, ast->at, "save the file as UTF-8, one value a line",
                          "line %u of %.*s is no text", number, TL_SHOWN(ast->text));
    if (tl_kind_is_numeric(kind) && !tl_sv_to_f64(line, &value))
        return tl_mistake(bind->err, bind->text, ast->at, "one number a line", "line %u of %.*s is no number: '%.*s'", number,
                          TL_SHOWN(ast->text), TL_SHOWN(line));
    return TL_OK;
}

static enum tl_code file_take(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *ast, struct list *into)
{
    const char *path = list_path(bind, ast->text);
    struct tl_sv rest;
    unsigned number = 0, count = 0;
    enum tl_code rc;

    if (path == NULL)
        return tl_bind_no_memory(bind);
    if (kind != TL_STRING && !tl_kind_is_numeric(kind))
        return tl_mistake(bind->err, bind->text, ast->at, "write the values between the brackets",
                          "a file holds texts or numbers, and %s is neither", tl_kind_name(kind));
    TL_TRY(list_read(bind, ast, path, &rest));
    while (rest.size > 0) {
        struct tl_sv line = tl_sv_trim(tl_sv_cut(&rest, '\n'));
        struct tl_ast_expr *literal;

        number++;
        if (line.size == 0)
            continue;
        TL_TRY(line_check(bind, ast, kind, line, number));
        if (++count > LIST_VALUES_MAX)
            TL_TRY(tl_mistake(bind->err, bind->text, ast->at, "a list of that length is better looked up beforehand",
                              "%.*s has more than %d values", TL_SHOWN(ast->text), LIST_VALUES_MAX));
        literal = literal_make(bind, kind, line, ast->at);
        if (literal == NULL || list_add(bind, into, literal) == NULL)
            TL_TRY(tl_bind_no_memory(bind));
    }
    if (count == 0)
        TL_TRY(
            tl_mistake(bind->err, bind->text, ast->at, "it holds one value a line", "%.*s holds no value", TL_SHOWN(ast->text)));
out:
    return rc;
}

/* A literal as a value of x's kind. */
static enum tl_code value_take(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *ast, struct tl_value *out)
{
    struct tl_scope scope = {.clause = "a list"};
    struct tl_expr *expr;
    int64_t min, max;
    bool fits;
    enum tl_code rc;

    if (ast->op == TL_AST_COLUMN)
        return tl_mistake(bind->err, bind->text, ast->at, "a text stands in quotes", "the values of the list are constants");
    TL_TRY(tl_bind_expr(bind, &scope, ast, &expr));
    if (expr->op != TL_EXPR_CONSTANT)
        return tl_mistake(bind->err, bind->text, ast->at, "write its value", "the values of the list are constants");
    if (expr->constant.is_null)
        return tl_mistake(bind->err, bind->text, ast->at, "leave it out; NULL_SHARE(x) = 0 refuses it",
                          "NULL is always allowed by IN");
    fits = expr->kind == kind || (tl_kind_form(kind) == TL_FORM_F64 && tl_kind_is_numeric(expr->kind));
    *out = expr->constant;
    out->kind = kind;
    if (tl_kind_is_integer(kind) && tl_kind_is_integer(expr->kind)) {
        tl_kind_range(kind, &min, &max);
        fits = out->i64 >= min && out->i64 <= max;
    } else if (fits && tl_kind_form(kind) == TL_FORM_F64) {
        out->f64 = tl_kind_form(expr->kind) == TL_FORM_F64 ? expr->constant.f64 : (double)expr->constant.i64;
        if (kind == TL_FLOAT)
            out->f64 = (float)out->f64;
    }
    if (!fits)
        return tl_mistake(bind->err, bind->text, ast->at, "the values of the list have the type of the column",
                          "the column is %s, and this is %s", tl_kind_name(kind), tl_kind_name(expr->kind));
    if (kind == TL_STRING && !tl_arena_copy(bind->arena, out->sv, &out->sv))
        return tl_bind_no_memory(bind);
out:
    return rc;
}

bool tl_bind_list_has_file(const struct tl_ast_expr *in)
{
    const struct tl_ast_expr *item = in->args->next;

    for (uint32_t i = 1; i < in->args_count; i++, item = item->next)
        if (item->op == TL_AST_FILE)
            return true;
    return false;
}

enum tl_code tl_bind_list(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *in, struct tl_value **out,
                          uint32_t *count)
{
    struct list list = {0};
    const struct tl_ast_expr *item = in->args->next;
    struct tl_value *values;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 1; i < in->args_count; i++, item = item->next) {
        struct list_item *copy;

        if (item->op == TL_AST_FILE) {
            TL_TRY(file_take(bind, kind, item, &list));
            continue;
        }
        copy = list_add(bind, &list, item);
        if (copy == NULL)
            TL_TRY(tl_bind_no_memory(bind));
    }
    values = tl_arena_zalloc(bind->arena, sizeof *values * (list.count + 1u));
    if (values == NULL)
        TL_TRY(tl_bind_no_memory(bind));
    *count = 0;
    for (const struct list_item *i = list.first; i != NULL; i = i->next)
        TL_TRY(value_take(bind, kind, i->literal, &values[(*count)++]));
    *out = values;
out:
    return rc;
}

static int by_value(const void *a, const void *b)
{
    return tl_value_order(a, b);
}

enum tl_code tl_bind_among(struct tl_bind *bind, const struct tl_ast_expr *in, struct tl_expr *x, struct tl_expr **out)
{
    struct tl_value_list *list = tl_arena_zalloc(bind->arena, sizeof *list);
    struct tl_value *values = NULL;
    struct tl_expr *expr = tl_bind_node(bind, TL_EXPR_AMONG, TL_BOOLEAN, in->key_at.place, 1);
    enum tl_code rc;

    if (list == NULL || expr == NULL)
        return tl_bind_no_memory(bind);
    TL_TRY(tl_bind_list(bind, x->kind, in, &values, &list->count));
    qsort(values, list->count, sizeof *values, by_value);
    list->values = values;
    expr->args[0] = x;
    expr->state = list;
    *out = expr;
    rc = tl_bind_node_close(bind, expr, in->key_at);
out:
    return rc;
}
