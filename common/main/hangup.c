/* hangup.c: SIGHUP as a word to the program. See hangup.h. */
#include "main/hangup.h"

#include <signal.h>
#include <stdatomic.h>

static atomic_int asked;

static void on_hangup(int signal_number)
{
    (void)signal_number;
    atomic_store(&asked, 1);
}

void tl_hangup_install(void)
{
    struct sigaction action = {.sa_handler = on_hangup};

    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

bool tl_hangup_taken(void)
{
    return atomic_exchange(&asked, 0) != 0;
}
