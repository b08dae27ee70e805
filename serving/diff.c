/* diff.c: `tally diff`: which numbers a changed views file would change, by how much and because of which events. Nothing is written.
 *
 *   read back | from ....... a span of time ....... to
 *       ──────┼─ record ─> OLD's core, NEW's core ─> rows ─┐
 *             |  store ──> OLD's rows, where published ────┴─> units that differ
 *             |  record, once more, of their times only ─────> the events behind them (moves.h)
 *
 * A span is done before the next one is begun. Groups that may reach back beyond what was read (edge.h), or over a hole of the record, are left out on
 * both sides: the cut is never shown as a change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "diff_inside.h"
#include "main/command.h"

/* ---- notes ---- */

TL_PRINTF(3, 4) enum tl_code tl_diff_note(struct tl_diff *d, struct tl_err *err, const char *fmt, ...)
{
    char text[1200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!TL_RESIZE(d->notes, d->notes_count + 1) || !tl_arena_copy(&d->memory, tl_sv_from(text), &d->notes[d->notes_count]))
        return tl_fail_memory(err, sizeof text);
    d->notes_count++;
    return TL_OK;
}

const char *tl_diff_time(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    tl_time_to_iso_z(ms, out);
    return out;
}

/* ---- both files ---- */

static enum tl_code open_side(struct tl_diff *d, enum tl_before_after side, const char *path, struct tl_err *err)
{
    const char *functions = d->common->functions,
               *checks = side == TL_NEW && d->own->new_checks != NULL ? d->own->new_checks : d->common->checks;
    enum tl_code rc;

    if (side == TL_NEW && d->own->new_functions != NULL)
        d->common->functions = d->own->new_functions;
    rc = tl_views_open(d->common, path, &d->functions[side], &d->plan[side], err);
    d->common->functions = functions;
    TL_TRY(rc);
    if (checks != NULL)
        TL_TRY(tl_checks_load(checks, d->plan[side], &d->checks[side], err));
    TL_TRY(tl_source_topics_open(d->plan[side], &d->topics[side], err));
out:
    return rc;
}

static enum tl_code compare_surroundings(struct tl_diff *d, struct tl_err *err)
{
    struct tl_buf versions[TL_BOTH];
    enum tl_code rc = TL_OK;

    tl_buf_init(&versions[TL_OLD], 0);
    tl_buf_init(&versions[TL_NEW], 0);
    d->same_functions = true;
    if (d->plan[TL_OLD] == NULL || (d->own->new_functions == NULL && d->own->new_checks == NULL))
        goto out;
    for (int side = 0; side < TL_BOTH; side++) {
        tl_functions_versions(d->functions[side], &versions[side]);
        TL_TRY(tl_buf_check(&versions[side], "the versions", err));
    }
    d->same_functions = tl_sv_eq(tl_buf_sv(&versions[TL_OLD]), tl_buf_sv(&versions[TL_NEW])) &&
                        strcmp(d->checks[TL_OLD] != NULL ? d->checks[TL_OLD]->hash : "",
                               d->checks[TL_NEW] != NULL ? d->checks[TL_NEW]->hash : "") == 0;
    if (!d->same_functions)
        TL_TRY(tl_diff_note(d, err, "checks or functions differ: views whose definition is the same are compared, too"));
out:
    tl_buf_done(&versions[TL_OLD]);
    tl_buf_done(&versions[TL_NEW]);
    return rc;
}

/* VISITOR_ID's secret is the store's. Where nobody has made it yet any will do: numbers of visitors do not depend on it. */
static enum tl_code take_secrets(struct tl_diff *d, struct tl_err *err)
{
    static const uint8_t made_up[TL_SECRET_BYTES] = {0};
    enum tl_code rc = TL_OK;

    for (int side = 0; side < TL_BOTH; side++) {
        if (d->functions[side] == NULL || !tl_functions_want_secret(d->functions[side]))
            continue;
        rc = d->store != NULL ? tl_views_take_secret(d->functions[side], d->store, err) : TL_ERR_NOT_FOUND;
        if (rc != TL_ERR_NOT_FOUND)
            TL_TRY(rc);
        if (rc == TL_ERR_NOT_FOUND)
            tl_functions_secret_set(d->functions[side], made_up);
        rc = TL_OK;
    }
out:
    return rc;
}

static enum tl_code open_store(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = tl_store_open(d->common->store, TL_STORE_READ, &d->store, err);

    if (rc == TL_ERR_NOT_FOUND && d->plan[TL_OLD] != NULL)
        TL_TRY(tl_diff_note(d, err, "there is no store: all rows are computed"));
    else
        TL_TRY(rc);
    TL_TRY(take_secrets(d, err));
out:
    return rc;
}

