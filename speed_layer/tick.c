/* tick.c: the committer. See tick.h. */
#include "tick.h"

#include <stdlib.h>
#include <string.h>

#include "sql/shape.h"

/* ---- opening ---- */

static enum tl_code load_row(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    return tl_window_load_row(ctx, row->start_ms, row->end_ms, row->key, row->accumulators, err);
}

static enum tl_code load_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < states->count; i++)
        TL_TRY(tl_window_load_state(ctx, states->start_ms[i], states->end_ms[i], states->key[i], states->bytes[i], err));
out:
    return rc;
}

static enum tl_code load_windows(struct tl_tick *tick, struct tl_err *err)
{
    const struct tl_lane *lane = tick->lane;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_read(tick->store, err));
    for (uint32_t v = 0; v < lane->plan->views_count; v++) {
        struct tl_window *window = tick->all->views[v].window;

        tick->final_ms[v] = lane->final_ms[v];
        if (lane->definitions[v] == 0 || window == NULL)
            continue;
        tl_window_resume(window, lane->final_ms[v]);
        if (tick->beside[v])
            TL_TRY(tl_store_states(tick->store, lane->definitions[v], load_states, window, err));
        else
            TL_TRY(tl_store_rows(tick->store, lane->definitions[v], TL_LAYER_SPEED, lane->final_ms[v], INT64_MAX, load_row,
                                 window, err));
    }
out:
    tl_store_rollback(tick->store);
    return rc;
}

enum tl_code tl_tick_open(struct tl_tick *tick, const struct tl_lane *lane, struct tl_store *store, int64_t epoch,
                          struct tl_worker *workers, uint32_t workers_count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *tick = (struct tl_tick){.lane = lane, .store = store, .epoch = epoch, .workers = workers, .workers_count = workers_count};
    tick->in_hand = calloc(workers_count + 1, sizeof(struct tl_partial *));
    tick->positions = calloc(lane->partitions_count + 1, sizeof *tick->positions);
    tick->put_offset = calloc(lane->partitions_count + 1, sizeof *tick->put_offset);
    tick->dropped_ms = calloc(lane->partitions_count + 1, sizeof *tick->dropped_ms);
    tick->identity_put = calloc(lane->plan->views_count, sizeof *tick->identity_put);
    tick->final_ms = calloc(lane->plan->views_count, sizeof *tick->final_ms);
    tick->judged_ms = calloc(lane->plan->sources_count, sizeof *tick->judged_ms);
    tick->beside = calloc(lane->plan->views_count, sizeof *tick->beside);
    tick->outcomes = calloc(lane->plan->views_count, sizeof *tick->outcomes);
    if (tick->in_hand == NULL || tick->positions == NULL || tick->put_offset == NULL || tick->dropped_ms == NULL ||
        tick->identity_put == NULL || tick->final_ms == NULL || tick->judged_ms == NULL || tick->beside == NULL ||
        tick->outcomes == NULL)
        TL_TRY(tl_fail_memory(err, lane->partitions_count * sizeof *tick->positions));
    for (uint32_t p = 0; p < lane->partitions_count; p++) {
        tick->positions[p] = lane->partitions[p].position;
        tick->dropped_ms[p] = INT64_MIN;
    }
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        tick->beside[v] = tl_view_state(&lane->plan->views[v]) == TL_STATE_BESIDE;
    TL_TRY(tl_partial_open(lane->plan, NULL, &tick->all, err));
    TL_TRY(tl_relay_open(lane->plan, NULL, &tick->relay, err));
    TL_TRY(load_windows(tick, err));
out:
    return rc;
}

void tl_tick_close(struct tl_tick *tick)
{
    tl_partial_close(tick->all);
    tl_relay_close(tick->relay);
    free(tick->beside);
    free(tick->outcomes);
    free(tick->in_hand);
    free(tick->positions);
    free(tick->put_offset);
    free(tick->dropped_ms);
    free(tick->identity_put);
    free(tick->final_ms);
    free(tick->judged_ms);
}

/* ---- collecting ---- */

static bool reads_source(const struct tl_worker *worker, uint32_t source)
{
    return worker->watermarks[source].partitions_count > 0;
}

static struct tl_partial_partition *state_of(const struct tl_tick *tick, uint32_t p)
{
    const struct tl_lane_partition *partition = &tick->lane->partitions[p];

    assert(tick->workers_count > 0);
    return tl_partial_partition(tick->in_hand[p % tick->workers_count], partition->source, partition->partition);
}

bool tl_tick_collect(struct tl_tick *tick, uint64_t ticket)
{
    bool all = true;

    for (uint32_t w = 0; w < tick->workers_count; w++) {
        if (tick->in_hand[w] == NULL)
            tick->in_hand[w] = tl_ring_take(&tick->workers[w].out);
        all = all && tick->in_hand[w] != NULL && tick->in_hand[w]->ticket == ticket;
    }
    return all;
}

