/* stage.c: a run's jobs are computed and staged. See stage.h. */
#include "stage.h"

#include <stdlib.h>

#include "base/diag.h"
#include "event/timestamp.h"
#include "recompute.h"
#include "sql/shape.h"

/* ---- opening ---- */

struct unread {
    const struct tl_stage *stage;
    const struct tl_input_partition *partition;
};

static enum tl_code stage_unread(void *ctx, const struct tl_input_span *span, struct tl_err *err)
{
    const struct unread *unread = ctx;

    return tl_store_stage_unread(unread->stage->scope->store, unread->stage->run, unread->partition->topic,
                                 tl_partition_in_topic(unread->partition->partition), span->first_offset, span->last_offset, err);
}

/* The caller's transaction. */
static enum tl_code stage_source_unread(const struct tl_stage *stage, uint32_t source, struct tl_err *err)
{
    const struct tl_input *input = stage->scope->inputs[source];
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < input->partitions_count; p++) {
        struct unread unread = {stage, &input->partitions[p]};

        TL_TRY(tl_input_unread(&input->partitions[p], stage_unread, &unread, err));
    }
out:
    return rc;
}

static enum tl_code stage_offsets(struct tl_stage *stage, struct tl_sv checks, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin(scope->store, err));
    TL_TRY(tl_store_put_run_checks(scope->store, stage->run, checks, err));
    TL_TRY(tl_store_put_run_failure(scope->store, stage->run, "", err)); /* of the one that is gone on with */
    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        for (uint32_t p = 0; p < scope->inputs[s]->partitions_count; p++) {
            const struct tl_input_partition *partition = &scope->inputs[s]->partitions[p];

            TL_TRY(tl_store_stage_offset(scope->store, stage->run, partition->topic, tl_partition_in_topic(partition->partition),
                                         partition->next_offset, err));
        }
    }
    for (uint32_t s = 0; s < scope->plan->sources_count; s++)
        TL_TRY(stage_source_unread(stage, s, err));
    TL_TRY(tl_store_commit(scope->store, err));
out:
    tl_store_rollback(scope->store);
    return rc;
}

/* Where each key has a boundary of its own, what lies across the boundary has to be known, and that is known at the end of a job. A check may
 * make the end of any range the boundary. */
static enum tl_code open_jobs(struct tl_stage *stage, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    const struct tl_plan *plan = scope->plan;
    bool *singly = calloc(plan->views_count, sizeof *singly);
    enum tl_code rc = TL_OK;

    if (singly == NULL)
        return tl_fail_memory(err, plan->views_count);
    for (uint32_t v = 0; v < plan->views_count; v++)
        singly[v] = tl_view_cut_per_key(plan, &plan->views[v]) && tl_quality_may_keep(&stage->quality, v);
    rc = tl_jobs_open(&stage->jobs, plan, scope->days, singly, err);
    free(singly);
    return rc;
}

static void say_reused(const struct tl_stage *stage)
{
    char begun[TL_TIME_TEXT_BYTES];
    uint32_t staged = 0, count = 0;

    for (uint32_t j = 0; j < stage->jobs.count; j++) {
        staged += tl_reuse_count(&stage->reuse, &stage->jobs.jobs[j]);
        count += stage->jobs.jobs[j].ranges_count;
    }
    tl_time_to_iso_z(stage->reuse.started_ms, begun);
    tl_diag(TL_INFO, "goes on with run %lld, begun %s: %u of %u ranges are staged already", (long long)stage->run, begun, staged,
            count);
}

/* A run that was killed is only gone on with, or cleared away, where there is work: else nothing is wanted of it. */
static enum tl_code begin_run(struct tl_stage *stage, const char *reason, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    struct tl_sv checks = tl_sv_from(scope->checks != NULL ? scope->checks->hash : "");
    struct tl_buf versions;
    enum tl_code rc;

    tl_buf_init(&versions, 0);
    tl_functions_versions(scope->functions, &versions);
    TL_TRY(tl_buf_check(&versions, "the versions", err));
    if (stage->jobs.count == 0) {
        TL_TRY(tl_store_discard_staged(scope->store, err));
        goto out;
    }
    TL_TRY(tl_reuse_open(&stage->reuse, scope, tl_buf_sv(&versions), checks, err));
    stage->run = stage->reuse.run;
    if (stage->run != 0)
        say_reused(stage);
    else
        TL_TRY(tl_store_run_begin(scope->store, reason, tl_buf_sv(&versions), scope->now_ms, &stage->run, err));
    TL_TRY(stage_offsets(stage, checks, err));
out:
    tl_buf_done(&versions);
    return rc;
}

