/* master_jsonl.c: the master record as zstd-compressed JSON Lines: what is there, and up to where it is complete. */
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
#include "master/master_index.h"

struct topic_files {
    struct topic_files *next;
    struct tl_sv topic; /* in `names` */
    struct tl_arena names, files, complete;
};

struct tl_master {
    char *data_dir;
    struct topic_files *topics;
};

static enum tl_code file_size(int fd, const char *path, uint64_t *out, struct tl_err *err)
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
    *out = master;
    return TL_OK;
}

void tl_master_close(struct tl_master *master)
{
    if (master == NULL)
        return;
    while (master->topics != NULL) {
        struct topic_files *topic = master->topics;

        master->topics = topic->next;
        tl_arena_done(&topic->names);
        tl_arena_done(&topic->files);
        tl_arena_done(&topic->complete);
        free(topic);
    }
    free(master->data_dir);
    free(master);
}

/* What was handed out about the topic stands in arenas of its own, so that asking about one topic leaves the others alone. */
static enum tl_code topic_find(struct tl_master *master, struct tl_sv name, struct topic_files **out, struct tl_err *err)
{
    struct topic_files *topic;

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

struct listing {
    struct tl_arena *arena;
    struct tl_sv topic;
    const char *encoded;
    struct tl_master_file *files;
    size_t count, capacity;
    struct tl_buf bytes; /* of one index at a time */
};

static enum tl_code listing_add(struct listing *listing, const struct tl_master_file *file, struct tl_err *err)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
        struct tl_master_file *files = realloc(listing->files, capacity * sizeof *files);

        if (files == NULL)
            return tl_fail_memory(err, capacity * sizeof *files);
        listing->files = files;
        listing->capacity = capacity;
    }
    listing->files[listing->count++] = *file;
    return TL_OK;
}

/* The size of a file that must be there; INT64_MAX where it is not. */
static enum tl_code path_size(const char *path, uint64_t *out, struct tl_err *err)
{
    struct stat found;

    if (stat(path, &found) != 0) {
        if (errno != ENOENT)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot ask for its size", path);
        *out = INT64_MAX;
        return TL_OK;
    }
    *out = (uint64_t)found.st_size;
    return TL_OK;
}

/* The index up to its entries, into listing->bytes. */
static enum tl_code index_read(struct listing *listing, const char *path, const char *data_path, uint64_t *index_bytes,
                               struct tl_err *err)
{
    struct tl_buf *bytes = &listing->bytes;
    struct tl_err why;
    uint64_t head_end;
    enum tl_code rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    tl_buf_clear(bytes);
    if (fd < 0 && errno == ENOENT)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: its index %s is missing; bring it back from a copy, or move the data file away and let archive copy "
                       "its offsets again",
                       data_path, path));
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path));
    TL_TRY(file_size(fd, path, index_bytes, err));
    if (tl_buf_reserve(bytes, TL_MASTER_INDEX_EDGE) == NULL)
        TL_TRY(tl_buf_check(bytes, path, err));
    bytes->size = *index_bytes < TL_MASTER_INDEX_EDGE ? (size_t)*index_bytes : TL_MASTER_INDEX_EDGE;
    TL_TRY(tl_master_read_at(fd, bytes->data, bytes->size, 0, path, err));
    if (tl_master_index_edge(tl_buf_sv(bytes), &head_end, &why) != TL_OK)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %s; bring it back from a copy", path, why.message));
    if (head_end > *index_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is cut off: it has %" PRIu64 " bytes of at least %" PRIu64 "; bring it back from a copy", path,
                       *index_bytes, head_end));
    if (tl_buf_reserve(bytes, (size_t)head_end - bytes->size) == NULL)
        TL_TRY(tl_buf_check(bytes, path, err));
    TL_TRY(tl_master_read_at(fd, bytes->data + bytes->size, head_end - bytes->size, bytes->size, path, err));
    bytes->size = (size_t)head_end;
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

