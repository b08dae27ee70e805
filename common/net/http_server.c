/* http_server.c: the loop of the HTTP server. See http_server.h. */
#include "net/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_connection.h"

enum {
    ACCEPTS = 16, /* at a time: those who are here already have their turn, too */
    BACKLOG = 1024,
    BEGIN_MS = 2000, /* that a client has to send a request's head, where others wait at the door */
    LINGER_MS = 2000,
    CERTIFICATE_MS = 2000 /* between two looks at its files */
};

/* Word from another thread. */
struct tl_http_word {
    struct tl_http_word *next;
    void (*what)(void *ctx);
    void *ctx;
};

/* ---- parsers ---- */

struct tl_http1 *tl_http_server_parser(struct tl_http_server *server)
{
    struct tl_http1 *http;

    if (server->spare_parsers_count > 0)
        return server->spare_parsers[--server->spare_parsers_count];
    return tl_http1_open(TL_HTTP1_REQUEST, server->config.limits.head_bytes_max, &http, NULL) == TL_OK ? http : NULL;
}

void tl_http_server_parser_back(struct tl_http_server *server, struct tl_http1 *http)
{
    if (http == NULL)
        return;
    if (server->spare_parsers_count == TL_COUNT(server->spare_parsers)) {
        tl_http1_close(http);
        return;
    }
    tl_http1_reset(http);
    server->spare_parsers[server->spare_parsers_count++] = http;
}

/* ---- who comes ---- */

static void accepting(struct tl_http_server *server, bool on)
{
    if (server->accepting == on)
        return;
    server->accepting = on;
    if (on)
        event_add(&server->accept_event, NULL);
    else
        event_del(&server->accept_event);
}

void tl_http_server_left(struct tl_http_server *server)
{
    if (!server->draining)
        accepting(server, true);
}

/* The one that has been idle for longest; or else one that has come and not sent a request yet: many that send slowly keep nobody out. */
static struct tl_http_connection *least_missed(struct tl_http_server *server)
{
    struct tl_deadline *oldest = tl_deadline_first(&server->queues.idle);

    if (oldest == NULL) {
        oldest = tl_deadline_first(&server->queues.head);
        if (oldest != NULL && server->now_ms - (oldest->at_ms - server->queues.head.after_ms) < BEGIN_MS)
            oldest = NULL;
    }
    return oldest != NULL ? tl_http_connection_of(oldest) : NULL;
}

static bool make_room(struct tl_http_server *server)
{
    struct tl_http_connection *connection = least_missed(server);

    if (connection != NULL)
        tl_http_connection_close(connection);
    return connection != NULL;
}

/* Whoever waits, up to ACCEPTS. False: nobody does any more, or there is no room. */
static bool accept_some(struct tl_http_server *server)
{
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        bool full = tl_http_server_connections(server) >= server->config.limits.connections_max;
        int fd;

        if (full && least_missed(server) == NULL) {
            accepting(server, false); /* until somebody leaves, or the next tick */
            return false;
        }
        fd = accept4(server->listen_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            if ((errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) && !make_room(server))
                accepting(server, false);
            return false;
        }
        if (full) /* not before somebody has come */
            make_room(server);
        tl_http_connection_open(server, fd, (const struct sockaddr *)&from);
    }
    return true;
}

static void on_accept(int fd, short what, void *ctx)
{
    struct tl_http_server *server = ctx;

    (void)fd;
    (void)what;
    server->now_ms = tl_clock_monotonic_ms();
    (void)accept_some(server);
}

/* ---- time ---- */

/* RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
static void tell_date(struct tl_http_server *server)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now_s = tl_clock_wall_ms() / 1000;
    time_t now = (time_t)now_s;
    struct tm tm;

    if (now_s == server->date_s || gmtime_r(&now, &tm) == NULL)
        return;
    server->date_s = now_s;
    snprintf(server->date, sizeof server->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
             (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

static void look_at_certificate(struct tl_http_server *server, bool anyway)
{
    struct tl_err err;
    bool fresh = false;
    bool failed;

    if (server->certificate == NULL || (!anyway && server->now_ms - server->certificate_ms < CERTIFICATE_MS))
        return;
    server->certificate_ms = server->now_ms;
    failed = tl_certificate_refresh(server->certificate, anyway, &fresh, &err) != TL_OK;
    if ((fresh || failed) && server->config.reloaded != NULL)
        server->config.reloaded(server->config.ctx, failed ? &err : NULL);
}

static void free_dead(struct tl_http_server *server)
{
    while (server->dead != NULL) {
        struct tl_http_connection *connection = server->dead;

        server->dead = connection->next;
        free(connection);
    }
}

/* What was sent before the client could know has come by now. Who became a stream or a WebSocket meanwhile is told, too. */
static void drain_more(struct tl_http_server *server)
{
    for (struct tl_http_connection *connection = server->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->state <= TL_HTTP_IDLE || server->now_ms >= server->drain_until_ms)
            tl_http_connection_close(connection);
        else if (connection->state == TL_HTTP_TAKEN && !connection->doomed)
            connection->mode->leave(connection);
    }
    if (server->connections == NULL)
        event_base_loopbreak(server->base);
}

