/* store_fixture.c: a store in a folder of its own, and small rows to put into it. */
#include "support/store_fixture.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "core/partial.h"

static char folder[400];

void store_folder(char out[400])
{
    const char *base = getenv("TMPDIR");

    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "%s/tally-store-XXXXXX", base == NULL ? "/tmp" : base);
        cr_assert_not_null(mkdtemp(folder), "%s", folder);
    }
    snprintf(out, 400, "%s", folder);
}

static void schemas_remove(void);

void store_folder_remove(void)
{
    char command[512];

    schemas_remove();
    if (folder[0] == '\0')
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
    folder[0] = '\0';
}

static void sqlite_url(char out[512])
{
    static int number;
    char name[400];

    store_folder(name);
    snprintf(out, 512, "sqlite:%s/views%d.db", name, number++);
}

const struct store_backend store_sqlite = {"sqlite", sqlite_url, false};

/* ---- PostgreSQL ---- */

const char *store_server(const char *name)
{
    static char lines[8][600];
    static size_t count;
    const char *given = getenv(name);
    FILE *file;

    if (given != NULL && given[0] != '\0')
        return given;
    file = count == 0 ? fopen("build/servers.env", "r") : NULL;
    while (file != NULL && count < TL_COUNT(lines) && fgets(lines[count], sizeof lines[count], file) != NULL)
        count++;
    if (file != NULL)
        fclose(file);
    for (size_t i = 0; i < count; i++) {
        char *value = strchr(lines[i], '=');

        if (value == NULL || strncmp(lines[i], name, (size_t)(value - lines[i])) != 0 ||
            strlen(name) != (size_t)(value - lines[i]))
            continue;
        value += value[1] == '\'' ? 2 : 1;
        value[strcspn(value, "'\n")] = '\0';
        return value;
    }
    cr_assert_fail("no %s in the environment or in build/servers.env: `make postgres` starts the server", name);
    return "";
}

static int schemas;

static void postgres_url(char out[512])
{
    snprintf(out, 512, "%s?schema=t_%d_%d", store_server("POSTGRES_URL"), (int)getpid(), ++schemas);
}

const struct store_backend store_postgres = {"postgres", postgres_url, true};

static void no_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

/* Of a URL with or without schema=, which is tally's own parameter. */
static PGconn *connection_of(const char *url)
{
    const char *ours = strstr(url, "?schema=");
    char plain[512], path[128];
    PGconn *conn;

    snprintf(plain, sizeof plain, "%.*s", ours != NULL ? (int)(ours - url) : (int)strlen(url), url);
    conn = PQconnectdb(plain);
    cr_assert_eq(PQstatus(conn), CONNECTION_OK, "%s", PQerrorMessage(conn));
    PQsetNoticeReceiver(conn, no_notice, NULL);
    if (ours != NULL) {
        snprintf(path, sizeof path, "SET search_path = \"%s\"", ours + sizeof "?schema=" - 1);
        PQclear(PQexec(conn, path));
    }
    return conn;
}

void *store_postgres_hold(const char *url, const char *statements)
{
    PGconn *conn = connection_of(url);
    PGresult *result = PQexec(conn, statements);

    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", statements,
              PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

void store_postgres_release(void *held)
{
    PQfinish(held);
}

void store_postgres_sql(const char *url, const char *statements)
{
    store_postgres_release(store_postgres_hold(url, statements));
}

const char *store_postgres_ask(const char *url, const char *query)
{
    static struct tl_buf text;
    PGconn *conn = connection_of(url);
    PGresult *result = PQexec(conn, query);

    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s: %s", query, PQerrorMessage(conn));
    tl_buf_done(&text);
    tl_buf_init(&text, 0);
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++)
            tl_buf_printf(&text, "%s%s", PQgetisnull(result, row, column) ? "NULL" : PQgetvalue(result, row, column),
                          column + 1 < PQnfields(result) ? " " : "\n");
    tl_buf_put_u8(&text, '\0');
    PQclear(result);
    PQfinish(conn);
    return text.data;
}

static void schemas_remove(void)
{
    char statement[100];

    for (; schemas > 0; schemas--) {
        snprintf(statement, sizeof statement, "DROP SCHEMA IF EXISTS t_%d_%d CASCADE", (int)getpid(), schemas);
        store_postgres_sql(store_server("POSTGRES_URL"), statement);
    }
}

const char *store_path(const char *url)
{
    return strchr(url, ':') + 1;
}

struct tl_store *store_open(const char *url, enum tl_store_mode mode)
{
    struct tl_store *store = NULL;
    struct tl_err err = {.message = ""};

    cr_assert_eq(tl_store_open(url, mode, &store, &err), TL_OK, "%s", err.message);
    return store;
}

static struct tl_shape shape_of(const char *view, char hash, bool windowed, const struct tl_shape_column *columns, uint32_t count)
{
    static char hashes[64][33];
    static unsigned used;
    char *text = hashes[used++ % 64];

