/* master_reader.c: reads the blocks of the master record's files. */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "base/buf.h"
#include "master/master_files.h"
#include "master/master_index.h"

/* Bytes with TL_MESSAGE_PADDING behind them; they grow and are reused. */
struct room {
    char *data;
    size_t capacity;
};

static enum tl_code room_for(struct room *room, uint64_t bytes, const char *path, struct tl_err *err)
{
    char *data;

    if (bytes > SIZE_MAX / 2)
        return tl_fail(err, TL_ERR_MEMORY, "%s: a block of %" PRIu64 " bytes does not fit into memory", path, bytes);
    if (room->data != NULL && bytes + TL_MESSAGE_PADDING <= room->capacity)
        return TL_OK;
    data = realloc(room->data, (size_t)bytes + TL_MESSAGE_PADDING);
    if (data == NULL)
        return tl_fail_memory(err, (size_t)bytes + TL_MESSAGE_PADDING);
    room->data = data;
    room->capacity = (size_t)bytes + TL_MESSAGE_PADDING;
    return TL_OK;
}

struct tl_master_reader {
    ZSTD_DCtx *unpacker;
    char *path; /* of the data file whose three files are open; NULL: none */
    int data_fd, index_fd, other_fd;
    struct room packed, lines, others, entries;
    struct tl_message *messages;
    uint8_t *is_other;
    uint32_t messages_capacity;
};

enum tl_code tl_master_reader_open(struct tl_master_reader **out, struct tl_err *err)
{
    struct tl_master_reader *reader = calloc(1, sizeof *reader);

    if (reader != NULL)
        reader->unpacker = ZSTD_createDCtx();
    if (reader == NULL || reader->unpacker == NULL) {
        free(reader);
        return tl_fail_memory(err, sizeof *reader);
    }
    reader->data_fd = reader->index_fd = reader->other_fd = -1;
    *out = reader;
    return TL_OK;
}

static void reader_leave(struct tl_master_reader *reader)
{
    int *fds[] = {&reader->data_fd, &reader->index_fd, &reader->other_fd};

    for (size_t i = 0; i < TL_COUNT(fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    free(reader->path);
    reader->path = NULL;
}

void tl_master_reader_close(struct tl_master_reader *reader)
{
    if (reader == NULL)
        return;
    reader_leave(reader);
    ZSTD_freeDCtx(reader->unpacker);
    free(reader->packed.data);
    free(reader->lines.data);
    free(reader->others.data);
    free(reader->entries.data);
    free(reader->messages);
    free(reader->is_other);
    free(reader);
}

static enum tl_code file_open(const char *path, int *fd, struct tl_err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot open", path);
    return TL_OK;
}

/* Opens the file's three files, unless they are open already. */
static enum tl_code reader_enter(struct tl_master_reader *reader, const struct tl_master_file *file, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (reader->path != NULL && strcmp(reader->path, file->path) == 0)
        return TL_OK;
    reader_leave(reader);
    TL_TRY(file_open(file->path, &reader->data_fd, err));
    TL_TRY(file_open(file->index->index_path, &reader->index_fd, err));
    if (file->index->other_bytes > 0)
        TL_TRY(file_open(file->index->other_path, &reader->other_fd, err));
    reader->path = strdup(file->path);
    if (reader->path == NULL)
        TL_TRY(tl_fail_memory(err, strlen(file->path)));
out:
    return rc;
}

static enum tl_code messages_room(struct tl_master_reader *reader, uint32_t count, struct tl_err *err)
{
    struct tl_message *messages;
    uint8_t *is_other;

    if (count <= reader->messages_capacity)
        return TL_OK;
    messages = realloc(reader->messages, count * sizeof *messages);
    if (messages != NULL)
        reader->messages = messages;
    is_other = realloc(reader->is_other, count);
    if (is_other != NULL)
        reader->is_other = is_other;
    if (messages == NULL || is_other == NULL)
        return tl_fail_memory(err, count * sizeof *messages);
    reader->messages_capacity = count;
    return TL_OK;
}

/* The frame in reader->packed has the bytes that were written: the index has their hash, and to take that is a tenth of the work of taking
 * zstd's own, which is one of what lies in it. So that one is taken off: RFC 8878 3.1.1.1.1, a bit says that four bytes at the end are
 * the checksum. */
static enum tl_code frame_check(struct tl_master_reader *reader, uint64_t *packed_bytes, uint64_t hash, const char *path,
                                uint64_t position, struct tl_err *err)
{
    enum { DESCRIPTOR = 4, HAS_CHECKSUM = 1 << 2, CHECKSUM_BYTES = 4 };
    char *descriptor = reader->packed.data + DESCRIPTOR;

    if (XXH3_64bits(reader->packed.data, (size_t)*packed_bytes) != hash)
        return tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is damaged: the %" PRIu64 " bytes from byte %" PRIu64
                       " on are not those that were written; bring it back from a copy",
                       path, *packed_bytes, position);
    if (*packed_bytes > DESCRIPTOR + CHECKSUM_BYTES && (*descriptor & HAS_CHECKSUM) != 0) {
        *descriptor = (char)(*descriptor & ~HAS_CHECKSUM);
        *packed_bytes -= CHECKSUM_BYTES;
    }
    return TL_OK;
}

/* One pread, one frame, into `into`. `hash`: of the frame; NULL: zstd checks what lies in it. */
static enum tl_code frame_read(struct tl_master_reader *reader, int fd, const char *path, uint64_t position,
                               uint64_t packed_bytes, const uint64_t *hash, uint64_t raw_bytes, struct room *into,
                               struct tl_err *err)
{
    unsigned long long said;
    size_t got;
    enum tl_code rc;

    TL_TRY(room_for(&reader->packed, packed_bytes, path, err));
    TL_TRY(tl_master_read_at(fd, reader->packed.data, packed_bytes, position, path, err));
    /* What the frame says of itself is compared before memory is asked for. */
    said = ZSTD_getFrameContentSize(reader->packed.data, (size_t)packed_bytes);
    if (said != raw_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is damaged: at byte %" PRIu64 " there is no zstd frame of %" PRIu64
                       " unpacked bytes; bring it back from a copy",
                       path, position, raw_bytes));
    TL_TRY(room_for(into, raw_bytes, path, err));
    if (hash != NULL)
        TL_TRY(frame_check(reader, &packed_bytes, *hash, path, position, err));
    got = ZSTD_decompressDCtx(reader->unpacker, into->data, (size_t)raw_bytes, reader->packed.data, (size_t)packed_bytes);
    if (ZSTD_isError(got) || got != raw_bytes)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "%s: is damaged: the zstd frame at byte %" PRIu64 " cannot be unpacked (%s); bring it back from a copy",
                       path, position, ZSTD_isError(got) ? ZSTD_getErrorName(got) : "too short"));
    memset(into->data + raw_bytes, 0, TL_MESSAGE_PADDING);
