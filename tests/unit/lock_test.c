/* lock_test.c: the second one is told who holds the lock, and a holder that dies lets go. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"

static char dir[64], path[100];
static struct tl_err err;

static void folder_open(void)
{
    snprintf(dir, sizeof dir, "%s", "/tmp/tally_lock_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/data/batch.lock", dir);
}

static void folder_close(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(lock, .init = folder_open, .fini = folder_close);

Test(lock, the_second_is_told_who_holds_it)
{
    struct tl_lock *lock = NULL, *second = NULL;
    char want[200];

    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_lock_take(path, "batch", &second, &err), TL_ERR_BUSY);
    cr_assert_null(second);
    cr_assert_eq(tl_exit_status(err.code), 75);
    snprintf(want, sizeof want, "another batch holds %s: pid %ld since 20", path, (long)getpid());
    cr_assert_eq(strncmp(err.message, want, strlen(want)), 0, "%s", err.message);
    tl_lock_release(lock);
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    tl_lock_release(lock);
    tl_lock_release(NULL);
}

Test(lock, a_holder_that_dies_lets_go)
{
    struct tl_lock *lock = NULL;
    char want[60];
    int ready[2], status;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (tl_lock_take(path, "batch", &lock, NULL) == TL_OK && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], want, 1), 1);
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_ERR_BUSY);
    snprintf(want, sizeof want, "pid %ld since", (long)child);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    tl_lock_release(lock);
}

Test(lock, what_stands_in_the_file_is_shown_safely)
{
    struct tl_lock *lock = NULL, *second = NULL;
    int fd;

    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    fd = open(path, O_WRONLY | O_TRUNC);
    cr_assert_eq(tl_lock_take(path, "batch", &second, &err), TL_ERR_BUSY);
    cr_assert_not_null(strstr(err.message, "only just begun"), "%s", err.message);
    cr_assert_eq(write(fd, "\x1b[2J\nfoo", 8), 8);
    cr_assert_eq(tl_lock_take(path, "batch", &second, &err), TL_ERR_BUSY);
    cr_assert_not_null(strstr(err.message, ": ?[2J"), "%s", err.message);
    cr_assert_null(strchr(err.message, '\n'));
    close(fd);
    tl_lock_release(lock);
}

Test(lock, a_place_that_cannot_hold_a_lock_is_named)
{
    struct tl_lock *lock = NULL;

    cr_assert_eq(tl_lock_take("/proc/no/such/place/batch.lock", "batch", &lock, &err), TL_ERR_IO);
    cr_assert_not_null(strstr(err.message, "/proc/no/such/place"), "%s", err.message);
}
