/* import_rotation_test.c: `tally import` of logs as they lie on a server: rotated, packed, grown, cut, in folders with other things,
 * damaged, and on a terminal. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/logs.h"

TestSuite(import_files, .init = logs_open, .fini = logs_close, .timeout = 120);

#define IMPORT_HERE(...) IMPORT(logs_folder(), "--format", "combined", "--host", "x.com", __VA_ARGS__)

/* The folder that is imported, beside the data. */
static const char *logs_folder(void)
{
    static char folder[200];

    snprintf(folder, sizeof folder, "%s/logs", logs.dir);
    mkdir(folder, 0777); /* it may be there */
    return folder;
}

/* In the shell, in the folder. */
static void sh(const char *command)
{
    char whole[1500];

    snprintf(whole, sizeof whole, "cd '%s' && { %s\n}", logs_folder(), command);
    cr_assert_eq(system(whole), 0, "%s", command);
}

static void write_part(const char *name, int from, int to)
{
    char path[100];

    (void)logs_folder();
    snprintf(path, sizeof path, "logs/%s", name);
    logs_write_lines(path, from, to);
}

/* stdout with the folder's name taken out. */
static void says_here(const char *want)
{
    char got[4000] = "", folder[220];
    size_t size, filled = 0;

    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    size = (size_t)snprintf(folder, sizeof folder, "%s/", logs_folder());
    for (const char *at = logs.run.out; *at != '\0';) {
        const char *next = strstr(at, folder);
        size_t part = next != NULL ? (size_t)(next - at) : strlen(at);

        cr_assert_lt(filled + part, sizeof got);
        memcpy(got + filled, at, part);
        filled += part;
        at = next != NULL ? next + size : at + part;
    }
    cr_assert_str_eq(got, want);
}

/* ---- rotation ---- */

/* An imported log is renamed, packed, copied and cut: nothing of it comes twice, and what is new comes. Lines of the log of all time:
 * 0 to 999 in the first import, and what each step adds. */
struct rotation {
    char name[60], commands[200]; /* what is done to access.log, which has 1,000 lines, and was imported */
    char want[500];
    int lines; /* of all time, afterwards; lines 1,000 to 1,499 are in the file `more`, 1,500 to 1,999 in `most` */
};

