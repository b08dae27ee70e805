/* changes.c: what has changed in the live views since the last look. See changes.h.
 *
 * The store does not remember what it showed: a row of speed is written over, a session's row goes when the session grows, a swap drops tables, and a
 * publication changes what is shown without touching a row. So what was shown is remembered here, and a look is a comparison:
 *
 *      store, one snapshot, change number C                file, what was shown at seq S
 *      ┌──────────────────────────────┐                    ┌──────────────────────────────┐
 *      │ merged view, by (end, start, │   walked side by   │ rows by (end, start, key)    │
 *      │ key): row, run               │ ═════ side ══════> │ journal: delta S1, S2 ... S  │
 *      └──────────────────────────────┘                    └──────────────────────────────┘
 *                        │ what differs: the delta S -> C              │ one transaction:
 *                        └─────────────────────────────────────────────┤ rows, delta C, seq = C
 *                                                                      v
 *                                                    only then: frames to clients, with seq C
 *
 * Why nothing is told twice or left out. Call V(n) what the view shows at the store's change number n (within what is watched). Commits are in the order of
 * change numbers, and whatever moves a view takes one, so a snapshot with number C shows V(C). The file holds V(S) and the deltas before it;
 * a look adds the difference of V(C) and V(S) in the same transaction as V(C) itself. Killed before that commit, the next look starts from V(S) again,
 * and nobody has heard of C; killed after it, the delta lies in the journal, and whoever comes with an earlier number is told it from there. A client that
 * has applied all deltas up to n has V(n), and says n when it comes back: it gets what lies behind n. A number that is not the journal's (too old; of
 * a file that was lost) leads nowhere, and gets a snapshot.
 *
 * It follows that `old` is what the client has, whatever happened in between: it is read from V(S) and not from the store. A journal of frames alone
 * would not do, for what changed while nobody looked has no frame; and neither would the store's own history: late events leave no old row there,
 * and a swap not even a table.
 *
 * The seq is the change number of the look, so it goes on by itself. It would go back where a store is restored from a backup; then it counts on from where
 * it was, and what was shown is read anew.
 *
 * What a look has to read follows from what may have changed (store_change.h):
 *
 *      ticks alone            rows behind the last look's final_ms; of TUMBLE only those that a tick has written since, looked up one by one;
 *                             else the side by side walk, which also finds what is gone
 *      and a lowered cut      the walk, from the lowest cut on
 *      publication, rollback, the walk over all that is watched
 *      definition, replay
 *      of views without       rows of speed that a tick has written since: they are never written again. What batch serves
 *      windows                instead is not told row by row but as a range
 *
 *          floor                      final_ms      ended_ms          (of the last look)
 *   ─────────┼──────────────────────────┼──────────────┼───────────────────────────> end of the window
 *    not     │  only a publication,     │ ended, not   │ open: a change is growth
 *    watched │  a rollback, a swap or   │ final: a     │
 *            │  a cut changes these     │ change is a late event's correction
 *
 * A change is a **correction** where the row was shown as batch's, or its window had ended by the watermark of that look. The cause follows from
 * the two rows' runs: batch's run that was not there at the last look is a publication; a run that is no longer pointed at while publications were rolled back is
 * a rollback; another definition is that; else speed did it, with a late event (a session that grew is one too). Where several came between two looks each
 * row has the one that its runs tell.
 *
 * What is watched is bounded: by the horizon, by rows_max, and in bytes by the journal. What lies below the floor is forgotten without a word; a delta names
 * the ranges that were published or rolled back since, so that a client can ask for what it has from there.
 *
 * The store's snapshot ends when all views are read, before the file's commit and before anybody is told: SQLite's WAL can be reset. */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { FLOOR_STEP_MS = 1000 };

struct view {
    struct tl_changes_view public;
    struct view *next;
    struct tl_arena columns_memory;
    struct tl_sv shown_columns; /* what they were in the file: as columns_text, below */
    char *name;
    bool loaded;    /* the file has what it shows */
    bool described; /* columns are the store's, as of a look of this process */
    /* Of the look that is under way. */
    struct tl_shown_view will_be;
    struct tl_buf delta, columns_text;
    struct tl_served_columns columns; /* the store's */
    const char *resync;
    bool other_columns, looked;
};

struct tl_changes {
    struct tl_changes_config config;
    char *store_url;
    struct tl_store *store; /* NULL: it is opened by whoever wants it next */
    struct tl_shown *shown;
    struct view *views;
};

struct tl_changes_config tl_changes_usual(void)
{
    return (struct tl_changes_config){.horizon_ms = INT64_C(86400000),
                                      .rows_max = 1000000,
                                      .events_max = 10000,
                                      .delta_bytes_max = 64 << 20,
                                      .journal_bytes_max = 64 << 20,
                                      .journal_ms = 3600000};
}

