/* input.c: what the master record holds for one source. See input.h. */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "core/intake.h"
#include "core/window.h"

static const struct tl_input_times no_times = {INT64_MAX, INT64_MIN};

static void widen(struct tl_input_times *times, int64_t min_ms, int64_t max_ms)
{
    times->min_ms = tl_min_i64(times->min_ms, min_ms);
    times->max_ms = tl_max_i64(times->max_ms, max_ms);
}

static bool overlaps(const struct tl_input_times *times, int64_t from_ms, int64_t to_ms)
{
    return times->min_ms <= times->max_ms && times->min_ms < to_ms && times->max_ms >= from_ms;
}

/* ---- facts ---- */

struct survey {
    struct tl_input_file *file;
    uint32_t block;
    struct tl_master_day *days; /* by position of first sight; sorted at the end */
    uint32_t days_count, days_capacity;
};

static int32_t day_of(int64_t time_ms)
{
    int64_t day = time_ms / INT64_C(86400000);

    return (int32_t)(time_ms % INT64_C(86400000) < 0 ? day - 1 : day);
}

static enum tl_code survey_day(struct survey *survey, int32_t day, struct tl_err *err)
{
    for (uint32_t i = survey->days_count; i-- > 0;) { /* the newest day is the likeliest */
        if (survey->days[i].day == day) {
            survey->days[i].events_count++;
            return TL_OK;
        }
    }
    if (survey->days_count == survey->days_capacity) {
        uint32_t capacity = survey->days_capacity * 2 + 16;

        if (!TL_RESIZE(survey->days, capacity))
            return tl_fail_memory(err, capacity * sizeof *survey->days);
        survey->days_capacity = capacity;
    }
    survey->days[survey->days_count++] = (struct tl_master_day){day, 1};
    return TL_OK;
}

static enum tl_code survey_message(void *ctx, const struct tl_message *message, const int64_t *time_ms, uint32_t times_count,
                                   int64_t watermark_ms, struct tl_err *err)
{
    struct survey *survey = ctx;
    enum tl_code rc = TL_OK;

    (void)message;
    for (uint32_t i = 0; i < times_count; i++) {
        widen(&survey->file->blocks[survey->block], time_ms[i], time_ms[i]);
        TL_TRY(survey_day(survey, day_of(time_ms[i]), err));
    }
    survey->file->watermark_ms = tl_max_i64(survey->file->watermark_ms, watermark_ms);
out:
    return rc;
}

static int by_day(const void *a, const void *b)
{
    const struct tl_master_day *x = a, *y = b;

    return (x->day > y->day) - (x->day < y->day);
}

/* Learns a file's facts by reading it: its index speaks of another rule of event time. */
static enum tl_code survey_file(struct tl_input *input, struct tl_input_file *file, struct tl_err *err)
{
    struct survey survey = {.file = file};
    struct tl_master_reader *reader = NULL;
    struct tl_intake *intake = NULL;
    struct tl_master_day *days;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_intake_open(input->plan, input->source, &intake, err));
    TL_TRY(tl_master_reader_open(&reader, err));
    for (survey.block = 0; survey.block < file->file->blocks_count; survey.block++) {
        const struct tl_message *messages;
        size_t count;

        TL_TRY(tl_master_read_block(reader, file->file, survey.block, &messages, &count, err));
        TL_TRY(tl_intake_run(intake, messages, count, err));
        TL_TRY(tl_intake_facts(intake, messages, count, survey_message, &survey, err));
        widen(&file->times, file->blocks[survey.block].min_ms, file->blocks[survey.block].max_ms);
    }
    if (survey.days_count > 0)
        qsort(survey.days, survey.days_count, sizeof *survey.days, by_day);
    days = tl_arena_alloc(&input->arena, (survey.days_count + 1) * sizeof *days);
    if (days == NULL)
        TL_TRY(tl_fail_memory(err, survey.days_count * sizeof *days));
    if (survey.days_count > 0)
        memcpy(days, survey.days, survey.days_count * sizeof *days);
    file->days = days;
    file->days_count = survey.days_count;
out:
    free(survey.days);
    tl_master_reader_close(reader);
    tl_intake_close(intake);
    return rc;
}