ParameterizedTestParameters(import_files, rotated)
{
    static struct rotation cases[] = {
        {"renamed",                                 "mv access.log access.log.1",                                                             "access.log.1: 1,000 lines: 0 new, 1,000 known, 0 broken\n",                               1000},
        {"packed",                                  "gzip access.log",                                                                        "access.log.gz: 1,000 lines: 0 new, 1,000 known, 0 broken\n",                              1000},
        {"packed and renamed",                      "gzip access.log; mv access.log.gz access.log.2.gz",
         "access.log.2.gz: 1,000 lines: 0 new, 1,000 known, 0 broken\n",                                                                                                                                                                 1000},
        {"grown",                                   "cat ../more >> access.log",
         "access.log: 1,500 lines: 490 new, 1,000 known, 5 broken, 5 blank; 490 by bots, 0 for files\n",                                                                                                                                 1500},
        {"grown and rotated",                       "cat ../more >> access.log; mv access.log access.log.1; cp ../most access.log",
         "access.log.1: 1,500 lines: 490 new, 1,000 known, 5 broken, 5 blank; 490 by bots, 0 for files\n"
         "access.log: 500 lines: 489 new, 0 known, 5 broken, 6 blank; 489 by bots, 0 for files\n"
         "all 2 logs: 2,000 lines: 979 new, 1,000 known, 10 broken, 11 blank; 979 by bots, 0 for files\n",                                                                                                                               2000},
        {"grown, rotated and packed",               "cat ../more >> access.log; gzip -c access.log > access.log.1.gz; cp ../most access.log",
         "access.log.1.gz: 1,500 lines: 490 new, 1,000 known, 5 broken, 5 blank; 490 by bots, 0 for files\n"
         "access.log: 500 lines: 489 new, 0 known, 5 broken, 6 blank; 489 by bots, 0 for files\n"
         "all 2 logs: 2,000 lines: 979 new, 1,000 known, 10 broken, 11 blank; 979 by bots, 0 for files\n",                                                                                                                               2000},
        {"copied and cut (copytruncate)",
         "cat ../more >> access.log; cp access.log access.log.1; : > access.log; cat ../most >> access.log",                                  "access.log.1: 1,500 lines: 490 new, 1,000 known, 5 broken, 5 blank; 490 by bots, 0 for files\n"
         "access.log: 500 lines: 489 new, 0 known, 5 broken, 6 blank; 489 by bots, 0 for files\n"
         "all 2 logs: 2,000 lines: 979 new, 1,000 known, 10 broken, 11 blank; 979 by bots, 0 for files\n",                   2000},
        {"cut under a server that does not append",
         "cp access.log access.log.1; : > access.log; truncate -s 50000 access.log; cat ../more >> access.log",                               "access.log.1: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
         "access.log: 500 lines: 490 new, 0 known, 5 broken, 5 blank; 490 by bots, 0 for files\n"
         "all 2 logs: 1,500 lines: 490 new, 1,000 known, 5 broken, 5 blank; 490 by bots, 0 for files\n",                  1500},
        {"by date",
         "mv access.log access.log-20260301; gzip access.log-20260301; cp ../more access.log-20260302; cp ../most access.log",                "access.log-20260301.gz: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
         "access.log-20260302: 500 lines: 490 new, 0 known, 5 broken, 5 blank; 490 by bots, 0 for files\n"
         "access.log: 500 lines: 489 new, 0 known, 5 broken, 6 blank; 489 by bots, 0 for files\n"
         "all 3 logs: 2,000 lines: 979 new, 1,000 known, 10 broken, 11 blank; 979 by bots, 0 for files\n", 2000},
    };

    return cr_make_param_array(struct rotation, cases, sizeof cases / sizeof *cases);
}

static void rotate(const struct rotation *c, const char *into)
{
    sh("rm -f *");
    write_part("access.log", 0, 1000);
    logs_write_lines("more", 1000, 1500);
    logs_write_lines("most", 1500, 2000);
    IMPORT_HERE("--into", into);
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    sh(c->commands);
    IMPORT_HERE("--into", into);
    says_here(c->want);
    IMPORT_HERE("--into", into);
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_null(strstr(logs.run.out, "bots"), "a third time nothing is new: %s", logs.run.out);
}

ParameterizedTest(struct rotation *c, import_files, rotated, .init = logs_open, .fini = logs_close)
{
    rotate(c, "log");
    logs_verify_log(c->lines);
    snprintf(logs.data, sizeof logs.data, "%s/record", logs.dir);
    rotate(c, "archive");
    logs_verify_record(c->lines);
}

/* ---- what is known of a file ---- */

static void out_of_log(struct tl_buf *values)
{
    struct tl_log *log = logs_log_open();
    struct tl_log_entries entries = logs_log_read(log, 0);

    for (size_t i = 0; i < entries.count; i++) {
        tl_buf_put_sv(values, entries.messages[i].value);
        tl_buf_put_u8(values, '\n');
    }
    tl_log_close(log);
}

/* Lines that repeat one of long before, and one of a moment before: their ids are those of a log that was read from its beginning. */
static void grows(const char *between)
{
    struct tl_buf grown, whole;

    tl_buf_init(&grown, 0);
    tl_buf_init(&whole, 0);
    write_part("access.log", 0, 36000); /* two spans and some lines */
    IMPORT_HERE("--into", "log");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    logs_write_lines("more", 36000, 36010);
    sh("sed -n '1p;20000p;20000p;35999p' access.log > ../again; cat ../again ../more >> access.log");
    sh(between);
    IMPORT_HERE("--into", "log");
    says_here("access.log: 36,014 lines: 14 new, 36,000 known, 0 broken; 14 by bots, 0 for files\n");
    out_of_log(&grown);
    snprintf(logs.data, sizeof logs.data, "%s/at_once", logs.dir);
    IMPORT_HERE("--into", "log");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    out_of_log(&whole);
    cr_assert(tl_sv_eq(tl_buf_sv(&grown), tl_buf_sv(&whole)), "%s: the ids differ", between);
    tl_buf_done(&grown);
    tl_buf_done(&whole);
}

