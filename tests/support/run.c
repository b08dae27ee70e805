/* run.c: runs the program under test as its user would. */
#include "support/run.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

const char *run_program(void)
{
    const char *program = getenv("TALLY_BIN");

    return program != NULL && program[0] != '\0' ? program : "build/release/tally";
}

/* Appending: a memory file has no lock on its offset, and without it what two threads of the program write at once lies in the same place. */
static int output_open(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    cr_assert(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0, "no memory files: %s", strerror(errno));
    return fd;
}

void run_start(struct run *run, const char *const *args)
{
    char *argv[RUN_ARGS_MAX + 2];
    int argc = 0;

    *run = (struct run){.status = -1};
    argv[argc++] = strdup(run_program());
    for (; *args != NULL; args++) {
        cr_assert_lt(argc, RUN_ARGS_MAX + 1, "too many arguments");
        argv[argc++] = strdup(*args);
    }
    argv[argc] = NULL;
    /* Files, not pipes: a program that writes much and is not read does not stand still. */
    run->out_fd = output_open("stdout");
    run->err_fd = output_open("stderr");
    run->pid = fork();
    cr_assert_geq(run->pid, 0, "fork: %s", strerror(errno));
    if (run->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not leave it running */
        if (dup2(run->out_fd, STDOUT_FILENO) < 0 || dup2(run->err_fd, STDERR_FILENO) < 0)
            _exit(126);
        execv(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}

static char *output_read(int *fd, size_t *size)
{
    off_t end = lseek(*fd, 0, SEEK_END);
    char *text = malloc((size_t)end + 1);
    ssize_t got;

    cr_assert_not_null(text);
    got = pread(*fd, text, (size_t)end, 0);
    cr_assert_eq(got, end);
    text[end] = '\0';
    *size = (size_t)end;
    close(*fd);
    *fd = -1;
    return text;
}

bool run_wait_for(struct run *run, int timeout_ms)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    int wait_status = 0;
    pid_t ended;

    for (int waited_ms = 0; (ended = waitpid(run->pid, &wait_status, WNOHANG)) == 0; waited_ms++) {
        if (waited_ms >= timeout_ms)
            return false;
        nanosleep(&nap, NULL);
    }
    cr_assert_eq(ended, run->pid, "waitpid: %s", strerror(errno));
    run->pid = 0;
    run->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    run->out = output_read(&run->out_fd, &run->out_size);
    run->err = output_read(&run->err_fd, &run->err_size);
    cr_assert_neq(run->status, 127, "%s cannot be started; `make` builds it, TALLY_BIN names it", run_program());
    return true;
}

void run_wait(struct run *run)
{
    if (run_wait_for(run, RUN_TIMEOUT_MS))
        return;
    run_done(run);
    cr_assert_fail("%s still runs after %d ms", run_program(), RUN_TIMEOUT_MS);
}

/* pread: the program writes where this very file stands. */
char *run_err_so_far(const struct run *run)
{
    struct stat file;
    char *text;

    cr_assert_eq(fstat(run->err_fd, &file), 0);
    text = calloc(1, (size_t)file.st_size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(run->err_fd, text, (size_t)file.st_size, 0), file.st_size);
    return text;
}

bool run_says(const struct run *run, const char *words, int timeout_ms)
{
    bool said = false;

    for (int64_t until_ms = tl_clock_monotonic_ms() + timeout_ms; !said && tl_clock_monotonic_ms() < until_ms;) {
        char *text = run_err_so_far(run);

        said = strstr(text, words) != NULL;
        free(text);
        if (!said)
            tl_clock_sleep_ms(20);
    }
    return said;
}

void run_signal(const struct run *run, int signal_number)
{
    if (run->pid > 0)
        cr_assert_eq(kill(run->pid, signal_number), 0, "kill: %s", strerror(errno));
}

void run_done(struct run *run)
{
    if (run->pid > 0) {
        kill(run->pid, SIGKILL);
        waitpid(run->pid, NULL, 0);
        close(run->out_fd);
        close(run->err_fd);
    }
    free(run->out);
    free(run->err);
    *run = (struct run){.status = -1};
}

void run_folder_make(char dir[RUN_DIR_BYTES])
{
    const char *base = getenv("TMPDIR");

    snprintf(dir, RUN_DIR_BYTES, "%s/tally_test_XXXXXX", base != NULL && base[0] != '\0' && strlen(base) < 100 ? base : "/tmp");
    cr_assert_not_null(mkdtemp(dir), "%s: %s", dir, strerror(errno));
}

void run_folder_remove(const char *dir)
{
    char command[RUN_DIR_BYTES + 16];

    cr_assert_not_null(strstr(dir, "tally_test_"));
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

const char *run_file_write(const char *dir, const char *name, const char *text)
{
    static char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "wb");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    cr_assert_eq(fclose(file), 0);
    return path;
}