static enum tl_code size_check(const char *path, uint64_t found, uint64_t wanted, const char *index_path, struct tl_err *err)
{
    if (found == wanted)
        return TL_OK;
    if (found == INT64_MAX)
        return tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is missing, and its index %s speaks of %" PRIu64 " bytes; bring it back from a copy", path,
                       index_path, wanted);
    return tl_fail(err, TL_ERR_CORRUPT,
                   "%s: has %" PRIu64 " bytes, and by its index %s it should have %" PRIu64 "; bring it back from a copy", path,
                   found, index_path, wanted);
}

/* One data file: reads its index, and sees that all three fit. */
static enum tl_code file_add(struct listing *listing, const char *folder, const char *name, uint32_t partition,
                             struct tl_err *err)
{
    int stem = (int)(strlen(name) - strlen(TL_MASTER_DATA));
    int64_t first_offset;
    uint64_t size;
    struct tl_master_index *index = tl_arena_alloc(listing->arena, sizeof *index);
    char *path = tl_arena_printf(listing->arena, "%s/%s", folder, name);
    char *index_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, TL_MASTER_INDEX);
    char *other_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, TL_MASTER_OTHER);
    struct tl_err why;
    enum tl_code rc;

    if (index == NULL || path == NULL || index_path == NULL || other_path == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *index));
    if (!tl_master_name_fits(tl_sv_from(name), listing->encoded, partition, TL_MASTER_DATA, &first_offset))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is not named as a file of this folder is, %s+%" PRIu32 "+<first offset, 10 digits>%s; move it away",
                       path, listing->encoded, partition, TL_MASTER_DATA));
    TL_TRY(index_read(listing, index_path, path, &size, err));
    rc = tl_master_index_decode(tl_buf_sv(&listing->bytes), listing->arena, index, &why);
    if (rc == TL_ERR_CORRUPT)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %s; bring it back from a copy", index_path, why.message));
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s", index_path, why.message));
    if (!tl_sv_eq(index->file.topic, listing->topic) || index->file.partition != partition ||
        index->file.first_offset != first_offset)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: belongs to another file: it speaks of topic '%.*s', partition %" PRIu32 ", offset %" PRId64
                       "; bring back the right one from a copy",
                       index_path, TL_SV_ARG(index->file.topic), index->file.partition, index->file.first_offset));
    TL_TRY(size_check(index_path, size, index->index_bytes, index_path, err));
    TL_TRY(path_size(path, &size, err));
    TL_TRY(size_check(path, size, index->data_bytes, index_path, err));
    if (index->other_bytes > 0) {
        TL_TRY(path_size(other_path, &size, err));
        TL_TRY(size_check(other_path, size, index->other_bytes, index_path, err));
    }
    index->file.path = path;
    index->index_path = index_path;
    index->other_path = other_path;
    index->file.index = index;
    TL_TRY(listing_add(listing, &index->file, err));
out:
    return rc;
}

struct partition_walk {
    struct listing *listing;
    const char *folder;
    uint32_t partition;
};

static enum tl_code each_file(void *ctx, const char *name, struct tl_err *err)
{
    const struct partition_walk *walk = ctx;
    struct tl_sv text = tl_sv_from(name), topic = tl_sv_from(walk->listing->encoded);

    /* Ours begins with the topic and "+" (which no encoded topic holds) and has our ending: then it must fit in all. */
    if (!tl_sv_starts(text, topic) || text.size <= topic.size || text.data[topic.size] != '+' ||
        !tl_sv_ends(text, tl_sv_from(TL_MASTER_DATA)))
        return TL_OK;
    return file_add(walk->listing, walk->folder, name, walk->partition, err);
}

static enum tl_code each_partition(void *ctx, const char *name, struct tl_err *err)
{
    const struct partition_walk *topic = ctx;
    struct tl_sv text = tl_sv_from(name), prefix = TL_SV("partition=");
    char folder[PATH_MAX], spelled[32];
    struct partition_walk walk;
    int64_t partition;
    enum tl_code rc;

    if (!tl_sv_starts(text, prefix) ||
        !tl_sv_to_i64((struct tl_sv){text.data + prefix.size, text.size - prefix.size}, &partition) || partition < 0 ||
        partition > UINT32_MAX)
        return TL_OK;
    snprintf(spelled, sizeof spelled, "partition=%" PRId64, partition);
    if (!tl_sv_eq(text, tl_sv_from(spelled)))
        return TL_OK;
    TL_TRY(tl_master_path(folder, err, "%s/%s", topic->folder, name));
    walk = (struct partition_walk){topic->listing, folder, (uint32_t)partition};
    TL_TRY(tl_master_folder_walk(folder, each_file, &walk, err));
out:
    return rc;
}

