/* merged.c: what is on record of a table, in the order in which batch judges duplicates. See merged.h. */
#include "merged.h"

#include <stdlib.h>
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

/* An array in the arena with room for one more. */
static void *grown(struct tl_arena *memory, const void *items, size_t item_bytes, uint32_t count)
{
    void *all = tl_arena_alloc(memory, (count + 1u) * item_bytes);

    if (all != NULL && count > 0)
        memcpy(all, items, count * item_bytes);
    return all;
}

static enum tl_code add_part(struct tl_record_input *input, const struct tl_record_part *part, struct tl_err *err)
{
    struct tl_record_part *parts = grown(&input->memory, input->parts, sizeof *parts, input->parts_count);

    if (parts == NULL)
        return tl_fail_memory(err, (input->parts_count + 1u) * sizeof *parts);
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

static enum tl_code add_hole(struct tl_record_input *input, int64_t min_ms, int64_t max_ms, const char *message,
                             struct tl_err *err)
{
    struct tl_record_hole *holes;
    struct tl_sv text;

    for (uint32_t h = 0; h < input->holes_count; h++) /* of an earlier reading */
        if (input->holes[h].min_ms == min_ms && input->holes[h].max_ms == max_ms && strcmp(input->holes[h].message, message) == 0)
            return TL_OK;
    holes = grown(&input->memory, input->holes, sizeof *holes, input->holes_count);
    if (holes == NULL || !tl_arena_copy(&input->memory, tl_sv_from(message), &text))
        return tl_fail_memory(err, (input->holes_count + 1u) * sizeof *holes);
    input->holes = holes;
    holes[input->holes_count++] = (struct tl_record_hole){min_ms, max_ms, text.data};
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

/* A partition on its way. */
struct stream {
    const struct tl_record_part *part;
    struct tl_master_reader *reader;
    size_t file; /* of the next block */
    uint32_t block;
    const struct tl_message *messages; /* of the block at hand */
    size_t count, at;
};

struct tl_merged {
    struct tl_record_input *input;
    const struct tl_time_spans *spans;
    struct stream *streams; /* those that have messages left stand first, the one with the next message at 0: a heap */
    uint32_t streams_count, heap_count;
    bool begun, stale; /* stale: the first stream's block is used up, and its messages were lent */
    struct tl_message *messages;
    uint32_t *partitions;
};

static bool stream_before(const struct stream *a, const struct stream *b)
{
    return tl_message_before(&a->messages[a->at], a->part->partition, &b->messages[b->at], b->part->partition);
}

static void swap(struct tl_merged *merged, uint32_t a, uint32_t b)
{
    struct stream stream = merged->streams[a];

    merged->streams[a] = merged->streams[b];
    merged->streams[b] = stream;
}

static void sink(struct tl_merged *merged, uint32_t at)
{
    for (;;) {
        uint32_t first = at;

        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < merged->heap_count; child++)
            if (stream_before(&merged->streams[child], &merged->streams[first]))
                first = child;
        if (first == at)
            return;
        swap(merged, at, first);
        at = first;
    }
}

static bool is_wanted(const struct tl_merged *merged, const struct tl_master_file *file, int64_t min_ms, int64_t max_ms)
{
    return !is_known(merged->input, file) || tl_time_spans_overlap(merged->spans, min_ms, max_ms);
}

static enum tl_code read_block(const struct tl_merged *merged, struct stream *stream, const struct tl_master_file *file,
                               uint32_t block, struct tl_err *err)
{
    const struct tl_master_block *mine = &file->blocks[block];
    bool known = is_known(merged->input, file);
    enum tl_code rc = tl_master_read_block(stream->reader, file, block, &stream->messages, &stream->count, err);

    if (rc != TL_ERR_CORRUPT && rc != TL_ERR_IO)
        return rc;
    stream->count = 0;
    return add_hole(merged->input, known ? mine->time_ms_min : INT64_MIN, known ? mine->time_ms_max : INT64_MAX, err->message,
                    err);
}

/* The stream's next block that is wanted; count 0: there is none. */
static enum tl_code next_block(const struct tl_merged *merged, struct stream *stream, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    stream->count = stream->at = 0;
    while (stream->count == 0 && stream->file < stream->part->files_count) {
        const struct tl_master_file *file = &stream->part->files[stream->file];
        uint32_t block = stream->block++;

        if (block == 0 && !is_wanted(merged, file, file->time_ms_min, file->time_ms_max))
            block = file->blocks_count;
        if (block >= file->blocks_count) {
            stream->file++;
            stream->block = 0;
        } else if (is_wanted(merged, file, file->blocks[block].time_ms_min, file->blocks[block].time_ms_max)) {
            if (stream->reader == NULL)
                TL_TRY(tl_master_reader_open(&stream->reader, err));
            TL_TRY(read_block(merged, stream, file, block, err));
        }
    }
out:
    return rc;
}

enum tl_code tl_merged_open(struct tl_record_input *input, const struct tl_time_spans *spans, struct tl_merged **out,
                            struct tl_err *err)
{
    struct tl_merged *merged = calloc(1, sizeof *merged);
    enum tl_code rc = TL_OK;

