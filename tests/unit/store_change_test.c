/* store_change_test.c: what tells others that something has changed, in every kind of store: the wait, the mark, what is served. */
#include "store/store_change.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/store_checks.h"

/* ---- the wait ---- */

struct later {
    void (*what)(struct tl_store *store);
    struct tl_store *store;
};

static int64_t epoch, definition, run;

static void *after_a_while(void *ctx)
{
    struct later *later = ctx;

    tl_clock_sleep_ms(150);
    later->what(later->store);
    return NULL;
}

static void tick(struct tl_store *store)
{
    store_put_speed(store, epoch, definition, 0, 10, "a", 1);
}

static void publish(struct tl_store *store)
{
    OK(tl_store_publish(store, run, 1, err));
}

static enum tl_code see_undone(void *ctx, int64_t published, int64_t of_run, struct tl_err *err)
{
    (void)ctx;
    (void)published;
    (void)of_run;
    (void)err;
    return TL_OK;
}

static void roll_back(struct tl_store *store)
{
    OK(tl_store_unpublish(store, 0, "me", 2, see_undone, NULL, err));
}

static void swap(struct tl_store *store)
{
    bool swapped = false;

    OK(tl_store_swap(store, definition, 0, &swapped, err));
    cr_assert(swapped);
}

static bool waited(struct tl_store *reader, int64_t timeout_ms)
{
    bool changed = false;

    OK(tl_store_wait(reader, timeout_ms, -1, &changed, err));
    return changed;
}

/* It is heard of at once, and not by the look that comes anyway (in PostgreSQL after 5 s). */
static void expect_heard(struct tl_store *store, struct tl_store *reader, void (*what)(struct tl_store *store))
{
    struct later later = {what, store};
    int64_t began_ms = tl_clock_monotonic_ms(), took_ms;
    pthread_t thread;

    while (waited(reader, 0))
        ;
    cr_assert_eq(pthread_create(&thread, NULL, after_a_while, &later), 0);
    cr_assert(waited(reader, 20000));
    took_ms = tl_clock_monotonic_ms() - began_ms;
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(took_ms < 3000, "%lld ms", (long long)took_ms);
}

static void who_waits_hears_of_whatever_changes_a_view(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *reader = store_open(url, TL_STORE_READ);

    definition = hits(store);
    epoch = store_epoch(store);
    run = store_run(store, "1");
    store_stage(store, run, definition, 0, 10, "a", 2);
    store_stage_range(store, run, definition, MIN_MS, 10);
    cr_assert(waited(reader, 20000)); /* the first one does not wait */
    cr_assert_not(waited(reader, 100));
    expect_heard(store, reader, tick);
    expect_heard(store, reader, publish);
    expect_heard(store, reader, roll_back);
    definition = define(store, store_windowed("hits", 'b'));
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ready(store, definition, err));
    OK(tl_store_commit(store, err));
    expect_heard(store, reader, swap);
    cr_assert_not(waited(reader, 100));
    tl_store_close(reader);
    tl_store_close(store);
}

static void a_wait_ends_when_it_is_woken(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend), *reader = store_open(url, TL_STORE_READ);
    int wake_fd = eventfd(1, EFD_CLOEXEC);
    int64_t began_ms = tl_clock_monotonic_ms();
    bool changed = true;

    while (waited(reader, 0))
        ;
    OK(tl_store_wait(reader, 20000, wake_fd, &changed, err));
    cr_assert_not(changed);
    cr_assert(tl_clock_monotonic_ms() - began_ms < 5000);
    close(wake_fd);
    tl_store_close(reader);
    tl_store_close(store);
}

/* ---- the mark, and what is served ---- */

static const char *served(struct tl_store *store, struct tl_served_what what)
{
    static struct tl_buf text;
    struct tl_served_cursor *cursor = NULL;
    const struct tl_served_row *row;

    tl_buf_done(&text);
    tl_buf_init(&text, 0);
    OK(tl_store_begin_read(store, err));
    OK(tl_store_served(store, &what, &cursor, err));
    for (;;) {
        OK(tl_served_next(cursor, &row, err));
        if (row == NULL)
            break;
        tl_buf_printf(&text, "%lld %lld %.*s %lld run %lld\n", (long long)row->start_ms, (long long)row->end_ms,
                      TL_SV_ARG(row->columns[2].sv), (long long)row->columns[3].i64, (long long)row->run);
    }
    tl_served_close(cursor);
    tl_store_rollback(store);
    tl_buf_put_u8(&text, '\0');
    return text.data;
}

static struct tl_store_mark mark_of(struct tl_store *store)
{
    struct tl_store_mark mark = {0};

    OK(tl_store_begin_read(store, err));
    OK(tl_store_mark(store, &mark, err));
    tl_store_rollback(store);
    return mark;
}

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "(%lld, %lld] run %lld\n", (long long)range->from_ms, (long long)range->to_ms, (long long)range->run);
    return TL_OK;
}

