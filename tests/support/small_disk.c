/* small_disk.c: a disk of a few MB, and a file that fills it. See small_disk.h. */
#include "support/small_disk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

bool small_disk_mount(const char *folder, const char *size)
{
    char options[40];
    bool mounted;

    snprintf(options, sizeof options, "size=%s", size);
    mounted = mount("tmpfs", folder, "tmpfs", 0, options) == 0;
    if (!mounted)
        cr_skip("a tmpfs cannot be mounted: %s\n", strerror(errno));
    return mounted;
}

void small_disk_unmount(const char *folder)
{
    umount2(folder, MNT_DETACH);
}

void small_disk_remount(const char *folder, const char *size, bool read_only)
{
    char options[40];

    snprintf(options, sizeof options, "size=%s", size);
    cr_assert_eq(mount("tmpfs", folder, "tmpfs", MS_REMOUNT | (read_only ? MS_RDONLY : 0), options), 0, "%s", strerror(errno));
}

void small_disk_fill(const char *folder, size_t left)
{
    char path[400], block[4096] = {1};
    int fd;
    off_t size = 0;

    snprintf(path, sizeof path, "%s/ballast", folder);
    fd = open(path, O_WRONLY | O_CREAT, 0666);
    cr_assert_geq(fd, 0);
    while (write(fd, block, sizeof block) == (ssize_t)sizeof block)
        size += (off_t)sizeof block;
    size = size > (off_t)left ? size - (off_t)left : 0;
    cr_assert_eq(ftruncate(fd, size), 0);
    close(fd);
}

void small_disk_make_room(const char *folder)
{
    char path[400];

    snprintf(path, sizeof path, "%s/ballast", folder);
    cr_assert_eq(unlink(path), 0);
}
