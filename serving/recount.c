/* recount.c: what views of one plan count of the record, range by range, as batch would. See recount.h. */
#include "recount.h"

#include <stdlib.h>

struct tl_recount {
    struct tl_recount_config config;
    struct tl_window_options options;
    bool *computed;         /* per view: wanted, or read by one that is */
    struct tl_partial *all; /* windows that last */
    struct tl_relay *relay;
    /* Of the range at hand: */
    int64_t bounds[2];
    struct tl_core *core;
    struct tl_partial *partial;
    struct tl_idset **ids; /* per source */
    uint32_t pushes;
};

enum { PUSHES_A_MERGE = 16 };

static enum tl_code see_ids(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                            const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct tl_recount *recount = ctx;
    enum tl_code rc = TL_OK;

    (void)partition;
    (void)time_ms;
    (void)log_ms;
    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen mine;

        TL_TRY(tl_idset_see(recount->ids[source], ids[i], &mine, err));
        seen[i] = (uint8_t)mine;
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
    if (recount->computed == NULL || recount->ids == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count));
    for (uint32_t v = plan->views_count; v-- > 0;) { /* what a view reads stands before it */
        recount->computed[v] = recount->computed[v] || config->wanted[v];
        if (recount->computed[v] && plan->views[v].inner >= 0)
            recount->computed[plan->views[v].inner] = true;
    }
    TL_TRY(tl_partial_open(plan, &recount->options, &recount->all, err));
    TL_TRY(tl_relay_open(plan, &recount->options, &recount->relay, err));
    *out = recount;
    recount = NULL;
out:
    tl_recount_close(recount);
    return rc;
}

static void close_range(struct tl_recount *recount)
{
    tl_core_close(recount->core);
    tl_partial_close(recount->partial);
    for (uint32_t s = 0; s < recount->config.plan->sources_count && recount->ids != NULL; s++) {
        tl_idset_close(recount->ids[s]);
        recount->ids[s] = NULL;
    }
    recount->core = NULL;
    recount->partial = NULL;
}

void tl_recount_close(struct tl_recount *recount)
{
    if (recount == NULL)
        return;
    close_range(recount);
    tl_relay_close(recount->relay);
    tl_partial_close(recount->all);
    free(recount->computed);
    free(recount->ids);
    free(recount);
}

enum tl_code tl_recount_begin(struct tl_recount *recount, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    const struct tl_checks *checks = recount->config.checks;
    struct tl_core_config config = {.plan = recount->config.plan,
                                    .views_wanted = recount->computed,
                                    .bounds = recount->bounds,
                                    .ranges_count = 1,
                                    .dedup = see_ids,
                                    .dedup_ctx = recount,
                                    .checks = checks,
                                    .wanted = recount->config.asks,
                                    .wanted_ctx = recount->config.ctx};
    enum tl_code rc = TL_OK;

    close_range(recount);
    recount->bounds[0] = from_ms;
    recount->bounds[1] = to_ms;
    recount->pushes = 0;
    for (uint32_t s = 0; s < config.plan->sources_count; s++)
        TL_TRY(tl_idset_open(&recount->ids[s], err));
    TL_TRY(tl_core_open(&config, &recount->core, err));
    TL_TRY(tl_partial_open(config.plan, &recount->options, &recount->partial, err));
    TL_TRY(tl_partial_want_checks(recount->partial, checks != NULL ? checks->rows_count : 0, err));
out:
    return rc;
}

/* Windows go into those that last, rows without one out. */
static enum tl_code merge(struct tl_recount *recount, struct tl_err *err)
{
    const struct tl_plan *plan = recount->config.plan;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_partial_merge_windows(recount->all, recount->partial, err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct tl_rows rows;

        if (!recount->config.wanted[v] || recount->partial->views[v].events == NULL)
            continue;
        rows = tl_event_rows_view(recount->partial->views[v].events);
        if (rows.count > 0)
            TL_TRY(recount->config.rows(recount->config.ctx, v, &rows, err));
    }
    tl_partial_reset(recount->partial);
out:
    return rc;
}

static enum tl_code tell_refused(const struct tl_recount *recount, uint32_t source, struct tl_err *err)
{
    const struct tl_recount_config *config = &recount->config;
    const struct tl_ledger *ledger = &recount->partial->sources[source].ledger;
    enum tl_code rc = TL_OK;

    if (config->refused == NULL)
        return TL_OK;
    TL_TRY(config->refused(config->ctx, source, UINT32_MAX, ledger->lines, ledger->count, err));
    for (uint32_t v = 0; v < config->plan->views_count; v++) {
        ledger = &recount->partial->views[v].ledger;
        if (config->wanted[v] && config->plan->views[v].source == source && ledger->count > 0)
            TL_TRY(config->refused(config->ctx, source, v, ledger->lines, ledger->count, err));
    }
out:
    return rc;
}

enum tl_code tl_recount_push(struct tl_recount *recount, uint32_t source, const struct tl_message *messages,
                             const uint32_t *partitions, size_t count, struct tl_err *err)
{
    struct tl_core_input input = {.source = source,
                                  .partition = partitions[0],
                                  .messages = messages,
                                  .count = count,
                                  .partitions = partitions,
                                  .next_offset = messages[count - 1].offset + 1};
    enum tl_code rc;

    TL_TRY(tl_core_push(recount->core, &input, recount->partial, err));
    TL_TRY(tell_refused(recount, source, err));
    tl_partial_reset_notes(recount->partial); /* the ledger must not grow with the record */
    if (++recount->pushes % PUSHES_A_MERGE == 0)
        TL_TRY(merge(recount, err));
out:
    return rc;
}

enum tl_code tl_recount_end(struct tl_recount *recount, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(merge(recount, err));
    close_range(recount);
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

    if (recount->partial != NULL)
        TL_TRY(merge(recount, err));
    for (uint32_t v = 0; v < recount->config.plan->views_count; v++) {
        struct sink sink = {recount, v};

        if (recount->computed[v])
            TL_TRY(tl_relay_retire(recount->relay, recount->all, v, upto_ms, take_rows, &sink, err));
    }
out:
    return rc;
}