/* ---- views ---- */

static void view_close(struct view *view)
{
    if (view == NULL)
        return;
    tl_arena_done(&view->columns_memory);
    tl_buf_done(&view->delta);
    tl_buf_done(&view->columns_text);
    free(view->name);
    free(view);
}

static enum tl_code view_open(struct tl_changes *c, struct tl_sv name, struct view **out, struct tl_err *err)
{
    struct view *view = calloc(1, sizeof *view);

    if (view == NULL)
        return tl_fail_memory(err, sizeof *view);
    tl_arena_init(&view->columns_memory, 1024, 0);
    tl_buf_init(&view->delta, 0);
    tl_buf_init(&view->columns_text, 0);
    view->name = strndup(name.data, name.size);
    if (view->name == NULL) {
        view_close(view);
        return tl_fail_memory(err, name.size);
    }
    view->public.name = tl_sv_from(view->name);
    view->next = c->views;
    c->views = view;
    *out = view;
    return TL_OK;
}

/* As the file has it. What its columns are the next look says. */
static enum tl_code take_kept(void *ctx, struct tl_sv name, struct tl_sv columns, const struct tl_shown_view *is,
                              struct tl_err *err)
{
    struct view *view = NULL;
    enum tl_code rc;

    TL_TRY(view_open(ctx, name, &view, err));
    view->public.is = *is;
    view->loaded = true;
    if (!tl_arena_copy(&view->columns_memory, columns, &view->shown_columns))
        TL_TRY(tl_fail_memory(err, columns.size));
out:
    return rc;
}

