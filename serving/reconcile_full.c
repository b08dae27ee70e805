/* reconcile_full.c: what is proved of the whole range, and not of what differs alone. See reconcile_inside.h. */
#include <stdlib.h>

#include "full.h"
#include "reconcile_inside.h"

static enum tl_code note_unproved(struct reconcile *r, uint32_t v, int64_t from_ms, struct tl_err *err)
{
    char from[TL_TIME_TEXT_BYTES];

    return tl_reconcile_note(r, err, "view %.*s: nothing is proved up to %s: retention has taken the events from the record",
                             TL_SV_ARG(r->plan->views[v].name), tl_reconcile_time(from_ms, from));
}

static enum tl_code full_open(struct reconcile *r, struct tl_full *full, struct tl_err *err)
{
    *full = (struct tl_full){.plan = r->plan,
                             .store = r->store,
                             .topics = r->topics,
                             .recorded = &r->recorded,
                             .compare = &r->compare,
                             .views = calloc(r->plan->views_count + 1, sizeof *full->views)};
    if (full->views == NULL)
        return tl_fail_memory(err, r->plan->views_count * sizeof *full->views);
    for (uint32_t v = 0; v < r->plan->views_count; v++)
        full->views[v] = (struct tl_full_view){.definition = r->definitions[v],
                                               .wanted = r->views_wanted[v] && r->definitions[v] != 0,
                                               .shape = &r->views[v].shape,
                                               .from_ms = r->reported[v].from_ms,
                                               .to_ms = r->reported[v].to_ms,
                                               .boundary_ms = r->reported[v].boundary_ms,
                                               .floor_ms = r->views[v].rows_gone ? r->views[v].from_ms : INT64_MIN};
    return TL_OK;
}

static void full_close(struct tl_full *full)
{
    tl_full_done(full);
    free(full->views);
}

/* Equal ones are groups still where they came out, and unexplained where they did not: their units are among those that differ. */
enum tl_code tl_reconcile_prove_all(struct reconcile *r, struct tl_err *err)
{
    struct tl_full full;
    enum tl_code rc;

    TL_TRY(full_open(r, &full, err));
    TL_TRY(tl_full_prove(&full, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        const struct tl_full_view *view = &full.views[v];

        r->reported[v].proved_count = view->proved_count;
        /* What the snapshots tell apart may have changed in between. */
        r->reported[v].equal_count -=
            view->failed_count < r->reported[v].equal_count ? view->failed_count : r->reported[v].equal_count;
        if (view->wanted && view->from_ms > r->reported[v].from_ms && r->reported[v].equal_count > 0)
            TL_TRY(note_unproved(r, v, view->from_ms, err));
    }
    r->report.full = true;
out:
    full_close(&full);
    return rc;
}

static enum tl_code is_lost(const void *ctx, const struct tl_unit *unit, bool *lost, struct tl_err *err)
{
    return tl_suspect_is_lost(ctx, unit, lost, err);
}

/* Is something of the view said to be in another group by the rules of before? */
static bool has_moved(const struct reconcile *r, uint32_t v)
{
    return r->plan->views[v].inner < 0 && (r->own->full || r->causes[v].events_count[TL_CAUSE_RULES_CHANGED] > 0);
}

enum tl_code tl_reconcile_find_lost(struct reconcile *r, const struct tl_suspect *suspect, struct tl_err *err)
{
    struct tl_full full;
    bool any = false;
    enum tl_code rc;

    TL_TRY(full_open(r, &full, err));
    full.plan = r->plan_before;
    full.is_lost = is_lost;
    full.ctx = suspect;
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        full.views[v].wanted = full.views[v].wanted && has_moved(r, v);
        any = any || full.views[v].wanted;
    }
    if (any)
        TL_TRY(tl_full_prove(&full, err));
out:
    full_close(&full);
    return rc;
}