enum tl_code tl_stage_open(struct tl_stage *stage, const struct tl_scope *scope, const char *reason, struct tl_err *err)
{
    enum tl_code rc;

    stage->scope = scope;
    stage->quality = (struct tl_quality){scope->plan, scope->checks, scope->definitions, scope->store};
    TL_TRY(tl_carries_open(&stage->carries, scope->store, scope->definitions, scope->plan->views_count, err));
    TL_TRY(open_jobs(stage, err));
    TL_TRY(begin_run(stage, reason, err));
out:
    return rc;
}

void tl_stage_close(struct tl_stage *stage)
{
    tl_jobs_close(&stage->jobs);
    tl_carries_close(&stage->carries);
    tl_reuse_close(&stage->reuse);
    tl_left_out_done(&stage->left_out);
}

/* ---- ranges that are refused ---- */

/* The line carries what is published there, so that what begins behind it with that goes its own way. */
enum tl_code tl_stage_refuse(struct tl_stage *stage, uint32_t view, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    struct tl_run_range range = {.run = stage->run, .from_ms = from_ms, .to_ms = to_ms, .refused = true};
    struct tl_buf carry;
    enum tl_code rc;

    tl_buf_init(&carry, 0);
    TL_TRY(tl_carry_published(&stage->carries, view, to_ms, &carry, err));
    range.carry = tl_buf_sv(&carry);
    TL_TRY(tl_store_begin(scope->store, err));
    TL_TRY(tl_store_stage_range(scope->store, scope->definitions[view], &range, err));
    TL_TRY(tl_store_commit(scope->store, err));
    stage->refused_count++;
out:
    tl_store_rollback(scope->store);
    tl_buf_done(&carry);
    return rc;
}

/* ---- sealed days ---- */

/* A definition that has nothing published has them as one empty range. */
static enum tl_code stage_sealed(struct tl_stage *stage, uint32_t view, const struct tl_day *day, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    struct tl_run_range range = {.run = stage->run, .from_ms = day->from_ms, .to_ms = day->to_ms};
    char to[TL_TIME_TEXT_BYTES];
    enum tl_code rc;

    tl_time_to_iso_z(day->to_ms, to);
    tl_diag(TL_WARN, "view %.*s: %s, and the days up to %s are sealed: it has no rows of them",
            TL_SV_ARG(scope->plan->views[view].name),
            scope->days[view].undone ? "all that it had published was rolled back" : "its definition is new", to);
    TL_TRY(tl_reuse_drop(&stage->reuse, view, day->from_ms, day->to_ms, err)); /* of a run that was killed */
    TL_TRY(tl_store_begin(scope->store, err));
    TL_TRY(tl_store_stage_range(scope->store, scope->definitions[view], &range, err));
    TL_TRY(tl_store_commit(scope->store, err));
out:
    tl_store_rollback(scope->store);
    return rc;
}

static enum tl_code stage_all_sealed(struct tl_stage *stage, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        const struct tl_days *days = &scope->days[v];

        if (scope->wanted[v] && days->count > 0 && days->days[0].reason == TL_DAY_SEALED && days->boundary_ms == INT64_MIN)
            TL_TRY(stage_sealed(stage, v, &days->days[0], err));
    }
out:
    return rc;
}

/* ---- carry ---- */

/* The clean day of the view that begins there, or NULL. */
static const struct tl_day *clean_day(const struct tl_stage *stage, uint32_t view, int64_t from_ms)
{
    const struct tl_days *days = &stage->scope->days[view];

    for (uint32_t d = 0; d < days->count; d++)
        if (days->days[d].reason == TL_DAY_CLEAN && days->days[d].from_ms == from_ms)
            return &days->days[d];
    return NULL;
}

