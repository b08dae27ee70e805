/* speed.c: the command: deals partitions to workers, ticks, drains.
 *
 * Shutdown, in this order: 1. SIGTERM or the end of --once; 2. a last tick is asked for and committed; 3. workers->stop; 4. workers are
 * joined; 5. committer and log are closed; 6. the epoch is left; 7. the store is closed.
 *
 * What may work later is waited for, said once, with a pause that grows: a tick that the store does not take is repeated as it is; any other
 * failure of that kind closes everything and begins again from what the store has, as after kill -9. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "event/partition.h"
#include "fence.h"
#include "follow.h"
#include "lane.h"
#include "look.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/notify.h"
#include "main/option.h"
#include "main/source_log.h"
#include "main/stop.h"
#include "main/views.h"
#include "speed_meter.h"
#include "sql/shape.h"
#include "tick.h"
#include "worker.h"

enum {
    WORKERS_MAX = 64,
    WAIT_FOR_LOG_MS = 200,
    GAP_PAUSE_MS = 1000,
    MISSING_MS = 10000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5000,
    SWAP_MIN_MS = 1000,
    SWAP_MAX_MS = 60000,
};

struct speed_options {
    bool once, accept_gap;
    int64_t tick_ms, workers;
};

struct speed {
    const struct tl_common_options *common;
    const struct speed_options *own;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_lane_ground ground; /* the plan, the store and the logs among it */
    struct tl_lane_patience patience;
    struct tl_dead_topic *dead_topic;
    struct tl_speed_meter *meter;      /* NULL: without --metrics-listen */
    struct tl_definition *definitions; /* per view */
    bool said_waiting;
    bool deal_again; /* a topic has more partitions than before */
    uint64_t ticks;  /* that were taken, in all */
};

/* ---- running a lane ---- */

static enum tl_code first_failure(struct tl_worker *workers, uint32_t workers_count, struct tl_err *err)
{
    for (uint32_t w = 0; w < workers_count; w++) {
        if (atomic_load(&workers[w].failed)) {
            if (err != NULL)
                *err = workers[w].err;
            return workers[w].err.code;
        }
    }
    return TL_OK;
}

static bool some_full(struct tl_worker *workers, uint32_t workers_count)
{
    for (uint32_t w = 0; w < workers_count; w++)
        if (atomic_load(&workers[w].full))
            return true;
    return false;
}

static void wait_on(int fd, int64_t ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    uint64_t count;

    if (ms > 0 && poll(&poll_fd, 1, (int)tl_min_i64(ms, 1000)) == 1 && read(fd, &count, sizeof count) < 0)
        return;
}

/* What is unknown can be found out. */
static bool may_work_later(enum tl_code rc, const struct tl_err *err)
{
    return rc == TL_ERR_UNKNOWN || err->retriable;
}

static void pause_for(int64_t ms)
{
    int64_t until_ms = tl_clock_monotonic_ms() + ms, left_ms;

    while (!tl_stop_requested() && (left_ms = until_ms - tl_clock_monotonic_ms()) > 0)
        tl_clock_sleep_ms(tl_min_i64(left_ms, RETRY_MIN_MS));
}

/* Before what did not work is tried again. *pause_ms: RETRY_MIN_MS the first time, which is the one that is said. */
static void wait_to_retry(int64_t *pause_ms, const char *what, const struct tl_err *err)
{
    if (*pause_ms == RETRY_MIN_MS)
        tl_diag(TL_WARN, "%s: %s", what, err->message);
    pause_for(*pause_ms);
    *pause_ms = tl_min_i64(*pause_ms * 2, RETRY_MAX_MS);
}

/* The answer to a commit was lost: asks the store, under a new epoch, whether the tick is in it. */
static enum tl_code find_out(struct speed *speed, struct tl_tick *tick, struct tl_err *err)
{
    bool committed;
    enum tl_code rc;

    TL_TRY(tl_fence_renew(speed->ground.fence, speed->ground.store, tick->change, &committed, err));
    tick->epoch = speed->ground.epoch = tl_fence_epoch(speed->ground.fence);
    tick->unknown = false;
    tl_diag(TL_INFO, "the answer to a commit was lost: the tick %s in the store", committed ? "is" : "is not");
    if (committed)
        tl_tick_note_committed(tick);
out:
    return rc;
}

/* Commits, again and again while the store says that it may work later: a full disk, a long lock, a lost connection. Said once, and when it is over. */
static enum tl_code commit_patiently(struct speed *speed, struct tl_tick *tick, struct tl_err *err)
{
    int64_t pause_ms = RETRY_MIN_MS;
    enum tl_code rc;

