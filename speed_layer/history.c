/* history.c: which offsets are on record, which in the log, and which are gone; and reads them. See history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "event/partition.h"

/* ---- spans ---- */

/* Offsets [from, to) of a partition that should be on record and are not. */
struct lost {
    int64_t from, to;
};

/* What the record has of a topic. */
struct recorded {
    struct tl_master_list list;
    const struct tl_master_complete *complete, *thinned;
    size_t complete_count, thinned_count;
};

static enum tl_code add_span(struct tl_history_partition *mine, int64_t from, int64_t to, enum tl_history_kind kind,
                             const struct tl_master_file *file, struct tl_err *err)
{
    if (from >= to)
        return TL_OK;
    if (!TL_RESIZE(mine->spans, mine->spans_count + 1))
        return tl_fail_memory(err, (mine->spans_count + 1) * sizeof *mine->spans);
    mine->spans[mine->spans_count++] = (struct tl_history_span){from, to, kind, file};
    return TL_OK;
}

/* From `from` on the log has what it has. */
static enum tl_code add_log(struct tl_history_partition *mine, int64_t from, int64_t to, int64_t log_first, struct tl_err *err)
{
    int64_t begin = tl_min_i64(tl_max_i64(from, log_first), to);
    enum tl_code rc;

    TL_TRY(add_span(mine, from, begin, TL_HISTORY_GAP, NULL, err));
    TL_TRY(add_span(mine, begin, to, TL_HISTORY_IN_LOG, NULL, err));
out:
    return rc;
}

static int by_offset(const void *a, const void *b)
{
    const struct lost *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

/* What is missing of the partition, by offset. */
static enum tl_code list_lost(const struct recorded *recorded, uint32_t partition, struct lost **out, size_t *count,
                              struct tl_err *err)
{
    const struct tl_master_list *list = &recorded->list;
    struct lost *lost = calloc(list->damage_count + list->gaps_count + recorded->thinned_count + 1, sizeof *lost);
    size_t used = 0;

    if (lost == NULL)
        return tl_fail_memory(err, list->damage_count * sizeof *lost);
    for (size_t t = 0; t < recorded->thinned_count; t++)
        if (recorded->thinned[t].partition == partition)
            lost[used++] = (struct lost){0, recorded->thinned[t].offset};
    for (size_t d = 0; d < list->damage_count; d++)
        if (list->damage[d].partition == partition && list->damage[d].first_offset >= 0)
            lost[used++] = (struct lost){list->damage[d].first_offset,
                                         list->damage[d].last_offset < 0 ? INT64_MAX : list->damage[d].last_offset + 1};
    for (size_t g = 0; g < list->gaps_count; g++)
        if (list->gaps[g].partition == partition)
            lost[used++] = (struct lost){list->gaps[g].first_offset, list->gaps[g].last_offset + 1};
    qsort(lost, used, sizeof *lost, by_offset);
    *out = lost;
    *count = used;
    return TL_OK;
}

/* [*at, to) has no file. What is missing there may be in the log; *at is then behind the last of it. */
static enum tl_code add_hole(struct tl_history_partition *mine, const struct lost *lost, size_t lost_count, int64_t log_first,
                             int64_t *at, int64_t to, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < lost_count; i++) {
        int64_t from = tl_max_i64(lost[i].from, *at), end = tl_min_i64(lost[i].to, to);

        if (from >= end)
            continue;
        TL_TRY(add_span(mine, *at, from, TL_HISTORY_EMPTY, NULL, err));
        TL_TRY(add_log(mine, from, end, log_first, err));
        *at = end;
    }
out:
    return rc;
}

static enum tl_code add_record(struct tl_history_partition *mine, const struct recorded *recorded, int64_t log_first,
                               struct tl_err *err)
{
    const struct tl_master_list *list = &recorded->list;
    struct lost *lost = NULL;
    size_t lost_count = 0;
    int64_t at = 0, end = 0;
    enum tl_code rc;

    TL_TRY(list_lost(recorded, mine->in_topic, &lost, &lost_count, err));
    for (size_t f = 0; f < list->files_count; f++) {
        const struct tl_master_file *file = &list->files[f];

        if (file->partition != mine->in_topic)
            continue;
        TL_TRY(add_hole(mine, lost, lost_count, log_first, &at, file->first_offset, err));
        TL_TRY(add_span(mine, at, file->last_offset + 1, TL_HISTORY_IN_RECORD, file, err));
        at = tl_max_i64(at, file->last_offset + 1);
    }
    end = at;
    for (size_t c = 0; c < recorded->complete_count; c++)
        if (recorded->complete[c].partition == mine->in_topic)
            end = tl_max_i64(end, recorded->complete[c].offset);
    for (size_t i = 0; i < lost_count; i++) /* damage of which nobody can say where it ends is the log's from there on */
        if (lost[i].to != INT64_MAX)
            end = tl_max_i64(end, lost[i].to);
    TL_TRY(add_hole(mine, lost, lost_count, log_first, &at, end, err));
    TL_TRY(add_span(mine, at, end, TL_HISTORY_EMPTY, NULL, err));
    TL_TRY(add_log(mine, end, INT64_MAX, log_first, err));
out:
    free(lost);
    return rc;
}

