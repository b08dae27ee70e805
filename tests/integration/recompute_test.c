/* recompute_test.c: a record that takes batch many rounds gives the same rows, ledger and ranges on any number of threads, whether duplicates
 * are looked for or not. Of files of some twenty events, for a chunk that waits for no block is short then. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { EVENTS = 8000, PARTITIONS = 2, STEP_MS = 2000 };

static char dir[RUN_DIR_BYTES], data[300];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(recompute, .init = folder_open, .fini = folder_close, .timeout = 120);

static void add(struct tl_buf *all, char *text)
{
    tl_buf_put_str(all, text);
    free(text);
}

static void expect_none(const char *path, const char *sql)
{
    char *count = dump_sql(path, sql);

    cr_expect_eq(atoi(count), 0, "%s: %s", sql, count);
    free(count);
}

/* All that a publication into a store of its own leaves there. Speed writes keys and accumulators as bytes: as texts they would be others. */
static struct tl_buf published(const char *views, const char *jobs)
{
    static const char *const tables[] = {
        "SELECT definition, partition, \"offset\", \"row\", cause, flags, event_time_ms FROM tally_ledger ORDER BY 1, 2, 3, 4, 5",
        "SELECT definition, from_ms, to_ms, rows_count, dead_letter, duplicate, filtered, partly_counted, counted, hex(carry)"
        " FROM tally_run_range ORDER BY 1, 2",
    };
    char path[400], url[420];
    struct run run = {0};
    struct tl_buf all;

    tl_buf_init(&all, 0);
    snprintf(path, sizeof path, "%s/%s.db", dir, jobs);
    snprintf(url, sizeof url, "sqlite:%s", path);
    RUN(&run, "batch", "--views", views, "--data", data, "--store", url, "--to", "2026-03-01T04:00:00Z", "--jobs", jobs);
    cr_assert_eq(run.status, 0, "%s threads: %s", jobs, run.err);
    run_done(&run);
    for (size_t v = 0; visits_windows_names[v] != NULL; v++) {
        char sql[300];

        add(&all, dump_batch(path, visits_windows_names[v]));
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM \"%s_batch\" WHERE typeof(_key) <> 'blob' OR typeof(_acc) NOT IN ('blob', 'null')",
                 visits_windows_names[v]);
        expect_none(path, sql);
    }
    expect_none(path, "SELECT count(*) FROM tally_run_range WHERE rows_count > 0 AND counted = 0");
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        add(&all, dump_sql(path, tables[t]));
    cr_assert_eq(remove(path), 0);
    return all;
}

static void expect_same_on_any_number_of_threads(const char *settings)
{
    static const char *const jobs[] = {"2", "3", "8"};
    struct run run = {0};
    struct tl_buf want;
    char text[8000], views[300];

    visits_append(data, PARTITIONS, STEP_MS, 0, EVENTS);
    snprintf(text, sizeof text, "SET 'tally.batch-range' = 'hour';\n%s%s", settings, visits_windows);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", text));
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "2000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    want = published(views, "1");
    cr_assert(!want.failed && want.size > 100000);
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
        struct tl_buf got = published(views, jobs[j]);

        cr_expect(tl_sv_eq(tl_buf_sv(&got), tl_buf_sv(&want)), "on %s threads it is another result", jobs[j]);
        tl_buf_done(&got);
    }
    tl_buf_done(&want);
}

Test(recompute, many_rounds_on_any_number_of_threads)
{
    expect_same_on_any_number_of_threads("");
}

Test(recompute, many_rounds_without_turns)
{
    expect_same_on_any_number_of_threads("SET 'tally.dedup.key' = '';\n");
}
