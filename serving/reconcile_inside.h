/* reconcile_inside.h: what a reconciliation has in its hands, for the files that are it.
 *
 *   reconcile.c         the command: options, the snapshot, the order of it all, what is printed and kept
 *   reconcile_scope.c   which views, by which definitions, and of each which range
 *   reconcile_full.c    what is proved of the whole range, and not of what differs alone
 *   reconcile_alike.c   what both layers have treated alike
 *   reconcile_sums.c    what was found, added up for the report, and the notes that say what it lacks */
#ifndef TL_RECONCILE_INSIDE_H
#define TL_RECONCILE_INSIDE_H

#include "advise.h"
#include "cause.h"
#include "event/timestamp.h"
#include "main/option.h"
#include "report.h"
#include "suspect.h"
#include "versions.h"

struct reconcile_options {
    int64_t from_ms, to_ms, limit;
    const char *format, *by, *metrics_file;
    const char *old_functions, *old_places, *old_user_agents;
    bool full, history, no_store, quiet;
    struct tl_advise_options advise;
};

/* One view of the plan. */
struct compared {
    bool needed; /* wanted, or read by a view that is */
    bool known;  /* the store has this definition */
    /* What is compared; with what is not asked for, and views on this one need. */
    int64_t from_ms, to_ms;
    bool rows_gone;   /* before from_ms, in speed */
    int64_t alike_ms; /* from where on what both layers treat alike is counted */
    struct tl_definition definition;
    struct tl_shape shape;
    struct tl_evidence evidence;
    bool has_evidence;
};

struct reconcile {
    const struct tl_common_options *common;
    const struct reconcile_options *own;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_functions *functions_before; /* with files of before; NULL: none is given */
    struct tl_plan *plan_before;
    struct tl_buf versions_before;
    struct tl_store *store;
    struct tl_store *beside; /* by which a thread reads ahead; NULL: there is none */
    struct tl_master *master;
    struct tl_source_logs *logs;
    struct tl_source_topics *topics;
    struct tl_recorded recorded;
    struct compared *views; /* as in the plan, and so are the next four */
    struct tl_report_view *reported;
    struct tl_cause_view *causes;
    int64_t *definitions; /* 0: not compared */
    bool *views_wanted;
    struct tl_compare compare;
    struct tl_cause_finder finder;
    struct tl_arena memory;
    struct tl_sv *notes;
    size_t notes_count, notes_capacity;
    struct tl_versions versions;
    struct tl_buf versions_here; /* what rows are recomputed with */
    struct tl_report report;
    bool printed; /* the report is out */
    struct tl_unit **units;
    struct tl_report_finding *findings;
    const struct tl_shape **shapes; /* as in the plan */
    struct tl_by by;
    struct tl_suspect_run *runs; /* that serve what is compared */
    size_t runs_count;
    struct tl_alike *alike; /* per source */
    struct tl_report_alike *alike_shown;
};

/* Said in front of the report. */
TL_PRINTF(3, 4) TL_MUST_USE enum tl_code tl_reconcile_note(struct reconcile *r, struct tl_err *err, const char *fmt, ...);

static inline const char *tl_reconcile_time(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    tl_time_to_iso_z(ms, out);
    return out;
}

/* The views that were asked for, and those that they read, and from where on. TL_ERR_USAGE: there is no such one. */
TL_MUST_USE enum tl_code tl_reconcile_choose_views(struct reconcile *r, struct tl_err *err);
/* In the snapshot: what the store has of each. What is not what it seems is noted. */
TL_MUST_USE enum tl_code tl_reconcile_find_definitions(struct reconcile *r, struct tl_err *err);
/* The store counts the view by another definition than the file has. */
bool tl_reconcile_has_changed(const struct reconcile *r, uint32_t v);
/* In the snapshot: what was asked for of a view, as far as it is published and speed still has its rows. */
TL_MUST_USE enum tl_code tl_reconcile_cut_range(struct reconcile *r, uint32_t v, struct tl_err *err);

/* --full. Once what differs is proved. */
TL_MUST_USE enum tl_code tl_reconcile_prove_all(struct reconcile *r, struct tl_err *err);
/* With files of before: once what they explain is named, what there should be by them, and neither layer has. */
TL_MUST_USE enum tl_code tl_reconcile_find_lost(struct reconcile *r, const struct tl_suspect *suspect, struct tl_err *err);

TL_MUST_USE enum tl_code tl_reconcile_open_alike(struct reconcile *r, struct tl_err *err);
/* In the snapshot, once the ranges are known. */
TL_MUST_USE enum tl_code tl_reconcile_read_alike(struct reconcile *r, struct tl_err *err);
/* Once it has been left. */
TL_MUST_USE enum tl_code tl_reconcile_show_alike(struct reconcile *r, struct tl_err *err);

/* --by. TL_ERR_USAGE: no view has such a column. */
TL_MUST_USE enum tl_code tl_reconcile_open_by(struct reconcile *r, struct tl_err *err);
/* Once all is proved: fills in the report. */
TL_MUST_USE enum tl_code tl_reconcile_sum_up(struct reconcile *r, struct tl_err *err);

#endif