Test(import_files, a_grown_log_goes_on_as_if_it_had_been_read)
{
    grows("true");
}

Test(import_files, a_grown_log_whose_file_is_not_known)
{
    grows("rm ../data/imports.seen");
}

Test(import_files, a_grown_log_that_was_copied)
{
    grows("cp access.log ../copy; rm access.log; cp ../copy access.log");
}

/* Another log under the same name and inode, of the same size, with the time of its change set back: it is another log. */
Test(import_files, a_file_that_was_written_anew)
{
    write_part("access.log", 0, 300);
    sh("touch -d '2026-03-01 12:00' access.log");
    IMPORT_HERE("--into", "log");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    IMPORT_HERE("--into", "log");
    says_here("access.log: 300 lines: 0 new, 300 known, 0 broken\n");
    sh("sed 's/page/PAGE/' access.log > ../other; cat ../other > access.log; touch -d '2026-03-01 12:00' access.log");
    IMPORT_HERE("--into", "log");
    says_here("access.log: 300 lines: 294 new, 0 known, 3 broken, 3 blank; 294 by bots, 0 for files\n");
    sh("gzip -c ../other > ../packed; gzip -nc access.log > access.log.1.gz; touch -d '2026-03-01 12:00' access.log.1.gz");
    IMPORT_HERE("--into", "log");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 600 lines: 0 new, 600 known, 0 broken\n"), "%s", logs.run.out);
    sh("sed 's/PAGE/Page/' access.log | gzip -nc > ../packed; cat ../packed > access.log.1.gz; touch -d '2026-03-01 12:00' "
       "access.log.1.gz");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "access.log.1.gz: 300 lines: 294 new, 0 known"), "%s", logs.run.out);
}

/* What was noted of files is worth nothing without the log or the record that they went into, and may be lost. */
Test(import_files, what_is_known_of_files_alone_counts_nothing)
{
    char command[600];

    write_part("access.log", 0, 100);
    sh("gzip -c access.log > access.log.1.gz; touch -d '2026-03-01 12:00' access.log*");
    IMPORT_HERE("--into", "log");
    snprintf(command, sizeof command, "rm '%s'/log.db*", logs.data);
    sh(command);
    IMPORT_HERE("--into", "log");
    says_here("access.log.1.gz: 100 lines: 98 new, 0 known, 1 broken, 1 blank; 98 by bots, 0 for files\n"
              "access.log: 100 lines: 0 new, 100 known, 0 broken\n"
              "all 2 logs: 200 lines: 98 new, 100 known, 1 broken, 1 blank; 98 by bots, 0 for files\n");
    snprintf(command, sizeof command, "echo damaged >> '%s/imports.seen'", logs.data);
    sh(command);
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 200 lines: 0 new, 200 known, 0 broken\n"), "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.err, "imports.seen: damaged"), "%s", logs.run.err);
    IMPORT_HERE("--into", "log");
    cr_assert_str_eq(logs.run.err, "");
    IMPORT_HERE("--into", "log", "--reread");
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 200 lines: 0 new, 200 known, 0 broken\n"), "%s", logs.run.out);
}

/* ---- copies that are shorter ---- */

