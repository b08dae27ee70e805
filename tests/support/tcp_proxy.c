/* tcp_proxy.c: a connection that is cut when it hurts. See tcp_proxy.h. */
#include "support/tcp_proxy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 32 };

struct pair {
    int client, server; /* -1: none */
    bool last_words;    /* what the server answers next is kept from the client, and ends it */
    bool held;          /* nobody hears anything */
};

struct tcp_proxy {
    char word[32];
    size_t word_size;
    uint16_t port, target;
    int listening, wake;
    pthread_t thread;
    _Atomic int how, nth, cuts, drops, ends;
    struct pair pairs[PAIRS_MAX];
};

/* A reset: what the other side has not read yet is lost too. */
static void reset(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static void cut(struct tcp_proxy *proxy, struct pair *pair, bool counts)
{
    reset(pair->client);
    reset(pair->server);
    *pair = (struct pair){-1, -1, false, false};
    if (counts)
        atomic_fetch_add(&proxy->cuts, 1);
}

static bool pass(int to, const char *bytes, ssize_t size)
{
    for (ssize_t at = 0; at < size;) {
        ssize_t sent = send(to, bytes + at, (size_t)(size - at), MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
    }
    return true;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void take_client(struct tcp_proxy *proxy)
{
    int client = accept4(proxy->listening, NULL, NULL, SOCK_CLOEXEC), server;

    if (client < 0)
        return;
    server = atomic_load(&proxy->how) == TCP_PROXY_ALL ? -1 : connect_to(proxy->target);
    for (int i = 0; server >= 0 && i < PAIRS_MAX; i++)
        if (proxy->pairs[i].client < 0) {
            proxy->pairs[i] = (struct pair){client, server, false, false};
            return;
        }
    reset(client);
    reset(server);
}

/* How the piece is to be dealt with. */
static enum tcp_proxy_cut judge(struct tcp_proxy *proxy, const char *bytes, ssize_t size)
{
    int how = atomic_load(&proxy->how);

    if (how == TCP_PROXY_PASS || how == TCP_PROXY_ALL || memmem(bytes, (size_t)size, proxy->word, proxy->word_size) == NULL ||
        atomic_fetch_sub(&proxy->nth, 1) > 1)
        return TCP_PROXY_PASS;
    atomic_store(&proxy->how, TCP_PROXY_PASS);
    return (enum tcp_proxy_cut)how;
}

/* As PostgreSQL's protocol has it: an error, and the end. */
static void say(struct tcp_proxy *proxy, struct pair *pair)
{
    static const char error[] = "E\0\0\0\x3aSFATAL\0VFATAL\0C08P01\0Mserver conn crashed between us\0";

    _Static_assert(sizeof error - 1 == 0x3a, "the length counts itself and what follows");
    pass(pair->client, error, sizeof error);
    close(pair->client); /* heard before the end */
    pair->client = -1;
    cut(proxy, pair, true);
}

static void from_client(struct tcp_proxy *proxy, struct pair *pair)
{
    static char bytes[1 << 20];
    ssize_t size = recv(pair->client, bytes, sizeof bytes, 0);

    if (size <= 0) {
        cut(proxy, pair, false);
        return;
    }
    switch (judge(proxy, bytes, size)) {
    case TCP_PROXY_BEFORE: cut(proxy, pair, true); return;
    case TCP_PROXY_AFTER: pair->last_words = true; break;
    case TCP_PROXY_SENT:
        pass(pair->server, bytes, size);
        cut(proxy, pair, true);
        return;
    case TCP_PROXY_SAY:
        pass(pair->server, bytes, size);
        say(proxy, pair);
        return;
    case TCP_PROXY_HOLD:
        pair->held = true;
        atomic_fetch_add(&proxy->cuts, 1);
        return;
    default: break;
    }
    if (!pass(pair->server, bytes, size))
        cut(proxy, pair, false);
}

static void from_server(struct tcp_proxy *proxy, struct pair *pair)
{
    static char bytes[1 << 20];
    ssize_t size = recv(pair->server, bytes, sizeof bytes, 0);

    if (size <= 0 || pair->last_words)
        cut(proxy, pair, size > 0);
    else if (!pass(pair->client, bytes, size))
        cut(proxy, pair, false);
}

static void *run(void *ctx)
{
    struct tcp_proxy *proxy = ctx;

    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {
            {proxy->wake,      POLLIN, 0},
            {proxy->listening, POLLIN, 0}
        };
        uint64_t woken;

        for (int i = 0; i < PAIRS_MAX; i++) {
            fds[2 + 2 * i] = (struct pollfd){proxy->pairs[i].held ? -1 : proxy->pairs[i].client, POLLIN, 0};
            fds[3 + 2 * i] = (struct pollfd){proxy->pairs[i].held ? -1 : proxy->pairs[i].server, POLLIN, 0};
        }
        poll(fds, 2 + 2 * PAIRS_MAX, -1);
        if (fds[0].revents != 0)
            (void)!read(proxy->wake, &woken, sizeof woken);
        if (atomic_exchange(&proxy->drops, 0) != 0)
            for (int i = 0; i < PAIRS_MAX; i++)
                if (proxy->pairs[i].client >= 0)
                    cut(proxy, &proxy->pairs[i], true);
        if (atomic_load(&proxy->ends) != 0)
            break;
        for (int i = 0; i < PAIRS_MAX; i++) {
            if (fds[2 + 2 * i].revents != 0 && proxy->pairs[i].client == fds[2 + 2 * i].fd)
                from_client(proxy, &proxy->pairs[i]);
            if (fds[3 + 2 * i].revents != 0 && proxy->pairs[i].server == fds[3 + 2 * i].fd)
                from_server(proxy, &proxy->pairs[i]);
        }
        if (fds[1].revents != 0)
            take_client(proxy);
    }
    for (int i = 0; i < PAIRS_MAX; i++)
        cut(proxy, &proxy->pairs[i], false);
    return NULL;
}

struct tcp_proxy *tcp_proxy_open(const void *word, size_t size, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct tcp_proxy *proxy = calloc(1, sizeof *proxy);
    socklen_t address_size = sizeof address;

    cr_assert_not_null(proxy);
    cr_assert(size <= sizeof proxy->word);
    memcpy(proxy->word, word, size);
    proxy->word_size = size;
    proxy->target = port;
    for (int i = 0; i < PAIRS_MAX; i++)
        proxy->pairs[i] = (struct pair){-1, -1, false, false};
    proxy->wake = eventfd(0, EFD_CLOEXEC);
    proxy->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(proxy->listening, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(proxy->listening, 16), 0);
    cr_assert_eq(getsockname(proxy->listening, (struct sockaddr *)&address, &address_size), 0);
    proxy->port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&proxy->thread, NULL, run, proxy), 0);
    return proxy;
}

uint16_t tcp_proxy_port(const struct tcp_proxy *proxy)
{
    return proxy->port;
}

void tcp_proxy_cut(struct tcp_proxy *proxy, enum tcp_proxy_cut how, int nth)
{
    atomic_store(&proxy->nth, nth);
    atomic_store(&proxy->how, (int)how);
}

int tcp_proxy_cuts(struct tcp_proxy *proxy)
{
    return atomic_load(&proxy->cuts);
}

static void wake(struct tcp_proxy *proxy)
{
    uint64_t one = 1;

    (void)!write(proxy->wake, &one, sizeof one);
}

void tcp_proxy_drop(struct tcp_proxy *proxy)
{
    int before = atomic_load(&proxy->cuts);

    atomic_store(&proxy->drops, 1);
    wake(proxy);
    for (int i = 0; i < 1000 && atomic_load(&proxy->cuts) == before; i++)
        usleep(1000);
}

void tcp_proxy_close(struct tcp_proxy *proxy)
{
    atomic_store(&proxy->ends, 1);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->listening);
    close(proxy->wake);
    free(proxy);
}
