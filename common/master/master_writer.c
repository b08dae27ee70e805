/* master_writer.c: writes a file of the master record, and with it what stands beside it.
 *
 * A writer holds one block and one file's statistics. Its three files grow under temporary names and get their own in this order:
 * index and others, then (the folder fsynced) the data file, then the folder is fsynced again. So whoever sees a data file sees what
 * belongs to it, and a writer that is killed leaves either a whole file or what the next writer overwrites.
 *
 * A failed write or fsync is not tried again: what the kernel then still holds of the file is unknown (fsync reports an error
 * once). The writer is done for, removes what it wrote, and the log still has it all. */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/buf.h"
#include "master/master_files.h"
#include "master/master_handle.h"
#include "master/master_index.h"

enum { LEVEL = 3 };

enum part { DATA, OTHER, INDEX, PARTS };

static const char *const part_suffix[PARTS] = {TL_MASTER_DATA, TL_MASTER_OTHER, TL_MASTER_INDEX};

/* One of the three files while it is written. */
struct output {
    int fd;         /* -1: not open */
    bool temporary; /* the temporary name is there */
    bool named;     /* the final name is there, and it is ours */
    XXH3_state_t *hash;
    char path[PATH_MAX], final[PATH_MAX];
};

struct tl_master_writer {
    const char *data_dir; /* the master's, which outlives its writers */
    struct tl_sv topic;
    char *topic_copy;
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    uint64_t time_rule;
    uint32_t partition;
    int lock_fd; /* by which the topic is locked: nobody exchanges folders under an open file; -1: none is open */
    bool begun;  /* the files are open */
    bool broken; /* a write failed: nothing more is taken, finish only removes */
    ZSTD_CCtx *packer;
    struct output outputs[PARTS];
    struct tl_buf lines, others, entries, packed;

    struct tl_master_block *blocks; /* finished ones; blocks[blocks_count] is the open one */
    struct tl_master_extent *extents;
    uint32_t blocks_count, blocks_capacity;
    size_t entries_start; /* where the open block's entries begin */
    int64_t begin_offset, last_offset;
    uint64_t raw_bytes;
    int64_t watermark_ms;

    struct tl_master_day *days; /* runs of equal days; sorted and joined when they are full, and at the end */
    uint32_t days_count, days_capacity;

    int64_t *log_ms; /* of the open block: its entries need its smallest timestamp first */
    int64_t *offsets;
    uint32_t *line_bytes;
    uint8_t *is_other;
};

/* Valid UTF-8 without control characters but the tab. */
static bool text_is_plain(struct tl_sv text)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size;

    while (at < end) {
        uint64_t eight;

        /* Eight bytes at once: none has its high bit, and none is below a space. */
        while (end - at >= 8) {
            memcpy(&eight, at, 8);
            if (((eight | (eight - UINT64_C(0x2020202020202020))) & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += 8;
        }
        if (at == end)
            break;
        if (*at < 0x80) {
            if (*at < 0x20 && *at != '\t')
                return false;
            at++;
        } else {
            size_t size = tl_utf8_size((const char *)at, (size_t)(end - at));

            if (size == 0)
                return false;
            at += size;
        }
    }
    return true;
}

/* master.h says what a line is. */
static bool is_line(struct tl_sv value)
{
    struct tl_sv text = value;
    char first, last;
    bool ends;

    if (value.data == NULL || value.size == 0 || value.size > TL_MASTER_LINE_BYTES_MAX)
        return false;
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct tl_sv){text.data + 1, text.size - 1};
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    if (text.size == 0)
        return false;
    first = text.data[0];
    last = text.data[text.size - 1];
    switch (first) {
    case '{': ends = last == '}'; break;
    case '[': ends = last == ']'; break;
    case '"': ends = last == '"' && text.size > 1; break;
    case 't': ends = tl_sv_eq(text, TL_SV("true")); break;
    case 'f': ends = tl_sv_eq(text, TL_SV("false")); break;
    case 'n': ends = tl_sv_eq(text, TL_SV("null")); break;
    default: ends = (first == '-' || (first >= '0' && first <= '9')) && last >= '0' && last <= '9'; break;
    }
    return ends && text_is_plain(value);
}

