/* master_block_fuzz.c: a block of the master record in its three files: what is read of it is written back the same, or the
 * block is refused.
 *
 *     u8 how (bits below), u8 messages less one, block entries, block lines, others (a block each)
 *
 * Entries are told in the index, so the index tells what fits them, that more than their hash is tried. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "master/master_index.h"
#include "fuzz/target.h"

enum {
    LINES_PACKED = 1,  /* `lines` is what lies in the file, as it is; else it is packed */
    OTHERS_PACKED = 2, /* so is the first of the others */
    OTHERS_WHOLE = 4,  /* the first of the others is what is packed, as it is; else each becomes one that fits its entry */
    WITH_SIZES = 8,    /* the entries are of version FRAME: each line's has its size; else of the one before */
    BYTES_MAX = 1 << 20,
};
enum { DATA, INDEX, OTHER, FILES };

static struct memory_file {
    int fd;
    char path[64];
} files[FILES];

static void files_open(void)
{
    for (int f = 0; f < FILES; f++) {
        CHECK((files[f].fd = memfd_create("master_block_fuzz", MFD_CLOEXEC)) >= 0);
        snprintf(files[f].path, sizeof files[f].path, "/proc/self/fd/%d", files[f].fd);
    }
}

static void file_fill(int file, struct tl_sv bytes)
{
    CHECK(ftruncate(files[file].fd, 0) == 0);
    CHECK(pwrite(files[file].fd, bytes.data, bytes.size, 0) == (ssize_t)bytes.size);
}

/* Into the file: `bytes` as they are, or packed. What the index says of them. Returns their hash. */
static uint64_t frame_fill(int file, struct tl_sv bytes, bool is_packed, uint64_t *packed_bytes, uint64_t *raw_bytes)
{
    uint64_t hash;
    size_t room = ZSTD_compressBound(bytes.size);
    char *frame;

    if (is_packed) {
        unsigned long long said = ZSTD_getFrameContentSize(bytes.data, bytes.size);

        *packed_bytes = bytes.size;
        *raw_bytes = said < BYTES_MAX ? said : BYTES_MAX;
        file_fill(file, bytes);
        return XXH3_64bits(bytes.data, bytes.size);
    }
    CHECK((frame = malloc(room)) != NULL);
    *packed_bytes = ZSTD_compress(frame, room, bytes.data, bytes.size, 1);
    *raw_bytes = bytes.size;
    CHECK(!ZSTD_isError((size_t)*packed_bytes));
    file_fill(file, (struct tl_sv){frame, (size_t)*packed_bytes});
    hash = XXH3_64bits(frame, (size_t)*packed_bytes);
    free(frame);
    return hash;
}

/* What the block must say for these entries to be its own; an other for each that is said to be one. */
static void block_fit(struct tl_master_block *block, struct tl_master_extent *extent, struct tl_sv entries, bool with_sizes,
                      struct tl_reader *rest, struct tl_buf *others)
{
    struct tl_reader reader = tl_reader_of(entries);
    struct tl_message other = {.offset = block->first_offset - 1, .log_ms = block->log_ms_min};

    for (uint32_t i = 0; i < block->messages_count; i++) {
        uint64_t step = tl_reader_varint(&reader);

        other.offset = (int64_t)((uint64_t)other.offset + (step >> 1) + 1);
        other.log_ms = (int64_t)((uint64_t)other.log_ms + (uint64_t)tl_reader_zigzag(&reader));
        if ((step & 1) == 0) {
            if (with_sizes)
                (void)tl_reader_varint(&reader);
            continue;
        }
        other.value = tl_reader_block(rest); /* behind the end: a tombstone */
        tl_master_other_put(others, &other);
        extent->others_count++;
    }
    block->last_offset = other.offset;
}

