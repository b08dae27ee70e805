/* partial.c: what one worker has done since its last tick. See partial.h. */
#include "core/partial.h"

#include <stdlib.h>
#include <string.h>

#include "event/partition.h"

/* ---- ledger ---- */

bool tl_ledger_add(struct tl_ledger *ledger, const struct tl_ledger_line *line)
{
    if (ledger->count == ledger->capacity) {
        size_t capacity = ledger->capacity * 2 + 64;

        if (!TL_RESIZE(ledger->lines, capacity))
            return false;
        ledger->capacity = capacity;
    }
    ledger->lines[ledger->count++] = *line;
    return true;
}

/* ---- rows of a view without a window ---- */

static struct tl_event_rows *event_rows_open(const struct tl_view *view)
{
    struct tl_event_rows *events = calloc(1, sizeof *events);

    if (events == NULL)
        return NULL;
    tl_arena_init(&events->text, 1u << 16, 0);
    events->columns = calloc(view->outputs_count, sizeof *events->columns);
    if (events->columns == NULL) {
        free(events);
        return NULL;
    }
    for (uint32_t o = 0; o < view->outputs_count; o++)
        events->columns[o].kind = view->outputs[o].kind;
    return events;
}

static void event_rows_close(struct tl_event_rows *events, const struct tl_view *view)
{
    if (events == NULL)
        return;
    for (uint32_t o = 0; o < view->outputs_count; o++) {
        free(events->columns[o].null);
        free(events->columns[o].i64);
    }
    free(events->columns);
    free(events->time_ms);
    free(events->offset);
    free(events->partition);
    free(events->row);
    free(events->key);
    tl_arena_done(&events->text);
    free(events);
}

static size_t form_bytes(enum tl_kind kind)
{
    return tl_kind_form(kind) == TL_FORM_TEXT ? sizeof(struct tl_sv) : sizeof(int64_t);
}

/* Of one row, without its text. */
static size_t event_row_bytes(const struct tl_view *view)
{
    size_t bytes = 2 * sizeof(int64_t) + 2 * sizeof(uint32_t) + sizeof(struct tl_sv) + TL_EVENT_KEY_BYTES;

    for (uint32_t o = 0; o < view->outputs_count; o++)
        bytes += 1 + form_bytes(view->outputs[o].kind);
    return bytes;
}

static bool event_rows_reserve(struct tl_event_rows *events, const struct tl_view *view, uint32_t more)
{
    uint32_t capacity = events->capacity ? events->capacity : TL_BATCH_ROWS;
    bool ok = true;

    if (events->capacity - events->count >= more)
        return true;
    while (capacity - events->count < more)
        capacity *= 2;
    ok &= TL_RESIZE(events->time_ms, capacity);
    ok &= TL_RESIZE(events->offset, capacity);
    ok &= TL_RESIZE(events->partition, capacity);
    ok &= TL_RESIZE(events->row, capacity);
    ok &= TL_RESIZE(events->key, capacity);
    for (uint32_t o = 0; o < view->outputs_count; o++) {
        ok &= TL_RESIZE(events->columns[o].null, capacity);
        ok &= tl_array_resize(&events->columns[o].i64, form_bytes(view->outputs[o].kind), capacity);
    }
    if (ok)
        events->capacity = capacity;
    return ok;
}

void tl_event_key(uint32_t partition, int64_t offset, uint32_t row, char out[TL_EVENT_KEY_BYTES])
{
    uint64_t biased = (uint64_t)offset ^ (UINT64_C(1) << 63);

    for (int i = 0; i < 4; i++) {
        out[i] = (char)(partition >> (24 - 8 * i));
        out[12 + i] = (char)(row >> (24 - 8 * i));
    }
    for (int i = 0; i < 8; i++)
        out[4 + i] = (char)(biased >> (56 - 8 * i));
}

bool tl_event_key_read(struct tl_sv key, struct tl_event_place *out)
{
    uint64_t parts[3] = {0};

    if (key.size != TL_EVENT_KEY_BYTES)
        return false;
    for (size_t i = 0; i < TL_EVENT_KEY_BYTES; i++) {
        size_t part = i < 4 ? 0 : i < 12 ? 1 : 2;

        parts[part] = parts[part] << 8 | (unsigned char)key.data[i];
    }
    *out = (struct tl_event_place){
        .partition = (uint32_t)parts[0], .row = (uint32_t)parts[2], .offset = (int64_t)(parts[1] ^ UINT64_C(1) << 63)};
    return true;
}

