/* capture_test.c: events come to the embedded log in order and once, through memory or the disk; what is refused is counted. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "speed_layer/capture_inside.h"
#include "support/capture_scene.h"

static struct capture_scene scene;
static struct tl_err err;

static void scene_open(void)
{
    capture_scene_make(&scene);
}

static void scene_close(void)
{
    capture_scene_remove(&scene);
}

TestSuite(capture, .init = scene_open, .fini = scene_close, .timeout = 60);

Test(capture, a_log_that_keeps_up_gets_all_and_nothing_touches_the_disk)
{
    capture_scene_open(&scene);
    capture_scene_late_after(&scene, 60000);
    capture_scene_put_all(&scene, 0, 3000, 200);
    cr_assert_eq(atomic_load(&scene.taken), 3000, "the site does not wait");
    capture_scene_await_delivered(&scene, 3000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    cr_assert_eq(capture_scene_figures(&scene).spooled, 0);
    capture_scene_close(&scene, 5000);
    capture_scene_check_numbers(&scene, 0, 3000);
}

Test(capture, durable_is_on_disk_before_it_is_captured)
{
    scene.options.mode = TL_CAPTURE_DURABLE;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 500, 100);
    capture_scene_await_taken(&scene, 500);
    capture_scene_await_delivered(&scene, 500);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0, "what is with the log is not kept");
    capture_scene_check_numbers(&scene, 0, 500);
}

Test(capture, broker_is_captured_when_the_log_has_it_or_the_disk)
{
    scene.options.mode = TL_CAPTURE_BROKER;
    capture_scene_open(&scene);
    capture_scene_late_after(&scene, 60000);
    capture_scene_put_all(&scene, 0, 100, 100);
    capture_scene_await_taken(&scene, 100);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_late_after(&scene, 100);
    capture_scene_take_log(&scene);
    capture_scene_put_all(&scene, 100, 200, 100);
    capture_scene_await_taken(&scene, 200);
    cr_assert_gt(capture_scene_segments(&scene), 0);
    cr_assert_eq(capture_scene_figures(&scene).delivered, 100);
    capture_scene_give_log(&scene);
    capture_scene_await_delivered(&scene, 200);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(atomic_load(&scene.taken), 200);
    capture_scene_check_numbers(&scene, 0, 200);
}

Test(capture, while_the_log_is_away_events_go_to_the_disk_and_come_back_in_order)
{
    scene.options.memory_bytes_max = 64 << 10;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 100, 100);
    capture_scene_await_delivered(&scene, 100);
    capture_scene_take_log(&scene);
    for (int64_t i = 100; i < 3100; i += 150) { /* far more than memory has room for */
        capture_scene_put_all(&scene, i, i + 150, 200);
        capture_scene_await_spooled(&scene);
    }
    cr_assert_eq(capture_scene_figures(&scene).spooled, 3000);
    capture_scene_give_log(&scene);
    capture_scene_await_delivered(&scene, 3100);
    capture_scene_put_all(&scene, 3100, 3200, 100);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_check_numbers(&scene, 0, 3200);
}

Test(capture, a_restart_sends_what_the_last_run_has_left_first)
{
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 50, 100);
    capture_scene_await_delivered(&scene, 50);
    capture_scene_take_log(&scene);
    capture_scene_put_all(&scene, 50, 300, 100);
    capture_scene_close(&scene, 0);
    cr_assert_gt(capture_scene_segments(&scene), 0);
    capture_scene_give_log(&scene);
    capture_scene_open(&scene);
    cr_assert_eq(capture_scene_figures(&scene).received, 250, "the sum holds from the beginning");
    capture_scene_put_all(&scene, 300, 400, 100);
    capture_scene_await_delivered(&scene, 350);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_check_numbers(&scene, 0, 400);
}

/* Puts events, from 1 on, until so many were dropped for that reason. Who drops for want of memory waits for the disk. */
static void fill_until_dropped(enum tl_capture_reason reason, uint64_t count)
{
    uint64_t before = 0;

    for (int64_t i = 1;; i++) {
        struct tl_capture_figures figures;

        cr_assert_lt(i, 1000000);
        capture_scene_put(&scene, i, 1000);
        figures = capture_scene_figures(&scene);
        if (figures.dropped[reason] >= count)
            return;
        if (figures.dropped[TL_CAPTURE_MEMORY] > before)
            tl_clock_sleep_ms(1);
        before = figures.dropped[TL_CAPTURE_MEMORY];
    }
}

/* So many are there, each once and in order. */
static void check_ascending(size_t wanted)
{
    size_t count;
    int64_t *numbers = capture_scene_numbers(&scene, 0, &count);

    cr_assert_eq(count, wanted);
    for (size_t i = 1; i < count; i++)
        cr_assert_lt(numbers[i - 1], numbers[i]);
    free(numbers);
}