/* ---- the range, a span after the other ---- */

static enum tl_code compare_span(struct tl_diff *d, int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    struct tl_time_spans spans = {0};
    struct tl_diff_fetch *fetch = NULL;
    enum tl_code rc = TL_OK;

    if (!tl_time_spans_add(&spans, from_ms, to_ms))
        TL_TRY(tl_fail_memory(err, sizeof *spans.items));
    TL_TRY(tl_diff_fetch(d, from_ms, to_ms, &fetch, err));
    TL_TRY(tl_diff_push(d, d->counts, from_ms, to_ms, &spans, NULL, err));
    TL_TRY(tl_diff_retire(d->counts, to_ms, err));
    TL_TRY(tl_diff_fetched(fetch, err));
    for (uint32_t p = 0; p < d->report.views_count; p++) {
        d->views[p].preview.to_ms = to_ms;
        if (!d->views[p].compared)
            continue;
        TL_TRY(tl_diff_leave_out(d, p, err));
        TL_TRY(tl_preview_settle(&d->views[p].preview, err));
    }
    TL_TRY(tl_diff_find_moves(d, err));
    for (uint32_t p = 0; p < d->report.views_count; p++)
        if (d->views[p].compared)
            TL_TRY(tl_preview_keep(&d->views[p].preview, d->views[p].moved_known, err));
out:
    tl_diff_fetch_close(fetch);
    if (d->store != NULL)
        tl_store_rollback(d->store);
    tl_time_spans_done(&spans);
    return rc;
}

enum { SPAN_MS_MIN = 60000 };

static uint64_t bytes_of(const struct tl_diff *d, int64_t from_ms, int64_t to_ms)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < d->streams_count; i++)
        bytes += tl_record_input_bytes(&d->streams[i].input, from_ms, to_ms);
    return bytes;
}

/* Rows do not depend on where the range is cut: as much as may be counted at once, for blocks at a cut are read twice. */
static int64_t end_of_span(const struct tl_diff *d, int64_t from_ms)
{
    int64_t to_ms = tl_add_sat_i64(from_ms, SPAN_MS_MIN);

    while (to_ms < d->report.to_ms) {
        int64_t next_ms = tl_add_sat_i64(to_ms, to_ms - from_ms);

        if (bytes_of(d, from_ms, tl_min_i64(next_ms, d->report.to_ms)) > (uint64_t)d->own->at_once)
            break;
        to_ms = next_ms;
    }
    return tl_min_i64(to_ms, d->report.to_ms);
}

static enum tl_code compare(struct tl_diff *d, struct tl_err *err)
{
    bool any = false;
    enum tl_code rc = TL_OK;

    for (int number = 0; number < TL_DIFF_COUNTS; number++) {
        TL_TRY(tl_diff_open_count(d, &d->counts[number], number, false, err));
        TL_TRY(tl_diff_open_count(d, &d->events[number], number, true, err));
        any = any || d->counts[number].any;
    }
    TL_TRY(tl_diff_open_record(d, err));
    for (uint32_t p = 0; p < d->report.views_count; p++) {
        if (d->views[p].compared)
            TL_TRY(tl_diff_say_events(d, p, err));
        if (d->views[p].moved_known && d->views[p].old_published)
            TL_TRY(tl_diff_read_manifests(d, &d->pairs[p], err));
    }
    if (!any || d->report.from_ms >= d->report.to_ms)
        goto out;
    TL_TRY(tl_diff_read_back(d, err));
    for (int64_t from_ms = d->report.from_ms, to_ms; from_ms < d->report.to_ms; from_ms = to_ms) {
        to_ms = end_of_span(d, from_ms);
        TL_TRY(compare_span(d, from_ms, to_ms, err));
    }
out:
    tl_diff_close_counts(d);
    return rc;
}

/* ---- the report ---- */

static enum tl_code print_report(struct tl_diff *d, struct tl_err *err)
{
    struct tl_buf out;
    uint32_t shown = 0;
    enum tl_code rc;

