/* status.c: the command: is every event accounted for, per view, and how far is each layer?
 *
 * The answer is 'no' (exit 1) when some view's outcomes do not sum to the events that its offsets say were read. */
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "event/timestamp.h"
#include "main/command.h"
#include "main/option.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "main/views.h"
#include "master/master.h"
#include "store/store.h"

enum { PARTITIONS_MAX = 4096 };

struct status_options {
    const char *format;
};

struct status {
    const struct tl_common_options *common;
    struct tl_store *store;
    struct tl_functions *functions;
    struct tl_plan *plan;        /* for how Kafka is reached; NULL: no views file was named */
    struct tl_source_logs *logs; /* NULL: none to be seen from here */
    struct tl_master *master;
    struct tl_arena memory;
    struct tl_source_topic *topics; /* that the store has numbers for */
    uint32_t topics_count;
    struct tl_buf out;
    bool json, agrees;
    int64_t now_ms;
};

struct positions {
    struct tl_position *at;
    size_t count;
    uint64_t messages_count, events_count;
};

/* ---- reading ---- */

static enum tl_code add_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct positions *positions = ctx;

    if (positions->count == PARTITIONS_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "more than %d partitions", PARTITIONS_MAX);
    positions->at[positions->count++] = *position;
    positions->messages_count += position->messages_count;
    positions->events_count += position->events_count;
    return TL_OK;
}

struct ranges {
    uint64_t count;
    int64_t run;
};

static enum tl_code count_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct ranges *ranges = ctx;

    (void)err;
    ranges->count++;
    if (range->run > ranges->run)
        ranges->run = range->run;
    return TL_OK;
}

struct view_status {
    const struct tl_definition *definition;
    struct positions positions;
    struct ranges ranges;
    uint64_t speed[TL_OUTCOMES], batch[TL_OUTCOMES];
    uint64_t speed_sum;
    bool agrees;
    struct tl_buf failures; /* which functions failed, as it is written */
    bool made_again;        /* its topic: the log has other events at these offsets */
};

static enum tl_code add_topic(void *ctx, uint32_t number, struct tl_sv name, struct tl_err *err)
{
    struct status *status = ctx;
    struct tl_source_topic topic = {.number = number};

    if (!tl_arena_copy(&status->memory, name, &topic.name) || !TL_RESIZE(status->topics, status->topics_count + 1))
        return tl_fail_memory(err, name.size);
    status->topics[status->topics_count++] = topic;
    return TL_OK;
}

/* The topic that a partition of the definition's source is of. */
static struct tl_sv topic_of(const struct status *status, const struct tl_definition *definition, uint32_t partition)
{
    for (uint32_t t = 0; t < status->topics_count; t++)
        if (definition->by_pattern && status->topics[t].number == tl_partition_topic(partition))
            return status->topics[t].name;
    return definition->topic;
}

static struct tl_log *log_of(const struct status *status, const struct tl_definition *definition)
{
    for (uint32_t s = 0; status->plan != NULL && s < status->plan->sources_count; s++) {
        const struct tl_source *source = &status->plan->sources[s];

        if (tl_sv_eq(definition->by_pattern ? source->topic_pattern : source->topic, definition->topic))
            return tl_source_log(status->logs, s);
    }
    return tl_source_log(status->logs, 0);
}

/* A log that does not answer is asked no more: each question would take seconds. */
static bool answered(struct status *status, enum tl_code rc, const struct tl_err *err)
{
    if (rc != TL_OK && err->retriable) {
        tl_diag(TL_WARN, "how far the log goes is not known: %s", err->message);
        tl_source_logs_close(status->logs);
        status->logs = NULL;
    }
    return rc == TL_OK;
}

/* Offsets of a topic that was made again mean other events than those that were counted. The identity is that of the first topic that was counted, as
 * speed asks for it: positions come in the order of the topics' numbers. Of one that is gone there is nothing to tell. */
