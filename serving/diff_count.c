/* diff_count.c: what is counted of the record for `tally diff`, and the rows that come of it. See diff_inside.h. */
#include <string.h>

#include "diff_inside.h"

/* ---- the plans that are counted ---- */

/* The view, by the keys and the windows that both have: keys that it shares with nobody are NULL for all, which leaves every number of a slot as it is. */
static enum tl_code roll_view(struct tl_diff *d, struct tl_diff_count *count, uint32_t v, const struct tl_preview_view *shown,
                              struct tl_err *err)
{
    struct tl_view *view = &count->plan.views[v];
    struct tl_expr **keys = tl_arena_zalloc(&d->memory, (view->keys_count + 1u) * sizeof(struct tl_expr *));

    if (keys == NULL)
        return tl_fail_memory(err, view->keys_count * sizeof(struct tl_expr *));
    for (uint32_t k = 0; k < view->keys_count; k++) {
        struct tl_expr *none;
        bool shared = false;

        for (uint32_t c = 0; c < shown->change.common_count; c++)
            shared = shared || shown->change.common[count->side][c] == k;
        keys[k] = view->keys[k];
        if (shared)
            continue;
        none = tl_arena_zalloc(&d->memory, sizeof *none);
        if (none == NULL)
            return tl_fail_memory(err, sizeof *none);
        none->op = TL_EXPR_CONSTANT;
        none->kind = none->constant.kind = view->keys[k]->kind;
        none->constant.is_null = true;
        keys[k] = none;
    }
    view->keys = keys;
    view->having = NULL;
    view->window = (struct tl_window_spec){.window = TL_WINDOW_TUMBLE,
                                           .size_ms = shown->bucket_ms,
                                           .slide_ms = shown->bucket_ms,
                                           .offset_ms = d->pairs[count->pairs[v]].bucket_offset_ms,
                                           .zone = view->window.zone};
    return TL_OK;
}

bool tl_diff_is_span(const struct tl_view *view)
{
    return view->window.window == TL_WINDOW_SESSION || view->window.window == TL_WINDOW_COUNT;
}

/* Can the events behind its units be told? Those of a view on a view are those of the view that it reads. */
bool tl_diff_has_events(const struct tl_diff *d, uint32_t p)
{
    const struct tl_diff_pair *pair = &d->pairs[p];

    return !d->own->no_events && pair->sides[TL_OLD].view >= 0 && pair->sides[TL_NEW].view >= 0 && d->views[p].preview.groups &&
           d->plan[TL_NEW]->views[pair->sides[TL_NEW].view].inner < 0 &&
           d->plan[TL_OLD]->views[pair->sides[TL_OLD].view].inner < 0;
}

static enum tl_diff_group group_of(const struct tl_diff *d, uint32_t p, enum tl_before_after side)
{
    const struct tl_plan *plan = d->plan[side];

    if (d->pairs[p].rolled)
        return TL_DIFF_ROLLED;
    return tl_diff_is_span(&plan->views[tl_view_root(plan, (uint32_t)d->pairs[p].sides[side].view)]) ? TL_DIFF_SPANS
                                                                                                     : TL_DIFF_CLOCK;
}

enum tl_code tl_diff_open_count(struct tl_diff *d, struct tl_diff_count *count, int number, bool events, struct tl_err *err)
{
    enum tl_before_after side = (enum tl_before_after)(number % TL_BOTH);
    enum tl_diff_group group = (enum tl_diff_group)(number / TL_BOTH);
    const struct tl_plan *plan = d->plan[side];
    struct tl_view *views;
    enum tl_code rc = TL_OK;

