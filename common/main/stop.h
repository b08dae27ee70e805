/* stop.h: SIGTERM and SIGINT ask a command to drain and end; everybody who waits looks here, which is the main thread's sign of life to a
 * supervisor (main/notify.h). */
#ifndef TL_STOP_H
#define TL_STOP_H

#include "base/base.h"

void tl_stop_install(void);   /* handlers for SIGTERM and SIGINT; SIGPIPE is ignored */
bool tl_stop_requested(void); /* from any thread */
bool tl_stop_hurried(void);   /* the same; it was asked for again: whoever waits for something, waits no more */

#endif
