/* batch_run.c: the command: what changed is computed from the full record and published.
 *
 * One run covers all views: scope.h looks at what is dirty, stage.h computes it, publish.h makes it visible. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/process.h"
#include "event/timestamp.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/option.h"
#include "main/stop.h"
#include "main/views.h"
#include "publish.h"

enum { MEMORY_NONE = -1 };

struct batch_options {
    int64_t from_ms, to_ms, jobs, memory_bytes;
};

struct batch {
    const struct batch_options *own;
    struct tl_scope scope;
    struct tl_stage stage;
    struct tl_progress progress;
    struct tl_lock *lock;
};

static void describe(const struct batch_options *own, char *out, size_t size)
{
    char from[TL_TIME_TEXT_BYTES] = "", to[TL_TIME_TEXT_BYTES] = "";

    if (own->from_ms == TL_TIME_NONE && own->to_ms == TL_TIME_NONE) {
        snprintf(out, size, "nightly");
        return;
    }
    if (own->from_ms != TL_TIME_NONE)
        tl_time_to_iso_z(own->from_ms, from);
    if (own->to_ms != TL_TIME_NONE)
        tl_time_to_iso_z(own->to_ms, to);
    snprintf(out, size, "%s %s..%s", own->from_ms != TL_TIME_NONE ? "backfill" : "up to", from, to);
}

static enum tl_code print_summary(const struct tl_scope *scope, const struct tl_stage *stage, struct tl_err *err)
{
    int64_t boundary_ms = INT64_MAX;
    char boundary[TL_TIME_TEXT_BYTES], ranges[TL_COUNT_TEXT_BYTES], rows[TL_COUNT_TEXT_BYTES], events[TL_COUNT_TEXT_BYTES],
        duplicates[TL_COUNT_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        struct tl_definition definition;

        TL_TRY(tl_store_definition(scope->store, scope->definitions[v], &definition, err));
        if (definition.boundary_ms != INT64_MIN) /* a view of a topic that has no events yet is published nowhere */
            boundary_ms = tl_min_i64(boundary_ms, definition.boundary_ms);
    }
    tl_time_to_iso_z(boundary_ms, boundary);
    printf("run %lld: published up to %s: %s range%s, %s row%s, %s event%s read, %s duplicate%s removed, %.1f s\n",
           (long long)stage->run, boundary, tl_count_text(stage->ranges_count, ranges), stage->ranges_count == 1 ? "" : "s",
           tl_count_text(stage->rows_count, rows), stage->rows_count == 1 ? "" : "s", tl_count_text(stage->events_count, events),
           stage->events_count == 1 ? "" : "s", tl_count_text(stage->duplicates_count, duplicates),
           stage->duplicates_count == 1 ? "" : "s", (double)(tl_clock_wall_ms() - scope->now_ms) / 1000.0);
out:
    return rc;
}

/* Silent where nothing has changed. */
static enum tl_code do_run(struct batch *batch, struct tl_err *err)
{
    char reason[128];
    enum tl_code rc;

    describe(batch->own, reason, sizeof reason);
    batch->stage.threads = (uint32_t)batch->own->jobs;
    batch->stage.limit =
        (struct tl_duplicates_limit){.memory_bytes = (uint64_t)batch->own->memory_bytes, .folder = batch->scope.common->data};
    batch->stage.progress = &batch->progress;
    TL_TRY(tl_stage_open(&batch->stage, &batch->scope, reason, err));
    if (batch->stage.run == 0)
        goto out;
    TL_TRY(tl_stage_jobs(&batch->stage, err));
    TL_TRY(tl_publish(&batch->stage, err));
    TL_TRY(print_summary(&batch->scope, &batch->stage, err));
out:
    return rc;
}

/* The lock file is for this data directory; machines with others may share the store. */
static enum tl_code lock_store(struct tl_store *store, struct tl_err *err)
{
    char name[TL_PROCESS_NAME_MAX], words[TL_PROCESS_NAME_MAX];

    tl_process_name(name);
    tl_process_words(name, words);
    return tl_store_lock(store, "batch", words, err);
}

static enum tl_code batch_main(struct batch *batch, struct tl_err *err)
{
    const struct batch_options *own = batch->own;
    struct tl_scope *scope = &batch->scope;
    struct tl_days_wish wish = {.from_ms = own->from_ms, .to_ms = own->to_ms};
    char path[4200];
    enum tl_code rc = TL_OK;

    if (own->from_ms != TL_TIME_NONE && own->to_ms != TL_TIME_NONE && own->from_ms >= own->to_ms)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--from must be before --to: a range is what lies after --from, up to --to"));
    if (own->memory_bytes < TL_DUPLICATES_MEMORY_MIN)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--memory: is less than the 1MB that finding duplicates takes; right would be 64MB or 2GB"));
    TL_TRY(tl_scope_open_views(scope, err));
    TL_TRY(tl_data_dir_make(scope->common->data, err));
    snprintf(path, sizeof path, "%s/batch.lock", scope->common->data);
    TL_TRY(tl_lock_take(path, "batch", &batch->lock, err));
    scope->now_ms = wish.now_ms = tl_clock_wall_ms();
    TL_TRY(tl_store_open(scope->common->store, TL_STORE_WRITE, &scope->store, err));
    TL_TRY(lock_store(scope->store, err));
    TL_TRY(tl_views_take_secret(scope->functions, scope->store, err));
    TL_TRY(tl_scope_look(scope, &wish, err));
    TL_TRY(do_run(batch, err));
out:
    tl_progress_end(&batch->progress);
    tl_stage_close(&batch->stage);
    tl_scope_close(scope);
    tl_lock_release(batch->lock);
    return rc;
}

static const struct tl_option batch_table[] = {
    {"from",   TL_OPT_TIME,  "TIME", "recompute what ends after this, changed or not",                                            offsetof(struct batch_options, from_ms),      0},
    {"to",     TL_OPT_TIME,  "TIME",
     "publish up to here; \"now\" for all that the archive is complete for; unless set: the last midnight",                       offsetof(struct batch_options, to_ms),        0},
    {"jobs",   TL_OPT_COUNT, "N",    "threads; one per core unless set",                                                          offsetof(struct batch_options, jobs),         0},
    {"memory", TL_OPT_BYTES, "SIZE",
     "for the ids by which duplicates are found; what exceeds it goes to files in --data; a quarter of the machine's unless set", offsetof(struct batch_options, memory_bytes), 0},
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
    struct batch_options own = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE, .memory_bytes = MEMORY_NONE};
    struct tl_common_options common;
    struct batch batch = {.own = &own, .scope = {.common = &common}};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&batch_usage, argc, argv, &common, &own, &status))
        return status;
    if (own.jobs == 0)
        own.jobs = tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1);
    if (own.memory_bytes == MEMORY_NONE)
        own.memory_bytes = tl_max_i64(sysconf(_SC_PHYS_PAGES), 0) * sysconf(_SC_PAGESIZE) / 4;
    tl_stop_install();
    tl_progress_begin(&batch.progress, "batch");
    rc = batch_main(&batch, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
