/* diff_edge.c: what is open where the range begins: read back for it, and say what cannot be known. See diff_inside.h.
 *
 *        W <──────── from         windows of the clock: to where the longest that ends behind `from` begins
 *   W <── W <── W <─ from         sessions, count windows: further and further, until each key's chain of events across `from` is known to begin
 *                                 behind W (edge.h), the record begins, or it is --read-back
 *
 * What is still not known is left out: rows of such keys, and views on views that hang on them. */
#include <stdlib.h>

#include "diff_inside.h"
#include "event/zone.h"

/* ---- reading back ---- */

/* The first instant whose events a window that ends behind `at_ms` may hold, or at it, where that is of the range behind. */
static int64_t first_of_windows(const struct tl_plan *plan, const struct tl_view *view, int64_t at_ms)
{
    const struct tl_window_spec *spec = &view->window;
    int64_t local_ms, start_ms, step_ms = spec->window == TL_WINDOW_HOP ? spec->slide_ms : spec->size_ms;

    if (spec->window == TL_WINDOW_NONE || spec->window == TL_WINDOW_INNER)
        return at_ms;
    at_ms -= tl_view_ends_open(plan, view);
    local_ms = spec->zone == NULL ? at_ms : tl_zone_local_ms(spec->zone, at_ms);
    start_ms = tl_window_start_ms(local_ms, spec->offset_ms, step_ms) - (spec->size_ms - step_ms);
    return spec->zone == NULL ? start_ms : tl_min_i64(at_ms, tl_zone_first_ms(spec->zone, start_ms));
}

/* Is the view, or one that it reads, one whose groups have no beginning that the clock tells? */
static bool is_open_ended(const struct tl_plan *plan, uint32_t v)
{
    for (;;) {
        if (tl_diff_is_span(&plan->views[v]))
            return true;
        if (plan->views[v].inner < 0)
            return false;
        v = (uint32_t)plan->views[v].inner;
    }
}

/* From where on events are needed for a view's rows behind `at_ms`; sessions have their first gap alone. */
static int64_t needed_from(const struct tl_plan *plan, uint32_t v, int64_t at_ms)
{
    for (;;) {
        const struct tl_view *view = &plan->views[v];

        at_ms = tl_diff_is_span(view) ? tl_add_sat_i64(at_ms, -2 * view->window.size_ms) : first_of_windows(plan, view, at_ms);
        if (view->inner < 0)
            return at_ms;
        v = (uint32_t)view->inner;
    }
}

/* Where a clock is changed, a gap may be longer than it is on it. */
static int64_t longest_ms(const struct tl_window_spec *window)
{
    return tl_add_sat_i64(window->size_ms, window->zone == NULL ? 0 : TL_DAY_MS);
}

static bool note_edge(void *ctx, uint32_t v, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms,
                      struct tl_sv key, int64_t *watermark_ms)
{
    struct tl_diff_count *count = ctx;
    const struct tl_window_spec *window = &count->plan.views[v].window;

    (void)start_ms;
    (void)watermark_ms;
    if (!count->has_edge[v])
        return true;
    if (window->window == TL_WINDOW_COUNT)
        end_ms = tl_max_i64(end_ms, tl_add_sat_i64(event->time_ms, longest_ms(window)));
    if (!tl_edge_note(&count->edges[v], key, event->time_ms, end_ms))
        count->diff->out_of_memory = true;
    return true;
}

static bool wants_family(const struct tl_diff_count *count, uint32_t root)
{
    for (uint32_t v = root; v < count->plan.views_count; v++)
        if (count->wanted[v] && tl_view_root(&count->plan, v) == root)
            return true;
    return false;
}

static enum tl_code open_counts(struct tl_diff *d, int64_t read_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        struct tl_diff_count *count = &d->counts[c];
        struct tl_recount_config config = {.plan = &count->plan,
                                           .wanted = count->wanted,
                                           .checks = d->checks[count->side],
                                           .threads = d->threads,
                                           .rows = tl_diff_take_rows,
                                           .ctx = count,
                                           .push_ctxs = count->push_ctxs};

        if (!count->any)
            continue;
        for (uint32_t v = 0; v < count->plan.views_count; v++) {
            if (!tl_diff_is_span(&count->plan.views[v]) || count->plan.views[v].inner >= 0 || !wants_family(count, v))
                continue;
            count->has_edge[v] = true;
            tl_edge_init(&count->edges[v], read_ms, longest_ms(&count->plan.views[v].window));
            config.asks = read_ms != INT64_MIN ? note_edge : NULL;
        }
        TL_TRY(tl_recount_open(&config, &count->recount, err));
    }
out:
    return rc;
}