enum tl_code tl_tick_merge(struct tl_tick *tick, struct tl_err *err)
{
    const struct tl_plan *plan = tick->lane->plan;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < plan->sources_count; s++) {
        int64_t judged_ms = INT64_MAX;

        for (uint32_t w = 0; w < tick->workers_count; w++)
            if (reads_source(&tick->workers[w], s))
                judged_ms = tl_min_i64(judged_ms, tick->in_hand[w]->sources[s].judged_ms);
        tick->judged_ms[s] = judged_ms == INT64_MAX ? INT64_MIN : judged_ms;
    }
    for (uint32_t w = 0; w < tick->workers_count; w++)
        TL_TRY(tl_partial_merge_windows(tick->all, tick->in_hand[w], err));
    TL_TRY(tl_relay_advance(tick->relay, tick->all, tick->judged_ms, err));
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++) {
        const struct tl_partial_partition *state = state_of(tick, p);
        struct tl_position *position = &tick->positions[p];

        position->next_offset = state->next_offset;
        if (!state->touched)
            continue;
        position->last_offset = state->last_offset;
        position->fingerprint = state->fingerprint;
        position->watermark_ms = state->watermark_ms;
        position->judged_ms = tl_max_i64(position->judged_ms, state->judged_ms);
        position->log_ms = tl_max_i64(position->log_ms, state->log_ms);
        position->messages_count += state->messages_count;
        position->events_count += state->events_count;
        tick->events_count += state->events_count;
    }
out:
    return rc;
}

/* ---- one transaction ---- */

struct sink {
    struct tl_tick *tick;
    int64_t definition, change;
};

static enum tl_code put_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct sink *sink = ctx;

    sink->tick->rows_begun += rows->count;
    return tl_store_put_speed_rows(sink->tick->store, sink->definition, rows, sink->change, err);
}

static enum tl_code drop_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct sink *sink = ctx;

    return tl_store_drop_speed_rows(sink->tick->store, sink->definition, rows, err);
}

static enum tl_code put_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    struct sink *sink = ctx;

    return tl_store_put_states(sink->tick->store, sink->definition, states, err);
}

static enum tl_code put_window(struct tl_tick *tick, uint32_t v, struct sink *sink, struct tl_err *err)
{
    struct tl_window *window = tick->all->views[v].window;
    const struct tl_window_sink to = {
        .ctx = sink, .rows = put_rows, .gone = drop_rows, .states = tick->beside[v] ? put_states : NULL};
    enum tl_code rc = TL_OK;

    TL_TRY(tl_window_changed(window, &to, err));
    if (tick->beside[v] && tl_window_states_upto_ms(window) != INT64_MIN)
        TL_TRY(tl_store_drop_states(tick->store, sink->definition, tl_window_states_upto_ms(window), err));
out:
    return rc;
}

static int64_t final_now(const struct tl_tick *tick, uint32_t v)
{
    const struct tl_plan *plan = tick->lane->plan;
    int64_t final_ms = tl_window_final_ms(&plan->views[v], tl_relay_watermark_ms(plan, v, tick->judged_ms));

    return tl_max_i64(tick->final_ms[v], final_ms);
}

static enum tl_code put_ledgers(struct tl_tick *tick, uint32_t v, const struct tl_partial *partial, struct tl_err *err)
{
    const struct tl_partial_view *view = &partial->views[v];
    const struct tl_partial_source *source = &partial->sources[tick->lane->plan->views[v].source];
    int64_t definition = tick->lane->definitions[v];
    enum tl_code rc = TL_OK;

    /* The view's own line of a row stands before one with flags only. */
    TL_TRY(tl_store_put_ledger(tick->store, definition, 0, view->ledger.lines, view->ledger.count, err));
    TL_TRY(tl_store_put_ledger(tick->store, definition, 0, source->ledger.lines, source->ledger.count, err));
out:
    return rc;
}

static enum tl_code put_view(struct tl_tick *tick, uint32_t v, int64_t change, struct tl_err *err)
{
    const struct tl_lane *lane = tick->lane;
    const struct tl_view *view = &lane->plan->views[v];
    struct sink sink = {tick, lane->definitions[v], change};
    uint64_t *outcomes = tick->outcomes[v];
    bool counted = false;
    int64_t final_ms = final_now(tick, v);
    uint32_t root = tl_view_root(lane->plan, v);
    enum tl_code rc = TL_OK;

