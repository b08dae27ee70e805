/* worker.c: one thread: its partitions of the log, its core, its partial. See worker.h. */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"

#ifdef TL_TINY
enum { READ_BYTES_MAX = 4096 };
#else
enum { READ_BYTES_MAX = 4 << 20 };
#endif
/* With several partitions a worker reads a little of each in turn: what is late is judged by the one that is furthest behind, so large reads
 * would let late events pass while it catches up. */
enum { WAIT_MS = 10, READ_SEVERAL_MAX = 64, PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000, FRESH_MS = 200 };

static void wake_committer(const struct tl_worker *worker)
{
    uint64_t one = 1;

    while (write(worker->signals->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* ---- opening ---- */

static enum tl_code add_ids(void *ctx, struct tl_sv ids, struct tl_err *err)
{
    return tl_horizon_load(ctx, ids, err);
}

/* The ids that stood before what is read next. The active definitions' may lie behind that (a definition starts again, another table
 * of the topic is new), and a definition that comes back after a while goes on with theirs. */
static enum tl_code load_ids(struct tl_store *store, int64_t lane, const struct tl_worker_partition *mine, struct tl_err *err)
{
    return tl_store_dedup(store, lane, mine->lane->topic, mine->lane->in_topic, mine->next_offset, add_ids, mine->horizon, err);
}

static enum tl_code open_partition(struct tl_worker *worker, struct tl_lane_partition *lane_partition, struct tl_store *store,
                                   struct tl_err *err)
{
    struct tl_worker_partition *mine = &worker->partitions[worker->partitions_count];
    const struct tl_plan *plan = worker->lane->plan;
    const struct tl_source *source = &plan->sources[lane_partition->source];
    enum tl_code rc = TL_OK;

    *mine = (struct tl_worker_partition){.lane = lane_partition,
                                         .next_offset = lane_partition->position.next_offset,
                                         .last_offset = lane_partition->position.last_offset,
                                         .fingerprint = lane_partition->position.fingerprint,
                                         .log_ms = lane_partition->position.log_ms,
                                         .quiet_since_ms = tl_clock_monotonic_ms()};
    worker->partitions_count++;
    if (source->dedup_slot >= 0) {
        TL_TRY(tl_horizon_open(plan->settings.dedup_horizon_ms, plan->settings.dedup_ids_max, &mine->horizon, err));
        if (!worker->lane->replays) /* which has seen all that came before */
            TL_TRY(load_ids(store, 0, mine, err));
        if (worker->lane->number != 0)
            TL_TRY(load_ids(store, worker->lane->number, mine, err));
    }
    if (lane_partition->history != NULL)
        TL_TRY(tl_history_reader_open(worker->lane->history, lane_partition->history, &mine->history, err));
out:
    return rc;
}

/* The minimum of the source's partitions that other workers read. */
static int64_t others_at_start(const struct tl_worker *worker, uint32_t source, uint32_t worker_number, uint32_t workers_count)
{
    int64_t min = INT64_MAX;

    for (uint32_t p = 0; p < worker->lane->partitions_count; p++)
        if (worker->lane->partitions[p].source == source && p % workers_count != worker_number &&
            worker->lane->partitions[p].position.watermark_ms != TL_WATERMARK_END)
            min = tl_min_i64(min, worker->lane->partitions[p].position.watermark_ms);
    return min;
}

/* What the source's events were judged by so far: a restart must not judge more mildly, for final windows are gone from memory. */
static int64_t judged_at_start(const struct tl_lane *lane, uint32_t source)
{
    int64_t judged = INT64_MIN;

    for (uint32_t p = 0; p < lane->partitions_count; p++)
        if (lane->partitions[p].source == source)
            judged = tl_max_i64(judged, lane->partitions[p].position.judged_ms);
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0 && lane->plan->views[v].source == source && lane->final_ms[v] != INT64_MIN)
            judged = tl_max_i64(judged, tl_add_sat_i64(lane->final_ms[v] - 1, lane->plan->views[v].lateness_ms));
    return judged;
}

/* What of that needed no idle partition to be left out: up to the minimum of those that were known, which one that is new comes to stand below. One
 * without an event is not new to the next start any more, and may have been left out. */
static int64_t patient_at_start(const struct tl_lane *lane, uint32_t source, int64_t judged_ms)
{
    int64_t min = INT64_MAX;

    if (lane->plan->sources[source].idle_timeout_ms == 0)
        return judged_ms;
    for (uint32_t p = 0; p < lane->partitions_count; p++)
        if (lane->partitions[p].source == source && !lane->partitions[p].is_new &&
            lane->partitions[p].position.watermark_ms != TL_WATERMARK_END)
            min = tl_min_i64(min, lane->partitions[p].position.watermark_ms);
    return tl_min_i64(min, judged_ms);
}

static enum tl_code open_watermark(struct tl_worker *worker, uint32_t source, uint32_t worker_number, uint32_t workers_count,
                                   struct tl_err *err)
{
    struct tl_watermark_partition *own = calloc(worker->partitions_count + 1, sizeof *own);
    int64_t judged_ms = judged_at_start(worker->lane, source);
    uint32_t count = 0;
    enum tl_code rc;

    if (own == NULL)
        return tl_fail_memory(err, worker->partitions_count * sizeof *own);
    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];

        if (mine->lane->source != source)
            continue;
        mine->watermark_index = count;
        own[count++] = (struct tl_watermark_partition){mine->lane->partition, mine->lane->position.watermark_ms, false};
    }
    rc = tl_watermark_init(&worker->watermarks[source], own, count, others_at_start(worker, source, worker_number, workers_count),
                           judged_ms, patient_at_start(worker->lane, source, judged_ms), err);
    free(own);
    return rc;
}

