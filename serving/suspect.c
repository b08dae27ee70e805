/* suspect.c: what is likely behind a unit that is unexplained. See suspect.h. */
#include "suspect.h"

#include <stdlib.h>
#include <string.h>

#include "sql/shape.h"

/* ---- what a view calls ---- */

typedef bool (*calls_fn)(const struct tl_function *function, struct tl_sv name);

static bool expr_calls(const struct tl_expr *expr, calls_fn is, struct tl_sv name)
{
    if (expr == NULL)
        return false;
    if (expr->op == TL_EXPR_CALL && is(expr->function, name))
        return true;
    for (uint32_t i = 0; i < expr->args_count; i++)
        if (expr_calls(expr->args[i], is, name))
            return true;
    return false;
}

static bool agg_calls(const struct tl_agg_call *agg, calls_fn is, struct tl_sv name)
{
    bool calls = (agg->user != NULL && is(agg->user, name)) || expr_calls(agg->where, is, name);

    for (uint32_t i = 0; i < agg->args_count; i++)
        calls = calls || expr_calls(agg->args[i], is, name);
    return calls;
}

/* The view itself, and its source's time. */
static bool view_calls(const struct tl_plan *plan, uint32_t v, calls_fn is, struct tl_sv name)
{
    const struct tl_view *view = &plan->views[v];
    const struct tl_source *source = &plan->sources[view->source];
    bool calls = expr_calls(view->filter, is, name) || expr_calls(view->having, is, name) || expr_calls(source->time, is, name) ||
                 expr_calls(source->watermark, is, name);

    for (uint32_t k = 0; k < view->keys_count; k++)
        calls = calls || expr_calls(view->keys[k], is, name);
    for (uint32_t a = 0; a < view->aggs_count; a++)
        calls = calls || agg_calls(&view->aggs[a], is, name);
    for (uint32_t o = 0; o < view->outputs_count; o++)
        calls = calls || expr_calls(view->outputs[o].expr, is, name);
    return calls;
}

static bool is_own(const struct tl_function *function, struct tl_sv name)
{
    (void)name;
    return function->own != NULL;
}

static bool works_with(const struct tl_function *function, struct tl_sv name)
{
    return function->works_with != NULL && tl_sv_eq(tl_sv_from(function->works_with), name);
}

static bool is_data(struct tl_sv name)
{
    static const char *const names[] = {"uap-core", "places", "publicsuffix"};

    for (size_t n = 0; n < TL_COUNT(names); n++)
        if (tl_sv_eq(tl_sv_from(names[n]), name))
            return true;
    return false;
}

struct called {
    const struct tl_plan *plan;
    uint32_t view;
};

/* From tl_versions_differ: does the view depend on what has this name? A library has that of its file. */
static bool depends_on(const void *ctx, struct tl_sv name)
{
    const struct called *called = ctx;

    if (tl_sv_eq(name, TL_SV("tzdata")))
        return called->plan->settings.zone != NULL;
    return view_calls(called->plan, called->view, is_data(name) ? works_with : is_own, name);
}

/* ---- naming ---- */

static enum tl_code add_cause(struct tl_suspect *suspect, struct tl_unit *unit, enum tl_cause cause, struct tl_err *err)
{
    struct tl_cause_finder *finder = suspect->finder;
    struct tl_unit_cause **at = &unit->causes;
    struct tl_unit_cause *mine = tl_arena_zalloc(&finder->memory, sizeof *mine);

    if (mine == NULL)
        return tl_fail_memory(err, sizeof *mine);
    while (*at != NULL && (*at)->cause < cause)
        at = &(*at)->next;
    *mine = (struct tl_unit_cause){.cause = cause, .missing = TL_SIDES, .next = *at};
    *at = mine;
    finder->events_count[cause] += !unit->beside;
    finder->views[unit->view].events_count[cause] += !unit->beside;
    return TL_OK;
}

static enum tl_code name_unit(struct tl_suspect *suspect, struct tl_unit *unit, enum tl_cause cause, struct tl_err *err)
{
    unit->named = cause;
    suspect->named_count += !unit->beside;
    return add_cause(suspect, unit, cause, err);
}

static bool is_open(const struct tl_unit *unit)
{
    return !unit->explained && !unit->left_out && unit->named == TL_CAUSE_NONE;
}

/* ---- functions that are not deterministic ---- */

