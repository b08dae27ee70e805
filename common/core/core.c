/* core.c: plan + messages + watermark -> partial. See core.h. */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

#include "core/expr.h"
#include "core/intake.h"

/* What is kept per view between pushes: scratch columns, by key, aggregate and output. */
struct view_scratch {
    bool wanted;
    bool can_fail;         /* some expression of it may fail for a row */
    uint32_t filter_of;    /* the first view that has the same filter, and evaluates it: often the view itself */
    bool filter_is_shared; /* others read what it lets pass: */
    uint32_t *passed, passed_count;
    uint32_t windows_of;     /* the first view whose windows have the same slices, and which finds them: often the view itself */
    bool windows_are_shared; /* others read in which slice each candidate lies: */
    struct tl_assign assign;
    bool assigned;               /* in this push */
    struct tl_agg_layout layout; /* for the columns that the accumulators want */
    struct tl_vec *keys, *inputs, *outputs;
};

struct tl_core {
    struct tl_core_config config;
    struct tl_arena arena;      /* lives as long as the core */
    struct tl_intake **intakes; /* one per source */
    struct view_scratch *views;
    struct tl_arena scratch; /* reset per view and push */
    uint32_t capacity;       /* rows of the arrays below */
    int64_t *judged_ms;      /* by row */
    int64_t *patient_ms;     /* by row; of a push in which an event was late, and an idle partition had been left out */
    uint32_t *candidates;    /* usable rows in range that are no duplicates */
    uint32_t *selected;
    struct tl_window_late *late;
    uint32_t *range;      /* by row: which of the ranges */
    uint32_t *partition;  /* by row; filled only when a push has several */
    const char **failed;  /* by row: the function that failed, or NULL. In a view also the check that drops the row */
    bool *check_can_fail; /* by row check */
    bool checks_drop;     /* some row check does */
    const char **dropped; /* by row: the check that drops it, or NULL; of a push that has dropped some */
    struct tl_memories memories;
    struct tl_id *ids; /* by row */
    uint8_t *has_id;
    struct tl_id *asked;
    int64_t *asked_time_ms, *asked_log_ms;
    uint8_t *seen;
    uint64_t *candidates_in, *selected_in; /* per range */
    uint64_t allocations_count;
};

/* ---- memory ---- */

static enum tl_code follow_capacity(struct tl_core *core, uint32_t rows, struct tl_err *err)
{
    uint32_t capacity = core->capacity ? core->capacity : TL_BATCH_ROWS;
    bool ok = true;

    if (core->capacity > 0 && rows <= core->capacity)
        return TL_OK;
    while (capacity < rows)
        capacity = capacity + capacity / 2 + 1;
    ok &= TL_RESIZE(core->judged_ms, capacity);
    ok &= TL_RESIZE(core->patient_ms, capacity);
    ok &= TL_RESIZE(core->candidates, capacity);
    ok &= TL_RESIZE(core->selected, capacity);
    ok &= TL_RESIZE(core->late, capacity);
    ok &= TL_RESIZE(core->range, capacity);
    ok &= TL_RESIZE(core->partition, capacity);
    ok &= TL_RESIZE(core->failed, capacity);
    if (core->checks_drop)
        ok &= TL_RESIZE(core->dropped, capacity);
    ok &= TL_RESIZE(core->ids, capacity);
    ok &= TL_RESIZE(core->has_id, capacity);
    ok &= TL_RESIZE(core->asked, capacity);
    ok &= TL_RESIZE(core->asked_time_ms, capacity);
    ok &= TL_RESIZE(core->asked_log_ms, capacity);
    ok &= TL_RESIZE(core->seen, capacity);
    for (uint32_t v = 0; v < core->config.plan->views_count; v++)
        if (core->views[v].filter_is_shared)
            ok &= TL_RESIZE(core->views[v].passed, capacity);
    if (!ok)
        return tl_fail_memory(err, capacity * sizeof *core->ids);
    core->capacity = capacity;
    core->allocations_count++;
    return TL_OK;
}

static bool may_fail(const struct tl_expr *expr)
{
    if (expr == NULL)
        return false;
    if (expr->op == TL_EXPR_CALL && expr->function->can_fail)
        return true;
    for (uint32_t i = 0; i < expr->args_count; i++)
        if (may_fail(expr->args[i]))
            return true;
    return false;
}

