/* archive_retention.c: old files of the master record go. See archive_retention.h. */
#include "archive_retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/process.h"
#include "event/timestamp.h"
#include "left_out.h"
#include "main/data_dir.h"
#include "main/print.h"
#include "others.h"
#include "scope.h"
#include "sealed.h"
#include "sealed_note.h"
#include "store/store_check.h"

/* What goes of one topic of the record. */
struct thinned {
    struct tl_sv record, topic; /* "events.import" and "events" */
    int64_t upto_ms;
    struct tl_master_complete *offsets; /* per partition */
    size_t count;
    uint64_t files_count, messages_count, bytes;
};

struct retention {
    const struct tl_archive_retention *own;
    struct tl_scope scope;
    struct tl_others others;
    struct tl_left_out damage; /* what was said of it */
    struct tl_lock *record_lock, *batch_lock;
    int64_t *upto_ms; /* S, per source of the plan; INT64_MIN: nothing goes */
    struct thinned *thinned;
    size_t thinned_count;
    struct tl_printer printer;
};

/* ---- S ---- */

/* What may be sealed of a definition: the ranges from the beginning of time on that are as they should be, and end before the limit. */
struct settled {
    int64_t upto_ms;
    bool damaged; /* what lies behind may have events that are lost or cannot be read */
    bool kept;    /* of what lies behind a check keeps something back, which a person may let pass */
};

static struct settled settle(const struct tl_days *days, const struct tl_input *input, int64_t limit_ms, int64_t kept_from_ms)
{
    struct settled settled = {.upto_ms = INT64_MIN};

    for (uint32_t d = 0; d < days->count; d++) {
        const struct tl_day *day = &days->days[d];

        if (day->reason != TL_DAY_CLEAN || day->held || day->to_ms > tl_min_i64(limit_ms, days->boundary_ms))
            break;
        settled.kept = day->to_ms > kept_from_ms;
        settled.damaged = tl_input_damage(input, day->from_ms, day->to_ms) != NULL;
        if (settled.kept || settled.damaged)
            break;
        settled.upto_ms = day->to_ms;
    }
    return settled;
}

/* `view` as people are told of it; `advice`: how it comes to be published. */
static enum tl_code lower(struct retention *retention, uint32_t source, int64_t definition, const struct tl_days *days,
                          const char *view, const char *advice, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    int64_t limit_ms = scope->now_ms - retention->own->age_ms, kept_from_ms = INT64_MAX;
    char text[TL_TIME_TEXT_BYTES] = "the beginning";
    struct settled settled;
    enum tl_code rc = TL_OK;

    if (definition != 0)
        TL_TRY(tl_store_first_kept(scope->store, definition, &kept_from_ms, err));
    settled = settle(days, scope->inputs[source], limit_ms, kept_from_ms);
    if (!settled.damaged && settled.upto_ms < limit_ms - TL_DAY_MS) { /* more than what lies between a limit and a midnight */
        if (settled.upto_ms != INT64_MIN)
            tl_time_to_iso_z(settled.upto_ms, text);
        tl_diag(TL_INFO, "view %s is published, and nothing in it has changed, up to %s: what is newer stays on record%s", view,
                text, settled.kept ? "; tally checks --failed shows what is kept back there" : advice);
    }
    retention->upto_ms[source] = tl_min_i64(retention->upto_ms[source], settled.upto_ms);
out:
    return rc;
}

/* What another views file has not published goes no more than what this one has not. */
static enum tl_code lower_by_other(struct retention *retention, const struct tl_other *other, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    char view[300];

    snprintf(view, sizeof view, "%.*s (definition %s, which this views file does not have)", TL_SV_ARG(other->view), other->hash);
    if (other->like >= 0)
        return lower(retention, scope->plan->views[other->like].source, other->definition, &other->days, view,
                     "; tally batch with the views file that has it publishes them", err);
    tl_diag(TL_INFO,
            "view %s reads a topic of this one, and takes the times of its events from elsewhere, or reads more topics: what it "
            "still needs cannot be told here, and all of it stays on record; --retention with a views file that has both tells",
            view);
    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        if (other->reads[s])
            retention->upto_ms[s] = INT64_MIN;
    return TL_OK;
}