static void on_tick(int fd, short what, void *ctx)
{
    struct tl_http_server *server = ctx;
    struct tl_deadline_queue *queues[] = {&server->queues.head, &server->queues.idle, &server->queues.body, &server->queues.write,
                                          &server->queues.linger};

    (void)fd;
    (void)what;
    free_dead(server);
    server->now_ms = tl_clock_monotonic_ms();
    tell_date(server);
    for (size_t q = 0; q < TL_COUNT(queues); q++)
        tl_deadline_pass(queues[q], server->now_ms);
    for (struct tl_http_wait *wait = server->waits; wait != NULL; wait = wait->next)
        tl_deadline_pass(&wait->queue, server->now_ms);
    look_at_certificate(server, false);
    if (server->draining)
        drain_more(server);
    else
        accepting(server, true);
}

void tl_http_connection_wait(struct tl_http_connection *connection, int64_t after_ms)
{
    struct tl_http_server *server = connection->server;
    struct tl_http_wait *wait = server->waits;

    if (connection->stuck)
        return;
    while (wait != NULL && wait->queue.after_ms != after_ms)
        wait = wait->next;
    if (wait == NULL) {
        wait = malloc(sizeof *wait);
        if (wait == NULL) {
            tl_http_connection_doom(connection);
            return;
        }
        tl_deadline_queue_init(&wait->queue, after_ms);
        wait->next = server->waits;
        server->waits = wait;
    }
    tl_deadline_set(&wait->queue, &connection->deadline, server->now_ms);
}

static void on_later(int fd, short what, void *ctx)
{
    struct tl_http_server *server = ctx;

    (void)fd;
    (void)what;
    server->now_ms = tl_clock_monotonic_ms();
    while (server->later != NULL) {
        struct tl_http_connection *connection = server->later;

        server->later = connection->next_later;
        tl_http_connection_look(connection);
    }
}

/* ---- words from other threads ---- */

