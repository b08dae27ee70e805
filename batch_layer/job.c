/* job.c: the queue of what a run has to compute. See job.h. */
#include "job.h"

#include <stdlib.h>
#include <string.h>

enum tl_code tl_jobs_add(struct tl_jobs *jobs, uint32_t at, uint32_t source, const bool *views, const int64_t *bounds,
                         uint32_t ranges_count, struct tl_err *err)
{
    uint32_t views_count = jobs->plan->views_count;
    struct tl_job job = {.source = source, .ranges_count = ranges_count};

    if (jobs->count == jobs->capacity) {
        uint32_t capacity = jobs->capacity * 2 + 16;

        if (!TL_RESIZE(jobs->jobs, capacity))
            return tl_fail_memory(err, capacity * sizeof *jobs->jobs);
        jobs->capacity = capacity;
    }
    job.views = malloc(views_count * sizeof *job.views);
    job.bounds = malloc((ranges_count + 1) * sizeof *job.bounds);
    if (job.views == NULL || job.bounds == NULL) {
        free(job.views);
        free(job.bounds);
        return tl_fail_memory(err, ranges_count * sizeof *job.bounds);
    }
    memcpy(job.views, views, views_count * sizeof *job.views);
    memcpy(job.bounds, bounds, (ranges_count + 1) * sizeof *job.bounds);
    memmove(jobs->jobs + at + 1, jobs->jobs + at, (jobs->count - at) * sizeof *jobs->jobs);
    jobs->jobs[at] = job;
    jobs->count++;
    return TL_OK;
}

bool tl_jobs_begin_at(const struct tl_jobs *jobs, uint32_t at, uint32_t view, int64_t from_ms)
{
    for (uint32_t j = at; j < jobs->count; j++)
        if (jobs->jobs[j].bounds[0] == from_ms && jobs->jobs[j].views[view])
            return true;
    return false;
}

/* ---- from days ---- */

static bool same_work(const struct tl_days *a, const struct tl_days *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t d = 0; d < a->count; d++)
        if (a->days[d].from_ms != b->days[d].from_ms || a->days[d].to_ms != b->days[d].to_ms ||
            tl_day_is_work(&a->days[d]) != tl_day_is_work(&b->days[d]))
            return false;
    return true;
}

/* A late event keeps what lies behind it in memory until it is read, and each range's end costs what is in memory: so a job is not longer than this, where
 * that makes little to be read twice. */
#ifdef TL_TINY
enum { JOB_BYTES = 5000, TWICE_SHARE = 2 };
#else
enum { JOB_BYTES = 128 << 20, TWICE_SHARE = 8 };
#endif

static enum tl_code add_spans(struct tl_jobs *jobs, uint32_t source, const bool *views, const struct tl_days *days, bool singly,
                              struct tl_err *err)
{
    int64_t *bounds = malloc((days->count + 1) * sizeof *bounds);
    uint32_t ranges = 0;
    uint64_t bytes = 0;
    enum tl_code rc = TL_OK;

    if (bounds == NULL)
        return tl_fail_memory(err, days->count * sizeof *bounds);
    for (uint32_t d = 0; d < days->count; d++) {
        const struct tl_day *day = &days->days[d];
        bool last = singly || d + 1 == days->count || !tl_day_is_work(&day[1]);

        if (!tl_day_is_work(day))
            continue;
        bytes += day->begun_bytes;
        if (!last && bytes >= JOB_BYTES && day[1].shared_bytes <= bytes / TWICE_SHARE)
            last = true;
        if (ranges == 0)
            bounds[0] = day->from_ms;
        bounds[++ranges] = day->to_ms;
        if (last) {
            TL_TRY(tl_jobs_add(jobs, jobs->count, source, views, bounds, ranges, err));
            jobs->jobs[jobs->count - 1].bytes = bytes;
            ranges = 0;
            bytes = 0;
        }
    }
out:
    free(bounds);
    return rc;
}

enum tl_code tl_jobs_open(struct tl_jobs *jobs, const struct tl_plan *plan, const struct tl_days *days, const bool *singly,
                          struct tl_err *err)
{
    uint32_t count = plan->views_count;
    bool *done = calloc(count, sizeof *done), *views = calloc(count, sizeof *views);
    enum tl_code rc = TL_OK;

    *jobs = (struct tl_jobs){.plan = plan};
    if (done == NULL || views == NULL)
        TL_TRY(tl_fail_memory(err, count));
    for (uint32_t v = 0; v < count; v++) {
        bool one_by_one = false;

        if (done[v])
            continue;
        memset(views, 0, count * sizeof *views);
        for (uint32_t other = v; other < count; other++) {
            if (!done[other] && plan->views[other].source == plan->views[v].source && same_work(&days[v], &days[other]))
                views[other] = done[other] = true;
            one_by_one = one_by_one || (views[other] && singly != NULL && singly[other]);
        }
        TL_TRY(add_spans(jobs, plan->views[v].source, views, &days[v], one_by_one, err));
    }
out:
    free(done);
    free(views);
    return rc;
}

void tl_jobs_close(struct tl_jobs *jobs)
{
    for (uint32_t j = 0; j < jobs->count; j++) {
        free(jobs->jobs[j].views);
        free(jobs->jobs[j].bounds);
    }
    free(jobs->jobs);
    *jobs = (struct tl_jobs){0};
}
