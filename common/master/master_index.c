/* master_index.c: the index beside each file of the master record, and complete.json, to bytes and back. */
#include "master/master_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

enum { ENTRY_BYTES_MAX = 30 }; /* three numbers of ten bytes */

static const char magic[8] = {'T', 'L', 'Y', 'I', 'N', 'D', 'E', 'X'};

/* Differences of timestamps may be larger than an int64_t; they wrap, and the sum wraps back. */
static int64_t wrap_minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t wrap_plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void put_block(struct tl_buf *out, const struct tl_master_block *block, const struct tl_master_extent *extent,
                      const struct tl_master_block *before)
{
    tl_buf_put_varint(out, block->packed_bytes);
    tl_buf_put_varint(out, block->raw_bytes);
    tl_buf_put_varint(out, block->messages_count);
    tl_buf_put_varint(out, extent->others_count);
    tl_buf_put_varint(out, extent->other_packed_bytes);
    tl_buf_put_varint(out, extent->other_raw_bytes);
    tl_buf_put_varint(out, extent->entries_bytes);
    tl_buf_put_u64(out, extent->entries_hash);
    tl_buf_put_u64(out, extent->packed_hash);
    tl_buf_put_varint(out, before == NULL ? 0 : (uint64_t)(block->first_offset - before->last_offset));
    tl_buf_put_varint(out, (uint64_t)(block->last_offset - block->first_offset));
    tl_buf_put_zigzag(out, wrap_minus(block->log_ms_min, before == NULL ? 0 : before->log_ms_min));
    tl_buf_put_varint(out, (uint64_t)block->log_ms_max - (uint64_t)block->log_ms_min);
    tl_buf_put_zigzag(out, block->time_ms_min);
    tl_buf_put_zigzag(out, block->time_ms_max);
}

enum tl_code tl_master_index_encode(const struct tl_master_index *index, struct tl_buf *out, struct tl_err *err)
{
    const struct tl_master_file *file = &index->file;
    size_t start = out->size, head_bytes;
    int32_t day_before = 0;
    enum tl_code rc;

    tl_buf_put(out, magic, sizeof magic);
    tl_buf_put_u32(out, TL_MASTER_INDEX_VERSION);
    tl_buf_put_u32(out, 0); /* the size of the head is known behind it */
    tl_buf_put_block(out, file->topic);
    tl_buf_put_varint(out, file->partition);
    tl_buf_put_u64(out, file->time_rule);
    tl_buf_put_zigzag(out, file->watermark_ms);
    tl_buf_put_u64(out, index->data_hash);
    tl_buf_put_u64(out, index->other_hash);
    tl_buf_put_varint(out, file->days_count);
    for (uint32_t i = 0; i < file->days_count; i++) {
        tl_buf_put_zigzag(out, (int64_t)file->days[i].day - day_before);
        tl_buf_put_varint(out, file->days[i].events_count);
        day_before = file->days[i].day;
    }
    tl_buf_put_varint(out, (uint64_t)file->blocks[0].first_offset);
    tl_buf_put_varint(out, file->begin_offset == TL_MASTER_BEGIN_UNKNOWN
                               ? 0
                               : (uint64_t)(file->blocks[0].first_offset - file->begin_offset) + 1);
    tl_buf_put_varint(out, file->blocks_count);
    for (uint32_t i = 0; i < file->blocks_count; i++)
        put_block(out, &file->blocks[i], &index->extents[i], i == 0 ? NULL : &file->blocks[i - 1]);
    TL_TRY(tl_buf_check(out, "index of a master file", err));

    head_bytes = out->size - start - TL_MASTER_INDEX_EDGE;
    if (head_bytes > UINT32_MAX)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT, "the index of a master file would have %zu bytes; smaller files would do", head_bytes));
    for (size_t i = 0; i < 4; i++)
        out->data[start + 12 + i] = (char)(unsigned char)(head_bytes >> (8 * i));
    tl_buf_put_u64(out, XXH3_64bits(out->data + start, out->size - start));
    rc = tl_buf_check(out, "index of a master file", err);
out:
    return rc;
}

