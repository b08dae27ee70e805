/* recompute.c: a span of ranges of the master record through the core. See recompute.h. */
#include "recompute.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "carry.h"
#include "core/core.h"
#include "family.h"
#include "main/stop.h"
#include "master/crew.h"
#include "sql/shape.h"
#include "store/store_quarantine.h"

#ifdef TL_TINY
enum { COMMIT_ROWS = 3, RANGE_ROWS = 1 };
#else
enum { COMMIT_ROWS = 50000, RANGE_ROWS = 10000 };
#endif
enum { RANGE_MS = 200 };

struct worker {
    struct pass *pass;
    struct tl_core *core;
    struct tl_partial *partials[TL_CREW_SIDES];
    struct tl_crew_work *work; /* at hand */
};

struct pass {
    struct tl_recompute *job;
    const struct tl_plan *plan;
    struct tl_feed *feed;
    bool ahead;                                  /* for the duplicates alone: nothing is counted */
    const bool *no_views;                        /* per view; false */
    uint64_t readings, bytes_before, bytes_read; /* for progress: of the span, in the reading before and in this one */
    struct tl_duplicates *duplicates;            /* whose turn it is touches them */
    struct tl_partial *all;
    struct tl_relay *relay; /* NULL: no view reads another */
    uint32_t cut;           /* ranges whose end has been cut */
    struct worker *workers;
    uint32_t workers_count;
    uint64_t (*outcomes)[TL_OUTCOMES]; /* view * ranges_count + range */
    uint64_t *rows;                    /* the same */
    struct tl_check_count *checks;     /* range * row checks + check */
    struct tl_dropped *dropped;        /* of one view, while they are staged */
    size_t dropped_capacity;
    uint64_t uncommitted; /* rows in the open transaction */
    bool in_transaction;
    int64_t begun_ms; /* the transaction, monotonic */
};

/* ---- workers ---- */

static enum tl_code see_ids(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                            const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct worker *worker = ctx;
    struct tl_duplicates *duplicates = worker->pass->duplicates;
    enum tl_code rc = TL_OK;

    (void)source;
    (void)partition;
    (void)log_ms;
    TL_TRY(tl_crew_wait(worker->work, 0, err));
    TL_TRY(tl_duplicates_see(duplicates, ids, time_ms, count, seen, err));
    tl_duplicates_forget(duplicates, worker->work->floor_ms);
    tl_crew_pass(worker->work, 0);
out:
    return rc;
}

static enum tl_code push_chunk(void *ctx, struct tl_crew_work *work, struct tl_err *err)
{
    struct pass *pass = ctx;
    struct worker *worker = &pass->workers[work->worker];
    struct tl_partial *partial = worker->partials[work->side];
    struct tl_core_input input = {.source = pass->job->input->source,
                                  .partition = UINT32_MAX,
                                  .messages = work->chunk.messages,
                                  .partitions = work->chunk.partitions,
                                  .count = work->chunk.count};
    uint64_t groups_before = tl_partial_groups(partial), groups;
    enum tl_code rc;

    worker->work = work;
    TL_TRY(tl_core_push(worker->core, &input, partial, err));
    groups = tl_partial_groups(partial);
    work->groups = groups > groups_before ? groups - groups_before : 0; /* sessions become one */
out:
    return rc;
}

static enum tl_code note_damaged(void *ctx, const struct tl_feed_ref *ref, enum tl_code code, struct tl_err *err)
{
    struct pass *pass = ctx;

    (void)err;
    if (code == TL_ERR_CORRUPT)
        pass->job->damaged = ref->of;
    return code;
}

/* ---- main: merge, retire, stage ---- */

static uint32_t row_checks(const struct tl_recompute *job)
{
    return job->checks != NULL ? job->checks->rows_count : 0;
}

struct sink {
    struct pass *pass;
    uint32_t view;
};

static enum tl_code begin_staging(struct pass *pass, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (!pass->in_transaction)
        TL_TRY(tl_store_begin(pass->job->store, err));
    if (!pass->in_transaction)
        pass->begun_ms = tl_clock_monotonic_ms();
    pass->in_transaction = true;
out:
    return rc;
}

static enum tl_code commit_staging(struct pass *pass, bool now, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (!pass->in_transaction || (!now && pass->uncommitted < COMMIT_ROWS))
        return TL_OK;
    TL_TRY(tl_store_commit(pass->job->store, err));
    pass->in_transaction = false;
    pass->uncommitted = 0;
out:
    return rc;
}