    tl_buf_init(&out, 0);
    d->report.old_name = d->path[TL_OLD] != NULL ? tl_sv_from(d->path[TL_OLD]) : TL_SV("the store");
    d->report.new_name = tl_sv_from(d->path[TL_NEW]);
    d->report.notes = d->notes;
    d->report.notes_count = d->notes_count;
    for (uint32_t p = 0; p < d->report.views_count; p++) { /* what was not asked for goes behind the others */
        struct tl_preview_view view = d->views[p];

        if (!d->pairs[p].wanted)
            continue;
        d->views[p] = d->views[shown];
        d->views[shown++] = view;
    }
    for (uint32_t p = 0; p < d->report.views_count; p++)
        d->views[p].preview.change = &d->views[p].change;
    d->report.views = d->views;
    tl_preview_print(&(struct tl_preview_report){d->report.old_name, d->report.new_name, d->report.from_ms, d->report.to_ms,
                                                 d->views, shown, d->notes, d->notes_count},
                     d->own->format, &out);
    TL_TRY(tl_buf_check(&out, "the report", err));
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write the report to standard output"));
out:
    tl_buf_done(&out);
    return rc;
}

/* Groups of other keys or windows are other rows, whether what both have sums up to the same or not: no published row stays what it is. */
static bool has_changed(const struct tl_preview_view *view)
{
    const struct tl_preview *preview = &view->preview;

    if (!view->compared)
        return view->state == TL_PREVIEW_REMOVED;
    return !view->change.comparable || tl_change_loses_columns(&view->change) ||
           preview->changed_count + preview->only_count[TL_OLD] + preview->only_count[TL_NEW] > 0;
}

/* The report has said it. */
static enum tl_code conclude(const struct tl_diff *d, struct tl_err *err)
{
    bool changed = false, left_out = false;
    uint64_t hidden_count = 0;

    for (uint32_t p = 0; p < d->report.views_count; p++) {
        changed = changed || (d->pairs[p].wanted && has_changed(&d->views[p]));
        left_out = left_out || (d->pairs[p].wanted && d->views[p].state == TL_PREVIEW_CHANGED && !d->views[p].compared);
        hidden_count += d->views[p].hidden_count;
    }
    if (d->holed)
        return tl_fail(err, TL_ERR_IO, "the record has holes (the report's notes name them): not all of the range was compared");
    if (left_out)
        return tl_fail(err, TL_ERR_IO, "not every view that changes could be compared: the report's notes say why");
    if (!changed && hidden_count > 0)
        return tl_fail(err, TL_ERR_IO,
                       "no number changes of what is compared, but rows are left out (%llu), for not all of their events are "
                       "known; a longer "
                       "--read-back may do",
                       (unsigned long long)hidden_count);
    return changed ? TL_ERR_ANSWER_NO : TL_OK;
}

/* ---- the command ---- */

static enum tl_code read_store(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (d->store != NULL)
        TL_TRY(tl_store_begin_read(d->store, err));
    TL_TRY(tl_diff_pair_up(d, err));
    TL_TRY(tl_diff_choose_range(d, err));
    TL_TRY(tl_diff_cut_sealed(d, err));
    TL_TRY(tl_diff_open_views(d, err));
out:
    if (d->store != NULL)
        tl_store_rollback(d->store);
    return rc;
}

static enum tl_code diff(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc;

    d->threads =
        (uint32_t)tl_min_i64(d->own->jobs > 0 ? d->own->jobs : tl_max_i64(sysconf(_SC_NPROCESSORS_ONLN), 1), TL_CREW_THREADS_MAX);
    d->path[TL_OLD] = d->common->views;
    d->path[TL_NEW] = d->common->args[0];
    for (int side = TL_BOTH; side-- > 0;)
        if (d->path[side] != NULL)
            TL_TRY(open_side(d, (enum tl_before_after)side, d->path[side], err));
    TL_TRY(compare_surroundings(d, err));
    TL_TRY(open_store(d, err));
    TL_TRY(tl_master_open(d->common->data, &d->master, err));
    TL_TRY(read_store(d, err));
    TL_TRY(compare(d, err));
    TL_TRY(tl_diff_note_holes(d, err));
    TL_TRY(tl_diff_name_events(d, err));
    rc = conclude(d, err);
    if (rc == TL_ERR_MEMORY)
        goto out;
    {
        enum tl_code printed = print_report(d, err);

        rc = printed != TL_OK ? printed : rc;
    }
out:
    return rc;
}

