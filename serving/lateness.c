/* lateness.c: how many events would have been late under another watermark delay or allowed lateness. See lateness.h. */
#include "lateness.h"

#include <stdlib.h>

#include "event/timestamp.h"
#include "sql/plan_text.h"
#include "sql/settings.h"

void tl_lateness_init(struct tl_lateness *l, const struct tl_view *view)
{
    *l = (struct tl_lateness){.view = view, .zone = view->window.window == TL_WINDOW_COUNT ? NULL : view->window.zone};
    tl_assign_init(&l->assign, &view->window);
}

void tl_lateness_done(struct tl_lateness *l)
{
    tl_assign_done(&l->assign);
    free(l->events);
}

/* ---- what a late event has missed ---- */

static bool find_windows(struct tl_lateness *l, int64_t time_ms, struct tl_late_event *event)
{
    static const uint32_t row = 0;

    if (tl_assign_knows(&l->view->window)) {
        if (!tl_assign_rows(&l->assign, &row, 1, &time_ms))
            return false;
        event->first_end_ms = l->assign.runs[0].first_ms;
        event->last_end_ms = l->assign.runs[0].last_ms;
        return true;
    }
    if (l->view->window.window == TL_WINDOW_COUNT)
        event->first_end_ms = tl_add_sat_i64(time_ms, 1);
    else
        event->first_end_ms = tl_add_sat_i64(l->zone == NULL ? time_ms : tl_zone_local_near_ms(l->zone, &l->assign.span, time_ms),
                                             l->view->window.size_ms);
    event->last_end_ms = event->first_end_ms;
    return true;
}

/* How much more wait it takes for the event to be in time for all its windows: for the first of them. */
static int64_t short_of(const struct tl_lateness *l, const struct tl_late_event *event)
{
    return tl_add_sat_i64(event->passed_ms, 1 - tl_fire_ms(l->zone, event->first_end_ms));
}

enum tl_code tl_lateness_add(struct tl_lateness *l, int64_t time_ms, int64_t watermark_ms, int64_t more_ms, struct tl_err *err)
{
    struct tl_late_event event = {.passed_ms = tl_add_sat_i64(watermark_ms, -l->view->lateness_ms)};

    if (l->count == l->capacity) {
        size_t capacity = l->capacity * 2 + 64;

        if (!TL_RESIZE(l->events, capacity))
            return tl_fail_memory(err, capacity * sizeof *l->events);
        l->capacity = capacity;
    }
    if (!find_windows(l, time_ms, &event))
        return tl_fail_memory(err, sizeof *l->assign.runs);
    l->events[l->count] = event;
    l->count += short_of(l, &event) > more_ms;
    return TL_OK;
}

/* How many of its windows have fired by then; they do so in the order of their ends. */
static uint64_t fired_upto(const struct tl_lateness *l, const struct tl_late_event *event, int64_t passed_ms)
{
    int64_t slide_ms = l->view->window.slide_ms;
    uint64_t low = 0, high = (uint64_t)((event->last_end_ms - event->first_end_ms) / slide_ms) + 1;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (tl_fire_ms(l->zone, event->first_end_ms + (int64_t)middle * slide_ms) <= passed_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum tl_code tl_lateness_fires(struct tl_lateness *l, int64_t time_ms, int64_t *fires_ms, struct tl_err *err)
{
    struct tl_late_event event = {0};

    if (!find_windows(l, time_ms, &event))
        return tl_fail_memory(err, sizeof *l->assign.runs);
    *fires_ms = tl_fire_ms(l->zone, event.first_end_ms);
    return TL_OK;
}

struct tl_late_count tl_lateness_count(const struct tl_lateness *l, int64_t more_ms)
{
    struct tl_late_count count = {0};

    for (size_t i = 0; i < l->count; i++) {
        const struct tl_late_event *event = &l->events[i];
        int64_t passed_ms = tl_add_sat_i64(event->passed_ms, -more_ms);
        uint64_t fired = fired_upto(l, event, passed_ms);

        count.windows += fired;
        if (tl_fire_ms(l->zone, event->last_end_ms) <= passed_ms)
            count.dropped++;
        else if (fired > 0)
            count.partly++;
    }
    return count;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

enum tl_code tl_lateness_enough(const struct tl_lateness *l, uint64_t late_max, int64_t *more_ms, struct tl_err *err)
{
    int64_t *shorts;

    *more_ms = 0;
    if (late_max >= l->count)
        return TL_OK;
    shorts = malloc(l->count * sizeof *shorts);
    if (shorts == NULL)
        return tl_fail_memory(err, l->count * sizeof *shorts);
    for (size_t i = 0; i < l->count; i++)
        shorts[i] = short_of(l, &l->events[i]);
    qsort(shorts, l->count, sizeof *shorts, by_size);
    *more_ms = tl_max_i64(shorts[l->count - 1 - late_max], 0);
    free(shorts);
    return TL_OK;
}

/* ---- words ---- */

int64_t tl_natural_duration(int64_t least_ms)
{
    static const int64_t units[] = {1, 10, 100, 1000, 60000}, counts[] = {1, 2, 3, 5, 10, 15, 20, 30, 45};
    static const int64_t hours[] = {1, 2, 3, 6, 12}, days[] = {1, 2, 3, 7, 14, 30, 60, 90, 180};
    int64_t years = 1;

    for (size_t u = 0; u < TL_COUNT(units); u++)
        for (size_t c = 0; c < (units[u] < 1000 ? 4 : TL_COUNT(counts)); c++)
            if (units[u] * counts[c] >= least_ms)
                return units[u] * counts[c];
    for (size_t h = 0; h < TL_COUNT(hours); h++)
        if (hours[h] * 3600000 >= least_ms)
            return hours[h] * 3600000;
    for (size_t d = 0; d < TL_COUNT(days); d++)
        if (days[d] * TL_DAY_MS >= least_ms)
            return days[d] * TL_DAY_MS;
    while (years * 365 * TL_DAY_MS < least_ms && years < (1 << 20))
        years *= 2;
    return years * 365 * TL_DAY_MS;
}

const char *tl_lateness_trust_name(enum tl_lateness_trust trust)
{
    static const char *const names[] = {"exact", "at most", "estimate"};

    return names[trust];
}

double tl_advice_share(const struct tl_advice *advice, const struct tl_advice_row *row)
{
    double late = (double)(row->late.dropped + row->late.partly);

    if (advice->events_count == 0)
        return 0;
    if (advice->lines_count > 0)
        late *= (double)advice->late_count / (double)advice->lines_count;
    return late / (double)advice->events_count;
}

void tl_advice_put_line(const struct tl_advice *advice, const struct tl_source *source, const struct tl_advice_row *row,
                        struct tl_buf *out)
{
    if (row->delay_ms != source->watermark_delay_ms) {
        tl_buf_put_str(out, "WATERMARK FOR ");
        tl_name_print(source->time_name, out);
        tl_buf_put_str(out, " AS ");
        tl_name_print(source->time_name, out);
        tl_buf_put_str(out, " - ");
        tl_interval_print(row->delay_ms, out);
    } else if (row->lateness_ms != advice->view->lateness_ms) {
        tl_buf_put_str(out, "SET 'tally.allowed-lateness' = '");
        tl_duration_print(row->lateness_ms, out);
        tl_buf_put_str(out, "';");
    }
}
