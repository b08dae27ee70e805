/* archive.c: the log -> the master record: what is there now, or with --follow what comes as well.
 *
 * A pass takes each partition from behind the last offset on record to the log's present end, into files of its own, and then states in
 * complete.json up to which offset the record is complete and when that was the log's end. The clock is read before the log is
 * asked for its end, so the statement is true whatever was appended in between: batch publishes by it. While a transaction is open that began before,
 * what it holds is not at hand, and the statement says nothing new of that partition.
 *
 * --follow is a pass every --interval. Between passes nothing is open but the lock, so there is nothing to lose: what a killed archive has
 * not put on record is still in the log.
 *
 * A pass goes by what lies on disk, not by complete.json: a file that got its name counts even if the statement was not written
 * any more. The statement's own offset counts where it is ahead (the log's end may lie behind a gap), and its identity is written before
 * the first file, so that a topic that was deleted and made again is never mixed with the old one. Kafka gives such a topic no other
 * identity: there the last message on record must stand in the log as it was, before a pass and behind it.
 *
 * To go on behind what is on record only its end is needed. A file that is damaged is named, and archived behind. Where nobody can say where the record of a topic
 * ends, the topic is left out, and looked at again at the next pass. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive_compact.h"
#include "archive_meter.h"
#include "archive_retention.h"
#include "archive_verify.h"
#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "core/intake.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/notify.h"
#include "main/option.h"
#include "main/progress.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "main/stop.h"
#include "main/views.h"
#include "master/master.h"
#include "sql/plan.h"

enum {
    READ_BYTES = 4 << 20,        /* of the log at once */
    NAP_MS = 200,                /* how soon a SIGTERM that falls between a check and a sleep is seen */
    ANSWER_MS = 10000,           /* how long entries that the log says it has may take to come */
    NO_LOG_YET_MS = 1000,        /* how often --follow looks for a log that is not there */
    FILE_MESSAGES_MAX = 8 << 20, /* so that an index has a maximum, however short the messages are */
};
#define OFFSET_UNKNOWN INT64_MIN
#define NOT_GIVEN INT64_C(-1)

struct archive_options {
    bool follow, accept_gap, verify, compact, dry_run;
    int64_t interval_ms, file_bytes, wait_ms, retention_ms;
    const char *format;
};

struct partition {
    int64_t next_offset;  /* every message below it is on record; OFFSET_UNKNOWN: nothing is */
    int64_t end_ms;       /* as in struct tl_master_complete */
    int64_t files_offset; /* the same */
    int64_t last_offset;  /* of the last message on record */
    uint64_t fingerprint; /* of the same (log.h); 0: none is known */
};

struct topic {
    struct tl_sv name; /* kept by archive.sources */
    uint32_t source;
    struct tl_intake *intake;
    uint64_t time_rule;
    bool said_missing, said_damage;
    bool end_unknown; /* its record is damaged so that nobody can say where it ends */
    bool loaded;      /* the following is as on disk */
    uint64_t identity;
    struct partition *partitions;
    uint32_t partitions_count;
    uint64_t messages_count, files_count; /* archived by this run, for its last line */
};

struct archive {
    struct archive_options options;
    const struct tl_common_options *common;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_master *master;
    struct tl_source_logs *logs;    /* NULL: not there (yet) */
    struct tl_archive_meter *meter; /* NULL: without --metrics-listen */
    struct tl_source_topics *sources;
    struct topic *topics;
    uint32_t topics_count;
    struct tl_progress progress;
    uint64_t finished_bytes; /* of files that are done */
    bool refused;            /* what the last pass failed with came of Kafka, and does not pass by itself */
    bool only_left_out;      /* the last pass has failed with topics that were left out, and with nothing else */
};

static struct tl_log *log_of(const struct archive *archive, const struct topic *topic)
{
    return tl_source_log(archive->logs, topic->source);
}

/* What came of asking the log. */
static enum tl_code heard(struct archive *archive, enum tl_code rc, const struct tl_err *err)
{
    archive->refused = rc != TL_OK && !err->retriable && strcmp(archive->common->log, "kafka") == 0;
    return rc;
}

/* ---- where the record stands ---- */

static enum tl_code partitions_grow(struct topic *topic, uint32_t count, struct tl_err *err)
{
    struct partition *partitions;

