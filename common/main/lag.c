/* lag.c: how far a reader is behind the log's end. See lag.h. */
#include "main/lag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

void tl_lag_init(struct tl_lag *lag, struct tl_metrics *metrics, struct tl_health *health, const struct tl_metric_family *family)
{
    *lag = (struct tl_lag){.metrics = metrics, .health = health, .family = family};
    tl_arena_init(&lag->names, 256, 0);
    pthread_mutex_init(&lag->mutex, NULL);
}

void tl_lag_done(struct tl_lag *lag)
{
    pthread_mutex_destroy(&lag->mutex);
    free(lag->places);
    tl_arena_done(&lag->names);
}

void tl_lag_lock(struct tl_lag *lag)
{
    pthread_mutex_lock(&lag->mutex);
}

void tl_lag_unlock(struct tl_lag *lag)
{
    pthread_mutex_unlock(&lag->mutex);
}

static enum tl_code place_make(struct tl_lag *lag, struct tl_lag_place *place, struct tl_err *err)
{
    char number[16], name[320];
    struct tl_metric_label labels[] = {
        {"topic",     place->topic},
        {"partition", {number, 0} }
    };
    enum tl_code rc = TL_OK;

    labels[1].value.size = (size_t)snprintf(number, sizeof number, "%" PRIu32, place->partition);
    snprintf(name, sizeof name, "%.*s/%" PRIu32, TL_SV_ARG(place->topic), place->partition);
    if (!tl_arena_copy(&lag->names, place->topic, &place->topic))
        TL_TRY(tl_fail_memory(err, place->topic.size));
    TL_TRY(tl_metrics_series(lag->metrics, lag->family, labels, TL_COUNT(labels), &place->gauge, err));
    if (lag->health != NULL)
        TL_TRY(tl_health_check(lag->health, tl_sv_from(name), "nothing was read", &place->check, err));
out:
    return rc;
}

enum tl_code tl_lag_place(struct tl_lag *lag, struct tl_sv topic, uint32_t partition, size_t *number, struct tl_err *err)
{
    struct tl_lag_place place = {
        .topic = topic, .partition = partition, .next_offset = -1, .first_offset = -1, .end_offset = -1, .due = lag->due};
    size_t i = 0;
    enum tl_code rc = TL_OK;

    while (i < lag->places_count && !(lag->places[i].partition == partition && tl_sv_eq(lag->places[i].topic, topic)))
        i++;
    if (i == lag->places_capacity) {
        size_t capacity = lag->places_capacity * 2 + 8;

        if (!TL_RESIZE(lag->places, capacity))
            return tl_fail_memory(err, capacity * sizeof *lag->places);
        lag->places_capacity = capacity;
    }
    if (i == lag->places_count) {
        TL_TRY(place_make(lag, &place, err));
        lag->places[lag->places_count++] = place;
    }
    *number = i;
out:
    return rc;
}

/* Of one that nobody has read all that there is. */
static int64_t events_behind(const struct tl_lag_place *place)
{
    return place->end_offset < 0 ? 0 : tl_max_i64(place->end_offset - tl_max_i64(place->next_offset, place->first_offset), 0);
}

static void judge(const struct tl_lag_place *place, bool moved)
{
    int64_t now_ms = tl_clock_monotonic_ms(), behind = events_behind(place);

    if (place->check == NULL)
        return;
    tl_health_lag(place->check, behind);
    if (moved || behind == 0)
        tl_health_ok(place->check, now_ms);
    if (behind > 0 && place->due)
        tl_health_owe(place->check, now_ms);
}

void tl_lag_see_range(struct tl_lag *lag, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end)
{
    size_t number;

    tl_lag_lock(lag);
    if (tl_lag_place(lag, topic, partition, &number, NULL) == TL_OK) {
        struct tl_lag_place *place = &lag->places[number];

        place->first_offset = first;
        place->end_offset = end;
        tl_metrics_begin(lag->metrics);
        tl_metric_set(place->gauge, (double)events_behind(place));
        tl_metrics_end(lag->metrics);
        judge(place, false);
    }
    tl_lag_unlock(lag);
}

void tl_lag_see_gone(struct tl_lag *lag, struct tl_sv topic)
{
    tl_lag_lock(lag);
    tl_metrics_begin(lag->metrics);
    for (size_t i = 0; i < lag->places_count; i++) {
        struct tl_lag_place *place = &lag->places[i];

        if (!tl_sv_eq(place->topic, topic))
            continue;
        place->first_offset = place->end_offset = -1;
        tl_metric_forget(place->gauge);
        judge(place, false);
    }
    tl_metrics_end(lag->metrics);
    tl_lag_unlock(lag);
}

void tl_lag_deal(struct tl_lag *lag, bool due)
{
    lag->due = due;
    for (size_t i = 0; i < lag->places_count; i++) {
        lag->places[i].next_offset = -1;
        lag->places[i].due = due;
        if (lag->places[i].check != NULL)
            tl_health_ok(lag->places[i].check, tl_clock_monotonic_ms());
    }
}

void tl_lag_set_next(struct tl_lag *lag, size_t number, int64_t next_offset)
{
    struct tl_lag_place *place = &lag->places[number];
    bool moved = next_offset != place->next_offset;

    place->next_offset = next_offset;
    place->due = true;
    tl_metric_set(place->gauge, (double)events_behind(place));
    judge(place, moved);
}
