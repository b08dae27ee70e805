/* master_jsonl.c: the master record as zstd-compressed JSON Lines: lists, reads and writes its files.
 *
 * A writer holds one block and one file's statistics. Its three files grow under temporary names and get their own in this order:
 * index and others, then (the folder fsynced) the data file, then the folder is fsynced again. So whoever sees a data file sees what
 * belongs to it, and a writer that is killed leaves either a whole file or what the next writer overwrites.
 *
 * A failed write or fsync is not tried again: what the kernel then still holds of the file is unknown (fsync reports an error
 * once). The writer is done for, removes what it wrote, and the log still has it all. */
#include "master/master.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/buf.h"
#include "master/master_index.h"

enum {
    LEVEL = 3,
    /* "_" + topic + "+" + partition + "+" + offset + ".jsonl.zst" must fit a name of 255 bytes. */
    TOPIC_BYTES_MAX = 255 - 1 - 1 - 10 - 1 - 19 - 10,
    INDEX_HEAD_BYTES_MAX = 1 << 30,
};

static const char data_suffix[] = ".jsonl.zst";
static const char other_suffix[] = ".other.zst";
static const char index_suffix[] = ".index";

struct topic_files {
    struct topic_files *next;
    struct tl_sv topic; /* in `names` */
    struct tl_arena names, files, complete;
};

struct tl_master {
    char *data_dir;
    struct topic_files *topics;
};

/* ---- names ---- */

static enum tl_code topic_encode(struct tl_sv topic, char out[TOPIC_BYTES_MAX + 1], struct tl_err *err)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t size = 0;

    if (topic.size == 0)
        return tl_fail(err, TL_ERR_USAGE, "a topic without a name has no place in the master record");
    for (size_t i = 0; i < topic.size; i++) {
        unsigned char c = (unsigned char)topic.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     ((c == '.' || c == '_') && i > 0);

        if (size + (plain ? 1 : 3) > TOPIC_BYTES_MAX)
            return tl_fail(
                err, TL_ERR_LIMIT,
                "topic '%.*s': its name is too long for the master record; %d bytes (3 for each that must be encoded) would do",
                TL_SV_ARG(topic), TOPIC_BYTES_MAX);
        if (plain) {
            out[size++] = (char)c;
        } else {
            out[size++] = '%';
            out[size++] = hex[c >> 4];
            out[size++] = hex[c & 15];
        }
    }
    out[size] = '\0';
    return TL_OK;
}

/* Like snprintf, but a path that does not fit is an error. */
TL_PRINTF(3, 4) static enum tl_code path_make(char out[PATH_MAX], struct tl_err *err, const char *fmt, ...)
{
    va_list args;
    int size;

    va_start(args, fmt);
    size = vsnprintf(out, PATH_MAX, fmt, args);
    va_end(args);
    if (size < 0 || size >= PATH_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%.200s...: the path is longer than %d bytes", out, PATH_MAX - 1);
    return TL_OK;
}

static bool digits_read(struct tl_sv text, int64_t max, int64_t *out)
{
    return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9' && tl_sv_to_i64(text, out) && *out <= max;
}

/* "<topic>+<n>+<first offset><suffix>"; true only where the numbers are spelled as we spell them. */
static bool name_fits(struct tl_sv name, const char *topic, uint32_t partition, const char *suffix, int64_t *first_offset)
{
    char start[NAME_MAX + 32], whole[NAME_MAX + 64];
    struct tl_sv prefix;
    int64_t offset;

    snprintf(start, sizeof start, "%s+%" PRIu32 "+", topic, partition);
    prefix = tl_sv_from(start);
    if (!tl_sv_starts(name, prefix) || !tl_sv_ends(name, tl_sv_from(suffix)) || name.size <= prefix.size + strlen(suffix))
        return false;
    if (!digits_read((struct tl_sv){name.data + prefix.size, name.size - prefix.size - strlen(suffix)}, INT64_MAX, &offset))
        return false;
    snprintf(whole, sizeof whole, "%s%010" PRId64 "%s", start, offset, suffix);
    *first_offset = offset;
    return tl_sv_eq(name, tl_sv_from(whole));
}

/* ---- files ---- */

static enum tl_code write_all(int fd, const char *data, size_t size, const char *path, struct tl_err *err)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot write", path);
        if (written == 0)
            return tl_fail(err, TL_ERR_IO, "%s: cannot write: the disk takes no more bytes", path);
        data += written;
        size -= (size_t)written;
    }
    return TL_OK;
}

/* Exactly `size` bytes from `position` on. */
static enum tl_code read_at(int fd, char *data, uint64_t size, uint64_t position, const char *path, struct tl_err *err)
{
    uint64_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, data + done, (size_t)(size - done), (off_t)(position + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot read", path);
        if (got == 0)
            return tl_fail(err, TL_ERR_CORRUPT, "%s: is cut off: it ends before byte %" PRIu64, path, position + size);
        done += (uint64_t)got;
    }
    return TL_OK;
}