bool tl_event_rows_add(struct tl_event_rows *events, const struct tl_view *view, const struct tl_vec *outputs,
                       const struct tl_batch *batch, const struct tl_vec *time, uint32_t partition, const uint32_t *partitions,
                       const uint32_t *rows, uint32_t rows_count)
{
    if (!event_rows_reserve(events, view, rows_count))
        return false;
    for (uint32_t i = 0; i < rows_count; i++) {
        uint32_t row = rows[i], at = events->count + i;
        char *key = tl_arena_bytes(&events->text, TL_EVENT_KEY_BYTES);

        if (key == NULL)
            return false;
        if (partitions != NULL)
            partition = partitions[row];
        tl_event_key(partition, batch->offset[row], batch->row[row], key);
        events->key[at] = (struct tl_sv){key, TL_EVENT_KEY_BYTES};
        events->time_ms[at] = time->i64[row];
        events->offset[at] = batch->offset[row];
        events->partition[at] = partition;
        events->row[at] = batch->row[row];
        for (uint32_t o = 0; o < view->outputs_count; o++) {
            struct tl_value value = tl_vec_get(&outputs[o], row);

            if (tl_kind_form(value.kind) == TL_FORM_TEXT && !value.is_null) {
                if (!tl_arena_copy(&events->text, value.sv, &value.sv))
                    return false;
                events->text_bytes += value.sv.size;
            }
            tl_vec_set(&events->columns[o], at, &value);
        }
    }
    events->count += rows_count;
    return true;
}

struct tl_rows tl_event_rows_view(const struct tl_event_rows *events)
{
    return (struct tl_rows){.count = events->count,
                            .start_ms = events->time_ms,
                            .end_ms = events->time_ms,
                            .key = events->key,
                            .columns = events->columns,
                            .partition = events->partition,
                            .row = events->row,
                            .offset = events->offset};
}

/* ---- the partial ---- */

static void no_ranges(struct tl_partial *partial)
{
    partial->range_first = partial->ranges_count == 1 ? 0 : partial->ranges_count;
    partial->range_last = 0;
}

enum tl_code tl_partial_open(const struct tl_plan *plan, const struct tl_window_options *options, struct tl_partial **out,
                             struct tl_err *err)
{
    uint32_t ranges_count = options != NULL ? options->ranges_count : 1;
    struct tl_partial *partial = calloc(1, sizeof *partial);
    enum tl_code rc = TL_OK;

    if (partial == NULL)
        return tl_fail_memory(err, sizeof *partial);
    partial->plan = plan;
    partial->ranges_count = ranges_count;
    no_ranges(partial);
    tl_arena_init(&partial->text, 1u << 16, 0);
    partial->views = calloc(plan->views_count, sizeof *partial->views);
    partial->sources = calloc(plan->sources_count, sizeof *partial->sources);
    if (partial->views == NULL || partial->sources == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *partial->views));
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        partial->sources[s].judged_ms = INT64_MIN;
        partial->sources[s].outcomes = calloc(ranges_count, sizeof *partial->sources[s].outcomes);
        if (partial->sources[s].outcomes == NULL)
            TL_TRY(tl_fail_memory(err, ranges_count * sizeof *partial->sources[s].outcomes));
    }
    for (uint32_t v = 0; v < plan->views_count; v++) {
        const struct tl_view *view = &plan->views[v];
        struct tl_partial_view *mine = &partial->views[v];

        mine->outcomes = calloc(ranges_count, sizeof *mine->outcomes);
        if (mine->outcomes == NULL)
            TL_TRY(tl_fail_memory(err, ranges_count * sizeof *mine->outcomes));
        if (view->window.window == TL_WINDOW_NONE) {
            mine->events = event_rows_open(view);
            if (mine->events == NULL)
                TL_TRY(tl_fail_memory(err, sizeof *mine->events));
        } else {
            TL_TRY(tl_window_open(view, options, &mine->window, err));
        }
    }
    *out = partial;
    partial = NULL;
out:
    tl_partial_close(partial);
    return rc;
}

enum tl_code tl_partial_want_checks(struct tl_partial *partial, uint32_t checks_count, struct tl_err *err)
{
    size_t cells = (size_t)checks_count * partial->ranges_count;

    assert(partial->checks == NULL);
    if (checks_count == 0)
        return TL_OK;
    partial->checks = calloc(cells, sizeof *partial->checks);
    if (partial->checks == NULL)
        return tl_fail_memory(err, cells * sizeof *partial->checks);
    partial->checks_count = checks_count;
    return TL_OK;
}

