/* runs.c: the command: batch's runs, the newest first; or one of them with its ranges, what it had read and who undid it. */
#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/count_text.h"
#include "base/diag.h"
#include "event/timestamp.h"
#include "main/command.h"
#include "main/option.h"

struct runs_options {
    const char *format;
    int64_t limit;
};

struct runs {
    const struct tl_common_options *common;
    const struct runs_options *own;
    struct tl_store *store;
    struct tl_printer printer;
    const struct tl_row_sink *sink; /* of records */
    int64_t run;                    /* that is looked for */
    uint64_t found;
    struct tl_buf checks, note, inputs; /* of the row at hand */
    struct tl_buf undone_by;
    int64_t undone_ms; /* INT64_MIN: it stands, or has published nothing */
    bool overruled;    /* what a check kept back of it, a person has published since, and that stands */
};

static struct tl_value text(struct tl_sv sv)
{
    return (struct tl_value){.kind = TL_STRING, .sv = sv, .is_null = sv.size == 0};
}

static struct tl_value number(uint64_t count)
{
    return (struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)count};
}

static struct tl_value instant(int64_t time_ms)
{
    return (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .i64 = time_ms, .is_null = time_ms == INT64_MIN};
}

static struct tl_value seconds(int64_t from_ms, int64_t to_ms)
{
    return (struct tl_value){.kind = TL_DOUBLE, .f64 = (double)(to_ms - from_ms) / 1000, .is_null = to_ms == INT64_MIN};
}

/* ---- what is known of a run ---- */

static const char *state_of(const struct tl_run *run)
{
    switch (run->state) {
    case TL_RUN_STAGED: return "staged"; /* at work, or killed */
    case TL_RUN_PUBLISHED: return run->blocked_count > 0 ? "published in part" : "published";
    case TL_RUN_FAILED: return run->blocked_count > 0 ? "kept back" : "failed";
    case TL_RUN_ROLLED_BACK: break;
    }
    return "rolled back";
}

static enum tl_code see_publication(void *ctx, const struct tl_publication *publication, struct tl_err *err)
{
    struct runs *runs = ctx;
    char at[TL_TIME_TEXT_BYTES];

    (void)err;
    if (publication->accepted.check.size > 0)
        tl_buf_printf(&runs->note, "%s%.*s accepted %.*s: %.*s", runs->note.size > 0 ? "; " : "",
                      TL_SV_ARG(publication->accepted.who), TL_SV_ARG(publication->accepted.check),
                      TL_SV_ARG(publication->accepted.reason));
    if (publication->undone_ms == INT64_MIN) {
        runs->overruled = runs->overruled || publication->accepted.check.size > 0;
        return TL_OK;
    }
    tl_time_to_iso_z(publication->undone_ms, at);
    tl_buf_printf(&runs->note, "%srolled back %s by %.*s", runs->note.size > 0 ? "; " : "", at,
                  TL_SV_ARG(publication->undone_by));
    runs->undone_ms = publication->undone_ms;
    tl_buf_clear(&runs->undone_by);
    tl_buf_put_sv(&runs->undone_by, publication->undone_by);
    return TL_OK;
}

static enum tl_code see_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct tl_buf *inputs = ctx;

    (void)err;
    tl_buf_printf(inputs, "%s%.*s/%u:%lld", inputs->size > 0 ? " " : "", TL_SV_ARG(topic), partition, (long long)next_offset);
    return TL_OK;
}

static enum tl_code take_run(struct runs *runs, const struct tl_run *run, struct tl_err *err)
{
    enum tl_code rc;

    tl_buf_clear(&runs->checks);
    tl_buf_clear(&runs->note);
    tl_buf_clear(&runs->inputs);
    tl_buf_clear(&runs->undone_by);
    runs->undone_ms = INT64_MIN;
    runs->overruled = false;
    if (run->checks_passed + run->checks_warned + run->checks_failed > 0)
        tl_buf_printf(&runs->checks, "%llu passed, %llu warned, %llu failed", (unsigned long long)run->checks_passed,
                      (unsigned long long)run->checks_warned, (unsigned long long)run->checks_failed);
    TL_TRY(tl_store_publications(runs->store, run->id, see_publication, runs, err));
    if (run->state != TL_RUN_ROLLED_BACK) /* only what was accepted of it is */
        runs->undone_ms = INT64_MIN;
    if (runs->undone_ms == INT64_MIN)
        tl_buf_clear(&runs->undone_by);
    /* What people did comes first, for a table cuts the rest; and the reason why it ended so is none any more where all is published. */
    if (run->failure.size > 0 && !(runs->overruled && run->blocked_count == 0))
        tl_buf_printf(&runs->note, "%s%.*s", runs->note.size > 0 ? "; " : "", TL_SV_ARG(run->failure));
    TL_TRY(tl_store_run_offsets(runs->store, run->id, see_offset, &runs->inputs, err));
    TL_TRY(tl_buf_check(&runs->checks, "a row", err));
    TL_TRY(tl_buf_check(&runs->note, "a row", err));
    TL_TRY(tl_buf_check(&runs->inputs, "a row", err));
    TL_TRY(tl_buf_check(&runs->undone_by, "a row", err));
out:
    return rc;
}

