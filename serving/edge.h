/* edge.h: which sessions and count windows are known whole, where reading begins in the middle of a record.
 *
 *        W: events are read from here on
 *        |   e   e e |        first event behind W + gap: nothing before W can reach it: known from there on
 *   ?----|---e---e-e-|---e--        a chain that begins within the gap of W may have begun before it: not known
 *
 * A chain is a key's events with no gap between two of them, from the first to the last one's end. A session is one; a count window lies within one,
 * and is counted on from its beginning.
 * Is not: a reader. Whoever reads notes each event, and may read from an earlier W when too little is known.
 * Runs on: several threads may note, in any order, while another asks what is hidden. */
#ifndef TL_EDGE_H
#define TL_EDGE_H

#include <pthread.h>

#include "base/table.h"
#include "spans.h"

struct tl_edge {
    int64_t read_ms; /* W; INT64_MIN: all that there is, so everything is known */
    int64_t gap_ms;  /* of SESSION; of COUNT_WINDOW the time-out */
    bool closed;     /* no chain is added any more but to keys that are not known: */
    uint32_t unknown_count;
    struct tl_table keys; /* -> chains */
    pthread_mutex_t lock; /* of the keys */
};

void tl_edge_init(struct tl_edge *edge, int64_t read_ms, int64_t gap_ms);
void tl_edge_done(struct tl_edge *edge);
/* An event that lasts over [time_ms, end_ms). False: out of memory. */
TL_MUST_USE bool tl_edge_note(struct tl_edge *edge, struct tl_sv key, int64_t time_ms, int64_t end_ms);
/* All events before `at_ms` have been noted: which keys have a chain across it that is not known? Only those are followed from then on. */
void tl_edge_close(struct tl_edge *edge, int64_t at_ms);
/* Does something that is not known lie in [start_ms, end_ms) of the key? */
bool tl_edge_hides(struct tl_edge *edge, struct tl_sv key, int64_t start_ms, int64_t end_ms);

#endif
