/* master_lock.c: who reads or writes which topic of the record, and who exchanges its files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <xxhash.h>

#include "master/master_files.h"
#include "master/master_handle.h"

int tl_master_lock_open(const char *data_dir)
{
    char path[PATH_MAX];
    int fd;

    if (tl_master_path(path, NULL, "%s/record.lock", data_dir) != TL_OK)
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

bool tl_master_lock_set(int fd, struct tl_sv topic, short how, bool waits)
{
    struct flock lock = {.l_type = how,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)(XXH3_64bits(topic.data, topic.size) & (UINT64_MAX >> 2)),
                         .l_len = 1};
    int got;

    do
        got = fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (got != 0 && errno == EINTR);
    return got == 0;
}

/* Descriptors and memory may be there again in a moment, and the lock with them: others would have it then. */
static bool passes(int saved_errno)
{
    return saved_errno == EMFILE || saved_errno == ENFILE || saved_errno == ENOMEM;
}

enum tl_code tl_master_lock_share(int *fd, const char *data_dir, struct tl_sv topic, struct tl_err *err)
{
    bool has;

    if (*fd < 0)
        *fd = tl_master_lock_open(data_dir);
    has = *fd >= 0 && tl_master_lock_set(*fd, topic, F_RDLCK, true);
    if (!has && passes(errno))
        return tl_fail_errno(err, TL_ERR_IO, "%s/record.lock: cannot share the lock of topic %.*s", data_dir, TL_SV_ARG(topic));
    return TL_OK;
}