static enum tl_code see_ids(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                            const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct tl_worker *worker = ctx;
    enum tl_code rc = TL_OK;

    (void)time_ms;
    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];

        if (mine->lane->source != source || mine->lane->partition != partition)
            continue;
        for (uint32_t i = 0; i < count; i++) {
            enum tl_seen answer;

            TL_TRY(tl_horizon_see(mine->horizon, ids[i], log_ms[i], &answer, err));
            seen[i] = (uint8_t)answer;
        }
    }
out:
    return rc;
}

enum tl_code tl_worker_open(struct tl_worker *worker, const struct tl_lane *lane, uint32_t worker_number, uint32_t workers_count,
                            const struct tl_common_options *common, struct tl_store *store, struct tl_worker_signals *signals,
                            struct tl_err *err)
{
    struct tl_core_config config = {
        .plan = lane->plan, .views_wanted = lane->views_wanted, .dedup = see_ids, .dedup_ctx = worker};
    enum tl_code rc = TL_OK;

    *worker = (struct tl_worker){.lane = lane, .signals = signals};
    worker->partitions = calloc(lane->partitions_count, sizeof *worker->partitions);
    worker->watermarks = calloc(lane->plan->sources_count, sizeof *worker->watermarks);
    if (worker->partitions == NULL || worker->watermarks == NULL)
        TL_TRY(tl_fail_memory(err, lane->partitions_count * sizeof *worker->partitions));
    TL_TRY(tl_ring_init(&worker->out, TL_WORKER_PARTIALS, err));
    TL_TRY(tl_ring_init(&worker->back, TL_WORKER_PARTIALS, err));
    TL_TRY(tl_source_logs_open_for(common, lane->plan, lane->partitions_count, &worker->logs, err));
    TL_TRY(tl_core_open(&config, &worker->core, err));
    for (uint32_t p = worker_number; p < lane->partitions_count; p += workers_count)
        TL_TRY(open_partition(worker, &lane->partitions[p], store, err));
    for (uint32_t s = 0; s < lane->plan->sources_count; s++)
        TL_TRY(open_watermark(worker, s, worker_number, workers_count, err));
    for (int i = 0; i < TL_WORKER_PARTIALS; i++)
        TL_TRY(tl_partial_open(lane->plan, NULL, &worker->own[i], err));
    worker->at_hand = worker->own[0];
    worker->spare = worker->own[1];
out:
    return rc;
}