enum tl_code tl_master_index_edge(struct tl_sv bytes, uint64_t *head_end, struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_sv start = tl_reader_bytes(&reader, sizeof magic);
    uint32_t version = tl_reader_u32(&reader), head_bytes = tl_reader_u32(&reader);

    if (reader.failed || start.data == NULL)
        return tl_fail(err, TL_ERR_CORRUPT, "is cut off: it has only %zu bytes; bring it back from a copy", bytes.size);
    if (memcmp(start.data, magic, sizeof magic) != 0)
        return tl_fail(err, TL_ERR_CORRUPT,
                       "is no index of a master file: it does not begin with TLYINDEX; bring it back from a copy");
    if (version == 0 || version > TL_MASTER_INDEX_VERSION)
        return tl_fail(err, TL_ERR_CORRUPT,
                       "has version %u, and this program reads 1 to %d: a newer tally wrote it, and reads it", version,
                       TL_MASTER_INDEX_VERSION);
    *head_end = (uint64_t)TL_MASTER_INDEX_EDGE + head_bytes + 8;
    return TL_OK;
}

/* The sums over the blocks read so far, and where the next one starts. */
struct sums {
    uint64_t data_bytes, other_bytes, entries_bytes, messages, raw_bytes;
};

static bool sums_add(struct sums *sums, const struct tl_master_block *block, const struct tl_master_extent *extent)
{
    return !tl_add_overflows(sums->data_bytes, block->packed_bytes, &sums->data_bytes) &&
           !tl_add_overflows(sums->other_bytes, extent->other_packed_bytes, &sums->other_bytes) &&
           !tl_add_overflows(sums->entries_bytes, extent->entries_bytes, &sums->entries_bytes) &&
           !tl_add_overflows(sums->messages, block->messages_count, &sums->messages) &&
           !tl_add_overflows(sums->raw_bytes, block->raw_bytes, &sums->raw_bytes) &&
           !tl_add_overflows(sums->raw_bytes, extent->other_raw_bytes, &sums->raw_bytes) && sums->data_bytes <= INT64_MAX &&
           sums->other_bytes <= INT64_MAX && sums->entries_bytes <= INT64_MAX;
}

/* A block that contradicts itself is refused here, so that the reader of blocks can rely on it. */
static bool read_block(struct tl_reader *reader, uint32_t version, struct tl_master_block *block, struct tl_master_extent *extent,
                       int64_t first_offset, const struct tl_master_block *before)
{
    bool has_frame = version >= TL_MASTER_INDEX_VERSION_FRAME;
    uint64_t packed = tl_reader_varint(reader), raw = tl_reader_varint(reader);
    uint64_t messages = tl_reader_varint(reader), others = tl_reader_varint(reader);
    uint64_t other_packed = tl_reader_varint(reader), other_raw = tl_reader_varint(reader);
    uint64_t entries_bytes = tl_reader_varint(reader), entries_hash = tl_reader_u64(reader);
    uint64_t packed_hash = has_frame ? tl_reader_u64(reader) : 0;
    uint64_t step = tl_reader_varint(reader), span = tl_reader_varint(reader);
    int64_t log_step = tl_reader_zigzag(reader);
    uint64_t log_span = tl_reader_varint(reader);
    int64_t time_min = tl_reader_zigzag(reader), time_max = tl_reader_zigzag(reader);
    uint64_t first, last;
    int64_t log_min = wrap_plus(before == NULL ? 0 : before->log_ms_min, log_step);

    if (reader->failed || messages == 0 || messages > TL_MASTER_BLOCK_MESSAGES_MAX || others > messages ||
        (others == 0) != (other_packed == 0))
        return false;
    if ((before == NULL) != (step == 0) ||
        tl_add_overflows(before == NULL ? (uint64_t)first_offset : (uint64_t)before->last_offset, step, &first) ||
        tl_add_overflows(first, span, &last) || last > INT64_MAX || span < messages - 1)
        return false;
    if (packed == 0 || raw > INT64_MAX || raw / 2 < messages - others || other_raw > INT64_MAX ||
        other_raw / TL_MASTER_OTHER_EDGE < others || entries_bytes / 2 < messages || entries_bytes > messages * ENTRY_BYTES_MAX)
        return false;
    if (log_span > (uint64_t)INT64_MAX - (uint64_t)log_min)
        return false; /* INT64_MAX - log_min, which may exceed INT64_MAX itself */
    *block = (struct tl_master_block){
        .packed_bytes = packed,
        .raw_bytes = raw,
        .messages_count = (uint32_t)messages,
        .first_offset = (int64_t)first,
        .last_offset = (int64_t)last,
        .log_ms_min = log_min,
        .log_ms_max = wrap_plus(log_min, (int64_t)log_span),
        .time_ms_min = time_min,
        .time_ms_max = time_max,
    };
    *extent = (struct tl_master_extent){
        .entries_bytes = entries_bytes,
        .entries_hash = entries_hash,
        .packed_hash = packed_hash,
        .other_packed_bytes = other_packed,
        .other_raw_bytes = other_raw,
        .others_count = (uint32_t)others,
    };
    return true;
}

