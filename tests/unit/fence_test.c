/* fence_test.c: who may write: taking over from one that left, that ended, that gives no answer; what a lost answer to a commit was. */
#include "speed_layer/fence.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "support/store_fixture.h"

static char url[512];

static struct tl_store *fresh(void)
{
    store_sqlite.url(url);
    return store_open(url, TL_STORE_WRITE);
}

static struct tl_epoch now(struct tl_store *store)
{
    struct tl_epoch epoch;

    OK(tl_store_epoch(store, &epoch, err));
    return epoch;
}

static char waited_for[TL_PROCESS_NAME_MAX];

static void note_owner(void *ctx, const char *owner)
{
    (void)ctx;
    cr_assert_str_eq(waited_for, "", "it is said once");
    snprintf(waited_for, sizeof waited_for, "%s", owner);
}

TestSuite(fence, .fini = store_folder_remove, .timeout = 60);

Test(fence, a_store_that_was_left_is_taken_at_once)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL;

    for (int64_t epoch = 1; epoch <= 3; epoch++) {
        OK(tl_fence_take(store, url, NULL, NULL, &fence, err));
        cr_assert_eq(tl_fence_epoch(fence), epoch);
        cr_assert_eq(now(store).epoch, epoch);
        tl_fence_close(fence, store);
        cr_assert_str_eq(now(store).owner, "");
        cr_assert_eq(now(store).challenge, 0, "nobody was asked");
    }
    tl_store_close(store);
}

/* A process that was killed: nothing was left in order, but it is known to be gone. */
Test(fence, a_process_that_has_ended_is_followed_at_once)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL;
    struct tl_epoch mine;
    char name[TL_PROCESS_NAME_MAX];
    int ends[2], status;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        tl_process_name(name);
        _exit(write(ends[1], name, sizeof name) == (ssize_t)sizeof name ? 0 : 1);
    }
    cr_assert_eq(read(ends[0], name, sizeof name), (ssize_t)sizeof name);
    cr_assert_eq(waitpid(child, &status, 0), child);
    OK(tl_store_take_epoch(store, name, NULL, &mine, err));
    OK(tl_fence_take(store, url, NULL, NULL, &fence, err));
    cr_assert_eq(tl_fence_epoch(fence), mine.epoch + 1);
    cr_assert_eq(now(store).challenge, 0, "nobody was asked");
    tl_fence_close(fence, store);
    tl_store_close(store);
}

/* Of another machine's process nothing is known but whether it answers. */
Test(fence, one_that_gives_no_answer_is_taken_over)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL;
    struct tl_epoch mine;
    int64_t begun_ms = tl_clock_monotonic_ms();

    OK(tl_store_take_epoch(store, "web2 pid 7 since 5 boot another space 9", NULL, &mine, err));
    OK(tl_fence_take(store, url, note_owner, NULL, &fence, err));
    cr_assert_eq(tl_fence_epoch(fence), mine.epoch + 1);
    cr_assert_str_eq(waited_for, "web2 pid 7");
    cr_assert_geq(tl_clock_monotonic_ms() - begun_ms, 4900, "it had no time to answer");
    tl_fence_close(fence, store);
    tl_store_close(store);
}

/* Another process that answers. */
Test(fence, one_that_answers_is_left_alone)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL, *theirs = NULL;
    int ends[2];
    char told = 0;
    pid_t child;

    tl_store_close(store);
    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        struct tl_err err;

        if (tl_store_open(url, TL_STORE_WRITE, &store, &err) != TL_OK ||
            tl_fence_take(store, url, NULL, NULL, &theirs, &err) != TL_OK || write(ends[1], "y", 1) != 1)
            _exit(1);
        for (;;)
            if (tl_fence_check(theirs, &err) != TL_OK)
                _exit(2);
            else
                tl_clock_sleep_ms(10);
    }
    cr_assert_eq(read(ends[0], &told, 1), 1);
    store = store_open(url, TL_STORE_WRITE);
    FAILS(TL_ERR_BUSY, "another speed writes to the store, on ", tl_fence_take(store, url, NULL, NULL, &fence, err));
    cr_assert_eq(fence, NULL);
    cr_assert_gt(now(store).answer, 0);
    cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "it lost the store");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    tl_store_close(store);
}

/* The name that this process has left behind, for it could not strike it out. */
Test(fence, ones_own_name_is_no_other)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL, *again = NULL;

    OK(tl_fence_take(store, url, NULL, NULL, &fence, err));
    tl_fence_close(fence, NULL);
    OK(tl_fence_take(store, url, NULL, NULL, &again, err));
    cr_assert_eq(now(store).challenge, 0, "it asked itself");
    tl_fence_close(again, store);
    tl_store_close(store);
}

Test(fence, who_was_taken_over_hears_of_it_without_a_tick)
{
    struct tl_store *store = fresh(), *other = store_open(url, TL_STORE_WRITE);
    struct tl_fence *fence = NULL;
    struct tl_epoch theirs;
    bool committed;
    enum tl_code rc = TL_OK;

    OK(tl_fence_take(store, url, note_owner, NULL, &fence, err));
    OK(tl_store_take_epoch(other, "web2 pid 7 since 5 boot another space 9", NULL, &theirs, err));
    for (int64_t until_ms = tl_clock_monotonic_ms() + 20000; rc == TL_OK && tl_clock_monotonic_ms() < until_ms;) {
        rc = tl_fence_check(fence, NULL);
        tl_clock_sleep_ms(10);
    }
    cr_assert_eq(rc, TL_ERR_FENCED);
    FAILS(TL_ERR_FENCED, "taken over", tl_fence_renew(fence, store, 1, &committed, err));
    tl_fence_close(fence, store);
    cr_assert_str_eq(now(other).owner, "web2 pid 7 since 5 boot another space 9", "it left what was not its own");
    tl_store_close(store);
    tl_store_close(other);
}

Test(fence, a_lost_answer_is_found_out_under_a_new_epoch)
{
    struct tl_store *store = fresh();
    struct tl_fence *fence = NULL;
    int64_t epoch, change = 0, again = 0;
    bool committed = false;

    OK(tl_fence_take(store, url, note_owner, NULL, &fence, err));
    epoch = tl_fence_epoch(fence);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_commit(store, err));
    OK(tl_fence_renew(fence, store, change, &committed, err));
    cr_assert(committed);
    cr_assert_eq(tl_fence_epoch(fence), epoch + 1);

    OK(tl_store_begin_tick(store, epoch + 1, &again, err));
    tl_store_rollback(store);
    cr_assert_eq(again, change + 1);
    OK(tl_fence_renew(fence, store, again, &committed, err));
    cr_assert(!committed);
    FAILS(TL_ERR_FENCED, "epoch", tl_store_begin_tick(store, epoch + 1, &again, err));
    OK(tl_fence_check(fence, err)); /* one's own new epoch is not another's */
    tl_clock_sleep_ms(1200);
    OK(tl_fence_check(fence, err));
    tl_fence_close(fence, store);
    tl_store_close(store);
}
