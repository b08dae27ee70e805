/* progress.c: how far a long command is. See progress.h. */
#include "main/progress.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { STEP_MS = 100 };

void tl_progress_begin(struct tl_progress *progress, const char *what)
{
    *progress = (struct tl_progress){.what = what, .visible = isatty(STDERR_FILENO) == 1, .started_ms = tl_clock_monotonic_ms()};
}

/* "41 s left", "2 min 05 s left", "3 h 20 min left"; a second that has begun counts. */
static void left_text(double seconds, char out[32])
{
    unsigned long whole = seconds < 1e9 ? (unsigned long)ceil(seconds) : 1000000000;

    if (whole < 60)
        snprintf(out, 32, "%lu s left", whole);
    else if (whole < 3600)
        snprintf(out, 32, "%lu min %02lu s left", whole / 60, whole % 60);
    else
        snprintf(out, 32, "%lu h %02lu min left", whole / 3600, whole / 60 % 60);
}

void tl_progress_step(struct tl_progress *progress, uint64_t done, uint64_t count)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    double seconds = (double)(now_ms - progress->started_ms) / 1000.0, megabytes = (double)done / 1e6;
    double rate = seconds > 0 ? megabytes / seconds : 0;
    char left[32];

    if (!progress->visible || now_ms - progress->last_ms < STEP_MS)
        return;
    progress->last_ms = now_ms;
    progress->shown = true;
    if (count > 0 && rate > 0) {
        if (count < done)
            count = done; /* there is more than was thought */
        left_text(((double)count / 1e6 - megabytes) / rate, left);
        fprintf(stderr, "\r\033[K%s  %.1f of %.1f MB  %.0f%%  %.1f MB/s  %s", progress->what, megabytes, (double)count / 1e6,
                floor(100.0 * (double)done / (double)count), rate, left);
    } else {
        fprintf(stderr, "\r\033[K%s  %.1f MB  %.1f MB/s", progress->what, megabytes, rate);
    }
}

void tl_progress_end(struct tl_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
