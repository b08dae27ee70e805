/* archive_kill_test.c: kill -9 of archive at any instant, and a system call that fails: the files on record are offsets 0 .. k, each once, and the
 * next run goes on from there.
 *
 * Two ways: at random instants, repeatedly on one record; and, by ptrace, right before the n-th system call that changes something, for
 * each n until a run ends by itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The kernel's header and glibc's share names, so what is used of it is written out. */
#ifndef PTRACE_GET_SYSCALL_INFO
#define PTRACE_GET_SYSCALL_INFO 0x420e
#endif

#include "base/clock.h"
#include "master/master.h"
#include "support/record.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES], views[256], data[256];
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", record_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(archive_kill, .init = folder_open, .fini = folder_close);

/* Whatever happened: each partition's record is 0 .. k, and what complete.json says is true. */
static void record_is_sound(uint32_t partitions, const char *when, long number)
{
    struct tl_master *master = NULL;
    const struct tl_master_complete *complete;
    uint64_t identity;
    size_t count;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("events"), &complete, &count, &identity, &err), TL_OK, "%s %ld: %s", when,
                 number, err.message);
    for (uint32_t p = 0; p < partitions; p++) {
        int64_t next = record_verify(data, "events", p, 0, NULL);

        cr_assert(next == 0 || count > 0, "%s %ld: files, and no word of the log that they are from", when, number);
        for (size_t i = 0; i < count; i++)
            if (complete[i].partition == p)
                cr_assert_leq(complete[i].offset, next, "%s %ld: complete to %" PRId64 ", and on record to %" PRId64, when,
                              number, complete[i].offset, next);
    }
    tl_master_close(master);
}

/* Files of the record whose name fits the pattern. */
static size_t names_count(const char *pattern)
{
    char command[400];
    FILE *pipe;
    size_t count = 0;
    int c;

    snprintf(command, sizeof command, "find '%s' -path '*/topics/*' -name '%s'", data, pattern);
    pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    while ((c = fgetc(pipe)) != EOF)
        count += c == '\n';
    pclose(pipe);
    return count;
}

Test(archive_kill, at_random_instants, .timeout = 240)
{
    enum { KILLS = 12, TRIES = 40, EACH = 3000 };
    const char *wanted = getenv("TALLY_TEST_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : (uint64_t)tl_clock_monotonic_ns();
    struct run run = {0};
    int64_t started_ns, whole_ns, to = EACH;
    int killed = 0;

    fprintf(stderr, "archive_kill: TALLY_TEST_SEED=%llu\n", (unsigned long long)seed);
    /* How long a whole run takes: the kills fall into that span. */
    record_append(data, "events", 2, 0, to);
    started_ns = tl_clock_monotonic_ns();
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "20000");
    whole_ns = tl_clock_monotonic_ns() - started_ns;
    cr_assert_eq(run.status, 0, "%s", run.err);
    for (int i = 0; i < TRIES && killed < KILLS; i++) {
        int64_t after_ns;
        struct timespec nap;

        to += EACH;
        record_append(data, "events", 2, to - EACH, to);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        after_ns = (int64_t)((seed >> 33) % (uint64_t)whole_ns);
        nap = (struct timespec){.tv_sec = after_ns / 1000000000, .tv_nsec = after_ns % 1000000000};
        run_done(&run);
        run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--file-bytes", "20000", NULL});
        nanosleep(&nap, NULL);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        /* The disk is not equally fast all the time: one that came through shows that the measure is too long now. */
        if (run.status == 128 + SIGKILL)
            killed++;
        else
            whole_ns = whole_ns / 2 + 1000000;
        record_is_sound(2, "kill", i);
    }
    cr_assert_gt(killed, 0, "no run was caught at work");
    run_done(&run);
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "20000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    for (uint32_t p = 0; p < 2; p++)
        cr_assert_eq(record_verify(data, "events", p, 0, NULL), to);
    cr_assert_eq(names_count("_*"), 0);
    run_done(&run);
}

/* ---- by system call ---- */

struct syscall_info { /* the kernel's struct ptrace_syscall_info, as far as it is read */
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
    uint64_t instruction_pointer, stack_pointer;
    uint64_t nr;
    uint64_t args[6];
    uint64_t more[4];
};
enum { AT_ENTRY = 1 };