/* A filter that may fail for a row is evaluated by each: whose row is rejected is each one's own matter. */
static void share_filter(struct tl_core *core, uint32_t v)
{
    const struct tl_view *views = core->config.plan->views;

    core->views[v].filter_of = v;
    if (views[v].filter == NULL || views[v].inner >= 0 || may_fail(views[v].filter))
        return;
    for (uint32_t other = 0; other < v; other++) {
        if (!core->views[other].wanted || views[other].source != views[v].source || views[other].inner >= 0 ||
            views[other].filter == NULL || !tl_expr_same(views[other].filter, views[v].filter))
            continue;
        core->views[v].filter_of = other;
        core->views[other].filter_is_shared = true;
        return;
    }
}

static void share_windows(struct tl_core *core, uint32_t v)
{
    const struct tl_view *views = core->config.plan->views;

    core->views[v].windows_of = v;
    tl_assign_init(&core->views[v].assign, &views[v].window);
    if (!core->views[v].wanted || views[v].inner >= 0 || !tl_assign_knows(&views[v].window))
        return;
    for (uint32_t other = 0; other < v; other++) {
        if (!core->views[other].wanted || views[other].source != views[v].source || views[other].inner >= 0 ||
            !tl_assign_same(&views[other].window, &views[v].window))
            continue;
        core->views[v].windows_of = other;
        core->views[other].windows_are_shared = true;
        return;
    }
}

static enum tl_code open_view(struct tl_core *core, uint32_t v, struct tl_err *err)
{
    const struct tl_view *view = &core->config.plan->views[v];
    struct view_scratch *mine = &core->views[v];
    enum tl_code rc;

    mine->wanted = core->config.views_wanted == NULL || core->config.views_wanted[v];
    mine->can_fail = may_fail(view->filter);
    mine->keys = tl_arena_zalloc(&core->arena, (view->keys_count + 1) * sizeof *mine->keys);
    mine->outputs = tl_arena_zalloc(&core->arena, (view->outputs_count + 1) * sizeof *mine->outputs);
    if (mine->keys == NULL || mine->outputs == NULL)
        return tl_fail_memory(err, view->outputs_count * sizeof *mine->outputs);
    rc = tl_agg_layout_init(&mine->layout, view->aggs, view->aggs_count, &core->arena, err);
    if (rc != TL_OK)
        return rc;
    mine->inputs = tl_arena_zalloc(&core->arena, (mine->layout.inputs_count + 1) * sizeof *mine->inputs);
    if (mine->inputs == NULL)
        return tl_fail_memory(err, mine->layout.inputs_count * sizeof *mine->inputs);
    for (uint32_t k = 0; k < view->keys_count; k++)
        mine->can_fail |= may_fail(view->keys[k]);
    for (uint32_t i = 0; i < mine->layout.inputs_count; i++)
        mine->can_fail |= may_fail(mine->layout.inputs[i]);
    for (uint32_t o = 0; view->window.window == TL_WINDOW_NONE && o < view->outputs_count; o++)
        mine->can_fail |= may_fail(view->outputs[o].expr);
    return TL_OK;
}

static enum tl_code open_checks(struct tl_core *core, struct tl_err *err)
{
    const struct tl_checks *checks = core->config.checks;

    if (checks == NULL || checks->rows_count == 0)
        return TL_OK;
    core->check_can_fail = tl_arena_zalloc(&core->arena, checks->rows_count * sizeof *core->check_can_fail);
    if (core->check_can_fail == NULL)
        return tl_fail_memory(err, checks->rows_count);
    for (uint32_t c = 0; c < checks->rows_count; c++) {
        core->check_can_fail[c] = may_fail(checks->rows[c].expected);
        core->checks_drop = core->checks_drop || checks->rows[c].violation == TL_VIOLATION_DROP_ROW;
    }
    return TL_OK;
}

enum tl_code tl_core_open(const struct tl_core_config *config, struct tl_core **out, struct tl_err *err)
{
    struct tl_core *core = calloc(1, sizeof *core);
    const struct tl_plan *plan = config->plan;
    enum tl_code rc = TL_OK;

