/* sql_case.c: checks what is said about a mistake in a views file. */
#include "support/sql_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/function.h"
#include "sql/check.h"

struct tl_plan *sql_plan(const char *sql)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    enum tl_code rc = tl_plan_parse(tl_sv_from(sql), "views.sql", tl_function_catalog(), &plan, &err);

    cr_assert_eq(rc, TL_OK, "refused: %s", err.message);
    return plan;
}

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0u) != 0x80u;
    return count;
}

/* Line number `n` of the message, from 0. */
static void line_of(const char *message, int n, char *out, size_t out_bytes)
{
    const char *at = message, *end;

    for (; n > 0 && at != NULL; n--) {
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL)
        at = "";
    end = strchr(at, '\n');
    snprintf(out, out_bytes, "%.*s", (int)(end != NULL ? (size_t)(end - at) : strlen(at)), at);
}

static void refusal_check(const struct sql_mistake *c, const char *file, enum tl_code rc, struct tl_err err)
{
    char want[600], first[600], line[600], caret[600], hint[600];
    size_t at, carets;

    cr_assert_eq(rc, TL_ERR_DEFINITION, "%s: taken, or another error: %d %s", c->name, (int)rc, err.message);
    cr_assert_eq(err.code, TL_ERR_DEFINITION);
    line_of(err.message, 0, first, sizeof first);
    line_of(err.message, 1, line, sizeof line);
    line_of(err.message, 2, caret, sizeof caret);
    line_of(err.message, 3, hint, sizeof hint);
    snprintf(want, sizeof want, "%s:%u:%u: %s", file, c->line, c->column, c->what);
    cr_assert_str_eq(first, want, "%s: %s", c->name, err.message);
    at = strcspn(caret, "^");
    carets = strspn(caret + at, "^");
    cr_assert_eq(at + carets, strlen(caret), "%s: %s", c->name, err.message);
    cr_assert_leq(at, strlen(line), "%s: %s", c->name, err.message);
    if (c->under[0] == '\0')
        cr_assert_eq(carets, 1, "%s: %s", c->name, err.message);
    else
        cr_assert(carets == characters(c->under) && strncmp(line + at, c->under, strlen(c->under)) == 0,
                  "%s: carets under '%.*s', want '%s'\n%s", c->name, (int)carets, line + at, c->under, err.message);
    if (c->hint[0] == '\0')
        cr_assert_str_eq(hint, "", "%s: %s", c->name, err.message);
    else
        cr_assert_str_eq(hint + (strlen(hint) > 2 ? 2 : 0), c->hint, "%s: %s", c->name, err.message);
}

void sql_mistake_check(const struct sql_mistake *c)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};
    enum tl_code rc = tl_plan_parse(tl_sv_from(c->sql), "views.sql", tl_function_catalog(), &plan, &err);

    refusal_check(c, "views.sql", rc, err);
    cr_assert_null(plan);
}

void checks_mistake_check(const struct sql_mistake *c, const char *views)
{
    struct tl_plan *plan = sql_plan(views);
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};
    enum tl_code rc = tl_checks_parse(tl_sv_from(c->sql), "checks.sql", plan, &checks, &err);

    refusal_check(c, "checks.sql", rc, err);
    cr_assert_null(checks);
    tl_plan_close(plan);
}
