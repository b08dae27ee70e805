/* pulse.c: is the store there, and has it changed? See pulse.h. */
#include "pulse.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"

enum { PAUSE_MS = 100 }; /* after the first failure */

static const struct tl_metric_family store_reachable = {
    .name = "tally_store_reachable", .type = TL_GAUGE, .help = "1 where the store answered when it was last looked at."};

struct tl_pulse {
    const char *url;
    struct tl_daemon *daemon;
    struct tl_health_check *check; /* with the next, where there is a daemon */
    struct tl_metric *reachable;
    pthread_t thread;
    bool running;
    struct tl_store *store; /* the thread's; NULL: it is away */
    int64_t version, published_version;
    int64_t pause_ms; /* to the next look; 0: it is there */
    int wake_fd;
    pthread_mutex_t mutex;
    pthread_cond_t looked;
    struct tl_pulse_beat beat; /* with the mutex, as are the next */
    uint64_t wanted, done;     /* looks: asked for, and begun behind that */
    bool ending;
};

/* ---- a look ---- */

static enum tl_code look(struct tl_pulse *pulse, int64_t *version, int64_t *published_version, struct tl_err *err)
{
    int64_t deadline_ms = tl_clock_monotonic_ms() + TL_PULSE_PATIENCE_MS;
    enum tl_code rc = TL_OK;

    if (pulse->store == NULL)
        TL_TRY(tl_store_open_by(pulse->url, TL_STORE_READ, deadline_ms, &pulse->store, err));
    tl_store_deadline(pulse->store, deadline_ms);
    TL_TRY(tl_store_version(pulse->store, version, err));
    if (*version != pulse->version || pulse->beat.away)
        TL_TRY(tl_store_published_version(pulse->store, published_version, err));
out:
    return rc;
}

/* `err` NULL: it is there. */
static void tell(struct tl_pulse *pulse, const struct tl_err *err)
{
    if (pulse->daemon == NULL)
        return;
    if (err != NULL)
        tl_health_fail(pulse->check, tl_clock_monotonic_ms(), err->message);
    else
        tl_health_ok(pulse->check, tl_clock_monotonic_ms());
    tl_metrics_begin(pulse->daemon->metrics);
    tl_metric_set(pulse->reachable, err == NULL);
    tl_metrics_end(pulse->daemon->metrics);
}

static void note_away(struct tl_pulse *pulse, const struct tl_err *err)
{
    if (pulse->pause_ms == 0)
        tl_diag(TL_WARN, "the store is away: %s", err->message);
    tl_store_close(pulse->store);
    pulse->store = NULL;
    pulse->pause_ms = tl_min_i64(tl_max_i64(pulse->pause_ms * 2, PAUSE_MS), TL_PULSE_PAUSE_MAX_MS);
    pthread_mutex_lock(&pulse->mutex);
    pulse->beat.away = true;
    pthread_mutex_unlock(&pulse->mutex);
    tell(pulse, err);
}

static void note_there(struct tl_pulse *pulse, int64_t version, int64_t published_version)
{
    struct tl_pulse_beat *beat = &pulse->beat;
    bool came = beat->away;

    if (came && beat->seen_ms != INT64_MIN)
        tl_diag(TL_INFO, "the store is back");
    pulse->pause_ms = 0;
    pthread_mutex_lock(&pulse->mutex);
    beat->changes += came || version != pulse->version;
    beat->publications += came || published_version != pulse->published_version;
    beat->opened += came;
    beat->away = false;
    beat->seen_ms = tl_clock_wall_ms();
    pthread_mutex_unlock(&pulse->mutex);
    pulse->version = version;
    pulse->published_version = published_version;
    tell(pulse, NULL);
}

static void wake(struct tl_pulse *pulse)
{
    (void)!eventfd_write(pulse->wake_fd, 1);
}