static enum tl_code began_with(struct tl_stage *stage, uint32_t view, const struct tl_day *day, struct tl_sv carry, bool *same,
                               struct tl_err *err)
{
    struct tl_buf published;
    enum tl_code rc = TL_OK;

    tl_buf_init(&published, 0);
    if (day->carry_in != 0) {
        *same = day->carry_in == tl_carry_hash(carry);
    } else { /* of before the hash was kept: the carry stands with the range that used to end there */
        TL_TRY(tl_carry_published(&stage->carries, view, day->from_ms, &published, err));
        *same = tl_sv_eq(tl_buf_sv(&published), carry);
    }
out:
    tl_buf_done(&published);
    return rc;
}

/* The clean range that begins where the job ended must be done too, for all the family, if it was computed with another carry. */
static enum tl_code follow_carry(struct tl_stage *stage, uint32_t at, uint32_t view, int64_t end_ms, struct tl_sv carry,
                                 struct tl_err *err)
{
    const struct tl_plan *plan = stage->scope->plan;
    const struct tl_day *day = clean_day(stage, view, end_ms);
    uint32_t root = tl_view_root(plan, view);
    bool *views = NULL, same = false;
    enum tl_code rc = TL_OK;

    if (day == NULL || tl_jobs_begin_at(&stage->jobs, at, view, end_ms) /* another of its family has seen to it */)
        goto out;
    TL_TRY(began_with(stage, view, day, carry, &same, err));
    if (same)
        goto out;
    if (day->held || day->sealed) {
        TL_TRY(tl_stage_refuse(stage, view, day->from_ms, day->to_ms, err));
        stage->held_count++;
        goto out;
    }
    views = calloc(plan->views_count, sizeof *views);
    if (views == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count));
    for (uint32_t v = root; v < plan->views_count; v++)
        views[v] = tl_view_root(plan, v) == root;
    TL_TRY(tl_jobs_add(&stage->jobs, at, plan->views[view].source, views, (int64_t[2]){day->from_ms, day->to_ms}, 1, err));
out:
    free(views);
    return rc;
}

/* Behind this job in the queue, so before the views' later spans. */
static enum tl_code follow_carries(struct tl_stage *stage, uint32_t at, struct tl_err *err)
{
    const bool *views = stage->jobs.jobs[at].views; /* stays where it is when the queue moves */
    int64_t end_ms = stage->jobs.jobs[at].bounds[stage->jobs.jobs[at].ranges_count];
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < stage->scope->plan->views_count; v++) {
        struct tl_sv carry;

        if (!views[v])
            continue;
        TL_TRY(tl_carry_at(&stage->carries, v, end_ms, &carry, err));
        TL_TRY(follow_carry(stage, at + 1, v, end_ms, carry, err));
    }
out:
    return rc;
}

/* ---- what is staged already ---- */

/* Takes the job's range as a killed run staged it, where it did, for all views, with the carries that they have now. */
static enum tl_code take_staged(struct tl_stage *stage, const struct tl_job *job, uint32_t r, bool *taken, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    int64_t from_ms = job->bounds[r], to_ms = job->bounds[r + 1];
    bool last = r + 1 == job->ranges_count, fits = stage->reuse.count > 0;
    struct tl_buf carry;
    enum tl_code rc = TL_OK;

    tl_buf_init(&carry, 0);
    *taken = false;
    for (uint32_t v = 0; v < scope->plan->views_count && fits; v++) {
        struct tl_reusable *range = job->views[v] ? tl_reuse_find(&stage->reuse, v, from_ms, to_ms) : NULL;
        struct tl_sv in;

        if (!job->views[v])
            continue;
        /* What lies open across the end of a span is staged behind its last range, which may have been too late. */
        fits = range != NULL && !(last && tl_view_cut_per_key(scope->plan, &scope->plan->views[v]));
        if (!fits)
            continue;
        TL_TRY(tl_carry_at(&stage->carries, v, from_ms, &in, err));
        fits = range->carry_in == tl_carry_hash(in);
    }
    for (uint32_t v = 0; v < scope->plan->views_count && fits; v++) {
        struct tl_reusable *range;

        if (!job->views[v])
            continue;
        range = tl_reuse_find(&stage->reuse, v, from_ms, to_ms);
        tl_buf_clear(&carry);
        TL_TRY(tl_store_staged_carry(scope->store, stage->run, scope->definitions[v], from_ms, &carry, err));
        TL_TRY(tl_carry_remember(&stage->carries, v, to_ms, tl_buf_sv(&carry), err));
        range->taken = true;
        stage->rows_count += range->rows_count;
    }
    if (fits) {
        stage->ranges_count++;
        stage->reused_count++;
    }
    *taken = fits;
out:
    tl_buf_done(&carry);
    return rc;
}

