/* merge_view_test.c: the text of the merged view, and how the databases read it: by the keys, never all of a table for a part. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/merge_view.h"
#include "support/store_fixture.h"

#define MIN_MS INT64_MIN
enum { WINDOWS = 4000 };

static char url[512];

static struct tl_merge_view view_of(const struct tl_shape *shape)
{
    return (struct tl_merge_view){.definition = 7,
                                  .view = shape->view,
                                  .topic = shape->topic,
                                  .speed_table = TL_SV("a\"b_speed"),
                                  .batch_table = TL_SV("a\"b_batch"),
                                  .windowed = shape->windowed,
                                  .cut_per_key = shape->cut_per_key,
                                  .ends_open = shape->ends_open,
                                  .key_tail_bytes = shape->key_tail_bytes,
                                  .columns = shape->columns,
                                  .columns_count = shape->columns_count};
}

static const char *text_of(enum tl_dialect dialect, const struct tl_merge_view *view)
{
    static struct tl_buf text;

    tl_buf_done(&text);
    tl_buf_init(&text, 0);
    tl_merge_view_put(&text, dialect, view);
    tl_buf_put_u8(&text, '\0');
    cr_assert(!text.failed);
    return text.data;
}

Test(merge_view, text)
{
    struct tl_shape shape = store_windowed("hits", 'a');
    struct tl_merge_view view = view_of(&shape);
    const char *text = text_of(TL_DIALECT_SQLITE, &view);

    cr_assert_not_null(strstr(text,
                              "CREATE VIEW \"hits\" AS SELECT strftime('%Y-%m-%dT%H:%M:%fZ', _start_ms / 1000.0, 'unixepoch') AS "
                              "\"window_start\", "));
    cr_assert_not_null(strstr(text, "FROM \"a\"\"b_batch\" AS b"));
    cr_assert_not_null(strstr(text, "FROM \"a\"\"b_speed\" AS s"));
    cr_assert_not_null(strstr(text, "likely(s._end_ms > "));
    text = text_of(TL_DIALECT_POSTGRES, &view);
    cr_assert_null(strstr(text, "likely"));
    cr_assert_null(strstr(text, "strftime"));
    cr_assert_not_null(strstr(text, "ELSE (to_timestamp(_start_ms / 1000) + _start_ms % 1000 * interval '1 millisecond') END AS "
                                    "\"window_start\", "));
}

Test(merge_view, text_without_a_window)
{
    struct tl_shape shape = store_windowless("bots", 'a');
    struct tl_merge_view view = view_of(&shape);
    const char *text;

    view.topic = TL_SV("it's");
    text = text_of(TL_DIALECT_SQLITE, &view);
    cr_assert_not_null(strstr(text, "o.topic = 'it''s'"));
    cr_assert_not_null(strstr(text, "\"_ms_event_time\""));
    cr_assert_not_null(strstr(text, "_partition, _offset, _row"));
}

Test(merge_view, text_with_cuts_per_key)
{
    struct tl_shape shape = store_sessions("visits", 'a', 0);
    struct tl_merge_view view = view_of(&shape);
    const char *text = text_of(TL_DIALECT_SQLITE, &view);

    cr_assert_not_null(
        strstr(text, "likely(b._end_ms <= COALESCE((SELECT c.cut_ms FROM tally_cut AS c WHERE c.definition = 7 AND c.\"key\" = "
                     "b._key), (SELECT g.boundary_ms "));
    cr_assert_not_null(strstr(text,
                              "likely(s._start_ms >= COALESCE((SELECT c.cut_ms FROM tally_cut AS c WHERE c.definition = 7 AND "
                              "c.\"key\" = s._key), "));
    cr_assert_not_null(strstr(text, "p.from_ms <= b._end_ms"));
    view.key_tail_bytes = 20;
    cr_assert_not_null(strstr(text_of(TL_DIALECT_SQLITE, &view), "c.\"key\" = substr(b._key, 1, length(b._key) - 20)"));
    text = text_of(TL_DIALECT_POSTGRES, &view);
    cr_assert_null(strstr(text, "likely"));
    cr_assert_not_null(strstr(text, "c.\"key\" = substring(s._key FROM 1 FOR octet_length(s._key) - 20)"));
}

/* ---- as the sqlite3 shell sees it ---- */

