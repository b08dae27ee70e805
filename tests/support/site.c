/* site.c: a website for tests. See site.h. */
#include "support/site.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

struct site_connection {
    struct site_connection *next;
    struct site *site;
    pthread_t thread;
    int fd; /* -1: it has ended; with the mutex */
    unsigned number;
};

struct site {
    int listen_fd;
    uint16_t port;
    site_answer *answer;
    void *ctx;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct site_connection *connections; /* with the mutex, as what follows */
    unsigned connections_count, requests_count, open;
    bool closing;
    struct tl_buf heads; /* one behind the other, with a zero behind each */
};

static void note(struct site *site, const char *head)
{
    pthread_mutex_lock(&site->mutex);
    site->requests_count++;
    tl_buf_put(&site->heads, head, strlen(head) + 1);
    pthread_mutex_unlock(&site->mutex);
}

static void end(struct site_visit *visit, bool cut)
{
    struct site *site = visit->site;

    pthread_mutex_lock(&site->mutex);
    visit->of->fd = -1;
    if (cut)
        wire_cut(&visit->wire);
    else
        wire_close(&visit->wire);
    pthread_mutex_unlock(&site->mutex);
}

void site_hang_up(struct site_visit *visit)
{
    end(visit, false);
}

void site_cut(struct site_visit *visit)
{
    end(visit, true);
}

static void *serve(void *arg)
{
    struct site_connection *connection = arg;
    struct site *site = connection->site;
    struct site_visit *visit = calloc(1, sizeof *visit);

    if (visit == NULL)
        abort();
    visit->site = site;
    visit->of = connection;
    visit->connection = connection->number;
    visit->ctx = site->ctx;
    if (wire_accept(&visit->wire, connection->fd, site->tls))
        for (; visit->wire.fd >= 0 && wire_head(&visit->wire); visit->request++) {
            note(site, visit->wire.head);
            site->answer(visit);
        }
    end(visit, false);
    pthread_mutex_lock(&site->mutex);
    site->open--;
    pthread_mutex_unlock(&site->mutex);
    free(visit);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct site *site = arg;
    int fd;

    while ((fd = accept4(site->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR || errno == ECONNABORTED) {
        struct site_connection *connection;

        if (fd < 0)
            continue;
        connection = calloc(1, sizeof *connection);
        if (connection == NULL)
            abort();
        connection->site = site;
        connection->fd = fd;
        pthread_mutex_lock(&site->mutex);
        connection->number = site->connections_count++;
        connection->next = site->connections;
        site->connections = connection;
        site->open++;
        if (site->closing)
            shutdown(fd, SHUT_RDWR);
        if (pthread_create(&connection->thread, NULL, serve, connection) != 0)
            abort();
        pthread_mutex_unlock(&site->mutex);
    }
    return NULL;
}

static struct site *start(site_answer *answer, void *ctx, uint16_t port, SSL_CTX *tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct site *site = calloc(1, sizeof *site);
    socklen_t size = sizeof address;
    int on = 1;

    cr_assert_not_null(site);
    site->answer = answer;
    site->ctx = ctx;
    site->tls = tls;
    tl_buf_init(&site->heads, 0);
    pthread_mutex_init(&site->mutex, NULL);
    site->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(site->listen_fd, 0);
    setsockopt(site->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    cr_assert_eq(bind(site->listen_fd, (const struct sockaddr *)&address, size), 0, "bind: %s", strerror(errno));
    cr_assert_eq(listen(site->listen_fd, 1024), 0);
    cr_assert_eq(getsockname(site->listen_fd, (struct sockaddr *)&address, &size), 0);
    site->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&site->thread, NULL, accept_all, site), 0);
    return site;
}

struct site *site_open(site_answer *answer, void *ctx)
{
    return start(answer, ctx, 0, NULL);
}

struct site *site_open_at(site_answer *answer, void *ctx, uint16_t port)
{
    return start(answer, ctx, port, NULL);
}

struct site *site_open_tls(site_answer *answer, void *ctx, const char *certificate, const char *key)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    cr_assert_not_null(tls);
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(tls, certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM), 1);
    return start(answer, ctx, 0, tls);
}

void site_close(struct site *site)
{
    if (site == NULL)
        return;
    pthread_mutex_lock(&site->mutex);
    site->closing = true;
    for (struct site_connection *connection = site->connections; connection != NULL; connection = connection->next)
        if (connection->fd >= 0)
            shutdown(connection->fd, SHUT_RDWR);
    pthread_mutex_unlock(&site->mutex);
    shutdown(site->listen_fd, SHUT_RDWR);
    pthread_join(site->thread, NULL);
    while (site->connections != NULL) {
        struct site_connection *connection = site->connections;

        pthread_join(connection->thread, NULL);
        site->connections = connection->next;
        free(connection);
    }
    close(site->listen_fd);
    SSL_CTX_free(site->tls);
    tl_buf_done(&site->heads);
    pthread_mutex_destroy(&site->mutex);
    free(site);
}

uint16_t site_port(const struct site *site)
{
    return site->port;
}

static unsigned read_count(struct site *site, const unsigned *count)
{
    unsigned value;

    pthread_mutex_lock(&site->mutex);
    value = *count;
    pthread_mutex_unlock(&site->mutex);
    return value;
}

unsigned site_connections(struct site *site)
{
    return read_count(site, &site->connections_count);
}

unsigned site_requests(struct site *site)
{
    return read_count(site, &site->requests_count);
}

bool site_waits_for_open(struct site *site, unsigned count, int timeout_ms)
{
    int64_t until_ms = tl_clock_monotonic_ms() + timeout_ms;

    while (read_count(site, &site->open) != count) {
        if (tl_clock_monotonic_ms() >= until_ms)
            return false;
        tl_clock_sleep_ms(5);
    }
    return true;
}

unsigned site_saw(struct site *site, const char *words)
{
    unsigned count = 0;

    pthread_mutex_lock(&site->mutex);
    for (size_t at = 0; at < site->heads.size; at += strlen(site->heads.data + at) + 1)
        count += strstr(site->heads.data + at, words) != NULL;
    pthread_mutex_unlock(&site->mutex);
    return count;
}

void site_echo_line(struct site_visit *visit)
{
    size_t size = strcspn(visit->wire.head, "\r");
    char line[512];

    (void)wire_body(&visit->wire, false);
    snprintf(line, sizeof line, "%.*s", (int)(size - sizeof " HTTP/1.1" + 1), visit->wire.head);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(line), line);
}
