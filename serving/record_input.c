/* record_input.c: what is on record of a table, and what of it cannot be read. See record_input.h. */
#include "record_input.h"

#include <stdatomic.h>
#include <string.h>

#include "event/timestamp.h"

/* ---- what there is ---- */

/* Whose index tells of its blocks, to all that read it. */
static bool is_known(const struct tl_record_input *input, const struct tl_master_file *file)
{
    for (uint32_t r = 0; r < input->rules_count; r++)
        if (file->time_rule != input->rules[r])
            return false;
    return true;
}

static void widen(struct tl_record_input *input, int64_t min_ms, int64_t max_ms)
{
    if (min_ms > max_ms)
        return;
    input->first_ms = tl_min_i64(input->first_ms, min_ms);
    input->last_ms = tl_max_i64(input->last_ms, max_ms);
}

static enum tl_code add_part(struct tl_record_input *input, const struct tl_record_part *part, struct tl_err *err)
{
    struct tl_record_part *parts = tl_arena_alloc(&input->memory, (input->parts_count + 1u) * sizeof *parts);

    if (parts == NULL)
        return tl_fail_memory(err, (input->parts_count + 1u) * sizeof *parts);
    if (input->parts_count > 0)
        memcpy(parts, input->parts, input->parts_count * sizeof *parts);
    input->parts = parts;
    parts[input->parts_count++] = *part;
    for (size_t f = 0; f < part->files_count; f++) {
        if (is_known(input, &part->files[f]))
            widen(input, part->files[f].time_ms_min, part->files[f].time_ms_max);
        else
            widen(input, INT64_MIN, INT64_MAX);
    }
    return TL_OK;
}

static int hole_order(const struct tl_record_hole *hole, int64_t min_ms, int64_t max_ms, const char *message)
{
    if (hole->min_ms != min_ms)
        return hole->min_ms < min_ms ? -1 : 1;
    if (hole->max_ms != max_ms)
        return hole->max_ms < max_ms ? -1 : 1;
    return strcmp(hole->message, message);
}

static enum tl_code add_hole(struct tl_record_input *input, int64_t min_ms, int64_t max_ms, const char *message,
                             struct tl_err *err)
{
    _Atomic(struct tl_record_hole *) *at = &input->holes;
    struct tl_record_hole *hole = *at;
    struct tl_sv text;

    for (; hole != NULL && hole_order(hole, min_ms, max_ms, message) < 0; hole = *at)
        at = &hole->next;
    if (hole != NULL && hole_order(hole, min_ms, max_ms, message) == 0) /* of an earlier reading */
        return TL_OK;
    hole = tl_arena_zalloc(&input->memory, sizeof *hole);
    if (hole == NULL || !tl_arena_copy(&input->memory, tl_sv_from(message), &text))
        return tl_fail_memory(err, sizeof *hole);
    hole->min_ms = min_ms;
    hole->max_ms = max_ms;
    hole->message = text.data;
    atomic_init(&hole->next, *at);
    *at = hole;
    return TL_OK;
}

static enum tl_code add_damage(struct tl_record_input *input, const struct tl_master_damage *damage, struct tl_err *err)
{
    if (damage->file != NULL && is_known(input, damage->file))
        return add_hole(input, damage->file->time_ms_min, damage->file->time_ms_max, damage->message, err);
    return add_hole(input, INT64_MIN, INT64_MAX, damage->message, err);
}

/* The statement before the files, what retention took behind them: as tl_master_find_lost wants them. */
static enum tl_code add_topic(struct tl_record_input *input, struct tl_master *master, struct tl_sv topic, uint32_t number_base,
                              struct tl_err *err)
{
    const struct tl_master_complete *complete, *thinned;
    size_t complete_count, thinned_count;
    struct tl_master_list list;
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_master_read_complete(master, topic, &complete, &complete_count, &identity, err));
    TL_TRY(tl_master_list_sound(master, topic, &list, err));
    TL_TRY(tl_master_read_thinned(master, topic, &thinned, &thinned_count, err));
    TL_TRY(tl_master_find_lost(master, topic, complete, complete_count, thinned, thinned_count, &list, err));
    for (size_t f = 0, end; f < list.files_count; f = end) {
        for (end = f + 1; end < list.files_count && list.files[end].partition == list.files[f].partition; end++)
            ;
        TL_TRY(tl_source_topic_check(topic, list.files[f].partition + 1, err));
        TL_TRY(add_part(input, &(struct tl_record_part){number_base + list.files[f].partition, &list.files[f], end - f}, err));
    }
    for (size_t d = 0; d < list.damage_count; d++)
        TL_TRY(add_damage(input, &list.damage[d], err));