/* What came out of a recomputation on one side. */
static const struct tl_unit_row *find_row(const struct tl_unit *unit, enum tl_side side, const struct tl_unit_row *of)
{
    const struct tl_unit_row *const lists[] = {unit->stored[side], unit->others[side]};

    for (size_t l = 0; l < TL_COUNT(lists); l++)
        for (const struct tl_unit_row *row = lists[l]; row != NULL; row = row->next)
            if (row->came_out && row->start_ms == of->start_ms && row->end_ms == of->end_ms && tl_sv_eq(row->key, of->key))
                return row;
    return NULL;
}

static bool has_all(const struct tl_unit *unit, const struct tl_unit *of, enum tl_side side, uint32_t columns_count)
{
    const struct tl_unit_row *const lists[] = {of->stored[side], of->others[side]};

    for (size_t l = 0; l < TL_COUNT(lists); l++) {
        for (const struct tl_unit_row *row = lists[l]; row != NULL; row = row->next) {
            const struct tl_unit_row *mine = row->came_out ? find_row(unit, side, row) : row;

            if (mine == NULL || !tl_unit_values_eq(mine->columns, row->columns, columns_count))
                return false;
        }
    }
    return true;
}

/* A unit, or of what is left of a key a session that came out. */
struct once_more {
    struct tl_unit *unit;
    int64_t start_ms, end_ms;
    const struct tl_unit *second; /* NULL: it overlaps another one */
};

/* The same units once more, in order of time. */
struct again {
    struct tl_compare compare;
    struct tl_cause_finder finder;
    struct tl_cause_view *views;
    struct once_more *units;
    size_t count, capacity;
    struct tl_table waiting; /* of a finder that notes no causes */
};

static int by_time(const void *a, const void *b)
{
    const struct once_more *x = a, *y = b;

    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    return (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
}

static enum tl_code add_once_more(struct again *again, struct tl_unit *unit, int64_t start_ms, int64_t end_ms, struct tl_err *err)
{
    if (again->count == again->capacity) {
        size_t capacity = again->capacity * 2 + 64;

        if (!TL_RESIZE(again->units, capacity))
            return tl_fail_memory(err, capacity * sizeof *again->units);
        again->capacity = capacity;
    }
    again->units[again->count++] = (struct once_more){unit, start_ms, end_ms, NULL};
    return TL_OK;
}

/* What is left of a key has no bounds: what came out of it has. */
static enum tl_code add_rest(struct again *again, struct tl_unit *unit, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int side = 0; side < TL_SIDES; side++)
        for (const struct tl_unit_row *row = unit->others[side]; row != NULL; row = row->next)
            TL_TRY(add_once_more(again, unit, row->start_ms, row->end_ms, err));
out:
    return rc;
}

static enum tl_code choose_units(struct again *again, const struct tl_cause_finder *finder, struct tl_plan *plan, calls_fn is,
                                 struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    again->views = calloc(finder->plan->views_count + 1, sizeof *again->views);
    if (again->views == NULL)
        return tl_fail_memory(err, finder->plan->views_count * sizeof *again->views);
    for (uint32_t v = 0; v < finder->plan->views_count; v++) {
        again->views[v] = finder->views[v];
        again->views[v].plan_view = &plan->views[v];
        if (is != NULL && !view_calls(plan, v, is, TL_SV("")))
            again->views[v].evidence = NULL;
    }
    for (uint32_t u = 0; u < tl_compare_units(finder->compare); u++) {
        struct tl_unit *unit = tl_compare_unit(finder->compare, u);

        if (!is_open(unit) || again->views[unit->view].evidence == NULL)
            continue;
        if (!unit->rest)
            TL_TRY(add_once_more(again, unit, unit->start_ms, unit->end_ms, err));
        else if (is == NULL)
            TL_TRY(add_rest(again, unit, err));
    }
    if (again->count > 0)
        qsort(again->units, again->count, sizeof *again->units, by_time);
out:
    return rc;
}

static void forget_outcome(struct tl_unit *unit)
{
    for (int side = 0; unit != NULL && side < TL_SIDES; side++) {
        unit->others[side] = NULL;
        for (struct tl_unit_row *row = unit->stored[side]; row != NULL; row = row->next)
            row->came_out = false;
    }
}

static void again_init(struct again *again)
{
    tl_compare_init(&again->compare, 0);
    tl_cause_init(&again->finder);
    tl_table_init(&again->waiting, sizeof(struct tl_compare_waiting), 0);
}

