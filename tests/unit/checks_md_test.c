/* checks_md_test.c: CHECKS.md keeps its word: its files are taken, and each example comes to what stands beside it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate.h"

static char *page_read(void)
{
    FILE *file = fopen("common/sql/CHECKS.md", "rb");
    char *text = calloc(1, 1 << 20);

    cr_assert(file != NULL && text != NULL, "run the tests in the project's folder");
    cr_assert_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

/* The code block number `n`, from 0. */
static void block_take(const char *page, int n, char *out, size_t size)
{
    static const char fence[] = "```sql\n";
    const char *end;

    for (; n >= 0; n--) {
        page = strstr(page, fence);
        cr_assert_not_null(page);
        page += strlen(fence);
    }
    end = strstr(page, "```");
    cr_assert(end != NULL && (size_t)(end - page) < size);
    snprintf(out, size, "%.*s", (int)(end - page), page);
}

/* The next text between backticks on the line. */
static bool code_take(const char **at, char *out, size_t size)
{
    const char *from = strchr(*at, '`'), *end = strchr(*at, '\n'), *to;

    if (from == NULL || (end != NULL && from > end))
        return false;
    to = strchr(from + 1, '`');
    cr_assert(to != NULL && (size_t)(to - from) < size);
    snprintf(out, size, "%.*s", (int)(to - from - 1), from + 1);
    *at = to + 1;
    return true;
}

static void row_example(const char *views, const char *expected, const char *event, const char *want)
{
    struct tl_plan *plan = sim_plan(views);
    int64_t bounds[] = {INT64_MIN, INT64_MAX};
    struct sim_batch how = {.workers_count = 1, .bounds = bounds, .ranges_count = 1, .chunk_max = 1};
    struct sim_history history = {0};
    struct tl_checks *checks;
    struct sim_result got;
    char text[400];
    const char *is;

    snprintf(text, sizeof text, "ALTER TABLE events ADD CONSTRAINT c EXPECT (%s) ON VIOLATION DROP ROW", expected);
    checks = sim_checks(plan, text);
    snprintf(text, sizeof text, "{\"event_time\": \"2024-03-01T10:00:00.000Z\"%s%s", strlen(event) > 2 ? ", " : "", event + 1);
    sim_add(&history, 0, INT64_C(1709287200000), text);
    how.checks = checks;
    sim_batch(plan, &history, &how, &got);
    is = got.outcomes[0][TL_OUT_COUNTED] == 1     ? "kept"
         : strcmp(got.found.data, "c 1 1\n") == 0 ? "dropped: could not be evaluated"
         : got.outcomes[0][TL_OUT_REJECTED] == 1  ? "dropped"
                                                  : "neither";
    cr_assert(strncmp(want, is, strlen(is)) == 0 && strchr("\n |:", want[strlen(is)]) != NULL, "%s, %s: %s", expected, event, is);
    sim_result_done(&got);
    sim_history_done(&history);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

static void view_example(const char *views, const char *expected)
{
    struct tl_plan *plan = sim_plan(views);
    struct tl_checks *checks;
    struct tl_buf out;
    char text[400];

    snprintf(text, sizeof text, "ALTER VIEW hits_5m ADD CONSTRAINT c EXPECT (%s)", expected);
    checks = sim_checks(plan, text);
    tl_buf_init(&out, 0);
    tl_table_check_print(plan, &checks->tables[0], &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_str_eq(out.data, expected);
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_plan_close(plan);
}

Test(checks_md, every_example_holds)
{
    char *page = page_read(), views[2000], file[2000];
    struct tl_plan *plan;
    struct tl_checks *checks;
    bool of_rows = false, of_views = false;
    unsigned rows = 0, measures = 0;

    block_take(page, 0, views, sizeof views);
    block_take(page, 1, file, sizeof file);
    plan = sim_plan(views);
    checks = sim_checks(plan, file);
    cr_assert(checks->rows_count == 3 && checks->tables_count == 2);
    tl_checks_close(checks);
    tl_plan_close(plan);
    for (const char *line = page; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL) {
        char expected[200], event[200];
        const char *at = line;

        if (strncmp(line, "| EXPECT", 8) == 0) {
            of_rows = strncmp(line, "| EXPECT | the event |", 22) == 0;
            of_views = !of_rows;
        }
        if (strncmp(line, "| `", 3) != 0) {
            of_rows = of_rows && *line == '|';
            of_views = of_views && *line == '|';
            continue;
        }
        if ((!of_rows && !of_views) || !code_take(&at, expected, sizeof expected))
            continue;
        if (of_views) {
            view_example(views, expected);
            measures++;
            continue;
        }
        cr_assert(code_take(&at, event, sizeof event), "%.60s", line);
        row_example(views, expected, event, at + strlen(" | "));
        rows++;
    }
    cr_assert(rows >= 8 && measures >= 8, "%u and %u examples", rows, measures);
    free(page);
}
