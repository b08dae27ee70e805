/* advise.c: which watermark delay or allowed lateness would have left how many late events. See advise.h. */
#include "advise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/count_text.h"
#include "base/diag.h"
#include "finality.h"
#include "lateness.h"
#include "main/print.h"
#include "main/views.h"
#include "sql/settings.h"
#include "trial.h"

enum {
    ROWS_MAX = 12,
    WORTH = 50 /* a row changes a fiftieth of what is late now, or more */,
    ASKED_MAX = 64,
    CANDIDATES_MAX = ASKED_MAX + 128
};

struct candidate {
    struct tl_advice_row row;
    bool natural; /* of the ladder: may be recommended */
    bool known, kept;
};

struct advised {
    const struct tl_view *view;
    const struct tl_source *source;
    struct tl_lateness lateness, less; /* of the ledger's lines; of the record's events, where less wait was asked for */
    struct tl_trial_view trial;
    struct tl_trial_gap *gaps;
    size_t gaps_count;
    uint32_t partitions_count;
    int64_t watermark_ms; /* of the last event */
    bool may_try, tried;  /* by the record (trial.h) */
    struct candidate candidates[CANDIDATES_MAX];
    size_t candidates_count;
    struct tl_trial_setting settings[CANDIDATES_MAX];
    struct tl_advice_row rows[CANDIDATES_MAX];
    struct tl_advice advice;
};

struct advise {
    const struct tl_common_options *common;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_store *store;
    struct tl_master *master;
    struct tl_source_logs *logs;
    struct tl_source_topics *topics;
    struct tl_recorded recorded;
    int64_t delays[ASKED_MAX], lateness[ASKED_MAX];
    size_t delays_count, lateness_count;
    double target;
    bool wall_clock;
    struct advised *views; /* as in the plan; `view` NULL: nothing is said of it */
};

static bool is_session(const struct advised *mine)
{
    return mine->view->window.window == TL_WINDOW_SESSION;
}

/* ---- what is asked ---- */

static enum tl_code read_durations(const struct tl_option_list *list, int64_t *out, size_t *count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < list->count; i++) {
        const char *at = list->items[i], *end;

        for (;; at = end + 1) {
            end = strchrnul(at, ',');
            if (*count == ASKED_MAX)
                TL_TRY(tl_fail(err, TL_ERR_USAGE, "more than %d settings are asked for", ASKED_MAX));
            TL_TRY(tl_option_duration((struct tl_sv){at, (size_t)(end - at)}, &out[*count], err));
            ++*count;
            if (*end == '\0')
                break;
        }
    }
out:
    return rc;
}

static enum tl_code read_target(const char *text, double *out, struct tl_err *err)
{
    char *end;
    double target = strtod(text, &end);

    if (end != text && strcmp(end, "%") == 0)
        target /= 100;
    else if (end == text || *end != '\0')
        target = -1;
    if (!(target >= 0 && target <= 1))
        return tl_fail(err, TL_ERR_USAGE, "--target %s is no share of the events; 0.1%% would do", text);
    *out = target;
    return TL_OK;
}

enum tl_code tl_advise_not_asked(const struct tl_advise_options *own, struct tl_err *err)
{
    if (own->delays.count > 0 || own->lateness.count > 0 || own->target != NULL || own->wall_clock)
        return tl_fail(err, TL_ERR_USAGE, "--delay, --lateness, --target and --wall-clock go with --advise-lateness");
    return TL_OK;
}

static enum tl_code read_options(struct advise *a, const struct tl_advise_options *own, const char *format, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_options_need_views(a->common, err));
    if (strcmp(format, "text") != 0 && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--advise-lateness answers as text, csv or json, not as %s", format));
    TL_TRY(read_durations(&own->delays, a->delays, &a->delays_count, err));
    TL_TRY(read_durations(&own->lateness, a->lateness, &a->lateness_count, err));
    TL_TRY(read_target(own->target != NULL ? own->target : "0.1%", &a->target, err));
    a->wall_clock = own->wall_clock;
out:
    return rc;
}

static enum tl_code choose_views(struct advise *a, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < a->plan->views_count && a->common->args_count == 0; v++)
        a->views[v].view = &a->plan->views[v];
    for (int i = 0; i < a->common->args_count; i++) {
        const struct tl_view *view = tl_plan_view(a->plan, tl_sv_from(a->common->args[i]));

        if (view == NULL)
            TL_TRY(tl_views_unknown(a->plan, a->common->args[i], err));
        else
            a->views[view - a->plan->views].view = view;
    }
    for (uint32_t v = 0; v < a->plan->views_count; v++) {
        const struct tl_view *view = a->views[v].view;

        if (view == NULL || (view->inner < 0 && view->window.window != TL_WINDOW_NONE))
            continue;
        if (a->common->args_count > 0)
            tl_diag(TL_WARN, "view %.*s: nothing is ever late there: it %s", TL_SV_ARG(view->name),
                    view->inner >= 0 ? "reads the final rows of another view" : "has no windows");
        a->views[v].view = NULL;
    }
