/* rules_test.c: Prometheus itself takes what the daemons show, and deploy/prometheus asks for nothing that they do not. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/http_get.h"
#include "support/run.h"
#include "support/visits.h"

enum { PATIENCE_MS = 20000 };

static char dir[RUN_DIR_BYTES];

static void folder_open(void)
{
    run_folder_make(dir);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(rules, .init = folder_open, .fini = folder_close, .timeout = 120);

/* Runs it, and shows what it wrote where it fails. */
static int shell(const char *command)
{
    char text[1000], output[4000] = "";
    FILE *pipe;
    int status;
    size_t size;

    snprintf(text, sizeof text, "%s 2>&1", command);
    pipe = popen(text, "r"); /* NOLINT: the command is the test's own */
    cr_assert_not_null(pipe);
    size = fread(output, 1, sizeof output - 1, pipe);
    output[size] = '\0';
    status = pclose(pipe);
    if (status != 0)
        fprintf(stderr, "%s\n%s", command, output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *promtool(void)
{
    const char *given = getenv("TALLY_PROMTOOL");

    if (given == NULL || access(given, X_OK) != 0)
        cr_skip_test("promtool is not here (TALLY_PROMTOOL; `make test` brings it)");
    return given;
}

/* The page, once `series` is in it; into dir/name. */
static void save(uint16_t port, const char *series, const char *name)
{
    char *text = http_wait_for(port, "/metrics", 200, series, PATIENCE_MS);

    cr_assert_not_null(text, "there is no %s", series);
    run_file_write(dir, name, text);
    free(text);
}

/* dir/speed.txt and dir/archive.txt: of a run in which everything that can be shown has had a value. */
static void scrape_both(void)
{
    char views[300], data[300];
    struct run run = {0};

    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    visits_append(data, 2, 200, 0, 500);
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data,
                                          "--metrics-listen", ":0", NULL});
    save(http_port_said(&run, "speed"), "\ntally_watermark_lag_seconds{view=\"big\"} ", "speed.txt");
    save(http_port_said(&run, "archive"), "\ntally_archive_last_success_timestamp_seconds ", "archive.txt");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* dir/batch.txt, dir/reconcile.txt: what they write for the node exporter; behind scrape_both. */
static void write_files(void)
{
    char views[300], data[300], file[300];
    struct run run = {0};

    snprintf(views, sizeof views, "%s/views.sql", dir);
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(file, sizeof file, "%s/batch.txt", dir);
    RUN(&run, "batch", "--views", views, "--data", data, "--to", "now", "--metrics-file", file);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    snprintf(file, sizeof file, "%s/reconcile.txt", dir);
    RUN(&run, "reconcile", "--views", views, "--data", data, "--metrics-file", file);
    cr_expect_eq(run.status, 0, "%s%s", run.out, run.err);
    run_done(&run);
}

/* dir/intercept.txt: of one that nobody has come to. */
static void scrape_intercept(void)
{
    char data[300], listen[32];
    struct run run = {0};

    snprintf(data, sizeof data, "%s/front", dir);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", (unsigned)http_free_ports(1));
    run_start(&run, (const char *const[]){"intercept", "--listen", listen, "--upstream", "http://127.0.0.1:9", "--data", data,
                                          "--metrics-listen", ":0", NULL});
    save(http_port_said(&run, "intercept"), "\ntally_spool_oldest_seconds ", "intercept.txt");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

Test(rules, the_official_parser_reads_what_is_shown_and_the_rules_name_nothing_else)
{
    const char *python = getenv("TALLY_PYTHON");
    char command[1000];
    int status;

    scrape_both();
    scrape_intercept();
    write_files();
    snprintf(
        command, sizeof command,
        "%s -B tests/reference/metrics_check.py deploy/prometheus/tally_rules.yml %s/speed.txt %s/archive.txt %s/intercept.txt"
        " %s/batch.txt %s/reconcile.txt",
        python != NULL ? python : "python3", dir, dir, dir, dir, dir);
    status = shell(command);
    if (status == 77)
        cr_skip_test("prometheus-client is not here (TALLY_PYTHON; `make test` brings it)");
    cr_expect_eq(status, 0);
}

Test(rules, promtool_takes_what_is_shown)
{
    const char *program = promtool();
    char command[1000];

    scrape_both();
    scrape_intercept();
    write_files();
    snprintf(command, sizeof command, "%s check metrics < %s/intercept.txt", program, dir);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "%s check metrics < %s/speed.txt", program, dir);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "%s check metrics < %s/archive.txt", program, dir);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "%s check metrics < %s/batch.txt", program, dir);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "%s check metrics < %s/reconcile.txt", program, dir);
    cr_expect_eq(shell(command), 0);
}

Test(rules, promtool_takes_the_rules_and_their_alerts_come_when_they_should)
{
    const char *program = promtool();
    char command[1000];

    snprintf(command, sizeof command, "%s check rules deploy/prometheus/tally_rules.yml", program);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "cd deploy/prometheus && %s test rules tally_rules_test.yml", program);
    cr_expect_eq(shell(command), 0);
    snprintf(command, sizeof command, "cd deploy/prometheus && %s check config prometheus.yml", program);
    cr_expect_eq(shell(command), 0);
}
