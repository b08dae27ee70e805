/* functions_md_test.c: FUNCTIONS.md keeps its word: each example comes to what stands beside it, and each function has one. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "support/sql_value.h"

static char *page_read(void)
{
    FILE *file = fopen("common/sql/FUNCTIONS.md", "rb");
    char *text = calloc(1, 1 << 20);

    cr_assert(file != NULL && text != NULL, "run the tests in the project's folder");
    cr_assert_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

/* The text between backticks from *at on, on its line; `\|` is a bar. */
static bool code_take(const char **at, char *out, size_t out_bytes)
{
    const char *from = strchr(*at, '`'), *end = strchr(*at, '\n');
    size_t size = 0;

    if (from == NULL || (end != NULL && from > end))
        return false;
    for (from++; *from != '`' && *from != '\0'; from++) {
        cr_assert_lt(size, out_bytes - 1);
        if (*from == '\\' && from[1] == '|')
            from++;
        out[size++] = *from;
    }
    out[size] = '\0';
    *at = *from == '`' ? from + 1 : from;
    return true;
}

Test(functions_md, every_example_holds)
{
    char *page = page_read();
    bool in_table = false;
    unsigned count = 0;

    for (const char *line = page; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL) {
        const char *at = line;
        struct sql_value c = {0};

        if (strncmp(line, "| `", 3) != 0) {
            in_table = strncmp(line, "|---", 4) == 0;
            continue;
        }
        cr_assert(in_table, "no table has this row: %.60s", line);
        cr_assert(code_take(&at, c.expression, sizeof c.expression) && code_take(&at, c.want, sizeof c.want), "%.60s", line);
        sql_value_check(&c);
        count++;
    }
    cr_assert_gt(count, 5);
    free(page);
}

Test(functions_md, every_function_has_an_example)
{
    char *page = page_read();

    for (const struct tl_catalog *c = sql_value_catalog(); c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++) {
            const char *signature = c->functions[i].signature;
            char call[64];
            bool found = false;

            if (strchr(signature, '(') == NULL || !isupper((unsigned char)c->functions[i].name[0]) ||
                strcmp(c->functions[i].name, "NEGATE") == 0 || strcmp(c->functions[i].name, "NOT") == 0 ||
                strcmp(c->functions[i].name, "LIKE") == 0)
                continue;
            snprintf(call, sizeof call, "%.*s(", (int)strcspn(signature, "("), signature);
            for (const char *at = page; (at = strstr(at, call)) != NULL && !found; at++)
                found = at > page && !isalnum((unsigned char)at[-1]) && at[-1] != '_';
            cr_assert(found, "%s has no example", signature);
        }
    free(page);
}
