/* batch.h: events as columns: what a parser fills and the core reads.
 *
 * A batch holds rows of one partition in the order of (offset, row). Text slots are views into the messages' bytes or into
 * the batch's own arena; both must live until the batch is cleared. */
#ifndef TL_BATCH_H
#define TL_BATCH_H

#include "base/arena.h"
#include "event/partition.h"
#include "event/schema.h"
#include "event/value.h"

#ifdef TL_TINY
#define TL_BATCH_ROWS 2
#else
#define TL_BATCH_ROWS 1024 /* what a reader asks for at once; an array of objects may make a batch longer */
#endif

/* One entry of a log. `value` must have TL_MESSAGE_PADDING readable bytes behind it (any content). NULL data: a tombstone. */
#define TL_MESSAGE_PADDING 64
struct tl_message {
    int64_t offset;
    int64_t log_ms; /* the log's own timestamp for it, milliseconds */
    struct tl_sv value;
};

/* The order in which duplicates are judged over all partitions: of copies the first is the event (design.md: the smallest log timestamp, partition,
 * offset). */
static inline bool tl_message_before(const struct tl_message *a, uint32_t a_partition, const struct tl_message *b,
                                     uint32_t b_partition)
{
    if (a->log_ms != b->log_ms)
        return a->log_ms < b->log_ms;
    return tl_partition_order(a_partition, a->offset, b_partition, b->offset) < 0;
}

/* Why a message, or one row of it, is a dead letter. The text forms are what the store and the report show. */
enum tl_dead_reason {
    TL_DEAD_NOT_JSON = 1, /* json_bad_row: not one balanced JSON object or array of objects */
    TL_DEAD_EMPTY,        /* json_bad_row: empty message, tombstone, or an array without an object */
    TL_DEAD_NOT_OBJECT,   /* json_bad_row: a top-level or array element that is not an object */
    TL_DEAD_TOO_LARGE,    /* json_bad_row: larger than tally.max-event-bytes */
    TL_DEAD_TOO_DEEP,     /* json_bad_row: nested deeper than 1,024 */
    TL_DEAD_TRAILING,     /* json_bad_row: text behind the object */
    TL_DEAD_TIME_MISSING, /* bad_event_time: the event time is absent or NULL */
    TL_DEAD_TIME_BAD,     /* bad_event_time: it cannot be read in the column's format */
    TL_DEAD_TIME_OUTSIDE, /* bad_event_time: a computed one, outside the calendar (timestamp.h) */
};
const char *tl_dead_reason_text(enum tl_dead_reason reason);  /* one clear sentence fragment */
const char *tl_dead_reason_cause(enum tl_dead_reason reason); /* "json_bad_row" or "bad_event_time" */

struct tl_dead {
    int64_t offset, log_ms;
    uint32_t row;
    enum tl_dead_reason reason;
    struct tl_sv raw; /* the whole message */
};

/* Flags of a row: ledgered, they leave the outcome alone (semantics.md 9.1). */
enum { TL_FLAG_DUP_KEY = 1, TL_FLAG_BAD_FIELD = 2, TL_FLAG_DATE_CLAMPED = 4, TL_FLAG_ID_CONFLICT = 8 };

struct tl_batch {
    const struct tl_schema *schema;
    uint32_t rows, capacity;
    struct tl_vec *column; /* one per schema field */
    int64_t *offset;       /* per row */
    int64_t *log_ms;
    uint32_t *row; /* number within the message: 0, or the place in its array */
    uint8_t *flags;
    uint8_t *bad;      /* per row * fields: 1 where the value was there but could not be read (then NULL) */
    struct tl_sv *raw; /* the whole message of the row */
    struct tl_dead *dead;
    uint32_t dead_count, dead_capacity;
    struct tl_arena text;
    uint64_t messages_count;    /* entries of the log that went in since the last clear */
    uint64_t allocations_count; /* growths so far: 0 once warm */
};

TL_MUST_USE enum tl_code tl_batch_open(const struct tl_schema *schema, struct tl_batch **out, struct tl_err *err);
void tl_batch_close(struct tl_batch *batch);
void tl_batch_clear(struct tl_batch *batch);
/* Makes room for `more` further rows. */
TL_MUST_USE enum tl_code tl_batch_reserve(struct tl_batch *batch, uint32_t more, struct tl_err *err);
TL_MUST_USE enum tl_code tl_batch_add_dead(struct tl_batch *batch, const struct tl_dead *dead, struct tl_err *err);

#endif
