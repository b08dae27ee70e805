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
        tl_alike_init(&r->alike[s], (size_t)r->own->limit);
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

struct asked {
    struct reconcile *r;
    uint32_t source;
};

static void log_times(void *ctx, uint32_t partition, int64_t offset, int64_t *min_ms, int64_t *max_ms)
{
    const struct asked *of = ctx;

    tl_recorded_log_times(&of->r->recorded, of->source, partition, offset, min_ms, max_ms);
}

static enum tl_code add_pair(void *ctx, const struct tl_ledger_pair *pair, struct tl_err *err)
{
    return tl_alike_pair(ctx, pair, err);
}

/* A partition is of interest from where it is to any view. */
static size_t add_floors(struct tl_ledger_floor *floors, size_t count, const struct tl_evidence *evidence)
{
    for (uint32_t p = 0; p < evidence->positions_count; p++) {
        size_t f = 0;

        while (f < count && floors[f].partition != evidence->floors[p].partition)
            f++;
        if (f == count)
            floors[count++] = evidence->floors[p];
        floors[f].offset = tl_min_i64(floors[f].offset, evidence->floors[p].offset);
    }
    return count;
}

static enum tl_code read_pairs(struct reconcile *r, uint32_t source, struct tl_err *err)
{
    struct tl_alike *alike = &r->alike[source];
    struct asked of = {r, source};
    struct tl_ledger_span *spans = calloc(r->plan->views_count + 1, sizeof *spans);
    struct tl_ledger_floor *floors = NULL;
    size_t spans_count = 0, floors_count = 0, room = 1;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < r->plan->views_count; v++)
        room += r->views[v].evidence.positions_count;
    floors = calloc(room, sizeof *floors);
    if (spans == NULL || floors == NULL)
        TL_TRY(tl_fail_memory(err, room * sizeof *floors));
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        if (r->plan->views[v].source != source || !r->views[v].has_evidence)
            continue;
        spans[spans_count++] = (struct tl_ledger_span){r->definitions[v], r->views[v].alike_ms, r->views[v].to_ms};
        floors_count = add_floors(floors, floors_count, &r->views[v].evidence);
    }
    alike->between = log_times;
    alike->ctx = &of;
    TL_TRY(tl_store_ledger_pairs(r->store, spans, spans_count, floors, floors_count, tl_alike_causes, add_pair, alike, err));
    TL_TRY(tl_alike_pairs_end(alike, err));
out:
    free(spans);
    free(floors);
    return rc;
}

enum tl_code tl_reconcile_read_alike(struct reconcile *r, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < r->plan->sources_count; s++) {
        TL_TRY(read_pairs(r, s, err));
        TL_TRY(read_dead(r, s, err));
    }
out:
    return rc;
}

static enum tl_code find_log_time(void *ctx, const struct tl_unit_sample *event, int64_t *log_ms, struct tl_err *err)
{
    const struct asked *of = ctx;
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
    TL_TRY(tl_alike_place_future(&r->alike[source], find_log_time, &(struct asked){r, source}, err));
    TL_TRY(tl_alike_take(&r->alike[source], r->report.alike_count, &events, &count, err));
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