static bool is_made_again(struct status *status, const struct view_status *view, uint64_t counted_identity)
{
    const struct tl_definition *definition = view->definition;
    struct tl_err err = {0};
    uint32_t partitions;
    uint64_t identity;

    if (counted_identity == 0 || status->logs == NULL || view->positions.count == 0)
        return false;
    return answered(status,
                    tl_log_topic(log_of(status, definition), topic_of(status, definition, view->positions.at[0].partition),
                                 &partitions, &identity, &err),
                    &err) &&
           identity != counted_identity;
}

static int64_t log_end(struct status *status, const struct view_status *view, uint32_t partition)
{
    struct tl_sv topic = topic_of(status, view->definition, partition);
    struct tl_err err = {0};
    int64_t first, end;

    if (status->logs == NULL || view->made_again ||
        !answered(status,
                  tl_log_range(log_of(status, view->definition), topic, tl_partition_in_topic(partition), &first, &end, &err),
                  &err))
        return -1;
    return end;
}

/* ---- writing ---- */

static void put_count(struct tl_buf *out, uint64_t count)
{
    char text[TL_COUNT_TEXT_BYTES];

    tl_buf_put_str(out, tl_count_text(count, text));
}

static const char *time_text(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    if (ms == INT64_MIN)
        return "none yet";
    tl_time_to_iso_z(ms, out);
    return out;
}

/* How fresh that is: "2 h 5 min ago", in the two largest units. */
static void put_age(struct status *status, int64_t ms)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {
        {"d",   86400},
        {"h",   3600 },
        {"min", 60   },
        {"s",   1    }
    };
    int64_t seconds = ms <= status->now_ms ? (status->now_ms - ms) / 1000 : 0;
    size_t unit = 0;

    if (ms > status->now_ms) {
        tl_buf_put_str(&status->out, "ahead of the clock");
        return;
    }
    while (unit + 1 < TL_COUNT(units) && seconds < units[unit].seconds)
        unit++;
    tl_buf_printf(&status->out, "%lld %s", (long long)(seconds / units[unit].seconds), units[unit].name);
    seconds %= units[unit].seconds;
    if (unit + 1 < TL_COUNT(units) && seconds >= units[unit + 1].seconds)
        tl_buf_printf(&status->out, " %lld %s", (long long)(seconds / units[unit + 1].seconds), units[unit + 1].name);
    tl_buf_put_str(&status->out, " ago");
}

static void put_age_json(struct status *status, const char *key, int64_t ms)
{
    if (ms == INT64_MIN)
        tl_buf_printf(&status->out, "\"%s\": null", key);
    else
        tl_buf_printf(&status->out, "\"%s\": %lld", key, (long long)(status->now_ms - ms));
}

static void put_time_json(struct tl_buf *out, const char *key, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    if (ms == INT64_MIN)
        tl_buf_printf(out, "\"%s\": null", key);
    else
        tl_buf_printf(out, "\"%s\": \"%s\"", key, time_text(ms, text));
}

static void put_outcomes_json(struct tl_buf *out, const char *key, const uint64_t counts[TL_OUTCOMES])
{
    tl_buf_printf(out, "\"%s\": {", key);
    for (int o = 0; o < TL_OUTCOMES; o++)
        tl_buf_printf(out, "%s\"%s\": %llu", o > 0 ? ", " : "", tl_outcome_name((enum tl_outcome)o),
                      (unsigned long long)counts[o]);
    tl_buf_put_str(out, "}");
}

static void put_sum(struct tl_buf *out, const uint64_t counts[TL_OUTCOMES])
{
    bool first = true;

    for (int o = TL_OUTCOMES; o-- > 0;) {
        if (counts[o] == 0 && o != TL_OUT_COUNTED)
            continue;
        tl_buf_put_str(out, first ? "" : " + ");
        put_count(out, counts[o]);
        tl_buf_printf(out, " %s", tl_outcome_name((enum tl_outcome)o));
        first = false;
    }
}

