/* master_lost.c: which files of the record are gone: what others say of them, and what their own index still says. */
#include "master/master.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "master/master_files.h"
#include "master/master_handle.h"

/* The offsets that a file has, or (damaged) must have had. */
struct span {
    uint32_t partition;
    int64_t begin, first, last; /* last -1: unknown */
};

/* Offsets [first, end) have no file. */
struct hole {
    uint32_t partition;
    int64_t first, end;
    const char *who; /* speaks of them; NULL: nobody, and the log may have had none */
};

struct lost {
    struct tl_master *master;
    struct tl_sv topic;
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1];
    struct tl_arena *arena;
    const struct tl_master_complete *complete, *thinned;
    size_t complete_count, thinned_count;
    struct tl_master_list *list;
    struct hole *holes; /* by partition and offset */
    size_t holes_count, holes_capacity;
    struct tl_master_damage *damage; /* the list's, and what is gone */
    size_t damage_count, damage_capacity;
    bool came; /* a file is there that was not when the topic was listed */
};

/* ---- holes ---- */

static int span_order(const void *a, const void *b)
{
    const struct span *left = a, *right = b;

    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->first > right->first) - (left->first < right->first);
}

static enum tl_code spans_of(const struct lost *lost, struct span **out, size_t *count, struct tl_err *err)
{
    const struct tl_master_list *list = lost->list;
    struct span *spans = malloc((list->files_count + lost->damage_count + 1) * sizeof *spans);
    size_t used = 0;

    if (spans == NULL)
        return tl_fail_memory(err, list->files_count * sizeof *spans);
    for (size_t f = 0; f < list->files_count; f++) {
        const struct tl_master_file *file = &list->files[f];

        spans[used++] = (struct span){file->partition, file->begin_offset, file->first_offset, file->last_offset};
    }
    for (size_t d = 0; d < lost->damage_count; d++) {
        const struct tl_master_damage *damage = &lost->damage[d];
        int64_t begin = damage->file == NULL ? TL_MASTER_BEGIN_UNKNOWN : damage->file->begin_offset;

        if (damage->first_offset >= 0)
            spans[used++] = (struct span){damage->partition, begin, damage->first_offset, damage->last_offset};
    }
    if (used > 0)
        qsort(spans, used, sizeof *spans, span_order);
    *out = spans;
    *count = used;
    return TL_OK;
}

/* Below this offset there is no file any more, on purpose. */
static int64_t thinned_to(const struct lost *lost, uint32_t partition)
{
    for (size_t i = 0; i < lost->thinned_count; i++)
        if (lost->thinned[i].partition == partition)
            return lost->thinned[i].offset;
    return 0;
}

static enum tl_code hole_add(struct lost *lost, const struct hole *hole, struct tl_err *err)
{
    if (lost->holes_count == lost->holes_capacity) {
        size_t capacity = lost->holes_capacity * 2 + 16;

        if (!TL_RESIZE(lost->holes, capacity))
            return tl_fail_memory(err, capacity * sizeof *lost->holes);
        lost->holes_capacity = capacity;
    }
    lost->holes[lost->holes_count++] = *hole;
    return TL_OK;
}

/* Each file says behind which offset it was begun, and complete.json where the last one ended. */
static enum tl_code holes_find(struct lost *lost, struct tl_err *err)
{
    struct span *spans = NULL;
    size_t count = 0;
    int64_t end = -1; /* behind the spans so far; -1: unknown */
    enum tl_code rc;

    lost->holes_count = 0;
    TL_TRY(spans_of(lost, &spans, &count, err));
    for (size_t s = 0; s < count; s++) {
        const struct span *span = &spans[s];
        bool is_known = span->begin != TL_MASTER_BEGIN_UNKNOWN, is_first = s == 0 || spans[s - 1].partition != span->partition;
        int64_t begin = is_known ? span->begin : span->first;

        if (is_first) /* the first file of all begins with 0 */
            end = thinned_to(lost, span->partition);
        if ((!is_first || is_known) && end >= 0 && begin > end)
            TL_TRY(hole_add(lost, &(struct hole){span->partition, end, begin, is_known ? "the file behind" : NULL}, err));
        end = span->last < 0 ? -1 : tl_max_i64(end, span->last + 1);
    }
    for (size_t c = 0; c < lost->complete_count; c++) {
        const struct tl_master_complete *complete = &lost->complete[c];
        bool is_known = true;

        end = thinned_to(lost, complete->partition);
        for (size_t s = 0; s < count; s++) {
            if (spans[s].partition != complete->partition)
                continue;
            is_known = is_known && spans[s].last >= 0;
            end = tl_max_i64(end, spans[s].last + 1);
        }
        if (is_known && end < complete->files_offset)
            TL_TRY(hole_add(lost, &(struct hole){complete->partition, end, complete->files_offset, "complete.json"}, err));
    }
out:
    free(spans);
    return rc;
}

