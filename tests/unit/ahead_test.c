/* ahead_test.c: rows that a thread reads ahead are those of a cursor, in its order. */
#include "serving/ahead.h"
#include "support/store_checks.h"

static void put_rows(struct tl_store *store, int64_t id, int64_t count)
{
    int64_t epoch = store_epoch(store), change;
    struct store_rows rows;

    store_rows_init(&rows, true, (uint32_t)count);
    for (int64_t i = 0; i < count; i++)
        store_rows_add(&rows, 10 * i, 10 * i + 10, i % 3 == 0 ? "" : i % 3 == 1 ? "a" : "a host with a longer name", i);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

static void the_same_as(struct tl_store *store, struct tl_store *other, int64_t id, int64_t expected)
{
    struct tl_store_cursor *cursor = NULL;
    struct tl_ahead *ahead = NULL;
    const struct tl_stored_row *row, *mine;
    int64_t count = 0;
    bool both;

    OK(tl_store_begin_read_both(store, other, &both, err));
    cr_assert(both);
    OK(tl_store_cursor_open(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, &cursor, err));
    OK(tl_ahead_open(other, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, &ahead, err));
    for (;; count++) {
        OK(tl_store_cursor_next(cursor, &row, err));
        OK(tl_ahead_next(ahead, &mine, err));
        cr_assert_eq(row == NULL, mine == NULL);
        if (row == NULL)
            break;
        cr_assert_eq(row->start_ms, mine->start_ms);
        cr_assert_eq(row->end_ms, mine->end_ms);
        cr_assert(tl_sv_eq(row->key, mine->key));
        cr_assert_eq(row->columns_count, mine->columns_count);
        for (uint32_t c = 0; c < row->columns_count; c++)
            cr_assert(tl_value_eq(&row->columns[c], &mine->columns[c]));
    }
    cr_assert_eq(count, expected);
    OK(tl_ahead_next(ahead, &mine, err));
    cr_assert_null(mine, "the end stays the end");
    tl_ahead_close(ahead);
    tl_store_cursor_close(cursor);
    tl_store_rollback(other);
    tl_store_rollback(store);
}

/* None, a chunk and its neighbours, and more than all chunks. */
static void rows_come_as_a_cursor_gives_them(const struct store_backend *backend)
{
    static const int64_t counts[] = {0, 1, 255, 256, 257, 1024, 1025, 5000};
    struct tl_store *store = fresh(backend), *other = store_open(url, TL_STORE_WALK);
    int64_t id = hits(store);

    for (size_t c = 0; c < TL_COUNT(counts); c++) {
        put_rows(store, id, counts[c]);
        the_same_as(store, other, id, counts[c]);
    }
    tl_store_close(other);
    tl_store_close(store);
}

static void nobody_need_walk_to_the_end(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);

    put_rows(store, id, 5000);
    for (int64_t walked = 0; walked < 1600; walked += 400) {
        const struct tl_stored_row *row;
        struct tl_ahead *ahead = NULL;

        OK(tl_store_begin_read(store, err));
        OK(tl_ahead_open(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, &ahead, err));
        for (int64_t i = 0; i < walked; i++) {
            OK(tl_ahead_next(ahead, &row, err));
            cr_assert_eq(row->start_ms, 10 * i);
        }
        tl_ahead_close(ahead);
        tl_store_rollback(store);
    }
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(rows_come_as_a_cursor_gives_them),
    CHECK(nobody_need_walk_to_the_end),
};

STORE_SUITE(ahead)