static void put_columns_text(struct tl_buf *out, const struct tl_served_columns *columns)
{
    static const char *const roles[] = {
        [TL_ROLE_VALUE] = "value",           [TL_ROLE_KEY] = "key",          [TL_ROLE_WINDOW_START] = "window_start",
        [TL_ROLE_WINDOW_END] = "window_end", [TL_ROLE_WINDOW_TIME] = "time",
    };

    tl_buf_put_u8(out, '[');
    for (uint32_t i = 0; i < columns->columns_count; i++) {
        tl_buf_put_str(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        tl_buf_put_json(out, columns->columns[i].name);
        tl_buf_printf(out, ",\"type\":\"%s\",\"role\":\"%s\"}", tl_kind_name(columns->columns[i].kind),
                      roles[columns->columns[i].role]);
    }
    tl_buf_put_str(out, columns->windowed ? "]" : "] "); /* with and without windows are never the same text */
}

/* The store's columns are good as long as its handle. */
static enum tl_code copy_columns(struct view *view, struct tl_err *err)
{
    const struct tl_served_columns *from = &view->columns;
    struct tl_changes_view *public = &view->public;
    struct tl_shape_column *columns;

    if (view->described && tl_sv_eq(view->shown_columns, tl_buf_sv(&view->columns_text)))
        return TL_OK;
    tl_arena_reset(&view->columns_memory);
    columns = tl_arena_zalloc(&view->columns_memory, (size_t)(from->columns_count + 1) * sizeof *columns);
    if (columns == NULL || !tl_arena_copy(&view->columns_memory, tl_buf_sv(&view->columns_text), &view->shown_columns))
        return tl_fail_memory(err, view->columns_text.size);
    for (uint32_t i = 0; i < from->columns_count; i++) {
        columns[i] = from->columns[i];
        if (!tl_arena_copy(&view->columns_memory, from->columns[i].name, &columns[i].name))
            return tl_fail_memory(err, from->columns[i].name.size);
    }
    public->columns = (struct tl_served_columns){columns, from->columns_count, from->windowed};
    view->described = true;
    return TL_OK;
}

/* ---- a look at one view ---- */

struct look {
    struct tl_changes *c;
    struct view *view;
    struct tl_definition definition;
    struct tl_served_columns columns;
    struct tl_store_mark mark;
    int64_t now_ms;
    bool full, replaced, renamed, too_much;
    struct tl_delta_range *ranges; /* published or rolled back since */
    size_t ranges_count;
    struct tl_buf values, old; /* of the row that is looked at */
};

/* The range of that kind that holds a row's end, the last one, for it counts; else any, for cuts reach further. NULL: there are none. */
static const struct tl_delta_range *range_of(const struct look *l, bool undone, int64_t end_ms, bool *holds_it)
{
    const struct tl_delta_range *found = NULL;
    bool open = !l->columns.windowed || l->definition.ends_open;

    *holds_it = false;
    for (size_t i = 0; i < l->ranges_count; i++) {
        const struct tl_delta_range *range = &l->ranges[i];
        bool holds = open ? range->from_ms <= end_ms && end_ms < range->to_ms : range->from_ms < end_ms && end_ms <= range->to_ms;

        if (range->undone == undone && (holds || !*holds_it)) {
            found = range;
            *holds_it = *holds_it || holds;
        }
    }
    return found;
}

static bool is_of(const struct look *l, bool undone, int64_t run)
{
    for (size_t i = 0; i < l->ranges_count; i++)
        if (l->ranges[i].undone == undone && l->ranges[i].run == run)
            return true;
    return false;
}

static void put_cause(const struct look *l, struct tl_delta_op *op)
{
    bool holds_published, holds_undone, ended = op->had_ended || op->end_ms <= l->view->public.is.ended_ms;
    const struct tl_delta_range *published = range_of(l, false, op->end_ms, &holds_published);
    const struct tl_delta_range *undone = range_of(l, true, op->end_ms, &holds_undone);
    int64_t was = op->had ? op->old.run : 0, is = op->has ? op->now.run : 0;
    /* A key's cut moves with the boundary, and with it open rows that begin before it come and go. */
    bool by_cut =
        l->definition.cut_per_key && op->start_ms < tl_max_i64(l->view->public.is.boundary_ms, l->view->will_be.boundary_ms);
    /* What speed has shown and still shows, a publication and a rollback leave alone. */
    bool by_batch = was > 0 || is > 0 || (op->had != op->has && (ended || holds_published || holds_undone || by_cut));

    op->run = 0;
    if (!l->columns.windowed) {
        op->cause = TL_DELTA_NO_CAUSE;
    } else if (l->replaced) {
        op->cause = TL_DELTA_DEFINITION;
    } else if (is > 0 && is_of(l, false, is)) {
        op->cause = TL_DELTA_PUBLICATION;
        op->run = is;
    } else if (by_batch && undone != NULL && (published == NULL || holds_undone || !holds_published)) {
        op->cause = TL_DELTA_ROLLBACK;
        op->run = is_of(l, true, was) ? was : undone->run;
    } else if (by_batch && published != NULL) {
        op->cause = TL_DELTA_PUBLICATION;
        op->run = published->run;
    } else {
        op->cause = !ended ? TL_DELTA_NO_CAUSE : l->renamed ? TL_DELTA_REPLAY : TL_DELTA_LATE_EVENT;
    }
}

static struct tl_shown_row identity_of(const struct tl_delta_op *op)
{
    return (struct tl_shown_row){.start_ms = op->start_ms,
                                 .end_ms = op->end_ms,
                                 .key = op->key,
                                 .run = op->has ? op->now.run : 0,
                                 .values = op->has ? op->now.values : TL_SV("")};
}

/* Into the file, and to the delta. `op` says both rows. */
static enum tl_code tell(struct look *l, struct tl_delta_op *op, struct tl_err *err)
{
    struct view *view = l->view;
    struct tl_shown_row row = identity_of(op);
    enum tl_code rc;

    op->had_ended = op->had && (op->old.run > 0 || op->end_ms <= view->public.is.ended_ms);
    put_cause(l, op);
    if (!l->too_much)
        tl_delta_put_op(&view->delta, op);
    if ((int64_t)view->delta.size > l->c->config.delta_bytes_max) {
        l->too_much = true;
        tl_buf_done(&view->delta);
        tl_buf_init(&view->delta, 0);
    }
    view->will_be.rows_count += op->has - op->had;
    TL_TRY(op->has ? tl_shown_put(l->c->shown, view->public.is.id, &row, err)
                   : tl_shown_drop(l->c->shown, view->public.is.id, &row, err));
out:
    return rc;
}

/* What the store shows of a row against what was shown. A row that batch serves now, as it was, is no change. */
static enum tl_code compare(struct look *l, const struct tl_served_row *row, const struct tl_shown_row *shown, struct tl_err *err)
{
    struct tl_delta_op op = {
        .start_ms = row->start_ms, .end_ms = row->end_ms, .key = row->key, .had = shown != NULL, .has = true};
    struct tl_shown_row same;
    enum tl_code rc;

    tl_buf_clear(&l->values);
    tl_delta_put_values(&l->values, &l->columns, row->columns);
    TL_TRY(tl_buf_check(&l->values, "a row", err));
    op.now = (struct tl_delta_row){row->run, tl_buf_sv(&l->values)};
    if (shown != NULL)
        op.old = (struct tl_delta_row){shown->run, shown->values};
    if (shown == NULL || !tl_sv_eq(shown->values, op.now.values)) {
        TL_TRY(tell(l, &op, err));
    } else if (shown->run != row->run) {
        same = identity_of(&op);
        TL_TRY(tl_shown_put(l->c->shown, l->view->public.is.id, &same, err));
    }
out:
    return rc;
}

static int order_of(const struct tl_served_row *row, const struct tl_shown_row *shown)
{
    int order = (row->end_ms > shown->end_ms) - (row->end_ms < shown->end_ms);

    if (order == 0)
        order = (row->start_ms > shown->start_ms) - (row->start_ms < shown->start_ms);
    return order != 0 ? order : tl_sv_cmp(row->key, shown->key);
}

static enum tl_code tell_gone(struct look *l, const struct tl_shown_row *shown, struct tl_err *err)
{
    struct tl_delta_op op = {
        .start_ms = shown->start_ms, .end_ms = shown->end_ms, .key = shown->key, .had = true, .old = {shown->run, shown->values}
    };

    return tell(l, &op, err);
}

/* What the file gives lies in a page that is written to. */
static enum tl_code keep_old(struct look *l, struct tl_shown_row *row, struct tl_err *err)
{
    size_t key_bytes = row->key.size, values_bytes = row->values.size;
    enum tl_code rc;

    tl_buf_clear(&l->old);
    tl_buf_put_sv(&l->old, row->key);
    tl_buf_put_sv(&l->old, row->values);
    TL_TRY(tl_buf_check(&l->old, "a row", err));
    row->key = (struct tl_sv){l->old.data, key_bytes};
    row->values = (struct tl_sv){l->old.data + key_bytes, values_bytes};
out:
    return rc;
}

/* Side by side. What a step writes does not lie ahead of the walk over the file. */
static enum tl_code walk(struct look *l, int64_t behind_ms, struct tl_err *err)
{
    struct tl_served_what what = {l->definition.id, behind_ms, INT64_MIN, -1};
    struct tl_shown *shown = l->c->shown;
    struct tl_served_cursor *cursor = NULL;
    const struct tl_served_row *row;
    struct tl_shown_row old;
    bool there = false;
    enum tl_code rc;

    TL_TRY(tl_store_served(l->c->store, &what, &cursor, err));
    TL_TRY(tl_shown_walk(shown, l->view->public.is.id, behind_ms, false, err));
    TL_TRY(tl_served_next(cursor, &row, err));
    TL_TRY(tl_shown_next(shown, &old, &there, err));
    while (row != NULL || there) {
        int order = row == NULL ? 1 : !there ? -1 : order_of(row, &old);

        if (order > 0)
            TL_TRY(tell_gone(l, &old, err));
        else
            TL_TRY(compare(l, row, order == 0 ? &old : NULL, err));
        if (order >= 0)
            TL_TRY(tl_shown_next(shown, &old, &there, err));
        if (order <= 0)
            TL_TRY(tl_served_next(cursor, &row, err));
    }
out:
    tl_shown_walk_end(shown);
    tl_served_close(cursor);
    return rc;
}

/* Rows that ticks have written since, looked up. */
static enum tl_code look_up(struct look *l, int64_t behind_ms, struct tl_err *err)
{
    struct tl_served_what what = {l->definition.id, behind_ms, l->view->public.is.change, -1};
    struct tl_served_cursor *cursor = NULL;
    const struct tl_served_row *row;
    enum tl_code rc;

    TL_TRY(tl_store_served(l->c->store, &what, &cursor, err));
    for (;;) {
        struct tl_shown_row old;
        bool found = false;

        TL_TRY(tl_served_next(cursor, &row, err));
        if (row == NULL)
            break;
        old = (struct tl_shown_row){.start_ms = row->start_ms, .end_ms = row->end_ms, .key = row->key};
        TL_TRY(tl_shown_find(l->c->shown, l->view->public.is.id, &old, &found, err));
        if (found)
            TL_TRY(keep_old(l, &old, err));
        TL_TRY(compare(l, row, found ? &old : NULL, err));
    }
out:
    tl_served_close(cursor);
    return rc;
}

static enum tl_code add_range(struct look *l, const struct tl_run_range *range, bool undone, struct tl_err *err)
{
    if (!TL_RESIZE(l->ranges, l->ranges_count + 1))
        return tl_fail_memory(err, (l->ranges_count + 1) * sizeof *l->ranges);
    l->ranges[l->ranges_count++] = (struct tl_delta_range){range->from_ms, range->to_ms, range->run, undone};
    return TL_OK;
}

static enum tl_code add_published(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    return add_range(ctx, range, false, err);
}

static enum tl_code add_undone(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    return add_range(ctx, range, true, err);
}

/* Ranges of one run that touch are told as one. */
static enum tl_code tell_ranges(struct look *l, struct tl_err *err)
{
    const struct tl_shown_view *is = &l->view->public.is;
    enum tl_code rc = TL_OK;

    if (l->replaced)
        return TL_OK;
    if (l->mark.published > is->published)
        TL_TRY(tl_store_published_ranges(l->c->store, l->definition.id, is->published + 1, l->mark.published, false,
                                         add_published, l, err));
    if (l->mark.standing < is->standing)
        TL_TRY(tl_store_published_ranges(l->c->store, l->definition.id, l->mark.standing + 1, is->standing, true, add_undone, l,
                                         err));
    for (size_t i = 0; i < l->ranges_count;) {
        struct tl_delta_range range = l->ranges[i++];

        for (; i < l->ranges_count && l->ranges[i].run == range.run && l->ranges[i].undone == range.undone &&
               l->ranges[i].from_ms == range.to_ms;
             i++)
            range.to_ms = l->ranges[i].to_ms;
        tl_delta_put_range(&l->view->delta, &range);
    }
out:
    return rc;
}

/* ---- how much of a view is watched ---- */

/* By the data's own time, where that lies behind: a log of years ago is watched as it is read. */
static int64_t wanted_floor(const struct look *l)
{
    int64_t reached_ms = tl_max_i64(l->view->will_be.ended_ms, l->definition.boundary_ms);

    return reached_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(tl_min_i64(l->now_ms, reached_ms), -l->c->config.horizon_ms);
}

static enum tl_code raise_floor(struct look *l, int64_t floor_ms, struct tl_err *err)
{
    struct tl_shown_view *v = &l->view->will_be;
    int64_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_shown_prune(l->c->shown, v->id, floor_ms, &count, err));
    v->rows_count -= count;
    v->floor_ms = floor_ms;
out:
    return rc;
}

