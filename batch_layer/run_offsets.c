/* run_offsets.c: up to where a run had read its input. See run_offsets.h. */
#include "run_offsets.h"

#include <stdlib.h>

static struct tl_run_read *read_of(const struct tl_run_offsets *offsets, struct tl_sv topic, uint32_t partition)
{
    for (uint32_t p = 0; p < offsets->input->partitions_count; p++) {
        const struct tl_input_partition *mine = &offsets->input->partitions[p];

        if (tl_partition_in_topic(mine->partition) == partition && tl_sv_eq(mine->topic, topic))
            return &offsets->read[p];
    }
    return NULL;
}

static enum tl_code see_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct tl_run_read *read = read_of(ctx, topic, partition);

    (void)err;
    if (read != NULL)
        read->next_offset = next_offset;
    return TL_OK;
}

static enum tl_code see_unread(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first_offset, int64_t last_offset,
                               struct tl_err *err)
{
    struct tl_run_read *read = read_of(ctx, topic, partition);

    if (read == NULL)
        return TL_OK;
    if (!TL_RESIZE(read->unread, read->unread_count + 1u))
        return tl_fail_memory(err, (read->unread_count + 1u) * sizeof *read->unread);
    read->unread[read->unread_count++] = (struct tl_input_span){first_offset, last_offset};
    return TL_OK;
}

enum tl_code tl_run_offsets_open(struct tl_run_offsets *offsets, struct tl_store *store, int64_t run,
                                 const struct tl_input *input, struct tl_err *err)
{
    enum tl_code rc;

    *offsets = (struct tl_run_offsets){.input = input, .read = calloc(input->partitions_count + 1, sizeof *offsets->read)};
    if (offsets->read == NULL)
        return tl_fail_memory(err, input->partitions_count * sizeof *offsets->read);
    TL_TRY(tl_store_run_offsets(store, run, see_offset, offsets, err));
    TL_TRY(tl_store_run_unread(store, run, see_unread, offsets, err));
out:
    return rc;
}

void tl_run_offsets_close(struct tl_run_offsets *offsets)
{
    for (uint32_t p = 0; offsets->read != NULL && p < offsets->input->partitions_count; p++)
        free(offsets->read[p].unread);
    free(offsets->read);
    *offsets = (struct tl_run_offsets){0};
}

bool tl_run_offsets_have_read(const struct tl_run_offsets *offsets, uint32_t partition, int64_t first_offset, int64_t last_offset)
{
    const struct tl_run_read *read = &offsets->read[partition];

    if (last_offset >= read->next_offset)
        return false;
    for (uint32_t u = 0; u < read->unread_count; u++)
        if (first_offset <= read->unread[u].last_offset && last_offset >= read->unread[u].first_offset)
            return false;
    return true;
}

bool tl_run_offsets_have_new(const struct tl_run_offsets *offsets, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t p = 0; p < offsets->input->partitions_count; p++) {
        const struct tl_run_read *read = &offsets->read[p];

        if (tl_input_has_new(&offsets->input->partitions[p], read->next_offset, read->unread, read->unread_count, from_ms, to_ms))
            return true;
    }
    return false;
}
