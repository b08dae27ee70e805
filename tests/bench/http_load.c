/* http_load.c: requests to a proxy at a fixed rate, however slow it answers; and connections that only stand there.
 *
 * bench_http_load rate PORT CONNECTIONS RATE SECONDS [PATH]    prints requests, failed, p50_us, p99_us, p999_us, max_us, rate
 * bench_http_load idle PORT CONNECTIONS                        a request on each, prints "ready=N", and holds them until its stdin ends
 *
 * A request is due at its place in the rate, and its time counts from there: a proxy that stands still for a while makes all those late that were
 * due meanwhile (wrk would send none then, and see one). Failed: not answered by a whole 200; its connection is made anew. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 16 * 1024, EVENTS_MAX = 256, LATE_S = 30 };

struct connection {
    int fd;
    int64_t due_ns; /* of the request that is under way; 0: none */
    size_t got;
    char *answer;
    struct connection *next; /* among the free ones */
};

static struct {
    struct sockaddr_in to;
    char request[1024];
    size_t request_size;
    int epoll;
    struct connection *free_first, *free_last;
    uint32_t *times_us;
    size_t times_count, failed;
} load;

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(3);
}

static void put_free(struct connection *c)
{
    c->next = NULL;
    c->due_ns = 0;
    c->got = 0;
    if (load.free_last != NULL)
        load.free_last->next = c;
    else
        load.free_first = c;
    load.free_last = c;
}

static struct connection *take_free(void)
{
    struct connection *c = load.free_first;

    load.free_first = c->next;
    if (load.free_first == NULL)
        load.free_last = NULL;
    return c;
}

/* On the loopback connect() does not wait. */
static void connect_to(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&load.to, sizeof load.to) != 0)
        die("bench_http_load: connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("bench_http_load: epoll");
}

static void note(const struct connection *c, bool good)
{
    load.times_us[load.times_count++] = (uint32_t)((now_ns() - c->due_ns) / 1000);
    load.failed += !good;
}

static void fail(struct connection *c)
{
    if (c->due_ns != 0)
        note(c, false);
    close(c->fd);
    connect_to(c);
    if (c->due_ns != 0)
        put_free(c);
}

static void send_request(struct connection *c, int64_t due_ns)
{
    c->due_ns = due_ns;
    if (send(c->fd, load.request, load.request_size, MSG_NOSIGNAL) != (ssize_t)load.request_size)
        fail(c);
}

/* The size of the whole answer, 0 where its head is not complete yet, or -1: it is none that counts. */
static long answer_size(const struct connection *c)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);

    if (end == NULL)
        return c->got == ANSWER_BYTES ? -1 : 0;
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
        return -1;
    for (const char *line = c->answer; line < end; line = (const char *)memchr(line, '\n', (size_t)(end + 4 - line)) + 1)
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return end + 4 - c->answer + strtol(line + 15, NULL, 10);
    return -1;
}

static void receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->answer + c->got, ANSWER_BYTES - c->got, 0);
    long size;

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        fail(c);
        return;
    }
    c->got += (size_t)got;
    size = answer_size(c);
    if (size < 0 || (size > 0 && c->got > (size_t)size)) {
        fail(c);
    } else if (size > 0 && c->got == (size_t)size) {
        note(c, true);
        put_free(c);
    }
}

static void wait_until(int64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left_ns = until_ns - now_ns();
    struct timespec left = {0};
    int count;

    if (left_ns > 0)
        left = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
    count = epoll_pwait2(load.epoll, events, EVENTS_MAX, &left, NULL);
    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
}

static struct connection *open_all(long count)
{
    struct connection *all = calloc((size_t)count, sizeof *all);

    for (long i = 0; i < count; i++) {
        all[i].answer = malloc(ANSWER_BYTES);
        connect_to(&all[i]);
        put_free(&all[i]);
    }
    return all;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t part_of(double share)
{
    size_t at = (size_t)(share * (double)load.times_count);

    return load.times_us[at < load.times_count ? at : load.times_count - 1];
}

static int run_rate(long connections, long rate, long seconds)
{
    size_t count = (size_t)(rate * seconds), sent = 0;
    int64_t began_ns, ended_ns;

    load.times_us = calloc(count, sizeof *load.times_us);
    open_all(connections);
    began_ns = now_ns();
    while (load.times_count < count && now_ns() < began_ns + (seconds + LATE_S) * 1000000000) {
        int64_t due_ns = began_ns + (int64_t)sent * 1000000000 / rate;

        while (sent < count && load.free_first != NULL && due_ns <= now_ns()) {
            send_request(take_free(), due_ns);
            due_ns = began_ns + (int64_t)++sent * 1000000000 / rate;
        }
        wait_until(sent < count && load.free_first != NULL ? due_ns : now_ns() + 100000000);
    }
    ended_ns = now_ns();
    load.failed += count - load.times_count; /* never answered */
    if (load.times_count == 0)
        return 1;
    qsort(load.times_us, load.times_count, sizeof *load.times_us, by_size);
    printf("requests=%zu failed=%zu p50_us=%u p99_us=%u p999_us=%u max_us=%u rate=%.0f\n", count, load.failed, part_of(0.5),
           part_of(0.99), part_of(0.999), part_of(1), (double)load.times_count * 1e9 / (double)(ended_ns - began_ns));
    return 0;
}

static int run_idle(long connections)
{
    char byte;

    load.times_us = calloc((size_t)connections, sizeof *load.times_us);
    open_all(connections);
    for (size_t sent = 0; sent < (size_t)connections; sent++) {
        send_request(take_free(), now_ns());
        while (load.times_count <= sent)
            wait_until(now_ns() + 1000000000);
    }
    printf("ready=%ld failed=%zu\n", connections, load.failed);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    return 0;
}

static int usage(void)
{
    fputs("usage: bench_http_load rate PORT CONNECTIONS RATE SECONDS [PATH] | idle PORT CONNECTIONS\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    const char *path = argc > 6 ? argv[6] : "/page";

    if (argc < 4)
        return usage();
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    load.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    load.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load.request_size =
        (size_t)snprintf(load.request, sizeof load.request,
                         "GET %s HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; "
                         "rv:128.0) Gecko/20100101 Firefox/128.0\r\nReferer: https://www.example.com/\r\n"
                         "Accept: text/html\r\n\r\n",
                         path);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (strcmp(argv[1], "rate") == 0 && argc >= 6)
        return run_rate(atol(argv[3]), atol(argv[4]), atol(argv[5]));
    if (strcmp(argv[1], "idle") == 0)
        return run_idle(atol(argv[3]));
    return usage();
}