    tl_speed_meter_due(tick->meter);
    for (;;) {
        rc = tick->unknown ? find_out(speed, tick, err) : TL_OK;
        if (rc == TL_OK && !tick->committed)
            rc = tl_tick_commit(tick, err);
        if (rc == TL_OK || !may_work_later(rc, err) || tl_stop_requested())
            break;
        tl_speed_meter_refused(tick->meter, err);
        wait_to_retry(&pause_ms, "the tick is not taken, trying again", err);
        TL_TRY(tl_fence_check(speed->ground.fence, err));
    }
    if (rc == TL_OK && pause_ms > RETRY_MIN_MS)
        tl_diag(TL_INFO, "ticks are taken again");
    if (rc == TL_OK && tick->committed)
        speed->ticks++;
out:
    return rc;
}

static enum tl_code one_tick(struct speed *speed, struct tl_tick *tick, struct tl_worker_signals *signals,
                             struct tl_worker *workers, uint32_t workers_count, struct tl_err *err)
{
    uint64_t ticket = atomic_fetch_add(&signals->ticket, 1) + 1;
    int64_t begun_ns = tl_clock_monotonic_ns();
    enum tl_code rc = TL_OK;

    while (!tl_tick_collect(tick, ticket)) {
        wait_on(signals->wake_fd, 100);
        TL_TRY(tl_fence_check(speed->ground.fence, err));
        TL_TRY(first_failure(workers, workers_count, err));
    }
    TL_TRY(tl_tick_merge(tick, err));
    TL_TRY(commit_patiently(speed, tick, err));
    tl_speed_meter_tick(tick->meter, tick, begun_ns);
out:
    return rc;
}

static enum tl_code put_ready(struct speed *speed, const struct tl_lane *lane, struct tl_err *err)
{
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(speed->ground.store, speed->ground.epoch, &change, err));
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0)
            TL_TRY(tl_store_put_ready(speed->ground.store, lane->definitions[v], err));
    TL_TRY(tl_store_commit(speed->ground.store, err));
out:
    tl_store_rollback(speed->ground.store);
    return rc;
}

/* Once every partition has been at its end, the lane's definitions have caught up. Said twice it is the same: so it is repeated, as a tick is. */
static enum tl_code note_ready(struct speed *speed, const struct tl_lane *lane, struct tl_err *err)
{
    int64_t pause_ms = RETRY_MIN_MS;
    bool news = false;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        news = news || (lane->definitions[v] != 0 && !speed->definitions[v].speed_ready);
    if (!news)
        return TL_OK;
    while ((rc = put_ready(speed, lane, err)) != TL_OK && may_work_later(rc, err) && !tl_stop_requested()) {
        wait_to_retry(&pause_ms, "the store does not take that views have caught up, trying again", err);
        TL_TRY(tl_fence_check(speed->ground.fence, err));
    }
    TL_TRY(rc);
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0)
            speed->definitions[v].speed_ready = true;
out:
    return rc;
}

/* Refusals are said at once; that somebody reads just now only when it goes on for long. */
static void say_not_swapped(struct tl_sv view, enum tl_code rc, int64_t before_ms, int64_t pause_ms, const struct tl_err *err)
{
    bool due = rc == TL_ERR_BUSY ? before_ms < SWAP_MAX_MS && pause_ms == SWAP_MAX_MS : before_ms == SWAP_MIN_MS;

    if (due)
        tl_diag(TL_WARN, "view %.*s: its new definition has caught up and cannot be swapped in, trying again: %s",
                TL_SV_ARG(view), err->message);
}

/* Swaps in what has caught up. Where somebody reads the old tables just now, or batch has not published as far, it is tried again later; so it is
 * where the store refuses (a view of the user's own stands on ours). *pause_ms: until the next time. */
static enum tl_code swap_in(struct speed *speed, const struct tl_lane *lane, int64_t *pause_ms, struct tl_err *err)
{
    int64_t before_ms = *pause_ms;
    enum tl_code rc = TL_OK;

    *pause_ms = SWAP_MIN_MS;

    for (uint32_t v = 0; v < lane->plan->views_count; v++) {
        struct tl_definition *definition = &speed->definitions[v];
        bool swapped = false;

        if (lane->definitions[v] == 0 || definition->state != TL_DEFINITION_BUILDING || !definition->speed_ready)
            continue;
        rc = tl_store_swap(speed->ground.store, definition->id, speed->ground.epoch, &swapped, err);
        if (rc != TL_OK && !may_work_later(rc, err))
            return rc;
        if (rc != TL_OK) {
            *pause_ms = tl_min_i64(before_ms * 2, SWAP_MAX_MS);
            say_not_swapped(lane->plan->views[v].name, rc, before_ms, *pause_ms, err);
        }
        if (swapped) {
            definition->state = TL_DEFINITION_ACTIVE;
            tl_diag(TL_INFO, "view %.*s: its new definition has caught up and serves now", TL_SV_ARG(lane->plan->views[v].name));
        }
    }
    return TL_OK;
}

