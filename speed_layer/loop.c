/* loop.c: one thread of the interceptor. See loop.h. */
#include "speed_layer/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "speed_layer/exchange.h"
#include "speed_layer/guest.h"
#include "speed_layer/link.h"

enum {
    ACCEPTS = 16, /* at a time: another loop may have more time */
    ANSWER_HEAD_BYTES = 64 << 10,
    BEGIN_MS = 2000, /* that a client has to send a request's head, where others wait at the door */
    LINGER_MS = 2000,
    EVENT_MS = 2000,
    DRAIN_IDLE_MS = 1000 /* for a request that was sent before the client could know */
};

const double tl_duration_bounds[TL_DURATION_BOUNDS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};

/* ---- parsers ---- */

struct tl_http1 *tl_loop_parser(struct tl_loop *loop, enum tl_http1_kind kind)
{
    bool request = kind == TL_HTTP1_REQUEST;
    size_t *count = request ? &loop->spare_requests_count : &loop->spare_answers_count;
    struct tl_http1 *http;

    if (*count > 0)
        return (request ? loop->spare_requests : loop->spare_answers)[--*count];
    if (tl_http1_open(kind, request ? loop->shared->head_bytes_max : ANSWER_HEAD_BYTES, &http, NULL) != TL_OK)
        return NULL;
    return http;
}

void tl_loop_parser_back(struct tl_loop *loop, enum tl_http1_kind kind, struct tl_http1 *http)
{
    bool request = kind == TL_HTTP1_REQUEST;
    size_t *count = request ? &loop->spare_requests_count : &loop->spare_answers_count;

    if (http == NULL)
        return;
    if (*count == TL_COUNT(loop->spare_requests)) {
        tl_http1_close(http);
        return;
    }
    tl_http1_reset(http);
    (request ? loop->spare_requests : loop->spare_answers)[(*count)++] = http;
}

/* ---- who comes ---- */

static void accepting(struct tl_loop *loop, bool on)
{
    if (loop->accepting == on)
        return;
    loop->accepting = on;
    if (on)
        event_add(&loop->accept_event, NULL);
    else
        event_del(&loop->accept_event);
}

/* The one that has been idle for longest; or else one that has come and not sent a request yet: many that send slowly keep nobody out. */
static struct tl_guest *least_missed(struct tl_loop *loop)
{
    struct tl_deadline *oldest = tl_deadline_first(&loop->queues.idle);

    if (oldest == NULL) {
        oldest = tl_deadline_first(&loop->queues.head);
        if (oldest != NULL && loop->now_ms - (oldest->at_ms - loop->queues.head.after_ms) < BEGIN_MS)
            oldest = NULL;
    }
    return oldest != NULL ? tl_guest_of(oldest) : NULL;
}

bool tl_loop_make_room(struct tl_loop *loop)
{
    struct tl_guest *guest = least_missed(loop);

    if (guest != NULL)
        tl_guest_close(guest);
    return guest != NULL;
}

/* Whoever waits, up to ACCEPTS. False: nobody does any more, or there is no room. */
static bool accept_some(struct tl_loop *loop)
{
    struct tl_intercept *shared = loop->shared;

    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        bool full = atomic_load_explicit(&shared->guests, memory_order_relaxed) >= shared->connections_max;
        int fd;

        if (full && least_missed(loop) == NULL) {
            accepting(loop, false); /* until somebody leaves, or the next tick */
            return false;
        }
        fd = accept4(shared->listen_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                if (!tl_loop_make_room(loop))
                    accepting(loop, false);
            } else if (errno == ECONNABORTED || errno == EINTR) {
                continue;
            }
            return false;
        }
        if (full) /* not before somebody has come */
            tl_loop_make_room(loop);
        tl_guest_open(loop, fd, (const struct sockaddr *)&from);
    }
    return true;
}

static void on_accept(int listen_fd, short what, void *ctx)
{
    struct tl_loop *loop = ctx;

    (void)listen_fd;
    (void)what;
    loop->now_ms = tl_clock_monotonic_ms();
    (void)accept_some(loop);
}

void tl_loop_guest_left(struct tl_loop *loop)
{
    if (!loop->draining)
        accepting(loop, true);
}