/* The files' bytes, made of what was read. */
static void check_messages(const struct tl_message *messages, const uint8_t *is_other, size_t count, struct tl_sv entries,
                           bool with_sizes, struct tl_sv lines, struct tl_sv others)
{
    struct tl_buf put[FILES];
    int64_t offset = 2, log_ms = 0;

    for (int f = 0; f < FILES; f++)
        tl_buf_init(&put[f], 0);
    for (size_t i = 0; i < count; i++) {
        CHECK(messages[i].offset > offset);
        tl_master_entry_put(&put[INDEX], messages[i].offset, messages[i].log_ms, is_other[i], messages[i].value.size, offset,
                            log_ms);
        offset = messages[i].offset;
        log_ms = messages[i].log_ms;
        if (is_other[i]) {
            tl_master_other_put(&put[OTHER], &messages[i]);
        } else {
            tl_buf_put_sv(&put[DATA], messages[i].value);
            tl_buf_put_u8(&put[DATA], '\n');
        }
    }
    CHECK(!with_sizes || put[INDEX].size <= entries.size); /* numbers may have been longer than they need be */
    CHECK(lines.data == NULL || tl_sv_eq(tl_buf_sv(&put[DATA]), lines));
    CHECK(others.data == NULL || tl_sv_eq(tl_buf_sv(&put[OTHER]), others));
    for (int f = 0; f < FILES; f++)
        tl_buf_done(&put[f]);
}

static void read_others(struct tl_sv entries, bool with_sizes, uint8_t *is_other, size_t count)
{
    struct tl_reader reader = tl_reader_of(entries);

    for (size_t i = 0; i < count; i++) {
        is_other[i] = tl_reader_varint(&reader) & 1;
        (void)tl_reader_zigzag(&reader);
        if (!is_other[i] && with_sizes)
            (void)tl_reader_varint(&reader);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_reader rest = tl_reader_of((struct tl_sv){(const char *)data, size});
    unsigned how = tl_reader_u8(&rest);
    struct tl_master_block block = {.messages_count = tl_reader_u8(&rest) + 1u, .first_offset = 3, .log_ms_max = INT64_MAX};
    struct tl_sv entries = tl_reader_block(&rest), lines = tl_reader_block(&rest), none = {NULL, 0};
    struct tl_master_extent extent = {.entries_bytes = entries.size, .entries_hash = XXH3_64bits(entries.data, entries.size)};
    bool with_sizes = (how & WITH_SIZES) != 0;
    struct tl_master_index index = {.version = TL_MASTER_INDEX_VERSION_FRAME - !with_sizes,
                                    .index_path = files[INDEX].path,
                                    .other_path = files[OTHER].path,
                                    .other_bytes = 1};
    struct tl_master_file file = {.path = files[DATA].path, .blocks = &block, .blocks_count = 1, .index = &index};
    const struct tl_message *messages;
    struct tl_master_reader *reader;
    struct tl_err err = {0};
    struct tl_buf others;
    enum tl_code rc;
    size_t count;

    if (rest.failed)
        return 0;
    if (files[DATA].fd == 0)
        files_open();
    index.extents = &extent;
    tl_buf_init(&others, 0);
    if (how & (OTHERS_PACKED | OTHERS_WHOLE)) {
        struct tl_reader no_values = tl_reader_of(none);

        block_fit(&block, &extent, entries, with_sizes, &no_values, &others);
        tl_buf_clear(&others);
        tl_buf_put_sv(&others, tl_reader_block(&rest));
    } else {
        block_fit(&block, &extent, entries, with_sizes, &rest, &others);
    }
    file_fill(INDEX, entries);
    extent.packed_hash = frame_fill(DATA, lines, how & LINES_PACKED, &block.packed_bytes, &block.raw_bytes);
    (void)frame_fill(OTHER, tl_buf_sv(&others), how & OTHERS_PACKED, &extent.other_packed_bytes, &extent.other_raw_bytes);
    CHECK(tl_master_reader_open(&reader, NULL) == TL_OK);
    rc = tl_master_read_block(reader, &file, 0, &messages, &count, &err);
    CHECK(rc == TL_OK || (rc == TL_ERR_CORRUPT && err.code == rc));
    if (rc == TL_OK) {
        uint8_t is_other[256];

        CHECK(count == block.messages_count && count <= sizeof is_other);
        read_others(entries, with_sizes, is_other, count);
        check_messages(messages, is_other, count, entries, with_sizes, how & LINES_PACKED ? none : lines,
                       how & OTHERS_PACKED || extent.others_count == 0 ? none : tl_buf_sv(&others));
    }
    tl_master_reader_close(reader);
    tl_buf_done(&others);
    return 0;
}
