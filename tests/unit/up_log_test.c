/* up_log_test.c: each line once on stderr and once in the file, and a stderr that nobody reads holds nobody up. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "main/up_log.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES];
static int screen; /* what is read from stderr's pipe */

static void log_open(void)
{
    int ends[2];

    run_folder_make(dir);
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    screen = ends[0];
}

static void log_close(void)
{
    run_folder_remove(dir);
}

TestSuite(up_log, .init = log_open, .fini = log_close);

static struct tl_up_log *open_log(bool json)
{
    struct tl_up_log *log;
    struct tl_err err;

    tl_diag_setup("up", json, false);
    cr_assert_eq(tl_up_log_open(dir, json, &log, &err), TL_OK, "%s", err.message);
    return log;
}

static char *read_all(int fd)
{
    char *text = calloc(1, 1 << 17);
    size_t size = 0;
    ssize_t got;

    while ((got = read(fd, text + size, (1 << 17) - 1 - size)) > 0)
        size += (size_t)got;
    return text;
}

static char *read_file(void)
{
    char path[200], *text;
    int fd;

    snprintf(path, sizeof path, "%s/log/tally.log", dir);
    fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0);
    text = read_all(fd);
    close(fd);
    return text;
}

static void expect_both(const char *beginning, const char *rest)
{
    char *seen = read_all(screen), *kept = read_file();

    cr_expect_str_eq(seen, kept);
    cr_expect_eq(strncmp(seen + sizeof "2026-03-01T02:00:07Z" - 1, beginning, strlen(beginning)), 0, "%s", seen);
    cr_expect(strlen(seen) > strlen(rest) && strcmp(seen + strlen(seen) - strlen(rest), rest) == 0, "%s", seen);
    free(seen);
    free(kept);
}

Test(up_log, own_lines_and_those_of_parts_are_in_both_places)
{
    struct tl_up_log *log = open_log(false);

    tl_diag(TL_INFO, "speed started");
    tl_up_log_put(log, "speed", TL_SV("2026-03-01T02:00:07Z info speed hello\n"), true);
    tl_up_log_close(log);
    expect_both(" info up speed started\n", "started\n2026-03-01T02:00:07Z info speed hello\n");
}

Test(up_log, words_without_a_name_get_one)
{
    struct tl_up_log *log = open_log(false);

    tl_up_log_put(log, "archive", TL_SV("tally: x.c:1: f: Assertion `a' failed.\nmore\n"), false);
    tl_up_log_close(log);
    expect_both(" warn up archive wrote:\n", " wrote:\ntally: x.c:1: f: Assertion `a' failed.\nmore\n");
}

Test(up_log, in_json_they_are_json)
{
    struct tl_up_log *log = open_log(true);
    char *seen;

    tl_up_log_put(log, "archive", TL_SV("an \"assertion\"\nmore\n"), false);
    tl_up_log_close(log);
    seen = read_all(screen);
    cr_expect_not_null(
        strstr(seen, "\"message\":\"a part wrote\",\"part\":\"archive\",\"words\":\"an \\\"assertion\\\"\\nmore\\n\"}\n"), "%s",
        seen);
    free(seen);
}

Test(up_log, a_stderr_that_nobody_reads_is_left_out_until_it_takes_lines_again)
{
    struct tl_up_log *log = open_log(false);
    char *line = malloc(2001), *seen, *kept;
    int count = 0;

    memset(line, 'x', 1999);
    memcpy(line + 1999, "\n", 2);
    for (int i = 0; i < 40; i++)
        tl_up_log_put(log, "speed", tl_sv_from(line), true);
    free(read_all(screen)); /* somebody reads again */
    tl_up_log_put(log, "speed", TL_SV("2026-03-01T02:00:07Z info speed hello\n"), true);
    tl_up_log_close(log);
    seen = read_all(screen);
    kept = read_file();
    cr_expect_not_null(strstr(seen, "\n... stderr took nothing for a while: "), "%s", seen);
    cr_expect_not_null(strstr(seen, " lines are in log/tally.log alone\n2026-03-01T02:00:07Z info speed hello\n"), "%s", seen);
    for (const char *c = kept; *c != '\0'; c++)
        count += *c == '\n';
    cr_expect_eq(count, 41);
    free(line);
    free(seen);
    free(kept);
}
