/* archive_compact.c: many small files of the master record become few large ones. See archive_compact.h. */
#include "archive_compact.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "archive_record.h"
#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "core/intake.h"
#include "main/progress.h"
#include "main/stop.h"

/* How long somebody who takes no lock may need to list a folder: before that its files do not go. */
enum { LISTING_MS = 200 };

struct compact {
    const struct tl_archive_compact *own;
    struct tl_archive_record record;
    struct tl_intake *intake; /* of the topic at hand */
    uint64_t time_rule;
    struct tl_master_reader *reader;
    struct tl_progress progress;
    uint64_t bytes_done;
    uint64_t damaged_count;
    bool exchanged;                     /* there are old folders */
    uint64_t before_count, after_count; /* files of the topic at hand that were merged, and what came of them */
};

/* Neighbours that become one file. */
struct group {
    const struct tl_master_file *files;
    size_t count;
};

/* ---- which ---- */

static bool follows(const struct tl_master_file *before, const struct tl_master_file *file)
{
    int64_t begin = file->begin_offset == TL_MASTER_BEGIN_UNKNOWN ? file->first_offset : file->begin_offset;

    return file->partition == before->partition && begin == before->last_offset + 1;
}

/* The next group from `from` on: one that is worth the work, or count 0 behind the last. What was set aside as damaged parts neighbours, for
 * its offsets are between theirs. */
static struct group group_next(const struct compact *compact, const struct tl_master_file *files, size_t count, size_t from)
{
    while (from < count) {
        uint64_t bytes = files[from].raw_bytes, messages = files[from].messages_count;
        bool is_old = files[from].time_rule != compact->time_rule;
        size_t end = from + 1;

        if (!is_old && bytes >= compact->own->file_bytes / 2) {
            from++;
            continue;
        }
        for (; end < count && follows(&files[end - 1], &files[end]); end++) {
            bool is_other = files[end].time_rule != compact->time_rule;

            if (bytes + files[end].raw_bytes > compact->own->file_bytes ||
                messages + files[end].messages_count > compact->own->messages_max ||
                (!is_other && files[end].raw_bytes >= compact->own->file_bytes / 2))
                break;
            bytes += files[end].raw_bytes;
            messages += files[end].messages_count;
            is_old = is_old || is_other;
        }
        if (is_old || end - from > 1)
            return (struct group){files + from, end - from};
        from = end;
    }
    return (struct group){NULL, 0};
}

/* ---- the work ---- */

static void hash_message(XXH3_state_t *hash, const struct tl_message *message)
{
    const int64_t numbers[3] = {message->offset, message->log_ms,
                                message->value.data == NULL ? -1 : (int64_t)message->value.size};

    XXH3_128bits_update(hash, numbers, sizeof numbers);
    if (message->value.size > 0)
        XXH3_128bits_update(hash, message->value.data, message->value.size);
}

struct copy {
    struct tl_master_writer *writer;
    XXH3_state_t *hash;
};

static enum tl_code add_message(void *ctx, const struct tl_message *message, const int64_t *time_ms, uint32_t times_count,
                                int64_t watermark_ms, struct tl_err *err)
{
    struct copy *copy = ctx;
    const struct tl_master_facts facts = {.events_count = times_count, .time_ms = time_ms, .watermark_ms = watermark_ms};

    hash_message(copy->hash, message);
    return tl_master_writer_add(copy->writer, message, &facts, err);
}

static enum tl_code copy_file(struct compact *compact, const struct tl_master_file *file, struct copy *copy, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t b = 0; b < file->blocks_count; b++) {
        const struct tl_message *messages;
        size_t count;

        if (tl_stop_requested())
            TL_TRY(tl_fail(err, TL_ERR_IO, "stopped; what was not yet merged is as it was"));
        TL_TRY(tl_master_read_block(compact->reader, file, b, &messages, &count, err));
        TL_TRY(tl_intake_run(compact->intake, messages, count, err));
        TL_TRY(tl_intake_facts(compact->intake, messages, count, add_message, copy, err));
        compact->bytes_done += file->blocks[b].raw_bytes;
        tl_progress_step(&compact->progress, compact->bytes_done, 0);
    }
out:
    return rc;
}

static enum tl_code hash_written(struct compact *compact, struct tl_master_swap *swap, int64_t first_offset, XXH3_state_t *hash,
                                 struct tl_err *err)
{
    const struct tl_master_file *files;
    size_t files_count;
    enum tl_code rc;

