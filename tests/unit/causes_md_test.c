/* causes_md_test.c: CAUSES.md is the table of causes that the report's words come from, line by line, and has them all; so has JSON's schema. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serving/cause_words.h"

static char *page_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);

    cr_assert(file != NULL && text != NULL, "run the tests in the project's folder");
    cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
    fclose(file);
    return text;
}

Test(causes_md, each_cause_has_its_line)
{
    char *page = page_read("serving/CAUSES.md"), line[1000];
    const char *at = strstr(page, "\n|---");
    unsigned lines = 0;

    cr_assert_not_null(at);
    at = strchr(at + 1, '\n');
    for (int c = TL_CAUSE_NONE + 1; c < TL_CAUSES; c++) {
        const struct tl_cause_words *words = tl_cause_words((enum tl_cause)c);
        const char *const texts[] = {words->one, words->many, words->meaning, words->todo};

        for (size_t t = 0; t < TL_COUNT(texts); t++)
            cr_assert(texts[t] != NULL && texts[t][0] != '\0' && strpbrk(texts[t], "|\n<") == NULL, "%s",
                      tl_cause_name((enum tl_cause)c));
        snprintf(line, sizeof line, "\n| `%s` | %s | %s | %s |\n", tl_cause_name((enum tl_cause)c), words->one, words->meaning,
                 words->todo);
        cr_assert_eq(strncmp(at, line, strlen(line)), 0, "the page has%.300s\nand not%s", at, line);
        at = strchr(at + 1, '\n');
        lines++;
    }
    cr_assert(lines == 23 && at[1] == '\0', "more than %u lines", lines);
    free(page);
}

Test(causes_md, the_schema_knows_each)
{
    char *schema = page_read("serving/report.schema.json"), name[64];

    for (int c = TL_CAUSE_NONE + 1; c < TL_CAUSES; c++) {
        snprintf(name, sizeof name, "%s%s", tl_cause_name((enum tl_cause)c),
                 c == TL_CAUSE_DQ_REJECT ? ":"
                 : c + 1 == TL_CAUSES    ? ")"
                                         : "|");
        cr_assert_not_null(strstr(schema, name), "%s", name);
    }
    free(schema);
}
