/* progress_test.c: what the bar shows of how far a command is. */
#include <criterion/criterion.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "main/progress.h"

/* What it shows on a terminal for these bytes, ten seconds after its beginning. */
static const char *shown(uint64_t done, uint64_t count)
{
    static char text[300];
    struct tl_progress progress;
    int terminal, inside, before = dup(STDERR_FILENO);
    ssize_t got;

    cr_assert_eq(openpty(&terminal, &inside, NULL, NULL, NULL), 0);
    dup2(inside, STDERR_FILENO);
    tl_progress_begin(&progress, "import");
    progress.started_ms -= 10000;
    tl_progress_step(&progress, done, count);
    dup2(before, STDERR_FILENO);
    got = read(terminal, text, sizeof text - 1);
    cr_assert_gt(got, 0);
    text[got] = '\0';
    close(terminal);
    close(inside);
    close(before);
    return text;
}

Test(progress, what_is_shown)
{
    cr_assert_not_null(strstr(shown(10000000, 39500000), "import  10.0 of 39.5 MB  25%  1.0 MB/s  30 s left"));
    cr_assert_not_null(strstr(shown(10000000, 0), "import  10.0 MB  1.0 MB/s"));
    cr_assert_not_null(strstr(shown(10000000, 10000000), "import  10.0 of 10.0 MB  100%  1.0 MB/s  0 s left"));
}

/* A log that grows while it is read has more than was thought. */
Test(progress, never_more_than_all)
{
    cr_assert_not_null(strstr(shown(20000000, 10000000), "import  20.0 of 20.0 MB  100%  2.0 MB/s  0 s left"));
}

Test(progress, the_last_second_is_one)
{
    cr_assert_not_null(strstr(shown(10000000, 10300000), "1 s left"));
    cr_assert_not_null(strstr(shown(9960000, 10000000), "99%"), "100 %% is all of it");
}
