/* data_dir.c: the folder that --data names. See data_dir.h. */
#include "main/data_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum tl_code tl_data_dir_make(const char *path, struct tl_err *err)
{
    char partial[4096];
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof partial)
        return tl_fail(err, TL_ERR_USAGE, "--data: a path of 1 to %zu bytes is needed", sizeof partial - 1);
    for (size_t i = 1; i <= size; i++) {
        struct stat found;

        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && (errno != EEXIST || stat(partial, &found) != 0 || !S_ISDIR(found.st_mode)))
            return tl_fail_errno(err, TL_ERR_IO, "cannot make the data directory %s", partial);
    }
    return TL_OK;
}
