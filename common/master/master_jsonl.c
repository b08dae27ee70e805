/* master_jsonl.c: the master record as zstd-compressed JSON Lines: its handle, its topics, and up to where each is complete. */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "master/master_files.h"
#include "master/master_handle.h"
#include "master/master_index.h"

enum tl_code tl_master_file_size(int fd, const char *path, uint64_t *out, struct tl_err *err)
{
    struct stat found;

    if (fstat(fd, &found) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot ask for its size", path);
    if (!S_ISREG(found.st_mode))
        return tl_fail(err, TL_ERR_CORRUPT, "%s: is no ordinary file", path);
    *out = (uint64_t)found.st_size;
    return TL_OK;
}

/* ---- the handle ---- */

enum tl_code tl_master_open(const char *data_dir, struct tl_master **out, struct tl_err *err)
{
    struct tl_master *master = calloc(1, sizeof *master);
    size_t size = strlen(data_dir);

    while (size > 1 && data_dir[size - 1] == '/')
        size--;
    if (master != NULL)
        master->data_dir = strndup(data_dir, size);
    if (master == NULL || master->data_dir == NULL) {
        free(master);
        return tl_fail_memory(err, sizeof *master + size);
    }
    master->lock_fd = -1;
    *out = master;
    return TL_OK;
}

void tl_master_close(struct tl_master *master)
{
    if (master == NULL)
        return;
    while (master->topics != NULL) {
        struct tl_master_topic *topic = master->topics;

        master->topics = topic->next;
        tl_arena_done(&topic->names);
        tl_arena_done(&topic->files);
        tl_arena_done(&topic->complete);
        tl_arena_done(&topic->thinned);
        free(topic);
    }
    if (master->lock_fd >= 0)
        close(master->lock_fd);
    free(master->data_dir);
    free(master);
}

enum tl_code tl_master_topic_find(struct tl_master *master, struct tl_sv name, struct tl_master_topic **out, struct tl_err *err)
{
    struct tl_master_topic *topic;

    for (topic = master->topics; topic != NULL; topic = topic->next)
        if (tl_sv_eq(topic->topic, name))
            break;
    if (topic == NULL) {
        topic = calloc(1, sizeof *topic);
        if (topic == NULL)
            return tl_fail_memory(err, sizeof *topic);
        tl_arena_init(&topic->names, 256, 0);
        tl_arena_init(&topic->files, 16 * 1024, 0);
        tl_arena_init(&topic->complete, 1024, 0);
        tl_arena_init(&topic->thinned, 1024, 0);
        if (!tl_arena_copy(&topic->names, name, &topic->topic)) {
            free(topic);
            return tl_fail_memory(err, name.size);
        }
        topic->next = master->topics;
        master->topics = topic;
    }
    *out = topic;
    return TL_OK;
}

const char *tl_master_data_dir(const struct tl_master *master)
{
    return master->data_dir;
}

/* ---- what is there ---- */

struct topics_walk {
    const char *folder;
    enum tl_code (*each)(void *ctx, struct tl_sv topic, struct tl_err *err);
    void *ctx;
};

static enum tl_code each_topic(void *ctx, const char *name, struct tl_err *err)
{
    const struct topics_walk *walk = ctx;
    char path[PATH_MAX], topic[NAME_MAX + 1];
    struct stat found;
    size_t size = 0;
    enum tl_code rc;