static enum tl_code find_upto(struct retention *retention, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    int64_t limit_ms = scope->now_ms - retention->own->age_ms;
    char view[300];
    enum tl_code rc = TL_OK;

    retention->upto_ms = calloc(scope->plan->sources_count, sizeof *retention->upto_ms);
    if (retention->upto_ms == NULL)
        return tl_fail_memory(err, scope->plan->sources_count * sizeof *retention->upto_ms);
    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        retention->upto_ms[s] = limit_ms;
    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        snprintf(view, sizeof view, "%.*s", TL_SV_ARG(scope->plan->views[v].name));
        TL_TRY(lower(retention, scope->plan->views[v].source, scope->definitions[v], &scope->days[v], view, "", err));
    }
    for (size_t o = 0; o < retention->others.count; o++)
        TL_TRY(lower_by_other(retention, &retention->others.others[o], err));
out:
    return rc;
}

/* ---- which files ---- */

/* A topic that several tables read is as old as the one that needs most of it. */
static int64_t upto_of(const struct retention *retention, struct tl_sv topic)
{
    int64_t upto_ms = INT64_MAX;

    for (uint32_t s = 0; s < retention->scope.plan->sources_count; s++) {
        uint32_t count;
        const struct tl_source_topic *topics = tl_source_topics_of(retention->scope.topics, s, &count);

        for (uint32_t t = 0; t < count; t++)
            if (tl_sv_eq(topics[t].name, topic))
                upto_ms = tl_min_i64(upto_ms, retention->upto_ms[s]);
    }
    return upto_ms;
}

static bool is_old(const struct tl_input_file *file, int64_t upto_ms)
{
    int64_t log_ms = INT64_MIN;

    if (file->damage != NULL || file->times_unknown)
        return false;
    if (file->times.min_ms <= file->times.max_ms)
        return file->times.max_ms < upto_ms;
    for (uint32_t b = 0; b < file->file->blocks_count; b++) /* no event in it has a time: by the log's */
        log_ms = tl_max_i64(log_ms, file->file->blocks[b].log_ms_max);
    return log_ms < upto_ms;
}

/* Of a file that is damaged, or is not there: had it gone by now? */
static bool was_old(const struct tl_input_file *file, int64_t limit_ms)
{
    return file->damage != NULL &&
           (file->times_unknown || file->times.min_ms > file->times.max_ms || file->times.min_ms < limit_ms);
}

/* How many files may go from the beginning of the partition, by what this table reads in them. What lies before an old one that is damaged stays with
 * it. */
static uint32_t old_files(const struct tl_input_partition *partition, int64_t upto_ms, int64_t limit_ms)
{
    uint32_t count = 0;

    for (uint32_t f = 0; f < partition->files_count; f++)
        if (was_old(&partition->files[f], limit_ms))
            return 0;
    while (count + 1 < partition->files_count && is_old(&partition->files[count], upto_ms))
        count++;
    return count;
}

static const struct tl_input_partition *same_partition(const struct tl_input *input, const struct tl_input_partition *partition)
{
    for (uint32_t p = 0; p < input->partitions_count; p++)
        if (tl_sv_eq(input->partitions[p].topic, partition->topic) &&
            tl_partition_in_topic(input->partitions[p].partition) == tl_partition_in_topic(partition->partition))
            return &input->partitions[p];
    return NULL;
}

static struct thinned *thinned_of(struct retention *retention, const struct tl_input_partition *partition)
{
    struct thinned *thinned;

    for (size_t t = 0; t < retention->thinned_count; t++)
        if (tl_sv_eq(retention->thinned[t].record, partition->topic))
            return &retention->thinned[t];
    if (!TL_RESIZE(retention->thinned, retention->thinned_count + 1))
        return NULL;
    thinned = &retention->thinned[retention->thinned_count++];
    *thinned = (struct thinned){.record = partition->topic, .topic = tl_sealed_topic(partition)};
    return thinned;
}

