/* notify_test.c: what a supervisor hears of the commands that stay. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/pipeline.h"
#include "support/supervisor.h"
#include "support/visits.h"

static struct pipeline p;

static void open_pipeline(void)
{
    pipeline_open(&p, visits_views);
}

static void close_pipeline(void)
{
    pipeline_close(&p);
}

TestSuite(notify, .init = open_pipeline, .fini = close_pipeline, .timeout = 60);

static void start(struct run *run, const char *command, const char *more)
{
    run_start(run, (const char *const[]){command, "--views", p.views, "--data", p.data, more, NULL});
}

static void expect_well_told(struct run *run)
{
    supervisor_expect_ready(run);
    supervisor_expect_stopping(run);
}

Test(notify, speed_is_well_told)
{
    struct run run = {0};

    visits_append(p.data, 2, 1000, 0, 10);
    supervisor_open(p.dir);
    start(&run, "speed", NULL);
    expect_well_told(&run);
    run_done(&run);
}

/* It waits for the log, which is no reason to start it anew. */
Test(notify, speed_without_a_log_is_well_told)
{
    struct run run = {0};

    supervisor_open(p.dir);
    start(&run, "speed", NULL);
    expect_well_told(&run);
    run_done(&run);
}

Test(notify, speed_that_stands_by_is_well_told)
{
    struct run first = {0}, second = {0};

    visits_append(p.data, 2, 1000, 0, 10);
    start(&first, "speed", "-v");
    for (int64_t until_ms = tl_clock_monotonic_ms() + 10000; access(p.store, F_OK) != 0 && tl_clock_monotonic_ms() < until_ms;)
        tl_clock_sleep_ms(20);
    supervisor_open(p.dir);
    start(&second, "speed", NULL);
    cr_assert(run_says(&second, "standing by", 10000));
    expect_well_told(&second);
    run_signal(&first, SIGTERM);
    run_wait(&first);
    run_done(&first);
    run_done(&second);
}

Test(notify, archive_is_well_told)
{
    struct run run = {0};

    supervisor_open(p.dir);
    start(&run, "archive", "--follow");
    expect_well_told(&run);
    run_done(&run);
}

Test(notify, serve_is_well_told)
{
    struct run run = {0};

    RUN(&run, "serve", "--help");
    if (run.status != 0)
        cr_skip("this tally has no serve");
    run_done(&run);
    visits_append(p.data, 2, 1000, 0, 10);
    TALLY(&p, 0, "speed", "--once");
    supervisor_open(p.dir);
    run_start(&run, (const char *const[]){"serve", "--listen", "127.0.0.1:0", "--views", p.views, "--data", p.data, NULL});
    expect_well_told(&run);
    run_done(&run);
}

/* Whose parts, processes of their own, say nothing. */
Test(notify, up_is_well_told)
{
    struct run run = {0};

    visits_append(p.data, 2, 1000, 0, 10);
    supervisor_open(p.dir);
    start(&run, "up", NULL);
    expect_well_told(&run);
    run_done(&run);
}

/* The thread of intercept's only loop: the one that waits in epoll_wait. */
static pid_t loop_of(pid_t pid)
{
    char path[300], line[200] = "";
    pid_t found = 0;
    struct dirent *entry;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    cr_assert_not_null(tasks);
    while ((entry = readdir(tasks)) != NULL) {
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/task/%s/syscall", (int)pid, entry->d_name);
        file = fopen(path, "re");
        if (file != NULL && fgets(line, sizeof line, file) != NULL &&
            (strtol(line, NULL, 10) == SYS_epoll_wait || strtol(line, NULL, 10) == SYS_epoll_pwait))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return found;
}

/* Signs of life within a second and a half. */
static int signs(void)
{
    int64_t until_ms = tl_clock_monotonic_ms() + 1500, left_ms;
    int count = 0;
    pid_t pid;

    while ((left_ms = until_ms - tl_clock_monotonic_ms()) > 0)
        count += strcmp(supervisor_hear((int)left_ms, &pid), "WATCHDOG=1") == 0;
    return count;
}

Test(notify, a_loop_of_intercept_that_is_stuck_shows)
{
    struct run run = {0};
    pid_t loop, pid;

    supervisor_open(p.dir);
    run_start(&run, (const char *const[]){"intercept", "--data", p.data, "--upstream", "http://127.0.0.1:9", "--listen",
                                          "127.0.0.1:0", "--threads", "1", NULL});
    cr_assert_str_eq(supervisor_hear(10000, &pid), "READY=1");
    cr_expect_geq(signs(), 3);
    loop = loop_of(run.pid);
    cr_assert_neq(loop, 0);
    if (ptrace(PTRACE_SEIZE, loop, NULL, NULL) != 0)
        cr_skip("a thread cannot be held here (ptrace)");
    cr_assert_eq(ptrace(PTRACE_INTERRUPT, loop, NULL, NULL), 0);
    cr_assert_eq(waitpid(loop, NULL, __WALL), loop);
    (void)signs(); /* those that were under way */
    cr_expect_eq(signs(), 0);
    cr_assert_eq(ptrace(PTRACE_DETACH, loop, NULL, NULL), 0);
    cr_expect_geq(signs(), 3);
    supervisor_expect_stopping(&run);
    run_done(&run);
}
