/* import_files.h: which files a command line means, and in which order: itself for each file, what is in it for a folder.
 *
 * The files of a folder come oldest first, whichever log they are of, so that the events of several logs come about in the
 * order of time: first those with a date at their end (access.log-20260301.gz), by it; then those with a number
 * (access.log.10.gz, access.log.2.gz, access.log.1), the highest first, as logrotate counts; then those that are written now.
 * A number of more than five digits is a date, or seconds since 1970. The date or number may stand before an extension too
 * (access-20260301.log), and packing does not matter (.gz, .zst).
 *
 * Not gone into: folders inside. Passed over, and said: these, hidden files, backups (x~), what is no regular file. Whether a
 * file is a log is for its lines to say, and not for its name (import.c). */
#ifndef TL_IMPORT_FILES_H
#define TL_IMPORT_FILES_H

#include "base/base.h"

struct tl_import_file {
    char *path;
    uint64_t bytes;   /* as it lies there now; 0: not known */
    bool from_folder; /* nobody named it */
};

struct tl_import_files {
    struct tl_import_file *items;
    size_t count, capacity;
    uint64_t bytes; /* of all of them */
};

/* Adds the file, or the files of the folder. "-" is a file. TL_ERR_IO: it cannot be read, or a folder not to its end. */
TL_MUST_USE enum tl_code tl_import_files_add(struct tl_import_files *files, const char *path, struct tl_err *err);
void tl_import_files_done(struct tl_import_files *files);
/* For qsort, of names without their folder: the older one first. */
int tl_import_name_order(const char *a, const char *b);

#endif
