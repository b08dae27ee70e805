/* checks.c: the command: what the data-quality checks found in each range, what they keep back, who let it pass; and the events that they dropped.
 *
 * The answer is 'no' (exit 1) where something is kept back now. */
#include "checks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/nearest.h"
#include "event/partition.h"
#include "main/check_text.h"
#include "main/command.h"
#include "main/option.h"
#include "store/store_check.h"
#include "store/store_quarantine.h"

enum { COLUMNS_MAX = 16 };

struct checks_options {
    struct tl_checks_query query;
    const char *format;
    int64_t limit;
    bool quarantine;
};

struct checks {
    const struct tl_common_options *common;
    const struct checks_options *own;
    struct tl_store *store;
    struct tl_printer printer;
    const struct tl_row_sink *sink;      /* of records; NULL: the printer's table */
    struct tl_buf measured, bounds, who; /* of the row at hand */
    struct tl_nearest nearest;           /* to the check that was asked for and is not there */
    char nearest_name[128];
    bool *asked_found; /* per argument */
    /* The definition and check at hand, and how many of its ranges were seen. */
    int64_t definition;
    char check[256];
    int64_t ranges_count;
    uint64_t kept_count;
};

/* ---- which results ---- */

static bool is_asked(struct checks *checks, struct tl_sv check)
{
    bool asked = checks->common->args_count == 0;

    for (int a = 0; a < checks->common->args_count; a++) {
        bool same = tl_sv_eq(check, tl_sv_from(checks->common->args[a]));

        checks->asked_found[a] = checks->asked_found[a] || same;
        asked = asked || same;
    }
    return asked;
}

/* The result's text is gone with the row. */
static void offer_name(struct checks *checks, struct tl_sv check)
{
    tl_nearest_offer(&checks->nearest, check);
    if (checks->nearest.best.data == check.data) {
        snprintf(checks->nearest_name, sizeof checks->nearest_name, "%.*s", TL_SV_ARG(check));
        checks->nearest.best = tl_sv_from(checks->nearest_name);
    }
}

/* How many ranges of this check came before this one, the latest first. */
static int64_t count_range(struct checks *checks, const struct tl_check_result *result)
{
    char name[sizeof checks->check];

    snprintf(name, sizeof name, "%.*s", TL_SV_ARG(result->check));
    if (checks->definition != result->definition || strcmp(checks->check, name) != 0) {
        checks->definition = result->definition;
        memcpy(checks->check, name, sizeof name);
        checks->ranges_count = 0;
    }
    return checks->ranges_count++;
}

/* ---- a result as a row ---- */

static struct tl_value text_value(struct tl_sv text)
{
    return (struct tl_value){.kind = TL_STRING, .sv = text};
}

static struct tl_value time_value(int64_t time_ms)
{
    return (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .is_null = time_ms == INT64_MIN, .i64 = time_ms};
}

static struct tl_value count_value(uint64_t count)
{
    return (struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)count};
}

/* Infinite: there is no such bound. */
static struct tl_value number_value(double number)
{
    return (struct tl_value){.kind = TL_DOUBLE, .is_null = !isfinite(number), .f64 = number};
}

