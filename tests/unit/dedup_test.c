/* dedup_test.c: what counts as seen, what is forgotten when, what survives a save, and the memory that was promised. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/dedup.h"

static struct tl_id id_of(uint64_t n, int64_t time_ms)
{
    char text[32];
    int size = snprintf(text, sizeof text, "event-%llu", (unsigned long long)n);

    return tl_id_of((struct tl_sv){text, (size_t)size}, time_ms);
}

static enum tl_seen see(struct tl_horizon *h, uint64_t n, int64_t time_ms, int64_t log_ms)
{
    enum tl_seen seen = TL_SEEN_NEW;
    struct tl_err err;

    cr_assert_eq(tl_horizon_see(h, id_of(n, time_ms), log_ms, &seen, &err), TL_OK);
    return seen;
}

static struct tl_horizon *open_horizon(int64_t horizon_ms, uint32_t ids_max)
{
    struct tl_horizon *h = NULL;
    struct tl_err err;

    cr_assert_eq(tl_horizon_open(horizon_ms, ids_max, &h, &err), TL_OK);
    return h;
}

Test(dedup, a_copy_within_the_horizon_is_a_duplicate_and_beyond_it_is_not)
{
    struct tl_horizon *h = open_horizon(1000, 100);

    cr_expect_eq(see(h, 1, 5, 10000), TL_SEEN_NEW);
    cr_expect_eq(see(h, 1, 5, 11000), TL_SEEN_DUPLICATE, "exactly the horizon is within it");
    cr_expect_eq(see(h, 1, 5, 11001), TL_SEEN_NEW, "the first is forgotten, and duplicates are not remembered");
    tl_horizon_close(h);
}

Test(dedup, the_same_id_with_another_time_is_a_conflict_and_counts)
{
    struct tl_horizon *h = open_horizon(1000, 100);

    cr_expect_eq(see(h, 1, 5, 0), TL_SEEN_NEW);
    cr_expect_eq(see(h, 1, 6, 0), TL_SEEN_CONFLICT);
    cr_expect_eq(see(h, 1, 6, 0), TL_SEEN_DUPLICATE);
    cr_expect_eq(see(h, 1, 5, 0), TL_SEEN_DUPLICATE);
    tl_horizon_close(h);
}

Test(dedup, the_oldest_go_when_there_are_too_many)
{
    struct tl_horizon *h = open_horizon(INT64_C(1000000), 3);

    for (uint64_t n = 1; n <= 4; n++)
        cr_expect_eq(see(h, n, 0, 0), TL_SEEN_NEW);
    cr_expect_eq(tl_horizon_count(h), 3);
    cr_expect_eq(see(h, 4, 0, 0), TL_SEEN_DUPLICATE);
    cr_expect_eq(see(h, 1, 0, 0), TL_SEEN_NEW, "the first of four was forgotten");
    tl_horizon_close(h);
}

/* Against a list that is searched from end to end: an event conflicts with the newest one of its id. */
static void expect_plain_list(uint64_t ids, int64_t times)
{
    enum { EVENTS = 20000, HORIZON_MS = 700, IDS_MAX = 500 };
    unsigned seed = 20261123;
    static struct {
        uint64_t n;
        int64_t time_ms, log_ms;
    } list[EVENTS];
    size_t front = 0, back = 0;
    int64_t log_ms = 0, newest_ms = INT64_MIN;
    struct tl_horizon *h = open_horizon(HORIZON_MS, IDS_MAX);

    printf("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < EVENTS; i++) {
        uint64_t n = (uint64_t)random() % ids;
        int64_t time_ms = random() % times;
        enum tl_seen want = TL_SEEN_NEW;

        log_ms += random() % 4;
        if (random() % 10 == 0)
            log_ms -= random() % 5; /* log timestamps may step back */
        for (size_t at = front; at < back && want != TL_SEEN_DUPLICATE; at++) {
            bool within = list[at].log_ms >= log_ms - HORIZON_MS;

            if (list[at].n == n)
                want = !within ? TL_SEEN_NEW : list[at].time_ms == time_ms ? TL_SEEN_DUPLICATE : TL_SEEN_CONFLICT;
        }
        cr_assert_eq(see(h, n, time_ms, log_ms), want, "event %d", i);
        if (want != TL_SEEN_DUPLICATE) {
            if (log_ms > newest_ms)
                newest_ms = log_ms;
            while (front < back && (list[front].log_ms < newest_ms - HORIZON_MS || back - front >= IDS_MAX))
                front++;
            list[back].n = n;
            list[back].time_ms = time_ms;
            list[back++].log_ms = log_ms;
        }
    }
    tl_horizon_close(h);
}

Test(dedup, the_horizon_equals_a_plain_list)
{
    expect_plain_list(600, 2);
}