out:
    return rc;
}

/* NULL: there is no line. `size`: what the index says; NULL: nothing. */
static const char *line_end(const char *line, const char *end, const size_t *size)
{
    if (size == NULL)
        return line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    return *size < (size_t)(end - line) && line[*size] == '\n' ? line + *size : NULL;
}

/* The messages' values: the next line, or the next other, by what the entries say. */
static enum tl_code values_fill(struct tl_master_reader *reader, const struct tl_master_file *file,
                                const struct tl_master_block *block, const struct tl_master_extent *extent, struct tl_err *err)
{
    const char *line = reader->lines.data, *end = line + block->raw_bytes;
    struct tl_reader others =
        tl_reader_of((struct tl_sv){reader->others.data, extent->others_count > 0 ? (size_t)extent->other_raw_bytes : 0});
    bool has_sizes = file->index->version >= TL_MASTER_INDEX_VERSION_FRAME;
    struct tl_err why;

    for (uint32_t i = 0; i < block->messages_count; i++) {
        struct tl_message *message = &reader->messages[i];

        if (reader->is_other[i]) {
            struct tl_message other;
            enum tl_code rc = tl_master_other_next(&others, &other, &why);

            if (rc != TL_OK)
                return tl_fail(err, rc, "%s: %s; bring it back from a copy", file->index->other_path, why.message);
            if (other.offset != message->offset || other.log_ms != message->log_ms)
                return tl_fail(err, TL_ERR_CORRUPT,
                               "%s: has offset %" PRId64 " where its index has %" PRId64 "; bring both back from a copy",
                               file->index->other_path, other.offset, message->offset);
            message->value = other.value;
        } else {
            const char *newline = line_end(line, end, has_sizes ? &message->value.size : NULL);

            if (newline == NULL)
                return tl_fail(err, TL_ERR_CORRUPT,
                               "%s: has fewer lines from byte %" PRIu64 " on than its index says; bring both back from a copy",
                               file->path, block->position);
            message->value = (struct tl_sv){line, (size_t)(newline - line)};
            line = newline + 1;
        }
    }
    if (line != end || !tl_reader_at_end(&others))
        return tl_fail(err, TL_ERR_CORRUPT,
                       "%s: has more messages from byte %" PRIu64 " on than its index says; bring both back from a copy",
                       file->path, block->position);
    return TL_OK;
}

enum tl_code tl_master_read_block(struct tl_master_reader *reader, const struct tl_master_file *file, uint32_t number,
                                  const struct tl_message **messages, size_t *count, struct tl_err *err)
{
    const struct tl_master_index *index = file->index;
    const struct tl_master_block *block = &file->blocks[number];
    const struct tl_master_extent *extent = &index->extents[number];
    struct tl_err why;
    enum tl_code rc;

    assert(number < file->blocks_count);
    TL_TRY(reader_enter(reader, file, err));
    TL_TRY(messages_room(reader, block->messages_count, err));
    TL_TRY(room_for(&reader->entries, extent->entries_bytes, index->index_path, err));
    TL_TRY(tl_master_read_at(reader->index_fd, reader->entries.data, extent->entries_bytes, extent->entries_position,
                             index->index_path, err));
    rc = tl_master_entries_decode((struct tl_sv){reader->entries.data, (size_t)extent->entries_bytes}, index->version, block,
                                  extent, reader->messages, reader->is_other, &why);
    if (rc != TL_OK)
        TL_TRY(tl_fail(err, rc, "%s: %s; bring it back from a copy", index->index_path, why.message));
    TL_TRY(frame_read(reader, reader->data_fd, file->path, block->position, block->packed_bytes,
                      index->version >= TL_MASTER_INDEX_VERSION_FRAME ? &extent->packed_hash : NULL, block->raw_bytes,
                      &reader->lines, err));
    if (extent->others_count > 0)
        TL_TRY(frame_read(reader, reader->other_fd, index->other_path, extent->other_position, extent->other_packed_bytes, NULL,
                          extent->other_raw_bytes, &reader->others, err));
    TL_TRY(values_fill(reader, file, block, extent, err));
    *messages = reader->messages;
    *count = block->messages_count;
out:
    return rc;
}