static const struct tl_shape_column table_columns[] = {
    {{"view", 4},         TL_STRING,        TL_ROLE_VALUE},
    {{"from", 4},         TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"to", 2},           TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"check", 5},        TL_STRING,        TL_ROLE_VALUE},
    {{"verdict", 7},      TL_STRING,        TL_ROLE_VALUE},
    {{"measure", 7},      TL_STRING,        TL_ROLE_VALUE},
    {{"measured", 8},     TL_STRING,        TL_ROLE_VALUE},
    {{"bounds", 6},       TL_STRING,        TL_ROLE_VALUE},
    {{"violations", 10},  TL_BIGINT,        TL_ROLE_VALUE},
    {{"run", 3},          TL_BIGINT,        TL_ROLE_VALUE},
    {{"accepted by", 11}, TL_STRING,        TL_ROLE_VALUE},
    {{"detail", 6},       TL_STRING,        TL_ROLE_VALUE},
};
/* For programs: numbers as numbers; measured and bounds of FRESHNESS are milliseconds. */
static const struct tl_shape_column record_columns[] = {
    {{"view", 4},          TL_STRING,        TL_ROLE_VALUE},
    {{"from", 4},          TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"to", 2},            TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"check", 5},         TL_STRING,        TL_ROLE_VALUE},
    {{"on_violation", 12}, TL_STRING,        TL_ROLE_VALUE},
    {{"verdict", 7},       TL_STRING,        TL_ROLE_VALUE},
    {{"measure", 7},       TL_STRING,        TL_ROLE_VALUE},
    {{"measured", 8},      TL_DOUBLE,        TL_ROLE_VALUE},
    {{"low", 3},           TL_DOUBLE,        TL_ROLE_VALUE},
    {{"high", 4},          TL_DOUBLE,        TL_ROLE_VALUE},
    {{"violations", 10},   TL_BIGINT,        TL_ROLE_VALUE},
    {{"run", 3},           TL_BIGINT,        TL_ROLE_VALUE},
    {{"accepted_by", 11},  TL_STRING,        TL_ROLE_VALUE},
    {{"reason", 6},        TL_STRING,        TL_ROLE_VALUE},
    {{"detail", 6},        TL_STRING,        TL_ROLE_VALUE},
};

static enum tl_code print_table_row(struct checks *checks, const struct tl_stored_check *check, struct tl_err *err)
{
    const struct tl_check_result *result = &check->result;
    enum tl_code rc;

    tl_buf_clear(&checks->measured);
    tl_buf_clear(&checks->bounds);
    tl_buf_clear(&checks->who);
    tl_check_put_measured(&checks->measured, result);
    tl_check_put_bounds(&checks->bounds, result);
    if (tl_check_is_accepted(check))
        tl_buf_printf(&checks->who, "%.*s: %.*s", TL_SV_ARG(check->who), TL_SV_ARG(check->reason));
    TL_TRY(tl_buf_check(&checks->measured, "a row", err));
    TL_TRY(tl_buf_check(&checks->bounds, "a row", err));
    TL_TRY(tl_buf_check(&checks->who, "a row", err));
    TL_TRY(
        tl_printer_row(&checks->printer,
                       (const struct tl_value[]){text_value(result->view), time_value(result->from_ms), time_value(result->to_ms),
                                                 text_value(result->check), text_value(tl_sv_from(tl_check_verdict(check))),
                                                 text_value(result->measure), text_value(tl_buf_sv(&checks->measured)),
                                                 text_value(tl_buf_sv(&checks->bounds)), count_value(result->violations_count),
                                                 count_value((uint64_t)result->run), text_value(tl_buf_sv(&checks->who)),
                                                 text_value(result->detail)},
                       TL_COUNT(table_columns), err));
out:
    return rc;
}

static enum tl_code print_record(struct checks *checks, const struct tl_stored_check *check, struct tl_err *err)
{
    const struct tl_check_result *result = &check->result;
    struct tl_value who = text_value(check->who), reason = text_value(check->reason);

    who.is_null = reason.is_null = !tl_check_is_accepted(check);
    return checks->sink->row(
        checks->sink->ctx,
        (const struct tl_value[]){
            text_value(result->view), time_value(result->from_ms), time_value(result->to_ms), text_value(result->check),
            text_value(result->violation), text_value(tl_sv_from(tl_check_verdict(check))), text_value(result->measure),
            number_value(result->measured), number_value(result->low), number_value(result->high),
            count_value(result->violations_count), count_value((uint64_t)result->run), who, reason, text_value(result->detail)},
        TL_COUNT(record_columns), err);
}

/* Without more, of each check the latest range, and whatever is kept back. */
static enum tl_code see_check(void *ctx, const struct tl_stored_check *check, struct tl_err *err)
{
    struct checks *checks = ctx;
    const struct checks_options *own = checks->own;
    bool wanted;

    offer_name(checks, check->result.check);
    if (!is_asked(checks, check->result.check))
        return TL_OK;
    checks->kept_count += tl_check_keeps_back_now(check);
    if (own->query.run != 0)
        wanted = true;
    else
        wanted = check->newest && (own->query.failed || count_range(checks, &check->result) < own->query.history ||
                                   tl_check_keeps_back_now(check));
    if (!wanted || (own->query.failed && check->result.passed))
        return TL_OK;
    return checks->sink == NULL ? print_table_row(checks, check, err) : print_record(checks, check, err);
}