static enum tl_code stage_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct sink *sink = ctx;
    struct pass *pass = sink->pass;
    struct tl_recompute *job = pass->job;
    /* (from, to] holds the end of a window; [from, to) the time of an event, and the end of a session (tl_view_ends_open). */
    bool windowed = pass->plan->views[sink->view].window.window != TL_WINDOW_NONE &&
                    !tl_view_ends_open(pass->plan, &pass->plan->views[sink->view]);
    uint64_t *counts = pass->rows + (size_t)sink->view * job->ranges_count;
    uint32_t range = 0;
    enum tl_code rc = TL_OK;

    TL_TRY(begin_staging(pass, err));
    TL_TRY(tl_store_stage_rows(job->store, job->run, job->definitions[sink->view], rows, err));
    for (uint32_t i = 0; i < rows->count; i++) {
        range = tl_range_of(pass->job->bounds, pass->job->ranges_count, windowed ? rows->end_ms[i] - 1 : rows->end_ms[i], range);
        counts[range]++;
    }
    job->rows_count += rows->count;
    pass->uncommitted += rows->count;
    TL_TRY(commit_staging(pass, false, err));
out:
    return rc;
}

static enum tl_code stage_ledger(struct pass *pass, uint32_t v, const struct tl_ledger *ledger, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (ledger->count == 0)
        return TL_OK;
    TL_TRY(begin_staging(pass, err));
    TL_TRY(tl_store_put_ledger(pass->job->store, pass->job->definitions[v], pass->job->run, ledger->lines, ledger->count, err));
    pass->uncommitted += ledger->count;
    TL_TRY(commit_staging(pass, false, err));
out:
    return rc;
}

/* The events behind the view's lines of cause dq_reject: both stand in the order in which the core met them, and more are dropped than
 * this view would have counted. The bytes of a message stand with the first of its events that the view has. */
static enum tl_code gather_dropped(struct pass *pass, const struct tl_ledger *ledger, const struct tl_partial *partial,
                                   size_t *count, struct tl_err *err)
{
    const struct tl_dropped *dropped = partial->dropped;
    struct tl_sv raw = {NULL, 0};

    *count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct tl_ledger_line *line = &ledger->lines[i];
        struct tl_dropped *mine;

        if (line->cause != TL_CAUSE_DQ_REJECT)
            continue;
        for (;; dropped++) {
            assert(dropped < partial->dropped + partial->dropped_count);
            if (dropped->raw.size > 0)
                raw = dropped->raw;
            if (dropped->offset == line->offset && dropped->partition == line->partition && dropped->row == line->row)
                break;
        }
        if (*count == pass->dropped_capacity) {
            size_t capacity = pass->dropped_capacity * 2 + 64;

            if (!TL_RESIZE(pass->dropped, capacity))
                return tl_fail_memory(err, capacity * sizeof *pass->dropped);
            pass->dropped_capacity = capacity;
        }
        mine = &pass->dropped[(*count)++];
        *mine = *dropped;
        mine->raw = raw;
        if (*count > 1 && mine[-1].offset == mine->offset && mine[-1].partition == mine->partition)
            mine->raw = (struct tl_sv){NULL, 0};
    }
    return TL_OK;
}

static enum tl_code stage_dropped(struct pass *pass, uint32_t v, const struct tl_partial *partial, struct tl_err *err)
{
    size_t count;
    enum tl_code rc = TL_OK;

    if (partial->dropped_count == 0)
        return TL_OK;
    TL_TRY(gather_dropped(pass, &partial->views[v].ledger, partial, &count, err));
    if (count == 0)
        return TL_OK;
    TL_TRY(begin_staging(pass, err));
    TL_TRY(tl_store_put_quarantine(pass->job->store, pass->job->definitions[v], pass->job->run, pass->dropped, count, err));
    pass->uncommitted += count;
    TL_TRY(commit_staging(pass, false, err));
out:
    return rc;
}

/* What is no event is no range's, and stands beside speed's dead letters: whoever comes first keeps it. */
static enum tl_code stage_dead(struct pass *pass, const struct tl_partial_partition *partition, struct tl_err *err)
{
    const struct tl_input *input = pass->job->input;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; partition->dead_count > 0 && p < input->partitions_count; p++) {
        if (input->partitions[p].partition != partition->partition)
            continue;
        TL_TRY(begin_staging(pass, err));
        TL_TRY(tl_store_put_dead(pass->job->store, input->partitions[p].topic, tl_partition_in_topic(partition->partition),
                                 partition->dead, partition->dead_count, err));
        pass->uncommitted += partition->dead_count;
        TL_TRY(commit_staging(pass, false, err));
    }
out:
    return rc;
}

