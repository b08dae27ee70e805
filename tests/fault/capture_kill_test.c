/* capture_kill_test.c: kill -9 of a process that hands events over, at random instants, while its log goes and comes: every event of which it was told that it
 * is captured is in the log once another process has taken up what is left. TALLY_KILLS: how often (5). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/capture_scene.h"
#include "support/chance.h"

enum { EVENTS_MAX = 4000000, EVENT_BYTES = 200, UNDER_WAY_MAX = 200, RUN_MS_MAX = 200 };

/* Between the processes. */
struct shared {
    atomic_llong next; /* the number that is put next */
    atomic_uchar captured[EVENTS_MAX];
};

static struct capture_scene scene;
static struct shared *shared;

static void scene_open(void)
{
    capture_scene_make(&scene);
    scene.options.memory_bytes_max = 128 << 10;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(shared != MAP_FAILED);
}

static void scene_close(void)
{
    capture_scene_remove(&scene);
    munmap(shared, sizeof *shared);
}

TestSuite(capture_kill, .init = scene_open, .fini = scene_close, .timeout = 1200);

struct put {
    long long number;
};

static atomic_int under_way;

static void captured(void *ctx, bool taken)
{
    struct put *put = ctx;

    if (taken)
        atomic_store(&shared->captured[put->number], 1);
    atomic_fetch_sub(&under_way, 1);
    free(put);
}

/* Until it is killed. */
static void put_for_ever(void)
{
    while (tl_capture_open(&scene.common, NULL, &scene.options, NULL, &scene.capture, NULL) != TL_OK)
        tl_clock_sleep_ms(1); /* the log goes away just now */
    for (;;) {
        char value[EVENT_BYTES + 1], id[32];
        struct put *put = malloc(sizeof *put);
        struct tl_capture_event event = {
            .host = TL_SV("example.com"), .value = {value, EVENT_BYTES}
        };

        while (atomic_load(&under_way) >= UNDER_WAY_MAX)
            tl_clock_sleep_ms(1);
        put->number = atomic_fetch_add(&shared->next, 1);
        if (put->number >= EVENTS_MAX)
            _exit(1);
        memset(value, ' ', sizeof value);
        value[snprintf(value, sizeof value, "{\"n\":%lld", put->number)] = ' ';
        value[EVENT_BYTES - 1] = '}';
        snprintf(id, sizeof id, "%lld", put->number);
        event.id = tl_sv_from(id);
        atomic_fetch_add(&under_way, 1);
        tl_capture_put(scene.capture, &event, &(struct tl_capture_answer){captured, put});
    }
}

static void one_life(struct chance *chance)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        put_for_ever();
    cr_assert_gt(child, 0);
    tl_clock_sleep_ms((int64_t)chance_below(chance, RUN_MS_MAX) + 20);
    if (chance_below(chance, 2) == 0 && access(scene.spool, F_OK) == 0) {
        char log[sizeof scene.data + 16];

        snprintf(log, sizeof log, "%s/log.db", scene.data);
        if (access(log, F_OK) == 0) {
            capture_scene_take_log(&scene);
            tl_clock_sleep_ms((int64_t)chance_below(chance, RUN_MS_MAX));
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            capture_scene_give_log(&scene);
            return;
        }
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    cr_assert(WIFSIGNALED(status));
}

static bool is_some_acknowledged(void)
{
    for (long long i = 0; i < atomic_load(&shared->next); i++)
        if (atomic_load(&shared->captured[i]))
            return true;
    return false;
}

static void check_lives(enum tl_capture_mode mode)
{
    struct chance chance = chance_open("capture_kill");
    long long kills = getenv("TALLY_KILLS") != NULL ? strtoll(getenv("TALLY_KILLS"), NULL, 10) : 5, acknowledged = 0, missing = 0;
    unsigned char *there = calloc(EVENTS_MAX, 1);
    struct tl_capture_figures figures;
    int64_t *numbers;
    size_t count;

    scene.options.mode = mode;
    for (long long i = 0; i < kills || (i < 20 * kills && !is_some_acknowledged());
         i++) /* a slow disk takes longer than a life */
        one_life(&chance);
    capture_scene_open(&scene);
    figures = capture_scene_figures(&scene);
    capture_scene_await_delivered(&scene, figures.delivered + figures.spooled);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    numbers = capture_scene_numbers(&scene, 0, &count);
    for (size_t i = 0; i < count; i++)
        there[numbers[i]] = 1;
    for (long long i = 0; i < atomic_load(&shared->next); i++) {
        acknowledged += atomic_load(&shared->captured[i]);
        missing += atomic_load(&shared->captured[i]) && !there[i];
    }
    cr_assert_gt(acknowledged, 0);
    cr_assert_eq(missing, 0, "%lld of %lld", missing, acknowledged);
    cr_log_info("%lld kills: of %lld events put %lld were acknowledged, and all of them are in the log (%zu entries)", kills,
                (long long)atomic_load(&shared->next), acknowledged, count);
    free(there);
    free(numbers);
}

Test(capture_kill, durable)
{
    check_lives(TL_CAPTURE_DURABLE);
}

Test(capture_kill, broker)
{
    check_lives(TL_CAPTURE_BROKER);
}