out:
    return rc;
}

/* ---- the snapshot ---- */

static enum tl_code add_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct advised *mine = ctx;

    (void)err;
    mine->partitions_count++;
    mine->trial.partition = position->partition;
    mine->trial.next_offset = position->next_offset;
    mine->watermark_ms = position->watermark_ms;
    return TL_OK;
}

/* A gap is two lines: its first offset, and its last one. */
static enum tl_code add_gap(struct advised *mine, const struct tl_ledger_line *line, struct tl_err *err)
{
    if (line->row == 0) {
        if (!TL_RESIZE(mine->gaps, mine->gaps_count + 1))
            return tl_fail_memory(err, (mine->gaps_count + 1) * sizeof *mine->gaps);
        mine->gaps[mine->gaps_count++] = (struct tl_trial_gap){line->offset, line->offset};
    } else if (mine->gaps_count > 0) {
        mine->gaps[mine->gaps_count - 1].last_offset = line->offset;
    }
    return TL_OK;
}

static enum tl_code add_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct advised *mine = ctx;
    enum tl_code rc = TL_OK;

    switch (line->cause) {
    case TL_CAUSE_OFFSET_GAP: TL_TRY(add_gap(mine, line, err)); break;
    case TL_CAUSE_LATE_DROP:
    case TL_CAUSE_LATE_PARTIAL:
    case TL_CAUSE_SESSION_BRIDGE:
    case TL_CAUSE_FIRED_BY_IDLE: TL_TRY(tl_lateness_add(&mine->lateness, line->event_time_ms, line->watermark_ms, 0, err)); break;
    default: break;
    }
    if (mine->may_try)
        TL_TRY(tl_trial_add(&mine->trial, line, err));
out:
    return rc;
}

/* Can there be what the ledger's late lines do not tell: sessions, or less wait? */
static bool may_try(const struct advise *a, const struct advised *mine)
{
    bool less = false;

    for (size_t i = 0; i < a->delays_count; i++)
        less = less || a->delays[i] < mine->source->watermark_delay_ms;
    for (size_t i = 0; i < a->lateness_count; i++)
        less = less || a->lateness[i] < mine->view->lateness_ms;
    return mine->partitions_count == 1 && (less || is_session(mine));
}

static enum tl_code read_view(struct advise *a, struct advised *mine, struct tl_err *err)
{
    const struct tl_view *view = mine->view;
    struct tl_advice *advice = &mine->advice;
    uint64_t outcomes[TL_OUTCOMES], identity;
    int64_t definition;
    enum tl_code rc = TL_OK;

    mine->source = &a->plan->sources[view->source];
    mine->trial.view = (uint32_t)(view - a->plan->views);
    TL_TRY(tl_store_find(a->store, view->name, view->hash, &definition, err));
    if (definition != 0)
        TL_TRY(tl_store_positions(a->store, definition, add_position, mine, &identity, err));
    if (mine->partitions_count == 0) {
        tl_diag(TL_WARN, "view %.*s: speed has counted nothing yet as the views file has it now", TL_SV_ARG(view->name));
        mine->view = NULL;
        goto out;
    }
    mine->may_try = may_try(a, mine);
    TL_TRY(tl_store_ledger(a->store, definition, 0, INT64_MIN, INT64_MAX, add_line, mine, err));
    TL_TRY(tl_store_outcomes(a->store, definition, 0, outcomes, err));
    advice->view = view;
    advice->late_count = outcomes[TL_OUT_LATE] + outcomes[TL_OUT_PARTLY_COUNTED];
    advice->events_count = advice->late_count + outcomes[TL_OUT_COUNTED];
    advice->lines_count = mine->lateness.count;
out:
    return rc;
}

static enum tl_code take_snapshot(struct advise *a, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(a->store, err));
    TL_TRY(tl_source_topics_read(a->topics, a->store, err));
    for (uint32_t v = 0; v < a->plan->views_count; v++) {
        struct advised *mine = &a->views[v];

        if (mine->view == NULL)
            continue;
        tl_lateness_init(&mine->lateness, mine->view);
        tl_lateness_init(&mine->less, mine->view);
        tl_trial_view_init(&mine->trial);
        TL_TRY(read_view(a, mine, err));
    }
out:
    tl_store_rollback(a->store);
    return rc;
}

/* ---- which settings ---- */