static enum tl_code keep_within(struct look *l, struct tl_err *err)
{
    int64_t most = l->columns.windowed ? l->c->config.rows_max : l->c->config.events_max, end_ms, floor_ms;
    struct tl_shown_view *v = &l->view->will_be;
    enum tl_code rc = TL_OK;

    floor_ms = v->floor_ms;
    if (v->rows_count <= most)
        return TL_OK;
    TL_TRY(tl_shown_end_of(l->c->shown, v->id, v->rows_count - most, &end_ms, err));
    TL_TRY(raise_floor(l, end_ms, err));
    if (!l->columns.windowed) /* new events are told all the same */
        v->floor_ms = floor_ms;
out:
    return rc;
}

/* ---- the look ---- */

/* Numbers grow with the store's changes, and begin at a place of the file's own (below 2^51, so that JavaScript has them whole): a number that another
 * file gave leads nowhere, and its holder gets a snapshot. */
static int64_t number_of(const struct look *l)
{
    return (int64_t)(tl_shown_seed(l->c->shown) >> 13) + l->mark.change;
}

/* Whatever was known of it goes; what it shows now is what clients begin with. */
static enum tl_code load(struct look *l, struct tl_err *err)
{
    struct tl_changes *c = l->c;
    struct tl_shown_view *v = &l->view->will_be;
    struct tl_served_what what = {l->definition.id, INT64_MIN, INT64_MIN, 0};
    struct tl_served_cursor *cursor = NULL;
    const struct tl_served_row *row;
    enum tl_code rc;