    memset(text, '0', 32);
    text[0] = hash;
    return (struct tl_shape){.view = tl_sv_from(view),
                             .hash = text,
                             .comment = TL_SV("hits per host"),
                             .normalised = TL_SV("SELECT 1"),
                             .topic = TL_SV("events"),
                             .windowed = windowed,
                             .lateness_ms = 7000,
                             .columns = columns,
                             .columns_count = count};
}

struct tl_shape store_windowed(const char *view, char hash)
{
    static const struct tl_shape_column columns[] = {
        {{"window_start", 12}, TL_TIMESTAMP, TL_ROLE_WINDOW_START},
        {{"window_end", 10},   TL_TIMESTAMP, TL_ROLE_WINDOW_END  },
        {{"host", 4},          TL_STRING,    TL_ROLE_KEY         },
        {{"num_hits", 8},      TL_BIGINT,    TL_ROLE_VALUE       },
    };

    return shape_of(view, hash, true, columns, TL_COUNT(columns));
}

struct tl_shape store_sessions(const char *view, char hash, uint32_t key_tail_bytes)
{
    struct tl_shape shape = store_windowed(view, hash);

    shape.state = TL_STATE_BESIDE;
    shape.cut_per_key = shape.ends_open = true;
    shape.key_tail_bytes = key_tail_bytes;
    return shape;
}

struct tl_shape store_windowless(const char *view, char hash)
{
    static const struct tl_shape_column columns[] = {
        {{"event_time", 10}, TL_TIMESTAMP_LTZ, TL_ROLE_VALUE},
        {{"url", 3},         TL_STRING,        TL_ROLE_VALUE},
    };

    return shape_of(view, hash, false, columns, TL_COUNT(columns));
}

/* What is being filled may be written to; the store's view of it is const. */
struct slots {
    int64_t *start_ms, *end_ms, *offset;
    uint32_t *partition, *row;
    struct tl_sv *key, *accumulators;
    struct tl_vec *columns;
};

static struct slots slots_of(const struct store_rows *rows)
{
    const struct tl_rows *r = &rows->rows;

    return (struct slots){
        (int64_t *)(uintptr_t)r->start_ms,          (int64_t *)(uintptr_t)r->end_ms,       (int64_t *)(uintptr_t)r->offset,
        (uint32_t *)(uintptr_t)r->partition,        (uint32_t *)(uintptr_t)r->row,         (struct tl_sv *)(uintptr_t)r->key,
        (struct tl_sv *)(uintptr_t)r->accumulators, (struct tl_vec *)(uintptr_t)r->columns};
}

static struct tl_vec vec_of(struct tl_arena *arena, enum tl_kind kind, uint32_t capacity)
{
    struct tl_vec vec = {.kind = kind, .null = tl_arena_zalloc(arena, capacity)};

    vec.sv = tl_arena_zalloc(arena, capacity * sizeof *vec.sv); /* the widest form */
    return vec;
}

void store_rows_init(struct store_rows *rows, bool windowed, uint32_t capacity)
{
    struct tl_vec *columns;

    *rows = (struct store_rows){.capacity = capacity, .windowed = windowed};
    tl_arena_init(&rows->arena, 65536, 0);
    rows->rows.start_ms = tl_arena_zalloc(&rows->arena, capacity * sizeof(int64_t));
    rows->rows.end_ms = tl_arena_zalloc(&rows->arena, capacity * sizeof(int64_t));
    rows->rows.key = tl_arena_zalloc(&rows->arena, capacity * sizeof(struct tl_sv));
    rows->rows.accumulators = tl_arena_zalloc(&rows->arena, capacity * sizeof(struct tl_sv));
    columns = tl_arena_zalloc(&rows->arena, 4 * sizeof *columns);
    if (windowed) {
        columns[0] = vec_of(&rows->arena, TL_TIMESTAMP, capacity);
        columns[1] = vec_of(&rows->arena, TL_TIMESTAMP, capacity);
        columns[2] = vec_of(&rows->arena, TL_STRING, capacity);
        columns[3] = vec_of(&rows->arena, TL_BIGINT, capacity);
    } else {
        rows->rows.partition = tl_arena_zalloc(&rows->arena, capacity * sizeof(uint32_t));
        rows->rows.row = tl_arena_zalloc(&rows->arena, capacity * sizeof(uint32_t));
        rows->rows.offset = tl_arena_zalloc(&rows->arena, capacity * sizeof(int64_t));
        columns[0] = vec_of(&rows->arena, TL_TIMESTAMP_LTZ, capacity);
        columns[1] = vec_of(&rows->arena, TL_STRING, capacity);
    }
    rows->rows.columns = columns;
}

void store_rows_done(struct store_rows *rows)
{
    tl_arena_done(&rows->arena);
}

void store_rows_clear(struct store_rows *rows)
{
    rows->rows.count = 0;
}

static struct tl_sv text_of(struct store_rows *rows, const char *text, size_t size)
{
    struct tl_sv copy = {NULL, 0};

    cr_assert(tl_arena_copy(&rows->arena, (struct tl_sv){text, size}, &copy));
    return copy;
}

