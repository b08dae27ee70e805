/* master_versions_test.c: a record whose indexes were written by earlier versions is read like one of today, and its damage is found.
 *
 * The old form is written here by hand, as master_index.h draws it, over the index of a file that the writer of today has made: the
 * data file is the same in all versions. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/buf.h"
#include "master/master.h"
#include "master/master_index.h"
#include "support/record.h"
#include "support/run.h"

enum { MESSAGES = 9000, FIRST = 40, BEGIN = 37 };

static char dir[RUN_DIR_BYTES];
static struct tl_err err;
static struct tl_master *master;
static const struct tl_master_file *file;

static void master_again(void)
{
    const struct tl_master_file *files;
    size_t count;

    tl_master_close(master);
    cr_assert_eq(tl_master_open(dir, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    file = files;
}

/* Message number `i`: every 50th is no line. */
static struct tl_message message_make(uint32_t i, char text[700])
{
    int size = i % 50 == 7 ? snprintf(text, 700, "no line %u", i)
                           : snprintf(text, 700, "{\"n\":%u,\"text\":\"%0*u\"}", i, (int)(i % 600) + 1, i * 2654435761u);

    return (struct tl_message){
        FIRST + i + i / 9, 1772323200000 + (int64_t)i * 977 - (i % 4) * 5000, {text, (size_t)size}
    };
}

static void record_make(void)
{
    struct tl_master_writer *writer = NULL;

    run_folder_make(dir);
    cr_assert_eq(tl_master_open(dir, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 77, &writer, &err), TL_OK, "%s", err.message);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        char text[700];
        struct tl_message message = message_make(i, text);

        cr_assert_eq(tl_master_writer_add(
                         writer, &message,
                         &(struct tl_master_facts){.events_count = 1, .time_ms = &message.log_ms, .watermark_ms = message.log_ms},
                         &err),
                     TL_OK);
    }
    tl_master_writer_begin_at(writer, BEGIN);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    master_again();
}

static void record_remove(void)
{
    tl_master_close(master);
    run_folder_remove(dir);
}

TestSuite(master_versions, .init = record_make, .fini = record_remove);

/* Reads all of it; the first thing that is wrong, or NULL. */
static const char *read_all(void)
{
    struct tl_master_reader *reader = NULL;
    const char *wrong = NULL;
    uint32_t number = 0;

    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    for (uint32_t b = 0; b < file->blocks_count && wrong == NULL; b++) {
        const struct tl_message *messages;
        size_t count;

        if (tl_master_read_block(reader, file, b, &messages, &count, &err) != TL_OK) {
            wrong = err.message;
            break;
        }
        for (size_t m = 0; m < count && wrong == NULL; m++) {
            char text[700];
            struct tl_message want = message_make(number++, text);

            if (messages[m].offset != want.offset || messages[m].log_ms != want.log_ms ||
                !tl_sv_eq(messages[m].value, want.value))
                wrong = "another message";
        }
    }
    tl_master_reader_close(reader);
    return wrong != NULL || number == MESSAGES ? wrong : "too few messages";
}

static void put_old_block(struct tl_buf *head, uint32_t b, struct tl_sv entries)
{
    const struct tl_master_block *block = &file->blocks[b], *before = b > 0 ? block - 1 : NULL;
    const struct tl_master_extent *extent = &file->index->extents[b];

    tl_buf_put_varint(head, block->packed_bytes);
    tl_buf_put_varint(head, block->raw_bytes);
    tl_buf_put_varint(head, block->messages_count);
    tl_buf_put_varint(head, extent->others_count);
    tl_buf_put_varint(head, extent->other_packed_bytes);
    tl_buf_put_varint(head, extent->other_raw_bytes);
    tl_buf_put_varint(head, entries.size);
    tl_buf_put_u64(head, XXH3_64bits(entries.data, entries.size));
    tl_buf_put_varint(head, before == NULL ? 0 : (uint64_t)(block->first_offset - before->last_offset));
    tl_buf_put_varint(head, (uint64_t)(block->last_offset - block->first_offset));
    tl_buf_put_zigzag(head, block->log_ms_min - (before == NULL ? 0 : before->log_ms_min));
    tl_buf_put_varint(head, (uint64_t)(block->log_ms_max - block->log_ms_min));
    tl_buf_put_zigzag(head, block->time_ms_min);
    tl_buf_put_zigzag(head, block->time_ms_max);
}

