/* alike.c: events that both layers treat alike. See alike.h. */
#include "alike.h"

#include <stdlib.h>
#include <string.h>

#include "cause_events.h"
#include "event/batch.h"
#include "event/partition.h"

/* State of alike->events, under (offset, partition, row). */
struct alike {
    int64_t time_ms;
    uint32_t causes; /* one bit each */
    bool future;     /* perhaps within the range */
    uint32_t view;   /* in whose ledger speed has these: */
    uint32_t of_speed;
};

enum { KEY_BYTES = 16 };

void tl_alike_init(struct tl_alike *alike)
{
    *alike = (struct tl_alike){.first_ms = INT64_MAX, .last_ms = INT64_MIN};
    tl_table_init(&alike->events, sizeof(struct alike), 0);
}

void tl_alike_done(struct tl_alike *alike)
{
    tl_table_done(&alike->events);
}

void tl_alike_view(struct tl_alike *alike, uint32_t view, int64_t from_ms, int64_t to_ms)
{
    alike->view = view;
    alike->from_ms = from_ms;
    alike->to_ms = to_ms;
    alike->first_ms = tl_min_i64(alike->first_ms, from_ms);
    alike->last_ms = tl_max_i64(alike->last_ms, to_ms);
}

static struct tl_sv key_of(char out[KEY_BYTES], uint32_t partition, int64_t offset, uint32_t row)
{
    memcpy(out, &offset, sizeof offset);
    memcpy(out + 8, &partition, sizeof partition);
    memcpy(out + 12, &row, sizeof row);
    return (struct tl_sv){out, KEY_BYTES};
}

static struct alike *event_of(struct tl_alike *alike, uint32_t partition, int64_t offset, uint32_t row)
{
    char bytes[KEY_BYTES];
    struct tl_sv key = key_of(bytes, partition, offset, row);

    return tl_table_put(&alike->events, tl_hash_bytes(key), key, NULL);
}

static bool is_inside(const struct tl_alike *alike, int64_t time_ms)
{
    return time_ms >= alike->from_ms && time_ms < alike->to_ms;
}

/* What a line says that both layers may say. Its flags count where it says that the event was counted: another cause is a difference, or what both refuse. */
static uint32_t said_by(const struct tl_ledger_line *line)
{
    switch (line->cause) {
    case TL_CAUSE_DUPLICATE:
    case TL_CAUSE_EVAL_ERROR: return 1u << line->cause;
    case TL_CAUSE_NONE:
    case TL_CAUSE_SESSION_SPLIT:
        return (line->flags & TL_FLAG_BAD_FIELD ? 1u << TL_CAUSE_JSON_BAD_FIELD : 0) |
               (line->flags & TL_FLAG_ID_CONFLICT ? 1u << TL_CAUSE_ID_CONFLICT : 0);
    default: return 0;
    }
}

enum tl_code tl_alike_line(struct tl_alike *alike, bool of_speed, const struct tl_ledger_line *line, struct tl_err *err)
{
    bool future = of_speed && line->cause == TL_CAUSE_FUTURE_EVENT;
    uint32_t said = said_by(line);
    struct alike *event;
    char bytes[KEY_BYTES];
    struct tl_sv key = key_of(bytes, line->partition, line->offset, line->row);

    if (!future && (said == 0 || !is_inside(alike, line->event_time_ms)))
        return TL_OK;
    if (!of_speed) {
        event = tl_table_find(&alike->events, tl_hash_bytes(key), key);
        if (event != NULL && event->view == alike->view)
            event->causes |= event->of_speed & said;
        return TL_OK;
    }
    event = event_of(alike, line->partition, line->offset, line->row);
    if (event == NULL)
        return tl_fail_memory(err, sizeof *event);
    event->time_ms = line->event_time_ms;
    event->future = event->future || future;
    event->view = alike->view;
    event->of_speed = said;
    return TL_OK;
}

enum tl_code tl_alike_dead(struct tl_alike *alike, uint32_t partition, int64_t offset, uint32_t row, enum tl_cause cause,
                           struct tl_err *err)
{
    struct alike *event = event_of(alike, partition, offset, row);

    if (event == NULL)
        return tl_fail_memory(err, sizeof *event);
    event->time_ms = INT64_MIN;
    event->causes |= 1u << cause;
    return TL_OK;
}

