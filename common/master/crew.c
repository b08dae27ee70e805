/* crew.c: a feed's chunks through several threads, taken together in rounds. See crew.h. */
#include "master/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#ifdef TL_TINY
enum { ROUND_CHUNKS = 2, ROUND_GROUPS = 6 };
#else
enum { ROUND_CHUNKS = 4 /* per thread */, ROUND_GROUPS = 512 };
#endif

struct worker {
    struct tl_crew *crew;
    pthread_t thread;
    bool running;
    struct tl_crew_work work;
};

/* Everything below the lock is the threads' common state. */
struct tl_crew {
    const struct tl_crew_config *config;
    struct worker *workers;
    uint32_t workers_count; /* threads that are there */

    pthread_mutex_t lock;
    pthread_cond_t fed;    /* workers: a block is unpacked, a side is free, or nothing more is given out */
    pthread_cond_t turned; /* workers: a turn has passed on */
    pthread_cond_t done;   /* caller: all of its round is done */
    uint64_t round;        /* that the caller waits for or merges */
    uint64_t next_round;   /* of the chunk to be given out: so many chunks, and groups, it has already */
    uint64_t round_chunks, round_groups;
    uint32_t at_hand[TL_CREW_SIDES];   /* chunks that workers have not done yet */
    int64_t floor_ms[TL_CREW_SIDES];   /* behind the last chunk given out */
    uint64_t next_number;              /* to be given out */
    uint64_t turns[TL_CREW_TURNS_MAX]; /* whose turn it is */
    bool ended;                        /* the feed is empty */
    enum tl_code failure;
    struct tl_err err;
};

static void fail_crew(struct tl_crew *crew, enum tl_code rc, const struct tl_err *err)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->failure == TL_OK) {
        crew->failure = rc;
        crew->err = *err;
    }
    pthread_cond_broadcast(&crew->fed);
    pthread_cond_broadcast(&crew->turned);
    pthread_cond_broadcast(&crew->done);
    pthread_mutex_unlock(&crew->lock);
}

/* ---- turns ---- */

enum tl_code tl_crew_wait(struct tl_crew_work *work, uint32_t turn, struct tl_err *err)
{
    struct tl_crew *crew = work->crew;
    bool mine;

    pthread_mutex_lock(&crew->lock);
    while (crew->turns[turn] != work->number && crew->failure == TL_OK)
        pthread_cond_wait(&crew->turned, &crew->lock);
    mine = crew->failure == TL_OK;
    pthread_mutex_unlock(&crew->lock);
    return mine ? TL_OK : tl_fail(err, TL_ERR_IO, "another thread of this run has failed");
}

void tl_crew_pass(struct tl_crew_work *work, uint32_t turn)
{
    struct tl_crew *crew = work->crew;

    pthread_mutex_lock(&crew->lock);
    crew->turns[turn] = work->number + 1;
    work->turns_passed |= UINT32_C(1) << turn;
    pthread_cond_broadcast(&crew->turned);
    pthread_mutex_unlock(&crew->lock);
}

/* ---- workers ---- */

static uint32_t side_of(uint64_t round)
{
    return (uint32_t)(round % TL_CREW_SIDES);
}

static bool round_done(const struct tl_crew *crew)
{
    return (crew->ended || crew->next_round > crew->round) && crew->at_hand[side_of(crew->round)] == 0;
}

/* Where that is enough for a round, the next chunk is of another one: what the caller merges it should find in the cache, and where nearly every
 * event makes a group, a chunk or two fill that. */
static void round_grows(struct tl_crew *crew, uint64_t chunks, uint64_t groups)
{
    crew->round_chunks += chunks;
    crew->round_groups += groups;
    if (crew->round_chunks < (uint64_t)ROUND_CHUNKS * crew->config->threads && crew->round_groups < ROUND_GROUPS)
        return;
    crew->next_round++;
    crew->round_chunks = crew->round_groups = 0;
}

static enum tl_code give_out(struct tl_crew *crew, struct tl_crew_work *work, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_feed_next(crew->config->feed, &work->chunk, err));
    if (work->chunk.count == 0) {
        crew->ended = true;
        pthread_cond_broadcast(&crew->fed);
        if (round_done(crew))
            pthread_cond_signal(&crew->done);
        goto out;
    }
    work->round = crew->next_round;
    work->side = side_of(work->round);
    work->number = crew->next_number++;
    work->turns_passed = 0;
    work->groups = 0;
    work->floor_ms = crew->floor_ms[work->side] = tl_feed_floor_ms(crew->config->feed);
    crew->at_hand[work->side]++;
    round_grows(crew, 1, 0);
out:
    return rc;
}

/* With the lock, which is given back meanwhile. */
static enum tl_code unpack(struct tl_crew *crew, struct tl_feed_block *block, struct tl_err *err)
{
    const struct tl_crew_config *config = crew->config;
    enum tl_code rc;

    pthread_mutex_unlock(&crew->lock);
    rc = tl_feed_unpack(block, err);
    pthread_mutex_lock(&crew->lock);
    if (rc == TL_ERR_CORRUPT || rc == TL_ERR_IO)
        rc = config->damaged(config->ctx, tl_feed_ref_of(block), rc, err);
    TL_TRY(rc);
    tl_feed_unpacked(config->feed, block);
    pthread_cond_broadcast(&crew->fed);
out:
    return rc;
}

