/* batch_run.c: the command: finds the dirty ranges of every view, recomputes them, publishes them all at once.
 *
 * One run covers all views. Views of one source that have the same work are computed in one pass. A job is a span of contiguous ranges
 * for such a group of views; when a job's carry differs from what the clean range behind it was computed with, that range becomes a
 * job too, and so on forward exactly as far as the carry differs. Nothing is visible before the publication at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/process.h"
#include "family.h"
#include "event/timestamp.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/option.h"
#include "main/progress.h"
#include "main/stop.h"
#include "main/views.h"
#include "recompute.h"
#include "sql/shape.h"

struct batch_options {
    int64_t from_ms, to_ms, jobs;
};

/* Spans of one group of views. */
struct job {
    uint32_t source;
    bool *views; /* per view of the plan */
    int64_t *bounds;
    uint32_t ranges_count;
};

/* What a view carries over the bound that its last job ended at, as this run has computed it: a view's jobs go forward in time, so no
 * older one is asked for. */
struct carry {
    bool known;
    int64_t at_ms;
    struct tl_buf bytes;
};

struct batch {
    const struct tl_common_options *common;
    const struct batch_options *own;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_store *store;
    struct tl_master *master;
    struct tl_source_topics *topics;
    struct tl_lock *lock;
    struct tl_input **inputs; /* per source */
    int64_t *definitions;     /* per view */
    struct tl_days *days;     /* per view */
    struct job *jobs;         /* a queue in order of time within each group */
    uint32_t jobs_count, jobs_capacity;
    struct carry *carries; /* per view */
    struct tl_progress progress;
    int64_t run;
    int64_t started_ms;
    uint64_t ranges_count, rows_count, events_count, duplicates_count;
};

/* ---- jobs ---- */

static enum tl_code add_job(struct batch *batch, uint32_t at, uint32_t source, const bool *views, const int64_t *bounds,
                            uint32_t ranges_count, struct tl_err *err)
{
    uint32_t views_count = batch->plan->views_count;
    struct job job = {.source = source, .ranges_count = ranges_count};

    if (batch->jobs_count == batch->jobs_capacity) {
        uint32_t capacity = batch->jobs_capacity * 2 + 16;

        if (!TL_RESIZE(batch->jobs, capacity))
            return tl_fail_memory(err, capacity * sizeof *batch->jobs);
        batch->jobs_capacity = capacity;
    }
    job.views = malloc(views_count * sizeof *job.views);
    job.bounds = malloc((ranges_count + 1) * sizeof *job.bounds);
    if (job.views == NULL || job.bounds == NULL) {
        free(job.views);
        free(job.bounds);
        return tl_fail_memory(err, ranges_count * sizeof *job.bounds);
    }
    memcpy(job.views, views, views_count * sizeof *job.views);
    memcpy(job.bounds, bounds, (ranges_count + 1) * sizeof *job.bounds);
    memmove(batch->jobs + at + 1, batch->jobs + at, (batch->jobs_count - at) * sizeof *batch->jobs);
    batch->jobs[at] = job;
    batch->jobs_count++;
    return TL_OK;
}

static bool same_work(const struct tl_days *a, const struct tl_days *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t d = 0; d < a->count; d++)
        if (a->days[d].from_ms != b->days[d].from_ms || a->days[d].to_ms != b->days[d].to_ms ||
            (a->days[d].reason == TL_DAY_CLEAN) != (b->days[d].reason == TL_DAY_CLEAN))
            return false;
    return true;
}

static enum tl_code add_spans(struct batch *batch, uint32_t source, const bool *views, const struct tl_days *days,
                              struct tl_err *err)
{
    int64_t *bounds = malloc((days->count + 1) * sizeof *bounds);
    uint32_t ranges = 0;
    enum tl_code rc = TL_OK;

