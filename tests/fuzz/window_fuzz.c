/* window_fuzz.c: what windows have stored, from any bytes: refused, or windows that go on as if nothing had happened.
 *
 * The first byte chooses a view, of each kind of window in UTC and in a zone; the second one what the rest is:
 *
 *     CARRY    a carry, as batch has it     what is restored and cut is restored and cut to the same bytes
 *     STATES   the last watermark (zigzag), then rows and states as a store has them: start, end (zigzag), key, bytes (blocks)
 *     ROWS     (with either) rows come to it
 *
 * Then the windows are brought to their end. Twice the same gives twice the same, and what is held follows the size of the
 * bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/function.h"
#include "core/window.h"
#include "fuzz/target.h"

static const char table[] = "SET 'tally.allowed-lateness' = '10 s'; SET 'table.local-time-zone' = '%s';"
                            "CREATE TABLE events (host STRING, n INT, event_time TIMESTAMP_LTZ(3),"
                            " WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND);";
static const char inner[] =
    "CREATE VIEW g AS SELECT window_start, window_end, MAX(c) AS c FROM a GROUP BY window_start, window_end;";
static const struct {
    char name[2], window[60], sizes[60], having[30];
} views[] = {
    {"a", "TUMBLE(TABLE events",                         "INTERVAL '1' MINUTE",                      ""                    },
    {"b", "TUMBLE(TABLE events",                         "INTERVAL '1' DAY",                         " HAVING COUNT(*) > 1"},
    {"c", "HOP(TABLE events",                            "INTERVAL '1' MINUTE, INTERVAL '5' MINUTE", ""                    },
    {"d", "CUMULATE(TABLE events",                       "INTERVAL '1' HOUR, INTERVAL '1' DAY",      ""                    },
    {"e", "SESSION(TABLE events PARTITION BY host",      "INTERVAL '10' MINUTE",                     ""                    },
    {"f", "COUNT_WINDOW(TABLE events PARTITION BY host", "3, INTERVAL '1' MINUTE",                   ""                    },
};

enum { VIEWS = TL_COUNT(views) + 1, PLANS = 2, CARRY = 0, STATES = 1, ROWS = 2 };
enum { ROWS_COUNT = 6 };
/* 2024-03-31T00:59:00Z: the clocks of Berlin are put forward a minute later. */
#define BASE_MS INT64_C(1711846740000)

/* Of batch: its bounds, and which range each row is of. */
static const int64_t bounds[] = {INT64_MIN, BASE_MS + 30000, INT64_MAX};
static const uint32_t ranges[ROWS_COUNT] = {0, 0, 0, 1, 0, 1};

static struct tl_plan *plans[PLANS];

static void open_plans(void)
{
    static const char *const zones[PLANS] = {"UTC", "Europe/Berlin"};

    for (int p = 0; p < PLANS; p++) {
        struct tl_buf text;

        tl_buf_init(&text, 0);
        tl_buf_printf(&text, table, zones[p]);
        for (size_t v = 0; v < TL_COUNT(views); v++)
            tl_buf_printf(&text,
                          "CREATE VIEW %s AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(n) AS s, MIN(host) AS m"
                          " FROM TABLE(%s, DESCRIPTOR(event_time), %s)) GROUP BY window_start, window_end, host%s;",
                          views[v].name, views[v].window, views[v].sizes, views[v].having);
        tl_buf_put_str(&text, inner);
        CHECK(tl_plan_parse(tl_buf_sv(&text), "views.sql", tl_function_catalog(), &plans[p], NULL) == TL_OK);
        CHECK(plans[p]->views_count == VIEWS);
        tl_buf_done(&text);
    }
}

/* ---- rows ---- */

/* Of three hosts, one of them NULL, around BASE_MS; what the views read of them. Pushed into a window of its own, as a worker
 * does. */