static enum tl_code survey_or_lose(struct tl_input *input, struct tl_input_file *file, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (file->damage == NULL) {
        rc = survey_file(input, file, err);
        if (rc == TL_ERR_CORRUPT) {
            struct tl_sv message;

            if (!tl_arena_copy(&input->arena, tl_sv_from(err->message), &message))
                return tl_fail_memory(err, strlen(err->message));
            file->damage = message.data;
            rc = TL_OK;
        }
    }
    file->times_unknown = file->damage != NULL;
    return rc;
}

static enum tl_code add_file(struct tl_input *input, struct tl_input_file *mine, const struct tl_master_file *file,
                             const char *damage, uint64_t time_rule, struct tl_err *err)
{
    *mine = (struct tl_input_file){.file = file, .times = no_times, .watermark_ms = INT64_MIN, .damage = damage};
    mine->blocks = tl_arena_alloc(&input->arena, (file->blocks_count + 1) * sizeof *mine->blocks);
    if (mine->blocks == NULL)
        return tl_fail_memory(err, file->blocks_count * sizeof *mine->blocks);
    for (uint32_t b = 0; b < file->blocks_count; b++)
        mine->blocks[b] = no_times;
    if (file->time_rule != time_rule)
        return survey_or_lose(input, mine, err);
    for (uint32_t b = 0; b < file->blocks_count; b++)
        mine->blocks[b] = (struct tl_input_times){file->blocks[b].time_ms_min, file->blocks[b].time_ms_max};
    mine->times = (struct tl_input_times){file->time_ms_min, file->time_ms_max};
    mine->watermark_ms = file->watermark_ms;
    mine->days = file->days;
    mine->days_count = file->days_count;
    return TL_OK;
}

/* ---- opening ---- */

static struct tl_input_partition *partition_get(struct tl_input *input, uint32_t number, struct tl_sv topic, uint32_t room)
{
    for (uint32_t p = 0; p < input->partitions_count; p++)
        if (input->partitions[p].partition == number)
            return &input->partitions[p];
    assert(input->partitions_count < room);
    (void)room;
    input->partitions[input->partitions_count] =
        (struct tl_input_partition){.partition = number, .topic = topic, .end_ms = INT64_MIN};
    return &input->partitions[input->partitions_count++];
}

/* A file of the record: `room` files may come for the partition. */
static enum tl_code add_to_partition(struct tl_input *input, struct tl_input_partition *partition,
                                     const struct tl_master_file *file, const char *damage, size_t room, struct tl_err *err)
{
    enum tl_code rc;

    if (partition->files == NULL) {
        partition->files = tl_arena_alloc(&input->arena, room * sizeof *partition->files);
        if (partition->files == NULL)
            return tl_fail_memory(err, room * sizeof *partition->files);
    }
    TL_TRY(add_file(input, &partition->files[partition->files_count], file, damage,
                    tl_intake_time_rule(input->plan, input->source), err));
    partition->files_count++;
    partition->next_offset = tl_max_i64(partition->next_offset, file->last_offset + 1);
out:
    return rc;
}

static enum tl_code add_lost(struct tl_input *input, struct tl_sv topic, uint32_t partition, const char *damage,
                             struct tl_err *err)
{
    struct tl_input_lost *lost = tl_arena_alloc(&input->arena, (input->lost_count + 1u) * sizeof *lost);
    struct tl_sv message;

    if (lost == NULL || !tl_arena_copy(&input->arena, tl_sv_from(damage), &message))
        return tl_fail_memory(err, (input->lost_count + 1u) * sizeof *lost);
    if (input->lost_count > 0)
        memcpy(lost, input->lost, input->lost_count * sizeof *lost);
    lost[input->lost_count++] = (struct tl_input_lost){topic, partition, message.data};
    input->lost = lost;
    return TL_OK;
}

static enum tl_code add_gone(struct tl_input *input, struct tl_input_partition *partition, int64_t first_offset,
                             int64_t last_offset, struct tl_err *err)
{
    struct tl_input_span *gone = tl_arena_alloc(&input->arena, (partition->gone_count + 1u) * sizeof *gone);

    if (gone == NULL)
        return tl_fail_memory(err, (partition->gone_count + 1u) * sizeof *gone);
    if (partition->gone_count > 0)
        memcpy(gone, partition->gone, partition->gone_count * sizeof *gone);
    gone[partition->gone_count++] = (struct tl_input_span){first_offset, last_offset};
    partition->gone = gone;
    return TL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct tl_input_file *x = a, *y = b;

    return (x->file->first_offset > y->file->first_offset) - (x->file->first_offset < y->file->first_offset);
}