    if (count <= topic->partitions_count)
        return TL_OK;
    partitions = realloc(topic->partitions, count * sizeof *partitions);
    if (partitions == NULL)
        return tl_fail_memory(err, count * sizeof *partitions);
    for (uint32_t i = topic->partitions_count; i < count; i++)
        partitions[i] = (struct partition){.next_offset = OFFSET_UNKNOWN, .end_ms = INT64_MIN};
    topic->partitions = partitions;
    topic->partitions_count = count;
    return TL_OK;
}

static enum tl_code made_again(const struct archive *archive, const struct topic *topic, const char *why, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_CORRUPT,
                   "topic %.*s was deleted and made again: %s; its record in %s ends with the old topic. Move %s/topics/%.*s "
                   "away to begin a new "
                   "record, or give the new topic another name",
                   TL_SV_ARG(topic->name), why, archive->common->data, archive->common->data, TL_SV_ARG(topic->name));
}

static enum tl_code statement_write(const struct archive *archive, const struct topic *topic, struct tl_err *err)
{
    struct tl_master_complete *complete = calloc(topic->partitions_count + 1u, sizeof *complete);
    uint32_t count = 0;
    enum tl_code rc;

    if (complete == NULL)
        return tl_fail_memory(err, topic->partitions_count * sizeof *complete);
    for (uint32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].next_offset != OFFSET_UNKNOWN)
            complete[count++] = (struct tl_master_complete){i, topic->partitions[i].next_offset, topic->partitions[i].end_ms,
                                                            topic->partitions[i].files_offset};
    rc = tl_master_write_complete(archive->master, topic->name, complete, count, topic->identity, err);
    free(complete);
    return rc;
}

static void note_last(struct partition *partition, const struct tl_message *last)
{
    partition->last_offset = last->offset;
    partition->fingerprint = tl_log_fingerprint_of(last);
}

/* Of each partition the last message that can be read. */
static enum tl_code last_messages_load(struct topic *topic, const struct tl_master_list *list, struct tl_err *err)
{
    struct tl_master_reader *reader = NULL;
    enum tl_code rc;

    TL_TRY(tl_master_reader_open(&reader, err));
    for (size_t i = list->files_count; i-- > 0;) {
        const struct tl_master_file *file = &list->files[i];
        const struct tl_message *messages;
        size_t count;

        if (topic->partitions[file->partition].fingerprint != 0 || file->blocks_count == 0)
            continue;
        rc = tl_master_read_block(reader, file, file->blocks_count - 1, &messages, &count, err);
        if (rc == TL_ERR_CORRUPT) /* the one before does as well */
            continue;
        TL_TRY(rc);
        if (count > 0)
            note_last(&topic->partitions[file->partition], &messages[count - 1]);
    }
    rc = TL_OK;
out:
    tl_master_reader_close(reader);
    return rc;
}

static enum tl_code end_see(const struct archive *archive, struct topic *topic, uint32_t number, int64_t last_offset,
                            const char *path, struct tl_err *err)
{
    struct partition *partition;

    if (number >= topic->partitions_count)
        return made_again(archive, topic, "it has fewer partitions than before", err);
    if (last_offset == INT64_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%s: ends with the largest offset that there is", path);
    partition = &topic->partitions[number];
    partition->files_offset = tl_max_i64(partition->files_offset, last_offset + 1);
    partition->next_offset = tl_max_i64(partition->next_offset, partition->files_offset);
    return TL_OK;
}

/* A file of which nobody can say where it ends: something that ends behind its beginning is known, and so ends behind it. */
static enum tl_code end_check(struct topic *topic, const struct tl_master_damage *damage, struct tl_err *err)
{
    if (damage->last_offset >= 0 || damage->first_offset < 0 || damage->partition >= topic->partitions_count ||
        damage->first_offset < topic->partitions[damage->partition].files_offset)
        return TL_OK;
    topic->end_unknown = true;
    return tl_fail(err, TL_ERR_CORRUPT, "%s; nobody can say where the record of topic %.*s ends, and nothing of it is archived",
                   damage->message, TL_SV_ARG(topic->name));
}

static enum tl_code ends_load(const struct archive *archive, struct topic *topic, const struct tl_master_list *list,
                              struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t f = 0; f < list->files_count; f++)
        TL_TRY(end_see(archive, topic, list->files[f].partition, list->files[f].last_offset, list->files[f].path, err));
    for (size_t d = 0; d < list->damage_count; d++)
        if (list->damage[d].last_offset >= 0)
            TL_TRY(end_see(archive, topic, list->damage[d].partition, list->damage[d].last_offset, list->damage[d].path, err));
    for (size_t d = 0; d < list->damage_count; d++)
        TL_TRY(end_check(topic, &list->damage[d], err));
    for (size_t d = 0; d < list->damage_count && !topic->said_damage; d++)
        tl_diag(TL_WARN, "%s; topic %.*s is archived behind it", list->damage[d].message, TL_SV_ARG(topic->name));
    topic->said_damage = list->damage_count > 0;
out:
    return rc;
}

