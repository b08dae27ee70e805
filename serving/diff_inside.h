/* diff_inside.h: what the files of `tally diff` share: two views files, the views that stand against each other, and what is counted for them.
 *
 *   diff_pairs.c   which views of OLD and NEW belong together, what is compared of each, over which time, and where OLD's rows come from
 *   diff_count.c   the views that are counted, the record that they are counted from, rows on their way to the preview
 *   diff_stored.c  rows that OLD has published, on their way there
 *   diff_edge.c    reading back, for what is open where the range begins
 *   diff_events.c  the events behind the groups that differ
 *   diff.c         the command
 *
 * For nobody else. */
#ifndef TL_DIFF_INSIDE_H
#define TL_DIFF_INSIDE_H

#include <stdatomic.h>

#include "core/intake.h"
#include "edge.h"
#include "event/timestamp.h"
#include "main/option.h"
#include "main/views.h"
#include "moves.h"
#include "preview_text.h"
#include "record_input.h"
#include "recorded.h"
#include "sql/check.h"
#include "sql/shape.h"

struct tl_diff_options {
    int64_t from_ms, to_ms, limit, read_back_ms, at_once, jobs;
    const char *by, *format, *new_checks, *new_functions;
    bool no_events;
};

/* A view of one side. */
struct tl_diff_sided {
    int32_t view; /* of the side's plan; -1: none, or its plan is not here */
    struct tl_sv text;
    const char *hash;
};

/* A view of the report, and what it takes to compare it. */
struct tl_diff_pair {
    struct tl_diff_sided sides[TL_BOTH];
    int64_t definition; /* of OLD, in the store; 0: none */
    bool wanted, computed[TL_BOTH], rolled;
    int64_t bucket_offset_ms; /* rolled: of the windows that both are counted by */
    struct tl_shape shape[TL_BOTH];
    struct tl_published_range *published;
    uint32_t published_count, published_capacity;
    struct tl_buf fetched; /* OLD's rows of the span at hand (diff_stored.c) */
    uint32_t source[TL_BOTH];
};

/* Views of one plan that are counted by one core. A core that is asked about events (for the edges of sessions) takes no slices, so that those stand
 * apart; rolled ones are counted by what both sides have in common. */
enum tl_diff_group { TL_DIFF_CLOCK, TL_DIFF_SPANS, TL_DIFF_ROLLED, TL_DIFF_GROUPS };

struct tl_diff_count {
    enum tl_before_after side;
    struct tl_plan plan; /* a copy, whose views may be others */
    bool *wanted;
    int32_t *pairs; /* per view of the plan; -1: none */
    struct tl_edge *edges;
    bool *has_edge;
    bool any;
    struct tl_recount *recount;
    struct tl_moves_side *moves; /* per thread */
    void **push_ctxs;            /* per thread: what asks and refused are called with */
    struct tl_diff *diff;
};

enum { TL_DIFF_COUNTS = TL_BOTH * TL_DIFF_GROUPS }; /* side + TL_BOTH * group */

/* Messages that one side reads, or both. */
struct tl_diff_stream {
    int32_t source[TL_BOTH]; /* -1: not read by that one */
    uint64_t rules[TL_BOTH];
    struct tl_record_input input;
};

struct tl_diff {
    struct tl_common_options *common;
    const struct tl_diff_options *own;
    const char *path[TL_BOTH]; /* of the views files; OLD's may be NULL */
    struct tl_functions *functions[TL_BOTH];
    struct tl_plan *plan[TL_BOTH];
    struct tl_checks *checks[TL_BOTH];
    struct tl_source_topics *topics[TL_BOTH];
    bool same_functions; /* and checks: equal definitions give equal numbers */
    struct tl_store *store;
    struct tl_master *master;
    struct tl_diff_pair *pairs;
    struct tl_preview_view *views; /* as the pairs */
    struct tl_diff_stream *streams;
    uint32_t streams_count;
    struct tl_diff_count counts[TL_DIFF_COUNTS]; /* rows */
    struct tl_diff_count events[TL_DIFF_COUNTS]; /* of differing units */
    atomic_bool out_of_memory;                   /* in a call from the core */
    uint32_t threads;
    struct tl_recorded recorded[TL_BOTH];
    struct tl_intake **intakes[TL_BOTH]; /* per source, once asked for */
    int64_t record_first_ms;
    bool holed;
    struct tl_arena memory;
    struct tl_sv *notes;
    size_t notes_count;
    struct tl_preview_report report;
};

/* ---- diff.c ---- */

/* A line for the report. */
TL_PRINTF(3, 4) TL_MUST_USE enum tl_code tl_diff_note(struct tl_diff *d, struct tl_err *err, const char *fmt, ...);
const char *tl_diff_time(int64_t ms, char out[TL_TIME_TEXT_BYTES]);

