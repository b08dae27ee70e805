/* nightly_test.c: commands as cron and their operator meet them: stopped on the way, run again, twice at once, with a mistake. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/visits.h"

enum { STEP_MS = 20, PATIENCE_MS = 20000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(nightly, .init = folder_open, .fini = folder_close, .timeout = 60);

/* The first line of the answer as a number; 0 while there is no such table. */
static long number_of(const char *sql)
{
    long number = 0;

    if (access(store, F_OK) == 0) {
        char *text = dump_sql(store, sql);

        number = strtol(text, NULL, 10);
        free(text);
    }
    return number;
}

Test(nightly, sigterm_ends_a_run_on_the_way_and_the_next_one_does_its_work)
{
    struct run run = {0};
    long begun = 0;

    visits_append(data, 2, STEP_MS, 0, 60000); /* one range: there is no end of a job to wait for */
    RUN(&run, "archive", "--views", views, "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "speed", "--views", views, "--data", data, "--once"); /* makes the store */
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    run_start(&run, (const char *const[]){"batch", "--views", views, "--data", data, "--jobs", "1", NULL});
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; begun == 0 && tl_clock_monotonic_ms() < until;)
        begun = number_of("SELECT count(*) FROM tally_run");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 3, "%s", run.out);
    cr_expect(strstr(run.err, "stopped before it was published") != NULL, "%s", run.err);
    run_done(&run);
    cr_expect_eq(number_of("SELECT count(*) FROM tally_pointer"), 0);
    RUN(&run, "batch", "--views", views, "--data", data);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect(strstr(run.err, "goes on with run 1") != NULL, "%s", run.err);
    run_done(&run);
    cr_expect(number_of("SELECT count(*) FROM tally_pointer") > 0);
    cr_expect_eq(number_of("SELECT sum(hits) FROM hits_batch"), number_of("SELECT sum(hits) FROM hits WHERE _layer = 'batch'"),
                 "the run that was stopped left rows");
}

Test(nightly, a_mistake_in_the_views_file_is_said_once_by_up_and_nothing_starts)
{
    struct run run = {0};
    char *first;

    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", "CREATE VIEW hits AS SELECT host FROM nowhere;\n"));
    snprintf(data, sizeof data, "%s/none", dir);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data);
    cr_expect_eq(run.status, 2);
    first = strstr(run.err, " error ");
    cr_expect(first != NULL && strstr(first + 1, " error ") == NULL, "%s", run.err);
    cr_expect_neq(access(data, F_OK), 0, "a data directory was made");
    run_done(&run);
}

Test(nightly, a_speed_that_stands_by_ends_in_peace)
{
    struct run first = {0}, second = {0};

    run_start(&first, (const char *const[]){"speed", "--views", views, "--data", data, NULL});
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS;
         number_of("SELECT count(*) FROM sqlite_master WHERE name = 'hits_speed'") == 0 && tl_clock_monotonic_ms() < until;)
        tl_clock_sleep_ms(10);
    run_start(&second, (const char *const[]){"speed", "--views", views, "--data", data, NULL});
    cr_expect(run_says(&second, "standing by", PATIENCE_MS));
    run_signal(&second, SIGTERM);
    run_wait(&second);
    cr_expect_eq(second.status, 0, "%s", second.err);
    cr_expect(strstr(second.err, "standing by") != NULL, "%s", second.err);
    run_done(&second);
    run_signal(&first, SIGTERM);
    run_wait(&first);
    cr_expect_eq(first.status, 0, "%s", first.err);
    run_done(&first);
}

/* Two machines, each with a data directory of its own, and one store. */
Test(nightly, one_batch_at_a_time_on_a_store, .fini = store_folder_remove)
{
    struct tl_store *other;
    struct run run = {0};
    char url[512];

    store_postgres.url(url);
    other = store_open(url, TL_STORE_WRITE);
    OK(tl_store_lock(other, "batch", "web2 pid 8", err));
    visits_append(data, 1, STEP_MS, 0, 100);
    RUN(&run, "archive", "--views", views, "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", views, "--data", data, "--store", url, "--to", "now");
    cr_expect_eq(run.status, 75, "%s", run.err);
    cr_expect_not_null(strstr(run.err, "another batch works on this store: tally batch on web2 pid 8"), "%s", run.err);
    run_done(&run);
    tl_store_close(other);
    RUN(&run, "batch", "--views", views, "--data", data, "--store", url, "--to", "now");
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}
