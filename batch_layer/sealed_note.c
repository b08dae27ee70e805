/* sealed_note.c: events that come for sealed days go into the ledger. See sealed_note.h. */
#include "sealed_note.h"

#include <stdlib.h>

#include "core/intake.h"
#include "run_offsets.h"

/* Lines of one sealed range, of the block at hand. */
struct range {
    struct tl_run_range range;
    struct tl_ledger_line *lines;
    size_t count, capacity;
};

struct view {
    int64_t definition, sealed_ms;
    struct range *ranges; /* published and sealed, in order of time */
    uint32_t count, capacity;
    int64_t *runs; /* of all that are published */
    uint32_t runs_count, runs_capacity;
    struct tl_run_offsets *read; /* what each of them has read */
    uint32_t read_count;
};

struct note {
    const struct tl_scope *scope;
    struct tl_input *input;
    struct view *views; /* per view of the plan; definition 0: not of this source */
    struct tl_intake *intake;
    struct tl_master_reader *reader;
    uint64_t *count;
};

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct view *view = ctx;

    if (range->from_ms < view->sealed_ms) {
        if (view->count == view->capacity) {
            uint32_t capacity = view->capacity * 2 + 32;

            if (!TL_RESIZE(view->ranges, capacity))
                return tl_fail_memory(err, capacity * sizeof *view->ranges);
            view->capacity = capacity;
        }
        view->ranges[view->count++] = (struct range){.range = *range};
    }
    for (uint32_t r = 0; r < view->runs_count; r++)
        if (view->runs[r] == range->run)
            return TL_OK;
    if (view->runs_count == view->runs_capacity) {
        uint32_t capacity = view->runs_capacity * 2 + 32;

        if (!TL_RESIZE(view->runs, capacity))
            return tl_fail_memory(err, capacity * sizeof *view->runs);
        view->runs_capacity = capacity;
    }
    view->runs[view->runs_count++] = range->run;
    return TL_OK;
}

/* What a published run of the view has read, it has noted as well; and before the day was sealed, it has counted it. */
static enum tl_code open_view(struct note *note, uint32_t v, struct tl_err *err)
{
    struct tl_store *store = note->scope->store;
    struct view *view = &note->views[v];
    enum tl_code rc;

    view->definition = note->scope->definitions[v];
    view->sealed_ms = note->scope->days[v].sealed_ms;
    TL_TRY(tl_store_ranges(store, view->definition, see_range, view, err));
    view->read = calloc(view->runs_count + 1, sizeof *view->read);
    if (view->read == NULL)
        return tl_fail_memory(err, view->runs_count * sizeof *view->read);
    for (uint32_t r = 0; r < view->runs_count && view->count > 0; r++)
        TL_TRY(tl_run_offsets_open(&view->read[view->read_count++], store, view->runs[r], note->input, err));
out:
    return rc;
}

static void close_view(struct view *view)
{
    for (uint32_t r = 0; r < view->count; r++)
        free(view->ranges[r].lines);
    for (uint32_t r = 0; r < view->read_count; r++)
        tl_run_offsets_close(&view->read[r]);
    free(view->read);
    free(view->ranges);
    free(view->runs);
}

/* The newest have read most. */
static bool is_seen(const struct view *view, uint32_t p, int64_t first_offset, int64_t last_offset)
{
    for (uint32_t r = view->read_count; r-- > 0;)
        if (tl_run_offsets_have_read(&view->read[r], p, first_offset, last_offset))
            return true;
    return false;
}

static struct range *range_of(const struct view *view, int64_t time_ms)
{
    for (uint32_t r = view->count; r-- > 0;)
        if (view->ranges[r].range.from_ms <= time_ms)
            return time_ms < view->ranges[r].range.to_ms ? &view->ranges[r] : NULL;
    return NULL;
}

static enum tl_code add_line(struct range *range, const struct tl_ledger_line *line, struct tl_err *err)
{
    if (range->count == range->capacity) {
        size_t capacity = range->capacity * 2 + 64;

        if (!TL_RESIZE(range->lines, capacity))
            return tl_fail_memory(err, capacity * sizeof *range->lines);
        range->capacity = capacity;
    }
    range->lines[range->count++] = *line;
    return TL_OK;
}

/* The block's rows with a usable time, as lines of the ranges that they would have been of. */
static enum tl_code take_rows(struct note *note, uint32_t p, struct view *view, struct tl_err *err)
{
    const struct tl_batch *batch = note->intake->batch;
    enum tl_code rc = TL_OK;

    for (uint32_t u = 0; u < note->intake->usable_count; u++) {
        uint32_t row = note->intake->usable[u];
        struct tl_ledger_line line = {.partition = note->input->partitions[p].partition,
                                      .row = batch->row[row],
                                      .offset = batch->offset[row],
                                      .cause = TL_CAUSE_SEALED_DAY,
                                      .flags = batch->flags[row],
                                      .watermark_ms = INT64_MIN,
                                      .event_time_ms = note->intake->time.i64[row]};
        struct range *range = range_of(view, line.event_time_ms);

        if (range != NULL && !is_seen(view, p, line.offset, line.offset))
            TL_TRY(add_line(range, &line, err));
    }
out:
    return rc;
}

