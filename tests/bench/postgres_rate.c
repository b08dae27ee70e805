/* postgres_rate.c: how many rows a second PostgreSQL takes from bare libpq, in each of the ways there are: what the store's own rate is
 * measured against.
 *
 * bench_postgres_rate URL WAY [ROWS]      WAY: unnest     arrays in binary, a statement of 1,024 rows, and wait for its answer
 *                                              pipeline   the same, and go on at once
 *                                              copy       COPY into a temporary table, and one upsert out of it a transaction
 *                                              values     one prepared statement a row, pipelined
 *
 * The rows and transactions of store_rate.c, into a table as the store makes it: new rows, then the same once more. Prints one line. Makes
 * and drops the schema bench_rate. */
#include <endian.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALL_ROWS = 1024, TRANSACTION_ROWS = 10000, HOSTS = 500, COLUMNS = 7, BYTES_MAX = 1 << 20 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(PGconn *conn, const char *what)
{
    fprintf(stderr, "bench_postgres_rate: %s: %s\n", what, PQerrorMessage(conn));
    exit(3);
}

static void run(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK &&
        PQresultStatus(result) != PGRES_COPY_IN)
        die(conn, sql);
    PQclear(result);
}

struct bytes {
    size_t size;
    char data[BYTES_MAX];
};

static void put(struct bytes *out, const void *data, size_t size)
{
    memcpy(out->data + out->size, data, size);
    out->size += size;
}
static void put_u16(struct bytes *out, uint16_t value)
{
    value = htobe16(value);
    put(out, &value, sizeof value);
}
static void put_u32(struct bytes *out, uint32_t value)
{
    value = htobe32(value);
    put(out, &value, sizeof value);
}
static void put_i64(struct bytes *out, int64_t value)
{
    uint64_t bits = htobe64((uint64_t)value);

    put_u32(out, sizeof bits);
    put(out, &bits, sizeof bits);
}
static void put_text(struct bytes *out, const char *text, size_t size)
{
    put_u32(out, (uint32_t)size);
    put(out, text, size);
}

/* change, end, start, key, acc, host, hits */
static const Oid types[COLUMNS] = {20, 20, 20, 17, 17, 25, 20};
static const Oid array_types[COLUMNS] = {20, 1016, 1016, 1001, 1001, 1009, 1016};
static struct bytes params[COLUMNS], copied;

static int64_t start_of(int64_t row)
{
    return INT64_C(1740960000000) + row / HOSTS * 300000;
}

static void put_cell(struct bytes *out, int column, int64_t row, int64_t hits)
{
    char text[32];
    int size = snprintf(text, sizeof text, "host-%03d.example.org", (int)(row % HOSTS * 7 % HOSTS));

    switch (column) {
    case 0: put_i64(out, hits); break;
    case 1: put_i64(out, start_of(row) + 300000); break;
    case 2: put_i64(out, start_of(row)); break;
    case 3: put_text(out, text, (size_t)size + 1); break;
    case 4:
        memset(text, (int)(hits + row % HOSTS), 16);
        put_text(out, text, 16);
        break;
    case 5: put_text(out, text, (size_t)size); break;
    default: put_i64(out, hits + row % HOSTS); break;
    }
}

static const char upsert_tail[] =
    " ON CONFLICT (_end_ms, _start_ms, (CASE WHEN octet_length(_key) > 1000 THEN sha256(_key) ELSE _key END))"
    " DO UPDATE SET _change = excluded._change, _acc = excluded._acc, host = excluded.host, num_hits = excluded.num_hits";
static const char into[] = "INSERT INTO hits_speed (_change, _end_ms, _start_ms, _key, _acc, host, num_hits) ";

static void send_rows(PGconn *conn, int64_t first, int64_t count, int64_t hits)
{
    const char *values[COLUMNS];
    int lengths[COLUMNS], formats[COLUMNS];

    for (int c = 0; c < COLUMNS; c++) {
        struct bytes *out = &params[c];

        out->size = 0;
        if (c > 0) {
            put_u32(out, 1);
            put_u32(out, 0);
            put_u32(out, types[c]);
            put_u32(out, (uint32_t)count);
            put_u32(out, 1);
            for (int64_t i = 0; i < count; i++)
                put_cell(out, c, first + i, hits);
            values[c] = out->data;
            lengths[c] = (int)out->size;
        } else {
            put_cell(out, c, first, hits);
            values[c] = out->data + 4;
            lengths[c] = (int)out->size - 4;
        }
        formats[c] = 1;
    }
    if (!PQsendQueryPrepared(conn, "rows", COLUMNS, values, lengths, formats, 1))
        die(conn, "send");
}

static void send_row(PGconn *conn, int64_t row, int64_t hits)
{
    const char *values[COLUMNS];
    int lengths[COLUMNS], formats[COLUMNS];

    for (int c = 0; c < COLUMNS; c++) {
        params[c].size = 0;
        put_cell(&params[c], c, row, hits);
        values[c] = params[c].data + 4;
        lengths[c] = (int)params[c].size - 4;
        formats[c] = 1;
    }
    if (!PQsendQueryPrepared(conn, "row", COLUMNS, values, lengths, formats, 1))
        die(conn, "send");
}

static void take(PGconn *conn, const char *what)
{
    PGresult *result = PQgetResult(conn);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        die(conn, what);
    PQclear(result);
    while ((result = PQgetResult(conn)) != NULL)
        PQclear(result);
}

