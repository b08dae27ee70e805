/* cron_test.c: batch as cron and systemd run it: twenty at once, the line of deploy/cron as it stands there, the units of deploy/systemd. */
#include <criterion/criterion.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/pipeline.h"
#include "support/visits.h"

enum { STEP_MS = 17280, A_DAY = 5000, AT_ONCE = 20 };

static struct pipeline p;

static void open_pipeline(void)
{
    pipeline_open(&p, visits_views);
}

static void close_pipeline(void)
{
    pipeline_close(&p);
}

TestSuite(cron, .init = open_pipeline, .fini = close_pipeline, .timeout = 60);

/* One works, the others say who; whoever comes when it is done finds nothing to do. */
Test(cron, twenty_at_once_do_the_work_once)
{
    struct run runs[AT_ONCE] = {0};
    int done = 0, busy = 0, spoke = 0;

    visits_append(p.data, 2, STEP_MS, 0, 2 * A_DAY);
    TALLY(&p, 0, "archive");
    for (int r = 0; r < AT_ONCE; r++)
        run_start(&runs[r], (const char *const[]){"batch", "--views", p.views, "--data", p.data, "--to", "2026-03-02", NULL});
    for (int r = 0; r < AT_ONCE; r++) {
        run_wait(&runs[r]);
        done += runs[r].status == 0;
        busy += runs[r].status == 75 && (strstr(runs[r].err, "pid") != NULL || strstr(runs[r].err, "only just begun") != NULL);
        spoke += runs[r].out[0] != '\0';
        run_done(&runs[r]);
    }
    cr_expect_geq(done, 1);
    cr_expect_eq(done + busy, AT_ONCE);
    cr_expect_eq(spoke, 1, "%d runs have done something", spoke);
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM tally_publication"), 1);
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM tally_run"), 1);
}

/* The command of the last line: what stands behind its five times and its user. */
static char *cron_command(void)
{
    FILE *file = fopen("deploy/cron/tally", "r");
    char line[1000] = "", *command = line;

    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL) {}
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    for (int field = 0; field < 6; field++) {
        command += strcspn(command, " ");
        command += strspn(command, " ");
    }
    return strdup(command);
}

/* Does what cron would do, and gives its exit status; what was said is what cron would mail. */
static int run_line(char *said, size_t room)
{
    char *command = cron_command(), *file = strstr(command, "/var/lib/prometheus"), program[400], path[700];
    struct tl_buf line;
    FILE *out;
    size_t size;
    int status;

    cr_assert_not_null(file, "%s", command);
    cr_assert_not_null(realpath(run_program(), program));
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", dirname(program));
    setenv("PATH", path, 1);
    setenv("TALLY_VIEWS", p.views, 1);
    setenv("TALLY_DATA", p.data, 1);
    tl_buf_init(&line, 0);
    tl_buf_printf(&line, "(%.*s%s/tally_batch.prom) 2>&1", (int)(file - command), command, p.dir);
    tl_buf_put_u8(&line, '\0');
    out = popen(line.data, "r"); /* NOLINT(cert-env33-c): it is a line for sh */
    cr_assert_not_null(out);
    size = fread(said, 1, room - 1, out);
    said[size] = '\0';
    status = pclose(out);
    tl_buf_done(&line);
    free(command);
    return status;
}

Test(cron, the_line_of_deploy_does_it)
{
    char said[400];

    visits_append(p.data, 2, STEP_MS, 0, 2 * A_DAY);
    cr_assert_eq(run_line(said, sizeof said), 0, "%s", said);
    /* a line of each that has done something, which cron mails */
    cr_assert(strstr(said, "archived 10,000 events") == said && strstr(said, "\nrun 1: published up to ") != NULL, "%s", said);
    cr_assert_eq(run_line(said, sizeof said), 0, "%s", said);
    cr_assert_str_eq(said, "");
}

/* What cannot be archived is told, and what is on record is published all the same. */
Test(cron, the_line_of_deploy_goes_on_where_archive_cannot)
{
    char said[800];

    visits_append(p.data, 2, STEP_MS, 0, 2 * A_DAY);
    TALLY(&p, 0, "archive");
    (void)run_file_write(p.data, "log.db", "this is no database, and long enough to be looked at in earnest");
    cr_assert_eq(run_line(said, sizeof said), 0, "%s", said);
    cr_assert_not_null(strstr(said, " error archive "), "%s", said);
    cr_assert_not_null(strstr(said, "\nrun 1: published up to "), "%s", said);
    cr_assert_eq(system("grep -q '^ExecStartPre=-' deploy/systemd/tally-batch.service"), 0, "nor does the unit wait for it");
}

Test(cron, the_units_are_what_systemd_takes)
{
    char command[3000];

    if (access("/usr/bin/systemd-analyze", X_OK) != 0)
        cr_skip("systemd-analyze is not here");
    snprintf(
        command, sizeof command,
        "for u in service timer; do sed 's#/usr/local/bin/tally#%s#' deploy/systemd/tally-batch.$u > %s/tally-batch.$u; done;"
        " systemd-analyze verify --man=no %s/tally-batch.service %s/tally-batch.timer",
        "/bin/true", p.dir, p.dir, p.dir);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): what an operator would type */
}

Test(cron, a_time_of_day_for_up)
{
    static const char *const wrong[] = {"2:00", "24:00", "02:60", "0200", "02:00Z", "-1:00", "noon"};

    for (size_t w = 0; w < TL_COUNT(wrong); w++) {
        TALLY(&p, 2, "up", "--batch-at", wrong[w]);
        cr_assert_not_null(strstr(p.run.err, "a time of day would do"), "%s", p.run.err);
    }
}
