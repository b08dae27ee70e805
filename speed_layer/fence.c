/* fence.c: stands by, takes over, answers challenges. See fence.h. */
#include "fence.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/process.h"
#include "base/sv.h"
#include "main/stop.h"

enum {
    LOOK_MS = 500, /* at the epoch row, by both sides */
    CHALLENGE_EVERY_MS = 2000,
    SILENT_MS = 5000,       /* so long without an answer, and the owner is gone */
    MAIN_SILENT_MS = 120000 /* the main thread has not shown itself for so long (it may be loading): no answers */
};

struct tl_fence {
    char *url;
    char name[TL_PROCESS_NAME_MAX];
    atomic_int_fast64_t epoch;
    atomic_int_fast64_t alive_ms; /* monotonic: when the main thread last showed itself */
    atomic_bool lost, stop;
    pthread_t thread;
    bool running;
};

/* ---- standing by ---- */

struct watch {
    int64_t epoch, challenge; /* what was asked; epoch -1: nothing yet */
    int64_t asked_ms;
    struct tl_store_holder holder; /* in the middle of a tick, and silent since */
    int64_t silent_since_ms;
    struct tl_epoch gone; /* what the row said when the holder was ended; epoch 0: none was */
    bool said_cannot_end;
};

enum verdict { VERDICT_UNKNOWN, VERDICT_LIVES, VERDICT_GONE };

static enum tl_code ask(struct tl_store *store, struct watch *watch, const struct tl_epoch *seen, struct tl_err *err)
{
    enum tl_code rc;

    rc = tl_store_challenge(store, &watch->challenge, err);
    if (rc == TL_ERR_BUSY) /* a tick is under way: the next time */
        return TL_OK;
    TL_TRY(rc);
    watch->epoch = seen->epoch;
    watch->asked_ms = tl_clock_monotonic_ms();
out:
    return rc;
}

/* What the server does not let us end, or not now, is waited for. */
static bool end_holder(struct tl_store *store, struct watch *watch)
{
    struct tl_err why;
    bool ended = false;

    if (tl_store_end_holder(store, &watch->holder, &ended, &why) == TL_OK)
        return ended;
    if (!watch->said_cannot_end)
        tl_diag(TL_WARN, "session %lld holds the epoch's row, says nothing more and cannot be ended, waiting for it: %s",
                (long long)watch->holder.session, why.message);
    watch->said_cannot_end = true;
    return false;
}

/* Whoever holds the row and says nothing more is ended. Where it is no tick's session (batch's, in a publication), that says nothing of the owner. */
static enum tl_code end_silent_holder(struct tl_store *store, struct watch *watch, const struct tl_epoch *seen,
                                      struct tl_err *err)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    struct tl_store_holder holder;
    enum tl_code rc;

    TL_TRY(tl_store_silent_holder(store, &holder, err));
    if (holder.session != watch->holder.session || holder.statement != watch->holder.statement)
        watch->silent_since_ms = now_ms;
    watch->holder = holder;
    if (holder.session != 0 && now_ms - watch->silent_since_ms >= SILENT_MS && end_holder(store, watch) && holder.ticks)
        watch->gone = *seen;
out:
    return rc;
}

/* The owner was ended, and has done nothing since. */
static bool was_ended(const struct watch *watch, const struct tl_epoch *seen)
{
    return watch->gone.epoch == seen->epoch && watch->gone.change == seen->change && watch->gone.answer == seen->answer;
}

/* One look at the epoch row. */
static enum tl_code look(struct tl_store *store, const char *name, struct watch *watch, struct tl_epoch *seen,
                         enum verdict *verdict, struct tl_err *err)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    bool answered;
    enum tl_code rc;

    *verdict = VERDICT_UNKNOWN;
    TL_TRY(tl_store_epoch(store, seen, err));
    TL_TRY(end_silent_holder(store, watch, seen, err));
    /* One's own name: this process could not strike it out, for the store was away. */
    if (seen->owner[0] == '\0' || strcmp(seen->owner, name) == 0 || tl_process_is_gone(seen->owner) || was_ended(watch, seen)) {
        *verdict = VERDICT_GONE;
        goto out;
    }
    answered = watch->epoch == seen->epoch && seen->answer >= watch->challenge;
    if (watch->epoch != seen->epoch || (answered && now_ms - watch->asked_ms >= CHALLENGE_EVERY_MS))
        TL_TRY(ask(store, watch, seen, err));
    else if (!answered && now_ms - watch->asked_ms >= SILENT_MS)
        *verdict = VERDICT_GONE;
    if (answered)
        *verdict = VERDICT_LIVES;