void tl_worker_close(struct tl_worker *worker)
{
    if (worker->running)
        pthread_join(worker->thread, NULL);
    worker->running = false;
    for (int i = 0; i < TL_WORKER_PARTIALS; i++)
        tl_partial_close(worker->own[i]);
    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        tl_horizon_close(worker->partitions[p].horizon);
        tl_history_reader_close(worker->partitions[p].history);
    }
    for (uint32_t s = 0; worker->watermarks != NULL && s < worker->lane->plan->sources_count; s++)
        tl_watermark_done(&worker->watermarks[s]);
    free(worker->partitions);
    free(worker->watermarks);
    tl_core_close(worker->core);
    tl_source_logs_close(worker->logs);
    tl_ring_done(&worker->out);
    tl_ring_done(&worker->back);
}

/* ---- running ---- */

/* Takes back what the committer has done with, and hears how far the others are. */
static void take_back(struct tl_worker *worker)
{
    struct tl_partial *partial;

    while ((partial = tl_ring_take(&worker->back)) != NULL) {
        for (uint32_t s = 0; s < worker->lane->plan->sources_count; s++)
            if (worker->watermarks[s].partitions_count > 0)
                tl_watermark_hear(&worker->watermarks[s], &partial->sources[s].heard);
        worker->spare = partial;
    }
}

/* What the worker holds, as of a hand-over: only then does it know both of its partials. */
static void weigh(struct tl_worker *worker, const struct tl_partial *partial)
{
    size_t bytes = 0;

    worker->own_bytes[partial == worker->own[0] ? 0 : 1] = tl_partial_bytes(partial);
    for (int i = 0; i < TL_WORKER_PARTIALS; i++)
        bytes += worker->own_bytes[i];
    for (uint32_t p = 0; p < worker->partitions_count; p++)
        if (worker->partitions[p].horizon != NULL)
            bytes += tl_horizon_bytes(worker->partitions[p].horizon);
    atomic_store(&worker->state_bytes, bytes);
}

/* States where each of the worker's partitions is, also those without news, and gives the partial away. */
static enum tl_code hand_over(struct tl_worker *worker, uint64_t ticket, struct tl_err *err)
{
    struct tl_partial *partial = worker->at_hand;
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];
        struct tl_partial_partition *state = tl_partial_partition(partial, mine->lane->source, mine->lane->partition);
        const struct tl_watermark_partition *mark;

        if (state == NULL)
            TL_TRY(tl_fail_memory(err, sizeof *state));
        mark = &worker->watermarks[mine->lane->source].partitions[mine->watermark_index];
        state->next_offset = mine->next_offset;
        state->last_offset = mine->last_offset;
        state->fingerprint = mine->fingerprint;
        state->watermark_ms = mark->watermark_ms;
        state->idle = mark->idle;
        state->at_end = mine->at_end;
        if (mine->horizon != NULL) {
            tl_horizon_save(mine->horizon, &state->ids);
            TL_TRY(tl_buf_check(&state->ids, "event ids", err));
            tl_horizon_saved(mine->horizon);
        }
    }
    for (uint32_t s = 0; s < worker->lane->plan->sources_count; s++)
        partial->sources[s].judged_ms = worker->watermarks[s].judge_ms;
    weigh(worker, partial);
    partial->ticket = worker->ticket = ticket;
    worker->at_hand = NULL;
    if (!tl_ring_put(&worker->out, partial))
        TL_TRY(tl_fail(err, TL_ERR_LIMIT, "the committer's ring is full, which two partials cannot do"));
    wake_committer(worker);
out:
    return rc;
}

/* In a replay what a partition has behind its end says whether it is idle there: it may have a backlog. */
static bool wants_behind(const struct tl_worker *worker, const struct tl_worker_partition *mine)
{
    return worker->signals->log_ms != NULL && worker->lane->plan->sources[mine->lane->source].idle_timeout_ms > 0 &&
           !mine->knows_behind;
}

