/* trial.c: what would have been late under other settings, tried out. See trial.h. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "event/timestamp.h"

enum {
    LINE_REFUSED = 1, /* for another reason than lateness */
    LINE_TELLS = 2,   /* late, or split off: its key is to be looked at */
    LINE_BYTES = 12,
};
/* So much behind its lateness nothing is in time, and nothing runs over. */
#define ALL_LATE_MS (INT64_MIN / 4)

/* What stands in the place of a view of the plan. */
struct copy {
    struct tl_trial_view *of;
    struct tl_trial_setting *setting; /* NULL: it takes all rows for late */
};

struct trial {
    struct tl_recorded *recorded;
    struct tl_trial_view *const *views;
    size_t views_count;
    const struct tl_trial_gap *gaps;
    size_t gaps_count;
    uint32_t source, partition;
    int64_t upto;        /* behind what speed has read */
    struct tl_plan plan; /* the copies; all else is borrowed */
    struct copy *copies;
    bool finding, failed; /* finding keys; some had no room */
    struct tl_core *core;
    struct tl_partial *part, *all;
    struct tl_watermark watermark;
};

/* ---- the ledger's lines ---- */

void tl_trial_view_init(struct tl_trial_view *view)
{
    tl_table_init(&view->lines, 1, 0);
    tl_table_init(&view->keys, 1, 0);
}

void tl_trial_view_done(struct tl_trial_view *view)
{
    tl_table_done(&view->lines);
    tl_table_done(&view->keys);
    tl_time_spans_done(&view->times);
}

static struct tl_sv line_name(char out[LINE_BYTES], int64_t offset, uint32_t row)
{
    memcpy(out, &offset, sizeof offset);
    memcpy(out + sizeof offset, &row, sizeof row);
    return (struct tl_sv){out, LINE_BYTES};
}

static uint8_t line_of(const struct tl_trial_view *view, int64_t offset, uint32_t row)
{
    char bytes[LINE_BYTES];
    struct tl_sv name = line_name(bytes, offset, row);
    const uint8_t *what = tl_table_find(&view->lines, tl_hash_bytes(name), name);

    return what == NULL ? 0 : *what;
}

enum tl_code tl_trial_add(struct tl_trial_view *view, const struct tl_ledger_line *line, struct tl_err *err)
{
    char bytes[LINE_BYTES];
    struct tl_sv name = line_name(bytes, line->offset, line->row);
    uint8_t *what, is = LINE_REFUSED;

    switch (line->cause) {
    case TL_CAUSE_LATE_DROP:
    case TL_CAUSE_LATE_PARTIAL:
    case TL_CAUSE_SESSION_BRIDGE:
    case TL_CAUSE_FIRED_BY_IDLE:
        view->late_count++;
        is = LINE_TELLS;
        break;
    case TL_CAUSE_SESSION_SPLIT:
        view->split_count++;
        is = LINE_TELLS;
        break;
    case TL_CAUSE_NONE:
    case TL_CAUSE_OFFSET_GAP: return TL_OK;
    default: break;
    }
    what = tl_table_put(&view->lines, tl_hash_bytes(name), name, NULL);
    if (what == NULL || (is == LINE_TELLS && !tl_time_spans_add(&view->times, line->event_time_ms, line->event_time_ms)))
        return tl_fail_memory(err, LINE_BYTES);
    *what = is;
    return TL_OK;
}

/* ---- the copies ---- */

static bool is_wanted(void *ctx, uint32_t v, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms,
                      struct tl_sv key, int64_t *watermark_ms)
{
    struct trial *trial = ctx;
    const struct copy *copy = &trial->copies[v];
    struct tl_trial_view *view = copy->of;
    uint8_t line = line_of(view, event->offset, event->row);

    (void)start_ms;
    (void)end_ms;
    (void)watermark_ms;
    if (trial->finding) {
        if ((line & LINE_TELLS) && tl_table_put(&view->keys, tl_hash_bytes(key), key, NULL) == NULL)
            trial->failed = true;
        return false;
    }
    if (copy->setting == NULL || event->offset >= view->next_offset || (line & LINE_REFUSED))
        return false;
    return copy->setting->more_ms < 0 || tl_table_find(&view->keys, tl_hash_bytes(key), key) != NULL;
}

static void add_copy(struct trial *trial, struct tl_trial_view *view, struct tl_trial_setting *setting)
{
    struct tl_view *copy = &trial->plan.views[trial->plan.views_count];

    *copy = trial->recorded->plan->views[view->view];
    copy->aggs_count = copy->outputs_count = 0;
    copy->having = NULL;
    if (setting != NULL) {
        copy->lateness_ms = tl_add_sat_i64(copy->lateness_ms, setting->more_ms);
    } else {
        copy->keys_count = 0;
        copy->window = (struct tl_window_spec){.window = TL_WINDOW_COUNT, .size_ms = 1, .slide_ms = 1, .rows_max = 1};
        copy->lateness_ms = ALL_LATE_MS;
    }
    trial->copies[trial->plan.views_count++] = (struct copy){view, setting};
}