/* ---- in order ---- */

static int by_place(const void *a, const void *b)
{
    const struct tl_unit_sample *x = a, *y = b;
    int order = tl_partition_order(x->partition, x->offset, y->partition, y->offset);

    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static const struct alike *event_at(const struct tl_alike *alike, uint32_t i, struct tl_unit_sample *out)
{
    struct tl_sv key;
    uint64_t hash;
    const struct alike *event = tl_table_at(&alike->events, i, &key, &hash);

    *out = (struct tl_unit_sample){.time_ms = event->time_ms};
    memcpy(&out->offset, key.data, sizeof out->offset);
    memcpy(&out->partition, key.data + 8, sizeof out->partition);
    memcpy(&out->row, key.data + 12, sizeof out->row);
    return event;
}

/* All that speed has taken for the future, in order. */
static enum tl_code list_future(const struct tl_alike *alike, struct tl_unit_sample **out, size_t *count, struct tl_err *err)
{
    struct tl_unit_sample sample, *events;
    size_t made = 0;

    for (uint32_t i = 0; i < alike->events.count; i++)
        made += event_at(alike, i, &sample)->future;
    events = malloc((made + 1) * sizeof *events);
    if (events == NULL)
        return tl_fail_memory(err, made * sizeof *events);
    *count = 0;
    for (uint32_t i = 0; i < alike->events.count; i++)
        if (event_at(alike, i, &sample)->future)
            events[(*count)++] = sample;
    qsort(events, *count, sizeof *events, by_place);
    *out = events;
    return TL_OK;
}

enum tl_code tl_alike_place_future(struct tl_alike *alike,
                                   enum tl_code (*find)(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms,
                                                        struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    struct tl_unit_sample *events = NULL;
    size_t count;
    enum tl_code rc = TL_OK;

    TL_TRY(list_future(alike, &events, &count, err)); /* in order: each block of the record is read once */
    for (size_t e = 0; e < count; e++) {
        const struct tl_unit_sample *event = &events[e];
        int64_t log_ms;

        TL_TRY(find(ctx, event, &log_ms, err));
        if (log_ms >= alike->first_ms && log_ms < alike->last_ms)
            event_of(alike, event->partition, event->offset, event->row)->causes |= 1u << TL_CAUSE_FUTURE_EVENT;
    }
out:
    free(events);
    return rc;
}

static enum tl_code list_kept(const struct tl_cause_events *kept, uint64_t counts[TL_CAUSES], struct tl_alike_event **out,
                              size_t *count, struct tl_err *err)
{
    struct tl_alike_event *events;
    size_t made = 0;

    for (const struct tl_cause_group *group = kept->groups; group != NULL; group = group->next)
        made += group->samples_count;
    events = malloc((made + 1) * sizeof *events);
    if (events == NULL)
        return tl_fail_memory(err, made * sizeof *events);
    *count = 0;
    for (const struct tl_cause_group *group = kept->groups; group != NULL; group = group->next) {
        counts[group->cause] += group->events_count;
        for (size_t i = 0; i < group->samples_count; i++)
            events[(*count)++] = (struct tl_alike_event){group->cause, group->samples[i].event};
    }
    *out = events;
    return TL_OK;
}

enum tl_code tl_alike_take(const struct tl_alike *alike, uint64_t counts[TL_CAUSES], size_t limit, struct tl_alike_event **out,
                           size_t *count, struct tl_err *err)
{
    const struct tl_sv no_check = {NULL, 0};
    struct tl_cause_events kept; /* the first ones of each cause: only these are put in order */
    enum tl_code rc = TL_OK;

    tl_cause_events_init(&kept, limit);
    for (uint32_t i = 0; i < alike->events.count; i++) {
        struct tl_cause_sample sample = {0};
        const struct alike *event = event_at(alike, i, &sample.event);

        for (uint32_t c = 0; c < TL_CAUSES; c++)
            if ((event->causes & 1u << c) != 0 && !tl_cause_events_add(&kept, 0, (enum tl_cause)c, no_check, &sample, INT64_MIN))
                TL_TRY(tl_fail_memory(err, sizeof sample));
    }
    tl_cause_events_settle(&kept);
    TL_TRY(list_kept(&kept, counts, out, count, err));
out:
    tl_cause_events_done(&kept);
    return rc;
}