/* The entries of one block, whose first message is the number *next. */
static void put_old_entries(struct tl_buf *entries, const struct tl_master_block *block, uint32_t *next)
{
    int64_t offset = block->first_offset - 1, log_ms = block->log_ms_min;

    for (uint32_t m = 0; m < block->messages_count; m++) {
        char text[700];
        uint32_t i = (*next)++;
        struct tl_message message = message_make(i, text);

        tl_buf_put_varint(entries, (uint64_t)(message.offset - offset - 1) << 1 | (i % 50 == 7));
        tl_buf_put_zigzag(entries, message.log_ms - log_ms);
        offset = message.offset;
        log_ms = message.log_ms;
    }
}

/* Puts the index of version 1 or 2 in the place of today's. */
static void make_old(uint32_t version)
{
    struct tl_buf head, entries, index;
    uint32_t next = 0;
    FILE *out;

    tl_buf_init(&head, 0);
    tl_buf_init(&entries, 0);
    tl_buf_init(&index, 0);
    tl_buf_put_block(&head, TL_SV("events"));
    tl_buf_put_varint(&head, 0);
    tl_buf_put_u64(&head, file->time_rule);
    tl_buf_put_zigzag(&head, file->watermark_ms);
    tl_buf_put_u64(&head, file->index->data_hash);
    tl_buf_put_u64(&head, file->index->other_hash);
    tl_buf_put_varint(&head, file->days_count);
    for (uint32_t d = 0; d < file->days_count; d++) {
        tl_buf_put_zigzag(&head, file->days[d].day - (d > 0 ? file->days[d - 1].day : 0));
        tl_buf_put_varint(&head, file->days[d].events_count);
    }
    tl_buf_put_varint(&head, FIRST);
    if (version == 2)
        tl_buf_put_varint(&head, FIRST - BEGIN);
    tl_buf_put_varint(&head, file->blocks_count);
    for (uint32_t b = 0; b < file->blocks_count; b++) {
        size_t start = entries.size;

        put_old_entries(&entries, &file->blocks[b], &next);
        put_old_block(&head, b, (struct tl_sv){entries.data + start, entries.size - start});
    }
    tl_buf_put(&index, "TLYINDEX", 8);
    tl_buf_put_u32(&index, version);
    tl_buf_put_u32(&index, (uint32_t)head.size);
    tl_buf_put_sv(&index, tl_buf_sv(&head));
    tl_buf_put_u64(&index, XXH3_64bits(index.data, index.size));
    tl_buf_put_sv(&index, tl_buf_sv(&entries));
    cr_assert_not(head.failed || entries.failed || index.failed);

    out = fopen(file->index->index_path, "w");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(index.data, 1, index.size, out), index.size);
    cr_assert_eq(fclose(out), 0);
    tl_buf_done(&head);
    tl_buf_done(&entries);
    tl_buf_done(&index);
    master_again();
}

ParameterizedTestParameters(master_versions, each_is_read_and_its_damage_is_found)
{
    static uint32_t versions[] = {1, 2, 3};

    return cr_make_param_array(uint32_t, versions, TL_COUNT(versions));
}