/* Each window i (1 ..) ends at i * 10 and stands in speed; batch has published those up to `published`, a run for every `run_windows`. */
static void fill_view(const struct store_backend *backend, struct tl_shape shape, int published, int run_windows)
{
    struct tl_store *store;
    struct store_rows rows;
    int64_t id = 0, epoch, change = 0;

    backend->url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    epoch = store_epoch(store);
    store_rows_init(&rows, true, WINDOWS);
    for (int64_t i = 1; i <= WINDOWS; i++)
        store_rows_add(&rows, i * 10 - 10, i * 10, "h", i);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    for (int64_t from = 0; from < published; from += run_windows) {
        int64_t run = store_run(store, "r");

        store_rows_clear(&rows);
        for (int64_t i = from + 1; i <= from + run_windows; i++)
            store_rows_add(&rows, i * 10 - 10, i * 10, "h", -i);
        OK(tl_store_begin(store, err));
        OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
        OK(tl_store_commit(store, err));
        /* Ranges of 10 windows each. */
        for (int64_t to = from; to < from + run_windows; to += 10)
            store_stage_range(store, run, id, to * 10, (to + 10) * 10);
        OK(tl_store_publish(store, run, 1, err));
    }
    store_rows_done(&rows);
    tl_store_close(store);
}

static void fill(int published, int run_windows)
{
    fill_view(&store_sqlite, store_windowed("hits", 'a'), published, run_windows);
}