static enum tl_code print_file(struct retention *retention, const struct tl_input_partition *partition,
                               const struct tl_master_file *file, struct tl_err *err)
{
    const struct tl_value values[] = {
        {.kind = TL_STRING, .sv = partition->topic                            },
        {.kind = TL_BIGINT, .i64 = tl_partition_in_topic(partition->partition)},
        {.kind = TL_BIGINT, .i64 = file->first_offset                         },
        {.kind = TL_BIGINT, .i64 = file->last_offset                          },
        {.kind = TL_BIGINT, .i64 = (int64_t)file->messages_count              },
        {.kind = TL_BIGINT, .i64 = (int64_t)tl_master_packed_bytes(file)      },
        {.kind = TL_STRING, .sv = tl_sv_from(file->path)                      },
    };

    return retention->own->dry_run ? tl_printer_row(&retention->printer, values, TL_COUNT(values), err) : TL_OK;
}

/* The first of the tables that read a partition sees to it, for all. */
static enum tl_code thin_partition(struct retention *retention, uint32_t source, const struct tl_input_partition *partition,
                                   struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    struct tl_sv topic = tl_sealed_topic(partition);
    int64_t upto_ms = upto_of(retention, topic);
    uint32_t count = partition->files_count;
    struct thinned *thinned;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        const struct tl_input_partition *mine = same_partition(scope->inputs[s], partition);

        if (mine != NULL && s < source)
            return TL_OK;
        if (mine != NULL)
            count = (uint32_t)tl_min_i64(count, old_files(mine, upto_ms, scope->now_ms - retention->own->age_ms));
    }
    if (count == 0)
        return TL_OK;
    thinned = thinned_of(retention, partition);
    if (thinned == NULL || !TL_RESIZE(thinned->offsets, thinned->count + 1))
        return tl_fail_memory(err, sizeof *thinned);
    thinned->upto_ms = upto_ms;
    thinned->offsets[thinned->count++] = (struct tl_master_complete){.partition = tl_partition_in_topic(partition->partition),
                                                                     .offset = partition->files[count].file->first_offset,
                                                                     .end_ms = INT64_MIN};
    for (uint32_t f = 0; f < count; f++) {
        const struct tl_master_file *file = partition->files[f].file;

        thinned->files_count++;
        thinned->messages_count += file->messages_count;
        thinned->bytes += tl_master_packed_bytes(file);
        TL_TRY(print_file(retention, partition, file, err));
    }
out:
    return rc;
}

static enum tl_code find_files(struct retention *retention, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        for (uint32_t p = 0; p < scope->inputs[s]->partitions_count; p++)
            TL_TRY(thin_partition(retention, s, &scope->inputs[s]->partitions[p], err));
out:
    return rc;
}

/* ---- away with them ---- */

static enum tl_code seal(struct retention *retention, const struct thinned *thinned, struct tl_err *err)
{
    struct tl_store *store = retention->scope.store;
    enum tl_code rc;

    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_seal(store, thinned->topic, thinned->upto_ms, retention->scope.now_ms, err));
    TL_TRY(tl_store_commit(store, err));
out:
    tl_store_rollback(store);
    return rc;
}

static enum tl_code thin(struct retention *retention, const struct thinned *thinned, struct tl_err *err)
{
    char upto[TL_TIME_TEXT_BYTES], files[TL_COUNT_TEXT_BYTES], messages[TL_COUNT_TEXT_BYTES];
    const struct tl_master_complete *before;
    size_t before_count;
    enum tl_code rc;

    TL_TRY(tl_master_read_thinned(retention->scope.master, thinned->record, &before, &before_count, err)); /* it is added to */
    TL_TRY(seal(retention, thinned, err));
    TL_TRY(
        tl_master_thin(retention->scope.master, thinned->record, thinned->offsets, thinned->count, retention->own->wait_ms, err));
    tl_time_to_iso_z(thinned->upto_ms, upto);
    printf("sealed topic %.*s up to %s: removed %s file%s with %s event%s, %.1f MB\n", TL_SV_ARG(thinned->record), upto,
           tl_count_text(thinned->files_count, files), thinned->files_count == 1 ? "" : "s",
           tl_count_text(thinned->messages_count, messages), thinned->messages_count == 1 ? "" : "s",
           (double)thinned->bytes / 1e6);
out:
    return rc;
}

