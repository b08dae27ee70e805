/* dry_run.c: what a run would do now, and why. See dry_run.h. */
#include "dry_run.h"

#include <string.h>

#include "event/zone.h"
#include "sql/shape.h"

enum { DEFINITION_SHOWN = 8 };

struct dry_run {
    const struct tl_scope *scope;
    struct tl_printer printer;
    bool files;
    uint32_t view; /* at hand */
    char hash[33];
    bool replaces; /* its definition is not the one that serves */
};

static const struct tl_shape_column columns[] = {
    {{"view", 4},        TL_STRING,        TL_ROLE_VALUE},
    {{"from", 4},        TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"to", 2},          TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"reason", 6},      TL_STRING,        TL_ROLE_VALUE},
    {{"definition", 10}, TL_STRING,        TL_ROLE_VALUE},
    {{"files", 5},       TL_BIGINT,        TL_ROLE_VALUE},
    {{"events", 6},      TL_BIGINT,        TL_ROLE_VALUE},
    {{"bytes", 5},       TL_BIGINT,        TL_ROLE_VALUE},
};
static const struct tl_shape_column file_columns[] = {
    {{"view", 4},        TL_STRING,        TL_ROLE_VALUE},
    {{"from", 4},        TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"to", 2},          TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
    {{"reason", 6},      TL_STRING,        TL_ROLE_VALUE},
    {{"definition", 10}, TL_STRING,        TL_ROLE_VALUE},
    {{"file", 4},        TL_STRING,        TL_ROLE_VALUE},
    {{"events", 6},      TL_BIGINT,        TL_ROLE_VALUE},
    {{"bytes", 5},       TL_BIGINT,        TL_ROLE_VALUE},
};

static struct tl_value text(struct tl_sv sv)
{
    return (struct tl_value){.kind = TL_STRING, .sv = sv};
}

static struct tl_value count(uint64_t number)
{
    return (struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)number};
}

static struct tl_value instant(int64_t time_ms)
{
    return (struct tl_value){.kind = TL_TIMESTAMP_LTZ, .i64 = time_ms, .is_null = time_ms == INT64_MIN};
}

/* What is to be read of a file for the range: whole blocks. */
struct reading {
    uint64_t events_count, bytes_count;
};

static struct reading read_of(const struct tl_input_file *file, int64_t from_ms, int64_t to_ms)
{
    struct reading reading = {0, 0};

    for (uint32_t b = 0; b < file->file->blocks_count; b++) {
        if (!tl_input_wants_block(file, b, from_ms, to_ms))
            continue;
        reading.events_count += file->file->blocks[b].messages_count;
        reading.bytes_count += file->file->blocks[b].packed_bytes;
    }
    return reading;
}

static enum tl_code print_row(struct dry_run *dry, const struct tl_day *day, const char *reason, struct tl_value files,
                              struct reading reading, struct tl_err *err)
{
    struct tl_sv hash = tl_sv_from(dry->hash);

    if (dry->printer.format == TL_PRINT_TABLE)
        hash.size = DEFINITION_SHOWN;
    return tl_printer_row(&dry->printer,
                          (const struct tl_value[]){text(dry->scope->plan->views[dry->view].name), instant(day->from_ms),
                                                    instant(day->to_ms), text(tl_sv_from(reason)), text(hash), files,
                                                    count(reading.events_count), count(reading.bytes_count)},
                          TL_COUNT(columns), err);
}

/* A table has room for the name, which says topic, partition and offset. */
static struct tl_sv path_of(const struct dry_run *dry, const char *path)
{
    const char *name = strrchr(path, '/');

    return tl_sv_from(dry->printer.format == TL_PRINT_TABLE && name != NULL ? name + 1 : path);
}

static enum tl_code print_range(struct dry_run *dry, const struct tl_day *day, const char *reason, struct tl_err *err)
{
    const struct tl_scope *scope = dry->scope;
    const struct tl_input *input = scope->inputs[scope->plan->views[dry->view].source];
    struct reading all = {0, 0};
    uint64_t files_count = 0;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < input->partitions_count; p++) {
        for (uint32_t f = 0; f < input->partitions[p].files_count; f++) {
            const struct tl_input_file *file = &input->partitions[p].files[f];
            struct reading reading = read_of(file, day->from_ms, day->to_ms);

            if (reading.bytes_count == 0)
                continue;
            files_count++;
            all.events_count += reading.events_count;
            all.bytes_count += reading.bytes_count;
            if (dry->files)
                TL_TRY(print_row(dry, day, reason, text(path_of(dry, file->file->path)), reading, err));
        }
    }
    if (!dry->files)
        TL_TRY(print_row(dry, day, reason, count(files_count), all, err));
