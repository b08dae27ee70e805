/* up_test.c: `tally up` as its operator sees it: a part that ends comes back, one that cannot work ends the whole, the end is in order, and all words
 * are in one place. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/dump.h"
#include "support/http_get.h"
#include "support/run.h"
#include "support/visits.h"
#include "support/wire.h"

enum { STEP_MS = 200, PATIENCE_MS = 20000 };

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

TestSuite(up, .init = folder_open, .fini = folder_close, .timeout = 60);

static void up(struct run *run)
{
    run_start(run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, NULL});
}

/* The pid that up said for the part at its last start. */
static pid_t pid_of(const struct run *run, const char *part)
{
    char words[60], *text, *at, *last = NULL;
    pid_t pid;

    snprintf(words, sizeof words, " info up %s started with pid ", part);
    cr_assert(run_says(run, words, PATIENCE_MS));
    text = run_err_so_far(run);
    for (at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        last = at + strlen(words);
    pid = (pid_t)strtol(last, NULL, 10);
    free(text);
    cr_assert_gt(pid, 0);
    return pid;
}

/* What speed has counted, and whether it was told of it yet. */
static bool has_read(long messages)
{
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        char *sum;
        long found;

        if (access(store, F_OK) != 0)
            continue;
        sum = dump_sql(store, "SELECT count(*) FROM sqlite_master WHERE name = 'tally_offset'");
        found = strtol(sum, NULL, 10);
        free(sum);
        if (found == 0) /* the store is being made */
            continue;
        sum = dump_sql(store,
                       "SELECT coalesce(min(n), 0) FROM (SELECT sum(messages_count) AS n FROM tally_offset GROUP BY definition)");
        found = strtol(sum, NULL, 10);
        free(sum);
        if (found >= messages)
            return true;
    }
    return false;
}

static int times_in(const char *text, const char *words)
{
    int times = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        times++;
    return times;
}

static char *log_file(void)
{
    char path[400], *text = calloc(1, 1 << 20);
    int fd;

    snprintf(path, sizeof path, "%s/log/tally.log", data);
    fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_geq(read(fd, text, (1 << 20) - 1), 0);
    close(fd);
    return text;
}

static void end(struct run *run, int status)
{
    run_signal(run, SIGTERM);
    run_wait(run);
    cr_expect_eq(run->status, status, "%d: %s", run->status, run->err);
}

Test(up, a_part_that_was_killed_comes_back_and_counting_goes_on)
{
    struct run run = {0};
    pid_t first;
    char *sum;

    visits_append(data, 2, STEP_MS, 0, 1000);
    up(&run);
    cr_assert(has_read(1000));
    first = pid_of(&run, "speed");
    cr_assert_eq(kill(first, SIGKILL), 0);
    cr_assert_eq(kill(pid_of(&run, "archive"), SIGKILL), 0);
    visits_append(data, 2, STEP_MS, 1000, 2000);
    cr_expect(has_read(2000), "%s", run_err_so_far(&run));
    cr_expect_neq(pid_of(&run, "speed"), first);
    end(&run, 0);
    cr_expect_eq(times_in(run.err, " warn up speed was ended by signal 9 (SIGKILL); it starts again in 0."), 1, "%s", run.err);
    cr_expect_eq(times_in(run.err, " warn up archive was ended by signal 9 (SIGKILL); it starts again in 0."), 1, "%s", run.err);
    sum = dump_sql(store, "SELECT min(counted + late + duplicate + future + rejected + filtered + dead_letter + partly_counted),"
                          " (SELECT epoch FROM tally_epoch) FROM tally_outcome");
    cr_expect_str_eq(sum, "2000|2\n", "each event once: %s", sum);
    free(sum);
    run_done(&run);
}

Test(up, a_part_that_ends_well_without_being_told_comes_back_too)
{
    struct run run = {0};

    visits_append(data, 1, STEP_MS, 0, 100);
    up(&run);
    cr_assert(has_read(100));
    cr_assert_eq(kill(pid_of(&run, "speed"), SIGTERM), 0);
    visits_append(data, 1, STEP_MS, 100, 200);
    cr_expect(has_read(200), "%s", run_err_so_far(&run));
    end(&run, 0);
    cr_expect_eq(times_in(run.err, " warn up speed ended with status 0; it starts again in 0."), 1, "%s", run.err);
    run_done(&run);
}

Test(up, a_part_that_is_used_wrongly_ends_the_whole_with_its_status)
{
    struct run run = {0};

    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--batch-every", "0s");
    cr_assert_eq(run.status, 2, "batch after batch, without a pause: %s", run.err);
    cr_assert_not_null(strstr(run.err, "--batch-every must be more than 0"), "%s", run.err);
    run_done(&run);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--archive-every", "0s");
    cr_expect_eq(run.status, 2, "%s", run.err);
    cr_expect_eq(times_in(run.err, "--interval must be more than 0"), 1, "%s", run.err);
    cr_expect_eq(times_in(run.err, " error up archive ended with status 2\n"), 1, "%s", run.err);
    cr_expect_eq(times_in(run.err, " info up speed ended with status 0\n"), 1, "%s", run.err);
    run_done(&run);
}