    if (core == NULL)
        return tl_fail_memory(err, sizeof *core);
    core->config = *config;
    if (config->bounds == NULL)
        core->config.ranges_count = 1;
    tl_arena_init(&core->arena, 1u << 14, 0);
    tl_arena_init(&core->scratch, 1u << 18, 0);
    core->intakes = tl_arena_zalloc(&core->arena, plan->sources_count * sizeof(struct tl_intake *));
    core->views = tl_arena_zalloc(&core->arena, plan->views_count * sizeof *core->views);
    core->candidates_in = tl_arena_zalloc(&core->arena, core->config.ranges_count * sizeof *core->candidates_in);
    core->selected_in = tl_arena_zalloc(&core->arena, core->config.ranges_count * sizeof *core->selected_in);
    if (core->intakes == NULL || core->views == NULL || core->candidates_in == NULL || core->selected_in == NULL)
        TL_TRY(tl_fail_memory(err, core->config.ranges_count * sizeof *core->selected_in));
    for (uint32_t s = 0; s < plan->sources_count; s++)
        TL_TRY(tl_intake_open(plan, s, &core->intakes[s], err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        TL_TRY(open_view(core, v, err));
        share_filter(core, v);
        share_windows(core, v);
    }
    TL_TRY(open_checks(core, err));
    TL_TRY(follow_capacity(core, TL_BATCH_ROWS, err));
    core->allocations_count = 0;
    *out = core;
    core = NULL;
out:
    tl_core_close(core);
    return rc;
}

void tl_core_close(struct tl_core *core)
{
    if (core == NULL)
        return;
    for (uint32_t s = 0; core->intakes != NULL && s < core->config.plan->sources_count; s++)
        tl_intake_close(core->intakes[s]);
    for (uint32_t v = 0; core->views != NULL && v < core->config.plan->views_count; v++) {
        free(core->views[v].passed);
        tl_assign_done(&core->views[v].assign);
    }
    free(core->judged_ms);
    free(core->patient_ms);
    free(core->candidates);
    free(core->selected);
    free(core->late);
    free(core->range);
    free(core->partition);
    free(core->failed);
    free(core->dropped);
    tl_memories_done(&core->memories);
    free(core->ids);
    free(core->has_id);
    free(core->asked);
    free(core->asked_time_ms);
    free(core->asked_log_ms);
    free(core->seen);
    tl_arena_done(&core->scratch);
    tl_arena_done(&core->arena);
    free(core);
}

uint64_t tl_core_allocations(const struct tl_core *core)
{
    uint64_t count = core->allocations_count;

    for (uint32_t s = 0; s < core->config.plan->sources_count; s++)
        count += core->intakes[s]->allocations_count + core->intakes[s]->batch->allocations_count;
    return count;
}

/* ---- what is the same for all views of the source ---- */

struct push {
    struct tl_core *core;
    const struct tl_core_input *input;
    struct tl_intake *intake;
    struct tl_batch *batch;
    struct tl_partial *partial;
    struct tl_partial_source *source;
    struct tl_partial_partition *partition;
    uint32_t candidates_count;
    uint32_t range_first, range_last; /* of the candidates; without any, the first lies behind the last */
    bool any_dropped;                 /* among the candidates: core->dropped says which */
    bool patient_known;               /* core->patient_ms is filled */
    struct tl_err *err;
};

static uint32_t partition_of(const struct push *p, uint32_t row)
{
    return p->input->partitions != NULL ? p->core->partition[row] : p->input->partition;
}

/* Rows stand in the order of their messages and know the bytes of theirs. */
static void spread_partitions(struct push *p)
{
    size_t m = 0;

    for (uint32_t row = 0; row < p->batch->rows; row++) {
        while (p->input->messages[m].value.data != p->batch->raw[row].data)
            m++;
        p->core->partition[row] = p->input->partitions[m];
    }
}

static bool ledger_line(const struct push *p, struct tl_ledger *ledger, uint32_t row, enum tl_cause cause, uint8_t more_flags)
{
    struct tl_ledger_line line = {
        .partition = partition_of(p, row),
        .row = p->batch->row[row],
        .offset = p->batch->offset[row],
        .cause = cause,
        .flags = (uint8_t)(p->batch->flags[row] | more_flags),
        .watermark_ms = p->input->watermark != NULL ? p->core->judged_ms[row] : INT64_MIN,
        .event_time_ms = p->intake->time.null[row] ? INT64_MIN : p->intake->time.i64[row],
        .function = cause == TL_CAUSE_EVAL_ERROR || cause == TL_CAUSE_DQ_REJECT ? p->core->failed[row] : NULL,
    };

    return tl_ledger_add(ledger, &line);
}

static void choose_candidates(struct push *p)
{
    struct tl_core *core = p->core;
    const struct tl_intake *intake = p->intake;
    const int64_t *bounds = core->config.bounds;
    uint32_t ranges = core->config.ranges_count, count = 0, last = 0;

    if (bounds == NULL) {
        memcpy(core->candidates, intake->usable, intake->usable_count * sizeof *core->candidates);
        p->candidates_count = intake->usable_count;
        return;
    }
    p->range_first = ranges;
    for (uint32_t i = 0; i < intake->usable_count; i++) {
        uint32_t row = intake->usable[i];
        int64_t time_ms = intake->time.i64[row];

        if (time_ms < bounds[0] || time_ms >= bounds[ranges])
            continue;
        core->range[row] = last = tl_range_of(bounds, ranges, time_ms, last);
        p->range_first = last < p->range_first ? last : p->range_first;
        p->range_last = last > p->range_last ? last : p->range_last;
        core->candidates[count++] = row;
    }
    p->candidates_count = count;
}

/* Asks for the candidates that have an id and takes the duplicates out. */
static enum tl_code drop_duplicates(struct push *p)
{
    struct tl_core *core = p->core;
    int32_t slot = p->intake->source->dedup_slot;
    const struct tl_vec *column;
    uint32_t asked = 0, kept = 0;
    enum tl_code rc = TL_OK;