    TL_TRY(tl_shown_clear(c->shown, v->id, err));
    v->floor_ms = what.behind_ms = wanted_floor(l);
    v->rows_count = v->journal_bytes = 0;
    /* One more than is kept tells that there are more. */
    what.newest = (l->columns.windowed ? c->config.rows_max : c->config.events_max) + 1;
    TL_TRY(tl_store_served(c->store, &what, &cursor, err));
    for (;; v->rows_count++) {
        TL_TRY(tl_served_next(cursor, &row, err));
        if (row == NULL)
            break;
        tl_buf_clear(&l->values);
        tl_delta_put_values(&l->values, &l->columns, row->columns);
        TL_TRY(tl_buf_check(&l->values, "a row", err));
        TL_TRY(tl_shown_put(c->shown, v->id,
                            &(struct tl_shown_row){row->start_ms, row->end_ms, row->run, row->key, tl_buf_sv(&l->values)}, err));
    }
    v->seq = v->first = l->view->public.is.id == 0 ? number_of(l) : tl_max_i64(number_of(l), l->view->public.is.seq + 1);
out:
    tl_served_close(cursor);
    return rc;
}

/* What has changed since the last look goes into file and delta. */
static enum tl_code find_changes(struct look *l, struct tl_err *err)
{
    const struct tl_shown_view *is = &l->view->public.is;
    struct tl_shown_view *v = &l->view->will_be;
    struct tl_store_cuts cuts = {.lowest_ms = INT64_MAX};
    int64_t behind_ms, floor_ms = wanted_floor(l);
    enum tl_code rc;

