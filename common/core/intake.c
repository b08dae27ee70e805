/* intake.c: messages of one source -> rows with their event times. See intake.h. */
#include "core/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/table.h"
#include "core/expr.h"
#include "event/json_event.h"
#include "event/timestamp.h"

/* The arrays that hang on the batch's capacity, in one place so that none is forgotten when it grows. */
static enum tl_code follow_capacity(struct tl_intake *intake, uint32_t rows, struct tl_err *err)
{
    uint32_t capacity = intake->capacity ? intake->capacity : TL_BATCH_ROWS;
    bool ok = true;

    if (rows <= intake->capacity && intake->capacity > 0)
        return TL_OK;
    while (capacity < rows)
        capacity = capacity + capacity / 2 + 1;
    /* Each is taken over as soon as it has grown, so that a failure in between leaves arrays that are large enough or unused. */
    ok &= TL_RESIZE(intake->watermark_ms, capacity);
    ok &= TL_RESIZE(intake->usable, capacity);
    ok &= TL_RESIZE(intake->future, capacity);
    ok &= TL_RESIZE(intake->failed, capacity);
    if (!ok)
        return tl_fail_memory(err, capacity * sizeof *intake->watermark_ms);
    intake->capacity = capacity;
    intake->allocations_count++;
    return TL_OK;
}

enum tl_code tl_intake_open(const struct tl_plan *plan, uint32_t source, struct tl_intake **out, struct tl_err *err)
{
    struct tl_intake *intake = calloc(1, sizeof *intake);
    enum tl_code rc = TL_OK;

    if (intake == NULL)
        return tl_fail_memory(err, sizeof *intake);
    intake->source = &plan->sources[source];
    intake->future_skew_max_ms = plan->settings.future_skew_max_ms;
    tl_arena_init(&intake->scratch, 1u << 18, 0);
    TL_TRY(tl_json_event_open(&intake->source->schema, &intake->parser, err));
    TL_TRY(tl_batch_open(&intake->source->schema, &intake->batch, err));
    TL_TRY(follow_capacity(intake, TL_BATCH_ROWS, err));
    *out = intake;
    intake = NULL;
out:
    tl_intake_close(intake);
    return rc;
}

void tl_intake_close(struct tl_intake *intake)
{
    if (intake == NULL)
        return;
    tl_json_event_close(intake->parser);
    tl_batch_close(intake->batch);
    tl_arena_done(&intake->scratch);
    free(intake->watermark_ms);
    free(intake->usable);
    free(intake->future);
    free(intake->failed);
    tl_memories_done(&intake->memories);
    free(intake);
}

/* Was the value of the column behind the event time there, but unreadable? A computed time has no such column: absent inputs and bad
 * ones both give NULL, so "bad" is said when any of the row's wanted columns was bad. */
static bool time_was_bad(const struct tl_intake *intake, uint32_t row)
{
    const struct tl_batch *batch = intake->batch;
    uint32_t fields = batch->schema->fields_count;
    const struct tl_expr *time = intake->source->time;

    if (time->op == TL_EXPR_SLOT)
        return batch->bad[(size_t)row * fields + time->slot] != 0;
    if (intake->failed[row])
        return true;
    for (uint32_t i = 0; i < fields; i++)
        if (batch->bad[(size_t)row * fields + i])
            return true;
    return false;
}

/* Event time and watermark of every row, as columns. */
static enum tl_code evaluate_times(struct tl_intake *intake, struct tl_err *err)
{
    const struct tl_source *source = intake->source;
    struct tl_batch *batch = intake->batch;
    uint32_t *rows = intake->usable; /* all rows for now; sort_rows makes it the usable ones */
    struct tl_eval eval = {.slots = batch->column,
                           .slots_count = batch->schema->fields_count,
                           .rows_count = batch->rows,
                           .arena = &intake->scratch,
                           .failed = intake->failed,
                           .memories = &intake->memories};
    struct tl_vec watermark;
    int64_t delay = source->watermark_delay_ms;

    for (uint32_t i = 0; i < batch->rows; i++)
        rows[i] = i;
    memset(intake->failed, 0, batch->rows * sizeof *intake->failed);
    if (!tl_expr_eval(&eval, source->time, rows, batch->rows, &intake->time))
        return tl_fail_memory(err, 0);
    if (delay != INT64_MIN) {
        for (uint32_t i = 0; i < batch->rows; i++)
            intake->watermark_ms[i] = intake->time.null[i] ? INT64_MIN : tl_add_sat_i64(intake->time.i64[i], -delay);
        return TL_OK;
    }
    eval.event_time = &intake->time;
    if (!tl_expr_eval(&eval, source->watermark, rows, batch->rows, &watermark))
        return tl_fail_memory(err, 0);
    for (uint32_t i = 0; i < batch->rows; i++)
        intake->watermark_ms[i] = watermark.null[i] ? INT64_MIN : tl_min_i64(watermark.i64[i], TL_TIME_MAX_MS);
    return TL_OK;
}

