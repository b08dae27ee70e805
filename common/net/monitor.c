/* monitor.c: a small HTTP server for operators. See monitor.h. */
#include "net/monitor.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sv.h"

enum { HEAD_BYTES_MAX = 8192, BODY_BYTES_MAX = 1024, SILENCE_S = 10, BACKLOG = 16, PAGE_BYTES_MAX = 64 << 20, SWEEP_US = 50000 };

/* From its acceptance to its end. */
struct connection {
    struct bufferevent *socket;
    int64_t until_ms; /* monotonic */
    struct connection *next;
};

struct tl_monitor {
    struct tl_listen listen;
    const struct tl_monitor_page *pages;
    size_t pages_count;
    void *ctx;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener;
    struct connection *connections;
    unsigned connections_count;
    struct event *wake, *sweep;
    int wake_fd; /* eventfd: the server is to end */
    pthread_t thread;
    bool running;
};

/* ---- requests ---- */

static void put_headers(struct evhttp_request *request, const char *content_type)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    evhttp_add_header(headers, "Content-Type", content_type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Connection", "close");
}

/* evhttp would send a HEAD's body as well, without saying how long it is. */
static void answer(struct evhttp_request *request, int status, const char *content_type, struct tl_sv body)
{
    char size[24];

    put_headers(request, content_type);
    snprintf(size, sizeof size, "%zu", body.size);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", size);
    else if (body.size > 0 && evbuffer_add(evhttp_request_get_output_buffer(request), body.data, body.size) != 0)
        status = 500;
    evhttp_send_reply(request, status, NULL, NULL);
}

static void answer_page(struct tl_monitor *monitor, struct evhttp_request *request, const struct tl_monitor_page *page)
{
    struct tl_buf body;
    int status;

    tl_buf_init(&body, PAGE_BYTES_MAX);
    status = page->write(monitor->ctx, &body);
    if (body.failed) {
        tl_buf_clear(&body);
        status = 500;
    }
    answer(request, status, page->content_type, tl_buf_sv(&body));
    tl_buf_done(&body);
}

static void answer_paths(const struct tl_monitor *monitor, struct evhttp_request *request, int status)
{
    struct tl_buf body;

    tl_buf_init(&body, PAGE_BYTES_MAX);
    tl_buf_put_str(&body, status == 200 ? "" : "not here; there is:\n");
    for (size_t p = 0; p < monitor->pages_count; p++)
        tl_buf_printf(&body, "%s\n", monitor->pages[p].path);
    answer(request, status, "text/plain; charset=utf-8", tl_buf_sv(&body));
    tl_buf_done(&body);
}

static void on_request(struct evhttp_request *request, void *ctx)
{
    struct tl_monitor *monitor = ctx;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    enum evhttp_cmd_type method = evhttp_request_get_command(request);

    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        answer(request, 405, "text/plain; charset=utf-8", TL_SV("GET or HEAD\n"));
        return;
    }
    for (size_t p = 0; path != NULL && p < monitor->pages_count; p++) {
        if (strcmp(monitor->pages[p].path, path) == 0) {
            answer_page(monitor, request, &monitor->pages[p]);
            return;
        }
    }
    answer_paths(monitor, request, path != NULL && (path[0] == '\0' || strcmp(path, "/") == 0) ? 200 : 404);
}

/* ---- the server ---- */