/* The partition with something to read whose watermark is furthest behind; NULL: none. */
static struct tl_worker_partition *choose(struct tl_worker *worker)
{
    struct tl_worker_partition *best = NULL;
    int64_t best_ms = INT64_MAX;

    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];
        int64_t at_ms = worker->watermarks[mine->lane->source].partitions[mine->watermark_index].watermark_ms;

        if (((mine->at_end || mine->awaits) && !mine->look) ||
            (mine->next_offset >= mine->lane->until_offset && !wants_behind(worker, mine)))
            continue;
        if (mine->pause_ms != 0 && tl_clock_monotonic_ms() < mine->ask_at_ms)
            continue;
        if (best == NULL || at_ms < best_ms) {
            best = mine;
            best_ms = at_ms;
        }
    }
    return best;
}

static bool has_ended(const struct tl_worker *worker, const struct tl_worker_partition *mine)
{
    return worker->watermarks[mine->lane->source].partitions[mine->watermark_index].watermark_ms == TL_WATERMARK_END;
}

static void note_ends(struct tl_worker *worker)
{
    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];

        if (mine->lane->ends && mine->next_offset >= mine->lane->until_offset && !has_ended(worker, mine))
            tl_watermark_end(&worker->watermarks[mine->lane->source], mine->watermark_index);
    }
}

/* Reading has failed, and now something comes: the topic may have been deleted and made again meanwhile. What came is read again. */
static enum tl_code check_suspect(struct tl_worker *worker, struct tl_worker_partition *mine, struct tl_err *err)
{
    const struct tl_lane_ground ground = {.plan = worker->lane->plan, .logs = worker->logs};
    const struct tl_position position = {
        .partition = mine->lane->partition, .last_offset = mine->last_offset, .fingerprint = mine->fingerprint};
    enum tl_code rc = tl_lane_check_message(&ground, mine->lane, &position, NULL, err);

    if (rc == TL_OK)
        mine->suspect = false;
    return rc;
}

/* What the partition has come to, for those that have reached their end. */
static void note_log_time(struct tl_worker *worker, struct tl_worker_partition *mine, const struct tl_log_entries *entries)
{
    atomic_int_fast64_t *all;

    if (worker->signals->log_ms == NULL)
        return;
    all = &worker->signals->log_ms[mine->lane->source];
    for (size_t i = 0; i < entries->count; i++)
        mine->log_ms = tl_max_i64(mine->log_ms, entries->messages[i].log_ms);
    for (int_fast64_t seen = atomic_load(all); seen < mine->log_ms && !atomic_compare_exchange_weak(all, &seen, mine->log_ms);)
        ;
}

static enum tl_code read_log(struct tl_worker *worker, struct tl_worker_partition *mine, int64_t offset, size_t messages_max,
                             struct tl_log_entries *out, struct tl_err *err)
{
    struct tl_log *log = tl_source_log(worker->logs, mine->lane->source);

    if (mine->history != NULL)
        return tl_history_read(mine->history, log, offset, messages_max, READ_BYTES_MAX, out, err);
    return tl_log_read(log, mine->lane->topic, mine->lane->in_topic, offset, messages_max, READ_BYTES_MAX, out, err);
}

/* The first message behind the end of a replay's partition. What nobody can tell of is not idle. */
static enum tl_code look_behind(struct tl_worker *worker, struct tl_worker_partition *mine, struct tl_err *err)
{
    struct tl_log_entries entries;
    int64_t offset, next_offset = mine->next_offset;
    enum tl_code rc;

    mine->look = false;
    do {
        offset = next_offset;
        rc = read_log(worker, mine, offset, 1, &entries, err);
        if (rc != TL_OK && err->retriable)
            return rc;
        if (rc != TL_OK) {
            mine->knows_behind = true;
            mine->behind_ms = rc == TL_ERR_NOT_FOUND ? INT64_MAX : INT64_MIN;
            return rc == TL_ERR_NOT_FOUND || rc == TL_ERR_GAP ? TL_OK : rc;
        }
        next_offset = entries.next_offset;
    } while (entries.count == 0 && !entries.at_end && next_offset > offset);
    mine->knows_behind = entries.count > 0 || entries.at_end;
    mine->behind_ms = entries.count > 0 ? entries.messages[0].log_ms : INT64_MAX;
    mine->awaits = !mine->knows_behind;
    return TL_OK;
}