/* Reads what is on record, and sees that it is this log's. */
static enum tl_code topic_load(const struct archive *archive, struct topic *topic, uint32_t partitions_count, uint64_t identity,
                               struct tl_err *err)
{
    const struct tl_master_complete *complete;
    struct tl_master_list list;
    size_t complete_count;
    uint64_t known_identity;
    enum tl_code rc;

    topic->partitions_count = 0;
    TL_TRY(partitions_grow(topic, partitions_count, err));
    rc = tl_master_read_complete(archive->master, topic->name, &complete, &complete_count, &known_identity, err);
    topic->end_unknown = rc == TL_ERR_CORRUPT;
    TL_TRY(rc);
    TL_TRY(tl_master_list_sound(archive->master, topic->name, &list, err));
    if (complete_count > 0 && known_identity != identity)
        TL_TRY(made_again(archive, topic, "the log gives it another identity than complete.json has", err));
    for (size_t i = 0; i < complete_count; i++) {
        if (complete[i].partition >= partitions_count)
            TL_TRY(made_again(archive, topic, "it has fewer partitions than before", err));
        topic->partitions[complete[i].partition] = (struct partition){
            .next_offset = complete[i].offset, .end_ms = complete[i].end_ms, .files_offset = complete[i].files_offset};
    }
    TL_TRY(ends_load(archive, topic, &list, err));
    TL_TRY(last_messages_load(topic, &list, err));
    topic->identity = identity;
    topic->loaded = true;
out:
    tl_master_let_go(archive->master, topic->name);
    return rc;
}

/* What the log holds against what is on record. Sets partition->next_offset where nothing was known, or where a gap is accepted. */
static enum tl_code range_check(const struct archive *archive, const struct topic *topic, uint32_t number, int64_t first,
                                int64_t end, struct tl_err *err)
{
    struct partition *partition = &topic->partitions[number];
    char name[256], why[128];

    snprintf(name, sizeof name, "%.*s", TL_SV_ARG(topic->name));
    if (partition->next_offset == OFFSET_UNKNOWN)
        partition->next_offset = first;
    if (end < partition->next_offset) {
        snprintf(why, sizeof why,
                 "partition %" PRIu32 " of the log ends at %" PRId64 ", and offsets below %" PRId64 " are on record", number, end,
                 partition->next_offset);
        return made_again(archive, topic, why, err);
    }
    if (first <= partition->next_offset)
        return TL_OK;
    if (!archive->options.accept_gap)
        return tl_fail(err, TL_ERR_LIMIT,
                       "topic %s partition %" PRIu32 ": offsets %" PRId64 " to %" PRId64
                       " are missing: the record is complete below %" PRId64 ", and the log begins at %" PRId64
                       " now; --accept-gap goes on without them",
                       name, number, partition->next_offset, first - 1, partition->next_offset, first);
    tl_diag_event(TL_WARN, "goes on without the offsets that the log has no more",
                  (const struct tl_diag_kv[]){
                      {"topic",        name, 0                     },
                      {"partition",    NULL, number                },
                      {"first_offset", NULL, partition->next_offset},
                      {"last_offset",  NULL, first - 1             }
    },
                  4);
    partition->next_offset = first;
    return TL_OK;
}

/* What stands on record last still stands in the log. One that is gone from there (retention, compaction) tells nothing. */
static enum tl_code message_check(struct archive *archive, const struct topic *topic, uint32_t number, struct tl_err *err)
{
    const struct partition *partition = &topic->partitions[number];
    char why[128];
    uint64_t now;
    enum tl_code rc;

    if (partition->fingerprint == 0)
        return TL_OK;
    rc = tl_log_fingerprint(log_of(archive, topic), topic->name, number, partition->last_offset, &now, err);
    if (rc == TL_ERR_NOT_FOUND)
        return TL_OK;
    rc = heard(archive, rc, err);
    if (rc != TL_OK || now == partition->fingerprint)
        return rc;
    snprintf(why, sizeof why, "at offset %" PRId64 " of partition %" PRIu32 " stands another message than the one on record",
             partition->last_offset, number);
    return made_again(archive, topic, why, err);
}

/* ---- one partition ---- */