/* How many further views with windows read the table. */
static uint32_t others_of(const struct tl_plan *plan, const struct tl_view *view)
{
    uint32_t count = 0;

    for (uint32_t v = 0; v < plan->views_count; v++)
        count += &plan->views[v] != view && plan->views[v].source == view->source && plan->views[v].inner < 0 &&
                 plan->views[v].window.window != TL_WINDOW_NONE;
    return count;
}

static void choose_knob(const struct advise *a, struct advised *mine)
{
    struct tl_advice *advice = &mine->advice;
    enum tl_window_kind kind = mine->view->window.window;

    if (mine->source->watermark_delay_ms == INT64_MIN)
        advice->reason = "the watermark is no fixed delay";
    else if (kind == TL_WINDOW_HOP || kind == TL_WINDOW_CUMULATE)
        advice->reason = "first results stay as early as they are, and are corrected; with a longer delay they would come later";
    else if (others_of(a->plan, mine->view) > 0)
        advice->reason = "the delay is the table's, and its other views would wait as well";
    else
        advice->reason = "rows are shown at once and final at the same time either way, and Flink knows the delay alone";
    advice->by_delay = mine->source->watermark_delay_ms != INT64_MIN && kind != TL_WINDOW_HOP && kind != TL_WINDOW_CUMULATE &&
                       others_of(a->plan, mine->view) == 0;
}

static void add_candidate(struct advised *mine, int64_t delay_ms, int64_t lateness_ms, bool natural, bool asked)
{
    const struct tl_source *source = mine->source;
    int64_t later_ms = delay_ms == source->watermark_delay_ms ? 0 : tl_add_sat_i64(delay_ms, -source->watermark_delay_ms);
    struct candidate new = {
        .row = {.delay_ms = delay_ms,
                .lateness_ms = lateness_ms,
                .more_ms = tl_add_sat_i64(later_ms, tl_add_sat_i64(lateness_ms, -mine->view->lateness_ms)),
                .asked = asked},
        .natural = natural
    };
    size_t at = mine->candidates_count;

    for (size_t c = 0; c < mine->candidates_count; c++) {
        struct candidate *old = &mine->candidates[c];

        if (old->row.delay_ms == delay_ms && old->row.lateness_ms == lateness_ms) {
            old->natural = old->natural || natural;
            old->row.asked = old->row.asked || asked;
            return;
        }
    }
    if (at == CANDIDATES_MAX)
        return;
    for (; at > 0 && mine->candidates[at - 1].row.more_ms > new.row.more_ms; at--)
        mine->candidates[at] = mine->candidates[at - 1];
    mine->candidates[at] = new;
    mine->candidates_count++;
}

static void add_natural(struct advised *mine, int64_t value_ms)
{
    if (mine->advice.by_delay)
        add_candidate(mine, value_ms, mine->view->lateness_ms, true, false);
    else
        add_candidate(mine, mine->source->watermark_delay_ms, value_ms, true, false);
}

/* From a tenth of the present wait on: less is of no use to anybody. */
static enum tl_code add_ladder(const struct advise *a, struct advised *mine, struct tl_err *err)
{
    const struct tl_advice *advice = &mine->advice;
    int64_t delay_ms = mine->source->watermark_delay_ms, lateness_ms = mine->view->lateness_ms;
    int64_t now_ms = advice->by_delay ? delay_ms : lateness_ms;
    int64_t wait_ms = delay_ms == INT64_MIN ? lateness_ms : tl_add_sat_i64(delay_ms, lateness_ms), most_ms, enough_ms;
    double late_max = floor(a->target * (double)advice->events_count);
    enum tl_code rc = TL_OK;

    add_candidate(mine, delay_ms, lateness_ms, true, false);
    if (advice->late_count > 0) /* in lines */
        late_max = floor(late_max * (double)advice->lines_count / (double)advice->late_count);
    TL_TRY(tl_lateness_enough(&mine->lateness, 0, &most_ms, err));
    TL_TRY(tl_lateness_enough(&mine->lateness, (uint64_t)late_max, &enough_ms, err));
    if (enough_ms > 0)
        add_natural(mine, tl_natural_duration(tl_add_sat_i64(now_ms, enough_ms)));
    for (int64_t value_ms = now_ms + wait_ms / 10, last_ms = tl_add_sat_i64(now_ms, most_ms); most_ms > 0 && value_ms < last_ms;)
        add_natural(mine, value_ms = tl_natural_duration(value_ms + 1));
    for (size_t i = 0; i < a->delays_count && delay_ms != INT64_MIN; i++)
        add_candidate(mine, a->delays[i], lateness_ms, false, true);
    if (a->delays_count > 0 && delay_ms == INT64_MIN)
        tl_diag(TL_WARN, "view %.*s: its watermark is no fixed delay, so none can be tried", TL_SV_ARG(mine->view->name));
    for (size_t i = 0; i < a->lateness_count; i++)
        add_candidate(mine, delay_ms, a->lateness[i], false, true);
out:
    return rc;
}