/* copytruncate at work: the copy is not whole yet, and breaks off within a line. */
Test(import_files, a_copy_that_is_not_whole_yet)
{
    write_part("access.log", 0, 30000);
    IMPORT_HERE("--into", "archive");
    sh("head -n 20000 access.log > access.log.1; sed -n 20001p access.log | head -c 30 >> access.log.1");
    IMPORT_HERE("--into", "archive");
    says_here("access.log.1: 20,000 lines: 0 new, 20,000 known, 0 broken\n"
              "access.log: 30,000 lines: 0 new, 30,000 known, 0 broken\n"
              "all 2 logs: 50,000 lines: 0 new, 50,000 known, 0 broken\n");
    sh("touch -d '2026-03-01 12:00' access.log.1"); /* and it will never be */
    IMPORT_HERE("--into", "archive");
    says_here("access.log.1: 20,001 lines: 0 new, 20,001 known, 0 broken\n"
              "access.log: 30,000 lines: 0 new, 30,000 known, 0 broken\n"
              "all 2 logs: 50,001 lines: 0 new, 50,001 known, 0 broken\n");
    sh("cp access.log access.log.1; : > access.log"); /* now it is */
    IMPORT_HERE("--into", "archive");
    says_here("access.log.1: 30,000 lines: 0 new, 30,000 known, 0 broken\n"
              "access.log: 0 lines: 0 new, 0 known, 0 broken\n"
              "all 2 logs: 30,000 lines: 0 new, 30,000 known, 0 broken\n");
    logs_verify_record(30000);
}

/* Without the log that it was copied from, the spans that are whole are known. */
Test(import_files, the_first_lines_of_a_log_that_is_gone)
{
    write_part("access.log", 0, 30000);
    IMPORT_HERE("--into", "log");
    sh("head -n 20000 access.log > short.log; rm access.log");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, " 16,384 known"), "%s", logs.run.out);
}

/* Another log that begins alike is none. */
Test(import_files, a_short_log_that_goes_another_way)
{
    write_part("access.log", 0, 30000);
    IMPORT_HERE("--into", "log");
    sh("head -n 500 access.log > short.log; echo broken >> short.log");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "short.log: 501 lines: "), "%s", logs.run.out);
    cr_assert_null(strstr(logs.run.out, "short.log: 501 lines: 0 new"), "%s", logs.run.out);
}

/* ---- logs that begin alike ---- */

/* Two sites were asked the same in the same second. */
static void write_alike(void)
{
    sh("line() { printf '1.1.1.1 - - [01/Mar/2026:10:00:%02d +0000] \"GET /%s HTTP/1.1\" 200 1 \"-\" \"-\"\\n' $1 $2; };"
       "line 0 > a.log; for i in $(seq 0 20); do line $i; done > b.log");
}

Test(import_files, a_short_log_is_not_the_beginning_of_another_one)
{
    write_alike();
    IMPORT_HERE("--into", "log");
    says_here("a.log: 1 line: 1 new, 0 known, 0 broken; 0 by bots, 0 for files\n"
              "b.log: 21 lines: 21 new, 0 known, 0 broken; 0 by bots, 0 for files\n"
              "all 2 logs: 22 lines: 22 new, 0 known, 0 broken; 0 by bots, 0 for files\n");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 22 lines: 0 new, 22 known, 0 broken\n"), "%s", logs.run.out);
    sh("mv b.log b.log.1; gzip b.log.1; sed 's,/[0-9]* HTTP,/x HTTP,' a.log > ../more; cat ../more >> a.log");
    IMPORT_HERE("--into", "log");
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 23 lines: 1 new, 22 known, 0 broken"), "%s", logs.run.out);
}

Test(import_files, a_short_log_of_another_host)
{
    char a[300], b[300];

    write_alike();
    snprintf(a, sizeof a, "%s/a.log", logs_folder());
    snprintf(b, sizeof b, "%s/b.log", logs_folder());
    IMPORT(a, "--format", "combined", "--host", "a.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    IMPORT(b, "--format", "combined", "--host", "b.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "b.log: 21 lines: 21 new, 0 known"), "%s", logs.run.out);
    sh("head -1 b.log > c.log; tail -5 b.log >> c.log; rm a.log"); /* it may be that one, grown */
    snprintf(b, sizeof b, "%s/c.log", logs_folder());
    IMPORT(b, "--format", "combined", "--host", "c.com");
    cr_assert_eq(logs.run.status, 2, "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.err, "--host a.com"), "%s", logs.run.err);
}

/* ---- folders ---- */