/* Does it change something on disk? Opening counts where it may make a file. */
static bool changes(const struct syscall_info *info)
{
    switch (info->nr) {
#ifdef SYS_rename
    case SYS_rename:
#endif
#ifdef SYS_unlink
    case SYS_unlink:
#endif
#ifdef SYS_mkdir
    case SYS_mkdir:
#endif
#ifdef SYS_rmdir
    case SYS_rmdir:
#endif
#ifdef SYS_link
    case SYS_link:
#endif
#ifdef SYS_renameat
    case SYS_renameat:
#endif
#ifdef SYS_renameat2
    case SYS_renameat2:
#endif
    case SYS_linkat:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_ftruncate:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_pwrite64:
    case SYS_write: return true;
    case SYS_openat: return (info->args[2] & O_CREAT) != 0;
    default: return false;
    }
}

enum what { KILL_BEFORE, FAIL, SPOIL };

/* A byte of the first file that a compaction has finished is another one now. False: there is none yet. */
static bool spoil(void)
{
    char pattern[400];
    unsigned char byte;
    glob_t found;
    bool any;
    int fd;

    snprintf(pattern, sizeof pattern, "%s/topics/_events/partition=*/events+*.jsonl.zst", data);
    any = glob(pattern, 0, NULL, &found) == 0;
    if (any) {
        fd = open(found.gl_pathv[0], O_RDWR);
        cr_assert_geq(fd, 0);
        cr_assert_eq(pread(fd, &byte, 1, 100), 1);
        byte ^= 1;
        cr_assert_eq(pwrite(fd, &byte, 1, 100), 1);
        close(fd);
        globfree(&found);
    }
    return any;
}

/* Runs archive with one more argument and meets its n-th changing system call; or spoils what is finished, as soon as there is any. Returns its exit status, 128 + SIGKILL where it was killed, -1
 * where it cannot be traced. *met: there was an n-th, and it was *nr. */
static int archive_traced(enum what what, const char *argument, long n, bool *met, uint64_t *nr)
{
    pid_t child = fork();
    long seen = 0;
    int status, deliver = 0;

    *met = false;
    cr_assert_geq(child, 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY), said = open(run_file_write(dir, "said", ""), O_WRONLY);

        dup2(null, STDOUT_FILENO);
        dup2(said, STDERR_FILENO);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the leak check traces, too */
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(126);
        execl(run_program(), run_program(), "archive", "--views", views, "--data", data, "--file-bytes", "9000", argument,
              (char *)NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        return -1;
    cr_assert_eq(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)), 0);
    for (;;) {
        struct syscall_info info = {0};

        if (ptrace(PTRACE_SYSCALL, child, NULL, (void *)(intptr_t)deliver) != 0)
            cr_assert_eq(errno, ESRCH);
        cr_assert_eq(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (WSTOPSIG(status) != (SIGTRAP | 0x80))
            continue;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info) <= 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        if (info.op != AT_ENTRY || !changes(&info))
            continue;
        if (what == SPOIL)
            *met = *met || spoil();
        if (what == SPOIL || seen++ != n)
            continue;
        *met = true;
        *nr = info.nr;
        if (what == KILL_BEFORE) {
            cr_assert_eq(kill(child, SIGKILL), 0);
#ifdef __x86_64__
        } else {
            /* A number that no system call has: it fails with ENOSYS and does nothing. */
            cr_assert_eq(ptrace(PTRACE_POKEUSER, child, (void *)offsetof(struct user_regs_struct, orig_rax), (void *)-1L), 0);
#endif
        }
    }
}

static bool removes(uint64_t nr)
{
#ifdef SYS_unlink
    if (nr == SYS_unlink)
        return true;
#endif
    return nr == SYS_unlinkat;
}

