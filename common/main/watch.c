/* watch.c: looks at the log's ends and at the store once a second. See watch.h. */
#include "main/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "store/store.h"

static const struct tl_metric_family log_reachable = {
    .name = "tally_log_reachable", .type = TL_GAUGE, .help = "1 where the log answered when it was last looked at."};
static const struct tl_metric_family store_reachable = {
    .name = "tally_store_reachable", .type = TL_GAUGE, .help = "1 where the store answered when it was last looked at."};

/* What is looked at: its check, the gauge of the same, and the thread that looks. */
struct dependency {
    struct tl_watch *watch;
    enum tl_code (*look)(struct tl_watch *watch, struct tl_err *err);
    struct tl_health_check *check;
    struct tl_metric *reachable;
    pthread_t thread;
    bool running;
};

/* A thread for each: while a store does not answer, lags are to grow all the same. */
struct tl_watch {
    struct tl_watch_config config;
    struct dependency log, store;
    pthread_mutex_t mutex;       /* of the two that follow */
    struct tl_source_logs *logs; /* NULL: not open; the log's thread alone changes it */
    bool closing;
    struct tl_source_topics *topics;
    struct tl_store *store_handle;
    int wake_fd; /* eventfd, never read: the watch is to end */
};

/* ---- what is looked at ---- */

static enum tl_code topic_look_at(struct tl_watch *watch, uint32_t s, struct tl_sv topic, struct tl_err *err)
{
    const struct tl_watch_config *config = &watch->config;
    struct tl_log *log = tl_source_log(watch->logs, s);
    uint32_t partitions;
    uint64_t identity;
    enum tl_code rc;

    rc = tl_log_topic(log, topic, &partitions, &identity, err);
    if (rc == TL_ERR_NOT_FOUND) { /* gone, or it comes into being with its first event */
        config->topic_gone(config->ctx, topic);
        return TL_OK;
    }
    TL_TRY(rc);
    for (uint32_t p = 0; p < partitions; p++) {
        int64_t first, end;

        TL_TRY(tl_log_range(log, topic, p, &first, &end, err));
        config->log_range(config->ctx, topic, p, first, end);
    }
out:
    return rc;
}

static enum tl_code log_look_at(struct tl_watch *watch, uint32_t s, struct tl_err *err)
{
    const struct tl_source_topic *topics;
    uint32_t count;
    enum tl_code rc;

    TL_TRY(tl_source_topics_look(watch->topics, s, tl_source_log(watch->logs, s), err));
    topics = tl_source_topics_of(watch->topics, s, &count);
    for (uint32_t t = 0; t < count; t++)
        TL_TRY(topic_look_at(watch, s, topics[t].name, err));
out:
    return rc;
}

/* Who closes stops the handle that is open; one that is opened meanwhile is stopped here. */
static void logs_set(struct tl_watch *watch, struct tl_source_logs *logs)
{
    pthread_mutex_lock(&watch->mutex);
    watch->logs = logs;
    if (watch->closing)
        tl_source_logs_stop(logs);
    pthread_mutex_unlock(&watch->mutex);
}

static enum tl_code logs_look_at(struct tl_watch *watch, struct tl_err *err)
{
    struct tl_source_logs *logs = watch->logs;
    enum tl_code rc = TL_OK;

    if (watch->topics == NULL)
        TL_TRY(tl_source_topics_open(watch->config.plan, &watch->topics, err));
    if (logs == NULL)
        TL_TRY(tl_source_logs_open(watch->config.common, watch->config.plan, TL_LOG_READ, &logs, err));
    logs_set(watch, logs);
    for (uint32_t s = 0; s < watch->config.plan->sources_count; s++)
        TL_TRY(log_look_at(watch, s, err));
out:
    if (rc != TL_OK) {
        logs_set(watch, NULL);
        tl_source_logs_close(logs);
    }
    return rc;
}

