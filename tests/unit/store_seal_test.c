/* store_seal_test.c: sealed days in every kind of store. */
#include "support/store_checks.h"

static enum tl_code see_seal(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%.*s %lld %lld\n", TL_SV_ARG(topic), (long long)upto_ms, (long long)sealed_ms);
    return TL_OK;
}

static void expect_seals(struct tl_store *store, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_sealed(store, see_seal, &text, err));
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
}

static void seal(struct tl_store *store, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms)
{
    OK(tl_store_begin(store, err));
    OK(tl_store_seal(store, topic, upto_ms, sealed_ms, err));
    OK(tl_store_commit(store, err));
}

static void a_seal_never_goes_back(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);

    expect_seals(store, "");
    seal(store, TL_SV("it's"), 100, 7);
    seal(store, TL_SV("events"), -100, 8);
    seal(store, TL_SV("it's"), 50, 9);
    expect_seals(store, "events -100 8\nit's 100 7\n");
    seal(store, TL_SV("it's"), 200, 10);
    expect_seals(store, "events -100 8\nit's 200 10\n");
    tl_store_close(store);
}

static void put(struct tl_store *store, int64_t id, const struct tl_run_range *range, const struct tl_ledger_line *lines,
                size_t count, uint64_t want)
{
    uint64_t added = 99;

    OK(tl_store_begin(store, err));
    OK(tl_store_put_sealed(store, id, range, lines, count, &added, err));
    OK(tl_store_commit(store, err));
    cr_assert_eq(added, want);
}

static void late_events_of_sealed_days_are_counted_once(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowed("hits_5m", 'a')), run = store_run(store, "1");
    const struct tl_run_range first = {.run = run, .from_ms = MIN_MS, .to_ms = 10},
                              second = {.run = run, .from_ms = 10, .to_ms = 20};
    const struct tl_ledger_line lines[] = {
        {.partition = 0, .offset = 5, .cause = TL_CAUSE_SEALED_DAY, .watermark_ms = MIN_MS, .event_time_ms = 3 },
        {.partition = 0, .offset = 6, .cause = TL_CAUSE_SEALED_DAY, .watermark_ms = MIN_MS, .event_time_ms = 9 },
        {.partition = 1, .offset = 5, .cause = TL_CAUSE_SEALED_DAY, .watermark_ms = MIN_MS, .event_time_ms = 10},
    };
    uint64_t counts[TL_OUTCOMES], causes[TL_CAUSES];

    store_stage_range(store, run, id, MIN_MS, 10);
    store_stage_range(store, run, id, 10, 20);
    OK(tl_store_publish(store, run, 5, err));
    put(store, id, &first, lines, 1, 1);
    put(store, id, &first, lines, 2, 1);
    put(store, id, &second, lines + 2, 1, 1);
    put(store, id, &first, lines, 2, 0);
    put(store, id, &second, lines + 2, 1, 0);
    put(store, id, &second, lines, 0, 0);
    OK(tl_store_outcomes(store, id, -1, counts, err));
    cr_assert_eq(counts[TL_OUT_LATE], 3);
    OK(tl_store_ledger_counts(store, id, run, causes, err));
    cr_assert_eq(causes[TL_CAUSE_SEALED_DAY], 3);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(a_seal_never_goes_back),
    CHECK(late_events_of_sealed_days_are_counted_once),
};
STORE_SUITE(store_seal)
