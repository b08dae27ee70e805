/* boundary_model.c: what the merged views must serve. See boundary_model.h. */
#include "support/boundary_model.h"

#include <stdio.h>
#include <string.h>

#include "event/outcome.h"
#include "event/timestamp.h"

#define OF "TABLE events, DESCRIPTOR(event_time), "
#define BY "TABLE events PARTITION BY host, DESCRIPTOR(event_time), "
#define VIEW(name, window, having)                                                                                               \
    "CREATE VIEW " name " AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(w) AS w FROM TABLE(" window               \
    ") GROUP BY window_start, window_end, host" having ";\n"

enum { DELAY_MS = 5000, NUMBER_DROPPED = 90, NUMBER_RAW = 59, BUSY_ABOVE = 2, FIVE = 5 };
#define HITS_MS (6 * TL_HOUR_MS)
#define SLIDE_MS (3 * TL_HOUR_MS)
#define GAP_MS (2 * TL_HOUR_MS)
#define TIMEOUT_MS (6 * TL_HOUR_MS)

const char *const model_views[MODEL_VIEWS] = {"hits", "busy", "hops", "visits", "fives", "raw"};
const char model_tables[] =
    "CREATE TABLE events (event_id STRING, host STRING, n INT, w BIGINT, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = "
    "'ISO-8601');\n" VIEW("hits", "TUMBLE(" OF "INTERVAL '6' HOUR)", "")
        VIEW("busy", "TUMBLE(" OF "INTERVAL '6' HOUR)", " HAVING COUNT(*) > 2")
            VIEW("hops", "HOP(" OF "INTERVAL '3' HOUR, INTERVAL '6' HOUR)", "")
                VIEW("visits", "SESSION(" BY "INTERVAL '2' HOUR)", "")
                    VIEW("fives", "COUNT_WINDOW(" BY "5, INTERVAL '6' HOUR)",
                         "") "CREATE VIEW raw AS SELECT event_time, host, w FROM events WHERE n > 59;\n";
const char model_checks[] = "ALTER TABLE events ADD CONSTRAINT small EXPECT (n < 90) ON VIOLATION DROP ROW;\n";
const char *const model_reasons[MODEL_REASONS] = {"arrived",    "fired",    "in groups of HAVING", "late",
                                                  "duplicates", "rejected", "on record or not",    "ahead of speed"};

/* ---- the events ---- */

/* Each time is there once, but for copies, so that which of two is first never depends on more. Every tenth lies on an hour, where windows, ranges
 * and sessions end. */
static int64_t time_of(struct chance *chance, int i, int64_t from_ms, int64_t span_ms, uint64_t hours[2])
{
    int64_t time_ms = from_ms + (int64_t)(chance_u64(chance) % (uint64_t)span_ms);
    uint64_t hour = (uint64_t)((time_ms - MODEL_START_MS) / TL_HOUR_MS), *taken = &hours[hour / 64];

    if (chance_below(chance, 10) == 0 && !(*taken >> hour % 64 & 1)) {
        *taken |= UINT64_C(1) << hour % 64;
        return MODEL_START_MS + (int64_t)hour * TL_HOUR_MS;
    }
    return time_ms - time_ms % 1000 + 1 + i;
}

