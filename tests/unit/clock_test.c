/* clock_test.c: time goes on, and a test's file moves it. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(clock, wall_time_is_the_systems)
{
    int64_t before = (int64_t)time(NULL) * 1000, now;

    unsetenv("TALLY_CLOCK_FILE");
    now = tl_clock_wall_ms();
    cr_assert_geq(now, before);
    cr_assert_leq(now, before + 60000);
}

Test(clock, a_file_moves_it_while_the_program_runs)
{
    char path[] = "/tmp/tally-clock-XXXXXX";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    setenv("TALLY_CLOCK_FILE", path, 1);
    file_write(path, "1772330407000\n");
    cr_assert_eq(tl_clock_wall_ms(), 1772330407000);
    file_write(path, "-5");
    cr_assert_eq(tl_clock_wall_ms(), -5);
    file_write(path, "");
    cr_assert_eq(tl_clock_wall_ms(), -5, "while the file is being written the last time stays");
    unlink(path);
    cr_assert_eq(tl_clock_wall_ms(), -5);
    setenv("TALLY_CLOCK_FILE", "", 1);
    cr_assert_gt(tl_clock_wall_ms(), 1000);
}

Test(clock, monotonic_time_passes_while_asleep)
{
    int64_t start_ms = tl_clock_monotonic_ms(), start_ns = tl_clock_monotonic_ns();

    tl_clock_sleep_ms(20);
    tl_clock_sleep_ms(0);
    tl_clock_sleep_ms(-1);
    cr_assert_geq(tl_clock_monotonic_ms() - start_ms, 19);
    cr_assert_geq(tl_clock_monotonic_ns() - start_ns, 20000000);
}

static void nothing(int signal_number)
{
    (void)signal_number;
}

Test(clock, a_signal_ends_the_sleep)
{
    struct sigaction action = {.sa_handler = nothing};
    struct itimerval timer = {.it_value = {.tv_usec = 20000}};
    int64_t start_ms = tl_clock_monotonic_ms();

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    tl_clock_sleep_ms(20000);
    cr_assert_lt(tl_clock_monotonic_ms() - start_ms, 10000);
}
