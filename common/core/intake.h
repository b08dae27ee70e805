/* intake.h: messages of one source -> rows with their event times: the first step, the same for core, archive and reconcile.
 *
 * Decides what never depends on a view: which rows are dead letters (the parser's, and those whose event time is missing or bad),
 * which are in the future (event time more than 'tally.max-future-skew' ahead of the log's timestamp for the message), each row's event
 * time and the watermark that it gives. Rows in the future give none.
 * Runs on: the thread that opened it. Warm, nothing is allocated. */
#ifndef TL_INTAKE_H
#define TL_INTAKE_H

#include "core/expr.h"
#include "event/batch.h"
#include "sql/plan.h"

struct tl_json_event;

struct tl_intake {
    const struct tl_source *source;
    int64_t future_skew_max_ms;
    struct tl_json_event *parser;
    struct tl_batch *batch;  /* rows as parsed; batch->dead has the dead letters, those for event time too */
    struct tl_arena scratch; /* reset by each run */
    uint32_t capacity;       /* of the arrays below */
    struct tl_vec time;      /* event time of each row; NULL for dead rows */
    int64_t *watermark_ms;   /* per row; INT64_MIN: none */
    uint32_t *usable;        /* rows that are neither dead nor in the future, ascending */
    uint32_t usable_count;
    uint32_t *future; /* rows in the future, ascending */
    uint32_t future_count;
    const char **failed;
    struct tl_memories memories;
    uint64_t allocations_count; /* growths of its own */
};

TL_MUST_USE enum tl_code tl_intake_open(const struct tl_plan *plan, uint32_t source, struct tl_intake **out, struct tl_err *err);
void tl_intake_close(struct tl_intake *intake);
/* Replaces what the last run left with these messages' rows (they must stay readable as long as the rows are read). Rows of an
 * array may be more than the messages. */
TL_MUST_USE enum tl_code tl_intake_run(struct tl_intake *intake, const struct tl_message *messages, size_t count,
                                       struct tl_err *err);
/* A hash of all that decides an event time and a watermark: the column, its format, its expression, the watermark, the skew. */
uint64_t tl_intake_time_rule(const struct tl_plan *plan, uint32_t source);
/* What batch->offset says per row, per message: calls `each` once per message in order with its usable event times (possibly none) and the
 * highest watermark that one of them gave. For the archive's index. */
TL_MUST_USE enum tl_code tl_intake_facts(const struct tl_intake *intake, const struct tl_message *messages, size_t count,
                                         enum tl_code (*each)(void *ctx, const struct tl_message *message, const int64_t *time_ms,
                                                              uint32_t times_count, int64_t watermark_ms, struct tl_err *err),
                                         void *ctx, struct tl_err *err);

/* Is an event's time just what its member `name` says in ISO 8601 with Z, and its watermark a fixed delay behind that? Then who has
 * written a message of one event knows what a run and tl_intake_facts would say of it. */
bool tl_intake_takes_time(const struct tl_intake *intake, struct tl_sv name);
/* That: does a message of so many bytes, whose event is of that time, have a usable one, and with which watermark? */
bool tl_intake_time_fact(const struct tl_intake *intake, int64_t time_ms, size_t bytes, int64_t log_ms, int64_t *watermark_ms);

#endif