/* ---- time ---- */

static void free_dead(struct tl_loop *loop)
{
    while (loop->dead_guests != NULL) {
        struct tl_guest *guest = loop->dead_guests;

        loop->dead_guests = guest->next;
        free(guest);
    }
    while (loop->dead_links != NULL) {
        struct tl_link *link = loop->dead_links;

        loop->dead_links = link->next;
        free(link);
    }
}

static void drain_more(struct tl_loop *loop)
{
    for (struct tl_guest *guest = loop->guests, *next; guest != NULL; guest = next) {
        next = guest->next;
        if (loop->now_ms >= loop->drain_until_ms ||
            (tl_guest_is_idle(guest) && loop->now_ms - guest->idle_ms >= loop->drain_idle_ms))
            tl_guest_close(guest);
    }
    if (loop->guests == NULL)
        event_base_loopbreak(loop->base);
}

static void on_tick(int fd, short what, void *ctx)
{
    struct tl_loop *loop = ctx;
    struct tl_deadline_queue *queues[] = {
        &loop->queues.head,       &loop->queues.idle,    &loop->queues.body,   &loop->queues.write,
        &loop->queues.linger,     &loop->queues.connect, &loop->queues.answer, &loop->queues.quiet,
        &loop->queues.link_write, &loop->queues.pool,    &loop->queues.event,
    };

    (void)fd;
    (void)what;
    tl_count(&loop->counts.turns, 1);
    free_dead(loop);
    loop->now_ms = tl_clock_monotonic_ms();
    for (size_t q = 0; q < TL_COUNT(queues); q++)
        tl_deadline_pass(queues[q], loop->now_ms);
    if (loop->draining)
        drain_more(loop);
    else
        accepting(loop, true);
}

/* ---- words from other threads ---- */

