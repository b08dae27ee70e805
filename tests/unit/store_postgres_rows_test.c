/* store_postgres_rows_test.c: the store in PostgreSQL: values of every kind and size, and what other tools see of them. */
#include <math.h>
#include <stdlib.h>

#include "support/store_checks.h"

static void sql(const char *statements)
{
    store_postgres_sql(url, statements);
}

static const char *ask(const char *query)
{
    return store_postgres_ask(url, query);
}

static struct tl_store *make_store(int64_t *id)
{
    struct tl_store *store = fresh(&store_postgres);

    *id = hits(store);
    return store;
}

/* ---- values ---- */

static enum tl_code see_number(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    (void)err;
    *(double *)ctx = row->columns[0].f64;
    return TL_OK;
}

Test(store_postgres_rows, a_zero_keeps_its_sign, .fini = store_folder_remove)
{
    struct tl_shape_column column = {TL_SV("x"), TL_DOUBLE, TL_ROLE_VALUE};
    struct tl_shape shape = store_windowed("zeros", 'z');
    int64_t start = 0, end = 10, id = 0, change = 0;
    double zero = -0.0, got = 1;
    struct tl_sv key = TL_SV("k");
    uint8_t null = 0;
    struct tl_vec vec = {.kind = TL_DOUBLE, .null = &null, .f64 = &zero};
    struct tl_rows rows = {.count = 1, .start_ms = &start, .end_ms = &end, .key = &key, .columns = &vec};
    struct tl_store *store;

    shape.columns = &column;
    shape.columns_count = 1;
    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    OK(tl_store_begin_tick(store, store_epoch(store), &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows, change, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_rows(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, see_number, &got, err));
    cr_assert(got == 0 && signbit(got) != 0);
    tl_store_close(store);
}

/* A key as long as a URL may be, of bytes that compression makes nothing of: more than a B-tree takes. */
static char *long_key(uint32_t seed, size_t size)
{
    char *key = malloc(size + 1);

    cr_assert_not_null(key);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        key[i] = (char)('!' + (seed >> 24) % 90);
    }
    key[size] = '\0';
    return key;
}

static void put_long(struct tl_store *store, int64_t epoch, int64_t id, int64_t start_ms, int64_t end_ms, const char *key,
                     int64_t hits, bool drops)
{
    struct store_rows rows;
    int64_t change = 0;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, end_ms, key, hits);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    if (drops)
        OK(tl_store_drop_speed_rows(store, id, &rows.rows, err));
    else
        OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

Test(store_postgres_rows, long_keys_are_keys, .fini = store_folder_remove)
{
    struct tl_shape shape = store_sessions("visits", 's', 0);
    char *one = long_key(1, 100000), *two = long_key(1, 100000);
    int64_t id = 0, epoch, run, start_ms = 0, end_ms = 5;
    struct tl_sv key, bytes = TL_SV("state");
    struct tl_store *store;

    two[99999] = '\x7e'; /* differs in its last byte only */
    one[99999] = '\x21';
    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    epoch = store_epoch(store);
    put_long(store, epoch, id, 5, 15, one, 1, false);
    put_long(store, epoch, id, 5, 15, two, 2, false);
    put_long(store, epoch, id, 5, 15, one, 3, false);
    expect(ask("SELECT sum(num_hits), count(*), max(octet_length(_key)) FROM visits_speed"), "5 2 100001\n");
    /* A cut for each of them. */
    run = store_run(store, "1");
    store_stage(store, run, id, 0, 4, one, 9);
    store_stage_open(store, run, id, 10, 5, one);
    store_stage_open(store, run, id, 10, 6, one);
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1, err));
    expect(ask("SELECT count(*), min(cut_ms), max(cut_ms) FROM tally_cut"), "2 5 5\n");
    expect(ask("SELECT num_hits, _layer FROM visits ORDER BY num_hits"), "2 speed\n3 speed\n9 batch\n");
    put_long(store, epoch, id, 3, 7, two, 4, false);
    expect(ask("SELECT cut_ms FROM tally_cut ORDER BY cut_ms"), "3\n5\n");
    put_long(store, epoch, id, 5, 15, one, 0, true);
    expect(ask("SELECT num_hits FROM visits_speed ORDER BY num_hits"), "2\n4\n");
    key = tl_sv_from(one);
    OK(tl_store_begin(store, err));
    for (int i = 0; i < 2; i++)
        OK(tl_store_put_states(store, id, &(struct tl_states){1, &start_ms, &end_ms, &key, &bytes}, err));
    OK(tl_store_commit(store, err));
    expect(ask("SELECT count(*) FROM visits_state"), "1\n");
    bytes.size = 0;
    OK(tl_store_begin(store, err));
    OK(tl_store_put_states(store, id, &(struct tl_states){1, &start_ms, &end_ms, &key, &bytes}, err));
    OK(tl_store_commit(store, err));
    expect(ask("SELECT count(*) FROM visits_state"), "0\n");
    tl_store_close(store);
    free(one);
    free(two);
}