Test(dedup, the_horizon_equals_a_plain_list_where_ids_have_many_times)
{
    expect_plain_list(12, 100);
    expect_plain_list(1, 5000);
}

/* As it would be if a duplicate made the horizon move: the restart, which does not know of it, would still have the first id. */
Test(dedup, a_duplicate_makes_nothing_forgotten)
{
    struct tl_horizon *h = open_horizon(1000, 2);

    cr_expect_eq(see(h, 1, 0, 0), TL_SEEN_NEW);
    cr_expect_eq(see(h, 2, 0, 900), TL_SEEN_NEW);
    cr_expect_eq(see(h, 2, 0, 1500), TL_SEEN_DUPLICATE, "and 1 is behind its horizon");
    cr_expect_eq(see(h, 1, 0, 900), TL_SEEN_DUPLICATE, "log timestamps may step back");
    cr_expect_eq(tl_horizon_count(h), 2);
    tl_horizon_close(h);
}

/* A restart at any place judges as if there had been none. */
Test(dedup, saved_and_loaded_judges_alike)
{
    enum { EVENTS = 5000, HORIZON_MS = 300 };
    struct tl_horizon *whole = open_horizon(HORIZON_MS, 200), *cut = open_horizon(HORIZON_MS, 200);
    struct tl_buf saved;
    struct tl_err err;

    tl_buf_init(&saved, 0);
    srandom(7);
    for (int i = 0; i < EVENTS; i++) {
        uint64_t n = (uint64_t)random() % 300;
        int64_t log_ms = i;

        cr_assert_eq(see(whole, n, 0, log_ms), see(cut, n, 0, log_ms), "event %d", i);
        if (i % 37 == 0) { /* a tick */
            tl_horizon_save(cut, &saved);
            tl_horizon_saved(cut);
        }
        if (i % 370 == 0) { /* kill: what was not saved is read again from the log, here nothing, for the tick was just now */
            tl_horizon_close(cut);
            cut = open_horizon(HORIZON_MS, 200);
            cr_assert_eq(tl_horizon_load(cut, tl_buf_sv(&saved), &err), TL_OK);
        }
    }
    tl_horizon_close(whole);
    tl_horizon_close(cut);
    tl_buf_done(&saved);
}

#ifndef TL_TINY /* smaller chunks: other cuts are whole, and the index weighs more */
Test(dedup, broken_bytes_are_refused)
{
    struct tl_horizon *h = open_horizon(1000, 10), *other;
    struct tl_buf saved;
    struct tl_err err;

    tl_buf_init(&saved, 0);
    for (uint64_t n = 0; n < 4; n++) /* one chunk */
        cr_expect_eq(see(h, n, 0, 0), TL_SEEN_NEW);
    tl_horizon_save(h, &saved);
    for (size_t size = 1; size < saved.size; size++) {
        other = open_horizon(1000, 10);
        cr_expect_eq(tl_horizon_load(other, (struct tl_sv){saved.data, size}, &err), TL_ERR_CORRUPT, "%zu bytes", size);
        tl_horizon_close(other);
    }
    tl_horizon_close(h);
    tl_buf_done(&saved);
}
#endif

Test(dedup, a_set_knows_all_it_has_seen)
{
    struct tl_idset *set = NULL;
    struct tl_err err;
    enum tl_seen seen;

    cr_assert_eq(tl_idset_open(&set, &err), TL_OK);
    for (uint64_t n = 0; n < 50000; n++) {
        cr_assert_eq(tl_idset_see(set, id_of(n, 1), &seen, &err), TL_OK);
        cr_assert_eq(seen, TL_SEEN_NEW);
    }
    for (uint64_t n = 0; n < 50000; n++) {
        cr_assert_eq(tl_idset_see(set, id_of(n, (int64_t)(n % 2)), &seen, &err), TL_OK);
        cr_assert_eq(seen, n % 2 == 1 ? TL_SEEN_DUPLICATE : TL_SEEN_CONFLICT, "%llu", (unsigned long long)n);
    }
    cr_expect_eq(tl_idset_count(set), 75000);
    tl_idset_close(set);
}

/* A client whose every event has the same id, and a time of its own: were they one chain, this would take hours. */
Test(dedup, a_set_takes_an_id_that_stands_on_everything, .timeout = 60)
{
    const int64_t events = 1000000, alike_max = 300; /* 32 bits of each time are kept */
    struct tl_idset *set = NULL;
    struct tl_err err;
    enum tl_seen seen;
    int64_t alike = 0;

    cr_assert_eq(tl_idset_open(&set, &err), TL_OK);
    for (int64_t n = 0; n < events; n++) {
        enum tl_seen looked = tl_idset_look(set, id_of(7, n));

        cr_assert_eq(tl_idset_see(set, id_of(7, n), &seen, &err), TL_OK);
        cr_assert_eq(seen, looked, "%lld", (long long)n);
        cr_assert((seen == TL_SEEN_NEW) == (n == 0), "%lld", (long long)n);
        cr_assert_eq(tl_idset_look(set, id_of(7, n)), TL_SEEN_DUPLICATE);
        alike += seen == TL_SEEN_DUPLICATE;
    }
    cr_expect_leq(alike, alike_max);
    cr_expect_eq(tl_idset_count(set), (size_t)(events - alike));
    tl_idset_close(set);
}