struct copy {
    struct archive *archive;
    struct topic *topic;
    uint32_t partition;
    struct tl_master_writer *writer; /* NULL: no file is open */
    uint64_t messages_count;         /* in that file */
    int64_t last_offset;             /* of them */
};

static enum tl_code file_finish(struct copy *copy, int64_t next_offset, struct tl_err *err)
{
    struct partition *partition = &copy->topic->partitions[copy->partition];
    struct tl_master_writer *writer = copy->writer;
    uint64_t bytes = tl_master_writer_raw_bytes(writer);
    enum tl_code rc;

    copy->writer = NULL;
    copy->archive->finished_bytes += bytes;
    tl_master_writer_begin_at(writer, partition->files_offset);
    rc = tl_master_writer_finish(writer, err);
    if (rc != TL_OK)
        return rc;
    partition->next_offset = next_offset;
    partition->files_offset = copy->last_offset + 1;
    copy->topic->messages_count += copy->messages_count;
    copy->topic->files_count++;
    tl_archive_meter_file(copy->archive->meter, copy->topic->name, copy->messages_count, bytes);
    tl_archive_meter_place(copy->archive->meter, copy->topic->name, copy->partition, next_offset);
    copy->messages_count = 0;
    return TL_OK;
}

static enum tl_code each_message(void *ctx, const struct tl_message *message, const int64_t *time_ms, uint32_t times_count,
                                 int64_t watermark_ms, struct tl_err *err)
{
    struct copy *copy = ctx;
    struct tl_master_facts facts = {.events_count = times_count, .time_ms = time_ms, .watermark_ms = watermark_ms};
    enum tl_code rc = TL_OK;

    if (copy->writer == NULL)
        TL_TRY(tl_master_writer_open(copy->archive->master, copy->topic->name, copy->partition, copy->topic->time_rule,
                                     &copy->writer, err));
    TL_TRY(tl_master_writer_add(copy->writer, message, &facts, err));
    copy->messages_count++;
    copy->last_offset = message->offset;
    if (tl_master_writer_raw_bytes(copy->writer) >= (uint64_t)copy->archive->options.file_bytes ||
        copy->messages_count >= FILE_MESSAGES_MAX)
        TL_TRY(file_finish(copy, message->offset + 1, err));
out:
    return rc;
}

/* Up to `end`, or to where a signal found it. Whatever happens, next_offset is what is durable. */
static enum tl_code partition_copy(struct archive *archive, struct topic *topic, uint32_t number, int64_t end, struct tl_err *err)
{
    struct copy copy = {.archive = archive, .topic = topic, .partition = number};
    const int64_t begin = topic->partitions[number].next_offset;
    int64_t next = begin;
    struct partition last = {.fingerprint = 0};
    enum tl_code rc;

    TL_TRY(message_check(archive, topic, number, err));
    while (next < end && !tl_stop_requested()) {
        struct tl_log_entries entries;

        TL_TRY(heard(archive,
                     tl_log_read_on(log_of(archive, topic), topic->name, number, next, TL_BATCH_ROWS, READ_BYTES, ANSWER_MS,
                                    &entries, err),
                     err));
        TL_TRY(tl_intake_run(topic->intake, entries.messages, entries.count, err));
        TL_TRY(tl_intake_facts(topic->intake, entries.messages, entries.count, each_message, &copy, err));
        tl_archive_meter_move(archive->meter);
        tl_progress_step(&archive->progress,
                         archive->finished_bytes + (copy.writer == NULL ? 0 : tl_master_writer_raw_bytes(copy.writer)), 0);
        next = entries.next_offset;
        if (entries.count > 0)
            note_last(&last, &entries.messages[entries.count - 1]);
    }
    if (next > begin)
        TL_TRY(message_check(archive, topic, number, err)); /* so what was read was of the same topic */
    if (copy.writer != NULL)
        TL_TRY(file_finish(&copy, next, err));
    topic->partitions[number].next_offset = next;
    if (last.fingerprint != 0) {
        topic->partitions[number].last_offset = last.last_offset;
        topic->partitions[number].fingerprint = last.fingerprint;
    }
    tl_archive_meter_place(archive->meter, topic->name, number, next);
out:
    tl_master_writer_abandon(copy.writer);
    return rc;
}

/* ---- which topics ---- */

/* Several sources may read one topic; the record is one, and its facts are by the first source's rule (the index says which). */
static enum tl_code topic_add(struct archive *archive, uint32_t source, struct tl_sv name, struct tl_err *err)
{
    struct topic *topic;
    enum tl_code rc = TL_OK;