/* ---- which functions failed ---- */

struct failures {
    struct tl_buf *out;
    bool json;
    uint64_t count; /* so far */
};

static enum tl_code put_failure(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err)
{
    struct failures *failures = ctx;

    (void)err;
    if (failures->json) {
        tl_buf_put_str(failures->out, failures->count > 0 ? ", " : "");
        tl_buf_put_json(failures->out, function);
        tl_buf_printf(failures->out, ": %llu", (unsigned long long)count);
    } else {
        tl_buf_printf(failures->out, "%s%.*s ", failures->count > 0 ? ", " : "  failed  in ", TL_SV_ARG(function));
        put_count(failures->out, count);
    }
    failures->count++;
    return TL_OK;
}

/* Of speed's ledger, as far as it is kept. Nothing is looked for where nothing was rejected. */
static enum tl_code put_failures(struct status *status, const struct view_status *view, struct tl_buf *out, struct tl_err *err)
{
    struct failures failures = {.out = out, .json = status->json};

    if (view->speed[TL_OUT_REJECTED] == 0)
        return TL_OK;
    return tl_store_ledger_failures(status->store, view->definition->id, 0, put_failure, &failures, err);
}

/* ---- a view ---- */

static void put_view_text(struct status *status, const struct view_status *view)
{
    const struct tl_definition *definition = view->definition;
    struct tl_buf *out = &status->out;
    char text[TL_TIME_TEXT_BYTES];

    tl_buf_printf(out, "view %.*s  (definition %.8s%s)\n", TL_SV_ARG(definition->view), definition->hash,
                  definition->state == TL_DEFINITION_ACTIVE ? "" : ", being built");
    tl_buf_put_str(out, "  events  ");
    put_count(out, view->positions.events_count);
    tl_buf_put_str(out, " read = ");
    put_sum(out, view->speed);
    tl_buf_put_str(out, view->agrees ? "  (agrees)\n" : "  (DOES NOT AGREE)\n");
    if (view->failures.size > 0) {
        tl_buf_put_sv(out, tl_buf_sv(&view->failures));
        tl_buf_put_u8(out, '\n');
    }
    for (size_t p = 0; p < view->positions.count; p++) {
        const struct tl_position *position = &view->positions.at[p];
        int64_t end = log_end(status, view, position->partition);

        tl_buf_printf(out, "  speed   %.*s/%u  offset ", TL_SV_ARG(topic_of(status, definition, position->partition)),
                      tl_partition_in_topic(position->partition));
        put_count(out, (uint64_t)position->next_offset);
        if (end >= 0) {
            tl_buf_put_str(out, " of ");
            put_count(out, (uint64_t)end);
        }
        tl_buf_printf(out, "  watermark %s\n", time_text(position->watermark_ms, text));
    }
    if (view->positions.count == 0)
        tl_buf_put_str(out, "  speed   has not run\n");
    else if (definition->final_ms == INT64_MIN)
        tl_buf_put_str(out, "  speed   no row is final yet\n");
    else {
        tl_buf_printf(out, "  speed   rows are final up to %s  (", time_text(definition->final_ms, text));
        put_age(status, definition->final_ms);
        tl_buf_put_str(out, ")\n");
    }
    if (definition->boundary_ms == INT64_MIN) {
        tl_buf_put_str(out, "  batch   nothing is published\n");
        return;
    }
    tl_buf_printf(out, "  batch   published up to %s  (", time_text(definition->boundary_ms, text));
    put_age(status, definition->boundary_ms);
    tl_buf_printf(out, "; %llu range%s, newest run %lld)\n  batch   ", (unsigned long long)view->ranges.count,
                  view->ranges.count == 1 ? "" : "s", (long long)view->ranges.run);
    put_sum(out, view->batch);
    tl_buf_put_str(out, "\n");
}