/* ---- what stands in them ---- */

static enum tl_code damage_add(struct lost *lost, const struct tl_master_damage *damage, struct tl_err *err)
{
    if (lost->damage_count == lost->damage_capacity) {
        size_t capacity = lost->damage_capacity * 2 + 16;

        if (!TL_RESIZE(lost->damage, capacity))
            return tl_fail_memory(err, capacity * sizeof *lost->damage);
        lost->damage_capacity = capacity;
    }
    lost->damage[lost->damage_count++] = *damage;
    return TL_OK;
}

struct hole_walk {
    struct lost *lost;
    const char *folder;
    uint32_t partition;
    size_t holes_count; /* that there were before the walk */
};

static bool lies_in_hole(const struct hole_walk *walk, int64_t first, int64_t last)
{
    for (size_t h = 0; h < walk->holes_count; h++) {
        const struct hole *hole = &walk->lost->holes[h];

        if (hole->partition == walk->partition && first >= hole->first && last < hole->end)
            return true;
    }
    return false;
}

/* An index without its data file. What a killed writer left has its offsets in a file behind it, or in none that anybody speaks of. */
static enum tl_code index_look(struct hole_walk *walk, const char *name, struct tl_err *err)
{
    struct lost *lost = walk->lost;
    struct tl_master_damage damage;
    char data[NAME_MAX + 1];
    bool found = false;
    enum tl_code rc;

    snprintf(data, sizeof data, "%.*s%s", (int)(strlen(name) - strlen(TL_MASTER_INDEX)), name, TL_MASTER_DATA);
    TL_TRY(
        tl_master_damage_of(lost->arena, lost->topic, lost->encoded, walk->partition, walk->folder, data, &damage, &found, err));
    if (!found) {
        lost->came = true;
        goto out;
    }
    damage.missing = true;
    if (lies_in_hole(walk, damage.first_offset, tl_max_i64(damage.first_offset, damage.last_offset)))
        TL_TRY(damage_add(lost, &damage, err));
out:
    return rc;
}

static enum tl_code each_name(void *ctx, const char *name, struct tl_err *err)
{
    struct hole_walk *walk = ctx;
    struct tl_sv text = tl_sv_from(name);
    char path[PATH_MAX];
    struct stat unused;
    int64_t offset;
    enum tl_code rc = TL_OK;

    if (tl_master_name_fits(text, walk->lost->encoded, walk->partition, TL_MASTER_DATA, &offset)) {
        walk->lost->came = walk->lost->came || lies_in_hole(walk, offset, offset);
        return TL_OK;
    }
    if (!tl_master_name_fits(text, walk->lost->encoded, walk->partition, TL_MASTER_INDEX, &offset) ||
        !lies_in_hole(walk, offset, offset))
        return TL_OK;
    TL_TRY(
        tl_master_path(path, err, "%s/%.*s%s", walk->folder, (int)(text.size - strlen(TL_MASTER_INDEX)), name, TL_MASTER_DATA));
    if (lstat(path, &unused) != 0)
        TL_TRY(index_look(walk, name, err));
out:
    return rc;
}

static enum tl_code folder_of(const struct lost *lost, uint32_t partition, char out[PATH_MAX], struct tl_err *err)
{
    return tl_master_path(out, err, "%s/topics/%s/partition=%" PRIu32, tl_master_data_dir(lost->master), lost->encoded,
                          partition);
}

static enum tl_code holes_look(struct lost *lost, struct tl_err *err)
{
    char folder[PATH_MAX];
    enum tl_code rc = TL_OK;

