/* run.h: runs the program under test as its user would: a process and a folder of its own, its output kept.
 *
 *     struct run run;
 *     char dir[RUN_DIR_BYTES];
 *
 *     run_folder_make(dir);
 *     RUN(&run, "archive", "--views", views, "--data", dir);
 *     cr_assert_eq(run.status, 0, "%s", run.err);
 *     run_done(&run);
 *     run_folder_remove(dir);
 *
 * The program is TALLY_BIN. What cannot be started, or does not end within RUN_TIMEOUT_MS, fails the test. */
#ifndef TL_TEST_RUN_H
#define TL_TEST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RUN_DIR_BYTES = 128, RUN_TIMEOUT_MS = 60000, RUN_ARGS_MAX = 62 };

struct run {
    pid_t pid;       /* 0: it has ended */
    int status;      /* exit status, or 128 + the signal that ended it; -1 while it runs */
    char *out, *err; /* what it wrote, zero-terminated; NULL while it runs */
    size_t out_size, err_size;
    int out_fd, err_fd;
};

/* TALLY_BIN, or the release build where it is not set. */
const char *run_program(void);
/* `args`: without the program's name, NULL at the end. */
void run_start(struct run *run, const char *const *args);
/* Waits for the end and reads the output. */
void run_wait(struct run *run);
/* The same for one that should have ended on its own by now: false when the time is over and it still runs. */
bool run_wait_for(struct run *run, int timeout_ms);
/* What it has written to stderr so far, while it runs. The caller frees. */
char *run_err_so_far(const struct run *run);
/* Waits until that has the words in it; false: the time is over. */
bool run_says(const struct run *run, const char *words, int timeout_ms);
void run_signal(const struct run *run, int signal_number);
/* Frees the output; a program that still runs is killed. */
void run_done(struct run *run);
#define RUN(run, ...) (run_start((run), (const char *const[]){__VA_ARGS__, NULL}), run_wait(run))

void run_folder_make(char dir[RUN_DIR_BYTES]);
void run_folder_remove(const char *dir);
/* Writes dir/name and gives its path, good until the next call. */
const char *run_file_write(const char *dir, const char *name, const char *text);

#endif