/* Without a look (a bounded lane): ends when every partition has reached its `until`. */
static enum tl_code tick_until_done(struct speed *speed, struct tl_lane *lane, struct tl_tick *tick,
                                    struct tl_worker_signals *signals, struct tl_worker *workers, uint32_t workers_count,
                                    struct tl_look *look, struct tl_err *err)
{
    int64_t next_ms = tl_clock_monotonic_ms() + speed->own->tick_ms, swap_ms = INT64_MIN, swap_pause_ms = SWAP_MIN_MS;
    bool bounded = look == NULL, done = false;
    enum tl_code rc = TL_OK;

    while (!done) {
        bool ending = tl_stop_requested();

        TL_TRY(tl_fence_check(speed->ground.fence, err));
        if (look != NULL) {
            TL_TRY(tl_look_heed(look, tick->positions, &speed->deal_again, err));
            ending = ending || speed->deal_again;
        }

        while (!ending && tl_clock_monotonic_ms() < next_ms && !some_full(workers, workers_count)) {
            TL_TRY(first_failure(workers, workers_count, err));
            wait_on(signals->wake_fd,
                    bounded ? tl_min_i64(next_ms - tl_clock_monotonic_ms(), 20) : next_ms - tl_clock_monotonic_ms());
            ending = tl_stop_requested();
        }
        next_ms = tl_clock_monotonic_ms() + speed->own->tick_ms;
        TL_TRY(one_tick(speed, tick, signals, workers, workers_count, err));
        if (tl_tick_at_end(tick))
            TL_TRY(note_ready(speed, lane, err));
        if (tl_tick_at_end(tick) && (bounded || tl_clock_monotonic_ms() >= swap_ms)) {
            TL_TRY(swap_in(speed, lane, &swap_pause_ms, err));
            swap_ms = tl_clock_monotonic_ms() + swap_pause_ms;
        }
        done = ending || (bounded && tl_tick_at_rest(tick));
        if (bounded && tl_tick_at_end(tick)) /* at once: what the workers do not know yet is how far the others are */
            next_ms = tl_clock_monotonic_ms();
        TL_TRY(tl_tick_settle(tick, err));
    }
out:
    return rc;
}

/* Rings inside want their cache lines to themselves. */
static struct tl_worker *workers_alloc(uint32_t count)
{
    struct tl_worker *workers = aligned_alloc(_Alignof(struct tl_worker), count * sizeof *workers);

    if (workers != NULL)
        memset(workers, 0, count * sizeof *workers);
    return workers;
}

static uint32_t workers_for(const struct speed *speed, const struct tl_lane *lane)
{
    int64_t wanted = speed->own->workers;

    if (wanted == 0)
        wanted = sysconf(_SC_NPROCESSORS_ONLN);
    wanted = tl_min_i64(tl_max_i64(wanted, 1), WORKERS_MAX);
    return (uint32_t)tl_min_i64(wanted, lane->partitions_count);
}

/* Is it a worker that found offsets or a topic gone? The store's own failures are no gaps. */
static bool is_gap(struct tl_worker *workers, uint32_t workers_count, enum tl_code rc)
{
    return (rc == TL_ERR_GAP || rc == TL_ERR_NOT_FOUND) && first_failure(workers, workers_count, NULL) == rc;
}

static enum tl_code run_lane(struct speed *speed, struct tl_lane *lane, bool bounded, struct tl_err *err)
{
    struct tl_worker_signals signals = {.wake_fd = -1, .patient = !speed->own->once};
    struct tl_worker *workers = NULL;
    struct tl_look *look = NULL;
    struct tl_tick tick = {0};
    uint32_t workers_count = workers_for(speed, lane), opened = 0;
    enum tl_code rc = TL_OK;

    if (lane->partitions_count == 0)
        return TL_OK;
    signals.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals.wake_fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "eventfd");
    workers = workers_alloc(workers_count);
    if (workers == NULL)
        TL_TRY(tl_fail_memory(err, workers_count * sizeof *workers));
    for (; opened < workers_count; opened++) {
        rc = tl_worker_open(&workers[opened], lane, opened, workers_count, speed->common, speed->ground.store, &signals, err);
        if (rc != TL_OK) {
            tl_worker_close(&workers[opened]);
            goto out;
        }
    }
    TL_TRY(tl_tick_open(&tick, lane, speed->ground.store, speed->ground.epoch, workers, workers_count, err));
    tick.meter = speed->meter;
    tick.dead_topic = lane->number == 0 ? speed->dead_topic : NULL; /* a definition that is built reads what was sent before */
    TL_TRY(tl_speed_meter_lane(speed->meter, &tick, lane->number == 0, err));
    for (uint32_t w = 0; w < workers_count; w++)
        TL_TRY(tl_worker_start(&workers[w], err));
    if (!bounded)
        TL_TRY(tl_look_open(&speed->ground, lane, &look, err));
    rc = tick_until_done(speed, lane, &tick, &signals, workers, workers_count, look, err);
    if (speed->own->accept_gap && is_gap(workers, workers_count, rc)) { /* the lane begins anew, and passes over what is gone */
        tl_diag(TL_WARN, "%s", err->message);
        pause_for(GAP_PAUSE_MS);
        speed->deal_again = true;
        rc = TL_OK;
    }