/* What is damaged or gone stands among the others, by its offsets, as far as its index tells. */
static enum tl_code add_files(struct tl_input *input, struct tl_sv topic, uint32_t number_base, const struct tl_master_list *list,
                              uint32_t room, struct tl_err *err)
{
    size_t files_max = list->files_count + list->damage_count;
    enum tl_code rc = TL_OK;

    for (size_t f = 0; f < list->files_count; f++)
        TL_TRY(add_to_partition(input, partition_get(input, number_base + list->files[f].partition, topic, room), &list->files[f],
                                NULL, files_max, err));
    for (size_t d = 0; d < list->damage_count; d++) {
        const struct tl_master_damage *damage = &list->damage[d];
        struct tl_input_partition *partition = partition_get(input, number_base + damage->partition, topic, room);

        if (damage->file != NULL) {
            TL_TRY(add_to_partition(input, partition, damage->file, damage->message, files_max, err));
            continue;
        }
        TL_TRY(add_lost(input, topic, damage->partition, damage->message, err));
        if (damage->first_offset >= 0)
            TL_TRY(
                add_gone(input, partition, damage->first_offset, damage->last_offset < 0 ? INT64_MAX : damage->last_offset, err));
    }
    for (size_t g = 0; g < list->gaps_count; g++)
        TL_TRY(add_gone(input, partition_get(input, number_base + list->gaps[g].partition, topic, room),
                        list->gaps[g].first_offset, list->gaps[g].last_offset, err));
    for (uint32_t p = 0; list->damage_count > 0 && p < input->partitions_count; p++)
        if (input->partitions[p].files_count > 0)
            qsort(input->partitions[p].files, input->partitions[p].files_count, sizeof *input->partitions[p].files, by_offset);
out:
    return rc;
}

/* The statement first: archive writes files before it, so that what it speaks of is there to be listed, and to be read by whoever notes that he has. */
static enum tl_code list_topic(struct tl_master *master, struct tl_input *input, struct tl_sv topic,
                               const struct tl_master_complete **complete, size_t *complete_count, struct tl_master_list *list,
                               struct tl_err *err)
{
    const struct tl_master_complete *thinned = NULL;
    size_t thinned_count = 0;
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_master_read_complete(master, topic, complete, complete_count, &identity, err));
    TL_TRY(tl_master_list_sound(master, topic, list, err));
    rc = tl_master_read_thinned(master, topic, &thinned, &thinned_count, err);
    if (rc == TL_ERR_CORRUPT) /* nobody can say which files are gone, and which were taken */
        return add_lost(input, topic, 0, err->message, err);
    TL_TRY(rc);
    TL_TRY(tl_master_find_lost(master, topic, *complete, *complete_count, thinned, thinned_count, list, err));
out:
    return rc;
}

static enum tl_code add_topic(struct tl_master *master, struct tl_input *input, struct tl_sv topic, uint32_t number_base,
                              struct tl_err *err)
{
    const struct tl_master_complete *complete;
    struct tl_input_partition *partitions;
    struct tl_master_list list;
    size_t complete_count;
    uint32_t room;
    enum tl_code rc = TL_OK;

    TL_TRY(list_topic(master, input, topic, &complete, &complete_count, &list, err));
    for (size_t f = 0; f < list.files_count; f++)
        TL_TRY(tl_source_topic_check(topic, list.files[f].partition + 1, err));
    for (size_t d = 0; d < list.damage_count; d++)
        TL_TRY(tl_source_topic_check(topic, list.damage[d].partition + 1, err));
    for (size_t c = 0; c < complete_count; c++)
        TL_TRY(tl_source_topic_check(topic, complete[c].partition + 1, err));
    room = input->partitions_count + (uint32_t)(list.files_count + list.damage_count + list.gaps_count + complete_count);
    partitions = tl_arena_alloc(&input->arena, (room + 1) * sizeof *partitions);
    if (partitions == NULL)
        TL_TRY(tl_fail_memory(err, room * sizeof *partitions));
    if (input->partitions_count > 0)
        memcpy(partitions, input->partitions, input->partitions_count * sizeof *partitions);
    input->partitions = partitions;
    TL_TRY(add_files(input, topic, number_base, &list, room, err));
    for (size_t c = 0; c < complete_count; c++) {
        struct tl_input_partition *mine = partition_get(input, number_base + complete[c].partition, topic, room);

        mine->next_offset = tl_max_i64(mine->next_offset, complete[c].offset);
        mine->end_ms = complete[c].end_ms;
    }
out:
    return rc;
}