/* What is wrong with the record that the job's range is made of; NULL: nothing is known to be. */
static const char *damage_in(const struct tl_stage *stage, const struct tl_job *job, uint32_t r)
{
    return tl_input_damage(stage->scope->inputs[job->source], job->bounds[r], job->bounds[r + 1]);
}

/* The end of the ranges that have to be computed from r on: where something is staged again, or is damaged. */
static uint32_t next_other(const struct tl_stage *stage, const struct tl_job *job, uint32_t r)
{
    struct tl_job one = *job;

    one.ranges_count = 1;
    for (r++; r < job->ranges_count; r++) {
        one.bounds = job->bounds + r;
        if (tl_reuse_count(&stage->reuse, &one) > 0 || damage_in(stage, job, r) != NULL)
            break;
    }
    return r;
}

static enum tl_code drop_staged(struct tl_stage *stage, const struct tl_job *span, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < stage->scope->plan->views_count; v++)
        if (span->views[v])
            TL_TRY(tl_reuse_drop(&stage->reuse, v, span->bounds[0], span->bounds[span->ranges_count], err));
out:
    return rc;
}

/* ---- a damaged record ---- */

/* The job's range is left out: what is published there stays. Behind what is published nothing can follow it, for ranges leave no gap: *all. */
static enum tl_code leave_out(struct tl_stage *stage, const struct tl_job *job, uint32_t r, bool *all, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_left_out_add(&stage->left_out, scope, job->views, job->bounds[r], job->bounds[r + 1], err));
    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        if (!job->views[v])
            continue;
        TL_TRY(tl_reuse_drop(&stage->reuse, v, job->bounds[r], job->bounds[r + 1], err));
        TL_TRY(tl_stage_refuse(stage, v, job->bounds[r], job->bounds[r + 1], err));
        *all = *all || job->bounds[r + 1] > scope->days[v].boundary_ms;
    }
out:
    return rc;
}

/* A file turned out to be damaged when it was read: what came of the span so far goes, and what does not need the file is done again. */
static enum tl_code take_back(struct tl_stage *stage, const struct tl_job *span, const struct tl_input_file *file,
                              const char *damage, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    enum tl_code rc;

    TL_TRY(tl_input_found_damage(scope->inputs[span->source], file, damage, err));
    TL_TRY(tl_store_begin(scope->store, err));
    TL_TRY(stage_source_unread(stage, span->source, err));
    TL_TRY(tl_store_commit(scope->store, err));
    for (uint32_t v = 0; v < scope->plan->views_count; v++)
        if (span->views[v])
            TL_TRY(tl_store_unstage(scope->store, stage->run, scope->definitions[v], span->bounds[0],
                                    span->bounds[span->ranges_count], err));
out:
    tl_store_rollback(scope->store);
    return rc;
}

/* ---- a job ---- */

static void show_progress(void *ctx, uint64_t done, uint64_t count)
{
    const struct tl_stage *stage = ctx;
    uint64_t before = stage->bytes_count, all = before + count;

    tl_progress_step(stage->progress, before + done, all > stage->bytes_ahead ? all : stage->bytes_ahead);
}

static enum tl_code add_totals(struct tl_stage *stage, const struct tl_recompute *done, struct tl_err *err)
{
    struct tl_store *store = stage->scope->store;
    struct tl_run_totals totals = {
        .events_count = done->events_count, .bytes_count = done->bytes_count, .duplicates_count = done->duplicates_count};
    enum tl_code rc;

    stage->rows_count += done->rows_count;
    stage->bytes_count += done->bytes_count;
    stage->events_count += done->events_count;
    stage->duplicates_count += done->duplicates_count;
    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_add_run_totals(store, stage->run, &totals, err));
    TL_TRY(tl_store_commit(store, err));