    if (slot < 0 || (core->config.dedup == NULL && core->config.wanted == NULL))
        return TL_OK;
    column = &p->batch->column[slot];
    for (uint32_t i = 0; i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];

        core->has_id[row] = !column->null[row];
        if (column->null[row])
            continue;
        core->ids[row] = tl_id_of(column->sv[row], p->intake->time.i64[row]);
        core->asked[asked] = core->ids[row];
        core->asked_time_ms[asked] = p->intake->time.i64[row];
        core->asked_log_ms[asked++] = p->batch->log_ms[row];
    }
    if (core->config.dedup == NULL)
        return TL_OK;
    TL_TRY(core->config.dedup(core->config.dedup_ctx, p->input->source, p->input->partition, core->asked, core->asked_time_ms,
                              core->asked_log_ms, asked, core->seen, p->err));
    asked = 0;
    for (uint32_t i = 0; i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];
        uint8_t seen = core->has_id[row] ? core->seen[asked++] : TL_SEEN_NEW;

        if (seen == TL_SEEN_DUPLICATE) {
            p->source->outcomes[core->config.bounds != NULL ? core->range[row] : 0][TL_OUT_DUPLICATE]++;
            if (!ledger_line(p, &p->source->ledger, row, TL_CAUSE_DUPLICATE, 0))
                TL_TRY(tl_fail_memory(p->err, sizeof(struct tl_ledger_line)));
            continue;
        }
        if (seen == TL_SEEN_CONFLICT)
            p->batch->flags[row] |= TL_FLAG_ID_CONFLICT;
        core->candidates[kept++] = row;
    }
    p->candidates_count = kept;
out:
    return rc;
}

/* Dead letters go with the partition of their message. Those of the parser come in the order of the messages, then those for
 * their event time do, so the search goes on from the last place and begins anew once. */
static enum tl_code keep_dead(struct push *p)
{
    const struct tl_core_input *input = p->input;
    size_t m = 0;

    if (input->partitions == NULL) {
        if (!tl_partial_add_dead(p->partial, p->partition, p->batch->dead, p->batch->dead_count))
            return tl_fail_memory(p->err, TL_DEAD_BYTES_MAX);
        return TL_OK;
    }
    for (uint32_t i = 0; i < p->batch->dead_count; i++) {
        const struct tl_dead *dead = &p->batch->dead[i];
        struct tl_partial_partition *partition;

        while (input->messages[m].value.data != dead->raw.data || input->messages[m].offset != dead->offset)
            m = m + 1 == input->count ? 0 : m + 1;
        partition = tl_partial_partition(p->partial, input->source, input->partitions[m]);
        if (partition == NULL || !tl_partial_add_dead(p->partial, partition, dead, 1))
            return tl_fail_memory(p->err, TL_DEAD_BYTES_MAX);
    }
    p->partition = tl_partial_partition(p->partial, input->source, input->partition); /* the entries may have moved */
    return TL_OK;
}

/* ---- row checks ---- */

static struct tl_eval eval_of(struct push *p)
{
    struct tl_core *core = p->core;

    return (struct tl_eval){.slots = p->batch->column,
                            .slots_count = p->batch->schema->fields_count,
                            .event_time = &p->intake->time,
                            .rows_count = p->batch->rows,
                            .arena = &core->scratch,
                            .failed = core->failed,
                            .memories = &core->memories};
}

/* One check over the rows in core->selected. Those that it drops leave the selection. */
static enum tl_code make_check(struct push *p, uint32_t c, uint32_t *selected_count)
{
    struct tl_core *core = p->core;
    const struct tl_row_check *check = &core->config.checks->rows[c];
    uint32_t checks_count = p->partial->checks_count, kept = 0;
    struct tl_eval eval = eval_of(p);
    struct tl_vec met;