Test(capture, a_full_spool_drops_the_newest_and_counts_them)
{
    struct tl_capture_figures figures;

    scene.options.memory_bytes_max = 64 << 10;
    scene.options.spool_bytes_max = 256 << 10;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 1, 100);
    capture_scene_await_delivered(&scene, 1);
    capture_scene_take_log(&scene);
    fill_until_dropped(TL_CAPTURE_SPOOL_FULL, 1000);
    figures = capture_scene_figures(&scene);
    cr_assert_eq((uint64_t)atomic_load(&scene.refused),
                 figures.dropped[TL_CAPTURE_SPOOL_FULL] + figures.dropped[TL_CAPTURE_MEMORY]);
    capture_scene_give_log(&scene);
    capture_scene_await_delivered(&scene, 1 + figures.spooled);
    capture_scene_close(&scene, 5000);
    check_ascending(1 + figures.spooled);
}

Test(capture, durable_with_a_full_spool_says_no)
{
    scene.options.mode = TL_CAPTURE_DURABLE;
    scene.options.spool_bytes_max = 256 << 10;
    capture_scene_open(&scene);
    capture_scene_put(&scene, 0, 100);
    capture_scene_await_delivered(&scene, 1);
    capture_scene_take_log(&scene);
    for (int64_t i = 1; atomic_load(&scene.refused) < 100; i++) {
        cr_assert_lt(i, 100000);
        capture_scene_put(&scene, i, 1000);
        while (atomic_load(&scene.taken) + atomic_load(&scene.refused) <= i) /* nobody waits for ever */
            tl_clock_sleep_ms(1);
    }
    cr_assert_eq(capture_scene_figures(&scene).dropped[TL_CAPTURE_SPOOL_FULL], 100);
    capture_scene_give_log(&scene);
    capture_scene_await_delivered(&scene, (uint64_t)atomic_load(&scene.taken));
    capture_scene_close(&scene, 5000);
    capture_scene_check_numbers(&scene, 0, atomic_load(&scene.taken));
}

Test(capture, one_that_is_too_large_is_dropped)
{
    capture_scene_open(&scene);
    capture_scene_put(&scene, 0, (8 << 20) + 1);
    capture_scene_put(&scene, 0, 8 << 20);
    cr_assert_eq(capture_scene_figures(&scene).dropped[TL_CAPTURE_TOO_LARGE], 1);
    cr_assert_eq(atomic_load(&scene.refused), 1);
    capture_scene_close(&scene, 5000);
    capture_scene_check_numbers(&scene, 0, 1);
}

Test(capture, two_never_share_a_spool)
{
    struct tl_capture *second = NULL;

    capture_scene_open(&scene);
    cr_assert_eq(tl_capture_open(&scene.common, NULL, &scene.options, NULL, &second, &err), TL_ERR_BUSY);
    cr_assert_eq(strncmp(err.message, "another intercept holds ", 24), 0, "%s", err.message);
}

Test(capture, a_log_that_is_none_is_an_error_at_the_start)
{
    struct tl_capture *second = NULL;

    capture_scene_open(&scene);
    capture_scene_close(&scene, 0);
    capture_scene_take_log(&scene);
    cr_assert_eq(tl_capture_open(&scene.common, NULL, &scene.options, NULL, &second, &err), TL_ERR_CORRUPT, "%s", err.message);
    cr_assert_null(second);
}

/* By Kafka's own rule; without a key by event_id, so that what is sent twice comes to one partition. */
Test(capture, a_key_decides_on_the_partition)
{
    size_t counts[3] = {0}, all = 0;

    scene.options.partitions = 3;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 0, 300, 50);
    capture_scene_close(&scene, 5000);
    for (uint32_t p = 0; p < 3; p++) {
        free(capture_scene_numbers(&scene, p, &counts[p]));
        cr_assert_gt(counts[p], 60);
        all += counts[p];
    }
    cr_assert_eq(all, 300);
    scene.options.key = TL_CAPTURE_KEY_HOST;
    capture_scene_open(&scene);
    capture_scene_put_all(&scene, 300, 400, 50);
    capture_scene_close(&scene, 5000);
    for (uint32_t p = 0; p < 3; p++) {
        size_t count;

        free(capture_scene_numbers(&scene, p, &count));
        cr_assert_eq(count - counts[p], p == tl_log_partition_of(TL_SV("example.com"), 0, 3) ? 100 : 0);
    }
}

/* ---- a disk that is full ---- */

#ifdef TL_TINY
enum { FULL_BYTES = 2000 }; /* less than a segment */
#else
enum { FULL_BYTES = 100000 };
#endif

