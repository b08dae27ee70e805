/* dump.c: what a store holds, as text. See dump.h. */
#include "support/dump.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

static void put_query(struct tl_buf *out, sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(statement); c++) {
            const unsigned char *bytes = sqlite3_column_blob(statement, c);
            int size = sqlite3_column_bytes(statement, c);

            tl_buf_put_str(out, c > 0 ? "|" : "");
            if (sqlite3_column_type(statement, c) == SQLITE_BLOB)
                for (int i = 0; i < size; i++)
                    tl_buf_printf(out, "%02x", bytes[i]);
            else
                tl_buf_printf(out, "%s", (const char *)sqlite3_column_text(statement, c));
        }
        tl_buf_put_u8(out, '\n');
    }
    sqlite3_finalize(statement);
}

static sqlite3 *open_store(const char *path)
{
    sqlite3 *db = NULL;

    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 10000);
    return db;
}

static char *close_dump(sqlite3 *db, struct tl_buf *out)
{
    sqlite3_close(db);
    tl_buf_put_u8(out, 0);
    cr_assert(!out->failed);
    return out->data;
}

char *dump_sql(const char *path, const char *sql)
{
    struct tl_buf out;
    sqlite3 *db = open_store(path);

    tl_buf_init(&out, 0);
    put_query(&out, db, sql);
    return close_dump(db, &out);
}

static char *columns_of(sqlite3 *db, const char *table, const char *but)
{
    struct tl_buf sql, names;

    tl_buf_init(&sql, 0);
    tl_buf_init(&names, 0);
    tl_buf_printf(&sql, "SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('%s') WHERE name <> '%s'", table, but);
    tl_buf_put_u8(&sql, 0);
    put_query(&names, db, sql.data);
    names.data[names.size - 1] = 0; /* the line's end */
    tl_buf_done(&sql);
    return names.data;
}

TL_PRINTF(3, 4) static void put_formatted(struct tl_buf *out, sqlite3 *db, const char *fmt, ...)
{
    char sql[2000];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    put_query(out, db, sql);
}

char *dump_speed(const char *path, const char *view)
{
    sqlite3 *db = open_store(path);
    struct tl_buf out;
    static const char *const tables[] = {"tally_ledger", "tally_outcome", "tally_offset"};
    char table[100], *columns;

    tl_buf_init(&out, 0);
    snprintf(table, sizeof table, "%s_speed", view);
    columns = columns_of(db, table, "_change");
    put_formatted(&out, db, "SELECT %s FROM \"%s\" ORDER BY _end_ms, _start_ms, _key", columns, table);
    for (size_t t = 0; t < TL_COUNT(tables); t++) {
        free(columns);
        columns = columns_of(db, tables[t], "definition");
        put_formatted(&out, db,
                      "SELECT %s FROM %s JOIN tally_definition d USING (definition) WHERE view = '%s' AND d.state = 'active' "
                      "ORDER BY 1, 2, 3, 4",
                      columns, tables[t], view);
    }
    put_query(&out, db, "SELECT * FROM tally_dead_letter ORDER BY 1, 2, 3, 4");
    free(columns);
    return close_dump(db, &out);
}

char *dump_speeds(const char *path, const char *const *views)
{
    struct tl_buf out;

    tl_buf_init(&out, 0);
    for (; *views != NULL; views++) {
        char *one = dump_speed(path, *views);
        sqlite3 *db = open_store(path);

        tl_buf_put_str(&out, one);
        put_formatted(&out, db,
                      "SELECT g.final_ms, g.boundary_ms FROM tally_progress g JOIN tally_definition d USING (definition)"
                      " WHERE d.view = '%s' AND d.state = 'active'",
                      *views);
        sqlite3_close(db);
        free(one);
    }
    tl_buf_put_u8(&out, 0);
    cr_assert(!out.failed);
    return out.data;
}

char *dump_batch(const char *path, const char *view)
{
    sqlite3 *db = open_store(path);
    struct tl_buf out;
    char table[100], *columns;

    tl_buf_init(&out, 0);
    snprintf(table, sizeof table, "%s_batch", view);
    columns = columns_of(db, table, "_run");
    put_formatted(&out, db,
                  "SELECT %s FROM \"%s\" b WHERE EXISTS (SELECT * FROM tally_pointer p JOIN tally_definition d USING (definition)"
                  " WHERE b._run = p.run AND b._end_ms > p.from_ms AND b._end_ms <= p.to_ms AND d.state = 'active') ORDER BY "
                  "_end_ms, _start_ms, _key",
                  columns, table);
    free(columns);
    return close_dump(db, &out);
}