static enum tl_code take_partial(struct pass *pass, struct tl_partial *partial, struct tl_err *err)
{
    struct tl_recompute *job = pass->job;
    uint32_t source = job->input->source;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_partial_merge_windows(pass->all, partial, err));
    for (uint32_t v = 0; v < pass->plan->views_count; v++) {
        struct sink sink = {pass, v};

        if (!job->views_wanted[v])
            continue;
        if (partial->views[v].events != NULL && partial->views[v].events->count > 0) {
            struct tl_rows rows = tl_event_rows_view(partial->views[v].events);

            TL_TRY(stage_rows(&sink, &rows, err));
        }
        TL_TRY(stage_ledger(pass, v, &partial->views[v].ledger, err));
        TL_TRY(stage_dropped(pass, v, partial, err));
        TL_TRY(stage_ledger(pass, v, &partial->sources[source].ledger, err));
        for (uint32_t r = partial->range_first; r <= partial->range_last; r++)
            for (int o = 0; o < TL_OUTCOMES; o++)
                pass->outcomes[(size_t)v * job->ranges_count + r][o] +=
                    partial->views[v].outcomes[r][o] + partial->sources[source].outcomes[r][o];
    }
    for (uint32_t r = partial->range_first; r <= partial->range_last; r++)
        job->duplicates_count += partial->sources[source].outcomes[r][TL_OUT_DUPLICATE];
    for (uint32_t r = partial->range_first; r <= partial->range_last; r++)
        for (uint32_t c = 0; c < partial->checks_count; c++)
            tl_check_count_add(&pass->checks[(size_t)r * partial->checks_count + c],
                               &partial->checks[(size_t)r * partial->checks_count + c]);
    for (uint32_t p = 0; p < partial->partitions_count; p++) {
        job->events_count += partial->partitions[p].events_count;
        TL_TRY(stage_dead(pass, &partial->partitions[p], err));
    }
    tl_partial_reset(partial);
out:
    return rc;
}

/* The range, whose rows are all staged, with what is open at its end. */
static enum tl_code stage_range(struct pass *pass, uint32_t v, uint32_t r, struct tl_err *err)
{
    struct tl_recompute *job = pass->job;
    size_t at = (size_t)v * job->ranges_count + r;
    uint32_t root = tl_view_root(pass->plan, v); /* the events of a view on a view are those of its root */
    struct tl_run_range range = {
        .run = job->run, .from_ms = job->bounds[r], .to_ms = job->bounds[r + 1], .rows_count = pass->rows[at]};
    enum tl_code rc = TL_OK;

    range.carry_in = tl_carry_hash(r == 0 ? job->carry_in[v] : tl_buf_sv(&job->carry_out[v]));
    tl_buf_clear(&job->carry_out[v]);
    if (pass->all->views[v].window != NULL)
        TL_TRY(tl_window_cut(pass->all->views[v].window, &job->carry_out[v], err));
    range.carry = tl_buf_sv(&job->carry_out[v]);
    memcpy(range.outcomes, pass->outcomes[(size_t)root * job->ranges_count + r], sizeof range.outcomes);
    TL_TRY(begin_staging(pass, err));
    TL_TRY(tl_store_stage_range(job->store, job->definitions[v], &range, err));
    if (job->found != NULL)
        TL_TRY(job->found(job->found_ctx, v, r, pass->checks + (size_t)r * row_checks(job), err));
    pass->uncommitted++;
    TL_TRY(commit_staging(pass, false, err));
out:
    return rc;
}

struct open_sink {
    struct pass *pass;
    uint32_t view;
};

static enum tl_code stage_open(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct open_sink *sink = ctx;
    struct tl_recompute *job = sink->pass->job;
    enum tl_code rc = TL_OK;

    TL_TRY(begin_staging(sink->pass, err));
    TL_TRY(tl_store_stage_open(job->store, job->run, job->definitions[sink->view], job->bounds[job->ranges_count], rows, err));
    TL_TRY(tl_relay_push_open(sink->pass->relay, sink->view, rows, err));
out:
    return rc;
}

/* What lies across the end of the span, of views whose keys have time boundaries of their own: the boundary may come to lie here. */
static enum tl_code stage_all_open(struct pass *pass, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < pass->plan->views_count; v++) {
        struct open_sink sink = {pass, v};

        if (!pass->job->views_wanted[v] || !tl_view_cut_per_key(pass->plan, &pass->plan->views[v]))
            continue;
        TL_TRY(tl_relay_deliver(pass->relay, v, pass->all->views[v].window, err));
        TL_TRY(tl_window_open_rows(pass->all->views[v].window, stage_open, &sink, err));
    }
