/* master_list.c: which files the master record has of a topic, and which of them cannot be used. */
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
#include "base/clock.h"
#include "master/master_files.h"
#include "master/master_handle.h"
#include "master/master_index.h"

struct listing {
    struct tl_arena *arena;
    struct tl_sv topic;
    const char *encoded;
    struct tl_master_file *files;
    size_t count, capacity;
    struct tl_master_damage *damage;
    size_t damage_count, damage_capacity;
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

static enum tl_code damage_add(struct listing *listing, const struct tl_master_damage *damage, const struct tl_err *why,
                               struct tl_err *err)
{
    struct tl_master_damage *mine;
    struct tl_sv message;

    if (listing->damage_count == listing->damage_capacity) {
        size_t capacity = listing->damage_capacity * 2 + 16;

        if (!TL_RESIZE(listing->damage, capacity))
            return tl_fail_memory(err, capacity * sizeof *listing->damage);
        listing->damage_capacity = capacity;
    }
    mine = &listing->damage[listing->damage_count];
    *mine = *damage;
    if (!tl_arena_copy(listing->arena, tl_sv_from(why->message), &message))
        return tl_fail_memory(err, strlen(why->message));
    mine->code = why->code;
    mine->message = message.data;
    listing->damage_count++;
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
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: its index %s is missing; bring it back from a copy", data_path, path));
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path));
    TL_TRY(tl_master_file_size(fd, path, index_bytes, err));
    if (tl_buf_reserve(bytes, TL_MASTER_INDEX_EDGE) == NULL)
        TL_TRY(tl_buf_check(bytes, path, err));
    bytes->size = *index_bytes < TL_MASTER_INDEX_EDGE ? (size_t)*index_bytes : TL_MASTER_INDEX_EDGE;
    TL_TRY(tl_master_read_at(fd, bytes->data, bytes->size, 0, path, err));
    if (tl_master_index_edge(tl_buf_sv(bytes), &head_end, &why) != TL_OK)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %s", path, why.message));
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

/* Reads the file's index, and sees that all three fit. index->file.path is set where the index itself is sound. */
static enum tl_code file_check(struct listing *listing, struct tl_master_index *index, const char *path, int64_t first_offset,
                               uint32_t partition, struct tl_err *err)
{
    const char *index_path = index->index_path, *other_path = index->other_path;
    uint64_t size;
    struct tl_err why;
    enum tl_code rc;

    if (first_offset < 0)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is not named as a file of this folder is, %s+%" PRIu32 "+<first offset, 10 digits>%s; move it away",
                       path, listing->encoded, partition, TL_MASTER_DATA));
    TL_TRY(index_read(listing, index_path, path, &size, err));
    rc = tl_master_index_decode(tl_buf_sv(&listing->bytes), listing->arena, index, &why);
    if (rc == TL_ERR_CORRUPT)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %s; bring it back from a copy", index_path, why.message));
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s", index_path, why.message));
    index->index_path = index_path;
    index->other_path = other_path;
    if (!tl_sv_eq(index->file.topic, listing->topic) || index->file.partition != partition ||
        index->file.first_offset != first_offset)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: belongs to another file: it speaks of topic '%.*s', partition %" PRIu32 ", offset %" PRId64
                       "; bring back the right one from a copy",
                       index_path, TL_SV_ARG(index->file.topic), index->file.partition, index->file.first_offset));
    index->file.path = path;
    index->file.index = index;
    TL_TRY(size_check(index_path, size, index->index_bytes, index_path, err));
    TL_TRY(path_size(path, &size, err));
    TL_TRY(size_check(path, size, index->data_bytes, index_path, err));
    if (index->other_bytes > 0) {
        TL_TRY(path_size(other_path, &size, err));
        TL_TRY(size_check(other_path, size, index->other_bytes, index_path, err));
    }
out:
    return rc;
}

/* One data file, which is a file of the record or damage. */
static enum tl_code file_add(struct listing *listing, const char *folder, const char *name, uint32_t partition,
                             struct tl_err *err)
{
    int stem = (int)(strlen(name) - strlen(TL_MASTER_DATA));
    struct tl_master_index *index = tl_arena_zalloc(listing->arena, sizeof *index);
    char *path = tl_arena_printf(listing->arena, "%s/%s", folder, name);
    struct tl_master_damage damage = {.partition = partition, .path = path, .first_offset = -1, .last_offset = -1};
    int64_t first_offset;
    struct tl_err why;
    enum tl_code rc;

