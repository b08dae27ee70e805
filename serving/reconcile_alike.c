/* reconcile_alike.c: what both layers have treated alike: read in the snapshot, placed and named once it has been left. See reconcile_inside.h. */
#include <stdlib.h>
#include <string.h>

#include "reconcile_inside.h"

enum tl_code tl_reconcile_open_alike(struct reconcile *r, struct tl_err *err)
{
    r->alike = calloc(r->plan->sources_count + 1, sizeof *r->alike);
    if (r->alike == NULL)
        return tl_fail_memory(err, r->plan->sources_count * sizeof *r->alike);
    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        tl_alike_init(&r->alike[s]);
    return TL_OK;
}

struct dead {
    struct tl_alike *alike;
    uint32_t number_base;
};

static enum tl_code add_dead(void *ctx, const struct tl_dead_place *dead, struct tl_err *err)
{
    const struct dead *of = ctx;
    enum tl_cause cause = strcmp(tl_dead_reason_cause(dead->reason), tl_cause_name(TL_CAUSE_JSON_BAD_ROW)) == 0
                              ? TL_CAUSE_JSON_BAD_ROW
                              : TL_CAUSE_BAD_EVENT_TIME;

    return tl_alike_dead(of->alike, of->number_base + dead->partition, dead->offset, dead->row, cause, err);
}

static enum tl_code read_dead(struct reconcile *r, uint32_t source, struct tl_err *err)
{
    struct tl_alike *alike = &r->alike[source];
    const struct tl_recorded_topics *topics;
    enum tl_code rc = TL_OK;

    if (alike->first_ms >= alike->last_ms)
        return TL_OK;
    TL_TRY(tl_recorded_topics(&r->recorded, source, &topics, err));
    for (uint32_t t = 0; t < topics->count; t++) {
        struct dead dead = {alike, topics->items[t].number_base};

        TL_TRY(tl_store_dead(r->store, topics->items[t].topic, alike->first_ms, alike->last_ms, add_dead, &dead, err));
    }
out:
    return rc;
}

enum tl_code tl_reconcile_read_alike(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        TL_TRY(read_dead(r, s, err));
out:
    return rc;
}

struct future {
    struct reconcile *r;
    uint32_t source;
};

static enum tl_code find_log_time(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms, struct tl_err *err)
{
    const struct future *of = ctx;
    const struct tl_message *message;
    enum tl_code rc;

    TL_TRY(tl_recorded_find(&of->r->recorded, of->source, event->partition, event->offset, &message, err));
    *log_ms = message == NULL ? INT64_MIN : message->log_ms;
out:
    return rc;
}

static enum tl_code take_alike(struct reconcile *r, uint32_t source, struct tl_err *err)
{
    struct tl_alike_event *events = NULL;
    size_t count = 0;
    uint32_t view = 0;
    enum tl_code rc = TL_OK;

    while (view < r->plan->views_count && r->plan->views[view].source != source)
        view++;
    TL_TRY(tl_alike_place_future(&r->alike[source], find_log_time, &(struct future){r, source}, err));
    TL_TRY(tl_alike_take(&r->alike[source], r->report.alike_count, (size_t)r->own->limit, &events, &count, err));
    if (count > 0 && !TL_RESIZE(r->alike_shown, r->report.alike_shown + count))
        TL_TRY(tl_fail_memory(err, count * sizeof *r->alike_shown));
    for (size_t e = 0; e < count; e++)
        r->alike_shown[r->report.alike_shown++] = (struct tl_report_alike){view, events[e]};
    r->report.alike = r->alike_shown;
out:
    free(events);
    return rc;
}

/* A dead letter has no id. */
static enum tl_code name_alike(struct reconcile *r, struct tl_err *err)
{
    struct tl_cause_named *named = malloc((r->report.alike_shown + 1) * sizeof *named);
    size_t count = 0;
    enum tl_code rc;

    if (named == NULL)
        return tl_fail_memory(err, r->report.alike_shown * sizeof *named);
    for (size_t a = 0; a < r->report.alike_shown; a++)
        if (r->alike_shown[a].event.event.time_ms != INT64_MIN)
            named[count++] = (struct tl_cause_named){r->alike_shown[a].view, &r->alike_shown[a].event.event};
    rc = tl_cause_name_samples(&r->finder, named, count, err);
    free(named);
    return rc;
}

enum tl_code tl_reconcile_show_alike(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        TL_TRY(take_alike(r, s, err));
    TL_TRY(name_alike(r, err));
out:
    return rc;
}