/* Until it has changed, or somebody wants a look, or for long enough. What fails here fails the next look, too. */
static void wait_for_change(struct tl_pulse *pulse)
{
    struct pollfd wakes = {.fd = pulse->wake_fd, .events = POLLIN};
    bool changed;
    struct tl_err ignored;

    if (pulse->store != NULL) {
        tl_store_deadline(pulse->store, tl_clock_monotonic_ms() + TL_PULSE_MS + TL_PULSE_PATIENCE_MS);
        if (tl_store_wait(pulse->store, TL_PULSE_MS, pulse->wake_fd, &changed, &ignored) == TL_OK)
            return;
    }
    poll(&wakes, 1, (int)tl_max_i64(pulse->pause_ms, PAUSE_MS));
}

static void *pulse_main(void *arg)
{
    struct tl_pulse *pulse = arg;
    eventfd_t count;

    pthread_mutex_lock(&pulse->mutex);
    while (!pulse->ending) {
        int64_t version = pulse->version, published_version = pulse->published_version;
        uint64_t wanted = pulse->wanted;
        struct tl_err err = {0};

        pthread_mutex_unlock(&pulse->mutex);
        if (look(pulse, &version, &published_version, &err) == TL_OK)
            note_there(pulse, version, published_version);
        else
            note_away(pulse, &err);
        pthread_mutex_lock(&pulse->mutex);
        pulse->done = wanted;
        pthread_cond_broadcast(&pulse->looked);
        pthread_mutex_unlock(&pulse->mutex);
        wait_for_change(pulse);
        (void)!eventfd_read(pulse->wake_fd, &count);
        pthread_mutex_lock(&pulse->mutex);
    }
    pthread_mutex_unlock(&pulse->mutex);
    return NULL;
}

/* ---- the whole ---- */

static enum tl_code start(struct tl_pulse *pulse, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&pulse->thread, NULL, pulse_main, pulse);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread");
    }
    pulse->running = true;
    return TL_OK;
}

enum tl_code tl_pulse_open(const char *store, struct tl_daemon *daemon, struct tl_pulse **out, struct tl_err *err)
{
    struct tl_pulse *pulse = calloc(1, sizeof *pulse);
    pthread_condattr_t monotonic;
    enum tl_code rc;

    if (pulse == NULL)
        return tl_fail_memory(err, sizeof *pulse);
    pulse->url = store;
    pulse->daemon = daemon;
    pulse->version = -1;
    pulse->beat.seen_ms = INT64_MIN;
    pthread_mutex_init(&pulse->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pulse->looked, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pulse->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pulse->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "no eventfd"));
    if (daemon != NULL) {
        TL_TRY(tl_health_check(daemon->health, TL_SV("store"), "the store does not answer", &pulse->check, err));
        TL_TRY(tl_metrics_series(daemon->metrics, &store_reachable, NULL, 0, &pulse->reachable, err));
    }
    TL_TRY(start(pulse, err));
    *out = pulse;
    pulse = NULL;
out:
    tl_pulse_close(pulse);
    return rc;
}

void tl_pulse_close(struct tl_pulse *pulse)
{
    if (pulse == NULL)
        return;
    if (pulse->running) {
        pthread_mutex_lock(&pulse->mutex);
        pulse->ending = true;
        pthread_mutex_unlock(&pulse->mutex);
        wake(pulse);
        pthread_join(pulse->thread, NULL);
    }
    tl_store_close(pulse->store);
    pthread_cond_destroy(&pulse->looked);
    if (pulse->wake_fd >= 0)
        close(pulse->wake_fd);
    pthread_mutex_destroy(&pulse->mutex);
    free(pulse);
}

struct tl_pulse_beat tl_pulse_beat(struct tl_pulse *pulse)
{
    struct tl_pulse_beat beat;

    pthread_mutex_lock(&pulse->mutex);
    beat = pulse->beat;
    pthread_mutex_unlock(&pulse->mutex);
    return beat;
}

void tl_pulse_look(struct tl_pulse *pulse, int64_t most_ms)
{
    struct timespec until;
    uint64_t mine;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += most_ms % 1000 * 1000000;
    until.tv_sec += most_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&pulse->mutex);
    mine = ++pulse->wanted;
    wake(pulse);
    while (!pulse->ending && pulse->done < mine && pthread_cond_timedwait(&pulse->looked, &pulse->mutex, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&pulse->mutex);
}
