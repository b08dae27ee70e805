/* reuse.c: what a run that was killed has staged, and the next one goes on with. See reuse.h. */
#include "reuse.h"

#include <stdlib.h>

#include "run_offsets.h"

/* ---- the run ---- */

struct candidate {
    struct tl_sv versions, checks;
    int64_t run, started_ms;
};

static enum tl_code see_staged(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct candidate *candidate = ctx;

    (void)err;
    if (run->same_normaliser && tl_sv_eq(run->versions, candidate->versions) && tl_sv_eq(run->checks, candidate->checks)) {
        candidate->run = run->id;
        candidate->started_ms = run->started_ms;
    }
    return TL_OK;
}

/* ---- its ranges ---- */

static enum tl_code add_range(void *ctx, const struct tl_run_range *range, const struct tl_run_range_state *state,
                              struct tl_err *err)
{
    struct tl_reuse *reuse = ctx;
    const struct tl_scope *scope = reuse->scope;
    uint32_t v = 0;

    while (v < scope->plan->views_count && scope->definitions[v] != state->definition)
        v++;
    reuse->strange = reuse->strange || v == scope->plan->views_count;
    if (v == scope->plan->views_count || state->blocked)
        return TL_OK; /* removed with what is not whole */
    if (reuse->count == reuse->capacity) {
        uint32_t capacity = reuse->capacity * 2 + 64;

        if (!TL_RESIZE(reuse->ranges, capacity))
            return tl_fail_memory(err, capacity * sizeof *reuse->ranges);
        reuse->capacity = capacity;
    }
    reuse->ranges[reuse->count++] = (struct tl_reusable){.view = v,
                                                         .from_ms = range->from_ms,
                                                         .to_ms = range->to_ms,
                                                         .carry_in = range->carry_in,
                                                         .rows_count = range->rows_count};
    return TL_OK;
}

static int by_view_and_time(const void *a, const void *b)
{
    const struct tl_reusable *x = a, *y = b;

    if (x->view != y->view)
        return x->view < y->view ? -1 : 1;
    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

/* Ranges of this source that have new input are forgotten, and so removed. */
static enum tl_code forget_changed(struct tl_reuse *reuse, uint32_t source, struct tl_err *err)
{
    const struct tl_scope *scope = reuse->scope;
    struct tl_run_offsets offsets;
    uint32_t kept = 0;
    enum tl_code rc;

    TL_TRY(tl_run_offsets_open(&offsets, scope->store, reuse->run, scope->inputs[source], err));
    for (uint32_t r = 0; r < reuse->count; r++) {
        const struct tl_reusable *range = &reuse->ranges[r];

        if (scope->plan->views[range->view].source != source || !tl_run_offsets_have_new(&offsets, range->from_ms, range->to_ms))
            reuse->ranges[kept++] = *range;
    }
    reuse->count = kept;
out:
    tl_run_offsets_close(&offsets);
    return rc;
}

/* ---- what is not whole ---- */

/* Removes what the run has of the view outside of the ranges that are kept. */
static enum tl_code clear_gaps(struct tl_reuse *reuse, uint32_t v, struct tl_err *err)
{
    const struct tl_scope *scope = reuse->scope;
    int64_t from_ms = INT64_MIN;
    enum tl_code rc = TL_OK;

    if (scope->definitions[v] == 0)
        return TL_OK;
    for (uint32_t r = 0; r < reuse->count; r++) {
        const struct tl_reusable *range = &reuse->ranges[r];

        if (range->view != v)
            continue;
        if (from_ms < range->from_ms)
            TL_TRY(tl_store_unstage(scope->store, reuse->run, scope->definitions[v], from_ms, range->from_ms, err));
        from_ms = range->to_ms;
    }
    TL_TRY(tl_store_unstage(scope->store, reuse->run, scope->definitions[v], from_ms, INT64_MAX, err));
out:
    return rc;
}

/* ---- the calls ---- */

enum tl_code tl_reuse_open(struct tl_reuse *reuse, const struct tl_scope *scope, struct tl_sv versions, struct tl_sv checks,
                           struct tl_err *err)
{
    struct candidate candidate = {.versions = versions, .checks = checks};
    enum tl_code rc;

    *reuse = (struct tl_reuse){.scope = scope};
    TL_TRY(tl_store_run(scope->store, TL_STORE_STAGED_RUN, see_staged, &candidate, err));
    if (candidate.run != 0)
        TL_TRY(tl_store_run_ranges(scope->store, candidate.run, add_range, reuse, err));
    if (reuse->strange)
        candidate.run = 0;
    TL_TRY(tl_store_discard_staged_but(scope->store, candidate.run, err));
    reuse->run = candidate.run;
    reuse->started_ms = candidate.started_ms;
    if (reuse->run == 0)
        reuse->count = 0;
    if (reuse->count > 0)
        qsort(reuse->ranges, reuse->count, sizeof *reuse->ranges, by_view_and_time);
    if (reuse->run == 0)
        goto out;
    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        TL_TRY(forget_changed(reuse, s, err));
    for (uint32_t v = 0; v < scope->plan->views_count; v++)
        TL_TRY(clear_gaps(reuse, v, err));
out:
    return rc;
}

void tl_reuse_close(struct tl_reuse *reuse)
{
    free(reuse->ranges);
    *reuse = (struct tl_reuse){0};
}

struct tl_reusable *tl_reuse_find(const struct tl_reuse *reuse, uint32_t view, int64_t from_ms, int64_t to_ms)
{
    const struct tl_reusable key = {.view = view, .from_ms = from_ms};
    struct tl_reusable *found = NULL;

    if (reuse->count > 0)
        found = bsearch(&key, reuse->ranges, reuse->count, sizeof *reuse->ranges, by_view_and_time);
    return found != NULL && found->to_ms == to_ms ? found : NULL;
}

uint32_t tl_reuse_count(const struct tl_reuse *reuse, const struct tl_job *job)
{
    uint32_t count = 0;

    for (uint32_t r = 0; r < job->ranges_count; r++) {
        bool all = reuse->count > 0;

        for (uint32_t v = 0; v < reuse->scope->plan->views_count && all; v++)
            all = !job->views[v] || tl_reuse_find(reuse, v, job->bounds[r], job->bounds[r + 1]) != NULL;
        count += all;
    }
    return count;
}

enum tl_code tl_reuse_drop(struct tl_reuse *reuse, uint32_t view, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    const struct tl_scope *scope = reuse->scope;
    uint32_t kept = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < reuse->count; r++) {
        struct tl_reusable *range = &reuse->ranges[r];

        if (range->view == view && !range->taken && range->from_ms < to_ms && range->to_ms > from_ms)
            TL_TRY(tl_store_unstage(scope->store, reuse->run, scope->definitions[view], range->from_ms, range->to_ms, err));
        else
            reuse->ranges[kept++] = *range;
    }
    reuse->count = kept;
out:
    return rc;
}
