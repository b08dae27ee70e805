/* stage.c: a run's jobs are computed and staged. See stage.h. */
#include "stage.h"

#include <stdlib.h>

#include "recompute.h"
#include "sql/shape.h"

/* ---- opening ---- */

static enum tl_code begin_run(struct tl_stage *stage, const char *reason, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    struct tl_buf versions;
    enum tl_code rc;

    tl_buf_init(&versions, 0);
    tl_functions_versions(scope->functions, &versions);
    TL_TRY(tl_buf_check(&versions, "the versions", err));
    TL_TRY(tl_store_run_begin(scope->store, reason, tl_buf_sv(&versions), scope->now_ms, &stage->run, err));
out:
    tl_buf_done(&versions);
    return rc;
}

static enum tl_code stage_offsets(struct tl_stage *stage, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin(scope->store, err));
    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        for (uint32_t p = 0; p < scope->inputs[s]->partitions_count; p++) {
            const struct tl_input_partition *partition = &scope->inputs[s]->partitions[p];

            TL_TRY(tl_store_stage_offset(scope->store, stage->run, partition->topic, tl_partition_in_topic(partition->partition),
                                         partition->next_offset, err));
        }
    }
    TL_TRY(tl_store_commit(scope->store, err));
out:
    tl_store_rollback(scope->store);
    return rc;
}

enum tl_code tl_stage_open(struct tl_stage *stage, const struct tl_scope *scope, const char *reason, struct tl_err *err)
{
    enum tl_code rc;

    stage->scope = scope;
    TL_TRY(tl_store_discard_staged(scope->store, err));
    TL_TRY(tl_carries_open(&stage->carries, scope->store, scope->definitions, scope->plan->views_count, err));
    TL_TRY(tl_jobs_open(&stage->jobs, scope->plan, scope->days, err));
    if (stage->jobs.count == 0)
        return TL_OK;
    TL_TRY(begin_run(stage, reason, err));
    TL_TRY(stage_offsets(stage, err));
out:
    return rc;
}

void tl_stage_close(struct tl_stage *stage)
{
    tl_jobs_close(&stage->jobs);
    tl_carries_close(&stage->carries);
    free(stage->held);
}

/* ---- ranges that are held back ---- */

enum tl_code tl_stage_hold(struct tl_stage *stage, uint32_t view, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    if (stage->held_count == stage->held_capacity) {
        uint32_t capacity = stage->held_capacity * 2 + 16;

        if (!TL_RESIZE(stage->held, capacity))
            return tl_fail_memory(err, capacity * sizeof *stage->held);
        stage->held_capacity = capacity;
    }
    stage->held[stage->held_count++] = (struct tl_held){view, from_ms, to_ms};
    return TL_OK;
}

/* ---- a job ---- */

/* The clean range that begins where the job ended must be done too if it was computed with another carry: the published one at that
 * bound stands with the range that used to end there, which this job has replaced. */
static enum tl_code follow_carry(struct tl_stage *stage, uint32_t at, uint32_t view, int64_t end_ms, struct tl_sv before,
                                 struct tl_sv now, struct tl_err *err)
{
    const struct tl_plan *plan = stage->scope->plan;
    const struct tl_days *days = &stage->scope->days[view];
    uint32_t root = tl_view_root(plan, view);
    enum tl_code rc = TL_OK;
    bool *views;

    if (tl_sv_eq(before, now) || tl_jobs_begin_at(&stage->jobs, at, view, end_ms) /* another of its family has seen to it */)
        return TL_OK;
    for (uint32_t d = 0; d < days->count; d++) {
        int64_t bounds[2] = {days->days[d].from_ms, days->days[d].to_ms};

        if (days->days[d].reason != TL_DAY_CLEAN || days->days[d].from_ms != end_ms)
            continue;
        views = calloc(plan->views_count, sizeof *views);
        if (views == NULL)
            return tl_fail_memory(err, plan->views_count);
        for (uint32_t v = root; v < plan->views_count; v++)
            views[v] = tl_view_root(plan, v) == root;
        rc = tl_jobs_add(&stage->jobs, at, plan->views[view].source, views, bounds, 1, err);
        free(views);
        break;
    }
    return rc;
}

static enum tl_code follow_carries(struct tl_stage *stage, uint32_t at, const struct tl_buf *carry_out, struct tl_err *err)
{
    const bool *views = stage->jobs.jobs[at].views; /* stays where it is when the queue moves */
    int64_t end_ms = stage->jobs.jobs[at].bounds[stage->jobs.jobs[at].ranges_count];
    struct tl_buf before;
    enum tl_code rc = TL_OK;

    tl_buf_init(&before, 0);
    for (uint32_t v = 0; v < stage->scope->plan->views_count; v++) {
        if (!views[v])
            continue;
        TL_TRY(tl_carry_published(&stage->carries, v, end_ms, &before, err));
        TL_TRY(tl_carry_remember(&stage->carries, v, end_ms, tl_buf_sv(&carry_out[v]), err));
        /* Behind this job in the queue, so before the view's later spans. */
        TL_TRY(follow_carry(stage, at + 1, v, end_ms, tl_buf_sv(&before), tl_buf_sv(&carry_out[v]), err));
    }
out:
    tl_buf_done(&before);
    return rc;
}

static void show_progress(void *ctx, uint64_t done, uint64_t count)
{
    tl_progress_step(ctx, done, count);
}

static enum tl_code run_job(struct tl_stage *stage, uint32_t at, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    const struct tl_job *job = &stage->jobs.jobs[at];
    uint32_t count = scope->plan->views_count;
    struct tl_sv *carry_in = calloc(count, sizeof *carry_in);
    struct tl_buf *carry_out = calloc(count, sizeof *carry_out);
    struct tl_recompute recompute = {.input = scope->inputs[job->source],
                                     .views_wanted = job->views,
                                     .definitions = scope->definitions,
                                     .bounds = job->bounds,
                                     .ranges_count = job->ranges_count,
                                     .carry_in = carry_in,
                                     .carry_out = carry_out,
                                     .jobs = stage->threads,
                                     .limit = stage->limit,
                                     .store = scope->store,
                                     .run = stage->run,
                                     .progress = show_progress,
                                     .progress_ctx = stage->progress};
    enum tl_code rc = TL_OK;

    if (carry_in == NULL || carry_out == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *carry_out));
    for (uint32_t v = 0; v < count; v++)
        if (job->views[v])
            TL_TRY(tl_carry_at(&stage->carries, v, job->bounds[0], &carry_in[v], err));
    TL_TRY(tl_recompute(&recompute, err));
    stage->ranges_count += job->ranges_count;
    stage->rows_count += recompute.rows_count;
    stage->events_count += recompute.events_count;
    stage->duplicates_count += recompute.duplicates_count;
    TL_TRY(follow_carries(stage, at, carry_out, err));
out:
    for (uint32_t v = 0; carry_out != NULL && v < count; v++)
        tl_buf_done(&carry_out[v]);
    free(carry_in);
    free(carry_out);
    return rc;
}

enum tl_code tl_stage_jobs(struct tl_stage *stage, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t j = 0; j < stage->jobs.count; j++)
        TL_TRY(run_job(stage, j, err));
    tl_progress_end(stage->progress);
out:
    return rc;
}