void tl_partial_close(struct tl_partial *partial)
{
    if (partial == NULL)
        return;
    for (uint32_t v = 0; partial->views != NULL && v < partial->plan->views_count; v++) {
        tl_window_close(partial->views[v].window);
        event_rows_close(partial->views[v].events, &partial->plan->views[v]);
        free(partial->views[v].outcomes);
        free(partial->views[v].ledger.lines);
    }
    for (uint32_t s = 0; partial->sources != NULL && s < partial->plan->sources_count; s++) {
        free(partial->sources[s].outcomes);
        free(partial->sources[s].ledger.lines);
    }
    for (uint32_t p = 0; p < partial->partitions_count; p++) {
        free(partial->partitions[p].dead);
        tl_buf_done(&partial->partitions[p].ids);
    }
    free(partial->views);
    free(partial->sources);
    free(partial->partitions);
    free(partial->checks);
    free(partial->dropped);
    tl_arena_done(&partial->text);
    free(partial);
}

/* A day's run may have a thousand ranges, and a round of it two. */
static void forget_outcomes(const struct tl_partial *partial, uint64_t (*outcomes)[TL_OUTCOMES])
{
    if (partial->range_first <= partial->range_last)
        memset(outcomes + partial->range_first, 0, (partial->range_last - partial->range_first + 1) * sizeof *outcomes);
}

void tl_partial_reset_notes(struct tl_partial *partial)
{
    for (uint32_t v = 0; v < partial->plan->views_count; v++) {
        partial->views[v].ledger.count = 0;
        forget_outcomes(partial, partial->views[v].outcomes);
    }
    for (uint32_t s = 0; s < partial->plan->sources_count; s++) {
        partial->sources[s].ledger.count = 0;
        forget_outcomes(partial, partial->sources[s].outcomes);
    }
    if (partial->checks_count > 0 && partial->range_first <= partial->range_last)
        memset(partial->checks + (size_t)partial->checks_count * partial->range_first, 0,
               (size_t)partial->checks_count * (partial->range_last - partial->range_first + 1) * sizeof *partial->checks);
    partial->dropped_count = 0;
    no_ranges(partial);
}

void tl_partial_reset(struct tl_partial *partial)
{
    tl_partial_reset_notes(partial);
    for (uint32_t v = 0; v < partial->plan->views_count; v++) {
        struct tl_partial_view *view = &partial->views[v];

        if (view->window != NULL)
            tl_window_reset(view->window);
        if (view->events != NULL) {
            view->events->count = 0;
            tl_arena_reset(&view->events->text);
            view->events->text_bytes = 0;
        }
    }
    for (uint32_t p = 0; p < partial->partitions_count; p++) {
        struct tl_partial_partition *partition = &partial->partitions[p];

        partition->touched = false;
        partition->messages_count = partition->events_count = 0;
        partition->dead_count = 0;
        tl_buf_clear(&partition->ids);
    }
    tl_arena_reset(&partial->text);
    partial->text_bytes = 0;
}

enum tl_code tl_partial_merge_windows(struct tl_partial *into, struct tl_partial *from, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < into->plan->views_count; v++)
        if (into->views[v].window != NULL)
            TL_TRY(tl_window_merge(into->views[v].window, from->views[v].window, err));
out:
    return rc;
}

struct tl_partial_partition *tl_partial_partition(struct tl_partial *partial, uint32_t source, uint32_t partition)
{
    for (uint32_t p = 0; p < partial->partitions_count; p++)
        if (partial->partitions[p].source == source && partial->partitions[p].partition == partition)
            return &partial->partitions[p];
    if (partial->partitions_count == partial->partitions_capacity) {
        uint32_t capacity = partial->partitions_capacity * 2 + 4;

        if (!TL_RESIZE(partial->partitions, capacity))
            return NULL;
        partial->partitions_capacity = capacity;
    }
    partial->partitions[partial->partitions_count] = (struct tl_partial_partition){.source = source,
                                                                                   .partition = partition,
                                                                                   .watermark_ms = INT64_MIN,
                                                                                   .judged_ms = INT64_MIN,
                                                                                   .log_ms = INT64_MIN,
                                                                                   .last_offset = INT64_MIN};
    tl_buf_init(&partial->partitions[partial->partitions_count].ids, 0);
    return &partial->partitions[partial->partitions_count++];
}

/* ---- row checks ---- */

