/* lock.c: one process at a time: a lock file that the system lets go of when its holder dies. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

struct tl_lock {
    int fd;
};

static enum tl_code folder_of(const char *path, struct tl_err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path)
        return TL_OK;
    if ((size_t)(slash - path) >= sizeof folder)
        return tl_fail(err, TL_ERR_LIMIT, "%.200s...: the path is longer than %d bytes", path, PATH_MAX - 1);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot make the folder", folder);
    return TL_OK;
}

/* What the holder wrote. It may be caught between taking the lock and writing its line: then nothing is known of it yet. */
static void holder_read(int fd, char *out, size_t size)
{
    ssize_t got = pread(fd, out, size - 1, 0);

    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    for (char *at = out; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    if (out[0] == '\0')
        snprintf(out, size, "a process that has only just begun");
}

/* The line is for people; the lock holds without it, so a full disk is no reason to stop. */
static void holder_write(int fd)
{
    char line[80], when[32] = "-";
    time_t now = (time_t)(tl_clock_wall_ms() / 1000);
    struct tm parts;
    int size;

    if (gmtime_r(&now, &parts) != NULL)
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    size = snprintf(line, sizeof line, "pid %ld since %s\n", (long)getpid(), when);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, line, (size_t)size, 0) != size)
        errno = 0;
}

enum tl_code tl_lock_take(const char *path, const char *what, struct tl_lock **out, struct tl_err *err)
{
    struct tl_lock *lock = NULL;
    char holder[80];
    enum tl_code rc;
    int fd = -1;

    TL_TRY(folder_of(path, err));
    lock = malloc(sizeof *lock);
    if (lock == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *lock));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the lock file", path));
    while ((rc = flock(fd, LOCK_EX | LOCK_NB) == 0 ? TL_OK : TL_ERR_IO) != TL_OK && errno == EINTR)
        ;
    if (rc != TL_OK && errno != EWOULDBLOCK)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot take the lock", path));
    if (rc != TL_OK) {
        holder_read(fd, holder, sizeof holder);
        TL_TRY(tl_fail(err, TL_ERR_BUSY, "another %s holds %s: %s", what, path, holder));
    }
    holder_write(fd);
    lock->fd = fd;
    *out = lock;
out:
    if (rc != TL_OK) {
        if (fd >= 0)
            close(fd);
        free(lock);
    }
    return rc;
}

/* The file stays: were it removed, a second process could lock the removed one and a third a new one. */
void tl_lock_release(struct tl_lock *lock)
{
    if (lock == NULL)
        return;
    close(lock->fd);
    free(lock);
}