    if (tick->all->views[v].window != NULL)
        TL_TRY(put_window(tick, v, &sink, err));
    TL_TRY(tl_store_put_ledger(tick->store, sink.definition, 0, tick->all->views[v].ledger.lines,
                               tick->all->views[v].ledger.count, err));
    for (int o = 0; o < TL_OUTCOMES; o++) {
        outcomes[o] = tick->all->views[root].outcomes[0][o];
        counted = counted || outcomes[o] > 0;
    }
    for (uint32_t w = 0; w < tick->workers_count; w++) {
        const struct tl_partial *partial = tick->in_hand[w];

        if (partial->views[v].events != NULL && partial->views[v].events->count > 0) {
            struct tl_rows rows = tl_event_rows_view(partial->views[v].events);

            TL_TRY(put_rows(&sink, &rows, err));
        }
        TL_TRY(put_ledgers(tick, v, partial, err));
        for (int o = 0; o < TL_OUTCOMES; o++) {
            outcomes[o] += partial->views[root].outcomes[0][o] + partial->sources[view->source].outcomes[0][o];
            counted = counted || outcomes[o] > 0;
        }
    }
    if (counted)
        TL_TRY(tl_store_add_outcomes(tick->store, sink.definition, outcomes, err));
    if (final_ms > tick->final_ms[v])
        TL_TRY(tl_store_put_final(tick->store, sink.definition, final_ms, err));
    if (!tick->identity_put[v])
        TL_TRY(tl_store_put_identity(tick->store, sink.definition, lane->identities[view->source], err));
out:
    return rc;
}

/* Those that are older than the horizon, once in a 64th of it: a store looks through an hour of ticks for them, which each tick would pay for with
 * 20 ms (bench_store_year). A tick that fails may have dropped them in vain: then they go the next time. */
static enum tl_code drop_ids(struct tl_tick *tick, uint32_t p, struct tl_err *err)
{
    const struct tl_lane_partition *partition = &tick->lane->partitions[p];
    int64_t horizon_ms = tick->lane->plan->settings.dedup_horizon_ms;
    int64_t old_ms = tl_add_sat_i64(tick->positions[p].log_ms, -horizon_ms);
    enum tl_code rc = TL_OK;

    if (tick->dropped_ms[p] != INT64_MIN && old_ms < tl_add_sat_i64(tick->dropped_ms[p], horizon_ms / 64))
        return TL_OK;
    TL_TRY(tl_store_drop_dedup(tick->store, tick->lane->number, partition->topic, partition->in_topic, old_ms, err));
    tick->dropped_ms[p] = old_ms;
out:
    return rc;
}

static enum tl_code put_partition(struct tl_tick *tick, uint32_t p, struct tl_err *err)
{
    const struct tl_lane *lane = tick->lane;
    const struct tl_lane_partition *partition = &lane->partitions[p];
    const struct tl_partial_partition *state = state_of(tick, p);
    const struct tl_position *position = &tick->positions[p];
    enum tl_code rc = TL_OK;

    /* The first tick puts all, so that a definition is known to speed. */
    if (!state->touched && tick->ticks_count > 0 && position->next_offset == tick->put_offset[p])
        return TL_OK;
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0 && lane->plan->views[v].source == partition->source)
            TL_TRY(tl_store_put_position(tick->store, lane->definitions[v], position, err));
    TL_TRY(tl_store_put_dead(tick->store, partition->topic, partition->in_topic, state->dead, state->dead_count, err));
    if (state->ids.size > 0) {
        TL_TRY(tl_store_put_dedup(tick->store, lane->number, partition->topic, partition->in_topic, position->next_offset,
                                  position->log_ms, tl_buf_sv(&state->ids), err));
        TL_TRY(drop_ids(tick, p, err));
    }
out:
    return rc;
}

/* Before the store's transaction, which must be short. */
static enum tl_code send_dead(struct tl_tick *tick, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; !tick->dead_sent && p < tick->lane->partitions_count; p++) {
        const struct tl_lane_partition *partition = &tick->lane->partitions[p];
        const struct tl_partial_partition *state = state_of(tick, p);

        TL_TRY(tl_dead_topic_send(tick->dead_topic, partition->source, partition->topic, partition->in_topic, state->dead,
                                  state->dead_count, err));
    }
    tick->dead_sent = true;
    tl_dead_topic_flush(tick->dead_topic);
out:
    return rc;
}

/* A tick without news is no transaction: an idle site writes nothing. */
static bool has_news(const struct tl_tick *tick)
{
    if (tick->ticks_count == 0)
        return true;
    /* A partition's end may lie behind what holds no message (a transaction's marker): one tick more says so, for when the log has let go of all
     * before it. */
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++)
        if (state_of(tick, p)->touched || (state_of(tick, p)->at_end && tick->positions[p].next_offset != tick->put_offset[p]))
            return true;
    for (uint32_t v = 0; v < tick->lane->plan->views_count; v++)
        if (tick->lane->definitions[v] != 0 && final_now(tick, v) > tick->final_ms[v])
            return true;
    return false;
}

