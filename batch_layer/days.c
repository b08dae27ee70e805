/* days.c: which ranges of a view are dirty, and why. See days.h. */
#include "days.h"

#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "event/zone.h"

/* What one run had read, per partition of the input. */
struct run_offsets {
    int64_t run;
    int64_t *next_offset; /* by index of the input's partitions; 0 where the run knew nothing of it */
};

struct published {
    struct tl_days *days;
    struct tl_store *store;
    const struct tl_input *input;
    const struct tl_zone *zone; /* whose midnights part the days */
    struct tl_run_range *ranges;
    uint32_t count, capacity;
    struct run_offsets *runs;
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

struct offsets_ctx {
    const struct tl_input *input;
    int64_t *next_offset;
};

static enum tl_code add_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    struct offsets_ctx *offsets = ctx;

    (void)err;
    for (uint32_t p = 0; p < offsets->input->partitions_count; p++) {
        const struct tl_input_partition *mine = &offsets->input->partitions[p];

        if (tl_partition_in_topic(mine->partition) == partition && tl_sv_eq(mine->topic, topic))
            offsets->next_offset[p] = next_offset;
    }
    return TL_OK;
}

static enum tl_code offsets_of(struct published *published, int64_t run, const int64_t **out, struct tl_err *err)
{
    struct offsets_ctx ctx = {published->input, NULL};
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < published->runs_count; r++) {
        if (published->runs[r].run == run) {
            *out = published->runs[r].next_offset;
            return TL_OK;
        }
    }
    if (published->runs_count == published->runs_capacity) {
        uint32_t capacity = published->runs_capacity * 2 + 16;

        if (!TL_RESIZE(published->runs, capacity))
            return tl_fail_memory(err, capacity * sizeof *published->runs);
        published->runs_capacity = capacity;
    }
    ctx.next_offset =
        tl_arena_zalloc(&published->days->arena, (published->input->partitions_count + 1) * sizeof *ctx.next_offset);
    if (ctx.next_offset == NULL)
        return tl_fail_memory(err, published->input->partitions_count * sizeof *ctx.next_offset);
    TL_TRY(tl_store_run_offsets(published->store, run, add_offset, &ctx, err));
    published->runs[published->runs_count++] = (struct run_offsets){run, ctx.next_offset};
    *out = ctx.next_offset;
out:
    return rc;
}

static enum tl_code has_new_input(struct published *published, const struct tl_run_range *range, bool *dirty, struct tl_err *err)
{
    const int64_t *next_offset = NULL;
    enum tl_code rc = TL_OK;

    *dirty = false;
    TL_TRY(offsets_of(published, range->run, &next_offset, err));
    for (uint32_t p = 0; p < published->input->partitions_count && !*dirty; p++)
        *dirty = tl_input_has_new(&published->input->partitions[p], next_offset[p], range->from_ms, range->to_ms);
out:
    return rc;
}

/* ---- cutting ---- */

/* A day that the clock leaps over (Apia, 2011-12-30) has no end of its own. */
static bool day_is_shown(const struct tl_zone *zone, int64_t wall_ms)
{
    return tl_zone_first_ms(zone, wall_ms) < tl_zone_first_ms(zone, wall_ms + TL_DAY_MS);
}

/* The last midnight that the instant has behind it, as the wall clock says it. A day of the wall clock is over where a window over it
 * is (zone.h): so a window of a whole day ends with a range and carries nothing. */
static int64_t wall_midnight_before(const struct tl_zone *zone, int64_t instant_ms)
{
    int64_t wall_ms = tl_zone_local_ms(zone, instant_ms), rest = wall_ms % TL_DAY_MS;

    wall_ms -= rest < 0 ? rest + TL_DAY_MS : rest;
    while (tl_zone_end_ms(zone, wall_ms) > instant_ms /* the clock goes back over midnight, and has yet to */
           || !day_is_shown(zone, wall_ms - TL_DAY_MS))
        wall_ms -= TL_DAY_MS;
    return wall_ms;
}

static int64_t midnight_before(const struct tl_zone *zone, int64_t instant_ms)
{
    return tl_zone_end_ms(zone, wall_midnight_before(zone, instant_ms));
}

struct cuts {
    int64_t *at_ms;
    size_t count, capacity;
};

static enum tl_code add_midnight(struct cuts *cuts, int64_t at_ms, struct tl_err *err)
{
    if (cuts->count == cuts->capacity) {
        size_t capacity = cuts->capacity * 2 + 64;

        if (!TL_RESIZE(cuts->at_ms, capacity))
            return tl_fail_memory(err, capacity * sizeof *cuts->at_ms);
        cuts->capacity = capacity;
    }
    cuts->at_ms[cuts->count++] = at_ms;
    return TL_OK;
}

/* The midnights inside (from, to) of all days that share an instant with this day of UTC: what is known of events is counted by those. */
static enum tl_code add_midnights(struct cuts *cuts, const struct tl_zone *zone, int64_t utc_day, int64_t from_ms, int64_t to_ms,
                                  struct tl_err *err)
{
    int64_t begin_ms = utc_day * TL_DAY_MS, wall_ms = wall_midnight_before(zone, begin_ms), at_ms;
    enum tl_code rc = TL_OK;