    l->full = l->replaced || l->renamed || l->mark.published != is->published || l->mark.standing != is->standing;
    if (floor_ms >= is->floor_ms + FLOOR_STEP_MS)
        TL_TRY(raise_floor(l, floor_ms, err));
    behind_ms = l->full ? v->floor_ms : tl_max_i64(v->floor_ms, is->final_ms);
    if (l->definition.cut_per_key)
        TL_TRY(tl_store_cuts(l->c->store, l->definition.id, &cuts, err));
    v->cuts_count = cuts.count;
    v->cuts_sum_ms = cuts.sum_ms;
    if (!l->full && (cuts.count != is->cuts_count || cuts.sum_ms != is->cuts_sum_ms))
        behind_ms = tl_max_i64(v->floor_ms, tl_min_i64(behind_ms, cuts.lowest_ms));
    TL_TRY(tell_ranges(l, err));
    if (l->columns.windowed && (l->full || l->definition.state_form == TL_STATE_BESIDE))
        TL_TRY(walk(l, behind_ms, err));
    else
        TL_TRY(look_up(l, l->columns.windowed ? behind_ms : v->floor_ms, err));
out:
    return rc;
}

/* What was found is told from a journal, or with a reason by a snapshot. */
static enum tl_code write_journal(struct look *l, struct tl_err *err)
{
    struct tl_changes *c = l->c;
    struct view *view = l->view;
    struct tl_shown_view *v = &view->will_be;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_buf_check(&view->delta, "what has changed", err));
    if (l->too_much || view->delta.size > 0)
        v->seq = tl_max_i64(number_of(l), v->seq + 1);
    if (l->too_much) {
        view->resync = "more has changed at once than is told row by row";
        TL_TRY(tl_shown_trim(c->shown, v, -1, INT64_MAX, err));
        v->first = v->seq;
    } else if (view->delta.size > 0) {
        TL_TRY(tl_shown_add(c->shown, v->id, v->seq, l->now_ms, tl_buf_sv(&view->delta), err));
        v->journal_bytes += (int64_t)view->delta.size;
    }
    TL_TRY(tl_shown_trim(c->shown, v, c->config.journal_bytes_max, l->now_ms - c->config.journal_ms, err));
out:
    return rc;
}

/* Why what was shown leads nowhere from here; NULL: it does. */
static const char *broken(const struct look *l)
{
    const struct tl_shown_view *is = &l->view->public.is;

    if (l->mark.store != is->store || l->mark.change < is->change)
        return "the store is another one than before";
    if (l->view->other_columns)
        return "the view has other columns than before";
    if (!l->columns.windowed && (l->replaced || l->renamed))
        return "the view's rows were made anew";
    return NULL;
}

static enum tl_code look_at(struct look *l, struct tl_err *err)
{
    struct view *view = l->view;
    const struct tl_shown_view *is = &view->public.is;
    struct tl_shown_view *v = &view->will_be;
    enum tl_code rc;

    view->looked = view->other_columns = false;
    view->resync = NULL;
    tl_buf_clear(&view->delta);
    *v = *is;
    rc = tl_store_active(l->c->store, view->public.name, &l->definition, err);
    if (rc == TL_ERR_NOT_FOUND && view->loaded)
        return TL_OK; /* of a store that was made anew, and will have it again */
    TL_TRY(rc);
    TL_TRY(tl_store_served_columns(l->c->store, l->definition.id, &l->columns, err));
    tl_buf_clear(&view->columns_text);
    put_columns_text(&view->columns_text, &l->columns);
    TL_TRY(tl_buf_check(&view->columns_text, "columns", err));
    view->other_columns = view->loaded && !tl_sv_eq(view->shown_columns, tl_buf_sv(&view->columns_text));
    l->replaced = view->loaded && l->definition.id != is->definition;
    /* Without a number, somebody has only registered a definition. */
    l->renamed = view->loaded && !l->replaced && l->mark.names != is->names && l->mark.change != is->change;
    v->store = l->mark.store;
    v->change = l->mark.change;
    v->names = l->mark.names;
    v->published = l->mark.published;
    v->standing = l->mark.standing;
    v->definition = l->definition.id;
    v->final_ms = l->definition.final_ms;
    v->ended_ms = v->final_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(v->final_ms, l->definition.lateness_ms);
    v->boundary_ms = l->definition.boundary_ms;
    if (!view->loaded) {
        if (v->id == 0)
            TL_TRY(tl_shown_put_view(l->c->shown, view->public.name, tl_buf_sv(&view->columns_text), v, err));
        TL_TRY(load(l, err));
    } else if ((view->resync = broken(l)) != NULL) {
        TL_TRY(load(l, err));
    } else if (l->mark.change != is->change) {
        TL_TRY(find_changes(l, err));
    } else if (view->described && l->mark.names == is->names) {
        return TL_OK; /* whatever changes a view takes a number */
    }
    TL_TRY(keep_within(l, err));
    TL_TRY(write_journal(l, err));
    TL_TRY(tl_shown_put_view(l->c->shown, view->public.name, tl_buf_sv(&view->columns_text), v, err));
    view->looked = true;
out:
    return rc;
}

