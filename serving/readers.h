/* readers.h: threads that ask the store, each with a handle of its own, so that whoever serves never waits for it.
 *
 * A job has a deadline: it waits in a queue that is bounded, and then the store is asked, until the deadline at the latest (tl_store_deadline). A reader that
 * is stuck in a slow query holds up nobody but its own job. A store that cannot be opened is tried again with longer and longer pauses. */
#ifndef TL_READERS_H
#define TL_READERS_H

#include "pulse.h"

enum { TL_READERS_MAX = 64 };

struct tl_reader_job {
    struct tl_reader_job *next; /* the readers' */
    int64_t deadline_ms;        /* monotonic */
    /* On a reader's thread, once. `store` NULL: it cannot be asked, and *err says why. TL_ERR_*: the handle is opened anew; the job may be gone by then. */
    enum tl_code (*run)(struct tl_reader_job *job, struct tl_store *store, struct tl_err *err);
};

struct tl_readers_config {
    const char *store; /* URL */
    unsigned count, queue_max;
    struct tl_pulse *pulse;
};

struct tl_readers;

TL_MUST_USE enum tl_code tl_readers_open(const struct tl_readers_config *config, struct tl_readers **out, struct tl_err *err);
/* All jobs have run on return, and no other is taken: what they had to say may still lead to tl_readers_put. */
void tl_readers_stop(struct tl_readers *readers);
/* Behind it, when nobody puts anything any more. */
void tl_readers_close(struct tl_readers *readers);
/* False: the queue is full, or they have stopped. */
TL_MUST_USE bool tl_readers_put(struct tl_readers *readers, struct tl_reader_job *job);
unsigned tl_readers_waiting(struct tl_readers *readers);

#endif