static enum tl_code read_days(struct tl_reader *reader, struct tl_arena *arena, struct tl_master_file *file, struct tl_err *err)
{
    uint64_t count = tl_reader_varint(reader);
    struct tl_master_day *days;
    int64_t day = 0;

    /* Each takes two bytes at least, so a number that is out of all proportion reserves no memory. */
    if (reader->failed || count > (uint64_t)(reader->end - reader->at) / 2)
        return tl_fail(err, TL_ERR_CORRUPT, "contradicts itself: %" PRIu64 " days do not fit in it", count);
    days = tl_arena_alloc(arena, (size_t)count * sizeof *days + 1);
    if (days == NULL)
        return tl_fail_memory(err, (size_t)count * sizeof *days);
    for (uint64_t i = 0; i < count; i++) {
        int64_t step = tl_reader_zigzag(reader);
        uint64_t events = tl_reader_varint(reader);

        if (reader->failed || tl_add_overflows(day, step, &day) || day < INT32_MIN || day > INT32_MAX || (i > 0 && step <= 0) ||
            events == 0)
            return tl_fail(err, TL_ERR_CORRUPT, "contradicts itself: its days do not ascend");
        days[i] = (struct tl_master_day){(int32_t)day, events};
    }
    file->days = days;
    file->days_count = (uint32_t)count;
    return TL_OK;
}

/* False: it contradicts itself. */
static bool read_begin(struct tl_reader *reader, uint32_t version, uint64_t first_offset, int64_t *begin_offset)
{
    bool may_be_unknown = version >= TL_MASTER_INDEX_VERSION_FRAME;
    uint64_t behind;

    *begin_offset = TL_MASTER_BEGIN_UNKNOWN;
    if (version < TL_MASTER_INDEX_VERSION_BEGIN)
        return true;
    behind = tl_reader_varint(reader);
    if (may_be_unknown && behind-- == 0)
        return true;
    if (behind > first_offset)
        return false;
    *begin_offset = (int64_t)(first_offset - behind);
    return true;
}

static enum tl_code read_blocks(struct tl_reader *reader, struct tl_arena *arena, struct tl_master_index *index,
                                uint64_t head_end, struct tl_err *err)
{
    enum { BLOCK_BYTES_MIN = 21 };
    struct tl_master_file *file = &index->file;
    uint64_t first_offset = tl_reader_varint(reader), count;
    bool fits = first_offset <= INT64_MAX && read_begin(reader, index->version, first_offset, &file->begin_offset);
    struct tl_master_block *blocks;
    struct tl_master_extent *extents;
    struct sums sums = {0};

    count = tl_reader_varint(reader);
    if (!fits || reader->failed || count == 0 || count > (uint64_t)(reader->end - reader->at) / BLOCK_BYTES_MIN)
        return tl_fail(err, TL_ERR_CORRUPT, "contradicts itself: %" PRIu64 " blocks do not fit in it", count);
    blocks = tl_arena_alloc(arena, (size_t)count * sizeof *blocks);
    extents = tl_arena_alloc(arena, (size_t)count * sizeof *extents);
    if (blocks == NULL || extents == NULL)
        return tl_fail_memory(err, (size_t)count * (sizeof *blocks + sizeof *extents));
    for (uint64_t i = 0; i < count; i++) {
        struct sums before = sums;

        if (!read_block(reader, index->version, &blocks[i], &extents[i], (int64_t)first_offset, i == 0 ? NULL : &blocks[i - 1]) ||
            !sums_add(&sums, &blocks[i], &extents[i]))
            return tl_fail(err, TL_ERR_CORRUPT, "contradicts itself in block %" PRIu64, i);
        blocks[i].position = before.data_bytes;
        extents[i].other_position = before.other_bytes;
        extents[i].entries_position = head_end + before.entries_bytes;
        if (blocks[i].time_ms_min <= blocks[i].time_ms_max) {
            file->time_ms_min = tl_min_i64(file->time_ms_min, blocks[i].time_ms_min);
            file->time_ms_max = tl_max_i64(file->time_ms_max, blocks[i].time_ms_max);
        }
    }
    file->blocks = blocks;
    file->blocks_count = (uint32_t)count;
    file->first_offset = blocks[0].first_offset;
    file->last_offset = blocks[count - 1].last_offset;
    file->messages_count = sums.messages;
    file->raw_bytes = sums.raw_bytes;
    index->extents = extents;
    index->data_bytes = sums.data_bytes;
    index->other_bytes = sums.other_bytes;
    index->index_bytes = head_end + sums.entries_bytes;
    return TL_OK;
}