Test(import_files, a_folder_in_the_order_of_rotation)
{
    write_part("access.log.10", 0, 100);
    write_part("access.log.2", 100, 200);
    write_part("access.log.1", 200, 300);
    write_part("access.log", 300, 400);
    sh("gzip access.log.10; zstd -q --rm access.log.2");
    IMPORT_HERE("--into", "log", "--partition", "0");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(
        strstr(logs.run.out, "\nall 4 logs: 400 lines: 392 new, 0 known, 4 broken, 4 blank; 392 by bots, 0 for files\n"), "%s",
        logs.run.out);
    logs_verify_log(400);
}

Test(import_files, other_things_in_a_folder)
{
    char dangling[300];

    write_part("access.log", 0, 100);
    sh("mkdir old; cp access.log old/; cp access.log .access.log.swp; cp access.log access.log~; mkfifo pipe; : > empty.log;"
       "ln -s nowhere link; printf '\\377\\330\\377\\340\\0\\020JFIF' > a.jpg; sqlite3 a.sqlite 'CREATE TABLE a (b); INSERT INTO "
       "a VALUES (1)';"
       "echo '2026/03/01 10:00:00 [error] 1#1: *1 open() failed' > error.log; echo '{\"event_time\":\"2026-03-01T10:00:00Z\"}' > "
       "a.jsonl;"
       "echo 'nothing of gzip' > b.log.gz; tar czf logs.tar.gz error.log");
    IMPORT_HERE("--into", "log");
    says_here("access.log: 100 lines: 98 new, 0 known, 1 broken, 1 blank; 98 by bots, 0 for files\n"
              "empty.log: 0 lines: 0 new, 0 known, 0 broken\n"
              "all 2 logs: 100 lines: 98 new, 0 known, 1 broken, 1 blank; 98 by bots, 0 for files\n");
    static const char *const passed[] = {"old: passed over: a folder inside",
                                         ".access.log.swp: passed over: hidden",
                                         "access.log~: passed over: a backup",
                                         "pipe: passed over: no regular file",
                                         "a.jpg: passed over: none of its lines is combined",
                                         "a.sqlite: passed over: none of its lines is combined",
                                         "error.log: passed over: none of its lines is combined",
                                         "a.jsonl: passed over: none of its lines is combined",
                                         "b.log.gz: passed over: none of its lines is combined",
                                         "logs.tar.gz: passed over: none of its lines is combined"};
    for (size_t i = 0; i < TL_COUNT(passed); i++)
        cr_assert_not_null(strstr(logs.run.err, passed[i]), "%s\n%s", passed[i], logs.run.err);
    snprintf(dangling, sizeof dangling, "%s/link: passed over", logs_folder());
    cr_assert_not_null(strstr(logs.run.err, dangling), "%s", logs.run.err);
    logs_verify_log(100);
    IMPORT(logs_folder(), "--format", "jsonl");
    cr_assert_not_null(strstr(logs.run.out, "a.jsonl: 1 line: 1 new, 0 known, 0 broken\n"), "%s", logs.run.out);
    cr_assert_null(strstr(logs.run.out, "access.log:"), "%s", logs.run.out);
}

/* What is looked at is said, and it is not little. */
Test(import_files, a_log_that_begins_with_other_lines)
{
    write_part("more", 0, 100);
    sh("yes 'no line of a log' | head -5000 > access.log; cat more >> access.log; rm more");
    sh("yes 'no line of a log' | head -40000 > app.log");
    IMPORT_HERE("--into", "log");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "access.log: 5,100 lines: 98 new, 0 known, 5,001 broken"), "%s%s", logs.run.out,
                       logs.run.err);
    cr_assert_not_null(strstr(logs.run.err, "/app.log: passed over: none of its first 16,384 lines is combined"), "%s",
                       logs.run.err);
    cr_assert_not_null(strstr(logs.run.err, " warn import "), "%s", logs.run.err);
}

/* ---- what cannot be read ---- */