static enum tl_code count_leftover(void *ctx, uint32_t partition, const char *path, struct tl_err *err)
{
    size_t *count = ctx;

    (void)partition;
    (void)path;
    (void)err;
    (*count)++;
    return TL_OK;
}

/* One that was killed may have left indexes of files that are gone. */
static enum tl_code finish_killed(struct retention *retention, struct tl_sv record, struct tl_err *err)
{
    struct tl_master *master = retention->scope.master;
    const struct tl_master_complete *thinned;
    size_t thinned_count, leftovers_count = 0;
    enum tl_code rc;

    for (size_t t = 0; t < retention->thinned_count; t++)
        if (tl_sv_eq(retention->thinned[t].record, record))
            return TL_OK; /* that does it, too */
    rc = tl_master_read_thinned(master, record, &thinned, &thinned_count, err);
    if (rc == TL_ERR_CORRUPT) /* was said, and nothing of the topic goes */
        return TL_OK;
    TL_TRY(rc);
    TL_TRY(tl_master_leftovers(master, record, count_leftover, &leftovers_count, err));
    if (thinned_count > 0 && leftovers_count > 0)
        TL_TRY(tl_master_thin(master, record, NULL, 0, retention->own->wait_ms, err));
out:
    return rc;
}

static enum tl_code finish_all_killed(struct retention *retention, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        for (uint32_t p = 0; p < scope->inputs[s]->partitions_count; p++)
            if (scope->inputs[s]->partitions[p].files_count > 0)
                TL_TRY(finish_killed(retention, scope->inputs[s]->partitions[p].topic, err));
out:
    return rc;
}

/* A compaction that was killed may have left a folder with all that goes now. */
static enum tl_code finish_compact(const struct tl_scope *scope, struct tl_err *err)
{
    char import[300];
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        uint32_t count;
        const struct tl_source_topic *topics = tl_source_topics_of(scope->topics, s, &count);

        for (uint32_t t = 0; t < count; t++) {
            TL_TRY(tl_master_swap_clean(scope->master, topics[t].name, err));
            snprintf(import, sizeof import, "%.*s.import", TL_SV_ARG(topics[t].name));
            TL_TRY(tl_master_swap_clean(scope->master, tl_sv_from(import), err));
        }
    }
out:
    return rc;
}

/* ---- the whole ---- */

/* No batch may run meanwhile, and nobody else who changes the record's files. */
static enum tl_code take_locks(struct retention *retention, struct tl_err *err)
{
    const char *data = retention->scope.common->data;
    char path[4200], name[TL_PROCESS_NAME_MAX], words[TL_PROCESS_NAME_MAX];
    enum tl_code rc;

    TL_TRY(tl_data_dir_make(data, err));
    snprintf(path, sizeof path, "%s/record.lock", data);
    TL_TRY(tl_lock_take(path, "archive --compact or --retention", &retention->record_lock, err));
    snprintf(path, sizeof path, "%s/batch.lock", data);
    TL_TRY(tl_lock_take(path, "batch", &retention->batch_lock, err));
    TL_TRY(tl_store_open(retention->scope.common->store, TL_STORE_WRITE, &retention->scope.store, err));
    tl_process_name(name);
    tl_process_words(name, words);
    TL_TRY(tl_store_lock(retention->scope.store, "batch", words, err));
out:
    return rc;
}

static enum tl_code print_head(struct retention *retention, struct tl_err *err)
{
    const struct tl_shape_column columns[] = {
        {.name = TL_SV("topic"),        .kind = TL_STRING},
        {.name = TL_SV("partition"),    .kind = TL_BIGINT},
        {.name = TL_SV("first_offset"), .kind = TL_BIGINT},
        {.name = TL_SV("last_offset"),  .kind = TL_BIGINT},
        {.name = TL_SV("messages"),     .kind = TL_BIGINT},
        {.name = TL_SV("bytes"),        .kind = TL_BIGINT},
        {.name = TL_SV("file"),         .kind = TL_STRING},
    };