/* What was imported for a topic stands beside it. */
static enum tl_code add_with_import(struct tl_master *master, struct tl_input *input, const struct tl_source_topic *topic,
                                    struct tl_err *err)
{
    uint32_t base = tl_partition_number(topic->number, 0);
    char *import = tl_arena_printf(&input->arena, "%.*s.import", TL_SV_ARG(topic->name));
    enum tl_code rc;

    if (import == NULL)
        return tl_fail_memory(err, topic->name.size);
    TL_TRY(add_topic(master, input, topic->name, base, err));
    TL_TRY(add_topic(master, input, tl_sv_from(import), TL_PARTITION_IMPORTED | base, err));
out:
    return rc;
}

enum tl_code tl_input_open(struct tl_master *master, const struct tl_plan *plan, uint32_t source,
                           const struct tl_source_topics *topics, struct tl_input **out, struct tl_err *err)
{
    struct tl_input *input = calloc(1, sizeof *input);
    uint32_t count;
    const struct tl_source_topic *known = tl_source_topics_of(topics, source, &count);
    enum tl_code rc = TL_OK;

    if (input == NULL)
        return tl_fail_memory(err, sizeof *input);
    input->plan = plan;
    input->source = source;
    tl_arena_init(&input->arena, 1u << 16, 0);
    for (uint32_t t = 0; t < count; t++)
        if (known[t].number != TL_TOPIC_NO_NUMBER)
            TL_TRY(add_with_import(master, input, &known[t], err));
    for (uint32_t p = 0; p < input->partitions_count; p++) /* nothing can be missing from an import */
        if (input->partitions[p].partition >= TL_PARTITION_IMPORTED)
            input->partitions[p].end_ms = INT64_MAX;
    *out = input;
    input = NULL;
out:
    tl_input_close(input);
    return rc;
}

void tl_input_close(struct tl_input *input)
{
    if (input == NULL)
        return;
    tl_arena_done(&input->arena);
    free(input);
}

/* ---- damage ---- */

bool tl_input_wants_block(const struct tl_input_file *file, uint32_t block, int64_t from_ms, int64_t to_ms)
{
    const struct tl_input_times *times = &file->blocks[block];

    if (times->min_ms > times->max_ms)
        times = &file->times;
    if (times->min_ms > times->max_ms)
        return from_ms == INT64_MIN;
    return times->min_ms < to_ms && times->max_ms >= from_ms;
}

static enum tl_code feed_file(struct tl_feed *feed, uint32_t partition, const struct tl_input_file *file, int64_t from_ms,
                              int64_t to_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t b = 0; b < file->file->blocks_count; b++)
        if (tl_input_wants_block(file, b, from_ms, to_ms))
            TL_TRY(tl_feed_add(feed, partition, &(struct tl_feed_ref){file->file, b, file->blocks[b].min_ms, file}, err));
out:
    return rc;
}

enum tl_code tl_input_feed(const struct tl_input *input, int64_t from_ms, int64_t to_ms, struct tl_feed **out, struct tl_err *err)
{
    struct tl_feed *feed = NULL;
    enum tl_code rc;

    TL_TRY(tl_feed_open(&feed, err));
    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            TL_TRY(feed_file(feed, input->partitions[p].partition, &input->partitions[p].files[f], from_ms, to_ms, err));
    *out = feed;
    feed = NULL;
out:
    tl_feed_close(feed);
    return rc;
}

static bool is_read(const struct tl_input_file *file, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t b = 0; b < file->file->blocks_count; b++)
        if (tl_input_wants_block(file, b, from_ms, to_ms))
            return true;
    return false;
}

const char *tl_input_damage(const struct tl_input *input, int64_t from_ms, int64_t to_ms)
{
    if (input->lost_count > 0)
        return input->lost[0].damage;
    for (uint32_t p = 0; p < input->partitions_count; p++) {
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++) {
            const struct tl_input_file *file = &input->partitions[p].files[f];

            if (file->damage != NULL && (file->times_unknown || is_read(file, from_ms, to_ms)))
                return file->damage;
        }
    }
    return NULL;
}