static int sample_order(const struct tl_check_sample *a, const struct tl_check_sample *b)
{
    int order = tl_partition_order(a->partition, a->offset, b->partition, b->offset);

    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

static void sample_add(struct tl_check_count *count, const struct tl_check_sample *sample)
{
    uint32_t at = count->samples_count;

    while (at > 0 && sample_order(sample, &count->samples[at - 1]) < 0)
        at--;
    if (at == TL_CHECK_SAMPLES_MAX)
        return;
    if (count->samples_count < TL_CHECK_SAMPLES_MAX)
        count->samples_count++;
    memmove(&count->samples[at + 1], &count->samples[at], (count->samples_count - at - 1) * sizeof *sample);
    count->samples[at] = *sample;
}

void tl_check_count_violation(struct tl_check_count *count, const struct tl_check_sample *event, bool failed)
{
    count->violations_count++;
    count->failures_count += failed;
    sample_add(count, event);
}

void tl_check_count_add(struct tl_check_count *into, const struct tl_check_count *from)
{
    into->violations_count += from->violations_count;
    into->failures_count += from->failures_count;
    for (uint32_t i = 0; i < from->samples_count; i++)
        sample_add(into, &from->samples[i]);
}

bool tl_partial_add_dropped(struct tl_partial *partial, const struct tl_dropped *dropped)
{
    const struct tl_dropped *last = partial->dropped_count > 0 ? &partial->dropped[partial->dropped_count - 1] : NULL;
    struct tl_dropped copy = *dropped;

    if (partial->dropped_count == partial->dropped_capacity) {
        size_t capacity = partial->dropped_capacity * 2 + 16;

        if (!TL_RESIZE(partial->dropped, capacity))
            return false;
        partial->dropped_capacity = capacity;
        last = partial->dropped_count > 0 ? &partial->dropped[partial->dropped_count - 1] : NULL;
    }
    if (copy.raw.size > TL_DEAD_BYTES_MAX)
        copy.raw.size = TL_DEAD_BYTES_MAX;
    if (last != NULL && last->partition == copy.partition && last->offset == copy.offset)
        copy.raw = (struct tl_sv){NULL, 0}; /* an array of many bad events is kept once */
    else if (!tl_arena_copy(&partial->text, copy.raw, &copy.raw))
        return false;
    partial->text_bytes += copy.raw.size;
    partial->dropped[partial->dropped_count++] = copy;
    return true;
}

/* ---- dead letters ---- */

bool tl_partial_add_dead(struct tl_partial *partial, struct tl_partial_partition *partition, const struct tl_dead *dead,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tl_dead copy = dead[i];

        if (partition->dead_count == partition->dead_capacity) {
            size_t capacity = partition->dead_capacity * 2 + 16;

            if (!TL_RESIZE(partition->dead, capacity))
                return false;
            partition->dead_capacity = capacity;
        }
        /* A message of many bad rows is kept once, with the first of them: an array of 8 MiB may have millions. */
        if (partition->dead_count > 0 && partition->dead[partition->dead_count - 1].offset == copy.offset)
            copy.raw = (struct tl_sv){NULL, 0};
        if (copy.raw.size > TL_DEAD_BYTES_MAX)
            copy.raw.size = TL_DEAD_BYTES_MAX;
        if (copy.raw.data != NULL && !tl_arena_copy(&partial->text, copy.raw, &copy.raw))
            return false;
        partial->text_bytes += copy.raw.size;
        partition->dead[partition->dead_count++] = copy;
    }
    return true;
}

uint64_t tl_partial_groups(const struct tl_partial *partial)
{
    uint64_t groups = 0;

    for (uint32_t v = 0; v < partial->plan->views_count; v++) {
        const struct tl_partial_view *view = &partial->views[v];

        groups += view->window != NULL ? tl_window_groups(view->window) : view->events->count;
    }
    return groups;
}

size_t tl_partial_load(const struct tl_partial *partial)
{
    size_t load = partial->text_bytes;

    for (uint32_t v = 0; v < partial->plan->views_count; v++) {
        const struct tl_partial_view *view = &partial->views[v];

        load += view->ledger.count * sizeof *view->ledger.lines;
        if (view->events != NULL)
            load += view->events->count * event_row_bytes(&partial->plan->views[v]) + view->events->text_bytes;
    }
    for (uint32_t s = 0; s < partial->plan->sources_count; s++)
        load += partial->sources[s].ledger.count * sizeof *partial->sources[s].ledger.lines;
    for (uint32_t p = 0; p < partial->partitions_count; p++)
        load += partial->partitions[p].dead_count * sizeof *partial->partitions[p].dead;
    return load;
}

size_t tl_partial_bytes(const struct tl_partial *partial)
{
    size_t bytes = sizeof *partial + partial->text.held_bytes + partial->dropped_capacity * sizeof *partial->dropped +
                   (size_t)partial->checks_count * partial->ranges_count * sizeof *partial->checks;

    for (uint32_t v = 0; v < partial->plan->views_count; v++) {
        const struct tl_partial_view *view = &partial->views[v];

        bytes += view->ledger.capacity * sizeof *view->ledger.lines;
        if (view->window != NULL)
            bytes += tl_window_bytes(view->window);
        if (view->events != NULL)
            bytes += view->events->text.held_bytes + view->events->capacity * event_row_bytes(&partial->plan->views[v]);
    }
    return bytes;
}