static int file_order(const void *a, const void *b)
{
    const struct tl_master_file *left = a, *right = b;

    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->first_offset > right->first_offset) - (left->first_offset < right->first_offset);
}

enum tl_code tl_master_list(struct tl_master *master, struct tl_sv topic, const struct tl_master_file **files, size_t *count,
                            struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    struct listing listing = {.topic = topic, .encoded = encoded};
    struct partition_walk walk = {&listing, folder, 0};
    struct topic_files *known;
    struct tl_master_file *sorted;
    enum tl_code rc;

    tl_buf_init(&listing.bytes, TL_MASTER_HEAD_BYTES_MAX);
    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(topic_find(master, topic, &known, err));
    TL_TRY(tl_master_path(folder, err, "%s/topics/%s", master->data_dir, encoded));
    tl_arena_reset(&known->files);
    listing.arena = &known->files;
    TL_TRY(tl_master_folder_walk(folder, each_partition, &walk, err));
    if (listing.count > 0)
        qsort(listing.files, listing.count, sizeof *listing.files, file_order);
    for (size_t i = 1; i < listing.count; i++) {
        const struct tl_master_file *before = &listing.files[i - 1], *file = &listing.files[i];

        if (file->partition == before->partition && file->first_offset <= before->last_offset)
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                           "%s: holds offsets %" PRId64 " to %" PRId64 ", and %s up to %" PRId64
                           " already: an offset belongs to one file; move the one away that should not be here",
                           file->path, file->first_offset, file->last_offset, before->path, before->last_offset));
    }
    sorted = tl_arena_alloc(&known->files, listing.count * sizeof *sorted + 1);
    if (sorted == NULL)
        TL_TRY(tl_fail_memory(err, listing.count * sizeof *sorted));
    if (listing.count > 0)
        memcpy(sorted, listing.files, listing.count * sizeof *sorted);
    *files = sorted;
    *count = listing.count;
out:
    free(listing.files);
    tl_buf_done(&listing.bytes);
    return rc;
}

enum tl_code tl_master_read_complete(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete **out,
                                     size_t *count, uint64_t *identity, struct tl_err *err)
{
    enum { COMPLETE_BYTES_MAX = 64 << 20 };
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], path[PATH_MAX];
    struct topic_files *known;
    struct tl_buf bytes;
    struct tl_err why;
    uint64_t size;
    enum tl_code rc;
    int fd = -1;

    tl_buf_init(&bytes, COMPLETE_BYTES_MAX);
    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(topic_find(master, topic, &known, err));
    TL_TRY(tl_master_path(path, err, "%s/topics/%s/complete.json", master->data_dir, encoded));
    tl_arena_reset(&known->complete);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *out = NULL;
        *count = 0;
        *identity = 0;
        goto out;
    }
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path));
    TL_TRY(file_size(fd, path, &size, err));
    if (size > COMPLETE_BYTES_MAX)
        TL_TRY(
            tl_fail(err, TL_ERR_CORRUPT, "%s: is not the statement that archive writes: it has %" PRIu64 " bytes", path, size));
    if (tl_buf_reserve(&bytes, (size_t)size) == NULL)
        TL_TRY(tl_buf_check(&bytes, path, err));
    bytes.size = (size_t)size;
    TL_TRY(tl_master_read_at(fd, bytes.data, size, 0, path, err));
    rc = tl_master_complete_decode(tl_buf_sv(&bytes), topic, &known->complete, out, count, identity, &why);
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s", path, why.message));
out:
    if (fd >= 0)
        close(fd);
    tl_buf_done(&bytes);
    return rc;
}

enum tl_code tl_master_write_complete(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *complete,
                                      size_t count, uint64_t identity, struct tl_err *err)
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
    TL_TRY(tl_master_path(path, err, "%s/complete.json", folder));
    TL_TRY(tl_master_path(temporary, err, "%s/_complete.json", folder));
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