static enum tl_code make_copies(struct trial *trial, struct tl_err *err)
{
    size_t count = trial->views_count;

    for (size_t v = 0; v < trial->views_count; v++)
        count += trial->views[v]->settings_count;
    trial->plan = *trial->recorded->plan;
    trial->plan.views_count = 0;
    trial->plan.views = calloc(count + 1, sizeof *trial->plan.views);
    trial->copies = calloc(count + 1, sizeof *trial->copies);
    if (trial->plan.views == NULL || trial->copies == NULL)
        return tl_fail_memory(err, count * sizeof *trial->plan.views);
    for (size_t v = 0; v < trial->views_count; v++) {
        struct tl_trial_view *view = trial->views[v];

        if (view->lateness != NULL)
            add_copy(trial, view, NULL);
        for (uint32_t s = 0; s < view->settings_count; s++)
            add_copy(trial, view, &view->settings[s]);
    }
    return TL_OK;
}

/* ---- reading ---- */

static enum tl_code take_late(const struct trial *trial, uint32_t c, struct tl_err *err)
{
    const struct tl_ledger *ledger = &trial->part->views[c].ledger;
    const struct tl_trial_view *view = trial->copies[c].of;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct tl_ledger_line *line = &ledger->lines[i];

        if (line->cause == TL_CAUSE_LATE_DROP && line->offset < view->next_offset &&
            !(line_of(view, line->offset, line->row) & LINE_REFUSED))
            TL_TRY(tl_lateness_add(view->lateness, line->event_time_ms, line->watermark_ms, view->least_more_ms, err));
    }
out:
    return rc;
}

static enum tl_code judge(const struct trial *trial, uint32_t c, struct tl_err *err)
{
    struct tl_window *window = trial->all->views[c].window;
    struct tl_trial_setting *setting = trial->copies[c].setting;
    struct tl_window_judged judged = {0};
    enum tl_code rc = TL_OK;

    TL_TRY(tl_window_merge(window, trial->part->views[c].window, err));
    TL_TRY(tl_window_advance(window, trial->watermark.judge_ms, &judged, err));
    setting->late += judged.outcomes[TL_OUT_LATE];
    for (size_t i = 0; i < judged.lines_count; i++)
        setting->split += judged.lines[i].cause == TL_CAUSE_SESSION_SPLIT;
    TL_TRY(tl_window_settle(window, err));
out:
    return rc;
}

static enum tl_code push(struct trial *trial, const struct tl_message *messages, size_t count, struct tl_err *err)
{
    struct tl_core_input input = {.source = trial->source,
                                  .partition = trial->partition,
                                  .messages = messages,
                                  .count = count,
                                  .watermark = trial->finding ? NULL : &trial->watermark};
    enum tl_code rc = TL_OK;

    if (count == 0)
        return TL_OK;
    input.next_offset = messages[count - 1].offset + 1;
    TL_TRY(tl_core_push(trial->core, &input, trial->part, err));
    if (trial->failed)
        TL_TRY(tl_fail_memory(err, 1));
    for (uint32_t c = 0; !trial->finding && c < trial->plan.views_count; c++)
        TL_TRY(trial->copies[c].setting == NULL ? take_late(trial, c, err) : judge(trial, c, err));
    tl_partial_reset(trial->part);
out:
    return rc;
}

static bool in_gap(const struct trial *trial, int64_t offset)
{
    for (size_t g = 0; g < trial->gaps_count; g++)
        if (offset >= trial->gaps[g].first_offset && offset <= trial->gaps[g].last_offset)
            return true;
    return false;
}

/* But for what speed has passed over. */
static enum tl_code push_read(void *ctx, uint32_t partition, const struct tl_message *messages, size_t count, struct tl_err *err)
{
    struct trial *trial = ctx;
    size_t first = 0, i = 0;
    enum tl_code rc = TL_OK;

    (void)partition;
    for (; i < count; i++) {
        if (!in_gap(trial, messages[i].offset))
            continue;
        TL_TRY(push(trial, messages + first, i - first, err));
        first = i + 1;
    }
    TL_TRY(push(trial, messages + first, i - first, err));
out:
    return rc;
}

static enum tl_code read_through(struct trial *trial, const struct tl_time_spans *spans, struct tl_err *err)
{
    struct tl_core_config config = {.plan = &trial->plan, .wanted = is_wanted, .wanted_ctx = trial};
    bool *wanted = calloc(trial->plan.views_count + 1, sizeof *wanted);
    enum tl_code rc = TL_OK;

