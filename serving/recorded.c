/* recorded.c: the events of a source as they stand on record, and in the log behind that. See recorded.h. */
#include "recorded.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/intake.h"
#include "event/partition.h"

void tl_recorded_init(struct tl_recorded *recorded, const struct tl_plan *plan, const struct tl_source_topics *topics,
                      struct tl_master *master, struct tl_source_logs *logs)
{
    *recorded = (struct tl_recorded){.plan = plan, .topics = topics, .master = master, .logs = logs};
    tl_arena_init(&recorded->memory, 1u << 12, 0);
}

void tl_recorded_done(struct tl_recorded *recorded)
{
    tl_master_reader_close(recorded->reader);
    tl_arena_done(&recorded->memory);
}

/* ---- what there is ---- */

static enum tl_code list(struct tl_recorded *recorded, struct tl_recorded_topic *topic, struct tl_err *err)
{
    struct tl_master_list listed = {.damage_count = 0};
    uint64_t identity;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_master_list_sound(recorded->master, topic->topic, &listed, err));
    if (listed.damage_count > 0 && !recorded->goes_on)
        TL_TRY(tl_fail(err, listed.damage[0].code, "%s", listed.damage[0].message));
    topic->files = listed.files;
    topic->files_count = listed.files_count;
    topic->damage = listed.damage;
    topic->damage_count = listed.damage_count;
    TL_TRY(tl_master_read_complete(recorded->master, topic->topic, &topic->complete, &topic->complete_count, &identity, err));
    TL_TRY(tl_master_read_thinned(recorded->master, topic->topic, &topic->thinned, &topic->thinned_count, err));
    for (size_t f = 0; f < topic->files_count; f++)
        if (topic->files[f].partition >= topic->partitions_count)
            topic->partitions_count = topic->files[f].partition + 1;
    for (size_t c = 0; c < topic->complete_count; c++)
        if (topic->complete[c].partition >= topic->partitions_count)
            topic->partitions_count = topic->complete[c].partition + 1;
out:
    return rc;
}

static enum tl_code add_topic(struct tl_recorded *recorded, struct tl_recorded_topics *topics,
                              const struct tl_source_topic *topic, struct tl_err *err)
{
    char *import = tl_arena_printf(&recorded->memory, "%.*s.import", TL_SV_ARG(topic->name));
    struct tl_recorded_topic *both = &topics->items[topics->count];
    enum tl_code rc;

    if (import == NULL)
        return tl_fail_memory(err, topic->name.size);
    both[0] = (struct tl_recorded_topic){.topic = topic->name, .number_base = tl_partition_number(topic->number, 0)};
    both[1] = (struct tl_recorded_topic){.topic = tl_sv_from(import), .number_base = TL_PARTITION_IMPORTED | both[0].number_base};
    TL_TRY(list(recorded, &both[0], err));
    TL_TRY(list(recorded, &both[1], err));
    topics->count += 2;
out:
    return rc;
}

enum tl_code tl_recorded_topics(struct tl_recorded *recorded, uint32_t source, const struct tl_recorded_topics **out,
                                struct tl_err *err)
{
    uint32_t count;
    const struct tl_source_topic *topics = tl_source_topics_of(recorded->topics, source, &count);
    struct tl_recorded_topics *mine;
    enum tl_code rc = TL_OK;

    if (recorded->sources == NULL) {
        recorded->sources = tl_arena_zalloc(&recorded->memory, recorded->plan->sources_count * sizeof *recorded->sources);
        if (recorded->sources == NULL)
            return tl_fail_memory(err, recorded->plan->sources_count * sizeof *recorded->sources);
    }
    mine = &recorded->sources[source];
    if (!mine->listed) {
        mine->items = tl_arena_zalloc(&recorded->memory, (2 * (size_t)count + 1) * sizeof *mine->items);
        if (mine->items == NULL)
            return tl_fail_memory(err, count * sizeof *mine->items);
        for (uint32_t t = 0; t < count; t++)
            if (topics[t].number != TL_TOPIC_NO_NUMBER)
                TL_TRY(add_topic(recorded, mine, &topics[t], err));
        mine->listed = true;
    }
    *out = mine;
out:
    return rc;
}