enum tl_code tl_master_index_decode(struct tl_sv bytes, struct tl_arena *arena, struct tl_master_index *out, struct tl_err *err)
{
    struct tl_master_index index = {
        .file = {.time_ms_min = INT64_MAX, .time_ms_max = INT64_MIN}
    };
    struct tl_reader reader;
    struct tl_sv topic;
    uint64_t head_end, partition;
    enum tl_code rc;

    TL_TRY(tl_master_index_edge(bytes, &head_end, err));
    reader = tl_reader_of((struct tl_sv){bytes.data + sizeof magic, 4});
    index.version = tl_reader_u32(&reader);
    if (bytes.size != head_end)
        TL_TRY(
            tl_fail(err, TL_ERR_CORRUPT, "is cut off: it has %zu bytes of %" PRIu64 " before its entries", bytes.size, head_end));
    reader = tl_reader_of((struct tl_sv){bytes.data + head_end - 8, 8});
    if (tl_reader_u64(&reader) != XXH3_64bits(bytes.data, (size_t)head_end - 8))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "is damaged: its hash does not fit its bytes"));

    reader = tl_reader_of((struct tl_sv){bytes.data + TL_MASTER_INDEX_EDGE, (size_t)head_end - 8 - TL_MASTER_INDEX_EDGE});
    topic = tl_reader_block(&reader);
    partition = tl_reader_varint(&reader);
    index.file.time_rule = tl_reader_u64(&reader);
    index.file.watermark_ms = tl_reader_zigzag(&reader);
    index.data_hash = tl_reader_u64(&reader);
    index.other_hash = tl_reader_u64(&reader);
    if (reader.failed || partition > UINT32_MAX)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "contradicts itself: its head does not fit"));
    index.file.partition = (uint32_t)partition;
    TL_TRY(read_days(&reader, arena, &index.file, err));
    TL_TRY(read_blocks(&reader, arena, &index, head_end, err));
    if (!tl_reader_at_end(&reader))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "contradicts itself: bytes are left over behind its blocks"));
    if (!tl_arena_copy(arena, topic, &index.file.topic))
        TL_TRY(tl_fail_memory(err, topic.size));
    *out = index;
out:
    return rc;
}

void tl_master_entry_put(struct tl_buf *out, int64_t offset, int64_t log_ms, bool other, size_t line_bytes, int64_t before_offset,
                         int64_t before_log_ms)
{
    tl_buf_put_varint(out, (uint64_t)(offset - before_offset - 1) << 1 | (other ? 1 : 0));
    tl_buf_put_zigzag(out, wrap_minus(log_ms, before_log_ms));
    if (!other)
        tl_buf_put_varint(out, line_bytes);
}

