/* batch_run.c: the command: what changed is computed from the full record and published.
 *
 * One run covers all views: scope.h looks at what is dirty, stage.h computes it, publish.h makes it visible. */
#include <stdio.h>
#include <unistd.h>

#include "accept.h"
#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/process.h"
#include "batch_file.h"
#include "event/timestamp.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/option.h"
#include "main/stop.h"
#include "main/views.h"
#include "dry_run.h"
#include "publish.h"
#include "rollback.h"
#include "sealed_note.h"

enum { MEMORY_NONE = -1 };

struct batch_options {
    int64_t from_ms, to_ms, jobs, memory_bytes;
    struct tl_option_list views;
    bool force, dry_run, rollback;
    const char *accept, *reason, *format, *metrics_file;
};

struct batch {
    const struct batch_options *own;
    struct tl_scope scope;
    struct tl_stage stage;
    struct tl_findings findings;
    struct tl_progress progress;
    struct tl_lock *lock;
};

/* ---- a run ---- */

/* What `tally runs` shows as the reason. */
static void put_wish(struct tl_buf *out, const struct batch_options *own)
{
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];

    if (own->from_ms != TL_TIME_NONE) {
        tl_time_to_iso_z(own->from_ms, from);
        tl_buf_printf(out, "backfill from %s", from);
    } else {
        tl_buf_put_str(out, own->force ? "all again" : own->to_ms == TL_TIME_NONE ? "nightly" : "what changed");
    }
    if (own->to_ms != TL_TIME_NONE) {
        tl_time_to_iso_z(own->to_ms, to);
        tl_buf_printf(out, " up to %s", to);
    }
    for (size_t i = 0; i < own->views.count; i++)
        tl_buf_printf(out, "%s%s", i == 0 ? " of " : ", ", own->views.items[i]);
    tl_buf_put_u8(out, '\0');
}

/* The least that a view is published up to; INT64_MAX: none is. */
static enum tl_code published_upto(const struct tl_scope *scope, int64_t *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *out = INT64_MAX;
    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        struct tl_definition definition;

        if (scope->definitions[v] == 0)
            continue;
        TL_TRY(tl_store_definition(scope->store, scope->definitions[v], &definition, err));
        if (definition.boundary_ms != INT64_MIN) /* a view of a topic that has no events yet is published nowhere */
            *out = tl_min_i64(*out, definition.boundary_ms);
    }
out:
    return rc;
}

/* One line, which cron mails: what an operator looks for first stands first. */
static enum tl_code print_summary(const struct tl_scope *scope, const struct tl_stage *stage, struct tl_err *err)
{
    char boundary[TL_TIME_TEXT_BYTES], ranges[TL_COUNT_TEXT_BYTES], rows[TL_COUNT_TEXT_BYTES], events[TL_COUNT_TEXT_BYTES],
        duplicates[TL_COUNT_TEXT_BYTES];
    int64_t boundary_ms;
    enum tl_code rc;

    TL_TRY(published_upto(scope, &boundary_ms, err));
    tl_time_to_iso_z(boundary_ms, boundary);
    printf("run %lld: %s%s: %s range%s, %s row%s, %s event%s read, %s duplicate%s removed, %.1f s", (long long)stage->run,
           boundary_ms != INT64_MAX ? "published up to " : "published nowhere", boundary_ms != INT64_MAX ? boundary : "",
           tl_count_text(stage->ranges_count, ranges), stage->ranges_count == 1 ? "" : "s",
           tl_count_text(stage->rows_count, rows), stage->rows_count == 1 ? "" : "s", tl_count_text(stage->events_count, events),
           stage->events_count == 1 ? "" : "s", tl_count_text(stage->duplicates_count, duplicates),
           stage->duplicates_count == 1 ? "" : "s", (double)(tl_clock_wall_ms() - scope->now_ms) / 1000.0);
    if (stage->reused_count > 0)
        printf("; %u of the ranges were staged already", stage->reused_count);
    printf("\n");
out:
    return rc;
}