static void again_done(struct again *again)
{
    free(again->units);
    free(again->views);
    tl_table_done(&again->waiting);
    tl_cause_done(&again->finder);
    tl_compare_done(&again->compare);
}

static enum tl_code prove_again(struct again *again, const struct tl_cause_finder *finder, struct tl_plan *plan,
                                struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    again->finder.plan = plan;
    again->finder.recorded = finder->recorded;
    again->finder.compare = &again->compare;
    again->finder.views = again->views;
    again->finder.waiting = &again->waiting;
    again->finder.threads = 1;
    for (size_t u = 0; u < again->count; u++) {
        struct tl_unit copy = *again->units[u].unit, *mine;
        const struct tl_cause_view *view = &again->views[copy.view];

        assert(view->shape != NULL);
        copy.start_ms = again->units[u].start_ms;
        copy.end_ms = again->units[u].end_ms;
        copy.rest = false;
        mine = tl_compare_find(&again->compare, view->plan_view, copy.view, copy.start_ms, copy.end_ms, copy.key);
        if (mine == NULL) {
            TL_TRY(tl_compare_adopt(&again->compare, view->plan_view, &copy, view->shape->columns_count, &mine, err));
            forget_outcome(mine);
        }
        if (mine != NULL && mine->start_ms == copy.start_ms && mine->end_ms == copy.end_ms)
            again->units[u].second = mine;
    }
    TL_TRY(tl_cause_prove(&again->finder, err));
out:
    return rc;
}

static enum tl_code name_functions(struct tl_suspect *suspect, struct tl_err *err)
{
    struct again again = {0};
    enum tl_code rc = TL_OK;

    again_init(&again);
    TL_TRY(choose_units(&again, suspect->finder, suspect->finder->plan, is_own, err));
    if (again.count > 0)
        TL_TRY(prove_again(&again, suspect->finder, suspect->finder->plan, err));
    for (size_t u = 0; u < again.count; u++) {
        struct tl_unit *unit = again.units[u].unit;
        uint32_t columns_count = again.views[unit->view].shape->columns_count;
        const struct tl_unit *second = again.units[u].second;

        for (int side = 0; second != NULL && side < TL_SIDES && is_open(unit); side++)
            if (!has_all(unit, second, (enum tl_side)side, columns_count) ||
                !has_all(second, unit, (enum tl_side)side, columns_count))
                TL_TRY(name_unit(suspect, unit, TL_CAUSE_NONDETERMINISTIC_UDF, err));
    }
out:
    again_done(&again);
    return rc;
}

/* ---- other rules ---- */

static const struct tl_evidence *evidence_of(const struct tl_suspect *suspect, uint32_t view)
{
    return suspect->finder->views[tl_view_root(suspect->finder->plan, view)].evidence;
}

static enum tl_code add_run(const struct tl_suspect *suspect, int64_t run, struct tl_versions *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t r = 0; r < suspect->runs_count; r++)
        if (suspect->runs[r].run == run)
            TL_TRY(tl_versions_add(out, TL_VERSIONS_BATCH, suspect->runs[r].versions, err));
out:
    return rc;
}

/* Of the runs that made the view's rows of these times: what one has carried another may have published. */
static enum tl_code batch_versions(const struct tl_suspect *suspect, uint32_t view, int64_t start_ms, int64_t end_ms,
                                   struct tl_versions *out, struct tl_err *err)
{
    const struct tl_shape *shape = suspect->finder->views[view].shape;
    const struct tl_evidence *evidence = evidence_of(suspect, view);
    int64_t last_ms = shape->ends_open || !shape->windowed ? end_ms : end_ms - 1; /* a range holds what ends where it begins */
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < evidence->ranges_count; r++)
        if (evidence->ranges[r].to_ms > start_ms && evidence->ranges[r].from_ms <= last_ms)
            TL_TRY(add_run(suspect, evidence->ranges[r].run, out, err));
    TL_TRY(tl_versions_add(out, TL_VERSIONS_RECONCILE, suspect->here, err));
out:
    return rc;
}

static enum tl_code name_rules(struct tl_suspect *suspect, struct tl_unit *unit, struct tl_err *err)
{
    const struct called called = {suspect->finder->plan, unit->view};
    struct tl_versions batch = {0};
    bool differs[TL_SIDES];
    enum tl_code rc = TL_OK;

