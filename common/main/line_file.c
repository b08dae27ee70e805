/* line_file.c: lines in a file that is turned over by size. See line_file.h. */
#include "main/line_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tl_line_file {
    char *path;
    int64_t size, bytes_max;
    int kept, fd; /* fd -1: to be opened anew */
};

static enum tl_code file_open(struct tl_line_file *file, struct tl_err *err)
{
    struct stat found;

    file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (file->fd < 0 || fstat(file->fd, &found) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "cannot write %s", file->path);
    file->size = found.st_size;
    return TL_OK;
}

static void file_close(struct tl_line_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

enum tl_code tl_line_file_open(const char *path, int64_t bytes_max, int kept, struct tl_line_file **out, struct tl_err *err)
{
    struct tl_line_file *file = calloc(1, sizeof *file);
    enum tl_code rc = TL_OK;

    if (file == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *file));
    *file = (struct tl_line_file){.path = strdup(path), .bytes_max = bytes_max, .kept = kept, .fd = -1};
    if (file->path == NULL)
        TL_TRY(tl_fail_memory(err, strlen(path)));
    TL_TRY(file_open(file, err));
    *out = file;
    file = NULL;
out:
    tl_line_file_close(file);
    return rc;
}

static enum tl_code move(const struct tl_line_file *file, int from, int to, struct tl_err *err)
{
    char *before = NULL, *after = NULL;
    enum tl_code rc = TL_OK;
    int size;

    size = from == 0 ? asprintf(&before, "%s", file->path) : asprintf(&before, "%s.%d", file->path, from);
    if (size < 0)
        before = NULL;
    if (before == NULL || asprintf(&after, "%s.%d", file->path, to) < 0) {
        after = NULL;
        TL_TRY(tl_fail_memory(err, strlen(file->path)));
    }
    if (rename(before, after) != 0 && errno != ENOENT)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot rename %s to %s", before, after));
out:
    free(before);
    free(after);
    return rc;
}

static enum tl_code turn_over(struct tl_line_file *file, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int n = file->kept; n > 0; n--)
        TL_TRY(move(file, n - 1, n, err));
    file_close(file);
    TL_TRY(file_open(file, err));
out:
    return rc;
}

enum tl_code tl_line_file_write(struct tl_line_file *file, struct tl_sv lines, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (file->fd < 0)
        TL_TRY(file_open(file, err));
    if (file->size > 0 && file->size + (int64_t)lines.size > file->bytes_max)
        TL_TRY(turn_over(file, err));
    while (lines.size > 0) {
        ssize_t written = write(file->fd, lines.data, lines.size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write %s", file->path));
        }
        lines.data += written;
        lines.size -= (size_t)written;
        file->size += written;
    }
out:
    return rc;
}

void tl_line_file_close(struct tl_line_file *file)
{
    if (file == NULL)
        return;
    file_close(file);
    free(file->path);
    free(file);
}