    count->side = side;
    count->diff = d;
    if (plan == NULL)
        return TL_OK;
    count->plan = *plan;
    count->wanted = tl_arena_zalloc(&d->memory, plan->views_count + 1u);
    count->has_edge = tl_arena_zalloc(&d->memory, plan->views_count + 1u);
    count->edges = tl_arena_zalloc(&d->memory, (plan->views_count + 1u) * sizeof *count->edges);
    count->pairs = tl_arena_zalloc(&d->memory, (plan->views_count + 1u) * sizeof *count->pairs);
    count->moves = tl_arena_zalloc(&d->memory, d->threads * sizeof *count->moves);
    count->push_ctxs = tl_arena_zalloc(&d->memory, d->threads * sizeof *count->push_ctxs);
    views = tl_arena_zalloc(&d->memory, (plan->views_count + 1u) * sizeof *views);
    if (count->wanted == NULL || count->has_edge == NULL || count->edges == NULL || count->pairs == NULL ||
        count->moves == NULL || count->push_ctxs == NULL || views == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *views));
    memcpy(views, plan->views, plan->views_count * sizeof *views);
    count->plan.views = views;
    for (uint32_t t = 0; t < d->threads; t++)
        count->push_ctxs[t] = events ? (void *)&count->moves[t] : (void *)count;
    for (uint32_t v = 0; v < plan->views_count; v++)
        count->pairs[v] = -1;
    for (uint32_t p = 0; p < d->report.views_count; p++) {
        int32_t v = d->pairs[p].sides[side].view;

        if (!d->views[p].compared || v < 0 || group_of(d, p, side) != group ||
            !(events ? tl_diff_has_events(d, p) : d->pairs[p].computed[side]))
            continue;
        count->wanted[v] = count->any = true;
        count->pairs[v] = (int32_t)p;
        if (group == TL_DIFF_ROLLED)
            TL_TRY(roll_view(d, count, (uint32_t)v, &d->views[p], err));
    }
out:
    return rc;
}

/* ---- the record ---- */

static bool same_topics(const struct tl_source *a, const struct tl_source *b)
{
    return tl_sv_eq(a->topic, b->topic) && tl_sv_eq(a->topic_pattern, b->topic_pattern);
}

static bool reads_source(const struct tl_diff *d, int side, uint32_t source)
{
    for (int c = side; c < TL_DIFF_COUNTS; c += TL_BOTH)
        for (uint32_t v = 0; v < d->counts[c].plan.views_count; v++)
            if (d->counts[c].plan.views[v].source == source && (d->counts[c].wanted[v] || d->events[c].wanted[v]))
                return true;
    return false;
}

/* Sources of equal topics are read once. */
static enum tl_code list_streams(struct tl_diff *d, struct tl_err *err)
{
    uint32_t room = 1;

    for (int side = 0; side < TL_BOTH; side++)
        room += d->plan[side] != NULL ? d->plan[side]->sources_count : 0;
    d->streams = tl_arena_zalloc(&d->memory, room * sizeof *d->streams);
    if (d->streams == NULL)
        return tl_fail_memory(err, room * sizeof *d->streams);
    for (int side = TL_BOTH; side-- > 0;) {
        for (uint32_t s = 0; d->plan[side] != NULL && s < d->plan[side]->sources_count; s++) {
            struct tl_diff_stream *mine = NULL;

            if (!reads_source(d, side, s))
                continue;
            for (uint32_t i = 0; i < d->streams_count && side == TL_OLD && d->plan[TL_NEW] != NULL; i++)
                if (d->streams[i].source[TL_OLD] < 0 && d->streams[i].source[TL_NEW] >= 0 &&
                    same_topics(&d->plan[TL_NEW]->sources[d->streams[i].source[TL_NEW]], &d->plan[side]->sources[s]))
                    mine = &d->streams[i];
            if (mine == NULL) {
                mine = &d->streams[d->streams_count++];
                mine->source[TL_OLD] = mine->source[TL_NEW] = -1;
            }
            mine->source[side] = (int32_t)s;
        }
    }
    return TL_OK;
}

static enum tl_code read_topics(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int side = 0; side < TL_BOTH; side++) {
        if (d->plan[side] == NULL)
            continue;
        if (d->store != NULL)
            TL_TRY(tl_source_topics_read(d->topics[side], d->store, err));
        TL_TRY(tl_source_topics_recorded(d->topics[side], d->master, err));
        tl_source_topics_suppose(d->topics[side]);
    }
out:
    return rc;
}

enum tl_code tl_diff_note_holes(struct tl_diff *d, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < d->streams_count; i++) {
        for (const struct tl_record_hole *hole = d->streams[i].input.holes; hole != NULL; hole = hole->next) {
            char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];

            if (hole->min_ms >= d->report.to_ms || hole->max_ms < d->report.from_ms)
                continue;
            d->holed = true;
            if (hole->min_ms == INT64_MIN)
                TL_TRY(tl_diff_note(d, err, "%s; nobody can say what it held: nothing is compared", hole->message));
            else
                TL_TRY(tl_diff_note(d, err, "%s; groups from %s to %s are not compared", hole->message,
                                    tl_diff_time(hole->min_ms, from), tl_diff_time(hole->max_ms, to)));
        }
    }
