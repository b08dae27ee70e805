/* import_archive.c: imported events go straight into the master record, as a topic of their own. */
#include "speed_layer/import_archive.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/table.h"
#include "core/intake.h"
#include "master/master.h"
#include "speed_layer/whole_file.h"

enum { LIST_VERSION = 1, LIST_BYTES_MAX = 1 << 30 };
static const char list_name[] = "imports.list";
static const char list_magic[8] = {'T', 'L', 'Y', 'I', 'M', 'P', 'R', 'T'};

struct item {
    bool done;
    int64_t first_offset;
    struct tl_sv topic;
    struct tl_import_entry entry;
};

struct list {
    struct tl_arena arena;
    struct item *items;
    size_t count, capacity;
};

struct tl_import_archive {
    const char *data_dir;
    struct tl_sv topic; /* <topic>.import */
    char *topic_text;
    struct tl_master *master;
    struct tl_intake *intake;
    uint64_t time_rule, identity, file_bytes;
    bool takes_time;     /* the events of access logs need not be read for it */
    int64_t next_offset; /* behind all that is on record or in the writer */
    struct tl_master_writer *writer;
    int64_t writer_offset;       /* the file's first */
    struct list list;            /* the last ones not done: those of the writer's file */
    size_t log_item;             /* of the log at hand in that file; SIZE_MAX: none yet */
    struct tl_message *messages; /* some of a chunk's */
    const uint8_t *forms;        /* and theirs */
};

/* ---- the list ---- */

static void list_done(struct list *list)
{
    tl_arena_done(&list->arena);
    free(list->items);
}

static enum tl_code list_add(struct list *list, const struct item *item, struct tl_err *err)
{
    struct item *items, *mine;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;

        items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return tl_fail_memory(err, capacity * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    mine = &list->items[list->count];
    *mine = *item;
    if (!tl_arena_copy(&list->arena, item->topic, &mine->topic) ||
        !tl_arena_copy(&list->arena, item->entry.kind.topic, &mine->entry.kind.topic) ||
        (item->entry.kind.host.data != NULL && !tl_arena_copy(&list->arena, item->entry.kind.host, &mine->entry.kind.host)))
        return tl_fail_memory(err, item->topic.size);
    list->count++;
    return TL_OK;
}

static enum tl_code fail_damaged(const char *path, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_CORRUPT,
                   "%s: the list of imports is damaged, or another tally's; put a backup in its place; nothing was written",
                   path);
}

static enum tl_code list_decode(struct list *list, struct tl_sv bytes, const char *path, struct tl_err *err)
{
    struct tl_reader reader, end;
    enum tl_code rc = TL_OK;

    if (bytes.size < sizeof list_magic + 12 || memcmp(bytes.data, list_magic, sizeof list_magic) != 0)
        return fail_damaged(path, err);
    end = tl_reader_of((struct tl_sv){bytes.data + bytes.size - 8, 8});
    reader = tl_reader_of((struct tl_sv){bytes.data, bytes.size - 8});
    (void)tl_reader_bytes(&reader, sizeof list_magic);
    if (tl_reader_u32(&reader) != LIST_VERSION ||
        tl_reader_u64(&end) != tl_hash_bytes((struct tl_sv){bytes.data, bytes.size - 8}))
        return fail_damaged(path, err);
    while (!tl_reader_at_end(&reader)) {
        struct item item = {.done = tl_reader_u8(&reader) != 0};

        item.first_offset = tl_reader_zigzag(&reader);
        item.topic = tl_reader_block(&reader);
        if (!tl_import_entry_get(tl_reader_block(&reader), &item.entry) || reader.failed)
            return fail_damaged(path, err);
        TL_TRY(list_add(list, &item, err));
    }
out:
    return rc;
}

static enum tl_code list_read(struct list *list, const char *data_dir, struct tl_err *err)
{
    char path[PATH_MAX];
    struct tl_buf bytes;
    enum tl_code rc;