/* What a person has rolled back is work that waits for a person. */
static uint32_t say_held(const struct tl_scope *scope)
{
    uint32_t held = 0;

    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        const struct tl_days *days = &scope->days[v];
        char from[TL_TIME_TEXT_BYTES] = "the beginning", to[TL_TIME_TEXT_BYTES], how[2 * TL_TIME_TEXT_BYTES + 16] = "--force";

        if (!scope->wanted[v] || days->held_from_ms == days->held_to_ms)
            continue;
        held++;
        tl_time_to_iso_z(days->held_to_ms, to);
        if (days->held_from_ms != INT64_MIN) {
            tl_time_to_iso_z(days->held_from_ms, from);
            snprintf(how, sizeof how, "--from %s --to %s", from, to);
        }
        tl_diag(TL_WARN,
                "view %.*s: what changed in (%s, %s] is not computed, for run %lld was rolled back there; tally batch %s does it",
                TL_SV_ARG(scope->plan->views[v].name), from, to, (long long)days->held_run, how);
    }
    return held;
}

static enum tl_code note_failure(const struct tl_stage *stage, const char *failure, struct tl_err *err)
{
    struct tl_store *store = stage->scope->store;
    enum tl_code rc;

    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_put_run_failure(store, stage->run, failure, err));
    TL_TRY(tl_store_commit(store, err));
out:
    tl_store_rollback(store);
    return rc;
}

static enum tl_code compute_and_publish(struct batch *batch, struct tl_err *err)
{
    struct tl_stage *stage = &batch->stage;
    enum tl_code rc;

    TL_TRY(tl_stage_jobs(stage, err));
    TL_TRY(tl_quality_judge(&stage->quality, stage->run, &batch->findings, err));
    TL_TRY(tl_publish(stage, err));
    TL_TRY(print_summary(&batch->scope, stage, err));
    TL_TRY(tl_left_out_report(&stage->left_out, &batch->scope, err));
    if (batch->findings.kept_count > 0 && stage->held_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_ANSWER_NO, "%llu range%s kept back by checks; tally checks --failed shows them",
                       (unsigned long long)batch->findings.kept_count, batch->findings.kept_count == 1 ? " is" : "s are"));
out:
    return rc;
}

/* Silent where nothing has changed. */
static enum tl_code do_run(struct batch *batch, struct tl_err *err)
{
    struct tl_err unheard = {0};
    struct tl_buf reason;
    uint32_t held;
    uint64_t sealed_count;
    enum tl_code rc;

    tl_buf_init(&reason, 0);
    batch->stage.threads = (uint32_t)batch->own->jobs;
    batch->stage.limit =
        (struct tl_duplicates_limit){.memory_bytes = (uint64_t)batch->own->memory_bytes, .folder = batch->scope.common->data};
    batch->stage.progress = &batch->progress;
    put_wish(&reason, batch->own);
    TL_TRY(tl_buf_check(&reason, "the reason", err));
    held = say_held(&batch->scope);
    TL_TRY(tl_sealed_note(&batch->scope, &sealed_count, err));
    if (sealed_count > 0)
        tl_diag(TL_INFO, "%llu event%s came for days that are sealed: they stand in the ledger, and are counted by no view",
                (unsigned long long)sealed_count, sealed_count == 1 ? "" : "s");
    TL_TRY(tl_stage_open(&batch->stage, &batch->scope, reason.data, err));
    rc = batch->stage.run != 0 ? compute_and_publish(batch, err) : tl_left_out_report(&batch->stage.left_out, &batch->scope, err);
    if (batch->stage.run != 0 && rc != TL_OK)
        (void)note_failure(&batch->stage, err->message, &unheard); /* the reason is said in any case */
    TL_TRY(rc);
    if (held > 0 || batch->stage.held_count > 0)
        TL_TRY(tl_fail(
            err, TL_ERR_ANSWER_NO,
            "what was rolled back waits for somebody to say what becomes of it; what changed before it, and is joined to it, "
            "is not published"));
out:
    tl_buf_done(&reason);
    return rc;
}

/* ---- the ways to call it ---- */

/* The lock file is for this data directory; machines with others may share the store. */
static enum tl_code lock_store(struct tl_store *store, struct tl_err *err)
{
    char name[TL_PROCESS_NAME_MAX], words[TL_PROCESS_NAME_MAX];

    tl_process_name(name);
    tl_process_words(name, words);
    return tl_store_lock(store, "batch", words, err);
}

static enum tl_code take_locks(struct batch *batch, struct tl_err *err)
{
    struct tl_scope *scope = &batch->scope;
    char path[4200];
    enum tl_code rc;

    TL_TRY(tl_data_dir_make(scope->common->data, err));
    snprintf(path, sizeof path, "%s/batch.lock", scope->common->data);
    TL_TRY(tl_lock_take(path, "batch", &batch->lock, err));
    TL_TRY(tl_store_open(scope->common->store, TL_STORE_WRITE, &scope->store, err));
    TL_TRY(lock_store(scope->store, err));
out:
    return rc;
}

