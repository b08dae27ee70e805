/* sqlite_wait.h: waits for what another process writes to a SQLite file in WAL mode. Private to common/store.
 *
 * Is:      a hint that a look at PRAGMA data_version is due; it costs nothing while nobody writes.
 * Is not:  that look. */
#ifndef TL_SQLITE_WAIT_H
#define TL_SQLITE_WAIT_H

#include "base/base.h"

struct tl_sqlite_wait {
    bool open;
    int fd;             /* of inotify; -1: there is none, so it is looked more often */
    int watched;        /* the WAL; -1: it is not watched */
    int64_t busy_to_ms; /* somebody writes: the monotonic time up to which it is looked all the time */
};

/* Returns when a look is due, wake_fd (-1: none) can be read, or after timeout_ms. `path` is the database's. */
void tl_sqlite_wait(struct tl_sqlite_wait *wait, const char *path, int64_t timeout_ms, int wake_fd);
void tl_sqlite_wait_close(struct tl_sqlite_wait *wait); /* of zeros: nothing */

#endif
