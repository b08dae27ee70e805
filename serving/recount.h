/* recount.h: what views of one plan count of the record, range by range, as batch would; nothing is written.
 *
 *   begin [from, to) ── push, push, ... ── end ──> windows that last ── retire(upto) ──> rows
 *   begin [to, ...)                                      what is open goes on
 *
 * Is:      the core, with duplicates and row checks as batch has them, on one thread; messages come in the order of merged.h.
 * Is not:  a reader, or a judge of what lies before the first event that was pushed.
 * A copy of an event has its time, so each range looks for duplicates by itself.
 * Runs on: the thread that opened it. */
#ifndef TL_RECOUNT_H
#define TL_RECOUNT_H

#include "core/core.h"
#include "core/relay.h"

struct tl_recount_config {
    const struct tl_plan *plan;
    const bool *wanted;             /* per view: its rows are; those that it reads are computed with it */
    const struct tl_checks *checks; /* NULL: none */
    bool whole;                     /* window.h: each window of HOP and CUMULATE is asked for by itself */
    /* As tl_core_config.wanted; NULL: all. */
    bool (*asks)(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                 int64_t *watermark_ms);
    /* Rows of a view without windows, as they come; then those of the others, when they retire. */
    enum tl_code (*rows)(void *ctx, uint32_t view, const struct tl_rows *rows, struct tl_err *err);
    /* Ledger lines of each push: per view what it refuses, and (view UINT32_MAX) what the source does. NULL: nobody asks. */
    enum tl_code (*refused)(void *ctx, uint32_t source, uint32_t view, const struct tl_ledger_line *lines, size_t count,
                            struct tl_err *err);
    void *ctx;
};

struct tl_recount;

TL_MUST_USE enum tl_code tl_recount_open(const struct tl_recount_config *config, struct tl_recount **out, struct tl_err *err);
void tl_recount_close(struct tl_recount *recount);
/* Events with from_ms <= time < to_ms are counted from now on, others passed over. */
TL_MUST_USE enum tl_code tl_recount_begin(struct tl_recount *recount, int64_t from_ms, int64_t to_ms, struct tl_err *err);
TL_MUST_USE enum tl_code tl_recount_push(struct tl_recount *recount, uint32_t source, const struct tl_message *messages,
                                         const uint32_t *partitions, size_t count, struct tl_err *err);
TL_MUST_USE enum tl_code tl_recount_end(struct tl_recount *recount, struct tl_err *err);
/* Rows of all windows that end at upto_ms or before. All events before it have been pushed; within a range too. */
TL_MUST_USE enum tl_code tl_recount_retire(struct tl_recount *recount, int64_t upto_ms, struct tl_err *err);

#endif