/* ---- the list ---- */

static const struct tl_shape_column table_columns[] = {
    {{"run", 3},     TL_BIGINT,        TL_ROLE_VALUE},
    {{"state", 5},   TL_STRING,        TL_ROLE_VALUE},
    {{"reason", 6},  TL_STRING,        TL_ROLE_VALUE},
    {{"started", 7}, TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"seconds", 7}, TL_DOUBLE,        TL_ROLE_VALUE},
    {{"ranges", 6},  TL_BIGINT,        TL_ROLE_VALUE},
    {{"blocked", 7}, TL_BIGINT,        TL_ROLE_VALUE},
    {{"rows", 4},    TL_BIGINT,        TL_ROLE_VALUE},
    {{"events", 6},  TL_BIGINT,        TL_ROLE_VALUE},
    {{"checks", 6},  TL_STRING,        TL_ROLE_VALUE},
    {{"note", 4},    TL_STRING,        TL_ROLE_VALUE},
    {{"inputs", 6},  TL_STRING,        TL_ROLE_VALUE}, /* -v */
};

static enum tl_code print_table_row(struct runs *runs, const struct tl_run *run, struct tl_err *err)
{
    const struct tl_value values[] = {number((uint64_t)run->id),
                                      text(tl_sv_from(state_of(run))),
                                      text(run->reason),
                                      instant(run->started_ms),
                                      seconds(run->started_ms, run->ended_ms),
                                      number(run->ranges_count),
                                      number(run->blocked_count),
                                      number(run->rows_count),
                                      number(run->totals.events_count),
                                      text(tl_buf_sv(&runs->checks)),
                                      text(tl_buf_sv(&runs->note)),
                                      text(tl_buf_sv(&runs->inputs))};

    return tl_printer_row(&runs->printer, values, TL_COUNT(values) - !runs->common->verbose, err);
}

static const struct tl_shape_column record_columns[] = {
    {{"run", 3},               TL_BIGINT,        TL_ROLE_VALUE},
    {{"state", 5},             TL_STRING,        TL_ROLE_VALUE},
    {{"reason", 6},            TL_STRING,        TL_ROLE_VALUE},
    {{"started", 7},           TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"ended", 5},             TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"seconds", 7},           TL_DOUBLE,        TL_ROLE_VALUE},
    {{"ranges", 6},            TL_BIGINT,        TL_ROLE_VALUE},
    {{"published_ranges", 16}, TL_BIGINT,        TL_ROLE_VALUE},
    {{"blocked_ranges", 14},   TL_BIGINT,        TL_ROLE_VALUE},
    {{"rows", 4},              TL_BIGINT,        TL_ROLE_VALUE},
    {{"events", 6},            TL_BIGINT,        TL_ROLE_VALUE},
    {{"bytes", 5},             TL_BIGINT,        TL_ROLE_VALUE},
    {{"duplicates", 10},       TL_BIGINT,        TL_ROLE_VALUE},
    {{"checks_passed", 13},    TL_BIGINT,        TL_ROLE_VALUE},
    {{"checks_warned", 13},    TL_BIGINT,        TL_ROLE_VALUE},
    {{"checks_failed", 13},    TL_BIGINT,        TL_ROLE_VALUE},
    {{"rolled_back", 11},      TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"rolled_back_by", 14},   TL_STRING,        TL_ROLE_VALUE},
    {{"failure", 7},           TL_STRING,        TL_ROLE_VALUE},
    {{"versions", 8},          TL_STRING,        TL_ROLE_VALUE},
    {{"inputs", 6},            TL_STRING,        TL_ROLE_VALUE},
};

static enum tl_code print_record(struct runs *runs, const struct tl_run *run, struct tl_err *err)
{
    const struct tl_value values[] = {number((uint64_t)run->id),
                                      text(tl_sv_from(state_of(run))),
                                      text(run->reason),
                                      instant(run->started_ms),
                                      instant(run->ended_ms),
                                      seconds(run->started_ms, run->ended_ms),
                                      number(run->ranges_count),
                                      number(run->published_count),
                                      number(run->blocked_count),
                                      number(run->rows_count),
                                      number(run->totals.events_count),
                                      number(run->totals.bytes_count),
                                      number(run->totals.duplicates_count),
                                      number(run->checks_passed),
                                      number(run->checks_warned),
                                      number(run->checks_failed),
                                      instant(runs->undone_ms),
                                      text(tl_buf_sv(&runs->undone_by)),
                                      text(run->failure),
                                      text(run->versions),
                                      text(tl_buf_sv(&runs->inputs))};

