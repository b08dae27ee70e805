/* cause_events.c: the events behind each cause. See cause_events.h. */
#include "cause_events.h"

#include <stdlib.h>
#include <string.h>

#include "event/partition.h"
#include "event/timestamp.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

const int64_t tl_late_from_ms[TL_LATE_STEPS] = {INT64_MIN,  1,           SECOND,      5 * SECOND,     15 * SECOND, MINUTE,
                                                5 * MINUTE, 15 * MINUTE, 60 * MINUTE, 6 * TL_HOUR_MS, TL_DAY_MS,   7 * TL_DAY_MS};
const char *const tl_late_names[TL_LATE_STEPS] = {"not behind",    "below 1 s",      "1 s to 5 s",      "5 s to 15 s",
                                                  "15 s to 1 min", "1 min to 5 min", "5 min to 15 min", "15 min to 1 h",
                                                  "1 h to 6 h",    "6 h to 1 d",     "1 d to 7 d",      "7 d and more"};

void tl_cause_events_init(struct tl_cause_events *events, size_t samples_max)
{
    *events = (struct tl_cause_events){.samples_max = samples_max};
    tl_arena_init(&events->memory, 4096, 0);
}

void tl_cause_events_done(struct tl_cause_events *events)
{
    tl_arena_done(&events->memory);
}

bool tl_cause_is_late(enum tl_cause cause)
{
    return cause == TL_CAUSE_LATE_DROP || cause == TL_CAUSE_LATE_PARTIAL || cause == TL_CAUSE_SESSION_SPLIT ||
           cause == TL_CAUSE_SESSION_BRIDGE || cause == TL_CAUSE_FIRED_BY_IDLE;
}

static void count_late(struct tl_cause_events *events, int64_t time_ms, int64_t watermark_ms)
{
    int64_t late_ms = tl_add_sat_i64(watermark_ms, -tl_max_i64(time_ms, -INT64_MAX));
    int step = TL_LATE_STEPS - 1;

    if (watermark_ms == INT64_MIN) {
        events->late_unknown_count++;
        return;
    }
    while (late_ms < tl_late_from_ms[step])
        step--;
    events->late_count[step]++;
}

static struct tl_cause_group *group_of(struct tl_cause_events *events, enum tl_cause cause, struct tl_sv check)
{
    struct tl_cause_group **at = &events->groups, *mine;

    while (*at != NULL && ((*at)->cause < cause || ((*at)->cause == cause && tl_sv_cmp((*at)->check, check) < 0)))
        at = &(*at)->next;
    mine = *at;
    if (mine != NULL && mine->cause == cause && tl_sv_eq(mine->check, check))
        return mine;
    mine = tl_arena_zalloc(&events->memory, sizeof *mine);
    if (mine == NULL)
        return NULL;
    *mine = (struct tl_cause_group){.cause = cause, .check = check, .next = *at};
    *at = mine;
    return mine;
}

/* Room for the next power of two; what was there is left behind in the arena. */
static bool grow(struct tl_cause_events *events, struct tl_cause_group *group)
{
    size_t count = group->samples_count, bytes = count * sizeof *group->samples;
    struct tl_cause_sample *samples;

    if ((count & (count - 1)) != 0)
        return true;
    samples = tl_arena_alloc(&events->memory, count == 0 ? sizeof *samples : 2 * bytes);
    if (samples == NULL)
        return false;
    if (count > 0)
        memcpy(samples, group->samples, bytes);
    group->samples = samples;
    return true;
}

static int by_place(const void *left, const void *right)
{
    const struct tl_cause_sample *a = left, *b = right;
    int order = tl_partition_order(a->event.partition, a->event.offset, b->event.partition, b->event.offset);

    if (order == 0)
        order = (a->event.row > b->event.row) - (a->event.row < b->event.row);
    return order != 0 ? order : (a->view > b->view) - (a->view < b->view);
}

/* Those that are kept are a heap with the last of them at its root, for threads come upon events in any order. */
static void put_in_heap(struct tl_cause_group *group, const struct tl_cause_sample *sample)
{
    size_t at = group->samples_count++;

    for (size_t above = (at - 1) / 2; at > 0 && by_place(&group->samples[above], sample) < 0; above = (at - 1) / 2) {
        group->samples[at] = group->samples[above];
        at = above;
    }
    group->samples[at] = *sample;
}

static void replace_last(struct tl_cause_group *group, const struct tl_cause_sample *sample)
{
    size_t at = 0, below;

    for (; (below = 2 * at + 1) < group->samples_count; at = below) {
        if (below + 1 < group->samples_count && by_place(&group->samples[below], &group->samples[below + 1]) < 0)
            below++;
        if (by_place(&group->samples[below], sample) <= 0)
            break;
        group->samples[at] = group->samples[below];
    }
    group->samples[at] = *sample;
}

bool tl_cause_events_add(struct tl_cause_events *events, uint32_t before, enum tl_cause cause, struct tl_sv check,
                         const struct tl_cause_sample *sample, int64_t watermark_ms)
{
    struct tl_cause_group *group = group_of(events, cause, check);
    bool was_late = false;

    if (group == NULL)
        return false;
    group->events_count++;
    for (int c = TL_CAUSE_NONE; c < TL_CAUSES; c++)
        was_late = was_late || ((before & 1u << c) != 0 && tl_cause_is_late((enum tl_cause)c));
    if (tl_cause_is_late(cause) && !was_late)
        count_late(events, sample->event.time_ms, watermark_ms);
    if (events->samples_max == 0)
        return true;
    if (group->samples_count == events->samples_max) {
        if (by_place(sample, &group->samples[0]) < 0)
            replace_last(group, sample);
        return true;
    }
    if (!grow(events, group))
        return false;
    put_in_heap(group, sample);
    return true;
}

void tl_cause_events_settle(struct tl_cause_events *events)
{
    for (struct tl_cause_group *group = events->groups; group != NULL; group = group->next)
        if (group->samples_count > 0)
            qsort(group->samples, group->samples_count, sizeof *group->samples, by_place);
}