static void diff_done(struct tl_diff *d)
{
    for (uint32_t p = 0; d->views != NULL && p < d->report.views_count; p++)
        tl_preview_done(&d->views[p].preview);
    for (uint32_t p = 0; d->pairs != NULL && p < d->report.views_count; p++) {
        free(d->pairs[p].published);
        tl_buf_done(&d->pairs[p].fetched);
    }
    for (uint32_t i = 0; i < d->streams_count; i++)
        tl_record_input_done(&d->streams[i].input);
    for (int side = 0; side < TL_BOTH; side++) {
        for (uint32_t s = 0; d->intakes[side] != NULL && s < d->plan[side]->sources_count; s++)
            tl_intake_close(d->intakes[side][s]);
        tl_recorded_done(&d->recorded[side]);
        tl_source_topics_close(d->topics[side]);
        tl_checks_close(d->checks[side]);
        tl_views_close(d->functions[side], d->plan[side]);
    }
    tl_master_close(d->master);
    tl_store_close(d->store);
    tl_arena_done(&d->memory);
    free(d->notes);
    free(d->pairs);
    free(d->views);
}

static const struct tl_option diff_table[] = {
    {"from",          TL_OPT_TIME,     "TIME",             "compare windows that end after this; the last day that has published rows unless set",
     offsetof(struct tl_diff_options,                                                                                                                                               from_ms),       0},
    {"to",            TL_OPT_TIME,     "TIME",             "compare windows that end at this or before",                                           offsetof(struct tl_diff_options, to_ms),         0},
    {"format",        TL_OPT_CHOICE,   "text|json|csv|md", "how the report is written",                                                            offsetof(struct tl_diff_options, format),        0},
    {"limit",         TL_OPT_COUNT,    "N",                "list so many groups of each view, the largest differences first (20)",
     offsetof(struct tl_diff_options,                                                                                                                                               limit),         0},
    {"by",            TL_OPT_TEXT,     "COLUMN",           "the number whose differences are ordered; the first of each view unless set",
     offsetof(struct tl_diff_options,                                                                                                                                               by),            0},
    {"no-events",     TL_OPT_FLAG,     NULL,
     "numbers alone: the events behind them are not looked for, which takes half of the time or more",                                             offsetof(struct tl_diff_options, no_events),     0},
    {"new-checks",    TL_OPT_FILE,     "FILE",             "row checks of NEW.sql; those of --checks unless set",
     offsetof(struct tl_diff_options,                                                                                                                                               new_checks),    0},
    {"new-functions", TL_OPT_FILE,     "LIB.so",           "functions of NEW.sql; those of --functions unless set",
     offsetof(struct tl_diff_options,                                                                                                                                               new_functions), 0},
    {"jobs",          TL_OPT_COUNT,    "N",                "threads; one per core unless set",                                                     offsetof(struct tl_diff_options, jobs),          0},
    {"read-back",     TL_OPT_DURATION, "DURATION",
     "look so far back for where sessions and count windows begin that are open at --from (7d)",                                                   offsetof(struct tl_diff_options, read_back_ms),  0},
    {"at-once",       TL_OPT_BYTES,    "SIZE",             "count so much of the record at once: memory follows its groups (128MiB)",
     offsetof(struct tl_diff_options,                                                                                                                                               at_once),       0},
};

static const struct tl_usage diff_usage = {
    .synopsis = "NEW.sql [VIEW...]",
    .text =
        "Shows which numbers NEW.sql would change before it goes live: views that are added, removed, renamed or changed, and of "
        "each changed one\n"
        "the groups that differ, by how much, and because of which events. OLD is the file of --views, or what the store counts. "
        "OLD's rows are\n"
        "those that are published, else computed; NEW's are computed from the record. Nothing is written.\n"
        "Exit status 1: a number changes, or what OLD shows would be gone: a view, a column, the rows of its keys and windows.",
    .example = "tally diff new.sql --views views.sql --data tally-data --from 2026-03-01 --to 2026-03-02",
    .options = diff_table,
    .options_count = TL_COUNT(diff_table),
    .args_min = 1,
    .args_max = -1,
};

TL_COMMAND(diff, "preview which numbers a changed views file would change")
{
    struct tl_diff_options own = {.from_ms = TL_TIME_NONE,
                                  .to_ms = TL_TIME_NONE,
                                  .limit = 20,
                                  .format = "text",
                                  .read_back_ms = 7 * TL_DAY_MS,
                                  .at_once = 128 << 20};
    struct tl_common_options common;
    struct tl_diff d = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&diff_usage, argc, argv, &common, &own, &status))
        return status;
    tl_arena_init(&d.memory, 1u << 14, 0);
    rc = diff(&d, &err);
    if (rc != TL_OK && rc != TL_ERR_ANSWER_NO)
        tl_diag_err(&err);
    diff_done(&d);
    return tl_exit_status(rc);
}
