/* recount.h: what views of one plan count of the record, range by range, as batch would; nothing is written.
 *
 *   begin [from, to) ── threads: push, push, ... ── merge ── push, ... ── merge ── end ──> windows that last ── retire(upto) ──> rows
 *   begin [to, ...)                                                               what is open goes on
 *
 * Is:      the core of each thread, with duplicates and row checks as batch has them; chunks come from a crew (master/crew.h).
 * Is not:  a reader, or a judge of what lies before the first event that was pushed.
 * A copy of an event has its time, so each range looks for duplicates by itself.
 * Runs on: the thread that opened it, but for push. */
#ifndef TL_RECOUNT_H
#define TL_RECOUNT_H

#include "core/core.h"
#include "core/relay.h"
#include "master/crew.h"

struct tl_recount_config {
    const struct tl_plan *plan;
    const bool *wanted;             /* per view: its rows are; those that it reads are computed with it */
    const struct tl_checks *checks; /* NULL: none */
    bool whole;                     /* window.h: each window of HOP and CUMULATE is asked for by itself */
    uint32_t threads;
    /* As tl_core_config.wanted; NULL: all. On any of the threads, with its own of push_ctxs. */
    bool (*asks)(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                 int64_t *watermark_ms);
    /* Rows of a view without windows, as they come; then those of the others, when they retire. */
    enum tl_code (*rows)(void *ctx, uint32_t view, const struct tl_rows *rows, struct tl_err *err);
    /* Ledger lines of each push: per view what it refuses, and (view UINT32_MAX) what the source does. As `asks`. NULL: nobody asks. */
    enum tl_code (*refused)(void *ctx, uint32_t source, uint32_t view, const struct tl_ledger_line *lines, size_t count,
                            struct tl_err *err);
    void *ctx;              /* of rows */
    void *const *push_ctxs; /* per thread */
};

struct tl_recount;

TL_MUST_USE enum tl_code tl_recount_open(const struct tl_recount_config *config, struct tl_recount **out, struct tl_err *err);
void tl_recount_close(struct tl_recount *recount);
/* Events with from_ms <= time < to_ms are counted from now on, others passed over. */
TL_MUST_USE enum tl_code tl_recount_begin(struct tl_recount *recount, int64_t from_ms, int64_t to_ms, struct tl_err *err);
/* Are duplicates of the source judged? Then push takes a turn. */
bool tl_recount_judges(const struct tl_recount *recount, uint32_t source);
/* On the thread of the work: adds the chunk to what the worker has on that side. */
TL_MUST_USE enum tl_code tl_recount_push(struct tl_recount *recount, uint32_t source, struct tl_crew_work *work, uint32_t turn,
                                         struct tl_err *err);
/* That side of all workers, which no thread touches, goes into the windows that last. */
TL_MUST_USE enum tl_code tl_recount_merge(struct tl_recount *recount, uint32_t side, struct tl_err *err);
/* All has been merged. */
void tl_recount_end(struct tl_recount *recount);
/* Rows of all windows that end at upto_ms or before. All events before it have been merged; within a range too. */
TL_MUST_USE enum tl_code tl_recount_retire(struct tl_recount *recount, int64_t upto_ms, struct tl_err *err);

#endif