void tl_tick_note_committed(struct tl_tick *tick)
{
    tick->committed = true;
    tick->ticks_count++;
    tick->rows_count += tick->rows_begun;
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++)
        tick->put_offset[p] = tick->positions[p].next_offset;
    memset(tick->identity_put, 1, tick->lane->plan->views_count * sizeof *tick->identity_put);
}

enum tl_code tl_tick_commit(struct tl_tick *tick, struct tl_err *err)
{
    const struct tl_lane *lane = tick->lane;
    enum tl_code rc = TL_OK;

    assert(!tick->unknown && !tick->committed);
    if (!has_news(tick))
        return TL_OK;
    tick->rows_begun = 0;
    TL_TRY(send_dead(tick, err));
    TL_TRY(tl_store_begin_tick(tick->store, tick->epoch, &tick->change, err));
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0)
            TL_TRY(put_view(tick, v, tick->change, err));
    for (uint32_t p = 0; p < lane->partitions_count; p++)
        TL_TRY(put_partition(tick, p, err));
    TL_TRY(tl_store_commit(tick->store, err));
    tl_tick_note_committed(tick);
out:
    if (rc != TL_OK)
        tl_store_rollback(tick->store);
    tick->unknown = rc == TL_ERR_UNKNOWN;
    return rc;
}

/* ---- after the transaction ---- */

/* What worker number `w` is to know of the source's other partitions. */
static void tell(const struct tl_tick *tick, uint32_t w, uint32_t source, struct tl_watermark_heard heard)
{
    heard.others_ms = heard.patient_others_ms = INT64_MAX;
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++) {
        const struct tl_partial_partition *state = state_of(tick, p);

        if (tick->lane->partitions[p].source != source || p % tick->workers_count == w || state->watermark_ms == TL_WATERMARK_END)
            continue;
        heard.patient_others_ms = tl_min_i64(heard.patient_others_ms, state->watermark_ms);
        if (!state->idle)
            heard.others_ms = tl_min_i64(heard.others_ms, state->watermark_ms);
    }
    tick->in_hand[w]->sources[source].heard = heard;
}

/* The combined watermark of the source's partitions, as the partials tell it; `patient`: with nobody taken for idle. */
static int64_t combined(const struct tl_tick *tick, uint32_t source, bool patient)
{
    struct tl_watermark_sum sum = TL_WATERMARK_NOTHING;

    for (uint32_t p = 0; p < tick->lane->partitions_count; p++) {
        const struct tl_partial_partition *state = state_of(tick, p);

        if (tick->lane->partitions[p].source == source)
            tl_watermark_add(&sum, state->watermark_ms, state->idle && !patient);
    }
    return tl_watermark_combined(&sum);
}

enum tl_code tl_tick_settle(struct tl_tick *tick, struct tl_err *err)
{
    const struct tl_plan *plan = tick->lane->plan;
    enum tl_code rc = TL_OK;

    tick->committed = tick->dead_sent = false;

    for (uint32_t v = 0; v < plan->views_count; v++) {
        tick->final_ms[v] = final_now(tick, v);
        if (tick->all->views[v].window != NULL)
            TL_TRY(tl_window_settle(tick->all->views[v].window, err));
    }
    tl_partial_reset_notes(tick->all);
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        struct tl_watermark_heard heard = {.floor_ms = combined(tick, s, false), .patient_floor_ms = combined(tick, s, true)};

        for (uint32_t w = 0; w < tick->workers_count; w++)
            tell(tick, w, s, heard);
    }
    for (uint32_t w = 0; w < tick->workers_count; w++) {
        tl_partial_reset(tick->in_hand[w]);
        if (!tl_ring_put(&tick->workers[w].back, tick->in_hand[w]))
            TL_TRY(tl_fail(err, TL_ERR_LIMIT, "a worker's ring is full, which two partials cannot do"));
        tick->in_hand[w] = NULL;
    }
out:
    return rc;
}

bool tl_tick_at_end(const struct tl_tick *tick)
{
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++) {
        const struct tl_partial_partition *state = state_of(tick, p);

        if (!state->at_end && state->next_offset < tick->lane->partitions[p].until_offset)
            return false;
    }
    return true;
}

bool tl_tick_at_rest(const struct tl_tick *tick)
{
    if (!tl_tick_at_end(tick))
        return false;
    for (uint32_t s = 0; s < tick->lane->plan->sources_count; s++)
        if (tick->judged_ms[s] < combined(tick, s, false))
            return false;
    return true;
}