static void close_store(struct tl_changes *c)
{
    tl_store_close(c->store);
    c->store = NULL;
}

/* In the store's snapshot and the file's transaction; `only`: this one, NULL: all. */
static enum tl_code look_at_all(struct tl_changes *c, int64_t now_ms, struct view *only, struct tl_err *err)
{
    struct look l = {.c = c, .now_ms = now_ms};
    enum tl_code rc;

    tl_buf_init(&l.values, 0);
    tl_buf_init(&l.old, 0);
    TL_TRY(tl_store_mark(c->store, &l.mark, err));
    for (struct view *view = c->views; view != NULL; view = view->next) {
        view->looked = false;
        if (only != NULL && view != only)
            continue;
        free(l.ranges);
        l = (struct look){.c = c, .view = view, .mark = l.mark, .now_ms = now_ms, .values = l.values, .old = l.old};
        TL_TRY(look_at(&l, err));
        view->columns = l.columns;
    }
out:
    free(l.ranges);
    tl_buf_done(&l.values);
    tl_buf_done(&l.old);
    return rc;
}

static enum tl_code look(struct tl_changes *c, int64_t now_ms, struct view *only, struct tl_err *err)
{
    bool reading = false, writing = false;
    enum tl_code rc = TL_OK;

    if (c->store == NULL && (rc = tl_store_open(c->store_url, TL_STORE_READ, &c->store, err)) != TL_OK)
        return rc == TL_ERR_NOT_FOUND ? err->code = TL_ERR_IO : rc; /* it may come; a view that is not found is another thing */
    TL_TRY(tl_shown_begin(c->shown, err));
    writing = true;
    TL_TRY(tl_store_begin_read(c->store, err));
    reading = true;
    TL_TRY(look_at_all(c, now_ms, only, err));
    tl_store_rollback(c->store);
    reading = false;
    TL_TRY(tl_shown_commit(c->shown, err));
    writing = false;
    for (struct view *view = c->views; view != NULL; view = view->next) {
        view->loaded = view->loaded || view->looked;
        if (view->looked)
            TL_TRY(copy_columns(view, err));
    }
out:
    if (reading)
        tl_store_rollback(c->store);
    if (writing)
        tl_shown_rollback(c->shown);
    if (rc != TL_OK && rc != TL_ERR_NOT_FOUND)
        close_store(c);
    return rc;
}

enum tl_code tl_changes_look(struct tl_changes *c, int64_t now_ms,
                             void (*told)(void *ctx, struct tl_changes_view *view, const struct tl_changes_news *news), void *ctx,
                             struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(look(c, now_ms, NULL, err));
    for (struct view *view = c->views; view != NULL; view = view->next) {
        struct tl_changes_news news = {
            .resync = view->resync, .delta = tl_buf_sv(&view->delta), .other_columns = view->other_columns};

        if (!view->looked)
            continue;
        news.moved =
            view->public.is.boundary_ms != view->will_be.boundary_ms || view->public.is.final_ms != view->will_be.final_ms;
        view->public.is = view->will_be;
        told(ctx, &view->public, &news);
    }
out:
    return rc;
}

/* ---- who is live ---- */

static struct view *find(struct tl_changes *c, struct tl_sv name)
{
    for (struct view *view = c->views; view != NULL; view = view->next)
        if (tl_sv_eq(view->public.name, name))
            return view;
    return NULL;
}

static void unlink_view(struct tl_changes *c, struct view *view)
{
    struct view **at = &c->views;

    while (*at != view)
        at = &(*at)->next;
    *at = view->next;
    view_close(view);
}

enum tl_code tl_changes_watch(struct tl_changes *c, struct tl_sv name, int64_t now_ms, struct tl_changes_view **out,
                              struct tl_err *err)
{
    struct view *view = find(c, name), *made = NULL;
    enum tl_code rc = TL_OK;

    if (view == NULL) {
        TL_TRY(view_open(c, name, &made, err));
        view = made;
    }
    if (!view->described) { /* nobody has listened to it yet: what this look finds is told out of the journal */
        TL_TRY(look(c, now_ms, view, err));
        view->public.is = view->will_be;
        if (!view->described)
            TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "view '%.*s' is not there any more", TL_SV_ARG(name)));
    }
    *out = &view->public;
    made = NULL;
out:
    if (made != NULL)
        unlink_view(c, made);
    return rc;
}