static void put_view_json(struct status *status, const struct view_status *view, bool first)
{
    const struct tl_definition *definition = view->definition;
    struct tl_buf *out = &status->out;

    tl_buf_put_str(out, first ? "\n    {\"view\": " : ",\n    {\"view\": ");
    tl_buf_put_json(out, definition->view);
    tl_buf_printf(out, ", \"definition\": \"%s\", \"state\": \"%s\", \"events\": %llu, \"messages\": %llu, \"agrees\": %s, ",
                  definition->hash, definition->state == TL_DEFINITION_ACTIVE ? "active" : "building",
                  (unsigned long long)view->positions.events_count, (unsigned long long)view->positions.messages_count,
                  view->agrees ? "true" : "false");
    put_outcomes_json(out, "speed", view->speed);
    tl_buf_put_str(out, ", ");
    put_outcomes_json(out, "batch", view->batch);
    tl_buf_put_str(out, ", \"failed_in\": {");
    tl_buf_put_sv(out, tl_buf_sv(&view->failures));
    tl_buf_put_str(out, "}, ");
    put_time_json(out, "final", definition->final_ms);
    tl_buf_put_str(out, ", ");
    put_age_json(status, "final_age_ms", definition->final_ms);
    tl_buf_put_str(out, ", ");
    put_time_json(out, "boundary", definition->boundary_ms);
    tl_buf_put_str(out, ", ");
    put_age_json(status, "boundary_age_ms", definition->boundary_ms);
    tl_buf_put_str(out, ", \"partitions\": [");
    for (size_t p = 0; p < view->positions.count; p++) {
        const struct tl_position *position = &view->positions.at[p];
        int64_t end = log_end(status, view, position->partition);

        tl_buf_put_str(out, p > 0 ? ", {\"topic\": " : "{\"topic\": ");
        tl_buf_put_json(out, topic_of(status, definition, position->partition));
        tl_buf_printf(out, ", \"partition\": %u, \"offset\": %lld, ", tl_partition_in_topic(position->partition),
                      (long long)position->next_offset);
        if (end >= 0)
            tl_buf_printf(out, "\"end\": %lld, \"lag\": %lld, ", (long long)end, (long long)(end - position->next_offset));
        put_time_json(out, "watermark", position->watermark_ms);
        tl_buf_put_str(out, "}");
    }
    tl_buf_put_str(out, "]}");
}

static enum tl_code put_view(struct status *status, const struct tl_definition *definition, bool first, struct tl_err *err)
{
    struct view_status view = {.definition = definition};
    uint64_t identity;
    enum tl_code rc = TL_OK;

    tl_buf_init(&view.failures, 0);
    view.positions.at = calloc(PARTITIONS_MAX, sizeof *view.positions.at);
    if (view.positions.at == NULL)
        return tl_fail_memory(err, PARTITIONS_MAX * sizeof *view.positions.at);
    TL_TRY(tl_store_positions(status->store, definition->id, add_position, &view.positions, &identity, err));
    TL_TRY(tl_store_ranges(status->store, definition->id, count_range, &view.ranges, err));
    TL_TRY(tl_store_outcomes(status->store, definition->id, 0, view.speed, err));
    TL_TRY(tl_store_outcomes(status->store, definition->id, -1, view.batch, err));
    TL_TRY(put_failures(status, &view, &view.failures, err));
    for (int o = 0; o < TL_OUTCOMES; o++)
        view.speed_sum += view.speed[o];
    view.agrees = view.speed_sum == view.positions.events_count;
    status->agrees = status->agrees && view.agrees;
    view.made_again = is_made_again(status, &view, identity);
    if (view.made_again)
        tl_diag(TL_WARN, "topic %.*s was deleted and made again since view %.*s was counted",
                TL_SV_ARG(topic_of(status, definition, view.positions.at[0].partition)), TL_SV_ARG(definition->view));
    if (status->json)
        put_view_json(status, &view, first);
    else
        put_view_text(status, &view);
out:
    tl_buf_done(&view.failures);
    free(view.positions.at);
    return rc;
}