    snprintf(path, sizeof path, "%s/%s", data_dir, list_name);
    tl_buf_init(&bytes, LIST_BYTES_MAX);
    rc = tl_whole_file_read(data_dir, list_name, &bytes, err);
    if (rc == TL_OK)
        rc = list_decode(list, tl_buf_sv(&bytes), path, err);
    else if (rc == TL_ERR_LIMIT)
        rc = fail_damaged(path, err);
    tl_buf_done(&bytes);
    return rc == TL_ERR_NOT_FOUND ? TL_OK : rc;
}

static enum tl_code list_write(const struct list *list, const char *data_dir, struct tl_err *err)
{
    struct tl_buf bytes, entry;
    enum tl_code rc;

    tl_buf_init(&bytes, LIST_BYTES_MAX);
    tl_buf_init(&entry, 0);
    tl_buf_put(&bytes, list_magic, sizeof list_magic);
    tl_buf_put_u32(&bytes, LIST_VERSION);
    for (size_t i = 0; i < list->count; i++) {
        tl_buf_clear(&entry);
        tl_import_entry_put(&entry, &list->items[i].entry);
        tl_buf_put_u8(&bytes, list->items[i].done);
        tl_buf_put_zigzag(&bytes, list->items[i].first_offset);
        tl_buf_put_block(&bytes, list->items[i].topic);
        tl_buf_put_block(&bytes, tl_buf_sv(&entry));
        TL_TRY(tl_buf_check(&entry, "the list of imports", err));
    }
    tl_buf_put_u64(&bytes, tl_hash_bytes(tl_buf_sv(&bytes)));
    TL_TRY(tl_buf_check(&bytes, "the list of imports", err));
    TL_TRY(tl_whole_file_replace(data_dir, list_name, tl_buf_sv(&bytes), err));
out:
    tl_buf_done(&bytes);
    tl_buf_done(&entry);
    return rc;
}

/* An entry of this topic that is not done stands if its file is there, and falls away if it is not. */
static void list_settle(struct list *list, struct tl_sv topic, const struct tl_master_file *files, size_t files_count)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct item *item = &list->items[i];
        bool there = item->done || !tl_sv_eq(item->topic, topic);

        for (size_t f = 0; f < files_count && !there; f++)
            there = item->done = files[f].first_offset <= item->first_offset && item->first_offset <= files[f].last_offset;
        if (there)
            list->items[kept++] = *item;
    }
    list->count = kept;
}

static enum tl_code record_topic(struct tl_sv topic, char **out, struct tl_err *err)
{
    if (asprintf(out, "%.*s.import", TL_SV_ARG(topic)) < 0) {
        *out = NULL;
        return tl_fail_memory(err, topic.size);
    }
    return TL_OK;
}

enum tl_code tl_import_archive_known(const char *data_dir, struct tl_sv topic, struct tl_import_progress *progress,
                                     struct tl_err *err)
{
    const struct tl_master_file *files = NULL;
    struct tl_master *master = NULL;
    struct list list = {0};
    char *record = NULL;
    size_t count = 0;
    enum tl_code rc;

    tl_arena_init(&list.arena, 4096, 0);
    TL_TRY(list_read(&list, data_dir, err));
    if (list.count > 0) {
        TL_TRY(record_topic(topic, &record, err));
        TL_TRY(tl_master_open(data_dir, &master, err));
        TL_TRY(tl_master_list(master, tl_sv_from(record), &files, &count, err));
        list_settle(&list, tl_sv_from(record), files, count);
        for (size_t i = 0; i < list.count; i++)
            if (tl_sv_eq(list.items[i].topic, tl_sv_from(record)))
                TL_TRY(tl_import_progress_add(progress, &list.items[i].entry, err));
    }
out:
    tl_master_close(master);
    list_done(&list);
    free(record);
    return rc;
}

/* ---- the record ---- */

static enum tl_code state_complete(struct tl_import_archive *archive, struct tl_err *err)
{
    const struct tl_master_complete complete = {0, archive->next_offset, INT64_MAX, archive->next_offset};

    return tl_master_write_complete(archive->master, archive->topic, &complete, 1, archive->identity, err);
}

