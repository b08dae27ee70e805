/* delta.h: what has changed in a view between two looks, as bytes: each row with what it was, what it is, and why.
 *
 * Is:      what the journal keeps (shown.h) and what frames are made of (live.h), for whatever filter a client has. Several that follow one another
 *          can be folded into one.
 * Is not:  a judge of what has changed (changes.h). */
#ifndef TL_DELTA_H
#define TL_DELTA_H

#include "base/buf.h"
#include "store/store_change.h"

/* Append; they lie in files. */
enum tl_delta_cause {
    TL_DELTA_NO_CAUSE,    /* a window that is open has grown */
    TL_DELTA_LATE_EVENT,  /* within the allowed lateness; a session that grew or merged */
    TL_DELTA_PUBLICATION, /* batch's row instead, of `run` */
    TL_DELTA_ROLLBACK,    /* what was published by `run` is no more */
    TL_DELTA_DEFINITION,  /* the view is computed in another way now */
    TL_DELTA_REPLAY,      /* speed's rows were computed anew */
    TL_DELTA_CAUSES,
};
const char *tl_delta_cause_name(enum tl_delta_cause cause); /* "late_event"; NULL without one */

struct tl_delta_row {
    int64_t run;         /* 0: speed's */
    struct tl_sv values; /* tl_delta_put_values */
};

/* One row's change. Its identity is (end_ms, start_ms, key), as in the store. */
struct tl_delta_op {
    int64_t start_ms, end_ms;
    struct tl_sv key;
    bool had, has;
    bool had_ended; /* what was shown was the number of a window that had ended: this corrects it */
    struct tl_delta_row old, now;
    enum tl_delta_cause cause;
    int64_t run; /* of the cause; 0: none */
};
/* A range of a publication, or of one that was rolled back. */
struct tl_delta_range {
    int64_t from_ms, to_ms, run;
    bool undone;
};

void tl_delta_put_op(struct tl_buf *out, const struct tl_delta_op *op);
void tl_delta_put_range(struct tl_buf *out, const struct tl_delta_range *range);

/* Walks the bytes. False at the end, or where they are damaged (reader->failed). */
struct tl_delta_item {
    bool is_range;
    struct tl_delta_op op;
    struct tl_delta_range range;
};
bool tl_delta_next(struct tl_reader *reader, struct tl_delta_item *item);

/* A row's values but for those of its window, which follow from start_ms and end_ms. Equal bytes are equal values. */
void tl_delta_put_values(struct tl_buf *out, const struct tl_served_columns *columns, const struct tl_value *values);
/* All columns; texts are views. False: these are no such bytes. */
TL_MUST_USE bool tl_delta_get_values(struct tl_sv bytes, const struct tl_served_columns *columns, int64_t start_ms,
                                     int64_t end_ms, struct tl_value *values);

/* Of several deltas, the earliest first, one: each row once, from what it was before the first to what it is after the last; a row that is what it
 * was is left out. The cause is that of its last correction. Ranges stand as they are. `out` is what tl_delta_put_op would have made of it. */
TL_MUST_USE enum tl_code tl_delta_fold(struct tl_sv bytes, struct tl_buf *out, struct tl_err *err);

#endif