static enum tl_code store_look_at(struct tl_watch *watch, struct tl_err *err)
{
    int64_t version;
    enum tl_code rc = TL_OK;

    if (watch->store_handle == NULL)
        TL_TRY(tl_store_open(watch->config.common->store, TL_STORE_READ, &watch->store_handle, err));
    TL_TRY(tl_store_version(watch->store_handle, &version, err));
out:
    if (rc != TL_OK) {
        tl_store_close(watch->store_handle);
        watch->store_handle = NULL;
    }
    return rc;
}

/* ---- the threads ---- */

/* What does not come back counts as well: the look is owed until it is done. */
static void look(const struct dependency *dependency)
{
    struct tl_metrics *metrics = dependency->watch->config.daemon->metrics;
    struct tl_err err = {0};
    bool reached;

    tl_health_owe(dependency->check, tl_clock_monotonic_ms());
    reached = dependency->look(dependency->watch, &err) == TL_OK;
    if (reached)
        tl_health_ok(dependency->check, tl_clock_monotonic_ms());
    else
        tl_health_fail(dependency->check, tl_clock_monotonic_ms(), err.message);
    tl_metrics_begin(metrics);
    tl_metric_set(dependency->reachable, reached ? 1 : 0);
    tl_metrics_end(metrics);
}

static bool wait_for_end(const struct tl_watch *watch)
{
    struct pollfd wake = {.fd = watch->wake_fd, .events = POLLIN};

    return poll(&wake, 1, TL_WATCH_MS) == 1;
}

static void *thread_main(void *arg)
{
    const struct dependency *dependency = arg;

    do {
        look(dependency);
    } while (!wait_for_end(dependency->watch));
    return NULL;
}

static enum tl_code start(struct tl_watch *watch, struct dependency *dependency, const char *name,
                          const struct tl_metric_family *family, enum tl_code (*at)(struct tl_watch *, struct tl_err *),
                          struct tl_err *err)
{
    struct tl_daemon *daemon = watch->config.daemon;
    sigset_t all, before;
    int failure;
    enum tl_code rc;

    dependency->watch = watch;
    dependency->look = at;
    TL_TRY(tl_health_check(daemon->health, tl_sv_from(name), "no answer", &dependency->check, err));
    TL_TRY(tl_metrics_series(daemon->metrics, family, NULL, 0, &dependency->reachable, err));
    sigfillset(&all); /* a signal is to end the sleep of those who work */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&dependency->thread, NULL, thread_main, dependency);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot start the thread that looks at the %s", name));
    }
    dependency->running = true;
out:
    return rc;
}

enum tl_code tl_watch_open(const struct tl_watch_config *config, struct tl_watch **out, struct tl_err *err)
{
    struct tl_watch *watch = calloc(1, sizeof *watch);
    enum tl_code rc;

    if (watch == NULL)
        return tl_fail_memory(err, sizeof *watch);
    watch->config = *config;
    pthread_mutex_init(&watch->mutex, NULL);
    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "eventfd"));
    TL_TRY(start(watch, &watch->log, "log", &log_reachable, logs_look_at, err));
    if (config->store)
        TL_TRY(start(watch, &watch->store, "store", &store_reachable, store_look_at, err));
    *out = watch;
    watch = NULL;
out:
    tl_watch_close(watch);
    return rc;
}

void tl_watch_close(struct tl_watch *watch)
{
    uint64_t one = 1;

    if (watch == NULL)
        return;
    while (watch->wake_fd >= 0 && write(watch->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&watch->mutex);
    watch->closing = true;
    tl_source_logs_stop(watch->logs);
    pthread_mutex_unlock(&watch->mutex);
    if (watch->log.running)
        pthread_join(watch->log.thread, NULL);
    if (watch->store.running)
        pthread_join(watch->store.thread, NULL);
    tl_source_logs_close(watch->logs);
    tl_source_topics_close(watch->topics);
    tl_store_close(watch->store_handle);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}