out:
    return rc;
}

static enum tl_code retire_upto(struct pass *pass, int64_t upto_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < pass->plan->views_count; v++) {
        struct sink sink = {pass, v};

        if (pass->job->views_wanted[v])
            TL_TRY(tl_relay_retire(pass->relay, pass->all, v, upto_ms, stage_rows, &sink, err));
    }
out:
    return rc;
}

/* Windows that nothing unread can belong to, and the ranges that have ended. */
static enum tl_code retire(struct pass *pass, int64_t floor_ms, struct tl_err *err)
{
    struct tl_recompute *job = pass->job;
    enum tl_code rc = TL_OK;

    for (; pass->cut < job->ranges_count && job->bounds[pass->cut + 1] <= floor_ms; pass->cut++) {
        TL_TRY(retire_upto(pass, job->bounds[pass->cut + 1], err));
        for (uint32_t v = 0; v < pass->plan->views_count; v++)
            if (job->views_wanted[v])
                TL_TRY(stage_range(pass, v, pass->cut, err));
        /* Whole ranges are what a run that is killed leaves to the next one; one by one they would cost a commit each. */
        TL_TRY(
            commit_staging(pass, pass->uncommitted >= RANGE_ROWS || tl_clock_monotonic_ms() - pass->begun_ms >= RANGE_MS, err));
    }
    if (pass->cut < job->ranges_count)
        TL_TRY(retire_upto(pass, floor_ms, err));
out:
    return rc;
}

static enum tl_code merge_round(void *ctx, const struct tl_crew_round *round, struct tl_err *err)
{
    struct pass *pass = ctx;
    struct tl_recompute *job = pass->job;
    enum tl_code rc = TL_OK;

    if (tl_stop_requested())
        TL_TRY(tl_fail(err, TL_ERR_IO, "run %lld: stopped before it was published; the next run does its work",
                       (long long)job->run));
    pass->bytes_read = round->bytes_done;
    if (job->progress != NULL)
        job->progress(job->progress_ctx, pass->bytes_before + pass->bytes_read, pass->readings * round->bytes_count);
    for (uint32_t w = 0; w < pass->workers_count; w++) {
        if (pass->ahead)
            tl_partial_reset(pass->workers[w].partials[round->side]);
        else
            TL_TRY(take_partial(pass, pass->workers[w].partials[round->side], err));
    }
out:
    return rc;
}

static enum tl_code retire_round(void *ctx, const struct tl_crew_round *round, struct tl_err *err)
{
    struct pass *pass = ctx;

    return pass->ahead ? TL_OK : retire(pass, round->floor_ms, err);
}

/* ---- opening ---- */

static enum tl_code open_worker(struct pass *pass, struct worker *worker, struct tl_err *err)
{
    struct tl_recompute *job = pass->job;
    struct tl_core_config config = {.plan = pass->plan,
                                    .views_wanted = pass->ahead ? pass->no_views : job->views_wanted,
                                    .bounds = job->bounds,
                                    .ranges_count = job->ranges_count,
                                    .dedup = see_ids,
                                    .dedup_ctx = worker,
                                    .checks = pass->ahead ? NULL : job->checks};
    struct tl_window_options options = {.bounds = job->bounds, .ranges_count = job->ranges_count};
    enum tl_code rc = TL_OK;

    worker->pass = pass;
    TL_TRY(tl_core_open(&config, &worker->core, err));
    for (int side = 0; side < TL_CREW_SIDES; side++) {
        TL_TRY(tl_partial_open(pass->plan, &options, &worker->partials[side], err));
        TL_TRY(tl_partial_want_checks(worker->partials[side], row_checks(job), err));
    }
out:
    return rc;
}

static void close_workers(struct pass *pass)
{
    for (uint32_t w = 0; w < pass->workers_count; w++) {
        tl_core_close(pass->workers[w].core);
        for (int side = 0; side < TL_CREW_SIDES; side++)
            tl_partial_close(pass->workers[w].partials[side]);
    }
    free(pass->workers);
}

static enum tl_code open_windows(struct pass *pass, struct tl_err *err)
{
    const struct tl_recompute *job = pass->job;
    struct tl_window_options options = {.bounds = job->bounds, .ranges_count = job->ranges_count};
    size_t cells = (size_t)pass->plan->views_count * job->ranges_count;
    enum tl_code rc = TL_OK;