/* The archive's statement for a topic; nothing where there is none. */
static enum tl_code put_archive(struct status *status, struct tl_sv topic, bool first, struct tl_err *err)
{
    const struct tl_master_complete *complete;
    char text[TL_TIME_TEXT_BYTES];
    size_t count;
    uint64_t identity;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_master_read_complete(status->master, topic, &complete, &count, &identity, err));
    for (size_t c = 0; c < count; c++) {
        int64_t end_ms = complete[c].end_ms == INT64_MAX ? INT64_MIN : complete[c].end_ms;

        if (status->json) {
            tl_buf_put_str(&status->out, first && c == 0 ? "\n    {\"topic\": " : ",\n    {\"topic\": ");
            tl_buf_put_json(&status->out, topic);
            tl_buf_printf(&status->out, ", \"partition\": %u, \"offset\": %lld, ", complete[c].partition,
                          (long long)complete[c].offset);
            put_time_json(&status->out, "as_of", end_ms);
            tl_buf_put_str(&status->out, ", ");
            put_age_json(status, "age_ms", end_ms);
            tl_buf_put_str(&status->out, "}");
        } else {
            tl_buf_printf(&status->out, "archive   %.*s/%u  complete up to offset ", TL_SV_ARG(topic), complete[c].partition);
            put_count(&status->out, (uint64_t)complete[c].offset);
            if (end_ms != INT64_MIN) {
                tl_buf_printf(&status->out, " as of %s  (", time_text(end_ms, text));
                put_age(status, end_ms);
                tl_buf_put_str(&status->out, ")");
            }
            tl_buf_put_str(&status->out, "\n");
        }
    }
out:
    return rc;
}

static bool names_topic(const struct tl_definition *definitions, size_t count, struct tl_sv topic)
{
    for (size_t d = 0; d < count; d++)
        if (!definitions[d].by_pattern && tl_sv_eq(definitions[d].topic, topic))
            return true;
    return false;
}

/* Of each topic once. */
static enum tl_code put_archives(struct status *status, const struct tl_definition *definitions, size_t count, struct tl_err *err)
{
    size_t empty = status->out.size;
    enum tl_code rc = TL_OK;

    for (size_t d = 0; d < count; d++)
        if (!definitions[d].by_pattern && !names_topic(definitions, d, definitions[d].topic))
            TL_TRY(put_archive(status, definitions[d].topic, status->out.size == empty, err));
    for (uint32_t t = 0; t < status->topics_count; t++)
        if (!names_topic(definitions, count, status->topics[t].name))
            TL_TRY(put_archive(status, status->topics[t].name, status->out.size == empty, err));
out:
    return rc;
}

static enum tl_code put_all(struct status *status, struct tl_err *err)
{
    const struct tl_definition *definitions;
    size_t count;
    bool first = true;
    enum tl_code rc;

    TL_TRY(tl_store_topics(status->store, add_topic, status, err));
    TL_TRY(tl_store_definitions(status->store, &definitions, &count, err));
    tl_buf_put_str(&status->out, status->json ? "\n  \"views\": [" : "");
    for (size_t d = 0; d < count; d++) {
        if (definitions[d].state == TL_DEFINITION_RETIRED)
            continue;
        TL_TRY(put_view(status, &definitions[d], first, err));
        first = false;
    }
    tl_buf_put_str(&status->out, status->json ? "\n  ],\n  \"archive\": [" : "");
    TL_TRY(put_archives(status, definitions, count, err));
    if (status->json)
        tl_buf_printf(&status->out, "\n  ],\n  \"agrees\": %s", status->agrees ? "true" : "false");
    else
        tl_buf_put_str(&status->out, status->agrees ? "every event is accounted for\n" : "SOME EVENTS ARE NOT ACCOUNTED FOR\n");
    TL_TRY(tl_buf_check(&status->out, "status", err));
out:
    return rc;
}

