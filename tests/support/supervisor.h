/* supervisor.h: stands in for systemd: hears what the parts tell a supervisor (main/notify.h). */
#ifndef TL_TEST_SUPERVISOR_H
#define TL_TEST_SUPERVISOR_H

#include "support/run.h"

/* Listens in the folder. What is started from now on has somebody to tell, and a watchdog that wants a sign of life every second. */
void supervisor_open(const char *dir);
/* The next message within the time, and whose it is; "": none. Good until the next call. */
const char *supervisor_hear(int timeout_ms, pid_t *pid);
/* Of `run` alone: READY, once, and four signs of life. */
void supervisor_expect_ready(const struct run *run);
/* And when it is told to end, with SIGTERM: STOPPING, once; and it ends well. */
void supervisor_expect_stopping(struct run *run);

#endif
