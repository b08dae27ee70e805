/* import_ends_test.c: the two ends of an import: what it reads from (pipes, devices, streams that are closed), and what it says. */
#include <criterion/criterion.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/logs.h"

TestSuite(import_ends, .init = logs_open, .fini = logs_close, .timeout = 60);

/* The shell's script with the program as $tally and the import's options as $with, in the folder; what it leaves as exit status. */
static int shell(const char *script)
{
    char command[3000];
    int status;

    snprintf(command, sizeof command,
             "cd '%s'; ulimit -f 200000; tally='%s'; with='--views %s --data %s --format combined --host x.com'; %s", logs.dir,
             run_program(), logs.views, logs.data, script);
    status = system(command);
    cr_assert(WIFEXITED(status), "%s", script);
    return WEXITSTATUS(status);
}

/* ---- what it reads from ---- */

/* The signal comes when it reads; the limit on the size of files ends what the signal does not. */
Test(import_ends, a_signal_ends_the_reading_of_a_pipe_that_never_rests)
{
    cr_assert_eq(shell("mkfifo pipe; $tally import - $with < pipe 2> err & "
                       "{ yes | head -c 10000000; kill -TERM $!; yes; } > pipe 2> yes; wait $!"),
                 3);
    cr_assert_eq(shell("grep -q 'standard input: stopped by a signal' err"), 0);
}

Test(import_ends, a_signal_ends_the_wait_for_a_writer)
{
    cr_assert_eq(shell("mkfifo pipe; timeout -k 20 -s TERM 0.5 $tally import pipe $with 2> err"), 124);
    cr_assert_eq(shell("grep -q 'pipe: stopped by a signal' err"), 0);
}

Test(import_ends, a_device_is_no_log)
{
    cr_assert_eq(shell("timeout -s KILL 5 $tally import /dev/zero $with 2> err"), 3);
    cr_assert_eq(shell("grep -q '/dev/zero: is neither a file nor a pipe' err"), 0);
    cr_assert_eq(shell("timeout -s KILL 5 $tally import - $with < /dev/zero 2> err"), 3);
    cr_assert_eq(shell("grep -q 'standard input: is neither a file nor a pipe' err"), 0);
}

/* A stream that is closed is free for the next file that is opened: the lock, the log, the store. */
Test(import_ends, a_stream_that_is_closed_is_no_file_of_ours)
{
    logs_write_log("access.log", 10);
    cr_assert_eq(shell("timeout -s KILL 5 $tally import - $with <&- > out 2> err"), 3);
    cr_assert_eq(shell("grep -q 'standard input: is neither a file nor a pipe' err"), 0);
}

/* Its lines are one span, and less than that. */
Test(import_ends, the_lines_before_the_damage_are_taken)
{
    logs_write_log("access.log", 5000);
    cr_assert_eq(shell("gzip -c access.log | head -c 20000 > cut.gz; $tally import cut.gz $with > out 2> err"), 3);
    cr_assert_eq(
        shell("grep -q 'cut.gz: the gzip file breaks off at byte 20000; a copy that is whole would go on from there' err"), 0);
    cr_assert_eq(shell("gzip -dc cut.gz 2> /dev/null | sed '$d' | wc -l > lines; sed 's/,//' out | grep -q \"^cut.gz: $(cat "
                       "lines) lines: \""),
                 0);
    cr_assert_eq(shell("$tally import access.log $with > out"), 0);
    cr_assert_eq(shell("sed 's/,//g' out | grep -q \" $(cat lines) known\""), 0);
    logs_verify_log(5000);
}

Test(import_ends, a_byte_order_mark_is_no_part_of_the_first_line)
{
    logs_write_log("access.log", 10);
    cr_assert_eq(shell("printf '\\357\\273\\277' | cat - access.log > marked; zstd -q marked"), 0);
    cr_assert_eq(shell("$tally import marked.zst $with | grep -q '10 lines: 10 new, 0 known, 0 broken'"), 0);
    cr_assert_eq(shell("$tally import access.log marked $with | grep -q '20 lines: 0 new, 20 known'"), 0);
    logs_verify_log(10);
    cr_assert_eq(shell("printf '\\357\\273\\277{\"event_time\":\"2026-03-01T10:00:00Z\"}\\n' > marked; "
                       "$tally import marked --views views.sql --data data --format jsonl | grep -q '1 line: 1 new'"),
                 0);
}

/* ---- what it says ---- */

Test(import_ends, what_standard_output_does_not_take_is_an_error)
{
    logs_write_log("access.log", 10);
    cr_assert_eq(shell("$tally import access.log $with > /dev/full 2> err"), 3);
    cr_assert_eq(shell("grep -q 'error import cannot write to standard output' err"), 0);
    cr_assert_eq(shell("$tally archive --views views.sql --data data > /dev/null"), 0);
    cr_assert_eq(shell("$tally batch --views views.sql --data data > /dev/full 2> err"), 3);
    cr_assert_eq(shell("grep -q 'error batch cannot write to standard output' err"), 0);
    cr_assert_eq(shell("$tally import access.log $with >&- 2>&-"), 3, "nobody could read the summary");
    cr_assert_eq(shell("$tally import access.log $with | grep -q '10 known'"), 0, "the lines were taken");
    cr_assert_eq(shell("$tally version > /dev/full 2> err"), 3);
}

Test(import_ends, a_name_forges_no_line_and_moves_no_cursor)
{
    logs_write_log("access\n\033[2Jlog", 10);
    cr_assert_eq(shell("$tally import access* $with > out 2> err"), 0);
    cr_assert_eq(
        shell("test \"$(cat out)\" = 'access\\n\\x1b[2Jlog: 10 lines: 10 new, 0 known, 0 broken; 10 by bots, 0 for files'"), 0,
        "%s", "the summary");
}

Test(import_ends, a_range_that_is_none_is_refused_with_a_right_one)
{
    cr_assert_eq(shell("for command in 'query hits' 'reconcile --views views.sql'; do $tally $command --from 2026-03-02 --to "
                       "2026-03-01 2> err;"
                       "test $? = 2 && grep -q -- '--from 2026-03-01 --to 2026-03-02 would do' err || exit 1; done"),
                 0);
}

Test(import_ends, a_pipe_that_is_copied_has_a_bar)
{
    char text[4000];
    size_t size = 0;
    int terminal, status;
    ssize_t got;
    pid_t child;

    logs_write_log("access.log", 10);
    child = forkpty(&terminal, NULL, NULL, NULL);
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(shell("{ cat access.log; sleep 0.2; echo; } | $tally import - $with"));
    while (size < sizeof text - 1 && (got = read(terminal, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(terminal);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", text);
    cr_assert_not_null(strstr(text, "copy  0.0 MB  "), "%s", text);
    cr_assert_not_null(strstr(text, "\r\033[Kstandard input: 11 lines: 10 new"), "the bar is gone: %s", text);
}