enum tl_code tl_status_json(struct tl_store *store, const struct tl_common_options *common, struct tl_buf *out,
                            struct tl_err *err)
{
    struct status status = {.common = common, .store = store, .json = true, .agrees = true, .now_ms = tl_clock_wall_ms()};
    enum tl_code rc;

    tl_buf_init(&status.out, 0);
    tl_arena_init(&status.memory, 1024, 0);
    TL_TRY(tl_master_open(common->data, &status.master, err));
    TL_TRY(put_all(&status, err));
    tl_buf_put_sv(out, tl_buf_sv(&status.out));
out:
    tl_master_close(status.master);
    tl_buf_done(&status.out);
    tl_arena_done(&status.memory);
    free(status.topics);
    return rc;
}

static enum tl_code print_all(struct status *status, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(status->store, err));
    tl_buf_put_str(&status->out, status->json ? "{" : "");
    TL_TRY(put_all(status, err));
    tl_buf_put_str(&status->out, status->json ? "\n}\n" : "");
    TL_TRY(tl_buf_check(&status->out, "status", err));
    if (fwrite(status->out.data, 1, status->out.size, stdout) != status->out.size || fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write to standard output"));
    if (!status->agrees)
        TL_TRY(tl_fail(err, TL_ERR_ANSWER_NO, "the outcomes of a view do not sum to the events that were read"));
out:
    tl_store_rollback(status->store);
    return rc;
}

static enum tl_code status_main(struct status *status, struct tl_err *err)
{
    struct tl_err log_err;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_open(status->common->store, TL_STORE_READ, &status->store, err));
    TL_TRY(tl_master_open(status->common->data, &status->master, err));
    /* The log's end is a help, not the answer: without it the rest is shown, and a log that is there and cannot be read is said. */
    if (strcmp(status->common->log, "kafka") == 0 && status->common->views != NULL)
        TL_TRY(tl_views_open(status->common, status->common->views, &status->functions, &status->plan, err));
    if (tl_source_logs_open(status->common, status->plan, TL_LOG_READ, &status->logs, &log_err) != TL_OK) {
        status->logs = NULL;
        if (log_err.code != TL_ERR_NOT_FOUND)
            tl_diag(TL_WARN, "how far the log goes is not known: %s", log_err.message);
    }
    TL_TRY(print_all(status, err));
out:
    tl_source_logs_close(status->logs);
    tl_views_close(status->functions, status->plan);
    tl_master_close(status->master);
    tl_store_close(status->store);
    return rc;
}

static const struct tl_option status_table[] = {
    {"format", TL_OPT_CHOICE, "text|json", "how it is written", offsetof(struct status_options, format), 0},
};

static const struct tl_usage status_usage = {
    .text =
        "Each event accounted for, per view; offsets and watermarks of speed, the boundary of batch, the archive, and how fresh "
        "each is. Exit 1 when the sums do not agree.\n"
        "Dead letters are in the store's table tally_dead_letter, with their bytes and the reason (SQL.md).",
    .example = "tally status --data tally-data",
    .options = status_table,
    .options_count = TL_COUNT(status_table),
};

TL_COMMAND(status, "is every event accounted for, and how far is each layer")
{
    struct status_options own = {.format = "text"};
    struct tl_common_options common;
    struct status status = {.common = &common, .agrees = true, .now_ms = tl_clock_wall_ms()};
    struct tl_err err = {0};
    int exit_status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&status_usage, argc, argv, &common, &own, &exit_status))
        return exit_status;
    status.json = strcmp(own.format, "json") == 0;
    tl_buf_init(&status.out, 0);
    tl_arena_init(&status.memory, 1024, 0);
    rc = status_main(&status, &err);
    tl_buf_done(&status.out);
    tl_arena_done(&status.memory);
    free(status.topics);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