static enum tl_code show(struct checks *checks, struct tl_err *err)
{
    const struct tl_checks_query *query = &checks->own->query;
    const struct tl_row_sink *sink = checks->sink;
    enum tl_code rc;

    if (sink == NULL)
        TL_TRY(tl_printer_head(&checks->printer, table_columns, TL_COUNT(table_columns), err));
    else
        TL_TRY(sink->head(sink->ctx, record_columns, TL_COUNT(record_columns), err));
    TL_TRY(tl_store_checks(checks->store, query->view != NULL ? tl_sv_from(query->view) : TL_SV(""), query->run, see_check,
                           checks, err));
out:
    return rc;
}

enum tl_code tl_checks_show(struct tl_store *store, const struct tl_checks_query *query, const struct tl_row_sink *sink,
                            struct tl_err *err)
{
    const struct tl_common_options common = {.args_count = 0};
    const struct checks_options own = {.query = *query};
    struct checks checks = {.common = &common, .own = &own, .store = store, .sink = sink};

    return show(&checks, err);
}

static enum tl_code print_results(struct checks *checks, struct tl_err *err)
{
    struct tl_row_sink sink = tl_printer_sink(&checks->printer);
    char hint[160];
    enum tl_code rc;

    if (checks->printer.format != TL_PRINT_TABLE)
        checks->sink = &sink;
    if (checks->common->args_count > 0)
        checks->nearest = tl_nearest_to(tl_sv_from(checks->common->args[0]));
    TL_TRY(show(checks, err));
    for (int a = 0; a < checks->common->args_count; a++)
        if (!checks->asked_found[a])
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "there are no results of a check %s; %s", checks->common->args[a],
                           a == 0
                               ? tl_nearest_hint(&checks->nearest, hint, sizeof hint, "tally checks shows those that there are")
                               : "tally checks shows those that there are"));
    TL_TRY(tl_printer_end(&checks->printer, err));
    rc = checks->kept_count > 0 ? TL_ERR_ANSWER_NO : TL_OK; /* the table has said it */
out:
    checks->sink = NULL;
    return rc;
}

/* ---- the quarantine ---- */

struct quarantine {
    struct checks *checks;
    struct tl_definition definition; /* of the view at hand */
    struct tl_buf place, event;
    int64_t from_ms, to_ms; /* events of these times */
    int64_t printed_count;
    uint64_t left_count;
};

static const struct tl_shape_column quarantine_columns[] = {
    {{"view", 4},        TL_STRING,        TL_ROLE_VALUE},
    {{"check", 5},       TL_STRING,        TL_ROLE_VALUE},
    {{"event_time", 10}, TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"partition", 9},   TL_STRING,        TL_ROLE_VALUE},
    {{"offset", 6},      TL_BIGINT,        TL_ROLE_VALUE},
    {{"row", 3},         TL_BIGINT,        TL_ROLE_VALUE},
    {{"event", 5},       TL_STRING,        TL_ROLE_VALUE},
};

/* Bytes from strangers: what is no UTF-8 becomes U+FFFD; on a terminal, what would move its cursor is written out. */
static void put_event(struct tl_buf *out, struct tl_sv raw, bool terminal)
{
    for (size_t at = 0; at < raw.size;) {
        const unsigned char *byte = (const unsigned char *)raw.data + at;
        size_t size = tl_utf8_size(raw.data + at, raw.size - at);

        if (size == 0) {
            tl_buf_put_str(out, "\xef\xbf\xbd");
            size = tl_utf8_ill_formed_size(raw.data + at, raw.size - at);
        } else if (terminal && (byte[0] < 0x20 || byte[0] == 0x7f || (size == 2 && byte[0] == 0xc2 && byte[1] < 0xa0))) {
            tl_buf_printf(out, "\\u%04x", size == 2 ? byte[1] : byte[0]);
        } else {
            tl_buf_put(out, byte, size);
        }
        at += size;
    }
}

struct topic_name {
    uint32_t number;
    struct tl_buf *out;
};

static enum tl_code put_topic(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err)
{
    struct topic_name *name = ctx;