int64_t tl_recorded_end(const struct tl_recorded_topic *topic, uint32_t partition)
{
    int64_t end = 0;

    for (size_t f = 0; f < topic->files_count; f++)
        if (topic->files[f].partition == partition)
            end = tl_max_i64(end, topic->files[f].last_offset + 1);
    for (size_t c = 0; c < topic->complete_count; c++)
        if (topic->complete[c].partition == partition)
            end = tl_max_i64(end, topic->complete[c].offset);
    return end;
}

int64_t tl_recorded_thinned(const struct tl_recorded_topic *topic, uint32_t partition)
{
    for (size_t t = 0; t < topic->thinned_count; t++)
        if (topic->thinned[t].partition == partition)
            return topic->thinned[t].offset;
    return 0;
}

static const struct tl_recorded_topic *topic_of(const struct tl_recorded_topics *topics, uint32_t partition)
{
    for (uint32_t t = 0; t < topics->count; t++)
        if (topics->items[t].number_base == tl_partition_base(partition))
            return &topics->items[t];
    return NULL;
}

/* By what its index says of the times that the source's rule gives, and of the log's own. */
static bool may_concern(const struct tl_master_block *block, bool tells, int64_t from_ms, int64_t to_ms)
{
    return !tells || (block->time_ms_min <= block->time_ms_max && block->time_ms_max >= from_ms) ||
           (block->log_ms_max >= from_ms && block->log_ms_min < to_ms);
}

int64_t tl_recorded_floor(const struct tl_recorded_source *of, uint32_t number, int64_t from_ms, int64_t to_ms)
{
    uint64_t rule = tl_intake_time_rule(of->recorded->plan, of->source);
    const struct tl_recorded_topic *topic = topic_of(&of->recorded->sources[of->source], number);
    uint32_t partition = tl_partition_in_topic(number);

    if (topic == NULL || topic->damage_count > 0 || from_ms == INT64_MIN)
        return INT64_MIN;
    for (size_t f = 0; f < topic->files_count; f++) { /* in order of the offsets */
        const struct tl_master_file *file = &topic->files[f];

        for (uint32_t b = 0; file->partition == partition && b < file->blocks_count; b++)
            if (may_concern(&file->blocks[b], file->time_rule == rule, from_ms, to_ms))
                return file->blocks[b].first_offset;
    }
    return tl_recorded_end(topic, partition);
}

void tl_recorded_log_times(const struct tl_recorded *recorded, uint32_t source, uint32_t number, int64_t offset, int64_t *min_ms,
                           int64_t *max_ms)
{
    const struct tl_recorded_topic *topic = topic_of(&recorded->sources[source], number);

    *min_ms = INT64_MIN;
    *max_ms = INT64_MAX;
    for (size_t f = 0; topic != NULL && f < topic->files_count; f++) {
        const struct tl_master_file *file = &topic->files[f];

        if (file->partition != tl_partition_in_topic(number) || offset < file->first_offset || offset > file->last_offset)
            continue;
        for (uint32_t b = 0; b < file->blocks_count; b++)
            if (offset >= file->blocks[b].first_offset && offset <= file->blocks[b].last_offset) {
                *min_ms = file->blocks[b].log_ms_min;
                *max_ms = file->blocks[b].log_ms_max;
            }
    }
}