/* Runs the statement; *steps: what SQLite's machine did for it, the same on every computer. */
static int64_t ask(const char *sql, int *steps, char *plan, size_t plan_size)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    char explain[512];
    int64_t rows = 0;

    cr_assert_eq(sqlite3_open_v2(store_path(url), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        rows++;
    *steps = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    sqlite3_finalize(statement);
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    cr_assert_eq(sqlite3_prepare_v2(db, explain, -1, &statement, NULL), SQLITE_OK);
    plan[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        size_t size = strlen(plan);

        snprintf(plan + size, plan_size - size, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return rows;
}

Test(merge_view, a_range_is_looked_up, .fini = store_folder_remove)
{
    char plan[4096];
    int steps, all;

    fill(3000, 500); /* 6 runs of 50 ranges; speed from 3001 on */
    cr_assert_eq(ask("SELECT * FROM hits", &all, plan, sizeof plan), WINDOWS);
    cr_assert_eq(ask("SELECT * FROM hits WHERE _end_ms > 29950 AND _end_ms <= 30050 ORDER BY _end_ms, _start_ms, host", &steps,
                     plan, sizeof plan),
                 10);
    cr_assert_not_null(strstr(plan, "SEARCH b USING PRIMARY KEY (_run=? AND _end_ms>? AND _end_ms<?)"), "%s", plan);
    cr_assert_not_null(strstr(plan, "SEARCH s USING PRIMARY KEY (_end_ms>? AND _end_ms<?)"), "%s", plan);
    cr_assert_null(strstr(plan, "SCAN b"), "%s", plan);
    cr_assert_null(strstr(plan, "SCAN s"), "%s", plan);
    /* Ten rows of four thousand: not more than a twentieth of the work, the lookup of the runs included. */
    cr_assert_lt(steps, all / 20, "%d of %d", steps, all);
    /* The same where the bound cuts one side only, and for sums. */
    cr_assert_eq(ask("SELECT * FROM hits WHERE _end_ms <= 100", &steps, plan, sizeof plan), 10);
    cr_assert_lt(steps, all / 20, "%d of %d", steps, all);
    cr_assert_eq(ask("SELECT * FROM hits WHERE _end_ms > 39900", &steps, plan, sizeof plan), 10);
    cr_assert_lt(steps, all / 20, "%d of %d", steps, all);
    cr_assert_eq(
        ask("SELECT sum(num_hits) FROM hits WHERE _end_ms > 15000 AND _end_ms <= 15100 GROUP BY host", &steps, plan, sizeof plan),
        1);
    cr_assert_lt(steps, all / 20, "%d of %d", steps, all);
}

Test(merge_view, without_a_range_speed_is_read_from_the_boundary, .fini = store_folder_remove)
{
    char plan[4096];
    int steps, batch;

    fill(WINDOWS, WINDOWS / 2);
    cr_assert_eq(ask("SELECT _end_ms FROM hits WHERE _layer = 'batch'", &batch, plan, sizeof plan), WINDOWS);
    cr_assert_eq(ask("SELECT _end_ms FROM hits WHERE _layer = 'speed'", &steps, plan, sizeof plan), 0);
    cr_assert_eq(ask("SELECT _end_ms FROM hits", &steps, plan, sizeof plan), WINDOWS);
    cr_assert_lt(steps, batch + 200, "%d, batch alone %d", steps, batch);
}

/* Cuts are looked up by key, and a query finds its rows as it does without them. */
Test(merge_view, cuts_are_looked_up, .fini = store_folder_remove)
{
    struct tl_store *store;
    char plan[4096];
    int steps, all;

    fill_view(&store_sqlite, store_sessions("hits", 'a', 0), 3000, 3000);
    store = store_open(url, TL_STORE_WRITE);
    store_put_speed(store, store_epoch(store), 1, 29980, 30030, "h", 0); /* over B */
    tl_store_close(store);
    cr_assert_eq(ask("SELECT * FROM hits", &all, plan, sizeof plan), WINDOWS + 1);
    cr_assert_not_null(strstr(plan, "SEARCH c USING PRIMARY KEY (definition=? AND key=?)"), "%s", plan);
    cr_assert_not_null(strstr(plan, "SEARCH c USING COVERING INDEX tally_cut_lowest (definition=?)"), "%s", plan);
    cr_assert_null(strstr(plan, "SCAN c"), "%s", plan);
    cr_assert_eq(ask("SELECT * FROM hits WHERE _end_ms > 29950 AND _end_ms <= 30050 ORDER BY _end_ms, _start_ms, host", &steps,
                     plan, sizeof plan),
                 11);
    cr_assert_not_null(strstr(plan, "SEARCH b USING PRIMARY KEY (_run=? AND _end_ms>? AND _end_ms<?)"), "%s", plan);
    cr_assert_not_null(strstr(plan, "SEARCH s USING PRIMARY KEY (_end_ms>? AND _end_ms<?)"), "%s", plan);
    cr_assert_lt(steps, all / 20, "%d of %d", steps, all);
    /* Without a range speed is read from the lowest cut on. */
    cr_assert_eq(ask("SELECT _end_ms FROM hits WHERE _layer = 'speed'", &steps, plan, sizeof plan), 1003);
    cr_assert_not_null(strstr(plan, "SEARCH s USING PRIMARY KEY (_end_ms>?)"), "%s", plan);
    cr_assert_eq(ask("SELECT _end_ms FROM hits WHERE _layer = 'batch'", &steps, plan, sizeof plan), 2998);
}

Test(merge_view, times_are_iso_text, .fini = store_folder_remove)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    fill(10, 10);
    cr_assert_eq(sqlite3_open_v2(store_path(url), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT * FROM hits ORDER BY _end_ms LIMIT 1", -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 0), "1970-01-01T00:00:00.000Z");
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 1), "1970-01-01T00:00:00.010Z");
    cr_assert_str_eq(sqlite3_column_name(statement, 2), "host");
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 4), "batch");
    cr_assert_str_eq(sqlite3_column_name(statement, 5), "_final");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* ---- as psql sees it ---- */

/* Runs the statement; *pages: how many PostgreSQL looked at for it. */
static int64_t ask_postgres(const char *sql, long *pages, char *plan, size_t plan_size)
{
    char explain[512];
    const char *at;
    int64_t rows = 0;

    for (at = store_postgres_ask(url, sql); *at != '\0'; at++)
        rows += *at == '\n';
    snprintf(explain, sizeof explain, "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) %s", sql);
    snprintf(plan, plan_size, "%s", store_postgres_ask(url, explain));
    at = strstr(plan, "Buffers: shared hit=");
    cr_assert_not_null(at, "%s", plan);
    *pages = strtol(at + sizeof "Buffers: shared hit=" - 1, NULL, 10);
    return rows;
}

static void expect_lookups(long all)
{
    static char plan[1 << 16];
    static const struct {
        const char *where;
        int64_t rows;
    } ranges[] = {
        {"_end_ms > 29950 AND _end_ms <= 30050 ORDER BY _end_ms, _start_ms, host", 10},
        {"_end_ms <= 100",                                                         10},
        {"_end_ms > 39900",                                                        10},
        {"_end_ms > 15000 AND _end_ms <= 15100",                                   10},
    };
    long pages;

    for (size_t i = 0; i < TL_COUNT(ranges); i++) {
        char sql[200];

        snprintf(sql, sizeof sql, "SELECT * FROM hits WHERE %s", ranges[i].where);
        cr_assert_eq(ask_postgres(sql, &pages, plan, sizeof plan), ranges[i].rows, "%s", sql);
        cr_assert_not_null(strstr(plan, "Index Scan using tally_batch_1 on hits_batch b"), "%s", plan);
        cr_assert_null(strstr(plan, "Seq Scan on hits"), "%s", plan);
        cr_assert_lt(pages, all / 20, "%s: %ld pages of %ld\n%s", sql, pages, all, plan);
    }
}

Test(merge_view, postgres_looks_a_range_up, .fini = store_folder_remove)
{
    static char plan[1 << 16];
    long all;

    fill_view(&store_postgres, store_windowed("hits", 'a'), 3000, 500); /* 6 runs of 50 ranges; speed from 3001 on */
    store_postgres_sql(url, "ANALYZE hits_speed; ANALYZE hits_batch; ANALYZE tally_pointer");
    cr_assert_eq(ask_postgres("SELECT * FROM hits", &all, plan, sizeof plan), WINDOWS);
    expect_lookups(all);
}

Test(merge_view, postgres_looks_cuts_up, .fini = store_folder_remove)
{
    static char plan[1 << 16];
    struct tl_store *store;
    long pages, all;

    fill_view(&store_postgres, store_sessions("hits", 'a', 0), 3000, 3000);
    store = store_open(url, TL_STORE_WRITE);
    store_put_speed(store, store_epoch(store), 1, 29990, 30010, "h", 0); /* over B */
    store_put_speed(store, store_epoch(store), 1, 29990, 30020, "i", 0);
    tl_store_close(store);
    store_postgres_sql(url, "ANALYZE hits_speed; ANALYZE hits_batch; ANALYZE tally_pointer; ANALYZE tally_cut");
    cr_assert_eq(ask_postgres("SELECT * FROM hits", &all, plan, sizeof plan), WINDOWS + 2, "%s", plan);
    cr_assert_eq(ask_postgres("SELECT * FROM hits WHERE _end_ms > 35000 AND _end_ms <= 35100", &pages, plan, sizeof plan), 10);
    cr_assert_null(strstr(plan, "Seq Scan on hits"), "%s", plan);
    cr_assert_lt(pages, all / 20, "%ld pages of %ld\n%s", pages, all, plan);
    /* However many cuts there are. */
    store_postgres_sql(
        url,
        "INSERT INTO tally_cut SELECT 1, sha256(n::text::bytea), 29000 FROM generate_series(1, 5000) AS n; ANALYZE tally_cut");
    cr_assert_eq(ask_postgres("SELECT * FROM hits WHERE _end_ms > 35000 AND _end_ms <= 35100", &pages, plan, sizeof plan), 10);
    cr_assert_not_null(strstr(plan, "Index Scan using tally_cut_key on tally_cut"), "%s", plan);
    cr_assert_lt(pages, all / 20, "%ld pages of %ld\n%s", pages, all, plan);
}
