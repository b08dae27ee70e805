/* bind_list.c: the list of IN where it stands in a file of its own: x IN (FILE 'hosts.txt'), one value a line. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sql/bind.h"

enum { LIST_BYTES_MAX = 1 << 20, LIST_VALUES_MAX = 10000 };

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

static enum tl_code file_take(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *ast, struct tl_ast_expr *into)
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
            TL_TRY(tl_mistake(bind->err, bind->text, ast->at, "each value is compared with each event: look them up beforehand",
                              "%.*s has more than %d values", TL_SHOWN(ast->text), LIST_VALUES_MAX));
        literal = literal_make(bind, kind, line, ast->at);
        if (literal == NULL)
            TL_TRY(tl_bind_no_memory(bind));
        into->args_last->next = literal;
        into->args_last = literal;
        into->args_count++;
    }
    if (count == 0)
        TL_TRY(
            tl_mistake(bind->err, bind->text, ast->at, "it holds one value a line", "%.*s holds no value", TL_SHOWN(ast->text)));
out:
    return rc;
}

enum tl_code tl_bind_list(struct tl_bind *bind, enum tl_kind kind, const struct tl_ast_expr *in, const struct tl_ast_expr **out)
{
    struct tl_ast_expr *whole = tl_arena_zalloc(bind->arena, 2 * sizeof *whole), *x = &whole[1];
    const struct tl_ast_expr *item = in->args->next;
    bool any = false;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 1; i < in->args_count; i++, item = item->next)
        any = any || item->op == TL_AST_FILE;
    *out = in;
    if (!any)
        return TL_OK;
    if (whole == NULL)
        return tl_bind_no_memory(bind);
    *whole = *in;
    *x = *in->args;
    whole->args = whole->args_last = x;
    whole->args_count = 1;
    item = in->args->next;
    for (uint32_t i = 1; i < in->args_count; i++, item = item->next) {
        struct tl_ast_expr *copy;

        if (item->op == TL_AST_FILE) {
            TL_TRY(file_take(bind, kind, item, whole));
            continue;
        }
        copy = tl_arena_zalloc(bind->arena, sizeof *copy);
        if (copy == NULL)
            TL_TRY(tl_bind_no_memory(bind));
        *copy = *item;
        whole->args_last->next = copy;
        whole->args_last = copy;
        whole->args_count++;
    }
    whole->args_last->next = NULL;
    *out = whole;
out:
    return rc;
}