enum tl_code tl_input_found_damage(struct tl_input *input, const struct tl_input_file *file, const char *damage,
                                   struct tl_err *err)
{
    struct tl_sv message;

    if (!tl_arena_copy(&input->arena, tl_sv_from(damage), &message))
        return tl_fail_memory(err, strlen(damage));
    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            if (&input->partitions[p].files[f] == file)
                input->partitions[p].files[f].damage = message.data;
    return TL_OK;
}

enum tl_code tl_input_unread(const struct tl_input_partition *partition,
                             enum tl_code (*each)(void *ctx, const struct tl_input_span *span, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t f = 0; f < partition->files_count; f++) {
        const struct tl_master_file *file = partition->files[f].file;

        if (partition->files[f].damage != NULL)
            TL_TRY(each(ctx, &(struct tl_input_span){file->first_offset, file->last_offset}, err));
    }
    for (uint32_t g = 0; g < partition->gone_count; g++)
        TL_TRY(each(ctx, &partition->gone[g], err));
out:
    return rc;
}

/* ---- questions ---- */

int64_t tl_input_complete_ms(const struct tl_input *input, int64_t lateness_ms, int64_t grace_ms)
{
    int64_t complete_ms = INT64_MAX;

    for (uint32_t p = 0; p < input->partitions_count; p++) {
        const struct tl_input_partition *partition = &input->partitions[p];
        int64_t watermark_ms = INT64_MIN, mine_ms = INT64_MIN;

        if (partition->end_ms == INT64_MAX)
            continue;
        for (uint32_t f = 0; f < partition->files_count; f++)
            watermark_ms = tl_max_i64(watermark_ms, partition->files[f].watermark_ms);
        if (watermark_ms != INT64_MIN)
            mine_ms = tl_add_sat_i64(tl_add_sat_i64(watermark_ms, 1), -lateness_ms);
        if (partition->end_ms != INT64_MIN)
            mine_ms = tl_max_i64(mine_ms, partition->end_ms - grace_ms);
        complete_ms = tl_min_i64(complete_ms, mine_ms);
    }
    return input->partitions_count == 0 ? INT64_MIN : complete_ms;
}

struct tl_input_times tl_input_times(const struct tl_input *input)
{
    struct tl_input_times times = no_times;

    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            widen(&times, input->partitions[p].files[f].times.min_ms, input->partitions[p].files[f].times.max_ms);
    return times;
}

static bool file_has_events(const struct tl_input_file *file, int64_t from_ms, int64_t to_ms)
{
    bool day_fits = false, block_fits = false;

    if (!overlaps(&file->times, from_ms, to_ms))
        return false;
    for (uint32_t d = 0; d < file->days_count && !day_fits; d++) {
        int64_t start_ms = (int64_t)file->days[d].day * INT64_C(86400000);

        day_fits = start_ms < to_ms && start_ms + INT64_C(86400000) > from_ms;
    }
    for (uint32_t b = 0; b < file->file->blocks_count && !block_fits; b++)
        block_fits = overlaps(&file->blocks[b], from_ms, to_ms);
    return day_fits && block_fits;
}

static bool file_has_unread(const struct tl_input_file *file, const struct tl_input_span *unread, int64_t from_ms, int64_t to_ms)
{
    if (file->file->first_offset > unread->last_offset || file->file->last_offset < unread->first_offset ||
        !file_has_events(file, from_ms, to_ms))
        return false;
    for (uint32_t b = 0; b < file->file->blocks_count; b++) {
        const struct tl_master_block *block = &file->file->blocks[b];

        if (block->first_offset <= unread->last_offset && block->last_offset >= unread->first_offset &&
            overlaps(&file->blocks[b], from_ms, to_ms))
            return true;
    }
    return false;
}

bool tl_input_has_new(const struct tl_input_partition *partition, int64_t next_offset, const struct tl_input_span *unread,
                      uint32_t unread_count, int64_t from_ms, int64_t to_ms)
{
    const struct tl_input_span behind = {next_offset, INT64_MAX};

    for (uint32_t f = 0; f < partition->files_count; f++) {
        if (file_has_unread(&partition->files[f], &behind, from_ms, to_ms))
            return true;
        for (uint32_t u = 0; u < unread_count; u++)
            if (file_has_unread(&partition->files[f], &unread[u], from_ms, to_ms))
                return true;
    }
    return false;
}