static enum tl_code folder_sync(const char *path, struct tl_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed;

    if (fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the folder", path);
    failed = fsync(fd);
    if (failed != 0)
        tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync the folder", path);
    close(fd);
    return failed != 0 ? TL_ERR_IO : TL_OK;
}

/* Makes one folder, and makes it stay. */
static enum tl_code folder_make(const char *path, struct tl_err *err)
{
    char parent[PATH_MAX];
    char *slash;

    if (mkdir(path, 0777) != 0)
        return errno == EEXIST ? TL_OK : tl_fail_errno(err, TL_ERR_IO, "%s: cannot make the folder", path);
    snprintf(parent, sizeof parent, "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return folder_sync(".", err);
    slash[slash == parent ? 1 : 0] = '\0';
    return folder_sync(parent, err);
}

/* DIR, DIR/topics and DIR/topics/<topic>. */
static enum tl_code topic_folder_make(const struct tl_master *master, const char *topic, char out[PATH_MAX], struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(folder_make(master->data_dir, err));
    TL_TRY(path_make(out, err, "%s/topics", master->data_dir));
    TL_TRY(folder_make(out, err));
    TL_TRY(path_make(out, err, "%s/topics/%s", master->data_dir, topic));
    TL_TRY(folder_make(out, err));
out:
    return rc;
}

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

/* ---- what is there ---- */

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
    TL_TRY(read_at(fd, bytes->data, bytes->size, 0, path, err));
    if (tl_master_index_edge(tl_buf_sv(bytes), &head_end, &why) != TL_OK)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %s; bring it back from a copy", path, why.message));
    if (head_end > *index_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is cut off: it has %" PRIu64 " bytes of at least %" PRIu64 "; bring it back from a copy", path,
                       *index_bytes, head_end));
    if (tl_buf_reserve(bytes, (size_t)head_end - bytes->size) == NULL)
        TL_TRY(tl_buf_check(bytes, path, err));
    TL_TRY(read_at(fd, bytes->data + bytes->size, head_end - bytes->size, bytes->size, path, err));
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
    int stem = (int)(strlen(name) - strlen(data_suffix));
    int64_t first_offset;
    uint64_t size;
    struct tl_master_index *index = tl_arena_alloc(listing->arena, sizeof *index);
    char *path = tl_arena_printf(listing->arena, "%s/%s", folder, name);
    char *index_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, index_suffix);
    char *other_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, other_suffix);
    struct tl_err why;
    enum tl_code rc;

    if (index == NULL || path == NULL || index_path == NULL || other_path == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *index));
    if (!name_fits(tl_sv_from(name), listing->encoded, partition, data_suffix, &first_offset))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is not named as a file of this folder is, %s+%" PRIu32 "+<first offset, 10 digits>%s; move it away",
                       path, listing->encoded, partition, data_suffix));
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

/* Calls `each` for every name in the folder. A folder that is not there is empty. */
static enum tl_code folder_walk(const char *folder, enum tl_code (*each)(void *ctx, const char *name, struct tl_err *err),
                                void *ctx, struct tl_err *err)
{
    DIR *dir = opendir(folder);
    enum tl_code rc = TL_OK;

    if (dir == NULL)
        return errno == ENOENT ? TL_OK : tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the folder", folder);
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot list the folder", folder));
        if (entry == NULL)
            break;
        TL_TRY(each(ctx, entry->d_name, err));
    }
