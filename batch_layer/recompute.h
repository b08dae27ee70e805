/* recompute.h: a span of contiguous ranges of the master record through the core, staged in the store.
 *
 *   feed ──chunk──> worker: parse ─> its turn: duplicates ─> accumulate ──partial──> main: merge, retire, stage
 *                   worker: parse ─> its turn: duplicates ─> accumulate ──partial──┘
 *
 * Chunks are judged for duplicates in the order of the feed, whichever thread has them (master/crew.h): so the smallest (log timestamp,
 * partition, offset) wins, however many threads there are. A window is final, and leaves memory, when nothing that is still to be read may
 * belong to it (feed.h, floor): memory follows the windows that the unread files may still touch, and the ids of the ranges at hand. Where
 * these ids find no room (duplicates.h), the span is read twice, the first time for them alone.
 *
 * Windows that lie across a bound within the span: what is open there is that range's carry, and goes on with what lies behind
 * (tl_window_cut). */
#ifndef TL_RECOMPUTE_H
#define TL_RECOMPUTE_H

#include "core/relay.h"
#include "duplicates.h"
#include "input.h"
#include "sql/check.h"
#include "store/store.h"

struct tl_recompute {
    const struct tl_input *input;
    const bool *views_wanted;   /* per view of the plan; all of this input's source */
    const int64_t *definitions; /* per view */
    const int64_t *bounds;      /* ranges_count + 1, ascending; bounds[0] may be INT64_MIN */
    uint32_t ranges_count;
    const struct tl_sv *carry_in;   /* per view: what was open at bounds[0]; empty: nothing */
    struct tl_buf *carry_out;       /* per view, initialised: what is open at the last bound */
    const struct tl_checks *checks; /* whose row checks the events have to pass; NULL: none */
    /* After a view's range is staged, in the same transaction: what each row check found in it (those of another source: nothing). NULL: nobody
     * asks. */
    enum tl_code (*found)(void *ctx, uint32_t view, uint32_t range, const struct tl_check_count *counts, struct tl_err *err);
    void *found_ctx;
    uint32_t jobs; /* threads, >= 1 */
    struct tl_duplicates_limit limit;
    struct tl_store *store;
    int64_t run;
    void (*progress)(void *ctx, uint64_t bytes_done, uint64_t bytes_count);
    void *progress_ctx;
    uint64_t events_count, rows_count, duplicates_count; /* out: added to */
    uint64_t bytes_count;                                /* out: of the record, unpacked */
    /* Out, with TL_ERR_CORRUPT: the file of the record that turned out to be damaged; NULL: it was something else. */
    const struct tl_input_file *damaged;
};

/* Stages rows, ledger lines and the ranges. Each transaction is short. Ends early, as a failure, when a stop is requested. On failure what is staged stays invisible. */
TL_MUST_USE enum tl_code tl_recompute(struct tl_recompute *job, struct tl_err *err);

#endif