    if (bounds == NULL)
        return tl_fail_memory(err, days->count * sizeof *bounds);
    for (uint32_t d = 0; d < days->count; d++) {
        const struct tl_day *day = &days->days[d];
        bool last = d + 1 == days->count || days->days[d + 1].reason == TL_DAY_CLEAN;

        if (day->reason == TL_DAY_CLEAN)
            continue;
        if (ranges == 0)
            bounds[0] = day->from_ms;
        bounds[++ranges] = day->to_ms;
        if (last) {
            TL_TRY(add_job(batch, batch->jobs_count, source, views, bounds, ranges, err));
            ranges = 0;
        }
    }
out:
    free(bounds);
    return rc;
}

/* Groups the views that have the same work, and cuts their work into jobs. */
static enum tl_code make_jobs(struct batch *batch, struct tl_err *err)
{
    uint32_t count = batch->plan->views_count;
    bool *done = calloc(count, sizeof *done), *views = calloc(count, sizeof *views);
    enum tl_code rc = TL_OK;

    if (done == NULL || views == NULL)
        TL_TRY(tl_fail_memory(err, count));
    for (uint32_t v = 0; v < count; v++) {
        if (done[v])
            continue;
        memset(views, 0, count * sizeof *views);
        for (uint32_t other = v; other < count; other++) {
            if (!done[other] && batch->plan->views[other].source == batch->plan->views[v].source &&
                same_work(&batch->days[v], &batch->days[other]))
                views[other] = done[other] = true;
        }
        TL_TRY(add_spans(batch, batch->plan->views[v].source, views, &batch->days[v], err));
    }
out:
    free(done);
    free(views);
    return rc;
}

/* ---- carry ---- */

/* The carry over this bound as it is published now. */
static enum tl_code published_carry(struct batch *batch, uint32_t view, int64_t at_ms, struct tl_buf *out, struct tl_err *err)
{
    tl_buf_clear(out);
    return tl_store_carry(batch->store, batch->definitions[view], at_ms, out, err);
}

/* What the view's next job, which begins here, starts with: what its last one left here, or else what is published. */
static enum tl_code carry_at(struct batch *batch, uint32_t view, int64_t at_ms, struct tl_sv *out, struct tl_err *err)
{
    struct carry *carry = &batch->carries[view];
    enum tl_code rc = TL_OK;

    if (!carry->known || carry->at_ms != at_ms)
        TL_TRY(published_carry(batch, view, at_ms, &carry->bytes, err));
    *out = tl_buf_sv(&carry->bytes);
out:
    return rc;
}

static enum tl_code remember_carry(struct batch *batch, uint32_t view, int64_t at_ms, const struct tl_buf *bytes,
                                   struct tl_err *err)
{
    struct carry *carry = &batch->carries[view];

    carry->known = true;
    carry->at_ms = at_ms;
    tl_buf_clear(&carry->bytes);
    tl_buf_put_sv(&carry->bytes, tl_buf_sv(bytes));
    return tl_buf_check(&carry->bytes, "carry", err);
}

/* The clean range that begins where the job ended must be done too if it was computed with another carry: the published one at that
 * bound stands with the range that used to end there, which this job has replaced. */
static enum tl_code follow_carry(struct batch *batch, uint32_t at, uint32_t view, int64_t end_ms, struct tl_sv before,
                                 const struct tl_buf *now, struct tl_err *err)
{
    const struct tl_days *days = &batch->days[view];
    uint32_t root = tl_view_root(batch->plan, view);
    enum tl_code rc = TL_OK;
    bool *views;

    if (tl_sv_eq(before, tl_buf_sv(now)))
        return TL_OK;
    for (uint32_t j = at; j < batch->jobs_count; j++)
        if (batch->jobs[j].bounds[0] == end_ms && batch->jobs[j].views[view])
            return TL_OK; /* another of its family has seen to it */
    for (uint32_t d = 0; d < days->count; d++) {
        int64_t bounds[2] = {days->days[d].from_ms, days->days[d].to_ms};

        if (days->days[d].reason != TL_DAY_CLEAN || days->days[d].from_ms != end_ms)
            continue;
        views = calloc(batch->plan->views_count, sizeof *views);
        if (views == NULL)
            return tl_fail_memory(err, batch->plan->views_count);
        for (uint32_t v = root; v < batch->plan->views_count; v++)
            views[v] = tl_view_root(batch->plan, v) == root;
        rc = add_job(batch, at, batch->plan->views[view].source, views, bounds, 1, err);
        free(views);
        break;
    }
    return rc;
}