void store_rows_add(struct store_rows *rows, int64_t start_ms, int64_t end_ms, const char *host, int64_t hits)
{
    struct slots slots = slots_of(rows);
    uint32_t i = rows->rows.count++;
    char number[32];

    cr_assert(i < rows->capacity && rows->windowed);
    slots.start_ms[i] = start_ms;
    slots.end_ms[i] = end_ms;
    slots.key[i] = text_of(rows, host, strlen(host) + 1);
    snprintf(number, sizeof number, "%lld", (long long)hits);
    slots.accumulators[i] = text_of(rows, number, strlen(number));
    slots.columns[0].i64[i] = start_ms;
    slots.columns[1].i64[i] = end_ms;
    slots.columns[2].sv[i] = text_of(rows, host, strlen(host));
    slots.columns[3].i64[i] = hits;
}

void store_rows_add_tail(struct store_rows *rows)
{
    uint32_t last = rows->rows.count - 1;
    struct tl_sv *key = &slots_of(rows).key[last];
    char longer[64];

    cr_assert(key->size + STORE_TAIL_BYTES <= sizeof longer);
    memcpy(longer, key->data, key->size);
    for (int i = 0; i < STORE_TAIL_BYTES; i++)
        longer[key->size + (size_t)i] = (char)((uint64_t)rows->rows.start_ms[last] >> (24 - 8 * i));
    *key = text_of(rows, longer, key->size + STORE_TAIL_BYTES);
}

void store_rows_add_event(struct store_rows *rows, int64_t time_ms, uint32_t partition, int64_t offset, const char *url)
{
    struct slots slots = slots_of(rows);
    uint32_t i = rows->rows.count++;
    char key[TL_EVENT_KEY_BYTES];

    cr_assert(i < rows->capacity && !rows->windowed);
    tl_event_key(partition, offset, 0, key);
    slots.start_ms[i] = slots.end_ms[i] = time_ms;
    slots.key[i] = text_of(rows, key, sizeof key);
    slots.partition[i] = partition;
    slots.offset[i] = offset;
    slots.row[i] = 0;
    slots.columns[0].i64[i] = time_ms;
    slots.columns[1].sv[i] = text_of(rows, url, strlen(url));
}

void store_put_speed(struct tl_store *store, int64_t epoch, int64_t definition, int64_t start_ms, int64_t end_ms,
                     const char *host, int64_t hits)
{
    struct store_rows rows;
    int64_t change = 0;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, end_ms, host, hits);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, definition, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

void store_stage(struct tl_store *store, int64_t run, int64_t definition, int64_t start_ms, int64_t end_ms, const char *host,
                 int64_t hits)
{
    struct store_rows rows;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, end_ms, host, hits);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, definition, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

void store_stage_range(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, int64_t to_ms)
{
    struct tl_run_range range = {.run = run, .from_ms = from_ms, .to_ms = to_ms};

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, definition, &range, err));
    OK(tl_store_commit(store, err));
}

void store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms, int64_t start_ms, const char *host)
{
    struct store_rows rows;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, to_ms, host, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_open(store, run, definition, to_ms, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

int64_t store_run(struct tl_store *store, const char *reason)
{
    int64_t run = 0;

    OK(tl_store_run_begin(store, reason, TL_SV("tzdata 2026a"), 1000, &run, err));
    return run;
}

int64_t store_epoch(struct tl_store *store)
{
    struct tl_epoch mine = {0};

    OK(tl_store_take_epoch(store, "test", NULL, &mine, err));
    return mine.epoch;
}

struct answer {
    struct tl_buf text;
    size_t columns;
};

static enum tl_code answer_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct answer *answer = ctx;

    (void)err;
    answer->columns = count;
    cr_assert(tl_sv_eq(columns[count - 2].name, TL_SV("_layer")));
    cr_assert(tl_sv_eq(columns[count - 1].name, TL_SV("_final")));
    return TL_OK;
}

static enum tl_code answer_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct answer *answer = ctx;

    (void)err;
    cr_assert_eq(count, answer->columns);
    for (size_t i = 0; i < count; i++) {
        tl_buf_put_str(&answer->text, i == 0 ? "" : " ");
        if (values[i].is_null)
            tl_buf_put_str(&answer->text, "NULL");
        else if (values[i].kind == TL_STRING)
            tl_buf_put_sv(&answer->text, values[i].sv);
        else
            tl_buf_printf(&answer->text, "%lld", (long long)values[i].i64);
    }
    tl_buf_put_str(&answer->text, "\n");
    return TL_OK;
}

const char *store_answer(struct tl_store *store, const char *view, enum tl_layer layer, int64_t from_ms, int64_t to_ms)
{
    struct tl_query query = {.view = tl_sv_from(view), .layer = layer, .from_ms = from_ms, .to_ms = to_ms, .limit = -1};
    static struct answer answer;

    tl_buf_done(&answer.text);
    tl_buf_init(&answer.text, 0);
    OK(tl_store_query(store, &query, answer_head, answer_row, &answer, err));
    tl_buf_put_u8(&answer.text, '\0');
    return answer.text.data;
}