out:
    return rc;
}

enum tl_code tl_record_input_open(struct tl_record_input *input, struct tl_master *master, const struct tl_source_topic *topics,
                                  uint32_t topics_count, const uint64_t *rules, uint32_t rules_count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *input = (struct tl_record_input){.first_ms = INT64_MAX, .last_ms = INT64_MIN, .rules = rules, .rules_count = rules_count};
    tl_arena_init(&input->memory, 1u << 12, 0);
    for (uint32_t t = 0; t < topics_count; t++) {
        uint32_t base = tl_partition_number(topics[t].number, 0);
        char *import;

        if (topics[t].number == TL_TOPIC_NO_NUMBER)
            continue;
        import = tl_arena_printf(&input->memory, "%.*s.import", TL_SV_ARG(topics[t].name));
        if (import == NULL)
            TL_TRY(tl_fail_memory(err, topics[t].name.size));
        TL_TRY(add_topic(input, master, topics[t].name, base, err));
        TL_TRY(add_topic(input, master, tl_sv_from(import), TL_PARTITION_IMPORTED | base, err));
    }
out:
    return rc;
}

static double events_in(const struct tl_master_file *file, int64_t from_ms, int64_t to_ms)
{
    double count = 0;

    for (uint32_t d = 0; d < file->days_count; d++) {
        int64_t day_ms = file->days[d].day * TL_DAY_MS;
        int64_t shared_ms = tl_min_i64(to_ms, day_ms + TL_DAY_MS) - tl_max_i64(from_ms, day_ms);

        if (shared_ms > 0)
            count += (double)file->days[d].events_count * (double)shared_ms / (double)TL_DAY_MS;
    }
    return count;
}

uint64_t tl_record_input_bytes(const struct tl_record_input *input, int64_t from_ms, int64_t to_ms)
{
    double bytes = 0;

    for (uint32_t p = 0; p < input->parts_count; p++) {
        for (size_t f = 0; f < input->parts[p].files_count; f++) {
            const struct tl_master_file *file = &input->parts[p].files[f];

            bytes += is_known(input, file)
                         ? events_in(file, from_ms, to_ms) * (double)file->raw_bytes / (double)(file->messages_count + 1)
                         : (double)file->raw_bytes;
        }
    }
    return (uint64_t)bytes;
}

void tl_record_input_done(struct tl_record_input *input)
{
    tl_arena_done(&input->memory);
}

/* ---- reading ---- */

static bool is_wanted(const struct tl_record_input *input, const struct tl_master_file *file, const struct tl_time_spans *spans,
                      int64_t min_ms, int64_t max_ms)
{
    return !is_known(input, file) || tl_time_spans_overlap(spans, min_ms, max_ms);
}

static enum tl_code feed_file(const struct tl_record_input *input, struct tl_feed *feed, uint32_t partition,
                              const struct tl_master_file *file, const struct tl_time_spans *spans, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (!is_wanted(input, file, spans, file->time_ms_min, file->time_ms_max))
        return TL_OK;
    for (uint32_t b = 0; b < file->blocks_count; b++) {
        struct tl_feed_ref ref = {file, b, is_known(input, file) ? file->blocks[b].time_ms_min : INT64_MIN, NULL};

        if (is_wanted(input, file, spans, file->blocks[b].time_ms_min, file->blocks[b].time_ms_max))
            TL_TRY(tl_feed_add(feed, partition, &ref, err));
    }
out:
    return rc;
}

enum tl_code tl_record_input_feed(struct tl_record_input *input, const struct tl_time_spans *spans, struct tl_feed **out,
                                  struct tl_err *err)
{
    struct tl_feed *feed = NULL;
    enum tl_code rc;

    TL_TRY(tl_feed_open(&feed, err));
    for (uint32_t p = 0; p < input->parts_count; p++)
        for (size_t f = 0; f < input->parts[p].files_count; f++)
            TL_TRY(feed_file(input, feed, input->parts[p].partition, &input->parts[p].files[f], spans, err));
    *out = feed;
    feed = NULL;
out:
    tl_feed_close(feed);
    return rc;
}

enum tl_code tl_record_input_lost(struct tl_record_input *input, const struct tl_feed_ref *ref, struct tl_err *err)
{
    const struct tl_master_block *block = &ref->file->blocks[ref->block];
    bool known = is_known(input, ref->file);

    return add_hole(input, known ? block->time_ms_min : INT64_MIN, known ? block->time_ms_max : INT64_MAX, err->message, err);
}
