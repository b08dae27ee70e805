/* shape.c: a view of the plan as the store knows it. See shape.h. */
#include "sql/shape.h"

uint32_t tl_view_root(const struct tl_plan *plan, uint32_t view)
{
    while (plan->views[view].inner >= 0)
        view = (uint32_t)plan->views[view].inner;
    return view;
}

enum tl_column_role tl_view_role(const struct tl_plan *plan, const struct tl_view *view, uint32_t output)
{
    const struct tl_expr *expr = view->outputs[output].expr;

    if (view->window.window == TL_WINDOW_NONE || expr->op != TL_EXPR_SLOT)
        return TL_ROLE_VALUE;
    if (view->inner_rows)
        return tl_view_role(plan, &plan->views[view->inner], expr->slot);
    switch (expr->slot) {
    case TL_SLOT_WINDOW_START: return TL_ROLE_WINDOW_START;
    case TL_SLOT_WINDOW_END: return TL_ROLE_WINDOW_END;
    case TL_SLOT_WINDOW_TIME: return TL_ROLE_WINDOW_TIME;
    case TL_SLOT_CLOSED_BY: return TL_ROLE_VALUE;
    default: return expr->slot < TL_SLOT_KEYS + view->keys_count ? TL_ROLE_KEY : TL_ROLE_VALUE;
    }
}

enum tl_state_form tl_view_state(const struct tl_view *view)
{
    switch (view->window.window) {
    case TL_WINDOW_NONE:
    case TL_WINDOW_INNER: return TL_STATE_IN_ROWS; /* has none: its rows are final when they come */
    case TL_WINDOW_TUMBLE: return view->having == NULL ? TL_STATE_IN_ROWS : TL_STATE_BESIDE;
    case TL_WINDOW_HOP:
    case TL_WINDOW_CUMULATE:
    case TL_WINDOW_SESSION:
    case TL_WINDOW_COUNT: return TL_STATE_BESIDE;
    }
    return TL_STATE_IN_ROWS;
}

bool tl_view_cut_per_key(const struct tl_plan *plan, const struct tl_view *view)
{
    if (view->window.window == TL_WINDOW_INNER)
        return tl_view_cut_per_key(plan, &plan->views[view->inner]);
    return view->window.window == TL_WINDOW_SESSION || view->window.window == TL_WINDOW_COUNT;
}

bool tl_view_ends_open(const struct tl_plan *plan, const struct tl_view *view)
{
    return tl_view_cut_per_key(plan, view) || (view->inner >= 0 && tl_view_ends_open(plan, &plan->views[view->inner]));
}

/* COUNT_WINDOW's rows are told apart by the place of their first event (core/count_window.c), in a log or not. */
static uint32_t key_tail_bytes(const struct tl_plan *plan, const struct tl_view *view)
{
    if (view->inner_rows)
        return key_tail_bytes(plan, &plan->views[view->inner]);
    return view->window.window == TL_WINDOW_COUNT ? TL_EVENT_KEY_BYTES : 0;
}

enum tl_code tl_shape_of(struct tl_plan *plan, const struct tl_view *view, struct tl_shape *out, struct tl_err *err)
{
    const struct tl_source *source = &plan->sources[view->source];
    bool by_pattern = source->topic_pattern.data != NULL;
    struct tl_shape_column *columns = tl_arena_alloc(&plan->arena, view->outputs_count * sizeof *columns);

    if (columns == NULL)
        return tl_fail_memory(err, view->outputs_count * sizeof *columns);
    for (uint32_t o = 0; o < view->outputs_count; o++)
        columns[o] = (struct tl_shape_column){view->outputs[o].name, view->outputs[o].kind, tl_view_role(plan, view, o)};
    *out = (struct tl_shape){.view = view->name,
                             .hash = view->hash,
                             .comment = view->comment,
                             .normalised = view->normalised,
                             .topic = by_pattern ? source->topic_pattern : source->topic,
                             .by_pattern = by_pattern,
                             .windowed = view->window.window != TL_WINDOW_NONE,
                             .state = tl_view_state(view),
                             .cut_per_key = tl_view_cut_per_key(plan, view),
                             .ends_open = tl_view_ends_open(plan, view),
                             .key_tail_bytes = key_tail_bytes(plan, view),
                             .lateness_ms = view->lateness_ms,
                             .columns = columns,
                             .columns_count = view->outputs_count};
    return TL_OK;
}