ParameterizedTest(uint32_t *version, master_versions, each_is_read_and_its_damage_is_found)
{
    unsigned flipped = 0, found = 0;
    const char *wrong;

    cr_assert_gt(file->blocks_count, 2);
    if (*version < TL_MASTER_INDEX_VERSION)
        make_old(*version);
    cr_assert_eq(file->index->version, *version);
    cr_assert_eq(file->begin_offset, *version == 1 ? TL_MASTER_BEGIN_UNKNOWN : BEGIN);
    wrong = read_all();
    cr_assert_null(wrong, "%s", wrong);
    /* Many a bit zstd itself finds nothing wrong with. */
    for (uint64_t at = file->blocks[1].position; at < file->blocks[2].position; at += file->blocks[1].packed_bytes / 100 + 1) {
        record_flip(file->path, (off_t)at);
        wrong = read_all();
        flipped++;
        if (wrong == NULL &&
            *version < TL_MASTER_INDEX_VERSION_FRAME) { /* a bit that zstd has no use for: the messages are right */
            record_flip(file->path, (off_t)at);
            continue;
        }
        found++;
        cr_assert_not_null(wrong, "byte %" PRIu64, at);
        cr_assert_not_null(strstr(wrong, "is damaged"), "%s", wrong);
        cr_assert_not_null(strstr(wrong, file->path), "%s", wrong);
        record_flip(file->path, (off_t)at);
    }
    cr_assert_gt(found, flipped / 2);
    wrong = read_all();
    cr_assert_null(wrong, "%s", wrong);
}

Test(master_versions, a_newer_one_is_left_to_a_newer_tally)
{
    const struct tl_master_file *files;
    FILE *index = fopen(file->index->index_path, "r+");
    size_t count;

    cr_assert_not_null(index);
    cr_assert_eq(fseek(index, 8, SEEK_SET), 0);
    cr_assert_eq(fputc(TL_MASTER_INDEX_VERSION + 1, index), TL_MASTER_INDEX_VERSION + 1);
    cr_assert_eq(fclose(index), 0);
    tl_master_let_go(master, TL_SV("events"));
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, "a newer tally wrote it"), "%s", err.message);
    cr_assert_null(strstr(err.message, "from a copy"), "%s", err.message);
}

/* What is not known of an old file, the index that merges it with others may still have to say. */
Test(master_versions, an_unknown_begin_is_written_again)
{
    struct tl_master_index again;
    struct tl_arena arena;
    struct tl_buf bytes;

    make_old(1);
    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&bytes, 0);
    cr_assert_eq(tl_master_index_encode(file->index, &bytes, &err), TL_OK);
    cr_assert_eq(tl_master_index_decode(tl_buf_sv(&bytes), &arena, &again, &err), TL_OK, "%s", err.message);
    cr_assert_eq(again.version, TL_MASTER_INDEX_VERSION);
    cr_assert_eq(again.file.begin_offset, TL_MASTER_BEGIN_UNKNOWN);
    cr_assert_eq(again.file.first_offset, FIRST);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* A line's size that does not lead to a newline is found, whatever the hashes say of it. */
Test(master_versions, a_size_that_is_none_is_refused)
{
    struct tl_master_extent extent = file->index->extents[0];
    struct tl_master_block block = file->blocks[0];
    struct tl_master_index index = *file->index;
    struct tl_master_file one = *file;
    struct tl_master_reader *reader = NULL;
    const struct tl_message *messages;
    struct tl_buf entries;
    size_t count;
    int64_t offset = block.first_offset - 1, log_ms = block.log_ms_min;
    FILE *out;

    tl_buf_init(&entries, 0);
    for (uint32_t i = 0; i < block.messages_count; i++) {
        char text[700];
        struct tl_message message = message_make(i, text);

        tl_master_entry_put(&entries, message.offset, message.log_ms, i % 50 == 7,
                            message.value.size + (i == 0) - (i > 0 && i + 1 == block.messages_count), offset, log_ms);
        offset = message.offset;
        log_ms = message.log_ms;
    }
    extent.entries_position = 0;
    extent.entries_bytes = entries.size;
    extent.entries_hash = XXH3_64bits(entries.data, entries.size);
    out = fopen(file->index->index_path, "w");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(entries.data, 1, entries.size, out), entries.size);
    cr_assert_eq(fclose(out), 0);
    index.extents = &extent;
    one.blocks = &block;
    one.blocks_count = 1;
    one.index = &index;
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    cr_assert_eq(tl_master_read_block(reader, &one, 0, &messages, &count, &err), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, "fewer lines"), "%s", err.message);
    tl_master_reader_close(reader);
    tl_buf_done(&entries);
}
