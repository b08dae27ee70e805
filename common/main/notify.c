/* notify.c: datagrams to a supervisor. See notify.h. */
#include "main/notify.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_size;
    pthread_t opener;
    bool ready;
    int64_t every_ms; /* between two signs of life; 0: nobody waits for any */
    int64_t alive_ms; /* the last of them, monotonic */
} supervisor = {.fd = -1};

/* Never waits: a supervisor that does not read must not hold us up. */
static void say(const char *message)
{
    if (supervisor.fd >= 0)
        (void)sendto(supervisor.fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)&supervisor.address, supervisor.address_size);
}

/* A path, or an abstract name that is written with '@' before it. */
static bool read_address(const char *name)
{
    size_t size = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || size >= sizeof supervisor.address.sun_path)
        return false;
    supervisor.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(supervisor.address.sun_path, name, size);
    if (name[0] == '@')
        supervisor.address.sun_path[0] = '\0';
    supervisor.address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

static int64_t watchdog_every_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");

    if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    return strtoll(usec, NULL, 10) / 4000;
}

void tl_notify_open(void)
{
    const char *name = getenv("NOTIFY_SOCKET");

    if (supervisor.fd >= 0) /* the child of a command that is supervised */
        close(supervisor.fd);
    supervisor.fd = name != NULL && read_address(name) ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    supervisor.opener = pthread_self();
    supervisor.ready = false;
    supervisor.every_ms = supervisor.fd >= 0 ? watchdog_every_ms() : 0;
    supervisor.alive_ms = 0;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
}

void tl_notify_ready(void)
{
    if (!supervisor.ready)
        say("READY=1");
    supervisor.ready = true;
}

void tl_notify_alive(void)
{
    int64_t now_ms;

    if (supervisor.every_ms <= 0 || !pthread_equal(pthread_self(), supervisor.opener))
        return;
    now_ms = tl_clock_monotonic_ms();
    if (now_ms - supervisor.alive_ms < supervisor.every_ms)
        return;
    supervisor.alive_ms = now_ms;
    say("WATCHDOG=1");
}

void tl_notify_stopping(void)
{
    say("STOPPING=1");
}
