/* replay_lane.c: runs the lane of a replay to its end. See replay_lane.h. */
#include "replay_lane.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/stop.h"
#include "worker.h"

enum { WORKERS_MAX = 64, TICK_MIN_MS = 20 };

struct crew {
    struct tl_worker_signals signals;
    struct tl_worker *workers;
    uint32_t count, opened;
};

static enum tl_code first_failure(const struct crew *crew, struct tl_err *err)
{
    for (uint32_t w = 0; w < crew->count; w++)
        if (atomic_load(&crew->workers[w].failed)) {
            *err = crew->workers[w].err;
            return err->code;
        }
    return TL_OK;
}

static bool some_full(const struct crew *crew)
{
    for (uint32_t w = 0; w < crew->count; w++)
        if (atomic_load(&crew->workers[w].full))
            return true;
    return false;
}

static void wait_on(int fd, int64_t ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    uint64_t count;

    if (ms > 0 && poll(&poll_fd, 1, (int)tl_min_i64(ms, 100)) == 1 && read(fd, &count, sizeof count) < 0)
        return;
}

static enum tl_code one_tick(const struct tl_replay_lane *replay, struct crew *crew, struct tl_tick *tick, struct tl_err *err)
{
    uint64_t ticket = atomic_fetch_add(&crew->signals.ticket, 1) + 1;
    enum tl_code rc = TL_OK;

    while (!tl_tick_collect(tick, ticket)) {
        wait_on(crew->signals.wake_fd, 100);
        TL_TRY(tl_fence_check(replay->ground->fence, err));
        TL_TRY(first_failure(crew, err));
    }
    TL_TRY(tl_tick_merge(tick, err));
    TL_TRY(tl_tick_commit(tick, err));
    replay->ticked(replay->ctx, tick);
out:
    return rc;
}

static enum tl_code tick_to_the_end(const struct tl_replay_lane *replay, struct crew *crew, struct tl_tick *tick,
                                    struct tl_err *err)
{
    int64_t pause_ms = tl_min_i64(TICK_MIN_MS, replay->tick_ms);
    bool done = false;
    enum tl_code rc = TL_OK;

    while (!done) {
        int64_t next_ms = tl_clock_monotonic_ms() + pause_ms;

        while (!tl_stop_requested() && tl_clock_monotonic_ms() < next_ms && !some_full(crew)) {
            TL_TRY(first_failure(crew, err));
            wait_on(crew->signals.wake_fd, next_ms - tl_clock_monotonic_ms());
        }
        TL_TRY(one_tick(replay, crew, tick, err));
        done = tl_stop_requested() || tl_tick_at_rest(tick);
        /* At the end at once: what the workers do not know yet is how far the others are. */
        pause_ms = tl_tick_at_end(tick) ? 0 : tl_min_i64(tl_max_i64(2 * pause_ms, TICK_MIN_MS), replay->tick_ms);
        TL_TRY(tl_tick_settle(tick, err));
    }
out:
    return rc;
}

static enum tl_code hire(const struct tl_replay_lane *replay, const struct tl_lane *lane, struct crew *crew, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    crew->signals.patient = true;
    crew->signals.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (crew->signals.wake_fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "eventfd");
    crew->signals.log_ms = calloc(lane->plan->sources_count + 1u, sizeof *crew->signals.log_ms);
    crew->workers = aligned_alloc(_Alignof(struct tl_worker), crew->count * sizeof *crew->workers);
    if (crew->signals.log_ms == NULL || crew->workers == NULL)
        TL_TRY(tl_fail_memory(err, crew->count * sizeof *crew->workers));
    for (uint32_t s = 0; s < lane->plan->sources_count; s++)
        atomic_init(&crew->signals.log_ms[s], INT64_MIN);
    memset(crew->workers, 0, crew->count * sizeof *crew->workers);
    while (crew->opened < crew->count) {
        uint32_t w = crew->opened++;

        TL_TRY(
            tl_worker_open(&crew->workers[w], lane, w, crew->count, replay->common, replay->ground->store, &crew->signals, err));
    }
out:
    return rc;
}

static void dismiss(struct crew *crew)
{
    atomic_store(&crew->signals.stop, true);
    for (uint32_t w = 0; w < crew->opened; w++)
        tl_source_logs_stop(crew->workers[w].logs);
    for (uint32_t w = 0; w < crew->opened; w++)
        tl_worker_close(&crew->workers[w]);
    free(crew->workers);
    free(crew->signals.log_ms);
    if (crew->signals.wake_fd >= 0)
        close(crew->signals.wake_fd);
}

enum tl_code tl_replay_lane_run(const struct tl_replay_lane *replay, const struct tl_lane *lane, struct tl_err *err)
{
    int64_t wanted = replay->workers != 0 ? replay->workers : sysconf(_SC_NPROCESSORS_ONLN);
    struct crew crew = {.signals = {.wake_fd = -1}};
    struct tl_tick tick = {0};
    enum tl_code rc;

    assert(lane->partitions_count > 0);
    wanted = tl_min_i64(tl_max_i64(wanted, 1), WORKERS_MAX);
    crew.count = (uint32_t)tl_min_i64(wanted, lane->partitions_count);
    TL_TRY(hire(replay, lane, &crew, err));
    TL_TRY(tl_tick_open(&tick, lane, replay->ground->store, replay->ground->epoch, crew.workers, crew.count, err));
    for (uint32_t w = 0; w < crew.count; w++)
        TL_TRY(tl_worker_start(&crew.workers[w], err));
    TL_TRY(tick_to_the_end(replay, &crew, &tick, err));
out:
    dismiss(&crew);
    tl_tick_close(&tick);
    return rc;
}