static enum tl_code push_rows(struct tl_window *into, const struct tl_view *view, const struct tl_window_options *options,
                              const uint32_t *range)
{
    static const int64_t times_ms[ROWS_COUNT] = {BASE_MS,          BASE_MS + 20000, BASE_MS + 20000,
                                                 BASE_MS + 660000, BASE_MS - 5000,  BASE_MS + 61000};
    static const struct tl_sv hosts[ROWS_COUNT] = {
        {"a",  1},
        {"a",  1},
        {"b",  1},
        {"a",  1},
        {"b",  1},
        {NULL, 0}
    };
    static const uint32_t rows[ROWS_COUNT] = {0, 1, 2, 3, 4, 5}, numbers[ROWS_COUNT];
    static const int64_t offsets[ROWS_COUNT] = {10, 11, 12, 13, 14, 15}, judged_ms[ROWS_COUNT] = {0, 0, 0, 0, BASE_MS, 0};
    uint8_t is_null[ROWS_COUNT] = {0, 0, 0, 0, 0, 1};
    int64_t n[ROWS_COUNT] = {1, 2, 3, 4, 5, 6};
    struct tl_vec host = {.kind = TL_STRING, .null = is_null, .sv = (struct tl_sv *)(uintptr_t)hosts}, inputs[4];
    struct tl_vec number = {.kind = TL_INT, .null = is_null, .i64 = n};
    struct tl_window_late late[ROWS_COUNT];
    struct tl_window_verdict verdict = {.late = late};
    struct tl_window_rows in = {
        .rows = rows,
        .rows_count = ROWS_COUNT,
        .time_ms = times_ms,
        .judged_ms = options == NULL ? judged_ms : NULL,
        .range = range,
        .keys = &host,
        .agg = {.inputs = inputs, .time_ms = times_ms, .offset = offsets, .number = numbers}
    };
    struct tl_agg_layout layout;
    struct tl_assign assign;
    struct tl_window *worker;
    struct tl_arena arena;
    enum tl_code rc;

    tl_arena_init(&arena, 4096, 0);
    tl_assign_init(&assign, &view->window);
    CHECK(tl_agg_layout_init(&layout, view->aggs, view->aggs_count, &arena, NULL) == TL_OK);
    CHECK(layout.inputs_count <= TL_COUNT(inputs));
    for (uint32_t i = 0; i < layout.inputs_count; i++)
        inputs[i] = layout.inputs[i]->kind == TL_STRING ? host : number;
    if (tl_assign_knows(&view->window)) {
        CHECK(tl_assign_rows(&assign, rows, ROWS_COUNT, times_ms));
        in.runs = assign.runs;
    }
    CHECK(tl_window_open(view, options, &worker, NULL) == TL_OK);
    CHECK(tl_window_push(worker, &in, &verdict, NULL) == TL_OK);
    rc = tl_window_merge(into, worker, NULL);
    tl_window_close(worker);
    tl_assign_done(&assign);
    tl_arena_done(&arena);
    return rc;
}

/* ---- what leaves ---- */

/* In no order: the sum of the hashes. */
struct digest {
    uint64_t rows, gone, states, count;
    bool refused; /* before anything could leave */
    const struct tl_view *view;
    struct tl_buf bytes;
};

static enum tl_code add_rows(struct digest *digest, const struct tl_rows *rows, uint64_t *sum, bool with_columns)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        tl_buf_clear(&digest->bytes);
        tl_buf_put_zigzag(&digest->bytes, rows->start_ms[i]);
        tl_buf_put_zigzag(&digest->bytes, rows->end_ms[i]);
        tl_buf_put_block(&digest->bytes, rows->key[i]);
        for (uint32_t o = 0; with_columns && o < digest->view->outputs_count; o++) {
            struct tl_value value = tl_vec_get(&rows->columns[o], i);

            tl_value_put_key(&digest->bytes, &value);
        }
        CHECK(!digest->bytes.failed);
        *sum += tl_hash_bytes(tl_buf_sv(&digest->bytes));
    }
    digest->count += rows->count;
    return TL_OK;
}

static enum tl_code on_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct digest *digest = ctx;

    (void)err;
    return add_rows(digest, rows, &digest->rows, true);
}

static enum tl_code on_gone(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct digest *digest = ctx;

    (void)err;
    return add_rows(digest, rows, &digest->gone, false);
}

static enum tl_code on_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    struct digest *digest = ctx;

    (void)err;
    for (uint32_t i = 0; i < states->count; i++)
        digest->states += tl_hash_bytes(states->key[i]) + 3 * tl_hash_bytes(states->bytes[i]) +
                          5 * (uint64_t)states->start_ms[i] + 7 * (uint64_t)states->end_ms[i];
    return TL_OK;
}

/* ---- the two ways ---- */

/* A row that was loaded costs its group; n bytes are at most n / 8 of them. */
static void check_held(const struct tl_window *window, size_t held_before, size_t size)
{
    CHECK(tl_window_bytes(window) <= held_before + (1u << 20) + 64 * size);
}

static void check_refused(enum tl_code rc, const struct tl_err *err)
{
    CHECK(rc == TL_OK || (rc == TL_ERR_CORRUPT && err->code == rc && strstr(err->message, "view ") != NULL));
}

/* Up to the bound, and cut there into `carry`. False: a stored key was refused. */
static bool to_bound(struct tl_window *window, int64_t upto_ms, struct digest *digest, struct tl_buf *carry)
{
    struct tl_err err = {0};
    enum tl_code rc = tl_window_retire(window, upto_ms, on_rows, digest, &err);

    check_refused(rc, &err);
    tl_buf_clear(carry);
    CHECK(rc != TL_OK || tl_window_cut(window, carry, &err) == TL_OK);
    return rc == TL_OK;
}