/* From where on the rows of a view's root are needed: before the range, where windows of its readers reach back. */
static int64_t root_needed_from(const struct tl_diff_count *count, uint32_t root, int64_t at_ms)
{
    int64_t first_ms = at_ms;

    for (uint32_t v = root; v < count->plan.views_count; v++) {
        int64_t mine_ms = at_ms;

        if (!count->wanted[v] || tl_view_root(&count->plan, v) != root)
            continue;
        for (uint32_t outer = v; outer != root; outer = (uint32_t)count->plan.views[outer].inner)
            mine_ms = first_of_windows(&count->plan, &count->plan.views[outer], mine_ms);
        first_ms = tl_min_i64(first_ms, mine_ms);
    }
    return first_ms;
}

/* Is every chain across the beginning known, of all edges? */
static bool close_edges(struct tl_diff *d)
{
    bool known = true;

    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        for (uint32_t v = 0; d->counts[c].any && v < d->counts[c].plan.views_count; v++)
            if (d->counts[c].has_edge[v]) {
                tl_edge_close(&d->counts[c].edges[v], root_needed_from(&d->counts[c], v, d->report.from_ms));
                known = known && d->counts[c].edges[v].unknown_count == 0;
            }
    return known;
}

/* Sessions of another view's rows have no edge: only the record's beginning is known to be theirs. */
static bool has_no_edge(const struct tl_plan *plan, uint32_t v)
{
    for (; plan->views[v].inner >= 0; v = (uint32_t)plan->views[v].inner)
        if (tl_diff_is_span(&plan->views[v]))
            return true;
    return false;
}

static bool wants_all(const struct tl_diff *d)
{
    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        for (uint32_t v = 0; d->counts[c].any && v < d->counts[c].plan.views_count; v++)
            if (d->counts[c].wanted[v] && has_no_edge(&d->counts[c].plan, v))
                return true;
    return false;
}

/* Views on views that hang on something whose beginning is not known. */
static enum tl_code drop_unknown(struct tl_diff *d, int64_t read_ms, struct tl_err *err)
{
    char time[TL_TIME_TEXT_BYTES];
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        struct tl_diff_count *count = &d->counts[c];

        for (uint32_t v = 0; count->any && v < count->plan.views_count; v++) {
            uint32_t root = tl_view_root(&count->plan, v);
            struct tl_preview_view *view = count->pairs[v] >= 0 ? &d->views[count->pairs[v]] : NULL;

            if (view == NULL || !view->compared || root == v ||
                !(has_no_edge(&count->plan, v) || (count->has_edge[root] && count->edges[root].unknown_count > 0)))
                continue;
            TL_TRY(tl_diff_note(
                d, err,
                "view %.*s: not compared: what it is made of may have begun before %s, from which on was read; a longer "
                "--read-back may do",
                TL_SV_ARG(view->name), tl_diff_time(read_ms, time)));
            view->compared = false;
        }
    }
out:
    return rc;
}

/* Windows that are open at the beginning of the range, from the events before it. */
enum tl_code tl_diff_read_back(struct tl_diff *d, struct tl_err *err)
{
    int64_t from_ms = d->report.from_ms, read_ms = from_ms, floor_ms = tl_add_sat_i64(from_ms, -d->own->read_back_ms);
    struct tl_time_spans spans = {0};
    bool open_ended = false;
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        for (uint32_t v = 0; d->counts[c].any && v < d->counts[c].plan.views_count; v++) {
            if (!d->counts[c].wanted[v])
                continue;
            read_ms = tl_min_i64(read_ms, needed_from(&d->counts[c].plan, v, from_ms));
            open_ended = open_ended || is_open_ended(&d->counts[c].plan, v);
        }
    floor_ms = tl_min_i64(floor_ms, read_ms);
    if (open_ended && d->record_first_ms == INT64_MIN) /* nobody knows what its blocks hold: all are read in any case */
        read_ms = INT64_MIN;
    for (;;) {
        bool known, all = read_ms <= d->record_first_ms, last = all || !open_ended || read_ms <= floor_ms;

        TL_TRY(open_counts(d, all ? INT64_MIN : read_ms, err));
        if (read_ms < from_ms) {
            if (!tl_time_spans_add(&spans, read_ms, from_ms))
                TL_TRY(tl_fail_memory(err, sizeof *spans.items));
            TL_TRY(tl_diff_push(d, d->counts, read_ms, from_ms, &spans, NULL, err));
        }
        known = close_edges(d);
        if (last && !all && open_ended)
            TL_TRY(drop_unknown(d, read_ms, err));
        if (last || (known && !wants_all(d)))
            break;
        tl_diff_close_counts(d);
        read_ms = tl_max_i64(floor_ms, tl_add_sat_i64(from_ms, -4 * (from_ms - read_ms)));
        spans.count = 0;
    }
    TL_TRY(tl_diff_retire(d->counts, from_ms, err));
out:
    tl_time_spans_done(&spans);
    return rc;
}
