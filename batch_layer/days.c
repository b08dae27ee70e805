/* days.c: which ranges of a view are dirty, and why. See days.h. */
#include "days.h"

#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "event/zone.h"
#include "run_offsets.h"
#include "sealed.h"

struct run_read {
    int64_t run;
    struct tl_run_offsets offsets;
};

/* Instants at which ranges may be cut, ascending. */
struct edges {
    int64_t *at_ms;
    size_t count, capacity;
};

struct published {
    struct tl_days *days;
    struct tl_store *store;
    const struct tl_input *input;
    enum tl_batch_range unit;
    const struct tl_zone *zone; /* whose wall clock parts the units */
    struct edges edges;
    struct tl_run_range *ranges;
    uint32_t count, capacity;
    const struct tl_days_wish *wish;
    struct tl_run_range *held; /* was rolled back, nothing has been published over it since, and it is not asked for */
    uint32_t held_count, held_capacity;
    struct run_read *runs;
    uint32_t runs_count, runs_capacity;
};

/* ---- what is published ---- */

static enum tl_code add_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct published *published = ctx;

    if (published->count == published->capacity) {
        uint32_t capacity = published->capacity * 2 + 64;

        if (!TL_RESIZE(published->ranges, capacity))
            return tl_fail_memory(err, capacity * sizeof *published->ranges);
        published->capacity = capacity;
    }
    published->ranges[published->count++] = *range;
    return TL_OK;
}

static bool is_asked(const struct tl_days_wish *wish, int64_t from_ms, int64_t to_ms)
{
    if (wish->from_ms == INT64_MIN)
        return wish->force;
    return to_ms > wish->from_ms && (wish->to_ms == INT64_MIN || from_ms < wish->to_ms);
}

static enum tl_code add_rolled_back(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct published *published = ctx;

    published->days->undone = true;
    if (is_asked(published->wish, range->from_ms, range->to_ms))
        return TL_OK;
    if (published->held_count == published->held_capacity) {
        uint32_t capacity = published->held_capacity * 2 + 16;

        if (!TL_RESIZE(published->held, capacity))
            return tl_fail_memory(err, capacity * sizeof *published->held);
        published->held_capacity = capacity;
    }
    published->held[published->held_count++] = *range;
    return TL_OK;
}

static enum tl_code offsets_of(struct published *published, int64_t run, const struct tl_run_offsets **out, struct tl_err *err)
{
    struct run_read *read;

    for (uint32_t r = 0; r < published->runs_count; r++) {
        if (published->runs[r].run == run) {
            *out = &published->runs[r].offsets;
            return TL_OK;
        }
    }
    if (published->runs_count == published->runs_capacity) {
        uint32_t capacity = published->runs_capacity * 2 + 16;

        if (!TL_RESIZE(published->runs, capacity))
            return tl_fail_memory(err, capacity * sizeof *published->runs);
        published->runs_capacity = capacity;
    }
    read = &published->runs[published->runs_count++];
    read->run = run;
    *out = &read->offsets;
    return tl_run_offsets_open(&read->offsets, published->store, run, published->input, err);
}

static enum tl_code has_new_input(struct published *published, const struct tl_run_range *range, bool *dirty, struct tl_err *err)
{
    const struct tl_run_offsets *offsets = NULL;
    enum tl_code rc;

    TL_TRY(offsets_of(published, range->run, &offsets, err));
    *dirty = tl_run_offsets_have_new(offsets, range->from_ms, range->to_ms);
out:
    return rc;
}

/* ---- edges ---- */

/* Hours, days and months follow one another on the wall clock without a gap: each ends where the next one starts. */
static int64_t unit_start(enum tl_batch_range unit, int64_t wall_ms)
{
    int64_t year, days = tl_days_of_ms(wall_ms), rest;
    unsigned month, day;

    switch (unit) {
    case TL_RANGE_HOUR: rest = wall_ms % TL_HOUR_MS; return wall_ms - (rest < 0 ? rest + TL_HOUR_MS : rest);
    case TL_RANGE_DAY: break;
    case TL_RANGE_MONTH:
        tl_civil_from_days(days, &year, &month, &day);
        days = tl_days_from_civil(year, month, 1);
        break;
    }
    return days * TL_DAY_MS;
}

static int64_t unit_before(enum tl_batch_range unit, int64_t start_ms)
{
    return unit_start(unit, start_ms - 1);
}

