/* shown.h: what clients have been shown of each live view, in a file of serve's own, and the journal of what was told them since.
 *
 * Is:      a SQLite file that outlives kill -9: what is written before a frame leaves is there afterwards. Where the machine itself goes down the last
 *          looks may be missing; then the journal does not know the numbers that clients had, and they get a snapshot.
 * Is not:  anything that could not be made again from the store: a file that is damaged, or another version's, is begun anew.
 * Runs on: the thread that opened it. */
#ifndef TL_SHOWN_H
#define TL_SHOWN_H

#include "base/buf.h"
#include "base/sv.h"

struct tl_shown;

/* What the file has of a view: all of it belongs to one snapshot of the store, the one of the last look. */
struct tl_shown_view {
    int64_t id;                                 /* 0: it is not in the file */
    int64_t seq;                                /* the number of what was told last (changes.h) */
    int64_t first;                              /* the oldest seq from which the journal leads on */
    int64_t change, names, published, standing; /* the mark of the last look (store_change.h) */
    int64_t definition, final_ms, ended_ms, boundary_ms;
    int64_t cuts_count, cuts_sum_ms;
    int64_t floor_ms; /* rows that end at or before it are not watched */
    int64_t rows_count, journal_bytes;
    int64_t store; /* which one it was (store_change.h) */
};

/* TL_ERR_BUSY: another process has the file. */
TL_MUST_USE enum tl_code tl_shown_open(const char *path, struct tl_shown **out, struct tl_err *err);
void tl_shown_close(struct tl_shown *shown);
/* A random number of this file's. */
uint64_t tl_shown_seed(const struct tl_shown *shown);

TL_MUST_USE enum tl_code tl_shown_begin(struct tl_shown *shown, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_commit(struct tl_shown *shown, struct tl_err *err);
void tl_shown_rollback(struct tl_shown *shown); /* without a transaction, nothing */

/* `columns` says what the rows' bytes mean: another text, other bytes. */
TL_MUST_USE enum tl_code tl_shown_views(struct tl_shown *shown,
                                        enum tl_code (*each)(void *ctx, struct tl_sv name, struct tl_sv columns,
                                                             const struct tl_shown_view *view, struct tl_err *err),
                                        void *ctx, struct tl_err *err);
/* A new one gets its id. */
TL_MUST_USE enum tl_code tl_shown_put_view(struct tl_shown *shown, struct tl_sv name, struct tl_sv columns,
                                           struct tl_shown_view *view, struct tl_err *err);
/* Its rows and its journal go. */
TL_MUST_USE enum tl_code tl_shown_clear(struct tl_shown *shown, int64_t view, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_forget(struct tl_shown *shown, int64_t view, struct tl_err *err); /* the view itself too */

/* ---- rows, by (end_ms, start_ms, key) ---- */

struct tl_shown_row {
    int64_t start_ms, end_ms, run;
    struct tl_sv key, values;
};
TL_MUST_USE enum tl_code tl_shown_put(struct tl_shown *shown, int64_t view, const struct tl_shown_row *row, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_drop(struct tl_shown *shown, int64_t view, const struct tl_shown_row *row, struct tl_err *err);
/* run and values of the row with that identity, good until the next call. */
TL_MUST_USE enum tl_code tl_shown_find(struct tl_shown *shown, int64_t view, struct tl_shown_row *row, bool *found,
                                       struct tl_err *err);
/* Those that end behind `behind_ms`, in order, or from the last back to the first. Good until the next one. Rows up to the last one that it gave may be put and
 * dropped meanwhile. */
TL_MUST_USE enum tl_code tl_shown_walk(struct tl_shown *shown, int64_t view, int64_t behind_ms, bool back, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_next(struct tl_shown *shown, struct tl_shown_row *row, bool *there, struct tl_err *err);
void tl_shown_walk_end(struct tl_shown *shown);
/* Those that end at or before `floor_ms` go. */
TL_MUST_USE enum tl_code tl_shown_prune(struct tl_shown *shown, int64_t view, int64_t floor_ms, int64_t *count,
                                        struct tl_err *err);
/* Where the nth row ends, counted from the earliest, from 1 on. */
TL_MUST_USE enum tl_code tl_shown_end_of(struct tl_shown *shown, int64_t view, int64_t nth, int64_t *end_ms, struct tl_err *err);

/* ---- the journal ---- */

TL_MUST_USE enum tl_code tl_shown_add(struct tl_shown *shown, int64_t view, int64_t seq, int64_t at_ms, struct tl_sv delta,
                                      struct tl_err *err);
/* What was told behind `since`, in order, until `each` has enough. */
TL_MUST_USE enum tl_code tl_shown_journal(struct tl_shown *shown, int64_t view, int64_t since,
                                          enum tl_code (*each)(void *ctx, int64_t seq, struct tl_sv delta, bool *enough,
                                                               struct tl_err *err),
                                          void *ctx, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_behind(struct tl_shown *shown, int64_t view, int64_t since, int64_t *bytes, struct tl_err *err);
TL_MUST_USE enum tl_code tl_shown_has(struct tl_shown *shown, int64_t view, int64_t seq, bool *there, struct tl_err *err);
/* The oldest entries go while there are more than so many bytes, or they are from before `before_ms`: view->first and journal_bytes say what stays. */
TL_MUST_USE enum tl_code tl_shown_trim(struct tl_shown *shown, struct tl_shown_view *view, int64_t bytes_max, int64_t before_ms,
                                       struct tl_err *err);

#endif