    tl_arena_reset(&core->scratch);
    if (core->check_can_fail[c])
        memset(core->failed, 0, p->batch->rows * sizeof *core->failed);
    if (!tl_expr_eval(&eval, check->expected, core->selected, *selected_count, &met))
        return tl_fail_memory(p->err, 0);
    for (uint32_t i = 0; i < *selected_count; i++) {
        uint32_t row = core->selected[i];
        bool failed = core->check_can_fail[c] && core->failed[row] != NULL;
        size_t range = core->config.bounds != NULL ? core->range[row] : 0;

        if (!failed && (met.null[row] || met.i64[row] != 0)) {
            core->selected[kept++] = row;
            continue;
        }
        tl_check_count_violation(&p->partial->checks[range * checks_count + c],
                                 &(struct tl_check_sample){partition_of(p, row), p->batch->row[row], p->batch->offset[row]},
                                 failed);
        if (check->violation != TL_VIOLATION_DROP_ROW) {
            core->selected[kept++] = row;
            continue;
        }
        core->dropped[row] = check->name.data;
        p->any_dropped = true;
    }
    *selected_count = kept;
    return TL_OK;
}

/* What is dropped stays among the candidates: each view says for itself whether it would have counted. */
static enum tl_code make_checks(struct push *p)
{
    struct tl_core *core = p->core;
    const struct tl_checks *checks = core->config.checks;
    uint32_t selected = p->candidates_count;
    enum tl_code rc = TL_OK;

    if (checks == NULL || checks->rows_count == 0)
        return TL_OK;
    memcpy(core->selected, core->candidates, selected * sizeof *core->selected);
    if (core->checks_drop)
        memset(core->dropped, 0, p->batch->rows * sizeof *core->dropped);
    for (uint32_t c = 0; c < checks->rows_count && selected > 0; c++)
        if (checks->rows[c].source == p->input->source)
            TL_TRY(make_check(p, c, &selected));
    for (uint32_t i = 0; p->any_dropped && i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];
        struct tl_dropped dropped = {.partition = partition_of(p, row),
                                     .row = p->batch->row[row],
                                     .offset = p->batch->offset[row],
                                     .check = core->dropped[row],
                                     .raw = p->batch->raw[row]};

        if (dropped.check != NULL && !tl_partial_add_dropped(p->partial, &dropped))
            TL_TRY(tl_fail_memory(p->err, TL_DEAD_BYTES_MAX));
    }
out:
    return rc;
}

static enum tl_code push_source(struct push *p)
{
    struct tl_core *core = p->core;
    const struct tl_core_input *input = p->input;
    struct tl_batch *batch = p->batch;
    enum tl_code rc = TL_OK;

    TL_TRY(follow_capacity(core, batch->rows, p->err));
    if (input->partitions != NULL)
        spread_partitions(p);
    if (input->watermark != NULL) {
        tl_watermark_pass(input->watermark, input->watermark_index, p->intake->watermark_ms, batch->rows, core->judged_ms);
        p->source->judged_ms = input->watermark->judge_ms;
        p->partition->watermark_ms = input->watermark->partitions[input->watermark_index].watermark_ms;
        if (batch->rows > 0)
            p->partition->judged_ms = core->judged_ms[batch->rows - 1];
    }
    for (size_t i = 0; i < input->count; i++)
        p->partition->log_ms = tl_max_i64(p->partition->log_ms, input->messages[i].log_ms);
    p->partition->touched = true;
    p->partition->next_offset = input->next_offset;
    p->partition->messages_count += input->count;
    if (core->config.wanted == NULL)
        TL_TRY(keep_dead(p));
    choose_candidates(p);
    if (core->config.bounds != NULL && p->candidates_count > 0)
        tl_partial_touch_ranges(p->partial, p->range_first, p->range_last);
    p->partition->events_count += batch->dead_count + p->candidates_count + p->intake->future_count;
    TL_TRY(drop_duplicates(p));
    TL_TRY(make_checks(p));
    if (core->config.bounds == NULL) {
        p->source->outcomes[0][TL_OUT_DEAD_LETTER] += batch->dead_count;
        p->source->outcomes[0][TL_OUT_FUTURE] += p->intake->future_count;
        for (uint32_t i = 0; i < p->intake->future_count; i++)
            if (!ledger_line(p, &p->source->ledger, p->intake->future[i], TL_CAUSE_FUTURE_EVENT, 0))
                TL_TRY(tl_fail_memory(p->err, sizeof(struct tl_ledger_line)));
    }
    /* Flags of rows that are counted or filtered all the same. Where a view has a line of its own for the row, that one stands and carries
     * the flags too: the store keeps the first, and views' lines are written first. */
    for (uint32_t i = 0; i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];