out:
    atomic_store(&signals.stop, true);
    for (uint32_t w = 0; w < opened; w++)
        tl_source_logs_stop(workers[w].logs);
    tl_look_close(look, rc != TL_OK || tl_stop_requested());
    for (uint32_t w = 0; w < opened; w++)
        tl_worker_close(&workers[w]);
    tl_tick_close(&tick);
    free(workers);
    if (signals.wake_fd >= 0)
        close(signals.wake_fd);
    return rc;
}

/* ---- which definitions go together ---- */

/* The topic with the lowest number that the standing has positions in: they were taken under its identity (tl_lane.identities). */
static struct tl_sv first_topic(const struct speed *speed, uint32_t source, const struct tl_standing *standing)
{
    uint32_t lowest = UINT32_MAX;

    for (uint32_t i = 0; i < standing->count; i++)
        lowest = standing->positions[i].partition < lowest ? standing->positions[i].partition : lowest;
    return tl_source_topic_name(speed->ground.topics, source, lowest);
}

static enum tl_code check_identity(const struct speed *speed, uint32_t v, const struct tl_standing *standing, uint64_t stored,
                                   struct tl_err *err)
{
    uint32_t source = speed->plan->views[v].source, partitions;
    struct tl_sv topic;
    uint64_t identity;
    enum tl_code rc = TL_OK;

    if (standing->count == 0)
        return TL_OK;
    topic = first_topic(speed, source, standing);
    TL_TRY(tl_lane_known_topic(&speed->ground, source, topic, 1, &partitions, &identity, err));
    if (identity == 0 && speed->plan->sources[source].topic_pattern.data != NULL)
        return TL_OK; /* gone: the lane says so, or goes on without it */
    if (stored != identity)
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "topic %.*s was deleted and made again since view %.*s was counted: its offsets mean other events now; "
                       "start with a new data directory, or bring the log back",
                       TL_SV_ARG(topic), TL_SV_ARG(speed->plan->views[v].name)));
out:
    return rc;
}

static enum tl_code read_standings(struct speed *speed, struct tl_standing *standings, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < speed->plan->views_count; v++) {
        uint64_t stored = 0;

        standings[v].count = 0;
        TL_TRY(tl_store_positions(speed->ground.store, speed->definitions[v].id, tl_standing_add, &standings[v], &stored, err));
        TL_TRY(check_identity(speed, v, &standings[v], stored, err));
    }
out:
    return rc;
}

/* A definition that is behind gets a lane of its own, up to where those of its source meet. */
static enum tl_code catch_up(struct speed *speed, struct tl_standing *standings, uint32_t v, const struct tl_standing *goal,
                             struct tl_err *err)
{
    struct tl_lane lane;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_lane_open(&lane, speed->plan, err));
    lane.number = speed->definitions[v].id;
    tl_lane_add_view(&lane, v, &speed->definitions[v]);
    TL_TRY(tl_history_open(speed->common->data, speed->plan, speed->ground.logs, speed->ground.topics, TL_HISTORY_EITHER,
                           &speed->ground.history, err));
    TL_TRY(tl_lane_add_source(&lane, &speed->ground, speed->plan->views[v].source, &standings[v], goal, err));
    tl_diag(TL_INFO, "view %.*s: building its new definition %.8s from the %slog", TL_SV_ARG(speed->plan->views[v].name),
            speed->definitions[v].hash, speed->ground.history->master != NULL ? "master record and the " : "");
    TL_TRY(run_lane(speed, &lane, true, err));
out:
    tl_lane_close(&lane);
    tl_history_close(speed->ground.history);
    speed->ground.history = NULL;
    return rc;
}

/* Has a view on a view had all final rows of the one that it reads? These become so by the clock too, where partitions are idle. */
static enum tl_code has_inner_rows(struct speed *speed, uint32_t v, bool *all, struct tl_err *err)
{
    const struct tl_view *view = &speed->plan->views[v];
    struct tl_definition outer, inner;
    enum tl_code rc = TL_OK;