    for (size_t h = 0; h < lost->holes_count; h++) {
        struct hole_walk walk = {lost, folder, lost->holes[h].partition, lost->holes_count};
        bool walked = false;

        for (size_t other = 0; other < h; other++)
            walked = walked || lost->holes[other].partition == walk.partition;
        if (walked)
            continue;
        TL_TRY(folder_of(lost, walk.partition, folder, err));
        TL_TRY(tl_master_folder_walk(folder, each_name, &walk, err));
    }
out:
    return rc;
}

/* ---- the answer ---- */

/* Of a file that is gone with its index. */
static enum tl_code hole_report(struct lost *lost, const struct hole *hole, struct tl_err *err)
{
    struct tl_master_damage damage = {.code = TL_ERR_CORRUPT,
                                      .missing = true,
                                      .partition = hole->partition,
                                      .first_offset = hole->first,
                                      .last_offset = hole->end - 1,
                                      .path = ""};
    char folder[PATH_MAX];
    enum tl_code rc;

    TL_TRY(folder_of(lost, hole->partition, folder, err));
    damage.message = tl_arena_printf(lost->arena,
                                     "%s: %s speaks of offsets up to %" PRId64 ", and a file with offsets %" PRId64 " to %" PRId64
                                     " is gone; bring it back from a copy, with its index",
                                     folder, hole->who, hole->end - 1, hole->first, hole->end - 1);
    if (damage.message == NULL)
        TL_TRY(tl_fail_memory(err, sizeof folder));
    TL_TRY(damage_add(lost, &damage, err));
out:
    return rc;
}

static enum tl_code list_settle(struct lost *lost, struct tl_err *err)
{
    size_t holes_count = lost->holes_count;
    struct tl_master_gap *gaps = tl_arena_alloc(lost->arena, (holes_count + 1) * sizeof *gaps);
    struct tl_master_damage *damage;
    enum tl_code rc = TL_OK;

    if (gaps == NULL)
        return tl_fail_memory(err, holes_count * sizeof *gaps);
    lost->list->gaps = gaps;
    lost->list->gaps_count = 0;
    for (size_t h = 0; h < holes_count; h++) {
        const struct hole *hole = &lost->holes[h];

        if (hole->who != NULL)
            TL_TRY(hole_report(lost, hole, err));
        else
            gaps[lost->list->gaps_count++] = (struct tl_master_gap){hole->partition, hole->first, hole->end - 1};
    }
    damage = tl_arena_alloc(lost->arena, (lost->damage_count + 1) * sizeof *damage);
    if (damage == NULL)
        return tl_fail_memory(err, lost->damage_count * sizeof *damage);
    if (lost->damage_count > 0)
        memcpy(damage, lost->damage, lost->damage_count * sizeof *damage);
    lost->list->damage = damage;
    lost->list->damage_count = lost->damage_count;
out:
    return rc;
}

static enum tl_code damage_take(struct lost *lost, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    lost->came = false;
    lost->damage_count = 0;
    for (size_t d = 0; d < lost->list->damage_count; d++)
        TL_TRY(damage_add(lost, &lost->list->damage[d], err));
out:
    return rc;
}

enum tl_code tl_master_find_lost(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *complete,
                                 size_t complete_count, const struct tl_master_complete *thinned, size_t thinned_count,
                                 struct tl_master_list *list, struct tl_err *err)
{
    struct lost lost = {.master = master,
                        .topic = topic,
                        .complete = complete,
                        .complete_count = complete_count,
                        .thinned = thinned,
                        .thinned_count = thinned_count,
                        .list = list};
    struct tl_master_topic *known;
    enum tl_code rc;

    TL_TRY(tl_master_topic_encode(topic, lost.encoded, err));
    TL_TRY(tl_master_topic_find(master, topic, &known, err));
    lost.arena = &known->files;
    for (;;) {
        TL_TRY(damage_take(&lost, err));
        TL_TRY(holes_find(&lost, err));
        if (lost.holes_count == 0)
            goto out;
        TL_TRY(holes_look(&lost, err));
        if (!lost.came)
            break;
        /* A folder is not read in one instant: somebody has archived one file while it was read, and another behind it. */
        TL_TRY(tl_master_list_sound(master, topic, list, err));
    }
    TL_TRY(holes_find(&lost, err)); /* with what was found in them */
    TL_TRY(list_settle(&lost, err));
out:
    free(lost.holes);
    free(lost.damage);
    return rc;
}