static enum tl_code record_load(struct tl_import_archive *archive, struct tl_err *err)
{
    const struct tl_master_complete *complete;
    const struct tl_master_file *files;
    size_t files_count, complete_count;
    int64_t stated = 0;
    enum tl_code rc;

    TL_TRY(tl_master_list(archive->master, archive->topic, &files, &files_count, err));
    for (size_t i = 0; i < files_count; i++)
        if (files[i].partition != 0)
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: topic %.*s is not one of imports: those have partition 0 only",
                           files[i].path, TL_SV_ARG(archive->topic)));
        else
            archive->next_offset = tl_max_i64(archive->next_offset, files[i].last_offset + 1);
    TL_TRY(list_read(&archive->list, archive->data_dir, err));
    list_settle(&archive->list, archive->topic, files, files_count);
    tl_master_let_go(archive->master, archive->topic);
    TL_TRY(tl_master_read_complete(archive->master, archive->topic, &complete, &complete_count, &archive->identity, err));
    for (size_t i = 0; i < complete_count; i++)
        if (complete[i].partition == 0)
            stated = complete[i].offset;
    if (archive->identity == 0) {
        if (getrandom(&archive->identity, sizeof archive->identity, 0) != (ssize_t)sizeof archive->identity)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "no random number for a new topic"));
        archive->identity |= 1;
    }
    if (stated < archive->next_offset) /* killed between the file and the statement */
        TL_TRY(state_complete(archive, err));
    archive->next_offset = tl_max_i64(archive->next_offset, stated);
out:
    return rc;
}

enum tl_code tl_import_archive_open(const char *data_dir, const struct tl_plan *plan, uint32_t source, struct tl_sv topic,
                                    uint64_t file_bytes, struct tl_import_archive **out, struct tl_err *err)
{
    struct tl_import_archive *archive = calloc(1, sizeof *archive);
    enum tl_code rc;

    if (archive == NULL)
        return tl_fail_memory(err, sizeof *archive);
    tl_arena_init(&archive->list.arena, 4096, 0);
    archive->data_dir = data_dir;
    archive->file_bytes = file_bytes;
    archive->log_item = SIZE_MAX;
    archive->messages = calloc(TL_BATCH_ROWS, sizeof *archive->messages);
    if (archive->messages == NULL)
        TL_TRY(tl_fail_memory(err, TL_BATCH_ROWS * sizeof *archive->messages));
    TL_TRY(record_topic(topic, &archive->topic_text, err));
    archive->topic = tl_sv_from(archive->topic_text);
    TL_TRY(tl_master_open(data_dir, &archive->master, err));
    TL_TRY(tl_intake_open(plan, source, &archive->intake, err));
    archive->time_rule = tl_intake_time_rule(plan, source);
    archive->takes_time = tl_intake_takes_time(archive->intake, TL_SV("event_time"));
    TL_TRY(record_load(archive, err));
    *out = archive;
out:
    if (rc != TL_OK)
        tl_import_archive_close(archive);
    return rc;
}

void tl_import_archive_close(struct tl_import_archive *archive)
{
    if (archive == NULL)
        return;
    tl_master_writer_abandon(archive->writer);
    tl_intake_close(archive->intake);
    tl_master_close(archive->master);
    list_done(&archive->list);
    free(archive->messages);
    free(archive->topic_text);
    free(archive);
}

void tl_import_archive_begin(struct tl_import_archive *archive)
{
    archive->log_item = SIZE_MAX;
}

static enum tl_code add_message(void *ctx, const struct tl_message *message, const int64_t *time_ms, uint32_t times_count,
                                int64_t watermark_ms, struct tl_err *err)
{
    struct tl_import_archive *archive = ctx;
    const struct tl_master_facts facts = {.events_count = times_count,
                                          .time_ms = time_ms,
                                          .watermark_ms = watermark_ms,
                                          .form = (enum tl_master_form)archive->forms[message - archive->messages]};

    return tl_master_writer_add(archive->writer, message, &facts, err);
}