    *all = true;
    if (view->inner < 0)
        return TL_OK;
    TL_TRY(tl_store_definition(speed->ground.store, speed->definitions[v].id, &outer, err));
    TL_TRY(tl_store_definition(speed->ground.store, speed->definitions[view->inner].id, &inner, err));
    *all = tl_follow_upto_ms(view, outer.final_ms) >= inner.final_ms;
out:
    return rc;
}

/* A view on a view has the final rows of the one that it reads, which stands before it and has caught up. */
static enum tl_code catch_up_inner(struct speed *speed, uint32_t v, struct tl_err *err)
{
    uint32_t inner = (uint32_t)speed->plan->views[v].inner;
    int64_t pause_ms = RETRY_MIN_MS;
    struct tl_shape shape;
    struct tl_lane lane = {0};
    bool done = false;
    enum tl_code rc = TL_OK;

    tl_diag(TL_INFO, "view %.*s: building its new definition %.8s from the rows of %.*s", TL_SV_ARG(speed->plan->views[v].name),
            speed->definitions[v].hash, TL_SV_ARG(speed->plan->views[inner].name));
    TL_TRY(tl_shape_of(speed->plan, &speed->plan->views[inner], &shape, err));
    TL_TRY(tl_lane_open(&lane, speed->plan, err));
    TL_TRY(tl_lane_identify(&lane, &speed->ground, speed->plan->views[v].source, err));
    while (!done && !tl_stop_requested()) {
        TL_TRY(tl_store_definition(speed->ground.store, speed->definitions[v].id, &speed->definitions[v], err));
        tl_lane_add_view(&lane, v, &speed->definitions[v]);
        rc = tl_follow(&lane, v, &shape, speed->definitions[inner].id, speed->ground.store, speed->ground.epoch, &done, err);
        if (rc == TL_ERR_UNKNOWN || (rc != TL_OK && !err->retriable)) /* what is unknown wants a new epoch first */
            break;
        if (rc != TL_OK)
            wait_to_retry(&pause_ms, "the store does not take the rows, trying again", err);
    }
out:
    tl_lane_close(&lane);
    return rc;
}

/* A definition that has caught up goes on with the ids of the others: those of its own lane have done their work, also where the process
 * ended between the two. Until then they must stay, for the lane goes on from them. */
static enum tl_code drop_lane_ids(struct speed *speed, const struct tl_standing *standings, struct tl_err *err)
{
    const struct tl_plan *plan = speed->plan;
    int64_t change;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_begin_tick(speed->ground.store, speed->ground.epoch, &change, err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        for (uint32_t p = 0; p < standings[v].count; p++) {
            uint32_t partition = standings[v].positions[p].partition;

            TL_TRY(tl_store_drop_dedup(speed->ground.store, speed->definitions[v].id,
                                       tl_source_topic_name(speed->ground.topics, plan->views[v].source, partition),
                                       tl_partition_in_topic(partition), INT64_MAX, err));
        }
    }
    TL_TRY(tl_store_commit(speed->ground.store, err));
out:
    tl_store_rollback(speed->ground.store);
    return rc;
}

/* Of patterns: those that the log has by now are numbered before anything of them is read. */
static enum tl_code find_topics(struct speed *speed, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < speed->plan->sources_count; s++)
        TL_TRY(tl_source_topics_look(speed->ground.topics, s, tl_source_log(speed->ground.logs, s), err));
    TL_TRY(tl_source_topics_number(speed->ground.topics, speed->ground.store, err));
out:
    return rc;
}

static enum tl_code some_topic_is_there(struct speed *speed, bool *there, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *there = false;
    for (uint32_t s = 0; s < speed->plan->sources_count; s++) {
        const struct tl_source_topic *topics;
        uint32_t count, partitions;
        uint64_t identity;

        TL_TRY(tl_source_topics_look(speed->ground.topics, s, tl_source_log(speed->ground.logs, s), err));
        topics = tl_source_topics_of(speed->ground.topics, s, &count);
        for (uint32_t t = 0; t < count && !*there; t++) {
            TL_TRY(tl_lane_topic(&speed->ground, s, topics[t].name, &partitions, &identity, err));
            *there = partitions > 0;
        }
    }
out:
    return rc;
}

/* All topics are gone, or the broker that was asked had not heard of them: waits, as it does at the start. */
static enum tl_code wait_for_topic(struct speed *speed, struct tl_err *err)
{
    const struct tl_err why = {.message = "no topic of the views is there"};
    bool there = false;
    enum tl_code rc = TL_OK;

    tl_diag(TL_INFO, "waiting for the log: %s", why.message);
    tl_speed_meter_wait(speed->meter, "waiting for the log", &why);
    while (!there && !tl_stop_requested()) {
        pause_for(WAIT_FOR_LOG_MS);
        TL_TRY(tl_fence_check(speed->ground.fence, err));
        TL_TRY(some_topic_is_there(speed, &there, err));
    }
out:
    return rc;
}