enum tl_master_form tl_master_form_of(struct tl_sv value)
{
    return is_line(value) ? TL_MASTER_FORM_LINE : TL_MASTER_FORM_OTHER;
}

/* Removes what a killed writer left under temporary names. */
static enum tl_code each_leftover(void *ctx, const char *name, struct tl_err *err)
{
    const struct tl_master_writer *writer = ctx;
    struct tl_sv rest = {name + 1, strlen(name) - 1};
    char path[PATH_MAX];
    int64_t offset;
    enum tl_code rc = TL_OK;

    if (name[0] != '_')
        return TL_OK;
    for (int part = 0; part < PARTS; part++) {
        if (!tl_master_name_fits(rest, writer->encoded, writer->partition, part_suffix[part], &offset))
            continue;
        TL_TRY(tl_master_path(path, err, "%s/%s", writer->folder, name));
        if (unlink(path) != 0 && errno != ENOENT)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove what an earlier run left", path));
    }
out:
    return rc;
}

static void writer_free(struct tl_master_writer *writer)
{
    for (int part = 0; part < PARTS; part++) {
        struct output *output = &writer->outputs[part];

        if (output->fd >= 0)
            close(output->fd);
        XXH3_freeState(output->hash);
    }
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    ZSTD_freeCCtx(writer->packer);
    tl_buf_done(&writer->lines);
    tl_buf_done(&writer->others);
    tl_buf_done(&writer->entries);
    tl_buf_done(&writer->packed);
    free(writer->blocks);
    free(writer->extents);
    free(writer->days);
    free(writer->log_ms);
    free(writer->offsets);
    free(writer->line_bytes);
    free(writer->is_other);
    free(writer->topic_copy);
    free(writer);
}

void tl_master_writer_abandon(struct tl_master_writer *writer)
{
    if (writer == NULL)
        return;
    /* The data file first: nobody may see it without what belongs to it. */
    for (int part = 0; part < PARTS; part++) {
        const struct output *output = &writer->outputs[part];

        if (output->named)
            unlink(output->final);
        if (output->temporary)
            unlink(output->path);
    }
    writer_free(writer);
}

enum tl_code tl_master_writer_open_in(struct tl_master *master, struct tl_sv topic, uint32_t partition, uint64_t time_rule,
                                      const char *folder, struct tl_master_writer **out, struct tl_err *err)
{
    struct tl_master_writer *writer = calloc(1, sizeof *writer);
    enum tl_code rc;

    if (writer == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *writer));
    writer->data_dir = tl_master_data_dir(master);
    writer->partition = partition;
    writer->time_rule = time_rule;
    writer->lock_fd = -1;
    writer->begin_offset = INT64_MAX;
    writer->last_offset = -1;
    writer->watermark_ms = INT64_MIN;
    tl_buf_init(&writer->lines, 0);
    tl_buf_init(&writer->others, 0);
    tl_buf_init(&writer->entries, 0);
    tl_buf_init(&writer->packed, 0);
    for (int part = 0; part < PARTS; part++)
        writer->outputs[part].fd = -1;
    TL_TRY(tl_master_topic_encode(topic, writer->encoded, err));
    writer->topic_copy = strndup(topic.data, topic.size);
    writer->topic = (struct tl_sv){writer->topic_copy, topic.size};
    writer->packer = ZSTD_createCCtx();
    writer->log_ms = malloc(TL_MASTER_BLOCK_MESSAGES_MAX * sizeof *writer->log_ms);
    writer->offsets = malloc(TL_MASTER_BLOCK_MESSAGES_MAX * sizeof *writer->offsets);
    writer->line_bytes = malloc(TL_MASTER_BLOCK_MESSAGES_MAX * sizeof *writer->line_bytes);
    writer->is_other = malloc(TL_MASTER_BLOCK_MESSAGES_MAX);
    for (int part = 0; part < INDEX; part++)
        writer->outputs[part].hash = XXH3_createState();
    if (writer->topic_copy == NULL || writer->packer == NULL || writer->log_ms == NULL || writer->offsets == NULL ||
        writer->line_bytes == NULL || writer->is_other == NULL || writer->outputs[DATA].hash == NULL ||
        writer->outputs[OTHER].hash == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *writer));
    if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->packer, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->packer, ZSTD_c_checksumFlag, 1)))
        TL_TRY(tl_fail(err, TL_ERR_IO, "zstd does not know the level %d or checksums", LEVEL));
    TL_TRY(tl_master_path(writer->folder, err, "%s", folder));
    TL_TRY(tl_master_folder_walk(writer->folder, each_leftover, writer, err));
    *out = writer;
