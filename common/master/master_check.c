/* master_check.c: holds a file of the master record against its index, and finds what belongs to no file. */
#include "master/master.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "master/master_files.h"
#include "master/master_index.h"

enum { READ_BYTES = 1 << 20 };

static enum tl_code hash_check(const char *path, uint64_t bytes, uint64_t wanted, struct tl_err *err)
{
    XXH3_state_t *hash = XXH3_createState();
    char *room = malloc(READ_BYTES);
    enum tl_code rc = TL_OK;
    int fd = -1;

    if (hash == NULL || room == NULL || XXH3_64bits_reset(hash) == XXH_ERROR)
        TL_TRY(tl_fail_memory(err, READ_BYTES));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path));
    for (uint64_t at = 0; at < bytes;) {
        size_t some = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;

        TL_TRY(tl_master_read_at(fd, room, some, at, path, err));
        XXH3_64bits_update(hash, room, some);
        at += some;
    }
    if (XXH3_64bits_digest(hash) != wanted)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: is damaged: its hash is not the one in its index; bring it back from a copy",
                       path));
out:
    if (fd >= 0)
        close(fd);
    free(room);
    XXH3_freeState(hash);
    return rc;
}

enum tl_code tl_master_check(struct tl_master_reader *reader, const struct tl_master_file *file, struct tl_err *err)
{
    const struct tl_master_index *index = file->index;
    const struct tl_message *messages;
    size_t count;
    enum tl_code rc = TL_OK;

    for (uint32_t b = 0; b < file->blocks_count; b++) /* these say at which byte */
        TL_TRY(tl_master_read_block(reader, file, b, &messages, &count, err));
    TL_TRY(hash_check(file->path, index->data_bytes, index->data_hash, err));
    if (index->other_bytes > 0)
        TL_TRY(hash_check(index->other_path, index->other_bytes, index->other_hash, err));
out:
    return rc;
}

uint64_t tl_master_packed_bytes(const struct tl_master_file *file)
{
    return file->index->data_bytes + file->index->other_bytes + file->index->index_bytes;
}

/* ---- what belongs to no file ---- */

struct leftovers {
    const char *encoded;
    char folder[PATH_MAX];
    uint32_t partition;
    enum tl_code (*each)(void *ctx, uint32_t partition, const char *path, struct tl_err *err);
    void *ctx;
};

static bool exists(const char *path)
{
    struct stat found;

    return lstat(path, &found) == 0;
}

static enum tl_code each_name(void *ctx, const char *name, struct tl_err *err)
{
    static const char *const suffixes[] = {TL_MASTER_DATA, TL_MASTER_OTHER, TL_MASTER_INDEX};
    const struct leftovers *walk = ctx;
    bool temporary = name[0] == '_';
    struct tl_sv text = tl_sv_from(name + (temporary ? 1 : 0));
    char path[PATH_MAX], data_path[PATH_MAX];
    int64_t offset;
    enum tl_code rc = TL_OK;

    for (size_t s = 0; s < TL_COUNT(suffixes); s++) {
        if (!tl_master_name_fits(text, walk->encoded, walk->partition, suffixes[s], &offset))
            continue;
        TL_TRY(tl_master_path(path, err, "%s/%s", walk->folder, name));
        TL_TRY(tl_master_path(data_path, err, "%s/%.*s%s", walk->folder, (int)(text.size - strlen(suffixes[s])), text.data,
                              TL_MASTER_DATA));
        if (temporary || !exists(data_path))
            TL_TRY(walk->each(walk->ctx, walk->partition, path, err));
    }
out:
    return rc;
}

static enum tl_code each_folder(void *ctx, const char *name, struct tl_err *err)
{
    const struct leftovers *topic = ctx;
    struct leftovers walk = *topic;
    enum tl_code rc = TL_OK;

    if (!tl_master_partition_of(name, &walk.partition))
        return TL_OK;
    TL_TRY(tl_master_path(walk.folder, err, "%s/%s", topic->folder, name));
    TL_TRY(tl_master_folder_walk(walk.folder, each_name, &walk, err));
out:
    return rc;
}

static enum tl_code each_made_anew(void *ctx, const char *name, struct tl_err *err)
{
    const struct leftovers *topic = ctx;
    char path[PATH_MAX];
    uint32_t partition;
    enum tl_code rc = TL_OK;

    if (!tl_master_partition_of(name, &partition))
        return TL_OK;
    TL_TRY(tl_master_path(path, err, "%s/%s", topic->folder, name));
    TL_TRY(topic->each(topic->ctx, partition, path, err));
out:
    return rc;
}

enum tl_code tl_master_leftovers(struct tl_master *master, struct tl_sv topic,
                                 enum tl_code (*each)(void *ctx, uint32_t partition, const char *path, struct tl_err *err),
                                 void *ctx, struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1];
    struct leftovers walk = {.encoded = encoded, .each = each, .ctx = ctx};
    enum tl_code rc;

    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_path(walk.folder, err, "%s/topics/%s", tl_master_data_dir(master), encoded));
    TL_TRY(tl_master_folder_walk(walk.folder, each_folder, &walk, err));
    TL_TRY(tl_master_path(walk.folder, err, "%s/topics/_%s", tl_master_data_dir(master), encoded));
    TL_TRY(tl_master_folder_walk(walk.folder, each_made_anew, &walk, err));
out:
    return rc;
}