/* Of tables that all end by themselves, nothing more is to come. */
static bool may_get_more(const struct speed *speed)
{
    for (uint32_t s = 0; s < speed->plan->sources_count; s++)
        if (!speed->plan->sources[s].bounded)
            return !speed->own->once;
    return false;
}

static enum tl_code run_all(struct speed *speed, struct tl_err *err)
{
    const struct tl_plan *plan = speed->plan;
    struct tl_standing *standings = calloc(plan->views_count, sizeof *standings), goal = {0};
    struct tl_lane lane = {0};
    enum tl_code rc = TL_OK;

    if (standings == NULL)
        return tl_fail_memory(err, plan->views_count * sizeof *standings);
    TL_TRY(find_topics(speed, err));
    TL_TRY(read_standings(speed, standings, err));
    for (uint32_t v = 0; v < plan->views_count && !tl_stop_requested(); v++) {
        bool all_rows;

        TL_TRY(tl_standings_meet(plan, standings, plan->views[v].source, &goal, err));
        TL_TRY(has_inner_rows(speed, v, &all_rows, err));
        if (tl_standing_has_come_to(&standings[v], &goal) && all_rows)
            continue;
        if (plan->views[v].inner >= 0)
            TL_TRY(catch_up_inner(speed, v, err));
        else
            TL_TRY(catch_up(speed, standings, v, &goal, err));
        if (speed->deal_again) /* it is not where it was to come */
            goto out;
    }
    if (tl_stop_requested())
        goto out;
    TL_TRY(read_standings(speed, standings, err));
    TL_TRY(drop_lane_ids(speed, standings, err));
    TL_TRY(tl_lane_open(&lane, plan, err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        TL_TRY(tl_store_definition(speed->ground.store, speed->definitions[v].id, &speed->definitions[v], err));
        tl_lane_add_view(&lane, v, &speed->definitions[v]);
    }
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        TL_TRY(tl_standings_meet(plan, standings, s, &goal, err));
        TL_TRY(tl_lane_add_source(&lane, &speed->ground, s, &goal, NULL, err));
    }
    if (lane.partitions_count == 0 && may_get_more(speed)) {
        TL_TRY(wait_for_topic(speed, err));
        speed->deal_again = true;
        goto out;
    }
    TL_TRY(run_lane(speed, &lane, speed->own->once || tl_lane_is_bounded(&lane), err));
out:
    tl_lane_close(&lane);
    for (uint32_t v = 0; v < plan->views_count; v++)
        tl_standing_done(&standings[v]);
    free(standings);
    tl_standing_done(&goal);
    return rc;
}

/* ---- the command ---- */

/* Is a topic there that the table reads? TL_ERR_NOT_FOUND: none. *waits is set where one may come that nobody has named. */
static enum tl_code source_is_there(struct speed *speed, uint32_t source, bool *waits, struct tl_err *err)
{
    const struct tl_source *table = &speed->plan->sources[source];
    struct tl_log *log = tl_source_log(speed->ground.logs, source);
    uint32_t count = 0;
    uint64_t identity;
    enum tl_code rc;

    if (table->topic_pattern.data == NULL)
        return tl_log_topic(log, table->topic, &count, &identity, err);
    *waits = true;
    TL_TRY(tl_source_topics_look(speed->ground.topics, source, log, err));
    (void)tl_source_topics_of(speed->ground.topics, source, &count);
    if (count == 0)
        rc = tl_fail(err, TL_ERR_NOT_FOUND, "no topic matches 'topic-pattern' '%.*s' yet", TL_SV_ARG(table->topic_pattern));
out:
    return rc;
}

static bool on_kafka(const struct speed *speed)
{
    return strcmp(speed->common->log, "kafka") == 0;
}

static enum tl_code was_read_before(struct speed *speed, bool *was, struct tl_err *err)
{
    struct tl_standing standing = {0};
    uint64_t identity;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < speed->plan->views_count; v++)
        TL_TRY(tl_store_positions(speed->ground.store, speed->definitions[v].id, tl_standing_add, &standing, &identity, err));
    *was = standing.count > 0;
out:
    tl_standing_done(&standing);
    return rc;
}

/* A topic of Kafka's was made by somebody, or its name is wrong: TL_ERR_NOT_FOUND, as `err` says it; but of one that was read before a broker may not
 * have heard yet. */
static enum tl_code check_may_come(struct speed *speed, int64_t until_ms, struct tl_err *err)
{
    struct tl_err why = {0};
    bool known = false;
    enum tl_code rc = TL_OK;

