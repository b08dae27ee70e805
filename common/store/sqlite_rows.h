/* sqlite_rows.h: rows in memory as a table that SQLite reads, "tally_rows (c0, c1, ...)": so one statement inserts all of them. Bound and
 * stepped one by one, a row of four columns costs twice as much: the statement begins and ends for each, and finds its way from the tree's
 * root to the leaf that the row before has just been put into.
 *
 * Not for an upsert: SQLite keeps a copy of each page that such a statement of many rows changes, until its end.
 *
 * Is not:  in the file. It is known to one connection, as long as that is open. */
#ifndef TL_SQLITE_ROWS_H
#define TL_SQLITE_ROWS_H

#include "store/database.h"

enum { TL_SQLITE_ROWS_COLUMNS = 128 };
#define TL_SQLITE_NAN "NaN"

struct sqlite3;

/* What the table holds: set before a statement is stepped that reads it. */
struct tl_sqlite_rows {
    const char *types; /* of the columns: tl_statement_bulk */
    const struct tl_bulk_column *columns;
    const uint32_t *order; /* NULL: as they stand */
    size_t count;
};

/* A SQLite code. `rows` lives as long as the connection. */
int tl_sqlite_rows_register(struct sqlite3 *db, const struct tl_sqlite_rows *rows);
/* "SELECT c0, c1, ... FROM tally_rows" */
void tl_sqlite_rows_put_select(struct tl_buf *out, size_t columns_count);

#endif
