/* duplicates.c: which events of a span of ranges are duplicates. See duplicates.h. */
#include "duplicates.h"

#include <stdlib.h>

#include "base/diag.h"
#include "core/window.h"
#include "id_spill.h"

enum { ID_BYTES = 24 /* dedup.h */, AHEAD = 12 /* ids: a line of memory is there by then */ };

struct tl_duplicates {
    const int64_t *bounds;
    uint32_t ranges_count;
    struct tl_idset **sets; /* per range; NULL: none yet, or no more */
    uint32_t forgotten;     /* ranges, the first ones */
    struct tl_id_spill *spill;
    bool ahead;
};

enum tl_code tl_duplicates_open(const struct tl_input *input, const int64_t *bounds, uint32_t ranges_count,
                                const struct tl_duplicates_limit *limit, struct tl_duplicates **out, struct tl_err *err)
{
    struct tl_duplicates *duplicates = calloc(1, sizeof *duplicates);
    uint64_t at_once = 0, events = 0;
    enum tl_code rc = TL_OK;

    if (duplicates == NULL)
        return tl_fail_memory(err, sizeof *duplicates);
    duplicates->bounds = bounds;
    duplicates->ranges_count = ranges_count;
    duplicates->sets = calloc(ranges_count, sizeof(struct tl_idset *));
    if (duplicates->sets == NULL)
        TL_TRY(tl_fail_memory(err, ranges_count * sizeof(struct tl_idset *)));
    if (limit->memory_bytes > 0 && input->plan->sources[input->source].dedup_slot >= 0)
        TL_TRY(tl_input_events_max(input, bounds, ranges_count, &at_once, &events, err));
    if (at_once > limit->memory_bytes / ID_BYTES && limit->memory_bytes > 0) {
        tl_diag(TL_DEBUG,
                "the ids of up to %llu events may take more than --memory has room for: the record is read twice, the first time "
                "for them",
                (unsigned long long)events);
        TL_TRY(tl_id_spill_open(limit->folder, limit->memory_bytes, events, &duplicates->spill, err));
        duplicates->ahead = true;
    }
    *out = duplicates;
    duplicates = NULL;
out:
    tl_duplicates_close(duplicates);
    return rc;
}

void tl_duplicates_close(struct tl_duplicates *duplicates)
{
    if (duplicates == NULL)
        return;
    for (uint32_t r = 0; duplicates->sets != NULL && r < duplicates->ranges_count; r++)
        tl_idset_close(duplicates->sets[r]);
    tl_id_spill_close(duplicates->spill);
    free(duplicates->sets);
    free(duplicates);
}

bool tl_duplicates_reads_ahead(const struct tl_duplicates *duplicates)
{
    return duplicates->ahead;
}

enum tl_code tl_duplicates_judge(struct tl_duplicates *duplicates, struct tl_err *err)
{
    duplicates->ahead = false;
    return tl_id_spill_judge(duplicates->spill, err);
}

/* An id of another range is another id. */
static struct tl_id id_in_range(struct tl_id id, uint32_t range)
{
    id.high ^= (range + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (id.high == 0 && id.low == 0) /* the empty slot of an id set */
        id.low = 1;
    return id;
}

static enum tl_code put_aside(struct tl_duplicates *duplicates, const struct tl_id *ids, const int64_t *time_ms, uint32_t count,
                              uint8_t *seen, struct tl_err *err)
{
    uint32_t range = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < count; i++) {
        range = tl_range_of(duplicates->bounds, duplicates->ranges_count, time_ms[i], range);
        TL_TRY(tl_id_spill_put(duplicates->spill, id_in_range(ids[i], range), err));
        seen[i] = TL_SEEN_NEW;
    }
out:
    return rc;
}

static enum tl_code see_judged(struct tl_duplicates *duplicates, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen answer;

        TL_TRY(tl_id_spill_next(duplicates->spill, &answer, err));
        seen[i] = (uint8_t)answer;
    }
out:
    return rc;
}

static enum tl_code see_in_set(struct tl_idset *set, const struct tl_id *ids, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen answer;

        if (i + AHEAD < count)
            tl_idset_prefetch(set, ids[i + AHEAD]);
        TL_TRY(tl_idset_see(set, ids[i], &answer, err));
        seen[i] = (uint8_t)answer;
    }
out:
    return rc;
}

enum tl_code tl_duplicates_see(struct tl_duplicates *duplicates, const struct tl_id *ids, const int64_t *time_ms, uint32_t count,
                               uint8_t *seen, struct tl_err *err)
{
    uint32_t range = 0, run;
    enum tl_code rc = TL_OK;

    if (duplicates->ahead)
        return put_aside(duplicates, ids, time_ms, count, seen, err);
    if (duplicates->spill != NULL)
        return see_judged(duplicates, count, seen, err);
    for (uint32_t from = 0; from < count; from += run) {
        range = tl_range_of(duplicates->bounds, duplicates->ranges_count, time_ms[from], range);
        if (range < duplicates->forgotten)
            TL_TRY(
                tl_fail(err, TL_ERR_CORRUPT,
                        "an event lies before the smallest time that the index of its file tells; bring the record back from a "
                        "copy"));
        for (run = 1; from + run < count && time_ms[from + run] >= duplicates->bounds[range] &&
                      time_ms[from + run] < duplicates->bounds[range + 1];)
            run++;
        if (duplicates->sets[range] == NULL)
            TL_TRY(tl_idset_open(&duplicates->sets[range], err));
        TL_TRY(see_in_set(duplicates->sets[range], ids + from, run, seen + from, err));
    }
out:
    return rc;
}

void tl_duplicates_forget(struct tl_duplicates *duplicates, int64_t floor_ms)
{
    for (uint32_t *r = &duplicates->forgotten; *r < duplicates->ranges_count && duplicates->bounds[*r + 1] <= floor_ms; ++*r) {
        tl_idset_close(duplicates->sets[*r]);
        duplicates->sets[*r] = NULL;
    }
}

enum tl_code tl_duplicates_end(const struct tl_duplicates *duplicates, struct tl_err *err)
{
    return duplicates->spill != NULL ? tl_id_spill_end(duplicates->spill, err) : TL_OK;
}
