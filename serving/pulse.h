/* pulse.h: is the store there, and has it changed? Looked at by one thread, for all who want to know.
 *
 * Is:      a handle of its own that waits for changes (tl_store_wait), and a look at each, and every TL_PULSE_MS; a store that does not answer is opened
 *          anew, with longer and longer pauses.
 * Runs on: a thread of its own; a beat is read on any.
 *
 * Whoever reads from the store takes a beat before his snapshot begins: as long as later beats have the same numbers, what he read still holds. */
#ifndef TL_PULSE_H
#define TL_PULSE_H

#include "main/daemon.h"
#include "store/store.h"

enum { TL_PULSE_MS = 1000, TL_PULSE_PATIENCE_MS = 2000, TL_PULSE_PAUSE_MAX_MS = 5000 };

struct tl_pulse_beat {
    int64_t changes,
        publications; /* grow with what tl_store_version and tl_store_published_version tell; and when the store comes back */
    int64_t opened;   /* how often the store came: a handle of before may belong to a file that is gone */
    int64_t seen_ms;  /* wall clock: when it last answered; INT64_MIN: never */
    bool away;        /* it did not answer when it was looked at last */
};

struct tl_pulse;

/* The store may be away, and then comes when it comes. `daemon`, or NULL, is told how it is: the check "store" and tally_store_reachable. */
TL_MUST_USE enum tl_code tl_pulse_open(const char *store, struct tl_daemon *daemon, struct tl_pulse **out, struct tl_err *err);
void tl_pulse_close(struct tl_pulse *pulse);
struct tl_pulse_beat tl_pulse_beat(struct tl_pulse *pulse);
/* Looks now, and returns when it has, or after `most_ms`: for whoever knows that something has changed, and is about to tell others. */
void tl_pulse_look(struct tl_pulse *pulse, int64_t most_ms);

#endif