/* ---- a job ---- */

static void show_progress(void *ctx, uint64_t done, uint64_t count)
{
    tl_progress_step(ctx, done, count);
}

static enum tl_code run_job(struct batch *batch, uint32_t at, struct tl_err *err)
{
    const struct job *job = &batch->jobs[at];
    uint32_t count = batch->plan->views_count;
    int64_t end_ms = job->bounds[job->ranges_count];
    struct tl_sv *carry_in = calloc(count, sizeof *carry_in);
    struct tl_buf *carry_out = calloc(count, sizeof *carry_out);
    const bool *views = job->views;
    struct tl_buf before;
    struct tl_recompute recompute = {.input = batch->inputs[job->source],
                                     .views_wanted = job->views,
                                     .definitions = batch->definitions,
                                     .bounds = job->bounds,
                                     .ranges_count = job->ranges_count,
                                     .carry_in = carry_in,
                                     .carry_out = carry_out,
                                     .jobs = (uint32_t)batch->own->jobs,
                                     .store = batch->store,
                                     .run = batch->run,
                                     .progress = show_progress,
                                     .progress_ctx = &batch->progress};
    enum tl_code rc = TL_OK;

    tl_buf_init(&before, 0);
    if (carry_in == NULL || carry_out == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *carry_out));
    for (uint32_t v = 0; v < count; v++)
        if (views[v])
            TL_TRY(carry_at(batch, v, job->bounds[0], &carry_in[v], err));
    TL_TRY(tl_recompute(&recompute, err));
    batch->ranges_count += job->ranges_count;
    batch->rows_count += recompute.rows_count;
    batch->events_count += recompute.events_count;
    batch->duplicates_count += recompute.duplicates_count;
    for (uint32_t v = 0; v < count; v++) {
        if (!views[v])
            continue;
        TL_TRY(published_carry(batch, v, end_ms, &before, err));
        TL_TRY(remember_carry(batch, v, end_ms, &carry_out[v], err));
        /* Behind this job in the queue, so before the view's later spans. The queue may move: `job` is not used any more. */
        TL_TRY(follow_carry(batch, at + 1, v, end_ms, tl_buf_sv(&before), &carry_out[v], err));
    }
out:
    for (uint32_t v = 0; carry_out != NULL && v < count; v++)
        tl_buf_done(&carry_out[v]);
    tl_buf_done(&before);
    free(carry_in);
    free(carry_out);
    return rc;
}

/* ---- a run ---- */

static enum tl_code stage_offsets(struct batch *batch, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin(batch->store, err));
    for (uint32_t s = 0; s < batch->plan->sources_count; s++) {
        for (uint32_t p = 0; p < batch->inputs[s]->partitions_count; p++) {
            const struct tl_input_partition *partition = &batch->inputs[s]->partitions[p];

            TL_TRY(tl_store_stage_offset(batch->store, batch->run, partition->topic, tl_partition_in_topic(partition->partition),
                                         partition->next_offset, err));
        }
    }
    TL_TRY(tl_store_commit(batch->store, err));
out:
    tl_store_rollback(batch->store);
    return rc;
}

static void describe(const struct batch *batch, char *out, size_t size)
{
    char from[TL_TIME_TEXT_BYTES] = "", to[TL_TIME_TEXT_BYTES] = "";

    if (batch->own->from_ms == TL_TIME_NONE && batch->own->to_ms == TL_TIME_NONE) {
        snprintf(out, size, "nightly");
        return;
    }
    if (batch->own->from_ms != TL_TIME_NONE)
        tl_time_to_iso_z(batch->own->from_ms, from);
    if (batch->own->to_ms != TL_TIME_NONE)
        tl_time_to_iso_z(batch->own->to_ms, to);
    snprintf(out, size, "%s %s..%s", batch->own->from_ms != TL_TIME_NONE ? "backfill" : "up to", from, to);
}