static enum tl_code read_some(struct tl_worker *worker, struct tl_worker_partition *mine, struct tl_err *err)
{
    size_t messages_max = worker->partitions_count > 1 ? READ_SEVERAL_MAX : TL_BATCH_ROWS;
    struct tl_log_entries entries;
    struct tl_core_input input = {.source = mine->lane->source,
                                  .partition = mine->lane->partition,
                                  .watermark = &worker->watermarks[mine->lane->source],
                                  .watermark_index = mine->watermark_index};
    enum tl_code rc = TL_OK;

    TL_TRY(read_log(worker, mine, mine->next_offset, messages_max, &entries, err));
    if (mine->suspect && entries.count > 0)
        return check_suspect(worker, mine, err);
    while (entries.count > 0 && entries.messages[entries.count - 1].offset >= mine->lane->until_offset) {
        entries.count--; /* a bounded lane ends in the middle of a read */
        entries.next_offset = mine->lane->until_offset;
    }
    mine->at_end = entries.at_end;
    mine->read_ms = tl_clock_monotonic_ms();
    mine->awaits = entries.count == 0 && entries.next_offset == mine->next_offset;
    mine->look = false;
    if (entries.next_offset > mine->lane->until_offset)
        entries.next_offset = mine->lane->until_offset;
    input.messages = entries.messages;
    input.count = entries.count;
    input.next_offset = entries.next_offset;
    if (entries.count > 0) {
        mine->last_offset = entries.messages[entries.count - 1].offset;
        mine->fingerprint = tl_log_fingerprint_of(&entries.messages[entries.count - 1]);
        TL_TRY(tl_core_push(worker->core, &input, worker->at_hand, err));
        mine->quiet_since_ms = tl_clock_monotonic_ms();
        note_log_time(worker, mine, &entries);
    }
    mine->next_offset = entries.next_offset;
    if (mine->next_offset >= mine->lane->until_offset &&
        wants_behind(worker, mine)) /* before the lane is said to be at its end */
        TL_TRY(look_behind(worker, mine, err));
out:
    return rc;
}

/* Once each time that a partition falls silent: what comes from it later may be late. */
static void idle_report(const struct tl_worker_partition *mine, int64_t idle_ms)
{
    char topic[256];
    struct tl_diag_kv pairs[] = {
        {"topic",     topic, 0                   },
        {"partition", NULL,  mine->lane->in_topic},
        {"idle_ms",   NULL,  idle_ms             }
    };

    snprintf(topic, sizeof topic, "%.*s", TL_SV_ARG(mine->lane->topic));
    tl_diag_event(TL_WARN, "partition idle", pairs, TL_COUNT(pairs));
}

/* In a replay a partition that has come to its end is idle while the others are so much further in the log's time, and not as far as what it has behind
 * that end: then it was, whatever the clock says now. */
static bool is_left_behind(const struct tl_worker *worker, const struct tl_worker_partition *mine, int64_t timeout_ms)
{
    int64_t others_ms = atomic_load(&worker->signals->log_ms[mine->lane->source]);

    return mine->knows_behind && others_ms >= tl_add_sat_i64(mine->log_ms, timeout_ms) && others_ms < mine->behind_ms;
}

/* Only of what was read just now: while nothing is read (the store is away, the process stood still) a partition may have got events long ago. */
static void judge_idleness(struct tl_worker *worker)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    for (uint32_t p = 0; p < worker->partitions_count; p++) {
        struct tl_worker_partition *mine = &worker->partitions[p];
        const struct tl_source *source = &worker->lane->plan->sources[mine->lane->source];
        struct tl_watermark *watermark = &worker->watermarks[mine->lane->source];

        if (mine->knows_behind && !has_ended(worker, mine))
            tl_watermark_idle(watermark, mine->watermark_index, is_left_behind(worker, mine, source->idle_timeout_ms));
        else if (source->idle_timeout_ms > 0 && mine->at_end && now_ms - mine->read_ms <= FRESH_MS && !has_ended(worker, mine) &&
                 !watermark->partitions[mine->watermark_index].idle && now_ms - mine->quiet_since_ms >= source->idle_timeout_ms) {
            tl_watermark_idle(watermark, mine->watermark_index, true);
            idle_report(mine, now_ms - mine->quiet_since_ms);
        }
    }
}