/* The others go on, and the next import takes up what has been mended. */
Test(import_files, a_damaged_file_in_a_folder)
{
    write_part("access.log.3", 0, 100);
    write_part("access.log.2", 100, 30000);
    write_part("access.log.1", 30000, 30100);
    sh("gzip access.log.2; cp access.log.2.gz ../whole; head -c 100000 ../whole > access.log.2.gz; ln -s /proc/self/mem "
       "access.log");
    IMPORT_HERE("--into", "archive");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, "access.log.2.gz: the gzip file breaks off at byte 100000"), "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.err, "/access.log: cannot be read"), "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "access.log.1: 100 lines: 98 new"), "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.out, "access.log.3: 100 lines: 98 new"), "%s", logs.run.out);
    IMPORT_HERE("--into", "archive");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_null(strstr(logs.run.out, "access.log.2.gz: "), "nothing was taken of it: %s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.out, "all 2 logs: 200 lines: 0 new, 200 known, 0 broken\n"), "%s", logs.run.out);
    sh("cp ../whole access.log.2.gz; rm access.log");
    IMPORT_HERE("--into", "archive");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    IMPORT_HERE("--into", "archive");
    cr_assert_not_null(strstr(logs.run.out, "all 3 logs: 30,100 lines: 0 new, 30,100 known, 0 broken\n"), "%s", logs.run.out);
}

/* What was taken of it is known in the same command too. */
Test(import_files, a_damaged_file_and_its_whole_copy)
{
    char part[300];

    write_part("access.log", 0, 45000);
    sh("gzip -c access.log > ../whole; size=$(stat -c %s ../whole); head -c $((size * 3 / 4)) ../whole > ../part.gz");
    snprintf(part, sizeof part, "%s/part.gz", logs.dir);
    IMPORT(part, logs_folder(), "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_null(strstr(logs.run.out, "access.log: 45,000 lines: 44"), "all of it again: %s", logs.run.out);
    logs_verify_log(45000);
    snprintf(logs.data, sizeof logs.data, "%s/record", logs.dir);
    IMPORT(part, logs_folder(), "--format", "combined", "--host", "x.com", "--into", "archive");
    cr_assert_eq(logs.run.status, 3);
    logs_verify_record(45000);
}

Test(import_files, damaged_files_alone)
{
    char want[700];

    logs_write_file("access.log.gz", "\x1f\x8b\x08\0abc and more garbage", 24);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    snprintf(want, sizeof want, "%s: the gzip file is damaged at byte ", logs.path);
    cr_assert_not_null(strstr(logs.run.err, want), "%s", logs.run.err);
    logs_write_file("empty.log.gz", "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 0 lines: 0 new, 0 known, 0 broken", logs.path);
    logs_says(want);
    snprintf(want, sizeof want, "%s/nothing", logs.dir);
    IMPORT(want, "--format", "combined");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_eq(mkdir(want, 0777), 0);
    IMPORT(want, "--format", "combined");
    cr_assert_eq(logs.run.status, 0, "an empty folder: %s", logs.run.err);
    cr_assert_str_eq(logs.run.out, "");
}

Test(import_files, a_named_file_that_is_not_there)
{
    char gone[300], want[400];

    write_part("access.log", 0, 100);
    snprintf(gone, sizeof gone, "%s/gone.log", logs.dir);
    IMPORT(gone, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    snprintf(want, sizeof want, "%s: cannot be read", gone);
    cr_assert_not_null(strstr(logs.run.err, want), "%s", logs.run.err);
    cr_assert_neq(access(logs.data, F_OK), 0, "where there is nothing to take, nothing is made");
    IMPORT(gone, logs_folder(), "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, want), "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "access.log: 100 lines: 98 new"), "%s%s", logs.run.out, logs.run.err);
    logs_verify_log(100);
}

Test(import_files, zeros_and_carriage_returns)
{
    static const char text[] = "\0\0\0"
                               "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /1 HTTP/1.1\" 200 1 \"-\" \"-\"\r\n\r\n"
                               "1.1.1.1 - - [01/Mar/2026:10:00:01 +0000] \"GET /a.css HTTP/1.1\" 200 1 \"-\" \"a\0b\"\r\n";
    struct tl_log *log;
    struct tl_log_entries entries;

    logs_write_file("access.log", text, sizeof text - 1);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "3 lines: 2 new, 0 known, 0 broken, 1 blank; 1 by bots, 1 for files\n"), "%s%s",
                       logs.run.out, logs.run.err);
    log = logs_log_open();
    entries = logs_log_read(log, 0);
    cr_assert_eq(entries.count, 2);
    cr_assert(tl_sv_eq(logs_field(entries.messages[0].value, "\"ip\":\""), TL_SV("1.1.1.1")));
    cr_assert(tl_sv_eq(logs_field(entries.messages[1].value, "\"user_agent\":\""), TL_SV("a\\u0000b")), "%.*s",
              TL_SV_ARG(entries.messages[1].value));
    tl_log_close(log);
}