    return retention->own->dry_run ? tl_printer_head(&retention->printer, columns, TL_COUNT(columns), err) : TL_OK;
}

/* What has come for days that were sealed before may be in files that go now. One that turns out to be damaged when it is read for that is so for all that follows. */
static enum tl_code note_sealed(const struct tl_scope *scope, const struct tl_others *others, struct tl_err *err)
{
    uint64_t noted;
    enum tl_code rc;

    TL_TRY(tl_sealed_note(scope, &noted, err));
    for (size_t o = 0; o < others->count; o++)
        if (others->others[o].like >= 0)
            TL_TRY(tl_others_note_sealed(scope, &others->others[o], err));
out:
    return rc;
}

static enum tl_code say_damage(struct retention *retention, struct tl_err *err)
{
    const struct tl_scope *scope = &retention->scope;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        const struct tl_input *input = scope->inputs[s];

        for (uint32_t l = 0; l < input->lost_count; l++)
            TL_TRY(tl_left_out_say(&retention->damage, input->lost[l].damage, err));
        for (uint32_t p = 0; p < input->partitions_count; p++)
            for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
                if (input->partitions[p].files[f].damage != NULL)
                    TL_TRY(tl_left_out_say(&retention->damage, input->partitions[p].files[f].damage, err));
    }
out:
    return rc;
}

static enum tl_code report_damage(const struct retention *retention, struct tl_err *err)
{
    if (retention->damage.said_count == 0)
        return TL_OK;
    return tl_fail(err, TL_ERR_CORRUPT,
                   "the record is damaged: days that may have events there are not sealed, and old files before it stay; tally "
                   "archive --verify lists what is wrong");
}

static enum tl_code retain(struct retention *retention, struct tl_err *err)
{
    struct tl_days_wish wish = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE};
    struct tl_option_list all = {.count = 0};
    struct tl_scope *scope = &retention->scope;
    enum tl_code rc;

    TL_TRY(tl_scope_open_views(scope, &all, err));
    TL_TRY(retention->own->dry_run ? tl_scope_open_to_look(scope, err) : take_locks(retention, err));
    scope->now_ms = wish.now_ms = tl_clock_wall_ms();
    TL_TRY(tl_scope_look(scope, &wish, false, err));
    TL_TRY(tl_others_open(&retention->others, scope, err));
    if (!retention->own->dry_run) {
        TL_TRY(finish_compact(scope, err));
        TL_TRY(note_sealed(scope, &retention->others, err));
    }
    TL_TRY(say_damage(retention, err));
    TL_TRY(find_upto(retention, err));
    TL_TRY(print_head(retention, err));
    TL_TRY(find_files(retention, err));
    if (retention->own->dry_run) {
        TL_TRY(tl_printer_end(&retention->printer, err));
        TL_TRY(report_damage(retention, err));
        goto out;
    }
    TL_TRY(finish_all_killed(retention, err));
    for (size_t t = 0; t < retention->thinned_count; t++)
        TL_TRY(thin(retention, &retention->thinned[t], err));
    TL_TRY(report_damage(retention, err));
out:
    return rc;
}

enum tl_code tl_archive_retain(const struct tl_common_options *common, const struct tl_archive_retention *own, struct tl_err *err)
{
    struct retention retention = {.own = own, .scope = {.common = common}};
    enum tl_code rc;

    tl_printer_init(&retention.printer, tl_print_format_of(own->format), stdout);
    if (own->age_ms <= 0)
        rc = tl_fail(err, TL_ERR_USAGE, "--retention must be more than 0; 400d keeps a year and some days");
    else
        rc = retain(&retention, err);
    tl_printer_done(&retention.printer);
    tl_left_out_done(&retention.damage);
    tl_others_close(&retention.others);
    tl_scope_close(&retention.scope);
    for (size_t t = 0; t < retention.thinned_count; t++)
        free(retention.thinned[t].offsets);
    free(retention.thinned);
    free(retention.upto_ms);
    tl_lock_release(retention.batch_lock);
    tl_lock_release(retention.record_lock);
    return rc;
}