static enum tl_code put_gap(struct tl_recorded *recorded, const struct tl_record_gap *gap, struct tl_err *err)
{
    for (uint32_t g = 0; g < recorded->gaps_count; g++) {
        struct tl_record_gap *known = &recorded->gaps[g];

        if (known->partition != gap->partition || known->first_offset != gap->first_offset || !tl_sv_eq(known->topic, gap->topic))
            continue;
        known->time_ms_min = tl_min_i64(known->time_ms_min, gap->time_ms_min); /* another source may have its times elsewhere */
        known->time_ms_max = tl_max_i64(known->time_ms_max, gap->time_ms_max);
        return TL_OK;
    }
    if ((recorded->gaps_count & (recorded->gaps_count - 1)) == 0) {
        size_t capacity = recorded->gaps_count == 0 ? 1 : 2 * (size_t)recorded->gaps_count;
        struct tl_record_gap *gaps = tl_arena_alloc(&recorded->memory, capacity * sizeof *gaps);

        if (gaps == NULL)
            return tl_fail_memory(err, capacity * sizeof *gaps);
        if (recorded->gaps_count > 0)
            memcpy(gaps, recorded->gaps, recorded->gaps_count * sizeof *gaps);
        recorded->gaps = gaps;
    }
    recorded->gaps[recorded->gaps_count++] = *gap;
    return TL_OK;
}

/* The first one from `from` on that a damaged file of the topic begins at, by its name; NULL: none. *tells: its index is there, and has the times
 * that the source goes by. */
static const struct tl_master_damage *next_damage(const struct tl_recorded *recorded, const struct tl_record_gap *gap,
                                                  int64_t from, bool *tells)
{
    const struct tl_master_damage *first = NULL;

    for (uint32_t s = 0; recorded->sources != NULL && s < recorded->plan->sources_count; s++) {
        for (uint32_t t = 0; t < recorded->sources[s].count; t++) {
            const struct tl_recorded_topic *topic = &recorded->sources[s].items[t];

            for (size_t d = 0; d < topic->damage_count && tl_sv_eq(topic->topic, gap->topic); d++)
                if (topic->damage[d].partition == gap->partition && topic->damage[d].first_offset >= from &&
                    topic->damage[d].first_offset <= gap->last_offset &&
                    (first == NULL || topic->damage[d].first_offset < first->first_offset)) {
                    first = &topic->damage[d];
                    *tells = first->file != NULL && first->file->time_rule == tl_intake_time_rule(recorded->plan, s);
                }
        }
    }
    return first;
}

enum tl_code tl_recorded_add_gap(struct tl_recorded *recorded, struct tl_sv topic, uint32_t partition, int64_t first_offset,
                                 int64_t last_offset, bool is_guess, struct tl_err *err)
{
    struct tl_record_gap gap = {.topic = topic,
                                .partition = partition,
                                .first_offset = first_offset,
                                .last_offset = last_offset,
                                .time_ms_min = INT64_MIN,
                                .time_ms_max = INT64_MAX,
                                .is_guess = is_guess};
    bool tells = false, next_tells = false;
    const struct tl_master_damage *damage = next_damage(recorded, &gap, first_offset, &tells);
    enum tl_code rc = TL_OK;

    if (damage == NULL || damage->first_offset > first_offset) {
        gap.last_offset = damage != NULL ? damage->first_offset - 1 : last_offset;
        TL_TRY(put_gap(recorded, &gap, err));
    }
    while (damage != NULL) { /* up to the next one: where a damaged file ends often nobody can say */
        const struct tl_master_damage *next;

        gap.first_offset = damage->first_offset;
        gap.last_offset = last_offset;
        gap.damage = tl_sv_from(damage->message);
        next = next_damage(recorded, &gap, damage->first_offset + 1, &next_tells);
        if (next != NULL)
            gap.last_offset = next->first_offset - 1;
        tells = tells && gap.last_offset <= damage->file->last_offset;
        gap.time_ms_min = tells ? damage->file->time_ms_min : INT64_MIN;
        gap.time_ms_max = tells ? damage->file->time_ms_max : INT64_MAX;
        TL_TRY(put_gap(recorded, &gap, err));
        damage = next;
        tells = next_tells;
    }
out:
    return rc;
}

