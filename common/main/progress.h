/* progress.h: how far a long command is, on stderr and only when that is a terminal: "batch  412.3 of 1321.0 MB  31%  310.2 MB/s  3 s left",
 * by the rate from the beginning on. */
#ifndef TL_PROGRESS_H
#define TL_PROGRESS_H

#include "base/base.h"

struct tl_progress {
    const char *what;
    bool visible, shown;
    int64_t started_ms, last_ms;
};

void tl_progress_begin(struct tl_progress *progress, const char *what);
/* Bytes done of all (0: unknown). Draws at most ten times a second. */
void tl_progress_step(struct tl_progress *progress, uint64_t done, uint64_t count);
void tl_progress_end(struct tl_progress *progress); /* clears the line; twice is fine */

#endif
