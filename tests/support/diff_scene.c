/* diff_scene.c: a record, two views files, and what `tally diff` says. See diff_scene.h. */
#include "support/diff_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "event/timestamp.h"

struct diff_scene diff_scene;

void diff_scene_open(void)
{
    run_folder_make(diff_scene.dir);
    snprintf(diff_scene.data, sizeof diff_scene.data, "%s/data", diff_scene.dir);
    cr_assert_eq(mkdir(diff_scene.data, 0777), 0);
    snprintf(diff_scene.old_store, sizeof diff_scene.old_store, "sqlite:%s/old.db", diff_scene.dir);
    snprintf(diff_scene.new_store, sizeof diff_scene.new_store, "sqlite:%s/new.db", diff_scene.dir);
    diff_scene.checks[0] = 0;
}

void diff_scene_close(void)
{
    if (getenv("KEEP") == NULL)
        run_folder_remove(diff_scene.dir);
}

void diff_write_views(const char *old_text, const char *new_text)
{
    snprintf(diff_scene.old_views, sizeof diff_scene.old_views, "%s", run_file_write(diff_scene.dir, "old.sql", old_text));
    snprintf(diff_scene.new_views, sizeof diff_scene.new_views, "%s", run_file_write(diff_scene.dir, "new.sql", new_text));
}

void diff_record(void)
{
    struct run run = {0};

    visits_append(diff_scene.data, DIFF_PARTITIONS, DIFF_STEP_MS, 0, DIFF_EVENTS);
    RUN(&run, "archive", "--views", diff_scene.old_views, "--data", diff_scene.data, "--file-bytes", "3000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

void diff_backfill(const char *views, const char *store, const char *checks_path)
{
    struct run run = {0};

    if (checks_path != NULL)
        RUN(&run, "batch", "--views", views, "--data", diff_scene.data, "--store", store, "--to", "2026-03-01T02:00:00Z",
            "--checks", checks_path);
    else
        RUN(&run, "batch", "--views", views, "--data", diff_scene.data, "--store", store, "--to", "2026-03-01T02:00:00Z");
    cr_assert(run.status == 0 || run.status == 1, "%s", run.err);
    run_done(&run);
}

static const char *text_of(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    tl_time_to_iso_z(ms, out);
    return out;
}

json_t *diff_preview(int64_t from_ms, int64_t to_ms, const char *const *more)
{
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];
    const char *args[40] = {"diff",     diff_scene.new_views,
                            "--data",   diff_scene.data,
                            "--store",  diff_scene.old_store,
                            "--from",   text_of(from_ms, from),
                            "--to",     text_of(to_ms, to),
                            "--format", "json",
                            "--limit",  "1000000"};
    struct run run = {0};
    json_error_t mistake;
    json_t *report;
    size_t count = 14;

    for (size_t i = 0; more != NULL && more[i] != NULL; i++)
        args[count++] = more[i];
    args[count] = NULL;
    run_start(&run, args);
    run_wait(&run);
    diff_scene.status = run.status;
    snprintf(diff_scene.said, sizeof diff_scene.said, "%s", run.err);
    cr_assert(diff_scene.status == 0 || diff_scene.status == 1 || diff_scene.status == 3, "%s", run.err);
    report = json_loads(run.out, 0, &mistake);
    cr_assert_not_null(report, "%s\n%s\n%s", mistake.text, run.out, run.err);
    run_done(&run);
    return report;
}

json_t *diff_view(json_t *report, const char *name)
{
    json_t *view;
    size_t i;

    json_array_foreach(json_object_get(report, "views"), i, view)
    {
        if (strcmp(json_string_value(json_object_get(view, "view")), name) == 0)
            return view;
    }
    cr_assert_fail("no view %s", name);
    return NULL;
}

long long diff_number(const json_t *view, const char *name)
{
    const json_t *value = json_object_get(view, name);

    cr_assert(json_is_integer(value), "%s is no number", name);
    return json_integer_value(value);
}

void diff_expect_nothing(json_t *report, const char *words, bool all)
{
    for (size_t v = 0; visits_windows_names[v] != NULL; v++) {
        json_t *view = diff_view(report, visits_windows_names[v]);

        cr_assert_str_eq(json_string_value(json_object_get(view, "state")), "changed");
        if (strcmp(json_string_value(json_object_get(view, "compared")), "no") == 0) {
            cr_assert(!all, "%s: %s is not compared", words, visits_windows_names[v]);
            continue;
        }
        cr_assert_eq(diff_number(view, "changed") + diff_number(view, "only_old") + diff_number(view, "only_new"), 0,
                     "%s: %s: %s", words, visits_windows_names[v], json_dumps(json_object_get(view, "units"), 0));
        if (all)
            cr_assert_eq(diff_number(view, "left_out_rows"), 0, "%s: %s", words, visits_windows_names[v]);
    }
}