        if (batch->flags[row] != 0 && !ledger_line(p, &p->source->ledger, row, TL_CAUSE_NONE, 0))
            TL_TRY(tl_fail_memory(p->err, sizeof(struct tl_ledger_line)));
    }
out:
    return rc;
}

/* ---- a view ---- */

static bool eval_columns(struct tl_eval *eval, struct tl_expr *const *exprs, uint32_t count, const uint32_t *rows,
                         uint32_t rows_count, struct tl_vec *out)
{
    for (uint32_t i = 0; i < count; i++)
        if (!tl_expr_eval(eval, exprs[i], rows, rows_count, &out[i]))
            return false;
    return true;
}

/* Takes the rows that a check drops out of the selection, marked as rejected by it. A row that the filter has failed for is not among them. */
static void drop_rows(struct tl_core *core, uint32_t *selected_count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *selected_count; i++) {
        uint32_t row = core->selected[i];

        if (core->dropped[row] != NULL)
            core->failed[row] = core->dropped[row];
        else
            core->selected[kept++] = row;
    }
    *selected_count = kept;
}

/* Takes the rows whose evaluation failed out of the selection, with a line for each among the candidates, and for each that a check drops. */
static enum tl_code reject_rows(struct push *p, struct tl_partial_view *view, uint32_t *selected_count)
{
    struct tl_core *core = p->core;
    enum tl_code rc = TL_OK;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];

        if (!core->failed[row])
            continue;
        view->outcomes[core->config.bounds != NULL ? core->range[row] : 0][TL_OUT_REJECTED]++;
        if (!ledger_line(p, &view->ledger, row,
                         p->any_dropped && core->failed[row] == core->dropped[row] ? TL_CAUSE_DQ_REJECT : TL_CAUSE_EVAL_ERROR, 0))
            TL_TRY(tl_fail_memory(p->err, sizeof(struct tl_ledger_line)));
    }
    for (uint32_t i = 0; i < *selected_count; i++)
        if (!core->failed[core->selected[i]])
            core->selected[kept++] = core->selected[i];
    *selected_count = kept;
out:
    return rc;
}

struct wanted_ctx {
    const struct push *push;
    uint32_t view;
};

static bool is_wanted(void *ctx, uint32_t row, int64_t start_ms, int64_t end_ms, struct tl_sv key, int64_t *watermark_ms)
{
    const struct wanted_ctx *w = ctx;
    const struct push *p = w->push;
    const struct tl_core *core = p->core;
    struct tl_core_event event = {.source = p->input->source,
                                  .partition = partition_of(p, row),
                                  .row = p->batch->row[row],
                                  .offset = p->batch->offset[row],
                                  .time_ms = p->intake->time.i64[row],
                                  .log_ms = p->batch->log_ms[row]};

    if (p->intake->source->dedup_slot >= 0 && core->has_id[row]) {
        event.id = core->ids[row];
        event.has_id = true;
    }
    return core->config.wanted(core->config.wanted_ctx, w->view, &event, start_ms, end_ms, key, watermark_ms);
}

/* Where windows are shared, in which slice each candidate lies; the views look up the rows that their filters let pass. */
static enum tl_code assign_windows(struct push *p, const struct view_scratch *scratch, const struct tl_slice_run **runs)
{
    struct view_scratch *first = &p->core->views[scratch->windows_of];

    *runs = NULL;
    if (!first->windows_are_shared)
        return TL_OK;
    if (!first->assigned && !tl_assign_rows(&first->assign, p->core->candidates, p->candidates_count, p->intake->time.i64))
        return tl_fail_memory(p->err, p->candidates_count * sizeof *first->assign.runs);
    first->assigned = true;
    *runs = first->assign.runs;
    return TL_OK;
}

/* What each row would have been judged by had no partition ever been left out; NULL: just that. Nothing is found out before somebody asks. */
static const int64_t *patient_of(struct push *p)
{
    if (p->input->watermark == NULL || !p->input->watermark->left_out)
        return NULL;
    if (!p->patient_known)
        tl_watermark_patient(p->input->watermark, p->intake->watermark_ms, p->batch->rows, p->core->patient_ms);
    p->patient_known = true;
    return p->core->patient_ms;
}

/* A row that some of its windows have is partly late, whoever was idle: its line tells by its watermark which windows lack it. */
static enum tl_cause cause_of_late(struct push *p, const struct tl_window_late *late)
{
    const int64_t *patient_ms;