out:
    return rc;
}

struct stander {
    void (*standing_by)(void *ctx, const char *owner); /* NULL: does not stand by */
    void *ctx;
    bool said;
};

static void say_once(struct stander *stander, const char *owner)
{
    char name[TL_PROCESS_NAME_MAX];

    if (stander->said)
        return;
    tl_process_words(owner, name);
    stander->standing_by(stander->ctx, name);
    stander->said = true;
}

/* Until the owner is gone and the epoch is ours. *mine.epoch stays 0 when the program is told to stop. */
static enum tl_code stand_by(struct tl_store *store, const char *name, struct stander *stander, struct tl_epoch *mine,
                             struct tl_err *err)
{
    bool wait = stander->standing_by != NULL;
    struct watch watch = {.epoch = -1};
    char owner[TL_PROCESS_NAME_MAX];
    struct tl_epoch seen;
    enum verdict verdict;
    enum tl_code rc = TL_OK;

    while (!tl_stop_requested()) {
        TL_TRY(look(store, name, &watch, &seen, &verdict, err));
        if (verdict == VERDICT_GONE) {
            rc = tl_store_take_epoch(store, name, &seen, mine, err);
            if (rc != TL_ERR_BUSY) /* busy: it has shown itself after all */
                return rc;
            continue;
        }
        if (verdict == VERDICT_LIVES && !wait) {
            tl_process_words(seen.owner, owner);
            TL_TRY(tl_fail(err, TL_ERR_BUSY, "another speed writes to the store, on %s", owner));
        }
        if (wait)
            say_once(stander, seen.owner);
        tl_clock_sleep_ms(wait ? LOOK_MS : LOOK_MS / 5);
    }
out:
    return rc;
}

/* ---- answering ---- */

static enum tl_code answer(struct tl_fence *fence, struct tl_store *store, struct tl_err *err)
{
    struct tl_epoch now;
    int64_t mine;
    enum tl_code rc;

    TL_TRY(tl_store_epoch(store, &now, err));
    mine = atomic_load(&fence->epoch);
    if (now.epoch > mine) {
        /* The main thread may be renewing it just now: it sets ours before anything else can be seen of it. */
        if (strcmp(now.owner, fence->name) != 0)
            atomic_store(&fence->lost, true);
        goto out;
    }
    if (now.answer >= now.challenge || tl_clock_monotonic_ms() - atomic_load(&fence->alive_ms) > MAIN_SILENT_MS)
        goto out;
    TL_TRY(tl_store_answer(store, now.epoch, now.challenge, err));
out:
    return rc;
}

/* What fails here is the main thread's to report: its ticks go to the same store. */
static void *answer_challenges(void *arg)
{
    struct tl_fence *fence = arg;
    struct tl_store *store = NULL;
    struct tl_err err;

    while (!atomic_load(&fence->stop) && !atomic_load(&fence->lost)) {
        if (store == NULL && tl_store_open(fence->url, TL_STORE_WRITE, &store, &err) != TL_OK)
            store = NULL;
        if (store != NULL && answer(fence, store, &err) != TL_OK) {
            tl_store_close(store);
            store = NULL;
        }
        for (int nap_ms = 0; nap_ms < LOOK_MS && !atomic_load(&fence->stop); nap_ms += 50)
            tl_clock_sleep_ms(50);
    }
    tl_store_close(store);
    return NULL;
}

/* ---- the calls ---- */

/* Behind a process's name: that has the epoch for a moment, and whoever had it before goes on afterwards. */
static const char for_a_replay[] = " replay";

/* `stander` NULL: from whoever has it, and at once. */
static enum tl_code take(struct tl_store *store, const char *url, struct stander *stander, struct tl_fence **out,
                         struct tl_err *err)
{
    struct tl_fence *fence = calloc(1, sizeof *fence);
    struct tl_epoch mine = {0};
    int failure;
    enum tl_code rc;