/* Does the record tell of anything before the log's first offset? */
static bool is_earlier(const struct recorded *recorded, uint32_t partition, int64_t log_first)
{
    for (size_t f = 0; f < recorded->list.files_count; f++)
        if (recorded->list.files[f].partition == partition && recorded->list.files[f].first_offset < log_first)
            return true;
    return false;
}

/* ---- opening ---- */

/* The statement first, as batch has it (batch_layer/input.c): archive writes files before it. */
static enum tl_code list_topic(struct tl_master *master, struct tl_sv topic, uint64_t identity, struct recorded *out,
                               struct tl_err *err)
{
    uint64_t archived;
    enum tl_code rc;

    *out = (struct recorded){0};
    TL_TRY(tl_master_read_complete(master, topic, &out->complete, &out->complete_count, &archived, err));
    if (archived != 0 && archived != identity)
        TL_TRY(
            tl_fail(err, TL_ERR_IO,
                    "topic %.*s: the master record is of a topic of that name that was deleted and made again since; bring the "
                    "log back, or start with a new data directory",
                    TL_SV_ARG(topic)));
    TL_TRY(tl_master_list_sound(master, topic, &out->list, err));
    TL_TRY(tl_master_read_thinned(master, topic, &out->thinned, &out->thinned_count, err));
    TL_TRY(tl_master_find_lost(master, topic, out->complete, out->complete_count, out->thinned, out->thinned_count, &out->list,
                               err));
out:
    return rc;
}

static enum tl_code add_partition(struct tl_history *history, const struct tl_history_partition *like, int64_t log_first,
                                  const struct recorded *recorded, enum tl_history_from from, struct tl_err *err)
{
    struct tl_history_partition *mine;
    enum tl_code rc = TL_OK;

    if (!TL_RESIZE(history->partitions, history->partitions_count + 1))
        return tl_fail_memory(err, (history->partitions_count + 1) * sizeof *mine);
    mine = &history->partitions[history->partitions_count++];
    *mine = *like;
    if (recorded != NULL && (from == TL_HISTORY_RECORD || is_earlier(recorded, mine->in_topic, log_first)))
        TL_TRY(add_record(mine, recorded, log_first, err));
    else
        TL_TRY(add_log(mine, 0, INT64_MAX, log_first, err));
    mine->first = mine->spans[0].kind == TL_HISTORY_GAP ? mine->spans[0].to : 0;
out:
    return rc;
}

static enum tl_code add_topic(struct tl_history *history, const char *data_dir, struct tl_log *log, uint32_t source,
                              const struct tl_source_topic *topic, enum tl_history_from from, struct tl_err *err)
{
    struct recorded recorded;
    bool wanted = from == TL_HISTORY_RECORD;
    int64_t *first = NULL, end;
    uint32_t count = 0;
    uint64_t identity;
    enum tl_code rc;

    rc = tl_log_topic(log, topic->name, &count, &identity, err);
    if (rc == TL_ERR_NOT_FOUND)
        return TL_OK;
    TL_TRY(rc);
    TL_TRY(tl_source_topic_check(topic->name, count, err));
    first = calloc(count + 1u, sizeof *first);
    if (first == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *first));
    for (uint32_t p = 0; p < count; p++) {
        rc = tl_log_range(log, topic->name, p, &first[p], &end, err);
        if (rc == TL_ERR_NOT_FOUND) /* another broker, which has not heard of it yet */
            err->retriable = true;
        TL_TRY(rc);
        wanted = wanted || (from == TL_HISTORY_EITHER && first[p] > 0);
    }
    if (wanted && history->master == NULL)
        TL_TRY(tl_master_open(data_dir, &history->master, err));
    if (wanted)
        TL_TRY(list_topic(history->master, topic->name, identity, &recorded, err));
    for (uint32_t p = 0; p < count; p++) {
        const struct tl_history_partition like = {
            .source = source, .partition = tl_partition_number(topic->number, p), .topic = topic->name, .in_topic = p};

        TL_TRY(add_partition(history, &like, first[p], wanted ? &recorded : NULL, from, err));
    }
out:
    free(first);
    return rc;
}

enum tl_code tl_history_open(const char *data_dir, const struct tl_plan *plan, struct tl_source_logs *logs,
                             struct tl_source_topics *topics, enum tl_history_from from, struct tl_history **out,
                             struct tl_err *err)
{
    struct tl_history *history = calloc(1, sizeof *history);
    enum tl_code rc = TL_OK;

    if (history == NULL)
        return tl_fail_memory(err, sizeof *history);
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        uint32_t count;
        const struct tl_source_topic *of = tl_source_topics_of(topics, s, &count);

        for (uint32_t t = 0; t < count; t++)
            TL_TRY(add_topic(history, data_dir, tl_source_log(logs, s), s, &of[t], from, err));
    }
    *out = history;
    history = NULL;