    do {
        at_ms = tl_zone_end_ms(zone, wall_ms);
        if (at_ms > from_ms && at_ms < to_ms && day_is_shown(zone, wall_ms - TL_DAY_MS))
            TL_TRY(add_midnight(cuts, at_ms, err));
        wall_ms += TL_DAY_MS;
    } while (at_ms < begin_ms + TL_DAY_MS);
out:
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

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

/* Adds (from, to], cut at both ends of every day that has events in it. */
static enum tl_code add_cut(const struct published *published, int64_t from_ms, int64_t to_ms, enum tl_day_reason reason,
                            struct tl_err *err)
{
    const struct tl_input *input = published->input;
    struct tl_days *days = published->days;
    struct cuts cuts = {0};
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < input->partitions_count; p++) {
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++) {
            const struct tl_input_file *file = &input->partitions[p].files[f];

            for (uint32_t d = 0; d < file->days_count; d++)
                TL_TRY(add_midnights(&cuts, published->zone, file->days[d].day, from_ms, to_ms, err));
        }
    }
    if (cuts.count > 0)
        qsort(cuts.at_ms, cuts.count, sizeof *cuts.at_ms, by_time);
    for (size_t c = 0; c < cuts.count; c++) {
        if (cuts.at_ms[c] > from_ms)
            TL_TRY(add_day(days, (struct tl_day){.from_ms = from_ms, .to_ms = cuts.at_ms[c], .reason = reason}, err));
        from_ms = cuts.at_ms[c];
    }
    TL_TRY(add_day(days, (struct tl_day){.from_ms = from_ms, .to_ms = to_ms, .reason = reason}, err));
out:
    free(cuts.at_ms);
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
    limit_ms = wish->to_ms == INT64_MIN ? midnight_before(published->zone, limit_ms) : tl_min_i64(limit_ms, wish->to_ms);
    return tl_max_i64(limit_ms, wish->anew ? wish->at_least_ms : days->boundary_ms);
}

static enum tl_code plan_days(struct published *published, const struct tl_days_wish *wish, struct tl_err *err)
{
    struct tl_days *days = published->days;
    int64_t open_from_ms = days->boundary_ms; /* INT64_MIN: all before the first event is the first range */
    uint32_t kept = published->count;
    enum tl_code rc = TL_OK;

    days->target_ms = target_of(published, wish);
    if (wish->anew)
        return days->target_ms == INT64_MIN ? TL_OK : add_cut(published, INT64_MIN, days->target_ms, TL_DAY_ASKED, err);
    /* A last range that ends within a day grows to the day's end (or the new target) instead of leaving a stub. */
    if (kept > 0 && days->target_ms > days->boundary_ms &&
        midnight_before(published->zone, days->boundary_ms) != days->boundary_ms)
        open_from_ms = published->ranges[--kept].from_ms;
    for (uint32_t r = 0; r < kept; r++) {
        const struct tl_run_range *range = &published->ranges[r];
        bool asked = wish->from_ms != INT64_MIN && range->to_ms > wish->from_ms &&
                     (wish->to_ms == INT64_MIN || range->from_ms < wish->to_ms);
        bool dirty = false;

        TL_TRY(has_new_input(published, range, &dirty, err));
        if (asked || dirty)
            TL_TRY(add_cut(published, range->from_ms, range->to_ms, dirty ? TL_DAY_INPUT : TL_DAY_ASKED, err));
        else
            TL_TRY(add_day(days, (struct tl_day){range->from_ms, range->to_ms, TL_DAY_CLEAN}, err));
    }
    if (days->target_ms > days->boundary_ms)
        TL_TRY(add_cut(published, open_from_ms, days->target_ms, TL_DAY_NEW, err));
out:
    return rc;
}

enum tl_code tl_days_open(struct tl_days *days, struct tl_store *store, int64_t definition, const struct tl_input *input,
                          const struct tl_view *view, const struct tl_days_wish *wish, struct tl_err *err)
{
    const struct tl_plan *plan = input->plan;
    bool zoned = plan->sources[view->source].time_kind == TL_TIMESTAMP_LTZ; /* a TIMESTAMP has midnights of its own clock */
    struct published published = {.days = days, .store = store, .input = input, .zone = zoned ? plan->settings.zone : NULL};
    struct tl_definition stored;
    enum tl_code rc = TL_OK;

    *days = (struct tl_days){.boundary_ms = INT64_MIN, .target_ms = INT64_MIN};
    tl_arena_init(&days->arena, 1u << 16, 0);
    days->complete_ms = tl_input_complete_ms(input, wish->lateness_ms, plan->settings.batch_grace_ms);
    TL_TRY(tl_store_begin_read(store, err));
    TL_TRY(tl_store_definition(store, definition, &stored, err));
    TL_TRY(tl_store_ranges(store, definition, add_range, &published, err));
    days->boundary_ms = stored.boundary_ms;
    TL_TRY(plan_days(&published, wish, err));
out:
    tl_store_rollback(store);
    free(published.ranges);
    free(published.runs);
    return rc;
}

void tl_days_close(struct tl_days *days)
{
    free(days->days);
    tl_arena_done(&days->arena);
    *days = (struct tl_days){0};
}