Test(up, a_lock_that_another_run_holds_ends_the_whole_with_75)
{
    char path[400];
    struct run run = {0};
    int fd;

    snprintf(path, sizeof path, "%s/archive.lock", data);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data);
    cr_expect_eq(run.status, 75, "%s", run.err);
    cr_expect_eq(times_in(run.err, " error up archive ended with status 75\n"), 1, "%s", run.err);
    run_done(&run);
    close(fd);
}

/* Where the store's folder is to be stands a file: status 3 is worth another attempt. */
Test(up, what_failed_outside_is_tried_again_until_it_works)
{
    char folder[300], url[400];
    struct run run = {0};

    visits_append(data, 1, STEP_MS, 0, 100);
    snprintf(folder, sizeof folder, "%s", run_file_write(dir, "store", "a file"));
    snprintf(url, sizeof url, "sqlite:%s/views.db", folder);
    snprintf(store, sizeof store, "%s/views.db", folder);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--store", url,
                                          NULL});
    cr_assert(run_says(&run, " warn up speed ended with status 3; it starts again in ", PATIENCE_MS));
    cr_assert_eq(unlink(folder), 0);
    cr_assert_eq(mkdir(folder, 0777), 0);
    cr_expect(has_read(100), "%s", run_err_so_far(&run));
    end(&run, 0);
    run_done(&run);
}

Test(up, the_end_comes_in_order_and_each_line_is_once_on_stderr_and_once_in_the_file)
{
    const char *speed, *archive;
    struct run run = {0};
    char *text;

    visits_append(data, 2, STEP_MS, 0, 1000);
    up(&run);
    pid_of(&run, "archive");
    visits_append(data, 2, STEP_MS, 1000, 3000);
    cr_assert(has_read(1000));
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it ends within the patience");
    cr_expect_eq(run.status, 0, "%s", run.err);
    speed = strstr(run.err, " info up speed ended with status 0\n");
    archive = strstr(run.err, " info up archive ended with status 0\n");
    cr_expect(speed != NULL && archive != NULL && speed < archive, "%s", run.err);
    text = log_file();
    cr_expect_str_eq(text, run.err);
    cr_expect_eq(times_in(text, " info up speed started with pid "), 1, "%s", text);
    free(text);
    run_done(&run);
}

Test(up, a_second_signal_hurries_a_part_that_hangs)
{
    struct run run = {0};
    pid_t speed;

    up(&run);
    speed = pid_of(&run, "speed");
    cr_assert_eq(kill(speed, SIGSTOP), 0);
    run_signal(&run, SIGINT);
    cr_expect_not(run_wait_for(&run, 300), "it has 20 s");
    run_signal(&run, SIGINT);
    cr_assert(run_wait_for(&run, 10000), "it has 2 s");
    cr_expect_eq(run.status, 3, "%s", run.err);
    cr_expect_eq(times_in(run.err, " error up speed has not ended in time, and is killed\n"), 1, "%s", run.err);
    cr_expect_eq(times_in(run.err, " info up archive ended with status 0\n"), 1, "%s", run.err);
    cr_expect_eq(kill(speed, 0), -1, "it is gone");
    run_done(&run);
}

/* ---- intercept ---- */

/* The site is another program's page for monitors. */
static uint16_t site_start(struct run *site)
{
    char elsewhere[300];

    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", dir);
    cr_assert_eq(mkdir(elsewhere, 0777), 0);
    run_start(site, (const char *const[]){"archive", "--follow", "--views", views, "--data", elsewhere, "--metrics-listen", ":0",
                                          NULL});
    return http_port_said(site, "archive");
}

static void visit(uint16_t port, int times)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    for (int i = 0; i < times; i++) {
        struct http_answer answer = http_send(port, request, sizeof request - 1);

        cr_expect_eq(answer.status, 200, "%s", answer.all);
        http_done(&answer);
    }
}

Test(up, intercept_stands_before_the_site_comes_back_and_ends_first)
{
    char listen[40], upstream[60], *sum;
    uint16_t site_port, port = http_free_ports(1);
    struct run run = {0}, site = {0};
    const char *ends[3];

    site_port = site_start(&site);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)port);
    snprintf(upstream, sizeof upstream, "http://127.0.0.1:%u", (unsigned)site_port);
    run_start(&run,
              (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--metrics-listen",
                                    ":0", "--upstream", upstream, "--listen", listen, "--", "--log-localhost", NULL});
    cr_assert(run_says(&run, " info intercept listens ", PATIENCE_MS), "%s", run_err_so_far(&run));
    http_port_said(&run, "intercept");
    visit(port, 20);
    cr_expect(has_read(20), "%s", run_err_so_far(&run));
    cr_assert_eq(kill(pid_of(&run, "intercept"), SIGKILL), 0);
    cr_assert(run_says(&run, " warn up intercept was ended by signal 9 (SIGKILL); it starts again in 0.", PATIENCE_MS));
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        int fd = http_connect(port);

        if (fd < 0)
            continue;
        close(fd);
        break;
    }
    visit(port, 20);
    end(&run, 0);
    ends[0] = strstr(run.err, " info up intercept ended with status 0\n");
    ends[1] = strstr(run.err, " info up speed ended with status 0\n");
    ends[2] = strstr(run.err, " info up archive ended with status 0\n");
    cr_expect(ends[0] != NULL && ends[0] < ends[1] && ends[1] < ends[2], "%s", run.err);
    run_done(&run);
    RUN(&run, "speed", "--views", views, "--data", data, "--once");
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    sum = dump_sql(store,
                   "SELECT counted + partly_counted, late + duplicate + future + rejected + dead_letter FROM tally_outcome JOIN"
                   " tally_definition USING (definition) WHERE view = 'hits'");
    cr_expect_str_eq(sum, "40|0\n", "all that was answered is counted: %s", sum);
    free(sum);
    run_signal(&site, SIGTERM);
    run_wait(&site);
    run_done(&site);
}