out:
    return rc;
}

enum tl_code tl_diff_open_record(struct tl_diff *d, struct tl_err *err)
{
    int64_t last_ms = INT64_MIN;
    char time[TL_TIME_TEXT_BYTES];
    enum tl_code rc;

    d->record_first_ms = INT64_MAX;
    TL_TRY(list_streams(d, err));
    TL_TRY(read_topics(d, err));
    for (uint32_t i = 0; i < d->streams_count; i++) {
        struct tl_diff_stream *stream = &d->streams[i];
        int side = stream->source[TL_NEW] >= 0 ? TL_NEW : TL_OLD;
        uint32_t rules_count = 0, topics_count;
        const struct tl_source_topic *topics =
            tl_source_topics_of(d->topics[side], (uint32_t)stream->source[side], &topics_count);

        for (int s = 0; s < TL_BOTH; s++)
            if (stream->source[s] >= 0)
                stream->rules[rules_count++] = tl_intake_time_rule(d->plan[s], (uint32_t)stream->source[s]);
        TL_TRY(tl_record_input_open(&stream->input, d->master, topics, topics_count, stream->rules, rules_count, err));
        d->record_first_ms = tl_min_i64(d->record_first_ms, stream->input.first_ms);
        last_ms = tl_max_i64(last_ms, stream->input.last_ms);
    }
    if (d->streams_count == 0)
        return TL_OK;
    if (d->record_first_ms > last_ms || d->record_first_ms >= d->report.to_ms)
        TL_TRY(tl_diff_note(d, err, "nothing is on record of the range; `tally archive` records"));
    else if (last_ms < d->report.to_ms && last_ms < d->report.from_ms)
        TL_TRY(tl_diff_note(d, err, "the record ends at %s, before the range", tl_diff_time(last_ms, time)));
    else if (d->record_first_ms > d->report.from_ms)
        TL_TRY(tl_diff_note(d, err, "the record begins at %s, within the range", tl_diff_time(d->record_first_ms, time)));
out:
    return rc;
}

/* ---- rows ---- */

/* Up to how far behind a hole rows are not known: count windows go on counting from where it was, and so does what is made of sessions that it has cut.
 * A session that begins more than a gap behind it is its own: more than either side's, for the other one's may have lost all of its events. */
static int64_t end_of_hole(const struct tl_diff *d, const struct tl_diff_pair *pair, const struct tl_record_hole *hole)
{
    const struct tl_plan *plan = d->plan[TL_NEW];
    const struct tl_view *root = &plan->views[tl_view_root(plan, (uint32_t)pair->sides[TL_NEW].view)];
    int64_t end_ms = hole->max_ms;

    if (pair->rolled)
        return end_ms;
    if (!tl_diff_is_span(root)) {
        for (int32_t v = plan->views[pair->sides[TL_NEW].view].inner; v >= 0; v = plan->views[v].inner) {
            const struct tl_window_spec *window = &plan->views[v].window;
            end_ms = tl_add_sat_i64(end_ms, window->size_ms + (window->zone == NULL ? 0 : TL_DAY_MS));
        }
        return end_ms;
    }
    if (root->window.window == TL_WINDOW_COUNT || plan->views[pair->sides[TL_NEW].view].inner >= 0)
        return INT64_MAX;
    for (int side = 0; side < TL_BOTH; side++)
        if (pair->sides[side].view >= 0)
            end_ms =
                tl_max_i64(end_ms, tl_add_sat_i64(hole->max_ms, d->plan[side]->views[pair->sides[side].view].window.size_ms));
    return end_ms;
}

static bool is_in_hole(const struct tl_diff *d, const struct tl_diff_pair *pair, int64_t start_ms, int64_t end_ms)
{
    for (uint32_t i = 0; i < d->streams_count; i++)
        for (const struct tl_record_hole *hole = d->streams[i].input.holes; hole != NULL; hole = hole->next)
            if (hole->min_ms <= end_ms && end_of_hole(d, pair, hole) >= start_ms)
                return true;
    return false;
}

struct holes {
    const struct tl_diff *d;
    const struct tl_diff_pair *pair;
};

static bool lies_in_hole(const void *ctx, int64_t start_ms, int64_t end_ms)
{
    const struct holes *holes = ctx;

    return is_in_hole(holes->d, holes->pair, start_ms, end_ms);
}