    if (merged == NULL)
        return tl_fail_memory(err, sizeof *merged);
    merged->input = input;
    merged->spans = spans;
    merged->streams = calloc(input->parts_count + 1u, sizeof *merged->streams);
    merged->messages = malloc(TL_BATCH_ROWS * sizeof *merged->messages);
    merged->partitions = malloc(TL_BATCH_ROWS * sizeof *merged->partitions);
    if (merged->streams == NULL || merged->messages == NULL || merged->partitions == NULL)
        TL_TRY(tl_fail_memory(err, TL_BATCH_ROWS * sizeof *merged->messages));
    merged->streams_count = input->parts_count;
    for (uint32_t s = 0; s < merged->streams_count; s++)
        merged->streams[s].part = &input->parts[s];
    *out = merged;
    merged = NULL;
out:
    tl_merged_close(merged);
    return rc;
}

void tl_merged_close(struct tl_merged *merged)
{
    if (merged == NULL)
        return;
    for (uint32_t s = 0; s < merged->streams_count; s++)
        tl_master_reader_close(merged->streams[s].reader);
    free(merged->streams);
    free(merged->messages);
    free(merged->partitions);
    free(merged);
}

static enum tl_code begin(struct tl_merged *merged, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < merged->streams_count; s++) {
        TL_TRY(next_block(merged, &merged->streams[s], err));
        if (merged->streams[s].count > 0)
            swap(merged, s, merged->heap_count++);
    }
    for (uint32_t s = merged->heap_count / 2; s-- > 0;)
        sink(merged, s);
    merged->begun = true;
out:
    return rc;
}

/* The first stream goes on with its next block. */
static enum tl_code refill(struct tl_merged *merged, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(next_block(merged, &merged->streams[0], err));
    if (merged->streams[0].count == 0)
        swap(merged, 0, --merged->heap_count);
    sink(merged, 0);
    merged->stale = false;
out:
    return rc;
}

enum tl_code tl_merged_next(struct tl_merged *merged, const struct tl_message **messages, const uint32_t **partitions,
                            size_t *count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (!merged->begun)
        TL_TRY(begin(merged, err));
    if (merged->stale)
        TL_TRY(refill(merged, err));
    *count = 0;
    while (*count < TL_BATCH_ROWS && merged->heap_count > 0 && !merged->stale) {
        struct stream *stream = &merged->streams[0];

        merged->messages[*count] = stream->messages[stream->at++];
        merged->partitions[(*count)++] = stream->part->partition;
        if (stream->at < stream->count)
            sink(merged, 0);
        else
            merged->stale = true;
    }
    *messages = merged->messages;
    *partitions = merged->partitions;
out:
    return rc;
}

/* Of the files from `file` on. */
static int64_t floor_of_files(const struct tl_merged *merged, const struct tl_record_part *part, size_t file)
{
    int64_t floor_ms = INT64_MAX;

    for (; file < part->files_count; file++) {
        const struct tl_master_file *mine = &part->files[file];

        if (!is_known(merged->input, mine))
            return INT64_MIN;
        if (is_wanted(merged, mine, mine->time_ms_min, mine->time_ms_max))
            floor_ms = tl_min_i64(floor_ms, mine->time_ms_min);
    }
    return floor_ms;
}

int64_t tl_merged_floor_ms(const struct tl_merged *merged)
{
    int64_t floor_ms = INT64_MAX;

    for (uint32_t s = 0; s < merged->streams_count; s++) {
        const struct stream *stream = &merged->streams[s];
        const struct tl_master_file *file;

        if (stream->file >= stream->part->files_count)
            continue;
        file = &stream->part->files[stream->file];
        if (!is_known(merged->input, file))
            return INT64_MIN;
        floor_ms = tl_min_i64(floor_ms, floor_of_files(merged, stream->part, stream->file + 1));
        for (uint32_t b = stream->block - (stream->at < stream->count); b < file->blocks_count; b++) /* with the one at hand */
            if (is_wanted(merged, file, file->blocks[b].time_ms_min, file->blocks[b].time_ms_max))
                floor_ms = tl_min_i64(floor_ms, file->blocks[b].time_ms_min);
    }
    return floor_ms;
}