static int64_t unit_behind(enum tl_batch_range unit, int64_t start_ms)
{
    return unit == TL_RANGE_HOUR ? start_ms + TL_HOUR_MS
                                 : unit_start(unit, start_ms + (unit == TL_RANGE_DAY ? 1 : 31) * TL_DAY_MS);
}

/* What the clock leaps over (a day in Apia, 2011-12-30; an hour in spring) has no end of its own. */
static bool is_shown(const struct tl_zone *zone, int64_t from_wall_ms, int64_t to_wall_ms)
{
    return tl_zone_first_ms(zone, from_wall_ms) < tl_zone_first_ms(zone, to_wall_ms);
}

/* The last end of a unit that the instant has behind it, as the wall clock says it. A day of the wall clock is over where a window over it
 * is (zone.h): so a window of a whole day ends with a range and carries nothing; hours and months likewise. */
static int64_t wall_edge_before(const struct published *published, int64_t instant_ms)
{
    const struct tl_zone *zone = published->zone;
    int64_t wall_ms = unit_start(published->unit, tl_zone_local_ms(zone, instant_ms));

    while (tl_zone_end_ms(zone, wall_ms) > instant_ms /* the clock goes back over it, and has yet to */
           || !is_shown(zone, unit_before(published->unit, wall_ms), wall_ms))
        wall_ms = unit_before(published->unit, wall_ms);
    return wall_ms;
}

static int64_t edge_before(const struct published *published, int64_t instant_ms)
{
    return tl_zone_end_ms(published->zone, wall_edge_before(published, instant_ms));
}

static enum tl_code add_edge(struct edges *edges, int64_t at_ms, struct tl_err *err)
{
    if (edges->count == edges->capacity) {
        size_t capacity = edges->capacity * 2 + 64;

        if (!TL_RESIZE(edges->at_ms, capacity))
            return tl_fail_memory(err, capacity * sizeof *edges->at_ms);
        edges->capacity = capacity;
    }
    edges->at_ms[edges->count++] = at_ms;
    return TL_OK;
}

/* Both ends of all units that share an instant with this day of UTC, less those that are known. */
static enum tl_code add_edges(struct published *published, int64_t utc_day, struct tl_err *err)
{
    struct edges *edges = &published->edges;
    int64_t begin_ms = utc_day * TL_DAY_MS, wall_ms = wall_edge_before(published, begin_ms), at_ms;
    enum tl_code rc = TL_OK;

    do {
        at_ms = tl_zone_end_ms(published->zone, wall_ms);
        if ((edges->count == 0 || edges->at_ms[edges->count - 1] < at_ms) &&
            is_shown(published->zone, unit_before(published->unit, wall_ms), wall_ms))
            TL_TRY(add_edge(edges, at_ms, err));
        wall_ms = unit_behind(published->unit, wall_ms);
    } while (at_ms < begin_ms + TL_DAY_MS);
out:
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The ends of all units that may have events: what is known of those is counted by days of UTC. */
static enum tl_code find_edges(struct published *published, struct tl_err *err)
{
    const struct tl_input *input = published->input;
    size_t room = 0, count = 0;
    int32_t *utc_days;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            room += input->partitions[p].files[f].days_count;
    utc_days = malloc((room + 1) * sizeof *utc_days);
    if (utc_days == NULL)
        return tl_fail_memory(err, room * sizeof *utc_days);
    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            for (uint32_t d = 0; d < input->partitions[p].files[f].days_count; d++)
                utc_days[count++] = input->partitions[p].files[f].days[d].day;
    qsort(utc_days, count, sizeof *utc_days, by_number);
    for (size_t d = 0; d < count; d++)
        if (d == 0 || utc_days[d] != utc_days[d - 1])
            TL_TRY(add_edges(published, utc_days[d], err));
out:
    free(utc_days);
    return rc;
}

/* ---- cutting ---- */

static enum tl_code add_day(struct tl_days *days, struct tl_day day, struct tl_err *err)
{
    if (days->count == days->capacity) {
        uint32_t capacity = days->capacity * 2 + 64;

        if (!TL_RESIZE(days->days, capacity))
            return tl_fail_memory(err, capacity * sizeof *days->days);
        days->capacity = capacity;
    }
    days->days[days->count++] = day;
    return TL_OK;
}

/* Adds (from, to], cut at both ends of every unit that has events in it. */
static enum tl_code add_cut(const struct published *published, int64_t from_ms, int64_t to_ms, enum tl_day_reason reason,
                            struct tl_err *err)
{
    const struct edges *edges = &published->edges;
    size_t low = 0, high = edges->count;
    enum tl_code rc = TL_OK;

