/* master_thin.c: old files of the record go for ever. */
#include "master/master.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/master_files.h"
#include "master/master_handle.h"

struct thin_walk {
    const char *encoded, *folder;
    const char *suffix; /* of the names that go in this walk */
    uint32_t partition;
    int64_t offset; /* names below it */
};

static enum tl_code remove_name(void *ctx, const char *name, struct tl_err *err)
{
    const struct thin_walk *walk = ctx;
    char path[PATH_MAX];
    int64_t offset;
    enum tl_code rc = TL_OK;

    if (!tl_master_name_fits(tl_sv_from(name), walk->encoded, walk->partition, walk->suffix, &offset) || offset >= walk->offset)
        return TL_OK;
    TL_TRY(tl_master_path(path, err, "%s/%s", walk->folder, name));
    if (unlink(path) != 0 && errno != ENOENT)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", path));
out:
    return rc;
}

/* The data file first: a file is there when that is. */
static enum tl_code thin_partition(const struct tl_master *master, const char *encoded, uint32_t partition, int64_t offset,
                                   struct tl_err *err)
{
    static const char *const suffixes[] = {TL_MASTER_DATA, TL_MASTER_OTHER, TL_MASTER_INDEX};
    char folder[PATH_MAX];
    enum tl_code rc;

    TL_TRY(tl_master_path(folder, err, "%s/topics/%s/partition=%" PRIu32, master->data_dir, encoded, partition));
    for (size_t s = 0; s < TL_COUNT(suffixes); s++) {
        struct thin_walk walk = {encoded, folder, suffixes[s], partition, offset};

        TL_TRY(tl_master_folder_walk(folder, remove_name, &walk, err));
    }
    if (access(folder, F_OK) == 0)
        TL_TRY(tl_master_folder_sync(folder, err));
out:
    return rc;
}

static int by_partition(const void *a, const void *b)
{
    const struct tl_master_complete *left = a, *right = b;

    return (left->partition > right->partition) - (left->partition < right->partition);
}

/* What was taken before and what is now, per partition the higher offset. */
static enum tl_code thinned_join(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *offsets,
                                 size_t count, struct tl_master_complete **out, size_t *out_count, struct tl_err *err)
{
    const struct tl_master_complete *known;
    struct tl_master_complete *all = NULL;
    size_t known_count, used = 0;
    enum tl_code rc;

    TL_TRY(tl_master_read_thinned(master, topic, &known, &known_count, err));
    all = calloc(known_count + count + 1, sizeof *all);
    if (all == NULL)
        TL_TRY(tl_fail_memory(err, (known_count + count) * sizeof *all));
    for (size_t k = 0; k < known_count; k++)
        all[used++] = known[k];
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < used && all[at].partition != offsets[i].partition)
            at++;
        if (at == used)
            all[used++] = (struct tl_master_complete){.partition = offsets[i].partition, .end_ms = INT64_MIN};
        all[at].offset = tl_max_i64(all[at].offset, offsets[i].offset);
    }
    qsort(all, used, sizeof *all, by_partition);
    *out = all;
    *out_count = used;
out:
    return rc;
}

enum tl_code tl_master_thin(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *offsets, size_t count,
                            int64_t wait_ms, struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1];
    struct tl_master_complete *all = NULL;
    size_t all_count;
    enum tl_code rc;

    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_topic_alone(master, topic, wait_ms, err));
    TL_TRY(thinned_join(master, topic, offsets, count, &all, &all_count, err));
    TL_TRY(tl_master_write_statement(master, topic, "thinned.json", all, all_count, 0, err));
    for (size_t i = 0; i < all_count; i++)
        TL_TRY(thin_partition(master, encoded, all[i].partition, all[i].offset, err));
out:
    tl_master_let_go(master, topic);
    free(all);
    return rc;
}