out:
    if (rc != TL_OK && writer != NULL)
        writer_free(writer);
    return rc;
}

enum tl_code tl_master_writer_open(struct tl_master *master, struct tl_sv topic, uint32_t partition, uint64_t time_rule,
                                   struct tl_master_writer **out, struct tl_err *err)
{
    char encoded[TL_MASTER_TOPIC_BYTES_MAX + 1], folder[PATH_MAX];
    enum tl_code rc;

    TL_TRY(tl_master_topic_encode(topic, encoded, err));
    TL_TRY(tl_master_path(folder, err, "%s/topics/%s/partition=%" PRIu32, tl_master_data_dir(master), encoded, partition));
    TL_TRY(tl_master_writer_open_in(master, topic, partition, time_rule, folder, out, err));
out:
    return rc;
}

/* The names hold the first offset, so the files are opened with the first message. */
static enum tl_code writer_begin(struct tl_master_writer *writer, int64_t first_offset, struct tl_err *err)
{
    char folder[PATH_MAX];
    enum tl_code rc;

    TL_TRY(tl_master_topic_folder(writer->data_dir, writer->encoded, folder, err));
    TL_TRY(tl_master_lock_share(&writer->lock_fd, writer->data_dir, writer->topic, err));
    TL_TRY(tl_master_folder_make(writer->folder, err));
    for (int part = 0; part < PARTS; part++) {
        struct output *output = &writer->outputs[part];
        struct stat found;

        TL_TRY(tl_master_path(output->path, err, "%s/_%s+%" PRIu32 "+%010" PRId64 "%s", writer->folder, writer->encoded,
                              writer->partition, first_offset, part_suffix[part]));
        TL_TRY(tl_master_path(output->final, err, "%s/%s+%" PRIu32 "+%010" PRId64 "%s", writer->folder, writer->encoded,
                              writer->partition, first_offset, part_suffix[part]));
        if (part == DATA && lstat(output->final, &found) == 0)
            TL_TRY(
                tl_fail(err, TL_ERR_CORRUPT, "%s: is there already, and files of the master record never change", output->final));
        if (output->hash != NULL && XXH3_64bits_reset(output->hash) == XXH_ERROR)
            TL_TRY(tl_fail(err, TL_ERR_MEMORY, "%s: no hash to be had", output->path));
        output->fd = open(output->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (output->fd < 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot open for writing", output->path));
        output->temporary = true;
    }
    writer->begun = true;
out:
    return rc;
}

static enum tl_code output_write(struct output *output, const char *data, size_t size, struct tl_err *err)
{
    if (output->hash != NULL)
        XXH3_64bits_update(output->hash, data, size);
    return tl_master_write_all(output->fd, data, size, output->path, err);
}

/* The frame's bytes stay in writer->packed. */
static enum tl_code frame_write(struct tl_master_writer *writer, enum part part, const struct tl_buf *raw, uint64_t *packed_bytes,
                                struct tl_err *err)
{
    size_t bound = ZSTD_compressBound(raw->size), size;
    char *to;
    enum tl_code rc;

    tl_buf_clear(&writer->packed);
    to = tl_buf_reserve(&writer->packed, bound);
    if (to == NULL)
        TL_TRY(tl_buf_check(&writer->packed, writer->outputs[part].path, err));
    size = ZSTD_compress2(writer->packer, to, bound, raw->data, raw->size);
    if (ZSTD_isError(size))
        TL_TRY(tl_fail(err, TL_ERR_MEMORY, "%s: zstd cannot pack: %s", writer->outputs[part].path, ZSTD_getErrorName(size)));
    TL_TRY(output_write(&writer->outputs[part], to, size, err));
    writer->packed.size = *packed_bytes = size;
out:
    return rc;
}

/* Ends the open block: its frames go to the files, its entries behind those of the others. */
static enum tl_code block_end(struct tl_master_writer *writer, struct tl_err *err)
{
    struct tl_master_block *block = &writer->blocks[writer->blocks_count];
    struct tl_master_extent *extent = &writer->extents[writer->blocks_count];
    int64_t offset = block->first_offset - 1, log_ms = block->log_ms_min;
    enum tl_code rc;

    for (uint32_t i = 0; i < block->messages_count; i++) {
        tl_master_entry_put(&writer->entries, writer->offsets[i], writer->log_ms[i], writer->is_other[i] != 0,
                            writer->line_bytes[i], offset, log_ms);
        offset = writer->offsets[i];
        log_ms = writer->log_ms[i];
    }
    TL_TRY(tl_buf_check(&writer->entries, "index of a master file", err));
    extent->entries_bytes = writer->entries.size - writer->entries_start;
    extent->entries_hash = XXH3_64bits(writer->entries.data + writer->entries_start, (size_t)extent->entries_bytes);
    writer->entries_start = writer->entries.size;

    block->raw_bytes = writer->lines.size;
    TL_TRY(frame_write(writer, DATA, &writer->lines, &block->packed_bytes, err));
    extent->packed_hash = XXH3_64bits(writer->packed.data, writer->packed.size);
    extent->other_raw_bytes = writer->others.size;
    if (extent->others_count > 0)
        TL_TRY(frame_write(writer, OTHER, &writer->others, &extent->other_packed_bytes, err));
    tl_buf_clear(&writer->lines);
    tl_buf_clear(&writer->others);
    writer->blocks_count++;
out:
    return rc;
}

/* Room for the open block behind the finished ones, and its beginning. */
static enum tl_code block_begin(struct tl_master_writer *writer, const struct tl_message *message, struct tl_err *err)
{
    if (writer->blocks_count == writer->blocks_capacity) {
        uint32_t capacity = writer->blocks_capacity == 0 ? 64 : writer->blocks_capacity * 2;
        struct tl_master_block *blocks = realloc(writer->blocks, capacity * sizeof *blocks);
        struct tl_master_extent *extents;

        if (blocks != NULL)
            writer->blocks = blocks;
        extents = realloc(writer->extents, capacity * sizeof *extents);
        if (extents != NULL)
            writer->extents = extents;
        if (blocks == NULL || extents == NULL)
            return tl_fail_memory(err, capacity * (sizeof *blocks + sizeof *extents));
        writer->blocks_capacity = capacity;
    }
    writer->blocks[writer->blocks_count] = (struct tl_master_block){
        .first_offset = message->offset,
        .log_ms_min = message->log_ms,
        .log_ms_max = message->log_ms,
        .time_ms_min = INT64_MAX,
        .time_ms_max = INT64_MIN,
    };
    writer->extents[writer->blocks_count] = (struct tl_master_extent){0};
    return TL_OK;
}

static int day_order(const void *a, const void *b)
{
    const struct tl_master_day *left = a, *right = b;

    return (left->day > right->day) - (left->day < right->day);
}

/* Runs of equal days become one day each, ascending. */
static void days_join(struct tl_master_writer *writer)
{
    struct tl_master_day *days = writer->days;
    uint32_t used = 0;

    if (writer->days_count == 0)
        return;
    qsort(days, writer->days_count, sizeof *days, day_order);
    for (uint32_t i = 1; i < writer->days_count; i++) {
        if (days[i].day == days[used].day)
            days[used].events_count += days[i].events_count;
        else
            days[++used] = days[i];
    }
    writer->days_count = used + 1;
}

/* Events come nearly in order of time, so counting runs of one day costs a comparison an event; a hostile mixture of days
 * costs a sort whenever the list is full, and the list doubles only where half of it are different days. */
static enum tl_code day_add(struct tl_master_writer *writer, int64_t time_ms, struct tl_err *err)
{
    const int64_t day_ms = 86400000;
    int64_t day = time_ms / day_ms - (time_ms % day_ms < 0 ? 1 : 0);

    assert(day >= INT32_MIN && day <= INT32_MAX);
    if (writer->days_count > 0 && writer->days[writer->days_count - 1].day == (int32_t)day) {
        writer->days[writer->days_count - 1].events_count++;
        return TL_OK;
    }
    if (writer->days_count == writer->days_capacity) {
        days_join(writer);
        if (writer->days_count >= writer->days_capacity / 2) {
            uint32_t capacity = writer->days_capacity == 0 ? 64 : writer->days_capacity * 2;
            struct tl_master_day *days = realloc(writer->days, capacity * sizeof *days);

            if (days == NULL)
                return tl_fail_memory(err, capacity * sizeof *days);
            writer->days = days;
            writer->days_capacity = capacity;
        }
    }
    writer->days[writer->days_count++] = (struct tl_master_day){(int32_t)day, 1};
    return TL_OK;
}

static enum tl_code message_add(struct tl_master_writer *writer, const struct tl_message *message,
                                const struct tl_master_facts *facts, struct tl_err *err)
{
    struct tl_master_block *block;
    enum tl_master_form form = facts->form != TL_MASTER_FORM_UNKNOWN ? facts->form : tl_master_form_of(message->value);
    bool other = form == TL_MASTER_FORM_OTHER;
    uint32_t at;
    enum tl_code rc = TL_OK;

    if (!writer->begun)
        TL_TRY(writer_begin(writer, message->offset, err));
    if (writer->blocks_count == writer->blocks_capacity || writer->blocks[writer->blocks_count].messages_count == 0)
        TL_TRY(block_begin(writer, message, err));
    block = &writer->blocks[writer->blocks_count];
    at = block->messages_count;
    writer->offsets[at] = message->offset;
    writer->log_ms[at] = message->log_ms;
    writer->line_bytes[at] = other ? 0 : (uint32_t)message->value.size;
    writer->is_other[at] = other ? 1 : 0;
    if (other) {
        size_t before = writer->others.size;

        tl_master_other_put(&writer->others, message);
        writer->extents[writer->blocks_count].others_count++;
        writer->raw_bytes += writer->others.size - before;
    } else {
        tl_buf_put_sv(&writer->lines, message->value);
        tl_buf_put_u8(&writer->lines, '\n');
        writer->raw_bytes += message->value.size + 1;
    }
    TL_TRY(tl_buf_check(&writer->lines, "block of a master file", err));
    TL_TRY(tl_buf_check(&writer->others, "block of a master file", err));
    block->messages_count++;
    block->last_offset = message->offset;
    block->log_ms_min = tl_min_i64(block->log_ms_min, message->log_ms);
    block->log_ms_max = tl_max_i64(block->log_ms_max, message->log_ms);
    for (uint32_t i = 0; i < facts->events_count; i++) {
        block->time_ms_min = tl_min_i64(block->time_ms_min, facts->time_ms[i]);
        block->time_ms_max = tl_max_i64(block->time_ms_max, facts->time_ms[i]);
        TL_TRY(day_add(writer, facts->time_ms[i], err));
    }
    writer->watermark_ms = tl_max_i64(writer->watermark_ms, facts->watermark_ms);
    writer->last_offset = message->offset;
    if (writer->lines.size + writer->others.size >= TL_MASTER_BLOCK_BYTES ||
        block->messages_count == TL_MASTER_BLOCK_MESSAGES_MAX) {
        TL_TRY(block_end(writer, err));
        if (writer->blocks_count < writer->blocks_capacity)
            writer->blocks[writer->blocks_count].messages_count = 0; /* none is open */
    }
out:
    return rc;
}

enum tl_code tl_master_writer_add(struct tl_master_writer *writer, const struct tl_message *message,
                                  const struct tl_master_facts *facts, struct tl_err *err)
{
    enum tl_code rc;

    if (writer->broken)
        return tl_fail(err, TL_ERR_IO, "%s: an earlier write has failed; abandon the file and begin it anew", writer->folder);
    if (message->offset <= writer->last_offset)
        return tl_fail(err, TL_ERR_LIMIT, "%s: offset %" PRId64 " after %" PRId64 ": offsets of a file ascend", writer->folder,
                       message->offset, writer->last_offset);
    if (message->value.data != NULL && message->value.size >= TL_MASTER_TOMBSTONE)
        return tl_fail(err, TL_ERR_LIMIT, "%s: the message at offset %" PRId64 " has %zu bytes; %u is the most", writer->folder,
                       message->offset, message->value.size, TL_MASTER_TOMBSTONE - 1);
    rc = message_add(writer, message, facts, err);
    writer->broken = rc != TL_OK;
    return rc;
}

void tl_master_writer_begin_at(struct tl_master_writer *writer, int64_t begin_offset)
{
    writer->begin_offset = begin_offset;
}

uint64_t tl_master_writer_raw_bytes(const struct tl_master_writer *writer)
{
    return writer->raw_bytes;
}

static enum tl_code index_write(struct tl_master_writer *writer, struct tl_err *err)
{
    struct tl_master_index index = {
        .file =
            {
                   .topic = writer->topic,
                   .partition = writer->partition,
                   .time_rule = writer->time_rule,
                   .watermark_ms = writer->watermark_ms,
                   .begin_offset = tl_min_i64(writer->begin_offset, writer->blocks[0].first_offset),
                   .days = writer->days,
                   .days_count = writer->days_count,
                   .blocks = writer->blocks,
                   .blocks_count = writer->blocks_count,
                   },
        .extents = writer->extents,
        .data_hash = XXH3_64bits_digest(writer->outputs[DATA].hash),
        .other_hash = XXH3_64bits_digest(writer->outputs[OTHER].hash),
    };
    enum tl_code rc;

    tl_buf_clear(&writer->packed);
    TL_TRY(tl_master_index_encode(&index, &writer->packed, err));
    if (writer->packed.size > TL_MASTER_HEAD_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT, "%s: would have %zu bytes before its entries, more than %d; smaller files would do",
                       writer->outputs[INDEX].path, writer->packed.size, TL_MASTER_HEAD_BYTES_MAX));
    TL_TRY(output_write(&writer->outputs[INDEX], writer->packed.data, writer->packed.size, err));
    TL_TRY(output_write(&writer->outputs[INDEX], writer->entries.data, writer->entries.size, err));
out:
    return rc;
}

/* Durable under its temporary name. */
static enum tl_code output_settle(struct output *output, struct tl_err *err)
{
    int fd = output->fd;