    while (low < high) { /* the first edge behind from_ms */
        size_t middle = low + (high - low) / 2;

        if (edges->at_ms[middle] > from_ms)
            high = middle;
        else
            low = middle + 1;
    }
    for (; low < edges->count && edges->at_ms[low] < to_ms; low++) {
        TL_TRY(add_day(published->days, (struct tl_day){.from_ms = from_ms, .to_ms = edges->at_ms[low], .reason = reason}, err));
        from_ms = edges->at_ms[low];
    }
    TL_TRY(add_day(published->days, (struct tl_day){.from_ms = from_ms, .to_ms = to_ms, .reason = reason}, err));
out:
    return rc;
}

/* ---- the whole ---- */

/* Where publishing may and shall end. */
static int64_t target_of(const struct published *published, const struct tl_days_wish *wish)
{
    const struct tl_days *days = published->days;
    struct tl_input_times times = tl_input_times(published->input);
    int64_t limit_ms = days->complete_ms;

    if (times.min_ms > times.max_ms || limit_ms == INT64_MIN)
        return days->boundary_ms; /* without events there is nothing to publish */
    if (limit_ms == INT64_MAX)    /* imports alone are complete, but time still has to pass */
        limit_ms = tl_max_i64(wish->now_ms, times.max_ms + 1);
    limit_ms = wish->to_ms == INT64_MIN ? edge_before(published, limit_ms) : tl_min_i64(limit_ms, wish->to_ms);
    return tl_max_i64(limit_ms, wish->anew ? wish->at_least_ms : days->boundary_ms);
}

/* The first held range that has an instant in common with the span, or NULL. */
static const struct tl_run_range *held_in(const struct published *published, int64_t from_ms, int64_t to_ms)
{
    for (uint32_t h = 0; h < published->held_count; h++)
        if (published->held[h].from_ms < to_ms && published->held[h].to_ms > from_ms)
            return &published->held[h];
    return NULL;
}

/* Work is not done for this one. */
static void note_held(struct tl_days *days, const struct tl_run_range *held)
{
    bool none = days->held_from_ms == days->held_to_ms;

    if (none || held->from_ms < days->held_from_ms) {
        days->held_from_ms = held->from_ms;
        days->held_run = held->run;
    }
    days->held_to_ms = none ? held->to_ms : tl_max_i64(days->held_to_ms, held->to_ms);
}

static bool is_sealed(const struct published *published, const struct tl_run_range *range)
{
    return range->from_ms < published->days->sealed_ms;
}

/* Where what can be computed begins: with the first range that is not sealed. */
static int64_t seal_end(const struct published *published)
{
    int64_t end_ms = published->days->sealed_ms;

    for (uint32_t r = 0; r < published->count; r++)
        if (is_sealed(published, &published->ranges[r]))
            end_ms = tl_max_i64(end_ms, published->ranges[r].to_ms);
    return end_ms;
}

/* All from the beginning of time on, or what is left of it. */
static enum tl_code add_all(const struct published *published, enum tl_day_reason reason, struct tl_err *err)
{
    struct tl_days *days = published->days;
    int64_t from_ms = INT64_MIN;
    enum tl_code rc = TL_OK;

    if (days->sealed_ms != INT64_MIN) {
        from_ms = seal_end(published);
        TL_TRY(add_day(days, (struct tl_day){INT64_MIN, from_ms, .reason = TL_DAY_SEALED}, err));
    }
    if (days->target_ms > from_ms)
        TL_TRY(add_cut(published, from_ms, days->target_ms, reason, err));
out:
    return rc;
}

/* Why each of the published ranges is to be computed again; TL_DAY_CLEAN: it stays. */
static enum tl_code find_reasons(struct published *published, uint32_t count, enum tl_day_reason **out, struct tl_err *err)
{
    const struct tl_days_wish *wish = published->wish;
    enum tl_day_reason *reasons = tl_arena_alloc(&published->days->arena, (count + 1) * sizeof *reasons);
    enum tl_code rc = TL_OK;