/* Where it cannot be just now, the next run tries again, and so does speed: what was published stays. */
static enum tl_code swap_in(struct batch *batch, uint32_t v, struct tl_err *err)
{
    struct tl_sv name = batch->plan->views[v].name;
    bool swapped = false;
    enum tl_code rc = tl_store_swap(batch->store, batch->definitions[v], 0, &swapped, err);

    if (rc != TL_OK && (err->retriable || rc == TL_ERR_UNKNOWN)) {
        tl_diag(TL_WARN, "view %.*s: its new definition is published and is not swapped in, the next run tries again: %s",
                TL_SV_ARG(name), err->message);
        rc = TL_OK;
    }
    if (swapped)
        tl_diag(TL_INFO, "view %.*s: its new definition is published as far as the old one and serves now", TL_SV_ARG(name));
    return rc;
}

static enum tl_code finish(struct batch *batch, struct tl_err *err)
{
    int64_t keep_ms = batch->plan->settings.speed_retention_ms, boundary_ms = INT64_MAX;
    char boundary[TL_TIME_TEXT_BYTES], ranges[TL_COUNT_TEXT_BYTES], rows[TL_COUNT_TEXT_BYTES], events[TL_COUNT_TEXT_BYTES],
        duplicates[TL_COUNT_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < batch->plan->views_count; v++) {
        struct tl_definition definition;

        TL_TRY(swap_in(batch, v, err));
        TL_TRY(tl_store_prune_speed(batch->store, batch->definitions[v], batch->started_ms - keep_ms, err));
        TL_TRY(tl_store_definition(batch->store, batch->definitions[v], &definition, err));
        if (definition.boundary_ms != INT64_MIN) /* a view of a topic that has no events yet is published nowhere */
            boundary_ms = tl_min_i64(boundary_ms, definition.boundary_ms);
    }
    tl_time_to_iso_z(boundary_ms, boundary);
    printf("run %lld: published up to %s: %s range%s, %s row%s, %s event%s read, %s duplicate%s removed, %.1f s\n",
           (long long)batch->run, boundary, tl_count_text(batch->ranges_count, ranges), batch->ranges_count == 1 ? "" : "s",
           tl_count_text(batch->rows_count, rows), batch->rows_count == 1 ? "" : "s", tl_count_text(batch->events_count, events),
           batch->events_count == 1 ? "" : "s", tl_count_text(batch->duplicates_count, duplicates),
           batch->duplicates_count == 1 ? "" : "s", (double)(tl_clock_wall_ms() - batch->started_ms) / 1000.0);
out:
    return rc;
}

static enum tl_code begin_run(struct batch *batch, const char *reason, struct tl_err *err)
{
    struct tl_buf versions;
    enum tl_code rc;

    tl_buf_init(&versions, 0);
    tl_functions_versions(batch->functions, &versions);
    TL_TRY(tl_buf_check(&versions, "the versions", err));
    TL_TRY(tl_store_run_begin(batch->store, reason, tl_buf_sv(&versions), batch->started_ms, &batch->run, err));
out:
    tl_buf_done(&versions);
    return rc;
}

static enum tl_code do_run(struct batch *batch, struct tl_err *err)
{
    char reason[128];
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_discard_staged(batch->store, err));
    TL_TRY(make_jobs(batch, err));
    if (batch->jobs_count == 0)
        return TL_OK; /* nothing has changed, and nothing is said */
    describe(batch, reason, sizeof reason);
    TL_TRY(begin_run(batch, reason, err));
    TL_TRY(stage_offsets(batch, err));
    for (uint32_t j = 0; j < batch->jobs_count; j++)
        TL_TRY(run_job(batch, j, err));
    tl_progress_end(&batch->progress);
    TL_TRY(tl_store_publish(batch->store, batch->run, tl_clock_wall_ms(), err));
    TL_TRY(finish(batch, err));
out:
    return rc;
}

