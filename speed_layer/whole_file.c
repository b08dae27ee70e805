/* whole_file.c: a small file of a folder, as a whole. See whole_file.h. */
#include "speed_layer/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tl_code path_of(const char *folder, const char *before, const char *name, char path[PATH_MAX], struct tl_err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s%s", folder, before, name) >= PATH_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%.200s...: the path is longer than %d bytes", folder, PATH_MAX - 1);
    return TL_OK;
}

enum tl_code tl_whole_file_read(const char *folder, const char *name, struct tl_buf *out, struct tl_err *err)
{
    enum { STEP = 64 << 10 };
    char path[PATH_MAX];
    ssize_t got = 1;
    enum tl_code rc;
    int fd = -1;

    TL_TRY(path_of(folder, "", name, path, err));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, errno == ENOENT ? TL_ERR_NOT_FOUND : TL_ERR_IO, "%s: cannot be read", path));
    while (got > 0) {
        char *to = tl_buf_reserve(out, STEP);

        if (to == NULL)
            TL_TRY(tl_buf_check(out, path, err));
        got = read(fd, to, STEP);
        if (got < 0 && errno != EINTR)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", path));
        out->size += got > 0 ? (size_t)got : 0;
        got = got < 0 ? 1 : got;
    }
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

static enum tl_code write_all(int fd, struct tl_sv bytes, const char *path, struct tl_err *err)
{
    while (bytes.size > 0) {
        ssize_t put = write(fd, bytes.data, bytes.size);

        if (put < 0 && errno != EINTR)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be written", path);
        if (put > 0)
            bytes = (struct tl_sv){bytes.data + put, bytes.size - (size_t)put};
    }
    if (fsync(fd) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be made durable", path);
    return TL_OK;
}

enum tl_code tl_whole_file_replace(const char *folder, const char *name, struct tl_sv bytes, struct tl_err *err)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    enum tl_code rc;
    int fd = -1, dir = -1;

    TL_TRY(path_of(folder, "", name, path, err));
    TL_TRY(path_of(folder, "_", name, fresh, err));
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be written", fresh));
    TL_TRY(write_all(fd, bytes, fresh, err));
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rename(fresh, path) != 0 || dir < 0 || fsync(dir) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be written", path));
out:
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return rc;
}
