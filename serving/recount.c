/* recount.c: what views of one plan count of the record, range by range, as batch would. See recount.h. */
#include "recount.h"

#include <stdlib.h>

struct lane {
    struct tl_recount *recount;
    struct tl_core *core;
    struct tl_partial *partials[TL_CREW_SIDES];
    struct tl_crew_work *work; /* at hand */
    uint32_t turn;
};

struct tl_recount {
    struct tl_recount_config config;
    struct tl_window_options options;
    bool *computed;         /* per view: wanted, or read by one that is */
    struct tl_partial *all; /* windows that last */
    struct tl_relay *relay;
    struct lane *lanes; /* per thread */
    /* Of the range at hand: */
    int64_t bounds[2];
    struct tl_idset **ids; /* per source: whose turn it is touches them */
};

enum { AHEAD = 12 /* ids: a line of memory is there by then */ };

static enum tl_code see_ids(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                            const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct lane *lane = ctx;
    struct tl_idset *set = lane->recount->ids[source];
    enum tl_code rc = TL_OK;

    (void)partition;
    (void)time_ms;
    (void)log_ms;
    TL_TRY(tl_crew_wait(lane->work, lane->turn, err));
    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen mine;

        if (i + AHEAD < count)
            tl_idset_prefetch(set, ids[i + AHEAD]);
        TL_TRY(tl_idset_see(set, ids[i], &mine, err));
        seen[i] = (uint8_t)mine;
    }
    tl_crew_pass(lane->work, lane->turn);
out:
    return rc;
}

static enum tl_code open_lane(struct tl_recount *recount, uint32_t thread, struct tl_err *err)
{
    const struct tl_checks *checks = recount->config.checks;
    struct lane *lane = &recount->lanes[thread];
    struct tl_core_config config = {.plan = recount->config.plan,
                                    .views_wanted = recount->computed,
                                    .bounds = recount->bounds,
                                    .ranges_count = 1,
                                    .dedup = see_ids,
                                    .dedup_ctx = lane,
                                    .checks = checks,
                                    .wanted = recount->config.asks,
                                    .wanted_ctx = recount->config.push_ctxs != NULL ? recount->config.push_ctxs[thread] : NULL};
    enum tl_code rc;

    lane->recount = recount;
    TL_TRY(tl_core_open(&config, &lane->core, err));
    for (int side = 0; side < TL_CREW_SIDES; side++) {
        TL_TRY(tl_partial_open(config.plan, &recount->options, &lane->partials[side], err));
        TL_TRY(tl_partial_want_checks(lane->partials[side], checks != NULL ? checks->rows_count : 0, err));
    }
out:
    return rc;
}

enum tl_code tl_recount_open(const struct tl_recount_config *config, struct tl_recount **out, struct tl_err *err)
{
    const struct tl_plan *plan = config->plan;
    struct tl_recount *recount = calloc(1, sizeof *recount);
    enum tl_code rc = TL_OK;

    if (recount == NULL)
        return tl_fail_memory(err, sizeof *recount);
    recount->config = *config;
    recount->options = (struct tl_window_options){.ranges_count = 1, .whole = config->whole};
    recount->computed = calloc(plan->views_count + 1, sizeof *recount->computed);
    recount->ids = calloc(plan->sources_count + 1, sizeof *recount->ids);
    recount->lanes = calloc(config->threads, sizeof *recount->lanes);
    if (recount->computed == NULL || recount->ids == NULL || recount->lanes == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count));
    for (uint32_t v = plan->views_count; v-- > 0;) { /* what a view reads stands before it */
        recount->computed[v] = recount->computed[v] || config->wanted[v];
        if (recount->computed[v] && plan->views[v].inner >= 0)
            recount->computed[plan->views[v].inner] = true;
    }
    TL_TRY(tl_partial_open(plan, &recount->options, &recount->all, err));
    TL_TRY(tl_relay_open(plan, &recount->options, &recount->relay, err));
    for (uint32_t t = 0; t < config->threads; t++)
        TL_TRY(open_lane(recount, t, err));
    *out = recount;
    recount = NULL;
out:
    tl_recount_close(recount);
    return rc;
}

void tl_recount_end(struct tl_recount *recount)
{
    for (uint32_t s = 0; recount->ids != NULL && s < recount->config.plan->sources_count; s++) {
        tl_idset_close(recount->ids[s]);
        recount->ids[s] = NULL;
    }
}