/* Says where the wish could not be met. */
static void note_limits(const struct batch *batch, uint32_t v)
{
    const struct tl_days *days = &batch->days[v];
    char text[TL_TIME_TEXT_BYTES], complete[TL_TIME_TEXT_BYTES];

    if (batch->own->from_ms != TL_TIME_NONE && days->boundary_ms != INT64_MIN && batch->own->from_ms > days->boundary_ms &&
        days->target_ms > days->boundary_ms) {
        tl_time_to_iso_z(days->boundary_ms, text);
        tl_diag(TL_INFO, "view %.*s: starts at %s, since ranges leave no gap", TL_SV_ARG(batch->plan->views[v].name), text);
    }
    if (batch->own->to_ms != TL_TIME_NONE && days->target_ms < batch->own->to_ms) {
        if (days->target_ms == INT64_MIN) {
            tl_diag(TL_INFO, "view %.*s: nothing can be published: the archive holds no events, or not up to any moment",
                    TL_SV_ARG(batch->plan->views[v].name));
            return;
        }
        tl_time_to_iso_z(days->target_ms, text);
        tl_time_to_iso_z(days->complete_ms, complete);
        tl_diag(TL_INFO,
                "view %.*s: ends at %s: the archive is complete up to %s (run tally archive, or wait for 'tally.batch-grace')",
                TL_SV_ARG(batch->plan->views[v].name), text, complete);
    }
}

struct recorded {
    struct batch *batch;
    uint32_t source;
};

/* What was imported for a topic that has no record of its own is read as well. */
static enum tl_code topic_recorded(void *ctx, struct tl_sv name, struct tl_err *err)
{
    static const char import[] = ".import";
    struct recorded *recorded = ctx;

    if (tl_sv_ends(name, TL_SV(import)))
        name.size -= sizeof import - 1;
    return tl_source_topics_add(recorded->batch->topics, recorded->source, name, err);
}

/* Of patterns: what is on record by now has a number before it is read. */
static enum tl_code find_topics(struct batch *batch, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_source_topics_open(batch->plan, &batch->topics, err));
    for (uint32_t s = 0; s < batch->plan->sources_count; s++) {
        struct recorded recorded = {batch, s};

        if (batch->plan->sources[s].topic_pattern.data != NULL)
            TL_TRY(tl_master_topics(batch->master, topic_recorded, &recorded, err));
    }
    TL_TRY(tl_source_topics_number(batch->topics, batch->store, err));
out:
    return rc;
}

static enum tl_code look(struct batch *batch, struct tl_err *err)
{
    const struct tl_plan *plan = batch->plan;
    struct tl_days_wish wish = {.from_ms = batch->own->from_ms, .to_ms = batch->own->to_ms, .now_ms = batch->started_ms};
    struct tl_family_views families = {.plan = plan, .store = batch->store};
    enum tl_code rc = TL_OK;

    batch->inputs = calloc(plan->sources_count, sizeof(struct tl_input *));
    batch->definitions = calloc(plan->views_count, sizeof *batch->definitions);
    batch->days = calloc(plan->views_count, sizeof *batch->days);
    batch->carries = calloc(plan->views_count, sizeof *batch->carries);
    if (batch->inputs == NULL || batch->definitions == NULL || batch->days == NULL || batch->carries == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *batch->days));
    TL_TRY(tl_master_open(batch->common->data, &batch->master, err));
    TL_TRY(find_topics(batch, err));
    for (uint32_t s = 0; s < plan->sources_count; s++)
        TL_TRY(tl_input_open(batch->master, plan, s, batch->topics, &batch->inputs[s], err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct tl_shape shape;

        TL_TRY(tl_shape_of(batch->plan, &plan->views[v], &shape, err));
        TL_TRY(tl_store_define(batch->store, &shape, &batch->definitions[v], err));
    }
    families.inputs = batch->inputs;
    families.definitions = batch->definitions;
    families.days = batch->days;
    TL_TRY(tl_family_open_days(&families, &wish, err));
    for (uint32_t v = 0; v < plan->views_count; v++)
        note_limits(batch, v);
out:
    return rc;
}