    if (evidence_of(suspect, unit->view) == NULL)
        return TL_OK;
    TL_TRY(batch_versions(suspect, unit->view, unit->start_ms, unit->end_ms, &batch, err));
    differs[TL_SIDE_SPEED] = tl_versions_differ(suspect->versions, TL_VERSIONS_SPEED, depends_on, &called);
    differs[TL_SIDE_BATCH] = tl_versions_differ(&batch, TL_VERSIONS_BATCH, depends_on, &called);
    for (int side = 0; side < TL_SIDES; side++)
        if (!unit->agrees[side] && !differs[side])
            goto out;
    if (!unit->agrees[TL_SIDE_SPEED] || !unit->agrees[TL_SIDE_BATCH])
        TL_TRY(name_unit(suspect, unit, TL_CAUSE_RULES_CHANGED, err));
out:
    tl_versions_done(&batch);
    return rc;
}

/* ---- the rules of before, where they are here ---- */

static void note_turn(const struct tl_suspect *suspect, const struct tl_unit *unit, const struct tl_unit *second,
                      enum tl_side side)
{
    struct tl_suspect_turn *turn = &suspect->turns[unit->view][side];

    if (!second->agrees[side])
        turn->first_other_ms = tl_min_i64(turn->first_other_ms, second->start_ms);
    else if (!unit->agrees[side])
        turn->last_before_ms = tl_max_i64(turn->last_before_ms, second->start_ms);
}

/* Does either layer's row come out by what is here, or by what it is known to have worked with? */
static enum tl_code comes_out(const struct tl_suspect *suspect, const struct once_more *once, bool *out, struct tl_err *err)
{
    const struct tl_unit *unit = once->unit, *second = once->second;
    const struct called called = {suspect->finder->plan, unit->view};
    struct tl_versions batch = {0};
    bool had[TL_SIDES];
    enum tl_code rc;

    *out = false;
    if (second == NULL || (unit->agrees[TL_SIDE_SPEED] && unit->agrees[TL_SIDE_BATCH]))
        return TL_OK;
    TL_TRY(batch_versions(suspect, unit->view, once->start_ms, once->end_ms, &batch, err));
    had[TL_SIDE_SPEED] = tl_versions_has(suspect->versions, TL_VERSIONS_SPEED, suspect->versions_before, depends_on, &called);
    had[TL_SIDE_BATCH] = tl_versions_has(&batch, TL_VERSIONS_BATCH, suspect->versions_before, depends_on, &called);
    for (int side = 0; side < TL_SIDES; side++)
        note_turn(suspect, unit, second, (enum tl_side)side);
    for (int side = 0; side < TL_SIDES; side++)
        if (!unit->agrees[side] && !(second->agrees[side] && had[side]))
            goto out;
    *out = true;
out:
    tl_versions_done(&batch);
    return rc;
}

static enum tl_code explain_unit(struct tl_suspect *suspect, struct tl_unit *unit, struct tl_err *err)
{
    enum tl_code rc;

    unit->explained = true;
    TL_TRY(add_cause(suspect, unit, TL_CAUSE_RULES_CHANGED, err));
    suspect->finder->explained_events[TL_CAUSE_RULES_CHANGED] += !unit->beside;
out:
    return rc;
}

/* A unit is explained where all that there is of it comes out. */
static enum tl_code explain_units(struct tl_suspect *suspect, const struct again *again, struct tl_err *err)
{
    const struct tl_table *units = &suspect->finder->compare->units;
    bool *fails = calloc(units->count + 1u, sizeof *fails), out;
    enum tl_code rc = TL_OK;

    if (fails == NULL)
        return tl_fail_memory(err, units->count);
    for (size_t u = 0; u < again->count; u++) {
        TL_TRY(comes_out(suspect, &again->units[u], &out, err));
        fails[tl_table_number(units, again->units[u].unit)] |= !out;
    }
    for (size_t u = 0; u < again->count; u++)
        if (!fails[tl_table_number(units, again->units[u].unit)] && is_open(again->units[u].unit))
            TL_TRY(explain_unit(suspect, again->units[u].unit, err));
out:
    free(fails);
    return rc;
}

/* A unit of a view on a view whose inner ones are explained now. */
static enum tl_code explain_outer(struct tl_suspect *suspect, struct tl_unit *unit, struct tl_err *err)
{
    bool explained = unit->inners != NULL && unit->agrees[TL_SIDE_SPEED] && unit->agrees[TL_SIDE_BATCH];