static void print_event(struct model_event *event)
{
    char when[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(event->time_ms, when);
    snprintf(event->text, sizeof event->text,
             "{\"event_id\": \"e%d\", \"host\": \"h%u\", \"n\": %d, \"w\": %lld, \"event_time\": \"%s\"%s", event->id,
             event->host, event->number, (long long)event->weight, when, event->kind == EVENT_BROKEN ? "" : "}");
}

void model_open(struct model *model, struct chance *chance, uint32_t partitions)
{
    const int64_t step_ms = MODEL_SPAN_MS / MODEL_EVENTS;
    int64_t offsets[MODEL_PARTITIONS] = {0};
    bool alone[MODEL_EVENTS] = {false}; /* has part in a conflict, and is not copied */
    int last_copy[MODEL_EVENTS];
    uint64_t hours[2] = {0};

    memset(model, 0, sizeof *model);
    model->partitions = partitions;
    for (int i = 0; i < MODEL_EVENTS; i++) {
        struct model_event *event = &model->events[i];
        int64_t base_ms = MODEL_START_MS + i * step_ms;
        int back = i - 1 - (int)chance_below(chance, 12);
        uint32_t what = chance_below(chance, 100);

        event->partition = chance_below(chance, partitions);
        event->offset = offsets[event->partition]++;
        event->log_ms = base_ms + step_ms;
        event->host = chance_below(chance, MODEL_HOSTS);
        event->number = (int)chance_below(chance, 100);
        event->weight = (int64_t)(chance_u64(chance) >> 24);
        event->id = last_copy[i] = i;
        event->copy_before = -1;
        if (what < 20) /* late, for most partitions and windows */
            event->time_ms = time_of(chance, i, MODEL_START_MS, base_ms - MODEL_START_MS + step_ms, hours);
        else
            event->time_ms = time_of(chance, i, base_ms, step_ms, hours);
        if (what >= 20 && what < 32 && back >= 0 && model->events[back].kind == EVENT_COUNTS && !alone[back]) {
            const struct model_event *copied = &model->events[back];

            event->host = copied->host, event->number = copied->number, event->weight = copied->weight;
            event->id = copied->id, event->time_ms = copied->time_ms;
            event->copy_before = last_copy[copied->id];
            model->events[event->copy_before].is_copied = true;
            last_copy[event->id] = i;
        } else if (what == 32 && back >= 0 && model->events[back].id == back && model->events[back].kind == EVENT_COUNTS &&
                   last_copy[back] == back && !alone[back]) {
            event->id = back;
            alone[i] = alone[back] = true;
        } else if (what >= 33 && what < 36) {
            event->kind = EVENT_BROKEN;
        } else if (what >= 36 && what < 39) {
            event->kind = EVENT_FUTURE;
            event->time_ms += TL_DAY_MS;
        }
        print_event(event);
    }
}

/* ---- which events a layer has counted ---- */

static bool is_read(const struct model_view_state *view, const struct model_event *event)
{
    return event->offset < view->next_offset[event->partition];
}

static bool has_copy_before(const struct model *model, int i) /* in its partition */
{
    for (int k = model->events[i].copy_before; k >= 0; k = model->events[k].copy_before)
        if (model->events[k].partition == model->events[i].partition)
            return true;
    return false;
}

static bool is_refused(const struct model_line *line)
{
    return line->cause == TL_CAUSE_LATE_DROP || line->cause == TL_CAUSE_SESSION_BRIDGE;
}

static bool is_wanted(enum model_view v, const struct model_event *event)
{
    return event->kind == EVENT_COUNTS && (v != VIEW_RAW || event->number > NUMBER_RAW);
}

static bool speed_counted(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                          enum model_view v, int i)
{
    return is_wanted(v, &model->events[i]) && is_read(&state->views[v], &model->events[i]) && !has_copy_before(model, i) &&
           !is_refused(&lines->of[v][i]);
}

static bool is_read_by_batch(const struct model_view_state *view, const struct model_event *event)
{
    for (size_t r = 0; r < view->ranges_count; r++)
        if (view->ranges[r].from_ms <= event->time_ms && event->time_ms < view->ranges[r].to_ms)
            return event->offset < view->ranges[r].next_offset[event->partition];
    return false;
}

/* Of copies the one with the smallest log timestamp, which ascends with the number. */
static bool batch_counted(const struct model *model, const struct model_state *state, enum model_view v, int i)
{
    const struct model_view_state *view = &state->views[v];
    const struct model_event *event = &model->events[i];

    if (!is_wanted(v, event) || event->number >= NUMBER_DROPPED || !is_read_by_batch(view, event))
        return false;
    for (int k = event->copy_before; k >= 0; k = model->events[k].copy_before)
        if (is_read_by_batch(view, &model->events[k]))
            return false;
    return true;
}

/* ---- which layer serves them ---- */

static int64_t end_of(int64_t time_ms, int64_t size_ms)
{
    return time_ms - time_ms % size_ms + size_ms;
}

struct counted {
    bool by[MODEL_EVENTS][MODEL_LAYERS];
};

static void serve_tumbling(const struct model *model, const struct model_view_state *view, const struct counted *counted,
                           int above, uint8_t times[MODEL_EVENTS][MODEL_LAYERS])
{
    for (int i = 0; i < MODEL_EVENTS; i++) {
        const struct model_event *event = &model->events[i];
        int64_t end_ms = end_of(event->time_ms, HITS_MS);
        int layer = end_ms <= view->boundary_ms ? MODEL_BATCH : MODEL_SPEED, group = 0;

        for (int k = 0; k < MODEL_EVENTS && group <= above; k++)
            group += counted->by[k][layer] && model->events[k].host == event->host &&
                     end_of(model->events[k].time_ms, HITS_MS) == end_ms;
        times[i][layer] = counted->by[i][layer] && group > above;
    }
}

/* Of speed's windows those that have fired: of the others the store has only the next of each key. */
static void serve_hopping(const struct model *model, const struct model_view_state *view, const struct counted *counted,
                          const struct model_line *lines, uint8_t times[MODEL_EVENTS][MODEL_LAYERS])
{
    for (int i = 0; i < MODEL_EVENTS; i++)
        for (int w = 0; w < 2; w++) {
            int64_t end_ms = end_of(model->events[i].time_ms, SLIDE_MS) + w * SLIDE_MS;
            bool missed = lines[i].cause == TL_CAUSE_LATE_PARTIAL && lines[i].watermark_ms >= end_ms - 1;

            if (end_ms <= view->boundary_ms)
                times[i][MODEL_BATCH] = (uint8_t)(times[i][MODEL_BATCH] + counted->by[i][MODEL_BATCH]);
            else if (end_ms <= view->final_ms)
                times[i][MODEL_SPEED] = (uint8_t)(times[i][MODEL_SPEED] + (counted->by[i][MODEL_SPEED] && !missed));
        }
}

/* Rows of a key in the order of (time, partition, offset), which the watermark releases: those of windows that have closed and of the next one
 * are in rows. */
static void show_fives(const struct model *model, int64_t final_ms, uint32_t host, struct counted *counted)
{
    int order[MODEL_EVENTS], count = 0, rows = 0;
    int64_t first_ms = 0, last_ms = 0;
    bool hidden = false;

    for (int i = 0; i < MODEL_EVENTS; i++) {
        const struct model_event *event = &model->events[i];
        int at = count;

        if (!counted->by[i][MODEL_SPEED] || event->host != host)
            continue;
        for (; at > 0; at--) {
            const struct model_event *before = &model->events[order[at - 1]];

            if (before->time_ms < event->time_ms || (before->time_ms == event->time_ms && before->partition < event->partition))
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
        count++;
    }
    for (int o = 0; o < count; o++) {
        int64_t time_ms = model->events[order[o]].time_ms;

        if (rows == FIVE || (rows > 0 && time_ms >= first_ms + TIMEOUT_MS)) {
            hidden = hidden || final_ms == INT64_MIN || (rows == FIVE ? last_ms : first_ms + TIMEOUT_MS - 1) > final_ms - 1;
            rows = 0;
        }
        if (rows++ == 0)
            first_ms = time_ms;
        last_ms = time_ms;
        counted->by[order[o]][MODEL_SPEED] = !hidden;
    }
}

/* Each key has a boundary of its own, which no window of it crosses. */
static void serve_cut(const struct model *model, const struct model_view_state *view, const struct counted *counted,
                      uint8_t times[MODEL_EVENTS][MODEL_LAYERS], bool gone[MODEL_EVENTS])
{
    for (int i = 0; i < MODEL_EVENTS; i++) {
        const struct model_event *event = &model->events[i];
        int64_t cut_ms = tl_min_i64(view->cut_ms[event->host], view->boundary_ms);

        times[i][MODEL_BATCH] = counted->by[i][MODEL_BATCH] && event->time_ms < cut_ms;
        times[i][MODEL_SPEED] = counted->by[i][MODEL_SPEED] && event->time_ms >= cut_ms;
        gone[i] = times[i][MODEL_SPEED] > 0 && event->time_ms < view->kept_from_ms[event->host];
    }
}

static void serve_events(const struct model *model, const struct model_view_state *view, const struct counted *counted,
                         uint8_t times[MODEL_EVENTS][MODEL_LAYERS])
{
    for (int i = 0; i < MODEL_EVENTS; i++) {
        const struct model_event *event = &model->events[i];
        bool is_batchs = event->time_ms < view->boundary_ms && is_read_by_batch(view, event);

        times[i][MODEL_BATCH] = is_batchs && counted->by[i][MODEL_BATCH];
        times[i][MODEL_SPEED] = !is_batchs && counted->by[i][MODEL_SPEED];
    }
}

void model_serve(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                 struct model_served *out)
{
    memset(out, 0, sizeof *out);
    for (int v = 0; v < MODEL_VIEWS; v++) {
        const struct model_view_state *view = &state->views[v];
        struct counted counted;

        for (int i = 0; i < MODEL_EVENTS; i++) {
            counted.by[i][MODEL_SPEED] = speed_counted(model, state, lines, (enum model_view)v, i);
            counted.by[i][MODEL_BATCH] = batch_counted(model, state, (enum model_view)v, i);
        }
        switch ((enum model_view)v) {
        case VIEW_HITS: serve_tumbling(model, view, &counted, 0, out->times[v]); break;
        case VIEW_BUSY: serve_tumbling(model, view, &counted, BUSY_ABOVE, out->times[v]); break;
        case VIEW_HOPS: serve_hopping(model, view, &counted, lines->of[v], out->times[v]); break;
        case VIEW_FIVES:
            for (uint32_t host = 0; host < MODEL_HOSTS; host++)
                show_fives(model, view->final_ms, host, &counted);
            serve_cut(model, view, &counted, out->times[v], out->gone[v]);
            break;
        case VIEW_VISITS: serve_cut(model, view, &counted, out->times[v], out->gone[v]); break;
        case VIEW_RAW: serve_events(model, view, &counted, out->times[v]); break;
        case MODEL_VIEWS: break;
        }
    }
}

void model_add_up(const struct model *model, const struct model_served *served, struct model_totals *out)
{
    memset(out, 0, sizeof *out);
    for (int v = 0; v < MODEL_VIEWS; v++)
        for (int i = 0; i < MODEL_EVENTS; i++)
            for (int layer = 0; layer < MODEL_LAYERS; layer++) {
                struct model_sum *sum = &out->of[v][model->events[i].host][layer];

                sum->count += served->times[v][i][layer];
                sum->weight += served->times[v][i][layer] * model->events[i].weight;
            }
}

/* ---- speed's ledger ---- */

/* The last instant at which the event is not too late for all windows of its own; INT64_MAX: it never is. */
static int64_t last_chance(enum model_view v, const struct model_event *event)
{
    switch (v) {
    case VIEW_HITS:
    case VIEW_BUSY: return end_of(event->time_ms, HITS_MS) - 1;
    case VIEW_HOPS: return end_of(event->time_ms, SLIDE_MS) + SLIDE_MS - 1;
    case VIEW_VISITS: return event->time_ms + GAP_MS - 1;
    case VIEW_FIVES: return event->time_ms;
    default: return INT64_MAX;
    }
}

static bool check_line(const struct model *model, enum model_view v, int i, int64_t passed_ms, const struct model_line *line,
                       struct tl_buf *why)
{
    const struct model_event *event = &model->events[i];
    bool copy = has_copy_before(model, i), refused = is_refused(line), may_be_late = passed_ms >= last_chance(v, event);
    const char *wrong = NULL;

    if (event->kind != EVENT_COUNTS)
        return true;
    if (copy != (line->cause == TL_CAUSE_DUPLICATE))
        wrong = copy ? "is a copy, and the ledger has no such line" : "is no copy, and the ledger says so";
    else if (refused && !may_be_late)
        wrong = "is late by the ledger, and its partition was not that far";
    else if (!refused && !copy && may_be_late && model->partitions == 1 && v != VIEW_VISITS && is_wanted(v, event))
        wrong = "is late, and the ledger has no such line";
    if (wrong != NULL)
        tl_buf_printf(why, "%s: event %d (partition %u, offset %lld) %s\n", model_views[v], i, event->partition,
                      (long long)event->offset, wrong);
    return wrong == NULL;
}

bool model_check_lines(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                       struct tl_buf *why)
{
    int64_t passed_ms[MODEL_PARTITIONS];
    bool right = true;

    for (int v = 0; v < MODEL_VIEWS; v++) {
        for (int p = 0; p < MODEL_PARTITIONS; p++)
            passed_ms[p] = INT64_MIN;
        for (int i = 0; i < MODEL_EVENTS; i++) {
            const struct model_event *event = &model->events[i];

            if (is_read(&state->views[v], event))
                right = check_line(model, (enum model_view)v, i, passed_ms[event->partition], &lines->of[v][i], why) && right;
            if (event->kind == EVENT_COUNTS && event->time_ms - DELAY_MS > passed_ms[event->partition])
                passed_ms[event->partition] = event->time_ms - DELAY_MS;
        }
    }
    return right;
}

/* ---- cuts ---- */

/* Of the key's events that a layer has counted: is none in [at - quiet, at)? Then no window crosses. */
static bool is_quiet(const struct model *model, const bool counted[MODEL_EVENTS], uint32_t host, int64_t at_ms, int64_t quiet_ms)
{
    for (int i = 0; i < MODEL_EVENTS; i++)
        if (counted[i] && model->events[i].host == host && model->events[i].time_ms < at_ms &&
            model->events[i].time_ms >= at_ms - quiet_ms)
            return false;
    return true;
}

static bool check_cut(const struct model *model, enum model_view v, uint32_t host, int64_t cut_ms, int64_t boundary_ms,
                      const bool counted[MODEL_EVENTS], struct tl_buf *why)
{
    int64_t quiet_ms = v == VIEW_VISITS ? GAP_MS : TIMEOUT_MS, at_ms = boundary_ms;

    if (cut_ms > boundary_ms) {
        tl_buf_printf(why, "%s h%u: the cut %lld lies above the boundary %lld\n", model_views[v], host, (long long)cut_ms,
                      (long long)boundary_ms);
        return false;
    }
    for (int i = -1; i < MODEL_EVENTS; i++) {
        if (i >= 0 && (!counted[i] || model->events[i].host != host))
            continue;
        if (i >= 0)
            at_ms = model->events[i].time_ms;
        if (cut_ms < at_ms && at_ms <= boundary_ms && is_quiet(model, counted, host, at_ms, quiet_ms)) {
            tl_buf_printf(why, "%s h%u: the cut is %lld, and nothing crosses %lld (boundary %lld)\n", model_views[v], host,
                          (long long)cut_ms, (long long)at_ms, (long long)boundary_ms);
            return false;
        }
    }
    return true;
}

bool model_check_cuts(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                      struct tl_buf *why)
{
    static const enum model_view views[] = {VIEW_VISITS, VIEW_FIVES};
    bool right = true;

    for (size_t k = 0; k < TL_COUNT(views); k++) {
        const struct model_view_state *view = &state->views[views[k]];
        bool counted[MODEL_EVENTS];

        for (int i = 0; i < MODEL_EVENTS; i++)
            counted[i] = speed_counted(model, state, lines, views[k], i) || batch_counted(model, state, views[k], i);
        for (uint32_t host = 0; host < MODEL_HOSTS; host++)
            if (view->cut_ms[host] != INT64_MAX)
                right = check_cut(model, views[k], host, view->cut_ms[host], view->boundary_ms, counted, why) && right;
    }
    return right;
}

/* ---- why a total has changed ---- */

static bool has_ticked(const struct model_view_state *before, const struct model_view_state *after)
{
    return after->final_ms != before->final_ms || memcmp(after->next_offset, before->next_offset, sizeof after->next_offset) != 0;
}

/* It belongs to a time that is published, and the run had not read it. */
static bool is_left_out(const struct model_view_state *view, const struct model_event *event)
{
    return event->time_ms < view->boundary_ms && !is_read_by_batch(view, event);
}

bool model_reason_of(const struct model *model, const struct model_lines *lines, enum model_view view, int event,
                     const struct model_state *before, const struct model_state *after, enum model_reason *out)
{
    const struct model_view_state *old = &before->views[view], *new = &after->views[view];
    const struct model_event *it = &model->events[event];
    const struct model_line *line = &lines->of[view][event];
    bool ticked = has_ticked(old, new), published = after->published != before->published || after->undone != before->undone;
    bool moved = published || (ticked && new->cut_ms[it->host] != old->cut_ms[it->host]);

    if (!is_read(old, it) && is_read(new, it))
        *out = REASON_ARRIVED;
    else if (moved && (is_refused(line) || line->cause == TL_CAUSE_LATE_PARTIAL))
        *out = REASON_LATE;
    else if (moved && it->number >= NUMBER_DROPPED)
        *out = REASON_REJECTED;
    else if (moved && (it->is_copied || it->copy_before >= 0))
        *out = REASON_DUPLICATE;
    else if (moved && (is_left_out(old, it) || is_left_out(new, it)))
        *out = REASON_ARCHIVED;
    else if (moved && !is_read(new, it))
        *out = REASON_AHEAD;
    else if ((moved || ticked) && view == VIEW_BUSY)
        *out = REASON_GROUP;
    else if ((moved || ticked) && (view == VIEW_HOPS || view == VIEW_FIVES))
        *out = REASON_FIRED;
    else
        return false;
    return true;
}
