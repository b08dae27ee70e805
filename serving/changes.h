/* changes.h: looks at the store after each change, and says for each live view what has changed: rows with what they were, what they are, and why.
 *
 * Is:      a memory of what was shown (shown.h) held against what the merged view shows now. Nothing is told twice and nothing is left out, also over
 *          kill -9: what a look finds is in the file before anybody is told.
 * Is not:  a server; it does not know who listens (live.h).
 * Runs on: the thread that opened it, with a store handle of its own. No transaction of the store's is open when a call returns.
 *
 * A view is live from tl_changes_watch to tl_changes_forget, over restarts. A number (seq) stands for what a view showed at one change number of the store, as this file has it:
 * who has a view as of one seq has it as of the next when he has applied the delta between. */
#ifndef TL_CHANGES_H
#define TL_CHANGES_H

#include "delta.h"
#include "shown.h"
#include "store/store_select.h"

struct tl_changes;

struct tl_changes_config {
    const char *store; /* URL */
    const char *file;  /* where what was shown is kept */
    int64_t
        horizon_ms; /* windows are watched that end later than so long before the watermark, or before now where that is earlier */
    int64_t rows_max;                      /* of one view; where it has more, fewer windows are watched */
    int64_t events_max;                    /* the newest that are kept of a view without windows, for snapshots */
    int64_t delta_bytes_max;               /* what changes more at once is told by a new snapshot */
    int64_t journal_bytes_max, journal_ms; /* of one view: who was away for longer gets a snapshot */
};
/* The usual ones but for store and file. */
struct tl_changes_config tl_changes_usual(void);

struct tl_changes_view {
    struct tl_sv name;
    struct tl_served_columns columns; /* good until the next look */
    struct tl_shown_view is;          /* as of the last look */
    void *listeners;                  /* the caller's */
};

/* TL_ERR_BUSY: another process has the file. The store may be away. */
TL_MUST_USE enum tl_code tl_changes_open(const struct tl_changes_config *config, struct tl_changes **out, struct tl_err *err);
void tl_changes_close(struct tl_changes *changes);

/* The view is live from now on. TL_ERR_NOT_FOUND: the store is there and has no such view. What it shows is there when this returns. */
TL_MUST_USE enum tl_code tl_changes_watch(struct tl_changes *changes, struct tl_sv name, int64_t now_ms,
                                          struct tl_changes_view **out, struct tl_err *err);
/* Is it live, and watched without asking the store? */
bool tl_changes_has(struct tl_changes *changes, struct tl_sv name);
/* The views that there are, for whoever asked for another one; valid until the next call. */
void tl_changes_names(struct tl_changes *changes, struct tl_refusal *refusal);
TL_MUST_USE enum tl_code tl_changes_forget(struct tl_changes *changes, struct tl_changes_view *view, struct tl_err *err);
/* Calls `each` for all that are live. */
void tl_changes_each(struct tl_changes *changes, void (*each)(void *ctx, struct tl_changes_view *view), void *ctx);

/* As tl_store_wait. */
TL_MUST_USE enum tl_code tl_changes_wait(struct tl_changes *changes, int64_t timeout_ms, int wake_fd, bool *changed,
                                         struct tl_err *err);

struct tl_changes_news {
    const char *resync; /* why what was told before does not lead here: a snapshot does; NULL: it does */
    struct tl_sv delta; /* what led from the seq before to this one; empty: nothing was told */
    bool other_columns; /* the view has them now: what knew the old ones is to be made anew */
    bool moved;         /* the boundary, or what is final */
};
/* One look at all live views, of one snapshot; `told` is called when it is in the file. On failure nobody is told, and the next look finds it. */
TL_MUST_USE enum tl_code tl_changes_look(struct tl_changes *changes, int64_t now_ms,
                                         void (*told)(void *ctx, struct tl_changes_view *view,
                                                      const struct tl_changes_news *news),
                                         void *ctx, struct tl_err *err);

/* The rows of the last look that end behind `behind_ms`, from the last back to the first, until `each` has enough. */
TL_MUST_USE enum tl_code tl_changes_rows(struct tl_changes *changes, const struct tl_changes_view *view, int64_t behind_ms,
                                         enum tl_code (*each)(void *ctx, const struct tl_shown_row *row, bool *enough,
                                                              struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* Does the journal lead on from there? */
TL_MUST_USE enum tl_code tl_changes_leads_on(struct tl_changes *changes, const struct tl_changes_view *view, int64_t since,
                                             bool *leads, struct tl_err *err);
/* How many bytes of deltas lie behind `since`. */
TL_MUST_USE enum tl_code tl_changes_behind(struct tl_changes *changes, const struct tl_changes_view *view, int64_t since,
                                           int64_t *bytes, struct tl_err *err);
/* The deltas behind `since`, in order, until `each` has enough. */
TL_MUST_USE enum tl_code tl_changes_since(struct tl_changes *changes, const struct tl_changes_view *view, int64_t since,
                                          enum tl_code (*each)(void *ctx, int64_t seq, struct tl_sv delta, bool *enough,
                                                               struct tl_err *err),
                                          void *ctx, struct tl_err *err);
/* A random number that stays as long as the file. */
uint64_t tl_changes_seed(const struct tl_changes *changes);

#endif
