/* store_change.h: what the merged view shows, row by row with its identity, and what has moved since: for whoever tells others what has changed.
 *
 * Is:      what a look at the store reads, in one snapshot (tl_store_begin_read): the mark, then the views.
 * Is not:  a memory of what was shown before: the caller keeps that (serving/changes.h).
 *
 * Between two looks at a view of the same definition these hold (final_ms, change: of the first look's):
 *   - names, published and standing are the same: what is shown has changed by ticks alone. Rows that a tick has written have a change beyond
 *     `change` and end behind final_ms. Rows that a tick has removed ended behind final_ms, and only where the shape says TL_STATE_BESIDE there are any.
 *   - where each key has a boundary of its own, a tick may have lowered cuts: the cuts' count or sum is another one then, and rows that end behind the lowest
 *     cut may have come from the other layer. No tick raises one.
 *   - else anything may have changed: a publication, a rollback, a definition or a replay that was swapped in. (A SQLite file's `names` also move
 *     when a definition is registered.) */
#ifndef TL_STORE_CHANGE_H
#define TL_STORE_CHANGE_H

#include "store/store.h"

struct tl_store_mark {
    int64_t store;     /* a random number that was given to it when it was made: another one, another store */
    int64_t change;    /* the last change number: it grows with whatever changes what a view shows */
    int64_t names;     /* another one after each swap */
    int64_t published; /* the last publication; 0: none */
    int64_t standing;  /* the last that was not rolled back; 0: none */
};
TL_MUST_USE enum tl_code tl_store_mark(struct tl_store *store, struct tl_store_mark *out, struct tl_err *err);

struct tl_store_cuts {
    int64_t count, sum_ms, lowest_ms /* INT64_MAX: there are none */;
};
TL_MUST_USE enum tl_code tl_store_cuts(struct tl_store *store, int64_t definition, struct tl_store_cuts *out, struct tl_err *err);

/* The definition's ranges of publications with first <= number <= last, by publication and time: those that stand, or those that were rolled back. */
TL_MUST_USE enum tl_code
tl_store_published_ranges(struct tl_store *store, int64_t definition, int64_t first, int64_t last, bool undone,
                          enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err), void *ctx,
                          struct tl_err *err);

/* The columns of a definition, as in its shape, and whether its rows are of windows. They stay until the handle is closed. */
struct tl_served_columns {
    const struct tl_shape_column *columns;
    uint32_t columns_count;
    bool windowed;
};
TL_MUST_USE enum tl_code tl_store_served_columns(struct tl_store *store, int64_t definition, struct tl_served_columns *out,
                                                 struct tl_err *err);

struct tl_served_what {
    int64_t definition;
    int64_t behind_ms; /* rows that end behind it; INT64_MIN: all */
    /* INT64_MIN: all rows, of both layers. Else those that a tick with a higher number wrote: of the rows that speed serves; without a window of all of
     * speed's, for there one is written once, and batch may serve it before anybody has looked. */
    int64_t changed_after;
    int64_t newest; /* >= 0: only so many, those that end last; < 0: all */
};
struct tl_served_row {
    int64_t start_ms, end_ms;
    struct tl_sv key;
    int64_t run;                    /* 0: speed serves it */
    const struct tl_value *columns; /* as many as the definition has, window columns too */
};
struct tl_served_cursor;
/* What the merged view shows, in order of (end_ms, start_ms, key). In a snapshot of the caller's. */
TL_MUST_USE enum tl_code tl_store_served(struct tl_store *store, const struct tl_served_what *what, struct tl_served_cursor **out,
                                         struct tl_err *err);
/* *row is NULL at the end; valid until the next call on this cursor. */
TL_MUST_USE enum tl_code tl_served_next(struct tl_served_cursor *cursor, const struct tl_served_row **row, struct tl_err *err);
void tl_served_close(struct tl_served_cursor *cursor);

#endif