Test(dedup, a_horizon_takes_an_id_that_stands_on_everything, .timeout = 60)
{
    const int64_t events = 300000, alike_max = 100; /* 32 bits of each time are kept */
    struct tl_horizon *h = open_horizon(1000, 1u << 20);
    int64_t alike = 0;

    for (int64_t n = 0; n < events; n++) {
        enum tl_seen seen = see(h, 7, n, n / 100);

        cr_assert((seen == TL_SEEN_NEW) == (n == 0), "%lld", (long long)n);
        cr_assert_eq(see(h, 7, n, n / 100), TL_SEEN_DUPLICATE);
        alike += seen == TL_SEEN_DUPLICATE;
    }
    cr_expect_leq(alike, alike_max);
    tl_horizon_close(h);
}

#ifndef TL_TINY /* chunks of two ids: other cuts are whole, and the index weighs more */
/* At most 24 bytes an id, at whatever size they are looked at. */
Test(dedup, memory_is_what_was_promised)
{
    struct tl_horizon *h = open_horizon(INT64_MAX / 4, 1u << 30);
    struct tl_idset *set = NULL;
    struct tl_err err;
    enum tl_seen seen;
    double worst_set = 0, worst_horizon = 0;

    cr_assert_eq(tl_idset_open(&set, &err), TL_OK);
    for (uint64_t n = 0; n < 1000000; n++) {
        struct tl_id id = id_of(n, 0);

        cr_assert_eq(tl_idset_see(set, id, &seen, &err), TL_OK);
        cr_assert_eq(tl_horizon_see(h, id, (int64_t)n, &seen, &err), TL_OK);
        if (n > 100000 && n % 1000 == 0) {
            double for_set = (double)tl_idset_bytes(set) / (double)tl_idset_count(set);
            double for_horizon = (double)tl_horizon_bytes(h) / (double)tl_horizon_count(h);

            worst_set = for_set > worst_set ? for_set : worst_set;
            worst_horizon = for_horizon > worst_horizon ? for_horizon : worst_horizon;
        }
    }
    printf("bytes an id, at worst: set %.1f, horizon %.1f\n", worst_set, worst_horizon);
    cr_expect_leq(worst_set, 24.0, "%.2f", worst_set);
    cr_expect_leq(worst_horizon, 24.0, "%.2f", worst_horizon);
    tl_idset_close(set);
    tl_horizon_close(h);
}
#endif

#ifndef TL_TINY /* chunks of two ids: other cuts are whole, and the index weighs more */
/* Newest first, minutes apart, as a log is that was copied from its end. */
Test(dedup, memory_holds_where_log_timestamps_go_down)
{
    struct tl_horizon *h = open_horizon(INT64_C(3600000), 1u << 20);

    for (uint64_t n = 0; n < 20000; n++)
        cr_assert_eq(see(h, n, 0, -(int64_t)n * 120000), TL_SEEN_NEW);
    cr_expect(tl_horizon_bytes(h) < 40 * tl_horizon_count(h), "%zu bytes for %zu ids", tl_horizon_bytes(h), tl_horizon_count(h));
    cr_expect_eq(see(h, 19999, 0, -INT64_C(19999) * 120000), TL_SEEN_DUPLICATE);
    tl_horizon_close(h);
}

/* Each leap beyond what 32 bits hold begins a chunk. */
Test(dedup, memory_holds_where_log_timestamps_leap)
{
    const int64_t day_ms = 86400000;
    struct tl_horizon *h = NULL;
    enum tl_seen seen;

    cr_assert_eq(tl_horizon_open(3600000, 1000000, &h, NULL), TL_OK);
    for (int i = 0; i < 20000; i++) {
        struct tl_id id = tl_id_of((struct tl_sv){(const char *)&i, sizeof i}, i);

        cr_assert_eq(tl_horizon_see(h, id, (i % 2 == 0 ? 20000 : 19900) * day_ms, &seen, NULL), TL_OK);
        cr_assert_eq(seen, TL_SEEN_NEW);
    }
    cr_expect_eq(tl_horizon_count(h), 20000);
    cr_expect(tl_horizon_bytes(h) < 140 * tl_horizon_count(h), "%zu bytes for %zu ids", tl_horizon_bytes(h), tl_horizon_count(h));
    tl_horizon_close(h);
}
#endif