static void wake(struct tl_loop *loop)
{
    uint64_t one = 1;

    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void tl_loop_post(struct tl_loop *loop, struct tl_loop_word *word)
{
    bool first;

    word->next = NULL;
    pthread_mutex_lock(&loop->mutex);
    first = loop->words == NULL;
    *loop->words_end = word;
    loop->words_end = &word->next;
    pthread_mutex_unlock(&loop->mutex);
    if (first)
        wake(loop);
}

void tl_loop_drain(struct tl_loop *loop, int64_t patience_ms)
{
    pthread_mutex_lock(&loop->mutex);
    loop->drain_asked = true;
    loop->drain_patience_ms = patience_ms;
    pthread_mutex_unlock(&loop->mutex);
    wake(loop);
}

static void hear(struct tl_loop *loop)
{
    struct tl_loop_word *words;

    pthread_mutex_lock(&loop->mutex);
    words = loop->words;
    loop->words = NULL;
    loop->words_end = &loop->words;
    pthread_mutex_unlock(&loop->mutex);
    while (words != NULL) {
        struct tl_loop_word *word = words;

        words = word->next;
        word->call(word);
    }
}

/* Those at the door would be sent away when it closes: they are let in, where nobody comes after us. Idle ones have another second from now on. */
static void begin_drain(struct tl_loop *loop)
{
    struct tl_intercept *shared = loop->shared;

    for (struct tl_guest *guest = loop->guests; guest != NULL; guest = guest->next)
        guest->idle_ms = loop->now_ms;
    if (!shared->handed_over)
        while (accept_some(loop)) {}
    loop->draining = true;
    accepting(loop, false);
    loop->drain_idle_ms = tl_min_i64(DRAIN_IDLE_MS, loop->drain_patience_ms);
    loop->drain_until_ms = loop->now_ms + loop->drain_patience_ms;
    if (atomic_fetch_sub(&shared->loops_accepting, 1) == 1 && !shared->handed_over)
        shutdown(shared->listen_fd, SHUT_RDWR);
}

static void on_wake(int fd, short what, void *ctx)
{
    struct tl_loop *loop = ctx;
    uint64_t count;
    bool drain;

    (void)what;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    loop->now_ms = tl_clock_monotonic_ms();
    hear(loop);
    pthread_mutex_lock(&loop->mutex);
    drain = loop->drain_asked && !loop->draining;
    pthread_mutex_unlock(&loop->mutex);
    if (drain)
        begin_drain(loop);
}

/* ---- the loop ---- */

static void *thread_main(void *arg)
{
    struct tl_loop *loop = arg;

    event_base_dispatch(loop->base);
    return NULL;
}

static void queues_init(struct tl_loop *loop)
{
    const struct tl_intercept_times *times = &loop->shared->times;

    tl_deadline_queue_init(&loop->queues.head, times->head);
    tl_deadline_queue_init(&loop->queues.idle, times->idle);
    tl_deadline_queue_init(&loop->queues.body, times->body);
    tl_deadline_queue_init(&loop->queues.write, times->write);
    tl_deadline_queue_init(&loop->queues.linger, LINGER_MS);
    tl_deadline_queue_init(&loop->queues.connect, times->connect);
    tl_deadline_queue_init(&loop->queues.answer, times->answer);
    tl_deadline_queue_init(&loop->queues.quiet, times->quiet);
    tl_deadline_queue_init(&loop->queues.link_write, times->write);
    tl_deadline_queue_init(&loop->queues.pool, times->pool);
    tl_deadline_queue_init(&loop->queues.event, EVENT_MS);
}

/* Nothing in it is locked: a loop is one thread's. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

enum tl_code tl_loop_open(struct tl_intercept *shared, struct tl_loop **out, struct tl_err *err)
{
    struct tl_loop *loop = calloc(1, sizeof *loop);
    enum tl_code rc = TL_OK;

    if (loop == NULL)
        return tl_fail_memory(err, sizeof *loop);
    loop->shared = shared;
    loop->words_end = &loop->words;
    pthread_mutex_init(&loop->mutex, NULL);
    tl_buf_init(&loop->out, 0);
    queues_init(loop);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "eventfd"));
    loop->base = base_new();
    loop->idle_links = calloc(tl_upstreams_count(shared->upstreams), sizeof *loop->idle_links);
    if (loop->base == NULL || loop->idle_links == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *loop));
    TL_TRY(tl_event_maker_open(shared->rules, &loop->maker, err));
    loop->now_ms = tl_clock_monotonic_ms();
    event_assign(&loop->accept_event, loop->base, shared->listen_fd, EV_READ | EV_PERSIST, on_accept, loop);
    event_assign(&loop->tick_event, loop->base, -1, EV_PERSIST, on_tick, loop);
    event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (event_add(&loop->tick_event, &(struct timeval){.tv_usec = TL_DEADLINE_TICK_MS * 1000}) != 0 ||
        event_add(&loop->wake_event, NULL) != 0)
        TL_TRY(tl_fail(err, TL_ERR_IO, "libevent cannot make a loop"));
    *out = loop;
    loop = NULL;
out:
    tl_loop_close(loop);
    return rc;
}

/* Signals are for the main thread. */
enum tl_code tl_loop_start(struct tl_loop *loop, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    accepting(loop, true);
    atomic_fetch_add(&loop->shared->loops_accepting, 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        atomic_fetch_sub(&loop->shared->loops_accepting, 1);
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread for requests");
    }
    loop->running = true;
    return TL_OK;
}

void tl_loop_join(struct tl_loop *loop)
{
    if (loop->running)
        pthread_join(loop->thread, NULL);
    loop->running = false;
}

void tl_loop_close(struct tl_loop *loop)
{
    if (loop == NULL)
        return;
    tl_loop_join(loop);
    while (loop->guests != NULL)
        tl_guest_close(loop->guests);
    hear(loop);
    if (loop->idle_links != NULL)
        tl_link_close_pool(loop);
    free_dead(loop);
    tl_exchange_loop_done(loop);
    for (size_t i = 0; i < loop->spare_requests_count; i++)
        tl_http1_close(loop->spare_requests[i]);
    for (size_t i = 0; i < loop->spare_answers_count; i++)
        tl_http1_close(loop->spare_answers[i]);
    free(loop->idle_links);
    tl_event_maker_close(loop->maker);
    tl_buf_done(&loop->out);
    if (loop->base != NULL) {
        if (event_initialized(&loop->accept_event))
            accepting(loop, false);
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}
