/* run_offsets.h: up to where a run had read its input, and whether more has come since. */
#ifndef TL_RUN_OFFSETS_H
#define TL_RUN_OFFSETS_H

#include "input.h"
#include "store/store.h"

/* Of one partition of the input. */
struct tl_run_read {
    int64_t next_offset;          /* 0 where the run knew nothing of it */
    struct tl_input_span *unread; /* below it: files that were damaged or gone */
    uint32_t unread_count;
};

struct tl_run_offsets {
    const struct tl_input *input; /* the caller's; stays as long as this */
    struct tl_run_read *read;     /* by index of the input's partitions */
};

/* To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_run_offsets_open(struct tl_run_offsets *offsets, struct tl_store *store, int64_t run,
                                             const struct tl_input *input, struct tl_err *err);
void tl_run_offsets_close(struct tl_run_offsets *offsets);
/* Has it read all of the offsets? `partition`: index of the input's. */
bool tl_run_offsets_have_read(const struct tl_run_offsets *offsets, uint32_t partition, int64_t first_offset,
                              int64_t last_offset);
/* Events in the range (from_ms, to_ms] have come since. */
bool tl_run_offsets_have_new(const struct tl_run_offsets *offsets, int64_t from_ms, int64_t to_ms);

#endif
