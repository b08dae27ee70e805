/* master_index_fuzz.c: no bytes make the readers of index, entries, others and complete.json run past their end, and what they
 * take as an index is written back the same. The first byte says who reads the rest, and as of which version. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "master/master_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void little(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(unsigned char)(value >> (8 * i));
}

/* The bytes are a head: its edge and its hash are put around it, so that more than the hash is tried. */
static void head_try(struct tl_sv head, uint32_t version, struct tl_arena *arena)
{
    size_t size = TL_MASTER_INDEX_EDGE + head.size + 8;
    char *bytes = malloc(size);
    struct tl_master_index index;
    struct tl_err err;

    if (bytes == NULL)
        abort();
    memcpy(bytes, "TLYINDEX", 8);
    little(bytes + 8, version, 4);
    little(bytes + 12, head.size, 4);
    if (head.size > 0)
        memcpy(bytes + TL_MASTER_INDEX_EDGE, head.data, head.size);
    little(bytes + size - 8, XXH3_64bits(bytes, size - 8), 8);
    if (tl_master_index_decode((struct tl_sv){bytes, size}, arena, &index, &err) == TL_OK) {
        struct tl_master_index again;
        struct tl_buf out;

        tl_buf_init(&out, 0);
        if (tl_master_index_encode(&index, &out, &err) != TL_OK ||
            tl_master_index_decode(tl_buf_sv(&out), arena, &again, &err) != TL_OK)
            abort();
        if (again.index_bytes - out.size != index.index_bytes - size || again.data_bytes != index.data_bytes ||
            again.file.begin_offset != index.file.begin_offset || again.file.last_offset != index.file.last_offset ||
            again.file.messages_count != index.file.messages_count || again.file.days_count != index.file.days_count ||
            again.file.time_ms_max != index.file.time_ms_max)
            abort();
        tl_buf_done(&out);
    }
    free(bytes);
}

/* The bytes are the entries of a block of 1 to 256 messages. */
static void entries_try(struct tl_sv bytes, uint32_t version)
{
    uint32_t count = bytes.size == 0 ? 1 : (uint32_t)(unsigned char)bytes.data[0] + 1;
    struct tl_master_block block = {.messages_count = count,
                                    .first_offset = 3,
                                    .last_offset = 3 + 2 * (int64_t)count,
                                    .log_ms_min = -5,
                                    .log_ms_max = INT64_MAX};
    struct tl_master_extent extent = {
        .entries_bytes = bytes.size, .entries_hash = XXH3_64bits(bytes.data, bytes.size), .others_count = count / 2};
    struct tl_message *messages = malloc(count * sizeof *messages);
    uint8_t *others = malloc(count);
    struct tl_err err;

    block.raw_bytes = 1000;
    if (messages == NULL || others == NULL)
        abort();
    if (tl_master_entries_decode(bytes, version, &block, &extent, messages, others, &err) == TL_OK)
        for (uint32_t i = 0; i < count; i++)
            if (messages[i].offset < 3 || messages[i].offset > block.last_offset ||
                (i > 0 && messages[i].offset <= messages[i - 1].offset))
                abort();
    free(messages);
    free(others);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tl_master_complete *complete;
    struct tl_master_index index;
    struct tl_arena arena;
    struct tl_sv rest;
    struct tl_reader reader;
    struct tl_message message;
    struct tl_err err;
    uint64_t number;
    uint32_t version;
    size_t count;

    if (size == 0)
        return 0;
    rest = (struct tl_sv){(const char *)data + 1, size - 1};
    tl_arena_init(&arena, 4096, 0);
    version = 1 + data[0] / 5 % TL_MASTER_INDEX_VERSION;
    switch (data[0] % 5) {
    case 0:
        if (tl_master_index_decode(rest, &arena, &index, &err) == TL_OK && index.file.blocks_count == 0)
            abort();
        break;
    case 1: head_try(rest, version, &arena); break;
    case 2: entries_try(rest, version); break;
    case 3:
        reader = tl_reader_of(rest);
        while (!tl_reader_at_end(&reader) && tl_master_other_next(&reader, &message, &err) == TL_OK)
            ;
        break;
    default:
        if (tl_master_complete_decode(rest, TL_SV("events"), &arena, &complete, &count, &number, &err) == TL_OK && count > 0 &&
            complete[count - 1].offset < 0)
            abort();
        break;
    }
    if (arena.held_bytes > (1u << 20) + 64 * size) /* counts are not believed before what they count has been read */
        abort();
    tl_arena_done(&arena);
    return 0;
}
