/* cron_test.c: batch as cron runs it: twenty at once, the line of deploy/cron as it stands there; and what systemd mails of a unit that failed. */
#include <criterion/criterion.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lock.h"
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

/* The tally that is tested, the tools of the system, and `sendmail`, which puts the mail into DIR/mail, under their names. */
static void set_path(void)
{
    char program[400], path[1000], mailer[800], command[900];

    cr_assert_not_null(realpath(run_program(), program));
    snprintf(path, sizeof path, "%s:%s:/usr/bin:/bin", p.dir, dirname(program));
    setenv("PATH", path, 1);
    snprintf(mailer, sizeof mailer, "#!/bin/sh\necho \"sendmail $*\" >%s/mail\ncat >>%s/mail\n", p.dir, p.dir);
    run_file_write(p.dir, "sendmail", mailer);
    snprintf(command, sizeof command, "chmod +x %s/sendmail; rm -f %s/mail", p.dir, p.dir);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): it is a line for sh */
}

/* What was mailed since set_path; "": nothing was. Good until the next call. */
static const char *mail(void)
{
    static char text[16384];
    char path[300];
    FILE *file;
    size_t size = 0;

    snprintf(path, sizeof path, "%s/mail", p.dir);
    file = fopen(path, "r");
    if (file != NULL) {
        size = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[size] = '\0';
    return text;
}

/* Does what cron does, with the files of figures in p.dir: runs the line through a shell, and mails what it says, if it says anything. Gives the status. */
static int run_line(void)
{
    static const char folder[] = "/var/lib/prometheus/node-exporter";
    char *command = cron_command(), *rest = command;
    struct tl_buf line;
    int status;

    set_path();
    setenv("TALLY_VIEWS", p.views, 1);
    setenv("TALLY_DATA", p.data, 1);
    tl_buf_init(&line, 0);
    tl_buf_put_u8(&line, '(');
    for (char *at; (at = strstr(rest, folder)) != NULL; rest = at + strlen(folder))
        tl_buf_printf(&line, "%.*s%s", (int)(at - rest), rest, p.dir);
    cr_assert_neq(rest, command, "%s", command);
    tl_buf_printf(&line, "%s) >%s/said 2>&1; status=$?; [ ! -s %s/said ] || sendmail -i root <%s/said; exit $status", rest, p.dir,
                  p.dir, p.dir);
    tl_buf_put_u8(&line, '\0');
    status = system(line.data); /* NOLINT(cert-env33-c): it is a line for sh */
    tl_buf_done(&line);
    free(command);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char line_of_archive[] = "sendmail -i root\narchived 10,000 events";

/* Changes a row that speed has counted in this range, by hand. */
static void forge(void)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(p.store, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "UPDATE hits_speed SET hits = hits + 1000 WHERE _end_ms = (SELECT min(_end_ms) FROM hits_speed)",
                              NULL, NULL, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_gt(sqlite3_changes(db), 0);
    sqlite3_close(db);
}

static void play(void)
{
    visits_append(p.data, 2, STEP_MS, 0, 2 * A_DAY);
    TALLY(&p, 0, "speed", "--once");
}

Test(cron, the_line_of_deploy_does_it)
{
    play();
    cr_assert_eq(run_line(), 0, "%s", mail());
    /* a line of each that has done something, which cron mails; nothing of what is explained */
    cr_assert(strstr(mail(), line_of_archive) == mail() && strstr(mail(), "\nrun 1: published up to ") != NULL, "%s", mail());
    cr_assert_null(strstr(mail(), "of groups equal"), "%s", mail());
    cr_assert_eq(run_line(), 0, "%s", mail());
    cr_assert_str_eq(mail(), "");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_reconciliation WHERE groups_count > 10"), 2);
}

/* The report comes when something is unexplained, and then each night. */
Test(cron, what_is_unexplained_is_mailed)
{
    play();
    cr_assert_eq(run_line(), 0, "%s", mail());
    forge();
    for (int night = 0; night < 2; night++) {
        cr_assert_eq(run_line(), 1, "%s", mail());
        cr_assert_not_null(strstr(mail(), " of groups equal; "), "%s", mail());
        cr_assert_not_null(strstr(mail(), "\nunits that differ\n"), "%s", mail());
    }
}

/* Batch goes first, and reconcile compares what is published, whatever batch came to. */
Test(cron, behind_a_batch_that_cannot_run)
{
    struct tl_lock *lock = NULL;
    struct tl_err err;
    char path[500];

    play();
    cr_assert_eq(run_line(), 0, "%s", mail());
    snprintf(path, sizeof path, "%s/batch.lock", p.data);
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    cr_assert_eq(run_line(), 0, "%s", mail()); /* 75 of batch */
    cr_assert_not_null(strstr(mail(), " error batch another batch holds "), "%s", mail());
    cr_assert_null(strstr(mail(), "of groups equal"), "%s", mail());
    forge();
    cr_assert_eq(run_line(), 1, "%s", mail());
    cr_assert_not_null(strstr(mail(), " error batch another batch holds "), "%s", mail());
    cr_assert_not_null(strstr(mail(), "of groups equal"), "%s", mail());
    tl_lock_release(lock);
    pipeline_define(&p, "CREATE VIEW hits AS SELECT host FROM nowhere;\n"); /* 2 of all three */
    cr_assert_eq(run_line(), 2, "%s", mail());
    cr_assert_not_null(strstr(mail(), " error reconcile "), "%s", mail());
}

/* 3 of batch: somebody keeps the store's lock. What is published is compared all the same, and what came of that is not stored. */
Test(cron, behind_a_batch_that_fails)
{
    sqlite3 *db;

    play();
    cr_assert_eq(run_line(), 0, "%s", mail());
    visits_append(p.data, 2, STEP_MS, 2 * A_DAY, 3 * A_DAY);
    cr_assert_eq(sqlite3_open(p.store, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db,
                              "UPDATE hits_speed SET hits = hits + 1000 WHERE _end_ms = (SELECT min(_end_ms) FROM hits_speed);"
                              "BEGIN IMMEDIATE",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    cr_assert_eq(run_line(), 1, "%s", mail());
    cr_assert_not_null(strstr(mail(), " error batch "), "%s", mail());
    cr_assert_not_null(strstr(mail(), "of groups equal; "), "%s", mail());
    cr_assert_not_null(strstr(mail(), " warn reconcile this reconciliation is not stored"), "%s", mail());
    sqlite3_close(db);
}

/* What cannot be archived is told, and what is on record is published all the same. */
Test(cron, the_line_of_deploy_goes_on_where_archive_cannot)
{
    visits_append(p.data, 2, STEP_MS, 0, 2 * A_DAY);
    TALLY(&p, 0, "archive");
    (void)run_file_write(p.data, "log.db", "this is no database, and long enough to be looked at in earnest");
    cr_assert_eq(run_line(), 3, "%s", mail());
    cr_assert_not_null(strstr(mail(), " error archive "), "%s", mail());
    cr_assert_not_null(strstr(mail(), "\nrun 1: published up to "), "%s", mail());
    cr_assert_not_null(strstr(mail(), " error reconcile "), "%s", mail()); /* which wants the log too */
    cr_assert_eq(system("grep -q '^ExecStartPre=-' deploy/systemd/tally-batch.service"), 0, "nor does the unit wait for it");
}

/* What the failed unit said in that run, and nothing else, with its status in the subject. */
Test(cron, a_unit_that_failed_is_mailed)
{
    char journal[400];

    set_path();
    snprintf(journal, sizeof journal, "%s/journalctl", p.dir);
    run_file_write(p.dir, "journalctl", "#!/bin/sh\n[ \"$1\" = --sync ] || printf '98%% of groups equal\\n%s\\n' \"$*\"\n");
    cr_assert_eq(chmod(journal, 0700), 0);
    setenv("MONITOR_INVOCATION_ID", "cafe", 1);
    setenv("MONITOR_EXIT_STATUS", "1", 1);
    setenv("MAILTO", "ops@example.com", 1);
    cr_assert_eq(system("deploy/systemd/tally-mail.sh tally-reconcile.service"), 0); /* NOLINT(cert-env33-c): as systemd would */
    cr_assert(strstr(mail(), "sendmail -t\nTo: ops@example.com\nSubject: ") == mail(), "%s", mail());
    cr_assert_not_null(strstr(mail(), ": tally-reconcile.service has ended with status 1\n"), "%s", mail());
    cr_assert_not_null(strstr(mail(), "\n\n98% of groups equal\n--quiet --no-pager --output=cat _SYSTEMD_INVOCATION_ID=cafe\n"),
                       "%s", mail());
}

Test(cron, a_time_of_day_for_up)
{
    static const char *const wrong[] = {"2:00", "24:00", "02:60", "0200", "02:00Z", "-1:00", "noon"};

    for (size_t w = 0; w < TL_COUNT(wrong); w++) {
        TALLY(&p, 2, "up", "--batch-at", wrong[w]);
        cr_assert_not_null(strstr(p.run.err, "a time of day would do"), "%s", p.run.err);
    }
}