    if (late->partly)
        return TL_CAUSE_LATE_PARTIAL;
    patient_ms = patient_of(p);
    return patient_ms != NULL && patient_ms[late->row] < late->upto_ms ? TL_CAUSE_FIRED_BY_IDLE : TL_CAUSE_LATE_DROP;
}

static enum tl_code push_windowed(struct push *p, const struct tl_view *view, struct view_scratch *scratch,
                                  struct tl_partial_view *mine, struct tl_eval *eval, struct wanted_ctx *wanted,
                                  uint32_t *selected_count, struct tl_window_verdict *verdict)
{
    struct tl_core *core = p->core;
    struct tl_window_rows in = {
        .time_ms = p->intake->time.i64,
        .judged_ms = p->input->watermark != NULL ? core->judged_ms : NULL,
        .patient_ms = view->window.window == TL_WINDOW_SESSION ? patient_of(p) : NULL,
        .range = core->config.bounds != NULL ? core->range : NULL,
        .flags = p->batch->flags,
        .keys = scratch->keys,
        .agg = {.inputs = scratch->inputs,
                .time_ms = p->intake->time.i64,
                .offset = p->batch->offset,
                .partition = p->input->partitions != NULL ? core->partition : NULL,
                .number = p->batch->row,
                .partition_all = p->input->partition},
        .wanted = core->config.wanted != NULL ? is_wanted : NULL,
        .wanted_ctx = wanted
    };
    enum tl_code rc = TL_OK;

    if (!eval_columns(eval, view->keys, view->keys_count, core->selected, *selected_count, scratch->keys))
        return tl_fail_memory(p->err, 0);
    for (uint32_t i = 0; i < scratch->layout.inputs_count; i++)
        if (!tl_expr_eval(eval, scratch->layout.inputs[i], core->selected, *selected_count, &scratch->inputs[i]))
            return tl_fail_memory(p->err, 0);
    if (scratch->can_fail || p->any_dropped)
        TL_TRY(reject_rows(p, mine, selected_count));
    TL_TRY(assign_windows(p, scratch, &in.runs));
    in.rows = core->selected;
    in.rows_count = *selected_count;
    TL_TRY(tl_window_push(mine->window, &in, verdict, p->err));
    for (uint32_t i = 0; i < verdict->late_count; i++)
        if (!ledger_line(p, &mine->ledger, core->late[i].row, cause_of_late(p, &core->late[i]), 0))
            TL_TRY(tl_fail_memory(p->err, sizeof(struct tl_ledger_line)));
out:
    return rc;
}

static enum tl_code push_events(struct push *p, const struct tl_view *view, struct view_scratch *scratch,
                                struct tl_partial_view *mine, struct tl_eval *eval, struct wanted_ctx *wanted,
                                uint32_t *selected_count)
{
    struct tl_core *core = p->core;
    enum tl_code rc = TL_OK;

    for (uint32_t o = 0; o < view->outputs_count; o++)
        if (!tl_expr_eval(eval, view->outputs[o].expr, core->selected, *selected_count, &scratch->outputs[o]))
            return tl_fail_memory(p->err, 0);
    if (scratch->can_fail || p->any_dropped)
        TL_TRY(reject_rows(p, mine, selected_count));
    if (core->config.wanted != NULL) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < *selected_count; i++) {
            uint32_t row = core->selected[i];
            int64_t time_ms = p->intake->time.i64[row], watermark_ms = INT64_MIN;

            if (is_wanted(wanted, row, time_ms, time_ms, (struct tl_sv){NULL, 0}, &watermark_ms))
                core->selected[kept++] = row;
        }
        *selected_count = kept;
    }
    if (!tl_event_rows_add(mine->events, view, scratch->outputs, p->batch, &p->intake->time, p->input->partition,
                           p->input->partitions != NULL ? core->partition : NULL, core->selected, *selected_count))
        return tl_fail_memory(p->err, *selected_count);
out:
    return rc;
}

