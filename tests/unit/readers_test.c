/* readers_test.c: jobs run once each, by their deadline or not at all, and none is taken when the readers have stopped. */
#include "serving/readers.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "support/store_checks.h"

static atomic_int asked, refused;

static enum tl_code count_job(struct tl_reader_job *job, struct tl_store *store, struct tl_err *err)
{
    (void)job;
    (void)err;
    atomic_fetch_add(store != NULL ? &asked : &refused, 1);
    return TL_OK;
}

static void who_has_stopped_takes_nothing(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_pulse *pulse = NULL;
    struct tl_readers *readers = NULL;
    struct tl_reader_job jobs[8], late = {.run = count_job};

    atomic_store(&asked, 0);
    atomic_store(&refused, 0);
    OK(tl_pulse_open(url, NULL, &pulse, err));
    OK(tl_readers_open(&(struct tl_readers_config){.store = url, .count = 2, .queue_max = 8, .pulse = pulse}, &readers, err));
    for (size_t j = 0; j < TL_COUNT(jobs); j++) {
        jobs[j] = (struct tl_reader_job){.deadline_ms = j == 0 ? 0 : tl_clock_monotonic_ms() + 60000, .run = count_job};
        cr_assert(tl_readers_put(readers, &jobs[j]));
    }
    tl_readers_stop(readers);
    cr_assert_eq(atomic_load(&refused), 1, "the one whose time is over");
    cr_assert_eq(atomic_load(&asked), 7);
    late.deadline_ms = tl_clock_monotonic_ms() + 60000;
    cr_assert(!tl_readers_put(readers, &late));
    tl_readers_close(readers);
    cr_assert_eq(atomic_load(&asked), 7);
    tl_pulse_close(pulse);
    tl_store_close(store);
}

static const struct store_check checks[] = {CHECK(who_has_stopped_takes_nothing)};

STORE_SUITE(readers)