static void wake(struct tl_http_server *server)
{
    uint64_t one = 1;

    while (write(server->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

bool tl_http_server_call(struct tl_http_server *server, void (*what)(void *ctx), void *ctx)
{
    struct tl_http_word *word = malloc(sizeof *word);
    bool first;

    if (word == NULL)
        return false;
    *word = (struct tl_http_word){NULL, what, ctx};
    pthread_mutex_lock(&server->mutex);
    first = server->words == NULL;
    *server->words_end = word;
    server->words_end = &word->next;
    pthread_mutex_unlock(&server->mutex);
    if (first)
        wake(server);
    return true;
}

void tl_http_server_stop(struct tl_http_server *server, int64_t patience_ms)
{
    int saved = errno;

    atomic_store(&server->patience_ms, patience_ms);
    atomic_store(&server->stop_asked, true);
    wake(server);
    errno = saved;
}

void tl_http_server_reload(struct tl_http_server *server)
{
    int saved = errno;

    atomic_store(&server->reload_asked, true);
    wake(server);
    errno = saved;
}

static void hear(struct tl_http_server *server)
{
    struct tl_http_word *words;

    pthread_mutex_lock(&server->mutex);
    words = server->words;
    server->words = NULL;
    server->words_end = &server->words;
    pthread_mutex_unlock(&server->mutex);
    while (words != NULL) {
        struct tl_http_word *word = words;

        words = word->next;
        word->what(word->ctx);
        free(word);
    }
}

/* Those at the door would be sent away when it closes: they are let in. */
static void begin_drain(struct tl_http_server *server)
{
    while (accept_some(server)) {}
    server->draining = true;
    server->drain_until_ms = server->now_ms + atomic_load(&server->patience_ms);
    accepting(server, false);
    close(server->listen_fd);
    server->listen_fd = -1;
}

static void on_wake(int fd, short what, void *ctx)
{
    struct tl_http_server *server = ctx;
    uint64_t count;

    (void)what;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    server->now_ms = tl_clock_monotonic_ms();
    hear(server);
    if (atomic_exchange(&server->reload_asked, false))
        look_at_certificate(server, true);
    if (atomic_load(&server->stop_asked) && !server->draining)
        begin_drain(server);
}

/* ---- the server ---- */

/* Nothing in it is locked: the loop is one thread's. */
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

static enum tl_code events_open(struct tl_http_server *server, struct tl_err *err)
{
    server->base = base_new();
    if (server->base == NULL)
        return tl_fail(err, TL_ERR_IO, "libevent cannot make a loop");
    event_assign(&server->accept_event, server->base, server->listen_fd, EV_READ | EV_PERSIST, on_accept, server);
    event_assign(&server->tick_event, server->base, -1, EV_PERSIST, on_tick, server);
    event_assign(&server->wake_event, server->base, server->wake_fd, EV_READ | EV_PERSIST, on_wake, server);
    event_assign(&server->later_event, server->base, -1, 0, on_later, server);
    if (event_add(&server->tick_event, &(struct timeval){.tv_usec = TL_DEADLINE_TICK_MS * 1000}) != 0 ||
        event_add(&server->wake_event, NULL) != 0)
        return tl_fail(err, TL_ERR_IO, "libevent cannot make a loop");
    accepting(server, true);
    return TL_OK;
}

enum tl_code tl_http_server_open(const struct tl_http_server_config *config, struct tl_http_server **out, struct tl_err *err)
{
    const struct tl_http_limits *limits = &config->limits;
    struct tl_http_server *server = calloc(1, sizeof *server);
    enum tl_code rc = TL_OK;

    if (server == NULL)
        return tl_fail_memory(err, sizeof *server);
    server->config = *config;
    server->listen_fd = server->wake_fd = -1;
    server->words_end = &server->words;
    pthread_mutex_init(&server->mutex, NULL);
    tl_buf_init(&server->head, 0);
    tl_deadline_queue_init(&server->queues.head, limits->head_ms);
    tl_deadline_queue_init(&server->queues.idle, limits->idle_ms);
    tl_deadline_queue_init(&server->queues.body, limits->body_ms);
    tl_deadline_queue_init(&server->queues.write, limits->write_ms);
    tl_deadline_queue_init(&server->queues.linger, LINGER_MS);
    server->now_ms = server->certificate_ms = tl_clock_monotonic_ms();
    server->date_s = INT64_MIN;
    tell_date(server);
    server->crlf = tl_blob_copy(TL_SV("\r\n"));
    if (server->crlf == NULL)
        TL_TRY(tl_fail_memory(err, 0));
    if (getrandom(&server->peer_seed, sizeof server->peer_seed, 0) != sizeof server->peer_seed)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "getrandom"));
    if (config->certificate != NULL)
        TL_TRY(tl_certificate_open(config->certificate, config->key, &server->certificate, err));
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "eventfd"));
    TL_TRY(tl_listen_open(&server->config.listen, BACKLOG, &server->listen_fd, err));
    TL_TRY(events_open(server, err));
    *out = server;
    server = NULL;
out:
    tl_http_server_close(server);
    return rc;
}

void tl_http_server_run(struct tl_http_server *server)
{
    event_base_dispatch(server->base);
}

void tl_http_server_close(struct tl_http_server *server)
{
    if (server == NULL)
        return;
    while (server->connections != NULL)
        tl_http_connection_close(server->connections);
    hear(server);
    free_dead(server);
    while (server->waits != NULL) {
        struct tl_http_wait *wait = server->waits;

        server->waits = wait->next;
        free(wait);
    }
    while (server->spare_parsers_count > 0)
        tl_http1_close(server->spare_parsers[--server->spare_parsers_count]);
    tl_buf_done(&server->head);
    tl_blob_drop(server->crlf);
    tl_certificate_close(server->certificate);
    if (server->base != NULL) {
        accepting(server, false);
        event_base_free(server->base);
    }
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

const struct tl_listen *tl_http_server_listen(const struct tl_http_server *server)
{
    return &server->config.listen;
}

unsigned tl_http_server_connections(const struct tl_http_server *server)
{
    return atomic_load_explicit(&server->connections_count, memory_order_relaxed);
}