    TL_TRY(tl_master_swap_list(swap, &files, &files_count, err));
    for (size_t f = 0; f < files_count; f++) {
        if (files[f].first_offset != first_offset)
            continue;
        for (uint32_t b = 0; b < files[f].blocks_count; b++) {
            const struct tl_message *messages;
            size_t count;

            TL_TRY(tl_master_read_block(compact->reader, &files[f], b, &messages, &count, err));
            for (size_t m = 0; m < count; m++)
                hash_message(hash, &messages[m]);
        }
    }
out:
    return rc;
}

/* Is what was written what was read? Else the disk is not to be trusted, and nothing more is done: unlike damage among the old files, which is TL_ERR_CORRUPT. */
static enum tl_code compare(struct compact *compact, struct tl_master_swap *swap, const struct group *group, XXH3_state_t *hash,
                            struct tl_err *err)
{
    XXH128_hash_t wanted = XXH3_128bits_digest(hash);
    struct tl_err why = {0};
    enum tl_code rc;

    (void)XXH3_128bits_reset(hash);
    rc = hash_written(compact, swap, group->files[0].first_offset, hash, &why);
    if (rc != TL_OK && rc != TL_ERR_CORRUPT)
        return tl_fail(err, rc, "%s", why.message);
    if (rc == TL_ERR_CORRUPT || !XXH128_isEqual(wanted, XXH3_128bits_digest(hash)))
        return tl_fail(
            err, TL_ERR_IO,
            "%s: what was merged of it and %zu files behind it reads otherwise than it was written; the partition is as "
            "it was: look after the disk%s%s",
            group->files[0].path, group->count - 1, rc == TL_OK ? "" : ": ", why.message);
    return TL_OK;
}

static enum tl_code merge_group(struct compact *compact, struct tl_master_swap *swap, const struct group *group,
                                struct tl_err *err)
{
    struct copy copy = {.hash = XXH3_createState()};
    struct tl_master_writer *writer;
    enum tl_code rc;

    if (copy.hash == NULL || XXH3_128bits_reset(copy.hash) == XXH_ERROR)
        TL_TRY(tl_fail_memory(err, sizeof copy));
    TL_TRY(tl_master_swap_writer(swap, compact->time_rule, &copy.writer, err));
    for (size_t f = 0; f < group->count; f++)
        TL_TRY(copy_file(compact, &group->files[f], &copy, err));
    tl_master_writer_begin_at(copy.writer, group->files[0].begin_offset);
    writer = copy.writer;
    copy.writer = NULL;
    TL_TRY(tl_master_writer_finish(writer, err));
    TL_TRY(compare(compact, swap, group, copy.hash, err));
out:
    tl_master_writer_abandon(copy.writer);
    XXH3_freeState(copy.hash);
    return rc;
}

struct replaced {
    const struct tl_master_file **files;
    size_t count;
};

static enum tl_code replaced_add(struct replaced *replaced, const struct group *group, struct tl_err *err)
{
    if (!TL_RESIZE(replaced->files, replaced->count + group->count))
        return tl_fail_memory(err, group->count * sizeof(struct tl_master_file *));
    for (size_t f = 0; f < group->count; f++)
        replaced->files[replaced->count++] = &group->files[f];
    return TL_OK;
}

/* All groups of one partition go into place together. A file that turns out to be damaged when it is read leaves its group as it is. */
static enum tl_code merge_partition(struct compact *compact, struct tl_sv topic, const struct tl_master_file *files, size_t count,
                                    struct tl_err *err)
{
    struct group group = group_next(compact, files, count, 0);
    struct tl_master_swap *swap = NULL;
    struct replaced replaced = {0};
    uint64_t groups = 0;
    enum tl_code rc = TL_OK;

    if (group.count == 0)
        return TL_OK;
    TL_TRY(tl_master_swap_open(compact->record.master, topic, files[0].partition, &swap, err));
    while (group.count > 0) {
        size_t end = (size_t)(group.files - files) + group.count;

        rc = merge_group(compact, swap, &group, err);
        if (rc == TL_ERR_CORRUPT) {
            tl_diag(TL_WARN, "%s; it is left as it is, and its neighbours", err->message);
            compact->damaged_count++;
        } else {
            TL_TRY(rc);
            TL_TRY(replaced_add(&replaced, &group, err));
            groups++;
        }
        group = group_next(compact, files, count, end);
    }
    rc = TL_OK;
    if (groups == 0)
        goto out;
    TL_TRY(tl_master_swap_commit(swap, replaced.files, replaced.count, compact->own->wait_ms, err));
    compact->exchanged = true;
    compact->before_count += replaced.count;
    compact->after_count += groups;
out:
    tl_master_swap_close(swap);
    free(replaced.files);
    return rc;
}