Test(up, intercept_is_told_to_read_its_certificate_anew)
{
    char certificate[400], key[400];
    struct run run = {0};

    wire_certificate(data, "site", "localhost");
    snprintf(certificate, sizeof certificate, "%s/site.pem", data);
    snprintf(key, sizeof key, "%s/site.key", data);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--upstream",
                                          "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--", "--tls-certificate", certificate,
                                          "--tls-key", key, NULL});
    cr_assert(run_says(&run, " info intercept listens ", PATIENCE_MS), "%s", run_err_so_far(&run));
    run_signal(&run, SIGHUP);
    cr_expect(run_says(&run, " info intercept the certificate was read anew", PATIENCE_MS), "%s", run_err_so_far(&run));
    end(&run, 0);
    run_done(&run);
}

Test(up, what_stands_behind_the_dashes_is_for_intercept)
{
    struct run run = {0};

    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--", "--log-localhost");
    cr_expect_eq(run.status, 2, "%s", run.err);
    cr_expect_eq(times_in(run.err, "'--log-localhost': what stands behind -- is for intercept, which --upstream URL starts"), 1,
                 "%s", run.err);
    run_done(&run);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--listen", ":8080");
    cr_expect_eq(run.status, 2, "%s", run.err);
    run_done(&run);
    RUN(&run, "up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--upstream", "http://127.0.0.1:1", "--",
        "--no-such-option");
    cr_expect_eq(run.status, 2, "%s", run.err);
    cr_expect_eq(times_in(run.err, " warn up intercept wrote:\ntally intercept: there is no option '--no-such-option'"), 1, "%s",
                 run.err);
    cr_expect_eq(times_in(run.err, " error up intercept ended with status 2\n"), 1, "%s", run.err);
    run_done(&run);
}

static void set_clock(int64_t time_ms)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)time_ms);
    setenv("TALLY_CLOCK_FILE", run_file_write(dir, "clock", text), 1);
}

/* Each night behind batch: silent (but for the headline with -v) when all is explained, its report with what the parts say when it is not. */
Test(up, reconcile_runs_behind_the_nightly_batch)
{
    enum { DAY_MS = 86400000, SPARSE_MS = 17280 };
    struct run run = {0};
    char log[400];
    sqlite3 *db;

    set_clock(VISITS_START_MS + 2 * DAY_MS + 7199000); /* 01:59:59 */
    visits_append(data, 2, SPARSE_MS, 0, 11000);
    RUN(&run, "speed", "--once", "--views", views, "--data", data);
    run_done(&run);
    RUN(&run, "archive", "--views", views, "--data", data);
    run_done(&run);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data, "--batch-at",
                                          "02:00", "-v", NULL});
    cr_assert(run_says(&run, " info up speed started", PATIENCE_MS), "%s", run_err_so_far(&run));
    set_clock(VISITS_START_MS + 2 * DAY_MS + 7201000);
    cr_expect(
        run_says(&run, " debug reconcile 99.94% of groups equal; 0.06% explained: 5 duplicates; 0 unexplained\n", PATIENCE_MS),
        "%s", run_err_so_far(&run));
    cr_assert_eq(sqlite3_open(store, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "UPDATE hits_speed SET hits = 1000 WHERE _end_ms = (SELECT min(_end_ms) FROM hits_speed)", NULL,
                              NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(db);
    set_clock(VISITS_START_MS + 3 * DAY_MS + 7201000);
    cr_expect(run_says(&run, " up reconcile ended with status 1; ", PATIENCE_MS), "%s", run_err_so_far(&run));
    end(&run, 0);
    cr_expect_eq(times_in(run.err, "% of groups equal; "), 2, "%s", run.err);
    cr_expect_eq(times_in(run.err, "\nunits that differ\n"), 1, "%s", run.err);
    snprintf(log, sizeof log, "grep -q 'units that differ' %s/log/tally.log", data);
    cr_expect_eq(system(log), 0); /* NOLINT(cert-env33-c): the test's own words */
    run_done(&run);
}
