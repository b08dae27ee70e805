/* run_offsets.c: up to where a run had read its input. See run_offsets.h. */
#include "run_offsets.h"

#include <stdlib.h>

static enum tl_code see_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct tl_run_offsets *offsets = ctx;

    (void)err;
    for (uint32_t p = 0; p < offsets->input->partitions_count; p++) {
        const struct tl_input_partition *mine = &offsets->input->partitions[p];

        if (tl_partition_in_topic(mine->partition) == partition && tl_sv_eq(mine->topic, topic))
            offsets->next_offset[p] = next_offset;
    }
    return TL_OK;
}

enum tl_code tl_run_offsets_open(struct tl_run_offsets *offsets, struct tl_store *store, int64_t run,
                                 const struct tl_input *input, struct tl_err *err)
{
    *offsets =
        (struct tl_run_offsets){.input = input, .next_offset = calloc(input->partitions_count + 1, sizeof *offsets->next_offset)};
    if (offsets->next_offset == NULL)
        return tl_fail_memory(err, input->partitions_count * sizeof *offsets->next_offset);
    return tl_store_run_offsets(store, run, see_offset, offsets, err);
}

void tl_run_offsets_close(struct tl_run_offsets *offsets)
{
    free(offsets->next_offset);
    *offsets = (struct tl_run_offsets){0};
}

bool tl_run_offsets_have_new(const struct tl_run_offsets *offsets, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t p = 0; p < offsets->input->partitions_count; p++)
        if (tl_input_has_new(&offsets->input->partitions[p], offsets->next_offset[p], from_ms, to_ms))
            return true;
    return false;
}