static const char *ranges(struct tl_store *store, int64_t id, int64_t first, int64_t last, bool undone)
{
    static struct tl_buf text;

    tl_buf_done(&text);
    tl_buf_init(&text, 0);
    OK(tl_store_published_ranges(store, id, first, last, undone, see_range, &text, err));
    tl_buf_put_u8(&text, '\0');
    return text.data;
}

static void what_is_served_comes_with_its_run(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), own = store_epoch(store), one = store_run(store, "1");
    struct tl_served_what all = {id, MIN_MS, MIN_MS, -1}, changed = {id, MIN_MS, 0, -1};
    struct tl_store_mark before = mark_of(store), after;

    cr_assert_eq(before.published, 0);
    cr_assert_eq(before.standing, 0);
    store_put_speed(store, own, id, 0, 10, "b", 1);
    store_put_speed(store, own, id, 10, 20, "a", 2);
    changed.changed_after = mark_of(store).change;
    store_put_speed(store, own, id, 0, 10, "a", 3);
    expect(served(store, all), "0 10 a 3 run 0\n0 10 b 1 run 0\n10 20 a 2 run 0\n");
    expect(served(store, changed), "0 10 a 3 run 0\n");
    expect(served(store, (struct tl_served_what){id, 10, MIN_MS, -1}), "10 20 a 2 run 0\n");
    expect(served(store, (struct tl_served_what){id, MIN_MS, MIN_MS, 2}), "0 10 b 1 run 0\n10 20 a 2 run 0\n");
    store_stage(store, one, id, 0, 10, "a", 30);
    store_stage_range(store, one, id, MIN_MS, 10);
    OK(tl_store_publish(store, one, 1, err));
    after = mark_of(store);
    cr_assert(after.change > before.change && after.published == 1 && after.standing == 1 && after.names == before.names);
    expect(served(store, all), one == 1 ? "0 10 a 30 run 1\n10 20 a 2 run 0\n" : "?");
    expect(served(store, changed), ""); /* batch serves it now */
    expect(ranges(store, id, 1, 9, false), "(-9223372036854775808, 10] run 1\n");
    expect(ranges(store, id, 2, 9, false), "");
    expect(ranges(store, id, 1, 9, true), "");
    OK(tl_store_unpublish(store, 0, "me", 2, see_undone, NULL, err));
    after = mark_of(store);
    cr_assert(after.published == 1 && after.standing == 0);
    expect(served(store, all), "0 10 a 3 run 0\n0 10 b 1 run 0\n10 20 a 2 run 0\n");
    expect(ranges(store, id, 1, 9, true), "(-9223372036854775808, 10] run 1\n");
    tl_store_close(store);
}

static void a_swap_moves_the_mark(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_store_mark before, after;
    bool swapped = false;
    int64_t id;

    hits(store);
    id = define(store, store_windowed("hits", 'b'));
    before = mark_of(store);
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    after = mark_of(store);
    cr_assert(after.change > before.change);
    cr_assert_neq(after.names, before.names);
    tl_store_close(store);
}

static void a_lowered_cut_shows(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_sessions("visits", 'a', 0)), own = store_epoch(store), one = store_run(store, "1");
    struct tl_store_cuts cuts;

    store_stage(store, one, id, 0, 5, "a", 100);
    store_stage(store, one, id, 6, 9, "a", 101);
    store_stage_range(store, one, id, MIN_MS, 10);
    OK(tl_store_publish(store, one, 1, err));
    OK(tl_store_cuts(store, id, &cuts, err));
    cr_assert(cuts.count == 0 && cuts.sum_ms == 0 && cuts.lowest_ms == MAX_MS);
    store_put_speed(store, own, id, 8, 12, "a", 2);
    OK(tl_store_cuts(store, id, &cuts, err));
    cr_assert(cuts.count == 1 && cuts.sum_ms == 6 && cuts.lowest_ms == 6);
    tl_store_close(store);
}

/* Only rows that are never written again have an index on their change; a store of before gets it when speed starts. */
static void changes_of_events_have_an_index(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowless("bots", 'a'));
    struct store_rows rows;
    int64_t change = 0, own = store_epoch(store);

    cr_assert_eq(define(store, store_windowless("bots", 'a')), id);
    store_rows_init(&rows, false, 1);
    store_rows_add_event(&rows, 5, 0, 7, "/x");
    OK(tl_store_begin_tick(store, own, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
    if (backend == &store_postgres)
        expect(store_postgres_ask(url,
                                  "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = "
                                  "'i' AND a.attname = '_change' AND c.relnamespace = current_schema()::regnamespace"),
               "1\n");
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(who_waits_hears_of_whatever_changes_a_view),
    CHECK(a_wait_ends_when_it_is_woken),
    CHECK(what_is_served_comes_with_its_run),
    CHECK(a_swap_moves_the_mark),
    CHECK(a_lowered_cut_shows),
    CHECK(changes_of_events_have_an_index),
};
STORE_SUITE(store_change)
