/* master_swap.c: a partition's folder made anew beside it, and put in its place by one system call. master.h draws it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "master/master.h"
#include "master/master_files.h"
#include "master/master_handle.h"
#include "master/master_index.h"

struct tl_master_swap {
    struct tl_master *master;
    struct tl_arena arena;
    struct tl_sv topic;
    uint32_t partition;
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1];
    char place[PATH_MAX];                          /* where readers look */
    char beside[PATH_MAX], beside_topic[PATH_MAX]; /* where it is made */
    bool exchanged;                                /* what stands beside is the old folder */
};

static enum tl_code remove_name(void *ctx, const char *name, struct tl_err *err)
{
    const struct tl_master_swap *swap = ctx;
    char path[PATH_MAX];
    enum tl_code rc = TL_OK;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return TL_OK;
    TL_TRY(tl_master_path(path, err, "%s/%s", swap->beside, name));
    if (unlink(path) != 0 && errno != ENOENT)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", path));
out:
    return rc;
}

/* What a killed one left, or the old folder. */
static enum tl_code beside_remove(struct tl_master_swap *swap, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_master_folder_walk(swap->beside, remove_name, swap, err));
    if (rmdir(swap->beside) != 0 && errno != ENOENT)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", swap->beside));
    if (rmdir(swap->beside_topic) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", swap->beside_topic));
out:
    return rc;
}

static enum tl_code swap_begin(struct tl_master *master, struct tl_sv topic, uint32_t partition, struct tl_master_swap **out,
                               struct tl_err *err)
{
    struct tl_master_swap *swap = calloc(1, sizeof *swap);
    enum tl_code rc;

    if (swap == NULL)
        return tl_fail_memory(err, sizeof *swap);
    swap->master = master;
    swap->partition = partition;
    tl_arena_init(&swap->arena, 16 * 1024, 0);
    TL_TRY(tl_master_topic_encode(topic, swap->encoded, err));
    if (!tl_arena_copy(&swap->arena, topic, &swap->topic))
        TL_TRY(tl_fail_memory(err, topic.size));
    TL_TRY(tl_master_path(swap->place, err, "%s/topics/%s/partition=%" PRIu32, master->data_dir, swap->encoded, partition));
    TL_TRY(tl_master_path(swap->beside_topic, err, "%s/topics/_%s", master->data_dir, swap->encoded));
    TL_TRY(tl_master_path(swap->beside, err, "%s/partition=%" PRIu32, swap->beside_topic, partition));
    *out = swap;
    swap = NULL;
out:
    tl_master_swap_close(swap);
    return rc;
}

struct clean_walk {
    struct tl_master *master;
    struct tl_sv topic;
};

static enum tl_code clean_folder(void *ctx, const char *name, struct tl_err *err)
{
    const struct clean_walk *walk = ctx;
    struct tl_master_swap *swap = NULL;
    uint32_t partition;
    enum tl_code rc;

    if (!tl_master_partition_of(name, &partition))
        return TL_OK;
    TL_TRY(swap_begin(walk->master, walk->topic, partition, &swap, err));
    TL_TRY(beside_remove(swap, err));
out:
    tl_master_swap_close(swap);
    return rc;
}

enum tl_code tl_master_swap_clean(struct tl_master *master, struct tl_sv topic, struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    struct clean_walk walk = {master, topic};
    enum tl_code rc;

    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_path(folder, err, "%s/topics/_%s", master->data_dir, encoded));
    TL_TRY(tl_master_folder_walk(folder, clean_folder, &walk, err));
    if (rmdir(folder) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", folder));
out:
    return rc;
}

enum tl_code tl_master_swap_open(struct tl_master *master, struct tl_sv topic, uint32_t partition, struct tl_master_swap **out,
                                 struct tl_err *err)
{
    struct tl_master_swap *swap = NULL;
    struct stat found;
    enum tl_code rc;

    TL_TRY(swap_begin(master, topic, partition, &swap, err));
    if (lstat(swap->place, &found) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot look at the folder", swap->place));
    if (!S_ISDIR(found.st_mode))
        TL_TRY(tl_fail(err, TL_ERR_LIMIT, "%s: is a link, and a link cannot be exchanged; put the folder itself there",
                       swap->place));
    TL_TRY(beside_remove(swap, err));
    TL_TRY(tl_master_folder_make(swap->beside_topic, err));
    TL_TRY(tl_master_folder_make(swap->beside, err));
    *out = swap;
    swap = NULL;
out:
    tl_master_swap_close(swap);
    return rc;
}

void tl_master_swap_close(struct tl_master_swap *swap)
{
    if (swap == NULL)
        return;
    if (swap->beside[0] != '\0' && !swap->exchanged)
        (void)beside_remove(swap, NULL);
    tl_arena_done(&swap->arena);
    free(swap);
}

enum tl_code tl_master_swap_writer(struct tl_master_swap *swap, uint64_t time_rule, struct tl_master_writer **out,
                                   struct tl_err *err)
{
    return tl_master_writer_open_in(swap->master, swap->topic, swap->partition, time_rule, swap->beside, out, err);
}

enum tl_code tl_master_swap_list(struct tl_master_swap *swap, const struct tl_master_file **files, size_t *count,
                                 struct tl_err *err)
{
    struct tl_master_list list;
    enum tl_code rc;