/* ---- diff_pairs.c: in this order; the store's snapshot is open ---- */

TL_MUST_USE enum tl_code tl_diff_pair_up(struct tl_diff *d, struct tl_err *err);
/* Unless said, the last day of which OLD has published rows. */
TL_MUST_USE enum tl_code tl_diff_choose_range(struct tl_diff *d, struct tl_err *err);
TL_MUST_USE enum tl_code tl_diff_cut_sealed(struct tl_diff *d, struct tl_err *err);
TL_MUST_USE enum tl_code tl_diff_open_views(struct tl_diff *d, struct tl_err *err);

/* ---- diff_count.c ---- */

bool tl_diff_is_span(const struct tl_view *view);
/* Can the events behind its units be told? Those of a view on a view are those of the view that it reads. */
bool tl_diff_has_events(const struct tl_diff *d, uint32_t pair);
/* Which views the number's side and group have. `events`: those whose units are looked into, else those whose rows are computed. */
TL_MUST_USE enum tl_code tl_diff_open_count(struct tl_diff *d, struct tl_diff_count *count, int number, bool events,
                                            struct tl_err *err);
/* Lists what is on record for them. */
TL_MUST_USE enum tl_code tl_diff_open_record(struct tl_diff *d, struct tl_err *err);
/* What is missing there: some of it is only known when all is read. */
TL_MUST_USE enum tl_code tl_diff_note_holes(struct tl_diff *d, struct tl_err *err);
/* For tl_recount_config: ctx is the count. On the main thread. */
enum tl_code tl_diff_take_rows(void *ctx, uint32_t view, const struct tl_rows *rows, struct tl_err *err);
/* Where the view has the row in its range, and all events of it may be here. */
TL_MUST_USE enum tl_code tl_diff_add_row(struct tl_diff *d, uint32_t pair, enum tl_before_after side, int64_t start_ms,
                                         int64_t end_ms, struct tl_sv key, struct tl_sv row, struct tl_err *err);
/* All rows of a span are in. */
TL_MUST_USE enum tl_code tl_diff_leave_out(struct tl_diff *d, uint32_t pair, struct tl_err *err);
/* Events with from_ms <= time < to_ms, out of the spans, to all recounts that are open. `moves`: judges each chunk; NULL: nobody does. */
TL_MUST_USE enum tl_code tl_diff_push(struct tl_diff *d, struct tl_diff_count counts[TL_DIFF_COUNTS], int64_t from_ms,
                                      int64_t to_ms, const struct tl_time_spans *spans, struct tl_moves *moves,
                                      struct tl_err *err);
TL_MUST_USE enum tl_code tl_diff_retire(struct tl_diff_count counts[TL_DIFF_COUNTS], int64_t upto_ms, struct tl_err *err);
void tl_diff_close_counts(struct tl_diff *d);

/* ---- diff_edge.c ---- */

/* Opens the recounts and gives them what windows that are open where the range begins hold. */
TL_MUST_USE enum tl_code tl_diff_read_back(struct tl_diff *d, struct tl_err *err);

/* ---- diff_stored.c ---- */

struct tl_diff_fetch;
/* Begins to fetch what OLD has published with ends in (from_ms, to_ms], or as the views have their ranges; NULL: of no view. Until it is fetched
 * nobody else uses the store. */
TL_MUST_USE enum tl_code tl_diff_fetch(struct tl_diff *d, int64_t from_ms, int64_t to_ms, struct tl_diff_fetch **out,
                                       struct tl_err *err);
/* All of the span is counted: adds the rows. */
TL_MUST_USE enum tl_code tl_diff_fetched(struct tl_diff_fetch *fetch, struct tl_err *err);
void tl_diff_fetch_close(struct tl_diff_fetch *fetch); /* also after a failure */

/* ---- diff_events.c ---- */

/* Fills in whether the events behind the view's units are told, and else why not. */
TL_MUST_USE enum tl_code tl_diff_say_events(struct tl_diff *d, uint32_t pair, struct tl_err *err);
/* Up to where the runs had read that published OLD's rows. */
TL_MUST_USE enum tl_code tl_diff_read_manifests(struct tl_diff *d, struct tl_diff_pair *pair, struct tl_err *err);
/* Reads what the units of the span at hand are made of once more. */
TL_MUST_USE enum tl_code tl_diff_find_moves(struct tl_diff *d, struct tl_err *err);
/* Topics and ids of the samples. */
TL_MUST_USE enum tl_code tl_diff_name_events(struct tl_diff *d, struct tl_err *err);

#endif