    if (index == NULL || path == NULL)
        return tl_fail_memory(err, sizeof *index);
    index->index_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, TL_MASTER_INDEX);
    index->other_path = tl_arena_printf(listing->arena, "%s/%.*s%s", folder, stem, name, TL_MASTER_OTHER);
    if (index->index_path == NULL || index->other_path == NULL)
        return tl_fail_memory(err, strlen(path));
    if (tl_master_name_fits(tl_sv_from(name), listing->encoded, partition, TL_MASTER_DATA, &first_offset))
        damage.first_offset = first_offset;
    rc = file_check(listing, index, path, damage.first_offset, partition, &why);
    if (rc == TL_OK)
        return listing_add(listing, &index->file, err);
    if (rc != TL_ERR_CORRUPT && rc != TL_ERR_IO)
        return tl_fail(err, rc, "%s", why.message);
    if (index->file.path != NULL) {
        damage.file = &index->file;
        damage.last_offset = index->file.last_offset;
    }
    return damage_add(listing, &damage, &why, err);
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
    char folder[PATH_MAX];
    struct partition_walk walk = {topic->listing, folder, 0};
    enum tl_code rc;

    if (!tl_master_partition_of(name, &walk.partition))
        return TL_OK;
    TL_TRY(tl_master_path(folder, err, "%s/%s", topic->folder, name));
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

/* An offset belongs to one file: of those that share one nobody can say which is right. */
static enum tl_code overlaps_set_aside(struct listing *listing, struct tl_err *err)
{
    size_t furthest = 0, kept = 0;
    bool *shares = calloc(listing->count + 1, sizeof *shares);
    enum tl_code rc = TL_OK;

    if (shares == NULL)
        return tl_fail_memory(err, listing->count);
    for (size_t i = 1; i < listing->count; i++) {
        const struct tl_master_file *before = &listing->files[furthest], *file = &listing->files[i];
        struct tl_master_damage damage = {.overlaps = true,
                                          .partition = file->partition,
                                          .path = file->path,
                                          .first_offset = file->first_offset,
                                          .last_offset = file->last_offset};
        struct tl_err why;

        if (file->partition != before->partition || file->first_offset > before->last_offset) {
            furthest = i;
            continue;
        }
        (void)tl_fail(&why, TL_ERR_CORRUPT,
                      "%s: holds offsets %" PRId64 " to %" PRId64 ", and %s up to %" PRId64
                      " already: an offset belongs to one file; move the one away that should not be here",
                      file->path, file->first_offset, file->last_offset, before->path, before->last_offset);
        damage.file = &file->index->file;
        TL_TRY(damage_add(listing, &damage, &why, err));
        if (!shares[furthest]) {
            damage.path = before->path;
            damage.first_offset = before->first_offset;
            damage.last_offset = before->last_offset;
            damage.file = &before->index->file;
            TL_TRY(damage_add(listing, &damage, &why, err));
        }
        shares[furthest] = shares[i] = true;
        if (file->last_offset > before->last_offset)
            furthest = i;
    }
    for (size_t i = 0; i < listing->count; i++)
        if (!shares[i])
            listing->files[kept++] = listing->files[i];
    listing->count = kept;
out:
    free(shares);
    return rc;
}

/* As long as the topic is locked, files that are there stay there. */
static enum tl_code topic_hold(struct tl_master *master, struct tl_master_topic *topic, const char *folder, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (topic->held || access(folder, F_OK) != 0)
        return TL_OK;
    TL_TRY(tl_master_lock_share(&master->lock_fd, master->data_dir, topic->topic, err));
    topic->held = true;
out:
    return rc;
}

static enum tl_code in_arena(struct tl_arena *arena, const void *items, size_t bytes, void **out, struct tl_err *err)
{
    *out = tl_arena_alloc(arena, bytes + 1);
    if (*out == NULL)
        return tl_fail_memory(err, bytes);
    if (bytes > 0)
        memcpy(*out, items, bytes);
    return TL_OK;
}

/* What the walk has found, in order, into the listing's arena. */
static enum tl_code listing_settle(struct listing *listing, struct tl_master_list *out, struct tl_err *err)
{
    void *files, *damage;
    enum tl_code rc;

    if (listing->count > 0)
        qsort(listing->files, listing->count, sizeof *listing->files, file_order);
    TL_TRY(overlaps_set_aside(listing, err));
    TL_TRY(in_arena(listing->arena, listing->files, listing->count * sizeof *listing->files, &files, err));
    TL_TRY(in_arena(listing->arena, listing->damage, listing->damage_count * sizeof *listing->damage, &damage, err));
    *out = (struct tl_master_list){
        .files = files, .files_count = listing->count, .damage = damage, .damage_count = listing->damage_count};
out:
    return rc;
}

static void listing_done(struct listing *listing)
{
    free(listing->files);
    free(listing->damage);
    tl_buf_done(&listing->bytes);
}

