/* dump.h: what a store holds, as text that two runs can be compared by. */
#ifndef TL_TEST_DUMP_H
#define TL_TEST_DUMP_H

/* The rows of an SQL query on a SQLite database, a line each, columns separated by '|'. The caller frees. */
char *dump_sql(const char *path, const char *sql);
/* All that speed keeps for one view, less what says when it was written: rows with their accumulators, ledger, outcomes, offsets,
 * dead letters. */
char *dump_speed(const char *path, const char *view);
/* The same of several views (NULL at the end), and how far each is final and published. */
char *dump_speeds(const char *path, const char *const *views);
/* The rows of a view that batch has published. */
char *dump_batch(const char *path, const char *view);

#endif