/* The events that we made have their time where the table looks for it: no need to read them again. */
static enum tl_code add_directly(struct tl_import_archive *archive, const struct tl_import_chunk *chunk, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < chunk->records_count; i++) {
        const struct tl_message message = {archive->next_offset++, chunk->now_ms, chunk->records[i].value};
        struct tl_master_facts facts = {
            .time_ms = &chunk->times[i], .watermark_ms = INT64_MIN, .form = (enum tl_master_form)chunk->forms[i]};
        int64_t watermark_ms;

        if (chunk->times[i] != INT64_MIN &&
            tl_intake_time_fact(archive->intake, chunk->times[i], message.value.size, message.log_ms, &watermark_ms)) {
            facts.events_count = 1;
            facts.watermark_ms = watermark_ms;
        }
        TL_TRY(tl_master_writer_add(archive->writer, &message, &facts, err));
    }
out:
    return rc;
}

static enum tl_code add_read(struct tl_import_archive *archive, const struct tl_import_chunk *chunk, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t from = 0; from < chunk->records_count; from += TL_BATCH_ROWS) {
        size_t left = chunk->records_count - from, some = left < TL_BATCH_ROWS ? left : TL_BATCH_ROWS;

        for (size_t i = 0; i < some; i++)
            archive->messages[i] = (struct tl_message){archive->next_offset++, chunk->now_ms, chunk->records[from + i].value};
        archive->forms = chunk->forms + from;
        TL_TRY(tl_intake_run(archive->intake, archive->messages, some, err));
        TL_TRY(tl_intake_facts(archive->intake, archive->messages, some, add_message, archive, err));
    }
out:
    return rc;
}

enum tl_code tl_import_archive_append(struct tl_import_archive *archive, const struct tl_import_chunk *chunk,
                                      const struct tl_import_entry *entry, struct tl_err *err)
{
    struct item item = {.first_offset = archive->next_offset, .topic = archive->topic, .entry = *entry};
    bool directly = entry->kind.format != TL_IMPORT_JSONL && archive->takes_time;
    enum tl_code rc = TL_OK;

    if (chunk->records_count == 0) /* nothing but blank lines: they will be seen again, and skipped again */
        return TL_OK;
    if (archive->writer == NULL) {
        TL_TRY(tl_master_writer_open(archive->master, archive->topic, 0, archive->time_rule, &archive->writer, err));
        archive->writer_offset = archive->next_offset;
        archive->log_item = SIZE_MAX;
    }
    TL_TRY(directly ? add_directly(archive, chunk, err) : add_read(archive, chunk, err));
    item.first_offset = archive->writer_offset;
    if (archive->log_item == SIZE_MAX) {
        TL_TRY(list_add(&archive->list, &item, err));
        archive->log_item = archive->list.count - 1;
    } else {
        struct tl_import_entry *mine = &archive->list.items[archive->log_item].entry;
        struct tl_import_kind kind = mine->kind; /* its texts are the list's own */

        *mine = *entry;
        mine->kind = kind;
    }
    if (tl_master_writer_raw_bytes(archive->writer) >= archive->file_bytes)
        TL_TRY(tl_import_archive_commit(archive, err));
out:
    return rc;
}

enum tl_code tl_import_archive_commit(struct tl_import_archive *archive, struct tl_err *err)
{
    struct tl_master_writer *writer = archive->writer;
    enum tl_code rc = TL_OK;

    if (writer == NULL)
        return TL_OK;
    TL_TRY(list_write(&archive->list, archive->data_dir, err));
    archive->writer = NULL;
    TL_TRY(tl_master_writer_finish(writer, err));
    for (size_t i = 0; i < archive->list.count; i++)
        if (tl_sv_eq(archive->list.items[i].topic, archive->topic))
            archive->list.items[i].done = true;
    archive->log_item = SIZE_MAX;
    TL_TRY(state_complete(archive, err));
    TL_TRY(list_write(&archive->list, archive->data_dir, err));
out:
    return rc;
}

uint64_t tl_import_archive_waiting(const struct tl_import_archive *archive)
{
    return archive->writer == NULL ? 0 : tl_master_writer_raw_bytes(archive->writer);
}