    for (uint32_t t = 0; t < archive->topics_count; t++)
        if (tl_sv_eq(archive->topics[t].name, name))
            return TL_OK;
    if (!TL_RESIZE(archive->topics, archive->topics_count + 1))
        return tl_fail_memory(err, (archive->topics_count + 1) * sizeof *archive->topics);
    topic = &archive->topics[archive->topics_count];
    *topic = (struct topic){.name = name, .source = source, .time_rule = tl_intake_time_rule(archive->plan, source)};
    TL_TRY(tl_intake_open(archive->plan, source, &topic->intake, err));
    archive->topics_count++;
    TL_TRY(tl_archive_meter_topic(archive->meter, name, err));
out:
    return rc;
}

/* All that are known by now. */
static enum tl_code topics_add(struct archive *archive, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < archive->plan->sources_count; s++) {
        uint32_t count;
        const struct tl_source_topic *topics = tl_source_topics_of(archive->sources, s, &count);

        for (uint32_t t = 0; t < count; t++)
            TL_TRY(topic_add(archive, s, topics[t].name, err));
    }
out:
    return rc;
}

struct recorded {
    struct archive *archive;
    uint32_t source;
};

static enum tl_code topic_recorded(void *ctx, struct tl_sv name, struct tl_err *err)
{
    struct recorded *recorded = ctx;

    return tl_source_topics_add(recorded->archive->sources, recorded->source, name, err);
}

/* Of patterns: what the log has by now, and what is on record. */
static enum tl_code topics_find(struct archive *archive, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < archive->plan->sources_count; s++) {
        struct recorded recorded = {archive, s};

        if (archive->plan->sources[s].topic_pattern.data == NULL)
            continue;
        TL_TRY(heard(archive, tl_source_topics_look(archive->sources, s, tl_source_log(archive->logs, s), err), err));
        TL_TRY(tl_master_topics(archive->master, topic_recorded, &recorded, err));
    }
    TL_TRY(topics_add(archive, err));
out:
    return rc;
}

/* ---- one pass ---- */

/* One of a pattern's topics that is gone: batch waits for it, for it may be back, unless that is not to be expected (--accept-gap): then its record
 * is complete as it is. */
static enum tl_code topic_gone(const struct archive *archive, struct topic *topic, struct tl_err *err)
{
    const struct tl_master_complete *known;
    struct tl_master_complete *complete = NULL;
    size_t count;
    uint64_t identity;
    enum tl_code rc;

    if (!topic->said_missing)
        tl_diag(TL_WARN,
                archive->options.accept_gap
                    ? "topic %.*s is gone from the log: its record is taken for complete"
                    : "topic %.*s is gone from the log: batch waits for it, and --accept-gap takes its record for complete",
                TL_SV_ARG(topic->name));
    topic->said_missing = true;
    if (!archive->options.accept_gap)
        return TL_OK;
    TL_TRY(tl_master_read_complete(archive->master, topic->name, &known, &count, &identity, err));
    complete = calloc(count + 1, sizeof *complete);
    if (complete == NULL)
        return tl_fail_memory(err, count * sizeof *complete);
    for (size_t i = 0; i < count; i++)
        complete[i] = (struct tl_master_complete){known[i].partition, known[i].offset, tl_clock_wall_ms(), known[i].files_offset};
    if (count > 0)
        TL_TRY(tl_master_write_complete(archive->master, topic->name, complete, count, identity, err));
out:
    free(complete);
    return rc;
}

/* The embedded log's topics come into being with their first event; on Kafka somebody makes them, or the name is wrong. */
static enum tl_code say_missing(const struct archive *archive, struct topic *topic, const struct tl_err *err)
{
    bool is_kafka = strcmp(archive->common->log, "kafka") == 0;

    if (!topic->said_missing)
        tl_diag(is_kafka ? TL_WARN : TL_DEBUG, "%s: waits for it", err->message);
    topic->said_missing = true;
    return TL_OK;
}

static enum tl_code range_of(struct archive *archive, const struct topic *topic, uint32_t number, int64_t *first, int64_t *end,
                             struct tl_err *err)
{
    return heard(archive, tl_log_range(log_of(archive, topic), topic->name, number, first, end, err), err);
}

static enum tl_code topic_copy(struct archive *archive, struct topic *topic, uint32_t partitions_count, uint64_t identity,
                               struct tl_err *err)
{
    bool new_record;
    enum tl_code rc = TL_OK;

