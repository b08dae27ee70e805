/* postgres_dump.h: what speed keeps of the views of visits.h in a PostgreSQL store, as text that two runs can be compared by. */
#ifndef TL_TEST_POSTGRES_DUMP_H
#define TL_TEST_POSTGRES_DUMP_H

/* Rows with accumulators, ledger, outcomes, offsets, dead letters; less what says when it was written. The caller frees. */
char *postgres_dump(const char *url);
/* Fails the test at the first line that differs, and shows it. */
void expect_same_lines(const char *got, const char *want);

#endif