/* A block that cannot be read; others may still be. Its times are those of its index, if that follows the source's rule. */
static enum tl_code add_damaged_block(struct tl_recorded *recorded, struct tl_sv topic, const struct tl_master_file *file,
                                      uint32_t block, uint64_t time_rule, const struct tl_err *why, struct tl_err *err)
{
    bool tells = file->time_rule == time_rule;
    struct tl_record_gap gap = {.topic = topic,
                                .partition = file->partition,
                                .first_offset = file->blocks[block].first_offset,
                                .last_offset = file->blocks[block].last_offset,
                                .time_ms_min = tells ? file->blocks[block].time_ms_min : INT64_MIN,
                                .time_ms_max = tells ? file->blocks[block].time_ms_max : INT64_MAX};

    if (!tl_arena_copy(&recorded->memory, tl_sv_from(why->message), &gap.damage))
        return tl_fail_memory(err, strlen(why->message));
    return put_gap(recorded, &gap, err);
}

static bool is_damage(const struct tl_recorded *recorded, enum tl_code rc)
{
    return recorded->goes_on && (rc == TL_ERR_CORRUPT || rc == TL_ERR_IO);
}

/* ---- reading ---- */

/* Whoever asks for one message after the other in order of offset reads each block once. */
static enum tl_code read_block(struct tl_recorded *recorded, const struct tl_master_file *file, uint32_t block,
                               const struct tl_message **messages, size_t *count, struct tl_err *err)
{
    struct tl_recorded_block *last = &recorded->last;
    enum tl_code rc = TL_OK;

    if (recorded->reader == NULL)
        TL_TRY(tl_master_reader_open(&recorded->reader, err));
    if (last->file != file || last->block != block) {
        last->file = NULL;
        TL_TRY(tl_master_read_block(recorded->reader, file, block, &last->messages, &last->count, err));
        last->file = file;
        last->block = block;
    }
    *messages = last->messages;
    *count = last->count;
out:
    return rc;
}

/* One of the threads that read. */
struct reading {
    struct readings *all;
    struct tl_master_reader *reader;
    void *ctx;
    pthread_t thread;
    bool running;
    uint64_t messages_count;
    struct tl_err err;
};

struct readings {
    struct tl_recorded *recorded;
    const struct tl_recorded_topics *topics;
    const struct tl_time_spans *spans;
    tl_recorded_each each;
    uint64_t time_rule;
    pthread_mutex_t lock;
    uint32_t topic, block; /* the next, under the lock */
    size_t file;
    enum tl_code code; /* of the first that failed: the others end */
    struct tl_err err;
};

static bool may_hold(const struct readings *all, const struct tl_master_file *file, int64_t min_ms, int64_t max_ms)
{
    /* Else its index speaks of other times: all of it is read. */
    return file->time_rule != all->time_rule || tl_time_spans_overlap(all->spans, min_ms, max_ms);
}

/* The next block that may hold something; NULL: there is none. */
static const struct tl_master_file *next_block(struct readings *all, const struct tl_recorded_topic **topic, uint32_t *block)
{
    for (; all->topic < all->topics->count; all->topic++, all->file = 0) {
        *topic = &all->topics->items[all->topic];
        for (; all->file < (*topic)->files_count; all->file++, all->block = 0) {
            const struct tl_master_file *file = &(*topic)->files[all->file];

            if (all->block == 0 && !may_hold(all, file, file->time_ms_min, file->time_ms_max))
                continue;
            while (all->block < file->blocks_count) {
                *block = all->block++;
                if (may_hold(all, file, file->blocks[*block].time_ms_min, file->blocks[*block].time_ms_max))
                    return file;
            }
        }
    }
    return NULL;
}

static enum tl_code read_blocks(struct reading *mine)
{
    struct readings *all = mine->all;
    enum tl_code rc = TL_OK;

    for (;;) {
        const struct tl_recorded_topic *topic;
        const struct tl_master_file *file;
        const struct tl_message *messages;
        uint32_t block;
        size_t count;

        pthread_mutex_lock(&all->lock);
        file = all->code == TL_OK ? next_block(all, &topic, &block) : NULL;
        pthread_mutex_unlock(&all->lock);
        if (file == NULL)
            return TL_OK;
        rc = tl_master_read_block(mine->reader, file, block, &messages, &count, &mine->err);
        if (is_damage(all->recorded, rc)) {
            struct tl_err why = mine->err;

            pthread_mutex_lock(&all->lock);
            rc = add_damaged_block(all->recorded, topic->topic, file, block, all->time_rule, &why, &mine->err);
            pthread_mutex_unlock(&all->lock);
            TL_TRY(rc);
            continue;
        }
        TL_TRY(rc);
        mine->messages_count += count;
        TL_TRY(all->each(mine->ctx, topic->number_base + file->partition, messages, count, &mine->err));
    }
out:
    return rc;
}