    topic->said_missing = false;
    if (topic->loaded && identity != topic->identity)
        TL_TRY(made_again(archive, topic, "the log gives it another identity than before", err));
    if (!topic->loaded)
        TL_TRY(topic_load(archive, topic, partitions_count, identity, err));
    new_record = true;
    for (uint32_t i = 0; i < topic->partitions_count; i++)
        new_record = new_record && topic->partitions[i].next_offset == OFFSET_UNKNOWN;
    TL_TRY(partitions_grow(topic, partitions_count, err));

    /* All partitions are checked before any is copied. */
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        int64_t first, end;

        TL_TRY(range_of(archive, topic, i, &first, &end, err));
        TL_TRY(range_check(archive, topic, i, first, end, err));
    }
    if (new_record)
        TL_TRY(statement_write(archive, topic, err));
    for (uint32_t i = 0; i < topic->partitions_count && !tl_stop_requested(); i++) {
        int64_t now_ms = tl_clock_wall_ms(), written, first, end;

        TL_TRY(heard(archive, tl_log_written(log_of(archive, topic), topic->name, i, &written, err), err));
        TL_TRY(range_of(archive, topic, i, &first, &end, err));
        TL_TRY(range_check(archive, topic, i, first, end, err));
        TL_TRY(partition_copy(archive, topic, i, end, err));
        /* A transaction that is open holds events of before now, which come when it is committed. */
        if (topic->partitions[i].next_offset >= end && end >= written)
            topic->partitions[i].end_ms = now_ms;
    }
    TL_TRY(statement_write(archive, topic, err));
out:
    if (rc != TL_OK)
        topic->loaded = false;
    return rc;
}

/* A topic may go away at any moment of a pass. */
static enum tl_code topic_pass(struct archive *archive, struct topic *topic, struct tl_err *err)
{
    uint32_t partitions_count;
    uint64_t identity;
    enum tl_code rc;

    rc = heard(archive, tl_log_topic(log_of(archive, topic), topic->name, &partitions_count, &identity, err), err);
    if (rc == TL_OK) {
        rc = topic_copy(archive, topic, partitions_count, identity, err);
        if (rc == TL_ERR_NOT_FOUND &&
            tl_log_topic(log_of(archive, topic), topic->name, &partitions_count, &identity, NULL) != TL_ERR_NOT_FOUND)
            return rc;
    }
    if (rc == TL_ERR_NOT_FOUND && archive->plan->sources[topic->source].topic_pattern.data != NULL)
        return topic_gone(archive, topic, err);
    if (rc == TL_ERR_NOT_FOUND && (archive->options.follow || strcmp(archive->common->log, "kafka") != 0))
        return say_missing(archive, topic, err);
    return rc;
}

/* Those whose records end nobody knows where are left out, and the others go on. */
static enum tl_code topics_pass(struct archive *archive, struct tl_err *err)
{
    uint32_t left_out = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < archive->topics_count && !tl_stop_requested(); i++) {
        struct topic *topic = &archive->topics[i];

        topic->end_unknown = false;
        rc = topic_pass(archive, topic, err);
        if (rc == TL_ERR_CORRUPT && topic->end_unknown) {
            if (!topic->said_damage)
                tl_diag(TL_WARN, "%s", err->message);
            topic->said_damage = true;
            left_out++;
            continue;
        }
        TL_TRY(rc);
    }
    rc = TL_OK;
    archive->only_left_out = left_out > 0;
    if (left_out > 0)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "the record is damaged: %" PRIu32 " topic%s left out; all else was done", left_out,
                       left_out == 1 ? " is" : "s are"));
out:
    return rc;
}

/* *waits: there is no log yet. */
static enum tl_code archive_pass(struct archive *archive, bool *waits, struct tl_err *err)
{
    enum tl_code rc;

    *waits = archive->refused = archive->only_left_out = false;
    if (archive->logs == NULL) {
        rc = tl_source_logs_open(archive->common, archive->plan, TL_LOG_READ, &archive->logs, err);
        if (rc == TL_ERR_NOT_FOUND) {
            *waits = true;
            return TL_OK;
        }
        TL_TRY(rc);
    }
    tl_progress_begin(&archive->progress, "archive");
    TL_TRY(topics_find(archive, err));
    TL_TRY(topics_pass(archive, err));
out:
    tl_progress_end(&archive->progress);
    return rc;
}

/* What the log has lost does not come back by itself; space may be freed, and a file of the record brought back. What Kafka refuses (a password, a right)
 * is for whoever starts the program to see, until a pass has shown that it was right once. */