    if (tl_clock_monotonic_ms() < until_ms)
        rc = was_read_before(speed, &known, &why);
    if (rc != TL_OK)
        *err = why;
    return rc != TL_OK || known ? rc : TL_ERR_NOT_FOUND;
}

/* Waits for the log and the first of its topics; with --once what is not there is nothing to read. *there: they are. The embedded log comes into
 * being with its first event; a topic of Kafka's was made by somebody, or its name is wrong, but for those of a pattern. */
static enum tl_code open_log(struct speed *speed, bool *there, struct tl_err *err)
{
    int64_t until_ms = tl_clock_monotonic_ms() + speed->patience.wait_ms;
    bool waits = !on_kafka(speed);
    enum tl_code rc = TL_OK;

    for (*there = false; !*there && !tl_stop_requested();) {
        TL_TRY(tl_fence_check(speed->ground.fence, err));
        rc = tl_source_logs_open(speed->common, speed->plan, TL_LOG_READ, &speed->ground.logs, err);
        for (uint32_t s = 0; rc == TL_OK && !*there && s < speed->plan->sources_count; s++) {
            rc = source_is_there(speed, s, &waits, err);
            *there = rc == TL_OK;
            if (rc == TL_ERR_NOT_FOUND && s + 1 < speed->plan->sources_count)
                rc = TL_OK;
        }
        if (rc == TL_ERR_NOT_FOUND)
            rc = waits ? TL_OK : check_may_come(speed, until_ms, err);
        TL_TRY(rc);
        if (*there)
            break;
        tl_speed_meter_wait(speed->meter, "waiting for the log", err);
        if (!speed->said_waiting)
            tl_diag(TL_INFO, speed->own->once && waits ? "nothing to read: %s" : "waiting for the log: %s", err->message);
        speed->said_waiting = true;
        tl_source_logs_close(speed->ground.logs);
        speed->ground.logs = NULL;
        if (speed->own->once && waits)
            break;
        tl_clock_sleep_ms(WAIT_FOR_LOG_MS);
    }
out:
    return rc;
}

/* While another process writes. */
static void note_standing_by(void *ctx, const char *owner)
{
    struct speed *speed = ctx;
    struct tl_err why = {0};

    snprintf(why.message, sizeof why.message, "speed runs on %s", owner);
    tl_speed_meter_stand_by(speed->meter, &why);
    tl_notify_ready();
    tl_diag(TL_INFO, "standing by: %s", why.message);
}

static enum tl_code put_versions(struct speed *speed, struct tl_err *err)
{
    struct tl_buf versions;
    enum tl_code rc;

    tl_buf_init(&versions, 0);
    tl_functions_versions(speed->functions, &versions);
    TL_TRY(tl_buf_check(&versions, "the versions", err));
    TL_TRY(tl_store_put_versions(speed->ground.store, speed->ground.epoch, tl_buf_sv(&versions), err));
out:
    tl_buf_done(&versions);
    return rc;
}

static enum tl_code define_views(struct speed *speed, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < speed->plan->views_count; v++) {
        struct tl_shape shape;
        int64_t id;

        TL_TRY(tl_shape_of(speed->plan, &speed->plan->views[v], &shape, err));
        TL_TRY(tl_store_define(speed->ground.store, &shape, &id, err));
        TL_TRY(tl_store_definition(speed->ground.store, id, &speed->definitions[v], err));
    }
out:
    return rc;
}

/* From what the store has to the end, or to a failure. */
static enum tl_code run_from_store(struct speed *speed, struct tl_err *err)
{
    bool there;
    enum tl_code rc;

    rc = tl_store_open(speed->common->store, TL_STORE_WRITE, &speed->ground.store, err);
    if (rc == TL_ERR_IO && speed->ground.epoch > 0) /* it let us in before: somebody will put it right */
        err->retriable = true;
    TL_TRY(rc);
    TL_TRY(tl_fence_take(speed->ground.store, speed->common->store, speed->own->once ? NULL : note_standing_by, speed,
                         &speed->ground.fence, err));
    if (speed->ground.fence == NULL)
        goto out;
    speed->ground.epoch = tl_fence_epoch(speed->ground.fence);
    TL_TRY(tl_views_take_secret(speed->functions, speed->ground.store, err));
    tl_speed_meter_epoch(speed->meter, speed->ground.epoch);
    tl_notify_ready();
    TL_TRY(put_versions(speed, err));
    TL_TRY(define_views(speed, err));
    TL_TRY(tl_source_topics_open(speed->plan, &speed->ground.topics, err));
    TL_TRY(open_log(speed, &there, err));
    if (there)
        TL_TRY(tl_dead_topic_open(speed->common, speed->plan, speed->ticks == 0, &speed->dead_topic, err));
    while (there && !tl_stop_requested()) {
        speed->deal_again = false;
        TL_TRY(run_all(speed, err));
        if (!speed->deal_again)
            break;
    }
out:
    tl_dead_topic_close(speed->dead_topic);
    speed->dead_topic = NULL;
    tl_source_logs_close(speed->ground.logs);
    speed->ground.logs = NULL;
    tl_source_topics_close(speed->ground.topics);
    speed->ground.topics = NULL;
    speed->patience.gone_count = 0; /* whose names were of the topics' */
    tl_fence_close(speed->ground.fence, speed->ground.store);
    speed->ground.fence = NULL;
    tl_store_close(speed->ground.store);
    speed->ground.store = NULL;
    return rc;
}

