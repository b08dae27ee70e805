/* listen_test.c: a socket to listen on, opened or handed over (what is an address is in monitor_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"

Test(listen, a_port_that_is_free_and_one_that_is_not)
{
    struct tl_listen listen = {.host = "127.0.0.1"};
    int fd, second, listens = 0;
    socklen_t size = sizeof listens;
    struct tl_err err;
    char want[64];

    cr_assert_eq(tl_listen_open(&listen, 16, &fd, &err), TL_OK, "%s", err.message);
    cr_assert_gt(listen.port, 0);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
    cr_assert_eq(listens, 1);
    cr_assert_eq(tl_listen_open(&listen, 16, &second, &err), TL_ERR_IO);
    snprintf(want, sizeof want, "cannot listen on 127.0.0.1:%u", (unsigned)listen.port);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
    close(fd);
}

static enum tl_code handed_over(const char *pid, const char *count, int *fd, struct tl_err *err)
{
    struct tl_listen listen = {.host = "127.0.0.1", .port = 1};

    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    *fd = 99;
    return tl_listen_handed_over(&listen, fd, err);
}

Test(listen, what_is_handed_over)
{
    struct tl_err err = {0};
    char mine[32];
    int fd;

    snprintf(mine, sizeof mine, "%d", (int)getpid());
    cr_assert_eq(handed_over("1", "1", &fd, &err), TL_OK); /* to another process */
    cr_assert_eq(fd, -1);
    cr_assert_eq(handed_over(mine, "0", &fd, &err), TL_OK);
    cr_assert_eq(fd, -1);
    cr_assert_eq(handed_over(mine, "x", &fd, &err), TL_OK);
    cr_assert_eq(fd, -1);
    cr_assert_eq(handed_over(mine, "2", &fd, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "2 sockets were handed over (LISTEN_FDS); one would do"), "%s", err.message);
    cr_assert_eq(handed_over(mine, "1", &fd, &err), TL_ERR_USAGE); /* whatever file 3 is here, it is none */
    cr_assert_not_null(strstr(err.message, "no socket that listens"), "%s", err.message);
    unsetenv("LISTEN_PID");
    cr_assert_eq(tl_listen_handed_over(&(struct tl_listen){.port = 1}, &fd, &err), TL_OK);
    cr_assert_eq(fd, -1);
}