/* ---- kill -9 ---- */

Test(import_files, killed_again_and_again_over_a_folder)
{
    int kills = 0;

    write_part("access.log.2", 0, 20000);
    write_part("access.log.1", 20000, 40000);
    write_part("access.log", 40000, 45000);
    sh("gzip -1 access.log.2; zstd -q --rm access.log.1");
    for (long after_us = 1000;; after_us += kills < 15 ? 8000 : after_us / 2) {
        struct timespec nap = {.tv_nsec = after_us % 1000000 * 1000, .tv_sec = after_us / 1000000};

        run_done(&logs.run);
        run_start(&logs.run,
                  (const char *const[]){"import", "--views", logs.views, "--data", logs.data, logs_folder(), "--format",
                                        "combined", "--host", "x.com", "--into", "archive", "--file-bytes", "500000", NULL});
        nanosleep(&nap, NULL);
        run_signal(&logs.run, SIGKILL);
        run_wait(&logs.run);
        if (logs.run.status != 128 + SIGKILL)
            break;
        kills++;
    }
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_gt(kills, 3);
    IMPORT_HERE("--into", "archive");
    cr_assert_not_null(strstr(logs.run.out, "all 3 logs: 45,000 lines: 0 new, 45,000 known, 0 broken\n"), "%s", logs.run.out);
    logs_verify_record(45000);
}

/* ---- on a terminal ---- */

Test(import_files, a_bar_on_a_terminal_and_nowhere_else)
{
    char shown[60000];
    char all[60];
    const char *last = shown;
    struct stat one, two;
    size_t size = 0;
    int terminal, status = 0, out[2];
    pid_t child;

    write_part("access.log.1", 0, 120000);
    write_part("access.log", 120000, 125000);
    snprintf(logs.path, sizeof logs.path, "%s/access.log.1", logs_folder());
    cr_assert(stat(logs.path, &one) == 0);
    snprintf(logs.path, sizeof logs.path, "%s/access.log", logs_folder());
    cr_assert(stat(logs.path, &two) == 0);
    snprintf(all, sizeof all, " of %.1f MB  ", (double)(one.st_size + two.st_size) / 1e6);
    cr_assert_eq(pipe(out), 0);
    child = forkpty(&terminal, NULL, NULL, NULL);
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(run_program(), run_program(), "import", logs_folder(), "--format", "combined", "--host", "x.com", "--views",
              logs.views, "--data", logs.data, "--into", "archive", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    for (;;) {
        ssize_t got = read(terminal, shown + size, sizeof shown - 1 - size);

        if (got <= 0)
            break; /* EIO: nobody has it open any more */
        size += (size_t)got;
    }
    shown[size] = '\0';
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", shown);
    close(out[0]);
    close(terminal);
    cr_assert_not_null(strstr(shown, "import  "), "%s", shown);
    cr_assert_not_null(strstr(shown, all), "all files together: %s", shown);
    cr_assert_not_null(strstr(shown, " MB/s  "), "%s", shown);
    cr_assert_not_null(strstr(shown, " left"), "%s", shown);
    for (const char *next = shown; (next = strstr(next + 1, " MB/s  ")) != NULL;)
        last = next;
    cr_assert_not_null(strstr(last, "\r\033[K"), "it is gone at the end: %s", last);
    IMPORT_HERE("--into", "archive");
    cr_assert_str_eq(logs.run.err, "");
}