out:
    closedir(dir);
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
        !tl_sv_ends(text, tl_sv_from(data_suffix)))
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
        !digits_read((struct tl_sv){text.data + prefix.size, text.size - prefix.size}, UINT32_MAX, &partition))
        return TL_OK;
    snprintf(spelled, sizeof spelled, "partition=%" PRId64, partition);
    if (!tl_sv_eq(text, tl_sv_from(spelled)))
        return TL_OK;
    TL_TRY(path_make(folder, err, "%s/%s", topic->folder, name));
    walk = (struct partition_walk){topic->listing, folder, (uint32_t)partition};
    TL_TRY(folder_walk(folder, each_file, &walk, err));
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
    char encoded[TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    struct listing listing = {.topic = topic, .encoded = encoded};
    struct partition_walk walk = {&listing, folder, 0};
    struct topic_files *known;
    struct tl_master_file *sorted;
    enum tl_code rc;

    tl_buf_init(&listing.bytes, INDEX_HEAD_BYTES_MAX);
    TL_TRY(topic_encode(topic, encoded, err));
    TL_TRY(topic_find(master, topic, &known, err));
    TL_TRY(path_make(folder, err, "%s/topics/%s", master->data_dir, encoded));
    tl_arena_reset(&known->files);
    listing.arena = &known->files;
    TL_TRY(folder_walk(folder, each_partition, &walk, err));
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
    char encoded[TOPIC_BYTES_MAX + 1], path[PATH_MAX];
    struct topic_files *known;
    struct tl_buf bytes;
    struct tl_err why;
    uint64_t size;
    enum tl_code rc;
    int fd = -1;

    tl_buf_init(&bytes, COMPLETE_BYTES_MAX);
    TL_TRY(topic_encode(topic, encoded, err));
    TL_TRY(topic_find(master, topic, &known, err));
    TL_TRY(path_make(path, err, "%s/topics/%s/complete.json", master->data_dir, encoded));
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
    TL_TRY(read_at(fd, bytes.data, size, 0, path, err));
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
    char encoded[TOPIC_BYTES_MAX + 1], folder[PATH_MAX], path[PATH_MAX], temporary[PATH_MAX];
    struct tl_buf bytes;
    enum tl_code rc;
    bool written = false;
    int fd = -1;

    tl_buf_init(&bytes, 0);
    TL_TRY(topic_encode(topic, encoded, err));
    TL_TRY(tl_master_complete_encode(topic, complete, count, identity, &bytes, err));
    TL_TRY(topic_folder_make(master, encoded, folder, err));
    TL_TRY(path_make(path, err, "%s/complete.json", folder));
    TL_TRY(path_make(temporary, err, "%s/_complete.json", folder));
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open for writing", temporary));
    written = true;
    TL_TRY(write_all(fd, bytes.data, bytes.size, temporary, err));
    if (fsync(fd) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync", temporary));
    if (rename(temporary, path) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot rename to %s", temporary, path));
    written = false;
    TL_TRY(folder_sync(folder, err));
out:
    if (fd >= 0)
        close(fd);
    if (written)
        unlink(temporary);
    tl_buf_done(&bytes);
    return rc;
}

/* ---- reading ---- */

/* Bytes with TL_MESSAGE_PADDING behind them; they grow and are reused. */
struct room {
    char *data;
    size_t capacity;
};

static enum tl_code room_for(struct room *room, uint64_t bytes, const char *path, struct tl_err *err)
{
    char *data;

    if (bytes > SIZE_MAX / 2)
        return tl_fail(err, TL_ERR_MEMORY, "%s: a block of %" PRIu64 " bytes does not fit into memory", path, bytes);
    if (room->data != NULL && bytes + TL_MESSAGE_PADDING <= room->capacity)
        return TL_OK;
    data = realloc(room->data, (size_t)bytes + TL_MESSAGE_PADDING);
    if (data == NULL)
        return tl_fail_memory(err, (size_t)bytes + TL_MESSAGE_PADDING);
    room->data = data;
    room->capacity = (size_t)bytes + TL_MESSAGE_PADDING;
    return TL_OK;
}

struct tl_master_reader {
    ZSTD_DCtx *unpacker;
    char *path; /* of the data file whose three files are open; NULL: none */
    int data_fd, index_fd, other_fd;
    struct room packed, lines, others, entries;
    struct tl_message *messages;
    uint8_t *is_other;
    uint32_t messages_capacity;
};

enum tl_code tl_master_reader_open(struct tl_master_reader **out, struct tl_err *err)
{
    struct tl_master_reader *reader = calloc(1, sizeof *reader);

    if (reader != NULL)
        reader->unpacker = ZSTD_createDCtx();
    if (reader == NULL || reader->unpacker == NULL) {
        free(reader);
        return tl_fail_memory(err, sizeof *reader);
    }
    reader->data_fd = reader->index_fd = reader->other_fd = -1;
    *out = reader;
    return TL_OK;
}

static void reader_leave(struct tl_master_reader *reader)
{
    int *fds[] = {&reader->data_fd, &reader->index_fd, &reader->other_fd};

    for (size_t i = 0; i < TL_COUNT(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    free(reader->path);
    reader->path = NULL;
}

void tl_master_reader_close(struct tl_master_reader *reader)
{
    if (reader == NULL)
        return;
    reader_leave(reader);
    ZSTD_freeDCtx(reader->unpacker);
    free(reader->packed.data);
    free(reader->lines.data);
    free(reader->others.data);
    free(reader->entries.data);
    free(reader->messages);
    free(reader->is_other);
    free(reader);
}

static enum tl_code file_open(const char *path, int *fd, struct tl_err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path);
    return TL_OK;
}

/* Opens the file's three files, unless they are open already. */
static enum tl_code reader_enter(struct tl_master_reader *reader, const struct tl_master_file *file, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (reader->path != NULL && strcmp(reader->path, file->path) == 0)
        return TL_OK;
    reader_leave(reader);
    TL_TRY(file_open(file->path, &reader->data_fd, err));
    TL_TRY(file_open(file->index->index_path, &reader->index_fd, err));
    if (file->index->other_bytes > 0)
        TL_TRY(file_open(file->index->other_path, &reader->other_fd, err));
    reader->path = strdup(file->path);
    if (reader->path == NULL)
        TL_TRY(tl_fail_memory(err, strlen(file->path)));
out:
    return rc;
}

static enum tl_code messages_room(struct tl_master_reader *reader, uint32_t count, struct tl_err *err)
{
    struct tl_message *messages;
    uint8_t *is_other;

    if (count <= reader->messages_capacity)
        return TL_OK;
    messages = realloc(reader->messages, count * sizeof *messages);
    if (messages != NULL)
        reader->messages = messages;
    is_other = realloc(reader->is_other, count);
    if (is_other != NULL)
        reader->is_other = is_other;
    if (messages == NULL || is_other == NULL)
        return tl_fail_memory(err, count * sizeof *messages);
    reader->messages_capacity = count;
    return TL_OK;
}

/* One pread, one frame, into `into`. */
static enum tl_code frame_read(struct tl_master_reader *reader, int fd, const char *path, uint64_t position,
                               uint64_t packed_bytes, uint64_t raw_bytes, struct room *into, struct tl_err *err)
{
    unsigned long long said;
    size_t got;
    enum tl_code rc;

    TL_TRY(room_for(&reader->packed, packed_bytes, path, err));
    TL_TRY(read_at(fd, reader->packed.data, packed_bytes, position, path, err));
    /* What the frame says of itself is compared before memory is asked for. */
    said = ZSTD_getFrameContentSize(reader->packed.data, (size_t)packed_bytes);
    if (said != raw_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is damaged: at byte %" PRIu64 " there is no zstd frame of %" PRIu64
                       " unpacked bytes; bring it back from a copy",
                       path, position, raw_bytes));
    TL_TRY(room_for(into, raw_bytes, path, err));
    got = ZSTD_decompressDCtx(reader->unpacker, into->data, (size_t)raw_bytes, reader->packed.data, (size_t)packed_bytes);
    if (ZSTD_isError(got) || got != raw_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is damaged: the zstd frame at byte %" PRIu64 " cannot be unpacked (%s); bring it back from a copy",
                       path, position, ZSTD_isError(got) ? ZSTD_getErrorName(got) : "too short"));
    memset(into->data + raw_bytes, 0, TL_MESSAGE_PADDING);
out:
    return rc;
}

/* The messages' values: the next line, or the next other, by what the entries say. */
static enum tl_code values_fill(struct tl_master_reader *reader, const struct tl_master_file *file,
                                const struct tl_master_block *block, const struct tl_master_extent *extent, struct tl_err *err)
{
    const char *line = reader->lines.data, *end = line + block->raw_bytes;
    struct tl_reader others =
        tl_reader_of((struct tl_sv){reader->others.data, extent->others_count > 0 ? (size_t)extent->other_raw_bytes : 0});
    struct tl_err why;

    for (uint32_t i = 0; i < block->messages_count; i++) {
        struct tl_message *message = &reader->messages[i];

        if (reader->is_other[i]) {
            struct tl_message other;
            enum tl_code rc = tl_master_other_next(&others, &other, &why);

            if (rc != TL_OK)
                return tl_fail(err, rc, "%s: %s; bring it back from a copy", file->index->other_path, why.message);
            if (other.offset != message->offset || other.log_ms != message->log_ms)
                return tl_fail(err, TL_ERR_CORRUPT,
                               "%s: has offset %" PRId64 " where its index has %" PRId64 "; bring both back from a copy",
                               file->index->other_path, other.offset, message->offset);
            message->value = other.value;
        } else {
            const char *newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;

            if (newline == NULL)
                return tl_fail(err, TL_ERR_CORRUPT,
                               "%s: has fewer lines from byte %" PRIu64 " on than its index says; bring both back from a copy",
                               file->path, block->position);
            message->value = (struct tl_sv){line, (size_t)(newline - line)};
            line = newline + 1;
        }
    }
    if (line != end || !tl_reader_at_end(&others))
        return tl_fail(err, TL_ERR_CORRUPT,
                       "%s: has more messages from byte %" PRIu64 " on than its index says; bring both back from a copy",
                       file->path, block->position);
    return TL_OK;
}

enum tl_code tl_master_read_block(struct tl_master_reader *reader, const struct tl_master_file *file, uint32_t number,
                                  const struct tl_message **messages, size_t *count, struct tl_err *err)
{
    const struct tl_master_index *index = file->index;
    const struct tl_master_block *block = &file->blocks[number];
    const struct tl_master_extent *extent = &index->extents[number];
    struct tl_err why;
    enum tl_code rc;

    assert(number < file->blocks_count);
    TL_TRY(reader_enter(reader, file, err));
    TL_TRY(messages_room(reader, block->messages_count, err));
    TL_TRY(room_for(&reader->entries, extent->entries_bytes, index->index_path, err));
    TL_TRY(
        read_at(reader->index_fd, reader->entries.data, extent->entries_bytes, extent->entries_position, index->index_path, err));
    rc = tl_master_entries_decode((struct tl_sv){reader->entries.data, (size_t)extent->entries_bytes}, block, extent,
                                  reader->messages, reader->is_other, &why);
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s; bring it back from a copy", index->index_path, why.message));
    TL_TRY(frame_read(reader, reader->data_fd, file->path, block->position, block->packed_bytes, block->raw_bytes, &reader->lines,
                      err));
    if (extent->others_count > 0)
        TL_TRY(frame_read(reader, reader->other_fd, index->other_path, extent->other_position, extent->other_packed_bytes,
                          extent->other_raw_bytes, &reader->others, err));
    TL_TRY(values_fill(reader, file, block, extent, err));
    *messages = reader->messages;
    *count = block->messages_count;
out:
    return rc;
}

/* ---- writing ---- */

enum part { DATA, OTHER, INDEX, PARTS };

static const char *const part_suffix[PARTS] = {data_suffix, other_suffix, index_suffix};

/* One of the three files while it is written. */
struct output {
    int fd;         /* -1: not open */
    bool temporary; /* the temporary name is there */
    bool named;     /* the final name is there, and it is ours */
    XXH3_state_t *hash;
    char path[PATH_MAX], final[PATH_MAX];
};

struct tl_master_writer {
    struct tl_master *master;
    struct tl_sv topic;
    char *topic_copy;
    char encoded[TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    uint64_t time_rule;
    uint32_t partition;
    bool begun;  /* the files are open */
    bool broken; /* a write failed: nothing more is taken, finish only removes */
    ZSTD_CCtx *packer;
    struct output outputs[PARTS];
    struct tl_buf lines, others, entries, packed;

    struct tl_master_block *blocks; /* finished ones; blocks[blocks_count] is the open one */
    struct tl_master_extent *extents;
    uint32_t blocks_count, blocks_capacity;
    size_t entries_start; /* where the open block's entries begin */
    int64_t last_offset, last_log_ms;
    uint64_t raw_bytes;
    int64_t watermark_ms;

    struct tl_master_day *days; /* runs of equal days; sorted and joined when they are full, and at the end */
    uint32_t days_count, days_capacity;

    int64_t *log_ms; /* of the open block: its entries need its smallest timestamp first */
    int64_t *offsets;
    uint8_t *is_other;
};

/* How many bytes the well-formed UTF-8 sequence of more than one byte at `at` has; 0 where it is not well-formed (Unicode 15, table 3-7). */
static size_t utf8_size(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

    if (at[0] < 0xc2 || at[0] > 0xf4 || left < size)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (at[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (at[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (at[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* Valid UTF-8 without control characters but the tab. */
static bool text_is_plain(struct tl_sv text)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size;

    while (at < end) {
        uint64_t eight;

        /* Eight bytes at once: none has its high bit, and none is below a space. */
        while (end - at >= 8) {
            memcpy(&eight, at, 8);
            if (((eight | (eight - UINT64_C(0x2020202020202020))) & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += 8;
        }
        if (at == end)
            break;
        if (*at < 0x80) {
            if (*at < 0x20 && *at != '\t')
                return false;
            at++;
        } else {
            size_t size = utf8_size(at, (size_t)(end - at));

            if (size == 0)
                return false;
            at += size;
        }
    }
    return true;
}

/* master.h says what a line is. */
static bool is_line(struct tl_sv value)
{
    struct tl_sv text = value;
    char first, last;
    bool ends;

    if (value.size == 0 || value.size > TL_MASTER_LINE_BYTES_MAX)
        return false;
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct tl_sv){text.data + 1, text.size - 1};
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    if (text.size == 0)
        return false;
    first = text.data[0];
    last = text.data[text.size - 1];
    switch (first) {
    case '{': ends = last == '}'; break;
    case '[': ends = last == ']'; break;
    case '"': ends = last == '"' && text.size > 1; break;
    case 't': ends = tl_sv_eq(text, TL_SV("true")); break;
    case 'f': ends = tl_sv_eq(text, TL_SV("false")); break;
    case 'n': ends = tl_sv_eq(text, TL_SV("null")); break;
    default: ends = (first == '-' || (first >= '0' && first <= '9')) && last >= '0' && last <= '9'; break;
    }
    return ends && text_is_plain(value);
}

/* Removes what a killed writer left under temporary names. */
static enum tl_code each_leftover(void *ctx, const char *name, struct tl_err *err)
{
    const struct tl_master_writer *writer = ctx;
    struct tl_sv rest = {name + 1, strlen(name) - 1};
    char path[PATH_MAX];
    int64_t offset;
    enum tl_code rc = TL_OK;

    if (name[0] != '_')
        return TL_OK;
    for (int part = 0; part < PARTS; part++) {
        if (!name_fits(rest, writer->encoded, writer->partition, part_suffix[part], &offset))
            continue;
        TL_TRY(path_make(path, err, "%s/%s", writer->folder, name));
        if (unlink(path) != 0 && errno != ENOENT)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove what an earlier run left", path));
    }
out:
    return rc;
}

static void writer_free(struct tl_master_writer *writer)
{
    for (int part = 0; part < PARTS; part++) {
        struct output *output = &writer->outputs[part];

        if (output->fd >= 0)
            close(output->fd);
        XXH3_freeState(output->hash);
    }
    ZSTD_freeCCtx(writer->packer);
    tl_buf_done(&writer->lines);
    tl_buf_done(&writer->others);
    tl_buf_done(&writer->entries);
    tl_buf_done(&writer->packed);
    free(writer->blocks);
    free(writer->extents);
    free(writer->days);
    free(writer->log_ms);
    free(writer->offsets);
    free(writer->is_other);
    free(writer->topic_copy);
    free(writer);
}

void tl_master_writer_abandon(struct tl_master_writer *writer)
{
    if (writer == NULL)
        return;
    /* The data file first: nobody may see it without what belongs to it. */
    for (int part = 0; part < PARTS; part++) {
        const struct output *output = &writer->outputs[part];

        if (output->named)
            unlink(output->final);
        if (output->temporary)
            unlink(output->path);
    }
    writer_free(writer);
}

enum tl_code tl_master_writer_open(struct tl_master *master, struct tl_sv topic, uint32_t partition, uint64_t time_rule,
                                   struct tl_master_writer **out, struct tl_err *err)
{
    struct tl_master_writer *writer = calloc(1, sizeof *writer);
    enum tl_code rc;

    if (writer == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *writer));
    writer->master = master;
    writer->partition = partition;
    writer->time_rule = time_rule;
    writer->last_offset = -1;
    writer->watermark_ms = INT64_MIN;
    tl_buf_init(&writer->lines, 0);
    tl_buf_init(&writer->others, 0);
    tl_buf_init(&writer->entries, 0);
    tl_buf_init(&writer->packed, 0);
    for (int part = 0; part < PARTS; part++)
        writer->outputs[part].fd = -1;
    TL_TRY(topic_encode(topic, writer->encoded, err));
    writer->topic_copy = strndup(topic.data, topic.size);
    writer->topic = (struct tl_sv){writer->topic_copy, topic.size};
    writer->packer = ZSTD_createCCtx();
    writer->log_ms = malloc(TL_MASTER_BLOCK_MESSAGES_MAX * sizeof *writer->log_ms);
    writer->offsets = malloc(TL_MASTER_BLOCK_MESSAGES_MAX * sizeof *writer->offsets);
    writer->is_other = malloc(TL_MASTER_BLOCK_MESSAGES_MAX);
    for (int part = 0; part < INDEX; part++)
        writer->outputs[part].hash = XXH3_createState();
    if (writer->topic_copy == NULL || writer->packer == NULL || writer->log_ms == NULL || writer->offsets == NULL ||
        writer->is_other == NULL || writer->outputs[DATA].hash == NULL || writer->outputs[OTHER].hash == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *writer));
    if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->packer, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->packer, ZSTD_c_checksumFlag, 1)))
        TL_TRY(tl_fail(err, TL_ERR_IO, "zstd does not know the level %d or checksums", LEVEL));
    TL_TRY(path_make(writer->folder, err, "%s/topics/%s/partition=%" PRIu32, master->data_dir, writer->encoded, partition));
    TL_TRY(folder_walk(writer->folder, each_leftover, writer, err));
    *out = writer;
out:
    if (rc != TL_OK && writer != NULL)
        writer_free(writer);
    return rc;
}

/* The names hold the first offset, so the files are opened with the first message. */
static enum tl_code writer_begin(struct tl_master_writer *writer, int64_t first_offset, struct tl_err *err)
{
    char folder[PATH_MAX];
    enum tl_code rc;

    TL_TRY(topic_folder_make(writer->master, writer->encoded, folder, err));
    TL_TRY(folder_make(writer->folder, err));
    for (int part = 0; part < PARTS; part++) {
        struct output *output = &writer->outputs[part];
        struct stat found;

        TL_TRY(path_make(output->path, err, "%s/_%s+%" PRIu32 "+%010" PRId64 "%s", writer->folder, writer->encoded,
                         writer->partition, first_offset, part_suffix[part]));
        TL_TRY(path_make(output->final, err, "%s/%s+%" PRIu32 "+%010" PRId64 "%s", writer->folder, writer->encoded,
                         writer->partition, first_offset, part_suffix[part]));
        if (part == DATA && lstat(output->final, &found) == 0)
            TL_TRY(
                tl_fail(err, TL_ERR_CORRUPT, "%s: is there already, and files of the master record never change", output->final));
        if (output->hash != NULL && XXH3_64bits_reset(output->hash) == XXH_ERROR)
            TL_TRY(tl_fail(err, TL_ERR_MEMORY, "%s: no hash to be had", output->path));
        output->fd = open(output->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (output->fd < 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open for writing", output->path));
        output->temporary = true;
    }
    writer->begun = true;
out:
    return rc;
}

static enum tl_code output_write(struct output *output, const char *data, size_t size, struct tl_err *err)
{
    if (output->hash != NULL)
        XXH3_64bits_update(output->hash, data, size);
    return write_all(output->fd, data, size, output->path, err);
}

static enum tl_code frame_write(struct tl_master_writer *writer, enum part part, const struct tl_buf *raw, uint64_t *packed_bytes,
                                struct tl_err *err)
{
    size_t bound = ZSTD_compressBound(raw->size), size;
    char *to;
    enum tl_code rc;

    tl_buf_clear(&writer->packed);
    to = tl_buf_reserve(&writer->packed, bound);
    if (to == NULL)
        TL_TRY(tl_buf_check(&writer->packed, writer->outputs[part].path, err));
    size = ZSTD_compress2(writer->packer, to, bound, raw->data, raw->size);
    if (ZSTD_isError(size))
        TL_TRY(tl_fail(err, TL_ERR_MEMORY, "%s: zstd cannot pack: %s", writer->outputs[part].path, ZSTD_getErrorName(size)));
    TL_TRY(output_write(&writer->outputs[part], to, size, err));
    *packed_bytes = size;
out:
    return rc;
}

/* Ends the open block: its frames go to the files, its entries behind those of the others. */
static enum tl_code block_end(struct tl_master_writer *writer, struct tl_err *err)
{
    struct tl_master_block *block = &writer->blocks[writer->blocks_count];
    struct tl_master_extent *extent = &writer->extents[writer->blocks_count];
    int64_t offset = block->first_offset - 1, log_ms = block->log_ms_min;
    enum tl_code rc;

    for (uint32_t i = 0; i < block->messages_count; i++) {
        tl_master_entry_put(&writer->entries, writer->offsets[i], writer->log_ms[i], writer->is_other[i] != 0, offset, log_ms);
        offset = writer->offsets[i];
        log_ms = writer->log_ms[i];
    }
    TL_TRY(tl_buf_check(&writer->entries, "index of a master file", err));
    extent->entries_bytes = writer->entries.size - writer->entries_start;
    extent->entries_hash = XXH3_64bits(writer->entries.data + writer->entries_start, (size_t)extent->entries_bytes);
    writer->entries_start = writer->entries.size;

    block->raw_bytes = writer->lines.size;
    TL_TRY(frame_write(writer, DATA, &writer->lines, &block->packed_bytes, err));
    extent->other_raw_bytes = writer->others.size;
    if (extent->others_count > 0)
        TL_TRY(frame_write(writer, OTHER, &writer->others, &extent->other_packed_bytes, err));
    tl_buf_clear(&writer->lines);
    tl_buf_clear(&writer->others);
    writer->blocks_count++;
out:
    return rc;
}

/* Room for the open block behind the finished ones, and its beginning. */
static enum tl_code block_begin(struct tl_master_writer *writer, const struct tl_message *message, struct tl_err *err)
{
    if (writer->blocks_count == writer->blocks_capacity) {
        uint32_t capacity = writer->blocks_capacity == 0 ? 64 : writer->blocks_capacity * 2;
        struct tl_master_block *blocks = realloc(writer->blocks, capacity * sizeof *blocks);
        struct tl_master_extent *extents;

        if (blocks != NULL)
            writer->blocks = blocks;
        extents = realloc(writer->extents, capacity * sizeof *extents);
        if (extents != NULL)
            writer->extents = extents;
        if (blocks == NULL || extents == NULL)
            return tl_fail_memory(err, capacity * (sizeof *blocks + sizeof *extents));
        writer->blocks_capacity = capacity;
    }
    writer->blocks[writer->blocks_count] = (struct tl_master_block){
        .first_offset = message->offset,
        .log_ms_min = message->log_ms,
        .log_ms_max = message->log_ms,
        .time_ms_min = INT64_MAX,
        .time_ms_max = INT64_MIN,
    };
    writer->extents[writer->blocks_count] = (struct tl_master_extent){0};
    return TL_OK;
}

static int day_order(const void *a, const void *b)
{
    const struct tl_master_day *left = a, *right = b;

    return (left->day > right->day) - (left->day < right->day);
}

/* Runs of equal days become one day each, ascending. */
static void days_join(struct tl_master_writer *writer)
{
    struct tl_master_day *days = writer->days;
    uint32_t used = 0;

    if (writer->days_count == 0)
        return;
    qsort(days, writer->days_count, sizeof *days, day_order);
    for (uint32_t i = 1; i < writer->days_count; i++) {
        if (days[i].day == days[used].day)
            days[used].events_count += days[i].events_count;
        else
            days[++used] = days[i];
    }
    writer->days_count = used + 1;
}

/* Events come nearly in order of time, so counting runs of one day costs a comparison an event; a hostile mixture of days
 * costs a sort whenever the list is full, and the list doubles only where half of it are different days. */
static enum tl_code day_add(struct tl_master_writer *writer, int64_t time_ms, struct tl_err *err)
{
    const int64_t day_ms = 86400000;
    int64_t day = time_ms / day_ms - (time_ms % day_ms < 0 ? 1 : 0);

    assert(day >= INT32_MIN && day <= INT32_MAX);
    if (writer->days_count > 0 && writer->days[writer->days_count - 1].day == (int32_t)day) {
        writer->days[writer->days_count - 1].events_count++;
        return TL_OK;
    }
    if (writer->days_count == writer->days_capacity) {
        days_join(writer);
        if (writer->days_count >= writer->days_capacity / 2) {
            uint32_t capacity = writer->days_capacity == 0 ? 64 : writer->days_capacity * 2;
            struct tl_master_day *days = realloc(writer->days, capacity * sizeof *days);

            if (days == NULL)
                return tl_fail_memory(err, capacity * sizeof *days);
            writer->days = days;
            writer->days_capacity = capacity;
        }
    }
    writer->days[writer->days_count++] = (struct tl_master_day){(int32_t)day, 1};
    return TL_OK;
}

static enum tl_code message_add(struct tl_master_writer *writer, const struct tl_message *message,
                                const struct tl_master_facts *facts, struct tl_err *err)
{
    struct tl_master_block *block;
    bool other = !is_line(message->value);
    uint32_t at;
    enum tl_code rc = TL_OK;

    if (!writer->begun)
        TL_TRY(writer_begin(writer, message->offset, err));
    if (writer->blocks_count == writer->blocks_capacity || writer->blocks[writer->blocks_count].messages_count == 0)
        TL_TRY(block_begin(writer, message, err));
    block = &writer->blocks[writer->blocks_count];
    at = block->messages_count;
    writer->offsets[at] = message->offset;
    writer->log_ms[at] = message->log_ms;
    writer->is_other[at] = other ? 1 : 0;
    if (other) {
        size_t before = writer->others.size;

        tl_master_other_put(&writer->others, message);
        writer->extents[writer->blocks_count].others_count++;
        writer->raw_bytes += writer->others.size - before;
    } else {
        tl_buf_put_sv(&writer->lines, message->value);
        tl_buf_put_u8(&writer->lines, '\n');
        writer->raw_bytes += message->value.size + 1;
    }
    TL_TRY(tl_buf_check(&writer->lines, "block of a master file", err));
    TL_TRY(tl_buf_check(&writer->others, "block of a master file", err));
    block->messages_count++;
    block->last_offset = message->offset;
    block->log_ms_min = tl_min_i64(block->log_ms_min, message->log_ms);
    block->log_ms_max = tl_max_i64(block->log_ms_max, message->log_ms);
    for (uint32_t i = 0; i < facts->events_count; i++) {
        block->time_ms_min = tl_min_i64(block->time_ms_min, facts->time_ms[i]);
        block->time_ms_max = tl_max_i64(block->time_ms_max, facts->time_ms[i]);
        TL_TRY(day_add(writer, facts->time_ms[i], err));
    }
    writer->watermark_ms = tl_max_i64(writer->watermark_ms, facts->watermark_ms);
    writer->last_offset = message->offset;
    if (writer->lines.size + writer->others.size >= TL_MASTER_BLOCK_BYTES ||
        block->messages_count == TL_MASTER_BLOCK_MESSAGES_MAX) {
        TL_TRY(block_end(writer, err));
        if (writer->blocks_count < writer->blocks_capacity)
            writer->blocks[writer->blocks_count].messages_count = 0; /* none is open */
    }
out:
    return rc;
}

enum tl_code tl_master_writer_add(struct tl_master_writer *writer, const struct tl_message *message,
                                  const struct tl_master_facts *facts, struct tl_err *err)
{
    enum tl_code rc;

    if (writer->broken)
        return tl_fail(err, TL_ERR_IO, "%s: an earlier write has failed; abandon the file and begin it anew", writer->folder);
    if (message->offset <= writer->last_offset)
        return tl_fail(err, TL_ERR_LIMIT, "%s: offset %" PRId64 " after %" PRId64 ": offsets of a file ascend", writer->folder,
                       message->offset, writer->last_offset);
    if (message->value.data != NULL && message->value.size >= TL_MASTER_TOMBSTONE)
        return tl_fail(err, TL_ERR_LIMIT, "%s: the message at offset %" PRId64 " has %zu bytes; %u is the most", writer->folder,
                       message->offset, message->value.size, TL_MASTER_TOMBSTONE - 1);
    rc = message_add(writer, message, facts, err);
    writer->broken = rc != TL_OK;
    return rc;
}

uint64_t tl_master_writer_raw_bytes(const struct tl_master_writer *writer) { return writer->raw_bytes; }

static enum tl_code index_write(struct tl_master_writer *writer, struct tl_err *err)
{
    struct tl_master_index index = {
        .file =
            {
                   .topic = writer->topic,
                   .partition = writer->partition,
                   .time_rule = writer->time_rule,
                   .watermark_ms = writer->watermark_ms,
                   .days = writer->days,
                   .days_count = writer->days_count,
                   .blocks = writer->blocks,
                   .blocks_count = writer->blocks_count,
                   },
        .extents = writer->extents,
        .data_hash = XXH3_64bits_digest(writer->outputs[DATA].hash),
        .other_hash = XXH3_64bits_digest(writer->outputs[OTHER].hash),
    };
    enum tl_code rc;

    tl_buf_clear(&writer->packed);
    TL_TRY(tl_master_index_encode(&index, &writer->packed, err));
    if (writer->packed.size > INDEX_HEAD_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT, "%s: would have %zu bytes before its entries, more than %d; smaller files would do",
                       writer->outputs[INDEX].path, writer->packed.size, INDEX_HEAD_BYTES_MAX));
    TL_TRY(output_write(&writer->outputs[INDEX], writer->packed.data, writer->packed.size, err));
    TL_TRY(output_write(&writer->outputs[INDEX], writer->entries.data, writer->entries.size, err));
out:
    return rc;
}

/* Durable under its temporary name. */
static enum tl_code output_settle(struct output *output, struct tl_err *err)
{
    int fd = output->fd;

    if (fsync(fd) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync", output->path);
    output->fd = -1;
    if (close(fd) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot close", output->path);
    return TL_OK;
}

static enum tl_code output_name(struct output *output, struct tl_err *err)
{
    if (rename(output->path, output->final) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot rename to %s", output->path, output->final);
    output->temporary = false;
    output->named = true;
    return TL_OK;
}

/* An other file that a killed writer left would stand beside a file that has none. */
static enum tl_code output_drop(struct output *output, struct tl_err *err)
{
    if (unlink(output->path) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", output->path);
    output->temporary = false;
    if (unlink(output->final) != 0 && errno != ENOENT)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove what an earlier run left", output->final);
    return TL_OK;
}

enum tl_code tl_master_writer_finish(struct tl_master_writer *writer, struct tl_err *err)
{
    uint64_t other_bytes = 0;
    enum tl_code rc = TL_OK;

    if (writer->broken)
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: an earlier write has failed; nothing of the file was kept", writer->folder));
    if (!writer->begun)
        goto out;
    if (writer->blocks_count < writer->blocks_capacity && writer->blocks[writer->blocks_count].messages_count > 0)
        TL_TRY(block_end(writer, err));
    days_join(writer);
    TL_TRY(index_write(writer, err));
    for (uint32_t i = 0; i < writer->blocks_count; i++)
        other_bytes += writer->extents[i].other_packed_bytes;
    for (int part = 0; part < PARTS; part++)
        TL_TRY(output_settle(&writer->outputs[part], err));
    TL_TRY(output_name(&writer->outputs[INDEX], err));
    if (other_bytes > 0)
        TL_TRY(output_name(&writer->outputs[OTHER], err));
    else
        TL_TRY(output_drop(&writer->outputs[OTHER], err));
    TL_TRY(folder_sync(writer->folder, err));
    TL_TRY(output_name(&writer->outputs[DATA], err));
    TL_TRY(folder_sync(writer->folder, err));
out:
    if (rc == TL_OK)
        writer_free(writer);
    else
        tl_master_writer_abandon(writer);
    return rc;
}