static bool may_pass(const struct archive *archive, bool worked, enum tl_code rc, const struct tl_err *err)
{
    return err->retriable || archive->only_left_out || (rc == TL_ERR_IO && (worked || !archive->refused));
}

/* A pass that failed because of the disk or the log is made again from what is on disk. */
static enum tl_code archive_follow(struct archive *archive, struct tl_err *err)
{
    char reported[sizeof err->message] = "";
    bool waits = false, said = false, worked = false;
    enum tl_code rc;

    tl_notify_ready();
    for (;;) {
        int64_t until_ms, left_ms;

        tl_archive_meter_begin(archive->meter);
        rc = archive_pass(archive, &waits, err);
        if (rc != TL_OK && !may_pass(archive, worked, rc, err))
            return rc;
        worked = worked || (rc == TL_OK && !waits);
        if (rc != TL_OK)
            tl_archive_meter_failed(archive->meter, err);
        else if (waits)
            tl_archive_meter_wait(archive->meter);
        else
            tl_archive_meter_end(archive->meter);
        if (rc != TL_OK && strcmp(reported, err->message) != 0) {
            memcpy(reported, err->message, sizeof reported);
            tl_diag(TL_WARN, "%s; tries again every %" PRId64 " s", err->message, archive->options.interval_ms / 1000);
        }
        if (rc == TL_OK && reported[0] != '\0') {
            tl_diag(TL_INFO, "goes on: what failed before works again");
            reported[0] = '\0';
        }
        if (rc != TL_OK && !archive->only_left_out) {
            tl_source_logs_close(archive->logs);
            archive->logs = NULL;
        }
        if (waits && !said)
            tl_diag(TL_INFO, "there is no log in %s yet: waits for it", archive->common->data);
        said = waits;
        until_ms = tl_clock_monotonic_ms() +
                   (waits ? tl_min_i64(NO_LOG_YET_MS, archive->options.interval_ms) : archive->options.interval_ms);
        while (!tl_stop_requested() && (left_ms = until_ms - tl_clock_monotonic_ms()) > 0)
            tl_clock_sleep_ms(tl_min_i64(left_ms, NAP_MS));
        if (tl_stop_requested())
            return rc;
    }
}

/* ---- the command ---- */

static void archive_done(struct archive *archive)
{
    for (uint32_t i = 0; i < archive->topics_count; i++) {
        tl_intake_close(archive->topics[i].intake);
        free(archive->topics[i].partitions);
    }
    free(archive->topics);
    tl_source_topics_close(archive->sources);
    tl_source_logs_close(archive->logs);
    tl_master_close(archive->master);
    tl_views_close(archive->functions, archive->plan);
}

static void summary_print(const struct archive *archive)
{
    char messages[TL_COUNT_TEXT_BYTES], files[TL_COUNT_TEXT_BYTES];

    for (uint32_t i = 0; i < archive->topics_count; i++) {
        const struct topic *topic = &archive->topics[i];

        if (topic->files_count > 0)
            printf("archived %s event%s of topic %.*s (%" PRIu32 " partition%s) in %s file%s\n",
                   tl_count_text(topic->messages_count, messages), topic->messages_count == 1 ? "" : "s", TL_SV_ARG(topic->name),
                   topic->partitions_count, topic->partitions_count == 1 ? "" : "s", tl_count_text(topic->files_count, files),
                   topic->files_count == 1 ? "" : "s");
    }
}

#define AT(field) offsetof(struct archive_options, field)
static const struct tl_option archive_table[] = {
    {"follow",     TL_OPT_FLAG,     NULL,             "stay, and copy what comes as well",                                                      AT(follow),       0},
    {"interval",   TL_OPT_DURATION, "TIME",           "with --follow: how often (60s)",                                                         AT(interval_ms),  0},
    {"file-bytes", TL_OPT_COUNT,    "N",              "begin a new file when one holds so many bytes of events (256 MiB)",                      AT(file_bytes),   0},
    {"accept-gap", TL_OPT_FLAG,     NULL,             "go on where the log has lost offsets that are not on record, or a topic of a pattern",
     AT(accept_gap),                                                                                                                                              0},
    {"verify",     TL_OPT_FLAG,     NULL,             "copy nothing: read all that is on record, and say what is damaged or missing",           AT(verify),       0},
    {"compact",    TL_OPT_FLAG,     NULL,             "copy nothing: merge small files that are on record into large ones of --file-bytes",
     AT(compact),                                                                                                                                                 0},
    {"retention",  TL_OPT_DURATION, "AGE",
     "copy nothing: remove files whose events are all older, and published by every view; their days are sealed",                               AT(retention_ms), 0},
    {"dry-run",    TL_OPT_FLAG,     NULL,             "with --retention: only list the files that would go",                                    AT(dry_run),      0},
    {"wait",       TL_OPT_DURATION, "TIME",           "with --compact and --retention: how long to wait for those who read the record (10min)",
     AT(wait_ms),                                                                                                                                                 0},
    {"format",     TL_OPT_CHOICE,   "table|csv|json", "with --verify and --dry-run: how the answer is written",                                 AT(format),       0},
};