/* Rows came in as they were counted, and a hole may have shown behind them. */
enum tl_code tl_diff_leave_out(struct tl_diff *d, uint32_t p, struct tl_err *err)
{
    bool any = d->views[p].preview.spans;

    for (uint32_t i = 0; i < d->streams_count; i++)
        any = any || d->streams[i].input.holes != NULL;
    return any ? tl_preview_leave_out(&d->views[p].preview, lies_in_hole, &(struct holes){d, &d->pairs[p]},
                                      &d->views[p].hidden_count, err)
               : TL_OK;
}

/* Not all events of the group may be here. */
static bool is_hidden(struct tl_diff *d, const struct tl_diff_pair *pair, enum tl_before_after side, int64_t start_ms,
                      int64_t end_ms, struct tl_sv key)
{
    const struct tl_shape *shape = &pair->shape[TL_NEW];
    bool spans = shape->cut_per_key && !pair->rolled, keys_move = !tl_change_keys_stand(&d->views[pair - d->pairs].change);

    if (is_in_hole(d, pair, start_ms, end_ms))
        return true;
    if (!spans)
        return false;
    key.size -= key.size >= shape->key_tail_bytes ? shape->key_tail_bytes : 0;
    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        struct tl_diff_count *count = &d->counts[c];
        int32_t v = pair->sides[count->side].view;

        if (!count->any || v < 0 || !count->has_edge[v])
            continue;
        if (keys_move && count->side != side ? count->edges[v].unknown_count > 0 && start_ms < d->report.from_ms
                                             : tl_edge_hides(&count->edges[v], key, start_ms, end_ms))
            return true;
    }
    return false;
}

static bool is_inside(const struct tl_diff_pair *pair, const struct tl_preview_view *view, int64_t end_ms)
{
    bool begins = pair->shape[TL_NEW].ends_open || !view->change.windowed[TL_NEW];

    return begins ? end_ms >= view->from_ms && end_ms < view->to_ms : end_ms > view->from_ms && end_ms <= view->to_ms;
}

enum tl_code tl_diff_add_row(struct tl_diff *d, uint32_t p, enum tl_before_after side, int64_t start_ms, int64_t end_ms,
                             struct tl_sv key, struct tl_sv row, struct tl_err *err)
{
    struct tl_preview_view *view = &d->views[p];

    if (!is_inside(&d->pairs[p], view, end_ms))
        return TL_OK;
    if (is_hidden(d, &d->pairs[p], side, start_ms, end_ms, key)) {
        view->hidden_count++;
        return view->preview.spans ? tl_preview_add(&view->preview, side, start_ms, end_ms, key, (struct tl_sv){NULL, 0}, err)
                                   : TL_OK;
    }
    return tl_preview_add(&view->preview, side, start_ms, end_ms, key, row, err);
}

enum tl_code tl_diff_take_rows(void *ctx, uint32_t v, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_diff_count *count = ctx;
    struct tl_preview *preview;
    struct tl_buf row;
    enum tl_code rc = TL_OK;

    if (count->pairs[v] < 0)
        return TL_OK;
    preview = &count->diff->views[count->pairs[v]].preview;
    tl_buf_init(&row, 0);
    for (uint32_t i = 0; i < rows->count; i++) {
        tl_buf_clear(&row);
        tl_preview_put_row(preview, &row, count->side, tl_preview_columns(preview, count->side, rows, i));
        TL_TRY(tl_buf_check(&row, "a row", err));
        TL_TRY(tl_diff_add_row(count->diff, (uint32_t)count->pairs[v], count->side, rows->start_ms[i], rows->end_ms[i],
                               rows->key[i], tl_buf_sv(&row), err));
    }
out:
    tl_buf_done(&row);
    return rc;
}

/* ---- counting ---- */

struct pushing {
    struct tl_diff *d;
    struct tl_diff_count *counts;
    struct tl_diff_stream *stream;
    int64_t to_ms;
    struct tl_moves *moves;
    uint32_t turns[TL_DIFF_COUNTS]; /* of each count, where duplicates are judged */
};

/* The counts that are open and read the stream: the next one from *c on. */
static struct tl_diff_count *next_count(const struct pushing *pushing, int *c)
{
    for (; *c < TL_DIFF_COUNTS; ++*c)
        if (pushing->counts[*c].recount != NULL && pushing->stream->source[pushing->counts[*c].side] >= 0)
            return &pushing->counts[*c];
    return NULL;
}