void tl_recount_close(struct tl_recount *recount)
{
    if (recount == NULL)
        return;
    tl_recount_end(recount);
    for (uint32_t t = 0; recount->lanes != NULL && t < recount->config.threads; t++) {
        tl_core_close(recount->lanes[t].core);
        for (int side = 0; side < TL_CREW_SIDES; side++)
            tl_partial_close(recount->lanes[t].partials[side]);
    }
    tl_relay_close(recount->relay);
    tl_partial_close(recount->all);
    free(recount->lanes);
    free(recount->computed);
    free(recount->ids);
    free(recount);
}

enum tl_code tl_recount_begin(struct tl_recount *recount, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    tl_recount_end(recount);
    recount->bounds[0] = from_ms;
    recount->bounds[1] = to_ms;
    for (uint32_t s = 0; s < recount->config.plan->sources_count; s++)
        TL_TRY(tl_idset_open(&recount->ids[s], err));
out:
    return rc;
}

bool tl_recount_judges(const struct tl_recount *recount, uint32_t source)
{
    return recount->config.plan->sources[source].dedup_slot >= 0;
}

static enum tl_code tell_refused(const struct tl_recount *recount, uint32_t thread, const struct tl_partial *partial,
                                 uint32_t source, struct tl_err *err)
{
    const struct tl_recount_config *config = &recount->config;
    const struct tl_ledger *ledger = &partial->sources[source].ledger;
    enum tl_code rc = TL_OK;

    if (config->refused == NULL)
        return TL_OK;
    TL_TRY(config->refused(config->push_ctxs[thread], source, UINT32_MAX, ledger->lines, ledger->count, err));
    for (uint32_t v = 0; v < config->plan->views_count; v++) {
        ledger = &partial->views[v].ledger;
        if (config->wanted[v] && config->plan->views[v].source == source && ledger->count > 0)
            TL_TRY(config->refused(config->push_ctxs[thread], source, v, ledger->lines, ledger->count, err));
    }
out:
    return rc;
}

enum tl_code tl_recount_push(struct tl_recount *recount, uint32_t source, struct tl_crew_work *work, uint32_t turn,
                             struct tl_err *err)
{
    struct lane *lane = &recount->lanes[work->worker];
    struct tl_partial *partial = lane->partials[work->side];
    struct tl_core_input input = {
        .source = source,
        .partition = UINT32_MAX,
        .messages = work->chunk.messages,
        .count = work->chunk.count,
        .partitions = work->chunk.partitions,
    };
    uint64_t groups_before = tl_partial_groups(partial), groups;
    enum tl_code rc;

    lane->work = work;
    lane->turn = turn;
    TL_TRY(tl_core_push(lane->core, &input, partial, err));
    TL_TRY(tell_refused(recount, work->worker, partial, source, err));
    tl_partial_reset_notes(partial);
    groups = tl_partial_groups(partial);
    work->groups += groups > groups_before ? groups - groups_before : 0; /* sessions become one */
out:
    return rc;
}

/* Windows go into those that last, rows without one out. */
static enum tl_code take_partial(struct tl_recount *recount, struct tl_partial *partial, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_partial_merge_windows(recount->all, partial, err));
    for (uint32_t v = 0; v < recount->config.plan->views_count; v++) {
        struct tl_rows rows;

        if (!recount->config.wanted[v] || partial->views[v].events == NULL)
            continue;
        rows = tl_event_rows_view(partial->views[v].events);
        if (rows.count > 0)
            TL_TRY(recount->config.rows(recount->config.ctx, v, &rows, err));
    }
    tl_partial_reset(partial);
out:
    return rc;
}

enum tl_code tl_recount_merge(struct tl_recount *recount, uint32_t side, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t t = 0; t < recount->config.threads; t++)
        TL_TRY(take_partial(recount, recount->lanes[t].partials[side], err));
out:
    return rc;
}

struct sink {
    const struct tl_recount *recount;
    uint32_t view;
};

static enum tl_code take_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    const struct sink *sink = ctx;
    const struct tl_recount_config *config = &sink->recount->config;

    return config->wanted[sink->view] ? config->rows(config->ctx, sink->view, rows, err) : TL_OK;
}

enum tl_code tl_recount_retire(struct tl_recount *recount, int64_t upto_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < recount->config.plan->views_count; v++) {
        struct sink sink = {recount, v};

        if (recount->computed[v])
            TL_TRY(tl_relay_retire(recount->relay, recount->all, v, upto_ms, take_rows, &sink, err));
    }
out:
    return rc;
}
