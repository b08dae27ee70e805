/* pipeline.c: the commands run over a folder of their own. See pipeline.h. */
#include "support/pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/dump.h"

void pipeline_open(struct pipeline *p, const char *views_text)
{
    memset(p, 0, sizeof *p);
    cr_assert_eq(unsetenv("TALLY_VIEWS"), 0);
    cr_assert_eq(unsetenv("TALLY_CLOCK_FILE"), 0);
    run_folder_make(p->dir);
    snprintf(p->data, sizeof p->data, "%s/data", p->dir);
    snprintf(p->store, sizeof p->store, "%s/views.db", p->data);
    cr_assert_eq(mkdir(p->data, 0777), 0);
    pipeline_define(p, views_text);
}

void pipeline_define(struct pipeline *p, const char *views_text)
{
    snprintf(p->views, sizeof p->views, "%s", run_file_write(p->dir, "views.sql", views_text));
}

void pipeline_close(struct pipeline *p)
{
    run_done(&p->run);
    run_folder_remove(p->dir);
}

void pipeline_tally(struct pipeline *p, int status, const char *const *args)
{
    const char *all[RUN_ARGS_MAX + 1];
    size_t count = 0;

    while (args[count] != NULL) {
        cr_assert_lt(count, RUN_ARGS_MAX - 4);
        all[count] = args[count];
        count++;
    }
    all[count++] = "--views";
    all[count++] = p->views;
    all[count++] = "--data";
    all[count++] = p->data;
    all[count] = NULL;
    run_done(&p->run);
    run_start(&p->run, all);
    run_wait(&p->run);
    if (status >= 0)
        cr_assert_eq(p->run.status, status, "tally %s %s: exit %d, not %d\n%s%s", args[0], args[1] != NULL ? args[1] : "",
                     p->run.status, status, p->run.out, p->run.err);
}

char *pipeline_rows(struct pipeline *p, const char *view, const char *layer)
{
    size_t kept = 0;
    char *rows;

    TALLY(p, 0, "query", view, "--layer", layer, "--format", "csv");
    rows = strdup(p->run.out);
    cr_assert_not_null(rows);
    for (size_t i = 0; rows[i] != '\0'; i++)
        if (rows[i] != '\r')
            rows[kept++] = rows[i];
    rows[kept] = '\0';
    return rows;
}

void pipeline_append(struct pipeline *p, uint32_t partitions, const struct tl_log_record *records, size_t count)
{
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = p->data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), partitions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, TL_SV("events"), records, count, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

long long pipeline_number(struct pipeline *p, const char *sql)
{
    char *text = dump_sql(p->store, sql), *end;
    long long number = strtoll(text, &end, 10);

    cr_assert(end != text && strcmp(end, "\n") == 0, "%s: %s", sql, text);
    free(text);
    return number;
}

const char *shared_path(const char *name)
{
    static char path[1024];
    const char *shared = getenv("TALLY_SHARED");

    snprintf(path, sizeof path, "%s/%s", shared != NULL && shared[0] != '\0' ? shared : "../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}