    if (!tl_master_topic_decode(tl_sv_from(name), topic, &size))
        return TL_OK;
    TL_TRY(tl_master_path(path, err, "%s/%s", walk->folder, name));
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        TL_TRY(walk->each(walk->ctx, (struct tl_sv){topic, size}, err));
out:
    return rc;
}

enum tl_code tl_master_topics(struct tl_master *master, enum tl_code (*each)(void *ctx, struct tl_sv topic, struct tl_err *err),
                              void *ctx, struct tl_err *err)
{
    char folder[PATH_MAX];
    struct topics_walk walk = {folder, each, ctx};
    enum tl_code rc;

    TL_TRY(tl_master_path(folder, err, "%s/topics", master->data_dir));
    TL_TRY(tl_master_folder_walk(folder, each_topic, &walk, err));
out:
    return rc;
}

/* A statement on the topic's partitions, in a file of this name, with what to do where it is damaged. *out stands in `arena`. */
static enum tl_code statement_read(struct tl_master *master, struct tl_sv topic, const char *name, const char *advice,
                                   struct tl_arena *arena, const struct tl_master_complete **out, size_t *count,
                                   uint64_t *identity, struct tl_err *err)
{
    enum { COMPLETE_BYTES_MAX = 64 << 20 };
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], path[PATH_MAX];
    struct tl_buf bytes;
    struct tl_err why;
    uint64_t size;
    enum tl_code rc;
    int fd = -1;

    tl_buf_init(&bytes, COMPLETE_BYTES_MAX);
    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_path(path, err, "%s/topics/%s/%s", master->data_dir, encoded, name));
    tl_arena_reset(arena);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *out = NULL;
        *count = 0;
        *identity = 0;
        goto out;
    }
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path));
    TL_TRY(tl_master_file_size(fd, path, &size, err));
    if (size > COMPLETE_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: is not the statement that archive writes: it has %" PRIu64 " bytes; %s", path,
                       size, advice));
    if (tl_buf_reserve(&bytes, (size_t)size) == NULL)
        TL_TRY(tl_buf_check(&bytes, path, err));
    bytes.size = (size_t)size;
    TL_TRY(tl_master_read_at(fd, bytes.data, size, 0, path, err));
    rc = tl_master_complete_decode(tl_buf_sv(&bytes), topic, arena, out, count, identity, &why);
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s; %s", path, why.message, advice));
out:
    if (fd >= 0)
        close(fd);
    tl_buf_done(&bytes);
    return rc;
}

enum tl_code tl_master_read_complete(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete **out,
                                     size_t *count, uint64_t *identity, struct tl_err *err)
{
    struct tl_master_topic *known;
    enum tl_code rc;

    TL_TRY(tl_master_topic_find(master, topic, &known, err));
    TL_TRY(statement_read(master, topic, "complete.json", "it is written anew where the file is moved away", &known->complete,
                          out, count, identity, err));
out:
    return rc;
}

enum tl_code tl_master_read_thinned(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete **out,
                                    size_t *count, struct tl_err *err)
{
    struct tl_master_topic *known;
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_master_topic_find(master, topic, &known, err));
    TL_TRY(statement_read(master, topic, "thinned.json",
                          "bring it back from a copy: without it nobody can say what retention took and what is lost",
                          &known->thinned, out, count, &identity, err));
out:
    return rc;
}

enum tl_code tl_master_write_statement(struct tl_master *master, struct tl_sv topic, const char *name,
                                       const struct tl_master_complete *complete, size_t count, uint64_t identity,
                                       struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX], path[PATH_MAX], temporary[PATH_MAX];
    struct tl_buf bytes;
    enum tl_code rc;
    bool written = false;
    int fd = -1;

    tl_buf_init(&bytes, 0);
    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_complete_encode(topic, complete, count, identity, &bytes, err));
    TL_TRY(tl_master_topic_folder(master->data_dir, encoded, folder, err));
    TL_TRY(tl_master_path(path, err, "%s/%s", folder, name));
    TL_TRY(tl_master_path(temporary, err, "%s/_%s", folder, name));
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open for writing", temporary));
    written = true;
    TL_TRY(tl_master_write_all(fd, bytes.data, bytes.size, temporary, err));
    if (fsync(fd) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync", temporary));
    if (rename(temporary, path) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot rename to %s", temporary, path));
    written = false;
    TL_TRY(tl_master_folder_sync(folder, err));
out:
    if (fd >= 0)
        close(fd);
    if (written)
        unlink(temporary);
    tl_buf_done(&bytes);
    return rc;
}

enum tl_code tl_master_write_complete(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *complete,
                                      size_t count, uint64_t identity, struct tl_err *err)
{
    return tl_master_write_statement(master, topic, "complete.json", complete, count, identity, err);
}