static void sweep(enum what what, const char *name)
{
    enum { MESSAGES = 250 };
    char topics[300], command[400];
    bool met = true;
    long n, points = 0;

    snprintf(topics, sizeof topics, "%s/topics", data);
    snprintf(command, sizeof command, "rm -rf '%s'", topics);
    record_append(data, "events", 2, 0, MESSAGES);
    for (n = 0; met; n++) {
        uint64_t nr = 0;
        int status = archive_traced(what, NULL, n, &met, &nr);

        if (status == -1)
            cr_skip("processes cannot be traced here\n");
        if (what == KILL_BEFORE)
            cr_assert_eq(status, met ? 128 + SIGKILL : 0, "%s %ld: exit status %d", name, n, status);
        else
            cr_assert(status == 0 || status == 3, "%s %ld: exit status %d", name, n, status);
        record_is_sound(2, name, n);
        if (what == FAIL && !removes(nr)) {
            cr_assert_eq(names_count("_*"), 0, "%s %ld: what it could not finish is gone", name, n);
            cr_assert_eq(names_count("*.index"), names_count("*.jsonl.zst"), "%s %ld: no index stands alone", name, n);
        }
        /* The next run puts everything right, whatever it finds. */
        if (met) {
            struct run run;

            RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "9000");
            cr_assert_eq(run.status, 0, "%s %ld: %s", name, n, run.err);
            run_done(&run);
            points++;
        }
        for (uint32_t p = 0; p < 2; p++)
            cr_assert_eq(record_verify(data, "events", p, 0, NULL), MESSAGES, "%s %ld", name, n);
        cr_assert_eq(names_count("_*"), 0, "%s %ld", name, n);
        cr_assert_eq(system(command), 0);
    }
    fprintf(stderr, "archive_kill: %s at each of %ld system calls\n", name, points);
    cr_assert_gt(points, 20);
}

Test(archive_kill, before_each_system_call, .timeout = 300)
{
    sweep(KILL_BEFORE, "kill");
}

#ifdef __x86_64__
Test(archive_kill, each_system_call_fails_once, .timeout = 300)
{
    sweep(FAIL, "failure");
}
#endif

/* ---- compaction ---- */

/* What zstdcat and DuckDB read, who take no lock: the names in the folder are one file for each offset. */
static void compact_sweep(enum what what, const char *name)
{
    enum { MESSAGES = 120 };
    char command[500];
    bool met = true;
    long n, points = 0;

    record_append(data, "events", 2, 0, MESSAGES);
    for (n = 0; met; n++) {
        uint64_t nr = 0;
        struct run run;
        int status;

        RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "1500");
        cr_assert_eq(run.status, 0, "%s", run.err);
        run_done(&run);
        status = archive_traced(what, "--compact", n, &met, &nr);
        if (status == -1)
            cr_skip("processes cannot be traced here\n");
        if (what == KILL_BEFORE)
            cr_assert_eq(status, met ? 128 + SIGKILL : 0, "%s %ld: exit status %d", name, n, status);
        else
            cr_assert(status == 0 || status == 3, "%s %ld: exit status %d", name, n, status);
        for (uint32_t p = 0; p < 2; p++)
            cr_assert_eq(record_verify(data, "events", p, 0, NULL), MESSAGES, "%s %ld", name, n);
        if (met) {
            RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "9000", "--compact");
            cr_assert_eq(run.status, 0, "%s %ld: %s", name, n, run.err);
            run_done(&run);
            points++;
        }
        for (uint32_t p = 0; p < 2; p++) {
            uint32_t files;

            cr_assert_eq(record_verify(data, "events", p, 0, &files), MESSAGES, "%s %ld", name, n);
            cr_assert_leq(files, 2, "%s %ld: %" PRIu32 " files are left", name, n, files);
        }
        cr_assert_eq(names_count("_*"), 0, "%s %ld", name, n);
        RUN(&run, "archive", "--verify", "--data", data, "--format", "csv");
        cr_assert_eq(run.status, 0, "%s %ld: %s", name, n, run.out);
        cr_assert_eq(strstr(run.out, "leftover"), NULL, "%s %ld: %s", name, n, run.out);
        run_done(&run);
        snprintf(command, sizeof command, "rm -rf '%s/topics'", data);
        cr_assert_eq(system(command), 0);
        if (getenv("TALLY_LONG") == NULL)
            n += 6; /* every seventh */
    }
    fprintf(stderr, "archive_kill: %s of compact at each of %ld system calls\n", name, points);
    cr_assert_gt(points, 10);
}

Test(archive_kill, compact_before_each_system_call, .timeout = 300)
{
    compact_sweep(KILL_BEFORE, "kill");
}

#ifdef __x86_64__
Test(archive_kill, each_system_call_of_compact_fails_once, .timeout = 300)
{
    compact_sweep(FAIL, "failure");
}
#endif