static void carry_try(const struct tl_view *view, bool with_rows, struct tl_sv carry, struct digest *digest)
{
    const struct tl_window_options options = {.bounds = bounds, .ranges_count = 2};
    struct tl_window *first, *second = NULL;
    struct tl_buf saved, again;
    struct tl_err err = {0};
    enum tl_code rc;
    size_t held;

    tl_buf_init(&saved, 0);
    tl_buf_init(&again, 0);
    CHECK(tl_window_open(view, &options, &first, NULL) == TL_OK);
    held = tl_window_bytes(first);
    rc = tl_window_restore(first, carry, &err);
    check_refused(rc, &err);
    check_held(first, held, carry.size);
    digest->refused = rc != TL_OK;
    if (rc == TL_OK && with_rows)
        CHECK(push_rows(first, view, &options, ranges) == TL_OK);
    if (rc == TL_OK && to_bound(first, bounds[1], digest, &saved)) {
        CHECK(tl_window_open(view, &options, &second, NULL) == TL_OK);
        CHECK(tl_window_restore(second, tl_buf_sv(&saved), NULL) == TL_OK);
        if (to_bound(second, bounds[1], digest, &again))
            CHECK(tl_sv_eq(tl_buf_sv(&saved), tl_buf_sv(&again)));
        rc = tl_window_open_rows(first, on_rows, digest, &err);
        check_refused(rc, &err);
        if (rc == TL_OK && to_bound(first, bounds[2], digest, &again))
            CHECK(again.size == 0 || view->window.window != TL_WINDOW_TUMBLE);
    }
    tl_window_close(first);
    tl_window_close(second);
    tl_buf_done(&saved);
    tl_buf_done(&again);
}

static enum tl_code load_all(struct tl_window *window, struct tl_reader *reader, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    tl_window_resume(window, tl_reader_zigzag(reader));
    while (rc == TL_OK && !reader->failed && !tl_reader_at_end(reader)) {
        int64_t start_ms = tl_reader_zigzag(reader), end_ms = tl_reader_zigzag(reader);
        struct tl_sv key = tl_reader_block(reader), bytes = tl_reader_block(reader);

        if (!reader->failed)
            rc = tl_window_load_state(window, start_ms, end_ms, key, bytes, err);
    }
    return rc;
}

static enum tl_code tick(struct tl_window *window, int64_t watermark_ms, struct digest *digest, struct tl_err *err)
{
    const struct tl_window_sink sink = {digest, on_rows, on_gone, on_states};
    struct tl_window_judged judged = {0};
    enum tl_code rc;

    TL_TRY(tl_window_advance(window, watermark_ms, &judged, err));
    TL_TRY(tl_window_finals(window, on_rows, digest, err));
    TL_TRY(tl_window_changed(window, &sink, err));
    TL_TRY(tl_window_settle(window, err));
out:
    return rc;
}

static void states_try(const struct tl_view *view, bool with_rows, struct tl_sv bytes, struct digest *digest)
{
    static const int64_t watermarks_ms[] = {BASE_MS, BASE_MS + 30000, BASE_MS + 3700000, INT64_MAX, INT64_MAX};
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_err err = {0};
    struct tl_window *window;
    enum tl_code rc;
    size_t held;

    CHECK(tl_window_open(view, NULL, &window, NULL) == TL_OK);
    held = tl_window_bytes(window);
    rc = load_all(window, &reader, &err);
    check_held(window, held, bytes.size);
    digest->refused = rc != TL_OK;
    if (rc == TL_OK && with_rows)
        CHECK(push_rows(window, view, NULL, NULL) == TL_OK);
    for (size_t t = 0; rc == TL_OK && t < TL_COUNT(watermarks_ms); t++)
        rc = tick(window, watermarks_ms[t], digest, &err);
    check_refused(rc, &err);
    CHECK(rc != TL_OK || tl_window_groups(window) == 0);
    tl_window_close(window);
}

static struct digest run(const struct tl_view *view, uint8_t how, struct tl_sv bytes)
{
    struct digest digest = {.view = view};
    bool with_rows = (how & ROWS) != 0 && view->inner < 0;

    tl_buf_init(&digest.bytes, 0);
    if (how & STATES)
        states_try(view, with_rows, bytes, &digest);
    else
        carry_try(view, with_rows, bytes, &digest);
    tl_buf_done(&digest.bytes);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tl_view *view;
    struct digest first, second;
    struct tl_sv bytes;

    if (size < 2)
        return 0;
    if (plans[0] == NULL)
        open_plans();
    view = &plans[data[0] / VIEWS % PLANS]->views[data[0] % VIEWS];
    bytes = (struct tl_sv){(const char *)data + 2, size - 2};
    first = run(view, data[1], bytes);
    if (first.refused)
        return 0;
    second = run(view, data[1], bytes);
    CHECK(first.rows == second.rows && first.gone == second.gone && first.states == second.states && first.count == second.count);
    return 0;
}
