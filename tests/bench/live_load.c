/* live_load.c: WebSocket clients of `tally serve`: how soon they see a request, and how many there may be.
 *
 * bench_live_load probe SITE_PORT SERVE_PORT VIEW SECONDS     prints probes, unseen, p50_ms, p99_ms, max_ms
 * bench_live_load idle SERVE_PORT CLIENTS VIEW                prints "ready=N", and holds them until its stdin ends
 * bench_live_load fan SERVE_PORT CLIENTS VIEW SECONDS         prints clients, closed, messages, spread_p50_ms, spread_p99_ms
 *
 * probe: PROBES_PER_S times a second a request for /probe-N goes to the site (through intercept); its time runs from just before it is written until a
 * message with that path has come in a client that has subscribed to VIEW. The first WARM_UP_S seconds do not count.
 * fan: all clients have subscribed to the same view. A message's spread is from when the first client has it to when the last one has it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PROBES_PER_S = 50,
    WARM_UP_S = 3,
    WAIT_S = 10,
    SECONDS_MAX = 600,
    PROBES_MAX = PROBES_PER_S * (SECONDS_MAX + WARM_UP_S),
    READ_BYTES = 64 << 10,
    EVENTS_MAX = 256,
    BEGIN_BYTES = 256, /* of a message that is only counted: its seq is in there */
    SEQS_MAX = 1 << 16,
};

/* A message as it comes: its head, then its bytes, of which `kept_max` are kept. */
struct client {
    int fd; /* -1: closed */
    unsigned char head[10];
    size_t head_got;
    uint64_t left; /* of the payload */
    char *kept;
    size_t kept_size, kept_max;
    uint64_t messages_count;
};

static void (*on_message)(struct client *client);
static size_t closed_count;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_live_load: %s: %s\n", what, why);
    exit(3);
}

/* ---- a client ---- */

static int connect_to(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        die("connect", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send", strerror(errno));
}

/* With a mask of zeros, which leaves the text as it is. */
static void send_text(int fd, const char *text, size_t size)
{
    char frame[6 + 125] = {(char)0x81, (char)(0x80 | size)};

    if (size > 125)
        die(text, "is too long");
    memcpy(frame + 6, text, size);
    write_all(fd, frame, size + 6);
}

static void open_client(struct client *client, int port, const char *view, size_t kept_max)
{
    char text[512], answer[2048];
    size_t got = 0;
    ssize_t more;

    *client = (struct client){.fd = connect_to(port), .kept_max = kept_max};
    snprintf(text, sizeof text,
             "GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
             port);
    write_all(client->fd, text, strlen(text));
    do { /* a byte at a time, so that what follows the answer stays where it is */
        more = recv(client->fd, answer + got, 1, 0);
        if (more != 1 || ++got == sizeof answer)
            die("handshake", "no answer");
        answer[got] = '\0';
    } while (got < 4 || memcmp(answer + got - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0)
        die("handshake", answer);
    send_text(client->fd, text,
              (size_t)snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"a\",\"view\":\"%s\"}", view));
    if (fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl", strerror(errno));
}

static void close_client(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    closed_count++;
}

static size_t head_size(const struct client *client)
{
    unsigned short_size = client->head_got < 2 ? 0 : client->head[1] & 0x7f;

    return short_size == 126 ? 4 : short_size == 127 ? 10 : 2;
}

static void begin_payload(struct client *client)
{
    size_t size = head_size(client);

    client->left = client->head[1] & 0x7f;
    if (size > 2)
        client->left = 0;
    for (size_t i = 2; i < size; i++)
        client->left = client->left << 8 | client->head[i];
    if ((client->head[0] & 0x0f) != 0) /* a message goes on with 0 */
        client->kept_size = 0;
}

static void end_frame(struct client *client)
{
    unsigned kind = client->head[0] & 0x0f;
    bool last = (client->head[0] & 0x80) != 0;

    client->head_got = 0;
    if (kind == 8) {
        close_client(client);
    } else if (kind == 9) {
        static const char pong[] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};

        write_all(client->fd, pong, sizeof pong);
    } else if (kind <= 1 && last) {
        client->messages_count++;
        if (on_message != NULL)
            on_message(client);
    }
}

static void take_bytes(struct client *client, const char *bytes, size_t size)
{
    while (size > 0 && client->fd >= 0) {
        size_t part, keep;

        if (client->head_got < head_size(client)) {
            client->head[client->head_got++] = (unsigned char)*bytes++;
            size--;
            if (client->head_got < head_size(client))
                continue;
            begin_payload(client);
        }
        part = client->left < size ? (size_t)client->left : size;
        keep = part < client->kept_max - client->kept_size ? part : client->kept_max - client->kept_size;
        if (keep > 0 && client->kept == NULL && (client->kept = malloc(client->kept_max + 1)) == NULL)
            die("memory", strerror(errno));
        if (keep > 0)
            memcpy(client->kept + client->kept_size, bytes, keep);
        client->kept_size += keep;
        bytes += part;
        size -= part;
        client->left -= part;
        if (client->left == 0)
            end_frame(client);
    }
}

static void receive(struct client *client)
{
    static char bytes[READ_BYTES];
    ssize_t got = recv(client->fd, bytes, sizeof bytes, 0);

    if (got > 0)
        take_bytes(client, bytes, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        close_client(client);
}

static struct client *open_all(int epoll, int port, long count, const char *view)
{
    struct client *all = calloc((size_t)count, sizeof *all);

    if (all == NULL)
        die("memory", strerror(errno));
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};

        open_client(&all[i], port, view, BEGIN_BYTES);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) != 0)
            die("epoll", strerror(errno));
    }
    return all;
}

