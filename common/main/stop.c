/* stop.c: SIGTERM and SIGINT ask a command to drain and end. See stop.h. */
#include "main/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "main/notify.h"

/* The handler may run in any thread, so an atomic without a lock and not a sig_atomic_t, which is for one thread only. */
static atomic_int requested;
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a signal handler cannot take a lock");

static void request(int signal_number)
{
    int before = errno;

    (void)signal_number;
    if (atomic_fetch_add(&requested, 1) == 0)
        tl_notify_stopping();
    errno = before;
}

void tl_stop_install(void)
{
    struct sigaction action = {.sa_handler = request}; /* no SA_RESTART: a sleep ends early */
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    tl_notify_open();
    sigemptyset(&action.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool tl_stop_requested(void)
{
    tl_notify_alive();
    return atomic_load(&requested) != 0;
}

bool tl_stop_hurried(void)
{
    return atomic_load(&requested) > 1;
}