/* ---- the record ---- */

static void want_trial(struct advised *mine)
{
    struct tl_trial_view *trial = &mine->trial;
    int64_t least_ms = 0;

    for (size_t c = 0; c < mine->candidates_count; c++)
        least_ms = tl_min_i64(least_ms, mine->candidates[c].row.more_ms);
    mine->tried = mine->may_try && (least_ms < 0 || (is_session(mine) && mine->lateness.count > 0));
    if (!mine->tried)
        return;
    if (!is_session(mine)) {
        trial->lateness = &mine->less;
        trial->least_more_ms = least_ms;
        return;
    }
    trial->settings = mine->settings;
    for (size_t c = 0; c < mine->candidates_count; c++)
        if (c == 0 || mine->candidates[c].row.more_ms != mine->candidates[c - 1].row.more_ms)
            mine->settings[trial->settings_count++] = (struct tl_trial_setting){.more_ms = mine->candidates[c].row.more_ms};
}

static enum tl_code try_out(struct advise *a, struct tl_err *err)
{
    struct tl_trial_view **views = calloc(a->plan->views_count + 1, sizeof(struct tl_trial_view *));
    enum tl_code rc = TL_OK;

    if (views == NULL)
        return tl_fail_memory(err, a->plan->views_count * sizeof(struct tl_trial_view *));
    for (uint32_t s = 0; s < a->plan->sources_count; s++) {
        const struct advised *first = NULL;
        size_t count = 0;

        for (uint32_t v = 0; v < a->plan->views_count; v++) {
            struct advised *mine = &a->views[v];

            if (mine->view == NULL || !mine->tried || mine->view->source != s)
                continue;
            first = first == NULL ? mine : first;
            views[count++] = &mine->trial;
        }
        if (count > 0)
            TL_TRY(tl_trial_run(&a->recorded, views, count, first->gaps, first->gaps_count, err));
    }
out:
    free(views);
    return rc;
}

static enum tl_code find_waits(struct advise *a, struct tl_err *err)
{
    struct tl_finality *views = calloc(a->plan->views_count + 1, sizeof *views);
    enum tl_code rc = TL_OK;

    if (views == NULL)
        return tl_fail_memory(err, a->plan->views_count * sizeof *views);
    for (uint32_t s = 0; s < a->plan->sources_count; s++) {
        const struct advised *first = NULL;
        int64_t next_offset = 0;
        size_t count = 0;

        for (uint32_t v = 0; v < a->plan->views_count; v++) {
            struct advised *mine = &a->views[v];

            if (mine->view == NULL || mine->view->source != s)
                continue;
            if (mine->partitions_count > 1 || mine->gaps_count > 0) {
                tl_diag(TL_WARN, "view %.*s: how long its windows waited is not known: %s", TL_SV_ARG(mine->view->name),
                        mine->partitions_count > 1 ? "there are several partitions" : "speed has not read all of the log");
                continue;
            }
            first = first == NULL ? mine : first;
            next_offset = tl_max_i64(next_offset, mine->trial.next_offset);
            views[count++] = (struct tl_finality){&mine->lateness, mine->rows, mine->advice.rows_count};
        }
        if (count > 0)
            TL_TRY(tl_finality_find(&a->recorded, s, first->trial.partition,
                                    tl_add_sat_i64(first->watermark_ms, -a->plan->settings.speed_retention_ms), next_offset,
                                    views, count, err));
    }
out:
    free(views);
    return rc;
}

/* ---- the answer ---- */

static const struct tl_trial_setting *setting_of(const struct advised *mine, int64_t more_ms)
{
    for (uint32_t s = 0; s < mine->trial.settings_count; s++)
        if (mine->settings[s].more_ms == more_ms)
            return &mine->settings[s];
    return NULL;
}

/* False: nobody knows. */
static bool count_late(const struct advised *mine, int64_t more_ms, struct tl_late_count *late, uint64_t *split)
{
    bool from_record = mine->tried && mine->trial.agrees;

    *split = 0;
    if (from_record && is_session(mine)) {
        const struct tl_trial_setting *setting = setting_of(mine, more_ms);

        if (setting == NULL)
            return false;
        *late = (struct tl_late_count){.dropped = setting->late, .windows = setting->late};
        *split = setting->split;
        return true;
    }
    if (more_ms < 0 && (!from_record || more_ms < mine->trial.least_more_ms))
        return false;
    *late = tl_lateness_count(more_ms < 0 ? &mine->less : &mine->lateness, more_ms);
    return true;
}

