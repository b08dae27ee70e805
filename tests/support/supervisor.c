/* supervisor.c: stands in for systemd. See supervisor.h. */
#include "support/supervisor.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static int supervisor = -1;

void supervisor_open(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int on = 1;

    cr_assert_lt(snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", dir), (int)sizeof address.sun_path);
    supervisor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(supervisor, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(setsockopt(supervisor, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "1000000", 1);
}

const char *supervisor_hear(int timeout_ms, pid_t *pid)
{
    static char text[100];
    char control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec into = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct timeval patience = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    struct ucred from;
    ssize_t got;

    cr_assert_eq(setsockopt(supervisor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    got = recvmsg(supervisor, &message, 0);
    text[got > 0 ? got : 0] = '\0';
    if (got > 0) {
        memcpy(&from, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof from);
        *pid = from.pid;
    }
    return text;
}

void supervisor_expect_ready(const struct run *run)
{
    int alive = 0, ready = 0;
    pid_t pid = 0;

    while (ready == 0 || alive < 4) {
        const char *said = supervisor_hear(10000, &pid);

        cr_assert(strcmp(said, "WATCHDOG=1") == 0 || strcmp(said, "READY=1") == 0, "'%s': ready %d, alive %d", said, ready,
                  alive);
        cr_assert_eq(pid, run->pid, "'%s' is of another process", said);
        ready += strcmp(said, "READY=1") == 0;
        alive += strcmp(said, "WATCHDOG=1") == 0;
    }
    cr_assert_eq(ready, 1);
}

void supervisor_expect_stopping(struct run *run)
{
    int stopping = 0;
    pid_t pid = run->pid, from = 0;
    const char *said;

    run_signal(run, SIGTERM);
    run_wait(run);
    while (strcmp(said = supervisor_hear(10, &from), "") != 0) {
        cr_assert_eq(from, pid, "'%s' is of another process", said);
        cr_assert_str_neq(said, "READY=1");
        stopping += strcmp(said, "STOPPING=1") == 0;
    }
    cr_assert_eq(stopping, 1);
    cr_assert_eq(run->status, 0, "%s", run->err);
}
