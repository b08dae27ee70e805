/* finality.c: how long after their ends windows became final by the log's clock. See finality.h. */
#include "finality.h"

#include <stdlib.h>

#include "core/intake.h"

enum { WAITS_MAX = 1 << 16, APART_MS = 1000 };

struct waited {
    size_t at;      /* the first window that is not final yet */
    int64_t *waits; /* a ring of WAITS_MAX, or of what there was so far */
    size_t count, capacity;
};

/* The windows of one view. */
struct seen {
    const struct tl_finality *view;
    int64_t *fires_ms; /* ascending */
    size_t count, capacity;
    struct waited *waited; /* as the rows */
};

struct finder {
    struct tl_intake *intake;
    struct seen *seen;
    size_t seen_count;
    int64_t from_ms, watermark_ms;
};

static enum tl_code add_window(struct seen *seen, int64_t time_ms, struct tl_err *err)
{
    const struct tl_window_spec *window = &seen->view->lateness->view->window;
    int64_t fires_ms, apart_ms = tl_assign_knows(window) ? 1 : APART_MS;
    enum tl_code rc;

    TL_TRY(tl_lateness_fires(seen->view->lateness, time_ms, &fires_ms, err));
    if (seen->count > 0 && fires_ms < tl_add_sat_i64(seen->fires_ms[seen->count - 1], apart_ms))
        return TL_OK;
    if (seen->count == seen->capacity) {
        size_t capacity = seen->capacity * 2 + 1024;

        if (!TL_RESIZE(seen->fires_ms, capacity))
            return tl_fail_memory(err, capacity * sizeof *seen->fires_ms);
        seen->capacity = capacity;
    }
    seen->fires_ms[seen->count++] = fires_ms;
out:
    return rc;
}

static enum tl_code add_wait(struct waited *waited, int64_t wait_ms, struct tl_err *err)
{
    if (waited->count == waited->capacity && waited->capacity < WAITS_MAX) {
        size_t capacity = waited->capacity == 0 ? 256 : 2 * waited->capacity;

        if (!TL_RESIZE(waited->waits, capacity))
            return tl_fail_memory(err, capacity * sizeof *waited->waits);
        waited->capacity = capacity;
    }
    waited->waits[waited->count++ % WAITS_MAX] = wait_ms;
    return TL_OK;
}

static enum tl_code pass(struct seen *seen, int64_t watermark_ms, int64_t log_ms, struct tl_err *err)
{
    int64_t passed_ms = tl_add_sat_i64(watermark_ms, -seen->view->lateness->view->lateness_ms);
    enum tl_code rc = TL_OK;

    for (size_t r = 0; r < seen->view->rows_count; r++) {
        struct waited *waited = &seen->waited[r];
        int64_t more_ms = seen->view->rows[r].more_ms;

        for (; waited->at < seen->count && tl_add_sat_i64(seen->fires_ms[waited->at], more_ms) <= passed_ms; waited->at++)
            TL_TRY(add_wait(waited, log_ms - seen->fires_ms[waited->at] - 1, err));
    }
out:
    return rc;
}

static enum tl_code see_message(void *ctx, const struct tl_message *message, const int64_t *time_ms, uint32_t times_count,
                                int64_t watermark_ms, struct tl_err *err)
{
    struct finder *finder = ctx;
    enum tl_code rc = TL_OK;

    for (size_t v = 0; v < finder->seen_count; v++)
        for (uint32_t t = 0; t < times_count; t++)
            if (time_ms[t] >= finder->from_ms)
                TL_TRY(add_window(&finder->seen[v], time_ms[t], err));
    if (watermark_ms <= finder->watermark_ms)
        return TL_OK;
    finder->watermark_ms = watermark_ms;
    for (size_t v = 0; v < finder->seen_count; v++)
        TL_TRY(pass(&finder->seen[v], watermark_ms, message->log_ms, err));
out:
    return rc;
}

static enum tl_code see(void *ctx, uint32_t partition, const struct tl_message *messages, size_t count, struct tl_err *err)
{
    struct finder *finder = ctx;
    enum tl_code rc;

    (void)partition;
    TL_TRY(tl_intake_run(finder->intake, messages, count, err));
    TL_TRY(tl_intake_facts(finder->intake, messages, count, see_message, finder, err));
out:
    return rc;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static struct tl_waits sum_up(struct waited *waited)
{
    size_t count = waited->count < WAITS_MAX ? waited->count : WAITS_MAX;

    if (count == 0)
        return (struct tl_waits){0};
    qsort(waited->waits, count, sizeof *waited->waits, by_size);
    return (struct tl_waits){.count = count,
                             .half_ms = waited->waits[(count - 1) / 2],
                             .most_ms = waited->waits[(count * 99 + 99) / 100 - 1],
                             .all_ms = waited->waits[count - 1]};
}

enum tl_code tl_finality_find(struct tl_recorded *recorded, uint32_t source, uint32_t partition, int64_t from_ms,
                              int64_t next_offset, const struct tl_finality *views, size_t views_count, struct tl_err *err)
{
    struct finder finder = {.seen = calloc(views_count, sizeof *finder.seen),
                            .seen_count = views_count,
                            .from_ms = from_ms,
                            .watermark_ms = INT64_MIN};
    struct tl_time_spans spans = {0};
    enum tl_code rc = TL_OK;

    if (finder.seen == NULL)
        return tl_fail_memory(err, views_count * sizeof *finder.seen);
    for (size_t v = 0; v < views_count; v++) {
        finder.seen[v].view = &views[v];
        finder.seen[v].waited = calloc(views[v].rows_count + 1, sizeof *finder.seen[v].waited);
        if (finder.seen[v].waited == NULL)
            TL_TRY(tl_fail_memory(err, views[v].rows_count * sizeof *finder.seen[v].waited));
    }
    if (!tl_time_spans_add(&spans, from_ms, INT64_MAX))
        TL_TRY(tl_fail_memory(err, sizeof *spans.items));
    TL_TRY(tl_intake_open(recorded->plan, source, &finder.intake, err));
    TL_TRY(tl_recorded_read_partition(recorded, source, partition, &spans, next_offset, see, &finder, err));
    for (size_t v = 0; v < views_count; v++)
        for (size_t r = 0; r < views[v].rows_count; r++)
            views[v].rows[r].waits = sum_up(&finder.seen[v].waited[r]);
out:
    tl_intake_close(finder.intake);
    tl_time_spans_done(&spans);
    for (size_t v = 0; v < views_count; v++) {
        for (size_t r = 0; finder.seen[v].waited != NULL && r < views[v].rows_count; r++)
            free(finder.seen[v].waited[r].waits);
        free(finder.seen[v].waited);
        free(finder.seen[v].fires_ms);
    }
    free(finder.seen);
    return rc;
}