static void close_all(struct batch *batch)
{
    for (uint32_t j = 0; j < batch->jobs_count; j++) {
        free(batch->jobs[j].views);
        free(batch->jobs[j].bounds);
    }
    for (uint32_t v = 0; batch->carries != NULL && v < batch->plan->views_count; v++)
        tl_buf_done(&batch->carries[v].bytes);
    for (uint32_t v = 0; batch->days != NULL && v < batch->plan->views_count; v++)
        tl_days_close(&batch->days[v]);
    for (uint32_t s = 0; batch->inputs != NULL && s < batch->plan->sources_count; s++)
        tl_input_close(batch->inputs[s]);
    tl_source_topics_close(batch->topics);
    free(batch->jobs);
    free(batch->carries);
    free(batch->days);
    free(batch->definitions);
    free(batch->inputs);
    tl_master_close(batch->master);
    tl_store_close(batch->store);
    tl_lock_release(batch->lock);
    tl_views_close(batch->functions, batch->plan);
}

/* The lock file is for this data directory; machines with others may share the store. */
static enum tl_code lock_store(struct batch *batch, struct tl_err *err)
{
    char name[TL_PROCESS_NAME_MAX], words[TL_PROCESS_NAME_MAX];

    tl_process_name(name);
    tl_process_words(name, words);
    return tl_store_lock(batch->store, "batch", words, err);
}

static enum tl_code batch_main(struct batch *batch, struct tl_err *err)
{
    char path[4200];
    enum tl_code rc = TL_OK;

    if (batch->own->from_ms != TL_TIME_NONE && batch->own->to_ms != TL_TIME_NONE && batch->own->from_ms >= batch->own->to_ms)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--from must be before --to: a range is what lies after --from, up to --to"));
    TL_TRY(tl_options_need_views(batch->common, err));
    TL_TRY(tl_views_open(batch->common, batch->common->views, &batch->functions, &batch->plan, err));
    TL_TRY(tl_data_dir_make(batch->common->data, err));
    snprintf(path, sizeof path, "%s/batch.lock", batch->common->data);
    TL_TRY(tl_lock_take(path, "batch", &batch->lock, err));
    batch->started_ms = tl_clock_wall_ms();
    TL_TRY(tl_store_open(batch->common->store, TL_STORE_WRITE, &batch->store, err));
    TL_TRY(lock_store(batch, err));
    TL_TRY(tl_views_take_secret(batch->functions, batch->store, err));
    TL_TRY(look(batch, err));
    TL_TRY(do_run(batch, err));
out:
    tl_progress_end(&batch->progress);
    close_all(batch);
    return rc;
}

static const struct tl_option batch_table[] = {
    {"from", TL_OPT_TIME,  "TIME", "recompute what ends after this, changed or not",                        offsetof(struct batch_options, from_ms), 0},
    {"to",   TL_OPT_TIME,  "TIME",
     "publish up to here; \"now\" for all that the archive is complete for; unless set: the last midnight", offsetof(struct batch_options, to_ms),   0},
    {"jobs", TL_OPT_COUNT, "N",    "threads; one per core unless set",                                      offsetof(struct batch_options, jobs),    0},
};

static const struct tl_usage batch_usage = {
    .text = "Recomputes from the master record the days whose input changed since they were last published, and publishes them "
            "at once. Run it "
            "twice, and the second time changes nothing. Silent when there is nothing to do.",
    .example = "tally batch --views views.sql --data tally-data",
    .options = batch_table,
    .options_count = TL_COUNT(batch_table),
};

TL_COMMAND(batch, "recompute what changed from the full record, and publish it")
{
    struct batch_options own = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE};
    struct tl_common_options common;
    struct batch batch = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&batch_usage, argc, argv, &common, &own, &status))
        return status;
    if (own.jobs == 0)
        own.jobs = tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1);
    tl_stop_install();
    tl_progress_begin(&batch.progress, "batch");
    rc = batch_main(&batch, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
