/* family.c: views that read one another. See family.h. */
#include "family.h"

#include "sql/shape.h"

int64_t tl_family_lateness_ms(const struct tl_plan *plan, uint32_t view)
{
    uint32_t root = tl_view_root(plan, view);
    int64_t most_ms = 0;

    for (uint32_t v = root; v < plan->views_count; v++) {
        int64_t lateness_ms = plan->views[v].lateness_ms;

        if (tl_view_root(plan, v) != root)
            continue;
        for (int32_t inner = plan->views[v].inner; inner >= 0; inner = plan->views[inner].inner)
            lateness_ms = tl_add_sat_i64(lateness_ms, plan->views[inner].lateness_ms);
        most_ms = tl_max_i64(most_ms, lateness_ms);
    }
    return most_ms;
}

static enum tl_code open_days(struct tl_family_views *views, uint32_t v, struct tl_days_wish wish, struct tl_err *err)
{
    const struct tl_view *view = &views->plan->views[v];

    wish.lateness_ms = tl_family_lateness_ms(views->plan, v);
    wish.leave = wish.leave || !views->wanted[v];
    return tl_days_open(&views->days[v], views->store, views->definitions[v], views->inputs[view->source], view, &wish, err);
}

static bool same_ranges(const struct tl_days *a, const struct tl_days *b)
{
    if (a->count != b->count || a->boundary_ms != b->boundary_ms)
        return false;
    for (uint32_t d = 0; d < a->count; d++)
        if (a->days[d].from_ms != b->days[d].from_ms || a->days[d].to_ms != b->days[d].to_ms)
            return false;
    return true;
}

/* Not where it would bring back what somebody has undone: then all of the family waits. */
static enum tl_code open_anew(struct tl_family_views *views, uint32_t root, struct tl_days_wish wish, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    wish.anew = true;
    wish.at_least_ms = INT64_MIN;
    for (uint32_t v = root; v < views->plan->views_count; v++)
        if (tl_view_root(views->plan, v) == root) {
            wish.at_least_ms = tl_max_i64(wish.at_least_ms, views->days[v].boundary_ms);
            wish.leave = wish.leave || views->days[v].holds;
        }
    for (uint32_t v = root; v < views->plan->views_count; v++) {
        if (tl_view_root(views->plan, v) != root)
            continue;
        tl_days_close(&views->days[v]);
        TL_TRY(open_days(views, v, wish, err));
    }
out:
    return rc;
}

/* Ranges that one of the family has to do, all have. */
static void share_work(struct tl_family_views *views, uint32_t root)
{
    struct tl_days *days = &views->days[root];

    for (uint32_t v = root + 1; v < views->plan->views_count; v++)
        for (uint32_t d = 0; tl_view_root(views->plan, v) == root && d < days->count; d++)
            if (days->days[d].reason == TL_DAY_CLEAN)
                days->days[d].reason = views->days[v].days[d].reason;
    for (uint32_t v = root + 1; v < views->plan->views_count; v++)
        for (uint32_t d = 0; tl_view_root(views->plan, v) == root && d < days->count; d++)
            if (views->days[v].days[d].reason == TL_DAY_CLEAN)
                views->days[v].days[d].reason = days->days[d].reason;
}

enum tl_code tl_family_open_days(struct tl_family_views *views, const struct tl_days_wish *wish, struct tl_err *err)
{
    const struct tl_plan *plan = views->plan;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++)
        TL_TRY(open_days(views, v, *wish, err));
    for (uint32_t root = 0; root < plan->views_count; root++) {
        bool same = true;

        if (plan->views[root].inner >= 0)
            continue;
        for (uint32_t v = root + 1; v < plan->views_count; v++)
            if (tl_view_root(plan, v) == root)
                same = same && same_ranges(&views->days[root], &views->days[v]);
        if (same)
            share_work(views, root);
        else
            TL_TRY(open_anew(views, root, *wish, err));
    }
out:
    return rc;
}
