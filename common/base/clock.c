/* clock.c: the system's clock, or a test's. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/sv.h"

static int64_t now_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool file_read_ms(const char *path, int64_t *out_ms)
{
    char text[64];
    ssize_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    size = read(fd, text, sizeof text);
    close(fd);
    return size > 0 && tl_sv_to_i64(tl_sv_trim((struct tl_sv){text, (size_t)size}), out_ms);
}

int64_t tl_clock_wall_ms(void)
{
    /* While a test is writing the file it may be short: the last time that could be read stays. */
    static _Atomic int64_t last_ms;
    static atomic_bool last_known;
    const char *path = getenv("TALLY_CLOCK_FILE");
    int64_t file_ms;

    if (path == NULL || path[0] == '\0')
        return now_ns(CLOCK_REALTIME) / 1000000;
    if (file_read_ms(path, &file_ms)) {
        atomic_store(&last_ms, file_ms);
        atomic_store(&last_known, true);
        return file_ms;
    }
    return atomic_load(&last_known) ? atomic_load(&last_ms) : now_ns(CLOCK_REALTIME) / 1000000;
}

int64_t tl_clock_monotonic_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t tl_clock_monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

void tl_clock_sleep_ms(int64_t ms)
{
    struct timespec wanted = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    if (ms > 0)
        nanosleep(&wanted, NULL);
}