enum tl_code tl_master_entries_decode(struct tl_sv bytes, uint32_t version, const struct tl_master_block *block,
                                      const struct tl_master_extent *extent, struct tl_message *messages, uint8_t *others,
                                      struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    int64_t offset = block->first_offset - 1, log_ms = block->log_ms_min;
    uint32_t others_count = 0;

    if (bytes.size != extent->entries_bytes || XXH3_64bits(bytes.data, bytes.size) != extent->entries_hash)
        return tl_fail(err, TL_ERR_CORRUPT, "is damaged: the hash of its entries at byte %" PRIu64 " does not fit",
                       extent->entries_position);
    for (uint32_t i = 0; i < block->messages_count; i++) {
        uint64_t step = tl_reader_varint(&reader), line_bytes;

        log_ms = wrap_plus(log_ms, tl_reader_zigzag(&reader));
        line_bytes = version >= TL_MASTER_INDEX_VERSION_FRAME && (step & 1) == 0 ? tl_reader_varint(&reader) : 0;
        if (reader.failed || line_bytes > block->raw_bytes || tl_add_overflows(offset, (int64_t)(step >> 1), &offset) ||
            offset >= block->last_offset || log_ms < block->log_ms_min || log_ms > block->log_ms_max)
            break;
        offset++;
        messages[i] = (struct tl_message){
            .offset = offset, .log_ms = log_ms, .value = {NULL, (size_t)line_bytes}
        };
        others[i] = (uint8_t)(step & 1);
        others_count += others[i];
        if (i + 1 == block->messages_count && offset == block->last_offset && others_count == extent->others_count &&
            tl_reader_at_end(&reader))
            return TL_OK;
    }
    return tl_fail(err, TL_ERR_CORRUPT,
                   "contradicts itself: its entries at byte %" PRIu64 " do not fit the block of offsets %" PRId64 " to %" PRId64,
                   extent->entries_position, block->first_offset, block->last_offset);
}

void tl_master_other_put(struct tl_buf *out, const struct tl_message *message)
{
    bool tombstone = message->value.data == NULL;
    size_t start = out->size;

    tl_buf_put_u32(out, tombstone ? TL_MASTER_TOMBSTONE : (uint32_t)message->value.size);
    tl_buf_put_u64(out, (uint64_t)message->offset);
    tl_buf_put_u64(out, (uint64_t)message->log_ms);
    if (!tombstone)
        tl_buf_put_sv(out, message->value);
    if (!out->failed)
        tl_buf_put_u64(out, XXH3_64bits(out->data + start, out->size - start));
}

enum tl_code tl_master_other_next(struct tl_reader *reader, struct tl_message *out, struct tl_err *err)
{
    const char *start = reader->at;
    uint32_t size = tl_reader_u32(reader);
    int64_t offset = (int64_t)tl_reader_u64(reader), log_ms = (int64_t)tl_reader_u64(reader);
    struct tl_sv value = {NULL, 0};
    size_t bytes;

    if (size != TL_MASTER_TOMBSTONE)
        value = tl_reader_bytes(reader, size);
    bytes = (size_t)(reader->at - start);
    if (tl_reader_u64(reader) != XXH3_64bits(start, bytes) || reader->failed)
        return tl_fail(err, TL_ERR_CORRUPT, "is damaged: a message near offset %" PRId64 " does not fit its length and hash",
                       offset);
    *out = (struct tl_message){.offset = offset, .log_ms = log_ms, .value = value};
    return TL_OK;
}

/* ---- complete.json ---- */

enum tl_code tl_master_complete_encode(struct tl_sv topic, const struct tl_master_complete *complete, size_t count,
                                       uint64_t identity, struct tl_buf *out, struct tl_err *err)
{
    size_t start = out->size;

    tl_buf_put_str(out, "{\n  \"version\": 2,\n  \"topic\": ");
    tl_buf_put_json(out, topic);
    tl_buf_printf(out, ",\n  \"log\": \"%016" PRIx64 "\",\n  \"partitions\": [", identity);
    for (size_t i = 0; i < count; i++) {
        tl_buf_printf(out,
                      "%s\n    {\"partition\": %" PRIu32 ", \"complete_to\": %" PRId64 ", \"files_to\": %" PRId64
                      ", \"log_end_at_ms\": ",
                      i == 0 ? "" : ",", complete[i].partition, complete[i].offset, complete[i].files_offset);
        if (complete[i].end_ms == INT64_MIN)
            tl_buf_put_str(out, "null}");
        else
            tl_buf_printf(out, "%" PRId64 "}", complete[i].end_ms);
    }
    tl_buf_put_str(out, count == 0 ? "],\n" : "\n  ],\n");
    if (!out->failed)
        tl_buf_printf(out, "  \"check\": \"%016" PRIx64 "\"\n}\n", XXH3_64bits(out->data + start, out->size - start));
    return tl_buf_check(out, "complete.json", err);
}