    pass->outcomes = calloc(cells, sizeof *pass->outcomes);
    pass->rows = calloc(cells, sizeof *pass->rows);
    pass->checks = calloc((size_t)job->ranges_count * row_checks(job) + 1, sizeof *pass->checks);
    if (pass->outcomes == NULL || pass->rows == NULL || pass->checks == NULL)
        TL_TRY(tl_fail_memory(err, cells * sizeof *pass->outcomes));
    TL_TRY(tl_partial_open(pass->plan, &options, &pass->all, err));
    TL_TRY(tl_relay_open(pass->plan, &options, &pass->relay, err));
    for (uint32_t v = 0; v < pass->plan->views_count; v++)
        if (job->views_wanted[v] && pass->all->views[v].window != NULL && job->carry_in[v].size > 0)
            TL_TRY(tl_window_restore(pass->all->views[v].window, job->carry_in[v], err));
out:
    return rc;
}

static enum tl_code open_workers(struct pass *pass, struct tl_err *err)
{
    uint32_t jobs = (uint32_t)tl_min_i64(tl_max_i64(pass->job->jobs, 1), TL_CREW_THREADS_MAX);
    enum tl_code rc = TL_OK;

    pass->workers = calloc(jobs, sizeof *pass->workers);
    if (pass->workers == NULL)
        return tl_fail_memory(err, jobs * sizeof *pass->workers);
    while (rc == TL_OK && pass->workers_count < jobs)
        rc = open_worker(pass, &pass->workers[pass->workers_count++], err); /* one that is half open is closed with the others */
    return rc;
}

static enum tl_code read_span(struct pass *pass, struct tl_err *err)
{
    struct tl_recompute *job = pass->job;
    enum tl_code rc = TL_OK;

    if (!pass->ahead)
        TL_TRY(open_windows(pass, err));
    TL_TRY(tl_input_feed(job->input, job->bounds[0], job->bounds[job->ranges_count], &pass->feed, err));
    TL_TRY(open_workers(pass, err));
    TL_TRY(tl_crew_run(&(struct tl_crew_config){.feed = pass->feed,
                                                .threads = pass->workers_count,
                                                .turns = pass->plan->sources[job->input->source].dedup_slot >= 0,
                                                .push = push_chunk,
                                                .merge = merge_round,
                                                .merged = retire_round,
                                                .damaged = note_damaged,
                                                .ctx = pass},
                       err));
    if (!pass->ahead)
        TL_TRY(stage_all_open(pass, err));
    if (!pass->ahead)
        TL_TRY(tl_duplicates_end(pass->duplicates, err));
    TL_TRY(commit_staging(pass, true, err));
out:
    if (pass->workers != NULL)
        close_workers(pass);
    if (rc != TL_OK)
        tl_store_rollback(job->store);
    tl_feed_close(pass->feed);
    tl_relay_close(pass->relay);
    tl_partial_close(pass->all);
    free(pass->checks);
    free(pass->dropped);
    free(pass->rows);
    free(pass->outcomes);
    return rc;
}

/* The first of two readings: for the ids that find no room in memory. */
static enum tl_code read_ahead(struct tl_recompute *job, struct tl_duplicates *duplicates, uint64_t *bytes, struct tl_err *err)
{
    bool *no_views = calloc(job->input->plan->views_count, sizeof *no_views);
    struct pass pass = {
        .job = job, .plan = job->input->plan, .ahead = true, .no_views = no_views, .readings = 2, .duplicates = duplicates};
    enum tl_code rc = TL_OK;

    if (no_views == NULL)
        return tl_fail_memory(err, job->input->plan->views_count);
    TL_TRY(read_span(&pass, err));
    *bytes = pass.bytes_read;
    TL_TRY(tl_duplicates_judge(duplicates, err));
out:
    free(no_views);
    return rc;
}

enum tl_code tl_recompute(struct tl_recompute *job, struct tl_err *err)
{
    struct tl_duplicates *duplicates = NULL;
    struct pass pass = {.job = job, .plan = job->input->plan, .readings = 1};
    const char *damage = tl_input_damage(job->input, job->bounds[0], job->bounds[job->ranges_count]);
    enum tl_code rc = TL_OK;

    if (damage != NULL)
        return tl_fail(err, TL_ERR_CORRUPT, "%s", damage);
    TL_TRY(tl_duplicates_open(job->input, job->bounds, job->ranges_count, &job->limit, &duplicates, err));
    if (tl_duplicates_reads_ahead(duplicates)) {
        pass.readings = 2;
        TL_TRY(read_ahead(job, duplicates, &pass.bytes_before, err));
    }
    pass.duplicates = duplicates;
    TL_TRY(read_span(&pass, err));
    job->bytes_count = pass.bytes_before + pass.bytes_read;
out:
    tl_duplicates_close(duplicates);
    return rc;
}