static enum tl_code push_chunk(void *ctx, struct tl_crew_work *work, struct tl_err *err)
{
    const struct pushing *pushing = ctx;
    const struct tl_diff_count *count;
    enum tl_code rc = TL_OK;

    for (int c = 0; (count = next_count(pushing, &c)) != NULL; c++)
        TL_TRY(tl_recount_push(count->recount, (uint32_t)pushing->stream->source[count->side], work, pushing->turns[c], err));
    if (pushing->moves != NULL)
        TL_TRY(tl_moves_judge(pushing->moves, work->worker, err));
out:
    return rc;
}

static enum tl_code merge_round(void *ctx, const struct tl_crew_round *round, struct tl_err *err)
{
    const struct pushing *pushing = ctx;
    const struct tl_diff_count *count;
    enum tl_code rc = TL_OK;

    for (int c = 0; (count = next_count(pushing, &c)) != NULL; c++)
        TL_TRY(tl_recount_merge(count->recount, round->side, err));
out:
    return rc;
}

/* Windows that nothing unread can belong to may go; with one stream alone, for others have their own floors. */
static enum tl_code retire_round(void *ctx, const struct tl_crew_round *round, struct tl_err *err)
{
    const struct pushing *pushing = ctx;

    if (pushing->d->streams_count > 1 || round->floor_ms == INT64_MIN)
        return TL_OK;
    return tl_diff_retire(pushing->counts, tl_min_i64(round->floor_ms, pushing->to_ms), err);
}

static enum tl_code lose_block(void *ctx, const struct tl_feed_ref *ref, enum tl_code code, struct tl_err *err)
{
    const struct pushing *pushing = ctx;

    (void)code;
    return tl_record_input_lost(&pushing->stream->input, ref, err);
}

static enum tl_code push_stream(struct pushing *pushing, const struct tl_time_spans *spans, struct tl_err *err)
{
    struct tl_crew_config config = {.threads = pushing->d->threads,
                                    .push = push_chunk,
                                    .merge = merge_round,
                                    .merged = retire_round,
                                    .damaged = lose_block,
                                    .ctx = pushing};
    const struct tl_diff_count *count;
    enum tl_code rc;

    for (int c = 0; (count = next_count(pushing, &c)) != NULL; c++)
        if (tl_recount_judges(count->recount, (uint32_t)pushing->stream->source[count->side]))
            pushing->turns[c] = config.turns++;
    TL_TRY(tl_record_input_feed(&pushing->stream->input, spans, &config.feed, err));
    TL_TRY(tl_crew_run(&config, err));
out:
    tl_feed_close(config.feed);
    return rc;
}

enum tl_code tl_diff_push(struct tl_diff *d, struct tl_diff_count counts[TL_DIFF_COUNTS], int64_t from_ms, int64_t to_ms,
                          const struct tl_time_spans *spans, struct tl_moves *moves, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        if (counts[c].recount != NULL)
            TL_TRY(tl_recount_begin(counts[c].recount, from_ms, to_ms, err));
    for (uint32_t i = 0; i < d->streams_count; i++)
        TL_TRY(push_stream(&(struct pushing){.d = d, .counts = counts, .stream = &d->streams[i], .to_ms = to_ms, .moves = moves},
                           spans, err));
    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        if (counts[c].recount != NULL)
            tl_recount_end(counts[c].recount);
    if (d->out_of_memory)
        TL_TRY(tl_fail_memory(err, sizeof(struct tl_time_span)));
out:
    return rc;
}

enum tl_code tl_diff_retire(struct tl_diff_count counts[TL_DIFF_COUNTS], int64_t upto_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int c = 0; c < TL_DIFF_COUNTS; c++)
        if (counts[c].recount != NULL)
            TL_TRY(tl_recount_retire(counts[c].recount, upto_ms, err));
out:
    return rc;
}

void tl_diff_close_counts(struct tl_diff *d)
{
    for (int c = 0; c < TL_DIFF_COUNTS; c++) {
        struct tl_diff_count *count = &d->counts[c];

        tl_recount_close(count->recount);
        count->recount = NULL;
        for (uint32_t v = 0; count->any && v < count->plan.views_count; v++) {
            if (count->has_edge[v])
                tl_edge_done(&count->edges[v]);
            count->has_edge[v] = false;
        }
    }
}
