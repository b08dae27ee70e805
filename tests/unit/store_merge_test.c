/* store_merge_test.c: the merged view in every kind of store serves each window once. */
#include "support/chance.h"
#include "support/store_checks.h"

/* Each window stands in both layers, told apart by its value. Whatever ranges are published, each is served once, by the layer that its
 * end says. */
static void each_window_is_served_once(const struct store_backend *backend)
{
    struct chance chance = chance_open("each_window_is_served_once");
    enum { WINDOWS = 40, RUNS = 25 };

    for (int round = 0; round < 4; round++) {
        struct tl_store *store = fresh(backend);
        int64_t id = hits(store), epoch = store_epoch(store), change, holder[WINDOWS + 1] = {0}, boundary;
        struct store_rows rows;

        store_rows_init(&rows, true, WINDOWS);
        for (int64_t w = 1; w <= WINDOWS; w++)
            store_rows_add(&rows, w * 10 - 10 - (int64_t)chance_below(&chance, 30), w * 10, "h", -w);
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
        OK(tl_store_commit(store, err));
        for (int i = 0; i < RUNS; i++) {
            int64_t run = store_run(store, "random"), from = chance_below(&chance, WINDOWS), to, ends[2];
            struct store_rows staged;
            struct tl_err publish_err;
            bool cuts = false;

            if (chance_below(&chance, 3) == 0)
                from = 0;
            to = from + 1 + chance_below(&chance, (uint32_t)(WINDOWS - from));
            ends[0] = from * 10;
            ends[1] = to * 10;
            store_rows_init(&staged, true, WINDOWS);
            for (int64_t w = 1; w <= WINDOWS; w++) /* a run may have rows outside of its ranges: they are not served */
                store_rows_add(&staged, rows.rows.start_ms[w - 1], w * 10, "h", run * 1000 + w);
            OK(tl_store_begin(store, err));
            OK(tl_store_stage_rows(store, run, id, &staged.rows, err));
            OK(tl_store_commit(store, err));
            store_stage_range(store, run, id, ends[0], ends[1]);
            store_rows_done(&staged);
            if (from > 0 && holder[from] != 0 && holder[from] == holder[from + 1])
                cuts = true;
            if (to < WINDOWS && holder[to] != 0 && holder[to] == holder[to + 1])
                cuts = true;
            cr_assert_eq(tl_store_publish(store, run, 5, &publish_err), cuts ? TL_ERR_LIMIT : TL_OK, "%s", publish_err.message);
            for (int64_t w = from + 1; w <= to && !cuts; w++)
                holder[w] = run;
            boundary = MIN_MS;
            for (int64_t w = 1; w <= WINDOWS; w++) /* from the first that is published on */
                if (holder[w] != 0)
                    boundary = w * 10;
                else if (boundary != MIN_MS)
                    break;
            cr_assert_eq(about(store, id).boundary_ms, boundary);
            {
                struct tl_buf want;
                int64_t low = (int64_t)chance_below(&chance, WINDOWS) * 10,
                        high = low + (int64_t)chance_below(&chance, WINDOWS) * 10;

                tl_buf_init(&want, 0);
                for (int64_t w = 1; w <= WINDOWS; w++)
                    if (w * 10 > low && w * 10 <= high && (w * 10 > boundary || holder[w] != 0))
                        tl_buf_printf(&want, "%lld %lld h %lld %s %d\n", (long long)rows.rows.start_ms[w - 1],
                                      (long long)(w * 10), (long long)(w * 10 > boundary ? -w : holder[w] * 1000 + w),
                                      w * 10 > boundary ? "speed" : "batch", w * 10 <= boundary);
                tl_buf_put_u8(&want, '\0');
                expect(store_answer(store, "hits", TL_LAYER_MERGED, low, high), want.data);
                tl_buf_done(&want);
            }
        }
        store_rows_done(&rows);
        tl_store_close(store);
    }
}

static void single_events_merge_by_time_and_offset(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowless("bots", 'a')), epoch = store_epoch(store), run = store_run(store, "1"), change;
    struct store_rows rows;

    store_rows_init(&rows, false, 8);
    store_rows_add_event(&rows, 10, 0, 1, "/speed-read-by-batch");
    store_rows_add_event(&rows, 10, 0, 7, "/came-later");
    store_rows_add_event(&rows, 12, 1, 1, "/partition-not-read");
    store_rows_add_event(&rows, 19, 0, 4, "/last-read");
    store_rows_add_event(&rows, 19, 0, 5, "/first-not-read");
    store_rows_add_event(&rows, 20, 0, 2, "/at-the-boundary");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, 1000, err));
    OK(tl_store_commit(store, err));
    store_rows_clear(&rows);
    store_rows_add_event(&rows, 10, 0, 1, "/batch-1");
    store_rows_add_event(&rows, 19, 0, 4, "/batch-4");
    store_rows_add_event(&rows, 20, 0, 2, "/batch-2-outside");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 5, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, 0, 20);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "bots"),
           "10 /batch-1 batch 1\n10 /came-later speed 1\n12 /partition-not-read speed 1\n19 /batch-4 batch 1\n"
           "19 /first-not-read speed 1\n20 /at-the-boundary speed 1\n");
    expect(store_answer(store, "bots", TL_LAYER_MERGED, 11, 20),
           "12 /partition-not-read speed 1\n19 /batch-4 batch 1\n19 /first-not-read speed 1\n");
    expect(store_answer(store, "bots", TL_LAYER_BATCH, MIN_MS, MAX_MS), "10 /batch-1 batch 1\n19 /batch-4 batch 1\n");
    OK(tl_store_prune_speed(store, id, 2, err));
    expect(store_answer(store, "bots", TL_LAYER_SPEED, MIN_MS, MAX_MS),
           "10 /came-later speed 1\n12 /partition-not-read speed 1\n19 /first-not-read speed 1\n20 /at-the-boundary speed 1\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(each_window_is_served_once),
    CHECK(single_events_merge_by_time_and_offset),
};

STORE_SUITE(store_merge)