static void fill_row(const struct advised *mine, struct candidate *candidate)
{
    struct tl_advice_row *row = &candidate->row;
    struct tl_late_count first;
    uint64_t split;

    candidate->known = count_late(mine, row->more_ms, &row->late, &row->split);
    row->present = row->delay_ms == mine->source->watermark_delay_ms && row->lateness_ms == mine->view->lateness_ms;
    row->corrections = 0;
    /* What would be late by the delay alone, and is not. */
    if (row->lateness_ms > 0)
        row->corrections = candidate->known && count_late(mine, row->more_ms - row->lateness_ms, &first, &split)
                               ? (int64_t)(first.windows - row->late.windows)
                               : INT64_MIN;
}

static uint64_t late_of(const struct candidate *candidate)
{
    return candidate->row.late.dropped + candidate->row.late.partly;
}

/* So much less is late than in the row before that is kept. UINT64_MAX: it has to stay. */
static uint64_t worth_of(const struct advised *mine, size_t c)
{
    const struct candidate *candidate = &mine->candidates[c];

    if (candidate->row.present || candidate->row.asked || &candidate->row == mine->advice.best)
        return UINT64_MAX;
    while (c-- > 0)
        if (mine->candidates[c].kept)
            return late_of(&mine->candidates[c]) - late_of(candidate);
    return UINT64_MAX;
}

static void thin_out(struct advised *mine)
{
    size_t kept = mine->candidates_count;

    for (size_t c = 0; c < mine->candidates_count; c++) {
        mine->candidates[c].kept = mine->candidates[c].known;
        kept -= !mine->candidates[c].kept;
    }
    for (;;) {
        size_t least = SIZE_MAX;

        for (size_t c = 0; c < mine->candidates_count; c++)
            if (mine->candidates[c].kept && (least == SIZE_MAX || worth_of(mine, c) < worth_of(mine, least)))
                least = c;
        if (least == SIZE_MAX || worth_of(mine, least) == UINT64_MAX ||
            (kept <= ROWS_MAX && worth_of(mine, least) > mine->advice.lines_count / WORTH))
            return;
        mine->candidates[least].kept = false;
        kept--;
    }
}

static void say_trust(struct advised *mine)
{
    struct tl_advice *advice = &mine->advice;

    if (mine->partitions_count > 1) {
        advice->trust = TL_TRUST_ESTIMATE;
        advice->why = is_session(mine)
                          ? "which partition is read first is different in each run, and sessions that stay open longer take more"
                          : "which partition is read first is different in each run";
    } else if (advice->lines_count < advice->late_count) {
        advice->trust = TL_TRUST_ESTIMATE;
        advice->why = "the ledger has only the lines that are kept: the others are taken to be alike";
    } else if (is_session(mine) && mine->tried && !mine->trial.agrees) {
        advice->trust = TL_TRUST_AT_MOST;
        advice->why = "sessions that stay open longer take more, and the record does not have all their events";
    }
}

static void conclude(const struct advise *a, struct advised *mine)
{
    struct tl_advice *advice = &mine->advice;
    struct candidate *best = NULL;

    say_trust(mine);
    for (size_t c = 0; c < mine->candidates_count; c++) {
        struct candidate *candidate = &mine->candidates[c];

        fill_row(mine, candidate);
        if (!candidate->known && candidate->row.asked)
            tl_diag(TL_WARN, "view %.*s: what less wait would have made late is not known: %s", TL_SV_ARG(mine->view->name),
                    mine->partitions_count > 1 ? "there are several partitions" : "the record does not have all events");
        if (best == NULL && candidate->natural && candidate->known && tl_advice_share(advice, &candidate->row) <= a->target)
            best = candidate;
    }
    advice->best = best != NULL ? &best->row : NULL;
    thin_out(mine);
    for (size_t c = 0; c < mine->candidates_count; c++) {
        if (!mine->candidates[c].kept)
            continue;
        mine->rows[advice->rows_count] = mine->candidates[c].row;
        if (best == &mine->candidates[c])
            advice->best = &mine->rows[advice->rows_count];
        advice->rows_count++;
    }
    advice->rows = mine->rows;
    advice->split_known = is_session(mine) && mine->tried && mine->trial.agrees && mine->trial.split_agrees;
}

/* ---- as CSV and JSON ---- */

enum column {
    VIEW,
    DELAY,
    LATENESS,
    PRESENT,
    RECOMMENDED,
    EVENTS,
    LATE,
    PARTLY,
    MISSED,
    SPLIT,
    SHARE,
    TRUST,
    WHY,
    LATER,
    OPEN,
    WAITED_HALF,
    WAITED_MOST,
    WAITED_ALL,
    CORRECTIONS,
    WRITE,
    COLUMNS
};