    if (reasons == NULL)
        return tl_fail_memory(err, count * sizeof *reasons);
    for (uint32_t r = 0; r < count; r++) {
        const struct tl_run_range *range = &published->ranges[r], *held = held_in(published, range->from_ms, range->to_ms);
        bool dirty = false;

        if (is_sealed(published, range)) {
            reasons[r] = TL_DAY_CLEAN;
            if (!wish->leave && is_asked(wish, range->from_ms, range->to_ms))
                published->days->sealed_asked_ms = range->to_ms;
            continue;
        }
        if (!wish->leave)
            TL_TRY(has_new_input(published, range, &dirty, err));
        if (dirty && held != NULL)
            note_held(published->days, held);
        if (dirty && held == NULL)
            reasons[r] = TL_DAY_INPUT;
        else
            reasons[r] = !wish->leave && is_asked(wish, range->from_ms, range->to_ms) ? TL_DAY_ASKED : TL_DAY_CLEAN;
    }
    *out = reasons;
out:
    return rc;
}

/* What is new ends where something begins that is held. */
static int64_t target_before_held(const struct published *published, int64_t open_from_ms)
{
    struct tl_days *days = published->days;
    int64_t target_ms = days->target_ms;

    if (target_ms <= days->boundary_ms)
        return target_ms;
    for (uint32_t h = 0; h < published->held_count; h++) {
        const struct tl_run_range *held = &published->held[h];

        if (held->from_ms >= days->target_ms || held->to_ms <= open_from_ms)
            continue;
        note_held(days, held);
        target_ms = tl_min_i64(target_ms, tl_max_i64(held->from_ms, days->boundary_ms));
    }
    return target_ms;
}

/* Adds the published ranges `first` .. `last`-1, which touch and are to be recomputed, as one, cut anew: where they were shorter than ranges are to be
 * now, they become fewer. New input is the reason of a range that has some. */
static enum tl_code add_again(const struct published *published, uint32_t first, uint32_t last, const enum tl_day_reason *reasons,
                              struct tl_err *err)
{
    struct tl_days *days = published->days;
    uint32_t day = days->count;
    enum tl_code rc;

    TL_TRY(add_cut(published, published->ranges[first].from_ms, published->ranges[last - 1].to_ms, TL_DAY_ASKED, err));
    for (uint32_t r = first; r < last; r++) {
        const struct tl_run_range *range = &published->ranges[r];

        while (days->days[day].to_ms <= range->from_ms)
            day++;
        for (uint32_t d = day; reasons[r] == TL_DAY_INPUT && d < days->count && days->days[d].from_ms < range->to_ms; d++)
            days->days[d].reason = TL_DAY_INPUT;
    }
out:
    return rc;
}

static enum tl_code add_published(struct published *published, uint32_t count, struct tl_err *err)
{
    enum tl_day_reason *reasons;
    enum tl_code rc;

    TL_TRY(find_reasons(published, count, &reasons, err));
    for (uint32_t r = 0, next; r < count; r = next) {
        const struct tl_run_range *range = &published->ranges[r];

        next = r + 1;
        if (reasons[r] == TL_DAY_CLEAN) {
            TL_TRY(add_day(published->days,
                           (struct tl_day){.from_ms = range->from_ms,
                                           .to_ms = range->to_ms,
                                           .carry_in = range->carry_in,
                                           .held = held_in(published, range->from_ms, range->to_ms) != NULL,
                                           .sealed = is_sealed(published, range)},
                           err));
            continue;
        }
        while (next < count && reasons[next] != TL_DAY_CLEAN)
            next++;
        TL_TRY(add_again(published, r, next, reasons, err));
    }
out:
    return rc;
}

static enum tl_code plan_days(struct published *published, const struct tl_days_wish *wish, struct tl_err *err)
{
    struct tl_days *days = published->days;
    int64_t open_from_ms = days->boundary_ms; /* INT64_MIN: all before the first event is the first range */
    uint32_t kept = published->count;
    enum tl_code rc = TL_OK;