    static_assert(TL_COUNT(values) == TL_COUNT(record_columns), "a value a column");
    return runs->sink->row(runs->sink->ctx, values, TL_COUNT(values), err);
}

static enum tl_code see_run(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct runs *runs = ctx;
    enum tl_code rc;

    runs->found++;
    TL_TRY(take_run(runs, run, err));
    TL_TRY(runs->sink == NULL ? print_table_row(runs, run, err) : print_record(runs, run, err));
out:
    return rc;
}

static void open_texts(struct runs *runs)
{
    tl_buf_init(&runs->checks, 0);
    tl_buf_init(&runs->note, 0);
    tl_buf_init(&runs->inputs, 0);
    tl_buf_init(&runs->undone_by, 0);
}

static void close_texts(struct runs *runs)
{
    tl_buf_done(&runs->checks);
    tl_buf_done(&runs->note);
    tl_buf_done(&runs->inputs);
    tl_buf_done(&runs->undone_by);
}

enum tl_code tl_runs_show(struct tl_store *store, int64_t run, int64_t limit, const struct tl_row_sink *sink, uint64_t *found,
                          struct tl_err *err)
{
    struct runs runs = {.store = store, .sink = sink};
    enum tl_code rc;

    open_texts(&runs);
    TL_TRY(sink->head(sink->ctx, record_columns, TL_COUNT(record_columns), err));
    TL_TRY(run > 0 ? tl_store_run(store, run, see_run, &runs, err) : tl_store_newest_runs(store, limit, see_run, &runs, err));
    *found = runs.found;
out:
    close_texts(&runs);
    return rc;
}

static enum tl_code print_list(struct runs *runs, struct tl_err *err)
{
    struct tl_row_sink sink = tl_printer_sink(&runs->printer);
    enum tl_code rc;

    if (runs->printer.format == TL_PRINT_TABLE) {
        TL_TRY(tl_printer_head(&runs->printer, table_columns, TL_COUNT(table_columns) - !runs->common->verbose, err));
        TL_TRY(tl_store_newest_runs(runs->store, runs->own->limit, see_run, runs, err));
    } else {
        TL_TRY(tl_runs_show(runs->store, 0, runs->own->limit, &sink, &runs->found, err));
    }
    TL_TRY(tl_printer_end(&runs->printer, err));
out:
    return rc;
}

/* ---- one run ---- */

static const struct tl_shape_column range_columns[] = {
    {{"view", 4},            TL_STRING,        TL_ROLE_VALUE},
    {{"from", 4},            TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"to", 2},              TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"state", 5},           TL_STRING,        TL_ROLE_VALUE},
    {{"rows", 4},            TL_BIGINT,        TL_ROLE_VALUE},
    {{"counted", 7},         TL_BIGINT,        TL_ROLE_VALUE},
    {{"partly_counted", 14}, TL_BIGINT,        TL_ROLE_VALUE},
    {{"filtered", 8},        TL_BIGINT,        TL_ROLE_VALUE},
    {{"duplicate", 9},       TL_BIGINT,        TL_ROLE_VALUE},
    {{"late", 4},            TL_BIGINT,        TL_ROLE_VALUE},
    {{"future", 6},          TL_BIGINT,        TL_ROLE_VALUE},
    {{"rejected", 8},        TL_BIGINT,        TL_ROLE_VALUE},
};

/* "serves": what the view shows now comes from here. */
static const char *range_state(const struct tl_run_range_state *state)
{
    if (state->retired)
        return "old definition";
    if (state->serves)
        return "serves";
    if (state->undone)
        return "rolled back";
    if (state->blocked && state->published == 0)
        return "blocked";
    if (state->published == 0)
        return "staged";
    return state->pruned ? "superseded, pruned" : "superseded";
}

static enum tl_code see_run_range(void *ctx, const struct tl_run_range *range, const struct tl_run_range_state *state,
                                  struct tl_err *err)
{
    const struct tl_row_sink *sink = ctx;
    const uint64_t *of = range->outcomes;

    return sink->row(sink->ctx,
                     (const struct tl_value[]){text(state->view), instant(range->from_ms), instant(range->to_ms),
                                               text(tl_sv_from(range_state(state))), number(range->rows_count),
                                               number(of[TL_OUT_COUNTED]), number(of[TL_OUT_PARTLY_COUNTED]),
                                               number(of[TL_OUT_FILTERED]), number(of[TL_OUT_DUPLICATE]), number(of[TL_OUT_LATE]),
                                               number(of[TL_OUT_FUTURE]), number(of[TL_OUT_REJECTED])},
                     TL_COUNT(range_columns), err);
}