#define COLUMN(word, of)                                                                                                         \
    {                                                                                                                            \
        .name = {(word), sizeof(word) - 1}, .kind = (of)                                                                         \
    }
static const struct tl_shape_column columns[COLUMNS] = {
    [VIEW] = COLUMN("view", TL_STRING),
    [DELAY] = COLUMN("delay_ms", TL_BIGINT),
    [LATENESS] = COLUMN("lateness_ms", TL_BIGINT),
    [PRESENT] = COLUMN("present", TL_BOOLEAN),
    [RECOMMENDED] = COLUMN("recommended", TL_BOOLEAN),
    [EVENTS] = COLUMN("events", TL_BIGINT),
    [LATE] = COLUMN("late", TL_BIGINT),
    [PARTLY] = COLUMN("partly_counted", TL_BIGINT),
    [MISSED] = COLUMN("windows_missed", TL_BIGINT),
    [SPLIT] = COLUMN("session_split", TL_BIGINT),
    [SHARE] = COLUMN("share", TL_DOUBLE),
    [TRUST] = COLUMN("trust", TL_STRING),
    [WHY] = COLUMN("why", TL_STRING),
    [LATER] = COLUMN("final_later_ms", TL_BIGINT),
    [OPEN] = COLUMN("state_open_ms", TL_BIGINT),
    [WAITED_HALF] = COLUMN("waited_p50_ms", TL_BIGINT),
    [WAITED_MOST] = COLUMN("waited_p99_ms", TL_BIGINT),
    [WAITED_ALL] = COLUMN("waited_max_ms", TL_BIGINT),
    [CORRECTIONS] = COLUMN("corrections", TL_BIGINT),
    [WRITE] = COLUMN("write", TL_STRING),
};

static struct tl_value number(int64_t value)
{
    return (struct tl_value){.kind = TL_BIGINT, .is_null = value == INT64_MIN, .i64 = value};
}

static struct tl_value truth(bool value)
{
    return (struct tl_value){.kind = TL_BOOLEAN, .i64 = value};
}

static struct tl_value text(struct tl_sv value)
{
    return (struct tl_value){.kind = TL_STRING, .is_null = value.size == 0, .sv = value};
}

/* From the beginning of a window (of a session: from its last row on; of COUNT_WINDOW: of a row) to when it goes, by event time. */
static int64_t open_ms(const struct advised *mine, const struct tl_advice_row *row)
{
    int64_t wait_ms = row->delay_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(row->delay_ms, row->lateness_ms);

    if (wait_ms == INT64_MIN || mine->view->window.window == TL_WINDOW_COUNT)
        return wait_ms;
    return tl_add_sat_i64(wait_ms, mine->view->window.size_ms);
}

static enum tl_code print_rows(struct tl_printer *printer, const struct advised *mine, struct tl_err *err)
{
    const struct tl_advice *advice = &mine->advice;
    struct tl_buf line;
    enum tl_code rc = TL_OK;

    tl_buf_init(&line, 0);
    for (size_t r = 0; r < advice->rows_count; r++) {
        const struct tl_advice_row *row = &advice->rows[r];
        struct tl_value values[COLUMNS];

        tl_buf_clear(&line);
        tl_advice_put_line(advice, mine->source, row, &line);
        TL_TRY(tl_buf_check(&line, "a line", err));
        values[VIEW] = text(mine->view->name);
        values[DELAY] = number(row->delay_ms);
        values[LATENESS] = number(row->lateness_ms);
        values[PRESENT] = truth(row->present);
        values[RECOMMENDED] = truth(row == advice->best);
        values[EVENTS] = number((int64_t)advice->events_count);
        values[LATE] = number((int64_t)row->late.dropped);
        values[PARTLY] = number((int64_t)row->late.partly);
        values[MISSED] = number((int64_t)row->late.windows);
        values[SPLIT] = number(advice->split_known ? (int64_t)row->split : INT64_MIN);
        values[SHARE] = (struct tl_value){.kind = TL_DOUBLE, .f64 = tl_advice_share(advice, row)};
        values[TRUST] = text(tl_sv_from(tl_lateness_trust_name(advice->trust)));
        values[WHY] = text(tl_sv_from(advice->why != NULL ? advice->why : ""));
        values[LATER] = number(row->more_ms);
        values[OPEN] = number(open_ms(mine, row));
        values[WAITED_HALF] = number(row->waits.count > 0 ? row->waits.half_ms : INT64_MIN);
        values[WAITED_MOST] = number(row->waits.count > 0 ? row->waits.most_ms : INT64_MIN);
        values[WAITED_ALL] = number(row->waits.count > 0 ? row->waits.all_ms : INT64_MIN);
        values[CORRECTIONS] = number(row->corrections);
        values[WRITE] = text(tl_buf_sv(&line));
        TL_TRY(tl_printer_row(printer, values, COLUMNS, err));
    }
out:
    tl_buf_done(&line);
    return rc;
}

