/* sqlite_wait.c: waits for what another process writes to a SQLite file in WAL mode. See sqlite_wait.h.
 *
 * A commit writes frames to PATH-wal, syncs that, and only then raises the counter in PATH-shm, which is mapped memory: inotify tells of the first and not of
 * the last. So a write makes the file busy: for BUSY_MS from then on it is looked every LOOK_MS, which with a disk that takes longer to sync than that is caught by the look
 * that comes anyway. The WAL itself is watched, not its folder: the embedded log's is in the same one, and is written without rest. */
#include "store/sqlite_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_MS = 4, BUSY_MS = 100, ANYWAY_MS = 250, WITHOUT_INOTIFY_MS = 50 };

/* The WAL is made by whoever comes first and may go with the last one: it is watched when it is there, and anew when it is another file. */
static void watch(struct tl_sqlite_wait *wait, const char *path)
{
    char *wal = NULL;

    if (!wait->open) {
        *wait = (struct tl_sqlite_wait){.open = true, .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .watched = -1};
    }
    if (wait->fd < 0 || wait->watched >= 0 || asprintf(&wal, "%s-wal", path) < 0)
        return;
    wait->watched = inotify_add_watch(wait->fd, wal, IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF);
    free(wal);
    if (wait->watched >= 0) /* it may have been written to in between */
        wait->busy_to_ms = tl_clock_monotonic_ms() + BUSY_MS;
}

/* What inotify has to say. */
static void hear(struct tl_sqlite_wait *wait)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t size;

    while ((size = read(wait->fd, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);

            if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF))
                wait->watched = -1;
            at += (ssize_t)(sizeof *event + event->len);
        }
}

void tl_sqlite_wait(struct tl_sqlite_wait *wait, const char *path, int64_t timeout_ms, int wake_fd)
{
    struct pollfd fds[2] = {
        {.fd = wake_fd, .events = POLLIN}
    };
    int64_t now_ms = tl_clock_monotonic_ms(), for_ms = ANYWAY_MS;
    bool is_busy;

    watch(wait, path);
    is_busy = now_ms < wait->busy_to_ms;
    if (is_busy)
        for_ms = LOOK_MS;
    else if (wait->watched < 0)
        for_ms = WITHOUT_INOTIFY_MS;
    fds[1] = (struct pollfd){.fd = is_busy ? -1 : wait->fd, .events = POLLIN};
    if (poll(fds, 2, (int)tl_min_i64(for_ms, timeout_ms)) > 0 && fds[1].revents != 0) {
        hear(wait);
        wait->busy_to_ms = tl_clock_monotonic_ms() + BUSY_MS;
    }
}

void tl_sqlite_wait_close(struct tl_sqlite_wait *wait)
{
    if (wait->open && wait->fd >= 0)
        close(wait->fd);
}