static enum tl_code check_options(const struct batch_options *own, const struct tl_common_options *common, struct tl_err *err)
{
    bool narrowed = own->from_ms != TL_TIME_NONE || own->to_ms != TL_TIME_NONE || own->views.count > 0 || own->force;

    if (own->rollback && (narrowed || own->dry_run || own->accept != NULL))
        return tl_fail(
            err, TL_ERR_USAGE,
            "--rollback undoes whole publications, of all views that they have; it goes with the number of a run and no "
            "other option: tally batch --rollback 14");
    if (!own->rollback && common->args_count > 0)
        return tl_fail(err, TL_ERR_USAGE, "'%s': batch takes no argument but the run of --rollback; a view is --view NAME",
                       common->args[0]);
    if ((own->accept == NULL) != (own->reason == NULL))
        return tl_fail(err, TL_ERR_USAGE,
                       "--accept and --reason go together, for it stands on record who overruled a check and why; "
                       "--accept volume --reason 'a holiday' would do");
    if (own->accept != NULL && (narrowed || own->dry_run))
        return tl_fail(
            err, TL_ERR_USAGE,
            "--accept publishes what is staged and computes nothing; it goes without --from, --to, --view, --force and "
            "--dry-run");
    if (own->memory_bytes < TL_DUPLICATES_MEMORY_MIN)
        return tl_fail(err, TL_ERR_USAGE,
                       "--memory: is less than the 1MB that finding duplicates takes; right would be 64MB or 2GB");
    if (own->from_ms != TL_TIME_NONE && own->to_ms != TL_TIME_NONE && own->from_ms >= own->to_ms)
        return tl_fail(err, TL_ERR_USAGE,
                       "--from must be before --to: a range is what lies after --from, up to --to; --from 2026-03-01 "
                       "--to 2026-03-02 would do");
    return TL_OK;
}

static enum tl_code look(struct batch *batch, struct tl_err *err)
{
    const struct batch_options *own = batch->own;
    const struct tl_days_wish wish = {
        .from_ms = own->from_ms, .to_ms = own->to_ms, .force = own->force, .now_ms = batch->scope.now_ms};

    return tl_scope_look(&batch->scope, &wish, !own->dry_run, err);
}

static enum tl_code batch_main(struct batch *batch, struct tl_err *err)
{
    const struct batch_options *own = batch->own;
    struct tl_scope *scope = &batch->scope;
    enum tl_code rc;

    TL_TRY(check_options(own, scope->common, err));
    if (own->rollback) {
        TL_TRY(take_locks(batch, err));
        TL_TRY(tl_rollback(scope->store, scope->common->args_count > 0 ? scope->common->args[0] : NULL, err));
        goto out;
    }
    TL_TRY(tl_scope_open_views(scope, &own->views, err));
    if (own->dry_run) {
        TL_TRY(tl_scope_open_to_look(scope, err));
        TL_TRY(look(batch, err));
        TL_TRY(tl_dry_run(scope, tl_print_format_of(own->format), scope->common->verbose, err));
        goto out;
    }
    TL_TRY(take_locks(batch, err));
    TL_TRY(tl_views_take_secret(scope->functions, scope->store, err));
    TL_TRY(look(batch, err));
    if (own->accept != NULL)
        TL_TRY(tl_accept(scope, own->accept, own->reason, err));
    else
        TL_TRY(do_run(batch, err));
out:
    tl_progress_end(&batch->progress);
    return rc;
}

/* Whoever did not get the lock has not run: the one that has it tells. */
static enum tl_code write_metrics(const struct batch *batch, enum tl_code rc, struct tl_err *err)
{
    const struct batch_options *own = batch->own;
    const struct tl_stage *stage = &batch->stage;
    const struct tl_batch_outcome outcome = {.exit_status = tl_exit_status(rc),
                                             .started_ms = batch->scope.now_ms,
                                             .ended_ms = tl_clock_wall_ms(),
                                             .ranges_count = stage->ranges_count,
                                             .rows_count = stage->rows_count,
                                             .events_count = stage->events_count,
                                             .bytes_count = stage->bytes_count,
                                             .duplicates_count = stage->duplicates_count,
                                             .kept_count = batch->findings.kept_count + stage->refused_count};

    if (own->metrics_file == NULL || own->dry_run || rc == TL_ERR_BUSY)
        return TL_OK;
    return tl_batch_file_write(own->metrics_file, &batch->scope, &outcome, err);
}

