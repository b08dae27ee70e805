/* pulse_test.c: has the store changed? Whoever asks is told soon, and nobody asks the store meanwhile. */
#include "serving/pulse.h"

#include "base/clock.h"
#include "support/store_checks.h"

static void expect_changes(struct tl_pulse *pulse, int64_t before)
{
    int64_t until_ms = tl_clock_monotonic_ms() + 5000;

    while (tl_pulse_beat(pulse).changes == before && tl_clock_monotonic_ms() < until_ms)
        tl_clock_sleep_ms(5);
    cr_assert_gt(tl_pulse_beat(pulse).changes, before);
}

static void a_change_is_heard_of_and_silence_costs_nothing(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), seen_ms = 0, looks = 0, changes, began_ms;
    struct tl_pulse *pulse = NULL;

    OK(tl_pulse_open(url, NULL, &pulse, err));
    expect_changes(pulse, 0);
    tl_clock_sleep_ms(300); /* its WAL was written to a moment ago */
    for (int i = 0; i < 60; i++) {
        looks += tl_pulse_beat(pulse).seen_ms != seen_ms;
        seen_ms = tl_pulse_beat(pulse).seen_ms;
        tl_clock_sleep_ms(10);
    }
    cr_assert_leq(looks, 3, "%lld looks", (long long)looks);
    for (int i = 1; i < 10; i++) {
        changes = tl_pulse_beat(pulse).changes;
        store_put_speed(store, epoch, id, 0, 10000, "a", i);
        expect_changes(pulse, changes);
    }
    for (int i = 10; i < 60; i++) {
        int64_t publications = tl_pulse_beat(pulse).publications;

        changes = tl_pulse_beat(pulse).changes;
        store_put_speed(store, epoch, id, 0, 10000, "a", i);
        tl_pulse_look(pulse, 5000);
        cr_assert_gt(tl_pulse_beat(pulse).changes, changes, "who asks for a look gets what is there");
        cr_assert_eq(tl_pulse_beat(pulse).publications, publications);
    }
    tl_clock_sleep_ms(300);
    began_ms = tl_clock_monotonic_ms();
    tl_pulse_look(pulse, 5000);
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 500, "it looks though nothing happens");
    began_ms = tl_clock_monotonic_ms();
    tl_pulse_close(pulse);
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 500, "it ends in the middle of its wait");
    tl_store_close(store);
}

static const struct store_check checks[] = {CHECK(a_change_is_heard_of_and_silence_costs_nothing)};
STORE_SUITE(pulse)