out:
    tl_history_close(history);
    return rc;
}

void tl_history_close(struct tl_history *history)
{
    if (history == NULL)
        return;
    for (uint32_t p = 0; p < history->partitions_count; p++)
        free(history->partitions[p].spans);
    free(history->partitions);
    tl_master_close(history->master);
    free(history);
}

const struct tl_history_partition *tl_history_partition(const struct tl_history *history, uint32_t source, uint32_t partition)
{
    for (uint32_t p = 0; p < history->partitions_count; p++)
        if (history->partitions[p].source == source && history->partitions[p].partition == partition)
            return &history->partitions[p];
    return NULL;
}

/* ---- reading ---- */

struct tl_history_reader {
    struct tl_history *history;
    const struct tl_history_partition *partition;
    struct tl_master_reader *blocks;
    uint32_t span;
    const struct tl_master_file *file; /* whose block is at hand; NULL: none */
    uint32_t block;
    const struct tl_message *messages;
    size_t count, at; /* before `at` all were given out */
};

enum tl_code tl_history_reader_open(struct tl_history *history, const struct tl_history_partition *partition,
                                    struct tl_history_reader **out, struct tl_err *err)
{
    struct tl_history_reader *reader = calloc(1, sizeof *reader);
    enum tl_code rc;

    if (reader == NULL)
        return tl_fail_memory(err, sizeof *reader);
    reader->history = history;
    reader->partition = partition;
    TL_TRY(tl_master_reader_open(&reader->blocks, err));
    *out = reader;
    reader = NULL;
out:
    tl_history_reader_close(reader);
    return rc;
}

void tl_history_reader_close(struct tl_history_reader *reader)
{
    if (reader == NULL)
        return;
    tl_master_reader_close(reader->blocks);
    free(reader);
}

/* The block with the first message of the file from `offset` on is at hand, and that message is the next one. *there: there is one. */
static enum tl_code find_block(struct tl_history_reader *reader, const struct tl_master_file *file, int64_t offset, bool *there,
                               struct tl_err *err)
{
    uint32_t block = reader->file == file ? reader->block : 0;
    enum tl_code rc = TL_OK;

    while (block < file->blocks_count && file->blocks[block].last_offset < offset)
        block++;
    *there = block < file->blocks_count;
    if (!*there)
        return TL_OK;
    if (reader->file != file || reader->block != block) {
        reader->file = NULL;
        TL_TRY(tl_master_read_block(reader->blocks, file, block, &reader->messages, &reader->count, err));
        reader->file = file;
        reader->block = block;
        reader->at = 0;
    }
    while (reader->at < reader->count && reader->messages[reader->at].offset < offset)
        reader->at++;
    *there = reader->at < reader->count;
out:
    return rc;
}

static enum tl_code read_record(struct tl_history_reader *reader, const struct tl_history_span *span, int64_t offset,
                                size_t messages_max, size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    size_t bytes = 0, count = 0;
    bool there;
    enum tl_code rc;

    assert(reader->file != span->file || reader->at == 0 || reader->messages[reader->at - 1].offset < offset);
    *out = (struct tl_log_entries){.next_offset = span->to};
    TL_TRY(find_block(reader, span->file, offset, &there, err));
    if (!there)
        goto out;
    out->messages = &reader->messages[reader->at];
    while (count < messages_max && reader->at + count < reader->count && (count == 0 || bytes < bytes_max))
        bytes += out->messages[count++].value.size;
    out->count = count;
    out->next_offset = out->messages[count - 1].offset + 1;
out:
    return rc;
}

/* What the log has behind the span is on record, or is read there later. */
static void cut_off(struct tl_log_entries *entries, int64_t to)
{
    while (entries->count > 0 && entries->messages[entries->count - 1].offset >= to)
        entries->count--;
    if (entries->next_offset >= to) {
        entries->next_offset = to;
        entries->at_end = entries->at_end && to == INT64_MAX;
    }
}

enum tl_code tl_history_read(struct tl_history_reader *reader, struct tl_log *log, int64_t offset, size_t messages_max,
                             size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    const struct tl_history_partition *partition = reader->partition;
    const struct tl_history_span *span;
    uint64_t bytes = 0;
    enum tl_code rc = TL_OK;

    while (partition->spans[reader->span].to <= offset)
        reader->span++;
    span = &partition->spans[reader->span];
    if (span->kind == TL_HISTORY_IN_RECORD) {
        TL_TRY(read_record(reader, span, offset, messages_max, bytes_max, out, err));
    } else if (span->kind == TL_HISTORY_IN_LOG) {
        TL_TRY(tl_log_read(log, partition->topic, partition->in_topic, offset, messages_max, bytes_max, out, err));
        cut_off(out, span->to);
    } else {
        *out = (struct tl_log_entries){.next_offset = span->to};
    }
    for (size_t i = 0; i < out->count; i++)
        bytes += out->messages[i].value.size;
    atomic_fetch_add_explicit(&reader->history->read_bytes, bytes, memory_order_relaxed);
out:
    return rc;
}
