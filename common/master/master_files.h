/* master_files.h: names and places of the master record's files, and reading and writing them whole. For common/master alone. */
#ifndef TL_MASTER_FILES_H
#define TL_MASTER_FILES_H

#include <limits.h>

#include "base/base.h"
#include "base/sv.h"
#include "master/master.h"

#define TL_MASTER_DATA ".jsonl.zst"
#define TL_MASTER_OTHER ".other.zst"
#define TL_MASTER_INDEX ".index"

enum {
    /* "_" + topic + "+" + partition + "+" + offset + ".jsonl.zst" must fit a name of 255 bytes. */
    TL_MASTER_TOPIC_BYTES_MAX = 255 - 1 - 1 - 10 - 1 - 19 - 10,
    /* Of an index before its entries. */
    TL_MASTER_HEAD_BYTES_MAX = 1 << 30,
};

/* Without slashes at the end; lives as long as the master. */
const char *tl_master_data_dir(const struct tl_master *master);

/* As the name stands in paths, zero-terminated. TL_ERR_USAGE: empty; TL_ERR_LIMIT: too long. */
TL_MUST_USE enum tl_code tl_master_topic_encode(struct tl_sv topic, char out[TL_MASTER_TOPIC_BYTES_MAX + 1], struct tl_err *err);
/* The way back; `out` has room for as many bytes. False: no topic is encoded so. */
bool tl_master_topic_decode(struct tl_sv encoded, char *out, size_t *size);
/* Like snprintf, but a path that does not fit is TL_ERR_LIMIT. */
TL_MUST_USE TL_PRINTF(3, 4) enum tl_code tl_master_path(char out[PATH_MAX], struct tl_err *err, const char *fmt, ...);
/* The number of "partition=<n>", spelled as we spell it; false: the folder has another name. */
bool tl_master_partition_of(const char *name, uint32_t *partition);
/* Is it "<topic>+<n>+<first offset><suffix>", with the numbers spelled as we spell them? `topic` as encoded. */
bool tl_master_name_fits(struct tl_sv name, const char *topic, uint32_t partition, const char *suffix, int64_t *first_offset);

/* All of it, whatever a single write takes. `path` is for messages. */
TL_MUST_USE enum tl_code tl_master_write_all(int fd, const char *data, size_t size, const char *path, struct tl_err *err);
/* Exactly `size` bytes from `position` on; TL_ERR_CORRUPT where the file ends before. */
TL_MUST_USE enum tl_code tl_master_read_at(int fd, char *data, uint64_t size, uint64_t position, const char *path,
                                           struct tl_err *err);
/* fsync of the folder: the names in it stay. */
TL_MUST_USE enum tl_code tl_master_folder_sync(const char *path, struct tl_err *err);
/* Makes one folder if need be, durably. */
TL_MUST_USE enum tl_code tl_master_folder_make(const char *path, struct tl_err *err);
/* Makes DIR, DIR/topics and DIR/topics/<topic>; out: the last one's path. */
TL_MUST_USE enum tl_code tl_master_topic_folder(const char *data_dir, const char *topic, char out[PATH_MAX], struct tl_err *err);
/* Calls `each` for every name in the folder. A folder that is not there is empty. */
TL_MUST_USE enum tl_code tl_master_folder_walk(const char *folder,
                                               enum tl_code (*each)(void *ctx, const char *name, struct tl_err *err), void *ctx,
                                               struct tl_err *err);

#endif
