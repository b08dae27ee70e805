/* small_disk.h: a disk of a few MB at a folder, a tmpfs, which needs root; and a file on it that takes up what there is. */
#ifndef TL_TEST_SMALL_DISK_H
#define TL_TEST_SMALL_DISK_H

#include <stdbool.h>
#include <stddef.h>

/* `size` as mount has it: "64m". False: the test is skipped, as a tmpfs cannot be mounted. */
bool small_disk_mount(const char *folder, const char *size);
void small_disk_unmount(const char *folder);
void small_disk_remount(const char *folder, const char *size, bool read_only);
/* As many bytes as still fit, less what is to be left. */
void small_disk_fill(const char *folder, size_t left);
void small_disk_make_room(const char *folder);

#endif