    days->target_ms = wish->leave ? days->boundary_ms : target_of(published, wish);
    TL_TRY(find_edges(published, err));
    days->holds = published->held_count > 0;
    for (uint32_t h = 0; wish->anew && h < published->held_count; h++)
        note_held(days, &published->held[h]);
    if (wish->anew && !wish->leave)
        return days->target_ms == INT64_MIN ? TL_OK : add_all(published, TL_DAY_DEFINITION, err);
    /* A last range that ends within a unit grows to the unit's end (or the new target) instead of leaving a stub. */
    if (kept > 0 && !is_sealed(published, &published->ranges[kept - 1]) && days->target_ms > days->boundary_ms &&
        edge_before(published, days->boundary_ms) != days->boundary_ms)
        open_from_ms = published->ranges[--kept].from_ms;
    days->target_ms = target_before_held(published, open_from_ms);
    if (days->target_ms <= days->boundary_ms)
        kept = published->count;
    TL_TRY(add_published(published, kept, err));
    if (days->target_ms > days->boundary_ms)
        TL_TRY(open_from_ms == INT64_MIN ? add_all(published, TL_DAY_NEW, err)
                                         : add_cut(published, open_from_ms, days->target_ms, TL_DAY_NEW, err));
out:
    return rc;
}

/* ---- how much there is to read ---- */

/* The day that the time lies in; outside of all, the first or the last one. */
static uint32_t day_at(const struct tl_days *days, int64_t time_ms)
{
    uint32_t low = 0, high = days->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (days->days[middle].from_ms <= time_ms)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* shared_bytes holds differences until all are in. */
static void weigh_span(struct tl_days *days, int64_t min_ms, int64_t max_ms, uint64_t bytes)
{
    uint32_t first = day_at(days, min_ms), last = day_at(days, max_ms);

    days->days[first].begun_bytes += bytes;
    if (first < last) {
        days->days[first + 1].shared_bytes += bytes;
        if (last + 1 < days->count)
            days->days[last + 1].shared_bytes -= bytes;
    }
}

static void weigh_file(struct tl_days *days, const struct tl_input_file *file)
{
    bool dirty = false;

    if (file->times.min_ms > file->times.max_ms)
        return;
    for (uint32_t d = day_at(days, file->times.min_ms), last = day_at(days, file->times.max_ms); d <= last && !dirty; d++)
        dirty = tl_day_is_work(&days->days[d]);
    for (uint32_t b = 0; dirty && b < file->file->blocks_count; b++)
        if (file->blocks[b].min_ms <= file->blocks[b].max_ms)
            weigh_span(days, file->blocks[b].min_ms, file->blocks[b].max_ms, file->file->blocks[b].raw_bytes);
}

static void weigh(struct tl_days *days, const struct tl_input *input)
{
    if (days->count == 0)
        return;
    for (uint32_t p = 0; p < input->partitions_count; p++)
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++)
            weigh_file(days, &input->partitions[p].files[f]);
    for (uint32_t d = 1; d < days->count; d++)
        days->days[d].shared_bytes += days->days[d - 1].shared_bytes;
}

enum tl_code tl_days_open(struct tl_days *days, struct tl_store *store, int64_t definition, const struct tl_input *input,
                          const struct tl_view *view, const struct tl_days_wish *wish, struct tl_err *err)
{
    const struct tl_plan *plan = input->plan;
    bool zoned = plan->sources[view->source].time_kind == TL_TIMESTAMP_LTZ; /* a TIMESTAMP has midnights of its own clock */
    struct published published = {.days = days,
                                  .store = store,
                                  .input = input,
                                  .wish = wish,
                                  .unit = plan->settings.batch_range,
                                  .zone = zoned ? plan->settings.zone : NULL};
    struct tl_definition stored;
    enum tl_code rc = TL_OK;

    *days =
        (struct tl_days){.boundary_ms = INT64_MIN, .target_ms = INT64_MIN, .sealed_ms = INT64_MIN, .sealed_asked_ms = INT64_MIN};
    tl_arena_init(&days->arena, 1u << 16, 0);
    days->complete_ms = tl_input_complete_ms(input, wish->lateness_ms, plan->settings.batch_grace_ms);
    if (definition != 0) {
        TL_TRY(tl_store_begin_read(store, err));
        TL_TRY(tl_store_definition(store, definition, &stored, err));
        TL_TRY(tl_store_ranges(store, definition, add_range, &published, err));
        TL_TRY(tl_store_rolled_back(store, definition, add_rolled_back, &published, err));
        days->boundary_ms = stored.boundary_ms;
    }
    if (store != NULL)
        TL_TRY(tl_sealed_upto(store, input, &days->sealed_ms, err));
    TL_TRY(plan_days(&published, wish, err));
    weigh(days, input);
out:
    if (store != NULL)
        tl_store_rollback(store);
    free(published.ranges);
    free(published.held);
    free(published.edges.at_ms);
    for (uint32_t r = 0; r < published.runs_count; r++)
        tl_run_offsets_close(&published.runs[r].offsets);
    free(published.runs);
    return rc;
}

void tl_days_close(struct tl_days *days)
{
    free(days->days);
    tl_arena_done(&days->arena);
    *days = (struct tl_days){0};
}