/* The log may answer later: it is asked again after a while, and ticks go on meanwhile. Nobody knows what the partition has, so it is not at its end
 * and may not be taken for idle. */
static void wait_for_log(struct tl_worker *worker, struct tl_worker_partition *mine, const struct tl_err *err)
{
    if (mine->pause_ms == 0 && atomic_fetch_add(&worker->signals->silent_count, 1) == 0)
        tl_diag(TL_WARN, "the log does not answer, trying again: %s", err->message);
    mine->pause_ms = mine->pause_ms == 0 ? PAUSE_MIN_MS : tl_min_i64(mine->pause_ms * 2, PAUSE_MAX_MS);
    mine->ask_at_ms = tl_clock_monotonic_ms() + mine->pause_ms;
    mine->at_end = false;
    mine->suspect = true;
}

/* Nothing at all is no answer. */
static enum tl_code read_patiently(struct tl_worker *worker, struct tl_worker_partition *next, struct tl_err *err)
{
    bool to_its_end = next->next_offset < next->lane->until_offset;
    enum tl_code rc = to_its_end ? read_some(worker, next, err) : look_behind(worker, next, err);

    if (rc != TL_OK && err->retriable && worker->signals->patient) {
        wait_for_log(worker, next, err);
        return TL_OK;
    }
    if (rc == TL_OK && next->pause_ms != 0 && (next->at_end || !next->awaits)) {
        next->pause_ms = 0;
        if (atomic_fetch_sub(&worker->signals->silent_count, 1) == 1)
            tl_diag(TL_INFO, "the log answers again");
    }
    return rc;
}

/* After a while every partition may have something again, also while one of them always has. */
static void look_again(struct tl_worker *worker)
{
    worker->looked_ms = tl_clock_monotonic_ms();
    for (uint32_t p = 0; p < worker->partitions_count; p++)
        worker->partitions[p].look = true;
}

static enum tl_code run(struct tl_worker *worker, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    while (!atomic_load(&worker->signals->stop)) {
        uint64_t ticket = atomic_load(&worker->signals->ticket);
        struct tl_worker_partition *next;

        take_back(worker);
        if (worker->at_hand == NULL) {
            worker->at_hand = worker->spare;
            worker->spare = NULL;
        }
        if (worker->at_hand == NULL) { /* both are away: the committer is behind */
            tl_clock_sleep_ms(1);
            continue;
        }
        if (tl_clock_monotonic_ms() - worker->looked_ms >= WAIT_MS)
            look_again(worker);
        judge_idleness(worker);
        note_ends(worker);
        if (ticket > worker->ticket) {
            atomic_store(&worker->full, false);
            TL_TRY(hand_over(worker, ticket, err));
            continue;
        }
        if (tl_partial_groups(worker->at_hand) >= TL_WORKER_GROUPS_MAX ||
            tl_partial_load(worker->at_hand) >= TL_WORKER_LOAD_MAX) {
            if (!atomic_exchange(&worker->full, true))
                wake_committer(worker);
            tl_clock_sleep_ms(1);
            continue;
        }
        next = choose(worker);
        if (next != NULL) {
            TL_TRY(read_patiently(worker, next, err));
        } else {
            tl_source_logs_wait(worker->logs, WAIT_MS);
            look_again(worker);
        }
    }
out:
    return rc;
}

static void *thread_main(void *arg)
{
    struct tl_worker *worker = arg;

    if (run(worker, &worker->err) != TL_OK) {
        atomic_store(&worker->failed, true);
        wake_committer(worker);
    }
    return NULL;
}

enum tl_code tl_worker_start(struct tl_worker *worker, struct tl_err *err)
{
    int failure = pthread_create(&worker->thread, NULL, thread_main, worker);

    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a worker thread");
    }
    worker->running = true;
    return TL_OK;
}