    for (const struct tl_unit_link *link = unit->inners; link != NULL; link = link->next_inner)
        explained = explained && link->inner->explained;
    return explained ? explain_unit(suspect, unit, err) : TL_OK;
}

static enum tl_code explain_rules(struct tl_suspect *suspect, struct tl_err *err)
{
    struct tl_cause_finder *finder = suspect->finder;
    uint32_t views_count = finder->plan->views_count;
    struct again again = {0};
    enum tl_code rc = TL_OK;

    again_init(&again);
    suspect->turns = tl_arena_alloc(&finder->memory, (views_count + 1) * sizeof *suspect->turns);
    if (suspect->turns == NULL)
        TL_TRY(tl_fail_memory(err, views_count * sizeof *suspect->turns));
    for (uint32_t v = 0; v < views_count; v++)
        for (int side = 0; side < TL_SIDES; side++)
            suspect->turns[v][side] = (struct tl_suspect_turn){INT64_MIN, INT64_MAX};
    TL_TRY(choose_units(&again, finder, suspect->before, NULL, err));
    if (again.count > 0)
        TL_TRY(prove_again(&again, finder, suspect->before, err));
    TL_TRY(explain_units(suspect, &again, err));
    for (uint32_t u = 0; u < tl_compare_units(finder->compare); u++) /* inner ones stand before those that are made of them */
        if (is_open(tl_compare_unit(finder->compare, u)))
            TL_TRY(explain_outer(suspect, tl_compare_unit(finder->compare, u), err));
    tl_cause_explain_events(finder);
out:
    again_done(&again);
    return rc;
}

/* Its own rows have come out of those that it is made of. */
static enum tl_code name_by_inner(struct tl_suspect *suspect, struct tl_unit *unit, struct tl_err *err)
{
    enum tl_cause named = TL_CAUSE_NONE;

    if (!unit->agrees[TL_SIDE_SPEED] || !unit->agrees[TL_SIDE_BATCH])
        return TL_OK;
    for (const struct tl_unit_link *link = unit->inners; link != NULL; link = link->next_inner) {
        if (!link->inner->explained && link->inner->named == TL_CAUSE_NONE)
            return TL_OK;
        if (link->inner->named != TL_CAUSE_NONE)
            named = link->inner->named;
    }
    return named == TL_CAUSE_NONE ? TL_OK : name_unit(suspect, unit, named, err);
}

enum tl_code tl_suspect_name(struct tl_suspect *suspect, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(name_functions(suspect, err));
    if (suspect->before != NULL)
        TL_TRY(explain_rules(suspect, err));
    for (uint32_t u = 0; u < tl_compare_units(suspect->finder->compare); u++) {
        struct tl_unit *unit = tl_compare_unit(suspect->finder->compare, u);

        if (is_open(unit)) /* inner ones stand before those that are made of them */
            TL_TRY(name_by_inner(suspect, unit, err));
        if (is_open(unit))
            TL_TRY(name_rules(suspect, unit, err));
    }
out:
    return rc;
}

/* ---- what is not there ---- */

enum tl_code tl_suspect_is_lost(const struct tl_suspect *suspect, const struct tl_unit *unit, bool *lost, struct tl_err *err)
{
    const struct called called = {suspect->finder->plan, unit->view};
    struct tl_versions batch = {0};
    enum tl_code rc = TL_OK;

    *lost = false;
    for (int side = 0; side < TL_SIDES; side++) {
        const struct tl_suspect_turn *turn = &suspect->turns[unit->view][side];

        for (const struct tl_unit_row *row = unit->others[side]; row != NULL && !*lost; row = row->next) {
            const struct tl_versions *versions = side == TL_SIDE_SPEED ? suspect->versions : &batch;
            enum tl_versions_side of = side == TL_SIDE_SPEED ? TL_VERSIONS_SPEED : TL_VERSIONS_BATCH;
            bool alone;

            tl_versions_done(&batch);
            TL_TRY(batch_versions(suspect, unit->view, row->start_ms, row->end_ms, &batch, err));
            alone = !tl_versions_has_more(versions, of, suspect->versions_before, depends_on, &called);
            *lost = tl_versions_has(versions, of, suspect->versions_before, depends_on, &called) &&
                    (alone || (row->start_ms <= turn->last_before_ms && row->end_ms <= turn->first_other_ms));
        }
    }
out:
    tl_versions_done(&batch);
    return rc;
}