bool tl_changes_has(struct tl_changes *c, struct tl_sv name)
{
    const struct view *view = find(c, name);

    return view != NULL && view->described;
}

void tl_changes_names(struct tl_changes *c, struct tl_refusal *refusal)
{
    const struct tl_definition *definitions;
    size_t count = 0;
    struct tl_err ignored;

    if (c->store == NULL || tl_store_definitions(c->store, &definitions, &count, &ignored) != TL_OK)
        return;
    for (size_t d = 0; d < count && refusal->allowed_count < TL_REFUSAL_ALLOWED_MAX; d++)
        if (definitions[d].state == TL_DEFINITION_ACTIVE)
            refusal->allowed[refusal->allowed_count++] = definitions[d].view;
}

enum tl_code tl_changes_forget(struct tl_changes *c, struct tl_changes_view *public, struct tl_err *err)
{
    struct view *view = (struct view *)public;
    enum tl_code rc;

    TL_TRY(tl_shown_begin(c->shown, err));
    rc = tl_shown_forget(c->shown, public->is.id, err);
    if (rc == TL_OK)
        rc = tl_shown_commit(c->shown, err);
    tl_shown_rollback(c->shown);
    TL_TRY(rc);
    unlink_view(c, view);
out:
    return rc;
}

void tl_changes_each(struct tl_changes *c, void (*each)(void *ctx, struct tl_changes_view *view), void *ctx)
{
    for (struct view *view = c->views, *next; view != NULL; view = next) {
        next = view->next;
        each(ctx, &view->public);
    }
}

/* ---- what was shown ---- */

enum tl_code tl_changes_rows(struct tl_changes *c, const struct tl_changes_view *view, int64_t behind_ms,
                             enum tl_code (*each)(void *ctx, const struct tl_shown_row *row, bool *enough, struct tl_err *err),
                             void *ctx, struct tl_err *err)
{
    struct tl_shown_row row;
    bool there = false, enough = false;
    enum tl_code rc;

    TL_TRY(tl_shown_walk(c->shown, view->is.id, behind_ms, true, err));
    while (!enough) {
        TL_TRY(tl_shown_next(c->shown, &row, &there, err));
        if (!there)
            break;
        TL_TRY(each(ctx, &row, &enough, err));
    }
out:
    tl_shown_walk_end(c->shown);
    return rc;
}

enum tl_code tl_changes_leads_on(struct tl_changes *c, const struct tl_changes_view *view, int64_t since, bool *leads,
                                 struct tl_err *err)
{
    *leads = since == view->is.first || since == view->is.seq;
    return *leads || since < view->is.first ? TL_OK : tl_shown_has(c->shown, view->is.id, since, leads, err);
}

enum tl_code tl_changes_behind(struct tl_changes *c, const struct tl_changes_view *view, int64_t since, int64_t *bytes,
                               struct tl_err *err)
{
    return tl_shown_behind(c->shown, view->is.id, since, bytes, err);
}

enum tl_code tl_changes_since(struct tl_changes *c, const struct tl_changes_view *view, int64_t since,
                              enum tl_code (*each)(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *err),
                              void *ctx, struct tl_err *err)
{
    return tl_shown_journal(c->shown, view->is.id, since, each, ctx, err);
}

uint64_t tl_changes_seed(const struct tl_changes *c)
{
    return tl_shown_seed(c->shown);
}

/* ---- open, wait, close ---- */

enum tl_code tl_changes_open(const struct tl_changes_config *config, struct tl_changes **out, struct tl_err *err)
{
    struct tl_changes *c = calloc(1, sizeof *c);
    enum tl_code rc;

    if (c == NULL)
        return tl_fail_memory(err, sizeof *c);
    c->config = *config;
    c->store_url = strdup(config->store);
    if (c->store_url == NULL)
        TL_TRY(tl_fail_memory(err, strlen(config->store)));
    TL_TRY(tl_shown_open(config->file, &c->shown, err));
    TL_TRY(tl_shown_views(c->shown, take_kept, c, err));
    *out = c;
    c = NULL;
out:
    tl_changes_close(c);
    return rc;
}

void tl_changes_close(struct tl_changes *c)
{
    if (c == NULL)
        return;
    while (c->views != NULL)
        unlink_view(c, c->views);
    close_store(c);
    tl_shown_close(c->shown);
    free(c->store_url);
    free(c);
}

enum tl_code tl_changes_wait(struct tl_changes *c, int64_t timeout_ms, int wake_fd, bool *changed, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (c->store == NULL)
        TL_TRY(tl_store_open(c->store_url, TL_STORE_READ, &c->store, err));
    TL_TRY(tl_store_wait(c->store, timeout_ms, wake_fd, changed, err));
out:
    if (rc != TL_OK)
        close_store(c);
    return rc;
}