static void wait_until(int epoll, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left_us = until_us - now_us();
    int count = epoll_wait(epoll, events, EVENTS_MAX, left_us > 0 ? (int)(left_us / 1000) : 0);

    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double part_of(const int64_t *sorted_us, size_t count, double share)
{
    size_t at = (size_t)(share * (double)count);

    return count == 0 ? -1 : (double)sorted_us[at < count ? at : count - 1] / 1000;
}

/* ---- probe ---- */

static struct {
    int64_t sent_us[PROBES_MAX], took_us[PROBES_MAX]; /* took: 0: not seen */
    long sent_count, seen_count;
} probes;

static void find_probes(struct client *client)
{
    static const char name[] = "/probe-";

    client->kept[client->kept_size] = '\0';
    for (const char *at = client->kept; (at = strstr(at, name)) != NULL;) {
        long probe = strtol(at + sizeof name - 1, NULL, 10);

        at += sizeof name - 1;
        if (probe < 0 || probe >= probes.sent_count || probes.took_us[probe] != 0)
            continue;
        probes.took_us[probe] = now_us() - probes.sent_us[probe];
        probes.seen_count++;
    }
}

/* The site's answers are read and not looked at. */
static void send_probe(int site)
{
    char request[256], answers[READ_BYTES];

    while (recv(site, answers, sizeof answers, MSG_DONTWAIT) > 0)
        continue;
    snprintf(request, sizeof request, "GET /probe-%ld HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
             probes.sent_count);
    probes.sent_us[probes.sent_count++] = now_us();
    write_all(site, request, strlen(request));
}

static int run_probe(int site_port, int serve_port, const char *view, long seconds)
{
    long count = (seconds + WARM_UP_S) * PROBES_PER_S, first = WARM_UP_S * PROBES_PER_S;
    int epoll = epoll_create1(EPOLL_CLOEXEC), site = connect_to(site_port);
    struct client client;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &client};
    size_t seen = 0;
    int64_t began_us;

    open_client(&client, serve_port, view, 16 << 20);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client.fd, &event) != 0)
        die("epoll", strerror(errno));
    on_message = find_probes;
    began_us = now_us();
    while (closed_count == 0 && probes.seen_count < count && now_us() < began_us + (seconds + WARM_UP_S + WAIT_S) * 1000000) {
        int64_t due_us = began_us + (int64_t)probes.sent_count * 1000000 / PROBES_PER_S;

        if (probes.sent_count < count && due_us <= now_us())
            send_probe(site);
        else
            wait_until(epoll, probes.sent_count < count ? due_us : now_us() + 100000);
    }
    if (closed_count > 0)
        die("serve", "has closed the connection");
    for (long probe = first; probe < count; probe++)
        if (probes.took_us[probe] != 0)
            probes.took_us[seen++] = probes.took_us[probe];
    qsort(probes.took_us, seen, sizeof *probes.took_us, by_size);
    printf("probes=%ld unseen=%ld p50_ms=%.1f p99_ms=%.1f max_ms=%.1f\n", count - first, count - first - (long)seen,
           part_of(probes.took_us, seen, 0.5), part_of(probes.took_us, seen, 0.99), part_of(probes.took_us, seen, 1));
    return 0;
}