/* FILTERED is what is left of the candidates; the other outcomes were counted where they came about. */
static void count_outcomes(struct push *p, struct tl_partial_view *mine, bool may_reject, uint32_t selected_count,
                           const struct tl_window_verdict *verdict, uint64_t rejected_before)
{
    struct tl_core *core = p->core;
    uint32_t partly = 0;

    if (core->config.bounds == NULL) {
        uint64_t rejected = mine->outcomes[0][TL_OUT_REJECTED] - rejected_before;

        mine->outcomes[0][TL_OUT_FILTERED] += p->candidates_count - rejected - selected_count;
        for (uint32_t i = 0; i < verdict->late_count; i++)
            partly += verdict->late[i].partly;
        mine->outcomes[0][TL_OUT_LATE] += verdict->late_count - partly;
        mine->outcomes[0][TL_OUT_PARTLY_COUNTED] += partly;
        mine->outcomes[0][TL_OUT_COUNTED] += selected_count - verdict->late_count - verdict->held_count;
        return;
    }
    /* With ranges nothing is late. `failed` still says who was rejected, when anybody can be. */
    for (uint32_t i = 0; i < p->candidates_count; i++) {
        uint32_t row = core->candidates[i];

        core->candidates_in[core->range[row]] += !may_reject || core->failed[row] == NULL;
    }
    for (uint32_t i = 0; i < selected_count; i++)
        core->selected_in[core->range[core->selected[i]]] += 1;
    for (uint32_t range = p->range_first; range <= p->range_last; range++) {
        mine->outcomes[range][TL_OUT_FILTERED] += core->candidates_in[range] - core->selected_in[range];
        mine->outcomes[range][TL_OUT_COUNTED] += core->selected_in[range];
        core->candidates_in[range] = core->selected_in[range] = 0;
    }
}

/* False: out of memory. */
static bool apply_filter(struct tl_core *core, uint32_t v, struct tl_eval *eval, uint32_t *selected_count)
{
    const struct tl_view *view = &core->config.plan->views[v];
    struct view_scratch *mine = &core->views[v];
    const struct view_scratch *first = &core->views[mine->filter_of];

    if (view->filter == NULL)
        return true;
    if (mine != first) {
        memcpy(core->selected, first->passed, first->passed_count * sizeof *core->selected);
        *selected_count = first->passed_count;
        return true;
    }
    *selected_count = tl_expr_filter(eval, view->filter, core->selected, *selected_count);
    if (*selected_count == UINT32_MAX)
        return false;
    if (mine->filter_is_shared) {
        memcpy(mine->passed, core->selected, *selected_count * sizeof *mine->passed);
        mine->passed_count = *selected_count;
    }
    return true;
}

static enum tl_code push_view(struct push *p, uint32_t v)
{
    struct tl_core *core = p->core;
    const struct tl_view *view = &core->config.plan->views[v];
    struct view_scratch *scratch = &core->views[v];
    struct tl_partial_view *mine = &p->partial->views[v];
    struct wanted_ctx wanted = {p, v};
    struct tl_eval eval = eval_of(p);
    uint64_t rejected_before = mine->outcomes[0][TL_OUT_REJECTED];
    struct tl_window_verdict verdict = {.late = core->late};
    uint32_t selected = p->candidates_count;
    bool may_reject = scratch->can_fail || p->any_dropped;
    enum tl_code rc = TL_OK;

    tl_arena_reset(&core->scratch);
    memcpy(core->selected, core->candidates, selected * sizeof *core->selected);
    if (may_reject)
        memset(core->failed, 0, p->batch->rows * sizeof *core->failed);
    if (!apply_filter(core, v, &eval, &selected))
        return tl_fail_memory(p->err, 0);
    if (p->any_dropped)
        drop_rows(core, &selected);
    if (mine->window != NULL)
        TL_TRY(push_windowed(p, view, scratch, mine, &eval, &wanted, &selected, &verdict));
    else
        TL_TRY(push_events(p, view, scratch, mine, &eval, &wanted, &selected));
    count_outcomes(p, mine, may_reject, selected, &verdict, rejected_before);
out:
    return rc;
}

enum tl_code tl_core_push(struct tl_core *core, const struct tl_core_input *input, struct tl_partial *partial, struct tl_err *err)
{
    struct push p = {.core = core,
                     .input = input,
                     .intake = core->intakes[input->source],
                     .partial = partial,
                     .source = &partial->sources[input->source],
                     .partition = tl_partial_partition(partial, input->source, input->partition),
                     .err = err};
    enum tl_code rc = TL_OK;

    if (p.partition == NULL)
        return tl_fail_memory(err, sizeof *p.partition);
    p.batch = p.intake->batch;
    if (!input->again)
        TL_TRY(tl_intake_run(p.intake, input->messages, input->count, err));
    TL_TRY(push_source(&p));
    for (uint32_t v = 0; v < core->config.plan->views_count; v++)
        core->views[v].assigned = false;
    for (uint32_t v = 0; v < core->config.plan->views_count; v++)
        if (core->views[v].wanted && core->config.plan->views[v].source == input->source && core->config.plan->views[v].inner < 0)
            TL_TRY(push_view(&p, v));
out:
    return rc;
}