    if (wanted == NULL)
        return tl_fail_memory(err, trial->plan.views_count);
    /* One copy is enough to find keys. */
    for (uint32_t c = 0; c < trial->plan.views_count; c++)
        wanted[c] =
            !trial->finding || (trial->copies[c].setting != NULL && trial->copies[c].setting == trial->copies[c].of->settings);
    config.views_wanted = wanted;
    TL_TRY(tl_core_open(&config, &trial->core, err));
    TL_TRY(
        tl_recorded_read_partition(trial->recorded, trial->source, trial->partition, spans, trial->upto, push_read, trial, err));
out:
    tl_core_close(trial->core);
    trial->core = NULL;
    free(wanted);
    return rc;
}

/* ---- a run ---- */

static enum tl_code find_keys(struct trial *trial, struct tl_err *err)
{
    struct tl_time_spans times = {0};
    enum tl_code rc = TL_OK;

    for (size_t v = 0; v < trial->views_count; v++)
        for (size_t i = 0; trial->views[v]->settings_count > 0 && i < trial->views[v]->times.count; i++)
            if (!tl_time_spans_add(&times, trial->views[v]->times.items[i].from_ms, trial->views[v]->times.items[i].to_ms))
                TL_TRY(tl_fail_memory(err, sizeof *times.items));
    tl_time_spans_settle(&times);
    trial->finding = true;
    if (times.count > 0)
        TL_TRY(read_through(trial, &times, err));
out:
    trial->finding = false;
    tl_time_spans_done(&times);
    return rc;
}

/* From where on events matter: see the header. Twice the gap for good measure, and a day for what a clock that is changed makes of it. */
static int64_t first_of(const struct trial *trial)
{
    int64_t first_ms = INT64_MAX, reach_ms;

    for (size_t v = 0; v < trial->views_count; v++) {
        const struct tl_trial_view *view = trial->views[v];

        if (view->lateness != NULL)
            return INT64_MIN;
        for (uint32_t s = 0; s < view->settings_count; s++)
            if (view->settings[s].more_ms < 0)
                return INT64_MIN;
        reach_ms = 2 * trial->recorded->plan->views[view->view].window.size_ms;
        reach_ms += trial->recorded->plan->views[view->view].window.zone != NULL ? TL_DAY_MS : 0;
        for (size_t i = 0; i < view->times.count; i++)
            first_ms = tl_min_i64(first_ms, tl_add_sat_i64(view->times.items[i].from_ms, -reach_ms));
    }
    return first_ms;
}

static void compare(struct tl_trial_view *view)
{
    if (view->lateness != NULL) {
        struct tl_late_count count = tl_lateness_count(view->lateness, 0);

        view->agrees = count.dropped + count.partly == view->late_count;
    }
    for (uint32_t s = 0; s < view->settings_count; s++)
        if (view->settings[s].more_ms == 0) {
            view->agrees = view->settings[s].late == view->late_count;
            view->split_agrees = view->settings[s].split == view->split_count;
        }
}

enum tl_code tl_trial_run(struct tl_recorded *recorded, struct tl_trial_view *const *views, size_t views_count,
                          const struct tl_trial_gap *gaps, size_t gaps_count, struct tl_err *err)
{
    struct trial trial = {.recorded = recorded,
                          .views = views,
                          .views_count = views_count,
                          .gaps = gaps,
                          .gaps_count = gaps_count,
                          .source = recorded->plan->views[views[0]->view].source,
                          .partition = views[0]->partition};
    struct tl_watermark_partition partition = {trial.partition, INT64_MIN, false};
    struct tl_time_spans all = {0};
    enum tl_code rc = TL_OK;

    for (size_t v = 0; v < views_count; v++)
        trial.upto = tl_max_i64(trial.upto, views[v]->next_offset);
    TL_TRY(make_copies(&trial, err));
    TL_TRY(tl_partial_open(&trial.plan, NULL, &trial.part, err));
    TL_TRY(tl_partial_open(&trial.plan, NULL, &trial.all, err));
    TL_TRY(find_keys(&trial, err));
    TL_TRY(tl_watermark_init(&trial.watermark, &partition, 1, INT64_MAX, INT64_MIN, INT64_MIN, err));
    if (!tl_time_spans_add(&all, first_of(&trial), INT64_MAX))
        TL_TRY(tl_fail_memory(err, sizeof *all.items));
    TL_TRY(read_through(&trial, &all, err));
    for (size_t v = 0; v < views_count; v++)
        compare(views[v]);
out:
    tl_watermark_done(&trial.watermark);
    tl_partial_close(trial.all);
    tl_partial_close(trial.part);
    tl_time_spans_done(&all);
    free(trial.plan.views);
    free(trial.copies);
    return rc;
}