/* ---- idle ---- */

static int run_idle(int port, long clients, const char *view)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct client *all;
    char byte;

    all = open_all(epoll, port, clients, view);
    printf("ready=%ld\n", clients);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    free(all);
    return 0;
}

/* ---- fan ---- */

static struct {
    struct {
        int64_t first_us, last_us;
        long clients;
    } seqs[SEQS_MAX]; /* by seq, less the first one */
    int64_t first_seq;
} fan;

static void note_seq(struct client *client)
{
    const char *at;
    int64_t seq, now = now_us();

    client->kept[client->kept_size] = '\0';
    if (strstr(client->kept, "\"type\":\"changes\"") == NULL || (at = strstr(client->kept, "\"seq\":")) == NULL)
        return;
    seq = strtoll(at + 6, NULL, 10);
    if (fan.first_seq == 0)
        fan.first_seq = seq;
    seq -= fan.first_seq;
    if (seq < 0 || seq >= SEQS_MAX)
        return;
    if (fan.seqs[seq].clients++ == 0)
        fan.seqs[seq].first_us = now;
    fan.seqs[seq].last_us = now;
}

static int run_fan(int port, long clients, const char *view, long seconds)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t *spreads = calloc(SEQS_MAX, sizeof *spreads), until_us;
    uint64_t messages = 0;
    size_t whole = 0;
    struct client *all;

    on_message = note_seq;
    all = open_all(epoll, port, clients, view);
    until_us = now_us() + seconds * 1000000;
    while (now_us() < until_us)
        wait_until(epoll, until_us);
    for (long i = 0; i < clients; i++)
        messages += all[i].messages_count;
    for (size_t i = 0; spreads != NULL && i < SEQS_MAX; i++)
        if (fan.seqs[i].clients == clients)
            spreads[whole++] = fan.seqs[i].last_us - fan.seqs[i].first_us;
    if (spreads == NULL)
        die("memory", strerror(errno));
    qsort(spreads, whole, sizeof *spreads, by_size);
    printf("clients=%ld closed=%zu messages=%llu to_all=%zu spread_p50_ms=%.1f spread_p99_ms=%.1f\n", clients, closed_count,
           (unsigned long long)messages, whole, part_of(spreads, whole, 0.5), part_of(spreads, whole, 0.99));
    free(spreads);
    free(all);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 6 && strcmp(argv[1], "probe") == 0 && atol(argv[5]) <= SECONDS_MAX)
        return run_probe(atoi(argv[2]), atoi(argv[3]), argv[4], atol(argv[5]));
    if (argc == 5 && strcmp(argv[1], "idle") == 0)
        return run_idle(atoi(argv[2]), atol(argv[3]), argv[4]);
    if (argc == 6 && strcmp(argv[1], "fan") == 0)
        return run_fan(atoi(argv[2]), atol(argv[3]), argv[4], atol(argv[5]));
    fputs("usage: bench_live_load probe SITE_PORT SERVE_PORT VIEW SECONDS | idle SERVE_PORT CLIENTS VIEW |\n"
          "       fan SERVE_PORT CLIENTS VIEW SECONDS\n",
          stderr);
    return 2;
}
