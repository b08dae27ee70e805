/* http_get.c: asks a program under test for its pages. See http_get.h. */
#include "support/http_get.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { PATIENCE_MS = 20000 };

int http_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    if (bind(fd, (const struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    close(fd);
    return -1;
}

uint16_t http_free_ports(int count)
{
    uint16_t first = 0;

    for (int attempt = 0; attempt < 1000; attempt++) {
        int fds[4], opened = 0;

        cr_assert(count > 0 && count <= 4);
        for (first = 0; opened < count; opened++) {
            uint16_t port = (uint16_t)(opened == 0 ? 0 : first + opened);

            fds[opened] = listen_on(&port);
            if (fds[opened] < 0)
                break;
            first = opened == 0 ? port : first;
        }
        for (int i = 0; i < opened; i++)
            close(fds[i]);
        if (opened == count)
            return first;
    }
    cr_assert_fail("no free ports");
    return first;
}

struct http_answer http_send(uint16_t port, const char *request, size_t size)
{
    struct http_answer answer = {0};
    struct tl_buf all;
    int fd = http_connect(port);
    ssize_t got = 1;

    if (fd < 0)
        return answer;
    tl_buf_init(&all, 0);
    if (send(fd, request, size, MSG_NOSIGNAL) == (ssize_t)size) {
        while (got > 0) {
            char *room = tl_buf_reserve(&all, 65536);

            cr_assert_not_null(room);
            got = recv(fd, room, 65536, 0);
            all.size += got > 0 ? (size_t)got : 0;
        }
    }
    close(fd);
    tl_buf_put_u8(&all, 0);
    answer.all = all.data;
    answer.body = strstr(all.data, "\r\n\r\n");
    answer.body = answer.body != NULL ? answer.body + 4 : all.data + all.size - 1;
    if (sscanf(answer.all, "HTTP/1.%*d %d ", &answer.status) != 1)
        answer.status = 0;
    return answer;
}

struct http_answer http_get(uint16_t port, const char *path)
{
    char request[256];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);

    return http_send(port, request, (size_t)size);
}

void http_done(struct http_answer *answer)
{
    free(answer->all);
    *answer = (struct http_answer){0};
}

uint16_t http_port_said(const struct run *run, const char *part)
{
    char said[100];
    long port = 0;

    snprintf(said, sizeof said, " %s answers monitors url=http://127.0.0.1:", part);
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; port == 0 && tl_clock_monotonic_ms() < until;
         tl_clock_sleep_ms(10)) {
        char *text = run_err_so_far(run);
        const char *at = strstr(text, said);

        if (at != NULL && strchr(at + 1, '\n') != NULL)
            port = strtol(at + strlen(said), NULL, 10);
        free(text);
    }
    cr_assert(port > 0 && port <= UINT16_MAX, "%s did not say where it listens", part);
    return (uint16_t)port;
}

char *http_wait_for(uint16_t port, const char *path, int status, const char *text, int timeout_ms)
{
    for (int64_t until = tl_clock_monotonic_ms() + timeout_ms; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        struct http_answer answer = http_get(port, path);
        char *body = answer.status == status && strstr(answer.body, text) != NULL ? strdup(answer.body) : NULL;

        http_done(&answer);
        if (body != NULL)
            return body;
    }
    return NULL;
}

double http_sample(const char *text, const char *series)
{
    size_t size = strlen(series);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, size) == 0 && line[size] == ' ')
            return strtod(line + size, NULL);
    }
    return NAN;
}

double http_sample_sum(const char *text, const char *beginning)
{
    size_t size = strlen(beginning);
    double sum = 0;

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, beginning, size) == 0)
            sum += strtod(line + strcspn(line, " \n"), NULL);
    }
    return sum;
}
