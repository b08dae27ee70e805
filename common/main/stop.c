/* stop.c: SIGTERM and SIGINT ask a command to drain and end. See stop.h. */
#include "main/stop.h"

#include <signal.h>

static volatile sig_atomic_t requested;

static void request(int signal_number)
{
    (void)signal_number;
    requested = 1;
}

void tl_stop_install(void)
{
    struct sigaction action = {.sa_handler = request}; /* no SA_RESTART: a sleep ends early */
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    sigemptyset(&action.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool tl_stop_requested(void)
{
    return requested != 0;
}