/* A disk that gives back other bytes than it was given is not worked on: the old files stay, and the first thing that was wrong is what is said. */
Test(archive_kill, compact_reads_back_what_it_wrote, .timeout = 60)
{
    char path[300], said[4000];
    bool met = false;
    uint64_t nr = 0;
    struct run run;
    size_t size;
    FILE *file;
    int status;

    record_append(data, "events", 1, 0, 400);
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "1500");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    status = archive_traced(SPOIL, "--compact", 0, &met, &nr);
    if (status == -1)
        cr_skip("processes cannot be traced here\n");
    cr_assert(met);
    snprintf(path, sizeof path, "%s/said", dir);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    size = fread(said, 1, sizeof said - 1, file);
    said[size] = '\0';
    fclose(file);
    cr_assert_eq(status, 3, "%s", said);
    cr_assert_not_null(strstr(said, "reads otherwise than it was written; the partition is as it was"), "%s", said);
    cr_assert_null(strstr(said, "cannot be linked"), "%s", said);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 400);
    cr_assert_eq(names_count("_*"), 0);
    RUN(&run, "archive", "--verify", "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.out);
    run_done(&run);
}

/* ---- retention ---- */

static void shell(const char *what)
{
    char command[600];

    snprintf(command, sizeof command, "cd '%s' && %s", dir, what);
    cr_assert_eq(system(command), 0, "%s", command);
}

static long files_count(uint32_t partition)
{
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    long found = 0;
    size_t count;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    for (size_t f = 0; f < count; f++)
        found += files[f].partition == partition;
    tl_master_close(master);
    return found;
}

/* Nothing is missing that retention does not tell of, no file goes before its days are sealed, and the next run does the rest. */
static void retention_sweep(enum what what, const char *name)
{
    struct run run;
    bool met = true;
    long n, points = 0, before, after;
    char path[300];

    setenv("TALLY_CLOCK_FILE", run_file_write(dir, "clock", "1772500000000"), 1); /* two days later */
    record_append(data, "events", 2, 0, 400);
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "9000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", views, "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    before = files_count(0);
    shell("cp -r data before");
    for (n = 0; met; n++) {
        uint64_t nr = 0;
        int status = archive_traced(what, "--retention=1d", n, &met, &nr);

        if (status == -1)
            cr_skip("processes cannot be traced here\n");
        if (what == KILL_BEFORE)
            cr_assert_eq(status, met ? 128 + SIGKILL : 0, "%s %ld: exit status %d", name, n, status);
        else
            cr_assert(status == 0 || status == 3, "%s %ld: exit status %d", name, n, status);
        RUN(&run, "archive", "--verify", "--data", data);
        cr_assert_eq(run.status, 0, "%s %ld: %s%s", name, n, run.out, run.err);
        run_done(&run);
        snprintf(path, sizeof path, "%s/topics/events/thinned.json", data);
        cr_assert(files_count(0) == before || access(path, F_OK) == 0, "%s %ld", name, n);
        if (met) {
            RUN(&run, "archive", "--views", views, "--data", data, "--retention", "1d");
            cr_assert_eq(run.status, 0, "%s %ld: %s", name, n, run.err);
            run_done(&run);
            points++;
        }
        after = files_count(0);
        cr_assert(after < before && after > 0, "%s %ld: %ld of %ld files", name, n, after, before);
        cr_assert_eq(names_count("*.index"), names_count("*.jsonl.zst"), "%s %ld: nothing is left over", name, n);
        RUN(&run, "batch", "--views", views, "--data", data);
        cr_assert_eq(run.status, 0, "%s %ld: %s", name, n, run.err);
        cr_assert_str_eq(run.out, "", "%s %ld: nothing became dirty", name, n);
        run_done(&run);
        shell("rm -rf data && cp -r before data");
        if (getenv("TALLY_LONG") == NULL)
            n += 6; /* every seventh */
    }
    unsetenv("TALLY_CLOCK_FILE");
    fprintf(stderr, "archive_kill: %s of retention at each of %ld system calls\n", name, points);
    cr_assert_gt(points, 5);
}

Test(archive_kill, retention_before_each_system_call, .timeout = 300)
{
    retention_sweep(KILL_BEFORE, "kill");
}

#ifdef __x86_64__
Test(archive_kill, each_system_call_of_retention_fails_once, .timeout = 300)
{
    retention_sweep(FAIL, "failure");
}
#endif
