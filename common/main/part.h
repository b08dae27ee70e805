/* part.h: a command that runs as a process of its own below `tally up`, and is started again when it ends without having been told to.
 *
 * A part that ends is started again after 0.5 s, then 1 s, 2 s and so on up to 30 s, each a little more or less by chance, so that parts which fail
 * together do not come back together. One that has run for a minute begins again with 0.5 s, and is proven.
 *
 * Exit status 2 (wrong usage or definition) and 75 (another run holds the lock) of a part that is not proven are final: no restart makes them
 * better. All else is worth one: 3 is something outside that failed, and even the gap in a log that wants --accept-gap is closed where the
 * broker or its topic comes back; a proven part that says 2 or 75 found a file or a lock that somebody has just touched, and the
 * others, the website's front door among them, are not to end for that.
 *
 * Runs on: the one thread of the process. */
#ifndef TL_PART_H
#define TL_PART_H

#include <sys/types.h>

#include "base/base.h"
#include "main/part_output.h"

enum { TL_PART_PAUSE_MIN_MS = 500, TL_PART_PAUSE_MAX_MS = 30000, TL_PART_PROVEN_MS = 60000 };

struct tl_part {
    const char *name;
    bool listens;        /* answers monitors */
    bool repeats;        /* ends, and is run again every `every_ms`: whatever it ends with is no reason to end the others */
    int64_t every_ms;    /* of one that repeats */
    bool may_end;        /* status 0 says that there is nothing more to do, and is final */
    int64_t patience_ms; /* how long it may take to end once it was told to */

    pid_t pid;                  /* 0: not running */
    int64_t started_ms, due_ms; /* monotonic; due: when to start it next */
    int failures;               /* since it last ran for a minute */
    bool proven;
    struct tl_part_output output; /* fd -1 while it does not run */
};

/* How a part ended. */
struct tl_part_end {
    bool final;
    int status; /* exit status; 3 of one that a signal ended */
};

/* What comes after failure number `failures` (from 1), up to a quarter more or less by `chance`. */
int64_t tl_part_pause_ms(int failures, uint32_t chance);

/* What the child does; the answer is its exit status. It still has all that up has opened. */
typedef int (*tl_part_run)(const struct tl_part *part, void *ctx);

/* Forks; the child has the part's pipe as its stderr, is in a process group of its own (what a terminal sends is for up alone), and is told to end
 * (SIGTERM) when up has died. That it started is said; a failure too, and due_ms is then when to try again. */
void tl_part_start(struct tl_part *part, tl_part_run run, void *ctx, int64_t now_ms);
/* True: it has ended, and *end says how. What it wrote has been handed on; how it ended, and, unless that was `wanted`, when it starts again, has
 * been said in one line. */
bool tl_part_ended(struct tl_part *part, bool wanted, int64_t now_ms, tl_part_output_sink sink, void *ctx,
                   struct tl_part_end *end);

#endif
