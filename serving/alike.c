/* alike.c: events that both layers treat alike. See alike.h. */
#include "alike.h"

#include <stdlib.h>

#include "event/batch.h"

void tl_alike_init(struct tl_alike *alike, size_t limit)
{
    *alike = (struct tl_alike){.first_ms = INT64_MAX, .last_ms = INT64_MIN};
    tl_cause_events_init(&alike->events, limit);
}

void tl_alike_done(struct tl_alike *alike)
{
    tl_cause_events_done(&alike->events);
    free(alike->future);
}

void tl_alike_widen(struct tl_alike *alike, int64_t from_ms, int64_t to_ms)
{
    alike->first_ms = tl_min_i64(alike->first_ms, from_ms);
    alike->last_ms = tl_max_i64(alike->last_ms, to_ms);
}

static enum tl_code count_event(struct tl_alike *alike, enum tl_cause cause, const struct tl_unit_sample *event,
                                struct tl_err *err)
{
    const struct tl_sv no_check = {NULL, 0};
    struct tl_cause_sample sample = {.event = *event};

    return tl_cause_events_add(&alike->events, 0, cause, no_check, &sample, INT64_MIN) ? TL_OK
                                                                                       : tl_fail_memory(err, sizeof sample);
}

/* ---- what both ledgers say ---- */

const uint32_t tl_alike_causes =
    1u << TL_CAUSE_DUPLICATE | 1u << TL_CAUSE_EVAL_ERROR | 1u << TL_CAUSE_NONE | 1u << TL_CAUSE_SESSION_SPLIT;

/* What a line says that both layers may say. Its flags count where it says that the event was counted: another cause is a difference, or what both refuse. */
static uint32_t said_by(enum tl_cause cause, uint8_t flags)
{
    switch (cause) {
    case TL_CAUSE_DUPLICATE:
    case TL_CAUSE_EVAL_ERROR: return 1u << cause;
    case TL_CAUSE_NONE:
    case TL_CAUSE_SESSION_SPLIT:
        return (flags & TL_FLAG_BAD_FIELD ? 1u << TL_CAUSE_JSON_BAD_FIELD : 0) |
               (flags & TL_FLAG_ID_CONFLICT ? 1u << TL_CAUSE_ID_CONFLICT : 0);
    default: return 0;
    }
}

static bool is_inside(const struct tl_alike *alike, int64_t log_ms)
{
    return log_ms >= alike->first_ms && log_ms < alike->last_ms;
}

static enum tl_code add_future(struct tl_alike *alike, const struct tl_unit_sample *event, struct tl_err *err)
{
    int64_t min_ms = INT64_MIN, max_ms = INT64_MAX;

    if (alike->between != NULL)
        alike->between(alike->ctx, event->partition, event->offset, &min_ms, &max_ms);
    if (max_ms < alike->first_ms || min_ms >= alike->last_ms)
        return TL_OK;
    if (is_inside(alike, min_ms) && is_inside(alike, max_ms))
        return count_event(alike, TL_CAUSE_FUTURE_EVENT, event, err);
    if (alike->future_count == alike->future_capacity) {
        size_t capacity = alike->future_capacity * 2 + 16;

        if (!TL_RESIZE(alike->future, capacity))
            return tl_fail_memory(err, capacity * sizeof *alike->future);
        alike->future_capacity = capacity;
    }
    alike->future[alike->future_count++] = *event;
    return TL_OK;
}

enum tl_code tl_alike_pairs_end(struct tl_alike *alike, struct tl_err *err)
{
    const struct tl_unit_sample event = {
        .partition = alike->at.partition, .offset = alike->at.offset, .row = alike->at.row, .time_ms = alike->at.event_time_ms};
    enum tl_code rc = TL_OK;

    for (uint32_t c = 0; c < TL_CAUSES; c++)
        if ((alike->at_causes & 1u << c) != 0)
            TL_TRY(count_event(alike, (enum tl_cause)c, &event, err));
    if (alike->at_future)
        TL_TRY(add_future(alike, &event, err));
    alike->has_at = alike->at_future = false;
    alike->at_causes = 0;
out:
    return rc;
}

enum tl_code tl_alike_pair(struct tl_alike *alike, const struct tl_ledger_pair *pair, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (alike->has_at &&
        (pair->partition != alike->at.partition || pair->offset != alike->at.offset || pair->row != alike->at.row))
        TL_TRY(tl_alike_pairs_end(alike, err));
    alike->at = *pair;
    alike->has_at = true;
    alike->at_causes |= said_by(pair->speed, pair->speed_flags) & said_by(pair->batch, pair->batch_flags);
    alike->at_future = alike->at_future || pair->speed == TL_CAUSE_FUTURE_EVENT;
out:
    return rc;
}

enum tl_code tl_alike_dead(struct tl_alike *alike, uint32_t partition, int64_t offset, uint32_t row, enum tl_cause cause,
                           struct tl_err *err)
{
    return count_event(alike, cause,
                       &(struct tl_unit_sample){.partition = partition, .offset = offset, .row = row, .time_ms = INT64_MIN}, err);
}

enum tl_code tl_alike_place_future(struct tl_alike *alike,
                                   enum tl_code (*find)(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms,
                                                        struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t e = 0; e < alike->future_count; e++) { /* in order: each block of the record is read once */
        int64_t log_ms;

        TL_TRY(find(ctx, &alike->future[e], &log_ms, err));
        if (is_inside(alike, log_ms))
            TL_TRY(count_event(alike, TL_CAUSE_FUTURE_EVENT, &alike->future[e], err));
    }
    alike->future_count = 0;
out:
    return rc;
}

enum tl_code tl_alike_take(struct tl_alike *alike, uint64_t counts[TL_CAUSES], struct tl_alike_event **out, size_t *count,
                           struct tl_err *err)
{
    struct tl_alike_event *events;
    size_t made = 0;

    tl_cause_events_settle(&alike->events);
    for (const struct tl_cause_group *group = alike->events.groups; group != NULL; group = group->next)
        made += group->samples_count;
    events = malloc((made + 1) * sizeof *events);
    if (events == NULL)
        return tl_fail_memory(err, made * sizeof *events);
    *count = 0;
    for (const struct tl_cause_group *group = alike->events.groups; group != NULL; group = group->next) {
        counts[group->cause] += group->events_count;
        for (size_t i = 0; i < group->samples_count; i++)
            events[(*count)++] = (struct tl_alike_event){group->cause, group->samples[i].event};
    }
    *out = events;
    return TL_OK;
}
