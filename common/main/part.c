/* part.c: a process below `tally up`. See part.h. */
#include "main/part.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"

enum { COMM_BYTES = 16 }; /* what the system keeps of a process's name */

int64_t tl_part_pause_ms(int failures, uint32_t chance)
{
    int64_t pause_ms = TL_PART_PAUSE_MIN_MS;

    for (int f = 1; f < failures && pause_ms < TL_PART_PAUSE_MAX_MS; f++)
        pause_ms *= 2;
    pause_ms = tl_min_i64(pause_ms, TL_PART_PAUSE_MAX_MS);
    return pause_ms * 3 / 4 + (int64_t)(chance % 1024) * (pause_ms / 2) / 1023;
}

/* When to run it next; gives that in ms from now. */
static int64_t put_off(struct tl_part *part, int64_t now_ms)
{
    int64_t pause_ms = part->every_ms;
    uint32_t chance = 0;

    if (!part->repeats) {
        if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) < 0)
            chance = (uint32_t)getpid();
        if (now_ms - part->started_ms >= TL_PART_PROVEN_MS)
            part->failures = 0;
        pause_ms = tl_part_pause_ms(++part->failures, chance);
    }
    part->due_ms = now_ms + pause_ms;
    return pause_ms;
}

static void __attribute__((noreturn)) become(struct tl_part *part, int write_fd, pid_t parent, tl_part_run run, void *ctx)
{
    char comm[COMM_BYTES];

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a killed parent leaves nobody behind */
    if (getppid() != parent)
        _exit(3);
    setpgid(0, 0);
    snprintf(comm, sizeof comm, "tally %s", part->name);
    prctl(PR_SET_NAME, comm);
    if (dup2(write_fd, STDERR_FILENO) < 0)
        _exit(3);
    close(write_fd);
    exit(run(part, ctx));
}

static enum tl_code try_to_start(struct tl_part *part, tl_part_run run, void *ctx, struct tl_err *err)
{
    pid_t parent = getpid(), pid;
    int write_fd = -1;
    enum tl_code rc;

    TL_TRY(tl_part_output_open(&part->output, &write_fd, err));
    fflush(stdout); /* else the child writes it once more */
    pid = fork();
    if (pid == 0)
        become(part, write_fd, parent, run, ctx);
    if (pid < 0) {
        rc = tl_fail_errno(err, TL_ERR_IO, "cannot start %s", part->name);
        tl_part_output_close(&part->output, NULL, NULL);
    } else {
        part->pid = pid;
    }
    close(write_fd);
out:
    return rc;
}

void tl_part_start(struct tl_part *part, tl_part_run run, void *ctx, int64_t now_ms)
{
    struct tl_err err;

    part->started_ms = now_ms;
    if (try_to_start(part, run, ctx, &err) != TL_OK)
        tl_diag(TL_ERROR, "%s; the next attempt is in %.1f s", err.message, (double)put_off(part, now_ms) / 1000);
    else
        tl_diag(part->repeats ? TL_DEBUG : TL_INFO, "%s started with pid %d", part->name, (int)part->pid);
}

static void describe(const struct tl_part *part, int how, char *out, size_t size)
{
    if (WIFSIGNALED(how))
        snprintf(out, size, "%s was ended by signal %d (SIG%s)", part->name, WTERMSIG(how), sigabbrev_np(WTERMSIG(how)));
    else
        snprintf(out, size, "%s ended with status %d", part->name, WEXITSTATUS(how));
}

bool tl_part_ended(struct tl_part *part, bool wanted, int64_t now_ms, tl_part_output_sink sink, void *ctx,
                   struct tl_part_end *end)
{
    char words[120];
    bool good;
    int how;

    if (part->pid == 0 || waitpid(part->pid, &how, WNOHANG) != part->pid)
        return false;
    part->pid = 0;
    tl_part_output_close(&part->output, sink, ctx);
    part->proven = part->proven || now_ms - part->started_ms >= TL_PART_PROVEN_MS;
    good = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    end->status = WIFEXITED(how) ? WEXITSTATUS(how) : 3;
    end->final = !part->repeats && ((good && part->may_end) || (!part->proven && (end->status == 2 || end->status == 75)));
    describe(part, how, words, sizeof words);
    if (wanted || end->final)
        tl_diag(good ? TL_INFO : TL_ERROR, "%s", words);
    else if (part->repeats && good)
        put_off(part, now_ms);
    else
        tl_diag(TL_WARN, "%s; it starts again in %.1f s", words, (double)put_off(part, now_ms) / 1000);
    return true;
}