/* Was it a replay that has taken the epoch away, for a moment, to put its tables in place? Then this process goes on with them. */
static bool is_replayed(struct speed *speed)
{
    struct tl_store *store = NULL;
    struct tl_epoch epoch;
    struct tl_err ignored;
    bool is = false;

    if (tl_store_open(speed->common->store, TL_STORE_READ, &store, &ignored) == TL_OK &&
        tl_store_epoch(store, &epoch, &ignored) == TL_OK)
        is = tl_fence_was_taken_away(&epoch);
    tl_store_close(store);
    return is;
}

static bool goes_on_after(struct speed *speed, enum tl_code rc, struct tl_err *err)
{
    if (rc != TL_ERR_FENCED || speed->own->once || !is_replayed(speed))
        return may_work_later(rc, err);
    *err = (struct tl_err){.code = TL_ERR_FENCED, .message = "a replay puts tables in place"};
    return true;
}

static enum tl_code speed_main(struct speed *speed, struct tl_err *err)
{
    int64_t pause_ms = RETRY_MIN_MS;
    uint64_t ticks = 0;
    enum tl_code rc;

    TL_TRY(tl_options_need_views(speed->common, err));
    TL_TRY(tl_views_open(speed->common, speed->common->views, &speed->functions, &speed->plan, err));
    speed->ground.plan = speed->plan;
    speed->ground.once = speed->own->once;
    speed->ground.accept_gap = speed->own->accept_gap;
    speed->patience.wait_ms = on_kafka(speed) ? MISSING_MS : 0;
    speed->ground.patience = &speed->patience;
    TL_TRY(tl_data_dir_make(speed->common->data, err));
    speed->definitions = calloc(speed->plan->views_count, sizeof *speed->definitions);
    if (speed->definitions == NULL)
        TL_TRY(tl_fail_memory(err, speed->plan->views_count * sizeof *speed->definitions));
    TL_TRY(tl_speed_meter_open(speed->common, speed->plan, &speed->meter, err));
    while ((rc = run_from_store(speed, err)) != TL_OK && goes_on_after(speed, rc, err) && !speed->own->once &&
           !tl_stop_requested()) {
        if (speed->ticks > ticks) /* it did work for a while */
            pause_ms = RETRY_MIN_MS;
        ticks = speed->ticks;
        tl_speed_meter_wait(speed->meter, "begins again", err);
        wait_to_retry(&pause_ms, "begins again from the store", err);
    }
    if (rc == TL_ERR_FENCED && tl_stop_requested() && is_replayed(speed)) /* told to end while it would have stood by */
        rc = TL_OK;
out:
    tl_speed_meter_close(speed->meter);
    free(speed->definitions);
    free(speed->patience.gone);
    tl_views_close(speed->functions, speed->plan);
    return rc;
}

static const struct tl_option speed_table[] = {
    {"once",       TL_OPT_FLAG,     NULL,    "read to the log's present end, commit and exit",                              offsetof(struct speed_options, once),       0},
    {"tick",       TL_OPT_DURATION, "200ms", "how often what has changed is committed",                                     offsetof(struct speed_options, tick_ms),    0},
    {"workers",    TL_OPT_COUNT,    "N",     "threads; one per core unless set, never more than partitions",
     offsetof(struct speed_options,                                                                                                                        workers),    0},
    {"accept-gap", TL_OPT_FLAG,     NULL,
     "go on where the log begins when offsets are gone, and record the gap; and without topics of a pattern that are gone", offsetof(struct speed_options, accept_gap), 0},
};

static const struct tl_usage speed_usage = {
    .text = "Counts events as they arrive: reads the log, keeps every view of the views file up to date in the store, one "
            "transaction a tick.",
    .example = "tally speed --views views.sql --data tally-data --once",
    .options = speed_table,
    .options_count = TL_COUNT(speed_table),
    .daemon = true,
};

TL_COMMAND(speed, "count events as they arrive")
{
    struct speed_options own = {.tick_ms = 200};
    struct tl_common_options common;
    struct speed speed = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&speed_usage, argc, argv, &common, &own, &status))
        return status;
    tl_stop_install();
    rc = speed_main(&speed, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