static void copy_rows(PGconn *conn, int64_t first, int64_t count, int64_t hits)
{
    run(conn, "COPY incoming FROM STDIN (FORMAT binary)");
    copied.size = 0;
    put(&copied, "PGCOPY\n\377\r\n\0", 11);
    put_u32(&copied, 0);
    put_u32(&copied, 0);
    for (int64_t i = 0; i < count; i++) {
        put_u16(&copied, COLUMNS);
        for (int c = 0; c < COLUMNS; c++)
            put_cell(&copied, c, first + i, hits);
        if (copied.size > BYTES_MAX / 2) {
            if (PQputCopyData(conn, copied.data, (int)copied.size) != 1)
                die(conn, "copy");
            copied.size = 0;
        }
    }
    put_u16(&copied, 0xffff);
    if (PQputCopyData(conn, copied.data, (int)copied.size) != 1 || PQputCopyEnd(conn, NULL) != 1)
        die(conn, "copy");
    take(conn, "copy");
}

static void copy_transaction(PGconn *conn, int64_t at, int64_t end, int64_t hits)
{
    char sql[1024];

    copy_rows(conn, at, end - at, hits);
    snprintf(sql, sizeof sql, "%sSELECT * FROM incoming%s", into, upsert_tail);
    run(conn, sql);
    run(conn, "TRUNCATE incoming");
}

/* Sends statements one after the other, and waits for all of them at the end, or for each. */
static void send_transaction(PGconn *conn, const char *way, int64_t at, int64_t end, int64_t hits)
{
    bool waits = strcmp(way, "unnest") == 0;
    int pending = 0;

    if (!waits && !PQenterPipelineMode(conn))
        die(conn, "pipeline");
    while (at < end) {
        int64_t count = end - at < CALL_ROWS ? end - at : CALL_ROWS;

        if (strcmp(way, "values") == 0) {
            for (int64_t i = 0; i < count; i++)
                send_row(conn, at + i, hits);
            pending += (int)count;
        } else {
            send_rows(conn, at, count, hits);
            pending++;
        }
        if (waits)
            take(conn, "rows");
        at += count;
    }
    if (waits)
        return;
    if (!PQpipelineSync(conn))
        die(conn, "sync");
    for (; pending > 0; pending--)
        take(conn, "rows");
    PQclear(PQgetResult(conn)); /* the sync's */
    if (!PQexitPipelineMode(conn))
        die(conn, "pipeline");
}

static double write_rows(PGconn *conn, const char *way, int64_t rows_count, int64_t hits)
{
    double begin = now_s();

    for (int64_t at = 0; at < rows_count; at += TRANSACTION_ROWS) {
        int64_t end = at + TRANSACTION_ROWS < rows_count ? at + TRANSACTION_ROWS : rows_count;

        run(conn, "BEGIN");
        if (strcmp(way, "copy") == 0)
            copy_transaction(conn, at, end, hits);
        else
            send_transaction(conn, way, at, end, hits);
        run(conn, "COMMIT");
    }
    return (double)rows_count / (now_s() - begin);
}

static void prepare(PGconn *conn, const char *name, const char *sql, const Oid *oids)
{
    PGresult *result = PQprepare(conn, name, sql, COLUMNS, oids);

    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        die(conn, sql);
    PQclear(result);
}

int main(int argc, char **argv)
{
    int64_t rows_count = argc > 3 ? strtoll(argv[3], NULL, 10) : 200000;
    char sql[2048];
    double inserted, updated;
    PGconn *conn;

    if (argc < 3 || argc > 4 || rows_count < 1) {
        fputs("usage: bench_postgres_rate URL unnest|pipeline|copy|values [ROWS]\n", stderr);
        return 2;
    }
    conn = PQconnectdb(argv[1]);
    if (PQstatus(conn) != CONNECTION_OK)
        die(conn, "connect");
    run(conn, "SET client_min_messages = warning");
    run(conn, "DROP SCHEMA IF EXISTS bench_rate CASCADE");
    run(conn, "CREATE SCHEMA bench_rate");
    run(conn, "SET search_path = bench_rate");
    run(conn,
        "CREATE TABLE hits_speed (host text COLLATE \"C\", num_hits bigint, _end_ms bigint NOT NULL, _start_ms bigint NOT NULL,"
        " _key bytea NOT NULL, _change bigint NOT NULL, _acc bytea NOT NULL) WITH (fillfactor = 50)");
    run(conn,
        "CREATE UNIQUE INDEX ON hits_speed (_end_ms, _start_ms, (CASE WHEN octet_length(_key) > 1000 THEN sha256(_key) ELSE _key"
        " END))");
    if (strcmp(argv[2], "copy") == 0)
        run(conn, "CREATE TEMPORARY TABLE incoming (_change bigint, _end_ms bigint, _start_ms bigint, _key bytea, _acc bytea, "
                  "host text,"
                  " num_hits bigint)");
    snprintf(sql, sizeof sql,
             "%sSELECT $1::bigint, r.* FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[], "
             "$7::bigint[]) AS r%s",
             into, upsert_tail);
    prepare(conn, "rows", sql, array_types);
    snprintf(sql, sizeof sql, "%sVALUES ($1, $2, $3, $4, $5, $6, $7)%s", into, upsert_tail);
    prepare(conn, "row", sql, types);
    inserted = write_rows(conn, argv[2], rows_count, 1);
    updated = write_rows(conn, argv[2], rows_count, 2);
    printf("insert_rows_per_s=%.0f update_rows_per_s=%.0f way=%s rows=%lld\n", inserted, updated, argv[2], (long long)rows_count);
    run(conn, "DROP SCHEMA bench_rate CASCADE");
    PQfinish(conn);
    return 0;
}