    (void)err;
    if (number == name->number)
        tl_buf_put_sv(name->out, topic);
    return TL_OK;
}

/* "events/0", "events.import/0" */
static enum tl_code put_place(struct quarantine *quarantine, uint32_t partition, struct tl_err *err)
{
    struct topic_name name = {tl_partition_topic(partition), &quarantine->place};
    enum tl_code rc = TL_OK;

    tl_buf_clear(&quarantine->place);
    if (quarantine->definition.by_pattern)
        TL_TRY(tl_store_topics(quarantine->checks->store, put_topic, &name, err));
    else
        tl_buf_put_sv(&quarantine->place, quarantine->definition.topic);
    tl_buf_printf(&quarantine->place, "%s/%u", (partition & TL_PARTITION_IMPORTED) != 0 ? ".import" : "",
                  tl_partition_in_topic(partition));
    TL_TRY(tl_buf_check(&quarantine->place, "a row", err));
out:
    return rc;
}

static enum tl_code see_dropped(void *ctx, const struct tl_dropped *event, int64_t time_ms, struct tl_err *err)
{
    struct quarantine *quarantine = ctx;
    struct checks *checks = quarantine->checks;
    struct tl_sv check = tl_sv_from(event->check);
    enum tl_code rc = TL_OK;

    offer_name(checks, check);
    if (!is_asked(checks, check) || time_ms < quarantine->from_ms || time_ms >= quarantine->to_ms)
        return TL_OK;
    if (checks->own->limit >= 0 && quarantine->printed_count >= checks->own->limit) {
        quarantine->left_count++;
        return TL_OK;
    }
    quarantine->printed_count++;
    TL_TRY(put_place(quarantine, event->partition, err));
    tl_buf_clear(&quarantine->event);
    put_event(&quarantine->event, event->raw, checks->printer.format == TL_PRINT_TABLE);
    TL_TRY(tl_buf_check(&quarantine->event, "an event", err));
    TL_TRY(tl_printer_row(&checks->printer,
                          (const struct tl_value[]){
                              text_value(quarantine->definition.view),
                              text_value(check),
                              time_value(time_ms),
                              text_value(tl_buf_sv(&quarantine->place)),
                              {.kind = TL_BIGINT, .i64 = event->offset},
                              count_value(event->row),
                              text_value(tl_buf_sv(&quarantine->event))
    },
                          TL_COUNT(quarantine_columns), err));
out:
    return rc;
}

static enum tl_code see_served(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct quarantine *quarantine = ctx;
    struct checks *checks = quarantine->checks;

    if (checks->own->query.run != 0 && checks->own->query.run != range->run)
        return TL_OK;
    quarantine->from_ms = range->from_ms;
    quarantine->to_ms = range->to_ms;
    return tl_store_quarantine(checks->store, quarantine->definition.id, range->run, see_dropped, quarantine, err);
}

/* Of what is served now, view by view. */
static enum tl_code print_quarantine(struct checks *checks, struct tl_err *err)
{
    struct quarantine quarantine = {.checks = checks};
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc;

    tl_buf_init(&quarantine.place, 0);
    tl_buf_init(&quarantine.event, 0);
    TL_TRY(tl_printer_head(&checks->printer, quarantine_columns, TL_COUNT(quarantine_columns), err));
    TL_TRY(tl_store_definitions(checks->store, &definitions, &count, err));
    for (size_t d = 0; d < count; d++) {
        quarantine.definition = definitions[d];
        if (definitions[d].state != TL_DEFINITION_ACTIVE ||
            (checks->own->query.view != NULL && !tl_sv_eq(definitions[d].view, tl_sv_from(checks->own->query.view))))
            continue;
        TL_TRY(tl_store_ranges(checks->store, definitions[d].id, see_served, &quarantine, err));
    }
    TL_TRY(tl_printer_end(&checks->printer, err));
    if (quarantine.left_count > 0)
        tl_diag(TL_INFO, "%llu more; --limit %llu would show them", (unsigned long long)quarantine.left_count,
                (unsigned long long)quarantine.left_count + (unsigned long long)quarantine.printed_count);
out:
    tl_buf_done(&quarantine.place);
    tl_buf_done(&quarantine.event);
    return rc;
}