    if (fsync(fd) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync", output->path);
    output->fd = -1;
    if (close(fd) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot close", output->path);
    return TL_OK;
}

static enum tl_code output_name(struct output *output, struct tl_err *err)
{
    if (rename(output->path, output->final) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot rename to %s", output->path, output->final);
    output->temporary = false;
    output->named = true;
    return TL_OK;
}

/* An other file that a killed writer left would stand beside a file that has none. */
static enum tl_code output_drop(struct output *output, struct tl_err *err)
{
    if (unlink(output->path) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove", output->path);
    output->temporary = false;
    if (unlink(output->final) != 0 && errno != ENOENT)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot remove what an earlier run left", output->final);
    return TL_OK;
}

enum tl_code tl_master_writer_finish(struct tl_master_writer *writer, struct tl_err *err)
{
    uint64_t other_bytes = 0;
    enum tl_code rc = TL_OK;

    if (writer->broken)
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: an earlier write has failed; nothing of the file was kept", writer->folder));
    if (!writer->begun)
        goto out;
    if (writer->blocks_count < writer->blocks_capacity && writer->blocks[writer->blocks_count].messages_count > 0)
        TL_TRY(block_end(writer, err));
    days_join(writer);
    TL_TRY(index_write(writer, err));
    for (uint32_t i = 0; i < writer->blocks_count; i++)
        other_bytes += writer->extents[i].other_packed_bytes;
    for (int part = 0; part < PARTS; part++)
        TL_TRY(output_settle(&writer->outputs[part], err));
    TL_TRY(output_name(&writer->outputs[INDEX], err));
    if (other_bytes > 0)
        TL_TRY(output_name(&writer->outputs[OTHER], err));
    else
        TL_TRY(output_drop(&writer->outputs[OTHER], err));
    TL_TRY(tl_master_folder_sync(writer->folder, err));
    TL_TRY(output_name(&writer->outputs[DATA], err));
    TL_TRY(tl_master_folder_sync(writer->folder, err));
out:
    if (rc == TL_OK)
        writer_free(writer);
    else
        tl_master_writer_abandon(writer);
    return rc;
}