/* evhttp takes its callbacks away when it lets go of a connection. */
static bool has_ended(const struct connection *connection)
{
    bufferevent_event_cb on_event = NULL;

    bufferevent_getcb(connection->socket, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

/* evhttp tells nobody that a connection has ended which never asked for anything. So each is held here too, and looked at soon. */
static void sweep(struct tl_monitor *monitor)
{
    struct connection **at = &monitor->connections;
    int64_t now_ms = tl_clock_monotonic_ms();

    while (*at != NULL) {
        struct connection *connection = *at;

        if (!has_ended(connection)) {
            if (now_ms >= connection->until_ms) /* silence alone does not end who sends or takes a byte now and then */
                shutdown(bufferevent_getfd(connection->socket), SHUT_RDWR);
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        bufferevent_decref(connection->socket);
        free(connection);
        if (monitor->connections_count-- == TL_MONITOR_CONNECTIONS_MAX)
            evconnlistener_enable(monitor->listener);
    }
    if (monitor->connections != NULL)
        event_add(monitor->sweep, &(struct timeval){.tv_usec = SWEEP_US});
}

static void on_sweep(int fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    sweep(ctx);
}

/* Left to itself, evhttp 2.1.12 closes a socket before it takes it out of its epoll: between the two another thread may have been given
 * the number. A bufferevent that closes by itself does it in the right order. */
static struct bufferevent *connection_make(struct event_base *base, void *ctx)
{
    struct tl_monitor *monitor = ctx;
    struct bufferevent *socket = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct connection *connection = calloc(1, sizeof *connection);

    if (socket == NULL || connection == NULL) {
        free(connection);
        return socket;
    }
    sweep(monitor);
    bufferevent_incref(socket);
    *connection = (struct connection){socket, tl_clock_monotonic_ms() + monitor->listen.deadline_ms, monitor->connections};
    monitor->connections = connection;
    if (++monitor->connections_count == TL_MONITOR_CONNECTIONS_MAX)
        evconnlistener_disable(monitor->listener);
    event_add(monitor->sweep, &(struct timeval){.tv_usec = SWEEP_US});
    return socket;
}

static void on_wake(int fd, short what, void *ctx)
{
    struct tl_monitor *monitor = ctx;

    (void)fd;
    (void)what;
    event_base_loopbreak(monitor->base);
}

static void *thread_main(void *arg)
{
    struct tl_monitor *monitor = arg;

    event_base_dispatch(monitor->base);
    return NULL;
}

/* Signals are for the threads that look after them: one that ended up here would not shorten anybody's sleep. */
static enum tl_code start(struct tl_monitor *monitor, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&monitor->thread, NULL, thread_main, monitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start the thread that answers monitors");
    }
    monitor->running = true;
    return TL_OK;
}

static enum tl_code http_open(struct tl_monitor *monitor, struct tl_err *err)
{
    monitor->base = event_base_new();
    monitor->http = monitor->base != NULL ? evhttp_new(monitor->base) : NULL;
    monitor->wake = monitor->base != NULL ? event_new(monitor->base, monitor->wake_fd, EV_READ, on_wake, monitor) : NULL;
    monitor->sweep = monitor->base != NULL ? event_new(monitor->base, -1, 0, on_sweep, monitor) : NULL;
    if (monitor->http == NULL || monitor->wake == NULL || monitor->sweep == NULL || event_add(monitor->wake, NULL) != 0)
        return tl_fail(err, TL_ERR_IO, "libevent cannot make a server");
    evhttp_set_max_headers_size(monitor->http, HEAD_BYTES_MAX);
    evhttp_set_max_body_size(monitor->http, BODY_BYTES_MAX);
    evhttp_set_timeout(monitor->http, SILENCE_S);
    /* All that it knows, so that what is not GET is told so and not "not implemented". */
    evhttp_set_allowed_methods(monitor->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                                  EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT |
                                                  EVHTTP_REQ_PATCH);
    evhttp_set_bevcb(monitor->http, connection_make, monitor);
    evhttp_set_gencb(monitor->http, on_request, monitor);
    return TL_OK;
}

enum tl_code tl_monitor_open(const struct tl_listen *listen, const struct tl_monitor_page *pages, size_t pages_count, void *ctx,
                             struct tl_monitor **out, struct tl_err *err)
{
    struct tl_monitor *monitor = calloc(1, sizeof *monitor);
    struct evhttp_bound_socket *bound;
    int fd = -1;
    enum tl_code rc;

    if (monitor == NULL)
        return tl_fail_memory(err, sizeof *monitor);
    monitor->listen = *listen;
    if (monitor->listen.deadline_ms == 0)
        monitor->listen.deadline_ms = TL_MONITOR_DEADLINE_MS;
    monitor->pages = pages;
    monitor->pages_count = pages_count;
    monitor->ctx = ctx;
    monitor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (monitor->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "eventfd"));
    TL_TRY(http_open(monitor, err));
    TL_TRY(tl_listen_open(&monitor->listen, BACKLOG, &fd, err));
    bound = evhttp_accept_socket_with_handle(monitor->http, fd);
    if (bound == NULL)
        TL_TRY(tl_fail(err, TL_ERR_IO, "libevent cannot make a server"));
    fd = -1; /* its now */
    monitor->listener = evhttp_bound_socket_get_listener(bound);
    TL_TRY(start(monitor, err));
    *out = monitor;
    monitor = NULL;
out:
    if (fd >= 0)
        close(fd);
    tl_monitor_close(monitor);
    return rc;
}

void tl_monitor_close(struct tl_monitor *monitor)
{
    uint64_t one = 1;

    if (monitor == NULL)
        return;
    if (monitor->running) {
        while (write(monitor->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
        pthread_join(monitor->thread, NULL);
    }
    if (monitor->wake != NULL)
        event_free(monitor->wake);
    if (monitor->sweep != NULL)
        event_free(monitor->sweep);
    if (monitor->http != NULL)
        evhttp_free(monitor->http);
    while (monitor->connections != NULL) {
        struct connection *connection = monitor->connections;

        monitor->connections = connection->next;
        bufferevent_decref(connection->socket);
        free(connection);
    }
    if (monitor->base != NULL)
        event_base_free(monitor->base);
    if (monitor->wake_fd >= 0)
        close(monitor->wake_fd);
    free(monitor);
}

const struct tl_listen *tl_monitor_listen(const struct tl_monitor *monitor)
{
    return &monitor->listen;
}
