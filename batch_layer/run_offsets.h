/* run_offsets.h: up to where a run had read its input, and whether more has come since. */
#ifndef TL_RUN_OFFSETS_H
#define TL_RUN_OFFSETS_H

#include "input.h"
#include "store/store.h"

struct tl_run_offsets {
    const struct tl_input *input; /* the caller's; stays as long as this */
    int64_t *next_offset;         /* by index of the input's partitions; 0 where the run knew nothing of it */
};

/* To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_run_offsets_open(struct tl_run_offsets *offsets, struct tl_store *store, int64_t run,
                                             const struct tl_input *input, struct tl_err *err);
void tl_run_offsets_close(struct tl_run_offsets *offsets);
/* Events in the range (from_ms, to_ms] have come since. */
bool tl_run_offsets_have_new(const struct tl_run_offsets *offsets, int64_t from_ms, int64_t to_ms);

#endif