    TL_TRY(tl_master_list_folder(&swap->arena, swap->topic, swap->encoded, swap->partition, swap->beside, &list, err));
    if (list.damage_count > 0)
        TL_TRY(tl_fail(err, list.damage[0].code, "%s", list.damage[0].message));
    *files = list.files;
    *count = list.files_count;
out:
    return rc;
}

/* ---- the exchange ---- */

struct link_walk {
    const struct tl_master_swap *swap;
    const struct tl_master_file *const *replaced;
    size_t count, found; /* how many of them are still there */
};

/* Is the name one of the three of a file that is replaced, or what a killed writer left? */
static bool stays_behind(struct link_walk *walk, const char *name)
{
    static const char *const suffixes[] = {TL_MASTER_DATA, TL_MASTER_OTHER, TL_MASTER_INDEX};
    struct tl_sv text = tl_sv_from(name[0] == '_' ? name + 1 : name);
    int64_t offset;

    for (size_t s = 0; s < TL_COUNT(suffixes); s++) {
        if (!tl_master_name_fits(text, walk->swap->encoded, walk->swap->partition, suffixes[s], &offset))
            continue;
        if (name[0] == '_')
            return true; /* nobody writes: the topic is ours alone */
        for (size_t r = 0; r < walk->count; r++) {
            if (walk->replaced[r]->first_offset != offset)
                continue;
            walk->found += s == 0;
            return true;
        }
    }
    return false;
}

static enum tl_code link_name(void *ctx, const char *name, struct tl_err *err)
{
    struct link_walk *walk = ctx;
    char from[PATH_MAX], to[PATH_MAX];
    enum tl_code rc = TL_OK;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || stays_behind(walk, name))
        return TL_OK;
    TL_TRY(tl_master_path(from, err, "%s/%s", walk->swap->place, name));
    TL_TRY(tl_master_path(to, err, "%s/%s", walk->swap->beside, name));
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, 0) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO,
                             "%s: cannot be linked to %s; a folder or a file of somebody else's is to be moved away", from, to));
out:
    return rc;
}

static enum tl_code exchange(struct tl_master_swap *swap, struct tl_err *err)
{
    char topic[PATH_MAX];
    enum tl_code rc;

    TL_TRY(tl_master_folder_sync(swap->beside, err));
    if (renameat2(AT_FDCWD, swap->beside, AT_FDCWD, swap->place, RENAME_EXCHANGE) != 0) {
        if (errno == EINVAL || errno == ENOTSUP || errno == EXDEV)
            TL_TRY(tl_fail_errno(err, TL_ERR_LIMIT,
                                 "%s: the file system does not exchange two folders at once (ext4, XFS, Btrfs and tmpfs do), and "
                                 "otherwise readers would see a mixture; nothing was changed",
                                 swap->place));
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be exchanged with %s", swap->place, swap->beside));
    }
    swap->exchanged = true;
    TL_TRY(tl_master_path(topic, err, "%s/topics/%s", swap->master->data_dir, swap->encoded));
    TL_TRY(tl_master_folder_sync(topic, err));
    TL_TRY(tl_master_folder_sync(swap->beside_topic, err));
out:
    return rc;
}

enum tl_code tl_master_swap_commit(struct tl_master_swap *swap, const struct tl_master_file *const *replaced, size_t count,
                                   int64_t wait_ms, struct tl_err *err)
{
    struct link_walk walk = {swap, replaced, count, 0};
    enum tl_code rc;

    TL_TRY(tl_master_topic_alone(swap->master, swap->topic, wait_ms, err));
    TL_TRY(tl_master_folder_walk(swap->place, link_name, &walk, err));
    if (walk.found != count)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: %zu of the %zu files that were to be replaced are gone; nothing was changed",
                       swap->place, count - walk.found, count));
    TL_TRY(exchange(swap, err));
out:
    tl_master_let_go(swap->master, swap->topic);
    return rc;
}
