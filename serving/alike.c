/* alike.c: events that both layers treat alike. See alike.h. */
#include "alike.h"

#include <stdlib.h>
#include <string.h>

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
    const struct tl_alike_event *x = a, *y = b;
    int order;

    if (x->cause != y->cause)
        return x->cause < y->cause ? -1 : 1;
    order = tl_partition_order(x->event.partition, x->event.offset, y->event.partition, y->event.offset);
    return order != 0 ? order : (x->event.row > y->event.row) - (x->event.row < y->event.row);
}

static struct tl_alike_event event_at(const struct tl_alike *alike, uint32_t i, bool future, uint32_t *causes)
{
    struct tl_alike_event out = {0};
    struct tl_sv key;
    uint64_t hash;
    const struct alike *event = tl_table_at(&alike->events, i, &key, &hash);

    memcpy(&out.event.offset, key.data, sizeof out.event.offset);
    memcpy(&out.event.partition, key.data + 8, sizeof out.event.partition);
    memcpy(&out.event.row, key.data + 12, sizeof out.event.row);
    out.event.time_ms = event->time_ms;
    *causes = !future ? event->causes : event->future ? 1u << TL_CAUSE_FUTURE_EVENT : 0;
    return out;
}

/* All that have one of these causes, in order; of those from the future the cause that they may have. */
static enum tl_code sorted(const struct tl_alike *alike, bool future, struct tl_alike_event **out, size_t *count,
                           struct tl_err *err)
{
    struct tl_alike_event *events;
    size_t made = 0;
    uint32_t causes;

    for (uint32_t i = 0; i < alike->events.count; i++) {
        (void)event_at(alike, i, future, &causes);
        made += (size_t)__builtin_popcount(causes);
    }
    events = malloc((made + 1) * sizeof *events);
    if (events == NULL)
        return tl_fail_memory(err, made * sizeof *events);
    *count = 0;
    for (uint32_t i = 0; i < alike->events.count; i++) {
        struct tl_alike_event event = event_at(alike, i, future, &causes);

        for (uint32_t c = 0; c < TL_CAUSES; c++) {
            if ((causes & 1u << c) == 0)
                continue;
            event.cause = (enum tl_cause)c;
            events[(*count)++] = event;
        }
    }
    qsort(events, *count, sizeof *events, by_place);
    *out = events;
    return TL_OK;
}

enum tl_code tl_alike_place_future(struct tl_alike *alike,
                                   enum tl_code (*find)(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms,
                                                        struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    struct tl_alike_event *events = NULL;
    size_t count;
    enum tl_code rc = TL_OK;

    TL_TRY(sorted(alike, true, &events, &count, err)); /* in order: each block of the record is read once */
    for (size_t e = 0; e < count; e++) {
        const struct tl_unit_sample *event = &events[e].event;
        int64_t log_ms;

        TL_TRY(find(ctx, event, &log_ms, err));
        if (log_ms >= alike->first_ms && log_ms < alike->last_ms)
            event_of(alike, event->partition, event->offset, event->row)->causes |= 1u << TL_CAUSE_FUTURE_EVENT;
    }
out:
    free(events);
    return rc;
}

enum tl_code tl_alike_take(const struct tl_alike *alike, uint64_t counts[TL_CAUSES], size_t limit, struct tl_alike_event **out,
                           size_t *count, struct tl_err *err)
{
    struct tl_alike_event *events;
    size_t made, kept = 0;
    enum tl_code rc;

    TL_TRY(sorted(alike, false, &events, &made, err));
    for (size_t i = 0, of = 0; i < made; i++) {
        counts[events[i].cause]++;
        of = i > 0 && events[i].cause == events[i - 1].cause ? of + 1 : 0;
        if (of < limit)
            events[kept++] = events[i];
    }
    *out = events;
    *count = kept;
out:
    return rc;
}