enum tl_code tl_master_list_folder(struct tl_arena *arena, struct tl_sv topic, const char *encoded, uint32_t partition,
                                   const char *folder, struct tl_master_list *out, struct tl_err *err)
{
    struct listing listing = {.arena = arena, .topic = topic, .encoded = encoded};
    struct partition_walk walk = {&listing, folder, partition};
    enum tl_code rc;

    tl_buf_init(&listing.bytes, TL_MASTER_HEAD_BYTES_MAX);
    TL_TRY(tl_master_folder_walk(folder, each_file, &walk, err));
    TL_TRY(listing_settle(&listing, out, err));
out:
    listing_done(&listing);
    return rc;
}

enum tl_code tl_master_damage_of(struct tl_arena *arena, struct tl_sv topic, const char *encoded, uint32_t partition,
                                 const char *folder, const char *name, struct tl_master_damage *out, bool *found,
                                 struct tl_err *err)
{
    struct listing listing = {.arena = arena, .topic = topic, .encoded = encoded};
    enum tl_code rc;

    tl_buf_init(&listing.bytes, TL_MASTER_HEAD_BYTES_MAX);
    TL_TRY(file_add(&listing, folder, name, partition, err));
    *found = listing.damage_count > 0;
    if (*found)
        *out = listing.damage[0];
out:
    listing_done(&listing);
    return rc;
}

enum tl_code tl_master_list_sound(struct tl_master *master, struct tl_sv topic, struct tl_master_list *out, struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    struct listing listing = {.topic = topic, .encoded = encoded};
    struct partition_walk walk = {&listing, folder, 0};
    struct tl_master_topic *known;
    enum tl_code rc;

    tl_buf_init(&listing.bytes, TL_MASTER_HEAD_BYTES_MAX);
    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_topic_find(master, topic, &known, err));
    TL_TRY(tl_master_path(folder, err, "%s/topics/%s", master->data_dir, encoded));
    if (!known->held) /* nobody has what was listed before */
        tl_arena_reset(&known->files);
    TL_TRY(topic_hold(master, known, folder, err));
    listing.arena = &known->files;
    TL_TRY(tl_master_folder_walk(folder, each_partition, &walk, err));
    TL_TRY(listing_settle(&listing, out, err));
out:
    listing_done(&listing);
    return rc;
}

enum tl_code tl_master_list(struct tl_master *master, struct tl_sv topic, const struct tl_master_file **files, size_t *count,
                            struct tl_err *err)
{
    struct tl_master_list list;
    enum tl_code rc;

    TL_TRY(tl_master_list_sound(master, topic, &list, err));
    if (list.damage_count > 0)
        TL_TRY(tl_fail(err, list.damage[0].code, "%s", list.damage[0].message));
    *files = list.files;
    *count = list.files_count;
out:
    return rc;
}

enum tl_code tl_master_topic_alone(struct tl_master *master, struct tl_sv topic, int64_t wait_ms, struct tl_err *err)
{
    enum { NAP_MS = 20 };
    int64_t until_ms = tl_clock_monotonic_ms() + wait_ms;
    struct tl_master_topic *known;
    enum tl_code rc;

    TL_TRY(tl_master_topic_find(master, topic, &known, err));
    if (master->lock_fd < 0)
        master->lock_fd = tl_master_lock_open(master->data_dir);
    known->held = true;
    while (!tl_master_lock_set(master->lock_fd, topic, F_WRLCK, false)) {
        if (errno != EAGAIN && errno != EACCES) {
            (void)tl_fail_errno(err, TL_ERR_IO, "%s/record.lock: cannot lock topic %.*s", master->data_dir, TL_SV_ARG(topic));
            tl_master_let_go(master, topic);
            return TL_ERR_IO;
        }
        if (tl_clock_monotonic_ms() >= until_ms) {
            tl_master_let_go(master, topic);
            TL_TRY(tl_fail(err, TL_ERR_BUSY,
                           "topic %.*s is being read or written (batch, reconcile, import, archive); it was left as it is",
                           TL_SV_ARG(topic)));
        }
        tl_clock_sleep_ms(NAP_MS);
    }
    rc = TL_OK;
out:
    return rc;
}

void tl_master_let_go(struct tl_master *master, struct tl_sv topic)
{
    for (struct tl_master_topic *known = master->topics; known != NULL; known = known->next) {
        if (!known->held || !tl_sv_eq(known->topic, topic))
            continue;
        if (master->lock_fd >= 0)
            (void)tl_master_lock_set(master->lock_fd, topic, F_UNLCK, false);
        known->held = false;
    }
}