static enum tl_code print_table(const struct advise *a, const char *format, struct tl_err *err)
{
    struct tl_printer printer;
    enum tl_code rc;

    tl_printer_init(&printer, tl_print_format_of(format), stdout);
    TL_TRY(tl_printer_head(&printer, columns, COLUMNS, err));
    for (uint32_t v = 0; v < a->plan->views_count; v++)
        if (a->views[v].view != NULL)
            TL_TRY(print_rows(&printer, &a->views[v], err));
    TL_TRY(tl_printer_end(&printer, err));
out:
    tl_printer_done(&printer);
    return rc;
}

/* ---- as text ---- */

static void put_cell(struct tl_buf *out, struct tl_buf *cell, int width)
{
    tl_buf_printf(out, "  %*.*s", width, (int)cell->size, cell->size > 0 ? cell->data : "");
    tl_buf_clear(cell);
}

static void put_count(struct tl_buf *out, struct tl_buf *cell, uint64_t count, int width)
{
    char digits[TL_COUNT_TEXT_BYTES];

    tl_buf_put_str(cell, tl_count_text(count, digits));
    put_cell(out, cell, width);
}

/* "5 min 15 s": the largest unit that there is of it, and the one below. */
static void put_span(struct tl_buf *out, struct tl_buf *cell, int64_t ms, int width)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {
        {86400000, " d"  },
        {3600000,  " h"  },
        {60000,    " min"},
        {1000,     " s"  },
        {1,        " ms" }
    };
    uint64_t rest = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    if (ms == INT64_MIN || ms == 0) {
        tl_buf_put_str(cell, ms == 0 ? "0" : "-");
        put_cell(out, cell, width);
        return;
    }
    tl_buf_put_str(cell, ms < 0 ? "-" : "");
    for (size_t u = 0, shown = 0; u < TL_COUNT(units) && rest > 0 && shown < 2; u++) {
        uint64_t unit = (uint64_t)units[u].ms;

        if (rest >= unit) {
            tl_buf_printf(cell, "%s%llu%s", shown > 0 ? " " : "", (unsigned long long)(rest / unit), units[u].name);
            rest %= unit;
        } else if (shown == 0) {
            continue;
        }
        shown++;
    }
    put_cell(out, cell, width);
}

static void put_row(struct tl_buf *out, struct tl_buf *cell, const struct advise *a, const struct advised *mine,
                    const struct tl_advice_row *row)
{
    const struct tl_advice *advice = &mine->advice;

    put_span(out, cell, row->delay_ms, 8);
    put_span(out, cell, row->lateness_ms, 8);
    put_count(out, cell, row->late.dropped, 9);
    put_count(out, cell, row->late.partly, 9);
    put_count(out, cell, row->late.windows, 9);
    tl_buf_printf(cell, "%.3f%%", 100 * tl_advice_share(advice, row));
    put_cell(out, cell, 8);
    put_span(out, cell, row->more_ms, 11);
    put_span(out, cell, open_ms(mine, row), 11);
    if (a->wall_clock) {
        put_span(out, cell, row->waits.count > 0 ? row->waits.half_ms : INT64_MIN, 11);
        put_span(out, cell, row->waits.count > 0 ? row->waits.most_ms : INT64_MIN, 11);
        put_span(out, cell, row->waits.count > 0 ? row->waits.all_ms : INT64_MIN, 11);
    }
    if (row->corrections == INT64_MIN)
        tl_buf_put_str(cell, "-");
    else
        tl_buf_printf(cell, "%lld", (long long)row->corrections);
    put_cell(out, cell, 11);
    if (advice->split_known)
        put_count(out, cell, row->split, 7);
    tl_buf_put_str(out, row->present ? "  <- now" : "");
    tl_buf_put_str(out, row == advice->best ? "  <- recommended\n" : "\n");
}

static void put_best(struct tl_buf *out, const struct advise *a, const struct advised *mine)
{
    const struct tl_advice *advice = &mine->advice;

    if (advice->best == NULL) {
        tl_buf_printf(out, "  none of these leaves %g%% late\n", 100 * a->target);
    } else if (advice->best->present) {
        tl_buf_printf(out, "  recommended: as it is, which leaves no more than %g%% late\n", 100 * a->target);
    } else {
        tl_buf_put_str(out, "  recommended: ");
        tl_advice_put_line(advice, mine->source, advice->best, out);
        if (!advice->by_delay)
            tl_buf_printf(out, " above CREATE VIEW %.*s", TL_SV_ARG(mine->view->name));
        tl_buf_printf(out, ": %s\n", advice->reason);
    }
}