static const struct tl_usage archive_usage = {
    .text = "Copies the log into the master record: immutable files in DIR/topics, each one range of offsets.\n"
            "Copies what is there now and ends; the next run goes on behind it. Only with --follow is there anything for\n"
            "--metrics-listen to show.",
    .example = "tally archive --views views.sql --follow --interval 30s",
    .options = archive_table,
    .options_count = TL_COUNT(archive_table),
    .daemon = true,
};

static enum tl_code archive_copy(struct archive *archive, struct tl_err *err)
{
    const struct tl_common_options *common = archive->common;
    struct tl_lock *lock = NULL;
    char *lock_path = NULL;
    bool waits = false;
    enum tl_code rc;

    if (archive->options.interval_ms <= 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--interval must be more than 0; 60s is usual"));
    TL_TRY(tl_options_need_views(common, err));
    TL_TRY(tl_views_open(common, common->views, &archive->functions, &archive->plan, err));
    TL_TRY(tl_source_topics_open(archive->plan, &archive->sources, err));
    TL_TRY(tl_master_open(common->data, &archive->master, err));
    TL_TRY(tl_data_dir_make(common->data, err));
    if (asprintf(&lock_path, "%s/archive.lock", common->data) < 0) {
        lock_path = NULL;
        TL_TRY(tl_fail_memory(err, strlen(common->data)));
    }
    TL_TRY(tl_lock_take(lock_path, "archive", &lock, err));
    if (archive->options.follow) {
        TL_TRY(tl_archive_meter_open(common, archive->plan, &archive->meter, err));
        TL_TRY(topics_add(archive, err));
        TL_TRY(archive_follow(archive, err));
    } else {
        TL_TRY(archive_pass(archive, &waits, err));
        if (waits)
            tl_diag(TL_INFO, "there is no log in %s yet: nothing to archive", common->data);
    }
out:
    summary_print(archive);
    tl_archive_meter_close(archive->meter);
    archive_done(archive);
    tl_lock_release(lock);
    free(lock_path);
    return rc;
}

static enum tl_code archive_compact(const struct archive *archive, struct tl_err *err)
{
    const struct tl_archive_compact compact = {.file_bytes = (uint64_t)archive->options.file_bytes,
                                               .messages_max = FILE_MESSAGES_MAX,
                                               .wait_ms = archive->options.wait_ms};

    return tl_archive_compact(archive->common, &compact, err);
}

static enum tl_code archive_retain(const struct archive *archive, struct tl_err *err)
{
    const struct tl_archive_retention retention = {.age_ms = archive->options.retention_ms,
                                                   .wait_ms = archive->options.wait_ms,
                                                   .dry_run = archive->options.dry_run,
                                                   .format = archive->options.format};

    return tl_archive_retain(archive->common, &retention, err);
}

static enum tl_code archive_main(struct archive *archive, struct tl_err *err)
{
    const struct archive_options *own = &archive->options;
    bool retains = own->retention_ms != NOT_GIVEN;

    if ((int)own->follow + (int)own->verify + (int)own->compact + (int)retains > 1)
        return tl_fail(err, TL_ERR_USAGE, "--follow, --verify, --compact and --retention are things of their own; one at a time");
    if (own->dry_run && !retains)
        return tl_fail(err, TL_ERR_USAGE, "--dry-run goes with --retention");
    if (own->verify)
        return tl_archive_verify(archive->common, own->format, (uint32_t)tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1), err);
    if (own->compact)
        return archive_compact(archive, err);
    if (retains)
        return archive_retain(archive, err);
    return archive_copy(archive, err);
}

TL_COMMAND(archive, "copy the log into the master record")
{
    struct tl_common_options common;
    struct archive archive = {
        .options =
            {.interval_ms = 60000, .file_bytes = 256 << 20, .wait_ms = 600000, .retention_ms = NOT_GIVEN, .format = "table"},
        .common = &common
    };
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&archive_usage, argc, argv, &common, &archive.options, &status))
        return status;
    tl_stop_install();
    rc = archive_main(&archive, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
