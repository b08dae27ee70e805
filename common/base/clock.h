/* clock.h: the system's clock, or a test's.
 *
 * TALLY_CLOCK_FILE names a file with a wall-clock time in milliseconds since 1970; when it is set, wall time is read from
 * there at each call, so that a test moves the clock of a running program. Monotonic time is always the system's. */
#ifndef TL_CLOCK_H
#define TL_CLOCK_H

#include "base/base.h"

int64_t tl_clock_wall_ms(void);      /* milliseconds since 1970-01-01 UTC */
int64_t tl_clock_monotonic_ms(void); /* for durations and time-outs */
int64_t tl_clock_monotonic_ns(void);
void tl_clock_sleep_ms(int64_t ms); /* ends early on a signal */

#endif