/* Takes the next chunk; none: the feed is empty, or another thread has failed. Unpacks first what can be unpacked. */
static enum tl_code next_chunk(struct tl_crew *crew, struct tl_crew_work *work, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&crew->lock);
    while (work->chunk.count == 0 && !crew->ended && crew->failure == TL_OK) {
        struct tl_feed_block *block;

        TL_TRY(tl_feed_claim(crew->config->feed, &block, err));
        if (block != NULL)
            TL_TRY(unpack(crew, block, err));
        else if (!tl_feed_ready(crew->config->feed) || crew->next_round > crew->round + 1)
            pthread_cond_wait(&crew->fed, &crew->lock);
        else
            TL_TRY(give_out(crew, work, err));
    }
out:
    pthread_mutex_unlock(&crew->lock);
    return rc;
}

static void chunk_done(struct tl_crew *crew, struct tl_crew_work *work)
{
    pthread_mutex_lock(&crew->lock);
    tl_feed_release(crew->config->feed, &work->chunk);
    crew->at_hand[work->side]--;
    if (work->round == crew->next_round)
        round_grows(crew, 0, work->groups);
    if (round_done(crew))
        pthread_cond_signal(&crew->done);
    pthread_mutex_unlock(&crew->lock);
}

static enum tl_code do_chunks(struct tl_crew *crew, struct tl_crew_work *work, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (;;) {
        TL_TRY(next_chunk(crew, work, err));
        if (work->chunk.count == 0)
            break;
        TL_TRY(crew->config->push(crew->config->ctx, work, err));
        for (uint32_t t = 0; t < crew->config->turns; t++) { /* what was not asked for has to pass on in order all the same */
            if (work->turns_passed & UINT32_C(1) << t)
                continue;
            TL_TRY(tl_crew_wait(work, t, err));
            tl_crew_pass(work, t);
        }
        chunk_done(crew, work);
    }
out:
    return rc;
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;
    struct tl_err err = {0};
    enum tl_code rc = do_chunks(worker->crew, &worker->work, &err);

    if (rc != TL_OK)
        fail_crew(worker->crew, rc, &err);
    return NULL;
}

/* ---- the caller ---- */

/* Until no worker touches the round's side any more. */
static enum tl_code wait_round(struct tl_crew *crew, struct tl_crew_round *round, struct tl_err *err)
{
    enum tl_code rc;

    pthread_mutex_lock(&crew->lock);
    while (!round_done(crew) && crew->failure == TL_OK)
        pthread_cond_wait(&crew->done, &crew->lock);
    round->side = side_of(crew->round);
    round->last = crew->ended && crew->next_round == crew->round;
    round->floor_ms = round->last ? INT64_MAX : crew->floor_ms[round->side];
    round->bytes_count = tl_feed_bytes(crew->config->feed, &round->bytes_done);
    rc = crew->failure;
    if (rc != TL_OK)
        *err = crew->err;
    pthread_mutex_unlock(&crew->lock);
    return rc;
}

static enum tl_code do_rounds(struct tl_crew *crew, struct tl_err *err)
{
    const struct tl_crew_config *config = crew->config;
    struct tl_crew_round round = {0};
    enum tl_code rc = TL_OK;

    while (!round.last) {
        TL_TRY(wait_round(crew, &round, err));
        TL_TRY(config->merge(config->ctx, &round, err));
        pthread_mutex_lock(&crew->lock);
        crew->round++;
        pthread_cond_broadcast(&crew->fed);
        pthread_mutex_unlock(&crew->lock);
        TL_TRY(config->merged(config->ctx, &round, err));
    }
out:
    return rc;
}

static enum tl_code start_workers(struct tl_crew *crew, struct tl_err *err)
{
    crew->workers = calloc(crew->config->threads, sizeof *crew->workers);
    if (crew->workers == NULL)
        return tl_fail_memory(err, crew->config->threads * sizeof *crew->workers);
    for (uint32_t w = 0; w < crew->config->threads; w++) {
        struct worker *worker = &crew->workers[crew->workers_count++];

        worker->crew = worker->work.crew = crew;
        worker->work.worker = w;
        if ((errno = pthread_create(&worker->thread, NULL, thread_main, worker)) != 0)
            return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread");
        worker->running = true;
    }
    return TL_OK;
}

static void end_workers(struct tl_crew *crew)
{
    fail_crew(crew, TL_ERR_IO, &(struct tl_err){0}); /* whoever still waits for something must not */
    for (uint32_t w = 0; w < crew->workers_count; w++) {
        if (crew->workers[w].running)
            pthread_join(crew->workers[w].thread, NULL);
        tl_chunk_done(&crew->workers[w].work.chunk);
    }
    free(crew->workers);
}

enum tl_code tl_crew_run(const struct tl_crew_config *config, struct tl_err *err)
{
    struct tl_crew crew = {.config = config,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .fed = PTHREAD_COND_INITIALIZER,
                           .turned = PTHREAD_COND_INITIALIZER,
                           .done = PTHREAD_COND_INITIALIZER};
    enum tl_code rc;

    TL_TRY(start_workers(&crew, err));
    TL_TRY(do_rounds(&crew, err));
out:
    end_workers(&crew);
    pthread_mutex_destroy(&crew.lock);
    pthread_cond_destroy(&crew.fed);
    pthread_cond_destroy(&crew.turned);
    pthread_cond_destroy(&crew.done);
    return rc;
}