static bool take(struct tl_sv *rest, const char *text)
{
    size_t size = strlen(text);

    if (rest->size < size || memcmp(rest->data, text, size) != 0)
        return false;
    *rest = (struct tl_sv){rest->data + size, rest->size - size};
    return true;
}

static bool take_number(struct tl_sv *rest, int64_t *out)
{
    size_t size = 0;
    struct tl_sv digits;

    while (size < rest->size && (rest->data[size] == '-' || (rest->data[size] >= '0' && rest->data[size] <= '9')))
        size++;
    digits = (struct tl_sv){rest->data, size};
    *rest = (struct tl_sv){rest->data + size, rest->size - size};
    return tl_sv_to_i64(digits, out);
}

static bool take_hex(struct tl_sv *rest, uint64_t *out)
{
    uint64_t value = 0;

    if (rest->size < 16)
        return false;
    for (size_t i = 0; i < 16; i++) {
        char c = rest->data[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *rest = (struct tl_sv){rest->data + 16, rest->size - 16};
    *out = value;
    return true;
}

static bool take_partition(struct tl_sv *rest, bool has_files, struct tl_master_complete *out)
{
    int64_t partition, offset, files_offset = 0, end_ms = INT64_MIN;

    if (!take(rest, "\n    {\"partition\": ") || !take_number(rest, &partition) || partition < 0 || partition > UINT32_MAX)
        return false;
    if (!take(rest, ", \"complete_to\": ") || !take_number(rest, &offset) || offset < 0)
        return false;
    if (has_files && (!take(rest, ", \"files_to\": ") || !take_number(rest, &files_offset) || files_offset < 0))
        return false;
    if (!take(rest, ", \"log_end_at_ms\": "))
        return false;
    if (!take(rest, "null") && !take_number(rest, &end_ms))
        return false;
    *out = (struct tl_master_complete){
        .partition = (uint32_t)partition, .offset = offset, .end_ms = end_ms, .files_offset = files_offset};
    return take(rest, "}");
}

enum tl_code tl_master_complete_decode(struct tl_sv bytes, struct tl_sv topic, struct tl_arena *arena,
                                       const struct tl_master_complete **complete, size_t *count, uint64_t *identity,
                                       struct tl_err *err)
{
    static const char wrong[] = "is not the statement that archive writes";
    struct tl_sv rest = bytes;
    struct tl_buf name;
    struct tl_master_complete *list;
    size_t room = bytes.size / 40 + 1, used = 0; /* a partition's line is longer than that */
    uint64_t log, check, found;
    int64_t version;
    bool fits;
    enum tl_code rc;

    tl_buf_init(&name, 0);
    tl_buf_put_json(&name, topic);
    tl_buf_put_u8(&name, 0);
    TL_TRY(tl_buf_check(&name, "complete.json", err));
    list = tl_arena_alloc(arena, room * sizeof *list);
    if (list == NULL)
        TL_TRY(tl_fail_memory(err, room * sizeof *list));

    if (!take(&rest, "{\n  \"version\": ") || !take_number(&rest, &version) || version < 1 || version > 2 ||
        !take(&rest, ",\n  \"topic\": "))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s", wrong));
    if (!take(&rest, name.data))
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "speaks of another topic than '%.*s'", TL_SV_ARG(topic)));
    fits = take(&rest, ",\n  \"log\": \"") && take_hex(&rest, &log) && take(&rest, "\",\n  \"partitions\": [");
    if (fits && !take(&rest, "],\n")) {
        do
            fits = used < room && take_partition(&rest, version > 1, &list[used]) &&
                   (used == 0 || list[used].partition > list[used - 1].partition);
        while (fits && ++used < room && take(&rest, ","));
        fits = fits && take(&rest, "\n  ],\n");
    }
    found = fits ? XXH3_64bits(bytes.data, (size_t)(rest.data - bytes.data)) : 0;
    if (!fits || !take(&rest, "  \"check\": \"") || !take_hex(&rest, &check) || !take(&rest, "\"\n}\n") || rest.size != 0)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s", wrong));
    if (check != found)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "is damaged: its check does not fit its bytes"));
    *complete = list;
    *count = used;
    *identity = log;
out:
    tl_buf_done(&name);
    return rc;
}
