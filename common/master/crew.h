/* crew.h: a feed's chunks through several threads, and what they make of them taken together in rounds by the one that called.
 *
 *   feed ──chunk──> worker: push, parts of it in turn ──┐
 *                   worker: push, parts of it in turn ──┴─> caller: merge a round, then use what nothing unread can touch
 *
 * What has to be done in the order of the feed (duplicates are judged in it) waits for its turn, whichever thread has the chunk; so the result is
 * that of one thread. There may be several such things a chunk, each with turns of its own.
 *
 * So many chunks in a row are a round, or fewer where these make many groups. Every worker has two sides, one for the even rounds and one for the
 * odd: the caller merges a round when no worker has a chunk of it any more, and they fill the next one meanwhile; what lies behind that one waits
 * until the caller has merged. So workers wait for the caller where it is the slower one, and never for each other.
 * Is not:  a judge of what is read: chunks are messages. */
#ifndef TL_CREW_H
#define TL_CREW_H

#include "master/feed.h"

enum { TL_CREW_THREADS_MAX = 64, TL_CREW_TURNS_MAX = 32, TL_CREW_SIDES = 2 };

/* A chunk in a worker's hands. */
struct tl_crew_work {
    struct tl_chunk chunk;
    uint32_t worker, side;
    int64_t floor_ms; /* no chunk behind it has an event before this time */
    uint64_t groups;  /* out: so many more there are on the worker's side now */
    struct tl_crew *crew;
    uint64_t number, round;
    uint32_t turns_passed; /* bits */
};

struct tl_crew_round {
    uint32_t side;
    bool last;
    int64_t floor_ms; /* no message of a later round has an event before this time; INT64_MAX: there is none */
    uint64_t bytes_count, bytes_done;
};

struct tl_crew_config {
    struct tl_feed *feed;
    uint32_t threads; /* 1 to TL_CREW_THREADS_MAX */
    uint32_t turns;   /* things that are done in the order of the feed, by number */
    /* On the worker's thread: adds the chunk to the worker's side. */
    enum tl_code (*push)(void *ctx, struct tl_crew_work *work, struct tl_err *err);
    /* On the caller's: takes the side of all workers, which no worker touches. Then with the workers at work again. */
    enum tl_code (*merge)(void *ctx, const struct tl_crew_round *round, struct tl_err *err);
    enum tl_code (*merged)(void *ctx, const struct tl_crew_round *round, struct tl_err *err);
    /* A block cannot be read (TL_ERR_CORRUPT, TL_ERR_IO; err says why): TL_OK goes on without its messages. On a worker's thread, one at a time. */
    enum tl_code (*damaged)(void *ctx, const struct tl_feed_ref *ref, enum tl_code code, struct tl_err *err);
    void *ctx;
};

/* Until the feed is at its end, or something has failed. */
TL_MUST_USE enum tl_code tl_crew_run(const struct tl_crew_config *config, struct tl_err *err);
/* Within push: waits until it is this chunk's turn; then lets the next one go. What push has not done is done behind it. */
TL_MUST_USE enum tl_code tl_crew_wait(struct tl_crew_work *work, uint32_t turn, struct tl_err *err);
void tl_crew_pass(struct tl_crew_work *work, uint32_t turn);

#endif