/* Why the row has no event time; 0: it has one. Times that no text can say come of computed columns. */
static enum tl_dead_reason time_reason(const struct tl_intake *intake, uint32_t row)
{
    if (intake->time.null[row])
        return time_was_bad(intake, row) ? TL_DEAD_TIME_BAD : TL_DEAD_TIME_MISSING;
    return intake->time.i64[row] < TL_TIME_MIN_MS || intake->time.i64[row] > TL_TIME_MAX_MS ? TL_DEAD_TIME_OUTSIDE : 0;
}

/* Sorts the rows into dead, future and usable. */
static enum tl_code sort_rows(struct tl_intake *intake, struct tl_err *err)
{
    struct tl_batch *batch = intake->batch;
    enum tl_code rc = TL_OK;

    intake->usable_count = intake->future_count = 0;
    for (uint32_t row = 0; row < batch->rows; row++) {
        enum tl_dead_reason reason = time_reason(intake, row);

        if (reason != 0) {
            struct tl_dead dead = {.offset = batch->offset[row],
                                   .log_ms = batch->log_ms[row],
                                   .row = batch->row[row],
                                   .reason = reason,
                                   .raw = batch->raw[row]};

            intake->watermark_ms[row] = INT64_MIN;
            TL_TRY(tl_batch_add_dead(batch, &dead, err));
        } else if (intake->time.i64[row] > tl_add_sat_i64(batch->log_ms[row], intake->future_skew_max_ms)) {
            intake->watermark_ms[row] = INT64_MIN;
            intake->future[intake->future_count++] = row;
        } else {
            intake->usable[intake->usable_count++] = row;
        }
    }
out:
    return rc;
}

enum tl_code tl_intake_run(struct tl_intake *intake, const struct tl_message *messages, size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    tl_batch_clear(intake->batch);
    tl_arena_reset(&intake->scratch);
    intake->usable_count = intake->future_count = 0;
    TL_TRY(tl_json_event_parse_all(intake->parser, messages, count, intake->batch, err));
    TL_TRY(follow_capacity(intake, intake->batch->rows, err));
    TL_TRY(evaluate_times(intake, err));
    TL_TRY(sort_rows(intake, err));
out:
    return rc;
}

uint64_t tl_intake_time_rule(const struct tl_plan *plan, uint32_t source)
{
    const struct tl_source *s = &plan->sources[source];
    struct tl_buf text;
    uint64_t hash;

    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "normaliser %d format %d skew %lld bytes %zu time ", TL_NORMALISER_VERSION, (int)s->schema.time_format,
                  (long long)plan->settings.future_skew_max_ms, plan->settings.event_bytes_max);
    tl_expr_print(s->time, s, NULL, &text);
    tl_buf_put_str(&text, " watermark ");
    tl_expr_print(s->watermark, s, NULL, &text);
    hash = tl_hash_bytes(tl_buf_sv(&text));
    tl_buf_done(&text);
    return hash;
}

enum tl_code tl_intake_facts(const struct tl_intake *intake, const struct tl_message *messages, size_t count,
                             enum tl_code (*each)(void *ctx, const struct tl_message *message, const int64_t *time_ms,
                                                  uint32_t times_count, int64_t watermark_ms, struct tl_err *err),
                             void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    int64_t *times = NULL;
    uint32_t at = 0;

    times = malloc((intake->usable_count ? intake->usable_count : 1) * sizeof *times);
    if (times == NULL)
        return tl_fail_memory(err, intake->usable_count * sizeof *times);
    for (size_t m = 0; m < count; m++) {
        uint32_t found = 0;
        int64_t watermark = INT64_MIN;

        for (; at < intake->usable_count && intake->batch->offset[intake->usable[at]] == messages[m].offset; at++) {
            times[found++] = intake->time.i64[intake->usable[at]];
            watermark = tl_max_i64(watermark, intake->watermark_ms[intake->usable[at]]);
        }
        TL_TRY(each(ctx, &messages[m], times, found, watermark, err));
    }
out:
    free(times);
    return rc;
}

bool tl_intake_takes_time(const struct tl_intake *intake, struct tl_sv name)
{
    const struct tl_source *source = intake->source;
    const struct tl_field *field;

    if (source->time->op != TL_EXPR_SLOT || source->time->slot >= source->schema.fields_count ||
        source->watermark_delay_ms == INT64_MIN)
        return false;
    field = &source->schema.fields[source->time->slot];
    return tl_sv_eq(field->name, name) && field->kind == TL_TIMESTAMP_LTZ && source->schema.time_format == TL_TIME_ISO_8601;
}

bool tl_intake_time_fact(const struct tl_intake *intake, int64_t time_ms, size_t bytes, int64_t log_ms, int64_t *watermark_ms)
{
    *watermark_ms = tl_add_sat_i64(time_ms, -intake->source->watermark_delay_ms);
    return bytes <= intake->source->schema.event_bytes_max && time_ms >= TL_TIME_MIN_MS && time_ms <= TL_TIME_MAX_MS &&
           time_ms <= tl_add_sat_i64(log_ms, intake->future_skew_max_ms);
}