static void *thread_main(void *arg)
{
    struct reading *mine = arg;
    struct readings *all = mine->all;
    enum tl_code rc = read_blocks(mine);

    if (rc == TL_OK)
        return NULL;
    pthread_mutex_lock(&all->lock);
    if (all->code == TL_OK) {
        all->code = rc;
        all->err = mine->err;
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

enum tl_code tl_recorded_read(struct tl_recorded *recorded, uint32_t source, const struct tl_time_spans *spans,
                              tl_recorded_each each, void *const *ctxs, uint32_t threads, struct tl_err *err)
{
    struct readings all = {.recorded = recorded, .spans = spans, .each = each, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct reading *readings = calloc(threads, sizeof *readings);
    enum tl_code rc = TL_OK;

    if (readings == NULL)
        return tl_fail_memory(err, threads * sizeof *readings);
    all.time_rule = tl_intake_time_rule(recorded->plan, source);
    TL_TRY(tl_recorded_topics(recorded, source, &all.topics, err));
    for (uint32_t t = 0; t < threads; t++) {
        readings[t].all = &all;
        readings[t].ctx = ctxs[t];
        TL_TRY(tl_master_reader_open(&readings[t].reader, err));
    }
    for (uint32_t t = 1; t < threads; t++) /* where there are no more threads, the others read all */
        readings[t].running = pthread_create(&readings[t].thread, NULL, thread_main, &readings[t]) == 0;
    (void)thread_main(&readings[0]);
out:
    for (uint32_t t = 0; t < threads; t++) {
        if (readings[t].running)
            pthread_join(readings[t].thread, NULL);
        recorded->messages_count += readings[t].messages_count;
        tl_master_reader_close(readings[t].reader);
    }
    pthread_mutex_destroy(&all.lock);
    free(readings);
    if (rc == TL_OK && all.code != TL_OK) {
        *err = all.err;
        rc = all.code;
    }
    return rc;
}

enum tl_code tl_recorded_log(const struct tl_recorded *recorded, uint32_t source, const struct tl_recorded_topic *topic,
                             uint32_t *partitions, struct tl_err *err)
{
    uint64_t identity;
    enum tl_code rc;

    *partitions = 0;
    if (recorded->logs == NULL || topic->number_base >= TL_PARTITION_IMPORTED)
        return TL_OK;
    rc = tl_log_topic(tl_source_log(recorded->logs, source), topic->topic, partitions, &identity, err);
    return rc == TL_ERR_NOT_FOUND ? TL_OK : rc;
}

enum { TAIL_BYTES = 4 << 20, ANSWER_MS = 10000 };

enum tl_code tl_recorded_read_log(struct tl_recorded *recorded, uint32_t source, const struct tl_recorded_topic *topic,
                                  uint32_t partition, int64_t to, tl_recorded_each each, void *ctx, int64_t *first,
                                  struct tl_err *err)
{
    struct tl_log *log = tl_source_log(recorded->logs, source);
    int64_t from = tl_recorded_end(topic, partition), begin, end;
    struct tl_log_entries entries;
    enum tl_code rc = TL_OK;

    *first = from;
    if (from >= to)
        return TL_OK;
    TL_TRY(tl_log_range(log, topic->topic, partition, &begin, &end, err));
    *first = from = tl_max_i64(from, begin);
    for (to = tl_min_i64(to, end); from < to; from = entries.next_offset) {
        TL_TRY(tl_log_read_on(log, topic->topic, partition, from, TL_BATCH_ROWS, TAIL_BYTES, ANSWER_MS, &entries, err));
        recorded->messages_count += entries.count;
        TL_TRY(each(ctx, topic->number_base + partition, entries.messages, entries.count, err));
    }
out:
    return rc;
}

struct one_partition {
    int64_t upto;
    tl_recorded_each each;
    void *ctx;
};

static enum tl_code below_upto(void *ctx, uint32_t partition, const struct tl_message *messages, size_t count, struct tl_err *err)
{
    const struct one_partition *one = ctx;

    while (count > 0 && messages[count - 1].offset >= one->upto)
        count--;
    return count == 0 ? TL_OK : one->each(one->ctx, partition, messages, count, err);
}

enum tl_code tl_recorded_read_partition(struct tl_recorded *recorded, uint32_t source, uint32_t partition,
                                        const struct tl_time_spans *spans, int64_t upto, tl_recorded_each each, void *ctx,
                                        struct tl_err *err)
{
    struct one_partition one = {upto, each, ctx};
    struct tl_recorded_topics alone = {.count = 1};
    struct readings all = {.topics = &alone, .spans = spans, .time_rule = tl_intake_time_rule(recorded->plan, source)};
    const struct tl_recorded_topics *topics;
    const struct tl_recorded_topic *topic;
    const struct tl_master_file *file;
    uint32_t partitions, block;
    int64_t first;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_recorded_topics(recorded, source, &topics, err));
    topic = topic_of(topics, partition);
    if (topic == NULL)
        return TL_OK;
    alone.items = &topics->items[topic - topics->items];
    while ((file = next_block(&all, &topic, &block)) != NULL) {
        const struct tl_message *messages;
        size_t count;

        if (file->partition != tl_partition_in_topic(partition) || file->blocks[block].first_offset >= upto)
            continue;
        TL_TRY(read_block(recorded, file, block, &messages, &count, err));
        recorded->messages_count += count;
        TL_TRY(below_upto(&one, partition, messages, count, err));
    }
    TL_TRY(tl_recorded_log(recorded, source, alone.items, &partitions, err));
    if (tl_partition_in_topic(partition) < partitions)
        TL_TRY(tl_recorded_read_log(recorded, source, alone.items, tl_partition_in_topic(partition), upto, below_upto, &one,
                                    &first, err));
out:
    return rc;
}

static const struct tl_message *message_at(const struct tl_message *messages, size_t count, int64_t offset)
{
    for (size_t i = 0; i < count; i++)
        if (messages[i].offset == offset)
            return &messages[i];
    return NULL;
}

enum tl_code tl_recorded_find(struct tl_recorded *recorded, uint32_t source, uint32_t number, int64_t offset,
                              const struct tl_message **out, struct tl_err *err)
{
    uint32_t partition = tl_partition_in_topic(number);
    const struct tl_recorded_topics *topics;
    const struct tl_recorded_topic *topic;
    const struct tl_message *messages;
    struct tl_log_entries entries;
    size_t count;
    enum tl_code rc = TL_OK;

    *out = NULL;
    TL_TRY(tl_recorded_topics(recorded, source, &topics, err));
    topic = topic_of(topics, number);
    if (topic == NULL)
        return TL_OK;
    for (size_t f = 0; f < topic->files_count; f++) {
        const struct tl_master_file *file = &topic->files[f];

        if (file->partition != partition || offset < file->first_offset || offset > file->last_offset)
            continue;
        for (uint32_t b = 0; b < file->blocks_count; b++) {
            if (offset < file->blocks[b].first_offset || offset > file->blocks[b].last_offset)
                continue;
            rc = read_block(recorded, file, b, &messages, &count, err);
            if (is_damage(recorded, rc))
                return TL_OK;
            TL_TRY(rc);
            *out = message_at(messages, count, offset);
            return TL_OK;
        }
    }
    if (recorded->logs == NULL || number >= TL_PARTITION_IMPORTED)
        return TL_OK;
    rc = tl_log_read_wait(tl_source_log(recorded->logs, source), topic->topic, partition, offset, 1, 1, ANSWER_MS, &entries, err);
    if (rc == TL_ERR_GAP)
        return TL_OK;
    if (rc == TL_OK)
        *out = message_at(entries.messages, entries.count, offset);
out:
    return rc;
}
