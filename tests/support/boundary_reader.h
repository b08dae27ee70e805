/* boundary_reader.h: a reader that never rests: it polls what the merged views serve, as sqlite3 or psql would, and holds each answer against the
 * model.
 *
 * A poll is one snapshot: of each view, per host and layer, how many events are served and the sum of their weights, with the store's change
 * number. When that is not as it was before, the same snapshot is asked for offsets, pointer, cuts and ledger; from these follow what must be
 * served, and for each event that is served otherwise than before, why. */
#ifndef TL_TEST_BOUNDARY_READER_H
#define TL_TEST_BOUNDARY_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "support/boundary_model.h"

struct reader_counts {
    int64_t polls, ns, states;                        /* states: that were held against the model */
    int64_t changes, ticks, publications, undone;     /* changes of a total, and what moved in the store then */
    int64_t came[MODEL_REASONS], went[MODEL_REASONS]; /* events, per view */
    int64_t pending;                                  /* times that a key came to want rows that had been pruned */
};
struct boundary_reader {
    pthread_t thread;
    const struct model *model;
    const char *url; /* sqlite:PATH or postgresql:// */
    atomic_bool stop, failed;
    struct reader_counts counts; /* of all its life: it may be started again */
    struct tl_buf why;           /* what was not as it must be, zero-terminated */
};
/* `counts` goes on from what it has. The store's views must be there. */
void boundary_reader_start(struct boundary_reader *reader, const struct model *model, const char *url);
/* Fails the test when the reader has seen what must not be; `said`: what was done, for the message. */
void boundary_reader_stop(struct boundary_reader *reader, const char *said);

#endif