static void put_view(struct tl_buf *out, struct tl_buf *cell, const struct advise *a, const struct advised *mine)
{
    const struct tl_advice *advice = &mine->advice;
    char late[TL_COUNT_TEXT_BYTES], events[TL_COUNT_TEXT_BYTES];

    tl_buf_printf(out, "view %.*s: %s of %s events were late for a window or all (%s%s%s)\n", TL_SV_ARG(mine->view->name),
                  tl_count_text(advice->late_count, late), tl_count_text(advice->events_count, events),
                  tl_lateness_trust_name(advice->trust), advice->why != NULL ? ": " : "", advice->why != NULL ? advice->why : "");
    tl_buf_printf(out, "  %8s  %8s  %9s  %9s  %9s  %8s  %11s  %11s", "delay", "lateness", "late", "partly", "missed", "share",
                  "final later", "open for");
    if (a->wall_clock)
        tl_buf_printf(out, "  %11s  %11s  %11s", "half waited", "99%", "all");
    tl_buf_printf(out, "  %11s%s\n", "corrections", advice->split_known ? "    split" : "");
    for (size_t r = 0; r < advice->rows_count; r++)
        put_row(out, cell, a, mine, &advice->rows[r]);
    put_best(out, a, mine);
}

static enum tl_code print_text(const struct advise *a, struct tl_err *err)
{
    struct tl_buf out, cell;
    enum tl_code rc;

    tl_buf_init(&out, 0);
    tl_buf_init(&cell, 0);
    for (uint32_t v = 0; v < a->plan->views_count; v++)
        if (a->views[v].view != NULL)
            put_view(&out, &cell, a, &a->views[v]);
    TL_TRY(tl_buf_check(&cell, "the advice", err));
    TL_TRY(tl_buf_check(&out, "the advice", err));
    if ((out.size > 0 && fwrite(out.data, 1, out.size, stdout) != out.size) || fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write to standard output"));
out:
    tl_buf_done(&out);
    tl_buf_done(&cell);
    return rc;
}

/* ---- the whole ---- */

static enum tl_code open_all(struct advise *a, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_views_open(a->common, a->common->views, &a->functions, &a->plan, err));
    a->views = calloc(a->plan->views_count + 1, sizeof *a->views);
    if (a->views == NULL)
        TL_TRY(tl_fail_memory(err, a->plan->views_count * sizeof *a->views));
    TL_TRY(choose_views(a, err));
    TL_TRY(tl_store_open(a->common->store, TL_STORE_READ, &a->store, err));
    TL_TRY(tl_views_take_secret(a->functions, a->store, err));
    TL_TRY(tl_master_open(a->common->data, &a->master, err));
    rc = tl_source_logs_open(a->common, a->plan, TL_LOG_READ, &a->logs, err);
    if (rc != TL_ERR_NOT_FOUND)
        TL_TRY(rc);
    TL_TRY(tl_source_topics_open(a->plan, &a->topics, err));
    tl_recorded_init(&a->recorded, a->plan, a->topics, a->master, a->logs);
out:
    return rc;
}

static void close_all(struct advise *a)
{
    for (uint32_t v = 0; a->views != NULL && v < a->plan->views_count; v++) {
        tl_lateness_done(&a->views[v].lateness);
        tl_lateness_done(&a->views[v].less);
        tl_trial_view_done(&a->views[v].trial);
        free(a->views[v].gaps);
    }
    free(a->views);
    tl_recorded_done(&a->recorded);
    tl_source_topics_close(a->topics);
    tl_source_logs_close(a->logs);
    tl_master_close(a->master);
    tl_store_close(a->store);
    tl_views_close(a->functions, a->plan);
}

enum tl_code tl_advise(const struct tl_common_options *common, const struct tl_advise_options *own, const char *format,
                       struct tl_err *err)
{
    struct advise a = {.common = common};
    enum tl_code rc;

    TL_TRY(read_options(&a, own, format, err));
    TL_TRY(open_all(&a, err));
    TL_TRY(take_snapshot(&a, err));
    for (uint32_t v = 0; v < a.plan->views_count; v++) {
        if (a.views[v].view == NULL)
            continue;
        choose_knob(&a, &a.views[v]);
        TL_TRY(add_ladder(&a, &a.views[v], err));
        want_trial(&a.views[v]);
    }
    TL_TRY(try_out(&a, err));
    for (uint32_t v = 0; v < a.plan->views_count; v++)
        if (a.views[v].view != NULL)
            conclude(&a, &a.views[v]);
    if (a.wall_clock)
        TL_TRY(find_waits(&a, err));
    TL_TRY(strcmp(format, "text") == 0 ? print_text(&a, err) : print_table(&a, format, err));
out:
    close_all(&a);
    return rc;
}