    if (fence == NULL)
        return tl_fail_memory(err, sizeof *fence);
    fence->url = strdup(url);
    if (fence->url == NULL)
        TL_TRY(tl_fail_memory(err, strlen(url)));
    tl_process_name(fence->name);
    if (stander == NULL)
        snprintf(fence->name + strlen(fence->name), sizeof fence->name - strlen(fence->name), "%s", for_a_replay);
    if (stander != NULL)
        TL_TRY(stand_by(store, fence->name, stander, &mine, err));
    else
        TL_TRY(tl_store_take_epoch(store, fence->name, NULL, &mine, err));
    *out = NULL;
    if (mine.epoch == 0)
        goto out;
    atomic_store(&fence->epoch, mine.epoch);
    atomic_store(&fence->alive_ms, tl_clock_monotonic_ms());
    failure = pthread_create(&fence->thread, NULL, answer_challenges, fence);
    if (failure != 0) {
        errno = failure;
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot start the thread that answers who stands by"));
    }
    fence->running = true;
    *out = fence;
    fence = NULL;
out:
    tl_fence_close(fence, NULL);
    return rc;
}

enum tl_code tl_fence_take(struct tl_store *store, const char *url, void (*standing_by)(void *ctx, const char *owner), void *ctx,
                           struct tl_fence **out, struct tl_err *err)
{
    struct stander stander = {standing_by, ctx, false};

    return take(store, url, &stander, out, err);
}

enum tl_code tl_fence_take_away(struct tl_store *store, const char *url, struct tl_fence **out, struct tl_err *err)
{
    return take(store, url, NULL, out, err);
}

bool tl_fence_was_taken_away(const struct tl_epoch *now)
{
    return now->owner[0] == '\0' || tl_sv_ends(tl_sv_from(now->owner), TL_SV(for_a_replay));
}

int64_t tl_fence_epoch(const struct tl_fence *fence)
{
    return atomic_load(&fence->epoch);
}

enum tl_code tl_fence_check(struct tl_fence *fence, struct tl_err *err)
{
    if (fence == NULL)
        return TL_OK;
    atomic_store(&fence->alive_ms, tl_clock_monotonic_ms());
    if (atomic_load(&fence->lost))
        return tl_fail(err, TL_ERR_FENCED, "another speed has taken over the store (epoch %lld was ours)",
                       (long long)atomic_load(&fence->epoch));
    return TL_OK;
}

enum tl_code tl_fence_renew(struct tl_fence *fence, struct tl_store *store, int64_t change, bool *committed, struct tl_err *err)
{
    struct tl_epoch seen, mine;
    enum tl_code rc;

    assert(fence != NULL);
    do {
        TL_TRY(tl_fence_check(fence, err));
        TL_TRY(tl_store_epoch(store, &seen, err));
        if (strcmp(seen.owner, fence->name) != 0)
            TL_TRY(tl_fail(err, TL_ERR_FENCED, "%s has taken over the store (epoch %lld, ours was %lld)",
                           seen.owner[0] == '\0' ? "another speed" : seen.owner, (long long)seen.epoch,
                           (long long)atomic_load(&fence->epoch)));
        rc = tl_store_take_epoch(store, fence->name, &seen, &mine, err);
    } while (rc == TL_ERR_BUSY && !tl_stop_requested()); /* the lost transaction, or a challenge, came in between */
    TL_TRY(rc);
    atomic_store(&fence->epoch, mine.epoch);
    *committed = mine.change == change;
out:
    return rc;
}

void tl_fence_close(struct tl_fence *fence, struct tl_store *store)
{
    if (fence == NULL)
        return;
    atomic_store(&fence->stop, true);
    if (fence->running)
        pthread_join(fence->thread, NULL);
    if (store != NULL && !atomic_load(&fence->lost) && tl_store_leave_epoch(store, atomic_load(&fence->epoch), NULL) != TL_OK)
        tl_diag(TL_DEBUG, "could not strike the name out of the epoch row: who stands by waits a little longer");
    free(fence->url);
    free(fence);
}