out:
    tl_store_rollback(store);
    return rc;
}

/* Ranges that are not staged, or not as they would be now. *done: false when the record turned out to be damaged, which the input knows then. */
static enum tl_code compute(struct tl_stage *stage, const struct tl_job *span, bool *done, struct tl_err *err)
{
    const struct tl_scope *scope = stage->scope;
    uint32_t count = scope->plan->views_count;
    struct tl_sv *carry_in = calloc(count, sizeof *carry_in);
    struct tl_buf *carry_out = calloc(count, sizeof *carry_out);
    struct tl_row_findings findings = {&stage->quality, stage->run, span->bounds};
    struct tl_recompute recompute = {.input = scope->inputs[span->source],
                                     .views_wanted = span->views,
                                     .definitions = scope->definitions,
                                     .bounds = span->bounds,
                                     .ranges_count = span->ranges_count,
                                     .carry_in = carry_in,
                                     .carry_out = carry_out,
                                     .checks = scope->checks,
                                     .found = scope->checks != NULL ? tl_quality_found : NULL,
                                     .found_ctx = &findings,
                                     .jobs = stage->threads,
                                     .limit = stage->limit,
                                     .store = scope->store,
                                     .run = stage->run,
                                     .progress = show_progress,
                                     .progress_ctx = stage};
    enum tl_code rc = TL_OK;

    if (carry_in == NULL || carry_out == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *carry_out));
    TL_TRY(drop_staged(stage, span, err));
    for (uint32_t v = 0; v < count; v++)
        if (span->views[v])
            TL_TRY(tl_carry_at(&stage->carries, v, span->bounds[0], &carry_in[v], err));
    rc = tl_recompute(&recompute, err);
    *done = recompute.damaged == NULL;
    if (rc == TL_ERR_CORRUPT && !*done) {
        TL_TRY(take_back(stage, span, recompute.damaged, err->message, err));
        goto out;
    }
    TL_TRY(rc);
    stage->ranges_count += span->ranges_count;
    TL_TRY(add_totals(stage, &recompute, err));
    for (uint32_t v = 0; v < count; v++)
        if (span->views[v])
            TL_TRY(tl_carry_remember(&stage->carries, v, span->bounds[span->ranges_count], tl_buf_sv(&carry_out[v]), err));
out:
    for (uint32_t v = 0; carry_out != NULL && v < count; v++)
        tl_buf_done(&carry_out[v]);
    free(carry_in);
    free(carry_out);
    return rc;
}

static enum tl_code run_job(struct tl_stage *stage, uint32_t at, struct tl_err *err)
{
    struct tl_job job = stage->jobs.jobs[at];
    bool all_left_out = false;
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < job.ranges_count;) {
        const char *damage = damage_in(stage, &job, r);
        struct tl_job span = job;
        bool taken = false, done;

        if (damage != NULL)
            TL_TRY(tl_left_out_say(&stage->left_out, damage, err));
        if (damage != NULL || all_left_out)
            TL_TRY(leave_out(stage, &job, r, &all_left_out, err));
        else
            TL_TRY(take_staged(stage, &job, r, &taken, err));
        if (damage != NULL || all_left_out || taken) {
            r++;
            continue;
        }
        span.bounds = job.bounds + r;
        span.ranges_count = next_other(stage, &job, r) - r;
        TL_TRY(compute(stage, &span, &done, err));
        r += done ? span.ranges_count : 0;
    }
    TL_TRY(follow_carries(stage, at, err));
out:
    return rc;
}

enum tl_code tl_stage_jobs(struct tl_stage *stage, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(stage_all_sealed(stage, err));
    for (uint32_t j = 0; j < stage->jobs.count; j++)
        stage->bytes_ahead += stage->jobs.jobs[j].bytes;
    for (uint32_t j = 0; j < stage->jobs.count; j++)
        TL_TRY(run_job(stage, j, err));
    for (uint32_t v = 0; v < stage->scope->plan->views_count; v++)
        TL_TRY(tl_reuse_drop(&stage->reuse, v, INT64_MIN, INT64_MAX, err)); /* was not wanted any more */
    tl_progress_end(stage->progress);
out:
    return rc;
}