out:
    return rc;
}

static const char *reason_of(const struct dry_run *dry, const struct tl_day *day)
{
    const struct tl_input *input = dry->scope->inputs[dry->scope->plan->views[dry->view].source];

    if (tl_day_is_work(day) && tl_input_damage(input, day->from_ms, day->to_ms) != NULL)
        return "refused: a file is damaged";
    switch (day->reason) {
    case TL_DAY_NEW: return dry->replaces ? "definition" : "new";
    case TL_DAY_INPUT: return "input";
    case TL_DAY_ASKED: return "asked";
    case TL_DAY_DEFINITION: return "definition";
    case TL_DAY_SEALED: return "sealed: stays empty";
    case TL_DAY_CLEAN: break;
    }
    return "carry, perhaps";
}

/* Can a window of the view lie across the bound? */
static bool may_carry(const struct tl_scope *scope, uint32_t v, int64_t at_ms)
{
    const struct tl_plan *plan = scope->plan;
    const struct tl_window_spec *window = &plan->views[v].window;
    bool zoned = plan->sources[plan->views[v].source].time_kind == TL_TIMESTAMP_LTZ;
    int64_t wall_ms = zoned ? tl_zone_end_local_ms(plan->settings.zone, at_ms) : at_ms;

    if (window->window == TL_WINDOW_TUMBLE || window->window == TL_WINDOW_CUMULATE)
        return tl_window_start_ms(wall_ms - 1, window->offset_ms, window->size_ms) + window->size_ms != wall_ms;
    return window->window != TL_WINDOW_NONE;
}

static enum tl_code print_view(struct dry_run *dry, struct tl_err *err)
{
    const struct tl_days *days = &dry->scope->days[dry->view];
    enum tl_code rc = TL_OK;

    for (uint32_t d = 0; d < days->count; d++) {
        const struct tl_day *day = &days->days[d];
        bool behind = d > 0 && tl_day_is_work(&days->days[d - 1]);

        if (day->reason == TL_DAY_CLEAN && (!behind || day->held || !may_carry(dry->scope, dry->view, day->from_ms)))
            continue;
        TL_TRY(print_range(dry, day, reason_of(dry, day), err));
    }
out:
    return rc;
}

static enum tl_code take_view(struct dry_run *dry, uint32_t v, struct tl_err *err)
{
    const struct tl_scope *scope = dry->scope;
    struct tl_definition active;
    struct tl_shape shape;
    enum tl_code rc;

    dry->view = v;
    dry->replaces = false;
    TL_TRY(tl_shape_of(scope->plan, &scope->plan->views[v], &shape, err));
    memcpy(dry->hash, shape.hash, sizeof dry->hash);
    if (scope->store == NULL)
        goto out;
    rc = tl_store_active(scope->store, scope->plan->views[v].name, &active, err);
    dry->replaces = rc == TL_OK && active.id != scope->definitions[v];
    if (rc == TL_ERR_NOT_FOUND)
        rc = TL_OK;
out:
    return rc;
}

enum tl_code tl_dry_run(const struct tl_scope *scope, enum tl_print_format format, bool files, struct tl_err *err)
{
    struct dry_run dry = {.scope = scope, .files = files};
    enum tl_code rc;

    tl_printer_init(&dry.printer, format, stdout);
    TL_TRY(tl_printer_head(&dry.printer, files ? file_columns : columns, TL_COUNT(columns), err));
    for (uint32_t v = 0; v < scope->plan->views_count; v++) {
        if (!scope->wanted[v])
            continue;
        TL_TRY(take_view(&dry, v, err));
        TL_TRY(print_view(&dry, err));
    }
    TL_TRY(tl_printer_end(&dry.printer, err));
out:
    tl_printer_done(&dry.printer);
    return rc;
}