/* ---- the command ---- */

static enum tl_code see_run(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    bool *found = ctx;

    (void)run;
    (void)err;
    *found = true;
    return TL_OK;
}

static enum tl_code checks_main(struct checks *checks, struct tl_err *err)
{
    const struct checks_options *own = checks->own;
    struct tl_definition active;
    bool found = own->query.run == 0;
    enum tl_code rc;

    TL_TRY(tl_store_open(checks->common->store, TL_STORE_READ, &checks->store, err));
    TL_TRY(tl_store_begin_read(checks->store, err));
    if (!found)
        TL_TRY(tl_store_run(checks->store, own->query.run, see_run, &found, err));
    if (!found)
        TL_TRY(
            tl_fail(err, TL_ERR_USAGE, "there is no run %lld; tally runs shows those that there are", (long long)own->query.run));
    if (own->query.view != NULL) {
        rc = tl_store_active(checks->store, tl_sv_from(own->query.view), &active, err);
        if (rc == TL_ERR_NOT_FOUND) /* a mistyped view is a wrong word, not a failure of the store */
            rc = err->code = TL_ERR_USAGE;
        TL_TRY(rc);
    }
    TL_TRY(own->quarantine ? print_quarantine(checks, err) : print_results(checks, err));
out:
    return rc;
}

static const struct tl_option checks_table[] = {
    {"view",       TL_OPT_TEXT,   "VIEW",           "of this view only",                                        offsetof(struct checks_options, query.view),    0},
    {"run",        TL_OPT_COUNT,  "N",              "what this run found in all its ranges",                    offsetof(struct checks_options, query.run),     0},
    {"failed",     TL_OPT_FLAG,   NULL,             "only what did not pass, of all ranges",                    offsetof(struct checks_options, query.failed),  0},
    {"history",    TL_OPT_COUNT,  "N",              "of each check the last N ranges; 1 unless set",
     offsetof(struct checks_options,                                                                                                            query.history), 0},
    {"quarantine", TL_OPT_FLAG,   NULL,             "the events that checks dropped, of what is served now",
     offsetof(struct checks_options,                                                                                                            quarantine),    0},
    {"limit",      TL_OPT_COUNT,  "N",              "at most so many events of the quarantine; 100 unless set",
     offsetof(struct checks_options,                                                                                                            limit),         0},
    {"format",     TL_OPT_CHOICE, "table|csv|json", "how rows are written",                                     offsetof(struct checks_options, format),        0},
};

static const struct tl_usage checks_usage = {
    .synopsis = "[CHECK...]",
    .text =
        "What the data-quality checks found, as tally batch has it from its last run over each range: of each check the latest "
        "range, and every range that is kept back. Exit status 1 where one is: tally batch --accept publishes it all the same.",
    .example = "tally checks --failed",
    .options = checks_table,
    .options_count = TL_COUNT(checks_table),
    .args_min = 0,
    .args_max = -1,
};

TL_COMMAND(checks, "what the data-quality checks found, and what they keep back")
{
    struct checks_options own = {.query = {.history = 1}, .format = "table", .limit = 100};
    struct tl_common_options common;
    struct checks checks = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&checks_usage, argc, argv, &common, &own, &status))
        return status;
    checks.asked_found = calloc((size_t)common.args_count + 1, sizeof *checks.asked_found);
    tl_printer_init(&checks.printer, tl_print_format_of(own.format), stdout);
    tl_buf_init(&checks.measured, 0);
    tl_buf_init(&checks.bounds, 0);
    tl_buf_init(&checks.who, 0);
    rc = checks.asked_found != NULL ? checks_main(&checks, &err) : tl_fail_memory(&err, (size_t)common.args_count);
    if (rc != TL_OK && rc != TL_ERR_ANSWER_NO)
        tl_diag_err(&err);
    if (checks.store != NULL)
        tl_store_rollback(checks.store);
    tl_store_close(checks.store);
    tl_printer_done(&checks.printer);
    tl_buf_done(&checks.measured);
    tl_buf_done(&checks.bounds);
    tl_buf_done(&checks.who);
    free(checks.asked_found);
    return tl_exit_status(rc);
}