/* The same, or as much of it as is there: nothing of it is touched before it is refused. */
Test(store_postgres_rows, a_value_of_a_gigabyte, .fini = store_folder_remove)
{
    static char byte = 'x';
    struct tl_dead dead = {
        .offset = 1, .raw = {&byte, (size_t)1 << 30}
    };
    struct tl_store *store;
    int64_t id = 0;

    store = make_store(&id);
    OK(tl_store_begin(store, err));
    FAILS(TL_ERR_LIMIT, "1 GB", tl_store_put_dead(store, TL_SV("events"), 0, &dead, 1, err));
    FAILS(TL_ERR_LIMIT, "1 GB", tl_store_put_dedup(store, 0, TL_SV("events"), 0, 1, 1, dead.raw, err));
    tl_store_rollback(store);
    tl_store_close(store);
}

static enum tl_code count_row(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    int64_t *count = ctx;

    (void)err;
    cr_assert_eq(row->end_ms, *count + 1);
    ++*count;
    return TL_OK;
}

/* More than a cursor hands over at a time, and while it is walked the handle is used for something else. */
Test(store_postgres_rows, many_rows_come_through_a_cursor, .fini = store_folder_remove)
{
    enum { ROWS = 20000 };
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row = NULL;
    struct store_rows rows;
    struct tl_store *store;
    int64_t id = 0, change = 0, count = 0, walked = 0;
    uint64_t dead = 1;

    store = make_store(&id);
    store_rows_init(&rows, true, ROWS);
    for (int i = 0; i < ROWS; i++)
        store_rows_add(&rows, i, i + 1, "x", i);
    OK(tl_store_begin_tick(store, store_epoch(store), &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_rows(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, count_row, &count, err));
    cr_assert_eq(count, ROWS);
    OK(tl_store_cursor_open(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, &cursor, err));
    for (;; walked++) {
        OK(tl_store_cursor_next(cursor, &row, err));
        if (row == NULL)
            break;
        if (walked % 5000 == 0)
            OK(tl_store_dead_count(store, TL_SV("events"), &dead, err));
    }
    cr_assert_eq(walked, ROWS);
    tl_store_cursor_close(cursor);
    store_rows_done(&rows);
    tl_store_close(store);
}

/* ---- as other tools see it ---- */

Test(store_postgres_rows, times_are_times, .fini = store_folder_remove)
{
    struct tl_store *store;
    int64_t id = 0, epoch;

    store = make_store(&id);
    epoch = store_epoch(store);
    store_put_speed(store, epoch, id, INT64_C(1431856800123), INT64_C(1431857100123), "a", 1);
    sql("SET TIME ZONE 'UTC'");
    expect(ask("SELECT to_char(window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), pg_typeof(window_start), host, "
               "num_hits,"
               " _layer, _final, _start_ms FROM hits"),
           "2015-05-17T10:00:00.123000 timestamp with time zone a 1 speed f 1431856800123\n");
    /* Ours reach further than theirs, and break no query. */
    store_put_speed(store, epoch, id, INT64_MIN, -1, "a", 2);
    store_put_speed(store, epoch, id, -1, INT64_MAX, "a", 3);
    store_put_speed(store, epoch, id, INT64_C(-210866803200000), INT64_C(9224318015999999), "a", 4);
    store_put_speed(store, epoch, id, INT64_C(-210866803200001), INT64_C(9224318016000000), "a", 5);
    expect(ask("SELECT num_hits, window_start = '-infinity', window_end = 'infinity', extract(epoch FROM CASE WHEN "
               "isfinite(window_start)"
               " THEN window_start END) * 1000 = _start_ms FROM hits WHERE num_hits > 1 ORDER BY num_hits"),
           "2 t f NULL\n3 f t t\n4 f f t\n5 t t NULL\n");
    tl_store_close(store);
}

Test(store_postgres_rows, types_are_the_columns_own, .fini = store_folder_remove)
{
    static const struct tl_shape_column columns[] = {
        {{"flag", 4},   TL_BOOLEAN,       TL_ROLE_VALUE},
        {{"tiny", 4},   TL_TINYINT,       TL_ROLE_VALUE},
        {{"int", 3},    TL_INT,           TL_ROLE_VALUE},
        {{"big", 3},    TL_BIGINT,        TL_ROLE_VALUE},
        {{"float", 5},  TL_FLOAT,         TL_ROLE_VALUE},
        {{"double", 6}, TL_DOUBLE,        TL_ROLE_VALUE},
        {{"wall", 4},   TL_TIMESTAMP,     TL_ROLE_VALUE},
        {{"seen", 4},   TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
        {{"text", 4},   TL_STRING,        TL_ROLE_VALUE},
    };
    struct tl_shape shape = store_windowed("kinds", 'k');
    struct tl_store *store;
    int64_t id = 0;

    shape.columns = columns;
    shape.columns_count = TL_COUNT(columns);
    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    expect(ask("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0"
               " ORDER BY attnum"),
           "flag boolean\ntiny smallint\nint integer\nbig bigint\nfloat real\ndouble double precision\n"
           "wall timestamp without time zone\nseen timestamp with time zone\ntext text\n_layer text\n_final boolean\n"
           "_start_ms bigint\n_end_ms bigint\n_ms_wall bigint\n_ms_seen bigint\n");
    tl_store_close(store);
}

Test(store_postgres_rows, all_tables_say_what_they_are_for, .fini = store_folder_remove)
{
    struct tl_shape visits = store_sessions("visits", 'v', 0), bots = store_windowless("bots", 'b');
    struct tl_store *store;
    int64_t id = 0;

    store = make_store(&id);
    OK(tl_store_define(store, &visits, &id, err));
    OK(tl_store_define(store, &bots, &id, err));
    expect(ask("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')"
               " AND obj_description(oid) IS NULL"),
           "");
    expect(ask("SELECT obj_description('hits'::regclass)"),
           "hits per host; tally: batch up to the time boundary, speed after it\n");
    expect(ask("SELECT count(*) FROM pg_attribute WHERE attrelid = 'bots'::regclass AND attnum > 0"
               " AND attname ~ '^_[a-z]' AND attname NOT LIKE '_ms_%' AND col_description(attrelid, attnum) IS NULL"),
           "0\n");
    tl_store_close(store);
}

Test(store_postgres_rows, names_that_are_too_long, .fini = store_folder_remove)
{
    struct tl_shape shape = store_windowed("a_name_of_forty_seven_bytes_as_anybody_can_tell", 'a');
    struct tl_shape_column columns[4];
    struct tl_store *store;
    int64_t id = 0;

    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(shape.view.size, 47);
    OK(tl_store_define(store, &shape, &id, err));
    shape = store_windowed("a_name_of_forty_seven_bytes_as_anybody_can_tell", 'b');
    OK(tl_store_define(store, &shape, &id, err));
    shape = store_windowed("a_name_of_more_than_forty_seven_bytes_you_can_se", 'c');
    FAILS(TL_ERR_DEFINITION, "48 bytes", tl_store_define(store, &shape, &id, err));
    shape = store_windowed("short", 'd');
    memcpy(columns, shape.columns, sizeof columns);
    shape.columns = columns;
    columns[2].name = TL_SV("a_column_with_a_name_of_sixty_four_bytes_is_longer_than_any_is_0");
    FAILS(TL_ERR_DEFINITION, "64 bytes", tl_store_define(store, &shape, &id, err));
    tl_store_close(store);
}

/* A view that somebody made on top of ours is kept by a swap, or the swap says what stands in its way. */
Test(store_postgres_rows, views_on_top, .fini = store_folder_remove)
{
    struct tl_shape same = store_windowed("hits", 'b'), other = store_windowed("hits", 'c');
    struct tl_shape_column columns[4];
    struct tl_store *store;
    struct tl_err why = {.message = ""};
    int64_t id = 0;
    bool swapped = false;

    store = make_store(&id);
    sql("CREATE VIEW mine AS SELECT host, sum(num_hits) AS n FROM hits GROUP BY host");
    OK(tl_store_define(store, &same, &id, err));
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    store_put_speed(store, store_epoch(store), id, 0, 10, "a", 7);
    expect(ask("SELECT n FROM mine"), "7\n");
    memcpy(columns, other.columns, sizeof columns);
    columns[3].name = TL_SV("visitors");
    other.columns = columns;
    OK(tl_store_define(store, &other, &id, err));
    swapped = false;
    cr_assert_eq(tl_store_swap(store, id, 0, &swapped, &why), TL_ERR_IO);
    cr_assert(!swapped && why.retriable);
    cr_assert_not_null(strstr(why.message, "view mine depends on view hits"), "%s", why.message);
    expect(ask("SELECT n FROM mine"), "7\n");
    sql("DROP VIEW mine");
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    expect(ask("SELECT count(visitors) FROM hits"), "0\n");
    tl_store_close(store);
}
