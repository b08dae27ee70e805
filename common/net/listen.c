/* listen.c: an address to listen on, and the socket that does. See listen.h. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sv.h"

enum tl_code tl_listen_parse(const char *text, struct tl_listen *out, struct tl_err *err)
{
    struct tl_sv host = {text, 0}, port = tl_sv_from(text);
    const char *colon = strrchr(text, ':');
    struct tl_listen listen = {.host = "127.0.0.1"};
    int64_t number;

    if (colon != NULL) {
        host.size = (size_t)(colon - text);
        port = tl_sv_from(colon + 1);
    }
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = (struct tl_sv){host.data + 1, host.size - 2};
    else if (memchr(host.data, ':', host.size) != NULL)
        goto refused; /* ::1:9464 could mean two things */
    if ((host.size == 0 && colon != NULL && colon != text) || host.size >= sizeof listen.host)
        goto refused;
    if (port.size == 0 || port.data[0] < '0' || port.data[0] > '9' || !tl_sv_to_i64(port, &number) || number > UINT16_MAX)
        goto refused;
    if (host.size > 0) {
        memcpy(listen.host, host.data, host.size);
        listen.host[host.size] = '\0';
    }
    listen.port = (uint16_t)number;
    *out = listen;
    return TL_OK;
refused:
    return tl_fail(
        err, TL_ERR_USAGE,
        "'%s' is no address to listen on; right would be :9464 (for this machine alone), 127.0.0.1:9464, [::1]:9464 or "
        "0.0.0.0:9464 (for the network)",
        text);
}

const char *tl_listen_text(const struct tl_listen *listen, char out[TL_LISTEN_TEXT_BYTES])
{
    bool brackets = strchr(listen->host, ':') != NULL;

    snprintf(out, TL_LISTEN_TEXT_BYTES, "%s%s%s:%u", brackets ? "[" : "", listen->host, brackets ? "]" : "",
             (unsigned)listen->port);
    return out;
}

/* The port that it got. */
static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any = {0}};
    socklen_t size = sizeof address;

    if (getsockname(fd, &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* A socket that listens there, or -1 and errno. */
static int listening_socket(const struct addrinfo *address, int backlog)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol), on = 1;
    int saved;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(fd, backlog) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Of a name's several addresses the first that can be listened on. */
enum tl_code tl_listen_open(struct tl_listen *listen, int backlog, int *fd, struct tl_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char port[8], text[TL_LISTEN_TEXT_BYTES];
    struct addrinfo *addresses;
    int failure;

    snprintf(port, sizeof port, "%u", (unsigned)listen->port);
    failure = getaddrinfo(listen->host, port, &hints, &addresses);
    if (failure != 0)
        return tl_fail(err, TL_ERR_IO, "cannot listen on %s: %s", tl_listen_text(listen, text), gai_strerror(failure));
    *fd = -1;
    for (const struct addrinfo *address = addresses; address != NULL && *fd < 0; address = address->ai_next)
        *fd = listening_socket(address, backlog);
    freeaddrinfo(addresses);
    if (*fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "cannot listen on %s", tl_listen_text(listen, text));
    listen->port = port_of(*fd);
    return TL_OK;
}

/* Source: sd_listen_fds(3). */
enum tl_code tl_listen_handed_over(struct tl_listen *listen, int *fd, struct tl_err *err)
{
    enum { FIRST = 3 };
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t number;
    int listens = 0;
    socklen_t size = sizeof listens;

    *fd = -1;
    if (pid == NULL || count == NULL || !tl_sv_to_i64(tl_sv_from(pid), &number) || number != getpid())
        return TL_OK;
    if (!tl_sv_to_i64(tl_sv_from(count), &number) || number < 1)
        return TL_OK;
    if (number > 1)
        return tl_fail(err, TL_ERR_USAGE, "%lld sockets were handed over (LISTEN_FDS); one would do", (long long)number);
    if (getsockopt(FIRST, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens)
        return tl_fail(err, TL_ERR_USAGE, "what was handed over (LISTEN_FDS) is no socket that listens");
    if (fcntl(FIRST, F_SETFL, fcntl(FIRST, F_GETFL) | O_NONBLOCK) != 0 || fcntl(FIRST, F_SETFD, FD_CLOEXEC) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "the socket that was handed over");
    listen->port = port_of(FIRST);
    *fd = FIRST;
    return TL_OK;
}
