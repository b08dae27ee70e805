/* timed.c: runs a command and says how long it took and how much memory it held at most.
 *
 * bench_timed FILE COMMAND...      writes "seconds=1.2345 cpu_seconds=2.1 rss_bytes=12345678" to FILE; exits as the command did */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct rusage used;
    double begin = now_s(), seconds;
    int status;
    pid_t child;
    FILE *out;

    if (argc < 3) {
        fputs("usage: bench_timed FILE COMMAND...\n", stderr);
        return 2;
    }
    child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        fprintf(stderr, "bench_timed: %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    while (child < 0 || wait4(child, &status, 0, &used) < 0) {
        if (child < 0 || errno != EINTR) {
            perror("bench_timed");
            return 3;
        }
    }
    seconds = now_s() - begin;
    out = fopen(argv[1], "w");
    if (out == NULL) {
        fprintf(stderr, "bench_timed: %s: %s\n", argv[1], strerror(errno));
        return 3;
    }
    fprintf(out, "seconds=%.4f cpu_seconds=%.4f rss_bytes=%lld\n", seconds, seconds_of(used.ru_utime) + seconds_of(used.ru_stime),
            (long long)used.ru_maxrss * 1024);
    if (fclose(out) != 0)
        return 3;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