enum tl_code tl_run_show_ranges(struct tl_store *store, int64_t run, const struct tl_row_sink *sink, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(sink->head(sink->ctx, range_columns, TL_COUNT(range_columns), err));
    TL_TRY(tl_store_run_ranges(store, run, see_run_range, (void *)(uintptr_t)sink, err));
out:
    return rc;
}

static void print_fact(const char *what, struct tl_sv value)
{
    if (value.size > 0)
        printf("%-10s  %.*s\n", what, TL_SV_ARG(value));
}

static void print_facts(struct runs *runs, const struct tl_run *run)
{
    char started[TL_TIME_TEXT_BYTES], events[TL_COUNT_TEXT_BYTES], bytes[TL_COUNT_TEXT_BYTES], duplicates[TL_COUNT_TEXT_BYTES];

    tl_time_to_iso_z(run->started_ms, started);
    printf("run %lld  %s\n", (long long)run->id, state_of(run));
    print_fact("reason", run->reason);
    print_fact("started", tl_sv_from(started));
    if (run->ended_ms != INT64_MIN)
        printf("%-10s  %.1f s\n", "took", (double)(run->ended_ms - run->started_ms) / 1000);
    printf("%-10s  %s events, %s bytes of the record; %s duplicates removed\n", "read",
           tl_count_text(run->totals.events_count, events), tl_count_text(run->totals.bytes_count, bytes),
           tl_count_text(run->totals.duplicates_count, duplicates));
    print_fact("inputs", tl_buf_sv(&runs->inputs));
    print_fact("checks", tl_buf_sv(&runs->checks));
    print_fact("versions", run->versions);
    print_fact("note", tl_buf_sv(&runs->note));
    printf("\n");
}

static enum tl_code see_one(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    struct runs *runs = ctx;
    enum tl_code rc = TL_OK;

    runs->found++;
    TL_TRY(take_run(runs, run, err));
    if (runs->printer.format == TL_PRINT_TABLE)
        print_facts(runs, run);
out:
    return rc;
}

static enum tl_code print_one(struct runs *runs, struct tl_err *err)
{
    struct tl_row_sink sink = tl_printer_sink(&runs->printer);
    enum tl_code rc;

    TL_TRY(tl_store_run(runs->store, runs->run, see_one, runs, err));
    if (runs->found == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "there is no run %lld; tally runs shows those that there are", (long long)runs->run));
    TL_TRY(tl_run_show_ranges(runs->store, runs->run, &sink, err));
    TL_TRY(tl_printer_end(&runs->printer, err));
out:
    return rc;
}

/* ---- the command ---- */

static enum tl_code runs_main(struct runs *runs, struct tl_err *err)
{
    const struct tl_common_options *common = runs->common;
    enum tl_code rc = TL_OK;

    if (common->args_count > 0 && (!tl_sv_to_i64(tl_sv_from(common->args[0]), &runs->run) || runs->run <= 0))
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "'%s': a run has a number; tally runs 14 would do", common->args[0]));
    TL_TRY(tl_store_open(common->store, TL_STORE_READ, &runs->store, err));
    TL_TRY(tl_store_begin_read(runs->store, err));
    TL_TRY(runs->run != 0 ? print_one(runs, err) : print_list(runs, err));
out:
    tl_store_close(runs->store);
    return rc;
}

static const struct tl_option runs_table[] = {
    {"limit",  TL_OPT_COUNT,  "20",             "the newest so many",   offsetof(struct runs_options, limit),  0},
    {"format", TL_OPT_CHOICE, "table|csv|json", "how they are written", offsetof(struct runs_options, format), 0},
};

static const struct tl_usage runs_usage = {
    .synopsis = "[RUN]",
    .text = "The runs of batch, the newest first: state, why it ran, how long, what it read and made, what the checks found, who "
            "rolled it "
            "back or accepted it. -v: with the offsets that it had read, topic/partition:next offset. With the number of a run: "
            "its ranges, "
            "and which of them serve.",
    .example = "tally runs --data tally-data",
    .options = runs_table,
    .options_count = TL_COUNT(runs_table),
    .args_max = 1,
};

TL_COMMAND(runs, "what batch has done: runs, their ranges, who rolled back")
{
    struct runs_options own = {.limit = 20, .format = "table"};
    struct tl_common_options common;
    struct runs runs = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&runs_usage, argc, argv, &common, &own, &status))
        return status;
    open_texts(&runs);
    tl_printer_init(&runs.printer, tl_print_format_of(own.format), stdout);
    rc = runs_main(&runs, &err);
    tl_printer_done(&runs.printer);
    close_texts(&runs);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