/* ---- a topic ---- */

static void say_damage(struct compact *compact, const struct tl_master_list *list)
{
    for (size_t d = 0; d < list->damage_count; d++)
        tl_diag(TL_WARN, "%s; it is left as it is", list->damage[d].message);
    compact->damaged_count += list->damage_count;
}

/* The first partition from `partition` on, as it is listed now: behind an exchange what was listed before is gone. */
static enum tl_code partition_list(struct compact *compact, struct tl_sv topic, int64_t partition, struct tl_master_list *list,
                                   struct tl_err *err)
{
    size_t from = 0, count = 0;
    enum tl_code rc;

    tl_master_let_go(compact->record.master, topic);
    TL_TRY(tl_master_list_sound(compact->record.master, topic, list, err));
    while (from < list->files_count && list->files[from].partition < partition)
        from++;
    while (from + count < list->files_count && list->files[from + count].partition == list->files[from].partition)
        count++;
    list->files += from;
    list->files_count = count;
out:
    return rc;
}

static enum tl_code compact_topic(void *ctx, const struct tl_archive_topic *topic, struct tl_err *err)
{
    struct compact *compact = ctx;
    char before[TL_COUNT_TEXT_BYTES], after[TL_COUNT_TEXT_BYTES];
    struct tl_master_list list;
    enum tl_code rc;

    compact->before_count = compact->after_count = 0;
    compact->time_rule = tl_intake_time_rule(compact->record.plan, topic->source);
    TL_TRY(tl_intake_open(compact->record.plan, topic->source, &compact->intake, err));
    TL_TRY(partition_list(compact, topic->name, 0, &list, err));
    say_damage(compact, &list);
    while (list.files_count > 0) {
        int64_t partition = list.files[0].partition;

        TL_TRY(merge_partition(compact, topic->name, list.files, list.files_count, err));
        TL_TRY(partition_list(compact, topic->name, partition + 1, &list, err));
    }
out:
    tl_master_let_go(compact->record.master, topic->name);
    tl_intake_close(compact->intake);
    compact->intake = NULL;
    if (compact->before_count > 0) {
        tl_progress_end(&compact->progress);
        printf("merged %s file%s of topic %.*s into %s\n", tl_count_text(compact->before_count, before),
               compact->before_count == 1 ? "" : "s", TL_SV_ARG(topic->name), tl_count_text(compact->after_count, after));
    }
    return rc;
}

/* Old folders, and what one that was killed has left. */
static enum tl_code remove_old(void *ctx, const struct tl_archive_topic *topic, struct tl_err *err)
{
    const struct compact *compact = ctx;

    return tl_master_swap_clean(compact->record.master, topic->name, err);
}

/* What was exchanged before something failed has been exchanged. */
static enum tl_code compact_all(struct compact *compact, struct tl_err *err)
{
    enum tl_code rc = tl_archive_record_each(&compact->record, compact_topic, compact, err), removed;

    if (!compact->exchanged)
        return rc;
    tl_clock_sleep_ms(LISTING_MS);
    removed = tl_archive_record_each(&compact->record, remove_old, compact, rc == TL_OK ? err : NULL);
    return rc == TL_OK ? removed : rc;
}

enum tl_code tl_archive_compact(const struct tl_common_options *common, const struct tl_archive_compact *own, struct tl_err *err)
{
    struct compact compact = {.own = own};
    enum tl_code rc;

    TL_TRY(tl_archive_record_open(&compact.record, common, err));
    TL_TRY(tl_master_reader_open(&compact.reader, err));
    tl_progress_begin(&compact.progress, "compact");
    TL_TRY(tl_archive_record_each(&compact.record, remove_old, &compact, err));
    TL_TRY(compact_all(&compact, err));
    if (compact.damaged_count > 0)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%" PRIu64 " damaged file%s left as %s; tally archive --verify lists %s",
                       compact.damaged_count, compact.damaged_count == 1 ? " was" : "s were",
                       compact.damaged_count == 1 ? "it is" : "they are", compact.damaged_count == 1 ? "it" : "them"));
out:
    tl_progress_end(&compact.progress);
    tl_master_reader_close(compact.reader);
    tl_archive_record_close(&compact.record);
    return rc;
}