bool tl_input_has_events(const struct tl_input *input, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            if (file_has_events(&input->partitions[p].files[f], from_ms, to_ms))
                return true;
    return false;
}

/* A range while its events are read: from its first block on until no block is left that may hold something of it or of what lies before
 * it (feed.h, floor). In terms of the feed: the highest log timestamp that its partition has come to, in whose order partitions are
 * merged. */
struct reading {
    uint64_t events;
    int64_t begin_ms, end_ms; /* begin > end: no block */
};

static void read_block_times(struct reading *ranges, const int64_t *bounds, uint32_t ranges_count,
                             const struct tl_input_times *times, int64_t begin_ms, int64_t end_ms)
{
    uint32_t first = 0;

    if (times->min_ms > times->max_ms || times->max_ms < bounds[0] || times->min_ms >= bounds[ranges_count])
        return;
    if (times->min_ms > bounds[0])
        first = tl_range_of(bounds, ranges_count, times->min_ms, 0);
    ranges[first].end_ms = tl_max_i64(ranges[first].end_ms, end_ms);
    for (uint32_t r = first; r < ranges_count && bounds[r] <= times->max_ms; r++)
        ranges[r].begin_ms = tl_min_i64(ranges[r].begin_ms, begin_ms);
}

static void read_file(struct reading *ranges, const int64_t *bounds, uint32_t ranges_count, const struct tl_input_file *file,
                      int64_t *reached_ms)
{
    for (uint32_t b = 0; b < file->file->blocks_count; b++) {
        const struct tl_master_block *block = &file->file->blocks[b];
        int64_t begin_ms = tl_max_i64(*reached_ms, block->log_ms_min);

        *reached_ms = tl_max_i64(*reached_ms, block->log_ms_max);
        read_block_times(ranges, bounds, ranges_count, &file->blocks[b], begin_ms, *reached_ms);
    }
}

/* Adds the file's events to each range that one of their days belongs to in part; returns how many belong to any. */
static uint64_t count_days(struct reading *ranges, const int64_t *bounds, uint32_t ranges_count, const struct tl_input_file *file)
{
    uint64_t all = 0;

    for (uint32_t d = 0; d < file->days_count; d++) {
        int64_t start_ms = (int64_t)file->days[d].day * INT64_C(86400000), end_ms = start_ms + INT64_C(86400000);
        uint32_t first = 0;

        if (end_ms <= bounds[0] || start_ms >= bounds[ranges_count])
            continue;
        all += file->days[d].events_count;
        if (start_ms > bounds[0])
            first = tl_range_of(bounds, ranges_count, start_ms, 0);
        for (uint32_t r = first; r < ranges_count && bounds[r] < end_ms; r++)
            ranges[r].events += file->days[d].events_count;
    }
    return all;
}

enum tl_code tl_input_events_max(const struct tl_input *input, const int64_t *bounds, uint32_t ranges_count, uint64_t *at_once,
                                 uint64_t *all, struct tl_err *err)
{
    struct reading *ranges = malloc(ranges_count * sizeof *ranges);
    uint64_t most = 0;

    if (ranges == NULL)
        return tl_fail_memory(err, ranges_count * sizeof *ranges);
    for (uint32_t r = 0; r < ranges_count; r++)
        ranges[r] = (struct reading){0, INT64_MAX, INT64_MIN};
    *all = 0;
    for (uint32_t p = 0; p < input->partitions_count; p++) {
        int64_t reached_ms = INT64_MIN;

        for (uint32_t f = 0; f < input->partitions[p].files_count; f++) {
            const struct tl_input_file *file = &input->partitions[p].files[f];

            *all += count_days(ranges, bounds, ranges_count, file);
            read_file(ranges, bounds, ranges_count, file, &reached_ms);
        }
    }
    for (uint32_t r = 1; r < ranges_count; r++)
        ranges[r].end_ms = tl_max_i64(ranges[r].end_ms, ranges[r - 1].end_ms);
    for (uint32_t r = 0; r < ranges_count; r++) { /* as many are open when one of them begins as ever are */
        uint64_t open = 0;

        for (uint32_t other = 0; other < ranges_count; other++)
            if (ranges[other].begin_ms <= ranges[r].begin_ms && ranges[other].end_ms >= ranges[r].begin_ms)
                open += ranges[other].events;
        most = open > most ? open : most;
    }
    *at_once = most < *all ? most : *all;
    free(ranges);
    return TL_OK;
}
