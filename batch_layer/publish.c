/* publish.c: staged ranges become visible, all at once. See publish.h. */
#include "publish.h"

#include "base/clock.h"
#include "base/diag.h"

/* Where it cannot be just now, the next run tries again, and so does speed: what was published stays. */
static enum tl_code swap_in(const struct tl_scope *scope, uint32_t v, struct tl_err *err)
{
    struct tl_sv name = scope->plan->views[v].name;
    bool swapped = false;
    enum tl_code rc = tl_store_swap(scope->store, scope->definitions[v], 0, &swapped, err);

    if (rc != TL_OK && (err->retriable || rc == TL_ERR_UNKNOWN)) {
        tl_diag(TL_WARN, "view %.*s: its new definition is published and is not swapped in, the next run tries again: %s",
                TL_SV_ARG(name), err->message);
        rc = TL_OK;
    }
    if (swapped)
        tl_diag(TL_INFO, "view %.*s: its new definition is published as far as the old one and serves now", TL_SV_ARG(name));
    return rc;
}

enum tl_code tl_publish_follow(const struct tl_scope *scope, struct tl_err *err)
{
    int64_t keep_ms = scope->plan->settings.speed_retention_ms;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        if (scope->definitions[v] == 0)
            continue;
        TL_TRY(swap_in(scope, v, err));
        TL_TRY(tl_store_prune_speed(scope->store, scope->definitions[v], scope->now_ms - keep_ms, err));
    }
    TL_TRY(tl_store_prune_superseded(scope->store, scope->now_ms - keep_ms, err));
out:
    return rc;
}

enum tl_code tl_publish(const struct tl_stage *stage, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_publish(stage->scope->store, stage->run, tl_clock_wall_ms(), err));
    TL_TRY(tl_publish_follow(stage->scope, err));
out:
    return rc;
}