static enum tl_code put_lines(struct note *note, struct view *view, uint64_t *most, struct tl_err *err)
{
    struct tl_store *store = note->scope->store;
    uint64_t sum = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < view->count; r++) {
        struct range *range = &view->ranges[r];
        uint64_t added;

        if (range->count == 0)
            continue;
        TL_TRY(tl_store_begin(store, err));
        TL_TRY(tl_store_put_sealed(store, view->definition, &range->range, range->lines, range->count, &added, err));
        TL_TRY(tl_store_commit(store, err));
        range->count = 0;
        sum += added;
    }
    *most = sum > *most ? sum : *most;
out:
    tl_store_rollback(store);
    return rc;
}

/* May there be something in these offsets, with events of these times, that is to be noted? */
static bool is_new(const struct note *note, uint32_t p, int64_t first_offset, int64_t last_offset,
                   const struct tl_input_times *times)
{
    for (uint32_t v = 0; v < note->scope->plan->views_count; v++) {
        const struct view *view = &note->views[v];

        if (view->count > 0 && times->min_ms <= times->max_ms && times->min_ms < view->ranges[view->count - 1].range.to_ms &&
            !is_seen(view, p, first_offset, last_offset))
            return true;
    }
    return false;
}

static enum tl_code note_block(struct note *note, uint32_t p, const struct tl_master_file *file, uint32_t block,
                               struct tl_err *err)
{
    const struct tl_message *messages;
    uint64_t most = 0;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_master_read_block(note->reader, file, block, &messages, &count, err));
    TL_TRY(tl_intake_run(note->intake, messages, count, err));
    for (uint32_t v = 0; v < note->scope->plan->views_count; v++) {
        if (note->views[v].count == 0)
            continue;
        TL_TRY(take_rows(note, p, &note->views[v], err));
        TL_TRY(put_lines(note, &note->views[v], &most, err));
    }
    *note->count += most;
out:
    return rc;
}

/* A damaged file is left out here as in all else; what it has for sealed days is noted when it is whole again, for no run says of itself that it has read it.
 * Which days it has is not known of one whose index is by another rule of event time. */
static enum tl_code note_file(struct note *note, uint32_t p, struct tl_input_file *file, struct tl_err *err)
{
    const struct tl_input_times any = {INT64_MIN, INT64_MAX};
    const struct tl_master_file *on_record = file->file;
    enum tl_code rc = TL_OK;

    if (!is_new(note, p, on_record->first_offset, on_record->last_offset, file->times_unknown ? &any : &file->times))
        return TL_OK;
    for (uint32_t b = 0; b < on_record->blocks_count && file->damage == NULL; b++) {
        if (!is_new(note, p, on_record->blocks[b].first_offset, on_record->blocks[b].last_offset, &file->blocks[b]))
            continue;
        rc = note_block(note, p, on_record, b, err);
        if (rc != TL_ERR_CORRUPT)
            TL_TRY(rc);
        else
            TL_TRY(tl_input_found_damage(note->input, file, err->message, err));
    }
    file->keeps_sealed = file->damage != NULL;
out:
    return rc;
}

static enum tl_code note_source(struct note *note, uint32_t source, struct tl_err *err)
{
    const struct tl_scope *scope = note->scope;
    bool any = false;
    enum tl_code rc = TL_OK;

    note->input = scope->inputs[source];
    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        if (scope->plan->views[v].source != source || scope->definitions[v] == 0 || !scope->wanted[v] ||
            scope->days[v].sealed_ms == INT64_MIN)
            continue;
        TL_TRY(open_view(note, v, err));
        any = any || note->views[v].count > 0;
    }
    if (!any)
        goto out;
    TL_TRY(tl_intake_open(scope->plan, source, &note->intake, err));
    TL_TRY(tl_master_reader_open(&note->reader, err));
    for (uint32_t p = 0; p < note->input->partitions_count; p++)
        for (uint32_t f = 0; f < note->input->partitions[p].files_count; f++)
            TL_TRY(note_file(note, p, &note->input->partitions[p].files[f], err));
out:
    tl_intake_close(note->intake);
    tl_master_reader_close(note->reader);
    note->intake = NULL;
    note->reader = NULL;
    return rc;
}

enum tl_code tl_sealed_note(const struct tl_scope *scope, uint64_t *count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *count = 0;
    for (uint32_t s = 0; s < scope->plan->sources_count && rc == TL_OK; s++) {
        struct note note = {.scope = scope, .count = count};

        note.views = calloc(scope->plan->views_count + 1u, sizeof *note.views);
        if (note.views == NULL)
            return tl_fail_memory(err, scope->plan->views_count * sizeof *note.views);
        rc = note_source(&note, s, err);
        for (uint32_t v = 0; v < scope->plan->views_count; v++)
            close_view(&note.views[v]);
        free(note.views);
    }
    return rc;
}
