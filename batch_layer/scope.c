/* scope.c: what a run of batch looks at. See scope.h. */
#include "scope.h"

#include <stdlib.h>

#include "base/diag.h"
#include "event/timestamp.h"
#include "family.h"
#include "sql/shape.h"

/* ---- views ---- */

static enum tl_code want_view(struct tl_scope *scope, const char *name, struct tl_err *err)
{
    const struct tl_plan *plan = scope->plan;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++) {
        if (!tl_sv_eq(plan->views[v].name, tl_sv_from(name)))
            continue;
        for (uint32_t other = 0; other < plan->views_count; other++)
            scope->wanted[other] = scope->wanted[other] || tl_view_root(plan, other) == tl_view_root(plan, v);
        return TL_OK;
    }
    TL_TRY(tl_views_unknown(plan, name, err));
out:
    return rc;
}

enum tl_code tl_scope_open_views(struct tl_scope *scope, const struct tl_option_list *names, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_options_need_views(scope->common, err));
    TL_TRY(tl_views_open(scope->common, scope->common->views, &scope->functions, &scope->plan, err));
    if (scope->common->checks != NULL)
        TL_TRY(tl_checks_load(scope->common->checks, scope->plan, &scope->checks, err));
    scope->wanted = calloc(scope->plan->views_count, sizeof *scope->wanted);
    if (scope->wanted == NULL)
        TL_TRY(tl_fail_memory(err, scope->plan->views_count));
    for (uint32_t v = 0; v < scope->plan->views_count; v++)
        scope->wanted[v] = names->count == 0;
    for (size_t i = 0; i < names->count; i++)
        TL_TRY(want_view(scope, names->items[i], err));
out:
    return rc;
}

enum tl_code tl_scope_open_to_look(struct tl_scope *scope, struct tl_err *err)
{
    enum tl_code rc = tl_store_open(scope->common->store, TL_STORE_READ, &scope->store, err);

    return rc == TL_ERR_NOT_FOUND ? TL_OK : rc;
}

/* ---- topics ---- */

/* Of patterns: what is on record by now has a number before it is read. */
static enum tl_code find_topics(struct tl_scope *scope, bool writes, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_source_topics_open(scope->plan, &scope->topics, err));
    TL_TRY(tl_source_topics_recorded(scope->topics, scope->master, err));
    if (writes)
        TL_TRY(tl_source_topics_number(scope->topics, scope->store, err));
    else if (scope->store != NULL)
        TL_TRY(tl_source_topics_read(scope->topics, scope->store, err));
    tl_source_topics_suppose(scope->topics);
out:
    return rc;
}

/* ---- the whole ---- */

/* Says where the wish could not be met. */
static void note_limits(const struct tl_scope *scope, const struct tl_days_wish *wish, uint32_t v)
{
    const struct tl_days *days = &scope->days[v];
    char text[TL_TIME_TEXT_BYTES], complete[TL_TIME_TEXT_BYTES];

    if (days->sealed_asked_ms != INT64_MIN) {
        tl_time_to_iso_z(days->sealed_asked_ms, text);
        tl_diag(TL_INFO, "view %.*s: what is published up to %s stays: those days are sealed",
                TL_SV_ARG(scope->plan->views[v].name), text);
    }
    if (wish->from_ms != TL_TIME_NONE && days->boundary_ms != INT64_MIN && wish->from_ms > days->boundary_ms &&
        days->target_ms > days->boundary_ms) {
        tl_time_to_iso_z(days->boundary_ms, text);
        tl_diag(TL_INFO, "view %.*s: starts at %s, since ranges leave no gap", TL_SV_ARG(scope->plan->views[v].name), text);
    }
    if (wish->to_ms != TL_TIME_NONE && days->target_ms < wish->to_ms) {
        if (days->target_ms == INT64_MIN) {
            tl_diag(TL_INFO, "view %.*s: nothing can be published: the archive holds no events, or not up to any moment",
                    TL_SV_ARG(scope->plan->views[v].name));
            return;
        }
        tl_time_to_iso_z(days->target_ms, text);
        tl_time_to_iso_z(days->complete_ms, complete);
        tl_diag(TL_INFO,
                "view %.*s: ends at %s: the archive is complete up to %s (run tally archive, or wait for 'tally.batch-grace')",
                TL_SV_ARG(scope->plan->views[v].name), text, complete);
    }
}

static enum tl_code find_definitions(struct tl_scope *scope, bool writes, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < scope->plan->views_count && scope->store != NULL; v++) {
        struct tl_shape shape;

        TL_TRY(tl_shape_of(scope->plan, &scope->plan->views[v], &shape, err));
        if (writes && scope->wanted[v])
            TL_TRY(tl_store_define(scope->store, &shape, &scope->definitions[v], err));
        else
            TL_TRY(tl_store_find(scope->store, shape.view, shape.hash, &scope->definitions[v], err));
    }
out:
    return rc;
}

enum tl_code tl_scope_look(struct tl_scope *scope, const struct tl_days_wish *wish, bool writes, struct tl_err *err)
{
    const struct tl_plan *plan = scope->plan;
    struct tl_family_views families = {.plan = plan, .store = scope->store, .wanted = scope->wanted};
    enum tl_code rc = TL_OK;

    scope->inputs = calloc(plan->sources_count, sizeof(struct tl_input *));
    scope->definitions = calloc(plan->views_count, sizeof *scope->definitions);
    scope->days = calloc(plan->views_count, sizeof *scope->days);
    if (scope->inputs == NULL || scope->definitions == NULL || scope->days == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *scope->days));
    TL_TRY(tl_master_open(scope->common->data, &scope->master, err));
    TL_TRY(find_topics(scope, writes, err));
    for (uint32_t s = 0; s < plan->sources_count; s++)
        TL_TRY(tl_input_open(scope->master, plan, s, scope->topics, &scope->inputs[s], err));
    TL_TRY(find_definitions(scope, writes, err));
    families.inputs = scope->inputs;
    families.definitions = scope->definitions;
    families.days = scope->days;
    TL_TRY(tl_family_open_days(&families, wish, err));
    for (uint32_t v = 0; v < plan->views_count; v++)
        if (scope->wanted[v] && scope->days[v].held_from_ms == scope->days[v].held_to_ms)
            note_limits(scope, wish, v);
out:
    return rc;
}

void tl_scope_close(struct tl_scope *scope)
{
    for (uint32_t v = 0; scope->days != NULL && v < scope->plan->views_count; v++)
        tl_days_close(&scope->days[v]);
    for (uint32_t s = 0; scope->inputs != NULL && s < scope->plan->sources_count; s++)
        tl_input_close(scope->inputs[s]);
    tl_source_topics_close(scope->topics);
    free(scope->days);
    free(scope->definitions);
    free(scope->wanted);
    free(scope->inputs);
    tl_master_close(scope->master);
    tl_store_close(scope->store);
    tl_checks_close(scope->checks);
    tl_views_close(scope->functions, scope->plan);
}