static int run_batch(struct batch *batch)
{
    struct tl_err err = {0}, second = {0};
    enum tl_code rc, written;

    batch->scope.now_ms = tl_clock_wall_ms();
    rc = batch_main(batch, &err);
    written = write_metrics(batch, rc, &second);
    if (rc != TL_OK)
        tl_diag_err(&err);
    if (written != TL_OK)
        tl_diag_err(&second);
    tl_stage_close(&batch->stage);
    tl_scope_close(&batch->scope);
    tl_lock_release(batch->lock);
    return tl_exit_status(rc != TL_OK ? rc : written);
}

static const struct tl_option batch_table[] = {
    {"from",         TL_OPT_TIME,   "TIME",           "recompute what ends after this, changed or not",                                          offsetof(struct batch_options, from_ms),      0},
    {"to",           TL_OPT_TIME,   "TIME",
     "publish up to here; \"now\" for all that the archive is complete for; unless set: the last midnight",                                      offsetof(struct batch_options, to_ms),        0},
    {"view",         TL_OPT_LIST,   "NAME",           "this view alone, and those that it reads or that read it; again for more",
     offsetof(struct batch_options,                                                                                                                                             views),        0},
    {"force",        TL_OPT_FLAG,   NULL,             "recompute all that is published (with --from: what it says), though nothing has changed",
     offsetof(struct batch_options,                                                                                                                                             force),        0},
    {"dry-run",      TL_OPT_FLAG,   NULL,             "show what would be done, and why; -v: with each file. Nothing is changed",
     offsetof(struct batch_options,                                                                                                                                             dry_run),      0},
    {"format",       TL_OPT_CHOICE, "table|csv|json", "how --dry-run is written",                                                                offsetof(struct batch_options, format),       0},
    {"rollback",     TL_OPT_FLAG,   NULL,             "undo publications, the newest first, up to and including RUN's; without RUN: the newest",
     offsetof(struct batch_options,                                                                                                                                             rollback),     0},
    {"accept",       TL_OPT_TEXT,   "CHECK,...",      "publish what these checks keep back, and do nothing else; with --reason",
     offsetof(struct batch_options,                                                                                                                                             accept),       0},
    {"reason",       TL_OPT_TEXT,   "TEXT",           "why: it stands on record beside who accepted",                                            offsetof(struct batch_options, reason),       0},
    {"jobs",         TL_OPT_COUNT,  "N",              "threads; one per core unless set",                                                        offsetof(struct batch_options, jobs),         0},
    {"metrics-file", TL_OPT_FILE,   "FILE.prom",      "write what the run came to for the node exporter's textfile collector",
     offsetof(struct batch_options,                                                                                                                                             metrics_file), 0},
    {"memory",       TL_OPT_BYTES,  "SIZE",
     "for the ids by which duplicates are found; what exceeds it goes to files in --data; a quarter of the machine's unless set",                offsetof(struct batch_options, memory_bytes), 0},
};

static const struct tl_usage batch_usage = {
    .synopsis = "[--rollback [RUN]]",
    .text =
        "Recomputes from the master record the days whose input changed since they were last published, and publishes them "
        "at once. Run it "
        "twice, and the second time changes nothing. Silent when there is nothing to do; one line when something was done. A run "
        "that was "
        "killed has changed nothing, and the next one goes on with what it had staged.\n"
        "What --rollback undoes is not computed again before it is asked for (--from, --to, --force).\n"
        "Exit status: 0 done, 1 something waits for a person (kept back by a check, rolled back), 2 wrong usage or definition, "
        "3 something outside failed, 75 another run is at work.",
    .example = "tally batch --views views.sql --data tally-data",
    .options = batch_table,
    .options_count = TL_COUNT(batch_table),
    .args_max = 1,
};

TL_COMMAND(batch, "recompute what changed from the full record, and publish it")
{
    struct batch_options own = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE, .memory_bytes = MEMORY_NONE, .format = "table"};
    struct tl_common_options common;
    struct batch batch = {.own = &own, .scope = {.common = &common}};
    int status = 0;

    if (!tl_options_parse(&batch_usage, argc, argv, &common, &own, &status))
        return status;
    if (own.jobs == 0)
        own.jobs = tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1);
    if (own.memory_bytes == MEMORY_NONE)
        own.memory_bytes = tl_max_i64(sysconf(_SC_PHYS_PAGES), 0) * sysconf(_SC_PAGESIZE) / 4;
    tl_stop_install();
    tl_progress_begin(&batch.progress, "batch");
    return run_batch(&batch);
}