/* No file may grow beyond it, the log's own neither. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(capture, durable_on_a_full_disk_says_no_until_there_is_room)
{
    struct tl_capture_figures figures;
    int64_t n = 0;

    scene.options.mode = TL_CAPTURE_DURABLE;
    capture_scene_open(&scene);
    capture_scene_put(&scene, n++, 100);
    capture_scene_await_taken(&scene, 1);
    limit_files(FULL_BYTES);
    while (atomic_load(&scene.refused) < 50) {
        cr_assert_lt(n, 100000);
        capture_scene_put(&scene, n++, 1000);
        while (atomic_load(&scene.taken) + atomic_load(&scene.refused) < n)
            tl_clock_sleep_ms(1);
    }
    figures = capture_scene_figures(&scene);
    cr_assert_eq(figures.dropped[TL_CAPTURE_IO], (uint64_t)atomic_load(&scene.refused));
    limit_files(RLIM_INFINITY);
    for (int taken = atomic_load(&scene.taken); atomic_load(&scene.taken) < taken + 10;) {
        capture_scene_put(&scene, n++, 100);
        while (atomic_load(&scene.taken) + atomic_load(&scene.refused) < n)
            tl_clock_sleep_ms(1);
        tl_clock_sleep_ms(5);
    }
    capture_scene_await_delivered(&scene, (uint64_t)atomic_load(&scene.taken));
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    check_ascending((size_t)atomic_load(&scene.taken));
}

Test(capture, on_a_full_disk_memory_keeps_what_it_has_room_for)
{
    struct tl_capture_figures figures;

    scene.options.memory_bytes_max = 256 << 10;
    capture_scene_open(&scene);
    capture_scene_put(&scene, 0, 100);
    capture_scene_await_delivered(&scene, 1);
    capture_scene_take_log(&scene);
    limit_files(FULL_BYTES);
    fill_until_dropped(TL_CAPTURE_IO, 100);
    limit_files(RLIM_INFINITY);
    capture_scene_give_log(&scene);
    figures = capture_scene_figures(&scene);
    cr_assert_gt(figures.spooled, 50);
    capture_scene_await_delivered(&scene, figures.delivered + figures.spooled);
    capture_scene_close(&scene, 5000);
    check_ascending(figures.delivered + figures.spooled);
}

/* ---- many at once ---- */

enum { PUTTERS = 2, EACH = 1500 };

static void *put_many(void *arg)
{
    int64_t from = *(const int64_t *)arg;

    capture_scene_put_all(&scene, from, from + EACH, 300);
    return NULL;
}

/* Two threads put while the log goes and comes: at every look the sum holds, and in the end each thread's events are there in order. */
static void check_many(enum tl_capture_mode mode)
{
    const int64_t froms[PUTTERS] = {0, EACH};
    int64_t last[PUTTERS] = {-1, EACH - 1}, *numbers;
    pthread_t threads[PUTTERS];
    size_t count;

    scene.options.mode = mode;
    capture_scene_open(&scene);
    for (int i = 0; i < PUTTERS; i++) {
        int64_t from = froms[i];

        cr_assert_eq(pthread_create(&threads[i], NULL, put_many, (void *)(uintptr_t)&froms[i]), 0, "%" PRId64, from);
    }
    for (int i = 0; i < 3; i++) {
        capture_scene_take_log(&scene);
        for (int k = 0; k < 20; k++) {
            capture_scene_figures(&scene);
            tl_clock_sleep_ms(1);
        }
        capture_scene_give_log(&scene);
        for (int k = 0; k < 20; k++) {
            capture_scene_figures(&scene);
            tl_clock_sleep_ms(1);
        }
    }
    for (int i = 0; i < PUTTERS; i++)
        pthread_join(threads[i], NULL);
    capture_scene_await_delivered(&scene, PUTTERS * EACH);
    capture_scene_await_taken(&scene, PUTTERS * EACH);
    capture_scene_close(&scene, 5000);
    numbers = capture_scene_numbers(&scene, 0, &count);
    cr_assert_eq(count, PUTTERS * EACH);
    for (size_t i = 0; i < count; i++) {
        int putter = numbers[i] >= EACH;

        cr_assert_eq(numbers[i], last[putter] + 1);
        last[putter] = numbers[i];
    }
    free(numbers);
}

Test(capture, the_sum_holds_while_the_log_goes_and_comes)
{
    check_many(TL_CAPTURE_BEST_EFFORT);
}

Test(capture, the_sum_holds_in_durable_mode)
{
    check_many(TL_CAPTURE_DURABLE);
}

Test(capture, the_sum_holds_in_broker_mode)
{
    check_many(TL_CAPTURE_BROKER);
}
